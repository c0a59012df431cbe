"""Time, memory and size of a board as plain pages (`deepprune-sim leaderboard --export`).

    python benchmarks/export_speed.py --submissions 200 [--board FOLDER]

Makes a board (`made_board.py`) in a temporary folder, or takes the one in --board, and opens it, so
that its figures and ranks are kept. Exports it into a new folder, then into the same one, each in a
process of its own: CPU seconds, peak memory, files and their size. Last, the ratio of the first
export's time to fixed work (`yardstick.py`). With --small, pools have few problems.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from opening_speed import board_asked_for, in_another_process
from yardstick import in_yardsticks

from leaderboard_app.export.site import export_site
from leaderboard_app.library.folders import Folders


def main() -> None:
    with board_asked_for(__doc__) as folders, tempfile.TemporaryDirectory() as scratch:
        in_another_process(folders)
        site = Path(scratch) / "site"
        print("| | CPU, s | peak memory, MiB | files | MB |")
        print("|---|---:|---:|---:|---:|")
        spent = []
        for name in ("new folder", "again"):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
                seconds, peak = process.submit(exported, folders, site).result()
            spent.append(seconds)
            sizes = [each.stat().st_size for each in site.rglob("*") if each.is_file()]
            row = f"{seconds:.1f} | {peak:.0f} | {len(sizes):,} | {sum(sizes) / 1e6:.0f}"
            print(f"| {name} | {row} |", flush=True)
        print(in_yardsticks("export", spent[0]))


def exported(folders: Folders, site: Path) -> tuple[float, float]:
    """Export a board in this process; return CPU seconds and the peak in MiB."""
    began = time.process_time()
    export_site(folders, site)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.process_time() - began, peak


if __name__ == "__main__":
    main()
