"""Protocol of an engine that generates the traces of one problem.

Whatever runs the model is behind it: vLLM, transformers, a server. It may generate more than it is
asked for, in any order and batch: everything that it gives is kept, and `LiveEngine` alone decides
which of it a policy sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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


class TokenSource(Protocol):
    """An engine that generates the traces of one problem, numbered from 0."""

    def generate(self, wanted: Mapping[int, int]) -> Iterator[Piece]:
        """Generate until each of these traces has at least so many tokens, or has ended.

        Yields what is generated as it comes, of these and of other traces. A trace that was not
        generated before begins; one that was goes on with its next token.
        """

    def probe(self, places: Sequence[tuple[int, int]]) -> Sequence[str | None]:
        """Return the answer that each trace would give if it were cut at a number of tokens.

        `places` are traces and numbers of tokens, all of them generated.
        """
