"""Reading of a trace's text, token by token, until a pattern matches or words have come.

A reading goes from the first token on and no further than it is asked to, stops with the token that
decides, and is kept for all repeats: what comes later is neither read nor takes time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from simulator.arrays import Ints
from simulator.rules.patterns import Automaton

NEVER = 2**63 - 1
"""Token count of a rule that never holds."""


class Reading(Protocol):
    """Reading of one trace by one rule.

    Attributes
    ----------
    found
        The fewest tokens with which the rule holds; `NEVER` while none are known.
    read
        Number of tokens that have been read; `NEVER` after `found` is known.
    text, token_ends
        The trace's text, and the end of each token in it, in characters. Both may grow at the end.
    """

    found: int
    read: int
    text: str
    token_ends: Ints

    def read_on(self, tokens: int) -> None:
        """Read up to that many tokens of the trace, or to where the rule holds."""


class PatternReading:
    """Reading of a trace until a pattern matches; `token_ends` are in characters."""

    __slots__ = ("_automaton", "_place", "_state", "found", "read", "text", "token_ends")

    def __init__(self, text: str, token_ends: Ints, automaton: Automaton) -> None:
        self.text = text
        self.token_ends = token_ends
        self._automaton = automaton
        self._state = automaton.start
        self._place = 0
        self.found = self.read = 0
        if self._state is not None:
            self.found = NEVER
        else:
            self.read = NEVER

    def read_on(self, tokens: int) -> None:
        self._state, self._place = self._automaton.read(
            self._state, self.text, self._place, int(self.token_ends[tokens - 1])
        )
        self.read = tokens
        if self._state is None:
            self.read = NEVER
            self.found = int(self.token_ends.searchsorted(self._place)) + 1


class WordsReading:
    """Reading of a trace until whole words have come `number` times, each with a character after.

    `longest` is the number of characters of the longest of them.
    """

    __slots__ = (
        "_left",
        "_longest",
        "_place",
        "_words",
        "found",
        "read",
        "text",
        "token_ends",
    )

    def __init__(
        self, text: str, token_ends: Ints, words: re.Pattern[str], longest: int, number: int
    ) -> None:
        self.text = text
        self.token_ends = token_ends
        self._words = words
        self._longest = longest
        self._left = number
        self._place = 0
        self.found = NEVER
        self.read = 0

    def read_on(self, tokens: int) -> None:
        end = int(self.token_ends[tokens - 1])
        for word in self._words.finditer(self.text, self._place, end):
            if word.end() == end:  # it may continue
                break
            self._place = word.end()
            self._left -= 1
            if not self._left:
                self.read = NEVER
                self.found = int(self.token_ends.searchsorted(self._place, side="right")) + 1
                return
        self.read = tokens
        self._place = max(self._place, end - self._longest)


def whole_words(words: Iterable[str]) -> re.Pattern[str]:
    """Compile a pattern for any of these as a whole word, in upper or lower case."""
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


def first_of(readings: Sequence[Reading], tokens: int) -> int:
    """Return the fewest tokens, up to `tokens`, with which one of several rules holds, or `NEVER`.

    No reading passes the token with which another rule holds: each goes on only as far as all
    others have come, or by one token.
    """
    while True:
        found = min(reading.found for reading in readings)
        least, *others = sorted(readings, key=lambda reading: reading.read)
        bound = min(tokens, found)
        if least.read >= bound:
            return found if found <= tokens else NEVER
        least.read_on(min(bound, max([least.read + 1, *(each.read for each in others[:1])])))
