"""All benchmarks with a recorded ratio, at small sizes, each beside its figure in `figures.toml`.

    python benchmarks/all.py [NAME …] [--write]

NAME is a script's name or the beginning of one. A benchmark prints lines `ratio NAME VALUE`: the
time of what is measured, relative to that of what it is compared with in the same process, so less
is better. A ratio more than a third above its figure is a regression; a benchmark that fails or
does not print a ratio is named too. Exits with 1 then. `--write` records what was measured, of the
benchmarks that ran, as the new figures.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

FIGURES = HERE / "figures.toml"

FIELDS = {
    "pool": HERE.parent / "datasets_cache/shipped/Qwen2.5-Coder-0.5B-Instruct-Q4_K_M/school-math",
    "policy": HERE.parent / "docs/examples/short_m.py",
}

WORSE = 4 / 3
"""Factor above a figure from which on a ratio is a regression."""

RATIO = re.compile(r"^ratio (\S+) (\S+)$", re.MULTILINE)


def ratios_in(output: str) -> dict[str, float]:
    """Return the ratios that a benchmark printed, by name."""
    return {name: float(value) for name, value in RATIO.findall(output)}


def verdict(found: float | None, figure: float) -> str:
    """Return what to say of a ratio beside its figure; empty if it is well."""
    if found is None:
        return "missing"
    return "REGRESSION" if found > WORSE * figure else ""


def run(command: str) -> tuple[dict[str, float], str]:
    """Run a benchmark; return its ratios, and the end of its output if it failed."""
    script, *arguments = [each.format(**FIELDS) for each in shlex.split(command)]
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments],
        cwd=HERE.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    failed = done.stderr[-2000:] if done.returncode else ""
    return ratios_in(done.stdout), failed


def rewritten(text: str, found: dict[str, float]) -> str:
    """Return the text of the figures' file with new ratios; names not in `found` are kept."""
    for name, value in found.items():
        text = re.sub(rf"(?<=[ {{]{re.escape(name)} = )[\d.]+", f"{value:g}", text)
    return text


def main() -> None:
    """Run the benchmarks, print a table, and exit with 1 if one is worse or fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", action="store_true", help="record what was measured")
    given = parser.parse_args()
    text = FIGURES.read_text(encoding="utf-8")
    benchmarks: list[dict[str, Any]] = tomllib.loads(text)["benchmark"]
    if given.names:
        wanted = tuple(given.names)
        benchmarks = [each for each in benchmarks if each["command"].startswith(wanted)]
    if not benchmarks:
        parser.error("no benchmark of figures.toml has such a name")
    print("| ratio | recorded | now | s | |\n|---|---:|---:|---:|---|")
    bad = False
    measured: dict[str, float] = {}
    for each in benchmarks:
        began = time.perf_counter()
        found, failed = run(each["command"])
        seconds = time.perf_counter() - began
        measured |= found
        for name, figure in each["ratios"].items():
            said = verdict(found.get(name), figure)
            bad = bad or bool(said)
            now = f"{found[name]:g}" if name in found else ""
            print(f"| {name} | {figure:g} | {now} | {seconds:.0f} | {said} |", flush=True)
        if failed:
            bad = True
            print(f"{each['command']} failed:\n{failed}", file=sys.stderr)
    if given.write:
        FIGURES.write_text(rewritten(text, measured), encoding="utf-8")
    sys.exit(1 if bad and not given.write else 0)


if __name__ == "__main__":
    main()
