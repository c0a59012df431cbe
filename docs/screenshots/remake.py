"""Screenshots of every page, made by `python docs/screenshots/remake.py`.

They show the submissions of the repository, on the pool that comes with the package.

    python docs/screenshots/remake.py --all FOLDER

writes every page at three widths, in light and in dark mode, to look at one by one.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from leaderboard_app.library.folders import Folders
from leaderboard_app.shown.navigation import PAGES, link
from simulator.errors import UserError
from simulator.pools.shipped import shipped_pools
from simulator.submissions.examples import first_pool, make_builtin
from simulator.submissions.published import FILE_NAME, PACKAGED

sys.path.append(str(Path(__file__).parents[2] / "tests/leaderboard_app/helpers"))
from served import browser, chromium, server

TARGET = Path("docs/screenshots")

(POOL,) = shipped_pools()
PROBLEM = "shares-2"
"""The pool that is shown, and one of its problems with several different answers."""

PROBE, CONFIDENCE = "2026-11-30-parallel-probe", "2026-11-30-deepconf-low"


@dataclass(frozen=True)
class Shot:
    """A screenshot: its file name, page and window.

    Without `height` it shows the page down to its end.
    """

    name: str
    page: str
    width: int = 1400
    dark: bool = False
    height: int | None = None


def replay(entry: str) -> str:
    """Return the link to an entry's first replay of the problem."""
    return link("problem", entry=entry, pool=POOL, problem=PROBLEM, repeat=0)


SHOTS = (
    Shot("board", link("board")),
    Shot("board-dark", link("board"), dark=True),
    Shot("board-narrow", link("board"), width=390),
    Shot("tradeoff", link("tradeoff")),
    Shot("entry", link("entry", entry=PROBE)),
    Shot("replay", replay(PROBE), height=1450),
    Shot("problem-probes", replay(PROBE)),
    Shot("problem-confidence", replay(CONFIDENCE)),
    Shot("problem-clusters", replay("runs/deepprune")),
    Shot("compare", link("compare", entries=f"{PROBE},{CONFIDENCE}")),
    Shot("data", link("data", pool=POOL)),
    Shot("judges", "judges"),
    Shot("submit", "submit"),
)


WIDTHS = (1440, 1024, 390)
"""Widths of windows in CSS pixels: a desk, a tablet, a phone."""


def every_page() -> list[Shot]:
    """Return a screenshot of each page at each width, in light and in dark mode."""
    return [
        Shot(f"{name}-{width}{'-dark' if dark else ''}", link(name), width, dark)
        for name in PAGES
        for width in WIDTHS
        for dark in (False, True)
    ]


def main() -> None:
    """Make the sample data, serve the app over it and take the screenshots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page, width and mode")
    given = parser.parse_args()
    if chromium() is None:
        raise SystemExit("error: no Chromium with its driver here; install chromium-driver")
    target = given.all or TARGET
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, server(sample(Path(scratch))) as running:
        for shot in every_page() if given.all else SHOTS:
            with browser(width=shot.width, height=shot.height or 1000, dark=shot.dark) as seen:
                seen.open(f"{running.url}/{shot.page}")
                seen.picture(target / f"{shot.name}.png", whole=shot.height is None)
                for fault in seen.faults():
                    print(f"{shot.name}: {fault}", file=sys.stderr)
            print(target / f"{shot.name}.png", flush=True)


def sample(root: Path) -> Folders:
    """Copy the pool, the built-in submissions and the published figures, and make a run.

    The run is deepprune, with the judge that needs no model.
    """
    folders = Folders(root / "pools", root / "runs", root / "submissions")
    first_pool(folders.cache)
    own = Path("submissions")
    if own.is_dir():  # in a clone: already verified
        shutil.copytree(own, folders.submissions)
    else:
        make_builtin(folders.cache, folders.submissions)
        shutil.copy(PACKAGED / FILE_NAME, folders.submissions)
    clusters = ["run", "deepprune", "-d", POOL, "--judge", "lexical", "-n", "32", "-p", "K2=6"]
    clusters += ["--cache", str(folders.cache), "-o", str(folders.runs / "deepprune")]
    subprocess.run([sys.executable, "-m", "simulator.cli", *clusters, "--repeats", "4"], check=True)
    return folders


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
