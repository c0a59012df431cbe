"""Bodies of servers' responses: choices with their texts, tokens and log-probabilities.

A body is that of OpenAI's completions, chat completions or Responses API (also as vLLM's and
SGLang's servers write them), vLLM's `RequestOutput` (`outputs`), or SGLang's `/generate`
(`meta_info`), TGI's (`generated_text` with `details`), or llama.cpp's `/completion` (`content` with
`tokens_predicted`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.importers.formats.messages import joined, part_text, reasoning_and_content
from simulator.importers.importer import BadRow, checked, token_count

AGAIN = "save the server's whole response"
_DEPTH = 3

STATUSES = {"completed": "stop", "max_output_tokens": "length"}
"""Finish reasons by the status, or the reason for an incomplete response, of the Responses API."""


@dataclass(slots=True)
class Tokens:
    """Tokens of a choice: their texts, bytes, alternatives and own log-probabilities.

    There may be none, if nothing but an end token was generated. `texts`, `bytes` and `offsets`
    are None if they are not known, `tops` and `own` if they were not requested.
    """

    count: int
    texts: list[str] | None
    bytes: list[bytes] | None = None
    tops: list[Any] | None = None
    own: list[Any] | None = None
    offsets: list[Any] | None = None

    def cut(self, start: int) -> None:
        """Remove the first tokens, which are the prompt's."""
        self.count -= start
        for name in ("texts", "bytes", "tops", "own", "offsets"):
            values = getattr(self, name)
            setattr(self, name, None if values is None else values[start:])


@dataclass(slots=True)
class Choice:
    """One generated text. `num_tokens` is its own length, if the body gives it for each choice."""

    where: str
    reasoning: str
    content: str
    finish_reason: str | None
    tokens: Tokens | None = None
    num_tokens: int | None = None
    left_out: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Text with its reasoning, if there is any, in `<think>` tags before the content."""
        return joined(self.reasoning, self.content)


@dataclass(slots=True)
class Body:
    """One response. `completion_tokens` is the length of all choices together.

    `hidden` means that some of these tokens are reasoning, which the server may not show.
    """

    choices: list[Any]
    kind: str
    prompt: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    hidden: bool = False


def body_of(value: Any) -> Body:
    """Return the body of an item. Raises `BadRow` if there is none, or more than one."""
    bodies = find_bodies(value)
    if len(bodies) != 1:
        there = ", ".join(list(value)[:12]) if isinstance(value, dict) else ""
        count = "several objects" if bodies else "no object"
        raise BadRow(f"{count} with choices; columns here: {there or 'none'}", AGAIN)
    body = bodies[0]
    if isinstance(body, list) and _kind(body[0]) == "sglang":
        prompt = body[0]["meta_info"].get("prompt_tokens")
        return Body(body, "sglang", prompt_tokens=_count(prompt, "prompt_tokens", least=0))
    if isinstance(body, list):
        return Body(body, "tgi")
    if str(body.get("object", "")).endswith(".chunk"):
        raise BadRow("a chunk of a streamed response", "join the chunks, or do not stream")
    kind = _kind(body)
    if kind == "tgi":
        others = body["details"].get("best_of_sequences") or []
        sequences = [
            {"generated_text": each.get("generated_text"), "details": each} for each in others
        ]
        return Body([body, *sequences], kind)
    if kind == "llama.cpp":
        prompt = body.get("tokens_evaluated")
        return Body([body], kind, prompt_tokens=_count(prompt, "tokens_evaluated", least=0))
    if kind == "sglang":
        prompt = body["meta_info"].get("prompt_tokens")
        return Body([body], kind, prompt_tokens=_count(prompt, "prompt_tokens", least=0))
    if kind == "vllm":
        ids, prompt = body.get("prompt_token_ids"), body.get("prompt")
        return Body(
            body["outputs"],
            kind,
            prompt if isinstance(prompt, str) else None,
            len(ids) if isinstance(ids, list) else None,
        )
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    names = ("completion_tokens", "prompt_tokens")
    if kind == "responses":
        names = ("output_tokens", "input_tokens")
    elif not isinstance(body["choices"], list) or not body["choices"]:
        raise BadRow("choices is not a list, or is empty", AGAIN, body["choices"])
    total = _count(usage.get(names[0]), f"usage.{names[0]}", least=0)
    prompt_tokens = _count(usage.get(names[1]), f"usage.{names[1]}", least=0)
    choices = [body] if kind == "responses" else body["choices"]
    details = usage.get(f"{names[0]}_details")
    hidden = bool(details.get("reasoning_tokens")) if isinstance(details, dict) else False
    return Body(choices, kind, None, prompt_tokens, total, hidden)


def find_bodies(value: Any, depth: int = 1) -> list[Any]:
    """Find the bodies in an item, only the outermost ones; SGLang's with one prompt are a list."""
    if isinstance(value, list):
        kinds = {_kind(each) if isinstance(each, dict) else "" for each in value}
        return [value] if kinds in ({"sglang"}, {"tgi"}) else []
    if not isinstance(value, dict):
        return []
    if _kind(value):
        return [value]
    if depth == _DEPTH:
        return []
    inner = (each for key, each in value.items() if key != "request")
    return [body for each in inner for body in find_bodies(each, depth + 1)]


def has_failed(value: dict[str, Any]) -> bool:
    """Check for a request that was answered by an error, in the batch API's form or a server's."""
    status = value.get("response")
    status = status.get("status_code") if isinstance(status, dict) else None
    if isinstance(status, int) and status != 200:
        return True
    bodies = find_bodies(value)
    if bodies:
        state = bodies[0].get("status") if isinstance(bodies[0], dict) else None
        return state in ("failed", "cancelled") and _kind(bodies[0]) == "responses"
    return _holds_error(value)


def _holds_error(value: dict[str, Any], depth: int = 1) -> bool:
    if value.get("error") is not None or value.get("object") == "error":
        return True
    inner = (each for key, each in value.items() if isinstance(each, dict) and key != "request")
    return depth < _DEPTH and any(_holds_error(each, depth + 1) for each in inner)


def _kind(body: dict[str, Any]) -> str:
    if "choices" in body:
        return "choices"
    output = body.get("output")
    if body.get("object") == "response" or (
        isinstance(output, list) and any(isinstance(o, dict) and "type" in o for o in output)
    ):
        return "responses"
    outputs = body.get("outputs")
    if (
        isinstance(outputs, list)
        and outputs
        and all(isinstance(each, dict) and "text" in each for each in outputs)
    ):
        return "vllm"
    if isinstance(body.get("generated_text"), str) and isinstance(body.get("details"), dict):
        return "tgi"
    if isinstance(body.get("content"), str) and "tokens_predicted" in body:
        return "llama.cpp"
    return "sglang" if isinstance(body.get("meta_info"), dict) and "text" in body else ""


def choice_of(body: Body, number: int) -> Choice:
    """Read one of a body's choices. Raises `BadRow`."""
    given = checked(body.choices[number], dict, "choice is not an object", AGAIN)
    if body.kind == "responses":
        return _of_responses(given)
    if body.kind == "sglang":
        return _of_sglang(given, number)
    if body.kind == "tgi":
        return _of_tgi(given, number)
    if body.kind == "llama.cpp":
        return _of_llama_cpp(given)
    where = "outputs" if body.kind == "vllm" else "choices"
    reasoning, content = _parts(given)
    choice = Choice(f"{where}[{number}]", reasoning, content, _reason(given.get("finish_reason")))
    ids = given.get("token_ids")
    if isinstance(ids, list):
        choice.num_tokens = token_count(len(ids), "number of token_ids")
    if body.kind == "vllm":
        choice.tokens = _of_ids(given.get("logprobs"), ids)
    else:
        choice.tokens = _of_api(given.get("logprobs"))
    return choice


def _parts(choice: dict[str, Any]) -> tuple[str, str]:
    message = choice.get("message")
    if isinstance(message, dict):
        return reasoning_and_content(message, AGAIN)
    if not isinstance(choice.get("text"), str):
        raise BadRow("choice without text and message", AGAIN)
    reasoning = choice.get("reasoning_content") or choice.get("reasoning") or ""
    checked(reasoning, str, "reasoning is not a text", AGAIN)
    return reasoning, choice["text"]


def _of_responses(body: dict[str, Any]) -> Choice:
    """Read a response of the Responses API: the reasoning that it shows, and its messages."""
    items = checked(body.get("output"), list, "output is not a list", AGAIN)
    reasoning, content, entries = [], [], []
    summaries = False
    for item in items:
        checked(item, dict, "output holds something that is not an object", AGAIN)
        parts = item.get("content") or []
        checked(parts, list, "content is not a list", AGAIN)
        if item.get("type") == "reasoning":
            reasoning += [part_text(part) for part in parts]
            summaries = summaries or bool(item.get("summary") and not parts)
        elif item.get("type") == "message":
            content += [part_text(part) for part in parts]
            entries += [part.get("logprobs") for part in parts if isinstance(part, dict)]
    status = body.get("status")
    details = body.get("incomplete_details")
    if isinstance(details, dict) and details.get("reason"):
        status = details["reason"]
    choice = Choice(
        "output",
        "\n\n".join(filter(None, reasoning)),
        "".join(content),
        _reason(STATUSES.get(str(status), status)),
        left_out=["summary"] if summaries else [],
    )
    given = [entry for each in entries if isinstance(each, list) for entry in each]
    if given:
        choice.tokens = _of_api({"content": given})
    return choice


def _of_sglang(body: dict[str, Any], number: int) -> Choice:
    meta = body["meta_info"]
    text = checked(body["text"], str, "text is not a text", AGAIN)
    choice = Choice(f"[{number}]", "", text, _reason(meta.get("finish_reason")))
    choice.num_tokens = _count(meta.get("completion_tokens"), "meta_info.completion_tokens")
    own = meta.get("output_token_logprobs")
    if not own:
        return choice
    if not isinstance(own, list) or not all(isinstance(each, list) and each for each in own):
        raise BadRow("output_token_logprobs are not lists of log-probability, id and text", AGAIN)
    texts = [each[2] if len(each) > 2 else None for each in own]
    tops = meta.get("output_top_logprobs")
    choice.tokens = Tokens(
        len(own), _texts(texts), None, _tops(tops, len(own)), [each[0] for each in own]
    )
    return choice


def _of_tgi(body: dict[str, Any], number: int) -> Choice:
    text = checked(body["generated_text"], str, "generated_text is not a text", AGAIN)
    details = body["details"]
    choice = Choice(f"[{number}]", "", text, _FINISHED.get(str(details.get("finish_reason"))))
    choice.num_tokens = _count(details.get("generated_tokens"), "details.generated_tokens")
    tokens = details.get("tokens")
    if isinstance(tokens, list) and tokens and all(isinstance(each, dict) for each in tokens):
        texts = _texts([each.get("text") for each in tokens])
        own = [each.get("logprob") for each in tokens]
        tops = _tops(details.get("top_tokens"), len(tokens))
        choice.tokens = Tokens(len(tokens), texts, None, tops, own)
    return choice


def _of_llama_cpp(body: dict[str, Any]) -> Choice:
    finished = "limit" if body.get("stopped_limit") else body.get("stop_type")
    choice = Choice("content", "", body["content"], _FINISHED.get(str(finished), "stop"))
    choice.num_tokens = _count(body.get("tokens_predicted"), "tokens_predicted")
    given = body.get("completion_probabilities") or body.get("probs")
    if isinstance(given, list) and given and all(isinstance(each, dict) for each in given):
        texts = _texts([each.get("token", each.get("content")) for each in given])
        raw = _bytes([each.get("bytes") for each in given])
        choice.tokens = Tokens(len(given), texts, raw, given, [e.get("logprob") for e in given])
    return choice


_FINISHED = {
    **dict.fromkeys(("eos_token", "stop_sequence", "eos", "word"), "stop"),
    **dict.fromkeys(("length", "limit"), "length"),
}
"""Finish reasons by the names that TGI and llama.cpp give them."""


def _of_api(logprobs: Any) -> Tokens | None:
    """Read the tokens of a choice in either API's form; None if they were not requested."""
    if logprobs is None:
        return None
    if isinstance(logprobs, list) and logprobs and isinstance(logprobs[0], dict):
        logprobs = {"content": logprobs}
    checked(logprobs, dict, "logprobs are not an object", AGAIN)
    content = logprobs.get("content")
    if isinstance(content, list):
        if not all(isinstance(each, dict) for each in content):
            raise BadRow("logprobs.content holds something that is not an object", AGAIN)
        texts = _texts([each.get("token") for each in content], needed=True)
        tops = [each.get("top_logprobs") for each in content]
        own = [each.get("logprob") for each in content]
        raw = _bytes([each.get("bytes") for each in content])
        return Tokens(len(content), texts, raw, _tops(tops, len(content)), own)
    if isinstance(logprobs.get("tokens"), list):
        given = logprobs["tokens"]
        own = logprobs.get("token_logprobs")
        offsets = logprobs.get("text_offset")
        return Tokens(
            len(given),
            _texts(given, needed=True),
            None,
            _tops(logprobs.get("top_logprobs"), len(given)),
            own if isinstance(own, list) and len(own) == len(given) else None,
            offsets if isinstance(offsets, list) and len(offsets) == len(given) else None,
        )
    if content is None and "tokens" not in logprobs:
        return None
    raise BadRow("logprobs without a list of tokens", AGAIN)


def _of_ids(logprobs: Any, ids: Any) -> Tokens | None:
    """Read vLLM's log-probabilities by token id, with the ids of the sampled tokens."""
    if not logprobs:
        return None
    checked(logprobs, list, "logprobs are not a list", AGAIN)
    sampled: list[Any] = [None] * len(logprobs)
    if isinstance(ids, list) and len(ids) == len(logprobs):
        sampled = [
            row.get(str(number)) if isinstance(row, dict) else None
            for row, number in zip(logprobs, ids, strict=True)
        ]
    found = [each if isinstance(each, dict) else {} for each in sampled]
    texts = _texts([each.get("decoded_token") for each in found])
    return Tokens(
        len(logprobs),
        texts,
        None,
        _tops(logprobs, len(logprobs)),
        [each.get("logprob") for each in found],
    )


def _texts(given: Sequence[Any], *, needed: bool = False) -> list[str] | None:
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) == len(given):
        return texts
    if needed:
        raise BadRow("a token is not a text", AGAIN)
    return None


def _tops(given: Any, count: int) -> list[Any] | None:
    if not isinstance(given, list) or not any(given):
        return None
    if len(given) != count:
        counts = f"{len(given)} and {count}"
        raise BadRow("top_logprobs and tokens differ in number", AGAIN, counts)
    return given


def _bytes(raw: Sequence[Any]) -> list[bytes] | None:
    if not raw or not all(isinstance(each, list) for each in raw):
        return None
    try:
        return [bytes(each) for each in raw]
    except (TypeError, ValueError):
        raise BadRow("bytes of a token are not numbers below 256", AGAIN) from None


def _count(value: Any, what: str, *, least: int = 1) -> int | None:
    return None if value is None else token_count(value, what, least=least)


def _reason(value: Any) -> str | None:
    """Return a finish reason; SGLang's is an object with a type."""
    if isinstance(value, dict):
        value = value.get("type")
    return None if value is None else str(value)
