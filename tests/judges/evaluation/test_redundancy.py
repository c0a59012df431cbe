"""Redundancy: pairs counted by hand, and the command as it is typed."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_pools import make_pool
from pools import T, write_pool

from judges.evaluation.redundancy import TOGETHER, count_pairs, redundancies
from simulator.cli import main


def answered(*answers: str | None) -> list[T]:
    return [T(10, answer) for answer in answers]


def test_pairs_by_hand(tmp_path: Path) -> None:
    # p: 1 1 1 2 and one without: 3 of 6 pairs agree. q: 2 2: 1 of 1. r: one answer, no pair.
    pool = write_pool(
        tmp_path,
        {
            "p": answered("1", "1", None, "1", "2"),
            "q": answered("2", None, "2"),
            "r": answered("1", None, None),
        },
    )
    (row,) = redundancies([pool])
    assert (row.problems, row.same_pairs, row.pairs) == (2, 4, 7)
    assert row.share is not None
    assert row.mean is not None
    assert row.share.value == 4 / 7
    assert row.mean.value == (3 / 6 + 1) / 2


def test_traces_cut_by_the_length_limit_are_left_out(tmp_path: Path) -> None:
    """As in DeepPrune's appendix A, even if they have an answer."""
    finished = [("1", "stop"), ("2", "stop"), ("1", "stop")]
    pool = make_pool(tmp_path, "m", {"p": [*finished, ("1", "length"), (None, "length")]})
    assert [*count_pairs(pool).values()] == [(1, 3)]  # with the cut one: 3 of 6


def test_a_pool_without_pairs_has_no_share(tmp_path: Path) -> None:
    (row,) = redundancies([write_pool(tmp_path, {"p": answered("1", None)})])
    assert (row.pairs, row.share, row.mean) == (0, None, None)


def test_a_problem_of_two_pools_is_one_where_they_are_put_together(tmp_path: Path) -> None:
    first = write_pool(tmp_path / "a", {"p": answered("1", "1"), "q": answered("1", "2")})
    second = write_pool(tmp_path / "b", {"p": answered("1", "1", "1"), "q": answered("1", "2")})
    *_, together = redundancies([first, second])
    assert (together.pool, together.problems) == (TOGETHER, 2)
    assert (together.same_pairs, together.pairs) == (1 + 3, 2 + 4)


@given(answers=st.lists(st.sampled_from(["1", "2", "3", None]), min_size=1, max_size=9))
def test_counts_are_those_of_all_pairs_written_out(
    tmp_path_factory: pytest.TempPathFactory, answers: list[str | None]
) -> None:
    pool = write_pool(tmp_path_factory.mktemp("pool"), {"p": answered(*answers)})
    pairs = [*combinations([answer for answer in answers if answer is not None], 2)]
    assert [*count_pairs(pool).values()] == [(sum(a == b for a, b in pairs), len(pairs))]


def test_the_command_prints_json_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pool(tmp_path / "cache", {"p": answered("1", "1", "2")})
    arguments = ["judge", "redundancy", "--cache", "cache", "--json", "--plot", "picture.svg"]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["share"]["value"] == 1 / 3
    assert "33.3" in Path("picture.svg").read_text(encoding="utf-8")


def test_the_command_names_what_it_cannot_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pool(tmp_path, {"p": answered("1")})
    for arguments, said in (
        (["--plot", "picture.pdf"], ".png or an .svg"),
        (["nothing/*"], "no pool"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["judge", "redundancy", "--cache", str(tmp_path), *arguments])
        assert ended.value.code == 2
        assert said in capsys.readouterr().err
