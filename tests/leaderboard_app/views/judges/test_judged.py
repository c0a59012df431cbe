"""The page Judges: figures of stored scores by hand, and published ones as they were printed."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT

from judges.pairs.pair_sets import LENGTH_REASONS
from judges.prefixes import Truncation
from judges.protocol import Identity
from judges.scores.store import Description, ScoreStore, scores_folder
from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from leaderboard_app.shown.table import Table
from leaderboard_app.views.judges import charts as judged_charts
from leaderboard_app.views.judges import judged
from leaderboard_app.views.judges import tables as judged_tables
from leaderboard_app.views.judges.judged import (
    Stored,
    Worth,
    evaluate,
    inventory,
    roc_curve,
    scores_state,
)
from simulator.errors import UserError
from simulator.pools.pool import Pool, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter
from simulator.runs.results import Metric
from simulator.submissions.published import read_published

SUBMISSIONS = ROOT / "submissions"

Scores = dict[tuple[int, int], float]

ANSWERS = {
    "a": ("1", "1", "2"),
    "b": ("1", "5", None, "1", "5"),
}
"""Trace i has 10 (i + 1) tokens; trace 4 of b was cut by the length limit."""

SCORES: dict[str, Scores] = {
    "a": {(0, 1): 0.9, (0, 2): 0.4, (1, 2): 0.6},
    "b": {(0, 3): 0.3, (0, 1): 0.2, (1, 3): 0.5, (0, 2): 0.99, (1, 4): 0.01},
}
"""The last two are of a trace without an answer and of one that was cut: nobody's mistake."""


def write_answers(cache: Path) -> Pool:
    """Write the pool of `ANSWERS`."""
    info = PoolInfo("test", "model", "tiny", "test", "1", "total")
    with PoolWriter(cache, info) as writer:
        for problem, answers in ANSWERS.items():
            records = [
                TraceRecord(
                    trace_id=index,
                    num_tokens=10 * (index + 1),
                    answer=answer,
                    finish_reason="length" if index == 4 else "stop",
                )
                for index, answer in enumerate(answers)
            ]
            writer.add(ProblemRecord(problem, None, "1", "math", records))
    return Pool(writer.path)


def write_scores(cache: Path, pool: Pool, scores: dict[str, Scores], *, oracle: bool) -> ScoreStore:
    """Scores of a judge that reads 15 tokens, or of an oracle."""
    name, cut = ("oracle", None) if oracle else ("reader", Truncation("tokens", 15))
    described = Description(
        Identity(name, truncation=cut), None, "prefixes", 0, 0, oracle, f"{name}:x=1"
    )
    store = ScoreStore(scores_folder(cache), described)
    for problem in pool.problems:
        found = scores.get(problem.problem_id, {})
        pairs = np.array([*found], dtype=np.int64).reshape(-1, 2)
        store.write(problem, pairs, [*found.values()], problem.lengths)
    return store


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Make a pool with the scores of a judge."""
    made = Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "submissions")
    pool = write_answers(made.cache)
    write_scores(made.cache, pool, SCORES, oracle=False)
    return made


def texts(table: Table, key: str) -> list[str]:
    """Return the texts of a column, with their second lines."""
    (place,) = [index for index, column in enumerate(table.columns) if column.key == key]
    return [f"{cells[place].text} {cells[place].below}".strip() for cells in table.rows]


def test_the_inventory_counts_scored_pairs(folders: Folders) -> None:
    found = inventory(load(folders))
    assert found.broken == ()
    (stored,) = found.stored
    assert (stored.pool, stored.label, stored.truncation) == (
        "test/model/tiny",
        "reader:x=1",
        "tokens=15",
    )
    assert (stored.pairs, stored.all_pairs, stored.oracle) == (8, 3 + 10, False)


def test_figures_by_hand(folders: Folders) -> None:
    library = load(folders)
    (stored,) = inventory(library).stored
    worth = evaluate(library, stored)
    assert (worth.pairs, worth.problems, worth.drawn) == (6, 2, False)
    assert worth.same == pytest.approx(2 / 6)
    # same: .9 and .3; different: .4, .6, .2, .5: .9 is above all four, .3 above one
    assert worth.auroc is not None
    assert worth.auroc.value == pytest.approx(5 / 8)
    # in a, .9 is above both; in b, .3 is above .2 and below .5
    assert worth.within is not None
    assert worth.within.value == pytest.approx((1 + 0.5) / 2)
    # 80% of the same are accepted from .3 on, which only .2 of the four different ones is below
    assert worth.tnr is not None
    assert worth.tnr.value == pytest.approx(1 / 4)
    # longer than 15 tokens: traces 1 and 2 of a, traces 1 and 3 of b, a pair each
    assert worth.unfinished == pytest.approx(2 / 6)
    # six tenths with one pair each
    off = (1 - 0.9) + (1 - 0.3) + 0.4 + 0.6 + 0.2 + 0.5
    assert worth.calibration_error.value == pytest.approx(off / 6)
    assert worth.curve == (
        (0.0, 0.0),
        (0.0, 0.5),
        (0.25, 0.5),
        (0.5, 0.5),
        (0.75, 0.5),
        (0.75, 1.0),
        (1.0, 1.0),
    )


def test_a_pair_scored_twice_has_the_least_score(folders: Folders) -> None:
    pool = Pool(folders.cache / "test" / "model" / "tiny")
    write_scores(folders.cache, pool, {"a": {(0, 1): 0.1}}, oracle=False)
    library = load(folders)
    worth = evaluate(library, inventory(library).stored[0])
    assert worth.pairs == 6
    assert worth.auroc is not None
    assert worth.auroc.value == pytest.approx(1 / 8)  # .1 is above none


def test_of_many_pairs_a_part_is_evaluated_always_the_same(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged, "PAIRS", 4)
    library = load(folders)
    (stored,) = inventory(library).stored
    first = evaluate(library, stored)
    assert first.drawn
    assert 0 < first.pairs < 6
    assert evaluate(load(folders), stored) == first


def test_scores_of_another_version_of_a_pool_are_left_out_with_the_reason(folders: Folders) -> None:
    (file,) = scores_folder(folders.cache).rglob("scores.json")
    fields = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(fields | {"fingerprint": "0" * 64}), encoding="utf-8")
    found = inventory(load(folders))
    assert found.stored == ()
    assert "another version" in found.broken[0].reason


def test_the_state_changes_with_the_scores_and_only_with_them(folders: Folders) -> None:
    before = scores_state(folders.cache)
    assert scores_state(folders.cache) == before
    pool = Pool(folders.cache / "test" / "model" / "tiny")
    write_scores(folders.cache, pool, {"b": {(3, 4): 0.5}}, oracle=False)
    assert scores_state(folders.cache) != before
    assert scores_state(folders.cache / "nowhere")


def test_the_state_of_one_pools_scores_is_its_own(folders: Folders) -> None:
    pool = Pool(folders.cache / "test" / "model" / "tiny")
    (judge,) = (each.name for each in scores_folder(folders.cache).iterdir())
    before = scores_state(folders.cache, judge, pool.name)
    write_scores(folders.cache, pool, SCORES, oracle=True)
    assert scores_state(folders.cache, judge, pool.name) == before
    write_scores(folders.cache, pool, {"b": {(3, 4): 0.5}}, oracle=False)
    assert scores_state(folders.cache, judge, pool.name) != before


def test_a_broken_description_of_a_judge_takes_no_other_down(folders: Folders) -> None:
    pool = Pool(folders.cache / "test" / "model" / "tiny")
    broken = write_scores(folders.cache, pool, SCORES, oracle=True).path
    (broken / "judge.json").write_text("{}", encoding="utf-8")
    found = inventory(load(folders))
    assert [each.label for each in found.stored] == ["reader:x=1"]
    assert [each.path for each in found.broken] == [broken]


def test_a_part_whose_rows_are_damaged_says_so(folders: Folders) -> None:
    library = load(folders)
    (stored,) = inventory(library).stored
    for part in scores_folder(folders.cache).rglob("part-*.parquet"):
        content = bytearray(part.read_bytes())
        content[4:40] = b"\xff" * 36  # the footer stays as it is
        part.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot be read .*data verify says more"):
        evaluate(library, stored)


def test_a_roc_curve_takes_ties_in_one_step_and_needs_both_labels() -> None:
    same = np.array([True, False, True, False])
    assert list(roc_curve(same, np.array([0.5, 0.5, 0.5, 0.1]))) == [
        (0.0, 0.0),
        (0.5, 1.0),
        (1.0, 1.0),
    ]
    assert list(roc_curve(np.ones(3, dtype=bool), np.array([0.1, 0.2, 0.3]))) == []


def test_an_oracle_is_marked_as_one(folders: Folders) -> None:
    pool = Pool(folders.cache / "test" / "model" / "tiny")
    write_scores(folders.cache, pool, SCORES, oracle=True)
    library = load(folders)
    reader, oracle = inventory(library).stored
    assert (reader.oracle, oracle.oracle) == (False, True)
    worths: list[tuple[Stored, Worth | str]] = [
        (reader, evaluate(library, reader)),
        (oracle, "cannot be read"),
    ]
    table = judged_tables.worth_table(worths)
    assert texts(table, "judge") == ["reader:x=1", "oracle:x=1 (oracle)"]
    assert texts(table, "auroc")[0].startswith("0.625 [")
    assert table.rows[1][2].note == "cannot be read"
    assert any("uses ground truth" in note for note in table.notes)
    assert texts(judged_tables.inventory_table(inventory(library)), "judge")[1].endswith("(oracle)")


def test_charts_hold_the_figures_and_say_them_in_words(folders: Folders) -> None:
    library = load(folders)
    (stored,) = inventory(library).stored
    worths = [(judged_tables.name_of(stored), evaluate(library, stored))]
    assert worths[0][0] == "reader:x=1, tokens=15"
    words = judged_charts.roc_in_words(worths)
    within = worths[0][1].within
    assert within is not None
    assert f"AUROC 0.625 over all pairs, {within.value:.3f} within problems, TNR@0.2 0.250" in words
    assert "calibration error 0.417" in judged_charts.calibration_in_words(worths)
    drawn = judged_charts.roc_chart(worths).to_dict()
    curve = drawn["datasets"][drawn["layer"][1]["data"]["name"]]
    assert [(each["false"], each["true"]) for each in curve] == list(worths[0][1].curve)
    drawn = judged_charts.calibration_chart(worths).to_dict()
    points = drawn["datasets"][drawn["layer"][1]["data"]["name"]]
    assert sum(each["pairs"] for each in points) == 6


def test_published_judges_are_those_of_the_paper() -> None:
    rows = read_published(SUBMISSIONS).tables["judges"]
    table = judged_tables.published_ablation(rows)
    assert texts(table, "training") == [
        "plain",
        "focal",
        "oversampling",
        "both",
        "split by problem",
    ]
    assert texts(table, "500 tokens:auroc") == ["0.8556", "0.8360", "0.7610", "0.8608", ""]
    assert texts(table, "25 reasoning words:tnr_at_02")[3] == "0.8186"
    assert texts(table, "prefix not stated:auroc")[4] == "0.7072"
    bold = {cell.text for cells in table.rows for cell in cells if cell.bold}
    assert bold == {"0.8608", "0.7720", "0.8701", "0.8186"}


def test_published_thresholds_are_those_of_the_paper() -> None:
    rows = read_published(SUBMISSIONS).tables["thresholds"]
    table = judged_tables.published_thresholds(rows)
    assert texts(table, "threshold") == ["0.75", "0.63", "0.5", "0.25"]
    assert texts(table, "AIME25:clustering:accuracy") == ["96.7", "96.7", "70.0", "70.0"]
    assert texts(table, "AIME24:voting:tokens_1e8") == ["0.3300", "0.2800", "0.2600", "0.2500"]


def test_local_thresholds_are_those_of_one_pool_sorted_by_tau(
    folders: Folders, full_library: Library
) -> None:
    def entry(name: str, tau: object, needs: tuple[str, ...] = ("judge",)) -> Entry:
        metrics = {
            "accuracy": Metric(0.5, 0.25, 0.75),
            "tokens_1e8": Metric(0.5),
            "tokens_kept": Metric(2_000_000.0),
            "clusters_correct": Metric(0.9),
        }
        made = next(iter(full_library.by_id["runs/cons-8"].results.values()))
        results: list[Result] = [
            dataclasses.replace(made, pool=pool, column=pool, problems=30, metrics=metrics)
            for pool in ("here", "there")
        ]
        return dataclasses.replace(
            full_library.by_id["runs/cons-8"],
            id=name,
            label=name,
            needs=needs,
            parameters={"tau": tau, "truncation": "words=25"},
            results={each.pool: each for each in results},
        )

    entries = (entry("low", 0.25), entry("high", 0.75), entry("none", 0.5, ()), entry("text", "x"))
    library = dataclasses.replace(full_library, entries=entries)
    table = judged_tables.local_thresholds(library, "here")
    assert texts(table, "entry") == ["high", "low"]
    assert texts(table, "accuracy")[0] == "50.0 [25.0, 75.0]"
    assert texts(table, "kept_1e8")[0] == "0.6000"  # 30 problems of 2 million tokens
    assert texts(table, "clusters_correct")[0] == "90.0"
    assert judged_tables.pools_with_thresholds(library) == ["here", "there"]


def test_the_page_loads_no_model_library() -> None:
    code = (
        "import sys, leaderboard_app.views.judges.tables, leaderboard_app.views.judges.charts; "
        "print(sorted({'torch', 'transformers', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert "length" in LENGTH_REASONS  # what trace 4 of b was cut by
