"""Sweeps: the grid, what is on disk, resuming, and that each run is what it would be alone."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pools import T, write_pool
from programs import (
    RESULTS,
    call,
    needs_proc,
    results,
    run,
    start,
    wait_for,
    wait_for_files,
    working_in,
)
from submitted import submit

from simulator.catalogue.views import connect
from simulator.errors import UserError
from simulator.loading import load_policy
from simulator.pools.pool import Pool, StoredProblem
from simulator.replay import replaying as replay_module
from simulator.replay.serving import Serving
from simulator.runs.making import make_run, partial_folder
from simulator.runs.results import read_results
from simulator.runs.spec import RunJudge, RunSpec
from simulator.runs.sweep import (
    MOST_RUNS,
    Setting,
    Sweep,
    find_partial_sweep,
    load_settings,
    make_sweep,
    parse_grid,
    runs_of,
)
from simulator.runs.units import PREPARED_AT_MOST

REPEATS = 10


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    rng = random.Random(6)
    problems = {
        f"{number:02d}": [
            T(
                length := rng.randint(5, 90),
                "1",
                {at: str(rng.randint(1, 2)) for at in range(5, length, 5)},
            )
            for _ in range(6)
        ]
        for number in range(8)
    }
    write_pool(tmp_path / "cache", problems)
    return tmp_path / "cache"


def sweep_of(cache: Path, *typed: str, policy: str = "parallel-probe") -> Sweep:
    """Make a sweep over the pool, whose probes are 5 tokens apart (interval=5)."""
    settings = load_settings(policy, parse_grid(["interval=5", *typed]))
    pool = Pool(cache / "test" / "model" / "tiny")
    specs = [RunSpec(each.loaded, [pool], None, REPEATS, 0, Serving()) for each in settings]
    return Sweep(settings, specs)


def files_of(folder: Path, sweep: Sweep) -> dict[str, dict[str, bytes]]:
    return {name: results(folder / name) for name in sweep.folders}


# The grid


def test_points_are_in_the_order_typed_the_first_parameter_slowest() -> None:
    settings = load_settings("sprt", parse_grid(["p1=0.9,0.6", "beta=0.5", "alpha=0.1,0.05"]))
    assert [dict(each.swept) for each in settings] == [
        {"p1": "0.9", "alpha": "0.1"},
        {"p1": "0.9", "alpha": "0.05"},
        {"p1": "0.6", "alpha": "0.1"},
        {"p1": "0.6", "alpha": "0.05"},
    ]
    assert {each.loaded.parameters["beta"] for each in settings} == {0.5}
    assert [each.loaded.parameters["p1"] for each in settings] == [0.9, 0.9, 0.6, 0.6]


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("a=1,2", ["1", "2"]),
        (r"a=1\,2", ["1,2"]),
        (r"a=x{2\,3},\d+", ["x{2,3}", r"\d+"]),
        ("a=", [""]),
        ("a=b=c", ["b=c"]),
    ],
)
def test_a_comma_separates_values_unless_a_backslash_stands_before_it(
    typed: str, values: list[str]
) -> None:
    assert parse_grid([typed]) == {"a": values}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["window=1,2,1"], "1 occurs twice"),
        (["window=1,01"], "1 and 01 are the same"),
        (["window=3", "window=4"], "-p window: given twice"),
        (["window=3,"], "a list with an empty value"),
        (["window=3,x"], "-p window=x: expected int"),
        (["windows=3,4"], "did you mean window?"),
        (["window=3,0"], " (window=0)"),
        (["window"], "name=value"),
        (
            ["window=" + ",".join(map(str, range(1, MOST_RUNS + 2)))],
            "1001 = 1,001 runs; give at most 1,000",
        ),
    ],
)
def test_wrong_grids_are_refused(typed: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        load_settings("esc", parse_grid(typed))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("swept", "name"),
    [
        ({"tau": "0.25", "window": "1024"}, "tau=0.25,window=1024"),
        ({"words": "wait,a/b c%"}, "words=wait%2Ca%2Fb%20c%25"),
        ({"word": "x.partial"}, "word=x%2Epartial"),
        ({"word": ".."}, "word=.."),
        ({"word": "hé"}, "word=hé"),
    ],
)
def test_folder_names_hold_what_file_names_can(swept: dict[str, str], name: str) -> None:
    assert Setting(load_policy("esc"), swept).folder == name


def test_long_values_have_short_names_of_their_own() -> None:
    loaded = load_policy("esc")
    names = {Setting(loaded, {"word": "x" * 400 + end}).folder for end in "ab"}
    assert len(names) == 2
    assert all(len(name) < 200 for name in names)


# Making


@pytest.mark.parametrize("jobs", [1, 3])
def test_each_run_of_a_sweep_is_what_it_is_alone(cache: Path, tmp_path: Path, jobs: int) -> None:
    sweep = sweep_of(cache, "patience=1,2", "stable_steps=2,3")
    summaries = make_sweep(sweep, tmp_path / "sweep", jobs=jobs, command=["typed"])
    assert sweep.folders == [
        *("patience=1,stable_steps=2", "patience=1,stable_steps=3"),
        *("patience=2,stable_steps=2", "patience=2,stable_steps=3"),
    ]
    for name, spec, summary in zip(sweep.folders, sweep.specs, summaries, strict=True):
        assert summary == make_run(spec, tmp_path / name, command=["typed"])
        assert results(tmp_path / "sweep" / name) == results(tmp_path / name)
        here, alone = (
            json.loads((folder / name / "run.json").read_text())
            for folder in (tmp_path / "sweep", tmp_path)
        )
        assert here.pop("sweep") == {"settings": 4}
        for described in (here, alone):
            for key in ("jobs", "started_at", "wall_seconds"):
                del described[key]
        assert here == alone
    assert len({json.dumps(summary["pools"]) for summary in summaries}) > 1
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir()) == [
        *sorted(sweep.folders),
        "sweep.json",
    ]
    assert runs_of(tmp_path / "sweep") == [tmp_path / "sweep" / name for name in sweep.folders]


def test_a_signal_is_read_once_a_problem_for_all_settings(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    read_signal = Pool.read_signal

    def counted(pool: Pool, name: str, index: int, columns: list[str]) -> Any:
        read.append(index)
        return read_signal(pool, name, index, columns)

    monkeypatch.setattr(Pool, "read_signal", counted)
    make_sweep(sweep_of(cache, "patience=1,2", "stable_steps=2,3"), tmp_path / "sweep")
    assert read == [0, 1, 2, 3, 4, 5, 6, 7]


def test_what_is_worked_out_does_not_pile_up_over_the_settings(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    solve = replay_module.replay

    def watched(loaded: Any, problem: StoredProblem, **how: Any) -> Any:
        done = solve(loaded, problem, **how)
        held.append(len(problem.prepared))
        return done

    monkeypatch.setattr("simulator.runs.units.replay", watched)
    settings = load_settings("sac", parse_grid(["in_a_row=" + ",".join(map(str, range(2, 32)))]))
    pool = Pool(cache / "test" / "model" / "tiny")
    specs = [RunSpec(each.loaded, [pool], None, 1, 0, Serving()) for each in settings]
    make_sweep(Sweep(settings, specs), tmp_path / "sweep")
    assert max(held) == PREPARED_AT_MOST + 1


def test_progress_covers_the_whole_grid_also_when_it_is_resumed(
    cache: Path, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    small, large = sweep_of(cache, "patience=1,2"), sweep_of(cache, "patience=1,2,3")
    make_sweep(small, tmp_path / "sweep", progress=lambda *now: seen.append(now))
    assert (seen[0], seen[-1]) == ((0, 2 * 8 * REPEATS), (2 * 8 * REPEATS, 2 * 8 * REPEATS))
    seen.clear()
    make_sweep(large, tmp_path / "sweep", resume=True, progress=lambda *now: seen.append(now))
    whole = 3 * 8 * REPEATS
    assert (seen[0], seen[-1]) == ((2 * 8 * REPEATS, whole), (whole, whole))


# Cut off and taken up


def cut_off(sweep: Sweep, folder: Path, replays: int) -> None:
    def stop(done: int, total: int) -> None:
        if done >= replays:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        make_sweep(sweep, folder, progress=stop)
    assert not folder.exists()
    assert partial_folder(folder).is_dir()


def test_an_interrupted_sweep_goes_on_to_the_same_bytes(cache: Path, tmp_path: Path) -> None:
    sweep = sweep_of(cache, "patience=1,2", "stable_steps=2,3")
    make_sweep(sweep, tmp_path / "whole")
    cut_off(sweep, tmp_path / "cut", 11 * REPEATS)
    with pytest.raises(UserError, match="unfinished sweep"):
        runs_of(tmp_path / "cut.partial")
    assert find_partial_sweep(tmp_path, sweep) == tmp_path / "cut"
    make_sweep(sweep, tmp_path / "cut", resume=True)
    assert files_of(tmp_path / "cut", sweep) == files_of(tmp_path / "whole", sweep)
    cut, whole = ((tmp_path / name / "sweep.json").read_bytes() for name in ("cut", "whole"))
    assert cut == whole
    assert not list((tmp_path / "cut").rglob("identity.json"))


def test_finished_runs_stay_and_the_others_are_made(cache: Path, tmp_path: Path) -> None:
    sweep = sweep_of(cache, "patience=1,2,3")
    make_sweep(sweep, tmp_path / "whole")
    make_sweep(sweep, tmp_path / "cut")
    for name in ("patience=1", "patience=3"):  # as if it had ended after the second
        shutil.rmtree(tmp_path / "cut" / name)
    (tmp_path / "cut" / "sweep.json").rename(tmp_path / "cut" / "identity.json")
    (tmp_path / "cut").rename(tmp_path / "cut.partial")
    stays = (tmp_path / "cut.partial" / "patience=2" / "run.json").stat()
    make_sweep(sweep, tmp_path / "cut", resume=True)
    assert files_of(tmp_path / "cut", sweep) == files_of(tmp_path / "whole", sweep)
    now = (tmp_path / "cut" / "patience=2" / "run.json").stat()
    assert (now.st_ino, now.st_mtime_ns) == (stays.st_ino, stays.st_mtime_ns)


def test_values_are_added_to_a_whole_sweep(cache: Path, tmp_path: Path) -> None:
    small, large = sweep_of(cache, "patience=1,3"), sweep_of(cache, "patience=1,2,3")
    make_sweep(large, tmp_path / "whole")
    make_sweep(small, tmp_path / "grown")
    make_sweep(large, tmp_path / "grown", resume=True)
    assert files_of(tmp_path / "grown", large) == files_of(tmp_path / "whole", large)
    assert runs_of(tmp_path / "grown") == [tmp_path / "grown" / name for name in large.folders]
    for each in runs_of(tmp_path / "grown") or ():  # those made before as well
        assert json.loads((each / "run.json").read_text())["sweep"] == {"settings": 3}
        assert {each.sweep_settings for each in read_results(each)} == {3}
    with pytest.raises(UserError, match="already complete"):
        make_sweep(large, tmp_path / "grown", resume=True)
    with pytest.raises(UserError, match="also has patience=2, not in the grid"):
        make_sweep(small, tmp_path / "grown", resume=True)
    assert files_of(tmp_path / "grown", large) == files_of(tmp_path / "whole", large)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["patience=1,2", "warm_up=1"], "another policy"),
        (["stable_steps=1,2"], "another sweep"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_folder_of_another_sweep_is_refused_and_left_alone(
    cache: Path, tmp_path: Path, typed: list[str], said: str, whole: bool
) -> None:
    sweep = sweep_of(cache, "patience=1,2")
    if whole:
        make_sweep(sweep, tmp_path / "out")
    else:
        cut_off(sweep, tmp_path / "out", REPEATS)
        said = said if said == "another policy" else "not an interrupted sweep of stable_steps"
    before = {path: path.read_bytes() for path in tmp_path.rglob("out*/**/*") if path.is_file()}
    for resume in (True, False):
        with pytest.raises(UserError, match=said if resume else "add --resume"):
            make_sweep(sweep_of(cache, *typed), tmp_path / "out", resume=resume)
    after = {path: path.read_bytes() for path in tmp_path.rglob("out*/**/*") if path.is_file()}
    assert before
    assert after == before


def test_a_run_and_a_sweep_are_never_taken_for_each_other(cache: Path, tmp_path: Path) -> None:
    sweep = sweep_of(cache, "patience=1,2")
    alone = sweep_of(cache, "patience=1").specs[0]
    cut_off(sweep, tmp_path / "out", REPEATS)
    with pytest.raises(UserError, match=r"out\.partial"):
        make_run(alone, tmp_path / "out", resume=True)
    make_run(alone, tmp_path / "alone")
    assert runs_of(tmp_path / "alone") is None
    with pytest.raises(UserError, match="already exists"):
        make_sweep(sweep, tmp_path / "alone", resume=True)


def test_a_run_that_is_not_what_its_name_says_is_refused(cache: Path, tmp_path: Path) -> None:
    sweep = sweep_of(cache, "patience=1,2")
    cut_off(sweep, tmp_path / "out", REPEATS)
    other = sweep_of(cache, "patience=1", "stable_steps=2").specs[0]
    shutil.rmtree(tmp_path / "out.partial" / "patience=1.partial")
    make_run(other, tmp_path / "out.partial" / "patience=1")
    with pytest.raises(UserError, match="patience=1: a run with another policy"):
        make_sweep(sweep, tmp_path / "out", resume=True)


def test_a_sweep_with_another_judge_is_refused(cache: Path, tmp_path: Path) -> None:
    sweep = sweep_of(cache, "patience=1,2")
    cut_off(sweep, tmp_path / "out", REPEATS)
    asked: Any = None  # parallel-probe asks nobody
    judge = RunJudge(asked, {"name": "new"}, False, [0.0])
    judged = Sweep(sweep.settings, [dataclasses.replace(s, judge=judge) for s in sweep.specs])
    with pytest.raises(UserError, match=r"patience=1.partial: a run with another judge"):
        make_sweep(judged, tmp_path / "out", resume=True)


def test_a_policy_that_breaks_in_one_setting_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from simulator import Policy\n"
        "class Mine(Policy):\n"
        "    interval = 0\n    divisor = 1\n"
        "    def solve(self, problem, sampler):\n"
        "        return str(1 // self.divisor)\n"
    )
    sweep = sweep_of(cache, "divisor=1,0", policy=str(tmp_path / "mine.py"))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=r"ZeroDivisionError.*divisor=0, problem .*, repeat 0\)"):
        make_sweep(sweep, tmp_path / "new" / "out")
    assert sorted(tmp_path.rglob("*")) == before


SLOW = """
import time
from simulator import Policy, majority_vote

class Slow(Policy):
    first = 2
    def solve(self, problem, sampler):
        time.sleep(0.001)
        traces = sampler.start(sampler.budget)
        sampler.decode(traces, first=self.first)
        return majority_vote(traces)
"""


@needs_proc
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_sweep_leaves_no_worker_and_resumes_to_the_same_bytes(
    cache: Path, jobs: str
) -> None:
    (cache.parent / "slow.py").write_text(SLOW)
    arguments = ("run", "slow.py", "-p", "first=1,2,3", "--repeats", "20")
    assert run(cache, *arguments, "-o", "whole") == (0, "")
    folder = cache.parent / "cut"
    process = start(cache, *arguments, "-o", "cut", "-j", jobs)
    wait_for_files(partial_folder(folder), "*/parts/*.answers", 7)
    process.kill()
    process.communicate(timeout=30)
    wait_for("no process left", iter(lambda: not working_in(cache.parent), None))
    assert not folder.exists()
    with pytest.raises(UserError, match="unfinished sweep"):
        runs_of(partial_folder(folder))
    code, errors = run(cache, *arguments, "-o", "cut", "-j", jobs, "--resume")
    assert (code, errors) == (0, "")
    for name in ("first=1", "first=2", "first=3"):
        assert results(folder / name) == results(cache.parent / "whole" / name)
        assert sorted(p.name for p in (folder / name).iterdir()) == sorted([*RESULTS, "run.json"])
    assert not partial_folder(folder).exists()


# On the command line


@pytest.fixture
def shell(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(cache.parent)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(cache))
    return lambda *arguments: call(capsys, *arguments)


SHORT = ("run", "parallel-probe", "-p", "interval=5", "-p", "patience=2,1", "--repeats", "2")


def test_the_table_has_a_row_a_setting_in_grid_order(
    shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = shell(*SHORT, "-p", "stable_steps=2,3", "-o", "out")
    assert (code, err) == (
        0,
        "test/model/tiny: budget 6 instead of 64, the number of traces in the pool\n"
        "patience changed nothing (stable_steps did)\n",
    )
    lines = [line.split() for line in out.splitlines()]
    assert [line[:2] for line in lines[3:7]] == [["2", "2"], ["2", "3"], ["1", "2"], ["1", "3"]]
    for name, line in zip(sorted(Path("out").glob("*=*"), reverse=True), [1, 0, 3, 2], strict=True):
        metrics = json.loads((name / "summary.json").read_text())["pools"][0]["metrics"]
        assert f"{metrics['tokens_per_problem']['value']:,.0f}" in lines[3 + line]
    assert out.endswith("sweep: out (4 runs, sweep.png)\n")
    assert Path("out/sweep.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_every_summary(shell: Any) -> None:
    _, out, _ = shell(*SHORT, "-o", "out", "--json")
    printed = json.loads(out)
    assert (printed["sweep"], printed["plot"]) == ("out", "out/sweep.png")
    for entry, name in zip(printed["runs"], ["patience=2", "patience=1"], strict=True):
        assert entry.pop("run") == f"out/{name}"
        assert entry.pop("stop_rules") == []
        assert [*entry.pop("no_answer")] == [pool["pool"] for pool in entry["pools"]]
        assert entry == json.loads(Path("out", name, "summary.json").read_text())


def test_report_takes_a_sweep_for_all_of_its_runs(shell: Any) -> None:
    shell(*SHORT)
    (folder,) = Path("runs").iterdir()
    _, whole, _ = shell("report", folder.name, "--format", "csv")
    _, each, _ = shell(
        "report", str(folder / "patience=2"), str(folder / "patience=1"), "--format", "csv"
    )
    assert whole.count("\n") == 3
    assert whole == each


def test_resume_finds_the_interrupted_sweep(shell: Any, cache: Path) -> None:
    sweep = sweep_of(cache, "patience=2,1")
    specs = [RunSpec(s.loaded, s.pools, None, 2, 0, Serving()) for s in sweep.specs]
    cut_off(Sweep(sweep.settings, specs), Path("runs") / "earlier", 2)
    code, out, err = shell(*SHORT, "--resume")
    assert code == 0
    assert "resuming runs/earlier" in err
    assert "sweep: runs/earlier" in out
    code, _, err = shell(*SHORT, "--resume", "-o", "runs/earlier")
    assert (code, "already complete" in err) == (2, True)


def test_the_runs_of_a_sweep_are_named_after_both(tmp_path: Path) -> None:
    submit(tmp_path / "made")
    run = tmp_path / "made" / "run-0"
    for sweep in ("one", "two", "three.partial"):
        for value in ("0.25", "a%2Fb"):
            shutil.copytree(run, tmp_path / "runs" / sweep / f"tau={value}")
        (tmp_path / "runs" / sweep / "sweep.json").write_text("{}")
    shutil.copytree(run, tmp_path / "runs/alone")
    names = ["alone", "one/tau=0.25", "one/tau=a%2Fb", "two/tau=0.25", "two/tau=a%2Fb"]
    with connect(tmp_path / "cache", tmp_path / "runs") as catalogue:
        for view in ("runs", "decisions", "answers"):
            rows = catalogue.rows(f"SELECT DISTINCT run FROM {view} ORDER BY run")
            assert [row["run"] for row in rows] == names
