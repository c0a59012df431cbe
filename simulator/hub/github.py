"""Files of a repository on GitHub, at a commit, through the HTTP client of huggingface_hub.

`DEEPPRUNE_SIM_GITHUB_RAW` names another address than `RAW` to get them from. Downloads are kept in
huggingface_hub's folder of other libraries' files (HF_ASSETS_CACHE), and HF_HUB_OFFLINE holds here
as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from simulator.errors import WRITE_FAULTS, UserError, one_line
from simulator.hub.download import ATTEMPTS, Listing, RemoteFile
from simulator.hub.errors import is_offline, is_transport, retry_after
from simulator.hub.registry import Entry, is_commit
from simulator.storage import file_sha256

RAW = "https://raw.githubusercontent.com"

RAW_VARIABLE = "DEEPPRUNE_SIM_GITHUB_RAW"
"""The environment variable that names another address in place of `RAW`."""

KEPT = "deepprune-sim/*/*/*"
"""Pattern of downloads within the folder that they are kept in."""

TIMEOUT = 30
"""Seconds that the server may be silent."""


def list_files(entry: Entry, revision: str, folder: Path | None = None) -> Listing:
    """List the files of `entry`, as the registry names them; asks nobody.

    Their hashes are those of the registry, which hold for its own revision only.

    Raises
    ------
    UserError
        The revision is not a full commit.
    """
    if not is_commit(revision):
        raise UserError(
            f"--revision {revision}: {entry.source} is read at full commits only; give one, 40 "
            f"hexadecimal digits ({entry.url}/commits shows them)"
        )
    known: dict[str, str] = {}
    if revision == entry.revision:
        for rule in entry.pools:
            known |= zip(rule.files, rule.sha256, strict=False)  # a pool may have no hashes
    return Listing(revision, [RemoteFile(path, None, known.get(path)) for path in entry.files])


def download(
    entry: Entry,
    revision: str,
    commit: str,
    files: Sequence[RemoteFile],
    *,
    folder: Path | None = None,
    progress: Callable[[str, float], None],
    notice: Callable[[str], None],
) -> Path:
    """Download `files`; return the folder that holds them under their paths in the repository.

    Files that are here already are kept, and a broken download is resumed, by a later call too. A
    file whose SHA-256 is known is compared with it.

    Raises
    ------
    UserError
        A file cannot be downloaded, or is another one; complete files are kept.
    """
    from huggingface_hub import cached_assets_path

    try:
        kept_in = cached_assets_path(
            "deepprune-sim", entry.repository, subfolder=commit, assets_dir=folder
        )
        for number, file in enumerate(files):
            target = kept_in / file.path
            if target.is_file() and file.sha256 in (None, file_sha256(target)):
                continue
            _download(entry, commit, file, target, notice)
            progress(f"downloading {entry.name}", (number + 1) / len(files))
    except OSError as error:
        if error.errno not in WRITE_FAULTS:
            raise
        place = error.filename or folder or "downloads"
        raise UserError(f"{place}: {error.strerror}; {WRITE_FAULTS[error.errno]}") from error
    return kept_in


def raw_url(entry: Entry, commit: str, path: str) -> str:
    """Return the address of a file's content."""
    base = (os.environ.get(RAW_VARIABLE) or RAW).rstrip("/")
    return f"{base}/{entry.repository}/{commit}/{quote(path)}"


def _download(
    entry: Entry, commit: str, file: RemoteFile, target: Path, notice: Callable[[str], None]
) -> None:
    """Download one file beside its place, and move it there once it is complete."""
    url = raw_url(entry, commit, file.path)
    if is_offline():
        raise UserError(
            f"{url}: not on this machine, and HF_HUB_OFFLINE forbids the network; unset it and "
            "pull again"
        )
    part = target.with_name(target.name + ".incomplete")
    part.parent.mkdir(parents=True, exist_ok=True)
    notice(f"downloading {file.path} from {entry.source}")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _fetch(url, part)
            break
        except Exception as error:
            if not is_transport(error):
                raise
            if attempt == ATTEMPTS:
                raise UserError(
                    f"{url}: no answer, or a broken one ({one_line(error)}); check the network, "
                    f"proxy and {RAW_VARIABLE}, then pull again: what has come is kept"
                ) from error
            notice(f"the connection broke ({one_line(error)}); trying again")
            time.sleep(1)
    found = file_sha256(part)
    if file.sha256 not in (None, found):
        part.unlink()
        raise UserError(
            f"{url}: has SHA-256 {found}, and the registry says {file.sha256}; pull again, and if "
            "it stays another file, ask its publisher before you change the registry"
        )
    part.replace(target)


def _fetch(url: str, part: Path) -> None:
    """Append to `part` what it lacks of the file at `url`."""
    from huggingface_hub import get_session

    here = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # a range of compressed content is of no use
    if here:
        headers["Range"] = f"bytes={here}-"
    asked = get_session().stream(
        "GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True
    )
    with asked as response:
        if response.status_code in (200, 206):
            with part.open("ab" if response.status_code == 206 else "wb") as file:
                for piece in response.iter_raw():
                    file.write(piece)
            return
        if (
            response.status_code != 416 or not here
        ):  # of a range: all of it has come, or of a longer file
            raise UserError(_explain(response, url))
        whole = response.headers.get("Content-Range") == f"bytes */{here}"
    if not whole:
        part.unlink()
        _fetch(url, part)


def _explain(response: Any, url: str) -> str:
    """Explain why a file was refused, and the remedy."""
    status = response.status_code
    if status == 404:
        return f"{url}: no such file; check repository, revision and files in the registry"
    seconds = retry_after(response.headers)
    if status == 429 or (status == 403 and seconds is not None):
        wait = f"in {seconds} seconds" if seconds else "in a few minutes"
        return f"{url}: too many requests ({status}); pull again {wait}"
    if status in (401, 403):
        return f"{url}: access is refused ({status}); check that the repository is public"
    return f"{url}: answered {status}; pull again later"
