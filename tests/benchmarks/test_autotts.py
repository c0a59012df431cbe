"""AutoTTS's rules by hand and against golden values, and its table beside ours, whole path."""

from __future__ import annotations

import json
from pathlib import Path

import autotts_program
import autotts_table
import pytest
from autotts_program import CMC, Branch, Cell, Figures, Outcome
from autotts_table import Found
from checkout import ROOT
from method_tables import markdown
from real_pools import SCOUT, needs_scout, scout
from scout_table import HERE

from simulator.pools.pool import Pool

PAGE = (ROOT / "docs" / "autotts.md").read_text(encoding="utf-8")


def branch(tokens: int, final: str, probes: str | None = None) -> Branch:
    """Make a branch with a probe every 500 tokens, all of one answer."""
    return Branch([probes or final] * (tokens // 500), tokens, final)


def test_cmc_stops_when_its_smoothed_certainty_is_high() -> None:
    # beta=0: two branches at first, at most 4, warm from round 2 on, weight 0.7, gate 0.85.
    # One answer is certain by 0.75, so the level at the ends of rounds 0, 1, 2 is 0.525, 0.73,
    # 0.748: that last growth is under 0.04, and opens the third branch, which finishes at once. Two
    # answers are certain by 0.875: 0.864 after round 3, which is enough.
    branches = [branch(tokens, "1") for tokens in (750, 4750, 400, 4750)]
    assert CMC(0)(branches) == Outcome("1", 750 + 2500 + 400, True, 3, 3)


def test_cmc_abandons_who_disagrees_for_long_but_leaves_two() -> None:
    # beta=0: patience 3. The second branch disagrees in rounds 2 and 3, which open the other two,
    # and is left at the third time, with 5 probes. The other two go on, to 2 against 1.
    branches = [branch(750, "1"), branch(4750, "2"), branch(1750, "2"), branch(1750, "1", "2")]
    outcome = CMC(0)(branches)
    assert (outcome.answer, outcome.tokens) == ("1", 750 + 2500 + 1750 + 1750)
    assert branches[1].abandoned


def test_a_probe_past_the_last_token_is_charged_and_an_early_end_is_charged_in_full() -> None:
    late, early = Branch(["1", "1"], 900, "1"), Branch(["1"], 2600, "2")
    for each in (late, early):
        while not each.finished:
            each.advance()
    assert (late.charged, late.latest) == (1000, "1")
    assert (early.charged, early.read, early.latest) == (2600, 1, "2")


def test_the_other_rules_by_hand() -> None:
    votes = [branch(100 + n, answer) for n, answer in enumerate("1211111")]
    # 1 − I(v1 + 1, v2 + 1) of 4 against 1 is 0.891, of 5 against 1 0.938, of 6 against 1 0.965
    assert autotts_program.asc([*votes, branch(9, "1")]) == Outcome("1", sum(range(100, 107)))
    assert autotts_program.asc(votes[:3]) == Outcome("1", 303)
    assert autotts_program.esc(votes[:6], window=3) == Outcome("1", sum(range(100, 106)))
    assert autotts_program.esc(votes[1:], window=2) == Outcome("1", 101 + 102 + 103 + 104)
    assert autotts_program.cons([branch(5, "2"), branch(5, "1")]).answer == "2"  # seen first


def test_parallel_probe_prunes_and_stops_by_hand() -> None:
    # Warm from step 1 on: the third is pruned there, at 3 probes. The winner is unchanged in steps
    # 1 and 2, by when the others have 4 probes each.
    branches = [branch(9000, "1"), branch(9000, "1"), branch(9000, "2")]
    found = autotts_program.parallel_probe(branches, stable=2, patience=1, warm_up=1)
    assert found == Outcome("1", 4 * 500 + 4 * 500 + 3 * 500)


@needs_scout
def test_cmc_meets_its_golden_values_to_the_digit() -> None:
    method = "cmc-0.5"
    cell = autotts_program.cell_of(SCOUT / "aime24.json")
    assert (cell.model, cell.benchmark) == ("Qwen3-8B", "aime24")
    problems = json.loads(cell.file.read_text(encoding="utf-8"))
    found = autotts_program.replay(autotts_program.METHODS[method], problems)
    golden = cell.golden(method)
    assert golden is not None
    assert found.meet(golden)
    assert not found.meet({**golden, "tokens": golden["tokens"] + 1})
    assert autotts_program.as_printed(found, cell.published(method)) == (True, True)
    shown = f"{found.accuracy:.2f} | {found.tokens:,.0f} | {found.gate:.3f} | {found.branches:.1f}"
    assert f"| {shown} | {found.rounds:.1f} |" in PAGE


@needs_scout
def test_the_page_has_what_the_table_prints(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache, _ = scout("aime24", tmp_path_factory)
    pool = Pool(cache / "scout" / "qwen3-8b" / "aime24")
    results = autotts_table.replayed([pool], HERE, tmp_path, 100, 1)
    cell = autotts_program.cell_of(SCOUT / "aime24.json")
    head, rows = autotts_table.ours_table(Found([cell], [], {}, results), "aime24")
    assert len(rows) == 7
    for line in markdown(head, rows).splitlines():
        assert line in PAGE


def test_a_figure_that_is_not_printed_so_is_told() -> None:
    cell = Cell(Path("x"), "Qwen3-4B", "aime24")
    program = {"asc": Figures(80.0, 214_189, 0, 0, 0), "cmc-1": Figures(83.53, 1, 0, 0, 0)}
    assert autotts_program.as_printed(program["asc"], cell.published("asc")) == (False, False)
    assert "| `asc` | 80.1 ≠ | 80.00 | 175.7 ≠ | 214.2 |" in autotts_program.table(cell, program)
    (missed,) = autotts_program.missed([cell], [program])
    assert missed.startswith("cmc-1 on Qwen3-4B, aime24")


def test_a_path_tells_model_and_benchmark() -> None:
    for name in ("Qwen3-0.6B-aime25.json", "Qwen3-0.6B/aime25.json", "x_qwen3_0.6b/aime25.json"):
        cell = autotts_program.cell_of(Path(name))
        assert (cell.model, cell.benchmark) == ("Qwen3-0.6B", "aime25")
    with pytest.raises(SystemExit, match="rename it"):
        autotts_program.cell_of(Path("/tmp/qwen/aime25.json"))


def test_printed_averages_that_do_not_follow_from_their_columns_are_named() -> None:
    said = autotts_table.wrong_averages()
    assert said == [
        *(f"Qwen3-0.6B {name}: 23.2 %, not 23.50" for name in ("cons@64", "asc", "esc")),
        "Qwen3-1.7B esc: 964.3 thousand tokens, not 964.00",
    ]


def test_averages_are_over_models_and_over_held_out_benchmarks() -> None:
    cells = [
        Cell(Path("x"), model, benchmark)
        for benchmark in ("aime24", "aime25", "hmmt25")
        for model in ("Qwen3-0.6B", "Qwen3-8B")
    ]
    assert Found(cells, [], {}, {}).averages == {
        "aime24, mean of models": [0, 1],
        "aime25, mean of models": [2, 3],
        "hmmt25, mean of models": [4, 5],
        "Qwen3-0.6B, mean of held-out": [2, 4],
        "Qwen3-8B, mean of held-out": [3, 5],
        "held-out, mean of models": [2, 3, 4, 5],
    }
    assert Found(cells[2:3], [], {}, {}).averages == {}


def written(folder: Path, name: str, wrong: int) -> Path:
    """Write a file of two problems with 64 branches, of which every `wrong`-th answers wrongly."""
    branches = [
        [["1"] * (number % 5 + 1), 500 * (number % 5 + 1) + number, "2" if number % wrong else "1"]
        for number in range(64)
    ]
    problem = {"question": "?", "gold_answer": "2", "probe_freq": 500, "each_branch": branches}
    file = folder / name
    file.write_text(json.dumps([problem, {**problem, "gold_answer": "1"}]), encoding="utf-8")
    return file


def test_the_table_has_printed_rows_beside_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [
        written(tmp_path, "Qwen3-8B-aime25.json", 3),
        written(tmp_path, "Qwen3-4B-aime25.json", 4),
    ]
    page, raw = tmp_path / "page.md", tmp_path / "raw.json"
    options = ["--repeats", "2", "--markdown", str(page), "--json", str(raw)]
    monkeypatch.setattr("sys.argv", ["autotts_table.py", *map(str, files), *options])
    monkeypatch.setenv("COLUMNS", "240")
    with pytest.raises(SystemExit) as ended:
        autotts_table.main()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "not checked against the program: that takes --repeats 100" in printed
    text = page.read_text(encoding="utf-8")
    total = sum(500 * (number % 5 + 1) + number for number in range(64))
    # Most say 2, which is right in one of two problems; the longest has 2,500 + 59 tokens.
    row = "| `Qwen3-8B cons@64` | 76.7 | 1,124.4 | 50.0 [0.0, 100.0] | – | – "
    assert f"{row}| {total:,} [{total:,}, {total:,}] | – | 2,559 | 1–7 |" in text
    assert text.index("Qwen3-4B cmc-1") < text.index("Qwen3-8B cons@64")  # the table's order
    cells = json.loads(raw.read_text(encoding="utf-8"))["cells"]
    assert len(cells) == 2 * 7
    for cell in cells:
        if cell["method"] in ("cons@64", "asc", "esc"):
            alike, program = cell["alike"], cell["program"]
            assert 100 * alike["accuracy"]["value"] == pytest.approx(program["accuracy"])
            assert alike["tokens_per_problem"]["value"] == pytest.approx(program["tokens"])
