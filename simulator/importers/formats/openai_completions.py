"""Responses of OpenAI's APIs and of compatible servers (vLLM, SGLang), and vLLM's own outputs.

A file is a response object, a list of them, one on each line, the output of the batch API
(`{"custom_id": …, "response": {"body": …}}`), or a log of pairs (`{"request": …, "response": …}`).
Each of a response's choices is a trace. `simulator.importers.formats.response_bodies` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from simulator.arrays import Floats
from simulator.errors import UserError
from simulator.importers.formats.echoes import cut_prompt, ends_of_prompts
from simulator.importers.formats.gold_file import gold_answers, plain_text
from simulator.importers.formats.inspect_log import share_out
from simulator.importers.formats.messages import said_by
from simulator.importers.formats.response_bodies import (
    AGAIN,
    Body,
    Choice,
    Tokens,
    body_of,
    choice_of,
    has_failed,
)
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
from simulator.importers.json_files import json_fault
from simulator.importers.logprobs import (
    FROM_LOGPROBS,
    PAST_THE_END,
    SignalTally,
    ends_of_tokens,
)
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import TraceRecord

VERSION = "2"

LEFT_OUT = ("text", *FROM_LOGPROBS)

FIELDS = ("problem_id", "question", "gold_answer", "gold_file", *LEFT_OUT)
"""Fields that can be mapped: columns beside the response, and `gold_file`, a file with gold
answers. Those of `LEFT_OUT` can only be left out."""


def read(options: ImportOptions) -> Reading:
    """Read responses as traces.

    A response's problem id is its `custom_id`, its name in a file that is an object of responses,
    or the column that `options.field_map` names: `problem_id=metadata.problem`, or with a pattern
    whose first group is the id, `problem_id=custom_id~^(.+)-sample`. Without any, problems are told
    apart by the prompts of the requests, where these are beside the responses. The gold answer is a
    column beside the response (`gold_answer`, or the one mapped), or comes from the file that
    `gold_file` names: rows with `problem_id` or `question`, and `gold_answer`, or one JSON object
    of gold answers by id.

    The text is `text`, or the message's reasoning in `<think>` tags and its content. A trace's
    answer is found in it (`simulator.answers.finding`). Its length is the number
    of tokens with log-probabilities, else of `token_ids`, else `usage.completion_tokens`. Several
    choices share one usage, so their lengths are estimated in proportion to their characters. Token
    ends are known if the tokens make up the text. A prompt that is echoed is cut off. Of reasoning
    that the server hides, only the length is known, and such a trace has no token signals.

    Raises
    ------
    UserError
        An unknown field, a file that cannot be read, or a bad response; no request succeeded.
    """
    check_fields(options, FIELDS)
    for name in LEFT_OUT:
        if options.field_map.get(name):
            raise UserError(
                f"--map {name}={options.field_map[name]}: {name} can only be left out "
                f"(--map {name}=)"
            )
    reader = _Reader(options)
    items = map(_unpacked, items_of(replace(options, field_map={})))
    reading = gather(options, items, reader)
    if reader.failed and not reading.total and not reading.faults.dropped:
        list(reading.problems)  # closes its temporary file
        raise UserError(
            f"{options.paths[0]}: all {reader.failed:,} requests failed ({reader.failure}); send "
            "them again, or give the file of responses"
        )
    return reader.tally.settle(reading, FROM_LOGPROBS)


def _unpacked(item: Item) -> Item:
    """Return an item whose request and response are objects, where they are JSON in texts."""
    if not isinstance(item.value, dict):
        return item
    value = dict(item.value)
    for name in ("request", "response"):
        text = value.get(name)
        if isinstance(text, str) and text.lstrip().startswith("{"):
            parsed = json_fault(text, masked=True)
            if isinstance(parsed, str):
                return replace(item, fault=BadRow(f"{name}: {parsed}", AGAIN))
            value[name] = parsed[0]
    return replace(item, value=value)


class _Reader:
    def __init__(self, options: ImportOptions) -> None:
        self.given = options.field_map
        self.tally = SignalTally(" ".join(f"--map {name}=" for name in FROM_LOGPROBS))
        self.failed = self.shared = self.guessed = self.single = self.differ = self.inexact = 0
        self.echoed = self.hidden = self.summaries = self.by_prompt = 0
        self.failure = ""
        self.id_column, self.pattern = _id_column(self.given.get("problem_id"))
        self.gold = gold_answers(options)

    def about(self, item: Item) -> About | None:
        """Find the problem of a response; None for a failed request. Raises `BadRow`."""
        value = checked(item.value, dict, "not a response object", AGAIN)
        if has_failed(value):
            self.failed += 1
            self.failure = self.failure or item.where
            return None
        body = body_of(value)
        asked = _prompt_of(value) or body.prompt
        problem_id = self._problem_id(item, value, needed=asked is None)
        self.by_prompt += problem_id is None
        key = problem_id if problem_id is not None else plain_text(asked)
        listed = self.gold.get(key) if self.gold is not None and key is not None else None
        if self.gold is not None and listed is None:
            what = problem_id if problem_id is not None else f"the prompt of {item.where}"
            raise BadRow(
                f"no gold answer for {what} in {self.given['gold_file']}",
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
        if question is None and asked is not None and column:
            question = storable(asked)
        return About(problem_id, question, gold)

    def _problem_id(self, item: Item, value: dict[str, Any], *, needed: bool) -> str | None:
        found = dig(value, self.id_column or "custom_id")
        if found is MISSING and self.id_column is None:
            found = dig(value, "problem_id")
            found = item.key if found is MISSING else found
        problem_id = None if found is MISSING else answer_text(found, "problem_id")
        if problem_id is None and self.id_column is None and not needed:
            return None
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
        body = body_of(item.value)
        request = _request_of(item.value)
        found = _readable(body)
        alone = len(found) == 1
        total = body.completion_tokens
        shares: Sequence[int | None] = [total if alone else None] * len(found)
        if not alone and total is not None and total >= len(found):
            characters = [
                0 if isinstance(choice, BadRow) else len(choice.reasoning) + len(choice.content)
                for choice in found
            ]
            shares = share_out(total, characters)
        starts = ends_of_prompts(body, found, request)
        for number, (choice, start) in enumerate(zip(found, starts, strict=True)):
            where = f"choices[{number}]" if isinstance(choice, BadRow) else choice.where
            yield f"{item.where}, {where}", (choice, start, shares[number], alone, body)

    def draft(self, part: Any) -> Draft:
        """Make the trace of a choice. Raises `BadRow`."""
        choice, start, share, alone, body = part
        if isinstance(choice, BadRow):
            raise choice
        if isinstance(start, BadRow):
            raise start
        if start:
            self.echoed += 1
            cut_prompt(choice, start)
        self.summaries += "summary" in choice.left_out
        tokens = choice.tokens
        requested = tokens is not None
        if tokens is not None and tokens.count == 0:
            tokens = None
        if tokens is not None and alone and body.hidden and (share or 0) > tokens.count:
            self.hidden += 1
            tokens, requested = None, False
        text = choice.text
        if tokens is not None and choice.reasoning:
            text = _as_written(tokens, choice)
        num_tokens, counted = self._length(choice, tokens, share, alone, text)
        signals = {}
        if requested and not set(FROM_LOGPROBS) <= set(self.given):
            signals = self._signals(tokens, num_tokens)
        ends = None
        if tokens is not None and "text" not in self.given:
            ends = (
                None if tokens.texts is None else ends_of_tokens(text, tokens.texts, tokens.bytes)
            )
            self.inexact += ends is None
        text = storable(text)
        reason = choice.finish_reason
        return Draft(
            TraceRecord(
                trace_id=-1,
                num_tokens=num_tokens,
                answer=None,
                prompt_tokens=body.prompt_tokens,
                finish_reason=None if reason is None else storable(reason),
                text=text,
                token_ends=ends,
                token_signals=signals,
                counted=counted,
            ),
            search="text",
            keeps_text="text" not in self.given,
        )

    def _length(
        self, choice: Choice, tokens: Tokens | None, share: int | None, alone: bool, text: str
    ) -> tuple[int, bool]:
        """Return the number of tokens of a choice, and whether it was counted by the server."""
        if tokens is not None:
            if alone and share is not None and share != tokens.count:
                self.differ += 1
            return token_count(tokens.count, "number of tokens with log-probabilities"), True
        if choice.num_tokens is not None:
            return choice.num_tokens, True
        if share is not None:
            self.shared += not alone
            return token_count(share, "usage.completion_tokens"), alone
        self.guessed += 1
        return max(1, round(len(text) / CHARACTERS_PER_TOKEN)), False

    def _signals(self, tokens: Tokens | None, num_tokens: int) -> dict[str, Floats]:
        """Return the signals of a choice's tokens, from their alternatives or own ones."""
        if tokens is None:
            return self.tally.nothing(num_tokens, self.given)
        if tokens.tops is None and tokens.own is None:
            return {}
        self.single += tokens.tops is None
        rows = tokens.tops if tokens.tops is not None else [None] * tokens.count
        return self.tally.signals(rows, self.given, tokens.own)

    def notes(self, accuracy: TokenAccuracy) -> list[str]:
        """List the sources of lengths, token ends and token signals, and what was left out."""
        notes = [] if self.tally.single else self.tally.notes()
        if self.by_prompt:
            notes.append("problems are told apart by the prompts of their requests")
        for count, what in (
            (self.failed, "requests that failed were left out"),
            (self.single if self.tally.single else 0,
                          "traces have log-probabilities of the sampled tokens only, which give no "
                          "confidence; request top_logprobs"),
            (self.echoed, "traces echo their prompt, which was cut off"),
            (self.hidden, "traces have hidden reasoning, so their log-probabilities, which do not "
                          "cover it, were left out"),
            (self.summaries, "traces have a summary of hidden reasoning, which was left out"),
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


def _request_of(value: dict[str, Any]) -> dict[str, Any]:
    """Return the request that is logged beside a response; empty if there is none."""
    request = value.get("request")
    inner = request.get("body") if isinstance(request, dict) else None
    found = inner if isinstance(inner, dict) else request
    return found if isinstance(found, dict) else {}


def _prompt_of(value: dict[str, Any]) -> str | None:
    """Return the prompt of the request beside a response: a text, or the user's messages."""
    request = _request_of(value)
    for name in ("messages", "input", "prompt", "text"):
        found = request.get(name)
        if isinstance(found, str):
            return found
        if isinstance(found, list) and all(isinstance(each, dict) for each in found):
            return said_by("user", found, "log the requests as they were sent")
    return None


def _readable(body: Body) -> list[Choice | BadRow]:
    """Read all choices of a body; a fault stands for one that cannot be read."""
    found: list[Choice | BadRow] = []
    for number in range(len(body.choices)):
        try:
            found.append(choice_of(body, number))
        except BadRow as fault:
            found.append(fault)
    return found


def _as_written(tokens: Tokens, choice: Choice) -> str:
    """Return the text as the model wrote it, before the server split it into its parts."""
    if tokens.texts is None:
        return choice.text
    whole = "".join(tokens.texts)
    if tokens.bytes is not None:
        whole = b"".join(tokens.bytes).decode(errors="replace")
    if choice.reasoning.strip() not in whole:
        raise BadRow(
            "log-probabilities do not cover the reasoning",
            "give the responses without logprobs, as some of their tokens are missing",
        )
    end = choice.content.rstrip()
    text = whole
    for token in ["", *reversed(tokens.texts[-PAST_THE_END:])]:
        text = text[: len(text) - len(token)]
        if text.rstrip().endswith(end):
            return text
    return choice.text
