"""The chance that the leading answer leads, beside scipy and by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc

from simulator.policy.posterior import chance_of_lead

VOTES = st.one_of(st.integers(0, 3000), st.floats(0, 100))


@given(first=VOTES, second=VOTES)
def test_it_is_the_incomplete_beta_function_of_scipy(first: float, second: float) -> None:
    expected = betainc(second + 1, first + 1, 0.5)
    assert chance_of_lead(first, second) == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "chance"),
    [(0, 0, 1 / 2), (1, 0, 3 / 4), (2, 0, 7 / 8), (0, 1, 1 / 4), (2, 1, 11 / 16), (1, 1, 1 / 2)],
)
def test_small_counts_are_tails_of_coin_tosses(first: int, second: int, chance: float) -> None:
    # at most `first` heads in first + second + 1 tosses
    assert chance_of_lead(first, second) == pytest.approx(chance, rel=1e-14)
