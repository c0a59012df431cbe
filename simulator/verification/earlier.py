"""Earlier verifications: what stands when a submission is verified again, and what changed since.

A verification stands as long as the files that it checked are the same, unless a step that is made
again fails. A step that cannot be made here voids nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from simulator.errors import UserError
from simulator.pools.pool import read_info
from simulator.runs.format import RUN_FILE
from simulator.submissions.badges import (
    Step,
    Verification,
    badge_from,
    read_verification,
)
from simulator.submissions.files import (
    LIMITS,
    METADATA,
    VERIFICATION,
    VERIFIED,
    Files,
    read_file,
    read_files,
    verifiers_place,
)
from simulator.submissions.metadata import NAMING, Metadata, read_metadata, same_authors
from simulator.submissions.run_record import read_run
from simulator.submissions.strict_json import Refused, parse_object, shown
from simulator.submissions.verified import has_files
from simulator.submissions.wellformed import check_name

Change = Literal["none", "told", "files"]
"""Change since a verification: none, of the metadata alone, or of what figures depend on."""


@dataclass(frozen=True)
class Outcome:
    """Result of verifying a submission again.

    `verification` is the one that counts, an earlier one if `kept`. `remarks` are lines for the
    keeper of the board. `rewrite` is False if `verification.json` holds it already.
    """

    verification: Verification
    remarks: tuple[str, ...] = ()
    kept: bool = False
    rewrite: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return the verification's fields, `kept` and `remarks`."""
        return {
            **self.verification.as_dict(),
            "kept": self.kept,
            "remarks": list(self.remarks),
        }


def read_earlier(path: Path) -> Verification | None:
    """Read the verification of a submission at `path`; None if there is none that can be read."""
    place = verifiers_place(path, VERIFICATION)
    content = read_file(place, LIMITS[VERIFICATION])
    try:
        return None if content is None else read_verification(content)
    except Refused:
        return None


def change_since(path: Path, cache: Path) -> Change:
    """Compare a submission with its verification; "files" if it has none.

    A pool in `cache` that has another fingerprint than the one replayed is a change, too.
    """
    earlier, files = read_earlier(path), read_files(path)
    if earlier is None or files.findings or not _is_of(earlier, path, files):
        return "files"
    try:
        run = read_run(parse_object(files.content[RUN_FILE], RUN_FILE))
        for pool in run.pools:
            folder = cache / pool.name
            if (folder / "pool.json").exists() and read_info(
                folder
            ).fingerprint != pool.fingerprint:
                return "files"
    except UserError:
        return "files"
    metadata, _ = read_metadata(files.content[METADATA])
    if metadata is None or check_name(files.name, metadata):
        return "files"  # verified again, it is not well-formed
    return "none" if dict(earlier.told) == metadata.as_told() else "told"


def told_again(path: Path) -> Outcome:
    """Return the standing verification of a submission of which only the metadata changed."""
    earlier, files = read_earlier(path), read_files(path)
    metadata, wrong = read_metadata(files.content.get(METADATA, b""))
    if earlier is None or metadata is None:
        raise UserError(f"{path}: {'; '.join(wrong) or 'changed meanwhile'}; verify it again")
    kept = replace(
        earlier, badge=badge_from(earlier.steps, files, metadata), told=metadata.as_told()
    )
    remarks = [*_about_row(path, files, metadata, earlier), *_badge_told(earlier, kept, files)]
    return Outcome(kept, tuple(remarks), kept=True)


def outcome_of(path: Path, found: Verification) -> Outcome:
    """Combine a new verification of a submission with the earlier one, which may stand."""
    earlier, files = read_earlier(path), read_files(path)
    metadata, _ = read_metadata(files.content.get(METADATA, b""))
    if metadata is None:
        remarks = _badge_told(earlier, found, files)
        return Outcome(found, tuple(remarks))
    about = [*_about_row(path, files, metadata, earlier)]
    missing = _not_made(found, earlier) if earlier else None
    stands = (
        earlier is not None
        and missing is not None
        and not found.failed
        and not earlier.failed
        and found.sha256 == files.sha256
        and _is_of(earlier, path, files)
    )
    if not stands or earlier is None or missing is None:
        return Outcome(found, (*about, *_badge_told(earlier, found, files)))
    kept = replace(earlier, badge=badge_from(earlier.steps, files, metadata), told=found.told)
    since = earlier.verified_at[:10]
    named = earlier.badge if earlier.badge in ("verified", "recomputed") else "the verification"
    about.append(f"not checked again: {missing}; {named} on {since} stands")
    about += _badge_told(earlier, kept, files)
    return Outcome(kept, tuple(about), kept=True, rewrite=kept != earlier)


def _is_of(earlier: Verification, path: Path, files: Files) -> bool:
    """Check whether a verification is of these files, and the verifier's own run is unaltered."""
    if dict(earlier.sha256) != files.sha256:
        return False
    hashes = earlier.verified_sha256
    return not hashes or has_files(verifiers_place(path, VERIFIED), hashes)


def _not_made(found: Verification, earlier: Verification) -> str | None:
    """Say why a step that passed earlier was not made now; None if all of them were."""
    passed = {step.step for step in earlier.steps if step.status == "passed"}
    for step in found.steps:
        if step.step in passed and step.status == "skipped" and not _was_made(step, found):
            reason = str(step.findings[0]).partition(";")[0] if step.findings else "it was left out"
            return f"the {step.step} {reason}" if reason == NOT_REQUESTED else reason
    return None


NOT_REQUESTED = "was not requested"


def _was_made(step: Step, found: Verification) -> bool:
    """Check whether a rerun that does not count has run the policy in all its repeats."""
    return (
        step.step == "rerun"
        and bool(found.layers)
        and not all(str(finding).startswith("only ") for finding in step.findings)
    )


def _badge_told(earlier: Verification | None, now: Verification, files: Files) -> Iterator[str]:
    """Tell a badge that changes, and the reason."""
    if earlier is None or earlier.badge == now.badge:
        return
    names = sorted({*earlier.sha256, *files.sha256})
    changed = [name for name in names if earlier.sha256.get(name) != files.sha256.get(name)]
    reasons = [f"{', '.join(changed)} changed"] if changed else []
    if "withdrawn" in (earlier.badge, now.badge):
        taken_back = now.badge == "withdrawn"
        reasons.append("it is withdrawn" if taken_back else "it is withdrawn no longer")
    else:
        order = sorted(now.steps, key=lambda step: step.status != "failed")  # failures first
        wrong = [step for step in order if step.status != "passed"]
        reasons += [f"{wrong[0].step}: {'; '.join(wrong[0].findings[:1])}"] if wrong else []
    because = "; ".join(reasons) or "all steps passed"
    yield f"badge: {earlier.badge or 'none'} → {now.badge or 'none'}, because {because}"


def _about_row(
    path: Path, files: Files, metadata: Metadata, earlier: Verification | None
) -> Iterator[str]:
    """Tell the keeper what only the authors of a row may change, and whose rows it touches."""
    told = metadata.as_told()
    before = dict(earlier.told) if earlier else told
    for key in (key for key in told if told[key] != before.get(key)):
        if key in ("authors", *NAMING):
            yield (
                f"{key} changed from {shown(before.get(key), 200)} to {shown(told[key], 200)}; "
                "only its own authors may change this"
            )
        else:
            yield f"{key} changed"
    for sibling in sorted(path.absolute().parent.iterdir()):
        if sibling.name.removesuffix(".zip") == files.name or not sibling.is_dir():
            continue
        other, _ = read_metadata(read_file(sibling / METADATA, LIMITS[METADATA]) or b"")
        if sibling.name == metadata.supersedes:
            yield from _superseded(sibling.name, other, metadata)
        elif (
            other is not None
            and sibling.name[:10] <= files.name[:10]
            and not same_authors(other.authors, metadata.authors)
        ):
            policy = read_file(sibling / "policy.py", LIMITS["policy.py"])
            if policy and policy == files.content.get("policy.py"):
                yield f"policy.py is that of {sibling.name}, by {_listed(other)}"
    if metadata.supersedes and not (path.absolute().parent / metadata.supersedes).is_dir():
        yield f"supersedes {metadata.supersedes}, which is not beside it"


def _superseded(name: str, other: Metadata | None, metadata: Metadata) -> Iterator[str]:
    if other is None:
        yield f"supersedes {name}, whose submission.toml cannot be read"
        return
    if not same_authors(other.authors, metadata.authors):
        yield (
            f"supersedes {name}, whose authors are others ({_listed(other)}); only they may "
            "supersede it"
        )
    if other.method != metadata.method:
        yield f"supersedes {name}, whose method has another name ({shown(other.method, 100)})"


def _listed(metadata: Metadata) -> str:
    return shown("; ".join(metadata.authors), 200)
