"""The page "From Python", the references and the notebook: run, and current."""

from __future__ import annotations

import ast
import doctest
import linecache
import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
from checkout import ROOT
from guides import BLOCK, run_console
from nbclient import NotebookClient

DOCS = ROOT / "docs"
NOTEBOOK = DOCS / "examples" / "first-replay.ipynb"


def run_cell(code: str, name: str, names: dict[str, Any]) -> str:
    """Execute a block as a notebook does; return what it prints and its last expression."""
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    statements = ast.parse(code).body
    last = statements.pop() if isinstance(statements[-1], ast.Expr) else None
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(ast.Module(statements, []), name, "exec", dont_inherit=True), names)
        if isinstance(last, ast.Expr):
            shown = compile(ast.Expression(last.value), name, "eval", dont_inherit=True)
            value = eval(shown, names)
            if value is not None:
                print(repr(value))
    return printed.getvalue()


def test_every_block_of_from_python_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "pools"))
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    blocks = BLOCK.findall((DOCS / "from-python.md").read_text(encoding="utf-8"))
    assert len(blocks) >= 20
    printed = ""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for number, (language, block) in enumerate(blocks):
        if language == "console":
            run_console(block, tmp_path)
        elif language == "python":
            printed = run_cell(block, f"<block {number}>", vars(main))
        else:
            assert language == "text"
            assert doctest.OutputChecker().check_output(block, printed, flags), printed
    assert (tmp_path / "front.svg").read_text().startswith("<svg")


def test_the_references_are_current() -> None:
    """Otherwise, `python docs/make_reference.py` writes them again."""
    checked = subprocess.run(
        [sys.executable, "docs/make_reference.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout


def test_the_notebook_runs_and_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "pools"))
    stored = nbformat.read(NOTEBOOK, as_version=4)
    again = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(again, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()

    def kinds(notebook: Any) -> list[list[str]]:
        """MIME types of the results of each cell, without their versions."""
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        return [
            sorted(
                re.sub(r"\.v\d+(\.\d+)*", "", mime)
                for output in cell.outputs
                if output.output_type == "execute_result"
                for mime in output.data
            )
            for cell in cells
        ]

    assert kinds(again) == kinds(stored)
    assert sum(map(bool, kinds(stored))) > 5
    assert not re.search(r"/(tmp|home|root|work|Users)/", NOTEBOOK.read_text(encoding="utf-8"))


def test_a_notebook_shows_a_bar_while_it_works(tmp_path: Path) -> None:
    """Updated in place, removed at the end, and without a library for widgets."""
    source = (
        "import time, warnings\nwarnings.simplefilter('error')\n"
        "from simulator.api.progress import progress_bar\n"
        "with progress_bar('esc') as bar:\n"
        "    for done in range(3):\n        time.sleep(0.6)\n        bar(done, 4)\n"
        "    1 / 0\n"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    shown: list[str] = []
    client = NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}})
    client.allow_errors = True
    on_message = client.process_message

    def note(message: Any, cell: Any, index: int) -> Any:
        data = message["content"].get("data", {})
        shown.append(data.get("text/html", data.get("text/plain", "")))
        return on_message(message, cell, index)

    client.process_message = note
    client.execute()
    bars = [text for text in shown if "<progress" in text]
    assert [bar.split("> ")[1] for bar in bars] == ["esc: 0%", "esc: 25%", "esc: 50%"]
    first, error = notebook.cells[0].outputs
    assert first.data == {"text/plain": ""}
    assert error.ename == "ZeroDivisionError"
