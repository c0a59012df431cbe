"""Models of the Hugging Face Hub as judges: which commit is read, recorded, and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hub_commands import command
from hub_server import COMMIT, Hub, serving
from pools import T, write_pool

from judges.kinds.causal import DEFAULT_MODEL
from judges.kinds.embedding import DEFAULT_MODEL as ENCODER
from judges.kinds.models import PACKAGES, PINNED
from judges.loading import load_judge, pinned_spec
from simulator.hub.registry import is_commit

TRACES = [T(20, "1", text="so we add two"), T(20, "2", text="so we add three")]


@pytest.fixture
def hub(causal_model: Path) -> Hub:
    """Make a repository with a tiny model."""
    files = {path.name: path.read_bytes() for path in causal_model.iterdir()}
    return Hub("them/tiny-judge", files)


def test_the_commit_found_is_recorded_and_told_where_none_was_named(
    tmp_path: Path, hub: Hub
) -> None:
    write_pool(tmp_path / "cache", {"p": TRACES})
    with serving(hub):
        score = ("judge", "score", "-d", "*", "-t", "tokens=5", "--json")
        first = command(tmp_path, hub.url, *score, "hf:model=them/tiny-judge")
    assert first.returncode == 0, first.stderr
    pinned = f"hf:model=them/tiny-judge,revision={COMMIT}"
    assert f"no commit of its model was given; using {pinned}\n" in first.stderr
    assert "%|" not in first.stderr  # no bars where there is no terminal
    (row,) = json.loads(first.stdout)
    judge = json.loads((tmp_path / "cache/.judges" / row["judge"] / "judge.json").read_text())
    assert judge["spec"] == pinned
    assert COMMIT in json.dumps(judge["identity"])
    # What was told gives the same judge, without a word and without the Hub.
    again = command(tmp_path, "http://127.0.0.1:9", *score, pinned)
    assert again.returncode == 0, again.stderr
    assert "commit" not in again.stderr
    (same,) = json.loads(again.stdout)
    assert (same["judge"], same["scored_now"]) == (row["judge"], 0)


@pytest.mark.parametrize("model", list(PINNED))
def test_a_pinned_model_is_asked_for_at_its_commit(tmp_path: Path, model: str) -> None:
    write_pool(tmp_path / "cache", {"p": TRACES})
    kind = "embedding" if "MiniLM" in model else "hf"
    with serving(Hub(model, {"config.json": b"{}"})) as hub:  # which has another commit only
        refused = command(tmp_path, hub.url, "judge", "score", f"{kind}:model={model}", "-d", "*")
    assert refused.returncode == 2
    assert f"Hugging Face hub at {PINNED[model]} (RevisionNotFoundError)" in refused.stderr
    assert refused.stderr.count("\n") == 1
    asked = {path for _, path, _ in hub.requests}
    assert asked
    assert all(path.split("/")[-1] == PINNED[model] for path in asked)


def test_models_named_in_the_program_are_pinned_but_for_the_published_judge() -> None:
    assert all(map(is_commit, PINNED.values()))
    assert PACKAGES[ENCODER][1] in PINNED
    # No two public sources name a commit of it: its commit is recorded and told instead.
    assert DEFAULT_MODEL not in PINNED


def test_a_commit_takes_the_place_of_what_was_typed(causal_model: Path) -> None:
    judge = load_judge(f"hf:model={causal_model}")
    assert pinned_spec(f"hf:model={causal_model}", judge) == f"hf:model={causal_model}"
    judge.resolved = COMMIT  # type: ignore[union-attr]
    assert pinned_spec("hf", judge) == f"hf:revision={COMMIT}"
    assert pinned_spec("hf:revision=v1,dtype=float32", judge) == (
        f"hf:dtype=float32,revision={COMMIT}"
    )
