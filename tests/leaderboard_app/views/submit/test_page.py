"""The page Submit as readers get it, with nothing, a little and everything there."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from leaderboard_app.library.folders import Folders
from leaderboard_app.shown.palette import BADGES
from leaderboard_app.shown.submitting import FAQ

Open = Callable[..., AppTest]


def commands(app: AppTest) -> list[str]:
    """Return the commands that the page shows."""
    return [each.value for each in app.code if each.language == "sh"]


def test_empty_shows_how_to_make_a_first_row(open_app: Open, empty: Folders) -> None:
    app = open_app(empty, "submit")
    assert not app.exception
    words = [" ".join(each.split()[1:3]) for each in commands(app)]
    assert words == [
        "run short-3@16",
        "submit " + commands(app)[1].split()[2],
        "check first_three.py",
        "run first_three.py",
        "report " + commands(app)[4].split()[2],
        "submit " + commands(app)[5].split()[2],
        "verify " + commands(app)[6].split()[2],
    ]


def test_small_names_its_pool_and_budget(open_app: Open, small: Folders) -> None:
    app = open_app(small, "submit")
    assert not app.exception
    assert "-d recorded/model-a/bench-1 -n 8" in commands(app)[0]
    assert [each.value for each in app.header] == [
        "1. Run your method",
        "2. Look at the results",
        "3. Pack the run",
        "4. Verify and send the submission",
        "What verification does",
        "Badges",
        "Questions",
    ]
    assert {question for question, _ in FAQ} <= {each.label for each in app.expander}
    said = " ".join(each.value for each in app.markdown)
    assert all(f"{name.replace('-', chr(92) + '-')}**" in said for name in BADGES)


def test_full_offers_real_pools_first_and_says_what_is_synthetic(
    open_app: Open, full: Folders
) -> None:
    app = open_app(full, "submit")
    assert not app.exception
    assert app.selectbox[0].value == "recorded/model-a/bench-1"
    app.selectbox[0].select("generated/qwen3-32b/aime25").run()
    assert not app.exception
    assert "-d generated/qwen3-32b/aime25 -n 32" in commands(app)[0]
    assert any("synthetic" in each.value for each in app.caption)


def test_a_link_to_no_pool_says_so(open_app: Open, small: Folders) -> None:
    app = open_app(small, "submit", pool="no/such/pool")
    assert not app.exception
    assert "There is no pool" in app.warning[0].value
    assert "recorded/model-a/bench-1" in commands(app)[0]
