"""The interface of an engine that `Sampler` and `Traces` use: everything a policy may see.

`simulator.replay.engine` implements it in this process, `simulator.isolation.remote_engine` in a
policy's process, which has no access to other data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from simulator.arrays import Bools, Floats, Ints, Ints32
from simulator.rules.stop_rules import StopRule


class VisibleEngine(Protocol):
    """Traces of one problem in one repeat, numbered in the repeat's order.

    `index` are numbers of started traces, each once, shape (n,). Whole numbers are ints, or one for
    each trace of `index`, checked by `Sampler` and `Traces`, so both engines refuse the same
    arguments with the same messages.

    Attributes
    ----------
    num_tokens, finished, stopped, answer
        Current state of each trace, shape (budget,); `answer` is −1 until the trace has finished.
    answered
        True after the policy has answered; further requests are refused.
    """

    answered: bool
    num_tokens: Ints
    finished: Bools
    stopped: Bools
    answer: Ints32

    @property
    def budget(self) -> int: ...
    @property
    def all_started(self) -> Ints: ...
    @property
    def clock(self) -> float: ...
    @property
    def probe_calls(self) -> int: ...
    @property
    def probe_tokens(self) -> int: ...
    @property
    def judge_calls(self) -> int: ...
    @property
    def judge_tokens(self) -> int: ...

    def start(self, n: int) -> Ints: ...
    def decode(
        self, index: Ints, tokens: int | Ints | None, until: StopRule | None, first: int | None
    ) -> Ints: ...
    def finished_at(self, index: Ints) -> Floats: ...
    def stop(self, index: Ints) -> None: ...
    def probe(self, index: Ints) -> Ints32: ...
    def probed(self, signal: str, index: Ints) -> Floats: ...
    def texts(self, index: Ints) -> list[str]: ...
    def token_signal(self, signal: str, number: int) -> Floats: ...
    def mean_signal(self, signal: str, index: Ints, window: int | None) -> Floats: ...
    def lowest_signal(self, signal: str, index: Ints, window: int) -> Floats: ...
    def bottom_signal(self, signal: str, index: Ints, share: float, window: int) -> Floats: ...
    def judge(self, pairs: Ints) -> Floats: ...
    def greedy_clusters(
        self,
        traces: int,
        rng: np.random.Generator,
        threshold: float,
        max_clusters: int,
        max_members: int,
        hard: bool,
    ) -> Ints | None: ...
    def declare_clusters(self, clusters: Ints) -> None: ...


@dataclass(frozen=True, slots=True)
class Hindsight:
    """Final length in tokens and correctness of every trace of the budget, shape (budget,)."""

    lengths: Ints
    correct: Bools


@runtime_checkable
class KnowsHindsight(Protocol):
    """An engine that also knows how its traces end; what a policy file drives does not."""

    def hindsight(self) -> Hindsight: ...
