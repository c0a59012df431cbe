"""A judge in a run: which pools it is asked about, what is recorded, what deepprune saves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pools import T, write_pool

from judges.kinds.oracle import OracleJudge
from judges.runs.run_judge import RunJudges, cost_ratio
from simulator.cli import main
from simulator.generated.cells import CELLS, SIZES, select_cells
from simulator.generated.pools import make_pool
from simulator.loading import load_policy

WORDS = ["so we count cubes", "thus we add angles", "but we take limits"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "cache"))


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return int(str(ended.value.code))


def real_pool(benchmark: str = "tiny", *, text: bool = True) -> None:
    """Two problems of three traces of 40 tokens, of which the first two say and answer the same."""
    traces = [
        T(40, answer, text=" ".join([WORDS[kind]] * 10) if text else None)
        for kind, answer in ((0, "1"), (0, "1"), (1, "2"))
    ]
    write_pool(Path("cache"), {"p": traces, "q": traces}, benchmark=benchmark)


def run(*arguments: str, output: str = "run") -> tuple[dict[str, Any], dict[str, float]]:
    """`run.json` and the values in `summary.json` of deepprune with these arguments."""
    command = ("run", "deepprune", "-p", "truncation=tokens=20", "--repeats", "4", "-o", output)
    assert call(*command, *arguments) == 0
    described = json.loads(Path(output, "run.json").read_text(encoding="utf-8"))
    summary = json.loads(Path(output, "summary.json").read_text(encoding="utf-8"))
    (entry,) = summary["pools"]
    return described, {name: each["value"] for name, each in entry["metrics"].items()}


def test_without_saying_the_judge_is_the_lexical_one_cut_where_the_policy_cuts() -> None:
    real_pool()
    described, values = run()
    judge = described["judge"]
    assert (judge["name"], judge["truncation"]) == ("lexical", "tokens=20")
    assert not described["policy"]["unranked"]
    # The two alike are finished, the third keeps its prefix; the largest cluster is right.
    assert values["tokens_per_problem"] == 40 + 40 + 20
    assert values["accuracy"] == 1
    assert (values["clusters"], values["purity"]) == (2, 1)
    assert values["tokens_kept"] == 80
    # Each of the three pairs is asked for once. Lexical tokens are words: 20 of 40 in each prefix.
    assert values["judge_calls"] == 3
    assert values["judge_tokens"] == 3 * (20 + 20)
    assert values["judge_tokens_reused"] == (20 + 20 + 20) + (20 + 20)
    assert values["cost"] == values["tokens_per_problem"]


def test_what_a_token_of_the_judge_costs_can_be_said() -> None:
    real_pool()
    described, values = run("--judge-cost", "0.5")
    assert described["judge"]["ratio"] == {"test/model/tiny": 0.5}
    assert values["cost"] == values["tokens_per_problem"] + 0.5 * 3 * 40


def test_verifying_tells_of_a_cost_that_was_set_by_hand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    said = ("--authors", "A", "--description", "d", "--date", "2026-01-31")
    for name, cost in (("usual", []), ("dear", ["--judge-cost", "0.5"])):
        run(*cost, output=name)
        assert call("submit", name, "--method", name, *said) == 0
        capsys.readouterr()
        assert call("verify", f"submissions/2026-01-31-{name}") == 0
        told = "its cost of a judge token is 0.5 reasoning-model tokens; from the models' sizes"
        assert (told in " ".join(capsys.readouterr().out.split())) == (name == "dear")


@pytest.mark.parametrize(
    ("parameters", "model", "ratio"),
    [
        (4_000_000_000, "qwen3-8b", 0.5),
        (4_000_000_000, "qwen2.5-32b-instruct", 0.125),
        (4_000_000_000, "deepseek-r1-0528-qwen3-8b", 0.5),
        (4_000_000_000, "qwen3-30b-a3b", 4 / 30),
        (4_000_000_000, "o3-mini-medium", 1.0),
        (4_000_000_000, "model", 1.0),
        (None, "qwen3-8b", 0.0),
    ],
)
def test_the_ratio_is_that_of_parameters_as_far_as_the_model_says(
    parameters: int | None, model: str, ratio: float
) -> None:
    assert cost_ratio(parameters, model) == pytest.approx(ratio)


def test_a_run_with_the_oracle_judge_is_unranked_and_needs_no_text() -> None:
    real_pool(text=False)
    described, values = run("--judge", "oracle")
    assert described["policy"]["unranked"]
    assert described["judge"]["unranked"]
    assert described["judge"]["settings"]["auroc"] == 1
    assert values["tokens_per_problem"] == 100
    summary = json.loads(Path("run", "summary.json").read_text(encoding="utf-8"))
    assert summary["unranked"]


def test_pools_without_text_are_left_out_for_a_judge_that_reads_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    real_pool("silent", text=False)
    run()
    assert "test/model/silent: skipped, it lacks text" in capsys.readouterr().err
    command = ("run", "deepprune", "-d", "*silent", "-o", "other")
    assert call(*command) == 2
    assert "has no text" in capsys.readouterr().err


def test_stored_scores_do_without_judge_and_text_and_a_missing_one_names_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    described, values = run()
    stored = described["judge"]["scores"]
    again, same = run("--judge", stored, output="again")
    assert again["judge"] == described["judge"]
    assert same == values
    folder = next(Path("cache", ".judges", stored, "test/model/tiny").glob("0001"))
    for part in folder.glob("part-*"):
        part.unlink()
    command = ("run", "deepprune", "-p", "truncation=tokens=20", "--judge", stored, "-o", "third")
    capsys.readouterr()
    assert call(*command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    wanted = "deepprune-sim judge score lexical -t tokens=20 -d test/model/tiny"
    assert wanted in error
    assert call(*wanted.split()[1:]) == 0
    assert call(*command) == 0


def test_stored_scores_of_another_cut_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    real_pool()
    described, _ = run()
    stored = described["judge"]["scores"]
    assert call("run", "deepprune", "--judge", stored, "-o", "other") == 2
    assert "for tokens=20, not for tokens=500" in capsys.readouterr().err


def test_a_method_that_asks_no_judge_takes_none(capsys: pytest.CaptureFixture[str]) -> None:
    real_pool()
    assert call("run", "cons@2", "--judge", "oracle") == 2
    assert "cons@2 does not use a judge" in capsys.readouterr().err


def test_several_processes_leave_the_same_bytes() -> None:
    real_pool()
    run(output="one")
    run("-j", "2", output="two")
    for name in ("decisions.parquet", "answers.parquet", "summary.json"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


POLICY = """
import numpy as np
from simulator import Policy

class Pair(Policy):
    '''Asks about the first two, says what it makes of it, and goes on with the first.'''
    requires = {"judge"}
    truncation = "tokens=20"

    def solve(self, problem, sampler):
        traces = sampler.start(3)
        sampler.decode(traces, tokens=TOKENS)
        score = sampler.judge([[0, 1]])
        assert sampler.judge_calls == 1 and sampler.judge_tokens == 40
        sampler.declare_clusters(np.where(score > 0.5, [0, 0, -1], [0, 1, -1]))
        sampler.decode(traces[:1])
        return traces[0].answer
"""


def test_a_policy_file_asks_a_judge_as_built_in_methods_do() -> None:
    real_pool()
    Path("pair.py").write_text(POLICY.replace("TOKENS", "20"), encoding="utf-8")
    assert call("run", "pair.py", "--repeats", "8", "-o", "run") == 0
    answers = pq.read_table("run/answers.parquet").to_pylist()
    assert {row["judge_calls"] for row in answers} == {1}
    assert {row["clusters"] for row in answers} == {1, 2}
    assert {row["tokens"] for row in answers} == {80}


def test_prefixes_that_do_not_stand_at_the_cut_are_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    Path("pair.py").write_text(POLICY.replace("TOKENS", "21"), encoding="utf-8")
    assert call("run", "pair.py", "--repeats", "1", "-o", "run") == 2
    assert "cut at tokens=20" in capsys.readouterr().err


def test_the_judge_of_a_sweep_cuts_where_each_of_its_settings_does(tmp_path: Path) -> None:
    real_pool()
    judges = RunJudges(tmp_path / "cache", "lexical")
    for truncation in ("tokens=5", "words=2"):
        policy = load_policy("deepprune", {"truncation": truncation})
        assert judges.of(policy, []).identity["truncation"] == truncation
        assert judges.signals(policy) == {"text"}
    oracle = RunJudges(tmp_path / "cache", "oracle")
    assert isinstance(oracle.of(load_policy("deepprune"), []).asked.judge, OracleJudge)  # type: ignore[attr-defined]
    assert oracle.signals(load_policy("deepprune")) == frozenset()
    assert oracle.signals(load_policy("deepprune", {"truncation": "words=2"})) == {"text"}


def test_a_perfect_judge_saves_most_tokens_of_cons_and_finds_every_answer(tmp_path: Path) -> None:
    make_pool(tmp_path / "cache", CELLS[0], SIZES["small"])
    arguments = ("-p", "K2=3", "-d", "generated/*")
    _, values = run("--judge", "oracle", *arguments)
    assert values["purity"] > 0.9  # traces without an answer are like no other, and stand alone
    assert values["reduction"] > 0.75
    assert values["judge_calls"] < 32 * 31 / 2


@pytest.mark.parametrize("cell", ["deepseek-r1-0528-qwen3-8b/aime24", "qwen3-32b/aime25"])
def test_as_tau_falls_fewer_clusters_keep_fewer_tokens_and_answers_but_more_are_finished(
    tmp_path: Path, cell: str
) -> None:
    # The steps of the published ablation, which counts one full trace a cluster: it falls, too.
    (made,) = select_cells([cell])
    make_pool(tmp_path / "cache", made, SIZES["small"])
    taus = ("0.75", "0.63", "0.5", "0.25")
    options = ("--judge", "oracle:auroc=0.8701", "--repeats", "16", "-d", "*")
    swept = [run(*options, "-p", f"tau={tau}", output=tau)[1] for tau in taus]
    for metric in ("clusters", "tokens_kept", "clusters_classes", "purity"):
        values = [each[metric] for each in swept]
        assert values == sorted(set(values), reverse=True), metric  # each below the one before
    correct = [each["clusters_correct"] for each in swept]
    assert correct == sorted(correct, reverse=True)
    assert correct[0] > correct[-1]
    # Of the largest cluster, which grows, up to K2 = 20 are finished: that alone costs more.
    finished = []
    for tau in taus:
        table = pq.read_table(Path(tau, "decisions.parquet"), columns=["finished"])
        finished.append(int(np.sum(table["finished"].to_numpy())))
    assert finished == sorted(set(finished))
    spent = [each["tokens_per_problem"] for each in swept]
    assert spent == sorted(set(spent))
