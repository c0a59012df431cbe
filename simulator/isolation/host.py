"""Loading policies in separate, sandboxed processes: the host's side.

A policy file never runs in a process that holds pools. It runs in a new process, which receives
the source, the parameters and one problem after another (`simulator.isolation.process`).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from simulator.errors import UserError
from simulator.isolation.process import IsolatedPolicy, PolicyProcess
from simulator.isolation.process import NoSandbox as NoSandbox
from simulator.loading import Limits, LoadedPolicy, is_builtin, load_policy, read_source, split_file


def load(
    spec: str,
    settings: Mapping[str, str] | None = None,
    source: str | None = None,
    *,
    in_process: bool = False,
    limits: Limits | None = None,
) -> LoadedPolicy:
    """Load a built-in method in this process, or a policy file in a separate one.

    All settings of one file share a process, which ends when the last of them is released.

    Parameters
    ----------
    spec, settings, source
        As for `simulator.loading.load_policy`.
    in_process
        Run a file in this process, for example under a debugger.
    limits
        Limits for an untrusted file. `layers` names its sandbox layers, `output` returns its
        output. A built-in method is trusted and not limited.

    Raises
    ------
    PolicyError, UserError
        As from `load_policy`; also if a policy with `limits` takes too long.
    NoSandbox
        This machine has no sandbox to keep a policy with `limits` from the disk; nothing was run.
    """
    if in_process or is_builtin(spec):
        if limits and in_process:
            raise UserError("an untrusted policy cannot run in this process")
        return load_policy(spec, settings, source)
    file, _ = split_file(spec)
    if source is None:
        source = read_source(file)
    process = _running.get((spec, source, limits))
    if process is None:
        process = _running[spec, source, limits] = PolicyProcess(spec, source, limits)
    return _loaded(process, settings or {})


def begun(loaded: LoadedPolicy) -> PolicyProcess | None:
    """Start a process for `fresh` in the background; return None for a policy in this process.

    The process ends with the last reference to it.
    """
    if loaded.in_process:
        return None
    process = PolicyProcess(loaded.spec, loaded.source, loaded.limits)
    process.begin()
    return process


@contextmanager
def fresh(loaded: LoadedPolicy, process: PolicyProcess | None = None) -> Iterator[LoadedPolicy]:
    """Load the same policy again, without any state: a policy file in a new process.

    The process ends with this context. `process` is one from `begun`, to save waiting for it.
    """
    if loaded.in_process:
        again = load_policy(loaded.spec, loaded.settings, loaded.source)
        yield replace(again, timeout=loaded.timeout)
        return
    process = process or PolicyProcess(loaded.spec, loaded.source, loaded.limits)
    try:
        yield replace(_loaded(process, loaded.settings), timeout=loaded.timeout)
    finally:
        process.close()


def restriction(loaded: LoadedPolicy) -> str | None:
    """Return the mechanism that keeps a policy from reading files, as `Landlock 7`, or None."""
    policy = loaded.policy
    return policy.process.restricted_by if isinstance(policy, IsolatedPolicy) else None


def layers(loaded: LoadedPolicy) -> tuple[str, ...]:
    """List the sandbox layers of a policy's process: `bubblewrap 0.8.0`, `Landlock 7`, `seccomp`.

    Empty for a policy in this process. A policy with `limits` has at least bubblewrap or Landlock.
    """
    policy = loaded.policy
    return policy.process.layers if isinstance(policy, IsolatedPolicy) else ()


def missing_layers(loaded: LoadedPolicy) -> str:
    """Return why the process of a policy proves nothing about it; empty if it does.

    Without both lists of what is allowed, files and system calls, a policy could leave something
    for its later processes.
    """
    names = {layer.partition(" ")[0] for layer in layers(loaded)}
    lacking = [name for name in ("Landlock", "seccomp") if name not in names]
    if loaded.in_process or not lacking:
        return ""
    return (
        f"it ran without {' and '.join(lacking)}, so its processes could pass on what they "
        "remember; verify it on 64-bit Linux with Landlock and seccomp (x86-64 or ARM64)"
    )


def output(loaded: LoadedPolicy) -> str:
    """Return the output so far of a policy with `limits`, truncated, without control codes."""
    policy = loaded.policy
    return policy.process.output.text() if isinstance(policy, IsolatedPolicy) else ""


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
        limits=process.limits,
    )


_running: weakref.WeakValueDictionary[tuple[str, str, Limits | None], PolicyProcess] = (
    weakref.WeakValueDictionary()
)
"""Running process of each policy file, by name, source and limits."""
