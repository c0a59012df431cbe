"""Specification of a run: everything that determines its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from simulator.counting import DRAWN, GENERATED, Charging, Order
from simulator.errors import UserError
from simulator.loading import LoadedPolicy
from simulator.pools.pool import Pool
from simulator.pools.probe_cost import ProbeCost, described_cost
from simulator.replay.judging import ReplayJudge
from simulator.replay.serving import Serving
from simulator.runs.format import FORMAT
from simulator.runs.problems import Chosen

DEFAULT_BUDGET = 512


def asked_budget(given: int | None, loaded: LoadedPolicy) -> int | None:
    """Return the budget that an option or a policy's name asks for; None if neither does.

    Raises
    ------
    UserError
        They ask for different ones.
    """
    if given is not None and loaded.budget not in (None, given):
        raise UserError(
            f"-n {given}: the name {loaded.name} already sets the budget; change one of them"
        )
    return loaded.budget if given is None else given


@dataclass(frozen=True)
class RunJudge:
    """The judge of a run.

    Parameters
    ----------
    asked
        The judge itself; can be pickled to worker processes.
    identity
        Everything that its scores depend on, for `run.json`.
    unranked
        True if it uses ground truth; its runs are then not ranked.
    ratio
        Cost of one judge token, in reasoning-model tokens, on each pool; None if it is unknown.
    usual
        Default ratio, from model sizes, if `ratio` was set by hand.
    """

    asked: ReplayJudge = field(compare=False, repr=False)
    identity: Mapping[str, Any]
    unranked: bool
    ratio: Sequence[float | None]
    usual: Sequence[float | None] | None = None


@dataclass(frozen=True)
class RunSpec:
    """Everything that determines a run.

    `budget` is the budget given by the user, None for the policy's own. `budgets` are the resulting
    budgets on each pool. `probe_cost` is the cost of a probe given by the user, None for that of
    each pool. `charging` says how the tokens of a trace are counted, `order` in which
    order traces are started. `problems` are those of a run on a part of its pools, None for all.
    """

    loaded: LoadedPolicy
    pools: Sequence[Pool]
    budget: int | None
    repeats: int
    seed: int
    serving: Serving
    judge: RunJudge | None = None
    probe_cost: ProbeCost | None = None
    charging: Charging = GENERATED
    order: Order = DRAWN
    problems: Chosen | None = None

    def places(self, number: int) -> Sequence[int]:
        """Return the places of the problems to replay of a pool, given by number."""
        if self.problems is None:
            return range(len(self.pools[number].problems))
        return self.problems.places[number]

    @property
    def replays(self) -> int:
        """Number of replays, each of one problem in one repeat."""
        return self.repeats * sum(len(self.places(number)) for number in range(len(self.pools)))

    @property
    def unranked(self) -> bool:
        """True if leaderboards do not rank the run, because of its policy or its judge."""
        return self.loaded.policy.unranked or (self.judge is not None and self.judge.unranked)

    @property
    def ends_known(self) -> bool:
        """True if all traces of the pools have come to their ends."""
        return not any(pool.info.unfinished for pool in self.pools)

    @cached_property
    def budgets(self) -> list[int]:
        """Number of traces per problem that may be started, on each pool.

        Raises
        ------
        UserError
            The budget is larger than the number of traces of a problem.
        """
        asked = asked_budget(self.budget, self.loaded)
        fewest = min(self.pools, key=lambda pool: pool.min_traces, default=None)
        if asked is not None and fewest is not None and asked > fewest.min_traces:
            raise UserError(
                f"pool {fewest.name} has a problem with only {fewest.min_traces} traces, fewer "
                f"than the budget of {asked}; give "
                f"{'-n ' if self.loaded.budget is None else 'a name with '}"
                f"{fewest.min_traces} or less"
            )
        default = self.loaded.policy.budget or DEFAULT_BUDGET
        return [min(default, pool.min_traces) if asked is None else asked for pool in self.pools]

    @property
    def identity(self) -> dict[str, Any]:
        """Fields that identify a run, as stored in `run.json`; equal for the same run."""
        loaded = self.loaded
        return {
            "format": FORMAT,
            "policy": {
                "name": loaded.name,
                "class": loaded.class_name,
                "file": Path(loaded.file).name,
                "source": loaded.source,
                "sha256": loaded.sha256,
                "parameters": dict(loaded.parameters),
                "settings": dict(loaded.settings),
                "unranked": self.unranked,
                "builtin": loaded.builtin,
            },
            "seed": self.seed,
            "repeats": self.repeats,
            "budget": self.budget if self.budget is not None else loaded.budget,
            "charging": self.charging,
            **({"order": self.order} if self.order != DRAWN else {}),
            **({"problems": self.problems.typed} if self.problems else {}),
            "serving": {
                "concurrency": self.serving.concurrency,
                "step_seconds": [list(point) for point in self.serving.step_seconds] or None,
                **self.serving.parts,
                "clock_unit": self.serving.clock_unit,
            },
            "judge": None if self.judge is None else dict(self.judge.identity),
            "pools": [
                {
                    "name": pool.name,
                    "fingerprint": pool.info.fingerprint,
                    "synthetic": pool.info.synthetic,
                    "token_accuracy": pool.info.token_accuracy,
                    "budget": budget,
                    "probe_cost": self._probe_cost(pool),
                    **pool.info.counting,
                    **({"unfinished": pool.info.unfinished} if pool.info.unfinished else {}),
                    **self._part(number),
                }
                for number, (pool, budget) in enumerate(zip(self.pools, self.budgets, strict=True))
            ],
        }

    def _part(self, number: int) -> dict[str, Any]:
        """Return the ids of the problems replayed of a pool, and how many it has; empty if all."""
        if self.problems is None:
            return {}
        of_pool = self.pools[number].problems
        return {
            "problems": [of_pool[place].problem_id for place in self.places(number)],
            "problems_in_pool": len(of_pool),
        }

    def _probe_cost(self, pool: Pool) -> dict[str, Any] | None:
        """Describe what a probe of a pool costs and where that comes from; None without probes."""
        has_probes = "probes" in pool.info.signals
        return described_cost(pool.info, self.probe_cost) if has_probes else None
