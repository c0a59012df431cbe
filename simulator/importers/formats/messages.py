"""Messages of conversations in OpenAI's form: their reasoning and their content."""

from __future__ import annotations

from typing import Any

from simulator.importers.importer import BadRow, checked

_REASONING = ("reasoning_content", "reasoning", "thinking")
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
"""Roles by the names that ShareGPT's conversations have, `{"from": …, "value": …}`."""


def reasoning_and_content(message: dict[str, Any], remedy: str) -> tuple[str, str]:
    """Return reasoning and content of a message; each is empty if there is none.

    Reasoning is in `reasoning_content`, `reasoning` or `thinking`, in the texts of
    `reasoning_details`, or in parts of the content whose type is `reasoning` or `thinking`. Raises
    `BadRow`.
    """
    content = message.get("content", message.get("value"))
    reasoning = next((message[name] for name in _REASONING if message.get(name)), "")
    if not reasoning and isinstance(details := message.get("reasoning_details"), list):
        reasoning = "".join(part_text(part) for part in details)
    if isinstance(content, list):
        inner = "".join(part_text(part) for part in content if _is_reasoning(part))
        content = "".join(part_text(part) for part in content if not _is_reasoning(part))
        reasoning = reasoning or inner
    checked(content, str | None, "content is not a text", remedy)
    checked(reasoning, str, "reasoning is not a text", remedy)
    return reasoning, content or ""


def joined(reasoning: str, content: str) -> str:
    """Return a text with its reasoning, if there is any, in `<think>` tags before the content."""
    return f"<think>\n{reasoning}\n</think>\n\n{content}" if reasoning else content


def said_by(role: str, conversation: list[dict[str, Any]], remedy: str) -> str:
    """Return the texts of all messages of a role. Raises `BadRow` if there is none.

    The parts of one message are that message, whatever its role.
    """
    if all("type" in part and not {"role", "from"} & part.keys() for part in conversation):
        return joined(*reasoning_and_content({"content": conversation}, remedy))
    texts = [
        joined(*reasoning_and_content(message, remedy))
        for message in conversation
        if _ROLES.get(str(message.get("from")), message.get("role")) == role
    ]
    if not texts:
        raise BadRow(f"no message of the {role} in the conversation", remedy)
    return "\n\n".join(texts)


def part_text(part: Any) -> str:
    """Return the text of a part of a message; empty if it has none, as an image."""
    if isinstance(part, str):
        return part
    names = ("text", "thinking", "reasoning")
    found = next((part[n] for n in names if part.get(n)), None) if isinstance(part, dict) else None
    if isinstance(found, list):
        return "".join(part_text(each) for each in found)
    return found if isinstance(found, str) else ""


def _is_reasoning(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in ("reasoning", "thinking")
