"""Folders of pools and runs on this machine, and finding pools by name."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.errors import UserError
from simulator.remote import is_url, remote_folders

if TYPE_CHECKING:
    from simulator.pools.pool import Pool

CACHE_VARIABLE = "DEEPPRUNE_SIM_CACHE"
"""The environment variable that names the folder of pools."""

LOCAL_CACHE = Path("datasets_cache")
"""The folder of pools in the working directory, used if it exists."""


def cache_folder(option: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder that holds all pools; it need not exist yet.

    In order of precedence: `option` (the command line's `--cache`), `$DEEPPRUNE_SIM_CACHE`,
    `datasets_cache/` in the working directory if it exists, the user's cache folder.

    Raises
    ------
    UserError
        The folder, or a part of its path, is a file or a link that leads to itself.
    """
    folder = _cache_folder(option)
    try:
        folder.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(
                f"{folder}: a link that leads to itself; name a folder with --cache or "
                f"${CACHE_VARIABLE}"
            ) from None
    for part in (folder, *folder.parents):
        if part.is_file():
            raise UserError(
                f"{part}: a file, not a folder of pools; name a folder with --cache or "
                f"${CACHE_VARIABLE}"
            )
    return folder


def _cache_folder(option: str | os.PathLike[str] | None) -> Path:
    if option is not None:
        return Path(option)
    variable = os.environ.get(CACHE_VARIABLE)
    if variable:
        return Path(os.path.expanduser(variable))  # noqa: PTH111  (keeps ~ if no home is known)
    if LOCAL_CACHE.is_dir():
        return LOCAL_CACHE
    from platformdirs import user_cache_path

    try:
        return user_cache_path("deepprune-sim", appauthor=False)
    except RuntimeError:
        raise UserError(
            f"no home folder to keep pools in; name one with --cache or ${CACHE_VARIABLE}"
        ) from None


def runs_folder() -> Path:
    """Return the folder that runs are written to: `runs/` in the working directory."""
    return Path("runs")


def pool_name(folder: Path) -> str:
    """Return the name, `dataset/model/benchmark`, of the pool in `folder`."""
    return "/".join(folder.parts[-3:])


def find_pools(cache: Path, patterns: Sequence[str], *, remote: bool = False) -> list[Path]:
    """Find the folders of the pools whose names match any of `patterns`, sorted by name.

    Patterns are full names or case-sensitive globs over them, in which `*` also matches slashes.
    Without patterns, every pool is returned; there may be none. A pool that comes with the package
    is copied into the folder when a pattern that no other pool matches asks for it. If `remote`, a
    pattern may be the URL of a pool's folder, or a glob of such (`simulator.remote`).

    Raises
    ------
    UserError
        A pattern matches no pool; the message names the nearest ones.
    """
    from simulator.pools.pool import iter_pool_folders
    from simulator.pools.shipped import copy_shipped, shipped_pools

    folders = {pool_name(folder): folder for folder in iter_pool_folders(cache)}
    elsewhere: dict[str, Path] = {}
    for url in filter(is_url, patterns):
        if not remote:
            raise UserError(f"{url}: only run and judge score read pools elsewhere; copy it here")
        for folder in remote_folders(url, "pool.json"):
            other = elsewhere.setdefault(pool_name(folder), folder)
            if other != folder:
                raise UserError(f"{other} and {folder} have the same name; name one")
    if not patterns:
        return list(folders.values())
    found: set[str] = set()
    for pattern in patterns:
        if is_url(pattern):
            continue
        matches = _matching(pattern, folders)
        if not matches:
            matches = _matching(pattern, shipped_pools())
            folders |= {name: copy_shipped(cache, name) for name in matches}
        if not matches:
            raise UserError(_no_match(cache, pattern, list(folders)))
        found.update(matches)
    twice = sorted(found & elsewhere.keys())
    if twice:
        raise UserError(f"{elsewhere[twice[0]]}: {twice[0]} is asked for here, too; name one")
    folders |= elsewhere
    return [folders[name] for name in sorted(found | elsewhere.keys())]


def check_distinct(pools: Sequence[Pool]) -> None:
    """Refuse a pool that would count twice: a copy under its own or another name.

    Raises
    ------
    UserError
        A folder on this machine has another name than its pool, or two pools have the same content.
    """
    held: dict[str, Pool] = {}
    for pool in pools:
        if not is_url(str(pool.path)) and pool_name(pool.path.absolute()) != pool.name:
            raise UserError(f"{pool.path}: pool.json names it {pool.name}; move the folder there")
        content = pool.info.content or pool.info.sha256
        for key in (pool.name, repr(sorted(content.items()))):
            other = held.setdefault(key, pool)
            if other is not pool:
                raise UserError(f"{other.path} and {pool.path} hold the same traces; name one")


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name == pattern or fnmatchcase(name, pattern)]


def unfinished_pools(cache: Path) -> dict[str, str]:
    """Find what imports have not finished or were killed: the pool's name to what there is.

    An import that was killed is cleared by the next one of the same name.
    """
    from simulator.storage import LEFTOVER, is_locked

    found: dict[str, str] = {}
    for path in sorted(cache.glob("*/*/.*")):
        name = LEFTOVER.fullmatch(path.name)
        if name:
            target = path.with_name(name[1])
            words = "being imported" if is_locked(target) else "left by an import that was killed"
            found[pool_name(target)] = words
    return found


def _no_match(cache: Path, pattern: str, names: list[str]) -> str:
    if not names:
        return f"no pool {pattern!r}: {cache} holds no pools; see deepprune-sim data list"
    near = nearest_pools(pattern, names)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return f"no pool {pattern!r} in {cache}; {hint}deepprune-sim data list shows all"


def nearest_pools(pattern: str, names: Sequence[str], limit: int = 3) -> list[str]:
    """Find at most `limit` of `names` that `pattern` may have meant, nearest first.

    These are the names that contain the pattern's text, in any case. If none does, they are those
    with a similar spelling, as a whole or in one of their three parts.
    """
    text = pattern.strip("*").casefold()
    if not text:
        return []
    holding = sorted(name for name in names if text in name.casefold())
    if holding:
        return holding[:limit]

    def likeness(name: str) -> float:
        parts = [name.casefold(), *name.casefold().split("/")]
        return max(difflib.SequenceMatcher(None, text, part).ratio() for part in parts)

    scored = sorted((-likeness(name), name) for name in names)
    return [name for score, name in scored if score <= -0.6][:limit]
