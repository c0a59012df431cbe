"""Comparisons to plan: two methods, from runs or replayed here, and pools to add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from statistics import fmean
from typing import Any

from simulator.api.plan import Plan, plan_runs
from simulator.api.progress import note, progress_bar
from simulator.api.results import find_run
from simulator.errors import UserError
from simulator.loading import is_builtin, load_policy, method_names
from simulator.pools.folders import runs_folder
from simulator.pools.pool import Pool, iter_pool_folders
from simulator.report.labels import short
from simulator.runs.format import RUN_FILE
from simulator.runs.problems import problem_names
from simulator.runs.results import RunResult, read_results
from simulator.runs.sweep import runs_of
from simulator.statistics import Estimate
from simulator.studies.sizes import Side, key_of, paired, study_of
from simulator.workers.executor import Workers


@dataclass(frozen=True)
class Candidate:
    """A pool that is not in a comparison.

    `known` is a public pool of the registry that is not on this machine. `problems` are all it has,
    `new` those that no pool of the comparison has; of a known pool, `new` are those of the
    benchmark if a pool here has it, else None. `difference` is that of the two
    methods there, `detectable` what the comparison would show with the pool added: from runs of
    both on it, or, if `assumed`, as if new problems varied like the others.
    """

    pool: str
    known: bool
    problems: int | None = None
    new: int | None = None
    difference: Estimate | None = None
    detectable: float | None = None
    assumed: bool = False


def sides_of(
    names: Sequence[str], patterns: Sequence[str], options: Mapping[str, Any], workers: Workers
) -> list[Side]:
    """Return the methods of these runs or policies; policies are replayed once all are found.

    A policy is replayed on the pools named by `patterns`, else on those of the first of the others
    that is a run, else that is a policy, with its budget, repeats and seed. `options` are those of
    `plan_runs`.

    Raises
    ------
    UserError
        There is no such run or policy, or it is a sweep.
    """
    found: dict[str, Side | Plan] = {name: _run(name) for name in names if not is_policy(name)}
    for name in names:
        if name not in found:
            like = next(iter(found.values()), None)
            found[name] = _planned(name, patterns, options, like)
    made = {name: _made(each, workers) for name, each in found.items()}
    return [made[name] for name in names]


def _run(name: str) -> Side:
    try:
        folder = find_run(name)
    except UserError as error:
        near = get_close_matches(name, method_names(), n=1)
        if not near or "make one with" not in str(error):
            raise
        raise UserError(f"{name}: neither a run nor a policy; did you mean {near[0]}?") from None
    if runs_of(folder) is not None:
        raise UserError(f"{folder}: a sweep; give one of its runs, such as {folder}/…")
    return _side(read_results(folder))


def _planned(
    name: str, patterns: Sequence[str], options: Mapping[str, Any], like: Side | Plan | None
) -> Plan:
    given = _given(options)
    if like is not None:
        usual, pools = _conditions(like)
        if is_builtin(name) and load_policy(name).budget:
            del usual["budget"]
        given, patterns = usual | given, patterns or pools
    return plan_runs(name, {}, patterns, **given)


def _conditions(of: Side | Plan) -> tuple[dict[str, Any], list[str]]:
    """Return budget, repeats and seed of a method, and the names of its pools."""
    if isinstance(of, Plan):
        spec = of.specs[0]
        usual = {"budget": spec.budgets[0], "repeats": spec.repeats, "seed": spec.seed}
        return usual, [pool.name for pool in spec.pools]
    one = of.results[0]
    usual = {"budget": one.budget, "repeats": one.repeats, "seed": one.seed}
    return usual, [each.pool for each in of.results]


def _made(found: Side | Plan, workers: Workers) -> Side:
    """Replay a plan and return its method; one that is there already is returned as it is."""
    if isinstance(found, Side):
        return found
    folder = found.folder(None, resume=False)
    bar = progress_bar(found.title)
    found.make(folder, jobs=workers, resume=False, command=[], bar=bar)
    note(f"run: {folder}")
    return _side(read_results(folder))


def _side(results: Sequence[RunResult]) -> Side:
    """Return the method of a run, named with the parameters that were set."""
    first = results[0]
    told = [f"{name}={short(first.parameters.get(name))}" for name in first.settings]
    return Side(first.policy + (f" ({', '.join(told)})" if told else ""), results)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def is_policy(name: str) -> bool:
    """Return True for a policy's name or file; a folder of that name counts as a run."""
    here = any((folder / name).is_dir() for folder in (Path(), runs_folder()))
    return not here and (is_builtin(name) or name.partition("@")[0].endswith(".py"))


def baseline_of(side: Side) -> Side:
    """Return the cons@N on the traces of a run."""
    return Side(side.results[0].baseline, side.results, is_baseline=True)


def candidates(first: Side, second: Side, cache: Path) -> list[Candidate]:
    """List the recorded pools that a comparison could be extended by, the most telling first.

    Pools on this machine come first: those with the signals and the traces that both methods need.
    """
    compared = paired(first, second)
    study = study_of(compared)
    alone = fmean(study_of([pool]).variance for pool in compared)
    held = {name for pool in compared for name in pool.names}
    used = {pool.result.pool for pool in compared}
    needs = _needs(first) | _needs(second)
    budget = max(side.results[0].budget for side in (first, second))
    further = _same_elsewhere(first), _same_elsewhere(second)
    found, at_hand, sizes = [], set[str](), dict[str, int]()
    for path in iter_pool_folders(cache):
        with suppress(UserError):
            pool = Pool(path)
            info = pool.info
            at_hand.add(pool.name.casefold())
            sizes[info.benchmark.casefold()] = info.problems
            enough = info.traces >= budget * info.problems
            if info.synthetic or info.unfinished or not enough or not needs <= {*info.signals}:
                continue
            new = len({name for name, _ in problem_names(pool)} - held)
            if pool.name in used and not new:  # else only a part of it was run
                continue
            added = [[] if pool.name in used else _on(pool, runs) for runs in further]
            difference = detectable = None
            if added[0] and added[1]:
                more = paired(replace(first, results=added[0]), replace(second, results=added[1]))
                difference = study_of(more).contrast.difference
                detectable = study_of([*compared, *more]).contrast.detectable
            elif new:
                detectable = study.detectable_with(len(compared), new, alone)
            assumed = difference is None and detectable is not None
            told = (difference, detectable, assumed)
            found.append(Candidate(pool.name, False, info.problems, new, *told))
    found.sort(key=lambda each: (each.detectable is None, each.detectable or 0, each.pool))
    sizes |= dict.fromkeys((pool.benchmark for pool in compared), 0)
    return [*found, *_known(cache, at_hand, sizes)]


def _known(cache: Path, at_hand: set[str], sizes: Mapping[str, int]) -> Iterator[Candidate]:
    """Yield the public pools of the registry that are not on this machine.

    `sizes` has the new problems of benchmarks by name.
    """
    from simulator.hub.registry import read_registry

    for entry in read_registry(cache).values():
        for rule in entry.pools:
            name = entry.pool_name(rule)
            if name.casefold() not in at_hand:
                yield Candidate(name, True, new=sizes.get(rule.benchmark.casefold()))


def _needs(side: Side) -> frozenset[str]:
    """Return the signals of pools that a built-in method needs; those of a file are unknown."""
    result = side.results[0]
    if side.is_baseline or not is_builtin(result.policy):
        return frozenset()
    return frozenset(load_policy(result.policy).policy.requires) - {"judge"}


def _same_elsewhere(side: Side) -> list[RunResult]:
    """List results in runs/ of the same method, parameters, seed and repeats."""
    wanted = _identity(side.results[0])
    found = []
    for file in sorted(runs_folder().glob(f"*/{RUN_FILE}")):
        with suppress(UserError):
            found += [each for each in read_results(file.parent) if _identity(each) == wanted]
    return found


def _identity(result: RunResult) -> tuple[object, ...]:
    return (
        *(result.policy, result.policy_sha256, repr(sorted(result.parameters.items()))),
        *(result.budget, result.seed, result.repeats, result.charging, result.judge_scores),
    )


def _on(pool: Pool, results: Sequence[RunResult]) -> list[RunResult]:
    key = (pool.name, pool.info.fingerprint, None)
    return [each for each in results if key_of(each) == key][:1]
