"""The folder of an export: what is kept, removed and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leaderboard_app.export.folder import MANIFEST, Folder, writing
from simulator.errors import UserError


def write(target: Path, **files: str) -> None:
    with writing(target) as folder:
        for name, text in files.items():
            folder.write(name.replace("__", "/"), text)


def write_twice(folder: Folder) -> None:
    folder.write("one", "2")
    folder.write("one", "3")


def test_stale_files_and_empty_folders_go(tmp_path: Path) -> None:
    target = tmp_path / "a" / "site"
    write(target, one="1", sub__two="2", sub__deep__three="3")
    write(target, one="1")
    assert sorted(each.name for each in target.iterdir()) == [MANIFEST, "one"]
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["site"]


def test_a_folder_with_other_files_is_refused_and_unchanged(tmp_path: Path) -> None:
    target = tmp_path / "site"
    target.mkdir()
    (target / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match=r"thesis\.tex.*export\.json.*name a new folder"):
        write(target, one="1")
    assert [each.name for each in tmp_path.iterdir()] == ["site"]
    assert [each.name for each in target.iterdir()] == ["thesis.tex"]


def test_a_file_as_target_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="is a file; name a folder"):
        write(tmp_path / "site", one="1")


@pytest.mark.parametrize("listed", ["{", "[]", '{"files": 3}', "{}"])
def test_a_broken_list_of_files_is_refused(tmp_path: Path, listed: str) -> None:
    write(tmp_path / "site", one="1")
    (tmp_path / "site" / MANIFEST).write_text(listed, encoding="utf-8")
    with pytest.raises(UserError, match=r"export\.json: cannot be read"):
        write(tmp_path / "site", one="1")


@pytest.mark.parametrize("name", ["../outside", "/outside", "sub/../../outside", "c:outside"])
def test_a_list_of_files_removes_nothing_outside(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_text("x", encoding="utf-8")
    write(tmp_path / "site", one="1")
    listed = json.dumps({"format": 1, "files": {name: "", "one": ""}})
    (tmp_path / "site" / MANIFEST).write_text(listed, encoding="utf-8")
    write(tmp_path / "site", two="2")
    assert (tmp_path / "outside").is_file()
    assert not (tmp_path / "site" / "one").exists()


def test_a_failure_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "site", one="1")
    with pytest.raises(ValueError, match="twice"), writing(tmp_path / "site") as folder:
        write_twice(folder)
    assert (tmp_path / "site" / "one").read_text(encoding="utf-8") == "1"
    assert [each.name for each in tmp_path.iterdir()] == ["site"]


def test_a_fresh_clone_with_a_domain_is_accepted(tmp_path: Path) -> None:
    target = tmp_path / "site"
    (target / ".git").mkdir(parents=True)
    (target / "CNAME").write_text("board.example.org\n", encoding="utf-8")
    write(target, one="1")
    write(target)
    assert sorted(each.name for each in target.iterdir()) == [".git", "CNAME", MANIFEST]


def test_no_file_is_written_twice(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with pytest.raises(ValueError, match="twice"):
        write_twice(folder)
