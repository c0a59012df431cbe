from math import log

from scipy.special import betainc, betaln

from simulator.methods.sprt import SPRT


class MSPRT(SPRT):
    """mSPRT (ConSol): SPRT whose alternative is a mixture, Beta(prior, prior) cut to (0.5, 1)."""

    beta = 1 - 0.05 - 0.00006
    prior = 1e6

    def log_likelihood_ratio(self, first: int, second: int) -> float:
        """Log of the votes' likelihood under the mixture minus that under p0."""
        a, b = self.prior + first, self.prior + second
        mixture = betaln(a, b) + log(1 - betainc(a, b, 0.5))
        normaliser = betaln(self.prior, self.prior) + log(0.5)  # half of the prior is above 0.5
        return float(mixture - normaliser - (first + second) * log(self.p0))
