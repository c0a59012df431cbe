"""Policies that someone else wrote: what they try, in bubblewrap and with Landlock alone.

Each attack is tried unconfined as well where it could harm nothing, or it would prove nothing.
"""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pools import T, write_pool

from simulator.errors import PolicyError, UserError
from simulator.isolation import bubblewrap, sandbox
from simulator.isolation import process as isolated_policy
from simulator.isolation.host import NoSandbox, fresh, layers, load, missing_layers, output
from simulator.isolation.interleaved import side_by_side
from simulator.isolation.limits import Bank, Overdue, interrupted_after
from simulator.loading import Limits, LoadedPolicy
from simulator.pools.pool import Pool, StoredProblem
from simulator.replay.recording import Replayed
from simulator.replay.replaying import replay, replaying
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec

GOLD = "4711"
TRACES = [
    T(12, "7", {5: "7"}, text="So the answer may well be seven, wait"),
    T(25, "1", {4: "3"}, text="a" * 200),
    T(31, "1", {}, text="one, clearly one and nothing else"),
    T(53, "7", {50: "7"}, text="first one, then two, thus seven"),
]
WAYS = ("bubblewrap", "Landlock")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("work") / "datasets_cache"
    return write_pool(folder, {"p": TRACES, "q": TRACES[::-1]}, gold=GOLD)


@contextmanager
def confined_by(way: str) -> Iterator[None]:
    """Only this of the two at work, or a skipped test."""
    with pytest.MonkeyPatch.context() as patch:
        if way == "Landlock":
            patch.setattr(bubblewrap, "probe", lambda: (None, "bubblewrap: not installed"))
        elif bubblewrap.probe()[0] is None:
            pytest.skip(bubblewrap.probe()[1])
        yield


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    with confined_by(request.param):
        yield request.param


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(solve: str, before: str = "", name: str = "theirs.py") -> str:
    body = "\n".join("        " + line for line in solve.splitlines())
    Path(name).write_text(
        "import json, os, sys, threading, time\nimport numpy as np\n"
        f"from simulator import *\n{before}\n\n"
        f"class Theirs(Policy):\n    def solve(self, problem, sampler):\n{body}\n"
    )
    return name


def load_limited(spec: str, limits: Limits | None = None) -> LoadedPolicy:
    try:
        return load(spec, limits=limits or Limits())
    except NoSandbox as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("folder", "way")
def test_a_strangers_process_has_a_session_of_its_own_and_so_no_terminal() -> None:
    loaded = load_limited(write("return '1'"))
    pid = loaded.policy.process._process.pid  # type: ignore[attr-defined]
    assert os.getsid(pid) == pid


ASKED: dict[str, Any] = {"budget": 4, "seed": 3, "serving": Serving()}


def run(
    loaded: LoadedPolicy, problem: StoredProblem, repeats: int = 1, budget: int = 4
) -> Replayed:
    return replay(loaded, problem.fresh(), repeats=range(repeats), **{**ASKED, "budget": budget})


def answers(loaded: LoadedPolicy, problem: StoredProblem, repeats: int = 1) -> list[str]:
    return [str(each) for each in run(loaded, problem, repeats).answers["answer"].to_pylist()]


def told(loaded: LoadedPolicy, pool: Pool) -> str:
    with pytest.raises(PolicyError) as error:
        run(loaded, pool.problems[0])
    return str(error.value)


def running() -> dict[int, int]:
    """Return the parent of each process that has not ended, from /proc alone."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                parents[int(stat.parent.name)] = int(fields[1])
    return parents


def descendants() -> set[int]:
    """Find the processes that descend from this one."""
    parents = running()
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    before = descendants()
    yield
    gc.collect()  # an error that was caught holds on to what it went through
    deadline = time.monotonic() + 10
    while (left := descendants() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


# Attacks that look for something: all in one process

ATTACKS = {
    "gold from the disk": "open(TRACES, 'rb').read(4)",
    "gold with a library in C++": "__import__('pyarrow.parquet').parquet.read_table(TRACES)",
    "gold by mapping": "__import__('mmap').mmap(os.open(TRACES, os.O_RDONLY), 4, access=1)",
    "where the pool is": "os.listdir(POOL)",
    "what is beside it": "os.listdir(BESIDE)",
    "the file that it is itself": "open(BESIDE + '/theirs.py').read()",
    "a secret beside it": "open(BESIDE + '/secret').read()",
    "the home folder": "os.listdir(HOME)",
    "the host's memory": "os.pread(os.open(f'/proc/{HOST}/mem', os.O_RDONLY), 8, THERE)",
    "the host's memory by a call": "peek(HOST)",
    "the host as a debugger": "call('ptrace', 16, HOST, 0, 0)",
    "the host's environment": "open(f'/proc/{HOST}/environ', 'rb').read()",
    "the host's command line": "open(f'/proc/{HOST}/cmdline').read()",
    "the host's files": "os.listdir(f'/proc/{HOST}/fd')",
    "the disk through the host": "os.listdir(f'/proc/{HOST}/root/etc')",
    "the disk through its first process": "os.listdir('/proc/1/root/etc')",
    "the environment of its first process": "open('/proc/1/environ', 'rb').read()",
    "the starter's environment": "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "an open file": "files_open()",
    "a secret in its environment": "[each for each in os.environ.values() if SECRET in each]",
    "a secret that it was started with": "SECRET in open('/proc/self/environ').read()",
    "TCP": "__import__('socket').create_connection(('127.0.0.1', TCP))",
    "UDP": "udp()",
    "a socket of a service": "unix(BESIDE + '/service')",
    "a socket that has no file": "unix('\\0' + ABSTRACT)",
    "a socket of the kernel": "__import__('socket').socket(16, 3)",
    "to write beside itself": "open(BESIDE + '/written', 'w')",
    "to write to /tmp": "open('/tmp/written-by-a-policy', 'w')",
    "to write to shared memory": "open('/dev/shm/written-by-a-policy', 'w')",
    "to write where it stands": "open('written', 'w')",
    "to write into the packages": "open(os.path.dirname(np.__file__) + '/written.py', 'w')",
    "a folder": "os.mkdir('/tmp/made-by-a-policy')",
    "a link": "os.symlink(TRACES, '/tmp/link-by-a-policy')",
    "to remove": "os.remove(BESIDE + '/secret')",
    "to rename": "os.rename(BESIDE + '/secret', BESIDE + '/mine')",
    "times of a file": "os.utime(os.path.dirname(np.__file__), (1, 2))",
    "memory in a file": "fill_memory()",
    "a child": "os.fork()",
    "a child that Python does not know of": "fork()",
    "a program": "__import__('subprocess').run(['true'])",
    "a program by a call": "os.posix_spawn(sys.executable, [sys.executable], {})",
    "to become a program": "os.execv(sys.executable, [sys.executable, '-c', 'pass'])",
    "a signal to the host": "os.kill(HOST, 0)",
    "a signal to all": "os.kill(-1, 0)",
    "the host's limits": "__import__('resource').prlimit(HOST, 7, (8, 8))",
    "higher limits": "higher_limits()",
    "more open files than it may": "[open('/dev/null') for _ in range(2000)]",
    "the host's processors": "os.sched_setaffinity(HOST, os.sched_getaffinity(0))",
    "its own processors": "os.sched_setaffinity(0, os.sched_getaffinity(0))",
    "how the host is scheduled": "os.sched_setscheduler(HOST, 0, os.sched_param(0))",
    "the host's priority": "os.setpriority(os.PRIO_PROCESS, HOST, 0)",
    "the host's processor time": "time.clock_gettime((HOST ^ -1) << 3 | 2)",
    "which pages are in memory": "os.preadv(os.open(np.__file__, 0), [bytearray(1)], 0, 8)",
    "to drop pages": "os.posix_fadvise(os.open(np.__file__, 0), 0, 0, 4)",
    "pages read from the disk": "__import__('resource').getrusage(0)",
    "counts of pages": "open('/proc/vmstat').read()",
    "counts of its own pages": "open('/proc/self/smaps').read()",
    "what else runs": "open('/proc/loadavg').read()",
    "what its group uses": "open('/sys/fs/cgroup/memory.stat').read()",
    "a large file of no use": "open(LARGE, 'rb').read(1)",
    "a lock": "__import__('fcntl').flock(os.open(np.__file__, 0), 1)",
    "a namespace": "call('unshare', 0x10000000)",
    "a mount": "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
    "another root": "os.chroot('/usr')",
    "another user": "os.setuid(12345)",
    "keys of the kernel": "call('syscall', 250, 0, -3, 0)",
    "the pool among its objects": "from_the_host(gc.get_objects())",
    "the gold among its objects": "gold_in(gc.get_objects())",
    "the host among its frames": "[each for each in frames() if each.endswith('replaying.py')]",
}
HELPERS = """
import ctypes, gc
libc = ctypes.CDLL(None, use_errno=True)
def named():
    import pyarrow.parquet
def call(name, *arguments):
    result = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result or True
def peek(process):
    class Part(ctypes.Structure):
        _fields_ = (('base', ctypes.c_void_p), ('size', ctypes.c_size_t))
    mine = ctypes.create_string_buffer(8)
    here, there = Part(ctypes.addressof(mine), 8), Part(THERE, 8)
    return call('process_vm_readv', process, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
def fork():
    child = libc.fork()
    if child == 0:
        os._exit(0)
    if child < 0:
        raise OSError(ctypes.get_errno(), 'fork')
    return child
def files_open():
    found = []
    for number in range(256):
        try:
            found.append(os.pread(number, 1, 0))
        except OSError:
            continue
    return [each for each in found if each]
def udp():
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        return out.sendto(b'x', ('127.0.0.1', UDP))
def unix(name):
    import socket
    with socket.socket(socket.AF_UNIX) as out:
        out.connect(name)
        return True
def fill_memory():
    return os.write(os.memfd_create('x'), b'x')
def higher_limits():
    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        return resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
    except ValueError as error:
        raise OSError(error) from error
def from_the_host(objects):
    host = ('pools.pool', 'replay.engine', 'replay.replaying', 'replay.recording')
    names = [f'simulator.{name}' for name in host]
    return [str(type(each)) for each in objects if type(each).__module__ in names]
def gold_in(objects):
    gold = str(GOLD // 3)
    return [each for each in gc.get_referents(*objects) if type(each) is str and each == gold]
def frames():
    frame, found = sys._getframe(), []
    while frame:
        found.append(frame.f_code.co_filename)
        frame = frame.f_back
    return found
"""
TRY = """
sampler.decode(sampler.start(2))
gained = {}
for name, what in json.loads(WHAT).items():
    try:
        result = eval(what)
        gained[name] = None if result in ([], b'', False) else repr(result)[:99]
    except OSError:
        gained[name] = None
return json.dumps(gained)
"""


@dataclass(frozen=True)
class Target:
    """Targets of a policy: their folder, and policy source with their addresses."""

    folder: Path
    before: str


@pytest.fixture(scope="module")
def target(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("target")
    (folder / "secret").write_text("word")
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as tcp,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp,
        closing(socket.socket(socket.AF_UNIX)) as service,
        closing(socket.socket(socket.AF_UNIX)) as abstract,
    ):
        udp.bind(("127.0.0.1", 0))
        service.bind(str(folder / "service"))
        abstract.bind(f"\0{folder}")
        service.listen()
        abstract.listen()
        known = {
            "TRACES": str(pool.path / "traces.parquet"),
            "POOL": str(pool.path),
            "BESIDE": str(folder),
            "HOME": str(Path.home()),
            "HOST": os.getpid(),
            "THERE": id(object),
            "SECRET": "hush-hush",
            "TCP": tcp.getsockname()[1],
            "UDP": udp.getsockname()[1],
            "ABSTRACT": str(folder),
            "GOLD": 3 * int(GOLD),
            "LARGE": str(Path(pytest.__file__)),
            "WHAT": json.dumps(ATTACKS),
        }
        before = "\n".join(f"{name} = {value!r}" for name, value in known.items()) + HELPERS
        yield Target(folder, before)


def test_no_attack_gains_anything(
    pool: Pool, target: Target, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(target.folder)
    monkeypatch.setenv("API_TOKEN", "hush-hush")
    with nothing_left_behind():
        loaded = load_limited(write(TRY, target.before))
        gained = json.loads(answers(loaded, pool.problems[0])[0])
        del loaded
    assert gained == dict.fromkeys(ATTACKS)


HARMLESS = (
    "gold from the disk",
    "gold with a library in C++",
    "gold by mapping",
    "where the pool is",
    "what is beside it",
    "a secret beside it",
    "the home folder",
    "the host's memory",
    "the host's environment",
    "the host's command line",
    "the host's files",
    "the disk through the host",
    "an open file",
    "a secret in its environment",
    "TCP",
    "UDP",
    "a socket of a service",
    "a socket that has no file",
    "a socket of the kernel",
    "to write beside itself",
    "memory in a file",
    "a signal to the host",
    "the host's processors",
    "its own processors",
    "how the host is scheduled",
    "the host's priority",
    "the host's processor time",
    "which pages are in memory",
    "to drop pages",
    "pages read from the disk",
    "counts of pages",
    "counts of its own pages",
    "what else runs",
    "a large file of no use",
    "a lock",
    "the pool among its objects",
    "the gold among its objects",
    "the host among its frames",
)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_attacks_would_gain_in_this_process(
    pool: Pool, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(target.folder)
    monkeypatch.setenv("API_TOKEN", "hush-hush")
    harmless = {name: ATTACKS[name] for name in HARMLESS}
    file = write(TRY, f"{target.before}\nWHAT = {json.dumps(harmless)!r}", "here.py")
    with open("secret") as held:  # noqa: PTH123  (a descriptor for the attack to find)
        assert held.fileno() < 256
        gained = json.loads(answers(load(file, in_process=True), pool.problems[0])[0])
    assert [name for name in HARMLESS if not gained[name]] == []


# Attacks that never end

QUICK = Limits(seconds=0.7, banked=0, memory=1 << 30)

ENDLESS = {
    "spins": ("while True: pass", "", "took longer than 0.7 s"),
    "spins in C": ("sum(range(10**18))", "", "took longer than 0.7 s"),
    "sleeps": ("time.sleep(1000)", "", "took longer than 0.7 s"),
    "asks for ever": ("while True: sampler.clock", "", "took longer than 0.7 s"),
    "starts nothing for ever": (
        "while True: sampler.start(0)",
        "",
        "took longer than 0.7 s|sent the simulator|MemoryError|RuntimeError",
    ),
    "decodes nothing for ever": (
        "t = sampler.start(4)\nwhile True: sampler.decode(t, tokens=0)",
        "",
        "took longer than 0.7 s",
    ),
    "sends half a frame and waits": (
        "sampler._engine._channel.writer.write(b'\\x10\\0\\0\\0abc')\ntime.sleep(1000)",
        "",
        "took longer than 0.7 s",
    ),
    "asks and reads no answer": (
        "channel = sampler._engine._channel\n"
        "while True:\n    channel.send('clock', 0)\n    time.sleep(1e-4)",
        "",
        "took longer than 0.7 s|a message before its turn",
    ),
    "takes memory for ever": (
        "kept = []\nwhile True: kept.append(np.zeros(1 << 23))",
        "",
        "MemoryError",
    ),
    "maps memory for ever": (
        "import mmap\nkept = []\nwhile True: kept.append(mmap.mmap(-1, 1 << 26))",
        "",
        "OSError|MemoryError",
    ),
    "recurses for ever": (
        "sys.setrecursionlimit(2**31 - 1)\nreturn deeper()",
        "def deeper(): return deeper()",
        "MemoryError|crashed|took longer",
    ),
    "starts threads for ever": (
        "while True: threading.Thread(target=time.sleep, args=(1000,)).start()",
        "",
        "can't start new thread|took longer|MemoryError",
    ),
    "starts children for ever": ("while True: os.fork()", "", "PermissionError"),
    "opens files for ever": (
        "kept = []\nwhile True: kept.append(open('/dev/null'))",
        "",
        "OSError: .*Too many open files",
    ),
    "makes pipes for ever": ("while True: os.pipe()", "", "PermissionError"),
}


OF_ITS_PROCESSES = ("sleeps", "takes memory for ever", "starts threads for ever")
"""Those whose end bubblewrap has a part in."""


@pytest.mark.parametrize(
    ("way", "name"),
    [*(("Landlock", name) for name in ENDLESS), *(("bubblewrap", n) for n in OF_ITS_PROCESSES)],
    indirect=["way"],
)
def test_what_never_ends_is_ended(folder: Path, pool: Pool, way: str, name: str) -> None:
    solve, before, expected = ENDLESS[name]
    with nothing_left_behind():
        loaded = load_limited(write(solve, before), QUICK)
        began = time.monotonic()
        message = told(loaded, pool)
        assert time.monotonic() - began < 60  # and not for ever
        del loaded
    assert "\n" not in message
    assert message.startswith("theirs.py")
    assert re.search(expected, message)


@pytest.mark.parametrize("name", ENDLESS)
def test_beside_others_it_is_ended_as_well_and_so_are_they(
    folder: Path, pool: Pool, name: str
) -> None:
    solve, before, expected = ENDLESS[name]
    problem = pool.problems[0].fresh()
    with nothing_left_behind():
        loaded = load_limited(write(solve, before), QUICK)
        honest = load_limited(write("sampler.clock\nreturn '1'", name="honest.py"))
        with fresh(honest) as other:
            assignments = [
                (each, replaying(each, problem, repeats=repeats, **ASKED))
                for each, repeats in ((honest, range(40)), (loaded, [2]), (other, range(10**6)))
            ]
            with pytest.raises(PolicyError, match=expected) as error:
                side_by_side(assignments)
        assert str(error.value).startswith("theirs.py")
        assert str(error.value).endswith("(problem p, repeat 2)")
        del loaded, honest, other, assignments, error


def test_a_file_that_never_loads_is_ended(
    folder: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_limited(write("return '1'"))  # that it can be started in time
    monkeypatch.setattr(isolated_policy, "STARTING", 1.5)
    with (
        nothing_left_behind(),
        pytest.raises(PolicyError, match=r"^theirs.py: took longer than 1.5 s$"),
    ):
        load(write("return '1'", "while True: pass"), limits=Limits())
    del loaded


@pytest.mark.parametrize("solve", ["time.sleep(1000)", "while True: sampler.clock"])
def test_time_is_kept_in_a_thread_too(folder: Path, pool: Pool, solve: str) -> None:
    loaded = load_limited(write(solve), QUICK)
    messages: list[str] = []
    thread = threading.Thread(target=lambda: messages.append(told(loaded, pool)))
    thread.start()
    thread.join(60)
    assert messages == ["theirs.py: took longer than 0.7 s (problem p, repeat 0)"]


def test_what_is_not_used_is_saved_up_to_a_limit() -> None:
    bank = Bank(Limits(seconds=10, banked=25))
    seen = []
    for taken in (0, 4, 0, 35, 1, 100):
        seen.append(bank.allowed)
        bank.spend(taken)
    assert [*seen, bank.allowed] == [10, 20, 26, 35, 10, 19, 10]


def test_an_alarm_goes_off_inside_only_and_leaves_nothing_set() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(Overdue), interrupted_after(0.01):
        re.search("(a|a)*b", "a" * 99)
    with interrupted_after(0.01):
        pass
    time.sleep(0.02)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_policy_goes_on_after_it_was_ended(folder: Path, pool: Pool, way: str) -> None:
    loaded = load_limited(
        write("if problem.question.endswith('p?'): time.sleep(9)\nreturn '1'"), QUICK
    )
    assert "took longer" in told(loaded, pool)
    assert answers(loaded, pool.problems[1], 2) == ["1", "1"]


# The protocol

FRAME = """
import msgpack, struct
def framed(raw):
    return len(raw).to_bytes(4, 'little') + raw
def frame(*message):
    return framed(msgpack.packb(message))
def plain(started, tokens, first, *traces):
    head = struct.pack('=BIqq', 0, started, tokens, first)
    return framed(head + np.array(traces, np.int64).tobytes())
def send(sampler, raw):
    sampler._engine._channel.writer.write(raw)
"""
PROTOCOL = {
    "a frame of 4 GiB, the longest that there is": "b'\\xff\\xff\\xff\\xff' + b'x' * 100_000",
    "10 GB without end": "b'\\xff\\xff\\xff\\x00' + b'\\x91' * (17 << 20)",
    "noise": "__import__('random').Random(1).randbytes(1 << 20)",
    "what it printed": "b'the answer is 7\\n' * 9",
    "a trace that it has not": "frame('decode', 2, np.array([3]).tobytes(), 1, None, None)",
    "not a number": "frame('decode', 2, np.array([0]).tobytes(), float('nan'), None, None)",
    "tokens for another number of traces": (
        "frame('decode', 2, np.array([0, 1]).tobytes(), np.array([1]).tobytes(), None, None)"
    ),
    "fewer tokens than none": (
        "frame('decode', 2, np.array([0, 1]).tobytes(), np.array([1, -1]).tobytes(), None, None)"
    ),
    "half a number of tokens": "frame('decode', 2, np.array([0]).tobytes(), b'half', None, None)",
    "a plain decode of a trace that it has not": "plain(2, -1, 0, 2)",
    "a plain decode of one before the first": "plain(2, -1, 0, -1)",
    "a plain decode of a trace twice": "plain(2, -1, 0, 1, 1)",
    "a plain decode of fewer traces than it has started": "plain(1, -1, 0, 0)",
    "a plain decode of more than the budget": "plain(2**32 - 1, -1, 0, 0)",
    "a plain decode of fewer tokens than none": "plain(2, -2, 0, 0)",
    "a plain decode until fewer than none have finished": "plain(2, -1, -1, 0)",
    "half the head of a plain decode": "framed(bytes(9))",
    "a plain decode of half a trace": "framed(struct.pack('=BIqq', 0, 2, 1, 0) + b'half')",
    "plain decodes without waiting": "plain(2, 1, 0, 0) * 9",
    "an infinite share": "frame('bottom_signal', 2, 'entropy', b'', float('inf'), 3)",
    "an answer, and one for the next problem": (
        "frame('done', [2, 'text', '7']) + frame('done', [2, 'text', '7'])"
    ),
    "fewer traces than it has started": "frame('clock', 1)",
    "fewer traces in its answer": "frame('done', [1, 'text', '7'])",
    "a trace before the first": ("frame('decode', 2, np.array([-1]).tobytes(), None, None, None)"),
    "the last trace and one more": (
        "frame('decode', 2, np.array([1, 2]).tobytes(), None, None, None)"
    ),
    "questions without waiting": "frame('clock', 2) * 9",
}


@pytest.mark.parametrize("name", PROTOCOL)
def test_what_is_no_message_in_its_turn_ends_the_process(
    folder: Path, pool: Pool, way: str, name: str
) -> None:
    solve = f"sampler.start(2)\nsampler.clock\nsend(sampler, {PROTOCOL[name]})\nreturn '7'"
    loaded = load_limited(write(solve, FRAME))
    with pytest.raises(PolicyError, match=r"sent the simulator .*only the sampler may use"):
        run(loaded, pool.problems[0], repeats=2)


def test_a_stopped_trace_is_not_decoded_however_it_is_asked(
    folder: Path, pool: Pool, way: str
) -> None:
    solve = (
        "traces = sampler.start(2)\n"
        "sampler.decode(traces, tokens=3)\n"
        "sampler.stop(traces)\n"
        "sampler._engine.stopped[:] = False\n"
        "try:\n    sampler._engine.decode(traces._index, 99, None, None)\n"
        "except SamplerError as error:\n    return 'refused'"
    )
    done = run(load_limited(write(solve)), pool.problems[0])
    assert done.answers["answer"].to_pylist() == ["refused"]
    assert done.answers["tokens"].to_pylist() == [6]


def test_replaced_functions_change_nothing_that_is_recorded(
    folder: Path, pool: Pool, way: str
) -> None:
    honest = "traces = sampler.start(3)\nsampler.decode(traces, tokens=20)\nreturn '1'"
    forged = (
        "import simulator.isolation.remote_engine as remote, simulator.policy.solving as solving\n"
        "engine = sampler._engine\n"
        "traces = sampler.start(3)\nsampler.decode(traces, tokens=20)\n"
        "engine.num_tokens[:] = 0\n"
        "engine.finished[:] = True\n"
        "engine.answer[:] = 0\n"
        "engine.budget = 10**6\n"
        "type(sampler).tokens = 0\n"
        "type(sampler).clock = 0\n"
        "remote.RemoteEngine.stop = lambda *_: None\n"
        "solving.plain_answer = lambda answer, file: answer\n"
        "sampler.stop(traces)\n"
        "return '1'"
    )
    one = run(load_limited(write(honest)), pool.problems[0], 2)
    other = run(load_limited(write(forged, name="forged.py")), pool.problems[0], 2)
    assert other.decisions.equals(one.decisions)
    assert other.answers.equals(one.answers)


def test_a_budget_that_it_raised_itself_is_not_given(folder: Path, pool: Pool, way: str) -> None:
    solve = "sampler._engine.budget = 4\nsampler._engine.start(4)\nsampler.clock\nreturn '1'"
    loaded = load_limited(write(solve))
    with pytest.raises(PolicyError, match="sent the simulator"):
        run(loaded, pool.problems[0], budget=3)


def test_a_class_that_nothing_has_shown_is_no_answer(folder: Path, pool: Pool, way: str) -> None:
    solve = "sampler._engine.finished[:] = True\nsampler._engine.answer[:] = 0\nreturn np.int32(0)"
    assert "which it has not seen" in told(load_limited(write(solve)), pool)


ENDINGS = {
    "exits": ("os._exit(7)", r"ended its own process \(exit status 7\)"),
    "crashes": ("__import__('ctypes').string_at(0)", r"crashed \(SIGSEGV\)"),
    "kills itself": ("os.kill(os.getpid(), 9)", "was killed"),
    "hangs up amid a frame": (
        "writer = sampler._engine._channel.writer\n"
        "writer.write(b'\\x10\\0\\0\\0abc')\nwriter.close()\nsampler.clock",
        "theirs.py",
    ),
    "hangs up": ("sampler._engine._channel.writer.close()\nsampler.clock", "theirs.py"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_how_its_process_ended_is_told(folder: Path, pool: Pool, way: str, name: str) -> None:
    solve, expected = ENDINGS[name]
    with nothing_left_behind():
        assert re.search(expected, told(load_limited(write(solve)), pool))


@pytest.mark.usefixtures("folder")
def test_an_end_after_an_answer_is_told_as_one_too(pool: Pool) -> None:
    with confined_by("Landlock"):  # bubblewrap's own process ends before the policy's
        loaded = load_limited(write("return '1'"))
        assert answers(loaded, pool.problems[0]) == ["1"]
        process = loaded.policy.process  # type: ignore[attr-defined]
        process.kill()
        process._process.wait(60)
        assert "its process was killed" in told(loaded, pool)


# What it keeps, and what it prints


def test_nothing_is_kept_from_one_process_to_the_next(folder: Path, pool: Pool, way: str) -> None:
    solve = (
        "seen.append(1)\n"
        "for place in ('/tmp/kept', '/dev/shm/kept', '/var/tmp/kept', 'kept', '/kept'):\n"
        "    try:\n        open(place, 'a').write('1')\n"
        "        seen.append(open(place).read())\n"
        "    except OSError:\n        continue\n"
        "return str(len(seen))"
    )
    loaded = load_limited(write(solve, "seen = []"))
    assert answers(loaded, pool.problems[0], 2) == ["1", "2"]  # one process remembers
    with fresh(loaded) as again:
        assert again.limits == Limits()
        assert layers(again) == layers(loaded)
        assert answers(again, pool.problems[1]) == ["1"]


def test_what_it_prints_is_kept_apart_and_cut(
    folder: Path, pool: Pool, way: str, capfd: pytest.CaptureFixture[str]
) -> None:
    solve = (
        "print('\\x1b[2J first')\nos.write(2, b'second\\n')\n"
        "for _ in range(1000): os.write(1, b'x' * 100_000)\nreturn '1'"
    )
    loaded = load_limited(write(solve), Limits(output=1000))
    assert answers(loaded, pool.problems[0]) == ["1"]
    loaded.policy.process.close()  # type: ignore[attr-defined]
    text = output(loaded)
    assert text.startswith("\\x1b[2J first\nsecond\nxxx")
    assert text.endswith("x\n[cut after 1,000 bytes]\n")
    assert len(text) < 1100
    assert capfd.readouterr() == ("", "")


def test_what_it_says_is_wrong_moves_no_cursor(folder: Path, pool: Pool, way: str) -> None:
    message = told(
        load_limited(write("raise RuntimeError('\\x1b]0;title\\x07 \\x00\\u202e')")), pool
    )
    assert message.isprintable()
    assert "\\x1b]0;title\\x07 \\x00\\u202e" in message


# Starting and ending


def test_what_holds_it_is_named(folder: Path, way: str) -> None:
    held = layers(load_limited(write("return '1'")))
    assert ("rlimits" in held, "seccomp" in held) == (True, True)
    assert any(name.startswith("bubblewrap ") for name in held) is (way == "bubblewrap")
    if way == "Landlock":
        assert held[0].startswith("Landlock ")
    assert layers(load("cons@4", limits=Limits())) == ()


def test_nothing_of_it_is_run_where_nothing_holds_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = "from simulator.isolation import worker; worker.restrict = lambda _: None; "
    monkeypatch.setattr(
        isolated_policy, "_START", isolated_policy._START.replace("from", without + "from", 1)
    )
    monkeypatch.setattr(bubblewrap, "probe", lambda: (None, "bubblewrap: not installed"))
    with (
        nothing_left_behind(),
        pytest.raises(
            NoSandbox, match=r"not run \(bubblewrap: not installed; this kernel has no Landlock\)"
        ) as error,
    ):
        load(write("return '1'", "print('it ran')"), limits=Limits())
    assert isinstance(error.value, UserError)


def test_a_strangers_policy_never_runs_in_this_process(folder: Path) -> None:
    with pytest.raises(UserError, match="not run in this process"):
        load(write("return '1'"), limits=Limits(), in_process=True)


@pytest.mark.parametrize("limits", [{"seconds": 0}, {"banked": -1}, {"memory": 0}, {"output": -1}])
def test_a_limit_that_nothing_keeps_to_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="impossible limit"):
        Limits(**limits)


def test_a_probe_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = bubblewrap.probe.__wrapped__
    monkeypatch.setenv("PATH", str(tmp_path))
    assert asked() == (None, "bubblewrap: not installed (package bubblewrap)")
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'setting up uid map: no' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    assert asked() == (None, "bubblewrap: does not work here (setting up uid map: no)")
    (tmp_path / "bwrap").write_text(
        '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\n"$@"\n'
    )
    assert asked()[0] is None, "it confines nothing"


def test_a_process_ends_with_its_policy_and_with_its_host(folder: Path, way: str) -> None:
    with nothing_left_behind():
        loaded = load_limited(write("return '1'"))
        del loaded
    write("return '1'")
    host = (
        "from simulator.isolation import bubblewrap, host\n"
        "from simulator.loading import Limits\n"
        f"if {way!r} == 'Landlock': bubblewrap.probe = lambda: (None, '')\n"
        "loaded = host.load('theirs.py', limits=Limits())\n"
        "print('ready', flush=True)\nimport time; time.sleep(1000)"
    )
    with nothing_left_behind():
        others = descendants()  # of tests before this one in the same process
        process = subprocess.Popen([sys.executable, "-c", host], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        started = descendants() - others
        assert len(started) > 1, "the host and its policy"
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 10
        while started & running().keys():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_run_is_the_same_bytes_held_or_not(folder: Path, pool: Pool, way: str) -> None:
    file = write(
        "traces = sampler.start(4)\nsampler.decode(traces, tokens=int(sampler.rng.integers(30)))\n"
        "first = sampler.decode(traces, first=2)\nreturn majority_vote(first)"
    )
    for name, loaded, jobs in (
        ("plain", load(file), 1),
        ("limited", load_limited(file), 1),
        ("jobs", load_limited(file), 2),
    ):
        spec = RunSpec(loaded, [pool], 4, 3, 5, Serving())
        make_run(spec, folder / name, jobs=jobs)
    for name in ("limited", "jobs"):
        for table in ("decisions.parquet", "answers.parquet", "summary.json"):
            assert (folder / name / table).read_bytes() == (folder / "plain" / table).read_bytes()


# What later processes could find


def in_memory(file: Path) -> bool:
    """Check that all pages of a file are in the kernel's memory."""
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size == 0:
            return True
        with mmap.mmap(stream.fileno(), size, mmap.MAP_PRIVATE) as mapped:
            pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
            start = ctypes.c_void_p(np.frombuffer(mapped, np.uint8).ctypes.data)
            libc = ctypes.CDLL(None, use_errno=True)
            assert libc.mincore(start, ctypes.c_size_t(size), pages) == 0
            return all(page & 1 for page in pages)


def test_all_that_it_may_read_is_in_memory_when_it_starts(
    folder: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it could leave numbers for later processes, by which parts of a file it reads."""
    loaded = load_limited(write("return '1'", "import pydoc_data"))
    may_read = loaded.policy.process._readable_to_it  # type: ignore[attr-defined]
    dropped = Path(os.__file__).with_name("pydoc_data") / "topics.py"
    assert any(dropped.is_relative_to(tree) for tree in may_read.trees)
    with dropped.open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if in_memory(dropped):
        pytest.skip("this file system keeps files in memory")
    monkeypatch.setattr(sandbox, "_reclaimed", ["pgsteal_file 1"])  # as if the kernel had
    with fresh(loaded) as again:
        assert answers(again, pool.problems[0]) == ["1"]
    assert in_memory(dropped)


PAIR = """
file = os.open(os.path.dirname(os.__file__) + "/_pydecimal.py", os.O_RDONLY)
with suppress(OSError):
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)

def is_there(place):
    try:
        os.preadv(file, [bytearray(1)], place, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except PermissionError:
        began = time.perf_counter()
        os.pread(file, 1, place)
        return time.perf_counter() - began < 2e-5
    return True

places = [(number + 2) * mmap.PAGESIZE for number in range(48)]
if not self.message:
    return "".join("01"[is_there(place)] for place in places)
with suppress(OSError):
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
for place, bit in zip(places, self.message):
    if bit == "1":
        os.pread(file, 1, place)
return "left"
"""
"""Two processes: one with a message leaves it in the page cache, one without looks for it."""


def test_a_process_leaves_no_message_in_the_page_cache(folder: Path, pool: Pool, way: str) -> None:
    file = write(PAIR, "import mmap\nfrom contextlib import suppress")
    source = Path(file).read_text().replace("(Policy):", "(Policy):\n    message = ''")
    message = "".join("01"[bit] for bit in np.random.default_rng(7).integers(0, 2, 48))

    def passed_on(**how: Any) -> str:
        for settings in ({"message": message}, {}):
            with fresh(load(file, settings, source, **how)) as process:
                [answer] = answers(process, pool.problems[0])
        return answer

    try:
        assert passed_on(limits=Limits()) != message
        if passed_on(in_process=True) != message:
            pytest.skip("this file system keeps files in memory, or drops none")
    finally:
        Path(os.__file__).with_name("_pydecimal.py").read_bytes()  # all of it, as before


def test_it_cannot_change_how_or_where_a_process_runs(folder: Path, pool: Pool, way: str) -> None:
    """Its host is its parent without bubblewrap; all of these could hold bits as well."""

    def state() -> list[Any]:
        mine = os.getpid()
        ranked = os.getpriority(os.PRIO_PROCESS, mine), os.sched_getscheduler(mine)
        return [os.sched_getaffinity(mine), *ranked]

    solve = (
        "told = []\n"
        "for process in (os.getppid(), 0):\n"
        "    for call in (\n"
        "        lambda: os.sched_setaffinity(process, {0}),\n"
        "        lambda: os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0)),\n"
        "        lambda: os.setpriority(os.PRIO_PROCESS, process, 19),\n"
        "        lambda: os.getpriority(os.PRIO_PROCESS, process),\n"
        "    ):\n"
        "        try: told.append(str(call()))\n"
        "        except OSError as error: told.append(type(error).__name__)\n"
        "return ' '.join(told)"
    )
    before = state()
    assert answers(load_limited(write(solve)), pool.problems[0]) == [
        " ".join(["PermissionError"] * 8)
    ]
    assert state() == before


def test_it_reads_no_files_but_those(folder: Path, pool: Pool, way: str) -> None:
    """Large files of no use, as static libraries and packages that it does not name, are closed."""
    solve = (
        "import glob, sys\nfound = glob.glob(sys.base_prefix + '/lib/**/*.a', recursive=True)\n"
        "found += glob.glob(sys.base_prefix + '/lib/**/*.whl', recursive=True)\n"
        "found += [os.path.dirname(np.__path__[0]) + '/pyarrow/__init__.py']\n"
        "for name in found:\n"
        "    try: open(name, 'rb').read(1)\n"
        "    except OSError: continue\n"
        "    return name\n"
        "return str(len(found) > 0)"
    )
    assert answers(load_limited(write(solve)), pool.problems[0]) == ["True"]


def test_it_imports_the_packages_that_its_source_names(folder: Path, pool: Pool, way: str) -> None:
    before = "import pandas\ndef later():\n    from sklearn.cluster import KMeans\n"
    loaded = load_limited(write("later()\nreturn str(len(pandas.Series([1, 2])))", before))
    assert answers(loaded, pool.problems[0]) == ["2"]
    hidden = "__import__('sk' + 'learn')\nreturn '1'"
    assert "No module named 'sklearn': of the packages that are installed, a policy that is " in (
        told(load_limited(write(hidden)), pool)
    )


@pytest.mark.parametrize("lacking", [[], ["seccomp"], ["Landlock"], ["Landlock", "seccomp"]])
def test_a_process_without_either_list_of_what_is_allowed_proves_nothing(
    folder: Path, lacking: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_limited(write("return '1'"))
    has = [each for each in ("Landlock 7", "seccomp") if each.split()[0] not in lacking]
    monkeypatch.setattr(loaded.policy.process, "layers", ("bubblewrap 0.8.0", *has))  # type: ignore[attr-defined]
    assert missing_layers(loaded).startswith(
        f"it ran without {' and '.join(lacking)}, so" if lacking else ""
    )
    assert bool(missing_layers(loaded)) == bool(lacking)
    assert missing_layers(load("cons@4")) == ""


def test_it_imports_what_is_installed_and_its_source_can_be_read(
    folder: Path, pool: Pool, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = "import inspect, scipy.stats, statistics, zoneinfo\nzoneinfo.ZoneInfo('Europe/Paris')"
    loaded = load_limited(write("return inspect.getsource(type(self))[:12]", before))
    assert answers(loaded, pool.problems[0]) == ["class Theirs"]
    Path("helper.py").write_text("")
    monkeypatch.syspath_prepend(str(folder))
    load(write("return '1'", "import helper"))  # one's own file may
    with pytest.raises(PolicyError, match="ModuleNotFoundError: No module named 'helper'"):
        load(write("return '1'", "import helper"), limits=Limits())
