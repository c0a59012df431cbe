"""Records the pool that comes with the package again.

    python datasets_cache/school-math/record.py --model PATH|HUB_ID

Interrupted, the same command goes on where it stopped. On two CPU cores it takes about an hour.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

HERE = Path(__file__).parent
SAMPLING = {"temperature": "0.7", "top-p": "0.95", "max-tokens": "512", "probe-interval": "32"}


def run(*arguments: str) -> None:
    """Run a command of deepprune-sim; end with its status if it fails."""
    done = subprocess.run([sys.executable, "-m", "deepprune_sim", *arguments])
    if done.returncode:
        sys.exit(done.returncode)


@click.command()
@click.option("--model", required=True, metavar="PATH|HUB_ID", help="Model that generates.")
@click.option("--traces", default=64, show_default=True, help="Traces a problem.")
@click.option("--output", "-o", default="recordings/school-math", help="Recording to go on with.")
@click.option("--dataset", default="shipped", help="First part of the pool's name.")
@click.option("--source", help="Origin of the model.")
@click.option("--licence", help="Licence of the model, and of what it writes.")
@click.option("--cache", default=str(HERE.parent), help="Folder of pools.")
def main(model: str, traces: int, output: str, cache: str, **about: str | None) -> None:
    """Sample traces of the problems beside this file, and write them as a pool."""
    settings = [word for name, value in SAMPLING.items() for word in (f"--{name}", value)]
    problems = str(HERE / "problems.jsonl")
    engine = ("--model", model, "--engine", "transformers")
    run("live", f"cons@{traces}", problems, *engine, *settings, "--complete", "-o", output)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True
    ).stdout.strip()
    note = f"recorded up to {datetime.now(UTC):%Y-%m-%d} by {Path(__file__).name}, commit {commit}"
    told = [word for name, value in about.items() if value for word in (f"--{name}", value)]
    run(
        *("recording", "finish", output, "--benchmark", "school-math", *told, "--note", note),
        *("--settings", str(HERE / "settings.toml"), "--cache", cache, "--replace"),
    )


if __name__ == "__main__":
    main()
