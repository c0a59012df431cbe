"""Stop rules: conditions under which a decode halts a trace, at single-token resolution.

`sampler.decode(traces, until=rule)` halts each trace at the first token count, from the current one
on, at which the rule holds. A trace for which it holds already is not decoded. Rules are evaluated
inside the simulator, and compose with `|`.

What a rule reads of a trace, and the time it takes, depends on nothing that the call does not
generate. Rules about text read token by token, and stop where they hold. Rules about numbers look
up what is computed of all traces of a problem at once, which tells nothing about one of them. Both
are kept for all repeats.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from simulator.arrays import Ints
from simulator.errors import SamplerError
from simulator.rules.group_means import ABOVE, BELOW, next_past, staircases
from simulator.rules.patterns import Automaton, compiled
from simulator.rules.text_matching import NEVER as NEVER
from simulator.rules.text_matching import (
    PatternReading,
    Reading,
    WordsReading,
    first_of,
    whole_words,
)
from simulator.signals import NO_ANSWER, TOKEN_SIGNALS, unknown_signal

if TYPE_CHECKING:
    from simulator.pools.pool import StoredProblem


class StopRule:
    """A condition on the tokens of a trace so far.

    Subclasses are frozen dataclasses, named in `RULES`, whose fields are plain numbers, texts or
    tuples of them: another process builds them again from these. Their text is the `stop_reason` on
    record.
    """

    @property
    def requires(self) -> frozenset[str]:
        """Signals that the rule needs."""
        return frozenset()

    @property
    def parts(self) -> tuple[StopRule, ...]:
        """The rules that `|` joined; the rule itself if there is only one."""
        return (self,)

    def halts_at(self, problem: StoredProblem, rows: Ints, num_tokens: Ints, limits: Ints) -> Ints:
        """Return the token counts at which the rule next holds.

        Parameters
        ----------
        problem
            The stored problem.
        rows
            Rows of the traces, shape (n,).
        num_tokens
            Tokens that each trace has generated so far, shape (n,).
        limits
            Tokens that each trace may have generated with this call, shape (n,): nothing after
            them counts.

        Returns
        -------
        The smallest token count from `num_tokens` to `limits` at which the rule holds, shape (n,);
        `NEVER` if there is none.
        """
        raise NotImplementedError

    def prepared(self, problem: StoredProblem) -> Any:
        """Return the result of `prepare` for a problem, computed once."""
        return problem.cached(self, lambda: self.prepare(problem))

    def prepare(self, problem: StoredProblem) -> Any:
        """Precompute data that makes `halts_at` fast for any repeat."""
        raise NotImplementedError

    def __or__(self, other: StopRule) -> StopRule:
        return AnyOf(self, other)


@dataclass(frozen=True)
class AnyOf(StopRule):
    """A rule that holds if one of two rules does."""

    left: StopRule
    right: StopRule

    @property
    def requires(self) -> frozenset[str]:
        return self.left.requires | self.right.requires

    @property
    def parts(self) -> tuple[StopRule, ...]:
        return self.left.parts + self.right.parts

    def halts_at(self, problem: StoredProblem, rows: Ints, num_tokens: Ints, limits: Ints) -> Ints:
        found = np.full(len(rows), NEVER)
        reading = []
        for rule in self.parts:
            if isinstance(rule, TextRule):
                reading.append(rule)
            else:
                np.minimum(found, rule.halts_at(problem, rows, num_tokens, limits), out=found)
        if len(reading) == 1:
            bounds = np.minimum(found, limits)
            np.minimum(found, reading[0].halts_at(problem, rows, num_tokens, bounds), out=found)
        elif reading:
            bounds = np.minimum(found, limits).tolist()
            first = [
                first_of([rule.reading(problem, row) for rule in reading], bound)
                for row, bound in zip(rows.tolist(), bounds, strict=True)
            ]
            first_halts = np.array(first, dtype=np.int64)
            np.minimum(found, np.maximum(first_halts, num_tokens), out=found)
        return found

    def __str__(self) -> str:
        return f"{self.left} | {self.right}"


@dataclass(frozen=True)
class ProbesAgree(StopRule):
    """Rule: the last `in_a_row` probes of a trace gave the same answer (arXiv 2602.03845, SAC).

    A probe without an answer agrees with no other. The rule reads every stored probe of a trace,
    from its start to where it halts, once; each costs as a call of `sampler.probe` does, and the
    trace waits for its answer.
    """

    in_a_row: int

    def __post_init__(self) -> None:
        _set_count(self, "in_a_row")

    @property
    def requires(self) -> frozenset[str]:
        return frozenset({"probes"})

    def prepare(self, problem: StoredProblem) -> Ints:
        """Find the probes at which the rule holds, in order, and last one beyond all."""
        probes = problem.probes
        number = np.arange(len(probes.answers))
        new_run = np.ones(len(number), dtype=np.bool_)
        np.not_equal(probes.answers[1:], probes.answers[:-1], out=new_run[1:])
        new_run[probes.offsets[:-1][probes.counts > 0]] = True
        streak = number - np.maximum.accumulate(np.where(new_run, number, 0)) + 1
        holds = (streak >= self.in_a_row) & (probes.answers != NO_ANSWER)
        return np.append(np.flatnonzero(holds), NEVER)

    def halts_at(self, problem: StoredProblem, rows: Ints, num_tokens: Ints, limits: Ints) -> Ints:
        probes, holds = problem.probes, self.prepared(problem)
        read = np.minimum(probes.columns(rows, num_tokens), probes.counts[rows])
        since = probes.offsets[rows] + np.maximum(read - 1, 0)  # it may hold already
        first = holds[np.searchsorted(holds, since)]
        halts = first < probes.offsets[rows + 1]
        found = np.full(len(rows), NEVER)
        found[halts] = np.maximum(probes.positions[first[halts]], num_tokens[halts])
        found[found > limits] = NEVER
        return found

    def __str__(self) -> str:
        return f"ProbesAgree({self.in_a_row})"


@dataclass(frozen=True)
class _GroupRule(StopRule):
    """A rule that the mean of the last `window` tokens is on one side of `threshold`."""

    signal: str
    threshold: float
    window: int = 2048
    side: ClassVar[int] = BELOW

    def __post_init__(self) -> None:
        name = type(self).__name__
        if self.signal not in tuple(TOKEN_SIGNALS):
            raise ValueError(f"{name}: {unknown_signal(self.signal)}")
        _set_count(self, "window")
        numbers = float | int | np.floating | np.integer
        if not isinstance(self.threshold, numbers) or math.isnan(self.threshold):
            raise ValueError(f"{name}: threshold {self.threshold!r} is not a number")
        object.__setattr__(self, "threshold", float(self.threshold))  # `wire` sends no numpy floats

    @property
    def requires(self) -> frozenset[str]:
        return frozenset({self.signal})

    def halts_at(self, problem: StoredProblem, rows: Ints, num_tokens: Ints, limits: Ints) -> Ints:
        stairs = staircases(problem, self.signal, self.window, self.side)
        bound = self.side * self.threshold
        halts = []
        for row, tokens, limit in zip(
            rows.tolist(), num_tokens.tolist(), limits.tolist(), strict=True
        ):
            first = stairs[row].first_past(bound)
            if first is None or first > limit:
                first = NEVER
            elif first < tokens:  # only later groups count
                stored = problem.token_signal(self.signal).stored(row, limit)
                first = next_past(stored, self.threshold, self.window, self.side, tokens) or NEVER
            halts.append(first)
        return np.array(halts, dtype=np.int64)

    def __str__(self) -> str:  # without the threshold, which differs between repeats
        return f"{type(self).__name__}({self.signal}, window={self.window})"


@dataclass(frozen=True)
class SignalBelow(_GroupRule):
    """Rule: mean of the last `window` tokens of a token signal below `threshold`.

    It never holds before `window` tokens exist; equality does not halt. Sums of stored thousandths
    are exact.
    """


@dataclass(frozen=True)
class SignalAbove(_GroupRule):
    """Rule: mean of the last `window` tokens of a token signal above `threshold`.

    In all else as `SignalBelow`.
    """

    side: ClassVar[int] = ABOVE


@dataclass(frozen=True)
class GroupConfidenceBelow(_GroupRule):
    """Rule: mean confidence of the last `window` tokens below `threshold` (arXiv 2508.15260).

    The paper's online stop, section 3.3: `SignalBelow("confidence", threshold, window)`.
    """

    signal: str = field(default="confidence", init=False)

    def __str__(self) -> str:
        return f"GroupConfidenceBelow(window={self.window})"


# fmt: off
REASONING_WORDS = (
    "wait", "thus", "since", "so", "but", "however", "therefore", "alternatively", "hence",
    "because", "actually", "perhaps", "maybe", "suppose", "assume", "given", "then", "also", "if",
    "let",
)
# fmt: on
"""Default reasoning words. DeepPrune (arXiv 2510.08483) names the first three; the others are this
project's choice, because the paper's list is not published."""


class TextRule(StopRule):
    """A rule on text that holds from one token count on."""

    @property
    def requires(self) -> frozenset[str]:
        return frozenset({"text"})

    def prepare(self, problem: StoredProblem) -> dict[int, Reading]:
        return {}

    def reading(self, problem: StoredProblem, row: int) -> Reading:
        """Return the rule's reading of a trace, begun on first use."""
        readings: dict[int, Reading] = self.prepared(problem)
        if row not in readings:
            readings[row] = self._begin(problem, row)
        return readings[row]

    def follow(self, problem: StoredProblem, row: int) -> None:
        """Let the rule's reading of a trace, if it has begun, go on in a text that has grown."""
        reading = self.prepared(problem).get(row)
        if reading is not None:
            reading.text, reading.token_ends = problem.texts[row], problem.token_ends[row]

    def halts_at(self, problem: StoredProblem, rows: Ints, num_tokens: Ints, limits: Ints) -> Ints:
        readings: dict[int, Reading] = self.prepared(problem)
        halts = []
        for row, limit in zip(rows.tolist(), limits.tolist(), strict=True):
            reading = readings.get(row) or self.reading(problem, row)
            if reading.read < limit:
                reading.read_on(limit)
            halts.append(reading.found)
        found = np.array(halts, dtype=np.int64)
        return np.where(found <= limits, np.maximum(found, num_tokens), NEVER)

    def _begin(self, problem: StoredProblem, row: int) -> Reading:
        """Begin to read a trace."""
        raise NotImplementedError


@dataclass(frozen=True)
class ReasoningWords(TextRule):
    """Rule: the text so far has `k` reasoning words (DeepPrune, arXiv 2510.08483, section 4.1.1).

    Each occurrence of a whole word counts, in upper or lower case. A word at the very end of the
    text so far is counted only once the next character is there, because it may continue ("so" in
    "some"). "Let's" counts as "let".
    """

    k: int
    words: tuple[str, ...] = REASONING_WORDS

    def __post_init__(self) -> None:
        _set_count(self, "k")
        if isinstance(self.words, str) or not self.words:
            raise ValueError("ReasoningWords: give words as a tuple of texts")
        words = tuple(self.words)
        for word in words:
            if not isinstance(word, str) or not re.fullmatch(r"\w+", word):
                raise ValueError(f"ReasoningWords: {word!r} is not a single word")
        object.__setattr__(self, "words", words)

    def _begin(self, problem: StoredProblem, row: int) -> Reading:
        longest = max(map(len, self.words))
        text, ends = problem.texts[row], problem.token_ends[row]
        return WordsReading(text, ends, whole_words(self.words), longest, self.k)

    def __str__(self) -> str:
        return f"ReasoningWords({self.k})"


@dataclass(frozen=True)
class TextMatches(TextRule):
    r"""Rule: the regular expression `pattern` matches in the text so far (`re.search`).

    `\b` and `\B` do not match at the very end of the text so far, where a word may continue:
    `\bso\b` holds with the first character after "so". What depends on later text is refused (`$`,
    `\Z`, lookaheads, atomic groups, possessive repetition), and so are references to groups. A
    text is read once, from its first character on, in a time that grows with its length alone.
    """

    pattern: str

    def __post_init__(self) -> None:
        if not isinstance(self.pattern, str):
            raise ValueError(
                f"TextMatches: {self.pattern!r:.60} is not the text of a regular expression"
            )
        try:
            compiled(self.pattern)
        except ValueError as error:
            raise ValueError(f"TextMatches: {error}") from None

    def _begin(self, problem: StoredProblem, row: int) -> Reading:
        key = Automaton, self.pattern
        automaton = problem.cached(key, lambda: Automaton(compiled(self.pattern)))
        return PatternReading(problem.texts[row], problem.token_ends[row], automaton)

    def __str__(self) -> str:
        return f"TextMatches({self.pattern!r})"


def _set_count(rule: StopRule, name: str) -> None:
    """Make a rule's count a plain int, at most `NEVER`; raise ValueError for one below 1."""
    count = getattr(rule, name)
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        kind = type(rule).__name__
        raise ValueError(f"{kind}: {name} is {count!r:.60}; give a whole number of 1 or more")
    object.__setattr__(rule, name, min(int(count), NEVER))


RULES: dict[str, type[StopRule]] = {
    rule.__name__: rule
    for rule in (
        GroupConfidenceBelow,
        ProbesAgree,
        ReasoningWords,
        SignalAbove,
        SignalBelow,
        TextMatches,
    )
}
"""Rules that the engine evaluates, by the name sent over the connection."""


def check_rule(rule: object) -> None:
    """Refuse rules other than `RULES`, because evaluating a rule gives it whole stored traces.

    Raises
    ------
    SamplerError
        The rule has another type, or a class derived from one of `RULES`.
    """
    if type(rule) is AnyOf:
        check_rule(rule.left)
        check_rule(rule.right)
    elif type(rule) not in RULES.values():
        raise SamplerError(
            f"until={rule!r:.60}: stop rules are only {', '.join(RULES)}, joined by |; for "
            "anything else, decode(tokens=...) in steps and check the traces"
        )
