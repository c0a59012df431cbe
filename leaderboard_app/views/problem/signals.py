"""Group confidence of traces over time, with the threshold of DeepConf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from leaderboard_app.views.problem.picture import NEUTRAL
from leaderboard_app.views.problem.replay import Replay
from simulator.arrays import Floats, Ints
from simulator.loading import is_builtin
from simulator.rules.group_means import BELOW, group_sums, lowest_group, staircases

POINTS = 400
"""Maximum number of points of the chosen trace's curve; its lowest values are among them."""

FAINT_POINTS = 50
"""Maximum number of points of each other trace's curve: each point costs a browser 0.1 ms."""

CURVES = 30
"""Maximum number of traces whose curves are drawn; more cannot be told apart."""

CHOSEN = "#D55E00"

CURVE, FALL = "curve", "fall"
"""Names of the tables of the chosen trace: its curve, and where it fell below the threshold."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """DeepConf's stop rule in a replay: the threshold, its window and the warm-up's size."""

    value: float
    window: int
    warm_up: int


def threshold(replay: Replay) -> Threshold | None:
    """Return the threshold that DeepConf computed in this replay; None if there was none.

    As in `simulator.methods.deepconf` (arXiv 2508.15260, section 3.3): the (100 − keep)th
    percentile of the lowest group confidences of the warm-up traces. Other policies with parameters
    of the same names do not count.
    """
    named = replay.entry.policy
    if not (named.startswith("deepconf") and is_builtin(named) and replay.has("confidence")):
        return None
    keep, count, window = (
        replay.entry.parameters.get(name) for name in ("keep", "warm_up", "window")
    )
    if not isinstance(keep, int | float) or type(count) is not int or type(window) is not int:
        return None
    warm_up = replay.finished[: min(count, replay.result.budget)]
    if not len(warm_up) or not warm_up.all() or not 0 <= keep <= 100 or min(count, window) < 1:
        return None
    lowest = [_lowest(replay, place, window) for place in range(len(warm_up))]
    s = float(np.percentile(np.nan_to_num(lowest), 100 - keep))
    return Threshold(s, window, len(warm_up))


def _lowest(replay: Replay, place: int, window: int) -> float:
    assert replay.stored is not None
    row, tokens = int(replay.stored.rows[place]), int(replay.num_tokens[place])
    return lowest_group(replay.stored.problem, "confidence", row, tokens, window)


def lowest_by_place(replay: Replay, window: int) -> Mapping[int, float]:
    """Return each decoded trace's lowest group confidence up to where it was cut, by place."""
    if not replay.has("confidence"):
        return {}
    places = np.flatnonzero(replay.decoded).tolist()
    return {place: _lowest(replay, place, window) for place in places}


def default_window(replay: Replay) -> int:
    """Return the policy's window; without one, the paper's 2,048, or less for short traces."""
    window = replay.entry.parameters.get("window")
    if type(window) is int and window > 0:
        return window
    longest = int(replay.stored.lengths.max()) if replay.stored else 0
    return max(1, min(2048, longest // 8))


def curve(replay: Replay, place: int, window: int) -> tuple[Ints, Floats]:
    """Return a trace's group confidence by tokens generated, to its own end, in at most 402 points.

    The lowest group of each stretch is kept, so that a fall below the threshold always shows. Empty
    if the trace is shorter than the window.
    """
    assert replay.stored is not None
    values = replay.stored.problem.token_signal("confidence")
    stored = values.stored(int(replay.stored.rows[place]))
    sums = group_sums(stored, window)
    scale = (1000.0 if stored.dtype == np.uint16 else 1.0) * window
    kept = lowest_of_stretches(np.asarray(sums, dtype=np.float64), POINTS)
    return kept + window, sums[kept] / scale


def lowest_of_stretches(values: Floats, most: int) -> Ints:
    """Return the indices of the lowest value in each of `most` stretches, and of both ends."""
    if len(values) <= most:
        return np.arange(len(values))
    starts = np.linspace(0, len(values), most + 1).astype(np.int64)
    lowest = [a + int(values[a:b].argmin()) for a, b in pairwise(starts.tolist())]
    return np.unique([0, *lowest, len(values) - 1])


def fell_below(replay: Replay, place: int, line: Threshold) -> int | None:
    """Return the tokens at which a trace first falls below the threshold; None if it never does."""
    assert replay.stored is not None
    stairs = staircases(replay.stored.problem, "confidence", line.window)
    return stairs[int(replay.stored.rows[place])].first_past(BELOW * line.value)


def confidence_chart(replay: Replay, window: int, line: Threshold | None) -> alt.LayerChart | None:
    """Draw group confidence by tokens: all traces faintly, the chosen one in full.

    The chosen trace's data are in `chosen_tables`; it is dashed beyond where it was cut. None if no
    trace is as long as the window.
    """
    assert replay.stored is not None
    places = np.flatnonzero(replay.decoded)
    if not (replay.stored.lengths[places] >= window).any():
        return None
    shown = places[np.linspace(0, len(places) - 1, min(CURVES, len(places))).astype(int)].tolist()
    rows = [
        {"trace": int(replay.trace_id[place]), "tokens": at, "confidence": round(value, 4)}
        for place in dict.fromkeys(shown)
        for at, value in _thinned(*curve(replay, place, window))
        if at <= replay.num_tokens[place]
    ]
    x = alt.X("tokens:Q", title="Tokens generated", axis=alt.Axis(format="~s", tickCount=8))
    y = alt.Y(
        "confidence:Q",
        title=f"Group confidence, {window:,} tokens",
        scale=alt.Scale(zero=False),
    )
    layers = [
        alt.Chart(_table(rows, "trace", "tokens", "confidence"))
        .mark_line(color=NEUTRAL, opacity=0.3, strokeWidth=1)
        .encode(x=x, y=y, detail="trace:N")
    ]
    layers += [
        alt.Chart(alt.NamedData(name=CURVE))
        .transform_filter(after)
        .mark_line(color=CHOSEN, strokeWidth=1.8, **dash)
        .encode(x=x, y=y)
        for after, dash in (("!datum.after", {}), ("datum.after", {"strokeDash": [3, 3]}))
    ]
    if line is not None:
        layers.append(
            alt.Chart(alt.Data(values=[{"confidence": line.value}]))
            .mark_rule(color="#0072B2", strokeDash=[6, 3], strokeWidth=2)
            .encode(y="confidence:Q")
        )
        for data in (alt.NamedData(name=FALL), _falls(replay, line, shown)):
            layers.append(
                alt.Chart(data)
                .mark_point(
                    shape="triangle-down", filled=True, color="#0072B2", size=45, opacity=0.8
                )
                .encode(
                    x=x,
                    y="confidence:Q",
                    tooltip=[
                        alt.Tooltip("trace:Q", title="Trace"),
                        alt.Tooltip("tokens:Q", title="Fell below at token", format=","),
                    ],
                )
            )
    return alt.layer(*layers).configure_mark(invalid=None).properties(height=340)


def chosen_tables(
    replay: Replay, window: int, line: Threshold | None, place: int | None
) -> dict[str, pa.Table]:
    """Return the tables that `confidence_chart` reads for the trace at a place; empty for None."""
    rows = []
    if place is not None:
        trace, cut = int(replay.trace_id[place]), int(replay.num_tokens[place])
        tokens, values = curve(replay, place, window)
        rows = [
            {"trace": trace, "tokens": at, "confidence": round(value, 4), "after": at > cut}
            for at, value in zip(tokens.tolist(), values.tolist(), strict=True)
        ]
    tables = {CURVE: _table(rows, "trace", "tokens", "confidence", "after")}
    if line is not None:
        tables[FALL] = _falls(replay, line, [] if place is None else [place])
    return tables


def _falls(replay: Replay, line: Threshold, places: Sequence[int]) -> pa.Table:
    """Return the points where traces after the warm-up first fell below the threshold."""
    rows = [
        {"trace": int(replay.trace_id[place]), "tokens": fell, "confidence": line.value}
        for place in dict.fromkeys(places)
        if place >= line.warm_up
        and (fell := fell_below(replay, place, line)) is not None
        and fell <= replay.num_tokens[place]
    ]
    return _table(rows, "trace", "tokens", "confidence")


COLUMNS = {
    "trace": pa.int64(),
    "tokens": pa.int64(),
    "confidence": pa.float64(),
    "after": pa.bool_(),
}


def _table(rows: Sequence[Mapping[str, Any]], *names: str) -> pa.Table:
    """Build a table with these columns, even if there are no rows."""
    return pa.Table.from_pylist(list(rows), pa.schema([(name, COLUMNS[name]) for name in names]))


def _thinned(tokens: Ints, values: Floats) -> list[tuple[int, float]]:
    """Return some of a curve's points: the lowest of each stretch."""
    kept = lowest_of_stretches(values, FAINT_POINTS)
    return list(zip(tokens[kept].tolist(), values[kept].tolist(), strict=True))


def confidence_text(replay: Replay, window: int, line: Threshold | None, chosen: int | None) -> str:
    """Describe the curves in words."""
    parts = [f"Group confidence, the mean over the last {window:,} tokens, by tokens generated."]
    if int(replay.decoded.sum()) > CURVES:
        parts.append(f"{CURVES} of the traces are drawn faintly.")
    if line is not None:
        later = range(line.warm_up, len(replay.trace_id))
        fell = _falls(replay, line, later).num_rows
        parts.append(
            f"The threshold is {line.value:.3f}, computed from the {line.warm_up} traces of the "
            f"warm-up; {fell:,} of the {len(later):,} later traces fell below it."
        )
    if chosen is not None:
        lowest = _lowest(replay, chosen, window)
        parts.append(
            f"The lowest value of trace {replay.trace_id[chosen]} is {lowest:.3f} "
            f"in its {replay.num_tokens[chosen]:,} tokens."
        )
        at = fell_below(replay, chosen, line) if line else None
        if line and chosen < line.warm_up:
            parts.append("It belongs to the warm-up, which is never cut.")
        elif at is not None:
            parts.append(f"It falls below the threshold at token {at:,}.")
        elif line:
            parts.append("It never falls below the threshold, even in full.")
    return " ".join(parts)
