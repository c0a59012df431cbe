"""Second forms of built-in methods, which play all repeats of a problem at once.

A module of `methods` here is named like one of `simulator.methods`. Its function `play` takes the
policy, whose parameters it reads, the repeats, and the decode steps in which probes are answered
that are asked together. It returns what `solve` would have done in each repeat, or None for
parameters that it does not cover. `solve` is the reference: a form is used only for the source text
that it was written for (`FORMS`), only with unlimited serving, and only on pools whose traces have
all ended.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any

from simulator.loading import LoadedPolicy
from simulator.methods import METHODS, match_name
from simulator.pools.pool import StoredProblem
from simulator.replay.batch.played import Played, Repeats
from simulator.replay.serving import Serving

FORMS = {
    "asc": "4a0710adfa904027774ef8277c6c56683a4e4cf70f2789abd5f44dbe8e2c789e",
    "bayes_3": "ff16334976e4a2308792ea5cfd6bb2bb40011b9552dd8c2d385f2f729ea6e188",
    "beta_sc": "a90c5680f0ebeffc09b473ba5ab42c79aaba4ffd98c17081050d4a00d6d03824",
    "certaindex": "29e66ab0ded32368b31a39b28026311a33c74a96098975679ce250f3b05d5e77",
    "cges": "f25ab3baa38ef1c161d64301ea8c2da4b746f77e551f6be570efe61f1b654620",
    "cmc": "d1c9461011f615ece18e04d7e26b850874de907b9aa8ba2aeeddb98deb5ff1c4",
    "cons": "d292e7633f6b5a4f08c4a737f288a34ddc4738e992a47c85ff7a3dbc68c3084e",
    "doubling": "629181adce2ba403940e1bfb03d450c3b0c5af1be650f3741c71eaec98e6bc47",
    "esc": "b0cb10e2d73ee2ee27eb12658c6506e811e1ab62ae7b72445899c3428a9ff676",
    "parallel_probe": "95102f43dc5b6ff55ef9e268b1d89da00c80b574dca1d2fd7a0942d8247049d7",
    "pass_at_1": "5c5589aa2e9c45473c2e30419fbacb747fb572aeb45b23c82a6859129e3f81ba",
    "ppr_1v1": "5e8d86e312eab7399618bc6f9cdf632043171485acdf56024127aadb58c9d5bc",
    "quorum": "4f963448019e5e38054b6e9bb1b75c39860b39837c967ef106c95bbd685c1ede",
    "reasc": "7ae9afc55c10bb5d6048beefafcc6d1da85cca1e991130b207cd50692687faad",
    "sac": "2fc6a3d0033b2cc9f1efba219b5bf785a0f3253e902cc681ddd14301de02d818",
    "short_m": "239c603d732a397cc7b1325579cc2ff1f0224c95fa0264a66723175ebe9213f5",
    "sprt": "2ba70ba1faa0e68761b3bc966fea60a3453487a62448d1daa0ad9cad35167d15",
    "steadfast": "c1e3168d58b35222c61b6d25f92cac98f96b7bf2d562726dcabded1894efe607",
}
"""SHA-256 of the source of each method that has a second form, by module."""

Form = Callable[[Any, Repeats, int], Played | None]


def find_form(loaded: LoadedPolicy) -> Form | None:
    """Return the second form of a policy; None if it has none.

    It must be a built-in method, of that very class, whose source is the one in `FORMS`. A file of
    the same name, a class derived from a method or a method that was edited is none of these.
    """
    found = _method(loaded.spec) if loaded.builtin else None
    if found is None or type(loaded.policy) is not found[1]:
        return None
    module = found[0]
    if FORMS.get(module) != _digest(loaded.source):
        return None
    form: Form = importlib.import_module(f"{__name__}.methods.{module}").play
    return form


def covers(problem: StoredProblem, serving: Serving, requires: Collection[str]) -> bool:
    """Check whether second forms can replay a method on this problem, with what it requires."""
    signals = problem.pool.info.signals
    whole = problem.whole and int(problem.lengths.min()) > 0
    return serving.unlimited and whole and all(signal in signals for signal in requires)


@lru_cache(maxsize=64)
def _method(spec: str) -> tuple[str, type] | None:
    """Return the module and the class of a built-in method."""
    named = match_name(spec)
    if named is None:
        return None
    module, _, class_name = METHODS[named[0]].partition(":")
    return module, getattr(importlib.import_module(f"simulator.methods.{module}"), class_name)


@lru_cache(maxsize=64)
def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()
