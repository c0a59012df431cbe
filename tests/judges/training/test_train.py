from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judged_pools import make_pool, planted_pool

from judges.evaluation.evaluate import compare, score_pairs
from judges.kinds.embedding import EmbeddingJudge
from judges.kinds.hf import HfJudge
from judges.kinds.prompting import Template
from judges.pairs.pair_sets import Group, PairSet, make_pairs
from judges.prefixes import Truncation
from judges.training.recipe import Recipe, grid
from judges.training.train import train
from judges.training.updates import plan_updates, speed
from simulator.errors import UserError
from simulator.storage import locked

CUT = Truncation("tokens", 3)

TEMPLATE = Template("A: {trace_a}\nB: {trace_b}\nYes or No?")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    """Make a set of pairs with a learnable rule: same colour, same answer."""
    folder = tmp_path_factory.mktemp("planted")
    pool = planted_pool(folder, "m", 24, 6)
    cuts = [Truncation("tokens", 9)]
    return make_pairs([pool], folder / "set", cuts, test_share=0.25)


RECIPE = Recipe(
    Truncation("tokens", 9),
    loss="cross-entropy",
    oversample=1,
    epochs=8,
    batch=30,
    learning_rate=3e-3,
)


def test_a_causal_model_learns_a_planted_rule(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "judge"
    before = HfJudge(model=str(causal_model), truncation=RECIPE.truncation)
    train(planted, "hf", str(causal_model), folder, RECIPE, template=TEMPLATE, device="cpu")
    after = HfJudge(model=str(folder))
    assert after.truncation == RECIPE.truncation
    assert after.template == TEMPLATE
    untrained, trained = compare(
        [score_pairs(planted, before, "before"), score_pairs(planted, after, "after")]
    )
    assert trained.quality.auroc is not None
    assert untrained.quality.auroc is not None
    assert trained.quality.auroc.value > 0.95 > untrained.quality.auroc.value
    assert trained.quality.within is not None
    assert trained.quality.within.value > 0.95
    with (folder / "training" / "loss.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert len(losses) == 8 * (18 * 15 // 30)
    assert np.mean(losses[-5:]) < 0.1 < 0.5 < losses[0]
    assert (folder / "training" / "loss.svg").read_text().startswith("<svg")


def test_a_sentence_encoder_with_a_head_learns_a_planted_rule(
    planted: PairSet, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, epochs=2, learning_rate=1e-4)
    folder = train(planted, "embedding", "all-MiniLM-L6-v2", tmp_path / "judge", recipe)
    judge = EmbeddingJudge(model=str(folder), device="cpu")
    assert judge.has_head
    (row,) = compare([score_pairs(planted, judge, "trained")])
    assert row.quality.auroc is not None
    assert row.quality.auroc.value > 0.95
    (cosine,) = compare(
        [score_pairs(planted, EmbeddingJudge(model=str(folder), head="none"), "cosine")]
    )
    assert cosine.quality != row.quality


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


class Stop(Exception):  # noqa: N818
    pass


def test_an_interrupted_training_resumes_to_the_same_bytes(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, epochs=1, accumulate=2)  # 9 updates

    def run(folder: Path, *, stop: int = 99, resume: bool = False) -> Path:
        def progress(done: int, total: int, loss: float) -> None:
            if done == stop:
                raise Stop

        return train(
            planted,
            "hf",
            str(causal_model),
            folder,
            recipe,
            template=TEMPLATE,
            device="cpu",
            save_every=3,
            resume=resume,
            progress=progress,
        )

    whole = run(tmp_path / "whole")
    with pytest.raises(Stop):
        run(tmp_path / "parts", stop=5)
    with pytest.raises(UserError, match="an unfinished training; go on with --resume"):
        run(tmp_path / "parts")
    with pytest.raises(Stop):
        run(tmp_path / "parts", stop=8, resume=True)
    parts = run(tmp_path / "parts", resume=True)
    assert weights(parts) == weights(whole)
    assert weights(parts) != weights(causal_model)
    for name in ("loss.csv", "training.json"):
        assert (parts / "training" / name).read_bytes() == (whole / "training" / name).read_bytes()
    assert not (parts / "training" / "checkpoint").exists()
    assert HfJudge(model=str(parts)).identity.weights == HfJudge(model=str(whole)).identity.weights
    with pytest.raises(UserError, match="holds a trained judge already"):
        run(tmp_path / "parts", resume=True)


def test_another_seed_gives_another_judge_and_accumulation_the_same(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file

    recipe = replace(RECIPE, epochs=1, learning_rate=1e-4)
    found = {}
    for name, each in {
        "plain": recipe,
        "parts": replace(recipe, accumulate=4),
        "seed": replace(recipe, seed=1),
    }.items():
        train(
            planted,
            "hf",
            str(causal_model),
            tmp_path / name,
            each,
            template=TEMPLATE,
            recompute=name == "parts",
        )
        found[name] = load_file(tmp_path / name / "model.safetensors")
    key = "model.layers.0.mlp.up_proj.weight"
    np.testing.assert_allclose(found["plain"][key], found["parts"][key], atol=2e-4)
    moved = np.abs(found["plain"][key] - found["seed"][key]).max()
    assert moved > 5 * np.abs(found["plain"][key] - found["parts"][key]).max()


def test_lora_is_merged_into_a_model_of_the_same_shape(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file

    recipe = replace(RECIPE, epochs=1, lora=4)
    folder = train(planted, "hf", str(causal_model), tmp_path / "judge", recipe, template=TEMPLATE)
    before = load_file(causal_model / "model.safetensors")
    after = load_file(folder / "model.safetensors")
    assert {key: value.shape for key, value in before.items()} == {
        key: value.shape for key, value in after.items()
    }
    np.testing.assert_array_equal(before["model.norm.weight"], after["model.norm.weight"])
    key = "model.layers.0.mlp.up_proj.weight"
    change = after[key] - before[key]
    assert 0 < np.linalg.matrix_rank(change, tol=1e-4) <= 4
    assert np.isfinite(score_pairs(planted, HfJudge(model=str(folder)), "lora").scores).all()


def groups_of(labels: list[list[bool]]) -> list[Group]:
    return [
        Group(
            "pool",
            "m",
            f"b/{index}",
            str(index),
            ["x"] * len(each),
            np.zeros(len(each), dtype=bool),
            np.zeros((len(each), 2), dtype=np.int64),
            np.array(each),
        )
        for index, each in enumerate(labels)
    ]


def test_updates_show_every_pair_once_an_epoch_and_rarer_ones_twice() -> None:
    groups = groups_of([[True, False, True], [True, True], [False, True]])
    recipe = Recipe(CUT, oversample=2, epochs=2, batch=4, seed=3)
    updates = plan_updates(groups, recipe, grouped=False)
    assert [len(update) for update in updates] == [4, 4, 1, 4, 4, 1]
    for epoch in (updates[:3], updates[3:]):
        seen = np.bincount(np.concatenate(epoch), minlength=7)
        assert seen.tolist() == [1, 2, 1, 1, 1, 2, 1]  # pairs 1 and 5 differ
    again = plan_updates(groups, recipe, grouped=False)
    other = plan_updates(groups, replace(recipe, seed=4), grouped=False)
    shuffled = plan_updates(groups, recipe, grouped=False)
    assert np.concatenate(again).tolist() == np.concatenate(shuffled).tolist()
    assert np.concatenate(again).tolist() != np.concatenate(other).tolist()
    assert np.concatenate(again[:3]).tolist() != np.concatenate(again[3:]).tolist()


def test_grouped_updates_hold_whole_groups() -> None:
    """So that the traces of a problem are encoded once an epoch."""
    sizes = [3, 3, 3, 3, 3, 17]
    groups = groups_of([[True, False] * (size // 2) + [True] for size in sizes])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    for seed in range(5):
        recipe = Recipe(CUT, oversample=1, batch=5, seed=seed)
        updates = plan_updates(groups, recipe, grouped=True)
        assert sorted(np.concatenate(updates).tolist()) == list(range(sum(sizes)))
        assert all(len(update) >= 5 for update in updates[:-1])
        holders = [{int(owner[pair]) for pair in update} for update in updates]
        for group in range(5):
            assert sum(group in each for each in holders) == 1
        assert max(map(len, updates)) < 10 + 3  # the group of 17 is cut


def test_the_learning_rate_rises_and_falls_in_straight_lines() -> None:
    found = [speed(update, 10, 0.4) for update in range(10)]
    expected = [1 / 4, 2 / 4, 3 / 4, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose([speed(update, 4, 0.0) for update in range(4)], [1, 0.75, 0.5, 0.25])
    # A rise that ends between two updates: never above the peak.
    np.testing.assert_allclose([speed(update, 2, 0.1) for update in range(2)], [1, 1 / 1.8])


def test_a_grid_is_every_combination() -> None:
    cuts = [CUT, Truncation("words", 5)]
    found = grid(
        Recipe(CUT, seed=7), cuts, ["cross-entropy", "focal"], [("rarer", 1), ("different", 2)]
    )
    assert [each.name for each in found] == [
        "tokens=3, cross-entropy",
        "tokens=3, cross-entropy, different x2",
        "tokens=3, focal",
        "tokens=3, focal, different x2",
        "words=5, cross-entropy",
        "words=5, cross-entropy, different x2",
        "words=5, focal",
        "words=5, focal, different x2",
    ]
    assert {each.seed for each in found} == {7}


def test_two_trainings_of_one_folder_at_once_are_refused(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "judges" / "mine"
    folder.parent.mkdir()
    with (
        locked(folder, lambda holder: UserError(holder)),
        pytest.raises(UserError, match=r"mine: another process \(pid \d+\) is training this judge"),
    ):
        train(planted, "hf", str(causal_model), folder, RECIPE, template=TEMPLATE, device="cpu")
    assert not folder.exists()


def test_what_cannot_be_trained_is_refused(
    planted: PairSet, causal_model: Path, tmp_path: Path
) -> None:
    one_label = make_pool(tmp_path / "cache", "m", {"p": [("1", "stop")] * 3})
    pairs = make_pairs([one_label], tmp_path / "set", [CUT], test_share=0.0)
    with pytest.raises(UserError, match=r"3 pairs to train on, of 1 label\(s\)"):
        train(pairs, "hf", str(causal_model), tmp_path / "a", Recipe(CUT))
    with pytest.raises(UserError, match="not empty, and not a judge"):
        train(planted, "hf", str(causal_model), tmp_path, RECIPE)
    with pytest.raises(UserError, match="LoRA is for causal language models"):
        train(planted, "embedding", "all-MiniLM-L6-v2", tmp_path / "b", replace(RECIPE, lora=2))
    with pytest.raises(UserError, match="loss 'hinge': give focal or cross-entropy"):
        Recipe(CUT, loss="hinge")
