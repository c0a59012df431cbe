"""Sweeps: one policy with every combination of several parameters' values.

A sweep is a folder of ordinary runs, one a setting, and `sweep.json`, which is written last: a
folder without it is no whole sweep. The runs are made together, problem by problem
(`simulator.runs.parts`), and each has the same bytes as if it had been made by itself.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

from simulator.errors import UserError
from simulator.isolation import host
from simulator.loading import LoadedPolicy
from simulator.runs.making import (
    IDENTITY,
    differences,
    finish_run,
    hold_folder,
    making,
    name_folder,
    partial_folder,
    provenance,
    write_json,
)
from simulator.runs.parts import Making, Progress, replay_missing
from simulator.runs.spec import RunSpec

FORMAT = 1
"""Version of the sweep format."""

SWEEP = "sweep.json"
"""What a whole sweep holds beside its runs."""

MOST_RUNS = 1_000
"""The largest grid: beyond it, somebody has mistyped."""

LONGEST_NAME = 120
"""Characters of a run's folder name, beyond which it is cut and made unique by a hash."""


@dataclass(frozen=True)
class Setting:
    """One point of the grid: a policy, and the swept parameters as typed."""

    loaded: LoadedPolicy
    swept: Mapping[str, str]

    @property
    def folder(self) -> str:
        """The name of its run's folder, `tau=0.25,window=1024`; other characters as `%2F`."""
        name = ",".join(f"{name}={_escape(value)}" for name, value in self.swept.items())
        if name.endswith(".partial"):  # which runs in the making are called
            name = name.removesuffix(".partial") + "%2Epartial"
        if len(name.encode()) > LONGEST_NAME:
            digest = hashlib.sha256(name.encode()).hexdigest()[:12]
            name = name.encode()[:LONGEST_NAME].decode(errors="ignore") + f"~{digest}"
        return name


@dataclass(frozen=True)
class Sweep:
    """The runs of a grid in the order typed, the first parameter slowest."""

    settings: Sequence[Setting]
    specs: Sequence[RunSpec]

    @property
    def names(self) -> list[str]:
        """The parameters that are swept, as typed."""
        return list(self.settings[0].swept)

    @property
    def folders(self) -> list[str]:
        """The names of the runs' folders."""
        return [setting.folder for setting in self.settings]

    @property
    def identity(self) -> dict[str, Any]:
        """What two sweeps must agree on for one to go on with the other: all but the values.

        And but the judge, which may depend on them; it is compared run by run.
        """
        identity = self.specs[0].identity
        del identity["judge"]
        policy = identity.pop("policy")
        for key in ("parameters", "settings"):
            policy[key] = {k: v for k, v in policy[key].items() if k not in self.names}
        return {"format": FORMAT, "sweep": self.names, "policy": policy} | {
            key: value for key, value in identity.items() if key != "format"
        }


def parse_grid(typed: Sequence[str]) -> dict[str, list[str]]:
    r"""`-p name=value,value` options as values by name, in the order typed.

    A comma separates values; `\,` is a comma in a value.

    Raises
    ------
    UserError
        No `=`, a name given twice, or a list with an empty value.
    """
    grid: dict[str, list[str]] = {}
    for option in typed:
        name, equals, text = option.partition("=")
        if not equals or not name:
            raise UserError(f"-p {option}: give it as name=value")
        if name in grid:
            raise UserError(f"-p {name}: given twice; several values go into one, as {name}=1,2")
        values = [value.replace("\\,", ",") for value in re.split(r"(?<!\\),", text)]
        if len(values) > 1 and not all(values):
            raise UserError(
                f"-p {option}: a list with an empty value; a comma within a value is \\,"
            )
        if len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise UserError(f"-p {option}: {twice} is there twice; give each value once")
        grid[name] = values
    return grid


def load_settings(
    policy: str, grid: Mapping[str, Sequence[str]], *, in_process: bool = False
) -> list[Setting]:
    """Load a policy once for each point of a grid; one point where nothing is swept.

    A policy file is loaded into a process of its own unless it is to run `in_process`.

    Raises
    ------
    UserError
        What `host.load` raises at any point, a value given twice, or too many points.
    """
    swept = [name for name, values in grid.items() if len(values) > 1]
    size = math.prod(len(values) for values in grid.values())
    if size > MOST_RUNS:
        lists = " x ".join(str(len(grid[name])) for name in swept)
        raise UserError(f"a grid of {lists} = {size:,} runs; {MOST_RUNS:,} at most, so give fewer")
    settings: list[Setting] = []
    seen: dict[str, Setting] = {}
    source = None
    for values in product(*grid.values()):
        typed = dict(zip(grid, values, strict=True))
        loaded = host.load(policy, typed, source, in_process=in_process)
        source = None if loaded.builtin else loaded.source  # the file is read once
        setting = Setting(loaded, {name: typed[name] for name in swept})
        first = seen.setdefault(json.dumps(loaded.parameters), setting)
        if first is not setting:
            name = next(name for name in swept if first.swept[name] != typed[name])
            raise UserError(
                f"-p {name}={','.join(grid[name])}: {first.swept[name]} and {typed[name]} are "
                "the same; give each value once"
            )
        settings.append(setting)
    return settings


def make_sweep(
    sweep: Sweep,
    folder: Path,
    *,
    jobs: int = 1,
    resume: bool = False,
    progress: Progress = lambda done, total: None,
    command: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Replay every setting and leave a sweep in `folder`; parameters as in `runs.make_run`.

    With `resume`, runs that are finished stay, interrupted ones go on, and the others are made: so
    does what an interrupted sweep left, and so does a whole one when the grid has grown.

    Returns
    -------
    The summaries of the runs, in the order of the grid.

    Raises
    ------
    UserError
        What `make_run` raises; the folder holds runs of other settings.
    KeyboardInterrupt
        Finished parts are kept.
    """
    began = time.time()
    if (folder / SWEEP).is_file():
        if not resume:
            raise UserError(f"{folder}: a sweep already; add --resume to add settings to it")
        _reopen(sweep, folder)
    with making(folder, sweep.identity, resume, _check_same_sweep) as resumed:
        partial = partial_folder(folder)
        _check_no_others(sweep, partial)
        (partial / SWEEP).unlink(missing_ok=True)
        missing = []
        for name, spec in zip(sweep.folders, sweep.specs, strict=True):
            if (partial / name).exists():
                _check_same_run(partial / name / "run.json", spec)
                continue
            run = partial_folder(partial / name)
            hold_folder(run, spec.identity)[1].close()  # the whole sweep is held
            _check_same_run(run / IDENTITY, spec)
            (run / "parts").mkdir(exist_ok=True)
            missing.append((name, spec))
        each = sweep.specs[0].repeats * sum(len(p.problems) for p in sweep.specs[0].pools)
        ready = each * (len(sweep.specs) - len(missing))
        replay_missing(
            [Making(spec, partial_folder(partial / name) / "parts") for name, spec in missing],
            jobs,
            lambda done, total: progress(ready + done, ready + total),
        )
        together = {"sweep_runs": len(sweep.specs)}
        for name, spec in missing:
            finish_run(spec, partial / name, provenance(began, command, jobs, resumed) | together)
        write_json(partial / SWEEP, sweep.identity | {"runs": sweep.folders})
        name_folder(folder)
    return [
        json.loads((folder / name / "summary.json").read_text(encoding="utf-8"))
        for name in sweep.folders
    ]


def runs_of(folder: Path) -> list[Path] | None:
    """The runs of the whole sweep in `folder`, in the order of its grid; None if there is none.

    Raises
    ------
    UserError
        The sweep is unfinished, or its description damaged.
    """
    if folder.name.endswith(".partial") and differences(folder / IDENTITY, {"sweep": None}):
        raise UserError(
            f"{folder}: unfinished sweep; repeat its command with --resume to finish it"
        )
    names = _read_runs(folder)
    return None if names is None else [folder / name for name in names]


def find_partial_sweep(runs: Path, sweep: Sweep) -> Path | None:
    """The final folder of the newest interrupted sweep below `runs` that `sweep` can go on with."""
    for partial in sorted(runs.glob("*.partial"), reverse=True):
        if differences(partial / IDENTITY, sweep.identity) == []:
            with suppress(UserError):
                _check_no_others(sweep, partial)
                return partial.with_name(partial.name.removesuffix(".partial"))
    return None


def _read_runs(folder: Path) -> list[str] | None:
    """The names of a sweep's runs in a folder that holds `sweep.json`; None for other folders."""
    file = folder / SWEEP
    if not file.is_file():
        return None
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
        runs = described["runs"] if described["format"] <= FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        runs = None
    if not isinstance(runs, list) or not all(isinstance(run, str) for run in runs):
        raise UserError(f"{file}: not a sweep that this version can read; name its runs instead")
    return runs


def _reopen(sweep: Sweep, folder: Path) -> None:
    """Take up a whole sweep whose grid has grown."""
    differing = differences(folder / SWEEP, sweep.identity)
    if differing:
        raise UserError(
            f"{folder}: a sweep with another {' and '.join(differing)}; give another -o"
        )
    if set(sweep.folders) == set(_read_runs(folder) or ()):
        raise UserError(f"{folder}: complete already; see it with: deepprune-sim report {folder}")
    _check_no_others(sweep, folder)
    if partial_folder(folder).exists():
        raise UserError(f"{partial_folder(folder)}: is in the way; remove it")
    write_json(folder / IDENTITY, sweep.identity)
    folder.rename(partial_folder(folder))


def _check_same_sweep(partial: Path, identity: Mapping[str, Any]) -> None:
    differing = differences(partial / IDENTITY, identity)
    if differing is None or "sweep" in differing:
        raise UserError(
            f"{partial}: not an interrupted sweep of {' and '.join(identity['sweep'])}; remove it, "
            "or give another -o"
        )
    if differing:
        raise UserError(
            f"{partial}: an interrupted sweep with another {' and '.join(differing)}; give the "
            "same arguments to resume it, or remove it"
        )


def _check_no_others(sweep: Sweep, folder: Path) -> None:
    """Refuse a folder that holds runs of settings that the grid lacks."""
    wanted = {name for run in sweep.folders for name in (run, partial_folder(Path(run)).name)}
    runs = (path.parent for mark in ("run.json", IDENTITY) for path in folder.glob(f"*/{mark}"))
    others = sorted({path.name for path in runs} - wanted)
    if others:
        raise UserError(
            f"{folder}: also holds {others[0]}"
            + (f" and {len(others) - 1} more" if len(others) > 1 else "")
            + ", which the grid lacks; give every value that is there, or remove that folder"
        )


def _check_same_run(file: Path, spec: RunSpec) -> None:
    """Refuse a run that is not what its folder's name says."""
    differing = differences(file, spec.identity)
    if differing is None:
        raise UserError(f"{file}: cannot be read; remove the folder and resume again")
    if differing:
        raise UserError(
            f"{file.parent}: a run with another {' and '.join(differing)}; give the same arguments "
            "to resume the sweep, or remove that folder"
        )


def _escape(value: str) -> str:
    """A value as a part of a file's name."""
    return "".join(
        c if c.isalnum() or c in "._-+" else quote(c, safe="", errors="surrogatepass")
        for c in value
    )
