"""Pareto fronts by chosen axes: against their definition, and in every form of a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored_files import NAME, summary_pool, write_run

from simulator.errors import UserError
from simulator.report.axes import find_front, parse_axes
from simulator.report.comparison import compare
from simulator.report.export import as_json, raw_rows
from simulator.report.plotting.plot import build_chart
from simulator.report.rows import Comparison
from simulator.report.text import HEADERS, as_markdown, as_table, cells, dispensable, panels
from simulator.runs.results import read_results
from simulator.statistics import pareto_front, undominated


@st.composite
def tables(draw: st.DrawFn) -> list[list[int]]:
    axes = draw(st.integers(2, 4))
    return draw(st.lists(st.lists(st.integers(0, 4), min_size=axes, max_size=axes), max_size=12))


@given(tables())
def test_a_front_is_what_nobody_beats(costs: list[list[int]]) -> None:
    def beats(one: list[int], other: list[int]) -> bool:
        as_good = all(a <= b for a, b in zip(one, other, strict=True))
        return as_good and any(a < b for a, b in zip(one, other, strict=True))

    expected = [not any(beats(other, each) for other in costs) for each in costs]
    assert undominated(costs).tolist() == expected
    if costs and len(costs[0]) == 2:
        spent, accuracy = [each[0] for each in costs], [-each[1] for each in costs]
        assert pareto_front(spent, accuracy).tolist() == expected


def test_who_takes_no_part_beats_nobody() -> None:
    assert find_front([(1, 1), None, (2, 0), (2, 2)]) == [True, False, True, False]
    assert find_front([None]) == [False]
    assert find_front([]) == []


@pytest.mark.parametrize(
    ("typed", "axes"),
    [
        ("accuracy,total", ("accuracy", "total")),
        ("clock,accuracy", ("accuracy", "clock")),
        ("clock, total, accuracy,tokens", ("accuracy", "tokens", "total", "clock")),
    ],
)
def test_axes_have_one_order(typed: str, axes: tuple[str, ...]) -> None:
    assert parse_axes(typed) == axes


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("accuracy", "give accuracy and at least one of tokens, total, clock"),
        ("total,clock", "give accuracy and at least one"),
        ("accuracy,cost", "'cost' is none of accuracy, tokens, total, clock"),
        ("accuracy,clock,clock", "clock is given twice"),
        ("", "'' is none of"),
    ],
)
def test_what_are_no_axes_is_told(typed: str, why: str) -> None:
    with pytest.raises(UserError, match=f"^--axes {typed}: {why}"):
        parse_axes(typed)


def method(folder: Path, accuracy: float, tokens: int, clock: float | None, probes: int) -> Path:
    metrics = {"accuracy": accuracy, "tokens_per_problem": tokens, "probe_tokens": probes}
    metrics |= {"cost": tokens + probes} | ({} if clock is None else {"clock": clock})
    exact = {name: (float(value), None, None) for name, value in metrics.items()}
    return write_run(folder, folder.name, summary_pool(problems=10, metrics=exact))


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [
        method(tmp_path / "frugal", 0.6, 100, 90, 0),
        method(tmp_path / "quick", 0.6, 200, 30, 0),
        method(tmp_path / "between", 0.5, 150, 60, 0),
        method(tmp_path / "prober", 0.6, 90, 100, 100),
    ]


def compared(folders: list[Path], axes: str) -> Comparison:
    results = [result for folder in folders for result in read_results(folder)]
    return compare(results, axes=parse_axes(axes))


@pytest.mark.parametrize(
    ("axes", "front"),
    [
        ("accuracy,tokens", {"prober"}),
        ("accuracy,total", {"frugal"}),
        ("accuracy,clock", {"quick"}),
        ("accuracy,total,clock", {"frugal", "quick", "between"}),
        ("accuracy,tokens,total", {"prober", "frugal"}),
        ("accuracy,tokens,total,clock", {"prober", "frugal", "quick", "between"}),
    ],
)
def test_the_front_is_by_the_chosen_axes(folders: list[Path], axes: str, front: set[str]) -> None:
    found = compared(folders, axes)
    assert {row.method for row in found.rows if row.pareto} == front
    assert {raw["method"] for raw in raw_rows(found) if raw["pareto"]} == front
    pareto = HEADERS.index("Pareto")
    assert {cells(row)[1] for row in found.rows if cells(row)[pareto] == "yes"} == front


def test_every_form_says_the_axes(folders: list[Path]) -> None:
    found = compared(folders, "accuracy,total,clock")
    named = "accuracy, total cost and clock"
    for text in (as_table(found), as_markdown(found)):
        assert f"Recorded pools: Pareto by {named}\n" in text
        assert f"Pareto, by {named}: no other method of the pool is as good in all" in text
    assert [block.heading for block in panels(found)] == [f"{NAME}: Pareto by {named}"]
    assert json.loads(as_json(found))["axes"] == ["accuracy", "total", "clock"]
    usual = compared(folders, "accuracy,total")
    assert [block.heading for block in panels(usual)] == [NAME]
    assert "Pareto, by accuracy and total cost: no other" in as_table(usual)
    assert "clock" in dispensable(usual)
    assert "clock" not in dispensable(found)


def test_what_a_narrow_table_keeps_longest(folders: list[Path]) -> None:
    def dropped(found: Comparison) -> list[str]:
        wanted = ("to cons@N [95%]", "reduction %", "clock", "rank", "N")
        return [each for each in dispensable(found) if each in wanted]

    usual = ["to cons@N [95%]", "clock", "rank", "N"]
    assert dropped(compared(folders[:3], "accuracy,total")) == usual
    with_probes = ["to cons@N [95%]", "reduction %", "clock", "rank", "N"]
    assert dropped(compared(folders, "accuracy,total")) == with_probes
    alone = ["clock", "to cons@N [95%]", "rank", "N"]  # with no other method to compare with
    assert dropped(compared(folders[:1], "accuracy,total")) == alone


def test_a_method_of_unknown_clock_is_on_no_front_by_it(
    folders: list[Path], tmp_path: Path
) -> None:
    folders.append(method(tmp_path / "untimed", 0.9, 10, None, 0))
    shown = {row.method: cells(row)[-1] for row in compared(folders, "accuracy,clock").rows}
    assert shown == {"untimed": "unknown", "quick": "yes"} | dict.fromkeys(
        ("frugal", "between", "prober"), ""
    )
    assert {row.method for row in compared(folders, "accuracy,total").rows if row.pareto} == {
        "untimed"
    }


def test_clocks_of_different_engines_are_not_compared(folders: list[Path], tmp_path: Path) -> None:
    folders.append(method(tmp_path / "queued", 0.6, 10, 5, 0))
    record = json.loads((folders[-1] / "run.json").read_text())
    record["serving"]["concurrency"] = 8
    (folders[-1] / "run.json").write_text(json.dumps(record))
    assert len(compared(folders, "accuracy,total").rows) == 5
    with pytest.raises(UserError, match=r"--axes clock: .*--concurrency 8.*compare runs of one"):
        compared(folders, "accuracy,total,clock")


def test_a_plot_is_over_the_chosen_cost(folders: list[Path]) -> None:
    titles = {
        "accuracy,clock": "Accuracy against the clock",
        "accuracy,tokens": "Accuracy against tokens generated",
        "accuracy,total,clock": "Accuracy against tokens generated and those of probes",
    }
    for axes, title in titles.items():
        drawn = build_chart(compared(folders, axes)).to_dict()
        assert drawn["title"]["text"] == title
        assert ("Pareto front" in drawn["title"]["subtitle"][0]) == (axes.count(",") == 1)
        front, *_ = drawn["concat"][0]["layer"]
        corners = [(each["x"], each["y"]) for each in front["data"]["values"]]
        best = {"accuracy,clock": (30, 60), "accuracy,tokens": (90, 60)}.get(axes)
        assert corners[:1] == ([best] if best else [])
