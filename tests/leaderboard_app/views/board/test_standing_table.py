"""The board's tables by value: columns, marks, what a row says, filters, notes, costs."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from made_entries import made_entry, made_library, made_result, made_sums

from leaderboard_app.library.library import Library
from leaderboard_app.library.selection import Selection
from leaderboard_app.library.standings import groups
from leaderboard_app.shown.table import Cell, Table, as_csv, as_html
from leaderboard_app.views.board.costing import DOLLARS, FLOPS, Costing, unpriced
from leaderboard_app.views.board.standing_table import Part, hideable, parts
from simulator.report.prices import Price
from simulator.runs.results import read_results

POOL = "d/m/a"


def on_a(accuracy: float, tokens: float, **fields: Any) -> Any:
    metrics = {
        "accuracy": [accuracy, accuracy - 0.1, accuracy + 0.05],
        "tokens_per_problem": tokens,
        "cost": tokens,
        "reduction": 0.25,
        "accuracy_difference": [-0.01, -0.02, 0.0],
    }
    return made_result(POOL, **{**metrics, **fields})


def board(*entries: Any, sums: Any = None, **selection: Any) -> dict[str, Part]:
    found = made_library(entries, sums)
    (group,) = groups(found, False)
    return parts(found, group, Selection(**selection))


def cell(table: Table, method: str, column: str) -> Cell:
    (place,) = [index for index, each in enumerate(table.columns) if each.key == column]
    (row,) = [row for row in table.rows if row[0].text == method]
    return row[place]


def methods(part: Part) -> list[str]:
    return [row[0].text for row in part.table.rows]


def test_a_row_shows_its_figures_with_their_intervals() -> None:
    table = board(made_entry("x", on_a(0.9, 1234.4)))["verified"].table
    accuracy = cell(table, "x", "accuracy")
    assert (accuracy.text, accuracy.below) == ("90.0", "[80.0, 95.0]")
    assert cell(table, "x", "tokens_per_problem").text == "1,234"
    assert cell(table, "x", "reduction").text == "25.0"
    assert cell(table, "x", "accuracy_difference").text == "-1.0"
    assert cell(table, "x", "cost").text == "1,234"
    assert cell(table, "x", "budget").text == "8"


def test_the_best_are_marked_among_the_ranked_whatever_the_filters() -> None:
    entries = (
        made_entry("cheap", on_a(0.5, 10), date="2025-01-01"),
        made_entry("good", on_a(0.9, 90), date="2026-01-01"),
        made_entry("as good", on_a(0.90004, 80), date="2026-01-01"),
        made_entry("local", on_a(1.0, 1), badge="local", basis="recomputed"),
    )
    found = board(*entries)
    table = found["verified"].table
    assert [
        name for name in methods(found["verified"]) if cell(table, name, "accuracy").underlined
    ] == [
        "as good",
        "good",
    ]
    assert cell(table, "cheap", "tokens_per_problem").bold
    assert not any(
        each.bold or each.underlined for row in found["local"].table.rows for each in row
    )
    filtered = board(*entries, since="2025-06-01")["verified"].table
    assert not any(each.bold for row in filtered.rows for each in row)


def test_each_part_has_a_table_of_its_own_in_order() -> None:
    found = board(
        made_entry("gone", on_a(0.5, 1), badge="withdrawn", withdrawn="A mistake."),
        made_entry("oracle", on_a(0.5, 1), unranked=True),
        made_entry("mine", on_a(0.5, 1), badge="local", basis="recomputed"),
        made_entry("said", on_a(0.5, 1), badge="self-reported", basis="answers"),
        made_entry("sound", on_a(0.5, 1)),
    )
    assert {name: methods(part) for name, part in found.items()} == {
        "verified": ["sound"],
        "self-reported": ["said"],
        "local": ["mine"],
        "bounds": ["oracle"],
        "record": ["gone"],
    }
    assert [*found] == ["verified", "self-reported", "local", "bounds", "record"]
    rank = cell(found["bounds"].table, "oracle", "rank")  # shown as a dash
    assert (rank.text, rank.value) == ("", None)
    assert rank.note == "Uses ground truth: a bound, not a method."
    assert "withdrawn: A mistake." in cell(found["record"].table, "gone", "method").below


def test_a_rank_names_those_that_are_better_and_worse() -> None:
    right, wrong = made_sums([2] * 10, [20] * 10), made_sums([0] * 10, [20] * 10)
    found = board(
        made_entry("good", on_a(1.0, 10)),
        made_entry("bad", on_a(0.0, 10)),
        sums={"good": {POOL: right}, "bad": {POOL: wrong}},
    )["verified"]
    assert methods(found) == ["good", "bad"]
    rank = cell(found.table, "good", "rank")
    assert (rank.text, rank.value) == ("1", 1)
    assert rank.note == "Significantly better: none. Significantly worse: bad."
    assert cell(found.table, "bad", "rank").text == "2"


def test_a_difference_that_rests_on_few_problems_is_marked() -> None:
    """Cons@N is right on all ten problems, the method on all but three."""
    sums = made_sums([2] * 7 + [0] * 3, [20] * 10)
    table = board(made_entry("x", on_a(0.7, 10)), sums={"x": {POOL: sums}})["verified"].table
    difference = cell(table, "x", "accuracy_difference")
    assert difference.mark == "§"
    assert re.search(
        r"A difference of \d+\.\d points shows with a chance of 80%\.", difference.note
    )
    assert "§ rests on fewer than 5 problems that differ." in table.notes


def test_a_row_tells_settings_sweep_version_given_costs_and_successor_without_hover() -> None:
    free = on_a(0.5, 1, probe_cost="0+0", probe_source="given")
    found = board(
        made_entry("x", free, label="x (a=1)", sweep_settings=12, version="2"),
        made_entry("old", on_a(0.5, 1), badge="superseded", superseded_by="x"),
    )
    assert cell(found["verified"].table, "x", "method").below == (
        "a=1 · version 2 · one of 12 settings tried on these problems · probes cost 0 tokens by "
        "--probe-cost"
    )
    assert "superseded by x" in cell(found["record"].table, "old", "method").below


def test_filters_by_badge_date_and_needs() -> None:
    entries = (
        made_entry("old", on_a(0.5, 1), date="2025-01-01", needs=("confidence",)),
        made_entry("undated", on_a(0.5, 2), date=None, needs=("judge", "text")),
        made_entry("new", on_a(0.5, 3), date="2026-01-01"),
    )

    def left(**fields: Any) -> list[str]:
        found = board(*entries, **fields)
        return methods(found["verified"]) if found else []

    assert left() == ["old", "undated", "new"]
    assert left(needs=("text",)) == ["undated"]
    assert left(needs=("none", "confidence")) == ["old", "new"]
    assert left(since="2025-06-01") == ["new"]
    assert left(since="2025-01-01", until="2025-01-01") == ["old"]
    assert left(badges=("local",)) == []


def test_every_column_but_the_first_can_be_hidden_and_the_file_keeps_the_rest() -> None:
    shown = board(made_entry("x", on_a(0.5, 1)), hidden=tuple(hideable()))["verified"].table
    assert [each.key for each in shown.columns if not each.csv_only] == ["method"]


def test_the_csv_file_has_dates_links_and_pools_in_columns_of_their_own() -> None:
    entry = made_entry(
        "x",
        on_a(0.5, 1),
        organisation="Lab",
        authors=("A", "B"),
        date="2026-01-01",
        paper="https://x.org/a",
        code="https://x.org/c",
    )
    table = board(entry)["verified"].table
    (found,) = csv.DictReader(io.StringIO(as_csv(table)))
    assert found["organisation"] == "Lab"
    assert found["date"] == "2026-01-01"
    assert (found["paper"], found["code"]) == ("https://x.org/a", "https://x.org/c")
    assert found["pools"] == f"{POOL} of {POOL}"
    assert (found["accuracy"], found["accuracy_low"]) == ("0.5", "0.4")
    html = as_html(table)
    assert '<a href="https://x.org/a"' in html
    assert ">Authors<" not in html


def test_notes_name_the_pools_that_ranks_compare() -> None:
    table = board(made_entry("x", on_a(0.5, 1)))["verified"].table
    assert table.notes[0].startswith(f"Ranks compare methods on {POOL} (4 problems, fingerprint")


def test_estimated_token_counts_are_marked() -> None:
    table = board(made_entry("x", on_a(0.5, 1, token_accuracy="estimated")))["verified"].table
    assert "Tokens a problem ≈" in [each.heading for each in table.columns]
    assert "≈ Token counts are estimates." in table.notes


def test_texts_of_strangers_are_shown_as_text() -> None:
    hostile = '<img src=x onerror=alert(1)> " [x](javascript:alert(1))'
    entry = made_entry(
        hostile,
        on_a(0.5, 1),
        label=f"{hostile} (<b>=1)",
        organisation=hostile,
        description=hostile,
        paper="javascript:alert(1)",
        badge="withdrawn",
        withdrawn=hostile,
    )
    html = as_html(board(entry)["record"].table)
    assert "&lt;img src=x onerror=alert(1)&gt; &quot;" in html
    assert not re.findall(r"<(?:img|b|i)\b", html)
    assert not re.search(r'href="(?!https://|entry\?entry=)', html)


def test_dollars_and_flops_of_a_run_from_its_prices(full_library: Library) -> None:
    """Without probes: tokens times the price of output, 2 × parameters × tokens."""
    (group, *_) = groups(full_library, False)
    model = group.pools[0].split("/")[1]
    prices = {model: Price(1.0, 2.0, 3e9)}
    tokens = cost = None
    for unit, rate in ((DOLLARS, 2e-6), (FLOPS, 6e9)):
        table = parts(full_library, group, Selection(), Costing(unit, prices))["verified"].table
        tokens = cell(table, "Checked asc", "tokens_per_problem")
        cost = cell(table, "Checked asc", "cost")
        assert tokens.value is not None
        assert cost.value == pytest.approx(rate * float(tokens.value))
        assert tokens.low is not None
        assert cost.low == pytest.approx(rate * tokens.low)
        assert any(model in note for note in table.notes)


def test_probes_are_billed_as_input_and_output(full_library: Library) -> None:
    (group, *_) = groups(full_library, False)
    entry = full_library.by_id["runs/sac"]
    run = next(each for each in read_results(entry.path) if each.pool == group.pools[0])
    metrics = entry.results[group.columns[0]].metrics
    suffix, answer = run.probe_parts
    calls, tokens = metrics["probe_calls"].value, metrics["tokens_per_problem"].value
    assert calls > 0
    prices = {run.pool.split("/")[1]: Price(1.0, 4.0, None)}
    table = parts(full_library, group, Selection(), Costing(DOLLARS, prices))["local"].table
    found = cell(table, "sac", "cost")
    assert found.value == pytest.approx(1e-6 * (4 * (tokens + calls * answer) + calls * suffix))
    assert found.low is None


def test_without_a_price_the_cell_says_so(full_library: Library) -> None:
    (group, *_) = groups(full_library, False)
    model = group.pools[0].split("/")[1]
    assert unpriced(group, DOLLARS, {}) == [model]
    assert unpriced(group, FLOPS, {model: Price(1.0, 1.0, None)}) == [model]
    assert unpriced(group, "tokens", {}) == []
    table = parts(full_library, group, Selection(), Costing(DOLLARS))["verified"].table
    cost = cell(table, "Checked asc", "cost")
    assert (cost.value, cost.note) == (None, f"The price or size of {model} is not given.")


def test_filters_move_nobody(full_library: Library) -> None:
    (group, *_) = groups(full_library, False)
    everyone = parts(full_library, group, Selection())["local"].table
    some = parts(full_library, group, Selection(needs=("probes",)))["local"].table
    assert {row[0].text for row in some.rows} == {"parallel-probe", "sac"}
    assert set(some.rows) < set(everyone.rows)
    assert replace(some, rows=()) == replace(everyone, rows=())
