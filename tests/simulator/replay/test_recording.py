"""The record of a replay, on decisions worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pools import T, start_engine, write_problem

from simulator.policy.sampler import Sampler
from simulator.policy.voting import majority_vote
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.replay.engine import Engine
from simulator.replay.recording import (
    ANSWERS,
    AT_ONCE,
    DECISIONS,
    GradedAnswer,
    Recorder,
    Replayed,
)
from simulator.replay.serving import Serving
from simulator.rules.stop_rules import ProbesAgree

NONE = GradedAnswer(None, NO_ANSWER, False)

Act = Callable[[Sampler], object]

# The gold answer is 1. Plurality over all six: 2 (three times), wrong; 130 tokens.
TRACES = [
    T(10, "1", {5: "3"}),
    T(20, "2", {10: "3"}),
    T(30, "2", {10: "1", 20: "1", 25: "2"}),
    T(40, None, {20: "2"}),
    T(20, "2", {}),
    T(10, "1", {5: None}),
]


def record(folder: Path, act: Act, serving: Serving | None = None) -> Replayed:
    """Record one repeat in which `act` drives the sampler."""
    engine, sampler = start_engine(write_problem(folder, TRACES), serving)
    act(sampler)
    recorder = Recorder(engine.problem)
    recorder.add(7, engine, NONE)
    return recorder.tables()


def timeline(replayed: Replayed) -> list[tuple[float, float, int, str]]:
    """Return started, ended, tokens and stop reason of each trace."""
    names = ("started", "ended", "num_tokens", "stop_reason")
    return [tuple(row[name] for name in names) for row in replayed.decisions.to_pylist()]


def test_one_after_the_other(tmp_path: Path) -> None:
    def act(sampler: Sampler) -> None:
        for _ in range(3):
            sampler.decode(sampler.start())

    replayed = record(tmp_path, act)
    assert timeline(replayed) == [
        (0, 10, 10, "finished"),
        (10, 30, 20, "finished"),
        (30, 60, 30, "finished"),
    ]
    assert replayed.decisions["repeat"].to_pylist() == [7] * 3
    assert replayed.answers["clock"].to_pylist() == [60]


def test_the_times_are_the_same_whether_or_not_the_policy_reads_the_clock(tmp_path: Path) -> None:
    def act(look: bool) -> Act:
        def drive(sampler: Sampler) -> None:
            traces = sampler.start(4)
            for tokens in (5, 5, 5, 5, 7):
                sampler.decode(traces, tokens=tokens)
                assert not look or sampler.clock > 0
            sampler.decode(sampler.start(1) + traces[3], tokens=2)

        return drive

    seen, unseen = (record(tmp_path / str(look), act(look)) for look in (True, False))
    assert seen.decisions.equals(unseen.decisions)
    assert seen.answers.equals(unseen.answers)
    assert timeline(seen) == [
        (0, 10, 10, "finished"),
        (0, 20, 20, "finished"),
        (0, 27, 27, "tokens"),
        (0, 29, 29, "tokens"),
        (27, 29, 2, "tokens"),
    ]


def test_a_pause_does_not_move_the_start(tmp_path: Path) -> None:
    def act(sampler: Sampler) -> None:
        traces = sampler.start(3)
        sampler.decode(traces[1], tokens=4)  # clock 0 to 4
        sampler.decode(traces[2])  # 4 to 34
        sampler.decode(traces[1], tokens=0)
        sampler.decode(traces[:2], tokens=6)  # 34 to 40
        sampler.decode(traces[0])  # to 44

    assert timeline(record(tmp_path, act)) == [
        (34, 44, 10, "finished"),
        (0, 40, 10, "tokens"),
        (4, 34, 30, "finished"),
    ]


def test_every_way_to_come_to_a_halt(tmp_path: Path) -> None:
    def act(sampler: Sampler) -> None:
        traces = sampler.start(6)
        sampler.stop(traces[5])  # never decoded
        sampler.decode(traces[:3], tokens=6)
        sampler.stop(traces[1])
        sampler.decode(traces[2:4], until=ProbesAgree(2))  # trace 3 finishes, trace 2 halts at 20
        sampler.decode(traces[[0, 2]], first=1)  # trace 0 finishes after 4 tokens more
        sampler.stop(traces[0])  # has finished

    assert timeline(record(tmp_path, act)) == [
        (0, 50, 10, "finished"),
        (0, 6, 6, "stopped"),
        (0, 50, 24, "first"),
        (6, 46, 40, "finished"),
        (0, 0, 0, "unused"),
        (0, 0, 0, "stopped"),
    ]


def test_traces_that_queue_begin_when_they_get_a_slot(tmp_path: Path) -> None:
    def act(sampler: Sampler) -> None:
        traces = sampler.start(4)
        sampler.decode(traces[0], tokens=2)  # clock 0 to 2
        sampler.decode(traces, tokens=15)

    # Two slots: trace 0 from 2 to 10, trace 1 from 2 to 17, trace 2 from 10 to 25, trace 3 from 17.
    slots = record(tmp_path / "a", act, Serving(2))
    assert timeline(slots) == [
        (0, 10, 10, "finished"),
        (2, 17, 15, "tokens"),
        (10, 25, 15, "tokens"),
        (17, 32, 15, "tokens"),
    ]
    # Half a second a step for one trace, a second for two: 1 s, then 23 steps of two, 7 of one.
    seconds = record(tmp_path / "b", act, Serving(2, ((1, 0.5), (2, 1.0))))
    assert seconds.answers["clock"].to_pylist() == [1 + 23 + 3.5]
    assert [row[:2] for row in timeline(seconds)] == [(0, 9), (1, 16), (9, 24), (16, 27.5)]


def test_a_race_on_slots_leaves_the_queue_unserved(tmp_path: Path) -> None:
    def act(sampler: Sampler) -> None:
        sampler.decode(sampler.start(4), first=1)

    assert timeline(record(tmp_path, act, Serving(2))) == [
        (0, 10, 10, "finished"),
        (0, 10, 10, "first"),
        (0, 0, 0, "first"),
        (0, 0, 0, "first"),
    ]


def test_a_policy_that_does_nothing_leaves_an_answer_and_no_decision(tmp_path: Path) -> None:
    replayed = record(tmp_path, lambda sampler: None)
    assert replayed.decisions.num_rows == 0
    assert replayed.decisions.schema == DECISIONS
    assert replayed.answers.schema == ANSWERS
    assert replayed.answers.drop(["pool", "problem_id"]).to_pylist() == [
        {
            "repeat": 7,
            "answer": None,
            "answer_class": -1,
            "correct": False,
            "tokens": 0,
            "probe_calls": 0,
            "judge_calls": 0,
            "judge_tokens": 0,
            "clock": 0.0,
            "traces_started": 0,
            "kept_classes": 0,
            "kept_correct": False,
            "baseline_correct": False,
            "baseline_tokens": 130,
            "budget_classes": 2,
            "budget_correct": True,
            "judge_tokens_reused": 0,
            "clusters": None,
            "purity": None,
            "tokens_kept": None,
            "clusters_classes": None,
            "clusters_correct": None,
            "probe_tokens": 0,
            "judge_tokens_charged": 0,
            "completeness": None,
            "adjusted_rand": None,
            "savable": None,
        }
    ]


@pytest.mark.parametrize(
    ("clusters", "facts"),
    [
        # {1, 1} and {2, 2, none}: 4 of 5 agree with their cluster; its first traces are the
        # right one of 10 tokens and a wrong one of 20.
        ([0, 1, 1, 1, -1, 0], (2, 4 / 5, 30, 2, True)),
        # {2} and {none, 2}: numbers need not follow each other; the second's first has no answer.
        ([-1, -1, 7, 3, 3, -1], (2, 2 / 3, 70, 1, False)),
        ([0, 0, 0, 0, 0, 0], (1, 3 / 6, 10, 1, True)),
        ([-1, -1, -1, 0, -1, -1], (1, 0.0, 40, 0, False)),  # it has no answer to agree with
        ([-1, -1, -1, -1, -1, -1], (None, None, None, None, None)),
    ],
)
def test_declared_clusters_are_looked_at_with_hindsight(
    tmp_path: Path, clusters: list[int], facts: tuple[object, ...]
) -> None:
    def act(sampler: Sampler) -> None:
        sampler.decode(sampler.start(6), tokens=5)
        sampler.declare_clusters(clusters)

    row = record(tmp_path, act).answers.to_pylist()[0]
    names = ("clusters", "purity", "tokens_kept", "clusters_classes", "clusters_correct")
    assert tuple(row[name] for name in names) == facts
    assert row["tokens"] == 30  # whatever the clusters are said to be
    if facts[0] is not None:
        # Of 130 tokens, 100 come after the 5 of each trace; one trace needs 5 for answer 1, one 15
        # for answer 2.
        assert row["savable"] == pytest.approx((100 - 5 - 15) / 130)


def test_traces_started_after_the_clusters_were_declared_are_in_none(tmp_path: Path) -> None:
    def act(sampler: Sampler) -> None:
        sampler.start(2)
        sampler.declare_clusters([0, 0])
        sampler.start(4)

    replayed = record(tmp_path, act)
    row = replayed.answers.to_pylist()[0]
    assert (row["clusters"], row["purity"]) == (1, 1 / 2)
    assert replayed.decisions["cluster"].to_pylist() == [0, 0, -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("declared", "recorded"),
    [
        ([0, 1, 1, -1], [0, 1, 1, -1]),
        ([-5, 2**40, 7, 2**40], [-1, 0, 1, 0]),  # any numbers; counted as first traces come
        ([-1, -1, -1, -1], [-1, -1, -1, -1]),
        (None, [None, None, None, None]),
    ],
)
def test_the_cluster_of_each_started_trace_is_recorded(
    tmp_path: Path, declared: list[int] | None, recorded: list[int | None]
) -> None:
    def act(sampler: Sampler) -> None:
        sampler.start(4)
        if declared is not None:
            sampler.declare_clusters(declared)

    assert record(tmp_path, act).decisions["cluster"].to_pylist() == recorded


@pytest.mark.parametrize(
    ("finish", "classes", "right"),
    [
        ([], 0, False),
        ([3], 0, False),  # finished without an answer
        ([1, 2], 1, False),
        ([1, 2, 3, 4], 1, False),
        ([0, 5], 1, True),
        ([0, 1, 2], 2, True),
        ([0, 1, 2, 3, 4, 5], 2, True),
    ],
)
def test_kept_are_the_answers_of_those_that_finished(
    tmp_path: Path, finish: list[int], classes: int, right: bool
) -> None:
    def act(sampler: Sampler) -> None:
        traces = sampler.start(6)
        sampler.decode(traces, tokens=9)  # not one of them has finished yet
        sampler.decode(traces[finish])

    row = record(tmp_path, act).answers.to_pylist()[0]
    assert (row["kept_classes"], row["kept_correct"]) == (classes, right)
    assert (row["budget_classes"], row["budget_correct"]) == (2, True)


def test_no_answer_is_no_right_answer_whichever_class_is_right(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(10, None), T(20, "2"), T(30, "1")])
    assert problem.class_correct.tolist() == [False, True]
    engine = Engine(problem, np.array([0, 1]), Serving())
    sampler = Sampler(engine, (0,))
    sampler.decode(sampler.start(2)[:1])
    recorder = Recorder(problem)
    recorder.add(0, engine, NONE)
    recorder.add(1, Engine(problem, np.array([0, 2]), Serving()), NONE)
    rows = recorder.tables().answers.to_pylist()
    assert [row["kept_correct"] for row in rows] == [False, False]
    assert [row["baseline_correct"] for row in rows] == [False, True]


def test_the_baseline_is_about_the_whole_budget_in_its_order(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, TRACES)
    orders = [[0, 1], [1, 0], [3, 5], [3, 1], [0, 1, 5], [4, 0, 2, 5]]
    baselines = [(True, 30), (False, 30), (True, 50), (False, 60), (True, 40), (False, 70)]
    classes = [(2, True), (2, True), (1, True), (1, False), (2, True), (2, True)]
    told, present = [], []
    for repeat, order in enumerate(orders):
        recorder = Recorder(problem)
        recorder.add(repeat, Engine(problem, np.array(order), Serving()), NONE)
        row = recorder.tables().answers.to_pylist()[0]
        told.append((row["baseline_correct"], row["baseline_tokens"]))
        present.append((row["budget_classes"], row["budget_correct"]))
    assert told == baselines
    assert present == classes


def test_probes_are_counted(tmp_path: Path) -> None:
    def act(sampler: Sampler) -> None:
        traces = sampler.start(6)
        for _ in range(2):
            sampler.decode(traces, tokens=10)
            sampler.probe(traces)

    row = record(tmp_path, act).answers.to_pylist()[0]
    assert row["probe_calls"] == 4 + 2


def drive_at_random(problem: StoredProblem, repeat: int) -> tuple[Engine, GradedAnswer]:
    rng = np.random.default_rng(repeat)
    engine = Engine(problem, rng.permutation(6)[:5], Serving([None, 2][rng.integers(2)]))
    sampler = Sampler(engine, (repeat,))
    for _ in range(rng.integers(0, 4)):
        sampler.decode(sampler.start(), tokens=int(rng.integers(0, 30)))
        sampler.decode(sampler.traces, first=1)
    return engine, GradedAnswer(f"text {repeat}", repeat % 3, repeat % 2 == 0)


def test_many_repeats_together_are_recorded_as_each_alone(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, TRACES)
    together = Recorder(problem)
    alone = []
    repeats = range(5, 5 + 2 * AT_ONCE + 3)
    for repeat in repeats:
        together.add(repeat, *drive_at_random(problem, repeat))
        one = Recorder(problem)
        one.add(repeat, *drive_at_random(problem, repeat))
        alone.append(one.tables())
    tables = together.tables()

    def rows(table: pa.Table) -> list[dict[str, Any]]:
        return list(table.to_pylist())

    assert rows(tables.decisions) == [row for one in alone for row in rows(one.decisions)]
    assert rows(tables.answers) == [row for one in alone for row in rows(one.answers)]
    assert tables.answers["repeat"].to_pylist() == list(repeats)
    assert tables.answers["answer"].to_pylist() == [f"text {repeat}" for repeat in repeats]
    assert tables.answers["answer_class"].to_pylist() == [repeat % 3 for repeat in repeats]
    assert set(tables.decisions["problem_id"].to_pylist()) == {"p"}
    assert set(tables.decisions["pool"].to_pylist()) == {"test/model/tiny"}


def test_a_majority_vote_can_be_returned_from_solve() -> None:
    assert isinstance(majority_vote(np.array([2, 2, 0], dtype=np.int32)), np.int32)
    assert majority_vote(np.array([-1, -1], dtype=np.int32)) is None
    assert majority_vote(np.array([], dtype=np.int32)) is None
