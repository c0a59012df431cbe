"""`verification.json`: the result of verifying a submission, and the badge that follows from it."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from simulator.errors import UserError
from simulator.runs.format import RUN_FILE
from simulator.storage import replace_file, disk_error
from simulator.submissions.files import VERIFICATION, Files
from simulator.submissions.metadata import read_metadata
from simulator.submissions.strict_json import Refused, parse_object

FORMAT = 1
"""Version of `verification.json`."""

STEPS = ("well-formed", "recomputed", "rerun")

Status = Literal["passed", "failed", "skipped"]

BADGES = {
    "verified": "recomputed from its decisions, and its policy run again with the same outcome",
    "recomputed": "every figure follows from its decisions and the pool",
    "self-reported": "nothing of it has been checked yet",
    "reported": "taken from a publication, not replayed",
    "synthetic": "on generated traces: good for trying things out, not for any claim",
    "withdrawn": "taken back by its authors",
}
"""Every badge and its meaning. A submission that failed a step has no badge."""


@dataclass(frozen=True)
class Step:
    """Result of one step: `findings` are errors or the reason for a skip; `notes` are remarks."""

    step: str
    status: Status
    findings: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Verification:
    """Result of verifying a submission.

    `sha256` holds the hashes of the verified files; `pools` and `other_seed` hold figures by pool;
    `layers` names the sandbox's layers around the policy in the rerun.
    """

    submission: str
    badge: str | None
    steps: Sequence[Step]
    sha256: Mapping[str, str]
    pools: Sequence[Mapping[str, Any]] = ()
    other_seed: Sequence[Mapping[str, Any]] = ()
    layers: Sequence[str] = ()
    verified_at: str = ""
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """True if any step failed."""
        return any(step.status == "failed" for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of `verification.json`."""
        return {"format": FORMAT, **asdict(self)}


def decide_badge(steps: Sequence[Step], *, synthetic: bool, withdrawn: bool) -> str | None:
    """Return the badge of a submission with these results; None if a step failed."""
    status = {step.step: step.status for step in steps}
    if withdrawn:
        return "withdrawn"
    if "failed" in status.values() or status.get("well-formed") != "passed":
        return None
    if synthetic:
        return "synthetic"
    if status.get("recomputed") != "passed":
        return "self-reported"
    return "verified" if status.get("rerun") == "passed" else "recomputed"


def write_verification(path: Path, verification: Verification) -> Path:
    """Write `verification.json` in a submission's folder, or beside a bundle; return its path.

    Raises
    ------
    UserError
        The submission is neither a folder nor a file, or the disk cannot be written.
    """
    if path.is_symlink() or not path.exists():
        raise UserError(f"{path}: no submission to write {VERIFICATION} beside")
    name = VERIFICATION if path.is_dir() else f"{path.name.removesuffix('.zip')}.{VERIFICATION}"
    target = (path if path.is_dir() else path.parent) / name
    text = json.dumps(verification.as_dict(), indent=2, ensure_ascii=True, allow_nan=False)
    if target.is_dir() and not target.is_symlink():
        raise disk_error(IsADirectoryError(errno.EISDIR, "is a folder"), target)
    replace_file(target, f"{text}\n".encode())  # replaces a link, too
    return target


def badge_of(files: Files) -> str | None:
    """Return the badge that follows from a submission's own files; None if they are not valid.

    A `verification.json` counts only if it has the hashes of exactly these files. The keeper of the
    board has to ensure that a verifier wrote it, not the submitter.
    """
    content = files.content
    if "submission.toml" not in content:
        return None
    metadata, _ = read_metadata(content["submission.toml"])
    if metadata is None:
        return None
    if metadata.withdrawn is not None:
        return "withdrawn"
    try:
        run = parse_object(content.get(RUN_FILE, b""), RUN_FILE)
        pools = run["pools"]
        synthetic = any(pool["synthetic"] is not False for pool in pools)
        recorded = parse_object(content.get(VERIFICATION, b"{}"), VERIFICATION)
    except (Refused, KeyError, TypeError):
        return None
    if recorded.get("format") != FORMAT or recorded.get("sha256") != files.sha256:
        return "synthetic" if synthetic else "self-reported"
    steps = recorded.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        return None
    made = [Step(str(step.get("step")), step.get("status", "failed")) for step in steps]
    return decide_badge(made, synthetic=synthetic, withdrawn=False)


def verified_at(files: Files) -> str | None:
    """Return the time at which exactly these files were verified; None if they were not."""
    try:
        recorded = parse_object(files.content.get(VERIFICATION, b"{}"), VERIFICATION)
    except Refused:
        return None
    when = recorded.get("verified_at")
    return when if recorded.get("sha256") == files.sha256 and type(when) is str else None
