"""Making generated pools, with one problem in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from simulator.arrays import Ints
from simulator.errors import UserError
from simulator.generated.calibration import CHOICES, Outline, outlines
from simulator.generated.cells import (
    DATASET,
    PAPER_TRACES,
    Cell,
    Size,
)
from simulator.generated.draws import normal
from simulator.generated.probe_signals import probe_signals as drawn_probe_signals
from simulator.generated.probing import NOTHING, probe
from simulator.generated.shape import WRONG_ANSWERS
from simulator.generated.text import texts
from simulator.generated.token_signals import DERIVED, token_signals
from simulator.pools.pool import PoolInfo, read_info
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter

VERSION = "+".join(("1", *DERIVED))
"""Version of the generator: to be raised whenever a change alters a byte of a pool.

A further token signal changes no byte of the other files, and is named here."""

SEED = 51_008_483

PROBE_TOKENS = 500
"""Number of tokens between probes at paper size."""

# Separate random streams of a problem, so that none depends on which others are drawn.
_ANSWERS, _PROBES, _CONFIDENCE, _TEXT, _PROBE_SIGNALS = range(2, 7)


def pool_folder(cache: Path, cell: Cell) -> Path:
    """Return the folder of a cell's pool, which need not exist."""
    return cache / DATASET / cell.model / cell.benchmark


def revision(size: Size, seed: int, *, text: bool, probe_signals: bool = False) -> str:
    """Describe the variant of a cell's pool; kept in `pool.json`."""
    added = ", with text" if text else ""
    added += ", with probe signals" if probe_signals else ""
    return f"{size.name} size, seed {seed}{added}"


def made_as(cache: Path, cell: Cell) -> str | None:
    """Return the `revision` of a cell's pool, None if there is no pool.

    Raises
    ------
    UserError
        The folder of the pool holds no pool, or one that was not generated.
    """
    folder = pool_folder(cache, cell)
    if not folder.exists():
        return None
    info = read_info(folder)
    if info.importer != "generated":
        raise UserError(f"{folder}: a pool that was not generated is in the way; move it")
    if info.importer_version != VERSION:
        return f"{info.revision}, by version {info.importer_version} of the generator"
    return info.revision


def make_pool(
    cache: Path,
    cell: Cell,
    size: Size,
    *,
    seed: int = SEED,
    text: bool = False,
    probe_signals: bool = False,
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> PoolInfo:
    """Generate the pool of a cell below `cache`; return the contents of its `pool.json`.

    Parameters
    ----------
    text
        True to give traces text, and with it exact token offsets.
    probe_signals
        True to give probes their signals.
    progress
        Called with (problems made, problems in all) after each.

    Raises
    ------
    UserError
        The pool exists and `replace` is false, or the disk is full or not writable.
    """
    info = PoolInfo(
        dataset=DATASET,
        model=cell.model,
        benchmark=cell.benchmark,
        importer="generated",
        importer_version=VERSION,
        token_accuracy="exact" if text else "total",
        revision=revision(size, seed, text=text, probe_signals=probe_signals),
        synthetic=True,
        notes=[
            "Generated for measuring speed, tests and demonstration; no model wrote it, and it "
            "says nothing about any model or method.",
            _calibration_note(cell, size),
        ],
    )
    number = size.problems(cell)
    with PoolWriter(cache, info, replace=replace) as writer:
        problems = generated_problems(cell, size, seed=seed, text=text, probe_signals=probe_signals)
        for done in range(1, number + 1):
            writer.add(next(problems))  # not kept in a variable: it is freed before the next
            if progress is not None:
                progress(done, number)
    return writer.info


def _calibration_note(cell: Cell, size: Size) -> str:
    if size.traces < PAPER_TRACES:
        shrunk = f", lengths divided by {size.shrink}" if size.shrink > 1 else ""
        return f"A small likeness: few problems and traces{shrunk}."
    return (
        f"Made to meet pass@1 {cell.pass_at_1}%, cons@{PAPER_TRACES} {cell.cons_accuracy}% and a "
        f"mean length of {cell.mean_tokens:,.0f} tokens, as published for this model and benchmark."
    )


def generated_problems(
    cell: Cell,
    size: Size,
    *,
    seed: int = SEED,
    text: bool = False,
    signals: bool = True,
    probe_signals: bool = False,
) -> Iterator[ProblemRecord]:
    """Yield the problems of a cell with their traces, always the same ones for a seed.

    Leaving out text, token signals (`signals`) or probe signals changes nothing else.
    """
    for number, outline in enumerate(outlines(cell, size, seed)):
        seeds = [seed, cell.number, number]
        yield _problem(cell, size, number, outline, seeds, text, signals, probe_signals)


def _problem(
    cell: Cell,
    size: Size,
    number: int,
    outline: Outline,
    seed: list[int],
    text: bool,
    signals: bool,
    probe_signals: bool,
) -> ProblemRecord:
    def stream(which: int) -> np.random.Generator:
        return np.random.default_rng([*seed, which])

    names, others = _answer_names(cell, stream(_ANSWERS))
    answers = [
        names[final] if answered else None
        for final, answered in zip(outline.final.tolist(), outline.answered.tolist(), strict=True)
    ]
    rng = stream(_PROBES)
    settling = normal(rng.random(size.traces))
    share = outline.shape.settled_after(outline.final == 0, outline.length, settling)
    settled_at = np.where(outline.answered, outline.tokens * share, np.inf)
    interval = size.tokens(PROBE_TOKENS)
    probes = probe(
        rng,
        final=outline.final,
        tokens=outline.tokens,
        settled_at=settled_at,
        others=others,
        exponent=outline.shape.wander_exponent,
        interval=interval,
        longest=size.tokens(cell.max_tokens) // interval,
    )
    traces = [
        TraceRecord(
            trace_id=index,
            num_tokens=tokens,
            answer=answers[index],
            finish_reason="length" if answers[index] is None else "stop",
            probe_positions=positions,
            probe_answers=[
                None if answer == NOTHING else names[answer] for answer in probed.tolist()
            ],
        )
        for index, (tokens, (positions, probed)) in enumerate(
            zip(outline.tokens.tolist(), probes, strict=True)
        )
    ]
    if signals:
        made = token_signals(stream(_CONFIDENCE), seed, outline, size)
        for trace, values in zip(traces, made, strict=True):
            trace.token_signals = values
    if probe_signals:
        settled = [at >= since for (at, _), since in zip(probes, settled_at, strict=True)]
        drawn = drawn_probe_signals(stream(_PROBE_SIGNALS), settled)
        for trace, values in zip(traces, drawn, strict=True):
            trace.probe_signals = values
    if text:
        written = texts(stream(_TEXT), outline, settled_at, answers)
        for trace, (words, ends) in zip(traces, written, strict=True):
            trace.text, trace.token_ends = words, ends
    return ProblemRecord(
        problem_id=f"{number:03d}",
        question=f"Generated problem {number:03d} (no real question)",
        gold_answer=names[0],
        answer_kind=cell.answer_kind,
        traces=traces,
    )


def _answer_names(cell: Cell, rng: np.random.Generator) -> tuple[list[str], Ints]:
    """Return the texts of the answers: gold first, then wrong ones, then those of probes only.

    With them come the numbers of those that an unsettled trace may give, the most frequent first.
    """
    if cell.answer_kind == "choice":
        names = ["ABCD"[letter] for letter in np.argsort(rng.random(CHOICES))]
        return names, np.argsort(rng.random(CHOICES))
    allowed = np.argsort(rng.random(1000))  # what AIME allows, in random order
    return [str(answer) for answer in allowed.tolist()], np.arange(1 + WRONG_ANSWERS, 1000)
