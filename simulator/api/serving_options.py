"""Serving models as options and files: what `run --serving` takes, and `live --profile` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import UserError
from simulator.replay.serving import PARTS, Serving, parse_step_seconds, read_parts
from simulator.storage import JsonObject, parse_json, read_versioned

if TYPE_CHECKING:
    from simulator.live.profiling import Profile
    from simulator.live.source import Sampling

FORMAT = 1
"""Version of the format of profiles."""


def chosen_serving(
    given: Sequence[str], concurrency: int | None = None, step_seconds: str | None = None
) -> Serving:
    """Return the serving model of options: profiles and settings, of which the last counts.

    Parameters
    ----------
    given
        Values of `--serving`: a profile's file, or settings such as `kv_tokens=16000`.
    concurrency, step_seconds
        Values of these options, which count more.

    Raises
    ------
    UserError
        A file cannot be read, or a setting is unknown or makes no sense.
    """
    found: dict[str, Any] = {}
    for text in given:
        found |= _settings(text) if "=" in text and not Path(text).exists() else _profile(text)
    if concurrency is not None:
        found["concurrency"] = concurrency
    if step_seconds is not None:
        found["step_seconds"] = parse_step_seconds(step_seconds)
    try:
        return Serving(**found)
    except ValueError as error:
        raise UserError(f"--serving: {error}") from None


def _settings(text: str) -> dict[str, Any]:
    """Return the settings in `name=value,…`."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    unknown = [name.strip() for name, _, _ in pairs if name.strip() not in PARTS]
    if unknown:
        raise UserError(f"--serving {unknown[0]}: use one of {', '.join(PARTS)}, or a file")
    values = {}
    for name, _, value in pairs:
        try:
            values[name.strip()] = parse_json(value)
        except ValueError:
            values[name.strip()] = value

    def wrong(key: str, kind: object, fields: Mapping[str, Any]) -> UserError:
        form = {int: "a whole number from 1 on", float: "seconds from 0 on", bool: "true or false"}
        said = form[kind] if isinstance(kind, type) else "a number"
        return UserError(f"--serving {key}={fields[key]}: give {said}")

    return read_parts(JsonObject(values, wrong))


def write_profile(
    file: Path, profile: Profile, engine: Mapping[str, str], sampling: Sampling
) -> None:
    """Write the serving model of an engine to a file, with what it was fitted to."""
    serving = profile.serving
    about = {
        "format": FORMAT,
        "serving": {
            "concurrency": serving.concurrency,
            "step_seconds": [list(point) for point in serving.step_seconds],
            **serving.parts,
        },
        "engine": dict(engine),
        "sampling": asdict(sampling),
        "samples": [
            {**asdict(sample), "error": profile.error(sample)} for sample in profile.samples
        ],
    }
    file.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _profile(name: str) -> dict[str, Any]:
    """Return the serving model in a profile."""
    file = Path(name)
    try:
        found = read_versioned(
            file, "a profile", FORMAT, "make it by `deepprune-sim live --profile`"
        ).object("serving")
    except FileNotFoundError:
        raise UserError(
            f"--serving {name}: no such file; `deepprune-sim live --profile` makes one"
        ) from None
    points = found.get("step_seconds", list[list[float]])
    if any(len(point) != 2 for point in points):
        raise UserError(f"{file}: step_seconds are not points (batch size, seconds)")
    slots = found.optional("concurrency", int, 1)
    return {
        **read_parts(found),
        **({} if slots is None else {"concurrency": slots}),
        "step_seconds": parse_step_seconds(",".join(":".join(map(str, each)) for each in points)),
    }
