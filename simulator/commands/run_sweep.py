"""Output of `deepprune-sim run` for a sweep: one table, and one plot in the sweep's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.commands.options import print_json
from simulator.commands.run_output import print_heading, print_notes, shown

if TYPE_CHECKING:
    from simulator.runs.sweep import Sweep

PLOT = "sweep.png"
"""File name of the plot in the sweep's folder."""


def get_ready() -> None:
    """Import what draws the plot of a sweep, and start its renderer; slow."""
    from simulator.report.plotting.plot import render_nothing

    render_nothing()


def show_sweep(
    sweep: Sweep,
    folder: Path,
    summaries: Sequence[dict[str, Any]],
    as_json: bool,
    axes: tuple[str, ...],
) -> None:
    """Plot and print the finished sweep in `folder`; `axes` are those of its Pareto front."""
    from simulator.api.plan import note_idle_parameters, note_idle_rules, stop_rules, unanswered
    from simulator.commands.report import write_whole
    from simulator.report.comparison import compare
    from simulator.report.plotting.plot import plot
    from simulator.runs.results import read_results
    from simulator.runs.sweep import changed_nothing

    runs = [folder / name for name in sweep.folders]
    comparison = compare([result for run in runs for result in read_results(run)], axes=axes)
    write_whole(folder / PLOT, plot(comparison, "png"))
    if as_json:
        entries = [
            {"run": str(run), "stop_rules": stop_rules(run), "no_answer": unanswered(run)} | summary
            for run, summary in zip(runs, summaries, strict=True)
        ]
        about = {"plot": str(folder / PLOT), "changed_nothing": changed_nothing(folder)}
        print_json({"sweep": str(folder)} | about | {"runs": entries})
        return
    front = {
        (row.result.path, row.result.pool): bool(row.pareto)
        for row in comparison.rows
        if not row.result.unranked
    }
    print_sweep(sweep, runs, summaries, front, unanswered(runs[0]), axes)
    note_idle_rules(runs, summaries[0])
    note_idle_parameters(folder, sweep)
    click.echo(f"sweep: {folder} ({len(runs)} runs, {PLOT})")


def print_sweep(
    sweep: Sweep,
    runs: Sequence[Path],
    summaries: Sequence[dict[str, Any]],
    front: Mapping[tuple[Path, str], bool],
    unanswered: Mapping[str, float],
    axes: Sequence[str],
) -> None:
    """Print a table for each pool on standard output, with a row for each setting in grid order.

    Tokens from ten thousand on are in thousands, with at least three significant digits. Their cost
    with probes and judge is shown if some setting uses them, and the clock if it is one of `axes`.

    `front` maps a run and a pool to True if the run is on the pool's Pareto front. `unanswered` is
    the share of traces without an answer by pool.
    """
    from simulator.report.axes import CLOCK, DEFAULT, shown_axes
    from simulator.report.tables import FOLD, print_table
    from simulator.runs.sweep import BUDGET, shown_parameter

    several = BUDGET in sweep.names
    for number, entry in enumerate(summaries[0]["pools"]):
        print_heading(entry, unanswered, several)
        chosen = "baseline_tied" in entry
        named = "cons@N" if several and not chosen else entry["baseline"]
        against = f"against {named}, points"
        headers = [*map(shown_parameter, sweep.names), "accuracy, % [95%]", against]
        unit, scale, form = "", 1.0, "{:,.0f}"
        least = min(
            summary["pools"][number]["metrics"]["tokens_per_problem"]["value"]
            for summary in summaries
        )
        if least >= 10_000:
            unit, scale, form = ", 10^3", 1e-3, "{:,.0f}" if least >= 100_000 else "{:,.1f}"
        metrics_of = [summary["pools"][number]["metrics"] for summary in summaries]
        ties = [summary["pools"][number].get("baseline_tied") for summary in summaries]
        others = ("probe_tokens", "judge_calls")
        spends = any(each[name]["value"] for each in metrics_of for name in others)
        timed = CLOCK in axes
        headers += [f"tokens a problem{unit}", *[f"cost{unit}"] * spends]
        headers += [*[f"clock, {entry['clock_unit']}"] * timed, "reduction, %", "Pareto"]
        rows = []
        for setting, run, metrics, tied in zip(sweep.settings, runs, metrics_of, ties, strict=True):
            on_front = front.get((run, entry["pool"]))
            rows.append(
                [
                    *setting.swept.values(),
                    with_interval(metrics["accuracy"], 100, "{:.1f}"),
                    with_interval(metrics["accuracy_difference"], 100, "{:+.1f}")
                    + " =" * bool(tied),
                    with_interval(metrics["tokens_per_problem"], scale, form),
                    *[_cost(metrics, scale, form)] * spends,
                    *[with_interval(metrics["clock"], 1, "{:,.0f}")] * timed,
                    with_interval(metrics["reduction"], 100, "{:.1f}"),
                    "unranked"
                    if on_front is None
                    else "yes"
                    if on_front
                    else ""
                    if "cost" in metrics
                    else "unknown",
                ]
            )
        right = [True] * (len(headers) - 1)
        print_table(headers, rows, right, give_up=[FOLD, "reduction, %", against])
        click.echo()
    by = "Pareto: no other setting is as good in both cost and accuracy and better in one."
    if axes != DEFAULT:
        amount = "both" if len(axes) == 2 else "all"
        by = f"Pareto, by {shown_axes(axes)}: no other setting is as good in {amount} and better "
        by += "in one."
    print_notes(summaries[0], f"{' = is tied with it.' * chosen} {by}")


def _cost(metrics: Mapping[str, Mapping[str, float | None]], scale: float, form: str) -> str:
    return with_interval(metrics["cost"], scale, form) if "cost" in metrics else "unknown"


def with_interval(estimate: Mapping[str, float | None], scale: float, form: str) -> str:
    """Format a value with its interval in brackets."""
    _, value, interval = shown("", estimate, scale, form)
    return f"{value} {interval}" if estimate["low"] is not None else value
