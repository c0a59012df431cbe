"""The page Entry in every state that there can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from shown_folders import folders_in, write_recorded
from streamlit.testing.v1 import AppTest
from submitted import submit

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library
from leaderboard_app.shown.screen import plain
from simulator.pools.probe_cost import ProbeCost

Open = Callable[..., AppTest]


def texts(app: AppTest) -> str:
    """Everything that the page says in plain text."""
    kinds = (app.text, app.caption, app.info, app.warning, app.error, app.code, app.header)
    return "\n".join(str(each.value) for kind in kinds for each in kind)


def test_without_anything_it_says_what_to_run(empty: Folders, open_app: Open) -> None:
    app = open_app(empty, "entry")
    assert not app.exception
    assert "deepprune-sim run cons@16" in texts(app)


def test_without_a_choice_the_only_entry_is_shown(small: Folders, open_app: Open) -> None:
    app = open_app(small, "entry")
    assert not app.exception
    box = app.selectbox(key="chosen-entry")
    assert (box.options, box.value) == (["runs/cons"], "runs/cons")
    assert "The built-in method cons@8 of this version." in texts(app)


def test_without_a_choice_the_first_of_the_board_is_shown(
    full: Folders, full_library: Library, open_app: Open
) -> None:
    app = open_app(full, "entry")
    assert not app.exception
    # Two entries are verified, both right as often; asc has fewer tokens.
    assert app.title[0].value == plain("Checked asc (threshold=0.9)")
    assert "An example: the entry that stands first on the board" in texts(app)
    (own,) = (each.proto for each in app.get("page_link") if "Link to" in each.proto.label)
    assert own.query_string == "entry=2026-11-20-checked-asc"
    app.selectbox(key="chosen-entry").select("runs/esc").run()
    assert not app.exception
    assert app.title[0].value == plain(full_library.by_id["runs/esc"].label)
    assert app.query_params["entry"] == "runs/esc"
    assert "An example" not in texts(app)


def test_problems_are_sorted_by_saving_and_lead_to_their_replay(
    full: Folders, open_app: Open
) -> None:
    app = open_app(full, "entry", entry="2026-11-20-checked-asc")
    assert not app.exception
    assert "the problems on which it saved the most tokens come first" in texts(app)
    app.session_state["markdown-problems"] = True
    app.run()
    (table,) = (each.value for each in app.code if each.value.startswith("| Problem"))
    head, _, *rows = [line.split(" | ") for line in table.splitlines()]
    saved = [float(row[head.index("Fewer tokens, %")]) for row in rows]
    assert saved == sorted(saved, reverse=True)
    assert len(set(saved)) > 1


def test_a_run_shows_its_figures_command_and_citation(small: Folders, open_app: Open) -> None:
    app = open_app(small, "entry", entry="runs/cons")
    assert not app.exception
    said = texts(app)
    assert (
        "deepprune-sim run cons@8 -d recorded/model-a/bench-1 -n 8 --repeats 2 --seed 0"
        in said.splitlines()
    )
    assert "@misc{runs-cons," in said
    assert "deepprune-sim submit makes a submission of it" in said.replace("\\", "")
    assert "the entry saves 0.0%" in said  # cons@8 is what it is compared with


def test_a_cost_of_probes_that_was_given_stands_above_the_figures(
    tmp_path: Path, open_app: Open
) -> None:
    pool = write_recorded(tmp_path / "pools", "model-a", "bench-1")
    folder = submit(tmp_path, "sac", pool=pool, probe_cost=ProbeCost(0, 0))
    app = open_app(folders_in(tmp_path), "entry", entry=folder.name)
    assert not app.exception
    assert "Probes cost 0 tokens by --probe-cost." in texts(app)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("2026-11-22-sac", "Isolation of the policy during the rerun: built-in."),
        ("2026-11-20-short", "Not verified yet."),
        ("2026-11-20-taken-back", "Withdrawn: A mistake in the prompt"),
        ("runs/asc-0.9", "-p threshold=0.9"),
        ("runs/sac", "Policy"),
    ],
)
def test_full_folders(full: Folders, open_app: Open, entry: str, expected: str) -> None:
    app = open_app(full, "entry", entry=entry)
    assert not app.exception
    assert expected in texts(app).replace("\\", "")


def test_an_unknown_entry_is_answered_with_the_nearest_names(full: Folders, open_app: Open) -> None:
    app = open_app(full, "entry", entry="runs/ecs")
    assert not app.exception
    (warning,) = app.warning
    assert "runs/esc" in warning.value.replace("\\", "")
    assert [each.value for each in app.title] == ["Entry"]  # nothing of an entry
    assert not app.header


def test_a_hostile_entry_is_shown_as_what_can_be_believed_of_it(
    full: Folders, open_app: Open
) -> None:
    app = open_app(full, "entry", entry="2026-11-21-hostile")
    assert not app.exception
    kinds = (app.title, app.markdown, app.text, app.get("html"), app.code)
    shown = [str(getattr(each, "value", each)) for kind in kinds for each in kind]
    assert not any("<img" in each or "javascript:" in each for each in shown)
    assert "! broken" in texts(app)


def test_a_pool_that_it_has_no_figures_on_is_said(full: Folders, open_app: Open) -> None:
    app = open_app(full, "entry", entry="runs/sac", pool="no/such/pool")
    assert not app.exception
    assert "no figures on" in app.warning[0].value
    assert app.selectbox(key="chosen-pool").value == "recorded/model-a/bench-1"


def test_links_lead_on_to_compare_and_to_the_pool(open_app: Open, full: Folders) -> None:
    app = open_app(full, "entry", entry="2026-11-20-short")
    (link,) = (each.proto for each in app.get("page_link") if "Compare" in each.proto.label)
    assert (link.page, link.query_string) == ("compare", "entries=2026-11-20-short")


def test_a_submission_is_verified_where_the_board_has_it(full: Folders, open_app: Open) -> None:
    app = open_app(full, "entry", entry="2026-11-20-short")
    assert not app.exception
    folder = full.submissions / "2026-11-20-short"
    assert f"deepprune-sim verify {folder}" in texts(app).splitlines()
