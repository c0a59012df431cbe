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
    lines = table.text().split("\n")
    assert lines[-1] == ""
    return lines[:-1]


def test_a_table_that_fits_is_left_alone() -> None:
    assert drawn(fit(HEADERS, ROWS, RIGHT, 74)) == [
        "pool                   traces  accuracy, % [95%]  signals",
        "--------------------------------------------------------------------------",
        "scout/qwen3-8b/aime24   3,840  80.5 [64.4, 93.9]  probes",
        "mine/m/b                   12    5.0 [0.0, 20.0]  text, confidence, probes",
    ]
    assert aligned(HEADERS, ROWS, RIGHT) == fit(HEADERS, ROWS, RIGHT, 74).text()


def test_headers_are_broken_first_then_texts_wrapped_then_the_columns_given_up_dropped() -> None:
    narrow = fit(["mean length", "kind"], [["1,155", "a"], ["27", "b"]], [True], 12)
    assert drawn(narrow) == [
        "  mean",
        "length  kind",
        "------------",
        " 1,155  a",
        "    27  b",
    ]
    assert drawn(fit(HEADERS, ROWS, RIGHT, 68, ["signals"])) == [
        "pool                   traces  accuracy, % [95%]  signals",
        "--------------------------------------------------------------------",
        "scout/qwen3-8b/aime24   3,840  80.5 [64.4, 93.9]  probes",
        "mine/m/b                   12    5.0 [0.0, 20.0]  text, confidence,",
        "                                                  probes",
    ]
    assert len(drawn(fit(HEADERS, ROWS, RIGHT, 61, ["signals"]))) == 6
    dropped = fit(HEADERS, ROWS, RIGHT, 60, ["signals"])
    assert drawn(dropped)[0].split() == ["pool", "traces", "accuracy,", "%", "[95%]"]
    assert (dropped.left_out, dropped.full_width) == (["signals"], 61)


def test_texts_are_broken_at_spaces_and_long_words_where_nothing_else_is_left() -> None:
    rows = [["generated/gpt-oss-20b/gpqa-diamond (synthetic)", "1/3"]]
    assert drawn(fit(["pool", "gold"], rows, width=40))[2:] == [
        "generated/gpt-oss-20b/gpqa-diamond  1/3",
        "(synthetic)",
    ]
    hash = fit(["sha256", "n"], [["0123456789abcdef" * 4, "7"]], [False, True], 27)
    assert drawn(hash)[2:] == [
        "0123456789abcdef01234567  7",
        "89abcdef0123456789abcdef",
        "0123456789abcdef",
    ]


def test_wide_characters_take_two_columns() -> None:
    assert aligned(["name", "n"], [["模型", "1"], ["abcd", "2"]], [False, True]) == (
        "name  n\n-------\n模型  1\nabcd  2\n"
    )


def test_intervals_stand_below_values_only_where_they_do_not_fit_beside() -> None:
    headers, rows = ["tau", "accuracy, % [95%]"], [["1", "50.0 [40.0, 60.0]"]]
    assert drawn(fit(headers, rows, [True, True], 22, [FOLD]))[-1] == "  1  50.0 [40.0, 60.0]"
    assert drawn(fit(headers, rows, [True, True], 21, [FOLD]))[-1].split() == ["[40.0,", "60.0]"]
    assert drawn(fit(headers, rows, [True, True], 17, [FOLD])) == [
        "      accuracy, %",
        "tau         [95%]",
        "-----------------",
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
    lines, start, least = drawn(table), 0, []
    for index, column in enumerate(table.grid.columns):
        cells = [row[index] for row in rows]
        assert column.width is not None
        printed = [line[start : start + column.width].strip() for line in lines]
        printed = list(filter(None, printed[printed.index("-" * column.width) + 1 :]))
        start += column.width + 2
        if right[index]:
            assert printed == cells
        assert "".join("".join(printed).split()) == "".join("".join(cells).split())
        words = [*headers[index].split(), *" ".join(cells).split()]
        least.append(max(map(len, words)) if right[index] else min(24, max(map(len, words))))
    assert max(map(len, lines)) <= max(width, sum(least) + 2 * len(least) - 2)
    assert all(line == line.rstrip() for line in lines)
    assert table.left_out == [] or table.full_width > width


def test_a_terminal_gets_a_bold_header_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    text = fit(HEADERS[:1], [["[bold]a[/] :x: " + "b" * 100]]).text(terminal=True)
    assert text.splitlines() == [
        f"\x1b[1mpool{' ' * 111}\x1b[0m",
        "─" * 115,
        "[bold]a[/] :x: " + "b" * 100,
    ]


def test_what_is_printed_fits_the_line_and_names_what_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    print_table(HEADERS, ROWS, RIGHT, ["signals"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "No room for signals: COLUMNS=61 shows all."
    assert max(map(len, lines)) <= 60
    monkeypatch.setenv("COLUMNS", "61")
    print_table(HEADERS, ROWS, RIGHT, ["signals"])
    assert capsys.readouterr().out.split()[-4:] == ["20.0]", "text,", "confidence,", "probes"]
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
