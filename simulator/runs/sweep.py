"""Sweeps: runs of one policy with every combination of several parameters' values and budgets.

A sweep is a folder with a run for each setting, and `sweep.json`, which is written last: a folder
without it is not a complete sweep. The runs are made together, problem by problem
(`simulator.runs.units`), and each has the same bytes as if it were made alone. Only its `run.json`
also says of how many settings it is one, as the best of many looks better than it is.
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
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from simulator.errors import UserError
from simulator.isolation import host
from simulator.loading import LoadedPolicy
from simulator.methods import expand_name, family_name
from simulator.runs.format import IDENTITY_FILE, RUN_FILE, SUMMARY_FILE, WORK
from simulator.runs.idle import idle_parameters
from simulator.runs.making import (
    differences,
    finish_run,
    making,
    name_folder,
    open_folder,
    partial_folder,
    provenance,
    write_json,
)
from simulator.runs.parts import Unfinished
from simulator.runs.space import Point
from simulator.runs.spec import RunSpec, asked_budget
from simulator.runs.units import Progress, make_parts
from simulator.storage import JsonObject, read_versioned
from simulator.workers.executor import Workers
from simulator.workers.opening import as_workers

FORMAT = 1
"""Version of the sweep format."""

SWEEP = "sweep.json"
"""Name of the file that lists the runs of a complete sweep."""

MOST_RUNS = 1_000
"""Maximum number of runs in a grid, to catch typing errors."""

LONGEST_NAME = 120
"""Maximum length of a run's folder name; longer ones are truncated and get a hash."""


BUDGET = "budget"
"""Name of the budget among swept parameters; no parameter of a policy can have it."""


@dataclass(frozen=True)
class Setting:
    """One point of the grid: a policy, and what is swept, as typed.

    `budget` is the value of `-n`, None without.
    """

    loaded: LoadedPolicy
    swept: Mapping[str, str]
    budget: int | None = None

    @property
    def folder(self) -> str:
        """Name of the run's folder, such as `tau=0.25,n=64`; other characters as `%2F`."""
        name = ",".join(
            f"{'n' if name == BUDGET else name}={_escape(value)}"
            for name, value in self.swept.items()
        )
        if name.endswith(".partial"):  # reserved for unfinished runs
            name = name.removesuffix(".partial") + "%2Epartial"
        if len(name.encode()) > LONGEST_NAME:
            digest = hashlib.sha256(name.encode()).hexdigest()[:12]
            name = name.encode()[:LONGEST_NAME].decode(errors="ignore") + f"~{digest}"
        return name


@dataclass(frozen=True)
class Sweep:
    """Runs of a grid in the order typed; the first parameter varies slowest, the budget fastest."""

    settings: Sequence[Setting]
    specs: Sequence[RunSpec]

    @property
    def names(self) -> list[str]:
        """Names of the swept parameters, as typed; `BUDGET` for that."""
        return list(self.settings[0].swept)

    @property
    def policy(self) -> str:
        """Name of the policy, with letters for numbers in it that are swept: `cons@N`."""
        swept = self.settings[0].swept
        name = self.settings[0].loaded.name
        if all(each.loaded.name == name for each in self.settings):
            return name
        return family_name(name, swept)

    @property
    def folders(self) -> list[str]:
        """Names of the runs' folders."""
        return [setting.folder for setting in self.settings]

    @property
    def identity(self) -> dict[str, Any]:
        """Fields that must be equal to resume a sweep: all but what is swept and the judge.

        The judge may depend on the values, so it is compared run by run.
        """
        identity = self.specs[0].identity
        del identity["judge"]
        policy = identity.pop("policy") | {"name": self.policy}
        if BUDGET in self.names:
            del identity["budget"]
            for pool in identity["pools"]:
                del pool["budget"]
        for key in ("parameters", "settings"):
            policy[key] = {k: v for k, v in policy[key].items() if k not in self.names}
        return {"format": FORMAT, "sweep": self.names, "policy": policy} | {
            key: value for key, value in identity.items() if key != "format"
        }


def parse_grid(typed: Sequence[str]) -> dict[str, list[str]]:
    r"""Parse `-p name=value,value` options to lists of values by name, in the order typed.

    A comma separates values; `\,` is a comma in a value.

    Raises
    ------
    UserError
        A missing `=`, a name given twice, or an empty value in a list.
    """
    grid: dict[str, list[str]] = {}
    for option in typed:
        name, equals, text = option.partition("=")
        if not equals or not name:
            raise UserError(f"-p {option}: give it as name=value")
        if name in grid:
            raise UserError(f"-p {name}: given twice; give several values at once, as {name}=1,2")
        values = [value.replace("\\,", ",") for value in re.split(r"(?<!\\),", text)]
        if len(values) > 1 and not all(values):
            raise UserError(
                f"-p {option}: a list with an empty value; write \\, for a comma in a value"
            )
        if len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise UserError(f"-p {option}: {twice} occurs twice; give each value once")
        grid[name] = values
    return grid


def load_settings(
    policy: str,
    grid: Mapping[str, Sequence[str]],
    source: str | None = None,
    *,
    budgets: Sequence[int] = (),
    in_process: bool = False,
    points: Sequence[Point] | None = None,
) -> list[Setting]:
    """Load a policy once for each point of a grid; a single point if nothing is swept.

    A policy file is loaded in a separate process, unless `in_process` is true. `source` is the
    file's text, if it has been read already. `budgets` are those of `-n`. Numbers in braces in a
    built-in name, as in `short-{2,3}@{16,32}`, are part of the grid. Of the grid, only `points` are
    loaded if given; those that are the same are then loaded once.

    Raises
    ------
    UserError
        As from `host.load`; also for a value given twice, or too many points.
    """
    names = expand_name(policy)
    for number, (name, _) in enumerate(names):
        if name in [each for each, _ in names[:number]]:
            raise UserError(f"{policy}: has {name} twice; give each number once")
    swept = [name for name, values in grid.items() if len(values) > 1]
    sizes = [*[len(names)] * (len(names) > 1), *(len(grid[name]) for name in swept)]
    sizes += [len(budgets)] * (len(budgets) > 1)
    count = math.prod(sizes) if points is None else len(points)
    if count > MOST_RUNS:
        lists = f"a grid of {' x '.join(map(str, sizes))} =" if points is None else "settings of"
        raise UserError(f"{lists} {count:,} runs; give at most {MOST_RUNS:,}")
    settings: list[Setting] = []
    seen: dict[str, Setting] = {}
    asked: Sequence[int | None] = budgets or [None]
    every = [
        Point(name, numbers, dict(zip(grid, values, strict=True)), budget)
        for (name, numbers), values, budget in product(names, product(*grid.values()), asked)
    ]
    for each in every if points is None else points:
        typed = {name: values[0] for name, values in grid.items()} | dict(each.typed)
        loaded = host.load(each.name, typed, source, in_process=in_process)
        source = None if loaded.builtin else loaded.source  # the file is read once
        point = {**each.numbers, **{name: typed[name] for name in swept}}
        if len(budgets) > 1:
            point[BUDGET] = str(each.budget)
        setting = Setting(loaded, point, each.budget)
        same_as = json.dumps([loaded.parameters, asked_budget(each.budget, loaded)])
        first = seen.setdefault(same_as, setting)
        if first is not setting and points is not None:
            continue
        if first is not setting:
            one = next(name for name in point if first.swept[name] != point[name])
            where = f"-p {one}={','.join(grid[one])}" if one in swept else policy
            raise UserError(
                f"{where}: {first.swept[one]} and {point[one]} are the same; give each value once"
            )
        settings.append(setting)
    return settings


def make_sweep(
    sweep: Sweep,
    folder: Path,
    *,
    jobs: int | Workers = 1,
    resume: bool = False,
    progress: Progress = lambda done, total: None,
    command: Sequence[str] = (),
    about: Mapping[str, Any] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Replay every setting and write a sweep to `folder`; parameters as in `runs.make_run`.

    With `resume`, finished runs are kept, interrupted ones are continued, and missing ones are
    made. This works for an interrupted sweep, and for a complete one if the grid has more values;
    all its runs then name the larger number of settings.

    Returns
    -------
    The summaries of the runs, in the order of the grid.

    Raises
    ------
    UserError
        As from `make_run`; also if the folder has runs of other settings.
    KeyboardInterrupt
        Finished parts are kept.
    """
    began = time.time()
    if (folder / SWEEP).is_file():
        if not resume:
            raise UserError(f"{folder}: already a sweep; add --resume to add settings to it")
        _reopen(sweep, folder)
    with as_workers(jobs, WORK) as workers, making(folder, sweep.identity, resume) as resumed:
        partial = partial_folder(folder)
        _check_no_others(sweep, partial)
        (partial / SWEEP).unlink(missing_ok=True)
        missing = []
        for name, spec in zip(sweep.folders, sweep.specs, strict=True):
            if (partial / name).exists():
                _check_same_run(partial / name / RUN_FILE, spec)
                continue
            run = partial_folder(partial / name)
            open_folder(run, spec.identity)  # the whole sweep is locked
            _check_same_run(run / IDENTITY_FILE, spec)
            missing.append((name, spec))
        ready = sweep.specs[0].replays * (len(sweep.specs) - len(missing))
        totals = make_parts(
            [Unfinished(spec, partial_folder(partial / name)) for name, spec in missing],
            workers,
            lambda done, total: progress(ready + done, ready + total),
        )
        tried = {"sweep": {"settings": len(sweep.specs)}}
        for (name, spec), sums in zip(missing, totals, strict=True):
            made = provenance(began, command, workers.jobs, resumed) | dict(about) | tried
            finish_run(spec, partial / name, sums, made)
        for name in sweep.folders:  # those made before may name a smaller grid
            record = json.loads((partial / name / RUN_FILE).read_text(encoding="utf-8"))
            if record.get("sweep") != tried["sweep"]:
                write_json(partial / name / RUN_FILE, record | tried)
        swept = {
            partial / name: setting.swept
            for name, setting in zip(sweep.folders, sweep.settings, strict=True)
        }
        about_runs = {"runs": sweep.folders, "changed_nothing": idle_parameters(swept)}
        write_json(partial / SWEEP, sweep.identity | about_runs)
        name_folder(folder)
    return [
        json.loads((folder / name / SUMMARY_FILE).read_text(encoding="utf-8"))
        for name in sweep.folders
    ]


def runs_of(folder: Path) -> list[Path] | None:
    """List the runs of the complete sweep in `folder`, in grid order; None if it is not a sweep.

    Raises
    ------
    UserError
        The sweep is unfinished, or its description is damaged.
    """
    identity = folder / IDENTITY_FILE
    if folder.name.endswith(".partial") and "sweep" in (differences(identity, {"sweep": 0}) or ()):
        raise UserError(
            f"{folder}: unfinished sweep; repeat its command with --resume to complete it"
        )
    names = _read_runs(folder)
    return None if names is None else [folder / name for name in names]


def changed_nothing(folder: Path) -> list[str]:
    """Return the swept parameters, the budget as `N`, that changed nothing in a complete sweep.

    Empty for a sweep of an older version, which does not tell.
    """
    found = _described(folder).optional("changed_nothing", list[str])
    return [shown_parameter(name) for name in found or ()]


def shown_parameter(name: str) -> str:
    """Return the name of a swept parameter as tables have it: `N` for the budget."""
    return "N" if name == BUDGET else name


def find_partial_sweep(runs: Path, sweep: Sweep) -> Path | None:
    """Find the newest interrupted sweep in `runs` that `sweep` can resume; return its final folder.

    Returns None if there is none.
    """
    for partial in sorted(runs.glob("*.partial"), reverse=True):
        if differences(partial / IDENTITY_FILE, sweep.identity) == []:
            with suppress(UserError):
                _check_no_others(sweep, partial)
                return partial.with_name(partial.name.removesuffix(".partial"))
    return None


def _read_runs(folder: Path) -> list[str] | None:
    """Read the names of a sweep's runs from `sweep.json`; None for other folders."""
    try:
        return _described(folder).get("runs", list[str])
    except FileNotFoundError:
        return None


def _described(folder: Path) -> JsonObject:
    """Read `sweep.json`; raises the errors of `read_versioned`."""
    what = (folder / SWEEP, "a sweep", FORMAT, "give its runs instead")
    return read_versioned(*what, kind="sweep format")


def _reopen(sweep: Sweep, folder: Path) -> None:
    """Reopen a complete sweep to add settings."""
    differing = differences(folder / SWEEP, sweep.identity)
    if differing:
        raise UserError(
            f"{folder}: a sweep with another {' and '.join(differing)}; give another -o"
        )
    if set(sweep.folders) == set(_read_runs(folder) or ()):
        raise UserError(f"{folder}: already complete; see it with: deepprune-sim report {folder}")
    _check_no_others(sweep, folder)
    if partial_folder(folder).exists():
        raise UserError(f"{partial_folder(folder)}: already exists; remove it")
    write_json(folder / IDENTITY_FILE, sweep.identity)
    folder.rename(partial_folder(folder))


def _check_no_others(sweep: Sweep, folder: Path) -> None:
    """Check that the folder has no runs of settings outside the grid; raise `UserError` if so."""
    wanted = {name for run in sweep.folders for name in (run, partial_folder(Path(run)).name)}
    runs = (path.parent for mark in (RUN_FILE, IDENTITY_FILE) for path in folder.glob(f"*/{mark}"))
    others = sorted({path.name for path in runs} - wanted)
    if others:
        raise UserError(
            f"{folder}: also has {others[0]}"
            + (f" and {len(others) - 1} more" if len(others) > 1 else "")
            + ", not in the grid; include every value that is there, or remove that folder"
        )


def _check_same_run(file: Path, spec: RunSpec) -> None:
    """Check that a run has the setting of its folder's name; raise `UserError` otherwise."""
    differing = differences(file, spec.identity)
    if differing is None:
        raise UserError(f"{file}: cannot be read; remove the folder and resume again")
    if differing:
        raise UserError(
            f"{file.parent}: a run with another {' and '.join(differing)}; give the same arguments "
            "to resume the sweep, or remove that folder"
        )


def _escape(value: str) -> str:
    """Escape a value for use in a file name."""
    return "".join(
        c if c.isalnum() or c in "._-+" else quote(c, safe="", errors="surrogatepass")
        for c in value
    )
