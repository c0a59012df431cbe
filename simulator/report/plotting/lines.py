"""Lines that join rows of a comparison which are one method at several settings."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.methods import family_name, match_name
from simulator.report.labels import short
from simulator.report.rows import Row

BUDGET = "budget"
"""Name of the budget among numbers that vary; no parameter of a policy can have it."""

FEWEST_OF_A_CURVE = 3
"""Number of budgets from which on rows are a curve over N."""


@dataclass(frozen=True, slots=True)
class Line:
    """Rows of one pool that differ only in one number, in the order of its values.

    The number is a parameter of the policy or, `over_n`, the budget, whose name is then N. `name`
    is unique among the lines of a pool, and the same for the same settings on another pool.
    """

    name: str
    parameter: str
    rows: Sequence[Row]
    over_n: bool = False

    @property
    def curve(self) -> bool:
        """True if the line goes over N and has at least `FEWEST_OF_A_CURVE` points."""
        return self.over_n and len(self.rows) >= FEWEST_OF_A_CURVE

    def label(self, row: Row) -> str:
        """Format the value of `row`."""
        return short(numbers(row)[BUDGET if self.over_n else self.parameter])


def numbers(row: Row) -> dict[str, Any]:
    """Return the parameters of a row's policy, and its budget as `BUDGET`."""
    return {BUDGET: row.result.budget, **row.result.parameters}


def _method(row: Row) -> str:
    """Return a row's policy without the numbers in a built-in name: `cons@{budget}`."""
    found = match_name(row.result.policy)
    return found[0] if found else row.result.policy


def find_lines(rows: Sequence[Row]) -> list[Line]:
    """Find the lines through the rows of a comparison, each within one pool.

    If several numbers vary, lines follow N if it has at least `FEWEST_OF_A_CURVE` values, else the
    one with the most values; on a tie N, then the parameter that was set first on the command line.
    Rows not on a line are tried with the next number. Texts and true/false are not considered.
    """
    families: dict[Hashable, list[Row]] = {}
    for row in rows:
        result = row.result
        same = (
            *(row.pool, _method(row), result.policy_sha256, result.unranked, result.judge_scores),
            *(result.seed, result.repeats, result.clock_unit),
        )  # all but the numbers
        families.setdefault(same, []).append(row)
    lines = []
    for family in families.values():
        alone = family
        for parameter in _candidates(family):
            others: dict[Hashable, list[Row]] = {}
            for row in alone:
                rest = {k: v for k, v in numbers(row).items() if k != parameter}
                others.setdefault(repr(sorted(rest.items())), []).append(row)
            for joined in others.values():
                values = [numbers(row).get(parameter) for row in joined]
                if all(map(is_number, values)) and len(set(values)) > 1:
                    joined.sort(key=lambda row: numbers(row)[parameter])
                    over_n = parameter == BUDGET
                    name = _name(joined[0], parameter, rows)
                    lines.append(Line(name, "N" if over_n else parameter, joined, over_n))
                    alone = [row for row in alone if row not in joined]
    return lines


def _candidates(family: Sequence[Row]) -> list[str]:
    """List numbers with several values in a family, the preferred one first."""
    first = family[0].result
    names = [BUDGET, *first.settings]
    names += [name for name in first.parameters if name not in first.settings]
    values: dict[str, set[Any]] = {name: set() for name in names}
    for row in family:
        for name, value in numbers(row).items():
            if name in values and is_number(value):
                values[name].add(value)
    varied = [name for name in names if len(values[name]) > 1]
    curve = len(values[BUDGET]) >= FEWEST_OF_A_CURVE
    return sorted(  # stable: ties as set
        varied, key=lambda name: (not (curve and name == BUDGET), -len(values[name]))
    )


def is_number(value: object) -> bool:
    """Return True for a number that is not True or False."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(row: Row, parameter: str, rows: Sequence[Row]) -> str:
    """Name a line by its policy, other set or varying parameters, and other differences."""
    same = [other.result for other in rows if _method(other) == _method(row)]
    found = match_name(row.result.policy)
    told = {parameter, *(found[1] if found else ())}  # along the line, or in the policy's name
    details = [
        f"{name}={short(value)}"
        for name, value in row.result.parameters.items()
        if name not in told
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
        if attribute not in told and len({getattr(other, attribute) for other in same}) > 1:
            details.append(f"{name}={getattr(row.result, attribute)}")
    policy = family_name(row.result.policy, {parameter})
    return policy + (f" ({', '.join(details)})" if details else "")
