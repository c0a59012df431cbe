"""The Beta posterior by which sequential methods stop (arXiv 2305.11860, section 3.2)."""

from __future__ import annotations

from math import exp, lgamma, log


def chance_of_lead(first: float, second: float) -> float:
    """Return P(p1 > p2) of the two leading answers, 1 − I_0.5(first + 1, second + 1).

    A sum of positive terms (DLMF 8.17.8), equal to `scipy.special.betainc` to 12 digits: a policy's
    process imports scipy only for a policy that does.

    Parameters
    ----------
    first, second
        Votes of the two, or sums of their weights, at least 0.
    """
    a, b = max(first, second) + 1, min(first, second) + 1
    behind, number = 0.0, 0
    term = exp(lgamma(a + b) - lgamma(a + 1) - lgamma(b) - (a + b) * log(2))
    while term > 1e-17 * behind:
        behind += term
        term *= (a + b + number) / (a + 1 + number) / 2
        number += 1
    return 1 - behind if first >= second else behind
