"""Savings of deepprune on generated cells at paper size by τ, and the problems that it loses.

    python benchmarks/deepprune_cells.py --cell 'qwen3-32b/aime*' --repeats 2

Makes each cell, in turn, in a temporary folder (up to 2 GB). Replays `deepprune` with a judge that
uses the true labels, and with the pool's own judge scores (the labels with noise, AUROC 0.8701).
Prints a line for each τ, with the number of traces placed in clusters and of traces finished for
the vote; then every problem that only one of deepprune and cons@512 answers correctly, with its
clusters. The traces are generated, so nothing here is evidence about the method; the runs are
unranked.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from unittest.mock import patch

import numpy as np

import simulator.replay
from judges.kinds.oracle import OracleJudge
from judges.scores.cached import CachedScores
from judges.scores.generated import score_generated
from judges.scores.store import Description, ScoreStore
from simulator.generated.cells import CELLS, SIZES
from simulator.generated.pools import make_pool
from simulator.loading import load_policy
from simulator.pools.pool import NO_ANSWER, Pool
from simulator.replay.engine import Engine
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
from simulator.runs.spec import DEFAULT_BUDGET
from simulator.runs.summary import Totals, summarise

TAUS = ("0.75", "0.63", "0.5", "0.25")

COLUMNS = {
    "reduction": ("reduction, %", 100, "{:.1f}"),
    "accuracy_difference": ("points", 100, "{:+.1f}"),
    "tokens_1e8": ("tokens, 1e8", 1, "{:.3f}"),
    "tokens_kept": ("kept, 1e8", 1, "{:.4f}"),
    "clusters": ("clusters", 1, "{:.1f}"),
    "clusters_classes": ("answers", 1, "{:.1f}"),
    "clusters_correct": ("one right, %", 100, "{:.1f}"),
    "purity": ("purity, %", 100, "{:.1f}"),
    "judge_calls": ("pairs", 1, "{:,.0f}"),
}
"""Metrics of a summary: heading, scale, format. Tokens are totals, others means."""

WITH_INTERVAL = ("reduction", "accuracy_difference")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", default="*", help="MODEL/BENCHMARK, a glob")
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    names = [heading for heading, _, _ in COLUMNS.values()]
    names += ["of all pairs, %", "placed", "finished"]
    print("| " + " | ".join(["cell", "judge", "τ", *names]) + " |")
    why = []
    for cell in CELLS:
        if fnmatch(cell.name, given.cell):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / make_pool(Path(folder), cell, SIZES["paper"]).name
                stored = CachedScores(score_generated(Path(folder), path).store, None)
                perfect = OracleJudge()
                knows = CachedScores(
                    ScoreStore(Path(folder) / "none", Description.of(perfect)), perfect
                )
                for name, judge, taus in (("1", knows, ("0.5",)), ("0.87", stored, TAUS)):
                    for tau in taus:
                        title = f"{cell.name} | {name} | {tau}"
                        why += show(title, Pool(path), judge, tau, given.repeats)
    print()
    print("\n".join(why))


def show(title: str, pool: Pool, judge: CachedScores, tau: str, repeats: int) -> list[str]:
    """Print a line of the table; return a line for each problem with a different outcome."""
    loaded, totals, why = load_policy("deepprune", {"tau": tau}), Totals(), []
    placed, finished = [], []
    for index in range(len(pool.problems)):
        problem = pool.problems[index].fresh()
        with patch.object(simulator.replay.replaying, "Engine", Kept):
            Kept.made.clear()
            done = replay(
                loaded,
                problem,
                budget=DEFAULT_BUDGET,
                repeats=range(repeats),
                seed=0,
                serving=Serving(),
                judge=judge,
            )
        totals.add(done.answers)
        for engine in Kept.made:
            assert engine.clusters is not None
            placed.append(np.count_nonzero(engine.clusters >= 0))
            finished.append(np.count_nonzero(engine.finished))
        for row, engine in zip(done.answers.to_pylist(), Kept.made, strict=True):
            if row["correct"] != row["baseline_correct"]:
                outcome = "gained" if row["correct"] else "lost"
                facts = " ".join(clusters_of(engine))
                why.append(f"{title}: problem {index}, repeat {row['repeat']} {outcome}: {facts}")
    metrics = summarise(pool, DEFAULT_BUDGET, totals, "steps")["metrics"]
    metrics["tokens_kept"]["value"] *= len(pool.problems) / 1e8
    cells = []
    for name, (_, scale, form) in COLUMNS.items():
        parts = [form.format(part * scale + 0.0) for part in metrics[name].values()]
        cells.append(f"{parts[0]} [{parts[1]}, {parts[2]}]" if name in WITH_INTERVAL else parts[0])
    share = metrics["judge_calls"]["value"] / (DEFAULT_BUDGET * (DEFAULT_BUDGET - 1) / 2)
    cells += [f"{100 * share:.1f}", f"{np.mean(placed):.0f}", f"{np.mean(finished):.1f}"]
    print(f"| {title} | {' | '.join(cells)} |", flush=True)
    return why


class Kept(Engine):
    """An engine that is kept for inspection after its policy has answered."""

    made: list[Kept] = []  # noqa: RUF012  (shared on purpose)

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.made.append(self)


def clusters_of(engine: Engine) -> Iterator[str]:
    """Describe the clusters, and the vote of each group of traces."""
    clusters = engine.clusters
    assert clusters is not None
    answers = engine.problem.answer_class[engine.order]
    right = engine.problem.correct[engine.order]
    sizes = np.bincount(clusters[clusters >= 0])
    groups = {
        "all": np.ones(len(clusters), dtype=np.bool_),
        "placed": clusters >= 0,
        "largest": clusters == sizes.argmax(),
        "finished": engine.finished & ~engine.stopped & (clusters == sizes.argmax()),
    }
    yield f"{len(sizes)} clusters, placed {int(groups['placed'].sum())} of {len(clusters)};"
    for name, group in groups.items():
        votes = np.bincount(answers[group & (answers != NO_ANSWER)])
        wrong = np.bincount(answers[group & ~right & (answers != NO_ANSWER)], minlength=1)
        yield (
            f"{name} {int(group.sum())}: right {int((group & right).sum())}, "
            f"most common wrong {int(wrong.max())}{', no votes' if not len(votes) else ''};"
        )


if __name__ == "__main__":
    main()
