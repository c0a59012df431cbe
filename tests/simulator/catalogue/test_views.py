"""The catalogue's views: what is in them, what is left out, and what they cannot do."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pools
import pyarrow.parquet as pq
import pytest
from checkout import ROOT
from pools import T
from stored_files import NAME, summary_pool, write_pool, write_run

from simulator.catalogue.rows import POOLS, PUBLISHED, RUNS, SUBMISSIONS
from simulator.catalogue.views import Catalogue, connect
from simulator.pools.pool import SCHEMAS, read_info
from simulator.replay.recording import ANSWERS, DECISIONS

PUBLISHED_FILE = ROOT / "submissions" / "published.toml"

VIEWS = {
    "pools": POOLS.names,
    "problems": ["pool", *SCHEMAS["problems"].names],
    "traces": ["pool", *SCHEMAS["traces"].names],
    "classes": ["pool", *SCHEMAS["classes"].names],
    "texts": ["pool", "problem_id", "trace_id", "text", "token_ends"],
    "confidences": ["pool", "problem_id", "trace_id", "confidence"],
    "entropies": ["pool", "problem_id", "trace_id", "entropy"],
    "probes": ["pool", "problem_id", "trace_id", "position", "answer_class"],
    "runs": RUNS.names,
    "decisions": ["run", *DECISIONS.names],
    "answers": ["run", *ANSWERS.names],
    "submissions": SUBMISSIONS.names,
    "published": PUBLISHED.names,
}


def signals_pool(cache: Path, problems: dict[str, list[T]], benchmark: str) -> None:
    """Write a pool with every signal; a trace that is given none has short ones."""
    full = {
        problem: [
            replace(
                trace,
                probes=trace.probes or {},
                text=trace.text or "x",
                confidence=trace.confidence or [0.5] * trace.num_tokens,
                signals={"entropy": [0.5] * trace.num_tokens} | {**trace.signals},
            )
            for trace in traces
        ]
        for problem, traces in problems.items()
    }
    pools.write_pool(cache, full, gold="7", benchmark=benchmark)


def opened(root: Path) -> Catalogue:
    return connect(root / "cache", root / "runs", root / "submissions")


def columns(catalogue: Catalogue, view: str) -> list[str]:
    return [column[0] for column in catalogue.connection.execute(f"FROM {view}").description or ()]


def test_with_nothing_there_every_view_has_its_columns_and_no_rows(tmp_path: Path) -> None:
    with opened(tmp_path) as catalogue:
        assert {view: columns(catalogue, view) for view in VIEWS} == VIEWS
        assert all(catalogue.rows(f"FROM {view}") == [] for view in VIEWS)
        assert catalogue.broken == []


def test_full_views_have_the_same_columns_as_empty_ones(tmp_path: Path) -> None:
    write_pool(tmp_path / "cache")
    write_run(tmp_path / "runs/one", "cons@4")
    write_run(tmp_path / "submissions/one", "cons@4")
    shutil.copy(PUBLISHED_FILE, tmp_path / "submissions")
    with opened(tmp_path) as catalogue:
        assert {view: columns(catalogue, view) for view in VIEWS} == VIEWS
        # the pool has no such files
        of_files = {
            "classes",
            "texts",
            "confidences",
            "entropies",
            "probes",
        }  # the pool has none of them
        assert {view for view in VIEWS if not catalogue.rows(f"FROM {view}")} == of_files


def test_pools_come_from_their_descriptions(tmp_path: Path) -> None:
    folder = write_pool(tmp_path / "cache", signals=["probes"])
    with opened(tmp_path) as catalogue:
        (row,) = catalogue.rows("FROM pools")
    assert row == {
        "name": NAME,
        "dataset": "scout",
        "model": "qwen3-8b",
        "benchmark": "aime24",
        "problems": 2,
        "traces": 8,
        "tokens": 1100,
        "token_accuracy": "exact",
        "signals": ["probes"],
        "synthetic": False,
        "licence": "MIT",
        "source": "https://example.org/traces",
        "fingerprint": read_info(folder).fingerprint,
        "path": str(folder),
        "bytes": sum(file.stat().st_size for file in folder.iterdir()),
    }


def test_traces_and_problems_of_all_pools_carry_their_pools_name(tmp_path: Path) -> None:
    write_pool(tmp_path / "cache")
    write_pool(tmp_path / "cache", "it's/a [odd] model/b*")
    with opened(tmp_path) as catalogue:
        rows = catalogue.rows(
            "SELECT pool, count(*) AS n, sum(num_tokens)::INT AS tokens FROM traces "
            "GROUP BY pool ORDER BY pool"
        )
        assert rows == [
            {"pool": "it's/a [odd] model/b*", "n": 8, "tokens": 1100},
            {"pool": NAME, "n": 8, "tokens": 1100},
        ]
        assert catalogue.rows("SELECT gold_answer FROM problems WHERE pool = ?", [NAME]) == [
            {"gold_answer": "7"},
            {"gold_answer": "B"},
        ]


def test_a_query_for_one_pool_does_not_open_the_others_file(tmp_path: Path) -> None:
    write_pool(tmp_path / "cache")
    write_pool(tmp_path / "cache", "z/z/z")
    with opened(tmp_path) as catalogue:
        (tmp_path / "cache/z/z/z/traces.parquet").write_bytes(b"damaged meanwhile")
        rows = catalogue.rows("SELECT count(*) AS n FROM traces WHERE pool = ?", [NAME])
        assert rows == [{"n": 8}]
        with pytest.raises(duckdb.Error):
            catalogue.rows("SELECT sum(num_tokens) FROM traces")


def test_texts_confidences_and_probes_have_their_traces_values(tmp_path: Path) -> None:
    """One pool keeps thousandths, the other, with a value that does not fit them, float32."""
    entropy = {"entropy": [0.25, 0.5, 2.995]}
    for benchmark, confidence in (("exact", [1.5, 0.001, 65.535]), ("large", [70.25, 1.5, 2.0])):
        trace = T(3, "7", {1: "5", 3: "7"}, text="ab c", confidence=confidence, signals=entropy)
        signals_pool(tmp_path / "cache", {"p": [trace], "q": [T(1, None)]}, benchmark)
    with opened(tmp_path) as catalogue:
        assert catalogue.broken == []
        assert catalogue.rows("SELECT pool, confidence FROM confidences ORDER BY ALL") == [
            {"pool": "test/model/exact", "confidence": [0.5]},
            {"pool": "test/model/exact", "confidence": [1.5, 0.001, 65.535]},
            {"pool": "test/model/large", "confidence": [0.5]},
            {"pool": "test/model/large", "confidence": [70.25, 1.5, 2.0]},
        ]
        wanted = "pool LIKE '%exact' AND problem_id = 'p'"
        assert catalogue.rows(f"SELECT entropy FROM entropies WHERE {wanted}") == [
            {"entropy": [0.25, 0.5, 2.995]}
        ]
        assert catalogue.rows(f"FROM texts WHERE {wanted}") == [
            {
                "pool": "test/model/exact",
                "problem_id": "p",
                "trace_id": 0,
                "text": "ab c",
                "token_ends": None,
            }
        ]
        said = catalogue.rows(
            f"SELECT position, answer, correct FROM probes JOIN classes "
            f"USING (pool, problem_id, answer_class) WHERE {wanted} ORDER BY position"
        )
        assert said == [
            {"position": 1, "answer": "5", "correct": False},
            {"position": 3, "answer": "7", "correct": True},
        ]
        assert catalogue.rows("SELECT count(*) AS n FROM probes") == [{"n": 4}]


def test_a_query_for_one_pools_signals_does_not_open_the_others_file(tmp_path: Path) -> None:
    for benchmark in ("a", "z"):
        signals_pool(tmp_path / "cache", {"p": [T(1, "7")]}, benchmark)
    with opened(tmp_path) as catalogue:
        for view, file in (("confidences", "confidence"), ("texts", "text"), ("probes", "probes")):
            other = tmp_path / f"cache/test/model/z/{file}.parquet"
            other.write_bytes(b"damaged meanwhile")
            catalogue.rows(f"FROM {view} WHERE pool = 'test/model/a'")
            with pytest.raises(duckdb.Error):
                catalogue.rows(f"FROM {view}")


def test_runs_have_one_row_a_pool(tmp_path: Path) -> None:
    write_run(
        tmp_path / "runs/one",
        "short-m@4",
        summary_pool(metrics={"accuracy": (0.5, 0.25, 0.75), "tokens_1e8": (0.5, None, None)}),
        summary_pool("a/b/c", synthetic=True, budget=2),
        parameters={"m": 3},
        seed=7,
    )
    with opened(tmp_path) as catalogue:
        first, second = catalogue.rows("FROM runs ORDER BY pool DESC")
    assert (first["run"], first["policy"], first["pool"]) == ("one", "short-m@4", NAME)
    assert (first["accuracy"], first["accuracy_low"], first["accuracy_high"]) == (0.5, 0.25, 0.75)
    assert (first["tokens_1e8"], first["reduction"], first["judge_calls"]) == (0.5, None, None)
    assert (first["seed"], first["repeats"], first["fingerprint"]) == (7, 10, "f0")
    assert json.loads(first["parameters"]) == {"m": 3}
    assert (second["pool"], second["synthetic"], second["budget"]) == ("a/b/c", True, 2)


def test_decisions_and_answers_carry_their_runs_name(tmp_path: Path) -> None:
    write_run(tmp_path / "runs/one", "cons@4")
    write_run(tmp_path / "runs/two", "asc@4")
    with opened(tmp_path) as catalogue:
        rows = catalogue.rows(
            "SELECT d.run, r.policy, d.stop_reason, a.answer FROM decisions d "
            "JOIN answers a USING (run, pool, problem_id, repeat) JOIN runs r USING (run, pool) "
            "ORDER BY ALL"
        )
    assert rows == [
        {"run": "one", "policy": "cons@4", "stop_reason": "stopped", "answer": "7"},
        {"run": "two", "policy": "asc@4", "stop_reason": "stopped", "answer": "7"},
    ]


def test_columns_that_an_older_run_lacks_are_null(tmp_path: Path) -> None:
    new = write_run(tmp_path / "runs/new", "cons@4") / "answers.parquet"
    write_run(tmp_path / "runs/old", "cons@4")
    answers = pq.read_table(new)
    assert not {"budget_classes", "budget_correct"} & set(answers.column_names)
    for name, value in (("budget_classes", 3), ("budget_correct", True)):
        answers = answers.append_column(name, [[value] * len(answers)])
    pq.write_table(answers, new)
    decisions = new.with_name("decisions.parquet")
    table = pq.read_table(decisions)
    assert "cluster" not in table.column_names
    pq.write_table(table.append_column("cluster", [[5] * len(table)]), decisions)
    query = "SELECT DISTINCT run, budget_classes, budget_correct FROM answers ORDER BY run"
    with opened(tmp_path) as catalogue:
        assert catalogue.broken == []
        assert [tuple(row.values()) for row in catalogue.rows(query)] == [
            ("new", 3, True),
            ("old", None, None),
        ]
        clusters = "SELECT DISTINCT run, cluster FROM decisions ORDER BY run"
        assert [tuple(row.values()) for row in catalogue.rows(clusters)] == [
            ("new", 5),
            ("old", None),
        ]
    new.unlink()
    with opened(tmp_path) as catalogue:
        assert [tuple(row.values()) for row in catalogue.rows(query)] == [("old", None, None)]


def test_submissions_give_their_figures_where_they_have_some(tmp_path: Path) -> None:
    write_run(tmp_path / "submissions/full", "cons@4")
    bare = tmp_path / "submissions/bare"
    bare.mkdir()
    (bare / "submission.toml").write_text("")
    (tmp_path / "submissions/no submission").mkdir()
    with opened(tmp_path) as catalogue:
        rows = catalogue.rows("SELECT submission, path, accuracy FROM submissions ORDER BY ALL")
    assert rows == [
        {"submission": "bare", "path": str(bare), "accuracy": None},
        {"submission": "full", "path": str(tmp_path / "submissions/full"), "accuracy": 0.5},
    ]


def test_broken_pools_are_left_out_with_a_reason_and_take_nothing_else_down(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "cache"
    write_pool(cache)
    (write_pool(cache, "b/b/json") / "pool.json").write_text('{"format": 1, ')
    (write_pool(cache, "b/b/format") / "pool.json").write_text('{"format": 99}')
    write_pool(cache, "b/b/kind", problems="two")
    (write_pool(cache, "b/b/missing") / "traces.parquet").unlink()
    cut = write_pool(cache, "b/b/cut") / "traces.parquet"
    cut.write_bytes(cut.read_bytes()[:-10])
    write_pool(cache, "b/b/moved").rename(cache / "b/b/renamed")
    signal = write_pool(cache, "b/b/signal", sha256={"probes.parquet": "0"})
    with opened(tmp_path) as catalogue:
        assert [row["name"] for row in catalogue.rows("FROM pools")] == [NAME]
        assert [row["pool"] for row in catalogue.rows("SELECT DISTINCT pool FROM traces")] == [NAME]
        reasons = {broken.path.name: broken.reason for broken in catalogue.broken}
    assert sorted(reasons) == ["cut", "format", "json", "kind", "missing", "renamed", "signal"]
    assert "not readable as JSON" in reasons["json"]
    assert "newer" in reasons["format"]
    assert "traces.parquet: cannot be read" in reasons["cut"]
    assert "traces.parquet: cannot be read" in reasons["missing"]
    assert "probes.parquet: cannot be read" in reasons["signal"]
    assert "names it b/b/moved" in reasons["renamed"]
    assert not any(str(signal.parent) + "/" in reason.split(":")[0] for reason in reasons.values())


def test_broken_runs_are_left_out_with_a_reason(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_run(runs / "good", "cons@4")
    (write_run(runs / "unfinished", "cons@4") / "summary.json").unlink()
    (write_run(runs / "cut", "cons@4") / "summary.json").write_text('{"format": 1, "pools": [{')
    (write_run(runs / "no answers", "cons@4") / "answers.parquet").unlink()
    (write_run(runs / "newer", "cons@4") / "run.json").write_text('{"format": 2}')
    (runs / "something else").mkdir()
    (runs / "going.partial").mkdir()
    (runs / "going.partial/identity.json").write_text("{}")
    with opened(tmp_path) as catalogue:
        assert [row["run"] for row in catalogue.rows("FROM runs")] == ["good"]
        assert [row["run"] for row in catalogue.rows("FROM decisions")] == ["good"]
        reasons = {broken.path.name: broken.reason for broken in catalogue.broken}
    assert sorted(reasons) == ["cut", "going.partial", "newer", "no answers", "unfinished"]
    assert "--resume" in reasons["unfinished"]
    assert "--resume" in reasons["going.partial"]
    assert "summary.json: cannot be read" in reasons["cut"]
    assert "newer" in reasons["newer"]


def test_links_that_lead_out_are_broken_and_queries_over_the_others_work(tmp_path: Path) -> None:
    write_pool(tmp_path / "cache")
    write_pool(tmp_path / "elsewhere")
    (tmp_path / "cache/linked/m").mkdir(parents=True)
    (tmp_path / "cache/linked/m/b").symlink_to(tmp_path / "elsewhere" / NAME)
    write_run(tmp_path / "runs/one", "cons@4")
    write_run(tmp_path / "away", "cons@4")
    (tmp_path / "runs/two").symlink_to(tmp_path / "away")
    with opened(tmp_path) as catalogue:
        reasons = {each.path.relative_to(tmp_path): each.reason for each in catalogue.broken}
        assert set(reasons) == {Path("cache/linked/m/b"), Path("runs/two")}
        assert all("reached by a link that leads out of" in each for each in reasons.values())
        assert catalogue.rows("SELECT count(*) AS n FROM traces") == [{"n": 8}]
        assert {row["run"] for row in catalogue.rows("FROM answers")} == {"one"}


def test_a_query_reads_no_file_elsewhere_and_cannot_unlock_itself(tmp_path: Path) -> None:
    folder = write_pool(tmp_path / "cache")
    elsewhere = tmp_path / "secret.csv"
    elsewhere.write_text("a\n1\n")
    with opened(tmp_path) as catalogue:
        for query in (
            f"SELECT * FROM read_csv('{elsewhere}')",
            f"SELECT * FROM read_text('{tmp_path}/cache/../secret.csv')",
            "SET enable_external_access = true",
            "SET lock_configuration = false",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                catalogue.connection.execute(query)
        inside = f"SELECT count(*) AS n FROM read_parquet('{folder}/traces.parquet')"
        assert catalogue.rows(inside) == [{"n": 8}]
