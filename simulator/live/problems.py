"""Files of problems to be solved live."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from simulator.answers.equivalence import ANSWER_KINDS
from simulator.errors import UserError
from simulator.importers.json_files import read_text
from simulator.live.recording import LiveProblem
from simulator.storage import parse_json

QUESTION, ANSWER, ID, KIND = (
    ("question", "problem", "prompt"),
    ("answer", "gold_answer"),
    ("problem_id", "id"),
    ("answer_kind",),
)
"""Names of each field, the first of which is used."""


def read_problems(path: Path) -> list[LiveProblem]:
    """Read a JSONL file with a problem a line: `question`, and `answer`, `id`, `answer_kind`.

    Raises
    ------
    UserError
        A line without a question, a value that is no text, an id that occurs
        twice, or a file without problems.
    """
    problems: list[LiveProblem] = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            problems.append(_problem(line, f"{path}:{number}", len(problems)))
    ids = [problem.problem_id for problem in problems]
    if not problems:
        raise UserError(f"{path}: no problems; give a JSON object a line, with a question")
    problem_id, count = Counter(ids).most_common(1)[0]
    if count > 1:
        raise UserError(f"{path}: two problems with the id {problem_id!r}; give each its own")
    return sorted(problems, key=lambda problem: problem.problem_id)


def _problem(line: str, where: str, number: int) -> LiveProblem:
    try:
        fields = parse_json(line)
    except ValueError as error:
        raise UserError(f"{where}: not JSON ({error}); give an object a line") from None
    if not isinstance(fields, dict):
        raise UserError(f"{where}: not an object; give an object a line, with a question")

    def first(names: tuple[str, ...]) -> Any:
        return next((fields[name] for name in names if fields.get(name) is not None), None)

    question, answer, kind = first(QUESTION), first(ANSWER), first(KIND) or "math"
    if not isinstance(question, str) or not question.strip():
        raise UserError(f"{where}: no question; give it as {' or '.join(QUESTION)}")
    if kind not in ANSWER_KINDS:
        raise UserError(f"{where}: answer_kind {kind!r}; use one of {', '.join(ANSWER_KINDS)}")
    named = first(ID)
    for value, names in ((answer, ANSWER), (named, ID)):
        if value is not None and not isinstance(value, (str, int, float)):
            raise UserError(f"{where}: {names[0]} is no text or number; write it as one")
    try:
        f"{question}{answer}{named}".encode()
    except UnicodeEncodeError:
        raise UserError(f"{where}: half a character (\\ud800 to \\udfff); write it whole") from None
    problem_id = f"{number:04d}" if named is None else str(named)
    return LiveProblem(problem_id, question, "" if answer is None else str(answer), kind)
