"""The part of the plane that the picture shows: it is made for the entries that are compared.

Others never squeeze them. One that is near widens the frame; one that is far stands at the edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard_app.tradeoff.view import View
from simulator.report.plotting.placing import Axis, known
from simulator.runs.results import Metric

INTERVALS = 0.3
"""Most that intervals widen the frame to either side, as a share of the compared values' range."""

NEAR = 0.4
"""Most that points that are not compared widen the frame to either side, as such a share."""

MARGIN = 0.07
"""Space around everything, as a share of the frame."""

LEAST_POINTS = 2.0
"""Smallest range of accuracies that counts, in percentage points."""

LEAST_RATIO = 1.5
"""Smallest ratio of costs that counts, on a logarithmic axis."""

ENDS = (-3.0, 103.0)
"""Lowest and highest accuracy that a frame can show, in percent: marks at 0 and 100 are whole."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The two axes of a picture."""

    x: Axis
    y: Axis

    def outside(self, x: float, y: float) -> str:
        """Return the edge beyond which a point is: left, right, above or below; empty if inside.

        Of two edges it is the one that is further away.
        """
        across, up = self._share(self.x, x), self._share(self.y, y)
        beyond = {"left": -across, "right": across - 1, "below": -up, "above": up - 1}
        far = max(beyond, key=lambda each: beyond[each])
        return far if beyond[far] > 0 else ""

    def inside(self, x: float, y: float, inset: tuple[float, float]) -> tuple[float, float]:
        """Return the nearest point that is `inset`, a share of each axis, from every edge."""
        across = min(max(self._share(self.x, x), inset[0]), 1 - inset[0])
        up = min(max(self._share(self.y, y), inset[1]), 1 - inset[1])
        return self.x.value(across), self.y.value(up)

    @staticmethod
    def _share(axis: Axis, value: float) -> float:
        if axis.log and value <= 0:
            return -math.inf
        return axis.share(value)


def frame(view: View, *, log: bool) -> Frame:
    """Return the frame of a view; `log` makes the cost axis logarithmic, if costs are above zero.

    It holds every compared entry and every baseline. Intervals widen it by `INTERVALS` at most,
    other points by `NEAR` at most, and the accuracies of those that use ground truth likewise. With
    nothing to compare, it holds all points.
    """
    measured = view.measured
    best = view.best or list(view.points)
    costs = [point.cost for point in best] + [each.cost for each in view.baselines if each.cost]
    accuracies = [each.accuracy for each in best] + [each.accuracy for each in view.baselines]
    apart = [(each.cost.value, 100 * each.accuracy.value) for each in view.points]
    apart += [(each.cost, 100 * each.figure.accuracy) for each in measured.published]
    if not accuracies:
        costs = [Metric(each) for each, _ in apart]
        accuracies = [Metric(each / 100) for _, each in apart]
    log = log and min((each.value for each in costs), default=0.0) > 0
    across = _Range.around(
        [[_at(end, log) for end in known(each) if end > 0 or not log] for each in costs],
        math.log(LEAST_RATIO) if log else 0.0,
    )
    up = _Range.around([[100 * end for end in known(each)] for each in accuracies], LEAST_POINTS)
    near = [
        (_at(x, log), y)
        for x, y in apart
        if (x > 0 or not log) and across.reaches(_at(x, log)) and up.reaches(y)
    ]
    levels = [100 * each.accuracy.value for each in view.apart if each.entry.unranked]
    low, high = across.with_values([x for x, _ in near] + [0.0] * (not log))
    bottom, top = up.with_values([*(y for _, y in near), *filter(up.reaches, levels)])
    bottom, top = max(bottom, ENDS[0]), min(top, ENDS[1])
    x_axis = Axis(math.exp(low), math.exp(high), log=True) if log else Axis(0.0, high or 1.0)
    return Frame(x_axis, Axis(bottom, top))


def _at(value: float, log: bool) -> float:
    return math.log(value) if log else value


@dataclass(frozen=True, slots=True)
class _Range:
    """Range of the compared values on an axis, and that with their intervals, as far as shown."""

    least: float
    most: float
    low: float
    high: float

    @classmethod
    def around(cls, metrics: Sequence[Sequence[float]], smallest: float) -> _Range:
        """Return the range of values, each of which comes first in its list, before its ends."""
        values = [each[0] for each in metrics if each] or [0.0]
        least, most = min(values), max(values)
        lacking = max(0.0, smallest - (most - least)) / 2
        least, most = least - lacking, most + lacking
        room = INTERVALS * (most - least)
        ends = [end for each in metrics for end in each] or [0.0]
        low, high = max(min(ends), least - room), min(max(ends), most + room)
        return cls(least, most, min(low, least), max(high, most))

    def reaches(self, value: float) -> bool:
        """Return True for a value that the range may be widened to."""
        room = NEAR * (self.most - self.least)
        return self.least - room <= value <= self.most + room

    def with_values(self, values: Sequence[float]) -> tuple[float, float]:
        """Return the range widened to values, with a margin."""
        low, high = min([self.low, *values]), max([self.high, *values])
        margin = MARGIN * (high - low) or 1.0
        return low - margin, high + margin
