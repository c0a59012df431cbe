"""Pairwise judges: models that predict whether two unfinished traces reach the same answer.

`protocol` defines judges, `prefixes` cuts the text that they read, `scores` caches their scores,
and `loading` makes a judge from a user's spec. Nothing in `simulator` imports this package; a
replay receives a `judges.scores.cached.CachedScores`.

Part of deepprune-sim.
"""

PACKAGE: str = __path__[0]
"""The folder of this package."""
