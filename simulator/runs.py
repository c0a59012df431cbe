"""The run format, and making a run: replays in one or several processes, kept problem by problem.

A run is made in a folder `<name>.partial`, one pair of part files a problem and block of repeats,
and gets its name when it is complete: no reader ever sees half a run, and a run that was cut off is
taken up where it stopped. The parts are merged in a fixed order, so that the result does not depend
on how many processes made them or how often they were interrupted.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from multiprocessing import active_children, get_context, parent_process, resource_tracker
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from simulator.errors import UserError
from simulator.loading import LoadedPolicy, load_policy
from simulator.pool import Pool
from simulator.recording import ANSWERS, DECISIONS
from simulator.replay import ORDERS_AT_ONCE, replay
from simulator.serving import Serving
from simulator.storage import disk_error, make_folders, parquet_writer, remove_empty
from simulator.summary import Totals, summarise

FORMAT = 1
"""Version of the run format."""

ROWS_PER_PART = 65_536
"""About how many decisions a part holds: what bounds memory, whatever the number of repeats."""

DEFAULT_BUDGET = 512

IDENTITY = "identity.json"
"""What a run in the making is, and what its maker holds a lock on."""

Progress = Callable[[int, int], None]
"""Called with replays done and replays in all."""


@dataclass(frozen=True)
class RunSpec:
    """Everything that determines a run.

    `budget` is what the user asked for, None for the policy's own; `budgets` what that comes to on
    each pool.
    """

    loaded: LoadedPolicy
    pools: Sequence[Pool]
    budget: int | None
    repeats: int
    seed: int
    serving: Serving

    @cached_property
    def budgets(self) -> list[int]:
        """How many traces may be started on a problem of each pool.

        Raises
        ------
        UserError
            More were asked for than a problem of the pool has.
        """
        asked = self.loaded.budget if self.budget is None else self.budget
        if self.budget is not None and self.loaded.budget not in (None, self.budget):
            raise UserError(
                f"-n {self.budget}: the name {self.loaded.name} sets the budget already; "
                "change one of them"
            )
        default = self.loaded.policy.budget or DEFAULT_BUDGET
        budgets = []
        for pool in self.pools:
            if asked is not None and asked > pool.min_traces:
                raise UserError(
                    f"pool {pool.name} has a problem with only {pool.min_traces} traces, fewer "
                    f"than the budget of {asked}; give -n {pool.min_traces} or less"
                )
            budgets.append(min(default, pool.min_traces) if asked is None else asked)
        return budgets

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs must agree on to be the same run; part of `run.json`."""
        loaded = self.loaded
        return {
            "format": FORMAT,
            "policy": {
                "name": loaded.name,
                "class": loaded.class_name,
                "file": Path(loaded.file).name,
                "source": loaded.source,
                "sha256": loaded.sha256,
                "parameters": dict(loaded.parameters),
                "settings": dict(loaded.settings),
                "unranked": loaded.policy.unranked,
                "builtin": loaded.builtin,
            },
            "seed": self.seed,
            "repeats": self.repeats,
            "budget": self.budget if self.budget is not None else loaded.budget,
            "serving": {
                "concurrency": self.serving.concurrency,
                "step_seconds": [list(point) for point in self.serving.step_seconds] or None,
                "clock_unit": self.serving.clock_unit,
            },
            "pools": [
                {
                    "name": pool.name,
                    "fingerprint": pool.info.fingerprint,
                    "synthetic": pool.info.synthetic,
                    "token_accuracy": pool.info.token_accuracy,
                    "budget": budget,
                }
                for pool, budget in zip(self.pools, self.budgets, strict=True)
            ],
        }


@dataclass(frozen=True)
class Task:
    """One part: a problem of a pool (by number) in a range of repeats."""

    pool: int
    problem: int
    repeats: range

    @property
    def name(self) -> str:
        """The part's file name without what it holds; names sort in the order of merging."""
        return f"{self.pool:03d}-{self.problem:06d}-{self.repeats.start:08d}"

    @property
    def size(self) -> int:
        """How many replays it is."""
        return len(self.repeats)


def make_run(
    spec: RunSpec,
    folder: Path,
    *,
    jobs: int = 1,
    resume: bool = False,
    progress: Progress = lambda done, total: None,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Replay a policy over pools and leave a run in `folder`.

    Parameters
    ----------
    spec
        What to replay.
    folder
        The run's folder, which must not exist (an empty one may).
    jobs
        How many processes replay.
    resume
        Whether to take up what an interrupted call for this folder has left.
    progress, command
        Told how far it is; recorded as how it was called.

    Returns
    -------
    The summary, as in `summary.json`.

    Raises
    ------
    UserError
        The folder is taken or holds parts of another run; the policy fails; the disk is full. A
        folder that this call began is removed, one that it resumed is left as it was.
    KeyboardInterrupt
        Finished parts are kept.
    """
    began = time.time()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: exists already; give another -o or remove it")
    partial = partial_folder(folder)
    identity = spec.identity
    made: list[Path] = []
    try:
        made = make_folders(partial.parent)
        resumed, hold = _hold(partial, identity)
    except (UserError, OSError) as error:
        remove_empty(made)
        if isinstance(error, OSError):
            raise disk_error(error, folder) from error
        raise
    with hold:
        if resumed and not resume:
            raise UserError(f"{partial}: an interrupted run; add --resume to go on, or remove it")
        if resumed:
            _check_same(partial, identity)
        try:
            (partial / "parts").mkdir(exist_ok=True)
            tasks = list(_tasks(spec))
            _replay_missing(spec, partial / "parts", tasks, jobs, progress)
            summary = _summary(spec, _merge(partial, tasks))
            _write_json(partial / "summary.json", summary)
            provenance = {
                "versions": _versions(),
                "command": list(command),
                "started_at": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
                "wall_seconds": round(time.time() - began, 3),
                "jobs": jobs,
                "resumed": resumed,
            }
            _write_json(partial / "run.json", identity | provenance)
            shutil.rmtree(partial / "parts")
            if folder.exists():
                folder.rmdir()
            partial.rename(folder)
            (folder / IDENTITY).unlink()  # last, so that until here the run can be resumed
        except BrokenProcessPool:
            raise UserError(
                f"{partial}: a worker process died (out of memory?); go on with fewer jobs: "
                "-j 1 --resume"
            ) from None
        except (UserError, OSError) as error:
            if not resumed:
                shutil.rmtree(partial, ignore_errors=True)
                remove_empty(made)
            if isinstance(error, OSError):
                raise disk_error(error, folder) from error
            raise
    return summary


def _summary(spec: RunSpec, totals: Mapping[int, Totals]) -> dict[str, Any]:
    """What `summary.json` holds."""
    return {
        "format": FORMAT,
        "policy": spec.loaded.name,
        "parameters": dict(spec.loaded.parameters),
        "unranked": spec.loaded.policy.unranked,
        "seed": spec.seed,
        "repeats": spec.repeats,
        "pools": [
            summarise(pool, budget, totals[index], spec.serving.clock_unit)
            for index, (pool, budget) in enumerate(zip(spec.pools, spec.budgets, strict=True))
        ],
    }


def _hold(partial: Path, identity: Mapping[str, Any]) -> tuple[bool, BinaryIO]:
    """Take hold of a run's folder, which is made unless it is there.

    Returns
    -------
    Whether it was there, and the file whose lock is the hold: it ends when the file is closed, and
    with this process, however that ends.

    Raises
    ------
    UserError
        Another process holds the folder, or it is no run's.
    """
    if not partial.exists():
        fresh = partial.with_name(f".{partial.name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            fresh.mkdir()
            _write_json(fresh / IDENTITY, identity)
            file = (fresh / IDENTITY).open("rb")
            _lock(file)
            fresh.rename(partial)
            return False, file
        except OSError:
            shutil.rmtree(fresh, ignore_errors=True)
            if not partial.exists():  # else another process was first
                raise
    try:
        file = (partial / IDENTITY).open("rb")
    except OSError:
        raise UserError(f"{partial}: not an interrupted run; remove it and start anew") from None
    if not _lock(file):
        file.close()
        raise UserError(
            f"{partial}: another process is making this run; wait for it, or give another -o"
        )
    return True, file


def _lock(file: BinaryIO) -> bool:
    """Lock a file against other processes; False where one of them has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def partial_folder(folder: Path) -> Path:
    """Where a run is made before it gets its name."""
    return folder.with_name(folder.name + ".partial")


def find_partial(runs: Path, spec: RunSpec) -> Path | None:
    """The final folder of the newest interrupted run of `spec` below `runs`; None without one."""
    for partial in sorted(runs.glob("*.partial"), reverse=True):
        try:
            _check_same(partial, spec.identity)
        except UserError:
            continue
        return partial.with_name(partial.name.removesuffix(".partial"))
    return None


def new_folder(runs: Path, name: str) -> Path:
    """A folder name for a new run, `<time>-<policy>`, that nothing has taken."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    safe = "".join(c if c.isalnum() or c in "@._-" else "-" for c in name)
    for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
        folder = runs / f"{stamp}-{safe}{suffix}"
        if not folder.exists() and not partial_folder(folder).exists():
            return folder
    raise UserError(f"{runs}: too many runs of this second; give a folder with -o")


def _tasks(spec: RunSpec) -> Iterator[Task]:
    for index, (pool, budget) in enumerate(zip(spec.pools, spec.budgets, strict=True)):
        block = ORDERS_AT_ONCE * max(1, ROWS_PER_PART // (ORDERS_AT_ONCE * budget))
        for problem in range(len(pool.problems)):
            for start in range(0, spec.repeats, block):
                yield Task(index, problem, range(start, min(start + block, spec.repeats)))


def _replay_missing(
    spec: RunSpec, parts: Path, tasks: Sequence[Task], jobs: int, progress: Progress
) -> None:
    """Make every part that is not there yet, or is damaged."""
    total = sum(task.size for task in tasks)
    missing = [task for task in tasks if not _is_complete(parts, task)]
    done = total - sum(task.size for task in missing)
    progress(done, total)
    with closing(_replayed(spec, parts, missing, jobs)) as sizes:
        for size in sizes:
            done += size
            progress(done, total)


def _is_complete(parts: Path, task: Task) -> bool:
    if not (parts / f"{task.name}.answers").exists():
        return False
    try:
        decisions = _read_part(parts / f"{task.name}.decisions")
        answers = _read_part(parts / f"{task.name}.answers")
    except (OSError, pa.ArrowException):  # cut off when the machine went down
        return False
    schemas = (decisions.schema, answers.schema) == (DECISIONS, ANSWERS)
    return schemas and len(answers) == task.size


def _replayed(
    spec: RunSpec, parts: Path, tasks: Sequence[Task], jobs: int
) -> Generator[int, None, None]:
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield _make_part(spec, parts, task)
        return
    given = (
        (spec.loaded.spec, spec.loaded.settings, spec.loaded.source),
        [pool.path for pool in spec.pools],
        (spec.budget, spec.repeats, spec.seed, spec.serving),
        parts,
        list(sys.path),
    )
    others = set(active_children())
    executor = ProcessPoolExecutor(
        min(jobs, len(tasks)),
        mp_context=get_context("spawn"),
        initializer=_start_worker,
        initargs=given,
    )
    try:
        with _interrupts_held():
            futures = [executor.submit(_work, task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    except BaseException:
        for worker in set(active_children()) - others:
            worker.kill()  # it may be in the middle of a policy that never returns
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while workers start: they stay deaf to it, and it reaches this process."""
    resource_tracker.ensure_running()  # which lets signals through once it has started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_in_worker: tuple[RunSpec, Path]


def _start_worker(
    policy: tuple[str, Mapping[str, str], str],
    pools: Sequence[Path],
    settings: tuple[int | None, int, int, Serving],
    parts: Path,
    path: list[str],
) -> None:
    global _in_worker
    threading.Thread(target=_die_with_parent, daemon=True).start()
    sys.path[:] = path
    sys.stdout = sys.stderr  # results alone go to standard output, not what a policy prints
    loaded = load_policy(policy[0], policy[1], policy[2])
    _in_worker = (RunSpec(loaded, [Pool(path) for path in pools], *settings), parts)


def _die_with_parent() -> None:
    """End this worker when the parent is gone, even by kill -9; a pool's worker would wait on."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(task: Task) -> int:
    spec, parts = _in_worker
    return _make_part(spec, parts, task)


def _make_part(spec: RunSpec, parts: Path, task: Task) -> int:
    done = replay(
        spec.loaded,
        spec.pools[task.pool].problems[task.problem],
        budget=spec.budgets[task.pool],
        repeats=task.repeats,
        seed=spec.seed,
        serving=spec.serving,
    )
    # The answers come last: a part with answers is complete.
    for kind, table in (("decisions", done.decisions), ("answers", done.answers)):
        temporary = parts / f"{task.name}.{kind}.tmp"
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
            file.write_table(table)
        temporary.rename(parts / f"{task.name}.{kind}")
    return task.size


def _merge(partial: Path, tasks: Iterable[Task]) -> dict[int, Totals]:
    """Put the parts together as the run's two Parquet files, one row group a part."""
    totals: dict[int, Totals] = {}
    with (
        parquet_writer(partial / "decisions.parquet", DECISIONS) as decisions,
        parquet_writer(partial / "answers.parquet", ANSWERS) as answers,
    ):
        for task in tasks:
            part = partial / "parts" / task.name
            rows = _read_part(part.with_name(f"{task.name}.decisions"))
            if len(rows):
                decisions.write_table(rows, row_group_size=len(rows))
            rows = _read_part(part.with_name(f"{task.name}.answers"))
            answers.write_table(rows, row_group_size=len(rows))
            totals.setdefault(task.pool, Totals()).add(rows)
    return totals


def _read_part(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
        return file.read_all()


def _check_same(partial: Path, identity: Mapping[str, Any]) -> None:
    """Refuse to resume another run: name what differs."""
    try:
        before = json.loads((partial / IDENTITY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{partial}: not an interrupted run; remove it and start anew") from None
    if not isinstance(before, dict):
        raise UserError(f"{partial}: not an interrupted run; remove it and start anew")
    now = json.loads(_json(identity))
    differing = [key for key in now if json.dumps(before.get(key)) != json.dumps(now[key])]
    if differing:
        raise UserError(
            f"{partial}: an interrupted run with another {' and '.join(differing)}; give the same "
            "arguments to resume it, or remove it"
        )


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(_json(value) + "\n", encoding="utf-8")


def _json(value: Mapping[str, Any]) -> str:
    """JSON that UTF-8 can hold: file names may have bytes that are no characters."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _versions() -> dict[str, str]:
    packages = ("deepprune-sim", "numpy", "pyarrow", "scipy", "math-verify")
    return {"python": sys.version.split()[0]} | {name: version(name) for name in packages}
