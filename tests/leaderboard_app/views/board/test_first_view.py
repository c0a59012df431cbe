"""The sentences on the first screen, by value."""

from __future__ import annotations

from typing import Any

from made_entries import made_entry, made_library, made_result, made_sums

from leaderboard_app.library.standings import groups
from leaderboard_app.views.board.first_view import finding, what, who


def entry(name: str, cost: float, reduction: float, **fields: Any) -> Any:
    metrics = {"accuracy": 0.5, "cost": cost, "cost_reduction": reduction}
    given = {"date": "2026-01-01", "authors": ("Ada",), "organisation": "Lab", **fields}
    return made_entry(name, made_result("d/m/a", **metrics), **given)


RIGHT, WRONG = made_sums([2] * 10, [20] * 10), made_sums([0] * 10, [20] * 10)


def test_the_finding_is_the_cheapest_of_those_that_none_is_better_than() -> None:
    found = made_library(
        [entry("cheap", 10, 0.9), entry("good", 40, 0.6), entry("fine", 80, 0.2)],
        {"cheap": {"d/m/a": WRONG}, "good": {"d/m/a": RIGHT}, "fine": {"d/m/a": RIGHT}},
    )
    (group,) = groups(found, False)
    assert finding(found, group) == (
        "good costs least of the 2 of 3 that no other is significantly more accurate than: "
        "40 tokens a problem, 60% less than voting over all 8 traces."
    )


def test_without_two_ranked_entries_there_is_no_finding() -> None:
    found = made_library([entry("one", 10, 0.9)], {"one": {"d/m/a": RIGHT}})
    assert finding(found, groups(found, False)[0]) == ""


def test_what_is_compared_on_what() -> None:
    found = made_library([entry("x", 1, 0), entry("y", 1, 0), entry("z@8", 1, 0, policy="y@8")])
    said = what(found, groups(found, False)[0])
    assert said.startswith(
        "2 methods in 3 settings on 4 problems of m · a, with at most 8 recorded"
    )
    assert said.endswith("and rerun by a verifier.")
    mine = made_library([entry("x", 1, 0, badge="local", basis="recomputed")])
    assert what(mine, groups(mine, False)[0]).endswith("; none is verified yet.")


def test_since_when_and_by_how_many() -> None:
    found = made_library(
        [
            entry("x", 1, 0, date="2026-02-01", authors=("Ada", "Emmy")),
            entry("y", 1, 0, authors=("ada",), organisation="LAB"),
        ]
    )
    assert who(found, groups(found, False)[0]) == (
        "Entries from 2026-01-01 to 2026-02-01 by 2 authors of 1 organisation."
    )
