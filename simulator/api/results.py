"""Finished runs in Python: `read_run` and `compare`, and their results as tables and plots."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from simulator.errors import UserError
from simulator.runs.format import RUN_FILE

if TYPE_CHECKING:
    import pandas as pd

    from simulator.report.rows import Comparison
    from simulator.report.text import Block
    from simulator.runs.results import Metric, RunResult

COLUMNS = 80
"""Width of a printed result in characters; columns that do not fit are left out."""


class _Shown:
    """A result that prints as a comparison of its runs: a table for each pool."""

    @property
    def _comparison(self) -> Comparison:
        raise NotImplementedError

    @property
    def _heading(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        from simulator.report.text import dispensable

        order = dispensable(self._comparison) if self._panels else ()
        texts = [_text(block, order) for block in self._panels]
        return "\n".join([self._heading, *texts]).rstrip()

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._heading)}</p>" + "".join(map(_html, self._panels))

    @property
    def _panels(self) -> list[Block]:
        """The tables, without columns that are empty."""
        from simulator.report.text import panels

        found = []
        for block in panels(self._comparison):
            columns = list(zip(block.headers, block.right, *block.rows, strict=True))
            headers, right, *rows = zip(*(each for each in columns if any(each[2:])), strict=True)
            found.append(replace(block, headers=headers, right=right, rows=[*map(list, rows)]))
        return found

    def plot(self) -> Any:
        """Plot accuracy against tokens with 95% intervals and the Pareto front, a panel a pool.

        Where a method has three or more N, a second panel has accuracy against N.

        Returns
        -------
        An Altair chart; `chart.save("front.svg")` writes it.
        """
        from simulator.report.plotting.plot import build_chart

        return build_chart(self._comparison)


@dataclass(frozen=True, repr=False, eq=False)
class Run(_Shown):
    """A finished run.

    Attributes
    ----------
    path
        Its folder.
    results
        Its result on each pool, in the order of `summary.json`.
    baseline
        Run that tables, plots and `summary` compare with; None for cons@N on its own traces.
    """

    path: Path
    results: tuple[RunResult, ...]
    baseline: Run | None = None

    def against(self, baseline: Run) -> Run:
        """Return this run with a baseline to compare with."""
        return replace(self, baseline=baseline)

    @cached_property
    def _comparison(self) -> Comparison:
        return _compared([self], self.baseline)

    def _metrics(self, result: RunResult) -> Mapping[str, Metric]:
        """Return the metrics of one of the results, against the baseline if there is one."""
        if self.baseline is None:
            return result.metrics
        from simulator.api.baseline import metrics_against

        ours = (self.path, result.pool)
        rows = self._comparison.rows
        (row,) = (row for row in rows if (row.result.path, row.result.pool) == ours)
        (base,) = (each for each in self.baseline.results if each.pool == result.pool)
        return metrics_against(result.metrics, row.against, base)

    @property
    def _panels(self) -> list[Block]:
        return [] if any(each.unfinished for each in self.results) else super()._panels

    @property
    def _heading(self) -> str:
        unfinished = [each for each in self.results if each.unfinished]
        said = [f"{each.unfinished:,} traces of {each.pool} are unfinished" for each in unfinished]
        return "; ".join([f"run: {self.path}", *said, *[".summary() has its figures"] * bool(said)])

    @property
    def policy(self) -> str:
        """Name of the policy."""
        return self.results[0].policy

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the policy."""
        return dict(self.results[0].parameters)

    def summary(self) -> pd.DataFrame:
        """Return every metric with its 95% interval.

        Returns
        -------
        A frame with index `pool, metric` and columns `value, low, high`; fractions stay fractions.
        `low` and `high` are NaN where a metric has no interval.
        """
        return _figures([self], [])

    def answers(self) -> pd.DataFrame:
        """Return `answers.parquet`: one row per pool, problem and repeat."""
        return _frame(self.path / "answers.parquet")

    def decisions(self) -> pd.DataFrame:
        """Return `decisions.parquet`: one row per started trace of each repeat.

        `num_tokens` are the tokens generated, `started` is a reading of the clock.
        """
        return _frame(self.path / "decisions.parquet")


@dataclass(frozen=True, repr=False, eq=False)
class Runs(_Shown, Sequence[Run]):
    """The runs of a sweep, in the order of its grid: a sequence of `Run`.

    Attributes
    ----------
    path
        The sweep's folder.
    baseline
        As that of a `Run`.
    """

    path: Path
    _runs: tuple[Run, ...]
    baseline: Run | None = None

    def against(self, baseline: Run) -> Runs:
        """Return these runs with a baseline to compare with."""
        return replace(self, _runs=tuple(run.against(baseline) for run in self), baseline=baseline)

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, place: int) -> Run: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Run, ...]: ...
    def __getitem__(self, place: int | slice) -> Run | tuple[Run, ...]:
        return self._runs[place]

    @cached_property
    def _comparison(self) -> Comparison:
        return _compared(self._runs, self.baseline)

    @property
    def _heading(self) -> str:
        return f"sweep: {self.path} ({len(self)} runs)"

    def summary(self) -> pd.DataFrame:
        """Return every metric of every run with its 95% interval.

        Returns
        -------
        A frame as from `Run.summary`, with the parameters that differ in front of its index, and
        `budget` if that does.
        """
        first = self._runs[0].parameters
        differing = [
            name
            for name, value in first.items()
            if any(run.parameters[name] != value for run in self._runs)
        ]
        budgets = [[result.budget for result in run.results] for run in self._runs]
        return _figures(self._runs, differing, any(each != budgets[0] for each in budgets))


@dataclass(frozen=True, repr=False, eq=False)
class RunComparison(_Shown):
    """Runs compared on the pools they share, problem by problem.

    Attributes
    ----------
    comparison
        Rows, best methods and ties, notes.
    """

    comparison: Comparison

    @property
    def _comparison(self) -> Comparison:
        return self.comparison

    @property
    def _heading(self) -> str:
        rows = self.comparison.rows
        pools = len({row.pool for row in rows})
        return f"comparison of {len(rows)} results on {pools} pool{'s' if pools > 1 else ''}"

    @property
    def notes(self) -> list[str]:
        """Notes that belong below the table."""
        return list(self.comparison.notes)

    def frame(self) -> pd.DataFrame:
        """Return one row per pool and method, with unrounded values and the columns of the CSV."""
        import pandas as pd

        from simulator.report.export import raw_combined, raw_rows

        comparison = self.comparison
        combined = [raw_combined(each, comparison) for each in comparison.combined]
        return pd.DataFrame([*raw_rows(comparison), *combined])


def read_run(folder: str | os.PathLike[str]) -> Run | Runs:
    """Read a finished run or sweep.

    Parameters
    ----------
    folder
        Its folder, or its name in `runs/`.

    Returns
    -------
    A `Run`; for a sweep `Runs`, a sequence of them.

    Raises
    ------
    UserError
        There is no such run, it is unfinished, or its files are damaged or of a newer format.
    """
    from simulator.runs.results import read_results
    from simulator.runs.sweep import runs_of

    found = find_run(os.fspath(folder))
    folders = runs_of(found)
    if folders is None:
        return Run(found, tuple(read_results(found)))
    return Runs(found, tuple(Run(each, tuple(read_results(each))) for each in folders))


def compare(
    runs: Iterable[Run | Runs | str | os.PathLike[str]] | Run | str | os.PathLike[str],
    *,
    baseline: str | None = None,
    axes: str | Sequence[str] = "accuracy,total",
) -> RunComparison:
    """Compare runs: accuracy, tokens, and both against cons@N, with 95% intervals.

    Each method is compared with the most accurate one on the same pool, paired by problem.

    Parameters
    ----------
    runs
        Runs, sweeps, or their folders or names in `runs/`.
    baseline
        Method, policy or run to compare with, one of the rows; None for cons@N on each run's own
        traces.
    axes
        Axes of the Pareto front: accuracy and one or more of tokens, total and clock.

    Raises
    ------
    UserError
        There is no run, one cannot be read, or the baseline is not among them.
    """
    from simulator.report.axes import parse_axes
    from simulator.report.comparison import compare as compared

    if isinstance(runs, Run | str | os.PathLike):
        runs = [runs]
    found: dict[Path, Run] = {}
    for each in runs:
        one = each if isinstance(each, Run | Runs) else read_run(each)
        for run in [one] if isinstance(one, Run) else one:
            found.setdefault(run.path, run)
    if not found:
        raise UserError("no runs to compare; give at least one")
    results = [result for run in found.values() for result in run.results]
    chosen = parse_axes(axes if isinstance(axes, str) else ",".join(axes))
    return RunComparison(compared(results, axes=chosen, baseline=baseline))


def _compared(runs: Sequence[Run], baseline: Run | None) -> Comparison:
    from simulator.report.comparison import compare

    every = {run.path: run for run in [*runs, *([] if baseline is None else [baseline])]}
    results = [result for run in every.values() for result in run.results]
    return compare(results, baseline=None if baseline is None else baseline.path.resolve().name)


def find_run(name: str) -> Path:
    """Return the folder of RUN, which is a path or a name in runs/.

    Raises
    ------
    UserError
        No such folder; the message names the nearest run.
    """
    from simulator.pools.folders import runs_folder
    from simulator.runs.sweep import SWEEP

    for folder in (Path(name), runs_folder() / name):
        if folder.is_dir():
            return folder
        if folder.is_file():
            raise UserError(f"{folder}: not the folder of a run; give {folder.parent}")
        partial = folder.parent / f"{folder.name}.partial"
        if partial.is_dir():
            raise UserError(
                f"{partial}: unfinished run; repeat its command with --resume to complete it"
            )
    from difflib import get_close_matches

    marks = (RUN_FILE, SWEEP)
    known = sorted(file.parent.name for mark in marks for file in runs_folder().glob(f"*/{mark}"))
    holding = [run for run in known if Path(name).name in run]
    near = holding or get_close_matches(Path(name).name, known)
    hint = f"did you mean {' or '.join(near[:3])}?" if near else "make one with deepprune-sim run"
    raise UserError(f"{name}: no such run, neither here nor in {runs_folder()}/; {hint}")


def _text(block: Block, dispensable: Sequence[str]) -> str:
    """Format a table as text of at most `COLUMNS` characters a line, without what has no room."""
    from simulator.report.tables import fit

    table = fit(block.headers, block.rows, block.right, COLUMNS, dispensable)
    return f"{block.heading}\n{table.text()}"


def _html(block: Block) -> str:
    """Format a table as HTML."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag} style='text-align:{'right' if right else 'left'}'>{escape(cell)}</{tag}>"
            for cell, right in zip(cells, block.right, strict=True)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in block.rows)
    return (
        f"<table><caption style='text-align:left'>{escape(block.heading)}</caption>"
        f"<thead><tr>{line(block.headers, 'th')}</tr></thead><tbody>{body}</tbody></table>"
    )


def _figures(runs: Sequence[Run], differing: Sequence[str], budgets: bool = False) -> pd.DataFrame:
    """Return the metrics of runs, with the parameters that differ in the index, and `budgets`."""
    import pandas as pd

    rows = [
        {
            **{name: result.parameters[name] for name in differing},
            **({"budget": result.budget} if budgets else {}),
            "pool": result.pool,
            "metric": name,
            "value": metric.value,
            "low": metric.low,
            "high": metric.high,
        }
        for run in runs
        for result in run.results
        for name, metric in run._metrics(result).items()
    ]
    index = [*differing, *["budget"] * budgets, "pool", "metric"]
    return pd.DataFrame(rows).set_index(index).astype(float)


def _frame(file: Path) -> pd.DataFrame:
    import pandas as pd

    from simulator.storage import reading

    with reading(file):
        frame = pd.read_parquet(file)
    for name in frame.select_dtypes("category"):
        frame[name] = frame[name].cat.remove_unused_categories()
    return frame
