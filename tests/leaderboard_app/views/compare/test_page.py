"""The page Compare as readers get it, with nothing, a little and everything there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from shown_folders import write_local_run
from streamlit.testing.v1 import AppTest

from leaderboard_app.library.folders import Folders
from leaderboard_app.shown.chosen_entries import as_parameter, ids_in
from simulator.pools.pool import Pool

Open = Callable[..., AppTest]


def texts(app: AppTest) -> str:
    """All texts on the page, without the backslashes of Markdown."""
    found = "\n".join(
        each.value for each in (*app.markdown, *app.caption, *app.info, *app.warning, *app.text)
    )
    return found.replace("\\", "")


def test_ids_with_commas_and_signs_come_through_a_link() -> None:
    ids = ["runs/m=1,w=2", "a%2Cb", "ü [x]"]
    assert ids_in(as_parameter(ids)) == ids
    assert ids_in(",a,,a,") == ["a"]
    assert ids_in(None) == []


def test_empty_says_what_to_run(open_app: Open, empty: Folders) -> None:
    app = open_app(empty, "compare")
    assert not app.exception
    assert app.code[0].value.startswith("deepprune-sim run ")
    assert [each.value.split()[1] for each in app.code] == ["run", "run"]


@pytest.mark.parametrize("entries", [None, "runs/cons", "nobody,<b>x</b>"])
def test_small_asks_for_two(open_app: Open, small: Folders, entries: str | None) -> None:
    app = open_app(small, "compare", **({"entries": entries} if entries else {}))
    assert not app.exception
    assert app.title[0].value == "Compare"
    assert "Choose two or more entries" in texts(app)
    assert ("Not found, and left out: nobody, <b>x</b>." in texts(app)) == (
        entries is not None and entries.startswith("nobody")
    )


def test_without_a_link_the_best_methods_are_compared(open_app: Open, full: Folders) -> None:
    app = open_app(full, "compare")
    assert not app.exception
    chosen = ["2026-11-20-checked-cons", "2026-11-20-checked-asc"]
    assert app.multiselect[0].value[:2] == chosen
    assert app.title[0].value.startswith("Checked asc")
    assert " against Checked majority" in app.title[0].value
    assert "An example: the best methods of the board" in texts(app)
    (own,) = (each.proto for each in app.get("page_link") if "Link to" in each.proto.label)
    assert ids_in(parse_qs(own.query_string)["entries"][0]) == app.multiselect[0].value
    app.multiselect[0].unselect(chosen[1]).run()
    assert not app.exception
    assert chosen[1] not in app.query_params["entries"]
    assert "An example" not in texts(app)


def test_the_title_names_the_entries_and_their_pool(open_app: Open, small: Folders) -> None:
    write_local_run(small, "short", "short-3@8", [Pool(small.cache / "recorded/model-a/bench-1")])
    try:
        app = open_app(small, "compare", entries="runs/cons,runs/short")
    finally:
        shutil.rmtree(small.runs / "short")
    assert not app.exception
    assert app.title[0].value.replace("\\", "") == "short-3@8 against cons@8 on bench-1"


def test_a_chip_removes_the_filter_of_problems(open_app: Open, full: Folders) -> None:
    app = open_app(full, "compare", entries="runs/cons-8,runs/esc", which="Where they differ")
    (chip,) = (each for each in app.button if "problems" in each.label)
    chip.click().run()
    assert not app.exception
    assert app.segmented_control(key="which").value == "All"
    assert not [each for each in app.button if "problems" in each.label]


def test_two_entries_are_compared_over_all_pools(open_app: Open, full: Folders) -> None:
    app = open_app(full, "compare", entries="runs/cons-8,runs/short-3-8")
    assert not app.exception
    assert app.multiselect[0].value == ["runs/cons-8", "runs/short-3-8"]
    assert "than cons@8" in texts(app)
    assert "on average over 3 pools" in texts(app)
    assert len(app.get("vega_lite_chart")) == 1
    assert [each.value for each in app.header] == ["Problem by problem"]


@pytest.mark.parametrize("by", ["Tokens", "Right answers"])
def test_three_have_a_matrix_and_a_choice_of_whom_to_draw(
    open_app: Open, full: Folders, by: str
) -> None:
    app = open_app(
        full,
        "compare",
        entries="runs/cons-8,runs/esc,2026-11-21-hostile",
        axis=by,
        which="Where they differ",
        **{"with": "2026-11-21-hostile"},
    )
    assert not app.exception
    assert [each.value for each in app.header] == ["All pairs", "Problem by problem"]
    assert app.selectbox(key="chosen-with").value == "2026-11-21-hostile"
    assert "Accuracy of the row minus that of the column" in texts(app)


def test_no_pool_in_common_is_said(open_app: Open, full: Folders) -> None:
    app = open_app(full, "compare", entries="runs/cons-8,2026-11-22-asc")
    assert not app.exception
    assert "share no recorded pool with the same traces" in texts(app)
    assert "Nothing to compare" in texts(app)


def test_generated_pools_are_compared_apart(open_app: Open, full: Folders) -> None:
    app = open_app(full, "compare", entries="2026-11-22-asc,2026-11-22-esc")
    assert not app.exception
    assert "says nothing about the method" in texts(app)
    assert "on average over 9 pools" in texts(app)


def test_choosing_changes_the_link(open_app: Open, full: Folders) -> None:
    app = open_app(full, "compare", entries="runs/cons-8")
    app.multiselect[0].select("runs/esc").run()
    assert not app.exception
    assert app.query_params["entries"] == "runs/cons-8,runs/esc"
    assert "cons@8" in texts(app)
