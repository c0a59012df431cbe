"""The catalogue's views: what is in them, what is left out, and what they cannot do."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pools
import pyarrow.parquet as pq
import pytest
from checkout import ROOT
from pools import T
from stored_files import NAME, write_pool
from submitted import PROBLEMS, submit

from simulator.catalogue.pool_rows import POOLS
from simulator.catalogue.rows import PUBLISHED, RUNS, SUBMISSIONS
from simulator.catalogue.views import Catalogue, connect
from simulator.loading import load_policy
from simulator.pools.pool import SCHEMAS, Pool, read_info
from simulator.pools.token_signals.converting import convert
from simulator.replay.recording import ANSWERS, DECISIONS
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec
from simulator.signals import PROBE_SIGNALS

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
    "probe_signals": ["pool", "problem_id", "trace_id", "position", *PROBE_SIGNALS],
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


def write_run(folder: Path, policy: str, *benchmarks: str, seed: int = 0, **settings: str) -> Path:
    """Make a run on small pools beside its folder's parent: test/model/tiny if none is named."""
    cache = folder.parents[1] / "cache"
    made = [
        Pool(where)
        if (where := cache / "test/model" / each).is_dir()
        else pools.write_pool(cache, PROBLEMS, benchmark=each)
        for each in benchmarks or ("tiny",)
    ]
    loaded = load_policy(policy, settings)
    make_run(RunSpec(loaded, made, None, 3, seed, Serving()), folder)
    return folder


TINY = "test/model/tiny"


def columns(catalogue: Catalogue, view: str) -> list[str]:
    return [column[0] for column in catalogue.connection.execute(f"FROM {view}").description or ()]


def test_with_nothing_there_every_view_has_its_columns_and_no_rows(tmp_path: Path) -> None:
    with opened(tmp_path) as catalogue:
        assert {view: columns(catalogue, view) for view in VIEWS} == VIEWS
        assert all(catalogue.rows(f"FROM {view}") == [] for view in VIEWS)
        assert catalogue.broken == []


def test_full_views_have_the_same_columns_as_empty_ones(tmp_path: Path) -> None:
    write_run(tmp_path / "runs/one", "cons@4")
    write_run(tmp_path / "submissions/one", "cons@4")
    shutil.copy(PUBLISHED_FILE, tmp_path / "submissions")
    with opened(tmp_path) as catalogue:
        assert {view: columns(catalogue, view) for view in VIEWS} == VIEWS
        # The pool has none of these.
        of_files = {"texts", "confidences", "entropies", "probes", "probe_signals"}
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
        "unfinished": 0,
        "token_accuracy": "exact",
        "signals": ["probes"],
        "synthetic": False,
        "equality": "meaning",
        "unparsed": "abstain",
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


@pytest.mark.parametrize("form", [1, 2, "both"])
def test_texts_confidences_and_probes_have_their_traces_values(
    tmp_path: Path, form: int | str
) -> None:
    """One pool keeps thousandths, the other, with a value that does not fit them, float32."""
    entropy = {"entropy": [0.25, 0.5, 2.995]}
    for benchmark, confidence in (("exact", [1.5, 0.001, 65.535]), ("large", [70.25, 1.5, 2.0])):
        trace = T(3, "7", {1: "5", 3: "7"}, text="ab c", confidence=confidence, signals=entropy)
        signals_pool(tmp_path / "cache", {"p": [trace], "q": [T(1, None)]}, benchmark)
    if form == 1:
        for benchmark in ("exact", "large"):
            assert convert(tmp_path / "cache/test/model" / benchmark, 1) is None
    elif form == "both":
        assert convert(tmp_path / "cache/test/model/exact", 1) is None
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


def test_probe_signals_have_a_row_a_probe_and_null_where_not_known(tmp_path: Path) -> None:
    probes = {1: "5", 3: "7"}
    told: dict[str, dict[str, list[float | None]]] = {
        "all": {name: [0.25, None] for name in PROBE_SIGNALS},
        "one": {"probe_min": [0.5, 0.125]},
        "none": {},
    }
    for benchmark, certainty in told.items():
        traces = [T(3, "7", probes, certainty=certainty)]
        none: dict[str, list[float | None]] = {name: [] for name in certainty}
        pools.write_pool(
            tmp_path / "cache",
            {"p": traces, "q": [T(1, None, {}, certainty=none)]},
            benchmark=benchmark,
        )
    with opened(tmp_path) as catalogue:
        rows = catalogue.rows("FROM probe_signals ORDER BY pool, position")
    nothing = dict.fromkeys(PROBE_SIGNALS)
    place = {"problem_id": "p", "trace_id": 0}
    assert rows == [
        {"pool": "test/model/all", **place, "position": 1, **dict.fromkeys(PROBE_SIGNALS, 0.25)},
        {"pool": "test/model/all", **place, "position": 3, **nothing},
        {"pool": "test/model/one", **place, "position": 1, **nothing, "probe_min": 0.5},
        {"pool": "test/model/one", **place, "position": 3, **nothing, "probe_min": 0.125},
    ]


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


def test_a_query_for_one_problems_signals_reads_no_other_row_group(tmp_path: Path) -> None:
    traces = [T(2, "7", confidence=[1.5, number]) for number in range(3)]
    folder = pools.write_pool(tmp_path / "cache", {"p": traces, "q": traces}).path
    file = folder / "confidence.parquet"
    chunk, content = pq.read_metadata(file).row_group(0).column(2), bytearray(file.read_bytes())
    start = chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = bytes(chunk.total_compressed_size)
    file.write_bytes(content)
    with opened(tmp_path) as catalogue:
        rows = catalogue.rows("SELECT confidence FROM confidences WHERE problem_id = 'q'")
        assert [row["confidence"] for row in rows] == [[1.5, 0.0], [1.5, 1.0], [1.5, 2.0]]
        with pytest.raises(duckdb.Error):
            catalogue.rows("FROM confidences WHERE problem_id = 'p'")


def test_runs_have_one_row_a_pool(tmp_path: Path) -> None:
    write_run(tmp_path / "runs/one", "short-2@4", "tiny", "other", seed=7)
    with opened(tmp_path) as catalogue:
        first, second = catalogue.rows("FROM runs ORDER BY pool DESC")
    assert (first["run"], first["policy"], first["pool"]) == ("one", "short-2@4", TINY)
    assert first["accuracy_low"] <= first["accuracy"] <= first["accuracy_high"]
    assert (first["judge_calls"], first["clusters"]) == (0, None)
    assert (first["seed"], first["repeats"], first["basis"]) == (7, 3, "recomputed")
    assert json.loads(first["parameters"]) == {"m": 2}
    assert first["fingerprint"] == read_info(tmp_path / "cache" / TINY).fingerprint
    assert (second["pool"], second["synthetic"], second["budget"]) == ("test/model/other", False, 4)


def test_decisions_and_answers_carry_their_runs_name(tmp_path: Path) -> None:
    write_run(tmp_path / "runs/one", "cons@4")
    write_run(tmp_path / "runs/two", "short-2@4")
    with opened(tmp_path) as catalogue:
        rows = catalogue.rows(
            "SELECT DISTINCT d.run, r.policy, count(DISTINCT a.problem_id) AS n FROM decisions d "
            "JOIN answers a USING (run, pool, problem_id, repeat) JOIN runs r USING (run, pool) "
            "GROUP BY ALL ORDER BY ALL"
        )
    assert rows == [
        {"run": "one", "policy": "cons@4", "n": 3},
        {"run": "two", "policy": "short-2@4", "n": 3},
    ]


def test_a_run_of_an_earlier_release_is_broken_as_its_figures_cannot_be_derived(
    tmp_path: Path,
) -> None:
    file = write_run(tmp_path / "runs/old", "cons@4") / "answers.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["budget_classes", "budget_correct"]), file)
    with opened(tmp_path) as catalogue:
        (broken,) = catalogue.broken
        assert catalogue.rows("FROM answers") == catalogue.rows("FROM runs") == []
    assert "budget_classes is missing" in broken.reason


def test_submissions_give_their_figures_where_they_have_some(tmp_path: Path) -> None:
    full = submit(tmp_path)
    bare = tmp_path / "submissions/bare"
    bare.mkdir()
    (bare / "submission.toml").write_text("")
    (tmp_path / "submissions/no submission").mkdir()
    with connect(tmp_path / "pools", None, tmp_path / "submissions") as catalogue:
        rows = catalogue.rows(
            "SELECT path, accuracy > 0 AS some, basis FROM submissions ORDER BY 1"
        )
    assert rows == [
        {"path": str(full), "some": True, "basis": "recomputed"},
        {"path": str(bare), "some": None, "basis": None},
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
        assert [*catalogue.rows("SELECT DISTINCT run FROM decisions")] == [{"run": "good"}]
        reasons = {broken.path.name: broken.reason for broken in catalogue.broken}
    assert sorted(reasons) == ["cut", "going.partial", "newer", "no answers", "unfinished"]
    assert "--resume" in reasons["unfinished"]
    assert "--resume" in reasons["going.partial"]
    assert "summary.json: cannot be read" in reasons["cut"]
    assert "newer" in reasons["newer"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_folders_whose_names_are_not_utf8_are_left_out_with_a_reason(tmp_path: Path) -> None:
    bad = os.fsdecode(b"2026-11-30-\xff\xfebad")
    write_pool(tmp_path / "cache")
    shutil.copytree(tmp_path / "cache" / NAME, tmp_path / "cache" / bad / "m" / "b")
    write_run(tmp_path / "runs/one", "cons@4")
    for place in ("runs/" + bad, "runs/sweep/" + bad, "submissions/" + bad):
        shutil.copytree(tmp_path / "runs/one", tmp_path / place)
    (tmp_path / "runs/sweep/sweep.json").write_text("{}")
    shutil.copytree(tmp_path / "runs/sweep", tmp_path / "runs" / f"{bad}-sweep")
    (tmp_path / "submissions" / f"{bad}-empty").mkdir()
    with opened(tmp_path) as catalogue:
        assert {row["name"] for row in catalogue.rows("FROM pools")} == {NAME, TINY}
        assert [row["run"] for row in catalogue.rows("FROM runs")] == ["one"]
        assert catalogue.rows("FROM submissions") == []
        broken = {each.path.relative_to(tmp_path).as_posix() for each in catalogue.broken}
        reasons = {each.reason for each in catalogue.broken}
    escaped = r"2026-11-30-\xff\xfebad"
    assert broken == {
        f"cache/{escaped}/m/b",
        f"runs/{escaped}",
        f"runs/{escaped}-sweep",
        f"runs/sweep/{escaped}",
        f"submissions/{escaped}",
    }
    assert reasons == {"its path is not UTF-8; rename the folder"}


def test_links_that_lead_out_are_broken_and_queries_over_the_others_work(tmp_path: Path) -> None:
    write_pool(tmp_path / "cache")
    write_pool(tmp_path / "elsewhere")
    (tmp_path / "cache/linked/m").mkdir(parents=True)
    (tmp_path / "cache/linked/m/b").symlink_to(tmp_path / "elsewhere" / NAME)
    write_run(tmp_path / "runs/one", "cons@4")
    shutil.copytree(tmp_path / "runs/one", tmp_path / "away")
    (tmp_path / "runs/two").symlink_to(tmp_path / "away")
    with opened(tmp_path) as catalogue:
        reasons = {each.path.relative_to(tmp_path): each.reason for each in catalogue.broken}
        assert set(reasons) == {Path("cache/linked/m/b"), Path("runs/two")}
        assert all("reached by a link that leads out of" in each for each in reasons.values())
        assert catalogue.rows("SELECT count(*) AS n FROM traces") == [{"n": 8 + 18}]
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
