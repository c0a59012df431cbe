"""Colours and shapes that colour-blind readers can tell apart, in light and in dark.

Okabe and Ito's eight (Wong, Nature Methods 8, 441, 2011); nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8a8a")
"""Colours of methods, answer classes and judges, in the order of use; shapes change each round."""

SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")

NONE = "#9aa0a6"
"""What has no class, and whatever is left over when colours run out; readable on both grounds."""

TEXT = "#7c7c7c"
"""Texts inside charts: as readable on the light ground as on the dark one (4.2:1)."""

GOOD, BAD = "#009E73", "#D55E00"
"""Right and wrong: bluish green and vermilion, which no common colour blindness confuses."""

BADGES = {
    "verified": ("✔", "Recomputed from its decisions, and its policy run again: same figures."),
    "recomputed": ("∑", "Its figures follow from its decisions; its policy was not run again."),
    "self-reported": ("✎", "A run that was submitted and that nobody has verified yet."),
    "reported": ("❝", "Taken from a publication; not replayed, nobody can recompute it here."),
    "synthetic": ("⚙", "On generated traces: shows the tool, says nothing about the method."),
    "withdrawn": ("✕", "Taken back by its authors; shown for the record, never ranked."),
    "local": ("⌂", "A run on this machine that was not submitted."),
    "broken": (
        "!",
        "Something is wrong with its files or its figures; its page says what, under Verification.",
    ),
}
"""Sign and meaning of each badge; a submission whose badge is None is `broken`."""


def badge_text(badge: str | None) -> str:
    """A badge as text: its sign and its name."""
    name = badge or "broken"
    return f"{BADGES[name][0]} {name}" if name in BADGES else name


def badge_help(badge: str | None) -> str:
    """What a badge means."""
    return BADGES.get(badge or "broken", ("", ""))[1]


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, in order, again from the first when they run out."""
    return {name: SERIES[index % len(SERIES)] for index, name in enumerate(names)}


def shapes(names: Sequence[str]) -> dict[str, str]:
    """A shape for each name, so that colour and shape together differ for the first 42."""
    return {name: SHAPES[index // len(SERIES) % len(SHAPES)] for index, name in enumerate(names)}
