"""`deepprune-sim import` says what it made, and one line of what it could not."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simulator.commands import import_
from simulator.commands.import_ import import_pool
from simulator.errors import UserError
from simulator.workers.executor import Here, WorkerDied

ROWS = [
    {"id": "p", "gold_answer": "7", "answer": str(7 + number), "num_tokens": 10, "grade": "C"}
    for number in range(13)
]


def run(folder: Path, *options: str, model: str = "m") -> Result:
    path = folder / "traces.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    names = ["--dataset", "d", "--model", model, "--benchmark", "b"]
    arguments = ["jsonl", str(path), *names, "--cache", str(folder / "cache"), *options]
    return CliRunner().invoke(import_pool, arguments)


def test_what_was_imported_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, "--map", "problem_id=id")
    assert result.exit_code == 0
    told = result.output
    for line in ("pool            d/m/b", "problems        1", "traces          13"):
        assert line in told
    assert "tokens          130" in told
    assert "12 of the source's grades disagree with ours" in told
    assert "p        1      8       7     correct  wrong" in told
    assert "… and 2 more; --json prints all" in told


def test_json_lists_every_disagreement_and_keeps_what_was_said_of_the_source(
    tmp_path: Path,
) -> None:
    result = run(
        tmp_path, "--map", "problem_id=id", "--json", "--source", "here", "--licence", "MIT"
    )
    told = json.loads(result.stdout)
    assert (told["name"], told["problems"], told["traces"], told["tokens"]) == ("d/m/b", 1, 13, 130)
    assert len(told["disagreements"]) == 12
    first = {"problem": "p", "trace": 1, "answer": "8", "gold": "7"}
    assert told["disagreements"][0] == first | {"theirs": "correct", "ours": "wrong"}
    stored = json.loads((Path(told["path"]) / "pool.json").read_text())
    assert (stored["source"], stored["licence"]) == ("here", "MIT")
    assert (stored["importer"], stored["importer_version"]) == ("jsonl", "2")


def test_an_import_whose_grader_dies_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying(Here):
        def submit(self, work: object, /, *call: object, **named: object) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(WorkerDied())
            return future

    monkeypatch.setattr(import_, "open_workers", lambda *how, **named: Dying())
    result = run(tmp_path, "--map", "problem_id=id", "-j", "2")
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == (
        f"{tmp_path / 'traces.jsonl'}: a worker process died (out of memory?); nothing was kept, "
        "import with fewer jobs: -j 1"
    )
    assert not (tmp_path / "cache").exists()


def test_a_taken_name_takes_replace(tmp_path: Path) -> None:
    assert run(tmp_path, "--map", "problem_id=id").exit_code == 0
    again = run(tmp_path, "--map", "problem_id=id")
    assert isinstance(again.exception, UserError)
    assert "--replace to overwrite it" in str(again.exception)
    assert run(tmp_path, "--map", "problem_id=id", "--replace").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jsnl", "x"], "no import format 'jsnl'; did you mean jsonl?"),
        (["xlsx", "x"], "no import format 'xlsx'; use one of scout, inspect, jsonl"),
        (["jsonl"], "nothing to import; give files or folders after the format"),
        (["jsonl", "x", "--map", "answer"], "--map answer: give it as FIELD=COLUMN"),
        (
            ["jsonl", "x", "--map", "answer=a", "--map", "answer=b"],
            "answer is already mapped to 'a'",
        ),
        (["jsonl", "x", "--model", "org/name"], "use --model name"),
        (["jsonl", "no-such-file"], "no-such-file: no such file"),
    ],
)
def test_wrong_commands_say_what_to_do(tmp_path: Path, arguments: list[str], message: str) -> None:
    names = ["--dataset", "d", "--model", "m", "--benchmark", "b", "--cache", str(tmp_path / "c")]
    result = CliRunner().invoke(import_pool, [arguments[0], *names, *arguments[1:]])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
    assert list((tmp_path / "c").rglob("*")) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder has to be")
    code = (
        "import sys; from pathlib import Path;"
        "from simulator.importers.import_pool import import_pool;"
        "from simulator.importers.importer import ImportOptions;"
        "import_pool('jsonl', ImportOptions(paths=(Path('x'),)), cache=Path(sys.argv[1]),"
        "dataset='d', model='m', benchmark='b')"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cache")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1].startswith("simulator.errors.UserError: ")
    assert "cannot be written" in ran.stderr


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, simulator.commands.import_;"
        "print({'numpy', 'pyarrow', 'rich', 'sympy', 'inspect_ai'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
