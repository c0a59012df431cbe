"""Settings that a line connects, and the labels of its points."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from run_entries import MADE, entry
from stored_files import write_run

from simulator.report.comparison import compare
from simulator.report.plotting.lines import find_lines
from simulator.report.plotting.plot import APART, build_chart, label_texts, plot
from simulator.report.rows import Comparison
from simulator.runs.results import read_results


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Make a comparison of runs given as (tokens, parameters) of policy `m`."""

    def make(
        *runs: tuple[float, dict[str, Any]], typed: tuple[str, ...] = (), **changes: Any
    ) -> Comparison:
        results = []
        for tokens, parameters in runs:
            folder = tmp_path / str(len([*tmp_path.iterdir()]))
            write_run(folder, "m", entry(tokens, 0.5), parameters=parameters, **changes)
            results += [dataclasses.replace(r, settings=typed) for r in read_results(folder)]
        return compare(results)

    return make


def joined(comparison: Comparison) -> list[tuple[str, list[float]]]:
    """Names of lines with the tokens of their points."""
    return [
        (line.name, [row.tokens.value for row in line.rows]) for line in find_lines(comparison.rows)
    ]


def test_settings_that_differ_in_one_number_are_joined_in_its_order(made: Any) -> None:
    runs = (300, {"tau": 0.5}), (100, {"tau": 0.75}), (200, {"tau": 0.25})
    assert joined(made(*runs)) == [("m", [200, 300, 100])]


def at_budgets(*runs: tuple[str, int, dict[str, Any]], folder: Path) -> list[tuple[str, list[int]]]:
    """Return the names and budgets of the lines through runs of (policy, N, parameters)."""
    results = []
    for number, (policy, n, parameters) in enumerate(runs):
        known = entry(100 + number, 0.5) | {"budget": n, "baseline": f"cons@{n}"}
        write_run(folder / str(number), policy, known, parameters=parameters)
        results += read_results(folder / str(number))
    lines = find_lines(compare(results).rows)
    return sorted((line.name, [row.result.budget for row in line.rows]) for line in lines)


def test_names_with_numbers_are_joined_over_them(tmp_path: Path) -> None:
    runs: list[tuple[str, int, dict[str, Any]]] = [(f"cons@{n}", n, {}) for n in (16, 4, 8)]
    grid = [(f"short-{m}@{n}", n, {"m": m}) for n in (4, 8, 16) for m in (2, 3)]
    assert at_budgets(*runs, *grid, folder=tmp_path) == [
        ("cons@N", [4, 8, 16]),
        ("short-2@N", [4, 8, 16]),
        ("short-3@N", [4, 8, 16]),
    ]


def test_a_line_over_a_number_in_a_name_has_its_letter(tmp_path: Path) -> None:
    runs = [(f"short-{m}@8", 8, {"m": m}) for m in (1, 2, 3)]
    assert at_budgets(*runs, folder=tmp_path) == [("short-m@8", [8, 8, 8])]


def test_lines_go_over_n_from_three_budgets_on(tmp_path: Path) -> None:
    def grid(budgets: tuple[int, ...]) -> list[tuple[str, int, dict[str, Any]]]:
        return [("m", n, {"tau": tau}) for tau in (1, 2, 3, 4) for n in budgets]

    assert at_budgets(*grid((4, 8, 16)), folder=tmp_path / "three") == [
        (f"m (tau={tau})", [4, 8, 16]) for tau in (1, 2, 3, 4)
    ]
    assert at_budgets(*grid((4, 8)), folder=tmp_path / "two") == [
        ("m (N=4)", [4, 4, 4, 4]),
        ("m (N=8)", [8, 8, 8, 8]),
    ]


def test_each_combination_of_the_others_has_a_line_along_the_longest(made: Any) -> None:
    grid = [
        (1000 * k + tau, {"k": k, "tau": tau, "mode": mode})
        for mode in ("a",)
        for k in (1, 2)
        for tau in (10, 20, 30)
    ]
    assert joined(made(*grid)) == [("m (k=1)", [1010, 1020, 1030]), ("m (k=2)", [2010, 2020, 2030])]


def test_at_equal_numbers_of_values_the_line_goes_along_what_was_set_first(made: Any) -> None:
    grid = [(100 * k + tau, {"k": k, "tau": tau}) for k in (1, 2) for tau in (1, 2)]
    assert joined(made(*grid)) == [("m (tau=1)", [101, 201]), ("m (tau=2)", [102, 202])]
    assert joined(made(*grid, typed=("tau", "k"))) == [
        ("m (k=1)", [101, 102]),
        ("m (k=2)", [201, 202]),
    ]


def test_what_the_longest_parameter_leaves_alone_is_joined_along_the_next(made: Any) -> None:
    runs = [(tau, {"k": 1, "tau": tau}) for tau in (1, 2, 3)]
    runs += [(1000 * k, {"k": k, "tau": 9}) for k in (5, 6)]
    assert joined(made(*runs)) == [("m (k=1)", [1, 2, 3]), ("m (tau=9)", [5000, 6000])]


@pytest.mark.parametrize("values", [("a", "b"), (True, False), (None, 1), ([1], [2])])
def test_texts_and_the_like_are_not_joined(made: Any, values: tuple[Any, Any]) -> None:
    assert joined(made(*[(100 + i, {"x": value}) for i, value in enumerate(values)])) == []


def test_runs_that_differ_in_more_than_a_parameter_are_not_joined(
    made: Any, tmp_path: Path
) -> None:
    one = made((100, {"tau": 1}))
    for changes in ({"seed": 5}, {"repeats": 7}, {"unranked": True}, {"fingerprint": "f1"}):
        other = made((200, {"tau": 2}), **changes)
        both = compare([row.result for row in (*one.rows, *other.rows)])
        assert joined(both) == []
    other = compare(read_results(write_run(tmp_path / "x", "n", entry(200, 0.5))))
    assert joined(compare([row.result for row in (*one.rows, *other.rows)])) == []


def test_sweeps_of_another_seed_have_lines_and_names_of_their_own(made: Any) -> None:
    both = [made(*[(tau + s, {"tau": tau}) for tau in (10, 20)], seed=s) for s in (1, 2)]
    whole = compare([row.result for each in both for row in each.rows])
    assert joined(whole) == [("m (seed=1)", [11, 21]), ("m (seed=2)", [12, 22])]


def test_pools_have_lines_of_their_own_with_the_same_name_and_colour(tmp_path: Path) -> None:
    folders = [
        write_run(
            tmp_path / str(tau),
            "m",
            entry(100 * tau, 0.5),
            entry(10 * tau, 0.5, MADE, synthetic=True),
            parameters={"tau": tau},
        )
        for tau in (1, 2)
    ]
    comparison = compare([result for folder in folders for result in read_results(folder)])
    assert joined(comparison) == [("m", [100, 200]), ("m", [10, 20])]
    for panel in build_chart(comparison).to_dict()["concat"]:
        lines = [
            layer["data"]["values"]
            for layer in panel["layer"]
            if layer["mark"]["type"] == "line" and "color" in layer["encoding"]
        ]
        assert [(point["series"], point["place"]) for point in lines[0]] == [("m", 0), ("m", 1)]


def test_values_stand_beside_ends_and_evenly_between_unless_points_coincide(made: Any) -> None:
    comparison = made(*[(1000 * tau, {"tau": tau}) for tau in range(1, 26)])
    lines = find_lines(comparison.rows)
    places = {id(row): (20.0 * index, 0.0) for index, row in enumerate(comparison.rows)}
    texts = label_texts(comparison.rows, lines, places)
    assert [*texts.values()][:3] == ["m: tau=25", "1", "3"]
    assert len(texts) == 12
    near = {key: (x / 20 * (APART - 1), 0.0) for key, (x, _) in places.items()}
    shown = [near[key] for key in label_texts(comparison.rows, lines, near)]
    assert all(math.dist(a, b) >= APART for a in shown for b in shown if a is not b)


def test_the_picture_says_what_its_lines_are(made: Any) -> None:
    svg = plot(made((100, {"tau": 0.5}), (200, {"tau": 0.25})), "svg").decode()
    assert "Lines join settings that differ only in tau." in svg
    assert ">m: tau=0.25</text>" in svg
    assert ">0.5</text>" in svg
    assert "Lines join" not in plot(made((100, {"tau": 0.5})), "svg").decode()
