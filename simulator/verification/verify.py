"""Verifying submissions, each in a process of its own.

A malicious file that crashes the reader, fills the memory or never ends affects only its own
process; the other submissions are verified all the same. The modules that read and compute
(`simulator.verification.steps`) are imported only there, so that this process starts quickly.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event

from simulator.isolation.children import die_with, sigint_blocked
from simulator.submissions.badges import Step, Verification
from simulator.verification.options import MAX_MEMORY, Options, Progress
from simulator.workers.executor import Workers
from simulator.workers.processes import Threads


def verify_all(
    paths: Sequence[Path],
    options: Options,
    jobs: int | Workers = 1,
    progress: Callable[[Path, str, float], None] = lambda path, what, done: None,
) -> Generator[Verification, None, None]:
    """Verify submissions, `jobs` at a time; yield their results in the order of `paths`.

    Workers that are open may be given in place of a number; of their progress, only the share of
    submissions that are done is told.

    Leaving the iteration early, also by Ctrl-C, ends the processes that are still running.
    """
    given_up = Event()

    def one(path: Path) -> Verification:
        return verify(path, options, lambda what, done: progress(path, what, done), given_up)

    if isinstance(jobs, Workers):
        results = jobs.map(verify, paths, [options] * len(paths))
        for number, path in enumerate(paths):
            progress(path, "with the others", number / len(paths))
            yield next(results)
        return
    with Threads(jobs) as workers:
        try:
            yield from workers.map(one, paths)
        finally:
            given_up.set()


def verify(
    path: Path,
    options: Options,
    progress: Progress = lambda what, done: None,
    given_up: Event | None = None,
) -> Verification:
    """Verify a submission, a folder or a bundle, in a process of its own.

    No content of a submission raises: errors are in the result. If another thread sets `given_up`,
    the process is ended.
    """
    began = time.time()
    ours, theirs = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(
        target=_work, args=(theirs, os.getpid(), path, options, list(sys.path))
    )
    with ours:
        with sigint_blocked():
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


def _wait(
    ours: Connection, until: float, progress: Progress, given_up: Event
) -> Verification | str:
    """Wait for the process's result; or return an error line, empty if the process has ended."""
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
    """Describe how a process ended without a result."""
    if code is not None and code < 0:
        return f"a file of it crashes the reader (signal {-code})"
    return f"verifying it ended without a result (exit status {code}); this is a bug in the program"


def _work(
    connection: Connection, parent: int, path: Path, options: Options, search: list[str]
) -> None:
    """Verify a submission in the child process; send progress and the result to the parent."""
    die_with(parent)
    sys.path[:] = search
    with suppress(ImportError, ValueError, OSError):  # macOS and Windows have no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if soft == resource.RLIM_INFINITY or soft > MAX_MEMORY:
            resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, hard))
    last = 0.0

    def progress(what: str, done: float) -> None:
        nonlocal last
        if time.monotonic() - last > 0.1:
            last = time.monotonic()
            connection.send(("progress", what, done))

    from simulator.verification.steps import verify_here

    with redirect_stdout(sys.stderr):
        connection.send(("done", verify_here(path, options, progress)))
