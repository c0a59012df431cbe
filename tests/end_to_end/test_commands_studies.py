"""`deepprune-sim tune` and `power` as they are typed."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pools import T, write_pool
from programs import call, results

from simulator.api import tuning
from simulator.commands.studies.tune import TARGETS
from simulator.runs.results import read_problem_sums
from simulator.studies import choosing

Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make pools of twelve problems with eight traces, of two benchmarks and a renamed copy."""
    rng = random.Random(8)
    folder = tmp_path_factory.mktemp("studies") / "cache"
    for name, prefix in (("one24", ""), ("two25", "x"), ("renamed", "")):
        problems = {
            f"{prefix}{number:02d}": [
                T(rng.randint(5, 90), "1" if rng.random() < number / 11 else str(rng.randint(1, 3)))
                for _ in range(8)
            ]
            for number in range(12)
        }
        write_pool(folder, problems, benchmark=name)
    return folder


@pytest.fixture
def shell(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "100")
    return lambda *arguments: call(capsys, *arguments)


TUNE = ("tune", "esc", "-p", "window=2,3,5", "-n", "8", "--repeats", "4")
TWO = ("--tune-on", "*one24", "--test-on", "*two25")


def result_of(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "result.json").read_text())
    return found


def test_a_choice_is_made_on_one_pool_and_tested_on_the_other(shell: Shell) -> None:
    code, out, err = shell(*TUNE, *TWO, "-o", "t")
    assert (code, err) == (0, "")
    found = result_of("t")
    chosen = found["chosen"]["set"]["window"]
    cheapest = min((each for each in found["tried"] if each["tied"]), key=lambda each: each["cost"])
    assert chosen == cheapest["set"]["window"]
    # Figures are those of ordinary runs of the same setting.
    for side, pool, run in (
        ("tune", "one24", f"t/tune/window={chosen}"),
        ("test", "two25", "t/test"),
    ):
        (sums,) = read_problem_sums(Path(run)).values()
        figures = {name: each[side]["value"] for name, each in found["figures"][0].items()}
        assert figures["accuracy"] == pytest.approx(sums.correct.sum() / (12 * 4))
        assert figures["cost"] == pytest.approx(sums.tokens.sum() / (12 * 4))
        saved = 1 - sums.tokens.sum() / sums.baseline_tokens.sum()
        assert figures["reduction"] == pytest.approx(saved)
        lost = (sums.correct - sums.baseline_correct).sum() / (12 * 4)
        assert figures["to_baseline"] == pytest.approx(lost)
        alone = ("run", "esc", "-p", f"window={chosen}", "-n", "8", "--repeats", "4")
        assert shell(*alone, "-d", f"*{pool}", "-o", f"alone-{side}")[0] == 0
        assert results(Path(f"alone-{side}")) == results(Path(run))
    for each in found["figures"][0].values():
        assert each["gap"]["value"] == pytest.approx(each["test"]["value"] - each["tune"]["value"])
        assert each["gap"]["low"] <= each["gap"]["value"] <= each["gap"]["high"]
    # The runs that test it name the choice, which names the answers that it follows from.
    choice = Path("t/choice.json")
    digest = hashlib.sha256(choice.read_bytes()).hexdigest()
    assert json.loads(Path("t/test/run.json").read_text())["tuning"] == {"choice": digest}
    assert found["choice"] == digest
    answers = json.loads(choice.read_text())["answers"]
    assert {*answers} == {f"tune/window={window}" for window in (2, 3, 5)}
    assert answers["tune/window=2"] == (
        hashlib.sha256(Path("t/tune/window=2/answers.parquet").read_bytes()).hexdigest()
    )
    assert "Chosen: window=" in out
    assert out.endswith("tuning: t\n")
    assert shell("report", "t")[1] == out.replace("tuning: t\n", "")
    assert json.loads(shell("report", "t", "--json")[1]) == {"folder": "t", **found}
    for form, start in (("markdown", "### Settings tried"), ("latex", "% needs")):
        assert shell("report", "t", "--format", form)[1].startswith(start)
    assert "no CSV" in shell("report", "t", "--format", "csv")[2]
    assert "reported by itself" in shell("report", "t", "t/test")[2]
    code, _, err = shell(*TUNE, *TWO, "-o", "t", "--resume")
    assert (code, "already complete" in err) == (2, True)


def test_the_default_is_a_run_of_its_own_unless_it_was_tried_or_chosen(shell: Shell) -> None:
    how = ("tune", "esc", *TWO, "-n", "8", "--repeats", "4")
    assert shell(*how, "-p", "window=2,3", "-o", "a")[0] == 0  # the default is 5
    assert shell(*how, "-p", "window=5,8", "-o", "b")[0] == 0
    assert result_of("a")["runs"]["tune"][1] == "default-tune"
    assert result_of("b")["default"] == "tune/window=5"
    for name in "ab":
        found = result_of(name)
        two = found["default"] != found["chosen"]["run"]
        assert len(found["figures"]) == 1 + two
        assert ("to_default" in found["figures"][0]) == two
        assert Path(name, "default-test").is_dir() == two


@pytest.mark.parametrize("stage", ["write_choice", "_test", "_result"])
def test_an_interrupted_tuning_goes_on_and_does_not_choose_again(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    assert shell(*TUNE, *TWO, "-o", "whole")[0] == 0

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tuning, stage, interrupt)
        code, _, err = shell(*TUNE, *TWO, "-o", "t")
    assert (code, err) == (
        130,
        "error: interrupted; to continue, repeat the command with: --resume -o t\n",
    )
    assert Path("t/choice.json").exists() == (stage != "write_choice")
    assert Path("t/test").exists() == (stage == "_result")
    assert "unfinished tuning" in shell("report", "t")[2]
    assert "an interrupted tuning; add --resume" in shell(*TUNE, *TWO, "-o", "t")[2]
    other = ("tune", "esc", "-p", "window=2,3", *TUNE[4:], *TWO, "-o", "t", "--resume")
    assert "an interrupted tuning with another space" in shell(*other)[2]
    with monkeypatch.context() as patched:
        if stage != "write_choice":
            patched.setattr(tuning, "choose", interrupt)
        code, _, err = shell(*TUNE, *TWO, "-o", "t", "--resume")
    assert (code, err) == (0, "")
    for file in ("choice.json", "result.json"):
        assert Path("t", file).read_bytes() == Path("whole", file).read_bytes()


def test_without_an_output_folder_the_interrupted_tuning_is_found(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tuning, "_test", interrupt)
        assert shell(*TUNE, *TWO)[0] == 130
    (folder,) = Path("runs").iterdir()
    assert folder.name.endswith("-esc-tuning")
    code, out, err = shell(*TUNE, *TWO, "--resume")
    assert (code, err) == (0, f"resuming {folder}\n")
    assert out.endswith(f"tuning: {folder}\n")


def test_runs_and_choices_that_were_changed_are_refused(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tuning, "_result", interrupt)
        assert shell(*TUNE, *TWO, "-o", "t")[0] == 130
    resume = (*TUNE, *TWO, "-o", "t", "--resume")
    choice = Path("t/choice.json").read_text()
    Path("t/choice.json").write_text(choice.replace("cons@8", "cons@9"))
    assert "t/test: not made for this choice" in shell(*resume)[2]
    Path("t/choice.json").unlink()
    assert "t/test: tested before a choice was written" in shell(*resume)[2]
    Path("t/choice.json").write_text(choice)
    answers = Path("t/tune/window=2/answers.parquet")
    stored = answers.read_bytes()
    answers.write_bytes(Path("t/test/answers.parquet").read_bytes())
    assert "not the run that the choice was made from" in shell(*resume)[2]
    answers.write_bytes(stored)
    assert shell(*resume)[0] == 0
    Path("t/choice.json").write_text(choice.replace("cons@8", "cons@9"))
    assert "not the choice that was tested" in shell("report", "t")[2]


def test_so_few_problems_that_no_loss_would_show_are_refused(shell: Shell) -> None:
    half = ("--tune-on", "*one24", "--tune-problems", "range:1-5", "-o", "t")
    assert "too few problems to tune on (5)" in shell(*TUNE, *half)[2]
    assert not Path("t").exists()


def test_pools_that_name_other_scales_are_refused(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pool that comes along names an interval for its short traces, the other one none.
    traces = [T(30, "1", {10: "1", 20: "1"}) for _ in range(4)]
    write_pool(tmp_path / "pools", {str(n): traces for n in range(7)}, benchmark="probed")
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "pools"))
    typed = ("tune", "parallel-probe", "-p", "patience=3,5", "-n", "4", "--repeats", "2")
    sides = ("--tune-on", "shipped/*", "--test-on", "*/probed", "-o", "t")
    said = "error: pools to tune on and to test on name different values of interval, "
    assert said in shell(*typed, *sides)[2]
    assert not Path("t").exists()
    # Of one that is swept they name defaults alone, and none is that of both.
    others = ("-p", "warm_up=2", "-p", "patience=2", "-p", "stable_steps=11")
    most = ("-n", "4", "--repeats", "2", "--target", "accuracy", "--budget-tokens", "1e6")
    swept = (*typed[:2], "-p", "interval=10,20", *others, *most)
    code, out, err = shell(*swept, *sides)
    assert code == 0
    said = "interval has different defaults on the pools to tune on and to test on: none is run"
    assert said in err
    assert "Default settings" not in out
    assert result_of("t")["default"] is None
    assert not Path("t/default-test").exists()


def test_the_other_problems_of_the_same_pool_are_tested_on(shell: Shell) -> None:
    half = ("--tune-on", "*one24", "--tune-problems", "range:1-6")
    assert shell(*TUNE, *half, "-o", "t")[0] == 0
    record = json.loads(Path("t/test/run.json").read_text())
    assert record["problems"] == "not:range:1-6"
    assert record["pools"][0]["problems"] == [f"{number:02d}" for number in range(6, 12)]
    found = result_of("t")
    assert (found["tune"]["problems"], found["test"]["problems"]) == (6, 6)


def test_settings_are_drawn_and_the_baseline_is_that_of_the_largest_budget(shell: Shell) -> None:
    how = ("--random", "4", "-n", "2,8", "--repeats", "4", "--target", "accuracy")
    drawn = ("tune", "esc", "-p", "window=2:8", *how, "--budget-tokens", "100", *TWO)
    assert shell(*drawn, "-o", "t")[0] == 0
    found = result_of("t")
    assert len(found["tried"]) == 4
    assert {each["set"]["budget"] for each in found["tried"]} == {"2", "8"}
    assert found["chosen"]["set"]["budget"] == "2"  # 8 traces take more than 100 tokens
    assert found["tune"]["baseline"] == found["test"]["baseline"] == "cons@8"
    assert found["runs"]["test"][-1] == "baseline-test"
    (base,) = read_problem_sums(Path("t/baseline-test")).values()
    (own,) = read_problem_sums(Path("t/test")).values()
    lost = (own.correct - base.baseline_correct).sum() / (12 * 4)
    assert found["figures"][0]["to_baseline"]["test"]["value"] == pytest.approx(lost)
    assert shell(*drawn, "-o", "again", "-j", "2")[0] == 0
    assert Path("again/choice.json").read_bytes() == Path("t/choice.json").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tune-on", "*one24"), "give other pools with --test-on, or --tune-problems hash:0/2"),
        (
            ("--tune-on", "*one24", "--test-on", "*one24"),
            "problem 00 of test/model/one24, to test on, is one of test/model/one24, to tune on",
        ),
        (  # another benchmark by name, with the same questions
            ("--tune-on", "*one24", "--test-on", "*renamed", "--test-problems", "05"),
            "problem 05 of test/model/renamed, to test on, is one of test/model/one24, to tune on",
        ),
        ((*TWO, "--budget-steps", "5"), "--budget-tokens and --budget-steps are for --target"),
        ((*TWO, "--target", "accuracy"), "--target accuracy needs --budget-tokens or"),
        ((*TWO, "--margin", "2"), "--margin is for --target cheapest-not-worse; add it"),
        ((*TWO, "-p", "threshold=1"), "-p threshold: esc has no such parameter"),
        ((*TWO, "--tune-problems", "zz"), "--tune-problems zz: chooses no problem here"),
        ((*TWO, "--test-problems", "hash:0/0"), "--test-problems hash:0/0: give it as hash:0/2"),
        (
            ("--tune-on", "*one24", "--tune-problems", "range:1-12"),
            "--tune-problems range:1-12: leaves none to test on; choose fewer",
        ),
        ((*TWO, "-p", "alpha=1e400:1e500", "--random", "2"), "give numbers below 10^308"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_one_line(
    shell: Shell, options: tuple[str, ...], message: str
) -> None:
    code, out, err = shell(*TUNE, *options, "-o", "t")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not Path("t").exists()


def test_when_nothing_fits_nothing_is_tested_and_another_target_can_be_given(shell: Shell) -> None:
    few = ("--target", "accuracy", "--budget-tokens", "1")
    code, _, err = shell(*TUNE, *TWO, *few, "-o", "t")
    assert (code, "no setting has at most 1 tokens a problem" in err) == (2, True)
    assert sorted(each.name for each in Path("t").iterdir()) == ["tune", "tuning.json"]
    assert shell(*TUNE, *TWO, "-o", "t", "--resume")[0] == 0
    assert result_of("t")["target"]["kind"] == "cheapest-tied"


def named(pool: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the row of a pool."""
    (row,) = (each for each in rows if each["pool"] == pool)
    return row


def test_power_of_two_runs_and_of_policies(shell: Shell, cache: Path) -> None:
    for name, method in (("short", "short-2@8"), ("esc", "esc")):
        run = ("run", method, "-n", "8", "-d", "*one24", "--repeats", "4", "-o", f"runs/{name}")
        assert shell(*(run if name == "esc" else (*run[:2], *run[4:])))[0] == 0
    code, out, err = shell("power", "short", "esc", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    pool = found["pools"]["test/model/one24"]
    (pair,) = json.loads(shell("report", "short", "esc", "--pairs", "--json")[1])["pairs"]
    sign = 1 if pair["method"].startswith("short") else -1
    assert pool["accuracy_difference"]["value"] == pytest.approx(sign * pair["accuracy_difference"])
    assert pool["detectable"] == pytest.approx(pair["accuracy_difference_detectable"])
    assert pool["p"] == pair["p"]
    assert pool["needed_problems_without_chance"] <= pool["needed_problems"]
    two25 = ("test/model/two25", found["could_be_added"])
    assert named(*two25) == {
        "pool": "test/model/two25",
        "at_hand": True,
        "problems": 12,
        "new_problems": 12,
        "accuracy_difference": None,
        "detectable_with_it": named(*two25)["detectable_with_it"],
        "assumed": True,
    }
    assert named(*two25)["detectable_with_it"] < pool["detectable"]
    for method in ("short-2@8", "esc"):  # now both have run there
        budget = ("-n", "8") if method == "esc" else ()
        assert shell("run", method, *budget, "-d", "*two25", "--repeats", "4")[0] == 0
    more = json.loads(shell("power", "short", "esc", "--json")[1])["could_be_added"]
    added = named("test/model/two25", more)
    assert added["assumed"] is False
    assert added["accuracy_difference"]["value"] is not None
    code, out, err = shell("power", "short-2@8", "esc", "-d", "*one24", "--repeats", "4")
    assert (code, err.count("run: runs/")) == (0, 1)  # esc is the run of that name
    assert out.startswith("short-2@8 against esc, test/model/one24\n")
    assert "test/model/two25" in out
    code, out, _ = shell("power", "esc")
    assert (code, out.startswith("esc against cons@8, test/model/one24\n")) == (0, True)


def test_power_refuses_what_has_no_pool_in_common(shell: Shell) -> None:
    for name, pool in (("a", "one24"), ("b", "two25")):
        run = ("run", "cons@2", "-d", f"*{pool}", "--repeats", "2", "-o", f"runs/{name}")
        assert shell(*run)[0] == 0
    assert "no pool, or part of one, in common" in shell("power", "a", "b")[2]
    assert "no such run" in shell("power", "nothing-here")[2]
    Path("runs/t").mkdir()
    Path("runs/t/tuning.json").write_text("{}")
    assert "runs/t: a tuning; give one of its runs, such as runs/t/test" in shell("power", "t")[2]
    assert "--repeats is for policies" in shell("power", "a", "--repeats", "4")[2]


def test_power_looks_both_methods_up_before_it_replays_one(shell: Shell) -> None:
    pool = ("-d", "*one24", "--repeats", "2")
    for wrong, why in (
        ("ecs", "error: ecs: neither a run nor a policy; did you mean esc?"),
        ("nothing-here", "no such run"),
        ("cons@9", "fewer than the budget of 9"),
        ("deepconf-low", "has no confidence"),
        ("none.py", "no such file"),
    ):
        code, _, err = shell("power", "short-2@8", wrong, *pool)
        assert (code, why in err, err.count("\n")) == (2, True, 1)
    assert not Path("runs").exists()
    # A policy takes pools, N, repeats and seed of a run, also of one that is named after it.
    run = ("run", "short-2@8", "-d", "*two25", "--repeats", "3", "--seed", "5", "-o", "runs/short")
    assert shell(*run)[0] == 0
    code, out, _ = shell("power", "esc", "short")
    assert (code, out.startswith("esc against short-2@8, test/model/two25\n")) == (0, True)
    (made,) = (each for each in Path("runs").iterdir() if each.name != "short")
    record = json.loads((made / "run.json").read_text())
    assert [record[key] for key in ("budget", "repeats", "seed")] == [8, 3, 5]


def test_targets_are_those_of_the_rule() -> None:
    assert TARGETS == choosing.TARGETS


def test_a_pool_that_is_there_twice_is_refused_and_never_counted_twice(
    shell: Shell, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = Path(shutil.copytree(cache / "test", tmp_path / "cache/test")).parent
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(pools))
    calls = [
        ("run", "cons@2", "--repeats", "2", "-d", "*"),
        (*TUNE, *TWO),
        ("power", "cons@2", "--repeats", "2", "-d", "*one24"),
    ]
    copy = pools / "test/copied/one24"
    shutil.copytree(pools / "test/model/one24", copy)
    for typed in calls:
        said = f"{copy}: pool.json names it test/model/one24; move the folder there"
        assert shell(*typed)[2] == f"error: {said}\n"
    info = (copy / "pool.json").read_text()
    (copy / "pool.json").write_text(info.replace('"model": "model"', '"model": "copied"'))
    for typed in calls:
        said = f"{copy} and {pools / 'test/model/one24'} hold the same traces; name one"
        assert shell(*typed)[2] == f"error: {said}\n"
    assert not Path("runs").exists()
    twice = ("-d", "test/model/one24", "-d", "*model/one24")
    assert shell("run", "cons@2", "--repeats", "2", *twice, "-o", "once")[0] == 0
    assert len(json.loads(Path("once/summary.json").read_text())["pools"]) == 1
