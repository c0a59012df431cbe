"""The table of all methods: on the pool that comes along and on a small one, whole path."""

from __future__ import annotations

import json
from pathlib import Path

import all_methods
import pytest
from checkout import ROOT
from pools import T, write_pool

from simulator.report.comparison import compare
from simulator.runs.results import RunResult

CHOSEN = ["cons@{budget}", "asc", "short-{m}@{budget}", "cges", "oracle"]


@pytest.fixture
def caches(tmp_path: Path) -> tuple[Path, Path]:
    """Return a folder with a recorded pool of answers alone, and one for the pool that comes."""
    problems = {
        str(number): [
            T(10 * place, "1" if place <= number else str(place)) for place in range(1, 7)
        ]
        for number in range(2, 6)
    }
    write_pool(tmp_path / "cache", problems, benchmark="small")
    write_pool(tmp_path / "cache", problems, benchmark="made-up", synthetic=True)
    return tmp_path / "cache", tmp_path / "shipped"


def test_ranks_and_figures_are_those_of_reports(caches: tuple[Path, Path], tmp_path: Path) -> None:
    groups = all_methods.find_groups(caches[:1], caches[1])
    assert [group.benchmark for group in groups] == ["small", "school-math"]
    small, shipped = groups
    assert (small.budget, shipped.budget) == (6, 64)
    all_methods.run_all(groups, tmp_path / "runs", CHOSEN, 2, 1)
    assert small.left_out == {"cges": "needs entropy"}
    assert shipped.left_out == {}
    assert [*small.results] == ["cons@6", "asc", "short-3@6", "oracle"]
    for group in groups:
        results: list[RunResult] = [found for (found,) in group.results.values()]
        (table,) = group.tables().values()
        reported = {row.method.split(" ")[0]: row for row in compare(results).rows}
        assert len(reported) == len(table) == len(group.results)
        for line in table:
            row = reported[line.method]
            assert line.accuracy == row.accuracy
            assert line.tokens.value == pytest.approx(row.tokens.value)
            assert line.clock == row.result.value("clock")
            assert line.rank == (row.standing.rank if row.standing else None)
            if line.method != group.baseline:
                assert row.to_baseline is not None
                assert line.to_baseline.difference.value == pytest.approx(
                    row.to_baseline.difference.value
                )


def test_the_page_says_what_ran_and_what_did_not(
    caches: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "page.md"
    command = ["all_methods.py", str(caches[0]), "--only", "small", "--repeats", "2"]
    command += ["--methods", "cons@{budget}", "asc", "cges"]
    monkeypatch.setattr("sys.argv", [*command, "--markdown", str(page)])
    all_methods.main()
    text = page.read_text(encoding="utf-8")
    assert "## small: 1 pool, 4 problems, N=6" in text
    assert "Not run: `cges` (needs entropy)." in text
    # 6 traces of 10 to 60 tokens; the right answer, 1, is the only one that several give.
    assert "| `cons@6` | 100.0 [100.0, 100.0] | – | – | 210 [210, 210] | – | 60 | 1–2 |" in text
    (group,) = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["groups"]
    assert [row["method"] for row in group["tables"][0]["rows"]] == ["cons@6", "asc"]
    monkeypatch.setattr("sys.argv", command)
    all_methods.main()
    assert "small: 1 pool, 4 problems, N=6" in capsys.readouterr().out


def test_the_page_in_docs_has_the_figures_of_a_fresh_run(tmp_path: Path) -> None:
    groups = all_methods.find_groups([], tmp_path / "pools")
    all_methods.run_all(groups, tmp_path, [all_methods.BASELINE, "asc", "cmc", "ppr-1v1"], 64, 1)
    (table,) = groups[0].tables().values()
    page = json.loads((ROOT / "docs" / "all-methods.json").read_text(encoding="utf-8"))
    (shown,) = (group for group in page["groups"] if group["benchmark"] == "school-math")
    rows = {row["method"]: row for row in shown["tables"][0]["rows"]}
    for line in table:
        for name in ("accuracy", "difference", "tokens_per_problem", "probe_tokens", "clock"):
            assert line.as_dict()[name] == pytest.approx(rows[line.method][name])
