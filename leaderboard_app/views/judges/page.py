"""The page Judges."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from leaderboard_app.library.library import Library
from leaderboard_app.shown import chosen_entries as choosing
from leaderboard_app.shown import naming, screen
from leaderboard_app.shown.submitting import Places
from leaderboard_app.views.judges import charts as judged_charts
from leaderboard_app.views.judges import judged
from leaderboard_app.views.judges import tables as judged_tables
from leaderboard_app.views.judges.judged import Inventory, Stored, Worth
from simulator.errors import UserError


@st.cache_resource(max_entries=4, show_spinner="Looking for stored scores …")
def _inventory(_library: Library, state: int, scores: str) -> Inventory:
    """Find the stored scores; repeated when a file of the library or of the scores changes."""
    return judged.inventory(_library)


@st.cache_resource(max_entries=256, show_spinner="Evaluating scores …")
def _evaluate(_library: Library, stored: Stored, fingerprint: str, scores: str) -> Worth | str:
    """Evaluate a judge's scores of a pool, or return the error."""
    try:
        return judged.evaluate(_library, stored)
    except UserError as error:
        return str(error)


def _worth_of(library: Library, stored: Stored) -> Worth | str:
    """Evaluate a judge's scores of a pool, cached until the pool or these scores change."""
    row = library.pool_row(stored.pool)
    fingerprint = row["fingerprint"] if row is not None else ""
    scores = judged.scores_state(library.folders.cache, stored.judge, stored.pool)
    return _evaluate(library, stored, fingerprint, scores)


def page(library: Library) -> None:
    """Render the page."""
    heading = st.container()
    st.caption(
        "A judge predicts how likely two unfinished traces of one problem end in the same answer. "
        "This page compares its stored scores with the answers that the traces gave."
    )
    option = Places.of(library.folders, Path.cwd()).cache
    scores = judged.scores_state(library.folders.cache)
    found = _inventory(library, library.state, scores)
    if found.stored:
        screen.show_table(judged_tables.inventory_table(found), name="scores", file="judge-scores")
    else:
        screen.empty(
            "No judge scores are stored here. Score the pairs of a pool that has text, or "
            "generate pools, which come with an oracle's scores:",
            f"deepprune-sim judge score lexical -d 'POOL' -t words=25{option}",
            f"deepprune-sim data sample{option}",
        )
    pool = _chosen_pool(library, found)
    with heading:
        on = "" if pool is None else naming.pool_name(library, pool)
        screen.show_title(library, f"Judges on {on}" if on else "Judges")
        if pool is not None and screen.parameter("pool") is None:
            choosing.example("judges", "the first pool with stored scores", {"pool": pool})
    if pool is not None:
        here = [each for each in found.stored if each.pool == pool]
        worths = [(each, _worth_of(library, each)) for each in here]
        _show_worths((library.state, scores, pool), worths, option, on)
    _show_published(library)
    _show_thresholds(library, pool, option)
    for each in found.broken:
        st.warning(screen.plain(f"Left out: {each.reason}"), icon=":material/warning:")


def _chosen_pool(library: Library, found: Inventory) -> str | None:
    """Return the pool whose judges are compared: the first one with scores, real pools first."""
    pools = list(dict.fromkeys(each.pool for each in found.stored))
    pools += [each for each in judged_tables.pools_with_thresholds(library) if each not in pools]
    if not pools:
        return None
    unknown = "There are no scores and no threshold runs of {} here."
    return screen.choose_one("Pool", pools, name="pool", unknown=unknown)


def _show_worths(
    of: tuple[int, str, str], worths: Sequence[tuple[Stored, Worth | str]], option: str, on: str
) -> None:
    """Show the judges of a pool; `of` changes when the pool, the library or any score does.

    `on` is the pool's short name, for the names of downloaded files.
    """
    pool = of[-1]
    if not worths:
        screen.empty(
            "There are threshold runs on this pool, but no stored scores.",
            f"deepprune-sim judge score lexical -d {shlex.quote(pool)} -t words=25{option}",
        )
        return
    st.header("Quality on this pool", anchor="quality")
    if any(stored.synthetic for stored, _ in worths):
        screen.synthetic_notice()
    screen.show_table(
        judged_tables.worth_table(worths),
        name="quality",
        file=naming.file_name("judges", on, "quality"),
    )
    names = judged_tables.names_of([stored for stored, _ in worths])
    curves = [
        (names[stored.judge], worth)
        for stored, worth in worths
        if isinstance(worth, Worth) and worth.curve
    ]
    if not curves:
        return
    left, right = st.columns(2)
    with left:
        st.subheader(
            "ROC", help=" ".join(judged_tables.MEANINGS[key] for key in ("AUROC", "TNR@0.2"))
        )
        screen.show_chart(
            lambda: judged_charts.roc_chart(curves),
            of=of,
            name="roc",
            file=naming.file_name("judges", on, "roc"),
            alt=judged_charts.roc_in_words(curves),
            height=420,
        )
    with right:
        st.subheader("Calibration", help=judged_tables.MEANINGS["Calibration error"])
        screen.show_chart(
            lambda: judged_charts.calibration_chart(curves),
            of=of,
            name="calibration",
            file=naming.file_name("judges", on, "calibration"),
            alt=judged_charts.calibration_in_words(curves),
            height=420,
        )


def _show_published(library: Library) -> None:
    rows = library.published_tables.get("judges", ())
    if rows:
        st.header("Published judges", anchor="published")
        screen.show_table(
            judged_tables.published_ablation(rows), name="ablation", file="published-judges"
        )
        st.caption(
            "For your own ablation, give `deepprune-sim judge train` comma-separated values: it "
            "trains and compares the grid. Scores that these judges store appear above."
        )


def _show_thresholds(library: Library, pool: str | None, option: str) -> None:
    published = library.published_tables.get("thresholds", ())
    table = judged_tables.local_thresholds(library, pool) if pool else None
    if not published and (table is None or not table.rows):
        return
    st.header("The threshold τ", anchor="thresholds")
    if table is not None and table.rows:
        st.subheader("On this pool")
        screen.show_table(table, name="taus", file=naming.file_name(pool or "", "thresholds"))
    else:
        screen.empty(
            "No run on this pool has a judge and a threshold. To run a sweep:",
            f"deepprune-sim run deepprune -d {shlex.quote(pool or 'POOL')} "
            f"-p tau=0.25,0.5,0.63,0.75 --judge JUDGE -o runs/thresholds{option}",
        )
    if published:
        st.subheader("Published")
        screen.show_table(
            judged_tables.published_thresholds(published),
            name="published-taus",
            file="published-thresholds",
        )


screen.show_page(None, page)
