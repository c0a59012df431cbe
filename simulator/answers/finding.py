r"""Answers found in texts, by one ordered table of forms (`FORMS`).

The part of a response after its reasoning (`</think>`) is searched first, with all forms, then the
whole text. What is found is searched with the same forms until nothing changes, as forms occur in
each other: `\boxed{\text{Answer: }5}`, `**Answer:** Final answer: \boxed{5}`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import regex

from simulator.answers.boxes import boxed
from simulator.answers.choices import letter_of
from simulator.answers.cleaning import MAX_ANSWER, bare_value, cut_prose, fits, value_of_sentence
from simulator.answers.forms import ADVERBS, ANNOUNCED, ANYWHERE, FORMS, Form
from simulator.errors import UserError

PATTERN_SECONDS = 5.0
"""Most seconds that a user's pattern may take on one text."""

GIVEN = "given"
"""Form of an answer that is the value of the file's own field."""

PATTERN = "pattern"
"""Form of an answer that a user's pattern has found."""

_MOST_WRAPPED = 10

LAST_RESORT = "conclusion"
"""Form of a letter that counts only where there is no other."""

LONG_VALUE = 60
"""Most characters of a value of an answer field that is not searched for announcements."""

_THOUGHT = re.compile(
    r"</(?:think|thinking|thought|reasoning|seed:think)>|\[/THINK\]|◁/think▷|<channel\|>"
    r"|<\|channel\|>final<\|message\|>|<\|end_of_thought\|>|assistantfinal"
)
"""Ends of a response's reasoning."""

_SPECIAL = re.compile(
    r"<[|｜][^|｜<>\n]{1,40}[|｜]>|</?s>|<eos>|<pad>|<end_of_turn>|<\|?/?assistant\|?>"
)
"""Special tokens, which end an answer."""

_SPECIAL_END = re.compile(rf"(?:{_SPECIAL.pattern})\s*\Z")


@dataclass(frozen=True, slots=True)
class Found:
    """An answer, and the name of the form in which it was found."""

    answer: str
    form: str


def find_answer(
    text: str,
    answer_kind: str,
    patterns: Sequence[regex.Pattern[str]] = (),
    *,
    boxes_only: bool = False,
) -> Found | None:
    """Find the answer that a response gives; None if it gives none.

    Parameters
    ----------
    text
        The response of a model, with or without its reasoning.
    answer_kind
        `math`, `choice` or `text`. The answer to a multiple-choice question is a capital letter.
    patterns
        A user's patterns (`compiled`), tried in order before all forms. The first one that matches
        counts: the first group of its last match, or the whole match.
    boxes_only
        Search for patterns and boxes only, and in the reasoning only if nothing comes after it:
        what counts more than a file's own answer field.

    Raises
    ------
    UserError
        A pattern takes too long.
    """
    text = _without_special_end(text)
    if text.endswith("</answer>") and "<answer" not in text:  # which was in the prompt
        text = text.removesuffix("</answer>")
    for pattern in patterns:
        value = _matched(pattern, text)
        if value:
            value = _refined(value, answer_kind) or value
            letter = letter_of(value) if answer_kind == "choice" else None
            return Found(letter or value, PATTERN)
    ends = deque(_THOUGHT.finditer(text), 1)
    final = text[ends[0].end() :] if ends else text
    found = _in_part(final, answer_kind, FORMS[:1] if boxes_only else FORMS)
    if found is None and ends and not (boxes_only and final.strip()):
        found = _in_part(text, answer_kind, FORMS[:1] if boxes_only else ANYWHERE)
    return found


def find_gold(text: str, answer_kind: str) -> str:
    r"""Return the gold answer in a gold text, which may be a whole solution.

    >>> find_gold("Half of 36 is 18.\n#### 18", "math"), find_gold("the answer", "text")
    ('18', 'the answer')
    """
    found = find_in_value(text, answer_kind)
    return found.answer if found else text


def find_in_value(text: str, answer_kind: str) -> Found | None:
    r"""Find the answer in the value of an answer field; None if the value is the answer itself.

    A value on one line of at most `LONG_VALUE` characters is that, unless it has a box, an answer
    tag or hashes, or begins as an announcement. A longer one may be a whole solution (`… #### 42`).
    """
    announced = ANNOUNCED.search(text[:_LEADING])
    begins = announced is not None and _LEAD.fullmatch(text[: announced.start()])
    whole = begins or len(text) > LONG_VALUE or "\n" in text.strip()
    if answer_kind == "choice" and letter_of(text) and not begins:
        whole = False
    return _in_part(text, answer_kind, ANYWHERE if whole else FORMS[:3])


def compiled(patterns: Iterable[str]) -> list[regex.Pattern[str]]:
    """Compile a user's patterns, in Python's syntax.

    Raises
    ------
    UserError
        One is not a regular expression.
    """
    done = []
    for pattern in patterns:
        try:
            done.append(regex.compile(pattern))
        except regex.error as error:
            raise UserError(f"--answer-pattern {pattern!r}: {error}; correct it") from None
    return done


def _matched(pattern: regex.Pattern[str], text: str) -> str | None:
    """Return the first group of the last match that is not empty, or the whole match."""
    try:
        group = 1 if pattern.groups else 0
        found = (match[group] for match in pattern.finditer(text, timeout=PATTERN_SECONDS))
        last = deque((value.strip() for value in found if value and not value.isspace()), 1)
    except TimeoutError:
        raise UserError(
            f"--answer-pattern {pattern.pattern!r}: takes more than {PATTERN_SECONDS:g} s on a "
            f"text of {len(text):,} characters; give a simpler pattern"
        ) from None
    return last[0] if last else None


def _without_special_end(text: str) -> str:
    """Remove special tokens at the end of a text."""
    end = len(text)
    while special := _SPECIAL_END.search(text, max(0, end - 60), end):
        end = special.start()
    return text[:end]


def _in_part(text: str, answer_kind: str, forms: Sequence[Form]) -> Found | None:
    if answer_kind == "choice":
        strong = [form for form in forms if form.name != LAST_RESORT]
        return _choice(text, strong) or _choice(text, [f for f in forms if f not in strong])
    for _, ranked in groupby(forms, key=lambda form: form.rank):
        weaker: Found | None = None
        for place, value, form in _latest_first(text, answer_kind, ranked):
            if form.prose:
                value = cut_prose(value, answer_kind)
                value = value_of_sentence(value) if answer_kind == "math" else value
            answer = _refined(value, answer_kind)
            if not fits(answer, answer_kind, prose=form.prose):
                continue
            if form.rank == 0 and len(forms) > 1:
                corrected = _corrected(text, place, answer_kind)
                return corrected or Found(answer, form.name)
            if answer_kind == "text" or not form.prose or _MATHEMATICAL.search(answer):
                return Found(answer, form.name)
            weaker = weaker or Found(answer, form.name)
        if weaker is not None:
            return weaker
    return None


def _corrected(text: str, place: int, answer_kind: str) -> Found | None:
    """Find the answer of a last sentence that takes the last box back (`Wait, the answer is 7`)."""
    if "nswer" not in text[max(place, len(text) - _LAST_WORDS) :]:
        return None
    taken_back = _TAKEN_BACK.search(text, place)
    if taken_back is None or len(text) - place > MAX_ANSWER:
        return None
    start = max(taken_back.end(), len(text) - _LAST_WORDS)
    return _in_part(text[start:], answer_kind, [f for f in FORMS if f.name == "announcement"])


_LAST_WORDS = 300
_TAKEN_BACK = re.compile(
    r"\b(?:wait|oops|sorry|correction|(?:made|is|was) an? (?:mistake|error)"
    r"|(?:that|this|it)(?:'s| is| was) (?:wrong|incorrect|not right|not correct))\b",
    re.IGNORECASE,
)
_MATHEMATICAL = re.compile(r"\d|\\[A-Za-z]|^.$|[∞π√∅]")


def _choice(text: str, forms: Sequence[Form]) -> Found | None:
    for _, value, form in _latest_first(text, "choice", forms):
        letter = letter_of(value) or letter_of(_refined(value, "choice"))
        if letter is not None:
            return Found(letter, form.name)
    return None


def _latest_first(
    text: str, answer_kind: str, forms: Iterable[Form]
) -> list[tuple[int, str, Form]]:
    """Return the occurrences of some forms; of two at one place, the form first in the table."""
    found = [
        (place, -number, value, form)
        for number, form in enumerate(forms)
        for place, value in form.places(text, answer_kind)
    ]
    found.sort(key=lambda each: each[:2], reverse=True)
    return [(place, value, form) for place, _, value, form in found]


def _refined(value: str, answer_kind: str) -> str:
    """Search a value with the forms that may be in it until it does not change.

    What is wrapped in more than `_MOST_WRAPPED` forms is nothing.
    """
    for _ in range(_MOST_WRAPPED):
        shorter = _once(value, answer_kind)
        if len(shorter) >= len(value):
            return value
        value = shorter
    return ""


def _once(value: str, answer_kind: str) -> str:
    value = _THOUGHT.split(_SPECIAL.split(value, maxsplit=1)[0], maxsplit=1)[0]
    boxes = boxed(value)
    if boxes:
        return boxes[-1].content(value)
    announced = ANNOUNCED.search(value[:_LEADING])
    if announced and _LEAD.fullmatch(value[: announced.start()]):
        rest = value[announced.end() :]
        adverbs = ADVERBS.match(rest)
        return cut_prose(rest[adverbs.end() if adverbs else 0 :], answer_kind)
    return bare_value(value, unwrap=answer_kind == "text")


_LEADING = 100
_LEAD = re.compile(
    r"(?:[\s*_`>#$\\({\[]|text(?:bf)?\{|\b(?:the|my|our|so|thus|hence|therefore|final|correct|right|best|chosen|and)\b|,)*",
    re.IGNORECASE,
)
