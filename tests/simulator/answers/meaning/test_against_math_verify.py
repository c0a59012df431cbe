"""Every difference from math-verify alone is one that the documentation explains."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import Any

import mpmath
from math_verify import LatexExtractionConfig, parse, verify

from simulator.answers.equivalence import equivalent
from simulator.answers.meaning import arithmetic
from simulator.answers.meaning.grouping import groups
from simulator.answers.meaning.math_values import describe

DRAW = random.Random(15)


def generated() -> Iterator[str]:
    """Yield answers of the kinds that models give in the middle of a thought."""
    for _ in range(8):
        a, b, c = (DRAW.randrange(2, 30) for _ in range(3))
        yield rf"\frac{{{a}}}{{{b}}}"
        yield rf"{a}/{b}"
        yield rf"{a} + {b} \cdot {c}"
        yield rf"{a} + {b * c}"
        yield rf"{a + b * c}"
        yield rf"\frac{{{a} + \sqrt{{{c}}}}}{{{b}}}"
        yield rf"\frac{{\sqrt{{{c}}} + {a}}}{{{b}}}"
        yield rf"{a}\sqrt{{{b}}}"
        yield rf"\sqrt{{{a * a * b}}}"
        yield rf"{a}x + {b}"
        yield rf"{b} + {a}x"
        yield rf"({a}, {b})"
        yield rf"({a},\ {b})"
        yield rf"{a}^{{{min(b, 9)}}}"


SHORT = r"""
7 | 7.0 | x = 7 | \frac{14}{2} | 7 \text{ cm} | 7^\circ | 007 | 7s | 7th
\frac{1}{3} | 0.333333 | 0.33 | \frac{2}{6} | 1/3 | 0.\overline{3}
3 1/2 | 3.5 | \frac72 | 3\frac{1}{2} | 1.5
1,234 | 1234 | 1\,234 | 1.234e3 | \frac{1,234}{1}
\sqrt{8} | 2\sqrt{2} | 2.828427 | 2√2
4, 9 | 9, 4 | \{4, 9\} | (4, 9) | (9, 4) | x=4, x=9 | x = 4 \text{ or } x = 9
5, 6, 8 | (5, 6, 8) | (8, 6, 5)
x > 3 | (3, \infty) | 3 < x | x \ge 3 | [3, \infty) | t > 3
2 < x < 9 | (2, 9) | [2, 9]
2^{-40} | 2^{-41} | \frac{1}{2^{40}}
10^{-9} | 2 \cdot 10^{-9} | 0.000000001
1 + i | 1+\mathrm{i} | i + 1 | 1
y = 2x + 5 | 2x+5 | 2x - y + 5 = 0
60\% | 60 | 0.6 | 0.006
21_4 | 21 | 9
\pm 6 | 6, -6 | -6, 6 | 6
28 + number of lines | 27 + 1 + number of lines | 28 + lines of number
\sin^2 a + \cos^2 a | 1 | \sin(a)^2 + \cos(a)^2
1 + 2 + \cdots + 9 | 1 + 2 + 9 | 12
|90 - x| | 90 - x | x - 90
\text{Paris} | Paris | \text{paris}
A | a | \mathbf{A}
12:30 | 12 | 0.4
t = 8 | n = 8 | 8
m \equiv 10 \pmod{7} | 3
"""

WE_ACCEPT = {
    "repeating decimals": {r"0.\overline{3}": ["0.333333", "1/3", r"\frac{1}{3}", r"\frac{2}{6}"]},
    "the imaginary unit in another font": {r"1+\mathrm{i}": ["1 + i", "i + 1"]},
    "thousands and scientific notation": {
        "1.234e3": ["1,234", "1234", r"1\,234", r"\frac{1,234}{1}"],
        r"1\,234": ["1,234", "1234", r"\frac{1,234}{1}"],
        r"\frac{1,234}{1}": ["1,234", "1234"],
    },
    "Unicode signs": {"2√2": ["2.828427", r"2\sqrt{2}", r"\sqrt{8}"]},
    "bases": {"21_4": ["9"]},
    "congruences": {r"m \equiv 10 \pmod{7}": ["3"]},
    "mixed numbers": {"3 1/2": ["3.5", r"3\frac{1}{2}", r"\frac72"]},
    "other names of the unknown": {"t > 3": ["3 < x", "x > 3"], "t = 8": ["n = 8"]},
}
WE_REFUSE = {
    "the order of a tuple": {
        "(4, 9)": ["9, 4"],
        "(9, 4)": ["4, 9", r"\{4, 9\}", r"x = 4 \text{ or } x = 9", "x=4, x=9"],
        "(8, 6, 5)": ["5, 6, 8"],
    },
    "values below a millionth": {r"2 \cdot 10^{-9}": ["0.000000001"]},
    "times": {"12:30": ["0.4"]},
    "a variable taken for a unit": {
        "7s": ["7", "7.0", "007", "x = 7", r"\frac{14}{2}", r"7 \text{ cm}", r"7^\circ", "7th"]
    },
}


@cache
def parsed(text: str) -> Any:
    """Return what math-verify reads of a text, as one formula."""
    return parse(
        f"${text}$", extraction_config=[LatexExtractionConfig()], fallback_mode="no_fallback"
    )


def bucket(text: str) -> str:
    """Return a key equal for texts that math-verify may hold to be equal."""
    found = parsed(text)
    meaning = describe(found[0]) if found else None
    if meaning is None:
        return f"text {text}"
    if meaning.values is None:
        return "no value"
    with mpmath.workdps(arithmetic.DIGITS):
        return str(mpmath.nstr(mpmath.mpmathify(arithmetic.real(meaning.values[0])), 5))


def accepted(a: str, b: str) -> bool:
    """Return math-verify's verdict, with either text as the gold answer."""
    return bool(
        verify(parsed(a), parsed(b), timeout_seconds=None)
        or verify(parsed(b), parsed(a), timeout_seconds=None)
    )


def test_every_difference_from_math_verify_is_explained() -> None:
    rows = [row.split(" | ") for row in SHORT.strip().splitlines()]
    texts = sorted({*generated(), *(text for row in rows for text in row)})
    sets: dict[str, list[str]] = defaultdict(list)
    for text, first in groups(texts).items():
        sets[f"ours {first}"].append(text)
    for text in texts:
        sets[bucket(text)].append(text)
    del sets["no value"]
    pairs = {pair for row in [*rows, *sets.values()] for pair in combinations(sorted(set(row)), 2)}
    ours = {pair for pair in pairs if equivalent("math", *pair)}
    theirs = {pair for pair in pairs if accepted(*pair)}
    assert ours - theirs == explained(WE_ACCEPT)
    assert theirs - ours == explained(WE_REFUSE)
    assert len(ours & theirs) > 100


def explained(table: dict[str, dict[str, list[str]]]) -> set[tuple[str, str]]:
    """Return the pairs of a table of differences, each in alphabetical order."""
    found: set[tuple[str, str]] = set()
    for pairs in table.values():
        for a, others in pairs.items():
            found |= {(min(a, b), max(a, b)) for b in others}
    return found
