"""Runs on a part of the problems: choosing them, resuming, reports and submissions."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import T, write_pool
from programs import call, results

from simulator.api.plan import plan_runs
from simulator.errors import UserError
from simulator.pools.pool import Pool
from simulator.runs.making import make_run
from simulator.runs.problems import choose_problems, hashed
from simulator.runs.results import read_results

IDS = [f"{number:02d}" for number in range(8)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two pools: eight problems, and the first five of them under another benchmark's name."""
    rng = random.Random(4)
    folder = tmp_path_factory.mktemp("part") / "cache"
    for name, ids in (("eight", IDS), ("five", IDS[:5])):
        problems = {
            each: [T(rng.randint(5, 60), str(rng.randint(1, 2))) for _ in range(4)] for each in ids
        }
        write_pool(folder, problems, benchmark=name)
    return folder


@pytest.fixture
def shell(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(cache))
    return lambda *arguments: call(capsys, *arguments)


def chosen(cache: Path, typed: str, *names: str) -> list[list[str]] | None:
    """Return the ids that are chosen of each pool."""
    pools = [Pool(cache / "test/model" / name) for name in names or ("eight",)]
    found = choose_problems(typed, pools)
    if found is None:
        return None
    assert found.typed == typed
    return [
        [pool.problems[place].problem_id for place in places]
        for pool, places in zip(pools, found.places, strict=True)
    ]


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("03", ["03"]),
        ("05,01", ["01", "05"]),
        ("range:2-4", ["01", "02", "03"]),
        ("range:8-99,00", ["00", "07"]),
        ("0[12]", ["01", "02"]),
        ("not:00,range:5-8", ["01", "02", "03"]),
        ("*", None),
        ("range:1-8", None),
    ],
)
def test_problems_are_chosen_by_id_and_place(
    cache: Path, typed: str, wanted: list[str] | None
) -> None:
    assert chosen(cache, typed) == (None if wanted is None else [wanted])


def test_problems_are_chosen_by_a_file_of_ids(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("02\n\n 06 \n")
    assert chosen(cache, f"file:{tmp_path / 'ids.txt'}") == [["02", "06"]]


def test_shares_by_hash_are_those_of_sha256(cache: Path) -> None:
    def share(problem: str) -> int:  # the last bit of the first eight bytes
        return hashlib.sha256(f"eight/{problem}".encode()).digest()[7] % 2

    for number in (0, 1):
        wanted = [each for each in IDS if share(each) == number]
        assert chosen(cache, f"hash:{number}/2") == [wanted]


@given(st.text(min_size=1), st.text(min_size=1), st.integers(1, 9))
def test_a_problem_is_in_one_share_whatever_case_its_benchmark_has(
    benchmark: str, problem: str, shares: int
) -> None:
    share = hashed((benchmark, problem), shares)
    assert share in range(shares)
    assert share == hashed((benchmark.casefold(), problem), shares)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("09", "--problems 09: chooses no problem here; did you mean 0"),
        ("hash:2/2", "--problems hash:2/2: shares of 2 are 0 to 1"),
        ("hash:half", "--problems hash:half: give it as hash:0/2, one of two halves"),
        ("range:4-2", "--problems range:4-2: give the lower place first, from 1 on"),
        ("range:0-2", "--problems range:0-2: give the lower place first, from 1 on"),
        ("range:9-12", "--problems range:9-12: chooses no problem here"),
        ("00,", "--problems: an empty term; give ids, range:1-10, hash:0/2 or file:ids.txt"),
        ("file:none.txt", "--problems file:none.txt: cannot be read (No such file"),
        ("not:*", "--problems not:*: no problem of test/model/eight; leave it out"),
    ],
)
def test_a_wrong_choice_is_refused_in_one_line(cache: Path, typed: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        chosen(cache, typed)
    assert str(raised.value).startswith(message)


def test_a_pool_of_which_nothing_is_chosen_is_refused(cache: Path) -> None:
    assert chosen(cache, "04,07", "eight", "five") == [["04", "07"], ["04"]]
    with pytest.raises(UserError, match=r"--problems 07: no problem of test/model/five; leave"):
        chosen(cache, "07", "eight", "five")


def test_a_part_has_the_rows_of_the_whole_run_whatever_the_number_of_processes(
    cache: Path, tmp_path: Path
) -> None:
    how: Any = {"repeats": 3, "cache": cache}
    (whole,) = plan_runs("short-2@3", {}, ["*eight"], **how).specs
    (part,) = plan_runs("short-2@3", {}, ["*eight"], problems="hash:0/2", **how).specs
    make_run(whole, tmp_path / "whole")
    made = make_run(part, tmp_path / "part")
    make_run(part, tmp_path / "two", jobs=2)
    assert results(tmp_path / "part") == results(tmp_path / "two")
    (ids,) = chosen(cache, "hash:0/2") or [[]]
    rows = pq.read_table(tmp_path / "whole" / "answers.parquet").to_pylist()
    kept = pq.read_table(tmp_path / "part" / "answers.parquet").to_pylist()
    assert kept == [row for row in rows if row["problem_id"] in ids]
    assert (made["pools"][0]["problems"], made["pools"][0]["problems_in_pool"]) == (len(ids), 8)
    (result,) = read_results(tmp_path / "part")
    assert (result.chosen, result.problem_ids, result.problems_in_pool) == (
        "hash:0/2",
        tuple(ids),
        8,
    )


@pytest.mark.parametrize(
    ("others", "differing"),
    [(("--problems", "hash:1/2"), "problems and pools"), ((), "pools and problems")],
)
def test_a_run_is_resumed_with_the_same_problems_only(
    shell: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    others: tuple[str, ...],
    differing: str,
) -> None:
    run = ("run", "cons@2", "-d", "*eight", "--repeats", "2", "-o", "r")
    assert shell(*run, "--problems", "hash:0/2")[0] == 0
    folder = tmp_path / "r"  # as if interrupted before it was renamed
    identity = json.loads((folder / "run.json").read_text())
    for name in ("stop_rules", "no_answer", "versions", "command", "started_at"):
        identity.pop(name)
    (folder / "identity.json").write_text(json.dumps(identity))
    (folder / "parts").mkdir()
    folder.rename(tmp_path / "r.partial")
    code, _, err = shell(*run, "--resume", *others)
    assert code == 2
    assert f"r.partial: an interrupted run with another {differing}; give the same" in err


def test_a_part_is_told_in_reports_and_refused_as_a_submission(
    shell: Callable[..., tuple[int, str, str]],
) -> None:
    run = ("run", "cons@2", "-d", "*eight", "--repeats", "2")
    code, out, _ = shell(*run, "--problems", "range:1-3", "-o", "runs/part")
    assert code == 0
    assert out.startswith("test/model/eight: only 3 of 8 problems, N=2, ")
    assert shell(*run, "-o", "runs/whole")[0] == 0
    code, out, _ = shell("report", "runs/part", "runs/whole")
    assert code == 0
    assert "test/model/eight [range:1-3]\n" in out  # beside the whole pool, and not compared
    note = "Only a part was run (run --problems): 3 of 8 problems of test/model/eight [range:1-3]."
    assert note in " ".join(out.split())
    code, out, _ = shell("report", "runs/part", "--json")
    assert json.loads(out)["rows"][0]["problems_in_pool"] == 8
    about = ("--method", "x", "--authors", "a", "--description", "d")
    code, _, err = shell("submit", "runs/part", *about)
    assert (code, err.count("\n")) == (2, 1)
    assert "only a part of the problems was run (--problems); submit a run on whole pools" in err


def test_parts_of_two_benchmarks_are_averaged_without_joining_problems_of_one_id(
    shell: Callable[..., tuple[int, str, str]],
) -> None:
    part = ("--repeats", "2", "--problems", "hash:0/3,hash:1/3")
    for number, method in enumerate(("short-1@4", "short-2@4")):
        assert shell("run", method, *part, "-d", "*", "-o", f"runs/{number}")[0] == 0
    _, out, _ = shell("report", "runs/0", "runs/1", "--json")
    found = json.loads(out)
    differing = [row["accuracy_difference_problems"] for row in found["rows"]]
    combined = [row["accuracy_difference_problems"] for row in found["combined"]]
    assert sum(combined) == sum(differing) > max(differing) > 0
