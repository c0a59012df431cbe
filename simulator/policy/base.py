"""Policies: the base class that authors derive from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from simulator.policy.sampler import Sampler

Answer = np.int32 | str | None
"""What `solve` returns: an answer class (as votes and traces give it), a text, or None."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a policy knows of a problem beforehand.

    `id` is opaque and the same in every repeat; `question` is None where the pool has none;
    `answer_kind` is `math`, `choice` or `text`.
    """

    id: str
    question: str | None
    answer_kind: str


class Policy:
    """A parallel-scaling method. Derive from it, in one file, and implement `solve`.

    Each problem of each repeat is solved by a shallow copy of the policy (`copy.copy`): what
    `solve` sets on `self` ends with the problem.

    Public class attributes are parameters: `-p name=value` on the command line sets them on the
    instance, converted to the type of the default. These four are not parameters:

    Attributes
    ----------
    requires
        The signals it needs (`text`, `confidence`, `probes`): a pool without one is refused. And
        `judge`, if it asks one: a run is then given one. Where traces are judged, a parameter
        `truncation` says (`tokens=500`, `words=25`).
    budget
        How many traces it may start on a problem where `-n` does not say; None: 512. Fewer where
        a pool holds fewer.
    source
        Where the method was published.
    unranked
        Whether it is a study that no leaderboard ranks.
    """

    requires: ClassVar[set[str] | frozenset[str]] = frozenset()
    budget: ClassVar[int | None] = None
    source: ClassVar[str] = ""
    unranked: ClassVar[bool] = False

    def validate(self) -> None:
        """Raise ValueError, saying what is allowed, if the parameters make no sense."""

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        """Answer one problem with the traces that `sampler` generates."""
        raise NotImplementedError

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """Names and defaults of the parameters, in order of definition, base classes first."""
        return {
            name: value
            for kind in reversed(cls.__mro__)
            for name, value in vars(kind).items()
            if not name.startswith("_")
            and not hasattr(Policy, name)
            and not callable(value)
            and not isinstance(value, classmethod | staticmethod | property)
        }
