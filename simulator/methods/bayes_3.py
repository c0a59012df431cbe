from functools import lru_cache

import numpy as np
import numpy.typing as npt

from simulator import Answer, Policy, Problem, Sampler, majority_vote, top_two


class Bayes3(Policy):
    """Bayesian L=3: one trace at a time until the leader is likely enough the model's first choice.

    Of the votes, three numbers count: those of the leader, of the second and of all others. A prior
    says how likely a trace gives the problem's most likely answer, its second and so on. The policy
    stops when, over all priors, the leader is the most likely answer with probability 1 − delta.
    The paper estimates the priors on 70% of its questions; the default ones are ours.
    """

    source = "arXiv 2602.05395"
    budget = 40
    delta = 0.05
    priors = "0.9+0.07+0.03/0.7+0.2+0.1/0.5+0.3+0.2/0.4+0.3+0.2+0.1"  # of a problem's answers

    def validate(self) -> None:
        if not 0 < self.delta < 1:
            raise ValueError("needs 0 < delta < 1")
        table_of(self.priors)

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        for _ in range(sampler.budget):
            sampler.decode(sampler.start(1))
            first, second = top_two(sampler.traces)
            rest = int(np.count_nonzero(sampler.traces.answer >= 0)) - first - second
            if first and chance_of_first(first, second, rest, self.priors) >= 1 - self.delta:
                break
        return majority_vote(sampler.traces)


def table_of(priors: str) -> npt.NDArray[np.float64]:
    """Return the priors of a text, shape (priors, answers), padded with zeros."""
    try:
        rows = [sorted(map(float, prior.split("+")), reverse=True) for prior in priors.split("/")]
    except ValueError:
        rows = [[]]
    if not all(row and row[-1] > 0 and abs(sum(row) - 1) < 1e-6 for row in rows):
        raise ValueError("each prior needs numbers above 0 that sum to 1")
    table = np.zeros((len(rows), max(map(len, rows))))
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return table


@lru_cache(maxsize=100_000)
def chance_of_first(first: int, second: int, rest: int, priors: str) -> float:
    """Return the probability that the leader is the most likely answer, given the three counts.

    It is the likelihood that the leader has rank 0, over that of all ranks, summed over the priors;
    0 where no prior explains the counts.
    """
    p = table_of(priors)
    ranks = p.shape[1]
    likelihood = np.zeros((len(p), ranks))  # of the counts, if the leader has this rank
    for i in range(ranks):
        if not second:
            likelihood[:, i] = p[:, i] ** first
            continue
        for j in set(range(ranks)) - {i}:
            others = np.delete(p, [i, j], axis=1)
            scattered = ways_of_others(others, rest, second, leading=2 if first == second else 1)
            likelihood[:, i] += p[:, i] ** first * p[:, j] ** second * scattered
    total = float(likelihood.sum())
    return float(likelihood[:, 0].sum()) / total if total else 0.0


def ways_of_others(
    p: npt.NDArray[np.float64], rest: int, most: int, leading: int
) -> npt.NDArray[np.float64]:
    """Return the probability that the other answers share the rest, none with more than `most`.

    Where m of them have `most`, they tie with `leading` answers, and each choice of those that are
    called leader and second is as likely: one of C(leading + m, leading).

    Parameters
    ----------
    p
        Probabilities of the other answers, shape (priors, answers).
    """
    # By ties and votes given out so far: the probability of the votes among those given out.
    ways = np.zeros((len(p), p.shape[1] + 1, rest + 1))
    ways[:, 0, 0] = 1
    for k in range(p.shape[1]):
        more = np.zeros_like(ways)
        for votes in range(min(most, rest) + 1):
            given = np.arange(votes, rest + 1)
            chosen = choose(given, votes) * p[:, k, None, None] ** votes
            moved = ways[:, :, : rest + 1 - votes] * chosen
            if votes == most:
                more[:, 1:, votes:] += moved[:, :-1]
            else:
                more[:, :, votes:] += moved
        ways = more
    ties = np.arange(ways.shape[1])
    alike: npt.NDArray[np.float64] = (ways[:, :, rest] / choose(leading + ties, leading)).sum(
        axis=1
    )
    return alike


def choose(n: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.float64]:
    """Return C(n, k) of each n."""
    steps = np.arange(k)
    product: npt.NDArray[np.float64] = np.prod((n[..., None] - steps) / (steps + 1), axis=-1)
    return product
