"""The sampler, which a policy drives, and selections of started traces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from simulator.arrays import Array, Bools, Floats, Ints, Ints32
from simulator.errors import ANSWERED, BudgetExceeded, SamplerError
from simulator.policy.visible import VisibleEngine
from simulator.rules.stop_rules import NEVER, StopRule, check_rule
from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS, unknown_probe_signal, unknown_signal


class Traces:
    """A selection of started traces, in order.

    `traces[2]` is one `Trace`; a slice, a boolean mask or a list of positions gives `Traces`.
    `a + b` joins two selections without a common trace; `a - b`, `a & b` and `a | b` are the traces
    of `a` that are not in `b`, those in both, and those of `a`, then the others of `b`. All keep
    the order. Every array has one element per trace, shape (len(traces),), and is a copy.
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
    def __getitem__(self, key: slice | Sequence[Any] | Array) -> Traces: ...
    def __getitem__(self, key: Any) -> Trace | Traces:
        if isinstance(key, bool | np.bool_):
            raise SamplerError(f"traces[{key}]: a mask needs one element for each trace")
        if isinstance(key, int | np.integer):
            return Trace(self._engine, int(self._index[key]))
        if isinstance(key, slice):
            return Traces(self._engine, self._index[key])
        selector = np.asarray(key)
        if selector.size == 0:
            selector = selector.astype(np.int64)
        index = self._index[selector]
        if selector.dtype != np.bool_ and len(np.unique(index)) != len(index):
            raise SamplerError("a selection contains a trace twice")
        return Traces(self._engine, index)

    def __add__(self, other: Traces | Trace) -> Traces:
        return Traces(self._engine, _index_of((self, other), self._engine))

    def __sub__(self, other: Traces | Trace) -> Traces:
        return Traces(self._engine, self._index[~self._shared(other)])

    def __and__(self, other: Traces | Trace) -> Traces:
        return Traces(self._engine, self._index[self._shared(other)])

    def __or__(self, other: Traces | Trace) -> Traces:
        others = Traces(self._engine, _index_of((other,), self._engine))
        return self + (others - self)

    def _shared(self, other: Traces | Trace) -> Bools:
        """Return True for each trace that the other selection has as well."""
        return np.isin(self._index, _index_of((other,), self._engine))

    def __repr__(self) -> str:
        return (
            f"<{len(self)} traces, {int(self.finished.sum())} finished, "
            f"{int(self.num_tokens.sum())} tokens>"
        )

    @property
    def ids(self) -> Ints:
        """Positions of the traces in this repeat's order, from 0."""
        return self._index.copy()

    @property
    def num_tokens(self) -> Ints:
        """Tokens generated so far."""
        return self._engine.num_tokens[self._index]

    @property
    def finished(self) -> Bools:
        """True for each trace that has reached its own end or its length limit."""
        return self._engine.finished[self._index]

    @property
    def finished_at(self) -> Floats:
        """Clock reading at which each trace finished, as `sampler.clock`; NaN for unfinished ones.

        Traces that finish in the same decode step have the same reading.
        `traces[traces.finished_at.argsort(kind="stable")]` is in the order of finishing, unfinished
        traces last.
        """
        return _open(self._engine).finished_at(self._index)

    @property
    def stopped(self) -> Bools:
        """True for each trace that was pruned by `sampler.stop`."""
        return self._engine.stopped[self._index]

    @property
    def answer(self) -> Ints32:
        """Class of each final answer; −1 if there is none or the trace is unfinished."""
        return self._engine.answer[self._index]

    @property
    def text(self) -> list[str]:
        """Text generated so far."""
        return _open(self._engine).texts(self._index)

    def mean(self, signal: str, window: int | None = None) -> Floats:
        """Return the mean of a token signal over the last `window` tokens so far (None: all).

        This and the next two methods return NaN before the first token, and raise SamplerError for
        an unknown signal, one that the pool does not store, or a window below 1.
        """
        if window is not None:
            window = _whole(f"mean({signal!r:.60}, window={window})", window, least=1)
        return _open(self._engine).mean_signal(_known(signal), self._index, window)

    def lowest(self, signal: str, window: int = 2048) -> Floats:
        """Return the lowest group of a token signal so far.

        A group is any `window` consecutive tokens, and its value their mean. With fewer tokens, it
        is the mean over all.
        """
        window = _whole(f"lowest({signal!r:.60}, window={window})", window, least=1)
        return _open(self._engine).lowest_signal(_known(signal), self._index, window)

    def bottom(self, signal: str, share: float = 0.1, window: int = 2048) -> Floats:
        """Return the mean of the lowest `share` of groups of a token signal so far.

        At least one group counts. With fewer than `window` tokens, it is the mean over all.
        """
        window = _whole(f"bottom({signal!r:.60}, window={window})", window, least=1)
        if not isinstance(share, float | int | np.floating) or not 0 < share <= 1:
            raise SamplerError(f"bottom({signal!r:.60}, share={share}): give a share in (0, 1]")
        return _open(self._engine).bottom_signal(_known(signal), self._index, float(share), window)

    def confidence(self, window: int | None = None) -> Floats:
        """Return `mean("confidence", window)`.

        At a trace's end, these are the trace measures "mean" and, with a window, "tail" of arXiv
        2508.15260, section 3.1.
        """
        return self.mean("confidence", window)

    def lowest_confidence(self, window: int = 2048) -> Floats:
        """Return `lowest("confidence", window)` ("lowest group" in arXiv 2508.15260, 3.1)."""
        return self.lowest("confidence", window)

    def bottom_confidence(self, share: float = 0.1, window: int = 2048) -> Floats:
        """Return `bottom("confidence", share, window)` ("bottom 10%" in arXiv 2508.15260, 3.1)."""
        return self.bottom("confidence", share, window)

    def probed(self, signal: str) -> Floats:
        """Return a probe signal of the last probe that `sampler.probe` asked of each trace.

        It comes with the probe's answer and costs nothing more. NaN for a trace of which no probe
        was asked before it finished, or none was stored up to there, and where the number is not
        known. Probes that stop rules read tell none.

        Raises
        ------
        SamplerError
            An unknown signal, or one that the pool does not store.
        """
        if signal not in tuple(PROBE_SIGNALS):
            raise SamplerError(unknown_probe_signal(signal))
        return _open(self._engine).probed(signal, self._index)


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
        """True if the trace has reached its own end or its length limit."""
        return bool(self._engine.finished[self.id])

    @property
    def finished_at(self) -> float:
        """Clock reading at which it finished; NaN if it is unfinished."""
        return float(_open(self._engine).finished_at(np.array([self.id]))[0])

    @property
    def stopped(self) -> bool:
        """True if the trace was pruned by `sampler.stop`."""
        return bool(self._engine.stopped[self.id])

    @property
    def answer(self) -> np.int32:
        """Class of the final answer; −1 if there is none or the trace is unfinished."""
        return np.int32(self._engine.answer[self.id])

    @property
    def text(self) -> str:
        """Text generated so far."""
        return _open(self._engine).texts(np.array([self.id]))[0]

    @property
    def confidence(self) -> Floats:
        """Confidences of the tokens so far, shape (num_tokens,)."""
        return self.signal("confidence")

    def signal(self, name: str) -> Floats:
        """Return a token signal of the tokens so far, shape (num_tokens,)."""
        return _open(self._engine).token_signal(_known(name), self.id)


Selection = Traces | Trace | Sequence[Trace]
"""Types accepted as traces by the sampler's methods."""


class Sampler:
    """The virtual inference engine as a policy sees it.

    Attributes
    ----------
    budget
        Number of traces that may be started on this problem.

    Parameters
    ----------
    engine
        The engine that it drives.
    words
        Numbers that `rng` follows from.
    """

    def __init__(self, engine: VisibleEngine, words: Sequence[int]) -> None:
        self._engine = engine
        self._words = tuple(words)
        self._rng: np.random.Generator | None = None
        self.budget = engine.budget

    @property
    def rng(self) -> np.random.Generator:
        """Random generator: the same numbers for every problem of a repeat. It cannot spawn."""
        if self._rng is None:
            from simulator.policy.random_numbers import generator  # loads numpy.random, for 9 ms

            self._rng = generator(self._words)
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
        """Number of probes of unfinished traces so far, those that stop rules read among them."""
        return _open(self._engine).probe_calls

    @property
    def probe_tokens(self) -> int:
        """Tokens that these probes have cost so far: suffixes read and answers generated."""
        return _open(self._engine).probe_tokens

    @property
    def judge_calls(self) -> int:
        """Number of different pairs judged so far; judging a pair again is free."""
        return _open(self._engine).judge_calls

    @property
    def judge_tokens(self) -> int:
        """Tokens that the judge has computed so far, its own tokens."""
        return _open(self._engine).judge_tokens

    @property
    def traces(self) -> Traces:
        """All traces started so far."""
        return Traces(self._engine, self._engine.all_started)

    def start(self, n: int = 1) -> Traces:
        """Start the next `n` traces of this repeat's order, without decoding them.

        Raises
        ------
        BudgetExceeded
            More than `budget` traces in total.
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
        tokens: npt.ArrayLike | None = None,
        until: StopRule | None = None,
        first: int | None = None,
    ) -> Traces:
        """Decode these traces together, each until it finishes or a condition below halts it.

        Other traces are not decoded; finished ones are skipped.

        Parameters
        ----------
        traces
            Traces to decode.
        tokens
            Maximum number of tokens to add to each: one whole number, or one for each of these
            traces, shape (n,).
        until
            A stop rule; a trace halts at the first token at which it holds (at once, without a new
            token, if it holds already).
        first
            When this many of these traces have finished (before or in this call), the others halt
            exactly where they are. Traces that finish in the same decode step all count.

        Returns
        -------
        The traces that finished in this call, in the order given.

        Raises
        ------
        SamplerError
            A trace was stopped before, or belongs to another problem.
        """
        index = _index_of(traces, self._engine)
        if tokens is not None:
            tokens = _tokens_of(tokens, len(index))
        if first is not None:
            first = _whole(f"decode(first={first})", first, least=1)
        if until is not None:
            check_rule(until)
        return Traces(self._engine, _open(self._engine).decode(index, tokens, until, first))

    def stop(self, traces: Selection) -> None:
        """Prune these traces; they cannot be decoded again."""
        _open(self._engine).stop(_index_of(traces, self._engine))

    def probe(self, traces: Selection) -> Ints32:
        """Return the answer that each trace would give if it were cut now.

        Answer classes, shape (len(traces),); −1 for no answer yet. A finished trace gives its final
        answer. Needs a pool with probes, and returns the last stored probe. `Traces.probed` tells
        how certain its answer was, where the pool has that.

        Each probe of an unfinished trace costs `probe_tokens`, also if it is repeated, and all
        traces of a call are probed together: the clock advances by the tokens of one answer.
        """
        return _open(self._engine).probe(_index_of(traces, self._engine))

    def judge(self, pairs: npt.ArrayLike) -> Floats:
        """Return P(same final answer) of pairs of traces, from their prefixes so far.

        Parameters
        ----------
        pairs
            Ids of started traces from `Traces.ids`, shape (n, 2). The order within a pair does not
            matter, and judging a pair again costs nothing.

        Returns
        -------
        Probabilities, shape (n,), from the run's judge (`--judge`). It reads prefixes truncated at
        a fixed point; each trace must be decoded exactly to that point, or have finished before.

        Raises
        ------
        SamplerError
            Invalid pairs; traces that are not at the truncation point; a run without a judge.
        """
        numbers = np.asarray(pairs)
        if numbers.ndim != 2 or numbers.shape[1] != 2 or numbers.dtype.kind not in "iu":
            raise SamplerError("judge: give pairs of trace ids as an array of shape (n, 2)")
        return _open(self._engine).judge(numbers.astype(np.int64))

    def declare_clusters(self, clusters: npt.ArrayLike) -> None:
        """Record the policy's clusters: traces that it expects to reach the same answer.

        Give one whole number for each trace started so far, −1 for a trace in no cluster. This has
        no effect on the policy. The run records the number of clusters, how well they agree with
        the final answers, and the cost of keeping one full trace of each.
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
    """Return the engine; raise `SamplerError` if its problem has been answered already."""
    if engine.answered:
        raise SamplerError(ANSWERED)
    return engine


def _known(signal: str) -> str:
    """Return the name of a token signal; raise `SamplerError` if there is none of that name."""
    if signal not in tuple(TOKEN_SIGNALS):
        raise SamplerError(unknown_signal(signal))
    return signal


def _whole(call: str, number: object, *, least: int) -> int:
    """Check `number` and return it as an int that fits into the engine's arrays."""
    if not isinstance(number, int | np.integer) or number < least:
        raise SamplerError(f"{call}: give a whole number of {least} or more")
    return min(int(number), NEVER)


def _tokens_of(tokens: Any, traces: int) -> int | Ints:
    """Check the tokens of a decode: one number for all of its traces, or one for each."""
    if isinstance(tokens, int):
        return _whole(f"decode(tokens={tokens})", tokens, least=0)
    try:
        numbers = np.asarray(tokens)
    except ValueError:  # lists of several lengths
        numbers = np.empty((0, 0))
    if not numbers.ndim:
        return _whole(f"decode(tokens={tokens})", tokens, least=0)
    if not numbers.size:
        numbers = numbers.astype(np.int64)
    if numbers.shape != (traces,) or numbers.dtype.kind not in "iu" or (numbers < 0).any():
        raise SamplerError(
            "decode(tokens=…): give a whole number of 0 or more, or an array of one for each of "
            f"the {traces} traces"
        )
    each: Ints = np.minimum(numbers.astype(np.uint64), NEVER).astype(np.int64)
    return each


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
            raise SamplerError(f"expected traces from sampler.start, not {part!r:.60}")
        if part._engine is not engine:
            raise SamplerError("these traces belong to another problem or repeat")
        numbers.extend(part._index.tolist() if isinstance(part, Traces) else [part.id])
    if len(set(numbers)) != len(numbers):
        raise SamplerError("a selection contains a trace twice")
    return np.array(numbers, dtype=np.int64)
