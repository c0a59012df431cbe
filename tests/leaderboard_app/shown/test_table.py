"""Tables: sorting, hiding, and what leaves the app as HTML, CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pylatexenc.latexwalker import (
    LatexEnvironmentNode,
    LatexMacroNode,
    LatexSpecialsNode,
    LatexWalker,
)

from leaderboard_app.formulas.mathml import ELEMENTS
from leaderboard_app.shown.table import (
    Cell,
    Column,
    Order,
    Table,
    as_csv,
    as_html,
    as_latex,
    as_markdown,
    groups,
    sorted_by,
)

TABLE = Table(
    "Board",
    (
        Column("method", "Method", numeric=False),
        Column("a:tokens", "Tokens", "A", help="Fewer is better"),
        Column("a:accuracy", "Accuracy", "A", descending=True),
        Column("paper", "Paper", "B", numeric=False),
    ),
    (
        (
            Cell("esc", "esc", link="entry?entry=runs%2Fesc"),
            Cell("1.2", 1.25, "two repeats", bold=True, low=1.0, high=2.0, below="[1.0, 2.0]"),
            Cell("80", 0.8),
            Cell("paper", "https://arxiv.org/abs/1", link="https://arxiv.org/abs/1"),
        ),
        (
            Cell("Cons", "Cons"),
            Cell("3.5", 3.5),
            Cell("90", 0.9, underlined=True, mark="†"),
            Cell(),
        ),
        (Cell("asc", "asc"), Cell(note="not run"), Cell("80", 0.8), Cell()),
    ),
    ("† from the paper",),
)


def names(table: Table) -> list[str]:
    return [row[0].text for row in table.rows]


class Seen(HTMLParser):
    """Elements and texts as a browser finds them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_numbers_sort_by_value_texts_without_case_and_missing_ones_come_last() -> None:
    assert names(sorted_by(TABLE, Order("a:tokens"))) == ["esc", "Cons", "asc"]
    assert names(sorted_by(TABLE, Order("a:tokens", descending=True))) == ["Cons", "esc", "asc"]
    assert names(sorted_by(TABLE, Order("method"))) == ["asc", "Cons", "esc"]


def test_equal_cells_stay_in_their_order_both_ways() -> None:
    assert names(sorted_by(TABLE, Order("a:accuracy"))) == ["esc", "asc", "Cons"]
    assert names(sorted_by(TABLE, Order("a:accuracy", descending=True))) == ["Cons", "esc", "asc"]


def test_a_column_that_is_not_there_sorts_nothing() -> None:
    assert sorted_by(TABLE, Order("b:tokens")) == TABLE


@pytest.mark.parametrize("text", ["a:tokens", "-a:tokens"])
def test_an_order_is_what_its_text_says(text: str) -> None:
    assert str(Order.parse(text)) == text
    assert Order.parse(text).descending == text.startswith("-")


def test_neighbouring_columns_of_a_group_share_a_heading() -> None:
    assert groups(TABLE) == [("", 1), ("A", 2), ("B", 1)]


def test_a_row_with_too_few_cells_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="fewer cells"):
        Table("x", TABLE.columns, ((Cell("a"),),))


def test_html_has_buttons_that_sort_links_that_lead_on_and_hints() -> None:
    seen = Seen(as_html(TABLE, Order("a:tokens")))
    sorts = [value for name, value in seen.attributes if name == "data-sort"]
    # the chosen column turns round when it is chosen again; accuracy begins with the highest
    assert sorts == ["method", "-a:tokens", "-a:accuracy", "paper"]
    assert ("aria-sort", "ascending") in seen.attributes
    assert ("data-go", "entry?entry=runs%2Fesc") in seen.attributes
    assert (seen.tags.count("b"), seen.tags.count("u"), seen.tags.count("sup")) == (1, 1, 1)


def test_notes_are_opened_by_buttons_and_columns_explained_below_without_a_script() -> None:
    seen = Seen(as_html(TABLE))
    targets = [value for name, value in seen.attributes if name == "popovertarget"]
    assert [value for name, value in seen.attributes if name == "id"] == targets
    assert len(set(targets)) == 2
    assert seen.texts[seen.texts.index("two repeats") :] == ["two repeats", "not run"]
    assert ("title", "two repeats") in seen.attributes  # for readers with a mouse
    about = seen.texts.index("About the columns")
    assert seen.texts[about : about + 3] == ["About the columns", "A: Tokens", "Fewer is better"]


def test_an_equal_note_of_many_cells_is_written_once() -> None:
    rows = tuple((Cell(str(number)), Cell(note="not run")) for number in range(3))
    seen = Seen(as_html(Table("t", TABLE.columns[:2], rows)))
    assert seen.texts.count("not run") == 1
    assert len([name for name, _ in seen.attributes if name == "popovertarget"]) == 3


def test_a_meaning_that_columns_of_several_groups_share_is_written_once() -> None:
    columns = tuple(Column(f"{name}:t", "Tokens", name, help="Fewer is better") for name in "AB")
    seen = Seen(as_html(Table("t", columns, ())))
    about = seen.texts.index("About the columns")
    assert seen.texts[about + 1 :] == ["Tokens", "Fewer is better"]


def test_a_link_keeps_its_note_and_is_no_button() -> None:
    seen = Seen(as_html(Table("t", TABLE.columns[:1], ((Cell("a", note="n", link="entry"),),))))
    assert ("title", "n") in seen.attributes
    assert "popovertarget" not in dict(seen.attributes)


def test_an_interval_stands_below_its_value() -> None:
    seen = Seen(as_html(TABLE))
    assert ("class", "dps-below") in seen.attributes
    assert "[1.0, 2.0]" in seen.texts


def test_an_empty_heading_is_no_heading() -> None:
    columns = (Column("a", "A", numeric=False), Column("b", "", numeric=False))
    assert Seen(as_html(Table("t", columns, ()))).tags.count("th") == 1
    assert "thead" not in Seen(as_html(Table("t", columns[1:], ()))).tags
    assert Seen(as_html(TABLE)).tags.count("th") == 2 + 4 + 3  # A and B; columns; rows


def test_rows_that_may_become_cards_name_their_cells_and_keep_their_roles() -> None:
    stacked = Seen(as_html(replace(TABLE, stack=True)))
    labels = [value for name, value in stacked.attributes if name == "data-label"]
    assert labels == ["A: Tokens", "A: Accuracy", "B: Paper"] * 3
    roles = Counter(value for name, value in stacked.attributes if name == "role")
    assert roles == {
        **{"region": 1, "table": 1, "rowgroup": 2, "row": 5},
        **{"columnheader": 6, "rowheader": 3, "cell": 1 + 9},
    }
    usual = Seen(as_html(TABLE))
    assert "data-label" not in dict(usual.attributes)
    assert [value for name, value in usual.attributes if name == "role"] == ["region"]


def test_a_link_that_is_neither_a_page_nor_https_is_text() -> None:
    for link in ("javascript:alert(1)", "http://example.org", "//example.org", "data:text/html,x"):
        seen = Seen(as_html(Table("x", TABLE.columns[:1], ((Cell("t", link=link),),))))
        assert "a" not in seen.tags
        assert "t" in seen.texts


@given(st.text(min_size=1), st.text())
def test_whatever_a_text_contains_html_shows_it_as_text(text: str, note: str) -> None:
    table = Table(text, (Column("c", text, text, text),), ((Cell(text, note=note, mark=text),),))
    tags = Seen(as_html(table)).tags
    plain = Table("t", (Column("c", "t", "t", "t"),), ((Cell("t", note=note and "t", mark="t"),),))
    assert tags == Seen(as_html(plain)).tags


HALF = "<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math>"


def of_answers(*cells: Cell) -> Table:
    return Table(
        "x", (Column("answer", "Answer", numeric=False),), tuple((each,) for each in cells)
    )


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (Cell(r"✓ \frac12", answers=(r"\frac12",)), f"✓ {HALF}"),
        (Cell(r"\frac12 ×3, 7 ×2", answers=(r"\frac12", "7")), f"{HALF} ×3, 7 ×2"),
        (
            Cell(r"7, \frac12?, \frac12", answers=("7", "", r"\frac12?", r"\frac12")),
            f"7, {HALF.replace('</math>', '<mi>?</mi></math>')}, {HALF}",
        ),
        (Cell(r"\frac12"), r"\frac12"),
        (Cell(r"\frac12", answers=(r"\sqrt2",)), r"\frac12"),
        (Cell("<b>", answers=("<b>",)), "&lt;b&gt;"),
        (Cell(r"\rule{1em}{1em}", answers=(r"\rule{1em}{1em}",)), r"\rule{1em}{1em}"),
    ],
)
def test_answers_in_a_cell_are_mathematics_in_html(cell: Cell, shown: str) -> None:
    html = as_html(of_answers(cell))
    assert f">{shown}</th>" in html
    assert ("data-source=" in html) == ("<math" in shown)


def test_a_formula_keeps_its_source_for_sorting_and_copying() -> None:
    source = r"\frac{1}{2}"
    cells = [Cell(f"✓ {each}", each, answers=(each,)) for each in (source, "1")]
    table = of_answers(*cells)
    assert f'data-source="✓ {source}"' in as_html(table)
    assert as_csv(table) == f"answer\n{source}\n1\n"
    assert r"✓ \\frac\{1\}\{2\}" in as_markdown(table)
    assert r"\textbackslash" in as_latex(table)
    assert sorted_by(table, Order("answer")).rows == ((cells[1],), (cells[0],))


@given(st.text(), st.lists(st.text(max_size=4), max_size=3))
def test_whatever_the_answers_of_a_cell_are_html_shows_its_text(
    text: str, answers: list[str]
) -> None:
    shown = Seen(as_html(of_answers(Cell(text, answers=tuple(answers)))))
    plain = Seen(as_html(of_answers(Cell("t"))))
    assert [each for each in shown.tags if each not in ELEMENTS] == [
        each for each in plain.tags if each not in ELEMENTS
    ]


def test_csv_is_unrounded_with_intervals_in_columns_of_their_own() -> None:
    assert as_csv(TABLE) == (
        "method,a:tokens,a:tokens_low,a:tokens_high,a:accuracy,paper\n"
        "esc,1.25,1.0,2.0,0.8,https://arxiv.org/abs/1\n"
        "Cons,3.5,,,0.9,\n"
        "asc,,,,0.8,\n"
    )


@given(st.text(min_size=1))
def test_no_text_in_csv_begins_as_a_formula_does(text: str) -> None:
    table = Table("t", (Column("c", "c", numeric=False),), ((Cell(text, text),),))
    (_, *rows) = csv.reader(io.StringIO(as_csv(table)))
    assert not "".join(rows[0] if rows else []).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_markdown_keeps_emphasis_and_links_and_escapes_markup() -> None:
    assert as_markdown(TABLE).splitlines() == [
        "| Method | A: Tokens | A: Accuracy | B: Paper |",
        "| --- | --: | --: | --- |",
        "| esc | **1.2** \\[1.0, 2.0\\] | 80 | [paper](https://arxiv.org/abs/1) |",
        "| Cons | 3.5 | <u>90</u>† | – |",
        "| asc | – | 80 | – |",
        "",
        "† from the paper",
    ]
    hostile = Table("x", TABLE.columns[:1], ((Cell("<b>|[x](javascript:y)"),),))
    assert "| &lt;b&gt;\\|\\[x\\](javascript:y) |" in as_markdown(hostile)


def test_latex_is_a_tabular_with_groups_over_their_columns() -> None:
    assert as_latex(TABLE).splitlines() == [
        "% needs \\usepackage{booktabs}",
        "\\begin{tabular}{lrrl}",
        "\\toprule",
        "\\multicolumn{1}{c}{} & \\multicolumn{2}{c}{A} & \\multicolumn{1}{c}{B} \\\\",
        "Method & Tokens & Accuracy & Paper \\\\",
        "\\midrule",
        "esc & \\textbf{1.2} [1.0, 2.0] & 80 & paper \\\\",
        "Cons & 3.5 & \\underline{90}\\textsuperscript{\\dag} & -- \\\\",
        "asc & -- & 80 & -- \\\\",
        "\\bottomrule",
        "\\end{tabular}",
        "% † from the paper",
    ]


def cells_of_rows(tabular: str) -> list[int]:
    """Columns that each row of a tabular spans, as a parser of LaTeX reads it."""
    nodes, _, _ = LatexWalker(tabular, tolerant_parsing=False).get_latex_nodes()
    (body,) = [each for each in nodes if isinstance(each, LatexEnvironmentNode)]
    assert body.environmentname == "tabular"
    rows, spans = [], 1
    for place, node in enumerate(body.nodelist):
        if isinstance(node, LatexSpecialsNode) and node.specials_chars == "&":
            spans += 1
        elif isinstance(node, LatexMacroNode) and node.macroname == "multicolumn":
            spans += int(body.nodelist[place + 1].latex_verbatim().strip("{}")) - 1
        elif isinstance(node, LatexMacroNode) and node.macroname == "\\":
            rows.append(spans)
            spans = 1
    return rows


def test_latex_is_read_by_a_parser_with_as_many_cells_a_row_as_columns() -> None:
    assert cells_of_rows(as_latex(TABLE)) == [4] * 5


@given(st.lists(st.text(), min_size=2, max_size=2), st.text())
def test_whatever_a_text_contains_latex_keeps_its_rows_and_cells(
    texts: list[str], note: str
) -> None:
    columns = (Column("a", texts[0] or "a", texts[1]), Column("b", texts[1] or "b"))
    cells = tuple(Cell(each, below=each, mark=each, bold=True, underlined=True) for each in texts)
    tabular = as_latex(Table("t", columns, (cells, cells), (note,)))
    assert cells_of_rows(tabular) == [2] * (4 if texts[1] else 3)


def test_symbols_are_set_by_pdflatex_and_other_letters_are_named() -> None:
    symbols = Table("t", TABLE.columns[:1], ((Cell("≈ β τ 10⁸ x₂ – · † ‡ § × ≤ ∑ Δ é"),),))
    tabular = as_latex(symbols)
    assert "$\\approx$ $\\beta$ $\\tau$ 10\\textsuperscript{8} x\\textsubscript{2} – ·" in tabular
    assert "LuaLaTeX" not in tabular
    foreign = as_latex(Table("t", TABLE.columns[:1], ((Cell("方法"),),)))
    assert "% and LuaLaTeX or XeLaTeX, with a font that has 方 法" in foreign.splitlines()


def test_addresses_in_notes_are_links_and_all_else_is_text() -> None:
    note = 'A paper, https://arxiv.org/abs/1. <b>"https://x.org/?a=1"onclick=1 javascript:alert(1)'
    html = as_html(replace(TABLE, notes=(note,)))
    assert '<a href="https://arxiv.org/abs/1" target="_blank" rel="noopener noreferrer">' in html
    assert "</a>. &lt;b&gt;&quot;" in html
    assert 'href="https://x.org/?a=1"' in html
    assert "onclick=1 javascript:alert(1)</p>" in html
