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
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from simulator import PACKAGE

FRONT = str(Path(PACKAGE).with_name("deepprune_sim"))
"""The package beside `simulator` from which policies import."""

_OWN = ("simulator", "deepprune_sim")
_OF_PACKAGES = ("/site-packages", "/dist-packages")

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
    "/proc/self/maps",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/present",
    "/sys/fs/cgroup/cpu.max",
)
"""Files that say the same whatever other processes do; others of the kernel tell of them."""

_NOT_NEEDED = "test|(site|dist)-packages|config-.*|ensurepip|idlelib|lib2to3|tkinter|turtledemo"
"""Folders of the standard library that no policy needs, and that are large."""

_ARCHITECTURE = getattr(sys.implementation, "_multiarch", "")
_LIBRARY_FOLDERS = (
    *("/lib64", "/usr/lib64", f"/lib/{_ARCHITECTURE}", f"/usr/lib/{_ARCHITECTURE}"),
    *("/usr/local/lib", f"{sys.prefix}/lib", f"{sys.base_prefix}/lib"),
)
_LIBRARIES = (
    r"lib(c|m|dl|rt|pthread|util|crypt|resolv|nss_files|gcc_s|stdc\+\+|z|bz2|lzma|zstd|ffi|crypto"
    r"|ssl|sqlite3|expat|mpdec|uuid|gomp|gfortran|quadmath|atomic|blas|cblas|lapack|openblas\w*"
    r"|python3[\w.]*)\.so[\w.]*"
)
"""Libraries of the system that Python and these packages load."""


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
    files, listed = {*_FILES, "/proc/cpuinfo"}, set()
    if policy_file:
        files.add(policy_file)
    for entry in search_path:
        folder = os.path.abspath(entry or ".")  # noqa: PTH100
        if folder.endswith(_OF_PACKAGES):
            trees.add(folder)
        elif not any(folder == tree or folder.startswith(tree + "/") for tree in trees):
            listed.add(folder)
            for path, is_package in _importable(folder):
                (trees if is_package else files).add(path)
    return Readable(sorted(trees), sorted(files), sorted(listed))


@cache
def readable_to_stranger(search_path: tuple[str, ...], packages: tuple[str, ...]) -> Readable:
    """Return the paths that an untrusted policy may read: few enough to be kept in memory.

    These are the standard library, this package, and `packages` (`packages_of`). `search_path` is
    one of `libraries`.
    """
    trees = {"/usr/share/zoneinfo", PACKAGE, FRONT}
    files = {*_FILES}

    def add(folder: str, names: str, *, matching: bool) -> None:
        for entry in _entries(folder):
            if (re.fullmatch(names, entry.name) is not None) == matching:
                (trees if entry.is_dir() else files).add(entry.path)

    for path in packages:
        (trees if os.path.isdir(path) else files).add(path)  # noqa: PTH112
    for folder in search_path:
        covered = folder in trees or folder.endswith(_OF_PACKAGES)
        if not covered and folder != str(Path(PACKAGE).parent):
            add(folder, _NOT_NEEDED, matching=False)
    for folder in {os.path.realpath(folder) for folder in _LIBRARY_FOLDERS}:
        add(folder, _LIBRARIES, matching=True)
    return Readable(sorted(trees), sorted(files), sorted(search_path))


@cache
def packages_of(source: str) -> tuple[str, ...]:
    """Return the files and folders of the installed packages that a policy may import.

    These are the packages that its source names in import statements, and all that they require,
    but not what they only use if it is installed.
    """
    import ast
    from importlib.metadata import packages_distributions

    named = {"numpy", "msgpack"}
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):  # told when it is loaded
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                named.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                named.add(node.module.partition(".")[0])
    named -= {*sys.stdlib_module_names, *_OWN}
    needed: dict[str, _Distribution] = {}
    for name in sorted(named):
        if not _add(name, needed):
            for distribution in packages_distributions().get(name, ()):
                _add(distribution, needed)
    return tuple(sorted({path for each in needed.values() for path in each.paths}))


@dataclass(frozen=True)
class _Distribution:
    """An installed distribution: its files and folders, and the names of those that it requires."""

    paths: tuple[str, ...]
    requires: tuple[str, ...]


def _add(name: str, needed: dict[str, _Distribution]) -> bool:
    """Add a distribution and those that it requires to `needed`; return False if there is none."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    found = _distribution(name)
    if found is None:
        return False
    if name not in needed:
        needed[name] = found
        for each in found.requires:
            _add(each, needed)
    return True


@cache
def _distribution(name: str) -> _Distribution | None:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        known = distribution(name)
    except (PackageNotFoundError, ValueError):
        return None
    files = [str(file) for file in known.files or ()] or [name.replace("-", "_")]
    tops = {file.partition("/")[0] for file in files} - {"..", "__pycache__"}
    requires = [each for each in known.requires or () if "extra ==" not in each]
    return _Distribution(
        tuple(str(known.locate_file(top)) for top in tops),
        tuple(found[0] for each in requires if (found := re.match(r"[\w.-]+", each))),
    )


def importable(readable: Readable) -> frozenset[str]:
    """Return the names of the packages that a policy may import from folders of packages."""
    paths = (path.rpartition("/") for path in (*readable.trees, *readable.files))
    names = {name.partition(".")[0] for folder, _, name in paths if folder.endswith(_OF_PACKAGES)}
    return frozenset({*names, *_OWN})


def installed(search_path: Sequence[str]) -> frozenset[str]:
    """Return the names of all packages in the folders of packages on a search path."""
    folders = [folder for folder in search_path if folder.endswith(_OF_PACKAGES)]
    return frozenset(e.name.partition(".")[0] for folder in folders for e in _entries(folder))


def keep_in_memory(readable: Readable) -> None:
    """Make sure that all files of `readable_to_stranger` are in the kernel's memory.

    Which parts of a file are there shows in the time that reading takes. A policy could leave
    numbers for its later processes in this way, by reading some parts of a file and not others.
    Reading also sets the time of the last reading, at most once a day on most systems. Done once
    for each file, and again only after the kernel has reclaimed memory.
    """
    global _reclaimed
    now = _reclaim_counters()
    if now != _reclaimed:
        _kept.clear()
        _reclaimed = now
    part = bytearray(1 << 20)
    for path in (*readable.trees, *readable.files):
        if path not in _kept and not path.startswith(_MADE_BY_KERNEL):
            _kept.add(path)
            for file in (path, *_files_below(path)):
                with suppress(OSError), open(file, "rb", buffering=0) as stream:  # noqa: PTH123
                    while stream.readinto(part):
                        pass


_MADE_BY_KERNEL = ("/dev/", "/proc/", "/sys/")
_kept: set[str] = set()
_reclaimed: list[str] = []


def _reclaim_counters() -> list[str]:
    """Return the kernel's counters of pages taken back from files, of machine and container."""
    lines: list[str] = []
    for file in ("/proc/vmstat", "/sys/fs/cgroup/memory.stat"):
        with suppress(OSError):
            lines += Path(file).read_text().splitlines()
    return [each for each in lines if re.match(r"pgsteal|pginodesteal|kswapd_inode|drop_", each)]


def _files_below(tree: str) -> Iterator[str]:
    for folder, _, names in os.walk(tree):
        yield from (f"{folder}/{name}" for name in names)


def libraries(search_path: Sequence[str]) -> list[str]:
    """Filter a search path: keep folders of this Python and this package, not those of the user."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    own = tuple(f"{prefix}/lib" for prefix in prefixes)
    kept = [entry for entry in search_path if entry.startswith(own) or entry.endswith(_OF_PACKAGES)]
    return [*kept, str(Path(PACKAGE).parent)]


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except OSError:
        return []


def _importable(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield modules and packages directly in a folder, with True for packages."""
    if os.path.isfile(folder):  # noqa: PTH113  (a zip file on the search path)
        yield folder, False
    for entry in _entries(folder):
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
        if rights & _READ_DIR and not os.path.isdir(path):  # noqa: PTH112
            rights &= ~_READ_DIR
        rule = _PathBeneath(rights, target)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(target)
