"""Options of a verification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from simulator.loading import LoadedPolicy
    from simulator.pools.pool import Pool
    from simulator.runs.spec import RunJudge


MAX_MEMORY = 16 * 2**30
"""The most address space that verifying one submission may take, in bytes."""


Progress = Callable[[str, float], None]


class JudgeOf(Protocol):
    """A function that opens the judge that a run's record names."""

    def __call__(
        self, recorded: Mapping[str, Any], loaded: LoadedPolicy, pools: Sequence[Pool], /
    ) -> RunJudge: ...


@dataclass(frozen=True)
class Options:
    """How submissions are verified.

    Parameters
    ----------
    cache
        The folder of pools.
    run_again
        Whether policies are run again.
    repeats
        How many repeats of them; None for all.
    seed
        The other seed that is tried; None to draw one that nobody can have known.
    timeout
        Seconds after which a submission is given up.
    judge_of
        Makes the judge that a run's record names, given the folder of pools; can be pickled.
    """

    cache: Path
    run_again: bool = True
    repeats: int | None = None
    seed: int | None = None
    timeout: float = 6 * 3600.0
    judge_of: Callable[[Path], JudgeOf] | None = None
