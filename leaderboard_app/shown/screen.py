"""Streamlit helpers that pages share: tables with downloads, charts, links, empty states.

The pure modules decide what is shown; they do not depend on Streamlit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit import runtime

from leaderboard_app.library import watching
from leaderboard_app.library.entry import Entry
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library
from leaderboard_app.shown import charts, submitting
from leaderboard_app.shown import table as tables
from leaderboard_app.shown.navigation import HOME, PAGES
from leaderboard_app.shown.palette import badge_help
from leaderboard_app.shown.submitting import Places
from leaderboard_app.shown.table import Order, Table

TITLE = """export default function({ data }) {
  const keep = () => {
    if (window.dpsTitle && document.title !== window.dpsTitle) document.title = window.dpsTitle;
  };
  window.dpsTitle = data.title;
  keep();
  if (!window.dpsTitleKept) {
    window.dpsTitleKept = new MutationObserver(keep);
    const all = { childList: true, subtree: true, characterData: true };
    window.dpsTitleKept.observe(document.head, all);
  }
  return () => { window.dpsTitle = ''; };
}"""
"""Names the page in the browser's tab, which Streamlit names after the app in each run."""

GO = """export default function({ data }) {
  history.pushState({}, '', new URL(data.to, location.href));
  window.dispatchEvent(new PopStateEvent('popstate'));
}"""


STYLE, SCRIPT, FRAME = (
    Path(__file__).with_name(name).read_text(encoding="utf-8")
    for name in ("table.css", "table.js", "frame.js")
)


def mend_frame() -> None:
    """Name what Streamlit draws around the page, for readers with a keyboard or a screen reader."""
    with st.container(key="frame"):
        st.components.v2.component("deepprune_sim_frame", js=FRAME)()


def _component() -> Any:
    """Return the table's component; Streamlit requires it to be registered in each script run."""
    return st.components.v2.component(
        "deepprune_sim_table",
        html='<div class="dps-place"></div><div class="dps-said" role="status"></div>',
        css=STYLE,
        js=SCRIPT,
        isolate_styles=False,
    )


on_loaded: set[Callable[[Library], None]] = set()
"""Callbacks for each library that a page shows; the app adds the one that warms up its pages."""


BAR_AFTER = 0.5
"""Seconds of reading after which its progress is shown."""


def library() -> Library:
    """Return the library of the current files; reload it only when a file has changed.

    Figures of runs that were not seen before are recomputed, with a progress bar: once, since what
    was read of a folder stays valid until it changes.
    """
    place = st.empty()  # in each run, so that all below stays where it is: what moves is made anew
    reading = watching.READER.begin(Folders.from_environment())
    if not reading.is_done():
        with st.spinner("Reading pools, runs and submissions …"):
            while not reading.is_done(0.1):
                if time.monotonic() - reading.began > BAR_AFTER:
                    said = "Recomputing figures from decisions and pools, once …"
                    place.progress(reading.share, said)
        place.empty()
    found = reading.library.result()
    if not reading.is_shown:
        reading.is_shown = True
        for callback in on_loaded:
            callback(found)
    return found


def show_page(title: str | None, page: Callable[[Library], None]) -> None:
    """Show a page of the app: its title, its content, and what is broken.

    A page whose title depends on what it shows has None here, and calls `show_title` itself.
    """
    found = library()
    if title is not None:
        show_title(found, title)
    page(found)
    show_broken(found)


def show_title(found: Library, title: str, tab: str | None = None) -> None:
    """Show the heading of a page, and name it in the browser's tab and history: so, or as `tab`."""
    st.title(plain(title), anchor=False)
    # `st.set_page_config` in a page makes bound widgets lose their place in the link.
    with st.container(key="page-title"):
        name = {"title": f"{tab or title} · {found.board.title}"}
        st.components.v2.component("deepprune_sim_title", js=TITLE)(key="title", data=name)


def parameter(name: str) -> str | None:
    """Return a parameter of the page's link."""
    return st.query_params.get(name)


def set_parameter(name: str, value: str | None) -> None:
    """Set a parameter of the page's link, or remove it."""
    if value is None or value == "":
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def go(target: str) -> None:
    """Open a page of this app by its link, as a click on a table's link does.

    `st.switch_page` would drop the current page's parameters from the browser's history.
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
    file: str | None = None,
) -> None:
    """Show a sortable table with links and CSV, Markdown and LaTeX download.

    `name` is that of the sort parameter in the page's link (`name=column`), so it must be unique on
    the page; `file` is the name of the downloaded file without its ending, by default the same.
    After sorting, only the first `most` rows are shown: thousands of cells take a browser half a
    second.
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
        table_downloads(table, name, file)


@st.fragment
def table_downloads(table: Table, name: str, file: str | None = None) -> None:
    """Offer CSV to download, and Markdown and LaTeX to copy.

    Markdown and LaTeX are rendered when opened, without a rerun of the rest of the page. They have
    no syntax colours, which take a browser seconds for hundreds of rows.
    """
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "CSV",
            data=lambda: tables.as_csv(table).encode(),
            file_name=f"{file or name}.csv",
            mime="text/csv",
            on_click="ignore",
            type="tertiary",
            icon=":material/download:",
            key=f"csv-{name}",
            help="Unrounded figures, with the ends of their intervals",
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
    downloads: bool = True,
    on_select: Callable[[], None] | None = None,
    file: str | None = None,
) -> Any:
    """Show a chart with its text alternative, and SVG and PNG downloads.

    `draw` makes the chart. It runs once for each `of`, which must contain everything the chart
    depends on: drawing takes 0.1 s. If it returns None, nothing is shown and None is returned.
    `changing` holds the tables that the chart reads as `alt.NamedData`: when only they change, the
    browser redraws nothing else. `selection` is the name of a selection in the chart. The selected
    points are returned; with `on_select`, it is called instead when the selection changes, and
    finds it under `chart-<name>` in the session. `file` is the name of downloaded files without
    their ending, by default `name`; without `downloads`, only the text is offered.
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
        forms = (("svg", "image/svg+xml"), ("png", "image/png")) if downloads else ()
        for form, mime in forms:
            st.download_button(
                form.upper(),
                data=_file(draw, form, changing),
                file_name=f"{file or name}.{form}",
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
    """Return a function that draws the chart into a file on demand, in half a second."""
    return lambda: charts.as_file(draw(), form, changing)


@st.cache_resource(max_entries=128, show_spinner=False)
def _spec(name: str, of: tuple[Hashable, ...], _draw: Callable[[], Any]) -> charts.Spec | None:
    with charts.unchecked():
        chart = _draw()
    return None if chart is None else charts.as_spec(chart)


def choose_entry(found: Library, default: Entry | None = None) -> Entry | None:
    """Return the entry that the link names, else `default`, with a box to choose another.

    None if there is neither.

    For an unknown name, a warning suggests the nearest ids.
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
        none=None if default else "Choose an entry",
        default=default.id if default else None,
        help="The name of a submission's folder, or runs/ and the name of a local run",
    )
    return found.by_id[chosen] if chosen is not None else None


def choose_one(
    label: str,
    options: Sequence[str],
    *,
    name: str,
    none: str | None = None,
    default: str | None = None,
    labels: Mapping[str, str] | None = None,
    help: str | None = None,
    unknown: str | None = None,
) -> str | None:
    """Show a box to choose one option, stored in the link as `name` and shared between pages.

    Streamlit's `bind` does not work for a name that several pages share: it drops the parameter
    when the page changes. With `none`, the text of the empty box, nothing is chosen at first;
    without it, `default` or else the first option is. An unknown value in the link counts as no
    choice; `unknown` is the warning about it, with {} in its place.
    """
    key = f"chosen-{name}"
    wanted = parameter(name)
    if unknown is not None and wanted is not None and wanted not in options:
        st.warning(unknown.format(plain(wanted)), icon=":material/warning:")
    first = default if default in options else next(iter(options), None)
    chosen = wanted if wanted in options else None if none else first
    st.session_state[key] = chosen  # at each run: another page's box of this name has lost it
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


def choose_kind(there: Collection[bool]) -> bool:
    """Return True if synthetic figures are shown; real and synthetic ones are never mixed.

    `there` are the kinds that exist, True for synthetic. With both, a switch is shown, stored in
    every page's link as `data`; real comes first.
    """
    if len(set(there)) < 2:
        return True in there
    chosen = SYNTHETIC if parameter("data") == SYNTHETIC else REAL
    key = f"chosen-data-{chosen}"  # a new key makes the switch follow the link
    st.segmented_control(
        "Traces",
        (REAL, SYNTHETIC),
        default=chosen,
        key=key,
        required=True,
        on_change=lambda: set_parameter("data", st.session_state[key]),
        label_visibility="collapsed",
        help="Real: sampled from a model. Synthetic: generated by this program for testing; such "
        "traces say nothing about any model or method.",
    )
    return chosen == SYNTHETIC


def empty(message: str, *commands: str) -> None:
    """Show a message about what is missing, and the commands that provide it."""
    st.info(message, icon=":material/info:")
    for command in commands:
        st.code(command, language="sh")


def empty_of_entries(found: Library, message: str | None = None) -> None:
    """Show that there is no entry, and the commands that make two."""
    empty(
        message or "There is no run and no submission yet. Make two runs, and they appear here:",
        *submitting.first_runs(found, Places.of(found.folders, Path.cwd())),
    )


def synthetic_notice() -> None:
    """Show the warning about figures on generated traces, with the same words on every page."""
    st.warning(badge_help("synthetic"), icon=":material/science:")


HEAD_START = 0.08
"""Seconds for the browser to draw what is in sight."""

FIRST_VIEW = 0.5
"""Seconds for the browser to draw the first page of a tab."""


def out_of_sight() -> None:
    """Pause before content further down, so that the browser draws the content above it first.

    A browser shows nothing until it has drawn everything that arrived together.
    """
    if runtime.exists():
        time.sleep(HEAD_START)


def charts_ahead() -> None:
    """Make the browser load its chart library early, on pages that will show charts.

    Loading takes 0.4 s once per tab, for which the first chart would otherwise wait. An empty,
    hidden chart triggers it after the page is drawn.
    """
    if runtime.exists() and not st.session_state.get("charts-ahead"):
        time.sleep(FIRST_VIEW)
    st.session_state["charts-ahead"] = True
    with st.container(key="charts-ahead"):
        st.vega_lite_chart(spec={"mark": "point", "data": {"values": []}})


@contextmanager
def folded(label: str, *, name: str, expanded: bool = False) -> Iterator[bool]:
    """Show an expander, and yield True while it is open.

    Callers render the content only then, so that the browser draws nothing that nobody sees.
    """
    box = st.expander(label, expanded, key=f"folded-{name}", on_change="rerun")
    with box:
        yield bool(box.open)


def show_broken(found: Library) -> None:
    """Show the submissions, runs and pools that could not be read, with the reasons."""
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


def show_notes(found: Library) -> None:
    """Show which submissions repeat others, or have names that look like theirs."""
    notes = [(name, each) for name, said in found.notes().items() for each in said]
    if not notes:
        return
    with folded(f"For the keeper of the board: {len(notes)} notes", name="notes") as is_open:
        if is_open:
            columns = (
                tables.Column("name", "Submission", numeric=False),
                tables.Column("note", "Note", numeric=False),
            )
            rows = tuple((tables.Cell(name), tables.Cell(note)) for name, note in notes)
            show_table(tables.Table("Notes", columns, rows), name="notes")


_REPLACED = re.compile(r":(?=[\w/+-]+:)|(?<!\S)[<>~-](?=[<>=-]+(?!\S))")
"""Start of a text that Streamlit shows as an icon, an emoji or an arrow, escaped or not."""


def plain(text: str) -> str:
    """Escape a text for places where Streamlit reads Markdown.

    Streamlit replaces shortcodes such as `:material/verified:` even if they are escaped. An
    invisible word joiner between their characters prevents that.
    """
    parted = _REPLACED.sub("\\g<0>\N{WORD JOINER}", text)
    return "".join(f"\\{each}" if each in "\\`*_{}[]()<>#+-.!|~$:&" else each for each in parted)
