"""The published table of AutoTTS beside ours, with intervals, clock, ties and paired tests.

    python benchmarks/autotts_table.py [FILE…] [--jobs 2] [--markdown FILE] [--json FILE]

Each FILE is one model's on one benchmark, and its path names both, as in zhengkid/AutoTTS
(efficient_reasoning_controller/test_environment); SCOUT's are of Qwen3-8B. Without files, those of
AIME24 and AIME25 are downloaded, as `deepprune-sim data pull` does. Three ways of counting:

- the program's: its rules, shuffles and charging, replayed apart from the simulator
  (autotts_program.py). CMC has to meet its golden values to the digit, and what differs from the
  printed table is listed.
- ours, alike: the built-in methods, counted as the program counts. `cmc` has to stay within 1.5
  points and 3% of the tokens of the program's figures.
- ours: answers by meaning, tokens as generated, probes at their cost. This is the table, with 95%
  intervals over problems and paired tests.

The last line says which checks hold; exit code 1 if one does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autotts_program import (
    BENCHMARKS,
    HELD_OUT,
    METHODS,
    MODELS,
    PUBLISHED,
    SHUFFLES,
    Cell,
    Figures,
    as_printed,
    cells_of,
    missed,
    replay_cells,
)
from method_tables import NOTE, Line, headers, lines, markdown, one_line, show
from scout_table import ALIKE, HERE, Counting, downloaded

from simulator.importers.import_pool import import_pool
from simulator.importers.importer import ImportOptions
from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.pools.probe_cost import FREE
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.results import RunResult, read_results
from simulator.runs.spec import RunSpec

OURS: dict[str, tuple[str, dict[str, str]]] = {
    "cons@64": ("cons@64", {}),
    "asc": ("asc", {}),
    "beta-sc": ("beta-sc", {}),
    "esc": ("esc", {"window": "8"}),
    "parallel-probe": ("parallel-probe", {}),
    "cmc-0.5": ("cmc", {"beta": "0.5"}),
    "cmc-1": ("cmc", {"beta": "1"}),
}
"""Built-in methods with the paper's settings; β-SC is ASC with 32 traces in flight, not printed."""

POINTS, SHARE = 1.5, 0.03
"""Accuracy in points, and share of tokens, that `cmc` may be off the program's, counted alike."""

BASELINE = "cons@64"

Results = Mapping[str, Sequence[RunResult]]


@dataclass(frozen=True)
class Found:
    """All figures: a list has one entry for each cell, in their order."""

    cells: Sequence[Cell]
    program: Sequence[Mapping[str, Figures]]
    alike: Results
    ours: Results

    def lines(self, places: Sequence[int], baseline: str = BASELINE) -> list[Line]:
        """Compare our methods over cells, given by their numbers."""
        results = {name: [found[number] for number in places] for name, found in self.ours.items()}
        return lines(results, baseline)

    @property
    def averages(self) -> dict[str, list[int]]:
        """Cells to average over: of each benchmark and, if both are there, of the held-out ones."""
        groups = {f"{name}, mean of models": self._among(MODELS, [name]) for name in BENCHMARKS}
        if {*HELD_OUT} <= {cell.benchmark for cell in self.cells}:
            for name in MODELS:
                groups[f"{name}, mean of held-out"] = self._among([name], HELD_OUT)
            groups["held-out, mean of models"] = self._among(MODELS, HELD_OUT)
        return {name: places for name, places in groups.items() if len(places) > 1}

    def _among(self, models: Sequence[str], benchmarks: Sequence[str]) -> list[int]:
        return [
            number
            for number, cell in enumerate(self.cells)
            if cell.model in models and cell.benchmark in benchmarks
        ]


def imported(cells: Sequence[Cell], counting: Counting, cache: Path) -> list[Pool]:
    """Import the file of each cell into a folder of pools."""
    return [
        Pool(
            import_pool(
                "scout",
                ImportOptions(
                    paths=(cell.file,), equality=counting.equality, unparsed=counting.unparsed
                ),
                cache=cache,
                dataset="autotts",
                model=cell.model,
                benchmark=cell.benchmark,
            ).path
        )
        for cell in cells
    ]


def replayed(
    pools: Sequence[Pool], counting: Counting, folder: Path, repeats: int, jobs: int
) -> dict[str, list[RunResult]]:
    """Replay every method on all pools; probes are free where they are in the published table."""
    results = {}
    for name, (spec, settings) in OURS.items():
        loaded = load_policy(spec, settings)
        run = RunSpec(
            *(loaded, pools, None if loaded.budget else 64, repeats, 0, Serving()),
            probe_cost=FREE if counting is ALIKE else None,
            charging=counting.charging,
        )
        make_run(run, folder / name, jobs=jobs)
        results[name] = read_results(folder / name)
    return results


def find(files: Sequence[Path], folder: Path, repeats: int, jobs: int) -> Found:
    """Replay everything on the files, which may come in any order."""
    cells = cells_of(files)
    cells.sort(key=lambda cell: (BENCHMARKS.index(cell.benchmark), MODELS.index(cell.model)))
    both = []
    for name, counting in (("alike", ALIKE), ("ours", HERE)):
        pools = imported(cells, counting, folder / name / "pools")
        both.append(replayed(pools, counting, folder / name / "runs", repeats, jobs))
        print(f"built-in methods, {name}: done", file=sys.stderr)
    return Found(cells, replay_cells(cells, jobs, repeats), *both)


def ours_table(found: Found, benchmark: str) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of a benchmark's table: the printed figures beside ours."""
    head = ["model, method", "printed %", "printed tokens, k", *headers(BASELINE)]
    rows = []
    for number, cell in enumerate(found.cells):
        if cell.benchmark != benchmark:
            continue
        for line in found.lines([number]):
            printed = ["–", "–"]
            if line.method in METHODS:
                printed = [f"{value:,}" for value in cell.published(line.method)]
            rows.append([f"{cell.model} {line.method}", *printed, *line.cells(BASELINE)])
    return head, rows


def averages_table(found: Found) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of our means over cells."""
    head = ["mean, method", *headers(BASELINE)]
    rows = [
        [f"{name}: {line.method}", *line.cells(BASELINE)]
        for name, places in found.averages.items()
        for line in found.lines(places)
    ]
    return head, rows


def against_table(found: Found, other: str) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of CMC against another method, by cell and on average."""
    head = ["cells, method", *headers(other)[1:3], f"tokens, % of {other}", f"clock, % of {other}"]
    alone = {f"{cell.model} {cell.benchmark}": [n] for n, cell in enumerate(found.cells)}
    rows = []
    for name, places in {**alone, **found.averages}.items():
        by_method = {line.method: line for line in found.lines(places, other)}
        against = by_method[other]
        for line in (by_method["cmc-0.5"], by_method["cmc-1"]):
            ratios = (line.tokens.value / against.tokens.value, line.clock / against.clock)
            shares = [f"{100 * ratio:.0f}" for ratio in ratios]
            rows.append([f"{name}: {line.method}", *line.cells(other)[1:3], *shares])
    return head, rows


def not_as_printed(found: Found) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of what the program does not come to as it is printed."""
    head = ["model, benchmark, method", "printed %", "program %", "printed tokens, k", "program, k"]
    rows = []
    for cell, by_method in zip(found.cells, found.program, strict=True):
        for method, figures in by_method.items():
            accuracy, tokens = cell.published(method)
            if not all(as_printed(figures, (accuracy, tokens))):
                ours = f"{figures.accuracy:.2f}", f"{figures.tokens / 1000:,.1f}"
                name = f"{cell.model} {cell.benchmark} {method}"
                rows.append([name, f"{accuracy}", ours[0], f"{tokens:,}", ours[1]])
    return head, rows


def wrong_averages() -> list[str]:
    """List printed held-out averages that are not the mean of their own two columns."""
    said = []
    for row in PUBLISHED["published"]:
        for place, unit in enumerate(("%", "thousand tokens")):
            mean = sum(row[benchmark][place] for benchmark in HELD_OUT) / len(HELD_OUT)
            printed = row["held_out"][place]
            if abs(mean - printed) > 0.1 + 1e-9:  # of two rounded figures, and rounded itself
                said.append(f"{row['model']} {row['method']}: {printed:,} {unit}, not {mean:,.2f}")
    return said


def off_the_program(found: Found) -> tuple[list[str], list[list[str]], list[str]]:
    """Compare our methods, counted alike, with the program's figures.

    Returns
    -------
    Headers and rows of the largest differences of each method, and cells where CMC is too far off.
    """
    head = ["method", "accuracy, points off at most", "tokens, % off at most"]
    rows, wrong = [], []
    for method in METHODS:
        points, shares = [], []
        for number, (cell, program) in enumerate(zip(found.cells, found.program, strict=True)):
            metrics, figures = found.alike[method][number].metrics, program[method]
            points.append(100 * metrics["accuracy"].value - figures.accuracy)
            shares.append(metrics["tokens_per_problem"].value / figures.tokens - 1)
            far = abs(points[-1]) > POINTS or abs(shares[-1]) > SHARE
            if far and method.startswith("cmc"):
                off = f"{points[-1]:+.2f} points, {shares[-1]:+.1%} tokens"
                wrong.append(f"built-in {method} on {cell.model}, {cell.benchmark}: {off}")
        worst = max(points, key=abs), 100 * max(shares, key=abs)
        rows.append([method, f"{round(worst[0], 2) + 0:+.2f}", f"{round(worst[1], 1) + 0:+.1f}"])
    return head, rows, wrong


def tables(found: Found, repeats: int) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Return all tables by heading; two compare with the program, which takes its 100 shuffles."""
    benchmarks = dict.fromkeys(cell.benchmark for cell in found.cells)
    made = {f"{name}: printed and ours": ours_table(found, name) for name in benchmarks}
    made["Averages, ours"] = averages_table(found)
    for other in ("asc", "beta-sc"):
        made[f"CMC against {other}, ours"] = against_table(found, other)
    if repeats == SHUFFLES:
        made["Printed, and not what the program gives"] = not_as_printed(found)
        made["Built-in methods counted alike, against the program"] = off_the_program(found)[:2]
    return {heading: (head, rows) for heading, (head, rows) in made.items() if rows}


def checks(found: Found, repeats: int) -> tuple[list[str], bool]:
    """Return what is said of the checks, and if all hold."""
    averages = "; ".join(wrong_averages())
    said = [f"printed held-out averages that are not those of their columns: {averages}"]
    if repeats != SHUFFLES:
        return [*said, f"not checked against the program: that takes --repeats {SHUFFLES}"], True
    known = sum(cell.golden(name) is not None for cell in found.cells for name in METHODS)
    far, off = missed(found.cells, found.program), off_the_program(found)[2]
    met = 2 * len(found.cells) - len(off)
    near = f"within {POINTS} points and {SHARE:.0%} of tokens of the program's figures"
    said += [*far, f"golden values of CMC met to the digit: {known - len(far)} of {known}"]
    said += [*off, f"built-in cmc, counted alike: {near} in {met} of {2 * len(found.cells)}"]
    return said, not (far or off)


def as_json(found: Found, repeats: int) -> dict[str, Any]:
    """Return all figures, unrounded."""
    cells = []
    for number, cell in enumerate(found.cells):
        by_line = {line.method: line.as_dict() for line in found.lines([number])}
        for method in OURS:
            row: dict[str, Any] = {"model": cell.model, "benchmark": cell.benchmark}
            row |= {"method": method, "ours": by_line[method]}
            alike = found.alike[method][number]
            row["alike"] = {
                name: alike.metrics[name].as_dict()
                for name in ("accuracy", "tokens_per_problem", "clock")
            }
            if method in METHODS:
                accuracy, tokens = cell.published(method)
                row["printed"] = {"accuracy": accuracy, "thousand_tokens": tokens}
                row["program"] = asdict(found.program[number][method])
                row["golden"] = cell.golden(method)
            cells.append(row)
    averages = {
        name: [line.as_dict() for line in found.lines(places)]
        for name, places in found.averages.items()
    }
    return {"repeats": repeats, "cells": cells, "averages": averages}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--repeats", type=int, default=SHUFFLES)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    files = arguments.files or [*downloaded("autotts"), *downloaded("scout")]
    with tempfile.TemporaryDirectory() as folder, one_line():
        found = find(files, Path(folder), arguments.repeats, arguments.jobs)
        made = tables(found, arguments.repeats)
        said, hold = checks(found, arguments.repeats)
        if arguments.json:
            raw = json.dumps(as_json(found, arguments.repeats), ensure_ascii=False, indent=1)
            arguments.json.write_text(raw + "\n", encoding="utf-8")
    if arguments.markdown:
        parts = [f"### {name}\n\n{markdown(*table)}" for name, table in made.items()]
        text = "\n\n".join([*parts, NOTE, "\n".join(f"- {each}" for each in said)])
        arguments.markdown.write_text(text + "\n", encoding="utf-8")
    for name, table in made.items():
        print(f"\n{name}\n")
        show(*table)
    print("", NOTE, "", *said, sep="\n")
    sys.exit(not hold)


if __name__ == "__main__":
    main()
