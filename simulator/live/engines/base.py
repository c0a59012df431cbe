"""Parts that engines share: the tokenizer and the texts of traces, prompts, seeds, versions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from simulator.errors import UserError, one_line
from simulator.live.engines.detokenizing import TextStream
from simulator.live.engines.prompts import is_closed, prompt_ids
from simulator.live.engines.token_signals import SIGNALS, of_probe
from simulator.live.source import Ledger, Piece, ProbeReply, Sampling, Thousandths
from simulator.signals import PROBE_SIGNALS


class TokenizingEngine:
    """A model with its tokenizer: the part of a `ModelEngine` that generates nothing.

    Parameters
    ----------
    name
        The engine's name.
    about
        Facts that identify the model.
    packages
        Packages whose versions are added to them.
    tokenizer
        Tokenizer of transformers.
    sampling
        Settings of sampling and prompts.

    Attributes
    ----------
    suffix
        Tokens of the probes' suffix.
    """

    signals: tuple[str, ...] = SIGNALS

    def __init__(
        self,
        name: str,
        about: Mapping[str, str],
        packages: Sequence[str],
        tokenizer: Any,
        sampling: Sampling,
    ) -> None:
        versions = {package: _version(package) for package in packages}
        self.about: Mapping[str, str] = {"name": name, **about, **versions}
        self.tokenizer = tokenizer
        self.sampling = sampling
        self.ledger = Ledger()
        self.suffix: list[int] = tokenizer.encode(sampling.probe_suffix, add_special_tokens=False)
        self.suffix_tokens = len(self.suffix)

    @property
    def probe_signals(self) -> tuple[str, ...]:
        """Names of the probe signals that it gives: all, if it gives log-probabilities."""
        return tuple(PROBE_SIGNALS) if self.signals else ()

    def prompt(self, question: str) -> list[int]:
        """Return the tokens that ask a question."""
        return prompt_ids(self.tokenizer, self.sampling.prompt, question)


@dataclass(slots=True)
class Trace:
    """One trace: its text and its tokens so far."""

    text: TextStream
    ids: list[int]
    ended: bool = False

    def grow(
        self, row: int, ids: list[int], signals: Mapping[str, Thousandths], reason: str | None
    ) -> Piece:
        """Add tokens; return the piece of the trace that they make."""
        self.ids += ids
        self.ended = reason is not None
        text, ends = self.text.add(ids)
        return Piece(row, ids, text, ends, signals, reason)


class ProbedAnswer:
    """The answer to a probe, token by token.

    Attributes
    ----------
    ids, text
        Its tokens so far, without one for the end of the text, and what they say.
    """

    def __init__(self, engine: TokenizingEngine) -> None:
        self._engine = engine
        self.ids: list[int] = []
        self.text = ""
        self._logs: list[float] = []
        self._first: Sequence[float] | None = None

    def add(self, token: int, alternatives: Sequence[float], *, is_end: bool) -> bool:
        """Add a token; return True if the answer is closed or ended by it.

        `alternatives` are the log-probabilities of the most likely tokens, in any order, of which
        the token is the first; empty if they are not known.
        """
        if self._first is None:
            self._first = alternatives
        if is_end:
            return True
        self.ids.append(token)
        self.text = str(self._engine.tokenizer.decode(self.ids, skip_special_tokens=True))
        if alternatives:
            self._logs.append(max(alternatives))
        return is_closed(self._engine.sampling.probe_suffix + self.text)

    def reply(self) -> ProbeReply:
        """Return the text with its signals; without any if the engine gives none."""
        if not self._engine.probe_signals:
            return ProbeReply(self.text)
        known = self._logs if len(self._logs) == len(self.ids) else []
        return ProbeReply(self.text, of_probe(known, self._first or ()))


def load_tokenizer(name: str, revision: str | None, option: str) -> Any:
    """Load a fast tokenizer from a folder or the Hub.

    Raises `UserError`, which names the option, if there is none.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{option} {name}: {one_line(error)}") from None
    if not getattr(tokenizer, "backend_tokenizer", None):
        raise UserError(f"{option} {name}: has no fast tokenizer, which live runs need")
    return tokenizer


def seed_of(bits: int, *parts: object) -> int:
    """Return a random number of so many bits, at most 256, that depends on the parts alone."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest) >> (256 - bits)


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:  # another distribution of the package
        return str(__import__(package).__version__)
