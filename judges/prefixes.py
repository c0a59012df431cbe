"""The prefix of a trace that a judge reads: its first tokens, or its text up to a reasoning word.

DeepPrune (arXiv 2510.08483) has two truncations: the first 500 tokens, or up to the 25th reasoning
word. A trace that ends before its cut is read whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from simulator.arrays import Ints
from simulator.errors import UserError
from simulator.rules.stop_rules import ReasoningWords

if TYPE_CHECKING:  # slow to import
    from simulator.pools.pool import StoredProblem


@dataclass(frozen=True, slots=True)
class Truncation:
    """A cut of traces: after `count` tokens, or after the `count`-th reasoning word.

    It is written `tokens=500` or `words=25`. Reasoning words are always
    `simulator.rules.stop_rules.REASONING_WORDS`, so that `words=25` alone identifies the prefixes
    of a stored score. The cut is where `decode(until=ReasoningWords(count))` halts a trace.
    """

    unit: Literal["tokens", "words"]
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UserError(f"truncation {self}: at least 1")

    def __str__(self) -> str:
        return f"{self.unit}={self.count}"

    @classmethod
    def parse(cls, text: str) -> Truncation:
        """Parse a truncation from text.

        Raises
        ------
        UserError
            The text is neither `tokens=N` nor `words=N`.
        """
        match = re.fullmatch(r"(tokens|words)=([0-9]{1,9})", text.strip())
        if match is None:
            raise UserError(f"truncation {text!r}: give tokens=N or words=N, such as tokens=500")
        return cls("tokens" if match[1] == "tokens" else "words", int(match[2]))

    def cuts(self, problem: StoredProblem) -> Ints:
        """Compute the cut of each trace of a problem, in tokens, shape (traces,).

        A shorter trace is cut at its end, an unfinished one where it was generated to.
        """
        if self.unit == "tokens":
            return np.minimum(self.count, problem.available)
        rows = np.arange(len(problem.lengths))
        start, ends = np.zeros_like(problem.lengths), problem.available
        found = ReasoningWords(self.count).halts_at(problem, rows, start, ends)
        return np.minimum(found, ends)

    def prefixes(self, problem: StoredProblem) -> list[str]:
        """Cut the prefix of each trace of a problem, in order of trace id.

        Raises
        ------
        UserError
            The pool has no text.
        """
        problem.pool.require(frozenset({"text"}), "a judge that reads text")
        return [
            text[: int(ends[cut - 1])] if cut else ""
            for text, ends, cut in zip(
                problem.texts, problem.token_ends, self.cuts(problem).tolist(), strict=True
            )
        ]


TOKENS_500 = Truncation("tokens", 500)
WORDS_25 = Truncation("words", 25)
"""The two truncations of the publication."""
