"""Tables of the page Judges: stored scores, quality of each judge, and published results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from leaderboard_app.library.library import Entry, Library, Result
from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.palette import badge_help, badge_text
from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.views.judges.judged import Inventory, Stored, Worth
from simulator.runs.results import Metric
from simulator.statistics import Estimate

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
            Cell(each.pool, each.pool, link=f"judges?{urlencode({'pool': each.pool})}"),
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
        Column("calibration_error", "Calibration error", help=MEANINGS["Calibration error"]),
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
        *(_estimate(each) for each in (worth.auroc, worth.tnr, worth.within)),
        Cell(f"{worth.calibration_error:.3f}", worth.calibration_error),
        Cell(f"{worth.pairs:,}", worth.pairs),
        Cell(f"{worth.problems:,}", worth.problems),
        Cell(f"{100 * worth.same:.1f}", 100 * worth.same),
        Cell(note="Only known for prefixes measured in tokens")
        if worth.unfinished is None
        else Cell(f"{100 * worth.unfinished:.1f}", 100 * worth.unfinished),
    )


def _estimate(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell(note="All pairs have the same label")
    if estimate.low is None or estimate.high is None:
        return Cell(f"{estimate.value:.3f}", estimate.value, "One problem: no interval")
    text = f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
    return Cell(text, estimate.value, low=estimate.low, high=estimate.high)


def published_ablation(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Build the table of published judges: trainings as rows, prefixes as columns, best in bold.

    Figures without a stated prefix have columns of their own.
    """
    prefixes = list(dict.fromkeys(row.get("prefix", "prefix not stated") for row in rows))
    trainings = sorted(
        {row.get("training", "split by problem") for row in rows},
        key=lambda each: (TRAININGS.index(each) if each in TRAININGS else len(TRAININGS), each),
    )
    columns = [Column("training", "Training", numeric=False)]
    figures = (("auroc", "AUROC"), ("tnr_at_02", "TNR@0.2"))
    found = {
        (row.get("training", "split by problem"), row.get("prefix", "prefix not stated"), key): (
            row[key]
        )
        for row in rows
        for key, _ in figures
        if key in row
    }
    given = [
        (prefix, key, name)
        for prefix in prefixes
        for key, name in figures
        if any((training, prefix, key) in found for training in trainings)
    ]
    columns += [
        Column(f"{prefix}:{key}", name, prefix, MEANINGS[name], descending=True)
        for prefix, key, name in given
    ]
    best = {}
    for prefix, key, _ in given:
        values = [found[at] for each in trainings if (at := (each, prefix, key)) in found]
        best[prefix, key] = max(values) if len(values) > 1 else None
    body = []
    for training in trainings:
        cells = [Cell(training, training, link=PAPER)]
        for prefix, key, _ in given:
            value = found.get((training, prefix, key))
            cells.append(
                Cell(note="Not published")
                if value is None
                else Cell(f"{value:.4f}", value, bold=value == best[prefix, key])
            )
        body.append(tuple(cells))
    notes = (
        "DeepPrune (arXiv 2510.08483), on its own traces, no intervals published. Focal: focal "
        "loss; both: focal loss and oversampling. Split by problem: a later version of the paper, "
        "in which training and test share no problem; in the other rows they share some.",
    )
    return Table("Published judges", tuple(columns), tuple(body), notes)


def published_thresholds(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Build the table of the published threshold ablation, with columns by benchmark and stage."""
    groups = list(dict.fromkeys((row["benchmark"], row["stage"]) for row in rows))
    by_cell = {(row["threshold"], row["benchmark"], row["stage"]): row for row in rows}
    columns = [Column("threshold", "τ", help="A trace joins a cluster if its score is above τ.")]
    for benchmark, stage in groups:
        group = f"{benchmark}, {stage}"
        for key, heading in (("tokens_1e8", "Tokens, 10⁸"), ("accuracy", "Accuracy, %")):
            columns.append(Column(f"{benchmark}:{stage}:{key}", heading, group, _stage(stage)))
    body = []
    for threshold in sorted({row["threshold"] for row in rows}, reverse=True):
        cells = [Cell(f"{threshold:g}", threshold)]
        for benchmark, stage in groups:
            row = by_cell.get((threshold, benchmark, stage))
            for key, digits in (("tokens_1e8", 4), ("accuracy", 1)):
                cells.append(
                    Cell(note="Not published")
                    if row is None
                    else Cell(f"{row[key]:.{digits}f}", row[key])
                )
        body.append(tuple(cells))
    models = ", ".join(dict.fromkeys(row["model"] for row in rows))
    note = f"DeepPrune (arXiv 2510.08483), {models}, on its own traces, no intervals published."
    return Table("Published thresholds", tuple(columns), tuple(body), (note,))


def _stage(stage: str) -> str:
    if stage == "clustering":
        return (
            "After clustering only. Accuracy: how often the representative of some cluster is "
            "right. Tokens: one full trace per cluster, without pruned prefixes."
        )
    return "The whole method, including voting: all generated tokens."


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
        if result.pool == pool
        and "judge" in entry.needs
        and _is_number(entry.parameters.get("tau"))
    ]
    found.sort(key=lambda each: (-each[0].parameters["tau"], each[0].label))
    rows = tuple(_threshold_row(entry, result) for entry, result in found)
    return Table("Thresholds on this pool", columns, rows)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _threshold_row(entry: Entry, result: Result) -> tuple[Cell, ...]:
    tau = float(entry.parameters["tau"])
    cut = str(entry.parameters.get("truncation") or "")
    kept, right = result.metric("tokens_kept"), result.metric("clusters_correct")
    total = None if kept is None else kept.value * result.problems / 1e8
    oracle = f" ({ORACLE})" if entry.unranked else ""
    return (
        Cell(
            entry.label + oracle,
            entry.label,
            ORACLE_NOTE if entry.unranked else entry.id,
            link=f"entry?{urlencode({'entry': entry.id})}",
        ),
        Cell(badge_text(entry.badge), entry.badge, badge_help(entry.badge)),
        Cell(f"{tau:g}", tau),
        Cell(cut, cut),
        _metric("tokens_1e8", result.metric("tokens_1e8")),
        _metric("accuracy", result.metric("accuracy"), with_interval=True),
        _metric("reduction", result.metric("reduction"), with_interval=True),
        Cell(note="No clusters reported") if total is None else Cell(f"{total:.4f}", total),
        _metric("clusters_correct", right),
    )


def _metric(name: str, metric: Metric | None, *, with_interval: bool = False) -> Cell:
    """Build the cell of a run's metric, in the unit of its heading."""
    figure = FIGURES[name]
    if metric is None:
        return Cell(note="Not measured in this run")
    low, high = (
        None if each is None else each * figure.scale for each in (metric.low, metric.high)
    )
    text = figure.text(metric.value)
    if with_interval and metric.low is not None and metric.high is not None:
        text += f" [{figure.text(metric.low)}, {figure.text(metric.high)}]"
    return Cell(text, metric.value * figure.scale, figure.interval(metric), low=low, high=high)


def pools_with_thresholds(library: Library) -> list[str]:
    """Return the names of the pools on which `local_thresholds` has rows, sorted."""
    return sorted(
        {
            result.pool
            for entry in library.entries
            if "judge" in entry.needs and _is_number(entry.parameters.get("tau"))
            for result in entry.results.values()
        }
    )
