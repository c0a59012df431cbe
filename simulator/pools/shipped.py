"""Pools that come with the package, and their copies in a folder of pools.

They lie outside every tree that the process of a policy may read, so that no policy finds the
answers there: in an installation in `share/`, in a clone in `datasets_cache/`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from simulator.storage import disk_error, make_folders, remove_empty, temporary_beside

DATASET = "shipped"
"""First part of the names of pools that come with the package."""

SHARE = f"share/deepprune-sim/{DATASET}/"
"""Path that their files have in an installation."""


def shipped_pools() -> dict[str, Path]:
    """Return the folders of the pools that come with the package, by name."""
    return {f"{DATASET}/{'/'.join(each.parts[-2:])}": each for each in sorted(_folders())}


def _folders() -> Iterator[Path]:
    """Yield their folders: those of a clone, or else of an installation."""
    clone = Path(__file__).parents[2] / "datasets_cache" / DATASET
    if clone.is_dir():
        yield from (file.parent for file in clone.glob("*/*/pool.json"))
        return
    try:
        files = metadata.files("deepprune-sim") or []
    except metadata.PackageNotFoundError:  # the modules alone were copied
        return
    for file in files:
        if SHARE in file.as_posix() and file.name == "pool.json":
            yield Path(str(file.locate())).resolve().parent


def copy_shipped(cache: Path, name: str) -> Path:
    """Copy a pool that comes with the package into a folder of pools, whole or not at all.

    One that is there is left as it is. Raises `UserError` if the folder cannot be written.
    """
    target = cache / name
    if target.exists():
        return target
    staging = temporary_beside(target)
    made: list[Path] = []
    try:
        made = make_folders(target.parent)
        staging.mkdir()
        for file in shipped_pools()[name].iterdir():
            shutil.copyfile(file, staging / file.name)
        staging.rename(target)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        remove_empty(made)
        if not target.exists():  # another process may have copied it
            raise disk_error(error, target) from error
    return target
