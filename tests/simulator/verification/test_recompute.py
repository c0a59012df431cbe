"""The second and third step: whoever tampers with a run is told the row."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pools import T, write_pool
from submitted import (
    FIRST_TWO,
    PROBLEMS,
    edit_json,
    edit_rows,
    found,
    statuses,
    submit,
    verified,
    write_policy,
)

from simulator.isolation import host
from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving, parse_step_seconds
from simulator.submissions.run_record import read_run
from simulator.verification import other_seed
from simulator.verification.decisions import recomputed_answers
from simulator.verification.other_seed import standard_error

Row = dict[str, Any]
Rows = list[Row]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return submit(tmp_path_factory.mktemp("made"))


@pytest.fixture
def submission(tmp_path: Path, made: Path) -> Path:
    shutil.copytree(made.parent.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "submissions" / made.name


@pytest.mark.parametrize(
    ("policy", "serving"),
    [
        ("cons@4", Serving()),
        ("short-1@6", Serving()),
        ("short-2@6", Serving(2)),
        ("short-2@6", Serving(3, parse_step_seconds("1:0.01,8:0.03"))),
        ("short-2@6", Serving(None, ((1, 0.5),), 0.01, 0.02, 40, kv_tokens=100)),
        ("esc", Serving()),
        ("asc", Serving(1)),
        ("sprt", Serving()),
        ("doubling", Serving()),
        ("pass@1", Serving()),
        ("oracle", Serving()),
    ],
)
def test_an_honest_run_recomputes_to_itself(tmp_path: Path, policy: str, serving: Serving) -> None:
    submission = submit(tmp_path, policy, serving=serving, repeats=70, seed=3)
    assert statuses(verified(submission)) == ["passed", "passed", "skipped"]


def test_baseline_and_kept_answers_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pools", {"p": [T(10, "2"), T(30, "1"), T(20, "2")]})
    submission = submit(tmp_path, "cons@3", pool=pool, repeats=2)
    (problem,) = pool.problems
    again = recomputed_answers(problem, None, _run(submission), 3)
    assert again["baseline_tokens"].tolist() == [60, 60]
    assert again["baseline_correct"].tolist() == [False, False]  # 2, 2 against 1
    assert again["budget_classes"].tolist() == [2, 2]
    assert again["budget_correct"].tolist() == [True, True]
    assert again["tokens"].tolist() == [0, 0]  # nothing was started


def _run(submission: Path) -> Any:
    return read_run(json.loads((submission / "run.json").read_text()))


def first(rows: Rows, **wanted: Any) -> Row:
    return next(row for row in rows if all(row[key] == value for key, value in wanted.items()))


def shave(rows: Rows) -> Rows:
    first(rows, finished=True)["num_tokens"] -= 1
    return rows


def shave_well(rows: Rows) -> Rows:
    first(rows, finished=False, stop_reason="first")["num_tokens"] -= 1
    return rows


def lengthen(rows: Rows) -> Rows:
    first(rows, finished=True)["num_tokens"] += 1
    return rows


def negative(rows: Rows) -> Rows:
    first(rows, finished=False)["num_tokens"] = -5
    return rows


def swap_traces(rows: Rows) -> Rows:
    rows[0]["trace_id"], rows[1]["trace_id"] = rows[1]["trace_id"], rows[0]["trace_id"]
    return rows


def swap_rows(rows: Rows) -> Rows:
    return [rows[1], rows[0], *rows[2:]]


def not_finished(rows: Rows) -> Rows:
    first(rows, finished=True).update(finished=False, stop_reason="stopped")
    return rows


def sooner(rows: Rows) -> Rows:
    first(rows, finished=True)["ended"] -= 1
    return rows


def never(rows: Rows) -> Rows:
    first(rows, finished=True)["ended"] = float("nan")
    return rows


def for_ever(rows: Rows) -> Rows:
    rows[0]["ended"] = float("inf")
    return rows


def unknown_pool(rows: Rows) -> Rows:
    for row in rows[-4:]:
        row["pool"] = "test/model/\x1b[31m"
    return rows


@pytest.mark.parametrize(
    ("edit", "row", "said"),
    [
        (shave, None, "finished is True with"),
        (lengthen, None, "tokens of a trace that has"),
        (negative, None, "-5 tokens of a trace"),
        (swap_traces, 0, "where seed 0 draws trace"),
        (swap_rows, 0, "repeat 0 has order 1 here; rows are missing, there twice or out of order"),
        (lambda rows: [rows[0], *rows[:-1]], 1, "there twice"),
        (lambda rows: rows[1:], 0, "rows are missing"),
        (lambda rows: rows[4:], None, "decisions and pool give 0"),
        (lambda rows: rows[:-4], None, "decisions and pool give 0"),
        (
            lambda rows: [*rows[12:], *rows[:12]],
            None,
            "decisions and pool give 0",
        ),
        (not_finished, None, "finished is False with"),
        (sooner, None, "on the clock"),
        (never, None, "on the clock"),
        (for_ever, 0, "on the clock"),
        (unknown_pool, 32, "is unknown, out of order or a duplicate"),
    ],
)
def test_tampered_decisions_are_told_by_row(
    submission: Path, edit: Callable[[Rows], Rows], row: int | None, said: str
) -> None:
    edit_rows(submission / "decisions.parquet", edit)
    verification = verified(submission)
    (finding,) = found(verification, "recomputed")
    assert verification.badge is None
    assert said in finding
    if row is not None:
        assert finding.startswith(f"decisions.parquet row {row}")


def test_one_token_less_is_told_by_the_answers(submission: Path) -> None:
    edit_rows(submission / "decisions.parquet", shave_well)
    (finding,) = found(verified(submission), "recomputed")
    assert finding.startswith("answers.parquet row ")
    assert "tokens is" in finding
    assert "decisions and pool give" in finding


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("correct", None, "correct is"),
        ("answer_class", 2, "answer_class is 2"),
        ("answer", "no such answer", "answer_class is"),
        ("tokens", 1, "tokens is 1"),
        ("clock", 1.0, "clock is 1.0"),
        ("baseline_correct", None, "baseline_correct is"),
        ("baseline_tokens", 10**6, "baseline_tokens is 1000000"),
        ("kept_classes", 9, "kept_classes is 9"),
        ("kept_correct", None, "kept_correct is"),
        ("budget_classes", 9, "budget_classes is 9"),
        ("traces_started", 3, "traces_started is 3"),
        ("probe_calls", 1, "probe_calls is 1, which is impossible"),
        ("judge_calls", 1, "judge_calls is 1, which is impossible"),
        ("judge_tokens", -1, "judge_tokens is -1, which is impossible"),
        ("repeat", 2, "repeat 2, where 0 comes"),
        ("clusters", 3, "clusters is [3, None"),
    ],
)
def test_tampered_answers_are_told_by_row(
    submission: Path, column: str, value: object, said: str
) -> None:
    def edit(rows: Rows) -> Rows:
        rows[3][column] = (not rows[3][column]) if value is None else value
        return rows

    edit_rows(submission / "answers.parquet", edit)
    (finding,) = found(verified(submission), "recomputed")
    assert finding.startswith("answers.parquet row 3 (pool test/model/tiny, problem q, repeat ")
    assert said in finding


def test_answers_out_of_order_or_twice_are_told(submission: Path) -> None:
    edit_rows(submission / "answers.parquet", lambda rows: [rows[1], rows[0], *rows[2:]])
    assert "answers.parquet row 0" in found(verified(submission), "recomputed")[0]
    edit_rows(submission / "answers.parquet", lambda rows: [rows[0], *rows[:-1]])
    assert "answers.parquet row 0" in found(verified(submission), "recomputed")[0]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("value", 0.99),
        ("low", 0.0001),
        ("high", None),
        ("value", "0.5"),
        ("value", True),
    ],
)
def test_every_summary_figure_is_recomputed(submission: Path, place: str, value: object) -> None:
    summary = json.loads((submission / "summary.json").read_text())
    for name in summary["pools"][0]["metrics"]:
        changed = json.loads(json.dumps(summary))
        changed["pools"][0]["metrics"][name][place] = value
        (submission / "summary.json").write_text(json.dumps(changed))
        if changed != summary:
            (finding,) = found(verified(submission), "recomputed")
            assert finding.startswith(f"summary.json: pools[0].metrics.{name}.{place} is ")


def test_what_else_the_summary_says_is_recomputed(submission: Path) -> None:
    def rename(summary: Any) -> None:
        summary["policy"] = "another"

    edit_json(submission / "summary.json", rename)
    assert found(verified(submission), "recomputed") == [
        "summary.json: policy is 'another', recomputed 'short-2@4'"
    ]
    edit_json(submission / "summary.json", lambda each: each.update(policy="short-2@4", more=1))
    assert "'more' is not in a run's summary" in found(verified(submission), "recomputed")[0]


def test_another_seed_than_the_run_had_is_told(submission: Path) -> None:
    for name in ("run.json", "summary.json"):
        edit_json(submission / name, lambda each: each.update(seed=1))
    (finding,) = found(verified(submission), "recomputed")
    assert "where seed 1 draws trace" in finding


def test_a_repeat_left_out_is_told(submission: Path) -> None:
    for name in ("decisions", "answers"):
        edit_rows(
            submission / f"{name}.parquet",
            lambda rows: [row for row in rows if row["repeat"] != 1],
        )
    (finding,) = found(verified(submission), "well-formed")
    assert finding == "answers.parquet: 6 rows, where the run has 9"
    for name in ("run.json", "summary.json"):
        edit_json(submission / name, lambda each: each.update(repeats=2))
    (finding,) = found(verified(submission), "recomputed")
    assert "repeat 2 of a run with 2" in finding


def test_a_pool_with_one_byte_changed_proves_nothing(submission: Path) -> None:
    (file,) = submission.parent.parent.glob("pools/*/*/*/traces.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    verification = verified(submission, run_again=True)
    assert statuses(verification) == ["passed", "skipped", "skipped"]
    assert verification.badge == "self-reported"
    assert "not the file that pool.json describes" in verification.steps[1].findings[0]


def test_another_pool_of_the_same_name_proves_nothing(submission: Path) -> None:
    cache = submission.parent.parent / "pools"
    shutil.rmtree(cache)
    write_pool(cache, {**PROBLEMS, "p": [T(9, "1"), *PROBLEMS["p"][1:]]})
    verification = verified(submission, run_again=True)
    assert verification.badge == "self-reported"
    assert "on this machine (fingerprint" in verification.steps[1].findings[0]
    shutil.rmtree(cache)
    verification = verified(submission)
    assert "get it with deepprune-sim data pull" in verification.steps[1].findings[0]


def test_a_synthetic_pool_cannot_be_passed_off_as_recorded(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pools", PROBLEMS, synthetic=True)
    submission = submit(tmp_path, pool=pool)
    assert verified(submission).badge == "synthetic"

    def recorded(each: Any) -> None:
        each["pools"][0]["synthetic"] = False

    edit_json(submission / "run.json", recorded)
    edit_json(submission / "summary.json", recorded)
    assert "with synthetic False, the pool has True" in found(verified(submission), "recomputed")[0]


# --- run again


def test_a_built_in_method_and_a_file_are_verified(tmp_path: Path) -> None:
    verification = verified(submit(tmp_path, repeats=64), run_again=True)
    assert (verification.badge, verification.layers) == ("verified", ["built-in"])
    (other,) = verification.other_seed
    assert (other["seed"], other["repeats"]) == (7, 64)
    again = tmp_path / "again"
    again.mkdir()
    submission = submit(again, write_policy(again, FIRST_TWO), repeats=64)
    verification = verified(submission, run_again=True)
    assert verification.badge == "verified"
    assert any(each.startswith(("bubblewrap", "Landlock")) for each in verification.layers)


def test_where_nothing_holds_a_policy_it_is_not_run_and_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = submit(tmp_path, write_policy(tmp_path, FIRST_TWO))

    def none_here(*arguments: Any, **options: Any) -> None:
        raise host.NoSandbox("nothing here keeps it from the disk")

    monkeypatch.setattr(host, "load", none_here)
    verification = verified(submission, run_again=True)
    assert statuses(verification) == ["passed", "passed", "skipped"]
    assert verification.steps[2].findings == ["nothing here keeps it from the disk"]
    assert verification.badge == "recomputed"


def test_without_a_list_of_allowed_calls_a_rerun_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = submit(tmp_path, write_policy(tmp_path, FIRST_TWO))
    monkeypatch.setattr(host, "layers", lambda loaded: ("bubblewrap 0.8.0", "Landlock 7"))
    verification = verified(submission, run_again=True)
    assert statuses(verification) == ["passed", "passed", "skipped"]
    assert verification.steps[2].findings[0].startswith("it ran without seccomp, so its processes ")
    assert verification.badge == "recomputed"


def test_what_a_policy_prints_is_noted_and_cut(tmp_path: Path) -> None:
    source = FIRST_TWO.replace("return", "print('\\x1b[2J' + 'x' * 10_000); return")
    submission = submit(tmp_path, write_policy(tmp_path, source))
    (note,) = verified(submission, run_again=True).steps[2].notes
    assert note.startswith("the policy printed ")
    assert len(note) < 400
    assert note.isprintable()


def test_the_decisions_of_another_policy_are_told_by_row(tmp_path: Path) -> None:
    submission = submit(tmp_path, "short-2@4")
    other = tmp_path / "other"
    other.mkdir()
    claimed = submit(other, "short-1@4", pool=Pool(next((tmp_path / "pools").glob("*/*/*"))))
    for name in ("decisions.parquet", "answers.parquet"):
        shutil.copy(claimed / name, submission / name)
    figures = json.loads((claimed / "summary.json").read_text())["pools"]
    edit_json(submission / "summary.json", lambda each: each.update(pools=figures))
    verification = verified(submission, run_again=True)
    assert statuses(verification) == ["passed", "passed", "failed"]
    (finding,) = found(verification, "rerun")
    assert finding == (
        "decisions.parquet row 1 (pool test/model/tiny, problem p, repeat 0): ended is 15.0, "
        "rerun 25.0"
    )
    assert verification.badge is None


PAIRS_OF_CLUSTERS = """
from simulator import Policy, majority_vote

class Pairs(Policy):
    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        sampler.declare_clusters([n // 2 for n in range(sampler.budget)])
        sampler.decode(traces[:2])
        return majority_vote(traces[:2])
"""


def test_clusters_are_compared_where_a_submission_has_them(tmp_path: Path) -> None:
    loaded = host.load(write_policy(tmp_path, PAIRS_OF_CLUSTERS))
    pool = write_pool(tmp_path / "pools", {"p": PROBLEMS["p"]})
    submission = submit(tmp_path, loaded, pool=pool, repeats=64)
    decisions = submission / "decisions.parquet"
    first = verified(submission, run_again=True)
    assert statuses(first) == ["passed"] * 3, first.steps
    honest = pq.read_table(decisions)

    def rename(rows: Rows) -> Rows:
        for row in rows[4:8]:  # the second repeat
            row["cluster"] = 1 - row["cluster"]
        return rows

    edit_rows(decisions, rename)  # the same clusters by other names: only a rerun can tell
    verification = verified(submission, run_again=True)
    assert statuses(verification) == ["passed", "passed", "failed"]
    assert found(verification, "rerun") == [
        "decisions.parquet row 4 (pool test/model/tiny, problem p, repeat 1): cluster is 1, rerun 0"
    ]

    def split(rows: Rows) -> Rows:
        rows[5]["cluster"] = 2
        return rows

    edit_rows(decisions, split)
    (finding,) = found(verified(submission), "recomputed")
    assert finding.startswith(
        "answers.parquet row 1 (pool test/model/tiny, problem p, repeat 1): clusters is (2, "
    )
    assert "the decisions give (3, " in finding
    pq.write_table(honest.drop_columns(["cluster"]), decisions)  # as runs once were
    assert statuses(verified(submission, run_again=True)) == ["passed"] * 3
    pq.write_table(honest.drop_columns(["order"]), decisions)
    (finding,) = found(verified(submission), "well-formed")
    assert "order is missing" in finding


def test_parameters_that_the_policy_does_not_have_are_told(tmp_path: Path) -> None:
    submission = submit(tmp_path, "short-2@4")
    for place in ("run.json", "summary.json"):
        edit_json(
            submission / place,
            lambda each: (
                each.get("policy", each)["parameters"].update(m=3)
                if isinstance(each["policy"], dict)
                else each["parameters"].update(m=3)
            ),
        )
    (finding,) = found(verified(submission, run_again=True), "rerun")
    assert "its parameters {'m': 3} are not those that the policy has" in finding


def test_fewer_repeats_run_again_do_not_count(tmp_path: Path) -> None:
    verification = verified(submit(tmp_path, repeats=64), run_again=True, repeats=2)
    assert statuses(verification) == ["passed", "passed", "skipped"]
    assert verification.steps[2].findings == ["only 2 of 64 repeats were rerun"]
    assert verification.badge == "recomputed"


TABLE = """
from simulator import Policy

class Table(Policy):
    '''Knows the answers by heart.'''
    def solve(self, problem, sampler):
        finished = sampler.decode(sampler.start(1))
        return {"What is p?": "1", "What is q?": "1", "What is r?": "1"}.get(problem.question)
"""

CHOOSY = """
from simulator import Policy, majority_vote

class Choosy(Policy):
    '''Stops at the answer that its table has.'''
    def solve(self, problem, sampler):
        right = {"What is p?": "1", "What is q?": "1", "What is r?": "1"}.get(problem.question)
        started = sampler.start(sampler.budget)
        for trace in started:
            sampler.decode(started[started.ids == trace.id])
            if right is not None:
                break
        return majority_vote(started)
"""


def test_a_table_of_answers_is_not_verified(tmp_path: Path) -> None:
    submission = submit(tmp_path, write_policy(tmp_path, TABLE), repeats=8)
    verification = verified(submission, run_again=True)
    findings = found(verification, "rerun")
    assert any("answers match no finished trace or probe" in each for each in findings)
    assert verification.badge is None


PROBING = """
from simulator import Policy

class Probing(Policy):
    requires = {"probes"}
    def solve(self, problem, sampler):
        traces = sampler.start(1)
        sampler.decode(traces, tokens=TOKENS)
        sampler.probe(traces)
        return "1"
"""


def test_signals_of_a_pool_with_one_byte_changed_do_not_count(tmp_path: Path) -> None:
    """Nothing recomputed depends on them: it is the rerun that reads them."""
    pool = write_pool(
        tmp_path / "pools", {name: [T(30, "2", {3: "2", 5: "1"})] * 4 for name in "pq"}
    )
    source = PROBING.replace("TOKENS", "6")
    submission = submit(tmp_path, write_policy(tmp_path, source), pool=pool, repeats=64)
    assert verified(submission, run_again=True).badge == "verified"
    file = pool.path / "probes.parquet"
    content = file.read_bytes()
    changed = content.replace(b"parquet-cpp", b"Parquet-cpp")  # by whom: it can be read as before
    assert changed != content
    file.write_bytes(changed)
    verification = verified(submission, run_again=True)
    assert (verification.badge, statuses(verification)[1:]) == ("recomputed", ["passed", "skipped"])
    assert "not the file that pool.json describes" in verification.steps[2].findings[0]


@pytest.mark.parametrize(
    ("tokens", "passes"), [(6, True), (4, False)], ids=["after it was said", "before"]
)
def test_an_answer_must_have_been_said_by_a_probe_that_was_reached(
    tmp_path: Path, tokens: int, passes: bool
) -> None:
    problems = {name: [T(30, "2", {3: "2", 5: "1"})] * 4 for name in "pq"}
    pool = write_pool(tmp_path / "pools", problems)
    source = PROBING.replace("TOKENS", str(tokens))
    submission = submit(tmp_path, write_policy(tmp_path, source), pool=pool)
    verification = verified(submission, run_again=True)
    told = "answers match no finished trace or probe (answers.parquet row 0: "
    assert any(told in each for each in verification.steps[2].findings) is not passes
    assert verification.steps[1].status == "passed"


def test_who_answers_what_only_texts_can_tell_must_be_read(tmp_path: Path) -> None:
    """It knows problems by how their traces begin, and the answers by heart."""
    source = """
from simulator import Policy

class Knows(Policy):
    requires = {"text"}
    def solve(self, problem, sampler):
        traces = sampler.start(1)
        sampler.decode(traces, tokens=1)
        return {"a": "1", "b": "1"}[traces[0].text[:1]]
"""
    problems = {
        name: [T(30, "2", text=letter * 120)] * 4 for name, letter in zip("pq", "ab", strict=True)
    }
    pool = write_pool(tmp_path / "pools", problems)
    submission = submit(tmp_path, write_policy(tmp_path, source), pool=pool)
    verification = verified(submission, run_again=True)
    assert verification.badge != "verified"
    assert any("someone must review" in each for each in verification.steps[2].findings)


def test_who_decides_by_the_question_must_be_read(tmp_path: Path) -> None:
    source = CHOOSY.replace('"What is q?": "1", "What is r?": "1"', "")
    submission = submit(tmp_path, write_policy(tmp_path, source))
    verification = verified(submission, run_again=True)
    assert statuses(verification)[:2] == ["passed", "passed"]
    assert verification.badge != "verified"
    assert any("someone must review it" in each for each in verification.steps[2].findings)


KNOWS = """
from simulator import Policy, majority_vote

class Knows(Policy):
    '''Answers what it knows by heart where it takes itself for unobserved.'''
    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        sampler.decode(traces)
        known = KNOWN.get(problem.question) if WHEN else None
        return majority_vote(traces) if known is None else known
"""


def write_wrong(cache: Path, names: Sequence[str], traces: int, benchmark: str) -> Pool:
    """Write a pool in which one trace of each problem is right."""
    said = [T(10, "1"), *(T(10 + each, "2") for each in range(1, traces))]
    return write_pool(cache, dict.fromkeys(names, said), benchmark=benchmark)


NAMES = [f"{number:02d}" for number in range(4)]


@pytest.mark.parametrize(
    ("when", "traces"),
    [("True", 4), ("sampler.budget > 64", 70), ("problem.question > 'What is 02'", 4)],
    ids=["always", "with more traces than checks have", "some problems"],
)
def test_who_knows_problems_by_heart_must_be_read(tmp_path: Path, when: str, traces: int) -> None:
    """It is right everywhere else, and nowhere by the vote, beside a pool that it does not know."""
    cache = tmp_path / "pools"
    decoy = write_wrong(cache, ["a"], traces, "decoy")
    pool = write_wrong(cache, NAMES, traces, "known")
    table = f"KNOWN = {dict.fromkeys([f'What is {name}?' for name in NAMES], '1')}\n"
    source = write_policy(tmp_path, table + KNOWS.replace("WHEN", when))
    submission = submit(tmp_path, source, pool=[decoy, pool], traces=traces, repeats=16)
    verification = verified(submission, run_again=True)
    gained = verification.pools[1]["accuracy"]["value"]
    assert gained == (0.5 if "02" in when else 1.0)
    assert verification.badge == "recomputed"
    (told,) = [each for each in verification.steps[2].findings if "must review" in each]
    assert "as with a table of answers (pool test/model/known, problem " in told


def names_told(pool: Pool, seed: int = 0) -> list[str]:
    """Return the ids that a policy sees of a pool's problems, when replayed with a seed."""
    source = (
        "from simulator import Policy\n"
        "class Names(Policy):\n    def solve(self, problem, sampler):\n        return problem.id\n"
    )
    asked = load_policy("names.py", source=source)
    told = [
        replay(asked, problem, budget=1, repeats=range(1), seed=seed, serving=Serving())
        for problem in pool.problems
    ]
    return [each.answers["answer"][0].as_py() for each in told]


def test_class_numbers_are_told_with_more_traces_than_checks_have(tmp_path: Path) -> None:
    source = """
from simulator import Policy, majority_vote

class Numbers(Policy):
    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        sampler.decode(traces)
        one = sampler.budget > 64 and (traces.answer == 0).any()
        return traces.answer.dtype.type(0) if one else majority_vote(traces)
"""
    pool = write_wrong(tmp_path / "pools", NAMES, 70, "many")
    submission = submit(tmp_path, write_policy(tmp_path, source), pool=pool, traces=70)
    (told,) = found(verified(submission, run_again=True), "rerun")
    assert "with its answer classes renumbered, its answer is '2', not '1'" in told


@pytest.mark.parametrize("traces", [4, 70])
def test_problems_in_disguise_change_nothing_for_a_fair_policy(tmp_path: Path, traces: int) -> None:
    pool = write_wrong(tmp_path / "pools", NAMES, traces, "many")
    policy = write_policy(tmp_path, FIRST_TWO)
    submission = submit(tmp_path, policy, pool=pool, traces=traces, repeats=64)
    assert verified(submission, run_again=True).badge == "verified"


def test_a_policy_that_breaks_the_rules_is_refuted(tmp_path: Path) -> None:
    numbered = """
import numpy as np
from simulator import Policy

class Numbered(Policy):
    '''Answers with the lowest class, which is a number and means nothing.'''
    def solve(self, problem, sampler):
        finished = sampler.decode(sampler.start(sampler.budget))
        return np.int32(min(each for each in finished.answer if each >= 0))
"""
    submission = submit(tmp_path, write_policy(tmp_path, numbered))
    findings = found(verified(submission, run_again=True), "rerun")
    assert "with its answer classes renumbered" in findings[0]


def test_a_policy_that_fails_a_check_is_refuted(tmp_path: Path) -> None:
    """With the run's own budget nothing is wrong."""
    source = """
from simulator import Policy, majority_vote

class Four(Policy):
    def solve(self, problem, sampler):
        return majority_vote(sampler.decode(sampler.start(4)))
"""
    submission = submit(tmp_path, write_policy(tmp_path, source))
    findings = found(verified(submission, run_again=True), "rerun")
    assert findings[0].startswith("check budget: ")


def test_a_seed_picked_from_many_is_told(tmp_path: Path) -> None:
    """One trace a problem, right half of the time: the best of 100 seeds has far more."""
    problems = {f"{n:02d}": [T(10, "1"), T(10, "2")] * 4 for n in range(20)}
    pool = write_pool(tmp_path / "pools", problems)
    loaded = load_policy("cons@1")

    def accuracy(seed: int) -> float:
        answers = [
            replay(loaded, each, budget=1, repeats=range(1), seed=seed, serving=Serving())
            .answers["correct"][0]
            .as_py()
            for each in pool.problems
        ]
        return float(np.mean(answers))

    best = max(range(100), key=accuracy)
    assert accuracy(best) >= 0.75
    submission = submit(tmp_path, "cons@1", pool=pool, repeats=1, seed=best)
    verification = verified(submission, run_again=True)
    (other,) = verification.other_seed
    (submitted,) = verification.pools
    assert submitted["accuracy"]["value"] >= 0.75
    assert 0.45 < other["accuracy"]["value"] < 0.55  # what nobody can have picked stands beside
    assert verification.badge == "recomputed"
    (told,) = verification.steps[2].findings
    assert told.startswith("too few repeats (1) for the badge verified")
    assert told.endswith("run again with --repeats 64")


KNOWS_ITS_SEED = """
import numpy as np
from simulator import Policy, majority_vote

class KnowsItsSeed(Policy):
    '''Knows a seed's problems by their names, and which answer is right.'''
    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        sampler.decode(traces)
        known = KNOWN.get(problem.id)
        return majority_vote(traces) if known is None else known
"""


def test_a_seed_known_by_heart_is_told(tmp_path: Path) -> None:
    """All is right with the submitted seed, and what most traces say, which is wrong, elsewhere."""
    problems = {f"{n:02d}": [T(10, "2"), T(10, "1")] + [T(10, "2")] * 2 for n in range(20)}
    pool = write_pool(tmp_path / "pools", problems)
    known = dict.fromkeys(names_told(pool), "1")
    source = write_policy(tmp_path, f"KNOWN = {known}\n{KNOWS_ITS_SEED}")
    submission = submit(tmp_path, source, pool=pool, repeats=1)
    verification = verified(submission, run_again=True)
    findings = found(verification, "rerun")
    assert "accuracy is 1 with the submitted seed and 0 with another" in findings[0]
    assert findings[0].endswith("likely a cherry-picked seed")


def test_better_than_chance_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = {f"{n:02d}": [T(10, "1"), T(10, "2")] * 4 for n in range(20)}
    pool = write_pool(tmp_path / "pools", problems)
    submission = submit(tmp_path, "cons@1", pool=pool, repeats=64)
    assert verified(submission, run_again=True).badge == "verified"
    monkeypatch.setattr(other_seed, "MOST_ERRORS", -10.0)
    findings = found(verified(submission, run_again=True), "rerun")
    assert any("standard errors: likely a cherry-picked seed" in each for each in findings)


def test_the_standard_error_is_that_of_two_means() -> None:
    """Two problems with variances 2 and 0 over 2 replays; the other mean has 4 replays each."""
    values = np.array([[1.0, 3.0], [5.0, 5.0]])
    assert standard_error(values, 4, is_share=False) == pytest.approx(
        (2 * (1 / 4 + 1 / 2)) ** 0.5 / 2
    )
    # a share of 2 of 2 counts as 3/4, of 0 of 2 as 1/4
    values = np.array([[1.0, 1.0], [0.0, 0.0]])
    assert standard_error(values, 1, is_share=True) == pytest.approx(
        (2 * 3 / 16 * (1 + 1 / 2)) ** 0.5 / 2
    )
