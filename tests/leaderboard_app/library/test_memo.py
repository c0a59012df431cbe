"""Slow results are computed only once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from leaderboard_app.library.memo import Once


def test_a_second_reader_waits_for_the_first_and_gets_the_same() -> None:
    once, calls, ready, at_it = Once(), [], Barrier(2), Event()

    def make() -> object:
        at_it.set()
        ready.wait(10)
        calls.append(1)
        return object()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(once, "key", make)
        assert at_it.wait(10)
        second = threads.submit(once, "key", make)
        assert not second.done()
        ready.wait(10)
        assert first.result(10) is second.result(10)
    assert len(calls) == 1


def test_what_failed_is_tried_anew() -> None:
    once = Once()
    with pytest.raises(ZeroDivisionError):
        once("key", lambda: 1 // 0)
    assert once("key", lambda: 7) == 7


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    once = Once(most=2)
    for key in ("a", "b", "a", "c"):
        once(key, key.upper)
    assert once("a", lambda: "anew") == "A"
    assert once("b", lambda: "anew") == "anew"
