"""The text of a trace while its tokens come, and the end of each token in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers.decoders import DecodeStream


class TextStream:
    """The text of one trace, which grows with its tokens.

    A token that ends within a character of several bytes adds nothing; the token that completes it
    adds the character. Special tokens add nothing.

    Parameters
    ----------
    tokenizer
        A tokenizer of transformers, a fast one.
    ids
        Tokens that the trace begins with.
    """

    def __init__(self, tokenizer: Any, ids: Iterable[int] = ()) -> None:
        self._tokenizer = tokenizer.backend_tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self.add(ids)

    def add(self, ids: Iterable[int]) -> tuple[str, list[int]]:
        """Add tokens; return the characters they add, and the end of each token in these."""
        parts, ends, length = [], [], 0
        for token in ids:
            part = self._stream.step(self._tokenizer, token) or ""
            parts.append(part)
            length += len(part)
            ends.append(length)
        return "".join(parts), ends
