"""A problem and its traces on their way into a pool: what importers and the generator produce."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(slots=True)
class TraceRecord:
    """One trace on its way into a pool.

    `token_ends` are end offsets in characters, shape (num_tokens,); `confidence` is one value a
    token, shape (num_tokens,); `probe_positions` are tokens generated when probed, ascending, and
    `probe_answers` the answer given at each (None where there was none). `graded` is the source's
    own verdict, compared with ours and not stored. `counted` is whether `num_tokens` is the
    source's own count rather than an estimate.
    """

    trace_id: int
    num_tokens: int
    answer: str | None
    prompt_tokens: int | None = None
    finish_reason: str | None = None
    text: str | None = None
    token_ends: npt.NDArray[np.int64] | None = None
    confidence: npt.NDArray[np.float64] | None = None
    probe_positions: npt.NDArray[np.int64] | None = None
    probe_answers: Sequence[str | None] | None = None
    graded: bool | None = None
    counted: bool = True


@dataclass(slots=True)
class ProblemRecord:
    """One problem on its way into a pool, with all of its traces."""

    problem_id: str
    question: str | None
    gold_answer: str
    answer_kind: str
    traces: list[TraceRecord]
