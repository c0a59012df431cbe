"""Packing a run as a submission: everything is checked first, all errors are in one message."""

from __future__ import annotations

import re
import shutil
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.runs.format import FILES, RUN_FILE
from simulator.storage import disk_error, make_folders, read_plain, replace_file
from simulator.submissions.files import LIMITS, MAX_NAME, Files
from simulator.submissions.metadata import check_metadata, metadata_toml
from simulator.submissions.strict_json import Refused, parse_object
from simulator.submissions.wellformed import Submission, check_form

_OPENED = (1980, 1, 1, 0, 0, 0)
"""Timestamp of every file in a bundle, so that the same submission gives the same bytes."""


@dataclass(frozen=True)
class Packed:
    """A submission that can be written: its name, the files' bytes, and their parsed content."""

    name: str
    content: Mapping[str, bytes]
    submission: Submission


def pack(run: Path, fields: Mapping[str, Any]) -> Packed:
    """Make a submission from a run's folder and the fields of `submission.toml`.

    Raises
    ------
    UserError
        Something is missing or wrong; the message lists all of it.
    """
    wrong: list[str] = []
    metadata, found = check_metadata({"format": 1, **fields})
    wrong += [each.removeprefix("submission.toml: ") for each in found]
    content: dict[str, bytes] = {}
    for name in FILES:
        try:
            size = (run / name).stat().st_size
            if size > LIMITS[name]:
                wrong.append(
                    f"{run / name} has {size:,} bytes, more than the {LIMITS[name]:,} of a "
                    "submission; make the run with fewer repeats or pools"
                )
            else:
                content[name] = read_plain(run / name)
        except OSError as error:
            wrong.append(f"{run / name}: {error.strerror}; name a finished run's folder")
    try:
        if RUN_FILE in content:
            policy = parse_object(content[RUN_FILE], RUN_FILE).get("policy")
            source = policy.get("source") if isinstance(policy, dict) else None
            if isinstance(source, str):
                content["policy.py"] = source.encode()
    except Refused as error:
        wrong.append(str(error))
    if metadata is None:
        when, method = date.today(), "unnamed"
        content["submission.toml"] = b'format = 1\nmethod = "-"'
    else:
        when, method = metadata.date, metadata.method
        content["submission.toml"] = metadata_toml(metadata).encode()
    name = f"{when.isoformat()}-{slug_of(method)}"
    submission = None
    if not wrong or (metadata is None and len(content) == len(FILES) + 2):
        submission, found = check_form(Files(name, content, ()))
        if metadata is None:  # its errors are listed already
            found = [each for each in found if not each.startswith("submission.toml")]
        wrong += found
    if wrong or submission is None:
        raise UserError(f"{run}: cannot be submitted yet: {'; '.join(wrong)}")
    return Packed(name, content, submission)


def slug_of(method: str) -> str:
    """Turn a method's name into a part of a folder's name: `short-3@16` to `short-3-16`."""
    slug = re.sub(r"[^a-z0-9]+", "-", method.casefold()).strip("-")
    return slug[: MAX_NAME - len("2026-01-31-")].strip("-") or "method"


def write_folder(packed: Packed, submissions: Path) -> Path:
    """Write a submission below `submissions`, whole or not at all; return its folder.

    Raises
    ------
    UserError
        A submission of this name exists, or the disk cannot be written.
    """
    target = submissions / packed.name
    if target.exists() or target.is_symlink():
        raise UserError(f"{target}: exists already; remove it, or give another --method or --date")
    staging = submissions / f".{packed.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        make_folders(submissions)
        staging.mkdir()
        for name, content in packed.content.items():
            (staging / name).write_bytes(content)
        staging.rename(target)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise disk_error(error, target) from error
    return target


def write_bundle(packed: Packed, folder: Path) -> Path:
    """Write a submission as one file, `<name>.zip`; return its path.

    Raises
    ------
    UserError
        A file of this name exists, or the disk cannot be written.
    """
    target = folder / f"{packed.name}.zip"
    if target.exists() or target.is_symlink():
        raise UserError(f"{target}: exists already; remove it, or give another --method or --date")
    packing = BytesIO()
    with zipfile.ZipFile(packing, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in sorted(packed.content.items()):
            entry = zipfile.ZipInfo(f"{packed.name}/{name}", _OPENED)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, content)
    replace_file(target, packing.getvalue())
    return target


def internal_imports(source: str) -> list[str]:
    """List the modules of `simulator` that a policy's source imports and that may change."""
    found = re.findall(r"^\s*(?:from|import)\s+(simulator\.\w+)", source, re.M)
    return sorted(set(found) - {"simulator.policy", "simulator.rules"})
