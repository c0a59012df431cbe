"""Sums that are kept are those of the answers, and of no other answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from shown_folders import write_local_run, write_recorded

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.kept.sums import KeptSums
from simulator.runs.results import ProblemSums, read_problem_sums
from simulator.storage import file_sha256


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make runs `cons` and `esc` on two pools."""
    root = tmp_path_factory.mktemp("sums")
    folders = Folders(root / "pools", root / "runs", root / "submissions")
    pools = [write_recorded(folders.cache, "m", f"b{number}", problems=3) for number in (1, 2)]
    write_local_run(folders, "cons", "cons@8", pools)
    write_local_run(folders, "esc", "esc", pools)
    return folders.runs


def sha256(run: Path) -> str:
    return file_sha256(run / "answers.parquet")


def assert_same(found: object, expected: dict[str, ProblemSums]) -> None:
    assert isinstance(found, dict)
    assert list(found) == list(expected)
    for pool, sums in expected.items():
        assert (found[pool].problem_ids, found[pool].repeats) == (sums.problem_ids, sums.repeats)
        for name in ("correct", "tokens", "baseline_correct", "baseline_tokens"):
            one, other = getattr(found[pool], name), getattr(sums, name)
            assert one.dtype == other.dtype == np.int64
            assert one.tolist() == other.tolist()


def test_sums_in_the_file_are_those_of_the_answers_without_reading_these(
    runs: Path, tmp_path: Path
) -> None:
    place = tmp_path / "kept" / "sums.kept"
    first = KeptSums(place)
    hashes = {name: sha256(runs / name) for name in ("cons", "esc")}
    for name, of in hashes.items():
        assert_same(first.of(runs / name, of), read_problem_sums(runs / name))
    assert not place.exists()
    first.keep(set(hashes.values()))
    again = KeptSums(place)
    nowhere = tmp_path / "nowhere"
    for name, of in hashes.items():
        assert_same(again.of(nowhere, of), read_problem_sums(runs / name))
    assert again.of(nowhere, "0" * 64) == {}


def test_only_sums_of_the_board_are_kept_and_all_of_them(runs: Path, tmp_path: Path) -> None:
    place = tmp_path / "sums.kept"
    sums = KeptSums(place)
    hashes = [sha256(runs / name) for name in ("cons", "esc")]
    for name, of in zip(("cons", "esc"), hashes, strict=True):
        sums.of(runs / name, of)
    sums.keep({hashes[1]})
    again = KeptSums(place)
    assert again.of(tmp_path, hashes[0]) == {}
    assert len(again.of(tmp_path, hashes[1])) == 2


def test_answers_with_another_hash_are_read_and_not_remembered(runs: Path, tmp_path: Path) -> None:
    place = tmp_path / "sums.kept"
    run = tmp_path / "run"
    shutil.copytree(runs / "cons", run)
    of = sha256(run)
    shutil.copy(runs / "esc" / "answers.parquet", run)  # changed since its hash was taken
    sums = KeptSums(place)
    assert_same(sums.of(run, of), read_problem_sums(runs / "esc"))
    sums.keep({of})
    assert KeptSums(place).of(tmp_path / "nowhere", of) == {}
    shutil.copy(runs / "cons" / "answers.parquet", run)
    assert_same(sums.of(run, of), read_problem_sums(runs / "cons"))


def test_a_damaged_file_and_damaged_answers_give_nothing_false(runs: Path, tmp_path: Path) -> None:
    place = tmp_path / "sums.kept"
    of = sha256(runs / "cons")
    sums = KeptSums(place)
    sums.of(runs / "cons", of)
    sums.keep({of})
    content = bytearray(place.read_bytes())
    content[-20] ^= 1
    place.write_bytes(content)
    assert_same(KeptSums(place).of(runs / "cons", of), read_problem_sums(runs / "cons"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "answers.parquet").write_bytes(b"PAR1")
    assert KeptSums(None).of(tmp_path / "run", sha256(tmp_path / "run")) == {}
    assert KeptSums(None).of(tmp_path / "nowhere", None) == {}


def test_numbers_beyond_32_bits_are_exact(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = ProblemSums(
        ("a", "b"), 1, *(np.array(each) for each in ([0, 1], [2**40 + 1, 5], [1, 1], [2**33, 9]))
    )
    monkeypatch.setattr(
        "leaderboard_app.library.kept.sums.read_problem_sums", lambda *given: {"pool": large}
    )
    sums = KeptSums(None)
    for _ in range(2):
        found = sums.of(runs / "cons", sha256(runs / "cons"))
        assert found["pool"].tokens.tolist() == [2**40 + 1, 5]
        assert found["pool"].baseline_tokens.tolist() == [2**33, 9]
