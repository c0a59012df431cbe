"""Folder of a training: the settings it was begun with, its checkpoint, and what it leaves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from judges.evaluation.evaluate import Row, as_document
from judges.kinds.models import JUDGE_FILE, TRAINING
from judges.kinds.prompting import Template
from judges.prefixes import TOKENS_500
from judges.training.recipe import Recipe
from simulator.errors import UserError, one_line
from simulator.storage import (
    disk_error,
    locked,
    make_folders,
    parse_json,
    read_plain_text,
    remove_empty,
)

RECORD = "training.json"
"""File of the settings of a training."""

SUMMARY = "summary.json"
"""File of the data and the course of a training."""

FIGURES = "figures.json"
"""File of a trained judge's figures on the test side of its pairs."""

BEST = "best.safetensors"
"""File of the best weights so far, until the judge is saved."""


@dataclass
class Progress:
    """The updates that were made: their number, losses, and measurements on held-out problems."""

    updates: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    measured: list[dict[str, float | None]] = field(default_factory=list)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock the folder of a judge that is trained, against other processes."""

    def taken(holder: str) -> UserError:
        return UserError(
            f"{folder}: another process{holder} is training this judge; wait for it, or choose "
            "another folder"
        )

    try:
        make_folders(folder.parent)
    except OSError as error:
        raise disk_error(error, folder) from None
    with locked(folder, taken):
        yield


@contextmanager
def tidied(folder: Path) -> Iterator[None]:
    """Remove what a training left that ended early without a checkpoint to go on from."""
    try:
        yield
    except BaseException:
        work = folder / TRAINING
        if not (folder / JUDGE_FILE).exists() and not checkpoint_of(work).exists():
            drop_checkpoint(work)
            if folder.exists() and [each.name for each in folder.iterdir()] == [TRAINING]:
                (work / RECORD).unlink(missing_ok=True)
            remove_empty([work, folder])
        raise


def begin(folder: Path, record: dict[str, Any], resume: bool) -> Progress:
    """Check the folder and write the settings; return the progress to go on from.

    Raises
    ------
    UserError
        The folder holds a judge, another training, or other files.
    """
    work = folder / TRAINING
    if (folder / JUDGE_FILE).exists():
        raise UserError(f"{folder}: holds a trained judge already; choose another folder")
    if not checkpoint_of(work).exists() and (work / "checkpoint.old").exists():
        (work / "checkpoint.old").rename(work / "checkpoint")  # killed while they were swapped
    checkpoint = checkpoint_of(work)
    if checkpoint.exists():
        check_same(folder, record, resume)
        state = json.loads(checkpoint.read_text(encoding="utf-8"))
        return Progress(state["updates"], state["curve"], state.get("measured", []))
    if folder.exists() and not (work / RECORD).exists() and any(folder.iterdir()):
        raise UserError(f"{folder}: not empty, and not a judge's training; choose another folder")
    try:
        make_folders(work)
        write_json(work / RECORD, record)
    except OSError as error:
        raise disk_error(error, folder) from None
    return Progress()


def check_same(folder: Path, record: dict[str, Any], resume: bool = True) -> None:
    """Refuse a folder whose training has other settings, or that is not to be resumed."""
    before = json.loads((folder / TRAINING / RECORD).read_text(encoding="utf-8"))
    changed = differences(before, record)
    if changed:
        raise UserError(
            f"{folder}: the training there has {', '.join(changed)}; repeat its command, or "
            "choose another folder"
        )
    if not resume:
        raise UserError(
            f"{folder}: an unfinished training; go on with --resume, or choose another folder"
        )


def differences(before: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Name the settings in which two records differ: `learning rate 1e-05 instead of 2e-05`.

    A setting that a record lacks has its default, as in trainings made before it existed.
    """
    found = []
    old, new = _settings(before), _settings(record)
    for name in sorted(old.keys() | new.keys(), key=lambda name: (name not in record, name)):
        was, now = old.get(name), new.get(name)
        if was == now:
            continue
        shown = name.replace("_", " ")
        if name in ("pairs", "weights", "text"):
            known = {"pairs": "pairs", "weights": "weights of the base model", "text": "prompt"}
            found.append(f"other {known[name]}")
        else:
            found.append(f"{shown} {_brief(was)} instead of {_brief(now)}")
    return found


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of a record by name, completed by the defaults."""
    defaults = Recipe(TOKENS_500).as_dict() | asdict(Template(""))
    parts = {name: value for name, value in record.items() if name not in ("recipe", "template")}
    return parts | defaults | dict(record.get("recipe") or {}) | dict(record.get("template") or {})


def _brief(value: Any) -> str:
    return ":".join(map(str, value)) if isinstance(value, list) else str(value) or "none"


def save_checkpoint(accelerator: Any, work: Path, progress: Progress) -> None:
    """Save a checkpoint for `resume`; a complete one is on the disk at any time."""
    new, current, old = (work / name for name in ("checkpoint.new", "checkpoint", "checkpoint.old"))
    if accelerator.is_main_process:
        shutil.rmtree(new, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(new))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        write_json(new / "progress.json", asdict(progress))
        shutil.rmtree(old, ignore_errors=True)
        if current.exists():
            current.rename(old)
        new.rename(current)
        shutil.rmtree(old, ignore_errors=True)
    accelerator.wait_for_everyone()


def checkpoint_of(work: Path) -> Path:
    """Return the file that a complete checkpoint has."""
    return work / "checkpoint" / "progress.json"


def drop_checkpoint(work: Path) -> None:
    """Remove the checkpoint of a training that cannot go on, or is complete."""
    for name in ("checkpoint", "checkpoint.old", "checkpoint.new"):
        shutil.rmtree(work / name, ignore_errors=True)
    (work / BEST).unlink(missing_ok=True)


def write_json(file: Path, content: Any) -> None:
    """Write a file of JSON, indented."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Read the data and the course of a judge's training; None if they were not recorded."""
    return read_json(folder / TRAINING / SUMMARY)


def store_figures(folder: Path, rows: Sequence[Row]) -> None:
    """Store a judge's figures on the test side beside it."""
    write_json(folder / TRAINING / FIGURES, as_document(rows))


def read_figures(folder: Path) -> dict[str, Any] | None:
    """Read a judge's figures on the test side; None if they are not stored."""
    return read_json(folder / TRAINING / FIGURES)


def read_json(file: Path) -> dict[str, Any] | None:
    """Read a file that `write_json` wrote; None if there is none."""
    try:
        return dict(parse_json(read_plain_text(file)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{file}: cannot be read ({one_line(error)}); train again") from None
