"""`deepprune-sim judge score`: what it stores, what it prints, what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pools import T, write_pool

from judges.kinds.lexical import LexicalJudge
from judges.protocol import all_pairs
from judges.scores.cached import open_scores
from simulator.cli import cli
from simulator.errors import UserError
from simulator.pools.pool import Pool

TEXTS = ["so we add two", "so we add three", "let us multiply", "we add two and two"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    problems = {
        "p": [T(20, "1", text=text) for text in TEXTS],
        "q": [T(20, "1", text=text) for text in TEXTS[:3]],
        "r": [T(20, "1", text=TEXTS[0])],
    }
    write_pool(cache, problems, benchmark="with-text")
    write_pool(cache, {"p": [T(20, "1"), T(30, "2")]}, benchmark="without")
    return cache


def invoke(cache: Path, *arguments: str) -> str:
    command = ["judge", "score", *arguments, "--cache", str(cache)]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(cache: Path, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(invoke(cache, *arguments, "--json"))
    return found


def test_every_pair_is_scored_once_and_can_be_used_without_the_judge(cache: Path) -> None:
    (row,) = rows(cache, "lexical", "-d", "*/with-text", "-t", "tokens=10")
    assert (row["pairs"], row["scored_now"]) == (6 + 3 + 0, 9)
    (row,) = rows(cache, "lexical", "-d", "*/with-text", "-t", "tokens=10")
    assert (row["pairs"], row["scored_now"]) == (9, 0)
    stored = open_scores(cache, row["judge"])
    assert stored.judge is None
    (problem, *_) = Pool(cache / "test/model/with-text").problems
    expected = LexicalJudge().score([text[: len(text) // 2] for text in TEXTS], all_pairs(4))
    assert stored.score(problem, all_pairs(4)).tolist() == expected.astype(np.float32).tolist()


def test_several_processes_store_the_same(cache: Path, tmp_path: Path) -> None:
    (one,) = rows(cache, "oracle:auroc=0.8", "-d", "*/with-text")
    alone = read_all(cache, one["judge"])
    (tmp_path / "cache" / ".judges").rename(tmp_path / "before")
    (two,) = rows(cache, "oracle:auroc=0.8", "-d", "*/with-text", "-j", "2")
    assert two["scored_now"] == one["scored_now"] == 9
    assert read_all(cache, two["judge"]) == alone


def read_all(cache: Path, judge: str) -> list[list[float]]:
    scores = open_scores(cache, judge)
    return [
        scores.score(problem, all_pairs(len(problem.lengths))).tolist()
        for problem in Pool(cache / "test/model/with-text").problems
    ]


def test_a_pool_without_text_is_refused_before_anything_is_scored(cache: Path) -> None:
    with pytest.raises(UserError, match="test/model/without has no text, which judge lexical"):
        invoke(cache, "lexical", "-d", "*")
    assert not (cache / ".judges").exists()
    assert "test/model/without" in invoke(cache, "oracle", "-d", "*/without")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lexicle", "-d", "*"), "did you mean lexical"),
        (("lexical", "-d", "nothing"), "no pool 'nothing'"),
        (("lexical", "-d", "*", "-t", "500"), "give tokens=N or words=N"),
        (("oracle", "-d", "*", "-t", "tokens=5"), "nothing to cut"),
        (("oracle", "-d", "*", "-p", "tau=0.6"), "need --pairs greedy; add it"),
        (("oracle", "-d", "*", "--repeats", "2"), "need --pairs greedy; add it"),
        (("oracle", "-d", "*", "--pairs", "greedy", "-p", "taau=1"), "did you mean tau"),
        (("oracle", "-d", "*", "--pairs", "greedy", "-p", "truncation=words=2"), "give -t"),
        (("oracle", "-d", "*", "--pairs", "greedy", "-n", "9"), "only 1 traces"),
    ],
)
def test_wrong_arguments_are_one_line(
    cache: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        invoke(cache, *arguments)
    assert "\n" not in str(error.value)


def test_a_table_says_what_was_scored_and_where_it_is(cache: Path) -> None:
    printed = invoke(cache, "oracle", "-d", "*").splitlines()
    assert printed[0].split() == ["pool", "pairs", "scored", "now", "size"]
    assert [line.split()[:3] for line in printed[2:4]] == [
        ["test/model/with-text", "9", "9"],
        ["test/model/without", "1", "1"],
    ]
    assert printed[4].startswith(f"scores: {cache / '.judges' / 'oracle-auroc-1-'}")


def test_pools_are_found_as_before_once_there_are_scores(cache: Path) -> None:
    def names() -> list[str]:
        command = ["data", "list", "--json", "--cache", str(cache)]
        printed = CliRunner().invoke(cli, command, catch_exceptions=False).stdout
        return [pool["name"] for pool in json.loads(printed)["pools"]]

    before = names()
    invoke(cache, "oracle", "-d", "*")
    assert names() == before


def test_neither_help_nor_stored_scores_load_a_model_or_scikit_learn(cache: Path) -> None:
    (row,) = rows(cache, "lexical", "-d", "*/with-text")
    code = f"""
import sys
from pathlib import Path
from simulator.cli import main
try:
    main(["judge", "-h"])
except SystemExit:
    pass
assert "pyarrow" not in sys.modules
from judges.scores.cached import open_scores
from simulator.pools.pool import Pool
import numpy as np
cache = Path({str(cache)!r})
scores = open_scores(cache, {row["judge"]!r})
scores.score(Pool(cache / "test/model/with-text").problems[0], np.array([[0, 1]]))
assert not {{"torch", "transformers", "sklearn", "scipy"}} & set(sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.fixture
def twelve(cache: Path) -> Path:
    """Add a pool of two problems with twelve traces of four kinds."""
    traces = [T(20, f"{at % 4}", text=f"{TEXTS[at % 4]} {at}") for at in range(12)]
    write_pool(cache, {"p": traces, "q": traces[::-1]}, benchmark="twelve")
    return cache


GREEDY = ("-d", "*/twelve", "--pairs", "greedy", "-n", "10", "--seed", "3")


def test_greedy_stores_the_pairs_that_a_run_asks_for_and_no_others(twelve: Path) -> None:
    (row,) = rows(twelve, "lexical", *GREEDY, "--repeats", "1", "-p", "tau=0.4")
    assert 0 < row["scored_now"] < row["pairs"] == 2 * 66
    options = ["-d", "*/twelve", "-n", "10", "--seed", "3", "--repeats", "1", "-p", "tau=0.4"]
    command = ["run", "deepprune", *options, "--judge", row["judge"], "--json", "-o", "run"]
    command += ["--cache", str(twelve)]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    metrics = json.loads(result.stdout)["pools"][0]["metrics"]
    assert metrics["judge_calls"]["value"] * 2 == row["scored_now"]
    everything = (twelve / ".judges" / row["judge"]).rglob("part-*")
    assert sum(pq.read_table(part).num_rows for part in everything) == row["scored_now"]


def test_greedy_covers_every_setting_and_repeat_and_goes_on_where_it_was(twelve: Path) -> None:
    several = ("--repeats", "3", "-p", "tau=0.2,0.6", "-p", "K1=2")
    scored = [
        rows(twelve, "lexical", *GREEDY, *options)[0]["scored_now"]
        for options in (several[:2], several, several)
    ]
    assert scored[0] > 0
    assert scored[1] > 0
    assert scored[2] == 0
    judge = rows(twelve, "lexical", *GREEDY, "--repeats", "1")[0]["judge"]
    command = ["run", "deepprune", "-d", "*/twelve", "-n", "10", "--seed", "3", *several]
    command += ["--judge", judge, "-o", "sweep", "--cache", str(twelve)]
    assert CliRunner().invoke(cli, command, catch_exceptions=False).exit_code == 0


def test_several_processes_store_the_same_greedy_pairs(twelve: Path, tmp_path: Path) -> None:
    shutil.copytree(twelve, tmp_path / "other")
    one = rows(twelve, "lexical", *GREEDY)[0]
    two = rows(tmp_path / "other", "lexical", *GREEDY, "-j", "2")[0]
    assert one["scored_now"] == two["scored_now"]
    for cache in (twelve, tmp_path / "other"):
        parts = [pq.read_table(part) for part in sorted(cache.rglob("part-*"))]
        assert len(parts) == 2
        if cache == twelve:
            first = parts
    assert [part.to_pydict() for part in parts] == [part.to_pydict() for part in first]
