"""Answers and lengths of one pool's traces, and majority voting over random subsets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import duckdb
import numpy as np

from leaderboard_app.library.library import Library
from simulator.catalogue.pool_facts import PoolFacts, pool_facts
from simulator.catalogue.pool_rows import Row
from simulator.errors import UserError
from simulator.statistics import Estimate, bootstrap

HANDS = 1_000
"""Number of random subsets of k traces drawn for each problem for cons@k."""

SEED = 20_251_010
"""Seed of those draws, fixed so that the figures never change."""

BINS = 40
"""Maximum number of bars in the histogram of lengths."""

RIGHT, WRONG, NO_ANSWER = "right", "wrong", "no answer"
"""Kinds of a trace's answer."""


@dataclass(frozen=True, slots=True)
class Votes:
    """Answers that the traces of a problem give, the most common first.

    `votes`, `right` and `answers` have one element per answer class; `none` traces have no answer.
    """

    votes: tuple[int, ...]
    right: tuple[bool, ...]
    answers: tuple[str, ...]
    none: int

    @property
    def traces(self) -> int:
        """Number of all traces."""
        return sum(self.votes) + self.none


@dataclass(frozen=True, slots=True)
class Lengths:
    """Number of traces in one bar of the histogram of lengths, by kind of answer.

    A bar covers lengths from `start` (included) to `start` plus the bars' width (excluded).
    """

    start: int
    kind: str
    traces: int


@dataclass(frozen=True)
class PoolAnswers:
    """A pool's facts, with each problem's votes by its id and the histogram of lengths."""

    facts: PoolFacts
    votes: Mapping[str, Votes]
    lengths: tuple[Lengths, ...]
    width: int

    @cached_property
    def redundancy(self) -> Estimate | None:
        """Share of pairs of one problem's traces that agree.

        As defined in `judges.evaluation.redundancy`.
        """
        problems = self.facts.problems
        return bootstrap(len(problems)).ratio(
            [each.same_pairs for each in problems], [each.pairs for each in problems]
        )

    @cached_property
    def mean_redundancy(self) -> Estimate | None:
        """Mean over problems with pairs of the same share within each problem."""
        shares = [each.redundancy for each in self.facts.problems if each.redundancy is not None]
        return bootstrap(len(shares)).mean(shares) if shares else None

    @cached_property
    def cons_at_k(self) -> Mapping[int, Estimate]:
        """Accuracy of majority voting over k traces, for the same k as `PoolFacts.pass_at_k`."""
        votes = [self.votes[each.problem_id] for each in self.facts.problems]
        over = bootstrap(len(votes))
        return {
            k: over.mean([expected_vote(each, k, index) for index, each in enumerate(votes)])
            for k in self.facts.pass_at_k
        }


def read_answers(library: Library, pool: str) -> PoolAnswers:
    """Read the answers and lengths of the traces of a pool, which must be in the library.

    Raises
    ------
    UserError
        The pool's rows cannot be read, though its footers can; or traces are unfinished.
    """
    row = library.pool_row(pool)
    if row and row["unfinished"]:
        raise UserError(
            f"{row['unfinished']:,} of {row['traces']:,} traces are unfinished: pass@k, cons@k and "
            "lengths are not known"
        )
    with readable_pool(pool):
        facts = pool_facts(library.catalogue, pool)
        classes = library.rows(
            "SELECT problem_id, min(answer) AS answer, bool_or(correct) AS correct, "
            "count(*) AS votes FROM traces WHERE pool = ? AND answer IS NOT NULL "
            "GROUP BY problem_id, answer_class ORDER BY problem_id, votes DESC, min(trace_id)",
            [pool],
        )
        width = bin_width(int(facts.lengths[-1]) + 1)
        bars = library.rows(
            f"SELECT num_tokens // {width} AS place, CASE WHEN correct THEN '{RIGHT}' "
            f"WHEN answer IS NULL THEN '{NO_ANSWER}' ELSE '{WRONG}' END AS kind, "
            "count(*) AS traces FROM traces WHERE pool = ? GROUP BY ALL ORDER BY ALL",
            [pool],
        )
    grouped: dict[str, list[Row]] = {}
    for row in classes:
        grouped.setdefault(row["problem_id"], []).append(row)
    votes = {
        problem.problem_id: Votes(
            votes=tuple(row["votes"] for row in grouped.get(problem.problem_id, ())),
            right=tuple(row["correct"] for row in grouped.get(problem.problem_id, ())),
            answers=tuple(row["answer"] or "" for row in grouped.get(problem.problem_id, ())),
            none=problem.no_answer,
        )
        for problem in facts.problems
    }
    lengths = tuple(Lengths(row["place"] * width, row["kind"], row["traces"]) for row in bars)
    return PoolAnswers(facts, votes, lengths, width)


@contextmanager
def readable(what: str, remedy: str = "") -> Iterator[None]:
    """Raise a `UserError` if a query within fails: `what` cannot be read, why, and the remedy."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].strip()
        raise UserError(f"{what} cannot be read ({reason}){remedy}") from None


def readable_pool(name: object) -> AbstractContextManager[None]:
    """Raise a `UserError` if a pool's rows cannot be read, though its footers can."""
    return readable(f"{name}:", "; deepprune-sim data verify says more")


def count_traces(library: Library, pool: str) -> Sequence[int]:
    """Return the number of traces of each problem of a pool.

    Raises
    ------
    UserError
        The pool's files cannot be read.
    """
    with readable_pool(pool):
        rows = library.rows(
            "SELECT count(*) AS n FROM traces WHERE pool = ? GROUP BY problem_id ORDER BY 1", [pool]
        )
    return [row["n"] for row in rows]


def bin_width(tokens: int, bins: int = BINS) -> int:
    """Return the least of 1, 2, 5, 10, 20, 50, … with which `bins` bars cover `tokens` tokens."""
    widths = (factor * int(10**power) for power in count() for factor in (1, 2, 5))
    return next(width for width in widths if width * bins >= tokens)


def expected_vote(votes: Votes, k: int, stream: int = 0) -> float:
    """Return the probability that majority voting over k random traces is right.

    Traces are drawn without replacement. A tie goes to the class seen first
    (`simulator.policy.voting`), which in a random order is each of the tied ones equally often; no
    vote at all is wrong. Exact for k = 1, for all traces, and if all traces are right or none is;
    else the mean over `HANDS` random subsets, with a standard error of at most 1.6 points per
    problem.

    Parameters
    ----------
    k
        Between 1 and the number of traces.
    stream
        Index of the problem in its pool, so that the problems' draws are independent.
    """
    if not any(votes.right):
        return 0.0
    if all(votes.right) and not votes.none:
        return 1.0
    counts = np.array(votes.votes, dtype=np.int64)
    right = np.array(votes.right)
    if k == 1:
        return float(counts[right].sum() / votes.traces)
    if k == votes.traces:
        hands = counts[None]
    else:
        rng = np.random.default_rng([SEED, stream, k])
        hands = rng.multivariate_hypergeometric([*votes.votes, votes.none], k, HANDS)[:, :-1]
    return _share_won(hands, right)


def _share_won(hands: np.ndarray[tuple[int, ...], np.dtype[np.int64]], right: object) -> float:
    """Return how often a right class wins, with ties shared; `hands` has shape (hands, classes)."""
    most = hands.max(axis=1, keepdims=True)
    winners = (hands == most) & (most > 0)
    tied = winners.sum(axis=1)
    won = (winners & right).sum(axis=1)
    return float(np.divide(won, tied, out=np.zeros(len(hands)), where=tied > 0).mean())


def shares(votes: Votes) -> Sequence[tuple[str, float, str]]:
    """Divide a problem's traces by kind: name, share of all traces, and the answer if there is one.

    The kinds are "right", "commonest wrong", "other wrong" and "no answer", each once, in this
    order.
    """
    both = list(zip(votes.votes, votes.right, votes.answers, strict=True))
    right = [(count, answer) for count, is_right, answer in both if is_right]
    wrong = [(count, answer) for count, is_right, answer in both if not is_right]
    others = wrong[1:]
    groups = (
        (RIGHT, right, right[0][1] if right else ""),
        ("commonest wrong", wrong[:1], wrong[0][1] if wrong else ""),
        ("other wrong", others, f"{len(others)} answer{'s' * (len(others) > 1)}" * bool(others)),
    )
    found = [
        (kind, sum(count for count, _ in group) / votes.traces, answer)
        for kind, group, answer in groups
    ]
    return [*found, (NO_ANSWER, votes.none / votes.traces, "")]
