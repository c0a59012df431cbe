"""The address of a page has what its widgets show, whatever the browser's request said."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from streamlit.runtime.state import query_params
from streamlit.runtime.state.query_params import QueryParams
from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from leaderboard_app.address import keep_address

    bound: dict[str, Any] = {"bind": "query-params"}
    st.multiselect("Needs", ["probes", "top-20 log-probs"], key="needs", **bound)
    st.toggle("Logarithmic", value=True, key="log", **bound)
    st.date_input("Since", None, key="since", **bound)
    st.number_input("Size", value=None, key="size", **bound)
    st.segmented_control("Cost", ["tokens", "time"], default="tokens", key="cost", **bound)
    st.button("Part", on_click=lambda: st.query_params.update(show="local"))
    keep_address()


def opened(**parameters: Any) -> AppTest:
    app = AppTest.from_function(page)
    app.query_params.update(parameters)
    return app.run()


def chosen(app: AppTest) -> list[Any]:
    return [app.session_state[key] for key in ("needs", "log", "since", "size", "cost")]


ADDRESS = {
    "needs": ["probes", "top-20 log-probs"],
    "log": "false",
    "since": "2026-11-21",
    "size": "8.5",
    "cost": "time",
}
VALUES: list[Any] = [["probes", "top-20 log-probs"], False, date(2026, 11, 21), 8.5, "time"]


def test_choices_that_the_browsers_address_lacks_are_written_into_it() -> None:
    app = opened()
    app.multiselect(key="needs").set_value(VALUES[0])
    app.toggle(key="log").set_value(False)
    app.date_input(key="since").set_value(VALUES[2])
    app.number_input(key="size").set_value(8.5)
    app.segmented_control(key="cost").set_value("time")
    app.run()
    assert chosen(app) == VALUES
    assert app.query_params == ADDRESS
    assert chosen(opened(**app.query_params)) == VALUES


def test_what_is_cleared_leaves_the_address() -> None:
    app = opened(**ADDRESS, entry="a")
    assert chosen(app) == VALUES
    app.multiselect(key="needs").set_value([])
    app.toggle(key="log").set_value(True)
    app.run()
    assert app.query_params == {
        "since": "2026-11-21",
        "size": "8.5",
        "cost": "time",
        "entry": "a",
    }


def test_the_browser_is_told_the_address_after_each_change_and_else_never(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = []
    send = QueryParams._send_query_param_msg

    def counted(address: QueryParams) -> None:
        told.append({name: address.get_all(name) for name in address})
        send(address)

    monkeypatch.setattr(QueryParams, "_send_query_param_msg", counted)
    app = opened(size="8.0", entry="runs/a")
    app.run()
    assert told == []
    app.button[0].click().run()  # its message may take out of the address what is chosen meanwhile
    told.clear()
    app.query_params["needs"] = "probes"  # as the browser does
    app.multiselect(key="needs").set_value(["probes"]).run()
    assert told == [{"size": ["8.0"], "entry": ["runs/a"], "show": ["local"], "needs": ["probes"]}]
    app.run()
    assert len(told) == 1


def test_a_release_of_streamlit_with_other_names_goes_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(query_params, "_coerce_value_for_query_url")
    app = opened()
    app.multiselect(key="needs").set_value(VALUES[0])
    app.run()
    assert not app.exception
    assert app.multiselect(key="needs").value == VALUES[0]
