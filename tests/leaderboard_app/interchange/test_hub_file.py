"""`hub.toml`: names on the Hub."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkout import ROOT

from leaderboard_app.interchange.hub_file import HubNames, read_hub_names
from simulator.errors import UserError


def test_names_are_found_however_they_are_written(tmp_path: Path) -> None:
    assert read_hub_names(tmp_path) == HubNames()
    (tmp_path / "hub.toml").write_text(
        'dataset = "o/board"\nlicence = "cc0-1.0"\n'
        '[models]\n"Qwen3-8B" = "Qwen/Qwen3-8B"\n[benchmarks]\naime24 = "a/b"\n'
    )
    names = read_hub_names(tmp_path)
    assert (names.dataset, names.licence) == ("o/board", "cc0-1.0")
    assert names.model("qwen3_8b") == "Qwen/Qwen3-8B"
    assert names.benchmark("AIME-24") == "a/b"
    assert names.model("other") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model = 1", "no such field 'model'; did you mean models"),
        ('dataset = "board"', "dataset: not owner/name of a repository"),
        ('dataset = "https://x.org/a/b"', "dataset: not owner/name"),
        ("licence = 4", "licence: not a name of the Hub"),
        ("models = 1", "models: not a table"),
        ("[models]\nm = 1", "models: m: not owner/name"),
        ("format = 2", "not of format 1"),
        ("[", "cannot be read"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "hub.toml").write_text(text)
    with pytest.raises(UserError) as error:
        read_hub_names(tmp_path)
    assert expected in str(error.value)
    assert "hub.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_projects_own_file_is_valid() -> None:
    assert read_hub_names(ROOT / "submissions").models
