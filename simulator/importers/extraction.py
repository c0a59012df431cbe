"""Answers extracted from texts: the last box, else the last line that announces an answer."""

from __future__ import annotations

import re

from simulator.answers.equivalence import last_boxed
from simulator.importers.importer import answer_text

MAX_LINE = 1000
"""Most characters of a line that are searched."""

_ANSWER_LINE = re.compile(r"answer\W{0,4}:([^\n]+)", re.IGNORECASE)
_OPENING = re.compile(r"(?:[\s*_`}]|\\[\[(]|\$)+")
_CLOSING = re.compile(r"(?:[\s*_`.]|\\[\])]|\$)+$")


def extract_answer(text: str) -> str | None:
    r"""Extract a text's final answer: its last balanced `\boxed{…}`, else its last `ANSWER: …`.

    The latter is inspect_ai's convention; Markdown and LaTeX around it are removed
    (`**ANSWER: 7**`, `\[ \text{ANSWER: } 7 \]`), also inside a box. None if a text has neither.
    """
    return extract_boxed(text) or _announced(text)


def extract_boxed(text: str) -> str | None:
    r"""Extract the content of a text's last balanced `\boxed{…}`; None without one."""
    boxed = last_boxed(text)
    if boxed is None:
        return None
    return _announced(boxed) or answer_text(boxed)


def _announced(text: str) -> str | None:
    lines = _ANSWER_LINE.findall(text)
    return answer_text(_bare(lines[-1][:MAX_LINE])) if lines else None


def _bare(line: str) -> str:
    """Strip the Markdown and LaTeX around an announced answer."""
    opening = _OPENING.match(line)
    bare = line[opening.end() :] if opening else line
    while True:
        closing = _CLOSING.search(bare)
        shorter = bare[: closing.start()] if closing else bare
        if shorter.endswith("}") and shorter.count("}") > shorter.count("{"):
            shorter = shorter[:-1]
        if shorter == bare:
            return bare
        bare = shorter
