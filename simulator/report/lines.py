"""Lines that join rows of a comparison which are one method at several settings."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.report.comparison import Row
from simulator.report.labels import short


@dataclass(frozen=True, slots=True)
class Line:
    """Rows of one pool that differ only in one numeric parameter, in the order of its values.

    `name` is unique among the lines of a pool, and the same for the same settings on another pool.
    """

    name: str
    parameter: str
    rows: Sequence[Row]

    def label(self, row: Row) -> str:
        """Format the parameter value of `row`."""
        return short(row.result.parameters[self.parameter])


def find_lines(rows: Sequence[Row]) -> list[Line]:
    """Find the lines through the rows of a comparison, each within one pool.

    If several parameters vary, lines follow the one with the most values; on a tie, the one that
    was set first on the command line. Rows not on a line are tried with the next parameter. Only
    numeric parameters are considered, not texts or true/false.
    """
    families: dict[Hashable, list[Row]] = {}
    for row in rows:
        result = row.result
        same = (
            *(row.pool, result.policy, result.policy_sha256, result.unranked, result.judge_scores),
            *(result.budget, result.seed, result.repeats, result.clock_unit),
        )  # all but the parameters
        families.setdefault(same, []).append(row)
    lines = []
    for family in families.values():
        alone = family
        for parameter in _candidates(family):
            others: dict[Hashable, list[Row]] = {}
            for row in alone:
                rest = {k: v for k, v in row.result.parameters.items() if k != parameter}
                others.setdefault(repr(sorted(rest.items())), []).append(row)
            for joined in others.values():
                values = [row.result.parameters.get(parameter) for row in joined]
                if all(map(is_number, values)) and len(set(values)) > 1:
                    joined.sort(key=lambda row: row.result.parameters[parameter])
                    lines.append(Line(_name(joined[0], parameter, rows), parameter, joined))
                    alone = [row for row in alone if row not in joined]
    return lines


def _candidates(family: Sequence[Row]) -> list[str]:
    """List numeric parameters with several values in a family, the preferred one first."""
    first = family[0].result
    names = [*first.settings, *(name for name in first.parameters if name not in first.settings)]
    values: dict[str, set[Any]] = {name: set() for name in names}
    for row in family:
        for name, value in row.result.parameters.items():
            if name in values and is_number(value):
                values[name].add(value)
    varied = [name for name in names if len(values[name]) > 1]
    return sorted(varied, key=lambda name: -len(values[name]))  # stable: ties as set


def is_number(value: object) -> bool:
    """Return True for a number that is not True or False."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(row: Row, parameter: str, rows: Sequence[Row]) -> str:
    """Name a line by its policy, other set or varying parameters, and other differences."""
    same = [other.result for other in rows if other.result.policy == row.result.policy]
    details = [
        f"{name}={short(value)}"
        for name, value in row.result.parameters.items()
        if name != parameter
        and (
            name in row.result.settings
            or any(other.parameters.get(name) != value for other in same)
        )
    ]
    for name, attribute in (
        ("judge", "judged_by"),
        ("N", "budget"),
        ("seed", "seed"),
        ("repeats", "repeats"),
    ):
        if len({getattr(other, attribute) for other in same}) > 1:
            details.append(f"{name}={getattr(row.result, attribute)}")
    return row.result.policy + (f" ({', '.join(details)})" if details else "")
