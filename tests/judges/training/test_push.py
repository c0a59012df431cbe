"""Publishing a judge: its model card, the files, and the judge back from the Hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hub_commands import command
from hub_server import COMMIT, Hub, serving
from huggingface_hub import ModelCard
from judged_pools import planted_pool

from judges.kinds.models import JUDGE_FILE
from judges.kinds.prompting import Template
from judges.pairs.pair_sets import PairSet, make_pairs
from judges.prefixes import Truncation
from judges.training.card import model_card
from judges.training.recipe import Recipe
from simulator.errors import UserError

NAME = "me/planted-judge"

TEMPLATE = Template("Of {question}: {trace_a} ``` {trace_b}", system="Be brief.")

CUT = Truncation("tokens", 9)

ESTIMATE = {"value": 0.61234, "low": 0.5, "high": 0.7}


@pytest.fixture
def pairs(tmp_path: Path) -> PairSet:
    pool = planted_pool(tmp_path, "m", 4, 3)
    return make_pairs([pool], tmp_path / "set", [CUT], test_share=0.5)


@pytest.fixture
def judge(causal_model: Path, pairs: PairSet, tmp_path: Path) -> Path:
    """Make the folder of a judge as a training leaves it, without the training."""
    folder = tmp_path / "judge"
    shutil.copytree(causal_model, folder)
    (folder / "training").mkdir()
    template = {
        "text": TEMPLATE.text,
        "same": "Yes",
        "different": "No",
        "system": TEMPLATE.system,
        "tokenized": "parts",
    }
    judge = {"kind": "hf", "truncation": "tokens=9", "template": template}
    record = {
        "model": str(causal_model),
        "weights": "abc",
        "kind": "hf",
        "pairs": pairs.fingerprint,
        "template": template,
        "recipe": Recipe(CUT, class_weights=(3.0, 1.0)).as_dict(),
    }
    summary = {
        "pairs": pairs.info,
        "trained_on": {"different": 4, "same": 2},
        "repeated": "same",
        "held_out_problems": 0,
        "held_out_pairs": 0,
        "updates": 3,
        "kept_update": 2,
        "measured": [],
    }
    row: dict[str, Any] = {
        "judge": "mine",
        "truncation": "tokens=9",
        "model": "m",
        "unfinished": 1.0,
        "pairs": 6,
        "problems": 2,
        "same": 0.5,
        "auroc": ESTIMATE,
        "tnr": None,
        "within": ESTIMATE,
        "brier": 0.2,
        "calibration_error": ESTIMATE,
    }
    for name, content in (
        (JUDGE_FILE, judge),
        ("training/training.json", record),
        ("training/summary.json", summary),
        ("training/figures.json", {"rows": [row], "notes": ["A note."]}),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "training" / "checkpoint").mkdir()
    (folder / "training" / "checkpoint" / "model.safetensors").write_bytes(b"not to be published")
    return folder


def test_a_card_holds_recipe_data_figures_and_the_prompts_hash(
    judge: Path, pairs: PairSet, tmp_path: Path
) -> None:
    card = model_card(judge, NAME)
    text = ModelCard(card).text
    data: Any = ModelCard(card).data
    assert data.library_name == "transformers"
    assert data.base_model is None  # a folder of this machine
    found = {each.metric_type: each.metric_value for each in data.eval_results}
    assert found == {"auroc": 0.61234, "within_auroc": 0.61234}
    for line in (
        "| m | 2 | 6 | 50.0 | 0.612 [0.500, 0.700] | 0.612 [0.500, 0.700] | one label | 0.612 "
        "[0.500, 0.700] |",
        "A note.",
        f"SHA-256 `{TEMPLATE.sha256}`; labels `Yes` and `No`; tokenized: parts.",
        f"````\n{TEMPLATE.text}\n````",
        "Be brief.",
        "| class weights | 3.0:1.0 |",
        "| pairs trained on | 4 different, 2 same |",
        "| label oversampled | same |",
        "| updates | 3; kept: 2 |",
        f"Pairs `{pairs.fingerprint}`, split by problem, seed 0.",
        f"--judge hf:model={NAME}",
    ):
        assert line in text
    assert str(tmp_path) not in card
    (judge / "training" / "figures.json").unlink()
    assert "Not measured. `deepprune-sim judge eval PAIRS" in model_card(judge, NAME)
    with pytest.raises(UserError, match="give the folder of a judge that judge train made"):
        model_card(tmp_path / "set", NAME)


def test_a_judge_is_published_and_comes_back(judge: Path, pairs: PairSet, tmp_path: Path) -> None:
    token = "hf_abcdefghijkl"
    with serving(Hub(NAME, {}, lfs=True)) as hub:
        done = command(
            tmp_path, hub.url, "judge", "push", str(judge), NAME, "--private", token=token
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"judge: hf:model={NAME},revision={COMMIT}\n"
    assert done.stderr == ""
    assert [each["visibility"] for each in hub.created] == ["private"]
    (commit,) = hub.commits
    assert not commit.create_pr
    contents = {path: hub.stored[digest] for path, (digest, _) in commit.pointers.items()}
    assert contents == {"model.safetensors": (judge / "model.safetensors").read_bytes()}
    assert set(commit.files) == {
        *("README.md", "judge.json", "config.json", "generation_config.json"),
        *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
        *(f"training/{name}.json" for name in ("training", "summary", "figures")),
    }
    assert commit.files["README.md"].decode() == model_card(judge, NAME)
    # Its name on the Hub is the same judge as its folder.
    files = {**commit.files, **contents}
    with serving(Hub(NAME, files)) as hub:
        found = [
            command(tmp_path, hub.url, "judge", "eval", str(pairs.folder), spec, "--json")
            for spec in (f"hf:model={NAME}", f"hf:model={judge}")
        ]
    rows = []
    for each in found:
        assert each.returncode == 0, each.stderr
        (row,) = json.loads(each.stdout)["rows"]
        rows.append({name: value for name, value in row.items() if name != "judge"})
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("repository", "token", "said"),
    [
        ("me", "hf_abcdefghijkl", "me: not OWNER/NAME of a model repository"),
        (NAME, "", "no token for the Hub; log in with `hf auth login`"),
        ("you/theirs", "hf_abcdefghijkl", "refuses the token for you/theirs"),
    ],
)
def test_what_cannot_be_published_is_one_line(
    judge: Path, tmp_path: Path, repository: str, token: str, said: str
) -> None:
    with serving(Hub(NAME, {})) as hub:
        done = command(tmp_path, hub.url, "judge", "push", str(judge), repository, token=token)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hf_abcdefghijkl" not in done.stderr
    assert hub.commits == []
