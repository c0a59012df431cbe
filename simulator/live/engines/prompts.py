"""Names of models, prompts of traces, and the end of what a probe says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from simulator.storage import file_sha256

WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")
"""Names of files with a model's weights."""


def named_model(model: str, revision: str | None) -> dict[str, str]:
    """Return what identifies a model: its name, and the commit on the Hub or a hash of its files.

    A folder's hash is the SHA-256 over those of the files of its weights, in order of names.
    """
    folder = Path(model)
    if not folder.is_dir():
        return {"model": model, "revision": revision or ""}
    files = sorted(file for pattern in WEIGHTS for file in folder.glob(pattern))
    lines = "".join(f"{file.name} {file_sha256(file)}\n" for file in files)
    return {"model": folder.resolve().name, "weights": hashlib.sha256(lines.encode()).hexdigest()}


def prompt_ids(tokenizer: Any, template: str, question: str) -> list[int]:
    """Return the tokens of a question in a template, as a chat where the model has a format."""
    text = template.format(question=question)
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        return list(tokenizer.encode(text, add_special_tokens=False))
    return list(tokenizer.encode(text))


def is_closed(text: str) -> bool:
    """Check whether a text's last opened brace has been closed."""
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
    return depth <= 0
