"""Progress in trackers, through the reporters of transformers."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from judged_pools import planted_pool

from judges.pairs.pair_sets import make_pairs
from judges.prefixes import TOKENS_500, Truncation
from judges.training.recipe import Recipe
from judges.training.reporting import Reporting, check_reporters
from simulator.cli import main
from simulator.errors import UserError

WRITER = """
import json

class SummaryWriter:
    def __init__(self, log_dir):
        print("logging to", log_dir)
        self.file = open("told.jsonl", "a")
    def add_text(self, name, text, *_):
        self.file.write(json.dumps(["text", name, text]) + "\\n")
    def add_scalar(self, name, value, step):
        self.file.write(json.dumps(["scalar", name, value, step]) + "\\n")
    def flush(self):
        self.file.flush()
    def close(self):
        self.file.close()
"""
"""A stand-in for the package tensorboardX, which is not installed where this is tested."""


@pytest.fixture
def _tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorboardX").mkdir()
    (tmp_path / "tensorboardX" / "__init__.py").write_text(WRITER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_tensorboard")
def test_losses_and_held_out_figures_are_reported_with_the_settings(tmp_path: Path) -> None:
    recipe = Recipe(TOKENS_500, learning_rate=0.125)
    record = {"kind": "hf", "recipe": recipe.as_dict()}
    with closing(
        Reporting(["tensorboard"], tmp_path / "j", record, recipe, main=True, cpu=True)
    ) as told:
        told.log(1, {"loss": 0.5, "learning_rate": 0.125})
        told.log(2, {"eval_auroc": 0.75, "eval_within": None})
    lines = [json.loads(line) for line in (tmp_path / "told.jsonl").read_text().splitlines()]
    assert [each[1:] for each in lines if each[0] == "scalar"] == [
        ["train/loss", 0.5, 1],
        ["train/learning_rate", 0.125, 1],
        ["eval/auroc", 0.75, 2],
    ]
    texts = {name: json.loads(text) for _, name, text in (each for each in lines if len(each) == 3)}
    assert texts["args"]["learning_rate"] == 0.125
    assert texts["model_config"]["judge"] == record


@pytest.mark.usefixtures("_tensorboard")
def test_a_reporter_that_reads_the_device_leaves_the_training_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reads(self: object, arguments: Any, *_: object, **named: object) -> None:
        seen.append(arguments.device.type)  # as those of trackio and W&B do

    seen: list[str] = []
    monkeypatch.setattr("transformers.integrations.TensorBoardCallback.on_log", reads)
    how = {"main": True, "cpu": True}
    with closing(Reporting(["tensorboard"], tmp_path / "j", {}, Recipe(TOKENS_500), **how)) as told:
        accelerator = Accelerator(cpu=True)
        told.log(1, {"loss": 0.5})
        assert (seen, accelerator.process_index) == (["cpu"], 0)


@pytest.mark.usefixtures("_tensorboard")
def test_other_processes_report_nothing(tmp_path: Path) -> None:
    recipe = Recipe(TOKENS_500)
    with closing(
        Reporting(["tensorboard"], tmp_path / "j", {}, recipe, main=False, cpu=True)
    ) as told:
        told.log(1, {"loss": 0.5})
    assert not (tmp_path / "told.jsonl").exists()


@pytest.mark.usefixtures("_tensorboard")
def test_what_reporters_print_is_no_result(
    tmp_path: Path, causal_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = planted_pool(tmp_path, "m", 4, 4)
    make_pairs([pool], tmp_path / "set", [Truncation("tokens", 9)], test_share=0.0)
    (tmp_path / "prompt.txt").write_text("{trace_a} {trace_b} Yes or No?")
    command = ["judge", "train", "set", "hf", "--model", str(causal_model), "-o", "j", "--json"]
    command += ["--prompt", "prompt.txt", "--device", "cpu", "--report-to", "tensorboard"]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["judges"][0]["path"] == "j"
    assert "logging to" in err


def test_unknown_and_missing_reporters_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="--report-to paper: give tensorboard, trackio, wandb"):
        check_reporters(["paper"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="trackio is not installed; pip install trackio"):
        check_reporters(["trackio"])
