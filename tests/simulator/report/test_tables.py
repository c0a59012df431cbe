"""Tables fit the width: nothing is cut, and no number is broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.report.tables import (
    FOLD,
    Table,
    aligned,
    fit,
    print_fields,
    print_table,
    print_wrapped,
)

HEADERS = ["pool", "traces", "accuracy, % [95%]", "signals"]
ROWS = [
    ["scout/qwen3-8b/aime24", "3,840", "80.5 [64.4, 93.9]", "probes"],
    ["mine/m/b", "12", "5.0 [0.0, 20.0]", "text, confidence, probes"],
]
RIGHT = [False, True, True]


def drawn(table: Table) -> list[str]:
    return [*table.head(), table.rule("-"), *table.body()]


def test_a_table_that_fits_is_left_alone() -> None:
    assert drawn(fit(HEADERS, ROWS, RIGHT, 74)) == [
        "pool                   traces  accuracy, % [95%]  signals",
        "---------------------  ------  -----------------  ------------------------",
        "scout/qwen3-8b/aime24   3,840  80.5 [64.4, 93.9]  probes",
        "mine/m/b                   12    5.0 [0.0, 20.0]  text, confidence, probes",
    ]
    assert aligned(HEADERS, ROWS, RIGHT) == "\n".join(drawn(fit(HEADERS, ROWS, RIGHT, 74))) + "\n"


def test_headers_are_broken_first_then_the_columns_given_up_dropped_then_texts_wrapped() -> None:
    narrow = fit(["mean length", "kind"], [["1,155", "a"], ["27", "b"]], [True], 11)
    assert drawn(narrow) == [
        "  mean",
        "length  kind",
        "------  ----",
        " 1,155  a",
        "    27  b",
    ]
    dropped = fit(HEADERS, ROWS, RIGHT, 60, ["signals"])
    assert [column.header for column in dropped.columns] == HEADERS[:3]
    assert (dropped.left_out, dropped.full_width) == (["signals"], 74)
    assert drawn(fit(HEADERS, ROWS, RIGHT, 68)) == [
        "pool                   traces  accuracy, % [95%]  signals",
        "---------------------  ------  -----------------  ------------------",
        "scout/qwen3-8b/aime24   3,840  80.5 [64.4, 93.9]  probes",
        "mine/m/b                   12    5.0 [0.0, 20.0]  text, confidence,",
        "                                                    probes",
    ]


def test_texts_are_broken_at_spaces_and_slashes_but_not_fractions() -> None:
    rows = [["generated/gpt-oss-20b/gpqa-diamond (synthetic)", "1/3"]]
    assert fit(["pool", "gold"], rows, width=30).body() == [
        "generated/gpt-oss-20b/    1/3",
        "  gpqa-diamond",
        "  (synthetic)",
    ]
    hash = fit(["sha256", "n"], [["0123456789abcdef" * 4, "7"]], [False, True], 27)
    assert hash.body() == [
        "0123456789abcdef01234567  7",
        "  89abcdef0123456789abcd",
        "  ef0123456789abcdef",
    ]


def test_wide_characters_take_two_columns() -> None:
    assert aligned(["name", "n"], [["模型", "1"], ["abcd", "2"]], [False, True]) == (
        "name  n\n----  -\n模型  1\nabcd  2\n"
    )


def test_intervals_stand_below_values_only_where_they_do_not_fit_beside() -> None:
    headers, rows = ["tau", "accuracy, % [95%]"], [["1", "50.0 [40.0, 60.0]"]]
    assert drawn(fit(headers, rows, [True, True], 22, [FOLD]))[-1] == "  1  50.0 [40.0, 60.0]"
    assert drawn(fit(headers, rows, [True, True], 21, [FOLD])) == [
        "      accuracy, %",
        "tau         [95%]",
        "---  ------------",
        "  1          50.0",
        "     [40.0, 60.0]",
    ]


WORDS = st.lists(st.text("abc/-", min_size=1, max_size=30), min_size=1, max_size=5).map(" ".join)
NUMBERS = st.integers(-(10**12), 10**12).map("{:,}".format)


@given(st.lists(st.tuples(WORDS, NUMBERS, WORDS, NUMBERS), min_size=1, max_size=4), st.data())
def test_no_number_is_broken_and_no_text_lost_in_any_width(
    rows: list[tuple[str, str, str, str]], data: st.DataObject
) -> None:
    headers, right = ["name", "how many", "a text", "n"], [False, True, False, True]
    width = data.draw(st.integers(1, 120))
    table = fit(headers, rows, right, width, ["n"])
    for column in table.columns:
        index = headers.index(column.header)
        for row, lines in zip(rows, column.cells, strict=True):
            if column.right:
                assert lines == [row[index]]
            joined = "".join("".join(line.split()) for line in lines)
            assert joined == "".join(row[index].split())
    lines = drawn(table)
    least = sum(column.least for column in table.columns) + 2 * (len(table.columns) - 1)
    assert max(map(len, lines)) <= max(width, least)
    assert table.left_out == [] or max(map(len, aligned(headers, rows, right).split("\n"))) > width


def test_what_is_printed_fits_the_line_and_names_what_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    print_table(HEADERS, ROWS, RIGHT, ["signals"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "No room for signals: COLUMNS=74 shows all."
    assert max(map(len, lines)) <= 60
    monkeypatch.setenv("COLUMNS", "74")
    print_table(HEADERS, ROWS, RIGHT, ["signals"])
    assert capsys.readouterr().out == aligned(HEADERS, ROWS, RIGHT)
    monkeypatch.delenv("COLUMNS")
    print_table(HEADERS, [["x" * 90, *ROWS[0][1:]]], RIGHT, ["signals"])  # in a pipe
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_fields_and_notes_are_wrapped_but_paths_are_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "/a-folder/of-a-user/" + "x" * 40
    print_fields([("path", path), ("mean length", "one two three four five six seven")])
    print_wrapped("-p\xa0window=5 " * 4, "    ")
    assert capsys.readouterr().out.splitlines() == [
        f"path         {path}",
        "mean length  one two three four five six",
        "             seven",
        "    -p window=5 -p window=5 -p window=5",
        "    -p window=5",
    ]
