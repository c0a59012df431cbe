"""Sandbox for an untrusted policy, made by bubblewrap where it works.

Bubblewrap starts a program in new user, process, network, IPC, host name and mount namespaces: it
sees no other processes, no network, and of the disk only what Python imports, read-only. It can
write nowhere, so it leaves nothing for the next process to find. Kernels, containers and
distributions may forbid this in ways that show only on a try, so `probe` tries it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from simulator.isolation.sandbox import Readable, libraries, readable_to_python

PROBE_SECONDS = 20
"""Timeout for each command of `probe`, long enough for a busy machine."""

_NAMESPACES = [f"--unshare-{kind}" for kind in ("user", "pid", "net", "ipc", "uts", "cgroup-try")]
_ALONE = ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
_MADE_THERE = ("/proc/", "/dev/")
_LINKS = "/etc/alternatives"
"""Folder of links through which Debian's libraries refer to each other."""

_PROBE = """
import os, socket
assert os.getpid() < 10 and not os.environ.keys() - {"PWD", "LC_CTYPE"}
assert [name for _, name in socket.if_nameindex()] in ([], ["lo"])
try:
    os.mkdir("/tmp/written")
except OSError:
    print("shut")
"""


@cache
def probe() -> tuple[str | None, str]:
    """Return bubblewrap's name and version, as `bubblewrap 0.8.0`, or None and the reason.

    Tried once per process: Python is started with the same command as policies, and checks that
    it is isolated.
    """
    if sys.platform != "linux":
        return None, "bubblewrap: this is not Linux"
    if shutil.which("bwrap") is None:
        return None, "bubblewrap: not installed (package bubblewrap)"
    command = [sys.executable, "-P", "-S", "-c", _PROBE]
    try:
        version, looked = (
            subprocess.run(
                line,
                env={},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PROBE_SECONDS,
                check=False,
            )
            for line in (_found("--version"), wrapped(command))
        )
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"bubblewrap: cannot be started ({error})"
    if looked.stdout.strip() != "shut":
        why = " ".join(looked.stderr.split())[-200:] or "it does not isolate"
        return None, f"bubblewrap: does not work here ({why})"
    return version.stdout.strip(), ""


def wrapped(command: Sequence[str]) -> list[str]:
    """Return a command that runs `command` in the sandbox.

    `command` begins with the absolute path of this Python. It keeps the file descriptors passed to
    it, has no environment, and starts in `/`.
    """
    readable = readable_to_python(libraries(sys.path), None)
    return _found(
        *_NAMESPACES,
        *_ALONE,
        *("--hostname", "policy"),
        *_mounts(readable, command[0]),
        *("--proc", "/proc", "--dev", "/dev", "--dir", "/tmp"),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"),
        "--",
        *command,
    )


def _found(*arguments: str) -> list[str]:
    return [shutil.which("bwrap") or "bwrap", *arguments]


def _mounts(readable: Readable, interpreter: str) -> list[str]:
    """Return bwrap options that mount each path under its name here and under its real name."""
    mounts: list[str] = []
    there: list[str] = []
    links, program = _followed(interpreter)
    home = str(Path(interpreter).parent.parent / "pyvenv.cfg")
    trees = [tree for tree in readable.trees if not f"{tree}/".startswith(_MADE_THERE)]
    for path in (*trees, _LINKS, *readable.files, home, program):
        real = os.path.realpath(path)
        for name in dict.fromkeys((path, real)):
            covered = any(name == tree or name.startswith(f"{tree}/") for tree in there)
            if os.path.exists(real) and not covered and not name.startswith(_MADE_THERE):  # noqa: PTH110
                mounts += ("--ro-bind", real, name)
                there.append(name)
    for path, target in links:
        if not any(path.startswith(f"{tree}/") for tree in there):
            mounts += ("--symlink", target, path)
    return mounts


def _followed(path: str) -> tuple[list[tuple[str, str]], str]:
    """Follow the links of a program; return each link with its target, and the real path."""
    links: list[tuple[str, str]] = []
    while os.path.islink(path) and len(links) < 40:  # noqa: PTH114  (the kernel's own limit)
        target = os.readlink(path)  # noqa: PTH115
        links.append((path, target))
        path = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120
    return links, path
