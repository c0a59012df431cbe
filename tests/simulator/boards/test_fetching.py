"""Boards on the Hub, fetched by the real huggingface_hub client from a small Hub on loopback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hub_server import COMMIT, Hub, serving

from simulator.boards.address import BoardAddress, parse_address
from simulator.boards.fetching import Board, fetch_board
from simulator.boards.layout import place_of
from simulator.errors import UserError

NAME = "2026-01-31-a-method"
TOML = f"submissions/{NAME}/submission.toml"
FILES = {
    TOML: b"format = 1\n",
    f"submissions/{NAME}/verified/run.json": b"{}",
    "submissions/board.toml": b'title = "A board"\n',
    "README.md": b"about",
    "data/standings.parquet": b"PAR1",
}
LATER = "f" * 40
NOBODY = "http://127.0.0.1:9"
"""An address that nobody listens on."""

Ask = Callable[[str], None]


def fetch(tmp_path: Path, text: str = "hf://datasets/owner/board") -> tuple[Board, list[str]]:
    told: list[str] = []
    return fetch_board(parse_address(text), tmp_path / "pools", notice=told.append), told


def contents(board: Board) -> Mapping[str, bytes]:
    root = board.submissions.parent
    files = [each for each in root.rglob("*") if each.is_file()]
    assert not any(each.is_symlink() for each in root.rglob("*"))
    return {each.relative_to(root).as_posix(): each.read_bytes() for each in files}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"submissions/{NAME}/policy.py", True),
        ("submissions/" + "é" * 127 + "x/policy.py", True),  # 255 bytes
        ("submissions/" + "é" * 128 + "/policy.py", False),
        ("submissions/a\udcff/policy.py", False),
        (f"submissions/{NAME}/\ud800", False),
    ],
)
def test_names_that_a_disk_cannot_hold_have_no_place(path: str, expected: bool) -> None:
    assert (place_of(path) is not None) is expected


def refused(tmp_path: Path, text: str = "hf://datasets/owner/board") -> str:
    with pytest.raises(UserError) as error:
        fetch(tmp_path, text)
    said = str(error.value)
    assert "\n" not in said
    assert len(said) < 400
    return said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://datasets/a/b", BoardAddress("a/b", "main")),
        ("hf://datasets/a/b.c@v1", BoardAddress("a/b.c", "v1")),
        ("hf://datasets/a/b@refs/pr/12", BoardAddress("a/b", "refs/pr/12")),
        ("hf://datasets/a/b@refs%2Fpr%2F12", BoardAddress("a/b", "refs/pr/12")),
    ],
)
def test_addresses_are_those_of_the_hub(text: str, expected: BoardAddress) -> None:
    found = parse_address(text)
    assert found == expected
    assert found.pull_request == (12 if "pr" in text else None)
    assert parse_address(str(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        *("hf://a/b", "hf://models/a/b", "hf://datasets/a", "hf://datasets/a/b/c"),
        *(
            "hf://datasets/a/b@",
            "hf://datasets/a/b@../x",
            "hf://datasets/../b",
            "hf://datasets/a/b@ ",
        ),
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"write hf://datasets/OWNER/NAME"):
        parse_address(text)


def test_a_board_is_fetched_once_and_is_its_files_of_one_commit(
    tmp_path: Path, hub_in_process: Ask
) -> None:
    with serving(Hub("owner/board", FILES)) as hub:
        hub_in_process(hub.url)
        board, told = fetch(tmp_path)
        first = hub.downloads()
        again, _ = fetch(tmp_path)
        assert hub.downloads() == first
    assert board == again
    assert board.source == f"hf://datasets/owner/board@{COMMIT}"
    assert contents(board) == {
        path: content for path, content in FILES.items() if path.startswith("submissions/")
    }
    assert sorted(first) == sorted(contents(board))
    assert [each for each in told if "downloading 3 files" in each]


def test_a_branch_that_moved_is_fetched_anew_and_a_commit_stays(
    tmp_path: Path, hub_in_process: Ask
) -> None:
    changed = FILES | {TOML: b"format = 1\n# changed\n"}
    with serving(Hub("owner/board", FILES)) as hub:
        hub_in_process(hub.url)
        before, _ = fetch(tmp_path)
    with serving(Hub("owner/board", FILES, revisions={"main": (LATER, changed)})) as hub:
        hub_in_process(hub.url)
        after, _ = fetch(tmp_path)
    hub_in_process(NOBODY)
    pinned, told = fetch(tmp_path, f"hf://datasets/owner/board@{COMMIT}")
    assert told == []
    assert (before.commit, after.commit, pinned.commit) == (COMMIT, LATER, COMMIT)
    assert contents(after)[TOML] == changed[TOML]
    assert contents(pinned) == contents(before)


def test_without_the_hub_the_last_state_opens_and_says_so(
    tmp_path: Path, hub_in_process: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    with serving(Hub("owner/board", FILES)) as hub:
        hub_in_process(hub.url)
        board, _ = fetch(tmp_path)
    hub_in_process(NOBODY)
    again, (note,) = fetch(tmp_path)
    assert again == board
    assert note.startswith(
        "hf://datasets/owner/board@main: the Hub does not answer; this is commit"
    )
    assert COMMIT in note
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    again, (note,) = fetch(tmp_path)
    assert again == board
    assert "HF_HUB_OFFLINE forbids the network" in note
    assert "the board is not on this machine" in refused(tmp_path, "hf://datasets/owner/other")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"repository": "owner/other"}, "no dataset owner/board, or a private one; check its name"),
        ({"refuse": (401, {})}, "no dataset owner/board, or a private one"),
        ({"refuse": (403, {})}, "refuses access to owner/board"),
        ({"refuse": (500, {})}, "answered 500"),
        ({"files": {"README.md": b"x"}}, "not a board, it has no submissions/*/submission.toml"),
        ({"gated": True}, "owner/board is gated"),
    ],
)
def test_each_refusal_is_one_line_that_says_what_to_do(
    tmp_path: Path,
    hub_in_process: Ask,
    fault: Mapping[str, object],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits and asks again
    given = {"repository": "owner/board", "files": FILES} | dict(fault)
    with serving(Hub(**given)) as hub:  # type: ignore[arg-type]
        hub_in_process(hub.url)
        said = refused(tmp_path)
    assert expected in said
    assert "registry" not in said
    assert "pull again" not in said
    assert not [*tmp_path.rglob("submissions")]


def test_an_unknown_revision_and_a_hub_that_is_not_there_are_one_line(
    tmp_path: Path, hub_in_process: Ask
) -> None:
    with serving(Hub("owner/board", FILES)) as hub:
        hub_in_process(hub.url)
        said = refused(tmp_path, "hf://datasets/owner/board@v9")
    assert "has no revision v9" in said
    assert "name another one after the @" in said
    hub_in_process(NOBODY)
    assert "no answer" in refused(tmp_path)


def test_files_that_no_board_has_are_named_and_not_downloaded(
    tmp_path: Path, hub_in_process: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        __import__("simulator.submissions.files", fromlist=["LIMITS"]).LIMITS, "run.json", 10
    )
    bad = {
        f"submissions/{NAME}/run.json": b"x" * 11,
        f"submissions/{NAME}/weights.bin": b"x" * 50,
        f"submissions/{NAME}/deep/er/file.py": b"x",
        f"submissions/{NAME}/verified/more.json": b"x",
        "submissions/large.zip": b"x" * 50,
    }
    with serving(Hub("owner/board", FILES | bad)) as hub:
        hub_in_process(hub.url)
        board, _ = fetch(tmp_path)
        assert not bad.keys() & {*hub.downloads()}
    root = board.submissions / NAME
    assert (root / "run.json").stat().st_size == 11
    assert (root / "run.json").read_bytes() == b"\0" * 11
    for name in ("weights.bin", "deep/er", "verified/more.json"):
        assert (root / name).read_bytes() == b""
    assert not (board.submissions / "large.zip").exists()


def test_the_kept_files_of_a_board_are_no_others_and_their_names_stay_distinct(
    tmp_path: Path, hub_in_process: Ask
) -> None:
    long = "n" * 100
    bad = {f"submissions/{NAME}/{long}{end}": b"x" for end in ("a", "b", "c/d")}
    with serving(Hub("owner/board", FILES | bad)) as hub:
        hub_in_process(hub.url)
        board, _ = fetch(tmp_path)
    names = sorted(each.name for each in (board.submissions / NAME).iterdir())
    assert len({name for name in names if name.startswith("n" * 40)}) == len(bad)
    plain = [each for each in board.submissions.rglob("*") if each.is_file()]
    assert {each.stat().st_nlink for each in plain} == {1}
