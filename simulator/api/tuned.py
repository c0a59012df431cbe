"""`tune`: tunings from Python, with the results of the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.api.results import Run, Runs, read_run
from simulator.api.running import number, policy_of, pool_names, run_options, terms, values_of
from simulator.errors import TimedOut, UserError
from simulator.runs.format import WORK
from simulator.workers.opening import open_workers

if TYPE_CHECKING:
    import pandas as pd

    from simulator.api.pools import OpenPool


@dataclass(frozen=True, repr=False, eq=False)
class Tuned:
    """A finished tuning: settings tried on some problems, and the choice tested on others.

    Attributes
    ----------
    path
        Its folder.
    result
        The content of `result.json`.
    """

    path: Path
    result: Mapping[str, Any]

    @property
    def chosen(self) -> dict[str, str]:
        """Values of the chosen setting, as typed."""
        return dict(self.result["chosen"]["set"])

    @property
    def tried(self) -> Runs:
        """Runs of all settings on the problems to tune on."""
        runs = read_run(self.path / "tune")
        assert isinstance(runs, Runs)
        return runs

    @property
    def test(self) -> Run:
        """Run of the chosen setting on the problems to test on."""
        run = read_run(self.path / "test")
        assert isinstance(run, Run)
        return run

    def figures(self) -> pd.DataFrame:
        """Return the figures of the chosen and the default setting on both sides, and the gaps.

        Returns
        -------
        A frame with index `setting, figure, side` (chosen or default; tune, test or gap) and
        columns `value, low, high`. Fractions stay fractions.
        """
        import pandas as pd

        ends = ("value", "low", "high")
        rows = [
            {"setting": setting, "figure": name, "side": side} | {end: found[end] for end in ends}
            for setting, figures in zip(("chosen", "default"), self.result["figures"], strict=False)
            for name, sides in figures.items()
            for side, found in sides.items()
        ]
        return pd.DataFrame(rows).set_index(["setting", "figure", "side"]).astype(float)

    def __repr__(self) -> str:
        from simulator.report.text import table_of
        from simulator.studies.tuned import tables

        return f"tuning: {self.path}\n{table_of(tables(self.result)[0], [])}".rstrip()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def tune(
    policy: str | os.PathLike[str] | type,
    tune_on: str | OpenPool | Sequence[str | OpenPool],
    test_on: str | OpenPool | Sequence[str | OpenPool] | None = None,
    *,
    tune_problems: str | Sequence[str] | None = None,
    test_problems: str | Sequence[str] | None = None,
    random: int | None = None,
    target: str = "cheapest-tied",
    margin: float | None = None,
    budget_tokens: float | None = None,
    budget_steps: float | None = None,
    output: str | os.PathLike[str] | None = None,
    resume: bool = False,
    jobs: int | None = None,
    ray: str | None = None,
    cache: str | os.PathLike[str] | None = None,
    **parameters: Any,
) -> Tuned:
    """Choose settings on some problems, and test the choice on others, as `deepprune-sim tune`.

    Parameters
    ----------
    policy
        As for `run`.
    tune_on, test_on
        Pools, as for `run`. Without `test_on`, the other problems of the same pools are tested on.
    tune_problems, test_problems
        Parts of their problems: ids, or a text such as `hash:0/2`. None: all.
    random
        Number of settings drawn at random; None for all combinations.
    target, margin, budget_tokens, budget_steps
        Rule of the choice, as the options of `tune`; `margin` is in points (None: 1).
    output, resume, jobs, ray, cache
        As for `run`.
    **parameters
        Parameters of the policy: lists, or with `random` ranges as texts (`"0.5:0.95"`). What `run`
        takes about a replay may be given here, too: `budget`, `repeats`, `seed`, `concurrency`,
        `step_seconds`, `serving`, `judge`, `judge_cost`, `model_params`, `probe_cost`,
        `in_process`, `timeout`.

    Returns
    -------
    A `Tuned`.

    Raises
    ------
    UserError
        An argument, a file or the policy is wrong, or no setting can be chosen.
    """
    options = run_options(parameters)
    spec, source = policy_of(policy)
    grid = {name: values_of(name, value) for name, value in parameters.items()}
    if source is not None:
        raise UserError("tune takes a built-in name or a file; write the class to a file")
    draw = None if random is None else number("random", random, 2)
    with open_workers(number("jobs", jobs, 1), WORK, ray=ray) as workers:
        from simulator.api.tuning import Side, make_tuning, plan_tuning, tuning_folder
        from simulator.studies.choosing import target_of

        rule = target_of(target, margin, budget_tokens, budget_steps)
        on = Side(pool_names(tune_on), terms(tune_problems))
        test = Side(pool_names(test_on), terms(test_problems))
        planned = plan_tuning(spec, grid, on, test, rule, random=draw, cache=cache, **options)
        folder = tuning_folder(planned, None if output is None else Path(output), resume)
        try:
            result = make_tuning(planned, folder, workers=workers, resume=resume, command=[])
        except (KeyboardInterrupt, TimedOut):
            from simulator.api.progress import note

            note(f"interrupted; to continue, repeat with output={str(folder)!r}, resume=True")
            raise
    return Tuned(folder, result)
