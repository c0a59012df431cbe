"""A token signal from a server's log-probabilities to a policy's decisions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from leaderboard_app.views.data.tables import description, pools_table
from simulator.catalogue.pool_rows import pools_rows
from simulator.cli import cli
from simulator.pools.pool import read_info

POLICY = """
from simulator import Policy, SignalAbove, weighted_vote


class StopsUncertain(Policy):
    requires = {"entropy"}
    window = 2
    threshold = 0.5

    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        sampler.decode(traces, until=SignalAbove("entropy", self.threshold, self.window))
        finished = traces[traces.finished]
        return weighted_vote(finished, 1 / (1 + finished.mean("entropy")))
"""

TRACES = {"??..": "2", "....": "1", ".?.?": "1", ".???": "3"}
"""Answers by token: a coin toss between two tokens (?), whose entropy is ln 2 = 0.693, or a certain
one (.), whose entropy is next to 0. Two coin tosses in a row are above 0.5; one of two is not."""


def response(problem: str, tokens: str, answer: str) -> dict[str, Any]:
    texts = [*("." * (len(tokens) - 1)), f" ANSWER: {answer}"]
    content = [
        {
            "token": text,
            "logprob": -0.7,
            "top_logprobs": [
                {"token": "a", "logprob": -0.7},
                {"token": "b", "logprob": -0.7 if kind == "?" else -60.7},
            ],
        }
        for text, kind in zip(texts, tokens, strict=True)
    ]
    choice = {"message": {"content": "".join(texts)}, "logprobs": {"content": content}}
    return {"custom_id": problem, "gold_answer": "1", "response": {"body": {"choices": [choice]}}}


def run(*words: str) -> str:
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working folder with a policy and a pool of two problems with log-probabilities."""
    monkeypatch.chdir(tmp_path)
    Path("uncertain.py").write_text(POLICY)
    lines = [response(p, tokens, answer) for p in "ab" for tokens, answer in TRACES.items()]
    Path("responses.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    names = ("--dataset", "d", "--model", "m", "--benchmark", "b")
    run("import", "openai", "responses.jsonl", *names, "--cache", "cache")
    return tmp_path


def test_entropy_from_a_servers_file_stops_traces_the_same_both_ways(folder: Path) -> None:
    run("data", "verify", "d/m/b", "--cache", "cache")
    for way in ((), ("--in-process",)):
        options = ("-d", "d/m/b", "-n", "4", "--repeats", "3", "--cache", "cache", *way)
        run("run", "uncertain.py", *options, "-o", f"runs/{len(way)}")
    for name in ("decisions.parquet", "answers.parquet", "summary.json"):
        assert Path("runs/0", name).read_bytes() == Path("runs/1", name).read_bytes()
    rows = pq.read_table("runs/0/decisions.parquet").to_pylist()
    assert len(rows) == 2 * 3 * 4
    for row in rows:
        reason = "SignalAbove(entropy, window=2)"
        expected = {0: (2, reason), 3: (3, reason)}.get(row["trace_id"], (4, "finished"))
        assert (row["num_tokens"], row["stop_reason"]) == expected
    answers = pq.read_table("runs/0/answers.parquet")
    assert answers["answer"].to_pylist() == ["1"] * 6


def test_the_pool_is_checked_and_listed_with_its_entropy(folder: Path) -> None:
    shown = run("data", "show", "d/m/b", "--cache", "cache")
    assert "text, confidence, entropy" in shown
    meaning = "entropy of the token's top 20 probabilities, renormalised to a sum of 1; in nats"
    assert f"entropy {meaning}" in " ".join(shown.split())
    assert ("Entropy", meaning) in description(read_info(folder / "cache/d/m/b"))
    table = pools_table(pools_rows(folder / "cache", [])[0], {})
    place = [column.key for column in table.columns].index("signals")
    assert table.rows[0][place].text.startswith("text, confidence, entropy")
    file = folder / "cache/d/m/b/entropy.parquet"
    file.write_bytes(file.read_bytes()[:-1] + b"0")
    done = CliRunner().invoke(cli, ["data", "verify", "d/m/b", "--cache", "cache"])
    assert done.exit_code == 1
    assert "entropy.parquet" in done.output


def test_a_policy_on_entropy_passes_every_check(folder: Path) -> None:
    shown = run("check", "uncertain.py", "-p", "threshold=1.0")
    assert "FAILED" not in shown
    undeclared = POLICY.replace('    requires = {"entropy"}\n', "")
    Path("undeclared.py").write_text(undeclared)
    done = CliRunner().invoke(cli, ["check", "undeclared.py", "-p", "threshold=1.0"])
    assert done.exit_code == 1
    failed = [line.split()[1] for line in done.stdout.splitlines() if "FAILED" in line]
    assert "requires" in failed
