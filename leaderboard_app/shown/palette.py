"""Colours and shapes that colour-blind readers can tell apart, in light and in dark mode.

The eight colours of Okabe and Ito (Wong, Nature Methods 8, 441, 2011); colour is never the only
difference.
"""

from __future__ import annotations

from collections.abc import Sequence

SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8a8a")
"""Colours of methods, answer classes and judges, in order of use; shapes change each round."""

SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")

NONE = "#9aa0a6"
"""Colour of items without a class, and when colours run out; readable on both backgrounds."""

TEXT = "currentColor"
"""Colour of text in charts: the page's own, in each theme; black in files.

No one grey has a contrast of 4.5:1 (WCAG AA) on both white and Streamlit's dark background.
"""

GOOD, BAD = "#009E73", "#D55E00"
"""Right and wrong: bluish green and vermilion, distinct for all common colour blindness."""

BADGES = {
    "verified": (
        "✔",
        "Rerun by the verifier, whose own replays, with a seed that nobody knew, give its figures.",
    ),
    "derived": (
        "↻",
        "A built-in method, replayed on this machine on a pool that is here: anyone with the pool "
        "gets the same figures.",
    ),
    "recomputed": ("∑", "Its figures follow from its decisions; its policy was not rerun."),
    "self-reported": ("✎", "Submitted, and not verified yet."),
    "reported": ("❝", "Taken from a publication; not replayed, so it cannot be recomputed here."),
    "synthetic": ("⚙", "On generated traces: a demonstration that says nothing about the method."),
    "superseded": ("↷", "A later submission takes its place; shown for the record, never ranked."),
    "withdrawn": ("✕", "Withdrawn by its authors; shown for the record, never ranked."),
    "local": ("⌂", "A run on this machine that was not submitted."),
    "broken": (
        "!",
        "Its files or figures are wrong; see Verification on its page.",
    ),
}
"""Sign and meaning of each badge; a submission whose badge is None is `broken`."""


def badge_text(badge: str | None) -> str:
    """Return a badge's sign and name."""
    name = badge or "broken"
    return f"{BADGES[name][0]} {name}" if name in BADGES else name


def badge_help(badge: str | None) -> str:
    """Return a badge's meaning."""
    return BADGES.get(badge or "broken", ("", ""))[1]


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name, in order; colours repeat when they run out."""
    return {name: SERIES[index % len(SERIES)] for index, name in enumerate(names)}


def shapes(names: Sequence[str]) -> dict[str, str]:
    """Return a shape for each name; colour and shape together differ for the first 42 names."""
    return {name: SHAPES[index // len(SERIES) % len(SHAPES)] for index, name in enumerate(names)}
