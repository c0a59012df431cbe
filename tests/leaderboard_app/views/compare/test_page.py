"""The page Compare as readers get it, with nothing, a little and everything there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from leaderboard_app.library.folders import Folders
from leaderboard_app.shown.chosen_entries import as_parameter, ids_in

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
    assert "Choose two or more entries" in texts(app)
    assert ("Not found, and left out: nobody, <b>x</b>." in texts(app)) == (
        entries is not None and entries.startswith("nobody")
    )


def test_two_entries_are_compared_over_all_pools(open_app: Open, full: Folders) -> None:
    app = open_app(full, "compare", entries="runs/cons-8,runs/short-3-8")
    assert not app.exception
    assert app.multiselect[0].value == ["runs/cons-8", "runs/short-3-8"]
    assert "than cons@8" in texts(app)
    assert "on average over 3 pools" in texts(app)
    assert len(app.get("vega_lite_chart")) == 1
    assert [each.value for each in app.subheader] == ["Problem by problem"]


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
    assert [each.value for each in app.subheader] == ["All pairs", "Problem by problem"]
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
