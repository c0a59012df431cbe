r"""Forms in which texts give answers: the table `FORMS`, and what finds each form in a text."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from simulator.answers.boxes import boxed
from simulator.answers.choices import is_letter, letter_of
from simulator.answers.cleaning import MAX_ANSWER, MAX_LINE, bare_value
from simulator.answers.last_lines import last_lines

_CANDIDATES = 100
"""Most occurrences of one form, the last ones, that are tried; only odd texts have more."""

Place = tuple[int, str]
"""Position of a form in a text, and the value there as written."""


@dataclass(frozen=True, slots=True)
class Form:
    """A way to give an answer in a text.

    Of two forms, the one of the lower `rank` counts; of one rank, the one that comes last in the
    text. `places` yields its occurrences. `prose` says that the value is followed by other words
    on its line, and may be none at all ("the answer is obvious").
    """

    name: str
    rank: int
    places: Callable[[str, str], Iterable[Place]]
    prose: bool = False


_BETWEEN_BOXES = re.compile(
    r"[\s$]*(?:\\[)\]])?\s*(?:,|;|\b(?:and|or)\b|\\text\s*\{\s*(?:and|or)\s*\}|[,;]\s*(?:and|or)\b)"
    r"\s*(?:\\[(\[])?[\s$]*(?:[a-zA-Z](?:_\{?[0-9]\}?)?\s*=\s*)?"
)
_MOST_BETWEEN = 60
"""Most characters between two boxes of a list."""

_THINKING = re.compile(r"<(?:think|thinking|thought|reasoning|seed:think)>|\[THINK\]|◁think▷")

_TAG = re.compile(
    r"<(?:final_?)?answer(?:\s[^<>]{0,80})?>((?:[^<]|<(?!/?(?:final_?)?answer\b))*+)"
    r"</(?:final_?)?answer>",
    re.I,
)
_OTHER_TAG = re.compile(
    r"<(?:final_?)?answer>[ \n]*+(?=[^<\n]{0,60}[\d\\]|\W{0,4}[A-Z]\W{0,4}\Z)"
    r"([^<\n.]{1,60}\.?\d*+)\s*+\Z"
    r"|<final>([^<]{1,200})</final>|\[ANSWER\]([^\[]{1,200})\[/ANSWER\]",
    re.I,
)
"""An opening tag at the end of a text, where a server's stop text has cut off the closing one."""

_STATED = re.compile(
    r"[A-Z][^\n]{0,300}\s(?:is|are|was|equals?|be)\s+[:*_\s]*(?P<value>\\?\$?-?\d[\d,]*(?:\.\d+)?(?:/\d+)?"
    r"\s?\\?%?|\$[^$\n]+\$|\\\([^\n]+?\\\))(?:\s+[a-z]+){0,3}[\s.*_]*"
)
"""A sentence in an answer tag that ends with the value."""

_HASHES = re.compile(r"^[ \t*]*+####(?!#)[ \t]*+([^\n]*)", re.MULTILINE)
_KEY = (
    r"(?:(?:final|correct|predicted|selected|chosen)[ _]?)?"
    r"(?:answers?|ans|option|choice|prediction)(?:[ _](?:choice|letter|option|value))?"
)
_FIELD = re.compile(
    rf"""["']{_KEY}["']\s*+:\s*+\[?\s*+
    (?P<value>"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'|-?\d[\d.,eE+-]*+(?<![.,])|true|false)""",
    re.VERBOSE | re.IGNORECASE,
)
_LATEX_READ_AS_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*+\\[bfrt][A-Za-z]{2}")

_NOUN = r"""[aAoOcC答故正](?:
    (?<=[aA])(?:(?<!\w.)|(?<=final_.))(?<![iI]f\ the\ .)(?<!whether\ the\ .)
    (?:nswers?|NSWERS?)\b(?!["']\s*+:)
    |(?:(?<=[oO])ption|(?<=[cC])hoice)\b
      (?i:(?<=correct\ .{6})|(?<=right\ .{6})|(?<=best\ .{6})|(?<=chosen\ .{6})|(?<=final\ .{6}))
    |(?<=答)案(?:选项)?(?:应该?)?(?=\s*+[是为选:：】*_=→\-—`$ ])|(?<=答)案
    |(?<=故)选(?!项|择)|(?<=正)确(?:的)?选项)"""
"""`answer`, `correct option` and the like; it begins with a set of characters, for speed."""

ANNOUNCED = re.compile(
    _NOUN
    + r"""(?i:(?:\ (?:choice|option|letter|here)\b)?
    (?:\ (?:to|for|of|in)\ (?:[^.:\n=?!]|\.\d){1,80}?)?
    (?:[ \t*_}\])"'`\\]|\([^()\n]{1,40}\)){0,6}?
    (?:[:：=→⇒–—】]|->|=>|-(?=\s)|\b(?:is|are|was|equals)\b|\b(?:would|should|must|will)\ be\b
      |\b(?:seems|appears|turns\ out|comes\ out|works\ out)\ (?:to\ be\b|to\b|as\b)?
      |是|为|选(?!项)择?|(?<=故选))
    (?:[ \t]*+[:：])?)""",
    re.VERBOSE,
)
ADVERBS = re.compile(
    r"(?:[\s*_]*+(?:therefore|thus|then|hence|simply|clearly|indeed|just|actually|exactly|"
    r"equal to|given by|obviously|still|now|approximately|about|around|roughly)\b[\s,:]*+){0,3}",
    re.IGNORECASE,
)
_OTHER_WORDS = (
    *(
        "ntwort",
        "éponse",
        "espuesta",
        "esposta",
        "isposta",
        "awaban",
        "Jibu",
        "jibu",
        "твет",
        "答え",
    ),
    *("正解", "回答", "解答", "正確", "选", "選", "답", "إجابة", "جواب"),
    *("उत्तर", "উত্তর", "సమాధానం", "คำตอบ"),
)
"""Parts of the words for `answer` below: most texts have none, which is fast to see."""

_OTHER_LANGUAGES = re.compile(
    r"""(?:(?<!\w)(?i:Antwort|r[ée]ponse|respuesta|resposta|risposta|jawaban(?:nya)?|jibu|ответ)\b
          (?i:\ (?:correcte?|correcta|correta|corretta|finale?|exacte|sahihi))?
          [ *_"»]{0,4}(?:[:：=]|—|\b(?:ist|lautet|est|es|é|è|adalah|ni)\b\s*:?)
        |(?:(?:最終的な)?答え|正解|回答|解答)[ *_]{0,4}(?:[:：]|は|＝)
        |(?:정답|답변|답)[ *_]{0,4}(?:[:：]|은|는)
        |(?:ال)?(?:إجابة|جواب)(?:\ (?:النهائية|النهائي|الصحيحة|الصحيح))?
          [ *_]{0,4}(?:[:：]|هي|هو)\s*:?
        |(?:उत्तर|উত্তর|సమాధానం|คำตอบ)[ *_]{0,4}(?:[:：ঃ]|है|হল|คือ)\s*:?
        |正確(?:答案|[选選][项項])[ *_]{0,4}(?:[:：]|[是為])
        |(?:[应應][该該]?|本[题題]|因此|所以|故|我|(?<!\w))[选選][择擇]?[ *_]{0,4}[:：]?
          (?=[ *_（(]{0,4}[A-Za-zＡ-Ｚ][）)*_]*\s*(?:[。.，,;；\n]|[项項]|$)))""",
    re.VERBOSE,
)
r"""Announcements in the languages of MGSM and of the MMLU by simple-evals, beside 答案."""

_COPULA = re.compile(r"(?:です|である|となります|になります|입니다|이다|[项項])[\s。.*_]*$")
_BULLET = re.compile(r"^\s*[-•>]\s+")
_HEADING = re.compile(
    r"^[ \t>#*_\\\[($]*+(?:\\?text(?:bf)?\{)?(?:(?:the|my|your)\ )?(?:(?:final|correct|short)\ )?"
    r"(?:answer|答案)[ \t*_:：#})\]\\$]*+$",
    re.MULTILINE | re.IGNORECASE,
)
_RULE = re.compile(r"\s*[=-]{3,}\s*")
_SHORT_LINE = re.compile(
    r"^[ \t*_]*+A[ \t*_]*+[:：](?![^\n]*+\n++[ \t*_]*+B[ \t*_]*+[:：])", re.MULTILINE
)

_NUMBER = re.compile(
    r"[ \t*]*+\\?[$€£]?\s*[-+]?\\?[$€£]?\d[\d,.:]*+(?:/\d+)?\s*\\?[%°]?[ \t*$]*"
    r"(?:[ ][a-zA-Z]{1,12}){0,2}[ \t*$.]*"
)
_WORDS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_BARE_WORDS = 5
_REASONS = re.compile(r"\W*A\W*[:：]\W*(?:Let|We|First|To|I|Step|Okay|So|Since|There)\b")
_LABELLED = re.compile(r"^\W{0,6}[A-Z][).:][*_]*\s+\S", re.MULTILINE)
_SENTENCE = re.compile(r"[\w)\]] [^\n]*[.?!]$|[.?!]\s")
_VALUE = re.compile(r"\d|\\[A-Za-z]|^(?:yes|no|true|false)\W*$", re.IGNORECASE)


def _last(form: re.Pattern[str], text: str) -> deque[re.Match[str]]:
    return deque(form.finditer(text), _CANDIDATES)


def _boxes(text: str, answer_kind: str) -> Iterator[Place]:
    r"""Yield the contents of boxes; those of a list, `\boxed{1}$ and $\boxed{2}`, as one."""
    found: list[tuple[int, list[str]]] = []
    end = 0
    for box in boxed(text)[-_CANDIDATES:]:
        content = text[box.start : min(box.end, box.start + MAX_ANSWER + 1)].strip()
        listed = bool(found) and answer_kind != "text" and box.place > end
        listed = listed and box.place - end < _MOST_BETWEEN
        if listed and _BETWEEN_BOXES.fullmatch(text, end + 1, box.place):
            found[-1] = box.place, [*found[-1][1], content]
        else:
            found.append((box.place, [content]))
        end = box.end
    for place, contents in found:
        yield place, ", ".join(dict.fromkeys(contents))


def _tags(text: str, answer_kind: str) -> Iterator[Place]:
    matches = [*_last(_TAG, text)]
    if "nswer>" in text or "<final>" in text or "[ANSWER]" in text:
        matches += _last(_OTHER_TAG, text)
    for match in matches:
        value = next(filter(None, match.groups()), "")[: MAX_ANSWER + 1].strip()
        stated = _STATED.fullmatch(value) if answer_kind == "math" else None
        yield match.start(), stated["value"] if stated else value


def _hashes(text: str, answer_kind: str) -> Iterator[Place]:
    """Yield values after `####`, which also begins headings.

    These are numbers or letters anywhere, and more on the last line.
    """
    last = len(text.rstrip())
    for match in _last(_HASHES, text):
        value = match[1][:MAX_LINE]
        plain = is_letter(value) if answer_kind == "choice" else _NUMBER.fullmatch(value)
        heading = answer_kind == "math" and _WORDS.search(value)
        if plain or (match.end() >= last and not heading):
            yield match.start(), value


def _fields(text: str, answer_kind: str) -> Iterator[Place]:
    for match in _last(_FIELD, text):
        yield match.start(), _unquoted(match["value"])[: MAX_ANSWER + 1].strip()


def _unquoted(value: str) -> str:
    """Return the text of a JSON string, also one with LaTeX whose backslashes are not doubled."""
    if value[0] not in "\"'":
        return value
    if value[0] == '"' and not _LATEX_READ_AS_ESCAPE.search(value):
        try:
            return str(json.loads(value, strict=False)).encode("utf-8", "replace").decode()
        except ValueError:
            pass
    return value[1:-1].replace("\\\\", "\\").replace('\\"', '"').replace("\\'", "'")


def _announcements(text: str, answer_kind: str) -> Iterator[Place]:
    for match in _last(ANNOUNCED, text):
        yield match.start(), _value_after(text, match.end())
    if any(word in text for word in _OTHER_WORDS):
        for match in _last(_OTHER_LANGUAGES, text):
            yield match.start(), _COPULA.sub("", _value_after(text, match.end()))


def _headings(text: str, answer_kind: str) -> Iterator[Place]:
    for match in _last(_HEADING, text):
        yield match.start(), _value_after(text, match.end())


def _short_lines(text: str, answer_kind: str) -> Iterator[Place]:
    for match in _last(_SHORT_LINE, text):
        yield match.start(), _line(text, match.end())[0]


def _value_after(text: str, place: int) -> str:
    r"""Return the rest of the line, or the next line with something on it (`\[`, `**` is not)."""
    adverbs = ADVERBS.match(text, place)
    place = adverbs.end() if adverbs else place
    for number in range(6):
        line, place = _line(text, place)
        empty = not bare_value(line) or _RULE.fullmatch(line)
        if not empty or place >= len(text):
            return line if number == 0 else _BULLET.sub("", line)
    return ""


def _line(text: str, place: int) -> tuple[str, int]:
    """Return the line from `place` on, shortened to `MAX_LINE`, and the place of the next."""
    end = text.find("\n", place, place + MAX_LINE)
    if end < 0:
        return text[place : place + MAX_LINE], len(text)
    return text[place:end], end + 1


def _bare(text: str, answer_kind: str) -> Iterator[Place]:
    """Yield the whole text if it is a value; of a choice, the first or last line with a letter."""
    bare = text.strip()
    if not bare or _THINKING.search(text):
        return
    last = bare[-MAX_LINE:].rsplit("\n", 1)[-1]
    if answer_kind == "choice":
        named = letter_of(last) and "box" not in last and not ANNOUNCED.search(last)
        if named and (last == bare or is_letter(last)) and not _REASONS.match(last):
            yield len(text), last
        first = bare[:MAX_LINE].split("\n", 1)[0]
        if not _REASONS.match(first) and (
            is_letter(first) or (_LABELLED.match(first) and len([*_LABELLED.finditer(bare)]) == 1)
        ):
            yield 0, first
    elif last == bare and "box" not in bare and not _SENTENCE.search(bare):
        few = len(bare.split()) <= _BARE_WORDS
        if few and (answer_kind == "text" or _VALUE.search(bare)):
            yield 0, bare


def _last_lines(text: str, answer_kind: str) -> Iterator[Place]:
    found = [*last_lines(text, answer_kind)]
    return iter(() if found and _THINKING.search(text) else found)


FORMS: tuple[Form, ...] = (
    Form("box", 0, _boxes),
    Form("tag", 1, _tags),
    Form("hashes", 2, _hashes, prose=True),
    Form("json", 3, _fields),
    Form("announcement", 4, _announcements, prose=True),
    Form("heading", 4, _headings, prose=True),
    Form("A:", 4, _short_lines, prose=True),
    Form("conclusion", 5, _last_lines, prose=True),
    Form("bare", 6, _bare, prose=True),
)
"""All forms beside users' patterns, which come before them. Of multiple-choice answers, the last
occurrence of any form but `conclusion` that names exactly one option counts, whatever its rank."""

ANYWHERE = FORMS[:-2]
"""Forms that are also searched in a response's reasoning, and in the value of an answer field."""
