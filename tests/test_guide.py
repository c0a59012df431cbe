"""The policy author's guide: every block is run, in order, in one empty folder."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).parent.parent / "docs" / "writing-a-policy.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)


def run_console(block: str, folder: Path) -> None:
    """Run the lines after `$` and compare what they print, where `...` stands for anything."""
    environment = os.environ | {
        "DEEPPRUNE_SIM_CACHE": str(folder / "pools"),
        "COLUMNS": "100",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    checker = doctest.OutputChecker()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, wanted = step.partition("\n")
        done = subprocess.run(
            command, shell=True, cwd=folder, env=environment, capture_output=True, text=True
        )
        printed = done.stdout if done.returncode < 2 else done.stderr
        assert checker.check_output(wanted, printed, flags), (
            f"$ {command}\nwanted:\n{wanted}\nprinted:\n{printed}\n{done.stderr}"
        )


def test_every_block_of_the_guide_does_what_it_says(tmp_path: Path) -> None:
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    assert {language for language, _ in blocks} == {"python", "console"}
    for language, block in blocks:
        if language == "console":
            run_console(block, tmp_path)
            continue
        name = re.match(r"# (\w+\.py)\n", block)
        assert name, "a Python block begins with the name of its file"
        (tmp_path / name[1]).write_text(block, encoding="utf-8")
