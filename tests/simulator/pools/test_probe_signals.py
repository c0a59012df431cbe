"""Probe signals in a pool: written, read, hashed, checked, kept."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pools import T, write_pool

from simulator.errors import UserError
from simulator.importers.regrading import RegradeOptions, regrade
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool, read_info
from simulator.pools.token_signals.converting import convert

NAN = float("nan")
PROBES = {5: "1", 10: None}

BEFORE = "cd238e5c7ad7a26de4049a48e968fd757d4333326f7f8996307237d3580e76c2"
"""Fingerprint of a pool without probe signals, made by the version before there were any."""


def made(cache: Path, *numbers: float | None, signal: str = "probe_mean") -> Pool:
    """Write a pool of two problems, the first with these numbers, the other without probes."""
    traces = [T(12, "1", PROBES, confidence=[1.0] * 12, certainty={signal: numbers})]
    bare = T(3, "1", {}, confidence=[1.0] * 3, certainty={signal: []})
    return write_pool(cache, {"p": traces, "q": [bare, bare]})


def test_numbers_come_back_as_float32_and_null_as_nan(tmp_path: Path) -> None:
    pool = made(tmp_path, 0.1, None)
    assert pool.info.signals == ["confidence", "probes", "probe_mean"]
    first, second = pool.problems
    np.testing.assert_array_equal(first.probe_signal("probe_mean"), [np.float32(0.1), NAN])
    np.testing.assert_array_equal(
        first.probe_signal_table("probe_mean"), [[NAN, np.float32(0.1), NAN]]
    )
    assert second.probe_signal("probe_mean").tolist() == []
    assert np.isnan(second.probe_signal_table("probe_mean")).all()
    stored = pq.read_table(pool.path / "probe_mean.parquet")["probe_mean"]
    assert stored.to_pylist() == [[pytest.approx(0.1), None], [], []]
    assert check_pool(pool.path) == []


def test_a_pool_without_any_keeps_its_fingerprint_and_bytes(tmp_path: Path) -> None:
    trace = T(12, "1", PROBES)
    bare = write_pool(tmp_path / "bare", {"p": [trace]})
    told = write_pool(
        tmp_path / "told", {"p": [T(12, "1", PROBES, certainty={"probe_min": [0.5, 0.5]})]}
    )
    assert bare.info.fingerprint == BEFORE
    assert told.info.fingerprint != BEFORE
    for name, digest in bare.info.sha256.items():
        assert told.info.sha256[name] == digest
    assert told.info.content.keys() - bare.info.content.keys() == {"probe_min"}


def test_each_number_and_what_is_not_known_count_for_the_fingerprint(tmp_path: Path) -> None:
    pools = [
        made(tmp_path / str(number), *numbers)
        for number, numbers in enumerate([(0.5, None), (None, 0.5), (0.5, 0.5), (0.5, 0.25)])
    ]
    assert len({pool.info.fingerprint for pool in pools}) == 4
    assert made(tmp_path / "again", 0.5, None).info.fingerprint == pools[0].info.fingerprint
    other = made(tmp_path / "other", 0.5, None, signal="probe_min")
    assert other.info.fingerprint != pools[0].info.fingerprint


def tampered(pool: Pool, name: str, lists: list[list[float | None]]) -> list[str]:
    """Replace the numbers in a file, with its SHA-256 put right; return what is found."""
    file = pool.path / f"{name}.parquet"
    table = pq.read_table(file)
    column = pa.array(lists, table.schema.field(name).type)
    table = table.set_column(2, table.schema.field(name), column)
    with pq.ParquetWriter(file, table.schema) as writer:
        writer.write_table(table.slice(0, 1))
        writer.write_table(table.slice(1))
    about = json.loads((pool.path / "pool.json").read_text())
    about["sha256"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (pool.path / "pool.json").write_text(json.dumps(about))
    return check_pool(pool.path)


@pytest.mark.parametrize(
    ("lists", "finding"),
    [
        ([[0.5, 1.5], [], []], "trace ('p', 0): probe_mean is 1.5, not a possible number"),
        ([[0.5, -0.5], [], []], "trace ('p', 0): probe_mean is -0.5, not a possible number"),
        ([[0.5, NAN], [], []], "trace ('p', 0): probe_mean is nan, not a possible number"),
        ([[0.5], [], []], "trace ('p', 0): 1 values of probe_mean for 2 probes"),
        ([[0.5, 0.5], [], [0.5]], "trace ('q', 1): 1 values of probe_mean for 0 probes"),
    ],
)
def test_numbers_that_cannot_be_are_found(
    tmp_path: Path, lists: list[list[float | None]], finding: str
) -> None:
    assert tampered(made(tmp_path, 0.5, None), "probe_mean", lists) == [
        f"probe_mean.parquet: {finding}"
    ]


def test_another_possible_number_is_found_by_the_content(tmp_path: Path) -> None:
    (finding,) = tampered(made(tmp_path, 0.5, None), "probe_mean", [[0.5, 0.5], [], []])
    assert finding.startswith("probe_mean.parquet: its content is not the one")


def test_an_entropy_may_be_above_one_and_must_be_finite(tmp_path: Path) -> None:
    pool = made(tmp_path, 2.5, None, signal="probe_entropy")
    assert check_pool(pool.path) == []
    found = tampered(pool, "probe_entropy", [[2.5, float("inf")], [], []])
    assert found == [
        "probe_entropy.parquet: trace ('p', 0): probe_entropy is inf, not a possible number"
    ]


def test_fewer_numbers_than_probes_are_no_answer_to_a_replay(tmp_path: Path) -> None:
    pool = made(tmp_path, 0.5, None)
    tampered(pool, "probe_mean", [[0.5], [], []])
    with pytest.raises(UserError, match="not as many numbers as probes"):
        Pool(pool.path).problems[0].probe_signal("probe_mean")


def test_numbers_without_probes_are_not_checked_and_not_sound(tmp_path: Path) -> None:
    pool = made(tmp_path, 0.5, None)
    about = json.loads((pool.path / "pool.json").read_text())
    about["signals"].remove("probes")
    (pool.path / "pool.json").write_text(json.dumps(about))
    (pool.path / "probes.parquet").unlink()
    assert "probe_mean.parquet: not checked, for want of sound probes" in check_pool(pool.path)


def test_other_formats_and_grading_anew_keep_them(tmp_path: Path) -> None:
    pool = made(tmp_path, 0.5, None)
    before = (pool.path / "probe_mean.parquet").read_bytes()
    fingerprint = pool.info.fingerprint
    assert convert(pool.path, 1) is None
    assert read_info(pool.path).fingerprint == fingerprint
    regrade(pool.path, RegradeOptions())
    assert check_pool(pool.path) == []
    assert (pool.path / "probe_mean.parquet").read_bytes() == before
