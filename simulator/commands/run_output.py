"""The tables and notes that `run` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from simulator.commands.options import counted
from simulator.counting import CHARGED, ORDERED


def print_summary(
    summary: dict[str, Any],
    unanswered: Mapping[str, float],
    charging: str = "",
    order: str = "",
) -> None:
    """Print the metrics of a run on standard output, one table for each pool.

    `unanswered` is the share of traces without an answer by pool; `charging` and `order` say how
    tokens were counted and traces started.
    """
    from simulator.report.tables import print_table

    for entry in summary["pools"]:
        metrics = entry["metrics"]
        print_heading(entry, unanswered)
        against = f"against {entry['baseline']}"
        rows = [
            shown(label, metrics[name], scale, form)
            for label, name, scale, form in (
                ("accuracy, %", "accuracy", 100, "{:.1f}"),
                (f"  {against}, points", "accuracy_difference", 100, "{:+.1f}"),
                ("tokens a problem", "tokens_per_problem", 1, "{:,.0f}"),
                ("tokens in all, 10^8", "tokens_1e8", 1, "{:.3g}"),
                (f"  reduction {against}, %", "reduction", 100, "{:.1f}"),
                (f"clock a problem, {entry['clock_unit']}", "clock", 1, "{:,.0f}"),
            )
            if name in metrics
        ]
        if "baseline_tied" in entry:
            rows.insert(2, (f"  tied with {entry['baseline']}", _verdict(entry), ""))
        rows += about_costs(entry)
        print_table([summary["policy"], "value", "95% interval"], rows, [False, True, True])
        click.echo()
    notes = [CHARGED.get(charging), ORDERED.get(order)]
    print_notes(summary, "".join(f" {note}" for note in notes if note))


def _verdict(entry: Mapping[str, Any]) -> str:
    return {True: "yes", False: "no", None: "unknown"}[entry["baseline_tied"]]


def about_costs(entry: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return rows about probes, the judge, the total cost and clusters, if the run has any."""
    metrics, rows = entry["metrics"], []
    if metrics["probe_calls"]["value"]:
        rows += [
            shown("probes a problem", metrics["probe_calls"], 1, "{:,.0f}"),
            shown("tokens of probes", metrics["probe_tokens"], 1, "{:,.0f}"),
        ]
    if metrics["judge_calls"]["value"]:
        rows += [
            shown("pairs judged a problem", metrics["judge_calls"], 1, "{:,.0f}"),
            shown("tokens computed by the judge", metrics["judge_tokens_charged"], 1, "{:,.0f}"),
            shown("  if no prefix is reused", metrics["judge_tokens"], 1, "{:,.0f}"),
            shown("  if all prefixes are reused", metrics["judge_tokens_reused"], 1, "{:,.0f}"),
        ]
    if rows and "cost" not in metrics:
        rows.append(("cost: unknown, as a model's size is", "", ""))
    elif rows:
        parts = ["tokens"]
        parts += ["probes"] * bool(metrics["probe_calls"]["value"])
        if metrics["judge_calls"]["value"]:
            parts.append(f"{entry['judge_ratio']:.3g} x computed")
        against = f"  reduction against {entry['baseline']}, %"
        rows.append(shown(f"cost: {' + '.join(parts)}", metrics["cost"], 1, "{:,.0f}"))
        if "cost_reduction" in metrics:
            rows.append(shown(against, metrics["cost_reduction"], 100, "{:.1f}"))
        if metrics["judge_calls"]["value"]:
            judged = entry["judge_ratio"] * metrics["judge_tokens_charged"]["value"]
            share = judged / metrics["cost"]["value"]
            rows.append(("  of which the judge, %", f"{100 * share:.1f}", ""))
    if "clusters" in metrics:
        rows += [
            shown("clusters", metrics["clusters"], 1, "{:.1f}"),
            shown("  purity, %", metrics["purity"], 100, "{:.1f}"),
            shown("  completeness, %", metrics["completeness"], 100, "{:.1f}"),
            shown("  adjusted Rand index", metrics["adjusted_rand"], 1, "{:.3f}"),
            shown("  savable, one trace an answer, %", metrics["savable"], 100, "{:.1f}"),
            shown("one trace a cluster: tokens kept", metrics["tokens_kept"], 1, "{:,.0f}"),
            shown("  distinct answers", metrics["clusters_classes"], 1, "{:.1f}"),
            shown("  one is right, %", metrics["clusters_correct"], 100, "{:.1f}"),
        ]
    return rows


def print_heading(
    entry: dict[str, Any], unanswered: Mapping[str, float], several: bool = False
) -> None:
    """Print the heading of a pool's table, with the share without an answer if it is large.

    With `several` budgets, none is named.
    """
    from simulator.pools.summary import MANY

    share = unanswered.get(entry["pool"], 0.0)
    silent = f", {share:.1%} of traces without an answer" if share > MANY else ""
    if "unfinished" in entry:
        silent += f", {counted(entry['unfinished'], 'trace')} unfinished"
    synthetic = " (synthetic)" if entry["synthetic"] else ""
    budget = "" if several else f"N={entry['budget']}, "
    problems = counted(entry["problems"], "problem")
    if "problems_in_pool" in entry:
        problems = f"only {entry['problems']} of {counted(entry['problems_in_pool'], 'problem')}"
    click.echo(
        f"{entry['pool']}{synthetic}: {problems}, "
        f"{budget}token counts {entry['token_accuracy']}{silent}"
    )


def print_notes(summary: dict[str, Any], more: str = "") -> None:
    """Print the notes below all tables."""
    from simulator.report.tables import print_wrapped

    notes = (
        f"{counted(summary['repeats'], 'repeat')}, seed {summary['seed']}. Intervals are 95%, "
        "over problems; "
    )
    chosen = any("baseline_tied" in entry for entry in summary["pools"])
    notes += (
        f"those against {summary['pools'][0]['baseline']} are paired by problem, and tied means "
        "that a sign-flip test does not tell the two apart."
        if chosen
        else "cons@N votes over the same N traces in the same order."
    )
    if any("unfinished" in entry for entry in summary["pools"]):
        notes += " What needs the ends of unfinished traces, such as cons@N, is left out."
    if any(entry["synthetic"] for entry in summary["pools"]):
        notes += " Synthetic traces are generated: good for trying things out, not for any claim."
    if summary["unranked"]:
        notes += " Unranked: the policy or its judge uses ground truth."
    notes += more
    print_wrapped(notes)


def shown(
    label: str, estimate: Mapping[str, float | None], scale: float, form: str
) -> tuple[str, str, str]:
    """Return a row of a metrics table: label, value and interval."""
    value, low, high = (
        None if part is None else form.format(part * scale + 0.0) for part in estimate.values()
    )
    return label, str(value), f"[{low}, {high}]" if low is not None else "one problem"
