"""The blocks of a guide, and the running of those that are typed in a shell."""

from __future__ import annotations

import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from simulator.cli import main

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)


def run_console(block: str, folder: Path) -> None:
    """Run the lines after `$` and compare what they print, where `...` stands for anything."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"DEEPPRUNE_SIM_CACHE": str(folder / "pools"), "COLUMNS": "100", "PATH": path}
    checker = doctest.OutputChecker()
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, wanted = step.partition("\n")
        with pytest.MonkeyPatch.context() as patched:
            for name, value in settings.items():
                patched.setenv(name, value)
            words = shlex.split(command)
            code, out, err = (
                _here(words[1:], folder) if words[0] == "deepprune-sim" else _typed(command, folder)
            )
        printed = out if code < 2 else err
        assert checker.check_output(wanted, printed, flags), (
            f"$ {command}\nwanted:\n{wanted}\nprinted:\n{printed}\n{err}"
        )


def _here(words: list[str], folder: Path) -> tuple[int, str, str]:
    """Run a command of ours in this process, which saves loading it; return code and outputs."""
    out, err = io.StringIO(), io.StringIO()
    with (
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main(words)
    return int(str(ended.value.code or 0)), out.getvalue(), err.getvalue()


def _typed(command: str, folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,  # no terminal, so that nothing is asked
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr
