"""Picture of a replay: each trace is a bar along the clock."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from leaderboard_app.views.problem.kinds import Kind
from leaderboard_app.views.problem.replay import Replay, counted, why_text
from simulator.arrays import Ints

ORDERS = ("start", "length", "answer", "cluster")
"""Orders of the bars to choose from."""

NEUTRAL = "#808495"
"""Colour of lines and marks that represent no answer; readable on both backgrounds."""

HIGHEST, LOWEST, A_LANE = 900, 120, 18
"""Largest and smallest height of the picture, and height of a lane with enough room, in pixels."""

MOST_BARS = 4_000
"""Maximum number of bars that are drawn; no screen has as many rows of pixels."""

AROUND = 110
"""Height of a chart's legend and axis, in pixels."""

BELOW, A_REASON = 30, 18
"""Height of the legend of cuts below a chart, and of each line of it, in pixels."""

FRAME = "frame"
"""Name of the table with the chosen trace's bar."""

MARGIN = 0.02
"""Share of the clock to the left of its start, for marks of right answers and representatives."""


MARKS = (
    "Each bar is a trace along the clock, coloured by the answer it gives in full. Green, with a "
    "strip at the left, marks the right answer. A sign at a bar's end shows why it was cut. The "
    "dashed line is the time at which the method answered."
)
"""Explanation of the picture."""


def height_of(lanes: int) -> int:
    """Return the picture's height in pixels for a number of bars, within limits."""
    return max(LOWEST, min(HIGHEST, lanes * A_LANE))


def orders_for(replay: Replay) -> tuple[str, ...]:
    """Return the orders that are available for a replay's bars."""
    known = {"answer": replay.stored is not None, "cluster": replay.cluster is not None}
    return tuple(each for each in ORDERS if known.get(each, True))


def lanes(replay: Replay, by: str) -> Ints:
    """Return the decoded traces' places from the top lane down, shape (decoded,).

    Ties are in order of start. Clusters are in their own order; traces in no cluster come last.
    """
    places = np.flatnonzero(replay.decoded)
    if by == "length":
        key = -replay.num_tokens[places]
    elif by == "answer" and replay.stored is not None:
        names = [kind.label for kind in replay.stored.kinds[0]]
        key = np.array([names.index(replay.kinds[place].label) for place in places], dtype=np.int64)
    elif by == "cluster" and replay.cluster is not None:
        clusters = replay.cluster[places]
        key = np.where(clusters < 0, np.iinfo(np.int64).max, clusters)
    else:
        return places
    ordered: Ints = places[np.argsort(key, kind="stable")]
    return ordered


def representatives(replay: Replay) -> frozenset[int]:
    """Return the places of the clusters' representatives: the first trace of each."""
    if replay.cluster is None:
        return frozenset()
    numbers, first = np.unique(replay.cluster, return_index=True)
    return frozenset(first[numbers >= 0].tolist())


def bars(
    replay: Replay, by: str, confidence: Mapping[int, float] | None = None
) -> list[dict[str, Any]]:
    """Build a row for each decoded trace, from the top lane down."""
    first_of = representatives(replay)
    rows = []
    for lane, place in enumerate(lanes(replay, by).tolist()):
        kind = replay.kinds[place]
        rows.append(
            {
                "lane": lane,
                "below": lane + 1,
                "trace": int(replay.trace_id[place]),
                "start": float(replay.started[place]),
                "end": float(replay.ended[place]),
                "full": float(replay.full[place]),
                "tokens": int(replay.num_tokens[place]),
                "answer": kind.label,
                "right": kind.right,
                "ending": why_text(replay.reason[place]),
                "finished": bool(replay.finished[place]),
                "order": place,
                "first": place in first_of,
                "cluster": None if replay.cluster is None else int(replay.cluster[place]),
                "length": None if replay.stored is None else int(replay.stored.lengths[place]),
                "confidence": (confidence or {}).get(place),
            }
        )
    return rows


def picture(
    replay: Replay,
    by: str,
    *,
    ghosts: bool,
    confidence: Mapping[int, float] | None = None,
) -> alt.LayerChart:
    """Draw the bars.

    A click on a bar selects `trace`, its id. The table named `FRAME` draws a frame around one bar.

    Parameters
    ----------
    by
        One of `ORDERS`.
    ghosts
        Draw, faintly, the tokens that cut traces did not generate.
    confidence
        Lowest group confidence by place, shown on hover.
    """
    rows = bars(replay, by, confidence)[:MOST_BARS]
    clock = float(replay.answer["clock"])
    last = max([clock, *(row["full" if ghosts else "end"] for row in rows)], default=1.0) or 1.0
    canvas = _canvas(replay, by, rows, last)
    reasons = [*dict.fromkeys(row["ending"] for row in rows if not row["finished"])]
    layers: list[alt.Chart] = [
        *([_ghosts(canvas)] if ghosts else []),
        _answers(canvas, _hover(replay, rows)),
        _right(canvas),
        *_endings(canvas, reasons),
        *([] if replay.cluster is None else _clusters(canvas, borders=by == "cluster")),
        alt.Chart(alt.Data(values=[{"answered": clock}]))
        .mark_rule(color=NEUTRAL, strokeDash=[5, 3], strokeWidth=1.5)
        .encode(x=canvas.along("answered:Q")),
        # A separate table: redrawing the whole picture is slow in a browser.
        alt.Chart(alt.NamedData(name=FRAME))
        .mark_rect(filled=False, stroke="#ff4b9f", strokeWidth=2)
        .encode(x=canvas.x, x2=alt.X2("end:Q"), y=_at(canvas.y, "top:Q"), y2=alt.Y2("under:Q")),
    ]
    return alt.LayerChart(  # at once: each step that follows copies all layers
        layer=layers,
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(shape="independent")),
        # no value is missing, and checking is slow in a browser
        config=alt.Config(mark=alt.MarkConfig(invalid=None)),
        height=height_of(len(rows)) + AROUND + (BELOW + A_REASON * len(reasons) if reasons else 0),
    )


@dataclass(frozen=True)
class _Canvas:
    """Rows of the bars with their edges, and the scales that all layers of a picture share.

    `last` is the right end of the clock.
    """

    rows: list[dict[str, Any]]
    last: float
    x: alt.X
    y: alt.Y
    colour: alt.Color

    def along(self, field: str) -> alt.X:
        """Return the same horizontal scale for another field, without its axis."""
        return alt.X(field, scale=self.x["scale"])


def _canvas(replay: Replay, by: str, rows: Sequence[dict[str, Any]], last: float) -> _Canvas:
    x = alt.X(
        "start:Q",
        scale=alt.Scale(domain=[-MARGIN * last, last], nice=False, zero=False),
        title=f"Clock, {replay.clock_unit}",
        axis=alt.Axis(format="~s", tickCount=8),
    )
    y = alt.Y(
        "lane:Q",
        scale=alt.Scale(domain=[len(rows), 0], nice=False, zero=False),
        title=None,
        axis=_lane_axis(replay, rows, by),
    )
    shown = {kind.label: kind for kind in replay.kinds}
    colour = alt.Color(
        "answer:N",
        title="Answer",
        scale=colour_scale([*shown.values()], replay),
        legend=alt.Legend(
            orient="top", columns=4, labelLimit=220, symbolType="square", symbolOpacity=1
        ),
    )
    placed = [
        {**row, **_edges(row["lane"], len(rows)), "middle": row["lane"] + 0.5} for row in rows
    ]
    return _Canvas(placed, last, x, y, colour)


def _ghosts(canvas: _Canvas) -> alt.Chart:
    """Draw, faintly, the tokens that cut traces did not generate."""
    longer = [row for row in canvas.rows if row["full"] > row["end"]]
    return (
        _of(longer, "end", "full", "top", "under", "answer")
        .mark_rect(opacity=0.25)
        .encode(
            x=_at(canvas.x, "end:Q"),
            x2=alt.X2("full:Q"),
            y=_at(canvas.y, "top:Q"),
            y2=alt.Y2("under:Q"),
            color=canvas.colour,
        )
    )


def _answers(canvas: _Canvas, hover: Sequence[alt.Tooltip]) -> alt.Chart:
    """Draw the bars, coloured by answer; a click selects one."""
    fields = [str(each.shorthand).partition(":")[0] for each in hover]
    # Bars only: a click beside them would clear the selection.
    select = alt.selection_point(
        name="trace", fields=["trace"], on="rect:click", clear=False, toggle=False
    )
    return (
        _of(canvas.rows, "start", "end", "top", "under", "answer", *fields)
        .mark_rect(cursor="pointer")
        .encode(
            x=canvas.x,
            x2=alt.X2("end:Q"),
            y=_at(canvas.y, "top:Q"),
            y2=alt.Y2("under:Q"),
            color=canvas.colour,
            tooltip=[*hover],
        )
        .add_params(select)
    )


def _right(canvas: _Canvas) -> alt.Chart:
    """Mark right answers, to the left of the clock's start."""
    edges = {"a": -MARGIN * canvas.last * 0.95, "b": -MARGIN * canvas.last * 0.55}
    rows = [{**row, **edges} for row in canvas.rows if row["right"]]
    return (
        _of(rows, "a", "b", "top", "under")
        .mark_rect(color="#009E73")
        .encode(
            x=canvas.along("a:Q"), x2=alt.X2("b:Q"), y=_at(canvas.y, "top:Q"), y2=alt.Y2("under:Q")
        )
    )


def _endings(canvas: _Canvas, reasons: Sequence[str]) -> list[alt.Chart]:
    """Mark the ends of cut traces by the reason; no layer if all have finished."""
    if not reasons:
        return []
    cut = [row for row in canvas.rows if not row["finished"]]
    lane = height_of(len(canvas.rows)) / len(canvas.rows)
    symbols = ("triangle-left", "diamond", "cross", "circle")
    return [
        _of(cut, "end", "middle", "ending")
        .mark_point(
            filled=True,
            color=NEUTRAL,
            opacity=1,
            size=max(12, min(80, (lane * 0.95) ** 2)),
            tooltip=False,
        )
        .encode(
            x=canvas.along("end:Q"),
            y=_at(canvas.y, "middle:Q"),
            shape=alt.Shape(
                "ending:N",
                title="Cut",
                scale=alt.Scale(
                    domain=reasons,
                    range=[symbols[index % len(symbols)] for index in range(len(reasons))],
                ),
                legend=alt.Legend(
                    orient="bottom", columns=1, labelLimit=320, symbolFillColor=NEUTRAL
                ),
            ),
        )
    ]


def _clusters(canvas: _Canvas, *, borders: bool) -> list[alt.Chart]:
    """Mark the representatives, and the borders between clusters if bars are in their order."""
    at = -MARGIN * canvas.last * 0.25
    layers = [
        _of([{**row, "c": at} for row in canvas.rows if row["first"]], "c", "middle")
        .mark_point(shape="triangle-right", filled=True, color=NEUTRAL, size=60, opacity=1)
        .encode(x=canvas.along("c:Q"), y=_at(canvas.y, "middle:Q"))
    ]
    if borders:
        ends = [a["below"] for a, b in pairwise(canvas.rows) if a["cluster"] != b["cluster"]]
        layers.append(
            alt.Chart(alt.Data(values=[{"edge": edge} for edge in ends]))
            .mark_rule(color=NEUTRAL, strokeWidth=0.6)
            .encode(y=_at(canvas.y, "edge:Q"))
        )
    return layers


def _of(rows: Sequence[Mapping[str, Any]], *names: str) -> alt.Chart:
    """Return a chart of these columns of the rows.

    Altair passes a table on unchanged; it would check a list of rows cell by cell, for seconds.
    """
    columns = {name: [row[name] for row in rows] for name in dict.fromkeys(names)}
    return alt.Chart(pa.table(columns))


def frame(replay: Replay, by: str, place: int | None) -> pa.Table:
    """Return the table that frames the trace at a place in a `picture` with the same order.

    Empty for None and for a trace without a bar.
    """
    rows = lanes(replay, by)[:MOST_BARS].tolist()
    shown = [lane for lane, other in enumerate(rows) if other == place]
    return pa.Table.from_pylist(
        [
            {
                "start": float(replay.started[rows[lane]]),
                "end": float(replay.ended[rows[lane]]),
                **_edges(lane, len(rows)),
            }
            for lane in shown
        ],
        pa.schema([(name, pa.float64()) for name in ("start", "end", "top", "under")]),
    )


def _edges(lane: int, count: int) -> dict[str, float]:
    """Return the top and bottom of a lane's bar; bars have gaps if there is room."""
    gap = 0.14 if height_of(count) / max(count, 1) >= 6 else 0.0
    return {"top": lane + gap / 2, "under": lane + 1 - gap / 2}


def _at(axis: Any, field: str) -> Any:
    """Return the same channel, with its axis, for another field."""
    other = axis.copy(deep=True)
    other.shorthand = field
    return other


def colour_scale(kinds: Sequence[Kind], replay: Replay) -> alt.Scale:
    """Return the colours of the kinds that occur, in the problem's order of kinds."""
    ranked = list(replay.stored.kinds[0]) if replay.stored else []
    found = {kind.label: kind for kind in kinds}
    ordered = [kind for kind in ranked if kind.label in found] or [*found.values()]
    return alt.Scale(
        domain=[kind.label for kind in ordered], range=[kind.colour for kind in ordered]
    )


def _lane_axis(replay: Replay, rows: Sequence[Mapping[str, Any]], by: str) -> alt.Axis | None:
    """Return an axis with clusters' names beside their lanes; None for other orders."""
    if by != "cluster" or replay.cluster is None:
        return None
    sizes = Counter(row["cluster"] for row in rows)
    labels, top = {}, 0
    for number, size in sizes.items():
        name = f"cluster {number}" if number >= 0 else "no cluster"
        labels[top + size / 2] = f"{name} · {size}"
        top += size
    texts = json.dumps({f"{at:g}": name for at, name in labels.items()}, ensure_ascii=False)
    return alt.Axis(
        values=[*labels],
        labelExpr=f"{texts}[toString(datum.value)]",
        grid=False,
        ticks=False,
        domain=False,
        labelLimit=140,
        labelOverlap=True,
    )


def _hover(replay: Replay, rows: Sequence[Mapping[str, Any]]) -> list[alt.Tooltip]:
    tips = [
        alt.Tooltip("trace:Q", title="Trace"),
        alt.Tooltip("order:Q", title="Start order"),
        alt.Tooltip("tokens:Q", title="Tokens", format=","),
    ]
    if replay.stored is not None:
        tips.append(alt.Tooltip("length:Q", title="Tokens in full", format=","))
    tips += [
        alt.Tooltip("answer:N", title="Answer in full"),
        alt.Tooltip("ending:N", title="End"),
    ]
    if replay.cluster is not None:
        tips.append(alt.Tooltip("cluster:Q", title="Cluster"))
    if any(row["confidence"] is not None for row in rows):
        tips.append(alt.Tooltip("confidence:Q", title="Lowest group confidence", format=".2f"))
    return tips


def picture_text(replay: Replay) -> str:
    """Describe the picture in words: traces finished or cut, reasons, and their full answers."""
    total, decoded = len(replay.trace_id), int(replay.decoded.sum())
    finished = int(replay.finished.sum())
    of_budget = f"{total:,} of {replay.result.budget:,} traces were started"
    parts = [f"{of_budget}; {finished:,} finished."]
    cut = Counter(
        reason
        for reason, done, any_ in zip(replay.reason, replay.finished, replay.decoded, strict=True)
        if any_ and not done
    )
    if cut:
        parts.append(f"Not finished: {counted(cut)}.")
    if decoded < total:
        parts.append(f"{total - decoded:,} were never decoded and have no bar.")
    if decoded > MOST_BARS:
        parts.append(f"Only the first {MOST_BARS:,} bars are drawn.")
    if replay.stored is not None and total:
        shares = Counter(kind.label for kind in replay.kinds)
        said = ", ".join(
            f"{label} {share_text(count / total)}" for label, count in shares.most_common()
        )
        parts.append(f"Answers of the started traces in full: {said}.")
    elif replay.why:
        parts.append(replay.why)
    if replay.cluster is not None:
        sizes = np.bincount(replay.cluster[replay.cluster >= 0])
        if len(sizes):
            several = "s" * (len(sizes) > 1)
            parts.append(f"{len(sizes)} cluster{several}, the largest of {sizes.max()} traces.")
    parts.append(f"The policy answered at {replay.answer['clock']:,.6g} {replay.clock_unit}.")
    return " ".join(parts)


def share_text(share: float) -> str:
    """Return a share as a whole percentage; positive shares that round to zero are `<1%`."""
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"
