"""Tuning: settings are tried on some problems, one is chosen and written, and tested on others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.api.plan import Plan, named_settings, note_idle_parameters, plan_runs
from simulator.api.progress import note, progress_bar
from simulator.errors import TimedOut, UserError
from simulator.methods import expand_name
from simulator.pools.folders import runs_folder
from simulator.runs.format import ANSWERS_FILE, RUN_FILE, SUMMARY_FILE, TUNING
from simulator.runs.making import differences, new_folder, write_json
from simulator.runs.problems import NOT, problem_names
from simulator.runs.space import parse_ranges
from simulator.runs.sweep import SWEEP, Setting
from simulator.significance import FEW
from simulator.storage import file_sha256, locked, make_folders, remove_empty
from simulator.studies.choosing import CHEAPEST_TIED, Target, choose, judge_settings
from simulator.studies.measuring import Measured, read_means
from simulator.studies.record import (
    BASELINE_TEST,
    CHOICE,
    DEFAULT_TEST,
    DEFAULT_TUNE,
    FORMAT,
    RESULT,
    TEST,
    TUNE,
    check_tested,
    find_unfinished,
    read_choice,
    sha256,
    start,
    write_choice,
)
from simulator.studies.tuned import Sides
from simulator.workers.executor import Workers


@dataclass(frozen=True)
class Side:
    """Pools by name or glob, and a choice of their problems; None for all."""

    patterns: Sequence[str]
    problems: str | None


@dataclass(frozen=True)
class Tuning:
    """A tuning that can be made.

    Parameters
    ----------
    tune
        Runs of all settings on the problems to tune on.
    default
        The run of the default settings on these; None if the policy's name has several numbers, or
        pools to test on name another default of a parameter that is swept.
    tested
        A plan of a run on the problems to test on, of the first setting; it is not made.
    """

    policy: str
    grid: Mapping[str, Sequence[str]]
    draw: tuple[int, int] | None
    target: Target
    test: Side
    options: Mapping[str, Any]
    tune: Plan
    default: Plan | None
    tested: Plan

    @property
    def identity(self) -> dict[str, Any]:
        """Fields that must be equal to resume it."""
        parts = [dict(pool) for pool in self.tested.specs[0].identity["pools"]]
        for pool in parts:
            del pool["budget"]  # that of the setting
        return {
            "format": FORMAT,
            "tuning": self.policy,
            "target": self.target.as_dict(),
            "space": {name: [*values] for name, values in self.grid.items()},
            "random": None if self.draw is None else self.draw[0],
            "settings": self.tune.folders,
            "tune": self.tune.identity,
            "test": parts,
        }

    @property
    def runs(self) -> list[str]:
        """Folders of the runs of the settings, within the tuning's."""
        return [f"{TUNE}/{name}" for name in self.tune.folders]

    @property
    def largest(self) -> int:
        """Index of the first setting with the largest budgets, whose cons@N is the baseline."""
        budgets = [spec.budgets for spec in self.tune.specs]
        return budgets.index(max(budgets))

    @property
    def default_run(self) -> str | None:
        """Folder of the run of the default settings, which can be one of those tried."""
        if self.default is None:
            return None
        one = self.default.specs[0]
        for run, each in zip(self.runs, self.tune.specs, strict=True):
            same = each.loaded.name == one.loaded.name and each.budgets == one.budgets
            if same and each.loaded.parameters == one.loaded.parameters:
                return run
        return DEFAULT_TUNE


def plan_tuning(
    policy: str,
    grid: Mapping[str, Sequence[str]],
    tune: Side,
    test: Side,
    target: Target,
    *,
    random: int | None,
    **options: Any,
) -> Tuning:
    """Plan a tuning, without replaying anything.

    Parameters
    ----------
    policy, grid
        As for `simulator.api.plan.plan_runs`; values may be ranges if `random` settings are drawn.
    tune, test
        Problems to tune and to test on. Without patterns, those to test on are the other problems
        of the same pools.
    options
        Further arguments of `plan_runs`.

    Raises
    ------
    UserError
        As from `plan_runs`; a problem is on both sides, or there are no two settings.
    """
    if ranges := [] if random else [*parse_ranges(grid)]:
        raise UserError(f"-p {ranges[0]}={grid[ranges[0]][0]}: a range; say how many with --random")
    has_others = not test.patterns and test.problems is None
    if not test.patterns:
        if tune.problems is None and test.problems is None:
            raise UserError(
                "give other pools with --test-on, or --tune-problems hash:0/2 to test on the "
                "others of the same pools"
            )
        others = f"{NOT}{tune.problems}" if test.problems is None else test.problems
        test = Side(tune.patterns, others.removeprefix(NOT * 2))
    draw = None if random is None else (random, options["seed"])
    on_tune = {**options, "problems": tune.problems}
    with _naming("--tune-problems"):
        planned = plan_runs(policy, grid, tune.patterns, draw=draw, **on_tune)
    if len(planned.settings) < 2:
        raise UserError("nothing to choose among: give -p with several values, or a range")
    number = len({name for _, name, _ in _names(planned)})
    if target.kind == CHEAPEST_TIED and number <= FEW:
        raise UserError(
            f"too few problems to tune on ({number}) to show any loss: all settings would be tied "
            f"with cons@N; give more than {FEW}, or --target cheapest-not-worse"
        )
    none = f"--tune-problems {tune.problems}: leaves none to test on; choose fewer"
    with _naming("--test-problems", instead=none if has_others else ""):
        tested = _planned(planned.settings[0], test, options)
    if name := _named_otherwise(policy, grid, planned, tested):
        raise UserError(
            f"pools to tune on and to test on name different values of {name}, by the lengths of "
            f"their traces; give it with -p {name}="
        )
    _refuse_overlap(planned, tested)
    default = None
    fixed = {name: values for name, values in grid.items() if _is_fixed(name, values)}
    if name := _named_otherwise(policy, fixed, planned, tested):
        note(f"{name} has different defaults on the pools to tune on and to test on: none is run")
    elif len(expand_name(policy)) == 1:
        budgets = options["budget"]
        usual = {**on_tune, "budget": budgets if budgets and len(budgets) == 1 else None}
        default = plan_runs(policy, fixed, tune.patterns, **usual)
    return Tuning(policy, grid, draw, target, test, options, planned, default, tested)


@contextmanager
def _naming(option: str, instead: str = "") -> Iterator[None]:
    """Name a side's option in an error about `--problems`, or raise an error of other words."""
    try:
        yield
    except UserError as error:
        text = str(error)
        if not text.startswith("--problems"):
            raise
        raise UserError(instead or option + text.removeprefix("--problems")) from None


def _is_fixed(name: str, values: Sequence[str]) -> bool:
    return len(values) == 1 and not parse_ranges({name: values})


def _planned(setting: Setting, side: Side, options: Mapping[str, Any]) -> Plan:
    """Plan the run of one setting on the problems of a side."""
    loaded = setting.loaded
    budget = None if setting.budget is None else [setting.budget]
    how = {**options, "budget": budget, "problems": side.problems}
    source = None if loaded.builtin else loaded.source
    grid = {name: [value] for name, value in loaded.settings.items()}
    plan = plan_runs(loaded.spec, grid, side.patterns, source=source, **how)
    found = plan.specs[0].loaded.parameters
    if found != loaded.parameters:
        other = next(name for name in found if found[name] != loaded.parameters[name])
        raise UserError(
            f"the pools to test on name {other}={found[other]}, those to tune on "
            f"{loaded.parameters[other]}; give it with -p {other}="
        )
    return plan


def _named_otherwise(
    policy: str, grid: Mapping[str, Sequence[str]], tune: Plan, test: Plan
) -> str | None:
    """Return a parameter not in `grid` of which pools name another value on the other side."""
    on, off = (named_settings(plan.specs[0].pools, policy, grid) for plan in (tune, test))
    return next((name for name in {**on, **off} if on.get(name) != off.get(name)), None)


def _refuse_overlap(tune: Plan, test: Plan) -> None:
    """Refuse a problem on both sides: of the same benchmark and id, or with the same question."""
    ids: dict[tuple[str, str], str] = {}
    questions: dict[str, str] = {}
    for pool, name, question in _names(tune):
        ids[name] = pool
        if question:
            questions[question] = pool
    for pool, name, question in _names(test):
        where = ids.get(name) or questions.get(question)
        if where is not None:
            raise UserError(
                f"problem {name[1]} of {pool}, to test on, is one of {where}, to tune on; name "
                "other pools, or divide them with --tune-problems hash:0/2"
            )


def _names(plan: Plan) -> Iterable[tuple[str, tuple[str, str], str]]:
    spec = plan.specs[0]
    for number, pool in enumerate(spec.pools):
        names = problem_names(pool)
        for place in spec.places(number):
            yield pool.name, *names[place]


def tuning_folder(tuning: Tuning, output: Path | None, resume: bool) -> Path:
    """Choose the folder of a tuning; notes an interrupted one that is continued."""
    folder = output
    if folder is None and resume:
        folder = find_unfinished(runs_folder(), tuning.identity)
        none = "no interrupted tuning to resume, starting a new one"
        note(f"resuming {folder}" if folder else none)
    return folder or new_folder(runs_folder(), f"{tuning.tune.policy}-tuning")


def make_tuning(
    tuning: Tuning, folder: Path, *, workers: Workers, resume: bool, command: Sequence[str]
) -> dict[str, Any]:
    """Try the settings, write the choice, test it, and write the result to `folder`; return it.

    Raises
    ------
    UserError
        As from `make_run` and `make_sweep`; no setting can be chosen; the folder holds another
        tuning, or its runs are not those that its choice was made from.
    KeyboardInterrupt, TimedOut
        Interrupted; what is finished is kept.
    """
    made = make_folders(folder.parent)

    def taken(holder: str) -> UserError:
        return UserError(f"{folder}: another process{holder} is making this tuning; wait for it")

    with locked(folder, taken):
        is_new = start(folder, tuning.identity, resume)
        stages = _Stages(folder, workers, command)
        try:
            stages.make(tuning.tune, TUNE, "tuning")
            if tuning.default is not None and tuning.default_run == DEFAULT_TUNE:
                stages.make(tuning.default, DEFAULT_TUNE, "default")
        except UserError as error:
            if is_new and not isinstance(error, TimedOut) and not (folder / TUNE).exists():
                with suppress(OSError):
                    (folder / TUNING).unlink()
                remove_empty([*made, folder])
            raise
        note_idle_parameters(folder / TUNE, tuning.tune)
        choice = read_choice(folder)
        if choice is None:
            choice = _choice(tuning, folder)
            write_choice(folder, choice)
        chosen = _place_of(choice, tuning, folder)
        tests = _test(tuning, stages, chosen)
        result = _result(tuning, folder, choice, chosen, tests)
        write_json(folder / RESULT, result)
    return result


@dataclass(frozen=True)
class _Stages:
    """Runs and sweeps made one after another within a tuning's folder."""

    folder: Path
    workers: Workers
    command: Sequence[str]

    def make(
        self, plan: Plan, name: str, title: str, about: Mapping[str, Any] | None = None
    ) -> None:
        """Make a run or a sweep, or continue it; one that is finished is kept.

        Raises
        ------
        UserError
            As from `Plan.make`; also if one that is finished is another or damaged.
        """
        target = self.folder / name
        if not any((target / mark).is_file() for mark in (SWEEP, SUMMARY_FILE)):
            plan.make(
                target,
                jobs=self.workers,
                resume=True,
                command=self.command,
                bar=progress_bar(f"{title}: {plan.title}"),
                about=about,
            )
            return
        file, identity = target / SWEEP, plan.identity
        if plan.sweep is None:
            file, identity = target / RUN_FILE, plan.specs[0].identity
        if differences(file, identity) != []:
            what = "damaged, or not of this tuning"
            raise UserError(f"{file}: {what}; remove {target} to make it again")


def _choice(tuning: Tuning, folder: Path) -> dict[str, Any]:
    """Choose a setting by its figures on the problems to tune on."""
    means = [read_means(folder / run) for run in tuning.runs]
    measured = Measured(means, means[tuning.largest])
    swept = [setting.swept for setting in tuning.tune.settings]
    tried = judge_settings(measured, tuning.runs, swept, tuning.target)
    try:
        chosen = tried[choose(tried, tuning.target)]
    except UserError as error:
        raise UserError(
            f"{error}; see all with: deepprune-sim report {folder / TUNE}; nothing was tested, so "
            f"another --target can be given with --resume -o {folder}"
        ) from None
    return {
        "target": tuning.target.as_dict(),
        "baseline": measured.baseline_name,
        "chosen": {"run": chosen.run, "set": dict(chosen.swept)},
        "tried": [each.as_dict() for each in tried],
        "answers": {run: file_sha256(folder / run / ANSWERS_FILE) for run in tuning.runs},
    }


def _place_of(choice: Mapping[str, Any], tuning: Tuning, folder: Path) -> int:
    """Return the index of the chosen setting among all; raise `UserError` if it is none of them."""
    settings = zip(tuning.runs, tuning.tune.settings, strict=True)
    there = [{"run": run, "set": dict(setting.swept)} for run, setting in settings]
    if choice["chosen"] not in there:
        raise UserError(
            f"{folder / CHOICE}: chooses none of the settings; start anew with another -o"
        )
    return there.index(choice["chosen"])


def _test(tuning: Tuning, stages: _Stages, chosen: int) -> list[str]:
    """Replay the chosen setting, and the default one, on the problems to test on.

    Returns
    -------
    Folders of these runs, and of the one whose cons@N they are compared with.
    """
    about = {"tuning": {"choice": sha256(stages.folder / CHOICE)}}
    plans = [(TEST, _planned(tuning.tune.settings[chosen], tuning.test, tuning.options))]
    if tuning.default is not None and tuning.default_run != tuning.runs[chosen]:
        default = tuning.default.settings[0]
        plans.append((DEFAULT_TEST, _planned(default, tuning.test, tuning.options)))
    largest = tuning.tune.specs[tuning.largest].budgets
    baseline = TEST
    if tuning.tune.specs[chosen].budgets != largest:
        kept = ("repeats", "seed", "cache", "concurrency", "step_seconds", "serving")
        how = {name: tuning.options[name] for name in kept} | {"problems": tuning.test.problems}
        plan = plan_runs(f"cons@{largest[0]}", {}, [*_pools(tuning.tested)], **how)
        plans.append((baseline := BASELINE_TEST, plan))
    for name, plan in plans:
        stages.make(plan, name, "testing", about)
        check_tested(stages.folder, name)
    return [*(name for name, _ in plans if name != BASELINE_TEST), baseline]


def _pools(plan: Plan) -> Iterable[str]:
    return (pool.name for pool in plan.specs[0].pools)


def _result(
    tuning: Tuning,
    folder: Path,
    choice: Mapping[str, Any],
    chosen: int,
    tests: Sequence[str],
) -> dict[str, Any]:
    """Return the content of `result.json`."""
    others = [str(tuning.default_run)] * (len(tests) - 2)
    tunes = [tuning.runs[chosen], *others, tuning.runs[tuning.largest]]
    sides = Sides.read([folder / run for run in tunes], [folder / run for run in tests])
    spec = tuning.tune.specs[0]
    return {
        "format": FORMAT,
        "tuning": tuning.tune.policy,
        "choice": sha256(folder / CHOICE),
        "target": choice["target"],
        "chosen": choice["chosen"],
        "default": tuning.default_run,
        "runs": {"tune": tunes, "test": [*tests]},
        "repeats": spec.repeats,
        "seed": spec.seed,
        "clock_unit": spec.serving.clock_unit,
        "tune": _about(tuning.tune, sides.tune.baseline_name),
        "test": _about(tuning.tested, sides.test.baseline_name),
        "figures": sides.figures(),
        "tried": choice["tried"],
    }


def _about(plan: Plan, baseline: str) -> dict[str, Any]:
    spec = plan.specs[0]
    return {
        "baseline": baseline,
        "problems": len({name for _, name, _ in _names(plan)}),
        "pools": [
            {
                "name": pool.name,
                "problems": len(spec.places(number)),
                "problems_in_pool": len(pool.problems),
            }
            for number, pool in enumerate(spec.pools)
        ],
    }
