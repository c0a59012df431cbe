"""Published figures: data with their sources, never mixed with what was replayed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import ROOT, SHARED

from simulator.catalogue.views import connect
from simulator.errors import UserError
from simulator.submissions.examples import METHODS
from simulator.submissions.published import FILE_NAME, PACKAGED, read_published
from simulator.verification.options import Options
from simulator.verification.steps import verify_here

SUBMISSIONS = ROOT / "submissions"
REPORTED = SHARED / "REPORTED.md"
MODELS = ("DeepSeek-R1-0528-Qwen3-8B", "Qwen3-32B", "gpt-oss-20b")
BENCHMARKS = ("AIME24", "AIME25", "GPQA-Diamond")


def test_the_figures_that_come_with_the_program_are_those_of_the_folder() -> None:
    readable, packaged = SUBMISSIONS / FILE_NAME, PACKAGED / FILE_NAME
    assert not packaged.is_symlink()  # a checkout on Windows has none
    assert packaged.read_bytes() == readable.read_bytes(), f"copy {readable} to {packaged}"


def test_figures_are_those_that_were_published() -> None:
    """A few, copied by hand from the papers' tables."""
    figures = {
        (each.source.name, each.method, each.model, each.benchmark): each
        for each in read_published(SUBMISSIONS).figures
    }
    assert len(figures) == 8 + 8 + 8 + 9 + 9  # DeepConf has no gpt-oss-20b on GPQA-Diamond
    for key, tokens, accuracy in (
        (("deepconf", "cons@512", MODELS[0], "AIME24"), 3.55, 0.867),
        (("deepprune", "cons@512", MODELS[0], "AIME24"), 3.62, 0.867),
        (("deepconf", "DeepConf-low", MODELS[0], "GPQA-Diamond"), 3.46, 0.717),
        (("deepconf", "DeepConf-high", MODELS[2], "AIME25"), 3.18, 0.953),
        (("deepprune", "DeepPrune", MODELS[1], "GPQA-Diamond"), 1.00, 0.702),
    ):
        assert figures[key].tokens_1e8 == tokens
        assert figures[key].accuracy == pytest.approx(accuracy)


def test_the_published_boards_slip_is_not_repeated() -> None:
    """The best accuracy of DeepSeek-R1-0528-Qwen3-8B on GPQA-Diamond is 72.5, not 71.7."""
    best = max(
        (
            each
            for each in read_published(SUBMISSIONS).figures
            if (each.model, each.benchmark) == (MODELS[0], "GPQA-Diamond")
        ),
        key=lambda each: each.accuracy,
    )
    assert (best.method, best.source.name) == ("cons@512", "deepconf")
    assert best.accuracy == pytest.approx(0.725)


@pytest.mark.skipif(not REPORTED.is_file(), reason="no ../shared/REPORTED.md")
def test_every_figure_of_the_source_is_there_and_no_other() -> None:
    rows = []
    for line in REPORTED.read_text(encoding="utf-8").splitlines():
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 9 and "/" in cells[0]:
            source = "deepconf" if "†" in name else "deepprune"
            for index, cell in enumerate(cells):
                if cell != "–":
                    tokens, accuracy = map(float, cell.split("/"))
                    where = (MODELS[index // 3], BENCHMARKS[index % 3])
                    rows.append((source, name.rstrip(" †"), *where, tokens, accuracy))
    published = read_published(SUBMISSIONS)
    keys = ("source", "method", "model", "benchmark", "tokens_1e8", "accuracy")
    assert [tuple(row[key] for key in keys) for row in published.tables["figures"]] == rows
    told = re.findall(r"(?<![\w.])\.\d{4}|\d\d\.\d\d(?= /| *;| *\.)", REPORTED.read_text())
    numbers = {
        f"{value:g}"
        for table in published.tables.values()
        for row in table
        for value in row.values()
        if isinstance(value, float)
    }
    assert {f"{float(each):g}" for each in told} <= numbers


def test_they_are_in_a_view_of_their_own(tmp_path: Path) -> None:
    with connect(tmp_path, None, SUBMISSIONS) as catalogue:
        (counts,) = catalogue.rows("SELECT count(*) AS n, any_value(badge) AS badge FROM published")
        mixed = catalogue.rows("SELECT * FROM submissions WHERE badge = 'reported'")
        (row,) = catalogue.rows(
            "SELECT * FROM published WHERE method = 'DeepPrune' AND model = 'Qwen3-32B' "
            "AND benchmark = 'AIME25'"
        )
    assert counts == {"n": 42, "badge": "reported"}
    assert mixed == []
    assert (row["tokens_1e8"], row["accuracy"], row["date"]) == (0.23, 0.9, "2025-10-10")
    assert row["paper"] == "https://arxiv.org/abs/2510.08483"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("accuracy = 86.7", "accuracy = 867.0", "figures, row 0: accuracy is not a number"),
        ("accuracy = 86.7", 'accuracy = "x"', "figures, row 0: accuracy is not a number"),
        ("accuracy = 86.7", "accuracy = nan", "figures, row 0: accuracy is not a number"),
        ('source = "deepconf"', 'source = "x"', "figures, row 0: source is not among the sources"),
        ('method = "cons@512"', 'method = "=1+1"', "spreadsheet formula"),
        ("https://arxiv.org/abs/2508", "javascript:alert(1)", "is not a link"),
        ("format = 1", "format = 2", "not of format 1"),
        ("thresholds = [", "threshold = [", "unknown kind of figure 'threshold'"),
        ("format = 1", "format = ", "cannot be read"),
    ],
)
def test_what_is_wrong_is_told_with_its_row(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (SUBMISSIONS / FILE_NAME).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / FILE_NAME).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(said)):
        read_published(tmp_path)


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert read_published(tmp_path).figures == ()


def test_a_fresh_clone_has_a_board_of_real_traces(tmp_path: Path) -> None:
    folders = sorted(SUBMISSIONS.glob("20*"))
    assert len(folders) == len(METHODS)
    with connect(tmp_path, None, SUBMISSIONS) as catalogue:
        rows = catalogue.rows("SELECT DISTINCT submission, badge, synthetic FROM submissions")
        assert catalogue.broken == []
    assert {row["submission"] for row in rows} == {folder.name for folder in folders}
    assert all(row["badge"] == "verified" and not row["synthetic"] for row in rows)
    # two runs each, of 64 repeats of 48 problems with 64 traces: 5 bytes for each decision
    most = 2 * len(METHODS) * 64 * 48 * 64 * 5
    assert sum(file.stat().st_size for file in SUBMISSIONS.rglob("*")) < most


def test_what_comes_with_the_repository_recomputes(tmp_path: Path) -> None:
    for folder in sorted(SUBMISSIONS.glob("20*")):
        options = Options(tmp_path, run_again=False)
        verification = verify_here(folder, options, lambda what, done: None)
        assert [step.status for step in verification.steps] == ["passed", "passed", "skipped"]
