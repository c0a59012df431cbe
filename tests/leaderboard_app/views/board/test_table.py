"""The board's table by value: columns, what is best, why a cell is empty, filters, footnotes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from checkout import ROOT

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Entry, Library, Result, load
from leaderboard_app.library.ranking import Place
from leaderboard_app.library.selection import Selection, folded, kinds, pool_columns
from leaderboard_app.library.standings import contenders, places
from leaderboard_app.shown.table import Cell, Order, Table, as_html, first_rows, sorted_by
from leaderboard_app.views.board.combined import (
    ELSEWHERE,
    WITHOUT_ANSWERS,
    combined_sections,
)
from leaderboard_app.views.board.table import Section, board_sections, hide, hideable
from simulator.runs.results import Metric
from simulator.significance import Contrast
from simulator.submissions.published import PublishedFigure, Source, read_published

REPOSITORY = ROOT
NOWHERE = Folders(Path("none"), Path("none"), Path("none"))

PAPER = Source("paper", "A paper", "Meta", date(2025, 8, 21), "https://x.org/p", None, None)
PAGE = Source(
    "page", "A page", "Lab", date(2025, 10, 10), "https://x.org/q", "https://x.org/c", None
)


def result(
    pool: str,
    tokens: float | None,
    accuracy: float,
    *,
    version: str = "",
    synthetic: bool = False,
    token_accuracy: str = "exact",
) -> Result:
    _, model, benchmark = pool.split("/")
    metrics = {"accuracy": Metric(accuracy, accuracy - 0.1, accuracy + 0.05)}
    if tokens is not None:
        metrics["tokens_1e8"] = Metric(tokens)
    column = f"{pool}#{version}" if version else pool
    return Result(
        pool,
        column,
        version or "f",
        model,
        benchmark,
        synthetic,
        token_accuracy,
        30,
        16,
        "cons@16",
        "steps",
        "",
        metrics,
    )


def entry(name: str, *results: Result, **fields: Any) -> Entry:
    given: dict[str, Any] = {
        "id": name,
        "path": Path(name),
        "method": name,
        "label": name,
        "badge": "verified",
        "needs": (),
        "policy": name,
        "policy_sha256": "0",
        "parameters": {},
        "settings": (),
        "unranked": False,
        "seed": 0,
        "repeats": 1,
        "results": {each.column: each for each in results},
        "date": "2026-01-01",
        "basis": "verified",
    }
    return Entry(**(given | fields))


def library(
    *entries: Entry,
    published: tuple[PublishedFigure, ...] = (),
    pools: tuple[Mapping[str, Any], ...] = (),
) -> Library:
    return Library(
        NOWHERE,
        1,
        cast(Any, None),
        entries,
        published,
        {},
        cast(Any, pools),
        (),
        {each.id: each for each in entries},
    )


def board_table(found: Library, synthetic: bool, selection: Selection) -> Table:
    """Return the sections of a board as one table, with the columns of all of them."""
    return joined(board_sections(found, synthetic, selection))


def combined_table(found: Library, standing: Mapping[str, Place], *rest: Any) -> Table:
    return joined(combined_sections(found, standing, *rest))


def joined(sections: Sequence[Section]) -> Table:
    columns = {column.key: column for each in sections for column in each.table.columns}
    tail = [key for key in columns if "." not in key and key not in ("method", "badge")]
    tail = tail if any("." in key for key in columns) else []
    order = [*(key for key in columns if key not in tail), *tail]
    rows = []
    for each in sections:
        keys = [column.key for column in each.table.columns]
        for row in each.table.rows:
            cells = dict(zip(keys, row, strict=True))
            rows.append(tuple(cells.get(key, Cell()) for key in order))
    notes = dict.fromkeys(note for each in sections for note in each.table.notes)
    return Table("All", tuple(columns[key] for key in order), tuple(rows), tuple(notes))


def cell(table: Table, method: str, column: str, *, mark: str = "") -> Cell:
    (place,) = [index for index, each in enumerate(table.columns) if each.key == column]
    (row,) = [row for row in table.rows if (row[0].text, row[0].mark) == (method, mark)]
    return row[place]


def methods(table: Table) -> list[str]:
    return [row[0].text + row[0].mark for row in table.rows]


def published_library() -> Library:
    return library(published=read_published(REPOSITORY / "submissions").figures)


def test_the_published_board_with_its_known_slip_set_right() -> None:
    """Of DS-8B on GPQA the highest accuracy is 72.5, not 71.7 as the published page has it."""
    table = board_table(published_library(), False, Selection())
    column = "deepseekr10528qwen38b.gpqadiamond"
    best = cell(table, "cons@512", f"{column}.accuracy", mark="†")
    assert (best.text, best.underlined, best.bold) == ("72.5", True, False)
    assert not cell(table, "DeepConf-low", f"{column}.accuracy", mark="†").underlined
    fewest = cell(table, "DeepPrune", f"{column}.tokens_1e8", mark="‡")
    assert (fewest.text, fewest.bold) == ("2.54", True)


def test_models_and_benchmarks_stand_in_the_order_and_spelling_of_publications() -> None:
    table = board_table(published_library(), False, Selection())
    groups = list(dict.fromkeys(column.group for column in table.columns if column.group))
    assert groups == [
        f"{model} · {benchmark}"
        for model in ("DeepSeek-R1-0528-Qwen3-8B", "Qwen3-32B", "gpt-oss-20b")
        for benchmark in ("AIME24", "AIME25", "GPQA-Diamond")
    ]


def test_two_sources_of_one_method_have_rows_and_signs_of_their_own() -> None:
    table = board_table(published_library(), False, Selection())
    assert methods(table) == [
        "cons@512†",
        "DeepConf-high†",
        "DeepConf-low†",
        "cons@512‡",
        "DeepPrune‡",
    ]
    first, second = table.notes[1:]
    assert first.startswith("† Published, not replayed: Deep Think with Confidence. Meta, 2025")
    assert second.startswith("‡ Published, not replayed: DeepPrune")


def test_what_was_not_published_says_so() -> None:
    table = board_table(published_library(), False, Selection())
    empty = cell(table, "DeepConf-low", "gptoss20b.gpqadiamond.tokens_1e8", mark="†")
    assert (empty.text, empty.value) == ("", None)
    assert empty.note == "Not published in Deep Think with Confidence."


def test_a_replay_stands_in_the_column_of_publications_however_it_is_spelt() -> None:
    figure = PublishedFigure("cons@512", "Qwen3-32B", "AIME24", 2.0, 0.867, PAPER)
    replayed = entry("new", result("official/qwen3_32b/aime-24", 0.5, 26 / 30))
    table = board_table(library(replayed, published=(figure,)), False, Selection())
    assert [column.group for column in table.columns if column.group] == ["Qwen3-32B · AIME24"] * 2
    # 26 of 30 is what a paper prints as 86.7: a tie.
    assert cell(table, "new", "qwen332b.aime24.accuracy").underlined
    assert cell(table, "cons@512", "qwen332b.aime24.accuracy", mark="†").underlined
    assert cell(table, "new", "qwen332b.aime24.tokens_1e8").bold
    # marked among publications, though a replay needs fewer
    assert cell(table, "cons@512", "qwen332b.aime24.tokens_1e8", mark="†").bold


def test_pools_with_other_traces_have_columns_of_their_own() -> None:
    figure = PublishedFigure("cons@512", "M", "AIME24", 2.0, 0.867, PAPER)
    one = entry("one", result("a/m/aime24", 0.5, 0.5))
    other = entry("other", result("b/m/aime24", 0.4, 0.5, version="12345678"))
    table = board_table(library(one, other, published=(figure,)), False, Selection())
    assert {column.group for column in table.columns if column.group} == {
        "M · AIME24",
        "M · AIME24 (a)",
        "M · AIME24 (b#12345678)",
    }
    assert cell(table, "one", "m.aime24.a.tokens_1e8").bold
    assert cell(table, "other", "m.aime24.b#12345678.tokens_1e8").bold
    assert cell(table, "cons@512", "m.aime24.a.accuracy", mark="†").text == ""


def test_a_number_that_nothing_can_have_does_not_widen_its_column() -> None:
    found = library(entry("odd", result("d/m/b", 1e300, 0.5)))
    assert cell(board_table(found, False, Selection()), "odd", "m.b.tokens_1e8").text == "1e+300"


def test_models_that_most_entries_ran_on_stand_first() -> None:
    found = library(
        entry("one", result("d/alpha/b", 1, 0.5), result("d/zeta/b", 1, 0.5)),
        entry("two", result("d/zeta/b", 1, 0.5)),
        entry("three", result("d/beta/b", 1, 0.5), result("d/beta/c", 1, 0.5)),
    )
    columns = [(each.model, each.benchmark) for each in pool_columns(found, False)]
    assert columns == [("zeta", "b"), ("alpha", "b"), ("beta", "b"), ("beta", "c")]


def test_models_that_something_ran_on_stand_before_those_with_published_figures_alone() -> None:
    published = (
        PublishedFigure("cons@512", "Large", "AIME24", 3.5, 0.8, PAPER),
        PublishedFigure("cons@512", "Small", "AIME24", 3.5, 0.8, PAPER),
    )
    found = library(
        entry("own", result("d/zeta/b", 1, 0.5), result("d/small/gpqa", 1, 0.5)),
        published=published,
    )
    columns = [(each.model, each.benchmark) for each in pool_columns(found, False)]
    assert columns == [("Small", "AIME24"), ("Small", "gpqa"), ("zeta", "b"), ("Large", "AIME24")]


def test_pools_whose_names_say_little_still_have_columns_of_their_own() -> None:
    """Names that strangers make up: no dataset, the same but for case, nothing but signs."""
    names = ["/m/b", "/M/b", "/-/b", "/_/b"]
    found = library(
        *(entry(str(number), result(name, 1, 0.5)) for number, name in enumerate(names))
    )
    keys = [column.key for column in pool_columns(found, False)]
    assert len(set(keys)) == len(names)


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [(0.0006, "0.00060"), (0.00123, "0.0012"), (0.05, "0.050"), (0.42, "0.42"), (10.9, "10.90")],
)
def test_small_token_counts_keep_digits_that_say_something(tokens: float, shown: str) -> None:
    table = board_table(library(entry("e", result("d/m/b", tokens, 0.5))), False, Selection())
    assert cell(table, "e", "m.b.tokens_1e8").text == shown


def test_a_long_board_is_cut_after_sorting_and_says_so() -> None:
    found = library(*(entry(str(number), result("d/m/b", number, 0.5)) for number in range(5)))
    table = board_table(found, False, Selection())
    cut = first_rows(sorted_by(table, Order("m.b.tokens_1e8", descending=True)), 2)
    assert methods(cut) == ["4", "3"]
    assert cut.notes[0] == "The first 2 of 5 rows; CSV, Markdown and LaTeX have all of them."
    assert first_rows(table, 5) == first_rows(table, None) == table


def test_withdrawn_unranked_and_broken_ones_have_no_best_figure() -> None:
    entries = [
        entry("withdrawn", result("d/m/b", 0.1, 1.0), badge="withdrawn", withdrawn="A mistake."),
        entry("oracle", result("d/m/b", 0.2, 1.0), unranked=True),
        entry("broken", result("d/m/b", 0.3, 1.0), badge=None),
        entry("sound", result("d/m/b", 0.4, 0.9)),
        entry("tied", result("d/m/b", 0.4, 0.8)),
    ]
    table = board_table(library(*entries), False, Selection())
    keys = [column.key for column in table.columns]
    tokens, accuracy = keys.index("m.b.tokens_1e8"), keys.index("m.b.accuracy")
    bold = [row[0].text for row in table.rows if row[tokens].bold]
    underlined = [row[0].text for row in table.rows if row[accuracy].underlined]
    assert (bold, underlined) == (["sound", "tied"], ["sound"])
    assert "Withdrawn: A mistake." in cell(table, "withdrawn", "m.b.accuracy").note


def test_filters_change_neither_what_is_best_nor_any_figure() -> None:
    entries = [
        entry("best", result("d/m/b", 0.1, 0.9), needs=("text",)),
        entry("next", result("d/m/b", 0.2, 0.8)),
    ]
    table = board_table(library(*entries), False, Selection(needs=("none",)))
    assert methods(table) == ["next"]
    assert not cell(table, "next", "m.b.tokens_1e8").bold


def test_each_filter_leaves_what_it_names() -> None:
    found = library(
        entry("old", result("d/m/b", 1, 0.5), date="2025-01-01", needs=("confidence",)),
        entry("undated", result("d/m/c", 1, 0.5), date=None, needs=("judge", "text")),
        entry("new", result("d/n/b", 1, 0.5), date="2026-01-01", badge="local"),
    )

    def left(**fields: Any) -> list[str]:
        return sorted(methods(board_table(found, False, Selection(**fields))))

    assert left() == ["new", "old", "undated"]
    assert left(models=("m",)) == ["old", "undated"]
    assert left(models=("m",), benchmarks=("b",)) == ["old"]
    assert left(badges=("local",)) == ["new"]
    assert left(needs=("text",)) == ["undated"]
    assert left(needs=("none", "confidence")) == ["new", "old"]
    assert left(since="2025-06-01") == ["new"]
    assert left(since="2025-01-01", until="2025-01-01") == ["old"]


def test_filtered_models_take_the_other_columns_away() -> None:
    found = library(entry("e", result("d/m/b", 1, 0.5), result("d/n/b", 1, 0.5)))
    table = board_table(found, False, Selection(models=("n",)))
    assert {column.group for column in table.columns if column.group} == {"n · b"}


def test_every_column_but_the_first_can_be_hidden() -> None:
    found = library(entry("e", result("d/m/b", 1, 0.5)))
    names = hideable(pool_columns(found, False))
    assert names[-1] == "m · b"
    table = board_table(found, False, Selection(hidden=tuple(names)))
    assert [column.key for column in table.columns] == ["method"]
    assert hide(table, ["Method"]) == table


def test_an_empty_cell_says_why() -> None:
    found = library(
        entry("needs", result("d/m/a", 1, 0.5), needs=("confidence", "judge")),
        entry("idle", result("d/m/a", 1, 0.5)),
        entry("gone", result("d/m/a", None, 0.5), badge="withdrawn"),
        entry("on b", result("d/m/b", 1, 0.5)),
        entry("gone b", result("d/m/b", 1, 0.5), badge="withdrawn"),
        published=(PublishedFigure("p", "M", "C", 1.0, 0.5, PAPER),),
        pools=({"name": "d/m/b", "signals": ["text"], "fingerprint": "f"},),
    )
    table = board_table(found, False, Selection())
    why = {name: cell(table, name, "m.b.accuracy").note for name in ("needs", "idle", "gone")}
    assert why == {
        "needs": "The pool has no confidence, which the method needs.",
        "idle": "Not run on d/m/b.",
        "gone": "Withdrawn, and not run on d/m/b.",
    }
    assert cell(table, "gone", "m.a.tokens_1e8").note == "Not in its summary."


def test_another_version_of_a_pool_is_named_as_the_reason() -> None:
    one = entry("one", result("d/m/b", 1, 0.5, version="1"))
    two = entry("two", result("d/m/b", 1, 0.5, version="2"))
    table = board_table(library(one, two), False, Selection())
    assert cell(table, "one", "m.b.d#2.accuracy").note == "Run on another version of this pool."


def test_synthetic_figures_never_stand_among_real_ones() -> None:
    both = entry("both", result("d/m/b", 1, 0.5), result("generated/m/b", 2, 0.9, synthetic=True))
    made = entry("made", result("generated/m/b", 3, 0.9, synthetic=True))
    figure = PublishedFigure("p", "M", "B", 1.0, 0.5, PAPER)
    found = library(both, made, published=(figure,))
    assert kinds(found) == [False, True]
    real = board_table(found, False, Selection())
    synthetic = board_table(found, True, Selection())
    assert methods(real) == ["both", "p†"]
    assert cell(real, "both", "m.b.tokens_1e8").text == "1.00"
    assert methods(synthetic) == ["both", "made"]
    assert cell(synthetic, "both", "m.b.tokens_1e8").text == "2.00"
    assert kinds(library()) == []


def test_estimated_token_counts_are_marked() -> None:
    found = library(entry("e", result("d/m/b", 1, 0.5, token_accuracy="estimated")))
    table = board_table(found, False, Selection())
    assert [column.heading for column in table.columns if column.group] == [
        "Tokens, 10⁸ ≈",
        "Accuracy, %",
    ]
    assert table.notes[-1] == "≈ Token counts are estimates."


def test_links_lead_to_the_entry_its_paper_and_its_code() -> None:
    figure = PublishedFigure("p", "M", "B", 1.0, 0.5, PAGE)
    replayed = entry("a b", result("d/m/b", 1, 0.5), paper="https://x.org/a")
    table = board_table(library(replayed, published=(figure,)), False, Selection())
    assert cell(table, "a b", "method").link == "entry?entry=a+b"
    assert cell(table, "a b", "paper").link == "https://x.org/a"
    assert cell(table, "a b", "code").note == "Not stated."
    assert cell(table, "p", "code", mark="†").link == "https://x.org/c"


def test_texts_of_strangers_are_shown_as_text() -> None:
    hostile = '<img src=x onerror=alert(1)> " [x](javascript:alert(1))'
    each = entry(
        "e",
        result("d/<b>/<i>", 1, 0.5),
        result("d/m/b", 1, 0.5),
        id=hostile,
        label=hostile,
        organisation=hostile,
        description=hostile,
        paper="javascript:alert(1)",
        badge="withdrawn",
        withdrawn=hostile,
    )
    found = library(each)
    standing = {each.id: Place()}
    for table in (
        board_table(found, False, Selection()),
        combined_table(found, standing, False, Selection()),
    ):
        html = as_html(table)
        assert "&lt;img src=x onerror=alert(1)&gt; &quot;" in html
        assert not re.findall(r"<(?:img|b|i)\b", html.replace("<b>1.00</b>", ""))
        assert not re.search(r'href="(?!https://|entry\?entry=)', html)


def test_a_run_that_was_submitted_stands_there_once_with_its_name_as_a_note() -> None:
    same = result("d/m/b", 1, 0.5)
    run = entry("runs/x", same, badge="local", policy="p", answers_sha256="a")
    verifiers = result("d/m/b", 1, 0.55)  # whose own figures are shown
    packed = entry("2026-x", verifiers, policy="p", answers_sha256="a")
    other = entry("runs/y", same, badge="local", policy="p", answers_sha256="b")
    entries, runs = folded(library(packed, run, other))
    assert [each.id for each in entries] == ["2026-x", "runs/y"]
    assert runs == {"2026-x": ["runs/x"]}
    table = board_table(library(packed, run, other), False, Selection())
    assert "The same as the local run runs/x." in cell(table, "2026-x", "method").note


@pytest.mark.parametrize("badge", [None, "withdrawn"])
def test_a_run_stays_where_its_submission_does_not_count(badge: str | None) -> None:
    same = result("d/m/b", 1, 0.5)
    run = entry("runs/x", same, badge="local", policy="p", answers_sha256="a")
    packed = entry("2026", same, badge=badge, policy="p", answers_sha256="a")
    assert folded(library(packed, run)) == ([packed, run], {})


def test_the_combined_view_of_a_baseline_is_zero_against_itself(small: Folders) -> None:
    found = load(small)
    standing = places(found, False)
    table = combined_table(found, standing, False, Selection())
    assert cell(table, "cons@8", "reduction").text == "0.0 [0.0, 0.0]"
    assert cell(table, "cons@8", "accuracy_difference").value == 0.0
    rank = cell(table, "cons@8", "rank")  # nobody to compare it with: shown as a dash
    assert (rank.text, rank.value) == ("", None)
    assert rank.note
    assert cell(table, "cons@8", "compared").text.startswith("Not verified (local)")
    assert places(found, True) == {}


def test_the_combined_view_says_how_each_was_compared() -> None:
    pool = result("d/m/b", 1, 0.5)
    found = library(
        entry("a", pool),
        entry("b", pool, result("g/m/b", 1, 0.5, synthetic=True)),
        entry("alone", result("d/m/c", 1, 0.5)),
        entry("oracle", pool, unranked=True),
        entry("silent", pool),
    )
    saved, gained = Metric(0.25, 0.2, 0.3), Contrast(Metric(-0.01, -0.02, 0.0), 4, 0.034)
    pools = ("d/m/b",)
    standing = {
        "a": Place(saved, gained, 1, 1, (), ("b",), 1, True, pools),
        "b": Place(Metric(0.5), gained, 2, 2, ("a",), (), 1, False, pools),
        "alone": Place(saved, gained, pools=pools),
        "oracle": Place(saved, gained, pools=pools),
        "silent": Place(pools=pools),
    }
    table = combined_table(found, standing, False, Selection())
    assert methods(table) == ["a", "b", "alone", "silent", "oracle"]
    assert cell(table, "a", "reduction").text == "25.0 [20.0, 30.0]"
    assert cell(table, "a", "accuracy_difference").text == "-1.0 [-2.0, +0.0]"
    assert cell(table, "a", "compared").text == "1 of 2"  # the other is the one that is alone
    assert cell(table, "a", "accuracy_difference").mark == "§"  # rests on four problems
    assert "3.4 points" in cell(table, "a", "accuracy_difference").note
    assert cell(table, "a", "not_worse").text == "no"  # its interval begins at -2 points
    assert cell(table, "b", "rank").note == "Significantly better: a. Significantly worse: none."
    assert cell(table, "b", "pools").text == "1"  # its synthetic one does not count
    assert [cell(table, name, "pareto").text for name in ("a", "b", "alone")] == ["yes", "no", ""]
    assert cell(table, "alone", "compared").text == f"{ELSEWHERE} They are: d/m/b."
    assert cell(table, "oracle", "compared").text.startswith("Uses ground truth")
    assert cell(table, "silent", "compared").text == WITHOUT_ANSWERS


def test_withdrawn_and_broken_ones_are_listed_last_with_the_reason(full_library: Library) -> None:
    standing = places(full_library, False)
    table = combined_table(full_library, standing, False, Selection())
    by_name = {row[0].text: row for row in table.rows}
    (place,) = [index for index, each in enumerate(table.columns) if each.key == "compared"]
    assert by_name["Taken back"][place].text == "Withdrawn: A mistake in the prompt."
    assert by_name["Taken back"][1].value is None
    ranks = [row[1].value for row in table.rows]
    known = [rank for rank in ranks if rank is not None]
    assert ranks == [*sorted(known, key=float), *[None] * (len(ranks) - len(known))]
    assert len(known) == sum(each.ranked for each in contenders(full_library, False)) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"badge": "recomputed", "basis": "recomputed"},
        {"badge": "self-reported", "basis": "recomputed"},
        {"badge": "self-reported", "basis": "answers"},
        {"badge": "local", "basis": "recomputed"},
        {"badge": "synthetic", "basis": "recomputed"},
        {"badge": "withdrawn", "withdrawn": "A mistake."},
        {"badge": "superseded", "superseded_by": "better"},
        {"badge": None},
        {"unranked": True},
        {"badge": "verified", "basis": "recomputed"},  # without the verifier's own replays
    ],
    ids=lambda fields: ",".join(map(str, fields.values())),
)
def test_only_verified_entries_have_marks_and_ranks_and_all_others_stand_apart(
    fields: dict[str, Any],
) -> None:
    sound = [entry(name, result("d/m/b", 2.0, 0.5)) for name in ("one", "two")]
    apart = entry("apart", result("d/m/b", 0.1, 1.0), **fields)
    found = library(*sound, apart)
    first, second = board_sections(found, False, Selection())
    assert (methods(first.table), methods(second.table)) == (["one", "two"], ["apart"])
    cells = [cell for row in second.table.rows for cell in row]
    assert not any(cell.bold or cell.underlined for cell in cells)
    assert cell(first.table, "one", "m.b.tokens_1e8").bold
    assert cell(first.table, "one", "m.b.accuracy").underlined
    assert [each.name for each in (first, second)] == ["verified", "apart"]
    place = Place(Metric(0.9))
    standing = {each.id: place for each in (*sound, apart)}
    *_, last = combined_sections(found, standing, False, Selection())
    assert methods(last.table) == ["apart"]
    rank = cell(last.table, "apart", "rank")  # shown as a dash
    assert (rank.text, rank.value) == ("", None)
    assert rank.note


def test_published_figures_are_a_section_marked_among_themselves() -> None:
    figure = PublishedFigure("p", "M", "B", 0.1, 0.99, PAPER)
    found = library(entry("one", result("d/m/b", 2.0, 0.5)), published=(figure,))
    first, second = board_sections(found, False, Selection())
    assert [each.name for each in (first, second)] == ["verified", "published"]
    assert cell(first.table, "one", "m.b.tokens_1e8").bold
    assert cell(second.table, "p", "m.b.tokens_1e8", mark="†").bold


def test_a_row_tells_the_sweep_that_it_was_picked_from_its_version_and_its_successor() -> None:
    found = library(
        entry("new", result("d/m/b", 1, 0.5), sweep_settings=12, version="2", supersedes="old"),
        entry("old", result("d/m/b", 1, 0.5), badge="superseded", superseded_by="new"),
        entry("alone", result("d/m/b", 1, 0.5), sweep_settings=1),
    )
    table = board_table(found, False, Selection())
    assert "One of 12 settings tried on these problems." in cell(table, "new", "method").note
    assert "One of 12 settings" in cell(table, "new", "m.b.accuracy").note
    assert "Version 2." in cell(table, "new", "method").note
    assert "Superseded by new." in cell(table, "old", "method").note
    assert "settings tried" not in cell(table, "alone", "method").note


def test_a_row_tells_a_cost_of_probes_that_was_given() -> None:
    free = replace(result("d/m/b", 1, 0.5), probe_cost="0+0", probe_source="given")
    usual = replace(result("d/m/b", 1, 0.5), probe_cost="10+20", probe_source="default")
    found = library(entry("free", free), entry("usual", usual))
    said = "Probes cost 0 tokens by --probe-cost."
    standing = {name: Place() for name in ("free", "usual")}
    table = board_table(found, False, Selection())
    combined = combined_table(found, standing, False, Selection())
    for name, told in (("free", True), ("usual", False)):
        notes = [cell(table, name, key).note for key in ("method", "m.b.accuracy")]
        notes.append(cell(combined, name, "method").note)
        assert [said in note for note in notes] == [told] * 3


def test_ranks_and_sums_come_from_the_figures_that_are_shown(full_library: Library) -> None:
    entry = full_library.by_id["2026-11-20-checked-asc"]
    assert entry.figures == entry.path / "verified"
    (own,) = [each for each in contenders(full_library, False) if each.id == entry.id]
    for pool, sums in own.sums.items():
        result = entry.results[pool.pool]
        share = sums.correct.sum() / (sums.repeats * len(sums.problem_ids))
        assert share == pytest.approx(result.metrics["accuracy"].value)


def test_a_submitted_run_is_ranked_once(full_library: Library) -> None:
    ids = [each.id for each in contenders(full_library, False)]
    assert "2026-11-20-short" in ids
    assert "runs/short-3-8" not in ids
    assert "runs/esc" in ids  # its submission was withdrawn


def test_filters_move_nobody(full_library: Library) -> None:
    standing = places(full_library, False)
    everyone = combined_table(full_library, standing, False, Selection())
    some = combined_table(full_library, standing, False, Selection(needs=("probes",)))
    links = {row[0].link for row in some.rows}
    assert links == {"entry?entry=runs%2Fparallel-probe", "entry?entry=runs%2Fsac"}
    assert set(some.rows) < set(everyone.rows)
    assert not combined_table(full_library, standing, False, Selection(models=("other",))).rows
