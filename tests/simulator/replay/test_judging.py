"""Judging from a policy: allowed pairs, scores, and cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pools import T, write_problem

from simulator.errors import SamplerError, UserError
from simulator.policy.sampler import Sampler
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.replay.engine import Engine
from simulator.replay.judging import TokensRead
from simulator.replay.recording import GradedAnswer, Recorder
from simulator.replay.serving import Serving

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TRACES = [T(10, "1"), T(20, "2"), T(30, "1"), T(40, "3")]
ORDER = [2, 0, 3, 1]  # stored rows in the order of the repeat


class Recording:
    """Says the rows in tenths plus the tokens in thousandths, and notes what it is asked."""

    def __init__(self, factor: float = 1.0) -> None:
        self.asked: list[tuple[list[list[int]], list[list[int]]]] = []
        self._factor = factor

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        self.asked.append((pairs.tolist(), num_tokens.tolist()))
        scores: Floats = self._factor * (pairs.sum(axis=1) / 10 + num_tokens.sum(axis=1) / 1000)
        return scores

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        read, calls = len(pairs), len(np.unique(call))
        return TokensRead(100 * read, 60 * read, 80 * read - 10 * calls)


def judged(tmp_path: Path, judge: Recording | None, start: int = 4) -> Sampler:
    """Make a sampler with `judge`, in which each started trace has 5 tokens."""
    engine = Engine(write_problem(tmp_path, TRACES), np.array(ORDER), Serving(), judge)
    sampler = Sampler(engine, (0, 0, 0))
    sampler.decode(sampler.start(start), tokens=5)
    return sampler


def test_the_judge_is_given_stored_rows_and_what_each_has_generated(tmp_path: Path) -> None:
    judge = Recording()
    sampler = judged(tmp_path, judge)
    sampler.decode(sampler.traces[:1], tokens=2)
    scores = sampler.judge([[0, 1], [2, 3]])
    assert judge.asked == [([[2, 0], [3, 1]], [[7, 5], [5, 5]])]
    assert scores == pytest.approx([0.2 + 0.012, 0.4 + 0.010])


def test_a_pair_is_charged_once_in_whichever_order_and_call(tmp_path: Path) -> None:
    judge = Recording()
    sampler = judged(tmp_path, judge)
    first = sampler.judge([[0, 1], [1, 0], [0, 1]])
    assert first[0] == first[1] == first[2]
    assert (sampler.judge_calls, sampler.judge_tokens) == (1, 70)
    again = sampler.judge([[1, 0], [1, 2]])
    assert again[0] == first[0]
    assert (sampler.judge_calls, sampler.judge_tokens) == (2, 2 * 80 - 2 * 10)
    assert [pairs for pairs, _ in judge.asked] == [[[2, 0]], [[0, 3]]]


def test_a_longer_prefix_is_another_question_for_its_pairs_alone(tmp_path: Path) -> None:
    judge = Recording()
    sampler = judged(tmp_path, judge)
    sampler.judge([[0, 1], [2, 3]])
    sampler.decode(sampler.traces[1:2], tokens=1)
    sampler.judge([[0, 1], [2, 3]])
    assert judge.asked[1] == ([[2, 0]], [[5, 6]])
    assert sampler.judge_calls == 3


def test_asking_costs_no_tokens_of_the_model_and_no_time(tmp_path: Path) -> None:
    sampler = judged(tmp_path, Recording())
    sampler.judge([[0, 1]])
    assert (sampler.tokens, sampler.clock) == (20, 5)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[0, 0]], "paired with itself"),
        ([[0, 2]], "not been started"),
        ([[-1, 0]], "not been started"),
        ([0, 1], r"shape \(n, 2\)"),
        ([[0.0, 1.0]], r"shape \(n, 2\)"),
        ([[True, False]], r"shape \(n, 2\)"),
    ],
)
def test_what_is_no_pair_of_started_traces_is_refused(
    tmp_path: Path, pairs: object, message: str
) -> None:
    sampler = judged(tmp_path, Recording(), start=2)
    with pytest.raises(SamplerError, match=message):
        sampler.judge(np.asarray(pairs))
    assert sampler.judge_calls == 0


def test_without_a_judge_the_error_says_how_to_ask_for_one(tmp_path: Path) -> None:
    with pytest.raises(SamplerError, match=r'requires = \{"judge"\}'):
        judged(tmp_path, None).judge([[0, 1]])


@pytest.mark.parametrize("factor", [10.0, -1.0, np.nan])
def test_a_score_that_is_no_probability_is_the_judges_fault(tmp_path: Path, factor: float) -> None:
    with pytest.raises(UserError, match="fault of the judge"):
        judged(tmp_path, Recording(factor)).judge([[0, 1]])


def test_a_recorded_repeat_keeps_what_the_judge_cost_and_not_its_scores(tmp_path: Path) -> None:
    engine = Engine(write_problem(tmp_path, TRACES), np.array(ORDER), Serving(), Recording())
    sampler = Sampler(engine, (0, 0, 0))
    sampler.start(2)
    sampler.judge([[0, 1]])
    judging = engine.judging
    assert judging is not None
    assert "_said" in vars(judging)
    recorder = Recorder(engine.problem)
    recorder.add(0, engine, GradedAnswer(None, NO_ANSWER, False))
    assert "_said" not in vars(judging)
    (row,) = recorder.tables().answers.to_pylist()
    names = ("judge_calls", "judge_tokens", "judge_tokens_reused", "judge_tokens_charged")
    assert [row[name] for name in names] == [1, 100, 60, 70]


def test_no_pairs_give_no_scores(tmp_path: Path) -> None:
    assert len(judged(tmp_path, Recording()).judge(np.empty((0, 2), dtype=int))) == 0


def test_an_answered_problem_is_closed_to_the_judge_too(tmp_path: Path) -> None:
    engine = Engine(write_problem(tmp_path, TRACES), np.array(ORDER), Serving(), Recording())
    sampler = Sampler(engine, (0, 0, 0))
    sampler.start(2)
    engine.answered = True
    for act in (lambda: sampler.judge([[0, 1]]), lambda: sampler.declare_clusters([0, 0])):
        with pytest.raises(SamplerError, match="answered"):
            act()


@pytest.mark.parametrize("clusters", [[0], [0, 0, 0], [0.0, 1.0], [[0, 1]]])
def test_clusters_are_one_whole_number_for_each_started_trace(
    tmp_path: Path, clusters: object
) -> None:
    sampler = judged(tmp_path, None, start=2)
    with pytest.raises(SamplerError, match="declare_clusters"):
        sampler.declare_clusters(np.asarray(clusters))
