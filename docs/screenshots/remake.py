"""Screenshots of every page over sample data, made by `python docs/screenshots/remake.py`.

The traces are generated: the pictures show how the app looks, and nothing about a method.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from judges.kinds.oracle import PUBLISHED_AUROC
from judges.scores.generated import score_generated
from leaderboard_app.library.folders import Folders
from leaderboard_app.shown.navigation import link
from simulator.errors import UserError
from simulator.submissions.examples import make_builtin, small_cells
from simulator.submissions.published import FILE_NAME, PACKAGED

sys.path.append(str(Path(__file__).parents[2] / "tests/leaderboard_app/helpers"))
from served import browser, chromium, server

TARGET = Path("docs/screenshots")

CELL = "generated/qwen3-32b/aime25"
PROBLEM = "003"
"""The pool that is shown, and one of its problems with several different answers."""

PROBE, CONFIDENCE = "2026-11-22-parallel-probe", "2026-11-22-deepconf-low"


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
    return link("problem", entry=entry, pool=CELL, problem=PROBLEM, repeat=0)


SHOTS = (
    Shot("board", link("board", data="synthetic")),
    Shot("board-dark", link("board", data="synthetic"), dark=True),
    Shot("board-narrow", link("board", data="synthetic"), width=390),
    Shot("board-published", link("board")),
    Shot("tradeoff", link("tradeoff", data="synthetic")),
    Shot("entry", link("entry", entry=PROBE)),
    Shot("replay", replay(PROBE), height=1450),
    Shot("problem-probes", replay(PROBE)),
    Shot("problem-confidence", replay(CONFIDENCE)),
    Shot("problem-clusters", replay("runs/deepprune")),
    Shot("compare", link("compare", entries=f"{PROBE},{CONFIDENCE}")),
    Shot("data", link("data", pool=CELL)),
    Shot("judges", "judges"),
    Shot("submit", "submit"),
)


def main() -> None:
    """Make the sample data, serve the app over it and take every screenshot."""
    if chromium() is None:
        raise SystemExit("error: no Chromium with its driver here; install chromium-driver")
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folders = sample(Path(scratch))
        with server(folders) as running:
            for shot in SHOTS:
                with browser(width=shot.width, height=shot.height or 1000, dark=shot.dark) as seen:
                    seen.open(f"{running.url}/{shot.page}")
                    seen.picture(TARGET / f"{shot.name}.png", whole=shot.height is None)
                    for fault in seen.faults():
                        print(f"{shot.name}: {fault}", file=sys.stderr)
                print(TARGET / f"{shot.name}.png", flush=True)


def sample(root: Path) -> Folders:
    """Make nine small generated pools, the built-in submissions, published figures and a run.

    The run is deepprune with an oracle as its judge, with prefixes as short as the traces.
    """
    folders = Folders(root / "pools", root / "runs", root / "submissions")
    small_cells(folders.cache)
    own = Path("submissions")
    if own.is_dir():  # in a clone: already verified
        shutil.copytree(own, folders.submissions)
    else:
        make_builtin(folders.cache, folders.submissions)
        shutil.copy(PACKAGED / FILE_NAME, folders.submissions)
    score_generated(folders.cache, folders.cache / CELL)
    clusters = [*("run", "deepprune", "-d", CELL, "--judge", f"oracle:auroc={PUBLISHED_AUROC}")]
    clusters += [*("-p", "truncation=tokens=25", "-p", "tau=0.63", "-p", "K2=6", "-n", "32")]
    clusters += ["--cache", str(folders.cache), "-o", str(folders.runs / "deepprune")]
    subprocess.run([sys.executable, "-m", "simulator.cli", *clusters, "--repeats", "4"], check=True)
    return folders


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
