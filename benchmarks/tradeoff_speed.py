"""Processor time of the figures of the pages Trade-off and Compare with many entries.

    python benchmarks/tradeoff_speed.py --entries 200

Uses random entries that all ran on nine pools (30, 30 and 198 problems, three times, 16 repeats).
The last line compares `paired.combine`, which the pages do not use, with their averages.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from yardstick import in_yardsticks

from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.library import Library
from leaderboard_app.library.memo import Once
from leaderboard_app.shown.charts import as_spec
from leaderboard_app.shown.chosen_entries import MOST
from leaderboard_app.shown.table import as_html
from leaderboard_app.tradeoff import chart as tradeoff_chart
from leaderboard_app.tradeoff import marks
from leaderboard_app.tradeoff import view as tradeoff
from leaderboard_app.tradeoff.frame import frame
from leaderboard_app.tradeoff.labels import labels
from leaderboard_app.tradeoff.points import Measured, measure
from leaderboard_app.views.compare import (
    chart as compare_chart,
)
from leaderboard_app.views.compare import (
    comparison as compare,
)
from leaderboard_app.views.compare import (
    tables as compare_tables,
)
from simulator.report.paired import combine
from simulator.runs.results import Metric, ProblemSums

REPEATS = 16
SIZES = {"aime24": 30, "aime25": 30, "gpqa-diamond": 198}

T = TypeVar("T")

LEAST: list[float] = []
"""Processor seconds of each step so far."""


class MadeUp:
    """The part of a library that the pages' figures use."""

    def __init__(self, count: int) -> None:
        generator = np.random.default_rng(0)
        self.pools = [f"d/model-{model}/{name}" for model in range(3) for name in SIZES]
        self.sums = {
            f"e{number}": {pool: _sums(generator, pool) for pool in self.pools}
            for number in range(count)
        }
        self.entries = tuple(_entry(name, sums) for name, sums in self.sums.items())
        self.published = ()
        self.once = Once()

    def problem_sums(self, entry: Entry) -> Mapping[str, ProblemSums]:
        return self.sums[entry.id]


def _sums(generator: np.random.Generator, pool: str) -> ProblemSums:
    size = SIZES[pool.rpartition("/")[2]]
    correct = generator.integers(0, REPEATS + 1, size)
    return ProblemSums(
        tuple(f"{number:03d}" for number in range(size)),
        REPEATS,
        correct,
        generator.integers(1_000_000, 9_000_000, size),
        correct,
        np.full(size, 9_000_000),
    )


def _entry(name: str, sums: Mapping[str, ProblemSums]) -> Entry:
    results = {
        pool: Result(
            pool=pool,
            column=pool,
            fingerprint="f",
            model=pool.split("/")[1],
            benchmark=pool.split("/")[2],
            synthetic=False,
            token_accuracy="exact",
            problems=len(each.problem_ids),
            budget=512,
            baseline="cons@512",
            clock_unit="steps",
            serving="",
            metrics={
                "accuracy": Metric(float(each.correct.mean()) / REPEATS),
                "tokens_per_problem": Metric(float(each.tokens.mean()) / REPEATS),
            },
        )
        for pool, each in sums.items()
    }
    return Entry(
        id=name,
        path=Path(name),
        method=name,
        label=name,
        badge="local",
        needs=(),
        policy=name,
        policy_sha256=None,
        parameters={},
        settings=(),
        unranked=False,
        seed=0,
        repeats=REPEATS,
        results=results,
    )


def timed(what: str, made: Callable[[], T]) -> T:
    """Print the least processor time of three, and return the last result."""
    times = []
    for _ in range(3):
        began = time.process_time()
        found = made()
        times.append(time.process_time() - began)
    print(f"| {what} | {min(times):.3f} |")
    LEAST.append(min(times))
    return found


def time_compared(library: Library, chosen: Sequence[Entry]) -> None:
    """Time the steps of the page Compare."""
    name = f"Compare, {len(chosen)} entries"
    shared = timed(
        f"{name}: shared pools", lambda: compare.shared_pools(library, chosen, synthetic=False)
    )
    timed(f"{name}: differences", lambda: compare.differences(chosen, shared))
    timed(f"{name}: every pair", lambda: compare.together(chosen, shared))
    pool = shared[2]  # the first of 198 problems
    timed(
        f"{name}: problems as HTML",
        lambda: as_html(compare_tables.problem_table(pool, chosen, contested=False)),
    )
    timed(
        f"{name}: picture as Vega-Lite",
        lambda: as_spec(compare_chart.draw(pool, chosen[1], chosen[0], "tokens")),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=200)
    made_up = MadeUp(parser.parse_args().entries)
    library, pools = cast(Library, made_up), made_up.pools
    print("| step | s |\n|---|---:|")
    timed("Trade-off: one pool", lambda: measure(library, pools[:1], "tokens"))

    def averaged() -> Measured:
        made_up.once = Once()
        return measure(library, pools, "tokens")

    began = time.process_time()
    measured = timed("Trade-off: nine pools averaged", averaged)
    averaging = (time.process_time() - began) / 3
    view = timed("Trade-off: front and lines", lambda: tradeoff.choose(measured))
    chart = timed("Trade-off: picture", lambda: tradeoff_chart.draw(view, log=True))
    area, every = frame(view, log=True), marks.marks(view)
    drawn = view, every, area, marks.steps(view, area), marks.lines(view, area)
    timed("Trade-off: labels, part of the picture", lambda: labels(*drawn))
    timed("Trade-off: picture as Vega-Lite", lambda: as_spec(chart))
    timed("Trade-off: tables", lambda: [*map(as_html, tradeoff.tables(view).values())])
    for count in (2, MOST):
        time_compared(library, made_up.entries[:count])
    began = time.process_time()
    sums = [[made_up.sums[entry.id][pool] for entry in made_up.entries] for pool in pools]
    combine([pool.rpartition("/")[2] for pool in pools], sums, [True] * len(made_up.entries))
    print(in_yardsticks("tradeoff", sum(LEAST)))
    print(f"\n`combine` takes {(time.process_time() - began) / averaging:.1f} times the averages.")


if __name__ == "__main__":
    main()
