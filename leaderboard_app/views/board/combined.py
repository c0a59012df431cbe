"""The board's combined view: each entry against cons@N, averaged over its pools, with ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from leaderboard_app.library.library import Entry, Library, Result
from leaderboard_app.library.ranking import Place
from leaderboard_app.library.selection import Selection, canonical, folded, results
from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.palette import badge_help, badge_text
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.views.board.table import APART, RANKED, Section, headings
from simulator.report.comparison import RESTS_ON_FEW
from simulator.runs.results import Metric
from simulator.significance import FEW, MARGIN, POWER, Contrast

WITHOUT_ANSWERS = "Its answers to each problem are missing or invalid."
ALONE = "Shares no pool with another method, so it cannot be compared."
ELSEWHERE = "Not on all pools of this ranking: no rank."


def combined_sections(
    library: Library, standing: Mapping[str, Place], synthetic: bool, selection: Selection
) -> tuple[Section, ...]:
    """Build the tables of entries by rank, and of those that have none for what they are.

    `selection` filters rows and changes no figure. A filter by model or benchmark keeps entries
    with a matching pool; their figures stay averages over all of their pools.
    """
    entries = [entry for entry in folded(library)[0] if entry.id in standing]
    ranked = sum(entry.takes_part and standing[entry.id].reduction is not None for entry in entries)
    labels = {entry.id: entry.label for entry in entries}
    found = []
    for name in (RANKED, APART):
        shown = [
            entry
            for entry in entries
            if entry.takes_part is (name == RANKED)
            and selection.takes(entry.badge, entry.date, entry.needs)
            and _has_pool(entry, synthetic, selection)
        ]
        shown.sort(key=lambda entry: _order(entry, standing[entry.id]))
        heading, about = headings(name, synthetic=synthetic)
        table = Table(
            f"{heading}: methods against majority voting over all traces, averaged over pools",
            _columns(),
            tuple(
                _row(entry, standing[entry.id], results(entry, synthetic), ranked, labels)
                for entry in shown
            ),
            _NOTES if name == RANKED else () if synthetic else (_PUBLISHED,),
        )
        if shown:
            found.append(Section(name, heading, about, table))
    return tuple(found)


_NOTES = (
    "Rank: from 1 + the number of methods that are significantly better to the number of ranked "
    "methods minus those that are significantly worse. Significant: by a sign-flip test over "
    "problems, on pools that every ranked method ran on, each weighted equally, with the false "
    "discovery rate among all pairs held at 5%.",
    "Ranks are computed over all methods; filters do not change them.",
    "Each row is compared with cons@N at its own N. Figures of methods that ran on all pools of "
    "the ranking are means over these pools, those of others over their own. Intervals are about "
    "new problems.",
    f"{RESTS_ON_FEW} rests on fewer than {FEW} problems that differ.",
)

_PUBLISHED = (
    "Published figures have no rank: they cannot be paired problem by problem with a replay."
)


def _columns() -> tuple[Column, ...]:
    reduction, difference = FIGURES["reduction"], FIGURES["accuracy_difference"]
    pools = "Mean over the row's pools, each weighted equally."
    return (
        Column("method", "Method", numeric=False),
        Column("rank", "Rank", help="First and last rank that the method can have"),
        Column("badge", "Badge", numeric=False, help="How far a row's figures have been checked"),
        Column("reduction", reduction.heading, help=f"{reduction.help} {pools}", descending=True),
        Column(
            "accuracy_difference",
            difference.heading,
            help=f"{difference.help} {pools}",
            descending=True,
        ),
        Column(
            "not_worse",
            "Not worse",
            numeric=False,
            help=f"Yes if the interval lies above {-100 * MARGIN:g} points: not worse than cons@N",
        ),
        Column(
            "pareto",
            "Pareto",
            numeric=False,
            help="Yes if no other ranked method is at least as good in tokens and accuracy and "
            "better in one of them",
            descending=True,
        ),
        Column("pools", "Pools", help="Number of pools the method ran on", descending=True),
        Column("budget", "N", help="Maximum number of traces per problem"),
        Column("compared", "Compared with", numeric=False, help="Other ranked methods"),
    )


def _has_pool(entry: Entry, synthetic: bool, selection: Selection) -> bool:
    models = {canonical(each) for each in selection.models}
    benchmarks = {canonical(each) for each in selection.benchmarks}
    return any(
        (not models or canonical(result.model) in models)
        and (not benchmarks or canonical(result.benchmark) in benchmarks)
        for result in results(entry, synthetic).values()
    )


def _order(entry: Entry, place: Place) -> tuple[float, float, float, str]:
    """Return the key that sorts rows by rank, then by tokens saved; unranked rows come last."""
    saved = place.reduction.value if place.reduction else float("-inf")
    unranked = float("inf")
    return place.rank or unranked, place.last or unranked, -saved, entry.label


def _row(
    entry: Entry,
    place: Place,
    own: Mapping[str, Result],
    ranked: int,
    labels: Mapping[str, str],
) -> tuple[Cell, ...]:
    reason = why_unranked(entry, place)
    better = [labels[each] for each in place.better]
    worse = [labels[each] for each in place.worse]
    beaten_by = (
        f"Significantly better: {_listed(better) or 'none'}. "
        f"Significantly worse: {_listed(worse) or 'none'}."
    )
    budgets = sorted({result.budget for result in own.values()})
    among = reason or f"{place.compared} of {ranked - 1}"
    pareto = "" if place.pareto is None else "yes" if place.pareto else "no"
    note = f"{entry.label}. {entry.given_cost.capitalize()}." if entry.given_cost else entry.label
    return (
        Cell(entry.label, entry.label, note, link("entry", entry=entry.id)),
        Cell(place.range, place.rank, reason or beaten_by),
        Cell(badge_text(entry.badge), entry.badge or "broken", badge_help(entry.badge)),
        _figure("reduction", place.reduction),
        _difference(place.to_baseline),
        _not_worse(place.to_baseline),
        Cell(pareto, pareto or None, reason),
        Cell(str(len(own)), len(own), ", ".join(own)),
        Cell(", ".join(map(str, budgets)), budgets[-1]),
        Cell(among, among),
    )


def why_unranked(entry: Entry, place: Place) -> str:
    """Return the reason an entry has no rank; empty if it has one."""
    if place.rank is not None:
        return ""
    if entry.withdrawn or entry.badge == "withdrawn":
        return f"Withdrawn: {entry.withdrawn or 'no reason given'}"
    if entry.superseded_by:
        return f"Superseded by {entry.superseded_by}."
    if entry.badge is None:
        return badge_help(None)
    if entry.unranked:
        return "Uses ground truth: a bound, not a method."
    if not entry.takes_part:
        return entry.note or f"Not verified ({entry.badge}): only a verifier's own replays rank."
    if place.reduction is None:
        return WITHOUT_ANSWERS
    return f"{ELSEWHERE} They are: {_listed([*place.pools])}." if place.pools else ALONE


def _listed(names: list[str], most: int = 8) -> str:
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def _difference(contrast: Contrast | None) -> Cell:
    """Build the cell of a difference to cons@N, marked if it rests on a few problems."""
    if contrast is None:
        return _figure("accuracy_difference", None)
    cell, least = _figure("accuracy_difference", contrast.difference), contrast.detectable
    if least is None:
        return cell
    shown = f"A difference of {100 * least:.1f} points shows with a chance of {POWER:.0%}."
    return replace(
        cell, note=f"{cell.note} {shown}".strip(), mark=RESTS_ON_FEW if contrast.few else ""
    )


def _not_worse(contrast: Contrast | None) -> Cell:
    found = None if contrast is None else contrast.not_worse()
    text = "" if found is None else "yes" if found else "no"
    return Cell(text, text or None)


def _figure(name: str, metric: Metric | None) -> Cell:
    return FIGURES[name].cell(
        metric, missing=WITHOUT_ANSWERS, alone="One problem: no interval.", brackets=True
    )
