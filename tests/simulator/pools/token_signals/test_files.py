"""The two formats of token signals' files: the same values, in other bytes and row groups."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, write_pool

from simulator.errors import UserError
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool, read_info
from simulator.pools.token_signals import files
from simulator.pools.token_signals.converting import convert
from simulator.pools.token_signals.files import LISTS, as_lists, groups_of_problems, unpacked

NewFolder = Callable[[], Path]


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> NewFolder:
    return lambda: tmp_path_factory.mktemp("cache")


values = st.lists(
    st.one_of(
        st.integers(0, 65535).map(lambda n: n / 1000),
        st.floats(-100, 1e6, width=32, allow_subnormal=False),
    ),
    min_size=1,
    max_size=9,
)
thousandths = st.lists(st.integers(0, 65535).map(lambda n: n / 1000), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([values, thousandths]).flatmap(
        lambda each: st.lists(st.lists(each, min_size=1, max_size=5), min_size=1, max_size=3)
    ),
    st.integers(1, 20),
)
def test_values_come_back_from_both_formats_whatever_the_row_groups(
    new_folder: NewFolder, problems: list[list[list[float]]], tokens: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "GROUP_TOKENS", tokens)
        pool = write_pool(
            new_folder(),
            {
                f"{number}": [T(len(each), "1", confidence=each) for each in traces]
                for number, traces in enumerate(problems)
            },
        )
        packed, info = (pool.path / "confidence.parquet").read_bytes(), pool.info
        assert check_pool(pool.path) == []
        convert(pool.path, 1)
        listed = Pool(pool.path)
        assert (listed.info.format, info.format) == (1, 2)
        assert listed.info.fingerprint == info.fingerprint
        assert check_pool(listed.path) == []
        convert(pool.path, 2)
        assert (pool.path / "confidence.parquet").read_bytes() == packed
        assert read_info(pool.path) == info
        pool = Pool(pool.path)
        for number, traces in enumerate(problems):
            one, two = (each.problems[number].token_signal("confidence") for each in (pool, listed))
            for row, expected in enumerate(traces):
                found = one.of(row)
                assert found.tolist() == pytest.approx(expected, rel=1e-7)
                assert found.tobytes() == two.of(row).tobytes()
                assert one.stored(row, 2).tolist() == one.stored(row).tolist()[:2]
            rows = pool.read_signal("confidence", number, ["trace_id", "confidence"])
            assert rows["trace_id"].to_pylist() == [*range(len(traces))]
            stored = [each.tolist() for each in one]
            assert rows["confidence"].to_pylist() == stored


def test_a_row_group_ends_with_the_trace_that_fills_it_and_holds_no_two_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "GROUP_TOKENS", 5)
    lengths = {"a": [2, 2, 2, 9, 1], "b": [5], "c": [1, 1]}
    pool = write_pool(
        tmp_path,
        {
            name: [T(length, "1", confidence=[1.0] * length) for length in each]
            for name, each in lengths.items()
        },
    )
    footer = pq.read_metadata(pool.path / "confidence.parquet")
    rows = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    assert rows == [3, 1, 1, 1, 2]  # 6, 9 and 1 tokens; 5; 2
    groups = groups_of_problems(footer, [5, 1, 2])
    assert groups == [range(3), range(3, 4), range(4, 5)]
    for wrong in ([4, 2, 2], [5, 1], [5, 1, 3], [8]):
        fits = [sum(wrong[:n]) in (0, *accumulate(rows)) for n in range(len(wrong) + 1)]
        found = groups_of_problems(footer, wrong)
        assert (found is not None) == (all(fits) and sum(wrong) == 8)


def test_a_trace_is_plain_little_endian_bytes(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"a": [T(3, "1", confidence=[0.001, 0.256, 65.535])]})
    rows = pq.read_table(pool.path / "confidence.parquet").to_pylist()
    assert rows == [{"problem_id": "a", "trace_id": 0, "thousandths": b"\1\0\0\1\xff\xff"}]
    pool = write_pool(tmp_path, {"a": [T(2, "1", confidence=[-0.5, 70])]}, benchmark="wide")
    rows = pq.read_table(pool.path / "confidence.parquet").to_pylist()
    assert rows[0]["float32"] == bytes.fromhex("000000bf 00008c42")


def test_a_part_of_a_file_is_read_as_its_part() -> None:
    cells = pa.array([b"\1\0", b"", b"\2\0\3\0", b"\4\0"], pa.binary())
    for start in range(5):
        for end in range(start, 5):
            numbers, offsets = unpacked(
                pa.chunked_array([cells.slice(start, end - start)], pa.binary()), "thousandths"
            )
            expected = [[1], [], [2, 3], [4]][start:end]
            assert [numbers[a:b].tolist() for a, b in pairwise(offsets.tolist())] == expected


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("thousandths", b"\1\0\2", "a cell of thousandths ends within a number"),
        ("float32", b"\1\0\2\0\1\0", "a cell of float32 ends within a number"),
        ("float64", b"\1\0" * 8, "a column float64 of binary, which is no token signal"),
    ],
)
def test_other_columns_and_parts_of_numbers_are_no_token_signal(
    tmp_path: Path, column: str, cell: bytes, words: str
) -> None:
    pool = write_pool(tmp_path, {"a": [T(2, "1", confidence=[1, 2])]})
    file = pool.path / "confidence.parquet"
    keys = pq.read_table(file).drop_columns(["thousandths"])
    pq.write_table(keys.append_column(column, pa.array([cell], pa.binary())), file)
    with pytest.raises(UserError, match=words) as error:
        Pool(pool.path).problems[0].token_signal("confidence").of(0)
    assert str(error.value).startswith(f"{file}: cannot be read (")


def test_lists_are_left_as_they_are() -> None:
    for kind, schema in enumerate(LISTS["entropy"]):
        rows = pa.table([["a"], [0], [[1, 2]]], schema=schema)
        assert as_lists(rows, "entropy") is rows
        assert files.kind_of(schema, "entropy") == kind


def test_a_problem_is_read_without_the_others_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "GROUP_TOKENS", 4)
    trace = T(4, "1", confidence=[0.5, 65.535, 1.001, 20.25])
    pool = write_pool(tmp_path, {"a": [trace, trace], "b": [trace, trace]})
    file = pool.path / "confidence.parquet"
    footer, content = pq.read_metadata(file), bytearray(file.read_bytes())
    for group in (0, 3):  # a's first and b's second
        chunk = footer.row_group(group).column(2)
        start = chunk.data_page_offset
        content[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    file.write_bytes(content)
    first, second = (each.token_signal("confidence") for each in Pool(pool.path).problems)
    assert first.of(1).tolist() == second.of(0).tolist() == trace.confidence
    for values, row in ((first, 0), (second, 1)):
        with pytest.raises(UserError, match=r"confidence\.parquet: cannot be read"):
            values.of(row)
