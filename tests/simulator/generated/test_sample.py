"""The sample that `run` makes if there is no pool: its bytes, its traces, and making it at once."""

from __future__ import annotations

import hashlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import UserError
from simulator.generated import pools
from simulator.generated.cells import CELLS, SAMPLE_CELL, SAMPLE_SIZE
from simulator.generated.pools import generated_problems, make_sample
from simulator.pools.check import check_pool
from simulator.pools.pool import NO_ANSWER, Pool
from simulator.pools.records import ProblemRecord

NAME = "generated/sample-8b/aime-like"
"""The sample's name as users type it: it must not change."""


@pytest.fixture(scope="module")
def problems() -> list[ProblemRecord]:
    return list(generated_problems(SAMPLE_CELL, SAMPLE_SIZE, text=True))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    assert make_sample(folder) == folder / NAME
    return folder


# The pool


def test_two_caches_get_the_same_bytes(cache: Path, tmp_path: Path) -> None:
    again = make_sample(tmp_path / "new" / "cache")
    files = sorted(path.name for path in again.iterdir())
    tables = ("classes", "confidence", "probes", "problems", "text", "traces")
    assert set(files) >= {"pool.json", *(f"{table}.parquet" for table in tables)}
    for name in files:
        assert (again / name).read_bytes() == (cache / NAME / name).read_bytes()
    assert Pool(again).info.fingerprint == Pool(cache / NAME).info.fingerprint


def test_the_traces_stay_the_same(problems: list[ProblemRecord]) -> None:
    # Not a worked-out value: figures shown for the sample stay true only while its traces do.
    digest = hashlib.sha256()
    for problem in problems:
        for trace in problem.traces:
            line = (problem.gold_answer, trace.num_tokens, trace.answer, trace.probe_answers)
            digest.update(repr(line).encode())
    assert digest.hexdigest()[:16] == "8adb08286264d2f9"


def test_the_pool_is_marked_as_generated_and_has_every_signal(cache: Path) -> None:
    info = Pool(cache / NAME).info
    assert info.synthetic
    assert info.importer == "generated"
    assert info.name == NAME
    assert set(info.signals) >= {"text", "confidence", "probes"}
    assert info.token_accuracy == "exact"
    assert (info.problems, info.traces) == (10, 800)
    assert all(
        p.question is not None and "no real question" in p.question
        for p in Pool(cache / NAME).problems
    )


def test_the_pool_is_sound(cache: Path) -> None:
    assert check_pool(cache / NAME) == []


def test_no_other_cell_has_its_number_or_name() -> None:
    assert SAMPLE_CELL.number not in {cell.number for cell in CELLS}
    assert SAMPLE_CELL.name not in {cell.name for cell in CELLS}


def test_the_pool_holds_what_was_generated(cache: Path, problems: list[ProblemRecord]) -> None:
    stored = Pool(cache / NAME).problems
    assert [p.problem_id for p in stored] == [p.problem_id for p in problems]
    assert sum(len(p.traces) for p in problems) == 800
    for made, kept in zip(problems, stored, strict=True):
        assert kept.lengths.tolist() == [t.num_tokens for t in made.traces]
        answers = [None if c == NO_ANSWER else kept.class_texts[c] for c in kept.answer_class]
        assert answers == [t.answer for t in made.traces]
        assert kept.correct.tolist() == [t.answer == made.gold_answer for t in made.traces]
        assert kept.probes.offsets[-1] == sum(len(t.probe_answers or ()) for t in made.traces)
        assert [*kept.texts] == [t.text for t in made.traces]


# Its traces: as long as recorded ones, so that published settings fit them


def test_probes_come_at_every_multiple_of_500_below_the_length(
    problems: list[ProblemRecord],
) -> None:
    for problem in problems:
        for trace in problem.traces:
            assert trace.probe_positions is not None
            assert trace.probe_positions.tolist() == list(range(500, trace.num_tokens, 500))
            assert trace.probe_answers is not None
            assert len(trace.probe_answers) == len(trace.probe_positions)


def test_answers_are_those_of_aime(problems: list[ProblemRecord]) -> None:
    allowed = {str(number) for number in range(1000)}
    for problem in problems:
        assert problem.gold_answer in allowed
        for trace in problem.traces:
            assert trace.answer is None or trace.answer in allowed
            assert set(trace.probe_answers or ()) <= allowed | {None}


def test_only_traces_at_the_limit_have_no_answer(problems: list[ProblemRecord]) -> None:
    for problem in problems:
        for trace in problem.traces:
            assert 1 <= trace.num_tokens <= 40_960
            at_limit = trace.num_tokens == 40_960
            assert (trace.answer is None) == at_limit
            assert trace.finish_reason == ("length" if at_limit else "stop")


def test_lengths_and_accuracies_are_as_chosen(problems: list[ProblemRecord]) -> None:
    lengths = [t.num_tokens for p in problems for t in p.traces]
    assert np.mean(lengths) == pytest.approx(12_000, rel=0.001)
    shares = [np.mean([t.answer == p.gold_answer for t in p.traces]) for p in problems]
    assert np.mean(shares) == pytest.approx(0.60, abs=0.01)
    assert sum(_vote(problem) == problem.gold_answer for problem in problems) == 8


def _vote(problem: ProblemRecord) -> str:
    answers = [trace.answer for trace in problem.traces if trace.answer is not None]
    return max(set(answers), key=answers.count)


# Making it


def test_a_pool_that_is_there_is_left_alone(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (cache / NAME / "pool.json").stat()
    monkeypatch.setattr(pools, "make_pool", None)
    assert make_sample(cache) == cache / NAME
    assert (cache / NAME / "pool.json").stat() == before


def test_the_second_of_two_processes_keeps_the_pool_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def another_process_is_faster(*args: Any, **how: Any) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(pools, "make_pool", make_pool)
            made.append((make_sample(tmp_path) / "pool.json").stat().st_ino)
        make_pool(*args, **how)

    make_pool = pools.make_pool
    monkeypatch.setattr(pools, "make_pool", another_process_is_faster)
    assert make_sample(tmp_path) == tmp_path / NAME
    assert [(tmp_path / NAME / "pool.json").stat().st_ino] == made
    assert [path.name for path in tmp_path.iterdir()] == ["generated"]


def test_several_processes_can_make_it_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as processes:
        folders = list(processes.map(make_sample, [tmp_path] * 2))
    assert folders == [tmp_path / NAME] * 2
    assert Pool(folders[0]).info.traces == 800
    assert [path.name for path in tmp_path.iterdir()] == ["generated"]


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir(parents=True)
    (folder / "notes.txt").touch()
    with pytest.raises(UserError, match="aime-like: exists and is not a pool"):
        make_sample(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["generated"]
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_cache_that_cannot_be_written_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        make_sample(tmp_path / "file")
