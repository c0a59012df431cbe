"""Dollars and FLOPs of a run, from the prices and sizes of its models in a small TOML file.

    [models."qwen3-8b"]
    input = 0.05                 # dollars per million tokens read
    output = 0.40                # dollars per million tokens generated
    active_parameters = 8.2e9    # those that a token passes through

Traces and the answers to probes are output; the suffixes of probes, and what a judge reads, are
input, as far as it computes it anew. Prompts, and prefixes that an engine has to read again for a
probe, are not included. FLOPs
are 2 × active parameters × tokens.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import UserError, nearest
from simulator.runs.results import RunResult
from simulator.storage import JsonObject, read_plain_text

NOTE = (
    "Dollars and FLOPs are per problem, from {file}: traces and answers to probes as output, "
    "suffixes of probes and what the judge reads as input; without prompts and prefixes read again."
)


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens of a model, and its active parameters; None if not given."""

    input: float | None
    output: float | None
    active_parameters: float | None


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars and FLOPs per problem; None if a price, a size or the number of tokens is unknown."""

    dollars: float | None
    flops: float | None


@dataclass(frozen=True)
class Prices:
    """The prices in a file, by the model's name in a pool's name, or by the judge's name."""

    file: Path
    models: Mapping[str, Price]

    def of(self, model: str, what: str) -> Price:
        """Return the prices of a model; raise `UserError` if the file does not have it."""
        if model not in self.models:
            raise UserError(
                f'{self.file}: no prices of {what} {model!r}; add [models."{model}"], or '
                + nearest(model, self.models, "rename one of")
            )
        return self.models[model]

    def bill(self, result: RunResult) -> Bill:
        """Return what a problem of a run costs."""
        price = self.of(result.pool.split("/")[1], "the model")
        written, calls = result.value("tokens_per_problem"), result.value("probe_calls")
        if written is None or calls is None or result.value("probe_tokens") is None:
            return Bill(None, None)
        suffix, answer = result.probe_parts
        parts = [
            (written + calls * answer, price.output, price),
            (calls * suffix, price.input, price),
        ]
        if result.judge is not None:
            judge = self.of(result.judge, "the judge")
            read = result.value("judge_tokens_charged")
            read = result.value("judge_tokens") if read is None else read
            parts.append((read or 0.0, judge.input, judge))
        dollars = [_times(tokens, cost) for tokens, cost, _ in parts]
        flops = [_times(tokens, each.active_parameters) for tokens, _, each in parts]
        return Bill(_total(dollars, 1e-6), _total(flops, 2.0))


def _times(tokens: float, each: float | None) -> float | None:
    return 0.0 if not tokens else None if each is None else tokens * each


def _total(parts: list[float | None], scale: float) -> float | None:
    known = [part for part in parts if part is not None]
    return scale * sum(known) if len(known) == len(parts) else None


def read_prices(file: Path) -> Prices:
    """Read a file of prices.

    Raises
    ------
    UserError
        The file cannot be read, is not TOML, or has something else than prices.
    """
    try:
        fields = tomllib.loads(read_plain_text(file))
    except OSError as fault:
        raise UserError(f"{file}: cannot be read ({fault.strerror}); check --prices") from None
    except ValueError as fault:
        raise UserError(f"{file}: not TOML ({fault}); see docs/examples/prices.toml") from None

    def wrong(key: str, kind: object, found: Mapping[str, Any]) -> UserError:
        return UserError(
            f"{file}: {key!r} is missing or not what it should be; each model has input, output "
            "(dollars per million tokens) and active_parameters, as in docs/examples/prices.toml"
        )

    models = JsonObject(fields, wrong).object("models")
    prices = {}
    for name in models.fields:
        each = models.object(name)
        unknown = [key for key in each.fields if key not in Price.__dataclass_fields__]
        if unknown:
            raise wrong(unknown[0], float, each.fields)
        given = {key: each.optional(key, float) for key in Price.__dataclass_fields__}
        for key, value in given.items():
            if value is not None and not 0 <= value < 1e18:  # NaN, too
                raise wrong(key, float, each.fields)
        prices[name] = Price(**given)
    return Prices(file, prices)
