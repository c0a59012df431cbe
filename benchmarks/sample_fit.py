"""Comparison of the generated sample pool with the real traces that it is modelled on.

Takes SCOUT files (one per benchmark; github zhengkid/Parallel-Probe) and prints one column for each
and one for the sample:

    python benchmarks/sample_fit.py aime24.json aime25.json
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from simulator.generated.sample import MAX_TOKENS, PROBE_INTERVAL, sample_problems

VOTES = 64
SHUFFLES = 200
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)

Floats = npt.NDArray[np.float64]


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
    """Read the problems of a SCOUT file; drop probes past their trace's end."""

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


def generated() -> list[Problem]:
    """Make the problems of the sample pool."""
    return [
        Problem(
            gold=problem.gold_answer,
            traces=[
                Trace(trace.num_tokens, trace.answer, list(trace.probe_answers or ()))
                for trace in problem.traces
            ],
        )
        for problem in sample_problems()
    ]


def settling(trace: Trace) -> tuple[float, list[str | None]]:
    """Return the fraction from which every probe gives the final answer, and the probes before it.

    The fraction is the middle of the probe interval in which the trace settled.
    """
    first = len(trace.probes)
    while first and trace.probes[first - 1] == trace.answer:
        first -= 1
    fraction = (first + 0.5) * PROBE_INTERVAL / trace.num_tokens
    return min(fraction, 1.0), trace.probes[:first]


def cons_accuracy(problem: Problem) -> float:
    """Compute the share of random draws of `VOTES` traces whose plurality is right."""
    rng = np.random.default_rng(0)
    answers = [trace.answer for trace in problem.traces]
    right = 0
    for _ in range(SHUFFLES):
        drawn = (answers[i] for i in rng.permutation(len(answers))[:VOTES])
        votes = Counter(answer for answer in drawn if answer is not None)
        right += bool(votes) and votes.most_common(1)[0][0] == problem.gold
    return right / SHUFFLES


def describe(problems: list[Problem]) -> dict[str, str]:
    """Compute the rows of one column."""
    lengths = [np.array([t.num_tokens for t in p.traces], dtype=np.float64) for p in problems]
    accuracy = np.array([np.mean([t.answer == p.gold for t in p.traces]) for p in problems])
    cons = np.array([cons_accuracy(p) for p in problems])
    gaps, distinct, top_share = [], [], []
    for problem, tokens in zip(problems, lengths, strict=True):
        wrong = [t.answer for t in problem.traces if t.answer not in (None, problem.gold)]
        distinct.append(len(set(wrong)))
        if len(wrong) >= 5:
            top_share.append(Counter(wrong).most_common(1)[0][1] / len(wrong))
        right = np.array([t.answer == problem.gold for t in problem.traces])
        if 5 <= right.sum() <= len(right) - 5:
            gaps.append(np.log(tokens[~right]).mean() - np.log(tokens[right]).mean())

    settled: dict[bool, list[float]] = {True: [], False: []}
    final_at = np.zeros((10, 2))
    wander_distinct, wander_top, repeats = [], [], []
    wander_none, wander_final = [], []
    runs: list[int] = []
    for problem in problems:
        wandered: Counter[str | None] = Counter()
        for trace in problem.traces:
            if trace.answer is None or not trace.probes:
                continue
            fraction, before = settling(trace)
            settled[trace.answer == problem.gold].append(fraction)
            wandered.update(before)
            repeats += [a == b for a, b in pairwise(before)]
            runs += [len(list(same)) for _, same in groupby(before)]
            wander_none += [answer is None for answer in before]
            wander_final += [answer == trace.answer for answer in before]
            for index, answer in enumerate(trace.probes, start=1):
                tenth = min(9, int(10 * index * PROBE_INTERVAL / trace.num_tokens))
                final_at[tenth] += (answer == trace.answer, 1)
        del wandered[None]
        wander_distinct.append(len(wandered))
        wander_top.append(max(wandered.values(), default=0) / max(1, wandered.total()))

    mean_log = np.array([np.log(tokens).mean() for tokens in lengths])
    every = [trace for problem in problems for trace in problem.traces]
    return {
        "problems x traces": f"{len(problems)} x {len(every) // len(problems)}",
        "mean tokens": f"{np.concatenate(lengths).mean():,.0f}",
        "mean tokens of a problem": quantiles([x.mean() for x in lengths], "{:,.0f}"),
        "cv within a problem": quantiles([x.std() / x.mean() for x in lengths]),
        "log tokens, wrong - correct": f"{np.mean(gaps):.2f}",
        "corr(accuracy, log tokens)": f"{np.corrcoef(accuracy, mean_log)[0, 1]:.2f}",
        "at the length limit": f"{np.mean([t.num_tokens >= MAX_TOKENS - 60 for t in every]):.1%}",
        "no answer": f"{np.mean([t.answer is None for t in every]):.1%}",
        "pass@1": f"{accuracy.mean():.1%}",
        "accuracy of a problem": quantiles(accuracy),
        f"cons@{VOTES}": f"{cons.mean():.1%}",
        "different wrong answers": quantiles(distinct, "{:.0f}"),
        "top wrong answer's share": quantiles(top_share),
        "settled at, correct": quantiles(settled[True]),
        "settled at, wrong": quantiles(settled[False]),
        "probes final, by tenths": " ".join(f"{100 * a / n:.0f}" for a, n in final_at) + " %",
        "before settling: repeats": f"{np.mean(repeats):.1%}",
        "runs that go on after 1, 2, 5, 10": " ".join(
            f"{np.mean(np.array([run for run in runs if run >= k]) > k):.0%}" for k in (1, 2, 5, 10)
        ),
        "before settling: no answer": f"{np.mean(wander_none):.1%}",
        "before settling: final answer": f"{np.mean(wander_final):.1%}",
        "before settling: different": quantiles(wander_distinct, "{:.0f}"),
        "before settling: top share": quantiles(wander_top),
    }


def quantiles(values: Iterable[float] | Floats, form: str = "{:.2f}") -> str:
    """Format the quantiles in `QUANTILES` as one cell."""
    return " ".join(form.format(q) for q in np.quantile(np.asarray(list(values)), QUANTILES))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("scout", nargs="*", type=Path, help="SCOUT JSON files")
    arguments = parser.parse_args()
    columns = {path.stem: describe(read_scout(path)) for path in arguments.scout}
    columns["generated"] = describe(generated())
    shown = ", ".join(f"{q:.0%}" for q in QUANTILES)
    table = Table("", *columns, caption=f"several numbers in a cell: quantiles {shown}")
    for row in columns["generated"]:
        table.add_row(row, *(column[row] for column in columns.values()))
    Console(width=40 + 40 * len(columns)).print(table)


if __name__ == "__main__":
    main()
