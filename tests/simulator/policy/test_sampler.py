"""Selections of traces: what names them, what they show, and that nobody can write into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pools import T, start_engine, write_problem

from simulator.errors import SamplerError
from simulator.policy.sampler import Sampler, Trace, Traces

TRACES = [
    T(4, "1", {2: "2"}, text="abcdefgh", confidence=[1, 2, 3, 4]),
    T(6, "2", {2: "1", 4: "2"}, text="ijklmnopqrst", confidence=[6, 5, 4, 3, 2, 1]),
    T(5, None, {3: None}, text="uvwxyz6789", confidence=[0.5, 1.5, 2.5, 3.5, 4.5]),
    T(9, "1", {1: "1"}, text="a" * 18, confidence=[7] * 9),
]


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    return start_engine(write_problem(tmp_path, TRACES))[1]


@pytest.fixture
def traces(sampler: Sampler) -> Traces:
    return sampler.start(4)


# Selecting


@pytest.mark.parametrize(
    ("key", "ids"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        (slice(9, None), []),
        ([2, 0], [2, 0]),
        ([-1, 1], [3, 1]),
        (np.array([3, 1], dtype=np.int32), [3, 1]),
        ([], []),
        ([True, False, False, True], [0, 3]),
        (np.array([False] * 4), []),
    ],
)
def test_slices_masks_and_positions_select(traces: Traces, key: Any, ids: list[int]) -> None:
    chosen = traces[key]
    assert isinstance(chosen, Traces)
    assert chosen.ids.tolist() == ids
    assert len(chosen) == len(ids)
    assert [trace.id for trace in chosen] == ids


def test_a_selection_of_a_selection_counts_from_its_own_start(traces: Traces) -> None:
    assert traces[1:][[2, 0]].ids.tolist() == [3, 1]
    assert traces[::-1][0] == traces[3]


@pytest.mark.parametrize("key", [0, -4, np.int64(0)])
def test_a_position_is_one_trace(traces: Traces, key: int) -> None:
    trace = traces[key]
    assert isinstance(trace, Trace)
    assert trace.id == 0


@pytest.mark.parametrize("key", [4, -5, [4], [True, False], [True] * 5])
def test_a_place_that_is_not_there_is_an_index_error(traces: Traces, key: Any) -> None:
    with pytest.raises(IndexError):
        traces[key]


@pytest.mark.parametrize("key", [[1, 1], [0, -4], np.array([2, 3, 2]), [1, 0, 0, 1]])
def test_positions_that_name_a_trace_twice_are_refused(traces: Traces, key: Any) -> None:
    with pytest.raises(SamplerError, match="contains a trace twice"):
        traces[key]


@pytest.mark.parametrize("key", [True, np.bool_(False)])
def test_one_truth_value_is_no_mask(traces: Traces, key: Any) -> None:
    with pytest.raises(SamplerError, match="a mask needs one element for each trace"):
        traces[key]


def test_joined_selections_keep_their_order(traces: Traces) -> None:
    assert (traces[2:] + traces[0]).ids.tolist() == [2, 3, 0]
    assert (traces[:0] + traces[:2]).ids.tolist() == [0, 1]
    with pytest.raises(SamplerError, match="contains a trace twice"):
        traces[:2] + traces[1:]
    with pytest.raises(SamplerError, match="contains a trace twice"):
        traces[:2] + traces[1]


def test_set_operations_keep_the_order(traces: Traces) -> None:
    one, other = traces[[3, 0, 2]], traces[[2, 1, 3]]
    assert (one - other).ids.tolist() == [0]
    assert (other - one).ids.tolist() == [1]
    assert (one & other).ids.tolist() == [3, 2]
    assert (other & one).ids.tolist() == [2, 3]
    assert (one | other).ids.tolist() == [3, 0, 2, 1]
    assert (other | one).ids.tolist() == [2, 1, 3, 0]
    assert (one - traces[0]).ids.tolist() == [3, 2]
    assert (one - traces[1]).ids.tolist() == [3, 0, 2]
    assert (one & traces[1]).ids.tolist() == []
    assert (one | traces[1]).ids.tolist() == [3, 0, 2, 1]
    assert (traces[:0] - one).ids.tolist() == (traces[:0] & one).ids.tolist() == []


@pytest.mark.parametrize("name", ["__add__", "__sub__", "__and__", "__or__"])
@pytest.mark.parametrize("wrong", [1, "ab", None, [0, 1], np.array([0]), {0}])
def test_only_traces_are_joined_or_taken_away(traces: Traces, name: str, wrong: Any) -> None:
    with pytest.raises(SamplerError, match=r"expected traces from sampler\.start, not "):
        getattr(traces, name)(wrong)


@pytest.mark.parametrize("name", ["__sub__", "__and__", "__or__"])
def test_traces_of_another_repeat_are_not_taken_away(
    traces: Traces, tmp_path: Path, name: str
) -> None:
    other = start_engine(write_problem(tmp_path / "other", TRACES))[1].start(4)
    for theirs in (other, other[1]):
        with pytest.raises(SamplerError, match="belong to another problem or repeat"):
            getattr(traces, name)(theirs)


def test_traces_are_started_in_order_and_stay_in_it(sampler: Sampler) -> None:
    first = sampler.start(2)
    assert sampler.start().ids.tolist() == [2]
    assert sampler.start(0).ids.tolist() == []
    assert sampler.traces.ids.tolist() == [0, 1, 2]
    assert first.ids.tolist() == [0, 1]


def test_a_list_of_traces_and_selections_names_them_all(sampler: Sampler) -> None:
    traces = sampler.start(4)
    sampler.decode([traces[3], traces[0]], tokens=2)
    assert traces.num_tokens.tolist() == [2, 0, 0, 2]
    sampler.decode([], tokens=2)
    sampler.decode(traces[2])
    assert traces.num_tokens.tolist() == [2, 0, 5, 2]


@pytest.mark.parametrize("call", ["decode", "stop", "probe"])
def test_a_call_that_names_a_trace_twice_is_refused(sampler: Sampler, call: str) -> None:
    traces = sampler.start(4)
    with pytest.raises(SamplerError, match="contains a trace twice"):
        getattr(sampler, call)([traces[0], traces[1], traces[0]])
    assert sampler.tokens == 0
    assert not traces.stopped.any()


@pytest.mark.parametrize("call", ["decode", "stop", "probe"])
@pytest.mark.parametrize("named", ["selection", "one", "list"])
def test_traces_of_another_repeat_are_refused(
    sampler: Sampler, tmp_path: Path, call: str, named: str
) -> None:
    own = sampler.start(4)
    other = start_engine(write_problem(tmp_path / "other", TRACES))[1].start(4)
    choice = {"selection": other, "one": other[0], "list": [own[0], other[1]]}[named]
    with pytest.raises(SamplerError, match="belong to another problem or repeat"):
        getattr(sampler, call)(choice)
    with pytest.raises(SamplerError, match="belong to another problem or repeat"):
        own[:1] + other[1:]
    assert sampler.tokens == 0


@pytest.mark.parametrize("wrong", [[0, 1], np.array([0, 1]), "01", [None]])
@pytest.mark.parametrize("call", ["decode", "stop", "probe"])
def test_what_is_no_trace_is_refused(sampler: Sampler, call: str, wrong: Any) -> None:
    sampler.start(4)
    with pytest.raises(SamplerError, match=r"expected traces from sampler\.start"):
        getattr(sampler, call)(wrong)


def test_traces_of_one_engine_are_equal_by_number(sampler: Sampler, tmp_path: Path) -> None:
    traces = sampler.start(4)
    other = start_engine(write_problem(tmp_path / "other", TRACES))[1].start(4)
    assert traces[1] == sampler.traces[1]
    assert traces[1] != traces[2]
    assert traces[1] != other[1]
    assert traces[1] != 1
    assert len({traces[1], sampler.traces[1], other[1]}) == 2


# One number of tokens a trace


def test_each_trace_goes_on_by_its_own_tokens_and_the_clock_by_the_most(sampler: Sampler) -> None:
    traces = sampler.start(4)  # of 4, 6, 5 and 9 tokens
    assert sampler.decode(traces, tokens=[4, 2, 0, 3]).ids.tolist() == [0]
    assert (traces.num_tokens.tolist(), sampler.clock) == ([4, 2, 0, 3], 4)
    assert sampler.decode(traces[[3, 1]], tokens=np.array([1, 99])).ids.tolist() == [1]
    assert (traces.num_tokens.tolist(), sampler.clock) == ([4, 6, 0, 4], 8)
    assert sampler.decode(traces, tokens=(9, 9, 0, 0)).ids.tolist() == []  # they have finished
    assert (sampler.tokens, sampler.clock) == (14, 8)
    assert len(sampler.decode(traces[:0], tokens=[])) == 0
    assert len(sampler.decode(traces[2], tokens=[1])) == 0
    assert sampler.decode(traces, tokens=[7, 7, 7, 2], first=3).ids.tolist() == [2]
    assert (traces.num_tokens.tolist(), sampler.clock) == ([4, 6, 5, 6], 8 + 1 + 4)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "uint64"])
def test_tokens_can_be_whole_numbers_of_any_kind(sampler: Sampler, kind: str) -> None:
    traces = sampler.start(4)
    sampler.decode(traces, tokens=np.array([1, 2, 0, 3], dtype=kind))
    assert traces.num_tokens.tolist() == [1, 2, 0, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        *([1], [1, 2, 3, 4, 5], [[1] * 4], [1.0] * 4, [True] * 4, [1, 1, 1, -1], ["1"] * 4),
        *([1, [2], 3, 4], [10**30] * 4, [None] * 4, [], np.ones((4, 1), dtype=int)),
    ],
)
def test_tokens_that_are_not_one_number_a_trace_are_refused(sampler: Sampler, wrong: Any) -> None:
    traces = sampler.start(4)
    with pytest.raises(SamplerError, match=r"an array of one for each of the 4 traces$"):
        sampler.decode(traces, tokens=wrong)
    assert sampler.tokens == 0


# The order of finishing


def test_finished_traces_tell_when_they_finished(sampler: Sampler) -> None:
    traces = sampler.start(4)  # of 4, 6, 5 and 9 tokens
    assert np.isnan(traces.finished_at).all()
    sampler.decode(traces[1], tokens=2)
    sampler.decode(traces, tokens=4)  # from 2 on the clock: traces 0 and 1 end at 6
    assert sampler.clock == 6
    np.testing.assert_array_equal(traces.finished_at, [6, 6, np.nan, np.nan])
    assert [traces[1].finished_at, traces[0].finished_at] == [6, 6]
    assert np.isnan(traces[3].finished_at)
    sampler.decode(traces[2:])  # from 6: after 1 and 5 more tokens
    np.testing.assert_array_equal(traces[::-1].finished_at, [11, 7, 6, 6])
    order = traces[::-1][traces[::-1].finished_at.argsort(kind="stable")]
    assert order.ids.tolist() == [1, 0, 2, 3]  # ties in the order of the selection


# What is shown


def test_text_and_confidence_end_at_the_tokens_generated(sampler: Sampler) -> None:
    traces = sampler.start(4)
    assert traces.text == [""] * 4
    assert np.isnan(traces.confidence()).all()
    sampler.decode(traces, tokens=3)
    assert traces.text == ["abcdef", "ijklmn", "uvwxyz", "aaaaaa"]  # two characters a token
    assert traces.confidence().tolist() == [2, 5, 1.5, 7]
    assert traces.confidence(2).tolist() == [2.5, 4.5, 2, 7]
    assert traces.confidence(99).tolist() == [2, 5, 1.5, 7]
    assert [trace.text for trace in traces] == traces.text
    assert [trace.confidence.tolist() for trace in traces] == [
        [1, 2, 3],
        [6, 5, 4],
        [0.5, 1.5, 2.5],
        [7, 7, 7],
    ]
    sampler.decode(traces)
    assert traces.text == [trace.text for trace in TRACES]
    assert traces.confidence(2).tolist() == [3.5, 1.5, 4, 7]


def test_nothing_shown_reaches_back_to_the_whole(sampler: Sampler) -> None:
    traces = sampler.start(4)
    sampler.decode(traces, tokens=2)
    shown = [
        traces[1].confidence,
        traces.confidence(),
        traces.num_tokens,
        traces.finished,
        traces.finished_at,
        traces.stopped,
        traces.answer,
        traces.ids,
        sampler.probe(traces),
        sampler.probe(sampler.traces),
    ]
    for array in shown:
        base = array
        while base.base is not None:  # a memory map or view would hold more than was asked for
            base = base.base
        assert base.size == array.size


def test_one_trace_shows_what_its_selection_does(sampler: Sampler) -> None:
    traces = sampler.start(4)
    sampler.decode(traces, tokens=5)
    sampler.stop(traces[1])
    for name in ("num_tokens", "finished", "stopped", "answer"):
        shown = [getattr(trace, name) for trace in traces]
        assert shown == getattr(traces, name).tolist()
    assert [type(trace.answer) for trace in traces] == [np.int32] * 4
    assert isinstance(traces[0].num_tokens, int)
    assert traces[2].finished
    assert traces[2].answer == -1
    assert repr(traces) == "<4 traces, 2 finished, 19 tokens>"
    assert repr(traces[0]) == "<trace 0, finished, 4 tokens>"
    assert repr(traces[1]) == "<trace 1, unfinished, 5 tokens>"


@pytest.mark.parametrize("steps", [1, 3])
def test_writing_into_what_was_handed_out_changes_nothing(sampler: Sampler, steps: int) -> None:
    traces = sampler.start(4)
    state = ("ids", "num_tokens", "finished", "stopped", "answer")

    def scribble() -> None:
        for selection in (traces, sampler.traces, traces[1:3], traces[[0, 2]], finished):
            for name in state:
                array = getattr(selection, name)
                array[...] = np.ones_like(array) * 3
            sampler.probe(selection)[...] = 0
            selection.confidence()[...] = 0
            for trace in selection:
                trace.confidence[...] = 0

    finished = traces[:0]
    probed = [[False, False, False, True], [True, True, False, True], [True, True, False, True]]
    for step in range(steps):
        finished = sampler.decode(traces, tokens=1)  # the same selection: decoded in lock step
        scribble()
        assert traces.num_tokens.tolist() == [step + 1] * 4
        assert traces.ids.tolist() == [0, 1, 2, 3]
        assert not traces.finished.any()
        assert not traces.stopped.any()
        assert traces.answer.tolist() == [-1] * 4
        assert (sampler.probe(traces) >= 0).tolist() == probed[step]
    scribble()
    sampler.decode(traces)
    assert traces.num_tokens.tolist() == [4, 6, 5, 9]
    assert [trace.confidence.tolist() for trace in traces] == [t.confidence for t in TRACES]


# What is left


def test_the_sampler_tells_budget_and_totals(sampler: Sampler) -> None:
    assert (sampler.budget, sampler.tokens, sampler.clock, sampler.probe_calls) == (4, 0, 0, 0)
    traces = sampler.start(3)
    assert (sampler.budget, sampler.tokens) == (4, 0)
    sampler.decode(traces[0])
    sampler.decode(traces[1:], tokens=3)
    sampler.stop(traces)
    assert (sampler.tokens, sampler.clock) == (4 + 3 + 3, 4 + 3)


def test_random_numbers_depend_on_the_seed_alone(tmp_path: Path) -> None:
    engine, sampler = start_engine(write_problem(tmp_path, TRACES))
    again = Sampler(engine, (0, 0, 0))
    other = Sampler(engine, (0, 0, 1))
    drawn = sampler.rng.random(3).tolist()
    assert again.rng.random(3).tolist() == drawn
    assert other.rng.random(3).tolist() != drawn
    assert sampler.rng.random(3).tolist() != drawn  # it goes on where it was
