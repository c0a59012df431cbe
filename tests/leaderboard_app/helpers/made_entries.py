"""Entries whose figures are written down by hand, in a library without files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import duckdb
import numpy as np

from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library
from leaderboard_app.library.memo import Once
from simulator.runs.results import Metric, ProblemSums
from simulator.submissions.published import PublishedFigure


def made_result(pool: str, **fields: Any) -> Result:
    """Make a result on `dataset/model/benchmark`; `fields` are metrics or its fields."""
    own = {key: fields.pop(key) for key in [*fields] if key in Result.__dataclass_fields__}
    parts = pool.split("/")
    metrics = {name: Metric(*np.atleast_1d(value).tolist()) for name, value in fields.items()}
    given: dict[str, Any] = {
        "pool": pool,
        "column": pool,
        "fingerprint": f"of {pool}",
        "model": parts[-2],
        "benchmark": parts[-1],
        "synthetic": False,
        "token_accuracy": "exact",
        "problems": 4,
        "budget": 8,
        "baseline": "cons@8",
        "clock_unit": "steps",
        "serving": "",
        "metrics": metrics,
    }
    return Result(**{**given, **own})


def made_entry(name: str, *results: Result, **fields: Any) -> Entry:
    """Make a verified entry of a policy of the same name; of another badge, it is not ranked."""
    given: dict[str, Any] = {
        "id": name,
        "path": Path(name),
        "method": name,
        "label": name,
        "badge": "verified",
        "basis": "verified",
        "needs": (),
        "policy": name,
        "policy_sha256": None,
        "parameters": {},
        "settings": (),
        "unranked": False,
        "seed": 0,
        "repeats": 2,
        "results": {result.column: result for result in results},
    }
    return Entry(**{**given, **fields})


def made_sums(
    correct: Sequence[int],
    tokens: Sequence[int],
    *,
    repeats: int = 2,
    names: str = "abcdefghijkl",
    baseline_right: bool = True,
    baseline_tokens: int = 1000,
) -> ProblemSums:
    """Make sums on problems a, b, …; the baseline is always right or never, with these tokens."""
    size = len(correct)
    return ProblemSums(
        tuple(names[:size]),
        repeats,
        np.array(correct),
        np.array(tokens),
        np.full(size, repeats if baseline_right else 0),
        np.full(size, baseline_tokens * repeats),
    )


class MadeLibrary:
    """As much of a `Library` as figures are made from."""

    def __init__(
        self,
        entries: Sequence[Entry],
        sums: Mapping[str, Mapping[str, ProblemSums]] | None = None,
        published: Sequence[PublishedFigure] = (),
    ) -> None:
        self.entries = tuple(entries)
        self.by_id = {entry.id: entry for entry in entries}
        self.published = tuple(published)
        self.once = Once()
        self.hasty = False
        self.state = 0
        self.folders = Folders(Path("none"), Path("none"), Path("none"))
        self._sums = sums or {}

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Rows of a DuckDB query over files that a test has written."""
        with duckdb.connect() as connection:
            found = connection.execute(query, parameters)
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def kept(self, name: str, inputs: object, make: Callable[[], bytes]) -> bytes:
        """Compute anew: nothing is kept."""
        return make()

    def keep_sums(self) -> None:
        """Keep nothing."""

    def problem_sums(self, entry: Entry) -> Mapping[str, ProblemSums]:
        """Return the sums given for the entry."""
        return self._sums.get(entry.id, {})


def made_library(*args: Any, **kwargs: Any) -> Library:
    """Make a `MadeLibrary`, with the type that functions expect."""
    return cast(Library, MadeLibrary(*args, **kwargs))
