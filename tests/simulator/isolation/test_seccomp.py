"""System calls that a policy's process may not make, tried in a process like it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.isolation.seccomp import forbid_calls

PARENT = "os.getppid()"

REFUSED = {
    "an UDP socket": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "a socket of this machine's services": "socket.socket(socket.AF_UNIX)",
    "a pair of sockets, one of which could be given an address": "socket.socketpair()",
    "a child that Python does not know of": "call('fork')",
    "a program": "os.execv('/bin/true', ['true'])",
    "rights of a file": "os.chmod('file', 0o600)",
    "times of a file, which could hold numbers": "os.utime('file', (1, 2))",
    "memory that outlives it": "call('shmget', 4242, 4096, 0o1600)",
    "a lock on a file, which another could see": "fcntl.flock(open('file'), fcntl.LOCK_SH)",
    "a lock on a part of a file": "fcntl.lockf(open('file'), fcntl.LOCK_SH, 1)",
    "a look at such a lock": "fcntl.fcntl(open('file'), fcntl.F_GETLK, bytes(32))",
    "word of files that others open": "call('inotify_init1', 0)",
    "a limit of its parent": f"resource.prlimit({PARENT}, resource.RLIMIT_CORE, (0, 0))",
    "how soon its parent runs": f"os.setpriority(os.PRIO_PROCESS, {PARENT}, 1)",
    "a signal to its parent": f"os.kill({PARENT}, 0)",
    "a handle on its parent": f"os.pidfd_open({PARENT})",
}

ALLOWED = {
    "its own limits": "resource.getrlimit(resource.RLIMIT_NOFILE)",
    "a signal to itself": "os.kill(os.getpid(), 0)",
    "a thread": "threading.Thread(target=int).start()",
    "threads of numpy": "numpy.ones((500, 500)) @ numpy.ones((500, 500))",
    "a pipe": "os.pipe()",
    "a second descriptor": "os.close(fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 0))",
    "a descriptor that does not wait": "os.set_blocking(os.pipe()[0], False)",
}

SCRIPT = """
import ctypes, fcntl, json, os, resource, socket, sys, threading
import numpy
from simulator.isolation.seccomp import forbid_calls

def call(name, *arguments):
    result = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if result == 0 and name == "fork":
        os._exit(0)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    if name == "shmget":
        ctypes.CDLL(None).shmctl(result, 0, None)  # gone again

if sys.argv[2] == "forbidden":
    assert forbid_calls()
failed = {}
for name, what in json.loads(sys.argv[1]).items():
    try:
        eval(what)
    except OSError as error:
        failed[name] = type(error).__name__
print(json.dumps(failed))
"""


def failing(calls: dict[str, str], how: str, folder: Path) -> dict[str, str]:
    """Make calls in a process of its own; return those that fail, with their errors."""
    (folder / "file").touch()
    words = [sys.executable, "-c", SCRIPT, json.dumps(calls), how]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=folder)
    failed: dict[str, str] = json.loads(done.stdout)
    return failed


def possible() -> bool:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from simulator.isolation.seccomp import forbid_calls; "
            "sys.exit(not forbid_calls())",
        ]
    )
    return done.returncode == 0


needs_seccomp = pytest.mark.skipif(not possible(), reason="this system has no seccomp filters")


@needs_seccomp
def test_calls_that_lead_out_of_the_process_are_refused(tmp_path: Path) -> None:
    refused = failing(REFUSED, "forbidden", tmp_path)
    assert refused == dict.fromkeys(REFUSED, "PermissionError")


@needs_seccomp
def test_the_same_calls_work_elsewhere(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    tried = {name: what for name, what in REFUSED.items() if name != "a program"}
    assert failing(tried, "free", tmp_path) == {}


@needs_seccomp
def test_what_a_policy_needs_goes_on(tmp_path: Path) -> None:
    assert failing(ALLOWED, "forbidden", tmp_path) == {}


def test_other_systems_go_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not forbid_calls()
