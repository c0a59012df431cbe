"""Imports find the answers of traces and the gold answers in texts, and count how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from simulator.commands.import_ import import_pool
from simulator.errors import UserError
from simulator.pools.pool import Pool

Row = dict[str, Any]


def imported(folder: Path, form: str, rows: list[Row], *options: str) -> Pool:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    names = ["--dataset", "d", "--model", "m", "--benchmark", "b", "--cache", str(folder / "cache")]
    result = CliRunner().invoke(import_pool, [form, str(path), *names, "--replace", *options])
    if result.exception is not None:
        raise result.exception
    return Pool(folder / "cache" / "d" / "m" / "b")


def answers(pool: Pool) -> list[str | None]:
    return [
        None if kind < 0 else problem.class_texts[kind]
        for problem in pool.problems
        for kind in problem.answer_class
    ]


def of_text(*texts: str, gold: str = "31", **more: Any) -> list[Row]:
    return [{"problem_id": "p", "gold_answer": gold, "text": text, **more} for text in texts]


def test_how_answers_were_found_is_counted(tmp_path: Path) -> None:
    texts = ["It is 31.", r"\boxed{31}", "The answer is 30.", "#### 31", "So. The answer is 31."]
    pool = imported(tmp_path, "jsonl", of_text(*texts))
    assert answers(pool) == [None, "31", "30", "31", "31"]
    assert pool.info.answer_forms == {"announcement": 2, "box": 1, "hashes": 1}
    assert pool.info.answer_patterns == []
    assert "answer_patterns" not in json.loads((pool.path / "pool.json").read_text())


def test_a_files_own_answer_is_given_unless_the_text_has_a_box(tmp_path: Path) -> None:
    rows = of_text(r"\boxed{30}", "The answer is 30.", r"<think>\boxed{30}</think>Hm.", answer="31")
    rows += of_text("The answer is 30.", answer=None)
    rows += of_text("Look left.", answer="5 + 26 = 31\n#### 31")
    pool = imported(tmp_path, "jsonl", rows)
    assert answers(pool) == ["30", "31", "31", None, "31"]
    assert pool.info.answer_forms == {"box": 1, "given": 2, "hashes": 1}


def test_pools_without_texts_have_given_answers_only(tmp_path: Path) -> None:
    rows = [{"problem_id": "p", "gold_answer": "31", "answer": "5 + 26", "num_tokens": 3}]
    pool = imported(tmp_path, "jsonl", rows)
    assert (answers(pool), pool.info.answer_forms) == (["5 + 26"], {"given": 1})


def test_the_kind_is_known_before_answers_are_searched(tmp_path: Path) -> None:
    texts = [r"It weighs \boxed{8.9\,g}. Answer: C", "(C)", "C or D", "The answer is (c) copper"]
    pool = imported(tmp_path, "jsonl", of_text(*texts, gold="(C)"))
    assert pool.problems[0].answer_kind == "choice"
    assert answers(pool) == ["C", "C", None, "C"]
    assert pool.problems[0].correct.tolist() == [True, True, False, True]
    pool = imported(tmp_path, "jsonl", of_text(*texts, gold="C"), "--answer-kind", "math")
    assert answers(pool)[0] == r"8.9\,g"
    rows = of_text(*texts, gold="C", answer_kind="choice")
    rows += [{**row, "problem_id": "q", "gold_answer": "8", "answer_kind": "math"} for row in rows]
    assert answers(imported(tmp_path, "jsonl", rows))[:5] == ["C", "C", None, "C", r"8.9\,g"]


def test_gold_answers_are_found_in_solutions(tmp_path: Path) -> None:
    solution = "Five and 26 are <<5+26=31>>31.\n#### 31"
    row = {"id": 0, "question": "?", "ground_truth": solution, "outputs": ["#### 31", "A: 30"]}
    pool = imported(tmp_path, "deepprune", [row], "--map", "text=outputs")
    assert pool.problems[0].gold_answer == "31"
    assert pool.problems[0].correct.tolist() == [True, False]
    golds = [r"\boxed{C}", "(A)", "Copper conducts best, as it is a metal.\nThe answer is (C)."]
    rows = [{**of_text("(C)", gold=gold)[0], "problem_id": gold} for gold in golds]
    problems = imported(tmp_path, "jsonl", rows).problems
    assert {problem.answer_kind for problem in problems} == {"choice"}
    assert [problem.gold_answer for problem in problems] == ["(A)", "C", "C"]
    assert sum(int(problem.correct.sum()) for problem in problems) == 2


def test_each_repeat_of_an_lm_eval_sample_has_its_own_answer(tmp_path: Path) -> None:
    sample = {
        "doc_id": 0,
        "doc": {"question": "?"},
        "target": "(C)",
        "resps": [["The answer is (C).", "B is it. Answer: B, not C", "C or D"]],
        "filtered_resps": ["C"],
        "filter": "majority",
    }
    pool = imported(tmp_path, "lm-eval", [sample])
    assert (pool.problems[0].answer_kind, answers(pool)) == ("choice", ["C", "B", None])
    sample |= {"resps": [["The answer is (C)."]], "filtered_resps": ["[invalid]"]}
    assert answers(imported(tmp_path, "lm-eval", [sample])) == [None]
    sample |= {"filtered_resps": ["(D)"]}
    pool = imported(tmp_path, "lm-eval", [sample])
    assert (answers(pool), pool.info.answer_forms) == (["(D)"], {"given": 1})


def test_answers_of_responses_are_found_also_if_their_texts_are_left_out(tmp_path: Path) -> None:
    message = {"reasoning_content": r"Is it \boxed{30}?", "content": '{"answer": "31"}'}
    row = {"custom_id": "p", "gold_answer": "31", "choices": [{"message": message}]}
    for option in ([], ["--map", "text="]):
        pool = imported(tmp_path, "openai", [row], *option)
        assert (answers(pool), pool.info.answer_forms) == (["31"], {"json": 1})
        assert ("text" in pool.info.signals) == (not option)


def test_a_users_patterns_are_searched_first_and_recorded(tmp_path: Path) -> None:
    texts = ["Result => 30; Result => 31; \\boxed{29}", r"\boxed{31}"]
    patterns = ["--answer-pattern", "no such", "--answer-pattern", r"Result => (\d+)"]
    pool = imported(tmp_path, "jsonl", of_text(*texts, answer="28"), *patterns)
    assert answers(pool) == ["31", "31"]
    assert pool.info.answer_patterns == ["no such", r"Result => (\d+)"]
    assert pool.info.answer_forms == {"box": 1, "pattern": 1}
    assert "no text has a match of the answer patterns" not in pool.info.notes
    pool = imported(tmp_path, "jsonl", of_text(*texts), "--answer-pattern", "no such")
    assert "no text has a match of the answer patterns" in pool.info.notes


def test_a_bad_pattern_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--answer-pattern '\[': .*; correct it"):
        imported(tmp_path, "jsonl", of_text("31"), "--answer-pattern", "[")
    assert not (tmp_path / "cache").exists()
