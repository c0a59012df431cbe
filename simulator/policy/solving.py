"""Calling a policy's `solve`, in this process or in a separate one."""

from __future__ import annotations

import copy
import inspect
import traceback

import numpy as np

from simulator.errors import PolicyError, SamplerError, UserError
from simulator.policy.base import Answer, Policy, Problem
from simulator.policy.sampler import Sampler

MAX_ANSWER = 100_000
"""Maximum length of an answer, in characters."""


def solve(policy: Policy, problem: Problem, sampler: Sampler, file: str) -> Answer:
    """Return a policy's answer as plain data.

    `solve` is called on a shallow copy of the policy, so attributes that it sets on `self` are lost
    after the problem.

    Parameters
    ----------
    file
        Name of the policy in errors.

    Raises
    ------
    PolicyError
        The policy raised an error or returned an invalid answer; one line, with file and line.
    UserError, KeyboardInterrupt
        Passed on, because they are not the policy's fault.
    """
    try:
        return plain_answer(copy.copy(policy).solve(problem, sampler), file)
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise PolicyError(explain(error, file)) from error


def plain_answer(answer: object, file: str) -> Answer:
    """Check that an answer is a text, an answer class (as in votes and traces) or None.

    Raises
    ------
    PolicyError
        Any other type, also Python numbers: 204 could be an answer or a class.
    """
    if answer is None:
        return None
    if isinstance(answer, str):
        return _plain_text(str.__str__(answer), file)  # ignore methods of a subclass
    if type(answer) is np.int32:
        return answer
    if inspect.iscoroutine(answer):
        answer.close()
        raise PolicyError(f"{file}: solve is async; define it with a plain def")
    shown = " ".join(f"{type(answer).__name__} {_safe_repr(answer):.40}".split())
    raise PolicyError(
        f"{file}: solve returned {shown}; return an answer's text, a class from majority_vote or "
        "traces.answer, or None"
    )


def _plain_text(answer: str, file: str) -> str:
    if len(answer) > MAX_ANSWER:
        raise PolicyError(
            f"{file}: solve returned a text of {len(answer):,} characters; an answer has at most "
            f"{MAX_ANSWER:,}"
        )
    try:
        answer.encode()
    except UnicodeEncodeError:
        raise PolicyError(
            f"{file}: solve returned a text with a lone surrogate, {answer!r:.40}; "
            "return valid Unicode"
        ) from None
    return answer


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return "(not printable)"


MAX_MESSAGE = 1000
"""Maximum number of characters that are shown of an exception's text."""


def explain(error: BaseException, file: str) -> str:
    """Describe an exception that a policy raised, in one line: its place in the file, and text."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    where = f"{file}:{lines[-1]}" if lines else file
    return f"{where}: {describe(error)}"


def describe(error: BaseException) -> str:
    try:
        text = " ".join(str(error)[:MAX_MESSAGE].split())
    except Exception:  # its own __str__ fails
        text = ""
    if isinstance(error, SamplerError) or (type(error) is ValueError and text):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
