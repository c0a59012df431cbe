"""The folder of an export: what is kept, removed and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leaderboard_app.export.folder import MANIFEST, Folder, check_target, writing
from simulator.errors import UserError


def write(target: Path, **files: str) -> None:
    with writing(target) as folder:
        for name, text in files.items():
            folder.write(name.replace("__", "/"), text)


def contents(target: Path) -> dict[str, bytes]:
    return {
        each.relative_to(target).as_posix(): each.read_bytes()
        for each in target.rglob("*")
        if each.is_file()
    }


def write_interrupted(target: Path, moves: int, **files: str) -> None:
    """Write an export that ends after so many files were moved into place."""
    replace, left = Path.replace, moves

    def move(self: Path, to: Path) -> Path:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        return replace(self, to)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", move)
        with pytest.raises(KeyboardInterrupt):
            write(target, **files)


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


EARLIER = {"one": "0", "old": "0", "gone__b": "0"}


@pytest.mark.parametrize(
    ("earlier", "moves"),  # the list of files, three files, and the list if it changes again
    [*(({}, moves) for moves in range(4)), *((EARLIER, moves) for moves in range(5))],
)
def test_an_interrupted_export_can_be_repeated(
    tmp_path: Path, earlier: dict[str, str], moves: int
) -> None:
    target, fresh = tmp_path / "site", tmp_path / "fresh"
    if earlier:
        write(target, **earlier)
    write_interrupted(target, moves, one="1", sub__two="2", three="3")
    write(fresh, one="1", four="4")
    write(target, one="1", four="4")
    assert contents(target) == contents(fresh)
    assert not (target / "sub").exists()
    assert not (target / "gone").exists()


def test_files_of_an_interrupted_export_are_listed_before_they_are_moved(tmp_path: Path) -> None:
    write(tmp_path / "site", old="0")
    write_interrupted(tmp_path / "site", 2, one="1", two="2")
    assert sorted(contents(tmp_path / "site")) == [MANIFEST, "old", "one"]
    assert sorted(check_target(tmp_path / "site")) == ["old", "one", "two"]


def test_an_equal_export_moves_nothing(tmp_path: Path) -> None:
    write(tmp_path / "site", one="1")
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(Path, "replace")
        write(tmp_path / "site", one="1")
    assert sorted(contents(tmp_path / "site")) == [MANIFEST, "one"]
