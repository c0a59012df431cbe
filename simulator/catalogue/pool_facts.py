"""Metrics of a pool's lengths and answers: pass@k, voting, redundancy, lengths."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from simulator.catalogue.views import Catalogue
from simulator.statistics import Estimate, bootstrap, pass_at_k

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class ProblemFacts:
    """Facts about one problem.

    Of the `pairs` of traces that both have an answer, `same_pairs` have the same one.
    `consensus_correct` is True if the plurality answer of all traces is correct. A tie goes to the
    class of the trace with the lowest id; a problem without any answer is wrong.
    """

    problem_id: str
    gold_answer: str
    traces: int
    tokens: int
    correct: int
    no_answer: int
    distinct_answers: int
    consensus_correct: bool
    same_pairs: int
    pairs: int

    @property
    def redundancy(self) -> float | None:
        """Share of pairs with the same answer, or None if fewer than two traces have an answer."""
        return self.same_pairs / self.pairs if self.pairs else None


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """Facts about a pool. `lengths` are tokens at each of `QUANTILES`, interpolated linearly."""

    problems: list[ProblemFacts]
    lengths: list[float]
    finish_reasons: dict[str, int]

    @property
    def pass_at_1(self) -> float:
        """Mean over problems of the share of traces that are correct."""
        return sum(each.correct / each.traces for each in self.problems) / len(self.problems)

    @property
    def pass_at_k(self) -> dict[int, Estimate]:
        """Chance, by k, that at least one of k random traces is correct, averaged over problems.

        The unbiased estimator (`statistics.pass_at_k`) for k = 1, 2, 4, … and for the smallest
        number of traces of any problem, with 95% intervals over problems.
        """
        traces = [each.traces for each in self.problems]
        correct = [each.correct for each in self.problems]
        least = min(traces)
        sizes = [2**power for power in range(least.bit_length()) if 2**power < least]
        over = bootstrap(len(self.problems))
        return {k: over.mean(pass_at_k(traces, correct, k)) for k in [*sizes, least]}

    @property
    def consensus(self) -> Estimate:
        """Accuracy of cons@all with its 95% interval over problems."""
        votes = [float(each.consensus_correct) for each in self.problems]
        return bootstrap(len(self.problems)).mean(votes)

    @property
    def consensus_accuracy(self) -> float:
        """Accuracy of cons@all: a majority vote over all stored traces of each problem."""
        return sum(each.consensus_correct for each in self.problems) / len(self.problems)

    @property
    def redundancy(self) -> float | None:
        """Same-answer pairs over all pairs, both summed over problems (arXiv 2510.08483)."""
        pairs = sum(each.pairs for each in self.problems)
        return sum(each.same_pairs for each in self.problems) / pairs if pairs else None

    @property
    def mean_redundancy(self) -> float | None:
        """Mean of the problems' redundancy, without problems that have no pair."""
        shares = [each.redundancy for each in self.problems if each.redundancy is not None]
        return sum(shares) / len(shares) if shares else None

    @property
    def mean_length(self) -> float:
        """Mean number of tokens per trace."""
        return sum(each.tokens for each in self.problems) / self.traces

    @property
    def traces(self) -> int:
        """Number of traces."""
        return sum(each.traces for each in self.problems)

    @property
    def no_answer(self) -> int:
        """Number of traces without an answer."""
        return sum(each.no_answer for each in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """Convert all facts to a dict for JSON."""
        return {
            "pass_at_1": self.pass_at_1,
            "pass_at_k": {str(k): chance.as_dict() for k, chance in self.pass_at_k.items()},
            "consensus_accuracy": self.consensus_accuracy,
            "consensus": self.consensus.as_dict(),
            "redundancy": self.redundancy,
            "mean_redundancy": self.mean_redundancy,
            "mean_length": self.mean_length,
            "length_quantiles": dict(zip(map(str, QUANTILES), self.lengths, strict=True)),
            "no_answer": self.no_answer,
            "finish_reasons": self.finish_reasons,
            "per_problem": [
                asdict(each) | {"redundancy": each.redundancy} for each in self.problems
            ],
        }


def pool_facts(catalogue: Catalogue, pool: str) -> PoolFacts:
    """Compute the facts about the pool named `pool`, which must be in the catalogue.

    They are exact: nothing is sampled.
    """
    rows = catalogue.rows(
        """
        WITH mine AS (SELECT * FROM traces WHERE pool = $1),
        classes AS (
            SELECT problem_id, count(*) AS votes, min(trace_id) AS seen, bool_or(correct) AS correct
            FROM mine WHERE answer_class >= 0 GROUP BY problem_id, answer_class
        ),
        votes AS (
            SELECT problem_id,
                count(*) AS distinct_answers,
                first(correct ORDER BY votes DESC, seen) AS consensus_correct,
                sum(votes * (votes - 1) // 2)::BIGINT AS same_pairs
            FROM classes GROUP BY problem_id
        ),
        counts AS (
            SELECT problem_id, count(*) AS traces, sum(num_tokens)::BIGINT AS tokens,
                count(*) FILTER (correct) AS correct,
                count(*) FILTER (answer IS NULL) AS no_answer,
                count(*) FILTER (answer_class >= 0) AS voting
            FROM mine GROUP BY problem_id
        )
        SELECT problem_id, gold_answer, traces, tokens, correct, no_answer,
            coalesce(distinct_answers, 0) AS distinct_answers,
            coalesce(consensus_correct, false) AS consensus_correct,
            coalesce(same_pairs, 0) AS same_pairs,
            voting * (voting - 1) // 2 AS pairs
        FROM counts
        JOIN (SELECT problem_id, gold_answer FROM problems WHERE pool = $1) USING (problem_id)
        LEFT JOIN votes USING (problem_id)
        ORDER BY problem_id
        """,
        [pool],
    )
    (lengths,) = catalogue.rows(
        f"SELECT quantile_cont(num_tokens, {list(QUANTILES)}) AS q FROM traces WHERE pool = $1",
        [pool],
    )
    reasons = catalogue.rows(
        "SELECT coalesce(finish_reason, 'not recorded') AS reason, count(*) AS n FROM traces "
        "WHERE pool = $1 GROUP BY ALL ORDER BY n DESC, reason",
        [pool],
    )
    return PoolFacts(
        problems=[ProblemFacts(**row) for row in rows],
        lengths=lengths["q"],
        finish_reasons={row["reason"]: row["n"] for row in reasons},
    )
