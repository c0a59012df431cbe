"""The oracle has the AUROC asked for, says probabilities, and depends on nothing but the pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, write_problem
from scipy.special import logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from judges.kinds.oracle import OracleJudge, mixed, same_answer
from judges.protocol import Floats, all_pairs
from simulator.errors import UserError
from simulator.pools.pool import StoredProblem


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> StoredProblem:
    """400 traces, 60% with one answer, the others with five: 79,800 pairs."""
    answers = [str(n % 10 if n % 10 < 5 else 0) for n in range(400)]
    return write_problem(tmp_path_factory.mktemp("oracle"), [T(9, answer) for answer in answers])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> StoredProblem:
    answers = ["1", "2", None, "1", None, "2"]
    return write_problem(tmp_path_factory.mktemp("small"), [T(9, answer) for answer in answers])


D_IS_ONE = 0.7602499389065233
"""Φ(1/√2): the AUROC at which the two kinds of pairs are one standard deviation apart, d = 1."""


def seen(judge: OracleJudge, problem: StoredProblem) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Labels of all pairs, and the x that the judge had of each, where d = 1."""
    pairs = all_pairs(len(problem.lengths))
    scores = judge.score_stored(problem, pairs)
    return same_answer(problem, pairs), logit(scores) - logit(judge.same_share)


def test_a_trace_that_has_not_ended_has_no_answer_to_know(small: StoredProblem) -> None:
    open_problem = replace(small, ended=np.array([True] * 5 + [False]))
    assert same_answer(open_problem, np.array([[0, 3]])).tolist() == [True]
    with pytest.raises(UserError, match="unfinished"):
        same_answer(open_problem, np.array([[0, 3], [1, 5]]))


def auroc(judge: OracleJudge, problem: StoredProblem) -> float:
    pairs = all_pairs(len(problem.lengths))
    return float(roc_auc_score(same_answer(problem, pairs), judge.score_stored(problem, pairs)))


@pytest.mark.parametrize("asked", [0.5, 0.6, 0.8701, 0.99])
def test_pairs_are_told_apart_as_well_as_asked(problem: StoredProblem, asked: float) -> None:
    # With independent noise the standard error is below 1 / sqrt(12 * 30,000) = 0.0017 (Hanley and
    # McNeil's bound for the smaller class); four of them.
    assert auroc(OracleJudge(asked, trace_share=0.0), problem) == pytest.approx(asked, abs=0.007)


@pytest.mark.parametrize("asked", [0.6, 0.8701])
def test_noise_of_traces_keeps_the_auroc_on_average(problem: StoredProblem, asked: float) -> None:
    measured = [auroc(OracleJudge(asked, seed=seed), problem) for seed in range(12)]
    error = np.std(measured, ddof=1) / len(measured) ** 0.5
    assert error < 0.005
    assert np.mean(measured) == pytest.approx(asked, abs=0.003 + 4 * error)


def test_both_kinds_of_pairs_are_normal_and_d_apart(problem: StoredProblem) -> None:
    same, x = seen(OracleJudge(D_IS_ONE, trace_share=0.0), problem)
    for kind, mean in ((same, 0.5), (~same, -0.5)):
        # The standard error of 30,000 numbers of deviation 1 is 0.006; four of them.
        assert x[kind].mean() == pytest.approx(mean, abs=0.024)
        assert x[kind].std() == pytest.approx(1, abs=0.024)


def test_one_half_of_the_noise_belongs_to_the_traces(problem: StoredProblem) -> None:
    pairs = all_pairs(400)
    same, x = seen(OracleJudge(D_IS_ONE), problem)
    noise = x - np.where(same, 0.5, -0.5)
    assert noise.mean() == pytest.approx(0, abs=0.15)
    assert noise.std() == pytest.approx(1, abs=0.05)
    table = np.zeros((400, 400))
    table[pairs[:, 0], pairs[:, 1]] = noise
    table += table.T
    # Var(mean over a trace's 399 pairs) = share/2 (1 + 1/399) + (1 - share)/399, and share = 1/2.
    assert (table.sum(axis=1) / 399).var() == pytest.approx(0.252, abs=0.07)


def test_a_score_is_the_posterior_of_bayes_rule(small: StoredProblem) -> None:
    pairs = all_pairs(6)
    _, x = seen(
        OracleJudge(D_IS_ONE, same_share=0.5), small
    )  # sigmoid(x): where both are as likely
    densities = norm.pdf(x, 0.5, 1), norm.pdf(x, -0.5, 1)
    posterior = 0.8 * densities[0] / (0.8 * densities[0] + 0.2 * densities[1])
    assert OracleJudge(D_IS_ONE).score_stored(small, pairs) == pytest.approx(posterior)


def test_who_cannot_tell_says_the_share_of_every_pair(small: StoredProblem) -> None:
    pairs = all_pairs(6)
    assert OracleJudge(0.5).score_stored(small, pairs) == pytest.approx([0.8] * 15)
    assert OracleJudge(0.5, same_share=0.3).score_stored(small, pairs) == pytest.approx([0.3] * 15)


@pytest.mark.parametrize("asked", [0.6, 0.8701])
@pytest.mark.parametrize(("trace_share", "error"), [(0.0, 0.01), (0.5, 0.04)])
def test_of_pairs_with_a_score_that_share_is_the_same(
    problem: StoredProblem, asked: float, trace_share: float, error: float
) -> None:
    # Where the share of same-answer pairs is the one that the judge was trained on.
    pairs = all_pairs(400)
    labels = same_answer(problem, pairs)
    share = float(labels.mean())
    assert 0.35 < share < 0.45
    scores, seeds = [], 12
    for seed in range(seeds):
        judge = OracleJudge(asked, same_share=share, trace_share=trace_share, seed=seed)
        scores.append(judge.score_stored(problem, pairs))
    score, same = np.concatenate(scores), np.tile(labels, seeds)
    bins = np.floor(10 * score).astype(int)
    told = [chosen for chosen in (bins == each for each in range(10)) if chosen.sum() > 5_000]
    assert len(told) >= 4
    for chosen in told:
        assert same[chosen].mean() == pytest.approx(score[chosen].mean(), abs=error)


def test_a_perfect_oracle_gives_the_labels(small: StoredProblem) -> None:
    pairs = all_pairs(6)
    scores = OracleJudge().score_stored(small, pairs)
    same = {tuple(pair) for pair, score in zip(pairs.tolist(), scores, strict=True) if score == 1}
    assert same == {(0, 3), (1, 5)}  # traces 2 and 4 have no answer, so not the same one
    assert set(scores.tolist()) == {0.0, 1.0}


@settings(max_examples=50)
@given(st.lists(st.integers(0, 14), min_size=1), st.integers(0, 3))
def test_a_score_depends_on_its_pair_alone(
    small: StoredProblem, chosen: list[int], seed: int
) -> None:
    pairs, judge = all_pairs(6), OracleJudge(0.7, seed=seed)
    whole = judge.score_stored(small, pairs)
    assert judge.score_stored(small, pairs[chosen]).tolist() == whole[chosen].tolist()
    assert len(set(whole.tolist())) == 15
    assert ((whole > 0) & (whole < 1)).all()


def test_seeds_and_problems_have_noise_of_their_own(small: StoredProblem, tmp_path: Path) -> None:
    pairs = all_pairs(6)
    first = OracleJudge(0.7).score_stored(small, pairs)
    assert not np.isclose(first, OracleJudge(0.7, seed=1).score_stored(small, pairs)).any()
    again = write_problem(tmp_path, [T(9, answer) for answer in ["1", "2", None, "1", None, "2"]])
    assert OracleJudge(0.7).score_stored(again, pairs).tolist() == first.tolist()
    again.problem_id = "q"
    assert not np.isclose(first, OracleJudge(0.7).score_stored(again, pairs)).any()


def test_the_hash_is_splitmix64() -> None:
    # Published first outputs of SplitMix64 seeded with 1234567; its state goes up by the constant.
    step, start = 0x9E3779B97F4A7C15, 1234567
    states = np.array([(start + n * step) % 2**64 for n in range(3)], dtype=np.uint64)
    assert mixed(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]
