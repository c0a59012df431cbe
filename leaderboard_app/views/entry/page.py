"""The page Entry: one submission or run."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from leaderboard_app.library import citation
from leaderboard_app.library.entry import Entry
from leaderboard_app.library.library import Library
from leaderboard_app.shown import chosen_entries as choosing
from leaderboard_app.shown import examples, naming, screen
from leaderboard_app.shown import table as tables
from leaderboard_app.shown.navigation import PAGES
from leaderboard_app.shown.palette import badge_help, badge_text
from leaderboard_app.shown.submitting import Places
from leaderboard_app.shown.table import Order
from leaderboard_app.views.entry import entry as entries
from leaderboard_app.views.entry import savings
from leaderboard_app.views.entry import verification as reports
from simulator.catalogue.figures import VERIFIED
from simulator.errors import UserError

MOST_SAVED = Order("saved", descending=True)
"""Order of the problems at first."""


def page(library: Library) -> None:
    """Render the page."""
    heading = st.container()
    named = screen.parameter("entry") is not None
    best = None if named else next(iter(examples.best_entries(library)), None)
    entry = screen.choose_entry(library, best)
    with heading:
        if entry is None:
            screen.show_title(library, "Entry")
            return
        screen.show_title(library, entry.label)
        if best is not None:
            about = "the entry that stands first on the board"
            choosing.example("entry", about, {"entry": entry.id})
    _entry(library, entry)


def _entry(library: Library, entry: Entry) -> None:
    if entry.withdrawn:
        st.error(screen.plain(f"Withdrawn: {entry.withdrawn}"), icon=":material/undo:")
    if entry.superseded_by:
        st.warning(screen.plain(f"Superseded by {entry.superseded_by}."), icon=":material/redo:")
        st.page_link(
            PAGES["entry"].file,
            label=screen.plain(f"Open {entry.superseded_by}"),
            icon=":material/arrow_forward:",
            query_params={"entry": entry.superseded_by},
        )
    st.text(f"{badge_text(entry.badge)} — {badge_help(entry.badge)}")
    if entry.note:
        st.info(screen.plain(entry.note), icon=":material/info:")
    st.text(entries.byline(entry))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            PAGES["compare"].file,
            label="Compare it with others",
            icon=":material/compare_arrows:",
            query_params={choosing.PARAMETER: choosing.as_parameter([entry.id])},
        )
        for name, address in (("Paper", entry.paper), ("Code", entry.code)):
            if address and address.startswith("https://"):
                st.link_button(name, address, icon=":material/open_in_new:", type="tertiary")
    if entry.description:
        st.text(entry.description)
    short = naming.short_name(library, entry)
    _figures(library, entry, short)
    _problems(library, entry, short)
    who, how = st.columns(2)
    with who:
        st.header("About")
        screen.show_table(entries.about_table(entry), name="about", sortable=False, downloads=False)
    with how:
        st.header("Settings")
        if entry.parameters:
            screen.show_table(
                entries.parameter_table(entry), name="settings", sortable=False, downloads=False
            )
        else:
            st.text("The policy has no parameters.")
    _verification(entry)
    _policy(entry)
    st.header("Reproduce")
    places = Places.of(library.folders, Path.cwd())
    for command in entries.commands(entry, places.submissions):
        st.code(command, language="sh", wrap_lines=True)
    _cite(library, entry)


def _cite(library: Library, entry: Entry) -> None:
    """Show citations, and the hash in them with the command that prints it."""
    st.header("Cite")
    try:
        reference = citation.of_entry(entry, library.board)
    except UserError as error:
        st.warning(screen.plain(str(error)), icon=":material/warning:")
        return
    text, bibtex, csl = st.tabs(["Text", "BibTeX", "CSL-JSON"])
    text.code(citation.plain_text(reference), language=None, wrap_lines=True)
    bibtex.code(citation.bibtex(reference), language="latex", wrap_lines=True)
    csl.code(citation.csl_json(reference), language="json", wrap_lines=True)
    st.caption(
        "The hash in the citation identifies this version of the entry: its files, and the "
        "verifier's replays if its figures are theirs. In the entry's folder, this prints it:"
    )
    st.code(citation.hash_command(entry), language="sh", wrap_lines=True)


def _figures(library: Library, entry: Entry, short: str) -> None:
    st.header("Figures by pool")
    picked = f" {entry.picked_from.capitalize()}." if entry.picked_from else ""
    given = f" {entry.given_cost.capitalize()}." if entry.given_cost else ""
    st.text(f"Source: {entries.SOURCES[entry.basis]}.{picked}{given}")
    every = st.toggle("All figures", key="all", bind="query-params")
    if real := entries.results_of(entry, synthetic=False):
        screen.show_table(
            entries.pool_table(real, every=bool(every)),
            name="pools",
            file=naming.file_name(short, "pools"),
        )
    if generated := entries.results_of(entry, synthetic=True):
        screen.synthetic_notice()
        screen.show_table(
            entries.pool_table(generated, every=bool(every)),
            name="synthetic",
            file=naming.file_name(short, "synthetic-pools"),
        )
    if submitted := library.submitted(entry):
        st.header("As submitted")
        screen.show_table(
            entries.submitted_table(entry, submitted),
            name="submitted",
            file=naming.file_name(short, "as-submitted"),
        )


def _problems(library: Library, entry: Entry, short: str) -> None:
    st.header("Problems")
    both = [*entries.results_of(entry, synthetic=False), *entries.results_of(entry, synthetic=True)]
    by_pool = {result.pool: result for result in both}
    wanted = screen.parameter("pool")
    if wanted is not None and wanted not in by_pool:
        st.warning(screen.plain(f"{entry.id} has no figures on {wanted!r:.120}."))
    first = examples.first_result(library, entry)
    pool = screen.choose_one("Pool", [*by_pool], name="pool", default=first.pool if first else None)
    if pool is None:
        return
    result = by_pool[pool]
    key = ("problems", entry.id, result.column)
    found = library.once(key, lambda: entries.problem_figures(library, entry, result))
    if not found:
        st.warning("This entry has no answers for this pool.")
        return
    text, on = savings.savings_text(result, found), naming.pool_name(library, result.pool)
    screen.show_chart(
        lambda: savings.savings_chart(result, found),
        of=(library.state, entry.id, result.column),
        name="savings",
        file=naming.file_name(short, on, "savings"),
        alt=text,
    )
    st.text(text)
    st.caption(
        "Below, the problems on which it saved the most tokens come first. Open one to see which "
        "traces it stopped, and why it needed fewer tokens."
    )
    screen.show_table(
        tables.sorted_by(entries.problem_table(entry, result, found), MOST_SAVED),
        name="problems",
        file=naming.file_name(short, on, "problems"),
    )


def _verification(entry: Entry) -> None:
    st.header("Verification")
    report = reports.read_report(entry)
    if report.why:
        st.info(screen.plain(report.why), icon=":material/info:")
        return
    screen.show_table(reports.step_table(report), name="steps", sortable=False, downloads=False)
    for step in report.steps:
        for line in step.lines:
            st.text(f"{step.name}: {line}")
    st.text(reports.facts_text(report))
    other = reports.other_seed_table(entry, report)
    if other is not None and entry.basis != VERIFIED:  # else they stand above
        with st.expander("Figures with another seed"):
            screen.show_table(
                other, name="seeds", sortable=False, file=naming.file_name(entry.id, "seeds")
            )


def _policy(entry: Entry) -> None:
    st.header("Policy")
    policy = entries.policy_source(entry)
    if policy is None:
        st.info("The run recorded no source.", icon=":material/info:")
        return
    st.text(f"{policy.note} SHA-256 {policy.sha256}")
    with st.expander(screen.plain(f"{policy.file}, class {policy.class_name}")):
        st.code(policy.source, language="python", line_numbers=True, height=480)


screen.show_page(None, page)
