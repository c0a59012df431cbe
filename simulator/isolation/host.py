"""The host's side of a policy in a process of its own: loading it there, and what holds it.

A policy file never runs in a process that holds pools. Its process is started afresh, handed the
source, the parameters and one problem after another (`simulator.isolation.process`).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from simulator.errors import UserError
from simulator.isolation.process import IsolatedPolicy, PolicyProcess
from simulator.isolation.process import NoSandbox as NoSandbox
from simulator.loading import LoadedPolicy, Strict, is_builtin, load_policy, read_source, split_file


def load(
    spec: str,
    settings: Mapping[str, str] | None = None,
    source: str | None = None,
    *,
    in_process: bool = False,
    strict: Strict | None = None,
) -> LoadedPolicy:
    """Load a built-in method, in this process, or a policy file, in one of its own.

    The settings of one file share a process, which ends with the last of them.

    Parameters
    ----------
    spec, settings, source
        As for `simulator.loading.load_policy`.
    in_process
        Whether to run a file in this process, as under a debugger.
    strict
        For a file that someone else wrote: the limits that it is held to. `layers` tells what
        holds it, `printed` what it printed. A built-in method is this program's own and not held.

    Raises
    ------
    PolicyError, UserError
        As from `load_policy`; a `strict` policy that took too long.
    NoSandbox
        Nothing on this machine would keep a `strict` policy from the disk; none of it was run.
    """
    if in_process or is_builtin(spec):
        if strict and in_process:
            raise UserError("a policy that someone else wrote is not run in this process")
        return load_policy(spec, settings, source)
    file, _ = split_file(spec)
    if source is None:
        source = read_source(file)
    process = _running.get((spec, source, strict))
    if process is None:
        process = _running[spec, source, strict] = PolicyProcess(spec, source, strict)
    return _loaded(process, settings or {})


def begun(loaded: LoadedPolicy) -> PolicyProcess | None:
    """A process for `fresh` that is being started meanwhile; None for a policy in this process.

    It ends with the last reference to it.
    """
    if loaded.in_process:
        return None
    process = PolicyProcess(loaded.spec, loaded.source, loaded.strict)
    process.begin()
    return process


@contextmanager
def fresh(loaded: LoadedPolicy, process: PolicyProcess | None = None) -> Iterator[LoadedPolicy]:
    """The same policy, having seen nothing yet: a file's in a new process, which ends with this.

    `process` is one that was `begun`, so that there is less to wait for.
    """
    if loaded.in_process:
        yield load_policy(loaded.spec, loaded.settings, loaded.source)
        return
    process = process or PolicyProcess(loaded.spec, loaded.source, loaded.strict)
    try:
        yield _loaded(process, loaded.settings)
    finally:
        process.close()


def restriction(loaded: LoadedPolicy) -> str | None:
    """What keeps a policy from reading files, as `Landlock 7`; None where nothing does."""
    policy = loaded.policy
    return policy.process.restricted_by if isinstance(policy, IsolatedPolicy) else None


def layers(loaded: LoadedPolicy) -> tuple[str, ...]:
    """What holds a policy's process, with versions, as `bubblewrap 0.8.0`, `Landlock 7`, `seccomp`.

    None for a policy in this process. A `strict` one has bubblewrap or Landlock, or does not load.
    """
    policy = loaded.policy
    return policy.process.layers if isinstance(policy, IsolatedPolicy) else ()


def printed(loaded: LoadedPolicy) -> str:
    """What a `strict` policy has printed so far, cut and with nothing that a terminal obeys."""
    policy = loaded.policy
    return policy.process.printed.text() if isinstance(policy, IsolatedPolicy) else ""


def _loaded(process: PolicyProcess, settings: Mapping[str, str]) -> LoadedPolicy:
    policy, class_name, parameters = process.load(settings)
    file = process.file
    return LoadedPolicy(
        process.spec,
        Path(file).stem,
        class_name,
        file,
        process.source,
        dict(settings),
        parameters,
        None,
        policy,
        in_process=False,
        strict=process.strict,
    )


_running: weakref.WeakValueDictionary[tuple[str, str, Strict | None], PolicyProcess] = (
    weakref.WeakValueDictionary()
)
"""The process of each policy file, by name, source and limits."""
