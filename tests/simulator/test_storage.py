from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import UserError
from simulator.storage import (
    AmbiguousJsonError,
    JsonObject,
    is_locked,
    locked,
    parquet_writer,
    parse_json,
    read_plain,
    read_plain_text,
    read_versioned,
)


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


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


@given(VALUES)
def test_strict_json_reads_what_json_reads(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value


@given(st.lists(VALUES, max_size=3), st.text(), VALUES, st.booleans())
def test_a_key_twice_is_found_wherever_it_is(
    before: list[Any], key: str, value: Any, escaped: bool
) -> None:
    name = json.dumps(key, ensure_ascii=escaped)
    start = f"{json.dumps(before)[:-1]}{',' if before else ''}\n{{{name}: {json.dumps(value)}, "
    with pytest.raises(AmbiguousJsonError, match="occurs twice") as caught:
        parse_json(f"{start}{json.dumps(key)}: 1}}]")
    column = len(start.rpartition("\n")[2]) + 1
    assert str(caught.value).startswith(f"line {start.count(chr(10)) + 1}, column {column}: ")


def test_constants_are_admitted_if_asked_for() -> None:
    assert parse_json('{"a": Infinity}', nan=True) == {"a": float("inf")}
    with pytest.raises(AmbiguousJsonError, match=r"^line 1, column 7: Infinity is not JSON"):
        parse_json('{"a": Infinity}')


def test_a_text_is_read_as_python_reads_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a\r\nb\rc\n")
    assert read_plain_text(tmp_path / "a") == (tmp_path / "a").read_text()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_descriptions_are_read_from_plain_files_alone(tmp_path: Path) -> None:
    file = tmp_path / "pool.json"
    os.mkfifo(file)
    with pytest.raises(OSError, match="it is a pipe"):
        read_plain(file)
    with pytest.raises(UserError, match=r"pool.json: cannot be read \(it is a pipe"):
        read_versioned(file, "a pool", 1, "make it again")
    file.unlink()
    for text, message in (
        ('{"format": 1, "format": 1}', "the key 'format' occurs twice"),
        ('{"format": 1, "x": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "recursion"),
    ):
        file.write_text(text)
        with pytest.raises(UserError, match=message):
            read_versioned(file, "a pool", 1, "make it again")


def test_a_lock_holds_off_others_until_it_ends_and_leaves_no_file(tmp_path: Path) -> None:
    target = tmp_path / "x"
    inside, order = threading.Event(), []

    def refused(holder: str) -> UserError:
        return UserError(f"taken{holder}")

    def wait() -> None:
        inside.set()
        with locked(target, refused, wait=True):
            order.append("waited")

    with locked(target, refused) as held:
        assert held
        assert is_locked(target)
        with (
            pytest.raises(UserError, match=rf"^taken \(pid {os.getpid()}\)$"),
            locked(target, refused),
        ):
            raise AssertionError
        waiting = threading.Thread(target=wait)
        waiting.start()
        inside.wait()
        order.append("first")
    waiting.join()
    assert order == ["first", "waited"]
    assert not is_locked(target)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_left_by_a_killed_process_holds_nobody_off(tmp_path: Path) -> None:
    (tmp_path / ".x.lock").write_text("1")
    with locked(tmp_path / "x", lambda holder: UserError(holder)) as held:
        assert held
