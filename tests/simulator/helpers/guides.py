"""The blocks of a guide, and the running of those that are typed in a shell."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

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
            command,
            shell=True,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,  # no terminal, so that nothing is asked
            capture_output=True,
            text=True,
        )
        printed = done.stdout if done.returncode < 2 else done.stderr
        assert checker.check_output(wanted, printed, flags), (
            f"$ {command}\nwanted:\n{wanted}\nprinted:\n{printed}\n{done.stderr}"
        )
