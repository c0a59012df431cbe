"""What pages render with: tables with sorting and downloads, charts, links, empty states.

Nothing here decides what is shown; that is in the pure modules, which do not know Streamlit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import runtime

from leaderboard_app import warming
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Entry, Library, load, state_of
from leaderboard_app.shown import charts, submitting
from leaderboard_app.shown import table as tables
from leaderboard_app.shown.navigation import HOME, PAGES
from leaderboard_app.shown.navigation import link as link
from leaderboard_app.shown.palette import badge_help
from leaderboard_app.shown.submitting import Places
from leaderboard_app.shown.table import Order, Table

HERE = Path(__file__).parent

GO = """export default function({ data }) {
  history.pushState({}, '', new URL(data.to, location.href));
  window.dispatchEvent(new PopStateEvent('popstate'));
}"""


@cache
def _sources() -> tuple[str, str]:
    """The table's style and script."""
    style, script = (
        (HERE / name).read_text(encoding="utf-8") for name in ("table.css", "table.js")
    )
    return style, script


def _component() -> Any:
    """The table's component; Streamlit wants it registered once in a script's run."""
    style, script = _sources()
    return st.components.v2.component(
        "deepprune_sim_table",
        html='<div class="dps-place"></div>',
        css=style,
        js=script,
        isolate_styles=False,
    )


def library() -> Library:
    """The library as the files are now; read anew only when one of them has changed."""
    folders = Folders.from_environment()
    return _library(folders, state_of(folders))


@st.cache_resource(max_entries=2, show_spinner="Reading pools, runs and submissions …")
def _library(folders: Folders, state: int) -> Library:
    found = load(folders)
    if runtime.exists():  # not where a test runs a page by itself
        warming.begin(found)
    return found


def parameter(name: str) -> str | None:
    """A parameter of the page's link."""
    return st.query_params.get(name)


def set_parameter(name: str, value: str | None) -> None:
    """Put a parameter into the page's link, or take it out."""
    if value is None or value == "":
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def go(target: str) -> None:
    """Open a page of this app by its link, as a click on a table's link does.

    Streamlit's own way takes the parameters of the page that is left out of the history.
    """
    if (HOME if target.startswith("./") else target.partition("?")[0]) in PAGES:
        st.components.v2.component("deepprune_sim_go", js=GO)(key="go", data={"to": target})


def show_table(
    table: Table,
    *,
    name: str,
    sortable: bool = True,
    downloads: bool = True,
    most: int | None = None,
) -> None:
    """A table whose headings sort it, whose links lead on, and that can be taken along.

    `name` is that of its file and of its key in the page's link (`name=column`), so it has to
    differ from those of other tables on the page. Of its rows, once sorted, the first `most` are
    shown: thousands of cells take a browser half a second.
    """
    key = f"table-{name}"
    chosen = parameter(name) if sortable else None
    order = Order.parse(chosen) if chosen else None
    table = tables.sorted_by(table, order)
    _component()(
        key=key,
        data={"html": tables.as_html(tables.first_rows(table, most), order, sortable=sortable)},
        on_sort_change=lambda: set_parameter(name, st.session_state[key].sort),
    )
    if downloads:
        table_downloads(table, name)


@st.fragment
def table_downloads(table: Table, name: str) -> None:
    """CSV to download, Markdown and LaTeX to copy.

    These are made when they are opened, for which nothing else of the page is made anew; without
    colours, which take a browser seconds for hundreds of rows.
    """
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "CSV",
            data=lambda: tables.as_csv(table).encode(),
            file_name=f"{name}.csv",
            mime="text/csv",
            on_click="ignore",
            type="tertiary",
            icon=":material/download:",
            key=f"csv-{name}",
            help="Every figure unrounded, with the ends of its interval",
        )
        for form, render in (("Markdown", tables.as_markdown), ("LaTeX", tables.as_latex)):
            key = f"{form.casefold()}-{name}"
            opened = st.popover(
                form, type="tertiary", icon=":material/content_copy:", key=key, on_change="rerun"
            )
            if opened.open:
                opened.code(render(table), language=None, height=300)


def show_chart(
    draw: Callable[[], Any],
    *,
    of: tuple[Hashable, ...],
    name: str,
    alt: str,
    changing: charts.Tables | None = None,
    height: int | None = None,
    selection: str | None = None,
    on_select: Callable[[], None] | None = None,
) -> Any:
    """A chart with its text alternative, to be taken along as SVG or PNG.

    `draw` makes it, once for each `of`, which says all that it depends on: drawing takes a tenth
    of a second. What it draws as `alt.NamedData` is in `changing`: a browser that has drawn the
    chart redraws nothing else of it when these change. Where it makes None nothing is shown, and
    None returned. With `selection`, the name of a selection in the chart, what is selected is
    returned; or `on_select` is called when that changes, and finds it under `chart-<name>` in the
    session.
    """
    given: dict[str, Any] = {"key": f"chart-{name}", "alt": alt}
    given |= {"width": "stretch", "height": height or "content"}
    if selection:
        given |= {"on_select": on_select or "rerun", "selection_mode": selection}
    spec = _spec(name, of, draw)
    if spec is None:
        return None
    spec = {**spec, "datasets": {**spec["datasets"], **(changing or {})}}
    event: Any = st.vega_lite_chart(spec=spec, **given)
    with st.container(horizontal=True, gap="small"):
        for form, mime in (("svg", "image/svg+xml"), ("png", "image/png")):
            st.download_button(
                form.upper(),
                data=_file(draw, form, changing),
                file_name=f"{name}.{form}",
                mime=mime,
                on_click="ignore",
                type="tertiary",
                icon=":material/download:",
                key=f"{form}-{name}",
            )
        with st.popover("As text", type="tertiary", icon=":material/notes:"):
            st.text(alt)
    return event


def _file(
    draw: Callable[[], Any], form: str, changing: charts.Tables | None
) -> Callable[[], bytes]:
    """Draws the chart into a file when it is asked for: it takes half a second."""
    return lambda: charts.as_file(draw(), form, changing)


@st.cache_resource(max_entries=128, show_spinner=False)
def _spec(name: str, of: tuple[Hashable, ...], _draw: Callable[[], Any]) -> charts.Spec | None:
    with charts.unchecked():
        chart = _draw()
    return None if chart is None else charts.as_spec(chart)


def choose_entry(found: Library) -> Entry | None:
    """The entry that the link names, with a box to choose another; None where there is none.

    One that does not exist is answered by a line with the nearest names.
    """
    if not found.entries:
        empty_of_entries(found)
        return None
    wanted = parameter("entry")
    if wanted is not None and wanted not in found.by_id:
        near = found.nearest(wanted)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        st.warning(plain(f"There is no entry {wanted!r:.120}.{hint}"), icon=":material/help:")
    chosen = choose_one(
        "Entry",
        [entry.id for entry in found.entries],
        name="entry",
        none="Choose an entry",
        help="A submission's folder, or runs/ and the name of a run on this machine",
    )
    return found.by_id[chosen] if chosen is not None else None


def choose_one(
    label: str,
    options: Sequence[str],
    *,
    name: str,
    none: str | None = None,
    labels: Mapping[str, str] | None = None,
    help: str | None = None,
) -> str | None:
    """A box for one of several, which the link holds as `name` on every page that has such a box.

    Streamlit's own `bind` would not do for a name that several pages have: going from one of them
    to another it takes that parameter out of the link. With `none`, which the empty box shows,
    nothing is chosen to begin with; else the first option is. What the link names and is not there
    counts as nothing.
    """
    key = f"chosen-{name}"
    wanted = parameter(name)
    chosen = wanted if wanted in options else None if none else next(iter(options), None)
    if st.session_state.get(key) != chosen:
        st.session_state[key] = chosen
    st.selectbox(
        label,
        options,
        index=None if none else 0,
        format_func=lambda each: labels.get(each, each) if labels else each,
        key=key,
        placeholder=none,
        help=help,
        on_change=lambda: set_parameter(name, st.session_state[key]),
    )
    return chosen


REAL, SYNTHETIC = "real", "synthetic"


def choose_kind(*, real: bool, synthetic: bool) -> bool:
    """Whether synthetic figures are shown: the two never stand together.

    A switch, which the link of every page holds as `data`, where there are both; real first.
    """
    if not (real and synthetic):
        return synthetic
    chosen = SYNTHETIC if parameter("data") == SYNTHETIC else REAL
    key = f"chosen-data-{chosen}"  # another one once the link changes, which it follows so
    st.segmented_control(
        "Traces",
        (REAL, SYNTHETIC),
        default=chosen,
        key=key,
        required=True,
        on_change=lambda: set_parameter("data", st.session_state[key]),
        label_visibility="collapsed",
        help="Sampled from a model, or generated by this program to try things out. Generated "
        "traces say nothing about any model or method.",
    )
    return chosen == SYNTHETIC


def empty(message: str, *commands: str) -> None:
    """Says what is missing and what to run for it."""
    st.info(message, icon=":material/info:")
    for command in commands:
        st.code(command, language="sh")


def empty_of_entries(found: Library, message: str | None = None) -> None:
    """Says that there is no entry, and the commands that make two."""
    empty(
        message or "There is no run and no submission yet. Make two runs, and they appear here:",
        *submitting.first_runs(found, Places.of(found.folders, Path.cwd())),
    )


def synthetic_notice() -> None:
    """Says what figures on generated traces are worth, in the same words on every page."""
    st.warning(badge_help("synthetic"), icon=":material/science:")


HEAD_START = 0.08
"""Seconds that a browser gets for what is in sight."""

FIRST_VIEW = 0.5
"""Seconds that a browser gets for the first page of a tab."""


def out_of_sight() -> None:
    """Say that what follows is further down: a browser first draws what it has got.

    It draws all that arrives together before it shows any of it.
    """
    if runtime.exists():
        time.sleep(HEAD_START)


def charts_ahead() -> None:
    """Have the browser load what draws charts, for the pages that have some.

    It takes 0.4 s, once in each tab, which the first chart would wait for otherwise. An empty chart
    that is not displayed does it, once a browser has drawn the page.
    """
    if runtime.exists() and not st.session_state.get("charts-ahead"):
        time.sleep(FIRST_VIEW)
    st.session_state["charts-ahead"] = True
    with st.container(key="charts-ahead"):
        st.vega_lite_chart(spec={"mark": "point", "data": {"values": []}})


@contextmanager
def folded(label: str, *, name: str, expanded: bool = False) -> Iterator[bool]:
    """Something to unfold, and whether it is unfolded: only then it need be made.

    Otherwise a browser would make what nobody sees.
    """
    box = st.expander(label, expanded, key=f"folded-{name}", on_change="rerun")
    with box:
        yield bool(box.open)


def show_broken(found: Library) -> None:
    """The submissions, runs and pools that could not be read, with the reason."""
    if not found.broken:
        return
    count = len(found.broken)
    label = f"{count} {'folder is' if count == 1 else 'folders are'} broken and left out"
    with folded(label, name="broken") as is_open:
        if not is_open:
            return
        rows = tuple(
            (tables.Cell(each.path.name), tables.Cell(str(each.path)), tables.Cell(each.reason))
            for each in found.broken
        )
        columns = tuple(
            tables.Column(key, heading, numeric=False)
            for key, heading in (("name", "Name"), ("path", "Folder"), ("reason", "Reason"))
        )
        show_table(tables.Table("Broken folders", columns, rows), name="broken")


_REPLACED = re.compile(r":(?=[\w/+-]+:)|(?<!\S)[<>~-](?=[<>=-]+(?!\S))")
"""Where what Streamlit shows as an icon, an emoji or an arrow begins, escaped or not."""


def plain(text: str) -> str:
    """A text for where Streamlit reads Markdown: what could begin markup is escaped.

    Shortcodes such as `:material/verified:` are replaced after escapes were read, so that only
    something between their characters keeps them: here a word joiner, which is not seen.
    """
    parted = _REPLACED.sub("\\g<0>\N{WORD JOINER}", text)
    return "".join(f"\\{each}" if each in "\\`*_{}[]()<>#+-.!|~$:&" else each for each in parted)


def keep(parameters: Mapping[str, str | None]) -> None:
    """Put several parameters into the page's link."""
    for name, value in parameters.items():
        set_parameter(name, value)
