"""Redundancy: share of pairs of traces with the same answer (DeepPrune, arXiv 2510.08483)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from judges.pairs.pair_sets import cut_by_length
from simulator.pools.pool import NO_ANSWER, Pool
from simulator.report.plotting.plot import picture
from simulator.statistics import Estimate, bootstrap

TOGETHER = "all together"
"""Name of the row over all pools."""

PUBLISHED_SHARES = {
    "GLM-4.5-Air": 94.5,
    "QwQ-32B": 91.2,
    "DeepSeek-R1-Distill-Llama-8B": 76.2,
    "Qwen3-4B-Thinking": 93.1,
    "together": 81.6,
}
"""Same-answer pairs by model, in %, as published by DeepPrune (arXiv 2510.08483)."""

PUBLISHED = "Published (arXiv 2510.08483), on other traces: " + (
    ", ".join(f"{model} {share}" for model, share in PUBLISHED_SHARES.items()) + "."
)

Counts = Mapping[tuple[str, str], tuple[int, int]]
"""Number of pairs that agree, and of all pairs, by benchmark and problem."""


@dataclass(frozen=True, slots=True)
class Redundancy:
    """Counts of pairs of finished traces of the same problem, and of those with the same answer.

    Parameters
    ----------
    pool
        The pool's name, or `TOGETHER`.
    problems
        Number of problems with two or more finished traces with an answer.
    same_pairs, pairs
        Sums over problems.
    share
        `same_pairs` over `pairs`, which weights a problem by its pairs.
    mean
        The mean of the problems' shares, over those that have pairs.
    """

    pool: str
    synthetic: bool
    problems: int
    same_pairs: int
    pairs: int
    share: Estimate | None
    mean: Estimate | None


def redundancies(pools: Sequence[Pool]) -> list[Redundancy]:
    """Compute the redundancy of each pool and, if there are several, of all together.

    Intervals are from a bootstrap over problems. A problem that is in several pools is drawn as one
    problem, with the traces of all its models.
    """
    counts = [count_pairs(pool) for pool in pools]
    rows = [
        _redundancy(pool.name, pool.info.synthetic, found)
        for pool, found in zip(pools, counts, strict=True)
    ]
    if len(pools) > 1:
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        for found in counts:
            for problem, (same, pairs) in found.items():
                before = sums.get(problem, (0, 0))
                sums[problem] = before[0] + same, before[1] + pairs
        rows.append(_redundancy(TOGETHER, any(row.synthetic for row in rows), sums))
    return rows


def count_pairs(pool: Pool) -> Counts:
    """Count the pairs of a pool's traces that agree, and all pairs.

    Traces without an answer, or cut by the length limit, are left out, as DeepPrune's are.
    """
    counts = {}
    cut = cut_by_length(pool)
    for problem in pool.problems:
        kept = (problem.answer_class != NO_ANSWER) & ~cut[problem.problem_id]
        answers = problem.answer_class[kept]
        votes = np.bincount(answers)
        same = int((votes * (votes - 1) // 2).sum())
        key = (pool.info.benchmark, problem.problem_id)
        counts[key] = same, len(answers) * (len(answers) - 1) // 2
    return counts


def _redundancy(name: str, synthetic: bool, counts: Counts) -> Redundancy:
    same, pairs = np.array([*counts.values()], dtype=np.int64).T
    telling = pairs > 0
    number = int(np.count_nonzero(telling))
    return Redundancy(
        pool=name,
        synthetic=synthetic,
        problems=number,
        same_pairs=int(same.sum()),
        pairs=int(pairs.sum()),
        share=bootstrap(len(counts)).ratio(same, pairs),
        mean=bootstrap(number).mean(same[telling] / pairs[telling]) if number else None,
    )


def plot(rows: Sequence[Redundancy], kind: str) -> bytes:
    """Draw shares with their intervals; `kind` is "png" or "svg"."""
    import altair as alt

    points = [
        {
            "pool": row.pool + (" (synthetic)" if row.synthetic and row.pool != TOGETHER else ""),
            "share": 100 * row.share.value,
            "low": 100 * (row.share.value if row.share.low is None else row.share.low),
            "high": 100 * (row.share.value if row.share.high is None else row.share.high),
        }
        for row in rows
        if row.share is not None
    ]
    title = alt.TitleParams(
        "Pairs of traces of one problem that end in the same answer",
        subtitle="Bars: 95% intervals from a bootstrap over problems.",
        anchor="start",
    )
    base = alt.Chart(alt.Data(values=points), title=title, width=420, height={"step": 24}).encode(
        y=alt.Y("pool:N", sort=None, title=None, axis=alt.Axis(labelLimit=400))
    )
    scale = alt.Scale(domain=[0, 100])
    bars = base.mark_rule(strokeWidth=2, color="#0072B2").encode(
        x=alt.X("low:Q", scale=scale, title="same answer, % of pairs"), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=60, color="#0072B2", opacity=1).encode(x="share:Q")
    labels = base.mark_text(align="center", dy=-9, fontSize=10).encode(
        x="share:Q", text=alt.Text("share:Q", format=".1f")
    )
    return picture(bars + dots + labels, kind)
