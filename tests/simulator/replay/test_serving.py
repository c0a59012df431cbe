"""Continuous batching against a simulator that takes one step at a time, and by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, start_engine, write_problem

from simulator.errors import UserError
from simulator.replay.serving import Schedule, Serving, parse_step_seconds


@dataclass
class Naive:
    work: list[int]
    begin: list[float]
    end: list[float]
    duration: float


def step_by_step(
    serving: Serving, work: list[int], finishes: list[bool], first: int | None
) -> Naive:
    """Every step: fill the free slots in order, advance whoever has one, count who finished."""
    slots = len(work) if serving.concurrency is None else serving.concurrency
    waiting = [trace for trace in range(len(work)) if work[trace] > 0]
    running: list[int] = []
    out = Naive([0] * len(work), [0.0] * len(work), [0.0] * len(work), 0.0)
    finished = 0
    while first is None or finished < first:
        while waiting and len(running) < slots:
            running.append(waiting.pop(0))
        if not running:
            break
        begun = out.duration
        out.duration += serving.step_cost(len(running))
        for trace in [*running]:
            if out.work[trace] == 0:
                out.begin[trace] = begun
            out.work[trace] += 1
            out.end[trace] = out.duration
            if out.work[trace] == work[trace]:
                running.remove(trace)
                finished += finishes[trace]
    return out


def schedule(
    serving: Serving, work: list[int], finishes: list[bool], first: int | None
) -> Schedule:
    return serving.schedule(np.array(work, np.int64), np.array(finishes, np.bool_), first)


@st.composite
def step_times(draw: st.DrawFn) -> tuple[tuple[int, float], ...]:
    sizes = sorted(draw(st.lists(st.integers(1, 12), max_size=4, unique=True)))
    return tuple((size, draw(st.integers(1, 64)) / 64) for size in sizes)


@settings(max_examples=250)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=9),
    st.none() | st.integers(1, 10),
    step_times(),
    st.none() | st.none() | st.integers(-1, 5),
)
def test_a_schedule_is_what_single_steps_give(
    jobs: list[tuple[int, bool]],
    concurrency: int | None,
    curve: tuple[tuple[int, float], ...],
    first: int | None,
) -> None:
    serving = Serving(concurrency, curve)
    work, finishes = [tokens for tokens, _ in jobs], [done for _, done in jobs]
    expected = step_by_step(serving, work, finishes, first)
    given = schedule(serving, work, finishes, first)
    assert given.work.tolist() == expected.work
    moved = [trace for trace in range(len(work)) if expected.work[trace]]
    assert given.begin[moved] == pytest.approx([expected.begin[trace] for trace in moved])
    assert given.end[moved] == pytest.approx([expected.end[trace] for trace in moved])
    assert given.duration == pytest.approx(expected.duration)


def test_a_freed_slot_is_taken_at_the_next_step() -> None:
    # Slots   step 1 2 3 4 5 6 7
    #   a          0 0 0 2 2 3
    #   b          1 1 1 1 1
    result = schedule(Serving(2), [3, 5, 2, 1], [True] * 4, None)
    assert result.work.tolist() == [3, 5, 2, 1]
    assert result.begin.tolist() == [0, 0, 3, 5]
    assert result.end.tolist() == [3, 5, 5, 6]
    assert result.duration == 6


def test_enough_finished_halt_the_rest_and_leave_the_queue_unserved() -> None:
    result = schedule(Serving(2), [3, 5, 4, 9, 9], [True, False, True, True, True], 2)
    assert result.work.tolist() == [3, 5, 4, 2, 0]  # trace 1 came to its end without finishing
    assert result.begin.tolist() == [0, 0, 3, 5, 0]
    assert result.end.tolist() == [3, 5, 7, 7, 0]
    assert result.duration == 7


def test_those_that_finish_in_the_same_step_all_count() -> None:
    result = schedule(Serving(3), [4, 4, 4, 2], [True] * 4, 1)
    assert result.work.tolist() == [4, 4, 4, 0]


def test_nothing_moves_where_enough_have_finished_before() -> None:
    result = schedule(Serving(2, ((1, 0.5),)), [4, 4, 4], [True] * 3, 0)
    assert (result.work.tolist(), result.duration) == ([0, 0, 0], 0)


# On the sampler


LENGTHS = [30, 10, 20, 40]


def test_slots_are_given_in_the_order_named(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(n, "1") for n in LENGTHS])
    _, sampler = start_engine(problem, Serving(1))
    traces = sampler.start(4)
    assert sampler.decode(traces[[3, 1, 0]], first=2).ids.tolist() == [3, 1]
    assert sampler.clock == 50
    sampler.decode(traces, tokens=5)  # 5 on trace 0 and on trace 2, one after the other
    assert sampler.clock == 60
    assert traces.num_tokens.tolist() == [5, 10, 5, 40]


def test_seconds_depend_on_how_many_are_decoded_in_a_step(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(n, "1") for n in LENGTHS])
    serving = Serving(None, ((1, 1.0), (3, 2.0), (5, 6.0)))
    assert (serving.clock_unit, Serving(3).clock_unit, Serving().clock_unit) == (
        "seconds",
        "steps",
        "steps",
    )
    _, sampler = start_engine(problem, serving)
    sampler.decode(sampler.start(4))
    # Ten steps of four traces at 4 s, ten of three at 2 s, ten of two at 1.5 s, ten of one at 1 s.
    assert sampler.clock == 40 + 20 + 15 + 10


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["decode", "step", "first"]), max_size=5), st.integers(4, 9))
def test_as_many_slots_as_traces_are_as_good_as_unlimited(
    tmp_path_factory: pytest.TempPathFactory, program: list[str], slots: int
) -> None:
    problem = write_problem(tmp_path_factory.mktemp("cache"), [T(n, "1") for n in LENGTHS])
    told = []
    for serving in (Serving(), Serving(slots), Serving(None, ((1, 1.0),))):
        _, sampler = start_engine(problem, serving)
        traces = sampler.start(4)
        steps: list[tuple[list[int], list[int], float]] = []
        for call in program:
            if call == "decode":
                finished = sampler.decode(traces[1:3])
            elif call == "step":
                finished = sampler.decode(traces, tokens=7)
            else:
                finished = sampler.decode(traces, first=len(steps) + 1)
            steps.append((finished.ids.tolist(), traces.num_tokens.tolist(), sampler.clock))
        told.append(steps)
    assert told[0] == told[1] == told[2]


# The curve


@pytest.mark.parametrize(
    ("batch", "seconds"),
    [
        (1, 0.010),
        (32, 0.010),  # below the first point as at it
        (64, 0.010),
        (128, 0.014),  # halfway to 192
        (192, 0.018),
        (256, 0.034),  # halfway to 320
        (320, 0.050),
        (448, 0.082),  # one segment further: 0.050 + 0.032
    ],
)
def test_a_step_costs_what_the_curve_says(batch: int, seconds: float) -> None:
    curve = Serving(None, ((64, 0.010), (192, 0.018), (320, 0.050)))
    assert curve.step_cost(batch) == pytest.approx(seconds)


def test_an_engine_without_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        Serving(concurrency=0)


def test_a_constant_or_no_curve() -> None:
    assert [Serving(2, ((1, 0.25),)).step_cost(n) for n in (1, 2, 900)] == [0.25] * 3
    assert [Serving(2).step_cost(n) for n in (1, 2)] == [1, 1]


def test_a_curve_that_falls_at_its_end_never_turns_the_clock_back() -> None:
    falling = Serving(None, ((1, 0.03), (2, 0.02)))
    assert [falling.step_cost(n) for n in (2, 3, 100)] == [0.02] * 3


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("0.02", ((1, 0.02),)),
        ("2", ((1, 2.0),)),
        ("1e-3", ((1, 0.001),)),
        ("8:0.02", ((8, 0.02),)),
        ("1:0.012,64:0.02,256:0.045", ((1, 0.012), (64, 0.02), (256, 0.045))),
        ("1:0.012, 64:0.02", ((1, 0.012), (64, 0.02))),
        ("1:0.02,2:0.02", ((1, 0.02), (2, 0.02))),
    ],
)
def test_step_seconds_are_read(text: str, points: tuple[tuple[int, float], ...]) -> None:
    assert parse_step_seconds(text) == points


@pytest.mark.parametrize(
    "text",
    [
        *["", "fast", "0", "-0.1", "nan", "inf", "1e9", "0.02,0.03", "0.02s"],
        *["1:", ":0.1", "1:0.1:2", "1:0.1,", "1:0.1,2", "0:0.1", "-1:0.1", "1.5:0.1"],
        *["2:0.1,1:0.2", "1:0.1,1:0.2", "1:0", "1:-1", "1:nan", "1:0.1,2:inf", "one:0.1"],
    ],
)
def test_step_seconds_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UserError) as told:
        parse_step_seconds(text)
    assert str(told.value).startswith(f"--step-seconds {text}: give seconds per step")
    assert "\n" not in str(told.value)
