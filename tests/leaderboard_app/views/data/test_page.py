"""The page Data as readers get it, with nothing, a little and everything there."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from leaderboard_app.library.folders import Folders

Open = Callable[..., AppTest]


def headings(app: AppTest) -> list[str]:
    """All headings on the page."""
    return [each.value for each in (*app.title, *app.header, *app.subheader)]


def test_empty_says_what_to_run(open_app: Open, empty: Folders) -> None:
    app = open_app(empty, "data")
    assert not app.exception
    assert "There are no pools" in app.info[0].value
    assert f"deepprune-sim data sample --cache {empty.cache}" in [each.value for each in app.code]


def test_small_opens_its_pool(open_app: Open, small: Folders) -> None:
    app = open_app(small, "data")
    assert not app.exception
    assert headings(app) == [
        "Traces of bench\\-1",
        "recorded/model\\-a/bench\\-1",
        "pass@k and cons@k",
        "Lengths",
        "Answers",
        "Redundancy",
        "Problems",
    ]


def test_full_keeps_synthetic_pools_apart(open_app: Open, full: Folders) -> None:
    app = open_app(full, "data")
    assert not app.exception
    (switch,) = app.segmented_control
    assert switch.value == "real"
    assert headings(app)[0] == "Traces of model\\-a/bench\\-1"
    assert "An example: the pool that most entries use" in app.caption[0].value
    assert app.selectbox[0].value == "recorded/model-a/bench-1"
    assert app.selectbox[0].options[:3] == [
        "recorded/model-a/bench-1",
        "recorded/model-a/bench-2",
        "recorded/model-b/bench-1",
    ]
    assert len(app.selectbox[0].options) == 12
    assert any("broken" in each.label for each in app.expander)


def test_a_link_opens_a_pool(open_app: Open, full: Folders) -> None:
    app = open_app(full, "data", pool="generated/qwen3-32b/aime25", data="synthetic")
    assert not app.exception
    assert app.selectbox[0].value == "generated/qwen3-32b/aime25"
    assert not any("An example" in each.value for each in app.caption)
    assert app.segmented_control[0].value == "synthetic"
    assert any("generated traces" in each.value for each in app.warning)
    assert "Problems" in headings(app)


def test_a_link_to_no_pool_says_so(open_app: Open, small: Folders) -> None:
    app = open_app(small, "data", pool="no/such/<b>pool</b>", pools="nothing")
    assert not app.exception
    assert "There is no pool" in app.warning[0].value
    assert "<b>" not in app.warning[0].value
    assert "another is shown" in app.warning[0].value
    assert headings(app)[0] == "Traces of bench\\-1"
