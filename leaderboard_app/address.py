"""The address of a page in the browser, kept in step with the page's widgets.

A widget with `bind="query-params"` changes the address in the browser, at once. Everything else
reaches it as a message with the whole address as the server knows it. So three things can go wrong
under load, or if the reader is faster than the server (Streamlit 1.67):

- A widget that moves on the page is made anew. The browser may remove the old one after that, and
  with it the binding of both, which have the same id (`unregisterQueryParamBinding`): the widget
  then changes the address no more.
- A message about something else, sent before the server knew of a widget's change, takes that
  change out of the address (`handlePageInfoChanged`).
- A message is lost if the run that sends it is interrupted, as a newer request of the reader is
  looked for before it is sent (`ScriptRunner._enqueue_forward_msg`).

The page then shows a filter that is not in its link, or the other way round. Streamlit mends none
of them: the next run takes the address that came with its request for the browser's.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if TYPE_CHECKING:
    from streamlit.runtime.state.query_params import QueryParams

SENT = "address"
"""Key of the address at the end of the last run in the session."""


def keep_address() -> None:
    """Write the values of the page's widgets into its address; to be called at the end of a run.

    The browser is told if the address lacks a value or has changed since the last run: its own
    change may have been undone meanwhile. Being told what it has changes nothing there.

    It rests on names that Streamlit keeps private: a release that has others goes without.
    """
    with suppress(ImportError, AttributeError):
        _keep_address()


def _keep_address() -> None:
    context = get_script_run_ctx()
    if context is None:
        return
    shown = context.shared.widget_ids_this_run.snapshot()
    state = context.session_state._state
    with context.session_state.query_params() as address:
        before = _all(address)
        for name, binding in address._bindings_by_param.items():
            widget = state.get_widget_metadata(binding.widget_id)
            if widget is not None and binding.widget_id in shown:
                _write(address, name, widget, state[binding.widget_id])
        after = _all(address)
        if after != before or st.session_state.setdefault(SENT, after) != after:
            address._send_query_param_msg()
        st.session_state[SENT] = after


def _all(address: QueryParams) -> dict[str, list[str]]:
    return {name: address.get_all(name) for name in address}


def _write(address: QueryParams, name: str, widget: Any, value: Any) -> None:
    """Write a widget's value into the address, unless a link with this address would restore it.

    As in Streamlit, a default value is not in the address.
    """
    from streamlit.runtime.state.query_params import _coerce_value_for_query_url

    if value == widget.deserializer(None):
        address.discard_param_no_forward_msg(name)
    elif _read(address, name, widget) != value:
        written = _coerce_value_for_query_url(widget.serializer(value), widget.value_type)
        address.set_with_no_forward_msg(name, written)


def _read(address: QueryParams, name: str, widget: Any) -> Any:
    """Return the value that the address gives a widget, None if it gives none."""
    from streamlit.runtime.state.query_params import parse_url_param

    texts = address.get_all(name)
    if not texts:
        return None
    try:
        given = parse_url_param(texts[0] if len(texts) == 1 else texts, widget.value_type)
        return widget.deserializer(given)
    except (ValueError, TypeError, IndexError):
        return None
