"""Charts as pages and files have them."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard_app.shown.charts import as_file, as_spec, unchecked
from leaderboard_app.shown.palette import TEXT

ROWS = [{"x": 1, "y": 2.5}, {"x": 2, "y": 0.5}]


def line(data: Any) -> alt.Chart:
    return alt.Chart(data).mark_line().encode(x="x:Q", y="y:Q")


def test_a_spec_is_what_altair_makes_of_a_chart_apart_from_where_the_data_are() -> None:
    chart = line(pa.Table.from_pylist(ROWS)) + line(pa.Table.from_pylist(ROWS[:1]))
    with alt.theme.enable("none"):
        checked = chart.to_dict()
    spec = as_spec(chart)
    names = [layer.pop("data")["name"] for layer in spec["layer"]]
    wanted = [layer.pop("data")["name"] for layer in checked["layer"]]
    tables, rows = spec.pop("datasets"), checked.pop("datasets")
    words = {"labelColor": TEXT, "titleColor": TEXT}
    parts = {"axis": words, "header": words, "legend": words}
    assert spec.pop("config") == {"mark": {"aria": False}, **parts}
    assert [tables[name].to_pylist() for name in names] == [rows[name] for name in wanted]
    assert spec == checked


def test_charts_made_unchecked_are_the_same() -> None:
    def layered() -> alt.LayerChart:
        return line(pa.Table.from_pylist(ROWS)) + line(pa.Table.from_pylist(ROWS[:1]))

    with unchecked():
        chart = layered()
    assert as_spec(chart) == as_spec(layered())
    with pytest.raises(alt.utils.schemapi.SchemaValidationError):  # elsewhere they are checked
        line(pa.Table.from_pylist(ROWS)).mark_line(size="x").to_dict()


def test_a_table_that_several_layers_draw_is_there_once() -> None:
    base = line(pa.Table.from_pylist(ROWS))
    spec = as_spec(base + base.mark_point())
    assert [each.to_pylist() for each in spec["datasets"].values()] == [ROWS]


def test_pandas_frames_do_as_well_even_empty_ones() -> None:
    (table,) = as_spec(line(pd.DataFrame(ROWS)))["datasets"].values()
    assert table.to_pylist() == ROWS
    (nothing,) = as_spec(line(pd.DataFrame([])))["datasets"].values()
    assert nothing.num_rows == 0


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_specs_are_the_same_text_where_charts_are_equal_and_another_where_data_are(
    values: list[float],
) -> None:
    def text(found: list[float]) -> str:
        spec = as_spec(line(pa.table({"x": found, "y": found})))
        return json.dumps({**spec, "datasets": [*spec["datasets"]]})

    assert text(values) == text([*values])
    assert text(values) != text([*values, 0.0])


def test_a_file_has_what_a_chart_draws_of_tables_that_change() -> None:
    chart = line(alt.NamedData(name="chosen"))
    assert as_spec(chart)["data"] == {"name": "chosen"}
    table = pa.table({"x": [1.0, 40.0], "y": [7.0, 7.0]})
    assert b">40<" in as_file(chart, "svg", {"chosen": table})  # a tick of the axis
    assert b">40<" not in as_file(chart, "svg", {"chosen": table.slice(0, 0)})


def test_files_are_drawn_with_more_rows_than_altair_takes_by_itself() -> None:
    many = pa.table({"x": range(6_000), "y": range(6_000)})
    drawn = as_file(line(many), "svg")
    assert drawn.startswith(b"<svg")
    assert as_file(line(pa.Table.from_pylist(ROWS)), "png").startswith(b"\x89PNG")
