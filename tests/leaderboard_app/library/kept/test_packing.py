"""Places and averages that were kept are those that were computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from leaderboard_app.library.kept.packing import packed, packed_metrics, unpacked, unpacked_metrics
from leaderboard_app.library.ranking import Others, Place, with_ranks
from simulator.runs.results import Metric
from simulator.significance import Contrast

SHARES = st.floats(-1, 1)
METRICS = st.builds(Metric, SHARES, SHARES | st.none(), SHARES | st.none())
CONTRASTS = st.builds(Contrast, METRICS, st.integers(0, 300), SHARES | st.none())


@st.composite
def places(draw: st.DrawFn) -> dict[str, Place]:
    names = draw(st.lists(st.text(min_size=1), max_size=9, unique=True))
    pools = tuple(draw(st.lists(st.text(), max_size=3)))
    found = {
        name: Place(draw(METRICS | st.none()), draw(CONTRASTS | st.none()), pools=pools)
        for name in names
    }
    ranked = [name for name in names if draw(st.booleans())]
    size = len(ranked)
    better = np.triu(
        np.array(draw(st.lists(st.booleans(), min_size=size**2, max_size=size**2)))
        .reshape(size, size)
        .astype(bool),
        1,
    )
    front = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=bool)
    return with_ranks(found, tuple(ranked), better, front)


@given(places())
def test_places_are_read_as_they_were_written(found: dict[str, Place]) -> None:
    assert unpacked(packed(found)) == found


def test_ranks_by_hand_survive() -> None:
    better = np.array([[0, 1, 1], [0, 0, 0], [0, 0, 0]], dtype=bool)
    found = with_ranks(
        {name: Place(pools=("p",)) for name in ("a", "b", "c", "unranked")},
        ("a", "b", "c"),
        better,
        np.array([True, False, True]),
    )
    again = unpacked(packed(found))
    assert [again[name].range for name in ("a", "b", "c", "unranked")] == ["1", "2–3", "2–3", ""]
    assert again["a"].worse == ("b", "c")
    assert again["b"].better == ("a",)
    assert [again[name].pareto for name in again] == [True, False, True, None]
    assert {each.pools for each in again.values()} == {("p",)}


@given(st.dictionaries(st.text(), st.lists(METRICS, max_size=3), max_size=4))
def test_metrics_are_read_as_they_were_written(found: dict[str, Sequence[Metric]]) -> None:
    assert unpacked_metrics(packed_metrics(found)) == found


@given(st.lists(st.booleans(), max_size=40))
def test_others_are_a_sequence_of_the_ids_whose_bit_is_set(bits: list[bool]) -> None:
    ids = [f"id-{number}" for number in range(len(bits))]
    expected = tuple(name for name, bit in zip(ids, bits, strict=True) if bit)
    found = Others(ids, np.packbits(np.array(bits, dtype=bool)))
    assert (tuple(found), len(found), found[1:3]) == (expected, len(expected), expected[1:3])
    assert found == expected
    assert hash(found) == hash(expected)
    assert all(name in found for name in expected)
    assert bool(found) == bool(expected)
