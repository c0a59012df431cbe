"""Tables of the board: the standings of one group, by rank."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from leaderboard_app.library.entry import DERIVED, LOCAL, Entry, Result
from leaderboard_app.library.library import Library
from leaderboard_app.library.ranking import Place
from leaderboard_app.library.selection import Selection, results
from leaderboard_app.library.standings import (
    ALL,
    BOUNDS,
    LOCAL_RUNS,
    PARTS,
    RANKED,
    RECORD,
    UNVERIFIED,
    Group,
    Standing,
    standings,
)
from leaderboard_app.shown.glossary import FIGURES, TOKEN_ACCURACY
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.palette import badge_help, badge_text
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.views.board.costing import Costing
from simulator.report.rows import RESTS_ON_FEW
from simulator.runs.results import Metric
from simulator.significance import FEW, POWER

HEADINGS = {
    RANKED: ("Verified", "Figures are those of the verifier's own replays; ranks are among these."),
    UNVERIFIED: (
        "Self-reported",
        "Submitted, and not verified, or not by a rerun: no rank.",
    ),
    LOCAL_RUNS: ("Local runs", "Runs of this machine that were not submitted: no rank."),
    BOUNDS: (
        "Bounds",
        "They use ground truth, as no method can: bounds to compare with, never ranked.",
    ),
    RECORD: ("For the record", "Withdrawn, superseded or broken: shown, never ranked."),
}
"""Heading of each part of the board, and a sentence about it."""

LISTED = 8
"""Most names in a sentence."""

HERE = (
    "Built-in methods are replayed on this machine, on a pool that it has; figures of submissions "
    "are those of the verifier's own replays."
)
"""Sentence about ranked entries of which some are derived here."""

WITHOUT_ANSWERS = "Its answers to each problem are missing or invalid."
ALONE = "Shares no pool with another method, so it cannot be compared."

_BASE = (
    Column("method", "Method", numeric=False),
    Column("rank", "Rank", help="First and last rank that the method can have in this group"),
)

_LAST = (
    Column("budget", "N", help="Maximum number of traces per problem"),
    Column("by", "By", numeric=False, help="Organisation or authors, and the date"),
    Column("links", "Links", numeric=False, help="The method's paper and code"),
)

_FULL = (
    Column("badge", "Badge", numeric=False, csv_only=True),
    Column("entry", "Entry", numeric=False, csv_only=True),
    Column("organisation", "Organisation", numeric=False, csv_only=True),
    Column("authors", "Authors", numeric=False, csv_only=True),
    Column("date", "Date", numeric=False, csv_only=True),
    Column("paper", "Paper", numeric=False, csv_only=True),
    Column("code", "Code", numeric=False, csv_only=True),
    Column("probe_tokens", "Probe tokens", csv_only=True),
    Column("judge_tokens_charged", "Judge tokens", csv_only=True),
    Column("repeats", "Repeats", csv_only=True),
    Column("seed", "Seed", csv_only=True),
    Column("pools", "Pools", numeric=False, csv_only=True),
)
"""Columns of the CSV file alone, so that the page's table fits a window."""


def hideable() -> dict[str, str]:
    """Return the columns that can be hidden: their headings by their keys."""
    middle = {name: FIGURES[name].heading for name in SHOWN}
    first, last = ({each.key: each.heading for each in columns} for columns in (_BASE[1:], _LAST))
    return {**first, **middle, "cost": "Total cost", **last}


SHOWN = ("accuracy", "tokens_per_problem", "reduction", "accuracy_difference")
"""Metrics with a column of their own, between rank and total cost."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the board with its table; `name` is one of `PARTS`."""

    name: str
    heading: str
    about: str
    table: Table


def parts(
    library: Library, group: Group, selection: Selection, costing: Costing | None = None
) -> dict[str, Part]:
    """Build the tables of a group by part, in the order of `PARTS`, without empty ones.

    `selection` leaves rows and columns out and changes no figure, rank or mark. `costing` says in
    what the total cost is given: in tokens if it is None.
    """
    costing = costing or Costing()
    rows = standings(library, group)
    found = {}
    for name in PARTS:
        own = [row for row in rows if row.part == name]
        shown = [
            row for row in own if selection.takes(row.entry.badge, row.entry.date, row.entry.needs)
        ]
        if not shown:
            continue
        heading, about = HEADINGS[name]
        if name == RANKED and any(row.entry.badge == DERIVED for row in own):
            every = all(row.entry.badge == DERIVED for row in own)
            heading, about = "Replayed here" if every else heading, HERE
        if group.synthetic and name == RANKED:
            about = f"{about} On generated traces: they say nothing about any model or method."
        best = _best(own) if name == RANKED else {}
        estimated = any(each.token_accuracy == "estimated" for row in own for each in row.results)
        table = Table(
            f"{heading}: methods on {group.heading}",
            _columns(costing, estimated),
            tuple(_row(library, row, best, costing) for row in shown),
            tuple(_notes(library, group, shown, costing, estimated=estimated)),
            stack=True,
        )
        found[name] = Part(name, heading, about, hide(table, selection.hidden))
    return found


def hide(table: Table, hidden: Collection[str]) -> Table:
    """Return the table without the columns whose keys are hidden; the first always stays."""
    keep = [
        index
        for index, column in enumerate(table.columns)
        if index < table.first or column.key not in hidden
    ]
    return replace(
        table,
        columns=tuple(table.columns[index] for index in keep),
        rows=tuple(tuple(row[index] for index in keep) for row in table.rows),
    )


def _columns(costing: Costing, estimated: bool) -> tuple[Column, ...]:
    middle = []
    for name in SHOWN:
        figure = FIGURES[name]
        rough = " ≈" if estimated and name == "tokens_per_problem" else ""
        down = figure.lower_is_better is False
        middle.append(Column(name, figure.heading + rough, help=figure.help, descending=down))
    total = Column("cost", costing.heading, help=costing.help)
    return (*_BASE, *middle, total, *_LAST, *_FULL)


def _best(rows: Sequence[Standing]) -> dict[str, str]:
    """Return the best accuracy and the fewest tokens as displayed, so that equal texts are ties."""
    best = {}
    for name in ("accuracy", "tokens_per_problem"):
        figure = FIGURES[name]
        shown = {
            figure.text(row.metrics[name].value): row.metrics[name].value
            for row in rows
            if name in row.metrics
        }
        if shown:
            choose = min if figure.lower_is_better else max
            best[name] = choose(shown, key=lambda text: shown[text])
    return best


def _row(
    library: Library, row: Standing, best: dict[str, str], costing: Costing
) -> tuple[Cell, ...]:
    entry, place = row.entry, row.place
    reason = why_unranked(entry, place)
    figures = {name: _figure(name, row.metrics.get(name)) for name in SHOWN}
    for name, text in best.items():
        if figures[name].text == text:
            is_accuracy = name == "accuracy"
            figures[name] = replace(figures[name], bold=not is_accuracy, underlined=is_accuracy)
    figures["accuracy_difference"] = _difference(figures["accuracy_difference"], place)
    budgets = row.budgets
    by = entry.organisation or ", ".join(entry.authors)
    links = tuple(
        (name, address)
        for name, address in (("paper", entry.paper), ("code", entry.code))
        if address
    )
    pools = "; ".join(f"{each.pool} {each.fingerprint or ''}".strip() for each in row.results)
    return (
        Cell(
            entry.method,
            entry.label,
            entry.description or "",
            link("entry", entry=entry.id),
            below=_below(row),
        ),
        Cell(place.range, place.rank, reason or _beaten(library, place)),
        *(figures[name] for name in SHOWN),
        costing.cell(library, row),
        Cell(", ".join(map(str, budgets)), budgets[-1]),
        Cell(by, by or None, below=entry.date or ""),
        Cell(" · ".join(name for name, _ in links), links=links),
        Cell(entry.badge or "broken"),
        Cell(entry.id),
        Cell(entry.organisation or ""),
        Cell(", ".join(entry.authors)),
        Cell(entry.date or ""),
        Cell(entry.paper or ""),
        Cell(entry.code or ""),
        _plain(row.metrics.get("probe_tokens")),
        _plain(row.metrics.get("judge_tokens_charged")),
        Cell(str(entry.repeats), entry.repeats),
        Cell(str(entry.seed), str(entry.seed)),
        Cell(pools),
    )


def _below(row: Standing) -> str:
    """Return the line under a method's name: settings, and all that a reader has to know of it."""
    entry = row.entry
    settings = row.label.removeprefix(entry.method).strip().removeprefix("(").removesuffix(")")
    taken_back = f"withdrawn: {entry.withdrawn}" if entry.withdrawn else ""
    if entry.superseded_by:
        taken_back = f"superseded by {entry.superseded_by}"
    badge = "" if entry.badge in ("verified", "synthetic", LOCAL) else badge_text(entry.badge)
    version = f"version {entry.version}" if entry.version else ""
    given = ", ".join(dict.fromkeys(each.given_cost for each in row.results if each.given_cost))
    said = (settings, version, badge, taken_back, entry.picked_from, given, entry.note)
    return " · ".join(each for each in said if each)


def _figure(name: str, metric: Metric | None) -> Cell:
    return FIGURES[name].cell(
        metric, missing=WITHOUT_ANSWERS, alone="One problem: no interval.", brackets=True
    )


def _plain(metric: Metric | None) -> Cell:
    return Cell() if metric is None else Cell(f"{metric.value:g}", metric.value)


def _difference(cell: Cell, place: Place) -> Cell:
    """Mark a difference to cons@N that rests on few problems, and say what could be shown."""
    contrast = place.to_baseline
    if contrast is None or contrast.detectable is None or cell.value is None:
        return cell
    points = f"{100 * contrast.detectable:.1f} points"
    least = f"A difference of {points} shows with a chance of {POWER:.0%}."
    return replace(
        cell, note=f"{cell.note}. {least}".lstrip(". "), mark=RESTS_ON_FEW if contrast.few else ""
    )


def _beaten(library: Library, place: Place) -> str:
    better, worse = (
        _listed([library.by_id[each].label for each in ids[:LISTED]], len(ids))
        for ids in (place.better, place.worse)
    )
    return f"Significantly better: {better or 'none'}. Significantly worse: {worse or 'none'}."


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
    return WITHOUT_ANSWERS if place.reduction is None else ALONE


def _listed(names: Sequence[str], count: int) -> str:
    """Return the first LISTED names of `count`, and how many more there are."""
    more = [f"{count - LISTED} more"] if count > LISTED else []
    return ", ".join([*names[:LISTED], *more])


def _notes(
    library: Library,
    group: Group,
    shown: Sequence[Standing],
    costing: Costing,
    *,
    estimated: bool,
) -> list[str]:
    notes = []
    if shown[0].part == RANKED:
        where = ", ".join(_versions(shown[0].results))
        notes = [
            f"Ranks compare methods on {where}. A rank runs from 1 + the number of methods that "
            "are significantly better to the number of methods minus those significantly worse. "
            "Significant: by a sign-flip test over problems, with the rate of false discoveries "
            "among all pairs held at 5%. Filters change no rank.",
            "Underlined: highest accuracy. Bold: fewest tokens. Each row is compared with cons@N "
            "at its own N, on the same traces. Brackets are 95% intervals, about new problems.",
        ]
        if group.key == ALL:
            notes.append(_left_out(library, group, {row.entry.id for row in shown}))
    if any(cell.few for row in shown if (cell := row.place.to_baseline) is not None):
        notes.append(f"{RESTS_ON_FEW} rests on fewer than {FEW} problems that differ.")
    if estimated:
        notes.append(f"≈ {TOKEN_ACCURACY['estimated']}")
    return [each for each in (*notes, *costing.notes(library, shown)) if each]


def _versions(own: Sequence[Result]) -> list[str]:
    """Name pools with the beginning of their fingerprints and the number of their problems."""
    return [
        f"{each.pool} ({each.problems} problems"
        + (f", fingerprint {each.fingerprint[:12]}" if each.fingerprint else "")
        + ")"
        for each in own
    ]


def _left_out(library: Library, group: Group, there: Collection[str]) -> str:
    """Name the ranked entries that did not run on all pools of a group; empty if there are none."""
    absent = [
        each.label
        for each in library.entries
        if each.takes_part and results(each, group.synthetic) and each.id not in there
    ]
    return f"Not run on all of these pools: {_listed(absent, len(absent))}." if absent else ""
