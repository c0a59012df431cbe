"""Loading of a policy from what a user typed: `cons@512`, `policy.py` or `policy.py@Class`."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import inspect
import json
import math
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from simulator.errors import PolicyError, UserError, nearest
from simulator.methods import METHODS, explain_numbers, match_name, shown_name
from simulator.policy.base import Policy
from simulator.policy.solving import describe, explain
from simulator.signals import NEEDS, SIGNALS


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy that can be replayed, and what identifies it.

    `file` is the name shown in errors, `source` its text, `settings` the parameters as typed;
    `timeout` is the number of seconds that the replay of one problem in one repeat may take.
    If it is not `in_process`, `policy` is a stand-in for one in a process of its own, under
    `limits` if it is untrusted.
    """

    spec: str
    name: str
    class_name: str
    file: str
    source: str
    settings: Mapping[str, str]
    parameters: Mapping[str, Any]
    budget: int | None
    policy: Policy = field(compare=False, repr=False)
    builtin: bool = False
    in_process: bool = True
    limits: Limits | None = None
    timeout: float | None = field(default=None, compare=False)

    @property
    def sha256(self) -> str:
        """SHA-256 of the source."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    @property
    def declared(self) -> frozenset[str]:
        """Names in the policy's `requires` and `optional`, either of which may be a list."""
        return frozenset(self.policy.requires).union(self.policy.optional)


def load_policy(
    spec: str, settings: Mapping[str, str] | None = None, source: str | None = None
) -> LoadedPolicy:
    """Load a built-in method or a policy file, in this process, and set its parameters.

    Replays get their policies from `simulator.isolation.host`, which never runs a file in a process
    that holds pools.

    Parameters
    ----------
    spec
        A built-in name, a file, or `file.py@Class`.
    settings
        Parameters as typed: name to value.
    source
        The text of the policy file, if it has been read already. A worker process gets it, so that
        it replays the same policy even if the file has changed since.

    Raises
    ------
    PolicyError
        The file does not load, or holds no policy, or several.
    UserError
        The name is unknown (the message names the nearest), or a value does not fit.
    """
    settings = dict(settings or {})
    builtin = match_name(spec)
    if builtin is not None:
        template, in_name = builtin
        budget = int(in_name.pop("budget")) if "budget" in in_name else None
        for name in in_name:
            if name in settings:
                raise UserError(
                    f"-p {name}={settings[name]}: the name {spec} already sets "
                    f"{name}={in_name[name]}; change one of them"
                )
        if budget is not None and "budget" in settings:
            raise UserError(f"-p budget: the name {spec} sets the budget; change the name")
        module, kind = _builtin_class(METHODS[template])
        source = inspect.getsource(module)
        file = module.__name__.replace(".", "/") + ".py"
        policy, parameters = _instantiate(kind, in_name | settings, spec)
        if budget is not None and budget < 1:
            raise UserError(f"{spec}: the budget must be at least 1")
        return LoadedPolicy(
            spec,
            spec,
            kind.__name__,
            file,
            source,
            settings,
            parameters,
            budget,
            policy,
            builtin=True,
        )
    file, wanted = split_file(spec)
    if source is None:
        source = read_source(file)
    kind = _policy_class(file, source, wanted)
    policy, parameters = _instantiate(kind, settings, file)
    name = Path(file).stem
    return LoadedPolicy(spec, name, kind.__name__, file, source, settings, parameters, None, policy)


def method_names() -> list[str]:
    """Return the built-in names as they are shown: cons@N, short-m@k."""
    return [shown_name(template) for template in METHODS]


def _unknown_name(spec: str) -> str:
    """Return an error that names the nearest built-in, with the numbers that were typed."""
    if lettered := match_name(spec, "[0-9]+|[NMKnmk]"):
        return f"{shown_name(lettered[0])}: {explain_numbers(lettered[0])}"
    typed = re.findall(r"[0-9]+", spec)
    candidates = {}
    for template in METHODS:
        holes = len(re.findall(r"\{\w+\}", template))
        name = template
        for number in typed if len(typed) == holes else []:
            name = re.sub(r"\{\w+\}", number, name, count=1)
        candidates[shown_name(name)] = explain_numbers(name)
    near = difflib.get_close_matches(spec.lower(), candidates, n=1, cutoff=0.5)
    hint = f"built-in: {', '.join(method_names())}"
    if near:
        explained = f" ({candidates[near[0]]})" if candidates[near[0]] else ""
        hint = f"did you mean {near[0]}{explained}?"
    return f"{spec}: neither a built-in method nor a .py file; {hint}"


def is_builtin(spec: str) -> bool:
    """Check whether `spec` names a built-in method."""
    return match_name(spec) is not None


def split_file(spec: str) -> tuple[str, str]:
    """Split `file.py@Class` into file and class; the class is empty if none is named.

    Raises
    ------
    UserError
        `spec` names no Python file; the message names the nearest built-in.
    """
    if not re.search(r"\.py(@\w+)?$", spec):
        raise UserError(_unknown_name(spec))
    file, _, wanted = spec.rpartition("@") if re.search(r"\.py@\w+$", spec) else (spec, "", "")
    return file, wanted


def read_source(file: str) -> str:
    """Read the text of a policy file; raise `PolicyError` if it cannot be read."""
    from simulator.storage import read_plain_text  # not for the policy's process

    try:
        return read_plain_text(Path(file))
    except FileNotFoundError:
        raise PolicyError(f"{file}: no such file; give a policy file or a built-in name") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PolicyError(f"{file}: cannot be read ({reason})") from None


def _policy_class(file: str, source: str, wanted: str = "") -> type[Policy]:
    """Execute a policy file's source and pick its policy class."""
    module = ModuleType("policy_" + hashlib.sha256(source.encode()).hexdigest()[:16])
    module.__file__ = file
    sys.modules[module.__name__] = module  # dataclasses and pickling look classes up there
    try:
        code = compile(source.removeprefix("\ufeff"), file, "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"{file}:{error.lineno}" if error.lineno else file
        raise PolicyError(f"{where}: syntax error: {error.msg}") from error
    except ValueError as error:  # null bytes
        raise PolicyError(f"{file}: not Python source ({error})") from error
    try:
        exec(code, module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PolicyError(explain(error, file)) from error
    policies = {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type)
        and issubclass(kind, Policy)
        and kind.__module__ == module.__name__
        and kind.solve is not Policy.solve
    }
    if wanted:
        if wanted not in policies:
            there = ", ".join(policies) or "none"
            raise PolicyError(f"{file}: no policy class {wanted} (policies there: {there})")
        return policies[wanted]
    if not policies:
        raise PolicyError(
            f"{file}: no class derives from simulator.Policy and defines solve(problem, sampler)"
        )
    if len(set(policies.values())) > 1:
        names = list(policies)
        raise PolicyError(
            f"{file}: {len(names)} policies ({', '.join(names)}); choose one, as {file}@{names[0]}"
        )
    return next(iter(policies.values()))


def _instantiate(
    kind: type[Policy], settings: Mapping[str, str], name: str
) -> tuple[Policy, dict[str, Any]]:
    defaults = kind.parameters()
    parameters = dict(defaults)
    for key, text in settings.items():
        if key not in defaults:
            raise UserError(_unknown_parameter(key, defaults, name))
        parameters[key] = _convert(key, text, defaults[key])
    _check_class(kind, defaults, name)
    try:
        policy = kind()
        for key, value in parameters.items():
            setattr(policy, key, value)
        policy.validate()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        at = f" ({shown_settings(settings)})" if settings else ""
        raise PolicyError(f"{name}: {describe(error)}{at}") from error
    _check_signals(policy, name)
    return policy, parameters


def shown_settings(settings: Mapping[str, str]) -> str:
    """Format parameters as typed, for an error: in a sweep, only one setting may be wrong."""
    return ", ".join(f"{name}={text:.60}" for name, text in settings.items())


def _check_signals(policy: type[Policy] | Policy, name: str) -> None:
    """Raise `PolicyError` for unknown signals; `validate` may set them on the instance."""
    for what, signals in (("requires", NEEDS), ("optional", SIGNALS)):
        needs: object = getattr(policy, what)
        known = isinstance(needs, Collection) and all(need in signals for need in needs)
        if isinstance(needs, str) or not known:
            raise PolicyError(
                f"{name}: {what} is {needs!r:.60}; give a set of {', '.join(map(repr, signals))}"
            )


def _check_class(kind: type[Policy], parameters: Mapping[str, Any], name: str) -> None:
    """Raise `PolicyError` for class attributes whose type or value `Policy` does not allow."""
    _check_signals(kind, name)
    budget: object = kind.budget
    if budget is not None and (type(budget) is not int or budget < 1):
        raise PolicyError(f"{name}: budget is {budget!r:.60}; give a number of traces, or None")
    if type(kind.unranked) is not bool:
        raise PolicyError(f"{name}: unranked is {kind.unranked!r:.60}; give True or False")
    for key, value in parameters.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise PolicyError(
                f"{name}: parameter {key} is of type {type(value).__name__}, which run.json cannot "
                f"hold; use numbers, texts and lists, or rename it _{key} if it is no parameter"
            ) from None


def _unknown_parameter(key: str, defaults: Mapping[str, Any], name: str) -> str:
    if key == "budget":
        return "-p budget: the budget is set with -n"
    if not defaults:
        return f"-p {key}: {name} has no parameters; leave it out"
    hint = nearest(key, defaults, "it has:", cutoff=0.4)
    return f"-p {key}: {name} has no such parameter; {hint}"


def _convert(key: str, text: str, default: Any) -> Any:
    """Convert a typed text to the type of the parameter's default."""
    try:
        return as_type_of(default, text, f"-p {key}={text}")
    except TypeError:
        raise UserError(
            f"-p {key}: its default {default!r} is neither number, text nor true/false, so it "
            "cannot be set from here; change it in the file"
        ) from None


def describe_methods() -> list[dict[str, Any]]:
    """Describe every built-in method: name, summary, parameters, needs, budget, source."""
    rows = []
    for template, path in METHODS.items():
        kind = _builtin_class(path)[1]
        in_name = re.findall(r"\{(\w+)\}", template)
        rows.append(
            {
                "name": shown_name(template),
                "summary": inspect.cleandoc(kind.__doc__ or "").partition("\n")[0],
                "parameters": {k: v for k, v in kind.parameters().items() if k not in in_name},
                "requires": sorted(kind.requires),
                "optional": sorted(kind.optional),
                "budget": kind.budget,
                "budget_in_name": "budget" in in_name,
                "unranked": kind.unranked,
                "source": kind.source,
            }
        )
    return rows


def _builtin_class(path: str) -> tuple[ModuleType, type[Policy]]:
    module_name, class_name = path.split(":")
    module = importlib.import_module(f"simulator.methods.{module_name}")
    return module, getattr(module, class_name)


@dataclass(frozen=True)
class Limits:
    """Limits of an untrusted policy.

    Attributes
    ----------
    seconds
        Wall-clock time for each answer to a problem. The engine's work for the policy counts, its
        work for other processes does not.
    banked
        Maximum number of unused seconds that carry over to later answers.
    memory
        Address space of its process, in bytes.
    output
        Maximum size of its captured output, in bytes; the rest is discarded.
    """

    seconds: float = 30.0
    banked: float = 300.0
    memory: int = 8 << 30
    output: int = 64 << 10

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.banked >= 0 and self.memory > 0 and self.output >= 0):
            raise ValueError(f"{self} has an impossible limit")


_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def as_type_of(default: Any, text: str, what: str) -> Any:
    """Convert a text to the type of `default`: bool, int, float or str.

    Raises
    ------
    UserError
        The text cannot be converted, or is no finite number or one beyond 64 bits; `what` names it
        in the message.
    TypeError
        The default has another type.
    """
    try:
        if isinstance(default, bool):
            return _TRUTH[text.lower()]
        if isinstance(default, int):
            number = int(text)
            if not -(2**63) <= number < 2**63:  # numpy and Parquet hold no other
                raise UserError(f"{what:.60}: give a whole number from -2^63 to 2^63 - 1")
            return number
        if isinstance(default, float):
            value = float(text)
            if not math.isfinite(value):
                raise ValueError  # not allowed in JSON
            return value
        if isinstance(default, str):
            return text
    except (KeyError, ValueError):
        raise UserError(
            f"{what}: expected {type(default).__name__}, like its default {default!r}"
        ) from None
    raise TypeError(type(default).__name__)
