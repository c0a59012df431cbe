"""The release workflow: trusted publishing, pinned actions, and no script that is fed by a name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from checkout import ROOT

FILE = ROOT / ".github/workflows/release.yml"
TEXT = FILE.read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load(TEXT)
ON: Any = True  # in YAML 1.1, the key `on` is a truth value
JOBS = WORKFLOW["jobs"]


def steps() -> list[dict[str, Any]]:
    return [step for job in JOBS.values() for step in job["steps"]]


def test_an_auditor_of_workflows_finds_nothing() -> None:
    installed = metadata.files("zizmor") or []
    (zizmor,) = [file.locate() for file in installed if file.name in ("zizmor", "zizmor.exe")]
    done = subprocess.run(
        [str(zizmor), "--offline", "--persona=pedantic", "--no-progress", FILE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "No findings" in done.stdout


def test_a_tag_alone_starts_it() -> None:
    assert WORKFLOW[ON] == {"push": {"tags": ["v*"]}}


def test_only_the_last_job_may_upload_and_it_runs_nothing_of_the_repository() -> None:
    assert WORKFLOW["permissions"] == {}
    assert "secrets." not in TEXT
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "check": {"contents": "read"},
        "build": {"contents": "read"},
        "test": {},
        "publish": {"id-token": "write"},
    }
    publish = JOBS["publish"]
    assert publish["environment"]["name"] == "pypi"
    assert [job.get("needs") for job in JOBS.values()] == [None, "check", "build", "test"]
    used = [step["uses"].partition("@")[0] for step in publish["steps"]]
    assert used == ["actions/download-artifact", "pypa/gh-action-pypi-publish"]


def test_actions_are_pinned_by_commit_with_their_version_beside() -> None:
    lines = [line for line in TEXT.splitlines() if "uses:" in line]
    assert len(lines) == len([step for step in steps() if "uses" in step])
    for line in lines:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_no_expression_stands_in_a_script() -> None:
    for step in steps():
        assert "${{" not in step.get("run", "")
        done = subprocess.run(["bash", "-n"], input=step.get("run", ""), text=True, check=False)
        assert done.returncode == 0


@pytest.mark.parametrize(
    ("tag", "edits", "expected"),
    [
        ("v0.1.0", (), "fill in repository"),
        ("v0.2.0", (), "the tag is v0.2.0, the version in pyproject.toml 0.1.0"),
        ("v0.1.0", (("pyproject.toml", 'repository = ""', 'repository = "x"'),), "no heading"),
        (
            "v0.1.0",
            (
                ("pyproject.toml", 'repository = ""', 'repository = "x"'),
                ("CHANGELOG.md", "## Unreleased", "## 0.1.0 (2026-12-01)"),
            ),
            "",
        ),
    ],
)
def test_a_release_that_is_not_prepared_stops_at_once(
    tmp_path: Path, tag: str, edits: tuple[tuple[str, str, str], ...], expected: str
) -> None:
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name, before, after in edits:
        file = tmp_path / name
        text = file.read_text(encoding="utf-8")
        assert before in text
        file.write_text(text.replace(before, after), encoding="utf-8")
    (script,) = [step["run"] for step in JOBS["check"]["steps"] if "run" in step]
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "GITHUB_REF_NAME": tag},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is (expected == "")
    assert expected in done.stdout + done.stderr


def test_the_installed_package_is_tested_with_a_command_that_it_has(tmp_path: Path) -> None:
    (script,) = [step["run"] for step in JOBS["test"]["steps"] if "run" in step]
    lines = [line for line in script.splitlines() if line.startswith("deepprune-sim ")]
    assert len(lines) == 3
    for line in lines:
        done = subprocess.run(
            [sys.executable, "-m", "simulator.cli", *line.split()[1:]],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DEEPPRUNE_SIM_CACHE": str(tmp_path / "p")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
