"""From a known public source to pools: which of its files make which pool, download, import."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.hub import download as hub
from simulator.hub.download import RemoteFile
from simulator.hub.errors import is_offline
from simulator.hub.registry import FILE_NAME, Entry, PoolRule, is_commit
from simulator.importers import FORMATS
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import read_info

SHOWN_FILES = 5
"""Files that an error names; all of them are told before it."""


@dataclass(frozen=True, kw_only=True)
class PullReport:
    """What a pull made.

    `commit` is the full revision that was pulled, `requested` what was asked for. `made` are the
    pools that were imported now, `here` the names of those that were here from this commit already,
    `without_files` the names of those that the repository has no files of.
    """

    entry: Entry
    requested: str
    commit: str
    made: list[ImportReport]
    here: list[str]
    without_files: list[str]

    def as_dict(self) -> dict[str, Any]:
        """The report for `--json`."""
        return {
            "name": self.entry.name,
            "source": self.entry.source,
            "requested": self.requested,
            "commit": self.commit,
            "pinned": is_commit(self.requested),
            "licence": self.entry.licence,
            "citation": self.entry.citation,
            "made": [asdict(report) | {"path": str(report.path)} for report in self.made],
            "here": self.here,
            "without_files": self.without_files,
        }


def pull(
    entry: Entry,
    *,
    cache: Path,
    revision: str | None = None,
    replace: bool = False,
    keep_files: bool = True,
    progress: Callable[[str, float], None] = lambda what, fraction: None,
    notice: Callable[[str], None] = lambda text: None,
) -> PullReport:
    """Make the pools of a known public source below `cache`.

    Pools that are here from the same commit stay, so that an interrupted pull goes on where it
    stopped; each pool is written whole or not at all. `notice` is told what a user should know.

    Parameters
    ----------
    revision
        Instead of the entry's.
    replace
        Whether to overwrite pools of the same names.
    keep_files
        Whether downloads stay, in huggingface_hub's own folder; else they are kept in a folder
        of their own below `cache`, which is removed once all pools are made.

    Raises
    ------
    UserError
        The source cannot be had, a file belongs to no pool or to several, a pool of another
        revision is here, or files cannot be imported.
    """
    if entry.importer not in FORMATS:
        raise UserError(
            f"[{entry.name}] importer: no format {entry.importer!r}; use one of "
            f"{', '.join(FORMATS)} in {cache / FILE_NAME}"
        )
    requested = revision or entry.revision
    own_folder = None if keep_files or is_offline() else cache / f".{entry.name}.pull.tmp"
    progress(f"looking up {entry.name}", 0.0)
    listing = hub.list_files(entry, requested, own_folder)
    if revision is not None and revision != listing.commit:
        notice(f"{revision} is {listing.commit}")
    elif requested != listing.commit:
        notice(_how_to_pin(entry, requested, listing.commit, cache))
    assigned = assign(entry, listing.files, listing.commit, cache=cache, notice=notice)
    without = [entry.pool_name(rule) for rule in entry.pools if not assigned[rule_key(rule)]]
    for name in without:
        notice(f"{name}: left out, the repository has no files of it")
    here: list[PoolRule] = []
    wanted: list[PoolRule] = []
    for rule in entry.pools:
        if assigned[rule_key(rule)]:
            is_here = not replace and _is_here(entry, rule, listing.commit, cache)
            (here if is_here else wanted).append(rule)
    files = [file for rule in wanted for file in assigned[rule_key(rule)]]
    made = []
    try:
        if wanted:
            folder = hub.download(
                entry,
                requested,
                listing.commit,
                files,
                folder=own_folder,
                progress=progress,
                notice=notice,
            )
        for rule in wanted:
            paths = tuple(folder / file.path for file in assigned[rule_key(rule)])
            made.append(
                _import(
                    entry, rule, paths, listing.commit, cache, replace=replace, progress=progress
                )
            )
    except BaseException:
        if own_folder is not None and not any(own_folder.glob("*/snapshots/*/*")):
            shutil.rmtree(own_folder, ignore_errors=True)  # nothing in it that is worth resuming
        raise
    if own_folder is not None:
        shutil.rmtree(own_folder, ignore_errors=True)
    found = [report.mapping for report in made]
    if found and found[0] and all(each == found[0] for each in found):
        from simulator.importers.mapping import mapping_toml

        notice(
            f"to keep this mapping of columns, put under [{entry.name}] in {cache / FILE_NAME}:\n"
            f"{mapping_toml(found[0]).strip()}"
        )
    return PullReport(
        entry=entry,
        requested=requested,
        commit=listing.commit,
        made=made,
        here=[entry.pool_name(rule) for rule in here],
        without_files=without,
    )


def rule_key(rule: PoolRule) -> tuple[str, str]:
    """Model and benchmark, which tell an entry's pools apart."""
    return rule.model, rule.benchmark


def assign(
    entry: Entry,
    files: Sequence[RemoteFile],
    commit: str,
    *,
    cache: Path,
    notice: Callable[[str], None] = lambda text: None,
) -> dict[tuple[str, str], list[RemoteFile]]:
    """The files of each pool of an entry, by model and benchmark.

    Raises
    ------
    UserError
        No file is wanted, or a wanted one belongs to no pool or to several. `notice` is told every
        such file before.
    """
    wanted = [file for file in files if entry.wants(file.path)]
    own = cache / FILE_NAME
    if not wanted:
        names = _some([file.path for file in files]) or "no file at all"
        raise UserError(
            f"{entry.source}: nothing at {commit} matches files = {_toml(entry.files)}; it holds "
            f"{names}: give other files under [{entry.name}] in {own}"
        )
    assigned: dict[tuple[str, str], list[RemoteFile]] = {rule_key(rule): [] for rule in entry.pools}
    lost = []
    for file in wanted:
        rules = [rule for rule in entry.pools if rule.matches(file.path)]
        if len(rules) == 1:
            assigned[rule_key(rules[0])].append(file)
            continue
        lost.append(file.path)
        names_of = " or ".join(entry.pool_name(rule) for rule in rules) or "no pool"
        notice(f"{file.path}: belongs to {names_of}")
    if lost:
        many = "1 file belongs" if len(lost) == 1 else f"{len(lost)} files belong"
        raise UserError(
            f"{entry.source}: {many} to no pool, or to several ({_some(lost)}); nothing was "
            f"downloaded. In {own}, give each pool's files under [[{entry.name}.pools]] with "
            f'model, benchmark and files = ["…"], or leave files out with ignore = ["…"] under '
            f"[{entry.name}]"
        )
    return assigned


def _is_here(entry: Entry, rule: PoolRule, commit: str, cache: Path) -> bool:
    """Whether a pool is here from this commit. Raises `UserError` if it is from elsewhere."""
    folder = cache / entry.dataset / rule.model / rule.benchmark
    if not folder.exists():
        return False
    info = read_info(folder)
    if (info.source, info.revision) == (entry.source, commit):
        return True
    origin = " at ".join(part for part in (info.source, info.revision) if part) or "elsewhere"
    raise UserError(
        f"{folder}: a pool of this name is here from {origin}, not from {entry.source} at "
        f"{commit}; overwrite it with --replace, or pull another --revision"
    )


def _import(
    entry: Entry,
    rule: PoolRule,
    paths: tuple[Path, ...],
    commit: str,
    cache: Path,
    *,
    replace: bool,
    progress: Callable[[str, float], None],
) -> ImportReport:
    name = f"{rule.model}/{rule.benchmark}"
    try:
        return import_pool(
            entry.importer,
            ImportOptions(
                paths=paths,
                field_map=rule.field_map,
                answer_kind=rule.answer_kind,
                tokenizer=rule.tokenizer,
                drop_bad_rows=rule.drop_bad_rows,
                progress=lambda what, done: progress(f"{name}: {what}", done),
            ),
            cache=cache,
            dataset=entry.dataset,
            model=rule.model,
            benchmark=rule.benchmark,
            source=entry.source,
            revision=commit,
            licence=entry.licence,
            citation=entry.citation,
            replace=replace,
        )
    except UserError as error:
        message = str(error)
        if "--map" in message:
            message += f'; here, that is map = {{field = "column"}} under [{entry.name}] in '
            message += str(cache / FILE_NAME)
        raise UserError(f"{name}: {message}") from error


def _how_to_pin(entry: Entry, requested: str, commit: str, cache: Path) -> str:
    return (
        f"{entry.name} is not pinned: {requested} is now {commit}. To have these files again, put "
        f'under [{entry.name}] in {cache / FILE_NAME}:\nrevision = "{commit}"'
    )


def _some(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = len(names) - SHOWN_FILES
    return ", ".join(names[:SHOWN_FILES]) + (f" and {more} more" if more > 0 else "")


def _toml(texts: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"
