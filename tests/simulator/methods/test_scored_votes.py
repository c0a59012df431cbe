"""best-of-n, weighted votes, tail-entropy and DeepConf's variants, worked out by hand."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any

import pytest
from pools import T
from solved import Outcome, solve

from simulator.errors import UserError
from simulator.loading import load_policy


def flat(answer: str | None, entropy: float, tokens: int = 4, confidence: float = 1) -> T:
    """Make a trace of one entropy and one confidence all through."""
    signals = {"entropy": [entropy] * tokens}
    return T(tokens, answer, confidence=[confidence] * tokens, signals=signals)


# best-of-n and weighted-vote


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "3"),  # a mean entropy of 0.5, against 1 and 0.6
        ({"measure": "tail", "window": 2}, "2"),  # 0.1, against 1 and 0.5
        ({"score": "length"}, "1"),
        ({"score": "confidence"}, "2"),
        ({"score": "confidence", "measure": "lowest", "window": 1}, "3"),
    ],
)
def test_the_best_score_answers(tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    traces = [
        T(3, "1", confidence=[1] * 3, signals={"entropy": [1] * 3}),
        T(4, "2", confidence=[9, 9, 9, 1.5], signals={"entropy": [1.1, 1.1, 0.1, 0.1]}),
        T(4, "3", confidence=[2] * 4, signals={"entropy": [0.5] * 4}),
        T(2, None, confidence=[10] * 2, signals={"entropy": [0] * 2}),  # no answer, so it cannot
    ]
    outcome = solve(tmp_path, "best-of-n", traces, **settings)
    assert (outcome.answer, outcome.tokens) == (expected, 13)


def test_of_equal_scores_the_first_answers(tmp_path: Path) -> None:
    assert solve(tmp_path, "best-of-n", [flat("2", 1), flat("1", 1)]).answer == "2"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "2"),  # 0.4 + 0.4 to 0.9
        ({"power": 0}, "1"),
        ({"power": 0.5}, "1"),  # 1.26 to 0.95
        ({"power": 1000}, "2"),
        ({"score": "length"}, "1"),  # 1/4 + 1/6 to 1/3
        ({"score": "length", "power": 2}, "2"),  # 1/16 + 1/36 = 0.090 to 0.111
        ({"score": "confidence"}, "2"),
    ],
)
def test_votes_weigh_the_score_to_a_power(
    tmp_path: Path, settings: dict[str, Any], expected: str
) -> None:
    traces = [
        flat("1", -log(0.4), 4, confidence=3),
        flat("1", -log(0.4), 6, confidence=2),
        flat("2", -log(0.9), 3, confidence=5.5),
    ]
    assert solve(tmp_path, "weighted-vote", traces, **settings).answer == expected


@pytest.mark.parametrize("name", ["best-of-n", "weighted-vote"])
def test_a_score_needs_its_own_signal_alone(name: str) -> None:
    needs = {
        score: set(load_policy(name, {"score": score}).policy.requires)
        for score in ("confidence", "entropy", "length")
    }
    assert needs == {"confidence": {"confidence"}, "entropy": {"entropy"}, "length": set()}


@pytest.mark.parametrize("name", ["best-of-n", "weighted-vote", "tail-entropy", "deepconf-optillm"])
def test_without_any_answer_there_is_none(tmp_path: Path, name: str) -> None:
    empty = T(0, None, confidence=[], signals={"entropy": []})
    assert solve(tmp_path / "a", name, [flat(None, 1), empty]).answer is None
    assert solve(tmp_path / "b", name, [empty]).answer is None
    assert solve(tmp_path / "c", name, [empty, flat("1", 1)]).answer == "1"


# tail-entropy


def test_the_window_follows_from_length_and_entropy(tmp_path: Path) -> None:
    # Mean length 16, mean entropy (0.5 + 1.5) / 2 = 1: the last 4 tokens, unless bounds forbid it.
    traces = [
        T(16, "1", signals={"entropy": [0] * 12 + [0, 0, 4, 4]}),
        T(16, "2", signals={"entropy": [2] * 8 + [1.7, 1.7, 2, 2] + [0.2, 0.2, 0.1, 0.1]}),
    ]

    def answer(**bounds: Any) -> str | None:
        name = "-".join(map(str, bounds.values())) or "own"
        return solve(tmp_path / name, "tail-entropy", traces, **bounds).answer

    assert answer(least=2, most=2) == "2"  # medians 4 and 0.1
    assert answer(least=16, most=16) == "1"  # 0 and 1.85
    assert answer(least=1) == "2"  # of four: 2 and 0.15
    assert answer(least=9) == "1"  # of nine: 0 and 1.7
    assert answer() == "1"  # at least 64: all


def test_weights_are_exponential_in_the_median(tmp_path: Path) -> None:
    same = [flat("1", log(2)), flat("1", log(4)), flat("2", 0.2)]  # 0.5 + 0.25 to 0.819
    assert solve(tmp_path, "tail-entropy", same).answer == "2"
    more = [flat("1", log(2)), flat("1", log(3)), flat("2", 0.2)]  # 0.5 + 0.333
    assert solve(tmp_path / "b", "tail-entropy", more).answer == "1"


def test_of_sixteen_the_shortest_and_longest_have_no_weight(tmp_path: Path) -> None:
    middle = [flat("1", 1, tokens) for tokens in range(20, 34)]  # 14 times 0.368: 5.15
    ends = [flat("2", 0, 1), flat("3", 0, 100)]
    sure = [flat("2", 0, 20)] * 5  # 5
    traces = [*middle[:9], *sure, *ends]  # 9 · 0.368 = 3.3 to 5, but 6 with the ends
    assert solve(tmp_path, "tail-entropy", traces).answer == "2"
    even = [*[flat("1", 0, 20)] * 7, *[flat("2", 0, 20)] * 7, flat("2", 0, 1), flat("2", 0, 100)]
    assert solve(tmp_path / "16", "tail-entropy", even).answer == "1"  # 7 to 7
    assert solve(tmp_path / "17", "tail-entropy", even, trimmed_from=17).answer == "2"  # 7 to 9
    assert solve(tmp_path / "0", "tail-entropy", even, outside=0).answer == "2"


# DeepConf's variants


def constant(*confidences: float, answers: str) -> list[T]:
    """Make traces of four tokens, each of one confidence; "-" is no answer."""
    return [
        flat(None if answer == "-" else answer, 0, confidence=confidence)
        for confidence, answer in zip(confidences, answers, strict=True)
    ]


def test_optillm_stops_below_a_percentile_of_mean_confidences(tmp_path: Path) -> None:
    # Means 2 and 4: the 90th percentile is 3.8, the 10th 2.2; lowest groups would give less.
    warm_up = [
        T(4, "1", confidence=[3, 3, 1, 1]),
        T(4, "2", confidence=[5, 5, 5, 1]),
    ]
    rest = constant(3.7, 3.9, 2.1, answers="121")
    low = solve(tmp_path / "low", "deepconf-optillm", [*warm_up, *rest], warm_up=2, window=2)
    assert low == Outcome("2", 4 + 4 + 2 + 4 + 2, 4 + 2 + 4 + 2, 5, [4, 4, 2, 4, 2])
    high = solve(
        tmp_path / "high", "deepconf-optillm", [*warm_up, *rest], warm_up=2, window=2, keep=90
    )
    assert high.num_tokens == [4, 4, 4, 4, 2]


def test_optillm_scores_mean_confidence_and_share_of_all_traces(tmp_path: Path) -> None:
    # 1: 0.7 · 2 + 0.3 · 3/4 = 1.625; 2: 0.7 · 2.2 + 0.3/4 = 1.615, or 2.3: 1.685.
    near = constant(2, 2, 2, 2.2, answers="1112")
    assert solve(tmp_path / "a", "deepconf-optillm", near, warm_up=4).answer == "1"
    over = constant(2, 2, 2, 2.3, answers="1112")
    assert solve(tmp_path / "b", "deepconf-optillm", over, warm_up=4).answer == "2"


def test_optillm_ends_at_the_consensus_of_all_traces_after_the_warm_up(tmp_path: Path) -> None:
    traces = constant(*[5] * 6, answers="121111")  # shares of "1": 2/3, 3/4, 4/5
    outcome = solve(tmp_path, "deepconf-optillm", traces, warm_up=2, consensus=0.8)
    assert outcome.started == 5
    alike = constant(*[5] * 6, answers="111111")
    assert solve(tmp_path / "b", "deepconf-optillm", alike, warm_up=2).started == 3
    stopped = constant(5, 5, 1, 5, answers="1111")  # 2/3 with the one that was stopped
    outcome = solve(tmp_path / "c", "deepconf-optillm", stopped, warm_up=2, window=2, consensus=0.7)
    assert (outcome.started, outcome.num_tokens) == (4, [4, 4, 2, 4])


def test_vllm_stops_every_trace_below_a_fixed_bar(tmp_path: Path) -> None:
    traces = [
        T(5, "1", confidence=[9, 9, 7.9, 8, 9]),  # groups of two: 9, 8.45, 7.95
        T(5, "1", confidence=[1, 20, 1, 20, 1]),
        T(4, "2", confidence=[8, 8, 8, 8]),  # 8 is not below 8
        T(1, "2", confidence=[1]),  # too short for a group
    ]
    outcome = solve(tmp_path, "deepconf-vllm", traces, threshold=8, window=2)
    assert outcome == Outcome("2", 4 + 5 + 4 + 1, 5, 4, [4, 5, 4, 1])
    none = solve(tmp_path / "b", "deepconf-vllm", constant(5, 6, answers="12"), window=2)
    assert (none.answer, none.num_tokens) == (None, [2, 2])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("best-of-n", {"score": "beauty"}),
        ("best-of-n", {"measure": "lowest"}),
        ("best-of-n", {"window": 0}),
        ("weighted-vote", {"power": -1}),
        ("tail-entropy", {"least": 0}),
        ("tail-entropy", {"least": 9, "most": 8}),
        ("tail-entropy", {"outside": 51}),
        ("deepconf-optillm", {"keep": 101}),
        ("deepconf-optillm", {"warm_up": 0}),
        ("deepconf-vllm", {"window": 0}),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    tmp_path: Path, name: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"must be|needs"):
        solve(tmp_path, name, [flat("1", 1)], **settings)
