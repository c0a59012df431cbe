"""Random numbers of a policy, from words that tell nothing about problem or seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence


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
    bits = np.random.PCG64(Seedless())  # type: ignore[arg-type]
    bits.state = {**bits.state, "state": {"state": state, "inc": increment | 1}}
    return np.random.Generator(bits)
