"""Figures of the export, recomputed from the Parquet files that they come from."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from exported import OPEN

from leaderboard_app.library.folders import Folders


def answers(board: Folders, entry: str, pool: str) -> list[dict[str, Any]]:
    file = board.submissions / entry / "verified" / "answers.parquet"
    rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return [row for row in rows if row["pool"] == pool]


def mean(rows: list[dict[str, Any]], name: str) -> float:
    return float(sum(row[name] for row in rows) / len(rows))


def csv_rows(file: Path) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))]


def test_figures_of_the_board_are_means_over_answers(board: Folders, site: Path) -> None:
    rows = csv_rows(site / "board-verified.csv")
    assert len(rows) == 2
    for row in rows:
        own = answers(board, row["entry"], row["pools"].split()[0])
        tokens, base = mean(own, "tokens"), mean(own, "baseline_tokens")
        assert float(row["accuracy"]) == pytest.approx(mean(own, "correct"))
        assert float(row["tokens_per_problem"]) == pytest.approx(tokens)
        assert float(row["reduction"]) == pytest.approx(1 - tokens / base)
        assert float(row["accuracy_difference"]) == pytest.approx(
            mean(own, "correct") - mean(own, "baseline_correct")
        )
        assert float(row["repeats"]) == len({each["repeat"] for each in own})


def test_figures_of_a_problem_are_means_over_repeats(board: Folders, site: Path) -> None:
    own = [row for row in answers(board, "2026-11-20-asc-2", OPEN) if row["problem_id"] == "p2"]
    tokens, base = mean(own, "tokens"), mean(own, "baseline_tokens")
    stored = json.loads((site / f"problem/{OPEN}/p2.json").read_text(encoding="utf-8"))["rows"]
    for rows in (csv_rows(site / f"problem/{OPEN}/p2.csv"), stored):
        (row,) = (each for each in rows if each["entry"].startswith("asc-2"))
        assert float(row["accuracy"]) == pytest.approx(mean(own, "correct"))
        assert float(row["to_cons"]) == pytest.approx(
            mean(own, "correct") - mean(own, "baseline_correct")
        )
        assert float(row["tokens"]) == pytest.approx(tokens)
        assert float(row["saved_tokens"]) == pytest.approx(base - tokens)
        assert float(row["saved"]) == pytest.approx(1 - tokens / base)
    html = (site / f"problem/{OPEN}/p2.html").read_text(encoding="utf-8")
    (line,) = (
        each for each in re.findall("<tr>.*?</tr>", html) if "entry/2026-11-20-asc-2.html" in each
    )
    texts = re.sub("<[^>]*>", "|", line).split("|")
    assert f"{tokens:,.0f}" in texts
    assert f"{100 * mean(own, 'correct'):.0f}" in texts


def test_figures_of_an_entry_are_those_of_its_pool(board: Folders, site: Path) -> None:
    (row,) = (
        each
        for each in csv_rows(site / "entry/2026-11-20-cons/figures.csv")
        if each["pool"] == OPEN
    )
    own = answers(board, "2026-11-20-cons", OPEN)
    total = sum(each["tokens"] for each in own) / len({each["repeat"] for each in own})
    assert float(row["problems"]) == len({each["problem_id"] for each in own}) == 4
    assert float(row["accuracy"]) == pytest.approx(mean(own, "correct"))
    assert float(row["tokens_per_problem"]) == pytest.approx(mean(own, "tokens"))
    assert float(row["tokens_1e8"]) == pytest.approx(total / 1e8)
    assert float(row["clock"]) == pytest.approx(mean(own, "clock"))


def test_points_of_the_picture_are_those_of_the_board(site: Path) -> None:
    board = {row["entry"]: row for row in csv_rows(site / "board-verified.csv")}
    html = (site / "tradeoff.html").read_text(encoding="utf-8")
    (block,) = re.findall(r'<script type="application/json" id="spec-1">(.*?)</script>', html)
    values = [row for rows in json.loads(block)["datasets"].values() for row in rows]
    points = {row["id"]: row for row in values if row.get("id") in board}
    assert points.keys() == board.keys()
    for name, row in board.items():
        assert points[name]["x"] == pytest.approx(float(row["tokens_per_problem"]))
        assert points[name]["y"] == pytest.approx(100 * float(row["accuracy"]))


def test_csv_and_json_have_the_same_values(site: Path) -> None:
    tables = [*site.rglob("*.csv")]
    assert len(tables) > 20
    for file in tables:
        stored = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["rows"]
        rows = csv_rows(file)
        assert [[*row] for row in rows] == [[*row] for row in stored], file
        for row, other in zip(rows, stored, strict=True):
            for key, text in row.items():
                value = other[key]
                if isinstance(value, float | int):
                    assert float(text) == value
                else:
                    assert text.removeprefix("'") == (value or ""), (file, key)
