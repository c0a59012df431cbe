"""Sizes of the models that wrote pools, to weigh the tokens of a judge against theirs.

A mixture of experts counts the parameters that a token passes through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from simulator.errors import UserError
from simulator.pools.pool import PoolInfo

ACTIVE_PARAMETERS = {
    "deepseek-r1": 37e9,
    "deepseek-v3": 37e9,
    "deepseek-v3.1": 37e9,
    "deepseek-v3.2": 37e9,
    "glm-4.5": 32e9,
    "glm-4.5-air": 12e9,
    "glm-4.6": 32e9,
    "gpt-oss-120b": 5.1e9,
    "gpt-oss-20b": 3.6e9,
    "kimi-k2": 32e9,
    "minimax-m1": 45.9e9,
    "minimax-m2": 10e9,
    "mixtral-8x22b": 39e9,
    "mixtral-8x7b": 12.9e9,
    "phi-3.5-moe": 6.6e9,
    "phi-4": 14.7e9,
    "phi-4-mini": 3.8e9,
}
"""Active parameters of models whose names do not tell them, as their authors state."""

VARIANT = re.compile(
    r"(-(base|chat|instruct|it|thinking|reasoning|low|medium|high|fp8|awq|gptq|int[48]|bf16|mxfp4"
    r"|gguf|q[0-9](-[0-9k])?(-[sml])?|v[0-9.]+|[0-9]{4,8}))*"
)
"""Ends of a name that do not change the size."""

ACTIVE = re.compile(r"(?<![a-z0-9.])a([0-9]+(?:\.[0-9]+)?)b(?![a-z0-9])")
EXPERTS = re.compile(r"(?<![a-z0-9.])[0-9]+x[0-9.]+b(?![a-z0-9])")
WHOLE = re.compile(r"(?<![a-z0-9.])([0-9]+(?:\.[0-9]+)?)b(?![a-z0-9])")

UNITS = {"m": 1e6, "b": 1e9}


@dataclass(frozen=True, slots=True)
class Size:
    """Active parameters of a model, and the source of the number."""

    parameters: float
    source: Literal["given", "pool", "table", "name"]


def parse_sizes(texts: Sequence[str]) -> dict[str, float]:
    """Parse sizes, `8.2e9`, `14.7B` or `MODEL=NUMBER`; the key is empty for all models.

    Raises
    ------
    UserError
        A text is not a positive number, or names a model twice.
    """
    sizes: dict[str, float] = {}
    for text in texts:
        model, _, number = text.rpartition("=")
        if model in sizes:
            raise UserError(
                f"--model-params {text}: {model or 'the size of all models'} is there twice; give "
                "it once"
            )
        sizes[model] = parse_parameters(number)
    return sizes


def parse_parameters(text: str) -> float:
    """Parse a number of parameters, such as 8.2e9, 14.7B or 22M.

    Raises
    ------
    UserError
        It is not a positive number.
    """
    scale = UNITS.get(text[-1:].lower())
    try:
        number = (scale or 1.0) * float(text[:-1] if scale else text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e18:
        raise UserError(f"--model-params {text}: give active parameters, such as 8.2e9 or 14.7B")
    return number


def size_of(info: PoolInfo, given: Mapping[str, float]) -> Size | None:
    """Return the size of the model that wrote a pool: given, the pool's, the table's or the name's.

    None if none of them tells it.
    """
    size = given.get(info.model, given.get(""))
    if size is not None:
        return Size(size, "given")
    if info.active_parameters is not None:
        return Size(info.active_parameters, "pool")
    name = info.model.lower().replace("_", "-")
    for known, parameters in ACTIVE_PARAMETERS.items():
        if name.startswith(known) and VARIANT.fullmatch(name[len(known) :]):
            return Size(parameters, "table")
    if EXPERTS.search(name):
        return None
    found = ACTIVE.search(name) or WHOLE.search(name)
    return Size(float(found[1]) * 1e9, "name") if found and float(found[1]) else None
