from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from simulator.catalogue.deadline import limited_to


def here(work: Callable[[], Any]) -> Any:
    return work()


def in_a_thread(work: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()


def endless() -> None:
    while True:
        try:
            time.sleep(0.001)
        except Exception:  # swallows no interruption
            continue


ANYWHERE = pytest.mark.parametrize("anywhere", [here, in_a_thread])


@ANYWHERE
def test_work_that_never_ends_is_ended(anywhere: Callable[[Callable[[], Any]], Any]) -> None:
    def work() -> None:
        with limited_to(0.05):
            endless()

    with pytest.raises(TimeoutError, match=r"took longer than 0\.05 s"):
        anywhere(work)


class LateTimer:
    """A timer that rings when it is told to."""

    last: LateTimer
    daemon = False

    def __init__(self, seconds: float, ring: Callable[[], None]) -> None:
        self.ring = ring
        LateTimer.last = self

    def start(self) -> None:
        """Do nothing."""

    cancel = start


@ANYWHERE
def test_who_rings_after_the_end_interrupts_nothing(
    anywhere: Callable[[Callable[[], Any]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "Timer", LateTimer)

    def work() -> int:
        with limited_to(60):
            pass
        LateTimer.last.ring()
        return sum(number for number in range(10_000))

    assert anywhere(work) == 49_995_000

    def rung() -> None:
        with limited_to(60):
            LateTimer.last.ring()
            sum(number for number in range(10_000))

    with pytest.raises(TimeoutError):
        anywhere(rung)


def test_an_error_of_the_work_is_passed_on() -> None:
    with pytest.raises(KeyError, match="mine"), limited_to(60):
        raise KeyError("mine")
