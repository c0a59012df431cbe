"""Clustering with scores at hand: the clusters, requests and draws of `greedy_clusters`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pools import T, write_problem

import simulator.replay.clusters.greedy as at_hand
from simulator.errors import SamplerError
from simulator.policy.clustering import greedy_clusters
from simulator.policy.sampler import Sampler
from simulator.pools.pool import StoredProblem
from simulator.replay.clusters.greedy import GreedyRule, Requested, ScoreTable, cluster_at_hand
from simulator.replay.engine import Engine
from simulator.replay.judging import TokensRead
from simulator.replay.serving import Serving

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

KINDS = ("uniform", "decisions", "eighths", "tenths", "answers", "sure")


def made_up(traces: int, kind: str, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Make a symmetric table of scores, of which many may be equal."""
    uniform = rng.random((traces, traces))
    answers = np.minimum(rng.geometric(0.3, traces), 16)
    same = answers[:, None] == answers[None, :]
    scores = {
        "uniform": uniform,
        "decisions": uniform > 0.5,
        "eighths": np.round(8 * uniform) / 8,
        "tenths": np.round(10 * uniform) / 10,
        "answers": 1 / (1 + np.exp(-(2.0 * same - 1 + 4 * (uniform - 0.5)))),
        "sure": np.where(uniform < 0.1, ~same, same),
    }[kind].astype(np.float32)
    table: npt.NDArray[np.float32] = np.triu(scores, 1)
    table += table.T
    np.fill_diagonal(table, np.nan)
    return table


def as_table(scores: npt.NDArray[np.float32]) -> ScoreTable:
    return ScoreTable(scores, float(scores.min(where=scores > 0, initial=1)))


def by_requests(
    scores: npt.NDArray[np.float32], rows: Ints, rng: np.random.Generator, rule: GreedyRule
) -> tuple[list[int], list[list[tuple[int, int]]]]:
    """Cluster with a function that is asked; return the clusters and the pairs of each call."""
    calls = []

    def ask(pairs: Ints) -> Floats:
        if len(pairs):
            calls.append(sorted((int(a), int(b)) for a, b in pairs))
        said: Floats = scores[rows[pairs[:, 0]], rows[pairs[:, 1]]].astype(np.float64)
        return said

    labels = greedy_clusters(len(rows), ask, rng, **rule._asdict())
    return labels.tolist(), calls


def calls_of(found: Requested) -> list[list[tuple[int, int]]]:
    calls: dict[int, list[tuple[int, int]]] = {}
    for (trace, member), call in zip(found.pairs.tolist(), found.call.tolist(), strict=True):
        calls.setdefault(call, []).append((trace, member))
    return [sorted(calls[call]) for call in sorted(calls)]


WAYS = ["compiled", "numpy"]


@pytest.fixture(params=WAYS, autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test, with compiled clustering and without."""
    if request.param == "numpy":
        monkeypatch.setattr(at_hand, "_greedy", None)
    elif at_hand._greedy is None:
        pytest.skip("installed without a compiler")
    return str(request.param)


def compare(seed: int) -> None:
    """Compare clusters at hand with those by requests in a random case."""
    rng = np.random.default_rng(seed)
    stored = int(rng.integers(2, 61))
    scores = made_up(stored, KINDS[seed % len(KINDS)], rng)
    rows = rng.permutation(stored)[: int(rng.integers(1, stored + 1))]
    rule = GreedyRule(
        float(rng.choice([0, 0.25, 0.3, 0.49, 0.5, 0.5, 0.63, 0.75, 0.9, rng.random()])),
        int(rng.choice([1, 2, 4, 16, stored])),
        int(rng.choice([1, 2, 3, 7, 8, 12, 20, stored])),
        bool(rng.random() < 0.2),
    )
    one, other = (np.random.default_rng(seed + 1) for _ in range(2))
    found = cluster_at_hand(as_table(scores), rows, one, rule)
    clusters, calls = by_requests(scores, rows, other, rule)
    assert found is not None
    assert found.clusters.tolist() == clusters, seed
    assert calls_of(found) == calls, seed
    assert one.bit_generator.state == other.bit_generator.state, seed


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_clusters_calls_and_draws_are_those_of_requests(seed: int) -> None:
    compare(seed)


def test_blocks_of_traces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_hand, "MOST_DRAWN", 100)
    monkeypatch.setattr(at_hand, "STATES", 3)
    monkeypatch.setattr(at_hand, "KEPT_TRACES", 0)  # draws that are kept are of other blocks
    for seed in range(100):
        compare(seed)


def test_compiled_clustering_is_in_use(way: str) -> None:
    table, rule = as_table(made_up(30, "answers", np.random.default_rng(7))), GreedyRule(0.5, 16, 5)
    used, other = ("_Compiled", "_Placing")[:: 1 if way == "compiled" else -1]
    with (
        patch.object(at_hand, used, wraps=getattr(at_hand, used)) as made,
        patch.object(at_hand, other) as unused,
    ):
        assert cluster_at_hand(table, np.arange(30), np.random.default_rng(8), rule) is not None
    assert (made.call_count, unused.call_count) == (1, 0)


@pytest.mark.parametrize("hard", [False, True])
def test_512_traces_in_16_clusters(hard: bool) -> None:
    rng = np.random.default_rng(1)
    scores, rows, rule = made_up(512, "answers", rng), rng.permutation(512), (0.5, 16, 20, hard)
    one, other = (np.random.default_rng(2) for _ in range(2))
    found = cluster_at_hand(as_table(scores), rows, one, GreedyRule(*rule))
    assert found is not None
    assert (found.clusters.tolist(), calls_of(found)) == by_requests(
        scores, rows, other, GreedyRule(*rule)
    )


def test_a_missing_score_matters_only_if_it_is_requested() -> None:
    rule = GreedyRule(0.5, 16, 20)
    scores, rows = made_up(60, "answers", np.random.default_rng(3)), np.arange(60)
    found = cluster_at_hand(as_table(scores), rows, np.random.default_rng(4), rule)
    assert found is not None
    needed = np.full_like(scores, np.nan)
    one, other = found.pairs.T
    needed[one, other] = needed[other, one] = scores[one, other]
    assert np.isnan(needed).sum() > 200
    again = cluster_at_hand(as_table(needed), rows, np.random.default_rng(4), rule)
    assert again is not None
    assert again.clusters.tolist() == found.clusters.tolist()
    assert calls_of(again) == calls_of(found)
    rng = np.random.default_rng(4)
    for trace, member in (found.pairs[0], found.pairs[-1]):
        without = needed.copy()
        without[trace, member] = without[member, trace] = np.nan
        assert cluster_at_hand(as_table(without), rows, rng, rule) is None
    assert rng.bit_generator.state == np.random.default_rng(4).bit_generator.state


@pytest.mark.parametrize(
    ("rule", "least", "bits"),
    [
        (GreedyRule(1.0, 16, 20), 1.0, np.random.PCG64),  # nothing is requested
        (GreedyRule(float("nan"), 16, 20), 1.0, np.random.PCG64),
        (GreedyRule(0.5, 16, 20), 1e-8, np.random.PCG64),  # sums might be rounded
        (GreedyRule(0.5, 16, 0), 1.0, np.random.PCG64),
        (GreedyRule(0.5, 30_000, 30_000), 1.0, np.random.PCG64),
        (GreedyRule(0.5, 16, 20), 1.0, np.random.MT19937),
    ],
)
def test_what_is_left_to_requests(rule: GreedyRule, least: float, bits: type) -> None:
    table = ScoreTable(np.ones((200, 200), dtype=np.float32), least)
    assert cluster_at_hand(table, np.arange(200), np.random.Generator(bits(0)), rule) is None


class AtHand:
    """A judge with all scores in a table, which counts calls of `score`."""

    def __init__(self, scores: npt.NDArray[np.float32]) -> None:
        self.table: ScoreTable | None = as_table(scores)
        self.scores = scores
        self.rows: list[list[int]] = []
        self.calls = 0

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        self.calls += 1
        said: Floats = self.scores[pairs[:, 0], pairs[:, 1]].astype(np.float64)
        return said

    def at_hand(self, problem: StoredProblem, rows: Ints, num_tokens: Ints) -> ScoreTable | None:
        self.rows.append([*rows.tolist(), *num_tokens.tolist()])
        return self.table

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        calls = np.unique(call, return_counts=True)[1].tolist()
        return TokensRead(len(pairs), int((pairs[:, 0] * pairs[:, 1]).sum()), hash(tuple(calls)))


ORDER = np.random.default_rng(5).permutation(24)


def sampled(folder: Path, judge: AtHand) -> Sampler:
    problem = write_problem(folder, [T(10 + trace, "1") for trace in range(30)])
    sampler = Sampler(Engine(problem, ORDER, Serving(), judge), (0,))
    sampler.decode(sampler.start(24), tokens=5)
    return sampler


def clustered(sampler: Sampler, traces: int = 24) -> list[int]:
    found: Ints = greedy_clusters(
        traces, sampler.judge, sampler.rng, threshold=0.5, max_clusters=16, max_members=5
    )
    return [int(cluster) for cluster in found]


def costs(sampler: Sampler) -> Sequence[float]:
    return sampler.judge_calls, sampler.judge_tokens, sampler.rng.random()


def test_a_policy_that_clusters_by_its_judge_pays_what_it_would_have_asked(tmp_path: Path) -> None:
    judge = AtHand(made_up(30, "answers", np.random.default_rng(6)))
    one, other = sampled(tmp_path / "one", judge), sampled(tmp_path / "other", judge)
    clusters = clustered(one)
    assert judge.calls == 0
    assert judge.rows == [[*ORDER.tolist(), *[5] * 24]]
    judge.table = None
    assert clustered(other) == clusters
    assert judge.calls > 24
    assert costs(one)[0] == costs(other)[0] > 24
    assert one._engine.judge_tokens == other._engine.judge_tokens
    assert one.rng.random() == other.rng.random()


def test_pairs_paid_by_clustering_are_free_and_others_are_not(tmp_path: Path) -> None:
    judge = AtHand(made_up(30, "answers", np.random.default_rng(6)))
    sampler = sampled(tmp_path, judge)
    clustered(sampler)
    paid = sampler.judge_calls
    every = np.stack(np.triu_indices(24, 1), axis=1)
    scores = sampler.judge(every)
    assert scores.tolist() == judge.scores[ORDER[every[:, 0]], ORDER[every[:, 1]]].tolist()
    assert judge.calls == 1
    assert sampler.judge_calls == len(every)
    assert paid < len(every)
    sampler.decode(sampler.traces[:1], tokens=1)
    sampler.judge(every)
    assert sampler.judge_calls == len(every) + 23


def test_a_judge_asked_before_is_asked_pair_by_pair(tmp_path: Path) -> None:
    judge = AtHand(made_up(30, "answers", np.random.default_rng(6)))
    sampler = sampled(tmp_path, judge)
    sampler.judge([[0, 1]])
    clustered(sampler)
    assert judge.calls > 24
    assert judge.rows == []


def test_traces_that_are_not_started_are_refused(tmp_path: Path) -> None:
    judge = AtHand(made_up(30, "answers", np.random.default_rng(6)))
    with pytest.raises(SamplerError, match="not been started"):
        clustered(sampled(tmp_path, judge), traces=25)
