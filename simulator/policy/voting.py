"""Voting over answers. A tie goes to the class seen first in the replay's order."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from simulator.arrays import Ints32
from simulator.policy.sampler import Traces
from simulator.signals import NO_ANSWER

Votes = Traces | Ints32
"""Traces, whose answers are the votes, or answer classes; −1 does not count as a vote."""


def count_votes(votes: Votes) -> Counter[int]:
    """Count the votes of each answer class, in order of first appearance."""
    answers = votes.answer if isinstance(votes, Traces) else votes
    counts = Counter(answers.tolist())
    counts.pop(NO_ANSWER, None)
    return counts


def top_two(votes: Votes) -> tuple[int, int]:
    """Return the two largest vote counts, 0 if there are fewer classes."""
    counts = sorted(count_votes(votes).values(), reverse=True)
    first, second, *_ = [*counts, 0, 0]
    return first, second


def majority_vote(votes: Votes) -> np.int32 | None:
    """Return the class with most votes (self-consistency, arXiv 2203.11171); None without votes."""
    answers = votes.answer if isinstance(votes, Traces) else votes
    if not len(answers):
        return None
    ballots = answers + 1  # bincount takes no negative numbers
    counts = np.bincount(ballots)
    counts[0] = 0  # traces without an answer
    answer = answers[counts.take(ballots).argmax()]  # the first vote for a class with the most
    return None if answer < 0 else answer


def weighted_vote(votes: Votes, weights: npt.ArrayLike) -> np.int32 | None:
    """Return the class with the largest sum of weights; None without votes.

    Parameters
    ----------
    votes
        Traces or answer classes, shape (n,); those without an answer do not vote.
    weights
        Weight of each vote, 0 or more, shape (n,).

    Raises
    ------
    ValueError
        The weight of a vote is negative or NaN, or the numbers of weights and votes differ.
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
    winner: np.int32 = answers[totals[answers].argmax()]  # on a tie, the class seen first
    return winner
