"""What a policy drives: the sampler, and selections of the traces that it has started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from simulator.errors import ANSWERED, BudgetExceeded, SamplerError
from simulator.policy.visible import VisibleEngine
from simulator.rules.stop_rules import NEVER, StopRule, check_rule

Ints = npt.NDArray[np.int64]


class Traces:
    """A selection of started traces, in order.

    `traces[2]` is one `Trace`; a slice, a boolean mask or a list of positions gives `Traces`.
    Every array has one element a trace and is a copy: shape (len(traces),).
    """

    __slots__ = ("_engine", "_index")

    def __init__(self, engine: VisibleEngine, index: Ints) -> None:
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
        if isinstance(key, bool | np.bool_):
            raise SamplerError(f"traces[{key}]: a mask has one element for each trace")
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
        return _open(self._engine).texts(self._index)

    def confidence(self, window: int | None = None) -> npt.NDArray[np.float64]:
        """Mean confidence of the last `window` tokens so far (of all: None).

        At a trace's end these are the trace measures "mean" and, with a window, "tail" of arXiv
        2508.15260, section 3.1. This and the two below are NaN before the first token; a window
        below 1 is a SamplerError.
        """
        if window is not None:
            window = _whole(f"confidence(window={window})", window, least=1)
        return _open(self._engine).mean_confidence(self._index, window)

    def lowest_confidence(self, window: int = 2048) -> npt.NDArray[np.float64]:
        """The lowest group confidence so far (arXiv 2508.15260, section 3.1).

        A group is the last `window` tokens at any moment; the mean where fewer exist yet.
        """
        window = _whole(f"lowest_confidence(window={window})", window, least=1)
        return _open(self._engine).lowest_confidence(self._index, window)

    def bottom_confidence(self, share: float = 0.1, window: int = 2048) -> npt.NDArray[np.float64]:
        """Mean of the lowest `share` of groups so far, at least one ("bottom 10%" in the paper).

        The mean where fewer than `window` tokens exist yet.
        """
        window = _whole(f"bottom_confidence(window={window})", window, least=1)
        if not isinstance(share, float | int | np.floating) or not 0 < share <= 1:
            raise SamplerError(f"bottom_confidence(share={share}): give a share in (0, 1]")
        return _open(self._engine).bottom_confidence(self._index, float(share), window)


class Trace:
    """One started trace."""

    __slots__ = ("_engine", "id")

    def __init__(self, engine: VisibleEngine, number: int) -> None:
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
        return _open(self._engine).texts(np.array([self.id]))[0]

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """The confidences of its tokens so far, shape (num_tokens,)."""
        return _open(self._engine).confidence(self.id)


Selection = Traces | Trace | Sequence[Trace]
"""Whatever names traces in a call of the sampler."""


class Sampler:
    """The virtual inference engine as a policy sees it.

    Attributes
    ----------
    budget
        How many traces may be started on this problem.
    """

    def __init__(self, engine: VisibleEngine, seed: Sequence[int]) -> None:
        self._engine = engine
        self._seed = seed
        self._rng: np.random.Generator | None = None
        self.budget = engine.budget

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
        return _open(self._engine).clock

    @property
    def probe_calls(self) -> int:
        """How many unfinished traces have been probed so far, each time counted."""
        return _open(self._engine).probe_calls

    @property
    def judge_calls(self) -> int:
        """How many pairs the judge has been asked for; asking again of the same is free."""
        return _open(self._engine).judge_calls

    @property
    def judge_tokens(self) -> int:
        """Tokens that the judge has read so far, both prefixes of every pair counted in full."""
        return _open(self._engine).judge_tokens

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
        n = _whole(f"start({n})", n, least=0)
        engine = _open(self._engine)
        started = len(engine.all_started)
        if started + n > self.budget:
            raise BudgetExceeded(
                f"start({n}) after {started} traces exceeds the budget of {self.budget}"
            )
        return Traces(engine, engine.start(n))

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
        if tokens is not None:
            tokens = _whole(f"decode(tokens={tokens})", tokens, least=0)
        if first is not None:
            first = _whole(f"decode(first={first})", first, least=1)
        if until is not None:
            check_rule(until)
        return Traces(self._engine, _open(self._engine).decode(index, tokens, until, first))

    def stop(self, traces: Selection) -> None:
        """Prune these traces: final, they cannot be decoded again."""
        _open(self._engine).stop(_index_of(traces, self._engine))

    def probe(self, traces: Selection) -> npt.NDArray[np.int32]:
        """What each trace would answer if it were cut where it stands now.

        Answer classes, shape (len(traces),); −1 where it has none yet. A finished trace gives its
        final answer. Needs a pool with probes, and knows no more than the last stored probe.
        """
        return _open(self._engine).probe(_index_of(traces, self._engine))

    def judge(self, pairs: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """P(same final answer) of pairs of traces, as their prefixes stand now.

        Parameters
        ----------
        pairs
            Ids of started traces as `Traces.ids` gives them, shape (n, 2). Either order of a pair
            is the same question, and a question asked again costs nothing.

        Returns
        -------
        Probabilities, shape (n,). They are the run's judge's (`--judge`), which reads prefixes cut
        at one place; the traces must stand there, or have finished before it.

        Raises
        ------
        SamplerError
            Not such pairs; traces that stand elsewhere than where the judge cuts; no judge.
        """
        numbers = np.asarray(pairs)
        if numbers.ndim != 2 or numbers.shape[1] != 2 or numbers.dtype.kind not in "iu":
            raise SamplerError("judge: give pairs of trace ids as an array of shape (n, 2)")
        return _open(self._engine).judge(numbers.astype(np.int64))

    def declare_clusters(self, clusters: npt.ArrayLike) -> None:
        """Say which traces the policy takes to end in the same answer, for the run's record.

        One whole number for each trace started so far, −1 for one in no cluster. It changes
        nothing for the policy, which is not told what the clusters are worth: the run has how many
        there are, how pure they are, and what keeping one full trace of each would have cost.
        """
        numbers = np.asarray(clusters)
        started = len(self._engine.all_started)
        if numbers.shape != (started,) or numbers.dtype.kind not in "iu":
            raise SamplerError(
                f"declare_clusters: give one whole number for each of the {started} traces "
                "started, -1 for one in no cluster"
            )
        _open(self._engine).declare_clusters(numbers.astype(np.int64))


def _open(engine: VisibleEngine) -> VisibleEngine:
    """The engine, unless its problem has been answered: then nothing more is told or done."""
    if engine.answered:
        raise SamplerError(ANSWERED)
    return engine


def _whole(call: str, number: int, *, least: int) -> int:
    """`number` as an int that fits into the engine's arrays."""
    if not isinstance(number, int | np.integer) or number < least:
        raise SamplerError(f"{call}: give a whole number of {least} or more")
    return min(int(number), NEVER)


def _index_of(traces: Selection | tuple[Traces | Trace, ...], engine: VisibleEngine) -> Ints:
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
