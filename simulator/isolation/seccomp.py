"""The system calls that the kernel allows a policy's process; files are `sandbox`'s.

A seccomp filter, which needs no privileges, allows what Python and numpy need and refuses all other
calls with "permission denied". So a policy cannot reach other processes, sockets or devices, and
cannot leave anything where a later process of the same policy could find it: which pages of a file
are in memory, times, locks, queues, priorities. For 64-bit x86 and ARM.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from functools import cache

ALLOWED: Mapping[str, Mapping[str, tuple[int | None, int | None]]] = {
    "the connection to the host, output, and files that Landlock lets it open": {
        "read": (0, 63),
        "write": (1, 64),
        "writev": (20, 66),
        "readv": (19, 65),
        "pread64": (17, 67),  # libraries are loaded with it
        "lseek": (8, 62),
        "open": (2, None),
        "openat": (257, 56),
        "close": (3, 57),
        "dup": (32, 23),
        "dup2": (33, None),
        "dup3": (292, 24),
    },
    "looking for modules": {
        "stat": (4, None),
        "fstat": (5, 80),
        "lstat": (6, None),
        "newfstatat": (262, 79),
        "statx": (332, 291),
        "access": (21, None),
        "faccessat": (269, 48),
        "faccessat2": (439, 439),
        "readlink": (89, None),
        "readlinkat": (267, 78),
        "getdents64": (217, 61),
        "getcwd": (79, 17),
        "chdir": (80, 49),
        "fchdir": (81, 50),
    },
    "its own memory": {
        "brk": (12, 214),
        "mmap": (9, 222),
        "munmap": (11, 215),
        "mremap": (25, 216),
        "mprotect": (10, 226),
    },
    "its own threads": {
        "set_robust_list": (273, 99),
        "rseq": (334, 293),
        "sched_yield": (24, 124),
        "gettid": (186, 178),
        "exit": (60, 93),
        "exit_group": (231, 94),
    },
    "its own signals": {
        "rt_sigaction": (13, 134),
        "rt_sigprocmask": (14, 135),
        "rt_sigreturn": (15, 139),
        "sigaltstack": (131, 132),
        "restart_syscall": (219, 128),
    },
    "the time, and waiting": {
        "time": (201, None),
        "gettimeofday": (96, 169),
        "nanosleep": (35, 101),
        "poll": (7, None),
        "ppoll": (271, 73),
        "select": (23, None),
        "pselect6": (270, 72),
    },
    "who and where it is": {
        "getpid": (39, 172),
        "getppid": (110, 173),
        "getuid": (102, 174),
        "geteuid": (107, 175),
        "getgid": (104, 176),
        "getegid": (108, 177),
        "uname": (63, 160),
        "getrlimit": (97, 163),
        "setrlimit": (160, 164),
        "getrandom": (318, 278),
    },
}
"""Calls that are allowed whatever their arguments, by what Python needs them for: numbers for
x86-64 and ARM64 (None: it lacks the call)."""

_ITSELF = "this process"
"""Stands for the process's own id in `LIMITED`."""

_REFUSED = 0x00050000 | errno.EACCES
_UNKNOWN = 0x00050000 | errno.ENOSYS

LIMITED: Mapping[str, tuple[tuple[int, int], int, Sequence[int | str], int]] = {
    "ioctl": ((16, 29), 1, (0x5401, 0x802C542A, 0x5413, 0x5450, 0x5451), _REFUSED),
    "fcntl": ((72, 25), 1, (0, 1, 2, 3, 1030), _REFUSED),
    "madvise": ((28, 233), 2, (4, 8), _REFUSED),
    "kill": ((62, 129), 0, (_ITSELF,), _REFUSED),
    "tgkill": ((234, 131), 0, (_ITSELF,), _REFUSED),
    "prlimit64": ((302, 261), 0, (0, _ITSELF), _REFUSED),
    "sched_getaffinity": ((204, 123), 0, (0, _ITSELF), _UNKNOWN),
    "clock_gettime": ((228, 113), 0, range(12), _REFUSED),
    "clock_getres": ((229, 114), 0, range(12), _REFUSED),
    "clock_nanosleep": ((230, 115), 0, range(12), _REFUSED),
}
"""Calls allowed with certain values of one argument: numbers, position of the argument, its values,
and the result with others.

`ioctl`: is it a terminal, and how wide; close on exec. `fcntl`: duplicates and flags of
descriptors, not locks, not sizes of pipes, not flags that others share. `madvise`: give up memory
(DONTNEED, FREE), not what reads or drops pages of files. Signals and limits: its own. Clocks: those
of the machine and its own, whose numbers are small; others are those of other processes."""

_FUTEX, _FUTEX_PRIVATE, _FUTEX_WAITS = (202, 98), 128, (0, 9, 256, 265)
"""Between processes that map the same file, a `futex` that is not private may only wait, as for the
end of a thread: waking tells how many wait."""

_CLONE, _CLONE_THREAD, _CLONE_NAMESPACES = (56, 220), 0x00010000, 0x7E020080

NEWER = {"clone3": 435, "close_range": 436, "openat2": 437}
"""Calls that the C library tries before an older one, which it uses if told that this kernel lacks
them; as are all from `_NEWEST` on."""
_NEWEST = 453

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of each architecture in the tables above, and the kernel's number for it (AUDIT_ARCH)."""

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_ARGUMENTS = 0, 4, 16
_ALLOW = 0x7FFF0000

_Instruction = tuple[int, int, int, int]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _known_architecture() -> tuple[int, int] | None:
    if sys.platform != "linux" or sys.maxsize < 2**32:
        return None
    return _ARCHITECTURES.get(os.uname().machine)


@cache
def can_restrict_calls() -> bool:
    """Check that processes of this machine can be restricted; restrict nothing."""
    if _known_architecture() is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_SECCOMP, _FILTER, None, 0, 0)  # no filter: refused, but for another reason
    return ctypes.get_errno() == errno.EFAULT


def restrict_calls() -> bool:
    """Refuse all other calls to this thread and all that it starts; return False if impossible."""
    known = _known_architecture()
    if known is None:
        return False
    code = b"".join(struct.pack("=HBBI", *each) for each in instructions(*known, os.getpid()))
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = _Program(len(code) // 8, code)
    failed: int = libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)
    return failed == 0


def instructions(column: int, architecture: int, process: int) -> list[_Instruction]:
    """Return the filter's program: code, jumps if true and if false, and value; jumps skip.

    Numbers of x86's other table of calls (x32) are larger than all others, so they are unknown.
    """
    code = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _REFUSED),
        (_LOAD, 0, 0, _AT_NUMBER),
    ]
    waits = [(_IF_ANY_BIT, len(_FUTEX_WAITS) + 1, 0, _FUTEX_PRIVATE)]
    code += _given(_FUTEX[column], 1, [*waits, *_one_of(_FUTEX_WAITS, _REFUSED)])
    for group in ALLOWED.values():
        for numbers in group.values():
            number = numbers[column]
            if number is not None:
                code += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for limited, position, values, otherwise in LIMITED.values():
        plain = [process if isinstance(each, str) else each for each in values]
        code += _given(limited[column], position, _one_of(plain, otherwise))
    thread = [
        (_IF_ANY_BIT, 0, 1, _CLONE_THREAD),
        (_IF_ANY_BIT, 0, 1, _CLONE_NAMESPACES),
        (_RETURN, 0, 0, _REFUSED),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code += _given(_CLONE[column], 0, thread)
    for number in NEWER.values():
        code += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _UNKNOWN)]
    return [
        *code,
        (_IF_AT_LEAST, 0, 1, _NEWEST),
        (_RETURN, 0, 0, _UNKNOWN),
        (_RETURN, 0, 0, _REFUSED),
    ]


def _given(number: int, position: int, decided: list[_Instruction]) -> list[_Instruction]:
    """Return instructions that decide on a call by the lower half of an argument."""
    load = (_LOAD, 0, 0, _AT_ARGUMENTS + 8 * position)
    return [(_IF_EQUAL, 0, len(decided) + 1, number), load, *decided]


def _one_of(values: Sequence[int], otherwise: int) -> list[_Instruction]:
    """Return instructions that allow a call with one of these values."""
    tests = [(_IF_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [*tests, (_RETURN, 0, 0, otherwise), (_RETURN, 0, 0, _ALLOW)]
