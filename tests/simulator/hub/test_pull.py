"""`data pull` with the real huggingface_hub client against a small Hub on loopback."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from checkout import ROOT
from hub_server import COMMIT, Hub, serving

from simulator.cli import main
from simulator.errors import UserError
from simulator.hub import pull as hub_pull
from simulator.hub.download import RemoteFile
from simulator.hub.pull import assign
from simulator.hub.pull import pull as pull_entry
from simulator.hub.registry import find_entry, read_registry
from simulator.pools.pool import Pool

REPOSITORY = "EfficientReasoning/Qwen3-1.7B-AIME24-br128-bg5120k-fr500"
FILE = "Qwen3-1.7B__aime24__br128__bg5120k__fr500__0121_1455.jsonl"
POOL = "scout/Qwen3-1.7B/aime24"
PROBLEMS = [
    {
        "question": "3 + 4?",
        "gold_answer": "7",
        "probe_freq": 500,
        "each_branch": [[["7", "8"], 1200, "7"], [["8"], 900, "8"]],
    }
]
CONTENT = json.dumps(PROBLEMS).encode()
FILES = {FILE: CONTENT, "README.md": b"about", ".gitattributes": b""}

LINE_LIMIT = 600
"""No error is longer than this, or its remedy is not found in it."""


def pulling(tmp_path: Path, url: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start `data pull` in a process of its own: the client reads its environment when loaded."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING", "TRANSFORMERS_", "DEEPPRUNE_"))
        and not name.casefold().endswith("_proxy")
    }
    environment |= {
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        **variables,
    }
    command = [sys.executable, "-W", "error", "-m", "simulator.cli", "data", "pull"]
    return subprocess.Popen(
        [*command, *(arguments or ("scout-hub",)), "--cache", str(tmp_path / "cache")],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pull(
    tmp_path: Path, url: str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `data pull` in a process of its own until it ends."""
    with pulling(tmp_path, url, *arguments, **variables) as process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def pulled(tmp_path: Path, url: str, *arguments: str, **variables: str) -> dict[str, Any]:
    result = pull(tmp_path, url, *(arguments or ("scout-hub",)), "--json", **variables)
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report | {"stderr": result.stderr}


def refusal(result: subprocess.CompletedProcess[str], tmp_path: Path) -> str:
    """Return the one line of a refused pull; check that it left no pool, whole or half."""
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    *notes, error = result.stderr.strip().split("\n")
    assert "Traceback" not in result.stderr
    assert error.startswith("error: ")
    assert len(error) < LINE_LIMIT
    assert not any(note.startswith("error: ") for note in notes)
    cache = tmp_path / "cache"
    assert [path for path in cache.rglob("*") if path.name != "registry.toml"] == []
    return error


def refusal_in_process(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    command = ["data", "pull", *arguments, "--cache", str(tmp_path / "cache")]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert isinstance(ended.value.code, int)
    out, err = capfd.readouterr()
    return subprocess.CompletedProcess(command, ended.value.code, out, err)


def own_registry(tmp_path: Path, text: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/registry.toml").write_text(text, encoding="utf-8")


def test_an_interrupted_download_ends_soon_and_leaves_nothing(tmp_path: Path) -> None:
    content = CONTENT + b" " * 10_000
    hub = Hub(REPOSITORY, {FILE: content}, drip=True)
    with serving(hub), pulling(tmp_path, hub.url) as process:
        try:
            assert hub.dripped.wait(30)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=15)  # far less than the file would take
        finally:
            process.kill()
    assert process.returncode == 130
    assert out == ""
    last = err.strip().split("\n")[-1]
    assert last == "error: interrupted; repeat the same command to continue"
    assert "Traceback" not in err
    assert not (tmp_path / "cache").exists()
    assert not list((tmp_path / "hf").rglob("*.incomplete"))


def test_a_known_pool_is_downloaded_and_imported_with_one_command(tmp_path: Path) -> None:
    with serving(Hub(REPOSITORY, FILES)) as hub:
        report = pulled(tmp_path, hub.url)
        assert hub.downloads() == [FILE]  # and no other file of the repository
        result = pull(tmp_path, hub.url, "scout-hub", "--replace")  # from the files that were kept
        assert hub.downloads() == [FILE]
    assert report["commit"] == COMMIT
    assert [made["name"] for made in report["made"]] == [POOL]
    own = tmp_path / "cache/registry.toml"
    assert f'put under [scout-hub] in {own}:\nrevision = "{COMMIT}"\n' in report["stderr"]
    assert result.returncode == 0
    assert f"hf://datasets/{REPOSITORY} at {COMMIT}" in result.stdout
    pool = Pool(tmp_path / "cache" / POOL)
    assert pool.info.source == f"hf://datasets/{REPOSITORY}"
    assert pool.info.revision == COMMIT
    assert pool.info.licence == "none stated"
    assert pool.info.citation is not None
    (problem,) = pool.problems
    assert problem.lengths.tolist() == [1200, 900]
    assert problem.correct.tolist() == [True, False]


def test_a_broken_connection_is_taken_up_where_it_broke(tmp_path: Path) -> None:
    # The client writes pieces of 10 MiB, so that a break is only resumed after the first of them.
    content = b" " * (12 << 20) + CONTENT
    hub = Hub(REPOSITORY, {FILE: content}, break_path=FILE, break_after=11 << 20)
    with serving(hub):
        report = pulled(tmp_path, hub.url)
    assert [made["name"] for made in report["made"]] == [POOL]
    assert hub.ranges() == [f"bytes={10 << 20}-"]
    (kept,) = (tmp_path / "hf").rglob(f"snapshots/{COMMIT}/{FILE}")
    assert kept.read_bytes() == content


def test_a_pinned_revision_is_not_warned_about(
    tmp_path: Path, hub_in_process: Callable[[str], None]
) -> None:
    own_registry(tmp_path, f'[scout-hub]\nrevision = "{COMMIT}"\n')
    notes: list[str] = []
    with serving(Hub(REPOSITORY, FILES)) as hub:
        hub_in_process(hub.url)
        entry = find_entry(tmp_path / "cache", "scout-hub")
        pull_entry(entry, cache=tmp_path / "cache", notice=notes.append)
        again: list[str] = []
        pull_entry(entry, cache=tmp_path / "cache", revision="main", notice=again.append)
    assert again == [f"main is {COMMIT}"]
    assert entry.pinned
    assert len(notes) == 1
    assert notes[0].startswith("downloading 1 file, ")


def test_offline_uses_what_is_here_and_says_what_is_not(tmp_path: Path) -> None:
    offline = {"HF_HUB_OFFLINE": "1"}
    with serving(Hub(REPOSITORY, FILES)) as hub:
        error = refusal(pull(tmp_path, hub.url, **offline), tmp_path)
        assert "HF_HUB_OFFLINE" in error
        assert hub.requests == []
        pulled(tmp_path, hub.url)
        asked = len(hub.requests)
        report = pulled(tmp_path, hub.url, "scout-hub", "--replace", **offline)
        assert len(hub.requests) == asked
    assert report["commit"] == COMMIT
    assert [made["name"] for made in report["made"]] == [POOL]


@pytest.mark.parametrize(
    ("faults", "arguments", "said"),
    [
        (
            {"gated": True},
            ["scout-hub"],
            ["is gated: accept its terms at https://", "hf auth login"],
        ),
        ({"refuse": (401, {})}, ["scout-hub"], ["private", "hf auth login", "HF_TOKEN"]),
        (
            {"refuse": (403, {"X-Error-Message": "no right"})},
            ["scout-hub"],
            ["refuses access", "no right", "token"],
        ),
        (
            {"repository": "another/one"},
            ["scout-hub"],
            ["no dataset", REPOSITORY, "check the name"],
        ),
        ({}, ["scout-hub", "--revision", "v9"], ["no revision v9", "--revision"]),
        ({"gone": frozenset([FILE])}, ["scout-hub"], ["a file is gone", FILE]),
        (
            {"refuse": (429, {"Retry-After": "77"})},
            ["scout-hub"],
            ["too many requests (429)", "again in 77 seconds"],
        ),
        ({"refuse": (500, {})}, ["scout-hub"], ["answered 500", "later"]),
        ({"files": {"a.csv": b""}}, ["scout-hub"], ["matches files = ", "a.csv", "[scout-hub]"]),
        ({"files": {FILE: b"[]"}}, ["scout-hub"], [FILE, "holds no problem"]),
        ({"wrong_sha256": True}, ["scout-hub"], ["differs from the Hub", "delete this file"]),
    ],
    ids=[
        "gated",
        "no token",
        "forbidden",
        "no repository",
        "no revision",
        "no file",
        "rate limit",
        "server fault",
        "other files",
        "not importable",
        "damaged",
    ],
)
def test_each_refusal_is_one_line_that_says_what_to_do(
    tmp_path: Path,
    hub_in_process: Callable[[str], None],
    capfd: pytest.CaptureFixture[str],
    faults: dict[str, Any],
    arguments: list[str],
    said: list[str],
) -> None:
    with serving(Hub(**{"repository": REPOSITORY, "files": FILES, **faults})) as hub:
        hub_in_process(hub.url)
        error = refusal(refusal_in_process(tmp_path, capfd, *arguments), tmp_path)
    for text in said:
        assert text in error


def test_a_token_without_access_is_told_apart_and_never_shown(tmp_path: Path) -> None:
    token = "hf_secretsecret"
    with serving(Hub(REPOSITORY, FILES, gated=True)) as hub:
        result = pull(tmp_path, hub.url, HF_TOKEN=token)
    assert hub.requests[0][2]["authorization"] == f"Bearer {token}"
    assert "an account without access so far" in refusal(result, tmp_path)
    assert token not in result.stderr


def test_an_unreachable_hub_is_one_line(
    tmp_path: Path, hub_in_process: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # bound and not listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        hub_in_process(url)
        error = refusal(refusal_in_process(tmp_path, capfd, "scout-hub"), tmp_path)
    assert url in error
    assert "check the network, proxy and HF_ENDPOINT" in error


def test_a_full_disk_is_told_before_the_download(
    tmp_path: Path, hub_in_process: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=len(CONTENT) - 1))
    with serving(Hub(REPOSITORY, FILES)) as hub:
        hub_in_process(hub.url)
        with pytest.raises(UserError, match=r"the download needs .* GB and 0\.00 GB are free"):
            pull_entry(find_entry(tmp_path, "scout-hub"), cache=tmp_path / "cache")
        assert hub.downloads() == []


def test_pools_that_are_here_are_imported_again_only_when_asked(
    tmp_path: Path, hub_in_process: Callable[[str], None]
) -> None:
    entry, cache = find_entry(tmp_path, "scout-hub"), tmp_path / "cache"
    file = cache / POOL / "pool.json"
    with serving(Hub(REPOSITORY, FILES)) as hub:
        hub_in_process(hub.url)
        assert [made.name for made in pull_entry(entry, cache=cache).made] == [POOL]
        again = pull_entry(entry, cache=cache)
        assert (again.made, again.here) == ([], [POOL])
        file.write_text(file.read_text().replace(COMMIT, "f" * 40))
        with pytest.raises(UserError, match="overwrite it with --replace") as error:
            pull_entry(entry, cache=cache)
        assert f"is here from hf://datasets/{REPOSITORY} at {'f' * 40}" in str(error.value)
        assert [made.name for made in pull_entry(entry, cache=cache, replace=True).made] == [POOL]
        assert hub.downloads() == [FILE]  # once: the file was kept
    assert json.loads(file.read_text())["revision"] == COMMIT


def test_files_go_once_imported_unless_they_are_to_be_kept(
    tmp_path: Path, hub_in_process: Callable[[str], None]
) -> None:
    with serving(Hub(REPOSITORY, FILES)) as hub:
        hub_in_process(hub.url)
        pull_entry(find_entry(tmp_path, "scout-hub"), cache=tmp_path / "cache", keep_files=False)
    assert not list(tmp_path.rglob("*.jsonl"))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["scout"]


def test_a_connection_that_is_reset_is_tried_again(
    tmp_path: Path, hub_in_process: Callable[[str], None]
) -> None:
    hub = Hub(REPOSITORY, FILES, break_path=FILE, break_after=10, reset=True)
    notes: list[str] = []
    with serving(hub):
        hub_in_process(hub.url)
        entry = find_entry(tmp_path, "scout-hub")
        report = pull_entry(entry, cache=tmp_path / "cache", notice=notes.append)
    assert [made.name for made in report.made] == [POOL]
    assert len(hub.downloads()) == 2
    assert any(note.startswith("the connection broke") for note in notes)


def test_pools_before_one_that_cannot_be_imported_stay(
    tmp_path: Path, hub_in_process: Callable[[str], None]
) -> None:
    cache = tmp_path / "cache"
    pools = "".join(
        f'[[two.pools]]\nmodel = "m"\nbenchmark = "{name}"\nwords = ["{name}"]\n'
        for name in ("first", "second", "third")
    )
    head = '[two]\nrepository = "me/two"\nrevision = "main"\nfiles = ["*.json"]\nlicence = "MIT"\n'
    own_registry(tmp_path, f'{head}importer = "scout"\ncitation = "me"\n{pools}')
    entry = find_entry(cache, "two")
    files = {"first.json": CONTENT, "second.json": b"{}", "third.json": CONTENT + b" "}
    with serving(Hub("me/two", files)) as hub:
        hub_in_process(hub.url)
        with pytest.raises(UserError, match=r"m/second: .*not a list of problems"):
            pull_entry(entry, cache=cache)
        assert [path.name for path in (cache / "two/m").iterdir()] == ["first"]
        with (cache / "registry.toml").open("a", encoding="utf-8") as file:
            file.write('[[two.pools]]\nmodel = "n"\nbenchmark = "none"\nwords = ["none"]\n')
        entry = dataclasses.replace(find_entry(cache, "two"), ignore=("second.json",))
        notes: list[str] = []
        report = pull_entry(entry, cache=cache, notice=notes.append)
        assert hub.downloads().count("first.json") == 1
    assert report.here == ["two/m/first"]
    assert [made.name for made in report.made] == ["two/m/third"]
    assert report.without_files == ["two/m/second", "two/n/none"]
    assert "two/m/second: skipped, the repository has no files for it" in notes


def test_a_mapping_of_columns_once_found_can_be_kept_in_the_registry(
    tmp_path: Path, hub_in_process: Callable[[str], None]
) -> None:
    texts = ["so \\boxed{4}", "so \\boxed{5}"]
    problems = [{"problem": "2 + 2?", "true_answer": "4", "responses": texts}]
    content = json.dumps(problems).encode()
    files = {"Qwen3-32B/aime24.json": content, "Qwen3-32B/aime25.json": content + b" "}
    cache = tmp_path / "cache"
    notes: list[str] = []
    with serving(Hub("THU-KEG/DeepPrune", files)) as hub:
        hub_in_process(hub.url)
        found = pull_entry(find_entry(cache, "deepprune"), cache=cache, notice=notes.append)
        note, line = notes[-1].split("\n")
        own = cache / "registry.toml"
        assert note == f"to keep this column mapping, add under [deepprune] in {own}:"
        own.write_text(f"[deepprune]\n{line}\n", encoding="utf-8")
        entry = find_entry(cache, "deepprune")
        kept = pull_entry(entry, cache=cache, replace=True)
    assert entry.pools[0].field_map["gold_answer"] == "true_answer"
    assert [pool.name[-16:] for pool in kept.made] == ["Qwen3-32B/aime24", "Qwen3-32B/aime25"]
    assert [pool.fingerprint for pool in kept.made] == [pool.fingerprint for pool in found.made]


def test_progress_of_a_download_ends_at_all_of_it(
    tmp_path: Path, hub_in_process: Callable[[str], None]
) -> None:
    told: list[tuple[str, float]] = []
    with serving(Hub(REPOSITORY, FILES)) as hub:
        hub_in_process(hub.url)
        pull_entry(
            find_entry(tmp_path, "scout-hub"),
            cache=tmp_path / "cache",
            progress=lambda what, done: told.append((what, done)),
        )
    downloads = [done for what, done in told if what == "downloading scout-hub"]
    assert downloads[-1] == 1.0
    assert downloads == sorted(downloads)


def test_files_of_deepprune_go_to_pools_however_their_names_are_written(tmp_path: Path) -> None:
    entry = read_registry(tmp_path)["deepprune"]
    paths = [
        "DeepSeek-R1-0528-Qwen3-8B/AIME_2024.json",
        "aime25/deepseek_8b_part1.jsonl",
        "aime25/deepseek_8b_part2.jsonl",
        "GPQA-Diamond/qwen3_32b.json",
        "data/gpt_oss_20b-aime-24.json",
        "README.md",
    ]
    files = [RemoteFile(path) for path in paths]
    found = assign(entry, files, COMMIT, cache=tmp_path)
    assert {key: [file.path for file in files] for key, files in found.items() if files} == {
        ("DeepSeek-R1-0528-Qwen3-8B", "aime24"): [paths[0]],
        ("DeepSeek-R1-0528-Qwen3-8B", "aime25"): paths[1:3],
        ("Qwen3-32B", "gpqa-diamond"): [paths[3]],
        ("gpt-oss-20b", "aime24"): [paths[4]],
    }


def test_files_of_no_pool_or_of_two_stop_before_the_download(tmp_path: Path) -> None:
    entry = read_registry(tmp_path)["deepprune"]
    files = [RemoteFile("train/pairs.json"), RemoteFile("qwen3-32b/aime24_vs_aime25.json")]
    notes: list[str] = []
    with pytest.raises(UserError) as error:
        assign(entry, files, COMMIT, cache=tmp_path, notice=notes.append)
    assert notes == [
        "train/pairs.json: belongs to no pool",
        "qwen3-32b/aime24_vs_aime25.json: belongs to deepprune/Qwen3-32B/aime24 or "
        "deepprune/Qwen3-32B/aime25",
    ]
    message = str(error.value)
    assert "2 files belong to no pool, or to several (train/pairs.json" in message
    assert str(tmp_path / "registry.toml") in message
    assert "[[deepprune.pools]]" in message
    assert "ignore" in message


def test_one_process_at_a_time_pulls_a_source(tmp_path: Path) -> None:
    entry, cache = find_entry(tmp_path, "scout-hub"), tmp_path / "cache"
    alone = hub_pull._alone
    told = rf"scout-hub: being pulled into .*cache by another process \(pid {os.getpid()}\)"
    downloads = tmp_path / "downloads"
    with alone(entry, cache, downloads):
        downloads.mkdir()
        with pytest.raises(UserError, match=told), alone(entry, cache, downloads):
            raise AssertionError
        assert downloads.exists()  # the other process's
        with alone(dataclasses.replace(entry, name="other"), cache, None):
            pass
    assert not downloads.exists()
    assert not cache.exists()
