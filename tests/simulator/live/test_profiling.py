"""Profiles of engines whose seconds are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

from simulator.live.profiling import Profile, Sample, fitted, measured
from simulator.live.source import Ledger, Piece, ProbeReply, Sampling
from simulator.replay.serving import Serving

PROMPT, SUFFIX = 50, 6
STEP, EACH, HELD, READ = 0.05, 0.002, 1e-5, 0.001
"""Seconds of a step, of each trace in it, of each token that it holds, and of a token read."""


class Known:
    """An engine without a model: its seconds are as above, but for some that are disturbed."""

    signals: tuple[str, ...] = ()
    probe_signals: tuple[str, ...] = ()
    suffix_tokens = SUFFIX

    def __init__(self, *, keeps: bool = True, disturbed: float = 0.0) -> None:
        self.ledger = Ledger()
        self.sampling = Sampling(max_tokens=200)
        self.keeps, self.disturbed = keeps, disturbed
        self.rng = np.random.default_rng(3)

    @property
    def about(self) -> Mapping[str, str]:
        return {"name": "known"}

    def open(
        self, name: str, question: str, traces: Sequence[Sequence[int]], ended: Sequence[bool]
    ) -> KnownSource:
        return KnownSource(self, [len(ids) for ids in traces])

    def spend(self, seconds: float) -> None:
        if self.rng.random() < self.disturbed:
            seconds *= 4
        self.ledger.seconds += seconds


class KnownSource:
    def __init__(self, engine: Known, tokens: list[int]) -> None:
        self.engine, self.tokens = engine, tokens
        self.known = [0] * len(tokens)  # tokens of each, and of the prompt, in the cache
        self.prompt_known = False
        self.longest = [int(engine.rng.integers(60, 250)) for _ in tokens]

    def _read(self, rows: list[int]) -> int:
        read = 0
        for row in rows:
            if not self.engine.keeps:
                read += PROMPT + self.tokens[row]
                continue
            read += 0 if self.prompt_known else PROMPT
            self.engine.ledger.prefix_hits += PROMPT if self.prompt_known else 0
            self.prompt_known = True
            read += self.tokens[row] - self.known[row]
        self.engine.ledger.prefilled += read
        return read

    def generate(self, wanted: Mapping[int, int]) -> Iterator[Sequence[Piece]]:
        going = [row for row in wanted if self.tokens[row] < self.longest[row]]
        self.engine.spend(READ * self._read(going))
        seconds = 0.0
        while going:
            held = sum(PROMPT + self.tokens[row] for row in going)
            seconds += STEP + EACH * len(going) + HELD * held
            pieces = []
            for row in [*going]:
                self.tokens[row] += 1
                ends = self.tokens[row] >= min(self.longest[row], 200)
                pieces.append(Piece(row, [7], "x", [1], {}, "stop" if ends else None))
                self.known[row] = self.tokens[row]
                if ends or self.tokens[row] >= wanted[row]:
                    going.remove(row)
            yield pieces
        self.engine.spend(seconds)

    def probe(self, places: Sequence[tuple[int, int]]) -> Sequence[ProbeReply]:
        held = sum(PROMPT + tokens + SUFFIX for _, tokens in places)
        seconds = READ * SUFFIX * len(places)
        for _ in range(9):
            seconds += STEP + EACH * len(places) + HELD * held
            held += len(places)
        self.engine.spend(seconds)
        return [ProbeReply("")] * len(places)


@pytest.mark.parametrize("disturbed", [0.0, 0.1])
def test_costs_that_are_known_are_found(disturbed: float) -> None:
    told: list[tuple[int, int]] = []
    profile = measured(
        Known(disturbed=disturbed), ["a", "b"], 12, lambda done, of: told.append((done, of))
    )
    found = profile.serving
    assert [size for size, _ in found.step_seconds] == [1, 2, 4, 8, 12]
    for size, seconds in found.step_seconds:
        assert seconds == pytest.approx(STEP + EACH * size, rel=0.03)
    assert found.kv_seconds == pytest.approx(HELD, rel=0.1)
    assert found.prefill_seconds == pytest.approx(READ, rel=0.03)
    assert (found.prompt_tokens, found.prefix_cache, found.concurrency) == (PROMPT, True, 12)
    assert found.probe_steps == 9
    errors = np.abs([profile.error(sample) for sample in profile.samples])
    assert np.median(errors) < 0.02
    assert told[0] == (0, 10)
    assert told[-1] == (10, 10)


def test_an_engine_that_keeps_nothing_is_told_by_what_it_reads() -> None:
    found = measured(Known(keeps=False), ["a"], 4, lambda *_: None).serving
    assert not found.prefix_cache
    assert found.prompt_tokens == PROMPT
    assert found.prefill_seconds == pytest.approx(READ, rel=0.03)


def test_a_fit_by_hand() -> None:
    # 10 steps of one trace take 1 s, and 10 of two 1.4 s, with nothing held; 100 tokens read 0.5 s.
    samples = [
        Sample("decode", 1, {1: 10}, 0, 0, 1.0),
        Sample("decode", 2, {2: 10}, 0, 0, 1.4),
        Sample("read", 1, {1: 1}, 0, 100, 0.6),
        Sample("probe", 2, {}, 0, 10, 0.1 + 7 * 0.14),
    ]
    serving = fitted(samples, [1, 2], Serving(2))
    assert dict(serving.step_seconds) == pytest.approx({1: 0.1, 2: 0.14})
    assert serving.prefill_seconds == pytest.approx(0.005)
    assert (serving.kv_seconds, serving.probe_steps) == (0, 7)
    profile = Profile(samples, serving)
    assert [profile.error(sample) for sample in samples] == pytest.approx([0] * 4, abs=1e-4)
