"""Costs beside generated tokens in reports, and what they come to in dollars and FLOPs, by hand."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT
from stored_files import NAME, summary_pool, write_run

from simulator.errors import UserError
from simulator.report.comparison import compare
from simulator.report.export import as_csv, as_json
from simulator.report.plotting.plot import build_chart
from simulator.report.prices import read_prices
from simulator.report.rows import Comparison
from simulator.report.text import as_markdown, blocks
from simulator.runs.results import read_results

PRICES = """
[models."qwen3-8b"]
input = 0.5
output = 2.0
active_parameters = 8e9
[models."hf-judge"]
input = 0.1
active_parameters = 4e9
"""


def exactly(**values: float) -> dict[str, tuple[float, None, None]]:
    return {name: (value, None, None) for name, value in values.items()}


def run_of(
    folder: Path, policy: str, values: dict[str, float], judge: dict[str, Any] | None = None
) -> Path:
    """Write a run with these metrics, whose probes have a suffix of 10 and an answer of 20."""
    entry = summary_pool(metrics=exactly(**values))
    run = write_run(folder, policy, entry)
    record = json.loads((run / "run.json").read_text())
    record["pools"][0]["probe_cost"] = {"suffix": 10, "answer": 20, "source": "default"}
    record["judge"] = judge
    (run / "run.json").write_text(json.dumps(record))
    return run


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Majority voting, a method that probes, and one that asks a judge at half a token's cost."""
    none = {"probe_calls": 0.0, "probe_tokens": 0.0, "judge_tokens": 0.0}
    cons = none | {"accuracy": 0.5, "tokens_per_problem": 1000, "cost": 1000}
    prober = none | {"accuracy": 0.5, "tokens_per_problem": 900, "cost": 1200}
    prober |= {"probe_calls": 10, "probe_tokens": 300}
    asker = none | {"accuracy": 0.25, "tokens_per_problem": 800, "judge_tokens": 100, "cost": 850}
    judge = {"name": "hf-judge", "parameters": 4_000_000_000}
    return [
        run_of(tmp_path / "1", "cons@4", cons),
        run_of(tmp_path / "2", "prober", prober),
        run_of(tmp_path / "3", "asker", asker, judge),
    ]


def comparison(folders: list[Path], prices: str | None = None) -> Comparison:
    results = [result for folder in folders for result in read_results(folder)]
    file = folders[0].parent / "prices.toml"
    if prices is not None:
        file.write_text(prices)
    return compare(results, prices=None if prices is None else read_prices(file))


def shown(found: Comparison) -> dict[str, dict[str, str]]:
    (block,) = blocks(found)
    return {row[1]: dict(zip(block.headers, row, strict=True)) for row in block.rows}


def test_tokens_probes_judge_and_total_stand_in_one_currency(folders: list[Path]) -> None:
    found = comparison(folders)
    columns = ("tokens/problem", "probe tokens", "judge cost", "total cost", "Pareto")
    assert {name: [row[each] for each in columns] for name, row in shown(found).items()} == {
        "asker": ["800", "0", "50", "850", "yes"],
        "prober": ["900", "300", "0", "1,200", ""],  # fewer tokens than cons, at a higher cost
        "cons@4": ["1,000", "0", "0", "1,000", "yes"],
    }
    assert any("those of probes and judge" in note for note in found.notes)
    title = build_chart(found).to_dict()["title"]["text"]
    assert title == "Accuracy against tokens generated and those of probes and judge"


def test_costs_that_no_run_has_take_no_column(folders: list[Path]) -> None:
    assert not {"probe tokens", "judge cost", "total cost", "dollars", "FLOPs"} & {
        *shown(comparison(folders[:1]))["cons@4"]
    }
    judged = shown(comparison(folders[::2]))["asker"]
    assert "judge cost" in judged
    assert "probe tokens" not in judged


def test_a_run_that_does_not_tell_what_probes_cost_shows_no_cost(
    tmp_path: Path, folders: list[Path]
) -> None:
    old = exactly(accuracy=0.9, tokens_per_problem=950, probe_calls=7, tokens_with_judge=950)
    folders.append(write_run(tmp_path / "4", "older", summary_pool(metrics=old)))
    found = comparison(folders)
    rows = shown(found)
    assert (rows["older"]["total cost"], rows["older"]["probe tokens"]) == ("", "")
    assert rows["prober"]["Pareto"] == "yes"  # by tokens alone, as the other's cost is not known
    assert any("do not tell what probes cost: 4" in note for note in found.notes)


def test_dollars_and_flops_are_those_of_what_was_read_and_written(folders: list[Path]) -> None:
    found = comparison(folders, PRICES)
    dollars = {row.method: row.bill.dollars for row in found.rows if row.bill}
    flops = {row.method: row.bill.flops for row in found.rows if row.bill}
    # Answers of 10 probes are 200 tokens of output, their suffixes 100 of input.
    assert dollars == pytest.approx(
        {
            "cons@4": 1000 * 2e-6,
            "prober": 1100 * 2e-6 + 100 * 0.5e-6,
            "asker": 800 * 2e-6 + 100 * 0.1e-6,
        }
    )
    assert flops == pytest.approx(
        {
            "cons@4": 2 * 8e9 * 1000,
            "prober": 2 * 8e9 * 1200,
            "asker": 2 * 8e9 * 800 + 2 * 4e9 * 100,
        }
    )
    assert shown(found)["prober"]["dollars"] == "0.00225"
    assert shown(found)["prober"]["FLOPs"] == "1.92e+13"
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert float(rows[1]["dollars"]) == pytest.approx(0.00225)
    assert json.loads(as_json(found))["rows"][0]["flops"] == pytest.approx(1.36e13)
    assert "| dollars | FLOPs |" in as_markdown(found)
    assert any("without prompts" in note for note in found.notes)


def test_a_price_that_is_not_given_leaves_its_column_empty(folders: list[Path]) -> None:
    found = comparison(folders, '[models."qwen3-8b"]\nactive_parameters = 1e9\n[models.hf-judge]')
    rows = shown(found)
    assert "dollars" not in rows["prober"]
    assert (rows["prober"]["FLOPs"], rows["asker"]["FLOPs"]) == ("2.40e+12", "")


def test_dollars_are_averaged_over_pools(tmp_path: Path) -> None:
    metrics = [
        exactly(accuracy=0.5, tokens_per_problem=tokens, probe_calls=0, probe_tokens=0, cost=tokens)
        for tokens in (1000, 3000)
    ]
    other = NAME.replace("24", "25")
    entries = [summary_pool(metrics=metrics[0]), summary_pool(other, metrics=metrics[1])]
    found = comparison([write_run(tmp_path / "1", "cons@4", *entries)], PRICES)
    (combined,) = json.loads(as_json(found))["combined"]
    assert combined["dollars"] == pytest.approx(2000 * 2e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[models."qwen3-7b"]\n', "no prices of the model 'qwen3-8b'"),
        ('[models."qwen3-8b"]\n', "no prices of the judge 'hf-judge'"),
        ('[models."qwen3-8b"]\ninput = "much"\n', "'input'"),
        ('[models."qwen3-8b"]\noutput = -1\n', "'output'"),
        ('[models."qwen3-8b"]\noutput = nan\n', "'output'"),
        ('[models."qwen3-8b"]\nparameters = 1\n', "'parameters'"),
        ("[model.x]\n", "'models'"),
        ("models = 7\n", "'models'"),
        ("[models\n", "not TOML"),
    ],
)
def test_wrong_prices_are_one_line(folders: list[Path], text: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as told:
        comparison(folders, text)
    assert "\n" not in str(told.value)
    assert str(told.value).startswith(str(folders[0].parent / "prices.toml"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_prices(tmp_path / "none.toml")


def test_the_example_can_be_read() -> None:
    prices = read_prices(ROOT / "docs/examples/prices.toml")
    assert prices.models["qwen3-8b"].active_parameters == 8.2e9
