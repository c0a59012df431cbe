"""Policies in a process of their own: the same bytes, and one line for whatever they do to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from pools import T, write_pool

from simulator.errors import PolicyError, UserError
from simulator.isolation.host import begun, fresh, load, restriction
from simulator.isolation.process import MAX_TOLD
from simulator.isolation.sandbox import REMEDY
from simulator.isolation.seccomp import can_restrict_calls
from simulator.loading import LoadedPolicy
from simulator.pools.pool import Pool, StoredProblem
from simulator.replay.recording import Replayed
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving

TRACES = [
    T(12, "7", {5: "7", 9: "1"}, text="So the answer may well be seven, wait"),
    T(25, "1", {4: "3"}, text="Let me think about this: it is one"),
    T(31, "1", {}, text="one, clearly one and nothing else"),
    T(42, None, {7: "1"}, text="I do not know what to say about it"),
    T(53, "7", {50: "7"}, text="first one, then two, thus seven"),
    T(64, "3", {}, text="three"),
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return write_pool(
        tmp_path_factory.mktemp("work") / "datasets_cache", {"p": TRACES, "q": TRACES[::-1]}
    )


@pytest.fixture
def folder(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(solve: str, before: str = "", name: str = "mine.py") -> str:
    body = "\n".join("        " + line for line in solve.splitlines())
    Path(name).write_text(
        "import os, sys, time\nimport numpy as np\n"
        f"from simulator import *\n{before}\n\n"
        f"class Mine(Policy):\n    def solve(self, problem, sampler):\n{body}\n"
    )
    return name


def run(
    loaded: LoadedPolicy, problem: StoredProblem, repeats: int = 3, budget: int = 5
) -> Replayed:
    return replay(
        loaded,
        problem.fresh(),
        budget=budget,
        repeats=range(repeats),
        seed=3,
        serving=Serving(),
    )


def told(pool: Pool, solve: str, before: str = "") -> str:
    """Return the one line of the error that a policy ends with."""
    loaded = load(write(solve, before))
    with pytest.raises(PolicyError) as error:
        run(loaded, pool.problems[0])
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("mine.py")
    assert message.endswith(" (problem p, repeat 0)")
    return message


# What a policy does to its process

ENDINGS = {
    "exits": ("os._exit(7)", "", r"ended its own process \(exit status 7\)"),
    "exits politely": ("sys.exit(3)", "", "mine.py:8: SystemExit: 3"),
    "interrupts": ("raise KeyboardInterrupt", "", "mine.py:8: KeyboardInterrupt"),
    "crashes": ("import ctypes\nctypes.string_at(0)", "", r"crashed \(SIGSEGV\)"),
    "is killed": ("os.kill(os.getpid(), 9)", "", "was killed"),
    "recurses": ("return deeper()", "def deeper():\n    return deeper()", "RecursionError"),
    "eats memory": ("return bytearray(1 << 60)", "", "MemoryError"),
    "closes everything": ("os.closerange(0, 1000)\nsampler.clock", "", "mine.py"),
    "closes and returns": ("os.closerange(3, 1000)\nreturn '1'", "", "ended its own process"),
    "forks": ("os.fork()", "", "mine.py:8: PermissionError: a policy cannot start other processes"),
    "starts a program": (
        "import subprocess\nsubprocess.run(['true'])",
        "",
        "mine.py:9: PermissionError: a policy cannot start other processes",
    ),
    "debugs": ("breakpoint()", "", r"mine.py:8: RuntimeError: breakpoint\(\) needs.*--in-process"),
    "raises at length": ("raise RuntimeError('x' * 10**7)", "", "RuntimeError: x{1000} "),
    "raises oddly": (
        "raise Odd",
        "class Odd(BaseException):\n    def __str__(self): os.abort()",
        "crashed",
    ),
    "answers at length": ("return 'x' * 10**7", "", "a text of 10,000,000 characters"),
    "uses a user error": (
        "from simulator.errors import UserError\nraise UserError('me')",
        "",
        "me",
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_whatever_a_policy_does_to_its_process_is_one_line(
    folder: Path, pool: Pool, name: str
) -> None:
    solve, before, expected = ENDINGS[name]
    assert re.search(expected, told(pool, solve, before))


FORGED = """
import stat, msgpack
class Connection:
    def __init__(self, number):
        self.number = number
    def sendall(self, raw):
        while raw:
            raw = raw[os.write(self.number, raw):]
def find():
    for number in range(3, 4096):  # as many as the tests of this process have open
        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                os.write(number, b'')
                return Connection(number)
        except OSError:
            continue
"""
WRITE = """
raw = msgpack.packb({message})
find().sendall(len(raw).to_bytes(4, 'little') + raw)
return '1'
"""
MESSAGES = {
    "no array": "{'a': 1}",
    "nothing": "[]",
    "no name": "[3, 4]",
    "an unknown operation": "['hindsight', 0]",
    "a private attribute": "['_length', 0]",
    "a loaded policy": "['load', 1]",
    "too few fields": "['decode', 0, b'']",
    "too many fields": "['clock', 0, 1]",
    "a trace not started": "['stop', 4, np.array([4]).tobytes()]",
    "a trace before the first": "['stop', 4, np.array([-1]).tobytes()]",
    "a trace twice": "['decode', 1, np.array([0, 0]).tobytes(), None, None, None]",
    "an array cut off": "['stop', 0, b'123']",
    "an array of another kind": "['stop', 0, [0]]",
    "half a pair": "['judge', 0, np.array([0]).tobytes()]",
    "more than the budget": "['clock', 6]",
    "fewer than none": "['clock', -1]",
    "true for a number": "['clock', True]",
    "a fraction": "['clock', 1.5]",
    "no number": "['clock', b'1']",
    "more than the budget in an answer": "['done', [6, 'text', '7']]",
    "a state that repeats itself": (
        "['greedy_clusters', 0, 0, [bytes(16), bytes(16), 0, 0], 0.5, 1, 1, False]"
    ),
    "a threshold that is none": (
        "['greedy_clusters', 0, 0, [bytes(16), b'1' * 16, 0, 0], float('nan'), 1, 1, False]"
    ),
    "a state cut off": (
        "['greedy_clusters', 0, 0, [bytes(16), b'1' * 15, 0, 0], 0.5, 1, 1, False]"
    ),
    "a state of one number": "['greedy_clusters', 0, 0, b'1' * 16, 0.5, 1, 1, False]",
    "a number for true": ("['greedy_clusters', 0, 0, [bytes(16), b'1' * 16, 0, 0], 0.5, 1, 1, 1]"),
    "not a number": "['decode', 0, b'', float('nan'), None, None]",
    "a share that is none": "['bottom_signal', 0, 'entropy', b'', float('nan'), 3]",
    "a signal of no name": "['mean_signal', 0, 'surprise', b'', 3]",
    "a signal that is no name": "['lowest_signal', 0, ['entropy'], b'', 3]",
    "a rule of no name": "['decode', 0, b'', None, [['Nothing', []]], None]",
    "a rule on a signal of no name": (
        "['decode', 0, b'', None, [['SignalAbove', ['x', 1, 1]]], None]"
    ),
    "a rule that is none": "['decode', 0, b'', None, [['ProbesAgree', [0]]], None]",
    "a rule of a kind of its own": "['decode', 0, b'', None, [['AnyOf', [1, 2]]], None]",
    "a rule in a rule": "['decode', 0, b'', None, [['ProbesAgree', [[[1]]]]], None]",
    "an answer that is none": "['done', [0, 'text', 7]]",
    "a class that is none": "['done', [0, 'class', 2**40]]",
    "an answer cut off": "['done', ['text', '7']]",
    "an answer of bytes": "['done', b'1']",
    "an extension": "[msgpack.ExtType(5, b'x')]",
    "a time": "[msgpack.Timestamp(1, 2)]",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_forged_message_is_refused(folder: Path, pool: Pool, name: str) -> None:
    message = told(pool, WRITE.replace("{message}", MESSAGES[name]), FORGED)
    assert re.search("sent the simulator .*only the sampler may use the connection", message)


def test_a_long_story_is_cut_short(folder: Path, pool: Pool) -> None:
    story = "['policy', 'mine.py: ' + 'so it is ' * 100_000]"
    message = told(pool, WRITE.replace("{message}", story), FORGED)
    assert "so it is so it is" in message
    assert len(message) < 2 * MAX_TOLD


RAW = {
    "noise": "b'\\xff\\xff\\xff\\x7f' + os.urandom(100)",
    "a length beyond bounds": "(2**31).to_bytes(4, 'little')",
    "a frame of noise": "(3).to_bytes(4, 'little') + b'\\xc1\\xc1\\xc1'",
    "trailing bytes": "(3).to_bytes(4, 'little') + b'\\x91\\x01\\x02'",
    "a nest": "(100_000).to_bytes(4, 'little') + b'\\x91' * 100_000",
    "an array said to be huge": "(5).to_bytes(4, 'little') + b'\\xdd\\xff\\xff\\xff\\xff'",
    "a text cut off": "(2).to_bytes(4, 'little') + b'\\xd9\\xff'",
    "a text that is no UTF-8": "(4).to_bytes(4, 'little') + b'\\x91\\xa2\\xff\\xfe'",
    "half a length and an end": "b'\\x01\\x00'",
}


@pytest.mark.parametrize("name", RAW)
def test_bytes_that_are_no_message_are_refused(folder: Path, pool: Pool, name: str) -> None:
    solve = f"find().sendall({RAW[name]})\nos._exit(0)"
    assert re.search("sent the simulator|ended its own", told(pool, solve, FORGED))


def test_a_policy_goes_on_after_one_that_broke(folder: Path, pool: Pool) -> None:
    loaded = load(write("if problem.question.endswith('p?'): os._exit(1)\nreturn '1'"))
    with pytest.raises(PolicyError, match="exit status 1"):
        run(loaded, pool.problems[0])
    assert run(loaded, pool.problems[1]).answers["answer"].to_pylist() == ["1"] * 3


def test_what_it_prints_goes_to_standard_error_and_breaks_nothing(
    folder: Path, pool: Pool, capfd: pytest.CaptureFixture[str]
) -> None:
    solve = (
        "print('printed')\nos.write(1, b'to 1\\n')\nos.write(2, b'to 2\\n')\n"
        "assert sys.stdin.read() == ''\nprint(chr(0xd800))\nreturn '1'"
    )
    answers = run(load(write(solve)), pool.problems[0], repeats=1).answers
    assert answers["answer"].to_pylist() == ["1"]
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == ["printed", "to 1", "to 2", "\\ud800"]


def test_a_damaged_pool_is_not_blamed_on_the_policy(folder: Path) -> None:
    damaged = write_pool(folder / "cache", {"p": TRACES})
    (damaged.path / "probes.parquet").write_bytes(b"not Parquet")
    loaded = load(write("sampler.probe(sampler.start(2))"))
    with pytest.raises(UserError, match=r"probes\.parquet: cannot be read") as error:
        run(loaded, damaged.problems[0])
    assert not isinstance(error.value, PolicyError)


def test_frames_of_any_size_arrive(folder: Path, pool: Pool) -> None:
    solve = (
        "words = tuple(f'word{n:040}' for n in range(3000))\n"
        "traces = sampler.start(5)\n"
        "sampler.decode(traces, until=ReasoningWords(1, words=words) | TextMatches('x' * 9000))\n"
        "return str(traces.finished.all())"
    )
    assert run(load(write(solve)), pool.problems[0]).answers["answer"].to_pylist() == ["True"] * 3


def test_another_folder_is_the_policys_own_affair(folder: Path, pool: Pool) -> None:
    run(load(write("os.chdir('/')\nreturn '1'")), pool.problems[0])
    assert Path.cwd() == folder


# Loading


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("1 / 0", "mine.py:4: ZeroDivisionError: division by zero"),
        ("os._exit(0)", "mine.py: ended its own process (exit status 0)"),
        ("raise SystemExit", "mine.py:4: SystemExit"),
        ("import nothing_of_the_kind", "mine.py:4: ModuleNotFoundError: No module named"),
        (
            "class Other(Policy):\n    def solve(self, problem, sampler): pass",
            "mine.py: 2 policies",
        ),
    ],
)
def test_a_file_that_does_not_load_is_one_line(folder: Path, before: str, expected: str) -> None:
    with pytest.raises(PolicyError) as error:
        load(write("pass", before))
    assert str(error.value).startswith(expected)


def test_a_file_is_never_run_in_this_process(folder: Path, pool: Pool) -> None:
    loaded = load(write(f"return str(os.getpid() == {os.getpid()})", "sys.stop_here = 1"))
    assert not hasattr(sys, "stop_here")
    assert run(loaded, pool.problems[0]).answers["answer"].to_pylist() == ["False"] * 3
    loaded = load("mine.py", in_process=True)
    assert run(loaded, pool.problems[0]).answers["answer"].to_pylist() == ["True"] * 3
    del sys.stop_here  # type: ignore[attr-defined]


def test_parameters_reach_the_policy_and_are_told(folder: Path, pool: Pool) -> None:
    file = write("return f'{self.tau} {self.name}'")
    text = Path(file).read_text().replace("    def", "    tau = 0.5\n    name = 'x'\n    def")
    Path(file).write_text(text)
    one, two = load(file, {"tau": "0.25"}), load(file, {"name": "y"})
    assert (one.parameters, two.parameters) == (
        {"tau": 0.25, "name": "x"},
        {"tau": 0.5, "name": "y"},
    )
    for loaded, answer in ((one, "0.25 x"), (two, "0.5 y"), (one, "0.25 x")):
        assert run(loaded, pool.problems[0], 1).answers["answer"].to_pylist() == [answer]
    with pytest.raises(UserError, match=r"-p taw: mine.py has no such parameter; did you mean tau"):
        load(file, {"taw": "1"})


def test_a_fresh_policy_has_seen_nothing(folder: Path, pool: Pool) -> None:
    loaded = load(write("seen.append(1)\nreturn str(len(seen))", "seen = []"))
    assert run(loaded, pool.problems[0]).answers["answer"].to_pylist() == ["1", "2", "3"]
    with fresh(loaded) as again:
        assert run(again, pool.problems[0], 1).answers["answer"].to_pylist() == ["1"]
    assert run(loaded, pool.problems[0], 1).answers["answer"].to_pylist() == ["4"]


# What a policy may see


def test_the_process_holds_nothing_that_leads_to_the_pool(folder: Path, pool: Pool) -> None:
    solve = (
        "sampler.start(2)\n"
        "import gc\n"
        "heavy = [m for m in sys.modules if m.split('.')[0] in "
        "('pyarrow', 'pandas', 'duckdb', 'scipy', 'sympy', 'math_verify', 'click')]\n"
        "mine = [m for m in sys.modules if m.split('.')[0] == 'simulator' "
        "and m.split('.')[-1] in ('pool', 'engine', 'replay', 'recording')]\n"
        "environment = [name for name in os.environ if name.startswith('DEEPPRUNE')]\n"
        "state = sorted(vars(sampler._engine))\n"
        "return repr((heavy, mine, environment, state, sys.argv))"
    )
    os.environ["DEEPPRUNE_SIM_CACHE"] = str(folder)
    try:
        answer = run(load(write(solve)), pool.problems[0], 1).answers["answer"].to_pylist()[0]
    finally:
        del os.environ["DEEPPRUNE_SIM_CACHE"]
    visible = ["_channel", "_numbers", "_one_at_a_time", "answer", "answered"]
    visible += ["budget", "finished", "num_tokens", "started", "stopped"]
    assert answer == repr(([], [], [], visible, ["policy"]))


READS = {
    "pyarrow": "import pyarrow.parquet as pq\nreturn str(pq.read_table(path)['answer'][0])",
    "duckdb": "import duckdb\nreturn str(duckdb.sql(f\"SELECT * FROM '{path}'\").fetchall())",
    "open": "with open(path, 'rb') as file: return str(len(file.read()))",
}


@pytest.mark.parametrize("how", READS)
def test_a_policy_that_looks_for_the_pools_is_refused(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.chdir(pool.path.parents[3])  # beside datasets_cache, as users do
    solve = "path = 'datasets_cache/test/model/tiny/traces.parquet'\n" + READS[how]
    file = write(solve)
    assert run(load(file, in_process=True), pool.problems[0], 1)  # it would work
    loaded = load(file)
    if restriction(loaded) is None:
        pytest.skip("this kernel has no Landlock")
    with pytest.raises(PolicyError, match=rf"mine.py:\d+: .*Permission denied.*; {REMEDY} \("):
        run(loaded, pool.problems[0])


@pytest.mark.parametrize("listed", [False, True])
def test_a_policy_finds_no_pool_to_read(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    work = pool.path.parents[3]
    monkeypatch.chdir(work)
    if listed:
        monkeypatch.syspath_prepend("")  # as `python -m` does: what is there can be imported
    solve = (
        "import glob\n"
        "for path in glob.glob('**/*', recursive=True):\n"
        "    if os.path.isfile(path) and path != 'mine.py':\n"
        "        try:\n            open(path).close()\n"
        "        except PermissionError:\n            continue\n"
        "        return path\n"
    )
    loaded = load(write(solve))
    if restriction(loaded) is None:
        pytest.skip("this kernel has no Landlock")
    assert run(loaded, pool.problems[0], 1).answers["answer"].to_pylist() == [None]
    in_process = load("mine.py", in_process=True)
    assert run(in_process, pool.problems[0], 1).answers["answer"].to_pylist() != [None]


@pytest.mark.parametrize(
    "solve",
    [
        "open('written', 'w')",
        "os.mkdir('made')",
        "os.remove('mine.py')",
        "open(os.path.expanduser('~/.profile'))",
        "open(f'/proc/{os.getppid()}/environ')",
        "os.kill(os.getppid(), 15)",
        "import socket\nsocket.create_connection(('127.0.0.1', 1))",
        "open('data.json')",
    ],
)
def test_a_policy_reaches_nothing_else(folder: Path, pool: Pool, solve: str) -> None:
    Path("data.json").write_text("{}")
    loaded = load(write(solve))
    version = restriction(loaded)
    if version is None or int(version.split()[1]) < 6:
        pytest.skip("this kernel has no Landlock, or an old one")
    with pytest.raises(PolicyError, match=r"PermissionError|Operation not permitted"):
        run(loaded, pool.problems[0])
    assert not Path("written").exists()


def test_a_policy_imports_what_it_imports_in_this_process(
    folder: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("helpers/inner").mkdir(parents=True)
    Path("helpers/__init__.py").write_text("")
    Path("helpers/inner/__init__.py").write_text("VALUE = '5'\n")
    Path("alone.py").write_text("VALUE = '6'\n")
    monkeypatch.syspath_prepend(str(folder))
    before = "from helpers.inner import VALUE as a\nfrom alone import VALUE as b\n"
    before += "import scipy.stats, statistics, json, zoneinfo"
    for in_process in (False, True):
        loaded = load(write("return a + b", before), in_process=in_process)
        assert run(loaded, pool.problems[0], 1).answers["answer"].to_pylist() == ["56"]


def test_a_pool_where_python_imports_from_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = folder / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    inside = write_pool(package / "datasets_cache", {"p": TRACES})
    monkeypatch.syspath_prepend(str(folder))
    loaded = load(write("return '1'"))
    if restriction(loaded) is None:
        pytest.skip("this kernel has no Landlock")
    with pytest.raises(UserError, match=r"tiny: lies in .*package, .*move the pool elsewhere"):
        run(loaded, inside.problems[0])


# The terminal

AT_TERMINAL = """
import fcntl, os, sys, termios
terminal = os.open(sys.argv[1], os.O_RDWR)  # the first of a session: it is its terminal now
os.dup2(terminal, 2)
modes = termios.tcgetattr(2)
modes[3] |= termios.TOSTOP
termios.tcsetattr(2, termios.TCSANOW, modes)
from simulator.isolation.host import load
loaded = load("mine.py")
process = loaded.policy.process._process.pid
same = os.getsid(process) == os.getsid(0), os.getpgid(process) == os.getpgid(0)
print(loaded.parameters["found"], *same)
"""

TYPING = """
import errno, fcntl, sys, termios
from simulator import Policy
print("written in the background", file=sys.stderr, flush=True)
found = []
for terminal in (2, "/dev/tty"):
    try:
        fcntl.ioctl(terminal if terminal == 2 else open(terminal), termios.TIOCSTI, b"x")
        found.append("typed")
    except OSError as error:
        found.append(errno.errorcode[error.errno])
class Mine(Policy):
    found = ", ".join(found)
    def solve(self, problem, sampler): pass
"""


@pytest.mark.skipif(not can_restrict_calls(), reason="needs seccomp")
@pytest.mark.parametrize("known", [True, False])
def test_a_policy_types_nothing_into_the_terminal(folder: Path, known: bool) -> None:
    """It shares the session of its host and so its terminal, if calls are filtered."""
    Path("mine.py").write_text(TYPING)
    ours, theirs = os.openpty()
    code = (
        AT_TERMINAL
        if known
        else (
            "from simulator.isolation import process\nprocess.can_restrict_calls = lambda: False\n"
            f"{AT_TERMINAL}"
        )
    )
    done = subprocess.run(
        [sys.executable, "-c", code, os.ttyname(theirs)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
        start_new_session=True,
    )
    assert done.stdout == f"EACCES, EACCES {known} False\n"
    assert os.read(ours, 100) == b"written in the background\r\n"
    os.close(ours)
    os.close(theirs)


# How it ends


def test_a_process_ends_with_its_policy(folder: Path) -> None:
    loaded = load(write("return '1'"))
    process = loaded.policy.process._process  # type: ignore[attr-defined]
    assert process.poll() is None
    del loaded
    assert process.poll() is not None  # killed, or gone by itself as the connection closed


def test_a_process_that_was_begun_ahead_is_the_one_that_plays(folder: Path, pool: Pool) -> None:
    loaded = load(write("return str(os.getpid())"))
    process = begun(loaded)
    assert process is not None
    pid = process._process.pid
    with fresh(loaded, process) as again:
        assert {row["answer"] for row in run(again, pool.problems[0]).answers.to_pylist()} == {
            str(pid)
        }
    assert process._process.poll() is not None


def test_a_process_that_was_begun_and_not_used_ends_with_the_last_that_knows_it(
    folder: Path,
) -> None:
    process = begun(load(write("return None")))
    assert process is not None
    started = process._process
    del process
    assert started.wait(10) != 0


def test_a_process_ends_with_the_one_that_started_it_however_that_ends(folder: Path) -> None:
    write("return '1'")
    host = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from simulator.isolation.host import load; import time\n"
            "loaded = load('mine.py'); print(loaded.policy.process._process.pid, flush=True)\n"
            "time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdout is not None
    worker = int(host.stdout.readline())
    os.kill(worker, 0)
    host.kill()
    host.communicate()
    deadline = time.monotonic() + 10
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(worker, 0)
            time.sleep(0.01)
        pytest.fail("the policy's process lives on")
