"""First contact: help that can be read and typed off, names explained, words completed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from checkout import ROOT
from pools import T, write_pool
from programs import call
from stored_files import write_run

from simulator.cli import cli
from simulator.commands.lazy import LazyGroup
from simulator.loading import describe_methods
from simulator.methods import METHODS, example_name

PROGRAM = "deepprune-sim"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLUMNS", raising=False)


def commands(
    command: click.Command = cli, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield the words and the command of each command, groups included."""
    yield words, command
    if isinstance(command, LazyGroup):
        for name in command.lazy:
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from commands(found, (*words, name))


ALL = dict(commands())
NAMES = [pytest.param(words, id=" ".join(words) or PROGRAM) for words in ALL]


@pytest.mark.parametrize("words", [(), ("data",), ("judge",)])
def test_a_group_alone_prints_its_help(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = call(capsys, *words)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: ")
    assert "\nCommands:\n" in out
    assert call(capsys, *words, "--help") == (0, out, "")


@pytest.mark.parametrize("words", NAMES)
def test_help_fits_80_columns_and_examples_keep_their_lines(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, _ = call(capsys, *words, "--help")
    assert code == 0
    assert [line for line in out.splitlines() if len(line) > 80] == []
    epilog = ALL[words].epilog or ""
    assert epilog.startswith("\b\nExample")
    wanted, printed = (
        [line.strip() for line in text.replace("\b", "").splitlines() if line.strip()]
        for text in (epilog, out)
    )
    assert printed[-len(wanted) :] == wanted


def examples(epilog: str) -> list[list[str]]:
    """Return the words of each example in an epilog, those of the program first."""
    lines = epilog.replace("\\\n", " ").replace("\b", "").splitlines()
    typed = [line.partition(" > ")[0] for line in lines if line and not line.endswith(":")]
    return [shlex.split(re.sub(r".* -m simulator\.cli", PROGRAM, line)) for line in typed]


@pytest.mark.parametrize("words", NAMES)
def test_every_example_parses_with_options_that_exist(words: tuple[str, ...]) -> None:
    found = examples(ALL[words].epilog or "")
    assert found
    for program, *rest in found:
        assert program == PROGRAM
        name: tuple[str, ...] = ()
        while isinstance(ALL[name], LazyGroup):
            name = (*name, rest.pop(0))
        ALL[name].parse_args(click.Context(ALL[name]), rest)
        assert name[: len(words)] == words or words == ("data", "pull")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("cons@N", "cons@N: N stands for a number of traces, such as cons@64"),
        ("cons@n", "cons@N: N stands for a number of traces, such as cons@64"),
        (
            "short-m@k",
            "short-m@k: m and k stand for numbers of traces, such as short-3@16",
        ),
        (
            "short-3@k",
            "short-m@k: m and k stand for numbers of traces, such as short-3@16",
        ),
    ],
)
def test_a_letter_that_stands_for_a_number_is_explained(
    capsys: pytest.CaptureFixture[str], typed: str, said: str
) -> None:
    assert call(capsys, "run", typed) == (2, "", f"error: {said}\n")
    assert call(capsys, "check", typed) == (2, "", f"error: {said}\n")


def test_a_missing_argument_is_answered_with_where_help_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = "error: Missing argument 'POOL'; see deepprune-sim data show --help\n"
    assert call(capsys, "data", "show") == (2, "", said)


def completed(*words: str, shell: str = "bash") -> list[str]:
    """Return what the shell is told when TAB is pressed after the last of `words`."""
    environment = os.environ | {
        "COMP_WORDS": "\n".join(map(shlex.quote, (PROGRAM, *words))),
        "COMP_CWORD": str(len(words)),
        "_DEEPPRUNE_SIM_COMPLETE": f"{shell}_complete",
    }
    code = "import sys; from simulator.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def plain(*words: str) -> list[str]:
    return [f"plain,{word}" for word in words]


def test_commands_and_options_are_completed() -> None:
    assert completed("rep") == plain("report")
    assert completed("data", "s") == plain("show", "sample", "sql")
    assert completed("run", "--rep") == plain("--repeats")
    assert completed("rep", shell="zsh")[:3] == ["plain", "report", "Compare"]


def test_methods_and_policy_files_are_completed() -> None:
    Path("mine.py").write_text("raise SystemExit('executed')\nclass Mine:\n    m = 3\n")
    names = [example_name(template) for template in METHODS]
    assert completed("run", "") == plain(*names, "mine.py")
    assert completed("check", "deepconf-") == plain(
        *("deepconf-low", "deepconf-high", "deepconf-offline", "deepconf-optillm", "deepconf-vllm")
    )
    assert completed("run", "folder/mi") == ["file,folder/mi"]
    assert completed("run", "mine.py", "-p", "") == plain("m=3")


def test_parameters_of_every_method_are_completed() -> None:
    for row, template in zip(describe_methods(), METHODS, strict=True):
        words = completed("run", example_name(template), "-p", "")
        names = [word.removeprefix("plain,").partition("=")[0] for word in words]
        assert names == list(row["parameters"]), row["name"]
    assert completed("run", "esc", "-p", "w") == plain("window=5")
    assert completed("run", "esc", "-n", "8", "-p", "window=3", "-p", "") == plain("window=5")


def test_pools_are_completed_wherever_one_is_named() -> None:
    write_pool(Path("cache"), {"p": [T(10, "1")]}, benchmark="tiny")
    write_pool(Path("elsewhere"), {"p": [T(10, "1")]}, benchmark="other")
    for words in (
        *(("run", "asc", "-d"), ("check", "asc", "--data"), ("data", "show"), ("data", "verify")),
        *(("judge", "redundancy"), ("judge", "score", "lexical", "-d"), ("judge", "pairs", "-d")),
    ):
        assert completed(*words, "te") == plain("test/model/tiny"), words
    assert completed("data", "show", "--cache", "elsewhere", "") == plain("test/model/other")
    assert completed("data", "show", "mine/") == []


def test_runs_submissions_and_formats_are_completed() -> None:
    for name in ("20260101-asc", "20260102-esc"):
        write_run(Path("runs") / name, "asc")
    Path("submissions/2026-01-01-asc").mkdir(parents=True)
    Path("submissions/2026-01-01-asc/submission.toml").touch()
    assert completed("report", "") == plain("runs/20260102-esc", "runs/20260101-asc")
    assert completed("report", "runs/20260102-esc", "20260101") == plain("runs/20260101-asc")
    assert completed("submit", "runs/20260102") == plain("runs/20260102-esc")
    assert completed("report", "other/") == ["dir,other/"]
    assert completed("verify", "") == plain("submissions/2026-01-01-asc")
    assert completed("import", "lm") == plain("lm-eval")


def test_completion_is_silent_whatever_is_wrong() -> None:
    Path("cache").write_text("a file")
    Path("broken.py").write_text("class (")
    assert completed("run", "asc", "-d", "") == []
    assert completed("run", "broken.py", "-p", "") == []
    assert completed("run", "nothing.py", "-p", "") == []
    assert completed("report", "--nothing", "x", "y")[0].startswith("dir,")
    assert completed("nothing", "at", "all") == []


@pytest.mark.parametrize(
    ("typed", "offered", "unloaded"),
    [
        ("run parallel-probe -p ", "plain,stable_steps=40", {"simulator.loading"}),
        ("data ", "plain,list", {"simulator.commands.data.listing"}),
        ("", "plain,run", {"simulator.commands.run", "judges.cli", "leaderboard_app.cli"}),
    ],
)
def test_completion_loads_nothing_that_is_not_needed(
    typed: str, offered: str, unloaded: set[str]
) -> None:
    code = (
        "import sys\n"
        "from simulator.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    words = f"{PROGRAM} {typed}"
    environment = os.environ | {"_DEEPPRUNE_SIM_COMPLETE": "bash_complete", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split()))
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert offered in done.stdout.split()
    heavy = {"numpy", "pyarrow", "duckdb", "pandas", "scipy", "rich", "streamlit", "altair"}
    assert (heavy | unloaded).isdisjoint(done.stderr.split())


GUIDE = (ROOT / "docs" / "shell-completion.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_guide_gives_a_line_for_each_shell(shell: str) -> None:
    assert f"_DEEPPRUNE_SIM_COMPLETE={shell}_source deepprune-sim" in GUIDE
    done = subprocess.run(
        [sys.executable, "-c", "from simulator.cli import main; main()"],
        env=os.environ | {"_DEEPPRUNE_SIM_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert f"_DEEPPRUNE_SIM_COMPLETE={shell}_complete" in done.stdout
