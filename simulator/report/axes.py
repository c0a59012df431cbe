"""The axes of a Pareto front: accuracy and what it costs, by choice."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.errors import UserError
from simulator.statistics import undominated

ACCURACY, TOKENS, TOTAL, CLOCK = AXES = ("accuracy", "tokens", "total", "clock")
"""Accuracy, and three costs: tokens generated; these and those of probes and judge; the clock."""

DEFAULT = (ACCURACY, TOTAL)

NAMES = {
    ACCURACY: "accuracy",
    TOKENS: "tokens generated",
    TOTAL: "total cost",
    CLOCK: "clock",
}


def parse_axes(typed: str) -> tuple[str, ...]:
    """Parse axes as typed, such as `accuracy,clock`: accuracy and at least one cost, in any order.

    Raises
    ------
    UserError
        An unknown name, one that is given twice, no accuracy, or nothing but accuracy.
    """
    names = [name.strip() for name in typed.split(",")]
    for name in names:
        if name not in AXES:
            raise UserError(f"--axes {typed}: {name!r} is none of {', '.join(AXES)}")
        if names.count(name) > 1:
            raise UserError(f"--axes {typed}: {name} is given twice")
    if ACCURACY not in names or len(names) < 2:
        raise UserError(
            f"--axes {typed}: give accuracy and at least one of {', '.join(AXES[1:])}, such as "
            "accuracy,clock"
        )
    return tuple(name for name in AXES if name in names)


def shown_axes(axes: Sequence[str]) -> str:
    """Name axes for a caption: `accuracy, total cost and clock`."""
    *others, last = (NAMES[name] for name in axes)
    return f"{', '.join(others)} and {last}"


def find_front(places: Sequence[Sequence[float] | None]) -> list[bool]:
    """Return for each method True if it is on the front.

    `places` are the costs of each on all axes, fewer being better; None for one that takes no part.
    """
    among = [index for index, place in enumerate(places) if place is not None]
    mask = undominated([place for place in places if place is not None])
    front = {index for index, first in zip(among, mask.tolist(), strict=True) if first}
    return [index in front for index in range(len(places))]
