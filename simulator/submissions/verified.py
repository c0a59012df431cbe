"""The folder `verified/` of a submission: the verifier's own replays, as a run."""

from __future__ import annotations

from pathlib import Path

from simulator.runs.format import FILES
from simulator.storage import file_sha256
from simulator.submissions.files import VERIFICATION
from simulator.submissions.strict_json import Refused, parse_object

VERIFIED_FOLDER = "verified"


def verified_folder(path: Path) -> Path | None:
    """Return the folder of the verifier's own replays of the submission in `path`.

    None if there is none, or if any of its files is not the one whose hash `verification.json` has.
    """
    folder = path / VERIFIED_FOLDER
    try:
        if folder.is_symlink() or not folder.is_dir():
            return None
        recorded = parse_object((path / VERIFICATION).read_bytes(), VERIFICATION)
        hashes = recorded.get("verified_sha256")
        if not isinstance(hashes, dict) or set(hashes) != set(FILES):
            return None
        for name in FILES:
            file = folder / name
            if file.is_symlink() or file_sha256(file) != hashes[name]:
                return None
    except (OSError, Refused):
        return None
    return folder
