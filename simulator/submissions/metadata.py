"""`submission.toml`: a submission's metadata, as plain text and plain links for the board."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from simulator.errors import nearest
from simulator.spelling import JOINED, mixed_scripts, script_of
from simulator.submissions.files import NAME
from simulator.submissions.strict_json import shown

FORMAT = 1
"""Version of `submission.toml`."""

MAX_AUTHORS = 200
LENGTHS = {
    "method": 80,
    "author": 100,
    "organisation": 100,
    "description": 1000,
    "version": 30,
    "withdrawn": 300,
}
"""Maximum length of each text, in characters."""

MAX_LINK = 300
REQUIRED = ("method", "authors", "date", "description")
OPTIONAL = ("organisation", "paper", "code", "version", "supersedes", "withdrawn")
KEYS = ("format", *REQUIRED, *OPTIONAL)

NAMING = ("method", "date", "version", "supersedes", "withdrawn")
"""Fields that say which entry of the board this is, and whether it stands: a badge needs a look at
them by the verifier. The other fields may be corrected without one."""

_TAG = re.compile(r"<\s*[A-Za-z/!?]|&(?:#|[A-Za-z]+;)")
_MARKUP = re.compile(r"\]\s*[(\[:]|(?i:\b(?:javascript|vbscript|data)\s*:)")
_FORMULA = ("=", "+", "-", "@", "|")
_LINK = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~%/?#&=+:@,;!-]*)?")
_JOINERS = "\u200c\u200d"
"""Format characters that some scripts need; allowed beside a letter or mark of `JOINED`."""
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible letters and marks (Unicode's Default_Ignorable_Code_Point outside the category of
formats, and the empty Braille cell), which can make two different names look the same."""
_MAX_MARKS = 4
"""Most accents on a letter; more of them cover the lines above and below."""
_DEEP_KEY = re.compile(
    r"""(?:(?:(?<![\w-])[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){100}""", re.ASCII
)
"""A long dotted key, for which tomllib's time grows with the square of the number of parts."""


@dataclass(frozen=True)
class Metadata:
    """A submission's metadata.

    `version` tells submissions of one method apart, and `supersedes` is the name of the submission
    that this one replaces. `withdrawn` is the reason for a withdrawal, None if it stands.
    """

    method: str
    authors: tuple[str, ...]
    date: date
    description: str
    organisation: str | None = None
    paper: str | None = None
    code: str | None = None
    version: str | None = None
    supersedes: str | None = None
    withdrawn: str | None = None

    def as_told(self) -> dict[str, Any]:
        """Return the fields as JSON, as `verification.json` keeps them."""
        return {**asdict(self), "date": self.date.isoformat(), "authors": list(self.authors)}


def same_authors(one: Iterable[str], other: Iterable[str]) -> bool:
    """Check whether two lists name the same authors, in any order, case and Unicode form."""
    sets = [
        {unicodedata.normalize("NFKC", each).casefold() for each in names} for names in (one, other)
    ]
    return sets[0] == sets[1]


def read_metadata(content: bytes) -> tuple[Metadata | None, list[str]]:
    """Read `submission.toml`; return its metadata (None if invalid) and a list of its errors."""
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
        return None, ["submission.toml: the line format = 1 is missing"]
    if version > FORMAT:
        return None, [
            f"submission.toml: format {shown(version)} is newer than this program's {FORMAT}; "
            "upgrade deepprune-sim"
        ]
    return check_metadata(fields)


def check_metadata(fields: Mapping[str, Any]) -> tuple[Metadata | None, list[str]]:
    """Make metadata from parsed TOML fields; return it (None if invalid) and a list of errors."""
    wrong: list[str] = []
    for key in fields:
        if key not in KEYS:
            wrong.append(f"no such key {shown(key)}; {nearest(key, KEYS, 'there are')}")
    wrong += [f"{key} is missing" for key in REQUIRED if fields.get(key) in (None, "", [])]
    for key in ("method", "organisation", "description"):
        if fields.get(key) not in (None, ""):
            wrong += wrong_text(key, fields[key], LENGTHS[key])
            if key in ("method", "organisation"):
                wrong += _wrong_name(key, fields[key])
    wrong += _wrong_standing(fields)
    authors = fields.get("authors")
    if authors not in (None, "", []):
        if not isinstance(authors, list) or len(authors) > MAX_AUTHORS:
            wrong.append(f"authors is not a list of at most {MAX_AUTHORS} names")
        else:
            for author in authors:
                wrong += wrong_text("authors", author, LENGTHS["author"])
                wrong += _wrong_name("authors", author)
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
        **{key: fields.get(key) or None for key in OPTIONAL},
    ), []


def _wrong_standing(fields: Mapping[str, Any]) -> list[str]:
    """List what is wrong with version, superseded submission and withdrawal."""
    wrong = []
    for key in ("version", "withdrawn"):
        if fields.get(key) is not None:
            wrong += wrong_text(key, fields[key], LENGTHS[key])
    reason = fields.get("withdrawn")
    if isinstance(reason, str) and not any(map(str.isalnum, reason)):
        wrong.append('withdrawn gives no reason; write withdrawn = "why", or leave it out')
    superseded = fields.get("supersedes")
    if superseded is not None:
        match = NAME.fullmatch(superseded) if isinstance(superseded, str) else None
        if match is None:
            wrong.append(
                f"supersedes: {shown(superseded)} is not a submission's name, such as "
                "2026-01-31-my-method"
            )
        elif type(fields.get("date")) is date and match[1] > fields["date"].isoformat():
            wrong.append(f"supersedes: {superseded} is younger than this submission")
    return wrong


def metadata_toml(metadata: Metadata) -> str:
    """Write metadata as the text of a `submission.toml`."""
    lines = [f"format = {FORMAT}", f"method = {_quoted(metadata.method)}"]
    lines.append(f"authors = [{', '.join(map(_quoted, metadata.authors))}]")
    lines.append(f"date = {metadata.date.isoformat()}")
    for key in (
        "organisation",
        "paper",
        "code",
        "description",
        "version",
        "supersedes",
        "withdrawn",
    ):
        value = getattr(metadata, key)
        if value is not None:
            lines.append(f"{key} = {_quoted(value)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def wrong_text(key: str, value: object, limit: int) -> list[str]:
    """List what makes a text unsafe to show on a board or in a spreadsheet; empty if it is safe."""
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
        wrong.append(f"{key}: {shown(value)} begins like a spreadsheet formula; put a word first")
    return wrong


def _wrong_name(key: str, name: object) -> list[str]:
    """List the letter with which a name mixes scripts, so that it may look like another name."""
    letter = mixed_scripts(name) if isinstance(name, str) else None
    if letter is None:
        return []
    return [
        f"{key}: {shown(name)} mixes scripts: {letter} is not of the script of the rest; write "
        "each name in one script (a hyphen sets a single Greek letter apart)"
    ]


def _is_visible(text: str) -> bool:
    """Check whether all characters of a text are visible, on one line."""
    marks = 0
    for before, character, after in zip(" " + text, text, text[1:] + " ", strict=False):
        kind = unicodedata.category(character)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if character in _JOINERS:
            if {script_of(before), script_of(after)}.isdisjoint(JOINED):
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
    """List what makes a value unfit as a link on a board; empty if it is a plain https link."""
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
