"""Figures of a chosen setting where it was tuned and where it was tested, and the gap between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.report.text import Block, interval
from simulator.statistics import Estimate, Resampled
from simulator.studies.choosing import ACCURACY, CHEAPEST_TIED, contrast_dict
from simulator.studies.measuring import FIGURES, Bootstraps, Measured, read_means

SHOWN = {
    "accuracy": ("accuracy, %", 100.0, "", 1),
    "to_baseline": ("to {}, points", 100.0, "+", 1),
    "to_default": ("to default, points", 100.0, "+", 1),
    "cost": ("cost a problem", 1.0, "", 0),
    "reduction": ("cost saved, %", 100.0, "", 1),
    "clock": ("clock, {}", 1.0, "", 0),
}
"""Label, scale, sign and decimals of each figure in tables."""

MOST_ROWS = 20
"""Most settings in a table of those tried, beside the chosen one."""


@dataclass(frozen=True, eq=False)
class Sides:
    """Runs of the chosen setting, and of the default ones if they are others, on both sides."""

    tune: Measured
    test: Measured

    @classmethod
    def read(cls, tune: Sequence[Path], test: Sequence[Path]) -> Sides:
        """Read the runs in these folders: the chosen setting's first, that of the baseline last."""
        return cls(
            *(
                Measured([*map(read_means, runs)], read_means(baseline))
                for *runs, baseline in (tune, test)
            )
        )

    def figures(self) -> list[dict[str, Any]]:
        """Return the figures of each setting where it was tuned and tested, and their gaps.

        A gap is what is tested minus what was tuned, with a bootstrap interval for which the
        problems of both sides are resampled by themselves.
        """
        bootstraps = Bootstraps()
        found = []
        for number in range(len(self.tune.runs)):
            names = [*FIGURES, *["to_default"] * (number == 0 and len(self.tune.runs) > 1)]
            rows = {}
            for name in names:
                tune, test = (
                    self._resampled(side, number, name, bootstraps)
                    for side in (self.tune, self.test)
                )
                (gap,) = (test - tune).estimates()
                rows[name] = {
                    "tune": self._figure(self.tune, number, name, tune),
                    "test": self._figure(self.test, number, name, test),
                    "gap": gap.as_dict(),
                }
            found.append(rows)
        return found

    @staticmethod
    def _resampled(side: Measured, run: int, name: str, bootstraps: Bootstraps) -> Resampled:
        if name != "to_default":
            return side.resampled(run, name, bootstraps)
        return side.resampled(0, "accuracy", bootstraps) - side.resampled(1, "accuracy", bootstraps)

    @staticmethod
    def _figure(side: Measured, run: int, name: str, resampled: Resampled) -> dict[str, Any]:
        if name == "to_default":
            return contrast_dict(*side.against(0, 1))
        if name == "to_baseline":
            differences, p = side.to_baseline()
            return contrast_dict(differences[run], float(p[run]))
        (estimate,) = resampled.estimates()
        return estimate.as_dict()


def tables(result: Mapping[str, Any]) -> tuple[list[Block], list[str]]:
    """Return the tables of a tuning's result, and the notes below them."""
    chosen = _named(result["chosen"]["set"])
    blocks = [_tried(result), _both(f"Chosen: {chosen}", result, result["figures"][0])]
    if len(result["figures"]) > 1:
        blocks.append(_both("Default settings", result, result["figures"][1]))
    number = len(result["tried"])
    notes = [
        f"Chosen among {number} settings: {result['target']['text']}. Its figures where it "
        "was tuned are the best of many and too good for that; those where it was tested are to "
        "be reported. Nothing was tested before the choice was written.",
        *(f"{what} on {_where(result[side])}." for side, what in _SIDES),
        "Gap: tested minus tuned, with a bootstrap interval over the problems of both sides; "
        "other problems may be harder, so look at the differences to cons@N first. In "
        "parentheses, the smallest difference that the problems show with a chance of 80%.",
        "Intervals are 95%, over problems. Cost is in tokens, those of probes and judge included. "
        f"Pools count equally; {_counted(result['repeats'], 'repeat')}, seed {result['seed']}.",
    ]
    least = result["figures"][0]["to_baseline"]["tune"].get("detectable")
    if result["target"]["kind"] == CHEAPEST_TIED:
        lost = "any loss" if least is None else f"a loss of less than {100 * least:.1f} points"
        notes.insert(
            1,
            f"On the problems tuned on, {lost} is often not seen; more problems or --target "
            "cheapest-not-worse ask for more.",
        )
    if len(result["figures"]) == 1 and result.get("default") is not None:
        notes.insert(1, "The choice is the default.")
    if result.get("default") is None:
        notes.insert(1, "No default to compare with: a name with several numbers, or pools differ.")
    return blocks, notes


_SIDES = (("tune", "Tuned"), ("test", "Tested"))


def _named(swept: Mapping[str, str]) -> str:
    return ", ".join(
        f"{'N' if name == 'budget' else name}={value}" for name, value in swept.items()
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _where(side: Mapping[str, Any]) -> str:
    """Name the pools of a side, and count their problems."""
    parts = [
        pool["name"]
        + (f" ({pool['problems']} of {pool['problems_in_pool']} problems)")
        * (pool["problems"] < pool["problems_in_pool"])
        for pool in side["pools"]
    ]
    return f"{_counted(side['problems'], 'problem')} of {', '.join(parts)}"


def _tried(result: Mapping[str, Any]) -> Block:
    """Return the table of the settings tried, the cheapest first.

    Of more than MOST_ROWS, those nearest to the choice by the target are kept.
    """
    rows = sorted(result["tried"], key=lambda each: (each["cost"], each["run"]))
    by_accuracy = result["target"]["kind"] == ACCURACY
    nearest = sorted(  # stable: ties by cost
        rows, key=lambda each: (not each["admissible"], by_accuracy and -each["accuracy"])
    )
    kept = nearest[:MOST_ROWS]
    run = result["chosen"]["run"]
    kept = [each for each in rows if each in kept or each["run"] == run]
    names = [*result["chosen"]["set"]]
    left_out = len(rows) - len(kept)
    unit = result["clock_unit"]
    return Block(
        f"Settings tried{f' ({left_out} more are in --json)' if left_out else ''}",
        [
            *("N" if name == "budget" else name for name in names),
            *("accuracy, %", f"to {result['tune']['baseline']}, points [95%]", "tied"),
            *("cost a problem", "saved, %", f"clock, {unit}", ""),
        ],
        [*[True] * len(names), True, True, False, True, True, True, False],
        [
            [
                *(each["set"][name] for name in names),
                f"{100 * each['accuracy']:.1f}",
                _shown(each["to_baseline"], "to_baseline"),
                "yes" if each["tied"] else "",
                f"{each['cost']:,.0f}",
                f"{100 * each['reduction']:.1f}",
                f"{each['clock']:,.0f}",
                "chosen" if each["run"] == run else "" if each["admissible"] else "not allowed",
            ]
            for each in kept
        ],
        names=0,
        grouped=False,
    )


def _both(heading: str, result: Mapping[str, Any], figures: Mapping[str, Any]) -> Block:
    """Return the table of a setting: tuned, tested, and the gap."""
    baselines = dict.fromkeys(result[side]["baseline"] for side, _ in _SIDES)
    insert = {"to_baseline": "/".join(baselines), "clock": result["clock_unit"]}
    rows = [
        [
            SHOWN[name][0].format(insert.get(name, "")),
            *(_shown(found[side], name) for side in ("tune", "test")),
            _shown(found["gap"], name, sign="+"),
        ]
        for name, found in figures.items()
    ]
    headers = ["", "tuned [95%]", "tested [95%]", "gap [95%]"]
    return Block(heading, headers, [False, True, True, True], rows, names=1, grouped=False)


def _shown(found: Mapping[str, Any], name: str, sign: str = "") -> str:
    """Format a figure or a gap with its interval, and what the problems show."""
    _, scale, usual, decimals = SHOWN[name]
    sign = sign or usual
    estimate = Estimate(found["value"], found.get("low"), found.get("high"))
    text = interval(estimate, scale, sign, decimals)
    if decimals == 0:
        text = _with_commas(estimate, sign)
    least = found.get("detectable")
    return text if least is None else f"{text} ({100 * least:.1f})"


def _with_commas(estimate: Estimate, sign: str) -> str:
    value, *ends = (
        None if each is None else f"{each:{sign},.0f}"
        for each in (estimate.value, estimate.low, estimate.high)
    )
    return str(value) if None in ends else f"{value} [{', '.join(map(str, ends))}]"
