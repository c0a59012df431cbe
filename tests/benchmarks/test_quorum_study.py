"""Quorum beside other methods, and what running traces tell: values worked out by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import quorum_study
import running_traces
from pools import T, write_problem

from simulator.runs.results import Metric


def test_an_order_has_votes_of_the_first_to_finish_and_what_the_others_hold(tmp_path: Path) -> None:
    traces = [
        T(2100, "1", {500: "2", 1000: "1", 1500: "1", 2000: "1"}),
        T(900, "2", {500: "2"}),
        T(1200, None, {500: "3", 1000: "3"}),
        T(1300, "1", {500: "2", 1000: None}),
    ]
    problem = write_problem(tmp_path, traces)
    order = running_traces.Order(problem, np.arange(4))
    classes = {text: number for number, text in enumerate(problem.class_texts)}
    assert order.lengths.tolist() == [900, 1200, 1300, 2100]
    assert order.votes(3)[[classes["1"], classes["2"]]].tolist() == [1, 1]
    assert order.accuracy(order.votes(1)) == 0  # 2 alone
    assert order.accuracy(order.votes(3)) == 0.5  # a tie of 1, the right answer, and 2
    assert order.accuracy(order.votes(4)) == 1
    assert order.held(1200).tolist()[1:] == [classes["3"], -1, classes["1"]]
    assert order.held(999)[3] == classes["2"]
    assert order.held(400).tolist() == [-1] * 4


def made(name: str, accuracy: float, tokens: int, clock: int, probes: int = 0) -> SimpleNamespace:
    """Make what `against` reads of a line."""
    return SimpleNamespace(
        method=name,
        accuracy=Metric(accuracy),
        tokens=Metric(tokens),
        clock=clock,
        probe_tokens=probes,
        to_baseline=SimpleNamespace(difference=Metric(0.5)),
    )


def test_quorum_is_compared_at_no_more_tokens_and_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    every = [
        made("quorum 8", 0.5, 80, 8),
        made("quorum 16", 0.6, 150, 10, probes=20),
        made("quorum 32", 0.7, 300, 9),
        made("start 16, 8", 0.55, 170, 11),  # 16 starters take as many tokens, with their probes
        made("cmc β=1", 0.6, 310, 19),  # half of its clock excludes 16 starters
        made("short-3@16", 0.75, 70, 20),  # quorum takes more, and is less accurate
        made("cons@64", 0.65, 900, 30),
    ]
    found = {line.method: line for line in every}
    monkeypatch.setattr(quorum_study, "lines", lambda pair, _: [found[name] for name in pair])
    rows = quorum_study.against({name: [] for name in found}, found, "quorum")  # type: ignore[arg-type]
    assert rows == [
        ["start 16, 8", "quorum 16", "+50.0", "quorum 16", "100", "91"],
        ["cmc β=1", "quorum 32", "+50.0", "quorum 16", "55", "53"],
        ["short-3@16", "none", "–", "none", "–", "–"],
    ]
