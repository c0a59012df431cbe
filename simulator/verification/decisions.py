"""Check a problem's decisions, and compute its tokens, clock and cons@N baseline from them.

Independent of the engine and the recorder, so that a bug in them is not repeated here.
"""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np

from simulator.arrays import Array, Ints
from simulator.pools.charging import charged
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.replay.orders import orders
from simulator.submissions.blocks import Block, refuse_first
from simulator.submissions.run_record import RecordedRun
from simulator.submissions.strict_json import shown

TOLERANCE = 1e-9
"""Largest relative difference between two figures, allowing for rounding on another machine."""


def check_order(rows: Block, repeats: int, budget: int) -> None:
    """Refuse rows that are not sorted by repeat and order, each repeat's order from 0 on."""
    repeat, order = rows.columns["repeat"], rows.columns["order"]
    bad = (repeat < 0) | (repeat >= repeats)
    refuse_first(rows, bad, lambda row: f"repeat {repeat[row]} of a run with {repeats}")
    bad = (order < 0) | (order >= budget)
    refuse_first(rows, bad, lambda row: f"order {order[row]} with a budget of {budget}")
    fresh = np.append(True, repeat[1:] != repeat[:-1])
    before = np.append(-1, order[:-1])
    bad = np.append(False, repeat[1:] < repeat[:-1]) | (order != np.where(fresh, 0, before + 1))
    refuse_first(
        rows,
        bad,
        lambda row: (
            f"repeat {repeat[row]} has order {order[row]} here; rows are missing, there twice or "
            "out of order"
        ),
    )


def recomputed_answers(
    problem: StoredProblem, rows: Block | None, run: RecordedRun, budget: int
) -> dict[str, Array]:
    """Compute the answer columns that follow from a problem's decisions, shape (repeats,)."""
    key = int.from_bytes(hashlib.sha256(problem.problem_id.encode()).digest()[:8])
    drawn = orders(problem, budget, range(run.repeats), run.seed, key, run.charging)
    order = np.array([*drawn])
    repeats = run.repeats
    classes = problem.answer_class[order].astype(np.int64)
    right = np.append(problem.class_correct, False)
    found: dict[str, Array] = {
        "baseline_correct": np.array([right[_vote(votes)] for votes in classes]),
        "baseline_tokens": problem.lengths[order].sum(axis=1),
        "budget_classes": np.array([len(set(row) - {NO_ANSWER}) for row in classes.tolist()]),
        "budget_correct": right[classes].any(axis=1),
    }
    if rows is None:
        none = np.zeros(repeats, dtype=np.int64)
        kept = {"tokens": none, "traces_started": none, "kept_classes": none}
        return {**found, **kept, "kept_correct": none.astype(bool), "clock": none.astype(float)}
    columns = rows.columns
    repeat = columns["repeat"].astype(np.int64)
    stored = order[repeat, columns["order"]]
    check_traces(problem, rows, stored, run)
    tokens = charged(run.charging, problem, stored, columns["num_tokens"].astype(np.int64))
    finished = columns["finished"]
    answers = problem.answer_class[stored]
    said = finished & (answers != NO_ANSWER)
    pairs = np.unique(repeat[said] * (len(right) + 1) + answers[said])
    clock = np.zeros(repeats)
    np.maximum.at(clock, repeat, columns["ended"])
    return {
        **found,
        "tokens": np.bincount(repeat, tokens, repeats).astype(np.int64),
        "traces_started": np.bincount(repeat, minlength=repeats),
        "kept_classes": np.bincount(pairs // (len(right) + 1), minlength=repeats),
        "kept_correct": np.bincount(repeat[finished & right[answers]], minlength=repeats) > 0,
        "clock": clock,
    }


def _vote(answers: Ints) -> int:
    """Return the most common answer class, in a tie the one seen first; −1 if there is none."""
    seen = Counter(answers.tolist())  # in the order in which they are seen
    del seen[NO_ANSWER]
    return max(seen, key=seen.__getitem__, default=NO_ANSWER)


def check_traces(problem: StoredProblem, rows: Block, stored: Ints, run: RecordedRun) -> None:
    """Refuse decisions that are impossible for the pool's traces in the order that the seed draws.

    `stored` are the rows of the traces in the pool, shape (rows,).
    """
    columns = rows.columns
    trace, tokens, finished = (columns[name] for name in ("trace_id", "num_tokens", "finished"))
    reason, began, ended = (columns[name] for name in ("stop_reason", "started", "ended"))
    expected, length = problem.trace_ids[stored], problem.lengths[stored]
    shortest_step = min((seconds for _, seconds in run.serving.step_seconds), default=1.0)
    refuse_first(
        rows,
        trace != expected,
        lambda row: f"trace {trace[row]}, where seed {run.seed} draws trace {expected[row]}",
    )
    refuse_first(
        rows,
        (tokens < 0) | (tokens > length),
        lambda row: f"{tokens[row]} tokens of a trace that has {length[row]}",
    )
    refuse_first(
        rows,
        finished != (tokens == length),
        lambda row: f"finished is {bool(finished[row])} with {tokens[row]} of {length[row]} tokens",
    )
    is_finished = np.array([each == "finished" for each in reason.tolist()])
    is_unused = np.array([each == "unused" for each in reason.tolist()])
    refuse_first(
        rows,
        (is_finished != finished) | (is_unused & (tokens > 0)),
        lambda row: f"stop_reason {shown(reason[row])} with {tokens[row]} of {length[row]} tokens",
    )
    with np.errstate(invalid="ignore", over="ignore"):
        lasted = ended - began
        work = np.where(tokens > 0, tokens * shortest_step, 0.0)
        good = np.isfinite(began) & np.isfinite(ended) & (began >= 0)
        good &= lasted >= work * (1 - TOLERANCE)
        good &= (tokens > 0) | ((began == 0) & (ended == 0))
        if run.serving.clock_unit == "steps":
            good &= (began == np.floor(began)) & (ended == np.floor(ended))
    refuse_first(
        rows,
        ~good,
        lambda row: (
            f"decoded {tokens[row]} tokens from {began[row]:g} to {ended[row]:g} on the clock"
        ),
    )
