"""The example workflows for a board on GitHub: what they may do, and what their steps do."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]
from checkout import ROOT
from submitted import submit

from simulator.commands.verify import verify

EXAMPLES = ROOT / "docs/examples"
VERIFYING = yaml.safe_load((EXAMPLES / "verify-submissions.yml").read_text())
COMMENTING = yaml.safe_load((EXAMPLES / "comment-on-submissions.yml").read_text())
ON: Any = True  # in YAML 1.1, the key `on` is a truth value
SHA = "a" * 40


def steps(workflow: Any) -> list[dict[str, Any]]:
    (job,) = workflow["jobs"].values()
    found: list[dict[str, Any]] = job["steps"]
    return found


def script(workflow: Any, name: str) -> str:
    (step,) = [each for each in steps(workflow) if each.get("name") == name]
    return str(step["run"])


def run(text: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step's script as GitHub does, with the commands in `bin/` first."""
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    known = {"PATH": path, "HOME": str(folder), "GITHUB_REPOSITORY": "owner/board"}
    return subprocess.run(
        ["bash", "-e", "-c", text],
        cwd=folder,
        env=known | variables,
        capture_output=True,
        text=True,
        timeout=600,
    )


def command(folder: Path, name: str, text: str) -> None:
    file = folder / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


# --- what they may do


def test_a_strangers_pull_request_meets_a_token_that_only_reads() -> None:
    assert VERIFYING[ON] == {"pull_request": {"paths": ["submissions/**"]}}
    assert VERIFYING["permissions"] == {"contents": "read"}
    assert [job.get("permissions") for job in VERIFYING["jobs"].values()] == [None]
    (checkout,) = [each for each in steps(VERIFYING) if "checkout" in each.get("uses", "")]
    assert checkout["with"]["persist-credentials"] is False
    assert "secrets." not in (EXAMPLES / "verify-submissions.yml").read_text()


def test_what_can_write_runs_nothing_of_a_stranger() -> None:
    assert COMMENTING[ON] == {
        "workflow_run": {"workflows": [VERIFYING["name"]], "types": ["completed"]}
    }
    assert COMMENTING["permissions"] == {}
    (job,) = COMMENTING["jobs"].values()
    assert job["permissions"] == {
        "actions": "read",
        "contents": "read",
        "pull-requests": "write",
    }
    assert job["if"] == "github.event.workflow_run.event == 'pull_request'"
    assert [each["uses"] for each in steps(COMMENTING) if "uses" in each] == [
        "actions/download-artifact@v4"
    ]
    for step in steps(COMMENTING):
        assert not re.search(r"git (clone|fetch|checkout)|pip|deepprune-sim ", step.get("run", ""))


@pytest.mark.parametrize("workflow", [VERIFYING, COMMENTING], ids=["verify", "comment"])
def test_no_expression_stands_in_a_script(workflow: Any) -> None:
    for step in steps(workflow):
        assert "${{" not in step.get("run", "")
        done = subprocess.run(["bash", "-n"], input=step.get("run", ""), text=True, check=False)
        assert done.returncode == 0


def test_verify_is_called_with_options_that_it_has() -> None:
    (line,) = [line for line in script(VERIFYING, "verify").splitlines() if line]
    call = shlex.split(line.partition("<")[0])
    given = call[call.index("verify") + 1 :]
    assert {"--changed", "--json", "--dry-run"} <= set(given)
    context = click.Context(verify, help_option_names=["-h", "--help"])  # click keeps these
    parser = verify.make_parser(context)
    options, _, _ = parser.parse_args([*given, "submissions/x"])
    assert (options["changed"], options["as_json"], options["timeout"]) == (True, True, "9000")


# --- the first workflow, step by step


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Make a board's repository with one submission and its verification."""
    old = tmp_path / "submissions/2026-01-01-old"
    (old / "verified").mkdir(parents=True)
    for name in ("policy.py", "submission.toml", "verification.json", "verified/run.json"):
        (old / name).write_text("old")
    (tmp_path / "README.md").write_text("A board")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "Board")
    return tmp_path


def proposed(board: Path, files: dict[str, str | None]) -> subprocess.CompletedProcess[str]:
    """Commit these files (None: removed) as a pull request, and list its submissions."""
    base = git(board, "rev-parse", "HEAD")
    for name, content in files.items():
        file = board / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
    git(board, "add", "-A")
    git(board, "commit", "-qm", "Pull request")
    return run(script(VERIFYING, "list the submissions"), board, BASE=base)


def test_submissions_that_are_added_or_altered_are_listed_once(board: Path) -> None:
    new = "submissions/2026-01-31-new"
    files: dict[str, str | None] = {
        f"{new}/{name}": "x" for name in ("policy.py", "run.json", "answers.parquet")
    }
    done = proposed(board, files | {"submissions/2026-01-01-old/submission.toml": "new"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    listed = (board / "folders").read_text().split("\0")
    assert listed == ["submissions/2026-01-01-old", new, ""]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("submissions/2026-01-31-new/verification.json", "{}", "for the verifier to write"),
        ("submissions/2026-01-01-old/verification.json", "{}", "for the verifier to write"),
        ("submissions/2026-01-01-old/verification.json", None, "for the verifier to write"),
        ("submissions/2026-01-01-old/verified/run.json", "{}", "for the verifier to write"),
        ("submissions/2026-01-31-new/verified", "{}", "for the verifier to write"),
        ("submissions/2026-01-31-new/verified/x.parquet", "{}", "for the verifier to write"),
        ("submissions/2026-01-31-new.verification.json", "{}", "for the verifier to write"),
        ("submissions/2026-01-31-new.verified/run.json", "{}", "for the verifier to write"),
        ("submissions/2026-01-01-old/policy.py", None, "is withdrawn, not removed"),
        ("README.md", "mine", "more than files of submissions"),
        (".github/workflows/verify-submissions.yml", "mine", "more than files of submissions"),
        (".github/deepprune-sim.txt", "mine", "more than files of submissions"),
        ("submissions/published.toml", "mine", "more than files of submissions"),
        ("submissions/2026-01-31-new/$(id).py", "x", "more than files of submissions"),
        ("submissions/2026-01-31-new/a\nb.py", "x", "more than files of submissions"),
        ("submissions/-o/deep/policy.py", "x", "more than files of submissions"),
    ],
)
def test_a_pull_request_that_touches_anything_else_is_refused(
    board: Path, name: str, content: str | None, said: str
) -> None:
    done = proposed(board, {name: content, "submissions/2026-01-31-fair/policy.py": "x"})
    assert done.returncode == 1
    assert done.stdout.startswith("::error::")
    assert said in done.stdout
    assert done.stdout.count("\n") == 1
    assert not (board / "folders").exists()


def test_the_program_comes_from_where_the_keeper_says_and_nowhere_else(board: Path) -> None:
    command(board, "sudo", ":")
    command(board, "pip", 'echo "$@" > installed')
    install = script(VERIFYING, "install deepprune-sim")
    base = git(board, "rev-parse", "HEAD")
    done = run(install, board, BASE=base, PACKAGE="")
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith("::error::set the repository variable DEEPPRUNE_SIM_PACKAGE")
    assert not (board / "installed").exists()
    (step,) = [each for each in steps(VERIFYING) if each.get("name") == "install deepprune-sim"]
    assert step["env"] == {"PACKAGE": "${{ vars.DEEPPRUNE_SIM_PACKAGE }}"}
    assert run(install, board, BASE=base, PACKAGE="git+https://x.org/a@b").returncode == 0
    assert (board / "installed").read_text() == "install -- git+https://x.org/a@b\n"
    # GitHub hands no variables to pull requests from forks: the line in the base's file counts,
    # not the one that the pull request brings.
    (board / ".github").mkdir()
    file = board / ".github/deepprune-sim.txt"
    file.write_text("https://x.org/deepprune_sim.whl\n")
    git(board, "add", ".github")
    git(board, "commit", "-qm", "Where it comes from")
    base = git(board, "rev-parse", "HEAD")
    file.write_text("https://evil.example/x.whl\n")
    assert run(install, board, BASE=base, PACKAGE="").returncode == 0
    assert (board / "installed").read_text() == "install -- https://x.org/deepprune_sim.whl\n"


# --- the second workflow


def pulls(folder: Path, *heads: str, files: list[str] | None = None, now: str = SHA) -> None:
    """Put a `gh` in place that knows these open pull requests, numbered from 7."""
    listed = [{"number": 7 + index, "head": {"sha": sha}} for index, sha in enumerate(heads)]
    (folder / "pulls").write_text(json.dumps(listed))
    names = ["submissions/2026-01-31-new/policy.py"] if files is None else files
    (folder / "names").write_text("".join(json.dumps(name) + "\n" for name in names))
    command(
        folder,
        "gh",
        'echo "$@" >> called\n'
        f'case "$*" in *files?per_page*) cat names;; *--jq*.head.sha*) echo {now};;\n'
        "*--method*) cat pulls;; esac",
    )


def test_the_pull_request_is_the_one_whose_head_was_verified(tmp_path: Path) -> None:
    pulls(tmp_path, "b" * 40, SHA)
    output = tmp_path / "output"
    branch = "x$(touch owned)`id`;\"'"
    done = run(
        script(COMMENTING, "find the pull request"),
        tmp_path,
        HEAD_OWNER="stranger",
        HEAD_BRANCH=branch,
        HEAD_SHA=SHA,
        GITHUB_OUTPUT=str(output),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert output.read_text() == "number=8\n"
    assert f"head=stranger:{branch}" in (tmp_path / "called").read_text()
    assert not (tmp_path / "owned").exists()
    pulls(tmp_path, "b" * 40)
    output.write_text("")
    run(
        script(COMMENTING, "find the pull request"),
        tmp_path,
        HEAD_OWNER="stranger",
        HEAD_BRANCH="x",
        HEAD_SHA=SHA,
        GITHUB_OUTPUT=str(output),
    )
    assert output.read_text() == ""  # so that no later step runs
    assert all("steps.find.outputs.number" in each["if"] for each in steps(COMMENTING)[1:])


def comment(folder: Path, result: str | bytes | None, files: list[str] | None = None) -> str:
    """Write the comment on a pull request with this result; return it."""
    pulls(folder, SHA, files=files)
    listing = script(COMMENTING, "list what it changes")
    assert run(listing, folder, NUMBER="7", HEAD_SHA=SHA).returncode == 0
    (folder / "result").mkdir(exist_ok=True)
    if result is not None:
        content = result if isinstance(result, bytes) else result.encode()
        (folder / "result/result.json").write_bytes(content)
    done = run(
        script(COMMENTING, "write the comment"), folder, RUN_URL="https://github.com/o/b/runs/1"
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = (folder / "comment.md").read_text()
    assert text.startswith("```text\n")
    assert text.endswith("\n```\nLog: https://github.com/o/b/runs/1\n")
    assert text.count("`") == 6
    assert text.isascii()
    assert len(text) < 61_000
    return text.removeprefix("```text\n").partition("\n```")[0]


def result(**changes: Any) -> dict[str, Any]:
    step = {"step": "rerun", "status": "passed", "findings": [], "notes": ["a note"]}
    one = {"submission": "2026-01-31-new", "badge": "verified", "steps": [step], "remarks": []}
    return {"submissions": [one | changes], "unchanged": 3}


def test_a_head_that_moves_meanwhile_gets_no_comment(tmp_path: Path) -> None:
    pulls(tmp_path, SHA, now="c" * 40)
    listing = script(COMMENTING, "list what it changes")
    assert run(listing, tmp_path, NUMBER="7", HEAD_SHA=SHA).returncode != 0


def test_the_comment_has_badges_steps_and_what_the_keeper_is_told(tmp_path: Path) -> None:
    told = result(remarks=["badge: recomputed → verified, because all steps passed"])
    assert comment(tmp_path, json.dumps(told)).splitlines() == [
        "2026-01-31-new: verified",
        "  rerun: passed",
        "    a note",
        "  ! badge: recomputed ? verified, because all steps passed",
        "unchanged: 3",
    ]
    none = comment(tmp_path, json.dumps(result(badge=None)))
    assert none.startswith("2026-01-31-new: no badge\n")


@pytest.mark.parametrize(
    "text",
    ["```\n@everyone <img src=x>", "\x1b[31m\r\n# h", "x" * 2000, "\u202e\ud800", "[a](b)", 3, []],
    ids=["fence", "control", "long", "direction", "link", "number", "list"],
)
def test_no_text_of_the_result_leaves_the_block_of_code(tmp_path: Path, text: Any) -> None:
    for changes in ({"submission": text}, {"badge": text}, {"remarks": [text] * 400}):
        shown = comment(tmp_path, json.dumps(result(**changes)))
        assert all(" " <= each <= "~" or each == "\n" for each in shown)
        assert len(shown.splitlines()) <= 50
    many = result() | {"submissions": result(remarks=[text] * 40)["submissions"] * 200}
    comment(tmp_path, json.dumps(many))


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"null",
        b"[" * 10**6,
        b'{"submissions": 1, "unchanged": 0}',
        b'{"submissions": [], "unchanged": Infinity}',
        b'{"submissions": [[]], "unchanged": 0}',
        b'{"submissions": [], "unchanged": "' + b"9" * 5000 + b'"}',
        b'{"submissions": [], "unchanged": 0}' + b" " * 5_000_000 + b"x",
        json.dumps(result(steps={"a": 1})).encode(),
        json.dumps(result(steps=[{"step": "x", "status": "y"}])).encode(),
    ],
    ids=range(14),
)
def test_a_result_that_is_none_is_told_as_such(tmp_path: Path, content: bytes | None) -> None:
    told = comment(tmp_path, content)
    assert told in (
        "The verification ended without a result; its log says why.",
        "unchanged: 0",  # what is cut after 4 MB is white space
    )


@pytest.mark.parametrize(
    "name",
    [
        ".github/workflows/verify-submissions.yml",
        "submissions/2026-01-31-new/verification.json",
        "submissions/2026-01-31-new/verified/run.json",
        "submissions/published.toml",
        "README.md\n``` @everyone",
    ],
)
def test_a_result_counts_only_if_the_pull_request_could_not_alter_the_checks(
    tmp_path: Path, name: str
) -> None:
    files = ["submissions/2026-01-31-new/policy.py", name]
    told = comment(tmp_path, json.dumps(result()), files)
    assert told.startswith("Not verified: the pull request changes more than files of submissions.")
    assert "verified\n  rerun" not in told
    assert comment(tmp_path, "{}", ["submissions/2026-01-31-x/policy.py"] * 3000) == (
        "Not verified: the pull request changes more than files of submissions."
    )


def test_a_submission_from_a_fork_is_verified_and_commented_on(tmp_path: Path) -> None:
    """All steps one after another: what the first workflow makes, the second one shows."""
    folder = tmp_path / "board"
    made = submit(tmp_path / "made", repeats=64)
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "Board")
    base = git(folder, "rev-parse", "HEAD")
    made.parent.rename(folder / "submissions")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Submit")
    assert run(script(VERIFYING, "list the submissions"), folder, BASE=base).returncode == 0
    cache = str(tmp_path / "made/pools")
    done = run(script(VERIFYING, "verify"), folder, DEEPPRUNE_SIM_CACHE=cache)
    assert (done.returncode, done.stderr) == (0, "")
    said = comment(tmp_path, (folder / "result.json").read_text())
    assert said.splitlines()[:4] == [
        "2026-01-31-a-method: verified",
        "  well-formed: passed",
        "  recomputed: passed",
        "  rerun: passed",
    ]
    assert git(folder, "status", "--porcelain", "submissions") == ""
    (folder / "submissions/2026-01-31-a-method/summary.json").write_text("{}")
    done = run(script(VERIFYING, "verify"), folder, DEEPPRUNE_SIM_CACHE=cache)
    assert done.returncode != 0
    said = comment(tmp_path, (folder / "result.json").read_text())
    assert said.startswith("2026-01-31-a-method: no badge\n  well-formed: failed\n")


# --- the program is in no package index


def test_nothing_says_that_the_program_can_be_had_from_an_index() -> None:
    files = git(ROOT, "ls-files").splitlines()
    told = re.compile(
        r"(?:pip|pipx|uv tool|uvx|uv pip)\s+(?:install\s+)?(?:-\S+ )*['\"]?deepprune[-_]sim"
    )
    allowed = ("git+", "clone", " -- ", ".whl")
    hidden = re.compile(r"^<!-- on the package index:\n.*?^-->\n", re.S | re.M)  # not shown here
    wrong = [
        f"{name}: {line.strip()}"
        for name in files
        if name.endswith((".py", ".md", ".yml", ".toml", ".ipynb")) and not name.startswith("tests")
        for line in hidden.sub("", (ROOT / name).read_text(encoding="utf-8")).splitlines()
        if told.search(line) and not any(each in line for each in allowed)
    ]
    assert wrong == []
    for name in ("README.md", "docs/keeping-a-board.md", "docs/examples/verify-submissions.yml"):
        assert "not on PyPI" in (ROOT / name).read_text(encoding="utf-8"), name
