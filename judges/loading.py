"""Loading a judge from a user's spec (`lexical`, `oracle:auroc=0.9`)."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from judges.prefixes import Truncation
from judges.protocol import AnyJudge
from simulator.errors import UserError, install_extra, nearest
from simulator.loading import as_type_of

JUDGES = {
    "lexical": "judges.kinds.lexical:LexicalJudge",
    "embedding": "judges.kinds.embedding:EmbeddingJudge",
    "hf": "judges.kinds.hf:HfJudge",
    "vllm": "judges.kinds.vllm:VllmJudge",
    "oracle": "judges.kinds.oracle:OracleJudge",
}
"""Name to `module:class`. The class takes its settings as keywords with defaults, and `truncation`
if it reads text."""

EXTRAS = {"vllm": "vllm"}
"""The extra that a judge needs, if it is not `judge`."""


def load_judge(spec: str, truncation: Truncation | None = None) -> AnyJudge:
    """Load the judge of a spec, `NAME` or `NAME:SETTING=VALUE,…`.

    Raises
    ------
    UserError
        An unknown judge or setting (with the nearest known one), an invalid value, or a library
        that is not installed.
    """
    name, _, rest = spec.partition(":")
    if name not in JUDGES:
        hint = nearest(name, JUDGES, "judges:")
        raise UserError(f"no judge {name!r}, and no stored scores of that name; {hint}")
    module, kind = JUDGES[name].split(":")
    try:
        build = getattr(importlib.import_module(module), kind)
    except ModuleNotFoundError as error:
        raise not_installed(spec, error) from None
    allowed = dict(inspect.signature(build).parameters)
    reads_text = allowed.pop("truncation", None) is not None
    settings = _settings(name, rest, allowed)
    if truncation is not None:
        if not reads_text:
            raise UserError(
                f"judge {name} reads no text, so there is nothing to cut at {truncation}"
            )
        settings["truncation"] = truncation
    try:
        judge: AnyJudge = build(**settings)
    except ModuleNotFoundError as error:
        raise not_installed(spec, error) from None
    return judge


def pinned_spec(spec: str, judge: AnyJudge) -> str:
    """Add the commit of the judge's model to `spec`, so that its meaning never changes."""
    commit: str | None = getattr(judge, "resolved", None)
    if commit is None:
        return spec
    name, _, rest = spec.partition(":")
    settings = [item for item in rest.split(",") if item and not item.startswith("revision=")]
    return f"{name}:{','.join([*settings, f'revision={commit}'])}"


def commit_note(spec: str, pinned: str) -> str:
    """Write the note for a spec to which `pinned_spec` has added a commit."""
    return f"judge {spec}: no commit of its model was given; using {pinned}"


def not_installed(spec: str, error: ModuleNotFoundError) -> UserError:
    """Make the error for a judge whose library is missing, which may occur only on first use."""
    name = spec.partition(":")[0]
    return UserError(
        f"judge {name} needs {error.name}, which is not installed: "
        f"{install_extra(EXTRAS.get(name, 'judge'))}"
    )


def _settings(judge: str, text: str, allowed: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        name, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"judge {judge}: {item!r}; settings are NAME=VALUE, joined by commas")
        if name not in allowed:
            hint = nearest(name, allowed, "it has:", cutoff=0.4)
            raise UserError(f"judge {judge} has no setting {name!r}; {hint}")
        default = allowed[name].default  # None stands for a text
        settings[name] = as_type_of(
            "" if default is None else default, value, f"judge {judge}: {item}"
        )
    return settings
