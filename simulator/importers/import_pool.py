"""From foreign files to a pool: read them with one of the importers, and write the pool."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simulator.answers.finding import PATTERN
from simulator.errors import UserError
from simulator.importers import FORMATS
from simulator.importers.importer import ImportOptions, Reading
from simulator.importers.tokenizing import load_tokenizer, tokenize
from simulator.pools.pool import PoolInfo, TokenAccuracy
from simulator.pools.writer import Disagreement, PoolWriter

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """Result of an import.

    `tokens` is the sum over all traces; `dropped` counts rows left out by reason, and
    `dropped_examples` shows some; `mapping` is field to column, if the importer proposed it;
    `disagreements` are traces that the source graded differently.
    """

    name: str
    path: Path
    fingerprint: str
    problems: int
    traces: int
    tokens: int
    token_accuracy: TokenAccuracy
    signals: list[str]
    dropped: dict[str, int]
    dropped_examples: list[str]
    notes: list[str]
    mapping: dict[str, str]
    disagreements: list[Disagreement]


def import_pool(
    format_name: str,
    options: ImportOptions,
    *,
    cache: Path,
    dataset: str,
    model: str,
    benchmark: str,
    source: str | None = None,
    revision: str | None = None,
    licence: str | None = None,
    citation: str | None = None,
    probe_cost: dict[str, int] | None = None,
    replace: bool = False,
) -> ImportReport:
    """Make the pool `dataset/model/benchmark` below `cache` from the files that `options` names.

    `source`, `revision`, `licence`, `citation` and `probe_cost` are kept in the pool's `pool.json`.
    A failed import leaves nothing behind.

    Raises
    ------
    UserError
        An unsafe name, a pool of that name that may not be replaced, or files that cannot be used.
    """
    for option, part in (("dataset", dataset), ("model", model), ("benchmark", benchmark)):
        check_name(option, part)
    if options.include_early_stopped and format_name != "deepconf":
        raise UserError("--include-early-stopped: only deepconf files mark such traces; remove it")
    module_name, function = FORMATS[format_name].split(":")
    module = importlib.import_module(module_name)
    info = PoolInfo(
        dataset=dataset,
        model=model,
        benchmark=benchmark,
        importer=format_name,
        importer_version=module.VERSION,
        token_accuracy="estimated",
        source=source,
        revision=revision,
        licence=licence,
        citation=citation,
        probe_cost=probe_cost,
        equality=options.equality,
        unparsed=options.unparsed,
        answer_patterns=[pattern.pattern for pattern in options.answer_patterns],
    )
    writer = PoolWriter(cache, info, replace=replace)  # refuses a taken name before any work
    tokenizer = None if options.tokenizer is None else load_tokenizer(options.tokenizer)
    info.tokenizer = None if tokenizer is None else tokenizer.identity
    read: Callable[[ImportOptions], Reading] = getattr(module, function)
    with writer:
        reading = read(dataclasses.replace(options, scratch=writer.folder))
        if tokenizer is not None:
            tokenize(reading, tokenizer)
        for done, problem in enumerate(reading.problems):
            options.progress("grouping answers and writing", done / max(reading.total, 1))
            writer.add(problem)
        _refuse_empty(info, options, reading)
        dropped = dict(sorted(reading.faults.dropped.items()))
        info.token_accuracy = reading.token_accuracy
        info.notes = [*reading.notes, *(f"left out: {n} × {why}" for why, n in dropped.items())]
        if options.answer_patterns and PATTERN not in info.answer_forms:
            info.notes.append("no text has a match of the answer patterns")
    options.progress("grouping answers and writing", 1.0)
    return ImportReport(
        name=info.name,
        path=writer.path,
        fingerprint=info.fingerprint,
        problems=info.problems,
        traces=info.traces,
        tokens=info.tokens,
        token_accuracy=info.token_accuracy,
        signals=info.signals,
        dropped=dropped,
        dropped_examples=reading.faults.examples,
        notes=info.notes,
        mapping=dict(reading.mapping),
        disagreements=writer.disagreements,
    )


def _refuse_empty(info: PoolInfo, options: ImportOptions, reading: Reading) -> None:
    """Raise `UserError` if no problem was written."""
    if info.problems == 0:
        reasons = "; ".join(reading.faults.examples[:1]) or "the files hold no row"
        raise UserError(f"{options.paths[0]}: no usable trace ({reasons}); nothing was kept")


def check_name(option: str, part: str) -> None:
    """Raise `UserError` unless `part` can be a folder's name, as it becomes one below the cache."""
    if _PART.fullmatch(part):
        return
    bare = re.sub(r"[^A-Za-z0-9._+-]+", "-", part.rsplit("/", 1)[-1]).strip(".-")
    hint = f"; use --{option} {bare}" if bare else ""
    raise UserError(
        f"--{option} {part!r} cannot be part of a pool's name: letters, digits and . _ + - only, "
        f"starting with a letter, digit or _{hint}"
    )
