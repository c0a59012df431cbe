"""Prompts of traces, and the end of what a probe says."""

from __future__ import annotations

from typing import Any


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
