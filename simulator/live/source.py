"""Protocol of an engine that generates the traces of one problem.

Whatever runs the model is behind it: vLLM, transformers, a server. It may generate more than it is
asked for, in any order and batch: everything that it gives is kept, and `LiveEngine` alone decides
which of it a policy sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from operator import add, sub
from typing import Protocol

import numpy as np
import numpy.typing as npt

Thousandths = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens by which one trace has gone on.

    Attributes
    ----------
    row
        Number of the trace.
    token_ids
        Tokens of the model's vocabulary, shape (n,).
    text
        Characters that they add to the trace's text.
    ends
        Characters of `text` up to the end of each token, shape (n,), ascending. A token that ends
        within a character of several bytes ends before it.
    signals
        Token signals in thousandths, by name, each of shape (n,).
    finish_reason
        `stop` or `length` if the trace has ended with these tokens, else None.
    """

    row: int
    token_ids: Sequence[int]
    text: str
    ends: Sequence[int]
    signals: Mapping[str, Thousandths] = field(default_factory=dict)
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeReply:
    """Reply to a probe.

    Attributes
    ----------
    text
        Text after the probe's suffix.
    signals
        Probe signals by name, as the float32 that a pool keeps; empty if the engine gives no
        log-probabilities, NaN where the answer has no token.
    """

    text: str
    signals: Mapping[str, float] = field(default_factory=dict)


class TokenSource(Protocol):
    """An engine's traces of one problem, numbered from 0."""

    def generate(self, wanted: Mapping[int, int]) -> Iterator[Sequence[Piece]]:
        """Generate until each of these traces has at least so many tokens, or has ended.

        Yields what is generated as it comes, of these and of other traces. A trace that was not
        generated before begins; one that was goes on with its next token. With no trace wanted,
        what an engine still generates is ended, and yielded as far as it has come. The numbers in
        `wanted` may change at each yield; an engine that looks at them again wastes less.
        """

    def probe(self, places: Sequence[tuple[int, int]]) -> Sequence[ProbeReply]:
        """Return what each trace says if it is cut at a number of tokens and made to answer.

        `places` are traces and numbers of tokens, all of them generated.
        """


@dataclass(frozen=True)
class Sampling:
    """Settings of sampling and prompts.

    Attributes
    ----------
    temperature, top_p, top_k
        Settings of sampling; a `top_p` of 1 and a `top_k` of 0 leave all tokens.
    max_tokens
        Length limit of a trace.
    seed
        Seed of the run; each trace has its own.
    prompt
        Text that is asked, with `{question}` in it.
    probe_suffix
        Text that is added to a trace to make it answer.
    probe_tokens
        Most tokens of such an answer.
    """

    temperature: float = 0.6
    top_p: float = 0.95
    top_k: int = 0
    max_tokens: int = 4096
    seed: int = 0
    prompt: str = (
        "{question}\n\nPlease reason step by step, and put your final answer within \\boxed{{}}."
    )
    probe_suffix: str = "\n\n**Final Answer**\n\n\\boxed{"
    probe_tokens: int = 20


@dataclass(slots=True)
class Ledger:
    """Work of a model's engine that no policy is charged for, counted in tokens.

    Attributes
    ----------
    prefilled
        Tokens of prompts and of traces that went on later, computed before the next token.
    prefix_hits
        Such tokens that the engine found computed already.
    probe_prompts, probe_outputs
        Tokens read and generated for probes.
    aborts
        Requests that were ended early.
    seconds
        Time spent in the engine.
    """

    prefilled: int = 0
    prefix_hits: int = 0
    probe_prompts: int = 0
    probe_outputs: int = 0
    aborts: int = 0
    seconds: float = 0.0

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(*map(add, astuple(self), astuple(other)))

    def __sub__(self, other: Ledger) -> Ledger:
        return Ledger(*map(sub, astuple(self), astuple(other)))


class ModelEngine(Protocol):
    """A model that generates traces.

    Attributes
    ----------
    ledger
        Its work so far.
    sampling
        Settings of sampling and prompts.
    signals, probe_signals
        Names of the token signals and of the probe signals that it gives.
    suffix_tokens
        Tokens of the probes' suffix.
    """

    ledger: Ledger
    sampling: Sampling
    signals: tuple[str, ...]
    suffix_tokens: int

    @property
    def probe_signals(self) -> tuple[str, ...]: ...

    @property
    def about(self) -> Mapping[str, str]:
        """Facts that what it generates depends on: model, revision, versions, number format."""

    def open(
        self, name: str, question: str, traces: Sequence[Sequence[int]], ended: Sequence[bool]
    ) -> TokenSource:
        """Return the traces of a problem, those begun earlier with their tokens so far.

        `name` is the problem's; with the seed and a trace's number it decides what is sampled.
        """
