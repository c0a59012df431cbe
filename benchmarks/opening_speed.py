"""Time and memory of opening a board for the first time, and again in a new process.

    python benchmarks/opening_speed.py --submissions 200 [--board FOLDER]

Makes a board (`made_board.py`) in a temporary folder, or takes the one in --board. Opening it reads
all submissions and ranks them on each pool and on all; what that takes is kept in the folder of
pools. Prints CPU seconds and peak memory of a process of its own, and last the ratio of the time of
opening it again to that of the first time. With --small, pools have few problems.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from made_board import board_in, make_board

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import load
from leaderboard_app.library.standings import groups, standings


def main() -> None:
    with board_asked_for(__doc__) as folders:
        print("| | reading, s | ranks, s | peak memory, MiB |")
        print("|---|---:|---:|---:|")
        spent = []
        for name in ("first time", "again"):
            loading, ranking, peak = in_another_process(folders)
            spent.append(loading + ranking)
            print(f"| {name} | {loading:.2f} | {ranking:.2f} | {peak:.0f} |", flush=True)
        print(f"ratio opening {spent[1] / spent[0]:.4f}")


@contextmanager
def board_asked_for(about: str | None) -> Iterator[Folders]:
    """Read the command line, and open the board that it names, or make one for the time being."""
    parser = argparse.ArgumentParser(description=(about or "").splitlines()[0])
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--board", type=Path, help="Folder of a board that was made before.")
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    if given.board:
        yield board_in(given.board)
        return
    with tempfile.TemporaryDirectory() as scratch:
        problems = (6, 12) if given.small else (30, 198)
        folders = make_board(Path(scratch), given.submissions, problems=problems)
        time.sleep(3)  # what was just written is not kept
        yield folders


def in_another_process(folders: Folders) -> tuple[float, float, float]:
    """Open a board; return CPU seconds of reading and of ranking, and the peak in MiB."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(opened, folders).result()


def opened(folders: Folders) -> tuple[float, float, float]:
    """Open a board in this process."""
    began = time.process_time()
    library = load(folders)
    read = time.process_time()
    for group in groups(library, False):
        standings(library, group)
    ranked = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return read - began, ranked - read, peak


if __name__ == "__main__":
    main()
