"""Tables of the page Judges: stored scores, quality of each judge, and published results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.library import Library
from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.palette import badge_help, badge_text
from leaderboard_app.shown.table import Cell, Column, Table, estimate_cell
from leaderboard_app.views.judges.judged import Inventory, Stored, Worth
from simulator.report.plotting.lines import is_number
from simulator.runs.results import Metric

ORACLE = "oracle"
"""Label of a judge that uses ground truth."""

ORACLE_NOTE = (
    "An oracle: it uses ground truth and adds noise to reach a chosen quality. For studies only; "
    "no real judge can do this, and runs with it are not ranked."
)

MEANINGS = {
    "AUROC": (
        "Probability that a same-answer pair scores above a different-answer pair, over all pairs "
        "of all problems; ties count half. 0.5 is chance. Recognising easy problems also raises it."
    ),
    "TNR@0.2": (
        "True-negative rate at a false-negative rate of 0.2: share of different-answer pairs "
        "rejected by the threshold that rejects 20% of the same-answer pairs. 0.2 is chance."
    ),
    "AUROC within problems": (
        "AUROC within each problem, averaged over the problems that have pairs of both kinds. "
        "Pruning depends on it, as it only compares traces of one problem. 0.5 is chance."
    ),
    "Calibration error": (
        "Expected calibration error: distance between the mean score and the share of same-answer "
        "pairs in each of ten score bins, averaged over pairs. 0 is perfect."
    ),
}
"""Definition of each metric, shown on hover."""

INTERVAL = "In brackets: 95% interval, a bootstrap over problems."

TRAININGS = ("plain", "focal", "oversampling", "both")
"""Rows of the published ablation, in display order."""

PAPER = "https://arxiv.org/abs/2510.08483"


def name_of(stored: Stored) -> str:
    """Return a judge's name for charts and tables, with a mark if it is an oracle."""
    cut = f", {stored.truncation}" if stored.truncation else ""
    mark = f" ({ORACLE})" if stored.oracle else ""
    return f"{stored.label}{cut}{mark}"


def names_of(stored: Sequence[Stored]) -> dict[str, str]:
    """Return each judge's name by its folder; the folder is added where two names are equal."""
    names = [name_of(each) for each in stored]
    return {
        each.judge: name if names.count(name) == 1 else f"{name} [{each.judge}]"
        for each, name in zip(stored, names, strict=True)
    }


def inventory_table(found: Inventory) -> Table:
    """Build the table of stored scores: pool, judge, prefix, and number of scored pairs."""
    columns = (
        Column("pool", "Pool", help="Follow the link for this pool's judges.", numeric=False),
        Column("judge", "Judge", numeric=False),
        Column("prefix", "Prefix", help="Part of each trace that the judge reads.", numeric=False),
        Column("pairs", "Scored pairs", descending=True),
        Column("share", "Of all pairs, %", descending=True),
        Column("origin", "Origin", numeric=False, help="Real: from a model; else synthetic."),
    )
    rows = tuple(
        (
            Cell(each.pool, each.pool, link=link("judges", pool=each.pool)),
            Cell(
                each.label + (f" ({ORACLE})" if each.oracle else ""),
                each.label,
                ORACLE_NOTE if each.oracle else each.judge,
            ),
            _prefix(each),
            Cell(f"{each.pairs:,}", each.pairs),
            Cell(f"{100 * each.pairs / each.all_pairs:.1f}", 100 * each.pairs / each.all_pairs),
            Cell("synthetic" if each.synthetic else "real"),
        )
        for each in found.stored
    )
    return Table("Stored scores", columns, rows)


def _prefix(stored: Stored) -> Cell:
    if stored.truncation is None:
        return Cell(note="The judge reads no text")
    return Cell(stored.truncation, stored.truncation)


def worth_table(worths: Sequence[tuple[Stored, Worth | str]]) -> Table:
    """Build the table of judge quality on one pool; a text in place of a `Worth` is an error."""
    columns = (
        Column("judge", "Judge", numeric=False),
        Column("prefix", "Prefix", help="Part of each trace that the judge reads.", numeric=False),
        *(
            Column(key, f"{name} [95%]", help=f"{MEANINGS[name]} {INTERVAL}", descending=True)
            for key, name in (
                ("auroc", "AUROC"),
                ("tnr", "TNR@0.2"),
                ("within", "AUROC within problems"),
            )
        ),
        Column(
            "calibration_error",
            "Calibration error [95%]",
            help=f"{MEANINGS['Calibration error']} {INTERVAL}",
        ),
        Column("pairs", "Pairs", help="Evaluated pairs: both traces finished with an answer."),
        Column("problems", "Problems"),
        Column("same", "Same answer, %", help="Share of same-answer pairs.", descending=True),
        Column(
            "unfinished",
            "Unfinished, %",
            help="Share of pairs in which both traces are longer than the prefix. In the other "
            "pairs the judge may read an answer.",
        ),
    )
    rows = tuple(_worth_row(stored, worth) for stored, worth in worths)
    notes = []
    if any(isinstance(worth, Worth) and worth.drawn for _, worth in worths):
        notes.append(
            "Of pools with very many stored pairs, about 20,000 are evaluated: all pairs of a "
            "fixed random sample of traces."
        )
    if any(stored.oracle for stored, _ in worths):
        notes.append(ORACLE_NOTE)
    return Table("Judges on this pool", columns, rows, tuple(notes))


def _worth_row(stored: Stored, worth: Worth | str) -> tuple[Cell, ...]:
    label = stored.label + (f" ({ORACLE})" if stored.oracle else "")
    head = (
        Cell(label, label, ORACLE_NOTE if stored.oracle else stored.judge),
        _prefix(stored),
    )
    if isinstance(worth, str):
        return (*head, *[Cell(note=worth)] * 8)
    return (
        *head,
        *(
            estimate_cell(each, "All pairs have the same label")
            for each in (worth.auroc, worth.tnr, worth.within)
        ),
        estimate_cell(worth.calibration_error, ""),
        Cell(f"{worth.pairs:,}", worth.pairs),
        Cell(f"{worth.problems:,}", worth.problems),
        Cell(f"{100 * worth.same:.1f}", 100 * worth.same),
        Cell(note="Only known for prefixes measured in tokens")
        if worth.unfinished is None
        else Cell(f"{100 * worth.unfinished:.1f}", 100 * worth.unfinished),
    )


def published_ablation(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Build the table of published judges: trainings as rows, prefixes as columns, best in bold.

    Figures without a stated prefix have columns of their own.
    """
    names = {"auroc": "AUROC", "tnr_at_02": "TNR@0.2"}
    found: dict[tuple[str, str], dict[str, float]] = {}
    for prefix in dict.fromkeys(row.get("prefix", "prefix not stated") for row in rows):
        for key in names:
            values = {
                row.get("training", "split by problem"): row[key]
                for row in rows
                if key in row and row.get("prefix", "prefix not stated") == prefix
            }
            found |= {(prefix, key): values} if values else {}
    trainings = sorted(
        {row.get("training", "split by problem") for row in rows},
        key=lambda each: (TRAININGS.index(each) if each in TRAININGS else len(TRAININGS), each),
    )
    columns = [Column("training", "Training", numeric=False)]
    columns += [
        Column(f"{prefix}:{key}", names[key], prefix, MEANINGS[names[key]], descending=True)
        for prefix, key in found
    ]
    body = [
        (
            Cell(training, training, link=PAPER),
            *(_published(training, values, 4, best=True) for values in found.values()),
        )
        for training in trainings
    ]
    notes = (
        "DeepPrune (arXiv 2510.08483), on its own traces, no intervals published. Focal: focal "
        "loss; both: focal loss and oversampling. AUROC is over all pairs; within problems, which "
        "pruning depends on, none is published. Split by problem: a later version of the paper, "
        "in which training and test share no problem; in the other rows they share some.",
    )
    return Table("Published judges", tuple(columns), tuple(body), notes)


CLUSTERING = (
    "After clustering only. Accuracy: how often the representative of some cluster is right. "
    "Tokens: one full trace per cluster, without pruned prefixes."
)
VOTING = "The whole method, including voting: all generated tokens."

_THRESHOLD_FIGURES = (("tokens_1e8", "Tokens, 10⁸", 4), ("accuracy", "Accuracy, %", 1))


def published_thresholds(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Build the table of the published threshold ablation, with columns by benchmark and stage."""
    columns = [Column("threshold", "τ", help="A trace joins a cluster if its score is above τ.")]
    thresholds = sorted({row["threshold"] for row in rows}, reverse=True)
    body = [[Cell(f"{threshold:g}", threshold)] for threshold in thresholds]
    for benchmark, stage in dict.fromkeys((row["benchmark"], row["stage"]) for row in rows):
        here = [row for row in rows if (row["benchmark"], row["stage"]) == (benchmark, stage)]
        group, help_ = f"{benchmark}, {stage}", CLUSTERING if stage == "clustering" else VOTING
        for key, heading, digits in _THRESHOLD_FIGURES:
            columns.append(Column(f"{benchmark}:{stage}:{key}", heading, group, help_))
            values = {row["threshold"]: row[key] for row in here}
            for threshold, cells in zip(thresholds, body, strict=True):
                cells.append(_published(threshold, values, digits))
    models = ", ".join(dict.fromkeys(row["model"] for row in rows))
    note = f"DeepPrune (arXiv 2510.08483), {models}, on its own traces, no intervals published."
    return Table("Published thresholds", tuple(columns), tuple(map(tuple, body)), (note,))


def _published(
    row: object, column: Mapping[Any, float], digits: int, *, best: bool = False
) -> Cell:
    """Build the cell of a row; `column` has the values by row, its `best` is bold."""
    if row not in column:
        return Cell(note="Not published")
    value = column[row]
    bold = best and len(column) > 1 and value == max(column.values())
    return Cell(f"{value:.{digits}f}", value, bold=bold)


def local_thresholds(library: Library, pool: str) -> Table:
    """Build the table of local runs and submissions with a judge and a threshold τ, on one pool."""
    columns = (
        Column("entry", "Entry", numeric=False),
        Column("badge", "Badge", numeric=False),
        Column("tau", "τ", help="A trace joins a cluster if its score is above τ."),
        Column("prefix", "Prefix", help="Part of each trace that the judge reads.", numeric=False),
        Column("tokens_1e8", "Tokens, 10⁸", "voting", FIGURES["tokens_1e8"].help),
        Column("accuracy", "Accuracy, % [95%]", "voting", FIGURES["accuracy"].help),
        Column("reduction", "Fewer tokens, % [95%]", "voting", FIGURES["reduction"].help),
        Column("kept_1e8", "Tokens, 10⁸", "clustering", FIGURES["tokens_kept"].help),
        Column("clusters_correct", "Right, %", "clustering", FIGURES["clusters_correct"].help),
    )
    found = [
        (entry, result)
        for entry in library.entries
        for result in entry.results.values()
        if result.pool == pool and "judge" in entry.needs and is_number(entry.parameters.get("tau"))
    ]
    found.sort(key=lambda each: (-each[0].parameters["tau"], each[0].label))
    rows = tuple(_threshold_row(entry, result) for entry, result in found)
    return Table("Thresholds on this pool", columns, rows)


def _threshold_row(entry: Entry, result: Result) -> tuple[Cell, ...]:
    tau = float(entry.parameters["tau"])
    cut = str(entry.parameters.get("truncation") or "")
    kept, right = result.metrics.get("tokens_kept"), result.metrics.get("clusters_correct")
    total = None if kept is None else kept.value * result.problems / 1e8
    oracle = f" ({ORACLE})" if entry.unranked else ""
    return (
        Cell(
            entry.label + oracle,
            entry.label,
            ORACLE_NOTE if entry.unranked else entry.id,
            link=link("entry", entry=entry.id),
        ),
        Cell(badge_text(entry.badge), entry.badge, badge_help(entry.badge)),
        Cell(f"{tau:g}", tau),
        Cell(cut, cut),
        _metric("tokens_1e8", result.metrics.get("tokens_1e8")),
        _metric("accuracy", result.metrics.get("accuracy"), with_interval=True),
        _metric("reduction", result.metrics.get("reduction"), with_interval=True),
        Cell(note="No clusters reported") if total is None else Cell(f"{total:.4f}", total),
        _metric("clusters_correct", right),
    )


def _metric(name: str, metric: Metric | None, *, with_interval: bool = False) -> Cell:
    """Build the cell of a run's metric, in the unit of its heading."""
    figure = FIGURES[name]
    cell = figure.cell(metric, missing="Not measured in this run", brackets=with_interval)
    if metric is None:
        return cell
    value, low, high = (
        None if each is None else each * figure.scale
        for each in (metric.value, metric.low, metric.high)
    )
    return replace(cell, value=value, low=low, high=high)


def pools_with_thresholds(library: Library) -> list[str]:
    """Return the names of the pools on which `local_thresholds` has rows, sorted."""
    return sorted(
        {
            result.pool
            for entry in library.entries
            if "judge" in entry.needs and is_number(entry.parameters.get("tau"))
            for result in entry.results.values()
        }
    )
