"""Summaries of columns that not every replay has, and of judge tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pools import T, write_pool

from simulator.pools.pool import Pool
from simulator.replay.recording import ANSWERS, JUDGED
from simulator.runs.summary import Totals, summarise


def answers(problem: str, *rows: dict[str, Any]) -> pa.Table:
    """Rows of `answers.parquet`, all of one problem; what is not given is 0 or null."""
    zero = {pa.bool_(): False, pa.string(): "", pa.float64(): 0.0}
    whole = [
        {
            field.name: row.get(field.name, None if field.nullable else zero.get(field.type, 0))
            for field in ANSWERS
            if not pa.types.is_dictionary(field.type)
        }
        | {"pool": "test", "problem_id": problem}
        | {"baseline_tokens": row.get("baseline_tokens", 100)}
        for row in rows
    ]
    return pa.Table.from_pylist(whole, schema=ANSWERS)


def metrics(pool: Pool, *tables: pa.Table, judge_ratio: float | None = 0.0) -> dict[str, Any]:
    totals = Totals()
    for table in tables:
        totals.add(table)
    found: dict[str, Any] = summarise(pool, 2, totals, "steps", judge_ratio)["metrics"]
    return found


def test_clusters_are_averaged_over_the_repeats_that_declared_some(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(10, "1")], "q": [T(10, "1")]})
    declared = {"tokens_kept": 10, "clusters_classes": 1, "clusters_correct": True}
    p = answers(
        "p",
        {"clusters": 2, "purity": 0.5, **declared},
        {"clusters": 4, "purity": 1.0, **declared},
        {},
    )
    q = answers("q", {"clusters": 1, "purity": 0.25, **declared, "clusters_correct": False})
    found = metrics(pool, p, q)
    assert found["clusters"]["value"] == (3 + 1) / 2
    assert found["purity"]["value"] == (0.75 + 0.25) / 2
    assert found["tokens_kept"]["value"] == 10
    assert found["clusters_correct"]["value"] == 0.5


def test_a_problem_without_clusters_leaves_their_metrics_out(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(10, "1")], "q": [T(10, "1")]})
    found = metrics(pool, answers("p", {"clusters": 1, "purity": 1.0}), answers("q", {}))
    assert not found.keys() & {"clusters", "purity", "tokens_kept"}


def test_the_judges_tokens_are_weighed_into_one_currency(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(10, "1")]})
    row = {"tokens": 1000, "judge_tokens": 600, "judge_tokens_reused": 300}
    row["judge_tokens_charged"] = 400
    found = metrics(pool, answers("p", row), judge_ratio=0.5)
    assert found["tokens_per_problem"]["value"] == 1000
    assert found["cost"]["value"] == 1000 + 0.5 * 400
    assert found["judge_tokens"]["value"] == 600
    assert found["judge_tokens_reused"]["value"] == 300
    assert found["judge_tokens_charged"]["value"] == 400
    assert np.isclose(metrics(pool, answers("p", row))["cost"]["value"], 1000)


def test_probes_and_judge_are_in_the_cost_and_its_reduction(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(10, "1")], "q": [T(10, "1")]})
    row = {"tokens": 500, "probe_tokens": 90, "judge_tokens": 20, "judge_tokens_charged": 20}
    row["baseline_tokens"] = 1000
    other = {"tokens": 700, "baseline_tokens": 2000}
    found = metrics(pool, answers("p", row), answers("q", other), judge_ratio=0.5)
    assert found["probe_tokens"]["value"] == 45
    assert found["cost"]["value"] == (600 + 700) / 2
    assert found["cost_reduction"]["value"] == pytest.approx(1 - 650 / 1500)
    assert found["reduction"]["value"] == pytest.approx(1 - 600 / 1500)
    assert found["cost"]["low"] == 600


def test_a_judge_of_unknown_size_has_an_unknown_cost_if_it_was_asked(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(10, "1")]})
    row = {"tokens": 1000, "judge_tokens": 600, "judge_tokens_charged": 400}
    found = metrics(pool, answers("p", row), judge_ratio=None)
    assert found["judge_tokens_charged"]["value"] == 400
    assert found["probe_tokens"]["value"] == 0
    assert not found.keys() & {"cost", "cost_reduction"}
    never = metrics(pool, answers("p", {"tokens": 1000}), judge_ratio=None)
    assert never["cost"]["value"] == 1000


def test_answers_of_before_charge_every_pair_in_full(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(10, "1")]})
    row = {"tokens": 1000, "judge_tokens": 600, "judge_tokens_reused": 300, "clusters": 1}
    whole = {**row, "purity": 1.0, "tokens_kept": 9, "clusters_classes": 1}
    table = answers("p", {**whole, "clusters_correct": True}).drop_columns(list(JUDGED))
    for add in (Totals.add, Totals.add_all):
        totals = Totals()
        add(totals, table)
        found = summarise(pool, 2, totals, "steps", 0.5)["metrics"]
        assert found["cost"]["value"] == 1000 + 0.5 * 600
        assert found["purity"]["value"] == 1
        assert not found.keys() & {*JUDGED}


def test_answers_that_do_not_tell_what_probes_cost_give_no_cost(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(10, "1")]})
    table = answers("p", {"tokens": 500}).drop_columns(["probe_tokens"])
    found = metrics(pool, table)
    assert found["tokens_per_problem"]["value"] == 500
    assert not found.keys() & {"probe_tokens", "cost", "cost_reduction"}


def test_problems_keep_the_order_of_their_answers_however_many_there_are() -> None:
    names = [f"p{number:03}" for number in range(120)]
    table = pa.concat_tables(
        [answers(name, *[{"tokens": 1000 + place}] * 4) for place, name in enumerate(names)]
    )
    table = table.unify_dictionaries().combine_chunks()  # as read from a file
    totals, by_one = Totals(), Totals()
    totals.add_all(table)
    for place in range(len(names)):
        by_one.add(table.slice(4 * place, 4))
    assert totals.problem_ids == by_one.problem_ids == tuple(names)
    assert totals.means()["tokens"].tolist() == [1000 + place for place in range(len(names))]
