"""Comparison of generated pools at paper size with the data that they are modelled on.

    python benchmarks/generated_fit.py --scout aime24.json aime25.json --plot fit.png

Prints a line for each of the nine cells: pass@1, cons@512 and mean length with the published
figures, and the AUROC of the lowest group confidence for correct traces, within problems and over
all traces (two minutes, as it generates every confidence). With --plot and SCOUT's files (github
zhengkid/Parallel-Probe; Qwen3-8B) it draws lengths, correctness, answers and settling with those of
the generated Qwen3-32B on AIME24 and AIME25, as PNG or SVG. Lengths are divided by their mean,
because the generated ones are calibrated to another model. The generator was fitted to the same
files, so the fit is in-sample and no evidence about any method.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
from scipy.stats import rankdata

from simulator.arrays import Bools, Floats
from simulator.generated.calibration import outlines
from simulator.generated.cells import CELLS, SIZES, Cell
from simulator.generated.confidence import GROUP_TOKENS, LOWEST_GROUP_AUROC
from simulator.generated.pools import PROBE_TOKENS, SEED, generated_problems

PAPER = SIZES["paper"]
REAL, MADE = "SCOUT (Qwen3-8B)", "generated (after Qwen3-32B)"
COLOURS = ("#0072B2", "#D55E00")
POINTS = np.linspace(0, 1, 201)
COMPARED = ("qwen3-32b/aime24", "qwen3-32b/aime25")


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace's length in tokens, its final answer, and its answer after each probe interval."""

    num_tokens: int
    answer: str | None
    probes: list[str | None]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem's gold answer and its traces."""

    gold: str
    traces: list[Trace]


def read_scout(path: Path) -> list[Problem]:
    """Read the problems of a SCOUT file; probes that do not fit in their trace are dropped."""

    def meant(answer: str) -> str | None:
        if answer == "ERR":
            return None
        return str(int(answer)) if answer.isdigit() else answer

    return [
        Problem(
            gold=str(int(problem["gold_answer"])),
            traces=[
                Trace(tokens, meant(answer), [meant(p) for p in probes[: (tokens - 1) // 500]])
                for probes, tokens, answer in problem["each_branch"]
            ],
        )
        for problem in json.loads(path.read_text(encoding="utf-8"))
    ]


def settled_at(trace: Trace) -> float:
    """Return the fraction of a trace from which on every probe gives the final answer.

    The middle of the probe interval in which it settled: probes cannot tell more.
    """
    first = len(trace.probes)
    while first and trace.probes[first - 1] == trace.answer:
        first -= 1
    return min((first + 0.5) * PROBE_TOKENS / trace.num_tokens, 1.0)


def lowest_group(series: Floats) -> float:
    """Compute the lowest mean over `GROUP_TOKENS` tokens in a row; a shorter trace's own mean."""
    width = min(GROUP_TOKENS, len(series))
    total = np.concatenate([[0.0], np.cumsum(series)])
    return float((total[width:] - total[:-width]).min() / width)


def auroc(scores: Floats, positive: Bools) -> float:
    """Compute the AUROC: P(a positive scores higher than a negative)."""
    high, low = int(positive.sum()), int((~positive).sum())
    return float((rankdata(scores)[positive].sum() - high * (high + 1) / 2) / (high * low))


def confidence_of(cell: Cell) -> tuple[float, float, list[tuple[float, bool]]]:
    """Compute the AUROC of the lowest group confidence within problems and over all, and values."""
    pairs = ranked = 0.0
    values: list[tuple[float, bool]] = []
    for problem in generated_problems(cell, PAPER):
        traces = problem.traces
        right = np.array([trace.answer == problem.gold_answer for trace in traces])
        lowest = np.array([lowest_group(t.token_signals["confidence"]) for t in traces])
        weight = int(right.sum()) * int((~right).sum())
        if weight:
            pairs += weight
            ranked += weight * auroc(lowest, right)
        values += zip(lowest.tolist(), right.tolist(), strict=True)
    pooled = auroc(np.array([v for v, _ in values]), np.array([right for _, right in values]))
    return ranked / pairs, pooled, values


def print_cells() -> list[tuple[float, bool]]:
    """Print the table; return the lowest group confidences of the cells in the plot."""
    print(
        f"{'':40} {'pass@1':>14} {'cons@512':>14} {'mean length':>18} {'no answer':>10} "
        f"{'AUROC':>6} {'pooled':>7}"
    )
    drawn: list[tuple[float, bool]] = []
    for cell in CELLS:
        made = outlines(cell, PAPER, SEED)
        votes = [np.bincount(o.final[o.answered], minlength=2) for o in made]
        cons = 100 * np.mean([vote[0] > vote[1:].max() for vote in votes])
        pass_at_1 = 100 * np.mean([o.correct.mean() for o in made])
        length = np.mean([o.tokens.mean() for o in made])
        none = 100 * np.mean([~o.answered for o in made])
        within, pooled, values = confidence_of(cell)
        if cell.name in COMPARED:
            drawn += values
        print(
            f"{cell.name:40} {pass_at_1:6.2f} ({cell.pass_at_1:5.2f}) "
            f"{cons:6.2f} ({cell.cons_accuracy:5.1f}) {length:8,.0f} ({cell.mean_tokens:7,.0f}) "
            f"{none:8.1f} % {within:6.3f} {pooled:7.3f}",
            flush=True,
        )
    print(f"\n(published); target AUROC {LOWEST_GROUP_AUROC:.2f}, of pairs within a problem")
    return drawn


def generated(cell: Cell) -> Iterator[Problem]:
    """Yield the problems of a generated cell in SCOUT's form."""
    for problem in generated_problems(cell, PAPER, signals=False):
        yield Problem(
            problem.gold_answer,
            [Trace(t.num_tokens, t.answer, list(t.probe_answers or ())) for t in problem.traces],
        )


@dataclass
class Shape:
    """The plotted data of one side."""

    lengths: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    accuracy: list[float] = field(default_factory=list)
    distinct: list[int] = field(default_factory=list)
    top_share: list[float] = field(default_factory=list)
    settled: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    final_at: Any = field(default_factory=lambda: np.zeros((20, 2)))
    problem_length: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, benchmarks: list[Iterator[Problem]]) -> Shape:
        shape = cls()
        for problems in benchmarks:
            lengths: dict[bool, list[float]] = {True: [], False: []}
            means = []
            for problem in problems:
                means.append(float(np.mean([t.num_tokens for t in problem.traces])))
                shape._add(problem, lengths)
            mean = float(np.mean(means))
            shape.problem_length += [each / mean for each in means]
            for right, values in lengths.items():
                shape.lengths[right] += [value / mean for value in values]
        return shape

    def _add(self, problem: Problem, lengths: dict[bool, list[float]]) -> None:
        traces = problem.traces
        for trace in traces:
            right = trace.answer == problem.gold
            lengths[right].append(trace.num_tokens)
            if trace.answer is None or not trace.probes:
                continue
            self.settled[right].append(settled_at(trace))
            for index, answer in enumerate(trace.probes, start=1):
                part = min(19, int(20 * index * PROBE_TOKENS / trace.num_tokens))
                self.final_at[part] += (answer == trace.answer, 1)
        self.accuracy.append(float(np.mean([t.answer == problem.gold for t in traces])))
        # As many traces as SCOUT has, because a larger pool has more different answers.
        wrong = [t.answer for t in traces[:128] if t.answer not in (None, problem.gold)]
        self.distinct.append(len(set(wrong)))
        if len(wrong) >= 5:
            self.top_share.append(Counter(wrong).most_common(1)[0][1] / len(wrong))


def quantile_rows(side: str, values: list[float], **more: str) -> list[dict[str, Any]]:
    """Make the rows of a cumulative curve for altair."""
    marks = np.quantile(values, POINTS)
    return [
        {"side": side, "value": float(value), "share": float(share), **more}
        for value, share in zip(marks, POINTS, strict=True)
    ]


def curve(
    rows: list[dict[str, Any]], title: str, axis: str, domain: tuple[float, float], *, dash: bool
) -> Any:
    """Draw cumulative curves, with a colour per side; wrong traces are dashed."""
    encoding: dict[str, Any] = {
        "x": alt.X("value:Q", title=axis, scale=alt.Scale(domain=domain, clamp=True)),
        "y": alt.Y("share:Q", title="cumulative share", axis=alt.Axis(format="%")),
        "color": alt.Color(
            "side:N",
            title=None,
            scale=alt.Scale(domain=[REAL, MADE], range=[*COLOURS]),
            legend=alt.Legend(orient="top"),
        ),
        "order": "share:Q",
    }
    if dash:
        encoding["strokeDash"] = alt.StrokeDash(
            "traces:N",
            title=None,
            scale=alt.Scale(domain=["right", "wrong"], range=[[1, 0], [5, 4]]),
            legend=alt.Legend(orient="top"),
        )
    chart = alt.Chart(alt.Data(values=rows), title=title, width=300, height=190)
    return chart.mark_line(interpolate="step-after").encode(**encoding)


def plot(real: Shape, made: Shape, confidence: list[tuple[float, bool]]) -> Any:
    """Draw all panels."""
    sides = [(REAL, real), (MADE, made)]
    words = {True: "right", False: "wrong"}

    def by_correctness(name: str) -> list[dict[str, Any]]:
        return [
            row
            for side, shape in sides
            for right in (True, False)
            for row in quantile_rows(side, getattr(shape, name)[right], traces=words[right])
        ]

    def plain(name: str) -> list[dict[str, Any]]:
        return [row for side, shape in sides for row in quantile_rows(side, getattr(shape, name))]

    final = [
        {"side": side, "value": (part + 0.5) / 20, "share": float(right / count)}
        for side, shape in sides
        for part, (right, count) in enumerate(shape.final_at)
        if count
    ]
    probing = curve(
        final, "Probes that give the final answer", "part of the trace", (0, 1), dash=False
    )
    lowest = [
        row
        for right in (True, False)
        for row in quantile_rows(
            MADE, [v for v, is_right in confidence if is_right == right], traces=words[right]
        )
    ]
    rows = [
        curve(
            by_correctness("lengths"), "Length of traces", "length / mean length", (0, 3), dash=True
        ),
        curve(
            plain("problem_length"),
            "Length of problems",
            "mean length / mean length",
            (0, 3),
            dash=False,
        ),
        curve(
            plain("accuracy"),
            "Correctness of problems",
            "share of correct traces",
            (0, 1),
            dash=False,
        ),
        curve(
            plain("distinct"),
            "Different wrong answers (of 128 traces)",
            "answers",
            (0, 60),
            dash=False,
        ),
        curve(
            plain("top_share"),
            "The most frequent wrong answer",
            "share of wrong traces",
            (0, 1),
            dash=False,
        ),
        curve(
            by_correctness("settled"), "Settling", "part after which probes stay", (0, 1), dash=True
        ),
        probing.encode(y=alt.Y("share:Q", title="share of probes", axis=alt.Axis(format="%"))),
        curve(lowest, "Lowest group confidence (generated only)", "confidence", (8, 17), dash=True),
    ]
    return alt.concat(*rows, columns=2).resolve_scale(color="shared", strokeDash="shared")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--scout", nargs="*", type=Path, default=[], help="SCOUT JSON files")
    parser.add_argument("--plot", type=Path, help="PNG or SVG to write")
    arguments = parser.parse_args()
    confidence = print_cells()
    if arguments.plot is None:
        return
    if not arguments.scout:
        parser.error("--plot needs SCOUT's files, with --scout")
    real = Shape.of([iter(read_scout(path)) for path in arguments.scout])
    made = Shape.of([generated(cell) for cell in CELLS if cell.name in COMPARED])
    chart = plot(real, made, confidence)
    chart.save(
        str(arguments.plot), **({"scale_factor": 2} if arguments.plot.suffix == ".png" else {})
    )


if __name__ == "__main__":
    main()
