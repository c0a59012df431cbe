"""Pools in an object store or on a web server, read through fsspec: s3://, gs://, hf://, http://.

A range of a file is one request, so a task that replays a problem fetches its row groups and no
more. Credentials and servers come from where fsspec's own packages look for them.
"""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, TypeVar, cast

from simulator.errors import UserError, one_line

T = TypeVar("T")

_URL = re.compile(r"[a-z][a-z0-9+.-]+://.+")

PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}
"""Packages that fsspec needs beside itself, by protocol."""


def is_url(name: str) -> bool:
    """Check that a name is a URL, as `s3://bucket/pool`."""
    return _URL.fullmatch(name) is not None


@dataclass(frozen=True)
class RemotePath:
    """A file or folder with a URL, in place of a `Path` where a pool is read.

    Errors are `OSError`, whatever the library behind raises.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(f"{self.url.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """Last part."""
        return self.parts[-1]

    @property
    def parts(self) -> list[str]:
        """All parts but the protocol."""
        return [part for part in self.url.partition("://")[2].split("/") if part]

    def resolve(self) -> RemotePath:
        """Return this path, which has no links."""
        return self

    def is_relative_to(self, other: PurePath) -> bool:
        """Return False: it is in no folder of this machine."""
        return False

    def read_bytes(self, start: int | None = None, end: int | None = None) -> bytes:
        """Read the file, or a range of it; raises `OSError` if it is cut short."""
        content: bytes = self._asked(lambda store, path: store.cat_file(path, start=start, end=end))
        if start is not None and end is not None and len(content) != end - start:
            reason = f"{len(content):,} bytes came for {end - start:,}; its server sends no ranges"
            raise OSError(errno.EIO, reason, self.url)
        return content

    def size(self) -> int:
        """Return the number of bytes of the file."""
        size = self._asked(lambda store, path: store.size(path))
        if not isinstance(size, int):
            raise OSError(errno.EIO, "its server does not tell its size", self.url)
        return size

    def glob(self, pattern: str) -> list[RemotePath]:
        """List what matches a pattern below this folder."""
        found: list[str] = self._asked(
            lambda store, path: [
                store.unstrip_protocol(each) for each in store.glob(f"{path.rstrip('/')}/{pattern}")
            ]
        )
        return [RemotePath(each) for each in sorted(found)]

    def _asked(self, ask: Callable[[Any, str], T]) -> T:
        """Call `ask` with the store and the path in it."""
        import fsspec

        protocol = self.url.partition("://")[0]
        try:
            store, path = fsspec.core.url_to_fs(self.url)
            return ask(store, path)
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.url) from None
        except ImportError:
            package = PACKAGES.get(protocol, f"fsspec's package for {protocol}")
            raise UserError(f"{self.url}: needs {package}; pip install {package}") from None
        except Exception as error:
            if isinstance(error, ValueError) and "rotocol" in str(error):
                raise UserError(f"{self.url}: fsspec knows no {protocol}://") from None
            raise OSError(errno.EIO, one_line(error), self.url) from error


class RemoteFile(io.RawIOBase):
    """A file with a URL, opened for reading; each `read` is a request."""

    def __init__(self, path: RemotePath) -> None:
        self._path = path
        self._at = 0

    @cached_property
    def _size(self) -> int:
        return self._path.size()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(self._size - self._at, 0)
        number = left if size is None or size < 0 else min(size, left)
        content = self._path.read_bytes(self._at, self._at + number) if number else b""
        self._at += number
        return content


def parquet_source(path: Path) -> Path | RemoteFile:
    """Return what pyarrow opens for a path that may be a `RemotePath`."""
    return RemoteFile(path) if isinstance(path, RemotePath) else path


def remote_folders(url: str, file: str) -> list[Path]:
    """Return the folder at a URL, or all that match its pattern and have `file`, as paths.

    Raises
    ------
    UserError
        None matches, or the store cannot be asked.
    """
    folder = RemotePath(url.rstrip("/"))
    if not re.search(r"[*?\[]", url):
        return [cast(Path, folder)]
    try:
        found = [each.url.removesuffix(f"/{file}") for each in folder.glob(file)]
    except OSError as error:
        raise UserError(f"{url}: {error.strerror}; check the address") from None
    if not found:
        raise UserError(f"{url}: nothing with a {file} matches; check the pattern")
    return [cast(Path, RemotePath(each)) for each in found]
