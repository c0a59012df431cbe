"""Held-out problems: measurements during training, the best weights, and stopping early."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judged_pools import planted_pool
from sklearn.metrics import roc_auc_score

from judges.kinds.hf import HfJudge
from judges.kinds.prompting import Template
from judges.pairs.pair_sets import PairSet, make_pairs
from judges.prefixes import Truncation
from judges.training.folders import read_summary
from judges.training.held_out import Measured, best_of, hold_out, is_over
from judges.training.recipe import Recipe
from judges.training.train import train
from simulator.errors import UserError

TEMPLATE = Template("A: {trace_a}\nB: {trace_b}\nYes or No?")

RECIPE = Recipe(
    Truncation("tokens", 9),
    loss="cross-entropy",
    oversample=1,
    epochs=2,
    batch=60,
    learning_rate=3e-3,
    held_out=0.25,
    evaluate_every=2,
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    """Make a set of pairs with a learnable rule: same colour, same answer."""
    folder = tmp_path_factory.mktemp("planted")
    pool = planted_pool(folder, "m", 12, 6)
    return make_pairs([pool], folder / "set", [RECIPE.truncation], test_share=0.0)


def trained(pairs: PairSet, model: Path, folder: Path, recipe: Recipe) -> list[Measured]:
    found: list[Measured] = []
    train(
        pairs,
        "hf",
        str(model),
        folder,
        recipe,
        template=TEMPLATE,
        device="cpu",
        measured=found.append,
    )
    return found


def test_held_out_problems_are_measured_and_the_best_weights_kept(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    # Training that is far too fast at its end forgets what it knew.
    recipe = replace(RECIPE, epochs=4)
    measured = trained(planted, causal_model, tmp_path / "judge", recipe)
    groups, held_out = hold_out([*planted.groups("train", RECIPE.truncation)], RECIPE)
    # 9 of 12 problems with 15 pairs, three in an update: 4 epochs of 3 updates.
    assert (len(groups), len(held_out)) == (9, 3)
    assert [each["update"] for each in measured] == [2, 4, 6, 8, 10, 12]
    summary = read_summary(tmp_path / "judge")
    assert summary is not None
    assert summary["measured"] == measured
    assert summary["held_out_problems"] == 3
    assert summary["kept_update"] == measured[best_of(measured)]["update"]
    # The saved judge has the best figures, by scikit-learn.
    judge = HfJudge(model=str(tmp_path / "judge"))
    scores = [judge.score(each.prefixes, each.pairs) for each in held_out]
    labels = [each.same for each in held_out]
    pooled = roc_auc_score(np.concatenate(labels), np.concatenate(scores))
    within = np.mean([roc_auc_score(*each) for each in zip(labels, scores, strict=True)])
    best = measured[best_of(measured)]
    assert best["auroc"] == pytest.approx(pooled)
    assert best["within"] == pytest.approx(within)
    assert not (tmp_path / "judge" / "training" / "best.safetensors").exists()


def test_the_last_weights_can_be_kept(planted: PairSet, causal_model: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1, keep="last")
    trained(planted, causal_model, tmp_path / "held", recipe)
    summary = read_summary(tmp_path / "held")
    assert summary is not None
    assert summary["kept_update"] == summary["updates"] == 3


def test_training_stops_after_measurements_that_are_no_better(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, learning_rate=0.0, epochs=9, evaluate_every=1, patience=2)
    measured = trained(planted, causal_model, tmp_path / "judge", recipe)
    assert [each["update"] for each in measured] == [1, 2, 3]  # the first is the best
    lines = (tmp_path / "judge" / "training" / "loss.csv").read_text().splitlines()
    assert len(lines) == 1 + 3


def test_best_and_over_by_hand() -> None:
    within = [0.5, 0.7, 0.6, 0.7, 0.6]
    found: list[Measured] = [
        {"update": at, "auroc": 0.9 - at / 10, "within": value} for at, value in enumerate(within)
    ]
    assert best_of(found) == 1
    pooled: list[Measured] = [each | {"within": None} for each in found]
    assert best_of(pooled) == 0
    assert [is_over(found[:number], 2) for number in range(6)] == [
        *[False] * 4,
        True,  # .7, .6, .7: two in a row without a new best
        True,
    ]
    assert not is_over(found, 0)


def test_no_problem_is_trained_on_and_held_out(planted: PairSet) -> None:
    groups = [*planted.groups("train", RECIPE.truncation)]
    sides = hold_out(groups, RECIPE)
    assert not {each.problem for each in sides[0]} & {each.problem for each in sides[1]}
    others = hold_out(groups, replace(RECIPE, seed=1))
    assert {each.problem for each in sides[1]} != {each.problem for each in others[1]}
    one_label = [replace(each, same=np.ones_like(each.same)) for each in groups]
    with pytest.raises(UserError, match=r"--held-out 0\.25: .* fewer than two labels"):
        hold_out(one_label, RECIPE)
    with pytest.raises(UserError, match="patience without held-out problems"):
        Recipe(RECIPE.truncation, patience=2)


def test_an_interruption_changes_no_measurement(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def run(folder: Path, stop: int = 0) -> bytes:
        def progress(done: int, total: int, loss: float) -> None:
            if done == stop:
                raise Stop

        train(
            planted,
            "hf",
            str(causal_model),
            folder,
            replace(RECIPE, evaluate_every=1),
            template=TEMPLATE,
            device="cpu",
            save_every=3,
            resume=True,
            progress=progress,
        )
        return (folder / "model.safetensors").read_bytes()

    whole = run(tmp_path / "whole")
    with pytest.raises(Stop):
        run(tmp_path / "parts", stop=5)
    assert run(tmp_path / "parts") == whole
    summaries = [
        json.loads((tmp_path / name / "training" / "summary.json").read_text())
        for name in ("whole", "parts")
    ]
    assert summaries[0] == summaries[1]
