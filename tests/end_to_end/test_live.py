"""`live` and `recording` as people use them, on a tiny model."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from completions_server import ModelServer, serving
from live_policies import write_policies
from pools import T, write_pool
from programs import call
from tiny_models import make_causal_model

from deepprune_sim import read_run
from simulator.catalogue.views import connect
from simulator.cli import main
from simulator.pools.pool import Pool
from simulator.signals import PROBE_SIGNALS

OPTIONS = (
    *("--engine", "transformers", "--dtype", "float32", "--max-tokens", "120", "-n", "6"),
    *("--temperature", "1.5", "--top-p", "1", "--probe-interval", "16"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_causal_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "cache"))
    write_sums(tmp_path)
    return tmp_path


def write_sums(folder: Path) -> None:
    lines = [{"id": f"p{n}", "question": f"{n} + 1?", "answer": str(n + 1)} for n in range(3)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "sums.jsonl").write_text(text, encoding="utf-8")


def summary_of(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = call(capsys, *words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_from_a_live_run_to_its_replay(
    model: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = ("live", "cons@6", "sums.jsonl", "--model", str(model), *OPTIONS)
    code, out, err = call(capsys, *live, "--complete", "--check")
    assert code == 0, err
    assert "live and replay: 0 tokens apart\nrecording: recordings/tiny-sums\n" in out
    again = summary_of(capsys, *live)
    assert (again["generated"], again["recording"]) == (0, "recordings/tiny-sums")
    assert again["revealed"] > 0

    code, out, _ = call(capsys, "recording", "show", "recordings/tiny-sums")
    assert [line.split()[:3] for line in out.splitlines()[2:]] == [
        [f"p{n}", "6", "6"] for n in range(3)
    ]
    made = summary_of(capsys, "recording", "finish", "recordings/tiny-sums")
    whole = {"unfinished": 0, "unasked": 0}
    assert made == {"pool": "live/tiny/sums", "problems": 3, "traces": 18, **whole}
    assert call(capsys, "data", "verify")[:2] == (0, "live/tiny/sums: sound\n")
    run = ("run", "cons@6", "-d", "live/tiny/sums", "--repeats", "1", "--order", "stored")
    replayed = summary_of(capsys, *run)["pools"][0]["metrics"]
    assert replayed["tokens_per_problem"]["value"] == again["metrics"]["tokens"]["value"]
    assert replayed["clock"]["value"] == again["metrics"]["clock"]["value"]
    assert "in the order of the pool (--order stored)" in call(capsys, *run)[1].replace("\n", " ")
    (folder,) = [path.parent for path in Path("runs").glob("*/run.json")][:1]
    code, _, err = call(capsys, "submit", str(folder), "-o", "s", "--author", "A", "--name", "a")
    assert code == 2


def test_a_policy_that_reads_certain_probes_runs_live_and_replays(
    model: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_policies(here)
    live = ("live", "certain.py", "sums.jsonl", "--model", str(model), *OPTIONS)
    ran = summary_of(capsys, *live, "--check")
    assert ran["differences"] == []
    assert ran["metrics"]["probe_tokens"]["value"] > 0
    assert summary_of(capsys, "recording", "finish", "recordings/tiny-sums")["unfinished"] > 0
    assert call(capsys, "data", "verify")[:2] == (0, "live/tiny/sums: sound\n")
    assert Pool(here / "cache/live/tiny/sums").info.signals[-4:] == [*PROBE_SIGNALS]
    run = summary_of(capsys, "run", "certain.py", *STORED, "-o", "again", "-n", "6")
    figures = run["pools"][0]["metrics"]
    assert figures["tokens_per_problem"]["value"] == ran["metrics"]["tokens"]["value"]
    decisions = pq.read_table("again/decisions.parquet")
    (folder,) = Path("recordings/tiny-sums/runs").iterdir()
    assert decisions.to_pylist() == pq.read_table(folder / "decisions.parquet").to_pylist()
    assert not all(decisions["finished"].to_pylist())

    about = json.loads(Path("recordings/tiny-sums/recording.json").read_text("utf-8"))
    about["signals"] = about["signals"][:4]  # as a version before wrote it
    Path("recordings/tiny-sums/recording.json").write_text(json.dumps(about), "utf-8")
    code, _, err = call(capsys, *live)
    assert (code, err.splitlines()[-1]) == (
        2,
        "error: recordings/tiny-sums: has no probe_entropy and no probe_gmean, which certain "
        "reads; an earlier version began it: give another -o",
    )


def test_a_profile_is_a_serving_model_of_runs(
    model: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--model", str(model), *OPTIONS, "--slots", "3")
    code, out, err = call(capsys, "live", "sums.jsonl", *options, "--profile", "tiny.json")
    assert code == 0, err
    assert [line.split()[:3] for line in out.splitlines()[2:5]] == [
        ["step", "of", size] for size in "123"
    ]
    assert out.endswith("profile: tiny.json\n")
    found = json.loads(Path("tiny.json").read_text(encoding="utf-8"))
    assert found["serving"]["concurrency"] == 3
    assert found["engine"]["name"] == "transformers"
    assert {sample["kind"] for sample in found["samples"]} == {"decode", "read", "probe"}

    summary_of(capsys, "live", "cons@6", "sums.jsonl", *options, "--complete")
    summary_of(capsys, "recording", "finish", "recordings/tiny-sums")
    run = ("run", "cons@6", "-d", "live/tiny/sums", "--repeats", "1", "--serving", "tiny.json")
    (pool,) = summary_of(capsys, *run)["pools"]
    assert pool["clock_unit"] == "seconds"
    assert pool["metrics"]["clock"]["value"] > 0
    (folder,) = [path.parent for path in Path("runs").glob("*/run.json")]
    recorded = json.loads((folder / "run.json").read_text(encoding="utf-8"))["serving"]
    assert {**found["serving"], "clock_unit": "seconds"} == recorded
    full = summary_of(capsys, *run, "--serving", "kv_tokens=200")["pools"][0]["metrics"]
    assert full["clock"]["value"] > pool["metrics"]["clock"]["value"]

    for words, said in (
        (("cons@6", "sums.jsonl", "--profile", "x.json"), "leave out the policy"),
        (("sums.jsonl", "--profile", "no/x.json"), "there is no such folder"),
        (("sums.jsonl",), "give a policy and a file of problems"),
    ):
        code, _, err = call(capsys, "live", *words, *options)
        assert (code, said in err.splitlines()[-1]) == (2, True), err


def test_a_pool_is_named_and_described(
    model: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = ("live", "cons@6", "sums.jsonl", "--model", str(model), *OPTIONS, "-o", "rec")
    assert call(capsys, *live, "--complete")[0] == 0
    (here / "s.toml").write_text("[deepconf-low]\nwindow = 8\nwarm_up = 2\n")
    finish = ("recording", "finish", "rec")
    named = ("--dataset", "d", "--model", "m", "--benchmark", "b", "--probe-cost", "8+3")
    told = ("--source", "here", "--licence", "CC0-1.0", "--note", "one", "--note", "two")
    made = summary_of(capsys, *finish, *named, *told, "--settings", "s.toml")
    assert made["pool"] == "d/m/b"
    info = Pool(Path("cache/d/m/b")).info
    assert (info.source, info.licence, info.notes[1:]) == ("here", "CC0-1.0", ["one", "two"])
    assert info.probe_cost == {"suffix": 8, "answer": 3}
    assert info.settings == {"deepconf-low": {"window": "8", "warm_up": "2"}}
    assert "deepconf-low -p window=8 -p warm_up=2" in call(capsys, "data", "show", "d/m/b")[1]
    (here / "s.toml").write_text("[deepconf-low]\nwindows = 8\n")
    code, _, err = call(capsys, *finish, "--settings", "s.toml")
    assert code == 2
    assert "s.toml: " in err
    assert "windows" in err
    (here / "s.toml").write_text("window = 8\n")
    code, _, err = call(capsys, *finish, "--settings", "s.toml")
    assert code == 2
    assert "s.toml: not a TOML file with a table for each method" in err


FEW = ("parallel-probe", "-p", "interval=16", "-p", "warm_up=1", "-p", "patience=1")
"""A policy that halts most traces before their ends, and asks few probes."""

STORED = ("-d", "live/tiny/sums", "--repeats", "1", "--order", "stored")


@pytest.fixture(scope="module")
def recorded(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Record a live run that does not finish its traces; return the recording and the summary."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        patch.chdir(folder)
        write_sums(folder)
        with pytest.raises(SystemExit):
            main(["live", *FEW, "sums.jsonl", "--model", str(model), *OPTIONS, "--check", "--json"])
    return folder / "recordings", json.loads(out.getvalue())


@pytest.fixture
def unfinished(recorded: tuple[Path, Any], here: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Make a pool of that recording; return the run's summary and the pool's counts."""
    folder, summary = recorded
    assert summary["differences"] == []
    shutil.copytree(folder, here / "recordings")
    made = summary_of(capsys, "recording", "finish", "recordings/tiny-sums")
    assert (made["problems"], made["traces"]) == (3, 18)
    assert made["unfinished"] > 0
    return summary | made


@pytest.mark.parametrize("how", [(), ("--in-process",), ("-j", "2"), ("--concurrency", "4")])
def test_what_was_recorded_is_replayed_without_the_ends(
    how: tuple[str, ...], unfinished: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "data", "verify")[:2] == (0, "live/tiny/sums: sound\n")
    run = summary_of(capsys, "run", *FEW, *STORED, "-o", "again", "-n", "6", *how)
    (entry,) = run["pools"]
    assert entry["unfinished"] == unfinished["unfinished"]
    assert "no_answer" not in run or run["no_answer"] == {}
    figures, live = entry["metrics"], unfinished["metrics"]
    assert figures["accuracy"] == live["accuracy"]
    assert figures["tokens_per_problem"]["value"] == live["tokens"]["value"]
    assert figures["probe_tokens"]["value"] == live["probe_tokens"]["value"]
    needs_ends = {"reduction", "accuracy_difference", "cost_reduction", "gold_survived"}
    assert not needs_ends & {*figures}
    assert not [name for name in figures if "baseline" in name]
    if "--concurrency" in how:
        return  # a clock of its own
    (folder,) = Path("recordings/tiny-sums/runs").iterdir()
    for name in ("decisions", "answers"):
        ran, again = (pq.read_table(each / f"{name}.parquet") for each in (folder, Path("again")))
        assert again.to_pylist() == ran.to_pylist()


def test_what_was_not_recorded_is_refused(
    unfinished: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "run", "cons@6", *STORED)
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert (code, out) == (2, "")
    assert re.fullmatch(
        r"error: pool live/tiny/sums, problem p\d: trace \d was generated up to \d+ tokens, and "
        "this goes past; run the policy live first, and finish the recording again",
        line,
    )
    for words, said in [
        (("run", "oracle", *STORED), "the oracle can only replay traces that have all"),
        (("run", *FEW, "-p", "stable_steps=1,2", *STORED), "and a sweep needs their ends"),
        (("run", *FEW, *STORED[:4], "--charging", "scout"), "--charging scout needs their ends"),
        (("run", *FEW, "-d", "*"), "replay it by itself (-d live/tiny/sums)"),
        (("check", "cons@6", "-d", "live/tiny/sums"), "traces of live/tiny/sums are unfinished"),
        (("data", "regrade", "live/tiny/sums"), "traces of live/tiny/sums are unfinished"),
    ]:
        call(capsys, "data", "sample")
        code, _, err = call(capsys, *words)
        assert (code, said in err.splitlines()[-1]) == (2, True), err
    write_pool(Path("cache"), {"p": [T(40, "1", {16: "1", 32: "1"})] * 6})
    code, _, err = call(capsys, "run", *FEW, "--repeats", "1")
    assert code == 0, err
    assert "traces of live/tiny/sums are unfinished; name it with -d" in err


def test_figures_that_need_ends_are_not_shown(
    unfinished: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    count = str(unfinished["unfinished"])
    (pool,) = summary_of(capsys, "data", "list")["pools"]
    assert (pool["unfinished"], pool["no_answer"]) == (unfinished["unfinished"], None)
    listed = call(capsys, "data", "list")[1]
    assert "unfinished" in listed
    assert f"  {count}  " in listed
    shown = call(capsys, "data", "show", "live/tiny/sums")[1]
    assert f"{count} of 18 traces of live/tiny/sums are unfinished: pass@k" in shown
    assert "redundancy" not in shown
    assert summary_of(capsys, "data", "show", "live/tiny/sums")["facts"] is None
    answers = summary_of(capsys, "data", "answers", "live/tiny/sums")["problems"]
    assert sum(each["traces"] for each in answers) == 18 - unfinished["unfinished"]

    code, out, err = call(capsys, "run", *FEW, *STORED, "-n", "6", "-o", "runs/mine")
    assert code == 0, err
    assert f", {count} traces unfinished" in out.replace("\n", " ")
    assert "against cons@6" not in out
    mine = read_run("runs/mine")
    assert repr(mine) == (
        f"run: runs/mine; {count} traces of live/tiny/sums are unfinished; .summary() has its "
        "figures"
    )
    assert "accuracy" in mine.summary().index.get_level_values("metric")
    code, _, err = call(capsys, "report", "runs/mine")
    assert code == 2
    assert f"{count} traces of live/tiny/sums are unfinished, so that nothing compares" in err
    code, _, err = call(capsys, "submit", "runs/mine", "-o", "s", "--method", "M")
    assert code == 2
    assert f"{count} traces of live/tiny/sums are unfinished; submit a run on whole traces" in err
    with connect(Path("cache"), Path("runs")) as catalogue:
        assert catalogue.rows("FROM runs") == []
        (broken,) = catalogue.broken
        assert "are unfinished, so that it cannot be compared" in broken.reason


def test_showing_a_recording_writes_nothing(
    unfinished: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("recordings/tiny-sums")
    journal = folder / "traces" / "002.jsonl"
    journal.unlink()
    with (folder / "traces" / "001.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"trace": 0, "at"')  # being written just now

    def written() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    before = written()
    code, out, _ = call(capsys, "recording", "show", str(folder))
    assert code == 0
    assert out.splitlines()[-1].split() == ["p2", "0", "0", "0", "-"]
    assert written() == before
    code, _, err = call(capsys, "recording", "finish", str(folder), "--replace")
    assert code == 2
    assert err.splitlines()[-1].endswith("problem p2 has no traces; run a policy live")


def killed(live: tuple[str, ...], journal: Path) -> bytes:
    """Run a command until it has recorded something, and kill it; return the whole lines."""
    code = "import sys; from simulator.cli import main; main(sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *live],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 300
    try:
        while not (journal.exists() and journal.stat().st_size > 2000):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = journal.read_bytes()
    return kept[: kept.rfind(b"\n") + 1]


def test_a_killed_run_goes_on(model: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live = ("live", "cons@6", "sums.jsonl", "--model", str(model), *OPTIONS, "-o", "rec")
    journal = Path("rec/traces/000.jsonl")
    whole = killed(live, journal)
    summary = summary_of(capsys, *live, "--check")
    assert (summary["differences"], summary["checked"]) == ([], True)
    assert journal.read_bytes().startswith(whole)
    assert 0 < summary["generated"] < summary["revealed"]


def test_a_model_behind_a_server(
    model: Path,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-to-be-kept")
    with serving(ModelServer(model, key="not-to-be-kept")) as server:
        named = ("--model", "tiny", "--tokenizer", str(model), "--base-url", server.url)
        live = ("live", "cons@6", "sums.jsonl", *named, *OPTIONS[4:], "-o", "rec")
        journal = Path("rec/traces/000.jsonl")
        whole = killed(live, journal)
        begun = [asked for asked in server.asked if asked.body["max_tokens"] > 2]
        summary = summary_of(capsys, *live, "--check")
    assert (summary["differences"], summary["checked"]) == ([], True)
    assert journal.read_bytes().startswith(whole)
    assert 0 < summary["generated"] < summary["revealed"]
    assert any(asked.left.is_set() for asked in begun)  # the killed run's
    for file in Path("rec").rglob("*.json*"):
        assert "not-to-be-kept" not in file.read_text(encoding="utf-8")
    assert server.url not in Path("rec/recording.json").read_text(encoding="utf-8")


def test_a_server_without_log_probabilities_is_said(
    model: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(ModelServer(model, logprobs=False)) as server:
        named = ("--model", "tiny", "--tokenizer", str(model), "--base-url", server.url)
        code, _, err = call(capsys, "live", "cons@2", "sums.jsonl", *named, "--max-tokens", "9")
        assert code == 0
        assert "gives no log-probabilities: the recording has no confidence and entropy" in err
        code, _, err = call(
            capsys, "live", "deepconf-low", "sums.jsonl", *named, "--max-tokens", "9"
        )
    assert code == 2
    assert err.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engine", "server"), "--engine server: give the server's address, --base-url http://"),
        (
            ("--engine", "transformers", "--base-url", "http://127.0.0.1:1/v1"),
            "--base-url: only for --engine server, and this is --engine transformers",
        ),
        (("--engine", "vllm", "--tokenizer", "gpt2"), "--tokenizer: only for --engine server"),
        (("--base-url", "http://127.0.0.1:1/v1"), "--base-url http://127.0.0.1:1/v1: no answer"),
    ],
)
def test_options_of_servers(
    options: tuple[str, ...], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "live", "cons@6", "sums.jsonl", "--model", "tiny", *options)
    assert code == 2
    assert err.splitlines()[-1].startswith(f"error: {said}")
    assert not Path("recordings").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cons@6", "none.jsonl"), "none.jsonl"),
        (("cons@6", "bad.jsonl"), "bad.jsonl:2: no question; give it as question or problem"),
        (("cons@6", "twice.jsonl"), "twice.jsonl: two problems with the id '1'"),
        (("nothing", "sums.jsonl"), "nothing: neither a built-in method nor a .py file"),
        (("esc", "sums.jsonl", "-p", "window=1,2"), "-p window: give one value"),
        (("cons@7", "sums.jsonl"), "-n 6: the name cons@7 already sets the budget"),
        (("oracle", "sums.jsonl"), "the oracle can only replay"),
    ],
)
def test_errors_are_one_line(
    words: tuple[str, ...],
    said: str,
    model: Path,
    here: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("bad.jsonl").write_text('{"question": "1?"}\n{"answer": "1"}\n', encoding="utf-8")
    twice = '{"id": 1, "question": "1?"}\n' * 2
    Path("twice.jsonl").write_text(twice, encoding="utf-8")
    code, out, err = call(capsys, "live", *words, "--model", str(model), *OPTIONS)
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert (code, out, len(errors)) == (2, "", 1)
    assert said in errors[0]


def test_a_model_that_cannot_be_loaded_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    code, _, err = call(capsys, "live", "cons@6", "sums.jsonl", "--model", "empty", *OPTIONS)
    assert code == 2
    assert err.splitlines()[-1].startswith("error: --model empty: ")
    assert not Path("recordings").exists()


def test_the_folder_is_checked_before_a_model_is_loaded(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("taken").mkdir()
    Path("taken/file").write_text("", encoding="utf-8")
    for folder in ("taken", "sums.jsonl"):
        words = ("live", "cons@6", "sums.jsonl", "--model", "none", *OPTIONS, "-o", folder)
        code, _, err = call(capsys, *words)
        assert code == 2
        assert err == f"error: {folder}: there already, and not a recording; give another -o\n"


def test_a_number_format_that_does_not_exist_is_one_line(
    model: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("live", "cons@6", "sums.jsonl", "--model", str(model), *OPTIONS, "--dtype", "float")
    code, _, err = call(capsys, *words)
    assert code == 2
    assert err.splitlines()[-1].startswith("error: --dtype float: use one of bfloat16, float16")
    assert not Path("recordings").exists()
