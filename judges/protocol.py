"""The interface of judges.

A pair of traces is unordered in the method (arXiv 2510.08483), but a model reads one trace before
the other and may answer differently when they are swapped. So pairs have a canonical order here:
the trace with the lower id first. All callers use this order, so a pair has only one score.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, get_args, runtime_checkable

import numpy as np
import numpy.typing as npt

from judges.prefixes import Truncation
from simulator.replay.judging import TokensRead

if TYPE_CHECKING:  # slow to import
    from simulator.pools.pool import StoredProblem

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Setting = str | int | float | bool

Reads = Literal["prefixes", "pairs", "pairs, shared in a call", "pairs, shared"]
"""Ways in which judges read: an encoder reads each prefix once; a causal model reads each pair, and
may read the beginning of pairs with the same first trace once in a call, or once for all calls."""

READS: tuple[Reads, ...] = get_args(Reads)


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything that a judge's scores depend on, and nothing else: not the device, nor the batch.

    Two judges with equal identities may use each other's stored scores.

    Parameters
    ----------
    name
        Kind of judge and a readable name: `lexical`, `hf-DeepPrune-Judge-4B`.
    weights
        Revision or SHA-256 of the weights; None if there are none.
    prompt
        SHA-256 of the prompt template; None if there is none.
    truncation
        Truncation of prefixes; None for a judge that reads no text.
    settings
        All other settings that change a score: names and values, sorted by name.
    """

    name: str
    weights: str | None = None
    prompt: str | None = None
    truncation: Truncation | None = None
    settings: tuple[tuple[str, Setting], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the identity in the form of `judge.json`."""
        return {
            **asdict(self),
            "truncation": None if self.truncation is None else str(self.truncation),
            "settings": dict(self.settings),
        }

    @property
    def folder(self) -> str:
        """Name of the folder of the scores: readable, and unique for each identity."""
        digest = hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()
        readable = self.name if self.truncation is None else f"{self.name}-{self.truncation}"
        return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', readable)[:80]}-{digest[:10]}"


class QuestionTokens(NamedTuple):
    """Tokens of a problem's question in the prompt of each of its pairs.

    Parameters
    ----------
    shared
        Tokens before the second prefix, which pairs with the same first trace can share.
    tail
        Tokens after it.
    """

    shared: int = 0
    tail: int = 0


NO_QUESTION = QuestionTokens()
"""Of a prompt that has no question."""


class Described(Protocol):
    """Properties of every judge that are recorded and that determine its cost."""

    @property
    def identity(self) -> Identity:
        """Everything that the scores depend on."""

    @property
    def parameters(self) -> int | None:
        """Number of parameters that a token passes through; None if unknown, or without a model."""

    @property
    def reads(self) -> Reads:
        """Way in which the judge reads pairs."""

    @property
    def template_tokens(self) -> int:
        """Number of tokens read for each pair besides the two prefixes and the question."""

    @property
    def tail_tokens(self) -> int:
        """Number of those that follow the second prefix, which no pairs can share."""

    @property
    def unranked(self) -> bool:
        """True if the judge uses ground truth, so that runs with it are kept out of rankings."""


@runtime_checkable
class Judge(Described, Protocol):
    """A judge that reads text."""

    def score(self, prefixes: Sequence[str], pairs: Ints, question: str | None = None) -> Floats:
        """Compute P(same final answer) of pairs of traces of one problem.

        Parameters
        ----------
        prefixes
            The prefixes of all traces of the problem, in order of trace id, each cut at
            `identity.truncation`.
        pairs
            Shape (n, 2): indices into `prefixes`, the lower first.
        question
            The problem's question, for a prompt that has it; None if it is not known.

        Returns
        -------
        Probabilities in [0, 1], shape (n,). Each depends on the prefixes and its own pair, but not
        on the other pairs of the call (except for the rounding of a batch). A judge may cache data
        about the last prefixes it was given, as a replay scores a problem's pairs in many small
        calls.
        """

    def prefix_tokens(self, prefixes: Sequence[str]) -> Ints:
        """Count the judge's own tokens of each prefix, shape (len(prefixes),)."""

    def question_tokens(self, question: str | None) -> QuestionTokens:
        """Count the judge's own tokens of a question in the prompt of each of its pairs."""


@runtime_checkable
class StoredJudge(Described, Protocol):
    """A judge that reads a stored problem, including its answers, instead of text."""

    def score_stored(self, problem: StoredProblem, pairs: Ints) -> Floats:
        """Score pairs like `Judge.score`; `pairs` index the problem's arrays, the lower first."""


AnyJudge = Judge | StoredJudge


def all_pairs(traces: int) -> Ints:
    """Return all n (n − 1) / 2 pairs of n traces in canonical order, sorted, shape (pairs, 2)."""
    return np.stack(np.triu_indices(traces, 1), axis=1).astype(np.int64)


def tokens_read(
    prefix_tokens: Ints,
    template_tokens: int,
    tail_tokens: int,
    reads: Reads | None,
    pairs: Ints,
    call: Ints,
    question: QuestionTokens = NO_QUESTION,
) -> TokensRead:
    """Count the tokens that a judge reads for pairs.

    A shared beginning is the template up to the second prefix, and the first prefix.

    Parameters
    ----------
    prefix_tokens
        The judge's own tokens of each prefix, shape (traces,).
    template_tokens, tail_tokens, reads
        As in `Described`. None counts as runs did that do not record it: as `pairs`, with the tail
        among what is shared.
    pairs
        Pairs in canonical order, shape (n, 2).
    call
        Number that the pairs of one call have in common, shape (n,).
    question
        Tokens of the problem's question in each prompt.
    """
    template_tokens += sum(question)
    tail_tokens += question.tail
    if not len(pairs):
        return TokensRead(0, 0, 0)
    first, second = pairs.T
    if reads == "prefixes":
        once = int(prefix_tokens[_named(pairs, len(prefix_tokens))].sum())
        return TokensRead(once, once, once)
    tail_tokens = 0 if reads is None else tail_tokens
    heads = prefix_tokens + (template_tokens - tail_tokens)
    tails = int(prefix_tokens[second].sum()) + tail_tokens * len(second)
    in_full = int(heads[first].sum()) + tails
    reused = int(heads[_named(first, len(heads))].sum()) + tails
    if reads == "pairs, shared":
        return TokensRead(in_full, reused, reused)
    if reads == "pairs, shared in a call":
        apart = np.unique(call * len(heads) + first) % len(heads)
        return TokensRead(in_full, reused, int(heads[apart].sum()) + tails)
    return TokensRead(in_full, reused, in_full)


def _named(rows: Ints, traces: int) -> npt.NDArray[np.bool_]:
    """Return True for each of `traces` traces that is in `rows`."""
    named = np.zeros(traces, dtype=np.bool_)
    named[rows] = True
    return named
