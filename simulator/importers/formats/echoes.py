"""Prompts that completions begin with if the server was asked to `echo` them.

The counts of the usage say how many tokens are the prompt's; where they do not, the request does.
The first token of a prompt has no log-probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator.importers.formats.response_bodies import Body, Choice, Tokens
from simulator.importers.importer import BadRow

_ECHO = "give the responses with their usage, or ask the server again without echo"


def ends_of_prompts(
    body: Body, found: Sequence[Choice | BadRow], request: dict[str, Any]
) -> list[int | BadRow]:
    """Return where the prompt of each choice ends: a number of tokens, without any of characters.

    It is 0 for a choice without a prompt, and a fault if the end is not known.
    """
    choices = [choice for choice in found if isinstance(choice, Choice)]
    plain: list[int | BadRow] = [0] * len(found)
    if body.kind != "choices" or len(choices) < len(found) or any(c.reasoning for c in choices):
        return plain
    prompt = request.get("prompt") if request.get("echo") else None
    if not isinstance(prompt, str):
        prompt = None
    lengths = [choice.tokens.count for choice in choices if choice.tokens is not None]
    if len(lengths) < len(choices):
        starts = prompt is not None and all(c.content.startswith(prompt) for c in choices)
        return [len(prompt or "")] * len(found) if starts else plain
    total, each = body.completion_tokens, body.prompt_tokens
    whole = sum(lengths)
    if total is not None and whole == total:
        return plain
    if total is not None and each and whole == len(choices) * each + total:
        return [each] * len(found)
    begins = [choice.tokens is not None and _begins_with_none(choice.tokens) for choice in choices]
    if not any(begins) and prompt is None:
        return plain
    if total is not None and len(choices) == 1 and whole > total:
        return [whole - total]
    return [BadRow("the prompt is echoed, and its end is not known", _ECHO)] * len(found)


def _begins_with_none(tokens: Tokens) -> bool:
    """Check for a first token without log-probability, unlike the second."""
    given = tokens.own if tokens.own is not None else tokens.tops
    return given is not None and len(given) > 1 and not given[0] and given[1] not in (None, {}, [])


def cut_prompt(choice: Choice, start: int) -> None:
    """Remove the prompt from a choice: its first tokens, and their text."""
    tokens = choice.tokens
    if tokens is None:
        choice.content = choice.content[start:]
        return
    if start >= tokens.count:
        raise BadRow("only the prompt is echoed, nothing was generated", "leave such responses out")
    if tokens.offsets is not None and all(type(each) is int for each in tokens.offsets):
        place = tokens.offsets[start] - tokens.offsets[0]
    else:
        place = sum(map(len, tokens.texts[:start])) if tokens.texts else len(choice.content) + 1
    if not 0 <= place <= len(choice.content):
        raise BadRow("the prompt is echoed, and its end is not in the text", _ECHO, place)
    choice.content = choice.content[place:]
    tokens.cut(start)
