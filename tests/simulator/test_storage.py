from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.errors import UserError
from simulator.storage import JsonObject, parquet_writer


def test_a_name_with_a_colon_is_a_file_and_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("judge:a=1").mkdir()
    table = pa.table({"number": [1, 2]})
    with parquet_writer(Path("judge:a=1/rows.parquet"), table.schema) as writer:
        writer.write_table(table)
    assert pq.read_table(tmp_path / "judge:a=1" / "rows.parquet").equals(table)


def _object(**fields: Any) -> JsonObject:
    def wrong(key: str, kind: Any, fields: Mapping[str, Any]) -> UserError:
        return UserError(f"{key}, of {sorted(fields)}, is not {kind}")

    return JsonObject(fields, wrong)


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        ("a", str, True),
        (1, str, False),
        (1, int, True),
        (True, int, False),
        (1.0, int, False),
        (1, float, True),
        (True, float, False),
        (None, str | None, True),
        (["a"], list[str], True),
        (["a", 1], list[str], False),
        ({"a": "b"}, dict[str, str], True),
        ({"a": None}, dict[str, str], False),
        ([{}], list[dict[str, Any]], True),
        ("exact", Literal["exact", "total"], True),
        ("rough", Literal["exact", "total"], False),
    ],
)
def test_a_field_of_another_type_is_refused(value: object, kind: Any, fits: bool) -> None:
    if fits:
        assert _object(key=value).get("key", kind) == value
    else:
        with pytest.raises(UserError, match=r"key, of \['key'\], is not "):
            _object(key=value).get("key", kind)


def test_a_whole_number_is_also_a_float_and_null_is_no_value() -> None:
    assert type(_object(key=-1).get("key", float)) is float
    assert _object(key=None).optional("key", int) is None
    assert _object().optional("key", int) is None
    with pytest.raises(UserError):
        _object(key=None).get("key", int)
    with pytest.raises(UserError):
        _object().get("key", int)


def test_bounds_are_of_numbers_and_of_lengths() -> None:
    fields = _object(number=7, text="abc", objects=[{}, {}])
    assert fields.get("number", int, 7, 7) == 7
    assert fields.get("text", str, most=3) == "abc"
    assert [each.fields for each in fields.objects("objects", 2)] == [{}, {}]
    for refused in (
        lambda: fields.get("number", int, 8),
        lambda: fields.get("number", int, most=6),
        lambda: fields.get("text", str, most=2),
        lambda: fields.objects("objects", 1),
        lambda: fields.object("objects"),
    ):
        with pytest.raises(UserError):
            refused()
