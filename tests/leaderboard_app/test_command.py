"""`deepprune-sim leaderboard` as it is called."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hub_server import COMMIT, Hub, serving
from served import server

from leaderboard_app.cli import leaderboard
from leaderboard_app.library.folders import Folders
from simulator.errors import UserError


def test_folders_go_through_the_environment_unchanged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders = Folders(tmp_path / "a", tmp_path / "b", tmp_path / "c", "hf://datasets/o/n@1")
    for name, value in folders.as_environment().items():
        monkeypatch.setenv(name, value)
    assert Folders.from_environment() == folders


def test_the_app_is_served_and_ends_with_ctrl_c(empty: Folders) -> None:
    with server(empty) as running:
        with urllib.request.urlopen(running.url) as answer:
            assert b"<title>" in answer.read()
        os.kill(running.pid, signal.SIGINT)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{running.url}/_stcore/health", timeout=1).close()
            except OSError:
                return
            time.sleep(0.1)
        pytest.fail("it still answers")


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "simulator.cli", "leaderboard"),
                *("--address", "127.0.0.1", "--port", str(port)),
            ],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}: cannot listen there" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize("address", ["192.0.2.7", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_one_line_that_says_what_to_change(address: str) -> None:
    result = CliRunner().invoke(leaderboard, ["--address", address])
    assert isinstance(result.exception, UserError)
    said = str(result.exception)
    assert said.startswith(f"{address}: ")
    assert "--address" in said
    assert "--port" not in said


def test_a_file_for_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(leaderboard, ["--submissions", str(tmp_path / "file")])
    assert result.exit_code == 2


def test_an_export_of_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    options = ["--submissions", str(tmp_path / "nowhere"), "--export", str(tmp_path / "site")]
    result = CliRunner().invoke(leaderboard, [*options, "--cache", str(tmp_path / "pools")])
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith(f"{tmp_path / 'nowhere'}: no such folder")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("named", [True, False])
def test_a_folder_of_submissions_that_is_not_there_is_told_if_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execve", lambda file, words, environment: None)
    options = ["--submissions", "nowhere"] if named else []
    result = CliRunner().invoke(leaderboard, [*options, "--port", "8598"])
    assert result.exit_code == 0, result.output
    said = ["nowhere: no such folder, so the board has no submissions"] if named else []
    assert result.stderr.splitlines() == said


def test_help_ends_with_an_example() -> None:
    result = CliRunner().invoke(leaderboard, ["--help"])
    assert "deepprune-sim leaderboard --submissions" in result.output.splitlines()[-1]


def test_a_board_on_the_hub_is_fetched_and_its_commit_told(
    tmp_path: Path, hub_in_process: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(os, "execve", lambda file, words, environment: started.append(environment))
    files = {"submissions/board.toml": b'title = "Of the Hub"\n'}
    with serving(Hub("owner/board", files)) as hub:
        hub_in_process(hub.url)
        options = ["--submissions", "hf://datasets/owner/board", "--cache", str(tmp_path / "pools")]
        result = CliRunner().invoke(leaderboard, [*options, "--port", "8599"])
    assert result.exit_code == 0, result.output
    assert f"board: hf://datasets/owner/board@{COMMIT}" in result.stderr.splitlines()
    (environment,) = started
    shown = Path(environment["DEEPPRUNE_SIM_SUBMISSIONS"])
    assert (shown / "board.toml").read_bytes() == files["submissions/board.toml"]
    assert environment["DEEPPRUNE_SIM_BOARD"] == f"hf://datasets/owner/board@{COMMIT}"


def test_a_pull_request_is_not_shown_as_a_board(tmp_path: Path) -> None:
    address = "hf://datasets/owner/board@refs/pr/3"
    options = ["--submissions", address, "--cache", str(tmp_path / "pools")]
    result = CliRunner().invoke(leaderboard, options)
    assert isinstance(result.exception, UserError)
    assert f"deepprune-sim verify {address}" in str(result.exception)


def test_a_format_without_a_folder_to_write_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(leaderboard, ["--format", "hub"])
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "--format needs --export DIR, the folder to write"
