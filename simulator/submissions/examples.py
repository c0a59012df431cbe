"""Submissions of the built-in methods on the pool that comes with the package, for a first board.

`python -m simulator.submissions.examples` makes the ones that come with the repository. Methods
have the parameters that the pool names for its short traces. Decisions, answers and summaries are
the same bytes each time; `run.json` also records date and duration.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.pools.shipped import copy_shipped, shipped_pools
from simulator.replay.serving import Serving
from simulator.submissions.packing import pack, slug_of, write_folder

DATE = date(2026, 11, 30)
REPEATS = 64
BUDGET = 64
"""Number of traces of each problem of the pool."""


@dataclass(frozen=True)
class Submitted:
    """A built-in method with its settings and description; `name` is that of the board's row."""

    policy: str
    description: str
    settings: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


METHODS = (
    Submitted("cons@64", "Majority vote over 64 traces."),
    Submitted("cons@16", "Majority vote over 16 traces."),
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
    Submitted("short-3@16", "Decodes 16 traces, answers with the first three to finish."),
    Submitted("sac", "Stops each trace once its probes agree."),
    Submitted("parallel-probe", "Prunes and stops traces in lock step by their probes."),
    Submitted("deepconf-low", "Stops traces of low confidence; keeps the top tenth."),
    Submitted("deepconf-high", "Stops traces of low confidence; keeps the top nine tenths."),
    Submitted("deepconf-offline", "Votes with the top tenth by confidence of the tail."),
    Submitted("self-certainty", "Votes with ranks of self-certainty as weights."),
)
"""The methods that are submitted. The one that uses a judge is left out: a judge worth showing is
trained."""


def make_builtin(
    cache: Path, submissions: Path, progress: Callable[[str], None] = lambda name: None
) -> list[Path]:
    """Make the submissions missing below `submissions`; return the folders of all submissions.

    Raises
    ------
    UserError
        The disk cannot be written.
    """
    from simulator.runs.making import make_run  # slow to import, and boards only read
    from simulator.runs.spec import RunSpec

    pool = first_pool(cache)
    folders = []
    for each in METHODS:
        name = each.name or each.policy
        folder = submissions / f"{DATE.isoformat()}-{slug_of(name)}"
        if not folder.exists():
            progress(name)
            scaled = pool.info.settings.get(each.policy.partition("@")[0], {})
            loaded = load_policy(each.policy, {**scaled, **each.settings})
            budget = None if loaded.budget else min(loaded.policy.budget or BUDGET, BUDGET)
            spec = RunSpec(loaded, [pool], budget, REPEATS, 0, Serving())
            told = " ".join(f"{key} {value}" for key, value in scaled.items())
            if told:
                told = f" Scaled to the pool's short traces: {told}."
            with tempfile.TemporaryDirectory() as scratch:
                make_run(spec, Path(scratch) / "run", command=["simulator.submissions.examples"])
                fields = {
                    "method": name,
                    "authors": ["deepprune-sim"],
                    "date": DATE,
                    **({"paper": paper} if (paper := paper_of(loaded.policy.source)) else {}),
                    "description": f"{each.description}{told} Built in.",
                }
                write_folder(pack(Path(scratch) / "run", fields), submissions)
        folders.append(folder)
    return folders


def paper_of(source: str) -> str | None:
    """Return the link to the paper that a method's `source` names; None if it names none."""
    found = re.search(r"arXiv (\d{4}\.\d{4,5})", source)
    return f"https://arxiv.org/abs/{found[1]}" if found else None


def first_pool(cache: Path) -> Pool:
    """Return the pool that comes with the package, copied into `cache` if it is missing there."""
    (name,) = shipped_pools()
    return Pool(copy_shipped(cache, name))


if __name__ == "__main__":
    from simulator.pools.folders import cache_folder

    where = cache_folder(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    for made in make_builtin(where, Path("submissions"), lambda name: print(name, flush=True)):
        print(made)
