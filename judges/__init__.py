"""Pairwise judges: how likely two unfinished traces end in the same answer.

`protocol` says what a judge is, `prefixes` what it is shown, `scores` keeps what it said, and
`loading` makes one from what a user typed. Nothing in `simulator` imports this package; a replay is
given a `judges.scores.cached.Scores`.
"""

PACKAGE: str = __path__[0]
"""The folder of this package."""
