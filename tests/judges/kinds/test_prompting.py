"""Prompts with a question and a system message, tokenized in parts or whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import make_tokenizer

from judges.kinds.hf import HfJudge
from judges.kinds.prompting import Template, make_prompter
from judges.protocol import all_pairs
from simulator.errors import UserError

TEXT = "Of {question}: {trace_a} or {trace_b}?"

PREFIXES = ["Wait, the red answer", "so blue", "No"]


def judge_of(model: Path, folder: Path, **settings: Any) -> HfJudge:
    (folder / "prompt.txt").write_text(TEXT)
    (folder / "system.txt").write_text("Be brief.\n")
    files: dict[str, Any] = {
        "prompt": str(folder / "prompt.txt"),
        "system": str(folder / "system.txt"),
    }
    return HfJudge(model=str(model), **files, **settings)


def test_a_whole_prompt_is_tokenized_as_transformers_does(
    causal_model: Path, tmp_path: Path
) -> None:
    """As the programs do that train on exported conversations."""
    import torch

    judge = judge_of(causal_model, tmp_path, tokenized="whole")
    pairs = all_pairs(3)
    tokenizer = make_tokenizer()
    expected = []
    for first, second in pairs.tolist():
        asked = judge.template.filled(PREFIXES[first], PREFIXES[second], "Yes?")
        ids = tokenizer.apply_chat_template(
            [{"role": "system", "content": "Be brief."}, {"role": "user", "content": asked}],
            add_generation_prompt=True,
            return_dict=True,
        )["input_ids"]
        with torch.inference_mode():
            logits = judge.model(torch.tensor([ids])).logits[0, -1].double()
        no, yes = (logits[tokenizer.convert_tokens_to_ids(name)].item() for name in ("No", "Yes"))
        expected.append(1 / (1 + np.exp(no - yes)))
    assert np.ptp(expected) > 1e-4
    np.testing.assert_allclose(judge.score(PREFIXES, pairs, "Yes?"), expected, atol=1e-5)
    # In parts, tokens differ where parts meet, and so do scores.
    parts = judge_of(causal_model, tmp_path).score(PREFIXES, pairs, "Yes?")
    assert np.abs(parts - expected).max() > 1e-5


def test_parts_are_tokenized_by_themselves_with_the_question() -> None:
    tokenizer = make_tokenizer()
    template = Template(TEXT, system="Be brief.")
    prompter = make_prompter(template, tokenizer, "m").about("Is <|end|> {trace_a}?", "m")
    tokens = prompter.tokens(["A", "B"])
    (prompt,) = prompter.prompts(["A", "B"], tokens, np.array([[0, 1]]))
    parts = [
        ("<|start|>system\nBe brief.<|end|>\n<|start|>user\nOf ", False),
        ("Is <|end|> {trace_a}?", True),
        (": ", False),
        ("A", True),
        (" or ", False),
        ("B", True),
        ("?<|end|>\n<|start|>assistant\n", False),
    ]
    expected: list[int] = []
    for text, plain in parts:
        expected += tokenizer(text, add_special_tokens=False, split_special_tokens=plain)[
            "input_ids"
        ]
    assert prompt == expected
    assert prompter.longest(["A", "B"], tokens, np.array([[0, 1]])) == len(prompt)


def test_a_problem_without_a_question_is_told(causal_model: Path, tmp_path: Path) -> None:
    judge = judge_of(causal_model, tmp_path)
    for question in (None, ""):
        with pytest.raises(UserError, match=r"its prompt has \{question\}, but a problem here"):
            judge.score(PREFIXES, all_pairs(3), question)


def test_prompts_of_before_keep_their_hash_and_others_get_one_each() -> None:
    text = "{trace_a}{trace_b}"
    plain = Template(text)
    assert plain.sha256 == hashlib.sha256(f"{text}\0Yes\0No".encode()).hexdigest()
    others = [Template(text, system="s"), Template(text, tokenized="whole")]
    assert len({each.sha256 for each in (plain, *others)}) == 3
    known = {"text": text, "same": "Yes", "different": "No"}  # of a judge trained before
    assert Template.recorded(known) == plain


@pytest.mark.parametrize(
    ("text", "system", "message"),
    [
        (TEXT + " {question}", "", "has {question} 2 times; once at most"),
        (TEXT, "About {question}", "a system message has no fields; move them to the prompt"),
    ],
)
def test_fields_at_the_wrong_place_are_refused(
    tmp_path: Path, text: str, system: str, message: str
) -> None:
    (tmp_path / "prompt.txt").write_text(text)
    (tmp_path / "system.txt").write_text(system)
    with pytest.raises(UserError) as error:
        Template.read(tmp_path / "prompt.txt", system=tmp_path / "system.txt")
    assert message in str(error.value)


def test_models_that_take_no_system_message_are_told() -> None:
    template = Template(TEXT, system="Be brief.")
    with pytest.raises(UserError, match="m: has no chat template, so it takes no system message"):
        make_prompter(template, make_tokenizer(chat=False), "m")
    strict = make_tokenizer()
    strict.chat_template = "{{ raise_exception('No system role') }}"
    with pytest.raises(UserError, match="its chat template refuses the prompt"):
        make_prompter(template, strict, "m")
