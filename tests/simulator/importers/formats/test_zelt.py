"""What zelt has recorded becomes a pool with probes and their certainty."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool
from simulator.signals import PROBE_SIGNALS

REAL = "DEEPPRUNE_SIM_ZELT"
"""Environment variable with the path of zelt's recorded traces; else an installed zelt is used."""


def probe(t: int, ans: str | None, *numbers: float) -> dict[str, Any]:
    return {"t": t, "ans": ans, **dict(zip(("gm", "mean", "minp", "ent"), numbers, strict=True))}


ROWS = [
    {
        "idx": 10,
        "question": "Half of 1?",
        "gold": "0.5",
        "full_tokens": 100,
        "full_ans": r"\frac12",
        "full_correct": True,
        "hit_max": False,
        "probes": [probe(48, None, 0.0, 0.0, 0.0, 2.5), probe(96, "0.50", 0.5, 0.625, 0.25, 0.75)],
    },
    {
        "idx": 9,
        "question": "2+2?",
        "gold": 4,
        "full_tokens": 40,
        "full_ans": None,
        "full_correct": False,
        "hit_max": True,
        "probes": [],
    },
]


def load(folder: Path, *rows: dict[str, Any], **options: Any) -> ImportReport:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return imported(file, folder / "cache", **options)


def imported(file: Path, cache: Path, **options: Any) -> ImportReport:
    options = {"paths": (file,)} | options
    return import_pool(
        "zelt", ImportOptions(**options), cache=cache, dataset="d", model="m", benchmark="b"
    )


def test_rows_become_traces_with_probes_and_their_numbers(tmp_path: Path) -> None:
    report = load(tmp_path, *ROWS)
    assert report.signals == ["probes", *PROBE_SIGNALS]
    assert report.disagreements == []
    assert check_pool(report.path) == []
    first, second = Pool(report.path).problems
    assert (first.problem_id, second.problem_id) == ("000009", "000010")
    assert second.question == "Half of 1?"
    assert (first.lengths.tolist(), second.lengths.tolist()) == ([40], [100])
    assert (first.correct.tolist(), second.correct.tolist()) == ([False], [True])
    assert second.probes.positions.tolist() == [48, 96]
    assert second.probes.answers.tolist() == [-1, int(second.answer_class[0])]  # a half, too
    for name, value in [("probe_gmean", 0.5), ("probe_mean", 0.625), ("probe_min", 0.25)]:
        np.testing.assert_array_equal(second.probe_signal(name), [np.nan, value])
        assert first.probe_signal(name).tolist() == []
    assert second.probe_signal("probe_entropy").tolist() == [2.5, 0.75]
    reasons = [row["finish_reason"] for row in Pool(report.path).trace_rows(first)]
    assert reasons == ["length"]


def test_rows_of_one_number_are_traces_of_one_problem(tmp_path: Path) -> None:
    report = load(tmp_path, ROWS[0], ROWS[1], ROWS[0] | {"full_ans": "2", "full_correct": False})
    assert [len(each.lengths) for each in Pool(report.path).problems] == [1, 2]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"probes": [probe(48, "1", 1.5, 0.5, 0.5, 0.5)]}, "probe_gmean holds a number that is"),
        ({"probes": [probe(48, "1", 0.5, 0.5, -0.1, 0.5)]}, "probe_min holds a number that is"),
        ({"probes": [probe(101, "1", 0.5, 0.5, 0.5, 0.5)]}, "a probe after the trace's end"),
        ({"probes": [{"t": 48, "ans": "1", "gm": "high"}]}, "not a number"),
        ({"probes": [7]}, "probe is not an object"),
        ({"probes": None}, "probes are not a list"),
        ({"gold": None}, "row without gold or idx"),
        ({"full_tokens": "many"}, "full_tokens"),
        ({"full_correct": "perhaps"}, "grade is neither right nor wrong"),
    ],
)
def test_a_row_of_another_form_is_named(
    tmp_path: Path, changed: dict[str, Any], fault: str
) -> None:
    with pytest.raises(UserError, match=fault) as error:
        load(tmp_path, ROWS[0] | changed)
    assert "rows.jsonl: line 1" in str(error.value)
    assert not (tmp_path / "cache" / "d" / "m" / "b").exists()


def test_columns_cannot_be_mapped(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="zelt files have fixed fields; remove --map"):
        load(tmp_path, *ROWS, field_map={"answer": "full_ans"})


def recorded() -> Path | None:
    """Return the traces of zelt-ai 0.2.2, if they are at hand."""
    if REAL in os.environ:
        return Path(os.environ[REAL])
    found = find_spec("zelt")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "data" / "gsm8k_real_deepseek_r1.jsonl"


@pytest.mark.skipif(recorded() is None, reason=f"needs zelt-ai 0.2.2, or its traces in ${REAL}")
def test_the_traces_that_come_with_zelt_are_read_whole(tmp_path: Path) -> None:
    file = recorded()
    assert file is not None
    report = imported(file, tmp_path / "cache")
    assert (report.problems, report.traces, report.dropped) == (1319, 1319, {})
    assert check_pool(report.path) == []
    rows = sorted(map(json.loads, file.read_text().splitlines()), key=lambda row: row["idx"])
    assert report.tokens == sum(row["full_tokens"] for row in rows)
    graded = sum(row["full_correct"] for row in rows) - len(report.disagreements)
    problems = Pool(report.path).problems
    assert graded == sum(int(each.correct.sum()) for each in problems)
    for row, problem in zip(rows, problems, strict=True):
        said = [each["ans"] is not None for each in row["probes"]]
        assert (problem.probes.answers >= 0).tolist() == said
        means = np.array([each["mean"] for each in row["probes"]], dtype=np.float32)
        stored = problem.probe_signal("probe_mean")
        np.testing.assert_array_equal(stored, np.where(said, means, np.nan))
