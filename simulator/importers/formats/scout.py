"""SCOUT (Parallel-Probe, arXiv 2602.03845): lengths, answers and probe answers, without text.

A file is one benchmark: a JSON list of problems `{question, gold_answer, probe_freq, each_branch}`,
each branch `[probe answers, tokens, final answer]`; or in the form that its own code generates,
with three lists `probe_matrix_mxn`, `branch_tokens` and `final_answers_trace` instead of
`each_branch`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulator.errors import UserError
from simulator.importers.gathering import About, Draft, gather
from simulator.importers.importer import (
    BadRow,
    ImportOptions,
    Reading,
    answer_text,
    checked,
    refuse_map,
    storable,
    token_count,
)
from simulator.importers.items import Item
from simulator.importers.json_files import read_json
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import TraceRecord

VERSION = "1"

UNPARSABLE = "ERR"
"""The publisher's mark for an answer that could not be parsed; it is imported as no answer."""

_RAW_FIELDS = ("probe_matrix_mxn", "branch_tokens", "final_answers_trace")
_LIKE_PUBLISHED = "give it as in the published files"


def read(options: ImportOptions) -> Reading:
    """Read one SCOUT file.

    Problems are numbered in file order (`00`, `01`, …), as are a problem's traces. Probe j (from 0)
    was made at token (j + 1) · `probe_freq`; one past its trace's last token is left out.

    Raises
    ------
    UserError
        More than one file, one that cannot be read or is not a SCOUT file, or a bad branch.
    """
    refuse_map(options, "scout")
    path = _only_path(options.paths)
    items = read_json(path)
    if not isinstance(items, list):
        kind = type(items).__name__
        raise UserError(f"{path}: holds a JSON {kind}, not a list of problems; is it a SCOUT file?")
    if not items:
        raise UserError(f"{path}: holds no problem; download or export it again")
    width = max(2, len(str(len(items) - 1)))
    named = (
        Item(path, f"{path}: problem {index}", item, f"{index:0{width}d}")
        for index, item in enumerate(items)
    )
    options.progress(f"reading {path.name}", 0.0)
    return gather(options, named, _Reader(exact=options.equality == "exact"))


def _only_path(paths: Sequence[Path]) -> Path:
    if len(paths) != 1:
        raise UserError(
            f"{len(paths)} files given, but each SCOUT file is a benchmark and a pool of its own; "
            "import them one by one, each with its own --benchmark"
        )
    if paths[0].is_dir():
        names = ", ".join(sorted(file.name for file in paths[0].glob("*.json"))[:5])
        raise UserError(f"{paths[0]}: this is a folder; name one of its files ({names or 'none'})")
    return paths[0]


class _Reader:
    """Reader of problems and branches; `exact` keeps answers as they stand, with spaces around."""

    def __init__(self, *, exact: bool) -> None:
        self.exact = exact
        self.late_probes = 0

    def about(self, item: Item) -> About:
        """Read the problem. Raises `BadRow`."""
        fields = checked(item.value, dict, "problem is not an object", _LIKE_PUBLISHED)
        gold = self._text(fields.get("gold_answer"), "gold_answer")
        if gold is None:
            raise BadRow("problem without a gold_answer", _LIKE_PUBLISHED)
        token_count(fields.get("probe_freq"), "probe_freq")
        question = fields.get("question")
        checked(question, str | None, "question is not a text", _LIKE_PUBLISHED)
        return About(item.key, None if question is None else storable(question), gold)

    def parts(self, item: Item) -> Iterator[tuple[str, Any]]:
        """Yield each branch, with its number and the probes' interval."""
        for number, branch in enumerate(_branches(item.value)):
            yield f"{item.where}, branch {number}", (branch, number, item.value["probe_freq"])

    def draft(self, part: Any) -> Draft:
        """Read a trace, without probes past its end. Raises `BadRow`."""
        branch, number, every = part
        if not isinstance(branch, list | tuple) or len(branch) != 3:
            raise BadRow(
                "branch is not [probe answers, tokens, final answer]", _LIKE_PUBLISHED, branch
            )
        probes, tokens, final = branch
        num_tokens = token_count(tokens, "token count")
        checked(probes, list, "probe answers are not a list", _LIKE_PUBLISHED)
        fitting = min(len(probes), int(num_tokens // every))
        trace = TraceRecord(
            trace_id=-1,
            num_tokens=num_tokens,
            answer=self._answer(final, "final answer"),
            probe_positions=np.arange(1, fitting + 1, dtype=np.int64) * int(every),
            probe_answers=[self._answer(probe, "probe answer") for probe in probes[:fitting]],
        )
        self.late_probes += len(probes) - fitting
        return Draft(trace, number)

    def _text(self, value: Any, what: str) -> str | None:
        text = answer_text(value, what)
        return storable(value) if self.exact and text and isinstance(value, str) else text

    def _answer(self, value: Any, what: str) -> str | None:
        text = self._text(value, what)
        return None if text == UNPARSABLE else text

    def notes(self, accuracy: TokenAccuracy) -> list[str]:
        """Count the probes that were left out."""
        late = self.late_probes
        return [f"{late} probes past their trace's last token were left out"] if late else []


def _branches(item: dict[str, Any]) -> Sequence[Any]:
    branches = item.get("each_branch")
    if branches is None and all(name in item for name in _RAW_FIELDS):
        columns = [item[name] for name in _RAW_FIELDS]
        if not all(isinstance(column, list) for column in columns):
            raise BadRow(f"{', '.join(_RAW_FIELDS)} are not lists", _LIKE_PUBLISHED)
        if len({len(column) for column in columns}) != 1:
            lengths = "/".join(str(len(column)) for column in columns)
            raise BadRow(f"{', '.join(_RAW_FIELDS)} differ in length", _LIKE_PUBLISHED, lengths)
        return list(zip(*columns, strict=True))
    if not isinstance(branches, list):
        raise BadRow(f"problem without each_branch or {', '.join(_RAW_FIELDS)}", _LIKE_PUBLISHED)
    return branches
