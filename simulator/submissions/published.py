"""Figures from publications: rows of the board that are marked as not replayed.

They are data in `submissions/published.toml` and never become runs or submissions.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.storage import read_plain_text
from simulator.submissions.metadata import wrong_link, wrong_text
from simulator.submissions.strict_json import finite

FORMAT = 1
"""Version of `published.toml`."""

FILE_NAME = "published.toml"

PACKAGED = Path(__file__).parent
"""Folder of the file that comes with the program: a copy of `submissions/published.toml`."""

BADGE = "reported"
"""The badge of every published figure."""

KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "figures": (("method", "model", "benchmark"), ("tokens_1e8", "accuracy")),
    "pass_at_1": (("model", "benchmark"), ("accuracy",)),
    "thresholds": (("model", "benchmark", "stage"), ("threshold", "tokens_1e8", "accuracy")),
    "judges": ((), ("auroc",)),
}
"""Every kind of figure, with the text and number columns that each of its rows has."""

OPTIONAL = ("prefix", "training", "tnr_at_02")
"""Further columns that a row may have."""


@dataclass(frozen=True)
class Source:
    """A publication; `date` is None if it is unknown."""

    name: str
    title: str
    organisation: str
    date: date | None
    paper: str
    code: str | None
    data: str | None


@dataclass(frozen=True)
class PublishedFigure:
    """A publication's figures for a method on a benchmark.

    `tokens_1e8` is the total over the benchmark, in 10^8 tokens; `accuracy` is a fraction.
    """

    method: str
    model: str
    benchmark: str
    tokens_1e8: float
    accuracy: float
    source: Source


@dataclass(frozen=True)
class Published:
    """The content of `published.toml`; `tables` holds the rows of every kind as written."""

    sources: Mapping[str, Source]
    figures: tuple[PublishedFigure, ...]
    tables: Mapping[str, tuple[Mapping[str, Any], ...]]


def read_published(submissions: Path) -> Published:
    """Read the published figures in a folder of submissions; none if the file does not exist.

    Raises
    ------
    UserError
        The file is not valid; the message names the row.
    """
    file = submissions / FILE_NAME
    try:
        fields = tomllib.loads(read_plain_text(file))
    except FileNotFoundError:
        return Published({}, (), dict.fromkeys(KINDS, ()))
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read ({error}); correct it") from None
    if fields.pop("format", None) != FORMAT:
        raise UserError(f"{file}: not of format {FORMAT}; upgrade deepprune-sim, or correct it")
    named = fields.pop("sources", {})
    sources = {name: _source(file, name, entry) for name, entry in named.items()}
    if unknown := set(fields) - set(KINDS):
        raise UserError(
            f"{file}: unknown kind of figure {sorted(unknown)[0]!r}; use {', '.join(KINDS)}"
        )
    tables = {
        kind: tuple(
            _row(file, kind, number, row, sources)
            for number, row in enumerate(fields.get(kind, []))
        )
        for kind in KINDS
    }
    figures = tuple(
        PublishedFigure(
            row["method"],
            row["model"],
            row["benchmark"],
            float(row["tokens_1e8"]),
            row["accuracy"] / 100,
            sources[row["source"]],
        )
        for row in tables["figures"]
    )
    return Published(sources, figures, tables)


def _source(file: Path, name: str, entry: Mapping[str, Any]) -> Source:
    wrong = [f"unknown key {key!r}" for key in set(entry) - set(Source.__dataclass_fields__)]
    for key in ("title", "organisation"):
        wrong += wrong_text(key, entry.get(key), 200)
    for key in ("paper", "code", "data"):
        if key == "paper" or key in entry:
            wrong += wrong_link(key, entry.get(key))
    if entry.get("date") is not None and type(entry["date"]) is not date:
        wrong.append("date is not a day")
    if wrong:
        raise UserError(f"{file}: [sources.{name}]: {'; '.join(wrong)}; correct it")
    rest = {key: entry.get(key) for key in ("date", "code", "data")}
    return Source(name, entry["title"], entry["organisation"], paper=entry["paper"], **rest)


def _row(
    file: Path, kind: str, number: int, row: Any, sources: Mapping[str, Source]
) -> Mapping[str, Any]:
    texts, numbers = KINDS[kind]
    wrong = []
    if not isinstance(row, dict) or set(row) - {"source", *texts, *numbers, *OPTIONAL}:
        wrong.append(f"keys are not among source, {', '.join((*texts, *numbers, *OPTIONAL))}")
    else:
        wrong += [] if row.get("source") in sources else ["source is not among the sources"]
        for key in texts:
            wrong += wrong_text(key, row.get(key), 100)
        for key in (*numbers, *(["tnr_at_02"] if "tnr_at_02" in row else [])):
            most = 100 if key == "accuracy" else 1e6
            if not finite(row.get(key)) or not 0 <= row[key] <= most:
                wrong.append(f"{key} is not a number from 0 to {most:g}")
    if wrong:
        raise UserError(f"{file}: {kind}, row {number}: {'; '.join(wrong)}; correct it")
    checked: Mapping[str, Any] = row
    return checked
