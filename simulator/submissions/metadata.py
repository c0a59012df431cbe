"""`submission.toml`: who submits what. Plain text and plain links only, as a board will show it."""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from simulator.submissions.strict_json import shown

FORMAT = 1
"""Version of `submission.toml`."""

MAX_AUTHORS = 200
LENGTHS = {"method": 80, "author": 100, "organisation": 100, "description": 1000, "withdrawn": 300}
"""The most characters of each text."""

MAX_LINK = 300
REQUIRED = ("method", "authors", "date", "description")
KEYS = ("format", *REQUIRED, "organisation", "paper", "code", "withdrawn")

_TAG = re.compile(r"<\s*[A-Za-z/!?]|&(?:#|[A-Za-z]+;)")
_MARKUP = re.compile(r"\]\s*[(\[:]|(?i:\b(?:javascript|vbscript|data)\s*:)")
_FORMULA = ("=", "+", "-", "@", "|")
_LINK = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~%/?#&=+:@,;!-]*)?")
_JOINERS = "\u200c\u200d"
"""Format characters without which some languages cannot be written: beside one of their letters."""
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that nothing is seen of (Unicode's Default_Ignorable_Code_Point beyond the
category of formats, and an empty Braille cell): with them two names look the same."""
_MAX_MARKS = 4
"""How many accents a letter may have; more of them cover the lines above and below."""
_DEEP_KEY = re.compile(
    r"""(?:(?:(?<![\w-])[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){100}""", re.ASCII
)
"""A dotted key, for whose tables tomllib needs time that grows with the square of its parts."""


@dataclass(frozen=True)
class Metadata:
    """What is said about a submission; `withdrawn` is why it was, None where it stands."""

    method: str
    authors: tuple[str, ...]
    date: date
    description: str
    organisation: str | None = None
    paper: str | None = None
    code: str | None = None
    withdrawn: str | None = None


def read_metadata(content: bytes) -> tuple[Metadata | None, list[str]]:
    """`submission.toml` as it was written, and everything that is wrong with it."""
    try:
        text = content.decode("utf-8")
        if _DEEP_KEY.search(text):
            return None, ["submission.toml: nested too deep"]
        fields = tomllib.loads(text)
    except UnicodeDecodeError as error:
        return None, [f"submission.toml: not UTF-8 (byte {error.start})"]
    except RecursionError:
        return None, ["submission.toml: nested too deep"]
    except ValueError as error:
        return None, [f"submission.toml: not TOML ({shown(str(error), 200)})"]
    version = fields.get("format")
    if type(version) is not int or version < 1:
        return None, ["submission.toml: has no line format = 1"]
    if version > FORMAT:
        return None, [
            f"submission.toml: format {shown(version)} is newer than this program's {FORMAT}; "
            "upgrade deepprune-sim"
        ]
    return check_metadata(fields)


def check_metadata(fields: Mapping[str, Any]) -> tuple[Metadata | None, list[str]]:
    """Metadata made of fields as TOML has them, and everything that is wrong with them."""
    wrong: list[str] = []
    for key in fields:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS)}"
            wrong.append(f"no such key {shown(key)}; {hint}")
    wrong += [f"{key} is missing" for key in REQUIRED if fields.get(key) in (None, "", [])]
    for key in ("method", "organisation", "description", "withdrawn"):
        if fields.get(key) not in (None, ""):
            wrong += wrong_text(key, fields[key], LENGTHS[key])
    authors = fields.get("authors")
    if authors not in (None, "", []):
        if not isinstance(authors, list) or len(authors) > MAX_AUTHORS:
            wrong.append(f"authors is not a list of at most {MAX_AUTHORS} names")
        else:
            for author in authors:
                wrong += wrong_text("authors", author, LENGTHS["author"])
    when = fields.get("date")
    if when is not None:
        wrong += _wrong_date(when)
    for key in ("paper", "code"):
        if fields.get(key) not in (None, ""):
            wrong += wrong_link(key, fields[key])
    if wrong:
        return None, [f"submission.toml: {each}" for each in wrong[:20]]
    return Metadata(
        method=fields["method"],
        authors=tuple(fields["authors"]),
        date=fields["date"],
        description=fields["description"],
        **{key: fields.get(key) or None for key in ("organisation", "paper", "code", "withdrawn")},
    ), []


def metadata_toml(metadata: Metadata) -> str:
    """`submission.toml` that says this."""
    lines = [f"format = {FORMAT}", f"method = {_quoted(metadata.method)}"]
    lines.append(f"authors = [{', '.join(map(_quoted, metadata.authors))}]")
    lines.append(f"date = {metadata.date.isoformat()}")
    for key in ("organisation", "paper", "code", "description", "withdrawn"):
        value = getattr(metadata, key)
        if value is not None:
            lines.append(f"{key} = {_quoted(value)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def wrong_text(key: str, value: object, limit: int) -> list[str]:
    """What keeps a text from being shown on a board and put into a spreadsheet; empty: nothing."""
    if not isinstance(value, str):
        return [f"{key}: {shown(value)} is not text"]
    wrong = []
    plain = unicodedata.normalize("NFKC", value)
    if len(value) > limit:
        wrong.append(f"{key} has {len(value):,} characters, more than {limit:,}")
    if value != value.strip() or not value.strip():
        wrong.append(f"{key}: {shown(value)} begins or ends with a space, or is empty")
    if not _is_visible(value):
        wrong.append(f"{key}: {shown(value)} has control or invisible characters; write one line")
    if _TAG.search(plain) or _MARKUP.search(plain):
        wrong.append(f"{key}: {shown(value)} has HTML or Markdown in it; write plain text")
    if plain.lstrip().startswith(_FORMULA):
        wrong.append(
            f"{key}: {shown(value)} begins as a spreadsheet's formula does; put a word first"
        )
    return wrong


def _is_visible(text: str) -> bool:
    """Whether all of a text is seen, on one line, and tells it from other texts."""
    marks = 0
    for before, character, after in zip(" " + text, text, text[1:] + " ", strict=False):
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if character in _JOINERS:
            if not any(
                each > "\x7f" and unicodedata.category(each)[0] in "LM" for each in (before, after)
            ):
                return False
        elif kind[0] == "C" or kind in ("Zl", "Zp") or marks > _MAX_MARKS:
            return False
    return not _BLANK.search(text)


def _wrong_date(when: object) -> list[str]:
    if type(when) is not date:
        return [f"date: {shown(when)} is not a day; write date = 2026-01-31"]
    if not date(2020, 1, 1) <= when <= datetime.now(UTC).date() + timedelta(days=1):
        return [f"date: {when} is not between 2020 and today"]
    return []


def wrong_link(key: str, value: object) -> list[str]:
    """What keeps a text from being a link that a board may show; empty: nothing."""
    remedy = "give a plain https:// link"
    if not isinstance(value, str) or len(value) > MAX_LINK:
        return [f"{key}: {shown(value)} is not a link; {remedy}"]
    try:
        parts = urlsplit(value)
        good = bool(_LINK.fullmatch(value)) and "." in (parts.hostname or "")
        good = good and (parts.port or 443) > 0
    except ValueError:
        good = False
    return [] if good else [f"{key}: {shown(value)} is not a link that a board may show; {remedy}"]
