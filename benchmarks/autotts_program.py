"""The rules of AutoTTS's table replayed as its program counts, apart from the simulator.

    python benchmarks/autotts_program.py Qwen3-0.6B-aime24.json … [--jobs 2]

Each file is one model's on one benchmark, and its path names both. The protocol is that of the
released evaluation: 100 shuffles of the 128 branches, `random.Random(seed)` for seeds 0 to 99, the
same for all problems; answers are strings, `ERR` among them, which vote and are right as they
stand. A branch that is read in steps costs 500 tokens a probe, and what is left of it where it is
read past its last probe.

Nothing here uses the simulator, its importers or its methods: it is what their figures are checked
against. Printed are the figures of each rule beside those of the paper (arXiv 2605.08083, Table 1),
as Markdown, and whether CMC's golden values are met to the digit; exit code 1 if one is not.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tomllib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from functools import cache, partial
from pathlib import Path
from statistics import fmean
from typing import Any

from scipy.special import betainc

PUBLISHED = tomllib.loads(
    Path(__file__).with_name("autotts_published.toml").read_text(encoding="utf-8")
)
"""Table 1 of the paper, and golden values of CMC."""

MODELS = list(dict.fromkeys(row["model"] for row in PUBLISHED["published"]))
BENCHMARKS = ("aime24", "aime25", "hmmt25")
HELD_OUT = BENCHMARKS[1:]
"""Benchmarks on which the paper's controller was not searched."""


STEP = 500
"""Tokens between two probes."""

SHUFFLES = 100
MOST = 64
"""Branches that a rule may open."""


@dataclass
class Branch:
    """A stored branch, and how far a rule has read it."""

    probes: Sequence[str]
    tokens: int
    final: str
    read: int = 0  # probes read
    charged: int = 0
    finished: bool = False
    abandoned: bool = False
    astray: int = 0  # rounds in a row that it has disagreed

    @property
    def latest(self) -> str:
        """The answer that was read last."""
        return self.final if self.finished else self.probes[self.read - 1]

    @property
    def live(self) -> bool:
        return not (self.finished or self.abandoned)

    def advance(self) -> None:
        """Read one probe more or, past the last one, the final answer."""
        if self.read < len(self.probes):
            self.read += 1
            self.charged += STEP
        else:
            self.finished = True
            self.charged += max(0, self.tokens - STEP * self.read)


@dataclass(frozen=True)
class Outcome:
    """What a rule comes to on a problem in one order; `gate`: CMC's stopping rule ended it."""

    answer: str | None
    tokens: int
    gate: bool = False
    branches: int = 0
    rounds: int = 0  # before the last one


Rule = Callable[[Sequence[Branch]], Outcome]


def plurality(answers: Iterable[str]) -> str | None:
    """Return the most frequent answer, the first of several; None without one."""
    counts = Counter(answers).most_common(1)  # ties in the order of first occurrence
    return counts[0][0] if counts else None


def chance(answers: Iterable[str]) -> float:
    """Return 1 − I₀.₅(v1 + 1, v2 + 1) of the two largest counts; 0 without an answer."""
    first, second, *_ = [*sorted(Counter(answers).values(), reverse=True), 0, 0]
    return _chance(first, second) if first else 0.0


@cache
def _chance(first: int, second: int) -> float:
    return float(1 - betainc(first + 1, second + 1, 0.5))


def cons(branches: Sequence[Branch]) -> Outcome:
    """cons@64: all vote."""
    return Outcome(plurality(b.final for b in branches), sum(b.tokens for b in branches))


def asc(branches: Sequence[Branch], threshold: float = 0.95) -> Outcome:
    """ASC: one after the other until the leader's chance is above the threshold."""
    answers: list[str] = []
    for branch in branches:
        answers.append(branch.final)
        if len(answers) > 1 and chance(answers) > threshold:
            break
    return Outcome(plurality(answers), sum(b.tokens for b in branches[: len(answers)]))


def esc(branches: Sequence[Branch], window: int = 8) -> Outcome:
    """ESC: windows until one is unanimous."""
    for end in range(window, len(branches) + 1, window):
        answers = {branch.final for branch in branches[end - window : end]}
        if len(answers) == 1:
            return Outcome(answers.pop(), sum(b.tokens for b in branches[:end]))
    return cons(branches)


def parallel_probe(
    branches: Sequence[Branch], stable: int = 40, patience: int = 7, warm_up: int = 15
) -> Outcome:
    """Parallel-Probe: in lock step, pruned by disagreement, stopped by stability."""
    for branch in branches:
        branch.advance()
    previous, unchanged = None, 0
    for step in range(100):
        for branch in branches:
            if branch.live:
                branch.advance()
        kept = [branch for branch in branches if not branch.abandoned]
        winner = plurality(branch.latest for branch in kept)
        if step >= warm_up:
            for branch in kept:
                if branch.live:
                    branch.astray = 0 if branch.latest == winner else branch.astray + 1
                    branch.abandoned = branch.astray >= patience
            kept = [branch for branch in branches if not branch.abandoned]
            winner = plurality(branch.latest for branch in kept)
        unchanged = unchanged + 1 if winner == previous else 0
        previous = winner
        if unchanged >= stable or not any(branch.live for branch in branches):
            break
    return Outcome(previous, sum(branch.charged for branch in branches))


class CMC:
    """AutoTTS's controller (appendix D), `beta` from 0 to 1; Python's rounding."""

    def __init__(self, beta: float) -> None:
        b = beta
        self.first, self.most = max(2, round(2 + 6 * b)), min(MOST, round(4 + 60 * b))
        self.warm, self.patience = max(2, round(2 + 8 * b)), max(3, round(3 + 9 * b))
        self.burst, self.widen = max(1, round(1 + 2 * b)), max(1, round(1 + 3 * b))
        self.least, self.window = max(2, round(2 + 3 * b)), max(2, round(2 + 6 * b))
        self.alpha, self.gate, self.slack = 0.7 - 0.4 * b, 0.85 + 0.12 * b, 0.04 - 0.03 * b

    def __call__(self, branches: Sequence[Branch]) -> Outcome:
        pool: list[str] = []  # final answers of finished branches
        opened: list[Branch] = []
        gate, level, levels = False, 0.0, deque[float](maxlen=self.window)

        def advance(branch: Branch) -> None:
            branch.advance()
            if branch.finished:
                pool.append(branch.final)

        def open_more(count: int) -> None:
            for branch in branches[len(opened) : min(self.most, len(opened) + count)]:
                opened.append(branch)
                advance(branch)

        open_more(self.first)
        for r in range(500):
            winner = plurality(pool)
            level = (1 - self.alpha) * level + self.alpha * chance(pool)
            levels.append(level)
            warm = r >= self.warm and winner is not None
            if warm:
                self.abandon([branch for branch in opened if branch.live], winner)
            for branch in sorted((b for b in opened if b.live), key=lambda b: -b.read):
                agrees = warm and branch.latest == winner
                for _ in range(self.burst if agrees else 1):
                    if branch.live:
                        advance(branch)
            level = (1 - self.alpha) * level + self.alpha * chance(pool)
            levels[-1] = level
            trend = levels[-1] - levels[0]
            if r >= self.warm and len(pool) >= self.least:
                gate = level >= self.gate and trend >= -self.slack
            if gate or not any(branch.live for branch in opened):
                break
            if trend <= self.slack and r >= max(1, self.warm // 2) and level < self.gate:
                open_more(self.widen)
        answer = plurality(pool or (b.latest for b in opened if not b.abandoned))
        charged = sum(branch.charged for branch in opened)
        return Outcome(answer, charged, gate, len(opened), r)

    def abandon(self, live: Sequence[Branch], winner: str | None) -> None:
        """Count who disagrees, and abandon those that have for long, but leave two."""
        for branch in live:
            branch.astray = 0 if branch.latest == winner else branch.astray + 1
        longest = sorted(live, key=lambda branch: -branch.astray)
        for branch in longest[: max(0, len(live) - 2)]:
            branch.abandoned = branch.astray >= self.patience


METHODS: dict[str, Rule] = {
    "cons@64": cons,
    "asc": asc,
    "esc": esc,
    "parallel-probe": parallel_probe,
    "cmc-0.5": CMC(0.5),
    "cmc-1": CMC(1.0),
}
"""Rules of the table, with the settings of the paper, by their names in autotts_published.toml."""


@dataclass(frozen=True)
class Figures:
    """Means over problems and shuffles: accuracy in %, tokens a problem; the others are CMC's."""

    accuracy: float
    tokens: float
    gate: float
    branches: float
    rounds: float

    def meet(self, golden: Mapping[str, Any]) -> bool:
        """Check whether these are the golden values, to the last digit of each."""
        return all(
            round(getattr(self, name), digits) == golden[name]
            for name, digits in {**DIGITS, "accuracy": 2, "tokens": 0}.items()
        )


DIGITS = {"gate": 3, "branches": 1, "rounds": 1}


def replay(rule: Rule, problems: Sequence[Mapping[str, Any]], shuffles: int = SHUFFLES) -> Figures:
    """Replay a rule on every problem of a file, in every order of its branches."""
    rows = []
    for problem in problems:
        stored, gold = problem["each_branch"], problem["gold_answer"]
        for seed in range(shuffles):
            order = list(range(len(stored)))
            random.Random(seed).shuffle(order)
            found = rule([Branch(*stored[number]) for number in order[:MOST]])
            rows.append((100 * (found.answer == gold), *astuple(found)[1:]))
    return Figures(*map(fmean, zip(*rows, strict=True)))


@dataclass(frozen=True)
class Cell:
    """A model on a benchmark, stored in a file."""

    file: Path
    model: str
    benchmark: str

    def published(self, method: str) -> tuple[float, float]:
        """Return the printed accuracy in % and thousands of tokens."""
        named = {"model": self.model, "method": method}
        (row,) = (row for row in PUBLISHED["published"] if row.items() >= named.items())
        accuracy, tokens = row[self.benchmark]
        return accuracy, tokens

    def golden(self, method: str) -> dict[str, Any] | None:
        """Return the golden values of CMC; None for other methods and where there are none."""
        named = {"model": self.model, "benchmark": self.benchmark, "method": method}
        rows = [row for row in PUBLISHED["golden"] if row.items() >= named.items()]
        return rows[0] if rows else None


def cell_of(file: Path) -> Cell:
    """Tell from the last two parts of a path which model and benchmark a file is of.

    SCOUT's `aime24.json` are of Qwen3-8B, as it has no other.
    """
    name = "/".join(file.absolute().parts[-2:]).casefold().replace("_", "-")
    models = [model for model in MODELS if model.casefold() in name]
    benchmarks = [benchmark for benchmark in BENCHMARKS if benchmark in file.name.casefold()]
    if len(models) != 1 or len(benchmarks) != 1:
        raise SystemExit(
            f"{file}: its path names not one of {', '.join(MODELS)} and one of "
            f"{', '.join(BENCHMARKS)}; rename it, such as Qwen3-8B-aime24.json"
        )
    return Cell(file, models[0], benchmarks[0])


def cells_of(files: Sequence[Path]) -> list[Cell]:
    """Tell which cells files are of; ends the program for one that is missing or given twice."""
    cells = [cell_of(file) for file in files]
    for number, cell in enumerate(cells):
        if not cell.file.is_file():
            raise SystemExit(f"{cell.file}: there is no such file")
        for other in cells[:number]:
            if (cell.model, cell.benchmark) == (other.model, other.benchmark):
                raise SystemExit(f"{cell.file}: {other.file} is of the same cell; give one of them")
    return cells


def as_printed(figures: Figures, printed: tuple[float, float]) -> tuple[bool, bool]:
    """Check whether accuracy and thousands of tokens are the printed ones, with one decimal each.

    The program cuts decimals off tokens before they are rounded to thousands.
    """
    pairs = zip((figures.accuracy, int(figures.tokens) / 1000), printed, strict=True)
    accuracy, tokens = (abs(value - each) <= 0.05 + 1e-9 for value, each in pairs)
    return accuracy, tokens


def replay_cell(cell: Cell, shuffles: int = SHUFFLES) -> dict[str, Figures]:
    """Replay every rule on the problems of a file."""
    problems = json.loads(cell.file.read_text(encoding="utf-8"))
    if not problems or any("each_branch" not in problem for problem in problems):
        raise SystemExit(
            f"{cell.file}: not a list of problems with each_branch; give AutoTTS's file"
        )
    return {name: replay(rule, problems, shuffles) for name, rule in METHODS.items()}


def replay_cells(
    cells: Sequence[Cell], jobs: int = 1, shuffles: int = SHUFFLES
) -> list[dict[str, Figures]]:
    """Replay every rule on every file, in several processes."""
    if jobs == 1:
        return [replay_cell(cell, shuffles) for cell in cells]
    with ProcessPoolExecutor(jobs) as workers:
        return [*workers.map(partial(replay_cell, shuffles=shuffles), cells)]


def missed(cells: Sequence[Cell], found: Sequence[Mapping[str, Figures]]) -> list[str]:
    """Name the cells in which CMC's golden values are not met to the digit."""
    return [
        f"{method} on {cell.model}, {cell.benchmark}: {figures} is not {golden}"
        for cell, by_method in zip(cells, found, strict=True)
        for method, figures in by_method.items()
        if (golden := cell.golden(method)) and not figures.meet(golden)
    ]


def table(cell: Cell, found: Mapping[str, Figures]) -> str:
    """Return the figures of a cell as Markdown; printed ones that are others are marked."""
    lines = [
        f"| {cell.model}, {cell.benchmark} | accuracy %: printed | program | thousand tokens: "
        "printed | program | gate | branches | rounds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, figures in found.items():
        cells = [f"`{method}`"]
        printed = cell.published(method)
        same = as_printed(figures, printed)
        ours = f"{figures.accuracy:.2f}", f"{figures.tokens / 1000:,.1f}"
        for theirs, is_same, own in zip(printed, same, ours, strict=True):
            cells += [f"{theirs:,}" + ("" if is_same else " ≠"), own]
        if method.startswith("cmc"):
            cells += [f"{getattr(figures, name):.{digits}f}" for name, digits in DIGITS.items()]
        lines.append("| " + " | ".join([*cells, *["–"] * (8 - len(cells))]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    cells = cells_of(arguments.files)
    found = replay_cells(cells, arguments.jobs)
    for cell, figures in zip(cells, found, strict=True):
        print(table(cell, figures), end="\n\n")
    wrong = missed(cells, found)
    known = sum(cell.golden(method) is not None for cell in cells for method in METHODS)
    print(
        *wrong, f"{known - len(wrong)} of {known} golden values of CMC met to the digit", sep="\n"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
