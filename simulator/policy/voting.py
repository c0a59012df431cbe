"""Votes over answers. A tie goes to the class seen first in the replay's order."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from simulator.policy.sampler import Traces
from simulator.signals import NO_ANSWER

Votes = Traces | npt.NDArray[np.int32]
"""Traces, whose answers vote, or answer classes themselves; −1 does not vote."""


def count_votes(votes: Votes) -> Counter[int]:
    """How many votes each answer class has, in order of first appearance."""
    answers = votes.answer if isinstance(votes, Traces) else votes
    counts = Counter(answers.tolist())
    counts.pop(NO_ANSWER, None)
    return counts


def top_two(votes: Votes) -> tuple[int, int]:
    """The two largest vote counts, 0 where there are fewer classes."""
    counts = sorted(count_votes(votes).values(), reverse=True)
    first, second, *_ = [*counts, 0, 0]
    return first, second


def majority_vote(votes: Votes) -> np.int32 | None:
    """The class with the most votes (self-consistency, arXiv 2203.11171); None without any."""
    answers = votes.answer if isinstance(votes, Traces) else votes
    if not len(answers):
        return None
    ballots = answers + 1  # bincount takes no negative numbers
    counts = np.bincount(ballots)
    counts[0] = 0  # those who do not vote
    answer = answers[counts.take(ballots).argmax()]  # the first vote for a class that has the most
    return None if answer < 0 else answer


def weighted_vote(votes: Votes, weights: npt.ArrayLike) -> np.int32 | None:
    """The class with the largest sum of weights; None without a vote.

    Parameters
    ----------
    votes
        Who votes, shape (n,); those without an answer do not.
    weights
        What each vote counts, numbers of 0 or more, shape (n,).

    Raises
    ------
    ValueError
        A voter's weight is negative or NaN, or there are not as many weights as votes.
    """
    answers = votes.answer if isinstance(votes, Traces) else votes
    counts = np.asarray(weights, dtype=np.float64)
    if counts.shape != answers.shape:
        raise ValueError(f"weighted_vote: {len(answers)} votes, but weights of {counts.shape}")
    voting = answers != NO_ANSWER
    answers, counts = answers[voting], counts[voting]
    if not len(answers):
        return None
    if not (counts >= 0).all():
        raise ValueError("weighted_vote: a weight is negative or not a number")
    totals = np.bincount(answers, counts)
    winner: np.int32 = answers[totals[answers].argmax()]  # of equals the class seen first
    return winner
