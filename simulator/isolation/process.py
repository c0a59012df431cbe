"""A policy in a process of its own, from the host's side: starting, serving and ending it.

The engine stays in the host (`EngineHost`), which checks every message before it acts on it.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from simulator import PACKAGE
from simulator.errors import PolicyError, UserError
from simulator.isolation import bubblewrap
from simulator.isolation.limits import Bank, Overdue, interrupted_after
from simulator.isolation.output import Output, escaped
from simulator.isolation.remote_engine import EngineHost
from simulator.isolation.sandbox import (
    Readable,
    keep_in_memory,
    libraries,
    packages_of,
    readable_to_stranger,
)
from simulator.isolation.seccomp import can_restrict_calls
from simulator.isolation.wire import FROM_POLICY, PLAIN, BrokenFrame, Channel
from simulator.loading import Limits, split_file
from simulator.policy.base import Answer, Policy, Problem
from simulator.policy.sampler import Sampler
from simulator.policy.solving import MAX_ANSWER
from simulator.replay.engine import Engine
from simulator.signals import NEEDS, SIGNALS

_START = (
    "import sys; sys.path[:] = {path!r}; from simulator.isolation.worker import main; "
    "main({pipes}, {parent}, {file!r}, {memory}, {paths}, in_session={in_session})"
)

MAX_TOLD = 10_000
"""Maximum number of characters that are shown of an error message of a policy's process."""

Result = TypeVar("Result")

Question = tuple[str, Problem, int, Sequence[int]]
"""Question to a policy: its settings as JSON, problem, budget and words of random numbers."""

STARTING = 60.0
"""Timeout in seconds for the start of an untrusted policy, and again for loading it."""

LEAST = 1e-6
"""Shortest timeout, in seconds: 0 would mean no timeout."""

_KEPT = ("HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR", "TZ")
_KEPT_PREFIXES = ("LC_", "MKL_", "OMP_", "OPENBLAS_", "PYTHON")
"""Environment variables that a policy's process gets: no tokens, and no path of the pools."""


class NoSandbox(UserError):  # noqa: N818  (what it is)
    """Lack of any sandbox on this machine that keeps an untrusted policy from the disk."""


class IsolatedPolicy(Policy):
    """Stand-in for a policy that another process holds, with its settings as JSON."""

    def __init__(self, process: PolicyProcess, settings: str) -> None:
        self.process = process
        self.settings = settings

    def __copy__(self) -> IsolatedPolicy:
        """Return itself: the process copies the policy for each problem."""
        return self

    def solve(self, problem: Problem, sampler: Sampler) -> Answer:
        return self.process.solve(self.settings, problem, sampler)

    def foresee(self, problem: Problem, words: Sequence[int], budget: int) -> None:
        """Announce the problem that comes after the next; its process may be told of it ahead."""
        self.process.foresee(self.settings, problem, words, budget)

    def end_process(self) -> None:
        """End the process, from any thread; who waits for an answer is told that it has ended."""
        self.process.kill()


class PolicyProcess:
    """A process that holds one policy file, with any number of settings.

    It is started when it is needed, and again after it has ended.

    Attributes
    ----------
    restricted_by
        The restriction on reading files, as `Landlock 7`; None if there is none.
    layers
        All layers of its sandbox.
    output
        Its output, if it has `limits`.
    """

    def __init__(self, spec: str, source: str, limits: Limits | None = None) -> None:
        self.spec = spec
        self.file = split_file(spec)[0]
        self.source = source
        self.limits = limits
        self.restricted_by: str | None = None
        self.layers: tuple[str, ...] = ()
        self.output = Output(limits.output if limits else 0)
        self._bank = Bank(limits) if limits else None
        self._readable: tuple[Path, ...] = ()
        self._unreadable: set[Path] = set()
        self._channel: Channel | None = None
        self._numbers: dict[str, int] = {}
        self._foreseen: Question | None = None
        self._sent_ahead: Question | None = None
        self._end: Any = None
        self._is_ready = False
        self._wrapper: str | None = None
        self._why_not_wrapped = ""

    @cached_property
    def _readable_to_it(self) -> Readable:
        return readable_to_stranger(tuple(libraries(sys.path)), packages_of(self.source))

    def load(self, settings: Mapping[str, str]) -> tuple[IsolatedPolicy, str, dict[str, Any]]:
        """Load the policy with these settings; return it, its class's name and its parameters."""
        self._end_if_ahead()
        key = json.dumps(dict(settings))
        described = self._served(STARTING, lambda channel: self._load(channel, key))
        try:
            return self._described(key, *described)
        except (TypeError, ValueError, RecursionError) as error:
            self.close()
            raise PolicyError(self._broke("an invalid description of a policy")) from error

    def solve(self, settings: str, problem: Problem, sampler: Sampler) -> Answer:
        """Let the policy answer a problem with `sampler`, and wait for the answer."""
        answering = self.ask(settings, problem, sampler)
        answering.go_on(to_the_end=True)
        return answering.answer

    def ask(self, settings: str, problem: Problem, sampler: Sampler) -> Answering:
        """Ask the policy to answer a problem, without waiting for its requests or its answer."""
        engine = sampler._engine
        assert isinstance(engine, Engine)
        question = settings, problem, engine.budget, sampler._words
        foreseen, self._foreseen = self._foreseen, None
        if self._sent_ahead != question:
            self._end_if_ahead()
        if self._channel is None or settings not in self._numbers:
            self._served(STARTING, lambda channel: self._load(channel, settings))
        self._refuse_readable(engine.problem.pool.path)
        if self.limits and engine.judging:
            engine.judging.keeps_draws = (
                False  # the time of a clustering would tell of earlier ones
            )

        def send(channel: Channel) -> Answering:
            answering = Answering(self, channel, EngineHost(engine), foreseen)
            if self._sent_ahead is not None:
                self._sent_ahead = None
                return answering
            began = time.monotonic()
            channel.require_silence()
            channel.send(*self._message(question))
            answering.left -= time.monotonic() - began
            return answering

        return self._served(self.allowed, send)

    def foresee(self, settings: str, problem: Problem, words: Sequence[int], budget: int) -> None:
        """Announce what will be asked after the next question.

        The process is sent it with the first reply, so that it goes on while the host records what
        came of the question before. A stranger's policy is sent nothing ahead: it must wait for its
        turn.
        """
        if self.limits is None:
            self._foreseen = settings, problem, budget, words

    def ahead(self, foreseen: Question) -> list[Any]:
        """Return the message that asks a foreseen question, which is being sent with a reply."""
        self._sent_ahead = foreseen
        return self._message(foreseen)

    def _message(self, question: Question) -> list[Any]:
        settings, problem, budget, words = question
        told = [problem.id, problem.question, problem.answer_kind, sorted(problem.signals)]
        return ["solve", self._numbers[settings], told, budget, words]

    def _end_if_ahead(self) -> None:
        """End a process that was sent a question ahead which is not asked after all."""
        if self._sent_ahead is not None:
            self.close()

    @property
    def allowed(self) -> float | None:
        """Seconds allowed for the next answer; None without a limit."""
        return self._bank.allowed if self._bank else None

    def kill(self) -> None:
        """Kill the process if it runs, without waiting for its end."""
        if self._channel is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._end is not None:
            self._end()
        self._channel = None
        self._is_ready = False
        self._foreseen = self._sent_ahead = None
        self.output.wait()

    def _served(self, seconds: float | None, work: Callable[[Channel], Result]) -> Result:
        """Run `work` with the connection, for at most `seconds` if the policy has `limits`."""
        self.begin()
        channel = self._channel
        assert channel is not None
        if not self._is_ready:
            self._await_ready(channel)
        return self._held(channel, seconds if self.limits else None, lambda: work(channel))

    def _held(
        self,
        channel: Channel,
        seconds: float | None,
        work: Callable[[], Result],
        left: float | None = None,
    ) -> Result:
        """Run `work`; a failed connection ends the process and raises an error of one line.

        `left` is the remaining part of `seconds`; None means all of it.
        """
        try:
            if seconds is None:
                return work()
            here = max(seconds if left is None else left, LEAST)
            channel.end_after(here)
            with interrupted_after(here):
                return work()
        except PolicyError:
            raise  # the policy's own, told in good order
        except Overdue:
            self.close()
            raise PolicyError(f"{self.file}: took longer than {seconds:.3g} s") from None
        except (EOFError, ConnectionError):
            raise PolicyError(f"{self.file}: {self._how_it_ended()}") from None
        except BrokenFrame as error:
            self.close()
            raise PolicyError(self._broke(str(error))) from error
        except BaseException:
            self.close()
            raise

    def begin(self) -> None:
        """Start the process if it is not running, without waiting the 0.3 s that it takes."""
        if self._channel is not None:
            return
        wrapper, why_not = bubblewrap.probe() if self.limits else (None, "")
        if self.limits:
            keep_in_memory(self._readable_to_it)
        reader, their_writer = _pipe()
        their_reader, writer = _pipe()
        if hasattr(select, "poll"):
            os.set_blocking(writer.fileno(), False)
            os.set_blocking(reader.fileno(), self.limits is None)
        channel = Channel(reader, writer, FROM_POLICY)
        with their_reader, their_writer:
            inherited = _inheriting((their_reader, their_writer), self._in_session)
            command = self._command((their_reader, their_writer), wrapper is not None)
            output = self.output.pipe() if self.limits else _standard_error()
            try:
                process = subprocess.Popen(
                    bubblewrap.wrapped(command) if wrapper else command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={} if self.limits else _environment(),
                    cwd="/" if self.limits else None,
                    **inherited,
                )
            except OSError as error:
                channel.close()
                raise UserError(
                    f"{sys.executable}: cannot be started ({error.strerror})"
                ) from error
            finally:
                if self.limits:
                    os.close(output)
        self._channel = channel
        self._process = process
        self._wrapper, self._why_not_wrapped = wrapper, why_not
        self._numbers = {}
        self._end = weakref.finalize(self, _kill, process, channel)

    def _await_ready(self, channel: Channel) -> None:
        """Wait until the process is up, and record the layers of its sandbox."""
        seconds = STARTING if self.limits else None
        name, *fields = self._held(channel, seconds, channel.receive)
        assert name == "ready"  # nothing of the policy has been run yet
        self._is_ready = True
        wrapper = self._wrapper
        self.restricted_by, trees, also = fields
        self.layers = tuple(filter(None, (wrapper, self.restricted_by, *also)))
        confined = wrapper or self.restricted_by
        self._readable = _resolved(tuple(trees)) if confined else ()
        self._unreadable.clear()
        if self.limits and not confined:
            self.close()
            raise NoSandbox(
                f"{self.file}: there is no sandbox to keep it from the disk, so it is not run "
                f"({self._why_not_wrapped}; this kernel has no Landlock); verify it on a Linux "
                "that has either"
            )

    def _command(self, pipes: tuple[FileIO, FileIO], wrapped: bool) -> list[str]:
        """Return the process's command; an untrusted policy finds only installed modules."""
        here = str(Path(PACKAGE).parent)
        readable = self._readable_to_it if self.limits else None
        code = _START.format(
            path=libraries(sys.path) if self.limits else [*sys.path, here],
            pipes=tuple(map(_handle, pipes)),
            parent=1 if wrapped else os.getpid(),
            file=None if self.limits else self.file,
            memory=self.limits.memory if self.limits else None,
            paths=readable and (readable.trees, readable.files, readable.listed),
            in_session=self._in_session,
        )
        return [sys.executable, "-P", "-c", code]

    @property
    def _in_session(self) -> bool:
        """True if the process gets a session of its own, and so no terminal."""
        return self.limits is not None or not can_restrict_calls()

    def _load(self, channel: Channel, settings: str) -> list[Any]:
        channel.send("load", self.spec, settings, self.source)
        name, *fields = channel.receive()
        result = self._result(name, fields)
        if type(result) is not list or len(result) != 7 or type(result[0]) is not int:
            raise BrokenFrame("no description")
        self._numbers[settings] = result[0]
        return result

    def _described(
        self,
        settings: str,
        number: int,
        class_name: object,
        parameters: str,
        requires: Any,
        optional: Any,
        budget: object,
        unranked: object,
    ) -> tuple[IsolatedPolicy, str, dict[str, Any]]:
        """Make the stand-in; raise TypeError or ValueError if the description is invalid."""
        known = json.loads(parameters)
        in_order = (
            type(class_name) is str
            and class_name.isidentifier()
            and type(known) is dict
            and all(
                type(signals) is list and all(type(signal) is str for signal in signals)
                for signals in (requires, optional)
            )
            and set(requires) <= set(NEEDS)
            and set(optional) <= set(SIGNALS)
            and (budget is None or (type(budget) is int and budget >= 1))
            and type(unranked) is bool
        )
        if not in_order:
            raise ValueError
        kind: Any = type("IsolatedPolicy", (IsolatedPolicy,), {})
        kind.requires, kind.optional = frozenset(requires), frozenset(optional)
        kind.budget, kind.unranked = budget, unranked
        return kind(self, settings), str(class_name), known

    def _result(self, name: str, fields: list[Any]) -> Any:
        if name == "done" and len(fields) == 1:
            return fields[0]
        if name in ("policy", "user") and len(fields) == 1 and type(fields[0]) is str:
            self._sent_ahead = None  # the process has forgotten it
            told = escaped(" ".join(fields[0][:MAX_TOLD].split()))
            raise (PolicyError if name == "policy" else UserError)(told)
        raise BrokenFrame(f"no such message: {name:.40}")

    def _answer(self, result: object, host: EngineHost) -> Answer:
        if type(result) is not list or len(result) != 3:
            raise BrokenFrame("no answer")
        started, kind, value = result
        host.start(started)
        if kind == "text" and (value is None or (type(value) is str and len(value) <= MAX_ANSWER)):
            with suppress(UnicodeEncodeError):
                (value or "").encode()
                return value
        if kind == "class" and type(value) is int and -(2**31) <= value < 2**31:
            return np.int32(value)
        raise BrokenFrame("no answer")

    def _refuse_readable(self, pool: Path) -> None:
        """Raise `UserError` for a pool that the policy can read, as Python imports from there."""
        if pool in self._unreadable:
            return
        resolved = pool.resolve()
        for tree in self._readable:
            if resolved.is_relative_to(tree):
                raise UserError(
                    f"{pool}: lies in {tree}, which policies may read because Python imports from "
                    "it; move the pool elsewhere (--cache)"
                )
        self._unreadable.add(pool)

    def _how_it_ended(self) -> str:
        """Describe how a process that closed its connection ended; end it if it has not."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        status = self._process.returncode
        self.close()
        if self._wrapper and status is not None and status > 128:
            status = 128 - status  # how bubblewrap tells of a signal
        if status is None:
            return "closed the connection to the simulator; return an answer instead"
        if status >= 0:
            return f"ended its own process (exit status {status}); return an answer instead"
        if status == -signal.SIGKILL:
            return "its process was killed (out of memory?)"
        return f"its process crashed ({signal.Signals(-status).name})"

    def _broke(self, what: str) -> str:
        return (
            f"{self.file}: sent the simulator {' '.join(what.split())}; only the sampler may use "
            "the connection"
        )


class Answering:
    """An answer in progress, which can be served in turns with those of other policies.

    Attributes
    ----------
    process
        The policy's process.
    left
        Seconds that are left to it; time spent waiting for it and serving it counts.
    answer
        The answer, once it is given.
    """

    def __init__(
        self,
        process: PolicyProcess,
        channel: Channel,
        host: EngineHost,
        foreseen: Question | None,
    ) -> None:
        self.process = process
        self.answer: Answer = None
        self._foreseen = foreseen
        self._channel = channel
        self._host = host
        self._allowed = process.allowed
        self.left = math.inf if self._allowed is None else self._allowed

    def fileno(self) -> int:
        """Return the file descriptor of the policy's requests."""
        return self._channel.reader.fileno()

    def go_on(self, *, to_the_end: bool = False) -> bool:
        """Serve the pending requests, or all to the end; return True if the policy has answered."""
        began = time.monotonic()
        is_over = True
        try:
            is_over = self.process._held(
                self._channel, self._allowed, lambda: self._turns(to_the_end), self.left
            )
        finally:
            self.left -= time.monotonic() - began
            if is_over and self.process._bank is not None:
                self.process._bank.spend(self.process._bank.allowed - self.left)
        return is_over

    def _turns(self, to_the_end: bool) -> bool:
        channel = self._channel
        while True:
            frame = channel.receive_bytes()
            reply: tuple[str, Any] | None
            if frame[:1] == PLAIN:
                reply = self._host.decode_plainly(frame)
            else:
                name, *fields = channel.message(frame)
                if name in ("done", "policy", "user"):
                    result = self.process._result(name, fields)
                    self.answer = self.process._answer(result, self._host)
                    return True
                reply = self._host.reply(name, fields)
            if reply is not None:
                self._send(reply, plainly=frame[:1] == PLAIN)
            if not (to_the_end or channel.holds_more):
                return False

    def _send(self, reply: tuple[str, Any], *, plainly: bool) -> None:
        """Send a reply, at first with the question that comes next."""
        channel = self._channel
        if channel.holds_more:  # or it sends what it likes and reads no reply
            raise BrokenFrame("a message before its turn")
        name, value = reply
        if self._foreseen is not None:
            ahead = self.process.ahead(self._foreseen)
            self._foreseen = None
            channel.send(name, value, ahead)
        elif plainly and name == "done":
            channel.send_bytes(value)
        else:
            channel.send(name, value)


@cache
def _resolved(trees: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(Path(tree).resolve() for tree in trees)


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }


def _inheriting(pipes: tuple[FileIO, FileIO], in_session: bool) -> dict[str, Any]:
    """Return arguments of `Popen` for a process that gets two pipes, but not Ctrl-C.

    A group of its own is enough for that: a terminal sends Ctrl-C to the group in the foreground.
    In a session of its own, Linux would also give it a share of the processors of its own
    (`sched_autogroup`), and a busy machine lets a group wait before it goes on: each answer took
    up to ten times as long. What a session keeps from it besides is the terminal, where it could
    type commands (TIOCSTI, which newer kernels refuse to all). For a user's own policy, the filter
    of system calls refuses that, so only a machine without the filter gives it a session. It can
    neither make the terminal's group its own (TIOCSPGRP, refused likewise), nor be stopped for
    writing there (`worker`).

    An untrusted policy always gets a session: the filter does not cover bubblewrap's own process,
    whose memory it could write where there is no Landlock.
    """
    if sys.platform == "win32":
        handles = [_handle(pipe) for pipe in pipes]
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        startup = subprocess.STARTUPINFO()
        startup.lpAttributeList = {"handle_list": handles}
        return {"startupinfo": startup, "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    apart = {"start_new_session": True} if in_session else {"process_group": 0}
    return {"pass_fds": [pipe.fileno() for pipe in pipes], **apart}


def _pipe() -> tuple[FileIO, FileIO]:
    """Open a pipe; return the end to read from and the one to write to."""
    reader, writer = os.pipe()
    return FileIO(reader, "r"), FileIO(writer, "w")


def _handle(pipe: FileIO) -> int:
    """Return the number by which a process inherits a pipe."""
    if sys.platform == "win32":
        import msvcrt

        return msvcrt.get_osfhandle(pipe.fileno())
    return pipe.fileno()


def _kill(process: subprocess.Popen[bytes], channel: Channel) -> None:
    channel.close()
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _standard_error() -> int:
    """Return the file for a policy's output: standard error, or the null device if closed."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2
