"""A machine of its own for a policy that someone else wrote, where bubblewrap can make one.

Bubblewrap starts a program in new user, process, network, IPC, host name and mount namespaces: it
sees no other processes, no network, and of the disk what Python imports, read-only. Nothing there
can be written to, so nothing is left for the next process to find. Whether that works is for the
machine to say, so it is tried (`probe`): kernels, containers and distributions forbid it in ways
that only show then.
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
"""How long a first start may take, on a busy machine."""

_NAMESPACES = [f"--unshare-{kind}" for kind in ("user", "pid", "net", "ipc", "uts", "cgroup-try")]
_ALONE = ["--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
_MADE_THERE = ("/proc/", "/dev/")
_LINKS = "/etc/alternatives"
"""By which Debian's libraries name each other."""

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
    """Bubblewrap and its version, as `bubblewrap 0.8.0`, or None and why there is none.

    Tried once a process: the same command that policies are started with starts Python, which
    looks around.
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
        why = " ".join(looked.stderr.split())[-200:] or "it shuts nothing in"
        return None, f"bubblewrap: does not work here ({why})"
    return version.stdout.strip(), ""


def wrapped(command: Sequence[str]) -> list[str]:
    """A command, with the absolute path of this Python first, in a machine of its own.

    It has the descriptors that it is given, no environment, and `/` for its folder.
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
    """Everything under the name that it was asked for by, and under its own."""
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
    """The links from a program to what it is, each with where it leads, and what it is."""
    links: list[tuple[str, str]] = []
    while os.path.islink(path) and len(links) < 40:  # noqa: PTH114  (the kernel's own limit)
        target = os.readlink(path)  # noqa: PTH115
        links.append((path, target))
        path = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120
    return links, path
