"""Conformance checks: the rules that a policy must keep for its figures to be valid.

Each check replays a policy on a few problems, changes something that a fair policy cannot know or
must not depend on, replays it again and compares the decisions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from simulator.arrays import Array, Floats, Ints, Ints32
from simulator.conformance.variants import Revealed, relabelled, scrambled, stripped
from simulator.errors import PolicyError
from simulator.isolation import host
from simulator.isolation.process import PolicyProcess
from simulator.loading import LoadedPolicy
from simulator.pools.pool import StoredProblem
from simulator.replay.judging import TokensRead
from simulator.replay.recording import Replayed
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving

CHECKS = {
    "runs": "answers every problem",
    "requires": "declares the signals it uses",
    "budget": "works with any budget",
    "determinism": "decides the same when replayed with the same seed",
    "memory": "keeps no state between problems and repeats",
    "look-ahead": "does not depend on data that is not revealed yet",
    "labels": "treats answer classes as names, not as numbers",
}
"""Checks, in the order in which they run, and what a policy that passes does."""

COMPARED = ("runs", "determinism", "memory")
"""Checks that must pass before a comparison of replays means anything."""

UNCOMPARED = ("requires", "budget")
"""Checks that compare no replays: they only test that the policy runs."""

SCRAMBLES = 2
"""Number of scrambled futures that each replay is tried with."""

AHEAD = 2
"""Number of processes started ahead of use. A check takes between a third of the time of a start
and all of it."""

TIES = (2, 4)
"""Budgets at which answers often tie."""


class PolicyRunner(Protocol):
    """A policy that can be replayed, in a process or instance of its own."""

    def __call__(self, problem: StoredProblem, *, repeat: int, budget: int) -> Replayed:
        """Replay one problem in one repeat.

        Raises
        ------
        PolicyError
            The policy raised or gave no answer.
        """


class MadeUpJudge:
    """A judge whose scores depend on nothing but the two prefixes."""

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        """Return a pseudo-random number for each pair; as `ReplayJudge`."""
        both = np.sort(pairs * 1_000_003 + num_tokens, axis=1)
        drawn = [np.random.default_rng(pair).random() for pair in both.tolist()]
        return np.array(drawn, dtype=np.float64)

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        """Return one token per pair."""
        return TokensRead(len(pairs), len(pairs), len(pairs))


FreshRunner = Callable[[], AbstractContextManager[PolicyRunner]]
"""Function that returns a runner of a policy that has no state yet."""


@dataclass(frozen=True)
class Case:
    """A problem in a repeat, with a budget."""

    problem: StoredProblem
    repeat: int
    budget: int


Found = Iterator[tuple[Case, str]]
"""Failures of a check: the case and a description. Only the first is used."""


@dataclass(frozen=True)
class Finding:
    """Result of one check: the case where it failed, or the reason why it did not run."""

    check: str
    passed: bool
    detail: str = ""
    case: Case | None = None
    skipped: str = ""


def check_policy(
    fresh: FreshRunner, requires: frozenset[str], cases: Sequence[Case], only: str | None = None
) -> Iterator[Finding]:
    """Run the checks on a policy, and yield the finding of each as it is made.

    Parameters
    ----------
    fresh
        Returns a runner of the policy without state.
    requires
        The signals that the policy declares.
    cases
        The problems to replay; their pools have every signal that is to be checked.
    only
        The only check to report; the checks that it depends on run, too.
    """
    base: dict[int, Replayed] = {}
    failed: set[str] = set()
    checks: dict[str, Callable[[], Found]] = {
        "runs": lambda: _runs(fresh, cases, base),
        "determinism": lambda: _determinism(fresh, cases, base),
        "memory": lambda: _memory(fresh, cases, base),
        "requires": lambda: _requires(fresh, cases, requires),
        "budget": lambda: _budget(fresh, cases),
        "look-ahead": lambda: _look_ahead(fresh, cases, base),
        "labels": lambda: _labels(fresh, cases, base),
    }
    for name in CHECKS:
        if only is not None and name not in (only, *COMPARED):
            continue
        missing = [check for check in COMPARED if check in failed]
        if missing and name not in UNCOMPARED:
            yield Finding(name, False, skipped=f"cannot be judged before {missing[0]!r} passes")
            continue
        case, detail = next(checks[name](), (None, ""))
        if case is not None:
            failed.add(name)
        if only in (None, name) or case is not None:
            yield Finding(name, case is None, detail, case)


def fresh_runners(loaded: LoadedPolicy, *, seed: int) -> FreshRunner:
    """Return a function that makes runners without state; those of a file have a new process.

    A policy that requires a judge gets a `MadeUpJudge`.
    """
    judge = MadeUpJudge() if "judge" in loaded.policy.requires else None
    ahead: deque[PolicyProcess | None] = deque()  # they start while another runs

    @contextmanager
    def runner() -> Iterator[PolicyRunner]:
        while len(ahead) <= AHEAD:
            ahead.append(host.begun(loaded))
        process = ahead.popleft()
        with host.fresh(loaded, process) as again:

            def run(problem: StoredProblem, *, repeat: int, budget: int) -> Replayed:
                return replay(
                    again,
                    problem,
                    budget=budget,
                    repeats=range(repeat, repeat + 1),
                    seed=seed,
                    serving=Serving(None, ()),
                    judge=judge,
                )

            yield run

    return runner


def choose_cases(
    problems: Sequence[StoredProblem], budget: int, *, problem_count: int, repeats: range
) -> list[Case]:
    """Choose cases of a pool: the problems with most distinct answers, and as many of the rest.

    If all traces give one answer, many mistakes make no difference.
    """
    by_answers = sorted(problems, key=lambda p: -len(np.unique(p.answer_class)))
    count = min(problem_count, len(problems))
    most, rest = by_answers[: (count + 1) // 2], by_answers[(count + 1) // 2 :]
    step = max(1, len(rest) // max(1, count - len(most)))
    chosen = [*most, *rest[::step]][:count]
    return [
        Case(problem, repeat, min(budget, len(problem.lengths)))
        for problem in chosen
        for repeat in repeats
    ]


def _replay(runner: PolicyRunner, case: Case, problem: StoredProblem | None = None) -> Replayed:
    return runner(problem or case.problem, repeat=case.repeat, budget=case.budget)


def _runs(fresh: FreshRunner, cases: Sequence[Case], base: dict[int, Replayed]) -> Found:
    """Replay all cases in one process, as a start costs more than most replays: see `_memory`."""
    with fresh() as runner:
        for number, case in enumerate(cases):
            try:
                base[number] = _replay_or_anew(runner, case, fresh)
            except PolicyError as error:
                yield case, str(error)


def _replay_or_anew(runner: PolicyRunner, case: Case, fresh: FreshRunner) -> Replayed:
    """Replay a case, in a new process if it fails: failures due to kept state are `_memory`'s."""
    try:
        return _replay(runner, case)
    except PolicyError:
        with fresh() as other:
            return _replay(other, case)


def _requires(fresh: FreshRunner, cases: Sequence[Case], requires: frozenset[str]) -> Found:
    with fresh() as runner:
        for case in cases:
            try:
                _replay(runner, case, stripped(case.problem, requires))
            except PolicyError as error:
                needs = ", ".join(sorted(requires)) or "none"
                yield case, f"on a pool with the signals it declares ({needs}): {error}"


def _budget(fresh: FreshRunner, cases: Sequence[Case]) -> Found:
    with fresh() as runner:
        for case in cases:
            for budget in sorted({1, 2, 3, case.budget // 2, case.budget}):
                if 0 < budget <= case.budget:
                    smaller = replace(case, budget=budget)
                    try:
                        _replay(runner, smaller)
                    except PolicyError as error:
                        yield smaller, f"with a budget of {budget}: {error}"


def _determinism(fresh: FreshRunner, cases: Sequence[Case], base: dict[int, Replayed]) -> Found:
    """Replay again in the order of `_runs`, so that kept state, if any, is the same."""
    with fresh() as runner:
        for number, case in enumerate(cases):
            try:
                found = difference(base[number], _replay_or_anew(runner, case, fresh))
            except PolicyError as error:
                found = str(error)
            if found:
                yield case, f"replayed again, {found}"


def _memory(fresh: FreshRunner, cases: Sequence[Case], base: dict[int, Replayed]) -> Found:
    """Replay backwards, so that each case follows others than in `_runs`, and forwards again.

    Kept state may make a difference only after a while.
    """
    numbered = list(enumerate(cases))
    with fresh() as runner:
        for number, case in (*reversed(numbered), *numbered):
            yield from _compared(runner, case, base[number], "after other problems and repeats")


def _look_ahead(fresh: FreshRunner, cases: Sequence[Case], base: dict[int, Replayed]) -> Found:
    when = "with other data after what it had seen"
    with fresh() as runner:
        for number, case in enumerate(cases):
            revealed = revealed_by(base[number], case.problem)
            for attempt in range(SCRAMBLES):
                other = scrambled(case.problem, revealed, np.random.default_rng(attempt))
                yield from _compared(runner, case, base[number], when, other)


def _labels(fresh: FreshRunner, cases: Sequence[Case], base: dict[int, Replayed]) -> Found:
    """Renumber the answer classes; small budgets as well, as their many ties expose numbers."""
    when = "with the answer classes numbered in another way"
    with fresh() as runner:
        for number, case in enumerate(cases):
            classes = np.arange(len(case.problem.class_texts), dtype=np.int32)
            for budget in (*TIES, case.budget):
                smaller = replace(case, budget=min(budget, case.budget))
                try:
                    first = base[number] if smaller == case else _replay(runner, smaller)
                except PolicyError:  # reported by the check of budgets
                    continue
                for names in (
                    classes[::-1],
                    np.random.default_rng(case.repeat).permutation(classes),
                ):
                    other = relabelled(case.problem, names)
                    yield from _compared(runner, smaller, first, when, other, names)


def revealed_by(replayed: Replayed, problem: StoredProblem) -> Revealed:
    """Return what a replay of one repeat revealed of each stored trace."""
    decisions = replayed.decisions
    rows = np.searchsorted(problem.trace_ids, decisions["trace_id"].to_numpy())
    tokens = np.zeros(len(problem.lengths), dtype=np.int64)
    finished = np.zeros(len(problem.lengths), dtype=np.bool_)
    tokens[rows] = decisions["num_tokens"].to_numpy()
    finished[rows] = decisions["finished"].to_numpy()
    return Revealed(tokens, finished)


def _compared(
    runner: PolicyRunner,
    case: Case,
    base: Replayed,
    when: str,
    problem: StoredProblem | None = None,
    names: Ints32 | None = None,
) -> Found:
    try:
        other = _replay(runner, case, problem)
    except PolicyError as error:
        yield case, f"{when}: {error}"
        return
    found = difference(base, other, names)
    if found:
        yield case, f"{when}, {found}"


def difference(base: Replayed, other: Replayed, names: Ints32 | None = None) -> str:
    """Describe the first difference between two replays of one problem; empty if there is none.

    `names` gives the class that each class of `base` has in `other`.
    """
    before, after = base.decisions, other.decisions
    size = min(len(before), len(after))
    differs = np.zeros(size, dtype=np.bool_)
    for name in before.column_names:
        differs |= _plain(before[name])[:size] != _plain(after[name])[:size]
    if differs.any():
        row = int(differs.argmax())
        one, two = (rows.slice(row, 1).to_pylist()[0] for rows in (before, after))
        return f"trace {one['order']} {_did(two)}, where it {_did(one)}"
    if len(before) != len(after):
        return f"it started {len(after)} traces, not {len(before)}"
    first, second = base.answers.to_pylist()[0], other.answers.to_pylist()[0]
    if names is not None and first["answer_class"] >= 0:
        first["answer_class"] = int(names[first["answer_class"]])
    for name in ("answer", "answer_class", "tokens", "probe_calls", "judge_calls", "clock"):
        if first[name] != second[name]:
            return f"its {name.replace('_', ' ')} is {second[name]!r:.60}, not {first[name]!r:.60}"
    return ""


def _plain(column: pa.ChunkedArray) -> Array:
    """Convert a column to an array that can be compared: labels as texts, nulls as None."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    plain: Array = column.to_numpy()
    return plain if not column.null_count else np.array(column.to_pylist(), dtype=object)


def _did(decision: dict[str, Any]) -> str:
    """Describe the outcome of a trace in words."""
    if decision["stop_reason"] == "unused":
        return "was never decoded"
    how = {"finished": "finished", "stopped": "was pruned"}.get(
        decision["stop_reason"], f"halted ({decision['stop_reason']})"
    )
    when = f", decoded from {decision['started']:g} to {decision['ended']:g} on the clock"
    return f"{how} with {decision['num_tokens']} tokens{when}"
