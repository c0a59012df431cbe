"""The page of file formats: every file of it is imported by its command, with that output."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
from checkout import ROOT
from click.testing import CliRunner

from simulator.commands.import_ import import_pool
from simulator.errors import UserError

PAGE = ROOT / "docs" / "file-formats.md"
PART = re.compile(
    r"^`([\w./-]+)`:\n```(?:json|csv)\n(.*?)^```$|^```console\n(.*?)^```$", re.S | re.M
)


def test_every_command_of_the_page_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "pools"))
    monkeypatch.setenv("COLUMNS", "100")
    checker = doctest.OutputChecker()
    ran = set()
    for name, content, console in PART.findall(PAGE.read_text(encoding="utf-8")):
        if name:
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text(content, encoding="utf-8")
        for step in re.split(r"^\$ ", console, flags=re.M)[1:]:
            command, _, wanted = step.partition("\n")
            program, verb, *arguments = shlex.split(command)
            assert (program, verb) == ("deepprune-sim", "import")
            done = CliRunner().invoke(import_pool, arguments)
            printed = done.output
            if isinstance(done.exception, UserError):
                printed = f"error: {done.exception}\n"
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            assert checker.check_output(wanted, printed, flags), f"$ {command}\n{printed}"
            ran.add(arguments[0])
    assert ran == {
        *("csv", "jsonl", "deepprune", "openai", "lm-eval", "inspect", "scout", "zelt", "trackio")
    }
