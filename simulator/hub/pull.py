"""Downloading a known public source and importing its files as pools."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from simulator.errors import UserError
from simulator.hub import download as hub
from simulator.hub import github
from simulator.hub.download import RemoteFile
from simulator.hub.errors import is_offline
from simulator.hub.registry import FILE_NAME, Entry, PoolRule, is_commit
from simulator.importers import FORMATS
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import read_info
from simulator.storage import disk_error, locked, make_folders, remove_empty

SHOWN_FILES = 5
"""Maximum number of files named in an error; a notice before it names all of them."""


@dataclass(frozen=True, kw_only=True)
class PullReport:
    """Result of a pull.

    `commit` is the full revision that was pulled, `requested` the revision as given. `made` are the
    imported pools, `here` the names of pools already here from this commit, `without_files` the
    names of pools without files in the repository.
    """

    entry: Entry
    requested: str
    commit: str
    made: list[ImportReport]
    here: list[str]
    without_files: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Convert the report to a dict for `--json`."""
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
    """Make the pools of a known public source in `cache`.

    Pools already here from the same commit are kept, so an interrupted pull can be continued. Each
    pool is written completely or not at all. `notice` receives notes for the user.

    Parameters
    ----------
    revision
        Revision to use instead of the entry's.
    replace
        Overwrite pools of the same names.
    keep_files
        Keep the downloaded files in huggingface_hub's folders. If false, they go to a temporary
        folder in `cache`, which is removed after all pools are made.

    Raises
    ------
    UserError
        The source is not available, a file belongs to no pool or to several, a pool of another
        revision is here, or files cannot be imported.
    """
    requested = revision or entry.revision
    own_folder = None if keep_files or is_offline() else cache / f".{entry.name}.pull.tmp"
    listing = _look_up(entry, revision, own_folder, cache, progress, notice)
    assigned = assign(entry, listing.files, listing.commit, cache=cache, notice=notice)
    without = [entry.pool_name(rule) for rule in entry.pools if not assigned[rule_key(rule)]]
    for name in without:
        notice(f"{name}: skipped, the repository has no files for it")
    here: list[PoolRule] = []
    wanted: list[PoolRule] = []
    for rule in entry.pools:
        if assigned[rule_key(rule)]:
            is_here = not replace and _is_here(entry, rule, listing.commit, cache)
            (here if is_here else wanted).append(rule)
    made: list[ImportReport] = []
    left = own_folder is not None and own_folder.exists()
    with _alone(entry, cache, own_folder) if wanted or left else nullcontext():
        # The Hub's client downloads in parallel, so all at once; files of GitHub come singly.
        for rules in [[rule] for rule in wanted] if entry.github else [wanted] * bool(wanted):
            folder = _place(entry).download(
                entry,
                requested,
                listing.commit,
                [file for rule in rules for file in assigned[rule_key(rule)]],
                folder=own_folder,
                progress=progress,
                notice=notice,
            )
            for rule in rules:
                paths = tuple(folder / file.path for file in assigned[rule_key(rule)])
                commit = listing.commit
                how: Any = {"replace": replace, "progress": progress}
                made.append(_import(entry, rule, paths, commit, cache, **how))
    _suggest_mapping(entry, made, cache, notice)
    return PullReport(
        entry=entry,
        requested=requested,
        commit=listing.commit,
        made=made,
        here=[entry.pool_name(rule) for rule in here],
        without_files=without,
    )


@contextmanager
def _alone(entry: Entry, cache: Path, own_folder: Path | None) -> Iterator[None]:
    """Let one process at a time download and import the files of an entry.

    `own_folder`, for the downloads, is removed at the end, and after an error if it holds nothing
    to resume.
    """

    def taken(holder: str) -> UserError:
        return UserError(
            f"{entry.name}: being pulled into {cache} by another process{holder}; wait until it "
            "ends"
        )

    with ExitStack() as held:
        try:
            held.callback(remove_empty, make_folders(cache))
            held.enter_context(locked(cache / f"{entry.name}.pull", taken))
        except OSError as error:
            raise disk_error(error, cache) from error
        try:
            yield
        except BaseException:
            kept = ("*/snapshots/*/*", github.KEPT)
            if own_folder is not None and not any(any(own_folder.glob(each)) for each in kept):
                shutil.rmtree(own_folder, ignore_errors=True)
            raise
        if own_folder is not None:
            shutil.rmtree(own_folder, ignore_errors=True)


def _look_up(
    entry: Entry,
    revision: str | None,
    own_folder: Path | None,
    cache: Path,
    progress: Callable[[str, float], None],
    notice: Callable[[str], None],
) -> hub.Listing:
    """List the files of an entry's repository, and say which commit that is."""
    if entry.importer not in FORMATS:
        raise UserError(
            f"[{entry.name}] importer: no format {entry.importer!r}; use one of "
            f"{', '.join(FORMATS)} in {cache / FILE_NAME}"
        )
    requested = revision or entry.revision
    progress(f"looking up {entry.name}", 0.0)
    listing: hub.Listing = _place(entry).list_files(entry, requested, own_folder)
    if revision is not None and revision != listing.commit:
        notice(f"{revision} is {listing.commit}")
    elif requested != listing.commit:
        notice(
            f"{entry.name} is not pinned: {requested} is now {listing.commit}. To get the same "
            f"files again, put under [{entry.name}] in {cache / FILE_NAME}:\n"
            f'revision = "{listing.commit}"'
        )
    return listing


def _suggest_mapping(
    entry: Entry, made: Sequence[ImportReport], cache: Path, notice: Callable[[str], None]
) -> None:
    """Say how to keep the column mapping, if all pools were imported with the same one."""
    found = [report.mapping for report in made]
    if found and found[0] and all(each == found[0] for each in found):
        from simulator.importers.mapping import mapping_toml

        notice(
            f"to keep this column mapping, add under [{entry.name}] in {cache / FILE_NAME}:\n"
            f"{mapping_toml(found[0]).strip()}"
        )


def _place(entry: Entry) -> ModuleType:
    """Return the module that lists and downloads an entry's files."""
    return github if entry.github else hub


def rule_key(rule: PoolRule) -> tuple[str, str]:
    """Return model and benchmark, which identify a pool of an entry."""
    return rule.model, rule.benchmark


def assign(
    entry: Entry,
    files: Sequence[RemoteFile],
    commit: str,
    *,
    cache: Path,
    notice: Callable[[str], None] = lambda text: None,
) -> dict[tuple[str, str], list[RemoteFile]]:
    """Assign files to the pools of an entry, by model and benchmark.

    Raises
    ------
    UserError
        No file matches the entry, or a matching one belongs to no pool or to several. `notice`
        receives each such file first.
    """
    wanted = [file for file in files if entry.wants(file.path)]
    own = cache / FILE_NAME
    if not wanted:
        names = _some([file.path for file in files]) or "no file at all"
        raise UserError(
            f"{entry.source}: nothing at {commit} matches files = "
            f"{json.dumps(entry.files, ensure_ascii=False)}; it has {names}: give "
            f"other files under [{entry.name}] in {own}"
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
    """Check that a pool is here from this commit; raise `UserError` if it is from elsewhere."""
    folder = cache / entry.dataset / rule.model / rule.benchmark
    if not folder.exists():
        return False
    info = read_info(folder)
    if (info.source, info.revision) == (entry.source, commit):
        if (info.equality, info.unparsed) == (rule.equality, rule.unparsed):
            return True
        raise UserError(
            f"{folder}: a pool of this name is here that counts answers in another way "
            f"({info.equality} equality, unparsed answers {info.unparsed}); give --dataset another "
            "name, or overwrite it with --replace"
        )
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
                equality=rule.equality,
                unparsed=rule.unparsed,
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
            message += f'; here, write map = {{field = "column"}} under [{entry.name}] in '
            message += str(cache / FILE_NAME)
        raise UserError(f"{name}: {message}") from error


def _some(names: Sequence[str]) -> str:
    """List the first few names, and the number of the others."""
    more = len(names) - SHOWN_FILES
    return ", ".join(names[:SHOWN_FILES]) + (f" and {more} more" if more > 0 else "")
