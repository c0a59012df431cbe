"""Trainings that fail or differ: what is told, and that nothing refuses the next try."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from judged_pools import planted_pool

from judges.kinds.prompting import Template
from judges.pairs.pair_sets import PairSet, make_pairs
from judges.prefixes import Truncation
from judges.training.folders import differences
from judges.training.recipe import Recipe
from judges.training.train import is_trained, train
from simulator.errors import UserError

TEMPLATE = Template("A: {trace_a}\nB: {trace_b}\nYes or No?")

RECIPE = Recipe(Truncation("tokens", 9), oversample=1, batch=30, learning_rate=1e-3)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    """Make a set of 60 pairs: two updates."""
    folder = tmp_path_factory.mktemp("planted")
    pool = planted_pool(folder, "m", 4, 6)
    return make_pairs([pool], folder / "set", [RECIPE.truncation], test_share=0.0)


class Stop(Exception):  # noqa: N818
    pass


def run(pairs: PairSet, model: Path, folder: Path, recipe: Recipe = RECIPE, **how: Any) -> Path:
    stop = how.pop("stop", 0)

    def progress(done: int, total: int, loss: float) -> None:
        if done == stop:
            raise Stop

    given: dict[str, Any] = {
        "template": TEMPLATE,
        "device": "cpu",
        "save_every": 1,
        "progress": progress,
    } | how
    return train(pairs, "hf", str(model), folder, recipe, **given)


def broken(model: Path, folder: Path) -> Path:
    """Copy a model whose last norm is NaN."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, folder)
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_model_that_is_broken_is_told_as_that_and_leaves_nothing(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    damaged = broken(causal_model, tmp_path / "damaged")
    told = r"damaged: its loss or gradient is not finite \(NaN\) before the first update"
    with pytest.raises(UserError, match=told) as error:
        run(planted, damaged, tmp_path / "judge")
    assert "learning-rate" not in str(error.value)
    assert not (tmp_path / "judge").exists()
    (tmp_path / "nothing").mkdir()
    for name in ("tokenizer.json", "model.safetensors"):
        shutil.copy(causal_model / name, tmp_path / "nothing")
    with pytest.raises(UserError, match=r"no tokenizer here|cannot be loaded|not a causal"):
        run(planted, tmp_path / "nothing", tmp_path / "judge")
    assert not (tmp_path / "judge").exists()
    run(planted, causal_model, tmp_path / "judge", replace(RECIPE, batch=60))


def test_a_rate_that_is_too_high_is_told_and_the_next_try_is_not_refused(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    wild = replace(RECIPE, learning_rate=1e30, epochs=4)
    with pytest.raises(UserError, match=r"from update \d on; lower --learning-rate"):
        run(planted, causal_model, tmp_path / "judge", wild)
    assert not (tmp_path / "judge").exists()  # though there were checkpoints


def test_a_refusal_names_the_settings_that_differ(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(Stop):
        run(planted, causal_model, tmp_path / "judge", stop=1, save_every=0)
    assert not (tmp_path / "judge").exists()  # without a checkpoint, there is nothing to go on from
    recipe = replace(RECIPE, epochs=2)
    with pytest.raises(Stop):
        run(planted, causal_model, tmp_path / "judge", recipe, stop=2)
    other = replace(recipe, learning_rate=5e-4, class_weights=(3.0, 1.0))
    told = "class weights 1.0:1.0 instead of 3.0:1.0, learning rate 0.001 instead of 0.0005; repeat"
    for resume in (True, False):
        with pytest.raises(UserError, match=told):
            run(planted, causal_model, tmp_path / "judge", other, resume=resume)
    with pytest.raises(UserError, match="an unfinished training; go on with --resume"):
        run(planted, causal_model, tmp_path / "judge", recipe)
    run(planted, causal_model, tmp_path / "judge", recipe, resume=True)
    arguments = (planted, "hf", str(causal_model), tmp_path / "judge")
    assert is_trained(*arguments, recipe, template=TEMPLATE)
    assert not is_trained(planted, "hf", str(causal_model), tmp_path / "no", recipe)
    with pytest.raises(UserError, match="epochs 2 instead of 3"):
        is_trained(*arguments, replace(recipe, epochs=3), template=TEMPLATE)


def test_records_of_before_have_the_settings_that_came_later_by_default() -> None:
    recipe = RECIPE.as_dict()
    template = {"text": "{trace_a}{trace_b}", "same": "Yes", "different": "No"}
    later = ("class_weights", "oversample_label", "held_out", "evaluate_every", "keep", "patience")
    before = {
        "model": "m",
        "template": template,
        "recipe": {name: value for name, value in recipe.items() if name not in later},
    }
    whole = {"system": "", "tokenized": "parts"}
    after = {"model": "m", "template": template | whole, "recipe": recipe}
    assert differences(json.loads(json.dumps(before)), after) == []
    changed = after | {"template": template | whole | {"system": "Be brief."}}
    assert differences(before, changed) == ["system none instead of Be brief."]
    assert differences(before, after | {"weights": "1"}) == ["other weights of the base model"]
