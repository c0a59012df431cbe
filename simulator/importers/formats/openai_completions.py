"""Responses of OpenAI's API and compatible servers (vLLM): completions and chat completions.

A file is a response object, a list of them, one on each line, or the output of the batch API
(`{"custom_id": …, "response": {"body": …}}`). Each of a response's `choices` is a trace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.importers.formats.inspect_log import share_out
from simulator.importers.gathering import MISSING, About, Draft, check_fields, dig, gather
from simulator.importers.importer import (
    CHARACTERS_PER_TOKEN,
    BadRow,
    ImportOptions,
    Reading,
    answer_text,
    checked,
    storable,
    token_count,
)
from simulator.importers.items import Item, items_of
from simulator.importers.logprobs import FROM_LOGPROBS, SignalTally, ends_of_tokens
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import TraceRecord

VERSION = "2"

LEFT_OUT = ("text", *FROM_LOGPROBS)

FIELDS = ("problem_id", "question", "gold_answer", "gold_file", *LEFT_OUT)
"""Fields that can be mapped: columns beside the response, and `gold_file`, a file with gold
answers. Those of `LEFT_OUT` can only be left out."""

_AGAIN = "save the server's whole response"
_DEPTH = 3


def read(options: ImportOptions) -> Reading:
    """Read responses as traces.

    A response's problem id is its `custom_id`, its name in a file that is an object of responses,
    or the column that `options.field_map` names: `problem_id=metadata.problem`, or with a pattern
    whose first group is the id, `problem_id=custom_id~^(.+)-sample`. The gold answer is a column
    beside the response (`gold_answer`, or the one mapped), or comes from the file that `gold_file`
    names: rows with `problem_id`, `gold_answer` and optionally `question`, or one JSON object of
    gold answers by id.

    The text is `text`, or the message's reasoning in `<think>` tags and its content. A trace's
    answer is found in it (`simulator.answers.finding`). Its length is the number
    of tokens with log-probabilities, else of `token_ids`, else `usage.completion_tokens`. Several
    choices share one usage, so their lengths are estimated in proportion to their characters. Token
    ends are known if the tokens make up the text.

    Raises
    ------
    UserError
        An unknown field, a file that cannot be read, or a bad response.
    """
    check_fields(options, FIELDS)
    for name in LEFT_OUT:
        if options.field_map.get(name):
            raise UserError(
                f"--map {name}={options.field_map[name]}: {name} can only be left out "
                f"(--map {name}=)"
            )
    return gather(options, items_of(replace(options, field_map={})), _Reader(options))


@dataclass(slots=True)
class _Tokens:
    """A choice's tokens, and the top log-probabilities of each, if there are any."""

    texts: list[str]
    bytes: list[bytes] | None
    tops: list[Any] | None


class _Reader:
    def __init__(self, options: ImportOptions) -> None:
        self.given = options.field_map
        self.tally = SignalTally(" ".join(f"--map {name}=" for name in FROM_LOGPROBS))
        self.failed = self.shared = self.guessed = self.single = self.differ = self.inexact = 0
        self.id_column, self.pattern = _id_column(self.given.get("problem_id"))
        self.gold = _gold_of(options)

    def about(self, item: Item) -> About | None:
        """Find the problem of a response; None for a failed request. Raises `BadRow`."""
        value = checked(item.value, dict, "not a response object", _AGAIN)
        status = dig(value, "response.status_code")
        refused = isinstance(status, int) and status != 200
        if refused or (value.get("error") is not None and not _bodies(value)):
            self.failed += 1
            return None
        _body(value)
        problem_id = self._problem_id(item, value)
        listed = self.gold.get(problem_id) if self.gold is not None else None
        if self.gold is not None and listed is None:
            raise BadRow(
                f"no gold answer for {problem_id} in {self.given['gold_file']}",
                "add it, or name the column of ids with --map problem_id=COLUMN or COLUMN~PATTERN",
            )
        gold = listed.gold_answer if listed else self._gold(value)
        question = listed.question if listed else None
        column = self.given.get("question", "question")
        found = dig(value, column) if column else None
        if isinstance(found, str):
            question = storable(found)
        elif self.given.get("question"):
            raise BadRow(f"{column} is not a text", "name another with --map question=COLUMN")
        return About(problem_id, question, gold)

    def _problem_id(self, item: Item, value: dict[str, Any]) -> str:
        found = dig(value, self.id_column or "custom_id")
        if found is MISSING and self.id_column is None:
            found = dig(value, "problem_id")
            found = item.key if found is MISSING else found
        problem_id = None if found is MISSING else answer_text(found, "problem_id")
        if problem_id is None:
            there = ", ".join(list(value)[:12])
            raise BadRow(
                f"no {self.id_column or 'custom_id'}; columns here: {there}",
                "name the column of the problem's id with --map problem_id=COLUMN",
            )
        if self.pattern is not None:
            match = self.pattern.search(problem_id)
            if not match or not match[self.pattern.groups and 1]:
                remedy = "correct the pattern of --map problem_id=COLUMN~PATTERN"
                raise BadRow(f"no match for {self.pattern.pattern}", remedy, problem_id)
            problem_id = match[self.pattern.groups and 1]
        return problem_id

    def _gold(self, value: dict[str, Any]) -> str:
        column = self.given.get("gold_answer") or "gold_answer"
        found = dig(value, column)
        gold = None if found is MISSING else answer_text(found, "gold_answer")
        if gold is None:
            raise BadRow(
                f"no {column}",
                "name the column with --map gold_answer=COLUMN, or a file of gold answers by "
                "problem_id with --map gold_file=PATH",
            )
        return gold

    def parts(self, item: Item) -> Iterator[tuple[str, Any]]:
        """Yield each choice, with its share of the usage, and the tokens of the prompt."""
        body = _body(item.value)
        choices = body["choices"]
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        total = usage.get("completion_tokens")
        if total is not None:
            total = token_count(total, "usage.completion_tokens")
        prompt = usage.get("prompt_tokens")
        if prompt is not None:
            prompt = token_count(prompt, "usage.prompt_tokens", least=0)
        alone = len(choices) == 1
        shares: Sequence[int | None] = [total if alone else None] * len(choices)
        if not alone and total is not None and total >= len(choices):
            shares = share_out(total, [_characters(choice) for choice in choices])
        for number, (choice, share) in enumerate(zip(choices, shares, strict=True)):
            yield f"{item.where}, choices[{number}]", (choice, share, alone, prompt)

    def draft(self, part: Any) -> Draft:
        """Make the trace of a choice. Raises `BadRow`."""
        choice, share, alone, prompt = part
        checked(choice, dict, "choice is not an object", _AGAIN)
        reasoning, content = _parts(choice)
        tokens = _tokens(choice.get("logprobs"))
        text = f"<think>\n{reasoning}\n</think>\n\n{content}" if reasoning else content
        if tokens is not None and reasoning:
            text = _as_written(tokens, reasoning, content)
        wants_signals = not set(FROM_LOGPROBS) <= set(self.given)
        signals = {}
        ids = choice.get("token_ids")
        counted = True
        if tokens is not None:
            num_tokens = token_count(len(tokens.texts), "number of tokens with log-probabilities")
            if alone and share is not None and share != num_tokens:
                self.differ += 1
            if wants_signals and tokens.tops is not None:
                signals = self.tally.signals(tokens.tops, self.given)
            elif wants_signals:
                self.single += 1
        elif isinstance(ids, list):
            num_tokens = token_count(len(ids), "number of token_ids")
        elif share is not None:
            num_tokens, counted = share, alone
            self.shared += not alone
        else:
            num_tokens, counted = max(1, round(len(text) / CHARACTERS_PER_TOKEN)), False
            self.guessed += 1
        ends = None
        if tokens is not None and "text" not in self.given:
            ends = ends_of_tokens(text, tokens.texts, tokens.bytes)
            self.inexact += ends is None
        text = storable(text)
        reason = choice.get("finish_reason")
        return Draft(
            TraceRecord(
                trace_id=-1,
                num_tokens=num_tokens,
                answer=None,
                prompt_tokens=prompt,
                finish_reason=None if reason is None else storable(str(reason)),
                text=text,
                token_ends=ends,
                token_signals=signals,
                counted=counted,
            ),
            search="text",
            keeps_text="text" not in self.given,
        )

    def notes(self, accuracy: TokenAccuracy) -> list[str]:
        """List the sources of lengths, token ends and token signals, and what was left out."""
        notes = self.tally.notes()
        for count, what in (
            (self.failed, "requests that failed were left out"),
            (self.single, "traces have log-probabilities of the sampled tokens only, which give no "
                          "confidence; request top_logprobs"),
            (self.differ, "traces have another number of tokens in usage than with "
                          "log-probabilities; the latter was used"),
            (self.inexact, "traces have tokens that do not make up their text, so their ends are "
                           "unknown"),
        ):  # fmt: skip
            if count:
                notes.append(f"{count:,} {what}")
        if self.shared:
            notes.append(
                f"lengths are estimated: the usage of several choices, divided in proportion to "
                f"the characters of their texts ({self.shared:,} traces)"
            )
        if self.guessed:
            notes.append(
                f"lengths are estimated: {CHARACTERS_PER_TOKEN} characters per token, where no "
                f"count is given ({self.guessed:,} traces)"
            )
        return notes


def _id_column(given: str | None) -> tuple[str | None, re.Pattern[str] | None]:
    if not given:
        return None, None
    column, tilde, pattern = given.partition("~")
    if not tilde:
        return given, None
    try:
        return column, re.compile(pattern)
    except re.error as error:
        raise UserError(f"--map problem_id={given}: {error} in the pattern; correct it") from None


def _gold_of(options: ImportOptions) -> dict[str, About] | None:
    """Read gold answers and questions by problem from the file that the user names, if any."""
    name = options.field_map.get("gold_file")
    if not name:
        return None
    if options.field_map.get("gold_answer"):
        raise UserError("--map gold_file and --map gold_answer: give only one of them")
    path = Path(name)
    found: dict[str, About] = {}
    for item in items_of(ImportOptions(paths=(path,))):
        try:
            if item.fault is not None:
                raise item.fault
            remedy = "give rows with problem_id and gold_answer"
            row = checked(item.value, dict, "not an object", remedy)
            by_name = not {"problem_id", "gold_answer"} & set(row) and item.key is None
            pairs = row.items() if by_name else [(row.get("problem_id", item.key), row)]
            for key, value in pairs:
                about = _gold_row(key, value if isinstance(value, dict) else {"gold_answer": value})
                if about.problem_id in found:
                    raise BadRow(f"{key} occurs twice", "give each problem once")
                found[str(about.problem_id)] = about
        except BadRow as fault:
            raise UserError(f"{item.where}: {fault.reason}{fault.value}; {fault.remedy}") from None
    return found


def _gold_row(key: Any, row: dict[str, Any]) -> About:
    problem_id = answer_text(key, "problem_id")
    gold = answer_text(row.get("gold_answer"), "gold_answer")
    if problem_id is None or gold is None:
        missing = "gold_answer" if problem_id else "problem_id"
        raise BadRow(f"no {missing}", "give rows with problem_id and gold_answer")
    question = row.get("question")
    return About(problem_id, storable(question) if isinstance(question, str) else None, gold)


def _bodies(value: dict[str, Any], depth: int = 1) -> list[dict[str, Any]]:
    """Find the objects with choices in an item, only the outermost ones."""
    if "choices" in value:
        return [value]
    if depth == _DEPTH:
        return []
    inner = (each for each in value.values() if isinstance(each, dict))
    return [body for each in inner for body in _bodies(each, depth + 1)]


def _body(value: dict[str, Any]) -> dict[str, Any]:
    bodies = _bodies(value)
    if len(bodies) != 1:
        there = ", ".join(list(value)[:12])
        count = "several objects" if bodies else "no object"
        raise BadRow(f"{count} with choices; columns here: {there or 'none'}", _AGAIN)
    body = bodies[0]
    if str(body.get("object", "")).endswith(".chunk"):
        raise BadRow("a chunk of a streamed response", "join the chunks, or do not stream")
    if not isinstance(body["choices"], list) or not body["choices"]:
        raise BadRow("choices is not a list, or is empty", _AGAIN, body["choices"])
    return body


def _parts(choice: dict[str, Any]) -> tuple[str, str]:
    """Return reasoning and content of a choice; each is empty if there is none."""
    message = choice.get("message")
    if not isinstance(message, dict):
        if not isinstance(choice.get("text"), str):
            raise BadRow("choice without text and message", _AGAIN)
        return "", choice["text"]
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    checked(content, str | None, "content is not a text", _AGAIN)
    checked(reasoning, str, "reasoning is not a text", _AGAIN)
    return reasoning, content or ""


def _characters(choice: Any) -> int:
    try:
        return sum(map(len, _parts(choice))) if isinstance(choice, dict) else 0
    except BadRow:
        return 0


def _tokens(logprobs: Any) -> _Tokens | None:
    """Read the tokens of a choice in either API's form; None if they were not requested."""
    if logprobs is None:
        return None
    checked(logprobs, dict, "logprobs are not an object", _AGAIN)
    content = logprobs.get("content")
    if isinstance(content, list):
        if not all(isinstance(each, dict) for each in content):
            raise BadRow("logprobs.content holds something that is not an object", _AGAIN)
        texts = [each.get("token") for each in content]
        tops: Any = [each.get("top_logprobs") for each in content]
        raw = [each.get("bytes") for each in content]
    elif isinstance(logprobs.get("tokens"), list):
        texts, tops, raw = logprobs["tokens"], logprobs.get("top_logprobs"), []
    elif content is None and "tokens" not in logprobs:
        return None
    else:
        raise BadRow("logprobs without a list of tokens", _AGAIN)
    if not all(isinstance(text, str) for text in texts):
        raise BadRow("a token is not a text", _AGAIN)
    if not isinstance(tops, list) or not any(tops):
        tops = None
    elif len(tops) != len(texts):
        counts = f"{len(tops)} and {len(texts)}"
        raise BadRow("top_logprobs and tokens differ in number", _AGAIN, counts)
    return _Tokens(texts, _bytes(raw), tops)


def _bytes(raw: Sequence[Any]) -> list[bytes] | None:
    if not raw or not all(isinstance(each, list) for each in raw):
        return None
    try:
        return [bytes(each) for each in raw]
    except (TypeError, ValueError):
        raise BadRow("bytes of a token are not numbers below 256", _AGAIN) from None


def _as_written(tokens: _Tokens, reasoning: str, content: str) -> str:
    """Return the text as the model wrote it, before the server split it into its parts."""
    joined = "".join(tokens.texts)
    if tokens.bytes is not None:
        joined = b"".join(tokens.bytes).decode(errors="replace")
    if reasoning.strip() not in joined:
        raise BadRow(
            "log-probabilities do not cover the reasoning",
            "give the responses without logprobs, as some of their tokens are missing",
        )
    end = content.rstrip()
    for text in (joined, joined[: len(joined) - len(tokens.texts[-1])]):
        if text.rstrip().endswith(end):
            return text
    return f"<think>\n{reasoning}\n</think>\n\n{content}"
