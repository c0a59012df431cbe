"""The page Judges as readers get it, with nothing, a little and everything there."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from checkout import ROOT
from streamlit.testing.v1 import AppTest

from judges.scores.generated import score_generated
from leaderboard_app.library.folders import Folders
from simulator.generated.cells import SIZES, select_cells
from simulator.generated.pools import make_pool, pool_folder

Open = Callable[..., AppTest]

CELLS = "qwen3-32b/aime2*"


@pytest.fixture(scope="module")
def judged_folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Two generated pools with scores of all their pairs, and the published figures."""
    root = tmp_path_factory.mktemp("judged")
    folders = Folders(root / "pools", root / "runs", root / "submissions")
    for cell in select_cells([CELLS]):
        make_pool(folders.cache, cell, SIZES["small"])
        score_generated(folders.cache, pool_folder(folders.cache, cell))
    folders.submissions.mkdir()
    published = ROOT / "submissions" / "published.toml"
    shutil.copy(published, folders.submissions)
    return folders


def headings(app: AppTest) -> list[str]:
    """All headings on the page, the larger ones first."""
    return [each.value for each in (*app.title, *app.header, *app.subheader)]


def test_empty_says_which_command_makes_scores(open_app: Open, empty: Folders) -> None:
    app = open_app(empty, "judges")
    assert not app.exception
    assert "No judge scores" in app.info[0].value
    assert any(each.value.startswith("deepprune-sim judge score") for each in app.code)
    assert "Quality on this pool" not in headings(app)


def test_small_has_no_scores_either(open_app: Open, small: Folders) -> None:
    app = open_app(small, "judges")
    assert not app.exception
    assert "No judge scores" in app.info[0].value


def test_full_shows_published_figures_without_any_scores(open_app: Open, full: Folders) -> None:
    app = open_app(full, "judges")
    assert not app.exception
    assert "Published judges" in headings(app)
    assert "Published" in headings(app)


def test_scores_are_held_against_answers(open_app: Open, judged_folders: Folders) -> None:
    app = open_app(judged_folders, "judges")
    assert not app.exception
    assert headings(app) == [
        "Judges on aime24",
        "Quality on this pool",
        "Published judges",
        "The threshold τ",
        "ROC",
        "Calibration",
        "Published",
    ]
    assert any("generated traces" in each.value for each in app.warning)
    assert app.selectbox[0].value == "generated/qwen3-32b/aime24"
    assert "An example: the first pool with stored scores" in app.caption[0].value


def test_a_link_names_a_pool(open_app: Open, judged_folders: Folders) -> None:
    app = open_app(judged_folders, "judges", pool="generated/qwen3-32b/aime25")
    assert not app.exception
    assert app.selectbox[0].value == "generated/qwen3-32b/aime25"
    assert not any("no scores" in each.value for each in app.warning)


def test_a_link_to_no_pool_says_so(open_app: Open, judged_folders: Folders) -> None:
    app = open_app(judged_folders, "judges", pool="no/such/pool", quality="-nothing")
    assert not app.exception
    assert "There are no scores" in app.warning[0].value
    assert app.selectbox[0].value == "generated/qwen3-32b/aime24"
