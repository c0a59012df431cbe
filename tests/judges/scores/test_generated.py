"""Judge scores of generated pools: the AUROC that is stated, and never those of an older pool."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from judges.kinds.oracle import PUBLISHED_AUROC, same_answer
from judges.protocol import all_pairs
from judges.scores.cached import open_scores
from judges.scores.inventory import check_scores, stored_scores
from simulator.cli import cli
from simulator.generated.cells import SIZES
from simulator.pools.pool import NO_ANSWER, Pool


def sample(cache: Path, *arguments: str) -> list[dict[str, Any]]:
    command = ["data", "sample", "--cache", str(cache), "--json", *arguments]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    made: list[dict[str, Any]] = json.loads(result.stdout)
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """All nine small cells. Not to be changed."""
    cache = tmp_path_factory.mktemp("generated")
    return cache, sample(cache)


@pytest.fixture
def cell(made: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> Path:
    """Make a cache with one of these cells and the scores of all."""
    cache, rows = made
    shutil.copytree(cache / rows[0]["name"], tmp_path / rows[0]["name"])
    shutil.copytree(cache / ".judges", tmp_path / ".judges")
    return tmp_path


QWEN = "qwen3-32b/aime24"


def stored_pairs(cache: Path, row: dict[str, Any]) -> tuple[Any, Any]:
    """Labels and stored scores of all pairs with two answers."""
    labels, scores = [], []
    stored = open_scores(cache, row["judge"])
    assert stored.judge is None
    for problem in Pool(Path(row["path"])).problems:
        pairs = all_pairs(len(problem.lengths))
        pairs = pairs[(problem.answer_class[pairs] != NO_ANSWER).all(axis=1)]
        labels.append(same_answer(problem, pairs))
        scores.append(stored.score(problem, pairs))
    return np.concatenate(labels), np.concatenate(scores)


def test_stored_scores_have_the_published_auroc(
    made: tuple[Path, list[dict[str, Any]]],
) -> None:
    cache, rows = made
    found = [stored_pairs(cache, row) for row in rows]
    labels, scores = (np.concatenate(part) for part in zip(*found, strict=True))
    assert len(labels) > 30_000
    # A cell's AUROC is blurred by its traces' noise; their spread gives the error of nine cells.
    by_cell = [roc_auc_score(*each) for each in found]
    error = float(np.std(by_cell, ddof=1)) / len(by_cell) ** 0.5
    assert error < 0.015
    assert roc_auc_score(labels, scores) == pytest.approx(PUBLISHED_AUROC, abs=3 * error)


def test_stored_scores_are_probabilities_where_80_percent_of_pairs_are_the_same(
    made: tuple[Path, list[dict[str, Any]]],
) -> None:
    cache, rows = made
    found = [stored_pairs(cache, row) for row in rows]
    labels, scores = (np.concatenate(part) for part in zip(*found, strict=True))
    # Pairs weigh what makes the two kinds 80% and 20% of all.
    weights = np.where(labels, 0.8 / labels.mean(), 0.2 / (1 - labels.mean()))
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        chosen = (scores >= low) & (scores < low + 0.2)
        assert chosen.sum() > 1_000
        share = np.average(labels[chosen], weights=weights[chosen])
        said = np.average(scores[chosen], weights=weights[chosen])
        assert share == pytest.approx(said, abs=0.06)


def test_every_pair_is_scored_and_the_scores_are_sound(
    made: tuple[Path, list[dict[str, Any]]],
) -> None:
    cache, rows = made
    for row in rows:
        pool = Pool(Path(row["path"]))
        (scores,) = stored_scores(cache, pool)
        traces = SIZES["small"].traces
        assert scores.pairs == scores.all_pairs == row["problems"] * traces * (traces - 1) // 2
        assert scores.judge == row["judge"]
        assert scores.unranked
        assert check_scores(cache, pool) == []


def test_a_pool_that_is_made_again_gets_scores_of_its_own(tmp_path: Path) -> None:
    (first,) = sample(tmp_path, "--cell", QWEN)
    before = stored_pairs(tmp_path, first)
    (other,) = sample(tmp_path, "--cell", QWEN, "--seed", "7", "--replace")
    assert check_scores(tmp_path, Pool(Path(other["path"]))) == []
    assert stored_pairs(tmp_path, other)[1].tolist() != before[1].tolist()
    (again,) = sample(tmp_path, "--cell", QWEN, "--replace")
    assert again["fingerprint"] == first["fingerprint"]
    assert stored_pairs(tmp_path, again)[1].tolist() == before[1].tolist()


def test_scores_that_are_missing_are_added_to_a_pool_that_is_there(cell: Path) -> None:
    shutil.rmtree(cell / ".judges")
    (row,) = sample(cell, "--cell", "deepseek*/aime24")
    assert not row["made"]
    (scores,) = stored_scores(cell, Pool(Path(row["path"])))
    assert scores.pairs == scores.all_pairs


def test_verify_and_show_know_of_scores(cell: Path) -> None:
    def run(*command: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["data", *command, "--cache", str(cell)])
        return result.exit_code, result.stdout

    code, printed = run("verify")
    assert (code, printed.count("sound")) == (0, 1)
    assert "2,976 of 2,976 pairs (unranked)" in run("show", "*")[1]
    part = next(cell.glob(".judges/*/*/deepseek*/aime24/0002/part-*"))
    part.write_bytes(part.read_bytes()[:-100])
    code, printed = run("verify")
    assert code == 1
    assert part.name in printed
    (described,) = cell.glob(".judges/*/*/deepseek*/aime24/scores.json")
    described.write_text(described.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    assert "scores of another version of generated/deepseek" in run("verify")[1]
    assert "judge scores" not in run("show", "*")[1]
