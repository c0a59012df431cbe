"""Answers of probes over the time of a replay, one vote for each trace in play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from leaderboard_app.views.problem.kinds import NOT_PROBED, Kind, shortened
from leaderboard_app.views.problem.picture import NEUTRAL
from leaderboard_app.views.problem.replay import Replay, Stored
from simulator.arrays import Floats, Ints
from simulator.pools.pool import NO_ANSWER

STEPS = 120
"""Number of moments on the clock at which the probes' shares are computed."""

UNPROBED = "#d0d3d9"
"""Colour of traces that were not probed yet."""

SILENT, OUT = -8, -9
"""Marks in `Consensus.said` of a trace that was not probed yet, and of one that is not in play."""

LONGEST_NAME = 60
"""Maximum number of characters of an answer in a sentence."""


@dataclass(frozen=True, eq=False)
class Consensus:
    """Votes of the probes at moments of the clock.

    `said` is the answer class by moment and trace, shape (moments, traces): −1 for a probe without
    an answer, else one of `SILENT` and `OUT`.
    """

    clock: Floats
    said: Ints
    stored: Stored

    @property
    def kinds(self) -> Sequence[Kind]:
        """Kinds of the answers, and one for traces without a probe so far."""
        return (*self.stored.kinds[0], Kind(NOT_PROBED, UNPROBED))

    @cached_property
    def counts(self) -> Ints:
        """Number of traces in play by moment and kind, shape (moments, kinds)."""
        _, kind_of = self.stored.kinds
        silent = len(self.kinds) - 1
        kinds = np.where(self.said == SILENT, silent, kind_of[np.maximum(self.said, NO_ANSWER)])
        counts = np.zeros((len(self.clock), silent + 1), dtype=np.int64)
        moments, traces = np.nonzero(self.said != OUT)
        np.add.at(counts, (moments, kinds[moments, traces]), 1)
        return counts

    def leaders(self, moment: int) -> tuple[list[int], float]:
        """Return the classes with the most votes, several if tied, and the share of each of them.

        The share is of the traces in play. No class if none has given an answer.
        """
        said = self.said[moment]
        given = said[said >= 0]
        if not len(given):
            return [], 0.0
        votes = np.bincount(given)
        share = float(votes.max() / (said != OUT).sum())
        return np.flatnonzero(votes == votes.max()).tolist(), share


def consensus(replay: Replay) -> Consensus:
    """Return the probes' answers over time.

    A running trace votes for its last probe's answer, a finished one for its final answer until the
    end. A trace that was cut does not vote any longer, unless its own stop rule cut it: its last
    answer then stays, as it does in the final vote (SAC).
    """
    assert replay.stored is not None
    stored, probes = replay.stored, replay.stored.problem.probes
    moments = np.linspace(0, float(replay.answer["clock"]), STEPS + 1)
    places = np.flatnonzero(replay.decoded).tolist()
    said = np.full((len(moments), len(places)), OUT, dtype=np.int64)
    for column, place in enumerate(places):
        row = np.full(len(moments), int(stored.rows[place]))
        begun = moments >= replay.started[place]
        tokens = (moments - replay.started[place]) / max(replay.step[place], 1e-12)
        tokens = np.clip(np.floor(tokens + 1e-6), 0, replay.num_tokens[place]).astype(np.int64)
        columns = probes.columns(row, tokens)
        answers = probes.table[row, columns].astype(np.int64)
        answers[(answers == NO_ANSWER) & (columns == 0)] = SILENT
        over = moments >= replay.ended[place]
        if replay.finished[place]:
            answers = np.where(over, stored.answers[place], answers)
        elif replay.reason[place] == "stopped":
            begun &= ~over
        said[begun, column] = answers[begun]
    return Consensus(moments, said, stored)


def shares(found: Consensus) -> list[dict[str, Any]]:
    """Return the rows of the stacked area: a kind's share lies between `from` and `to`.

    Moments without a change are left out, except the last.
    """
    kinds = found.kinds
    shown = np.flatnonzero(found.counts.any(axis=0))
    totals = np.maximum(found.counts.sum(axis=1, keepdims=True), 1)
    tops = np.cumsum(found.counts[:, shown] / totals, axis=1)
    changes = np.r_[True, (tops[1:] != tops[:-1]).any(axis=1)]
    changes[-1] = True
    return [
        {
            "clock": round(float(found.clock[moment]), 3),
            "answer": kinds[kind].label,
            "from": round(float(tops[moment, rank - 1]), 5) if rank else 0.0,
            "to": round(float(tops[moment, rank]), 5),
        }
        for rank, kind in enumerate(shown.tolist())
        for moment in np.flatnonzero(changes).tolist()
    ]


def consensus_chart(replay: Replay, found: Consensus) -> alt.LayerChart:
    """Draw the shares of the probes' answers as a stacked area, with the time of the answer."""
    kinds = {kind.label: kind for kind in found.kinds}
    rows = shares(found)
    shown = [*dict.fromkeys(row["answer"] for row in rows)]
    x = alt.X(
        "clock:Q",
        title=f"Clock, {replay.clock_unit}",
        axis=alt.Axis(format="~s", tickCount=8),
        scale=alt.Scale(nice=False),
    )
    area = (
        alt.Chart(pa.Table.from_pylist(rows))
        .mark_area(interpolate="step-after")
        .encode(
            x=x,
            y=alt.Y(
                "from:Q",
                stack=None,
                title="Share of traces in play",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%"),
            ),
            y2="to:Q",
            color=alt.Color(
                "answer:N",
                title="Last probe",
                scale=alt.Scale(domain=shown, range=[kinds[label].colour for label in shown]),
                legend=alt.Legend(orient="top", columns=4, labelLimit=220),
            ),
            tooltip=alt.Tooltip("answer:N", title="Last probe"),  # one for the whole area
        )
    )
    stop = (
        alt.Chart(alt.Data(values=[{"clock": float(replay.answer["clock"])}]))
        .mark_rule(color=NEUTRAL, strokeDash=[5, 3], strokeWidth=2)
        .encode(x="clock:Q")
    )
    return alt.layer(area, stop).configure_mark(invalid=None).properties(height=340)


def consensus_text(replay: Replay, found: Consensus) -> str:
    """Describe the stacked area in words: the most common answer at a quarter, half and the end."""
    parts = []
    for share, name in ((0.25, "a quarter"), (0.5, "half"), (1.0, "the end")):
        moment = round(share * STEPS)
        if (found.said[moment] == OUT).all():
            continue
        classes, of_traces = found.leaders(moment)
        parts.append(f"at {name} of the clock {_named(found, classes, of_traces)}")
    return (
        "Answers of the last probe of each trace in play, over time; the most common was "
        f"{', '.join(parts)}. The policy answered at {replay.answer['clock']:,.6g}."
    )


def _named(found: Consensus, classes: Sequence[int], share: float) -> str:
    """Name the classes with the most votes, or their number if more than two are tied."""
    if not classes:
        return "none yet"
    if len(classes) > 2:
        return f"none: {len(classes)} tied with {share:.0%} each"
    problem = found.stored.problem
    names = [
        f"{'✓ ' * bool(problem.class_correct[each])}"
        f"{shortened(found.stored.texts[each], LONGEST_NAME)}"
        for each in classes
    ]
    return f"{' and '.join(names)} with {share:.0%}{' each' * (len(names) > 1)}"
