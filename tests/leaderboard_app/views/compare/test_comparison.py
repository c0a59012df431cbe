"""Differences, verdicts, caveats, tables and points of a comparison, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from made_entries import made_entry, made_library, made_result, made_sums

from leaderboard_app.library.entry import Entry
from leaderboard_app.library.library import Library
from leaderboard_app.shown.table import NOTHING, as_csv
from leaderboard_app.views.compare import (
    chart as compare_chart,
)
from leaderboard_app.views.compare import (
    comparison as compare,
)
from leaderboard_app.views.compare import (
    tables as compare_tables,
)
from simulator.runs.results import Metric
from simulator.significance import Contrast

POOL, OTHER = "d/m/one", "d/m/two"


def ran(name: str, *pools: str, **fields: Any) -> Entry:
    """Make an entry with results on pools."""
    return made_entry(name, *(made_result(pool) for pool in pools), **fields)


@pytest.fixture
def library() -> Library:
    """Make a library: `a` and `b` share two pools, `c` one of them, `stranger` has other traces."""
    return made_library(
        [
            ran("a", POOL, OTHER),
            ran("b", POOL, OTHER, repeats=4),
            ran("c", POOL),
            made_entry("stranger", made_result(POOL, fingerprint="another")),
        ],
        {
            "a": {POOL: made_sums([2, 2, 0, 1], [40, 40, 40, 40]), OTHER: made_sums([2], [10])},
            "b": {
                POOL: made_sums([4, 0, 4, 2], [160, 160, 160, 160], repeats=4),
                OTHER: made_sums([0], [80], repeats=4),
            },
            "c": {POOL: made_sums([0, 0, 0, 0], [20, 20, 20, 20])},
            "stranger": {POOL: made_sums([2, 2, 2, 2], [1, 1, 1, 1])},
        },
    )


def entries_of(library: Library, names: str) -> list[Entry]:
    """Entries by names with spaces between them."""
    return [library.by_id[name] for name in names.split()]


def test_pools_are_shared_by_those_with_the_same_traces(library: Library) -> None:
    shared = compare.shared_pools(library, library.entries, synthetic=False)
    assert [(pool.column, sorted(pool.sums)) for pool in shared] == [
        (POOL, ["a", "b", "c"]),
        (OTHER, ["a", "b"]),
    ]
    assert compare.shared_pools(library, library.entries, synthetic=True) == []
    assert compare.shared_pools(library, library.entries[:1], synthetic=False) == []


@pytest.mark.parametrize(
    "wrong",
    [
        made_sums([9, 0, 0, 0], [1, 1, 1, 1]),  # right more often than it was asked
        made_sums([0, 0, 0, 0], [1, 1, 1, 1], names="wxyz"),
    ],
)
def test_answers_that_cannot_be_share_nothing(library: Library, wrong: Any) -> None:
    damaged = made_library([library.by_id["a"], ran("w", POOL)], {"w": {POOL: wrong}})
    assert compare.shared_pools(damaged, damaged.entries, synthetic=False) == []


def test_differences_are_of_each_pool_and_of_all_with_equal_weights(library: Library) -> None:
    first, second = entries_of(library, "a b")
    shared = compare.shared_pools(library, library.entries, synthetic=False)
    one, two, both = compare.differences([second, first], shared)
    # a: 5/8 right with 20 tokens, b: 10/16 with 40; then 1 with 5, 0 with 20.
    assert [each.accuracy.value for each in (one, two, both)] == [0.0, 1.0, 0.5]
    assert [each.saved.value for each in (one, two, both)] == [0.5, 0.75, 0.625]
    assert [each.within_chance for each in (one, two, both)] == [True, None, None]
    assert (both.place, both.pools) == ("All 2 pools, equal weights", 2)


def test_the_other_way_round_is_the_negative(library: Library) -> None:
    shared = compare.shared_pools(library, library.entries, synthetic=False)
    first, second = entries_of(library, "a b")
    there = compare.differences([second, first], shared)[0].accuracy
    back = compare.differences([first, second], shared)[0].accuracy
    assert there.low is not None
    assert there.high is not None
    assert (back.value, back.low, back.high) == pytest.approx(
        (-there.value, -there.high, -there.low)
    )


def test_an_oracle_may_spend_nothing_on_a_problem(library: Library) -> None:
    oracle = ran("oracle", POOL)
    sums = {"oracle": {POOL: made_sums([2, 0], [40, 0])}, "a": {POOL: made_sums([2, 2], [40, 40])}}
    made = made_library([library.by_id["a"], oracle], sums)
    shared = compare.shared_pools(made, made.entries, synthetic=False)
    found = compare.together(made.entries, shared)
    # 80 tokens in all against 40, and one for the problem on which nothing was spent.
    assert [each.saved.value for each in found] == pytest.approx([1 - 80 / 41, 1 - 41 / 80])
    drawn = compare_chart.draw(shared[0], oracle, made.entries[0], "tokens").to_dict()
    rows = [row for data in drawn["datasets"].values() for row in data]
    assert min(row["y"] for row in rows) > 0


def test_the_pool_that_comes_first_is_one_that_the_most_share(library: Library) -> None:
    of_three, of_two = compare.shared_pools(library, library.entries, synthetic=False)
    assert compare.first_of_most([of_two, of_three, of_three]) == 1
    assert compare.first_of_most([of_two, of_two]) == 0


def test_who_shares_fewer_pools_is_compared_on_those(library: Library) -> None:
    shared = compare.shared_pools(library, library.entries, synthetic=False)
    found = compare.differences(entries_of(library, "a b c"), shared)
    assert [(each.first.id, each.place) for each in found] == [
        ("b", POOL),
        ("b", OTHER),
        ("b", "All 2 pools, equal weights"),
        ("c", POOL),
    ]
    assert found[-1].accuracy.value == -0.625
    assert all(each.second.id == "a" for each in found)


def difference(accuracy: Metric, saved: Metric, pools: int = 1) -> Any:
    """Compare `a` with `b`."""
    contrast = Contrast(accuracy, 9, 0.05)
    within = accuracy.covers_zero
    return compare.Difference(ran("a"), ran("b"), "P", pools, contrast, saved, within)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            difference(Metric(-0.02, -0.04, -0.01), Metric(0.25, 0.2, 0.3)),
            "a is 2.0 points less accurate than b on P (95% interval -4.0 to -1.0: more than "
            "chance), with 25.0% fewer tokens (95% interval 20.0 to 30.0 fewer).",
        ),
        (
            difference(Metric(0.02, -0.01, 0.04), Metric(-0.5, -0.6, -0.4), 3),
            "a is 2.0 points more accurate than b on average over 3 pools (95% interval -1.0 to "
            "+4.0: within chance), with 50.0% more tokens (95% interval 40.0 to 60.0 more).",
        ),
        (
            difference(Metric(0.0), Metric(0.0)),
            "a is as accurate as b on P (too few problems for an interval), with as many tokens.",
        ),
    ],
)
def test_a_verdict_says_whether_it_is_chance(found: Any, said: str) -> None:
    assert compare.verdict(found) == said


def test_caveats_name_what_stands_in_the_way(library: Library) -> None:
    bound = made_entry("bound", made_result(POOL, budget=16), unranked=True, badge="withdrawn")
    made = made_library(
        [*entries_of(library, "a b stranger"), bound],
        {
            **{each.id: library.problem_sums(each) for each in library.entries},
            "bound": {POOL: made_sums([2, 2, 2, 2], [1, 1, 1, 1])},
        },
    )
    shared = compare.shared_pools(made, made.entries, synthetic=False)
    assert compare.caveats(made.entries, shared, synthetic=False) == [
        "a and stranger share no recorded pool with the same traces.",
        "b and stranger share no recorded pool with the same traces.",
        "stranger and bound share no recorded pool with the same traces.",
        f"Budgets differ on {POOL}: a N=8, b N=8, bound N=16.",
        "Repeats differ: a 2, b 4, stranger 2, bound 2.",
        "bound uses ground truth: it is a bound, not a method.",
        "bound was withdrawn by its authors.",
    ]


def test_nothing_stands_in_the_way_of_equals(library: Library) -> None:
    entries = entries_of(library, "a c")
    shared = compare.shared_pools(library, entries, synthetic=False)
    assert compare.caveats(entries, shared, synthetic=False) == []


def test_the_matrix_is_row_minus_column_with_intervals(library: Library) -> None:
    entries = entries_of(library, "a b c")
    shared = compare.shared_pools(library, entries, synthetic=False)
    found = compare.together(entries, compare.of_both(shared, *entries))
    table = compare_tables.matrix(found, entries, "accuracy")
    assert [[cell.text or NOTHING for cell in row] for row in table.rows] == [
        ["a", NOTHING, "0.0", "+62.5"],
        ["b", "0.0", NOTHING, "+62.5"],
        ["c", "-62.5", "-62.5", NOTHING],
    ]
    cell = table.rows[0][3]
    assert cell.low is not None
    assert cell.note == f"95% interval {100 * cell.low:+.1f} to {100 * (cell.high or 0):+.1f}"
    tokens = compare_tables.matrix(found, entries, "tokens")
    assert [row[1].value for row in tokens.rows] == [None, -1.0, 0.5]
    assert [row[1].bold for row in tokens.rows] == [False, True, True]
    assert table.caption.endswith(f"({POOL})")


def test_the_table_of_differences_has_ends_of_intervals(library: Library) -> None:
    first, second = entries_of(library, "a c")
    shared = compare.shared_pools(library, [first, second], synthetic=False)
    table = compare_tables.difference_table(compare.differences([second, first], shared))
    ((entry, against, pool, points, interval, chance, saved, _),) = table.rows
    assert (entry.text, against.text, pool.text) == ("a", "c", POOL)
    assert (points.value, saved.value) == (0.625, -1.0)
    assert points.low is not None
    assert interval.text == f"{100 * points.low:+.1f} to {100 * (points.high or 0):+.1f}"
    assert chance.text == ("within chance" if points.low <= 0 else "more than chance")
    assert "accuracy_difference_low" in as_csv(table).splitlines()[0]


def test_problems_that_one_solves_and_another_does_not(library: Library) -> None:
    entries = entries_of(library, "a b")
    (pool, _) = compare.shared_pools(library, entries, synthetic=False)
    every = compare_tables.problem_table(pool, entries, contested=False)
    assert [[cell.text for cell in row] for row in every.rows] == [
        ["a", "100", "20", "100", "40"],
        ["b", "100", "20", "0", "40"],
        ["c", "0", "20", "100", "40"],
        ["d", "50", "20", "50", "40"],  # right in half of the repeats is not solved
    ]
    some = compare_tables.problem_table(pool, entries, contested=True)
    assert [row[0].text for row in some.rows] == ["b", "c"]
    assert [cell.link for cell in some.rows[0] if cell.link] == [
        f"problem?entry={entry}&pool=d%2Fm%2Fone&problem=b&repeat=0" for entry in ("a", "a", "b")
    ]


def test_points_are_coloured_by_who_solves_them(library: Library) -> None:
    first, second = entries_of(library, "a b")
    (pool, _) = compare.shared_pools(library, [first, second], synthetic=False)
    marks = compare_chart.marks(pool, first, second, "tokens")
    assert [(mark["id"], mark["x"], mark["y"], mark["solved"]) for mark in marks] == [
        ("a", 40.0, 20.0, "both"),
        ("b", 40.0, 20.0, "only a"),
        ("c", 40.0, 20.0, "only b"),
        ("d", 40.0, 20.0, "neither"),
    ]
    assert (marks[1]["right_first"], marks[1]["right_second"]) == ("100%", "0%")
    assert (marks[1]["tokens_first"], marks[1]["tokens_second"]) == ("20", "40")


def test_problems_with_the_same_shares_are_drawn_side_by_side(library: Library) -> None:
    first, second = entries_of(library, "c c")
    (pool, *_) = compare.shared_pools(library, library.entries, synthetic=False)
    marks = compare_chart.marks(pool, first, second, "right")
    step = 100 * compare_chart.STEP
    assert [(mark["x"], mark["y"]) for mark in marks] == [
        (pytest.approx(place * step), 0.0) for place in range(4)
    ]


def test_the_text_counts_who_solves_what(library: Library) -> None:
    first, second = entries_of(library, "a b")
    (pool, _) = compare.shared_pools(library, [first, second], synthetic=False)
    assert compare_chart.sentence(pool, first, second, "tokens") == (
        f"Tokens of a against b, problem by problem, on {POOL}: 4 problems. Solved by: both 1, "
        "only a 1, only b 1, neither 1. a generates fewer tokens on 4 of them."
    )


@pytest.mark.parametrize("axis", ["tokens", "right"])
def test_the_picture_can_be_picked_from_toggled_and_zoomed(library: Library, axis: str) -> None:
    first, second = entries_of(library, "a b")
    (pool, _) = compare.shared_pools(library, [first, second], synthetic=False)
    drawn = compare_chart.draw(pool, first, second, axis).to_dict()
    selections = {each["name"]: each for each in drawn["params"]}
    assert selections[compare_chart.PICKED]["select"]["fields"] == ["id"]
    assert selections["kinds"]["bind"] == "legend"
    assert selections["zoom"]["bind"] == "scales"
