"""`deepprune-sim report`: finding runs, choosing a form, and writing files whole."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from stored_files import write_run

from simulator.commands.report import report, write_whole
from simulator.errors import UserError


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs/20260101-cons@4", "cons@4")
    write_run(tmp_path / "runs/20260102-asc", "asc")
    return tmp_path / "runs"


def invoke(*arguments: str) -> Result:
    result = CliRunner().invoke(report, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def refusal(*arguments: str) -> str:
    with pytest.raises(UserError) as error:
        CliRunner().invoke(report, arguments, catch_exceptions=False)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_runs_are_found_by_path_and_by_name() -> None:
    text = invoke("runs/20260101-cons@4", "20260102-asc").stdout
    assert "cons@4" in text
    assert "asc" in text
    assert "Intervals are 95%" in text


def test_a_run_given_twice_is_shown_once() -> None:
    document = invoke("20260102-asc", "runs/20260102-asc/", "--format", "json").stdout
    assert len(json.loads(document)["rows"]) == 1


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("table", "tokens/problem"),
        ("markdown", "|---|"),
        ("latex", r"\toprule"),
        ("csv", "pool,fingerprint,"),
        ("json", '"rows"'),
    ],
)
def test_every_format_goes_to_standard_output(form: str, expected: str) -> None:
    assert expected in invoke("20260102-asc", "--format", form).stdout


@pytest.mark.parametrize(
    ("name", "expected"),
    [("r.md", "|---|"), ("r.tex", r"\toprule"), ("r.csv", "pool,"), ("r.TXT", "Recorded")],
)
def test_a_files_name_chooses_the_format(tmp_path: Path, name: str, expected: str) -> None:
    result = invoke("20260102-asc", "-o", name)
    assert expected in (tmp_path / name).read_text(encoding="utf-8")
    assert result.stdout == ""
    assert result.stderr == f"wrote {name}\n"


def test_json_is_a_short_form_of_its_format(tmp_path: Path) -> None:
    both = ("20260101-cons@4", "20260102-asc")
    shown = invoke(*both, "--json").stdout
    assert [row["method"] for row in json.loads(shown)["rows"]] == ["asc", "cons@4"]
    assert invoke(*both, "--format", "json").stdout == shown
    assert invoke(*both, "--format", "json", "--json").stdout == shown
    invoke(*both, "--json", "-o", "out.JSON")
    invoke(*both, "--json", "-o", "out")  # a name that says nothing
    assert (tmp_path / "out.JSON").read_text() == (tmp_path / "out").read_text() == shown


def test_a_csv_file_and_csv_in_a_pipe_are_the_same_without_units_or_notes(tmp_path: Path) -> None:
    both = ("20260101-cons@4", "20260102-asc")
    invoke(*both, "-o", "r.CSV")
    text = (tmp_path / "r.CSV").read_text()
    assert invoke(*both, "--format", "csv").stdout == text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["method"] for row in rows] == ["asc", "cons@4"]
    assert all(float(row[name]) >= 0 for row in rows for name in ("accuracy", "tokens_per_problem"))


@pytest.mark.parametrize("columns", ["80", "100", "200", None])
def test_tables_fit_the_line_and_numbers_stay_whole(
    monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    both = ("20260101-cons@4", "20260102-asc")
    lines = invoke(*both, "--pairs", "--diversity").stdout.splitlines()
    assert max(map(len, lines)) <= int(columns or 80)
    (row,) = json.loads(invoke("20260102-asc", "--json").stdout)["rows"]
    assert f"{row['tokens_per_problem']:,.0f}" in " ".join(lines)
    assert ("No room for" in "\n".join(lines)) == (columns != "200")


def test_pairs_and_diversity_are_shown_on_request() -> None:
    both = ("20260101-cons@4", "20260102-asc")
    plain = invoke(*both).stdout
    assert "every pair" not in plain
    assert "right one kept" not in plain
    text = invoke(*both, "--pairs", "--diversity").stdout
    assert "every pair" in text
    assert "right one kept" in text
    (pair,) = json.loads(invoke(*both, "--pairs", "--format", "json").stdout)["pairs"]
    assert (pair["method"], pair["against"], pair["tied"]) == ("asc", "cons@4", True)
    assert invoke(*both, "--pairs", "--format", "csv").stdout.startswith("pool,synthetic,method,")


def test_an_existing_file_is_replaced_and_nothing_temporary_stays(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("old")
    invoke("20260102-asc", "-o", "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["rows"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json", "runs"]


def test_plots_are_written_as_png_and_svg(tmp_path: Path) -> None:
    invoke("20260101-cons@4", "20260102-asc", "--plot", "a.png", "--plot", "b.SVG")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    svg = (tmp_path / "b.SVG").read_text()
    assert ">cons@4</text>" in svg
    assert ">asc</text>" in svg


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["20260102-asq"], "did you mean 20260102-asc or"),
        (["asc"], "did you mean 20260102-asc?"),
        (["runs"], "no run here"),
        (["."], "no run here"),
        (["runs/20260102-asc/summary.json"], "not the folder of a run"),
        (["20260102-asc", "--plot", "a.pdf"], "a plot must be a .png or .svg"),
        (["20260102-asc", "--plot", "nowhere/a.png"], "no folder nowhere"),
        (["20260102-asc", "-o", "report.docx"], "no format for .docx"),
        (["20260102-asc", "-o", "report"], "give --format"),
        (["20260102-asc", "-o", "runs", "--format", "csv"], "a folder"),
        (["20260102-asc", "-o", "r.csv", "--format", "json"], "r.csv: a file of this name holds"),
        (["20260102-asc", "-o", "r.csv", "--json"], "r.csv: a file of this name holds csv, not"),
        (["20260102-asc", "--json", "--format", "csv"], "exclude each other"),
        (["20260102-asc", "--pairs", "-o", "r.csv"], "no pool here has two ranked methods"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert message in refusal(*arguments)
    assert sorted(tmp_path.rglob("*")) == before


def test_unfinished_runs_say_how_to_finish_them(runs: Path) -> None:
    (runs / "20260102-asc/summary.json").unlink()
    assert "--resume" in refusal("20260102-asc")
    partial = runs / "later.partial"
    partial.mkdir()
    (partial / "identity.json").write_text("{}")
    assert "--resume" in refusal("later")
    assert "--resume" in refusal("runs/later.partial")


def test_a_truncated_summary_is_named(runs: Path) -> None:
    summary = runs / "20260102-asc/summary.json"
    summary.write_text(summary.read_text()[:100])
    assert "summary.json: cannot be read" in refusal("20260102-asc")


def test_a_file_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    (tmp_path / "r.csv").write_text("old")
    with pytest.raises(UserError, match="No space left"):
        write_whole(tmp_path / "r.csv", b"new")
    assert (tmp_path / "r.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.csv", "runs"]


def test_help_ends_with_an_example() -> None:
    assert invoke("-h").stdout.rstrip().splitlines()[-1].lstrip().startswith("deepprune-sim report")
