"""Recording of a replay: the rows of `decisions.parquet` and `answers.parquet`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from simulator.arrays import Array, Bools, Floats, Ints, Ints32
from simulator.arrow import arrow_array
from simulator.counting import GENERATED, Charging
from simulator.pools.charging import charged
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.replay.batch.played import Played, Repeats, Tally
from simulator.replay.clusters.facts import cluster_facts, numbered
from simulator.replay.judging import TokensRead

if TYPE_CHECKING:
    from simulator.replay.engine import Decode, Engine


_LABEL = pa.dictionary(pa.int32(), pa.string())

DECISIONS = pa.schema(
    [
        pa.field("pool", _LABEL, nullable=False),
        pa.field("problem_id", _LABEL, nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("trace_id", pa.int32(), nullable=False),
        pa.field("order", pa.int32(), nullable=False),
        pa.field("started", pa.float64(), nullable=False),
        pa.field("ended", pa.float64(), nullable=False),
        pa.field("num_tokens", pa.int32(), nullable=False),
        pa.field("finished", pa.bool_(), nullable=False),
        pa.field("stop_reason", _LABEL, nullable=False),
        pa.field("cluster", pa.int32()),
    ]
)
"""Columns of `decisions.parquet`; a row is a started trace.

`started` and `ended` are clock readings before the trace's first step and after its last; both are
0 for a trace that was never decoded. `stop_reason` is `finished`, `stopped` (by the policy),
`unused` (never decoded), or else the reason that halted its last decode (`tokens`, `first`, or a
stop rule). `cluster` is the trace's cluster (`numbered`), −1 for none; null if the policy declared
no clusters.
"""

ANSWERS = pa.schema(
    [
        pa.field("pool", _LABEL, nullable=False),
        pa.field("problem_id", _LABEL, nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("answer", pa.string()),
        pa.field("answer_class", pa.int32(), nullable=False),
        pa.field("correct", pa.bool_(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("probe_calls", pa.int64(), nullable=False),
        pa.field("judge_calls", pa.int64(), nullable=False),
        pa.field("judge_tokens", pa.int64(), nullable=False),
        pa.field("clock", pa.float64(), nullable=False),
        pa.field("traces_started", pa.int32(), nullable=False),
        pa.field("kept_classes", pa.int32(), nullable=False),
        pa.field("kept_correct", pa.bool_(), nullable=False),
        pa.field("baseline_correct", pa.bool_(), nullable=False),
        pa.field("baseline_tokens", pa.int64(), nullable=False),
        pa.field("budget_classes", pa.int32(), nullable=False),
        pa.field("budget_correct", pa.bool_(), nullable=False),
        pa.field("judge_tokens_reused", pa.int64(), nullable=False),
        pa.field("clusters", pa.int32()),
        pa.field("purity", pa.float64()),
        pa.field("tokens_kept", pa.int64()),
        pa.field("clusters_classes", pa.int32()),
        pa.field("clusters_correct", pa.bool_()),
        pa.field("probe_tokens", pa.int64(), nullable=False),
        pa.field("judge_tokens_charged", pa.int64(), nullable=False),
        pa.field("completeness", pa.float64()),
        pa.field("adjusted_rand", pa.float64()),
        pa.field("savable", pa.float64()),
    ]
)
"""Columns of `answers.parquet`; a row is one problem in one repeat.

`kept_*` describe the finished traces: their number of answer classes, and True if one of them is
correct. `budget_*` are the same for all N traces of the budget, finished or not, so
`kept_classes` of `budget_classes` were kept. `baseline_*` are cons@N, with N the budget, on the
same traces in the same order.

`tokens` are those generated on traces, or as charged (`simulator.pools.charging`). `probe_calls`
counts the probes of unfinished traces, those that stop rules read among them, and `probe_tokens`
the tokens that they read and generated.

The three counts of `judge_tokens` are those of `simulator.replay.judging.TokensRead`. The columns
of CLUSTERED describe the clusters that the policy declared (`simulator.replay.clusters.facts`),
null if it declared none.
"""

AGREEMENT = ("completeness", "adjusted_rand", "savable")

CLUSTERED = (
    *("clusters", "purity", "tokens_kept", "clusters_classes", "clusters_correct"),
    *AGREEMENT,
)
"""Columns of ANSWERS about clusters, in the order of `ClusterFacts`."""

JUDGED = ("judge_tokens_charged", *AGREEMENT)
"""Columns that came together."""

OF_ENDS = (
    *("baseline_correct", "baseline_tokens", "budget_classes", "budget_correct"),
    *CLUSTERED,
)
"""Columns of ANSWERS that depend on how traces end; left out where some are unfinished."""

_WITHOUT_ENDS = pa.schema([field for field in ANSWERS if field.name not in OF_ENDS])

ADDED = (
    *("budget_classes", "budget_correct", "judge_tokens_reused", *CLUSTERED, "cluster"),
    *("probe_tokens", "judge_tokens_charged"),
)
"""Columns that older runs lack; readers accept runs without them."""

FIRST_REASONS = ("unused", "stopped", "finished")
"""Values of `stop_reason` that every table of decisions names, before those of stop rules."""

UNDECLARED = -2
"""Placeholder for a null of `cluster`, until the table is built."""

AT_ONCE = 32
"""Number of repeats converted to columns together: efficient in numpy, and small in memory."""

MOST_LOGGED = 100_000
"""Number of logged decodes beyond which repeats are converted earlier."""


def answers_schema(ends_known: bool) -> pa.Schema:
    """Return the columns of `answers.parquet`, those without the ends of unfinished traces."""
    return ANSWERS if ends_known else _WITHOUT_ENDS


@dataclass(frozen=True)
class GradedAnswer:
    """A policy's graded answer: text (None: no answer), class (−1: none known), and grade."""

    text: str | None
    answer_class: int
    correct: bool


@dataclass(frozen=True)
class Replayed:
    """Record of a policy on one problem in several repeats: tables of DECISIONS and ANSWERS.

    `rule_halts` counts the halts by each kind of stop rule that the policy gave.
    """

    decisions: pa.Table
    answers: pa.Table
    rule_halts: Mapping[str, int] = field(default_factory=dict)


class Recorder:
    """A recorder of one problem's repeats, which it converts to tables.

    `charging` says which tokens the answers count; the decisions have those generated.
    """

    def __init__(self, problem: StoredProblem, charging: Charging = GENERATED) -> None:
        self._problem = problem
        self._charging = charging
        self._labels = {name: number for number, name in enumerate(FIRST_REASONS)}
        self._waiting: list[tuple[int, Engine, GradedAnswer]] = []
        self._logged = 0
        self._decisions: list[list[Array]] = []
        self._answers: list[list[Any]] = []
        self._rule_halts: dict[str, int] = {}

    def add(self, repeat: int, engine: Engine, answer: GradedAnswer) -> None:
        """Record a repeat after the policy's answer."""
        if engine.judging is not None:
            engine.judging.close()  # many engines wait here
        add_halts(self._rule_halts, engine.rule_halts)
        self._waiting.append((repeat, engine, answer))
        self._logged += len(engine.log)
        if len(self._waiting) == AT_ONCE or self._logged > MOST_LOGGED:
            self._put_into_columns()

    def add_played(self, repeats: Repeats, played: Played) -> None:
        """Record repeats that were played together."""
        problem, numbers = self._problem, repeats.numbers
        add_halts(self._rule_halts, played.rule_halts)
        num_tokens, budget = played.num_tokens, repeats.order.shape[1]
        finished = num_tokens == repeats.lengths
        halted_by = [played.halted_by] if isinstance(played.halted_by, str) else played.halted_by
        for name in (*played.labels, *halted_by):
            self._labels.setdefault(name, len(self._labels))
        codes = np.array([self._labels[name] for name in halted_by])
        reasons = np.where(num_tokens > 0, codes[:, None], self._labels["unused"])
        if played.stopped is not None:
            reasons[played.stopped] = self._labels["stopped"]
        reasons[finished] = self._labels["finished"]
        texts, right = [*problem.class_texts, None], np.append(problem.class_correct, False)
        nothing = np.zeros(len(numbers), dtype=np.int64)
        probes = nothing if played.probe_calls is None else played.probe_calls
        self._add_columns(
            _Columns(
                repeats=repeats,
                num_tokens=num_tokens,
                finished=finished,
                began=played.began,
                ended=played.ended,
                reasons=reasons,
                started=np.full(len(numbers), budget) if played.started is None else played.started,
                in_cluster=None,
                texts=[texts[kind] for kind in played.answer.tolist()],  # the last one is for −1
                kinds=played.answer,
                correct=right[played.answer],
                clock=played.clock,
                probe_calls=probes,
                judged=[nothing] * 4,
                clustered=None,
            )
        )

    def tables(self) -> Replayed:
        """Return all repeats recorded so far."""
        if self._waiting:
            self._put_into_columns()
        sizes = [len(part[0]) for part in self._decisions]
        decisions = [_joined(parts, sizes) for parts in zip(*self._decisions, strict=True)]
        sizes = [len(part[0]) for part in self._answers]
        answers = [_joined(parts, sizes) for parts in zip(*self._answers, strict=True)]
        clusters, reasons = decisions.pop(), arrow_array(decisions.pop(), pa.int32())
        decisions.append(_labelled(reasons, *self._labels))
        decisions.append(arrow_array(clusters, pa.int32(), clusters == UNDECLARED))
        table = self._table(ANSWERS, _ANSWER_KINDS, answers)
        if not self._problem.ends_known:
            table = table.select(_WITHOUT_ENDS.names)
        return Replayed(self._table(DECISIONS, _DECISION_KINDS, decisions), table, self._rule_halts)

    def _table(self, schema: pa.Schema, kinds: list[pa.DataType], columns: list[Any]) -> pa.Table:
        length = len(columns[0])
        same = [self._problem.pool.name, self._problem.problem_id]
        zeros = arrow_array(np.zeros(length, dtype=np.int32), pa.int32())
        labels = [_labelled(zeros, value) for value in same]
        arrays = [_column(*each, length) for each in zip(columns, kinds, strict=True)]
        return pa.Table.from_arrays([*labels, *arrays], schema=schema)

    def _put_into_columns(self) -> None:
        """Convert the waiting repeats to columns; arrays here have shape (repeats, budget)."""
        engines = [engine for _, engine, _ in self._waiting]
        graded = [answer for _, _, answer in self._waiting]
        clock = np.array([float(engine.clock) for engine in engines])  # reading dates the log, too
        finished = np.stack([engine.finished for engine in engines])
        began, ended, reasons = timelines(engines, self._labels)
        reasons[np.stack([engine.stopped for engine in engines])] = self._labels["stopped"]
        reasons[finished] = self._labels["finished"]
        in_cluster = None
        if any(engine.clusters is not None for engine in engines):
            in_cluster = np.full(reasons.shape, UNDECLARED)
            for row, engine in enumerate(engines):
                if engine.clusters is not None:
                    in_cluster[row] = numbered(engine.clusters)
        nothing = TokensRead(0, 0, 0)
        judge_tokens = [engine.judging.tokens if engine.judging else nothing for engine in engines]
        columns = _Columns(
            repeats=Repeats(
                self._problem,
                [repeat for repeat, _, _ in self._waiting],
                np.stack([engine.order for engine in engines]),
                engines[0].probe_cost,
            ),
            num_tokens=np.stack([engine.num_tokens for engine in engines]),
            finished=finished,
            began=began,
            ended=ended,
            reasons=reasons,
            started=np.array([engine.started for engine in engines]),
            in_cluster=in_cluster,
            texts=[answer.text for answer in graded],
            kinds=np.array([answer.answer_class for answer in graded]),
            correct=np.array([answer.correct for answer in graded]),
            clock=clock,
            probe_calls=np.array([engine.probe_calls for engine in engines]),
            judged=[
                np.array([engine.judge_calls for engine in engines]),
                *np.array(judge_tokens, dtype=np.int64).T,
            ],
            clustered=None
            if in_cluster is None
            else [*zip(*(self._about_clusters(engine) for engine in engines), strict=True)],
        )
        self._waiting, self._logged = [], 0
        self._add_columns(columns)

    def _add_columns(self, columns: _Columns) -> None:
        """Add the rows of several repeats."""
        problem, repeats, finished = self._problem, columns.repeats, columns.finished
        self._decisions.append(_decisions(columns))
        present = kept = repeats.votes
        if not finished.all():
            kept = Tally(np.where(finished, repeats.answers, NO_ANSWER))
        right = np.append(problem.class_correct, False)  # the last one is for −1
        judge_calls, in_full, reused, judge_charged = columns.judged
        clustered = columns.clustered or [None] * len(CLUSTERED)
        earlier = len(CLUSTERED) - len(AGREEMENT)
        self._answers.append(
            [
                np.asarray(repeats.numbers),
                columns.texts,
                columns.kinds,
                columns.correct,
                charged(self._charging, problem, repeats.order, columns.num_tokens).sum(axis=1),
                columns.probe_calls,
                judge_calls,
                in_full,
                columns.clock,
                columns.started,
                kept.distinct(),
                kept.any_of(problem.class_correct),
                right[present.winners()],
                repeats.lengths.sum(axis=1),
                present.distinct(),
                present.any_of(problem.class_correct),
                reused,
                *clustered[:earlier],
                columns.probe_calls * repeats.probe_cost.tokens,
                judge_charged,
                *clustered[earlier:],
            ]
        )

    def _about_clusters(self, engine: Engine) -> tuple[Any, ...]:
        """Return the CLUSTERED columns of one repeat."""
        facts = None
        if engine.clusters is not None and engine.clustered_at is not None:
            problem, started = self._problem, engine.order[: engine.started]
            facts = cluster_facts(
                engine.clusters[: engine.started],
                problem.answer_class[started],
                problem.lengths[started],
                engine.clustered_at[: engine.started],
                problem.class_correct,
            )
        return astuple(facts) if facts else (None,) * len(CLUSTERED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Columns of several repeats: arrays of shape (repeats, budget), or one element a repeat.

    `reasons` are numbers of the recorder's labels, `judged` the columns about the judge and
    `clustered` those of CLUSTERED; this and `in_cluster` are None if no repeat declared clusters.
    """

    repeats: Repeats
    num_tokens: Ints
    finished: Bools
    began: Ints | Floats
    ended: Ints | Floats
    reasons: Ints
    started: Ints
    in_cluster: Ints | None
    texts: Sequence[str | None]
    kinds: Ints | Ints32
    correct: Bools
    clock: Ints | Floats
    probe_calls: Ints
    judged: Sequence[Ints]
    clustered: Sequence[Any] | None


def _decisions(columns: _Columns) -> list[Array]:
    """Return the columns of DECISIONS, but for the first two, of the traces that were started."""
    repeats, started = columns.repeats, columns.started
    budget = repeats.order.shape[1]
    places = np.tile(np.arange(budget, dtype=np.int32), len(started))
    used = None if started.min() == budget else np.flatnonzero(places < np.repeat(started, budget))

    def of_started(column: Array, kind: type[np.generic]) -> Array:
        flat = column.ravel()
        return (flat if used is None else flat.take(used)).astype(kind, copy=False)

    rows = of_started(repeats.order, np.int64)
    return [
        np.repeat(np.asarray(repeats.numbers, dtype=np.int32), started),
        repeats.problem.trace_ids.take(rows),
        of_started(places, np.int32),
        of_started(columns.began, np.float64),
        of_started(columns.ended, np.float64),
        of_started(columns.num_tokens, np.int32),
        of_started(columns.finished, np.bool_),
        of_started(columns.reasons, np.int32),
        np.full(len(rows), UNDECLARED, dtype=np.int32)
        if columns.in_cluster is None
        else of_started(columns.in_cluster, np.int32),
    ]


def _joined(parts: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Return arrays or lists one after the other; None, in place of nulls alone, if all are."""
    if len(parts) == 1:
        return parts[0]
    if all(part is None for part in parts):
        return None
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    filled = [
        [None] * size if part is None else part for part, size in zip(parts, sizes, strict=True)
    ]
    return [*chain.from_iterable(filled)]


def _column(values: Any, kind: pa.DataType, length: int) -> pa.Array:
    """Return values as an Arrow array of a type; None stands for nulls alone."""
    if values is None:
        return pa.nulls(length, kind)
    return values if isinstance(values, pa.Array) else arrow_array(values, kind)


def _labelled(numbers: pa.Array, *labels: str) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(numbers, _texts(labels), safe=False)


@lru_cache(maxsize=64)  # those of one problem after another
def _texts(labels: Sequence[str]) -> pa.Array:
    return arrow_array(labels, pa.string())


_DECISION_KINDS, _ANSWER_KINDS = (schema.types[2:] for schema in (DECISIONS, ANSWERS))
"""Types of the columns of each repeat, after those of its problem."""


def add_halts(halts: dict[str, int], more: Mapping[str, int]) -> None:
    """Add the halts by each kind of stop rule in `more` to `halts`."""
    for rule, number in more.items():
        halts[rule] = halts.get(rule, 0) + number


def timelines(engines: list[Engine], labels: dict[str, int]) -> tuple[Floats, Floats, Ints]:
    """Return each trace's begin and end on the clock, and the reason that halted it last.

    Returns
    -------
    Clock readings of begin and end, and numbers from `labels`, to which new reasons are added; all
    of shape (engines, budget).
    """
    shape = (len(engines), len(engines[0].order))
    began, ended = np.zeros(shape), np.zeros(shape)
    reasons = np.full(shape, labels["unused"])
    log = [(row, decode) for row, engine in enumerate(engines) for decode in engine.log]
    if log:
        _read_log(engines, log, labels, began, ended, reasons)
    for row, engine in enumerate(engines):
        for number, name in engine.idle.items():
            reasons[row, number] = labels.setdefault(name, len(labels))
    return began, ended, reasons


def _read_log(
    engines: list[Engine],
    log: list[tuple[int, Decode]],
    labels: dict[str, int],
    began: Floats,
    ended: Floats,
    reasons: Ints,
) -> None:
    """Enter all decodes, each with the row of its engine, into the arrays of `timelines`."""
    sizes = np.array([len(decode.index) for _, decode in log])
    place = np.concatenate([decode.index for _, decode in log])
    place += np.repeat([row * reasons.shape[1] for row, _ in log], sizes)
    before = np.concatenate([decode.before for _, decode in log])
    work = np.concatenate([decode.after for _, decode in log])
    work -= before
    begin = np.repeat([float(decode.clock) for _, decode in log], sizes)
    end = begin + work
    names = [d.halted_by if isinstance(d.halted_by, str) else "" for _, d in log]
    codes = np.repeat([labels.setdefault(name, len(labels)) for name in names], sizes)
    for start, (row, decode) in zip(np.cumsum(sizes) - sizes, log, strict=True):
        here = slice(start, start + len(decode.index))
        if not isinstance(decode.halted_by, str):
            codes[here] = [labels.setdefault(name, len(labels)) for name in decode.halted_by]
        if decode.waits is not None:
            end[here] += engines[row].answer_steps * np.array(decode.waits).searchsorted(work[here])
        if decode.queued is not None:
            end[here] = begin[here] + decode.queued.end
            begin[here] += decode.queued.begin
    reasons.ravel()[place] = codes  # a trace's last decode overwrites the others
    moved = np.flatnonzero(work)
    ended.ravel()[place.take(moved)] = end.take(moved)  # likewise
    fresh = moved[before.take(moved) == 0]
    began.ravel()[place.take(fresh)] = begin.take(fresh)
