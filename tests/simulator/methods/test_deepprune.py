"""DeepPrune: each rule and edge of the method, on traces and judges worked out by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, write_problem

from simulator.errors import PolicyError, SamplerError, UserError
from simulator.loading import load_policy
from simulator.policy.base import Problem
from simulator.policy.random_numbers import generator
from simulator.policy.sampler import Sampler
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.replay.engine import Engine
from simulator.replay.judging import TokensRead
from simulator.replay.serving import Serving

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Scores:
    """A judge that reads scores from a table by row; symmetric, as a judge's scores are."""

    def __init__(self, scores: npt.ArrayLike) -> None:
        table = np.asarray(scores, dtype=np.float64)
        self.table = np.maximum(table, table.T)

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        scores: Floats = self.table[pairs[:, 0], pairs[:, 1]]
        return scores

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        read = len(pairs)
        return TokensRead(read, read, read)


def groups(letters: str) -> Scores:
    """Make a judge for which traces with the same letter agree, whatever they answer."""
    array = np.array(list(letters))
    return Scores(array[:, None] == array[None, :])


@dataclass
class Outcome:
    answer: str | None
    num_tokens: list[int]
    clusters: list[int] | None
    judge_calls: int


def solve(
    folder: Path, judge: Scores | None, traces: Sequence[T], seed: int = 0, **parameters: object
) -> Outcome:
    """Run deepprune on these traces in their stored order."""
    problem = write_problem(folder, traces)
    loaded = load_policy("deepprune", {name: str(value) for name, value in parameters.items()})
    engine = Engine(problem, np.arange(len(traces)), Serving(), judge)
    sampler = Sampler(engine, (seed,))
    answer = loaded.policy.solve(Problem("opaque", None, "math"), sampler)
    assert answer is None or isinstance(answer, np.int32)
    return Outcome(
        None if answer is None or answer < 0 else problem.class_texts[int(answer)],
        engine.num_tokens.tolist(),
        None if engine.clusters is None else engine.clusters.tolist(),
        sampler.judge_calls,
    )


def long(*answers: str | None, tokens: int = 1000) -> list[T]:
    return [T(tokens, answer) for answer in answers]


def test_the_largest_cluster_is_finished_and_votes_the_rest_keep_their_prefixes(
    tmp_path: Path,
) -> None:
    # The three x outvote the two y, though most of the traces would have said 2.
    outcome = solve(tmp_path, groups("xyxyxz"), long("1", "2", "1", "2", "3", "2"))
    assert outcome.clusters == [0, 1, 0, 1, 0, 2]
    assert outcome.num_tokens == [1000, 500, 1000, 500, 1000, 500]
    assert outcome.answer == "1"


def test_of_clusters_of_one_size_the_first_opened_is_finished(tmp_path: Path) -> None:
    outcome = solve(tmp_path, groups("xyyx"), long("1", "2", "2", "1"))
    assert (outcome.answer, outcome.num_tokens) == ("1", [1000, 500, 500, 1000])


def test_at_most_k2_of_the_largest_cluster_are_finished_the_first_in_order(tmp_path: Path) -> None:
    outcome = solve(tmp_path, groups("xxxxy"), long("2", "2", "1", "1", "1"), K2=3)
    assert outcome.num_tokens == [1000, 1000, 1000, 500, 500]
    assert outcome.answer == "2"


def test_the_most_confident_of_the_cluster_are_finished_and_weigh_the_votes(tmp_path: Path) -> None:
    # By their prefixes, all x but the first are finished. Whole traces have 12, 3 and 4 on average,
    # so that one vote for "2" outweighs two for "1".
    means = [(1.0, 50.0), (4.0, 20.0), (2.0, 4.0), (3.0, 5.0), (9.0, 9.0)]
    traces = [
        T(1000, answer, confidence=[begin] * 500 + [end] * 500)
        for answer, (begin, end) in zip("12113", means, strict=True)
    ]
    outcome = solve(tmp_path, groups("xxxxy"), traces, K2=3, confident=True)
    assert outcome.num_tokens == [500, 1000, 1000, 1000, 500]
    assert outcome.answer == "2"
    plain = solve(tmp_path / "plain", groups("xxxxy"), traces, K2=3)
    assert plain.num_tokens == [1000, 1000, 1000, 500, 500]
    assert plain.answer == "1"


def test_a_cluster_smaller_than_k2_is_finished_whole(tmp_path: Path) -> None:
    outcome = solve(tmp_path, groups("xyx"), long("1", "2", "1"), K2=20)
    assert outcome.num_tokens == [1000, 500, 1000]


def test_when_all_stand_alone_k3_of_all_are_drawn(tmp_path: Path) -> None:
    # K is reached after four traces: those that were never placed are drawn, too.
    finished = Counter[int]()
    for seed in range(60):
        outcome = solve(
            tmp_path / str(seed), groups("abcdefgh"), long(*"12345678"), seed, K=4, K3=2
        )
        assert outcome.clusters == [0, 1, 2, 3, -1, -1, -1, -1]
        assert sorted(outcome.num_tokens) == [500] * 6 + [1000] * 2
        finished.update(np.flatnonzero(np.array(outcome.num_tokens) == 1000).tolist())
    assert len(finished) == 8


def test_fewer_traces_than_k3_are_all_finished(tmp_path: Path) -> None:
    outcome = solve(tmp_path, groups("abc"), long("2", "2", "1"))
    assert (outcome.answer, outcome.num_tokens) == ("2", [1000] * 3)


def test_one_trace_is_finished_and_asks_nobody(tmp_path: Path) -> None:
    assert solve(tmp_path, groups("a"), long("1")) == Outcome("1", [1000], [0], 0)


def test_what_is_left_over_when_k_clusters_exist_stays_stopped(tmp_path: Path) -> None:
    # z would be a third cluster; the x after it would have joined the first.
    outcome = solve(tmp_path, groups("xyxzxx"), long(*"121311"), K=2)
    assert outcome.clusters == [0, 1, 0, -1, -1, -1]
    assert outcome.num_tokens == [1000, 500, 1000, 500, 500, 500]


def test_k1_members_at_most_are_asked(tmp_path: Path) -> None:
    undecided = Scores(np.full((6, 6), 0.51))
    assert solve(tmp_path, undecided, long(*"111111"), K1=2).judge_calls == 1 + 2 * 4


def test_soft_scores_are_averaged_hard_ones_counted(tmp_path: Path) -> None:
    # 2 against {0, 1}: scores 0.6 and 0.3 have mean 0.45; as decisions 1 and 0 they have 0.5.
    scores = np.zeros((3, 3))
    scores[0, 1], scores[0, 2], scores[1, 2] = 0.9, 0.6, 0.3
    judge = Scores(scores)
    assert solve(tmp_path / "a", judge, long(*"111"), tau=0.4).clusters == [0, 0, 0]
    assert solve(tmp_path / "b", judge, long(*"111"), tau=0.46).clusters == [0, 0, 1]
    assert solve(tmp_path / "c", judge, long(*"111"), tau=0.46, hard=True).clusters == [0, 0, 0]


def test_a_score_of_one_half_is_no_decision_for_the_same(tmp_path: Path) -> None:
    half = Scores(np.full((2, 2), 0.5))
    assert solve(tmp_path, half, long(*"11"), tau=0.2, hard=True).clusters == [0, 1]


def test_traces_that_end_before_the_cut_are_clustered_and_cost_what_they_are(
    tmp_path: Path,
) -> None:
    traces = [T(100, "1"), T(900, "1"), T(200, "2"), T(300, "1")]
    outcome = solve(tmp_path, groups("xxyy"), traces)
    assert outcome.clusters == [0, 0, 1, 1]
    assert outcome.num_tokens == [100, 900, 200, 300]
    assert outcome.answer == "1"  # of the first cluster: the finished ones outside it do not vote


def test_a_cluster_without_any_answer_answers_nothing(tmp_path: Path) -> None:
    assert solve(tmp_path, groups("xxy"), long(None, None, "1")).answer is None


def test_a_tie_in_the_vote_goes_to_the_first_in_order(tmp_path: Path) -> None:
    assert solve(tmp_path, groups("xx"), long("2", "1")).answer == "2"


def test_prefixes_can_end_at_a_reasoning_word(tmp_path: Path) -> None:
    # 30 tokens of 3 characters: "so ", "we ", "go ", … The second "so" is the fourth.
    text = "so we go " * 10
    outcome = solve(
        tmp_path,
        groups("xyx"),
        [T(30, answer, text=text) for answer in ("1", "2", "1")],
        truncation="words=2",
    )
    assert outcome.num_tokens == [30, 4, 30]


@pytest.mark.parametrize(
    "wrong",
    [
        {"truncation": "500"},
        {"truncation": "tokens=0"},
        {"truncation": "lines=5"},
        {"tau": 1.5},
        {"tau": -0.1},
        {"K": 0},
        {"K1": 0},
        {"K2": 0},
        {"K3": 0},
    ],
)
def test_parameters_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(PolicyError):
        load_policy("deepprune", {name: str(value) for name, value in wrong.items()})


def test_without_a_judge_nothing_is_answered(tmp_path: Path) -> None:
    with pytest.raises(SamplerError, match="judge"):
        solve(tmp_path, None, long(*"12"))


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean tau"):
        load_policy("deepprune", {"taau": "0.3"})


@settings(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 99))
def test_as_the_paper_says_written_out_naively(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, seed: int
) -> None:
    traces = data.draw(st.integers(1, 12), label="traces")
    answers = data.draw(
        st.lists(st.sampled_from(["1", "2", "3", None]), min_size=traces, max_size=traces)
    )
    lengths = data.draw(st.lists(st.integers(1, 1500), min_size=traces, max_size=traces))
    flat = data.draw(
        st.lists(st.integers(0, 4).map(lambda k: k / 4), min_size=144, max_size=144), label="scores"
    )
    judge = Scores(np.array(flat).reshape(12, 12))
    small = st.integers(1, 5)
    p = {name: data.draw(small, label=name) for name in ("K", "K1", "K2", "K3")}
    tau = data.draw(st.sampled_from([0.0, 0.25, 0.5, 0.6]), label="tau")
    stored = [T(length, answer) for length, answer in zip(lengths, answers, strict=True)]
    folder = tmp_path_factory.mktemp("pool")
    outcome = solve(folder, judge, stored, seed, tau=tau, **p)

    rng = generator((seed,))
    clusters: list[list[int]] = []
    for trace in range(traces):
        placed = [member for cluster in clusters for member in cluster]
        shuffled = rng.permutation(len(placed)).tolist() if placed else []
        similarity = [
            float(np.mean([judge.table[trace, m] for m in shuffled if m in cluster][: p["K1"]]))
            for cluster in clusters
        ]
        if similarity and max(similarity) > tau:
            clusters[similarity.index(max(similarity))].append(trace)
        elif len(clusters) == p["K"]:
            break
        else:
            clusters.append([trace])
    largest = max(clusters, key=len)
    if len(largest) > 1:
        finished = largest[: p["K2"]]
    else:
        finished = sorted(rng.permutation(traces)[: p["K3"]].tolist())
    votes = Counter(answers[trace] for trace in finished if answers[trace] is not None)
    assert outcome.num_tokens == [
        length if trace in finished else min(length, 500) for trace, length in enumerate(lengths)
    ]
    assert outcome.answer == (max(votes, key=lambda a: votes[a]) if votes else None)
    assert outcome.clusters == [
        next((n for n, cluster in enumerate(clusters) if trace in cluster), NO_ANSWER)
        for trace in range(traces)
    ]
