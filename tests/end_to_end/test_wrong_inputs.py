"""Whatever is wrong ends in one line that names it and exit code 2, and changes nothing."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from checkout import ROOT
from pools import T, write_pool
from programs import call

from simulator.cli import main
from simulator.pools.pool import FORMAT, Pool

NAMES = ("--dataset", "a", "--model", "b", "--benchmark", "c")
ROW = {"problem_id": "p", "gold_answer": "1", "answer": "1", "num_tokens": 5}
SIGNALS = {"text.parquet", "probes.parquet", "confidence.parquet"}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", "cache")


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below `folder`, with what is in it."""
    paths = sorted(folder.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line that a call ends in; check that it leaves the directory unchanged."""
    before = tree(Path())
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main([*arguments])
    out, err = capsys.readouterr()
    lines: list[str] = err.splitlines()
    assert (exit_.value.code, out, len(lines)) == (2, "", 1), err
    assert lines[0].startswith("error: ")
    assert tree(Path()) == before
    return lines[0]


def pool_with_signals() -> Pool:
    def trace(tokens: int, answer: str) -> T:
        return T(tokens, answer, {2: answer}, "word " * tokens, [1.5] * tokens)

    return write_pool(Path("cache"), {"00": [trace(4, "1"), trace(6, "2")], "01": [trace(5, "1")]})


POLICY = """
from simulator import Policy

class Reader(Policy):
    requires = {"text", "probes", "confidence"}

    def solve(self, problem, sampler):
        traces = sampler.start(1)
        sampler.decode(traces, tokens=3)
        traces.text, traces.confidence(2), sampler.probe(traces)
        sampler.decode(traces)
        return traces.answer[0]
"""


@pytest.mark.parametrize(
    ("files", "arguments", "named"),
    [
        ({}, ("jsonl", "gone.jsonl"), ("gone.jsonl", "no such file")),
        ({"x.jsonl": ""}, ("jsonl", "x.jsonl"), ("x.jsonl", "export it again")),
        ({"x.json": ""}, ("scout", "x.json"), ("x.json", "empty", "export it again")),
        ({"x.eval": ""}, ("inspect", "x.eval"), ("x.eval",)),
        ({"x.parquet": ""}, ("jsonl", "x.parquet"), ("x.parquet", "export it again")),
        ({"x.json": '[{"question": "q'}, ("scout", "x.json"), ("x.json", "line 1", "truncated")),
        ({"x.jsonl": '{"answer": '}, ("jsonl", "x.jsonl"), ("line 1", "truncated")),
        ({"x.jsonl": json.dumps(ROW)}, ("jsonl", "x.jsonl", "x.jsonl"), ("x.jsonl", "twice")),
    ],
)
def test_files_that_cannot_be_imported(
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    arguments: tuple[str, ...],
    named: tuple[str, ...],
) -> None:
    for name, text in files.items():
        Path(name).write_text(text)
    line = refused(capsys, "import", *arguments, *NAMES)
    assert all(part in line for part in named), line


@pytest.mark.parametrize("value", [-1, 0, 1.5, float("nan"), float("inf"), 1e30, 2**31, "5", True])
@pytest.mark.parametrize("form", ["jsonl", "scout"])
def test_lengths_that_are_none(
    capsys: pytest.CaptureFixture[str], form: str, value: object
) -> None:
    if form == "jsonl":
        rows = [ROW, {**ROW, "num_tokens": value}]
        Path("x").write_text("\n".join(map(json.dumps, rows)))
        where = "x: line 2"
    else:
        branches = [[["1"], 700, "1"], [["1"], value, "1"]]
        problem = {"question": "q", "gold_answer": "1", "probe_freq": 500, "each_branch": branches}
        Path("x").write_text(json.dumps([problem]))
        where = "x: problem 0, branch 1"
        if value in (float("inf"),) or value != value:  # no JSON at all
            assert "is not JSON" in refused(capsys, "import", form, "x", *NAMES)
            return
    line = refused(capsys, "import", form, "x", *NAMES)
    assert where in line
    assert "--drop-bad-rows" in line


def test_a_row_without_an_answer_field(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [ROW, {key: value for key, value in ROW.items() if key != "answer"}]
    Path("x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    line = refused(capsys, "import", "jsonl", "x.jsonl", *NAMES)
    assert "x.jsonl: line 2: row without an answer field" in line


def test_two_pools_of_one_name(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.jsonl").write_text(json.dumps(ROW))
    Path("y.jsonl").write_text("{")
    with pytest.raises(SystemExit) as exit_:
        main(["import", "jsonl", "x.jsonl", *NAMES])
    assert exit_.value.code == 0
    line = refused(capsys, "import", "jsonl", "x.jsonl", *NAMES)
    assert "a/b/c" in line
    assert "--replace" in line
    refused(capsys, "import", "jsonl", "y.jsonl", *NAMES, "--replace")  # the old pool stays


@pytest.mark.parametrize("damage", ["cut", "emptied", "missing", "a folder", "another pool's"])
@pytest.mark.parametrize("name", ["problems", "traces", "classes", "text", "probes", "confidence"])
def test_a_damaged_file_of_a_pool(
    capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    Path("policy.py").write_text(POLICY)
    pool = pool_with_signals()
    file = pool.path / f"{name}.parquet"
    content = file.read_bytes()
    other = write_pool(Path("other"), {"00": [T(9, "3", {2: "3"}, "x" * 9, [2.5] * 9)]})
    file.unlink()
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "emptied":
        file.touch()
    elif damage == "a folder":
        file.mkdir()
    elif damage == "another pool's":
        file.write_bytes((other.path / file.name).read_bytes())
    for jobs in "12":
        line = refused(capsys, "run", "policy.py", "--repeats", "2", "-o", "out", "-j", jobs)
        assert str(file) in line
        assert "import" in line
    if damage != "another pool's":
        assert file.name in refused(capsys, "data", "show", "test/model/tiny")
        if damage != "missing" and file.is_file():
            line = refused(capsys, "import", "jsonl", str(file), *NAMES)
            assert str(file) in line


@pytest.mark.parametrize("name", ["text", "probes", "confidence"])
def test_a_damaged_page_is_noticed(capsys: pytest.CaptureFixture[str], name: str) -> None:
    Path("policy.py").write_text(POLICY)
    file = pool_with_signals().path / f"{name}.parquet"
    content = bytearray(file.read_bytes())
    column = pq.read_metadata(file).row_group(0).column(2)  # the first data column
    end = column.dictionary_page_offset or column.data_page_offset
    content[end + column.total_compressed_size - 1] ^= 0xFF
    file.write_bytes(content)
    line = refused(capsys, "run", "policy.py", "--repeats", "2", "-o", "out")
    assert str(file) in line


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda fields: fields.pop(key)


def with_(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda fields: fields.update(changes)


@pytest.mark.parametrize(
    "change",
    [
        with_(format=FORMAT + 1),
        with_(format=0),
        with_(format="1"),
        with_(problems=99),
        with_(traces=1),
        with_(tokens=2),
        with_(tokens="many"),
        with_(traces=None),
        with_(tokens=2**70),
        with_(signals="text"),
        with_(signals=["smell"]),
        with_(sha256=None),
        with_(sha256={}),
        with_(sha256={"traces.parquet": 5}),
        with_(dataset=5),
        with_(synthetic="no"),
        with_(token_accuracy="great"),
        with_(notes=[1]),
        with_(extra=1),
        without("model"),
        without("format"),
    ],
)
def test_a_pool_description_that_lies(
    capsys: pytest.CaptureFixture[str], change: Callable[[dict[str, Any]], object]
) -> None:
    file = pool_with_signals().path / "pool.json"
    fields = json.loads(file.read_text())
    change(fields)
    file.write_text(json.dumps(fields))
    for jobs in "12":
        line = refused(capsys, "run", "cons@1", "--repeats", "2", "-o", "out", "-j", jobs)
        assert str(file.parent) in line
        assert "import" in line or "upgrade" in line


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "5", "\N{LATIN SMALL LETTER Y}\xff"])
def test_a_pool_description_that_is_none(capsys: pytest.CaptureFixture[str], content: str) -> None:
    file = pool_with_signals().path / "pool.json"
    file.write_bytes(content.encode("latin-1"))
    assert str(file) in refused(capsys, "run", "cons@1", "-o", "out")
    assert "pool.json" in refused(capsys, "data", "show", "test/model/tiny")
    file.unlink()
    assert "pool.json is missing" in refused(capsys, "run", "cons@1", "-o", "out")


SOLVE = "from simulator import Policy\nclass A(Policy):\n    def solve(self, problem, sampler):\n"
BODY = (
    "from simulator import Policy\nclass A(Policy):\n    {}\n    def solve(self, *_): return None\n"
)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("class A(:\n", ("policy.py:1", "syntax error")),
        ("x = 1\n", ("policy.py", "simulator.Policy")),
        (SOLVE + "        pass\nclass B(A):\n    def solve(self, *_): pass\n", ("A, B", "@A")),
        ("import nowhere\n", ("policy.py:1", "nowhere")),
        ("raise RuntimeError('at import')\n", ("policy.py:1", "at import")),
        ("import sys\nsys.exit(0)\n", ("policy.py:2", "SystemExit")),
        ("raise BaseException('at import')\n", ("policy.py:1", "at import")),
        (BODY.format("x = 1 / 0"), ("policy.py:3", "ZeroDivisionError")),
        (BODY.format("def __init__(self): raise SystemExit(0)"), ("policy.py", "SystemExit")),
        (BODY.format("def validate(self): raise ValueError('m!')"), ("policy.py", "m!")),
        (BODY.format("requires = 'text'"), ("policy.py", "requires", "'probes'")),
        (BODY.format("requires = {'smell'}"), ("policy.py", "requires", "'probes'")),
        (BODY.format("requires = 5"), ("policy.py", "requires", "'probes'")),
        (BODY.format("budget = -3"), ("policy.py", "budget")),
        (BODY.format("budget = 2.5"), ("policy.py", "budget")),
        (BODY.format("thing = object()"), ("policy.py", "thing", "_thing")),
        (SOLVE + "        raise RuntimeError('a\\nb')\n", ("policy.py:4", "a b", "problem 0")),
        (SOLVE + "        import sys; sys.exit(0)\n", ("policy.py:4", "SystemExit")),
        (SOLVE + "        raise MemoryError\n", ("policy.py:4", "MemoryError")),
        (SOLVE + "        return 5\n", ("policy.py", "int 5", "majority_vote")),
        (SOLVE + "        return [1]\n", ("policy.py", "list", "majority_vote")),
        (SOLVE + "        return True\n", ("policy.py", "bool", "majority_vote")),
        (
            SOLVE + "        t = sampler.start(1)\n        sampler.stop(t)\n"
            "        sampler.decode(t)\n",
            ("policy.py:6", "stopped"),
        ),
        (SOLVE + "        sampler.start(99)\n", ("policy.py:4", "budget")),
    ],
)
def test_policies_that_are_wrong(
    capsys: pytest.CaptureFixture[str], source: str, named: tuple[str, ...]
) -> None:
    pool_with_signals()
    Path("policy.py").write_text(source)
    for jobs in "12":
        line = refused(capsys, "run", "policy.py", "--repeats", "2", "-o", "out", "-j", jobs)
        assert all(part in line for part in named), line


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("-p", "windw=3"), ("windw", "did you mean window")),
        (("-p", "window"), ("name=value",)),
        (("-p", "window=x"), ("window", "int")),
        (("-n", "3"), ("give -n 1 or less",)),
        (("--repeats", "99999999999"), ("--repeats",)),
        (("--step-seconds", ""), ("--step-seconds",)),
        (("-d", "tset/model/tiny"), ("did you mean test/model/tiny",)),
        (("-o", "file"), ("file: already exists",)),
        (("-o", "file/below"), ("file/below: cannot be written", "is a file")),
        (("-o", "x" * 300), ("shorter name",)),
        (("-o", "taken"), ("taken: already exists",)),
        (("-o", "begun"), ("begun.partial", "remove it")),
        (("--cache", "file"), ("file: a file",)),
        (("--cache", "file/below"), ("file: a file",)),
    ],
)
def test_arguments_that_are_wrong(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], named: tuple[str, ...]
) -> None:
    pool_with_signals()
    Path("file").write_text("content")
    Path("taken").mkdir()
    Path("taken/summary.json").write_text("{}")
    Path("begun.partial").mkdir()
    defaults = () if "-n" in arguments else ("-n", "1")
    line = refused(capsys, "run", "esc", "--repeats", "2", *defaults, *arguments)
    assert all(part in line for part in named), line


def limited(size: int, *arguments: str) -> str:
    """Return the one line that a call ends in if no file may be larger than `size` bytes."""
    before = tree(Path())

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = subprocess.run(
        [sys.executable, "-B", "-m", "simulator.cli", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert tree(Path()) == before
    return done.stderr


@pytest.mark.parametrize("size", [0, 600, 4000])
def test_an_import_that_cannot_be_written(size: int) -> None:
    rows = [{**ROW, "text": f"{number**9} " * 9} for number in range(500)]
    Path("x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    line = limited(size, "import", "jsonl", "x.jsonl", *NAMES)
    assert "cache/a/b/c: cannot be written (File too large); nothing was kept" in line


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("size", [0, 3000, 12_000])  # identity, parts, merged
def test_a_run_that_cannot_be_written(size: int, jobs: str) -> None:
    traces = [T(3 + number, str(number % 3)) for number in range(9)]
    write_pool(Path("cache"), {f"{number}": traces for number in range(30)})
    line = limited(size, "run", "cons@9", "--repeats", "30", "-o", "runs/out", "-j", jobs)
    assert "runs/out: cannot be written (File too large); nothing was kept" in line


@pytest.mark.parametrize("size", [0, 9000])
def test_the_first_pool_cannot_be_copied(capsys: pytest.CaptureFixture[str], size: int) -> None:
    with pytest.raises(AssertionError, match="no recorded pool in cache") as told:
        limited(size, "run", "cons@9", "-o", "out")  # told on a line of its own, then the error
    assert "cache/shipped/" in str(told.value)
    assert "cannot be written (File too large)" in str(told.value)
    assert not list(Path().glob("cache/*/*/*"))


def test_reports_follow_links_and_leave_devices_alone(capsys: pytest.CaptureFixture[str]) -> None:
    pool_with_signals()
    with pytest.raises(SystemExit):
        main(["run", "cons@1", "--repeats", "2", "-o", "out"])
    os.mkfifo("pipe")
    Path("link.md").symlink_to("real.md")
    Path("real.md").write_text("old")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(SystemExit):
        main(["report", "out", "--format", "csv", "-o", "pipe"])
    with pytest.raises(SystemExit):
        main(["report", "out", "-o", "link.md"])
    assert os.read(reader, 5) == b"pool,"
    os.close(reader)
    assert Path("pipe").is_fifo()
    assert Path("link.md").is_symlink()
    assert "cons@1" in Path("real.md").read_text()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_nothing_waits_for_a_pipe_or_follows_a_link_to_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pool = pool_with_signals()
    with pytest.raises(SystemExit):
        main(["run", "cons@1", "--repeats", "2", "-o", "out"])
    capsys.readouterr()
    os.mkfifo("pipe.py")
    Path("loop.py").symlink_to("loop.py")
    pipe = "it is a pipe; save its content to a file"
    assert f"pipe.py: cannot be read ({pipe})" in refused(capsys, "run", "pipe.py")
    assert "loop.py: cannot be read (Too many" in refused(capsys, "run", "loop.py")
    assert "pipe.py: cannot be written (No such device" in refused(
        capsys, "report", "out", "--format", "csv", "-o", "pipe.py"
    )
    for file in (Path("out/run.json"), Path("out/answers.parquet")):
        file.unlink()
        os.mkfifo(file)
    assert "out: no run here (run.json is missing)" in refused(capsys, "report", "out")
    file = pool.path / "pool.json"
    file.unlink()
    os.mkfifo(file)
    assert f"pool.json: cannot be read ({pipe})" in refused(capsys, "run", "cons@1")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize(
    "arguments", [("data", "sql", "--csv", "FROM traces"), ("data", "list"), ("methods",)]
)
def test_output_to_a_full_disk(arguments: tuple[str, ...]) -> None:
    pool_with_signals()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "simulator.cli", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "error: output: No space left on device; free space and retry\n"


@pytest.mark.parametrize(
    ("shell", "code"),
    [
        ("{cli} data sql --csv 'FROM traces a, traces b, range(9999)' | head -n 1", 0),
        ("{cli} data list >&-", 0),
        ("{cli} data list <&- >&- 2>&-", 0),
        ("{cli} run nowhere 2>&-", 2),
        ("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {cli} run ü.py --repeats 1 -o out", 0),
        ("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {cli} methods", 0),
        ("PYTHONIOENCODING=latin-1 {cli} methods", 0),
        ("mkdir gone && cd gone && rmdir ../gone && {cli} data sql 'FROM pools'", 0),
    ],
)
def test_odd_surroundings(shell: str, code: int) -> None:
    pool_with_signals()
    Path("ü.py").write_text(SOLVE + "        print('日本')\n", encoding="utf-8")
    done = subprocess.run(
        ["bash", "-c", shell.format(cli=f"{sys.executable} -m simulator.cli")],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DEEPPRUNE_SIM_CACHE": str(Path("cache").absolute()),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if code == 2:
        assert len(done.stderr.splitlines()) == (0 if "2>&-" in shell else 1)


def test_what_a_policy_prints_stays_out_of_the_results(capfd: pytest.CaptureFixture[str]) -> None:
    pool_with_signals()
    Path("loud.py").write_text(SOLVE + "        print('here I am')\n")
    for jobs in "12":
        with pytest.raises(SystemExit):
            main(["run", "loud.py", "--repeats", "2", "-o", f"out{jobs}", "-j", jobs, "--json"])
        out, err = capfd.readouterr()
        assert json.loads(out)["policy"] == "loud"
        assert err.splitlines().count("here I am") == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "cons@2", "--timeout", "nan"],
        ["run", "deepprune", "--judge-cost", "nan"],
        ["check", "cons@2", "--timeout", "nan"],
        ["report", "x", "--margin", "nan"],
        ["verify", ".", "--timeout", "NaN"],
        ["judge", "pairs", "-d", "x", "-o", "y", "--test-share", "nan"],
    ],
    ids=" ".join,
)
def test_nan_is_within_no_bounds(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert "is not a number" in refused(capsys, *arguments)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_prices_in_a_pipe_are_refused_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    pool_with_signals()
    assert call(capsys, "run", "cons@1", "--repeats", "1", "-o", "made")[0] == 0
    os.mkfifo("prices")
    assert "it is a pipe" in refused(capsys, "report", "made", "--prices", "prices")
