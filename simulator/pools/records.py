"""Records of problems and traces, which importers and the generator write to a pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from simulator.answers.equivalence import Classes
from simulator.arrays import Bools, Floats, Ints


@dataclass(slots=True)
class TraceRecord:
    """One trace to be written to a pool.

    `token_ends` are end offsets in characters, shape (num_tokens,). `token_signals` has an array by
    name, shape (num_tokens,). `probe_positions` are tokens generated when probed, ascending, and
    `probe_answers` the answers there (None for no answer); `asked` is False for those that were not
    asked, None if all were. `probe_signals` has an array by name, shape (probes,), with NaN for
    what is not known. `unfinished` traces have all that was generated, and no answer. `answer_form`
    is the form in which the answer was found (`simulator.answers.finding`), empty without one.
    `graded` is the source's grade, which is compared with ours and not stored. `counted` is True if
    `num_tokens` comes from the source, and False if it is an estimate. `given` is the answer in a
    field of the source's own, and `search` says what of the text counts more
    (`simulator.importers.answering`), empty if it is not known.
    """

    trace_id: int
    num_tokens: int
    answer: str | None
    prompt_tokens: int | None = None
    finish_reason: str | None = None
    text: str | None = None
    token_ends: Ints | None = None
    token_signals: dict[str, Floats] = field(default_factory=dict)
    probe_positions: Ints | None = None
    probe_answers: Sequence[str | None] | None = None
    asked: Bools | None = None
    probe_signals: dict[str, Floats] = field(default_factory=dict)
    unfinished: bool = False
    graded: bool | None = None
    counted: bool = True
    answer_form: str = ""
    given: str | None = None
    search: str = ""


@dataclass(slots=True)
class ProblemRecord:
    """One problem to be written to a pool, with all its traces.

    `accepted` are further right answers, beside the gold answer. `grouped` are the classes of the
    traces' answers; None to group them.
    """

    problem_id: str
    question: str | None
    gold_answer: str
    answer_kind: str
    traces: list[TraceRecord]
    accepted: tuple[str, ...] = ()
    grouped: Classes | None = None


def first_unfit(values: Floats) -> int | None:
    """Return the index of the first value that is not finite as a float32; None if all are."""
    with np.errstate(over="ignore"):
        fits = np.isfinite(values.astype(np.float32))
    return None if fits.all() else int(np.argmin(fits))


def unfit(value: float) -> str:
    """Say what is wrong with a value that `first_unfit` has found."""
    return "too large for a float32" if np.isfinite(value) else "not finite"
