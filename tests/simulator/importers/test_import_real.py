"""Real recorded traces import to the totals that a plain sum over their JSON gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checkout import SHARED
from real_pools import SCOUT, needs_scout, scout

from simulator.importers.import_pool import ImportReport, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool

DATA = SHARED / "data"
AUTOTTS = DATA / "autotts"
EPOCH = DATA / "epoch_otis_mock_aime"
GEMMA = DATA / "gemma4_mmlu_pro"

EPOCH_MODELS = {
    "claude-3-7-sonnet-20250219": (1_050_431, 5),
    "gemini-2.0-flash-001": (1_186_729, 0),
    "gpt-4o-2024-11-20": (687_990, 7),
    "grok-2-1212": (1_184_134, 3),
    "o3-mini-medium": (5_176_160, 8),
    "phi-4": (831_522, 10),
    "qwen2.5-72b-instruct": (690_057, 1),
}
"""Output tokens of each log, and how many of the grader's verdicts ours differ from.

All 34 were read, and each time the grading model erred: it took 5 for wrong where the gold answer
is written 005, 432 for wrong where it is 432, or another number (once, no answer at all) for right.
"""


def needs(folder: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not folder.is_dir(), reason=f"needs the recorded traces in {folder}")


def import_real(format_name: str, folder: Path, *paths: Path, **options: Any) -> ImportReport:
    return import_pool(
        format_name,
        ImportOptions(paths=paths, **options),
        cache=folder,
        dataset="real",
        model="model",
        benchmark="benchmark",
    )


@needs_scout
@pytest.mark.parametrize(
    ("benchmark", "tokens", "late_probes"),
    [("aime24", 54_638_727, 805), ("aime25", 67_458_644, 626)],
)
def test_scout(
    tmp_path_factory: pytest.TempPathFactory, benchmark: str, tokens: int, late_probes: int
) -> None:
    _, report = scout(benchmark, tmp_path_factory)
    assert (report.problems, report.traces, report.tokens) == (30, 3840, tokens)
    assert (report.token_accuracy, report.signals) == ("total", ["probes"])
    assert report.notes == [f"{late_probes} probes past their trace's last token were left out"]

    items = json.loads((SCOUT / f"{benchmark}.json").read_text())
    assert tokens == sum(branch[1] for item in items for branch in item["each_branch"])
    for item, problem in zip(items, Pool(report.path).problems, strict=True):
        branches = item["each_branch"]
        assert problem.lengths.tolist() == [branch[1] for branch in branches]
        # Gold answers are integers here, so that integers can be graded without any mathematics.
        gold = int(item["gold_answer"])
        for branch, right, kind in zip(
            branches, problem.correct, problem.answer_class, strict=True
        ):
            assert (kind == -1) == (branch[2] == "ERR")
            if branch[2].isdecimal():
                assert right == (int(branch[2]) == gold)
        kept = [min(len(branch[0]), branch[1] // 500) for branch in branches]
        assert problem.probes.offsets.tolist() == [sum(kept[:n]) for n in range(len(kept) + 1)]
        assert (problem.probes.positions % 500 == 0).all()


@needs(AUTOTTS)
@pytest.mark.parametrize("name", [path.stem for path in sorted(AUTOTTS.glob("*.json"))])
def test_autotts_as_its_program_counts(tmp_path: Path, name: str) -> None:
    path = AUTOTTS / f"{name}.json"
    report = import_real("scout", tmp_path, path, equality="exact", unparsed="vote")
    items = json.loads(path.read_text())
    assert (report.problems, report.traces, report.signals) == (30, 3840, ["probes"])
    assert report.tokens == sum(branch[1] for item in items for branch in item["each_branch"])
    pool = Pool(report.path)
    for item, problem in zip(items, pool.problems, strict=True):
        branches = item["each_branch"]
        right = [branch[2] == item["gold_answer"] for branch in branches]
        assert problem.correct.tolist() == right
        # Two traces are of one class exactly if they have the same string, ERR among them.
        texts, classes = [branch[2] for branch in branches], problem.answer_class.tolist()
        pairs = {*zip(texts, classes, strict=True)}
        assert len(pairs) == len({*texts}) == len({*classes})
        assert (problem.answer_class >= 0).all()
    assert check_pool(report.path) == []


@needs(EPOCH)
@pytest.mark.parametrize("model", EPOCH_MODELS)
def test_epoch(tmp_path: Path, model: str) -> None:
    tokens, disagreements = EPOCH_MODELS[model]
    report = import_real("inspect", tmp_path, EPOCH / model)
    assert (report.problems, report.traces, report.tokens) == (45, 720, tokens)
    assert (report.token_accuracy, report.signals) == ("estimated", ["text"])
    assert len(report.disagreements) == disagreements

    header = json.loads((EPOCH / model / "header.json").read_text())
    summaries = json.loads((EPOCH / model / "summaries.json").read_text())
    assert tokens == header["stats"]["model_usage"][header["eval"]["model"]]["output_tokens"]
    problems = {problem.problem_id: problem for problem in Pool(report.path).problems}
    graded = 0
    for item in summaries:
        problem = problems[item["id"]]
        score = item["scores"]["model_graded"]
        assert problem.texts[item["epoch"] - 1] == score["answer"]
        assert problem.gold_answer == item["target"]
        graded += (score["value"] == "C") != problem.correct[item["epoch"] - 1]
    assert graded == disagreements
    assert len({problem.lengths.sum() for problem in problems.values()}) > 1


@needs(GEMMA)
def test_gemma(tmp_path: Path) -> None:
    files = sorted(GEMMA.glob("*/traces.jsonl"))
    report = import_real(
        "jsonl",
        tmp_path,
        *files,
        field_map={
            "problem_id": "question_id",
            "gold_answer": "answer",
            "answer": "generated_answer",
            "text": "raw_response",
            "num_tokens": "generated_token_count",
        },
    )
    texts = [file.read_text(encoding="utf-8") for file in files]
    rows = [json.loads(line) for text in texts for line in text.split("\n") if line]
    assert (report.problems, report.traces) == (75, 750)
    assert report.tokens == sum(row["generated_token_count"] for row in rows) == 5_508_470
    assert (report.token_accuracy, report.signals) == ("total", ["text"])
    problems = Pool(report.path).problems
    assert {problem.answer_kind for problem in problems} == {"choice"}
    right = sum(row["generated_answer"] == row["answer"] for row in rows)
    assert right == sum(int(problem.correct.sum()) for problem in problems)
    none = sum(row["generated_answer"] is None for row in rows)
    assert none == sum(int((problem.answer_class == -1).sum()) for problem in problems) == 33
