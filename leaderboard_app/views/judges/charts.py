"""Charts of the page Judges, ROC curves and calibration, and their descriptions in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pyarrow as pa

from leaderboard_app.shown.palette import NONE, SHAPES, colours
from leaderboard_app.views.judges.judged import Worth

DASHES = ([1, 0], [8, 3], [3, 3], [8, 3, 2, 3])
"""Dash patterns of ROC curves, in order of use, so that lines differ not by colour alone."""


def roc_chart(worths: Sequence[tuple[str, Worth]]) -> Any:
    """Draw the ROC curves of named judges; dashed lines are chance and the level of TNR@0.2."""
    rows = [
        {"judge": name, "false": false, "true": true, "order": order}
        for name, worth in worths
        for order, (false, true) in enumerate(worth.curve)
    ]
    names = [name for name, _ in worths]
    dashes = [DASHES[place % len(DASHES)] for place in range(len(names))]
    x = alt.X("false:Q", title="false-positive rate", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("true:Q", title="true-positive rate", scale=alt.Scale(domain=[0, 1]))
    lines = (
        alt.Chart(pa.Table.from_pylist(rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=x,
            y=y,
            color=_by_judge(names),
            strokeDash=alt.StrokeDash(
                "judge:N", scale=alt.Scale(domain=names, range=dashes), legend=_legend()
            ),
            order="order:Q",
            tooltip=[
                alt.Tooltip("judge:N"),
                alt.Tooltip("false:Q", format=".3f"),
                alt.Tooltip("true:Q", format=".3f"),
            ],
        )
    )
    guides: list[dict[str, float]] = [
        {"false": 0, "true": 0, "guide": 0},
        {"false": 1, "true": 1, "guide": 0},
        {"false": 0, "true": 0.8, "guide": 1},
        {"false": 1, "true": 0.8, "guide": 1},
    ]
    return _dashed(guides, x, y) + lines


def roc_in_words(worths: Sequence[tuple[str, Worth]]) -> str:
    """Describe the ROC curves."""
    parts = [
        f"{name}: AUROC {worth.auroc.value:.3f} over all pairs, {worth.within.value:.3f} within "
        f"problems, TNR@0.2 {worth.tnr.value:.3f}"
        for name, worth in worths
        if worth.auroc and worth.within and worth.tnr
    ]
    return f"ROC curves. {'; '.join(parts)}. Chance has 0.500, 0.500 and 0.200."


def calibration_chart(worths: Sequence[tuple[str, Worth]]) -> Any:
    """Draw the share of same-answer pairs by tenths of the score; larger points have more pairs."""
    rows = [
        {"judge": name, "score": mean, "same": share, "pairs": number}
        for name, worth in worths
        for mean, share, number in worth.calibration
    ]
    names = [name for name, _ in worths]
    x = alt.X("score:Q", title="mean score in its tenth", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("same:Q", title="share of same-answer pairs", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(pa.Table.from_pylist(rows)).encode(x=x, y=y, color=_by_judge(names))
    points = base.mark_point(filled=True, opacity=1).encode(
        shape=alt.Shape(
            "judge:N",
            scale=alt.Scale(
                domain=names, range=[SHAPES[place % len(SHAPES)] for place in range(len(names))]
            ),
            legend=_legend(),
        ),
        size=alt.Size("pairs:Q", title="pairs", legend=None, scale=alt.Scale(range=[30, 300])),
        tooltip=[
            alt.Tooltip("judge:N"),
            alt.Tooltip("score:Q", format=".3f"),
            alt.Tooltip("same:Q", format=".1%"),
            alt.Tooltip("pairs:Q", format=","),
        ],
    )
    guides: list[dict[str, float]] = [
        {"score": 0, "same": 0, "guide": 0},
        {"score": 1, "same": 1, "guide": 0},
    ]
    return _dashed(guides, x, y) + base.mark_line(strokeWidth=1.5) + points


def calibration_in_words(worths: Sequence[tuple[str, Worth]]) -> str:
    """Describe the calibration plot."""
    parts = [
        f"{name}: calibration error {worth.calibration_error.value:.3f}" for name, worth in worths
    ]
    return (
        f"Share of same-answer pairs by tenths of the score. {'; '.join(parts)}. "
        "On the diagonal, score and share are equal."
    )


def _by_judge(names: Sequence[str]) -> Any:
    given = colours(names)
    return alt.Color(
        "judge:N",
        scale=alt.Scale(domain=list(given), range=list(given.values())),
        legend=_legend(),
    )


def _legend() -> Any:
    return alt.Legend(title=None, orient="bottom", columns=1, labelLimit=500)


def _dashed(guides: Sequence[Mapping[str, float]], x: Any, y: Any) -> Any:
    return (
        alt.Chart(pa.Table.from_pylist([*guides]))
        .mark_line(strokeDash=[4, 4], color=NONE, strokeWidth=1)
        .encode(x=x, y=y, detail="guide:N")
    )
