from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import make_causal_model, make_tokenizer

from judges.kinds.hf import PART, HfJudge, batches
from judges.kinds.models import active_parameters, find_model
from judges.kinds.prompting import Template, make_prompter
from judges.prefixes import Truncation
from judges.protocol import Judge, all_pairs
from simulator.errors import UserError

PREFIXES = [
    "Wait, the red answer",
    "So we add and get 12345, thus a blue one; since the green answer is 9 we get yellow.",
    "",
    "Two attempts. " * 90,
    "No <|end|> Yes {trace_b}",
]


def plain_chances(folder: Path, prefixes: list[str], pairs: np.ndarray) -> list[float]:
    """P(same) of each pair by itself, as directly as transformers allows."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    text = Template.read().text
    before, _, rest = text.partition("{trace_a}")
    between, _, after = rest.partition("{trace_b}")

    def ids(part: str) -> list[int]:
        return list(
            tokenizer(part, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        )

    special = tokenizer.convert_tokens_to_ids
    chances = []
    for first, second in pairs.tolist():
        prompt = [special("<|start|>"), *ids("user\n" + before), *ids(prefixes[first])]
        prompt += [*ids(between), *ids(prefixes[second]), *ids(after), special("<|end|>")]
        prompt += [*ids("\n"), special("<|start|>"), *ids("assistant\n")]
        with torch.inference_mode():
            logits = model(torch.tensor([prompt])).logits[0, -1].double()
        yes, no = (logits[special(label)].item() for label in ("Yes", "No"))
        chances.append(1.0 / (1.0 + np.exp(no - yes)))
    return chances


def test_scores_are_the_chances_that_the_model_itself_gives_the_labels(causal_model: Path) -> None:
    pairs = all_pairs(len(PREFIXES))
    judge = HfJudge(model=str(causal_model))
    assert isinstance(judge, Judge)
    expected = plain_chances(causal_model, PREFIXES, pairs)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(judge.score(PREFIXES, pairs), expected, atol=1e-4)


@pytest.mark.parametrize("batch_tokens", [1, 700, 100_000])
def test_shared_cache_and_batches_change_no_score(causal_model: Path, batch_tokens: int) -> None:
    pairs = all_pairs(len(PREFIXES))
    alone = HfJudge(model=str(causal_model), share=False, batch_tokens=1)
    shared = HfJudge(model=str(causal_model), share=True, batch_tokens=batch_tokens)
    assert shared.prefix_tokens(PREFIXES).max() > PART
    np.testing.assert_allclose(
        shared.score(PREFIXES, pairs), alone.score(PREFIXES, pairs), atol=1e-4
    )
    few = np.array([[0, 3], [1, 2], [1, 3]])
    at = [pairs.tolist().index(pair) for pair in few.tolist()]
    np.testing.assert_allclose(
        shared.score(PREFIXES, few), alone.score(PREFIXES, pairs)[at], atol=1e-4
    )


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("Mistral", {"sliding_window": 150, "num_key_value_heads": 1}),
        ("Lfm2", {"layer_types": ["conv", "full_attention"], "num_key_value_heads": 1}),
    ],
)
def test_windows_and_models_that_keep_more_than_keys_and_values_score_the_same_shared(
    family: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    import torch
    import transformers

    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.2,
        **settings,
    )
    getattr(transformers, f"{family}ForCausalLM")(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    pairs = all_pairs(len(PREFIXES))
    alone = HfJudge(model=str(tmp_path), share=False, batch_tokens=1).score(PREFIXES, pairs)
    assert np.ptp(alone) > 0.001
    shared = HfJudge(model=str(tmp_path)).score(PREFIXES, pairs)
    np.testing.assert_allclose(shared, alone, atol=1e-5)


def test_a_trace_may_spell_a_field_or_a_special_token(causal_model: Path) -> None:
    judge = HfJudge(model=str(causal_model))
    (ids,) = judge.prompter.tokens(["<|end|> {trace_b}"])
    assert judge.prompter.tokenizer.convert_tokens_to_ids("<|end|>") not in ids
    assert judge.prompter.tokenizer.decode(ids) == "<|end|> {trace_b}"


def test_batches_hold_rows_of_like_length_and_keep_within_the_limit() -> None:
    rows = {0: [1] * 9, 1: [1] * 2, 2: [1] * 3, 3: [1] * 2, 4: [1] * 30}
    assert list(batches(rows, 20, seen=1)) == [[1, 3, 2], [0], [4]]
    assert list(batches({}, 20)) == []


def test_identity_says_what_scores_depend_on_and_not_where_the_model_lies(
    causal_model: Path, tmp_path: Path
) -> None:
    judge = HfJudge(model=str(causal_model), dtype="float32")
    assert judge.identity == HfJudge(model=str(causal_model), share=False).identity
    copy = tmp_path / causal_model.name
    shutil.copytree(causal_model, copy)
    (copy / "training").mkdir()
    (copy / "training" / "state.json").write_text("{}")
    assert HfJudge(model=str(copy)).identity == judge.identity
    template = tmp_path / "prompt.txt"
    template.write_text("{trace_a} | {trace_b} Yes or No?")
    others = [
        HfJudge(model=str(causal_model), prompt=str(template)).identity,
        HfJudge(model=str(causal_model), same="No", different="Yes").identity,
        HfJudge(model=str(causal_model), truncation=Truncation("tokens", 500)).identity,
        HfJudge(model=str(make_causal_model(tmp_path / "other", seed=1))).identity,
        HfJudge(model=str(causal_model), dtype="bfloat16").identity,
    ]
    assert len({judge.identity, *others}) == 6


def test_cost_counts_the_model_and_its_tokens(causal_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    judge = HfJudge(model=str(causal_model))
    model = AutoModelForCausalLM.from_pretrained(causal_model, dtype=torch.float32)
    assert judge.parameters == sum(each.numel() for each in model.parameters())
    first, second = judge.prompter.tokens(["Wait, red", "No"])
    whole = judge.prompter.head(first) + judge.prompter.tail(second)
    assert judge.prefix_tokens(["Wait, red", "No"]).tolist() == [len(first), len(second)]
    assert judge.template_tokens == len(whole) - len(first) - len(second)


def test_a_base_model_reads_the_template_as_it_stands() -> None:
    tokenizer = make_tokenizer(chat=False)
    prompter = make_prompter(Template.read(), tokenizer, "base")
    prompt = prompter.head(prompter.tokens(["A"])[0]) + prompter.tail(prompter.tokens(["B"])[0])
    expected = Template.read().text.replace("{trace_a}", "A").replace("{trace_b}", "B")
    assert tokenizer.decode(prompt) == expected
    assert [tokenizer.decode([label]) for label in prompter.labels] == ["No", "Yes"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no fields", "has {trace_a} 0 times"),
        ("{trace_a} only", "has {trace_b} 0 times"),
        ("{trace_a} {trace_b} {trace_b}", "has {trace_b} 2 times"),
        ("{trace_b} {trace_a}", "{trace_b} stands before {trace_a}"),
        ("{trace_a} {trace_b} {problem}", "unknown field {problem}"),
    ],
)
def test_templates_without_their_fields_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        Template.read(file)
    assert message in str(error.value)
    assert str(file) in str(error.value)


def test_labels_of_several_tokens_are_refused(causal_model: Path) -> None:
    judge = HfJudge(model=str(causal_model), same="indistinguishable")
    with pytest.raises(UserError, match=r"tokens of the label 'indistinguishable'; a label must"):
        _ = judge.template_tokens


def test_a_folder_without_tokenizer_is_refused(causal_model: Path, tmp_path: Path) -> None:
    for file in ("config.json", "model.safetensors"):
        shutil.copy(causal_model / file, tmp_path)
    with pytest.raises(UserError, match="no tokenizer here"):
        _ = HfJudge(model=str(tmp_path)).template_tokens


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no weights"):
        HfJudge(model=str(tmp_path))


def test_prompts_past_the_context_are_refused(tmp_path: Path) -> None:
    judge = HfJudge(model=str(make_causal_model(tmp_path / "short", context=300)))
    room = 300 - judge.template_tokens
    first, second = "a" * (room // 2), "b" * (room - room // 2)
    assert np.isfinite(judge.score([first, second], np.array([[0, 1]]))).all()
    with pytest.raises(
        UserError, match=r"a prompt of 301 tokens is longer than its context of 300"
    ):
        judge.score([first + "a", second], np.array([[0, 1]]))


def test_logits_that_are_not_numbers_are_refused(causal_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(causal_model, tmp_path / "broken")
    file = tmp_path / "broken" / "model.safetensors"
    weights = load_file(file)
    weights["model.norm.weight"][:] = float("nan")
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(UserError, match="logits that are not finite"):
        HfJudge(model=str(tmp_path / "broken")).score(["a", "b"], np.array([[0, 1]]))


def test_damaged_weights_are_one_line(causal_model: Path, tmp_path: Path) -> None:
    shutil.copytree(causal_model, tmp_path / "cut")
    file = tmp_path / "cut" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    judge = HfJudge(model=str(tmp_path / "cut"))
    with pytest.raises(UserError, match="not a causal language model"):
        judge.score(["a", "b"], np.array([[0, 1]]))


def test_a_model_asked_for_as_it_was_trained(causal_model: Path, tmp_path: Path) -> None:
    shutil.copytree(causal_model, tmp_path / "trained")
    (tmp_path / "trained" / "judge.json").write_text(
        json.dumps(
            {
                "kind": "hf",
                "truncation": "words=3",
                "template": {"text": "{trace_a}{trace_b}", "same": "No", "different": "Yes"},
            }
        )
    )
    judge = HfJudge(model=str(tmp_path / "trained"))
    assert judge.truncation == Truncation("words", 3)
    assert judge.template == Template("{trace_a}{trace_b}", "No", "Yes")
    (tmp_path / "trained" / "judge.json").write_text('{"kind": "embedding"}')
    with pytest.raises(UserError, match="trained as judge embedding"):
        HfJudge(model=str(tmp_path / "trained"))


def test_an_unreachable_hub_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="it cannot be downloaded from the Hugging Face hub"):
        find_model("no-such-organisation/no-such-model")


def test_parameters_are_counted_over_all_parts(causal_model: Path, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.zeros((3, 4)), "b": np.zeros(5)}, tmp_path / "model-1.safetensors")
    save_file({"c": np.zeros((2, 2))}, tmp_path / "model-2.safetensors")
    assert active_parameters(tmp_path) == 21


@pytest.mark.parametrize("name", ["num_experts", "num_local_experts", "n_routed_experts"])
def test_of_a_mixture_the_parameters_that_a_token_passes_through_are_counted(
    tmp_path: Path, name: str
) -> None:
    from safetensors.numpy import save_file

    shared = {"embed.weight": np.zeros((3, 4)), "layers.0.mlp.gate.weight": np.zeros(8)}
    experts = {f"layers.0.mlp.experts.{n}.up.weight": np.zeros((5, 2)) for n in range(8)}
    save_file(shared | experts, tmp_path / "model.safetensors")
    assert active_parameters(tmp_path) is None  # nothing tells how many of the 8 are used
    config = {name: 8, "num_experts_per_tok": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert active_parameters(tmp_path) == 12 + 8 + 2 * 10
    (tmp_path / "config.json").write_text(json.dumps({"text_config": config}))
    assert active_parameters(tmp_path) == 40
