"""The plot of a comparison: cons@N's point, lines by judge, ticks and labels that stay apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from drawn_texts import collisions, texts_of
from run_entries import entry
from stored_files import write_run

from simulator.report.comparison import compare
from simulator.report.plotting.baselines import find_baselines
from simulator.report.plotting.lines import find_lines
from simulator.report.plotting.placing import Axis, log_ticks, n_ticks
from simulator.report.plotting.plot import STAR, build_chart, plot
from simulator.report.rows import Comparison
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


def curve(
    folder: Path, policy: str, budgets: tuple[int, ...], start: float = 0.4, **changes: Any
) -> list[Path]:
    """Write runs at these budgets, ten tokens a trace; `@N` in the policy is replaced."""
    runs = []
    for n in budgets:
        known = entry(10.0 * n, start + n / 100) | {"budget": n, "baseline": f"cons@{n}"}
        known["metrics"] |= {
            "baseline_accuracy": {"value": start + n / 80, "low": 0.3, "high": 0.7},
            "baseline_tokens_per_problem": {"value": 12.0 * n, "low": 11.0 * n, "high": 13.0 * n},
        }
        name = policy.replace("@N", f"@{n}")
        write_run(folder / f"{name}-{n}", name, known, **changes)
        runs.append(folder / f"{name}-{n}")
    return runs


def drawn_in(panel: dict[str, Any], mark: str) -> list[dict[str, Any]]:
    """Return the data of a panel's layers of a kind of mark."""
    found = [each["data"]["values"] for each in panel["layer"] if each["mark"]["type"] == mark]
    return [value for values in found for value in values]


def test_three_budgets_are_a_curve_over_n_and_over_tokens_with_bands(tmp_path: Path) -> None:
    runs = curve(tmp_path, "m", (4, 8, 16))
    found = comparison(*runs)
    over_n, over_tokens = build_chart(found).to_dict()["concat"]
    axis = next(each for each in over_n["layer"] if each["mark"]["type"] == "line")["encoding"]["x"]
    assert axis["axis"]["values"] == [4, 8, 16]
    accuracies = [44, 48, 56]
    low_high = [
        (100 * row.accuracy.low, 100 * row.accuracy.high)
        for row in sorted(found.rows, key=lambda row: row.result.budget)
        if row.accuracy.low is not None and row.accuracy.high is not None
    ]
    for panel, places in ((over_n, [4, 8, 16]), (over_tokens, [40, 80, 160])):
        bands = drawn_in(panel, "area")
        assert [each["x"] for each in bands] == places
        assert [(each["y"], each["y2"]) for each in bands] == low_high
        dots = [each for each in drawn_in(panel, "point") if "series" in each]
        assert {(each["x"], round(each["y"], 6), each["series"]) for each in dots} == {
            (x, y, "m") for x, y in zip(places, accuracies, strict=True)
        }
    stars = [each for each in drawn_in(over_n, "point") if "series" not in each]
    assert [(each["x"], round(each["y"], 6)) for each in stars] == [(4, 45), (8, 50), (16, 60)]


def test_several_methods_are_in_one_picture_and_no_label_covers_another(tmp_path: Path) -> None:
    runs = [
        *curve(tmp_path, "m", (1, 2, 4, 8, 16, 32)),
        *curve(tmp_path, "cons@N", (8, 16, 32), 0.45),
        *curve(tmp_path, "short-3@N", (8, 16, 32), 0.3, parameters={"m": 3}),
        *curve(tmp_path, "alone", (16,), 0.2),
    ]
    svg = plot(comparison(*runs), "svg")
    shown = texts_of(svg)
    assert {"m", "cons@N", "short-3@N", "cons@N: N=32", "short-3@N: N=32"} <= {*shown}
    assert shown.count("alone") == 2  # also over N
    assert shown.count("cons@N") == 1  # a curve of its own, and no stars
    assert collisions(svg) == []


def test_two_budgets_are_joined_but_are_no_curve(tmp_path: Path) -> None:
    chart = build_chart(comparison(*curve(tmp_path, "m", (4, 8)))).to_dict()
    (panel,) = chart["concat"]
    assert drawn_in(panel, "area") == []
    assert "Lines join settings that differ only in N." in chart["title"]["subtitle"]


def test_budgets_on_an_axis_stay_apart_the_largest_is_there() -> None:
    axis = Axis(1, 1000, 300, log=True)  # a hundred pixels for a factor of ten
    assert n_ticks([1, 2, 10, 11, 100, 101], axis) == [2, 11, 101]


LONG = (
    "judged-by-a-model-of-a-very-long-path-home-someone-judges-trained-tokens-500-cross-entropy-x"
)

CASES = {
    "budgets": [("m", 1000.0 * 2**power, 0.1 + power / 12, 2**power) for power in range(10)],
    "long names": [(f"{LONG}{number}", 500 + 100.0 * number, 0.5, 0) for number in range(3)],
    "all the same": [(f"m{number}", 100.0, 1.0, 0) for number in range(8)],
}


def test_names_that_do_not_fit_are_numbers_with_a_key_that_has_them_whole(tmp_path: Path) -> None:
    names = [f"{LONG}-{word}-and-{LONG}" for word in ("one", "two")]
    folders = [
        run(tmp_path / f"{name[-110:]}{n}", name, 100.0 * n, 0.5, parameters={"n": n})
        for name in names
        for n in (4, 8)
    ]
    folders.append(run(tmp_path / "short", "short", 900.0, 0.4))
    found = comparison(*folders)
    chart = build_chart(found).to_dict()
    panels, key = chart["vconcat"]
    texts = texts_of(plot(found, "svg"))
    assert collisions(plot(found, "svg")) == []
    assert {"#1: n=8", "#2: n=8", "#3", "short"} <= {*texts}
    assert not any("…" in text for text in texts)
    written = "".join(texts).replace(" ", "")
    assert all(name in written for name in names)
    # The marks of the key are those of the panel.
    looks = [layer["encoding"] for layer in (panels["concat"][0]["layer"][9], key["layer"][0])]
    for channel in ("color", "shape"):
        assert looks[0][channel]["scale"] == looks[1][channel]["scale"]


def test_many_short_names_have_a_key_few_have_none(tmp_path: Path) -> None:
    folders = [run(tmp_path / str(n), f"method-number-{n}", 100.0 * n, 0.5) for n in range(1, 41)]
    assert "concat" in build_chart(comparison(*folders[:9])).to_dict()
    many = comparison(*folders)
    assert "vconcat" in build_chart(many).to_dict()
    texts = texts_of(plot(many, "svg"))
    assert all(texts.count(f"method-number-{n}") == 1 for n in range(1, 41))


def test_a_long_heading_has_lines_as_wide_as_its_panel(tmp_path: Path) -> None:
    known = entry(100.0, 0.5) | {"pool": f"{LONG}/model/{LONG}"}
    write_run(tmp_path / "run", "m", known)
    (panel,) = build_chart(comparison(tmp_path / "run")).to_dict()["concat"]
    lines = panel["title"]["text"]
    assert "".join(lines) == f"{LONG}/model/{LONG}"
    assert len(lines) > 1
    assert max(map(len, lines)) <= 60


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
