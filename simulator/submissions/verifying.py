"""Verifying submissions: the three steps, each submission in a process of its own.

A file that was made to crash a reader, to fill the memory or never to end takes only that process
with it, and the other submissions are verified all the same.
"""

from __future__ import annotations

import os
import resource
import secrets
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.resource_tracker import ensure_running
from pathlib import Path
from threading import Event
from typing import Any

from simulator.cache import pool_name
from simulator.errors import UserError
from simulator.pool import Pool, iter_pool_folders
from simulator.sandbox import die_with
from simulator.submissions.files import VERIFICATION, Files, read_files
from simulator.submissions.recompute import UNPROVEN, Recomputed, figures_of, recompute
from simulator.submissions.recorded import RecordedRun
from simulator.submissions.rerun import JudgeOf, RerunOptions, rerun
from simulator.submissions.verification import Step, Verification, decide_badge
from simulator.submissions.wellformed import Submission, check_form

MAX_MEMORY = 16 * 2**30
"""The most address space that verifying one submission may take, in bytes."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Options:
    """How submissions are verified.

    Parameters
    ----------
    cache
        The folder of pools.
    run_again
        Whether policies are run again.
    repeats
        How many repeats of them; None for all.
    seed
        The other seed that is tried; None to draw one that nobody can have known.
    timeout
        Seconds after which a submission is given up.
    judge_of
        Makes the judge that a run's record names, given the folder of pools; can be pickled.
    """

    cache: Path
    run_again: bool = True
    repeats: int | None = None
    seed: int | None = None
    timeout: float = 6 * 3600.0
    judge_of: Callable[[Path], JudgeOf] | None = None


def verify_all(
    paths: Sequence[Path],
    options: Options,
    jobs: int = 1,
    progress: Callable[[Path, str, float], None] = lambda path, what, done: None,
) -> Generator[Verification, None, None]:
    """Verify submissions, `jobs` at a time; what came of each, in the order of `paths`.

    Leaving the iteration, by Ctrl-C as well, ends what is still under way.
    """
    given_up = Event()

    def one(path: Path) -> Verification:
        return verify(path, options, lambda what, done: progress(path, what, done), given_up)

    if jobs == 1:
        yield from map(one, paths)
        return
    with ThreadPoolExecutor(jobs) as threads:  # each waits for a process
        waiting = [threads.submit(one, path) for path in paths]
        try:
            for each in waiting:
                yield each.result()
        finally:
            given_up.set()
            threads.shutdown(cancel_futures=True)


def verify(
    path: Path,
    options: Options,
    progress: Progress = lambda what, done: None,
    given_up: Event | None = None,
) -> Verification:
    """Verify a submission, a folder or a bundle, in a process of its own.

    Nothing that it holds raises: what is wrong is in the result. Where `given_up` is set meanwhile,
    by another thread, the process is ended.
    """
    began = time.time()
    ours, theirs = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(
        target=_work, args=(theirs, os.getpid(), path, options, list(sys.path))
    )
    with ours:
        with _deaf_to_ctrl_c():
            process.start()
        theirs.close()
        try:
            result = _wait(ours, began + options.timeout, progress, given_up or Event())
            if isinstance(result, str):
                process.kill() if result else process.join(5)
                process.join()
                result = result or _how_it_ended(process.exitcode)
        finally:
            process.kill()
            process.join()
    if isinstance(result, str):
        name = path.resolve().name.removesuffix(".zip")
        result = Verification(name, None, [Step("well-formed", "failed", [result])], {})
    packages = ("deepprune-sim", "numpy", "pyarrow")
    versions = {"python": sys.version.split()[0]} | {each: version(each) for each in packages}
    return replace(
        result,
        verified_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - began, 1),
        versions=versions,
    )


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started here do not hear it, and print no traceback: this one ends them."""
    if sys.platform == "win32":
        yield
        return
    ensure_running()  # what it starts would hear Ctrl-C again, with all that is started after it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(
    ours: Connection, until: float, progress: Progress, given_up: Event
) -> Verification | str:
    """What the process found; else a line that says why not, empty if it has ended."""
    try:
        while (left := until - time.time()) > 0 and not given_up.is_set():
            if ours.poll(min(left, 0.5)):
                kind, *fields = ours.recv()
                if kind == "done":
                    verification: Verification = fields[0]
                    return verification
                progress(*fields)
    except EOFError:
        return ""
    return "verifying it took too long and was given up"


def _how_it_ended(code: int | None) -> str:
    """What became of a process that ended without a result."""
    if code is not None and code < 0:
        return f"a file of it crashes the reader (signal {-code})"
    return (
        f"verifying it ended without a result (exit status {code}); this is a fault of the program"
    )


def _work(
    connection: Connection, parent: int, path: Path, options: Options, search: list[str]
) -> None:
    """What the process does: verify, tell how far it is, and hand over what it found."""
    die_with(parent)
    sys.path[:] = search
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or soft > MAX_MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, hard))
    last = 0.0

    def progress(what: str, done: float) -> None:
        nonlocal last
        if time.monotonic() - last > 0.1:
            last = time.monotonic()
            connection.send(("progress", what, done))

    with redirect_stdout(sys.stderr):
        connection.send(("done", verify_here(path, options, progress)))


def verify_here(path: Path, options: Options, progress: Progress) -> Verification:
    """Verify a submission in this process."""
    files = read_files(path)
    steps: list[Step] = []
    try:
        submission, findings = check_form(files)
    except MemoryError:
        submission, findings = None, ["reading it takes more memory than a submission may"]
    notes = (
        [f"came with a {VERIFICATION}, of which nothing was believed"]
        if VERIFICATION in files.content
        else []
    )
    if submission is None:
        steps = [Step("well-formed", "failed", findings, notes)]
        steps += [_skipped(step, "the submission is not well-formed") for step in _LATER]
        return Verification(files.name, None, steps, files.sha256)
    steps = [Step("well-formed", "passed", (), notes)]
    return _verify_figures(submission, files, steps, path, options, progress)


_LATER = ("recomputed", "rerun")


def _skipped(step: str, why: str) -> Step:
    return Step(step, "skipped", [why])


def _verify_figures(
    submission: Submission,
    files: Files,
    steps: list[Step],
    path: Path,
    options: Options,
    progress: Progress,
) -> Verification:
    """The second and the third step of a submission that is well-formed."""
    run = submission.run
    figures: Sequence[dict[str, Any]] = ()
    other_seed: Sequence[dict[str, Any]] = ()
    layers: Sequence[str] = ()
    try:
        pools = find_recorded_pools(run, options.cache)
    except UserError as error:
        steps += [_skipped(step, str(error)) for step in _LATER]
    else:
        found = _recomputed(submission, pools, progress)
        if isinstance(found, str):
            steps.append(Step("recomputed", "failed", [found]))
            steps.append(_skipped("rerun", "the figures do not follow from the decisions"))
        else:
            figures = [figures_of(entry) for entry in found.summary["pools"]]
            steps.append(Step("recomputed", "passed"))
            if options.run_again:
                again = rerun(submission, pools, found, path, _rerun_options(options), progress)
                other_seed, layers = again.other_seed, again.layers
                steps.append(
                    Step("rerun", "failed", again.findings, again.notes)
                    if again.findings
                    else Step("rerun", "skipped", again.uncounted, again.notes)
                    if again.uncounted
                    else Step("rerun", "passed", (), again.notes)
                )
            else:
                steps.append(_skipped("rerun", "was not asked for"))
    if steps[-1].status != "passed" and steps[1].status == "passed":
        steps[1] = replace(steps[1], notes=[f"left to rerun: {UNPROVEN}"])
    badge = decide_badge(
        steps, synthetic=run.synthetic, withdrawn=submission.metadata.withdrawn is not None
    )
    return Verification(submission.name, badge, steps, files.sha256, figures, other_seed, layers)


def _recomputed(
    submission: Submission, pools: Sequence[Pool], progress: Progress
) -> Recomputed | str:
    try:
        found = recompute(submission, pools, progress)
    except MemoryError:
        return "recomputing it takes more memory than a submission may"
    return found.difference or found


def _rerun_options(options: Options) -> RerunOptions:
    seed = secrets.randbelow(2**53) if options.seed is None else options.seed
    judge_of = None if options.judge_of is None else options.judge_of(options.cache)
    return RerunOptions(seed, options.repeats, judge_of)


def find_recorded_pools(run: RecordedRun, cache: Path) -> list[Pool]:
    """The pools of a run, in its order.

    Raises
    ------
    UserError
        One is not on this machine, or is not what was replayed.
    """
    folders = {pool_name(folder): folder for folder in iter_pool_folders(cache)}
    pools = []
    for recorded in run.pools:
        if recorded.name not in folders:
            raise UserError(
                f"pool {recorded.name} is not in {cache}; get it with deepprune-sim data pull, "
                "data sample or import, and verify again"
            )
        pool = Pool(folders[recorded.name])
        if pool.info.fingerprint != recorded.fingerprint:
            raise UserError(
                f"pool {recorded.name} here is another (fingerprint {pool.info.fingerprint[:12]}) "
                f"than the one replayed ({recorded.fingerprint[:12]})"
            )
        pool.problems  # noqa: B018  (reads, and refuses files that pool.json does not describe)
        pools.append(pool)
    return pools
