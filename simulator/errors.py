"""The errors that a user can cause. Everything else is a bug and may show its traceback."""

from __future__ import annotations

import errno


class UserError(Exception):
    """Something the user can mend: one line that names the file, the row and the remedy."""


class Interrupted(Exception):  # noqa: N818  (nothing went wrong)
    """Ctrl-C or a signal ended the program: what to tell the user, and the exit code."""

    def __init__(self, message: str, code: int = 130) -> None:
        super().__init__(message)
        self.code = code


class Signalled(KeyboardInterrupt):
    """The program was asked to end by a signal other than Ctrl-C's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def interrupted(error: KeyboardInterrupt, hint: str = "") -> Interrupted:
    """What to end with after Ctrl-C or a signal."""
    number = error.number if isinstance(error, Signalled) else 2
    what = "interrupted" if number == 2 else "ended by a signal"
    return Interrupted(f"{what}{hint}", 128 + number)


class PolicyError(UserError):
    """A policy file that cannot be loaded, or a policy that broke while it was replayed."""


class SamplerError(Exception):
    """A policy asked its sampler for something that no inference engine could do."""


ANSWERED = "this problem has been answered; its sampler is closed"
"""What a policy is told that goes on with a problem whose answer it has given."""


class BudgetExceeded(SamplerError):  # noqa: N818  (the name is part of the policy API)
    """A policy started more traces than its budget."""


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
    errno.ENOTEMPTY: "it has come into being meanwhile, choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "a folder on the way to it is gone, make it again",
}
"""Why a file cannot be written, and what to do about it."""
