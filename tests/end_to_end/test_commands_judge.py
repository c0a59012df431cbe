"""From pools to a trained judge and its figures, through the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from judged_pools import planted_pool
from tiny_models import make_causal_model

from judges.pairs.pair_sets import make_pairs
from judges.prefixes import Truncation
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


def test_a_label_to_repeat_and_an_alpha_for_each_label(
    tmp_path: Path,
    causal_model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    pool = planted_pool(Path("pools"), "m", 4, 4)
    make_pairs([pool], Path("pairs"), [Truncation("tokens", 9)], test_share=0.0)
    Path("prompt.txt").write_text("{trace_a} {trace_b} Yes or No?")
    command = ["judge", "train", "pairs", "hf", "--model", str(causal_model), "-o", "judge"]
    command += ["--prompt", "prompt.txt", "--device", "cpu"]
    for wrong, message in (
        (["--oversample", "both=2"], "give whole numbers from 1 or different=N or same=N"),
        (["--alpha", "0.7:0.2:0.1"], "give a number, or two as A:B (different, same)"),
        (["--alpha", "0.7:0.3", "--class-weight", "balanced"], "are the same factors"),
        (["--class-weight", "2"], "give balanced, or A:B such as 3:1"),
    ):
        code, _, err = call(capsys, *command, *wrong)
        assert (code, err.count("\n")) == (2, 1)
        assert message in err
    code, _, err = call(capsys, *command, "--oversample", "different=2", "--alpha", "0.75:0.25")
    assert code == 0, err
    # Four problems of four traces: 13 of the 24 pairs differ, so that the rarer label is *same*.
    assert "trained on 24 pairs (13 different, 11 same; oversampled: different)" in err
    recipe = json.loads(Path("judge/training/training.json").read_text())["recipe"]
    assert (recipe["loss"], recipe["alpha"], recipe["class_weights"]) == ("focal", 1, [0.75, 0.25])
    assert (recipe["oversample"], recipe["oversample_label"]) == (2, "different")


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
