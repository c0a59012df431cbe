"""Plots of judges: loss curve, ROC curves, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from judges.evaluation.metrics import calibration
from simulator.arrays import Bools, Floats
from simulator.report import plot
from simulator.report.plot import COLOURS

SIZE = 380
"""Side length of a panel, in pixels."""

POINTS = 400
"""Most points that are drawn of a curve."""

Curve = tuple[str, Bools, Floats]
"""A judge's name, the labels of the pairs, and its scores."""


def _drawn(chart: Any, kind: str) -> bytes:
    """Render a chart in this module's colours, as `simulator.report.plot.picture` does."""
    chart = chart.configure_view(stroke="#cccccc").configure_axis(gridColor="#eeeeee")
    return plot.picture(chart, kind)


def loss_plot(losses: Sequence[float], title: str) -> bytes:
    """Draw the loss of each update, and its running mean over a twentieth of them, as SVG."""
    every = max(1, len(losses) // POINTS)
    width = max(1, len(losses) // 20)
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    ends = np.arange(1, len(losses) + 1)
    starts = np.maximum(ends - width, 0)
    means = (sums[ends] - sums[starts]) / (ends - starts)
    rows = [
        {"update": int(at + 1), "loss": float(losses[at]), "mean": float(means[at])}
        for at in range(0, len(losses), every)
    ]
    base = alt.Chart(alt.Data(values=rows), width=SIZE * 3 // 2, height=SIZE * 2 // 3, title=title)
    x = alt.X("update:Q", title="Update")
    points = base.mark_line(color="#bbbbbb", strokeWidth=1).encode(
        x=x, y=alt.Y("loss:Q", title="Loss (nats)")
    )
    mean = base.mark_line(color=COLOURS[0], strokeWidth=2).encode(x=x, y="mean:Q")
    return _drawn(points + mean, "svg")


def roc_plot(curves: Sequence[Curve], kind: str = "svg") -> bytes:
    """Draw ROC curves over the same pairs; dashed lines: chance, and the TPR of TNR@0.2."""
    from sklearn.metrics import roc_curve

    rows = []
    for name, labels, scores in curves:
        false, true, _ = roc_curve(labels, scores)
        chosen = np.unique(np.linspace(0, len(false) - 1, POINTS).round().astype(int))
        rows += [
            {"false": float(false[at]), "true": float(true[at]), "judge": name, "order": int(at)}
            for at in chosen
        ]
    x = alt.X("false:Q", title="False-positive rate", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("true:Q", title="True-positive rate", scale=alt.Scale(domain=[0, 1]))
    lines = (
        alt.Chart(alt.Data(values=rows), width=SIZE, height=SIZE, title="ROC")
        .mark_line(strokeWidth=2)
        .encode(x=x, y=y, color=_by_judge([name for name, _, _ in curves]), order="order:Q")
    )
    guides: list[dict[str, Any]] = [
        {"false": 0, "true": 0, "guide": 0},
        {"false": 1, "true": 1, "guide": 0},
        {"false": 0, "true": 0.8, "guide": 1},
        {"false": 1, "true": 0.8, "guide": 1},
    ]
    dashed = _dashed(guides, x, y)
    return _drawn(dashed + lines, kind)


def calibration_plot(curves: Sequence[Curve], kind: str = "svg") -> bytes:
    """Draw the share of same-answer pairs against the score, in ten bins; size: pairs."""
    rows = [
        {"score": mean, "same": share, "pairs": number, "judge": name}
        for name, labels, scores in curves
        for mean, share, number in calibration(labels, scores)
    ]
    x = alt.X("score:Q", title="Score (mean of its tenth)", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("same:Q", title="Share of pairs with the same answer", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(alt.Data(values=rows), width=SIZE, height=SIZE, title="Calibration")
    colour = _by_judge([name for name, _, _ in curves])
    lines = base.mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour)
    points = base.mark_point(filled=True).encode(
        x=x, y=y, color=colour, size=alt.Size("pairs:Q", title="Pairs")
    )
    guides: list[dict[str, Any]] = [
        {"score": 0, "same": 0, "guide": 0},
        {"score": 1, "same": 1, "guide": 0},
    ]
    return _drawn(_dashed(guides, x, y) + lines + points, kind)


def _by_judge(names: Sequence[str]) -> Any:
    unique = list(dict.fromkeys(names))
    colours = [COLOURS[index % len(COLOURS)] for index in range(len(unique))]
    scale = alt.Scale(domain=unique, range=colours)
    return alt.Color("judge:N", scale=scale, legend=alt.Legend(title=None, labelLimit=400))


def _dashed(guides: list[dict[str, Any]], x: Any, y: Any) -> Any:
    return (
        alt.Chart(alt.Data(values=guides))
        .mark_line(strokeDash=[4, 4], color="#999999", strokeWidth=1)
        .encode(x=x, y=y, detail="guide:N")
    )
