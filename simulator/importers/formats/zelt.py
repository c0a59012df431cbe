"""zelt (PyPI `zelt-ai`): lengths, answers and probes with their certainty, without text.

A line of JSON is one trace: `{idx, question, gold, full_tokens, full_ans, full_correct, hit_max,
probes}`, each probe `{t, ans, gm, mean, minp, ent}`: tokens generated, answer, geometric mean, mean
and smallest probability of the answer's tokens, and the entropy of the first of them, in nats, over
the whole vocabulary. A probe without an answer has zeros for the probabilities, which are not known
then. Traces of the same `idx`, in any of the files, are those of one problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simulator.importers.formats.row_values import checked_probes, probe_numbers
from simulator.importers.gathering import About, Draft, gather
from simulator.importers.importer import (
    BadRow,
    ImportOptions,
    Reading,
    answer_text,
    checked,
    checked_verdict,
    refuse_map,
    storable,
    token_count,
)
from simulator.importers.items import ROW_SUFFIXES, Item, items_of
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import TraceRecord

VERSION = "1"

_KEYS = {"probe_mean": "mean", "probe_gmean": "gm", "probe_min": "minp", "probe_entropy": "ent"}
_OF_ANSWER = ("probe_mean", "probe_gmean", "probe_min")
_AGAIN = "give it as zelt records it"


def read(options: ImportOptions) -> Reading:
    """Read traces that zelt has recorded.

    Raises
    ------
    UserError
        `--map` is given, a file cannot be read, or a row is not as above.
    """
    refuse_map(options, "zelt")
    return gather(options, items_of(options, ROW_SUFFIXES), _Reader())


class _Reader:
    """Reader of rows; all but `notes` may raise `BadRow`."""

    def about(self, item: Item) -> About:
        """Read the problem."""
        row = checked(item.value, dict, "row is not an object", _AGAIN)
        gold, name = answer_text(row.get("gold"), "gold"), answer_text(row.get("idx"), "idx")
        if gold is None or name is None:
            raise BadRow("row without gold or idx", _AGAIN)
        question = checked(row.get("question"), str | None, "question is not a text", _AGAIN)
        # In order of their numbers, which are sorted as texts.
        name = f"{int(name):06d}" if name.isdecimal() else name
        return About(name, None if question is None else storable(question), gold)

    def parts(self, item: Item) -> Iterator[tuple[str, Any]]:
        """Yield the row, which is a trace."""
        yield item.where, item.value

    def draft(self, part: Any) -> Draft:
        """Read a trace with its probes."""
        num_tokens = token_count(part.get("full_tokens"), "full_tokens")
        probes = checked(part.get("probes"), list, "probes are not a list", _AGAIN)
        for probe in probes:
            checked(probe, dict, "probe is not an object", _AGAIN)
        values = {
            "probe_positions": [probe.get("t") for probe in probes],
            "probe_answers": [probe.get("ans") for probe in probes],
        }
        positions, answers = checked_probes(values, num_tokens)
        silent = np.array([answer is None for answer in answers or ()], dtype=np.bool_)
        signals = {}
        for name, key in _KEYS.items():
            numbers = probe_numbers([probe.get(key) for probe in probes], name)
            signals[name] = np.where(silent, np.nan, numbers) if name in _OF_ANSWER else numbers
        grade = part.get("full_correct")
        record = TraceRecord(
            trace_id=-1,
            num_tokens=num_tokens,
            answer=answer_text(part.get("full_ans"), "full_ans"),
            finish_reason="length" if part.get("hit_max") is True else "stop",
            probe_positions=positions,
            probe_answers=answers,
            probe_signals=signals,
            graded=None if grade is None else checked_verdict(grade, _AGAIN),
        )
        return Draft(record)

    def notes(self, accuracy: TokenAccuracy) -> list[str]:
        """Return nothing: all that a row has is stored."""
        return []
