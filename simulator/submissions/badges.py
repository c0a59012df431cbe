"""`verification.json`: the result of verifying a submission, and the badge that follows from it."""

from __future__ import annotations

import errno
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from simulator.errors import UserError
from simulator.runs.format import RUN_FILE
from simulator.storage import JsonObject, disk_error, replace_file, replace_folder
from simulator.submissions.files import (
    METADATA,
    VERIFICATION,
    VERIFIED,
    Files,
    verifiers_place,
)
from simulator.submissions.metadata import NAMING, Metadata, read_metadata
from simulator.submissions.strict_json import Refused, parse_object

FORMAT = 2
"""Version of `verification.json`."""

LEAST_REPEATS = 64
"""Fewest repeats of a verified run, and the number of repeats of the verifier's own.

A run of one repeat with the best of 250 seeds is ten points better than its method.
"""

STEPS = ("well-formed", "recomputed", "rerun")

Status = Literal["passed", "failed", "skipped"]

BADGES = {
    "verified": "64 repeats or more, its policy run again with the same outcome, and its figures "
    "those of the verifier's own replays, with a seed that nobody could pick",
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

    `sha256` holds the hashes of the files that figures depend on; `pools` holds the submitted
    figures by pool, and `other_seed` those of the verifier's own run; `layers` names the sandbox's
    layers around the policy in the rerun; `told` is the metadata that the verifier saw. `verified`
    holds the files of the verifier's own run, which are kept beside the submission, and
    `verified_sha256` their hashes; both are empty without one.
    """

    submission: str
    badge: str | None
    steps: Sequence[Step]
    sha256: Mapping[str, str]
    pools: Sequence[Mapping[str, Any]] = ()
    other_seed: Sequence[Mapping[str, Any]] = ()
    layers: Sequence[str] = ()
    verified: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    verified_sha256: Mapping[str, str] = field(default_factory=dict)
    verified_at: str = ""
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """True if any step failed."""
        return any(step.status == "failed" for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of `verification.json`."""
        fields = asdict(replace(self, verified={}))
        del fields["verified"]
        return {"format": FORMAT, **fields}


def too_few(repeats: int) -> str:
    """Tell that a run has fewer repeats than a verified one, and the remedy."""
    return (
        f"too few repeats ({repeats}) for the badge verified, as their seed could be picked; run "
        f"again with --repeats {LEAST_REPEATS}"
    )


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

    The verifier's own run, if there is one, is written to the folder `verified` (beside a bundle:
    `<name>.verified`), in place of an earlier one, which is kept only if `verified_sha256` alone is
    given. Until both are written, it does not count.

    Raises
    ------
    UserError
        The submission is neither a folder nor a file, or the disk cannot be written.
    """
    if path.is_symlink() or not path.exists():
        raise UserError(f"{path}: no submission to write {VERIFICATION} beside")
    target = verifiers_place(path, VERIFICATION)
    text = json.dumps(verification.as_dict(), indent=2, ensure_ascii=True, allow_nan=False)
    if target.is_dir() and not target.is_symlink():
        raise disk_error(IsADirectoryError(errno.EISDIR, "is a folder"), target)
    if verification.verified or not verification.verified_sha256:
        staging = path.resolve().with_name(f".{path.resolve().name}.{uuid.uuid4().hex[:8]}.tmp")
        replace_folder(verifiers_place(path, VERIFIED), verification.verified, staging)
    replace_file(target, f"{text}\n".encode())  # replaces a link, too
    return target


def read_verification(content: bytes) -> Verification | None:
    """Read a `verification.json`; None if it has another format or invalid fields.

    Raises
    ------
    Refused
        The content is not a JSON object.
    """
    recorded = parse_object(content, VERIFICATION)
    if recorded.get("format") != FORMAT:
        return None
    top = JsonObject(recorded, lambda key, kind, found: Refused(f"{VERIFICATION}: {key}"))
    try:
        steps = [
            Step(
                each.get("step", str),
                each.get("status", Status),  # type: ignore[arg-type]
                each.get("findings", list[str]),
                each.get("notes", list[str]),
            )
            for each in top.objects("steps")
        ]
        for key, kind in (("submission", str), ("verified_at", str), ("sha256", dict[str, str])):
            top.get(key, kind)
        top.get("told", dict[str, Any])
        top.optional("badge", str)
        top.optional("verified_sha256", dict[str, str])
        names = {each.name for each in fields(Verification)} - {"verified"}  # files, not fields
        return Verification(
            **{key: value for key, value in recorded.items() if key in names} | {"steps": steps}
        )
    except (Refused, TypeError):
        return None


def badge_of(files: Files) -> str | None:
    """Return the badge that follows from a submission's own files; None if they are not valid.

    A `verification.json` counts as in `counted`, and if the verifier saw the same name.
    """
    metadata, _ = read_metadata(files.content.get(METADATA, b""))
    if metadata is None:
        return None
    try:
        recorded = counted(files)
        if recorded is not None and is_named(recorded, metadata):
            return badge_from(recorded.steps, files, metadata)
        return badge_from([Step("well-formed", "passed")], files, metadata)
    except Refused:
        return None


def badge_from(steps: Sequence[Step], files: Files, metadata: Metadata) -> str | None:
    """Return the badge of a submission with these results of its steps.

    Raises
    ------
    Refused
        Its `run.json` is not valid.
    """
    withdrawn = metadata.withdrawn is not None
    if withdrawn:
        return decide_badge(steps, synthetic=False, withdrawn=True)
    run = parse_object(files.content.get(RUN_FILE, b""), RUN_FILE)
    try:
        synthetic = any(pool["synthetic"] is not False for pool in run["pools"])
    except (KeyError, TypeError):
        raise Refused(f"{RUN_FILE}: no pools") from None
    return decide_badge(steps, synthetic=synthetic, withdrawn=False)


def is_named(recorded: Verification, metadata: Metadata) -> bool:
    """Check whether the verifier saw the same method, version and standing as there are."""
    told = metadata.as_told()
    return all(recorded.told.get(key) == told[key] for key in NAMING)


def verified_at(files: Files) -> str | None:
    """Return the time at which exactly these files were verified; None if they were not."""
    try:
        recorded = counted(files)
    except Refused:
        return None
    return recorded.verified_at if recorded is not None else None


def counted(files: Files) -> Verification | None:
    """Return the `verification.json` that counts for these files; None without one.

    It counts only if it has the hashes of exactly these files, apart from what is told about the
    method. The keeper of the board has to ensure that a verifier wrote it, not the submitter.

    Raises
    ------
    Refused
        It is not valid JSON.
    """
    content = files.content.get(VERIFICATION)
    recorded = None if content is None else read_verification(content)
    return recorded if recorded is not None and recorded.sha256 == files.sha256 else None


def rerun_passed(files: Files, badge: str | None) -> bool:
    """Return True if a verifier's rerun of exactly these files passed, also on generated traces.

    `badge` is that of the files (`badge_of`). The verifier must have seen the same name.
    """
    if badge not in ("verified", "synthetic"):
        return False
    recorded = counted(files)
    metadata, _ = read_metadata(files.content.get(METADATA, b""))
    if recorded is None or metadata is None or not is_named(recorded, metadata):
        return False
    return set(STEPS) <= {each.step for each in recorded.steps if each.status == "passed"}
