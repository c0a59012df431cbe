"""The third step: rerun the submitted policy, and compare everything it does.

A policy file runs in its own sandboxed process, which never holds data that the policy must not
see (`simulator.isolation.host`, `Limits`). Without a sandbox, it is not run. The policy is replayed
with the submitted seed, with a seed that the submitter cannot have known (`OwnRun`), and with every
problem in disguise (`Disguises`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simulator.errors import UserError
from simulator.isolation import host
from simulator.loading import Limits, LoadedPolicy, is_builtin, load_policy
from simulator.pools.pool import Pool, StoredProblem
from simulator.pools.probe_cost import cost_in
from simulator.replay.orders import blocks_of
from simulator.replay.recording import ANSWERS, DECISIONS
from simulator.replay.replaying import Replaying, replaying
from simulator.runs.format import ANSWERS_FILE, DECISIONS_FILE
from simulator.runs.spec import RunJudge
from simulator.storage import file_sha256
from simulator.submissions import badges
from simulator.submissions.blocks import Block, blocks, values_of
from simulator.submissions.run_record import MAX_REPEATS, RecordedPool, RecordedRun
from simulator.submissions.strict_json import Refused, shown
from simulator.submissions.wellformed import Submission
from simulator.verification.assigning import Assigner, Wanted
from simulator.verification.disguised import Disguises
from simulator.verification.memorised import MOST_CARRIED, carried
from simulator.verification.options import Options, Progress
from simulator.verification.other_seed import compare_seeds
from simulator.verification.own_run import OwnRun
from simulator.verification.recompute import Recomputed, figures_of, unshown

MAX_PRINTED = 300
"""Most characters of a policy's output that are noted."""


@dataclass
class Rerun:
    """Result of the rerun. `findings` fail it; `uncounted` only block the badge.

    `unshown` are the replays with probes whose answer matches no finished trace and no probe.
    `other_seed` has the figures of the verifier's own run, and `own` its files.
    """

    findings: list[str] = field(default_factory=list)
    uncounted: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    other_seed: list[dict[str, Any]] = field(default_factory=list)
    unshown: list[str] = field(default_factory=list)
    own: Mapping[str, bytes] = field(default_factory=dict)


def rerun(
    submission: Submission,
    pools: Sequence[Pool],
    recomputed: Recomputed,
    path: Path,
    options: Options,
    progress: Progress,
) -> Rerun:
    """Rerun a submission's policy; `path` is the submission's, and names the policy in messages."""
    result = Rerun()
    run = submission.run
    seed = secrets.randbelow(2**53) if options.seed is None else options.seed
    try:
        loaded = _load(run, path)
    except host.NoSandbox as error:
        return Rerun(uncounted=[str(error)])
    except UserError as error:
        return Rerun(findings=[f"the policy cannot be loaded: {error}"])
    requires = frozenset(loaded.policy.requires)
    declared = loaded.declared
    try:
        judge = _judge(run, loaded, pools, options)
        _check_signals(pools, requires, declared)
    except Refused as error:
        return Rerun(findings=[str(error)])
    except UserError as error:
        return Rerun(uncounted=[str(error)])
    if judge is not None and judge.usual is not None:
        result.notes.append(
            f"its cost of a judge token is {_listed(judge.ratio)} reasoning-model tokens; from "
            f"the models' sizes it would be {_listed(judge.usual)}"
        )
    result.notes += [
        f"a probe of {pool.name} costs {recorded.probe_cost} tokens by --probe-cost, not "
        f"{cost_in(pool.info)}"
        for pool, recorded in zip(pools, run.pools, strict=True)
        if recorded.probe_source == "given" and recorded.probe_cost != cost_in(pool.info)
    ]
    result.layers = ["built-in"] if loaded.builtin else [*host.layers(loaded)]
    if missing := host.missing_layers(loaded):
        result.uncounted.append(missing)
    unranked = loaded.policy.unranked or (judge is not None and judge.unranked)
    if unranked != run.unranked:
        result.findings.append(
            f"run.json: unranked is {run.unranked}, but policy and judge make it {unranked}"
        )
    result.uncounted += _too_few(run.repeats, options.repeats)
    assigner = Assigner(loaded, seed, sum(len(pool.problems) for pool in pools))
    most = options.repeats or run.repeats
    own = OwnRun(seed, min(badges.LEAST_REPEATS, options.repeats or MAX_REPEATS), len(pools))
    try:
        if not result.findings:
            rng = np.random.default_rng((seed, most))
            with assigner:
                disguises = Disguises(assigner, declared, rng)
                _run_again(submission, pools, disguises, judge, own, most, result, progress)
            submitted = recomputed.summary["pools"]
            entries = own.entries(pools, submitted)
            about = {"seed": own.seed, "repeats": own.repeats}
            result.other_seed = [{**about, **figures_of(entry)} for entry in entries]
            result.findings = compare_seeds(submitted, entries, own, run.repeats)
            if run.judge and not any(e["metrics"]["judge_calls"]["value"] for e in submitted):
                result.notes.append("run.json names a judge that the policy never asked")
            if own.repeats >= badges.LEAST_REPEATS:
                result.own = own.files(submission.record, run, entries)
    except Refused as error:
        result.findings.append(str(error))
    except UserError as error:
        result.findings.append(f"the policy failed: {error}")
    except MemoryError:
        result.findings.append("the rerun takes more memory than the limit")
    _check_known([*recomputed.unshown, *result.unshown], declared, result)
    if not loaded.builtin and (size := carried(loaded.source, loaded.settings)) > MOST_CARRIED:
        result.uncounted.append(
            f"its numbers and texts have {size:,} characters, which could encode the pool's "
            "traces: someone must review it"
        )
    if printed := assigner.output or host.output(loaded):
        result.notes.append(f"the policy printed {shown(printed, MAX_PRINTED)}")
    return result


def _too_few(repeats: int, most: int | None) -> list[str]:
    """List the reasons why the rerun does not count, from numbers of repeats."""
    told = []
    if repeats < badges.LEAST_REPEATS:
        told.append(badges.too_few(repeats))
    if most is not None and most < repeats:
        told.append(f"only {most} of {repeats} repeats were rerun")
    return told


def _listed(ratios: Sequence[float | None]) -> str:
    return ", ".join(dict.fromkeys("unknown" if each is None else f"{each:.3g}" for each in ratios))


def _check_known(unshown: Sequence[str], declared: frozenset[str], result: Rerun) -> None:
    """Report answers that match no trace and no probe; a policy with texts may have read them."""
    if not unshown:
        return
    what = f"{len(unshown):,} answers match no finished trace or probe ({unshown[0]})"
    if "text" in declared:
        result.uncounted.append(f"{what}: someone must review how the policy reads them from texts")
    else:
        result.findings.append(f"{what}, so the policy cannot have found them")


def _load(run: RecordedRun, path: Path) -> LoadedPolicy:
    """Load the policy: a built-in method in this process, a policy's source in a sandbox."""
    if is_builtin(run.policy):
        known = load_policy(run.policy, run.settings)
        if known.budget is not None and any(each.budget != known.budget for each in run.pools):
            raise Refused(f"run.json: its budget is not that of {run.policy}")
        if (known.sha256, known.class_name) == (run.sha256, run.class_name):
            return _same_parameters(known, run)
    settings = dict(run.settings)
    if run.builtin:  # of another version: what its name set is set as the others are
        settings = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in run.parameters.items()
        }
    spec = f"{path / 'policy.py'}@{run.class_name}"
    return _same_parameters(host.load(spec, settings, run.source, limits=Limits()), run)


def _same_parameters(loaded: LoadedPolicy, run: RecordedRun) -> LoadedPolicy:
    if dict(loaded.parameters) != dict(run.parameters):
        raise Refused(
            f"run.json: its parameters {shown(dict(run.parameters), 200)} are not those that the "
            "policy has with its settings"
        )
    return loaded


def _judge(
    run: RecordedRun, loaded: LoadedPolicy, pools: Sequence[Pool], options: Options
) -> RunJudge | None:
    if "judge" not in loaded.policy.requires:
        if run.judge is not None:
            raise Refused("run.json: names a judge, but the policy does not use one")
        return None
    if run.judge is None:
        raise Refused("run.json: the policy uses a judge, but none is recorded")
    if options.judge_of is None:
        raise UserError("the policy uses a judge, but none is available")
    judge = options.judge_of(options.cache)(run.judge, loaded, pools)
    if dict(judge.identity) != dict(run.judge):
        raise UserError("the judge on this machine differs from the one that run.json names")
    return judge


def _check_signals(
    pools: Sequence[Pool], requires: frozenset[str], declared: frozenset[str]
) -> None:
    """Refuse pools whose signal files do not match `pool.json`: replays read only parts of them."""
    for pool in pools:
        pool.require(requires - {"judge"}, "the policy")
        for name in sorted(declared & set(pool.info.signals)):
            file = pool.path / f"{name}.parquet"
            if file_sha256(file) != pool.info.sha256.get(file.name):
                raise UserError(f"{file}: not the file that pool.json describes; import it again")


def _run_again(
    submission: Submission,
    pools: Sequence[Pool],
    disguises: Disguises,
    judge: RunJudge | None,
    own: OwnRun,
    most: int,
    result: Rerun,
    progress: Progress,
) -> None:
    """Compare at `most` so many of the replays row by row; replay `own` run, and in disguise.

    All replays of a problem come before the next problem, so that they share its cached data, which
    is freed after them.
    """
    run, assigner = submission.run, disguises.assigner
    decisions = blocks(submission.decisions, DECISIONS_FILE)
    answers = blocks(submission.answers, ANSWERS_FILE)
    waiting = next(decisions, None)
    knowing = ""
    for number, recorded, problem in _problems(pools, run, progress):
        asked = judge.asked if judge else None
        cost = recorded.probe_cost
        replay = partial(_replay, problem=problem, serving=run.serving, probe_cost=cost)
        how: dict[str, Any] = {"budget": recorded.budget, "judge": asked}
        rows, name = None, (problem.pool.name, problem.problem_id)
        if waiting is not None and (waiting.pool, waiting.problem_id) == name:
            rows, waiting = waiting, next(decisions, None)
        given = next(answers)
        ours = [Wanted(range(own.repeats), partial(replay, seed=own.seed, **how))]
        for part in blocks_of(min(run.repeats, most), recorded.budget):
            again = Wanted(part, partial(replay, seed=run.seed, **how))
            made = assigner.replay([again, *ours])
            done = made[0].replayed
            _compare(rows, done.decisions, DECISIONS.names[2:], part, name, "decisions")
            _compare(given, done.answers, ANSWERS.names[2:], part, name, "answers")
            for gathered in made:
                if gathered.remembered:
                    raise Refused(
                        f"pool {name[0]}, problem {name[1]}, {gathered.remembered}, when replayed "
                        "in another process: the policy carries state between replays"
                    )
            if ours:
                ours, plain = [], made[1]
        own.add(number, plain.replayed)
        told = disguises.check(problem, plain, partial(replay, seed=own.seed), **how)
        knowing = knowing or told
        if not assigner.trusted and "probes" in problem.pool.info.signals:
            result.unshown += unshown(problem, given, rows, probed=True)
    if knowing:
        result.uncounted.append(
            f"its decisions depend on a problem's question, as with a table of answers "
            f"({knowing}): someone must review it"
        )


def _replay(loaded: LoadedPolicy, repeats: Sequence[int], **how: Any) -> Replaying:
    return replaying(loaded, repeats=repeats, **how)


def _problems(
    pools: Sequence[Pool], run: RecordedRun, progress: Progress
) -> Iterator[tuple[int, RecordedPool, StoredProblem]]:
    """Yield every problem in the order of the run, with its pool's number and record."""
    for number, (pool, recorded) in enumerate(zip(pools, run.pools, strict=True)):
        for problem in pool.problems:
            share = problem.index / len(pool.problems)
            progress("running again", (number + share) / len(pools))
            yield number, recorded, problem.fresh()


def _compare(
    given: Block | None,
    again: Any,
    names: Sequence[str],
    part: range,
    where: tuple[str, str],
    table: str,
) -> None:
    """Refuse the first row of a problem, within `part`'s repeats, that differs in the rerun."""
    if given is None:
        start = end = 0
    else:
        repeat = given.columns["repeat"]
        start, end = np.searchsorted(repeat, [part.start, part.stop]).tolist()
    first_row = given.first_row + start if given else 0
    size = min(end - start, len(again))
    for name in names if size else ():
        assert given is not None
        if name not in given.columns:  # a submission from before the column was added
            continue
        found = given.columns[name][start : start + size]
        expected = values_of(again[name].slice(0, size))
        other = np.flatnonzero(found != expected)
        if len(other):
            row = int(other[0])
            raise Refused(
                f"{table}.parquet row {first_row + row} (pool {where[0]}, problem {where[1]}, "
                f"repeat {given.columns['repeat'][start + row]}): {name} is "
                f"{shown(found[row : row + 1].tolist()[0])}, rerun "
                f"{shown(expected[row : row + 1].tolist()[0])}"
            )
    if end - start != len(again):
        raise Refused(
            f"{table}.parquet row {first_row + size} (pool {where[0]}, problem {where[1]}): in the "
            f"rerun, repeats {part.start} to {part.stop - 1} have {len(again):,} rows, not "
            f"{end - start:,}"
        )
