"""Comparisons of runs, worked out by hand, and every form in which they are given."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from stored_files import NAME, summary_pool, write_run

from simulator.errors import UserError
from simulator.report import Comparison, compare
from simulator.report_formats import (
    HEADERS,
    as_csv,
    as_json,
    as_latex,
    as_markdown,
    as_table,
    cells,
    escape_latex,
    escape_markdown,
)
from simulator.report_plot import HEIGHT, WIDTH, Axis, Box, axes, build_chart, place_labels, plot
from simulator.run_reader import read_results

MADE = "sample/made-up/easy"


def entry(tokens: float, accuracy: float, pool: str = NAME, **changes: Any) -> dict[str, Any]:
    """A summary of 30 problems with N = 4, whose cons@4 takes 1000 tokens and is right in 50%."""
    difference = accuracy - 0.5
    metrics = {
        "accuracy": (accuracy, accuracy - 0.1, accuracy + 0.1),
        "tokens_per_problem": (tokens, 0.9 * tokens, 1.1 * tokens),
        "tokens_1e8": (30 * tokens / 1e8, None, None),
        "reduction": (1 - tokens / 1000, 0.0, 0.5),
        "accuracy_difference": (difference, difference - 0.02, difference + 0.02),
        "clock": (tokens / 4, None, None),
    }
    return summary_pool(pool, **{"problems": 30, "metrics": metrics} | changes)


def comparison(*folders: Path) -> Comparison:
    return compare([result for folder in folders for result in read_results(folder)])


@pytest.fixture
def three(tmp_path: Path) -> Comparison:
    """Of three methods on a real pool cons is beaten by early; two ran on a synthetic one too."""
    return comparison(
        write_run(tmp_path / "1", "cons@4", entry(1000, 0.5), entry(90, 0.9, MADE, synthetic=True)),
        write_run(tmp_path / "2", "early", entry(250, 0.6)),
        write_run(tmp_path / "3", "one", entry(100, 0.4), entry(80, 0.5, MADE, synthetic=True)),
    )


def test_rows_are_sorted_by_pool_and_tokens_with_synthetic_pools_last(three: Comparison) -> None:
    assert [(row.pool, row.method) for row in three.rows] == [
        (NAME, "one"),
        (NAME, "early"),
        (NAME, "cons@4"),
        (MADE, "one"),
        (MADE, "cons@4"),
    ]
    assert [heading for heading, _ in three.sections] == ["Recorded pools", "Synthetic pools"]
    assert [len(rows) for rows in three.panels] == [3, 2]


def test_the_front_has_whom_nobody_beats_and_each_pool_its_own(three: Comparison) -> None:
    assert [row.pareto for row in three.rows] == [True, True, False, True, True]


def test_methods_equal_in_tokens_and_accuracy_are_on_the_front_together(tmp_path: Path) -> None:
    rows = comparison(
        write_run(tmp_path / "1", "a", entry(100, 0.5)),
        write_run(tmp_path / "2", "b", entry(100, 0.5)),
        write_run(tmp_path / "3", "c", entry(100, 0.4)),
        write_run(tmp_path / "4", "d", entry(101, 0.5)),
    ).rows
    assert {row.method: row.pareto for row in rows} == {
        "a": True,
        "b": True,
        "c": False,
        "d": False,
    }


def test_unranked_methods_are_marked_and_push_nobody_off_the_front(tmp_path: Path) -> None:
    both = comparison(
        write_run(tmp_path / "1", "oracle", entry(10, 0.9), unranked=True),
        write_run(tmp_path / "2", "cons@4", entry(1000, 0.5)),
    )
    oracle, cons = both.rows
    assert (oracle.pareto, cons.pareto) == (False, True)
    assert cells(oracle)[1] == "oracle (unranked)"
    assert cells(oracle)[-1] == "unranked"
    assert any(note.startswith("Unranked") for note in both.notes)


def test_cells_are_in_the_units_of_their_headers(three: Comparison) -> None:
    assert dict(zip(HEADERS, cells(three.rows[1]), strict=True)) == {
        "pool": NAME,
        "method": "early",
        "N": "4",
        "accuracy % [95%]": "60.0 [50.0, 70.0]",
        "tokens/problem": "250",
        "tokens 10^8": "0.0000750",
        "reduction %": "75.0",
        "difference [95%]": "+10.0 [+8.0, +12.0]",
        "clock": "62 steps",
        "Pareto": "yes",
    }


def test_no_minus_before_zero_and_signs_where_they_matter(tmp_path: Path) -> None:
    (row,) = comparison(write_run(tmp_path / "1", "cons@4", entry(1000, 0.4999))).rows
    assert cells(row)[7] == "0.0 [-2.0, +2.0]"


def test_a_pool_of_one_problem_shows_values_without_intervals(tmp_path: Path) -> None:
    metrics = {"accuracy": (1.0, None, None), "tokens_per_problem": (5.0, None, None)}
    one = comparison(write_run(tmp_path / "1", "cons@4", summary_pool(problems=1, metrics=metrics)))
    assert cells(one.rows[0])[3:] == ["100.0", "5", "", "", "", "", "yes"]
    assert "A pool of one problem has no intervals." in one.notes
    assert plot(one, "svg")


def test_seconds_and_token_accuracy_are_shown(tmp_path: Path) -> None:
    total, guess = comparison(
        write_run(tmp_path / "1", "a", entry(100, 0.5, clock_unit="seconds")),
        write_run(tmp_path / "2", "b", entry(200, 0.5, token_accuracy="estimated")),
        write_run(tmp_path / "3", "c", entry(300, 0.5, token_accuracy="total")),
    ).rows[:2]
    assert cells(total)[8] == "25.0 s"
    assert cells(guess)[4] == "200‡"
    notes = comparison(tmp_path / "1", tmp_path / "3").notes
    assert any(note.startswith("†") for note in notes)
    assert not any(note.startswith("‡") for note in notes)


def test_runs_of_one_policy_are_told_apart_by_the_parameters_that_differ(tmp_path: Path) -> None:
    rows = comparison(
        write_run(tmp_path / "1", "short-m", entry(100, 0.5), parameters={"m": 3, "k": 1}),
        write_run(tmp_path / "2", "short-m", entry(200, 0.5), parameters={"m": 5, "k": 1}),
        write_run(tmp_path / "3", "cons@4", entry(300, 0.5), parameters={"m": 5}),
    ).rows
    assert [row.method for row in rows] == ["short-m (m=3)", "short-m (m=5)", "cons@4"]


def test_where_parameters_agree_the_next_difference_is_named(tmp_path: Path) -> None:
    rows = comparison(
        write_run(tmp_path / "1", "a", entry(100, 0.5), seed=1),
        write_run(tmp_path / "2", "a", entry(200, 0.5), seed=2),
        write_run(tmp_path / "3", "b", entry(300, 0.5, budget=8)),
        write_run(tmp_path / "4", "b", entry(400, 0.5)),
        write_run(tmp_path / "5", "c", entry(500, 0.5)),
        write_run(tmp_path / "6", "c", entry(600, 0.5)),
    ).rows
    assert [row.method for row in rows] == [
        *("a (seed=1)", "a (seed=2)", "b (N=8)", "b (N=4)", "c (run=5)", "c (run=6)")
    ]


def test_the_same_method_on_two_pools_keeps_its_name(tmp_path: Path) -> None:
    rows = comparison(
        write_run(tmp_path / "1", "a", entry(100, 0.5)),
        write_run(tmp_path / "2", "a", entry(200, 0.5, "x/y/z"), seed=9),
    ).rows
    assert [row.method for row in rows] == ["a", "a"]


def test_identical_runs_are_shown_once_with_a_note(tmp_path: Path) -> None:
    first = write_run(tmp_path / "1", "a", entry(100, 0.5))
    again = comparison(first, write_run(tmp_path / "2", "a", entry(100, 0.5)), first)
    assert len(again.rows) == 1
    assert "Left out as the same as 1: 2." in again.notes


def test_versions_of_a_pool_are_not_compared_with_each_other(tmp_path: Path) -> None:
    old = write_run(tmp_path / "1", "a", entry(100, 0.5), fingerprint="aaaaaaaaaa")
    new = write_run(tmp_path / "2", "b", entry(200, 0.4), fingerprint="bbbbbbbbbb")
    both = comparison(old, new)
    assert [(row.pool, row.pareto) for row in both.rows] == [
        (f"{NAME} [aaaaaaaa]", True),
        (f"{NAME} [bbbbbbbb]", True),
    ]
    assert any("2 versions" in note for note in both.notes)


def test_seeds_and_repeats_are_named_where_they_differ(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 7)):
        write_run(tmp_path / name, name, entry(100, 0.5), seed=seed, repeats=64)
    assert "Seed 0, repeats 64." in comparison(tmp_path / "a", tmp_path / "b").notes
    notes = comparison(*(tmp_path / name for name in "abc")).notes
    assert "Seed 0, repeats 64; but c seed 7, repeats 64." in notes


def test_the_table_keeps_synthetic_pools_apart(three: Comparison) -> None:
    text = as_table(three)
    real, made = text.split("\nSynthetic pools\n")
    assert MADE not in real
    assert NAME not in made
    assert f"{MADE} (synthetic)" in made
    assert "no evidence" in made


def test_markdown_is_a_github_table(three: Comparison) -> None:
    lines = as_markdown(three).splitlines()
    assert lines[0] == "### Recorded pools"
    assert lines[3].count("|") == lines[2].count("|") == len(HEADERS) + 1
    assert lines[5] == (
        f"| {NAME} | early | 4 | 60.0 [50.0, 70.0] | 250 | 0.0000750 | 75.0 "
        "| +10.0 [+8.0, +12.0] | 62 steps | yes |"
    )
    assert escape_markdown("a|b_c*d`e\n") == r"a\|b\_c\*d\`e"


def test_latex_escapes_every_special_character() -> None:
    assert escape_latex("_ % & # $ { } ~ ^ \\ < > |") == (
        r"\_ \% \& \# \$ \{ \} \textasciitilde{} \textasciicircum{} \textbackslash{} "
        r"\textless{} \textgreater{} \textbar{}"
    )


def test_latex_is_a_booktabs_tabular_with_balanced_columns(tmp_path: Path) -> None:
    awkward = r"my_%&#${}~^\m"
    text = as_latex(
        comparison(
            write_run(tmp_path / "1", awkward, entry(1200, 0.4, token_accuracy="total")),
            write_run(tmp_path / "2", "b", entry(90, 0.9, MADE, synthetic=True)),
        )
    )
    assert r"my\_\%\&\#\$\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}m" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 2
    assert "tokens $10^8$" in text
    assert r"1,200\textsuperscript{\dag}" in text
    assert r"$-$20.0 & $-$10.0 [$-$12.0, $-$8.0]" in text
    for line in text.splitlines():
        if line.endswith(r" \\"):
            assert line.replace(r"\&", "").count("&") == len(HEADERS) - 1


def test_csv_has_raw_numbers_and_intervals_in_columns_of_their_own(three: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(three))))
    early = rows[1]
    assert (early["method"], early["pool"], early["synthetic"]) == ("early", NAME, "false")
    assert float(early["accuracy"]) == 0.6
    assert (float(early["accuracy_low"]), float(early["accuracy_high"])) == (0.5, 0.7)
    assert float(early["reduction"]) == 0.75
    assert (early["pareto"], early["tokens_1e8_low"], early["judge_calls"]) == ("true", "", "")
    assert json.loads(early["parameters"]) == {}
    assert rows[4]["synthetic"] == "true"


def test_json_has_the_same_rows_and_the_notes(three: Comparison) -> None:
    document = json.loads(as_json(three))
    assert [row["method"] for row in document["rows"]] == [
        "one",
        "early",
        "cons@4",
        "one",
        "cons@4",
    ]
    assert document["rows"][1]["accuracy_low"] == 0.5
    assert document["rows"][1]["tokens_1e8_low"] is None
    assert document["notes"] == three.notes


def test_a_run_without_accuracy_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", "a", summary_pool(metrics={"clock": (1.0, None, None)}))
    with pytest.raises(UserError, match=r"summary\.json: no accuracy"):
        comparison(run)


def test_damaged_runs_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run here"):
        read_results(tmp_path)
    run = write_run(tmp_path / "1", "a")
    good = (run / "summary.json").read_text()
    for bad, message in (
        (good[:50], "cannot be read"),
        ("[]", "not the description of a run"),
        (good.replace('"seed": 0', '"seed": "zero"'), "'seed' is missing or of a wrong kind"),
        (good.replace('"budget": 4', '"budget": true'), "'budget' is missing or of a wrong kind"),
        (good.replace('"format": 1', '"format": 2'), "newer"),
        (good.replace(good[good.index('"pools": ') :], '"pools": []}'), "'pools' is missing"),
    ):
        (run / "summary.json").write_text(bad)
        with pytest.raises(UserError, match=message) as error:
            read_results(run)
        assert str(run / "summary.json") in str(error.value)
        assert "\n" not in str(error.value)
    (run / "summary.json").unlink()
    with pytest.raises(UserError, match="--resume"):
        read_results(run)


def test_a_figure_that_is_no_number_counts_as_not_measured(tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", "a")
    text = (run / "summary.json").read_text().replace("0.25", "NaN")
    (run / "summary.json").write_text(text)
    (result,) = read_results(run)
    assert result.metrics["accuracy"].low is None
    assert result.value("accuracy") == 0.5
    assert result.value("reduction") is None
    assert result.command == "deepprune-sim run a"


@pytest.mark.parametrize("axis", [Axis(0, 50, 100), Axis(1, 1e6, 300, log=True)])
@pytest.mark.parametrize("down", [False, True])
def test_an_axis_goes_to_pixels_and_back(axis: Axis, down: bool) -> None:
    turned = Axis(axis.low, axis.high, axis.pixels, axis.log, down)
    assert turned.pixel(axis.low) == (axis.pixels if down else 0)
    assert math.isclose(turned.value(turned.pixel(37.0)), 37.0)


def test_axes_hold_every_interval_and_are_logarithmic_for_a_wide_range(tmp_path: Path) -> None:
    narrow = comparison(
        write_run(tmp_path / "1", "a", entry(100, 0.5)),
        write_run(tmp_path / "2", "b", entry(900, 0.8)),
    )
    x, y = axes(narrow.rows)
    assert (x.log, x.low) == (False, 0)
    assert x.high > 1.1 * 900
    assert y.low < 40
    assert y.high > 90
    wide = comparison(tmp_path / "1", write_run(tmp_path / "3", "c", entry(90_000, 0.8)))
    x, _ = axes(wide.rows)
    assert x.log
    assert 0 < x.low < 90
    assert x.high > 1.1 * 90_000


def test_labels_stay_inside_and_apart_even_where_points_coincide() -> None:
    points = [(200.0, 150.0), (204.0, 152.0), (200.0, 150.0), (WIDTH - 3.0, 4.0), (2.0, HEIGHT - 2)]
    names = ["parallel-probe", "short-m (m=3)", "cons@64", "a rather long name", "another one"]
    boxes = [box for _, box in place_labels(names, points, [])]
    panel = Box(0, 0, WIDTH, HEIGHT)
    for index, box in enumerate(boxes):
        area = (box.right - box.left) * (box.bottom - box.top)
        assert math.isclose(box.overlap(panel), area)
        assert all(box.overlap(other) == 0 for other in boxes[:index])


def test_the_picture_has_a_panel_a_pool_and_marks_synthetic_ones(three: Comparison) -> None:
    chart = build_chart(three).to_dict()
    assert [panel["title"]["text"] for panel in chart["concat"]] == [NAME, f"{MADE} (SYNTHETIC)"]


def test_the_front_is_a_step_line_over_its_corners(three: Comparison) -> None:
    line = build_chart(three).to_dict()["concat"][0]["layer"][0]
    assert line["mark"]["interpolate"] == "step-after"
    values = line["data"]["values"]
    assert [(point["x"], point["y"]) for point in values[:2]] == [(100, 40), (250, 60)]
    assert values[2]["y"] == 60
    assert len(values) == 3


def test_png_and_svg_are_really_that_and_the_svg_names_every_method(three: Comparison) -> None:
    assert plot(three, "png").startswith(b"\x89PNG\r\n\x1a\n")
    svg = plot(three, "svg").decode()
    assert svg.startswith("<svg")
    for name in ("cons@4", "early", "one", NAME, f"{MADE} (SYNTHETIC)"):
        assert f">{name}</text>" in svg
