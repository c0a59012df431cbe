"""Comparisons of runs, worked out by hand, and every form in which they are given."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from run_entries import MADE, entry
from stored_files import NAME, summary_pool, write_run

from simulator.errors import UserError
from simulator.report.comparison import compare
from simulator.report.export import as_csv, as_json
from simulator.report.plotting.placing import HEIGHT, WIDTH, Axis, Box, axes, place_labels
from simulator.report.plotting.plot import build_chart, plot
from simulator.report.rows import ALL_POOLS, Comparison
from simulator.report.tables import fit
from simulator.report.text import (
    DISPENSABLE,
    HEADERS,
    as_latex,
    as_markdown,
    as_table,
    cells,
    combined_cells,
    escape_latex,
    escape_markdown,
    kept_cells,
    panels,
    unused_headers,
)
from simulator.runs.results import Metric, read_results


def comparison(*folders: Path) -> Comparison:
    return compare([result for folder in folders for result in read_results(folder)])


@pytest.fixture
def three(tmp_path: Path) -> Comparison:
    """Of three methods on a real pool cons is beaten by early; two ran on a synthetic one too."""
    return comparison(
        write_run(tmp_path / "1", "cons@4", entry(1000, 0.5), entry(90, 0.9, MADE, synthetic=True)),
        write_run(tmp_path / "2", "early", entry(250, 0.6)),
        write_run(tmp_path / "3", "one", entry(100, 0.2), entry(80, 0.5, MADE, synthetic=True)),
    )


def test_rows_are_sorted_by_pool_and_tokens_with_synthetic_pools_last(three: Comparison) -> None:
    assert [(row.pool, row.method) for row in three.rows] == [
        (NAME, "one"),
        (NAME, "early"),
        (NAME, "cons@4"),
        (MADE, "one"),
        (MADE, "cons@4"),
    ]
    assert [heading for heading, _ in three.sections] == ["Recorded pools", "Synthetic pools"]
    assert [len(rows) for rows in three.panels] == [3, 2]


def test_the_front_has_whom_nobody_beats_and_each_pool_its_own(three: Comparison) -> None:
    assert [row.pareto for row in three.rows] == [True, True, False, True, True]


def test_methods_equal_in_tokens_and_accuracy_are_on_the_front_together(tmp_path: Path) -> None:
    rows = comparison(
        write_run(tmp_path / "1", "a", entry(100, 0.5)),
        write_run(tmp_path / "2", "b", entry(100, 0.5)),
        write_run(tmp_path / "3", "c", entry(100, 0.4)),
        write_run(tmp_path / "4", "d", entry(101, 0.5)),
    ).rows
    assert {row.method: row.pareto for row in rows} == {
        "a": True,
        "b": True,
        "c": False,
        "d": False,
    }


def test_unranked_methods_are_marked_and_push_nobody_off_the_front(tmp_path: Path) -> None:
    both = comparison(
        write_run(tmp_path / "1", "oracle", entry(10, 0.9), unranked=True),
        write_run(tmp_path / "2", "cons@4", entry(1000, 0.5)),
    )
    oracle, cons = both.rows
    assert (oracle.pareto, cons.pareto) == (False, True)
    assert cells(oracle)[1] == "oracle (unranked)"
    assert cells(oracle)[-1] == "unranked"
    assert any(note.startswith("Unranked") for note in both.notes)


def test_cells_are_in_the_units_of_their_headers(three: Comparison) -> None:
    assert dict(zip(HEADERS, cells(three.rows[1]), strict=True)) == {
        "pool": NAME,
        "method": "early",
        "N": "4",
        "rank": "1–2",
        "accuracy % [95%]": "60.0 [50.0, 70.0]",
        "tokens/problem": "250",
        "tokens 10^8": "0.0000750",
        "reduction %": "75.0",
        "probe tokens": "",
        "judge cost": "",
        "judge %": "",
        "total cost": "",
        "dollars": "",
        "FLOPs": "",
        "to cons@N [95%]": "+10.0 [-4.5, +23.3]§ (26.4)",
        "not worse": "no",
        "to best [95%]": "best",
        "clock": "62",
        "Pareto": "yes",
    }


def shown_headers() -> list[str]:
    """Return the headers of runs without probes, judge and prices."""
    return [header for header in HEADERS if header not in unused_headers([])]


# Paired with the best, over several pools, and what is kept


def test_methods_are_paired_with_the_best_problem_by_problem(three: Comparison) -> None:
    # Of 30 problems one is right on the first 6, early on 18, cons on 15. The differences are -1 on
    # 12 and on 3 problems: -40 and -10 points. All of 12 flips go one way in 2/2^12, of 3 in 2/2^3.
    # One and cons differ on 9: of three pairs, two are significant.
    one, early, cons = (row.standing for row in three.rows[:3])
    assert early is not None
    assert (early.best, early.tied, early.difference.value) == (True, True, 0)
    assert one is not None
    assert (one.best, one.tied) == (False, False)
    assert one.difference.value == pytest.approx(-0.4)
    assert one.p == 2 / 2**12
    assert [each.rank for each in (one, early, cons) if each] == [(3, 3), (1, 2), (1, 2)]
    assert cons is not None
    assert (cons.best, cons.tied, cons.p, cons.contrast.few) == (False, True, 0.25, True)
    assert cons.difference.value == pytest.approx(-0.1)
    column = HEADERS.index("to best [95%]")
    assert cells(three.rows[1])[column] == "best"
    assert re.fullmatch(
        r"-40\.0 \[-5\d\.\d, -1\d\.\d\] \(2\d\.\d\)", cells(three.rows[0])[column].strip()
    )
    # Six problems are the fewest of a significant difference: 7.9 of 30 show them in 4 of 5 cases.
    assert cells(three.rows[2])[column] == "-10.0 [-23.3, +4.5]§ = (26.4)"
    assert [cells(row)[HEADERS.index("rank")] for row in three.rows[:3]] == ["3", "1–2", "1–2"]
    assert any("sign-flip test" in note for note in three.notes)
    assert any(note.startswith("§") for note in three.notes)


def test_not_worse_is_judged_by_the_margin(three: Comparison) -> None:
    column = HEADERS.index("not worse")
    one, early, cons = three.rows[:3]
    assert [cells(row)[column] for row in (one, early, cons)] == ["no", "no", "yes"]
    assert cells(early, 0.05)[column] == "yes"  # its interval begins at -4.5 points
    assert [row["not_worse"] for row in json.loads(as_json(three))["rows"][:3]] == [
        *(False, False, True)
    ]


def test_cons_itself_is_exactly_as_good_as_cons(three: Comparison) -> None:
    cons = three.rows[2]
    assert cons.to_baseline is not None
    assert cons.to_baseline.difference == Metric(0.0, 0.0, 0.0)
    assert cells(cons)[HEADERS.index("to cons@N [95%]")] == "0.0 [0.0, 0.0]"


def test_equal_methods_are_tied_and_the_cheaper_one_is_the_best(tmp_path: Path) -> None:
    cheap, dear = comparison(
        write_run(tmp_path / "1", "dear", entry(900, 0.5), repeats=5),
        write_run(tmp_path / "2", "cheap", entry(100, 0.5, budget=8)),
    ).rows
    assert cheap.standing is not None
    assert dear.standing is not None
    assert (cheap.method, cheap.standing.best) == ("cheap", True)
    low, value, high = (getattr(dear.standing.difference, end) for end in ("low", "value", "high"))
    assert low < value == 0 < high  # a new problem may differ
    assert (dear.standing.tied, dear.standing.p, dear.standing.rank) == (True, 1, (1, 2))
    notes = comparison(tmp_path / "1", tmp_path / "2").notes
    assert any("budgets and repeats" in note for note in notes)


def test_unranked_and_lonely_methods_are_not_compared(tmp_path: Path) -> None:
    both = comparison(
        write_run(tmp_path / "1", "oracle", entry(10, 0.9), unranked=True),
        write_run(tmp_path / "2", "cons@4", entry(1000, 0.5)),
    )
    assert [row.standing for row in both.rows] == [None, None]
    assert not any("best" in note for note in both.notes)


def test_one_problem_tells_nobody_apart(tmp_path: Path) -> None:
    metrics = {"accuracy": (1.0, None, None), "tokens_per_problem": (5.0, None, None)}
    wrong = metrics | {"accuracy": (0.0, None, None)}
    for name, figures in (("a", metrics), ("b", wrong)):
        write_run(tmp_path / name, name, summary_pool(problems=1, metrics=figures))
    _, row = comparison(tmp_path / "a", tmp_path / "b").rows
    assert row.standing is not None
    assert (row.standing.difference, row.standing.tied) == (Metric(-1.0), None)
    assert cells(row)[HEADERS.index("to best [95%]")].strip() == "-100.0"


def test_runs_without_answers_are_shown_but_not_compared(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, name, entry(100, 0.5)) for name in "abc"]
    (runs[0] / "answers.parquet").unlink()
    found = comparison(*runs)
    assert [row.standing is None for row in found.rows] == [True, False, False]
    assert "Not compared, because answers.parquet is missing: a." in found.notes


def test_answers_of_another_run_are_refused(tmp_path: Path) -> None:
    small = write_run(tmp_path / "1", "a", entry(100, 0.5, problems=20))
    large = write_run(tmp_path / "2", "b", entry(100, 0.5))
    (large / "answers.parquet").write_bytes((small / "answers.parquet").read_bytes())
    with pytest.raises(UserError, match=r"2/answers\.parquet: not the problems and repeats"):
        comparison(small, large)
    answers = pq.read_table(small / "answers.parquet")
    pq.write_table(answers.drop(["tokens"]), large / "answers.parquet")
    with pytest.raises(UserError, match="columns are missing"):
        comparison(large)
    pq.write_table(answers[1:], large / "answers.parquet")
    with pytest.raises(UserError, match=r"problems of .* differ in repeats"):
        comparison(large)
    (large / "answers.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"answers\.parquet: cannot be read") as error:
        comparison(large)
    assert "\n" not in str(error.value)


def test_recorded_pools_are_combined_with_equal_weight(tmp_path: Path) -> None:
    # 30 and 60 problems: 0.5 and 0.8 average to 0.65, 1000 and 400 tokens to 700, of which the
    # baseline takes 1000 on both: reductions of 0 and 0.6 average to 0.3.
    large = "x/y/z"
    found = comparison(
        write_run(
            tmp_path / "1",
            "a",
            entry(1000, 0.5),
            entry(400, 0.8, large, problems=60, token_accuracy="estimated"),
            entry(1, 1.0, MADE, synthetic=True),
        ),
        write_run(tmp_path / "2", "b", entry(100, 0.5), entry(100, 0.4, large, problems=60)),
        write_run(tmp_path / "3", "c", entry(100, 0.9)),
    )
    b, a = found.combined
    assert (a.method, b.method, a.pareto, b.pareto) == ("a", "b", True, True)
    averages = a.averages
    assert averages.accuracy.value == pytest.approx(0.65)
    assert averages.tokens_per_problem.value == 700
    assert averages.reduction.value == pytest.approx(0.3)
    assert averages.accuracy_difference.value == pytest.approx(0.15)
    assert a.standing is not None
    assert a.standing.best
    assert b.standing is not None
    assert b.standing.difference.value == pytest.approx(-0.2)
    assert b.standing.tied is False
    assert "Not combined, because not on all pools: c." in found.notes
    assert any("equally" in note and "2 recorded pools" in note for note in found.notes)

    # Its variance is that of the pools' accuracies, a quarter each: the half width of a normal
    # interval is 1.96 √(0.25/30 + 0.16/60) / 2 = 0.103.
    low, high = averages.accuracy.low, averages.accuracy.high
    assert low is not None
    assert high is not None
    assert (high - low) / 2 == pytest.approx(0.103, rel=0.1)

    assert combined_cells(a)[:2] == ["a", "4"]
    assert combined_cells(a)[4] == "700‡"
    for text in (as_table(found), as_markdown(found), as_latex(found)):
        assert text.index("Recorded pools") < text.index(ALL_POOLS) < text.index("Synthetic pools")
    last = list(csv.DictReader(io.StringIO(as_csv(found))))[-1]
    assert (last["pool"], last["pools"], last["problems"]) == (ALL_POOLS, "2", "90")
    assert float(last["accuracy"]) == pytest.approx(0.65)
    assert last["fingerprint"] == ""
    assert (last["clock"], last["clock_unit"]) == ("175.0", "steps")  # of 250 and 100
    raw = json.loads(as_json(found))
    assert [each["method"] for each in raw["combined"]] == ["b", "a"]
    assert raw["combined"][0].keys() == raw["rows"][0].keys()


def test_methods_are_combined_on_the_pools_that_most_share(tmp_path: Path) -> None:
    first, second, third = entry(100, 0.5), entry(100, 0.4, "x/y/z"), entry(100, 0.9, "x/y/more")
    found = comparison(
        write_run(tmp_path / "1", "a", first, second, third),
        write_run(tmp_path / "2", "b", first, second),
        write_run(tmp_path / "3", "picked", third),
    )
    assert {each.method: len(each.results) for each in found.combined} == {"a": 2, "b": 2}
    assert found.combined[0].averages.accuracy.value == pytest.approx(0.45)
    together = f"{NAME}, x/y/z"
    assert (
        f"All pools: {together}, the ones that at least half of the methods share." in found.notes
    )
    assert f"Not combined, because not on all of {together}: picked." in found.notes


def test_pools_with_the_same_problems_are_resampled_together(tmp_path: Path) -> None:
    # Two models that are right on the same 15 of 30 problems: all that is known is one sample of
    # 30, and the interval of the average is as wide as that of each. On other benchmarks the same
    # figures are two samples.
    widths = []
    for benchmark in ("aime24", "other"):
        folder = tmp_path / benchmark
        pools = (entry(100, 0.5), entry(100, 0.5, f"scout/another/{benchmark}"))
        (method,) = comparison(write_run(folder, "a", *pools)).combined
        low, high = method.averages.accuracy.low, method.averages.accuracy.high
        assert low is not None
        assert high is not None
        widths.append(high - low)
    assert widths[0] == pytest.approx(widths[1] * math.sqrt(2), rel=0.1)


def test_nothing_is_combined_over_one_pool_versions_of_it_or_no_method(tmp_path: Path) -> None:
    one = write_run(tmp_path / "1", "a", entry(100, 0.5))
    made = write_run(tmp_path / "2", "a", entry(100, 0.5, MADE, synthetic=True))
    assert comparison(one, made).combined == []
    version = write_run(tmp_path / "3", "a", entry(100, 0.5), fingerprint="f1")
    both = comparison(one, version)
    assert both.combined == []
    assert (
        "Pools are not combined, because there are several versions or parts of one." in both.notes
    )
    elsewhere = write_run(tmp_path / "4", "b", entry(100, 0.5, "x/y/z"))
    neither = comparison(one, elsewhere)
    assert neither.combined == []
    assert "Not combined, because not on all pools: a, b." in neither.notes


def test_every_pair_is_compared_once(tmp_path: Path) -> None:
    results = [
        result
        for folder in (
            write_run(tmp_path / "1", "a", entry(1000, 0.5)),
            write_run(tmp_path / "2", "b", entry(250, 0.6)),
            write_run(tmp_path / "3", "c", entry(100, 0.4)),
            write_run(tmp_path / "4", "oracle", entry(10, 0.9), unranked=True),
        )
        for result in read_results(folder)
    ]
    assert compare(results).pairs == []
    found = compare(results, every_pair=True)
    document = json.loads(as_json(found))["pairs"]
    assert [(pair["method"], pair["against"]) for pair in document] == [
        *(("c", "b"), ("c", "a"), ("b", "a"))
    ]
    # b takes 250 of a's 1000 tokens on every problem, and is right on 3 problems of 30 more.
    assert document[2]["accuracy_difference"] == pytest.approx(0.1)
    # c is right on 6 problems fewer than b: p = 2/2^6; one of three pairs needs a third of 5%.
    assert [pair["p"] for pair in document] == [2 / 2**6, 0.25, 0.25]
    assert [pair["tied"] for pair in document] == [True, True, True]
    assert document[2]["accuracy_difference_problems"] == 3
    assert [document[2][f"reduction{end}"] for end in ("", "_low", "_high")] == [0.75] * 3
    assert next(csv.DictReader(io.StringIO(as_csv(found))))["against"] == "b"
    assert f"{NAME}: every pair" in as_table(found)
    assert r"75.0 [75.0, 75.0]" in as_latex(found)


def test_what_is_kept_is_shown_on_request(tmp_path: Path) -> None:
    kept = {
        "accuracy": (0.5, 0.4, 0.6),
        "pass_at_k": (0.9, 0.8, 1.0),
        "distinct_answers": (2.5, 2.0, 3.0),
        "distinct_answers_share": (0.5, 0.4, 0.6),
        "gold_survived": (0.96, 0.9, 1.0),
    }
    results = read_results(write_run(tmp_path / "1", "a", summary_pool(problems=30, metrics=kept)))
    old = read_results(write_run(tmp_path / "2", "b", entry(100, 0.4)))
    found = compare([*results, *old], diversity=True)
    assert kept_cells(found.rows[1])[3:] == [
        *("90.0 [80.0, 100.0]", "2.50 [2.00, 3.00]", "50.0 [40.0, 60.0]", "96.0 [90.0, 100.0]")
    ]
    assert kept_cells(found.rows[0])[3:] == ["", "", "", ""]
    assert "96.0 [90.0, 100.0]" in as_table(found)
    assert "96.0 [90.0, 100.0]" not in as_table(compare(results))
    assert json.loads(as_json(compare(results)))["rows"][0]["gold_survived_low"] == 0.9


def test_a_narrow_terminal_gets_the_columns_that_matter(three: Comparison) -> None:
    wide, _ = panels(three)
    assert wide.heading == NAME
    table = fit(wide.headers, wide.rows, wide.right, 80, DISPENSABLE)
    assert table.left_out == ["tokens 10^8", "not worse", "to cons@N [95%]", "clock"]
    assert [str(column.header) for column in table.grid.columns] == [
        *("method", "N", "rank", "accuracy % [95%]", "tokens/problem", "reduction %"),
        *("to best [95%]", "Pareto"),
    ]
    assert max(map(len, table.text().splitlines())) <= 80


def test_no_minus_before_zero_and_signs_where_they_matter(tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", "cons@4", entry(1000, 0.4999))
    (run / "answers.parquet").unlink()
    (row,) = comparison(run).rows
    assert cells(row)[HEADERS.index("to cons@N [95%]")] == "0.0 [-2.0, +2.0]"


def test_a_pool_of_one_problem_shows_values_without_intervals(tmp_path: Path) -> None:
    metrics = {"accuracy": (1.0, None, None), "tokens_per_problem": (5.0, None, None)}
    one = comparison(write_run(tmp_path / "1", "cons@4", summary_pool(problems=1, metrics=metrics)))
    assert cells(one.rows[0])[3:] == ["", "100.0", "5", *[""] * 8, "0.0", "", "", "", "yes"]
    assert "A pool of one problem has no intervals." in one.notes
    assert plot(one, "svg")


def test_seconds_and_token_accuracy_are_shown(tmp_path: Path) -> None:
    total, guess = comparison(
        write_run(tmp_path / "1", "a", entry(100, 0.5, clock_unit="seconds")),
        write_run(tmp_path / "2", "b", entry(200, 0.5, token_accuracy="estimated")),
        write_run(tmp_path / "3", "c", entry(300, 0.5, token_accuracy="total")),
    ).rows[:2]
    assert cells(total)[HEADERS.index("clock")] == "25.0 s"
    assert cells(guess)[5] == "200‡"
    notes = comparison(tmp_path / "1", tmp_path / "3").notes
    assert any(note.startswith("†") for note in notes)
    assert not any(note.startswith("‡") for note in notes)


def test_runs_of_one_policy_are_told_apart_by_the_parameters_that_differ(tmp_path: Path) -> None:
    rows = comparison(
        write_run(tmp_path / "1", "short-m", entry(100, 0.5), parameters={"m": 3, "k": 1}),
        write_run(tmp_path / "2", "short-m", entry(200, 0.5), parameters={"m": 5, "k": 1}),
        write_run(tmp_path / "3", "cons@4", entry(300, 0.5), parameters={"m": 5}),
    ).rows
    assert [row.method for row in rows] == ["short-m (m=3)", "short-m (m=5)", "cons@4"]


def test_where_parameters_agree_the_next_difference_is_named(tmp_path: Path) -> None:
    rows = comparison(
        write_run(tmp_path / "1", "a", entry(100, 0.5), seed=1),
        write_run(tmp_path / "2", "a", entry(200, 0.5), seed=2),
        write_run(tmp_path / "3", "b", entry(300, 0.5, budget=8)),
        write_run(tmp_path / "4", "b", entry(400, 0.5)),
        write_run(tmp_path / "5", "c", entry(500, 0.5)),
        write_run(tmp_path / "6", "c", entry(600, 0.5)),
    ).rows
    assert [row.method for row in rows] == [
        *("a (seed=1)", "a (seed=2)", "b (N=8)", "b (N=4)", "c (run=5)", "c (run=6)")
    ]


def test_the_same_method_on_two_pools_keeps_its_name(tmp_path: Path) -> None:
    rows = comparison(
        write_run(tmp_path / "1", "a", entry(100, 0.5)),
        write_run(tmp_path / "2", "a", entry(200, 0.5, "x/y/z"), seed=9),
    ).rows
    assert [row.method for row in rows] == ["a", "a"]


def test_identical_runs_are_shown_once_with_a_note(tmp_path: Path) -> None:
    first = write_run(tmp_path / "1", "a", entry(100, 0.5))
    again = comparison(first, write_run(tmp_path / "2", "a", entry(100, 0.5)), first)
    assert len(again.rows) == 1
    assert "Left out, because identical to 1: 2." in again.notes


def test_versions_of_a_pool_are_not_compared_with_each_other(tmp_path: Path) -> None:
    old = write_run(tmp_path / "1", "a", entry(100, 0.5), fingerprint="aaaaaaaaaa")
    new = write_run(tmp_path / "2", "b", entry(200, 0.4), fingerprint="bbbbbbbbbb")
    both = comparison(old, new)
    assert [(row.pool, row.pareto) for row in both.rows] == [
        (f"{NAME} [aaaaaaaa]", True),
        (f"{NAME} [bbbbbbbb]", True),
    ]
    assert any("2 versions" in note for note in both.notes)


def test_seeds_and_repeats_are_named_where_they_differ(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 7)):
        write_run(tmp_path / name, name, entry(100, 0.5), seed=seed, repeats=64)
    assert "Seed 0, repeats 64." in comparison(tmp_path / "a", tmp_path / "b").notes
    notes = comparison(*(tmp_path / name for name in "abc")).notes
    assert "Seed 0, repeats 64; but c seed 7, repeats 64." in notes


def test_the_table_keeps_synthetic_pools_apart(three: Comparison) -> None:
    text = as_table(three)
    real, made = text.split("\nSynthetic pools\n")
    assert MADE not in real
    assert NAME not in made
    assert f"{MADE} (synthetic)" in made
    assert "no evidence" in made


def test_markdown_is_a_github_table(three: Comparison) -> None:
    lines = as_markdown(three).splitlines()
    assert lines[0] == "### Recorded pools"
    assert lines[3].count("|") == lines[2].count("|") == len(shown_headers()) + 1
    assert lines[5] == (
        f"| {NAME} | early | 4 | 1–2 | 60.0 [50.0, 70.0] | 250 | 0.0000750 | 75.0 "
        "| +10.0 [-4.5, +23.3]§ (26.4) | no | best | 62 | yes |"
    )
    assert escape_markdown("a|b_c*d`e\n") == r"a\|b\_c\*d\`e"


def test_latex_escapes_every_special_character() -> None:
    assert escape_latex("_ % & # $ { } ~ ^ \\ < > |") == (
        r"\_ \% \& \# \$ \{ \} \textasciitilde{} \textasciicircum{} \textbackslash{} "
        r"\textless{} \textgreater{} \textbar{}"
    )


def test_latex_has_what_pdflatex_knows() -> None:
    assert escape_latex("⌂ local") == "local"
    assert escape_latex("✔ verified") == r"$\surd$ verified"
    assert escape_latex("Tokens, 10⁸ ≈") == r"Tokens, 10\textsuperscript{8} $\approx$"
    assert escape_latex("16 ×4") == r"16 $\times$4"
    assert escape_latex("run --judge `x`") == r"run -{}-judge \textasciigrave{}x\textasciigrave{}"
    assert escape_latex("[1, 2]") == "{}[1, 2]"  # after \\ it would be its option
    assert escape_latex("Jürgen Groß – “a…”") == "Jürgen Groß – “a…”"


def test_latex_is_a_booktabs_tabular_with_balanced_columns(tmp_path: Path) -> None:
    awkward = r"my_%&#${}~^\m"
    text = as_latex(
        comparison(
            write_run(tmp_path / "1", awkward, entry(1200, 0.4, token_accuracy="total")),
            write_run(tmp_path / "2", "b", entry(90, 0.9, MADE, synthetic=True)),
        )
    )
    assert r"my\_\%\&\#\$\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}m" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 2
    assert "tokens $10^8$" in text
    assert r"1,200\textsuperscript{\dag}" in text
    assert r"$-$20.0 & $-$10.0 [$-$23.3, +4.5]\S{} (26.4) & no" in text
    for line in text.splitlines():
        if line.endswith(r" \\"):
            assert line.replace(r"\&", "").count("&") == len(shown_headers()) - 1


def test_csv_has_raw_numbers_and_intervals_in_columns_of_their_own(three: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(three))))
    early = rows[1]
    assert (early["method"], early["pool"], early["synthetic"]) == ("early", NAME, "false")
    assert float(early["accuracy"]) == 0.6
    assert (float(early["accuracy_low"]), float(early["accuracy_high"])) == (0.5, 0.7)
    assert float(early["reduction"]) == 0.75
    assert (early["pareto"], early["tokens_1e8_low"], early["judge_calls"]) == ("true", "", "")
    assert json.loads(early["parameters"]) == {}
    assert rows[4]["synthetic"] == "true"


def test_json_has_the_same_rows_and_the_notes(three: Comparison) -> None:
    document = json.loads(as_json(three))
    assert [row["method"] for row in document["rows"]] == [
        "one",
        "early",
        "cons@4",
        "one",
        "cons@4",
    ]
    assert document["rows"][1]["accuracy_low"] == 0.5
    assert document["rows"][1]["tokens_1e8_low"] is None
    assert document["notes"] == three.notes


def test_a_run_without_accuracy_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", "a", summary_pool(metrics={"clock": (1.0, None, None)}))
    with pytest.raises(UserError, match=r"summary\.json: no accuracy"):
        comparison(run)


def test_damaged_runs_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run here"):
        read_results(tmp_path)
    run = write_run(tmp_path / "1", "a")
    good = (run / "summary.json").read_text()
    for bad, message in (
        (good[:50], "cannot be read"),
        ("[]", "not the description of a run"),
        (good.replace('"seed": 0', '"seed": "zero"'), "'seed' is missing or has the wrong type"),
        (
            good.replace('"budget": 4', '"budget": true'),
            "'budget' is missing or has the wrong type",
        ),
        (good.replace('"format": 1', '"format": 2'), "newer"),
        (good.replace(good[good.index('"pools": ') :], '"pools": []}'), "'pools' is missing"),
    ):
        (run / "summary.json").write_text(bad)
        with pytest.raises(UserError, match=message) as error:
            read_results(run)
        assert str(run / "summary.json") in str(error.value)
        assert "\n" not in str(error.value)
    (run / "summary.json").unlink()
    with pytest.raises(UserError, match="--resume"):
        read_results(run)


def test_a_figure_that_is_no_number_counts_as_not_measured(tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", "a")
    text = (run / "summary.json").read_text().replace("0.25", "1e999")
    (run / "summary.json").write_text(text)
    (result,) = read_results(run)
    assert result.metrics["accuracy"].low is None
    assert result.value("accuracy") == 0.5
    assert result.value("reduction") is None
    assert result.command == "deepprune-sim run a"


@pytest.mark.parametrize("axis", [Axis(0, 50, 100), Axis(1, 1e6, 300, log=True)])
@pytest.mark.parametrize("down", [False, True])
def test_an_axis_goes_to_pixels_and_back(axis: Axis, down: bool) -> None:
    turned = Axis(axis.low, axis.high, axis.pixels, axis.log, down)
    assert turned.pixel(axis.low) == (axis.pixels if down else 0)
    assert math.isclose(turned.value(turned.pixel(37.0)), 37.0)


def test_axes_hold_every_interval_and_are_logarithmic_for_a_wide_range(tmp_path: Path) -> None:
    narrow = comparison(
        write_run(tmp_path / "1", "a", entry(100, 0.5)),
        write_run(tmp_path / "2", "b", entry(900, 0.8)),
    )
    x, y = axes(narrow.rows)
    assert (x.log, x.low) == (False, 0)
    assert x.high > 1.1 * 900
    assert y.low < 40
    assert y.high > 90
    wide = comparison(tmp_path / "1", write_run(tmp_path / "3", "c", entry(90_000, 0.8)))
    x, _ = axes(wide.rows)
    assert x.log
    assert 0 < x.low < 90
    assert x.high > 1.1 * 90_000


def test_labels_stay_inside_and_apart_even_where_points_coincide() -> None:
    points = [(200.0, 150.0), (204.0, 152.0), (200.0, 150.0), (WIDTH - 3.0, 4.0), (2.0, HEIGHT - 2)]
    names = ["parallel-probe", "short-m (m=3)", "cons@64", "a rather long name", "another one"]
    boxes = [box for _, box in place_labels(names, points, [])]
    panel = Box(0, 0, WIDTH, HEIGHT)
    for index, box in enumerate(boxes):
        area = (box.right - box.left) * (box.bottom - box.top)
        assert math.isclose(box.overlap(panel), area)
        assert all(box.overlap(other) == 0 for other in boxes[:index])


def test_the_picture_has_a_panel_a_pool_and_marks_synthetic_ones(three: Comparison) -> None:
    chart = build_chart(three).to_dict()
    assert [panel["title"]["text"] for panel in chart["concat"]] == [NAME, f"{MADE} (SYNTHETIC)"]


def test_the_front_is_a_step_line_over_its_corners(three: Comparison) -> None:
    line = build_chart(three).to_dict()["concat"][0]["layer"][0]
    assert line["mark"]["interpolate"] == "step-after"
    values = line["data"]["values"]
    assert [(point["x"], point["y"]) for point in values[:2]] == [(100, 20), (250, 60)]
    assert values[2]["y"] == 60
    assert len(values) == 3


def test_png_and_svg_are_really_that_and_the_svg_names_every_method(three: Comparison) -> None:
    assert plot(three, "png").startswith(b"\x89PNG\r\n\x1a\n")
    svg = plot(three, "svg").decode()
    assert svg.startswith("<svg")
    for name in ("cons@4", "early", "one", NAME, f"{MADE} (SYNTHETIC)"):
        assert f">{name}</text>" in svg
