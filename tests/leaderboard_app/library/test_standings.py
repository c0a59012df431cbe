"""Groups and rows of the board by value: parts, order, figures of one pool and of several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_entries import made_entry, made_library, made_result, made_sums

from leaderboard_app.library.library import Library
from leaderboard_app.library.standings import (
    ALL,
    PARTS,
    Group,
    Standing,
    contenders,
    groups,
    part_of,
    places,
    standings,
)


def ten(*right: int, tokens: int = 100) -> Any:
    """Make sums of one repeat on ten problems; cons@N is never right, with 200 tokens on each."""
    return made_sums(right, [tokens] * 10, repeats=1, baseline_right=False, baseline_tokens=200)


def row_of(library: Library, group: Group, entry: str) -> Standing:
    (found,) = [each for each in standings(library, group) if each.entry.id == entry]
    return found


ALL_RIGHT, NONE_RIGHT = (1,) * 10, (0,) * 10


def test_groups_are_pools_with_most_ranked_entries_first_and_all_pools_last() -> None:
    one, two = made_result("d/m/a", accuracy=0.5), made_result("d/m/b", accuracy=0.5)
    sums = {name: {"d/m/a": ten(*ALL_RIGHT), "d/m/b": ten(*ALL_RIGHT)} for name in ("x", "y")}
    sums["z"] = {"d/m/b": ten(*ALL_RIGHT)}
    found = made_library(
        [made_entry("x", one, two), made_entry("y", one, two), made_entry("z", two)], sums
    )
    assert [(each.heading, each.pools) for each in groups(found, False)] == [
        ("m · b", ("d/m/b",)),
        ("m · a", ("d/m/a",)),
        ("All 2 pools", ("d/m/a", "d/m/b")),
    ]
    assert groups(found, True) == []


def test_a_group_ranks_those_on_its_pool_alone() -> None:
    """On b the order is the other way round than on a; over both, nobody is better."""
    results = made_result("d/m/a", accuracy=0.5), made_result("d/m/b", accuracy=0.5)
    found = made_library(
        [made_entry("x", *results), made_entry("y", *results)],
        {
            "x": {"d/m/a": ten(*ALL_RIGHT), "d/m/b": ten(*NONE_RIGHT)},
            "y": {"d/m/a": ten(*NONE_RIGHT), "d/m/b": ten(*ALL_RIGHT)},
        },
    )
    ranks = {
        group.heading: {row.entry.id: row.place.range for row in standings(found, group)}
        for group in groups(found, False)
    }
    assert ranks == {
        "m · a": {"x": "1", "y": "2"},
        "m · b": {"x": "2", "y": "1"},
        "All 2 pools": {"x": "1–2", "y": "1–2"},
    }


def test_figures_of_several_pools_are_means_with_equal_weights() -> None:
    """One is right on 10 and on 5 of 10 problems, for 100 and 50 of 200 tokens each."""
    a = made_result("d/m/a", accuracy=1.0, cost=110.0, tokens_per_problem=100.0)
    b = made_result("d/m/b", accuracy=0.5, cost=70.0, tokens_per_problem=50.0)
    half = (1,) * 5 + (0,) * 5
    own = {"d/m/a": ten(*ALL_RIGHT), "d/m/b": ten(*half, tokens=50)}
    found = made_library([made_entry("x", a, b), made_entry("y", a, b)], {"x": own, "y": own})
    group = next(each for each in groups(found, False) if each.key == ALL)
    row = row_of(found, group, "x")
    values = {name: metric.value for name, metric in row.metrics.items()}
    assert values["accuracy"] == pytest.approx(0.75)
    assert values["tokens_per_problem"] == pytest.approx(75)
    assert values["reduction"] == pytest.approx((0.5 + 0.75) / 2)
    assert values["accuracy_difference"] == pytest.approx(0.75)
    assert values["cost"] == pytest.approx(90)
    assert row.metrics["cost"].low is None  # probes of two pools have no interval together


def test_without_probes_and_judge_the_total_cost_of_several_pools_is_that_of_the_tokens() -> None:
    a = made_result("d/m/a", accuracy=1.0, cost=100.0, tokens_per_problem=100.0)
    b = made_result("d/m/b", accuracy=1.0, cost=100.0, tokens_per_problem=100.0)
    own = {"d/m/a": ten(*ALL_RIGHT), "d/m/b": ten(*ALL_RIGHT)}
    found = made_library([made_entry("x", a, b), made_entry("y", a, b)], {"x": own, "y": own})
    group = next(each for each in groups(found, False) if each.key == ALL)
    row = row_of(found, group, "y")
    assert row.metrics["cost"] == row.metrics["tokens_per_problem"]
    assert row.metrics["cost"].low is not None


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({}, "verified"),
        ({"badge": "synthetic"}, "verified"),
        ({"badge": "recomputed", "basis": "recomputed"}, "self-reported"),
        ({"badge": "self-reported", "basis": "answers"}, "self-reported"),
        ({"badge": "verified", "basis": "recomputed"}, "self-reported"),
        ({"badge": "local", "basis": "recomputed"}, "local"),
        ({"unranked": True}, "bounds"),
        ({"badge": "local", "basis": "recomputed", "unranked": True}, "bounds"),
        ({"badge": "withdrawn", "withdrawn": "A mistake."}, "record"),
        ({"badge": "superseded", "superseded_by": "x"}, "record"),
        ({"badge": None}, "record"),
    ],
    ids=lambda given: str(given),
)
def test_each_entry_belongs_to_one_part(fields: dict[str, Any], part: str) -> None:
    assert part_of(made_entry("x", **fields)) == part
    assert part in PARTS


def test_rows_stand_by_part_then_rank_then_total_cost() -> None:
    def on_a(cost: float) -> Any:
        return made_result("d/m/a", accuracy=0.5, cost=cost)

    sums = {
        "dear": {"d/m/a": ten(*ALL_RIGHT)},
        "cheap": {"d/m/a": ten(*ALL_RIGHT)},
        "bad": {"d/m/a": ten(*NONE_RIGHT)},
        "mine": {"d/m/a": ten(*ALL_RIGHT)},
    }
    entries = [
        made_entry("mine", on_a(1), badge="local", basis="recomputed"),
        made_entry("bad", on_a(2)),
        made_entry("dear", on_a(9)),
        made_entry("cheap", on_a(8)),
    ]
    found = made_library(entries, sums)
    (group,) = groups(found, False)
    rows = standings(found, group)
    assert [row.entry.id for row in rows] == ["cheap", "dear", "bad", "mine"]
    assert [row.place.range for row in rows] == ["1–2", "1–2", "3", ""]


def test_ranks_and_sums_come_from_the_figures_that_are_shown(full_library: Library) -> None:
    entry = full_library.by_id["2026-11-20-checked-asc"]
    assert entry.figures == entry.path / "verified"
    (own,) = [each for each in contenders(full_library, False) if each.id == entry.id]
    for pool, sums in own.sums.items():
        share = sums.correct.sum() / (sums.repeats * len(sums.problem_ids))
        assert share == pytest.approx(entry.results[pool.pool].metrics["accuracy"].value)


def test_a_submitted_run_is_ranked_once(full_library: Library) -> None:
    ids = [each.id for each in contenders(full_library, False)]
    assert "2026-11-20-short" in ids
    assert "runs/short-3-8" not in ids
    assert "runs/esc" in ids  # its submission was withdrawn
    assert set(places(full_library, False)) == set(ids)


def test_a_row_is_what_its_answers_say(full_library: Library) -> None:
    """Recomputed from the verifier's answers, by code of its own."""
    group = next(each for each in groups(full_library, False) if len(each.pools) == 1)
    row = row_of(full_library, group, "2026-11-20-checked-asc")
    answers = pq.read_table(row.entry.path / "verified" / "answers.parquet").to_pandas()
    own = answers[answers["pool"] == group.pools[0]]
    assert row.metrics["accuracy"].value == pytest.approx(own["correct"].mean())
    assert row.metrics["tokens_per_problem"].value == pytest.approx(own["tokens"].mean())
    spent = own.groupby("problem_id")[["tokens", "baseline_tokens"]].mean()
    saved = 1 - spent["tokens"].mean() / spent["baseline_tokens"].mean()
    assert row.metrics["reduction"].value == pytest.approx(saved)
    gained = own["correct"].astype(float) - own["baseline_correct"].astype(float)
    assert row.metrics["accuracy_difference"].value == pytest.approx(gained.mean())
    assert np.isfinite(row.metrics["cost"].value)
