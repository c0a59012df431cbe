"""The verifier's own run of a submission, kept beside it in the folder `verified`.

It is a run like any other, with a seed that nobody could know beforehand (`read_results` and
`read_problem_sums` read it). Boards show and rank by its figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from simulator.runs.format import FILES
from simulator.storage import file_sha256
from simulator.submissions.badges import counted
from simulator.submissions.files import (
    LIMITS,
    VERIFICATION,
    VERIFIED,
    Files,
    read_file,
    read_files,
    verifiers_place,
)
from simulator.submissions.strict_json import Refused


def verified_folder(path: Path, files: Files | None = None) -> Path | None:
    """Return the folder of the verifier's own run of a submission; None if there is none.

    It counts only if its files have exactly the hashes in a `verification.json` that counts for the
    submission's files. These are read from `path`, a folder or a bundle, unless given as `files`.
    """
    folder = verifiers_place(path, VERIFIED)
    if not folder.is_dir():
        return None
    files = read_files(path) if files is None else files
    beside = verifiers_place(path, VERIFICATION)
    if not path.is_dir() and (content := read_file(beside, LIMITS[VERIFICATION])) is not None:
        files = replace(files, content={**files.content, VERIFICATION: content})
    try:
        recorded = counted(files)
    except Refused:
        return None
    hashes = recorded.verified_sha256 if recorded is not None else {}
    return folder if has_files(folder, hashes) else None


def has_files(folder: Path, hashes: Mapping[str, object]) -> bool:
    """Check that a folder holds plain files with these hashes, those of a run, and nothing else."""
    try:
        if folder.is_symlink() or not {*FILES} == {*hashes} == {
            each.name for each in folder.iterdir()
        }:
            return False
        return all(
            not file.is_symlink()
            and file.is_file()
            and file.stat().st_size <= LIMITS[file.name]
            and file_sha256(file) == hashes[file.name]
            for file in (folder / name for name in FILES)
        )
    except OSError:
        return False
