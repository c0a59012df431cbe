"""The folder of an export: written aside, then moved into place file by file.

`MANIFEST` lists the files with their SHA-256, so that the next export knows which ones to remove.
While files are moved it lists the old ones and the new ones, so that an export that was interrupted
can be repeated. Files of an equal export stay untouched, as does everything that no export wrote: a
`.git` or a `CNAME`, for example.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from simulator.errors import UserError, one_line

MANIFEST = "export.json"
"""List of an export's files; a folder with one may be written again."""

FORMAT = 1

KEPT = ("CNAME",)
"""Files that may stand in a folder without a manifest, besides hidden ones such as `.git`."""


class Folder:
    """Files of an export that is being made, below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, str] = {}
        self._made: set[Path] = set()

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file, named relative to the export with `/` between folders."""
        data = content.encode("utf-8") if isinstance(content, str) else content
        folded = name.casefold()
        if name in self.files or folded == MANIFEST:
            raise ValueError(f"{name} is written twice")
        path = self.root / name
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        path.write_bytes(data)
        self.files[name] = hashlib.sha256(data).hexdigest()


@contextmanager
def writing(target: Path) -> Iterator[Folder]:
    """Yield a folder to write an export into; at the end, bring `target` to its contents.

    If the block raises, `target` is unchanged.

    Raises
    ------
    UserError
        `target` is a file or a folder that is not an export, or cannot be written.
    """
    before = check_target(target)
    parent = target.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=parent))
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror})") from None
    try:
        folder = Folder(aside)
        yield folder
        _bring(folder, target, before)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({one_line(error)})") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check_target(target: Path) -> Mapping[str, str]:
    """Return the files of the export in `target`, by name; empty if there is none.

    Raises
    ------
    UserError
        It is a file, or a folder with other contents.
    """
    if not target.exists():
        return {}
    if not target.is_dir():
        raise UserError(f"{target}: is a file; name a folder")
    others = [
        each.name
        for each in target.iterdir()
        if not each.name.startswith(".") and each.name not in KEPT
    ]
    manifest = target / MANIFEST
    if not others:
        return {}
    try:
        known = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        return {str(name): str(known[name]) for name in known if _is_plain(name)}
    except FileNotFoundError:
        raise UserError(
            f"{target}: holds other files, such as {min(others)}, and no {MANIFEST} of an earlier "
            "export; name a new folder or an empty one"
        ) from None
    except (OSError, ValueError, LookupError, TypeError):
        raise UserError(
            f"{manifest}: cannot be read, so it is not known which files an earlier export wrote; "
            "name a new folder"
        ) from None


def _is_plain(name: str) -> bool:
    """Return True for a relative path that stays within its folder."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not re.search(r"[\\:]|^/", name) and ".." not in parts


def _bring(made: Folder, target: Path, before: Mapping[str, str]) -> None:
    """Move new and changed files to `target`, and remove those of the last export that are gone."""
    target.mkdir(exist_ok=True)
    _list(made, target, {**before, **made.files})
    for name in sorted(made.files):
        path = target / name
        if path.is_file() and not path.is_symlink() and _sha256(path) == made.files[name]:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        (made.root / name).replace(path)
    for name in sorted(before.keys() - made.files.keys()):
        path = target / name
        path.unlink(missing_ok=True)
        for folder in [*path.parents][: len(PurePosixPath(name).parts) - 1]:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    _list(made, target, made.files)


def _list(made: Folder, target: Path, files: Mapping[str, str]) -> None:
    """Replace the manifest of `target` at once, if it does not list these files already."""
    listed = json.dumps({"format": FORMAT, "files": files}, indent=0, sort_keys=True) + "\n"
    aside = made.root / MANIFEST
    aside.write_text(listed, encoding="utf-8")
    if not (target / MANIFEST).is_file() or _sha256(target / MANIFEST) != _sha256(aside):
        aside.replace(target / MANIFEST)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
