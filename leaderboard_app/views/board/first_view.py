"""The board in a few sentences: what is compared, on what, since when, by how many."""

from __future__ import annotations

from leaderboard_app.library.entry import DERIVED
from leaderboard_app.library.library import Library
from leaderboard_app.library.standings import RANKED, Group, standings
from leaderboard_app.shown.glossary import FIGURES


def what(library: Library, group: Group) -> str:
    """Return a sentence about what is compared, and on what."""
    rows = standings(library, group)
    ranked = [row for row in rows if row.part == RANKED]
    about = ranked or rows
    if not about:
        return f"No entry has figures on {group.heading} yet."
    results = about[0].results
    problems = sum(each.problems for each in results)
    most = max(max(row.budgets) for row in about)
    traces = "generated traces" if group.synthetic else "recorded traces"
    settings = len({row.entry.policy.partition("@")[0] for row in about})
    said = (
        f"{_count(settings, 'method')} in {_count(len(about), 'setting')}"
        if settings < len(about)
        else _count(settings, "method")
    )
    here = any(row.entry.badge == DERIVED for row in ranked)
    checked = ", by this machine" if here else ", and rerun by a verifier"
    checked = checked if ranked else "; none is verified yet"
    return (
        f"{said} on {problems} problems of {group.heading}, with at most {most} {traces} a "
        f"problem: each is replayed token by token on the same traces{checked}."
    )


def finding(library: Library, group: Group) -> str:
    """Return the result in a sentence: the cheapest method that no other is better than.

    Empty if fewer than two entries are ranked.
    """
    ranked = [row for row in standings(library, group) if row.place.rank is not None]
    first = [row for row in ranked if row.place.rank == 1]
    priced = [row for row in first if "cost" in row.metrics]
    if len(ranked) < 2 or not priced:
        return ""
    best = min(priced, key=lambda row: (row.metrics["cost"].value, row.entry.label))
    saved = best.metrics.get("cost_reduction") or best.metrics.get("reduction")
    less = ""
    if saved is not None and saved.value > 0:
        less = f", {100 * saved.value:.0f}% less than voting over all {best.budgets[-1]} traces"
    cost = FIGURES["cost"].text(best.metrics["cost"].value)
    among = (
        f"the {len(first)} of {len(ranked)}" if len(first) < len(ranked) else f"all {len(ranked)}"
    )
    return (
        f"{best.label} costs least of {among} that no other is significantly more accurate "
        f"than: {cost} tokens a problem{less}."
    )


def who(library: Library, group: Group) -> str:
    """Return a sentence about since when there are entries, and by how many."""
    rows = [row for row in standings(library, group) if row.part == RANKED] or list(
        standings(library, group)
    )
    days = sorted(row.entry.date for row in rows if row.entry.date)
    authors = {author.casefold() for row in rows for author in row.entry.authors}
    places = {row.entry.organisation.casefold() for row in rows if row.entry.organisation}
    if not days:
        return ""
    since = (
        f"Entries since {days[0]}"
        if days[0] == days[-1]
        else f"Entries from {days[0]} to {days[-1]}"
    )
    by = f" by {_count(len(authors), 'author')}" if authors else ""
    of = f" of {_count(len(places), 'organisation')}" if places else ""
    return f"{since}{by}{of}."


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


HOW_TO_SUBMIT = (
    "Score a policy with `deepprune-sim run policy.py`, pack it with `deepprune-sim submit`, and "
    "open a pull request with the folder: a verifier reruns it."
)
