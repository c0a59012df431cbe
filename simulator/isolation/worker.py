"""The process that runs a policy file: started by `simulator.isolation.process`, ended with it.

It is handed the policy's source, then one problem after another, and asks for everything else
through the one connection that it has. What it cannot see it cannot reach: see
`simulator.isolation.sandbox`.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from simulator.isolation.limits import limit_this_process
from simulator.isolation.sandbox import (
    REMEDY,
    be_first_to_go,
    die_with,
    readable_to_python,
    restrict,
)
from simulator.isolation.seccomp import forbid_calls

if TYPE_CHECKING:
    from simulator.isolation.wire import Channel
    from simulator.loading import LoadedPolicy

_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""One is enough for arrays of some hundred traces, sums come out alike on every machine, and what
numpy loads does not start one for each core, which is most of the time that importing it takes."""


def main(connection: int, parent: int, policy_file: str | None, memory: int | None) -> NoReturn:
    """Serve until the other side hangs up.

    Parameters
    ----------
    connection
        The file descriptor of a connected socket.
    parent
        The process with which this one ends.
    policy_file
        A file that stays readable, beside what Python imports.
    memory
        For a policy that someone else wrote: its address space in bytes, and all else it may not.
    """
    die_with(parent)
    be_first_to_go()
    if memory is not None:
        limit_this_process(memory)
    file = policy_file and os.path.abspath(policy_file)  # noqa: PTH100
    readable = readable_to_python(sys.path, file)
    restricted_by = restrict(readable)  # before numpy starts threads, which it would not hold for
    also = ["seccomp"] if forbid_calls() else []
    also += ["rlimits"] if memory is not None else []
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    sys.argv = ["policy"]
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    sys.breakpointhook = _no_breakpoint
    sys.addaudithook(_refuse_processes)

    from simulator.isolation.wire import TO_POLICY, Channel

    channel = Channel(socket.socket(fileno=connection), TO_POLICY)
    channel.send("ready", restricted_by, list(readable.trees), also)
    with suppress(EOFError, OSError):  # the other side has hung up, or the policy has
        _serve(channel, restricted_by)
    os._exit(0)


def _serve(channel: Channel, restricted_by: str | None) -> NoReturn:
    policies: list[LoadedPolicy] = []
    while True:
        name, *fields = channel.receive()
        if name == "load":
            reply = _answered(lambda: _load(policies, *fields), restricted_by)  # noqa: B023
        else:
            reply = _answered(lambda: _solve(policies, channel, *fields), restricted_by)  # noqa: B023
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        channel.send(*reply)


def _answered(work: Callable[[], Any], restricted_by: str | None) -> tuple[str, Any]:
    """What to send back: what `work` gives, or what is wrong with the policy, in one line."""
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

    file = split_file(spec)[0]  # `inspect` finds the source there where the disk is shut
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    loaded = load_policy(spec, json.loads(settings), source)
    policies.append(loaded)
    policy = loaded.policy
    return [
        len(policies) - 1,
        loaded.class_name,
        json.dumps(loaded.parameters),
        sorted(policy.requires),
        policy.budget,
        policy.unranked,
    ]


def _solve(
    policies: list[LoadedPolicy],
    channel: Channel,
    number: int,
    problem: list[Any],
    budget: int,
    seed: list[int],
) -> list[Any]:
    import numpy as np

    from simulator.errors import PolicyError
    from simulator.isolation.remote_engine import RemoteEngine
    from simulator.policy.base import Problem
    from simulator.policy.sampler import Sampler
    from simulator.policy.solving import explain, solve

    loaded = policies[number]
    engine = RemoteEngine(channel, budget)
    try:
        answer = solve(loaded.policy, Problem(*problem), Sampler(engine, seed), loaded.file)
    except PolicyError:
        raise
    except BaseException as error:  # here it can only be the policy's own
        raise PolicyError(explain(error, loaded.file)) from error
    finally:
        engine.close()
    if isinstance(answer, np.int32):
        return ["class", int(answer)]
    return ["text", answer]


def _no_breakpoint(*args: object, **kwargs: object) -> NoReturn:
    raise RuntimeError("breakpoint() needs the policy in this process: add --in-process")


def _refuse_processes(event: str, arguments: tuple[Any, ...]) -> None:
    """A child would hold the connection, too; refused here with words, by the kernel anyhow."""
    if event in ("os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "subprocess.Popen"):
        raise PermissionError("a policy may start no other process")
