"""The run format, and the making of runs.

A run is made in a folder `<name>.partial`, which is renamed when it is complete. So a reader never
sees an unfinished run, and an interrupted run can be resumed (`simulator.runs.parts`). The columns
of its Parquet files are in `simulator.replay.recording`.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from simulator.errors import TimedOut, UserError
from simulator.pools.summary import unanswered_share
from simulator.runs.format import IDENTITY_FILE, RUN_FILE, SUMMARY_FILE, WORK, summary
from simulator.runs.parts import Unfinished
from simulator.runs.spec import RunSpec
from simulator.runs.summary import Totals, summarise
from simulator.runs.units import Progress, make_parts
from simulator.storage import (
    clear_leftovers,
    disk_error,
    locked,
    make_folders,
    parse_json,
    read_plain_text,
    remove_empty,
    temporary_beside,
)
from simulator.workers.executor import WorkerDied, Workers
from simulator.workers.opening import as_workers

OPTIONAL = ("order", "problems")
"""Fields that identify a run which has them."""

REMOVALS = 10
"""Maximum number of attempts to remove a folder: a worker has two units at most."""


def make_run(
    spec: RunSpec,
    folder: Path,
    *,
    jobs: int | Workers = 1,
    resume: bool = False,
    progress: Progress = lambda done, total: None,
    command: Sequence[str] = (),
    about: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Replay a policy on pools and write a run to `folder`.

    Parameters
    ----------
    spec
        The run to make.
    folder
        The run's folder, which must not exist or must be empty.
    jobs
        Number of processes, or workers that are open.
    resume
        Continue an interrupted run in this folder.
    progress, command, about
        Progress callback; command line, and further fields, stored in `run.json`.

    Returns
    -------
    The summary, as in `summary.json`.

    Raises
    ------
    UserError
        The folder exists or has parts of another run; the policy fails; the disk is full. A folder
        made by this call is removed, a resumed one is kept.
    KeyboardInterrupt, TimedOut
        Interrupted, or a replay took too long; finished parts are kept.
    """
    began = time.time()
    with (
        as_workers(jobs, WORK) as workers,
        making(folder, spec.identity, resume) as resumed,
    ):
        run = Unfinished(spec, partial_folder(folder))
        (totals,) = make_parts([run], workers, progress)
        made = provenance(began, command, workers.jobs, resumed) | dict(about)
        return finish_run(spec, folder, totals, made)


def _refuse_taken(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: already exists; give another -o or remove it")


@contextmanager
def making(folder: Path, identity: Mapping[str, Any], resume: bool) -> Iterator[bool]:
    """Lock `<folder>.partial` while a run or sweep is made there; yield True if it existed.

    An existing folder must have the same `identity`. Raises the errors of `make_run`. After an
    error, a folder made by this call is removed.
    """
    _refuse_taken(folder)
    partial = partial_folder(folder)
    made: list[Path] = []
    is_new = False
    with ExitStack() as held:
        try:
            made = make_folders(partial.parent)
            if held.enter_context(locked(partial, _being_made(partial))):
                clear_leftovers(partial)
            _refuse_taken(folder)  # another process may have made it since
            is_new = not open_folder(partial, identity)
            if not is_new and not resume:
                raise UserError(
                    f"{partial}: an interrupted run; add --resume to continue, or remove it"
                )
            if not is_new:
                _check_same(partial, identity)
            yield not is_new
        except WorkerDied as error:
            raise UserError(
                f"{partial}: {error}; continue with fewer jobs: -j 1 --resume"
            ) from None
        except (UserError, OSError) as error:
            if isinstance(error, TimedOut):  # finished parts are kept
                raise
            if is_new:
                _remove(partial)
            held.close()
            remove_empty(made)
            if isinstance(error, OSError):
                raise disk_error(error, folder) from error
            raise


def _remove(partial: Path) -> None:
    """Remove a folder, in which workers may be storing the last of their parts."""
    for _ in range(REMOVALS):
        shutil.rmtree(partial, ignore_errors=True)
        if not partial.exists():
            return


def finish_run(
    spec: RunSpec, folder: Path, totals: Mapping[int, Totals], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the summary of a merged run and rename its folder; return the summary.

    `totals` are those of each pool by number. `run.json` also lists how often each kind of stop
    rule halted a trace of each pool, and the share of each pool's traces that have no answer.
    """
    partial = partial_folder(folder)
    pools = [
        summarise(
            pool,
            budget,
            totals[index],
            spec.serving.clock_unit,
            spec.judge.ratio[index] if spec.judge else 0.0,
        )
        | ({"problems_in_pool": len(pool.problems)} if spec.problems else {})
        for index, (pool, budget) in enumerate(zip(spec.pools, spec.budgets, strict=True))
    ]
    name, parameters = spec.loaded.name, spec.loaded.parameters
    made = summary(name, parameters, spec.unranked, spec.seed, spec.repeats, pools)
    write_json(partial / SUMMARY_FILE, made)
    rules = [
        {"pool": pool.name, "rule": rule, "halts": halts}
        for index, pool in enumerate(spec.pools)
        for rule, halts in sorted(totals[index].rule_halts.items())
    ]
    silent = {pool.name: unanswered_share(pool) for pool in spec.pools if not pool.info.unfinished}
    write_json(
        partial / RUN_FILE,
        {**spec.identity, "stop_rules": rules, "no_answer": silent, **provenance},
    )
    shutil.rmtree(partial / "parts")
    name_folder(folder)
    return made


def name_folder(folder: Path) -> None:
    """Rename `<folder>.partial` to `folder`."""
    if folder.exists():
        folder.rmdir()
    partial_folder(folder).rename(folder)
    (folder / IDENTITY_FILE).unlink()  # last, so that it can be resumed until here


def provenance(began: float, command: Sequence[str], jobs: int, resumed: bool) -> dict[str, Any]:
    """Return the fields of `run.json` that do not identify a run; `began` is a `time.time()`."""
    return {
        "versions": installed_versions(),
        "command": list(command),
        "started_at": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(time.time() - began, 3),
        "jobs": jobs,
        "resumed": resumed,
    }


def open_folder(partial: Path, identity: Mapping[str, Any]) -> bool:
    """Make a run's folder if it does not exist; return True if it existed.

    Raises
    ------
    UserError
        The folder is not that of a run.
    """
    if partial.exists():
        if not (partial / IDENTITY_FILE).is_file():
            raise UserError(f"{partial}: not an interrupted run; remove it and start anew")
        return True
    fresh = temporary_beside(partial)
    try:
        fresh.mkdir()
        write_json(fresh / IDENTITY_FILE, identity)
        fresh.rename(partial)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return False


def _being_made(partial: Path) -> Callable[[str], UserError]:
    def taken(holder: str) -> UserError:
        return UserError(
            f"{partial}: another process{holder} is making this run; wait for it, or give another "
            "-o"
        )

    return taken


def partial_folder(folder: Path) -> Path:
    """Return the folder in which the run is made before it is renamed to `folder`."""
    return folder.with_name(folder.name + ".partial")


def find_partial(runs: Path, spec: RunSpec) -> Path | None:
    """Find the newest interrupted run of `spec` in `runs`; return its final folder or None."""
    for partial in sorted(runs.glob("*.partial"), reverse=True):
        if differences(partial / IDENTITY_FILE, spec.identity) == []:
            return partial.with_name(partial.name.removesuffix(".partial"))
    return None


def new_folder(runs: Path, name: str) -> Path:
    """Return an unused folder name `<time>-<policy>` for a new run."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    safe = "".join(c if c.isalnum() or c in "@._-" else "-" for c in name)
    for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
        folder = runs / f"{stamp}-{safe}{suffix}"
        if not folder.exists() and not partial_folder(folder).exists():
            return folder
    raise UserError(f"{runs}: too many runs in this second; give a folder with -o")


def _check_same(partial: Path, identity: Mapping[str, Any]) -> None:
    """Check that the folder has the same run or sweep; raise `UserError` otherwise."""
    kind, swept = ("sweep", identity["sweep"]) if "sweep" in identity else ("run", [])
    differing = differences(partial / IDENTITY_FILE, identity)
    if differing is None or "sweep" in differing:
        what = f"{kind} of {' and '.join(swept)}" if swept else kind
        raise UserError(f"{partial}: not an interrupted {what}; remove it, or give another -o")
    if differing:
        raise UserError(
            f"{partial}: an interrupted {kind} with another {' and '.join(differing)}; give the "
            "same arguments to resume it, or remove it"
        )


def differences(file: Path, identity: Mapping[str, Any]) -> list[str] | None:
    """List the keys of `identity` that differ in a JSON file; None if the file is damaged."""
    try:
        before = parse_json(read_plain_text(file))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(before, dict):
        return None
    now = json.loads(_json(identity))
    there = [key for key in OPTIONAL if key in before and key not in now]
    return [key for key in now if json.dumps(before.get(key)) != json.dumps(now[key])] + there


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(_json(value) + "\n", encoding="utf-8")


def _json(value: Mapping[str, Any]) -> str:
    """Format as JSON in valid UTF-8, because file names may have bytes that are not."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that figures depend on."""
    packages = ("deepprune-sim", "numpy", "pyarrow", "scipy", "math-verify")
    return {"python": sys.version.split()[0]} | {name: version(name) for name in packages}
