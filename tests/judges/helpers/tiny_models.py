"""Tiny causal language models with random weights, made in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)

CORPUS = [
    "Two attempts at the same problem were cut off before they were finished.",
    "Yes",
    "No",
    "Wait, so the red answer is a blue one, thus green or yellow; since we add we get 1234567890.",
] * 20


def make_tokenizer(*, chat: bool = True) -> Any:
    """Make a byte-level BPE tokenizer in which Yes and No are tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        min_frequency=1,
        special_tokens=["<|pad|>", "<|start|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<|pad|>", eos_token="<|end|>"
    )
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_byte_tokenizer() -> Any:
    """Make a tokenizer that makes a token of each byte, and of Yes and No."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE({each: at for at, each in enumerate(alphabet)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_tokens(["Yes", "No"])
    return PreTrainedTokenizerFast(tokenizer_object=inner)


def make_encoder(folder: Path) -> Path:
    """Save a sentence encoder of one layer with random weights, whose tokens are letters.

    Letters are words of their own, and each text has two tokens more.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    sizes = {"hidden_size": 32, "intermediate_size": 32, "max_position_embeddings": 64}
    sizes |= {"vocab_size": len(vocabulary), "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(**sizes)
    BertModel(config).save_pretrained(folder / "base")
    tokens = BertTokenizerFast({token: at for at, token in enumerate(vocabulary)})
    tokens.save_pretrained(folder / "base")
    modules = [Transformer(str(folder / "base")), Pooling(32)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "encoder"))
    return folder / "encoder"


def make_causal_model(
    folder: Path,
    *,
    seed: int = 0,
    context: int = 2048,
    hidden: int = 64,
    chat: bool = True,
    tokenizer: Any = None,
) -> Path:
    """Save a Qwen3 of two layers with random weights, and its tokenizer, by default a BPE's."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = tokenizer or make_tokenizer(chat=chat)
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=64,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def one_thread() -> None:
    """Have torch use one thread, as tests run side by side."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def causal_model(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of a tiny Qwen3 with random weights. Not to be changed."""
    return make_causal_model(tmp_path_factory.mktemp("causal"))
