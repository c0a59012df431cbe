"""Stop rules against loops over tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, start_engine, write_problem

from simulator.rules import NEVER, ProbesAgree, StopRule

NewFolder = Callable[[], Path]


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> NewFolder:
    return lambda: tmp_path_factory.mktemp("cache")


def agrees(trace: T, tokens: int, in_a_row: int) -> bool:
    """Whether the last probes up to `tokens` are so many and gave the same answer."""
    streak, last = 0, None
    for at, answer in (trace.probes or {}).items():
        if at > tokens:
            break
        streak = streak + 1 if answer == last else 1
        last = answer
    return streak >= in_a_row and last is not None


def next_at(trace: T, tokens: int, conditions: Sequence[int]) -> int:
    """The first token count from `tokens` on at which one of `ProbesAgree(k)` holds, or NEVER."""
    for now in range(tokens, 60):  # past the last probe nothing changes
        if any(agrees(trace, now, in_a_row) for in_a_row in conditions):
            return now
    return NEVER


answers = st.sampled_from(["1", "1", "2", None])


@st.composite
def probed_traces(draw: st.DrawFn) -> list[T]:
    """Traces probed at regular positions, at irregular ones, or some of them not at all."""
    regular = draw(st.booleans())
    traces = []
    for _ in range(draw(st.integers(1, 4))):
        positions = sorted(draw(st.lists(st.integers(1, 50), max_size=10, unique=True)))
        if regular:
            positions = [5 * n for n in range(1, len(positions) + 1)]
        traces.append(T(60, "1", {at: draw(answers) for at in positions}))
    return traces


@settings(max_examples=120, deadline=None)
@given(probed_traces(), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_probes_agree_where_a_loop_over_tokens_says_so(
    new_folder: NewFolder, traces: list[T], conditions: list[int], data: st.DataObject
) -> None:
    problem = write_problem(new_folder(), traces)
    rule: StopRule = ProbesAgree(conditions[0])
    for in_a_row in conditions[1:]:
        rule = rule | ProbesAgree(in_a_row)
    places = st.integers(0, len(traces) - 1)
    rows = data.draw(st.lists(places, min_size=1, max_size=6))
    for _ in range(2):  # the second time it is looked up
        tokens = data.draw(st.lists(st.integers(0, 59), min_size=len(rows), max_size=len(rows)))
        halts = rule.halts_at(problem, np.array(rows), np.array(tokens))
        expected = [next_at(traces[r], n, conditions) for r, n in zip(rows, tokens, strict=True)]
        assert halts.tolist() == expected


PROBES: dict[int, str | None] = {3: "1", 7: "2", 11: "2", 20: None, 24: None, 30: "2", 31: "2"}


@pytest.mark.parametrize(
    ("tokens", "in_a_row", "expected"),
    [
        (0, 1, 3),
        (3, 1, 3),
        (19, 1, 19),  # the last probe still stands
        (20, 1, 30),  # the probe at 20 gave no answer
        (0, 2, 11),
        (11, 2, 11),
        (15, 2, 15),
        (20, 2, 31),  # two probes without an answer do not agree
        (31, 2, 31),
        (45, 2, 45),
        (0, 3, NEVER),  # no answer comes between
    ],
)
def test_probes_agree_by_hand(tmp_path: Path, tokens: int, in_a_row: int, expected: int) -> None:
    problem = write_problem(tmp_path, [T(5, "1", {}), T(50, "1", PROBES)])
    halts = ProbesAgree(in_a_row).halts_at(problem, np.array([1, 0]), np.array([tokens, 0]))
    assert halts.tolist() == [expected, NEVER]


def test_no_probe_at_all_never_agrees(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(5, "1", {}), T(50, "1", {})])
    halts = ProbesAgree(1).halts_at(problem, np.array([1, 0]), np.array([7, 0]))
    assert halts.tolist() == [NEVER, NEVER]


def test_a_rule_that_holds_already_lets_the_trace_stand_until_it_breaks(tmp_path: Path) -> None:
    _, sampler = start_engine(write_problem(tmp_path, [T(50, "1", PROBES)]))
    traces = sampler.start(1)
    until = ProbesAgree(2)
    sampler.decode(traces, tokens=15)
    sampler.decode(traces, until=until)
    assert traces.num_tokens.tolist() == [15]
    sampler.decode(traces, tokens=5)  # the probe at 20 breaks the run
    sampler.decode(traces, until=until)
    assert traces.num_tokens.tolist() == [31]


def test_a_rule_that_holds_with_the_last_token_lets_the_trace_finish(tmp_path: Path) -> None:
    traces = [T(11, "1", PROBES), T(12, "1", PROBES), T(10, "1", PROBES)]
    _, sampler = start_engine(write_problem(tmp_path, traces))
    assert sampler.decode(sampler.start(3), until=ProbesAgree(2)).ids.tolist() == [0, 2]
    assert sampler.traces.num_tokens.tolist() == [11, 11, 10]


def test_either_rule_halts(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(50, "1", PROBES)])
    rows, start = np.array([0, 0, 0]), np.array([0, 12, 20])
    three, two = ProbesAgree(3), ProbesAgree(2)
    for rule in (three | two, two | three, three | two | three):
        assert rule.halts_at(problem, rows, start).tolist() == [11, 12, 31]
        assert rule.requires == {"probes"}
    assert str(three | two) == "ProbesAgree(3) | ProbesAgree(2)"


def test_what_one_rule_prepares_another_does_not_use(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(50, "1", PROBES)])
    row, zero = np.array([0]), np.array([0])
    told = [ProbesAgree(n).halts_at(problem, row, zero).item() for n in (2, 1, 3, 2)]
    assert told == [11, 3, NEVER, 11]


@pytest.mark.parametrize("in_a_row", [0, -3])
def test_no_probe_cannot_agree(in_a_row: int) -> None:
    with pytest.raises(ValueError, match="at least one probe"):
        ProbesAgree(in_a_row)
