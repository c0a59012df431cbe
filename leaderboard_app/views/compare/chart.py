"""Scatter plot of a pool's problems: tokens or accuracy of one entry against another's."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from leaderboard_app.library.entry import Entry
from leaderboard_app.shown.palette import NONE, SERIES
from leaderboard_app.views.compare.comparison import Shared, problems

PICKED = "problem"
"""Name of the selection of points; a selected point carries the problem's id as `id`."""

WIDTH, HEIGHT = 640, 520

STEP = 0.018
"""Distance between problems with equal shares, as a fraction of the axis."""

Data = list[dict[str, Any]]


def solvers(first: Entry, second: Entry) -> dict[tuple[bool, bool], str]:
    """Return the legend's labels by whether the first and the second entry solve a problem."""
    return {
        (True, True): "both",
        (True, False): f"only {first.label}",
        (False, True): f"only {second.label}",
        (False, False): "neither",
    }


def marks(pool: Shared, first: Entry, second: Entry, axis: str) -> Data:
    """Build a mark for each problem; `axis` is `tokens`, or `right` for the share of right repeats.

    Problems with equal shares are drawn side by side, so their `x` and `y` are not exact.
    """
    names = solvers(first, second)
    found: Data = []
    places: dict[tuple[float, float], int] = {}
    for each in problems(pool, [first, second]):
        at = (each.tokens[second.id], each.tokens[first.id])
        if axis == "right":
            at = (100 * each.right[second.id], 100 * each.right[first.id])
            turn = places[at] = places.get(at, -1) + 1
            at = (at[0] + 100 * STEP * (turn % 6), at[1] + 100 * STEP * (turn // 6))
        found.append(
            {
                "id": each.problem_id,
                "x": at[0],
                "y": at[1],
                "solved": names[each.solved_by(first), each.solved_by(second)],
                **{
                    f"{part}_{side}": f"{values[entry.id] * scale:,.0f}{unit}"
                    for side, entry in (("first", first), ("second", second))
                    for part, values, scale, unit in (
                        ("right", each.right, 100, "%"),
                        ("tokens", each.tokens, 1, ""),
                    )
                },
            }
        )
    return found


def draw(pool: Shared, first: Entry, second: Entry, axis: str) -> Any:
    """Draw the plot as an Altair chart: the first entry on the y axis, the second on the x axis.

    Token axes are logarithmic. A click on a point selects it (`PICKED`); a click on a legend entry
    shows only the problems of that kind.
    """
    values = marks(pool, first, second, axis)
    log = axis == "tokens"
    unit = "tokens" if log else "right, %"
    if log:
        ends = [each[side] for each in values for side in ("x", "y") if each[side] > 0] or [1.0]
        domain = [min(ends) / 1.1, max(ends) * 1.1]
        for each in values:  # zero has no logarithm: draw it at the edge
            each["x"], each["y"] = max(each["x"], domain[0]), max(each["y"], domain[0])
    else:
        domain = [-4.0, 114.0]
    scale = alt.Scale(type="log" if log else "linear", domain=domain, nice=False)
    ticks: dict[str, Any] = {"format": "~s", "tickCount": 5}
    if not log:
        ticks = {"values": [0, 25, 50, 75, 100]}

    def channel(kind: Any, field: str, entry: Entry) -> Any:
        title = f"{_short(entry.label)}: {unit}"
        return kind(f"{field}:Q", scale=scale, axis=alt.Axis(title=title, **ticks))

    x, y = channel(alt.X, "x", second), channel(alt.Y, "y", first)
    names = [*dict.fromkeys(solvers(first, second).values())]
    legend = alt.Legend(title="Solved by", orient="bottom", columns=2, labelLimit=220)
    colour = alt.Color(
        "solved:N",
        scale=alt.Scale(domain=names, range=[SERIES[2], SERIES[0], SERIES[1], NONE]),
        legend=legend,
    )
    shape = alt.Shape(
        "solved:N",
        scale=alt.Scale(domain=names, range=["circle", "triangle-up", "triangle-down", "square"]),
        legend=legend,
    )
    shown = alt.selection_point(name="kinds", fields=["solved"], bind="legend", toggle="true")
    picked = alt.selection_point(name=PICKED, fields=["id"], toggle=False)
    zoom = alt.selection_interval(
        name="zoom", bind="scales", zoom="wheel![event.ctrlKey || event.metaKey]"
    )
    hover = [alt.Tooltip("id:N", title="Problem"), alt.Tooltip("solved:N", title="Solved by")]
    for side, entry in (("first", first), ("second", second)):
        hover += [
            alt.Tooltip(f"{part}_{side}:N", title=f"{_short(entry.label)}, {part}")
            for part in ("right", "tokens")
        ]
    diagonal = [{"x": end, "y": end} for end in domain]
    line = (
        alt.Chart(pd.DataFrame(diagonal))
        .encode(x=x, y=y)
        .mark_line(color=NONE, strokeDash=[4, 4], strokeWidth=1, clip=True)
    )
    points = (
        alt.Chart(pd.DataFrame(values))
        .encode(
            x=x,
            y=y,
            color=colour,
            shape=shape,
            tooltip=hover,
            opacity=alt.condition(shown, alt.value(0.8), alt.value(0.06)),
        )
        .mark_point(filled=True, size=80, clip=True)
        .add_params(shown, picked, zoom)
    )
    return alt.layer(line, points).properties(width=WIDTH, height=HEIGHT)


def sentence(pool: Shared, first: Entry, second: Entry, axis: str) -> str:
    """Describe the plot in words, with its main figures."""
    found = problems(pool, [first, second])
    what = "Tokens" if axis == "tokens" else "Share of right repeats"
    names = solvers(first, second)
    solved = [names[each.solved_by(first), each.solved_by(second)] for each in found]
    counts = ", ".join(f"{name} {solved.count(name)}" for name in dict.fromkeys(names.values()))
    cheaper = sum(each.tokens[first.id] < each.tokens[second.id] for each in found)
    return (
        f"{what} of {first.label} against {second.label}, problem by problem, on {pool.column}: "
        f"{len(found)} problems. Solved by: {counts}. {first.label} generates fewer tokens on "
        f"{cheaper} of them."
    )


def _short(label: str) -> str:
    return label if len(label) <= 32 else label[:31] + "…"
