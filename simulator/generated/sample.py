"""A small generated pool, for replays on a machine without any data.

It serves to try out the program, to test it and to measure its speed. Its distributions (accuracy
of problems, length of traces, spread of answers, time at which they settle) follow real traces of
Qwen3-8B on AIME24 and AIME25, probed every 500 tokens (SCOUT, arXiv 2602.03845), through the
constants below and those of `simulator.generated`. It contains no question, answer or trace of
theirs. Within a problem, traces are drawn independently, which is only roughly true of real ones.
Results on this pool say nothing about a method, so it is marked synthetic everywhere. It has no
text and no confidences.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from simulator.errors import UserError
from simulator.generated.draws import evenly, normal, zipf
from simulator.generated.probing import probe
from simulator.generated.shape import WRONG_ANSWERS, Shape, shapes
from simulator.generated.shape import WRONG_LOG_TOKENS as WRONG_LOG_TOKENS
from simulator.pools.pool import PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter
from simulator.storage import disk_error, make_folders, remove_empty

SAMPLE_NAME = "generated/sample-8b/aime-like"
"""Name of the sample pool, and its folder in the cache."""

VERSION = "1"
"""Version of the generator; must increase with every change that changes a byte of the pool."""

SEED = 51_008_483
NUM_PROBLEMS = 30
NUM_TRACES = 128
PROBE_INTERVAL = 500

# Measured on 60 problems x 128 traces; benchmarks/sample_fit.py shows the quality of the fit.

ACCURACY_DECILES = (0.0, 0.02, 0.16, 0.70, 0.83, 0.93, 0.95, 0.99, 1.0, 1.0, 1.0)
"""Share of a problem's traces that are correct: minimum, nine deciles, maximum over problems."""

MAX_TOKENS = 40_960
"""Length limit. 2.9% of the real traces reach it, and 2.4% of all have no readable answer. Here,
exactly the traces that reach it have no answer."""


def make_sample(cache: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Make the sample pool in `cache` if it does not exist; return its folder.

    The pool is made under a temporary name and then renamed, so several processes can do this at
    the same time: the first pool is kept, and all of them have the same bytes.

    Parameters
    ----------
    cache
        The folder of pools; made if missing.
    progress
        Called with (problems made, total number of problems) after each problem.

    Raises
    ------
    UserError
        The disk is full or not writable, or the sample's folder exists and is not a pool.
    """
    target = cache / SAMPLE_NAME
    if (target / "pool.json").is_file():
        return target
    staging = cache / f".sample.{uuid.uuid4().hex[:8]}.tmp"
    try:
        dataset, model, benchmark = SAMPLE_NAME.split("/")
        info = PoolInfo(
            dataset=dataset,
            model=model,
            benchmark=benchmark,
            importer="generated",
            importer_version=VERSION,
            token_accuracy="total",
            synthetic=True,
            notes=["Generated for trying out and testing; says nothing about any model or method."],
        )
        with PoolWriter(staging, info) as writer:
            for done, problem in enumerate(sample_problems(), start=1):
                writer.add(problem)
                if progress is not None:
                    progress(done, NUM_PROBLEMS)
        made = make_folders(target.parent)
        try:
            (staging / SAMPLE_NAME).rename(target)
        except OSError:
            if not target.exists():
                remove_empty(made)
                raise
            if not (target / "pool.json").is_file():
                raise UserError(f"{target}: exists and is not a pool; remove it") from None
    except OSError as error:
        raise disk_error(error, target) from error
    except UserError as error:
        if isinstance(error.__cause__, OSError):  # it names the temporary folder
            raise disk_error(error.__cause__, target) from error.__cause__
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def sample_problems() -> Iterator[ProblemRecord]:
    """Yield the problems of the sample pool with their traces, always the same."""
    for number, shape in enumerate(_shapes()):
        yield _problem(number, shape, np.random.default_rng([SEED, number]))


def _shapes() -> list[Shape]:
    """Return the shape of every problem: measured accuracies, the rest from `generated.shape`."""
    rng = np.random.default_rng(SEED)
    quantiles = evenly(rng, NUM_PROBLEMS)
    accuracy = np.interp(quantiles, np.linspace(0, 1, len(ACCURACY_DECILES)), ACCURACY_DECILES)
    return shapes(rng, accuracy)


def _problem(number: int, shape: Shape, rng: np.random.Generator) -> ProblemRecord:
    """Generate one problem with its traces."""
    answers = np.argsort(rng.random(1000))  # the valid AIME answers in random order
    gold, wrong, others = np.split(answers, [1, 1 + WRONG_ANSWERS])

    correct = rng.random(NUM_TRACES) < shape.accuracy
    mistakes = zipf(wrong, shape.wrong_exponent, rng.random(NUM_TRACES))
    final = np.where(correct, gold, mistakes)
    length = normal(rng.random(NUM_TRACES))
    settling = normal(rng.random(NUM_TRACES))
    log_tokens = shape.log_lengths(correct, length)
    tokens = np.minimum(np.rint(np.exp(log_tokens)), MAX_TOKENS).astype(np.int64)
    answered = tokens < MAX_TOKENS
    settled_at = np.where(answered, tokens * shape.settled_after(correct, length, settling), np.inf)
    probes = probe(
        rng,
        final=final,
        tokens=tokens,
        settled_at=settled_at,
        others=others,
        exponent=shape.wander_exponent,
        interval=PROBE_INTERVAL,
        longest=MAX_TOKENS // PROBE_INTERVAL,
    )
    return ProblemRecord(
        problem_id=f"{number:02d}",
        question=f"Generated problem {number:02d} (no real question)",
        gold_answer=str(gold[0]),
        answer_kind="math",
        traces=[
            TraceRecord(
                trace_id=index,
                num_tokens=int(tokens[index]),
                answer=str(final[index]) if answered[index] else None,
                finish_reason="stop" if answered[index] else "length",
                probe_positions=probes.position[probes.of(index)],
                probe_answers=[
                    str(answer) if answer >= 0 else None
                    for answer in probes.answer[probes.of(index)].tolist()
                ],
            )
            for index in range(NUM_TRACES)
        ],
    )
