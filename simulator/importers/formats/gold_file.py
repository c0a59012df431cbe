"""Gold answers and questions from a file beside the traces, by problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.importers.gathering import About
from simulator.importers.importer import BadRow, ImportOptions, answer_text, checked, storable
from simulator.importers.items import items_of


def plain_text(text: str | None) -> str | None:
    """Return a text with its spaces made equal, to compare questions."""
    return None if text is None else " ".join(text.split())


def gold_answers(options: ImportOptions) -> dict[str, About] | None:
    """Read gold answers and questions by problem from the file that the user names, if any."""
    name = options.field_map.get("gold_file")
    if not name:
        return None
    if options.field_map.get("gold_answer"):
        raise UserError("--map gold_file and --map gold_answer: give only one of them")
    path = Path(name)
    found: dict[str, About] = {}
    for item in items_of(ImportOptions(paths=(path,))):
        try:
            if item.fault is not None:
                raise item.fault
            remedy = "give rows with problem_id and gold_answer"
            row = checked(item.value, dict, "not an object", remedy)
            by_name = not {"problem_id", "gold_answer"} & set(row) and item.key is None
            pairs = row.items() if by_name else [(row.get("problem_id", item.key), row)]
            for key, value in pairs:
                about = _gold_row(key, value if isinstance(value, dict) else {"gold_answer": value})
                names = {about.problem_id, plain_text(about.question)}
                for name in (name for name in names if name is not None):
                    if found.setdefault(name, about) is not about:
                        raise BadRow(f"{name[:60]} occurs twice", "give each problem once")
        except BadRow as fault:
            raise UserError(f"{item.where}: {fault.reason}{fault.value}; {fault.remedy}") from None
    return found


def _gold_row(key: Any, row: dict[str, Any]) -> About:
    problem_id = answer_text(key, "problem_id")
    gold = answer_text(row.get("gold_answer"), "gold_answer")
    question = row.get("question")
    question = storable(question) if isinstance(question, str) else None
    if gold is None or (problem_id is None and question is None):
        missing = "problem_id" if gold else "gold_answer"
        raise BadRow(f"no {missing}", "give rows with problem_id and gold_answer")
    return About(problem_id, question, gold)
