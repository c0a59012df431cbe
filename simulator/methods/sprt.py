from math import log

from scipy.special import betainc, betaln

from simulator import Answer, Policy, Problem, Sampler, majority_vote, top_two


class SPRT(Policy):
    """SPRT (ConSol): one trace at a time until a sequential test tells the top two answers apart.

    H0: the two are equally likely (p0); H1: the first is ahead (p1).
    """

    source = "Lee et al. 2025 (ConSol), arXiv 2503.17587"
    budget = 256
    p0 = 0.5
    p1 = 0.5001
    alpha = 0.05
    beta = 1 - 0.05 - 0.000024

    def validate(self) -> None:
        if not 0 < self.p0 < self.p1 < 1 or not 0 < self.alpha < 1 or not 0 < self.beta < 1:
            raise ValueError("needs 0 < p0 < p1 < 1, 0 < alpha < 1 and 0 < beta < 1")

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        accept_h1 = log((1 - self.beta) / self.alpha)
        accept_h0 = log(self.beta / (1 - self.alpha))
        for _ in range(sampler.budget):
            sampler.decode(sampler.start(1))
            log_ratio = self.log_likelihood_ratio(*top_two(sampler.traces))
            if log_ratio >= accept_h1 or log_ratio <= accept_h0:
                break
        return majority_vote(sampler.traces)

    def log_likelihood_ratio(self, first: int, second: int) -> float:
        """Return the log-likelihood of the two vote counts under H1 minus that under H0."""
        return first * log(self.p1 / self.p0) + second * log((1 - self.p1) / (1 - self.p0))


class MSPRT(SPRT):
    """mSPRT (ConSol): SPRT whose alternative is a mixture, Beta(prior, prior) cut to (0.5, 1)."""

    beta = 1 - 0.05 - 0.00006
    prior = 1e6

    def log_likelihood_ratio(self, first: int, second: int) -> float:
        """Return the votes' log-likelihood under the mixture minus that under p0."""
        a, b = self.prior + first, self.prior + second
        mixture = betaln(a, b) + log(1 - betainc(a, b, 0.5))
        normaliser = betaln(self.prior, self.prior) + log(0.5)  # half of the prior is above 0.5
        return float(mixture - normaliser - (first + second) * log(self.p0))
