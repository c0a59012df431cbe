"""FEval-TTC (arXiv 2511.01203): texts, answers and token counts of recorded chains of thought.

Its database is a zip file with `dataset_DATASET.txt` (questions and answers) for each dataset, and
`LLM_MODEL_dataset_DATASET.txt` (the responses to them, in the same order) for each model; both are
JSON. A response has `cots`, each `{raw_text, answer, metadata: {token_cost, finish_reason}}`.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.errors import UserError, nearest, one_line
from simulator.importers.gathering import About, Draft, check_fields, gather
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
from simulator.importers.items import Item
from simulator.importers.json_files import AGAIN, MAX_TEXT, json_fault, read_json, unreadable
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import TraceRecord
from simulator.storage import open_plain

VERSION = "1"

FIELDS = ("dataset", "llm")
"""Fields that can be given: the dataset and the model to take from a database."""

REASONS = {"max_tokens": "length"}
"""Finish reasons that are called otherwise elsewhere."""

_MEMBER = re.compile(r"LLM_(.+)_dataset_([^/]+)\.txt")
_LIKE_PUBLISHED = "give it as in the published files"


def read(options: ImportOptions) -> Reading:
    """Read one model's responses to one dataset.

    The path is the database, and `options.field_map` has the `dataset` and `llm`; or the paths are
    the two files of these. Problems and their traces are numbered in the order of the files. A
    trace's answer is the last balanced box of its text, else the answer that was recorded.

    Raises
    ------
    UserError
        Files that cannot be read or do not belong together, an unknown dataset or model, or a bad
        response.
    """
    check_fields(options, FIELDS)
    options.progress(f"reading {options.paths[0].name}", 0.0)
    path, dataset, llm = _two_files(options)
    entries, responses = dataset["data"], llm["responses"]
    if len(entries) != len(responses):
        raise UserError(
            f"{path}: {len(responses)} responses for {len(entries)} questions; give the files of "
            "one dataset"
        )
    width = max(2, len(str(len(entries) - 1)))
    items = (
        Item(path, f"{path}: responses[{n}]", pair, f"{n:0{width}d}")
        for n, pair in enumerate(zip(entries, responses, strict=True))
    )
    return gather(options, items, _Reader())


def _two_files(options: ImportOptions) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """Return the file of responses, and the contents of both files."""
    paths = options.paths
    if len(paths) == 1 and paths[0].suffix == ".zip":
        return paths[0], *_members(paths[0], options)
    if len(paths) != 2 or options.field_map:
        raise UserError(
            f"{paths[0]}: give the database (a .zip file) with --map dataset=DATASET and --map "
            "llm=MODEL, or dataset_DATASET.txt and LLM_MODEL_dataset_DATASET.txt alone"
        )
    found = {}
    for path in paths:
        content = read_json(path)
        name = next((n for n in ("data", "responses") if _has_list(content, n)), None)
        if name is None or name in found:
            other = "questions (data)" if "data" not in found else "responses"
            raise UserError(f"{path}: holds no list of {other}; {AGAIN}")
        found[name] = (path, content)
    return found["responses"][0], found["data"][1], found["responses"][1]


def _members(path: Path, options: ImportOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the two files of a dataset and a model from a database."""
    try:
        with open_plain(path) as (file, _), zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise UserError(f"{path}: holds {ascii(twice[0])[:80]} twice; {AGAIN}")
            pairs = {match.groups() for name in names if (match := _MEMBER.fullmatch(name))}
            dataset = _choice(path, options, "dataset", {dataset for _, dataset in pairs})
            llm = _choice(path, options, "llm", {each for each, of in pairs if of == dataset})
            questions = _content(path, archive, f"dataset_{dataset}.txt", "data")
            responses = _content(path, archive, f"LLM_{llm}_dataset_{dataset}.txt", "responses")
    except OSError as error:
        raise unreadable(path, error) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path}: not readable as zip ({one_line(error, 80)}); {AGAIN}") from None
    return questions, responses


def _choice(path: Path, options: ImportOptions, field: str, there: set[str]) -> str:
    given = options.field_map.get(field)
    if given not in there:
        shown = nearest(given or "", sorted(there), "use one of") if there else "none are there"
        what = (
            f"--map {field}={given}: no such {field}" if given else f"name one with --map {field}="
        )
        raise UserError(f"{path}: {what}; {shown}")
    return given


def _content(path: Path, archive: zipfile.ZipFile, name: str, key: str) -> dict[str, Any]:
    if name not in archive.namelist():
        raise UserError(f"{path}: holds no {name}; {AGAIN}")
    with archive.open(name) as member:
        data = member.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise UserError(f"{path}: {name} has more than {MAX_TEXT:,} bytes")
    try:
        parsed = json_fault(data.decode("utf-8"))
    except UnicodeDecodeError:
        parsed = "not UTF-8"
    if isinstance(parsed, str) or not _has_list(parsed[0], key):
        fault = parsed if isinstance(parsed, str) else f"holds no list {key}"
        raise UserError(f"{path}: {name}: {fault}; {AGAIN}")
    content: dict[str, Any] = parsed[0]
    return content


def _has_list(content: Any, name: str) -> bool:
    return isinstance(content, dict) and isinstance(content.get(name), list)


class _Reader:
    estimated = 0

    def about(self, item: Item) -> About:
        """Read the question. Raises `BadRow`."""
        entry, response = item.value
        for each, what in ((entry, "question"), (response, "response")):
            checked(each, dict, f"{what} is not an object", _LIKE_PUBLISHED)
        gold = answer_text(entry.get("answer"), "answer")
        if gold is None:
            raise BadRow("question without an answer", _LIKE_PUBLISHED)
        question = checked(entry.get("question"), str, "question is not a text", _LIKE_PUBLISHED)
        checked(response.get("cots"), list, "cots are not a list", _LIKE_PUBLISHED)
        return About(item.key, storable(question), gold)

    def parts(self, item: Item) -> Iterator[tuple[str, Any]]:
        """Yield each chain of thought, with its number and the tokens of the request."""
        response = item.value[1]
        request = response.get("request")
        prompt = request.get("token_cost") if isinstance(request, dict) else None
        for number, cot in enumerate(response["cots"]):
            yield f"{item.where}.cots[{number}]", (cot, number, prompt)

    def draft(self, part: Any) -> Draft:
        """Read a chain of thought. Raises `BadRow`."""
        cot, number, prompt = part
        checked(cot, dict, "chain of thought is not an object", _LIKE_PUBLISHED)
        text = storable(
            checked(cot.get("raw_text"), str, "raw_text is not a text", _LIKE_PUBLISHED)
        )
        metadata = checked(cot.get("metadata"), dict, "metadata is not an object", _LIKE_PUBLISHED)
        cost = metadata.get("token_cost")
        counted = cost is not None
        if not counted:
            self.estimated += 1
            cost = max(1, round(len(text) / CHARACTERS_PER_TOKEN))
        reason = checked(
            metadata.get("finish_reason"),
            str | None,
            "finish_reason is not a text",
            _LIKE_PUBLISHED,
        )
        answer = answer_text(cot.get("answer"))
        whole = isinstance(prompt, int | float) and float(prompt).is_integer() and prompt >= 0
        trace = TraceRecord(
            trace_id=-1,
            num_tokens=token_count(cost, "token_cost"),
            answer=answer,
            prompt_tokens=int(prompt) if whole else None,
            finish_reason=REASONS.get(reason, reason) if reason else None,
            text=text,
            counted=counted,
        )
        return Draft(trace, number, search="text" if answer is None else "boxes")

    def notes(self, accuracy: TokenAccuracy) -> list[str]:
        """Count the lengths that were estimated."""
        if not self.estimated:
            return []
        return [
            f"lengths are estimated: {CHARACTERS_PER_TOKEN} characters per token, where no "
            f"token_cost is given ({self.estimated:,} traces)"
        ]
