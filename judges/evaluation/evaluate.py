"""Comparing judges on the test side of a set of pairs: AUROC, TNR@0.2, AUROC within problems."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from judges.evaluation.metrics import Quality, quality
from judges.pairs.pair_sets import Group, PairSet
from judges.protocol import AnyJudge, StoredJudge
from simulator.arrays import Bools, Floats, Ints
from simulator.errors import UserError
from simulator.report.tables import FOLD
from simulator.report.text import escape_latex, interval

POOLED = "all models"

UNFINISHED = ", unfinished"
"""Suffix of rows without the pairs in which a prefix is a whole trace, including its answer."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Scored:
    """A judge's scores of the pairs of one side of a set; arrays have shape (pairs,).

    `problem` and `model` number the problems and the models; `unfinished` is True for pairs in
    which neither prefix is a whole trace, including its answer.
    """

    name: str
    truncation: str
    labels: Bools
    scores: Floats
    problem: Ints
    model: Ints
    models: list[str]
    unfinished: Bools


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison."""

    judge: str
    truncation: str
    model: str
    unfinished: float
    quality: Quality


def score_pairs(
    pairs: PairSet,
    judge: AnyJudge,
    name: str,
    *,
    split: str = "test",
    unfinished_only: bool = False,
    progress: Progress | None = None,
) -> Scored:
    """Have a judge score the pairs of one side of a set, a problem of a model at a time.

    Parameters
    ----------
    judge
        A judge that reads text; its truncation selects the set's prefixes.
    unfinished_only
        True to leave out pairs in which a prefix is a whole trace, which may show its answer.

    Raises
    ------
    UserError
        The judge reads no text, the set lacks the judge's truncation, or there are no pairs.
    """
    truncation = judge.identity.truncation
    if isinstance(judge, StoredJudge) or truncation is None:
        raise UserError(
            f"judge {name}: reads stored answers instead of text, so there is nothing to evaluate"
        )
    groups = list(pairs.groups(split, pairs.choose(truncation)))
    models = sorted({group.model for group in groups})
    problems = {key: index for index, key in enumerate(sorted({each.problem for each in groups}))}
    parts: list[tuple[Group, Ints, Floats]] = []
    for done, group in enumerate(groups):
        open_pairs = ~group.whole[group.pairs].any(axis=1)
        chosen = np.flatnonzero(open_pairs | (not unfinished_only))
        if len(chosen):
            scores = judge.score(group.prefixes, group.pairs[chosen], group.question)
            parts.append((group, chosen, scores))
        if progress is not None:
            progress(done + 1, len(groups))
    if not parts:
        raise UserError(f"{pairs.folder}: no such pairs on the {split} side")
    numbered = np.unique(
        np.concatenate([np.full(len(at), problems[each.problem]) for each, at, _ in parts]),
        return_inverse=True,
    )[1]
    return Scored(
        name=name,
        truncation=str(truncation),
        labels=np.concatenate([each.same[at] for each, at, _ in parts]),
        scores=np.concatenate([scores for _, _, scores in parts]),
        problem=numbered.astype(np.int64),
        model=np.concatenate([np.full(len(at), models.index(each.model)) for each, at, _ in parts]),
        models=models,
        unfinished=np.concatenate(
            [~each.whole[each.pairs[at]].any(axis=1) for each, at, _ in parts]
        ),
    )


def compare(scored: Sequence[Scored]) -> list[Row]:
    """Make a row for each judge and model, and one over all models if there are several.

    If only some pairs include a whole trace, a further row shows the pairs that do not.
    """
    rows = []
    for each in scored:
        whole = [(POOLED, np.ones(len(each.labels), dtype=bool))]
        models = [(model, each.model == index) for index, model in enumerate(each.models)]
        for model, here in [*(whole if len(models) > 1 else []), *models]:
            rows.append(_row(each, here, model))
            unfinished = here & each.unfinished
            if 0 < unfinished.sum() < here.sum():
                rows.append(_row(each, unfinished, f"{model}{UNFINISHED}"))
    return rows


def _row(scored: Scored, here: Bools, model: str) -> Row:
    problem = np.unique(scored.problem[here], return_inverse=True)[1].astype(np.int64)
    cell = scored.problem[here] * len(scored.models) + scored.model[here]
    return Row(
        judge=scored.name,
        truncation=scored.truncation,
        model=model,
        unfinished=float(scored.unfinished[here].mean()),
        quality=quality(scored.labels[here], scored.scores[here], problem, cell),
    )


HEADERS = (
    "judge",
    "prefix",
    "model",
    "problems",
    "pairs",
    "same %",
    "unfinished %",
    "AUROC [95%]",
    "TNR@0.2 [95%]",
    "AUROC within problems [95%]",
    "calibration error [95%]",
)

RIGHT = (False, False, False, *[True] * 8)
"""Columns that are right-aligned."""

DISPENSABLE = ("calibration error [95%]", FOLD, "problems", "unfinished %", "same %", "pairs")
"""Columns to drop on a narrow terminal, in this order, and when to fold intervals."""

NOTES = (
    "Positive: same answer. TNR@0.2: share of different-answer pairs rejected at the threshold "
    "that rejects 20% of the same-answer pairs. Within problems: AUROC inside each problem of each "
    "model, averaged over those that have both labels; it is what pruning needs, while the pooled "
    "AUROC also rewards telling easy problems from hard ones.",
    "Intervals are from a bootstrap over problems. Chance: 0.500, 0.200, 0.500. Unfinished: pairs "
    "in which neither prefix is a whole trace, including its answer; in the others, an answer can "
    "be read.",
)


def cells(row: Row) -> list[str]:
    """Format a row for readers, one text for each of HEADERS."""
    found = row.quality
    return [
        row.judge,
        row.truncation,
        row.model,
        str(found.problems),
        f"{found.pairs:,}",
        f"{100 * found.same:.1f}",
        f"{100 * row.unfinished:.1f}",
        *(
            interval(each, 1, "", 3) or "one label"
            for each in (found.auroc, found.tnr, found.within)
        ),
        interval(found.calibration_error, 1, "", 3),
    ]


def as_markdown(rows: Sequence[Row]) -> str:
    """Format rows as a GitHub table."""
    lines = [list(HEADERS), [("---:" if right else "---") for right in RIGHT], *map(cells, rows)]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    table = "\n".join("| " + " | ".join(line) + " |" for line in escaped)
    return table + "\n\n" + "\n\n".join(NOTES) + "\n"


def as_latex(rows: Sequence[Row]) -> str:
    """Format rows as a LaTeX booktabs table."""
    columns = "".join("r" if right else "l" for right in RIGHT)
    body = [" & ".join(map(escape_latex, cells(row))) + r" \\" for row in rows]
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(escape_latex, HEADERS)) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *[rf"\par{{\footnotesize {escape_latex(note)}}}" for note in NOTES],
    ]
    return "\n".join(lines) + "\n"


def as_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return all figures unrounded, as JSON-compatible dicts."""
    return [
        {
            "judge": row.judge,
            "truncation": row.truncation,
            "model": row.model,
            "unfinished": row.unfinished,
            **asdict(row.quality),
        }
        for row in rows
    ]


def as_csv(rows: Sequence[Row]) -> str:
    """Format as CSV with unrounded values, intervals in columns, no notes."""
    table = []
    for row in as_rows(rows):
        line: dict[str, Any] = {}
        for key, value in row.items():
            if key in ("auroc", "tnr", "within", "calibration_error"):
                ends = value or {"value": None, "low": None, "high": None}
                line |= {key: ends["value"], f"{key}_low": ends["low"], f"{key}_high": ends["high"]}
            else:
                line[key] = value
        table.append(line)
    return pd.DataFrame(table).to_csv(index=False, lineterminator="\n")


def as_document(rows: Sequence[Row]) -> dict[str, Any]:
    """Return `{"rows": […], "notes": […]}` for JSON."""
    return {"rows": as_rows(rows), "notes": list(NOTES)}


def as_json(rows: Sequence[Row]) -> str:
    """Format `as_document` as JSON."""
    return json.dumps(as_document(rows), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Sequence[Row]], str]] = {
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
    "json": as_json,
}
