"""Conversion of charts to Vega-Lite for a page and to picture files."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

import pyarrow as pa

from leaderboard_app.shown.palette import TEXT

Spec = dict[str, Any]

Tables = Mapping[str, pa.Table]
"""Tables that a chart reads as `alt.NamedData`, by name."""

_ALTAIR = Lock()
"""Lock for Altair's settings: they are process-wide, and each reader has a thread."""


@contextmanager
def unchecked() -> Iterator[None]:
    """Build charts without checking each step against Vega-Lite's schema.

    Building then takes a fifth of the time. Tests build every chart with the checks.
    """
    from altair.utils.schemapi import debug_mode

    with _ALTAIR, debug_mode(False):
        yield


def as_spec(chart: Any) -> Spec:
    """Convert an Altair chart to Vega-Lite, with its tables and frames as Arrow under `datasets`.

    Nothing is checked against Vega-Lite's schema, which takes three quarters of the time; tests of
    the charts do that. Tables are named by a hash of their contents, so that equal charts are equal
    text. Marks have no descriptions of their own: the page describes the whole chart, and a
    description for each of a thousand marks is slow in a browser.
    """
    import altair as alt

    tables: dict[str, pa.Table] = {}

    def set_aside(data: Any) -> dict[str, str]:
        table = data if isinstance(data, pa.Table) else pa.Table.from_pandas(data)
        name = f"table-{_hash_of(table)}"
        tables[name] = table
        return {"name": name}

    alt.data_transformers.register("set_aside", set_aside)
    with _ALTAIR, alt.theme.enable("none"), alt.data_transformers.enable("set_aside"):
        spec: Spec = chart.to_dict(validate=False)
    config = spec.get("config", {})
    config = {**config, "mark": {**config.get("mark", {}), "aria": False}}
    for part in ("axis", "header", "legend"):  # Streamlit's own grey has 3.7:1 on white
        config[part] = {"labelColor": TEXT, "titleColor": TEXT, **config.get(part, {})}
    return {**spec, "config": config, "datasets": tables}


def _hash_of(table: pa.Table) -> str:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()[:16]


def as_file(chart: Any, form: str, tables: Tables | None = None) -> bytes:
    """Render the chart as `svg`, or as `png` at twice its size; takes half a second."""
    import altair as alt

    from simulator.report.plotting.plot import picture

    if tables:
        chart = chart.properties(
            datasets={name: table.to_pylist() for name, table in tables.items()}
        )
    with _ALTAIR, alt.data_transformers.enable("default", max_rows=None):
        return picture(chart, form)
