"""From pools to a trained judge and its figures, through the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from judged_pools import planted_pool
from tiny_models import make_causal_model

from simulator.cli import main


@pytest.fixture
def causal_model(tmp_path: Path) -> Path:
    return make_causal_model(tmp_path / "causal")


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(list(args))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_pairs_train_eval(
    tmp_path: Path, causal_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted_pool(tmp_path / "pools", "a", 8, 4)
    pairs, grid = str(tmp_path / "pairs"), str(tmp_path / "grid")
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("{trace_a} {trace_b} Yes or No?")
    code, out, _ = call(
        capsys,
        *("judge", "pairs", "-d", "*", "-o", pairs, "-t", "tokens=9,words=2"),
        *("--cache", str(tmp_path / "pools"), "--json"),
    )
    assert code == 0
    assert json.loads(out)["truncations"] == ["tokens=9", "words=2"]
    command = ["judge", "train", pairs, "hf", "--model", str(causal_model), "-o", grid]
    command += ["--prompt", str(prompt), "--loss", "cross-entropy,focal", "--oversample", "1,2"]
    command += ["--device", "cpu", "--format", "json", "--learning-rate", "1e-3"]
    code, out, err = call(capsys, *command)
    assert code == 0, err
    rows = json.loads(out[out.index("{\n") :])["rows"]
    assert [row["judge"] for row in rows] == [
        "tokens=9, cross-entropy",
        "tokens=9, cross-entropy, rarer x2",
        "tokens=9, focal",
        "tokens=9, focal, rarer x2",
    ]
    code, again, err = call(capsys, *command)
    assert json.loads(again[again.index("{\n") :])["rows"] == rows
    assert err.count("trained already") == 4
    code, out, _ = call(capsys, *(word for word in command if word not in ("--format", "json")))
    assert code == 0
    assert max(len(line) for line in out.splitlines() if not line.startswith("judge: ")) <= 80
    code, out, _ = call(capsys, *command, "--json")
    told = json.loads(out)
    assert told["comparison"]["rows"] == rows
    assert told["judges"][3] == {
        "name": "tokens=9, focal, rarer x2",
        "judge": f"hf:model={grid}/tokens-9-focal-x2",
        "path": f"{grid}/tokens-9-focal-x2",
    }
    judge = f"hf:model={grid}/tokens-9-focal-x2"
    code, out, err = call(capsys, "judge", "eval", pairs, judge, "lexical", "-t", "tokens=9")
    assert code == 0, err
    assert f"{rows[3]['auroc']['value']:.3f}\n" in out or f"{rows[3]['auroc']['value']:.3f} " in out
    code, out, _ = call(capsys, "judge", "eval", pairs, judge, "-t", "tokens=9", "--json")
    assert json.loads(out)["rows"][0]["auroc"] == rows[3]["auroc"]
    code, out, _ = call(capsys, "judge", "eval", pairs, judge, "-t", "tokens=9", "--format", "csv")
    (read,) = csv.DictReader(io.StringIO(out))
    assert (read["judge"], float(read["auroc"])) == (judge, rows[3]["auroc"]["value"])
    code, _, err = call(capsys, "judge", "eval", pairs, judge, "--json", "--format", "csv")
    assert (code, err) == (2, "error: --json and --format exclude each other; give one\n")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["judge", "eval", "nowhere", "lexical"], "not a set of pairs"),
        (["judge", "eval", "nowhere", "lexical", "--roc", "a.pdf"], "a .png or an .svg file"),
        (["judge", "train", "nowhere", "hf", "-o", "x"], "not a set of pairs"),
        (["judge", "pairs", "-d", "*", "-o", "x", "-t", "letters=5"], "give tokens=N or words=N"),
    ],
)
def test_wrong_inputs_are_one_line(
    args: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, *args)
    assert code == 2
    assert message in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
