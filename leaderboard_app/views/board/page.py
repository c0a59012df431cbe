"""The page Board."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from leaderboard_app.library import citation
from leaderboard_app.library.board_file import TITLE
from leaderboard_app.library.library import Library
from leaderboard_app.library.selection import KEY_NEEDS, Selection, kinds
from leaderboard_app.library.standings import PARTS, Group, groups, in_time, standings
from leaderboard_app.shown import chips, screen
from leaderboard_app.shown.group_choice import choose_group
from leaderboard_app.shown.navigation import PAGES
from leaderboard_app.shown.palette import BADGES
from leaderboard_app.tradeoff import chart as tradeoff_chart
from leaderboard_app.tradeoff import points as tradeoff_points
from leaderboard_app.tradeoff import view as tradeoff
from leaderboard_app.tradeoff.labels import HEIGHT as LOWEST
from leaderboard_app.views.board import first_view, published
from leaderboard_app.views.board.costing import (
    DOLLARS,
    PRICED,
    TOKENS,
    UNITS,
    Costing,
    prices_of,
    unpriced,
)
from leaderboard_app.views.board.standing_table import HEADINGS, Part, hideable, parts
from simulator.report.prices import Price

ROWS = 50  # shown at first: hundreds of rows take a browser half a second

SYNTHETIC = "synthetic"


@st.cache_resource(max_entries=32, show_spinner=False)
def _parts(
    state: int, key: tuple[object, ...], selection: Selection, _library: Library, _costing: Costing
) -> dict[str, Part]:
    group = next(each for each in groups(_library, bool(key[0])) if each.key == key[1])
    return parts(_library, group, selection, _costing)


def page(library: Library) -> None:
    """Render the page."""
    there = kinds(library)
    heading = st.container()
    own = library.board.title
    title = "Leaderboard" if own == TITLE else own
    if not there:
        with heading:
            screen.show_title(library, title)
        screen.empty_of_entries(
            library, "Nothing here yet: no submissions, runs or published figures. Make two runs:"
        )
        return
    asked = screen.parameter("data") == SYNTHETIC
    synthetic = True in there and (asked or False not in there)
    library = in_time(library, synthetic)
    notice = st.empty()  # also without one, so that all below stays where it is
    found = groups(library, synthetic)
    group = choose_group(found) if found else None
    library = in_time(library, synthetic, group)
    if library.hasty:
        count = len(library.entries)
        notice.info(
            f"The ranks of {count:,} entries are being computed, once; rows have none until then. "
            "Reload the page in a while.",
            icon=":material/hourglass_top:",
        )
    with heading:
        screen.show_title(library, title, group.heading if group else None)
    if group is not None:
        _group(library, group, synthetic, there)
    elif not library.entries:
        screen.empty_of_entries(
            library,
            "Only published figures so far. Make two runs, and they appear here:",
        )
    else:
        _choose_part(library, None, synthetic, there)
    if not synthetic:
        _without_rows(library)
        _published(library)
    screen.show_notes(library)


def _group(library: Library, group: Group, synthetic: bool, there: Sequence[bool]) -> None:
    words, picture = st.columns([4, 7], gap="large")
    with words:
        _about(library, group)
    with picture, st.container(key="first-picture"):
        _picture(library, group)
    part = _choose_part(library, group, synthetic, there)
    if synthetic:
        screen.synthetic_notice()
    selection, costing = _options(library, group)
    key = (group.synthetic, group.key, costing.unit, tuple(costing.prices.items()))
    found = _parts(library.state, key, selection, library, costing)
    shown = list(found.values()) if synthetic else [found[part]] if part in found else []
    if not shown:
        screen.empty("No rows are left. Remove a filter.")
    for number, each in enumerate(shown):
        _part(each, "sort" if number == 0 else f"sort-{each.name}")


def _about(library: Library, group: Group) -> None:
    """Show what is compared, with what result, since when and by how many."""
    st.markdown(screen.plain(first_view.what(library, group)))
    if said := first_view.finding(library, group):
        st.markdown(f"**{screen.plain(said)}**")
    if since := first_view.who(library, group):
        st.caption(screen.plain(since))
    with st.container(horizontal=True, vertical_alignment="center"):
        _links(library)


def _picture(library: Library, group: Group) -> None:
    """Show accuracy against tokens of the group's ranked entries, or of all if none is ranked."""
    measured = tradeoff_points.measure(library, group.columns, "tokens")
    ranked = {point.entry.badge or "" for point in measured.points if point.entry.takes_part}
    view = tradeoff.choose(measured, ranked)
    if not view.points:
        return
    screen.show_chart(
        lambda: tradeoff_chart.draw(view, log=True, height=LOWEST),
        of=(library.state, group.columns, "hero"),
        name="tradeoff",
        alt=tradeoff.sentence(view),
        downloads=False,
    )


def _links(library: Library) -> None:
    """Show how to cite the board and how to submit, and a link to the picture."""
    with st.popover(
        "Cite", icon=":material/format_quote:", type="tertiary", key="cite", on_change="rerun"
    ) as box:
        if box.open:
            reference = citation.of_board(library)
            st.code(citation.bibtex(reference), language=None)
            st.code(citation.plain_text(reference), language=None, wrap_lines=True)
    with st.popover("Submit a method", icon=":material/upload:", type="tertiary"):
        st.markdown(first_view.HOW_TO_SUBMIT)
        st.page_link(PAGES["submit"].file, label="The steps, with commands")
    st.page_link(PAGES["tradeoff"].file, label="The picture", icon=":material/scatter_plot:")


def _choose_part(
    library: Library, group: Group | None, synthetic: bool, there: Sequence[bool]
) -> str:
    """Show the switch between the parts of the board, and return the chosen one.

    Entries on generated traces are one choice more, which every page's link holds as `data`.
    """
    rows = standings(library, group) if group is not None and not synthetic else ()
    if synthetic and False in there:  # those of the first real group, to lead back to
        real = groups(library, False)
        rows = standings(library, real[0]) if real else ()
    names = [each for each in PARTS if any(row.part == each for row in rows)]
    labels = {each: HEADINGS[each][0] for each in names}
    if True in there and False in there:
        labels[SYNTHETIC] = "Synthetic"
        if not names:
            labels = {PARTS[0]: HEADINGS[PARTS[0]][0], **labels}
    wanted = SYNTHETIC if synthetic else screen.parameter("show")
    first = names[0] if names else PARTS[0]
    chosen = wanted if wanted in labels else first
    if len(labels) > 1:
        box = f"chosen-part-{chosen}"

        def change() -> None:
            part = st.session_state[box]
            screen.set_parameter("data", SYNTHETIC if part == SYNTHETIC else None)
            screen.set_parameter("show", None if part in (SYNTHETIC, first) else part)
            if (part == SYNTHETIC) is not synthetic:
                screen.set_parameter("group", None)

        st.segmented_control(
            "Entries",
            [*labels],
            default=chosen,
            required=True,
            format_func=labels.__getitem__,
            key=box,
            on_change=change,
            label_visibility="collapsed",
        )
    return chosen


def _part(part: Part, sort: str) -> None:
    """Show a part: heading, table and downloads."""
    st.header(part.heading, anchor=part.name)
    st.caption(screen.plain(part.about))
    count = len(part.table.rows)
    label = f"Show all {count} rows"
    whole = count <= ROWS or st.toggle(
        label, key=f"all{sort.removeprefix('sort')}", bind="query-params"
    )
    screen.show_table(part.table, name=sort, most=None if whole else ROWS)


def _without_rows(library: Library) -> None:
    """Name the recorded pools here on which nothing is ranked, and the command that changes it."""
    ranked = {
        result.pool
        for entry in library.entries
        if entry.takes_part
        for result in entry.results.values()
    }
    real = (row["name"] for row in library.pools if not row["synthetic"])
    lacking = [name for name in real if name not in ranked]
    if not lacking:
        return
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    st.caption(
        screen.plain(
            f"Nothing is ranked on these pools yet: {', '.join(lacking[:3])}{more}. Replay the "
            "built-in methods on them:"
        )
    )
    st.code(f"deepprune-sim leaderboard --derive {shlex.quote(lacking[0])}", language="sh")


def _published(library: Library) -> None:
    table = published.published_table(library)
    if table is None:
        return
    st.header(published.HEADING, anchor="published")
    st.caption(published.ABOUT)
    screen.show_table(table, name="sort-published")


def _options(library: Library, group: Group) -> tuple[Selection, Costing]:
    """Show filters, columns and the unit of the cost; every choice is in the page's link."""
    chosen = st.container()
    label, asks = "Filter rows, hide columns, cost in dollars", _asks(library, group)
    with st.expander(label, icon=":material/tune:", expanded=asks) as below:
        left, middle, right = st.columns(3)
        needs = _several(
            left, "Needs any of", "needs", KEY_NEEDS, "Signals a method reads besides lengths."
        )
        since = middle.date_input("Since", None, key="since", bind="query-params")
        until = right.date_input("Until", None, key="until", bind="query-params")
        badges = {row.entry.badge or "broken" for row in standings(library, group)}
        badge = _several(left, "Badges", "badge", [each for each in BADGES if each in badges])
        hidden = _several(
            middle, "Hide columns", "hide", hideable(), none="None", labels=hideable()
        )
        unit = right.segmented_control(
            "Total cost in",
            UNITS,
            default=TOKENS,
            required=True,
            key="unit",
            bind="query-params",
        )
        costing = _costing(library, group, unit or TOKENS, below)
    with chosen:
        chips.show(
            chips.of_widget("needs", "needs"),
            chips.of_widget("since", "since"),
            chips.of_widget("until", "until"),
            chips.of_widget("badge", "badge"),
            chips.of_widget("without column", "hide", hideable()),
        )
    selection = Selection(badge, needs, _iso(since), _iso(until), hidden)
    return selection, costing


def _asks(library: Library, group: Group) -> bool:
    """Return True if the link asks for a unit of cost whose prices or sizes are not known."""
    unit = screen.parameter("unit") or TOKENS
    return unit in PRICED and bool(unpriced(group, unit, prices_of(library, group)))


def _costing(library: Library, group: Group, unit: str, place: DeltaGenerator) -> Costing:
    """Return the unit of cost with its prices; boxes ask for those that the board has not."""
    if unit not in PRICED:
        return Costing(unit)
    prices: Mapping[str, Price] = prices_of(library, group)
    lacking = unpriced(group, unit, prices)
    if not lacking:
        return Costing(unit, prices)
    place.caption(
        screen.plain(
            f"{'Prices' if unit == DOLLARS else 'Sizes'} of {', '.join(lacking)} are not in the "
            "board's prices.toml; give them here:"
        )
    )
    if unit == DOLLARS:
        left, right = place.columns(2)
        written = _number(left, "Dollars per million tokens generated", "output")
        read = _number(right, "Dollars per million tokens read", "input")
        given = Price(read, written, None)
    else:
        size = _number(place, "Active parameters, 10⁹", "size")
        given = Price(None, None, None if size is None else size * 1e9)
    return Costing(unit, {**prices, **dict.fromkeys(lacking, given)})


def _number(place: DeltaGenerator, label: str, key: str) -> float | None:
    found: float | None = place.number_input(
        label, min_value=0.0, value=None, key=key, bind="query-params"
    )
    return found


def _several(
    place: DeltaGenerator,
    label: str,
    key: str,
    options: Iterable[str],
    help: str | None = None,
    none: str = "All",
    labels: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    return tuple(
        place.multiselect(
            label,
            [*options],
            key=key,
            bind="query-params",
            help=help,
            placeholder=none,
            format_func=lambda each: labels[each] if labels else each,
        )
    )


def _iso(day: object) -> str | None:
    return day.isoformat() if isinstance(day, date) else None


screen.show_page(None, page)
screen.charts_ahead()
