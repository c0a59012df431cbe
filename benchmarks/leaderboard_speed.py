"""How fast the leaderboard is with many submissions on nine pools, and how much memory it takes.

    python benchmarks/leaderboard_speed.py --submissions 200

Makes the nine small generated cells and copies of the repository's submissions in a temporary
folder, with a third of them said to be real, starts the app as users do, and goes through it in a
headless Chromium (`apt-get install chromium chromium-driver`). Each step is timed from the click to
the first sight of what it brings; the second visit of a page is the one on a warm server.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from leaderboard_app.folders import Folders
from leaderboard_app.served import Browser, browser, server
from simulator.generated.cells import SIZES, select_cells
from simulator.generated.pools import make_pool

SUBMISSIONS = Path(__file__).parents[1] / "submissions"

TABLE = "table.dps tbody tr"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = make(Path(scratch), given.submissions)
        with server(folders) as running, browser() as seen:
            began = time.perf_counter()
            seen.driver.get(f"{running.url}/?data=synthetic")
            seen.wait_for(TABLE)
            print(f"first view of a cold server: {time.perf_counter() - began:.2f} s")
            print("\n| step | least, s | median, s | most, s |\n|---|---|---|---|")
            for name, step in STEPS.items():
                times = sorted(step(seen, running.url) for _ in range(given.rounds))
                middle = times[len(times) // 2]
                print(f"| {name} | {times[0]:.2f} | {middle:.2f} | {times[-1]:.2f} |")
            print(f"\nmemory of the server: {resident(running.pid):.0f} MiB")


def make(root: Path, count: int) -> Folders:
    """Folders with nine pools and `count` submissions, copies of the repository's."""
    folders = Folders(root / "pools", root / "runs", root / "submissions")
    for cell in select_cells(()):
        make_pool(folders.cache, cell, SIZES["small"], text=True)
    folders.submissions.mkdir()
    shutil.copy(SUBMISSIONS / "published.toml", folders.submissions)
    known = sorted(each for each in SUBMISSIONS.iterdir() if each.is_dir())
    for number in range(count):
        source = known[number % len(known)]
        target = folders.submissions / f"{source.name}-{number:03d}"
        shutil.copytree(source, target)
        file = target / "submission.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace('method = "', f'method = "{number:03d} '), encoding="utf-8")
    return folders


def first_view(seen: Browser, url: str) -> float:
    """A reader opens the board."""
    seen.driver.get("about:blank")
    began = time.perf_counter()
    seen.driver.get(f"{url}/?data=synthetic")
    seen.wait_for(TABLE)
    return time.perf_counter() - began


def sort(seen: Browser, url: str) -> float:
    """A reader clicks a heading."""
    seen.settle()
    buttons = seen.find("table.dps [data-sort]")
    before = seen.driver.current_url
    began = time.perf_counter()
    buttons[3].click()
    seen.wait_until(lambda: seen.driver.current_url != before, "another order in the link")
    seen.wait_for("th[aria-sort]")
    return time.perf_counter() - began


STEPS: dict[str, Callable[[Browser, str], float]] = {
    "first view of a warm server": first_view,
    "sort": sort,
}


def resident(pid: int) -> float:
    """Memory that a process holds, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no such process")


if __name__ == "__main__":
    main()
