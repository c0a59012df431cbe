"""Lines through entries of one policy at several settings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from leaderboard_app.library.standings import RECORD, part_of
from leaderboard_app.tradeoff.points import Point
from simulator.report.labels import short
from simulator.report.plotting.lines import find_lines
from simulator.report.rows import Row
from simulator.runs.results import RunResult


@dataclass(frozen=True, slots=True)
class Joined:
    """Entries that differ in one number only, sorted by its value.

    `parameter` is the number's name: that of a parameter, or N. `name` is unique in a picture.
    """

    name: str
    parameter: str
    points: tuple[Point, ...]
    over_n: bool

    def value(self, point: Point) -> str:
        """Format the value of a point on the line: `N=16`, or `0.95` of a parameter."""
        if self.over_n:
            return f"N={point.results[0].budget}"
        return short(point.entry.parameters[self.parameter])

    def named(self, point: Point) -> str:
        """Name a point by the line and its value: `asc, threshold=0.95`, `esc, N=16`, `cons@16`."""
        if not self.over_n:
            return f"{self.name}, {self.parameter}={self.value(point)}"
        if "@N" in self.name:
            return self.name.replace("@N", f"@{point.results[0].budget}")
        return f"{self.name}, {self.value(point)}"


def joined_lines(points: Sequence[Point], compared: Collection[str]) -> list[Joined]:
    """Return lines through entries of one policy at several settings, as reports find them.

    They join entries that are compared, or others. Seeds and repeats may differ: verifiers choose
    them. Of several entries with one value, that with the most repeats is on the line.
    """
    by_id = {point.entry.id: point for point in points}
    rows = [
        Row("", point.entry.label, False, _as_run(point, point.entry.id in compared))
        for point in sorted(points, key=lambda each: (-each.entry.repeats, each.entry.id))
        if part_of(point.entry) != RECORD and point.budget.isdecimal()
    ]
    found: list[Joined] = []
    for line in find_lines(rows):
        once = {line.label(row): by_id[row.result.run] for row in reversed(line.rows)}
        joined = tuple(reversed(once.values()))
        found.append(Joined(unlike(line.name, found), line.parameter, joined, line.over_n))
    return found


def clocks(point: Point) -> str:
    """Name the units of the clocks of a point's results."""
    return ", ".join(sorted({result.clock for result in point.results}))


def unlike(name: str, others: Sequence[Joined]) -> str:
    """Return a name that no other line has: with a number, if needed."""
    taken = {each.name for each in others}
    names = (name, *(f"{name} ({number})" for number in range(2, len(taken) + 2)))
    return next(each for each in names if each not in taken)


def _as_run(point: Point, compared: bool) -> RunResult:
    """Convert a point to the form that reports use; `run` is the entry's id.

    `unranked` keeps entries that are not compared on lines of their own.
    """
    entry, result = point.entry, point.results[0]
    return RunResult(
        run=entry.id,
        path=entry.path,
        policy=entry.policy,
        policy_sha256=entry.policy_sha256,
        parameters=entry.parameters,
        settings=entry.settings,
        unranked=not compared,
        seed=0,
        repeats=0,
        pool="",
        fingerprint=None,
        budget=result.budget,
        synthetic=result.synthetic,
        token_accuracy=result.token_accuracy,
        problems=result.problems,
        baseline=result.baseline,
        clock_unit=clocks(point),
        serving=result.serving,
        metrics={},
        command=None,
        started_at=None,
        wall_seconds=None,
    )
