"""The virtual inference engine: plays stored traces back as if they were being generated now.

It is the only place that holds data which a policy must not see yet. `Sampler` and `Traces`
(`simulator.policy.sampler`) are the policy's side; they read only `num_tokens`, `finished`,
`answer`, `clock` and the prefixes that the engine returns. Traces are numbered in this repeat's
order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.arrays import Bools, Floats, Ints, Ints32
from simulator.errors import ANSWERED, BudgetExceeded, SamplerError, UserError
from simulator.policy.visible import Hindsight
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.pools.probe_cost import ProbeCost, cost_in
from simulator.replay.clusters.greedy import GreedyRule
from simulator.replay.judging import Judging, ReplayJudge
from simulator.replay.lockstep import Pace, lock_step
from simulator.replay.probing import RuleProbes
from simulator.replay.racing import reach
from simulator.replay.serving import Schedule, Serving, raced
from simulator.rules.group_means import bottom_groups, lowest_group, mean_of_last
from simulator.rules.stop_rules import StopRule
from simulator.signals import PROBE_SIGNALS, UNASKED


@dataclass(slots=True)
class Decode:
    """One logged call of `decode`; arrays have one element per trace of the call, shape (n,).

    `before` and `after` are tokens generated, `clock` is the reading at the start. Without a
    schedule in `queued`, all traces began at once, and the clock advanced by the longest decode.
    Consecutive equal steps of the same traces share one entry. `halted_by` names what halted the
    traces that did not finish: one name for all, or one per trace.

    `waited` is the time that probes took after it or between its steps. Each of the latter took as
    long as an answer, and `waits` has the tokens that unfinished traces had decoded before it.
    """

    index: Ints
    before: Ints
    after: Ints
    halted_by: str | list[str]
    clock: float = 0
    queued: Schedule | None = None
    waited: float = 0
    waits: list[int] | None = None

    def ends(self, answer_steps: int) -> Floats:
        """Return when each trace's last token was decoded, on the dated log's clock."""
        if self.queued is not None:
            return self.clock + np.asarray(self.queued.end, dtype=np.float64)
        work = self.after - self.before
        waited = 0 if self.waits is None else np.array(self.waits).searchsorted(work)
        return np.asarray(self.clock + work + answer_steps * waited, dtype=np.float64)


def _names(where: Bools, name: str, others: str | list[str]) -> str | list[str]:
    """Return `name` where `where` is true, and `others` elsewhere; a single name if all agree."""
    if not others:
        return name
    return np.where(where, name, others).tolist() if np.count_nonzero(where) else others


def _unhindered(index: Ints, before: Ints, length: Ints, tokens: int | Ints | None) -> Decode:
    """Return a decode that only its tokens and the ends of traces halt."""
    if tokens is None:
        return Decode(index, before, length, "")
    return Decode(index, before, before + np.minimum(length - before, tokens), "tokens")


def longest_work(decodes: Sequence[Decode]) -> list[int]:
    """Return the most tokens that any trace decoded, for each of `decodes`."""
    if len(decodes) == 1:
        return [int((decodes[0].after - decodes[0].before).max(initial=0))]
    named = [decode for decode in decodes if len(decode.index)]
    if not named:
        return [0] * len(decodes)
    sizes = [len(decode.index) for decode in named]
    work = np.concatenate([d.after for d in named]) - np.concatenate([d.before for d in named])
    longest = iter(np.maximum.reduceat(work, np.cumsum([0, *sizes[:-1]])).tolist())
    return [next(longest) if len(decode.index) else 0 for decode in decodes]


class Engine:
    """Replay of the traces of one problem in one repeat.

    Nothing that was not generated is shown: a decode that goes past the end of an unfinished trace,
    or that needs a probe that was not asked, raises `UserError`.

    Parameters
    ----------
    problem
        The stored problem.
    order
        Rows of its traces in the order in which they are started, shape (budget,).
    serving
        The serving model, which defines the clock.
    judge
        The judge that scores pairs of traces; None without one.
    probe_cost
        Tokens of a probe; None: those of the problem's pool.

    Attributes
    ----------
    num_tokens, finished, stopped, answer
        State of each trace, shape (budget,); `answer` is −1 until the trace has finished.
    started
        Number of traces that have been started.
    answer_steps
        Decode steps in which probes are answered that are asked together.
    answered
        True once the policy has answered; from then on nothing more is decoded.
    refused
        The error of what was not generated, if the policy asked for it.
    judging
        The use of the judge; None without a judge.
    log, idle
        The decodes that generated tokens; by trace, what halted it in a later decode that generated
        none. So a policy that generates nothing lets neither grow.
    rule_halts
        How often each kind of stop rule that the policy gave has halted a trace.
    clusters
        The cluster of each trace of the budget as the policy declared it, −1 for none; None if it
        declared no clusters.
    clustered_at
        The tokens that each trace had generated when they were declared, 0 for later ones; None if
        they were not.
    """

    def __init__(
        self,
        problem: StoredProblem,
        order: Ints,
        serving: Serving,
        judge: ReplayJudge | None = None,
        probe_cost: ProbeCost | None = None,
    ) -> None:
        self.problem = problem
        self.order = order
        self.num_tokens = np.zeros(len(order), dtype=np.int64)
        self.finished = np.zeros(len(order), dtype=np.bool_)
        self.stopped = np.zeros(len(order), dtype=np.bool_)
        self.answer = np.empty(len(order), dtype=np.int32)
        self.answer.fill(NO_ANSWER)  # np.full takes three times as long
        self.started = 0
        self.answered = False
        self.refused: UserError | None = None
        self.probe_cost = probe_cost or cost_in(problem.pool.info)
        self.judging = None if judge is None else Judging(judge, problem, order)
        self.clusters: Ints | None = None
        self.clustered_at: Ints | None = None
        self.rule_halts: dict[str, int] = {}
        self.log: list[Decode] = []
        self.idle: dict[int, str] = {}
        self._serving, self._unlimited = serving, serving.unlimited
        self.answer_steps = serving.answer_steps(self.probe_cost.answer)
        self._whole = problem.whole
        self._in_lock_step = serving.unlimited and self._whole
        self._numbers = np.arange(len(order))
        self._length = problem.lengths[order]
        self._final_answer = problem.answer_class[order]
        self._any_stopped = False
        self._pace: Pace | None = None
        self._probes_told = self._probes_of_rules = 0
        self._read_by_rules: Ints | None = None
        # Tokens at which the policy last asked a probe of each trace, 0 if it asked none.
        tells = not PROBE_SIGNALS.keys().isdisjoint(problem.pool.info.signals)
        self._asked_at = np.zeros(len(order), dtype=np.int64) if tells else None
        self._clock: float = 0
        self._timed = 0
        self._ended_at: Floats | None = None
        self._ends_read = 0

    def start(self, n: int) -> Ints:
        """Start the next `n` traces and return their numbers."""
        self._refuse_after_answer()
        first = self.started
        if first + n > len(self.order):
            raise BudgetExceeded(
                f"start({n}) after {first} traces exceeds the budget of {len(self.order)}"
            )
        self.started = first + n
        return self._numbers[first : self.started]

    @property
    def progress(self) -> int:
        """Tokens so far: a number that grows as long as the policy gets on."""
        return int(self.num_tokens.sum())

    @property
    def budget(self) -> int:
        """Number of traces that may be started."""
        return len(self.order)

    @property
    def probe_calls(self) -> int:
        """Number of probes of unfinished traces, those that stop rules read among them."""
        return self._probes_told + self._probes_of_rules

    @property
    def probe_tokens(self) -> int:
        """Number of tokens that these probes read and generated."""
        return self.probe_calls * self.probe_cost.tokens

    @property
    def judge_calls(self) -> int:
        """Number of pairs that the judge has scored."""
        return self.judging.calls if self.judging else 0

    @property
    def judge_tokens(self) -> int:
        """Number of tokens that the judge has computed, which is what it costs."""
        return self.judging.tokens.charged if self.judging else 0

    @property
    def all_started(self) -> Ints:
        """Numbers of all traces started so far."""
        return self._numbers[: self.started]

    @property
    def clock(self) -> float:
        """Decode steps so far, or seconds with a serving model."""
        pending = self.log[self._timed :]  # computed on demand, as most policies never read it
        longest = iter(longest_work([decode for decode in pending if decode.queued is None]))
        for decode in pending:
            decode.clock = self._clock
            self._clock += next(longest) if decode.queued is None else decode.queued.duration
            self._clock += decode.waited
        self._timed = len(self.log)
        return self._clock

    def finished_at(self, index: Ints) -> Floats:
        """Return the clock reading at which each trace finished; NaN for unfinished ones."""
        _ = self.clock  # dates the log, whose entries then stay as they are
        if self._ended_at is None:
            self._ended_at = np.full(len(self.order), np.nan)
        for decode in self.log[self._ends_read :]:
            moved = decode.after > decode.before
            self._ended_at[decode.index[moved]] = decode.ends(self.answer_steps)[moved]
        self._ends_read = len(self.log)
        return np.where(self.finished[index], self._ended_at[index], np.nan)

    def decode(
        self, index: Ints, tokens: int | Ints | None, until: StopRule | None, first: int | None
    ) -> Ints:
        """Decode traces together; return the numbers of those that finished in this call."""
        self._refuse_after_answer()
        pace = self._pace
        plain = until is None and first is None and self._in_lock_step
        even = tokens if plain and isinstance(tokens, int) else 0
        if even and pace is not None and pace.goes_on(index, even):
            return self._step(pace)
        if self._any_stopped and np.count_nonzero(self.stopped[index]):
            stopped = index[self.stopped[index]].tolist()
            raise SamplerError(f"decode: trace {stopped[0]} was stopped, which is final")
        before = self.num_tokens[index]
        if even and len(index):
            self._pace = self._pace_for(index, even, before)
            if self._pace is not None:
                self._log_steps(self._pace, before)
                return self._step(self._pace)
        self._pace = None
        length = self._length[index]
        if plain:
            decode = _unhindered(index, before, length, tokens)
        else:
            decode, halts_at, asked = self._decided(index, before, tokens, until, first)
            if not self._whole:
                self._refuse_unknown(index, decode.after, until)
            length = self._length[index]  # that of a live trace may be known by now
            if asked is not None:
                self._count_read(index, asked)
            if until is not None:
                self._count_halts(decode, until, halts_at, length)
        moved = decode.after != before
        if np.count_nonzero(moved):
            done = moved if decode.after is length else moved & (decode.after == length)
        elif decode.queued is not None and decode.queued.duration > 0:  # for probes of a rule
            done = moved
        else:
            self._log_idle(decode)
            return index[:0]
        if self.idle:
            self._log_busy(index)
        self.log.append(decode)
        return self._move(index, decode.after, done)

    def _decided(
        self,
        index: Ints,
        before: Ints,
        tokens: int | Ints | None,
        until: StopRule | None,
        first: int | None,
    ) -> tuple[Decode, Ints, Ints | None]:
        """Work out a decode without carrying it out.

        Returns
        -------
        The decode, the token counts at which its rule holds (`before` without a rule), and the
        number of probes that the rule asks of each trace (None: it asks none).
        """
        length = self._length[index]
        decode = _unhindered(index, before, length, tokens)
        halts_at, probes, asked = before, None, None
        if until is not None:
            self._need(until.requires)
            limits, rows = decode.after, self.order[index]
            if first is not None:
                limits = self._reach(decode, until, length, first)
            halts_at = self._halts_at(until, rows, before, limits)
            decode.halted_by = _names(halts_at <= decode.after, str(until), decode.halted_by)
            decode.after = np.minimum(decode.after, halts_at)
            probes = self._probes_of(until, decode, rows, length)
        if first is not None:
            asked = self._race(decode, decode.after == length, first, probes)
        elif probes is not None or not self._unlimited:
            asked = self._queue(decode, decode.after == length, None, probes)
        return decode, halts_at, asked

    def _halts_at(self, rule: StopRule, rows: Ints, before: Ints, limits: Ints) -> Ints:
        """Return the token counts, up to `limits`, at which a rule holds; arrays of shape (n,)."""
        if not self._whole:
            limits = np.minimum(limits, self.problem.available[rows])
        return rule.halts_at(self.problem, rows, before, limits)

    def _refuse_unknown(self, index: Ints, after: Ints, until: StopRule | None) -> None:
        """Raise `UserError` if a decode goes past what was generated, or was asked for its rule."""
        problem, rows = self.problem, self.order[index]
        for place in np.flatnonzero(after > problem.available[rows]).tolist():
            tokens = problem.available[rows[place]]
            self._refuse(rows[place], f"was generated up to {tokens:,} tokens, and this goes past")
        if until is not None and "probes" in until.requires:
            last = np.minimum(after, problem.lengths[rows] - 1)
            first = problem.probes.first_unasked[rows]
            for place in np.flatnonzero(first <= last).tolist():
                self._refuse_probe(rows[place], first[place])

    def _refuse_probe(self, row: int, position: int) -> None:
        self._refuse(row, f"was not probed at {position:,} tokens, and this reads the answer")

    def _refuse(self, row: int, why: str) -> None:
        problem = self.problem
        self.refused = UserError(
            f"pool {problem.pool.name}, problem {problem.problem_id}: trace "
            f"{problem.trace_ids[row]} {why}; run the policy live first, and finish the recording "
            "again"
        )
        raise self.refused

    def _reach(self, decode: Decode, until: StopRule, length: Ints, first: int) -> Ints:
        """Return how many tokens each trace can come to before `first` have finished."""
        rows, before = self.order[decode.index], decode.before
        first -= int(np.count_nonzero(self.finished[decode.index]))
        finishes, serving = decode.after == length, self._serving
        probes = self._probes_of(until, decode, rows, length)

        def decoded(places: Ints, tokens: Ints) -> Ints:
            start = before[places]
            halts = self._halts_at(until, rows[places], start, start + tokens)
            found: Ints = np.minimum(halts - start, tokens)
            return found

        if probes is None:
            work = decode.after - before
            return before + reach(work, finishes, first, serving, decoded, before)

        def spent(places: Ints, steps: Ints) -> Ints:
            some, after = probes.of(places), decode.after[places]
            within = some.halted(after, some.passed(after), steps)[0]
            come = before[places] + decoded(places, within - before[places])
            found: Ints = np.minimum(some.steps(come, some.passed(come)), steps)
            return found

        asked = probes.passed(decode.after)
        work = probes.steps(decode.after, asked)
        steps = reach(work, finishes, first, serving, spent, before)
        return probes.halted(decode.after, asked, steps)[0]

    def _log_idle(self, decode: Decode) -> None:
        """Log by trace what halted a decode that generates no token."""
        names = decode.halted_by
        names = [names] * len(decode.index) if isinstance(names, str) else names
        self.idle.update(zip(decode.index.tolist(), names, strict=True))

    def _log_busy(self, index: Ints) -> None:
        """Forget what halted these traces without a token, as they are decoded further."""
        for number in index.tolist():
            self.idle.pop(number, None)

    def _count_read(self, index: Ints, asked: Ints) -> None:
        """Count the probes that a rule has asked of each trace."""
        if self._read_by_rules is None:
            self._read_by_rules = np.zeros(len(self.order), dtype=np.int64)
        self._read_by_rules[index] += asked
        self._probes_of_rules += int(asked.sum())

    def _count_halts(self, decode: Decode, until: StopRule, halts_at: Ints, length: Ints) -> None:
        """Count for each part of a rule the traces that it halted before their end."""
        for rule in until.parts:
            if rule is not until:
                rows, before = self.order[decode.index], decode.before
                halts_at = rule.halts_at(self.problem, rows, before, decode.after)
            halted = int(np.count_nonzero((decode.after == halts_at) & (halts_at < length)))
            kind = type(rule).__name__
            self.rule_halts[kind] = self.rule_halts.get(kind, 0) + halted

    def _move(self, index: Ints, num_tokens: Ints, done: Bools) -> Ints:
        """Set the token counts after a decode; return the numbers of the traces that finished."""
        self.num_tokens[index] = num_tokens
        finished: Ints = index[done]
        if len(finished):
            self.finished[finished] = True
            self.answer[finished] = self._final_answer[finished]
        return finished

    def _step(self, pace: Pace) -> Ints:
        """Take one more equal step of traces in lock step, logged with the steps before it."""
        if self._timed == len(self.log):  # the clock has been read since
            self._log_steps(pace, self.num_tokens[pace.numbers])
        after, done = pace.advance()
        self.log[-1].after = after
        finished = self._move(pace.numbers, after, done)
        pace.unfinished -= len(finished)
        return finished

    def _log_steps(self, pace: Pace, before: Ints) -> None:
        """Begin an entry of the log for steps of a pace."""
        if self.idle:
            self._log_busy(pace.numbers)
        self.log.append(Decode(pace.numbers, before, before, "tokens"))
        pace.since = pace.step

    def _pace_for(self, index: Ints, tokens: int, before: Ints) -> Pace | None:
        """Return a pace for traces at the start, or in lock step so far; None for others."""
        if self._pace is not None and self._pace.tokens == tokens:
            step = self._pace.step
        elif np.count_nonzero(before) == 0:
            step = 0
        else:
            return None
        table = lock_step(self.problem, tokens)
        if table is None:
            return None
        pace = Pace(table, tokens, index, self.order[index], step)
        return pace if pace.fits(before) else None

    def _probes_of(
        self, until: StopRule, decode: Decode, rows: Ints, length: Ints
    ) -> RuleProbes | None:
        """Return the probes that a stop rule reads in this call; None if it reads no probes."""
        if "probes" not in until.requires:
            return None
        known = self._read_by_rules
        read = np.zeros_like(rows) if known is None else known[decode.index]
        return RuleProbes(
            self.problem,
            rows=rows,
            before=decode.before,
            length=length,
            read=read,
            pause=self.answer_steps,
        )

    def _race(
        self, decode: Decode, finishes: Bools, first: int, probes: RuleProbes | None
    ) -> Ints | None:
        """Halt all traces when `first` of them have finished; changes `decode`.

        Returns the number of probes that each has asked; None without probes.
        """
        asked = None
        wanted = first - int(np.count_nonzero(self.finished[decode.index]))
        halted = decode.after
        if not self._unlimited or probes is not None:
            asked = self._queue(decode, finishes, wanted, probes)
        else:
            work = decode.after - decode.before
            decode.after = decode.before + raced(work, finishes, wanted)
        decode.halted_by = _names(decode.after < halted, "first", decode.halted_by)
        return asked

    def _queue(
        self, decode: Decode, finishes: Bools, wanted: int | None, probes: RuleProbes | None
    ) -> Ints | None:
        """Schedule the traces on the engine's slots, with their probes; changes `decode`.

        Returns the number of probes that each has asked; None without probes.
        """
        if probes is None:
            work = decode.after - decode.before
            decode.queued = self._schedule(work, finishes, wanted, decode.before)
            decode.after = decode.before + decode.queued.work
            return None
        asked = probes.passed(decode.after)
        work = probes.steps(decode.after, asked)
        decode.queued = self._schedule(work, finishes, wanted, decode.before)
        if decode.queued.work is not work:
            decode.after, asked = probes.halted(decode.after, asked, decode.queued.work)
        return asked

    def _schedule(self, work: Ints, finishes: Bools, wanted: int | None, before: Ints) -> Schedule:
        return self._serving.schedule(work, finishes, wanted, before, anew=not self.log)

    def stop(self, index: Ints) -> None:
        """Prune traces; a trace that has finished already stays finished."""
        self._refuse_after_answer()
        self.stopped[index[~self.finished[index]]] = True
        self._any_stopped = True
        if self._pace is not None:
            self._pace.numbers = index[:0]  # so that the next decode checks its traces again

    def probe(self, index: Ints) -> Ints32:
        """Return the answer that each trace would give if cut now; its own if finished."""
        self._refuse_after_answer()
        self._need({"probes"})
        if self._asked_at is not None:
            going = index[~self.finished[index]]
            self._asked_at[going] = self.num_tokens[going]
        if self._pace is not None and self._pace.numbers is index:
            self._wait_for(self._pace.unfinished, 0)
            return self._pace.answers()
        probes = self.problem.probes
        rows = self.order[index]
        answers = probes.table[rows, probes.columns(rows, self.num_tokens[index])]
        finished = self.finished[index]
        done = int(np.count_nonzero(finished))
        self._wait_for(len(index) - done, int(self.num_tokens[index[~finished]].sum()))
        if done:
            np.copyto(answers, self.answer[index], where=finished)
        if not self._whole:
            for place in np.flatnonzero(answers == UNASKED).tolist():
                number = probes.columns(rows[[place]], self.num_tokens[index[[place]]])[0]
                position = probes.positions[probes.offsets[rows[place]] + number - 1]
                self._refuse_probe(rows[place], position)
        return answers

    def probed(self, signal: str, index: Ints) -> Floats:
        """Return a probe signal of the last probe that `probe` asked of each trace; NaN if none."""
        self._need({signal})
        assert self._asked_at is not None  # the pool has the signal
        problem, rows = self.problem, self.order[index]
        return problem.probe_signal_table(signal)[
            rows, problem.probes.columns(rows, self._asked_at[index])
        ]

    def _wait_for(self, probes: int, held: int) -> None:
        """Count probes that are asked at once, and let the clock go on while they are answered.

        `held` are the tokens that their traces have decoded, which only a serving model asks for.
        """
        self._probes_told += probes
        answer = self.answer_steps
        if not (probes and answer):
            return
        waited: float = answer
        if not self._unlimited:
            suffix = self.probe_cost.suffix
            waited = self._serving.duration(probes, answer, held=held, read=suffix)
        if self._timed == len(self.log):  # later decodes begin after the wait
            self._clock += waited
            return
        decode = self.log[-1]
        decode.waited += waited
        if self._pace is not None:
            if decode.waits is None:
                decode.waits = []
            decode.waits.append((self._pace.step - self._pace.since) * self._pace.tokens)

    def judge(self, pairs: Ints) -> Floats:
        """Return P(same final answer) of pairs of started traces, shape (n, 2) to (n,)."""
        self._refuse_after_answer()
        if self.judging is None:
            raise SamplerError(
                'there is no judge; a policy that uses one must declare requires = {"judge"}'
            )
        return self.judging.scores(pairs, self.num_tokens[: self.started])

    def greedy_clusters(
        self,
        traces: int,
        rng: np.random.Generator,
        threshold: float,
        max_clusters: int,
        max_members: int,
        hard: bool,
    ) -> Ints | None:
        """Return the clusters of the first traces, as `policy.clustering` finds them with `judge`.

        The judge is charged as if it had been asked. None, with nothing charged and `rng` as it
        was, if `judge` must be called.
        """
        if self.answered or self.judging is None:
            return None
        rule = GreedyRule(threshold, max_clusters, max_members, hard)
        return self.judging.greedy_clusters(traces, self.num_tokens[: self.started], rng, rule)

    def declare_clusters(self, clusters: Ints) -> None:
        """Record the policy's clusters of the traces started so far; replaces earlier ones."""
        self._refuse_after_answer()
        if clusters.shape != (self.started,):
            raise SamplerError(
                f"declare_clusters: give one number for each of the {self.started} traces started"
            )
        self.clusters = np.full(len(self.order), -1)
        self.clusters[: self.started] = clusters
        self.clustered_at = self.num_tokens.copy()

    def _refuse_after_answer(self) -> None:
        """Raise `SamplerError` if the policy has already answered this problem."""
        if self.answered:
            raise SamplerError(ANSWERED)

    def _need(self, signals: Set[str]) -> None:
        """Raise `SamplerError` if the pool does not store all of `signals`."""
        stored = self.problem.pool.info.signals
        missing = sorted(signal for signal in signals if signal not in stored)
        if missing:
            needed = ", ".join(f'"{signal}"' for signal in missing)
            raise SamplerError(
                f"pool {self.problem.pool.name} has no {' and no '.join(missing)}; a policy that "
                f"uses them must declare requires = {{{needed}}}"
            )

    def texts(self, index: Ints) -> list[str]:
        """Return the text that each trace has generated so far."""
        self._need({"text"})
        problem = self.problem
        counts = zip(self.order[index].tolist(), self.num_tokens[index].tolist(), strict=True)
        return [
            problem.texts[row][: int(problem.token_ends[row][tokens - 1])] if tokens else ""
            for row, tokens in counts
        ]

    def token_signal(self, signal: str, number: int) -> Floats:
        """Return the values of a token signal for the tokens that a trace has generated so far."""
        self._need({signal})
        row = int(self.order[number])
        return self.problem.token_signal(signal).of(row, int(self.num_tokens[number]))

    def mean_signal(self, signal: str, index: Ints, window: int | None) -> Floats:
        """Return the mean over the last `window` tokens so far (None: all), shape (n,).

        It is NaN before the first token, as are the two measures below.
        """
        return self._measured(
            ("mean", signal, window),
            index,
            lambda row, tokens: mean_of_last(
                self.problem.token_signal(signal).stored(row, tokens), window
            ),
        )

    def lowest_signal(self, signal: str, index: Ints, window: int) -> Floats:
        """Return the lowest group so far; the mean before there are `window` tokens."""
        return self._measured(
            ("lowest", signal, window),
            index,
            lambda row, tokens: lowest_group(self.problem, signal, row, tokens, window),
        )

    def bottom_signal(self, signal: str, index: Ints, share: float, window: int) -> Floats:
        """Return the mean of the lowest `share` of groups so far, at least one.

        It is the mean of all tokens before there is a group.
        """
        return self._measured(
            ("bottom", signal, share, window),
            index,
            lambda row, tokens: bottom_groups(
                self.problem.token_signal(signal).stored(row, tokens), share, window
            ),
        )

    def _measured(
        self, measure: tuple[Any, ...], index: Ints, of: Callable[[int, int], float]
    ) -> Floats:
        """Return `of(row, tokens)` of each trace; that of whole traces is cached per problem."""
        self._need({measure[1]})
        traces = len(self.problem.lengths)
        whole = self.problem.cached(measure, lambda: np.full(traces, np.nan))
        rows = self.order[index]
        values = np.where(self.finished[index], whole[rows], np.nan)
        unknown = np.flatnonzero(np.isnan(values))
        for place in unknown[np.argsort(rows[unknown])].tolist():  # as they are stored, and read
            row, tokens = int(rows[place]), int(self.num_tokens[index[place]])
            values[place] = of(row, tokens)
            if tokens == self.problem.lengths[row]:
                whole[row] = values[place]
        return values

    def has_shown(self, kind: int) -> bool:
        """Check whether a finished trace, or a probe of decoded tokens, can have shown a class."""
        if np.count_nonzero(self.answer == kind):
            return True
        if not self._probes_told:
            return False
        probes, rows = self.problem.probes, self.order[: self.started]
        columns = probes.columns(rows, self.num_tokens[: self.started])
        if np.count_nonzero(probes.table[rows, columns] == kind):
            return True
        passed = np.arange(probes.table.shape[1]) <= columns[:, np.newaxis]
        return bool(np.any((probes.table[rows] == kind) & passed))

    def hindsight(self) -> Hindsight:
        """Return the ground truth about all traces, which only the oracle may use."""
        if not self.problem.ends_known:
            raise SamplerError("the oracle can only replay traces that have all come to their ends")
        return Hindsight(self._length.copy(), self.problem.correct[self.order])
