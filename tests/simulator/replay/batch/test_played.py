"""Votes of many repeats at once, against the votes of each alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from simulator.policy.voting import majority_vote, top_two
from simulator.replay.batch.played import Tally

votes = st.integers(1, 9).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(-1, 4), min_size=width, max_size=width), min_size=1, max_size=5
    )
)


def naive_plurality(row: list[int]) -> int:
    """Count; the first vote whose class has as many as any other wins."""
    best, most = -1, 0
    for vote in row:
        if vote >= 0 and row.count(vote) > most:
            best, most = vote, row.count(vote)
    return best


@given(votes)
def test_winners_are_majority_votes_row_by_row(rows: list[list[int]]) -> None:
    answers = np.array(rows, dtype=np.int32)
    single = [majority_vote(row) for row in answers]
    expected = [naive_plurality(row) for row in rows]
    assert Tally(answers).winners().tolist() == expected
    assert [-1 if vote is None else int(vote) for vote in single] == expected


@given(votes, st.sets(st.integers(0, 4)))
def test_a_tally_tells_the_classes_of_each_row(rows: list[list[int]], chosen: set[int]) -> None:
    tally = Tally(np.array(rows, dtype=np.int32))
    given = [set(row) - {-1} for row in rows]
    assert tally.distinct().tolist() == [len(classes) for classes in given]
    found = tally.any_of(np.array([kind in chosen for kind in range(5)]))
    assert found.tolist() == [bool(classes & chosen) for classes in given]


@given(votes)
def test_classes_are_counted_after_every_vote(rows: list[list[int]]) -> None:
    expected = [[len({*row[: n + 1]} - {-1}) for n in range(len(row))] for row in rows]
    assert Tally(np.array(rows, dtype=np.int32)).distinct_so_far().tolist() == expected


@given(votes)
def test_the_leading_two_are_those_of_every_beginning(rows: list[list[int]]) -> None:
    answers = np.array(rows, dtype=np.int32)
    expected = [[top_two(row[: n + 1]) for n in range(len(row))] for row in answers]
    first, second = Tally(answers).leading_two()
    assert [
        [*zip(*each, strict=True)] for each in zip(first.tolist(), second.tolist(), strict=True)
    ] == expected
