"""What a judge is.

A pair of traces is unordered in the method (arXiv 2510.08483), but a model reads one trace before
the other and may answer differently when they are swapped. So a pair has a canonical order here:
the trace with the lower id first. Everyone asks in that order, and a score is the same whoever
asks.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from judges.prefixes import Truncation
from simulator.pools.pool import StoredProblem

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Setting = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything that a judge's scores depend on, and nothing else: not the device, nor the batch.

    Two judges with equal identities may use each other's stored scores.

    Parameters
    ----------
    name
        Kind of judge and, for people, which: `lexical`, `hf-DeepPrune-Judge-4B`.
    weights
        Revision or SHA-256 of the weights; None where there are none.
    prompt
        SHA-256 of the prompt template; None where there is none.
    truncation
        How prefixes are cut; None for a judge that reads no text.
    settings
        Whatever else changes a score: names and values, sorted by name.
    """

    name: str
    weights: str | None = None
    prompt: str | None = None
    truncation: Truncation | None = None
    settings: tuple[tuple[str, Setting], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """What `judge.json` holds of it."""
        return {
            **asdict(self),
            "truncation": None if self.truncation is None else str(self.truncation),
            "settings": dict(self.settings),
        }

    @property
    def folder(self) -> str:
        """Name of the folder of its scores: readable, and different for different identities."""
        digest = hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()
        readable = self.name if self.truncation is None else f"{self.name}-{self.truncation}"
        return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', readable)[:80]}-{digest[:10]}"


class Described(Protocol):
    """What every judge tells about itself, for the record and for its cost."""

    @property
    def identity(self) -> Identity:
        """What its scores depend on."""

    @property
    def parameters(self) -> int | None:
        """Parameters of its model; None where there is no model."""

    @property
    def template_tokens(self) -> int:
        """Tokens read for each pair beside the two prefixes."""

    @property
    def unranked(self) -> bool:
        """Whether it knows what no judge can, so that runs with it are kept out of rankings."""


@runtime_checkable
class Judge(Described, Protocol):
    """A judge that reads text."""

    def score(self, prefixes: Sequence[str], pairs: Ints) -> Floats:
        """P(same final answer) of pairs of traces of one problem.

        Parameters
        ----------
        prefixes
            The prefixes of all traces of the problem, in order of trace id, each cut as
            `identity.truncation` says.
        pairs
            Shape (n, 2): indices into `prefixes`, the lower first.

        Returns
        -------
        Probabilities in [0, 1], shape (n,). Each depends on the prefixes and its own pair, never on
        which other pairs are asked for at the same time (but for the rounding of a batch).
        A judge may keep what it worked out about the last prefixes that it was given: a replay asks
        for a problem's pairs in many small calls.
        """

    def prefix_tokens(self, prefixes: Sequence[str]) -> Ints:
        """Tokens that it reads of each prefix, in its own tokens, shape (len(prefixes),)."""


@runtime_checkable
class StoredJudge(Described, Protocol):
    """A judge that looks at a stored problem, answers included, instead of reading text."""

    def score_stored(self, problem: StoredProblem, pairs: Ints) -> Floats:
        """Like `Judge.score`; `pairs` are indices into the problem's arrays, the lower first."""


AnyJudge = Judge | StoredJudge


def all_pairs(traces: int) -> Ints:
    """All n (n − 1) / 2 pairs of n traces in canonical order, sorted, shape (pairs, 2)."""
    return np.stack(np.triu_indices(traces, 1), axis=1).astype(np.int64)


def tokens_read(prefix_tokens: Ints, template_tokens: int, pairs: Ints) -> tuple[int, int]:
    """Tokens that a judge reads for pairs: each pair in full, and with prefixes reused.

    With reuse, the template and the first trace of a pair are read once for all its partners, as an
    engine with prefix caching does when pairs come sorted.
    """
    first, second = pairs[:, 0], pairs[:, 1]
    partners = int(prefix_tokens[second].sum())
    whole = int(prefix_tokens[first].sum()) + partners + template_tokens * len(pairs)
    once = np.zeros(len(prefix_tokens), dtype=np.bool_)
    once[first] = True
    reused = int(prefix_tokens[once].sum()) + partners + template_tokens * int(once.sum())
    return whole, reused
