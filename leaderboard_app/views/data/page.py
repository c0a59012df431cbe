"""The page Data."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from leaderboard_app.library.library import Library
from leaderboard_app.library.pool_answers import PoolAnswers, read_answers
from leaderboard_app.shown import chosen_entries as choosing
from leaderboard_app.shown import examples, naming, screen
from leaderboard_app.shown.navigation import PAGES
from leaderboard_app.shown.submitting import Places
from leaderboard_app.views.data import charts as data_charts
from leaderboard_app.views.data import tables as data
from simulator.catalogue.pool_rows import Row, Stamp, stamp
from simulator.errors import UserError


@st.cache_resource(max_entries=64, show_spinner="Reading the pool’s answers …")
def _read(_library: Library, name: str, fingerprint: str, stamp: Stamp) -> PoolAnswers | str:
    """Read a pool's answers, or the error; cached by `fingerprint` and `stamp`."""
    try:
        return read_answers(_library, name)
    except UserError as error:
        return str(error)


def answers_of(library: Library, row: Row) -> PoolAnswers | str:
    """Return the cached answers of one of the library's pools, or the error."""
    return _read(library, row["name"], row["fingerprint"], stamp(Path(row["path"])))


def page(library: Library) -> None:
    """Render the page."""
    option = Places.of(library.folders, Path.cwd()).cache
    heading = st.container()
    row = None
    if library.pools:
        synthetic = screen.choose_kind({row["synthetic"] for row in library.pools})
        _show_pools(library, [row for row in library.pools if row["synthetic"] == synthetic])
        row = _chosen(library, synthetic=synthetic)
    with heading:
        name = "" if row is None else naming.pool_name(library, row["name"])
        screen.show_title(library, f"Traces of {name}" if row else "Data")
        if row is not None and screen.parameter("pool") is None:
            choosing.example("data", "the pool that most entries use", {"pool": row["name"]})
    if row is not None:
        _show_answers(library, row)
    elif not library.pools:
        screen.empty(
            f"There are no pools in {screen.plain(str(library.folders.cache))}. Generate some, "
            "pull a public one, or import recorded traces:",
            f"deepprune-sim data sample{option}",
            f"deepprune-sim data list --known{option}",
            "deepprune-sim import --help",
        )
    _show_known(library, option)


def _show_pools(library: Library, rows: list[Row]) -> None:
    found = {row["name"]: answers_of(library, row) for row in rows}
    redundancy = {
        name: each if isinstance(each, str) else each.redundancy for name, each in found.items()
    }
    screen.show_table(
        data.pools_table(rows, redundancy), name="pools", file="pools-on-this-machine"
    )


def _chosen(library: Library, *, synthetic: bool) -> Row | None:
    """Show a box to choose a pool, and return its row; real pools are offered first."""
    names = [row["name"] for row in sorted(library.pools, key=lambda row: row["synthetic"])]
    chosen = screen.choose_one(
        "Open a pool",
        names,
        name="pool",
        default=examples.most_used_pool(library, synthetic=synthetic),
        unknown="There is no pool {} here; another is shown.",
    )
    return library.pool_row(chosen) if chosen else None


def _show_answers(library: Library, row: Row) -> None:
    answers = answers_of(library, row)
    if isinstance(answers, str):
        st.error(screen.plain(answers), icon=":material/error:")
    else:
        _show_pool(library, row, answers)


def _show_pool(library: Library, row: Row, answers: PoolAnswers) -> None:
    name, synthetic = row["name"], row["synthetic"]
    st.header(screen.plain(name), anchor="pool")
    short = naming.pool_name(library, name)

    def file(*what: str) -> str:
        return naming.file_name(short, *what)

    if synthetic:
        screen.synthetic_notice()
    kind = screen.SYNTHETIC if synthetic else screen.REAL
    with st.container(horizontal=True, gap="small"):
        for page, label, key, value in (
            ("tradeoff", "Methods on this pool", "pools", name),
            ("judges", "Judges on this pool", "pool", name),
            ("submit", "Commands for this pool", "pool", name),
        ):
            entry = PAGES[page]
            st.page_link(
                entry.file,
                label=label,
                icon=f":material/{entry.icon}:",
                query_params={key: value, "data": kind},
            )
    if (pool := library.pool(name)) is not None:
        lines = (
            f"**{label}**: {screen.plain(value)}" for label, value in data.description(pool.info)
        )
        st.markdown("  \n".join(lines))
    st.subheader("pass@k and cons@k", help=" ".join(f"{k}: {v}" for k, v in data.FIGURES.items()))
    with st.spinner("Voting over random subsets of traces …"):
        said = data_charts.curves_in_words(answers)
    of = (library.state, name)
    screen.show_chart(
        lambda: data_charts.curves_chart(answers),
        of=of,
        name="curves",
        file=file("curves"),
        alt=said,
        height=320,
    )
    screen.show_table(data.curves_table(answers), name="at-k", file=file("pass-and-cons-at-k"))
    left, right = st.columns(2)
    with left:
        st.subheader("Lengths")
        screen.show_chart(
            lambda: data_charts.lengths_chart(answers),
            of=of,
            name="lengths",
            file=file("lengths"),
            alt=data_charts.lengths_in_words(answers),
            height=320,
        )
    with right:
        st.subheader("Answers")
        screen.show_chart(
            lambda: data_charts.answers_chart(answers),
            of=of,
            name="answers",
            file=file("answers"),
            alt=data_charts.answers_in_words(answers),
            height=320,
        )
    st.subheader("Redundancy", help=data.SAME_ANSWER)
    screen.show_table(
        data.redundancy_table(name, answers, synthetic=synthetic),
        name="redundancy",
        file=file("redundancy"),
    )
    st.subheader("Problems")
    screen.show_table(data.problems_table(answers), name="problems", file=file("problems"))


def _show_known(library: Library, option: str) -> None:
    try:
        entries = data.known_entries(library)
    except UserError as error:
        st.warning(screen.plain(str(error)), icon=":material/warning:")
        return
    table = data.known_table(entries, {row["name"] for row in library.pools}, option)
    if table.rows:
        with screen.folded(table.caption, name="known", expanded=not library.pools) as is_open:
            if is_open:
                screen.show_table(table, name="known", file="known-public-pools")


screen.show_page(None, page)
screen.charts_ahead()
