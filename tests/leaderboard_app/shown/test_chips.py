"""Chips name the filters that are active, and remove them one by one."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def filtered() -> None:
    from datetime import date

    import streamlit as st

    from leaderboard_app.shown import chips, screen

    place = st.container()
    st.multiselect("Badges", ["local", "verified", "broken"], key="badge", bind="query-params")
    st.date_input("Since", None, min_value=date(2020, 1, 1), key="since", bind="query-params")
    st.toggle("Only mine", key="mine", bind="query-params")
    screen.choose_one("Pool", ["a", "b"], name="pool", none="All")
    with place:
        chips.show(
            chips.of_widget("badge", "badge", {"local": "on this machine"}),
            chips.of_widget("since", "since"),
            chips.of_widget("only mine", "mine"),
            chips.of_parameter("pool", "pool"),
        )


def opened(**parameters: str | list[str]) -> AppTest:
    app = AppTest.from_function(filtered, default_timeout=30)
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> list[str]:
    return [each.label.replace("\\", "") for each in app.button]


def test_without_a_filter_there_is_no_chip() -> None:
    assert texts(opened()) == []


def test_each_value_of_each_filter_has_a_chip() -> None:
    app = opened(badge=["local", "broken"], since="2026-11-02", mine="true", pool="b")
    assert texts(app) == [
        "badge: on this machine",
        "badge: broken",
        "since: 2026-11-02",
        "only mine: on",
        "pool: b",
        "Remove all filters",
    ]


def test_a_click_removes_one_value_and_keeps_the_others() -> None:
    app = opened(badge=["local", "broken"], since="2026-11-02")
    app.button[0].click().run()
    assert texts(app) == ["badge: broken", "since: 2026-11-02", "Remove all filters"]
    assert app.multiselect[0].value == ["broken"]
    app.button[1].click().run()
    assert texts(app) == ["badge: broken"]
    assert app.date_input[0].value is None
    app.button[0].click().run()
    assert texts(app) == []


def test_a_click_removes_a_parameter_of_the_link_and_a_switch() -> None:
    app = opened(mine="true", pool="b")
    app.button[1].click().run()
    assert "pool" not in app.query_params
    assert app.selectbox[0].value is None
    app.button[0].click().run()
    assert app.toggle[0].value is False


def test_all_filters_go_at_once() -> None:
    app = opened(badge=["local", "broken"], since="2026-11-02", mine="true", pool="b")
    app.button[-1].click().run()
    assert texts(app) == []
    assert app.multiselect[0].value == []


def test_markup_in_a_value_stays_text() -> None:
    hostile = "<b>x</b> [y](javascript:z) :material/home:"

    def page(value: str) -> None:
        from leaderboard_app.shown import chips

        chips.show([chips.Chip("method", value, lambda: None)])

    app = AppTest.from_function(page, kwargs={"value": hostile}, default_timeout=30).run()
    assert "<b>" not in app.button[0].label
    assert "](" not in app.button[0].label
    assert ":material/home:" not in app.button[0].label
