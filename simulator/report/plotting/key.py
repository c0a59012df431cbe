"""The key of a plot whose names do not fit beside their points: numbers there, and names below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import altair as alt

from simulator.report.plotting.lines import Line
from simulator.report.plotting.placing import CHARACTER_WIDTH, FONT_SIZE, HEIGHT, WIDTH, fitting
from simulator.report.rows import Row

FILLED = 0.2
"""Largest share of a panel's area that names may take."""

ROW = FONT_SIZE + 6
"""Height of a line of the key in pixels."""

NAMES = 46
"""Place of names in the key, right of mark and number."""


def is_crowded(panel: Sequence[Row], lines: Sequence[Line]) -> bool:
    """Check whether names beside the points of a panel would be cut, or cover much of it."""
    here = {id(row) for row in panel}
    joined = [line for line in lines if id(line.rows[0]) in here]
    on_lines = {id(row) for line in joined for row in line.rows}
    labels = [row.method for row in panel if id(row) not in on_lines]
    labels += [f"{line.name}: {line.parameter}={line.label(line.rows[-1])}" for line in joined]
    area = sum(map(len, labels)) * CHARACTER_WIDTH * FONT_SIZE
    return area > FILLED * WIDTH * HEIGHT or any(fitting(each, WIDTH) != each for each in labels)


def numbered(
    rows: Sequence[Row], lines: Sequence[Line], series: Sequence[str]
) -> tuple[list[Row], list[Line], list[str]]:
    """Name rows and lines by the places of their names in `series`; return also these."""
    numbers = {name: f"#{place}" for place, name in enumerate(series, 1)}
    renamed = {id(row): replace(row, method=numbers.get(row.method, row.method)) for row in rows}
    return (
        [renamed[id(row)] for row in rows],
        [
            replace(line, name=numbers[line.name], rows=[renamed[id(row)] for row in line.rows])
            for line in lines
        ],
        [*numbers.values()],
    )


def key_of(names: Sequence[str], width: int, **looks: Any) -> Any:
    """Draw the key, below panels of a total `width`: a mark, a number and a whole name a line.

    `looks` are the channels of colour and shape by series.
    """
    most = int((width - NAMES) / CHARACTER_WIDTH)
    points, texts = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, name in enumerate(names, 1):
        points.append({"x": 6, "y": len(texts), "series": f"#{number}"})
        lines = textwrap.wrap(name, most) or [""]
        texts += [
            {"x": NAMES, "y": len(texts) + place, "text": each} for place, each in enumerate(lines)
        ]
    numbers = [{**each, "x": 16, "text": each["series"]} for each in points]
    x = alt.X("x:Q", scale=alt.Scale(domain=[0, width]), axis=None)
    y = alt.Y("y:Q", scale=alt.Scale(domain=[len(texts) - 0.5, -0.5]), axis=None)
    dots = alt.Chart(alt.Data(values=points)).mark_point(filled=True, size=75, opacity=1)
    words = alt.Chart(alt.Data(values=[*numbers, *texts]))
    words = words.mark_text(align="left", baseline="middle", fontSize=FONT_SIZE)
    layers = (dots.encode(x=x, y=y, **looks), words.encode(x=x, y=y, text="text:N"))
    return alt.layer(*layers).properties(width=width, height=len(texts) * ROW)
