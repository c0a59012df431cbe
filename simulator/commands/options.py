"""Options and output shared by several commands."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.errors import UserError

if TYPE_CHECKING:
    from simulator.statistics import Estimate


class FloatRange(click.FloatRange):
    """Range of numbers; click's lets NaN through, which is within no bounds and beyond none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number


class Budgets(click.ParamType[list[int]]):
    """One or several numbers of traces, each at least 1 and given once: `64` or `8,16,32`."""

    name = "budgets"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[int]:
        numbers = [click.IntRange(min=1).convert(each, param, ctx) for each in value.split(",")]
        for number in numbers:
            if numbers.count(number) > 1:
                self.fail(f"{number} occurs twice; give each value once.", param, ctx)
        return numbers


class RayAddress(click.ParamType[str]):
    """Address of a Ray cluster; an option without a value takes the next word for one."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"|auto|local|ray://.+|[^\s@/]+:\d+", value):
            self.fail(
                f"{value} is no address of a cluster: auto, local, HOST:PORT or ray://HOST:PORT. "
                "Without an address, put --ray last, or before another option.",
                param,
                ctx,
            )
        return str(value)


class FolderOrBoard(click.Path):
    """A path, or as text the address of a board on the Hugging Face Hub (`hf://…`)."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if str(value).startswith("hf://") else super().convert(value, param, ctx)


class NewFolder(click.Path):
    """The path of a folder to be made; `.`, `..` and `/` have no name for it."""

    name = "directory"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        folder = Path(str(super().convert(value, param, ctx)))
        if folder.name in ("", ".."):
            self.fail(f"{value!r} is no name; give that of a new folder.", param, ctx)
        return folder


def workers_options(jobs_help: str) -> Callable[[Any], Any]:
    """Add `-j` and `--ray`, whose values are those of `simulator.workers.opening.open_workers`."""

    def add(command: Any) -> Any:
        return jobs(ray(command))

    jobs = click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=1),
        help=f"{jobs_help} [default: 1; with --ray, the CPUs of the cluster]",
    )
    ray = click.option(
        "--ray",
        is_flag=False,
        flag_value="",
        type=RayAddress(),
        metavar="[ADDRESS]",
        help="Work on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT; local starts one here. "
        "[default: $RAY_ADDRESS, else the one of this machine, else local]",
    )
    return add


cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of pools. [default: $DEEPPRUNE_SIM_CACHE, else datasets_cache/]",
)
timeout_option = click.option(
    "--timeout",
    type=FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time limit for the replay of one problem in one repeat. A policy that generates no token "
    "for 10 s is reported in any case. [default: none]",
)
axes_option = click.option(
    "--axes",
    default="accuracy,total",
    show_default=True,
    metavar="AXES",
    help="Axes of the Pareto front: accuracy and one or more of tokens (generated), total (these "
    "and those of probes and judge) and clock.",
)


def baseline_option(what: str) -> Callable[[Any], Any]:
    """Add `--baseline`, the name of which is that of `what`."""
    return click.option(
        "--baseline",
        metavar="METHOD",
        help=f"Compare with this method: {what}. [default: cons@N, on each run's own traces]",
    )


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def chosen_format(form: str | None, as_json: bool) -> str | None:
    """Return the value of --format, where --json stands for json; None if neither was given."""
    if as_json and form not in (None, "json"):
        raise UserError("--json and --format exclude each other; give one")
    return "json" if as_json else form


def print_json(value: Any) -> None:
    click.echo(json_text(value), nl=False)


def json_text(value: Any) -> str:
    """Format as JSON, which ends with a newline."""
    return json.dumps(_jsonable(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _jsonable(value: Any) -> Any:
    """Replace values that JSON lacks: NaN and infinities by null, dates and others by text."""
    if isinstance(value, dict):
        return {str(key): _jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(each) for each in value]
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return value if value is None or isinstance(value, str | int) else str(value)


def counted(number: int, what: str) -> str:
    """Format a number of things, such as `1 trace` or `1,024 traces`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def percent(fraction: float) -> str:
    """Format a fraction as a percentage with two decimals."""
    return f"{100 * fraction:.2f}%"


def with_interval(estimate: Estimate) -> str:
    """Format a fraction as a percentage, with its interval if it has one."""
    if estimate.low is None or estimate.high is None:
        return percent(estimate.value)
    return f"{percent(estimate.value)} [{100 * estimate.low:.2f}, {100 * estimate.high:.2f}]"


def share(fraction: float | None) -> str:
    """Format a fraction with four decimals, None as `-`."""
    return "-" if fraction is None else f"{fraction:.4f}"


def file_size(size: int) -> str:
    """Format a number of bytes in a fitting decimal unit."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"
