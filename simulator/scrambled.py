"""Versions of a stored problem that a fair policy cannot tell from the original.

What a replay revealed stays; everything it did not (the rest of unfinished traces, all of those
never started) becomes something else. Or the answer classes get other numbers. Or signals go.
"""

from __future__ import annotations

from collections.abc import Set
from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from simulator.pool import Confidences, Probes, StoredProblem

Ints = npt.NDArray[np.int64]

PROBE_TOKENS = 500
"""Tokens between the made-up probes of a pool whose own are at no fixed interval."""

WORDS = ("so", "wait,", "thus", "since", "but", "no.", "then", "perhaps", "12", "x + 1", "\n\n")
"""What made-up text consists of: words that stop rules look for among them."""


@dataclass(frozen=True)
class Revealed:
    """What a replay revealed of each stored trace, shape (traces,).

    `tokens` are those generated, 0 for a trace that was never started; `finished` is whether it
    came to its own end, so that its length and its answer are known as well.
    """

    tokens: Ints
    finished: npt.NDArray[np.bool_]


def scrambled(
    problem: StoredProblem, revealed: Revealed, rng: np.random.Generator
) -> StoredProblem:
    """The problem with another future: lengths, answers, texts, confidences and probes to come.

    The gold answer, which nothing ever reveals, is another as well: what was right is wrong.
    """
    known = revealed.finished
    signals = problem.pool.info.signals
    lengths = np.where(known, problem.lengths, _longer(problem, revealed, rng))
    drawn = rng.integers(-1, len(problem.class_texts), len(lengths))
    answers = np.where(known, problem.answer_class, drawn).astype(np.int32)
    right = ~problem.class_correct
    other = replace(
        problem,
        gold_answer="another",
        lengths=lengths,
        answer_class=answers,
        class_correct=right,
        correct=np.append(right, False)[answers],
        prepared={},
    )
    made: dict[str, object] = {}
    if "text" in signals:
        made["texts"], made["token_ends"] = _texts(problem, lengths, revealed, rng)
    if "confidence" in signals:
        made["confidence"] = _confidences(problem, lengths, revealed, rng)
    if "probes" in signals:
        made["probes"] = _probes(problem, lengths, revealed, rng)
    vars(other).update(made)  # in place of what would be read from the pool
    return other


def relabelled(problem: StoredProblem, number: npt.NDArray[np.int32]) -> StoredProblem:
    """The problem with class c called `number[c]`; `number` is a permutation of the classes."""
    old = np.argsort(number)
    new = np.append(number, -1).astype(np.int32)  # the last one is for −1
    other = replace(
        problem,
        answer_class=new[problem.answer_class],
        class_texts=[problem.class_texts[c] for c in old.tolist()],
        class_correct=problem.class_correct[old],
        prepared={},
    )
    if "probes" in problem.pool.info.signals:
        probes = replace(problem.probes, answers=new[problem.probes.answers])
        vars(other).update(probes=probes)
    return other


def stripped(problem: StoredProblem, signals: Set[str]) -> StoredProblem:
    """The problem as a pool stores it that has only `signals`."""
    pool = copy(problem.pool)
    pool.info = replace(pool.info, signals=[s for s in pool.info.signals if s in signals])
    return replace(problem, pool=pool, prepared={})


def _longer(problem: StoredProblem, revealed: Revealed, rng: np.random.Generator) -> Ints:
    """Lengths beyond what was revealed, and other than the true ones."""
    typical = int(problem.lengths.mean())
    more: Ints = revealed.tokens + rng.integers(1, 2 * typical + 2, len(revealed.tokens))
    return np.where(more == problem.lengths, more + 1, more)


def _texts(
    problem: StoredProblem, lengths: Ints, revealed: Revealed, rng: np.random.Generator
) -> tuple[list[str], list[Ints]]:
    texts, all_ends = list(problem.texts), list(problem.token_ends)
    for row in np.flatnonzero(~revealed.finished).tolist():
        tokens = int(revealed.tokens[row])
        ends = all_ends[row][:tokens]
        start = int(ends[-1]) if tokens else 0
        words = [f" {WORDS[w]}" for w in rng.integers(len(WORDS), size=lengths[row] - tokens)]
        texts[row] = texts[row][:start] + "".join(words)
        all_ends[row] = np.append(ends, start + np.cumsum([len(word) for word in words]))
    return texts, all_ends


def _confidences(
    problem: StoredProblem, lengths: Ints, revealed: Revealed, rng: np.random.Generator
) -> Confidences:
    stored = problem.confidence
    highest = stored.values.max(initial=0)
    parts = []
    for row, length in enumerate(lengths.tolist()):
        begin = int(stored.offsets[row])
        known = length if revealed.finished[row] else int(revealed.tokens[row])
        level = highest * rng.random()  # of its own, so that groups of tokens differ as well
        new = (level * rng.random(length - known)).astype(stored.values.dtype)
        parts += [stored.values[begin : begin + known], new]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(stored.offsets.dtype)
    return Confidences(np.concatenate(parts), offsets)


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
        # Probes end early in real pools; what would have filled the gap is not made up.
        if kept < last // interval and stored.interval is not None:
            new = new[:0]
        positions.append(np.concatenate([stored.positions[here][:kept], new]))
        drawn = rng.integers(-1, len(problem.class_texts), len(new))
        answers.append(np.concatenate([stored.answers[here][:kept], drawn]).astype(np.int32))
    offsets = np.cumsum([0, *map(len, positions)])
    return Probes(offsets, np.concatenate(positions), np.concatenate(answers))
