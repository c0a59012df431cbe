"""Figures follow from decisions, pools and answers; a summary that states others is broken."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pools
import pyarrow as pa
import pytest
from submitted import PROBLEMS, edit_json, edit_rows, submit, verified
from verified_folders import add_verified

from simulator.catalogue import figures
from simulator.catalogue.figures import Pools, checked_results, derive
from simulator.catalogue.views import connect
from simulator.errors import UserError
from simulator.pools.pool import Pool
from simulator.runs.results import read_results
from simulator.runs.summary import Totals, summarise
from simulator.submissions.badges import write_verification
from simulator.submissions.verified import verified_folder
from simulator.verification.recompute import recompute

Edit = Callable[[Path], None]


def at_hand(*found: Pool, kept: Path | None = None) -> Pools:
    return Pools({(each.name, each.info.fingerprint): each.path for each in found}, kept)


def forged_summary(folder: Path) -> None:
    """State an accuracy of 95%, and nothing else."""

    def edit(value: Any) -> None:
        value["pools"][0]["metrics"]["accuracy"]["value"] = 0.95

    edit_json(folder / "summary.json", edit)


def forged_answers(folder: Path) -> None:
    """Grade every answer right, in answers and summary alike."""
    edit_rows(folder / "answers.parquet", lambda rows: [{**row, "correct": True} for row in rows])
    restated(folder)


def fewer_tokens(folder: Path) -> None:
    """Halve the tokens, in answers and summary alike."""
    edit_rows(
        folder / "answers.parquet",
        lambda rows: [{**row, "tokens": row["tokens"] // 2} for row in rows],
    )
    restated(folder)


def restated(folder: Path) -> None:
    """Write a summary that agrees with the answers."""
    import pyarrow.parquet as pq

    rows = pq.read_table(folder / "answers.parquet")

    def edit(value: Any) -> None:
        for number, entry in enumerate(value["pools"]):
            mine = rows.filter(pa.compute.equal(rows["pool"].cast(pa.string()), entry["pool"]))
            totals = Totals()
            for problem in dict.fromkeys(mine["problem_id"].to_pylist()):
                here = pa.compute.equal(mine["problem_id"].cast(pa.string()), problem)
                totals.add(mine.filter(here))
            name = folder.parent.parent / "pools" / entry["pool"]
            value["pools"][number] = summarise(
                Pool(name), entry["budget"], totals, entry["clock_unit"]
            )

    edit_json(folder / "summary.json", edit)


def test_an_honest_summary_is_what_is_derived_with_and_without_the_pool(tmp_path: Path) -> None:
    pool = pools.write_pool(tmp_path / "pools", PROBLEMS)
    folder = submit(tmp_path, pool=pool)
    stated = read_results(folder)[0].metrics
    for given, basis in ((at_hand(pool), "recomputed"), (Pools(), "answers")):
        figures = derive(folder, given)
        assert figures.basis == basis
        derived = figures.results[0].metrics
        assert set(derived) == set(stated)
        for name, metric in stated.items():
            assert metric.as_dict() == pytest.approx(derived[name].as_dict(), rel=1e-12)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (forged_summary, "accuracy.value is 0.95, recomputed 0."),
        (forged_answers, "answers.parquet row"),
        (fewer_tokens, "answers.parquet row"),
    ],
)
def test_with_the_pool_a_forged_figure_is_broken_wherever_it_is_forged(
    tmp_path: Path, edit: Edit, reason: str
) -> None:
    pool = pools.write_pool(tmp_path / "pools", PROBLEMS)
    folder = submit(tmp_path, pool=pool)
    edit(folder)
    with pytest.raises(UserError, match=reason.replace("(", r"\(")):
        derive(folder, at_hand(pool))


def test_without_the_pool_a_summary_that_disagrees_with_the_answers_is_broken(
    tmp_path: Path,
) -> None:
    folder = submit(tmp_path)
    derive(folder, Pools())
    forged_summary(folder)
    with pytest.raises(UserError, match=r"summary\.json: pools\[0\]\.metrics\.accuracy\.value"):
        derive(folder, Pools())


@pytest.mark.parametrize("end", ["low", "high"])
def test_an_interval_that_does_not_follow_is_broken_as_well(tmp_path: Path, end: str) -> None:
    folder = submit(tmp_path)

    def edit(value: Any) -> None:
        value["pools"][0]["metrics"]["accuracy"][end] = 0.5

    edit_json(folder / "summary.json", edit)
    with pytest.raises(UserError, match=rf"accuracy\.{end} is 0\.5"):
        derive(folder, Pools())


def test_naming_a_pool_that_nobody_has_spares_the_others_no_check(tmp_path: Path) -> None:
    here = pools.write_pool(tmp_path / "pools", PROBLEMS)
    private = pools.write_pool(tmp_path / "pools", PROBLEMS, benchmark="private")
    folder = submit(tmp_path, pool=[here, private])
    assert derive(folder, at_hand(here)).basis == "answers"
    fewer_tokens(folder)
    derive(folder, Pools())  # nothing contradicts it there
    with pytest.raises(UserError, match=r"answers\.parquet row \d+ .*tokens is"):
        derive(folder, at_hand(here))


@pytest.mark.parametrize(
    "edit",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[0]],
        lambda rows: [{**row, "repeat": 0} for row in rows],
        lambda rows: [{**row, "tokens": -1} for row in rows],
        lambda rows: [{**row, "clock": float("nan")} for row in rows],
        lambda rows: [{**row, "clock": float("inf")} for row in rows],
        lambda rows: [{**row, "baseline_tokens": 0} for row in rows],
        lambda rows: [],
    ],
)
def test_answers_that_no_run_has_are_broken_without_a_traceback(
    tmp_path: Path, edit: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> None:
    folder = submit(tmp_path)
    edit_rows(folder / "answers.parquet", edit)
    with pytest.raises(UserError, match=r"answers\.parquet"):
        derive(folder, Pools())


def test_a_figure_that_an_earlier_release_did_not_state_is_derived(tmp_path: Path) -> None:
    folder = submit(tmp_path)
    whole = derive(folder, Pools()).results[0].metrics

    def edit(value: Any) -> None:
        del value["pools"][0]["metrics"]["reduction"]
        value["pools"][0]["metrics"]["of_then"] = {"value": 1.0, "low": None, "high": None}

    edit_json(folder / "summary.json", edit)
    found = derive(folder, Pools()).results[0].metrics
    assert found == whole


def test_what_was_recomputed_is_kept_until_a_file_or_the_program_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pools.write_pool(tmp_path / "pools", PROBLEMS)
    folder = submit(tmp_path, pool=pool)
    kept = tmp_path / "pools" / ".figures"
    calls: list[object] = []

    def counted(*of: Any) -> Any:
        calls.append(of)
        return recompute(*of)

    monkeypatch.setattr("simulator.verification.recompute.recompute", counted)
    first = derive(folder, at_hand(pool, kept=kept))
    again = derive(folder, at_hand(pool, kept=kept))
    assert (len(calls), again.results) == (1, first.results)
    forged_summary(folder)
    for _ in range(2):
        with pytest.raises(UserError, match="accuracy"):
            derive(folder, at_hand(pool, kept=kept))
    assert len(calls) == 2
    (one,) = [each for each in kept.iterdir() if '"wrong": ""' in each.read_text()]
    one.write_text("{")  # damaged: computed again
    shutil.copy(tmp_path / "run-0" / "summary.json", folder)
    for _ in range(2):
        assert derive(folder, at_hand(pool, kept=kept)).results == first.results
    assert len(calls) == 3
    monkeypatch.setattr(figures, "program", lambda: "another")
    assert derive(folder, at_hand(pool, kept=kept)).results == first.results
    assert len(calls) == 4


def test_the_figures_of_a_verified_submission_are_the_verifiers(tmp_path: Path) -> None:
    folder = submit(tmp_path, seed=3)
    add_verified(folder, seed=11, repeats=5)
    with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
        (row,) = catalogue.rows("FROM submissions")
    ours = read_results(folder / "verified")[0]
    assert (row["badge"], row["basis"], row["note"]) == ("verified", "verified", "")
    assert (row["seed"], row["repeats"]) == (11, 5)
    assert row["accuracy"] == ours.value("accuracy")
    assert row["accuracy"] != read_results(folder)[0].value("accuracy")
    assert row["figures_path"] == str(folder / "verified")


@pytest.mark.parametrize("name", ["summary.json", "answers.parquet", "run.json"])
def test_replays_that_are_not_the_recorded_ones_do_not_count(tmp_path: Path, name: str) -> None:
    folder = submit(tmp_path, seed=3)
    add_verified(folder, seed=11, repeats=5)
    file = folder / "verified" / name
    file.write_bytes(file.read_bytes() + b" ")
    assert verified_folder(folder) is None
    with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
        (row,) = catalogue.rows("FROM submissions")
    assert (row["badge"], row["basis"], row["seed"]) == ("recomputed", "recomputed", 3)
    assert "the verifier's own replays are missing or changed" in row["note"]


def test_a_verification_without_replays_of_its_own_counts_as_recomputed(tmp_path: Path) -> None:
    folder = submit(tmp_path)
    add_verified(folder, seed=11, repeats=5)
    shutil.rmtree(folder / "verified")
    with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
        (row,) = catalogue.rows("FROM submissions")
    assert (row["badge"], row["basis"]) == ("recomputed", "recomputed")
    assert "run deepprune-sim verify again" in row["note"]


def test_replays_of_generated_traces_count_under_the_name_that_was_verified(
    tmp_path: Path,
) -> None:
    pool = pools.write_pool(tmp_path / "pools", PROBLEMS, synthetic=True)
    folder = submit(tmp_path, pool=pool)
    add_verified(folder, seed=11, repeats=5)
    metadata = folder / "submission.toml"
    written = metadata.read_text(encoding="utf-8")
    for added, basis in (("", "verified"), ('supersedes = "2026-01-30-x"\n', "recomputed")):
        metadata.write_text(written + added, encoding="utf-8")
        with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
            (row,) = catalogue.rows("FROM submissions")
        assert (row["badge"], row["basis"]) == ("synthetic", basis)


def test_replays_of_another_policy_do_not_count(tmp_path: Path) -> None:
    folder = submit(tmp_path, "cons@4")
    other = submit(tmp_path / "other", "short-2@4")
    add_verified(folder, run=other)
    with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
        (row,) = catalogue.rows("FROM submissions")
    assert (row["badge"], row["basis"]) == ("recomputed", "recomputed")
    assert "of another policy" in row["note"]


def test_a_verifiers_summary_that_its_answers_contradict_is_broken(tmp_path: Path) -> None:
    folder = submit(tmp_path)
    add_verified(folder, seed=11, repeats=5, edit=forged_summary)
    with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
        assert catalogue.rows("FROM submissions") == []
        (broken,) = catalogue.broken
    assert broken.reason.startswith("verified/summary.json: ") or "0.95" in broken.reason


def test_a_self_reported_badge_stays_though_its_figures_are_recomputed(tmp_path: Path) -> None:
    folder = submit(tmp_path)
    with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
        (row,) = catalogue.rows("FROM submissions")
    assert (row["badge"], row["basis"]) == ("self-reported", "recomputed")
    write_verification(folder, verified(folder))
    with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
        (row,) = catalogue.rows("FROM submissions")
    assert (row["badge"], row["basis"], row["note"]) == ("recomputed", "recomputed", "")


def test_forged_runs_and_submissions_are_listed_as_broken_without_figures(tmp_path: Path) -> None:
    folder = submit(tmp_path)
    shutil.copytree(tmp_path / "run-0", tmp_path / "runs" / "one")
    forged_summary(folder)
    forged_summary(tmp_path / "runs" / "one")
    with connect(tmp_path / "pools", tmp_path / "runs", tmp_path / "submissions") as catalogue:
        assert catalogue.rows("FROM submissions") == catalogue.rows("FROM runs") == []
        reasons = {each.path: each.reason for each in catalogue.broken}
    assert set(reasons) == {folder, tmp_path / "runs" / "one"}
    for reason in reasons.values():
        assert reason.startswith(
            "summary.json: pools[0].metrics.accuracy.value is 0.95, recomputed"
        )


def test_a_report_refuses_a_summary_that_its_answers_contradict(tmp_path: Path) -> None:
    folder = submit(tmp_path, pool=pools.write_pool(tmp_path / "pools", PROBLEMS))
    assert checked_results(folder) == read_results(folder)
    forged_summary(folder)
    with pytest.raises(UserError, match=r"accuracy.value is 0.95, .*make the run again"):
        checked_results(folder)


def test_what_takes_too_long_is_not_recomputed_and_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = submit(tmp_path)
    kept = tmp_path / "kept"

    def endless(*_: object, **__: object) -> None:
        while True:
            time.sleep(0.001)

    with monkeypatch.context() as patched:
        patched.setattr(figures, "SECONDS", 0.05)
        patched.setattr(figures, "_from_answers", endless)
        with pytest.raises(
            UserError, match=r"not recomputed, as that took longer than 0\.05 s; ver"
        ):
            derive(folder, Pools(kept=kept), bounded=True)
    assert not kept.exists()
    assert derive(folder, Pools(kept=kept), bounded=True).basis == "answers"
