"""Odd files of strangers: each ends in one line at once, and nothing is stored."""

from __future__ import annotations

import json
import math
import os
import pickle
import socket
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.pool import Pool

ROW = {"problem_id": "p", "gold_answer": "1", "answer": "1", "num_tokens": 2}

FORMATS = {
    "jsonl": "x.jsonl",
    "parquet": "x.parquet",
    "deepprune": "x.json",
    "scout": "x.json",
    "inspect": "x.eval",
    "openai": "x.jsonl",
    "lm-eval": "samples_x_2025-01-01T.jsonl",
    "deepconf": "deepthink_offline_qid0_rid0_x.pkl",
}

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


def import_file(folder: Path, path: Path, format_name: str = "jsonl", **how: Any) -> ImportReport:
    return import_pool(
        format_name,
        ImportOptions(paths=(path,), **how),
        cache=folder / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


def told(folder: Path, path: Path, format_name: str = "jsonl", **how: Any) -> str:
    """Return the error of an import, which has one line and leaves nothing."""
    with pytest.raises(UserError) as caught:
        import_file(folder, path, format_name, **how)
    assert not (folder / "cache").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write(folder: Path, text: str, name: str = "x.jsonl") -> Path:
    (folder / name).write_text(text)
    return folder / name


# Files that are none


@needs_pipes
@pytest.mark.parametrize("format_name", FORMATS)
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path, format_name: str) -> None:
    file = tmp_path / FORMATS[format_name]
    os.mkfifo(file)
    assert told(tmp_path, file, format_name) == (
        f"{file}: cannot be read (it is a pipe; save its content to a file)"
    )


@pytest.mark.parametrize("format_name", FORMATS)
def test_links_that_lead_to_themselves_or_nowhere_are_named(
    tmp_path: Path, format_name: str
) -> None:
    file = tmp_path / FORMATS[format_name]
    file.symlink_to(file.name)
    assert (
        told(tmp_path, file, format_name) == f"{file}: a link that leads to itself; give the file"
    )
    file.unlink()
    file.symlink_to("nowhere")
    assert told(tmp_path, file, format_name) == (
        f"{file}: a link to nowhere, which does not exist; correct it"
    )


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices")
@pytest.mark.parametrize("format_name", ["jsonl", "deepprune", "scout", "openai", "lm-eval"])
def test_devices_and_sockets_are_refused(tmp_path: Path, format_name: str) -> None:
    for device in ("/dev/zero", "/dev/null"):
        assert f"{device}: cannot be read (it is a device" in told(
            tmp_path, Path(device), format_name
        )
    for name in ("-", "/dev/stdin"):
        message = f"{name}: files are read more than once; save the input to a file first"
        assert told(tmp_path, Path(name), format_name) == message
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "x.json"))
        assert "it is a socket" in told(tmp_path, tmp_path / "x.json", format_name)


def test_a_file_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, json.dumps(ROW) + "\n")

    def grow(what: str, done: float) -> None:
        with file.open("a") as more:
            more.write(json.dumps(ROW) + "\n")

    for name in ("x.jsonl", "x.json"):
        file = write(tmp_path, json.dumps(ROW) + "\n", name)
    file = tmp_path / "x.jsonl"
    assert "it changed while it was read; wait until" in told(tmp_path, file, progress=grow)


@needs_pipes
def test_further_files_of_an_import_are_plain_too(tmp_path: Path) -> None:
    file = write(tmp_path, json.dumps(ROW))
    os.mkfifo(tmp_path / "pipe.jsonl")
    os.mkfifo(tmp_path / "tokenizer.json")
    gold = {"gold_file": str(tmp_path / "pipe.jsonl")}
    assert "pipe.jsonl: cannot be read (it is a pipe" in told(
        tmp_path, file, "openai", field_map=gold
    )
    tokenizer = str(tmp_path / "tokenizer.json")
    assert "tokenizer.json: cannot be read (it is a pipe" in told(
        tmp_path, file, tokenizer=tokenizer
    )


# Two of one name


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"problem_id": "p", "answer": "1", "gold_answer": "1", "answer": "2"}', 56),
        (r'{"problem_id": "p", "answer": "1", "\u0061nswer": "2"}', 36),
        ('{"problem_id": "p", "x": [{}, {"a": {"b": "{\\"b\\":", "c": [], "b": 2}}]}', 63),
    ],
)
def test_a_key_twice_in_a_row_is_named_with_its_place(
    tmp_path: Path, text: str, place: int
) -> None:
    file = write(tmp_path, json.dumps(ROW) + "\n" + text)
    assert f"line 2: column {place}: the key " in told(tmp_path, file)
    assert "occurs twice in an object; keep one, or leave such rows out" in told(tmp_path, file)
    report = import_file(tmp_path, file, drop_bad_rows=True)
    assert sum(report.dropped.values()) == 1


def test_a_key_twice_in_a_file_of_one_value_is_named_with_its_line(tmp_path: Path) -> None:
    text = '{"p": {"true_answer": "1", "traces": []},\n "p": {"true_answer": "2", "traces": []}}'
    file = write(tmp_path, text, "x.json")
    assert f"{file}: line 2, column 2: the key 'p' occurs twice" in told(
        tmp_path, file, "deepprune"
    )


def test_an_item_with_a_key_twice_can_be_left_out(tmp_path: Path) -> None:
    rows = [json.dumps(ROW), '{"problem_id": "p", "problem_id": "q"}']
    file = write(tmp_path, f"[{', '.join(rows)}]", "x.json")
    assert f"{file}: [1]: the key 'problem_id' occurs twice" in told(tmp_path, file)
    assert import_file(tmp_path, file, drop_bad_rows=True).traces == 1


def test_a_second_list_after_the_first_is_not_ignored(tmp_path: Path) -> None:
    file = write(tmp_path, f"[{json.dumps(ROW)}]\n[{json.dumps(ROW)}]", "x.json")
    assert "line 2, column 1: not JSON (Extra data)" in told(tmp_path, file)


@pytest.mark.parametrize("inside", [False, True])
def test_two_parquet_columns_of_one_name_are_refused(tmp_path: Path, inside: bool) -> None:
    columns = {name: pa.array([value]) for name, value in ROW.items()}
    twins = [pa.array([1]), pa.array([2])]
    if inside:
        fields = [pa.field("a", pa.int64())] * 2
        struct = pa.StructArray.from_arrays(twins, fields=fields)
        columns["x"] = pa.ListArray.from_arrays([0, 1], struct)
        table = pa.table(columns)
    else:
        names = [*columns, "x.a", "x.a"]
        table = pa.Table.from_arrays([*columns.values(), *twins], names=names)
    pq.write_table(table, tmp_path / "x.parquet")
    message = "x.parquet: 2 columns are named x.a; rename or remove all but one"
    assert message in told(tmp_path, tmp_path / "x.parquet", "parquet")


@pytest.mark.parametrize(
    ("name", "other", "value"),
    [
        ("answer", "Answer", "1"),  # even if equal here: in another row, they may differ
        ("problem_id", "problem-id", "p"),
        ("answer", "final_answer", "2"),
        ("num_tokens", "n_tokens", 7),
        ("gold_answer", "ground_truth", "2"),
    ],
)
def test_columns_that_may_mean_the_same_are_told_unless_mapped(
    tmp_path: Path, name: str, other: str, value: object
) -> None:
    file = write(tmp_path, json.dumps({**ROW, other: value}))
    assert f"line 1: {name} can be {name} or {other}; choose one with --map {name}={name}" in told(
        tmp_path, file
    )
    assert import_file(tmp_path, file, field_map={name: name}).traces == 1


def test_columns_that_say_the_same_are_no_question(tmp_path: Path) -> None:
    same = {"final_answer": "1", "n_tokens": None, "prompt": "?", "model": "x"}
    assert import_file(tmp_path, write(tmp_path, json.dumps(ROW | same))).traces == 1


def test_a_log_with_two_members_of_one_name_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.eval", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("header.json", "{}")
        archive.writestr("header.json", "{}")
    assert "holds 'header.json' twice" in told(tmp_path, tmp_path / "x.eval", "inspect")


# Numbers that are none


def confidences(value: float) -> dict[str, Callable[[Path], tuple[str, Path]]]:
    def rows(folder: Path) -> tuple[str, Path]:
        table = pa.table(
            {name: [each] for name, each in ROW.items()} | {"confidence": [[1, value]]}
        )
        pq.write_table(table, folder / "x.parquet")
        return "parquet", folder / "x.parquet"

    def pickled(confs: Any) -> Callable[[Path], tuple[str, Path]]:
        def make(folder: Path) -> tuple[str, Path]:
            trace = {"text": "", "num_tokens": 2, "confs": confs, "extracted_answer": "1"}
            file = folder / FORMATS["deepconf"]
            file.write_bytes(pickle.dumps({"ground_truth": "1", "all_traces": [trace]}, protocol=4))
            return "deepconf", file

        return make

    return {"column": rows, "list": pickled([1.0, value]), "array": pickled(np.array([1.0, value]))}


@pytest.mark.parametrize("source", ["column", "list", "array"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39, -1e300])
def test_token_signals_beyond_float32_are_refused_from_every_source(
    tmp_path: Path, source: str, value: float
) -> None:
    format_name, file = confidences(value)[source](tmp_path)
    assert f"({str(value) + ' at token 1'!r}); give one number per token" in told(
        tmp_path, file, format_name
    )


def test_answers_that_are_nan_count_as_none_and_are_told(tmp_path: Path) -> None:
    columns = {name: [value] * 2 for name, value in ROW.items()} | {"answer": [1.0, math.nan]}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    report = import_file(tmp_path, tmp_path / "x.parquet")
    assert "1 answers are NaN, which counts as none" in report.notes
    assert Pool(report.path).problems[0].answer_class.tolist() == [0, -1]


@pytest.mark.parametrize("name", ["answer", "gold_answer", "problem_id"])
def test_infinite_answers_are_refused(tmp_path: Path, name: str) -> None:
    text = json.dumps({key: value for key, value in ROW.items() if key != name})
    file = write(tmp_path, f'{text[:-1]}, "{name}": 1e999}}')
    assert f"line 1: {name} is infinite (inf)" in told(tmp_path, file)


@pytest.mark.parametrize("constant", ["NaN", "Infinity"])
def test_constants_that_are_not_json_are_refused_with_their_place(
    tmp_path: Path, constant: str
) -> None:
    file = write(tmp_path, f'[\n{json.dumps(ROW)},\n{{"answer": {constant}}}]', "x.json")
    assert f"[1]: {constant} is not JSON; write null" in told(tmp_path, file)
    file = write(tmp_path, f'{{"x": "NaN",\n "answer": {constant}, "traces": []}}', "x.json")
    assert f"line 2, column 12: {constant} is not JSON" in told(tmp_path, file, "deepprune")
