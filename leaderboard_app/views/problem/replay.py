"""One replay of an entry on one problem in one repeat, joined with the pool's traces."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from leaderboard_app.formulas.line import answer_lines
from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.library import Library
from leaderboard_app.library.pool_answers import readable
from leaderboard_app.shown.palette import NONE
from leaderboard_app.views.problem.kinds import Kind, kinds_of, shortened
from simulator.arrays import Bools, Floats, Ints
from simulator.catalogue.pool_rows import Row
from simulator.errors import UserError
from simulator.generated.cells import SIZES
from simulator.hub.registry import read_registry
from simulator.pools.pool import NO_ANSWER, Pool, StoredProblem
from simulator.pools.shipped import DATASET as SHIPPED
from simulator.replay.clusters.facts import numbered
from simulator.replay.orders import orders

UNKNOWN = "answers are not on this machine"


@dataclass(frozen=True, eq=False)
class Stored:
    """The traces behind a replay: `rows` of the problem, all N of the budget in its order, (N,).

    `given` is the class that the entry answered, −1 for none.
    """

    problem: StoredProblem
    rows: Ints
    given: int = NO_ANSWER

    @cached_property
    def answers(self) -> Ints:
        """Answer class of each trace of the budget, −1 for none, shape (N,)."""
        return self.problem.answer_class[self.rows].astype(np.int64)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Text of each answer class on a line, with formulas that fit on one in Unicode."""
        return answer_lines(self.problem.class_texts)

    @cached_property
    def lengths(self) -> Ints:
        """Full number of tokens of each trace, shape (N,)."""
        return self.problem.lengths[self.rows]

    @cached_property
    def kinds(self) -> tuple[tuple[Kind, ...], Ints]:
        """Kinds of answers, and the index of each class's kind; the last element is for −1."""
        return kinds_of(self.problem, self.given)

    def kind(self, answer_class: int) -> Kind:
        """Return the kind of an answer class."""
        kinds, kind_of = self.kinds
        return kinds[int(kind_of[answer_class])]


@dataclass(frozen=True, eq=False)
class Replay:
    """An entry's replay of one problem in one repeat.

    Arrays have one element per started trace, in order of start
    (`simulator.replay.recording.DECISIONS`). `answer` is the row of ANSWERS; `cluster` is None if
    no clusters are on record. `stored` is None if the pool's traces cannot be shown; `why` is the
    reason.
    """

    entry: Entry
    result: Result
    problem_id: str
    repeat: int
    answer: Row
    trace_id: Ints
    started: Floats
    ended: Floats
    num_tokens: Ints
    finished: Bools
    reason: tuple[str, ...]
    cluster: Ints | None
    stored: Stored | None
    why: str = ""

    @cached_property
    def decoded(self) -> Bools:
        """Mask of the traces with at least one decoded token."""
        return self.num_tokens > 0

    @cached_property
    def kinds(self) -> list[Kind]:
        """Kind of each started trace's answer; for a cut trace, of its answer in full."""
        if self.stored is None:
            return [Kind(UNKNOWN, NONE)] * len(self.trace_id)
        return [self.stored.kind(each) for each in self.stored.answers[: len(self.trace_id)]]

    @cached_property
    def full(self) -> Floats:
        """Clock at which each trace would have ended without being cut."""
        if self.stored is None:
            return self.ended
        rest = self.stored.lengths[: len(self.trace_id)] - self.num_tokens
        return self.ended + rest * self.step

    @cached_property
    def step(self) -> Floats:
        """Mean clock per token of each trace; 1 for traces that were not decoded."""
        lasted = np.maximum(self.ended - self.started, 0)
        return np.where(self.decoded, lasted / np.maximum(self.num_tokens, 1), 1.0)

    @property
    def clock_unit(self) -> str:
        """Unit of the clock, in words."""
        unit = self.result.clock_unit
        return "decode steps" if unit == "steps" else unit

    def has(self, signal: str) -> bool:
        """Return True if a signal of the traces is available, of probes all."""
        if self.stored is None:
            return False
        info = self.stored.problem.pool.info
        return signal in info.signals and not (signal == "probes" and info.unasked)

    def place(self, trace_id: int) -> int | None:
        """Return a trace's place in the order of start; None if it was not started."""
        places = np.flatnonzero(self.trace_id == trace_id)
        return int(places[0]) if len(places) else None


def find_result(entry: Entry, pool: str | None) -> Result | None:
    """Return the result on the pool named by a link, by name or column.

    Without a name, the first result; None if there is none.
    """
    found = (each for each in entry.results.values() if pool in (None, each.pool, each.column))
    return next(found, None)


def problems_of(library: Library, entry: Entry, result: Result) -> tuple[str, ...]:
    """Return the ids of the problems in an entry's answers, sorted."""
    sums = library.problem_sums(entry).get(result.pool)
    return sums.problem_ids if sums else ()


def read_replay(
    library: Library, entry: Entry, result: Result, problem_id: str, repeat: int
) -> Replay:
    """Read one replay.

    Raises
    ------
    UserError
        The entry has no such problem or repeat, or its files cannot be read.
    """
    where, key = "pool = ? AND problem_id = ? AND repeat = ?", (result.pool, problem_id, repeat)
    with readable(f"{entry.id}: its decisions"):
        answers = library.recorded(entry, "answers", where, *key)
        found = library.recorded(entry, "decisions", where, *key)
    rows = sorted(found, key=lambda row: int(row["order"]))
    if not answers:
        raise UserError(
            f"{entry.id} has no repeat {repeat} of problem {problem_id} of {result.pool}; "
            f"repeats are 0 to {entry.repeats - 1}"
        )
    columns: dict[str, list[Any]] = {
        name: [row[name] for row in rows]
        for name in ("trace_id", "started", "ended", "num_tokens", "finished", "stop_reason")
    }
    clusters = [row.get("cluster") for row in rows]
    ids = np.array(columns["trace_id"], dtype=np.int64)
    numbers = [answers[0]["clock"], *columns["started"], *columns["ended"]]
    if not np.isfinite(numbers).all() or min([0, *numbers, *columns["num_tokens"]]) < 0:
        raise UserError(f"{entry.id}: problem {problem_id} has invalid decisions; run it again")
    tokens = np.array(columns["num_tokens"], dtype=np.int64)
    stored, why = _stored(library, entry, result, answers[0], ids, tokens)
    return Replay(
        entry=entry,
        result=result,
        problem_id=problem_id,
        repeat=repeat,
        answer=answers[0],
        trace_id=ids,
        started=np.array(columns["started"], dtype=np.float64),
        ended=np.array(columns["ended"], dtype=np.float64),
        num_tokens=tokens,
        finished=np.array(columns["finished"], dtype=np.bool_),
        reason=tuple(columns["stop_reason"]),
        cluster=None if None in clusters or not rows else numbered(np.array(clusters)),
        stored=stored,
        why=why,
    )


def _stored(
    library: Library, entry: Entry, result: Result, answer: Row, ids: Ints, tokens: Ints
) -> tuple[Stored | None, str]:
    """Return the traces behind a replay, or the reason they cannot be shown."""
    problem_id, repeat = answer["problem_id"], answer["repeat"]
    pool = library.pool(result.pool)
    if pool is None:
        return None, (
            f"The pool {result.pool} is not on this machine, so answers, text and signals of its "
            "traces cannot be shown."
        )
    if pool.info.fingerprint != result.fingerprint:
        return None, (
            f"The pool {result.pool} on this machine is another version (fingerprint "
            f"{pool.info.fingerprint[:12]}, the entry used {(result.fingerprint or 'none')[:12]}), "
            "so its traces are not shown."
        )
    try:
        problem = problem_of(pool, problem_id)
    except UserError as error:
        return None, str(error)
    if problem is None:
        return None, f"The pool {result.pool} has no problem {problem_id}."
    key = int.from_bytes(hashlib.sha256(problem_id.encode()).digest()[:8])
    budget = min(result.budget, len(problem.lengths))
    (rows,) = orders(problem, budget, [repeat], entry.seed, key, result.charging)
    same = np.array_equal(problem.trace_ids[rows][: len(ids)], ids)
    if not same or (tokens > problem.lengths[rows][: len(ids)]).any():
        return None, (
            f"The traces of {entry.id} are not those that its seed draws from {result.pool}; see "
            "deepprune-sim verify."
        )
    return Stored(problem, rows, answer["answer_class"]), ""


@lru_cache(maxsize=2)
def problem_of(pool: Pool, problem_id: str) -> StoredProblem | None:
    """Return a problem of a pool; two are cached with their data, up to 100 MB each."""
    found = next((each for each in pool.problems if each.problem_id == problem_id), None)
    return found.fresh() if found else None


def commands_for(library: Library, result: Result, option: str = "") -> tuple[str, ...]:
    """Return the commands that fetch a result's pool; `option` names the folder of pools."""
    dataset, _, cell = result.pool.partition("/")
    if dataset == "generated":
        size = "paper" if result.budget > SIZES["small"].traces else "small"
        return (
            f"deepprune-sim data sample --size {size} --cell {shlex.quote(cell)} --replace{option}",
        )
    if dataset == SHIPPED:
        return (f"deepprune-sim data show {shlex.quote(result.pool)}{option}",)
    try:
        known = read_registry(library.folders.cache)
    except UserError:
        known = {}
    names = [name for name, each in known.items() if each.dataset == dataset]
    with_it = [
        name
        for name in names
        if cell in [f"{pool.model}/{pool.benchmark}" for pool in known[name].pools]
    ]
    names = with_it or names
    if names:
        return tuple(f"deepprune-sim data pull {shlex.quote(name)}{option}" for name in names)
    return (f"deepprune-sim data list --known{option}", "deepprune-sim import --help")


def counted(reasons: Mapping[str, int]) -> str:
    """Return counts of stop reasons, as `3 stopped by the policy, 2 …`, most common first."""
    ranked = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{count:,} {why_text(reason)}" for reason, count in ranked)


PROBES_AGREE = re.compile(r"ProbesAgree\((\d+)\)")
CONFIDENCE_BELOW = re.compile(r"GroupConfidenceBelow\(window=(\d+)\)")
"""Stop reasons of rules of the built-in methods (`simulator.rules.stop_rules`)."""


def why_text(reason: str) -> str:
    """Describe a stop reason of DECISIONS in words."""
    known = {
        "finished": "finished",
        "stopped": "stopped by the policy",
        "tokens": "still running when the policy answered",
        "first": "cut when enough others had finished",
        "unused": "never decoded",
    }
    if found := PROBES_AGREE.fullmatch(reason):
        return f"cut after {found[1]} equal probes"
    if found := CONFIDENCE_BELOW.fullmatch(reason):
        return f"cut by low confidence over {int(found[1]):,} tokens"
    return known.get(reason, f"cut by {shortened(reason, 60)}")
