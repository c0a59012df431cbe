"""`verify hf://datasets/OWNER/NAME --pr N` against a small Hub on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT
from hub_server import COMMIT, Hub, serving
from pools import write_pool
from submitted import PROBLEMS, edit_json, submit

NAME = "2026-01-31-a-method"
OTHER = "2026-01-31-other"
PROPOSED = "a" * 40
OLDER = "b" * 40


def repository(folder: Path) -> dict[str, bytes]:
    """Return the files of a repository that has the submissions in `folder`."""
    return {
        f"submissions/{each.relative_to(folder).as_posix()}": each.read_bytes()
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Submissions of two policies by different authors, beside their pool."""
    root = tmp_path_factory.mktemp("made")
    pool = write_pool(root / "pools", PROBLEMS)
    submit(root, pool=pool)
    fields = {"method": "Other", "authors": ["B. Author"]}
    submit(root, "cons@4", pool=pool, seed=1, fields=fields)
    return root


def verify(hub: Hub, made: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Verify in a process of its own: the Hub's client reads its environment when loaded."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING")) and not name.casefold().endswith("_proxy")
    }
    ours = {
        "PYTHONPATH": str(ROOT),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HOME": str(folder / "hf"),
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": "hf_abcdefghijkl",
    }
    shutil.copytree(made / "pools", folder / "pools", dirs_exist_ok=True)
    command = (sys.executable, "-m", "simulator.cli", "verify", "hf://datasets/owner/board")
    return subprocess.run(
        [*command, *options, "--cache", str(folder / "pools")],
        env=kept | ours,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def proposing(before: Mapping[str, bytes], after: Mapping[str, bytes], **how: Any) -> Hub:
    """Return a Hub with `before` as its board, and pull request 3 that makes it `after`."""
    history = {"refs/pr/3": [PROPOSED, COMMIT, OLDER], COMMIT: [COMMIT, OLDER]}
    given: dict[str, Any] = {"revisions": {"refs/pr/3": (PROPOSED, after)}, "history": history}
    return Hub("owner/board", before, **given | how)


def without(files: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    return {path: content for path, content in files.items() if f"/{name}/" not in path}


def test_a_submission_that_is_added_is_verified_beside_the_others_and_commented_on(
    made: Path, tmp_path: Path
) -> None:
    files = repository(made / "submissions")
    with serving(proposing(without(files, OTHER), files)) as hub:
        done = verify(hub, made, tmp_path, "--pr", "3", "--comment")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"Commit {PROPOSED[:12]} of this pull request, on {COMMIT[:12]}."
    assert "### 2026\\-01\\-31\\-other" in lines
    assert "| recomputed | passed |" in lines
    assert not [line for line in lines if "a\\-method" in line]  # unchanged: not verified
    assert hub.comments == [(3, done.stdout)]
    assert f"commented on {hub.url}/datasets/owner/board/discussions/3" in done.stderr
    assert hub.commits == []


def test_without_the_flag_nothing_is_posted_and_json_has_the_commits(
    made: Path, tmp_path: Path
) -> None:
    files = repository(made / "submissions")
    with serving(proposing(without(files, OTHER), files)) as hub:
        done = verify(hub, made, tmp_path, "--pr", "3", "--json", "--no-rerun")
    assert hub.comments == []
    told = json.loads(done.stdout)
    assert (told["pull_request"], told["commit"], told["main"]) == (3, PROPOSED, COMMIT)
    assert [each["submission"] for each in told["submissions"]] == [OTHER]
    assert told["findings"] == []


def test_a_pull_request_is_compared_with_the_board_it_was_made_on(
    made: Path, tmp_path: Path
) -> None:
    """What came to the board since is not taken for removed, and lies beside what is verified."""
    files = repository(made / "submissions")
    older = without(without(files, OTHER), NAME)
    hub = proposing(
        without(files, OTHER),
        without(files, NAME) | {"README.md": b"about"},
        revisions={
            "refs/pr/3": (PROPOSED, without(files, NAME) | {"README.md": b"about"}),
            OLDER: (OLDER, older | {"README.md": b"about"}),
        },
        history={"refs/pr/3": [PROPOSED, OLDER], COMMIT: [COMMIT, OLDER]},
    )
    with serving(hub):
        done = verify(hub, made, tmp_path, "--pr", "3", "--json", "--no-rerun")
    told = json.loads(done.stdout)
    assert told["findings"] == []
    assert [each["submission"] for each in told["submissions"]] == [OTHER]


def test_figures_that_were_tampered_with_fail(made: Path, tmp_path: Path) -> None:
    files = repository(made / "submissions")
    shutil.copytree(made / "submissions" / OTHER, tmp_path / OTHER)
    edit_json(tmp_path / OTHER / "summary.json", lambda each: each["pools"].clear())
    path = f"submissions/{OTHER}/summary.json"
    bad = files | {path: (tmp_path / OTHER / "summary.json").read_bytes()}
    with serving(proposing(files, bad)) as hub:
        done = verify(hub, made, tmp_path, "--pr", "3", "--no-rerun")
    assert done.returncode == 1
    assert "**no badge**" in done.stdout


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda files: files | {"README.md": b"mine"}, "adds README.md, which is no file of a"),
        (
            lambda files: files | {f"submissions/{NAME}/verification.json": b"{}"},
            f"adds submissions/{NAME}/verification.json, which only the keeper",
        ),
        (
            lambda files: files | {f"submissions/{NAME}/verified/run.json": b"{}"},
            f"adds submissions/{NAME}/verified/run.json, which only the keeper",
        ),
        (lambda files: without(files, OTHER), "a submission is withdrawn by"),
        (lambda files: files | {"submissions/board.toml": b""}, "no file of a submission"),
    ],
)
def test_a_pull_request_that_does_more_is_not_verified(
    made: Path,
    tmp_path: Path,
    edit: Callable[[Mapping[str, bytes]], Mapping[str, bytes]],
    expected: str,
) -> None:
    files = repository(made / "submissions")
    with serving(proposing(files, edit(files))) as hub:
        done = verify(hub, made, tmp_path, "--pr", "3", "--json")
        assert not any("/resolve/" + PROPOSED in path for _, path, _ in hub.requests)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["submissions"] == []
    assert expected in " ".join(told["findings"])


def test_verifying_leaves_the_kept_board_as_it_is(made: Path, tmp_path: Path) -> None:
    """A pull request's names begin like those of the board, and its files are refused."""
    victim = f"2026-01-31-{'v' * 49}"
    assert len(victim) == 60
    files = {
        path.replace(NAME, victim): content
        for path, content in repository(made / "submissions").items()
    }
    folder = f"submissions/{victim}-x"
    theirs = {
        f"{folder}/submission.toml": b"format = 1\n",
        f"{folder}/policy.py": b"#" * 1_000_001,
        f"{folder}/evil.txt": b"x",
    }
    with serving(proposing(files, files | theirs)) as hub:
        done = verify(hub, made, tmp_path, "--pr", "3", "--json", "--no-rerun")
    (told,) = json.loads(done.stdout)["submissions"]
    assert told["submission"] == f"{victim}-x"
    board = tmp_path / "pools" / ".boards" / "owner" / "board" / COMMIT
    assert repository(board / "submissions") == files
    blobs = [each for each in (tmp_path / "hf").rglob("blobs/*") if each.is_file()]
    assert sorted({each.read_bytes() for each in blobs}) == sorted(
        {*files.values(), theirs[f"{folder}/submission.toml"]}
    )


def test_a_name_that_no_disk_can_hold_is_a_finding(made: Path, tmp_path: Path) -> None:
    files = repository(made / "submissions")
    path = f"submissions/2026-01-31-{'v' * 300}/submission.toml"
    with serving(proposing(files, files | {path: b"format = 1\n"})) as hub:
        done = verify(hub, made, tmp_path, "--pr", "3", "--json", "--no-rerun")
    assert done.returncode == 1, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding == f"adds {path}, which is no file of a submission"


def test_a_strangers_path_is_no_markdown(made: Path, tmp_path: Path) -> None:
    files = repository(made / "submissions")
    with serving(proposing(files, files | {"@all <b> [x](http://y)": b""})) as hub:
        done = verify(hub, made, tmp_path, "--pr", "3")
    assert "**Not verified**" in done.stdout
    assert "&#64;all &lt;b&gt; \\[x\\]\\(http:&#47;&#47;y\\)" in done.stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "no pull request; name one with --pr NUMBER"),
        (("--pr", "4"), "has no revision refs/pr/4"),
        (("submissions",), "a board on the Hub is verified alone"),
    ],
)
def test_each_refusal_is_one_line(
    made: Path, tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    with serving(proposing(repository(made / "submissions"), {})) as hub:
        done = verify(hub, made, tmp_path, *options)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert expected in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_pull_request_needs_a_board(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simulator.cli", "verify", str(tmp_path), "--pr", "3"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert done.stderr == "error: --pr needs a board on the Hub: hf://datasets/OWNER/NAME\n"
