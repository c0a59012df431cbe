"""Measures what confidences of a recorded pool say about right and wrong traces, and about votes.

    python benchmarks/confidence_worth.py POOL --window 32 -n 16 -n 64

The first table has, for each measure of a trace, the AUROC for being right within problems: the
chance that of two traces of a problem, one right and one wrong, the right one is the more confident
(of entropy: the less uncertain). The second has DeepConf's seven votes and its two online methods
against the plain vote over the same traces. Intervals are 95%, over problems.
"""

from __future__ import annotations

import sys
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import roc_auc_score

import deepprune_sim as dp
from simulator.rules.group_means import bottom_groups, mean_of_last
from simulator.statistics import Estimate, bootstrap

Values = npt.NDArray[np.float32]

VOTES: dict[str, dict[str, Any]] = {
    "majority": {"keep": 100, "weighted": False},
    "weighted by mean": {"measure": "mean", "keep": 100},
    "weighted by tail": {"measure": "tail", "keep": 100},
    "weighted by bottom 10% groups": {"measure": "bottom", "keep": 100},
    "weighted by lowest group": {"measure": "lowest", "keep": 100},
    "top 10% by tail": {"measure": "tail", "keep": 10},
    "top 10% by bottom 10% groups": {"measure": "bottom", "keep": 10},
}
"""The seven votes of arXiv 2508.15260, as parameters of `deepconf-offline`."""


def measures(confidence: Values, entropy: Values, window: int) -> dict[str, float]:
    """Return the measures of one trace; more is more certain in each."""
    return {
        "mean confidence": mean_of_last(confidence),
        f"tail confidence, last {window}": mean_of_last(confidence, window),
        f"bottom 10% groups of {window}": bottom_groups(confidence, 0.1, window),
        f"lowest group of {window}": bottom_groups(confidence, 0.0, window),
        "mean entropy": -mean_of_last(entropy),
        f"entropy, last {window}": -mean_of_last(entropy, window),
        "length, shorter is surer": -float(len(confidence)),
    }


def measured(pool: Any, window: int) -> pd.DataFrame:
    """Return a row for each trace that has an answer: problem, correctness and measures."""
    traces = pool.traces()
    rows = []
    for problem, of_problem in traces[traces["answer"].notna()].groupby("problem_id"):
        confidences = pool.confidences(problem).set_index("trace_id")["confidence"]
        entropies = pool.token_signal("entropy", problem).set_index("trace_id")["entropy"]
        kind = np.float32  # as pools store signals
        rows += [
            {"problem": problem, "right": bool(right)}
            | measures(confidences[trace].astype(kind), entropies[trace].astype(kind), window)
            for trace, right in zip(of_problem["trace_id"], of_problem["correct"], strict=True)
        ]
    return pd.DataFrame(rows)


def aurocs(frame: pd.DataFrame) -> tuple[dict[str, Estimate], int]:
    """Return the mean AUROC of each measure over problems with right and wrong traces."""
    mixed = [each for _, each in frame.groupby("problem") if each["right"].nunique() == 2]
    names = [name for name in frame if name not in ("problem", "right")]
    over = bootstrap(len(mixed))
    found = {
        str(name): over.mean([roc_auc_score(each["right"], each[str(name)]) for each in mixed])
        for name in names
    }
    return found, len(mixed)


def metrics_of(pool: str, spec: str, budget: int, **parameters: Any) -> pd.DataFrame:
    """Return the metrics of a method on a pool: a row for each, with value and interval."""
    run = dp.run(spec, pool, budget=budget, **parameters)
    return run.summary().droplevel("pool")


def shown(estimate: Any, scale: float = 100, form: str = "+.1f") -> str:
    """Return an estimate with its interval."""
    value, low, high = (estimate[key] * scale for key in ("value", "low", "high"))
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


@click.command()
@click.argument("pool")
@click.option("--window", default=32, show_default=True, help="Tokens of a group and of a tail.")
@click.option("-n", "budgets", multiple=True, type=int, default=(16, 64), show_default=True)
def main(pool: str, window: int, budgets: tuple[int, ...]) -> None:
    """Print both tables of a POOL with confidences and entropies."""
    found, problems = aurocs(measured(dp.open_pool(pool), window))
    print(f"| measure | AUROC within {problems} problems |\n|---|---|")
    for name, estimate in found.items():
        print(f"| {name} | {shown(estimate.as_dict(), 1, '.3f')} |")
    columns = " | ".join(f"N={n}: accuracy, % | against cons@{n}, points" for n in budgets)
    print(f"\n| vote | {columns} |\n|---|{'---|---|' * len(budgets)}")
    rows = [(name, "deepconf-offline", {"window": window, **more}) for name, more in VOTES.items()]
    rows += [(name, name, {"window": window}) for name in ("deepconf-low", "deepconf-high")]
    for name, spec, parameters in rows:
        cells = []
        for budget in budgets:
            metrics = metrics_of(pool, spec, budget, **parameters)
            cells += [shown(metrics.loc["accuracy"], form=".1f")]
            cells += [shown(metrics.loc["accuracy_difference"])]
        print(f"| {name} | {' | '.join(cells)} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
