"""Citations of entries and boards, and the hashes in them."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from shown_folders import HOSTILE, folders_in

from leaderboard_app.library.board_file import Board
from leaderboard_app.library.citation import (
    bibtex,
    board_hash,
    csl_json,
    entry_hash,
    hash_command,
    hashed_files,
    of_board,
    of_entry,
    plain_text,
    submitted,
)
from leaderboard_app.library.entry import Entry
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from leaderboard_app.shown.navigation import link
from simulator.errors import UserError

BOARD = Board("Early stopping", "https://board.example.org/early/", organisation="Test Institute")
POOLS = "recorded/model-a/bench-1, recorded/model-a/bench-2, recorded/model-b/bench-1"


@pytest.fixture
def short(full_library: Library) -> Entry:
    return full_library.by_id["2026-11-20-short"]


def printed(entry: Entry) -> str:
    """Return what a shell prints for the command, by the programs of this machine."""
    done = subprocess.run(
        hash_command(entry), shell=True, cwd=entry.path, capture_output=True, text=True, check=True
    )
    return done.stdout.split()[0]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum here")
@pytest.mark.parametrize("name", ["2026-11-20-short", "2026-11-20-checked-asc", "runs/esc"])
def test_the_hash_is_what_its_command_prints(full_library: Library, name: str) -> None:
    entry = full_library.by_id[name]
    assert entry_hash(entry) == printed(entry)


def test_a_submission_is_not_read_again_for_its_hash(
    full_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {
        each.id: entry_hash(replace(each, files_sha256=None)) for each in submitted(full_library)
    }
    monkeypatch.setattr("leaderboard_app.library.citation.file_sha256", None)
    assert {each.id: entry_hash(each) for each in submitted(full_library)} == expected
    assert "2026-11-20-checked-asc" in expected


def test_the_hash_is_of_the_files_that_define_an_entry(full_library: Library) -> None:
    run = ("answers.parquet", "decisions.parquet", "run.json", "summary.json")
    own = (*run[:2], "policy.py", "run.json", "submission.toml", "summary.json")
    files = {name: hashed_files(entry) for name, entry in full_library.by_id.items()}
    assert files["runs/esc"] == run
    assert hashed_files(replace(full_library.by_id["runs/esc"], badge="derived")) == (
        *run[:2],
        run[3],  # without the date of the run, the same for everybody
    )
    assert files["2026-11-20-short"] == own
    assert files["2026-11-20-checked-asc"] == (*own, *(f"verified/{name}" for name in run))


def test_every_file_changes_the_hash(full: Folders, tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    name = "2026-11-20-checked-asc"
    shutil.copytree(full.submissions / name, folders.submissions / name)
    (entry,) = load(folders).entries
    seen = {entry_hash(entry)}
    for file in hashed_files(entry):
        with (entry.path / file).open("ab") as handle:
            handle.write(b"\n")
        seen.add(entry_hash(entry))
    assert len(seen) == 1 + len(hashed_files(entry)) == 11
    (entry.path / "run.json").unlink()
    with pytest.raises(UserError, match="cannot be read for its hash"):
        entry_hash(entry)


def test_the_hash_of_a_board_is_over_its_submissions(full: Folders, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "pools", full.runs, tmp_path / "submissions")
    for name in ("2026-11-20-short", "2026-11-20-cons"):
        shutil.copytree(full.submissions / name, folders.submissions / name)
    library = load(folders)
    cons, short = (entry_hash(library.by_id[f"2026-11-20-{name}"]) for name in ("cons", "short"))
    lines = f"{cons}  2026-11-20-cons\n{short}  2026-11-20-short\n"
    assert board_hash(library) == hashlib.sha256(lines.encode()).hexdigest()
    assert "2 entries, 0 verified" in bibtex(of_board(library))


def test_a_citation_has_the_paper_the_board_and_the_hash(short: Entry) -> None:
    reference = of_entry(short, BOARD)
    address = "https://board.example.org/early/entry?entry=2026-11-20-short"
    assert address == (BOARD.url or "") + link("entry", entry=short.id)
    told = f"Early stopping, entry 2026-11-20-short, {address}, seed 0, on {POOLS}"
    digest = entry_hash(short)
    assert bibtex(reference) == (
        "@misc{2026-11-20-short,\n"
        "  author = {{Ada Lovelace} and {Emmy Noether}},\n"
        "  title = {{Short three}},\n"
        "  year = {2026},\n"
        "  date = {2026-11-20},\n"
        "  organization = {Test Institute},\n"
        "  eprint = {2510.08483},\n"
        "  archiveprefix = {arXiv},\n"
        "  url = {https://arxiv.org/abs/2510.08483},\n"
        f"  note = {{{told}, SHA-256 {digest}}},\n"
        "}\n"
    )
    assert plain_text(reference) == (
        "Ada Lovelace, Emmy Noether. Short three. Test Institute, 2026-11-20. arXiv:2510.08483. "
        f"{told}. SHA-256 {digest}."
    )
    assert json.loads(csl_json(reference)) == [
        {
            "id": "2026-11-20-short",
            "type": "article",
            "title": "Short three",
            "author": [{"literal": "Ada Lovelace"}, {"literal": "Emmy Noether"}],
            "publisher": "Test Institute",
            "URL": "https://arxiv.org/abs/2510.08483",
            "number": "arXiv:2510.08483",
            "version": f"SHA-256 {digest}",
            "note": told,
            "issued": {"date-parts": [[2026, 11, 20]]},
        }
    ]


def test_without_a_paper_the_address_on_the_board_is_the_link(short: Entry) -> None:
    entry = replace(short, paper=None, verified_at="2026-11-25T10:00:00+00:00")
    assert of_entry(entry, BOARD).url == (
        "https://board.example.org/early/entry?entry=2026-11-20-short"
    )
    assert ", verified 2026-11-25, seed 0" in bibtex(of_entry(entry, BOARD))
    assert of_entry(entry, Board()).url == "https://github.com/example/code"
    assert "deepprune-sim leaderboard, entry 2026-11-20-short, verified" in plain_text(
        of_entry(entry, Board())
    )


def test_a_run_of_this_machine_has_no_address_on_the_board(full_library: Library) -> None:
    reference = of_entry(full_library.by_id["runs/esc"], BOARD)
    assert "board.example.org" not in bibtex(reference)
    assert reference.key == "runs-esc"


def test_a_board_is_cited_by_its_title_address_and_youngest_entry(full: Folders) -> None:
    library = replace(load(full), board=BOARD)
    submissions = [each for each in library.entries if not each.id.startswith("runs/")]
    whole = [each for each in submissions if each.badge is not None]
    assert len(whole) < len(submissions)
    verified = sum(each.takes_part for each in whole)
    digest = board_hash(library)
    assert plain_text(of_board(library)) == (
        "Test Institute. Early stopping. 2026-11-22. https://board.example.org/early/. "
        f"{len(whole)} entries, {verified} verified. SHA-256 {digest}."
    )
    cited = bibtex(of_board(library))
    assert cited.startswith("@misc{Early-stopping,\n  author = {{Test Institute}},\n")
    assert "  url = {https://board.example.org/early/},\n" in cited
    (csl,) = json.loads(csl_json(of_board(library)))
    assert (csl["type"], csl["issued"]) == ("dataset", {"date-parts": [[2026, 11, 22]]})


def test_an_empty_board_can_be_cited(empty: Folders) -> None:
    reference = of_board(load(empty))
    assert plain_text(reference) == (
        f"deepprune-sim leaderboard. 0 entries, 0 verified. SHA-256 {hashlib.sha256().hexdigest()}."
    )


@pytest.mark.parametrize(
    "text", [HOSTILE, "a}b{c", "{", "x\\write18{id}", "50% & $1_000 #1", "a\nb"]
)
def test_no_text_ends_a_field_of_a_citation(short: Entry, text: str) -> None:
    hostile = replace(
        short, method=text, authors=(text,), organisation=text, paper=f"https://{text}"
    )
    reference = of_entry(hostile, replace(BOARD, title=text))
    cited = bibtex(reference)
    depth = 0
    for character in cited:  # BibTeX counts braces behind backslashes as well
        depth += (character == "{") - (character == "}")
        assert depth >= 0
    assert depth == 0
    assert "\\write18" not in cited
    known = {
        *("author", "title", "year", "date", "organization", "url", "note", "}"),
        "@misc{2026-11-20-short,",
    }
    assert {line.partition("=")[0].strip() for line in cited.splitlines()} <= known
    assert "\n" not in plain_text(reference)
    (csl,) = json.loads(csl_json(reference))
    assert csl["title"] == text
