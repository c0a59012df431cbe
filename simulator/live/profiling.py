"""Profile of an engine: how long it takes at several batch sizes and lengths, and the clock of it.

An engine generates traces of a few problems, so many at a time, and is timed from mark to mark.
From the tokens that came follows how many steps it took, at which batch sizes and with how many
tokens in the key-value cache; its ledger tells the tokens of prompts. The seconds are a sum of
these, each times a cost that is fitted (`fitted`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from simulator.arrays import Floats
from simulator.live.source import ModelEngine, Piece, TokenSource
from simulator.replay.serving import Serving

ROUNDS = 2
"""Number of times that each batch size is measured."""

MOST_TOKENS = 1024
"""Length up to which traces are generated, if they may be so long."""

READS = 4
"""Number of traces by which reading is measured, for each batch size."""

LEAST = 1e-9
"""Seconds of a step whose cost is too small to be seen."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sample:
    """Work that was timed.

    Attributes
    ----------
    kind
        `decode`, `read` (traces given with their tokens, and one more) or `probe`.
    traces
        Number of traces at its begin.
    batches
        Number of decode steps by the number of traces decoded; none for a probe.
    held
        Tokens in the cache before each step, of all traces decoded in it, summed over steps; of a
        probe, those of its traces without their prompts.
    read
        Tokens read before traces decode; of a probe, those of the suffix of each.
    seconds
        Seconds in the engine.
    """

    kind: str
    traces: int
    batches: Mapping[int, int] = field(default_factory=dict)
    held: int = 0
    read: int = 0
    seconds: float = 0.0

    @property
    def steps(self) -> int:
        """Number of decode steps."""
        return sum(self.batches.values())


@dataclass(frozen=True)
class Profile:
    """Measurements, and the serving model that is fitted to them."""

    samples: Sequence[Sample]
    serving: Serving

    def error(self, sample: Sample) -> float:
        """Return by how much the model is off: its seconds over those measured, minus 1."""
        serving = self.serving
        if sample.kind == "probe":
            seconds = _probing(serving, sample, serving.probe_steps or 0)
        else:
            seconds = serving.prefill_seconds * sample.read + serving.kv_seconds * sample.held
            for size, steps in sample.batches.items():
                seconds += steps * serving.step_cost(size)
        return seconds / sample.seconds - 1

    def summary(self) -> dict[str, Any]:
        """Return the costs, and how far samples of each kind and batch size are off."""
        batches: dict[tuple[str, int], list[float]] = {}
        for sample in self.samples:
            size = sample.traces if sample.kind == "decode" else 0
            batches.setdefault((sample.kind, size), []).append(abs(self.error(sample)))
        errors = [
            {
                "kind": kind,
                "traces": size,
                "samples": len(off),
                "median_error": float(np.median(off)),
                "worst_error": max(off),
            }
            for (kind, size), off in sorted(batches.items())
        ]
        return {"serving": asdict(self.serving), "errors": errors}


def measured(
    engine: ModelEngine, questions: Sequence[str], slots: int, progress: Progress
) -> Profile:
    """Measure an engine with batches of 1, 2, 4, … and `slots` traces; fit a serving model."""
    sizes = sorted({2**power for power in range(slots.bit_length())} | {slots})
    longest = min(engine.sampling.max_tokens, MOST_TOKENS)
    marks = sorted({1, *(max(2, longest * part // 8) for part in (1, 2, 4, 6, 8))})
    samples: list[Sample] = []
    meter = _Meter(engine)
    turns = [(number, size) for number in range(ROUNDS) for size in sizes]
    for turn, (number, size) in enumerate(turns):
        progress(turn, len(turns))
        question = questions[turn % len(questions)]
        name = f"profile {number} {size}"
        samples += meter.batch(name, question, size, marks)
    progress(len(turns), len(turns))
    prompt = round(float(np.mean(meter.prompts)))
    kept = meter.found_again > meter.read_again
    usual = Serving(slots, prompt_tokens=prompt, prefix_cache=kept)
    return Profile(samples, fitted(samples, sizes, usual))


class _Meter:
    """A stopwatch for an engine, by its ledger."""

    def __init__(self, engine: ModelEngine) -> None:
        self._engine = engine
        self.prompts: list[int] = []
        self.found_again = self.read_again = 0

    def batch(self, name: str, question: str, size: int, marks: Sequence[int]) -> list[Sample]:
        """Measure a batch from mark to mark, with probes at each, and reading what it generated."""
        engine, samples = self._engine, []
        source = engine.open(name, question, [[]] * size, [False] * size)
        traces = _Traces(size)
        for mark in marks:
            going = [row for row in range(size) if not traces.ended[row]]
            if not going:
                break
            held = sum(len(traces.ids[row]) for row in going)
            sample = self._decode("decode", source, traces, dict.fromkeys(going, mark))
            if mark == marks[0]:
                self.prompts.append(traces.prompt or 0)
            else:
                self.read_again += sample.read
                self.found_again += held - sample.read
            samples.append(sample)
            going = [row for row in going if not traces.ended[row]]
            if going and mark > marks[0]:
                samples.append(self._probe(source, traces, going))
        for row in range(min(size, READS)):
            # Backwards, so that no engine finds them in its cache.
            ids = traces.ids[row][::-1][: engine.sampling.max_tokens - 1]
            again = engine.open(f"{name} {row}", question, [ids], [False])
            given = _Traces(1, traces.prompt)
            given.ids[0] = ids
            samples.append(self._decode("read", again, given, {0: len(ids) + 1}))
        return [sample for sample in samples if sample.seconds > 0]

    def _decode(
        self, kind: str, source: TokenSource, traces: _Traces, wanted: dict[int, int]
    ) -> Sample:
        ledger = self._engine.ledger
        begun = replace(ledger)
        before = [len(ids) for ids in traces.ids]
        for pieces in source.generate(wanted):
            traces.extend(pieces)
        read = ledger.prefilled - begun.prefilled
        if traces.prompt is None:
            found = ledger.prefix_hits - begun.prefix_hits
            traces.prompt = round((read + found) / len(wanted))
        steps = [len(ids) - had for ids, had in zip(traces.ids, before, strict=True)]
        batches: dict[int, int] = {}
        held = 0
        for step in range(max(steps)):
            going = [row for row, count in enumerate(steps) if count > step]
            batches[len(going)] = batches.get(len(going), 0) + 1
            held += sum((traces.prompt or 0) + before[row] + step for row in going)
        return Sample(kind, len(wanted), batches, held, read, ledger.seconds - begun.seconds)

    def _probe(self, source: TokenSource, traces: _Traces, rows: Sequence[int]) -> Sample:
        ledger = self._engine.ledger
        seconds = ledger.seconds
        source.probe([(row, len(traces.ids[row])) for row in rows])
        held = sum(len(traces.ids[row]) for row in rows)
        suffix = self._engine.suffix_tokens
        return Sample("probe", len(rows), {}, held, suffix, ledger.seconds - seconds)


class _Traces:
    """Tokens of traces as they come."""

    def __init__(self, count: int, prompt: int | None = None) -> None:
        self.ids: list[list[int]] = [[] for _ in range(count)]
        self.ended = [False] * count
        self.prompt = prompt

    def extend(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            self.ids[piece.row] += piece.token_ids
            self.ended[piece.row] = self.ended[piece.row] or piece.finish_reason is not None


def fitted(samples: Sequence[Sample], sizes: Sequence[int], usual: Serving) -> Serving:
    """Fit a serving model to samples.

    Seconds are linear in the costs: a step's at each of `sizes`, linear between them, that of a
    token held, and that of a token read. Least squares without costs below 0, in which an
    interruption counts little (soft L1) and a sample the more the longer it took. Then come the
    steps of a probe, the median of what is left of theirs.

    Parameters
    ----------
    samples
        Measurements.
    sizes
        Batch sizes, ascending, for the points of `step_seconds`.
    usual
        Serving model with all else.
    """
    from scipy.optimize import least_squares, nnls

    timed = [sample for sample in samples if sample.kind != "probe"]
    shares = np.eye(len(sizes))
    rows = []
    for sample in timed:
        steps = np.zeros(len(sizes))
        for size, count in sample.batches.items():
            steps += count * np.array([np.interp(size, sizes, share) for share in shares])
        rows.append([*steps, sample.held, sample.read])
    work, seconds = np.array(rows), np.array([sample.seconds for sample in timed])
    seen = np.flatnonzero(work.any(axis=0))
    weights = 1 / np.sqrt(seconds * seconds.max())
    scales = np.abs(work[:, seen]).max(axis=0)
    scaled = work[:, seen] / scales * weights[:, None]
    start = np.maximum(nnls(scaled, seconds * weights)[0], 1e-12)

    def residuals(costs: Floats) -> Floats:
        left: Floats = scaled @ costs - seconds * weights
        return left

    found = least_squares(
        residuals,
        start,
        bounds=(0, np.inf),
        loss="soft_l1",
        f_scale=0.02,
        x_scale=np.maximum(start, start.max() * 1e-3),
    )
    costs = dict(zip(seen.tolist(), (found.x / scales).tolist(), strict=True))
    points = [(size, costs[place]) for place, size in enumerate(sizes) if place in costs]
    serving = replace(
        usual,
        step_seconds=tuple((size, max(cost, LEAST)) for size, cost in points),
        kv_seconds=costs.get(len(sizes), 0.0),
        prefill_seconds=costs.get(len(sizes) + 1, 0.0),
    )
    answers = []
    for sample in samples:
        if sample.kind == "probe":
            none, one = _probing(serving, sample, 0), _probing(serving, sample, 1)
            answers.append((sample.seconds - none) / (one - none))
    if answers:
        serving = replace(serving, probe_steps=max(1, round(float(np.median(answers)))))
    return serving


def _probing(serving: Serving, sample: Sample, steps: int) -> float:
    """Return the seconds of a model for a probe sample with so many steps."""
    return serving.duration(sample.traces, steps, held=sample.held, read=sample.read)
