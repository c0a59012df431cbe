"""`submit --hub` where the Hub keeps Parquet files in large file storage, as the real one does."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import ROOT
from hub_server import Hub, serving
from submitted import submit

SAID = ("--method", "My method", "--authors", "A. Author", "--description", "Stops.")
NAME = "2026-01-31-my-method"
PARQUET = ("answers.parquet", "decisions.parquet")
OTHERS = ("policy.py", "run.json", "submission.toml", "summary.json")

UNHURRIED = """
import time
time.sleep = lambda seconds: None  # the client waits longer before each new attempt
from simulator.cli import main
main()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return submit(tmp_path_factory.mktemp("made")).parent.parent


def send(hub: Hub, made: Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Submit in a process of its own: the Hub's client reads its environment when loaded."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING")) and not name.casefold().endswith("_proxy")
    }
    ours = {
        "PYTHONPATH": str(ROOT),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(folder / "hf"),
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": "hf_abcdefghijkl",
    }
    run = str(made / "run-0")
    call = ("submit", run, *SAID, "--date", "2026-01-31", "--hub", "owner/board")
    return subprocess.run(
        [sys.executable, "-c", UNHURRIED, *call],
        env=kept | ours | variables,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    "how",
    [{}, {"part_bytes": 1000}, {"bad_put": 500, "bad_puts": 2}, {"bad_puts": 2}],
    ids=["whole", "in parts", "after two failures", "after two cuts"],
)
def test_parquet_files_are_stored_apart_and_the_pull_request_points_at_them(
    made: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    with serving(Hub("owner/board", {}, lfs=True, **how)) as hub:
        done = send(hub, made, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "/datasets/owner/board/discussions/1" in done.stdout
    assert done.stderr == ""
    (commit,) = hub.commits
    assert commit.create_pr
    prefix = f"submissions/{NAME}/"
    assert set(commit.files) == {prefix + name for name in OTHERS}
    assert set(commit.pointers) == {prefix + name for name in PARQUET}
    contents = [(made / "run-0" / name).read_bytes() for name in PARQUET]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    assert hub.stored == dict(zip(digests, contents, strict=True))
    sizes = [len(content) for content in contents]
    assert [commit.pointers[prefix + name] for name in PARQUET] == [
        *zip(digests, sizes, strict=True)
    ]
    puts = [path for method, path, _ in hub.requests if method == "PUT"]
    if "part_bytes" in how:
        assert len(puts) == sum(-(-size // 1000) for size in sizes) > 4
    else:
        assert len(puts) == 2 + how.get("bad_puts", 0)
    secrets = [
        headers.get("authorization") for method, _, headers in hub.requests if method == "PUT"
    ]
    assert secrets == [None] * len(puts)  # the token is the Hub's, not the storage's


def test_what_is_stored_already_is_not_sent_again(made: Path, tmp_path: Path) -> None:
    contents = [(made / "run-0" / name).read_bytes() for name in PARQUET]
    stored = {hashlib.sha256(content).hexdigest(): content for content in contents}
    with serving(Hub("owner/board", {}, lfs=True, stored=stored)) as hub:
        done = send(hub, made, tmp_path)
    assert done.returncode == 0, done.stderr
    assert not [path for method, path, _ in hub.requests if method == "PUT"]
    assert len(hub.commits[0].pointers) == 2


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"refuse_batch": 403}, "refuses the token for owner/board"),
        ({"refuse_batch": 413}, "a file is too large for the server (413)"),
        ({"refuse_batch": 503}, "answered 503"),
        ({"bad_put": 403, "bad_puts": 99}, "127.0.0.1: refuses a file (403); try again"),
        ({"bad_put": 413, "bad_puts": 99}, "a file is too large for the server (413)"),
        ({"bad_put": 500, "bad_puts": 99}, "127.0.0.1: refuses a file (500); try again"),
        ({"bad_puts": 99}, "no answer"),
        ({"bad_puts": 99, "part_bytes": 1000}, "no answer"),
        ({"bad_put": 507, "bad_puts": 99, "part_bytes": 1000}, "refuses a file (507)"),
    ],
)
def test_an_upload_that_fails_is_one_line_and_no_pull_request(
    made: Path, tmp_path: Path, how: dict[str, Any], said: str
) -> None:
    with serving(Hub("owner/board", {}, lfs=True, **how)) as hub:
        done = send(hub, made, tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "nothing was submitted; --bundle writes a file to send by hand" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hf_abcdefghijkl" not in done.stderr
    assert hub.commits == []


def test_a_hub_without_xet_is_told_to_be_used_without(made: Path, tmp_path: Path) -> None:
    """The client prefers Xet where it is installed; this server has none."""
    pytest.importorskip("hf_xet")
    with serving(Hub("owner/board", {}, lfs=True)) as hub:
        done = send(hub, made, tmp_path, HF_HUB_DISABLE_XET="0")
    assert done.returncode == 2
    assert "HF_HUB_DISABLE_XET=1" in done.stderr
    assert done.stderr.count("\n") == 1
    assert hub.commits == []
