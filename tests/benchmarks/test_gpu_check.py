"""The check of a GPU: tiny shapes on a CPU, without packages that a GPU machine may lack."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

BLOCKED = ("pyarrow", "click", "pandas", "peft", "accelerate", "duckdb", "deepprune_sim")
"""Packages of ours that a machine with torch and transformers need not have."""

WITHOUT = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({BLOCKED!r}))
sys.argv[:] = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def check(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    script = str(CHECKOUT / "benchmarks" / "gpu_check.py")
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, script, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_command_prints_every_step_and_compares_with_float32(tmp_path: Path) -> None:
    done = check("--tiny", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line[:1] == "|"]
    figures = {row[0]: row[2] for row in rows[2:]}
    alone, shared, beside, adapters, whole = figures.values()
    for figure in (alone, shared, adapters, whole):
        assert re.match(r"\d+\.\d\d pairs/s", figure)
    # P(same) differs between pairs by more than a number format changes it.
    found = re.fullmatch(r"differ by (\S+), P\(same\) over (\S+)", beside)
    assert found is not None
    assert 0 < float(found[1]) < float(found[2])
    # Four updates on the same pairs: all weights learn them.
    begin, end = map(float, re.findall(r"\d\.\d{3}", whole))
    assert end < begin
    assert re.search(r"^ratio gpu-judge \d\.\d{3}$", done.stdout, re.MULTILINE)


def test_after_its_time_it_prints_what_it_has_and_fails(tmp_path: Path) -> None:
    done = check("--tiny", "--minutes", "0.001", cwd=tmp_path)
    assert "| stopped |" in done.stdout
    assert done.returncode == 1
    assert "not compared" in done.stderr
