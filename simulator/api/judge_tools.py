"""The judge's part of the commands, reached by name so that `simulator` imports no judge."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from simulator.loading import LoadedPolicy
    from simulator.pools.pool import Pool
    from simulator.runs.spec import RunJudge

IMPLEMENTATION = "judges.for_commands"
"""The module that offers `JudgeTools`."""

Progress = Callable[[int, int], None]


class RunJudges(Protocol):
    """The judge that a user named for a run, or for every run of a sweep."""

    @property
    def note(self) -> str | None:
        """A note for the user: the commit of the judge's model, where none was named."""

    @property
    def cut(self) -> str | None:
        """Truncation that the judge was trained or scored with; None if it has none of its own."""

    def signals(self, policy: LoadedPolicy) -> frozenset[str]:
        """Return the signals that a pool must store for this policy's traces to be judged."""

    def of(
        self, policy: LoadedPolicy, pools: Sequence[Pool], options: Sequence[str] = ()
    ) -> RunJudge:
        """Return the judge of one run."""


class JudgeTools(Protocol):
    """Everything that the commands of `simulator` ask of the package `judges`."""

    def run_judges(
        self,
        cache: Path,
        spec: str,
        ratio: float | None = None,
        model_params: Sequence[str] = (),
    ) -> RunJudges:
        """Open the judge that `spec` names for runs over the pools below `cache`.

        `ratio` and `model_params` are the values of `--judge-cost` and `--model-params`.
        """

    def recorded_judge(
        self,
        cache: Path,
        recorded: Mapping[str, Any],
        loaded: LoadedPolicy,
        pools: Sequence[Pool],
    ) -> RunJudge:
        """Return the judge that a stranger's run names."""

    def greedy_options(
        self,
        policy: LoadedPolicy,
        settings: Sequence[str],
        budget: int | None,
        repeats: int,
        seed: int,
    ) -> list[str]:
        """Return the options of `judge score` for the pairs that a run asks for."""

    def score_generated(
        self, cache: Path, path: Path, progress: Progress | None = None
    ) -> dict[str, Any]:
        """Store scores for every pair of a generated pool; return judge, path and bytes of them."""

    def stored_scores(self, cache: Path, pool: Pool) -> list[dict[str, Any]]:
        """List the scores that are stored of a pool: judge, spec, pairs, all_pairs of each."""

    def check_scores(
        self, cache: Path, pool: Pool, progress: Progress = lambda done, total: None
    ) -> list[str]:
        """Check the stored scores of a pool; return a line for each fault."""


def load_tools() -> JudgeTools:
    """Import the package `judges` and return what it offers to the commands."""
    tools: JudgeTools = importlib.import_module(IMPLEMENTATION)
    return tools
