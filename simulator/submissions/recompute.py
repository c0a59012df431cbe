"""The second step: every figure of a run again, from its decisions and the pools alone.

Written apart from the engine and the recorder, so that a fault of theirs is not repeated here.
What decisions cannot prove is named in `UNPROVEN`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator.pool import NO_ANSWER, Pool, StoredProblem
from simulator.recording import CLUSTERED
from simulator.replay import Grader, orders
from simulator.run_spec import FORMAT
from simulator.submissions.recorded import RecordedPool, RecordedRun
from simulator.submissions.strict_json import Refused, finite, shown
from simulator.submissions.tables import Block, blocks
from simulator.submissions.wellformed import Submission
from simulator.summary import Totals, summarise

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

UNPROVEN = (
    "that the policy decides and answers so, and what it asked probes and judge, shows only in "
    "running it again"
)
"""What a run's decisions do not prove."""

CLAIMED = ("probe_calls", "judge_calls", "judge_tokens", "judge_tokens_reused", *CLUSTERED)
"""Columns of the answers that do not follow from decisions and pool."""

TOLERANCE = 1e-9
"""How far two figures may be apart, relatively: what another machine's rounding may do."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Recomputed:
    """What came of it: the first difference (empty: none) and the summary as it should be.

    `unshown` counts the replays that answered what none of their finished traces said, though no
    trace was probed; `first_unshown` names one.
    """

    difference: str
    summary: dict[str, Any]
    unshown: int = 0
    first_unshown: str = ""


def recompute(submission: Submission, pools: Sequence[Pool], progress: Progress) -> Recomputed:
    """Compare a submission with what its decisions come to on `pools`, in the order of its run."""
    unshown: list[str] = []
    try:
        entries = _entries(submission, pools, progress, unshown)
    except Refused as error:
        return Recomputed(str(error), {})
    run = submission.run
    summary = {
        "format": FORMAT,
        "policy": run.policy,
        "parameters": dict(run.parameters),
        "unranked": run.unranked,
        "seed": run.seed,
        "repeats": run.repeats,
        "pools": entries,
    }
    difference = _difference(submission.summary, summary, "")
    if difference:
        difference = f"summary.json: {difference}"
    first = unshown[0] if unshown else ""
    return Recomputed(difference, summary, len(unshown), first)


def figures_of(entry: dict[str, Any]) -> dict[str, Any]:
    """What a board shows of a pool's entry of a summary, with the intervals."""
    kept = ("pool", "synthetic", "token_accuracy", "problems", "budget", "clock_unit")
    names = ("accuracy", "accuracy_difference", "tokens_1e8", "tokens_per_problem", "reduction")
    return {key: entry[key] for key in kept} | {
        name: entry["metrics"][name] for name in (*names, "clock")
    }


def _entries(
    submission: Submission, pools: Sequence[Pool], progress: Progress, unshown: list[str]
) -> list[dict[str, Any]]:
    """Each pool's entry of the summary; Refused names the first row that differs."""
    run = submission.run
    names = [(pool.name, problem.problem_id) for pool in pools for problem in pool.problems]
    decisions, answers = (
        _Expected(blocks(file, f"{name}.parquet"), f"{name}.parquet", names)
        for name, file in (("decisions", submission.decisions), ("answers", submission.answers))
    )
    entries = []
    for number, (pool, recorded) in enumerate(zip(pools, run.pools, strict=True)):
        _check_pool(pool, recorded)
        totals = Totals()
        for problem in pool.problems:
            share = problem.index / len(pool.problems)
            progress("recomputing", (number + share) / len(pools))
            rows = decisions.of(problem)
            if rows is not None:
                check_order(rows, run.repeats, recorded.budget)
            given = answers.of(problem)
            again = recomputed_answers(problem, rows, run, recorded.budget)
            _compare_answers(problem, given, again, run)
            unshown += _unshown(problem, given, rows, run)
            totals.add(_table(problem, given, again))
        ratio = _judge_ratio(submission, number)
        entries.append(summarise(pool, recorded.budget, totals, run.serving.clock_unit, ratio))
    decisions.end()
    answers.end()
    return entries


class _Expected:
    """Blocks of a table, which must come in the order of the pools' problems."""

    def __init__(self, found: Iterator[Block], file: str, names: Sequence[tuple[str, str]]) -> None:
        self._found = found
        self._file = file
        self._to_come = set(names)
        self._next = next(found, None)

    def of(self, problem: StoredProblem) -> Block | None:
        """The rows of a problem; None where the next rows are of one that comes later."""
        block, name = self._next, (problem.pool.name, problem.problem_id)
        self._to_come.discard(name)
        if block is not None and (block.pool, block.problem_id) == name:
            self._next = next(self._found, None)
        else:
            block = None
        if self._next and (self._next.pool, self._next.problem_id) not in self._to_come:
            self.end()
        return block

    def end(self) -> None:
        """Refuse rows that no problem has asked for."""
        if self._next is not None:
            raise Refused(
                f"{self._file} row {self._next.first_row}: pool {shown(self._next.pool)}, problem "
                f"{shown(self._next.problem_id)} is unknown, out of order or there twice"
            )


def _check_pool(pool: Pool, recorded: RecordedPool) -> None:
    if pool.min_traces < recorded.budget:
        raise Refused(f"run.json: {pool.name} has problems with fewer traces than its budget")
    for name in ("synthetic", "token_accuracy"):
        if getattr(pool.info, name) != getattr(recorded, name):
            raise Refused(
                f"run.json: {pool.name} is recorded with {name} {getattr(recorded, name)}, "
                f"the pool has {getattr(pool.info, name)}"
            )


def check_order(rows: Block, repeats: int, budget: int) -> None:
    """Refuse rows that are not sorted by repeat and order, each repeat's order from 0 on."""
    repeat, order = rows.columns["repeat"], rows.columns["order"]
    bad = (repeat < 0) | (repeat >= repeats)
    _refuse_first(rows, bad, lambda row: f"repeat {repeat[row]} of a run with {repeats}")
    bad = (order < 0) | (order >= budget)
    _refuse_first(rows, bad, lambda row: f"order {order[row]} with a budget of {budget}")
    fresh = np.append(True, repeat[1:] != repeat[:-1])
    before = np.append(-1, order[:-1])
    bad = np.append(False, repeat[1:] < repeat[:-1]) | (order != np.where(fresh, 0, before + 1))
    _refuse_first(
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
    """The columns of a problem's answers that follow from its decisions, shape (repeats,)."""
    key = int.from_bytes(hashlib.sha256(problem.problem_id.encode()).digest()[:8])
    order = np.array([*orders(problem, budget, range(run.repeats), run.seed, key)])
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
    finished = columns["finished"]
    answers = problem.answer_class[stored]
    said = finished & (answers != NO_ANSWER)
    pairs = np.unique(repeat[said] * (len(right) + 1) + answers[said])
    clock = np.zeros(repeats)
    np.maximum.at(clock, repeat, columns["ended"])
    return {
        **found,
        "tokens": np.bincount(repeat, columns["num_tokens"], repeats).astype(np.int64),
        "traces_started": np.bincount(repeat, minlength=repeats),
        "kept_classes": np.bincount(pairs // (len(right) + 1), minlength=repeats),
        "kept_correct": np.bincount(repeat[finished & right[answers]], minlength=repeats) > 0,
        "clock": clock,
    }


def _vote(answers: Ints) -> int:
    """The commonest answer class, of several the one seen first; −1 where there is none."""
    seen: dict[int, int] = {}
    for answer in answers.tolist():
        if answer != NO_ANSWER:
            seen[answer] = seen.get(answer, 0) + 1
    return max(seen, key=seen.__getitem__, default=NO_ANSWER)


def check_traces(problem: StoredProblem, rows: Block, stored: Ints, run: RecordedRun) -> None:
    """Refuse decisions that stored traces, in the order of the seed, could not have had.

    `stored` are the rows of the traces in the pool, shape (rows,).
    """
    columns = rows.columns
    trace, tokens, finished = (columns[name] for name in ("trace_id", "num_tokens", "finished"))
    reason, began, ended = (columns[name] for name in ("stop_reason", "started", "ended"))
    expected, length = problem.trace_ids[stored], problem.lengths[stored]
    _refuse_first(
        rows,
        trace != expected,
        lambda row: f"trace {trace[row]}, where seed {run.seed} draws trace {expected[row]}",
    )
    _refuse_first(
        rows,
        (tokens < 0) | (tokens > length),
        lambda row: f"{tokens[row]} tokens of a trace that has {length[row]}",
    )
    _refuse_first(
        rows,
        finished != (tokens == length),
        lambda row: f"finished is {bool(finished[row])} with {tokens[row]} of {length[row]} tokens",
    )
    is_finished = np.array([each == "finished" for each in reason.tolist()])
    is_unused = np.array([each == "unused" for each in reason.tolist()])
    _refuse_first(
        rows,
        (is_finished != finished) | (is_unused & (tokens > 0)),
        lambda row: f"stop_reason {shown(reason[row])} with {tokens[row]} of {length[row]} tokens",
    )
    with np.errstate(invalid="ignore", over="ignore"):
        lasted = ended - began
        work = np.where(tokens > 0, tokens * _least_step(run), 0.0)
        good = np.isfinite(began) & np.isfinite(ended) & (began >= 0)
        good &= lasted >= work * (1 - TOLERANCE)
        good &= (tokens > 0) | ((began == 0) & (ended == 0))
        if run.serving.clock_unit == "steps":
            good &= (began == np.floor(began)) & (ended == np.floor(ended))
    _refuse_first(
        rows,
        ~good,
        lambda row: (
            f"decoded {tokens[row]} tokens from {began[row]:g} to {ended[row]:g} on the clock"
        ),
    )


def _least_step(run: RecordedRun) -> float:
    """The least that a decode step takes on the run's clock."""
    points = run.serving.step_seconds
    return min((seconds for _, seconds in points), default=1.0)


def _compare_answers(
    problem: StoredProblem, given: Block | None, again: dict[str, Array], run: RecordedRun
) -> None:
    where = f"pool {problem.pool.name}, problem {problem.problem_id}"
    if given is None or len(given) != run.repeats:
        count = 0 if given is None else len(given)
        row = "" if given is None else f" row {given.first_row}"
        raise Refused(f"answers.parquet{row}: {count} of {run.repeats} repeats of {where}")
    columns = given.columns
    repeat = columns["repeat"]
    bad = repeat != np.arange(run.repeats)
    _refuse_first(given, bad, lambda row: f"repeat {repeat[row]}, where {row} comes", "answers")
    for name, expected in again.items():
        _refuse_other(given, name, expected, "decisions and pool give")
    _check_graded(problem, given)
    _check_claims(problem, given, run, again)


def _check_graded(problem: StoredProblem, given: Block) -> None:
    """Refuse answers whose class and grade are not those of their text."""
    grader = Grader(problem, "policy.py")
    columns = given.columns
    known: dict[object, tuple[int, bool]] = {None: (NO_ANSWER, False)}
    grades = []
    for text in columns["answer"].tolist():
        if text not in known:
            graded = grader.grade(text)
            known[text] = (graded.answer_class, graded.correct)
        grades.append(known[text])
    for position, name in enumerate(("answer_class", "correct")):
        expected = np.array([grade[position] for grade in grades])
        _refuse_other(given, name, expected, "the answer graded again gives")


def _refuse_other(given: Block, name: str, expected: Array, what: str) -> None:
    """Refuse the first answer of which a column is not as expected."""
    found = given.columns[name]
    same = (
        np.isclose(found, expected, rtol=TOLERANCE, atol=0)
        if found.dtype.kind == "f"
        else found == expected
    )
    _refuse_first(
        given,
        ~same,
        lambda row: f"{name} is {shown(_plain(found[row]))}, {what} {shown(_plain(expected[row]))}",
        "answers",
    )


def _check_claims(
    problem: StoredProblem, given: Block, run: RecordedRun, again: dict[str, Array]
) -> None:
    """Refuse values of `CLAIMED` that no run has."""
    columns = given.columns
    without = [] if "probes" in problem.pool.info.signals else ["probe_calls"]
    if run.judge is None:
        without += ["judge_calls", "judge_tokens", "judge_tokens_reused"]
    for name in CLAIMED[:4]:
        bad = (columns[name] != 0) if name in without else (columns[name] < 0)
        _refuse_first(given, bad, partial(_is, name, columns[name]), "answers")
    bad = columns["judge_tokens_reused"] > columns["judge_tokens"]
    _refuse_first(given, bad, lambda row: "more tokens reused than the judge has read", "answers")
    for row in range(len(given)):
        claims = [_plain(columns[name][row]) for name in CLUSTERED]
        if all(value is None for value in claims):
            continue
        clusters, purity, kept, classes, _ = claims
        most = int(again["traces_started"][row])
        good = None not in claims and finite(purity) and 0 <= purity <= 1
        good = good and 1 <= clusters <= most and 0 <= classes <= clusters
        if not (good and 0 <= kept <= again["baseline_tokens"][row]):
            here = np.arange(len(given)) == row
            _refuse_first(given, here, partial(_is, "clusters", {row: claims}), "answers")


def _is(name: str, values: Any, row: int) -> str:
    return f"{name} is {shown(_plain(values[row]))}, which no run with these decisions has"


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _unshown(
    problem: StoredProblem, given: Block | None, rows: Block | None, run: RecordedRun
) -> list[str]:
    """Replays that answered a class that none of their finished traces has, without probing."""
    assert given is not None
    shown_there: list[set[int]] = [set() for _ in range(run.repeats)]
    if rows is not None:
        place = np.searchsorted(problem.trace_ids, rows.columns["trace_id"])
        done = rows.columns["finished"]
        answers = problem.answer_class[place][done].tolist()
        for repeat, answer in zip(rows.columns["repeat"][done].tolist(), answers, strict=True):
            shown_there[repeat].add(answer)
    columns = given.columns
    return [
        f"{problem.pool.name}, problem {problem.problem_id}, repeat {repeat}"
        for repeat, (answer, text, probes) in enumerate(
            zip(
                columns["answer_class"].tolist(),
                columns["answer"].tolist(),
                columns["probe_calls"].tolist(),
                strict=True,
            )
        )
        if text is not None and probes == 0 and answer not in shown_there[repeat]
    ]


def _table(problem: StoredProblem, given: Block | None, again: dict[str, Array]) -> pa.Table:
    """The rows of a problem as `Totals` adds them: recomputed, but for what is only claimed."""
    assert given is not None
    columns = {"problem_id": [problem.problem_id] * len(given)}
    columns |= {name: given.columns[name].tolist() for name in ("correct", *CLAIMED)}
    columns |= {name: values.tolist() for name, values in again.items()}
    types = {"purity": pa.float64(), "clusters_correct": pa.bool_()}
    return pa.table(
        {
            name: pa.array(
                [_plain(value) for value in values],
                type=types.get(name, pa.int64()) if name in CLUSTERED else None,
            )
            for name, values in columns.items()
        }
    )


def _judge_ratio(submission: Submission, number: int) -> float:
    """What a judge's token costs, as the run says it; the summary must say the same."""
    judge = submission.run.judge
    if judge is None:
        return 0.0
    ratios = judge.get("ratio")
    ratio = ratios.get(submission.run.pools[number].name) if isinstance(ratios, dict) else None
    if not finite(ratio) or not isinstance(ratio, int | float) or ratio < 0:
        raise Refused("run.json: the judge's ratio is missing or no number")
    return ratio


def _refuse_first(
    rows: Block, bad: Array, what: Callable[[int], str], table: str = "decisions"
) -> None:
    """Refuse a block where any row is bad; names the first."""
    found = np.flatnonzero(bad)
    if len(found):
        row = int(found[0])
        trace = f", trace {rows.columns['trace_id'][row]}" if "trace_id" in rows.columns else ""
        raise Refused(
            f"{table}.parquet row {rows.first_row + row} (pool {rows.pool}, problem "
            f"{rows.problem_id}, repeat {rows.columns['repeat'][row]}{trace}): {what(row)}"
        )


def _difference(given: Any, expected: Any, where: str) -> str:
    """The first place in which two values out of JSON differ; empty where none does."""
    if isinstance(expected, dict) and isinstance(given, dict):
        for key in [*expected, *(key for key in given if key not in expected)]:
            place = f"{where}.{key}" if where else key
            if key not in given:
                return f"{place} is missing"
            if key not in expected:
                return f"{shown(place)} is not in a run's summary"
            if found := _difference(given[key], expected[key], place):
                return found
        return ""
    if isinstance(expected, list) and isinstance(given, list) and len(given) == len(expected):
        places = enumerate(zip(given, expected, strict=True))
        each = (_difference(one, two, f"{where}[{index}]") for index, (one, two) in places)
        return next(filter(None, each), "")
    if isinstance(expected, float) and finite(given):
        if abs(given - expected) <= TOLERANCE * max(1.0, abs(expected)):
            return ""
    elif type(given) is type(expected) and given == expected:
        return ""
    return f"{where} is {shown(given)}, recomputed {shown(expected)}"
