"""Choice between a method's `solve` and its form that plays all repeats at once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pools import T, write_pool

import simulator.methods
from simulator.loading import LoadedPolicy, load_policy
from simulator.methods.cons import Cons
from simulator.pools.pool import Pool
from simulator.replay import replaying as replay_module
from simulator.replay.batch import covers, find_form
from simulator.replay.recording import Replayed
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Five problems of seven traces each, lengths, answers and probes all over the place."""
    problems = {
        f"{i}": [
            T(7 + (i * 13 + j * 29) % 50, f"{(i * j) % 3}", {5: f"{j % 2}", 7: f"{i % 2}"})
            for j in range(7)
        ]
        for i in range(5)
    }
    return write_pool(tmp_path_factory.mktemp("cache"), problems)


def is_asked(loaded: LoadedPolicy, pool: Pool, **how: Any) -> bool:
    """Replay with this policy and check whether its `solve` is called."""
    called = []

    def solve(*given: Any) -> None:
        called.append(given)

    loaded.policy.solve = solve  # type: ignore[assignment, method-assign]
    given = {"budget": 3, "repeats": range(2), "seed": 0, "serving": Serving(), **how}
    replayed: Replayed = replay(loaded, pool.problems[0], **given)
    assert len(replayed.answers) == len(given["repeats"])
    return bool(called)


def test_a_built_in_method_is_played_at_once(pool: Pool) -> None:
    assert not is_asked(load_policy("cons@3"), pool)


@pytest.mark.parametrize(
    "how",
    [
        {"serving": Serving(2)},
        {"serving": Serving(None, ((1, 0.1),))},
        {"serving": Serving(kv_tokens=10_000)},
        {"repeats": range(1)},
    ],
)
def test_other_engines_and_a_single_repeat_are_left_to_solve(
    pool: Pool, how: dict[str, Any]
) -> None:
    assert is_asked(load_policy("cons@3"), pool, **how)


def test_a_time_limit_is_kept_by_solve(pool: Pool) -> None:
    assert is_asked(replace(load_policy("cons@3"), timeout=60), pool)


def test_a_file_of_a_methods_name_and_text_is_asked_itself(pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "cons.py"
    shutil.copy(Path(simulator.methods.__path__[0]) / "cons.py", file)
    loaded = load_policy(str(file))
    assert find_form(loaded) is None
    assert find_form(replace(loaded, spec="cons@3")) is None
    assert is_asked(loaded, pool)


def test_a_class_derived_from_a_method_has_no_form() -> None:
    class Mine(Cons):
        pass

    assert find_form(replace(load_policy("cons@3"), policy=Mine())) is None


def test_a_method_that_was_edited_has_no_form() -> None:
    loaded = load_policy("cons@3")
    assert find_form(replace(loaded, source=loaded.source + "\n")) is None


def test_methods_without_a_form_are_told() -> None:
    assert find_form(load_policy("deepprune")) is None


def test_pools_that_a_policy_could_read_past_have_no_form(tmp_path: Path) -> None:
    whole = [T(9, "1", {5: "1"}), T(8, "1", {5: "1"})]
    cut = [*whole, T(9, None, {5: "1"}, unfinished=True)]
    for name, traces, signals, expected in (
        ("whole", whole, {"probes"}, True),
        ("lacking", whole, {"probes", "confidence"}, False),
        ("cut", cut, {"probes"}, False),
    ):
        (problem,) = write_pool(tmp_path, {"p": traces}, benchmark=name).problems
        assert covers(problem, Serving(), signals) is expected


@pytest.mark.parametrize("spec", ["esc", "sac", "parallel-probe"])
def test_runs_are_the_same_bytes_with_forms_and_without(
    spec: str, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunSpec(load_policy(spec), [pool], None, 70, 0, Serving())
    for jobs in (1, 2):
        make_run(run, tmp_path / f"{jobs}", jobs=jobs)

    def stop_half_way(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_run(run, tmp_path / "resumed", progress=stop_half_way)
    monkeypatch.setattr(replay_module, "find_form", lambda loaded: None)
    make_run(run, tmp_path / "solve")
    make_run(run, tmp_path / "resumed", resume=True)  # half of it by the form, half by `solve`
    for name in ("decisions.parquet", "answers.parquet", "summary.json"):
        expected = (tmp_path / "solve" / name).read_bytes()
        for other in ("1", "2", "resumed"):
            assert (tmp_path / other / name).read_bytes() == expected
