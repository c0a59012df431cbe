"""Folders of pools, runs and submissions that the leaderboard reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simulator.pools.folders import CACHE_VARIABLE, cache_folder, runs_folder

RUNS_VARIABLE = "DEEPPRUNE_SIM_RUNS"
SUBMISSIONS_VARIABLE = "DEEPPRUNE_SIM_SUBMISSIONS"
SOURCE_VARIABLE = "DEEPPRUNE_SIM_BOARD"


@dataclass(frozen=True)
class Folders:
    """The three folders that the leaderboard reads; any of them may be missing.

    `source` is the address and commit of the board on the Hub that the submissions are from, such
    as `hf://datasets/OWNER/NAME@0123…`; empty for a folder of this machine.
    """

    cache: Path
    runs: Path
    submissions: Path
    source: str = ""

    @classmethod
    def from_environment(cls) -> Folders:
        """Return the folders given to the command `leaderboard`, else the default ones.

        Raises
        ------
        UserError
            The folder of pools is a file.
        """
        return cls(
            cache_folder(),
            Path(os.environ.get(RUNS_VARIABLE) or runs_folder()),
            Path(os.environ.get(SUBMISSIONS_VARIABLE) or "submissions"),
            os.environ.get(SOURCE_VARIABLE, ""),
        )

    def as_environment(self) -> Mapping[str, str]:
        """Return environment variables from which `from_environment` makes the same folders."""
        return {
            CACHE_VARIABLE: str(self.cache.absolute()),
            RUNS_VARIABLE: str(self.runs.absolute()),
            SUBMISSIONS_VARIABLE: str(self.submissions.absolute()),
            SOURCE_VARIABLE: self.source,
        }
