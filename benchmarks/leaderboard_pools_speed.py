"""Time of the pages Data and Judges to read a pool of paper size, and its stored scores.

    python benchmarks/leaderboard_pools_speed.py

Generates one pool of 198 problems x 512 traces (2 GB, a minute) and the scores of all its 25.9
million pairs in a temporary folder. Each step runs without cached results in a warm process; the
least of three counts. The ratios compare with reading the same rows problem by problem, measured in
the same process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from judges.evaluation.redundancy import count_pairs
from judges.scores.cached import open_scores
from judges.scores.generated import score_generated
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import load
from leaderboard_app.library.pool_answers import read_answers
from leaderboard_app.shown.charts import as_spec
from leaderboard_app.views.data import charts as data_charts
from leaderboard_app.views.data import tables as data
from leaderboard_app.views.judges import judged
from simulator.generated.cells import SIZES, select_cells
from simulator.generated.pools import make_pool, pool_folder
from simulator.pools.pool import Pool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", default="gpt-oss-20b/gpqa-diamond")
    parser.add_argument("--size", choices=sorted(SIZES), default="paper")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        folders = Folders(root / "pools", root / "runs", root / "submissions")
        (cell,) = select_cells([given.cell])
        make_pool(folders.cache, cell, SIZES[given.size])
        path = pool_folder(folders.cache, cell)
        scores = score_generated(folders.cache, path)
        name = f"generated/{cell.name}"
        library = load(folders)

        def read_all_scores() -> None:
            store = open_scores(folders.cache, scores.store.description.spec).store
            for problem in Pool(path).problems:
                store.read(problem)

        answers = read_answers(library, name)
        (stored,) = judged.inventory(library).stored
        judged.evaluate(library, stored)
        charts = (data_charts.curves_chart, data_charts.lengths_chart, data_charts.answers_chart)
        reading = least(lambda: read_answers(library, name))
        worth = least(lambda: judged.evaluate(library, stored))
        looped = least(lambda: count_pairs(Pool(path)))
        every = least(read_all_scores)
        print(
            f"answers of a pool: {reading:.3f} s; opening it and counting same-answer pairs alone: "
            f"{looped / reading:.2f}x that"
        )
        print(f"pass@k and cons@k: {least(lambda: read_answers(library, name).cons_at_k):.3f} s")
        print(f"three charts: {least(lambda: [as_spec(each(answers)) for each in charts]):.3f} s")
        print(f"table of problems: {least(lambda: data.problems_table(answers)):.3f} s")
        print(f"inventory of stored scores: {least(lambda: judged.inventory(library)):.3f} s")
        print(
            f"evaluating a judge against answers: {worth:.3f} s; only reading all of its "
            f"{stored.pairs:,} scores: {every / worth:.1f}x that"
        )
        print(f"ratio answers-of-a-pool {reading / looped:.3f}")
        print(f"ratio judge-of-a-pool {worth / every:.3f}")


def least(step: Callable[[], object], rounds: int = 3) -> float:
    """Measure the seconds of the fastest of several rounds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
