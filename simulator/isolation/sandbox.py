"""Kernel restrictions on a policy's process: files, writing, the network, other processes.

A policy receives only what it may see; this keeps it from looking for the rest on the disk. It uses
Landlock, which Linux has since 5.13 and which needs no privileges. Unlike restrictions in Python,
it also applies to files opened by C++ libraries. If the kernel lacks it or forbids its use, a
policy runs without it. This module imports neither numpy nor other large packages, because a
restriction applies only to the current thread and to threads started later.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator import PACKAGE

FRONT = str(Path(PACKAGE).with_name("deepprune_sim"))
"""The package beside `simulator` from which policies import."""

REMEDY = "a policy may only read what the sampler provides"
"""Text added to an error about a file that was refused."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_RULESET_VERSION, _PATH_BENEATH = 1, 1
_PR_SET_NO_NEW_PRIVS = 38
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_RIGHTS_BY_VERSION = ((1, 13), (2, 14), (3, 15), (5, 16))
"""Landlock versions, each with the number of file rights that it supports."""
_ALL_TCP, _TCP_SINCE = 0b11, 4
_ALL_SCOPES, _SCOPES_SINCE = 0b11, 6  # abstract sockets and signals

_TREES = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/proc/self",
)
_FILES = (
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
)


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


@dataclass(frozen=True)
class Readable:
    """Readable paths: folders with their content, single files, and folders only for listing."""

    trees: Sequence[str]
    files: Sequence[str]
    listed: Sequence[str]


def readable_to_python(search_path: Sequence[str], policy_file: str | None) -> Readable:
    """Return the paths that a Python process needs for its imports, and no others.

    These are all libraries of this Python. In other folders on the search path, often including
    the working directory with its pools and runs, they are only modules and packages.
    """
    trees = {*_TREES, PACKAGE, FRONT}
    for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix):
        trees.update((f"{prefix}/lib", f"{prefix}/lib64"))
    trees.update(filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")))
    for name, module in list(sys.modules.items()):  # from `pip install -e`
        if name.startswith("__editable___"):
            trees.update(getattr(module, "MAPPING", {}).values())
    files, listed = {*_FILES, *([policy_file] if policy_file else [])}, set()
    for entry in search_path:
        folder = os.path.abspath(entry or ".")  # noqa: PTH100
        if folder.endswith(("/site-packages", "/dist-packages")):
            trees.add(folder)
        elif not any(folder == tree or folder.startswith(tree + "/") for tree in trees):
            listed.add(folder)
            for path, is_package in _importable(folder):
                (trees if is_package else files).add(path)
    return Readable(sorted(trees), sorted(files), sorted(listed))


def libraries(search_path: Sequence[str]) -> list[str]:
    """Filter a search path: keep folders of this Python and this package, not those of the user."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    own = tuple(f"{prefix}/lib" for prefix in prefixes)
    ends = ("/site-packages", "/dist-packages")
    kept = [entry for entry in search_path if entry.startswith(own) or entry.endswith(ends)]
    return [*kept, str(Path(PACKAGE).parent)]


def _importable(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield modules and packages directly in a folder, with True for packages."""
    try:
        entries = list(os.scandir(folder))
    except NotADirectoryError:  # a zip file on the search path
        yield folder, False
        return
    except OSError:
        return
    for entry in entries:
        if entry.name.endswith((".py", ".so")):
            yield entry.path, False
        elif entry.name == "__pycache__" or os.path.exists(f"{entry.path}/__init__.py"):  # noqa: PTH110
            yield entry.path, True


def raise_oom_score() -> None:
    """Tell the kernel to kill this process first if memory runs out, not its parent."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return


def restrict(readable: Readable) -> str | None:
    """Restrict this thread, and threads and processes it starts, to reading `readable`.

    Returns
    -------
    Name of the mechanism, as `Landlock 7`; None if this kernel has none.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _RULESET_VERSION)
    if version < 1:
        return None
    rights = (1 << max(count for since, count in _RIGHTS_BY_VERSION if since <= version)) - 1
    handled = _Ruleset(
        rights,
        _ALL_TCP if version >= _TCP_SINCE else 0,
        _ALL_SCOPES if version >= _SCOPES_SINCE else 0,
    )
    size = 8 if version < _TCP_SINCE else 16 if version < _SCOPES_SINCE else 24
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return None
    try:
        for paths, granted in (
            (readable.trees, _READ_FILE | _READ_DIR),
            (readable.files, _READ_FILE),
            (readable.listed, _READ_DIR),
            (("/dev/null",), _READ_FILE | _WRITE_FILE),
        ):
            for path in paths:
                _grant(libc, ruleset, path, granted)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.syscall(_RESTRICT_SELF, ruleset, 0):
            return None
    finally:
        os.close(ruleset)
    return f"Landlock {version}"


def _grant(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # does not exist
        return
    try:
        if not os.path.isdir(path):  # noqa: PTH112
            rights &= ~_READ_DIR
        rule = _PathBeneath(rights, target)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(target)
