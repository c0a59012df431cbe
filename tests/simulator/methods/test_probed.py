"""Certaindex, Dynasor and EAT against values worked out by hand."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any

import pytest
from pools import T
from solved import Outcome, solve

from simulator.errors import UserError


def probed(length: int, answer: str | None, probes: str, text: str = "") -> T:
    """Make a trace with probes at 10, 20, … tokens, "-" for none, and a character a token."""
    answers = {10 * n: None if given == "-" else given for n, given in enumerate(probes, 1)}
    return T(length, answer, answers, text=text or "x" * length)


# Certaindex


def test_certaindex_stops_when_enough_have_agreed_for_long_enough(tmp_path: Path) -> None:
    # At 20 tokens three of four say 1, of whom two have for 10 tokens; at 30 all three have.
    traces = [
        probed(95, "1", "111111111"),
        probed(95, "1", "211111111"),
        probed(15, "1", "1"),  # finished, it keeps its answer
        probed(95, "2", "222222222"),
    ]
    settings = {"interval": 10, "agreement": 0.75, "unchanged": 10}
    outcome = solve(tmp_path / "a", "certaindex", traces, None, **settings)
    assert outcome == Outcome("1", 30 * 3 + 15, 30, 4, [30, 30, 15, 30])
    settings["unchanged"] = 0
    assert solve(tmp_path / "b", "certaindex", traces, None, **settings).clock == 20
    settings["agreement"] = 0.5
    assert solve(tmp_path / "c", "certaindex", traces, None, **settings).clock == 10


def test_certaindex_counts_from_the_last_change_and_those_without_an_answer(tmp_path: Path) -> None:
    changes = [probed(95, "1", "112111111")]
    settings = {"interval": 10, "agreement": 0.5, "unchanged": 20}
    assert solve(tmp_path / "a", "certaindex", changes, None, **settings).clock == 60
    silent = [probed(95, "1", "1" * 9), probed(95, "1", "-" * 9), probed(95, "1", "-" * 9)]
    outcome = solve(tmp_path / "b", "certaindex", silent, None, **settings)
    assert outcome == Outcome("1", 3 * 95, 95, 3, [95, 95, 95])  # a third of all, to the end


def test_certaindex_that_never_agrees_votes_over_all(tmp_path: Path) -> None:
    traces = [
        probed(15, "2", "1"),
        probed(25, "1", "22"),
        probed(12, "1", "1"),
        T(0, None, {}, text=""),
    ]
    outcome = solve(tmp_path, "certaindex", traces, interval=10, agreement=0.9)
    assert (outcome.answer, outcome.tokens) == ("1", 15 + 25 + 12)


# Dynasor


@pytest.mark.parametrize(
    ("trace", "in_a_row", "answer", "tokens"),
    [
        (probed(95, "2", "111111111"), 2, "1", 30),  # the probes at 10 and 20, answered by 30
        (probed(95, "2", "111111111"), 1, "1", 20),
        (probed(95, "1", "-12211111"), 2, "2", 50),
        (probed(95, "2", "---------"), 1, "2", 95),  # none is no answer
        (probed(35, "2", "111"), 3, "2", 35),  # it finishes while the third probe is answered
        (probed(45, "2", "1111"), 3, "1", 40),
        (probed(8, "2", ""), 1, "2", 8),
        (probed(95, "2", "111111111", "x" * 25 + "KNOW" + "x" * 66), 2, "1", 30),
        (probed(95, "2", "111111111", "x" * 15 + "know" + "x" * 76), 2, "1", 50),  # not at 20
        (probed(95, "2", "111111111", "x" * 25 + "KNOW" + "x" * 66), 3, "1", 70),  # not at 30
    ],
)
def test_dynasor_stops_a_trace_after_equal_probes_without_doubt(
    tmp_path: Path, trace: T, in_a_row: int, answer: str, tokens: int
) -> None:
    outcome = solve(tmp_path, "dynasor", [trace], interval=10, in_a_row=in_a_row, reach=10)
    assert (outcome.answer, outcome.num_tokens) == (answer, [tokens])


def test_dynasor_reads_as_far_back_as_it_is_told(tmp_path: Path) -> None:
    trace = probed(95, "2", "111111111", "but" + "x" * 92)
    for reach, tokens in [(10, 40), (20, 50), (80, 95)]:
        settings = {"interval": 10, "in_a_row": 2, "reach": reach}
        outcome = solve(tmp_path / str(reach), "dynasor", [trace], None, **settings)
        assert outcome.num_tokens == [tokens]
    other = solve(tmp_path / "words", "dynasor", [trace], interval=10, in_a_row=2, words="perhaps")
    assert other.num_tokens == [30]


def test_dynasor_votes_with_probes_and_own_answers(tmp_path: Path) -> None:
    traces = [
        probed(95, "3", "111111111"),
        probed(8, "2", ""),
        probed(12, "2", "1"),
        T(0, None, {}, text=""),
    ]
    outcome = solve(tmp_path, "dynasor", traces, interval=10, in_a_row=2)
    assert outcome == Outcome("2", 30 + 8 + 12, 30, 4, [30, 8, 12, 0])


# EAT


def settling(*bits: float, answer: str = "9") -> T:
    """Make a trace of two tokens a step, with entropies in bits, and a probe of "1" at each."""
    nats = [each * log(2) for each in bits for _ in range(2)]
    probes = dict.fromkeys(range(2, 2 * len(bits), 2), "1")
    certainty = {"probe_entropy": [each * log(2) for each in bits[:-1]]}
    return T(len(nats), answer, probes, signals={"entropy": nats}, certainty=certainty)


@pytest.mark.parametrize(
    ("bits", "settings", "tokens"),
    [
        # m: 0, 1, 1.5, 1.75, 1.875; v: 0, 0.5, 0.375, 0.21875, 0.1171875.
        ((0, 2, 2, 2, 2, 2, 2), {"delta": 0.2}, 10),
        ((0, 2, 2, 2, 2, 2, 2), {"delta": 0.22}, 8),
        ((0, 2, 2, 2, 2, 2, 2), {"delta": 0.21875}, 10),  # v has to be below
        ((0, 2, 2, 2, 2, 2, 2), {"delta": 0.4, "least_steps": 1}, 2),  # of a single step v is 0
        ((3, 3, 3, 3, 3, 3), {}, 8),
        ((3, 3, 3, 3, 3, 3), {"least_steps": 5}, 10),
        ((0, 9, 0, 9, 0, 9), {}, 12),
    ],
)
@pytest.mark.parametrize("signal", ["entropy", "probe_entropy"])
def test_eat_stops_a_trace_whose_entropy_has_settled(
    tmp_path: Path, bits: tuple[float, ...], settings: dict[str, Any], tokens: int, signal: str
) -> None:
    settings = {"interval": 2, "alpha": 0.5, "signal": signal} | settings
    outcome = solve(tmp_path, "eat", [settling(*bits)], None, **settings)
    whole = tokens == 2 * len(bits)
    assert (outcome.answer, outcome.num_tokens) == ("9" if whole else "1", [tokens])


def test_eat_votes_over_all(tmp_path: Path) -> None:
    empty = T(0, None, {}, signals={"entropy": []}, certainty={"probe_entropy": []})
    traces = [settling(3, 3, 3, 3, 3), settling(3, 3), settling(0, 9, 0, 9, 0), empty]
    outcome = solve(tmp_path, "eat", traces, interval=2, alpha=0.5)
    assert outcome == Outcome("9", 8 + 4 + 10, 10, 4, [8, 4, 10, 0])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("certaindex", {"interval": 0}),
        ("certaindex", {"agreement": 0}),
        ("dynasor", {"in_a_row": 0}),
        ("dynasor", {"reach": 0}),
        ("eat", {"alpha": 0}),
        ("eat", {"interval": 0}),
        ("eat", {"signal": "confidence"}),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    tmp_path: Path, name: str, settings: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match=r"must be|needs"):
        solve(tmp_path, name, [settling(1, 1)], **settings)
