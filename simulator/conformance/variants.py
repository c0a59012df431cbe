"""Modified versions of a stored problem on which a fair policy must decide the same.

Either data that a replay did not reveal is replaced (the rest of unfinished traces, all of traces
never started), or answer classes are renumbered, or signals are removed.
"""

from __future__ import annotations

from collections.abc import Set
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from simulator.arrays import Bools, Floats, Ints, Ints32
from simulator.pools.pool import Probes, StoredProblem
from simulator.pools.token_signals.values import TokenValues

PROBE_TOKENS = 500
"""Tokens between made-up probes, if the pool's own have no fixed interval."""

WORDS = ("so", "wait,", "thus", "since", "but", "no.", "then", "perhaps", "12", "x + 1", "\n\n")
"""Words of made-up text; some of them are words that stop rules look for."""


@dataclass(frozen=True)
class Revealed:
    """Data that a replay revealed of each stored trace, shape (traces,).

    `tokens` are the tokens generated, 0 for a trace that was never started. `finished` is True for
    a trace that reached its end, so that its length and answer are known.
    """

    tokens: Ints
    finished: Bools


@dataclass(eq=False, kw_only=True)
class _Derived(StoredProblem):
    """A problem derived from another, whose signals it shares."""

    original: StoredProblem

    @cached_property
    def texts(self) -> list[str]:
        return self.original.texts

    @cached_property
    def token_ends(self) -> list[Ints]:
        return self.original.token_ends

    def _read_token_signal(self, name: str) -> TokenValues:
        return self.original.token_signal(name)

    @cached_property
    def probes(self) -> Probes:
        return self.original.probes

    def _read_probe_signal(self, name: str) -> Floats:
        return self.original.probe_signal(name)


def _with(problem: StoredProblem, **changed: Any) -> dict[str, Any]:
    """Return the fields for a problem derived from this one, with those in `changed` replaced."""
    same = {each.name: getattr(problem, each.name) for each in fields(StoredProblem)}
    return {**same, "prepared": {}, "original": problem, **changed}


@dataclass(eq=False, kw_only=True)
class _Scrambled(_Derived):
    """A problem with a made-up future; each signal is generated on first use.

    A signal depends only on `seed`, not on the use of others.
    """

    revealed: Revealed
    seed: int

    @cached_property
    def texts(self) -> list[str]:
        return self._texts_and_ends[0]

    @cached_property
    def token_ends(self) -> list[Ints]:
        return self._texts_and_ends[1]

    def _read_token_signal(self, name: str) -> TokenValues:
        stored = self.original.token_signal(name)
        return _token_values(stored, self.lengths, self.revealed, self._rng(name))

    @cached_property
    def probes(self) -> Probes:
        return _probes(self.original, self.lengths, self.revealed, self._rng("probes"))

    def _read_probe_signal(self, name: str) -> Floats:
        return _probe_values(self.original, self.probes, self.revealed, name, self._rng(name))

    @cached_property
    def _texts_and_ends(self) -> tuple[list[str], list[Ints]]:
        return _texts(self.original, self.lengths, self.revealed, self._rng("text"))

    def _rng(self, signal: str) -> np.random.Generator:
        return np.random.default_rng((self.seed, *signal.encode()))


def scrambled(
    problem: StoredProblem, revealed: Revealed, rng: np.random.Generator
) -> StoredProblem:
    """Replace the future of a problem: later lengths, answers, texts, token signals and probes.

    The gold answer, which is never revealed, changes too: correct classes become wrong ones.
    """
    known = revealed.finished
    lengths = np.where(known, problem.lengths, _longer(problem, revealed, rng))
    drawn = rng.integers(-1, len(problem.class_texts), len(lengths))
    answers = np.where(known, problem.answer_class, drawn).astype(np.int32)
    right = ~problem.class_correct
    other = _with(
        problem,
        gold_answer="another",
        lengths=lengths,
        answer_class=answers,
        class_correct=right,
        correct=np.append(right, False)[answers],
    )
    return _Scrambled(**other, revealed=revealed, seed=int(rng.integers(2**63)))


@dataclass(eq=False, kw_only=True)
class _Relabelled(_Derived):
    """A problem with class c renumbered to `number[c]`; the last element, −1, is for no answer."""

    number: Ints32

    @cached_property
    def probes(self) -> Probes:
        probes = self.original.probes
        return replace(probes, answers=self.number[probes.answers])


def relabelled(problem: StoredProblem, number: Ints32) -> StoredProblem:
    """Renumber class c of a problem to `number[c]`; `number` is a permutation of the classes."""
    old = np.argsort(number)
    new = np.append(number, -1).astype(np.int32)
    other = _with(
        problem,
        answer_class=new[problem.answer_class],
        class_texts=[problem.class_texts[c] for c in old.tolist()],
        class_correct=problem.class_correct[old],
    )
    return _Relabelled(**other, number=new)


def stripped(problem: StoredProblem, signals: Set[str]) -> StoredProblem:
    """Return the problem as it would be in a pool with only `signals`."""
    pool = copy(problem.pool)
    pool.info = replace(pool.info, signals=[s for s in pool.info.signals if s in signals])
    return _Derived(**_with(problem, pool=pool))


def with_question(problem: StoredProblem, question: str | None) -> StoredProblem:
    """Return the problem with another question."""
    return _Derived(**_with(problem, question=question))


def _longer(problem: StoredProblem, revealed: Revealed, rng: np.random.Generator) -> Ints:
    """Draw lengths that exceed the revealed tokens and differ from the true lengths."""
    typical = int(problem.lengths.mean())
    more: Ints = revealed.tokens + rng.integers(1, 2 * typical + 2, len(revealed.tokens))
    return np.where(more == problem.lengths, more + 1, more)


def _texts(
    problem: StoredProblem, lengths: Ints, revealed: Revealed, rng: np.random.Generator
) -> tuple[list[str], list[Ints]]:
    texts, all_ends = list(problem.texts), list(problem.token_ends)
    most = int((lengths - revealed.tokens).max(initial=0))
    words = np.array([f" {word}" for word in WORDS], dtype=object)
    drawn = words[rng.integers(len(WORDS), size=2 * most)].tolist()
    made = "".join(drawn)  # each trace gets a part
    stops = np.cumsum([0, *map(len, drawn)])
    for row in np.flatnonzero(~revealed.finished).tolist():
        tokens = int(revealed.tokens[row])
        ends = all_ends[row][:tokens]
        start = int(ends[-1]) if tokens else 0
        first = int(rng.integers(most + 1))
        here = stops[first : first + int(lengths[row]) - tokens + 1]
        texts[row] = texts[row][:start] + made[int(here[0]) : int(here[-1])]
        all_ends[row] = np.append(ends, start + here[1:] - here[0])
    return texts, all_ends


def _token_values(
    stored: TokenValues, lengths: Ints, revealed: Revealed, rng: np.random.Generator
) -> TokenValues:
    highest = max(values.max(initial=0) for values in stored)
    most = int((lengths - revealed.tokens).max(initial=0))
    made = rng.random(2 * most, dtype=np.float32)  # each trace gets a part
    parts = []
    for row, length in enumerate(lengths.tolist()):
        known = length if revealed.finished[row] else int(revealed.tokens[row])
        level = highest * rng.random(dtype=np.float32)  # differs between traces, so groups differ
        first = int(rng.integers(most + 1))
        new = level * made[first : first + length - known]
        parts += [stored.stored(row, known), new.astype(stored.dtype)]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return TokenValues.held(np.concatenate(parts), offsets)


def _probes(
    problem: StoredProblem, lengths: Ints, revealed: Revealed, rng: np.random.Generator
) -> Probes:
    stored = problem.probes
    interval = stored.interval or PROBE_TOKENS
    positions, answers = [], []
    for row, length in enumerate(lengths.tolist()):
        here = slice(stored.offsets[row], stored.offsets[row + 1])
        if revealed.finished[row]:
            positions.append(stored.positions[here])
            answers.append(stored.answers[here])
            continue
        tokens = int(revealed.tokens[row])
        kept = int(np.searchsorted(stored.positions[here], tokens, side="right"))
        last = tokens // interval * interval
        new = np.arange(last + interval, length + 1, interval)
        # Probes end early in real pools; the gap is not filled.
        if kept < last // interval and stored.interval is not None:
            new = new[:0]
        positions.append(np.concatenate([stored.positions[here][:kept], new]))
        drawn = rng.integers(-1, len(problem.class_texts), len(new))
        answers.append(np.concatenate([stored.answers[here][:kept], drawn]).astype(np.int32))
    offsets = np.cumsum([0, *map(len, positions)])
    return Probes(offsets, np.concatenate(positions), np.concatenate(answers))


def _probe_values(
    problem: StoredProblem,
    probes: Probes,
    revealed: Revealed,
    name: str,
    rng: np.random.Generator,
) -> Floats:
    """Return a probe signal for other probes: the stored numbers of those that are revealed."""
    stored = problem.probe_signal(name)
    highest = float(np.nanmax(stored, initial=0.0))
    values = highest * rng.random(len(probes.positions), dtype=np.float32).astype(np.float64)
    for row, start in enumerate(probes.offsets[:-1].tolist()):
        first = int(problem.probes.offsets[row])
        kept = int(problem.probes.counts[row])
        if not revealed.finished[row]:
            last = first + kept
            positions = problem.probes.positions[first:last]
            kept = int(np.searchsorted(positions, revealed.tokens[row], side="right"))
        values[start : start + kept] = stored[first : first + kept]
    return values
