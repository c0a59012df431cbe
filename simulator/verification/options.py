"""Options of a verification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.loading import LoadedPolicy
    from simulator.pools.pool import Pool
    from simulator.runs.spec import RunJudge

    JudgeOf = Callable[[Mapping[str, Any], LoadedPolicy, Sequence[Pool]], RunJudge]
    """A function that opens the judge that a run's record names."""

MAX_MEMORY = 16 * 2**30
"""Largest address space for verifying one submission, in bytes."""


Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Options:
    """Settings for verifying submissions.

    Parameters
    ----------
    cache
        The folder of pools.
    run_again
        False to leave out the rerun of policies.
    repeats
        The number of repeats to rerun; None for all.
    seed
        The other seed; None to draw an unpredictable one.
    timeout
        Seconds after which verifying a submission is given up.
    judge_of
        Function that makes the judge that a run's record names, given the folder of pools; must be
        picklable.
    """

    cache: Path
    run_again: bool = True
    repeats: int | None = None
    seed: int | None = None
    timeout: float = 6 * 3600.0
    judge_of: Callable[[Path], JudgeOf] | None = None
