"""The page Problem: one replay, down to the single trace."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.library import Library
from leaderboard_app.shown import chosen_entries as choosing
from leaderboard_app.shown import examples, mathematics, naming, screen
from leaderboard_app.shown.navigation import PAGES
from leaderboard_app.shown.submitting import Places
from leaderboard_app.views.problem import consensus as probed
from leaderboard_app.views.problem import picture as pictures
from leaderboard_app.views.problem import problem as problems
from leaderboard_app.views.problem import replay as replays
from leaderboard_app.views.problem import saving, signals
from leaderboard_app.views.problem import votes as voted
from leaderboard_app.views.problem.replay import Replay

SWITCHES = ("by", "full", "table", "traces")
"""Link parameters that stay when another replay is shown."""

Of = tuple[Hashable, ...]
"""Everything that a chart depends on."""

Files = tuple[str, ...]
"""Beginning of the names of downloaded files: entry, pool and problem."""


def page(library: Library) -> None:
    """Render the page."""
    heading = st.container()
    named = screen.parameter("entry") is not None
    example = None if named else examples.instructive_replay(library)
    entry = screen.choose_entry(library, example[0] if example else None)
    if entry is None or not _chosen(library, entry, heading, is_example=example is not None):
        with heading:
            screen.show_title(library, "Problem")


def _chosen(library: Library, entry: Entry, heading: DeltaGenerator, *, is_example: bool) -> bool:
    """Show the chosen replay of an entry; return False if there is none."""
    wanted = screen.parameter("pool")
    if wanted is not None and replays.find_result(entry, wanted) is None:
        st.warning(screen.plain(f"{entry.id} has no figures on {wanted!r:.120}."))
    columns = st.columns([3, 2, 1])
    first = examples.first_result(library, entry)
    with columns[0]:
        pools = [each.pool for each in entry.results.values()]
        pool = screen.choose_one("Pool", pools, name="pool", default=first.pool if first else None)
    result = None if pool is None else replays.find_result(entry, pool)
    if result is None:
        return False
    names = replays.problems_of(library, entry, result)
    if not names:
        st.warning("The entry's answers cannot be read, so there is no problem to show.")
        return False
    asked = screen.parameter("problem")
    if asked is not None and asked not in names:
        st.warning(screen.plain(f"{result.pool} has no problem {asked!r:.120}; showing another."))
    with columns[1]:
        suited, _ = examples.instructive_problem(library, entry, result)
        name = screen.choose_one("Problem", names, name="problem", default=suited)
    with columns[2]:
        repeat = st.number_input(
            "Repeat", 0, max(entry.repeats - 1, 0), 0, key="repeat", bind="query-params"
        )
    assert name is not None
    short, on = naming.short_name(library, entry), naming.pool_name(library, result.pool)
    with heading:
        screen.show_title(library, f"{short} on problem {name} of {on}")
        if is_example:
            choosing.example(
                "problem",
                "a problem on which a method is right with few of the tokens of all traces",
                {"entry": entry.id, "pool": result.pool, "problem": name},
            )
    _links(entry, result, names, name, int(repeat))
    files = (short, on, name)
    _replay(library, _read(library, entry, result, name, int(repeat)), files)
    return True


def _links(entry: Entry, result: Result, names: tuple[str, ...], name: str, repeat: int) -> None:
    """Show links to the previous and next problem and repeat, and to the entry."""
    before, after = problems.neighbours(names, name)
    last = entry.repeats - 1
    # The switches keep their values, so the link must carry them too.
    kept = {name: value for name, value in st.query_params.items() if name in SWITCHES}
    with st.container(horizontal=True, gap="small"):
        for label, icon, problem, number in (
            ("Previous problem", "chevron_left", before, repeat),
            ("Next problem", "chevron_right", after, repeat),
            ("Previous repeat", "arrow_left", name if repeat else None, repeat - 1),
            ("Next repeat", "arrow_right", name if repeat < last else None, repeat + 1),
        ):
            given = {**kept, "entry": entry.id, "pool": result.pool, "problem": problem or name}
            st.page_link(
                PAGES["problem"].file,
                label=label,
                icon=f":material/{icon}:",
                disabled=problem is None,
                query_params={**given, "repeat": str(number)},
            )
        st.page_link(
            PAGES["entry"].file,
            label="The entry",
            icon=":material/article:",
            query_params={"entry": entry.id, "pool": result.pool},
        )
        st.page_link(
            PAGES["data"].file,
            label="The pool",
            icon=":material/database:",
            query_params={"pool": result.pool},
        )


_IDENTITY: dict[str | type[Any], Callable[[Any], Hashable]] = {
    Library: lambda each: each.state,
    Entry: lambda each: each.id,
    Result: lambda each: each.column,
}

_read = st.cache_resource(max_entries=2, show_spinner=False, hash_funcs=_IDENTITY)(
    replays.read_replay
)


def _replay(library: Library, replay: Replay, files: Files) -> None:
    """All of a replay, each part in a place of its own.

    What stands below a part that comes or goes keeps its place so, and is not drawn anew. `files`
    begin the names of downloaded files.
    """
    with st.container():
        _facts(library, replay)
    if not replay.decoded.any():
        st.info("No trace was decoded, so there is nothing to draw.")
        return
    shown = (replay.entry.id, replay.result.column, replay.problem_id, replay.repeat)
    _forget_trace(shown)
    of = (library.state, *shown)
    with st.container():
        chosen = _bars(replay, of, files)
    with st.container():
        if chosen is not None:
            _trace(replay, chosen, files)
    screen.out_of_sight()
    with st.container():
        _confidence(replay, chosen, of, files)
    with st.container():
        _probes(replay, of, files)
    with st.container():
        _votes(replay, of, files)
    label = f"All {len(replay.trace_id):,} started traces as a table"
    if st.toggle(label, key="table", bind="query-params"):
        screen.show_table(problems.trace_table(replay), name="traces", file=_file(files, "traces"))


def _file(files: Files, *what: str) -> str:
    return naming.file_name(*files, *what)


def _facts(library: Library, replay: Replay) -> None:
    """Show the question, and the entry's answer and figures."""
    if replay.result.synthetic:
        screen.synthetic_notice()
    if replay.stored is not None and replay.stored.problem.question:
        with st.expander("Question", expanded=len(replay.stored.problem.question) < 1200):
            st.markdown(mathematics.with_formulas(replay.stored.problem.question))
    st.markdown(problems.verdict(replay, _answer))
    with st.container(horizontal=True, gap="medium"):
        for fact in problems.facts(replay):
            st.metric(fact.label, fact.value, fact.change, delta_color="inverse", help=fact.help)
    st.text(saving.saving_text(replay))
    if replay.why:
        option = Places.of(library.folders, Path.cwd()).cache
        commands = replays.commands_for(library, replay.result, option)
        screen.empty(screen.plain(replay.why), *commands)


def _answer(text: str) -> str:
    """Return an answer as Markdown: a formula if it is one, else its text in quotes."""
    shown = mathematics.answer(text)
    return shown if shown.startswith("$") else screen.plain(problems.quoted(text))


def _forget_trace(shown: Of) -> None:
    """Clear the chosen trace when a link without one leads to another replay."""
    if st.session_state.get("replay-shown", shown) != shown and not screen.parameter("trace"):
        st.session_state["trace"] = None
    st.session_state["replay-shown"] = shown


def _bars(replay: Replay, of: Of, files: Files) -> int | None:
    """Show the picture, and return the place of the trace that is chosen in it."""
    st.header("The replay")
    kinds = pictures.orders_for(replay)
    default = "cluster" if "cluster" in kinds else "start"
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        by = st.segmented_control(
            "Order by", kinds, default=default, key="by", bind="query-params", required=True
        )
        number = st.number_input(
            "Trace",
            min_value=0,
            value=None,
            step=1,
            key="trace",
            bind="query-params",
            placeholder="or click a bar",
            width=160,
            help="The trace's id in the pool; shows its text, confidence and probes below",
        )
        ghosts = st.toggle(
            "Full lengths",
            key="full",
            bind="query-params",
            disabled=replay.stored is None,
            help="Also draw, faintly, the tokens that cut traces did not generate",
        )
    place = None if number is None else replay.place(int(number))
    if number is not None and place is None:
        st.warning(f"Trace {int(number)} was not started in this replay.")
    by = by or default
    text = pictures.picture_text(replay)
    screen.show_chart(
        lambda: _picture(replay, by, bool(ghosts)),
        of=(*of, by, bool(ghosts)),
        changing={pictures.FRAME: pictures.frame(replay, by, place)},
        name="replay",
        file=_file(files, "replay"),
        alt=text,
        selection="trace",
        on_select=_take_selected,
    )
    st.caption(pictures.MARKS)
    st.text(text)
    return place


def _picture(replay: Replay, by: str, ghosts: bool) -> Any:
    window = signals.default_window(replay)
    reads = "confidence" in replay.entry.needs  # takes a second, so only if the policy reads it
    lowest = signals.lowest_by_place(replay, window) if reads else {}
    return pictures.picture(replay, by, ghosts=ghosts, confidence=lowest)


def _take_selected() -> None:
    """Put the trace of the clicked bar into the box, and so into the link."""
    event: Any = st.session_state.get("chart-replay") or {}
    points = event.get("selection", {}).get("trace") or []
    if isinstance(points, list) and points and isinstance(points[0].get("trace"), int | float):
        st.session_state["trace"] = int(points[0]["trace"])


def _votes(replay: Replay, of: Of, files: Files) -> None:
    if replay.stored is None:
        return
    st.header("Votes")
    text = voted.votes_text(replay)
    file = _file(files, "votes")
    screen.show_chart(lambda: voted.votes_chart(replay), of=of, name="votes", alt=text, file=file)


def _confidence(replay: Replay, chosen: int | None, of: Of, files: Files) -> None:
    if not replay.has("confidence"):
        return
    line = signals.threshold(replay)
    if line is None and chosen is None:
        return
    window = line.window if line else signals.default_window(replay)
    st.header("Group confidence")
    text = signals.confidence_text(replay, window, line, chosen)
    shown = screen.show_chart(
        lambda: signals.confidence_chart(replay, window, line),
        of=of,
        changing=signals.chosen_tables(replay, window, line, chosen),
        name="confidence",
        file=_file(files, "confidence"),
        alt=text,
    )
    if shown is None:
        st.info(f"No trace is as long as the window of {window:,} tokens.")
    else:
        st.text(text)


def _probes(replay: Replay, of: Of, files: Files) -> None:
    if not (replay.has("probes") and replay.answer["probe_calls"]):
        return
    st.header("Probe consensus")
    found = probed.consensus(replay)
    text = probed.consensus_text(replay, found)
    screen.show_chart(
        lambda: probed.consensus_chart(replay, found),
        of=of,
        name="probes",
        file=_file(files, "probes"),
        alt=text,
    )
    st.text(text)


def _trace(replay: Replay, place: int, files: Files) -> None:
    st.header(f"Trace {replay.trace_id[place]}")
    st.text(problems.trace_sentence(replay, place))
    text = problems.trace_text(replay, place)
    if text is None:
        if replay.stored is not None:
            st.caption("The pool stores no text.")
    else:
        _text(text)
    table = problems.probe_table(replay, place)
    if table is not None and table.rows:
        with screen.folded(f"Its {len(table.rows):,} probes", name="own-probes") as is_open:
            if is_open:
                trace = str(replay.trace_id[place])
                screen.show_table(
                    table,
                    name="own-probes",
                    sortable=False,
                    file=_file(files, "trace", trace, "probes"),
                )


def _text(text: problems.TraceText) -> None:
    """Show the generated text, and the rest in grey; long parts are shortened in the middle."""
    everything = False
    most = 2 * problems.LONG_TEXT
    if max(len(text.generated), len(text.rest)) > most:
        everything = st.toggle("Show all of the text", key="all", bind="query-params")
    longest = None if everything else problems.LONG_TEXT
    if st.toggle("Render formulas", key="formulas", bind="query-params"):
        for part, label in ((text.generated, ""), (text.rest, "cut here; not generated:")):
            if part:
                st.caption(label)
                st.markdown(mathematics.with_formulas(problems.shortened_text(part, longest)))
    else:
        st.html(problems.text_html(text, longest))
    if not text.exact and text.rest:
        st.caption("The pool stores only this trace's number of tokens: the cut is in proportion.")


screen.show_page(None, page)
