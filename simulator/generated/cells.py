"""The nine cells modelled on three models and three benchmarks, their sizes, and the sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from simulator.errors import UserError, nearest

PAPER_TRACES = 512
"""Number of traces per problem in the publication, and at paper size."""

DATASET = "generated"


@dataclass(frozen=True, slots=True)
class Cell:
    """One model on one benchmark, as published.

    Source: DeepPrune's project page (2025-10-10, arXiv 2510.08483), the pass@1 of its stored traces
    and its cons@512 row. Only `pass_at_1`, `cons_accuracy` and `tokens` are published figures.

    Parameters
    ----------
    number
        Number of the cell: part of every seed, never reused.
    pass_at_1, cons_accuracy
        Percent.
    tokens
        In 10^8, of all problems with `PAPER_TRACES` traces each.
    max_tokens
        Length limit. Not published, chosen here.
    """

    number: int
    model: str
    benchmark: str
    problems: int
    answer_kind: str
    pass_at_1: float
    cons_accuracy: float
    tokens: float
    max_tokens: int

    @property
    def name(self) -> str:
        """Name of the cell, `model/benchmark`."""
        return f"{self.model}/{self.benchmark}"

    @property
    def mean_tokens(self) -> float:
        """Mean length of a trace at paper size."""
        return self.tokens * 1e8 / (PAPER_TRACES * self.problems)


_DS_8B, _QWEN, _OSS = "deepseek-r1-0528-qwen3-8b", "qwen3-32b", "gpt-oss-20b"

CELLS = (
    Cell(0, _DS_8B, "aime24", 30, "math", 83.08, 86.7, 3.62, 65_536),
    Cell(1, _DS_8B, "aime25", 30, "math", 74.57, 83.3, 4.19, 65_536),
    Cell(2, _DS_8B, "gpqa-diamond", 198, "choice", 59.74, 66.2, 10.9, 65_536),
    Cell(3, _QWEN, "aime24", 30, "math", 80.10, 86.7, 1.93, 40_960),
    Cell(4, _QWEN, "aime25", 30, "math", 69.28, 80.0, 2.64, 40_960),
    Cell(5, _QWEN, "gpqa-diamond", 198, "choice", 68.24, 70.7, 6.94, 40_960),
    Cell(6, _OSS, "aime24", 30, "math", 80.72, 93.3, 2.05, 65_536),
    Cell(7, _OSS, "aime25", 30, "math", 77.54, 90.0, 2.10, 65_536),
    Cell(8, _OSS, "gpqa-diamond", 198, "choice", 66.18, 70.7, 4.60, 65_536),
)


@dataclass(frozen=True, slots=True)
class Size:
    """Size at which a cell is generated.

    `shrink` divides everything that is measured in tokens: lengths, the length limit, the probe
    interval, and how long a dip of the confidence lasts (a group of 2048 tokens becomes one of
    102).
    """

    name: str
    aime_problems: int
    gpqa_problems: int
    traces: int
    shrink: int

    def problems(self, cell: Cell) -> int:
        """Return the number of problems of a cell at this size."""
        return self.gpqa_problems if cell.answer_kind == "choice" else self.aime_problems

    def tokens(self, number: float) -> int:
        """Convert a number of tokens at paper size to this size."""
        return max(1, round(number / self.shrink))


SIZES = {
    "small": Size("small", aime_problems=6, gpqa_problems=12, traces=32, shrink=20),
    "paper": Size("paper", aime_problems=30, gpqa_problems=198, traces=PAPER_TRACES, shrink=1),
}


def select_cells(patterns: Sequence[str]) -> list[Cell]:
    """Return the cells whose `model/benchmark` any pattern matches, in order; all without patterns.

    Patterns are names or globs in any case, in which `*` also matches the slash.

    Raises
    ------
    UserError
        A pattern matches no cell; the message names the nearest.
    """
    if not patterns:
        return list(CELLS)
    chosen: set[str] = set()
    names = [cell.name for cell in CELLS]
    for pattern in patterns:
        wanted = pattern.casefold().removeprefix(f"{DATASET}/")
        found = [name for name in names if fnmatchcase(name, wanted)]
        if not found:
            hint = nearest(wanted, names, "use one of", cutoff=0.4)
            raise UserError(f"no cell {pattern!r}; {hint}")
        chosen.update(found)
    return [cell for cell in CELLS if cell.name in chosen]
