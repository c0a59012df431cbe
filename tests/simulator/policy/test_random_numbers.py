"""Random numbers follow from their words, and nothing about a seed can be read from them."""

from __future__ import annotations

import copy
import hashlib

import numpy as np
import pytest

from simulator.policy.random_numbers import generator


def test_the_state_is_the_hash_of_the_words() -> None:
    digest = hashlib.sha256(b"1 2").digest()
    state = generator((1, 2)).bit_generator.state["state"]
    assert state["state"] == int.from_bytes(digest[:16], "little")
    assert state["inc"] == int.from_bytes(digest[16:], "little") | 1


def test_the_same_words_give_the_same_numbers() -> None:
    drawn = generator((1, 2)).random(8).tolist()
    assert generator((1, 2)).random(8).tolist() == drawn
    assert generator((12,)).random(8).tolist() != drawn
    assert 0.45 < generator((1, 2)).random(10_000).mean() < 0.55


def test_it_holds_no_seed_and_cannot_spawn() -> None:
    rng = generator((123_456_789,))
    assert vars(rng.bit_generator.seed_seq) == {}
    with pytest.raises(TypeError, match="spawning"):
        rng.spawn(2)
    assert copy.deepcopy(rng).random() == rng.random()


def test_its_kind_is_numpys_default() -> None:
    assert type(generator((1,)).bit_generator) is type(np.random.default_rng(1).bit_generator)
