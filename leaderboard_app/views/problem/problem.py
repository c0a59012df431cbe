"""One replay of a problem: figures, sentences and tables around its picture, and traces' text."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from leaderboard_app.shown.table import Cell, Column, Table
from leaderboard_app.views.problem.replay import Replay, why_text
from simulator.arrays import Floats, Ints
from simulator.errors import UserError
from simulator.pools.pool import NO_ANSWER, StoredProblem
from simulator.signals import PROBE_SIGNALS
from simulator.storage import reading

LONG_TEXT = 4_000
"""Characters of a long text that are shown at its beginning, and as many at its end."""

STYLE = (
    "white-space:pre-wrap;overflow-wrap:anywhere;overflow:auto;max-height:32rem;"
    "font-family:var(--st-code-font,monospace);font-size:.8rem;padding:.6rem;"
    "border:1px solid var(--st-border-color,#80849555);border-radius:.4rem"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure above the picture: label, value, help, and the change against cons@N."""

    label: str
    value: str
    help: str
    change: str | None = None


@dataclass(frozen=True, slots=True)
class TraceText:
    """A trace's text: the generated part and the rest; `exact` is True if the cut is exact."""

    generated: str
    rest: str
    exact: bool


def facts(replay: Replay) -> list[Fact]:
    """Return the figures above the picture."""
    answer, budget = replay.answer, replay.result.budget
    tokens, baseline = int(answer["tokens"]), int(answer["baseline_tokens"])
    saved = 1 - tokens / max(baseline, 1)
    found = [
        Fact(
            "Tokens",
            f"{tokens:,}",
            "Tokens generated in this repeat over all traces, used or not.",
            f"{-saved:+.1%} vs cons@{budget}" if tokens != baseline else None,
        ),
        Fact(
            f"cons@{budget}",
            f"{baseline:,}",
            f"Tokens of all {budget} traces in full; its answer is "
            f"{'right' if answer['baseline_correct'] else 'wrong'}.",
        ),
        Fact(
            "Clock",
            f"{answer['clock']:,.6g}",
            f"Time at which the policy answered, in {replay.clock_unit}.",
        ),
        Fact(
            "Traces started",
            f"{answer['traces_started']:,}",
            f"Of at most {budget}, the budget.",
        ),
    ]
    counts = (
        ("probe_calls", "Probes", "Early answers requested from unfinished traces."),
        ("judge_calls", "Judge calls", "Pairs of traces that the judge scored."),
        ("clusters", "Clusters", "Clusters into which the policy sorted the traces."),
    )
    found += [
        Fact(label, f"{answer[key]:,}", help_) for key, label, help_ in counts if answer.get(key)
    ]
    return found


LONG_ANSWER = 200
"""Maximum number of characters of an answer in a sentence; tables show all of it."""


def quoted(answer: str) -> str:
    """Quote an answer for a sentence: on one line, of limited length."""
    line = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for each in " ".join(answer.split())
    )
    return f"'{line[:LONG_ANSWER]}…'" if len(line) > LONG_ANSWER else f"'{line}'"


def verdict(replay: Replay, shown: Callable[[str], str] = quoted) -> str:
    """Describe the entry's answer, the right one, and the result of cons@N in a sentence.

    `shown` writes an answer.
    """
    answer, budget = replay.answer, replay.result.budget
    given = answer["answer"]
    said = "gave no answer" if given is None else f"answered {shown(given)}"
    right = "right" if answer["correct"] else "wrong"
    gold = ""
    if replay.stored is not None:
        gold = f"; the right answer is {shown(replay.stored.problem.gold_answer)}"
    base = "right" if answer["baseline_correct"] else "wrong"
    return f"It {said}, which is {right}{gold}. cons@{budget} is {base}."


def neighbours(names: Sequence[str], name: str) -> tuple[str | None, str | None]:
    """Return the names before and after one; None at the ends, or if it is not among them."""
    if name not in names:
        return None, None
    around = [None, *names, None]
    return around[names.index(name)], around[names.index(name) + 2]


def trace_table(replay: Replay) -> Table:
    """Build the table of all started traces."""
    ends = [Cell(why_text(reason), reason) for reason in replay.reason]
    columns = [
        (Column("trace", "Trace", help="Id in the pool"), _numbers(replay.trace_id)),
        (
            Column("order", "Start order", help="Place in this repeat's order, from 0"),
            _numbers(np.arange(len(ends))),
        ),
        (
            Column("tokens", "Tokens", help="Tokens generated", descending=True),
            _numbers(replay.num_tokens),
        ),
        (Column("started", "From", help="Clock before the first step"), _numbers(replay.started)),
        (Column("ended", "To", help="Clock after the last step"), _numbers(replay.ended)),
        (Column("end", "End", numeric=False, help="Finished, or why it was cut"), ends),
    ]
    if replay.stored is not None:
        full = Column("length", "In full", help="Tokens of the whole trace")
        columns.insert(3, (full, _numbers(replay.stored.lengths[: len(ends)])))
        answer = Column("answer", "Answer in full", numeric=False, help="Answer of the whole trace")
        answers = replay.stored.answers[: len(ends)].tolist()
        columns.append((answer, [_answer(replay.stored.problem, said) for said in answers]))
    if replay.cluster is not None:
        cluster = Column("cluster", "Cluster", help="Assigned by the policy; −1: none")
        columns.append((cluster, _numbers(replay.cluster)))
    rows = zip(*(cells for _, cells in columns), strict=True)
    return Table("Traces of this replay", tuple(column for column, _ in columns), tuple(rows))


def _numbers(values: Ints | Floats) -> list[Cell]:
    return [_number(value) for value in values.tolist()]


def _known(values: Floats) -> list[Cell]:
    """Build the cells of numbers with three digits; one that is not known is a dash."""
    return [Cell() if math.isnan(each) else Cell(f"{each:.3g}", each) for each in values.tolist()]


def _answer(problem: StoredProblem, said: int) -> Cell:
    """Build the cell of an answer class; bold with a tick if it is right."""
    if said == NO_ANSWER:
        return Cell()
    text, right = problem.class_texts[said], bool(problem.class_correct[said])
    return Cell(f"✓ {text}" if right else text, text or None, bold=right, answers=(text,))


def _number(value: float) -> Cell:
    return Cell(f"{value:,.6g}" if isinstance(value, float) else f"{value:,}", value)


def trace_sentence(replay: Replay, place: int) -> str:
    """Describe one trace: its tokens, its end, its answer and its cluster."""
    tokens, reason = int(replay.num_tokens[place]), why_text(replay.reason[place])
    name = f"Trace {replay.trace_id[place]}, place {place} in start order:"
    if replay.stored is None:
        return f"{name} {tokens:,} tokens, {reason}."
    length = int(replay.stored.lengths[place])
    parts = [name, f"{tokens:,} of {length:,} tokens, {reason}."]
    said = int(replay.stored.answers[place])
    kind = replay.stored.kind(said)
    if said == NO_ANSWER:
        end = "gives no answer"
    else:
        text = replay.stored.texts[said]
        end = f"says {quoted(text)}, which is {'right' if kind.right else 'wrong'}"
    parts.append(f"It {end}." if replay.finished[place] else f"In full it {end}.")
    if replay.cluster is not None:
        number = int(replay.cluster[place])
        parts.append(f"It is in cluster {number}." if number >= 0 else "It is in no cluster.")
    return " ".join(parts)


def trace_text(replay: Replay, place: int) -> TraceText | None:
    """Return a trace's text, split where it was cut; None without text.

    If a pool stores only the number of tokens of a trace, the cut is in proportion.
    """
    if replay.stored is None or not replay.has("text"):
        return None
    problem, row = replay.stored.problem, int(replay.stored.rows[place])
    pool = problem.pool
    text, ends = _stored_text(pool.path, pool.info.fingerprint, problem.index, row)
    tokens, length = int(replay.num_tokens[place]), int(problem.lengths[row])
    if ends is None:
        end = len(text) * tokens // max(length, 1)
    else:
        end = int(ends[tokens - 1]) if tokens else 0
    return TraceText(text[:end], text[end:], ends is not None)


@lru_cache(maxsize=16)
def _stored_text(
    path: Path, fingerprint: str, problem: int, row: int
) -> tuple[str, Sequence[int] | None]:
    """Return a trace's text and the ends of its tokens, None if only their number is stored.

    Reads a few traces of the problem at a time and stops at this one: all of them take 200 MB.
    """
    how: dict[str, Any] = {"page_checksum_verification": True, "pre_buffer": False}
    with (
        reading(path / "text.parquet") as file,
        pq.ParquetFile(file, buffer_size=1 << 16, **how) as stored,
    ):
        before = 0
        for batch in stored.iter_batches(
            8, row_groups=[problem], columns=["text", "token_ends"], use_threads=False
        ):
            if row < before + len(batch):
                ends = batch["token_ends"][row - before]
                numbers = ends.values.to_numpy() if ends.is_valid else None
                return batch["text"][row - before].as_py(), numbers
            before += len(batch)
    raise UserError(f"{path / 'text.parquet'}: traces are missing; import the pool again")


def head_and_tail(text: str, most: int) -> tuple[str, int, str]:
    """Return a long text's beginning and end, and the number of characters left out between."""
    if len(text) <= 2 * most:
        return text, 0, ""
    return text[:most], len(text) - 2 * most, text[-most:]


def shortened_text(text: str, most: int | None) -> str:
    """Return a text, of which at most `most` characters at either end are kept; all for None."""
    if most is None:
        return text
    head, left_out, tail = head_and_tail(text, most)
    return f"{head}\n… {left_out:,} characters …\n{tail}" if left_out else head


def text_html(text: TraceText, most: int | None = LONG_TEXT) -> str:
    """Return a trace's text as HTML, fully escaped; the part not generated is grey, below a line.

    Of each part, at most `most` characters at either end are shown; None shows everything.
    """
    parts = ['<div role="region" aria-label="Text of the trace" tabindex="0" style="', STYLE, '">']
    cut = '<hr style="margin:.4rem 0"><em>cut here; not generated:</em>\n' if text.rest else ""
    for before, span, part in (
        ("", "<span>", text.generated),
        (cut, '<span style="opacity:.5">', text.rest),
    ):
        head, left_out, tail = (part, 0, "") if most is None else head_and_tail(part, most)
        parts += [before, span, escape(head)]
        if left_out:
            parts += [f"</span>\n<em>… {left_out:,} characters …</em>\n", span, escape(tail)]
        parts.append("</span>")
    return "".join([*parts, "</div>"])


def probe_table(replay: Replay, place: int) -> Table | None:
    """Build the table of a trace's probes and their answers; None without probes."""
    if replay.stored is None or not replay.has("probes"):
        return None
    problem = replay.stored.problem
    row, tokens = int(replay.stored.rows[place]), int(replay.num_tokens[place])
    here = slice(int(problem.probes.offsets[row]), int(problem.probes.offsets[row + 1]))
    positions, answers = problem.probes.positions[here], problem.probes.answers[here]
    told = [name for name in PROBE_SIGNALS if replay.has(name)]
    numbers = [_known(problem.probe_signal(name)[here]) for name in told]
    rows = [
        (
            _number(at),
            _answer(problem, said),
            *certainty,
            Cell("yes" if at <= tokens else "after the cut", str(at <= tokens)),
        )
        for at, said, *certainty in zip(positions.tolist(), answers.tolist(), *numbers, strict=True)
    ]
    columns = (
        Column("tokens", "At token"),
        Column("answer", "Answer", numeric=False, help="Answer if the trace is cut there"),
        *(Column(name, name, help=str(PROBE_SIGNALS[name])) for name in told),
        Column("reached", "Reached", numeric=False),
    )
    return Table(f"Probes of trace {replay.trace_id[place]}", columns, tuple(rows))
