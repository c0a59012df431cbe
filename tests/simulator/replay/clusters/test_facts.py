"""Measures of clusters, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, completeness_score

from simulator.replay.clusters.facts import ClusterFacts, cluster_facts

RIGHT = np.array([True, False, False, False])

traces = st.lists(
    st.tuples(st.integers(-1, 4), st.integers(-1, 3), st.integers(1, 40), st.integers(0, 40)),
    min_size=1,
    max_size=20,
)


def facts_of(clusters: list[int], answers: list[int], prefixes: list[int]) -> ClusterFacts:
    """Measure clusters of traces of 40 tokens."""
    found = cluster_facts(
        np.array(clusters),
        np.array(answers, dtype=np.int32),
        np.full(len(clusters), 40),
        np.array(prefixes),
        RIGHT,
    )
    assert found is not None
    return found


@given(traces)
def test_completeness_and_rand_index_are_those_of_scikit_learn(
    rows: list[tuple[int, int, int, int]],
) -> None:
    clusters, answers, lengths, prefixes = np.array(rows).T
    prefixes = np.minimum(prefixes, lengths)
    facts = cluster_facts(clusters, answers.astype(np.int32), lengths, prefixes, RIGHT)
    placed = clusters >= 0
    if facts is None:
        assert not placed.any()
        return
    alone = -1 - np.arange(len(answers))  # a trace without an answer is like no other
    classes = np.where(answers < 0, alone, answers)[placed]
    assert facts.completeness == pytest.approx(completeness_score(classes, clusters[placed]))
    assert facts.adjusted_rand == pytest.approx(adjusted_rand_score(classes, clusters[placed]))
    rest = lengths - prefixes
    finished = sum(rest[answers == each].min() for each in {*answers.tolist()} - {-1})
    assert facts.savable == pytest.approx((rest.sum() - finished) / lengths.sum())


def test_shattering_is_pure_and_neither_complete_nor_like_the_answers() -> None:
    facts = facts_of([*range(16)], [0] * 12 + [1] * 4, [10] * 16)
    assert (facts.clusters, facts.purity, facts.adjusted_rand) == (16, 1, 0)
    # Answers tell 3/4 ln 4/3 + 1/4 ln 4 of the ln 16 about the cluster of a trace.
    told = (0.75 * np.log(4 / 3) + 0.25 * np.log(4)) / np.log(16)
    assert facts.completeness == pytest.approx(told)
    # Perfect clusters spare 30 of 40 tokens of all traces but two.
    assert facts.savable == pytest.approx(14 * 30 / (16 * 40))


def test_one_cluster_of_all_is_complete_and_no_better_than_chance() -> None:
    facts = facts_of([0] * 4, [0, 0, 0, 1], [40, 10, 20, 30])
    assert (facts.purity, facts.completeness, facts.adjusted_rand) == (0.75, 1, 0)
    # The first trace has ended already, so it is the cheapest with its answer; the last one needs
    # 10 more. 30 and 20 tokens of 160 can be spared.
    assert facts.savable == pytest.approx(50 / 160)
