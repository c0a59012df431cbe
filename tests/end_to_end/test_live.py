"""`live` and `recording` as people use them, on a tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from programs import call
from tiny_models import make_causal_model

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
    lines = [{"id": f"p{n}", "question": f"{n} + 1?", "answer": str(n + 1)} for n in range(3)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "sums.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


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
    assert made == {"pool": "live/tiny/sums", "problems": 3, "traces": 18}
    assert call(capsys, "data", "verify")[:2] == (0, "live/tiny/sums: sound\n")
    run = ("run", "cons@6", "-d", "live/tiny/sums", "--repeats", "1", "--order", "stored")
    replayed = summary_of(capsys, *run)["pools"][0]["metrics"]
    assert replayed["tokens_per_problem"]["value"] == again["metrics"]["tokens"]["value"]
    assert replayed["clock"]["value"] == again["metrics"]["clock"]["value"]
    assert "in the order of the pool (--order stored)" in call(capsys, *run)[1].replace("\n", " ")
    (folder,) = [path.parent for path in Path("runs").glob("*/run.json")][:1]
    code, _, err = call(capsys, "submit", str(folder), "-o", "s", "--author", "A", "--name", "a")
    assert code == 2


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


def test_a_killed_run_goes_on(model: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live = ("live", "cons@6", "sums.jsonl", "--model", str(model), *OPTIONS, "-o", "rec")
    code = "import sys; from simulator.cli import main; main(sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *live],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    journal = Path("rec/traces/000.jsonl")
    deadline = time.monotonic() + 300
    while not (journal.exists() and journal.stat().st_size > 2000):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = journal.read_bytes()
    summary = summary_of(capsys, *live, "--check")
    assert (summary["differences"], summary["checked"]) == ([], True)
    whole = kept[: kept.rfind(b"\n") + 1]
    assert journal.read_bytes().startswith(whole)
    assert 0 < summary["generated"] < summary["revealed"]


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


def test_a_number_format_that_does_not_exist_is_one_line(
    model: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("live", "cons@6", "sums.jsonl", "--model", str(model), *OPTIONS, "--dtype", "float")
    code, _, err = call(capsys, *words)
    assert code == 2
    assert err.splitlines()[-1].startswith("error: --dtype float: use one of bfloat16, float16")
    assert not Path("recordings").exists()
