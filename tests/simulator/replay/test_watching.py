"""Policies that go nowhere: told after a while, ended at a limit, and never a danger to memory."""

from __future__ import annotations

import gc
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pools import T, write_pool

from simulator import TextMatches
from simulator.arrays import Floats, Ints
from simulator.errors import PolicyError, TimedOut
from simulator.isolation.host import load
from simulator.loading import LoadedPolicy
from simulator.pools.pool import MOST_PREPARED, StoredProblem
from simulator.replay import watching
from simulator.replay.engine import Engine
from simulator.replay.judging import TokensRead
from simulator.replay.lockstep import MOST_TABLES, LockStep, lock_step
from simulator.replay.orders import orders
from simulator.replay.recording import Replayed
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving

TRACES = [T(9, "7", {5: "7"}, text="a" * 9), T(25, "1", {4: "3"}, text="b" * 25)]


@pytest.fixture
def problem(tmp_path: Path) -> StoredProblem:
    return write_pool(tmp_path, {"p": TRACES}, gold="7").problems[0]


class Clock:
    """A clock that a busy machine does not move: by the watch's looks, or by a policy's decodes.

    Looks come every 0.05 s or later, and move it once the policy has generated `after` tokens.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.a_look = self.a_decode = 0.0
        self.after = self.looks = 0
        look, decode = watching.Watch._look, Engine.decode

        def looked(watch: watching.Watch, *, interrupting: bool) -> None:
            self.looks += 1
            if watch._engine is not None and watch._engine.progress >= self.after:
                self.now += self.a_look
            look(watch, interrupting=interrupting)

        def decoded(*arguments: Any) -> Any:
            done = decode(*arguments)
            self.now += self.a_decode
            return done

        monkeypatch.setattr(watching.Watch, "_look", looked)
        monkeypatch.setattr(Engine, "decode", decoded)
        monkeypatch.setattr(watching, "time", self)

    def monotonic(self) -> float:
        return self.now

    def await_looks(self, number: int) -> None:
        last = self.looks + number
        while self.looks < last:
            time.sleep(0.01)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(watching, "QUIET", 0.2)
    monkeypatch.setattr(watching, "EVERY", 0.05)
    return Clock(monkeypatch)


GOING_NOWHERE = {
    "loops": "while True: pass",
    "sleeps": "time.sleep(1000)",
    "decodes nothing": "while True: sampler.decode(t, tokens=0)",
    "decodes what has finished": "sampler.decode(t)\nwhile True: sampler.decode(t, tokens=1)",
    "probes": "while True: sampler.probe(t)",
    "declares clusters": "while True: sampler.declare_clusters([0, 1])",
    "starts nothing": "while True: sampler.start(0); sampler.clock",
    "reads the clock": "while True: sampler.clock",
    "catches what it can": "while True:\n    try: sampler.clock\n    except Exception: pass",
    "decodes by rules that hold": (
        "n = 0\nwhile True:\n    n += 1\n    sampler.decode(t, until=TextMatches('a{0,%d}' % n))"
    ),
}


def policy(tmp_path: Path, solve: str, *, in_process: bool, timeout: float | None) -> LoadedPolicy:
    body = "\n".join("        " + line for line in solve.splitlines())
    (tmp_path / "nowhere.py").write_text(
        "import time\nfrom simulator import *\n\n\nclass Nowhere(Policy):\n"
        '    requires = {"probes", "text"}\n\n    def solve(self, problem, sampler):\n'
        f"        t = sampler.start(2)\n{body}\n"
    )
    loaded = load(str(tmp_path / "nowhere.py"), in_process=in_process)
    return replace(loaded, timeout=timeout)


def run(
    loaded: LoadedPolicy, problem: StoredProblem, repeat: int = 3, judge: Slow | None = None
) -> Replayed:
    repeats = range(repeat, repeat + 1)
    return replay(
        loaded, problem, budget=2, repeats=repeats, seed=0, serving=Serving(), judge=judge
    )


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Keep the garbage collector still: an interruption in a callback of it is told on stderr."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.parametrize("name", GOING_NOWHERE)
def test_it_is_told_and_ended(
    name: str,
    in_process: bool,
    problem: StoredProblem,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    clock: Clock,
) -> None:
    clock.a_look, clock.after = 0.1, 34 if name == "decodes what has finished" else 0
    loaded = policy(tmp_path, GOING_NOWHERE[name], in_process=in_process, timeout=0.6)
    with pytest.raises(TimedOut) as error:
        run(loaded, problem)
    where = "problem p, repeat 3"
    assert str(error.value) == f"{loaded.file}: took longer than 0.6 s (--timeout) for {where}"
    assert capfd.readouterr().err == (
        f"{loaded.file}: {where}: the policy has generated no token for 0.2 s; Ctrl-C ends it, "
        "at 0.6 s it ends\n"
    )
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_without_a_limit_it_is_told_what_ends_it(
    problem: StoredProblem, tmp_path: Path, capfd: pytest.CaptureFixture[str], clock: Clock
) -> None:
    clock.a_decode = 0.3
    solve = "sampler.decode(t, tokens=0)\ntime.sleep(0.3)\nreturn '7'"
    loaded = policy(tmp_path, solve, in_process=False, timeout=None)
    assert run(loaded, problem).answers["answer"].to_pylist() == ["7"]
    assert capfd.readouterr().err.endswith("Ctrl-C ends it, --timeout SECONDS ends it by itself\n")


def test_one_that_generates_tokens_is_not_told(
    problem: StoredProblem, tmp_path: Path, capfd: pytest.CaptureFixture[str], clock: Clock
) -> None:
    clock.a_decode = 0.15
    solve = "for _ in range(9): sampler.decode(t, tokens={}); time.sleep(0.1)\nreturn '7'"
    for tokens in (1, 0):
        for in_process in (True, False):
            run(policy(tmp_path, solve.format(tokens), in_process=in_process, timeout=60), problem)
            assert ("no token" in capfd.readouterr().err) == (tokens == 0)


class Slow:
    """A judge that takes longer than a policy may be still."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        self._clock.now += 0.5
        self._clock.await_looks(2)
        return np.full(len(pairs), 0.5)

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        return TokensRead(0, 0, 0)


@pytest.mark.parametrize(("decodes", "told"), [(0, 0), (1, 0), (2, 1)])
def test_the_time_of_a_judge_is_not_the_policys(
    decodes: int,
    told: int,
    problem: StoredProblem,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    clock: Clock,
) -> None:
    clock.a_decode = 0.15
    then = "sampler.decode(t, tokens=0)\n" * decodes
    solve = f"sampler.judge([[0, 1]])\n{then}time.sleep(0.2)\nreturn '7'"
    for in_process in (True, False):
        loaded = policy(tmp_path, solve, in_process=in_process, timeout=60)
        run(loaded, problem, judge=Slow(clock))
        assert capfd.readouterr().err.count("has generated no token") == told


@pytest.mark.parametrize("name", ["sleeps", "decodes nothing"])
def test_outside_the_main_thread_its_process_is_ended(
    name: str, problem: StoredProblem, tmp_path: Path, clock: Clock
) -> None:
    clock.a_look = 0.1
    loaded = policy(tmp_path, GOING_NOWHERE[name], in_process=False, timeout=0.6)
    raised: list[BaseException] = []

    def replaying() -> None:
        try:
            run(loaded, problem)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=replaying)
    thread.start()
    thread.join(60)
    assert [type(error) for error in raised] == [TimedOut]


def test_the_limit_is_for_each_repeat(problem: StoredProblem, tmp_path: Path, clock: Clock) -> None:
    clock.a_decode = 0.5
    solve = "for _ in range({}): sampler.decode(t, tokens=1)\ntime.sleep(0.2)\nreturn '7'"
    loaded = policy(tmp_path, solve.format(3), in_process=False, timeout=2)
    done = replay(loaded, problem, budget=2, repeats=range(8), seed=0, serving=Serving())
    assert len(done.answers) == 8
    with pytest.raises(TimedOut):
        run(policy(tmp_path, solve.format(4), in_process=False, timeout=2), problem)


def test_a_process_that_is_slow_to_end_is_waited_for(
    problem: StoredProblem, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.a_look = 0.3
    wait, ended = subprocess.Popen.wait, []

    def slow(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        ended.append(process)
        clock.await_looks(3)
        return wait(process, timeout)

    loaded = policy(tmp_path, GOING_NOWHERE["sleeps"], in_process=False, timeout=0.6)
    monkeypatch.setattr(subprocess.Popen, "wait", slow)
    with pytest.raises(TimedOut):
        run(loaded, problem)
    assert [process.returncode for process in ended] == [-signal.SIGKILL]


def test_an_error_of_the_policy_remains_one(problem: StoredProblem, tmp_path: Path) -> None:
    loaded = policy(tmp_path, "raise RuntimeError('no')", in_process=True, timeout=60)
    with pytest.raises(PolicyError, match="RuntimeError: no"):
        run(loaded, problem)


# Memory


def engine(problem: StoredProblem) -> Engine:
    (order,) = orders(problem, 2, range(1), 0, 0)
    return Engine(problem, order, Serving())


def test_decodes_without_tokens_are_not_logged(problem: StoredProblem) -> None:
    one = engine(problem)
    both = one.start(2)
    one.decode(both, 3, None, None)
    for _ in range(100):
        one.decode(both, 0, None, None)
        one.decode(both[:1], 0, None, None)
        one.decode(both[1:], None, TextMatches("[ab]"), None)
    assert len(one.log) == 1
    assert one.idle == {0: "tokens", 1: str(TextMatches("[ab]"))}
    one.decode(both, 1, None, None)
    assert (len(one.log), one.idle) == (2, {})


def test_they_still_say_what_halted_a_trace_last(problem: StoredProblem, tmp_path: Path) -> None:
    solve = "sampler.decode(t, tokens=3)\nsampler.decode(t, until=TextMatches('[ab]'))\nreturn '7'"
    done = run(policy(tmp_path, solve, in_process=True, timeout=None), problem)
    assert set(done.decisions["stop_reason"].to_pylist()) == {str(TextMatches("[ab]"))}
    assert done.decisions["num_tokens"].to_pylist() == [3, 3]


def test_a_new_rule_for_every_call_keeps_a_limited_cache(problem: StoredProblem) -> None:
    one, rows, none = problem.fresh(), np.arange(2), np.zeros(2, dtype=np.int64)
    for number in range(3 * MOST_PREPARED):
        TextMatches(f"x{{{number + 1}}}").halts_at(one, rows, none, none)
    assert len(one.prepared) == MOST_PREPARED


def test_what_is_used_stays_in_the_cache(problem: StoredProblem) -> None:
    one = problem.fresh()
    kept = one.cached("used", object)
    for number in range(3 * MOST_PREPARED):
        one.cached(number, object)
        assert one.cached("used", object) is kept


def test_a_new_step_for_every_decode_keeps_few_tables(problem: StoredProblem) -> None:
    one = problem.fresh()
    for tokens in range(1, 4 * MOST_TABLES):
        assert lock_step(one, tokens) is lock_step(one, tokens)
    assert len(one.cached(LockStep, dict)) == MOST_TABLES
