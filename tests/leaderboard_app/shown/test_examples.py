"""Examples that pages open on: good ones, chosen by what is on record."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from checkout import ROOT

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from leaderboard_app.shown import examples

SCHOOL = "shipped/Qwen2.5-Coder-0.5B-Instruct-Q4_K_M/school-math"


@pytest.fixture(scope="module")
def shipped() -> Library:
    return load(Folders(ROOT / "datasets_cache", ROOT / "none", ROOT / "submissions"))


def test_nothing_is_the_example_of_nothing(empty: Folders) -> None:
    library = load(empty)
    assert examples.best_entries(library) == []
    assert examples.instructive_replay(library) is None
    assert examples.compared_entries(library) == []
    assert examples.most_used_pool(library, synthetic=False) is None


def test_verified_entries_on_real_pools_come_first(full_library: Library) -> None:
    best = [entry.id for entry in examples.best_entries(full_library)]
    assert best[:2] == ["2026-11-20-checked-asc", "2026-11-20-checked-cons"]
    assert sorted(best) == sorted(full_library.by_id)


def test_majority_voting_comes_before_the_methods_and_no_method_twice(shipped: Library) -> None:
    chosen = examples.compared_entries(shipped)
    first, *others = chosen
    assert first.policy == "cons@64"  # cons@16 is there, too
    assert len(others) == 3
    assert len({entry.policy_sha256 for entry in chosen}) == 4
    asc = [entry.id for entry in shipped.entries if entry.policy == "asc"]
    assert len(asc) == 3
    assert sum(entry.id in asc for entry in others) == 1
    ranked = [entry.id for entry in examples.best_entries(shipped)]
    places = [ranked.index(entry.id) for entry in others]
    assert places == sorted(places)


def test_the_pool_of_most_entries_is_the_one_that_is_shown(full_library: Library) -> None:
    assert examples.most_used_pool(full_library, synthetic=False) == "recorded/model-a/bench-1"
    made = examples.most_used_pool(full_library, synthetic=True)
    assert made is not None
    assert made.startswith("generated/")


def test_the_instructive_replay_stopped_traces_and_was_right_and_saved_the_most(
    shipped: Library,
) -> None:
    found = examples.instructive_replay(shipped)
    assert found is not None
    entry, result, problem = found
    assert entry.takes_part
    assert result.pool == SCHOOL
    answers = [
        row
        for row in pq.read_table(entry.figures / "answers.parquet").to_pylist()
        if row["repeat"] == 0 and row["pool"] == SCHOOL
    ]
    cut = {
        row["problem_id"]
        for row in pq.read_table(entry.figures / "decisions.parquet").to_pylist()
        if row["repeat"] == 0 and not row["finished"] and row["num_tokens"] > 0
    }
    fit = {
        row["problem_id"]: row["tokens"] / row["baseline_tokens"]
        for row in answers
        if row["correct"] and row["budget_classes"] > 1 and row["problem_id"] in cut
    }
    assert fit[problem] == min(fit.values()) < 1


def test_an_entry_that_saves_nothing_has_no_instructive_problem(shipped: Library) -> None:
    entry = shipped.by_id["2026-11-30-cons-64"]
    result = examples.first_result(shipped, entry)
    assert result is not None
    assert examples.instructive_problem(shipped, entry, result) == (None, False)
