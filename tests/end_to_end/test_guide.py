"""The guides: every block is run, in order, in one empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from checkout import ROOT
from guides import BLOCK, run_console

DOCS = ROOT / "docs"
GUIDES = ("writing-a-policy.md", "your-own-traces.md", "submitting.md", "keeping-a-board.md")


@pytest.mark.parametrize("guide", GUIDES)
def test_every_block_of_a_guide_does_what_it_says(guide: str, tmp_path: Path) -> None:
    blocks = BLOCK.findall((DOCS / guide).read_text(encoding="utf-8"))
    assert {language for language, _ in blocks} <= {"python", "console"}
    assert any(language == "console" for language, _ in blocks)
    for language, block in blocks:
        if language == "console":
            run_console(block, tmp_path)
            continue
        name = re.match(r"# (\w+\.py)\n", block)
        assert name, "a Python block begins with the name of its file"
        (tmp_path / name[1]).write_text(block, encoding="utf-8")


def test_the_workflows_script_verifies_what_a_pull_request_adds(tmp_path: Path) -> None:
    """The step of the example workflow as it stands, in a repository with one pull request."""
    workflow = (DOCS / "examples" / "verify-submissions.yml").read_text(encoding="utf-8")
    (step,) = re.findall(r"- name: verify\n.*?run: \|\n(.*?)      - if", workflow, re.S)
    script = textwrap.dedent(step)
    source = DOCS.parent / "submissions" / "2026-11-22-cons-32"
    added = tmp_path / "submissions" / source.name
    shutil.copytree(source, added)
    (added / "verification.json").unlink()

    def git(*arguments: str) -> str:
        names = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        done = subprocess.run(
            ["git", *names, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def run(message: str) -> tuple[int, str]:
        git("add", "submissions", *(["other.txt"] if (tmp_path / "other.txt").exists() else []))
        git("commit", "-q", "-m", message)
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=tmp_path,
            env=os.environ
            | {
                "BASE": base,
                "DEEPPRUNE_SIM_CACHE": str(tmp_path / "pools"),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
        )
        return done.returncode, (tmp_path / "comment.md").read_text(encoding="utf-8")

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "empty")
    base = git("rev-parse", "HEAD")
    code, comment = run("a submission, of pools that are not here")
    assert code == 0
    assert comment.startswith("### 2026\\-11\\-22\\-cons\\-32\n")
    assert "| recomputed | skipped |" in comment
    (added / "summary.json").write_text("{}")
    code, comment = run("tampered with")
    assert code != 0
    assert "**no badge**" in comment
    (added / "verification.json").write_text("{}")
    code, comment = run("with an outcome of its own")
    assert (code, comment) == (
        1,
        "verification.json is for the verifier to write; leave it out\n",
    )
    (added / "verification.json").unlink()
    (tmp_path / "other.txt").write_text("x")
    code, comment = run("with something else")
    assert (code, comment) == (1, "the pull request changes more than files of submissions\n")
