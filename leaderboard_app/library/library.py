"""All entries, published figures and pools that the leaderboard shows, and what is broken.

An entry is a submission or a local run. A library never changes: when files change (`state_of`), a
new one is made, and only changed files are read again.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from leaderboard_app.library.board_file import FILE_NAME as BOARD_FILE
from leaderboard_app.library.board_file import Board, read_board
from leaderboard_app.library.columns import by_group, metrics_of, values_in
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.kept_sums import KeptSums, kept_sums
from leaderboard_app.library.memo import Once
from simulator.arrow import arrow_array
from simulator.boards.derived import FOLDER as DERIVED_FOLDER
from simulator.boards.derived import SEED, Derivable, derivable
from simulator.boards.duplicates import in_folder
from simulator.catalogue.figures import ANSWERS, BASES, KEPT, RECOMPUTED, VERIFIED, Pools, derive
from simulator.catalogue.kept_file import digest, keep, kept_place, read_kept
from simulator.catalogue.pool_rows import Broken, Progress, Row, stamp, stamp_digest
from simulator.catalogue.views import Catalogue, connect
from simulator.counting import GENERATED
from simulator.errors import UserError
from simulator.loading import is_builtin, load_policy
from simulator.pools.pool import Pool, iter_pool_folders
from simulator.pools.probe_cost import GIVEN
from simulator.runs.format import METRICS
from simulator.runs.results import Metric, ProblemSums, RunResult
from simulator.submissions.examples import REPEATS, paper_of
from simulator.submissions.published import (
    FILE_NAME,
    PACKAGED,
    PublishedFigure,
    read_published,
)

LOCAL = "local"
"""Badge of a run that was not submitted."""

DERIVED = "derived"
"""Badge of a built-in method that was replayed on this machine, on a pool that is here."""

SUPERSEDED = "superseded"
"""Badge of a submission whose place a later one has taken."""

RUN = "runs/"
"""Prefix of the id of an entry that is a run."""

DERIVED_RUN = "derived/"
"""Prefix of the id of an entry that was derived here."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result of an entry on one pool; shares are fractions.

    `metrics` lacks what was not measured. `column` identifies the pool: its name, with part of its
    fingerprint if it has several versions. `probe_cost` is that of a probe, such as `10+20`, and
    `probe_source` its origin (`simulator.pools.probe_cost.SOURCES`); empty without probes.
    `charging` says which tokens are counted (`simulator.counting`).
    """

    pool: str
    column: str
    fingerprint: str | None
    model: str
    benchmark: str
    synthetic: bool
    token_accuracy: str
    problems: int
    budget: int
    baseline: str
    clock_unit: str
    serving: str
    metrics: Mapping[str, Metric]
    probe_cost: str = ""
    probe_source: str = ""
    charging: str = GENERATED

    @property
    def given_cost(self) -> str:
        """Phrase about costs of probes and tokens that the run was given; empty without any."""
        said = []
        if self.probe_source == GIVEN:
            said.append(f"probes cost {tokens_text(self.probe_cost)} by --probe-cost")
        if self.charging != GENERATED:
            said.append(f"tokens are counted by --charging {self.charging}")
        return ", ".join(said)

    @property
    def clock(self) -> str:
        """Unit of the clock and the engine; only results with equal ones can be compared."""
        return f"{self.clock_unit}, {self.serving}" if self.serving else self.clock_unit


@dataclass(frozen=True, slots=True)
class Entry:
    """A submission or a run, with its results by `Result.column`.

    Parameters
    ----------
    id
        Name in links: a submission's folder, or `runs/` and the run's name.
    method
        The submitter's name for it; for a run, the policy's name.
    label
        The method, with settings or the id if other entries have the same name.
    badge
        verified, recomputed, self-reported, synthetic or withdrawn; None for a broken submission;
        `LOCAL` for a run; `SUPERSEDED` if a later submission takes its place.
    basis
        Source of its figures: one of `simulator.catalogue.figures.BASES`.
    figures_path, figures_sha256
        Folder of the decisions and answers that its figures come from; hash of these answers.
    files_sha256, files_stamp
        Hash of all files of a submission (`leaderboard_app.library.citation.entry_hash`), and the
        stamp with which it is valid; None for a run.
    note
        Reason that its figures are not the verifier's though they were verified; empty if none.
    needs
        Signals that the policy reads: text, confidence, probes, judge.
    parameters, settings
        The policy's parameters; names of those that were set for this run.
    unranked
        True if it uses ground truth (the oracle judge): shown, never ranked.
    seed, repeats
        Those of the replays that its figures come from.
    sweep_settings
        Number of settings of the sweep that its run was picked from; None for no sweep.
    supersedes, superseded_by
        Ids of the entry whose place it takes, and of the one that takes its place.
    """

    id: str
    path: Path
    method: str
    label: str
    badge: str | None
    needs: tuple[str, ...]
    policy: str
    policy_sha256: str | None
    parameters: Mapping[str, Any]
    settings: tuple[str, ...]
    unranked: bool
    seed: int
    repeats: int
    results: Mapping[str, Result]
    authors: tuple[str, ...] = ()
    organisation: str | None = None
    date: str | None = None
    paper: str | None = None
    code: str | None = None
    description: str | None = None
    withdrawn: str | None = None
    verified_at: str | None = None
    command: str | None = None
    basis: str = ANSWERS
    figures_path: Path | None = None
    answers_sha256: str | None = None
    figures_sha256: str | None = None
    files_sha256: str | None = None
    files_stamp: str | None = None
    note: str = ""
    sweep_settings: int | None = None
    version: str | None = None
    supersedes: str | None = None
    superseded_by: str | None = None

    @property
    def figures(self) -> Path:
        """Folder of the decisions and answers that its figures come from."""
        return self.figures_path or self.path

    @property
    def picked_from(self) -> str:
        """Phrase about the sweep that its run was picked from; empty for none."""
        if self.sweep_settings is None or self.sweep_settings < 2:
            return ""
        return f"one of {self.sweep_settings} settings tried on these problems"

    @property
    def given_cost(self) -> str:
        """Phrase about a cost of probes that its run was given; empty if it was given none."""
        return ", ".join({each.given_cost: 1 for each in self.results.values() if each.given_cost})

    @property
    def synthetic(self) -> bool:
        """True if any of its pools is generated."""
        return any(result.synthetic for result in self.results.values())

    @property
    def takes_part(self) -> bool:
        """True if it is ranked and may have the best figure of a column.

        Its figures are a verifier's own, or those of a built-in method that was replayed here.
        Those on generated traces are compared among themselves: real and synthetic figures are
        never in one table.
        """
        if self.badge == DERIVED:
            return self.basis == RECOMPUTED and not self.unranked
        return (
            self.basis == VERIFIED and self.badge in ("verified", "synthetic") and not self.unranked
        )


@dataclass(frozen=True)
class Library:
    """All that the leaderboard shows; `state` changes whenever a file it was made from does.

    `once` caches slow results computed from it; `board` is what its keeper says about it.
    One that is `hasty` has no ranks.
    """

    folders: Folders
    state: int
    catalogue: Catalogue
    entries: tuple[Entry, ...]
    published: tuple[PublishedFigure, ...]
    published_tables: Mapping[str, Sequence[Mapping[str, Any]]]
    pools: tuple[Row, ...]
    broken: tuple[Broken, ...]
    by_id: Mapping[str, Entry] = field(default_factory=dict)
    once: Once = field(default_factory=Once, repr=False, compare=False)
    board: Board = field(default_factory=Board)
    hasty: bool = False

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a DuckDB query over the catalogue's views; thread-safe."""
        return self.catalogue.rows(query, parameters)

    def recorded(self, entry: Entry, name: str, where: str, *values: object) -> list[Row]:
        """Return rows of an entry's answers or decisions (`simulator.replay.recording`)."""
        file = str(entry.figures.resolve() / f"{name}.parquet")
        return self.rows(f"SELECT * FROM read_parquet(?) WHERE {where}", [file, *values])

    def problem_sums(self, entry: Entry) -> Mapping[str, ProblemSums]:
        """Return the entry's sums on each problem, by pool; empty if its answers are broken."""
        return self._sums.of(entry.figures, entry.figures_sha256)

    def keep_sums(self) -> None:
        """Write the sums on each problem that are known to a file, for the next process."""
        hashes = {entry.figures_sha256 for entry in self.entries if entry.figures_sha256}
        self._sums.keep(hashes)

    def kept(self, name: str, inputs: object, make: Callable[[], bytes]) -> bytes:
        """Return what `make` computes from this board, or what it did in an earlier process.

        It is kept in a file by the `name`, and counts only for the same `inputs`, to be written as
        JSON: all that it follows from, beside this program.
        """
        of = json.dumps([name, inputs, _program()])
        file = self._kept_place(f"board-{digest(name)[:16]}")
        content = read_kept(file, of)
        if content is not None:
            return bytes(content)
        found = make()
        keep(file, of, found)
        return found

    def _kept_place(self, what: str) -> Path | None:
        return kept_place(self._kept, what, self.folders.submissions.absolute())

    def submitted(self, entry: Entry) -> Sequence[RunResult]:
        """Return the figures of the run that was submitted, where others are shown; else none."""
        if entry.basis != VERIFIED:
            return ()
        return self.once(
            ("submitted", entry.id),
            lambda: derive(entry.path, Pools(kept=self._kept), bounded=True).results,
        )

    def notes(self) -> Mapping[str, Sequence[str]]:
        """Return notes for the keeper on submissions that repeat or imitate others, by id."""
        folder = self.folders.submissions

        def read() -> Mapping[str, Sequence[str]]:
            below = sorted(each for each in folder.iterdir() if each.is_dir())
            stamps = {entry.path: entry.files_stamp for entry in self.entries}
            files = [(each.name, stamps.get(each) or stamp_digest(stamp(each))) for each in below]
            published = [each.method for each in self.published]
            found = self.kept(
                "notes", [files, published], lambda: json.dumps(in_folder(folder)).encode()
            )
            notes: dict[str, list[str]] = json.loads(found)
            return notes

        return self.once("notes", lambda: read() if folder.is_dir() else {})

    def nearest(self, name: str) -> list[str]:
        """Return at most three entry ids similar to `name`, the nearest first."""
        folded = {each.casefold(): each for each in self.by_id}
        near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)
        near += [each for each in folded if name.casefold() in each and each not in near]
        return [folded[each] for each in near[:3]]

    def pool_row(self, name: str) -> Row | None:
        """Return the row of a pool in the view `pools`; None if it is not here."""
        return self._pools.get(name)

    def pool(self, name: str) -> Pool | None:
        """Return the pool named `name`, opened for reading; None if it is not here."""
        row = self._pools.get(name)
        return None if row is None else _open_pool(Path(row["path"]), row["fingerprint"])

    @property
    def _kept(self) -> Path | None:
        return self.folders.cache / KEPT if self.folders.cache.is_dir() else None

    @cached_property
    def _sums(self) -> KeptSums:
        return kept_sums(self._kept_place("sums"))

    @cached_property
    def _pools(self) -> Mapping[str, Row]:
        return {row["name"]: row for row in self.pools}


def state_of(folders: Folders) -> int:
    """Return a number that changes when a file in the folders is added, changed or removed.

    It is valid within this process only. Visits every folder, 10 ms for 200 submissions. A run in
    progress counts once it is complete.
    """
    seen: list[object] = []
    for folder in iter_pool_folders(folders.cache):
        seen.append((str(folder), stamp(folder)))
    for parent in (folders.runs, folders.submissions, folders.cache / DERIVED_FOLDER):
        if parent.is_dir():
            below = sorted(each for each in parent.iterdir() if each.is_dir())
            below = [each for each in below if not each.name.endswith(".partial")]
            seen += [(str(folder), stamp(folder)) for folder in below]
            files = [each for each in stamp(parent) if each[0].endswith(".toml")]
            seen.append((str(parent), *files))
    return hash(tuple(seen))


def load(
    folders: Folders, progress: Progress = lambda done: None, state: int | None = None
) -> Library:
    """Read everything in the folders; what cannot be read goes to `broken` and stops nothing else.

    Figures are derived (`simulator.catalogue.figures`), which takes seconds for each run that was
    not seen before; `progress` is told the share of the folders that is done. `state` is that of
    the folders (`state_of`), if it was looked up just before. If the folder of submissions has no
    published figures, those packaged with the program are used.
    """
    state = state_of(folders) if state is None else state
    catalogue = connect(folders.cache, folders.runs, folders.submissions, progress)
    pools = catalogue.rows("FROM pools ORDER BY name")
    tables = (catalogue.submissions, catalogue.runs)
    versions = _versions(pools, (*tables, catalogue.derived))
    broken = list(catalogue.broken)
    entries = []
    for name, table in zip(("submission", "run"), tables, strict=True):
        entries += _entries(table, name, versions, broken)
    entries += _derived(catalogue.derived, pools, versions, broken)
    entries = _with_labels(superseded(entries))
    own = (folders.submissions / FILE_NAME).is_file()
    try:
        published = read_published(folders.submissions if own else PACKAGED)
        figures, published_tables = published.figures, published.tables
    except UserError:  # already in the catalogue's broken ones
        figures, published_tables = (), {}
    board = Board()
    try:
        board = read_board(folders.submissions)
    except UserError as error:
        broken.append(Broken(folders.submissions / BOARD_FILE, str(error)))
    return Library(
        folders,
        state,
        catalogue,
        tuple(entries),
        figures,
        published_tables,
        tuple(pools),
        tuple(broken),
        {entry.id: entry for entry in entries},
        board=board,
    )


def _versions(pools: Sequence[Row], tables: Sequence[pa.Table]) -> Mapping[str, set[str]]:
    """Return the fingerprints of each pool name, wherever it is used."""
    found: dict[str, set[str]] = {}
    pairs = {(row["name"], row["fingerprint"]) for row in pools}
    for table in tables:
        columns = (values_in(table[name]) for name in ("pool", "fingerprint"))
        pairs.update(zip(*columns, strict=True))
    for name, fingerprint in pairs:
        if name is not None and fingerprint is not None:
            found.setdefault(name, set()).add(fingerprint)
    return found


def _entries(
    table: pa.Table, name: str, versions: Mapping[str, set[str]], broken: list[Broken]
) -> list[Entry]:
    """Return the entries of a view's rows; the column `name` identifies each."""
    table = table.sort_by([(name, "ascending"), ("pool", "ascending")])
    groups = by_group(table[name])
    firsts = table.take(arrow_array([start for start, _ in groups], pa.int64()))
    own = {column: values_in(firsts[column]) for column in {*firsts.column_names} - _MEASURED}
    results = _results(table, versions)
    found = []
    for row, (start, end) in enumerate(groups):
        first = {column: values[row] for column, values in own.items()}
        if first["pool"] is None:
            broken.append(Broken(Path(first["path"]), "holds no run; see deepprune-sim submit"))
        else:
            prefix = RUN if name == "run" else ""
            found.append(_entry(f"{prefix}{first[name]}", first, results[start:end]))
    return found


def _derived(
    table: pa.Table,
    pools: Sequence[Row],
    versions: Mapping[str, set[str]],
    broken: list[Broken],
) -> list[Entry]:
    """Return the entries derived here, as far as this version derives them on the pools here."""
    by_name = {row["name"]: row for row in pools}
    found = []
    for entry in _entries(table, "run", versions, broken):
        (result, *more) = entry.results.values()
        row = by_name.get(result.pool)
        if row is None or row["fingerprint"] != result.fingerprint or more:
            continue
        expected = derivable(_open_pool(Path(row["path"]), row["fingerprint"]))
        if not _as_derived(entry, result, expected.get(entry.id.removeprefix(RUN))):
            continue
        paper = paper_of(load_policy(entry.policy).policy.source)
        name = DERIVED_RUN + entry.id.removeprefix(RUN)
        found.append(
            replace(entry, id=name, badge=DERIVED, authors=("deepprune-sim",), paper=paper)
        )
    return found


def _as_derived(entry: Entry, result: Result, expected: Derivable | None) -> bool:
    """Return True if a run is made as derived ones are, and has their name."""
    return (
        expected is not None
        and is_builtin(entry.policy)
        and load_policy(entry.policy).sha256 == entry.policy_sha256
        and json.dumps(entry.parameters, sort_keys=True)
        == json.dumps(dict(expected.parameters), sort_keys=True)
        and (entry.seed, entry.repeats, result.budget) == (SEED, REPEATS, expected.budget)
        and not (result.serving or result.given_cost)
    )


_MEASURED = {f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")}


def _entry(name: str, first: Row, results: Sequence[Result]) -> Entry:
    is_run = name.startswith(RUN)
    method = first["policy"] if is_run else first["method"] or first["policy"]
    return Entry(
        id=name,
        path=Path(first["path"]),
        method=method,
        label=method,
        badge=LOCAL if is_run else first["badge"],
        needs=tuple(first["needs"] or ()),
        policy=first["policy"],
        policy_sha256=first["policy_sha256"],
        parameters=json.loads(first["parameters"]),
        settings=tuple(first["settings"] or ()),
        unranked=first["unranked"],
        seed=first["seed"],
        repeats=first["repeats"],
        results={result.column: result for result in results},
        authors=tuple(first.get("authors") or ()),
        date=_day(first["started_at"]) if is_run else first["date"],
        verified_at=first.get("verified_at"),
        command=first["command"],
        organisation=first.get("organisation"),
        paper=first.get("paper"),
        code=first.get("code"),
        description=first.get("description"),
        withdrawn=first.get("withdrawn"),
        basis=first["basis"],
        figures_path=Path(first["figures_path"]),
        answers_sha256=first["answers_sha256"],
        figures_sha256=first["figures_sha256"],
        files_sha256=first["files_sha256"],
        files_stamp=first["files_stamp"],
        note=first.get("note") or "",
        sweep_settings=first["sweep_settings"],
        version=first.get("version"),
        supersedes=first.get("supersedes"),
    )


def superseded(entries: Sequence[Entry]) -> list[Entry]:
    """Mark the entries whose place a later one has taken, with its id.

    One that is broken or withdrawn takes no place, nor one whose figures are less well checked, nor
    one that shares no author with the other: nobody removes the rows of others.
    """
    by: dict[str, str] = {}
    known = {entry.id: entry for entry in entries}
    for entry in entries:
        other = known.get(entry.supersedes or "")
        if other is None or other is entry or entry.badge in (None, "withdrawn"):
            continue
        if BASES.index(entry.basis) > BASES.index(other.basis):
            continue
        if {*map(str.casefold, entry.authors)} & {*map(str.casefold, other.authors)}:
            by[other.id] = entry.id
    return [
        replace(entry, badge=SUPERSEDED, superseded_by=by[entry.id])
        if entry.id in by and entry.badge != "withdrawn"
        else entry
        for entry in entries
    ]


def _day(moment: str | None) -> str | None:
    try:
        return date.fromisoformat((moment or "")[:10]).isoformat()
    except ValueError:
        return None


def _results(table: pa.Table, versions: Mapping[str, set[str]]) -> list[Result]:
    """Return the result of each row; a row without a pool has one without a meaning."""
    several = {pool for pool, found in versions.items() if len(found) > 1}
    names = (
        *("pool", "fingerprint", "synthetic", "token_accuracy", "problems", "budget", "baseline"),
        *("clock_unit", "serving", "probe_cost", "probe_source", "charging"),
    )
    rows = zip(*(values_in(table[name]) for name in names), metrics_of(table), strict=True)
    found = []
    parts: dict[str, list[str]] = {}
    for pool, fingerprint, synthetic, accuracy, problems, budget, baseline, unit, *others in rows:
        serving, probe_cost, probe_source, charging, metrics = others
        name = pool or ""
        of = parts.setdefault(name, [name, *name.split("/")][-2:])
        found.append(
            Result(
                pool=name,
                column=f"{name}#{(fingerprint or '?')[:8]}" if name in several else name,
                fingerprint=fingerprint,
                model=of[0],
                benchmark=of[1],
                synthetic=synthetic,
                token_accuracy=accuracy,
                problems=problems,
                budget=budget,
                baseline=baseline,
                clock_unit=unit,
                serving=serving or "",
                metrics=metrics,
                probe_cost=probe_cost or "",
                probe_source=probe_source or "",
                charging=charging or GENERATED,
            )
        )
    return found


def tokens_text(cost: str) -> str:
    """Return the cost of a probe as `10+20 tokens`, without a suffix of none."""
    return f"{cost.removeprefix('0+')} tokens"


def _with_labels(entries: Sequence[Entry]) -> list[Entry]:
    """Give entries of the same method distinct labels, by their settings, else by their id.

    Entries that are derived here are told apart by their pools.
    """

    def settled(entry: Entry) -> str:
        shown = [
            f"{name}={entry.parameters[name]}"
            for name in entry.settings
            if name in entry.parameters
        ]
        label = f"{entry.method} ({', '.join(shown)})" if shown else entry.method
        if entry.badge != DERIVED:
            return label
        return f"{label} on {', '.join(each.partition('/')[2] for each in entry.results)}"

    labels = [settled(entry) for entry in entries]
    times = Counter(labels)
    return [
        replace(entry, label=label if times[label] == 1 else f"{label} [{entry.id}]")
        for entry, label in zip(entries, labels, strict=True)
    ]


@cache
def _program() -> object:
    """Return facts that are others in another version of this package."""
    return [each[:3] for each in stamp(Path(__file__).parent) if each[0].endswith(".py")]


@lru_cache(maxsize=32)
def _open_pool(path: Path, fingerprint: str) -> Pool:
    return Pool(path)
