"""Citation of a leaderboard entry in BibTeX."""

from __future__ import annotations

import re
import unicodedata

from leaderboard_app.library.library import Entry
from simulator.report.text import escape_latex

_ARXIV = re.compile(r"https://arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})(?:v\d+)?(?:\.pdf)?")


def bibtex(entry: Entry) -> str:
    """Return a BibTeX entry that cites the entry's paper if it names one, else the entry itself.

    Every text is escaped, so that it cannot end its field.
    """
    authors = " and ".join(f"{{{_text(author)}}}" for author in entry.authors)
    paper = entry.paper or ""
    pools = ", ".join(dict.fromkeys(result.pool for result in entry.results.values()))
    arxiv = _ARXIV.fullmatch(paper)
    fields = {
        "author": authors,
        "title": f"{{{_text(entry.method)}}}",
        "year": (entry.date or "")[:4],
        "organization": _text(entry.organisation or ""),
        "eprint": arxiv[1] if arxiv else "",
        "archiveprefix": "arXiv" if arxiv else "",
        "url": _address(paper) or _address(entry.code or ""),
        "note": _text(
            f"deepprune-sim leaderboard, entry {entry.id}, seed {entry.seed}, on {pools}"
        ),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{_key(entry)},", *lines, "}"]) + "\n"


def _key(entry: Entry) -> str:
    """Return a citation key made of the id's letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", entry.id).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-") or "entry"


def _text(text: str) -> str:
    """Escape a text to stand between braces, which BibTeX counts even behind a backslash."""
    escaped = escape_latex(" ".join(text.split()))
    return escaped.replace("\\{", "\\textbraceleft{}").replace("\\}", "\\textbraceright{}")


def _address(link: str) -> str:
    """Return an https link without characters that end a BibTeX field; empty for any other link."""
    return link if re.fullmatch(r"https://[^\s{}\\\"%]+", link) else ""
