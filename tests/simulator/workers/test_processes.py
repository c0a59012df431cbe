"""Workers: order, errors, and what they are sent."""

from __future__ import annotations

import math
import operator
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import pytest
from pickling_workers import Pickling

import simulator.workers.processes as processes_module
from simulator.errors import UserError
from simulator.workers.executor import Here, Shared, WorkerDied, Workers
from simulator.workers.opening import as_workers, open_workers
from simulator.workers.processes import Processes, Threads

EXITING = "import os; os._exit(1)"


def processes(jobs: int, *, joins: bool = True) -> Workers:
    return open_workers(jobs, "operator", joins=joins)


@pytest.mark.parametrize("joins", [True, False])
def test_results_come_in_the_order_of_the_arguments(joins: bool) -> None:
    with processes(3, joins=joins) as workers:
        assert list(workers.map(operator.sub, range(200), range(0, 400, 2))) == [
            -number for number in range(200)
        ]
        assert workers.submit(os.getpid).result() != os.getpid()


def test_calls_are_made_elsewhere_and_here() -> None:
    with processes(2) as workers:
        workers.submit(abs, 1).result()  # it has started
        seen = set(workers.map(_slow_pid, range(40)))
    assert len(seen) == 2
    assert os.getpid() in seen


def test_short_work_starts_no_process() -> None:
    before = active_children()
    with processes(2) as workers:
        for _ in range(3):
            assert list(workers.map(abs, range(50))) == list(range(50))
        assert active_children() == before


def test_processes_start_during_a_long_call_here() -> None:
    with processes(2) as workers:
        seen = list(workers.map(_pid_after, [3.0, 0, 0, 0]))
    assert seen[0] == os.getpid()
    assert os.getpid() not in seen[1:]


def _pid_after(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def test_calls_left_seem_to_take_as_long_as_those_made(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 11.0, 16.0])  # begun, and asked
    monkeypatch.setattr(processes_module, "monotonic", lambda: next(now))
    with processes(2) as workers:
        assert isinstance(workers, Processes)
        calls = processes_module._Calls(workers, abs, [(-n,) for n in range(5)], lambda _: None)
        assert calls.seconds_left() == math.inf
        for _ in range(2):
            made = calls.own()
            assert made is not None
            made[0].set_result(1)
        calls.own()  # is being made
        assert calls.seconds_left() == 9  # three calls, after two took six seconds


def test_a_refused_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(processes_module, "ProcessPoolExecutor", refuse)
    with processes(2) as workers:
        assert list(workers.map(abs, [-1])) == [1]  # too short to need one
        with pytest.raises(UserError, match="no other process can be started"):
            list(workers.map(time.sleep, [0.02] * 100))


def test_the_caller_gets_ready_while_others_work() -> None:
    ready: list[int] = []
    with processes(2) as workers:
        workers.meanwhile(lambda: operator.truediv(1, 0))  # told when it is needed
        workers.meanwhile(lambda: ready.append(os.getpid()))
        assert list(workers.map(abs, [-1])) == [1]
        assert not ready  # no other has started
        list(workers.map(time.sleep, [0.02] * 100))
    assert ready == [os.getpid()]


def _slow_pid(number: int) -> int:
    time.sleep(0.01)
    return os.getpid()


def test_no_call_is_made_here_if_others_are_to_make_all() -> None:
    with processes(2, joins=False) as workers:
        assert os.getpid() not in set(workers.map(_slow_pid, range(20)))


def test_work_is_done_here_while_processes_start() -> None:
    with Processes(2, "this_module_does_not_exist") as workers:  # which is never ready in time
        assert list(workers.map(abs, [-1, -2])) == [1, 2]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="the system has no such signal")
def test_a_signal_from_outside_interrupts_and_loses_no_call() -> None:
    with Processes(2, "this_module_does_not_exist") as workers:  # so that all calls are made here
        results = workers.map(_signalled_at_2, range(6))
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(KeyboardInterrupt):
            next(results)


def _signalled_at_2(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGUSR1)  # as batch systems do before time is up
    return number


@pytest.mark.parametrize("joins", [True, False])
def test_an_error_is_raised_before_later_results(joins: bool) -> None:
    with pytest.raises(ZeroDivisionError), processes(2, joins=joins) as workers:
        list(workers.map(operator.floordiv, [1] * 50, [*range(1, 25), 0, *range(1, 26)]))


def test_an_error_elsewhere_interrupts_an_endless_call_here() -> None:
    with processes(2) as workers:
        workers.submit(abs, 1).result()  # it has started, and gets the first calls
        with pytest.raises(ZeroDivisionError):
            list(workers.map(_fails_elsewhere, [os.getpid()] * 4))
        assert list(workers.map(abs, range(99))) == list(range(99))


def _fails_elsewhere(here: int) -> float:
    if os.getpid() == here:
        time.sleep(3600)
    time.sleep(0.3)
    return 1 / 0


def test_a_worker_that_dies_is_told_by_its_error() -> None:
    with pytest.raises(WorkerDied), processes(2, joins=False) as workers:
        list(workers.map(exec, [EXITING]))


@pytest.mark.parametrize("calls", [2, 100])
def test_a_process_that_dies_while_it_starts_loses_no_call(
    calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dies_at_once.py").write_text("import os; os._exit(1)")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WorkerDied), Processes(2, "dies_at_once") as workers:
        list(workers.map(time.sleep, [3.0 / calls] * calls))


def test_all_processes_start_at_once() -> None:
    with processes(6, joins=False) as workers:
        assert isinstance(workers, Processes)
        assert len(workers._children) == 6
        assert len(set(workers.map(_slow_pid, range(60)))) > 1


def test_a_context_does_not_wait_for_calls_that_never_return() -> None:
    with pytest.raises(KeyboardInterrupt), processes(2, joins=False) as workers:
        _interrupted_after_one(workers.map(time.sleep, [0, 3600, 3600]))


def _interrupted_after_one(results: Iterator[None]) -> None:
    next(results)
    raise KeyboardInterrupt


def test_a_shared_value_is_made_once_in_each_process_and_not_here() -> None:
    local = Shared({"made": os.getpid()}, _made_in_process)
    with processes(2, joins=False) as workers:
        found = list(workers.map(_process_of, [local] * 30))
    assert all(maker == seen for maker, seen in found)
    assert os.getpid() not in {maker for maker, _ in found}
    assert _process_of(local) == (os.getpid(), os.getpid())


def _made_in_process() -> dict[str, int]:
    return {"made": os.getpid()}


def _process_of(shared: Shared[dict[str, int]]) -> tuple[int, int]:
    return shared.value["made"], os.getpid()


def test_a_process_keeps_the_last_shared_value_only(tmp_path: Path) -> None:
    log = tmp_path / "log"
    one, two = (Shared(0, _logged, log, number) for number in (1, 2))
    assert [*Pickling().map(_value, [one, one, two, two, one])] == [1, 1, 2, 2, 1]
    assert log.read_text() == "121"


def _logged(log: Path, number: int) -> int:
    with log.open("a") as file:
        file.write(str(number))
    return number


def _value(shared: Shared[int]) -> int:
    return shared.value


def test_one_job_is_this_process() -> None:
    with open_workers(1, "this_module_does_not_exist") as workers:
        assert isinstance(workers, Here)
        assert list(workers.map(_slow_pid, [1])) == [os.getpid()]
        assert workers.submit(abs, -1).result() == 1
        with as_workers(workers, "another") as same:
            assert same is workers


def test_threads_yield_in_order() -> None:
    for jobs in (1, 3):
        with Threads(jobs) as workers:
            assert list(workers.map(operator.mul, range(9), range(9))) == [n * n for n in range(9)]
            assert workers.submit(abs, -1).result() == 1
