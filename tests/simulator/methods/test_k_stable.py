"""k-stable on lines read by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pools import T, start_engine, write_problem

from simulator.errors import UserError
from simulator.loading import load_policy
from simulator.methods.k_stable import named
from simulator.policy.base import Problem


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("So the answer is B.", "B"),
        ("Answer: (C)", "C"),
        ("**ANSWER**: D, as computed", "D"),
        ("So it is B", ""),  # no word "answer"
        ("B is the answer", ""),  # before it
        ("The answer is A or B", ""),
        ("The answer is B, so B", "B"),
        ("The answer is 4. B is that", ""),  # after the full stop
        ("The answer is not B", ""),
        ("The answer cannot be B", ""),
        ("The answer is a number", ""),
        ("The answer is Boron", ""),
        ("The answer, I'd say, is B", "B"),
        ("", ""),
    ],
)
def test_a_line_names_an_option(line: str, expected: str) -> None:
    assert named(line) == expected


def solve(
    folder: Path, text: str, answer: str | None, kind: str = "choice", **settings: Any
) -> Any:
    """Return the answer, as text or as None, and the tokens, one a character."""
    problem = write_problem(folder, [T(len(text), answer, text=text), T(1, "9", text="9")])
    typed = {name: str(value) for name, value in settings.items()}
    loaded = load_policy("k-stable", {"interval": "10"} | typed)
    engine, sampler = start_engine(problem)
    found = loaded.policy.solve(Problem("opaque", None, kind), sampler)
    assert engine.started == 1
    shown = problem.class_texts[int(found)] if isinstance(found, np.int32) else found
    return shown, sampler.tokens


NAMES = "answer: B\nanswer: B\n...\nanswer: B\n"  # ends of lines at 10, 20, 24, 34


def test_the_trace_is_cut_at_the_first_look_after_k_in_a_row(tmp_path: Path) -> None:
    text = NAMES + "x" * 66
    assert solve(tmp_path / "3", text, "C", k=3) == ("B", 40)
    assert solve(tmp_path / "2", text, "C", k=2) == ("B", 20)
    assert solve(tmp_path / "7", text, "C", k=2, interval=7) == ("B", 21)
    assert solve(tmp_path / "4", text, "C", k=4) == ("C", 100)


def test_another_option_begins_a_new_row(tmp_path: Path) -> None:
    text = "answer: B\nanswer: A\nanswer: B\nanswer: B\n" + "x" * 60
    assert solve(tmp_path, text, "C", k=2) == ("B", 40)


def test_a_trace_that_finishes_answers_itself(tmp_path: Path) -> None:
    assert solve(tmp_path / "a", NAMES, "C", k=3) == ("C", 34)
    assert solve(tmp_path / "b", "x" * 34, None) == (None, 34)


def test_questions_without_options_run_to_the_end(tmp_path: Path) -> None:
    assert solve(tmp_path, NAMES + "x" * 66, "7", kind="math", k=1) == ("7", 100)


@pytest.mark.parametrize("settings", [{"k": 0}, {"interval": 0}])
def test_parameters_that_make_no_sense_are_refused(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="needs"):
        solve(tmp_path, NAMES, "B", **settings)
