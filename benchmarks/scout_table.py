"""The methods of the Parallel-Probe paper, replayed on its traces, with its published figures.

    python benchmarks/scout_table.py [aime24.json aime25.json …] [--repeats 100] [--jobs 2]

Each file is SCOUT's JSON for Qwen3-8B (zhengkid/Parallel-Probe, evaluation/Qwen3-8B-128). Without
files, those of AIME24 and AIME25 are downloaded, as `deepprune-sim data pull scout` does. A file is
imported twice into a temporary folder, and nothing is kept of that: to be counted as the paper's
program counts (`import --equality exact --unparsed vote`, `run --charging scout`), and as is usual
here. The output is Markdown. Probes are free, as in the paper's table (`run --probe-cost 0`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.counting import Charging, Equality, Unparsed
from simulator.hub import github
from simulator.hub.registry import find_entry
from simulator.importers.import_pool import import_pool
from simulator.importers.importer import ImportOptions
from simulator.loading import load_policy
from simulator.pools.folders import cache_folder
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
    """A method with the settings of the paper, and its published figures by benchmark."""

    spec: str
    aime24: Published
    aime25: Published
    hmmt25: Published
    budget: int | None = None
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The method with its settings, as on the command line."""
        settings = "".join(f" -p {name}={value}" for name, value in self.settings.items())
        return self.spec + settings + (f" -n {self.budget}" if self.budget else "")


ROWS = [
    Row(
        "cons@64",
        Published(80.37, 910_813, 30_091),
        Published(76.67, 1_124_432, 30_657),
        Published(48.9, 1_267_000, 34_800),
    ),
    Row(
        "esc",
        Published(80.37, 459_359, 84_694),
        Published(76.67, 793_089, 132_444),
        Published(48.9, 1_062_100, 184_500),
        64,
        {"window": "8"},
    ),
    Row(
        "asc",
        Published(80.37, 226_033, None),
        Published(76.67, 406_250, None),
        Published(48.8, 565_100, None),
        64,
    ),
    Row(
        "sac",
        Published(76.67, 773_352, 25_617),
        Published(70.2, 998_452, 28_107),
        Published(42.7, 896_800, 28_500),
    ),
    Row(
        "parallel-probe",
        Published(81.47, 730_781, 20_324),
        Published(76.87, 846_739, 21_943),
        Published(47.1, 897_200, 22_400),
    ),
]
"""AIME24 and AIME25 as printed by the published program (evaluation/matrix_results_Qwen3-8B-128),
HMMT25 as rounded in the repository's README. ASC's sequential cost is the sum over its traces,
which equals its tokens."""


@dataclass(frozen=True)
class Counting:
    """A way of counting: options of the import and of the run."""

    equality: Equality
    unparsed: Unparsed
    charging: Charging


ALIKE = Counting("exact", "vote", "scout")
HERE = Counting("meaning", "abstain", "generated")

Metrics = dict[str, Any]

HEADING = (
    "| {} | accuracy %: published | counted alike | counted here [95%] | tokens: published "
    "| counted alike | counted here | clock: published | counted alike | counted here |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def imported(file: Path, counting: Counting, cache: Path) -> Pool:
    """Import one benchmark's file into a folder of pools."""
    options = ImportOptions(paths=(file,), equality=counting.equality, unparsed=counting.unparsed)
    report = import_pool(
        "scout", options, cache=cache, dataset="scout", model="qwen3-8b", benchmark=file.stem
    )
    return Pool(report.path)


def replayed(pool: Pool, repeats: int, jobs: int, counting: Counting) -> list[Metrics]:
    """Replay every method on one benchmark; return their metrics, in the order of ROWS."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            loaded = load_policy(row.spec, row.settings)
            spec = RunSpec(
                *(loaded, [pool], row.budget, repeats, 0, Serving()),
                probe_cost=FREE,
                charging=counting.charging,
            )
            summary = make_run(spec, Path(folder) / row.spec, jobs=jobs)
            results.append(summary["pools"][0]["metrics"])
    return results


def table(alike: Pool, here: Pool, repeats: int = 100, jobs: int = 1) -> str:
    """Return the table of one benchmark, imported in both ways of counting, as Markdown."""
    name = here.info.benchmark
    both = replayed(alike, repeats, jobs, ALIKE), replayed(here, repeats, jobs, HERE)
    lines = [
        markdown(row, getattr(row, name, None), *metrics)
        for row, *metrics in zip(ROWS, *both, strict=True)
    ]
    return "\n".join([HEADING.format(name), *lines])


def markdown(row: Row, published: Published | None, alike: Metrics, here: Metrics) -> str:
    """Format one method's line of the table."""
    cells = [f"`{row.label}`", f"{published.accuracy:g}" if published else "–"]
    cells.append(f"{100 * alike['accuracy']['value']:.2f}")
    cells.append("{:.1f} [{:.1f}, {:.1f}]".format(*(100 * v for v in here["accuracy"].values())))
    for name, figure in (
        ("tokens_per_problem", published and published.tokens),
        ("clock", published and published.sequential),
    ):
        cells.append(f"{figure:,.0f}" if figure else "–")
        for metrics in (alike, here):
            value = metrics[name]["value"]
            change = f" ({value / figure - 1:+.1%})" if figure else ""
            cells.append(f"{value:,.0f}{change}")
    return "| " + " | ".join(cells) + " |"


def downloaded(source: str = "scout") -> list[Path]:
    """Download the files of AIME24 and AIME25 of a known source; return their paths."""
    entry = find_entry(cache_folder(None), source).only(["*/aime2?"])
    listing = github.list_files(entry, entry.revision)
    folder = github.download(
        *(entry, entry.revision, listing.commit, listing.files),
        progress=lambda what, done: None,
        notice=lambda text: print(text, file=sys.stderr),
    )
    return [folder / file.path for file in listing.files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    for file in arguments.files or downloaded():
        with tempfile.TemporaryDirectory() as folder:
            alike = imported(file, ALIKE, Path(folder) / "alike")
            here = imported(file, HERE, Path(folder) / "here")
            print(table(alike, here, arguments.repeats, arguments.jobs), end="\n\n")


if __name__ == "__main__":
    main()
