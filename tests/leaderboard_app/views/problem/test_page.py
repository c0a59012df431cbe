"""The page Problem in every state that there can be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pyarrow as pa
import pytest
import streamlit as st
from shown_folders import folders_in, write_local_run, write_recorded
from streamlit.testing.v1 import AppTest

from leaderboard_app.library.folders import Folders
from leaderboard_app.shown.screen import plain
from leaderboard_app.views.problem.picture import FRAME
from simulator.pools.pool import Pool, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter

Open = Callable[..., AppTest]

POOL = "recorded/model-a/bench-1"
GENERATED = "generated/qwen3-32b/aime25"


def texts(app: AppTest) -> str:
    """Everything that the page says in plain text."""
    kinds = (
        *(app.title, app.text, app.markdown, app.caption, app.info, app.warning, app.error),
        *(app.code, app.header),
    )
    return "\n".join(str(each.value).replace("\\", "") for kind in kinds for each in kind)


def test_without_anything_it_says_what_to_run(empty: Folders, open_app: Open) -> None:
    app = open_app(empty, "problem")
    assert not app.exception
    assert "deepprune-sim run cons@16" in texts(app)


def test_without_a_link_it_opens_on_a_verified_replay_that_saved_tokens(
    full: Folders, open_app: Open
) -> None:
    app = open_app(full, "problem")
    assert not app.exception
    # Of the two verified entries checked-asc alone saves tokens; p0 has no wrong answer.
    assert app.title[0].value == plain("Checked asc on problem p1 of model-a/bench-1")
    assert "An example: a problem on which a method is right" in texts(app)
    (own,) = (each.proto for each in app.get("page_link") if "Link to" in each.proto.label)
    entry, pool = "2026-11-20-checked-asc", POOL
    assert parse_qs(own.query_string) == {"entry": [entry], "pool": [pool], "problem": ["p1"]}
    again = open_app(full, "problem", entry=entry, pool=pool, problem="p1")
    assert again.title[0].value == app.title[0].value
    assert "An example" not in texts(again)


def test_formulas_are_rendered_and_traces_stay_text(tmp_path: Path, open_app: Open) -> None:
    folders = folders_in(tmp_path)
    question = r"Find $\frac{1}{2} + x$ <b>now</b>. It costs $5, $\rule{9em}{9em}$."
    info = PoolInfo("test", "m", "b", "test", "1", "total")
    with PoolWriter(folders.cache, info) as writer:
        traces = [TraceRecord(0, 10, r"\frac{3}{4}", text=r"so $x^2$ <i>y</i>")]
        writer.add(ProblemRecord("p", question, r"\frac{3}{4}", "math", traces))
    write_local_run(folders, "cons", "cons@1", [Pool(writer.path)], repeats=1)
    app = open_app(folders, "problem", entry="runs/cons", trace="0")
    assert not app.exception
    said = [each.value for each in app.markdown]
    assert any(r"Find $\frac{1}{2} + x$ \<b\>now\</b\>\." in each for each in said)
    assert any(r"\$\\rule\{9em\}\{9em\}\$" in each for each in said)
    assert any(r"answered $\frac{3}{4}$, which is right" in each for each in said)
    html = [each.proto.body for each in app.get("html") if "x^2" in each.proto.body]
    assert html
    assert all("&lt;i&gt;" in each for each in html)
    app.toggle(key="formulas").set_value(True).run()
    assert not app.exception
    assert "so $x^2$ \\<i\\>y\\</i\\>" in [each.value for each in app.markdown]


def test_downloads_are_named_by_what_is_in_them(
    full: Folders, open_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[str] = []
    button = st.download_button

    def noted(label: str, **given: Any) -> bool:
        named.append(given["file_name"])
        return bool(button(label, **given))

    monkeypatch.setattr(st, "download_button", noted)
    app = open_app(full, "problem", entry="2026-11-20-short", pool=POOL, problem="p3", table="true")
    assert not app.exception
    begin = "Short-three-model-a-bench-1-p3"
    charts = {f"{begin}-{name}.{form}" for name in ("replay", "votes") for form in ("svg", "png")}
    assert {*named} >= charts | {f"{begin}-traces.csv"}
    assert not {*named} & {"replay.svg", "votes.png", "traces.csv"}


def test_the_first_problem_stands_where_only_an_entry_is_named(
    small: Folders, open_app: Open
) -> None:
    app = open_app(small, "problem", entry="runs/cons")
    assert not app.exception
    said = texts(app)
    assert "It answered '1', which is right; the right answer is '1'. cons@8 is right." in said
    assert "What is p0? <b>x</b> $x^2$" in said  # as text
    assert "8 of 8 traces were started; 8 finished." in said
    assert app.selectbox(key="chosen-problem").value == "p0"


@pytest.mark.parametrize(
    ("entry", "pool", "problem", "expected"),
    [
        ("runs/short-3-8", POOL, "p3", "cut when enough others had finished"),
        ("runs/esc", POOL, "p0", "5 of 8 traces were started; 5 finished."),
        ("2026-11-22-sac", GENERATED, "003", "cut after 14 equal probes"),
        ("2026-11-22-parallel-probe", GENERATED, "003", "Answers of the last probe"),
        ("2026-11-22-deepconf-low", GENERATED, "003", "The threshold is "),
    ],
)
def test_full_folders(
    full: Folders, open_app: Open, entry: str, pool: str, problem: str, expected: str
) -> None:
    app = open_app(full, "problem", entry=entry, pool=pool, problem=problem, repeat="1", trace="2")
    assert not app.exception
    assert app.number_input(key="repeat").value == 1
    assert app.selectbox(key="chosen-problem").value == problem
    assert expected in texts(app)
    assert "Trace 2" in texts(app)  # its panel, or that it was not started


def test_a_window_longer_than_all_traces_is_said(tmp_path: Path, open_app: Open) -> None:
    folders = folders_in(tmp_path)
    pool = write_recorded(folders.cache, "model-a", "bench-1", problems=1)
    write_local_run(folders, "deepconf", "deepconf-low", [pool])
    app = open_app(folders, "problem", entry="runs/deepconf")
    assert not app.exception
    assert "No trace is as long as the window of 2,048" in texts(app)


def test_choosing_another_trace_changes_the_table_of_its_frame_alone(
    small: Folders, open_app: Open
) -> None:
    def picture(app: AppTest) -> tuple[str, dict[str, list[dict[str, float]]]]:
        assert not app.exception
        drawn = app.get("vega_lite_chart")[0].proto
        tables = {
            each.name: pa.ipc.open_stream(each.data.data).read_all().to_pylist()
            for each in drawn.datasets
        }
        return drawn.spec, tables

    app = open_app(small, "problem", entry="runs/cons")
    spec, tables = picture(app)
    assert tables.pop(FRAME) == []
    ends = []
    for trace in (2, 3):
        app.number_input(key="trace").set_value(trace).run()
        assert f"Trace {trace}" in texts(app)
        again, found = picture(app)
        (frame,) = found.pop(FRAME)
        ends.append(frame["end"])
        assert (again, found) == (spec, tables)
    bars = {
        row["trace"]: row["end"] for table in tables.values() for row in table if "trace" in row
    }
    assert ends == [bars[2], bars[3]]


def test_a_chosen_trace_opens_its_text_up_to_the_cut_and_greyed_after_it(
    full: Folders, open_app: Open
) -> None:
    app = open_app(full, "problem", entry="runs/short-3-8", pool=POOL, problem="p3", trace="7")
    assert not app.exception
    # Trace 7 has 20 * 4 + 10 * 7 = 150 tokens; short-3 stops when the third shortest is done,
    # which has 80 + 20 = 100.
    assert "100 of 150 tokens, cut when enough others had finished." in texts(app)
    (html,) = [each for each in app.get("html") if "w99" in each.proto.body]
    before, _, after = html.proto.body.partition("cut here")
    assert "w99 </span>" in before
    assert "w100" not in before
    assert 'opacity:.5">w100 ' in after


@pytest.mark.parametrize(
    "given",
    [
        {"repeat": "99"},
        {"repeat": "x"},
        {"problem": "nope"},
        {"pool": "no/such/pool"},
        {"trace": "12345"},
        {"trace": "-1"},
        {"by": "nothing"},
        {"entry": "runs/<b>x</b>"},
    ],
)
def test_invalid_values_in_a_link_raise_nothing(
    full: Folders, open_app: Open, given: dict[str, str]
) -> None:
    app = open_app(full, "problem", **{"entry": "runs/sac", "pool": POOL, **given})
    assert not app.exception
    assert not app.error


def test_a_pool_that_is_not_here_leaves_bars_without_colours(
    full: Folders, open_app: Open, tmp_path: Path
) -> None:
    folders = Folders(tmp_path / "none", full.runs, full.submissions)
    app = open_app(folders, "problem", entry="2026-11-22-sac", problem="003")
    assert not app.exception
    said = texts(app)
    assert "is not on this machine" in said.replace("\\", "")
    assert "deepprune-sim data sample --size small --cell" in said
    assert "32 of 32 traces were started" in said


def test_another_version_of_the_pool_is_not_mixed_in(
    small: Folders, open_app: Open, tmp_path: Path
) -> None:
    from shown_folders import write_recorded

    folders = Folders(tmp_path / "pools", small.runs, small.submissions)
    write_recorded(folders.cache, "model-a", "bench-1", problems=5)
    app = open_app(folders, "problem", entry="runs/cons")
    assert not app.exception
    assert "another version" in texts(app)
    assert "right answer is" not in texts(app)


def test_a_run_from_before_clusters_were_recorded_is_shown(
    full: Folders, open_app: Open, tmp_path: Path
) -> None:
    folders = Folders(full.cache, tmp_path / "runs", full.submissions)
    shutil.copytree(full.runs / "esc", folders.runs / "esc")
    import pyarrow.parquet as pq

    file = folders.runs / "esc" / "decisions.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["cluster"]), file)
    app = open_app(folders, "problem", entry="runs/esc")
    assert not app.exception
    assert "traces were started" in texts(app)


def test_the_way_to_the_next_problem_keeps_what_switches_are_set_to(
    open_app: Open, full: Folders
) -> None:
    given = {"entry": "runs/esc", "problem": "p0", "by": "length", "table": "true", "trace": "0"}
    app = open_app(full, "problem", **given)
    links = {each.proto.label: parse_qs(each.proto.query_string) for each in app.get("page_link")}
    assert links["Next problem"]["problem"] == ["p1"]
    assert (links["Next problem"]["by"], links["Next problem"]["table"]) == (["length"], ["true"])
    assert "trace" not in links["Next problem"]  # it is of this problem
    assert links["The pool"] == {"pool": ["recorded/model-a/bench-1"]}
