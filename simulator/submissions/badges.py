"""`verification.json`: what came of verifying a submission, and the badge that follows from it."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from simulator.errors import UserError
from simulator.storage import disk_error
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
"""Every badge, and what it says. What was found to be wrong has none."""


@dataclass(frozen=True)
class Step:
    """What came of one step: what is wrong, or why it was not made, and what else to know."""

    step: str
    status: Status
    findings: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Verification:
    """What came of verifying a submission.

    `sha256` are of the files that were verified; `pools` and `other_seed` figures by pool; `layers`
    are what held the policy while it was run again.
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
        """Whether anything was found to be wrong."""
        return any(step.status == "failed" for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """As it is in `verification.json`."""
        return {"format": FORMAT, **asdict(self)}


def decide_badge(steps: Sequence[Step], *, synthetic: bool, withdrawn: bool) -> str | None:
    """The badge of a submission with these outcomes; None where something is wrong."""
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
    """Leave `verification.json` in a submission's folder, or beside a bundle; returns its path.

    Raises
    ------
    UserError
        The submission is no folder and no file, or the disk cannot be written.
    """
    if path.is_symlink() or not path.exists():
        raise UserError(f"{path}: no submission to write {VERIFICATION} beside")
    name = VERIFICATION if path.is_dir() else f"{path.name.removesuffix('.zip')}.{VERIFICATION}"
    target = (path if path.is_dir() else path.parent) / name
    temporary = target.with_name(f".{name}.{uuid.uuid4().hex[:8]}.tmp")
    text = json.dumps(verification.as_dict(), indent=2, ensure_ascii=True, allow_nan=False)
    try:
        if target.is_dir() and not target.is_symlink():
            raise IsADirectoryError(21, "is a folder", str(target))
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, target)  # noqa: PTH105  (replaces a link, too)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise disk_error(error, target) from error
    return target


def badge_of(files: Files) -> str | None:
    """The badge that a submission's own files give it; None for what is wrong with it.

    Only a `verification.json` of exactly these files counts. That a verifier has written it, and
    not the submitter, is for whoever keeps the submissions to see to.
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
        run = parse_object(content.get("run.json", b""), "run.json")
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
    """When these very files were verified; None where they were not."""
    try:
        recorded = parse_object(files.content.get(VERIFICATION, b"{}"), VERIFICATION)
    except Refused:
        return None
    when = recorded.get("verified_at")
    return when if recorded.get("sha256") == files.sha256 and type(when) is str else None
