"""math-verify, made safe, for the answers that `reading` does not read itself.

It is slow (a parse takes ten milliseconds, a comparison up to minutes), and answers can be hostile:
`9^{9^{9}}` or `99999999!` would keep it busy for hours inside C code that no alarm interrupts. So
answers too long, too deep or too large to evaluate are compared as text only.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from simulator.answers.meaning.notation import MAX_LENGTH

if TYPE_CHECKING:
    from simulator.answers.meaning.math_values import Meaning

MAX_NESTING = 10
"""Deepest nesting of brackets that is parsed; the parser's time doubles with every few levels."""

TIMEOUT_SECONDS = 2
"""math-verify's own limit for one parse or comparison; it works in a main thread only."""

# Expressions that the parser evaluates at once, or reads in exponential time.
_BINOMIAL = re.compile(r"binom|choose")
_LARGE = re.compile(r"[0-9]{4}")
_RISKY = re.compile(r"gcd|lcm|det|rref|trace|\btr\b|\\int|\\oint|\\iint|\\sum|\\prod|\\lim")


@lru_cache(maxsize=16384)
def meaning(text: str) -> Meaning | None:
    """Parse an answer in plain notation; return None if it can only be compared as text."""
    if not _is_safe_to_parse(text):
        return None
    found = _parser()(text)
    if not found:
        return None
    from simulator.answers.meaning.math_values import describe

    return describe(found[0])


def may_be_same(a: str, b: str) -> bool:
    """Check whether two answers in plain notation are worth math-verify's time."""
    ours, theirs = meaning(a), meaning(b)
    if ours is None or theirs is None:
        return False
    kinds = {ours.kind, theirs.kind}
    if kinds == {"list"}:
        return ours.size == theirs.size
    return "scalar" not in kinds


@lru_cache(maxsize=16384)
def verified(a: str, b: str) -> bool:
    """Return whether math-verify accepts two answers in plain notation, either one as the gold."""
    ours, theirs = meaning(a), meaning(b)
    if ours is None or theirs is None:
        return False
    from math_verify import verify

    return any(
        verify(
            gold.expression,
            answer.expression,
            allow_set_relation_comp=True,
            timeout_seconds=_timeout(),
        )
        for gold, answer in ((ours, theirs), (theirs, ours))
    )


def _timeout() -> int | None:
    """Return math-verify's timeout; None outside a POSIX main thread, as it relies on alarms."""
    if os.name == "posix" and threading.current_thread() is threading.main_thread():
        return TIMEOUT_SECONDS
    return None


@cache
def _parser() -> Callable[[str], list[Any]]:
    """Return math-verify's parser, imported when the first answer needs it (half a second)."""
    import math_verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    config = [math_verify.LatexExtractionConfig()]

    def parse(text: str) -> list[Any]:
        # As one formula: math-verify's search for formulas in prose takes `1 + 27 + ...` for 27.
        return list(
            math_verify.parse(
                f"${text}$",
                extraction_config=config,
                fallback_mode="no_fallback",
                parsing_timeout=_timeout(),
            )
        )

    return parse


def _is_safe_to_parse(text: str) -> bool:
    if not text or len(text) > MAX_LENGTH or "$" in text or "\x00" in text:
        return False
    if _RISKY.search(text) or text.count("|") > 4 or text.count("_") > 20:
        return False
    if _BINOMIAL.search(text) and _LARGE.search(text):
        return False
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest <= MAX_NESTING
