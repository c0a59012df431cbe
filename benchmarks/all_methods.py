"""A table of all built-in methods on all recorded pools of this machine.

    python benchmarks/all_methods.py CACHE… [--jobs 2] [--markdown docs/all-methods.md]

Each CACHE is a folder of pools; the pool that comes along is added. Every method runs with its
defaults, or what a pool of short traces names instead, on every pool that has what it reads, with
N=64 or as many traces as the pools of a benchmark have. There is a table for each benchmark,
averaged over its pools, and one for each pool, with the rank that `deepprune-sim report` gives. A
probe costs what the pool records, else 30 tokens; a judge is `lexical`. With --runs, an interrupted
command goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from method_tables import NOTE, Line, headers, lines, markdown, one_line, show

import deepprune_sim as dp
from simulator.errors import UserError
from simulator.loading import load_policy
from simulator.methods import METHODS
from simulator.pools.folders import find_pools
from simulator.pools.pool import Pool
from simulator.pools.shipped import copy_shipped, shipped_pools
from simulator.runs.results import RunResult, read_results

MOST = 64
"""Traces a problem, where the pools have as many."""

BASELINE = "cons@{budget}"
"""Template of the method that others are compared with."""

NUMBERS = {"m": 3}
"""Numbers in names other than the budget, as their papers have them."""


@dataclass
class Group:
    """The pools of a benchmark, and the results of each method on those that it can run on."""

    benchmark: str
    pools: list[tuple[Path, Pool]]
    results: dict[str, list[RunResult]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def budget(self) -> int:
        """N: 64, or the fewest traces that a problem has."""
        return min(MOST, *(len(each.lengths) for _, pool in self.pools for each in pool.problems))

    @property
    def baseline(self) -> str:
        return spec_of(BASELINE, self.budget)

    @property
    def heading(self) -> str:
        """Benchmark, pools and N."""
        count, problems = len(self.pools), len(self.pools[0][1].problems)
        pools = "1 pool" if count == 1 else f"mean of {count} pools"
        return f"{self.benchmark}: {pools}, {problems} problems, N={self.budget}"

    def everywhere(self) -> dict[str, list[RunResult]]:
        """Return the methods that ran on all pools of the group."""
        return {
            name: found for name, found in self.results.items() if len(found) == len(self.pools)
        }

    def on(self, pool: Pool) -> dict[str, list[RunResult]]:
        """Return the results on one pool."""
        by_method = {
            name: [result for result in found if result.pool == pool.name]
            for name, found in self.results.items()
        }
        return {name: found for name, found in by_method.items() if found}

    def tables(self) -> dict[str, list[Line]]:
        """Return the table of the group and, if it has several pools, of each pool."""
        found = {self.heading: lines(self.everywhere(), self.baseline)}
        if len(self.pools) > 1:
            found |= {pool.name: lines(self.on(pool), self.baseline) for _, pool in self.pools}
        return found


def find_groups(caches: Sequence[Path], shipped: Path, chosen: Sequence[str] = ()) -> list[Group]:
    """Group the recorded pools of some folders, and the one that comes along, by benchmark."""
    for name in shipped_pools():
        copy_shipped(shipped, name)
    groups: dict[str, Group] = {}
    for cache in (*caches, shipped):
        for pool in map(Pool, find_pools(cache, [])):
            comes_along = cache != shipped and pool.name in shipped_pools()
            named = not chosen or any(each in pool.name for each in chosen)
            if named and not comes_along and not (pool.info.synthetic or pool.info.unfinished):
                group = groups.setdefault(pool.info.benchmark, Group(pool.info.benchmark, []))
                group.pools.append((cache, pool))
    return list(groups.values())


def spec_of(template: str, budget: int) -> str:
    """Return a built-in name with its numbers."""
    return template.format(budget=budget, **NUMBERS)


def missing(spec: str, pool: Pool) -> str:
    """Name the signals that a method needs and a pool lacks; a judge reads text."""
    needs = {"text" if each == "judge" else each for each in load_policy(spec).policy.requires}
    return " and ".join(sorted(needs - set(pool.info.signals)))


def run_method(group: Group, template: str, folder: Path, repeats: int, jobs: int) -> None:
    """Replay a method on the pools of a group that have what it reads."""
    spec = spec_of(template, group.budget)
    budget = None if load_policy(spec).budget else group.budget
    by_cache: dict[Path, list[str]] = {}
    for cache, pool in group.pools:
        if lacking := missing(spec, pool):
            group.left_out[spec] = f"needs {lacking}"
        else:
            by_cache.setdefault(cache, []).append(pool.name)
    for number, (cache, pools) in enumerate(by_cache.items()):
        output = folder / f"{group.benchmark}-{spec}-n{group.budget}-r{repeats}-{number}"
        try:
            if not output.exists():
                notes = io.StringIO()  # on parameters that pools name
                with contextlib.redirect_stderr(notes):
                    dp.run(
                        spec,
                        pools,
                        budget=budget,
                        repeats=repeats,
                        jobs=jobs,
                        cache=cache,
                        output=output,
                        resume=True,
                        progress=False,
                    )
        except UserError as error:
            group.left_out[spec] = str(error)
        else:
            found = read_results(output)
            if {each.pool for each in found} != {*pools}:
                raise UserError(f"{output}: a run on other pools; give another --runs")
            group.results.setdefault(spec, []).extend(found)


def run_all(
    groups: Sequence[Group], folder: Path, templates: Sequence[str], repeats: int, jobs: int
) -> None:
    """Replay methods on all groups; standard error says how far it is."""
    for group in groups:
        for number, template in enumerate(templates, 1):
            run_method(group, template, folder, repeats, jobs)
            if sys.stderr.isatty() or number == len(templates):
                end = "\n" if number == len(templates) else ""
                done = f"{group.heading}: {number} of {len(templates)} methods"
                print(f"\r{done}", end=end, file=sys.stderr, flush=True)


def label(result: RunResult) -> str:
    """Return the parameters that a pool names for its short traces."""
    return ", ".join(f"{name}={result.parameters[name]}" for name in result.settings)


def as_markdown(groups: Sequence[Group], repeats: int) -> str:
    """Return all tables as a page."""
    parts = [f"{repeats} repeats, seed 0. {NOTE}"]
    for group in groups:
        first, *others = group.tables().items()
        head = ["method", *headers(group.baseline)]
        parts += [f"## {first[0]}", about(group)]
        parts.append(markdown(head, rows(first[1], group.baseline)))
        if others:
            inside = [
                f"{name}\n\n{markdown(head, rows(found, group.baseline))}" for name, found in others
            ]
            parts.append("<details><summary>Each pool</summary>\n\n" + "\n\n".join(inside))
            parts.append("</details>")
        parts += left_out(group)
    return "\n\n".join(parts) + "\n"


def rows(found: Sequence[Line], baseline: str) -> list[list[str]]:
    """Return the rows of a table, the most accurate method first."""
    ordered = sorted(found, key=lambda line: (line.rank is None, -line.accuracy.value))
    return [[line.method, *line.cells(baseline)] for line in ordered]


def about(group: Group) -> str:
    """Name the pools of a group, their lengths, and parameters that they set."""
    accuracy = {pool.info.token_accuracy for _, pool in group.pools}
    said = {"exact": "known", "total": "known", "estimated": "estimated from the texts"}
    lengths = " and ".join(sorted({said[each] for each in accuracy}))
    named = {name: label(found[0]) for name, found in group.results.items() if label(found[0])}
    text = (
        f"Pools: {', '.join(f'`{pool.name}`' for _, pool in group.pools)}; lengths are {lengths}."
    )
    if named:
        text += " Parameters scaled to short traces: "
        text += "; ".join(f"`{name}` {values}" for name, values in named.items()) + "."
    return text


def left_out(group: Group) -> list[str]:
    """Say which methods did not run, by reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in group.left_out.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    listed = [f"{', '.join(names)} ({reason})" for reason, names in reasons.items()]
    return [f"Not run: {'; '.join(listed)}."] if listed else []


def as_json(groups: Sequence[Group], repeats: int) -> dict[str, Any]:
    """Return all tables with unrounded values."""
    return {
        "repeats": repeats,
        "groups": [
            {
                "benchmark": group.benchmark,
                "pools": [pool.name for _, pool in group.pools],
                "budget": group.budget,
                "baseline": group.baseline,
                "left_out": group.left_out,
                "tables": [
                    {"over": over, "rows": [line.as_dict() for line in found]}
                    for over, found in group.tables().items()
                ],
            }
            for group in groups
        ],
    }


TITLE = """# All methods on all recorded pools

Made by `python benchmarks/all_methods.py CACHE --markdown docs/all-methods.md`, where CACHE has the
pools of AutoTTS and SCOUT (AIME24, AIME25), of Epoch AI (OTIS Mock AIME) and of
logit_cot_overthinking (MMLU-Pro); `school-math` comes along. [Unrounded values](all-methods.json).
[Methods](methods.md) says what each decides by. All have the same N, not that of their papers, and
their default parameters; where a pool names others, scaled to its short traces, these are listed.
A method that leads one of so many tables may do so by chance: ranks that overlap say so.

"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("caches", type=Path, nargs="*", metavar="CACHE", help="folder of pools")
    parser.add_argument("-d", "--only", action="append", default=[], help="part of a pool's name")
    parser.add_argument("--methods", nargs="+", default=[*METHODS], help="templates of METHODS")
    parser.add_argument("--repeats", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--runs", type=Path, help="folder to keep runs in; those in it are used")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="page; JSON goes beside it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, one_line():
        groups = find_groups(arguments.caches, Path(folder) / "pools", arguments.only)
        if not groups:
            raise UserError("no recorded pool of these names; see: deepprune-sim data list")
        templates = [BASELINE, *(each for each in arguments.methods if each != BASELINE)]
        how = (templates, arguments.repeats, arguments.jobs)
        run_all(groups, arguments.runs or Path(folder), *how)
        if arguments.markdown:
            text = TITLE + as_markdown(groups, arguments.repeats)
            arguments.markdown.write_text(text, encoding="utf-8")
            raw = json.dumps(as_json(groups, arguments.repeats), ensure_ascii=False, indent=1)
            arguments.markdown.with_suffix(".json").write_text(raw + "\n", encoding="utf-8")
            return
        for group in groups:
            for name, found in group.tables().items():
                print(f"\n{name}")
                show(["method", *headers(group.baseline)], rows(found, group.baseline))
            print(*left_out(group), sep="\n")
        print(NOTE)


if __name__ == "__main__":
    main()
