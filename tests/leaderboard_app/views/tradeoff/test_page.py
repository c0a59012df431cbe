"""The page Trade-off as readers get it, with nothing, a little and everything there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from leaderboard_app.library.folders import Folders

Open = Callable[..., AppTest]

PLACE = "recorded/model-a/bench-1"


def texts(app: AppTest) -> str:
    """All texts on the page."""
    return "\n".join(
        each.value
        for each in (*app.title, *app.markdown, *app.caption, *app.info, *app.warning, *app.text)
    )


def title(app: AppTest) -> str:
    """Return the page's title, without escapes."""
    (found,) = app.title
    return found.value.replace("\\", "")


def test_empty_says_what_to_run(open_app: Open, empty: Folders) -> None:
    app = open_app(empty, "tradeoff")
    assert not app.exception
    assert "no run and no submission yet" in app.info[0].value
    assert app.code[0].value.startswith("deepprune-sim run ")
    assert [each.value.split()[1] for each in app.code] == ["run", "run"]


def test_small_shows_its_one_entry(open_app: Open, small: Folders) -> None:
    app = open_app(small, "tradeoff")
    assert not app.exception
    assert "1 entry compared" in texts(app)
    assert "deepprune-sim run esc -n 8,16,32,64" in texts(app)  # no method has several N
    assert len(app.get("vega_lite_chart")) == 1
    assert "Traces" not in [
        each.label for each in app.segmented_control
    ]  # there is nothing synthetic


def test_full_keeps_generated_pools_apart(open_app: Open, full: Folders) -> None:
    app = open_app(full, "tradeoff")
    assert not app.exception
    assert all(each.startswith("recorded/") for each in app.multiselect(key="pools").options)
    app = open_app(full, "tradeoff", data="synthetic")
    assert not app.exception
    assert all(each.startswith("generated/") for each in app.multiselect(key="pools").options)
    assert "says nothing about the method" in texts(app)


@pytest.mark.parametrize("cost", ["Tokens", "Tokens with judge", "Clock"])
@pytest.mark.parametrize("pools", [[PLACE], [PLACE, "recorded/model-b/bench-1"]])
def test_every_axis_is_there_on_a_pool_and_averaged(
    open_app: Open, full: Folders, cost: str, pools: list[str]
) -> None:
    app = open_app(full, "tradeoff", cost=cost, pools=pools, log="false")
    assert not app.exception
    assert len(app.get("vega_lite_chart")) >= 1
    # two verified submissions; runs of esc, sac, parallel-probe and two of asc, two submissions
    assert "2 entries ranked, 7 drawn beside them, 2 not drawn." in texts(app).replace("\\", "")
    labels = [each.label for each in app.expander]
    assert any("2 withdrawn, superseded or broken" in each for each in labels)


def test_badges_choose(open_app: Open, full: Folders) -> None:
    app = open_app(full, "tradeoff", pools=[PLACE], badges="✕ withdrawn")
    assert not app.exception
    assert "1 entry, " in texts(app)
    assert "badge: withdrawn" in [each.label.replace("\\", "") for each in app.button]


def test_methods_choose(open_app: Open, full: Folders) -> None:
    app = open_app(full, "tradeoff", pools=[PLACE], methods=["esc", "sac"])
    assert not app.exception
    assert "2 entries compared, " in texts(app)
    labels = [each.label for each in app.expander]
    assert any("hidden by the choice of methods" in each for each in labels)


def test_tabs_choose_a_pool_and_the_title_names_it(open_app: Open, full: Folders) -> None:
    app = open_app(full, "tradeoff")
    (tabs,) = [each for each in app.segmented_control if each.label == "Model and benchmark"]
    assert title(app) == f"Accuracy against tokens: {tabs.options[0]}"
    assert len(set(tabs.options)) == 4
    app = open_app(full, "tradeoff", group="modela.bench2", cost="Clock")
    assert title(app) == "Accuracy against clock: model-a · bench-2"
    app = open_app(full, "tradeoff", group="all")
    assert title(app) == "Accuracy against tokens: 3 pools"


def test_many_pools_are_in_a_box(open_app: Open, full: Folders) -> None:
    app = open_app(full, "tradeoff", data="synthetic", group="qwen34b.aime25")
    assert not app.exception
    (box,) = [each for each in app.selectbox if each.label == "Model and benchmark"]
    assert len(box.options) > 6
    assert title(app).startswith("Accuracy against tokens: ")
    assert title(app).endswith(str(box.options[box.index or 0]))


def test_a_link_shows_an_entry_and_puts_it_into_the_comparison(
    open_app: Open, full: Folders
) -> None:
    app = open_app(full, "tradeoff", entry="2026-11-21-hostile", entries="runs/cons-8")
    assert not app.exception
    assert "<img" not in texts(app)
    assert app.multiselect(key="chosen-entries").value == ["runs/cons-8"]
    (add,) = [each for each in app.button if each.label == "Add to comparison"]
    add.click().run()
    assert not app.exception
    assert app.query_params["entries"] == "runs/cons-8,2026-11-21-hostile"
    assert app.multiselect(key="chosen-entries").value == ["runs/cons-8", "2026-11-21-hostile"]


def test_a_link_that_means_nothing_harms_nothing(open_app: Open, full: Folders) -> None:
    app = open_app(
        full, "tradeoff", entry="<b>", pools="none", cost="?", entries="x,%ff", badges="?", data="?"
    )
    assert not app.exception
    assert "an entry that is not here" in texts(app)
    assert len(app.get("vega_lite_chart")) == 1
