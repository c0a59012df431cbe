"""Token signals from log-probabilities, and token ends from token texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np

from simulator.arrays import Floats, Ints
from simulator.importers.importer import BadRow, finite_numbers

TOP_K = 20
"""Most log-probabilities of a token that count, as in DeepConf."""


NONE = -9999.0
"""Log-probability that vLLM's server writes in place of −inf, which JSON lacks."""


def confidence(top: Floats) -> Floats:
    """Return minus the mean of each token's log-probabilities, shape (num_tokens,)."""
    there = np.isfinite(top)
    mean: Floats = -np.where(there, top, 0.0).sum(axis=1) / there.sum(axis=1)
    return mean + 0.0  # no −0


def entropy(top: Floats) -> Floats | None:
    """Return the entropy of each token's renormalised probabilities in nats, shape (num_tokens,).

    None for single log-probabilities, which say nothing of it.
    """
    if top.shape[1] < 2:
        return None
    below = top - top.max(axis=1, keepdims=True)
    weights = np.exp(below)
    total = weights.sum(axis=1)
    weighted = (weights * np.where(np.isfinite(below), below, 0.0)).sum(axis=1)
    of_tokens: Floats = np.maximum(np.log(total) - weighted / total, 0.0)
    return of_tokens


FROM_LOGPROBS: dict[str, tuple[Callable[[Floats], Floats | None], str]] = {
    "confidence": (confidence, "minus the mean of the top {k} log-probabilities of a token"),
    "entropy": (entropy, "that of the top {k} probabilities of a token, renormalised, in nats"),
}
"""Token signals that log-probabilities give: their function, and its description.

A function takes each token's k largest log-probabilities in any order, shape (num_tokens, k), −inf
where a token has fewer. It returns finite numbers, shape (num_tokens,); None without any."""


class SignalTally:
    """Computes token signals, and counts log-probabilities per token for the notes.

    `leave_out` are the options that leave them out.
    """

    def __init__(self, leave_out: str = "--map logprobs=") -> None:
        self.remedy = f"write them again, or leave them out with {leave_out}"
        self.top_k: Counter[int] = Counter()
        self.short = 0
        self.made: set[str] = set()

    def signals(self, given: Any, leave_out: Container[str] = ()) -> dict[str, Floats]:
        """Compute the signals of `FROM_LOGPROBS` but those left out, shape (num_tokens,) each.

        They are those of the k largest log-probabilities. `given` has one element per token:
        its log-probabilities as a list of numbers, an object of numbers by token (OpenAI
        completions), or a list of objects with `logprob` (chat completions); or a single number,
        its only log-probability. k is the median number of log-probabilities per token, at most
        `TOP_K`: vLLM adds the sampled token if it is not among the k, and gives fewer if two tokens
        have the same text. Raises `BadRow`.
        """
        if not isinstance(given, list) or not given:
            raise BadRow("logprobs are not a list with one element per token", self.remedy, given)
        rows = [_numbers(each, number, self.remedy) for number, each in enumerate(given)]
        counts = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        total = int(counts.sum())
        try:
            flat = np.fromiter(chain.from_iterable(rows), dtype=np.float64, count=total)
        except (TypeError, ValueError, OverflowError):
            raise BadRow("logprobs hold something that is not a number", self.remedy) from None
        impossible = ~(np.isfinite(flat) & (flat > NONE))
        if impossible.any():
            place = int(np.argmax(impossible))
            token = int(np.searchsorted(np.cumsum(counts), place, side="right"))
            raise BadRow(
                "logprobs hold a number that is not the logarithm of a probability above 0",
                self.remedy,
                f"{flat[place]} at token {token}",
            )
        k = min(TOP_K, int(np.sort(counts)[(len(counts) - 1) // 2]))
        self.top_k[k] += 1
        self.short += int((counts < k).sum())
        width = int(counts.max())
        if int(counts.min()) == width:
            table = flat.reshape(len(rows), width)
        else:
            table = np.full((len(rows), width), -np.inf)
            table[np.arange(width) < counts[:, None]] = flat
        if width > k:
            table = -np.sort(-table, axis=1)[:, :k]
        found = {
            name: of(table) for name, (of, _) in FROM_LOGPROBS.items() if name not in leave_out
        }
        signals = {
            name: finite_numbers(values, name, self.remedy)
            for name, values in found.items()
            if values is not None
        }
        self.made |= set(signals)
        return signals

    def notes(self) -> list[str]:
        """Describe the source of the signals; empty if there are none."""
        ks = sorted(self.top_k)
        shown = " or ".join(str(k) for k in ks)
        notes = [
            f"{name} is {words.format(k=shown)}"
            for name, (_, words) in FROM_LOGPROBS.items()
            if name in self.made
        ]
        if len(ks) > 1:
            many = ", ".join(f"{k}: {self.top_k[k]:,} traces" for k in ks)
            notes.append(f"the number of log-probabilities differs between traces ({many})")
        if self.short:
            notes.append(
                f"{self.short:,} tokens have fewer log-probabilities than their trace's others"
            )
        return notes


def _numbers(each: Any, number: int, remedy: str) -> Sequence[float]:
    if isinstance(each, int | float) and not isinstance(each, bool):
        return (each,)
    values: Iterable[Any] | None = None
    if isinstance(each, dict) and isinstance(each.get("top_logprobs"), list):
        each = each["top_logprobs"]
    if isinstance(each, dict):
        values = each.values()
    elif isinstance(each, list):
        values = each
    if values is None:
        raise BadRow(f"no log-probabilities at token {number}", remedy, each)
    numbers: list[Any] = [
        value.get("logprob") if isinstance(value, dict) else value for value in values
    ]
    if not numbers:
        raise BadRow(f"no log-probabilities at token {number}", remedy)
    if any(isinstance(value, bool | str) for value in numbers):
        raise BadRow("logprobs hold something that is not a number", remedy)
    return numbers


def ends_of_tokens(
    text: str, tokens: Sequence[str], token_bytes: Sequence[bytes] | None = None
) -> Ints | None:
    """Return the end of each token in a text, in characters; None if tokens and text differ.

    Tokens past the text's end, such as the end token, end where the text does. `token_bytes` are
    needed for tokens that are parts of a character; such a token ends before that character.
    """
    joined = "".join(tokens)
    only_last_is_past = sum(map(len, tokens[:-1])) <= len(text)
    if joined == text or (joined.startswith(text) and only_last_is_past):
        ends = np.fromiter(accumulate(map(len, tokens)), dtype=np.int64, count=len(tokens))
        return np.minimum(ends, len(text))
    if token_bytes is None:
        return None
    data = text.encode(errors="surrogatepass")
    whole = b"".join(token_bytes)
    if not whole.startswith(data) or len(whole) - len(data) > len(token_bytes[-1]):
        return None
    starts = (np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80
    complete = np.zeros(len(data) + 1, dtype=np.int64)  # characters that end by each byte
    complete[1:] = np.cumsum(starts)
    complete[1:-1] -= ~starts[1:]
    ends = np.fromiter(accumulate(map(len, token_bytes)), dtype=np.int64, count=len(token_bytes))
    return complete[np.minimum(ends, len(data))]
