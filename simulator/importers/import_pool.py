"""From foreign files to a pool: read them with one of the importers, and write the pool."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from pathlib import Path

from simulator.answers.corrections import Correction, checked_corrections
from simulator.answers.equivalence import Classes
from simulator.answers.finding import PATTERN
from simulator.errors import UserError
from simulator.importers import FORMATS
from simulator.importers.importer import ImportOptions, Reading
from simulator.importers.tokenizing import load_tokenizer, tokenize
from simulator.pools.pool import Pool, PoolInfo, TokenAccuracy, read_info
from simulator.pools.records import ProblemRecord
from simulator.pools.summary import AnswerSummary, summarise_answers
from simulator.pools.writer import Disagreement, PoolWriter, grade, to_grade

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")


ANSWERS_BY_MAP = {
    "jsonl": "--map answer=COLUMN",
    "parquet": "--map answer=COLUMN",
    "deepprune": "--map answer=COLUMN",
    "lm-eval": "--map filter=NAME",
}
"""Ways to say where a format has its answers, beside the options for texts."""


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """Result of an import.

    `tokens` is the sum over all traces, `token_means` the mean of each token signal over them;
    `dropped` counts rows left out by reason, and `dropped_examples` shows some; `mapping` is field
    to column, if the importer proposed it; `disagreements` are traces that the source graded
    differently.
    """

    name: str
    path: Path
    fingerprint: str
    problems: int
    traces: int
    tokens: int
    token_accuracy: TokenAccuracy
    signals: list[str]
    answers: AnswerSummary
    token_means: dict[str, float]
    corrections: list[dict[str, str]]
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
    active_parameters: float | None = None,
    corrections: Sequence[Correction] = (),
    replace: bool = False,
) -> ImportReport:
    """Make the pool `dataset/model/benchmark` below `cache` from the files that `options` names.

    Those from `source` to `corrections` are kept in `pool.json`. A failed import leaves nothing.

    Raises
    ------
    UserError
        An unsafe or taken name, unusable files, no answer at all, a correction that does not fit.
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
        active_parameters=active_parameters,
        corrections=[each.as_dict() for each in corrections],
        equality=options.equality,
        unparsed=options.unparsed,
        answer_patterns=[pattern.pattern for pattern in options.answer_patterns],
    )
    writer = PoolWriter(cache, info, replace=replace)  # refuses a taken name before any work
    _refuse_to_drop(writer.path, corrections)
    tokenizer = None if options.tokenizer is None else load_tokenizer(options.tokenizer)
    info.tokenizer = None if tokenizer is None else tokenizer.identity
    with writer:
        options = dataclasses.replace(options, scratch=writer.folder)
        reading: Reading = getattr(module, function)(options)
        if tokenizer is not None:
            tokenize(reading, tokenizer)
        _write(writer, reading, options, format_name)
        info.token_accuracy = reading.token_accuracy
        info.notes = _notes(reading, options, info)
    return ImportReport(
        name=info.name,
        path=writer.path,
        fingerprint=info.fingerprint,
        problems=info.problems,
        traces=info.traces,
        tokens=info.tokens,
        token_accuracy=info.token_accuracy,
        signals=info.signals,
        answers=summarise_answers(Pool(writer.path)),
        token_means={name: total / count for name, (total, count) in writer.token_sums.items()},
        corrections=info.corrections,
        dropped=dict(sorted(reading.faults.dropped.items())),
        dropped_examples=reading.faults.examples,
        notes=info.notes,
        mapping=dict(reading.mapping),
        disagreements=writer.disagreements,
    )


def _write(writer: PoolWriter, reading: Reading, options: ImportOptions, format_name: str) -> None:
    """Write all problems; raise `UserError` if no trace is usable or none has an answer."""
    ending = ""
    try:
        for done, (problem, graded) in enumerate(_graded(writer.info, reading, options)):
            options.progress("grouping answers and writing", done / max(reading.total, 1))
            writer.add(problem, graded)
            ending = ending or _ending(problem)
    except BrokenExecutor:
        raise UserError(
            f"{options.paths[0]}: a worker process died (out of memory?); nothing was kept, import "
            "with fewer jobs: -j 1"
        ) from None
    finally:
        if isinstance(reading.problems, Generator):
            reading.problems.close()  # its files, which an error leaves open
    options.progress("grouping answers and writing", 1.0)
    if writer.info.problems == 0:
        reasons = "; ".join(reading.faults.examples[:1]) or "the files hold no row"
        raise UserError(f"{options.paths[0]}: no usable trace ({reasons}); nothing was kept")
    if not writer.answered:
        raise UserError(_unanswered(options, format_name, writer.info.traces, ending))


def _graded(
    info: PoolInfo, reading: Reading, options: ImportOptions
) -> Iterator[tuple[ProblemRecord, list[Classes] | None]]:
    """Yield each problem with its answers as graded by others, while they grade the next ones.

    As many problems wait as there are graders, as the traces of a problem can take much memory.
    """
    if options.graders is None:
        yield from ((problem, None) for problem in reading.problems)
        return
    waiting: deque[tuple[ProblemRecord, Future[list[Classes]] | None]] = deque()
    for problem in reading.problems:
        traces = sorted(problem.traces, key=lambda trace: trace.trace_id)
        given = (
            options.graders.submit(grade, *to_grade(info, problem, traces))
            if problem.grouped is None
            else None
        )
        waiting.append((problem, given))
        while waiting and (len(waiting) > options.graders.jobs or _is_done(waiting[0][1])):
            problem, given = waiting.popleft()
            yield problem, _result(given)
    for problem, given in waiting:
        yield problem, _result(given)


def _result(given: Future[list[Classes]] | None) -> list[Classes] | None:
    return None if given is None else given.result()


def _is_done(given: Future[list[Classes]] | None) -> bool:
    return given is None or given.done()


def _notes(reading: Reading, options: ImportOptions, info: PoolInfo) -> list[str]:
    """Return the reader's notes, and what was left out or not found."""
    dropped = sorted(reading.faults.dropped.items())
    notes = [*reading.notes, *(f"left out: {count} × {why}" for why, count in dropped)]
    if options.answer_patterns and PATTERN not in info.answer_forms:
        notes.append("no text has a match of the answer patterns")
    return notes


def _refuse_to_drop(folder: Path, corrections: Sequence[Correction]) -> None:
    """Raise `UserError` if the pool to be replaced has corrections that the new one lacks."""
    given = {each.claim for each in corrections}
    try:
        recorded = checked_corrections(read_info(folder).corrections, str(folder / "pool.json"))
    except UserError:  # no pool, or a damaged one
        return
    lost = [each for each in recorded if each.claim not in given]
    if lost:
        raise UserError(
            f"{folder}: has {len(lost)} corrections by hand that --replace would drop, such as "
            f"{lost[0]}; add them with --corrections FILE, or drop them first with deepprune-sim "
            "data regrade --no-corrections"
        )


def _ending(problem: ProblemRecord, most: int = 60) -> str:
    """Return the end of a problem's first text, on one line; empty without texts."""
    texts = (trace.text for trace in problem.traces if trace.text and trace.text.strip())
    return " ".join(next(texts, "")[-4 * most :].split())[-most:]


def _unanswered(options: ImportOptions, format_name: str, traces: int, ending: str) -> str:
    """Return the error for files in which no trace has an answer."""
    remedies = [ANSWERS_BY_MAP[format_name]] if format_name in ANSWERS_BY_MAP else []
    found = f"no answer in any of {traces:,} traces"
    if ending:
        remedies += ["--answer-pattern REGEX", "--answer-kind KIND"]
        found += f" (the first text ends with {ending!r})"
    remedy = f"say where it is with {' or '.join(remedies)}" if remedies else "record the answers"
    return f"{options.paths[0]}: {found}; {remedy}; nothing was kept"


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
