"""A problem whose traces are still being generated, in the form that a replay reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.answers.equivalence import equivalent
from simulator.arrays import Floats, Ints32
from simulator.live.source import Piece
from simulator.pools.pool import NO_ANSWER, Pool, PoolInfo, Probes, StoredProblem
from simulator.pools.token_signals.values import TokenValues
from simulator.rules.patterns import Automaton
from simulator.rules.stop_rules import TextRule
from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS, UNASKED


class LivePool(Pool):
    """The pool that recorded traces will make: its description, without files."""

    def __init__(self, info: PoolInfo) -> None:
        self.path = Path()
        self.info = info
        self.name = info.name
        self._open = {}


class GrowingArray:
    """An array that grows at its end; `values` has all of it, and `append` never copies often."""

    __slots__ = ("_held", "_size")

    def __init__(self, kind: npt.DTypeLike) -> None:
        self._held: npt.NDArray[Any] = np.empty(64, dtype=kind)
        self._size = 0

    @property
    def values(self) -> npt.NDArray[Any]:
        """The elements so far; later ones do not change it."""
        return self._held[: self._size]

    def append(self, more: npt.ArrayLike) -> None:
        added = np.asarray(more, dtype=self._held.dtype)
        size = self._size + len(added)
        if size > len(self._held):
            held = np.empty(max(size, 2 * len(self._held)), dtype=self._held.dtype)
            held[: self._size] = self.values
            self._held = held
        self._held[self._size : size] = added
        self._size = size


class GrowingProblem(StoredProblem):
    """One problem and the traces that have been generated so far, in the order of their rows.

    Attributes
    ----------
    finish_reasons, answers
        Reason for the end of each trace, and its final answer; None for one that has not ended.
    token_signals, probe_signals
        Names of its token signals, and of its probe signals.
    """

    ends_known = False

    def __init__(
        self,
        pool: Pool,
        problem_id: str,
        question: str | None,
        gold_answer: str,
        answer_kind: str,
        traces: int,
        probe_interval: int,
    ) -> None:
        super().__init__(
            pool=pool,
            index=0,
            problem_id=problem_id,
            question=question,
            gold_answer=gold_answer,
            answer_kind=answer_kind,
            trace_ids=np.arange(traces, dtype=np.int32),
            lengths=np.ones(traces, dtype=np.int64),
            ended=np.zeros(traces, dtype=np.bool_),
            answer_class=np.full(traces, NO_ANSWER, dtype=np.int32),
            correct=np.zeros(traces, dtype=np.bool_),
            answered=np.zeros(traces, dtype=np.bool_),
            class_texts=[],
            class_correct=np.zeros(0, dtype=np.bool_),
        )
        self.finish_reasons: list[str | None] = [None] * traces
        self.answers: list[str | None] = [None] * traces
        self.texts = [""] * traces
        self._ends = [GrowingArray(np.int64) for _ in range(traces)]
        self.token_ends = [ends.values for ends in self._ends]
        self.token_signals = [name for name in pool.info.signals if name in TOKEN_SIGNALS]
        self._signals = {
            name: [GrowingArray(np.uint16) for _ in range(traces)] for name in self.token_signals
        }
        self._ids = [GrowingArray(np.int32) for _ in range(traces)]
        self._probed: list[dict[int, int]] = [{} for _ in range(traces)]
        self.probe_signals = [name for name in pool.info.signals if name in PROBE_SIGNALS]
        self._told: dict[tuple[int, int], Mapping[str, float]] = {}
        self._probe_interval = probe_interval

    def extend(self, pieces: Sequence[Piece]) -> None:
        """Add what was generated of some traces."""
        available = self.available
        grown = set()
        for piece in pieces:
            row = piece.row
            grown.add(row)
            before = len(self.texts[row])
            self.texts[row] += piece.text
            self._ends[row].append(np.asarray(piece.ends, dtype=np.int64) + before)
            self.token_ends[row] = self._ends[row].values
            self._ids[row].append(piece.token_ids)
            for name, values in self._signals.items():
                values[row].append(piece.signals[name])
            available[row] += len(piece.ends)
            if piece.finish_reason is not None:
                self.ended[row] = True
                self.finish_reasons[row] = piece.finish_reason
        self.lengths = available + ~self.ended
        self._forget(grown)

    def _forget(self, grown: set[int]) -> None:
        """Forget what was worked out from shorter traces; readings of texts go on."""
        self.__dict__.pop("probes", None)
        for key in list(self.prepared):
            if isinstance(key, TextRule):
                for row in grown:
                    key.follow(self, row)
            elif not (isinstance(key, tuple) and key[0] is Automaton):
                del self.prepared[key]

    def token_ids(self, row: int) -> Ints32:
        """Return the tokens generated of a trace, shape (available,)."""
        ids: Ints32 = self._ids[row].values
        return ids

    def set_answer(self, row: int, answer: str | None, kind: int) -> None:
        """Set the final answer of a trace that has ended, and its class."""
        self.answers[row] = answer
        self.answered[row] = answer is not None
        self.answer_class[row] = kind
        self.correct[row] = kind != NO_ANSWER and self.class_correct[kind]

    def set_probes(
        self,
        places: Sequence[tuple[int, int]],
        kinds: Sequence[int],
        told: Sequence[Mapping[str, float]],
    ) -> None:
        """Add probes of traces at numbers of tokens: the classes they gave, and their signals."""
        for (row, tokens), kind, signals in zip(places, kinds, told, strict=True):
            self._probed[row][tokens] = kind
            self._told[row, tokens] = signals
        self._forget(set())

    def is_probed(self, row: int, tokens: int) -> bool:
        """Check whether the answer of a probe is known."""
        return tokens in self._probed[row]

    def probed(self, row: int, tokens: int) -> int:
        """Return the class that a probe gave."""
        return self._probed[row][tokens]

    def class_text(self, kind: int) -> str | None:
        """Return the first answer of a class; None for no answer."""
        return None if kind == NO_ANSWER else self.class_texts[kind]

    def class_of(self, answer: str | None) -> int:
        """Return the class of an answer, a new one if no earlier answer means the same.

        Classes are numbered in the order in which their first answers came.
        """
        if answer is None:
            return NO_ANSWER
        for kind, text in enumerate(self.class_texts):
            if text == answer or equivalent(self.answer_kind, text, answer):
                return kind
        right = self._is_right(answer)
        if right and self.class_correct.any():
            return int(np.argmax(self.class_correct))
        return self._add_class(answer, right)

    def name_class(self, kind: int, answer: str | None) -> None:
        """Give a class of a recording its first answer; raise ValueError if one is left out."""
        if kind == len(self.class_texts) and answer is not None:
            self._add_class(answer, self._is_right(answer))
        elif not NO_ANSWER <= kind < len(self.class_texts):
            raise ValueError(f"class {kind} after {len(self.class_texts)}")

    def _is_right(self, answer: str) -> bool:
        return bool(self.gold_answer) and equivalent(self.answer_kind, self.gold_answer, answer)

    def _add_class(self, answer: str, right: bool) -> int:
        self.class_texts.append(answer)
        self.class_correct = np.append(self.class_correct, right)
        return len(self.class_texts) - 1

    @cached_property
    def probes(self) -> Probes:
        """Answers of each trace at the multiples of the interval; `UNASKED` where none is known."""
        interval = self._probe_interval
        counts = ((self.lengths - 1) // interval).tolist()
        places = [range(interval, count * interval + 1, interval) for count in counts]
        answers = [
            probed.get(place, UNASKED)
            for probed, of_trace in zip(self._probed, places, strict=True)
            for place in of_trace
        ]
        return Probes(
            offsets=np.cumsum([0, *counts]),
            positions=np.array([*chain.from_iterable(places)], dtype=np.int64),
            answers=np.array(answers, dtype=np.int32),
        )

    def _read_token_signal(self, name: str) -> TokenValues:
        parts = [values.values for values in self._signals[name]]
        return TokenValues.held(np.concatenate(parts), np.cumsum([0, *map(len, parts)]))

    def _read_probe_signal(self, name: str) -> Floats:
        probes = self.probes
        rows = np.repeat(np.arange(len(probes.counts)), probes.counts).tolist()
        places = zip(rows, probes.positions.tolist(), strict=True)
        nothing: dict[str, float] = {}
        return np.array([self._told.get(place, nothing).get(name, np.nan) for place in places])
