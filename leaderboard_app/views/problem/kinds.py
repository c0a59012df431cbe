"""Kinds of answers to a problem: each has a name and a colour, the same in every picture of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaderboard_app.formulas.line import answer_lines
from leaderboard_app.shown.palette import GOOD, NONE, SERIES
from simulator.arrays import Array, Floats, Ints
from simulator.pools.pool import StoredProblem

OTHER = "#5f6b7a"
"""Colour of all answers without a colour of their own."""

WRONG = tuple(colour for colour in SERIES[:6] if colour != GOOD)
"""Colours of the most common wrong answers; six colours with that of the right answer."""

OF_TRACES = 3
"""Number of colours that go to wrong answers of traces, before those of probes have a chance."""

OTHERS, NO_ANSWER_GIVEN, NOT_PROBED = "other answers", "no answer", "not probed yet"
"""Labels of what is not one answer."""

LONGEST_LABEL = 28


@dataclass(frozen=True, slots=True)
class Kind:
    """Answers displayed alike: one class, all remaining classes, or no answer."""

    label: str
    colour: str
    right: bool = False


def kinds_of(problem: StoredProblem, given: int) -> tuple[tuple[Kind, ...], Ints]:
    """Return the kinds of a problem's answers, and the index of each class's kind.

    The last index is that of no answer. Right classes come first, each with a kind of its own. Then
    wrong ones: the most common of traces, and those most common among traces or probes. All others
    are one kind. Votes of all stored traces and probes count, so that a problem has the same
    colours in every repeat and for every entry; only `given`, the class that an entry answered,
    always has a kind of its own. Labels are the answers' texts on a line (`answer_lines`).
    """
    texts = answer_lines(problem.class_texts)
    size = len(texts)
    traces = votes(problem.answer_class, size)
    info = problem.pool.info
    has_probes = "probes" in info.signals and not info.unasked
    probes = votes(problem.probes.answers, size) if has_probes else np.zeros(size)
    common = np.maximum(traces, probes)
    right = np.flatnonzero(problem.class_correct).tolist()
    wrong = np.flatnonzero(~problem.class_correct).tolist()
    of_traces = [each for each in wrong if traces[each]]
    first = sorted(of_traces, key=lambda each: (-traces[each], each))[:OF_TRACES]
    rest = [each for each in wrong if each not in first]
    ranked = [*first, *sorted(rest, key=lambda each: (-common[each], each))]
    if given in ranked[len(WRONG) :]:
        ranked.remove(given)
        ranked.insert(len(WRONG) - 1, given)
    kinds: list[Kind] = []
    kind_of = np.zeros(size + 1, dtype=np.int64)
    labels = _Labels()
    for each in sorted(right, key=lambda each: (-common[each], each)):
        kind_of[each] = len(kinds)
        label = labels.new(f"✓ {shortened(texts[each])}")
        kinds.append(Kind(label, GOOD, right=True))
    for each, colour in zip(ranked, WRONG, strict=False):
        kind_of[each] = len(kinds)
        kinds.append(Kind(labels.new(shortened(texts[each])), colour))
    if others := ranked[len(WRONG) :]:
        kind_of[others] = len(kinds)
        kinds.append(Kind(OTHERS, OTHER))
    kind_of[-1] = len(kinds)
    kinds.append(Kind(NO_ANSWER_GIVEN, NONE))
    return tuple(kinds), kind_of


class _Labels:
    """Labels that are all different, even if texts are equal after they were shortened."""

    def __init__(self) -> None:
        self._taken = {OTHERS, NO_ANSWER_GIVEN, NOT_PROBED}

    def new(self, text: str) -> str:
        label, number = text, 2
        while label in self._taken:
            label, number = f"{text} ({number})", number + 1
        self._taken.add(label)
        return label


def votes(classes: Array, size: int) -> Floats:
    """Return the share of each class among answers, shape (size,); negative ones do not count."""
    given = classes[classes >= 0]
    return np.bincount(given, minlength=size) / max(len(given), 1)


def shortened(text: str, longest: int = LONGEST_LABEL) -> str:
    """Return a text on one line of at most `longest` characters."""
    line = " ".join(text.split()) or "(empty)"
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
