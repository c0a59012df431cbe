"""The process that runs a policy file, started and ended by `simulator.isolation.process`.

It receives the policy's source, then one problem after another, and requests everything else
through its only connection. `simulator.isolation.sandbox` keeps it from the files of the machine.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from io import FileIO
from typing import TYPE_CHECKING, Any, NoReturn

from simulator.isolation.children import die_with
from simulator.isolation.limits import limit_this_process
from simulator.isolation.sandbox import (
    REMEDY,
    Readable,
    importable,
    installed,
    raise_oom_score,
    readable_to_python,
    restrict,
)
from simulator.isolation.seccomp import restrict_calls

if TYPE_CHECKING:
    from simulator.isolation.wire import Channel
    from simulator.loading import LoadedPolicy

_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""Variables that limit numpy to one thread.

One thread is enough for arrays of a few hundred traces, gives the same sums on every machine, and
makes importing numpy much faster, because it does not start a thread for each core.
"""


def main(
    pipes: tuple[int, int],
    parent: int,
    policy_file: str | None,
    memory: int | None,
    paths: tuple[Sequence[str], Sequence[str], Sequence[str]] | None,
    *,
    in_session: bool,
) -> NoReturn:
    """Serve requests until the other side closes the connection.

    Parameters
    ----------
    pipes
        File descriptors (Windows: handles) of the pipes to read from and to write to.
    parent
        Id of the host process; this process ends with it.
    policy_file
        A file that stays readable, in addition to the modules that Python imports.
    memory
        Address space in bytes, for an untrusted policy; it also gets the other limits. None for a
        trusted policy.
    paths
        The fields of `Readable`, for an untrusted policy; None for a trusted policy.
    in_session
        True if this process has a session of its own, and so no terminal.
    """
    die_with(parent)
    raise_oom_score()
    if memory is not None:
        assert paths is not None
        limit_this_process(memory)
        readable = Readable(*paths)
        sys.meta_path.insert(0, _Hiding(importable(readable)))
    else:
        file = policy_file and os.path.abspath(policy_file)  # noqa: PTH100
        readable = readable_to_python(sys.path, file)
    restricted_by = restrict(readable)  # before numpy starts threads, which it would not cover
    _ignore_terminal()
    also = ["seccomp"] if restrict_calls() else []
    if not also and not in_session:  # `process._inheriting`
        sys.exit("the filter of system calls cannot be set")
    also += ["rlimits"] if memory is not None else []
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    sys.argv = ["policy"]
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    sys.breakpointhook = _no_breakpoint
    sys.addaudithook(_refuse_processes)

    from simulator.isolation.wire import TO_POLICY, Channel

    channel = Channel(*_opened(pipes), TO_POLICY)
    channel.send("ready", restricted_by, list(readable.trees), also)
    with suppress(EOFError, OSError):  # the connection was closed
        _serve(channel, restricted_by)
    os._exit(0)


def _opened(pipes: tuple[int, int]) -> tuple[FileIO, FileIO]:
    reader, writer = pipes
    if sys.platform == "win32":
        import msvcrt

        reader = msvcrt.open_osfhandle(reader, os.O_RDONLY)
        writer = msvcrt.open_osfhandle(writer, 0)
    return FileIO(reader, "r"), FileIO(writer, "w")


def _ignore_terminal() -> None:
    """Ignore the signals that stop a process in the background when it uses the terminal."""
    for name in ("SIGTTIN", "SIGTTOU"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _serve(channel: Channel, restricted_by: str | None) -> NoReturn:
    policies: list[LoadedPolicy] = []
    solve = _solver(policies, channel)
    while True:
        name, *fields = channel.ahead or channel.receive()
        channel.ahead = None
        if name == "load":
            reply = _answered(lambda: _load(policies, *fields), restricted_by)  # noqa: B023
        else:
            reply = _answered(lambda: solve(*fields), restricted_by)  # noqa: B023
        if reply[0] != "done":
            channel.ahead = None  # of what comes after an error, nothing is wanted
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        channel.send(*reply)


def _answered(work: Callable[[], Any], restricted_by: str | None) -> tuple[str, Any]:
    """Return the reply to send: the result of `work`, or its error in one line."""
    from simulator.errors import PolicyError, UserError

    try:
        return "done", work()
    except UserError as error:
        text = str(error)
        if restricted_by and "Permission denied" in text:
            text = f"{text}; {REMEDY}"
        return "policy" if isinstance(error, PolicyError) else "user", text


def _load(policies: list[LoadedPolicy], spec: str, settings: str, source: str) -> list[Any]:
    import linecache

    from simulator.loading import load_policy, split_file

    file = split_file(spec)[0]  # `inspect` finds the source here without reading the disk
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    loaded = load_policy(spec, json.loads(settings), source)
    policies.append(loaded)
    policy = loaded.policy
    return [
        len(policies) - 1,
        loaded.class_name,
        json.dumps(loaded.parameters),
        sorted(policy.requires),
        sorted(policy.optional),
        policy.budget,
        policy.unranked,
    ]


def _solver(policies: list[LoadedPolicy], channel: Channel) -> Callable[..., list[Any]]:
    """Return a function that lets one of the policies solve a problem; it imports nothing."""
    import numpy as np

    from simulator.errors import PolicyError
    from simulator.isolation.remote_engine import RemoteEngine
    from simulator.policy.base import Problem
    from simulator.policy.sampler import Sampler
    from simulator.policy.solving import explain, solve

    def solve_one(number: int, about: list[Any], budget: int, words: list[int]) -> list[Any]:
        loaded = policies[number]
        engine = RemoteEngine(channel, budget)
        name, question, answer_kind, signals = about
        problem = Problem(name, question, answer_kind, frozenset(signals))
        try:
            answer = solve(loaded.policy, problem, Sampler(engine, words), loaded.file)
        except PolicyError:
            raise
        except BaseException as error:  # can only come from the policy itself
            raise PolicyError(explain(error, loaded.file)) from error
        finally:
            engine.close()
        kind, value = ("class", int(answer)) if isinstance(answer, np.int32) else ("text", answer)
        return [engine.started, kind, value]

    return solve_one


class _Hiding:
    """A finder that finds nothing, and raises for packages that Landlock closes.

    Without it, they would look installed and damaged to other packages, which use them if they are
    installed.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._open = names | sys.stdlib_module_names

    @cached_property
    def _installed(self) -> frozenset[str]:
        return installed(sys.path)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise `ModuleNotFoundError` for a hidden package."""
        if path is None and name not in self._open and name in self._installed:
            raise ModuleNotFoundError(
                f"No module named {name!r}: of the packages that are installed, a policy that is "
                "verified may use those that its import statements name",
                name=name,
            )


def _no_breakpoint(*args: object, **kwargs: object) -> NoReturn:
    raise RuntimeError("breakpoint() needs the policy in this process: add --in-process")


def _refuse_processes(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to start processes, with a clear message; the kernel refuses them as well.

    A child process would inherit the connection.
    """
    if event in ("os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "subprocess.Popen"):
        raise PermissionError("a policy cannot start other processes")
