"""Answers of imported traces and problems, found once the kind of a problem is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import regex

from simulator.answers.choices import is_letter
from simulator.answers.finding import GIVEN, find_answer, find_gold, find_in_value
from simulator.pools.records import TraceRecord

Search = Literal["none", "boxes", "text"]
"""Parts of a trace that are searched for its answer.

`none`: the file's own answer field counts as it is. `boxes`: a box in the text, else that field.
`text`: any form in the text, else that field. The field may hold a whole response itself.
"""


def infer_kind(gold_answers: Iterable[str]) -> str:
    """Return `choice` if every gold answer is one capital letter (`C`, `(C)`), else `math`."""
    gold = [find_gold(answer, "choice") for answer in gold_answers]
    return "choice" if gold and all(is_letter(answer) for answer in gold) else "math"


def set_answer(
    trace: TraceRecord,
    answer_kind: str,
    search: Search,
    patterns: Sequence[regex.Pattern[str]] = (),
) -> None:
    """Set a trace's answer and its form; until then, `answer` is the file's own field.

    Raises
    ------
    UserError
        A pattern takes too long.
    """
    given = trace.answer
    found = None
    if search != "none" and trace.text:
        found = find_answer(trace.text, answer_kind, patterns, boxes_only=search == "boxes")
    if found is not None:
        trace.answer, trace.answer_form = found.answer, found.form
    elif given is not None:
        found = None if search == "none" else find_in_value(given, answer_kind)
        trace.answer, trace.answer_form = (found.answer, found.form) if found else (given, GIVEN)
