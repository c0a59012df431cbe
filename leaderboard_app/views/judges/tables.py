"""The page Judges: tables of what judges are worth, and published figures beside."""

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
"""What a judge is called that knows the answers."""

ORACLE_NOTE = (
    "An oracle: it knows the answers and blurs them to the quality that is asked of it. For "
    "studies; no judge's work, and runs with it are not ranked."
)

MEANINGS = {
    "AUROC": (
        "Chance that a same-answer pair scores above a different-answer one, over all pairs of all "
        "problems; ties count half. 0.5 is chance. It also rewards knowing which problems are easy."
    ),
    "TNR@0.2": (
        "True-negative rate at a false-negative rate of 0.2: share of different-answer pairs "
        "rejected by the threshold that also rejects 20% of the same-answer ones. 0.2 is chance."
    ),
    "AUROC within problems": (
        "AUROC inside each problem, averaged over those that have pairs of both kinds: what "
        "pruning needs, which only ever compares traces of one problem. 0.5 is chance."
    ),
    "Calibration error": (
        "Expected calibration error: how far the mean score is from the share of same-answer pairs "
        "in each tenth of the scores, averaged over pairs. 0 is perfect."
    ),
}
"""What each figure is."""

INTERVAL = "In brackets, the 95% interval of a bootstrap over problems."

TRAININGS = ("plain", "focal", "oversampling", "both")
"""Rows of the published ablation, in this order."""

PAPER = "https://arxiv.org/abs/2510.08483"


def name_of(stored: Stored) -> str:
    """A judge as charts and tables call it; an oracle is marked as one."""
    cut = f", {stored.truncation}" if stored.truncation else ""
    mark = f" ({ORACLE})" if stored.oracle else ""
    return f"{stored.label}{cut}{mark}"


def names_of(stored: Sequence[Stored]) -> dict[str, str]:
    """By the folder of a judge its name, with the folder where two would have the same."""
    names = [name_of(each) for each in stored]
    return {
        each.judge: name if names.count(name) == 1 else f"{name} [{each.judge}]"
        for each, name in zip(stored, names, strict=True)
    }


def inventory_table(found: Inventory) -> Table:
    """Which judge's scores are stored of which pool, and of how many of its pairs."""
    columns = (
        Column("pool", "Pool", help="Opens it.", numeric=False),
        Column("judge", "Judge", numeric=False),
        Column("prefix", "Shown", help="What the judge reads of each trace.", numeric=False),
        Column("pairs", "Scored pairs", descending=True),
        Column("share", "… of all, %", descending=True),
        Column("origin", "Origin", numeric=False, help="Sampled from a model, or generated."),
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
        return Cell(note="It reads no text")
    return Cell(stored.truncation, stored.truncation)


def worth_table(worths: Sequence[tuple[Stored, Worth | str]]) -> Table:
    """What each judge's scores of one pool are worth; a text is why there is nothing to say."""
    columns = (
        Column("judge", "Judge", numeric=False),
        Column("prefix", "Shown", help="What the judge reads of each trace.", numeric=False),
        *(
            Column(key, f"{name} [95%]", help=f"{MEANINGS[name]} {INTERVAL}", descending=True)
            for key, name in (
                ("auroc", "AUROC"),
                ("tnr", "TNR@0.2"),
                ("within", "AUROC within problems"),
            )
        ),
        Column("calibration_error", "Calibration error", help=MEANINGS["Calibration error"]),
        Column("pairs", "Pairs", help="Evaluated: both traces end in an answer of their own."),
        Column("problems", "Problems"),
        Column("same", "Same answer, %", help="Share of the pairs.", descending=True),
        Column(
            "unfinished",
            "Unfinished, %",
            help="Pairs of which the judge saw neither trace whole: of the others, the answers can "
            "be read off.",
        ),
    )
    rows = tuple(_worth_row(stored, worth) for stored, worth in worths)
    notes = []
    if any(isinstance(worth, Worth) and worth.drawn for _, worth in worths):
        notes.append(
            "Of pools with very many stored pairs, all pairs of some traces are evaluated, about "
            "20,000; always the same ones."
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
        Cell(note="Known for cuts in tokens only")
        if worth.unfinished is None
        else Cell(f"{100 * worth.unfinished:.1f}", 100 * worth.unfinished),
    )


def _estimate(estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell(note="All pairs have one label")
    if estimate.low is None or estimate.high is None:
        return Cell(f"{estimate.value:.3f}", estimate.value, "One problem: no interval")
    text = f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
    return Cell(text, estimate.value, low=estimate.low, high=estimate.high)


def published_ablation(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The published judges: a row a training, two columns a prefix; the best of each bold.

    Figures whose prefix is not given have columns of their own.
    """
    prefixes = list(dict.fromkeys(row.get("prefix", "prefix not given") for row in rows))
    trainings = sorted(
        {row.get("training", "problems kept apart") for row in rows},
        key=lambda each: (TRAININGS.index(each) if each in TRAININGS else len(TRAININGS), each),
    )
    columns = [Column("training", "Training", numeric=False)]
    figures = (("auroc", "AUROC"), ("tnr_at_02", "TNR@0.2"))
    found = {
        (row.get("training", "problems kept apart"), row.get("prefix", "prefix not given"), key): (
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
        "loss; both: focal loss and oversampling. Problems kept apart: a later version of the "
        "paper, with no problem in both training and test; in the others, some were.",
    )
    return Table("Published judges", tuple(columns), tuple(body), notes)


def published_thresholds(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The published threshold ablation: a row a threshold, columns by benchmark and stage."""
    groups = list(dict.fromkeys((row["benchmark"], row["stage"]) for row in rows))
    by_cell = {(row["threshold"], row["benchmark"], row["stage"]): row for row in rows}
    columns = [Column("threshold", "τ", help="Traces join a cluster above this score.")]
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
            "After clustering alone: how often one of the clusters' first traces is right, and the "
            "tokens of one full trace a cluster, pruned prefixes left out."
        )
    return "Of the whole method, with voting: all tokens generated."


def local_thresholds(library: Library, pool: str) -> Table:
    """Local runs and submissions of a method with a judge and a threshold τ, on one pool."""
    columns = (
        Column("entry", "Entry", numeric=False),
        Column("badge", "Badge", numeric=False),
        Column("tau", "τ", help="Traces join a cluster above this score."),
        Column("prefix", "Shown", help="What the judge reads of each trace.", numeric=False),
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
        Cell(note="No clusters declared") if total is None else Cell(f"{total:.4f}", total),
        _metric("clusters_correct", right),
    )


def _metric(name: str, metric: Metric | None, *, with_interval: bool = False) -> Cell:
    """A run's figure in the unit of its heading."""
    figure = FIGURES[name]
    if metric is None:
        return Cell(note="The run has no such figure")
    low, high = (
        None if each is None else each * figure.scale for each in (metric.low, metric.high)
    )
    text = figure.text(metric.value)
    if with_interval and metric.low is not None and metric.high is not None:
        text += f" [{figure.text(metric.low)}, {figure.text(metric.high)}]"
    return Cell(text, metric.value * figure.scale, figure.interval(metric), low=low, high=high)


def pools_with_thresholds(library: Library) -> list[str]:
    """Names of the pools on which `local_thresholds` has rows, sorted."""
    return sorted(
        {
            result.pool
            for entry in library.entries
            if "judge" in entry.needs and _is_number(entry.parameters.get("tau"))
            for result in entry.results.values()
        }
    )
