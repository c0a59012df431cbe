"""Lengths and final answers of a cell's traces, fitted to the published figures.

Two numbers per cell are found in turn by bisection on the traces themselves: an exponent that
changes the accuracies of the problems that the vote gets right, to match pass@1, and a factor on
all lengths, to match the mean length. cons@512 gives the number of problems that the vote gets
right; if chance decides a problem's vote otherwise, its wrong answers are concentrated or spread.
Everything is a function of cell, size and seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from simulator.arrays import Bools, Floats, Ints
from simulator.generated.cells import Cell, Size
from simulator.generated.draws import evenly, normal, zipf
from simulator.generated.shape import WRONG_ANSWERS, Shape, shapes

RIGHT_DECILES = (0.375, 0.697, 0.808, 0.852, 0.93, 0.953, 0.989, 0.992, 1.0, 1.0, 1.0)
"""Share of correct traces among problems that the vote gets right: minimum, nine deciles, maximum;
measured on the 47 such problems of SCOUT's 60."""

WRONG_QUINTILES = {
    "math": (0.0, 0.0, 0.006, 0.026, 0.105, 0.164),
    "choice": (0.0, 0.02, 0.06, 0.12, 0.21, 0.33),
}
"""The same among problems that the vote gets wrong: minimum, four quintiles, maximum. Measured on
SCOUT's 13 for mathematics; an assumption for multiple choice, where guesses can be right."""

CHOICES = 4
"""Number of answers of a multiple-choice problem."""

MIN_TOKENS = 40
"""Length of the shortest trace, at any size."""

ROUNDS = 3
STEPS = 26
"""Rounds in which the two numbers are fitted in turn, and steps of each bisection."""

EXPONENTS = (-4.0, 4.0)
SCALES = (-6.0, 3.0)
"""Search ranges of the logarithms of exponent and factor."""

VOTE_MARGIN = 0.02
"""Minimum lead of a vote's winner, as a share of all traces."""

LIMIT_ROOM = (0.15, 0.0)
"""Minimum distance of a problem's mean log(tokens) below that of the length limit, if the vote gets
it right and if it does not: enough traces must reach an answer."""

EXPONENT_STEP = 0.1
MAX_EXPONENT = 8.0
"""Step and maximum of the exponent by which the wrong answers of a problem are concentrated."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A problem's traces without their signals; arrays have shape (traces,).

    `final` is 0 for the gold answer and r for the r-th wrong one, also for a trace that reached the
    length limit and so gave no answer (`answered` is false). `length` is the standard normal number
    that determined the trace's length.
    """

    shape: Shape
    final: Ints
    tokens: Ints
    answered: Bools
    length: Floats

    @property
    def correct(self) -> Bools:
        """Mask of the traces that end in the gold answer."""
        correct: Bools = (self.final == 0) & self.answered
        return correct


def outlines(cell: Cell, size: Size, seed: int) -> list[Outline]:
    """Generate the traces of every problem of a cell, without their signals.

    At paper size pass@1, the accuracy of the vote of all traces and the mean length are those of
    the cell; at small size they are as near as so few problems and traces allow.
    """
    draws = _Draws.of(cell, size, seed)
    exponent = scale = 0.0
    for _ in range(ROUNDS):
        exponent = _bisect(
            lambda x, scale=scale: draws.pass_at_1(x, scale),  # type: ignore[misc]
            cell.pass_at_1 / 100,
            (EXPONENTS[1], EXPONENTS[0]),
        )
        scale = _bisect(
            lambda x, exponent=exponent: draws.mean_tokens(exponent, x),  # type: ignore[misc]
            cell.mean_tokens / size.shrink,
            SCALES,
        )
    return draws.outlines(exponent, scale)


def _bisect(function: Callable[[float], float], target: float, ends: tuple[float, float]) -> float:
    """Find where a function that grows from the first to the second end is nearest to `target`."""
    low, high = ends
    for _ in range(STEPS):
        middle = (low + high) / 2
        if function(middle) < target:
            low = middle
        else:
            high = middle
    return min(low, high, key=lambda x: abs(function(x) - target))


@dataclass(frozen=True, slots=True)
class _Draws:
    """The random draws behind a cell's outlines.

    Arrays have shape (problems,) or (problems, traces).
    """

    seed: list[int]
    voted_right: Bools
    accuracy: Floats  # before the exponent is applied
    outcome: Floats  # evenly spaced in a problem: right if below its accuracy, else picks an answer
    length: Floats
    wrong_answers: int
    max_tokens: int

    @classmethod
    def of(cls, cell: Cell, size: Size, seed: int) -> _Draws:
        number, traces = size.problems(cell), size.traces
        rng = np.random.default_rng([seed, cell.number])
        right = round(cell.cons_accuracy / 100 * number)
        quintiles = WRONG_QUINTILES[cell.answer_kind]
        accuracy = np.concatenate(
            [
                np.interp(evenly(rng, right), np.linspace(0, 1, 11), RIGHT_DECILES),
                np.interp(evenly(rng, number - right), np.linspace(0, 1, 6), quintiles),
            ]
        )
        order = np.argsort(rng.random(number))
        return cls(
            seed=[seed, cell.number, 1],
            voted_right=(np.arange(number) < right)[order],
            accuracy=accuracy[order],
            outcome=np.stack([evenly(rng, traces) for _ in range(number)]),
            length=normal(rng.random(number * traces)).reshape(number, traces),
            wrong_answers=CHOICES - 1 if cell.answer_kind == "choice" else WRONG_ANSWERS,
            max_tokens=size.tokens(cell.max_tokens),
        )

    def shapes(self, exponent: float, scale: float) -> list[Shape]:
        least = RIGHT_DECILES[0]
        bent = least + (1 - least) * ((self.accuracy - least).clip(0) / (1 - least)) ** math.exp(
            exponent
        )
        accuracy = np.where(self.voted_right, bent, self.accuracy)
        made = shapes(np.random.default_rng(self.seed), accuracy)
        longest = math.log(self.max_tokens) - np.where(self.voted_right, *LIMIT_ROOM)
        return [
            replace(shape, log_tokens=min(shape.log_tokens + scale, most))
            for shape, most in zip(made, longest.tolist(), strict=True)
        ]

    def solved(self, shapes: list[Shape]) -> tuple[Bools, Ints]:
        """Return which traces end in the gold answer, unless too long, and all lengths."""
        correct = self.outcome < np.array([shape.accuracy for shape in shapes])[:, None]
        log_tokens = np.stack(
            [
                shape.log_lengths(right, length)
                for shape, right, length in zip(shapes, correct, self.length, strict=True)
            ]
        )
        tokens = np.rint(np.exp(log_tokens)).clip(MIN_TOKENS, self.max_tokens).astype(np.int64)
        return correct, tokens

    def pass_at_1(self, exponent: float, scale: float) -> float:
        correct, tokens = self.solved(self.shapes(exponent, scale))
        return float((correct & (tokens < self.max_tokens)).mean())

    def mean_tokens(self, exponent: float, scale: float) -> float:
        return float(self.solved(self.shapes(exponent, scale))[1].mean())

    def outlines(self, exponent: float, scale: float) -> list[Outline]:
        made = self.shapes(exponent, scale)
        _, tokens = self.solved(made)
        return [
            self._outline(shape, problem, tokens[problem]) for problem, shape in enumerate(made)
        ]

    def _outline(self, shape: Shape, problem: int, tokens: Ints) -> Outline:
        """Build a problem; spread or concentrate wrong answers until the vote is as intended."""
        ranks = np.arange(1, 1 + self.wrong_answers)
        outcome, right = self.outcome[problem], bool(self.voted_right[problem])
        answered = tokens < self.max_tokens
        mistake = ((outcome - shape.accuracy) / max(1 - shape.accuracy, 1e-9)).clip(0, 1 - 1e-9)
        margin = max(1, VOTE_MARGIN * len(tokens))
        exponent = shape.wrong_exponent
        while True:
            final = np.where(outcome < shape.accuracy, 0, zipf(ranks, exponent, mistake))
            votes = np.bincount(final[answered], minlength=1 + self.wrong_answers)
            lead = votes[0] - votes[1:].max()
            if lead >= margin if right else (lead <= -margin or votes[0] == 0):
                break
            exponent += -EXPONENT_STEP if right else EXPONENT_STEP
            if not 0 <= exponent <= MAX_EXPONENT:
                raise RuntimeError(f"problem {problem}: no wrong answers give the intended vote")
        return Outline(
            replace(shape, wrong_exponent=exponent),
            final,
            tokens,
            answered,
            self.length[problem],
        )
