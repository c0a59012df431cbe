"""The board as `.eval_results/*.yaml` for model repositories on the Hugging Face Hub.

One file for each entry on each benchmark, below the repository of its model. The Hub shows it on
the model's page and on the leaderboard of the board's dataset, whose `eval.yaml` has the tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboard_app.export.folder import writing
from leaderboard_app.interchange.content import Content, read_content, require, slug
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.standings import Standing
from leaderboard_app.shown.glossary import FIGURES
from simulator.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub import EvalResultEntry


def export_eval_results(folders: Folders, target: Path) -> None:
    """Write a file for each verified entry on each pool of recorded traces.

    Raises
    ------
    UserError
        There is no such row, the board's dataset is not known, `board.toml` or `hub.toml` is not
        valid, or the target cannot be written.
    """
    content = read_content(folders)
    require(content)
    files = eval_results(content)
    with writing(target) as folder:
        for name, text in files.items():
            folder.write(name, text)


def eval_results(content: Content) -> Mapping[str, str]:
    """Return the text of each file by its name, which begins with the model's repository."""
    import yaml  # type: ignore[import-untyped]
    from huggingface_hub import eval_result_entries_to_yaml

    if content.dataset is None:
        raise UserError(
            f"{content.library.folders.submissions}: the results have to name the board's dataset; "
            'write dataset = "owner/name" into hub.toml there'
        )
    found = {}
    for repository, _, row in content.with_models():
        benchmark = slug(row.results[0].benchmark)
        rows = eval_result_entries_to_yaml([_entry(content, content.dataset, row)])
        text = yaml.safe_dump(rows, sort_keys=False, allow_unicode=True)
        found[f"{repository}/.eval_results/{benchmark}-{row.entry.id}.yaml"] = text
    return found


def _entry(content: Content, dataset: str, row: Standing) -> EvalResultEntry:
    from huggingface_hub import EvalResultEntry

    result = row.results[0]
    accuracy, tokens = FIGURES["accuracy"], FIGURES["tokens_per_problem"]
    notes = [f"{row.entry.label}, N={result.budget}, {row.entry.repeats} repeats"]
    notes += [accuracy.interval(row.metrics["accuracy"])]
    notes += [f"{tokens.text(row.metrics['tokens_per_problem'].value)} tokens a problem"]
    return EvalResultEntry(
        dataset_id=dataset,
        task_id=slug(result.benchmark),
        value=round(row.metrics["accuracy"].value * accuracy.scale, 2),
        date=(row.entry.verified_at or row.entry.date or "")[:10] or None,
        source_url=content.address(row.entry) or f"https://huggingface.co/datasets/{dataset}",
        source_name=content.board.title,
        notes="; ".join(filter(None, notes)),
    )
