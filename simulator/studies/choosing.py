"""Choice of one setting among those tried, by a target that is fixed before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.errors import UserError
from simulator.significance import ALPHA, MARGIN, Contrast, discoveries
from simulator.studies.measuring import Measured

CHEAPEST_TIED, CHEAPEST_NOT_WORSE, ACCURACY = TARGETS = (
    *("cheapest-tied", "cheapest-not-worse", "accuracy"),
)
"""Names of the targets."""


@dataclass(frozen=True)
class Target:
    """Rule by which a setting is chosen.

    Parameters
    ----------
    kind
        `cheapest-tied`: the least cost among settings that are not significantly less accurate than
        cons@N. `cheapest-not-worse`: the least cost among those whose interval of the difference to
        cons@N lies above -`margin`. `accuracy`: the highest accuracy within the limits.
    margin
        A fraction.
    tokens, steps
        Limits of the cost and the clock per problem, averaged over pools; None for no limit.
    """

    kind: str = CHEAPEST_TIED
    margin: float = MARGIN
    tokens: float | None = None
    steps: float | None = None

    @property
    def text(self) -> str:
        """The rule in words."""
        if self.kind == CHEAPEST_TIED:
            return (
                "least cost among settings that are not significantly less accurate than cons@N "
                f"(sign-flip test over problems, false discovery rate among all settings "
                f"{ALPHA:.0%})"
            )
        if self.kind == CHEAPEST_NOT_WORSE:
            return (
                "least cost among settings whose interval of the difference to cons@N lies above "
                f"{-100 * self.margin:g} points"
            )
        limits = [
            f"at most {limit:,.0f} {unit}"
            for limit, unit in ((self.tokens, "tokens"), (self.steps, "of the clock"))
            if limit is not None
        ]
        return f"highest accuracy with {' and '.join(limits)} a problem"

    def as_dict(self) -> dict[str, Any]:
        """Return the rule for JSON."""
        limits = {"budget_tokens": self.tokens, "budget_steps": self.steps}
        return {"kind": self.kind, "margin": self.margin, **limits, "text": self.text}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def target_of(kind: str, margin: float | None, tokens: float | None, steps: float | None) -> Target:
    """Return a target as it is asked for; `margin` is in points, None for the usual one.

    Raises
    ------
    UserError
        It is none of TARGETS, a limit or the margin is not for it or wrong, or it has none.
    """
    if kind not in TARGETS:
        raise UserError(f"--target {kind}: give one of {', '.join(TARGETS)}")
    if margin is not None and kind != CHEAPEST_NOT_WORSE:
        raise UserError(f"--margin is for --target {CHEAPEST_NOT_WORSE}; add it")
    if margin is not None and not (_is_number(margin) and 0 <= margin <= 100):
        raise UserError(f"--margin {margin!r:.60}: give a number from 0 to 100")
    for name, limit in (("tokens", tokens), ("steps", steps)):
        if limit is not None and not (_is_number(limit) and limit > 0):
            raise UserError(f"--budget-{name} {limit!r:.60}: give a number above 0")
    limited = tokens is not None or steps is not None
    if limited != (kind == ACCURACY):
        raise UserError(
            "--target accuracy needs --budget-tokens or --budget-steps"
            if kind == ACCURACY
            else f"--budget-tokens and --budget-steps are for --target {ACCURACY}; add it"
        )
    return Target(kind, MARGIN if margin is None else margin / 100, tokens, steps)


@dataclass(frozen=True)
class Tried:
    """A setting on the problems to tune on: `run` is its folder, `swept` what was set, as typed.

    Figures are as in `simulator.studies.measuring.FIGURES`. `tied` is True if it is not
    significantly less accurate than cons@N, `admissible` if the target lets it be chosen.
    """

    run: str
    swept: Mapping[str, str]
    accuracy: float
    to_baseline: Contrast
    p: float
    tied: bool
    cost: float
    reduction: float
    clock: float
    admissible: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the setting for JSON."""
        return {
            "run": self.run,
            "set": dict(self.swept),
            "accuracy": self.accuracy,
            "to_baseline": contrast_dict(self.to_baseline, self.p),
            "tied": self.tied,
            "cost": self.cost,
            "reduction": self.reduction,
            "clock": self.clock,
            "admissible": self.admissible,
        }


def contrast_dict(contrast: Contrast, p: float) -> dict[str, Any]:
    """Return a difference for JSON, with the smallest one that its problems show."""
    return {
        **contrast.difference.as_dict(),
        "detectable": contrast.detectable,
        "differing_problems": contrast.differing,
        "p": p,
    }


def judge_settings(
    measured: Measured, runs: Sequence[str], swept: Sequence[Mapping[str, str]], target: Target
) -> list[Tried]:
    """Return the figures of each run on the problems to tune on, and if it can be chosen."""
    differences, p = measured.to_baseline()
    significant = discoveries(p).tolist()
    found = []
    for number, (run, values) in enumerate(zip(runs, swept, strict=True)):
        contrast = differences[number]
        cost, clock = (measured.mean(number, name) for name in ("cost", "clock"))
        tied = not (significant[number] and contrast.difference.value < 0)
        within = cost <= (target.tokens or cost) and clock <= (target.steps or clock)
        admissible = {
            CHEAPEST_TIED: tied,
            CHEAPEST_NOT_WORSE: bool(contrast.not_worse(target.margin)),
            ACCURACY: within,
        }[target.kind]
        found.append(
            Tried(
                run,
                values,
                measured.mean(number, "accuracy"),
                contrast,
                float(p[number]),
                tied,
                cost,
                measured.mean(number, "reduction"),
                clock,
                admissible,
            )
        )
    return found


def choose(tried: Sequence[Tried], target: Target) -> int:
    """Return the index of the setting that the target chooses; the first one on a tie.

    Equal settings are told apart by the other of accuracy and cost, then by the clock.

    Raises
    ------
    UserError
        None can be chosen; the message names the nearest.
    """
    admissible = [index for index, each in enumerate(tried) if each.admissible]
    if not admissible:
        raise UserError(_nearest(tried, target))

    def key(index: int) -> tuple[float, float, float]:
        each = tried[index]
        first = (-round(each.accuracy, 12), each.cost)
        return (*(first if target.kind == ACCURACY else first[::-1]), each.clock)

    return min(admissible, key=key)


def _nearest(tried: Sequence[Tried], target: Target) -> str:
    """Explain that no setting can be chosen."""
    if target.kind == ACCURACY:
        least = min(tried, key=lambda each: each.cost)
        return (
            f"no setting has {target.text.partition(' with ')[2]}; the cheapest takes "
            f"{least.cost:,.0f} tokens and {least.clock:,.0f} of the clock"
        )
    best = max(tried, key=lambda each: each.to_baseline.difference.low or -1.0)
    low, high = best.to_baseline.difference.low, best.to_baseline.difference.high
    ends = f" [{100 * low:+.1f}, {100 * high:+.1f}]" if low is not None and high is not None else ""
    nearest = f"{100 * best.to_baseline.difference.value:+.1f}{ends} points"
    return f"no setting fits ({target.text}); the nearest is {best.run} with {nearest}"
