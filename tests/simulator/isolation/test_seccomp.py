"""System calls that a policy's process may make, and all others, tried in a process like it."""

from __future__ import annotations

import errno
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.isolation import seccomp
from simulator.isolation.seccomp import (
    ALLOWED,
    LIMITED,
    NEWER,
    can_restrict_calls,
    instructions,
    restrict_calls,
)

PARENT = "os.getppid()"
FILE = "os.open('file', os.O_RDONLY)"

REFUSED = {
    "an UDP socket": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "a socket of this machine's services": "socket.socket(socket.AF_UNIX)",
    "a pair of sockets, one of which could be given an address": "socket.socketpair()",
    "a child that Python does not know of": "call('fork')",
    "a program": "os.execv('/bin/true', ['true'])",
    "rights of a file": "os.chmod('file', 0o600)",
    "times of a file, which could hold numbers": "os.utime('file', (1, 2))",
    "memory that outlives it": "call('shmget', 4242, 4096, 0o1600)",
    "a queue that outlives it": "call('msgget', 4242, 0o1600)",
    "semaphores that outlive it": "call('semget', 4242, 1, 0o1600)",
    "a key of the kernel": "call('syscall', ADD_KEY, b'user', b'x', b'x', 1, -3)",
    "a lock on a file, which another could see": "fcntl.flock(open('file'), fcntl.LOCK_SH)",
    "a lock on a part of a file": "fcntl.lockf(open('file'), fcntl.LOCK_SH, 1)",
    "a look at such a lock": "fcntl.fcntl(open('file'), fcntl.F_GETLK, bytes(32))",
    "a lease": "fcntl.fcntl(open('file'), 1025)",
    "word of files that others open": "call('inotify_init1', 0)",
    "a file in memory": "os.memfd_create('x')",
    "a pipe, whose size counts for its user": "os.pipe()",
    "a mark on a file that others have open": "os.set_blocking(0, os.get_blocking(0))",
    "which pages are in memory": "call('mincore', mmap_of(FILE), 4096, ctypes.byref(BYTE))",
    "a page if it is in memory": "os.preadv(FILE, [bytearray(1)], 0, os.RWF_NOWAIT)",
    "to drop pages": "os.posix_fadvise(FILE, 0, 0, os.POSIX_FADV_DONTNEED)",
    "to read pages ahead": "call('readahead', FILE, 0, 4096)",
    "to read mapped pages ahead": "call('madvise', mmap_of(FILE), 4096, 3)",
    "to make mapped pages cold": "call('madvise', mmap_of(FILE), 4096, 20)",
    "how many pages were read from the disk": "resource.getrusage(resource.RUSAGE_SELF)",
    "how much memory is free": "call('sysinfo', ctypes.create_string_buffer(256))",
    "a limit of its parent": f"resource.prlimit({PARENT}, resource.RLIMIT_CORE, (0, 0))",
    "how soon its parent runs": f"os.setpriority(os.PRIO_PROCESS, {PARENT}, 1)",
    "where its parent runs": f"os.sched_setaffinity({PARENT}, os.sched_getaffinity(0))",
    "where it runs itself": "os.sched_setaffinity(0, os.sched_getaffinity(0))",
    "how its parent runs": f"os.sched_setscheduler({PARENT}, os.SCHED_OTHER, os.sched_param(0))",
    "a signal to its parent": f"os.kill({PARENT}, 0)",
    "a signal to its group": "os.kill(0, 0)",
    "a handle on its parent": f"os.pidfd_open({PARENT})",
    "the processor time of its parent": f"time.clock_gettime(({PARENT} ^ -1) << 3 | 2)",
    "who waits for a word of a file": "wake(mmap_of(FILE))",
    "an event of the kernel": "os.eventfd(0)",
}

ALLOWED_CALLS = {
    "its own limits": "resource.getrlimit(resource.RLIMIT_NOFILE)",
    "a signal to itself": "os.kill(os.getpid(), 0)",
    "a thread": "[thread.join() for thread in started(20)]",
    "threads of numpy": "numpy.ones((500, 500)) @ numpy.ones((500, 500))",
    "a second descriptor": "os.close(fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 0))",
    "a file": "open('file').read() + str(os.stat('file').st_size)",
    "part of a file": f"os.pread({FILE}, 1, 0)",
    "a mapped file": f"mmap_of({FILE})",
    "a list of files": "os.listdir()",
    "much memory": "bytearray(1 << 28)",
    "random numbers": "os.urandom(8)",
    "the time": "[time.time(), time.perf_counter(), time.process_time(), time.thread_time()]",
    "to wait": "time.sleep(0.001)",
    "to wait for a lock": "threading.Lock().acquire() and threading.Event().wait(0.001)",
    "processors": "len(os.sched_getaffinity(0)) + os.cpu_count()",
    "its name": "os.uname()",
    "a pool of threads": "list(ThreadPoolExecutor(4).map(abs, range(9)))",
}

SCRIPT = """
import ctypes, errno, fcntl, json, mmap, os, resource, socket, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import numpy
from simulator.isolation.seccomp import restrict_calls

BYTE = ctypes.c_ubyte()
ADD_KEY = {"x86_64": 248, "aarch64": 217}[os.uname().machine]
FUTEX = {"x86_64": 202, "aarch64": 98}[os.uname().machine]
FILE = os.open("file", os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p

def call(name, *arguments):
    given = [ctypes.c_void_p(each) if name in ("madvise", "mincore") and not i else each
             for i, each in enumerate(arguments)]
    result = getattr(libc, name)(*given)
    if result == 0 and name == "fork":
        os._exit(0)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    if name in ("shmget", "msgget", "semget"):  # gone again
        getattr(libc, name.replace("get", "ctl"))(result, 0, *[0, None][name == "semget":])

def mmap_of(file):
    return libc.mmap(None, 4096, 1, 1, file, 0)

def wake(address):
    if libc.syscall(FUTEX, ctypes.c_void_p(address), 1, 1, None, None, 0) < 0:
        raise OSError(ctypes.get_errno(), "futex")

def started(number):
    threads = [threading.Thread(target=int) for _ in range(number)]
    [thread.start() for thread in threads]
    return threads

if sys.argv[2] == "restricted":
    assert restrict_calls()
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
    (folder / "file").write_bytes(b"x" * 4096)
    words = [sys.executable, "-c", SCRIPT, json.dumps(calls), how]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=folder)
    failed: dict[str, str] = json.loads(done.stdout)
    return failed


def possible() -> bool:
    code = "import sys; from simulator.isolation.seccomp import restrict_calls; "
    return (
        subprocess.run([sys.executable, "-c", f"{code}sys.exit(not restrict_calls())"]).returncode
        == 0
    )


needs_seccomp = pytest.mark.skipif(not possible(), reason="this system has no seccomp filters")


@needs_seccomp
def test_calls_that_lead_out_of_the_process_are_refused(tmp_path: Path) -> None:
    refused = failing(REFUSED, "restricted", tmp_path)
    assert refused == dict.fromkeys(REFUSED, "PermissionError")


@needs_seccomp
def test_the_same_calls_work_elsewhere(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    tried = {name: what for name, what in REFUSED.items() if name != "a program"}
    assert failing(tried, "free", tmp_path) == {}


@needs_seccomp
def test_what_a_policy_needs_goes_on(tmp_path: Path) -> None:
    assert failing(ALLOWED_CALLS, "restricted", tmp_path) == {}


EVERY_CALL = """
import ctypes, json, os
from simulator.isolation.seccomp import restrict_calls
libc = ctypes.CDLL(None, use_errno=True)
assert restrict_calls()
tried = json.loads(os.environ["TRIED"])
print(json.dumps([(libc.syscall(n, -1, -1, -1, -1, -1, -1), ctypes.get_errno()) for n in tried]))
"""


@needs_seccomp
def test_every_call_that_is_not_listed_is_refused() -> None:
    """Tries all numbers up to 600 by a plain `syscall`, and those of the other table of x86."""
    column = seccomp._ARCHITECTURES[os.uname().machine][0]
    listed = {numbers[column] for group in ALLOWED.values() for numbers in group.values()}
    listed |= {numbers[column] for numbers, *_ in LIMITED.values()}
    listed |= {seccomp._FUTEX[column], seccomp._CLONE[column]}
    listed |= {335, 336}  # the kernel ends whoever makes these, which are for its own probes
    tried = [n for n in range(600) if n not in listed] + [0x40000000 + n for n in range(600)]
    done = subprocess.run(
        [sys.executable, "-c", EVERY_CALL],
        env=os.environ | {"TRIED": json.dumps(tried)},
        check=True,
        capture_output=True,
        text=True,
    )
    results = dict(zip(tried, json.loads(done.stdout), strict=True))
    unknown = {*NEWER.values(), *(n for n in tried if n >= seccomp._NEWEST)}
    assert results == {n: [-1, errno.ENOSYS if n in unknown else errno.EACCES] for n in tried}


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip(f"{HEADERS[machine]} is missing (package linux-libc-dev)")
    text = HEADERS[machine].read_text()
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", text)
    known = {name: int(number) for name, number in found}
    known |= {
        name: known[same]
        for name, same in re.findall(r"_NR_(\w+) __NR3264_(\w+)", text)
        if same in known
    }
    column = seccomp._ARCHITECTURES[machine][0]
    ours = {name: numbers for group in ALLOWED.values() for name, numbers in group.items()}
    ours |= {name: numbers for name, (numbers, *_) in LIMITED.items()}
    ours |= {"futex": seccomp._FUTEX, "clone": seccomp._CLONE}
    for name, numbers in ours.items():
        assert numbers[column] == known.get(name), name
    assert {name: known[name] for name in NEWER} == NEWER


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> str:
    """Run the filter's program as the kernel does, for a process of the id 77."""
    column, own = seccomp._ARCHITECTURES[machine]
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, own if architecture is None else architecture, 0, *padded)
    program, at, held = instructions(column, own, 77), 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == seccomp._LOAD:
            held = struct.unpack_from("=I", data, value)[0]
        elif code == seccomp._RETURN:
            return {0x7FFF0000: "allowed", 0x5000D: "refused", 0x50026: "unknown"}[value]
        else:
            holds = {
                seccomp._IF_EQUAL: held == value,
                seccomp._IF_AT_LEAST: held >= value,
                seccomp._IF_ANY_BIT: bool(held & value),
            }[code]
            at += if_true if holds else if_false


THREAD = 0x3D0F00  # what glibc starts threads with

ON_BOTH = [
    ("openat", (257, 56), (), "allowed"),
    ("socket", (41, 198), (), "refused"),
    ("fadvise64", (221, 223), (), "refused"),
    ("preadv2", (327, 286), (), "refused"),
    ("process_madvise", (440, 440), (), "refused"),
    ("cachestat", (451, 451), (), "refused"),
    ("io_uring_setup", (425, 425), (), "refused"),
    ("clone3", (435, 435), (), "unknown"),
    ("a call of a later kernel", (500, 500), (), "unknown"),
    ("a thread", (56, 220), (THREAD,), "allowed"),
    ("a child", (56, 220), (0x1200011,), "refused"),
    ("a thread in a namespace", (56, 220), (THREAD | 0x20000,), "refused"),
    ("a signal to itself", (62, 129), (77, 9), "allowed"),
    ("a signal to another", (62, 129), (78, 9), "refused"),
    ("a signal to its group", (62, 129), (0, 9), "refused"),
    ("a signal to a thread of its own", (234, 131), (77, 80, 9), "allowed"),
    ("its limits", (302, 261), (0, 7), "allowed"),
    ("limits of another", (302, 261), (78, 7), "refused"),
    ("where it runs", (204, 123), (0,), "allowed"),
    ("where another runs", (204, 123), (78,), "unknown"),
    ("waking a private futex", (202, 98), (0, 0x81), "allowed"),
    ("waking a shared futex", (202, 98), (0, 1), "refused"),
    ("the end of a thread", (202, 98), (0, 0x109), "allowed"),
    ("a terminal?", (16, 29), (1, 0x5401), "allowed"),
    ("a letter for a terminal", (16, 29), (0, 0x5412), "refused"),
    ("giving memory back", (28, 233), (0, 0, 4), "allowed"),
    ("reading pages ahead", (28, 233), (0, 0, 3), "refused"),
    ("paging out", (28, 233), (0, 0, 21), "refused"),
    ("its processor time", (228, 113), (2,), "allowed"),
    ("the processor time of another", (228, 113), (0xFFFFFD8A,), "refused"),
]


@pytest.mark.parametrize("machine", HEADERS)
@pytest.mark.parametrize(("name", "numbers", "arguments", "expected"), ON_BOTH)
def test_both_tables_decide_the_same(
    name: str, numbers: tuple[int, int], arguments: tuple[int, ...], expected: str, machine: str
) -> None:
    number = numbers[seccomp._ARCHITECTURES[machine][0]]
    assert verdict(machine, number, *arguments) == expected
    assert verdict(machine, number, *arguments, architecture=0x40000003) == "refused"  # i386


@pytest.fixture
def asked_anew() -> Iterator[None]:
    can_restrict_calls.cache_clear()
    yield
    can_restrict_calls.cache_clear()


@needs_seccomp
@pytest.mark.usefixtures("asked_anew")
def test_what_can_be_restricted_is_known_without_restricting_it() -> None:
    assert can_restrict_calls()
    os.getsid(0)  # refused to who is restricted


@pytest.mark.usefixtures("asked_anew")
def test_other_systems_go_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not can_restrict_calls()
    assert not restrict_calls()


@pytest.mark.usefixtures("asked_anew")
def test_other_architectures_go_without(monkeypatch: pytest.MonkeyPatch) -> None:
    named = os.uname_result(("Linux", "here", "6", "1", "riscv64"))
    monkeypatch.setattr(os, "uname", lambda: named)
    assert not can_restrict_calls()
    assert not restrict_calls()
