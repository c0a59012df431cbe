"""Workers like those of other machines: what they are sent, and what they return, is pickled."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from simulator.workers import executor
from simulator.workers.executor import Here

T = TypeVar("T")


class Pickling(Here):
    """Workers in this process, which share nothing with it but what can be pickled."""

    jobs = 2
    local = False

    def map(  # type: ignore[override]
        self, work: Callable[..., T], /, *arguments: Iterable[Any]
    ) -> Iterator[T]:
        executor._made.clear()
        for each in zip(*arguments, strict=True):
            sent_work, sent = pickle.loads(pickle.dumps((work, each)))
            yield pickle.loads(pickle.dumps(sent_work(*sent)))
