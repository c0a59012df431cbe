"""DEER and soft self-consistency against values worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pools import T
from solved import Outcome, solve

from simulator.errors import UserError
from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.pools.shipped import shipped_pools

NAMES = ("probe_mean", "probe_gmean", "probe_min")


def probed(length: int, answer: str | None, probes: str = "", *numbers: float | None) -> T:
    """Make a trace with probes at 10, 20, … tokens, "-" for none, all signals alike."""
    answers = {10 * n: None if given == "-" else given for n, given in enumerate(probes, 1)}
    return T(length, answer, answers, certainty=dict.fromkeys(NAMES, numbers))


# DEER


@pytest.mark.parametrize(
    ("trace", "settings", "answer", "tokens"),
    [
        (probed(45, "2", "1111", 0.5, 0.96, 0.99, 0.99), {}, "1", 20),
        (probed(45, "2", "1111", 0.5, 0.96, 0.99, 0.99), {"threshold": 0.97}, "1", 30),
        (probed(45, "2", "1111", 0.5, 0.75, 0.75, 0.875), {"threshold": 0.75}, "1", 40),  # above
        (probed(45, "2", "1111", 0.5, 0.5, 0.5, 0.99), {"tries": 3}, "2", 45),
        (probed(45, "2", "1111", 0.5, 0.5, 0.99, 0.99), {"tries": 3}, "1", 30),
        (probed(45, "2", "-1-1", 0.99, 0.5, 0.99, 0.5), {}, "2", 45),  # no answer, no exit
        (probed(45, "2", "1111", None, None, None, None), {}, "2", 45),
        (probed(45, "2", "11", 0.5, 0.99), {"interval": 15}, "1", 30),  # at 15 that at 10
        (probed(20, "2", "11", 0.5, 0.99), {}, "2", 20),  # it finishes there
        (probed(8, "2"), {}, "2", 8),
    ],
)
def test_deer_stops_a_trace_at_a_certain_answer(
    tmp_path: Path, trace: T, settings: dict[str, Any], answer: str, tokens: int
) -> None:
    outcome = solve(tmp_path, "deer", [trace], None, **{"interval": 10} | settings)
    assert (outcome.answer, outcome.num_tokens) == (answer, [tokens])


def test_deer_votes_with_certain_probes_and_own_answers(tmp_path: Path) -> None:
    traces = [
        probed(95, "3", "1", 0.99),
        probed(45, "2", "3333", 0.5, 0.5, 0.5, 0.5),
        probed(8, "2"),
        T(0, None, {}, certainty={name: [] for name in NAMES}),
    ]
    outcome = solve(tmp_path, "deer", traces, interval=10)
    assert outcome == Outcome("2", 10 + 45 + 8, 45, 4, [10, 45, 8, 0])


@pytest.mark.parametrize("name", NAMES)
def test_deer_reads_the_certainty_that_it_is_given(tmp_path: Path, name: str) -> None:
    certainty = {each: [0.99 if each == name else 0.5, 0.5] for each in NAMES}
    trace = T(25, "2", {10: "1", 20: "1"}, certainty=certainty)
    outcome = solve(tmp_path / "a", "deer", [trace], None, interval=10, certainty=name)
    assert outcome.num_tokens == [10]
    loaded = load_policy("deer", {"certainty": name})
    assert loaded.policy.requires == {"probes", name}


# Soft self-consistency


def test_soft_sc_answers_as_the_trace_of_the_most_probable_answer(tmp_path: Path) -> None:
    traces = [
        probed(25, "1", "21", 0.9, 0.6),
        probed(25, "1", "11", 0.9, 0.6),
        probed(15, "2", "2", 0.75),
        probed(25, "3", "32", 0.5, 0.99),  # its last probe gave another answer: 0
        probed(25, None, "33", 0.5, 0.99),  # no answer
        probed(8, "4"),  # no probe: 0
    ]
    outcome = solve(tmp_path, "soft-sc", traces, interval=10)
    assert outcome == Outcome("2", 4 * 25 + 15 + 8, 25, 6, [25, 25, 15, 25, 25, 8])


def test_soft_sc_without_any_score_takes_the_first_answer(tmp_path: Path) -> None:
    traces = [probed(25, None, "33", 0.5, 0.9), probed(8, "4"), probed(15, "5", "5", None)]
    assert solve(tmp_path / "a", "soft-sc", traces, interval=10).answer == "4"
    empty = T(0, None, {}, certainty={name: [] for name in NAMES})
    assert solve(tmp_path / "b", "soft-sc", [empty, traces[0]], interval=10).answer is None


@pytest.mark.parametrize(("score", "answer"), [*zip(NAMES, "123", strict=True)])
def test_soft_sc_scores_by_what_it_is_told(tmp_path: Path, score: str, answer: str) -> None:
    traces = [
        T(
            15,
            str(n),
            {10: str(n)},
            certainty={each: [0.75 if each == name else 0.5] for each in NAMES},
        )
        for n, name in enumerate(NAMES, 1)
    ]
    assert solve(tmp_path, "soft-sc", traces, interval=10, score=score).answer == answer


def adaptive(smallest: float, mean: float, answer: str, said: str = "") -> T:
    numbers = {"probe_mean": [mean], "probe_min": [smallest], "probe_gmean": [0.5]}
    return T(15, answer, {10: said or answer}, certainty=numbers)


def test_adaptive_soft_sc_samples_until_the_smallest_add_up(tmp_path: Path) -> None:
    traces = [
        adaptive(0.25, 0.5, "1"),
        adaptive(0.5, 0.625, "2"),
        adaptive(0.5, 0.875, "3", said="1"),  # counts for nothing
        adaptive(0.25, 0.5, "4"),
        adaptive(0.5, 0.875, "5"),
    ]
    settings: dict[str, Any] = {"interval": 10, "adaptive": True}
    outcome = solve(tmp_path / "a", "soft-sc", traces, None, **settings)
    assert outcome == Outcome("2", 4 * 15, 4 * 15, 4, [15] * 4)  # 0.25 + 0.5 + 0 + 0.25
    at_least = solve(tmp_path / "b", "soft-sc", traces, None, **settings, enough=0.75)
    assert (at_least.answer, at_least.started) == ("2", 2)
    all_of_them = solve(tmp_path / "c", "soft-sc", traces, None, **settings, enough=9)
    assert (all_of_them.answer, all_of_them.started) == ("5", 5)
    needs = load_policy("soft-sc", {"adaptive": "true"}).policy.requires
    assert needs == {"probes", "probe_mean", "probe_min"}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("deer", {"certainty": "probe_entropy"}),
        ("deer", {"interval": 0}),
        ("deer", {"tries": 0}),
        ("deer", {"threshold": 1.5}),
        ("soft-sc", {"score": "mean"}),
        ("soft-sc", {"interval": 0}),
        ("soft-sc", {"enough": -1}),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    tmp_path: Path, name: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="needs"):
        solve(tmp_path, name, [probed(8, "1")], None, **settings)


@pytest.mark.parametrize("name", ["deer", "soft-sc"])
def test_a_pool_that_lacks_what_they_read_is_refused_in_one_line(name: str) -> None:
    (folder,) = shipped_pools().values()
    loaded = load_policy(name)
    with pytest.raises(UserError, match=rf"has no probe_g?mean, which {name} needs") as error:
        Pool(folder).require(frozenset(loaded.policy.requires), loaded.name)
    assert "\n" not in str(error.value)
