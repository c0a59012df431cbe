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
from simulator.pools.probe_cost import ProbeCost
from simulator.replay.serving import Schedule, Serving, parse_step_seconds


@dataclass
class Naive:
    work: list[int]
    begin: list[float]
    end: list[float]
    duration: float
    preempted: list[int]


def step_by_step(
    serving: Serving,
    work: list[int],
    finishes: list[bool],
    first: int | None,
    before: list[int] | None = None,
    anew: bool = False,
) -> Naive:
    """Every step: make room, fill the free slots in order, advance whoever has one."""
    count = len(work)
    before = before or [0] * count
    slots = count if serving.concurrency is None else serving.concurrency
    waiting = [trace for trace in range(count) if work[trace] > 0]
    running: list[int] = []
    out = Naive([0] * count, [0.0] * count, [0.0] * count, 0.0, [])
    prompt = serving.prompt_tokens
    admitted: set[int] = set()
    finished = 0

    def tokens_of(trace: int) -> int:
        return before[trace] + out.work[trace]

    def cache_after_a_step(traces: list[int]) -> int:
        if serving.prefix_cache:
            return prompt + sum(tokens_of(trace) + 1 for trace in traces)
        return sum(prompt + tokens_of(trace) + 1 for trace in traces)

    def fits(traces: list[int]) -> bool:
        limit = serving.kv_tokens
        return limit is None or len(traces) <= 1 or cache_after_a_step(traces) <= limit

    while first is None or finished < first:
        while not fits(running):
            out.preempted.append(running[-1])
            waiting.insert(0, running.pop())
        begun = out.duration
        while waiting and len(running) < slots and fits([*running, waiting[0]]):
            trace = waiting.pop(0)
            running.append(trace)
            read = 0
            if not serving.prefix_cache:
                read = prompt + tokens_of(trace)
            elif trace in admitted:
                read = tokens_of(trace)
            elif anew and not admitted:
                read = prompt
            if trace not in admitted:
                out.begin[trace] = begun
            admitted.add(trace)
            out.duration += serving.prefill_seconds * read
        if not running:
            break
        held = sum(prompt + tokens_of(trace) for trace in running)
        out.duration += serving.step_cost(len(running)) + serving.kv_seconds * held
        for trace in [*running]:
            out.work[trace] += 1
            if out.work[trace] == work[trace]:
                running.remove(trace)
                finished += finishes[trace]
            out.end[trace] = out.duration
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
    check(step_by_step(serving, work, finishes, first), schedule(serving, work, finishes, first))


def check(expected: Naive, given: Schedule) -> None:
    assert given.work.tolist() == expected.work
    moved = np.flatnonzero(expected.work).tolist()
    assert given.begin[moved] == pytest.approx([expected.begin[trace] for trace in moved])
    assert given.end[moved] == pytest.approx([expected.end[trace] for trace in moved])
    assert given.duration == pytest.approx(expected.duration)


@st.composite
def servings(draw: st.DrawFn) -> Serving:
    """Draw an engine with all its parts, in numbers that add up exactly."""
    seconds = st.integers(0, 16).map(lambda number: number / 64)
    return Serving(
        draw(st.none() | st.integers(1, 6)),
        draw(step_times().filter(bool)),
        draw(seconds),
        draw(seconds),
        draw(st.integers(0, 5)),
        draw(st.none() | st.integers(1, 60)),
        draw(st.booleans()),
    )


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(0, 9)), max_size=9),
    servings(),
    st.none() | st.none() | st.integers(-1, 5),
    st.booleans(),
)
def test_a_schedule_with_a_cache_is_what_single_steps_give(
    jobs: list[tuple[int, bool, int]], serving: Serving, first: int | None, anew: bool
) -> None:
    work, before = [job[0] for job in jobs], [job[2] for job in jobs]
    finishes = [job[1] for job in jobs]
    expected = step_by_step(serving, work, finishes, first, before, anew)
    given = serving.schedule(
        *(np.array(work, np.int64), np.array(finishes, np.bool_), first),
        np.array(before, np.int64),
        anew=anew,
    )
    check(expected, given)


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


def test_the_youngest_is_preempted_when_the_cache_is_full_by_hand() -> None:
    # Of 10 tokens, a prompt of 2 is shared; 1 s a step, 0.5 s a token read.
    #   step      1  2  3  |  4  5  |  6  7 ...
    #   a, has 0  1  2  3  |  4  5  |              ends after 5
    #   b, has 1  2  3  4  |  lost  |  5 of its own read again, then 2 more steps
    #   held      5  7  9  | 6  7   | 2+4+1 = 7, 8
    # After step 3, 2+3+4 = 9 are held, and two more do not fit into 10: b leaves with 4 tokens.
    # It comes back when a has ended, and its 4 tokens are read again.
    serving = Serving(None, ((1, 1.0),), 0, 0.5, prompt_tokens=2, kv_tokens=10)
    result = serving.schedule(
        np.array([5, 5]), np.array([True, True]), None, np.array([0, 1]), anew=True
    )
    assert result.work.tolist() == [5, 5]
    assert result.begin.tolist() == [0, 0]
    assert result.end.tolist() == [1 + 5, 1 + 5 + 2 + 2]  # 1 s for the prompt, 2 s for b's 4 tokens
    assert result.duration == 10


def test_seconds_of_the_tokens_held_by_hand() -> None:
    # Prompt of 10, 1 s a step and 0.01 s a token held. Two traces: 20, 22 held, then one: 12.
    serving = Serving(None, ((1, 1.0),), 0.01, prompt_tokens=10)
    result = schedule(serving, [2, 3], [True, True], None)
    assert result.end == pytest.approx([2.42, 3.54])
    # Traces that go on hold what they had: 10 + 5 and 10 + 7.
    again = serving.schedule(np.array([1, 1]), np.array([True, True]), None, np.array([5, 7]))
    assert again.duration == pytest.approx(1.32)
    # Two probes of 3 steps: 2 s x 3, 32 + 2 x 4 held at first, then two more each step.
    assert serving.duration(2, 3, held=12, read=4) == pytest.approx(3 + 0.01 * (40 + 42 + 44))


def test_a_prompt_is_read_once_if_the_engine_keeps_it() -> None:
    shared = Serving(None, ((1, 1.0),), 0, 0.25, prompt_tokens=8)
    own = Serving(None, ((1, 1.0),), 0, 0.25, prompt_tokens=8, prefix_cache=False)
    work, both, before = np.array([2, 2]), np.array([True, True]), np.array([3, 4])
    assert shared.schedule(work, both, None, anew=True).duration == 2 + 2
    assert own.schedule(work, both, None, anew=True).duration == 4 + 2
    assert shared.schedule(work, both, None, before).duration == 2
    assert own.schedule(work, both, None, before).duration == (11 + 12) / 4 + 2
    assert shared.duration(2, 1, held=7, read=3) == 1 + 6 / 4
    assert own.duration(2, 1, held=7, read=3) == 1 + (6 + 23) / 4


def test_a_trace_that_does_not_fit_by_itself_goes_on_alone() -> None:
    # Two fit for one step; then the second waits, with one token decoded.
    result = schedule(Serving(kv_tokens=3), [5, 5], [True, True], None)
    assert result.end.tolist() == [5, 9]
    halted = schedule(Serving(kv_tokens=3), [5, 5], [True, True], 1)
    assert (halted.work.tolist(), halted.end.tolist()) == ([5, 1], [5, 1])


def test_seconds_of_a_part_need_those_of_a_step() -> None:
    for part in ("kv_seconds", "prefill_seconds"):
        with pytest.raises(ValueError, match="need step_seconds"):
            Serving(**{part: 0.5})  # type: ignore[arg-type]


# On the sampler


def test_the_clock_of_a_problem_with_all_parts(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(n, "1", {4: "1"}) for n in (6, 8)])
    serving = Serving(None, ((1, 1.0),), 0, 0.5, prompt_tokens=4, probe_steps=3)
    _, sampler = start_engine(problem, serving, probe_cost=ProbeCost(2, 20))
    traces = sampler.start(2)
    sampler.decode(traces[:1], tokens=4)
    assert sampler.clock == 2 + 4  # the prompt, and four steps
    sampler.decode(traces)
    assert sampler.clock == 6 + 8  # the prompt is kept
    _, sampler = start_engine(problem, serving, probe_cost=ProbeCost(2, 20))
    traces = sampler.start(2)
    sampler.decode(traces, tokens=5)
    sampler.probe(traces)
    assert sampler.clock == 7 + 2 + 3  # two suffixes of two tokens, and three steps


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
