"""The board as a Hub dataset: tables, card and `eval.yaml`, and its upload to a Hub on loopback."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner, Result
from hub_server import Hub, serving
from huggingface_hub import DatasetCard
from interchanged import content_of, recomputed
from shown_folders import HOSTILE

from leaderboard_app.cli import leaderboard
from leaderboard_app.interchange.hub_dataset import dataset
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library
from simulator.errors import UserError


@pytest.fixture(scope="module")
def files(full_library: Library) -> Mapping[str, bytes]:
    return dataset(content_of(full_library))


def rows(files: Mapping[str, bytes], table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(
        io.BytesIO(files[f"data/{table}.parquet"])
    ).to_pylist()
    return found


def export(folders: Folders, target: Path, *options: str) -> Result:
    given = ["--submissions", str(folders.submissions), "--cache", str(folders.cache)]
    given += ["--export", str(target), "--format", "hub", *options]
    return CliRunner().invoke(leaderboard, given)


def test_figures_of_verified_rows_are_those_of_the_verifiers_replays(
    files: Mapping[str, bytes], full_library: Library
) -> None:
    found = [row for row in rows(files, "standings") if row["part"] == "verified"]
    alone = [row for row in found if len(row["pools"]) == 1]
    assert {row["entry"] for row in found} == {"2026-11-20-checked-asc", "2026-11-20-checked-cons"}
    assert len(alone) == 6
    for row in alone:
        expected = recomputed(full_library.by_id[row["entry"]].path, row["pools"][0])
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-12)
            assert row[f"{name}_low"] <= row[name] <= row[f"{name}_high"]
    (both,) = [row for row in found if len(row["pools"]) > 1 and "asc" in row["entry"]]
    mean = [recomputed(full_library.by_id[both["entry"]].path, pool) for pool in both["pools"]]
    assert both["accuracy"] == pytest.approx(sum(each["accuracy"] for each in mean) / 3)
    assert (both["model"], both["ranked"]) == (None, 2)


def test_rows_of_this_machine_stay_here_and_synthetic_ones_are_apart(
    files: Mapping[str, bytes],
) -> None:
    assert {row["part"] for row in rows(files, "standings")} == {
        "verified",
        "self-reported",
        "record",
    }
    named = [row["entry"] for name in ("standings", "entries") for row in rows(files, name)]
    assert not [name for name in named if name.startswith("runs/")]
    assert not [row for row in rows(files, "standings") if row["pools"][0].startswith("synth")]
    assert rows(files, "synthetic")
    assert all(row["synthetic"] for row in rows(files, "pools") if "model-" not in row["pool"])


def test_every_published_figure_has_its_source(files: Mapping[str, bytes]) -> None:
    for row in rows(files, "published"):
        assert row["title"]
        assert row["paper"].startswith("https://")


def test_nothing_of_a_trace_is_in_it(files: Mapping[str, bytes]) -> None:
    allowed = {"standings", "entries", "pools", "published", "synthetic"}
    assert {*files} == {"README.md", "eval.yaml", *(f"data/{name}.parquet" for name in allowed)}
    for name in allowed:
        told = json.dumps(rows(files, name))
        assert "What is" not in told  # questions
        assert "gold" not in told


def test_the_hubs_library_reads_the_card_and_its_tables_are_there(
    files: Mapping[str, bytes],
) -> None:
    card = DatasetCard(files["README.md"].decode())
    told = yaml.safe_load(str(card.data))
    assert told["license"] == "cc-by-4.0"
    assert told["pretty_name"] == "The board"
    paths = [part["path"] for config in told["configs"] for part in config["data_files"]]
    assert {*paths} == {name for name in files if name.startswith("data/")}
    assert [each["config_name"] for each in told["configs"] if each.get("default")] == ["standings"]


def test_a_strangers_texts_are_no_markdown(files: Mapping[str, bytes]) -> None:
    text = files["README.md"].decode()
    assert HOSTILE not in text
    assert "<img" not in text
    assert "](javascript" not in text


def test_the_cards_rows_are_the_ranked_ones(
    files: Mapping[str, bytes], full_library: Library
) -> None:
    text = files["README.md"].decode()
    lines = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    assert len(lines) == 2 * 4  # two entries on three pools, and on all of them
    entry = full_library.by_id["2026-11-20-checked-asc"]
    expected = recomputed(entry.path, "recorded/model-a/bench-1")
    accuracy = f"| {100 * expected['accuracy']:.1f} ["
    assert [line for line in lines if accuracy in line and "asc" in line], lines


def test_tasks_name_a_table_that_is_there(files: Mapping[str, bytes]) -> None:
    told = yaml.safe_load(files["eval.yaml"])
    assert {*told} == {"name", "description", "evaluation_framework", "tasks"}
    assert told["evaluation_framework"] == "deepprune-sim"
    for task in told["tasks"]:
        assert (task["config"], task["split"]) == ("standings", "test")
        assert re.fullmatch(r"[a-z0-9-]+", task["id"])


def test_two_exports_are_the_same_bytes(full: Folders, tmp_path: Path) -> None:
    written = []
    for target in (tmp_path / "a", tmp_path / "b"):
        done = export(full, target)
        assert done.exit_code == 0, done.output
        assert f"hub: {target}" in done.output.splitlines()
        paths = [each for each in target.rglob("*") if each.is_file()]
        written.append({each.relative_to(target): each.read_bytes() for each in paths})
    assert written[0] == written[1]
    assert Path("data/standings.parquet") in written[0]


def test_only_a_dataset_is_pushed_and_only_with_a_token(
    full: Folders, tmp_path: Path, hub_in_process: Callable[[str], None]
) -> None:
    done = export(full, tmp_path / "a", "--format", "every-eval-ever", "--push", "owner/board")
    assert isinstance(done.exception, UserError)
    assert "add --format hub" in str(done.exception)
    for name, expected in (("owner/board", "no token"), ("owner", "not OWNER/NAME")):
        done = export(full, tmp_path / "a", "--push", name)
        assert isinstance(done.exception, UserError)
        assert expected in str(done.exception)
    assert not (tmp_path / "a").exists()


@pytest.fixture
def pushing(
    full: Folders,
    tmp_path: Path,
    hub_in_process: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Hub], Result]:
    """Return a function that pushes the board of `full` to a Hub."""

    def push(hub: Hub) -> Result:
        with serving(hub):
            hub_in_process(hub.url)
            monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijkl")
            return export(full, tmp_path / "board", "--push", "owner/board")

    return push


def test_a_dataset_is_pushed_in_one_commit_that_removes_tables_that_are_gone(
    pushing: Callable[[Hub], Result], tmp_path: Path
) -> None:
    there = {"data/old.parquet": b"", "submissions/a/run.json": b"{}", "data/own.csv": b""}
    hub = Hub("owner/board", there)
    done = pushing(hub)
    assert done.exit_code == 0, done.output
    (commit,) = hub.commits
    assert not commit.create_pr
    assert commit.deleted == ("data/old.parquet",)
    written = {
        path.relative_to(tmp_path / "board").as_posix(): path.read_bytes()
        for path in (tmp_path / "board").rglob("*")
        if path.is_file() and path.name != "export.json"
    }
    assert commit.files == written
    assert f"pushed: {hub.url}/datasets/owner/board/commit/" in done.output


def test_a_hub_that_does_not_know_the_framework_gets_the_rest(
    pushing: Callable[[Hub], Result],
) -> None:
    hub = Hub("owner/board", {}, refuse_file="eval.yaml")
    done = pushing(hub)
    assert done.exit_code == 0, done.output
    (commit,) = hub.commits
    assert "eval.yaml" not in commit.files
    assert "README.md" in commit.files
    assert "without eval.yaml, which the Hub refuses (Invalid eval.yaml" in done.stderr


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"repository": "owner/other"}, "make it first with `hf repos create OWNER/NAME"),
        ({"refuse": (403, {})}, "give the token the right to write to it"),
    ],
)
def test_each_refusal_is_one_line(
    pushing: Callable[[Hub], Result], fault: dict[str, Any], expected: str
) -> None:
    done = pushing(Hub(**{"repository": "owner/board", "files": {}, **fault}))
    assert isinstance(done.exception, UserError)
    assert expected in str(done.exception)
    assert "hf_abc" not in str(done.exception)
