"""`read_run` and `compare`: frames, tables, plots, and what they say where there is no run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pools import T, write_pool

from deepprune_sim import UserError, compare, read_run, run
from simulator.api.results import Run, Runs

METRICS = {"accuracy": (1.0, 1.0, 1.0), "reduction": (0.25, 0.0, 0.5)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a pool of two problems, a run and a sweep."""
    folder = tmp_path_factory.mktemp("work")
    problems = {"p": [T(10, "1"), T(30, "1")], "q": [T(20, "1"), T(20, "1")]}
    write_pool(folder / "cache", problems)
    how = {"repeats": 2, "cache": folder / "cache", "progress": False}
    run("short-1@2", output=folder / "runs" / "short", **how)  # type: ignore[arg-type]
    run("esc", window=[1, 2], output=folder / "runs" / "esc", **how)  # type: ignore[arg-type]
    return folder


@pytest.fixture(autouse=True)
def _here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def one(name: str) -> Run:
    found = read_run(name)
    assert isinstance(found, Run)
    return found


def test_a_runs_summary_has_value_and_interval_of_every_metric() -> None:
    figures = one("short").summary()
    assert figures.index.names == ["pool", "metric"]
    assert list(figures.columns) == ["value", "low", "high"]
    for name, ends in METRICS.items():
        np.testing.assert_array_equal(figures.loc[("test/model/tiny", name)], ends)
    summary = json.loads(Path("runs/short/summary.json").read_text())["pools"][0]["metrics"]
    for name, metric in summary.items():
        wanted = [np.nan if end is None else end for end in metric.values()]
        np.testing.assert_array_equal(figures.loc[("test/model/tiny", name)], wanted)


def test_answers_and_decisions_are_the_recorded_rows() -> None:
    answers, decisions = one("short").answers(), one("short").decisions()
    assert answers["tokens"].tolist() == [20, 20, 40, 40]  # short-1 halts both at the first
    assert answers["correct"].all()
    assert decisions.groupby(["problem_id", "repeat"])["num_tokens"].sum().tolist() == [
        *(20, 20, 40, 40),
    ]


def test_a_run_prints_as_a_table_that_fits_80_columns() -> None:
    lines = repr(one("short")).splitlines()
    assert lines[0] == "run: runs/short"
    assert lines[1] == "test/model/tiny"
    (row,) = (line.split() for line in lines if line.startswith("short-1@2"))
    assert row[:4] == ["short-1@2", "2", "100.0", "30†"]
    assert max(map(len, lines)) <= 80
    html = one("short")._repr_html_()
    assert html.startswith("<p>run: runs/short</p><table>")
    assert "<td style='text-align:left'>short-1@2</td>" in html


def test_a_sweep_is_a_sequence_of_runs_with_its_parameters_in_the_index() -> None:
    sweep = read_run("runs/esc")
    assert isinstance(sweep, Runs)
    assert [each.parameters["window"] for each in sweep] == [1, 2]
    assert [each.path for each in sweep[1:]] == [Path("runs/esc/window=2")]
    figures = sweep.summary()
    assert figures.index.names == ["window", "pool", "metric"]
    assert figures.loc[(1, "test/model/tiny", "accuracy"), "value"] == 1.0
    assert "<td style='text-align:left'>esc (window=2)</td>" in sweep._repr_html_()
    assert repr(sweep).startswith("sweep: runs/esc (2 runs)\n")


def test_runs_sweeps_folders_and_names_are_compared_together() -> None:
    compared = compare([one("short"), read_run("esc"), "short", Path("runs/esc/window=1")])
    frame = compared.frame()
    assert sorted(frame["method"]) == ["esc (window=1)", "esc (window=2)", "short-1@2"]
    assert frame.set_index("method").loc["short-1@2", "tokens_per_problem"] == 30.0
    assert repr(compared).startswith("comparison of 3 results on 1 pool\n")
    assert "<table>" in compared._repr_html_()
    assert any("over problems" in note for note in compared.notes)
    assert len(compare("short").frame()) == 1


def test_results_are_plotted(tmp_path: Path) -> None:
    for number, result in enumerate((one("short"), read_run("esc"), compare(["short", "esc"]))):
        result.plot().save(tmp_path / f"{number}.svg")
        assert (tmp_path / f"{number}.svg").read_text().startswith("<svg")


def test_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"shrt: no such run.*did you mean short\?"):
        read_run("shrt")
    with pytest.raises(UserError, match=r"run\.json is missing"):
        read_run(tmp_path)
    with pytest.raises(UserError, match="no runs to compare"):
        compare([])
