"""What a policy drives: the sampler, and selections of the traces that it has started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from simulator.engine import Engine
from simulator.errors import SamplerError
from simulator.rules import StopRule

Ints = npt.NDArray[np.int64]


class Traces:
    """A selection of started traces, in order.

    `traces[2]` is one `Trace`; a slice, a boolean mask or a list of positions gives `Traces`.
    Every array has one element a trace and is a copy: shape (len(traces),).
    """

    __slots__ = ("_engine", "_index")

    def __init__(self, engine: Engine, index: Ints) -> None:
        self._engine = engine
        self._index = index

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[Trace]:
        return (Trace(self._engine, number) for number in self._index.tolist())

    @overload
    def __getitem__(self, key: int) -> Trace: ...
    @overload
    def __getitem__(self, key: slice | Sequence[Any] | npt.NDArray[Any]) -> Traces: ...
    def __getitem__(self, key: Any) -> Trace | Traces:
        if isinstance(key, int | np.integer):
            return Trace(self._engine, int(self._index[key]))
        if isinstance(key, slice):
            return Traces(self._engine, self._index[key])
        selector = np.asarray(key)
        if selector.size == 0:
            selector = selector.astype(np.int64)
        index = self._index[selector]
        if selector.dtype != np.bool_ and len(np.unique(index)) != len(index):
            raise SamplerError("a selection names a trace twice")
        return Traces(self._engine, index)

    def __add__(self, other: Traces | Trace) -> Traces:
        return Traces(self._engine, _index_of((self, other), self._engine))

    def __repr__(self) -> str:
        return (
            f"<{len(self)} traces, {int(self.finished.sum())} finished, "
            f"{int(self.num_tokens.sum())} tokens>"
        )

    @property
    def ids(self) -> Ints:
        """The traces' places in this repeat's order, counted from 0."""
        return self._index.copy()

    @property
    def num_tokens(self) -> Ints:
        """Tokens generated so far."""
        return self._engine.num_tokens[self._index]

    @property
    def finished(self) -> npt.NDArray[np.bool_]:
        """Whether each has come to its own end (its length limit included)."""
        return self._engine.finished[self._index]

    @property
    def stopped(self) -> npt.NDArray[np.bool_]:
        """Whether each was pruned by `sampler.stop`."""
        return self._engine.stopped[self._index]

    @property
    def answer(self) -> npt.NDArray[np.int32]:
        """The class of each final answer; −1 where there is none or the trace has not finished."""
        return self._engine.answer[self._index]

    @property
    def text(self) -> list[str]:
        """The text generated so far."""
        return [self._engine.text(number) for number in self._index.tolist()]

    def confidence(self, window: int | None = None) -> npt.NDArray[np.float64]:
        """Mean confidence of the last `window` tokens so far (of all: None); NaN before the first.

        The group confidence of arXiv 2508.15260, section 3.1, at the present token.
        """
        groups = [
            self._engine.confidence(number)[-window if window else None :]
            for number in self._index.tolist()
        ]
        return np.array([group.mean() if len(group) else np.nan for group in groups])


class Trace:
    """One started trace."""

    __slots__ = ("_engine", "id")

    def __init__(self, engine: Engine, number: int) -> None:
        self._engine = engine
        self.id = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and self._engine is other._engine and self.id == other.id

    def __hash__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        state = "finished" if self.finished else "unfinished"
        return f"<trace {self.id}, {state}, {self.num_tokens} tokens>"

    @property
    def num_tokens(self) -> int:
        """Tokens generated so far."""
        return int(self._engine.num_tokens[self.id])

    @property
    def finished(self) -> bool:
        """Whether it has come to its own end (its length limit included)."""
        return bool(self._engine.finished[self.id])

    @property
    def stopped(self) -> bool:
        """Whether it was pruned by `sampler.stop`."""
        return bool(self._engine.stopped[self.id])

    @property
    def answer(self) -> np.int32:
        """The class of its final answer; −1 where there is none or it has not finished."""
        return np.int32(self._engine.answer[self.id])

    @property
    def text(self) -> str:
        """The text generated so far."""
        return self._engine.text(self.id)

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """The confidences of its tokens so far, shape (num_tokens,)."""
        return self._engine.confidence(self.id)


Selection = Traces | Trace | Sequence[Trace]
"""Whatever names traces in a call of the sampler."""


class Sampler:
    """The virtual inference engine as a policy sees it.

    Attributes
    ----------
    budget
        How many traces may be started on this problem.
    """

    def __init__(self, engine: Engine, seed: Sequence[int]) -> None:
        self._engine = engine
        self._seed = seed
        self._rng: np.random.Generator | None = None
        self.budget = len(engine.order)

    @property
    def rng(self) -> np.random.Generator:
        """A random generator seeded by run, problem and repeat."""
        if self._rng is None:
            self._rng = np.random.default_rng(self._seed)
        return self._rng

    @property
    def tokens(self) -> int:
        """Tokens generated so far on all traces."""
        return int(self._engine.num_tokens.sum())

    @property
    def clock(self) -> float:
        """Decode steps so far (seconds, with a step-time curve)."""
        return self._engine.clock

    @property
    def probe_calls(self) -> int:
        """How many unfinished traces have been probed so far, each time counted."""
        return self._engine.probe_calls

    @property
    def traces(self) -> Traces:
        """All traces started so far."""
        return Traces(self._engine, self._engine.all_started)

    def start(self, n: int = 1) -> Traces:
        """Start the next `n` traces of this repeat's order; nothing is decoded yet.

        Raises
        ------
        BudgetExceeded
            More than `budget` in all.
        """
        return Traces(self._engine, self._engine.start(n))

    def decode(
        self,
        traces: Selection,
        tokens: int | None = None,
        until: StopRule | None = None,
        first: int | None = None,
    ) -> Traces:
        """Decode these traces together, each until it finishes or something below halts it.

        Traces that are not named stand still; one that has finished already is passed over.

        Parameters
        ----------
        traces
            What to decode.
        tokens
            At most so many tokens more on each.
        until
            A stop rule; a trace halts at the first token at which it holds (at once, with no token
            generated, if it holds already).
        first
            When so many of these traces have finished (before this call or in it), the others halt
            exactly where they are. Those that finish in the same decode step all count.

        Returns
        -------
        The traces that finished in this call, in the order named.

        Raises
        ------
        SamplerError
            A trace was stopped before, or is another problem's.
        """
        index = _index_of(traces, self._engine)
        return Traces(self._engine, self._engine.decode(index, tokens, until, first))

    def stop(self, traces: Selection) -> None:
        """Prune these traces: final, they cannot be decoded again."""
        self._engine.stop(_index_of(traces, self._engine))

    def probe(self, traces: Selection) -> npt.NDArray[np.int32]:
        """What each trace would answer if it were cut where it stands now.

        Answer classes, shape (len(traces),); −1 where it has none yet. A finished trace gives its
        final answer. Needs a pool with probes, and knows no more than the last stored probe.
        """
        return self._engine.probe(_index_of(traces, self._engine))


def _index_of(traces: Selection | tuple[Traces | Trace, ...], engine: Engine) -> Ints:
    if isinstance(traces, Traces):
        if traces._engine is not engine:
            raise SamplerError("these traces belong to another problem or repeat")
        return traces._index
    if isinstance(traces, Trace):
        traces = (traces,)
    numbers: list[int] = []
    for part in traces:
        if not isinstance(part, Trace | Traces):
            raise SamplerError(f"expected traces as sampler.start returns them, not {part!r:.60}")
        if part._engine is not engine:
            raise SamplerError("these traces belong to another problem or repeat")
        numbers.extend(part._index.tolist() if isinstance(part, Traces) else [part.id])
    if len(set(numbers)) != len(numbers):
        raise SamplerError("a selection names a trace twice")
    return np.array(numbers, dtype=np.int64)
