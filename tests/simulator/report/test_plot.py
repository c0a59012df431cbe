"""The plot of a comparison: cons@N's point, lines by judge, ticks and labels that stay apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from drawn_texts import collisions, texts_of
from run_entries import entry
from stored_files import write_run

from simulator.report.baselines import find_baselines
from simulator.report.comparison import Comparison, compare
from simulator.report.lines import find_lines
from simulator.report.placing import log_ticks
from simulator.report.plot import STAR, build_chart, plot
from simulator.runs.results import read_results


def run(
    folder: Path, policy: str, tokens: float, accuracy: float, judge: str = "", **changes: Any
) -> Path:
    """Write a run on 30 problems that knows cons@4: 1000 tokens, 50%; with the name of a judge."""
    known = entry(tokens, accuracy)
    known["metrics"] |= {
        "baseline_accuracy": {"value": 0.5, "low": 0.4, "high": 0.6},
        "baseline_tokens_per_problem": {"value": 1000.0, "low": 900.0, "high": 1100.0},
    }
    write_run(folder, policy, known, **changes)
    if judge:
        described = json.loads((folder / "run.json").read_text())
        described["judge"] = {"name": judge, "scores": f"{judge}-0123"}
        (folder / "run.json").write_text(json.dumps(described))
    return folder


def comparison(*folders: Path) -> Comparison:
    return compare([result for folder in folders for result in read_results(folder)])


def layers(found: Comparison) -> list[dict[str, Any]]:
    return [*build_chart(found).to_dict()["concat"][0]["layer"]]


def test_a_sweep_has_a_star_at_cons_n_and_lines_through_it(tmp_path: Path) -> None:
    runs = [run(tmp_path / str(n), "m", 100 * n, 0.4 + n / 50, parameters={"n": n}) for n in (1, 2)]
    drawn = layers(comparison(*runs))
    (star,) = (each for each in drawn if each["mark"].get("shape") == STAR)
    assert star["data"]["values"] == [{"x": 1000, "y": 50}]
    dotted = [each["data"]["values"] for each in drawn if each["mark"].get("strokeDash") == [1, 3]]
    assert [[(line["x"], line["y"]) for line in each] for each in dotted] == [
        [(0, 50)],
        [(1000, pytest.approx(32 - 0.08 * (60 - 32)))],  # the axis starts 8% below the intervals
    ]
    svg = plot(comparison(*runs), "svg")
    assert "cons@4" in texts_of(svg)
    assert collisions(svg) == []


def test_a_row_of_cons_n_is_no_second_star(tmp_path: Path) -> None:
    found = comparison(run(tmp_path / "1", "m", 100, 0.4), run(tmp_path / "2", "cons@4", 1000, 0.5))
    (baseline,) = find_baselines(found.rows)
    assert baseline.row is not None
    assert baseline.row.method == "cons@4"
    assert texts_of(plot(found, "svg")).count("cons@4") == 1


def test_runs_that_differ_in_the_judge_have_lines_and_names_of_their_own(tmp_path: Path) -> None:
    runs = [
        run(tmp_path / f"{judge}{tau}", "m", 100 * tau, 0.5, judge, parameters={"tau": tau})
        for judge in ("lexical", "hf-judge")
        for tau in (1, 2)
    ]
    found = comparison(*runs)
    assert sorted(line.name for line in find_lines(found.rows)) == [
        "m (judge=hf-judge)",
        "m (judge=lexical)",
    ]
    assert {row.method for row in found.rows} == {
        f"m (tau={tau}, judge={judge})" for tau in (1, 2) for judge in ("lexical", "hf-judge")
    }


def test_ticks_of_a_logarithmic_axis_are_round_and_evenly_spread() -> None:
    assert log_ticks(150, 30_000) == [200, 500, 1000, 2000, 5000, 10_000, 20_000]
    assert log_ticks(0.5, 2e7) == [10.0**power for power in range(8)]
    assert log_ticks(1, 1e20) == [10.0**power for power in range(0, 21, 3)]


LONG = (
    "judged-by-a-model-of-a-very-long-path-home-someone-judges-trained-tokens-500-cross-entropy-x"
)

CASES = {
    "budgets": [("m", 1000.0 * 2**power, 0.1 + power / 12, 2**power) for power in range(10)],
    "long names": [(f"{LONG}{number}", 500 + 100.0 * number, 0.5, 0) for number in range(3)],
    "all the same": [(f"m{number}", 100.0, 1.0, 0) for number in range(8)],
}


@pytest.mark.parametrize("case", CASES)
def test_no_ticks_or_labels_overlap(tmp_path: Path, case: str) -> None:
    found = comparison(
        *(
            run(tmp_path / str(number), name, tokens, accuracy, parameters={"n": n} if n else {})
            for number, (name, tokens, accuracy, n) in enumerate(CASES[case])
        )
    )
    assert collisions(plot(found, "svg")) == []
    assert plot(found, "png").startswith(b"\x89PNG\r\n\x1a\n")
