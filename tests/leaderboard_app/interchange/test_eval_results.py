"""`.eval_results`: read back by the Hub's own library."""

from __future__ import annotations

import dataclasses

import pytest
import yaml  # type: ignore[import-untyped]
from huggingface_hub import parse_eval_result_entries
from interchanged import NAMES, content_of, recomputed

from leaderboard_app.interchange.eval_results import eval_results
from leaderboard_app.interchange.hub_dataset import dataset
from leaderboard_app.library.board_file import Board
from leaderboard_app.library.library import Library
from simulator.errors import UserError


def test_the_hubs_library_reads_each_file_and_finds_the_figure(full_library: Library) -> None:
    found = eval_results(content_of(full_library))
    assert sorted(found)[0] == ("maker-a/model-a/.eval_results/bench-1-2026-11-20-checked-asc.yaml")
    assert len(found) == 6
    for name, text in found.items():
        owner, model, _, file = name.split("/")
        benchmark, entry = file[:7], file[8:].removesuffix(".yaml")
        (read,) = parse_eval_result_entries(yaml.safe_load(text))
        expected = recomputed(full_library.by_id[entry].path, f"recorded/{model}/{benchmark}")
        assert read.value == pytest.approx(100 * expected["accuracy"], abs=0.005)
        assert (read.dataset_id, read.task_id) == ("owner/board", benchmark)
        assert read.source_url == f"https://board.example.org/entry?entry={entry}"
        assert read.source_name == "The board"
        assert read.date == "2026-11-29"
        assert read.notes is not None
        assert f"{expected['tokens_per_problem']:,.0f} tokens a problem" in read.notes
        assert "95% interval" in read.notes
        assert owner == f"maker-{model[-1]}"


def test_each_task_is_one_of_the_datasets(full_library: Library) -> None:
    content = content_of(full_library)
    tasks = yaml.safe_load(dataset(content)["eval.yaml"])["tasks"]
    named = {
        yaml.safe_load(text)[0]["dataset"]["task_id"] for text in eval_results(content).values()
    }
    assert named == {task["id"] for task in tasks} == {"bench-1", "bench-2"}


def test_the_boards_dataset_has_to_be_known(full_library: Library) -> None:
    names = dataclasses.replace(NAMES, dataset=None)
    content = content_of(full_library, names, Board())
    with pytest.raises(UserError, match=r'write dataset = "owner/name" into hub\.toml'):
        eval_results(content)
    kept = dataclasses.replace(content, source="hf://datasets/other/kept@0123")
    (first, *_) = eval_results(kept).values()
    (read,) = parse_eval_result_entries(yaml.safe_load(first))
    assert read.dataset_id == "other/kept"
    assert read.source_url == "https://huggingface.co/datasets/other/kept"
