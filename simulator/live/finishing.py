"""From a recording to a pool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from simulator.answers.equivalence import Classes
from simulator.errors import UserError
from simulator.live.growing import GrowingProblem
from simulator.live.recording import Recording
from simulator.pools.pool import NO_ANSWER, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter


def finish(
    recording: Recording,
    cache: Path,
    *,
    replace: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PoolInfo:
    """Write the traces of a recording as a pool; return its description.

    Traces keep their numbers and answers their classes, so that a replay in the stored order
    decides as the live run did.

    Raises
    ------
    UserError
        A trace has not come to its end, a probe is missing, a problem has no gold answer, or a pool
        of this name exists and `replace` is false.
    """
    info = recording.info
    info.source = str(recording.about["engine"])
    info.notes = [
        f"sampled live: {', '.join(f'{name} {value}' for name, value in recording.settings)}",
    ]
    count = len(recording.problems)
    with PoolWriter(cache, info, replace=replace) as writer:
        for number in range(count):
            with recording.opened(number, 0) as (problem, _):
                writer.add(_record(problem, recording))
            progress(number + 1, count)
    return writer.info


def _record(problem: GrowingProblem, recording: Recording) -> ProblemRecord:
    """Make the record of a problem, with the classes that live runs gave its answers."""
    name = f"{recording.folder}: problem {problem.problem_id}"
    if not problem.gold_answer:
        raise UserError(f"{name} has no answer; give it in the file of problems, and record again")
    if not len(problem.lengths):
        raise UserError(f"{name} has no traces; run a policy live with --complete")
    interval = recording.about["probe_interval"]
    open_rows = np.flatnonzero(~problem.ended)
    if len(open_rows):
        raise UserError(
            f"{name}: {len(open_rows)} of {len(problem.lengths)} traces have not come to their "
            "end; run a policy live with --complete"
        )
    last = (problem.lengths - 1) // interval
    traces = []
    for row, probes in enumerate(last.tolist()):
        positions = range(interval, probes * interval + 1, interval)
        missing = sum(not problem.is_probed(row, place) for place in positions)
        if missing:
            raise UserError(
                f"{name}: trace {row} lacks {missing} probes; run a policy live with --complete"
            )
        traces.append(
            TraceRecord(
                trace_id=row,
                num_tokens=int(problem.lengths[row]),
                answer=problem.answers[row],
                finish_reason=problem.finish_reasons[row],
                text=problem.texts[row],
                token_ends=problem.token_ends[row],
                token_signals={
                    signal: problem.token_signal(signal).of(row) for signal in problem.token_signals
                },
                probe_positions=np.array(positions),
                probe_answers=[problem.class_text(problem.probed(row, each)) for each in positions],
            )
        )
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
        traces,
        grouped=grouped,
    )
