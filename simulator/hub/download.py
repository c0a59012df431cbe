"""Files from the Hugging Face Hub, through huggingface_hub.

huggingface_hub is imported on the first call. Its own settings give the endpoint, the token,
offline mode and the folder of downloads: HF_ENDPOINT, HF_TOKEN or `hf auth login`, HF_HUB_OFFLINE,
HF_HOME. `simulator.hub.errors` turns its exceptions into one-line errors.
"""

from __future__ import annotations

import glob
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from simulator.errors import UserError, one_line
from simulator.hub.errors import (
    PULL,
    Remedies,
    endpoint,
    errors_told,
    is_offline,
    is_transport,
    without_token,
)
from simulator.hub.registry import Entry, is_commit
from simulator.storage import file_sha256

ATTEMPTS = 3
"""Maximum attempts at a download whose connection breaks so that the client gives up."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository; `size` in bytes, `sha256` and Git's `blob`, if the Hub gives them."""

    path: str
    size: int | None = None
    sha256: str | None = None
    blob: str | None = None


@dataclass(frozen=True)
class Listing:
    """The files of a repository at one commit."""

    commit: str
    files: list[RemoteFile]


def list_files(
    entry: Entry, revision: str, folder: Path | None = None, remedies: Remedies = PULL
) -> Listing:
    """List the files of `entry`'s repository at `revision`; offline, those on this machine.

    `folder` is where downloads are kept, huggingface_hub's own if None.

    Raises
    ------
    UserError
        There is no such repository or revision, it may not be read, or the Hub cannot be reached.
    """
    with errors_told(entry, revision, remedies=remedies):
        if is_offline():
            return _cached_files(entry, revision, folder)
        from huggingface_hub import HfApi

        info: Any = HfApi().repo_info(
            entry.repository, revision=revision, repo_type=entry.repo_type, files_metadata=True
        )
    if not info.sha or not is_commit(info.sha):
        raise UserError(f"{endpoint()}: gave no commit for {entry.repository}; check HF_ENDPOINT")
    files = []
    for sibling in info.siblings or ():
        lfs = sibling.lfs
        sha256 = lfs.sha256 if lfs else None
        files.append(RemoteFile(sibling.rfilename, sibling.size, sha256, sibling.blob_id))
    return Listing(info.sha, sorted(files, key=lambda file: file.path))


def _cached_files(entry: Entry, revision: str, folder: Path | None) -> Listing:
    from huggingface_hub import snapshot_download

    snapshot = Path(
        snapshot_download(
            entry.repository,
            repo_type=entry.repo_type,
            revision=revision,
            cache_dir=folder,
            allow_patterns=list(entry.files),
            ignore_patterns=list(entry.ignore),
            local_files_only=True,
        )
    )
    files = [path for path in sorted(snapshot.rglob("*")) if path.is_file()]
    return Listing(
        snapshot.name,
        [RemoteFile(path.relative_to(snapshot).as_posix(), path.stat().st_size) for path in files],
    )


def download(
    entry: Entry,
    revision: str,
    commit: str,
    files: Sequence[RemoteFile],
    *,
    folder: Path | None = None,
    patterns: Sequence[str] | None = None,
    remedies: Remedies = PULL,
    progress: Callable[[str, float], None],
    notice: Callable[[str], None],
) -> Path:
    """Download `files`; return the folder that holds them under their paths in the repository.

    Files that are on this machine already are kept; a broken download is resumed. Each file's
    size, and its SHA-256 if the Hub gives it, is checked at the end. `patterns` match their paths
    and no others: for thousands of files, comparing each with each path takes minutes.

    Raises
    ------
    UserError
        A file cannot be downloaded; complete files are kept for the next attempt.
    """
    from huggingface_hub import constants, snapshot_download

    kept_in = Path(folder or constants.HF_HUB_CACHE)
    missing = [file for file in files if not _is_cached(entry, commit, file, folder)]
    num_bytes = sum(file.size or 0 for file in missing)
    if missing:
        _check_space(kept_in, num_bytes)
        many = "file" if len(missing) == 1 else "files"
        notice(f"downloading {len(missing)} {many}, {num_bytes / 1e6:,.1f} MB, from {entry.source}")
    stopped = threading.Event()
    what = f"downloading {entry.name}"
    bar = _bar_class(lambda done: progress(what, min(1.0, done / max(1, num_bytes))), stopped)

    def fetch() -> str:
        return snapshot_download(
            entry.repository,
            repo_type=entry.repo_type,
            revision=revision,  # also keeps a branch's name, so that it is found offline
            cache_dir=folder,
            allow_patterns=[*(patterns or (glob.escape(file.path) for file in files))],
            tqdm_class=bar,
            local_files_only=is_offline(),
        )

    with errors_told(entry, revision, kept_in, remedies), _warnings_noticed(notice):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                snapshot = Path(_interruptible(fetch, stopped))
                break
            except Exception as error:
                if attempt == ATTEMPTS or not is_transport(error):
                    raise
                notice(f"the connection broke ({one_line(error)}); trying again")
                time.sleep(1)
    if snapshot.name != commit:
        raise UserError(f"{entry.source}: {revision} changed during the download; {remedies.again}")
    for file in files:
        _check(snapshot / file.path, file, entry, remedies)
    return snapshot


def _is_cached(entry: Entry, commit: str, file: RemoteFile, folder: Path | None) -> bool:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(
        entry.repository,
        file.path,
        cache_dir=folder,
        revision=commit,
        repo_type=entry.repo_type,
    )
    return isinstance(found, str)


def _check_space(folder: Path, num_bytes: int) -> None:
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    free = shutil.disk_usage(there).free
    if free < num_bytes:
        raise UserError(
            f"{there}: the download needs {num_bytes / 1e9:,.2f} GB and {free / 1e9:,.2f} GB are "
            "free; free space, or choose another disk with HF_HOME"
        )


def _check(path: Path, file: RemoteFile, entry: Entry, remedies: Remedies) -> None:
    """Raise `UserError` if a file is missing or differs in size or SHA-256 from the Hub's."""
    if not path.is_file():
        raise UserError(f"{entry.source}: {file.path} is missing; {remedies.again}")
    other_size = file.size is not None and path.stat().st_size != file.size
    if other_size or (file.sha256 is not None and file_sha256(path) != file.sha256):
        raise UserError(
            f"{path.resolve()}: differs from the Hub; delete this file and {remedies.again}"
        )


class _Stopped(Exception):  # noqa: N818  (ends threads, is never shown)
    pass


def _interruptible(fetch: Callable[[], str], stopped: threading.Event) -> str:
    """Call `fetch` in a thread, so that Ctrl-C does not wait until all downloads are complete."""
    result: Future[str] = Future()

    def work() -> None:
        try:
            result.set_result(fetch())
        except BaseException as error:
            result.set_exception(error)

    thread = threading.Thread(target=work, daemon=True)  # an executor's would delay the end
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.1)
    except BaseException:
        stopped.set()
        _close_connections()
        thread.join(10)
        raise
    return result.result()


def _close_connections() -> None:
    """Close the client's connections and prevent new ones, because the program is ending."""
    import huggingface_hub

    def refuse() -> NoReturn:
        raise _Stopped

    huggingface_hub.set_client_factory(refuse)
    huggingface_hub.close_session()


def _bar_class(report: Callable[[int], None], stopped: threading.Event) -> type[Any]:
    """Return a progress bar for huggingface_hub that only reports how many bytes have arrived."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.counts_bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            if stopped.is_set():
                raise _Stopped
            self.n += n or 0
            if self.counts_bytes:
                report(int(self.n))

    return Bar


@contextmanager
def _warnings_noticed(notice: Callable[[str], None]) -> Iterator[None]:
    """Pass huggingface_hub's warnings (retries, rate limits) to `notice`, one line each."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            notice(without_token(" ".join(record.getMessage().split())))

    logger = logging.getLogger("huggingface_hub")
    before, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [Handler(logging.WARNING)], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before, propagate
