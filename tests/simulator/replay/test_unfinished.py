"""Pools with unfinished traces: a replay is that of the whole traces, or is refused."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import BUDGET, WORDS, at_the_end, chosen, programs, recorded, servings, step

from simulator.arrays import Ints
from simulator.conformance.checks import MadeUpJudge
from simulator.errors import SamplerError, UserError
from simulator.isolation import host
from simulator.policy.sampler import Sampler
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool, PoolInfo, StoredProblem
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter, group_answers
from simulator.replay.engine import Engine
from simulator.replay.recording import OF_ENDS
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
from simulator.rules.stop_rules import ProbesAgree
from simulator.signals import UNASKED

INTERVAL = 4


class Drawn:
    """Whole traces drawn at random, and how much of each was generated."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.whole = [self._trace(row) for row in range(BUDGET)]
        self.cut = [self._cut(trace) for trace in self.whole]

    def _trace(self, row: int) -> TraceRecord:
        rng = self.rng
        length = int(rng.integers(1, 40))
        words = rng.choice(WORDS, length).tolist()
        probed = np.arange(INTERVAL, length, INTERVAL)
        answers = ["1", "2", "3", None]
        return TraceRecord(
            row,
            length,
            answers[int(rng.integers(4))],
            finish_reason="stop",
            text="".join(words),
            token_ends=np.cumsum([len(word) for word in words]),
            token_signals={"confidence": rng.integers(0, 4000, length) / 1000},
            probe_positions=probed,
            probe_answers=[answers[each] for each in rng.integers(0, 4, len(probed))],
        )

    def _cut(self, trace: TraceRecord) -> TraceRecord:
        rng, length = self.rng, trace.num_tokens
        assert trace.text is not None
        assert trace.token_ends is not None
        assert trace.probe_positions is not None
        assert trace.probe_answers is not None
        tokens = int(rng.integers(0, length)) if rng.random() < 0.5 else length
        ends = trace.token_ends[:tokens]
        probes = int((trace.probe_positions <= tokens).sum())
        return TraceRecord(
            trace.trace_id,
            tokens,
            trace.answer if tokens == length else None,
            finish_reason="stop",
            text=trace.text[: int(ends[-1]) if tokens else 0],
            token_ends=ends,
            token_signals={"confidence": trace.token_signals["confidence"][:tokens]},
            probe_positions=trace.probe_positions[:probes],
            probe_answers=trace.probe_answers[:probes],
            asked=rng.random(probes) < 0.8,
            unfinished=tokens < length,
        )


def stored(cache: Path, traces: Sequence[TraceRecord], classes_of: Sequence[TraceRecord]) -> Pool:
    """Write a pool whose answer classes are those of other traces."""
    info = PoolInfo("test", "model", cache.name, "test", "1", "exact")
    record = ProblemRecord("p", "?", "2", "text", [*traces])
    record.grouped = group_answers(
        info, ProblemRecord("p", "?", "2", "text", [*classes_of]), classes_of, []
    )
    with PoolWriter(cache, info) as writer:
        writer.add(record)
    return Pool(writer.path)


def goes_past(engine: Engine, operation: tuple[Any, ...], cut: StoredProblem) -> bool:
    """Check whether an operation, done on whole traces, shows what was not generated."""
    name, *arguments = operation
    if name not in ("decode", "probe"):
        return False
    index = chosen(Sampler(engine, [1]), arguments[0]).ids
    rows, tokens = engine.order[index], engine.num_tokens[index]
    if name == "decode":
        until = arguments[2]
        reads = until is not None and "probes" in until.requires
        past = (tokens > cut.available[rows]).any()
        return bool(past or (reads and _first_unasked(cut, rows, tokens)))
    going = ~engine.finished[index]
    probes = cut.probes
    answers = probes.table[rows, probes.columns(rows, tokens)]
    return bool((answers[going] == UNASKED).any())


def _first_unasked(cut: StoredProblem, rows: Ints, tokens: Ints) -> bool:
    for row, most in zip(rows.tolist(), tokens.tolist(), strict=True):
        here = slice(int(cut.probes.offsets[row]), int(cut.probes.offsets[row + 1]))
        reached = cut.probes.positions[here] <= most
        if (cut.probes.answers[here][reached] == UNASKED).any():
            return True
    return False


@settings(max_examples=300)
@given(programs, servings, st.integers(0, 2**32))
def test_what_was_generated_is_replayed_as_the_whole_and_the_rest_refused(
    program: list[tuple[Any, ...]], serving: Serving, seed: int
) -> None:
    drawn = Drawn(seed)
    order = drawn.rng.permutation(BUDGET)
    with tempfile.TemporaryDirectory() as folder:
        whole_pool = stored(Path(folder) / "whole", drawn.whole, drawn.whole)
        cut_pool = stored(Path(folder) / "cut", drawn.cut, drawn.whole)
        assert check_pool(cut_pool.path) == []
        whole = Engine(whole_pool.problems[0], order, serving)
        cut = Engine(cut_pool.problems[0], order, serving)
        one, other = Sampler(whole, [1]), Sampler(cut, [1])
        for operation in program:
            before = whole.num_tokens.copy()
            seen = step(one, operation)
            refused = len(seen) == 1 and isinstance(seen[0], str)  # the program's own mistake
            if not refused and goes_past(whole, operation, cut.problem):
                with pytest.raises(UserError, match="run the policy live first"):
                    step(other, operation)
                assert cut.num_tokens.tolist() == before.tolist()
                return
            assert step(other, operation) == seen
        assert at_the_end(other) == at_the_end(one)
        (mine, answer), (theirs, whole_answer) = recorded(cut), recorded(whole)
        assert mine.drop_columns(["pool"]).to_pylist() == theirs.drop_columns(["pool"]).to_pylist()
        if cut_pool.info.unfinished:
            whole_answer = whole_answer.drop_columns([*OF_ENDS])
        kept = whole_answer.column_names[1:]
        assert answer.select(kept).to_pylist() == whole_answer.select(kept).to_pylist()
        assert answer.column_names == whole_answer.column_names


SWALLOWS = '''
from deepprune_sim import Policy


class Swallows(Policy):
    """Go past what was generated, and take no notice."""

    def solve(self, problem, sampler):
        traces = sampler.start(2)
        sampler.decode(traces, tokens=2)
        try:
            sampler.decode(traces)
        except Exception:
            pass
        return None
'''


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Three traces: whole with 2 tokens, cut after 3, not begun; probed at 1 token, not at 2."""

    def trace(row: int, tokens: int, answer: str | None, **about: Any) -> TraceRecord:
        return TraceRecord(
            row,
            tokens,
            answer,
            text="abc"[:tokens],
            token_ends=np.arange(1, tokens + 1),
            token_signals={},
            **about,
        )

    one, two = np.array([1]), np.array([1, 2])
    traces = [
        trace(0, 2, "1", probe_positions=one, probe_answers=["2"], finish_reason="unfinished"),
        trace(
            1,
            3,
            None,
            probe_positions=two,
            probe_answers=["1", None],
            asked=np.array([True, False]),
            unfinished=True,
        ),
        trace(2, 0, None, probe_positions=one[:0], probe_answers=[], unfinished=True),
    ]
    with PoolWriter(tmp_path, PoolInfo("test", "model", "cut", "test", "1", "exact")) as writer:
        writer.add(ProblemRecord("p", "?", "1", "math", traces))
    return Pool(writer.path)


def begun(pool: Pool, serving: Serving | None = None) -> Sampler:
    engine = Engine(pool.problems[0], np.arange(3), serving or Serving(), MadeUpJudge())
    sampler = Sampler(engine, [1])
    sampler.start(3)
    return sampler


def test_an_unfinished_trace_is_one_token_longer_than_generated(pool: Pool) -> None:
    (problem,) = pool.problems
    assert problem.lengths.tolist() == [2, 4, 1]
    assert problem.available.tolist() == [2, 3, 0]
    assert problem.ended.tolist() == [True, False, False]
    assert problem.answer_class.tolist() == [0, -1, -1]
    assert (pool.info.tokens, pool.info.unfinished, pool.info.unasked) == (5, 2, 1)
    assert not problem.whole


def test_a_sources_own_word_is_no_mark(pool: Pool) -> None:
    assert [row["finish_reason"] for row in pool.trace_rows(pool.problems[0])] == [
        *("unfinished, ended", "unfinished", "unfinished")
    ]


def test_a_decode_up_to_the_last_token_is_replayed_and_one_more_is_refused(pool: Pool) -> None:
    sampler = begun(pool)
    two = sampler.traces[:2]
    assert sampler.decode(two, tokens=3).ids.tolist() == [0]
    assert two.num_tokens.tolist() == [2, 3]
    assert list(two.text) == ["ab", "abc"]
    with pytest.raises(UserError) as refused:
        sampler.decode(two, tokens=1)
    assert str(refused.value) == (
        "pool test/model/cut, problem p: trace 1 was generated up to 3 tokens, and this goes "
        "past; run the policy live first, and finish the recording again"
    )
    assert two.num_tokens.tolist() == [2, 3]


@pytest.mark.parametrize("serving", [Serving(), Serving(2), Serving(3, ((1, 0.5),))])
def test_a_race_that_ends_in_time_is_replayed(pool: Pool, serving: Serving) -> None:
    sampler = begun(pool, serving)
    two = sampler.traces[:2]
    assert sampler.decode(two, first=1).ids.tolist() == [0]
    assert two.num_tokens.tolist() == [2, 2]
    with pytest.raises(UserError, match="trace 1 was generated up to 3 tokens"):
        sampler.decode(two, first=2)


def test_a_trace_that_has_not_begun_can_be_started_but_not_decoded(pool: Pool) -> None:
    sampler = begun(pool)
    with pytest.raises(UserError, match="trace 2 was generated up to 0 tokens"):
        sampler.decode(sampler.traces[2:], tokens=1)


def test_a_probe_that_was_not_asked_is_refused(pool: Pool) -> None:
    sampler = begun(pool)
    two = sampler.traces[:2]
    sampler.decode(two, tokens=1)
    assert sampler.probe(two).tolist() == [1, 0]
    sampler.decode(two, tokens=1)
    with pytest.raises(UserError, match="trace 1 was not probed at 2 tokens, and this reads"):
        sampler.probe(two)
    fresh = begun(pool)
    assert fresh.decode(fresh.traces[:2], 1, until=ProbesAgree(2)).ids.tolist() == []
    with pytest.raises(UserError, match="trace 1 was not probed at 2 tokens"):
        fresh.decode(fresh.traces[:2], 1, until=ProbesAgree(2))


def test_a_judge_reads_what_was_generated(pool: Pool) -> None:
    sampler = begun(pool)
    sampler.decode(sampler.traces[:2], tokens=2)
    assert len(sampler.judge(np.array([[0, 1]]))) == 1


def test_hindsight_is_refused(pool: Pool) -> None:
    with pytest.raises(SamplerError, match="the oracle can only replay traces that have all"):
        Engine(pool.problems[0], np.arange(1), Serving()).hindsight()


@pytest.mark.parametrize("in_process", [True, False])
def test_a_policy_that_takes_no_notice_is_refused(
    pool: Pool, tmp_path: Path, in_process: bool
) -> None:
    file = tmp_path / "swallows.py"
    file.write_text(SWALLOWS, encoding="utf-8")
    loaded = host.load(str(file), {}, in_process=in_process)
    with pytest.raises(UserError, match="trace 1 was generated up to 3 tokens"):
        replay(
            loaded,
            pool.problems[0],
            budget=3,
            repeats=[0],
            seed=0,
            serving=Serving(),
            order="stored",
        )
