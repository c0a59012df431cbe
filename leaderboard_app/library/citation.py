"""Citations of an entry and of the whole board, in BibTeX, as plain text and as CSL-JSON.

A hash in them tells one version of an entry, or of a board, from another. That of an entry is what
a shell prints in its folder, with the files of `hashed_files`:

    sha256sum answers.parquet decisions.parquet … | sha256sum

That of a board is the same over a line `<hash>  <id>` for each of its `submitted` entries.
"""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode

from leaderboard_app.library.board_file import Board
from leaderboard_app.library.entry import DERIVED, LOCAL, Entry
from leaderboard_app.library.library import Library
from simulator.catalogue.figures import VERIFIED
from simulator.catalogue.pool_rows import Stamp, stamp, stamp_digest
from simulator.errors import UserError
from simulator.report.text import escape_latex
from simulator.runs.format import FILES, RUN_FILE
from simulator.storage import file_sha256
from simulator.submissions.files import REQUIRED, combined_sha256
from simulator.submissions.files import VERIFIED as VERIFIED_FOLDER

_ARXIV = re.compile(r"https://arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})(?:v\d+)?(?:\.pdf)?")


RUNS = (LOCAL, DERIVED)
"""Badges of entries that are runs of this machine, and no submissions."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Facts of a citation; empty if they are not known.

    Parameters
    ----------
    key
        Citation key: letters, digits and hyphens.
    authors
        Names as they are written.
    title, date, organisation
        `date` is a day in ISO form.
    eprint
        Number at arXiv.
    url
        An https link: the paper, else the address on the board, else the code.
    place
        Place where it is found: the board, its address, and the name of the entry.
    facts
        Further facts: date of verification, seed, pools.
    sha256
        Hash that identifies the files (`entry_hash`).
    kind
        Type in CSL.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    date: str
    organisation: str
    eprint: str
    url: str
    place: str
    facts: tuple[str, ...]
    sha256: str
    kind: str = "document"


def of_entry(entry: Entry, board: Board) -> Reference:
    """Return the reference of an entry: to its paper if it names one, and to the board.

    Raises
    ------
    UserError
        Its files cannot be read for their hash.
    """
    paper = entry.paper or ""
    arxiv = _ARXIV.fullmatch(paper)
    pools = ", ".join(dict.fromkeys(result.pool for result in entry.results.values()))
    # As `navigation.link` writes it, which stands above this package.
    address = board.address(f"entry?{urlencode({'entry': entry.id})}") or ""
    if entry.badge in RUNS:
        address = ""  # it is on this machine alone
    verified = (entry.verified_at or "")[:10]
    facts = (f"verified {verified}" * bool(verified), f"seed {entry.seed}", f"on {pools}")
    place = f"{board.title}, entry {entry.id}" + (f", {address}" if address else "")
    return Reference(
        key=_key(entry.id),
        authors=entry.authors,
        title=entry.method,
        date=entry.date or "",
        organisation=entry.organisation or "",
        eprint=arxiv[1] if arxiv else "",
        url=_address(paper) or _address(address) or _address(entry.code or ""),
        place=place,
        facts=tuple(each for each in facts if each),
        sha256=entry_hash(entry),
    )


def of_board(library: Library) -> Reference:
    """Return the reference of the whole board, whose entries are its submissions.

    The date is that of the youngest entry.

    Raises
    ------
    UserError
        A file cannot be read for its hash.
    """
    board = library.board
    entries = submitted(library)
    verified = sum(entry.takes_part for entry in entries)
    days = [entry.date for entry in entries if entry.date]
    return Reference(
        key=_key(board.title),
        authors=(board.organisation,) if board.organisation else (),
        title=board.title,
        date=max(days, default=""),
        organisation=board.organisation or "",
        eprint="",
        url=_address(board.url or "") or _address(board.repository or ""),
        place="",
        facts=(
            f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, {verified} verified",
        ),
        sha256=board_hash(library),
        kind="dataset",
    )


def bibtex(reference: Reference) -> str:
    """Return an entry for BibTeX; every text is escaped, so that it cannot end its field."""
    note = ", ".join([*_told(reference), f"SHA-256 {reference.sha256}"])
    fields = {
        "author": " and ".join(f"{{{_text(author)}}}" for author in reference.authors),
        "title": f"{{{_text(reference.title)}}}",
        "year": reference.date[:4],
        "date": reference.date,
        "organization": _text(reference.organisation),
        "eprint": reference.eprint,
        "archiveprefix": "arXiv" if reference.eprint else "",
        "url": reference.url,
        "note": _text(note),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{reference.key},", *lines, "}"]) + "\n"


def plain_text(reference: Reference) -> str:
    """Return a citation as one paragraph."""
    issued = ", ".join(each for each in (reference.organisation, reference.date) if each)
    if reference.authors == (reference.organisation,):
        issued = reference.date
    arxiv = f"arXiv:{reference.eprint}" if reference.eprint else ""
    url = "" if reference.url in reference.place or reference.eprint else reference.url
    found = ", ".join(_told(reference))
    parts = (", ".join(reference.authors), reference.title, issued, arxiv or url, found)
    said = ". ".join(" ".join(each.split()).rstrip(".") for each in parts if each)
    return f"{said}. SHA-256 {reference.sha256}."


def csl_json(reference: Reference) -> str:
    """Return the citation as CSL-JSON, which reference managers read."""
    fields: dict[str, object] = {
        "id": reference.key,
        "type": "article" if reference.eprint else reference.kind,
        "title": reference.title,
        "author": [{"literal": author} for author in reference.authors],
        "publisher": reference.organisation,
        "URL": reference.url,
        "number": f"arXiv:{reference.eprint}" if reference.eprint else "",
        "version": f"SHA-256 {reference.sha256}",
        "note": ", ".join(_told(reference)),
    }
    if parts := _date_parts(reference.date):
        fields["issued"] = {"date-parts": [parts]}
    kept = {name: value for name, value in fields.items() if value}
    return json.dumps([kept], ensure_ascii=False, indent=2) + "\n"


def _told(reference: Reference) -> Iterator[str]:
    yield from (each for each in (reference.place, *reference.facts) if each)


def _date_parts(day: str) -> list[int]:
    try:
        found = date.fromisoformat(day)
    except ValueError:
        return []
    return [found.year, found.month, found.day]


def _key(name: str) -> str:
    """Return a citation key made of the name's letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-") or "entry"


def _text(text: str) -> str:
    """Escape a text to stand between braces, which BibTeX counts even behind a backslash."""
    escaped = escape_latex(" ".join(text.split()))
    return escaped.replace("\\{", "\\textbraceleft{}").replace("\\}", "\\textbraceright{}")


def _address(link: str) -> str:
    """Return an https link without characters that end a BibTeX field; empty for any other link."""
    return link if re.fullmatch(r"https://[^\s{}\\\"%]+", link) else ""


def hashed_files(entry: Entry) -> tuple[str, ...]:
    """Return the names of the files that define an entry, in the order in which they are hashed.

    For a run, its own files; for one that is derived here, those that are the same for everybody;
    for a submission also its policy and metadata, and the verifier's own replays if the figures are
    theirs.
    """
    if entry.badge == DERIVED:
        return tuple(sorted({*FILES} - {RUN_FILE}))
    if entry.badge in RUNS:
        return tuple(sorted(FILES))
    own = (f"{VERIFIED_FOLDER}/{name}" for name in FILES if entry.basis == VERIFIED)
    return tuple(sorted([*REQUIRED, *own]))


def entry_hash(entry: Entry) -> str:
    """Return the SHA-256 that identifies all that an entry consists of, in 64 hexadecimal digits.

    Raises
    ------
    UserError
        A file cannot be read.
    """
    found = stamp(entry.path)
    if entry.files_sha256 is not None and stamp_digest(found) == entry.files_stamp:
        return entry.files_sha256
    return _hash_of(entry.path, hashed_files(entry), found)


def hash_command(entry: Entry) -> str:
    """Return the command that prints the hash, to be run in the entry's folder."""
    return f"sha256sum {shlex.join(hashed_files(entry))} | sha256sum"


def board_hash(library: Library) -> str:
    """Return the SHA-256 over the hashes of all entries of a board.

    Raises
    ------
    UserError
        A file cannot be read.
    """

    def made() -> str:
        return combined_sha256({entry.id: entry_hash(entry) for entry in submitted(library)})

    return library.once("board hash", made)


def submitted(library: Library) -> list[Entry]:
    """Return the submissions of a board that are not broken, sorted by id."""
    found = (entry for entry in library.entries if entry.badge not in (*RUNS, None))
    return sorted(found, key=lambda each: each.id)


@lru_cache(maxsize=8192)
def _hash_of(path: Path, names: tuple[str, ...], of: Stamp) -> str:
    try:
        return combined_sha256({name: file_sha256(path / name) for name in names})
    except OSError as error:
        raise UserError(f"{path}: a file cannot be read for its hash ({error.strerror})") from None
