"""Reading inspect_ai log files of all formats into one form for the importer."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import UserError, install_extra, one_line
from simulator.importers.importer import BadRow, answer_text
from simulator.importers.json_files import AGAIN, read_json, read_text, unreadable
from simulator.storage import AmbiguousJsonError, check_plain, parse_json

_SCORERS = ("scorer", "scorers")
"""Types of the spans and steps of a log in which samples are scored."""


@dataclass(slots=True)
class Score:
    """One scorer's grade of a sample, and the answer that it extracted."""

    scorer: str
    value: Any
    answer: str | None


@dataclass(slots=True)
class Sample:
    """One sample of a log: a trace, or the error that ended it. `epoch` counts from 1.

    `targets` are answers that are right, each by itself; with `choices`, they are right together.
    `output_tokens` are those of all `generations` of the solver.
    """

    problem_id: str
    epoch: Any
    question: str | None
    targets: list[Any]
    text: str | None
    scores: list[Score]
    output_tokens: Any = None
    input_tokens: int | None = None
    stop_reason: str | None = None
    error: str | None = None
    choices: Sequence[str] = ()
    generations: int = 1


@dataclass(slots=True)
class Log:
    """One log: one model's samples on one task. `output_tokens` is the log's own total."""

    path: Path
    model: str
    task: str
    identity: str
    output_tokens: int | None
    samples: list[Sample]


def open_log(path: Path) -> Log:
    """Read a log file, or a folder (or its `summaries.json`) with `header.json` beside it.

    Raises
    ------
    UserError
        There is no log, it is truncated or damaged, or inspect_ai is not installed.
    """
    if not path.is_dir():
        try:
            check_plain(path)
        except OSError as error:
            raise unreadable(path, error) from None
    if path.is_dir() or path.name in ("summaries.json", "header.json"):
        return _open_pair(path if path.is_dir() else path.parent, path)
    if path.suffix not in (".eval", ".json"):
        raise UserError(f"{path}: not an inspect log; give an .eval or .json file, or a folder")
    return _open_native(path)


def _open_pair(folder: Path, given: Path) -> Log:
    header_path, summaries_path = folder / "header.json", folder / "summaries.json"
    missing = [file.name for file in (header_path, summaries_path) if not file.exists()]
    if missing:
        logs = sorted(file.name for file in folder.glob("*.eval"))[:3] if folder.is_dir() else []
        hint = f"; name its logs one by one ({', '.join(logs)})" if logs else ""
        raise UserError(
            f"{given}: no {' and no '.join(missing)} in this folder{hint or '; ' + AGAIN}"
        )
    header = _object(read_json(header_path, nan=True), header_path, "header")
    summaries = read_json(summaries_path, nan=True)
    if not isinstance(summaries, list):
        kind = type(summaries).__name__
        raise UserError(f"{summaries_path}: holds a JSON {kind}, not a list of samples; {AGAIN}")
    if not summaries:
        raise UserError(f"{summaries_path}: holds no sample; {AGAIN}")
    run = _object(header.get("eval"), header_path, "'eval'")
    model = run.get("model")
    if not isinstance(model, str):
        raise UserError(f"{header_path}: names no model (eval.model); {AGAIN}")
    usage = header.get("stats")
    for key in ("model_usage", model, "output_tokens"):
        usage = usage.get(key) if isinstance(usage, dict) else None
    return Log(
        path=summaries_path,
        model=model,
        task=str(run.get("task")),
        identity=f"{run.get('run_id')} {run.get('task_id')} {run.get('created')}",
        output_tokens=usage if isinstance(usage, int) and usage > 0 else None,
        samples=[
            _summary(_object(item, summaries_path, f"sample {number}"), summaries_path)
            for number, item in enumerate(summaries)
        ],
    )


def _summary(item: dict[str, Any], path: Path) -> Sample:
    problem_id = _problem_id(item.get("id"), path)
    scores = item.get("scores")
    found = [
        Score(name, score.get("value"), _text_or_none(score.get("answer")))
        for name, score in (scores.items() if isinstance(scores, dict) else ())
        if isinstance(score, dict)
    ]
    texts = [score.answer for score in found if score.answer is not None]
    error = item.get("error")
    target = item.get("target")
    return Sample(
        problem_id=problem_id,
        epoch=item.get("epoch"),
        question=_text_or_none(item.get("input")),
        targets=target if isinstance(target, list) else [target],
        text=max(texts, key=len) if texts else None,
        scores=found,
        error=None if error is None else str(error),
        choices=[str(each) for each in item.get("choices") or ()],
    )


def _open_native(path: Path) -> Log:
    _check_members(path)
    try:
        from inspect_ai.log import read_eval_log
    except ImportError:
        raise UserError(
            f"{path}: reading inspect logs needs inspect_ai; {install_extra('inspect')}"
        ) from None
    try:
        log = read_eval_log(str(path), resolve_attachments=True)
    except OSError as error:
        raise unreadable(path, error) from None
    except (
        ValueError,  # base class of pydantic's validation errors and of JSON errors
        KeyError,
        EOFError,
        RecursionError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise UserError(
            f"{path}: not readable as an inspect log ({one_line(error, 100)}); {AGAIN}"
        ) from None
    usage = log.stats.model_usage.get(log.eval.model) if log.stats else None
    samples = list(_native_samples(log, path))
    if not samples:
        raise UserError(f"{path}: a log without samples; log them (--log-samples) and run it again")
    return Log(
        path=path,
        model=log.eval.model,
        task=log.eval.task,
        identity=f"{log.eval.run_id} {log.eval.task_id} {log.eval.created}",
        output_tokens=usage.output_tokens if usage and usage.output_tokens > 0 else None,
        samples=samples,
    )


def _check_members(path: Path) -> None:
    """Raise `UserError` for a file of an archive that occurs twice; readers take either."""
    try:
        if path.suffix == ".json":
            parse_json(read_text(path), nan=True)
            return
        with zipfile.ZipFile(path) as archive:
            names = Counter(archive.namelist())
    except AmbiguousJsonError as fault:
        raise UserError(f"{path}: {fault}; {AGAIN}") from None
    except (zipfile.BadZipFile, ValueError, RecursionError):
        return  # told by the log's reader
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise UserError(f"{path}: holds {ascii(twice[0])[:80]} twice; {AGAIN}")


def _native_samples(log: Any, path: Path) -> Iterator[Sample]:
    for sample in log.samples or []:
        output = sample.output
        usage = output.usage if output else None
        last = usage.output_tokens if usage else None
        counts = _generated(sample, log.eval.model)
        scores = sample.scores or {}
        yield Sample(
            problem_id=_problem_id(sample.id, path),
            epoch=sample.epoch,
            question=_question(sample.input),
            targets=[sample.target] if isinstance(sample.target, str) else list(sample.target),
            text=_visible_text(output) if output and output.choices else "",
            scores=[
                Score(name, score.value, _text_or_none(score.answer))
                for name, score in scores.items()
            ],
            output_tokens=max(last, sum(counts)) if last is not None else None,
            input_tokens=usage.input_tokens if usage else None,
            stop_reason=output.choices[0].stop_reason if output and output.choices else None,
            error=None if sample.error is None else str(sample.error.message),
            choices=sample.choices or (),
            generations=max(1, len(counts)),
        )


def _generated(sample: Any, model: str) -> list[int]:
    """Return the output tokens of each of the solver's generations, those of scorers left out."""
    scoring: set[str] = set()
    steps = 0  # of scorers, in logs without spans
    counts: list[int] = []
    for event in sample.events:
        if event.event == "span_begin":
            if event.type in _SCORERS or event.parent_id in scoring:
                scoring.add(event.id)
        elif event.event == "step" and event.type in _SCORERS:
            steps += 1 if event.action == "begin" else -1
        elif (
            event.event == "model"
            and steps == 0
            and event.span_id not in scoring
            and event.role is None
            and event.model in (model, model.rsplit("/", 1)[-1])
            and event.output.usage is not None
        ):
            counts.append(event.output.usage.output_tokens)
    return counts


def _visible_text(output: Any) -> str:
    """Return a sample's completion, preceded by the reasoning if the model shows it."""
    content = output.choices[0].message.content
    if isinstance(content, str):
        return content
    parts = []
    for part in content:
        if part.type == "reasoning" and not part.redacted and part.reasoning:
            parts.append(f"<think>\n{part.reasoning}\n</think>\n\n")
        elif part.type == "text":
            parts.append(part.text)
    return "".join(parts)


def _question(given: Any) -> str | None:
    """Return the text of a sample's input: a string, or the user's messages."""
    if isinstance(given, str):
        return given
    return "\n\n".join(message.text for message in given if message.role == "user") or None


def _problem_id(value: Any, path: Path) -> str:
    try:
        problem_id = answer_text(value, "id")
    except BadRow:
        problem_id = None
    if problem_id is None or isinstance(value, bool):
        raise UserError(f"{path}: a sample without a usable id ({value!r}); {AGAIN}")
    return problem_id


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: Any, path: Path, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{path}: {what} is a {type(value).__name__}, not an object; {AGAIN}")
    return value
