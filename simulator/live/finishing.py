"""From a recording to a pool."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from dataclasses import replace as replace_fields
from pathlib import Path
from typing import Any

from simulator.answers.equivalence import Classes
from simulator.errors import UserError
from simulator.live.growing import GrowingProblem
from simulator.live.recording import Recording
from simulator.loading import load_policy
from simulator.pools.pool import NO_ANSWER, PoolInfo
from simulator.pools.probe_cost import parse_probe_cost
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter
from simulator.signals import UNASKED
from simulator.storage import read_plain_text


def finish(
    recording: Recording,
    cache: Path,
    *,
    about: Mapping[str, Any] | None = None,
    replace: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PoolInfo:
    """Write the traces of a recording as a pool; return its description.

    Traces keep their numbers and answers their classes, so that a replay in the stored order
    decides as the live run did. If a trace has not come to its end, or a probe was not asked, the
    pool says so, and has all traces that the live runs could start.

    Parameters
    ----------
    recording, cache
        The recording, and the folder of pools.
    about
        Fields of `PoolInfo` that describe the pool (`dataset`, `model`, `benchmark`, `source`,
        `licence`, `citation`), where None leaves the recording's own; `notes`; and `settings`, a
        TOML file with a table of parameters by built-in method; and `probe_cost`, as typed.
    replace
        Write over a pool of the same name.
    progress
        Called with the numbers of problems written and of all.

    Raises
    ------
    UserError
        A problem has no traces or no gold answer, or a pool of this name exists and `replace` is
        false.
    """
    given = dict(about or {})
    info = recording.info
    info.source = f"{recording.about['engine']['model']}, sampled live"
    info.settings = _settings(given.pop("settings", None))
    sampled = ", ".join(f"{name} {json.dumps(value)}" for name, value in recording.settings)
    info.notes = [f"sampled live: {sampled}", *given.pop("notes", ())]
    cost = given.pop("probe_cost", None)
    if cost is not None:
        info.probe_cost = asdict(parse_probe_cost(cost))
    info = replace_fields(info, **{name: each for name, each in given.items() if each is not None})
    numbers = range(len(recording.problems))
    whole = all(_is_whole(recording.read(number)) for number in numbers)
    traces = 0 if whole else recording.budget
    with PoolWriter(cache, info, replace=replace) as writer:
        for number in numbers:
            writer.add(_record(recording.read(number, traces), recording))
            progress(number + 1, len(numbers))
    return writer.info


def _settings(file: Path | None) -> dict[str, dict[str, str]]:
    """Read parameters of built-in methods; raise `UserError` if a method does not take them."""
    if file is None:
        return {}
    try:
        tables = tomllib.loads(read_plain_text(file))
        settings = {
            method: {name: str(value) for name, value in values.items()}
            for method, values in tables.items()
        }
    except (ValueError, AttributeError) as error:
        raise UserError(f"{file}: not a TOML file with a table for each method ({error})") from None
    for method, values in settings.items():
        try:
            load_policy(method, values)
        except UserError as error:
            raise UserError(f"{file}: {error}") from None
    return settings


def _is_whole(problem: GrowingProblem) -> bool:
    """Check whether all traces have come to their ends, and all their probes were asked."""
    return bool(problem.ended.all()) and UNASKED not in problem.probes.answers


def _record(problem: GrowingProblem, recording: Recording) -> ProblemRecord:
    """Make the record of a problem, with the classes that live runs gave its answers."""
    name = f"{recording.folder}: problem {problem.problem_id}"
    if not problem.gold_answer:
        raise UserError(f"{name} has no answer; give it in the file of problems, and record again")
    if not problem.available.any():
        raise UserError(f"{name} has no traces; run a policy live")
    of_text = {text: kind for kind, text in enumerate(problem.class_texts)}
    for answer, kind in zip(problem.answers, problem.answer_class.tolist(), strict=True):
        if answer is not None and kind != NO_ANSWER:
            of_text[answer] = kind
    grouped = Classes(list(problem.class_texts), problem.class_correct.tolist(), of_text)
    return ProblemRecord(
        problem.problem_id,
        problem.question,
        problem.gold_answer,
        problem.answer_kind,
        [_trace(problem, row) for row in range(len(problem.lengths))],
        grouped=grouped,
    )


def _trace(problem: GrowingProblem, row: int) -> TraceRecord:
    probes = problem.probes
    here = slice(int(probes.offsets[row]), int(probes.offsets[row + 1]))
    kinds = probes.answers[here]
    return TraceRecord(
        trace_id=row,
        num_tokens=int(problem.available[row]),
        answer=problem.answers[row],
        finish_reason=problem.finish_reasons[row],
        text=problem.texts[row],
        token_ends=problem.token_ends[row],
        token_signals={name: problem.token_signal(name).of(row) for name in problem.token_signals},
        probe_positions=probes.positions[here],
        probe_answers=[problem.class_text(kind) if kind >= 0 else None for kind in kinds.tolist()],
        asked=kinds != UNASKED,
        probe_signals={name: problem.probe_signal(name)[here] for name in problem.probe_signals},
        unfinished=not problem.ended[row],
    )
