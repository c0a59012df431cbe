"""Forms that play all repeats at once do what `solve` does, value by value."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, write_pool
from real_pools import needs_scout, scout

from simulator.counting import CHARGING, ORDERS
from simulator.loading import load_policy
from simulator.pools.pool import Pool, StoredProblem
from simulator.pools.probe_cost import FREE, ProbeCost
from simulator.pools.shipped import shipped_pools
from simulator.replay import replaying as replay_module
from simulator.replay.batch import FORMS, find_form
from simulator.replay.batch.methods import steadfast as steadfast_form
from simulator.replay.recording import Replayed
from simulator.replay.replaying import answered, replay, replay_together, replaying
from simulator.replay.serving import Serving
from simulator.storage import parquet_writer

SETTINGS: Mapping[str, Sequence[Mapping[str, str]]] = {
    "pass@1": [{}],
    "cons@1": [{}],
    "asc": [{}, {"threshold": "0.5"}, {"threshold": "0"}, {"threshold": "1"}],
    "beta-sc": [
        {},
        {"in_flight": "0", "threshold": "0.6"},
        {"in_flight": "1"},
        {"in_flight": "2", "threshold": "0"},
        {"in_flight": "3", "threshold": "1"},
    ],
    "bayes-3": [{}, {"priors": "0.6+0.4"}, {"delta": "0.5"}, {"delta": "1e-9"}],
    "esc": [{}, {"window": "1"}, {"window": "2"}, {"window": "99"}],
    "sprt": [{}, {"p1": "0.9", "alpha": "0.4"}, {"p0": "0.3", "p1": "0.4", "beta": "0.9"}],
    "msprt": [{}, {"prior": "1"}, {"prior": "2", "beta": "0.3", "alpha": "0.3"}],
    "doubling": [{}, {"first_round": "1", "share": "1"}, {"share": "0"}, {"first_round": "99"}],
    "short-1@1": [{}],
    "short-3@1": [{}],
    "sac": [{}, {"in_a_row": "1"}, {"in_a_row": "3"}],
    "parallel-probe": [
        {},
        {"interval": "5", "warm_up": "0", "patience": "1", "stable_steps": "3"},
        {"interval": "7", "warm_up": "2", "patience": "2", "stable_steps": "99"},
        {"interval": "10", "warm_up": "-1", "patience": "3", "max_steps": "4"},
        {"interval": "1", "stable_steps": "0"},
        {"interval": "32", "warm_up": "1", "patience": "2", "stable_steps": "4"},
        {"interval": "10000000000"},
    ],
    "ppr-1v1": [{}, {"delta": "0.9"}, {"delta": "0.5"}, {"delta": "1e-9"}],
    "cges": [{}, {"gamma": "0.5"}, {"gamma": "1"}],
    "reasc": [
        {"window": "4"},
        {"window": "100", "threshold": "0.8"},
        {"window": "1", "slope": "3", "enough": "9"},
        {"window": "8", "mean": "12", "sd": "2", "enough": "15"},
    ],
    "certaindex": [
        {"interval": "5", "unchanged": "5"},
        {"interval": "7", "unchanged": "0", "agreement": "0.5"},
        {"interval": "5", "unchanged": "15", "agreement": "0.3"},
        {"interval": "3", "unchanged": "6", "agreement": "1"},
        {"interval": "32", "unchanged": "64"},
    ],
    "cmc": [
        {"interval": "5"},
        {"interval": str(2**63 - 1)},
        {"interval": "5", "beta": "0"},
        {"interval": "7", "beta": "0.2", "max_rounds": "4"},
        {"interval": "3", "beta": "1"},
        {"interval": "4", "beta": "0.1"},
        {"interval": "32", "beta": "0.8"},
    ],
    "quorum": [
        {},
        {"support": "0", "finishers": "1", "doubt": "0"},
        {"starters": "1"},
        {"starters": "2", "doubt": "0", "support": "1"},
        {"starters": "6", "finishers": "1e-9", "support": "0.3"},
        {"starters": "99", "finishers": "1", "scatter": "1", "support": "0.01"},
        {"finishers": "1", "scatter": "0", "doubt": "9"},
    ],
    "steadfast": [
        {},
        {"interval": "5"},
        {"interval": "5", "power": "0", "doubt": "0"},
        {"interval": "5", "power": "1", "doubt": "0", "finishers": "1"},
        {"interval": "7", "doubt": "1", "finishers": "1", "power": "0.3"},
        {"interval": "3", "starters": "6", "finishers": "1e-9", "power": "2"},
        {"interval": "1", "starters": "2", "doubt": "9"},
        {"interval": "10", "starters": "1"},
        {"interval": str(2**63 - 1), "starters": "99", "doubt": "0"},
        {"interval": "32", "power": "1000", "finishers": "1"},
    ],
}
"""Parameters of each method that has a form, edge values among them."""

CASES = [(spec, typed) for spec, some in SETTINGS.items() for typed in some]

UNCOVERED = [
    ("parallel-probe", {"patience": "0"}),
]
"""Parameters that forms leave to `solve`."""


def files_of(replayed: Replayed) -> list[bytes]:
    """Return the bytes of the two files that a run keeps of a replay."""
    files = []
    for table in (replayed.decisions, replayed.answers):
        file = BytesIO()
        with parquet_writer(file, table.schema) as writer:
            writer.write_table(table)
        files.append(file.getvalue())
    return files


def assert_same_as_solve(
    spec: str, typed: Mapping[str, str], problem: StoredProblem, budget: int, **how: Any
) -> None:
    """Replay a method by its form and by `solve`, and compare all that is recorded."""
    loaded = load_policy(spec, typed)
    given = {"repeats": range(60, 70), "seed": 5, "serving": Serving(), "budget": budget, **how}
    found = replay_together(loaded, problem.fresh(), **given)
    assert found is not None
    expected = answered(replaying(loaded, problem.fresh(), **given), loaded)
    for ours, theirs in ((found.decisions, expected.decisions), (found.answers, expected.answers)):
        assert ours.schema == theirs.schema
        for name in theirs.schema.names:
            assert ours[name].to_pylist() == theirs[name].to_pylist(), name
    assert found.rule_halts == expected.rule_halts
    assert files_of(found) == files_of(expected)


answers = st.sampled_from([None, "1", "2", "3", "4"])


@st.composite
def traces(draw: st.DrawFn) -> T:
    length = draw(st.integers(1, 60))
    step = draw(st.sampled_from([5, 5, 5, 7]))  # mostly in step with one another
    asked = range(step, min(length, draw(st.integers(0, 60))) + 1, step)
    values = draw(st.sampled_from([[0.25], [0.5, 8.0, 16.0], [20.0, 1.0]]))  # few, so that some tie
    entropy, confidence = (
        [scale * values[n % len(values)] for n in range(length)] for scale in (0.05, 1.0)
    )
    probes = {tokens: draw(answers) for tokens in asked}
    return T(length, draw(answers), probes, confidence=confidence, signals={"entropy": entropy})


problems = st.lists(traces(), min_size=1, max_size=9)


@pytest.mark.parametrize(("spec", "typed"), CASES)
@settings(max_examples=12)
@given(
    traces=problems,
    part=st.floats(0, 1),
    serving=st.sampled_from([Serving(), Serving(probe_steps=2)]),
    probe_cost=st.sampled_from([None, FREE, ProbeCost(3, 4)]),
    order=st.sampled_from(ORDERS),
)
def test_forms_do_what_solve_does(
    spec: str,
    typed: Mapping[str, str],
    traces: list[T],
    part: float,
    serving: Serving,
    probe_cost: ProbeCost | None,
    order: str,
) -> None:
    budget = 1 + round(part * (len(traces) - 1))
    with TemporaryDirectory() as folder:
        (problem,) = write_pool(Path(folder), {"p": traces}).problems
        assert_same_as_solve(
            *(spec, typed, problem, budget),
            serving=serving,
            probe_cost=probe_cost,
            order=order,
        )


@pytest.mark.parametrize(("spec", "typed"), CASES)
def test_forms_do_what_solve_does_on_the_shipped_pool(spec: str, typed: Mapping[str, str]) -> None:
    (folder,) = shipped_pools().values()
    for problem in Pool(folder).problems[::12]:
        for budget in (1, 20, 64):
            assert_same_as_solve(spec, typed, problem, budget, repeats=range(5))


@needs_scout
@pytest.mark.parametrize("benchmark", ["aime24", "aime25"])
@pytest.mark.parametrize(
    ("spec", "typed", "budget"),
    [
        ("pass@1", {}, 1),
        ("cons@64", {}, 64),
        ("esc", {"window": "8"}, 64),
        ("asc", {}, 64),
        ("sprt", {"p1": "0.6", "alpha": "0.3"}, 64),
        ("msprt", {"prior": "5"}, 40),
        ("doubling", {}, 128),
        ("short-3@16", {}, 16),
        ("beta-sc", {}, 64),
        ("bayes-3", {}, 20),
        ("sac", {}, 1),
        ("sac", {}, 64),
        ("parallel-probe", {}, 64),
        ("ppr-1v1", {}, 64),
        ("certaindex", {}, 64),
        ("cmc", {"beta": "1"}, 64),
        ("quorum", {}, 64),
        ("quorum", {"starters": "24", "support": "0.9", "doubt": "0"}, 128),
        ("steadfast", {}, 64),
        ("steadfast", {"starters": "24", "finishers": "1", "doubt": "0"}, 128),
        ("steadfast", {"interval": "500", "power": "1"}, 20),
        ("parallel-probe", {"interval": "700", "warm_up": "3", "patience": "3"}, 64),
    ],
)
def test_forms_do_what_solve_does_on_real_traces(
    spec: str,
    typed: Mapping[str, str],
    budget: int,
    benchmark: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, _ = scout(benchmark, tmp_path_factory)
    for number, problem in enumerate(Pool(folder / "scout/qwen3-8b" / benchmark).problems[::6]):
        assert_same_as_solve(spec, typed, problem, budget, charging=CHARGING[number % 2])


@settings(max_examples=60)
@given(
    running=st.lists(st.tuples(st.sampled_from([3, 5, 8]), *[st.sampled_from("112")] * 3)),
    first=st.lists(st.sampled_from([3, 5]), min_size=1, max_size=2),
    probed=st.sampled_from([True, True, False]),
    given=st.fixed_dictionaries(
        {},
        optional={
            "starters": st.integers(1, 12),
            "finishers": st.sampled_from([0.01, 0.7, 1.0]),
            "support": st.sampled_from([0.0, 0.2, 0.6, 1.0]),
            "doubt": st.sampled_from([0.0, 1.0, 30.0]),
            "scatter": st.sampled_from([0.0, 0.8, 1.0]),
        },
    ),
)
def test_quorum_where_traces_finish_together_with_probes_and_without(
    running: list[tuple[int, str, str, str]],
    first: list[int],
    probed: bool,
    given: dict[str, float],
) -> None:
    early = [T(length, "1", {2: "1"} if probed else None) for length in first]
    late = [
        T(length, answer, {2: held, 4: then} if probed else None)
        for length, answer, held, then in running
    ]
    typed = {name: str(value) for name, value in given.items()}
    with TemporaryDirectory() as folder:
        (problem,) = write_pool(Path(folder), {"p": early + late}).problems
        assert_same_as_solve(
            "quorum", typed, problem, len(early + late), probe_cost=ProbeCost(1, 2)
        )


@settings(max_examples=60)
@given(
    lengths=st.sampled_from([range(1, 4), range(1, 25), range(4, 40, 4)]).flatmap(
        lambda lengths: st.lists(st.sampled_from(lengths), min_size=1, max_size=12)
    ),
    held=st.lists(st.sampled_from([*"1112234", None]), min_size=7, max_size=60),
    step=st.sampled_from([0, 1, 2, 5]),
    budget=st.integers(1, 12),
    given=st.fixed_dictionaries(
        {"interval": st.sampled_from([1, 2, 4, 5, 8, 2000])},
        optional={
            "starters": st.integers(1, 12),
            "finishers": st.sampled_from([0.01, 1.0]),
            "doubt": st.sampled_from([0.0, 1.0, 30.0]),
            "power": st.sampled_from([0.0, 0.5, 1.0, 300.0]),
        },
    ),
)
def test_steadfast_where_answers_are_left_and_probes_come_with_finishes(
    lengths: list[int],
    held: list[str | None],
    step: int,
    budget: int,
    given: dict[str, float],
) -> None:
    # A trace holds one answer of the list after the other, from a place of its own on.
    traces = [
        T(
            length,
            held[(3 * number + length) % len(held)],
            {at: held[(3 * number + at) % len(held)] for at in range(step, length + 1, step)}
            if step
            else None,
        )
        for number, length in enumerate(lengths)
    ]
    typed = {name: str(value) for name, value in given.items()}
    how: dict[str, Any] = {"probe_cost": ProbeCost(1, 2), "repeats": range(34)}  # recorded in two
    with TemporaryDirectory() as folder:
        (problem,) = write_pool(Path(folder), {"p": traces}).problems
        assert_same_as_solve("steadfast", typed, problem, min(budget, len(traces)), **how)


@pytest.mark.parametrize(
    ("traces", "clock"),
    [
        # The second vote is the first that the running traces agree with.
        ([T(n, "1", {0: "1", 10: "2", 20: "1"}) for n in (15, 25, *[95] * 6)], 25),
        # No two answers have half of the first four votes.
        ([T(n, "1" if n > 3 else None, {1: None}) for n in range(1, 9)], 4),
    ],
)
def test_steadfast_ends_at_the_first_vote_that_suffices(
    traces: list[T], clock: int, tmp_path: Path
) -> None:
    (problem,) = write_pool(tmp_path, {"p": traces}).problems
    typed = {"interval": "10", "doubt": "0", "finishers": "1", "power": "0"}
    assert_same_as_solve("steadfast", typed, problem, 8, probe_cost=FREE)
    given: dict[str, Any] = {"repeats": range(2), "seed": 0, "serving": Serving(), "budget": 8}
    found = replay_together(load_policy("steadfast", typed), problem, probe_cost=FREE, **given)
    assert found is not None
    assert found.answers["clock"].to_pylist() == [clock, clock]


def test_steadfast_with_very_many_traces_is_left_to_solve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (problem,) = write_pool(tmp_path, {"p": [T(n, "1", {1: "1"}) for n in range(1, 5)]}).problems
    given: dict[str, Any] = {"repeats": range(3), "seed": 0, "serving": Serving(), "budget": 2}
    loaded = load_policy("steadfast")
    assert replay_together(loaded, problem, **given) is not None
    monkeypatch.setattr(steadfast_form, "MOST_TRACES", 3)
    assert replay_together(loaded, problem, **given) is None


def test_quorum_counts_many_votes_of_one_step_in_the_order_of_starting(tmp_path: Path) -> None:
    traces = [T(5 + number % 2, f"{number}", {2: None}) for number in range(64)]
    (problem,) = write_pool(tmp_path, {"p": traces}).problems
    assert_same_as_solve("quorum", {}, problem, 64, repeats=range(64))


def test_traces_without_a_token_are_left_to_solve(tmp_path: Path) -> None:
    (problem,) = write_pool(tmp_path, {"p": [T(0, None), T(5, "1"), T(9, "2")]}).problems
    given: dict[str, Any] = {"repeats": range(3), "seed": 0, "serving": Serving(), "budget": 3}
    for spec in ("cons@3", "quorum"):
        loaded = load_policy(spec)
        assert replay_together(loaded, problem, **given) is None
        assert replay(loaded, problem, **given).answers["tokens"].to_pylist() == [14, 14, 14]


@pytest.mark.parametrize(("spec", "typed"), UNCOVERED)
def test_parameters_without_a_form_are_left_to_solve(
    spec: str, typed: Mapping[str, str], tmp_path: Path
) -> None:
    traces = [T(30, "1", {10: "2", 20: "1"}), T(21, "2", {10: "2", 20: "2"})]
    (problem,) = write_pool(tmp_path, {"p": traces}).problems
    loaded = load_policy(spec, typed)
    given: dict[str, Any] = {"repeats": range(3), "seed": 0, "serving": Serving(), "budget": 2}
    assert find_form(loaded) is not None
    assert replay_together(loaded, problem, **given) is None
    assert len(replay(loaded, problem, **given).answers) == 3


def test_many_repeats_are_played_in_several_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "CELLS_AT_ONCE", 12)
    traces = [T(10 * n, str(n % 3), {5: "1"}) for n in range(1, 5)]
    (problem,) = write_pool(tmp_path, {"p": traces}).problems
    for spec in ("esc", "sac", "parallel-probe", "steadfast"):
        assert_same_as_solve(spec, {}, problem, 4, repeats=range(7))


def test_every_case_is_of_a_method_with_a_form() -> None:
    loaded = [load_policy(spec, typed) for spec, typed in CASES]
    modules = {type(each.policy).__module__.rpartition(".")[2] for each in loaded}
    assert modules == set(FORMS)


@pytest.mark.parametrize("module", FORMS)
def test_forms_are_of_the_methods_as_they_are(module: str) -> None:
    # When a method changes, check its form, then put the new number into FORMS.
    source = inspect.getsource(importlib.import_module(f"simulator.methods.{module}"))
    assert FORMS[module] == hashlib.sha256(source.encode()).hexdigest()
