"""A judge in a run: which pools it is asked about, what is recorded, what deepprune saves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pools import T, write_pool
from submitted import edit_json

from judges.kinds.oracle import OracleJudge
from judges.prefixes import Truncation
from judges.protocol import Identity, Reads, all_pairs
from judges.runs.run_judge import RunJudges, cost_ratio
from judges.scores.store import Description, ScoreStore, scores_folder
from simulator.cli import main
from simulator.generated.cells import CELLS, SIZES, select_cells
from simulator.generated.pools import make_pool
from simulator.loading import load_policy
from simulator.pools.model_sizes import Size
from simulator.pools.pool import Pool
from simulator.replay.recording import JUDGED
from simulator.runs.summary import Totals, summarise
from simulator.storage import parquet_writer

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
    # Each of the three pairs is asked for once. Lexical tokens are words: 20 of 40 in each prefix,
    # which is made a vector once.
    assert values["judge_calls"] == 3
    assert values["judge_tokens_charged"] == 20 + 20 + 20
    assert values["judge_tokens"] == values["judge_tokens_reused"] == 20 + 20 + 20
    assert values["cost"] == values["tokens_per_problem"]


def test_what_a_token_of_the_judge_costs_can_be_said() -> None:
    real_pool()
    described, values = run("--judge-cost", "0.5")
    assert described["judge"]["ratio"] == {"test/model/tiny": 0.5}
    assert values["cost"] == values["tokens_per_problem"] + 0.5 * 3 * 20


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
    ("parameters", "weights", "size", "ratio"),
    [
        (4_000_000_000, "w", Size(8e9, "name"), 0.5),
        (4_000_000_000, "w", None, None),
        (None, "w", Size(8e9, "name"), None),  # a model whose files do not tell its size
        (None, None, Size(8e9, "name"), 0.0),  # no model
        (None, None, None, 0.0),
    ],
)
def test_the_ratio_is_that_of_active_parameters_or_unknown(
    parameters: int | None, weights: str | None, size: Size | None, ratio: float | None
) -> None:
    judge = Description(Identity("judge", weights), parameters, "pairs", 0, 0, False)
    assert cost_ratio(judge, size) == ratio


SCORES = {"alike": [0.9, 0.1, 0.2], "apart": [0.1, 0.1, 0.1]}
"""Scores of the pairs (0, 1), (0, 2) and (1, 2)."""

TOKENS = [30, 25, 20]
"""The judge's own tokens of each of the three prefixes."""


def stored_judge(reads: Reads, scores: list[float], *, parameters: int | None = 2 * 10**9) -> str:
    """Store scores of a judge with a template of 10 tokens, 4 of them last; return its folder."""
    identity = Identity("embedding-x", "w", truncation=Truncation("tokens", 20))
    described = Description(identity, parameters, reads, 10, 4, False, "embedding:model=x")
    store = ScoreStore(scores_folder(Path("cache")), described)
    for problem in Pool(Path("cache/test/model/tiny")).problems:
        store.write(problem, all_pairs(3), np.array(scores), np.array(TOKENS))
    return identity.folder


def test_the_ledger_of_an_encoder_by_hand() -> None:
    real_pool()
    judge = stored_judge("prefixes", SCORES["alike"])
    described, values = run("--judge", judge, "--model-params", "8B")
    # 40 + 40 of the largest cluster, 20 of the other trace. The encoder, a quarter of the model's
    # size, reads three prefixes once.
    assert values["tokens_per_problem"] == 100
    assert values["judge_calls"] == 3
    assert values["judge_tokens_charged"] == 30 + 25 + 20
    assert values["judge_tokens"] == values["judge_tokens_reused"] == 75
    assert values["cost"] == 100 + 75 / 4
    assert described["judge"]["ratio"] == {"test/model/tiny": 0.25}
    assert described["judge"]["reads"] == "prefixes"
    assert described["judge"]["model_parameters"] == {
        "test/model/tiny": {"parameters": 8e9, "source": "given"}
    }
    # Clusters {1, 1} and {2} are the answers themselves. Of 120 tokens, 60 come after the prefixes,
    # and one trace of each answer needs 20 of them.
    assert (values["purity"], values["completeness"], values["adjusted_rand"]) == (1, 1, 1)
    assert values["savable"] == pytest.approx((60 - 20 - 20) / 120)


@pytest.mark.parametrize(
    ("reads", "last_is_first", "otherwise"),
    [
        ("pairs", 180, 180),
        # Prefix and the first 6 tokens of the template are shared: those of trace 0 and of trace 1.
        ("pairs, shared", 36 + 31 + 77, 36 + 31 + 77),
        # The trace that comes last is compared with both others in one call. If it is trace 0, it
        # is the first of both pairs; else trace 0 is the first of a pair in both calls.
        ("pairs, shared in a call", 31 + 36 + 77, 36 + (36 + 31) + 77),
    ],
)
def test_the_ledger_of_a_causal_judge_by_hand(
    reads: Reads, last_is_first: int, otherwise: int
) -> None:
    real_pool()
    judge = stored_judge(reads, SCORES["apart"])
    _, values = run("--judge", judge, "--judge-cost", "0.5", "--seed", "3")
    # Each pair has a template of 10 and two of the prefixes, each of which is in two pairs. Second
    # prefixes and the last 4 of the template are always read: 25 + 20 + 20 + 3 * 4 = 77.
    assert values["judge_tokens"] == 3 * 10 + 2 * (30 + 25 + 20) == 180
    assert values["judge_tokens_reused"] == 36 + 31 + 77
    decisions = pq.read_table("run/decisions.parquet").to_pylist()
    last = [row["trace_id"] for row in decisions if row["order"] == 2]
    charged = pq.read_table("run/answers.parquet")["judge_tokens_charged"].to_pylist()
    assert charged == [last_is_first if trace == 0 else otherwise for trace in last]
    assert {0} < {*last}
    assert values["cost"] == 120 + 0.5 * np.mean(charged)
    # Three clusters of one trace are pure, though two have the same answer. Of ln 3 about clusters,
    # answers give 2/3 ln 3/2 + 1/3 ln 3; no two traces are together, which is as good as chance.
    assert (values["clusters"], values["purity"], values["adjusted_rand"]) == (3, 1, 0)
    told = (2 / 3 * np.log(3 / 2) + np.log(3) / 3) / np.log(3)
    assert values["completeness"] == pytest.approx(told)


def test_an_unknown_size_is_said_and_so_is_an_unknown_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    judge = stored_judge("prefixes", SCORES["alike"])
    described, values = run("--judge", judge)
    printed = capsys.readouterr()
    assert "the size of model is not known, so the cost of the judge is not either" in printed.err
    assert "--model-params MODEL=NUMBER" in printed.err
    assert "cost: unknown" in printed.out
    assert described["judge"]["ratio"] == {"test/model/tiny": None}
    assert not values.keys() & {"cost", "cost_reduction"}
    assert call("run", "cons@3", "--repeats", "4", "-o", "cons") == 0
    capsys.readouterr()
    assert call("report", "run", "cons", "--json") == 0
    rows = {row["policy"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["deepprune"]["cost"] is rows["deepprune"]["judge_share"] is None
    assert not rows["deepprune"]["pareto"]
    assert rows["cons@3"]["pareto"]  # as accurate, and its cost is known
    assert rows["cons@3"]["cost"] == 120
    assert call("report", "run", "cons", "--format", "markdown") == 0
    printed = capsys.readouterr()
    assert "| unknown |" in printed.out
    assert "because the size of a model is: run; make them again" in printed.out
    other = stored_judge("prefixes", SCORES["alike"], parameters=None)
    assert other == judge
    for options in (["--model-params", "8B"], ["--model-params", "model=8e9"]):
        assert run("--judge", judge, *options, output=options[1])[1]["cost"] == 100 + 75 / 4
    assert call("run", "deepprune", "--model-params", "1B", "--judge-cost", "1") == 2
    assert "exclude each other" in capsys.readouterr().err
    assert call("run", "cons@2", "--model-params", "1B") == 2
    assert "cons@2 does not use a judge" in capsys.readouterr().err


def test_the_judges_share_of_the_cost_stands_in_reports(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    run("--judge", stored_judge("prefixes", SCORES["alike"]), "--model-params", "8B")
    assert "of which the judge, %" in capsys.readouterr().out
    assert call("report", "run", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["judge_cost"] == pytest.approx(75 / 4)
    assert row["judge_share"] == pytest.approx((75 / 4) / (100 + 75 / 4))
    assert call("report", "run", "--format", "markdown") == 0
    table = capsys.readouterr().out
    assert "| judge cost | judge % | total cost |" in table
    assert "| 19 | 15.8 | 119 |" in table


def older(record: dict[str, Any]) -> None:
    """Make the record of a run as programs wrote it that charged every pair in full."""
    judge = record["judge"]
    del judge["reads"], judge["model_parameters"]
    judge["ratio"] = dict.fromkeys(judge["ratio"], 0.125)


def test_a_run_of_before_is_read_compared_and_rerun_as_it_was_charged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    real_pool()
    judge = stored_judge("prefixes", SCORES["apart"])
    run("--judge", judge, "--judge-cost", "0.125", "--repeats", "64", output="new")
    # Until then, a judge was charged both prefixes and the template for each of three pairs, and
    # a template once for each first prefix.
    answers = pq.read_table("new/answers.parquet").drop_columns(list(JUDGED))
    for name, value in (("judge_tokens", 180), ("judge_tokens_reused", 40 + 35 + 25 + 20 + 20)):
        column = pa.array([value] * len(answers), pa.int64())
        field = answers.schema.field(name)
        answers = answers.set_column(answers.schema.get_field_index(name), field, column)
    with parquet_writer(Path("new/answers.parquet"), answers.schema) as writer:
        writer.write_table(answers)
    edit_json(Path("new/run.json"), older)

    def edit(summary: dict[str, Any]) -> None:
        totals = Totals()
        totals.add_all(answers)
        (entry,) = summary["pools"]
        summary["pools"] = [
            summarise(Pool(Path("cache/test/model/tiny")), 3, totals, "steps", 0.125)
        ]
        assert {*entry["metrics"]} - {*summary["pools"][0]["metrics"]} == {*JUDGED}

    edit_json(Path("new/summary.json"), edit)
    capsys.readouterr()
    assert call("report", "new", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["cost"] == 120 + 180 / 8
    assert row["completeness"] is None
    said = ("--authors", "A", "--description", "d", "--date", "2026-01-31")
    assert call("submit", "new", "--method", "old", *said) == 0
    assert call("verify", "submissions/2026-01-31-old") == 0
    told = json.loads(Path("submissions/2026-01-31-old/verification.json").read_bytes())
    assert [step["status"] for step in told["steps"]] == ["passed"] * 3


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
    assert run("--judge", stored, "-p", "tau=0.5", output="typed")[0]["judge"] == again["judge"]
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
    command = ("run", "deepprune", "--judge", stored, "--repeats", "4", "-o")
    assert call(*command, "other", "-p", "truncation=tokens=500") == 2
    assert "for tokens=20, not for tokens=500" in capsys.readouterr().err
    assert call(*command, "own") == 0
    assert "-p truncation=tokens=20, the judge's own cut" in capsys.readouterr().err
    again = json.loads(Path("own", "run.json").read_text(encoding="utf-8"))
    assert again["policy"]["settings"] == {"truncation": "tokens=20"}
    assert (
        Path("own", "answers.parquet").read_bytes() == Path("run", "answers.parquet").read_bytes()
    )


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
