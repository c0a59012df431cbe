"""Rows of the board that are derived where a pool is, and are shipped with no program.

Recorded traces that have no licence cannot come with the package, nor can decisions and answers
about them. Whoever has such a pool replays the built-in methods on it: the same orders of traces
for everybody, so that anyone with the pool gets the same rows.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.loading import LoadedPolicy, load_policy
from simulator.pools.pool import Pool
from simulator.replay.serving import Serving
from simulator.storage import locked
from simulator.submissions.examples import BUDGET, METHODS, REPEATS, Submitted
from simulator.submissions.packing import slug_of

FOLDER = ".derived"
"""Folder, within that of the pools, of the derived runs."""

SEED = 0
"""Seed of the orders of traces, the same for everybody."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Derived:
    """Runs that were made on a pool, and the reason for each method that has none."""

    made: tuple[Path, ...]
    left_out: tuple[str, ...]


def derive_rows(cache: Path, pool: Pool, progress: Progress = lambda what, done: None) -> Derived:
    """Replay the built-in methods on a pool, those that have no derived run there yet.

    Each has the parameters that the pool names for it, and as many traces as a submission that
    comes with the package, or as the pool has for every problem.

    Raises
    ------
    UserError
        The disk cannot be written.
    """
    from simulator.runs.making import make_run  # slow to import, and boards only read
    from simulator.runs.spec import RunSpec

    made, left_out = [], []
    parent = cache / FOLDER
    parent.mkdir(exist_ok=True)

    def taken(reason: str) -> UserError:
        return UserError(f"{parent}: {reason}; wait for the other derivation")

    with locked(parent / slug_of(pool.name), taken, wait=True):
        for number, each in enumerate(METHODS):
            name = each.name or each.policy
            progress(f"{pool.name}: {name}", number / len(METHODS))
            loaded, budget = _loaded(each, pool)
            if isinstance(loaded, str):
                left_out.append(f"{name}: {loaded}")
                continue
            folder = parent / _name(pool, name, loaded)
            if folder.exists():
                continue
            interrupted = folder.with_name(f"{folder.name}.partial")
            if interrupted.exists():  # it takes seconds to make it again
                shutil.rmtree(interrupted)
            spec = RunSpec(loaded, [pool], budget, REPEATS, SEED, Serving())
            make_run(spec, folder, command=["deepprune-sim", "leaderboard", "--derive", pool.name])
            made.append(folder)
    return Derived(tuple(made), tuple(left_out))


@dataclass(frozen=True, slots=True)
class Derivable:
    """A run as it is derived: the policy's parameters, and the number of traces of a problem."""

    parameters: Mapping[str, Any]
    budget: int


def derivable(pool: Pool) -> dict[str, Derivable]:
    """Return the runs that can be derived on a pool, by the names of their folders."""
    found = {}
    for each in METHODS:
        loaded, budget = _loaded(each, pool)
        if not isinstance(loaded, str):
            name = _name(pool, each.name or each.policy, loaded)
            found[name] = Derivable(loaded.parameters, loaded.budget or budget or 0)
    return found


def _loaded(method: Submitted, pool: Pool) -> tuple[LoadedPolicy | str, int | None]:
    """Return a method with its budget on a pool, or the reason that it cannot be replayed there."""
    scaled = pool.info.settings.get(method.policy.partition("@")[0], {})
    loaded = load_policy(method.policy, {**scaled, **method.settings})
    lacking = sorted(set(loaded.policy.requires) - set(pool.info.signals))
    if lacking:
        return f"the pool has no {' and no '.join(lacking)}", None
    fewest = pool.min_traces
    wanted = loaded.budget or min(loaded.policy.budget or BUDGET, BUDGET)
    if loaded.budget and wanted > fewest:
        return f"the pool has {fewest} traces of a problem", None
    return loaded, None if loaded.budget else min(wanted, fewest)


def _name(pool: Pool, method: str, loaded: LoadedPolicy) -> str:
    """Return the name of a derived run: another one for another pool, or source of the method."""
    parts = (pool.info.fingerprint, loaded.sha256, REPEATS, sorted(loaded.parameters.items()))
    tag = hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
    return f"{slug_of(pool.name)}-{slug_of(method)}-{tag}"
