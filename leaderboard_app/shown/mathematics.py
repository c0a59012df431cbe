"""Mathematics in questions and answers, as Markdown in which everything else is plain text.

Streamlit renders the formulas with KaTeX.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from leaderboard_app.formulas.finding import Part, answer_parts, parts
from leaderboard_app.shown.screen import plain

_LCM = re.compile(r"\\lcm(?![A-Za-z])")
"""The only command in `formulas.finding.COMMANDS` that KaTeX does not know."""


def with_formulas(text: str) -> str:
    """Return Markdown of a text with its formulas rendered."""
    return _joined(parts(text))


def answer(text: str | None, *, missing: str = "none") -> str:
    """Return Markdown of a final answer: a formula if it is LaTeX that renders, else its text."""
    return missing if text is None else _joined(answer_parts(text))


def _joined(found: Iterable[Part]) -> str:
    return "".join(
        _lines(each.source) if each.formula is None else _markdown(each.formula, wide=each.wide)
        for each in found
    )


def _markdown(formula: str, *, wide: bool) -> str:
    line = _LCM.sub(r"\\operatorname{lcm}", " ".join(formula.split()))
    return f"$\\displaystyle {line}$" if wide else f"${line}$"


def _lines(text: str) -> str:
    """Return Markdown of a plain text with its line breaks; nothing in it is markup."""
    lines = text.split("\n")
    shown = []
    for number, line in enumerate(lines):
        escaped = plain(line.lstrip() if number else line)
        shown.append(f"\\{escaped}" if escaped.startswith("=") else escaped)
    return "  \n".join(shown).replace("  \n  \n", "\n\n")
