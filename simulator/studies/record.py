"""Files of a tuning: `tuning.json` (what is asked), `choice.json`, `result.json`, and its runs.

`choice.json` is written before any problem is replayed that is tested on, and is never written
again. The runs that test it record its SHA-256.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.runs.format import ANSWERS_FILE, RUN_FILE, TUNING
from simulator.runs.format import FORMAT as RUN
from simulator.runs.making import differences, write_json
from simulator.storage import JsonObject, file_sha256, read_versioned, replace_file
from simulator.studies.measuring import FIGURES

FORMAT = 1
"""Version of the format of tunings."""

CHOICE, RESULT = ("choice.json", "result.json")
"""Names of its files beside `tuning.json`."""

TUNE, TEST, DEFAULT_TUNE, DEFAULT_TEST, BASELINE_TEST = (
    *("tune", "test", "default-tune", "default-test", "baseline-test"),
)
"""Folders of its runs: the settings tried, the one chosen, and the default ones on both sides.

The last is cons@N of the largest N tried, if the chosen setting has a smaller one."""


def is_tuning(folder: Path) -> bool:
    """Return True for the folder of a tuning, finished or not."""
    return (folder / TUNING).is_file()


def read_result(folder: Path) -> dict[str, Any]:
    """Read the result of the finished tuning in `folder`.

    Raises
    ------
    UserError
        It is unfinished or damaged, or one of its files is not the one that it was made from.
    """
    try:
        found = read_versioned(folder / RESULT, "the result of a tuning", FORMAT, "tune again")
    except FileNotFoundError:
        raise UserError(
            f"{folder}: unfinished tuning; repeat its command with --resume -o {folder}"
        ) from None
    result = dict(found.fields)
    if found.get("choice", str) != sha256(folder / CHOICE):
        raise UserError(f"{folder / CHOICE}: not the choice that was tested; tune again")
    _check_choice(found)
    found.optional("default", str)
    found.get("clock_unit", str)
    for name in ("repeats", "seed"):
        found.get(name, int)
    for side in (found.object("tune"), found.object("test")):
        side.get("baseline", str)
        for counted in (side, *side.objects("pools")):
            counted.get("problems", int)
        for pool in side.objects("pools"):
            pool.get("name", str)
            pool.get("problems_in_pool", int)
    settings = found.get("figures", list[dict[str, dict[str, Any]]], least=1, most=2)
    for figures in settings:
        shown = JsonObject(figures, found.error)
        for name in {*FIGURES, *figures}:
            known = name if name in (*FIGURES, "to_default") else "figures"
            _check_estimates(shown.object(known), ("tune", "test", "gap"))
    return result


def _check_choice(found: JsonObject) -> None:
    """Check the fields that a choice and a result have in common; raise `UserError`."""
    target, chosen = found.object("target"), found.object("chosen")
    for key in ("kind", "text"):
        target.get(key, str)
    run, names = chosen.get("run", str), chosen.get("set", dict[str, str])
    runs = []
    for tried in found.objects("tried"):
        runs.append(tried.get("run", str))
        if tried.get("set", dict[str, str]).keys() != names.keys():
            raise found.error("set", dict, tried.fields)
        for key in ("accuracy", "cost", "reduction", "clock"):
            tried.get(key, float)
        for key in ("tied", "admissible"):
            tried.get(key, bool)
        _check_estimates(tried, ("to_baseline",))
    if run not in runs:
        raise found.error("chosen", dict, found.fields)


def _check_estimates(found: JsonObject, names: Iterable[str]) -> None:
    for name in names:
        estimate = found.object(name)
        estimate.get("value", float)
        for key in ("low", "high", "detectable"):
            estimate.optional(key, float)


def start(folder: Path, identity: Mapping[str, Any], resume: bool) -> bool:
    """Make a tuning's folder, or check that it is one of the same; return True if it is new.

    Another target is accepted as long as no choice has been made.

    Raises
    ------
    UserError
        The folder holds something else, another tuning, or one that is finished.
    """
    if not is_tuning(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder}: already exists; give another -o or remove it")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / TUNING, identity)
        return True
    if (folder / RESULT).exists():
        raise UserError(f"{folder}: already complete; see it with: deepprune-sim report {folder}")
    if not resume:
        raise UserError(f"{folder}: an interrupted tuning; add --resume to continue, or remove it")
    differing = differences(folder / TUNING, identity)
    if differing is None:
        raise UserError(f"{folder / TUNING}: cannot be read; start anew with another -o")
    if differing == ["target"] and not (folder / CHOICE).exists():
        write_json(folder / TUNING, identity)
        return False
    if differing:
        raise UserError(
            f"{folder}: an interrupted tuning with another {' and '.join(differing)}; give the "
            "same arguments to resume it, or another -o"
        )
    return False


def find_unfinished(runs: Path, identity: Mapping[str, Any]) -> Path | None:
    """Find the newest interrupted tuning of this identity in `runs`."""
    for file in sorted(runs.glob(f"*/{TUNING}"), reverse=True):
        folder = file.parent
        if not (folder / RESULT).exists() and differences(file, identity) == []:
            return folder
    return None


def write_choice(folder: Path, choice: Mapping[str, Any]) -> None:
    """Write the choice, with the hashes of the tuning and of the answers that it is made from.

    Raises
    ------
    UserError
        Something has been tested already.
    """
    for name in (TEST, DEFAULT_TEST, BASELINE_TEST):
        for there in (folder / name, folder / f"{name}.partial"):
            if there.exists():
                raise UserError(
                    f"{there}: tested before a choice was written, which tells nothing; start "
                    "anew with another -o"
                )
    about = {"format": FORMAT, "tuning": sha256(folder / TUNING)}
    text = json.dumps(about | dict(choice), indent=2, ensure_ascii=False) + "\n"
    replace_file(folder / CHOICE, text.encode("utf-8", "replace"))


def read_choice(folder: Path) -> dict[str, Any] | None:
    """Read the choice; None if none has been made.

    Raises
    ------
    UserError
        It is damaged, or the runs that it was made from have changed.
    """
    try:
        found = read_versioned(folder / CHOICE, "a choice", FORMAT, "start anew with another -o")
    except FileNotFoundError:
        return None
    if found.get("tuning", str) != sha256(folder / TUNING):
        raise UserError(f"{folder / CHOICE}: the choice of another tuning; start anew")
    for run, digest in found.get("answers", dict[str, str]).items():
        if sha256(folder / run / ANSWERS_FILE) != digest:
            raise UserError(
                f"{folder / run}: not the run that the choice was made from; start anew with "
                "another -o"
            )
    _check_choice(found)
    return dict(found.fields)


def check_tested(folder: Path, name: str) -> None:
    """Check that the test run in `folder` was made for its choice; raise `UserError` otherwise."""
    run = read_versioned(folder / name / RUN_FILE, "the description of a run", RUN, "tune again")
    if run.fields.get("tuning") != {"choice": sha256(folder / CHOICE)}:
        raise UserError(f"{folder / name}: not made for this choice; start anew with another -o")


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file; empty if it cannot be read."""
    try:
        return file_sha256(file)
    except OSError:
        return ""
