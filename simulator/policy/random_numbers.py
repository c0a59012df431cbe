"""Random numbers of a policy, from words that tell nothing about problem or seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence

State = tuple[int, int, int, int]
"""State and increment of a PCG64 generator, and the half of a number that it may hold."""


def has_state(rng: np.random.Generator) -> bool:
    """Return True for a PCG64 generator, whose state `state_of` returns."""
    return type(rng) is np.random.Generator and type(rng.bit_generator) is np.random.PCG64


def state_of(rng: np.random.Generator) -> State:
    """Return the state of a PCG64 generator."""
    held = rng.bit_generator.state
    return held["state"]["state"], held["state"]["inc"], held["has_uint32"], held["uinteger"]


def set_state(rng: np.random.Generator, state: State) -> None:
    """Set the state of a PCG64 generator."""
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state[0], "inc": state[1]},
        "has_uint32": state[2],
        "uinteger": state[3],
    }


def generator_at(state: State) -> np.random.Generator:
    """Return a generator (PCG64) with this state."""
    rng = np.random.Generator(np.random.PCG64(Seedless()))  # type: ignore[arg-type]
    set_state(rng, state)
    return rng


class Seedless(ISeedSequence):
    """A seed sequence without a seed, so that none can be read from a generator.

    It cannot spawn: `Generator.spawn` raises TypeError.
    """

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        """Return zeros; the state is set afterwards."""
        return np.zeros(n_words, dtype)


def generator(words: Sequence[int]) -> np.random.Generator:
    """Return a generator (PCG64) whose state is the SHA-256 of `words`."""
    digest = hashlib.sha256(" ".join(str(int(word)) for word in words).encode()).digest()
    state, increment = (int.from_bytes(half, "little") for half in (digest[:16], digest[16:]))
    return generator_at((state, increment | 1, 0, 0))
