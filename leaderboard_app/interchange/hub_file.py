"""`hub.toml`: names on the Hugging Face Hub, in a board's folder of submissions, by its keeper.

Every field may be left out. An example:

    dataset = "owner/board"
    licence = "cc-by-4.0"

    [models]
    "Qwen3-8B" = "Qwen/Qwen3-8B"

    [benchmarks]
    "aime24" = "HuggingFaceH4/aime_2024"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboard_app.library.board_file import read_fields
from leaderboard_app.library.selection import canonical
from simulator.errors import UserError, nearest

FILE_NAME = "hub.toml"

KEYS = ("dataset", "licence", "models", "benchmarks")

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]{0,40}")


@dataclass(frozen=True)
class HubNames:
    """Names on the Hub; None or absent if not stated.

    Parameters
    ----------
    dataset
        Dataset repository of the board, as `owner/name`.
    licence
        Licence of the board's figures, by the Hub's name for it.
    models, benchmarks
        Repositories by `selection.canonical` names of models and benchmarks.
    """

    dataset: str | None = None
    licence: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    benchmarks: Mapping[str, str] = field(default_factory=dict)

    def model(self, name: str) -> str | None:
        """Return the repository of a model by its name on the board."""
        return self.models.get(canonical(name))

    def benchmark(self, name: str) -> str | None:
        """Return the dataset repository of a benchmark by its name on the board."""
        return self.benchmarks.get(canonical(name))


def read_hub_names(submissions: Path) -> HubNames:
    """Read `hub.toml` of a folder of submissions; nothing stated if there is no such file.

    Raises
    ------
    UserError
        The file is not valid; the message names the field.
    """
    file = submissions / FILE_NAME
    found = read_fields(file)
    if found is None:
        return HubNames()
    for key in found:
        if key not in KEYS:
            raise UserError(
                f"{file}: no such field {key[:40]!r}; {nearest(key, KEYS, 'there are')}"
            )
    licence = found.get("licence")
    if licence is not None and not (isinstance(licence, str) and _LICENCE.fullmatch(licence)):
        raise UserError(f'{file}: licence: not a name of the Hub such as "cc-by-4.0"; correct it')
    dataset = found.get("dataset")
    return HubNames(
        None if dataset is None else _repository(file, "dataset", dataset),
        licence,
        _table(file, "models", found.get("models", {})),
        _table(file, "benchmarks", found.get("benchmarks", {})),
    )


def _table(file: Path, key: str, table: Any) -> Mapping[str, str]:
    if not isinstance(table, dict):
        raise UserError(f'{file}: {key}: not a table such as [{key}] "name" = "owner/name"')
    return {canonical(name): _repository(file, f"{key}: {name}", table[name]) for name in table}


def _repository(file: Path, key: str, value: Any) -> str:
    if not isinstance(value, str) or not _REPOSITORY.fullmatch(value):
        raise UserError(f"{file}: {key[:100]}: not owner/name of a repository on the Hub")
    return value
