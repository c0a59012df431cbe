"""The Beta posterior by which sequential methods stop (arXiv 2305.11860, section 3.2)."""

from __future__ import annotations

from scipy.special import betainc


def chance_of_lead(first: float, second: float) -> float:
    """Return P(p1 > p2) of the two leading answers, 1 − I_0.5(first + 1, second + 1).

    Parameters
    ----------
    first, second
        Votes of the two, or sums of their weights.
    """
    return float(1 - betainc(first + 1, second + 1, 0.5))
