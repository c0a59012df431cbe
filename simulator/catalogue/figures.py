"""Figures of runs and submissions: one function derives them for every page, table and export.

A summary only states figures. They are derived here, as far as what is at hand allows:

1. `verified`: from the verifier's own replays, whose hashes `verification.json` has;
2. `recomputed`: from the decisions, on pools that are at hand;
3. `answers`: from the answers alone, where a pool is not at hand.

A summary that states anything else makes the folder broken. Recomputing takes seconds, so its
result is kept in the folder of pools, by the hashes of all that it follows from, this program
among them. What it needs is loaded by its functions: commands that derive nothing load this module
as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.arrays import Ints
from simulator.arrow import arrow_array, numbered, numpy_array
from simulator.catalogue.deadline import limited_to
from simulator.catalogue.kept_file import program
from simulator.errors import UserError
from simulator.pools.pool import Pool
from simulator.runs.format import (
    ANSWERS_FILE,
    DECISIONS_FILE,
    FILES,
    METRICS,
    RUN_FILE,
    SUMMARY_FILE,
    summary,
)
from simulator.runs.results import RunResult, read_results, results_in
from simulator.runs.summary import AVERAGED, Totals, summarise
from simulator.statistics import Bootstrap
from simulator.storage import JsonObject, read_plain, replace_file
from simulator.submissions.run_record import RecordedPool
from simulator.submissions.strict_json import Refused, parse_object
from simulator.submissions.wellformed import OpenRun, open_run

VERIFIED, RECOMPUTED, ANSWERS = BASES = ("verified", "recomputed", "answers")
"""Sources of figures, the most trusted first."""

KEPT = ".figures"
"""Folder, within that of the pools, of what was recomputed before."""

FORMAT = 2
"""Version of the files in it."""

SECONDS = 120.0
"""Most seconds that deriving the figures of a stranger's run may take."""


@dataclass(frozen=True, eq=False)
class Pools:
    """Folders of the pools on this machine, by name and fingerprint.

    What was recomputed is kept in the folder `kept`; nowhere if it is None.
    """

    at_hand: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    kept: Path | None = None


@dataclass(frozen=True)
class Figures:
    """Results that follow from the files in `path`; `basis` is one of `BASES`.

    It is `recomputed` only if all pools were at hand. `answers_sha256` identifies the answers.
    """

    results: Sequence[RunResult]
    basis: str
    path: Path
    answers_sha256: str


def derive(
    folder: Path,
    pools: Pools,
    content: Mapping[str, bytes] | None = None,
    *,
    by_verifier: bool = False,
    bounded: bool = False,
) -> Figures:
    """Derive the figures of the run in `folder`; `content` is that of its files, if read already.

    `by_verifier`: the run is a verifier's own (`verified_folder`). Its intervals are those that the
    verifier computed; every value is derived from its answers. `bounded`: it is a stranger's, and
    may have no more rows than a submission. Either may take at most `SECONDS`.

    Raises
    ------
    UserError
        A file is missing or damaged, or the summary states another figure than the one derived.
        The message names the file, the field, and both values. Or it took too long.
    """
    content = _content(folder) if content is None else content
    if missing := [name for name in FILES if name not in content]:
        raise UserError(f"{folder / missing[0]}: missing or not readable")
    hashes = {name: hashlib.sha256(content[name]).hexdigest() for name in FILES}
    key = _key(pools, content, hashes, by_verifier)
    found = _kept(pools, key)
    if found is None:
        try:
            with limited_to(SECONDS) if bounded or by_verifier else nullcontext():
                found = _derived(content, None if by_verifier else pools, bounded=bounded)
        except TimeoutError as error:  # not kept: another time, or elsewhere, it may be faster
            raise UserError(
                f"{folder}: its figures are not recomputed, as that {error}; verify it, which has "
                "more time (deepprune-sim verify --timeout)"
            ) from None
        _keep(pools, key, found)
    if found["wrong"]:
        raise UserError(f"{folder}: {found['wrong']}")
    run = JsonObject(parse_object(content[RUN_FILE], RUN_FILE), _wrong(folder))
    results = results_in(folder, run, JsonObject(found["summary"], _wrong(folder)))
    return Figures(results, found["basis"], folder, hashes[ANSWERS_FILE])


def checked_results(folder: Path) -> Sequence[RunResult]:
    """Read a run's results; a run that does not follow the format of submissions is not checked.

    Raises
    ------
    UserError
        The answers give another value than the summary states.
    """
    stated = read_results(folder)
    try:
        opened = open_run(_content(folder), bounded=False)
        entries = _from_answers(opened, range(len(opened.run.pools)), intervals=False)
    except UserError:  # Refused among them
        return stated
    derived = _without_ends(_whole(opened, entries))
    if wrong := _contradiction(_without_ends(opened.summary), derived):
        raise UserError(f"{folder}: {wrong}; make the run again")
    return stated


def _content(folder: Path) -> dict[str, bytes]:
    content = {}
    for name in FILES:
        try:
            content[name] = read_plain(folder / name)
        except OSError as error:
            raise UserError(f"{folder / name}: cannot be read ({error.strerror})") from None
    return content


def _key(
    pools: Pools, content: Mapping[str, bytes], hashes: Mapping[str, str], by_verifier: bool
) -> str:
    """Return a hash of all that the figures follow from."""
    try:
        recorded = parse_object(content[RUN_FILE], RUN_FILE).get("pools")
    except Refused:
        recorded = None
    named = recorded if isinstance(recorded, list) else []
    pairs = [
        (str(each.get("name")), str(each.get("fingerprint")))
        for each in named
        if isinstance(each, dict)
    ]
    there = [pair for pair in pairs if pair in pools.at_hand]
    of = [FORMAT, program(), METRICS, by_verifier, sorted(hashes.items()), there]
    return hashlib.sha256(json.dumps(of).encode()).hexdigest()


def _kept(pools: Pools, key: str) -> dict[str, Any] | None:
    """Return what was derived before from the same files and pools; None if it is not kept."""
    if pools.kept is not None:
        with suppress(OSError, ValueError):
            found = json.loads((pools.kept / f"{key}.json").read_bytes())
            if isinstance(found, dict) and set(found) == {"wrong", "summary", "basis"}:
                return found
    return None


def _keep(pools: Pools, key: str, found: dict[str, Any]) -> None:
    if pools.kept is not None:
        with suppress(OSError, UserError):  # a disk that cannot be written makes it slower only
            pools.kept.mkdir(exist_ok=True)
            replace_file(pools.kept / f"{key}.json", json.dumps(found).encode())


def _derived(content: Mapping[str, bytes], pools: Pools | None, *, bounded: bool) -> dict[str, Any]:
    """Derive a run's summary, a verifier's without `pools`: `wrong` says why it is broken."""
    basis, shown, wrong = VERIFIED, dict[str, Any](), ""
    try:
        opened = open_run(content, bounded=bounded)
        if pools is None:
            numbers = range(len(opened.run.pools))
            entries = _from_answers(opened, numbers, intervals=False)
            derived = _without_ends(_whole(opened, entries))
            shown = opened.summary
            wrong = _contradiction(_without_ends(shown), derived)
        else:
            basis, entries = _entries(opened, pools)
            shown = _whole(opened, entries)
            wrong = _contradiction(opened.summary, shown)
    except Refused as error:
        wrong = str(error)
    except MemoryError:
        wrong = "deriving its figures takes more memory than there is"
    return {"wrong": wrong, "summary": shown, "basis": basis}


def _whole(opened: OpenRun, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    run = opened.run
    return summary(run.policy, run.parameters, run.unranked, run.seed, run.repeats, entries)


def _entries(opened: OpenRun, pools: Pools) -> tuple[str, list[dict[str, Any]]]:
    """Return the basis of a run's figures, and the entry of each pool in a summary.

    Those on pools at hand are recomputed, also if others are not: naming a pool that nobody has
    spares no figure the check.
    """
    from simulator.verification.recompute import recompute

    run = opened.run
    opening = ((each, _open(pools, each)) for each in run.pools)
    there = {each.name: pool for each, pool in opening if pool is not None}
    found: dict[str, dict[str, Any]] = {}
    if there:
        part = opened if len(there) == len(run.pools) else _only(opened, set(there))
        again = recompute(part, [*there.values()], lambda what, done: None)
        if not again.summary:
            raise Refused(again.difference)
        found = {entry["pool"]: entry for entry in again.summary["pools"]}
    others = [number for number, each in enumerate(run.pools) if each.name not in found]
    found |= {entry["pool"]: entry for entry in _from_answers(opened, others, intervals=True)}
    basis = RECOMPUTED if len(there) == len(run.pools) else ANSWERS
    return basis, [found[each.name] for each in run.pools]


def _open(pools: Pools, recorded: RecordedPool) -> Pool | None:
    """Open the pool that a run recorded; None if it is not at hand, or cannot be read."""
    folder = pools.at_hand.get((recorded.name, recorded.fingerprint))
    if folder is None:
        return None
    try:
        pool = Pool(folder)
        pool.problems  # noqa: B018  (reads, and refuses files that pool.json does not describe)
    except UserError:
        return None
    return pool


def _only(opened: OpenRun, names: set[str]) -> OpenRun:
    """Return the part of a run on the pools with these names."""
    import pyarrow.compute as pc

    def part(file: pq.ParquetFile, name: str) -> pq.ParquetFile:
        try:
            table = file.read(use_threads=False)
            kept = table.filter(pc.is_in(table["pool"].cast(pa.string()), pa.array([*names])))
        except Exception as error:  # Arrow raises many types for damaged pages
            raise Refused(f"{name}: not readable as Parquet ({error})") from None
        sink = pa.BufferOutputStream()
        pq.write_table(kept, sink)
        return pq.ParquetFile(pa.BufferReader(sink.getvalue()))

    run = replace(opened.run, pools=tuple(p for p in opened.run.pools if p.name in names))
    return replace(
        opened,
        run=run,
        decisions=part(opened.decisions, DECISIONS_FILE),
        answers=part(opened.answers, ANSWERS_FILE),
    )


@dataclass(frozen=True)
class _Recorded:
    """As much of a pool as `summarise` reads."""

    name: str
    info: RecordedPool


def _from_answers(
    opened: OpenRun, numbers: Sequence[int], *, intervals: bool
) -> list[dict[str, Any]]:
    """Derive the entries of a run's pools with these numbers from its answers alone.

    Without `intervals`, they have none but those of differences, which takes a tenth of the time.
    """
    from simulator.verification.recompute import judge_ratio

    run = opened.run
    if not numbers:
        return []
    try:
        table = opened.answers.read(use_threads=False).unify_dictionaries().combine_chunks()
        table.validate(full=True)
        pools, of = numbered(table["pool"])
    except Exception as error:  # Arrow raises many types for damaged pages
        raise Refused(f"{ANSWERS_FILE}: not readable as Parquet ({error})") from None
    entries = []
    for number in numbers:
        pool = run.pools[number]
        number_of = pools.index(pool.name) if pool.name in pools else len(pools)
        (places,) = np.nonzero(of == number_of)
        rows = _rows_at(table, places)
        _check_rows(rows, pool.name, run.repeats)
        totals = Totals()
        totals.add_all(rows)
        over = None if intervals else Bootstrap(len(rows) // run.repeats, resamples=0)
        recorded = cast(Pool, _Recorded(pool.name, pool))
        unit, ratio = run.serving.clock_unit, judge_ratio(opened, number)
        try:
            entries.append(summarise(recorded, pool.budget, totals, unit, ratio, over))
        except ValueError as error:
            raise Refused(f"{ANSWERS_FILE}: {pool.name}: {error}") from None
    return entries


def _rows_at(table: pa.Table, places: Ints) -> pa.Table:
    """Return the rows at these places, which are in order; those of a pool are all in one piece."""
    if len(places) and places[-1] - places[0] == len(places) - 1:
        return table.slice(int(places[0]), len(places))
    return table.take(arrow_array(places, pa.int64()))


def _check_rows(rows: pa.Table, pool: str, repeats: int) -> None:
    """Refuse answers that no run can have recorded: repeats missing, counts below zero."""
    where = f"{ANSWERS_FILE}: {pool}"
    if not len(rows):
        raise Refused(f"{where}: no answers")
    averaged = [name for name in AVERAGED if name in rows.column_names]
    if any(rows[name].null_count for name in ("problem_id", "repeat", *averaged)):
        raise Refused(f"{where}: has nulls")
    _, of = numbered(rows["problem_id"])
    repeat = numpy_array(rows["repeat"])
    whole = (np.bincount(of) == repeats).all() and 0 <= repeat.min() <= repeat.max() < repeats
    if not whole or np.bincount(of * np.int64(repeats) + repeat).max() > 1:
        raise Refused(f"{where}: not {repeats} repeats of every problem")
    for name in averaged:
        values = numpy_array(rows[name]).astype(np.float64)
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 2**52:
            raise Refused(f"{where}: {name} has a value that no run has")
    if numpy_array(rows["baseline_tokens"]).min() <= 0:
        raise Refused(f"{where}: baseline_tokens has a value that no run has")


def _contradiction(stated: dict[str, Any], derived: dict[str, Any]) -> str:
    """Describe the first stated value that differs from the derived one; empty if none does.

    A figure that a summary does not state, as that of an earlier release, contradicts nothing.
    """
    from simulator.verification.recompute import difference

    both = {key: value for key, value in derived.items() if key in stated}
    found = difference(_as_stated(stated, both), _as_stated(both, stated), "")
    return f"{SUMMARY_FILE}: {found}" if found else ""


def _as_stated(one: Any, other: Any) -> Any:
    """Return a JSON value without the keys that the other one lacks."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _as_stated(value, other[key]) for key, value in one.items() if key in other}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [_as_stated(*both) for both in zip(one, other, strict=True)]
    return one


def _without_ends(value: Any) -> Any:
    """Return a summary without the ends of its intervals."""
    if isinstance(value, dict):
        return {
            key: _without_ends(each) for key, each in value.items() if key not in ("low", "high")
        }
    return [_without_ends(each) for each in value] if isinstance(value, list) else value


def _wrong(folder: Path) -> Callable[[str, Any, Mapping[str, Any]], UserError]:
    return lambda key, kind, fields: UserError(f"{folder}: {key!r} is missing or of a wrong type")
