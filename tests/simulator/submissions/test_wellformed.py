"""The first step: what is no submission is told in one line each, and harms nobody."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import socket
import stat
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from submitted import FIELDS, edit_json, found, statuses, submit, verified

from simulator.replay.recording import DECISIONS
from simulator.submissions.files import LIMITS, MAX_NAME, NAME, read_files
from simulator.submissions.metadata import check_metadata, metadata_toml, read_metadata
from simulator.submissions.packing import pack, slug_of, write_bundle
from simulator.submissions.strict_json import Refused, parse_object


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return submit(tmp_path_factory.mktemp("made"))


@pytest.fixture
def submission(tmp_path: Path, made: Path) -> Path:
    shutil.copytree(made.parent.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "submissions" / made.name


def form(submission: Path) -> list[str]:
    """Return the findings of the first step; check that the others are skipped."""
    verification = verified(submission)
    assert statuses(verification) == ["failed", "skipped", "skipped"]
    assert verification.badge is None
    return found(verification, "well-formed")


def test_what_was_packed_is_well_formed(submission: Path) -> None:
    assert statuses(verified(submission)) == ["passed", "passed", "skipped"]
    assert submission.name == "2026-01-31-a-method"


def test_every_missing_file_is_told(submission: Path) -> None:
    for name in ("policy.py", "answers.parquet"):
        (submission / name).unlink()
    assert form(submission) == ["policy.py: missing", "answers.parquet: missing"]


@pytest.mark.parametrize(
    "name", ["extra.py", ".git", "a\x1b[31m", "=1+1", "<b>", "Run.json", "run.json ", "a\u202eb"]
)
def test_other_files_are_refused_without_being_read(submission: Path, name: str) -> None:
    (submission / name).write_text("x")
    (finding,) = form(submission)
    assert finding == f"{name!a}: not a file of a submission; remove it"


def test_links_lead_nowhere(submission: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes((submission / "run.json").read_bytes())
    (submission / "run.json").unlink()
    (submission / "run.json").symlink_to(secret)
    assert form(submission) == [
        "run.json: a link, folder or device; a submission holds plain files"
    ]
    link = submission.with_name("2026-01-31-link")
    link.symlink_to(submission)
    assert "the submission is a link" in form(link)[0]
    up = submission.with_name("2026-01-31-up")
    up.symlink_to("..")
    assert "the submission is a link" in form(up)[0]


def test_pipes_devices_and_folders_are_not_opened(
    submission: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for make in (os.mkfifo, os.mkdir):
        (submission / "summary.json").unlink(missing_ok=True)
        make(submission / "summary.json")
        assert "summary.json: a link, folder or device" in form(submission)[0]
        (submission / "summary.json").rename(submission.parent / f"old-{make.__name__}")
    monkeypatch.chdir(submission)  # as a socket's path is short
    with socket.socket(socket.AF_UNIX) as service:
        service.bind("summary.json")
    assert "summary.json: a link, folder or device" in form(submission)[0]
    (submission / "summary.json").unlink()
    with suppress(PermissionError):  # only root makes devices
        os.mknod(submission / "summary.json", stat.S_IFCHR | 0o600, os.makedev(1, 5))
        assert "summary.json: a link, folder or device" in form(submission)[0]
        (submission / "summary.json").unlink()
    (submission / "summary.json").symlink_to("/dev/zero")
    assert "summary.json: a link, folder or device" in form(submission)[0]


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_a_file_of_1_gb_is_not_read(submission: Path, name: str) -> None:
    with (submission / name).open("wb") as file:
        file.truncate(1_000_000_000)
    assert f"{name}: 1,000,000,000 bytes, more than the {LIMITS[name]:,} allowed" in form(
        submission
    )


@pytest.mark.parametrize(
    "name", ["..", "2026-01-31-", "2026-1-31-x", "x", "2026-01-31-A_b", "a\nb"]
)
def test_a_name_is_a_date_and_a_slug(submission: Path, name: str) -> None:
    bundle = submission.parent / "b.zip"
    with zipfile.ZipFile(bundle, "w") as file:
        for each in submission.iterdir():
            file.write(each, f"b/{each.name}")
    assert form(bundle)[0] == "'b': not a submission's name, such as 2026-01-31-my-method"
    if "/" not in name and name != "..":
        assert "not a submission's name" in form(submission.rename(submission.parent / name))[0]


def test_the_name_has_the_date_of_the_metadata(submission: Path) -> None:
    moved = submission.rename(submission.with_name("2026-02-01-a-method"))
    assert form(moved) == ["submission.toml: date 2026-01-31 is not that of the name"]


# --- metadata


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("method", "<b>best</b>", "HTML or Markdown"),
        ("method", "<script>alert(1)</script>", "HTML or Markdown"),
        ("method", "\uff1cscript\uff1ealert(1)", "HTML or Markdown"),  # full-width brackets
        ("method", "&lt;b&gt;", "HTML or Markdown"),
        ("description", "see [here](javascript:alert(1))", "HTML or Markdown"),
        ("description", "see ![](https://example.org/pixel.png)", "HTML or Markdown"),
        ("description", "JavaScript : alert(1)", "HTML or Markdown"),
        ("method", '=cmd|"/c calc"!A1', "spreadsheet formula"),
        ("method", "+1", "spreadsheet formula"),
        ("method", "-1", "spreadsheet formula"),
        ("method", "@SUM(A1)", "spreadsheet formula"),
        ("method", "\uff1dSUM(A1)", "spreadsheet formula"),
        ("organisation", "a\x00b", "control or invisible"),
        ("organisation", "a\x1b[31mb", "control or invisible"),
        ("organisation", "a\u202eb", "control or invisible"),  # right to left from here
        ("organisation", "a\u200bb", "control or invisible"),
        ("method", "cons@512\u3164", "control or invisible"),  # a letter that is empty
        ("method", "\u2800", "control or invisible"),  # an empty Braille cell
        ("method", "cons\u034f@512", "control or invisible"),
        ("method", "cons@512\ufe0f", "control or invisible"),
        ("method", "cons\u200d@512", "control or invisible"),  # joins no letters there
        ("method", "a" + "\u0301" * 5, "control or invisible"),  # over the lines above
        ("description", "two\nlines", "control or invisible"),
        ("description", "two\u2028lines", "control or invisible"),
        ("method", " a", "begins or ends with a space"),
        ("method", "m" * 81, "81 characters, more than 80"),
        ("description", "m" * 1001, "1,001 characters, more than 1,000"),
        ("method", 7, "is not text"),
        ("method", ["a"], "is not text"),
        ("authors", "A. Author", "is not a list"),
        ("authors", ["a"] * 201, "is not a list"),
        ("authors", ["A", {"name": "B"}], "is not text"),
        ("authors", ["A", "<i>"], "HTML or Markdown"),
        ("date", "2026-01-31", "is not a day"),
        ("date", date(1999, 1, 1), "not between 2020 and today"),
        ("date", date.today() + timedelta(days=3), "not between 2020 and today"),
        ("paper", "javascript:alert(1)", "is not a link"),
        ("paper", "http://example.org", "is not a link"),
        ("paper", "https://user@example.org/", "is not a link"),
        ("paper", "https://example.org/ x", "is not a link"),
        ("paper", 'https://example.org/"onclick="x', "is not a link"),
        ("paper", "https://example.org/<x>", "is not a link"),
        ("paper", "https://example.org/a)[b](c", "is not a link"),
        ("paper", "https://localhost/", "is not a link"),
        ("paper", "https://example.org:99999/", "is not a link"),
        ("code", "data:text/html,x", "is not a link"),
        ("code", "https://example.org/" + "a" * 300, "is not a link"),
        ("code", 7, "is not a link"),
        ("homepage", "x", "no such key 'homepage'"),
        ("autors", ["x"], "did you mean authors?"),
    ],
)
def test_metadata_is_plain_text_and_plain_links(key: str, value: object, said: str) -> None:
    metadata, wrong = check_metadata({"format": 1, **FIELDS, key: value})
    assert metadata is None
    assert said in wrong[0]
    assert all(line.isascii() and len(line) < 300 for line in wrong)


@pytest.mark.parametrize(
    "text",
    [
        "p < 0.05, a > b & c",
        "Müller, 李, ‌فارسی",
        "O'Neil (x) [y]",
        "a-b + c = d",
        "C:\\x",
        "Việt nam, e\u0302\u0301, ക്\u200d",
    ],
)
def test_ordinary_texts_pass_and_come_back(text: str) -> None:
    fields = {"format": 1, **FIELDS, "description": f"A {text}"}
    metadata, wrong = check_metadata(fields)
    assert wrong == []
    assert metadata is not None
    assert read_metadata(metadata_toml(metadata).encode()) == (metadata, [])


@given(st.text(max_size=60))
def test_whatever_metadata_passes_comes_back_from_its_file(text: str) -> None:
    metadata, _ = check_metadata({"format": 1, **FIELDS, "description": text})
    if metadata is not None:
        assert read_metadata(metadata_toml(metadata).encode()) == (metadata, [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff", "not UTF-8 (byte 0)"),
        (b"format = 1\nmethod = ", "not TOML"),
        (b"format = 1\nmethod = 'a'\nmethod = 'b'", "not TOML"),
        (b"format = 1\nx = " + b"[" * 20_000, "nested too deep"),
        (b"format = 2", "newer than this program's 1"),
        (b"format = true", "the line format = 1 is missing"),
        (b"", "the line format = 1 is missing"),
        (b"format = 1\ndate = 2026-13-01", "not TOML"),
        (b"format = 1\nmethod = nan", "is not text"),
        (b"format = 1\nmethod = 0x" + b"f" * 20_000, "method: <int too large to be shown>"),
        (b"format = 0x" + b"f" * 20_000, "format <int too large to be shown> is newer"),
        (b"format = 1\nmethod" + b".a" * 90 + b" = 1", "is not text"),
        (b"format = 1\nmethod" + b".a" * 30_000 + b" = 1", "nested too deep"),
        (b"format = 1\nmethod" + b" . 'a' . \"b\"" * 5_000 + b" = 1", "nested too deep"),
        (b"format = 1\nmethod = {a" + b".a" * 5_000 + b" = 1}", "nested too deep"),
        (b"format = 1\n[a" + b".a" * 30_000 + b"]", "nested too deep"),
    ],
)
def test_toml_that_is_no_metadata_is_refused(content: bytes, said: str) -> None:
    metadata, wrong = read_metadata(content)
    assert metadata is None
    assert any(said in line for line in wrong)


def test_all_that_is_wrong_with_metadata_is_said_at_once() -> None:
    _, wrong = check_metadata({"format": 1, "method": "<b>", "paper": "x", "date": 7})
    assert [line.removeprefix("submission.toml: ").partition(" ")[0] for line in wrong] == [
        "authors",
        "description",
        "method:",
        "date:",
        "paper:",
    ]


# --- JSON


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1e400}', "'1e400' is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is too large"),
        (b'{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        (b'{"a": "\\ud800"}', "lone surrogate"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": ' * 100_000, "nested too deep"),
        (b'{"a": ' * 40 + b"1" + b"}" * 40, "nested more than 32 deep"),
        (b"[1]", "not a JSON object"),
        (b"", "not valid JSON"),
    ],
)
def test_json_that_readers_take_differently_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(Refused) as error:
        parse_object(content, "run.json")
    assert said in str(error.value)
    assert len(str(error.value)) < 200


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(max_size=9),
        lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    )
)
def test_ordinary_json_is_read_as_json_reads_it(value: Any) -> None:
    content = json.dumps({"value": value}).encode()
    assert parse_object(content, "x") == json.loads(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", -1),
        ("seed", True),
        ("seed", 1.5),
        ("repeats", 0),
        ("repeats", 10**9),
        ("repeats", "3"),
        ("pools", []),
        ("pools", {}),
        ("pools.0.name", "../../etc/passwd"),
        ("pools.0.name", "a/../b"),
        ("pools.0.name", "/etc/x/y"),
        ("pools.0.name", "*/*/*"),
        ("pools.0.budget", 10**8),
        ("pools.0.fingerprint", "x"),
        ("pools.0.token_accuracy", "perfect"),
        ("pools.0.synthetic", 0),
        ("policy", None),
        ("policy.class", "a b"),
        ("policy.class", "X; import os"),
        ("policy.name", "a\x1b[2J"),
        ("policy.file", "a\nb"),
        ("policy.source", "print()"),
        ("policy.settings", {"m": 3}),
        ("serving.step_seconds", [[1, -1]]),
        ("serving.step_seconds", [[2, 1], [1, 1]]),
        ("serving.clock_unit", "hours"),
        ("serving.concurrency", 0),
        ("judge", "lexical"),
        ("judge", {"unranked": True}),  # the run says that it is ranked
        ("format", 2),
        ("sweep", 12),
        ("sweep", {}),
        ("sweep", {"settings": 0}),
        ("sweep", {"settings": "12"}),
        ("sweep", {"settings": True}),
    ],
)
def test_a_run_of_a_wrong_kind_is_refused(submission: Path, path: str, value: object) -> None:
    def edit(run: Any) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        for part in parents:
            run = run[part]
        run[last] = value

    edit_json(submission / "run.json", edit)
    findings = form(submission)
    assert any(line.startswith(("run.json:", "summary.json:")) for line in findings)


@pytest.mark.parametrize("hiding", ["\u202e", "\u2066", "\r", "\x1b[8m", "\x08", "\u2028"])
def test_a_source_shows_its_readers_what_is_run(submission: Path, hiding: str) -> None:
    source = f"# one\n\f# two ‌فارسی\n# three {hiding}TABLE = {{}}\n"

    def edit(run: Any) -> None:
        sha256 = hashlib.sha256(source.encode()).hexdigest()
        run["policy"].update(source=source, sha256=sha256)

    edit_json(submission / "run.json", edit)
    (submission / "policy.py").write_bytes(source.encode())
    (finding,) = form(submission)
    assert finding.startswith(f"policy.py line 3: has {hiding[0]!a}, which can hide")


def test_the_policy_is_the_one_that_the_run_records(submission: Path) -> None:
    (submission / "policy.py").write_text("pass")
    assert form(submission) == ["policy.py: not the policy that run.json records"]


ODD: tuple[Any, ...] = (None, True, -1, 0.5, 10**18, "", "x", [], [[]], {}, {"pool": []})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values inside a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in [*pairs]:
        yield (*path, key)
        if isinstance(below, dict | list):
            yield from places(below, (*path, key))


@pytest.mark.parametrize("name", ["run.json", "summary.json"])
def test_whatever_a_field_is_made_into_verifying_goes_on(submission: Path, name: str) -> None:
    """Every field, replaced by what it should not be: told or harmless, never an exception."""
    original = json.loads((submission / name).read_text())
    rng = random.Random(0)
    for path in places(original):
        changed = json.loads(json.dumps(original))
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        before, inner[path[-1]] = inner[path[-1]], rng.choice(ODD)
        (submission / name).write_text(json.dumps(changed))
        verification = verified(submission)
        if name == "summary.json" and inner[path[-1]] != before:
            assert verification.failed, path


# --- Parquet


def bomb(file: Path, schema: pa.Schema, rows: int) -> None:
    """Make a small file with `rows` rows, all of them the same."""
    labels = {"pool": "test/model/tiny", "problem_id": "p", "stop_reason": "unused"}
    arrays = [
        pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), [labels[field.name]])
        if field.name in labels
        else pa.array([0]).cast(field.type)
        for field in schema
    ]
    one = pa.Table.from_arrays(arrays, schema=schema)
    table = one.take(pa.array([0] * 1_000_000))
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for _ in range(rows // 1_000_000):
            writer.write_table(table)


def test_more_rows_than_the_run_has_are_not_read(submission: Path) -> None:
    bomb(submission / "decisions.parquet", DECISIONS, 5_000_000)
    assert (submission / "decisions.parquet").stat().st_size < 2_000_000
    assert form(submission) == ["decisions.parquet: 5,000,000 rows, where the run has at most 36"]


def test_too_few_and_too_many_answers_are_told(submission: Path) -> None:
    table = pq.read_table(submission / "answers.parquet")
    pq.write_table(table.slice(0, 8), submission / "answers.parquet")
    assert form(submission) == ["answers.parquet: 8 rows, where the run has 9"]


def test_a_label_that_unfolds_to_a_gigabyte_is_not_read(submission: Path) -> None:
    file = submission / "decisions.parquet"
    table = pq.read_table(file)
    long = pa.DictionaryArray.from_arrays(
        pa.array([0] * len(table), pa.int32()), ["p" * 100_000_000]
    )
    table = table.set_column(1, table.schema.field(1), long)
    pq.write_table(table, file, compression="zstd")
    assert file.stat().st_size < 1_000_000
    (finding,) = form(submission)
    assert finding.startswith("decisions.parquet: row group 0")


def test_columns_of_other_types_are_refused(submission: Path) -> None:
    file = submission / "decisions.parquet"
    table = pq.read_table(file)
    nested: Any = [0]
    kind: pa.DataType = pa.int64()
    for _ in range(20):
        nested, kind = [nested], pa.list_(kind)
    deep = pa.array([nested] * len(table), pa.list_(kind))
    pq.write_table(table.append_column("deep", deep), file)
    assert form(submission)[0].startswith("decisions.parquet: columns are not those of a run")
    pq.write_table(table.drop_columns(["ended"]), file)
    assert form(submission)[0].endswith("ended is missing")
    place = table.schema.get_field_index("order")
    may_be_null = table.schema.set(place, table.schema.field(place).with_nullable(True))
    pq.write_table(table.cast(may_be_null), file)
    assert form(submission)[0].endswith("order is 'int32', not int32 not null")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 60 + b"PAR1", b"x" * 4096])
def test_what_is_no_parquet_is_refused(submission: Path, content: bytes) -> None:
    (submission / "answers.parquet").write_bytes(content)
    assert form(submission)[0].startswith("answers.parquet: not readable as Parquet")


def test_a_run_that_claims_too_much_is_refused(submission: Path) -> None:
    edit_json(submission / "run.json", lambda run: run.update(repeats=1_000_000))
    edit_json(submission / "summary.json", lambda each: each["pools"][0].update(problems=1000))
    assert "are more than a submission may have" in form(submission)[0]


# --- bundles


def bundle_of(submission: Path, entries: dict[str, bytes]) -> Path:
    bundle = submission.parent / f"{submission.name}.zip"
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as file:
        for each in submission.iterdir():
            file.write(each, f"{submission.name}/{each.name}")
        for name, content in entries.items():
            file.writestr(name, content)
    return bundle


def test_a_bundle_holds_what_the_folder_holds(submission: Path, tmp_path: Path) -> None:
    bundle = write_bundle(pack(tmp_path / "run-0", FIELDS), tmp_path)
    assert read_files(bundle) == read_files(submission)
    assert statuses(verified(bundle_of(submission, {}))) == ["passed", "passed", "skipped"]


@pytest.mark.parametrize("name", ["../evil.py", "/etc/cron.d/x", "a/../../b", "x", "run.json"])
def test_nothing_leaves_a_bundle(submission: Path, name: str) -> None:
    before = sorted(submission.parent.parent.rglob("*"))
    bundle = bundle_of(submission, {name: b"x"})
    assert "not a file of a submission" in form(bundle)[0]
    assert sorted(submission.parent.parent.rglob("*")) == sorted([*before, bundle])


def test_a_bundle_that_unfolds_to_a_gigabyte_is_not_unpacked(submission: Path) -> None:
    (submission / "run.json").unlink()
    bundle = bundle_of(submission, {f"{submission.name}/run.json": bytes(100_000_000)})
    assert bundle.stat().st_size < 1_000_000
    assert form(bundle) == ["run.json: 100,000,000 bytes, more than the 4,000,000 allowed"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_bundle_with_a_file_twice_is_refused(submission: Path) -> None:
    bundle = bundle_of(submission, {f"{submission.name}/run.json": b"{}"})
    assert form(bundle) == ["run.json: occurs twice"]


def test_a_damaged_bundle_is_told(submission: Path) -> None:
    bundle = bundle_of(submission, {})
    bundle.write_bytes(bundle.read_bytes()[:-30])
    assert form(bundle)[0].startswith("not a readable bundle")


@given(st.text(max_size=200))
def test_every_method_has_a_folder_name(method: str) -> None:
    name = f"2026-01-31-{slug_of(method)}"
    assert NAME.fullmatch(name)
    assert len(name) <= MAX_NAME
