"""inspect_ai logs: full texts and grades, with exact or estimated lengths.

A log is an `.eval` or `.json` file of inspect_ai, or a folder with the pair `header.json` and
`summaries.json` that the Epoch AI Benchmarking Hub publishes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.answers.choices import is_letter
from simulator.answers.finding import find_gold
from simulator.errors import UserError
from simulator.importers.answering import infer_kind, set_answer
from simulator.importers.formats.inspect_files import Log, Sample, open_log
from simulator.importers.importer import (
    CHARACTERS_PER_TOKEN,
    NO_TRACE,
    BadRow,
    Faults,
    ImportOptions,
    Reading,
    answer_text,
    drained,
    refuse_map,
    storable,
    token_count,
    verdict,
)
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import ProblemRecord, TraceRecord

VERSION = "2"

SHORT_ANSWER = 100
"""Most characters of an answer; a scorer's longer answer field is a copy of the output."""


@dataclass(slots=True)
class _Usable:
    """A sample that becomes a trace; its length may depend on the whole log."""

    sample: Sample
    where: str
    trace_id: int
    golds: list[str]
    num_tokens: int


def read(options: ImportOptions) -> Reading:
    """Read one or more logs of the same model and task.

    A trace's id is its epoch, counted from 0; the epochs of the next log continue from there.
    Lengths are the output tokens of each sample in the log, if every sample has them (token
    accuracy `total`). Otherwise they are estimated: the log's total is divided in proportion to the
    characters of the texts; without a total, four characters are counted as a token.

    Raises
    ------
    UserError
        Logs of two models or tasks, one log twice, files that cannot be read, or a bad sample.
    """
    refuse_map(options, "inspect")
    logs = list(_open_logs(options))
    faults = Faults(drop=options.drop_bad_rows)
    problems: dict[str, ProblemRecord] = {}
    notes = [f"model in the log: {logs[0].model}; task: {logs[0].task}"]
    scorers: Counter[str] = Counter()
    first_trace = 0
    accuracies: set[TokenAccuracy] = set()
    again = 0
    for log in logs:
        usable = _usable_samples(log, first_trace, faults)
        accuracy, note = _set_lengths(log, usable)
        accuracies.add(accuracy)
        notes.append(note)
        again += sum(each.sample.generations > 1 for each in usable)
        for each in usable:
            with faults.rejecting(each.where):
                _add(problems, each, scorers, counted=accuracy == "total")
        first_trace = max((each.trace_id + 1 for each in usable), default=first_trace)
    inferred = infer_kind(p.gold_answer for p in problems.values() if p.answer_kind != "text")
    for problem in problems.values():
        if options.answer_kind or problem.answer_kind != "text":
            problem.answer_kind = options.answer_kind or inferred
        kind = problem.answer_kind
        problem.gold_answer = find_gold(problem.gold_answer, kind)
        problem.accepted = tuple(find_gold(answer, kind) for answer in problem.accepted)
        for trace in problem.traces:
            set_answer(trace, kind, "text", options.answer_patterns)
        if not problem.traces:
            faults.leave_out(f"{options.paths[0]}: problem {problem.problem_id}", NO_TRACE)
    several = sum(bool(problem.accepted) for problem in problems.values())
    if several:
        notes.append(f"{several:,} problems accept several answers")
    if again:
        notes.append(
            f"{again:,} samples were generated in several calls: lengths are those of all, texts "
            "those of the last"
        )
    if not scorers:
        notes.append("no sample has a grade to compare with")
    if len(scorers) > 1:
        notes.append(f"grades compared with those of the scorers {', '.join(sorted(scorers))}")
    notes.append("visible text only: hidden reasoning is not included")
    usable_problems = [problem for _, problem in sorted(problems.items()) if problem.traces]
    return Reading(
        problems=drained(usable_problems),
        total=len(usable_problems),
        token_accuracy="estimated" if "estimated" in accuracies else "total",
        faults=faults,
        notes=list(dict.fromkeys(notes)),
    )


def _open_logs(options: ImportOptions) -> Iterable[Log]:
    first: Log | None = None
    seen: dict[str, Path] = {}
    for number, path in enumerate(options.paths):
        options.progress(f"reading {path.name}", number / len(options.paths))
        log = open_log(path)
        first = first or log
        if log.model != first.model:
            raise UserError(
                f"{path}: a log of {log.model}, but {first.path} is one of {first.model}; "
                "a pool is one model's, import them one by one"
            )
        if log.task != first.task:
            raise UserError(
                f"{path}: a log of the task {log.task!r}, but {first.path} is one of "
                f"{first.task!r}; each benchmark is its own pool, import them one by one"
            )
        if log.identity in seen:
            raise UserError(f"{path}: the same log as {seen[log.identity]}; give it once")
        seen[log.identity] = path
        yield log


def _usable_samples(log: Log, first_trace: int, faults: Faults) -> list[_Usable]:
    usable: list[_Usable] = []
    seen: set[tuple[str, int]] = set()
    for sample in log.samples:
        where = f"{log.path}: sample {sample.problem_id}, epoch {sample.epoch}"
        if sample.error is not None:
            faults.leave_out(where, "sample ended in an error", f" ({sample.error[:80]})")
            continue
        if sample.output_tokens == 0:
            faults.leave_out(where, "sample without any output token")
            continue
        with faults.rejecting(where):
            epoch = token_count(sample.epoch, "epoch")
            if (sample.problem_id, epoch) in seen:
                raise BadRow("duplicate trace", "keep one sample of an epoch")
            golds = _golds(sample)
            if sample.text is None:
                raise BadRow(
                    "row without an answer field", "export the log with its samples' outputs"
                )
            trace_id = first_trace + epoch - 1
            token_count(trace_id, "epoch", least=0)
            if sample.input_tokens is not None:
                token_count(sample.input_tokens, "input_tokens", least=0)
            num_tokens = 0
            if sample.output_tokens is not None:
                num_tokens = token_count(sample.output_tokens, "output_tokens")
            seen.add((sample.problem_id, epoch))
            usable.append(_Usable(sample, where, trace_id, golds, num_tokens))
    return usable


def _golds(sample: Sample) -> list[str]:
    """Return the right answers of a sample, the first as the gold answer. Raises `BadRow`."""
    found = [answer_text(target, "target") for target in sample.targets]
    golds = list(dict.fromkeys(gold for gold in found if gold is not None))
    if not golds:
        raise BadRow("sample without a target", "give its gold answer as target")
    if sample.choices and len(golds) > 1:  # right only together
        return [", ".join(golds)]
    by_letter = any(score.scorer == "choice" for score in sample.scores)
    if by_letter and list(sample.choices).count(golds[0]) == 1 and not is_letter(golds[0]):
        return [chr(ord("A") + list(sample.choices).index(golds[0]))]  # a choice by its text
    return golds


def _set_lengths(log: Log, usable: Sequence[_Usable]) -> tuple[TokenAccuracy, str]:
    """Fill in lengths that the log lacks; return the accuracy of all lengths, and a note on it."""
    if all(each.num_tokens for each in usable):
        return "total", "lengths are the log's own output tokens per sample"
    characters = [len(each.sample.text or "") for each in usable]
    if log.output_tokens is not None and log.output_tokens >= len(usable):
        lengths = share_out(log.output_tokens, characters)
        note = (
            "lengths are estimated: the log's total of output tokens, divided in proportion to "
            "the characters of the texts"
        )
    else:
        lengths = [max(1, round(count / CHARACTERS_PER_TOKEN)) for count in characters]
        note = f"lengths are estimated: {CHARACTERS_PER_TOKEN} characters per token"
    for each, length in zip(usable, lengths, strict=True):
        each.num_tokens = length
    return "estimated", note


def share_out(total: int, weights: Sequence[int]) -> list[int]:
    """Divide `total` into whole numbers ≥ 1 in proportion to `weights`; `total` ≥ their count.

    The numbers add up to exactly `total`. Each is one plus its part of the rest, which is cut at
    the rounded cumulative shares, so that rounding errors do not add up; each number differs from
    its exact share by less than two.
    """
    rest = total - len(weights)
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    lengths = []
    before = cumulative = 0
    for weight in weights:
        cumulative += weight
        until = (2 * rest * cumulative + whole) // (2 * whole)
        lengths.append(1 + until - before)
        before = until
    return lengths


def _add(
    problems: dict[str, ProblemRecord], each: _Usable, scorers: Counter[str], *, counted: bool
) -> None:
    """Add a sample to its problem as a trace."""
    sample = each.sample
    text = storable(sample.text or "")
    problem = problems.get(sample.problem_id)
    question = None if sample.question is None else storable(sample.question)
    if problem is None:
        gold, *accepted = each.golds
        together = sample.choices and len(sample.targets) > 1  # several letters are no choice
        kind = "text" if together else "math"
        problem = ProblemRecord(sample.problem_id, question, gold, kind, [], tuple(accepted))
        problems[sample.problem_id] = problem
    elif [problem.gold_answer, *problem.accepted] != each.golds:
        raise BadRow(
            f"target differs from the {problem.gold_answer!r} of the problem's other samples",
            "give each problem its own id",
            ", ".join(each.golds),
        )
    graded: bool | None = None
    given: str | None = None
    for score in sample.scores:
        graded = verdict(score.value)
        if graded is not None:
            scorers[score.scorer] += 1
            if score.answer is not None and len(score.answer) <= SHORT_ANSWER:
                given = answer_text(score.answer)
            break
    problem.traces.append(
        TraceRecord(
            trace_id=each.trace_id,
            num_tokens=each.num_tokens,
            answer=given,
            prompt_tokens=sample.input_tokens,
            finish_reason=sample.stop_reason,
            text=text,
            graded=graded,
            counted=counted,
        )
    )
