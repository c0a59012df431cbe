"""Equality of mathematical answers by math-verify, made fast and safe.

math-verify decides, but it is slow (a parse takes milliseconds, a comparison up to 200 ms), and
answers can be hostile: `9^{9^{9}}` or `99999999!` would keep it busy for hours inside C code that
no alarm interrupts. So three steps come before it:

1. Plain numbers are compared exactly by a normal form, without math-verify.
2. Answers too long, too deep or too large to evaluate are compared as text only.
3. Expressions that differ in value are different. Values are computed by
`simulator.answers.math_values`,
   each variable at a fixed point, so that only pairs that are probably equal reach math-verify.
"""

from __future__ import annotations

import logging
import math
import os
import re
import threading
from collections.abc import Callable
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.answers.math_values import Meaning

MAX_LENGTH = 300
"""Length of the longest answer that is parsed, in characters; a longer one is compared as text."""

MAX_NESTING = 10
"""Deepest nesting of brackets that is parsed; the parser's time doubles with every few levels."""

TIMEOUT_SECONDS = 5
"""math-verify's own limit for one parse or comparison; it works in a main thread only."""

_NUMBER = re.compile(r"([+-]?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?")
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{1,3}")
_WRAPPED = re.compile(r"\$+([^$]*)\$+|\\\((.*)\\\)|\\\[(.*)\\\]", re.DOTALL)
_SPACING = re.compile(r"\\[!,;:> ]|\\(?:left|right|displaystyle)(?![a-zA-Z])|\s+")
# Expressions that the parser evaluates at once, or reads in exponential time.
_BINOMIAL = re.compile(r"binom|choose")
_LARGE = re.compile(r"[0-9]{4}")
_RISKY = re.compile(r"gcd|lcm|det|rref|trace|\btr\b|\\int|\\oint|\\iint|\\sum|\\prod|\\lim")


@lru_cache(maxsize=65536)
def form(answer: str) -> str:
    """Return a normal form, which is equal for answers that are obviously equal.

    Plain numbers lose a plus sign, thousands separators, leading and trailing zeros; other answers
    lose math delimiters, spacing, and the size of brackets and fractions.
    """
    text = _cleaned(answer)
    compact = _SPACING.sub("", text)
    return _number(compact) or compact.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")


@lru_cache(maxsize=65536)
def is_number(answer: str) -> bool:
    """Check whether an answer is a plain number, such as `42`, `-0.5`, `1,204` or `$007$`."""
    return _number(_SPACING.sub("", _cleaned(answer))) is not None


def same(gold: str, answer: str) -> bool:
    """Check whether two answers mean the same; see `verified` for the role of `gold`."""
    return form(gold) == form(answer) or (may_be_same(gold, answer) and verified(gold, answer))


def may_be_same(a: str, b: str) -> bool:
    """Check whether two answers of different form are worth math-verify's time.

    They are not if their values differ, or if one of them can only be compared as text.
    """
    if is_number(a) and is_number(b):
        return False
    ours, theirs = _meaning(a), _meaning(b)
    return ours is not None and theirs is not None and _may_be_equal(ours, theirs)


def verified(gold: str, answer: str) -> bool:
    """Return math-verify's verdict on two answers, with `gold` in the role of the gold answer.

    Only this direction is checked, as its authors intend: the other would double the time, and
    differs for equations only.
    """
    ours, theirs = _meaning(gold), _meaning(answer)
    if ours is None or theirs is None:
        return False
    from math_verify import verify

    return bool(verify(ours.expression, theirs.expression, timeout_seconds=_timeout()))


def _cleaned(answer: str) -> str:
    """Remove math delimiters, currency sign and final full stop; normalise commas and minus."""
    text = answer.strip()
    wrapped = _WRAPPED.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if wrapped:
        text = next(group for group in wrapped.groups() if group is not None).strip()
    text = text.removeprefix("\\$").removeprefix("$")
    return text.replace("{,}", ",").replace("−", "-").strip().rstrip(".").rstrip()


def _number(compact: str) -> str | None:
    """Return the normal form of a plain number without spaces, None for anything else."""
    if _SCIENTIFIC.fullmatch(compact):
        compact = format(Decimal(compact), "f")
    match = _NUMBER.fullmatch(compact)
    if match is None or not (match[2] or match[3]):
        return None
    whole = match[2].replace(",", "").lstrip("0") or "0"
    fraction = (match[3] or "").rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return f"-{number}" if match[1] == "-" and number != "0" else number


def _may_be_equal(a: Meaning, b: Meaning) -> bool:
    """Check whether a pair is worth math-verify's time; False only if it would say no."""
    kinds = {a.kind, b.kind}
    if kinds == {"list"} or kinds == {"list", "scalar"}:
        return a.size == b.size
    if kinds == {"other", "scalar"}:
        return False
    if not kinds <= {"scalar", "equation"} or kinds == {"equation"}:
        return True
    if a.log_size is None or b.log_size is None:
        return True
    # math-verify rounds decimals to six places, so small numbers are left to it.
    if max(a.log_size, b.log_size) < math.log(0.1):
        return True
    return abs(a.log_size - b.log_size) < 2e-5 and abs(a.direction - b.direction) < 2e-5


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


@lru_cache(maxsize=16384)
def _meaning(answer: str) -> Meaning | None:
    """Parse an answer; return None if it can only be compared as text."""
    text = form(answer) if is_number(answer) else _cleaned(answer)
    if not _is_safe_to_parse(text):
        return None
    found = _parser()(text)
    if not found:
        return None
    from simulator.answers.math_values import describe

    return describe(found[0])


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
