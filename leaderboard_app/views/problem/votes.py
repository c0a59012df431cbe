"""Votes of a replay's finished traces, beside the votes of all N traces."""

from __future__ import annotations

import altair as alt
import numpy as np
import pyarrow as pa

from leaderboard_app.views.problem.kinds import Kind
from leaderboard_app.views.problem.picture import AROUND, NEUTRAL, colour_scale
from leaderboard_app.views.problem.replay import Replay


def votes(replay: Replay) -> list[tuple[Kind, int, int]]:
    """Count the finished traces, and all N traces, by kind of answer."""
    if replay.stored is None:
        return []
    kinds, kind_of = replay.stored.kinds
    of_all = kind_of[replay.stored.answers]
    everyone = np.bincount(of_all, minlength=len(kinds))
    done = np.bincount(of_all[: len(replay.trace_id)][replay.finished], minlength=len(kinds))
    return [
        (kind, int(done[index]), int(everyone[index]))
        for index, kind in enumerate(kinds)
        if everyone[index]
    ]


def votes_chart(replay: Replay) -> alt.Chart:
    """Draw bars of the finished traces' answers beside those of all N."""
    counts = votes(replay)
    sides = (f"finished ({int(replay.finished.sum())})", f"all {replay.result.budget}")
    rows = [
        {"answer": kind.label, "traces": count, "of": side, "place": place}
        for kind, *both in counts
        for place, (side, count) in enumerate(zip(sides, both, strict=True))
    ]
    kinds = [kind for kind, _, _ in counts]
    return (
        alt.Chart(pa.Table.from_pylist(rows))
        .mark_bar()
        .encode(
            x=alt.X("traces:Q", title="Traces", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y(
                "answer:N",
                sort=[kind.label for kind in kinds],
                title=None,
                axis=alt.Axis(labelLimit=160),
            ),
            yOffset=alt.YOffset("of:N", sort=list(sides)),
            color=alt.Color("answer:N", scale=colour_scale(kinds, replay), legend=None),
            opacity=alt.Opacity(
                "of:N",
                sort=list(sides),
                scale=alt.Scale(domain=list(sides), range=[1, 0.4]),
                legend=alt.Legend(orient="top", title=None, symbolFillColor=NEUTRAL),
            ),
            tooltip=[
                alt.Tooltip("answer:N", title="Answer"),
                alt.Tooltip("of:N", title="Of"),
                alt.Tooltip("traces:Q", title="Traces"),
            ],
        )
        .properties(height=AROUND + 36 * len(kinds))
    )


def votes_text(replay: Replay) -> str:
    """Describe the votes in words."""
    said = "; ".join(f"{kind.label}: {done} of {every}" for kind, done, every in votes(replay))
    return f"Finished traces by answer, and how many of all {replay.result.budget} give it: {said}."
