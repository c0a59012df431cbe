from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.storage import parquet_writer


def test_a_name_with_a_colon_is_a_file_and_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("judge:a=1").mkdir()
    table = pa.table({"number": [1, 2]})
    with parquet_writer(Path("judge:a=1/rows.parquet"), table.schema) as writer:
        writer.write_table(table)
    assert pq.read_table(tmp_path / "judge:a=1" / "rows.parquet").equals(table)
