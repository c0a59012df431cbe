"""Greedy clustering: its rules on cases worked out by hand, and against a naive implementation."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.policy.clustering import UNPLACED, greedy_clusters

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Table:
    """Answers pairs from a symmetric table and keeps what it was asked."""

    def __init__(self, scores: npt.ArrayLike) -> None:
        self.scores = np.asarray(scores, dtype=np.float64)
        self.calls: list[list[tuple[int, int]]] = []

    @property
    def asked(self) -> list[tuple[int, int]]:
        return [pair for call in self.calls for pair in call]

    def __call__(self, pairs: Ints) -> Floats:
        self.calls.append([(int(a), int(b)) for a, b in pairs])
        answers: Floats = self.scores[pairs[:, 0], pairs[:, 1]]
        return answers


def by_answer(answers: str) -> Table:
    """Make a judge that is always right about traces with these answers, a letter each."""
    letters = np.array(list(answers))
    return Table(letters[:, None] == letters[None, :])


def clusters(
    table: Table, *, threshold: float = 0.5, max_clusters: int = 16, max_members: int = 20
) -> list[int]:
    labels = greedy_clusters(
        len(table.scores),
        table,
        np.random.default_rng(0),
        threshold=threshold,
        max_clusters=max_clusters,
        max_members=max_members,
    )
    return [int(label) for label in labels]


def naive(
    table: Table, rng: np.random.Generator, threshold: float, max_clusters: int, max_members: int
) -> list[list[int]]:
    """METHODS.md, word by word: ask for everything that was drawn."""
    found: list[list[int]] = []
    for trace in range(len(table.scores)):
        placed = [member for cluster in found for member in cluster]
        shuffled = rng.permutation(len(placed)).tolist() if placed else []
        similarity = []
        for cluster in found:
            drawn = [member for member in shuffled if member in cluster][:max_members]
            similarity.append(sum(table.scores[trace, member] for member in drawn) / len(drawn))
        if similarity and max(similarity) > threshold:
            found[similarity.index(max(similarity))].append(trace)
        elif len(found) == max_clusters:
            break
        else:
            found.append([trace])
    return found


def members_of(labels: Sequence[int]) -> list[list[int]]:
    return [
        [trace for trace, label in enumerate(labels) if label == cluster]
        for cluster in range(max(labels, default=UNPLACED) + 1)
    ]


def test_a_perfect_judge_gives_one_cluster_an_answer_in_order_of_appearance() -> None:
    assert clusters(by_answer("abacba")) == [0, 1, 0, 2, 1, 0]


def test_one_trace_is_a_cluster_and_asks_nobody() -> None:
    table = by_answer("a")
    assert clusters(table) == [0]
    assert table.asked == []


def test_no_traces_make_no_clusters() -> None:
    assert clusters(Table(np.empty((0, 0)))) == []


def test_traces_that_are_like_none_stay_alone() -> None:
    assert clusters(by_answer("abcd")) == [0, 1, 2, 3]


def test_a_similarity_of_just_the_threshold_is_not_enough() -> None:
    half = np.full((2, 2), 0.5)
    assert clusters(Table(half)) == [0, 1]
    assert clusters(Table(half), threshold=0.49) == [0, 0]


def test_the_most_similar_cluster_is_joined_not_the_first_that_would_do() -> None:
    scores = np.zeros((3, 3))
    scores[2, 0], scores[2, 1] = 0.6, 0.7
    assert clusters(Table(scores)) == [0, 1, 1]


def test_a_tie_goes_to_the_cluster_opened_first() -> None:
    scores = np.zeros((3, 3))
    scores[2, :2] = 0.75
    assert clusters(Table(scores)) == [0, 1, 0]


def test_the_mean_over_members_decides_not_the_best_of_them() -> None:
    # 2 is like 0 and has joined it. 3: cluster {0, 2} has mean (1 + 0) / 2, cluster {1} 0.625.
    scores = np.zeros((4, 4))
    scores[2, 0] = 1
    scores[3, 0], scores[3, 2], scores[3, 1] = 1, 0, 0.625
    assert clusters(Table(scores)) == [0, 1, 0, 1]


def test_clustering_ends_when_one_cluster_too_many_would_open() -> None:
    # d would be a third cluster: neither it nor the a's and b's after it are placed, or asked for.
    table = by_answer("abadab")
    assert clusters(table, max_clusters=2) == [0, 1, 0, UNPLACED, UNPLACED, UNPLACED]
    assert max(trace for trace, _ in table.asked) == 3


def test_a_full_set_of_clusters_goes_on_growing() -> None:
    assert clusters(by_answer("ababba"), max_clusters=2) == [0, 1, 0, 1, 1, 0]


def test_so_many_members_are_asked_at_most() -> None:
    # Scores at the threshold's edge leave a decision open to the last member drawn.
    table = Table(np.full((30, 30), 0.51))
    clusters(table, max_members=4)
    asked_by = [sum(a == trace for a, _ in table.asked) for trace in range(30)]
    assert asked_by == [0, 1, 2, 3] + [4] * 26


def test_members_are_drawn_evenly_and_without_replacement() -> None:
    # 8 is compared with 2 of the 6 members of cluster 0 and both of cluster 1: 1/3 and always.
    answers = np.array([0, 1, 0, 0, 1, 0, 0, 0])
    scores = np.zeros((9, 9))
    scores[:8, :8] = answers[:, None] == answers
    scores[8] = 0.5  # which leaves both scores of a cluster to be asked for
    rounds, counts = 2000, np.zeros(9)
    rng = np.random.default_rng(7)
    for _ in range(rounds):
        table = Table(scores)
        greedy_clusters(9, table, rng, threshold=0.49, max_clusters=2, max_members=2)
        drawn = [member for trace, member in table.asked if trace == 8]
        assert len(set(drawn)) == 4
        counts[drawn] += 1
    assert counts[[1, 4]].tolist() == [rounds, rounds]
    expected = np.full(6, rounds / 3)
    spread = 4 * np.sqrt(rounds * (1 / 3) * (2 / 3))
    assert counts[[0, 2, 3, 5, 6, 7]] == pytest.approx(expected, abs=spread)


def test_a_decision_that_stands_asks_for_no_more() -> None:
    # 20 members of its own answer and 20 of another, all scores 0 or 1, a threshold of 1/2: ten
    # zeros rule the other out, eleven ones settle it, so ten of each may be asked for at once.
    table = by_answer("ab" * 20 + "a")
    assert clusters(table)[40] == 0
    first, second = [[m % 2 for t, m in call] for call in table.calls if call[0][0] == 40]
    assert sorted(first) == [0] * 10 + [1] * 10
    assert second == [0]


def test_a_cluster_that_is_ahead_waits_until_the_others_are_settled() -> None:
    # 0 and 1 stand alone; 2 to 5 join them in turn. 6 scores 1 against cluster 0, of which two of
    # three are asked for, and 0.6 against cluster 1, which could still come up to 2.2 / 3: its
    # last member is asked for, the last one of cluster 0 is not.
    scores = np.zeros((7, 7))
    scores[[2, 4, 4], [0, 0, 2]] = scores[[3, 5, 5], [1, 1, 3]] = 1
    scores[6] = [1, 0.6, 1, 0.6, 1, 0.6, 0]
    table = Table(scores)
    assert clusters(table) == [0, 1, 0, 1, 0, 1, 0]
    asked = [sorted(m % 2 for t, m in call) for call in table.calls if call[0][0] == 6]
    assert asked == [[0, 0, 1, 1], [1]]


grid = st.integers(0, 8).map(lambda k: k / 8)  # sums of these are exact in whatever order


@st.composite
def tables(draw: st.DrawFn) -> Table:
    traces = draw(st.integers(0, 18))
    kind = draw(st.sampled_from([grid, st.sampled_from([0.0, 1.0]), st.floats(0, 1)]))
    flat = draw(st.lists(kind, min_size=traces**2, max_size=traces**2))
    return Table(np.array(flat).reshape(traces, traces))


@settings(max_examples=200)
@given(
    table=tables(),
    threshold=grid,
    max_clusters=st.integers(1, 6),
    max_members=st.integers(1, 12),
    seed=st.integers(0, 9),
)
def test_the_same_as_asking_for_everything_and_no_pair_twice(
    table: Table, threshold: float, max_clusters: int, max_members: int, seed: int
) -> None:
    labels = greedy_clusters(
        len(table.scores),
        table,
        np.random.default_rng(seed),
        threshold=threshold,
        max_clusters=max_clusters,
        max_members=max_members,
    ).tolist()
    rng = np.random.default_rng(seed)
    assert members_of(labels) == naive(table, rng, threshold, max_clusters, max_members)
    assert len(set(table.asked)) == len(table.asked)
    assert all(member < trace for trace, member in table.asked)


def home(means: Sequence[float], threshold: float) -> int:
    """Return the cluster of a trace from its mean scores."""
    best = max(means)
    return means.index(best) if best > threshold else UNPLACED


def matters(known: dict[int, float], pair: int, drawn: list[list[int]], threshold: float) -> bool:
    """Check whether a member's score can decide, for some 0s and 1s as the other unknown scores."""
    (own,) = [cluster for cluster, members in enumerate(drawn) if pair in members]
    sums = [sum(known.get(member, 0) for member in members) for members in drawn]
    unknown = [sum(member not in known for member in members) for members in drawn]
    unknown[own] -= 1
    for ones in itertools.product(*(range(most + 1) for most in unknown)):
        goes = set()
        for score in (0, 1):
            total = [
                a + b + score * (own == at)
                for at, (a, b) in enumerate(zip(sums, ones, strict=True))
            ]
            means = [a / len(members) for a, members in zip(total, drawn, strict=True)]
            goes.add(home(means, threshold))
        if len(goes) == 2:
            return True
    return False


@settings(max_examples=200)
@given(
    data=st.data(),
    threshold=grid,
    max_clusters=st.integers(1, 3),
    max_members=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_no_pair_is_asked_for_whose_answer_could_not_decide_where_a_trace_goes(
    data: st.DataObject, threshold: float, max_clusters: int, max_members: int, seed: int
) -> None:
    # What is known about a pair: all that was answered before the call, and those of the same
    # cluster before it in the call. The unknown scores are decisions here, 0 or 1, so it holds for
    # probabilities as well.
    kind = data.draw(st.sampled_from([grid, st.sampled_from([0.0, 1.0])]))
    flat = data.draw(st.lists(kind, min_size=18**2, max_size=18**2))
    table = Table(np.array(flat).reshape(18, 18))
    sizes = {"threshold": threshold, "max_clusters": max_clusters, "max_members": max_members}
    labels = greedy_clusters(18, table, np.random.default_rng(seed), **sizes)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    for trace in range(18):
        if trace and UNPLACED in labels[:trace]:
            assert not [call for call in table.calls if call[0][0] == trace]
            continue
        shuffled = rng.permutation(trace).tolist() if trace else []
        drawn = [
            [member for member in shuffled if member in cluster][:max_members]
            for cluster in members_of(labels[:trace].tolist())
        ]
        before: dict[int, float] = {}
        for call in table.calls:
            if call[0][0] != trace:
                continue
            known = [before.copy() for _ in drawn]
            for _, member in call:
                (own,) = [at for at, members in enumerate(drawn) if member in members]
                assert matters(known[own], member, drawn, threshold)
                known[own][member] = before[member] = float(table.scores[trace, member])
