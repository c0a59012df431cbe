"""The methods of the Parallel-Probe paper, replayed on its traces, with its published figures.

    python benchmarks/scout_table.py aime24.json [aime25.json] [--repeats 100] [--jobs 2]

Each file is SCOUT's JSON for Qwen3-8B (zhengkid/Parallel-Probe, evaluation/Qwen3-8B-128). It is
imported into a temporary folder; nothing is kept. The output is Markdown. Probes are free, as in
the paper's table (`run --probe-cost 0`).
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.importers.import_pool import import_pool
from simulator.importers.importer import ImportOptions
from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.pools.probe_cost import FREE
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec


@dataclass(frozen=True)
class Published:
    """A row of the paper's table: accuracy in %, tokens and sequential tokens per problem."""

    accuracy: float
    tokens: float
    sequential: float | None


@dataclass(frozen=True)
class Row:
    """A method with the settings of the paper, and its published figures on AIME24 and AIME25."""

    spec: str
    aime24: Published
    aime25: Published
    budget: int | None = None
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The method with its settings, as on the command line."""
        settings = "".join(f" -p {name}={value}" for name, value in self.settings.items())
        return self.spec + settings + (f" -n {self.budget}" if self.budget else "")


ROWS = [
    Row("cons@64", Published(80.37, 910_813, 30_091), Published(76.7, 1_124_400, 30_700)),
    Row(
        "esc",
        Published(80.37, 459_359, 84_694),
        Published(76.7, 793_100, 132_400),
        64,
        {"window": "8"},
    ),
    Row("asc", Published(80.37, 226_033, None), Published(76.7, 406_200, None), 64),
    Row("sac", Published(76.67, 773_352, 25_617), Published(70.2, 998_500, 28_100)),
    Row("parallel-probe", Published(81.47, 730_781, 20_324), Published(76.9, 846_700, 21_900)),
]
"""AIME24 as printed by the published program, AIME25 as rounded in the repository's README. ASC's
sequential cost is the sum over its traces, which equals its tokens."""


def replayed(pool: Pool, repeats: int, jobs: int) -> list[tuple[Row, dict[str, Any]]]:
    """Replay every method on one benchmark; return their metrics."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            loaded = load_policy(row.spec, row.settings)
            spec = RunSpec(loaded, [pool], row.budget, repeats, 0, Serving(), probe_cost=FREE)
            summary = make_run(spec, Path(folder) / row.spec, jobs=jobs)
            results.append((row, summary["pools"][0]["metrics"]))
    return results


def markdown(row: Row, published: Published | None, metrics: dict[str, Any]) -> str:
    """Format one method's line of the table."""
    accuracy, tokens, clock = (
        metrics[name] for name in ("accuracy", "tokens_per_problem", "clock")
    )
    cells = [
        f"`{row.label}`",
        "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * part for part in accuracy.values())),
        "–",
        f"{tokens['value']:,.0f}",
        "–",
        f"{clock['value']:,.0f}",
        "–",
    ]
    if published is not None:
        cells[2] = f"{published.accuracy:g}"
        cells[4] = f"{published.tokens:,.0f} ({tokens['value'] / published.tokens - 1:+.1%})"
        if published.sequential is not None:
            change = clock["value"] / published.sequential - 1
            cells[6] = f"{published.sequential:,.0f} ({change:+.1%})"
    return "| " + " | ".join(cells) + " |"


def table(pool: Pool, repeats: int = 100, jobs: int = 1) -> str:
    """Return the table of one benchmark, as Markdown."""
    name = pool.info.benchmark
    lines = [
        f"| {name} | accuracy % [95%] | published | tokens per problem | published "
        "| clock | published |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        markdown(row, getattr(row, name, None), metrics)
        for row, metrics in replayed(pool, repeats, jobs)
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    for file in arguments.files:
        with tempfile.TemporaryDirectory() as folder:
            report = import_pool(
                "scout",
                ImportOptions(paths=(file,)),
                cache=Path(folder),
                dataset="scout",
                model="qwen3-8b",
                benchmark=file.stem,
            )
            print(table(Pool(report.path), arguments.repeats, arguments.jobs), end="\n\n")


if __name__ == "__main__":
    main()
