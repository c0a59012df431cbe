"""`deepprune-sim data`: what it prints, in every form, and what it refuses."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pools
import pytest
from click.testing import CliRunner
from stored_files import NAME, TRACES, write_pool, write_run

from simulator.catalogue.pool_facts import PoolFacts, ProblemFacts, pool_facts
from simulator.catalogue.views import connect
from simulator.commands.data.group import data
from simulator.commands.options import file_size
from simulator.errors import UserError
from simulator.statistics import Estimate


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def invoke(cache: Path, *arguments: str) -> str:
    """Run `data` with arguments and give what it printed on standard output."""
    command = [*arguments] if "-h" in arguments else [*arguments, "--cache", str(cache)]
    result = CliRunner().invoke(data, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refusal(cache: Path, *arguments: str) -> str:
    with pytest.raises(UserError) as error:
        invoke(cache, *arguments)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_an_empty_cache_says_what_to_run(cache: Path) -> None:
    text = invoke(cache, "list")
    assert f"No pools in {cache}" in text
    assert "deepprune-sim run cons@64" in text
    assert "deepprune-sim import" in text


def test_list_shows_a_pool_a_line_and_marks_synthetic_ones(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    write_pool(cache, signals=["text", "probes"])
    write_pool(cache, "sample/made-up/easy", synthetic=True, tokens=355_000_000)
    lines = invoke(cache, "list").splitlines()
    (made,) = (line for line in lines if line.startswith("sample/"))
    (real,) = (line for line in lines if line.startswith(NAME))
    cells = [NAME, "2", "8", "0.001", "138", "exact", "12.50%", "text,", "probes"]
    assert real.split()[: len(cells)] == cells
    assert made.startswith("sample/made-up/easy (synthetic) ")
    assert " 355.000 " in made


def test_list_names_broken_pools_below_the_others(cache: Path) -> None:
    write_pool(cache)
    (write_pool(cache, "b/b/cut") / "pool.json").write_text("{")
    write_run(Path("runs/broken"), "cons@4").joinpath("summary.json").unlink()
    text = invoke(cache, "list")
    pools, broken = text.split("cannot be read")
    assert NAME in pools
    assert "b/b/cut: pool.json: not readable as JSON" in broken
    assert "runs/broken" not in text


def test_list_tells_of_imports_that_were_killed(cache: Path) -> None:
    write_pool(cache)
    (cache / "b/b/.cut.0123abcd.tmp").mkdir(parents=True)
    told = "b/b/cut: left by an import that was killed"
    assert f"the next import of a pool clears what a killed one has left:\n  {told}" in invoke(
        cache, "list"
    )
    listed = json.loads(invoke(cache, "list", "--json"))
    assert listed["unfinished"] == {"b/b/cut": "left by an import that was killed"}


def test_list_as_json(cache: Path) -> None:
    write_pool(cache)
    (write_pool(cache, "b/b/cut") / "pool.json").write_text("{")
    listed = json.loads(invoke(cache, "list", "--json"))
    assert listed["cache"] == str(cache)
    assert [pool["name"] for pool in listed["pools"]] == [NAME]
    assert [broken["path"] for broken in listed["broken"]] == [str(cache / "b/b/cut")]


def test_facts_of_the_pool_that_was_worked_out_by_hand(cache: Path) -> None:
    write_pool(cache)
    write_pool(cache, "another/pool/here")
    with connect(cache, Path("runs"), Path("submissions")) as catalogue:
        facts = pool_facts(catalogue, NAME)
    first, second = facts.problems
    assert facts.pass_at_1 == (3 / 4 + 2 / 4) / 2
    assert (first.consensus, second.consensus) == (1.0, 0.5)  # A and B tie
    assert (first.vote, second.vote) == ("right", "tie, 50%")
    assert facts.consensus_accuracy == 0.75
    assert (first.same_pairs, first.pairs) == (3, 3)
    assert (second.same_pairs, second.pairs) == (2, 6)
    assert facts.redundancy == 5 / 9
    assert facts.mean_redundancy == (3 / 3 + 2 / 6) / 2
    assert (first.distinct_answers, second.distinct_answers) == (1, 2)
    assert (first.no_answer, second.no_answer) == (1, 0)
    assert facts.mean_length == 1100 / 8
    assert facts.lengths[0] == 10
    assert facts.lengths[3] == (40 + 100) / 2
    assert facts.lengths[-1] == 400
    assert facts.finish_reasons == {"stop": 7, "length": 1}


def test_pass_at_k_of_the_pool_that_was_worked_out_by_hand(cache: Path) -> None:
    # Of four traces three and two are right. One pair in six of the second problem's are both
    # wrong, and no pair of the first's; of two problems a resample holds one twice, or each once.
    write_pool(cache)
    with connect(cache, Path("runs"), Path("submissions")) as catalogue:
        chances = pool_facts(catalogue, NAME).pass_at_k
    assert [*chances] == [1, 2, 4]
    assert chances[1] == Estimate(0.625, 0.5, 0.75)
    assert chances[2].value == pytest.approx((1 + 5 / 6) / 2)
    assert chances[4] == Estimate(1.0, 1.0, 1.0)
    shown = json.loads(invoke(cache, "show", NAME, "--json"))["facts"]
    assert shown["pass_at_k"]["1"] == {"value": 0.625, "low": 0.5, "high": 0.75}
    assert shown["consensus"] == {"value": 0.75, "low": 0.5, "high": 1.0}
    text = invoke(cache, "show", NAME)
    assert "pass@2          91.67% [83.33, 100.00]" in text
    assert "cons@all        75.00% [50.00, 100.00] (every stored trace votes)" in text


def test_pass_at_k_goes_as_far_as_the_problem_with_the_fewest_traces() -> None:
    def problem(traces: int, correct: int) -> ProblemFacts:
        return ProblemFacts("p", "7", traces, 1, correct, 0, 1, 1.0, 0, 0)

    uneven = PoolFacts([problem(7, 7), problem(11, 0)], [], {})
    assert [*uneven.pass_at_k] == [1, 2, 4, 7]
    assert [chance.value for chance in uneven.pass_at_k.values()] == [0.5] * 4
    alone = PoolFacts([problem(1, 1)], [], {})
    assert alone.pass_at_k == {1: Estimate(1.0, None, None)}


def test_a_pool_without_any_answer_has_no_redundancy(cache: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from simulator.pools.pool import SCHEMAS

    silent: dict[str, Any] = {"answer_class": [-1] * 8, "correct": [False] * 8}
    silent = TRACES | silent | {"answer": [None] * 8}
    table = pa.table(silent, schema=SCHEMAS["traces"])
    pq.write_table(table, write_pool(cache) / "traces.parquet")
    shown = json.loads(invoke(cache, "show", NAME, "--json"))["facts"]
    assert shown["redundancy"] is None
    assert shown["mean_redundancy"] is None
    assert (shown["pass_at_1"], shown["consensus_accuracy"], shown["no_answer"]) == (0, 0, 8)
    assert "-" in invoke(cache, "show", NAME)


def test_show_prints_the_description_and_the_facts(cache: Path) -> None:
    write_pool(cache)
    text = invoke(cache, "show", "*aime24")
    for expected in (
        NAME,
        "https://example.org/traces",
        "made by hand",
        "62.50%",
        "50.00%",
        "0.5556 of all pairs with answers agree; mean over problems 0.6667",
        "50% 70",
        "1 traces (12.50%)",
        "stop 7, length 1",
    ):
        assert expected in " ".join(text.split())
    assert "SYNTHETIC" not in text


def test_show_marks_a_synthetic_pool_first(cache: Path) -> None:
    write_pool(cache, synthetic=True)
    assert invoke(cache, "show", NAME).startswith("SYNTHETIC")


def test_show_as_json_has_everything(cache: Path) -> None:
    write_pool(cache)
    shown = json.loads(invoke(cache, "show", NAME, "--json"))
    assert shown["name"] == NAME
    assert set(shown["sha256"]) == {"problems.parquet", "traces.parquet"}
    assert shown["facts"]["pass_at_1"] == 0.625
    assert shown["facts"]["length_quantiles"]["0.5"] == 70
    assert shown["facts"]["per_problem"][1]["redundancy"] == 2 / 6


def test_show_needs_one_pool_that_can_be_read(cache: Path) -> None:
    write_pool(cache)
    (write_pool(cache, "b/b/missing") / "traces.parquet").unlink()
    assert "matches 2 pools" in refusal(cache, "show", "*")
    assert f"did you mean {NAME}" in refusal(cache, "show", "aime24")
    assert "traces.parquet: cannot be read" in refusal(cache, "show", "b/b/missing")


def test_sql_prints_aligned_text_where_there_is_no_terminal(cache: Path) -> None:
    write_pool(cache)
    text = invoke(
        cache,
        "sql",
        "select problem_id, sum(num_tokens) tokens, bool_or(correct) ok from traces "
        "group by all order by all",
    )
    assert text == "problem_id  tokens  ok\n------------------------\n" + (
        "p1            1000  true\np2             100  true\n"
    )


def test_sql_as_csv_and_json_gives_all_rows(cache: Path) -> None:
    query = "select range as n, range / 4 as q, null as nothing from range(25000)"
    rows = list(csv.reader(invoke(cache, "sql", query, "--csv").splitlines()))
    assert rows[0] == ["n", "q", "nothing"]
    assert len(rows) == 25001
    assert rows[-1] == ["24999", "6249.75", ""]
    objects = json.loads(invoke(cache, "sql", query, "--json"))
    assert len(objects) == 25000
    assert objects[-1] == {"n": 24999, "q": 6249.75, "nothing": None}


def test_sql_csv_writes_truth_and_lists_as_other_programs_read_them(cache: Path) -> None:
    query = "select true a, false b, [1, 2] c, {'x': 'y'} d, date '2026-01-02' e"
    (row,) = csv.DictReader(invoke(cache, "sql", query, "--csv").splitlines())
    assert row == {"a": "true", "b": "false", "c": "[1, 2]", "d": '{"x": "y"}', "e": "2026-01-02"}


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_lists_fit_the_line_and_numbers_stay_whole(
    cache: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for name in (NAME, "generated/gpt-oss-20b/gpqa-diamond", "tobypullan/gemma-4-12b/mmlu-pro"):
        write_pool(cache, name, signals=["text", "confidence", "probes"], synthetic=name != NAME)
    listed, shown = invoke(cache, "list", "--known"), invoke(cache, "show", NAME)
    rows = invoke(cache, "sql", "from pools")
    for text in (listed, shown, rows):
        # a path is never broken: it could not be copied
        lines = [line for line in text.splitlines() if str(cache) not in line]
        assert max(map(len, lines)) <= columns
    assert re.search(rf"^{NAME} +2 +8 +0\.001 ", listed, re.M)
    assert re.search(r"^p2 +B +4 +50\.00% +tie, 50% +2 +0 +0\.3333 +25$", shown, re.M)


def test_sql_json_is_valid_whatever_the_types(cache: Path) -> None:
    query = "select 'nan'::double a, date '2026-01-02' b, [1, null] c, {'x': true} d, 2::hugeint e"
    assert json.loads(invoke(cache, "sql", query, "--json")) == [
        {"a": None, "b": "2026-01-02", "c": [1, None], "d": {"x": True}, "e": 2}
    ]
    assert "have the same name" in refusal(cache, "sql", "select 1 a, 2 a", "--json")


def test_a_long_result_is_cut_on_screen_with_a_note(cache: Path) -> None:
    lines = invoke(cache, "sql", "from range(1001)").splitlines()
    assert len(lines) == 2 + 1000 + 1
    assert lines[-1] == "Only the first 1000 rows; --csv or --json prints all."
    assert len(invoke(cache, "sql", "from range(1000)").splitlines()) == 2 + 1000


def test_sql_describes_its_tables(cache: Path) -> None:
    assert "num_tokens" in invoke(cache, "sql", "describe traces")
    assert "submissions" in invoke(cache, "sql", "show tables")
    assert "approx_unique" in invoke(cache, "sql", "summarize pools -- comment")


@pytest.mark.parametrize(
    "query",
    [
        "with a as (select range n from range(3)) select n from a order by n desc;",
        "select range as n from range(3) order by n desc -- newest first",
        "from (select range as n from range(3)) order by n desc",
    ],
)
def test_sql_keeps_the_order_asked_for(cache: Path, query: str) -> None:
    assert invoke(cache, "sql", query, "--csv").split() == ["n", "2", "1", "0"]


@pytest.mark.parametrize(
    "query",
    [
        "create table t (a int)",
        "create temp view v as select 1",
        "insert into pools select * from pools",
        "delete from pools",
        "update pools set name = ''",
        "drop view pools",
        "copy (select 1) to '{cache}/out.csv'",
        "explain analyze copy (select 1) to '{cache}/out.csv'",
        "with a as (copy (select 1) to '{cache}/out.csv') select * from a",
        "attach '{cache}/out.db'",
        "export database '{cache}/out'",
        "with a as (insert into pools values (1) returning *) select * from a",
        "install httpfs",
        "set threads = 1",
        "pragma database_list",
        "pivot traces on problem_id using sum(num_tokens)",
        "select 1; drop view pools",
        "",
        "selec 1",
        "select no_such_column from pools",
        "from no_such_table",
        "select * from read_csv('{cache}/../secret.csv')",
    ],
)
def test_sql_refuses_in_one_line_whatever_could_write_and_whatever_is_wrong(
    cache: Path, query: str
) -> None:
    write_pool(cache)
    (cache.parent / "secret.csv").write_text("a\n1\n")
    before = sorted(cache.rglob("*"))
    assert refusal(cache, "sql", query.format(cache=cache)).startswith("SQL: ")
    assert sorted(cache.rglob("*")) == before


def test_sql_wants_one_form_of_output(cache: Path) -> None:
    assert "exclude each other" in refusal(cache, "sql", "select 1", "--csv", "--json")


def test_sql_notes_what_it_left_out(cache: Path) -> None:
    (write_pool(cache) / "pool.json").write_text("{")
    result = CliRunner().invoke(data, ["sql", "from pools", "--cache", str(cache)])
    assert result.stderr.startswith("note: skipped 1 that cannot be read")
    assert "note" not in result.stdout


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["sql"]])
def test_help_ends_with_an_example(cache: Path, command: list[str]) -> None:
    lines = invoke(cache, *command, "-h").rstrip().splitlines()
    assert lines[-1].lstrip().startswith("deepprune-sim data")


def test_numbers_in_readable_units() -> None:
    assert [file_size(size) for size in (999, 1000, 2_500_000, 3_400_000_000)] == [
        "999 B",
        "1.0 kB",
        "2.5 MB",
        "3.4 GB",
    ]


def test_convert_names_what_is_converted_and_what_is_left(cache: Path) -> None:
    pools.write_pool(cache, {"a": [pools.T(1, "1", confidence=[1.5])]}, benchmark="one")
    pools.write_pool(cache, {"a": [pools.T(1, "1", text="a")]}, benchmark="two")
    none = "left, as it has no token signals, and all else is the same in both formats"
    text = invoke(cache, "convert", "--to", "1")
    size = r"[\d.]+ MB"
    assert re.fullmatch(
        f"test/model/one: converted, {size} before, {size} now\ntest/model/two: {none}\n", text
    )
    assert invoke(cache, "convert", "*/one", "--to", "1") == (
        "test/model/one: left, as it is of format 1 already\n"
    )
    told = json.loads(invoke(cache, "convert", "--json"))
    bytes_of = [told[f"test/model/{each}"].pop("bytes") for each in ("one", "two")]
    assert told["test/model/one"].pop("bytes_before") > 0
    assert told["test/model/two"].pop("bytes_before") == bytes_of[1]
    assert told == {
        "test/model/one": {"converted": True, "left": None},
        "test/model/two": {"converted": False, "left": none.removeprefix("left, as ")},
    }
    files = (cache / "test/model/one").iterdir()
    assert bytes_of[0] == sum(file.stat().st_size for file in files)


def test_convert_without_pools_says_so(cache: Path) -> None:
    assert invoke(cache, "convert") == f"No pools in {cache}.\n"
