"""Plots of judges: loss curve, ROC curves, calibration."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from judges.evaluation.curves import Curve, roc, thinned, within_roc
from judges.evaluation.evaluate import POOLED, Row, Scored
from judges.evaluation.metrics import bin_of, calibration
from simulator.report.labels import shortened
from simulator.report.plotting import plot
from simulator.report.plotting.plot import COLOURS
from simulator.report.text import interval
from simulator.statistics import Estimate

SIZE = 380
"""Two thirds of the width of a loss curve, in pixels."""

POINTS = 400
"""Most points that are drawn of a loss curve."""

PANEL = 300
"""Side length of a panel with curves, in pixels."""

COUNTS = 70
"""Height of the bars of a calibration, in pixels."""

STEPS = 200
"""Steps that a curve is drawn in, each at most three pixels long."""

LINE = 44
"""Most characters in a line of a panel's width."""

DASHES = ([1, 0], [8, 3], [3, 3], [8, 3, 2, 3])
"""Dash patterns of curves, so that they differ not by colour alone."""


def _drawn(chart: Any, kind: str) -> bytes:
    """Render a chart in this module's colours, as `simulator.report.plotting.plot.picture` does."""
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


def roc_plot(scored: Sequence[Scored], rows: Sequence[Row], kind: str = "svg") -> bytes:
    """Draw ROC curves of judges: on the left over all pairs, on the right within problems.

    The first line of panels is over all models; if there are several, each has a line of its own.
    Legends have the AUROC of the table's `rows`, which are those of `compare(scored)`. Dashed
    lines: chance, and the true-positive rate of TNR@0.2.
    """
    names = _names(scored)
    found = {(row.judge, row.truncation, row.model): row.quality for row in rows}
    models = list(dict.fromkeys(model for each in scored for model in each.models))
    panels = []
    for model in [*([POOLED] if len(models) > 1 else []), *models]:
        parts: list[list[tuple[str, Estimate | None, Curve | None]]] = [[], []]
        for name, each in zip(names, scored, strict=True):
            here = np.ones(len(each.labels), dtype=bool)
            if model != POOLED:
                here = each.model == (each.models.index(model) if model in each.models else -1)
            known = found.get((each.name, each.truncation, model))
            if known is None or not here.any():
                continue
            cell = each.problem[here] * len(each.models) + each.model[here]
            labels, scores = each.labels[here], each.scores[here]
            parts[0].append((name, known.auroc, roc(labels, scores)))
            parts[1].append((name, known.within, within_roc(labels, scores, cell)))
        for part, subtitle in zip(parts, ("all pairs", "within problems"), strict=True):
            panels.append(_roc_panel(part, names, model, subtitle))
    title = alt.TitleParams(
        "ROC curves, and AUROC [95%]",
        subtitle=[
            "Within problems: the mean of the curves of the problems of each model, at equal",
            "false-positive rates. Dashed: chance, and the true-positive rate of TNR@0.2.",
        ],
        anchor="start",
        offset=12,
    )
    chart = alt.concat(*panels, columns=2, spacing=30).resolve_scale(
        color="independent", strokeDash="independent"
    )
    return _drawn(chart.properties(title=title, padding=14), kind)


def _roc_panel(
    curves: Sequence[tuple[str, Estimate | None, Curve | None]],
    names: Sequence[str],
    model: str,
    subtitle: str,
) -> Any:
    """Draw the curves of one panel, with the name and the AUROC of each judge below it."""
    texts = {
        name: _entry(name, "AUROC " + interval(value, 1, "", 3) if value else "one label: no curve")
        for name, value, _ in curves
    }
    points = [
        {"false": float(false), "true": float(true), "judge": texts[name], "order": order}
        for name, _, curve in curves
        if curve is not None
        for order, (false, true) in enumerate(zip(*thinned(curve, STEPS), strict=True))
    ]
    x, y = _rate("false", "False-positive rate"), _rate("true", "True-positive rate", up=True)
    looks = _by_judge([*texts.values()], [names.index(name) for name in texts])
    base = alt.Chart(alt.Data(values=points), width=PANEL, height=PANEL)
    lines = base.mark_line(strokeWidth=2).encode(x=x, y=y, order="order:Q", **looks)
    guides: list[dict[str, Any]] = [
        {"false": 0, "true": 0, "guide": 0},
        {"false": 1, "true": 1, "guide": 0},
        {"false": 0, "true": 0.8, "guide": 1},
        {"false": 1, "true": 0.8, "guide": 1},
    ]
    return (_dashed(guides, x, y) + lines).properties(title=_heading([model], [subtitle]))


def calibration_plot(scored: Sequence[Scored], rows: Sequence[Row], kind: str = "svg") -> bytes:
    """Draw the share of same-answer pairs against the score in tenths, a panel a judge.

    Below are the pairs in each tenth. Titles have the calibration error of the table's `rows` over
    all models, which are those of `compare(scored)`.
    """
    found = {(row.judge, row.truncation): row.quality for row in reversed(rows)}  # first: over all
    panels = []
    for name, each in zip(_names(scored), scored, strict=True):
        known = found[each.name, each.truncation]
        error = interval(known.calibration_error, 1, "", 3)
        heading = _heading(_wrapped(name), [f"calibration error {error}", f"{known.pairs:,} pairs"])
        panels.append(_calibration_panel(each).properties(title=heading))
    title = alt.TitleParams("Calibration, and its error [95%]", anchor="start", offset=12)
    chart = alt.concat(*panels, columns=min(3, len(panels)), spacing=30)
    return _drawn(chart.properties(title=title, padding=14), kind)


def _calibration_panel(scored: Scored) -> Any:
    """Draw a reliability diagram, and below it the pairs in each tenth of the score."""
    tenths = np.unique(bin_of(scored.scores)).tolist()
    points = [
        {
            "score": mean,
            "same": share,
            "pairs": number,
            "none": 0,
            "start": tenth / 10,
            "end": (tenth + 1) / 10,
            "middle": (tenth + 0.5) / 10,
            "count": f"{number:,}" if number < 10_000 else f"{number / 1000:,.0f}k",
        }
        for tenth, (mean, share, number) in zip(
            tenths, calibration(scored.labels, scored.scores), strict=True
        )
    ]
    x, y = _rate("score", None), _rate("same", "Share with the same answer", up=True)
    base = alt.Chart(alt.Data(values=points), width=PANEL, height=PANEL)
    line = base.mark_line(strokeWidth=1.5, color=COLOURS[0]).encode(x=x, y=y)
    dots = base.mark_point(filled=True, opacity=1, size=50, color=COLOURS[0]).encode(x=x, y=y)
    guides: list[dict[str, Any]] = [
        {"score": 0, "same": 0, "guide": 0},
        {"score": 1, "same": 1, "guide": 0},
    ]
    most = max(point["pairs"] for point in points)
    height = alt.Y(
        "pairs:Q",
        title="Pairs",
        scale=alt.Scale(domain=[0, 1.3 * most], nice=False),
        axis=alt.Axis(tickCount=3, labelExpr="format(datum.value, '~s')"),
    )
    counts = alt.Chart(alt.Data(values=points), width=PANEL, height=COUNTS)
    bars = counts.mark_bar(color="#bbbbbb", stroke="white").encode(
        x=_rate("start", "Score (points: mean of its tenth)"), x2="end:Q", y=height, y2="none:Q"
    )
    numbers = counts.mark_text(dy=-6, fontSize=9).encode(
        x=_rate("middle", "Score (points: mean of its tenth)"), y=height, text="count:N"
    )
    diagram = _dashed(guides, x, y) + line + dots
    return alt.vconcat(diagram, bars + numbers, spacing=8)


def _names(scored: Sequence[Scored]) -> list[str]:
    """Name judges with what they read; the middle of long names is cut out."""
    return [shortened(f"{each.name}, {each.truncation}", 3 * LINE) for each in scored]


def _wrapped(name: str) -> list[str]:
    return textwrap.wrap(name, LINE)


def _entry(name: str, figure: str) -> str:
    """Return the text of a legend: a judge's name over a figure, with line feeds."""
    return "\n".join([*_wrapped(name), figure])


def _heading(title: Sequence[str], subtitle: Sequence[str]) -> Any:
    shown = [shortened(each, LINE) for each in title]
    return alt.TitleParams(shown, subtitle=[*subtitle], anchor="start", fontSize=12, offset=8)


def _rate(field: str, title: str | None, *, up: bool = False) -> Any:
    """Make the channel of a share from 0 to 1."""
    channel = alt.Y if up else alt.X
    axis = alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], format=".1f", labelFlush=False)
    return channel(f"{field}:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=axis)


def _by_judge(texts: Sequence[str], places: Sequence[int]) -> dict[str, Any]:
    """Give judges a colour and a dash pattern each, by their place in the picture."""
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=1,
        labelLimit=PANEL,
        labelExpr=r"split(datum.label, '\n')",
        symbolType="stroke",
        symbolSize=400,
        rowPadding=6,
    )
    looks = {}
    for name, channel, given in (
        ("color", alt.Color, COLOURS),
        ("strokeDash", alt.StrokeDash, DASHES),
    ):
        scale = alt.Scale(domain=texts, range=[given[place % len(given)] for place in places])
        looks[name] = channel("judge:N", scale=scale, legend=legend)
    return looks


def _dashed(guides: list[dict[str, Any]], x: Any, y: Any) -> Any:
    return (
        alt.Chart(alt.Data(values=guides))
        .mark_line(strokeDash=[4, 4], color="#999999", strokeWidth=1)
        .encode(x=x, y=y, detail="guide:N")
    )
