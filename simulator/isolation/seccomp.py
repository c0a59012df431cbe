"""The system calls that the kernel refuses a policy's process; files are `sandbox`'s.

Landlock covers files, TCP and signals. A seccomp filter, which also needs no privileges, blocks
the rest: other sockets (UDP; those of services of this machine), other processes and their limits,
memory and queues that outlive the process, and properties of files other than their contents:
times, permissions, locks and watches. A refused call fails with "permission denied". For 64-bit
x86 and ARM.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

_NUMBERS = {  # x86-64 and ARM64 (None: it lacks the call)
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "flock": (73, 32),  # works on any readable file, and other processes can see the lock
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "mincore": (27, 232),
    "setpgid": (109, 154),
    "setsid": (112, 157),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "io_uring_setup": (425, 425),  # can do the same as other calls, past this filter
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "unshare": (272, 97),
    "setns": (308, 268),
}
_TO_ITSELF = {"kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261)}
"""Calls allowed only if their first argument, a process, is this one (or 0: the same)."""
_CLONE, _CLONE3 = (56, 220), (435, 435)
_FCNTL, _LOCKING, _DUPLICATE = (72, 25), 5, 1030
"""`fcntl` and two of its commands: those from `_LOCKING` on are refused, as other processes can see
locks, except `_DUPLICATE`."""

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of each architecture in the tables above, and the kernel's number for it (AUDIT_ARCH)."""

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT, _AT_SECOND_ARGUMENT = 0, 4, 16, 24
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EACCES
_UNKNOWN = 0x00050000 | errno.ENOSYS
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000
"""First number of x86's other table of calls (x32), which would get around the filter."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def forbid_calls() -> bool:
    """Block these calls for this thread and all that it starts; return False if impossible."""
    if sys.platform != "linux" or sys.maxsize < 2**32:
        return False
    known = _ARCHITECTURES.get(os.uname().machine)
    if known is None:
        return False
    code = _filter(*known, os.getpid())
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = _Program(len(code) // 8, code)
    failed: int = libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)
    return failed == 0


def _filter(column: int, architecture: int, process: int) -> bytes:
    """Return the filter's program: instructions of 8 bytes; jumps count those to skip."""
    code = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_IF_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _REFUSE),
    ]
    for numbers in _NUMBERS.values():
        number = numbers[column]
        if number is not None:
            code += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    for numbers in _TO_ITSELF.values():
        code += [
            (_IF_EQUAL, 0, 5, numbers[column]),
            (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
            (_IF_EQUAL, 2, 0, 0),
            (_IF_EQUAL, 1, 0, process),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ]
    code += [
        (_IF_EQUAL, 0, 5, _FCNTL[column]),
        (_LOAD, 0, 0, _AT_SECOND_ARGUMENT),
        (_IF_AT_LEAST, 0, 2, _LOCKING),
        (_IF_EQUAL, 1, 0, _DUPLICATE),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code += [
        (_IF_EQUAL, 0, 1, _CLONE3[column]),  # its flags are not visible; libc then uses clone
        (_RETURN, 0, 0, _UNKNOWN),
        (_IF_EQUAL, 0, 3, _CLONE[column]),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        (_IF_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
