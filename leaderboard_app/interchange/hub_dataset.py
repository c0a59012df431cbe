"""The board as a dataset for the Hugging Face Hub: Parquet tables, card and `eval.yaml`.

It has figures alone, and no traces, questions or answers, whose licences are their pools'. The Hub
makes the Croissant description of the tables itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from leaderboard_app.export.folder import writing
from leaderboard_app.interchange.card import dataset_card
from leaderboard_app.interchange.content import Content, read_content, slug
from leaderboard_app.interchange.tables import parquet, tables
from leaderboard_app.library.folders import Folders

CARD = "README.md"
TASKS = "eval.yaml"

FRAMEWORK = "deepprune-sim"
"""Evaluation framework in `eval.yaml`; the Hub accepts those on its list."""


def export_hub(folders: Folders, target: Path) -> Mapping[str, bytes]:
    """Write the board as a dataset; return the content of each file by its name.

    Raises
    ------
    UserError
        `board.toml` or `hub.toml` is not valid, or the target cannot be written.
    """
    files = dataset(read_content(folders))
    with writing(target) as folder:
        for name, data in files.items():
            folder.write(name, data)
    return files


def dataset(content: Content) -> Mapping[str, bytes]:
    """Return the content of each file of the dataset by its name."""
    made = tables(content)
    files = {f"data/{name}.parquet": parquet(table) for name, table in made.items()}
    files[CARD] = dataset_card(content, made).encode()
    if content.verified:
        files[TASKS] = _tasks(content).encode()
    return files


def _tasks(content: Content) -> str:
    """Return `eval.yaml`: a task for each benchmark, by which the Hub ranks models."""
    import yaml  # type: ignore[import-untyped]

    benchmarks = dict.fromkeys(slug(row.results[0].benchmark) for _, row in content.verified)
    about = {
        "name": content.board.title,
        "description": content.board.description
        or "Accuracy of methods that prune, stop or vote over parallel reasoning traces, "
        "replayed on recorded traces and verified.",
        "evaluation_framework": FRAMEWORK,
        "tasks": [
            {"id": name, "config": "standings", "split": "test"} for name in sorted(benchmarks)
        ],
    }
    return str(yaml.safe_dump(about, sort_keys=False, allow_unicode=True, width=100))
