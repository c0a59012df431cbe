"""Conformance of policies: what every method must keep to for its figures to mean anything.

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
import numpy.typing as npt
import pyarrow as pa

from simulator.conformance.variants import Revealed, relabelled, scrambled, stripped
from simulator.errors import PolicyError
from simulator.isolation import host
from simulator.isolation.process import PolicyProcess
from simulator.loading import LoadedPolicy
from simulator.pools.pool import StoredProblem
from simulator.replay.recording import Replayed
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving

Classes = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CHECKS = {
    "runs": "answers every problem",
    "requires": "declares the signals it uses",
    "budget": "keeps to whatever budget it is given",
    "determinism": "decides the same when replayed with the same seed",
    "memory": "remembers nothing of other problems and repeats",
    "look-ahead": "decides the same whatever is not revealed yet",
    "labels": "treats answer classes as names, not as numbers",
}
"""Every check, in the order in which they are made, and what it is that a policy does."""

COMPARED = ("runs", "determinism", "memory")
"""Without these, comparing one replay with another says nothing."""

UNCOMPARED = ("requires", "budget")
"""These only ask whether it runs."""

SCRAMBLES = 2
"""How many other futures each replay is tried with."""

AHEAD = 2
"""How many processes are being started while one plays: a check takes less time than starting one,
and more than a third."""

TIES = (2, 4)
"""Budgets with which answers often tie."""


class Player(Protocol):
    """A policy that can be replayed, in a process or instance of its own."""

    def __call__(self, problem: StoredProblem, *, repeat: int, budget: int) -> Replayed:
        """Replay one problem in one repeat.

        Raises
        ------
        PolicyError
            The policy raised or gave no answer.
        """


class MadeUpJudge:
    """Scores that follow from which prefixes are compared, and from nothing else."""

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        """A number for each pair that looks random; as `simulator.replay.judging.ReplayJudge`."""
        both = np.sort(pairs * 1_000_003 + num_tokens, axis=1)
        drawn = [np.random.default_rng(pair).random() for pair in both.tolist()]
        return np.array(drawn, dtype=np.float64)

    def tokens_read(self, problem: StoredProblem, pairs: Ints) -> tuple[int, int]:
        """One token a pair."""
        return len(pairs), len(pairs)


FreshPlayer = Callable[[], AbstractContextManager[Player]]
"""Gives a policy that has seen nothing yet."""


@dataclass(frozen=True)
class Case:
    """A problem in a repeat, with what the policy may start."""

    problem: StoredProblem
    repeat: int
    budget: int


Found = Iterator[tuple[Case, str]]
"""Where a check fails, and how; the first is enough."""


@dataclass(frozen=True)
class Finding:
    """What came of one check: where it failed, or why it was not made."""

    check: str
    passed: bool
    detail: str = ""
    case: Case | None = None
    skipped: str = ""


def check_policy(
    fresh: FreshPlayer, requires: frozenset[str], cases: Sequence[Case], only: str | None = None
) -> Iterator[Finding]:
    """Put a policy through the checks, one finding each, as they are made.

    Parameters
    ----------
    fresh
        Gives the policy anew.
    requires
        The signals it declares.
    cases
        What to replay; their pools have every signal that they are to be checked with.
    only
        The one check to report; those that it rests on are made, too.
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


def fresh_players(loaded: LoadedPolicy, *, seed: int) -> FreshPlayer:
    """Players of a policy, each of which has seen nothing yet: a file's in a new process.

    One that declares to need a judge is given one that makes its scores up.
    """
    judge = MadeUpJudge() if "judge" in loaded.policy.requires else None
    ahead: deque[PolicyProcess | None] = deque()  # they start while one plays

    @contextmanager
    def player() -> Iterator[Player]:
        while len(ahead) <= AHEAD:
            ahead.append(host.begun(loaded))
        process = ahead.popleft()
        with host.fresh(loaded, process) as again:

            def play(problem: StoredProblem, *, repeat: int, budget: int) -> Replayed:
                return replay(
                    again,
                    problem,
                    budget=budget,
                    repeats=range(repeat, repeat + 1),
                    seed=seed,
                    serving=Serving(None, ()),
                    judge=judge,
                )

            yield play

    return player


def choose_cases(
    problems: Sequence[StoredProblem], budget: int, *, problem_count: int, repeats: range
) -> list[Case]:
    """Cases of a pool: the problems whose traces disagree most, and as many spread over the rest.

    Where all traces give one answer, many a mistake makes no difference.
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


def _play(player: Player, case: Case, problem: StoredProblem | None = None) -> Replayed:
    return player(problem or case.problem, repeat=case.repeat, budget=case.budget)


def _runs(fresh: FreshPlayer, cases: Sequence[Case], base: dict[int, Replayed]) -> Found:
    """All in one process, as starting one costs more than most replays: see `_memory`."""
    with fresh() as player:
        for number, case in enumerate(cases):
            try:
                base[number] = _play_or_anew(player, case, fresh)
            except PolicyError as error:
                yield case, str(error)


def _play_or_anew(player: Player, case: Case, fresh: FreshPlayer) -> Replayed:
    """Where it fails only after other replays, that is for `_memory` to tell."""
    try:
        return _play(player, case)
    except PolicyError:
        with fresh() as other:
            return _play(other, case)


def _requires(fresh: FreshPlayer, cases: Sequence[Case], requires: frozenset[str]) -> Found:
    with fresh() as player:
        for case in cases:
            try:
                _play(player, case, stripped(case.problem, requires))
            except PolicyError as error:
                needs = ", ".join(sorted(requires)) or "none"
                yield case, f"on a pool with the signals it declares ({needs}): {error}"


def _budget(fresh: FreshPlayer, cases: Sequence[Case]) -> Found:
    with fresh() as player:
        for case in cases:
            for budget in sorted({1, 2, 3, case.budget // 2, case.budget}):
                if 0 < budget <= case.budget:
                    smaller = replace(case, budget=budget)
                    try:
                        _play(player, smaller)
                    except PolicyError as error:
                        yield smaller, f"with a budget of {budget}: {error}"


def _determinism(fresh: FreshPlayer, cases: Sequence[Case], base: dict[int, Replayed]) -> Found:
    """In the order of `_runs`: what it remembers, which is for `_memory`, is then the same."""
    with fresh() as player:
        for number, case in enumerate(cases):
            try:
                found = difference(base[number], _play_or_anew(player, case, fresh))
            except PolicyError as error:
                found = str(error)
            if found:
                yield case, f"replayed again, {found}"


def _memory(fresh: FreshPlayer, cases: Sequence[Case], base: dict[int, Replayed]) -> Found:
    """Backwards, so that each case comes after others than in `_runs`, and forwards again.

    What it keeps may tell only after a while.
    """
    numbered = list(enumerate(cases))
    with fresh() as player:
        for number, case in (*reversed(numbered), *numbered):
            yield from _compared(player, case, base[number], "after other problems and repeats")


def _look_ahead(fresh: FreshPlayer, cases: Sequence[Case], base: dict[int, Replayed]) -> Found:
    when = "with another future of what it had not seen"
    with fresh() as player:
        for number, case in enumerate(cases):
            revealed = revealed_by(base[number], case.problem)
            for attempt in range(SCRAMBLES):
                other = scrambled(case.problem, revealed, np.random.default_rng(attempt))
                yield from _compared(player, case, base[number], when, other)


def _labels(fresh: FreshPlayer, cases: Sequence[Case], base: dict[int, Replayed]) -> Found:
    """Small budgets as well: ties, which is where numbers get in, are common there."""
    when = "with the answer classes numbered in another way"
    with fresh() as player:
        for number, case in enumerate(cases):
            classes = np.arange(len(case.problem.class_texts), dtype=np.int32)
            for budget in (*TIES, case.budget):
                smaller = replace(case, budget=min(budget, case.budget))
                try:
                    first = base[number] if smaller == case else _play(player, smaller)
                except PolicyError:  # the check of budgets tells
                    continue
                for names in (
                    classes[::-1],
                    np.random.default_rng(case.repeat).permutation(classes),
                ):
                    other = relabelled(case.problem, names)
                    yield from _compared(player, smaller, first, when, other, names)


def revealed_by(replayed: Replayed, problem: StoredProblem) -> Revealed:
    """What a replay of one repeat revealed of each stored trace."""
    decisions = replayed.decisions
    rows = np.searchsorted(problem.trace_ids, decisions["trace_id"].to_numpy())
    tokens = np.zeros(len(problem.lengths), dtype=np.int64)
    finished = np.zeros(len(problem.lengths), dtype=np.bool_)
    tokens[rows] = decisions["num_tokens"].to_numpy()
    finished[rows] = decisions["finished"].to_numpy()
    return Revealed(tokens, finished)


def _compared(
    player: Player,
    case: Case,
    base: Replayed,
    when: str,
    problem: StoredProblem | None = None,
    names: Classes | None = None,
) -> Found:
    try:
        other = _play(player, case, problem)
    except PolicyError as error:
        yield case, f"{when}: {error}"
        return
    found = difference(base, other, names)
    if found:
        yield case, f"{when}, {found}"


def difference(base: Replayed, other: Replayed, names: Classes | None = None) -> str:
    """The first difference between two replays of one problem in one repeat; empty where none is.

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


def _plain(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column as an array that can be compared: labels as texts, nulls as None."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    plain: npt.NDArray[Any] = column.to_numpy()
    return plain if not column.null_count else np.array(column.to_pylist(), dtype=object)


def _did(decision: dict[str, Any]) -> str:
    """What became of a trace, in words."""
    if decision["stop_reason"] == "unused":
        return "was never decoded"
    how = {"finished": "finished", "stopped": "was pruned"}.get(
        decision["stop_reason"], f"halted ({decision['stop_reason']})"
    )
    when = f", decoded from {decision['started']:g} to {decision['ended']:g} on the clock"
    return f"{how} with {decision['num_tokens']} tokens{when}"
