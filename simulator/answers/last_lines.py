r"""Answers that only the last line of a text, or a table in it, gives in other words.

They count where no form of `simulator.answers.forms` gives an answer: `So 12 is the answer.`,
`Result: 12`, `I choose option B.`. A last line that merely ends in a number gives none, since that
may be the number of an intermediate step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from simulator.answers.cleaning import MAX_LINE

_NUMBER = r"\\?[$€£]?[-+−]?\\?[$€£]?\d[\d,]*(?:\.\d+)?(?:/\d+)?\s?\\?%?"
_VALUE = rf"(?P<value>\$[^$\n]{{1,200}}\$|\\\(.{{1,200}}?\\\)|{_NUMBER})"
_BEFORE = re.compile(
    rf"(?:(?:so|thus|hence|therefore|finally|then)\b,?\s*)?[*_]*{_VALUE}[*_]*"
    r"(?:\s+[a-z]{2,12}){0,2}\s+(?:is|are|must\ be)\s+(?:the|my|our)\s+"
    r"(?:(?:final|correct|required)\s+){0,2}(?:answer|result)s?[\s.!*_]*",
    re.IGNORECASE | re.VERBOSE,
)
_LABELLED = re.compile(
    rf"[\s*_#>-]*(?:(?:final|(?:final\ )?(?:result|solution|value|output)|ans)[*_]*\s*[:=]|ans\.)"
    rf"[\s*_]*{_VALUE}[\s*_.]*",
    re.IGNORECASE | re.VERBOSE,
)
_CALLED = re.compile(
    r"""\s*(?:print\()?final_answer\(\s*["']?(?P<value>[^"'\n]{1,200}?)["']?\s*\)+\s*"""
)
_CELL = re.compile(
    r"^[ \t]*\|[ \t*_]*(?:final )?answer[ \t*_:]*\|(?P<value>[^|\n]{1,200})\|", re.IGNORECASE | re.M
)
_OPTION = (
    r"(?:(?i:the\ )?(?i:option|choice|answer|letter)\s+)?"
    r"(?P<value>[*_]{0,2}[(\[]?[A-Z][)\]]?[*_]{0,2})"
    r"(?=[\s*_]*(?:\Z|[.,;:!)\n—–]|(?:because|since|as|due)\b|is\ (?:the|my|correct|right)\b))"
)
_CHOSEN = re.compile(
    rf"""(?i:\bI(?:\ would|'d|\ will|'ll)?\ (?:choose|pick|select|go\ with|opt\ for)
        |\b(?:my|the)\ choice(?:\ is|:)|\b(?:which\ is|corresponds\ to|matches)
        |^\W*(?:(?:so|thus|hence|therefore|select|pick|choose)\b,?|final:|[>→⇒∴✓✔✅])
        )[\s*_]+{_OPTION}""",
    re.VERBOSE,
)
_VERDICT = re.compile(r"\[\[(?P<value>[A-Z])\]\]")
_DENIED = re.compile(
    r"\b(?:not|n't|never|neither|cannot|eliminate|exclude|reject)\b", re.IGNORECASE
)
_UNDECIDED = re.compile(r"\s*[*_)\]]*\s*(?:or|and|and/or)\s+(?:option\s+)?[(\[]?[A-Z]\b")


def last_lines(text: str, answer_kind: str) -> Iterator[tuple[int, str]]:
    """Yield the values that the last line, or a row `| Answer | … |`, gives."""
    bare = text.rstrip()
    start = max(bare.rfind("\n") + 1, len(bare) - MAX_LINE)
    line = bare[start:]
    if answer_kind == "choice":
        yield from _letters(line, start)
        return
    for form in (_BEFORE, _LABELLED, _CALLED):
        if found := form.fullmatch(line) or form.fullmatch(line.rsplit(". ", 1)[-1]):
            yield start, found["value"].strip()
            return
    for found in _CELL.finditer(bare) if "|" in line else ():
        if re.search(r"\d", found["value"]):
            yield found.start(), found["value"].strip()


def _letters(line: str, start: int) -> Iterator[tuple[int, str]]:
    for form in (_CHOSEN, _VERDICT, _CELL):
        for found in form.finditer(line):
            clause = line[: found.start()].rsplit(".", 1)[-1]
            denied = _DENIED.search(clause) or _UNDECIDED.match(line, found.end())
            if not denied:
                yield start + found.start(), found["value"]
