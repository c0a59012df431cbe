"""A comparison of runs as a plot: accuracy against tokens, a panel for each pool.

A *series* is a method, or several settings of a method joined by a line. Each series has its own
colour, shape and name.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import altair as alt

from simulator.report.axes import CLOCK, TOKENS, TOTAL
from simulator.report.plotting.baselines import Baseline, find_baselines
from simulator.report.plotting.key import is_crowded, key_of, numbered
from simulator.report.plotting.lines import Line, find_lines
from simulator.report.plotting.placing import (
    FONT_SIZE,
    HEIGHT,
    WIDTH,
    Axis,
    Box,
    Point,
    across,
    along,
    axes,
    fitting,
    leader,
    log_ticks,
    n_ticks,
    place_labels,
    strokes_of,
)
from simulator.report.rows import Comparison, Row, used_costs
from simulator.runs.results import Metric

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#333333")
"""Okabe and Ito's colours, safe for the colour-blind; the shape changes after each round."""

INKS = ("#005a91", "#a84a00", "#00704f", "#9c4a79", "#8f6200", "#22719f", "#333333")
"""The same colours, darker, for readable labels."""

SHAPES = ("circle", "square", "diamond", "triangle-up", "cross")

STAR = (
    "M0,-1L0.225,-0.309L0.951,-0.309L0.363,0.118L0.588,0.809L0,0.382L-0.588,0.809L-0.363,0.118"
    "L-0.951,-0.309L-0.225,-0.309Z"
)
"""Outline of a star, the mark of cons@N."""

BLACK = "#111111"

HEADING = 60
"""Most characters of a line of a panel's heading, which is no wider than the panel."""

VALUES_LABELLED = 12
"""Approximate number of points on a panel's lines labelled with their value, ends first."""
APART = 14
"""Minimum distance in pixels between two labelled points of a line."""


def plot(comparison: Comparison, kind: str) -> bytes:
    """Render the plot as the content of a file; `kind` is "png" (at twice the size) or "svg"."""
    return picture(build_chart(comparison), kind)


def render_nothing() -> None:
    """Render an empty chart, which starts the renderer."""
    picture(alt.Chart(alt.Data(values=[])).mark_point(), "png")


def picture(chart: Any, kind: str) -> bytes:
    """Render a chart as the content of a file; `kind` is "png" (at twice the size) or "svg"."""
    file = io.BytesIO() if kind == "png" else io.StringIO()
    chart.save(file, format=kind, scale_factor=2 if kind == "png" else 1)
    content = file.getvalue()
    return content.encode() if isinstance(content, str) else content


def build_chart(comparison: Comparison) -> Any:
    """Build the plot as an Altair chart."""
    axis = next(each for each in (TOTAL, CLOCK, TOKENS) if each in comparison.axes)
    placed = [_placed(row, axis, comparison.axes) for row in comparison.rows]
    known = [row for row in placed if row.pareto is not None]
    comparison = replace(comparison, rows=known or placed)
    lines = find_lines(comparison.rows)
    names = {id(row): line.name for line in lines for row in line.rows}
    series = list(dict.fromkeys(names.get(id(row), row.method) for row in comparison.rows))
    whole = series
    crowded = any(is_crowded(rows, lines) for rows in comparison.panels)
    if crowded:
        rows, lines, series = numbered(comparison.rows, lines, series)
        comparison = replace(comparison, rows=rows)
    curves = any(line.curve for line in lines)
    panels = [
        _panel(rows, lines, series, over_n, axis)
        for rows in comparison.panels
        for over_n in ([True, False] if curves else [False])
    ]
    joined = sorted({line.parameter for line in lines})
    title = alt.TitleParams(
        f"Accuracy against {'N and ' if curves else ''}{cost_name(comparison.rows, axis)}",
        subtitle=[
            f"Bars{' and bands' if curves else ''}: 95% intervals from a bootstrap over problems. "
            + (f"{'Dashed' if lines else 'Line'}: Pareto front. " * (len(comparison.axes) == 2))
            + "Hollow: unranked.",
            *_about_baselines(comparison.panels, lines, axis),
            *([f"Lines join settings that differ only in {' or '.join(joined)}."] if lines else []),
        ],
        anchor="start",
        fontSize=16,
        subtitleColor="#555555",
        offset=14,
    )
    columns = 1 if len(panels) == 1 else 2
    chart: Any = alt.concat(*panels, columns=columns, spacing=36)
    if crowded:
        key = key_of(whole, columns * WIDTH, **_looks(series))
        chart = alt.vconcat(chart, key.properties(view=alt.ViewConfig(stroke=None)))
    return (
        chart.properties(title=title, padding=14, background="white")
        .configure_view(stroke="#cccccc")
        .configure_axis(gridColor="#eeeeee", labelFontSize=11, titleFontSize=12)
    )


def _stars(rows: Sequence[Row], lines: Sequence[Line]) -> list[Baseline]:
    """Return the cons@N of a panel that its rows do not have; none if they have a curve of it."""
    own = {id(row) for row in rows if row.result.policy == row.result.baseline}
    if any(line.curve and id(line.rows[0]) in own for line in lines):
        return []
    return [each for each in find_baselines(rows) if each.row is None]


def _about_baselines(
    panels: Sequence[Sequence[Row]], lines: Sequence[Line], axis: str
) -> list[str]:
    """Return the line that says how cons@N is marked in some of the panels, if it is."""
    starred = any(_stars(rows, lines) for rows in panels)
    marks = ["Star: cons@N, the plain vote over the same N traces."] if starred else []
    if any(len(find_baselines(rows)) == 1 for rows in panels):
        marks.append(f"Dotted: {'clock' if axis == CLOCK else 'tokens'} and accuracy of cons@N.")
    return [" ".join(marks)] if marks else []


def _placed(row: Row, axis: str, axes: Sequence[str]) -> Row:
    """Return a row with what an axis is of as its cost; its front is drawn if that has two axes.

    The clock of cons@N is known only where it is a row.
    """
    result, cost = row.result, None if axis == TOKENS else row.cost
    if axis == CLOCK:
        cost = result.metrics.get("clock")
        kept = {name: each for name, each in result.metrics.items() if "baseline" not in name}
        result = replace(result, metrics=kept)
    pareto = row.pareto if len(axes) == 2 or row.pareto is None else False
    return replace(row, result=result, cost=cost, pareto=pareto)


def _panel(
    rows: Sequence[Row], all_lines: Sequence[Line], series: Sequence[str], over_n: bool, axis: str
) -> Any:
    """Draw accuracy over cost of one pool or, without settings on lines over others, over N."""
    lines = [line for line in all_lines if any(row is line.rows[0] for row in rows)]
    if over_n:
        others = {id(row) for line in lines if not line.over_n for row in line.rows}
        rows = [row for row in rows if id(row) not in others] or rows
        lines = [line for line in lines if line.over_n]
    stars = _stars(rows, lines)
    scales = axes(rows, stars, over_n)
    data = _drawn(rows, lines, stars, scales, series, over_n)
    looks = _looks(series)
    shape = looks.pop("shape")
    ink = alt.Color("ink:N", scale=None)
    ticks = n_ticks([each.result.budget for each in rows], scales[0]) if over_n else None
    name = "Cost" if "those" in cost_name(rows, axis) else "Tokens"
    name = f"Clock ({rows[0].result.clock_unit})" if axis == CLOCK else name
    x, y = _channels(*scales, name, ticks)

    def layer(values: str, **fields: Any) -> Any:
        return alt.Chart(alt.Data(values=data[values])).encode(x=x, y=y, **fields)

    bar = {"opacity": 0.4, "strokeWidth": 1.5, "clip": True}
    faint = {"opacity": 0.2, "strokeWidth": 1.0, "clip": True}  # points on lines overlap much
    text = {"align": "left", "baseline": "middle", "fontSize": FONT_SIZE}
    dotted = {"strokeDash": [1, 3], "strokeWidth": 1.2, "color": BLACK, "opacity": 0.7}
    layers = [
        layer("front").mark_line(
            interpolate="step-after", color="#999999", strokeWidth=1.5, strokeDash=[5, 3], clip=True
        ),
        layer("bands", y2="y2:Q", detail="line:N", **looks).mark_area(opacity=0.12, clip=True),
        layer("across", x2="x2:Q", **looks).mark_rule(**bar),
        layer("upright", y2="y2:Q", **looks).mark_rule(**bar),
        layer("across of lines", x2="x2:Q", **looks).mark_rule(**faint),
        layer("upright of lines", y2="y2:Q", **looks).mark_rule(**faint),
        layer("votes").mark_line(color=BLACK, strokeWidth=1, opacity=0.6),
        layer("paths", order="place:Q", detail="line:N", **looks).mark_line(
            strokeWidth=1.8, opacity=0.9
        ),
        layer("leaders", x2="x2:Q", y2="y2:Q", color=ink).mark_rule(strokeWidth=0.8),
        layer("ranked", shape=shape, **looks).mark_point(filled=True, size=75, opacity=1),
        layer("unranked", shape=shape, **looks).mark_point(
            fill="white", size=75, opacity=1, strokeWidth=2
        ),
        layer("level", x2="x2:Q").mark_rule(**dotted),
        layer("plumb", y2="y2:Q").mark_rule(**dotted),
        layer("across of stars", x2="x2:Q").mark_rule(color=BLACK, **bar),
        layer("upright of stars", y2="y2:Q").mark_rule(color=BLACK, **bar),
        layer("stars").mark_point(shape=STAR, filled=True, color=BLACK, size=220, opacity=1),
        layer("texts", text="text:N").mark_text(stroke="white", strokeWidth=3, **text),
        layer("texts", text="text:N", color=ink).mark_text(**text),
    ]
    heading = rows[0].pool + (" (SYNTHETIC)" if rows[0].result.synthetic else "")
    return alt.layer(*layers).properties(
        width=WIDTH,
        height=HEIGHT,
        title=alt.TitleParams(
            heading if len(heading) <= HEADING else textwrap.wrap(heading, HEADING),
            anchor="start",
            fontSize=13,
            fontWeight="bold",
        ),
    )


def _drawn(
    rows: Sequence[Row],
    lines: Sequence[Line],
    stars: Sequence[Baseline],
    scales: tuple[Axis, Axis],
    series: Sequence[str],
    over_n: bool,
) -> dict[str, list[dict[str, Any]]]:
    """Return the data of a panel's layers by their names; empty for what it does not have.

    Curves over N have bands in place of bars, and then the stars of cons@N are joined.
    """
    names = {id(row): line.name for line in lines for row in line.rows}
    of = {id(row): names.get(id(row), row.method) for row in rows}
    items: list[Row | Baseline] = [*rows, *stars]
    at: dict[int, dict[str, Any]] = {
        id(each): {"x": across(each, over_n).value, "y": 100 * each.accuracy.value}
        for each in items
    }
    for row in rows:
        at[id(row)]["series"] = of[id(row)]
    curves = [line.rows for line in lines if line.curve]
    banded = {id(row) for curve in curves for row in curve}
    data: dict[str, list[dict[str, Any]]] = {
        "paths": [
            {**at[id(row)], "place": place, "line": number}
            for number, line in enumerate(lines)
            for place, row in enumerate(line.rows)
        ],
        "bands": [
            {**at[id(row)], "y": 100 * low, "y2": 100 * high, "line": number}
            for number, curve in enumerate(curves)
            for row in curve
            if (low := row.accuracy.low) is not None and (high := row.accuracy.high) is not None
        ],
        "ranked": [at[id(row)] for row in rows if not row.result.unranked],
        "unranked": [at[id(row)] for row in rows if row.result.unranked],
        "stars": [at[id(star)] for star in stars],
        "votes": [at[id(star)] for star in stars] if curves else [],
    }
    for kind, on_lines in (("", False), (" of lines", True)):
        data[f"across{kind}"], data[f"upright{kind}"] = bars(
            (across(row, over_n), row.accuracy, of[id(row)])
            for row in rows
            if id(row) not in banded and (id(row) in names) == on_lines
        )
    data["across of stars"], data["upright of stars"] = bars(
        (across(each, over_n), each.accuracy, "") for each in ([] if curves else stars)
    )
    corners = {(row.spent.value, 100 * row.accuracy.value) for row in rows if row.pareto}
    data["front"] = [] if over_n else front(sorted(corners), scales[0].high)
    baselines = [] if over_n else find_baselines(rows)
    data["level"], data["plumb"] = _guides(baselines, *scales)
    obstacles = ("across", "upright", "across of stars", "upright of stars", "level", "plumb")
    strokes = strokes_of(*scales, [bar for name in obstacles for bar in data[name]], data["front"])
    inks = {name: INKS[index % len(INKS)] for index, name in enumerate(series)}
    ink_of = {row: inks[name] for row, name in of.items()} | {id(star): BLACK for star in stars}
    data["texts"], data["leaders"] = _labels(
        rows, lines, at, scales, strokes, ink_of, stars, over_n
    )
    return data


def _guides(
    baselines: Sequence[Baseline], x_axis: Axis, y_axis: Axis
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the lines across a panel at the accuracy and the tokens of its only baseline.

    Left of and above both, a setting is better than cons@N.
    """
    only = baselines if len(baselines) == 1 else []
    level = [{"x": x_axis.low, "x2": x_axis.high, "y": 100 * each.accuracy.value} for each in only]
    plumb = [{"x": each.tokens.value, "y": y_axis.low, "y2": y_axis.high} for each in only]
    return level, plumb


def cost_name(rows: Sequence[Row], axis: str) -> str:
    """Name what accuracy is drawn against."""
    if axis == CLOCK:
        return "the clock"
    used = used_costs([row.result for row in rows if row.cost])
    return "tokens generated" + (f" and those of {' and '.join(used)}" if used else "")


def _channels(
    x_axis: Axis, y_axis: Axis, name: str, budgets: Sequence[int] | None
) -> tuple[Any, Any]:
    """Return the channels of cost, with its name, and accuracy, with their scales and titles.

    With `budgets`, those to show, the first is N.
    """
    titled = f"{name} per problem" + (" (logarithmic)" if x_axis.log else "")
    ticks = {"values": log_ticks(x_axis.low, x_axis.high)} if x_axis.log else {"tickCount": 6}
    of_cost = {
        **{"title": titled, "format": "~s", **ticks},
        "labelExpr": "format(datum.value, datum.value < 1 ? '~g' : '~s')",
    }
    of_n = {"title": "N, traces per problem (logarithmic)", "values": budgets, "format": "d"}
    x = alt.X(
        "x:Q",
        scale=alt.Scale(
            type="log" if x_axis.log else "linear",
            domain=[x_axis.low, x_axis.high],
            nice=False,
            zero=False,
        ),
        axis=alt.Axis(**(of_cost if budgets is None else of_n)),
    )
    y = alt.Y(
        "y:Q",
        scale=alt.Scale(domain=[y_axis.low, y_axis.high], nice=False, zero=False),
        axis=alt.Axis(
            title="Accuracy (%)",
            tickCount=6,
            labelExpr="0 <= datum.value && datum.value <= 100 ? datum.label : ''",
        ),
    )
    return x, y


def _labels(
    rows: Sequence[Row],
    lines: Sequence[Line],
    at: Mapping[int, Mapping[str, Any]],
    scales: tuple[Axis, Axis],
    strokes: Sequence[Box],
    inks: Mapping[int, str],
    stars: Sequence[Baseline],
    over_n: bool,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Place the labels; return their texts, and the lines that lead from points to far labels.

    `at` and `inks` are points and colours by the `id` of a row or star; labels avoid `strokes`.
    Stars that are joined have one, and so have lines `over_n`, as the axis has their values.
    """
    x_axis, y_axis = scales
    pixels = {key: (x_axis.pixel(each["x"]), y_axis.pixel(each["y"])) for key, each in at.items()}
    for line in lines:
        strokes = [*strokes, *along([pixels[id(row)] for row in line.rows])]
    texts_of = label_texts(rows, lines, pixels, over_n)
    if any(line.curve for line in lines):
        texts_of |= {id(star): "cons@N" for star in stars[-1:]}
        strokes = [*strokes, *along([pixels[id(star)] for star in stars])]
    else:
        texts_of |= {id(star): star.name for star in stars}
    labelled = [key for key in at if key in texts_of]
    labels = place_labels(
        [fitting(texts_of[key], WIDTH) for key in labelled],
        [pixels[key] for key in labelled],
        strokes,
        [pixels[key] for key in at if key not in texts_of],
    )
    texts = [
        {
            "x": x_axis.value(box.left),
            "y": y_axis.value((box.top + box.bottom) / 2),
            "text": label,
            "ink": inks[key],
        }
        for key, (label, box) in zip(labelled, labels, strict=True)
    ]
    leaders = [
        {
            "x": at[key]["x"],
            "y": at[key]["y"],
            "x2": x_axis.value(end[0]),
            "y2": y_axis.value(end[1]),
            "ink": inks[key],
        }
        for key, (_, box) in zip(labelled, labels, strict=True)
        if (end := leader(pixels[key], box)) is not None
    ]
    return texts, leaders


def _looks(series: Sequence[str]) -> dict[str, Any]:
    """Return the channels of colour and shape."""
    color = _by_series(alt.Color, series, COLOURS)
    return {"color": color, "shape": _by_series(alt.Shape, series, SHAPES, len(COLOURS))}


def _by_series(channel: Any, series: Sequence[str], looks: Sequence[str], each: int = 1) -> Any:
    """Make a channel that gives each series one of `looks`, with `each` series per look."""
    given = [looks[index // each % len(looks)] for index in range(len(series))]
    return channel("series:N", scale=alt.Scale(domain=series, range=given), legend=None)


def label_texts(
    rows: Sequence[Row],
    lines: Sequence[Line],
    pixels: Mapping[int, Point],
    over_n: bool = False,
) -> dict[int, str]:
    """Choose the labels of points, by the `id` of their rows; `pixels` has the same keys.

    A line has its name at the end with more tokens, and the values of some evenly spread settings,
    if their points are far enough apart; `over_n` it has its name alone, at the largest N.
    """
    on_lines = {id(row) for line in lines for row in line.rows}
    texts = {
        id(row): f"{row.method}{' (unranked)' if row.result.unranked else ''}"
        for row in rows
        if id(row) not in on_lines
    }
    for line in lines:
        dearer = max(line.rows[0], line.rows[-1], key=lambda row: row.spent.value)
        if over_n:
            dearer = line.rows[-1]
        named = line.name + ("" if over_n else f": {line.parameter}={line.label(dearer)}")
        texts[id(dearer)] = named + (" (unranked)" if dearer.result.unranked else "")
        if over_n:
            continue
        last = len(line.rows) - 1
        wanted = min(max(2, VALUES_LABELLED // len(lines)), last + 1)
        places = [round(place * last / (wanted - 1)) for place in range(wanted)]
        taken = [pixels[id(dearer)]]
        for place in (0, last, *places[1:-1]):
            row = line.rows[place]
            if all(math.dist(pixels[id(row)], other) >= APART for other in taken):
                taken.append(pixels[id(row)])
                texts[id(row)] = line.label(row)
    return texts


def bars(
    points: Iterable[tuple[Metric, Metric, str]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the existing intervals of cost, and those of accuracy in percent.

    Each of `points` is a cost, an accuracy, and the series that both belong to.
    """
    across, upright = [], []
    for cost, accuracy, series in points:
        at = {"x": cost.value, "y": 100 * accuracy.value, "series": series}
        if cost.low is not None and cost.high is not None:
            across.append({**at, "x": cost.low, "x2": cost.high})
        if accuracy.low is not None and accuracy.high is not None:
            upright.append({**at, "y": 100 * accuracy.low, "y2": 100 * accuracy.high})
    return across, upright


def front(corners: Sequence[tuple[float, float]], end: float) -> list[dict[str, float]]:
    """Return the corners of a front, sorted by cost, with a last one at the `end` of the axis."""
    last = [(end, accuracy) for _, accuracy in corners[-1:]]
    return [{"x": cost, "y": accuracy} for cost, accuracy in (*corners, *last)]
