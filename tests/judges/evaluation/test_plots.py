"""Pictures of judges: their legends have the figures of the table, and no texts overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from drawn_texts import collisions, texts_of

from judges.evaluation.evaluate import Scored, cells, compare
from judges.evaluation.plots import calibration_plot, roc_plot

LONG = "embedding:device=cpu,model=/home/someone/judges/trained/grid/tokens-500-cross-entropy-x1-"


def scored(name: str, kind: str, models: Sequence[str], problems: int) -> Scored:
    """Make scores of 12 pairs for each problem of each model, of a judge of some `kind`."""
    generator = np.random.default_rng(len(name))
    shape = (problems, len(models), 12)
    labels = np.ones(shape, bool) if kind == "one label" else generator.random(shape) < 0.5
    scores: npt.NDArray[Any] = generator.random(shape)
    if kind == "perfect":
        scores = (1.0 + labels) / 2
    if kind == "wrong":
        scores = 1.0 - labels
    problem, model, _ = (each.reshape(-1) for each in np.indices(shape))
    return Scored(
        *(name, "tokens=500", labels.reshape(-1), scores.reshape(-1)),
        *(problem, model, [*models], np.ones(labels.size, bool)),
    )


CASES = {
    "eight judges": [
        scored(f"{LONG}{number}", kind, ["Qwen3-8B"], 4)
        for number, kind in enumerate(["perfect", "wrong", *["random"] * 6])
    ],
    "three models": [
        scored("lexical", "random", ["Qwen3-8B", "phi-4", "a-model-of-a-long-name-" * 4], 3)
    ],
    "one problem": [scored("lexical", "random", ["Qwen3-8B"], 1)],
    "one label": [scored("lexical", "one label", ["Qwen3-8B"], 3)],
}


@pytest.mark.parametrize("case", CASES)
def test_no_texts_overlap_and_legends_have_the_figures_of_the_table(case: str) -> None:
    judges = CASES[case]
    rows = compare(judges)
    roc, calibration = roc_plot(judges, rows), calibration_plot(judges, rows)
    assert collisions(roc) == []
    assert collisions(calibration) == []
    drawn = texts_of(roc)
    for row in rows:
        _, _, _, *_, pooled, _, within, error = cells(row)
        for figure in (pooled, within):
            assert any(figure in text for text in drawn)
        if row.model in ("all models", "Qwen3-8B") and case != "three models":
            assert any(f"calibration error {error}" in text for text in texts_of(calibration))
    panels = 2 if case != "three models" else 8
    assert sum(text == "False-positive rate" for text in drawn) == panels
    assert sum("within problems" in text for text in drawn) == panels // 2


def test_the_pairs_of_each_tenth_are_written_over_their_bars() -> None:
    scores = np.array([0.05] * 3 + [0.95] * 2)
    problem, model = np.arange(5), np.zeros(5, np.int64)
    labels = scores > 0.5
    one = Scored("j", "words=25", labels, scores, problem, model, ["m"], labels)
    drawn = texts_of(calibration_plot([one], compare([one])))
    assert "3" in drawn
    assert "2" in drawn
