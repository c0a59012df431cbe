"""Work on a Ray cluster of several nodes: order, errors, lost nodes, other releases."""

from __future__ import annotations

import operator
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray_nodes import NODE, cluster_of, kill_node

from simulator.errors import UserError
from simulator.workers import ray_cluster
from simulator.workers.executor import Shared, WorkerDied, Workers
from simulator.workers.opening import open_workers
from simulator.workers.ray_cluster import MOST_WAITING, RayTasks


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with cluster_of(2) as started:
        yield started


@pytest.fixture(scope="module")
def workers(cluster: Any) -> Iterator[Workers]:
    """Workers that are connected; further ones share their connection."""
    before = signal.getsignal(signal.SIGTERM)
    with open_workers(None, "operator", ray=cluster.address) as opened:
        assert signal.getsignal(signal.SIGTERM) == before  # Ray's would end the program
        yield opened


def test_a_cluster_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        with pytest.raises(UserError, match=f"^{address}: no Ray cluster answers "):
            RayTasks(address)
    monkeypatch.setenv("RAY_ADDRESS", "localhost:1")
    with pytest.raises(UserError, match=r"^localhost:1: no Ray cluster answers "):
        RayTasks("auto")


def test_results_come_in_the_order_of_the_arguments(workers: Workers) -> None:
    assert workers.jobs == 2  # the CPUs of the cluster
    assert list(workers.map(operator.sub, range(200), range(0, 400, 2))) == [
        -number for number in range(200)
    ]
    assert workers.submit(os.getpid).result() != os.getpid()


def test_calls_run_beside_each_other_in_processes_of_their_own(
    workers: Workers, tmp_path: Path
) -> None:
    pids = set(workers.map(_pid_once_two_are_here, [tmp_path] * 8))
    assert len(pids) == 2
    assert os.getpid() not in pids


def _pid_once_two_are_here(folder: Path) -> int:
    """Wait for a call in another process, however long that takes to start."""
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 120
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    return os.getpid()


def test_an_error_is_raised_as_it_was_there_and_before_later_results(workers: Workers) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        list(workers.map(operator.floordiv, [1] * 50, [*range(1, 25), 0, *range(1, 26)]))
    assert type(raised.value) is ZeroDivisionError
    with pytest.raises(UserError, match=r"^row 7 is wrong; mend it$") as told:
        list(workers.map(_wrong, range(9)))
    assert type(told.value) is UserError


def _wrong(row: int) -> int:
    if row == 7:
        raise UserError("row 7 is wrong; mend it")
    return row


def test_work_of_a_lost_node_is_done_by_others(cluster: Any, workers: Workers) -> None:
    node = cluster.add_node(**NODE)
    found = []
    for number, result in enumerate(workers.map(_slow_square, range(60))):
        found.append(result)
        if number == 6:
            kill_node(cluster, node)
    assert found == [number**2 for number in range(60)]


def _slow_square(number: int) -> int:
    time.sleep(0.03)
    return number**2


def test_work_is_done_again_where_its_worker_died_but_not_for_ever(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    assert list(workers.map(_dies_at_first, [log, log], [1, 2])) == [1, 2]
    assert log.read_text() == "died"
    monkeypatch.setattr(ray_cluster, "RETRIES", 0)
    with pytest.raises(WorkerDied, match="and so did 0 more"), RayTasks(jobs=7) as others:
        list(others.map(exec, ["import os; os._exit(1)"]))
    assert others.jobs == 7


def _dies_at_first(log: Path, number: int) -> int:
    if number == 2 and not log.exists():
        log.write_text("died")
        os._exit(1)
    return number


def test_a_shared_value_is_sent_as_its_call_and_made_once_in_each_process(
    workers: Workers,
) -> None:
    local = Shared({"made": os.getpid()}, _made_in_process)
    found = set(workers.map(_process_of, [local] * 30))
    assert all(maker == seen for maker, seen in found)
    assert os.getpid() not in {maker for maker, _ in found}


def _made_in_process() -> dict[str, int]:
    return {"made": os.getpid()}


def _process_of(shared: Shared[dict[str, int]]) -> tuple[int, int]:
    time.sleep(0.01)
    return shared.value["made"], os.getpid()


def test_few_results_wait_for_who_takes_them(workers: Workers, tmp_path: Path) -> None:
    results = workers.map(_marked, [tmp_path] * 100, range(100))
    assert next(results) == 0
    time.sleep(0.5)
    assert len(list(tmp_path.iterdir())) <= MOST_WAITING * 2
    assert list(results) == list(range(1, 100))


def _marked(folder: Path, number: int) -> int:
    (folder / str(number)).touch()
    return number


def test_another_release_on_a_node_is_refused_with_both(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {**ray_cluster.releases(), "deepprune-sim": "0.0.9", "numpy": "1.9"}
    there = ray_cluster.releases()
    monkeypatch.setattr(ray_cluster, "releases", lambda: here)
    with RayTasks() as others, pytest.raises(UserError) as raised:
        list(others.map(abs, [1]))
    assert str(raised.value).endswith(
        f"of the Ray cluster has deepprune-sim {there['deepprune-sim']}, numpy {there['numpy']}, "
        "this machine has deepprune-sim 0.0.9, numpy 1.9; install the same releases on all"
    )


def test_work_starts_in_the_same_folder(
    workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with RayTasks() as others:
        assert set(others.map(_folder, range(4))) == {str(tmp_path)}


def _folder(number: int) -> str:
    return str(Path.cwd())
