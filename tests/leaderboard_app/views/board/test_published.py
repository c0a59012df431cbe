"""The section of published figures: its form, its marks and its footnotes."""

from __future__ import annotations

from datetime import date

from checkout import ROOT
from made_entries import made_library

from leaderboard_app.shown.table import Cell, Table
from leaderboard_app.views.board.published import published_table
from simulator.submissions.published import PublishedFigure, Source, read_published

PAPER = Source("paper", "A paper", "Meta", date(2025, 8, 21), "https://x.org/p", None, None)


def table_of(*figures: PublishedFigure) -> Table:
    found = published_table(made_library([], published=figures))
    assert found is not None
    return found


def packaged() -> Table:
    return table_of(*read_published(ROOT / "submissions").figures)


def cell(table: Table, model: str, method: str, column: str) -> Cell:
    (place,) = [index for index, each in enumerate(table.columns) if each.key == column]
    (row,) = [
        row for row in table.rows if (row[0].text, row[1].text + row[1].mark) == (model, method)
    ]
    return row[place]


def test_models_are_blocks_of_rows_and_benchmarks_groups_of_columns() -> None:
    table = packaged()
    assert [row[0].text for row in table.rows] == [
        *["DeepSeek-R1-0528-Qwen3-8B"] * 5,
        *["Qwen3-32B"] * 5,
        *["gpt-oss-20b"] * 5,
    ]
    assert [row[1].text + row[1].mark for row in table.rows[:5]] == [
        "cons@512†",
        "DeepConf-high†",
        "DeepConf-low†",
        "cons@512‡",
        "DeepPrune‡",
    ]
    groups = list(dict.fromkeys(column.group for column in table.columns if column.group))
    assert groups == ["AIME24", "AIME25", "GPQA-Diamond"]


def test_the_published_board_with_its_known_slip_set_right() -> None:
    """Of DS-8B on GPQA the highest accuracy is 72.5, not 71.7 as the published page has it."""
    table = packaged()
    model, column = "DeepSeek-R1-0528-Qwen3-8B", "gpqadiamond"
    best = cell(table, model, "cons@512†", f"{column}.accuracy")
    assert (best.text, best.underlined, best.bold) == ("72.5", True, False)
    assert not cell(table, model, "DeepConf-low†", f"{column}.accuracy").underlined
    fewest = cell(table, model, "DeepPrune‡", f"{column}.tokens_1e8")
    assert (fewest.text, fewest.bold) == ("2.54", True)


def test_marks_are_within_a_model_with_ties() -> None:
    table = packaged()
    tied = [
        cell(table, "gpt-oss-20b", method, "aime24.accuracy").underlined
        for method in ("cons@512†", "DeepConf-high†", "DeepConf-low†")
    ]
    assert tied == [True, True, False]


def test_what_was_not_published_says_so() -> None:
    empty = cell(packaged(), "gpt-oss-20b", "DeepConf-low†", "gpqadiamond.tokens_1e8")
    assert (empty.text, empty.value) == ("", None)
    assert empty.note == "Not published in Deep Think with Confidence."


def test_footnotes_cite_each_source_with_links_in_its_rows() -> None:
    table = packaged()
    first, second = table.notes[1:]
    assert first.startswith("† Published, not replayed: Deep Think with Confidence. Meta, 2025")
    assert second.startswith("‡ Published, not replayed: DeepPrune")
    assert {name for row in table.rows for name, _ in row[-1].links} == {"paper", "code"}


def test_one_model_in_two_spellings_is_one_block() -> None:
    table = table_of(
        PublishedFigure("a", "Qwen3-32B", "AIME24", 2.0, 0.8, PAPER),
        PublishedFigure("b", "qwen3_32b", "aime-24", 1.0, 0.7, PAPER),
    )
    assert [row[0].text for row in table.rows] == ["Qwen3-32B", "Qwen3-32B"]
    assert cell(table, "Qwen3-32B", "b†", "aime24.tokens_1e8").bold


def test_without_published_figures_there_is_no_section() -> None:
    assert published_table(made_library([])) is None
