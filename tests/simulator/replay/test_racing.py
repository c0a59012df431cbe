"""No rule reads, in any call, what the call does not generate; and what it halts is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, start_engine, write_problem

from simulator.conformance.variants import Revealed, scrambled
from simulator.pools.pool import StoredProblem
from simulator.replay.racing import reach
from simulator.replay.serving import Serving
from simulator.rules.stop_rules import (
    ProbesAgree,
    ReasoningWords,
    SignalAbove,
    SignalBelow,
    StopRule,
    TextMatches,
)
from simulator.rules.text_matching import NEVER, PatternReading, WordsReading

NewFolder = Callable[[], Path]


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> NewFolder:
    return lambda: tmp_path_factory.mktemp("cache")


@dataclass(frozen=True)
class Call:
    """A call of `decode` on the traces with these numbers."""

    numbers: list[int]
    tokens: int | None
    until: StopRule | None
    first: int | None


@st.composite
def stored_traces(draw: st.DrawFn) -> list[T]:
    """Traces of a token for each character, with every signal."""
    traces = []
    for _ in range(draw(st.integers(2, 5))):
        text = draw(st.text("so ,\nx", min_size=2, max_size=24))  # no two are one object
        values = draw(st.lists(st.integers(0, 4), min_size=len(text), max_size=len(text)))
        probes = {at: draw(st.sampled_from(["1", "2", None])) for at in range(3, len(text) + 1, 3)}
        answer = draw(st.sampled_from(["1", "2"]))
        floats = [float(value) for value in values]
        traces.append(T(len(text), answer, probes, text, floats, {"entropy": floats}))
    return traces


single_rules = st.one_of(
    st.sampled_from(["x", "so", r"\bso\b", r"s[\s\S]*x", r"[\s\S](?:[\s\S]*x)?", "\x00", ""]).map(
        TextMatches
    ),
    st.builds(ReasoningWords, st.integers(1, 3), st.just(("so", "s"))),
    st.builds(
        SignalBelow, st.just("confidence"), st.sampled_from([0.5, 1.5, 9]), st.integers(1, 4)
    ),
    st.builds(SignalAbove, st.just("entropy"), st.sampled_from([0.5, 2.5, -1]), st.integers(1, 30)),
    st.builds(ProbesAgree, st.integers(1, 3)),
)
rules = st.lists(single_rules, min_size=1, max_size=3).map(
    lambda parts: parts[0] if len(parts) == 1 else parts[0] | (parts[1] | parts[-1])
)
servings = st.one_of(
    st.just(Serving()),
    st.builds(Serving, st.integers(1, 4)),
    st.builds(Serving, st.sampled_from([None, 2]), st.just(((1, 0.5), (4, 0.75)))),
    st.builds(
        Serving,
        *(st.sampled_from([None, 3]), st.just(((1, 0.5),)), st.just(0.25), st.just(0.5)),
        prompt_tokens=st.sampled_from([0, 3]),
        kv_tokens=st.integers(4, 60),
        prefix_cache=st.booleans(),
    ),
)


@contextmanager
def watched(read: dict[int, int], problem: StoredProblem) -> Iterator[None]:
    """Note in `read` how many tokens of each row's text a reading has come to."""
    rows = {id(text): row for row, text in enumerate(problem.texts)}

    def noting(kind: Any) -> Any:
        original = kind.read_on

        def read_on(self: Any, tokens: int) -> None:
            assert self.read < tokens  # nothing is read twice
            original(self, tokens)
            row = rows[id(self.text)]
            read[row] = max(read.get(row, 0), tokens if self.found == NEVER else self.found)

        return mock.patch.object(kind, "read_on", read_on)

    with noting(PatternReading), noting(WordsReading):
        yield


def outcome(
    problem: StoredProblem, calls: list[Call], serving: Serving, *, bounded: bool = True
) -> list[Any]:
    """Make the calls; return all that a policy or a run sees of them."""
    engine, sampler = start_engine(problem, serving)
    traces = sampler.start(len(problem.lengths))
    seen: list[Any] = []
    for call in calls:
        rule = {} if call.until is None else {"until": call.until}
        first = {} if call.first is None else {"first": call.first}
        read: dict[int, int] = {}
        with watched(read, problem):
            sampler.decode(traces[call.numbers], tokens=call.tokens, **rule, **first)  # type: ignore[arg-type]
        generated = traces.num_tokens.tolist()
        assert not bounded or all(tokens <= generated[row] for row, tokens in read.items())
        halted_by = [decode.halted_by for decode in engine.log[-1:]]
        seen += [generated, sampler.clock, halted_by, dict(engine.idle), dict(engine.rule_halts)]
    return seen


@settings(max_examples=120)
@given(stored_traces(), servings, st.data())
def test_nothing_past_what_a_call_generates_is_read_or_counts(
    new_folder: NewFolder, stored: list[T], serving: Serving, data: st.DataObject
) -> None:
    problem = write_problem(new_folder(), stored)
    numbers = st.lists(st.integers(0, len(stored) - 1), min_size=1, unique=True)
    calls = data.draw(
        st.lists(
            st.builds(
                Call,
                numbers,
                st.none() | st.integers(0, 9),
                rules,
                st.none() | st.integers(1, 3),
            ),
            min_size=1,
            max_size=4,
        )
    )
    seen = outcome(problem, calls, serving)
    assert outcome(problem, calls, serving) == seen  # looked up

    with mock.patch("simulator.replay.engine.reach", lambda work, *_: work):  # as if unbounded
        assert outcome(problem.fresh(), calls, serving, bounded=False) == seen

    tokens = np.array(seen[-5])
    revealed = Revealed(tokens, tokens == problem.lengths)
    for attempt in range(2):
        other = scrambled(problem, revealed, np.random.default_rng(attempt))
        assert outcome(other, calls, serving) == seen


def test_no_tokens_read_nothing_anew(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(9, "1", text="so so so "), T(4, "1", text="so x")])
    _, sampler = start_engine(problem)
    traces = sampler.start(2)
    read: dict[int, int] = {}
    with watched(read, problem):
        for rule in (TextMatches("x"), TextMatches("x") | ReasoningWords(1), TextMatches("")):
            sampler.decode(traces, tokens=0, until=rule)
        assert read == {}
        sampler.decode(traces, tokens=2)
        sampler.decode(traces, tokens=0, until=TextMatches("x"))
        assert read == {0: 2, 1: 2}  # what is generated already


@pytest.mark.parametrize(
    ("slots", "reached", "asked"),
    [
        # A rule halts trace 1, the shortest, after 2 tokens: trace 2 is the first to finish.
        (None, [4, 3, 4, 4], [{1: 3}, {2: 4}]),
        # Trace 0 might be halted at once and trace 1 finish after 3 steps, but 0 comes to its end.
        (1, [6, 0, 0, 0], [{0: 3}, {0: 6}]),
        # Traces 0 and 1; 1 is halted in step 2, and 2 finishes in step 6, together with 0.
        (2, [6, 3, 4, 0], [{0: 3, 1: 3}, {0: 6, 2: 4}]),
    ],
)
def test_the_reach_of_a_race_by_hand(
    slots: int | None, reached: list[int], asked: list[dict[int, int]]
) -> None:
    questions: list[dict[int, int]] = []

    def reads(places: Any, tokens: Any) -> Any:
        questions.append(dict(zip(places.tolist(), tokens.tolist(), strict=True)))
        return np.minimum(tokens, np.array([9, 2, 9, 9])[places])

    work = np.array([6, 3, 4, 5])
    finishes = np.array([True, True, True, False])
    before = np.zeros(4, dtype=np.int64)
    assert reach(work, finishes, 1, Serving(slots), reads, before).tolist() == reached
    assert questions == asked
