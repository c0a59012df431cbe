"""Spaces of settings: lists and ranges of values, and settings drawn from them at random."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulator.errors import UserError

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER})(:log)?", re.ASCII)

DIGITS = 4
"""Significant digits of a number that is drawn from a range."""

TRIES = 100
"""Draws for each setting that may be ones drawn before."""


@dataclass(frozen=True)
class Range:
    """A range of numbers as typed, both ends included; whole ones if both ends are.

    If `log`, every ratio of two numbers is as likely wherever they are.
    """

    low: float
    high: float
    whole: bool
    log: bool

    def draw(self, rng: random.Random) -> str:
        """Draw a number, as it is typed."""
        share = rng.random()
        if self.whole:
            low, high = self.low - 0.5, self.high + 0.5
            value = low * (high / low) ** share if self.log else low + share * (high - low)
            return str(int(min(max(round(value), self.low), self.high)))
        low, high = self.low, self.high
        value = low * (high / low) ** share if self.log else low + share * (high - low)
        return f"{min(max(float(f'{value:.{DIGITS}g}'), low), high):g}"


@dataclass(frozen=True)
class Point:
    """One setting as typed: a policy's name, the numbers in it, its parameters, and its budget.

    `numbers` are those in braces; `budget` is None for the policy's own.
    """

    name: str
    numbers: Mapping[str, str]
    typed: Mapping[str, str]
    budget: int | None


def parse_ranges(grid: Mapping[str, Sequence[str]]) -> dict[str, Range]:
    """Find the ranges among the values of `-p`: `0.5:0.95`, `4:64` or `1e-4:1:log`.

    Raises
    ------
    UserError
        The first end is not below the other, a logarithmic range has an end that is not positive,
        or a range stands in a list.
    """
    found = {}
    for name, values in grid.items():
        ranges = [match for each in values if (match := _RANGE.fullmatch(each))]
        if not ranges:
            continue
        if len(values) > 1:
            raise UserError(f"-p {name}={','.join(values)}: give a range, or values, not both")
        low, high, log = ranges[0].groups()
        whole = not re.search("[.eE]", low + high)
        span = Range(float(low), float(high), whole, log is not None)
        if math.isinf(span.low) or math.isinf(span.high):
            raise UserError(f"-p {name}={values[0]}: give numbers below 10^308")
        if not span.low < span.high or (log and span.low <= 0):
            what = "from a number above 0 to a larger one" if log else "the lower end first"
            raise UserError(f"-p {name}={values[0]}: give {what}")
        found[name] = span
    return found


def drawn_points(
    names: Sequence[tuple[str, Mapping[str, str]]],
    grid: Mapping[str, Sequence[str]],
    budgets: Sequence[int | None],
    number: int,
    seed: int,
) -> list[Point]:
    """Draw different settings at random: a name, a value of each parameter, and a budget.

    Without ranges there may be fewer, which are then all.

    Raises
    ------
    UserError
        The ranges have not so many numbers.
    """
    ranges = parse_ranges(grid)
    rng = random.Random(seed)
    size = math.prod([len(names), len(budgets), *(len(v) for k, v in grid.items())])
    wanted = number if ranges else min(number, size)
    found: dict[str, Point] = {}
    for _ in range(TRIES * max(wanted, size if not ranges else 0)):
        if len(found) == wanted:
            break
        name, numbers = rng.choice(names)
        typed = {
            each: ranges[each].draw(rng) if each in ranges else rng.choice(values)
            for each, values in grid.items()
        }
        point = Point(name, numbers, typed, rng.choice(budgets))
        found.setdefault(repr((name, typed, point.budget)), point)
    if len(found) < wanted:
        raise UserError(f"--random {number}: the ranges have not so many settings; give fewer")
    return [*found.values()]
