"""Token signals from log-probabilities, and token ends from token texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np

from simulator.arrays import Bools, Floats, Ints
from simulator.importers.importer import BadRow, Reading, finite_numbers
from simulator.pools.records import ProblemRecord

TOP_K = 20
"""Most log-probabilities of a token that count, as in DeepConf."""

ABSENT = -9999.0
"""Log-probability that vLLM's server writes in place of −inf, which JSON lacks. A token with it, or
a lower one, could not be sampled: it is masked, and says nothing of the model's confidence."""

ROUNDING = 0.01
"""Most that a log-probability may be above 0; more is a probability, or a logit."""

PAST_THE_END = 8
"""Most tokens at the end that a text may lack: special tokens, and those of a stop text."""

ALTERNATIVES = ("top_logprobs", "top_tokens")
PROBABILITIES = ("top_probs", "probs")
"""Names of a token's alternatives beside its own log-probability, and of probabilities instead, as
servers of TGI and llama.cpp have them."""

MINUS_INFINITY = frozenset({"-inf", "-infinity"})
"""Texts that programs write for −inf, which JSON lacks."""

NO_NUMBER = "logprobs hold something that is not a number"

SHOWN_COUNTS = 5
"""Number of counts of alternatives that a note lists."""


def confidence(top: Floats) -> Floats:
    """Return minus the mean of each token's log-probabilities, shape (num_tokens,)."""
    there = np.isfinite(top)
    mean: Floats = -np.where(there, top, 0.0).sum(axis=1) / there.sum(axis=1)
    return mean + 0.0  # no −0


def entropy(top: Floats) -> Floats:
    """Return the entropy of each token's renormalised probabilities in nats, shape (num_tokens,).

    It is 0 where a token has a single log-probability.
    """
    below = top - top.max(axis=1, keepdims=True)
    weights = np.exp(below)
    total = weights.sum(axis=1)
    weighted = (weights * np.where(np.isfinite(below), below, 0.0)).sum(axis=1)
    of_tokens: Floats = np.maximum(np.log(total) - weighted / total, 0.0)
    return of_tokens


FROM_LOGPROBS: dict[str, tuple[Callable[[Floats], Floats], str]] = {
    "confidence": (confidence, "minus the mean of the top {k} log-probabilities of a token"),
    "entropy": (entropy, "that of the top {k} probabilities of a token, renormalised, in nats"),
}
"""Token signals that log-probabilities give: their function, and its description.

A function takes each token's k largest log-probabilities in any order, shape (num_tokens, k), −inf
where a token has fewer but at least one. It returns finite numbers, shape (num_tokens,)."""

OF_SEVERAL = frozenset({"entropy"})
"""Token signals that need at least two log-probabilities of a token."""


class SignalTally:
    """Computes token signals of traces, and counts for the notes what they rest on.

    `leave_out` are the options that leave them out.
    """

    def __init__(self, leave_out: str = "--map logprobs=") -> None:
        self.remedy = f"write them again, or leave them out with {leave_out}"
        self.top_k: Counter[int] = Counter()
        self.alternatives: Counter[int] = Counter()
        self.masked = self.alone = self.missing = self.tokens = 0
        self.made: set[str] = set()
        self.sums: dict[str, float] = dict.fromkeys(FROM_LOGPROBS, 0.0)

    def signals(
        self, given: Any, leave_out: Container[str] = (), own: Sequence[Any] | None = None
    ) -> dict[str, Floats]:
        """Compute the signals of `FROM_LOGPROBS` but those left out, shape (num_tokens,) each.

        They are those of the k largest log-probabilities. `given` has one element per token, in
        any of these forms:

        - a list of numbers, or an object of numbers by token (completions);
        - an object with `logprob` and a list `top_logprobs` or `top_tokens` of such objects (chat
          completions, TGI), or with a list `probs` or `top_probs` of objects with `prob`
          (llama.cpp);
        - a list of objects with `logprob`, or an object of them by token id (vLLM);
        - a list of lists that begin with a log-probability (SGLang);
        - a number, an object with `logprob` alone, or a list of log-probability, token id and text:
          the sampled token's own log-probability;
        - null.

        `own` are the sampled tokens' own log-probabilities, if they are not in `given`. Those that
        are null, −inf, or at most `ABSENT` are absent. A token without alternatives has its own
        one; a token without that, too, has the signal of the token before it (the first ones, of
        the token after them; 0 if no token has any). k is the median number of alternatives per
        token, at most `TOP_K`: vLLM adds the sampled token if it is not among the k, and gives
        fewer if two tokens have the same text. Raises `BadRow` for anything else.
        """
        if not isinstance(given, list) or not given:
            raise BadRow("logprobs are not a list with one element per token", self.remedy, given)
        rows = [_numbers(each, number, self.remedy) for number, each in enumerate(given)]
        counts = np.fromiter((len(numbers) for numbers, _ in rows), dtype=np.int64)
        flat = self._checked(chain.from_iterable(numbers for numbers, _ in rows), counts)
        alone = self._own([single for _, single in rows], own)
        of_token = np.repeat(np.arange(len(counts)), counts)
        usable = np.bincount(of_token[np.isfinite(flat)], minlength=len(counts))
        k = _median_k(counts[usable > 0])
        table = _table(flat, counts, k)
        bare = ~_any_finite(table)
        table[bare, 0] = alone[bare]
        known = _any_finite(table)
        if not known.any():
            self.masked += len(flat)
            return self.nothing(len(given), leave_out)
        self._count(k, counts, flat, bare & known, ~known)
        source = _filled_from(known)
        signals = {
            name: finite_numbers(of(table[known])[source], name, self.remedy)
            for name, (of, _) in FROM_LOGPROBS.items()
            if name not in leave_out
        }
        self.made |= set(signals)
        for name, values in signals.items():
            self.sums[name] += float(values.sum())
        return signals

    def nothing(self, num_tokens: int, leave_out: Container[str] = ()) -> dict[str, Floats]:
        """Return the signals of a trace whose tokens have no log-probabilities: all 0."""
        names = [name for name in FROM_LOGPROBS if name not in leave_out]
        self.tokens += num_tokens
        self.missing += num_tokens
        self.made |= set(names)
        return {name: np.zeros(num_tokens) for name in names}

    def _own(self, inside: Sequence[float | None], beside: Sequence[Any] | None) -> Floats:
        """Return the sampled tokens' own log-probabilities, −inf if absent."""
        given = list(inside if beside is None else beside)
        if len(given) != len(inside):
            numbers = f"{len(given)} and {len(inside)}"
            raise BadRow("log-probabilities and tokens differ in number", self.remedy, numbers)
        given = [inner if each is None else each for each, inner in zip(given, inside, strict=True)]
        given = [_with_infinity(each) for each in given]
        if any(isinstance(value, bool | str) for value in given):
            raise BadRow(NO_NUMBER, self.remedy)
        values = [-np.inf if value is None else value for value in given]
        return self._checked(values, np.ones(len(values), dtype=np.int64))

    def _checked(self, values: Iterable[Any], counts: Ints) -> Floats:
        """Return log-probabilities, −inf for absent ones. Raises `BadRow` for what is none."""
        try:
            flat = np.fromiter(values, dtype=np.float64, count=int(counts.sum()))
        except (TypeError, ValueError, OverflowError):
            raise BadRow(NO_NUMBER, self.remedy) from None
        impossible = np.isnan(flat) | (flat > ROUNDING)
        if impossible.any():
            place = int(np.argmax(impossible))
            token = int(np.searchsorted(np.cumsum(counts), place, side="right"))
            raise BadRow(
                "logprobs hold a number that is not the logarithm of a probability",
                self.remedy,
                f"{flat[place]} at token {token}",
            )
        flat[flat <= ABSENT] = -np.inf
        return flat

    def _count(self, k: int, counts: Ints, flat: Floats, alone: Bools, missing: Bools) -> None:
        if counts.any():
            self.top_k[k] += 1
        numbers, tokens = np.unique(counts[counts > 0], return_counts=True)
        self.alternatives.update(dict(zip(numbers.tolist(), tokens.tolist(), strict=True)))
        self.tokens += len(counts)
        self.masked += int((~np.isfinite(flat)).sum())
        self.alone += int(alone.sum())
        self.missing += int(missing.sum())

    @property
    def single(self) -> bool:
        """True if no token of any trace has alternatives, but some have their own one."""
        return bool(self.made) and not self.alternatives

    def settle(self, reading: Reading, unfounded: Collection[str] = OF_SEVERAL) -> Reading:
        """Take signals that nothing supports off a reading's traces, once all have been read.

        `unfounded` are those to take off if no token has alternatives; a signal of `OF_SEVERAL` is
        also taken off if no token has two.
        """
        names = set(unfounded) if self.single else set()
        if self.missing == self.tokens:
            names = set(self.made)
        if max(self.top_k, default=0) < 2:
            names |= OF_SEVERAL
        names &= self.made
        if names:
            self.made -= names
            reading.problems = _without(reading.problems, names)
        return reading

    def notes(self) -> list[str]:
        """Describe the source of the signals; empty if there are none."""
        ks = sorted(self.top_k)
        shown = " or ".join(str(k) for k in ks or [1])
        several = max(ks, default=1) > 1
        notes = [
            f"{name} is {words.format(k=shown)}; its mean is {self.sums[name] / self.tokens:.4g}"
            for name, (_, words) in FROM_LOGPROBS.items()
            if name in self.made and (several or name not in OF_SEVERAL)
        ]
        if len(ks) > 1:
            many = ", ".join(f"{k}: {self.top_k[k]:,} traces" for k in ks)
            notes.append(f"the number of log-probabilities differs between traces ({many})")
        if set(self.alternatives) - set(ks):
            many = ", ".join(
                f"{number} at {tokens:,}"
                for number, tokens in self.alternatives.most_common(SHOWN_COUNTS)
            )
            more = ", …" if len(self.alternatives) > SHOWN_COUNTS else ""
            notes.append(f"alternatives per token: {many}{more} tokens; the {shown} largest count")
        of_all = f"of {self.tokens:,} tokens"
        for count, words in (
            (self.masked, f"log-probabilities of −inf or {ABSENT:.0f} were left out as absent"),
            (self.alone if self.alternatives else 0,
             f"{of_all} have no alternatives; their own log-probability counts alone"),
            (self.missing,
             f"{of_all} have no log-probability; they have the signals of the token before, "
                           "or 0"),
        ):  # fmt: skip
            if count:
                notes.append(f"{count:,} {words}")
        return notes


def _without(problems: Iterable[ProblemRecord], names: Collection[str]) -> Iterator[ProblemRecord]:
    for problem in problems:
        for trace in problem.traces:
            for name in names:
                trace.token_signals.pop(name, None)
        yield problem


def _any_finite(table: Floats) -> Bools:
    return np.asarray(np.isfinite(table).any(axis=1))


def _median_k(counts: Ints) -> int:
    """Return the median of numbers of alternatives, at most `TOP_K`; 1 if there are none."""
    return min(TOP_K, int(np.sort(counts)[(len(counts) - 1) // 2])) if len(counts) else 1


def _table(flat: Floats, counts: Ints, k: int) -> Floats:
    """Return the k largest alternatives of each token, shape (num_tokens, k), −inf for none."""
    width = max(k, int(counts.max()))
    table = np.full((len(counts), width), -np.inf)
    table[np.arange(width) < counts[:, None]] = flat
    return -np.sort(-table, axis=1)[:, :k] if width > k else table


def _filled_from(known: Bools) -> Ints:
    """Return, for each token, which of the known tokens its signals are taken from."""
    source: Ints = np.maximum(np.cumsum(known) - 1, 0)
    return source


def _numbers(each: Any, number: int, remedy: str) -> tuple[Sequence[float], Any]:
    """Return a token's alternatives, and its own log-probability if that stands beside them."""
    if each is None:
        return (), None
    if isinstance(each, int | float) and not isinstance(each, bool):
        return (), each
    own = None
    beside = _alternatives(each) if isinstance(each, dict) else None
    if beside in PROBABILITIES:
        return [_logarithm(entry, remedy) for entry in each[beside]], None
    if isinstance(each, dict) and (beside or _is_entry(each)):
        own, each = each.get("logprob"), each.get(beside) or ()
    elif isinstance(each, list) and _is_triple(each):
        return (), each[0]
    if isinstance(each, dict):  # null: Parquet gives a row the names of all others
        each = [value for value in each.values() if value is not None]
    if not isinstance(each, list | tuple):
        raise BadRow(f"no log-probabilities at token {number}", remedy, each)
    numbers: list[Any] = [
        value
        if type(value) is float
        else value.get("logprob")
        if type(value) is dict
        else _logprob(value)
        for value in each
    ]
    if not set(map(type, numbers)) <= {float, int}:
        numbers = [_with_infinity(value) for value in numbers]
        if any(isinstance(value, bool | str) for value in numbers):
            raise BadRow(NO_NUMBER, remedy)
        numbers = [-np.inf if value is None else value for value in numbers]
    return numbers, own


def _alternatives(each: dict[Any, Any]) -> str | None:
    """Return the name under which an object has a token's alternatives; None without any."""
    if "top_logprobs" in each:
        return "top_logprobs"
    names = (*ALTERNATIVES, *PROBABILITIES)
    return next((name for name in names if isinstance(each.get(name), list)), None)


def _logarithm(entry: Any, remedy: str) -> float:
    """Return the logarithm of the probability in an alternative. Raises `BadRow`."""
    value = entry.get("prob") if isinstance(entry, dict) else entry
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRow(NO_NUMBER, remedy)
    if not 0 <= value <= 1 + ROUNDING:
        raise BadRow("a probability that is not between 0 and 1", remedy, value)
    return math.log(value) if value > 0 else -np.inf


def _with_infinity(value: Any) -> Any:
    """Return −inf for a text that means it."""
    is_it = isinstance(value, str) and value.strip().casefold() in MINUS_INFINITY
    return -np.inf if is_it else value


def _is_entry(each: dict[Any, Any]) -> bool:
    """Check for one token with its log-probability, rather than numbers by token."""
    return "logprob" in each and not all(isinstance(v, int | float | dict) for v in each.values())


def _is_triple(each: list[Any]) -> bool:
    """Check for SGLang's log-probability, token id and text; the text may be null."""
    return (
        len(each) == 3
        and type(each[1]) is int
        and each[1] >= 0
        and isinstance(each[2], str | None)
        and not isinstance(each[0], list | dict)
    )


def _logprob(value: Any) -> Any:
    """Return the log-probability in an alternative: SGLang's list, or a pair of Parquet's map."""
    if isinstance(value, list) and value:
        return value[-1] if isinstance(value[0], str) else value[0]
    if isinstance(value, tuple) and value:
        return value[-1].get("logprob") if isinstance(value[-1], dict) else value[-1]
    return value


def ends_of_tokens(
    text: str, tokens: Sequence[str], token_bytes: Sequence[bytes] | None = None
) -> Ints | None:
    """Return the end of each token in a text, in characters; None if tokens and text differ.

    Tokens past the text's end, such as the end token, end where the text does; there may be
    `PAST_THE_END` of them. `token_bytes` are needed for tokens that are parts of a character; such
    a token ends before that character.
    """
    joined = "".join(tokens)
    ends = np.fromiter(accumulate(map(len, tokens)), dtype=np.int64, count=len(tokens))
    if joined == text or (joined.startswith(text) and _reaches(ends, len(text))):
        return np.minimum(ends, len(text))
    if token_bytes is None:
        return None
    data = text.encode(errors="surrogatepass")
    whole = b"".join(token_bytes)
    ends = np.fromiter(accumulate(map(len, token_bytes)), dtype=np.int64, count=len(token_bytes))
    if not whole.startswith(data) or not _reaches(ends, len(data)):
        return None
    starts = (np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80
    complete = np.zeros(len(data) + 1, dtype=np.int64)  # characters that end by each byte
    complete[1:] = np.cumsum(starts)
    complete[1:-1] -= ~starts[1:]
    return complete[np.minimum(ends, len(data))]


def _reaches(ends: Ints, length: int) -> bool:
    """Check that at most `PAST_THE_END` tokens begin at a text's end or past it."""
    return int((ends[:-1] >= length).sum()) <= PAST_THE_END
