"""Submissions of the built-in methods on generated pools, so that a board has rows to show.

`python -m simulator.submissions.examples` makes the ones that come with the repository. They use
the small cells of `deepprune-sim data sample`, which are made if missing. Decisions, answers and
summaries are the same bytes each time; `run.json` also records date and duration. The pools are
synthetic, so the figures say nothing about any method, and the board says so.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from simulator.errors import UserError
from simulator.generated.cells import SIZES, select_cells
from simulator.generated.pools import SEED, made_as, make_pool, pool_folder, revision
from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec
from simulator.submissions.packing import pack, slug_of, write_folder

DATE = date(2026, 11, 22)
REPEATS = 64
BUDGET = 32
"""Number of traces of each problem of a small cell."""


@dataclass(frozen=True)
class Submitted:
    """A built-in method with its settings and description; `name` is that of the board's row."""

    policy: str
    description: str
    settings: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


_DIVIDED = "divided by 20, as the traces' lengths are"

METHODS = (
    Submitted("cons@32", "Majority vote over 32 traces."),
    Submitted("asc", "Adaptive-Consistency: samples until the majority is certain enough, 0.95."),
    Submitted(
        "asc",
        "Adaptive-Consistency with a threshold of 0.8 instead of 0.95.",
        {"threshold": "0.8"},
        "asc 0.8",
    ),
    Submitted(
        "asc",
        "Adaptive-Consistency with a threshold of 0.99 instead of 0.95.",
        {"threshold": "0.99"},
        "asc 0.99",
    ),
    Submitted("esc", "Early-stopping self-consistency: samples windows until one is unanimous."),
    Submitted("short-3@32", "Decodes 32 traces, answers with the first three to finish."),
    Submitted("sac", "Stops each trace once its probes agree."),
    Submitted(
        "parallel-probe",
        f"Prunes and stops traces in lock step by their probes. Interval of 500 tokens {_DIVIDED}.",
        {"interval": "25"},
    ),
    Submitted(
        "deepconf-low",
        "Stops traces of low confidence; keeps the top tenth. "
        f"Window of 2048 tokens {_DIVIDED}; 8 traces to warm up instead of 16.",
        {"window": "102", "warm_up": "8"},
    ),
    Submitted(
        "deepconf-high",
        "Stops traces of low confidence; keeps the top nine tenths. "
        f"Window of 2048 tokens {_DIVIDED}; 8 traces to warm up instead of 16.",
        {"window": "102", "warm_up": "8"},
    ),
)
"""The methods that are submitted. Methods that use a judge are left out: the scores that come with
generated pools are made from the answers."""


def make_builtin(
    cache: Path, submissions: Path, progress: Callable[[str], None] = lambda name: None
) -> list[Path]:
    """Make the submissions missing below `submissions`; return the folders of all submissions.

    Raises
    ------
    UserError
        A pool with a cell's name is not the small one, or the disk cannot be written.
    """
    pools = small_cells(cache)
    folders = []
    for each in METHODS:
        name = each.name or each.policy
        folder = submissions / f"{DATE.isoformat()}-{slug_of(name)}"
        if not folder.exists():
            progress(name)
            loaded = load_policy(each.policy, each.settings)
            budget = None if loaded.budget else min(loaded.policy.budget or BUDGET, BUDGET)
            spec = RunSpec(loaded, pools, budget, REPEATS, 0, Serving())
            with tempfile.TemporaryDirectory() as scratch:
                make_run(spec, Path(scratch) / "run", command=["simulator.submissions.examples"])
                fields = {
                    "method": name,
                    "authors": ["deepprune-sim"],
                    "date": DATE,
                    "description": f"{each.description} Built in, on generated traces.",
                }
                write_folder(pack(Path(scratch) / "run", fields), submissions)
        folders.append(folder)
    return folders


def small_cells(cache: Path) -> Sequence[Pool]:
    """Return the nine small generated pools below `cache`; make the missing ones."""
    size = SIZES["small"]
    pools = []
    for cell in select_cells(()):
        there = made_as(cache, cell)
        if there is None:
            make_pool(cache, cell, size, text=True)
        elif there != revision(size, SEED, text=True):
            raise UserError(
                f"{pool_folder(cache, cell)}: {there}; the board's submissions are on small cells, "
                "give another folder"
            )
        pools.append(Pool(pool_folder(cache, cell)))
    return pools


if __name__ == "__main__":
    from simulator.pools.folders import cache_folder

    where = cache_folder(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    for made in make_builtin(where, Path("submissions"), lambda name: print(name, flush=True)):
        print(made)
