"""Errors that a user can cause. Everything else is a bug and may show its traceback."""

from __future__ import annotations

import errno
from collections.abc import Collection


class UserError(Exception):
    """An error that the user can fix: one line that names the file, the row and the remedy."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows instead of a traceback."""
        return [f"error: {self}"]


class Interrupted(Exception):  # noqa: N818  (nothing went wrong)
    """End of the program by Ctrl-C or a signal, with the message to show and the exit code."""

    def __init__(self, message: str, code: int = 130) -> None:
        super().__init__(message)
        self.code = code


class Signalled(KeyboardInterrupt):
    """End of the program requested by a signal other than Ctrl-C's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def one_line(error: BaseException, most: int = 200) -> str:
    """Return an error's message on one line of at most `most` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= most else f"{text[:most]}…"


def nearest(name: str, known: Collection[str], otherwise: str, cutoff: float = 0.6) -> str:
    """Return a hint at the known name nearest to `name`, else `otherwise` and all known names."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"did you mean {near[0]}?" if near else f"{otherwise} {', '.join(known) or 'none'}"


def install_extra(extra: str) -> str:
    """Return how to install an optional dependency; this program is in no package index."""
    return f"pip install '.[{extra}]' in a clone of deepprune-sim"


def interrupted(error: KeyboardInterrupt, hint: str = "") -> Interrupted:
    """Return the exception to end with after Ctrl-C or a signal."""
    number = error.number if isinstance(error, Signalled) else 2
    what = "interrupted" if number == 2 else "ended by a signal"
    return Interrupted(f"{what}{hint}", 128 + number)


class PolicyError(UserError):
    """A policy file that cannot be loaded, or a policy that failed while it was replayed."""


class TimedOut(UserError):  # noqa: N818  (what it is)
    """End of a replay that took longer than the user allows; other replays are kept."""


class SamplerError(Exception):
    """A policy's request to its sampler that no inference engine could fulfil."""


ANSWERED = "this problem has been answered; its sampler is closed"
"""Message for a policy that uses the sampler of a problem after answering it."""


class BudgetExceeded(SamplerError):  # noqa: N818  (the name is part of the policy API)
    """A policy's request to start more traces than its budget."""


WRITE_FAULTS = {
    errno.ENOSPC: "free space and retry",
    errno.EDQUOT: "free space and retry",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f) and retry",
    errno.EIO: "check the disk",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.ENOTDIR: "a part of the path is a file, choose another place",
    errno.EISDIR: "there is a folder of this name, choose another place",
    errno.EEXIST: "a part of the path is a file, choose another place",
    errno.ENOTEMPTY: "it was created in the meantime, choose another place",
    errno.ELOOP: "a link of its path leads to itself, remove that link",
    errno.ENXIO: "there is a pipe or socket of this name, choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "a folder of its path is gone, create it again",
}
"""Remedy for each reason why a file cannot be written."""
