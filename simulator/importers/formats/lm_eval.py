"""lm-evaluation-harness samples (`samples_TASK_DATE.jsonl`, written with `--log_samples`).

A line is one document under one filter: `doc_id, doc, target, arguments, resps, filtered_resps,
filter, metrics`, and a value of each metric. `resps` has a list for each request, with a text, or a
list of texts, for each repeat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.importers.gathering import MISSING, About, Draft, check_fields, dig, gather
from simulator.importers.importer import (
    CHARACTERS_PER_TOKEN,
    BadRow,
    ImportOptions,
    Reading,
    answer_text,
    checked,
    checked_verdict,
    storable,
    suffix_of,
    verdict,
)
from simulator.importers.items import Item, items_of
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import TraceRecord

VERSION = "2"

FIELDS = ("problem_id", "question", "gold_answer", "grade", "filter")
"""Fields that can be mapped; `filter` is not a column, but the name of the filter to use."""

QUESTIONS = ("question", "problem", "Problem", "Question", "query", "prompt", "input")
"""Fields of a document that may hold its question, tried in this order."""

METRICS = ("exact_match", "acc", "math_verify")
"""Metrics that grade a single response as right or wrong."""

INVALID = "[invalid]"
"""A filter's result if it finds no answer."""

_AGAIN = "log the samples again (--log_samples)"
_TASK = re.compile(r"samples_(.+)_\d{4}-\d\d-\d\dT")


def read(options: ImportOptions) -> Reading:
    """Read samples of one task; further files of it add traces to the same problems.

    Each repeat in `resps` is a trace; several requests with one prompt are repeats, too. Its answer
    is the last box of its text, else the filter's result, if that has one for each repeat, else any
    other form in the text (`simulator.answers.finding`). The gold answer is found in `target` in
    the same forms (`#### 18`), else it is `target` itself. The question is that of `doc`, else the
    prompt. Samples hold no token counts, so lengths are estimated at four characters per token. If
    a document was sampled once, its grade is compared with the harness's own metric.

    `options.field_map` gives other columns (`gold_answer=doc.answer`). If a task has several
    filters, `filter=NAME` selects the lines of one of them.

    A folder stands for the `samples_*.jsonl` below it.

    Raises
    ------
    UserError
        Files of two tasks, several filters, a log-likelihood task, unreadable files, bad lines.
    """
    check_fields(options, FIELDS)
    options = replace(options, paths=_files(options.paths))
    _check_tasks(options.paths)
    reader = _Reader(options)
    return gather(options, reader.lines(options), reader)


def _files(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """List the files given; in folders, only samples, not the results files beside them."""
    files: list[Path] = []
    for path in paths:
        below = [path]
        if path.is_dir():
            found = sorted(path.rglob("samples_*.jsonl*"))
            below = [file for file in found if suffix_of(file) == ".jsonl"]
        if not below:
            raise UserError(f"{path}: no samples_*.jsonl in this folder; {_AGAIN}")
        files.extend(below)
    return tuple(files)


def _check_tasks(files: tuple[Path, ...]) -> None:
    """Refuse files of several tasks: one pool is one benchmark."""
    tasks: dict[str, Path] = {}
    for file in files:
        match = _TASK.match(file.name)
        if match:
            tasks.setdefault(match[1], file)
    if len(tasks) > 1:
        (one, first), (other, second) = list(tasks.items())[:2]
        raise UserError(
            f"{second}: samples of the task {other}, but {first.name} is of {one}; each benchmark "
            "is its own pool, import them one by one"
        )


class _Reader:
    def __init__(self, options: ImportOptions) -> None:
        self.given = options.field_map
        self.filters: set[str] = set()
        self.first_filter = ""
        self.metrics: set[str] = set()

    def lines(self, options: ImportOptions) -> Iterator[Item]:
        """Yield the lines of all files; raise `UserError` if several filters are left to choose."""
        yield from items_of(options)
        self._check_filters(str(options.paths[0]))

    def about(self, item: Item) -> About | None:
        """Read the document of a line; None for a line of another filter. Raises `BadRow`."""
        sample = item.value
        if not isinstance(sample, dict) or "resps" not in sample:
            raise BadRow("not an lm-eval sample (no resps)", _AGAIN)
        name = str(sample.get("filter", "none"))
        self.first_filter = self.first_filter or name
        self.filters.add(name)
        if name != self.given.get("filter", self.first_filter):
            return None  # without a choice, refused when all filters are known
        problem_id = answer_text(self._get(sample, "problem_id", "doc_id"), "doc_id")
        if problem_id is None:
            raise BadRow("no doc_id", _AGAIN)
        if problem_id.isdecimal() and "problem_id" not in self.given:
            problem_id = problem_id.zfill(5)  # in order
        gold, *accepted = self._golds(sample)
        return About(problem_id, self._question(sample), gold, accepted=tuple(accepted))

    def _check_filters(self, where: str) -> None:
        """Raise `UserError` if there are several filters and none is chosen, or it is unknown."""
        wanted = self.given.get("filter")
        names = sorted(self.filters)
        if wanted is not None and names and wanted not in names:
            raise UserError(f"{where}: no filter {wanted}; --map filter= takes {', '.join(names)}")
        if wanted is None and len(names) > 1:
            raise UserError(
                f"{where}: each response occurs once per filter ({', '.join(names)}); "
                f"choose a filter with --map filter={names[0]}"
            )

    def _get(self, sample: dict[str, Any], name: str, column: str) -> Any:
        column = self.given.get(name) or column
        found = dig(sample, column)
        if found is MISSING:
            there = ", ".join(list(sample)[:12])
            raise BadRow(
                f"no {column}; columns here: {there}", f"name another with --map {name}=COLUMN"
            )
        return found

    def _question(self, sample: dict[str, Any]) -> str | None:
        if "question" in self.given:
            if not self.given["question"]:
                return None
            found = self._get(sample, "question", "")
        else:
            doc = sample.get("doc")
            texts = [doc.get(name) for name in QUESTIONS] if isinstance(doc, dict) else []
            found = next((text for text in texts if isinstance(text, str)), _prompt(sample))
        return storable(found) if isinstance(found, str) else None

    def _golds(self, sample: dict[str, Any]) -> list[str]:
        """Return the target; of a list, any is right, as for the harness. Raises `BadRow`."""
        given = self._get(sample, "gold_answer", "target")
        listed = given if isinstance(given, list) and given else [given]
        if any(isinstance(each, list | dict) for each in listed):
            raise BadRow(
                "target is neither text nor number", "name it with --map gold_answer=COLUMN", given
            )
        texts = [answer_text(each, "target") for each in listed]
        golds = [text for text in dict.fromkeys(texts) if text and not text.endswith("####")]
        if not golds:
            raise BadRow("no gold answer in target", "name it with --map gold_answer=COLUMN")
        return golds

    def parts(self, item: Item) -> Iterator[tuple[str, Any]]:
        """Yield the text, the filter's answer and the grade of each repeat."""
        sample = item.value
        texts = _repeats(sample["resps"], sample.get("arguments"))
        grade = self._grade(sample) if len(texts) == 1 else None
        answers = _filtered(sample.get("filtered_resps"), texts)
        for number, (text, filtered) in enumerate(zip(texts, answers, strict=True)):
            yield f"{item.where}, resps[0][{number}]", (text, filtered, grade)

    def draft(self, part: Any) -> Draft:
        """Make the trace of a repeat. Raises `BadRow`."""
        text, filtered, grade = part
        text = storable(checked(text, str, "response is not a text", _AGAIN))
        trace = TraceRecord(
            trace_id=-1,
            num_tokens=max(1, round(len(text) / CHARACTERS_PER_TOKEN)),
            answer=None if filtered == INVALID else filtered,
            text=text,
            graded=grade,
            counted=False,
        )
        return Draft(trace, search="text" if filtered is None else "boxes")

    def _grade(self, sample: dict[str, Any]) -> bool | None:
        column = self.given.get("grade")
        if column == "":
            return None
        if column is not None:
            given = self._get(sample, "grade", column)
            graded = checked_verdict(given, "name another with --map grade=COLUMN")
            self.metrics.add(column)
            return graded
        for name in METRICS:
            known = verdict(sample.get(name))
            if known is not None:
                self.metrics.add(name)
                return known
        return None

    def notes(self, accuracy: TokenAccuracy) -> list[str]:
        """List the source of lengths, and the metrics that grades were compared with."""
        notes = [f"lengths are estimated: {CHARACTERS_PER_TOKEN} characters per token"]
        if self.metrics:
            notes.append(f"grades compared with those of {', '.join(sorted(self.metrics))}")
        wanted = self.given.get("filter")
        if wanted is not None:
            others = ", ".join(sorted(self.filters - {wanted}))
            notes.append(f"answers are those of the filter {wanted}")
            if others:
                notes.append(f"lines of other filters were left out ({others})")
        return notes


def _prompt(sample: dict[str, Any]) -> Any:
    """Find the prompt of a sample's first request, in any form that the harness has used."""
    for column in ("arguments.gen_args_0.arg_0", "arguments.0.0", "arguments.0"):
        found = dig(sample, column)
        if isinstance(found, str):
            return found
    return None


def _repeats(resps: Any, arguments: Any) -> list[Any]:
    """Return the texts of all repeats. Raises `BadRow` for log-likelihoods or several prompts."""
    if not isinstance(resps, list) or not resps:
        raise BadRow("resps are not a list of lists of texts", _AGAIN, resps)
    if all(isinstance(text, str) for text in resps):  # of the only request
        return list(resps)
    if not all(isinstance(each, list) for each in resps):
        raise BadRow("resps are not a list of lists of texts", _AGAIN, resps)
    if any(_is_likelihood(text) for each in resps for text in each):
        raise BadRow(
            "resps are log-likelihoods, not texts",
            "a task with generated answers (generate_until) is needed",
        )
    if len(resps) > 1 and not _one_prompt(arguments, len(resps)):
        raise BadRow(f"{len(resps)} requests in one sample", "give samples of one request each")
    texts = [text for each in resps for text in each]
    texts = [text for each in texts for text in (each if isinstance(each, list) else [each])]
    if not texts:
        raise BadRow("resps hold no text", _AGAIN)
    return texts


def _is_likelihood(text: Any) -> bool:
    """Check for a log-likelihood: a number and a truth value, which may be written as texts."""
    return (
        isinstance(text, list)
        and len(text) == 2
        and str(text[1]) in ("True", "False")
        and _is_number(text[0])
    )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _one_prompt(arguments: Any, count: int) -> bool:
    """Check that all requests of a sample have one prompt, in any form of the harness."""
    requests = list(arguments.values()) if isinstance(arguments, dict) else arguments
    if not isinstance(requests, list):
        return False
    prompts = [
        request.get("arg_0") if isinstance(request, dict) else request[0]
        for request in requests
        if isinstance(request, dict | list) and request
    ]
    return len(prompts) == count and all(prompt == prompts[0] for prompt in prompts)


def _filtered(given: Any, texts: list[Any]) -> list[str | None]:
    """Return the filter's result for each repeat; None if it is the text itself."""
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], list):
        given = given[0]
    if not isinstance(given, list) or len(given) != len(texts):
        return [None] * len(texts)
    answers: list[str | None] = []
    for each, text in zip(given, texts, strict=True):
        answer = answer_text(each) if isinstance(each, str | int | float) else None
        whole = isinstance(text, str) and answer == answer_text(text)
        answers.append(None if whole else answer)
    return answers
