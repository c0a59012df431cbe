"""A submission's `run.json`, checked field by field."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.counting import CHARGING, GENERATED, Charging
from simulator.pools.pool import PROBE_COST
from simulator.pools.probe_cost import MOST, SOURCES, ProbeCost
from simulator.replay.serving import Serving, read_parts
from simulator.runs.format import FORMAT
from simulator.storage import JsonObject
from simulator.submissions.strict_json import Refused, shown

MAX_REPEATS = 1_000_000
MAX_BUDGET = 1_000_000
MAX_POOLS = 100
MAX_PARAMETERS = 200
MAX_SEED = 2**63
MAX_SETTINGS = 1_000_000

_PART = r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,127}"
POOL_NAME = re.compile(rf"{_PART}/{_PART}/{_PART}")
_FILE_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,200}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RecordedPool:
    """A pool of a run: its name, its identity, the run's budget on it, and the cost of a probe.

    The cost and its source are None if the pool has no probes, and in runs of older versions.
    `unfinished` counts its unfinished traces.
    """

    name: str
    fingerprint: str
    synthetic: bool
    token_accuracy: str
    budget: int
    probe_cost: ProbeCost | None = None
    probe_source: str | None = None
    unfinished: int = 0


@dataclass(frozen=True)
class RecordedRun:
    """The inputs of a submitted run; `judge` is the judge's identity, None without one.

    `sweep_settings` is the number of settings of its sweep; None for a run made alone. `charging`
    says which tokens its answers count; runs of older versions count those generated.
    """

    policy: str
    class_name: str
    source: str
    sha256: str
    parameters: Mapping[str, Any]
    settings: Mapping[str, str]
    unranked: bool
    builtin: bool
    seed: int
    repeats: int
    serving: Serving
    judge: Mapping[str, Any] | None
    pools: tuple[RecordedPool, ...]
    sweep_settings: int | None = None
    charging: Charging = GENERATED

    @property
    def synthetic(self) -> bool:
        """True if any of its pools was generated."""
        return any(pool.synthetic for pool in self.pools)


def read_run(fields: dict[str, Any]) -> RecordedRun:
    """Read and check the fields of a `run.json`.

    Raises
    ------
    Refused
        A field is missing, of a wrong type or out of range, or the format is newer.
    """
    top = JsonObject(fields, _wrong)
    version = top.get("format", int, 1, 10**9)
    if version > FORMAT:
        raise Refused(
            f"run.json: format {version} is newer than this program's {FORMAT}; "
            "upgrade deepprune-sim"
        )
    policy = top.object("policy")
    source = policy.get("source", str, most=2_000_000)
    sha256 = policy.get("sha256", str, most=64)
    if hashlib.sha256(source.encode()).hexdigest() != sha256:
        raise Refused("run.json: policy.sha256 is not that of policy.source")
    class_name = policy.get("class", str, most=200)
    if not class_name.isidentifier():
        raise Refused(f"run.json: policy.class {shown(class_name)} is not a class name")
    name = policy.get("name", str, most=200)
    if (
        not _FILE_NAME.fullmatch(policy.get("file", str, most=500).replace("/", "."))
        or not name.isprintable()
    ):
        raise Refused("run.json: policy.name or policy.file has invalid characters")
    judge = None if fields.get("judge") is None else top.object("judge").fields
    unranked = policy.get("unranked", bool)
    if judge is not None and judge.get("unranked") is not False and not unranked:
        raise Refused("run.json: policy.unranked is False, but its judge is unranked")
    recorded = top.objects("pools", MAX_POOLS)
    pools = tuple(_pool(each) for each in recorded)
    if not pools or len({pool.name for pool in pools}) != len(pools):
        raise Refused("run.json: has no pool, or the same pool twice")
    return RecordedRun(
        policy=name,
        class_name=class_name,
        source=source,
        sha256=sha256,
        parameters=policy.get("parameters", dict[str, Any], most=MAX_PARAMETERS),
        settings=policy.get("settings", dict[str, str], most=MAX_PARAMETERS),
        unranked=unranked,
        builtin=policy.get("builtin", bool),
        seed=top.get("seed", int, 0, MAX_SEED),
        repeats=top.get("repeats", int, 1, MAX_REPEATS),
        serving=_serving(top.object("serving")),
        judge=judge,
        pools=pools,
        sweep_settings=top.object("sweep").get("settings", int, 1, MAX_SETTINGS)
        if "sweep" in fields
        else None,
        charging=_charging(top),
    )


def _charging(top: JsonObject) -> Charging:
    found = top.optional("charging", str, most=20) or GENERATED
    for known in CHARGING:
        if found == known:
            return known
    raise Refused(f"run.json: charging {shown(found)} is none of {', '.join(CHARGING)}")


def _pool(fields: JsonObject) -> RecordedPool:
    name = fields.get("name", str, most=400)
    fingerprint = fields.get("fingerprint", str, most=64)
    if not POOL_NAME.fullmatch(name):
        raise Refused(f"run.json: {shown(name)} is not a pool's name")
    if not _SHA256.fullmatch(fingerprint):
        raise Refused(f"run.json: the fingerprint of {name} is not a SHA-256")
    accuracy = fields.get("token_accuracy", str, most=20)
    if accuracy not in ("exact", "total", "estimated"):
        raise Refused(f"run.json: token_accuracy of {name} is {shown(accuracy)}")
    budget = fields.get("budget", int, 1, MAX_BUDGET)
    cost = source = None
    if fields.fields.get("probe_cost") is not None:
        parts = fields.object("probe_cost")
        cost = ProbeCost(*(parts.get(part, int, 0, MOST) for part in PROBE_COST))
        source = parts.get("source", str, most=20)
        if source not in SOURCES:
            raise Refused(f"run.json: probe_cost.source of {name} is none of {', '.join(SOURCES)}")
    synthetic = fields.get("synthetic", bool)
    unfinished = fields.optional("unfinished", int, 0) or 0
    return RecordedPool(name, fingerprint, synthetic, accuracy, budget, cost, source, unfinished)


def _serving(fields: JsonObject) -> Serving:
    concurrency = fields.optional("concurrency", int, 1, MAX_BUDGET)
    curve = fields.fields.get("step_seconds")
    points = []
    for point in curve if isinstance(curve, list) else []:
        good = isinstance(point, list) and len(point) == 2 and type(point[0]) is int
        if not good or type(point[1]) not in (int, float) or not 0 < point[1] < 1e6:
            raise Refused(f"run.json: serving.step_seconds has {shown(point)}")
        points.append((point[0], float(point[1])))
    sizes = [size for size, _ in points]
    if (
        (curve is not None and not points)
        or sizes != sorted(set(sizes))
        or min(sizes, default=1) < 1
    ):
        raise Refused("run.json: serving.step_seconds is not a list of points in ascending order")
    try:
        serving = Serving(concurrency, tuple(points), **read_parts(fields))
    except ValueError as error:
        raise Refused(f"run.json: serving: {error}") from None
    if fields.get("clock_unit", str, most=20) != serving.clock_unit:
        raise Refused(f"run.json: serving.clock_unit is not {serving.clock_unit}")
    return serving


def _wrong(key: str, kind: object, fields: Mapping[str, Any]) -> Refused:
    found = shown(fields[key]) if key in fields else "missing"
    return Refused(f"run.json: {key!r} is {found}; submit a run as the program made it")
