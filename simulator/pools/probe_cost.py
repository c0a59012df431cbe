"""Cost of a probe: the prompt suffix that forces an answer, and the tokens of the answer.

A pool may record it (`probe_cost` in `pool.json`). Where it does not, `DEFAULT` is charged:
Dynasor-CoT (arXiv 2412.20993) and DEER (arXiv 2504.15895) let a probe answer with at most 20
tokens, and a suffix such as "</think> The final answer is" has about 10.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from simulator.errors import UserError
from simulator.pools.pool import PoolInfo

MOST = 10**6
"""Largest number of tokens of a part of a probe."""

_, _, GIVEN = SOURCES = ("pool", "default", "given")
"""Origins of the cost in a run: the pool, `DEFAULT`, or `--probe-cost`."""


@dataclass(frozen=True, slots=True)
class ProbeCost:
    """Tokens of a probe: `suffix` is read, as a prompt is, and `answer` generated."""

    suffix: int
    answer: int

    @property
    def tokens(self) -> int:
        """Tokens of both parts."""
        return self.suffix + self.answer

    def __str__(self) -> str:
        return f"{self.suffix}+{self.answer}"


DEFAULT = ProbeCost(suffix=10, answer=20)
"""Cost of a probe where the pool records none."""

FREE = ProbeCost(0, 0)
"""Cost of a probe in published tables, which do not charge for probes."""


def recorded_cost(info: PoolInfo) -> ProbeCost | None:
    """Return the cost that a pool records, None if it records none."""
    return ProbeCost(**info.probe_cost) if info.probe_cost else None


def cost_in(info: PoolInfo, given: ProbeCost | None = None) -> ProbeCost:
    """Return the cost of a probe in a replay: as given, else the pool's, else `DEFAULT`."""
    return given or recorded_cost(info) or DEFAULT


def described_cost(info: PoolInfo, given: ProbeCost | None = None) -> dict[str, Any]:
    """Return `cost_in` and its source, one of `SOURCES`, for `run.json`."""
    cost = cost_in(info, given)
    source = "given" if given else "pool" if info.probe_cost else "default"
    return {"suffix": cost.suffix, "answer": cost.answer, "source": source}


def parse_probe_cost(text: str) -> ProbeCost:
    """Parse `20` (tokens of the answer) or `10+20` (suffix and answer).

    Raises
    ------
    UserError
        Another form, or more than `MOST` tokens.
    """
    found = re.fullmatch(r"(?:(\d{1,7})\+)?(\d{1,7})", text.strip(), re.ASCII)
    parts = [int(part or 0) for part in found.groups()] if found else [MOST + 1]
    if max(parts) > MOST:
        raise UserError(
            f"--probe-cost {text}: give the tokens of an answer (20), or of suffix and answer "
            f"(10+20), at most {MOST:,} each; 0 makes probes free"
        )
    return ProbeCost(*parts)
