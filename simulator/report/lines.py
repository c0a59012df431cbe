"""Which rows of a comparison are one method at several settings, to be joined by a line."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.report.comparison import Row
from simulator.runs.results import RunResult


@dataclass(frozen=True, slots=True)
class Line:
    """Rows of one pool that differ in one numeric parameter only, in the order of its values.

    `name` tells the line from the others of its pool, and is the same for the same settings on
    another pool.
    """

    name: str
    parameter: str
    rows: Sequence[Row]

    def label(self, row: Row) -> str:
        """The value that `row` stands for."""
        value = row.result.parameters[self.parameter]
        return f"{value:g}" if isinstance(value, float) else str(value)


def find_lines(rows: Sequence[Row]) -> list[Line]:
    """The lines through the rows of a comparison, each within one pool.

    Where several parameters vary, lines run along the one with the most values, at equal numbers
    along the one that was set first on the command line; rows that this leaves alone are tried
    with the next one. Texts and true/false are no numbers and join nothing.
    """
    families: dict[Hashable, list[Row]] = {}
    for row in rows:
        families.setdefault((row.pool, *_family(row.result)), []).append(row)
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
                if all(map(_is_number, values)) and len(set(values)) > 1:
                    joined.sort(key=lambda row: row.result.parameters[parameter])
                    lines.append(Line(_name(joined[0], parameter, rows), parameter, joined))
                    alone = [row for row in alone if row not in joined]
    return lines


def _family(result: RunResult) -> tuple[Hashable, ...]:
    """What rows on one line agree in beside their parameters."""
    return (
        *(result.policy, result.policy_sha256, result.unranked),
        *(result.budget, result.seed, result.repeats, result.clock_unit),
    )


def _candidates(family: Sequence[Row]) -> list[str]:
    """Numeric parameters of which a family has several values, the one to go along first."""
    first = family[0].result
    names = [*first.settings, *(name for name in first.parameters if name not in first.settings)]
    values: dict[str, set[Any]] = {name: set() for name in names}
    for row in family:
        for name, value in row.result.parameters.items():
            if name in values and _is_number(value):
                values[name].add(value)
    varied = [name for name in names if len(values[name]) > 1]
    return sorted(varied, key=lambda name: -len(values[name]))  # stable: then as set


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(row: Row, parameter: str, rows: Sequence[Row]) -> str:
    """The policy, what else was set or varies, and what else tells its rows apart."""
    same = [other.result for other in rows if other.result.policy == row.result.policy]
    details = [
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in row.result.parameters.items()
        if name != parameter
        and (
            name in row.result.settings
            or any(other.parameters.get(name) != value for other in same)
        )
    ]
    for name, attribute in (("N", "budget"), ("seed", "seed"), ("repeats", "repeats")):
        if len({getattr(other, attribute) for other in same}) > 1:
            details.append(f"{name}={getattr(row.result, attribute)}")
    return row.result.policy + (f" ({', '.join(details)})" if details else "")
