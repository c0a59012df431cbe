"""Answers are found and graded anew from what a pool stores, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pools import T, write_pool

from simulator.answers.corrections import Correction
from simulator.answers.equivalence import Classes, classify
from simulator.answers.finding import compiled
from simulator.errors import UserError
from simulator.importers.import_pool import import_pool
from simulator.importers.importer import ImportOptions
from simulator.importers.regrading import RegradeOptions, RegradeReport, TraceChange, regrade
from simulator.pools import writer as writing
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool, read_info
from simulator.storage import locked

BOXED = [
    T(4, "3", text=r"I think \boxed{5}, no: \boxed{3}.", confidence=[1.0, 2.0, 3.0, 4.0]),
    T(2, "6/2", text=r"It is \boxed{6/2}.", confidence=[0.5, 70.25]),
    T(3, None, text="It never ends", confidence=[1.0, 1.0, 1.0]),
]

PROBED = [
    T(30, "3", {10: "3.0", 20: "4", 30: None}),
    T(20, "4", {10: "8/2", 20: "3"}),
]


def by_spelling(
    gold: str,
    kind: str,
    answers: Sequence[str | None],
    probes: Sequence[str | None],
    equality: str,
) -> Classes:
    """Group as an older version might have: equal texts only."""
    return classify(gold, "text", answers, probes)


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that writes a pool whose answers are grouped by their spelling."""

    def write(cache: Path, problems: dict[str, list[T]]) -> Pool:
        with monkeypatch.context() as patch:
            patch.setattr(writing, "classify", by_spelling)
            return write_pool(cache, problems, gold="3")

    return write


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def again(pool: Pool, **options: Any) -> RegradeReport:
    return regrade(pool.path, RegradeOptions(**options))


def line(answer: str, verdict: str, other: str | None = None, problem: str = "p") -> Correction:
    return Correction(problem, answer, verdict, "read by eye", other)


def test_what_is_right_already_stays_byte_for_byte(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": BOXED, "q": BOXED}, gold="3")
    before = files_of(pool.path)
    report = again(pool)
    assert (report.changes, report.regrouped, report.kinds) == ([], [], [])
    assert report.fingerprint == report.new_fingerprint == pool.info.fingerprint
    after = files_of(pool.path)
    assert sorted({*after} - {*before}) == ["as_written.parquet"]  # which an import has written
    assert all(after[name] == before[name] for name in before if name != "pool.json")
    assert read_info(pool.path).regraded == []


def test_an_older_grouping_becomes_that_of_a_new_import(tmp_path: Path, older: Any) -> None:
    pool = older(tmp_path / "old", {"p": BOXED, "q": BOXED[:1]})
    assert pool.problems[0].correct.tolist() == [True, False, False]
    report = again(pool)
    assert report.changes == [TraceChange("p", 1, "6/2", "6/2", right=False, new_right=True)]
    assert (report.answers, report.verdicts, report.regrouped) == (0, 1, ["p"])
    assert (report.before.pass_at_1, report.after and report.after.pass_at_1) == (
        (1 / 3 + 1) / 2,
        (2 / 3 + 1) / 2,
    )
    fresh = write_pool(tmp_path / "new", {"p": BOXED, "q": BOXED[:1]}, gold="3")
    assert report.new_fingerprint == fresh.info.fingerprint != report.fingerprint
    assert check_pool(pool.path) == []
    (entry,) = read_info(pool.path).regraded
    assert (entry["answers"], entry["verdicts"], entry["regrouped"]) == (0, 1, 1)


def test_signals_are_shared_and_not_written_again(tmp_path: Path, older: Any) -> None:
    pool = older(tmp_path, {"p": BOXED})
    signals = ["text.parquet", "confidence.parquet"]
    before = [(pool.path / name).stat().st_ino for name in signals]
    again(pool)
    assert [(pool.path / name).stat().st_ino for name in signals] == before
    assert sorted(read_info(pool.path).signals) == ["confidence", "text"]
    assert [file.name for file in pool.path.parent.iterdir()] == ["tiny"]  # nothing is left


def test_a_disk_without_links_gets_copies(
    tmp_path: Path, older: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = older(tmp_path, {"p": BOXED})

    def refused(target: Path, file: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    assert again(pool).verdicts == 1
    assert check_pool(pool.path) == []


def test_what_a_killed_process_has_left_is_cleared(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": BOXED}, gold="3")
    left = pool.path.with_name(".tiny.0123abcd.tmp")
    left.mkdir()
    (left / "text.parquet").touch()
    again(pool)
    assert [file.name for file in pool.path.parent.iterdir()] == ["tiny"]


def test_probes_keep_the_answers_that_their_source_wrote(tmp_path: Path, older: Any) -> None:
    pool = write_pool(tmp_path / "a", {"p": PROBED}, gold="3")
    assert (pool.path / "as_written.parquet").is_file()
    assert pool.problems[0].probes.answers.tolist() == [0, 1, -1, 1, 0]
    parted = again(pool, corrections=[line("8/2", "not-same-as", "4")])
    assert parted.regrouped == []  # of the traces, none is grouped in another way
    assert Pool(pool.path).problems[0].probes.answers.tolist() == [0, 1, -1, 2, 0]
    assert check_pool(pool.path) == []
    joined = again(pool, drop_corrections=True)
    assert joined.new_fingerprint == pool.info.fingerprint

    (pool.path / "as_written.parquet").unlink()
    assert check_pool(pool.path) == ["as_written.parquet: missing"]

    by_text = older(tmp_path / "b", {"p": PROBED})
    assert not (by_text.path / "as_written.parquet").exists()
    assert again(by_text).new_fingerprint == pool.info.fingerprint


def test_a_pool_is_counted_otherwise_and_back(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [*PROBED, T(9, None, {5: None})]}, gold="3")
    exact = again(pool, equality="exact", unparsed="vote")
    assert exact.new_fingerprint != exact.fingerprint
    (problem,) = Pool(pool.path).problems
    assert problem.class_texts == ["3", "4", "3.0", "8/2", "(no answer)"]
    assert problem.answer_class.tolist() == [0, 1, 4]
    assert problem.probes.answers.tolist() == [2, 1, 4, 3, 0, 4]
    assert exact.after is not None
    assert (exact.after.no_answer, exact.after.classes) == (1, (2, 2.0, 2))
    assert check_pool(pool.path) == []
    same = again(pool)
    assert same.new_fingerprint == same.fingerprint
    struck = again(pool, corrections=[line("3.0", "right")])
    assert Pool(pool.path).problems[0].class_texts == ["3", "4", "8/2", "(no answer)"]
    assert check_pool(pool.path) == []
    usual = again(pool, equality="meaning", unparsed="abstain", drop_corrections=True)
    assert usual.new_fingerprint == pool.info.fingerprint != struck.new_fingerprint


def test_corrections_are_recorded_and_applied_again(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": BOXED}, gold="4")
    first = again(pool, corrections=[line("3", "right")])
    assert [(each.trace_id, each.new_right) for each in first.changes] == [(0, True), (1, True)]
    assert first.new_fingerprint != first.fingerprint
    assert Pool(pool.path).problems[0].correct.tolist() == [True, True, False]
    assert check_pool(pool.path) == []

    same = again(pool)
    assert same.new_fingerprint == same.fingerprint == first.new_fingerprint
    more = again(pool, corrections=[line("6/2", "wrong")])
    assert Pool(pool.path).problems[0].correct.tolist() == [True, False, False]
    assert [each["answer"] for each in more.corrections] == ["3", "6/2"]
    fewer = again(pool, drop_corrections=True, corrections=[line("3", "right")])
    assert fewer.new_fingerprint == first.new_fingerprint
    assert again(pool, drop_corrections=True).new_fingerprint == first.fingerprint
    assert read_info(pool.path).corrections == []


def test_the_list_of_corrections_is_part_of_the_fingerprint_but_its_reasons_are_not(
    tmp_path: Path,
) -> None:
    pool = write_pool(tmp_path, {"p": BOXED}, gold="3")
    stated = again(pool, corrections=[line("3", "right")])  # which it is anyway
    assert stated.changes == []
    assert stated.new_fingerprint != stated.fingerprint
    why = Correction("p", "3", "right", "another reason")
    assert again(pool, corrections=[why]).new_fingerprint == stated.new_fingerprint
    assert read_info(pool.path).corrections[0]["reason"] == "another reason"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"corrections": [line("3", "right", problem="r")]}, "no problem 'r'; there are p, q"),
        ({"corrections": [line("33", "right")]}, "no trace answers '33'; did you mean 3?"),
        ({"corrections": [line("6/2", "wrong"), line("6/2", "same-as", "3")]}, "contradicts"),
        ({"answer_kind": "essay"}, "unknown answer kind 'essay'"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_cannot_be_done_leaves_the_pool_alone(
    tmp_path: Path, options: dict[str, Any], message: str, dry_run: bool
) -> None:
    pool = write_pool(tmp_path, {"p": BOXED, "q": BOXED}, gold="3")
    before = files_of(pool.path)
    with pytest.raises(UserError, match=r"^[^\n]*$") as error:
        again(pool, dry_run=dry_run, **options)
    assert message in str(error.value)
    assert files_of(pool.path) == before
    assert [file.name for file in pool.path.parent.iterdir()] == ["tiny"]


def test_new_corrections_may_not_contradict_recorded_ones(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": BOXED}, gold="4")
    again(pool, corrections=[line("3", "right")])
    with pytest.raises(UserError, match="contradict each other; remove one"):
        again(pool, corrections=[line("3", "wrong")])


def test_a_recorded_correction_that_fits_no_more_is_told_with_the_remedy(tmp_path: Path) -> None:
    pool = import_rows(tmp_path / "cache", PATTERNED)
    again(pool, corrections=[line("5", "right")])
    with pytest.raises(UserError, match=r"no trace answers '5'.*; --no-corrections drops those"):
        again(pool, answer_patterns=[r"Result = (\d+)"])
    assert again(pool, answer_patterns=[r"Result = (\d+)"], drop_corrections=True).answers == 1


def test_a_description_with_half_a_correction_is_refused(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": BOXED}, gold="3")
    file = pool.path / "pool.json"
    fields = json.loads(file.read_text()) | {"corrections": [{"problem": "p", "answer": "3"}]}
    file.write_text(json.dumps(fields))
    with pytest.raises(UserError, match=r"pool\.json: not a pool description"):
        read_info(pool.path)


def test_a_trial_writes_nothing(tmp_path: Path, older: Any) -> None:
    pool = older(tmp_path, {"p": BOXED})
    before = files_of(pool.path)
    report = again(pool, dry_run=True)
    assert (report.verdicts, report.new_fingerprint, report.after) == (1, None, None)
    assert files_of(pool.path) == before


def test_another_kind_of_answers_is_stored(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": BOXED}, gold="3")
    report = again(pool, answer_kind="text")
    assert (report.kinds, report.verdicts) == (["p"], 1)
    assert Pool(pool.path).problems[0].answer_kind == "text"
    assert check_pool(pool.path) == []


def test_a_pool_that_is_being_made_is_not_touched(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": BOXED}, gold="3")
    with locked(pool.path, lambda holder: UserError(holder)), pytest.raises(UserError) as error:
        again(pool)
    assert "is being imported by another process" in str(error.value)


def test_a_pool_of_before_keeps_its_fingerprint_where_nothing_changes(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": BOXED, "q": BOXED}, gold="3")
    file = pool.path / "pool.json"
    fields = json.loads(file.read_text())
    del fields["content"]  # as the first versions stored them
    file.write_text(json.dumps(fields))
    report = again(pool)
    assert report.new_fingerprint == report.fingerprint != pool.info.fingerprint
    corrected = again(pool, corrections=[line("3", "right")])
    assert corrected.new_fingerprint != report.fingerprint
    assert check_pool(pool.path) == []


def test_a_file_that_cannot_be_written_keeps_the_former_pool(
    tmp_path: Path, older: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = older(tmp_path, {"p": BOXED})
    before = files_of(pool.path)

    def full(file: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "link_or_copy", full)
    with pytest.raises(UserError, match=r"No space left on device.*free space and retry"):
        again(pool)
    assert files_of(pool.path) == before


def import_rows(
    cache: Path, rows: Sequence[dict[str, Any]], patterns: Sequence[str] = (), **how: Any
) -> Pool:
    path = cache.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = ImportOptions(paths=(path,), answer_patterns=tuple(compiled(patterns)), **how)
    names: dict[str, Any] = {"dataset": "test", "model": "model", "benchmark": "tiny"}
    return Pool(import_pool("jsonl", options, cache=cache, **names).path)


def text_row(text: str, **more: Any) -> dict[str, Any]:
    return {"problem_id": "p", "gold_answer": "3", "num_tokens": 5, "text": text} | more


FOUND_IN_TEXT = [
    text_row(r"First \boxed{2}, then \boxed{3}"),
    text_row("The final answer is 3."),
    text_row("#### 4"),
]
BESIDE_A_FIELD = [
    text_row(r"First \boxed{2}", answer="3"),
    text_row("The final answer is 3.", answer=None),
    text_row("as given", answer="3.0"),
    text_row("as given", answer=r"so I say \boxed{3}"),
]
WITHOUT_TEXT = [
    {"problem_id": "p", "gold_answer": "3", "num_tokens": 5, "answer": answer}
    for answer in ("3", r"it is \boxed{6/2}", None, "4")
]
PATTERNED = [text_row("Result = 3 kg; the answer is 5."), text_row("the answer is 3")]


@pytest.mark.parametrize(
    ("rows", "patterns", "answers"),
    [
        (FOUND_IN_TEXT, (), ["3", "3", "4"]),
        (BESIDE_A_FIELD, (), ["2", None, "3.0", "3"]),
        (WITHOUT_TEXT, (), ["3", "6/2", None, "4"]),
        (PATTERNED, [r"Result = (\d+)"], ["3", "3"]),
    ],
)
def test_an_imported_pool_is_found_again_as_it_was(
    tmp_path: Path, rows: list[dict[str, Any]], patterns: list[str], answers: list[str | None]
) -> None:
    pool = import_rows(tmp_path / "cache", rows, patterns)
    assert [row["answer"] for row in pool.trace_rows(pool.problems[0])] == answers
    before = files_of(pool.path)
    assert again(pool).changes == []
    assert files_of(pool.path) == before  # `pool.json` with its forms, too


def test_answers_are_found_in_texts_with_other_options(tmp_path: Path) -> None:
    pool = import_rows(tmp_path / "cache", PATTERNED)
    assert pool.problems[0].correct.tolist() == [False, True]
    report = again(pool, answer_patterns=[r"Result = (\d+)"])
    assert report.changes == [TraceChange("p", 0, "5", "3", right=False, new_right=True)]
    info = read_info(pool.path)
    assert info.answer_patterns == [r"Result = (\d+)"]
    assert info.answer_forms == {"announcement": 1, "pattern": 1}
    assert again(pool).changes == []  # the pattern is the pool's now
    fresh = import_rows(tmp_path / "fresh", PATTERNED, [r"Result = (\d+)"])
    assert info.fingerprint == fresh.info.fingerprint
    assert again(pool, answer_patterns=[]).new_fingerprint == pool.info.fingerprint


def test_of_an_older_pool_stored_answers_stay_and_missing_ones_are_found(tmp_path: Path) -> None:
    traces = [
        T(4, "4", text="taken from a field of the source; the answer is 3"),
        T(4, "5", text=r"a box that was overlooked: \boxed{3}"),
        T(4, None, text="The final answer is 3."),
    ]
    pool = write_pool(tmp_path, {"p": traces}, gold="3")
    report = again(pool)
    assert [each.new_answer for each in report.changes] == ["3", "3"]
    assert read_info(pool.path).answer_forms == {"announcement": 1, "box": 1, "stored": 1}
    assert again(pool).changes == []


def test_texts_of_a_generated_pool_are_not_searched(tmp_path: Path) -> None:
    pool = write_pool(
        tmp_path, {"p": [T(4, None, text=r"\boxed{3}"), T(4, "3", text="")]}, synthetic=True
    )
    assert again(pool).changes == []


def test_a_wrong_pattern_is_named(tmp_path: Path) -> None:
    pool = import_rows(tmp_path / "cache", PATTERNED)
    with pytest.raises(UserError, match=r"--answer-pattern '\('.*; correct it"):
        again(pool, answer_patterns=["("])
