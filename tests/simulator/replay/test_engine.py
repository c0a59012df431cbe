"""The engine against a naive one that decodes one token at a time, and by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, start_engine, write_problem

from simulator.errors import BudgetExceeded, SamplerError
from simulator.policy.sampler import Sampler, Selection, Traces
from simulator.pools.pool import StoredProblem
from simulator.pools.probe_cost import FREE, ProbeCost
from simulator.replay import lockstep
from simulator.replay.engine import Engine
from simulator.replay.recording import GradedAnswer, Recorder
from simulator.replay.serving import Serving
from simulator.rules.stop_rules import (
    AnyOf,
    ProbesAgree,
    ReasoningWords,
    SignalAbove,
    StopRule,
    TextMatches,
)

NewFolder = Callable[[], Path]


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> NewFolder:
    return lambda: tmp_path_factory.mktemp("cache")


# The naive engine


class NaiveEngine:
    """Traces as lists of Python numbers; every token is a turn of a loop."""

    def __init__(
        self,
        problem: StoredProblem,
        traces: Sequence[T],
        slots: int | None,
        cost: ProbeCost = FREE,
    ) -> None:
        self.cost = cost
        self.read = [0] * len(traces)  # probes that stop rules have read
        self.pause = [0] * len(traces)  # steps left until the answer of such a probe
        classes = {text: kind for kind, text in enumerate(problem.class_texts)}
        self.length = [trace.num_tokens for trace in traces]
        self.final = [classes.get(trace.answer or "", -1) for trace in traces]
        self.probes = [
            [(at, classes.get(answer or "", -1)) for at, answer in (trace.probes or {}).items()]
            for trace in traces
        ]
        self.slots = slots
        self.tokens = [0] * len(traces)
        self.stopped = [False] * len(traces)
        self.began = [0] * len(traces)
        self.ended = [0] * len(traces)
        self.reason = ["unused"] * len(traces)
        self.started = 0
        self.clock = 0
        self.probe_calls = 0

    def finished(self, trace: int) -> bool:
        return self.tokens[trace] == self.length[trace]

    def answer(self, trace: int) -> int:
        return self.final[trace] if self.finished(trace) else -1

    def seen_probes(self, trace: int) -> list[int]:
        return [answer for at, answer in self.probes[trace] if at <= self.tokens[trace]]

    def probe(self, named: list[int]) -> list[int]:
        waiting = [trace for trace in named if not self.finished(trace)]
        self.probe_calls += len(waiting)
        slots = self.slots or max(1, len(waiting))
        for _ in range(0, len(waiting), slots):
            self.clock += self.cost.answer
        return [
            self.final[trace] if self.finished(trace) else [-1, *self.seen_probes(trace)][-1]
            for trace in named
        ]

    def unread(self, trace: int) -> bool:
        """Check whether a rule has a probe of the trace to read, or is reading it."""
        at_hand = len(self.seen_probes(trace)) > self.read[trace]
        return self.pause[trace] > 0 or (at_hand and not self.finished(trace))

    def holds(self, trace: int, in_a_row: int) -> bool:
        last = self.seen_probes(trace)[-in_a_row:]
        return len(last) == in_a_row and len(set(last)) == 1 and last[0] != -1

    def decode(
        self,
        named: list[int],
        tokens: int | tuple[int, ...] | None,
        agree: list[int],
        first: int | None,
    ) -> list[int]:
        """Decode; the numbers of the traces that finished in the call, in the order named."""
        before = {trace: self.tokens[trace] for trace in named}
        begins: dict[int, int] = {}

        def rule_holds(trace: int) -> bool:
            return any(self.holds(trace, in_a_row) for in_a_row in agree)

        def used_up(trace: int) -> bool:
            most = tokens[trace] if isinstance(tokens, tuple) else tokens
            return most is not None and self.tokens[trace] - before[trace] >= most

        def goes_on(trace: int) -> bool:
            if agree and self.cost.answer and self.unread(trace):
                return True
            return not (self.finished(trace) or rule_holds(trace) or used_up(trace))

        moved = {trace: self.ended[trace] for trace in named}
        while first is None or sum(map(self.finished, named)) < first:
            active = [trace for trace in named if goes_on(trace)][: self.slots]
            if not active:
                break
            for trace in active:
                begins.setdefault(trace, self.clock)
                moved[trace] = self.clock + 1
                if agree and self.cost.answer and self.unread(trace):
                    if not self.pause[trace]:
                        self.pause[trace] = self.cost.answer
                        self.read[trace] += 1
                        self.probe_calls += 1
                    self.pause[trace] -= 1
                else:
                    self.tokens[trace] += 1
            self.clock += 1
        for trace in named:
            self.pause[trace] = 0
            if self.tokens[trace] > before[trace]:
                self.ended[trace] = moved[trace]
                if before[trace] == 0:
                    self.began[trace] = begins[trace]
        for trace in named:
            if rule_holds(trace):
                self.reason[trace] = str(rule(agree))
            elif used_up(trace):
                self.reason[trace] = "tokens"
            else:
                self.reason[trace] = "first"
        return [t for t in named if self.finished(t) and before[t] < self.tokens[t]]

    def stop_reason(self, trace: int) -> str:
        if self.finished(trace):
            return "finished"
        return "stopped" if self.stopped[trace] else self.reason[trace]


def rule(agree: list[int]) -> StopRule | None:
    """`ProbesAgree(a) | ProbesAgree(b) | …`, or None."""
    rules: list[StopRule] = [ProbesAgree(in_a_row) for in_a_row in agree]
    if not rules:
        return None
    joined = rules[0]
    for other in rules[1:]:
        joined = joined | other
    return joined


# Random programs of calls


@dataclass
class Call:
    """One call of the sampler; `pick` chooses from what has been started, as `style` says.

    `tokens` is one number for all traces, or one for each trace that can be started.
    """

    kind: str
    style: str = "held"
    pick: tuple[int, ...] = ()
    cut: slice | None = None
    tokens: int | tuple[int, ...] | None = None
    agree: tuple[int, ...] = ()
    first: int | None = None
    n: int = 0


STYLES = ["held", "all", "mask", "list", "slice", "one", "list of traces", "sum"]

picks = st.lists(st.integers(0, 5), max_size=5, unique=True).map(tuple)
cuts = st.builds(
    slice,
    st.none() | st.integers(-4, 4),
    st.none() | st.integers(-4, 4),
    st.sampled_from([None, 1, 2, -1]),
)


def calls(probes: bool) -> st.SearchStrategy[Call]:
    agree = st.lists(st.integers(1, 3), max_size=2).map(tuple) if probes else st.just(())
    styles = st.sampled_from(STYLES)
    decode = st.builds(
        Call,
        st.just("decode"),
        styles,
        picks,
        cuts,
        st.none() | st.integers(0, 12) | st.tuples(*[st.integers(0, 12)] * 6),
        agree,
        st.none() | st.none() | st.integers(1, 4),
    )
    others = [
        st.builds(Call, st.just("start"), n=st.integers(1, 3)),
        st.builds(Call, st.just("stop"), styles, picks, cuts),
        st.just(Call("clock")),
    ]
    if probes:
        others.append(st.builds(Call, st.just("probe"), styles, picks, cuts))
    return st.one_of(decode, decode, *others)


def equal_steps(probes: bool) -> st.SearchStrategy[list[Call]]:
    """Mostly decoding what was decoded before by as many tokens as before."""
    step = Call("decode", "held", tokens=3)
    other_step = st.sampled_from(
        [
            Call("decode", "all", tokens=3),
            Call("decode", tokens=5),
            Call("decode", tokens=(3,) * 6),
            Call("decode", tokens=(3, 0, 6, 3, 3, 9)),
            Call("decode", tokens=2, first=1),
        ]
    )
    look = Call("probe", "held") if probes else Call("clock")
    usual = st.sampled_from([[step], [step, step], [step, look], [step, look, step, look]])
    unusual = (other_step | calls(probes)).map(lambda call: [call])
    rounds = st.lists(usual | usual | usual | unusual, min_size=4, max_size=12)
    return rounds.map(lambda parts: [call for part in parts for call in part])


answers = st.sampled_from(["1", "2", "3", None])


@st.composite
def stored_traces(draw: st.DrawFn, probes: str | None, least: int) -> list[T]:
    traces = []
    for length in draw(st.lists(st.integers(least, 25), min_size=1, max_size=6)):
        positions: list[int] = []
        if probes == "regular":
            positions = [4 * n for n in range(1, draw(st.integers(0, 8)) + 1)]
        elif probes == "irregular":
            positions = sorted(draw(st.lists(st.integers(1, 30), max_size=8, unique=True)))
        told = {at: draw(answers) for at in positions} if probes else None
        traces.append(T(length, draw(answers), told))
    return traces


@st.composite
def programs(draw: st.DrawFn, *, in_steps: bool) -> tuple[list[T], list[Call]]:
    probes = draw(st.sampled_from(["regular", "irregular", None]))
    traces = draw(stored_traces(probes, least=4 if in_steps else 1))
    start = Call("start", n=draw(st.integers(1, len(traces))))
    if in_steps:
        return traces, [start, *draw(equal_steps(probes is not None))]
    return traces, [start, *draw(st.lists(calls(probes is not None), max_size=12))]


class Runner:
    """Drives the sampler and the naive engine alike and compares what they tell."""

    def __init__(
        self, problem: StoredProblem, traces: Sequence[T], slots: int | None, cost: ProbeCost
    ) -> None:
        self.problem = problem
        self.engine, self.sampler = start_engine(problem, Serving(slots), probe_cost=cost)
        self.naive = NaiveEngine(problem, traces, slots, cost)
        self.held: tuple[Selection, list[int]] = ([], [])

    def select(self, call: Call) -> tuple[Selection, list[int]]:
        """Return the traces of a call, in the sampler's form and as numbers."""
        base, numbers = self.sampler.traces, list(range(self.naive.started))
        places = [place for place in call.pick if place < len(numbers)]
        if call.style == "held":
            return self.held
        if call.style == "all":
            return base, numbers
        if call.style == "mask":
            mask = np.isin(np.arange(len(base)), places)
            return base[mask], np.flatnonzero(mask).tolist()
        if call.style == "list":
            return base[places], places
        if call.style == "slice" and call.cut is not None:
            return base[call.cut], numbers[call.cut]
        if call.style == "one" and places:
            return base[places[0]], places[:1]
        if call.style == "sum" and places:
            return base[places[:-1]] + base[places[-1]], places
        return [base[place] for place in places], places

    def run(self, call: Call) -> None:
        sampler, naive = self.sampler, self.naive
        if call.kind == "clock":
            assert sampler.clock == naive.clock
            self.compare_ends()
        elif call.kind == "start" and naive.started + call.n > sampler.budget:
            with pytest.raises(BudgetExceeded):
                sampler.start(call.n)
        elif call.kind == "start":
            begun = [naive.started + i for i in range(call.n)]
            self.held = sampler.start(call.n), begun
            assert list(self.held[0].ids) == begun
            naive.started += call.n
        else:
            self.held = selection, numbers = self.select(call)
            if call.kind == "stop":
                sampler.stop(selection)
                for trace in numbers:
                    naive.stopped[trace] |= not naive.finished(trace)
            elif call.kind == "probe":
                assert sampler.probe(selection).tolist() == naive.probe(numbers)
            elif any(naive.stopped[trace] for trace in numbers):
                with pytest.raises(SamplerError, match="was stopped"):
                    self.decode(selection, call, numbers)
            else:
                finished = self.decode(selection, call, numbers)
                agree = list(call.agree)
                expected = naive.decode(numbers, call.tokens, agree, call.first)
                assert finished.ids.tolist() == expected
        self.compare()

    def decode(self, selection: Selection, call: Call, numbers: list[int]) -> Traces:
        until, tokens = rule(list(call.agree)), call.tokens
        each = [tokens[trace] for trace in numbers] if isinstance(tokens, tuple) else tokens
        return self.sampler.decode(selection, each, until, call.first)

    def compare_ends(self) -> None:
        """Compare when traces finished; not after every call, as this reads the clock."""
        naive, traces = self.naive, self.sampler.traces
        ended = [naive.ended[t] if naive.finished(t) else np.nan for t in range(naive.started)]
        np.testing.assert_array_equal(traces.finished_at, ended)
        assert repr([trace.finished_at for trace in traces]) == repr(traces.finished_at.tolist())

    def compare(self) -> None:
        naive, traces = self.naive, self.sampler.traces
        started = range(naive.started)
        assert len(traces) == naive.started
        assert traces.num_tokens.tolist() == naive.tokens[: naive.started]
        assert traces.finished.tolist() == [naive.finished(trace) for trace in started]
        assert traces.stopped.tolist() == naive.stopped[: naive.started]
        assert traces.answer.tolist() == [naive.answer(trace) for trace in started]
        assert self.sampler.tokens == sum(naive.tokens)
        assert self.sampler.probe_calls == naive.probe_calls
        assert self.sampler.probe_tokens == naive.probe_calls * naive.cost.tokens

    def compare_record(self) -> None:
        naive = self.naive
        self.compare_ends()
        recorder = Recorder(self.problem)
        recorder.add(0, self.engine, GradedAnswer(None, -1, False))
        tables = recorder.tables()
        started = range(naive.started)
        assert tables.decisions.drop(["pool", "problem_id"]).to_pydict() == {
            "repeat": [0] * len(started),
            "trace_id": list(started),
            "order": list(started),
            "started": naive.began[: len(started)],
            "ended": naive.ended[: len(started)],
            "num_tokens": naive.tokens[: len(started)],
            "finished": [naive.finished(trace) for trace in started],
            "stop_reason": [naive.stop_reason(trace) for trace in started],
            "cluster": [None] * len(started),  # none was declared
        }
        answer = tables.answers.to_pylist()[0]
        finals = {naive.answer(trace) for trace in started} - {-1}
        assert answer["tokens"] == sum(naive.tokens)
        assert answer["clock"] == naive.clock
        assert answer["probe_calls"] == naive.probe_calls
        assert answer["probe_tokens"] == naive.probe_calls * naive.cost.tokens
        assert answer["traces_started"] == naive.started
        assert answer["kept_classes"] == len(finals)
        assert answer["kept_correct"] == any(self.problem.class_correct[kind] for kind in finals)


def compare(
    folder: Path,
    traces: Sequence[T],
    program: Sequence[Call],
    slots: int | None = None,
    cost: ProbeCost = FREE,
) -> None:
    runner = Runner(write_problem(folder, traces), traces, slots, cost)
    for call in program:
        runner.run(call)
    runner.compare_record()


COSTS = st.builds(ProbeCost, st.integers(0, 3), st.integers(1, 4))
"""Costs of a probe that takes time."""


@settings(max_examples=100)
@given(programs(in_steps=False), COSTS)
def test_any_program_gives_what_single_tokens_give(
    new_folder: NewFolder, program: tuple[list[T], list[Call]], cost: ProbeCost
) -> None:
    compare(new_folder(), *program, None, cost)


@settings(max_examples=60)
@given(programs(in_steps=False), st.integers(1, 4), COSTS)
def test_any_program_on_few_slots_gives_what_single_tokens_give(
    new_folder: NewFolder, program: tuple[list[T], list[Call]], slots: int, cost: ProbeCost
) -> None:
    compare(new_folder(), *program, slots, cost)


@settings(max_examples=100)
@given(programs(in_steps=True), COSTS)
def test_equal_steps_give_what_single_tokens_give(
    new_folder: NewFolder, program: tuple[list[T], list[Call]], cost: ProbeCost
) -> None:
    compare(new_folder(), *program, None, cost)


@settings(max_examples=30)
@given(programs(in_steps=True), COSTS)
def test_equal_steps_without_a_table_give_what_single_tokens_give(
    new_folder: NewFolder, program: tuple[list[T], list[Call]], cost: ProbeCost
) -> None:
    with mock.patch.object(lockstep, "MAX_CELLS", 0):
        compare(new_folder(), *program, None, cost)


# By hand

TRACES = [
    T(30, "1", {10: "2", 20: "1"}),
    T(12, "2", {10: "2"}),
    T(50, None, {10: None, 20: "3", 30: "3", 40: "3"}),
]


def begin(
    tmp_path: Path, traces: Sequence[T] = TRACES, slots: int | None = None
) -> tuple[Sampler, Traces]:
    _, sampler = start_engine(write_problem(tmp_path, traces), Serving(slots))
    return sampler, sampler.start(len(traces))


def test_equal_steps_of_the_same_traces_are_one_entry_of_the_log(tmp_path: Path) -> None:
    engine, sampler = start_engine(write_problem(tmp_path, TRACES))
    traces = sampler.start(3)
    for _ in range(4):
        sampler.decode(traces, tokens=10)
    assert [(d.before.tolist(), d.after.tolist()) for d in engine.log] == [
        ([0, 0, 0], [30, 12, 40])
    ]
    assert sampler.clock == 40
    sampler.decode(traces, tokens=10)  # after a reading of the clock a new entry begins
    assert [d.after.tolist() for d in engine.log] == [[30, 12, 40], [30, 12, 50]]
    assert sampler.clock == 50


def test_equal_steps_past_the_end_cost_nothing(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    finished = [sampler.decode(traces, tokens=20).ids.tolist() for _ in range(6)]
    assert finished == [[1], [0], [2], [], [], []]
    assert (sampler.tokens, sampler.clock) == (30 + 12 + 50, 50)


def test_a_pruned_trace_stays_where_it_was_while_the_others_go_on_in_step(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    sampler.decode(traces, tokens=10)
    sampler.stop(traces[2])
    with pytest.raises(SamplerError, match="trace 2 was stopped"):
        sampler.decode(traces, tokens=10)
    assert traces.num_tokens.tolist() == [10, 10, 10]
    sampler.decode(traces[:2], tokens=10)
    assert traces.num_tokens.tolist() == [20, 12, 10]
    sampler.decode(traces[:2], tokens=10)
    assert traces.num_tokens.tolist() == [30, 12, 10]
    assert sampler.clock == 30


def test_two_groups_in_steps_of_their_own_do_not_disturb_each_other(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    even, odd = traces[::2], traces[1::2]
    for _ in range(3):
        sampler.decode(even, tokens=10)
        sampler.decode(odd, tokens=5)
    assert traces.num_tokens.tolist() == [30, 12, 30]
    assert sampler.clock == 3 * 10 + 5 + 5 + 2


def test_steps_go_on_from_where_another_decode_has_left_the_traces(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    sampler.decode(traces, tokens=10)
    sampler.decode(traces, until=ProbesAgree(2), tokens=8)
    assert traces.num_tokens.tolist() == [18, 12, 18]
    sampler.decode(traces, tokens=10)
    assert traces.num_tokens.tolist() == [28, 12, 28]
    sampler.decode(traces[:1], first=1)
    sampler.decode(traces, tokens=10)
    assert traces.num_tokens.tolist() == [30, 12, 38]
    assert sampler.clock == 10 + 8 + 10 + 2 + 10


def test_a_trace_ahead_of_the_others_stays_ahead(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    sampler.decode(traces[0], tokens=7)
    for _ in range(2):
        sampler.decode(traces, tokens=5)
    assert traces.num_tokens.tolist() == [17, 10, 10]


def test_a_rule_halts_at_its_token_and_costs_exactly_that(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    finished = sampler.decode(traces, until=ProbesAgree(2))
    assert traces.num_tokens.tolist() == [30, 12, 30]
    assert finished.ids.tolist() == [0, 1]
    assert (sampler.tokens, sampler.clock) == (72, 30)
    sampler.decode(traces, until=ProbesAgree(2))  # holds already
    assert (sampler.tokens, sampler.clock) == (72, 30)


def test_first_counts_what_has_finished_before(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    sampler.decode(traces[1])
    assert sampler.decode(traces, first=1).ids.tolist() == []
    assert traces.num_tokens.tolist() == [0, 12, 0]
    assert sampler.decode(traces, first=2).ids.tolist() == [0]
    assert traces.num_tokens.tolist() == [30, 12, 30]


def test_first_that_tokens_do_not_reach_lets_every_trace_have_its_tokens(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    assert sampler.decode(traces, tokens=20, first=2).ids.tolist() == [1]
    assert traces.num_tokens.tolist() == [20, 12, 20]


def test_a_probe_knows_the_last_one_stored_and_nothing_later(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    texts = start_engine(write_problem(tmp_path / "b", TRACES))[0].problem.class_texts
    told = []
    for _ in range(50):
        sampler.decode(traces, tokens=1)
        told.append([texts[kind] if kind >= 0 else None for kind in sampler.probe(traces)])
    first, second, third = zip(*told, strict=True)
    assert first == (None,) * 9 + ("2",) * 10 + ("1",) * 31
    assert second == (None,) * 9 + ("2",) * 41
    assert third == (None,) * 19 + ("3",) * 30 + (None,)  # it finishes without an answer


def test_only_unfinished_traces_are_counted_as_probed(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    sampler.probe(traces)
    sampler.decode(traces[1])
    sampler.probe(traces)
    sampler.probe(traces[1])
    assert sampler.probe_calls == 3 + 2


def test_an_answer_shows_only_when_a_trace_has_finished(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    sampler.decode(traces, tokens=29)
    assert (traces.answer >= 0).tolist() == [False, True, False]
    sampler.decode(traces, tokens=1)
    assert (traces.answer >= 0).tolist() == [True, True, False]


def test_more_tokens_than_there_are_numbers_for_mean_all_of_them(tmp_path: Path) -> None:
    for n, tokens in enumerate([2**63 - 1, 10**30]):
        sampler, traces = begin(tmp_path / str(n))
        sampler.decode(traces[0], tokens=1)
        sampler.decode(traces[:2], tokens=tokens)
        sampler.decode(traces[2], tokens=tokens)
        assert traces.num_tokens.tolist() == [30, 12, 50]


# Stop reasons


def reasons(tmp_path: Path, slots: int | None, **conditions: Any) -> list[tuple[int, str]]:
    """Return the tokens and stop reason of each trace in one decode."""
    engine, sampler = start_engine(write_problem(tmp_path, TRACES), Serving(slots))
    sampler.decode(sampler.start(3), **conditions)
    recorder = Recorder(engine.problem)
    recorder.add(0, engine, GradedAnswer(None, -1, False))
    rows = recorder.tables().decisions.to_pylist()
    return [(row["num_tokens"], row["stop_reason"]) for row in rows]


REASONS: list[tuple[dict[str, Any], list[tuple[int, str]]]] = [
    ({"tokens": 25}, [(25, "tokens"), (12, "finished"), (25, "tokens")]),
    ({"first": 1}, [(12, "first"), (12, "finished"), (12, "first")]),
    (
        {"until": ProbesAgree(1)},
        [(10, "ProbesAgree(1)"), (10, "ProbesAgree(1)"), (20, "ProbesAgree(1)")],
    ),
    (
        {"tokens": 15, "until": ProbesAgree(1)},
        [(10, "ProbesAgree(1)"), (10, "ProbesAgree(1)"), (15, "tokens")],
    ),
    (
        {"tokens": 35, "until": ProbesAgree(2)},
        [(30, "finished"), (12, "finished"), (30, "ProbesAgree(2)")],
    ),
    ({"tokens": 11, "first": 1}, [(11, "tokens")] * 3),
    ({"tokens": 28, "first": 1}, [(12, "first"), (12, "finished"), (12, "first")]),
    (
        {"tokens": 20, "first": 2},
        [(20, "tokens"), (12, "finished"), (20, "tokens")],
    ),
    (
        {"until": ProbesAgree(2), "first": 1},
        [(12, "first"), (12, "finished"), (12, "first")],
    ),
    (
        {"until": ProbesAgree(1), "tokens": 40, "first": 1},
        [(10, "ProbesAgree(1)"), (10, "ProbesAgree(1)"), (20, "ProbesAgree(1)")],
    ),
]


@pytest.mark.parametrize("slots", [None, 3])
@pytest.mark.parametrize(("conditions", "expected"), REASONS)
def test_each_trace_has_the_reason_that_halted_it(
    tmp_path: Path,
    slots: int | None,
    conditions: dict[str, Any],
    expected: list[tuple[int, str]],
) -> None:
    assert reasons(tmp_path, slots, **conditions) == expected


def test_two_rules_are_named_together(tmp_path: Path) -> None:
    both = ProbesAgree(1) | ProbesAgree(3)
    assert isinstance(both, AnyOf)
    told = reasons(tmp_path, None, until=both)
    assert [reason for _, reason in told] == ["ProbesAgree(1) | ProbesAgree(3)"] * 3


@pytest.mark.parametrize("slots", [None, 3])
@pytest.mark.parametrize(
    ("conditions", "halts"),
    [
        ({"until": ProbesAgree(1)}, 3),
        ({"until": ProbesAgree(1), "tokens": 14}, 2),  # the third has come to 19 tokens
        ({"until": ProbesAgree(2), "tokens": 35}, 1),  # one of them halts it at its very end
        ({"until": ProbesAgree(2), "first": 1}, 0),  # the race is over before
    ],
)
def test_halts_by_a_rule_are_those_before_the_end_of_a_trace(
    tmp_path: Path, slots: int | None, conditions: dict[str, Any], halts: int
) -> None:
    engine, sampler = start_engine(write_problem(tmp_path, TRACES), Serving(slots))
    traces = sampler.start(3)
    sampler.decode(traces, tokens=5)
    assert engine.rule_halts == {}
    sampler.decode(traces, **conditions)
    assert engine.rule_halts == {"ProbesAgree": halts}


def test_each_part_of_a_joined_rule_counts_its_own_halts(tmp_path: Path) -> None:
    stored = [T(9, "1", {3: "1"}, "ab x cd e"), T(9, "1", {6: "1"}, "ab x cd e")]
    engine, sampler = start_engine(write_problem(tmp_path, stored))
    traces = sampler.start(2)
    sampler.decode(traces, until=TextMatches("x") | ProbesAgree(1) | ProbesAgree(2))
    assert traces.num_tokens.tolist() == [3, 4]  # tokens of a character
    assert engine.rule_halts == {"TextMatches": 1, "ProbesAgree": 1}
    sampler.decode(traces, until=ReasoningWords(1) | ProbesAgree(1))
    assert traces.num_tokens.tolist() == [3, 6]
    assert engine.rule_halts == {"TextMatches": 1, "ProbesAgree": 3, "ReasoningWords": 0}


# What cannot be asked for


def test_starting_more_than_the_budget_starts_none(tmp_path: Path) -> None:
    _, sampler = start_engine(write_problem(tmp_path, TRACES), budget=2)
    with pytest.raises(BudgetExceeded, match=r"start\(3\) after 0 traces exceeds the budget of 2"):
        sampler.start(3)
    assert len(sampler.traces) == 0
    sampler.start(2)
    with pytest.raises(BudgetExceeded):
        sampler.start()


@pytest.mark.parametrize("n", [-1, 1.0, 1.5, "2", None])
def test_start_takes_whole_numbers_only(tmp_path: Path, n: Any) -> None:
    _, sampler = start_engine(write_problem(tmp_path, TRACES))
    with pytest.raises(SamplerError, match=r"start\(.*whole number of 0 or more"):
        sampler.start(n)
    assert len(sampler.traces) == 0


@pytest.mark.parametrize(
    "conditions",
    [{"tokens": -1}, {"tokens": 2.5}, {"first": 0}, {"first": -2}, {"first": 1.5}],
)
@pytest.mark.parametrize("slots", [None, 1])
def test_decode_refuses_numbers_that_are_none(
    tmp_path: Path, slots: int | None, conditions: dict[str, Any]
) -> None:
    sampler, traces = begin(tmp_path, slots=slots)
    sampler.decode(traces, tokens=5)
    with pytest.raises(SamplerError, match="whole number"):
        sampler.decode(traces, **conditions)
    assert (sampler.tokens, sampler.clock) == (15, 5 if slots is None else 15)
    sampler.decode(traces, tokens=5)
    assert traces.num_tokens.tolist() == [10, 10, 10]


def test_stopping_what_has_finished_changes_nothing(tmp_path: Path) -> None:
    sampler, traces = begin(tmp_path)
    sampler.decode(traces[1])
    sampler.stop(traces)
    assert traces.stopped.tolist() == [True, False, True]
    assert sampler.decode(traces[1]).ids.tolist() == []
    with pytest.raises(SamplerError, match="trace 0 was stopped, which is final"):
        sampler.decode(traces[::-1][1:], tokens=0)


LACKING = ["probe", "until", "until above", "text", "confidence", "each confidence", "mean"]


@pytest.mark.parametrize("signal", LACKING)
def test_a_signal_that_the_pool_lacks_is_named(tmp_path: Path, signal: str) -> None:
    sampler, traces = begin(tmp_path, [T(10, "1"), T(20, "2")])
    sampler.decode(traces, tokens=5)
    asks: dict[str, Callable[[], object]] = {
        "probe": lambda: sampler.probe(traces),
        "until": lambda: sampler.decode(traces, until=ProbesAgree(2)),
        "text": lambda: traces.text,
        "confidence": lambda: traces.confidence(),
        "each confidence": lambda: traces[0].confidence,
        "mean": lambda: traces.mean("entropy"),
        "until above": lambda: sampler.decode(traces, until=SignalAbove("entropy", 0.0, 1)),
    }
    with pytest.raises(SamplerError, match="pool test/model/tiny has no ") as told:
        asks[signal]()
    assert "requires = {" in str(told.value)
    assert sampler.tokens == 10


# The cost of probes, by hand

TWO = [
    T(1600, "1", {500: "1", 1000: "1", 1500: "1"}),
    T(1200, "2", {500: "2", 1000: "1"}),
]
COST = ProbeCost(suffix=10, answer=20)


def charged(
    tmp_path: Path, serving: Serving | None = None, traces: Sequence[T] = TWO
) -> tuple[Engine, Sampler, Traces]:
    problem = write_problem(tmp_path, traces)
    engine, sampler = start_engine(problem, serving, probe_cost=COST)
    return engine, sampler, sampler.start(len(traces))


def told(sampler: Sampler) -> tuple[int, int, int, float]:
    """Tokens generated, number of probes, their tokens, clock."""
    return sampler.tokens, sampler.probe_calls, sampler.probe_tokens, sampler.clock


def ended(engine: Engine) -> list[float]:
    recorder = Recorder(engine.problem)
    recorder.add(0, engine, GradedAnswer(None, -1, False))
    ends: list[float] = recorder.tables().decisions["ended"].to_pylist()
    return ends


def test_a_call_charges_every_unfinished_trace_and_takes_the_time_of_one_answer(
    tmp_path: Path,
) -> None:
    engine, sampler, traces = charged(tmp_path)
    for step in range(4):
        sampler.decode(traces, tokens=500)
        sampler.probe(traces)
        if step == 1:
            sampler.probe(traces[0])  # again: an engine answers again
    # Probes: 2 at 500, 2 + 1 at 1,000, 1 at 1,500 (the second has finished), none at the end.
    assert told(sampler) == (2800, 6, 180, 1600 + 4 * 20)
    # The second trace ends with 200 tokens of its third step, after three probes; the first after
    # four.
    assert ended(engine) == [1600 + 80, 1200 + 60]


def test_reading_the_clock_between_steps_changes_no_reading(tmp_path: Path) -> None:
    ends = []
    for reads in ((), ("decode",), ("probe",), ("decode", "probe")):
        engine, sampler, traces = charged(tmp_path / "".join(reads))
        for _ in range(4):
            for call in ("decode", "probe"):
                if call == "decode":
                    sampler.decode(traces, tokens=500)
                else:
                    sampler.probe(traces)
                if call in reads:
                    assert sampler.clock > 0
        ends.append((told(sampler), ended(engine)))
    assert ends == [ends[0]] * 4
    assert ends[0] == ((2800, 5, 150, 1660), [1660, 1240])


def test_a_rule_on_probes_is_charged_for_those_that_it_passes(tmp_path: Path) -> None:
    engine, sampler, traces = charged(tmp_path)
    sampler.decode(traces, until=ProbesAgree(2))
    # The first halts at 1,000 after two probes, the second finishes after two.
    assert traces.num_tokens.tolist() == [1000, 1200]
    assert told(sampler) == (2200, 4, 120, 1240)
    assert ended(engine) == [1040, 1240]
    sampler.decode(traces[0], until=ProbesAgree(2))  # it holds, and has been read
    assert told(sampler) == (2200, 4, 120, 1240)
    sampler.decode(traces[0], tokens=500)
    sampler.decode(traces[0], until=ProbesAgree(3), tokens=0)
    assert told(sampler) == (2700, 5, 150, 1240 + 500 + 20)


def test_a_rule_reads_the_probes_that_the_trace_has_passed_without_it(tmp_path: Path) -> None:
    _, sampler, traces = charged(tmp_path)
    sampler.decode(traces, tokens=1100)
    assert told(sampler) == (2200, 0, 0, 1100)
    sampler.decode(traces, until=ProbesAgree(1))
    assert told(sampler) == (2200, 4, 120, 1100 + 2 * 20)


def test_a_finished_trace_is_asked_nothing(tmp_path: Path) -> None:
    traces = [T(1000, "1", {500: None, 1000: "1"})]
    _, sampler, started = charged(tmp_path, traces=traces)
    sampler.decode(started, until=ProbesAgree(1))
    assert told(sampler) == (1000, 1, 30, 1020)  # at 1,000 it has its answer
    sampler.probe(started)
    sampler.decode(started, until=ProbesAgree(1))
    assert told(sampler) == (1000, 1, 30, 1020)


def test_traces_race_on_the_clock_with_their_probes(tmp_path: Path) -> None:
    # By tokens the first would finish first; four probes of 20 steps put it behind.
    traces = [T(1000, "1", {200: None, 400: None, 600: None, 800: None}), T(1050, "2", {})]
    engine, sampler, started = charged(tmp_path, traces=traces)
    finished = sampler.decode(started, until=ProbesAgree(2), first=1)
    assert finished.ids.tolist() == [1]
    assert started.num_tokens.tolist() == [970, 1050]
    assert told(sampler) == (2020, 4, 120, 1050)
    assert ended(engine) == [1050, 1050]


def test_a_race_ends_while_a_trace_waits_for_a_probe(tmp_path: Path) -> None:
    traces = [T(1000, "1", {200: None, 400: None}), T(430, "2", {})]
    _, sampler, started = charged(tmp_path, traces=traces)
    sampler.decode(started, until=ProbesAgree(2), first=1)
    # 200 tokens, a probe, 200 tokens: 420 steps; the second probe has 10 more steps to go.
    assert started.num_tokens.tolist() == [400, 430]
    assert told(sampler) == (830, 2, 60, 430)


def test_probes_queue_for_slots(tmp_path: Path) -> None:
    _, sampler, traces = charged(tmp_path, Serving(1))
    sampler.decode(traces, tokens=500)
    assert sampler.clock == 1000
    sampler.probe(traces)
    assert sampler.clock == 1000 + 2 * 20
    sampler.decode(traces, until=ProbesAgree(2))
    # One after the other: 500 tokens and two probes, then 700 tokens and two probes.
    assert told(sampler) == (2200, 6, 180, 1040 + 540 + 740)


def test_probes_take_the_seconds_of_their_batch(tmp_path: Path) -> None:
    _, sampler, traces = charged(tmp_path, Serving(None, ((1, 0.01), (2, 0.015))))
    sampler.probe(traces)
    assert sampler.clock == pytest.approx(20 * 0.015)
    sampler.probe(traces[1])
    assert sampler.clock == pytest.approx(20 * 0.015 + 20 * 0.01)
    assert Serving(2, ((1, 0.01), (2, 0.015))).duration(5, 20) == pytest.approx(
        20 * (2 * 0.015 + 0.01)
    )


def test_a_free_probe_takes_no_time(tmp_path: Path) -> None:
    engine, sampler = start_engine(write_problem(tmp_path, TWO), probe_cost=FREE)
    traces = sampler.start(2)
    sampler.decode(traces, until=ProbesAgree(2))
    sampler.probe(traces)
    assert told(sampler) == (2200, 4 + 1, 0, 1200)
    assert ended(engine) == [1000, 1200]


def test_a_pools_own_cost_is_charged_else_the_default(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, TWO)
    assert Engine(problem, np.arange(2), Serving()).probe_cost == ProbeCost(10, 20)
    problem.pool.info.probe_cost = {"suffix": 3, "answer": 4}
    assert Engine(problem, np.arange(2), Serving()).probe_cost == ProbeCost(3, 4)
    assert Engine(problem, np.arange(2), Serving(), probe_cost=FREE).probe_cost == FREE
