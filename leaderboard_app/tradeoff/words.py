"""Texts about the picture: its title, its key, the entries at its edge and those not drawn."""

from __future__ import annotations

from leaderboard_app.tradeoff.frame import frame
from leaderboard_app.tradeoff.marks import BOUND, marks
from leaderboard_app.tradeoff.points import NAMES, Measured
from leaderboard_app.tradeoff.view import View

FEW = 6
"""Maximum number of entries that are listed in a sentence."""


def title(measured: Measured) -> str:
    """Return the page's title: `Accuracy against tokens: Qwen3-8B · AIME24`."""
    pools = len(measured.columns)
    place = measured.heading if pools == 1 else f"{pools} pools"
    return f"Accuracy against {NAMES[measured.cost].lower()}: {place}"


def counts(view: View) -> str:
    """Return how many entries are drawn and compared, and how many are not drawn."""
    best, apart = len(view.best), len(view.apart)
    kind = "ranked" if view.ranked else "compared"
    said = [f"{_entries(best)} {kind}"] if best or not apart else []
    said += [
        f"{apart} drawn beside {'it' if best == 1 else 'them'}" if best else _entries(apart)
    ] * (apart > 0)
    gone = sum(len(each.entries) for each in view.omitted)
    said += [f"{gone} not drawn"] * (gone > 0)
    return ", ".join(said) + "."


def reasons(view: View) -> str:
    """Return how many entries are not drawn, by reason; empty if all are drawn."""
    gone = [f"{len(each.entries)} {each.reason}" for each in view.omitted]
    count = sum(len(each.entries) for each in view.omitted)
    verb = "is" if count == 1 else "are"
    return f"{_entries(count)} {verb} not drawn: {'; '.join(gone)}" if gone else ""


def outside(view: View, *, log: bool) -> str:
    """Name what is at the picture's edge, since it lies outside; empty if nothing does."""
    area = frame(view, log=log)
    found = [f"{each.name} ({each.figures})" for each in marks(view) if each.outside(area)]
    if not found:
        return ""
    more = f" and {len(found) - FEW} more" if len(found) > FEW else ""
    return f"Outside the picture, as arrows at its edge: {'; '.join(found[:FEW])}{more}."


def key(view: View, *, log: bool) -> str:
    """Explain the marks of the chart."""
    area = frame(view, log=log)
    said = ["The dashed steps are the Pareto front, its names are bold."]
    if half := _half_width(view):
        said.append(
            f"Bars are 95% intervals, in accuracy typically ±{half:.1f} points; they end at the "
            "picture's edge."
        )
    if view.best and not view.ranked:
        said.append("None of these entries is ranked.")
    elif view.apart:
        said.append("Hollow entries are not ranked.")
    if any(each.kind == BOUND and area.y.low <= each.y <= area.y.high for each in marks(view)):
        said.append("A dotted line is the accuracy of an entry that uses ground truth: a bound.")
    if view.baselines:
        said.append("× is majority voting over all N traces.")
    if view.measured.published:
        said.append("Hollow ▷ are published figures.")
    if names := sorted({line.parameter for line in view.joined}):
        said.append(f"Lines join settings that differ in {' or '.join(names)} only.")
    return " ".join(said)


CONTROLS = (
    "A label such as #12 is the number in the tables below. Click a point to see its entry. Ctrl "
    "and the mouse wheel zoom, dragging moves, a double click resets the view."
)
"""Text about what a reader can do with the picture on the page."""


def _half_width(view: View) -> float:
    """Return the median half width of the intervals of accuracy, in points; 0 without any."""
    widths = sorted(
        50 * (each.accuracy.high - each.accuracy.low)
        for each in view.best
        if each.accuracy.low is not None and each.accuracy.high is not None
    )
    return widths[len(widths) // 2] if widths else 0.0


def _entries(count: int) -> str:
    return f"{count} {'entry' if count == 1 else 'entries'}"
