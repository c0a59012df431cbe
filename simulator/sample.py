"""A small generated pool, so that a replay works on a machine without any data.

It is for trying the program out, for tests and for measuring speed. Its shape (how hard problems
are, how long traces get, how answers scatter, when they settle) follows real traces of Qwen3-8B on
AIME24 and AIME25 that were probed every 500 tokens (SCOUT, arXiv 2602.03845), through the
constants below; no question, answer or trace is theirs. Within a problem, traces are drawn
independently of one another, which real ones are only roughly. A method's figures on this pool
say nothing about the method, so the pool is marked synthetic wherever it is shown. It has no text
and no confidences.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from simulator.errors import UserError
from simulator.pool import PoolInfo
from simulator.pool_writer import PoolWriter
from simulator.records import ProblemRecord, TraceRecord
from simulator.storage import disk_error, make_folders, remove_empty

SAMPLE_NAME = "generated/sample-8b/aime-like"
"""Name of the sample pool, and its folder below the cache."""

VERSION = "1"
"""Version of the generator: goes up whenever a constant or a line changes a byte of the pool."""

SEED = 51_008_483
NUM_PROBLEMS = 30
NUM_TRACES = 128
PROBE_INTERVAL = 500

# Measured on the 60 problems x 128 traces; benchmarks/sample_fit.py shows how well they fit.

ACCURACY_DECILES = (0.0, 0.02, 0.16, 0.70, 0.83, 0.93, 0.95, 0.99, 1.0, 1.0, 1.0)
"""Share of correct traces of a problem: minimum, nine deciles, maximum over problems."""

ACCURACY_KNOTS = (0.0, 0.85, 0.95, 0.99, 1.0)
"""Accuracies at which the two properties of a problem that follow it are given."""

MAX_TOKENS = 40_960
"""Length limit. 2.9% of the real traces reach it, and 2.4% of all have no readable answer; here
those that reach it are those without an answer."""

LOG_TOKENS = (10.15, 9.7, 9.4, 9.2, 8.65)
LOG_TOKENS_DEVIATION = 0.30
"""A problem's mean of log(tokens) at `ACCURACY_KNOTS`, and its deviation around that."""

TOKENS_SPREAD = 0.237
TOKENS_SPREAD_DEVIATION = 0.31
"""Deviation of log(tokens) within a problem: median over problems, deviation of its logarithm."""

WRONG_LOG_TOKENS = 0.33
"""By how much log(tokens) is higher for a problem's wrong traces than for its correct ones."""

WRONG_ANSWERS = 80
WRONG_EXPONENT = (0.4, 2.3)
"""Wrong answers a problem may end in, and the range of their Zipf exponent over problems.
Fitted to: among problems with wrong traces the most frequent wrong answer holds 11% to 84% of
these (median 30%), and problems that nobody solves have 8 to 58 different ones."""

SETTLE_LOGIT = (1.6, 1.2, 1.1, 0.4, -0.15)
SETTLE_DEVIATION = 0.71
SETTLE_SPREAD = 0.74
SETTLE_WRONG = 0.2
"""Logit of the fraction of a trace after which every probe gives its final answer: a problem's
mean at `ACCURACY_KNOTS`, deviation around that, deviation within a problem, and how much higher it
is for wrong traces. Half of the correct traces settle before 66%, half of the wrong before 85%."""

SETTLE_LENGTH_PROBLEMS = 0.38
SETTLE_LENGTH_TRACES = 0.21
"""Correlation of that logit with log(tokens): over problems of one accuracy, over the traces of a
problem."""

WANDER_ANSWERS = 250
WANDER_EXPONENT = (1.0, 2.2)
WANDER_LEAVE = 1.8
WANDER_NONE = 0.076
WANDER_FINAL = 0.15
"""Before it settles a trace answers otherwise: some answer for a run of probes, then another. The
longer a run, the more likely it goes on: after k equal probes with chance k / (k + `WANDER_LEAVE`),
to which comes that two runs in a row may agree. A run gives no answer, or some trace's final
answer, or one of `WANDER_ANSWERS` that belong to the problem (with a Zipf exponent from that
range). Fitted to: 35% of the runs go on after one probe, 55% after two, 74% after five, 83% after
ten; 55% of all probes repeat the one before, 8% give no answer, 8% the trace's own final one."""

TINY = 2.0**-54
"""Stands for a uniform number of 0, where a quantile or a logarithm would be infinite."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def make_sample(cache: Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Make the sample pool below `cache` unless it is there; returns its folder.

    The pool is made under a temporary name and moved into place whole, so that several processes
    can do this at once: the first one's pool stays, and they all hold the same bytes.

    Parameters
    ----------
    cache
        The folder that holds all pools; made if need be.
    progress
        Called with (problems made, problems in all) after each.

    Raises
    ------
    UserError
        The disk is full or not writable, or something that is no pool has the sample's name.
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
                raise UserError(f"{target}: in the way and not a pool; remove it") from None
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
    """The problems of the sample pool with their traces, always the same ones."""
    for number, shape in enumerate(_shapes()):
        yield _problem(number, shape, np.random.default_rng([SEED, number]))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is drawn once a problem; see the constants."""

    accuracy: float
    log_tokens: float
    tokens_spread: float
    settle_logit: float
    wrong_exponent: float
    wander_exponent: float


def _shapes() -> list[_Shape]:
    """The shape of every problem.

    Each property takes evenly spaced quantiles of its distribution, in random order: thirty
    problems then spread as the measured ones do, whatever the seed.
    """
    rng = np.random.default_rng(SEED)
    quantiles = (np.arange(NUM_PROBLEMS) + 0.5) / NUM_PROBLEMS

    def shuffled() -> Floats:
        return quantiles[np.argsort(rng.random(NUM_PROBLEMS))]

    accuracy = np.interp(shuffled(), np.linspace(0, 1, len(ACCURACY_DECILES)), ACCURACY_DECILES)
    length = _normal(shuffled())
    settling = _correlated(length, _normal(shuffled()), SETTLE_LENGTH_PROBLEMS)
    log_tokens = np.interp(accuracy, ACCURACY_KNOTS, LOG_TOKENS) + LOG_TOKENS_DEVIATION * length
    settle_logit = np.interp(accuracy, ACCURACY_KNOTS, SETTLE_LOGIT) + SETTLE_DEVIATION * settling
    tokens_spread = TOKENS_SPREAD * np.exp(TOKENS_SPREAD_DEVIATION * _normal(shuffled()))
    wrong_exponent = np.interp(shuffled(), (0, 1), WRONG_EXPONENT)
    wander_exponent = np.interp(shuffled(), (0, 1), WANDER_EXPONENT)
    columns = (
        accuracy,
        log_tokens,
        tokens_spread,
        settle_logit,
        wrong_exponent,
        wander_exponent,
    )
    return [_Shape(*row) for row in np.stack(columns, axis=1).tolist()]


def _problem(number: int, shape: _Shape, rng: np.random.Generator) -> ProblemRecord:
    """One problem with its traces."""
    answers = np.argsort(rng.random(1000))  # what AIME allows, in random order
    gold, wrong, others = np.split(answers, [1, 1 + WRONG_ANSWERS])

    correct = rng.random(NUM_TRACES) < shape.accuracy
    final = np.where(correct, gold, _zipf(rng, wrong, shape.wrong_exponent, NUM_TRACES))
    unlike = ~correct - (1 - shape.accuracy)  # averages to nothing over the problem
    length = _normal(rng.random(NUM_TRACES))
    settling = _correlated(length, _normal(rng.random(NUM_TRACES)), SETTLE_LENGTH_TRACES)
    log_tokens = shape.log_tokens + WRONG_LOG_TOKENS * unlike + shape.tokens_spread * length
    settle_logit = shape.settle_logit + SETTLE_WRONG * unlike + SETTLE_SPREAD * settling
    tokens = np.minimum(np.rint(np.exp(log_tokens)), MAX_TOKENS).astype(np.int64)
    answered = tokens < MAX_TOKENS
    settled_at = np.where(answered, tokens / (1 + np.exp(-settle_logit)), np.inf)

    # All probes of all traces in one array; trace i's are those from starts[i] on.
    counts = (tokens - 1) // PROBE_INTERVAL
    starts = np.cumsum(counts) - counts
    trace = np.repeat(np.arange(NUM_TRACES), counts)
    position = (np.arange(len(trace)) - starts[trace] + 1) * PROBE_INTERVAL
    wander = _wander(rng, final, others[:WANDER_ANSWERS], shape.wander_exponent, counts)
    probes = np.where(position >= settled_at[trace], final[trace], wander)

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
                probe_positions=position[start : start + count],
                probe_answers=[
                    str(answer) if answer >= 0 else None
                    for answer in probes[start : start + count].tolist()
                ],
            )
            for index, (start, count) in enumerate(zip(starts, counts, strict=True))
        ],
    )


def _wander(
    rng: np.random.Generator, finals: Ints, others: Ints, exponent: float, counts: Ints
) -> Ints:
    """What each probe answers while its trace has not settled, −1 for nothing.

    `counts` are the probes of each trace; the answers of all traces come in one array.
    """
    size = int(counts.sum())
    drawn = _zipf(rng, others, exponent, size)
    borrowed = finals[(rng.random(size) * len(finals)).astype(np.int64)]
    kind = rng.random(size)
    drawn = np.where(kind < WANDER_NONE + WANDER_FINAL, borrowed, drawn)
    drawn = np.where(kind < WANDER_NONE, -1, drawn)
    # Geometric run lengths whose chance to go on is itself drawn, from Beta(1, WANDER_LEAVE).
    goes_on = 1 - (1 - rng.random(size)) ** (1 / WANDER_LEAVE)
    runs = np.log1p(-rng.random(size)) / np.log(np.maximum(goes_on, TINY))
    lengths = np.minimum(1 + np.floor(runs), MAX_TOKENS // PROBE_INTERVAL).astype(np.int64)
    return np.concatenate(
        [
            np.repeat(drawn[start : start + count], lengths[start : start + count])[:count]
            for start, count in zip(np.cumsum(counts) - counts, counts, strict=True)
        ]
    )


def _zipf(rng: np.random.Generator, values: Ints, exponent: float, size: int) -> Ints:
    """`size` draws of `values`, the r-th of which has a weight of r ** -exponent."""
    weights = np.cumsum(np.arange(1, len(values) + 1, dtype=np.float64) ** -exponent)
    return values[np.searchsorted(weights / weights[-1], rng.random(size), side="right")]


def _correlated(one: Floats, other: Floats, correlation: float) -> Floats:
    """`other`, mixed with `one` so far that they correlate; both standard normal."""
    return correlation * one + float(np.sqrt(1 - correlation**2)) * other


def _normal(probabilities: Floats) -> Floats:
    """Standard normal quantiles.

    Everything here is drawn through uniform numbers, because numpy may change how it draws from
    other distributions, and the pool's bytes with it.
    """
    quantile = NormalDist().inv_cdf
    return np.array([quantile(max(p, TINY)) for p in probabilities.tolist()])
