"""Values of rows, from columns of any files: texts, probes, log-probabilities, CSV cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from simulator.arrays import Floats, Ints
from simulator.importers.formats.messages import said_by
from simulator.importers.gathering import MISSING, dig
from simulator.importers.importer import (
    BadRow,
    answer_text,
    checked,
    finite_numbers,
    storable,
    token_count,
)
from simulator.importers.items import parsed_cell
from simulator.importers.mapping import is_conversation
from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS

_CELLS = (
    "trace_id",
    "num_tokens",
    "prompt_tokens",
    "grade",
    *TOKEN_SIGNALS,
    "logprobs",
    "probe_positions",
    "probe_answers",
    *PROBE_SIGNALS,
)
"""Fields whose CSV cells write a number, a truth value or a list in JSON."""

_SPEAKERS = {"text": "assistant", "question": "user"}
"""Fields that may be conversations, and whose messages they are."""

_LIST_IN_CELL = re.compile(r"\[\s*['\"].*\]\s*", re.DOTALL)


def rows_of_tokens(given: Any) -> tuple[Any, Sequence[Any] | None]:
    """Return log-probabilities per token, and the sampled tokens' own, of an API's `logprobs`."""
    if isinstance(given, dict):
        if isinstance(given.get("content"), list):
            return given["content"], None
        if isinstance(given.get("top_logprobs"), list):
            own = given.get("token_logprobs")
            return given["top_logprobs"], own if isinstance(own, list) else None
    return given, None


def value_of_cell(name: str, text: str) -> Any:
    """Return the value that a CSV cell writes. Raises `BadRow` for a list of texts."""
    if name in _CELLS:
        return parsed_cell(text)
    if name in ("text", "answer") and _LIST_IN_CELL.fullmatch(text):
        remedy = "write lists of responses as JSON lines or Parquet"
        raise BadRow(f"{name} is a list in a cell", remedy, text)
    return text


def first_found(sources: Iterable[Any], column: str) -> Any:
    """Return the value of a column in the first source that has it, or `MISSING`."""
    for source in sources:
        value = dig(source, column)
        if value is not MISSING:
            return value
    return MISSING


def joined_parts(parts: list[Any]) -> Any:
    """Join parts, such as reasoning and content, to one text; skip missing and null parts."""
    texts = [part for part in parts if part is not MISSING and part not in (None, "")]
    return "\n\n".join(texts) if all(isinstance(text, str) for text in texts) else texts


def checked_probes(
    values: dict[str, Any], num_tokens: int
) -> tuple[Ints | None, list[str | None] | None]:
    """Return the trace's probe positions, in tokens, and the probes' answers."""
    remedy = "give two lists of one length: tokens generated when probed, and the answers"
    positions, answers = values.get("probe_positions"), values.get("probe_answers")
    if positions is None and answers is None:
        return None, None
    if not isinstance(positions, list) or not isinstance(answers, list):
        raise BadRow("probe_positions or probe_answers is not a list", remedy)
    if len(positions) != len(answers):
        found = f"{len(positions)} and {len(answers)}"
        raise BadRow("probe_positions and probe_answers differ", remedy, found)
    counts = [token_count(each, "probe_positions") for each in positions]
    if any(first >= second for first, second in pairwise(counts)):
        raise BadRow("probe_positions are not ascending", remedy)
    if counts and counts[-1] > num_tokens:
        found = f"{counts[-1]} of {num_tokens}"
        raise BadRow("a probe after the trace's end", remedy, found)
    said = [answer_text(each, "probe_answers") for each in answers]
    return np.array(counts, dtype=np.int64), said


ROUNDING = 1e-6
"""Largest excess over 1 of a probability that was computed from a rounded logarithm."""


def checked_probe_signals(values: dict[str, Any], probes: Ints | None) -> dict[str, Floats]:
    """Return the probe signals of a trace that has these `probes`, by name. Raises `BadRow`."""
    signals = {}
    for name in (name for name in PROBE_SIGNALS if name in values):
        remedy = f"give one number or null a probe, or leave it out with --map {name}="
        if probes is None:
            raise BadRow(f"{name} without probe_positions", remedy)
        if not isinstance(values[name], list) or len(values[name]) != len(probes):
            raise BadRow(f"{name} is not a list with one number a probe", remedy, values[name])
        signals[name] = probe_numbers(values[name], name)
    return signals


def probe_numbers(given: Sequence[Any], name: str) -> Floats:
    """Convert numbers of a probe signal to an array, None to NaN. Raises `BadRow`."""
    most = PROBE_SIGNALS[name].most
    remedy = f"give numbers from 0 to 1 as {name}, or null"
    if most != 1:
        remedy = f"give finite numbers of 0 or more as {name}, or null"
    known = np.array([each is not None for each in given], dtype=np.bool_)
    numbers = np.full(len(given), np.nan)
    numbers[known] = finite_numbers([each for each in given if each is not None], name, remedy)
    outside = numbers[(numbers < 0) | (numbers > most + ROUNDING)]
    if len(outside):
        raise BadRow(f"{name} holds a number that is out of bounds", remedy, outside[0].item())
    capped: Floats = np.minimum(numbers, most)
    return capped


def checked_text(value: Any, what: str) -> str | None:
    """Return a text, that of a conversation's messages, or a finish reason. Raises `BadRow`."""
    if value is None and what != "text":
        return None
    if what in _SPEAKERS and is_conversation(value):
        return storable(said_by(_SPEAKERS[what], value, other_column(what)))
    if what == "finish_reason" and isinstance(value, dict):
        value = value.get("type")
    if what == "text" and isinstance(value, str) and value.lstrip()[:2] in ('["', "['"):
        _check_no_list(value)
    if what == "text" and isinstance(value, dict):
        remedy = "name the list of trace objects with --map traces=COLUMN"
        raise BadRow("text is an object", f"{remedy}, or {other_column(what)}")
    return storable(checked(value, str, f"{what} is not a text", other_column(what)))


def _check_no_list(text: str) -> None:
    """Raise `BadRow` for a list of texts that was written as one text."""
    if _LIST_IN_CELL.fullmatch(text) and isinstance(parsed_cell(text), list):
        raise BadRow("text is a list in a text", "write the list itself", text)


def other_column(name: str) -> str:
    """Return the remedy for a column that does not hold a field."""
    return f"name another column with --map {name}=COLUMN"
