"""The second step: compute every figure of a run again, from its decisions and the pools alone.

Independent of the engine and the recorder, so that a bug in them is not repeated here.
`UNPROVEN` names what decisions cannot prove.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from simulator.arrays import Array
from simulator.pools.pool import NO_ANSWER, Pool, StoredProblem
from simulator.pools.probe_cost import cost_in, described_cost
from simulator.replay.clusters.facts import cluster_facts, savable
from simulator.replay.grading import Grader
from simulator.replay.recording import AGREEMENT, CLUSTERED
from simulator.runs.format import summary
from simulator.runs.summary import Totals, summarise
from simulator.submissions.blocks import Block, blocks, refuse_first
from simulator.submissions.run_record import RecordedPool, RecordedRun
from simulator.submissions.strict_json import Refused, finite, shown
from simulator.submissions.wellformed import OpenRun
from simulator.verification.decisions import TOLERANCE, check_order, recomputed_answers
from simulator.verification.options import Progress

UNPROVEN = (
    "only a rerun shows that the policy makes these decisions and gives these answers, and how "
    "often it used probes and judge"
)
"""Facts that a run's decisions do not prove."""

CLAIMS_OF_JUDGE = ("judge_calls", "judge_tokens", "judge_tokens_reused", "judge_tokens_charged")

CLAIMS_OF_CALLS = ("probe_calls", *CLAIMS_OF_JUDGE)

CLAIMED = (*CLAIMS_OF_CALLS, *CLUSTERED, "clock", "probe_tokens")
"""Columns of the answers that do not follow from decisions and pool.

The time and tokens of probes follow from their number, except for the time of each call.
"""

ANSWERED = ("repeat", "answer_class", "answer", "probe_calls")
"""Columns with the answers, and with the number of probes made for them."""


MAX_PROBES = 10**12
"""Most probes of a replay, so that their tokens fit into the column."""


@dataclass(frozen=True)
class Recomputed:
    """Result of the second step: the first difference (empty if none) and the recomputed summary.

    `unshown` are the replays without probes whose answer matches none of their finished traces.
    """

    difference: str
    summary: dict[str, Any]
    unshown: tuple[str, ...] = ()


def recompute(submission: OpenRun, pools: Sequence[Pool], progress: Progress) -> Recomputed:
    """Compare a submission's figures with those recomputed on `pools`, in the order of its run."""
    unknown: list[str] = []
    try:
        entries = _entries(submission, pools, progress, unknown)
    except Refused as error:
        return Recomputed(str(error), {})
    run = submission.run
    again = summary(run.policy, run.parameters, run.unranked, run.seed, run.repeats, entries)
    differs = difference(submission.summary, again, "")
    if differs:
        differs = f"summary.json: {differs}"
    return Recomputed(differs, again, tuple(unknown))


def figures_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Select from a pool's entry of a summary what a board shows, with the intervals."""
    kept = ("pool", "synthetic", "token_accuracy", "problems", "budget", "clock_unit")
    names = ("accuracy", "accuracy_difference", "tokens_1e8", "tokens_per_problem", "reduction")
    return {key: entry[key] for key in kept} | {
        name: entry["metrics"][name] for name in (*names, "clock")
    }


def _entries(
    submission: OpenRun, pools: Sequence[Pool], progress: Progress, unknown: list[str]
) -> list[dict[str, Any]]:
    """Compute each pool's entry of the summary; `Refused` names the first row that differs."""
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
            _compare_answers(problem, given, again, run, recorded)
            assert given is not None
            if rows is not None and "cluster" in rows.columns:
                _check_clusters(problem, given, rows)
            unknown += unshown(problem, given, rows, probed=False)
            totals.add(_table(problem, given, again))
        ratio = judge_ratio(submission, number)
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
        """Return the rows of a problem; None if the next rows belong to a later problem."""
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
        """Refuse rows that are left over, or that belong to no problem."""
        if self._next is not None:
            raise Refused(
                f"{self._file} row {self._next.first_row}: pool {shown(self._next.pool)}, problem "
                f"{shown(self._next.problem_id)} is unknown, out of order or a duplicate"
            )


def _check_pool(pool: Pool, recorded: RecordedPool) -> None:
    if pool.min_traces < recorded.budget:
        raise Refused(f"run.json: {pool.name} has problems with fewer traces than its budget")
    if pool.info.unfinished or pool.info.unasked:
        raise Refused(f"run.json: not all traces and probes of {pool.name} were generated")
    for name in ("synthetic", "token_accuracy"):
        if getattr(pool.info, name) != getattr(recorded, name):
            raise Refused(
                f"run.json: {pool.name} is recorded with {name} {getattr(recorded, name)}, "
                f"the pool has {getattr(pool.info, name)}"
            )
    here = described_cost(pool.info)
    cost, source = recorded.probe_cost, recorded.probe_source
    if source not in (None, "given") and (cost, source) != (cost_in(pool.info), here["source"]):
        raise Refused(
            f"run.json: a probe of {pool.name} is recorded with {cost} tokens ({source}), here it "
            f"has {cost_in(pool.info)} ({here['source']})"
        )


def _compare_answers(
    problem: StoredProblem,
    given: Block | None,
    again: dict[str, Array],
    run: RecordedRun,
    recorded: RecordedPool,
) -> None:
    """Refuse answers that differ from `again`; replaces its clock by the one with probes."""
    where = f"pool {problem.pool.name}, problem {problem.problem_id}"
    if given is None or len(given) != run.repeats:
        count = 0 if given is None else len(given)
        row = "" if given is None else f" row {given.first_row}"
        raise Refused(f"answers.parquet{row}: {count} of {run.repeats} repeats of {where}")
    columns = given.columns
    repeat = columns["repeat"]
    bad = repeat != np.arange(run.repeats)
    refuse_first(given, bad, lambda row: f"repeat {repeat[row]}, where {row} comes", "answers")
    last_decode = again.pop("clock")
    for name, expected in again.items():
        _refuse_other(given, name, expected, "decisions and pool give")
    _check_graded(problem, given)
    _check_claims(problem, given, run, again)
    _check_probes(problem, given, run, recorded, last_decode)


def _check_graded(problem: StoredProblem, given: Block) -> None:
    """Refuse answers whose class or grade does not match their text."""
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
    """Refuse the first answer whose column `name` differs from the expected value."""
    found = given.columns[name]
    same = (
        np.isclose(found, expected, rtol=TOLERANCE, atol=0)
        if found.dtype.kind == "f"
        else found == expected
    )
    refuse_first(
        given,
        ~same,
        lambda row: f"{name} is {shown(_plain(found[row]))}, {what} {shown(_plain(expected[row]))}",
        "answers",
    )


def _check_claims(
    problem: StoredProblem, given: Block, run: RecordedRun, again: dict[str, Array]
) -> None:
    """Refuse values in the columns `CLAIMED` that no run can have."""
    columns = given.columns
    without = [] if "probes" in problem.pool.info.signals else ["probe_calls"]
    if run.judge is None:
        without += CLAIMS_OF_JUDGE
    for name in CLAIMS_OF_CALLS:
        if name not in columns:
            continue
        bad = (columns[name] != 0) if name in without else (columns[name] < 0)
        refuse_first(given, bad, partial(_is, name, columns[name]), "answers")
    bad = columns["judge_tokens_reused"] > columns["judge_tokens"]
    refuse_first(given, bad, lambda row: "more tokens reused than the judge has read", "answers")
    if "judge_tokens_charged" in columns:
        charged = columns["judge_tokens_charged"]
        bad = (charged < columns["judge_tokens_reused"]) | (charged > columns["judge_tokens"])
        refuse_first(given, bad, partial(_is, "judge_tokens_charged", charged), "answers")
    for row in range(len(given)):
        claims = [_plain(columns[name][row]) for name in CLUSTERED if name in columns]
        if all(value is None for value in claims):
            continue
        clusters, purity, kept, classes, *_ = claims
        most = int(again["traces_started"][row])
        good = None not in claims and finite(purity) and 0 <= purity <= 1
        good = good and 1 <= clusters <= most and 0 <= classes <= clusters
        if not (good and 0 <= kept <= again["baseline_tokens"][row]):
            here = np.arange(len(given)) == row
            refuse_first(given, here, partial(_is, "clusters", {row: claims}), "answers")


def _check_probes(
    problem: StoredProblem,
    given: Block,
    run: RecordedRun,
    recorded: RecordedPool,
    last_decode: Array,
) -> None:
    """Refuse tokens and time of probes that do not follow from their number.

    Decisions do not tell when probes are asked: those after the last decode, which ends at
    `last_decode`, make the clock later by at most the answers of all probes one after the other.
    """
    calls, clock = given.columns["probe_calls"], given.columns["clock"]
    refuse_first(given, calls > MAX_PROBES, partial(_is, "probe_calls", calls), "answers")
    cost = cost_in(problem.pool.info, recorded.probe_cost)
    serving = run.serving
    slowest = max(
        [serving.step_cost(recorded.budget), *(seconds for _, seconds in serving.step_seconds)]
    )
    longest = serving.prompt_tokens + int(problem.lengths.max()) + cost.tokens
    slowest += serving.kv_seconds * recorded.budget * longest
    steps = serving.answer_steps(cost.answer)
    latest = last_decode + calls * (steps * slowest + serving.prefill_seconds * longest)
    with np.errstate(invalid="ignore"):
        good = (clock >= last_decode * (1 - TOLERANCE)) & (clock <= latest * (1 + TOLERANCE))
    if serving.clock_unit == "steps":
        good &= clock == np.floor(clock)
    refuse_first(
        given,
        ~good,
        lambda row: (
            f"clock is {shown(_plain(clock[row]))}, decisions and pool give "
            f"{shown(_plain(last_decode[row]))}"
            + (f" and at most {steps} steps for each of {calls[row]} probes" * bool(calls[row]))
        ),
        "answers",
    )
    if "probe_tokens" in given.columns:
        what = f"{cost} tokens for each probe give"
        _refuse_other(given, "probe_tokens", calls * cost.tokens, what)
    elif recorded.probe_cost is not None:
        raise Refused("answers.parquet: probe_tokens is missing, and run.json has their cost")


def _check_clusters(problem: StoredProblem, given: Block, rows: Block) -> None:
    """Refuse cluster figures that do not match the clusters in the decisions.

    Decisions do not tell where traces stood when they were clustered: somewhere up to their end.
    """
    repeat, cluster = rows.columns["repeat"], rows.columns["cluster"]
    place = np.searchsorted(problem.trace_ids, rows.columns["trace_id"])
    declared = np.array([each is not None for each in cluster.tolist()])
    starts = np.searchsorted(repeat, np.arange(len(given) + 1)).tolist()
    for row, (start, end) in enumerate(pairwise(starts)):
        names = [name for name in CLUSTERED if name in given.columns]
        claims = tuple(_plain(given.columns[name][row]) for name in names)
        facts = None
        if declared[start:end].any():
            traces = problem.answer_class[place[start:end]], problem.lengths[place[start:end]]
            facts = cluster_facts(
                np.where(declared[start:end], cluster[start:end], NO_ANSWER).astype(np.int64),
                *traces,
                np.zeros(end - start, dtype=np.int64),
                problem.class_correct,
            )
            if facts and "savable" in names and finite(claims[-1]):
                least = savable(*traces, rows.columns["num_tokens"][start:end].astype(np.int64))
                within = least - TOLERANCE <= claims[-1] <= facts.savable + TOLERANCE
                facts = replace(facts, savable=claims[-1] if within else least)
        expected = astuple(facts)[: len(names)] if facts else (None,) * len(names)
        if difference([*claims], [*expected], ""):
            raise Refused(
                f"answers.parquet row {given.first_row + row} (pool {given.pool}, problem "
                f"{given.problem_id}, repeat {row}): clusters is {shown(claims)}, the decisions "
                f"give {shown(expected)}"
            )


def _is(name: str, values: Any, row: int) -> str:
    return f"{name} is {shown(_plain(values[row]))}, which is impossible with these decisions"


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def unshown(problem: StoredProblem, given: Block, rows: Block | None, *, probed: bool) -> list[str]:
    """List the replays whose answer matches neither a finished trace nor a probe up to its stop.

    Only replays without probes are checked; or with `probed`, only replays with probes, which
    reads the pool's probes.
    """
    columns = given.columns
    found = []
    for row, (repeat, answer, text, probes) in enumerate(
        zip(*(columns[name].tolist() for name in ANSWERED), strict=True)
    ):
        if text is None or (probes > 0) != probed:
            continue
        if not _shown_there(problem, rows, repeat, answer, probed=probed):
            found.append(
                f"answers.parquet row {given.first_row + row}: {problem.pool.name}, problem "
                f"{problem.problem_id}, repeat {repeat}"
            )
    return found


def _shown_there(
    problem: StoredProblem, rows: Block | None, repeat: int, answer: int, *, probed: bool
) -> bool:
    """Check whether a trace of a repeat finished with this answer, or (`probed`) a probe has it."""
    if rows is None or answer == NO_ANSWER:
        return False
    start, end = np.searchsorted(rows.columns["repeat"], [repeat, repeat + 1]).tolist()
    place = np.searchsorted(problem.trace_ids, rows.columns["trace_id"][start:end])
    done = rows.columns["finished"][start:end]
    if (problem.answer_class[place][done] == answer).any():
        return True
    if not probed:
        return False
    stored = problem.probes
    reached = rows.columns["num_tokens"][start:end].tolist()
    for trace, tokens in zip(place.tolist(), reached, strict=True):
        here = slice(stored.offsets[trace], stored.offsets[trace + 1])
        if ((stored.answers[here] == answer) & (stored.positions[here] <= tokens)).any():
            return True
    return False


def _table(problem: StoredProblem, given: Block | None, again: dict[str, Array]) -> pa.Table:
    """Make the rows of a problem for `Totals`, from recomputed columns and claimed ones."""
    assert given is not None
    columns = {"problem_id": [problem.problem_id] * len(given)}
    claimed = [name for name in ("correct", *CLAIMED) if name in given.columns]
    columns |= {name: given.columns[name].tolist() for name in claimed}
    columns |= {name: values.tolist() for name, values in again.items()}
    types = dict.fromkeys(("purity", *AGREEMENT), pa.float64())
    types["clusters_correct"] = pa.bool_()
    return pa.table(
        {
            name: pa.array(
                [_plain(value) for value in values],
                type=types.get(name, pa.int64()) if name in CLUSTERED else None,
            )
            for name, values in columns.items()
        }
    )


def judge_ratio(submission: OpenRun, number: int) -> float | None:
    """Return the cost of a judge token as recorded in the run, None if it is recorded as unknown.

    The summary must have the same.
    """
    judge = submission.run.judge
    if judge is None:
        return 0.0
    ratios = judge.get("ratio")
    name = submission.run.pools[number].name
    ratio = ratios.get(name, math.nan) if isinstance(ratios, dict) else math.nan
    if ratio is None:
        return None
    if not finite(ratio) or not isinstance(ratio, int | float) or ratio < 0:
        raise Refused("run.json: the judge's ratio is missing or not a number")
    return ratio


def difference(given: Any, expected: Any, where: str) -> str:
    """Describe the first difference between two JSON values; empty if they are equal."""
    if isinstance(expected, dict) and isinstance(given, dict):
        for key in [*expected, *(key for key in given if key not in expected)]:
            place = f"{where}.{key}" if where else key
            if key not in given:
                return f"{place} is missing"
            if key not in expected:
                return f"{shown(place)} is not in a run's summary"
            if found := difference(given[key], expected[key], place):
                return found
        return ""
    if isinstance(expected, list) and isinstance(given, list) and len(given) == len(expected):
        places = enumerate(zip(given, expected, strict=True))
        each = (difference(one, two, f"{where}[{index}]") for index, (one, two) in places)
        return next(filter(None, each), "")
    if isinstance(expected, float) and finite(given):
        if abs(given - expected) <= TOLERANCE * max(1.0, abs(expected)):
            return ""
    elif type(given) is type(expected) and given == expected:
        return ""
    return f"{where} is {shown(given)}, recomputed {shown(expected)}"
