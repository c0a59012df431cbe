"""The page Data: what pools say, by values worked out by hand and by other implementations."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, write_pool

from judges.evaluation.redundancy import redundancies
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from leaderboard_app.library.pool_answers import (
    HANDS,
    PoolAnswers,
    Votes,
    bin_width,
    expected_vote,
    read_answers,
    shares,
)
from leaderboard_app.shown.table import Table
from leaderboard_app.views.data import charts as data_charts
from leaderboard_app.views.data import tables as data
from simulator.errors import UserError
from simulator.loading import load_policy
from simulator.policy.voting import majority_vote
from simulator.pools.pool import NO_ANSWER
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec

POOL = "test/model/tiny"

PROBLEMS = {
    # three right, one wrong: 3 of 6 pairs agree
    "a": [T(10, "1"), T(20, "1"), T(30, "1"), T(100, "7")],
    # one right, two of one wrong answer, one of another: 1 of 6 pairs agrees
    "b": [T(10, "1"), T(10, "8"), T(10, "8"), T(10, "9")],
    # a tie of right and wrong, and two without an answer: no pair of 1 agrees
    "c": [T(40, "5"), T(40, "1"), T(41, None), T(42, None)],
}


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Make a library of the one pool."""
    folders = Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "submissions")
    write_pool(folders.cache, PROBLEMS)
    return load(folders)


@pytest.fixture
def answers(library: Library) -> PoolAnswers:
    """Read the answers of its traces."""
    return read_answers(library, POOL)


def test_of_a_pool_with_unfinished_traces_no_figure_is_shown(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "submissions")
    pool = write_pool(folders.cache, {"a": [T(9, "1"), T(3, None, unfinished=True)]})
    policy = load_policy("cons@1", {})
    spec = RunSpec(policy, [pool], None, 1, 0, Serving(), order="stored")
    make_run(spec, folders.runs / "mine")
    library = load(folders)
    why = "1 of 2 traces are unfinished: pass@k, cons@k and lengths are not known"
    with pytest.raises(UserError, match=why):
        read_answers(library, POOL)
    (cells,) = data.pools_table(library.pools, {POOL: why}).rows
    assert [cell.note for cell in cells if cell.note == why] == [why]
    assert ("Unfinished traces", "1") in data.description(pool.info)
    assert library.entries == ()
    (broken,) = library.broken
    assert broken.reason.startswith("1 traces of test/model/tiny are unfinished, so that it cannot")


def row(table: Table, index: int) -> dict[str, object]:
    """Return a row's values by column, or the text if there is no value."""
    keys = [column.key for column in table.columns]
    cells = table.rows[index]
    return {
        key: cell.text if cell.value is None else cell.value
        for key, cell in zip(keys, cells, strict=True)
    }


def test_votes_are_counted_commonest_first(answers: PoolAnswers) -> None:
    assert answers.votes == {
        "a": Votes((3, 1), (True, False), ("1", "7"), 0),
        "b": Votes((2, 1, 1), (False, True, False), ("8", "1", "9"), 0),
        "c": Votes((1, 1), (False, True), ("5", "1"), 2),
    }


def test_lengths_are_counted_by_answer(answers: PoolAnswers) -> None:
    assert answers.width == 5  # 21 bars of 5 hold 0 to 100; of 2, 40 bars end at 80
    found = {(bar.start, bar.kind): bar.traces for bar in answers.lengths}
    assert found == {
        (10, "right"): 2,
        (10, "wrong"): 3,
        (20, "right"): 1,
        (30, "right"): 1,
        (100, "wrong"): 1,
        (40, "right"): 1,
        (40, "wrong"): 1,
        (40, "no answer"): 2,
    }


@pytest.mark.parametrize(("tokens", "width"), [(1, 1), (40, 1), (41, 2), (81, 5), (1401, 50)])
def test_bars_are_of_the_least_round_width(tokens: int, width: int) -> None:
    assert bin_width(tokens) == width


def test_redundancy_is_that_of_the_judges_package(full_library: Library) -> None:
    names = [each["name"] for each in full_library.pools][::4]
    pools = [full_library.pool(name) for name in names]
    for name, wanted in zip(names, redundancies([each for each in pools if each]), strict=False):
        found = read_answers(full_library, name)
        assert found.redundancy == wanted.share
        assert found.mean_redundancy == wanted.mean


def test_redundancy_by_hand(answers: PoolAnswers) -> None:
    assert answers.redundancy is not None
    assert answers.redundancy.value == pytest.approx(4 / 13)
    assert answers.mean_redundancy is not None
    assert answers.mean_redundancy.value == pytest.approx((3 / 6 + 1 / 6 + 0) / 3)


def test_a_vote_by_hand() -> None:
    two_to_one = Votes((2, 1), (True, False), ("1", "2"), 0)
    assert expected_vote(two_to_one, 1) == pytest.approx(2 / 3)
    assert expected_vote(two_to_one, 3) == 1.0
    # of two: both right (1/3), or a tie (2/3), which the one seen first decides
    assert expected_vote(two_to_one, 2) == pytest.approx(1 / 3 + 1 / 3, abs=0.08)
    assert expected_vote(Votes((1, 1), (True, False), ("1", "2"), 0), 2) == 0.5
    assert expected_vote(Votes((1,), (True,), ("1",), 1), 1) == 0.5
    assert expected_vote(Votes((1,), (True,), ("1",), 1), 2) == 1.0
    assert expected_vote(Votes((), (), (), 3), 2) == 0.0


@settings(max_examples=40)
@given(
    votes=st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=3),
    none=st.integers(0, 2),
    chosen=st.floats(0, 1),
)
def test_a_vote_is_that_of_every_order_of_the_traces(
    votes: list[tuple[int, bool]], none: int, chosen: float
) -> None:
    """Against `majority_vote` over all orders, up to five standard errors of the draws."""
    while sum(count for count, _ in votes) + none > 6:
        votes, none = (votes[:-1], none) if len(votes) > 1 else (votes, none - 1)
    answers = [place for place, (count, _) in enumerate(votes) for _ in range(count)]
    answers += [NO_ANSWER] * none
    k = 1 + round(chosen * (len(answers) - 1))
    right = [is_right for _, is_right in votes]
    won = []
    for order in permutations(answers):
        winner = majority_vote(np.array(order[:k], dtype=np.int32))
        won.append(winner is not None and right[int(winner)])
    stored = Votes(tuple(count for count, _ in votes), tuple(right), ("",) * len(votes), none)
    assert expected_vote(stored, k) == pytest.approx(np.mean(won), abs=5 * 0.5 / HANDS**0.5)


def test_curves_by_hand(answers: PoolAnswers) -> None:
    assert list(answers.cons_at_k) == list(answers.facts.pass_at_k) == [1, 2, 4]
    assert answers.facts.pass_at_k[1].value == pytest.approx((3 / 4 + 1 / 4 + 1 / 4) / 3)
    assert answers.facts.pass_at_k[4].value == 1.0
    assert answers.cons_at_k[1].value == pytest.approx(answers.facts.pass_at_k[1].value)
    # of all four: a is right, b wrong, c a tie of two
    assert answers.cons_at_k[4].value == pytest.approx((1 + 0 + 0.5) / 3)
    found = row(data.curves_table(answers), 2)
    assert found == {
        "k": 4,
        "pass_at_k": pytest.approx(100.0),
        "cons_at_k": pytest.approx(50.0),
    }


def test_the_same_figures_at_every_visit(library: Library) -> None:
    first, second = (read_answers(library, POOL) for _ in range(2))
    assert first.cons_at_k == second.cons_at_k


def test_answers_divide_a_problem(answers: PoolAnswers) -> None:
    assert shares(answers.votes["b"]) == [
        ("right", 0.25, "1"),
        ("commonest wrong", 0.5, "8"),
        ("other wrong", 0.25, "1 answer"),
        ("no answer", 0.0, ""),
    ]
    assert [share for _, share, _ in shares(answers.votes["c"])] == [0.25, 0.25, 0.0, 0.5]


def test_the_table_of_problems(answers: PoolAnswers) -> None:
    table = data.problems_table(answers)
    assert row(table, 0) == {
        "problem": "a",
        "gold": "1",
        "traces": 4,
        "pass_at_1": 75.0,
        "vote": "right",
        "commonest": "1",
        "commonest_share": 75.0,
        "distinct": 2,
        "no_answer": 0,
        "redundancy": 50.0,
        "mean_tokens": 40.0,
    }
    assert (row(table, 2)["vote"], row(table, 2)["no_answer"]) == ("tie, 50%", 2)


def test_the_table_of_pools(library: Library, answers: PoolAnswers) -> None:
    table = data.pools_table(library.pools, {POOL: answers.redundancy})
    found = row(table, 0)
    assert (found["model"], found["benchmark"], found["dataset"]) == ("model", "tiny", "test")
    assert (found["problems"], found["traces"], found["traces_per_problem"]) == (3, 12, 4.0)
    assert found["tokens"] == 10 + 20 + 30 + 100 + 40 + 40 + 40 + 41 + 42
    assert found["redundancy"] == pytest.approx(100 * 4 / 13)
    assert found["fingerprint"] == library.pools[0]["fingerprint"]
    cells = {column.key: cell for column, cell in zip(table.columns, table.rows[0], strict=True)}
    assert cells["model"].link == "data?pool=test%2Fmodel%2Ftiny"
    assert cells["fingerprint"].text == library.pools[0]["fingerprint"][:8]
    assert cells["redundancy"].low is not None
    broken = data.pools_table(library.pools, {POOL: "cannot be read"})
    assert "cannot be read" in [cell.note for cell in broken.rows[0]]


def test_a_pool_whose_rows_are_damaged_says_so(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "submissions")
    file = write_pool(folders.cache, PROBLEMS).path / "traces.parquet"
    content = bytearray(file.read_bytes())
    content[4:60] = b"\xff" * 56  # the footer stays as it is
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"test/model/tiny: cannot be read .*data verify says more"):
        read_answers(load(folders), POOL)


def test_known_sources_are_listed_with_what_is_missing_of_them(library: Library) -> None:
    entries = data.known_entries(library)
    (scout,) = [entry for entry in entries if entry.name == "scout"]
    names = {entry.pool_name(rule) for entry in entries for rule in entry.pools}
    table = data.known_table(entries, set())
    assert {cell[0].text for cell in table.rows} == {entry.name for entry in entries}
    assert "deepprune-sim data pull scout" in {cell[2].text for cell in table.rows}
    assert data.known_table(entries, names).rows == ()
    here = {scout.pool_name(rule) for rule in scout.pools}
    assert "scout" not in {cell[0].text for cell in data.known_table(entries, here).rows}


def test_published_redundancy_stands_beside_real_pools_only(answers: PoolAnswers) -> None:
    real = data.redundancy_table(POOL, answers, synthetic=False)
    assert [cells[1].text for cells in real.rows[1:]] == ["94.5", "91.2", "76.2", "93.1", "81.6"]
    assert len(data.redundancy_table(POOL, answers, synthetic=True).rows) == 1


def test_charts_show_every_trace_once(answers: PoolAnswers) -> None:
    (lengths,) = data_charts.lengths_chart(answers).to_dict()["datasets"].values()
    assert sum(each["traces"] for each in lengths) == 12
    (bars,) = data_charts.answers_chart(answers).to_dict()["datasets"].values()
    assert [each["problem"] for each in bars if each["order"] == 0] == ["a", "b", "c"]
    assert sum(each["share"] for each in bars) == pytest.approx(3)
    (curves,) = data_charts.curves_chart(answers).to_dict()["datasets"].values()
    assert [(each["figure"], each["k"]) for each in curves] == [
        (name, k) for name in ("pass@k", "cons@k") for k in (1, 2, 4)
    ]


def test_charts_in_words(answers: PoolAnswers) -> None:
    assert data_charts.answers_in_words(answers).startswith(
        "Of 3 problems, all traces are right on 0 and none on 0; the most common answer is right "
        "on 1"
    )
    # sorted lengths: five 10, 20, 30, 40, 40, 41, 42, 100
    assert data_charts.lengths_in_words(answers).startswith(
        "Lengths of 12 traces: 10 to 100 tokens, half of them between 10 and 40, median 25, mean 30"
    )
    assert "to 100.0%" in data_charts.curves_in_words(answers)


def test_one_problem_with_one_trace_has_no_interval_and_no_redundancy(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "submissions")
    write_pool(folders.cache, {"a": [T(10, "1")]})
    found = read_answers(load(folders), POOL)
    assert found.redundancy is None
    assert found.mean_redundancy is None
    assert row(data.curves_table(found), 0)["cons_at_k"] == 100.0
    assert data.curves_table(found).rows[0][1].text == "100.0"
    assert data_charts.curves_chart(found).to_dict()


def test_the_description_names_what_is_given_and_nothing_else(library: Library) -> None:
    pool = library.pool(POOL)
    assert pool is not None
    said = dict(data.description(pool.info))
    assert said["Importer"] == "test 1"
    assert said["Token counts"].startswith("total. Lengths are exact")
    assert said["Signals"] == "none besides lengths and answers"
    assert said["Fingerprint"] == pool.info.fingerprint
    assert not {"Licence", "Source", "Revision", "Citation", "Tokenizer", "Note"} & set(said)
