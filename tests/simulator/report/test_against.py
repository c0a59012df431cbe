"""A baseline by choice: differences, reductions and ties against any of the rows."""

from __future__ import annotations

import json
import re
from dataclasses import astuple
from pathlib import Path

import pytest
from run_entries import entry
from stored_files import NAME, write_run

from simulator.errors import UserError
from simulator.report.comparison import compare
from simulator.report.export import as_json, raw_combined, raw_rows
from simulator.report.paired import pairs
from simulator.report.rows import Comparison
from simulator.report.text import as_table, blocks
from simulator.runs.results import read_problem_sums, read_results

OTHER = "scout/qwen3-8b/aime25"


def against(baseline: str | None, *folders: Path) -> Comparison:
    results = [result for folder in folders for result in read_results(folder)]
    return compare(results, baseline=baseline)


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """Of 30 problems right on the first 15, 18 and 6, for 1,000, 250 and 100 tokens each."""
    return [
        write_run(tmp_path / "1", "cons@4", entry(1000, 0.5)),
        write_run(tmp_path / "2", "early", entry(250, 0.6), repeats=20),
        write_run(tmp_path / "3", "one", entry(100, 0.2)),
    ]


def test_differences_and_reductions_are_to_the_baseline(three: list[Path]) -> None:
    rows = {row.method: row for row in against("early", *three).rows}
    gained = {name: row.to_baseline for name, row in rows.items()}
    saved = {name: row.reduction for name, row in rows.items()}
    assert gained["one"] is not None
    assert gained["cons@4"] is not None
    assert gained["one"].difference.value == pytest.approx((6 - 18) / 30)
    assert gained["one"].differing == 12
    assert gained["cons@4"].difference.value == pytest.approx((15 - 18) / 30)
    assert gained["cons@4"].differing == 3
    assert {name: each and each.value for name, each in saved.items()} == pytest.approx(
        {"one": 1 - 100 / 250, "early": 0, "cons@4": 1 - 1000 / 250}
    )
    assert rows["early"].to_baseline is not None
    assert astuple(rows["early"].to_baseline.difference) == (0, 0, 0)
    # 12 problems of one direction have p = 2/2^12, 3 of them 2/2^3.
    tied = {name: row.against.tied for name, row in rows.items() if row.against}
    p = {name: row.against.p for name, row in rows.items() if row.against}
    assert (tied["one"], tied["cons@4"]) == (False, True)
    assert (p["one"], p["cons@4"]) == pytest.approx((2 / 2**12, 2 / 2**3))


def test_they_are_those_of_the_pair(three: list[Path]) -> None:
    sums = [read_problem_sums(folder)[NAME] for folder in three]
    found = {row.method: row.against for row in against("one", *three).rows}
    cons, early = found["cons@4"], found["early"]
    for pair in pairs(sums):
        if pair.second == 2:
            one = (cons, early)[pair.first]
            assert one is not None
            assert one.contrast.differing == pair.contrast.differing
            assert one.contrast.detectable == pytest.approx(pair.contrast.detectable)
            assert astuple(one.contrast.difference) == pytest.approx(astuple(pair.difference))
            assert (one.tied, one.p) == (pair.tied, pair.p)
            assert astuple(one.reduction) == pytest.approx(astuple(pair.reduction))


def test_the_baseline_is_named_by_row_policy_or_run(three: list[Path]) -> None:
    def figures(name: str) -> list[float]:
        return [row.reduction.value for row in against(name, *three).rows if row.reduction]

    assert figures("early") == figures("2") == [0.6, 0.0, -3.0]


def test_tables_and_data_say_it(three: list[Path]) -> None:
    found = against("early", *three)
    (table,) = blocks(found)
    assert "to baseline [95%]" in table.headers
    assert "to cons@N [95%]" not in table.headers
    place = table.headers.index("to baseline [95%]")
    one, early, cons = (row[place] for row in table.rows)
    assert re.fullmatch(r"-40\.0 \[.*\] \(\d+\.\d\)", one)
    assert early == "0.0 [0.0, 0.0]"
    assert re.fullmatch(r"-10\.0 \[.*\]§ = \(\d+\.\d\)", cons)  # three problems are few
    text = as_table(found)
    assert "Baseline: early. Reduction and difference to it (points) are paired by problem." in text
    assert "Not worse: the interval of the difference to early lies above -1 points." in text
    raw = json.loads(as_json(found))
    assert raw["baseline"] == "early"
    first = raw["rows"][0]
    assert (first["baseline"], first["baseline_accuracy"]) == ("early", 0.6)
    assert (first["baseline_tokens_per_problem"], first["reduction"]) == (250, 0.6)
    assert (first["baseline_tied"], first["baseline_p"]) == (False, 2 / 2**12)
    assert first["accuracy_difference"] == pytest.approx(-0.4)
    assert first.keys() == raw_rows(against(None, *three))[0].keys()


def test_cons_need_not_be_a_row(tmp_path: Path) -> None:
    known = {"baseline_accuracy": (0.5, 0.4, 0.6), "baseline_tokens_per_problem": (1e3, None, None)}
    folders = []
    for name, tokens, accuracy in (("early", 250, 0.6), ("one", 100, 0.2)):
        made = entry(tokens, accuracy)
        for metric, ends in known.items():
            made["metrics"][metric] = dict(zip(("value", "low", "high"), ends, strict=True))
        folders.append(write_run(tmp_path / name, name, made))
    usual, chosen = against(None, *folders), against("cons@4", *folders)
    for one, other in zip(usual.rows, chosen.rows, strict=True):
        assert one.to_baseline == other.to_baseline
        assert one.reduction is not None
        assert other.reduction is not None
        assert one.reduction.value == other.reduction.value


def test_pools_are_averaged_with_equal_weight(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / "1", "a", entry(1000, 0.5), entry(400, 0.8, OTHER, problems=60)),
        write_run(tmp_path / "2", "b", entry(100, 0.6), entry(100, 0.4, OTHER, problems=60)),
    ]
    found = against("a", *folders)
    b, a = found.combined
    assert b.averages.accuracy_difference.value == pytest.approx((0.1 - 0.4) / 2)
    assert b.averages.reduction.value == pytest.approx((0.9 + 0.75) / 2)
    assert astuple(a.averages.accuracy_difference) == (0, 0, 0)
    raw = raw_combined(b, found)
    assert (raw["baseline"], raw["baseline_tied"]) == ("a", False)
    assert raw["reduction"] == pytest.approx(0.825)
    assert raw["clock"] == pytest.approx((100 / 4 + 100 / 4) / 2)


def test_a_run_without_answers_is_compared_with_nothing(three: list[Path]) -> None:
    (three[2] / "answers.parquet").unlink()
    found = against("early", *three)
    (table,) = blocks(found)
    one = dict(zip(table.headers, table.rows[0], strict=True))
    assert one["method"] == "one"
    assert one["to baseline [95%]"] == one["reduction %"] == ""
    raw = raw_rows(found)[0]
    assert raw["accuracy_difference"] is raw["reduction"] is raw["baseline_tied"] is None


def test_a_baseline_that_is_not_there_is_refused(three: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--baseline esc: no such row on .*one, early, cons@4"):
        against("esc", *three)
    two = write_run(tmp_path / "4", "one", entry(90, 0.2), parameters={"m": 2})
    with pytest.raises(UserError, match=r"--baseline one: 2 rows on .*; give one of these"):
        against("one", *three, two)
    elsewhere = write_run(tmp_path / "5", "cons@4", entry(90, 0.2, OTHER))
    with pytest.raises(UserError, match=f"--baseline early: no such row on {OTHER}, cons@4"):
        against("early", *three, elsewhere)
    (three[1] / "answers.parquet").unlink()
    with pytest.raises(UserError, match="--baseline early needs its answers"):
        against("early", *three)
