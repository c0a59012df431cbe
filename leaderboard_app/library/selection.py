"""Columns and entries of the board, and the filters that choose among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from leaderboard_app.library.entry import LOCAL, SUPERSEDED, Entry, Result
from leaderboard_app.library.library import Library
from simulator.signals import NEEDS

NO_SIGNAL = "none"
"""Filter value for a method that reads no signal."""

KEY_NEEDS = (NO_SIGNAL, *NEEDS)
"""Filter values for a method's needs."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters on rows and columns; an empty or None field filters nothing.

    Parameters
    ----------
    badges, needs
        Keeps rows with one of these badges; rows that need one of these signals.
    since, until
        Days, both included; rows without a date are left out when one is given.
    hidden
        Columns to hide, by group or heading.
    """

    badges: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    hidden: tuple[str, ...] = ()

    def takes(self, badge: str | None, day: str | None, needs: Sequence[str] | None) -> bool:
        """Return True if a row with this badge, date and needs (None: unknown) is shown."""
        if self.badges and (badge or "broken") not in self.badges:
            return False
        if (self.since or self.until) and day is None:
            return False
        if day is not None and not (self.since or day) <= day <= (self.until or day):
            return False
        if not self.needs:
            return True
        return needs is not None and not set(self.needs).isdisjoint(needs or (NO_SIGNAL,))


@dataclass(frozen=True, slots=True)
class PoolColumn:
    """A model on a benchmark, spelled as in publications if there is one.

    `column` is the pool's (`Result.column`); `traces` distinguishes several pools of one model and
    benchmark.
    """

    key: str
    model: str
    benchmark: str
    column: str
    traces: str = ""

    @property
    def heading(self) -> str:
        """Heading such as `Qwen3-32B · AIME24`."""
        return f"{self.model} · {self.benchmark}" + (f" ({self.traces})" if self.traces else "")


def folded(library: Library) -> tuple[list[Entry], dict[str, list[str]]]:
    """Return the entries without local runs that are also there as a submission.

    A run and the submission packed from it are one result: shown twice, it would count twice in
    ranks. The submission is kept, with the run's name as a note.

    Returns
    -------
    The entries, and the names of the runs left out by the id of their submission.
    """
    submitted: dict[object, list[Entry]] = {}
    for entry in library.entries:
        if entry.badge not in (LOCAL, None, "withdrawn", SUPERSEDED):
            submitted.setdefault(_identity(entry), []).append(entry)
    entries, runs = [], dict[str, list[str]]()
    for entry in library.entries:
        same = [
            each
            for each in (submitted.get(_identity(entry), ()) if entry.badge == LOCAL else ())
            if each.parameters == entry.parameters and entry.answers_sha256 is not None
        ]
        for each in same[:1]:
            runs.setdefault(each.id, []).append(entry.id)
        if not same:
            entries.append(entry)
    return entries, runs


def _identity(entry: Entry) -> object:
    return entry.policy, entry.policy_sha256, entry.answers_sha256, tuple(entry.results)


def results(entry: Entry, synthetic: bool) -> dict[str, Result]:
    """Return an entry's results on generated traces, or those on real ones."""
    return {
        column: result for column, result in entry.results.items() if result.synthetic is synthetic
    }


def kinds(library: Library) -> list[bool]:
    """Return the kinds of figures that exist, real (False) before synthetic (True)."""
    there = {result.synthetic for entry in library.entries for result in entry.results.values()}
    return sorted(there | ({False} if library.published else set()))


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """Return a model's or benchmark's name without differences in case, dashes and dots."""
    return "".join(each for each in name.casefold() if each.isalnum()) or name.encode().hex()


def pool_columns(library: Library, synthetic: bool) -> list[PoolColumn]:
    """Return the models and benchmarks that entries ran on, in the order of publications.

    Models that the most local entries ran on come first, as most rows have their figures there.
    Pools of one model and benchmark with different traces have a column each.
    """
    found: dict[tuple[str, str], dict[str, Result]] = {}
    ran: Counter[str] = Counter()
    for entry in library.entries:
        own = results(entry, synthetic)
        ran.update({canonical(result.model) for result in own.values()})
        for column, result in own.items():
            key = (canonical(result.model), canonical(result.benchmark))
            found.setdefault(key, {}).setdefault(column, result)
    models = _spellings((each.model for each in library.published), found, 0)
    benchmarks = _spellings((each.benchmark for each in library.published), found, 1)
    orders = (sorted(models, key=lambda each: -ran[each]), [*benchmarks])
    columns = []
    for key in sorted(found, key=lambda each: tuple(map(list.index, orders, each))):
        model, benchmark = models[key[0]], benchmarks[key[1]]
        name = ".".join(key)
        if len(found[key]) == 1:
            columns.append(PoolColumn(name, model, benchmark, *found[key]))
            continue
        for pool, traces in _told_apart(found[key]).items():
            columns.append(PoolColumn(f"{name}.{traces}", model, benchmark, pool, traces))
    return columns


def _told_apart(pools: Mapping[str, Result]) -> dict[str, str]:
    """Return a distinct label for each pool: its dataset and version, else its name."""
    names = {
        pool: "/".join(pools[pool].pool.split("/")[:-2]) + pool.removeprefix(pools[pool].pool)
        for pool in sorted(pools)
    }
    return names if len(set(names.values())) == len(names) else {pool: pool for pool in names}


def _spellings(
    published: Iterable[str], found: Mapping[tuple[str, str], Mapping[str, Result]], place: int
) -> dict[str, str]:
    """Return the displayed spelling of names by canonical name, in display order."""
    spelt: dict[str, str] = {}
    for name in published:
        spelt.setdefault(canonical(name), name)
    pools = (result for each in found.values() for result in each.values())
    for name in sorted({(each.model, each.benchmark)[place] for each in pools}):
        spelt.setdefault(canonical(name), name)
    return spelt
