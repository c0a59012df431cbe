"""The errors that a user can cause. Everything else is a bug and may show its traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: one line that names the file, the row and the remedy."""


class PolicyError(UserError):
    """A policy file that cannot be loaded, or a policy that broke while it was replayed."""


class SamplerError(Exception):
    """A policy asked its sampler for something that no inference engine could do."""


class BudgetExceeded(SamplerError):  # noqa: N818  (the name is part of the policy API)
    """A policy started more traces than its budget."""
