"""Charts of one pool on the page Data, and their descriptions in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pyarrow as pa

from leaderboard_app.library.pool_answers import NO_ANSWER, RIGHT, WRONG, PoolAnswers, shares
from leaderboard_app.shown.palette import BAD, GOOD, NONE, SERIES
from leaderboard_app.views.data.tables import FIGURES
from simulator.catalogue.pool_facts import ProblemFacts
from simulator.statistics import Estimate

KINDS = {RIGHT: GOOD, "commonest wrong": BAD, "other wrong": SERIES[4], NO_ANSWER: NONE}
"""Kinds of answers from the bottom of the bars up, with their colours."""


def curves_chart(answers: PoolAnswers) -> Any:
    """Draw pass@k and cons@k against k, with 95% bands."""
    rows = [
        {
            "k": k,
            "figure": name,
            "value": 100 * each.value,
            "low": 100 * (each.value if each.low is None else each.low),
            "high": 100 * (each.value if each.high is None else each.high),
        }
        for name, curve in (("pass@k", answers.facts.pass_at_k), ("cons@k", answers.cons_at_k))
        for k, each in curve.items()
    ]
    names = list(FIGURES)
    ks = sorted(answers.facts.pass_at_k)
    domain = [1, max(2, ks[-1])]  # a logarithmic axis needs two points
    base = alt.Chart(pa.Table.from_pylist(rows)).encode(
        x=alt.X(
            "k:Q",
            title="k, traces drawn",
            scale=alt.Scale(type="log", base=2, domain=domain),
            axis=alt.Axis(values=ks, format="d"),
        ),
        color=alt.Color(
            "figure:N",
            scale=alt.Scale(domain=names, range=list(SERIES[:2])),
            legend=alt.Legend(title=None, orient="top", symbolOpacity=1),
        ),
        tooltip=[
            alt.Tooltip("figure:N"),
            alt.Tooltip("k:Q"),
            alt.Tooltip("value:Q", format=".1f", title="%"),
            alt.Tooltip("low:Q", format=".1f", title="95% from"),
            alt.Tooltip("high:Q", format=".1f", title="to"),
        ],
    )
    y = alt.Y("value:Q", title="right, %", scale=alt.Scale(zero=False))
    shape = alt.Shape("figure:N", scale=alt.Scale(domain=names, range=["circle", "square"]))
    band = base.mark_area(opacity=0.18).encode(y=alt.Y("low:Q", title="right, %"), y2="high:Q")
    return (
        band
        + base.mark_line().encode(y=y)
        + base.mark_point(filled=True, size=50).encode(y=y, shape=shape)
    )


def curves_in_words(answers: PoolAnswers) -> str:
    """Describe the chart of curves."""
    passed, voted = answers.facts.pass_at_k, answers.cons_at_k
    most = max(passed)
    return (
        f"pass@k rises from {_in_words(passed[1])} with one trace to {_in_words(passed[most])} "
        f"with {most}; majority voting is right in {_in_words(voted[most])} with {most}."
    )


def _in_words(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.value:.1f}%"
    return (
        f"{100 * estimate.value:.1f}% (95% interval {100 * estimate.low:.1f} to "
        f"{100 * estimate.high:.1f})"
    )


def lengths_chart(answers: PoolAnswers) -> Any:
    """Draw a histogram of the traces' lengths, right ones at the bottom."""
    kinds = {RIGHT: GOOD, WRONG: BAD, NO_ANSWER: NONE}
    rows = [
        {
            "start": bar.start,
            "end": bar.start + answers.width,
            "answer": bar.kind,
            "traces": bar.traces,
            "order": list(kinds).index(bar.kind),
        }
        for bar in answers.lengths
    ]
    return (
        alt.Chart(pa.Table.from_pylist(rows))
        .mark_bar()
        .encode(
            x=alt.X("start:Q", bin="binned", title="tokens a trace"),
            x2="end:Q",
            y=alt.Y("traces:Q", title="traces"),
            color=_by_kind("answer", kinds),
            order="order:Q",
            tooltip=[
                alt.Tooltip("start:Q", format=",", title="tokens from"),
                alt.Tooltip("end:Q", format=",", title="to below"),
                alt.Tooltip("answer:N"),
                alt.Tooltip("traces:Q", format=","),
            ],
        )
    )


def lengths_in_words(answers: PoolAnswers) -> str:
    """Describe the histogram of lengths."""
    facts = answers.facts
    least, _, quarter, median, three_quarters, _, most = facts.lengths
    right = sum(each.correct for each in facts.problems)
    return (
        f"Lengths of {facts.traces:,} traces: {least:,.0f} to {most:,.0f} tokens, half of them "
        f"between {quarter:,.0f} and {three_quarters:,.0f}, median {median:,.0f}, mean "
        f"{facts.mean_length:,.0f}. {right:,} are right, {facts.no_answer:,} have no answer."
    )


def answers_chart(answers: PoolAnswers) -> Any:
    """Draw a bar for each problem, by accuracy, divided by its traces' kinds of answers."""
    rows = [
        {
            "place": place,
            "problem": each.problem_id,
            "answered": kind,
            "share": share,
            "answer": answer[:100],
            "order": order,
        }
        for place, each in enumerate(by_accuracy(answers), 1)
        for order, (kind, share, answer) in enumerate(shares(answers.votes[each.problem_id]))
        if share
    ]
    few = len(answers.facts.problems) <= 40
    return (
        alt.Chart(pa.Table.from_pylist(rows))
        .mark_bar()
        .encode(
            x=alt.X(
                "place:O",
                title="problems, most often right first",
                axis=alt.Axis(labels=few, ticks=few, labelAngle=0),
                scale=alt.Scale(paddingInner=0.1 if few else 0, paddingOuter=0),
            ),
            y=alt.Y(
                "share:Q",
                title="share of its traces",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1]),
            ),
            color=_by_kind("answered", KINDS),
            order="order:Q",
            tooltip=[
                alt.Tooltip("problem:N"),
                alt.Tooltip("answered:N"),
                alt.Tooltip("answer:N"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
    )


def by_accuracy(answers: PoolAnswers) -> list[ProblemFacts]:
    """Return the pool's problems, those with the most right traces first."""
    return sorted(
        answers.facts.problems, key=lambda each: (-each.correct / each.traces, each.problem_id)
    )


def answers_in_words(answers: PoolAnswers) -> str:
    """Describe the chart of answers."""
    problems = answers.facts.problems
    always = sum(each.correct == each.traces for each in problems)
    never = sum(each.correct == 0 for each in problems)
    voted = sum(each.consensus == 1 for each in problems)
    return (
        f"Of {len(problems):,} problems, all traces are right on {always:,} and none on {never:,}; "
        f"the most common answer is right on {voted:,}. Bars from the bottom: right, most common "
        "wrong answer, other wrong answers, no answer."
    )


def _by_kind(field: str, kinds: Mapping[str, str]) -> Any:
    return alt.Color(
        f"{field}:N",
        scale=alt.Scale(domain=list(kinds), range=list(kinds.values())),
        legend=alt.Legend(title=None, orient="top", columns=2),
    )
