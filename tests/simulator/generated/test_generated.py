"""Generated pools: the published figures they meet, their signals, and `data sample`."""

from __future__ import annotations

import gc
import hashlib
import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import rankdata

from simulator.answers.boxes import last_boxed
from simulator.arrays import Bools, Floats
from simulator.commands.data.group import data
from simulator.errors import UserError
from simulator.generated import pools
from simulator.generated.calibration import Outline, outlines
from simulator.generated.cells import CELLS, SIZES, Cell, select_cells
from simulator.generated.confidence import GROUP_TOKENS, LOWEST_GROUP_AUROC, confidences
from simulator.generated.pools import SEED, generated_problems, make_pool, pool_folder
from simulator.generated.text import TOPICS
from simulator.generated.token_signals import entropy
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool
from simulator.pools.records import ProblemRecord
from simulator.pools.writer import PoolWriter
from simulator.signals import PROBE_SIGNALS, SIGNALS, TOKEN_SIGNALS

SMALL, PAPER = SIZES["small"], SIZES["paper"]
QWEN_AIME24, QWEN_AIME25, OSS_GPQA = CELLS[3], CELLS[4], CELLS[8]
REASONING_WORDS = re.compile(
    r"\b(wait|thus|since|so|but|however|therefore|alternatively|hence|because|actually|perhaps|"
    r"maybe|suppose|assume|given|then|also|if|let)\b",
    re.IGNORECASE,
)

each_cell = pytest.mark.parametrize("cell", CELLS, ids=[cell.name for cell in CELLS])


@pytest.fixture(scope="module")
def records() -> list[ProblemRecord]:
    """Two small cells, one of mathematics and one of multiple choice."""
    return [
        problem
        for cell in (QWEN_AIME25, OSS_GPQA)
        for problem in generated_problems(cell, SMALL, text=True)
    ]


def vote_is_right(outline: Outline) -> bool:
    votes = np.bincount(outline.final[outline.answered], minlength=2)
    return bool(votes[0] > votes[1:].max())


def auroc(scores: Floats, positive: Bools) -> float:
    """Chance that a positive scores higher than a negative."""
    high, low = int(positive.sum()), int((~positive).sum())
    return float((rankdata(scores)[positive].sum() - high * (high + 1) / 2) / (high * low))


# Published figures


@each_cell
def test_a_full_cell_meets_its_published_figures(cell: Cell) -> None:
    made = outlines(cell, PAPER, SEED)
    assert len(made) == (198 if cell.answer_kind == "choice" else 30)
    assert {len(outline.tokens) for outline in made} == {512}
    pass_at_1 = 100 * np.mean([outline.correct.mean() for outline in made])
    assert pass_at_1 == pytest.approx(cell.pass_at_1, abs=0.1)
    votes = 100 * np.mean([vote_is_right(outline) for outline in made])
    assert votes == pytest.approx(cell.cons_accuracy, abs=0.05)
    tokens = sum(int(outline.tokens.sum()) for outline in made)
    assert tokens / 1e8 == pytest.approx(cell.tokens, rel=0.001)


def test_the_targets_are_those_of_the_publication() -> None:
    # DeepPrune's page: pass@1 of the stored traces, accuracy and 10^8 tokens of cons@512.
    assert [cell.pass_at_1 for cell in CELLS] == [
        *(83.08, 74.57, 59.74),
        *(80.10, 69.28, 68.24),
        *(80.72, 77.54, 66.18),
    ]
    assert [(cell.tokens, cell.cons_accuracy) for cell in CELLS] == [
        *((3.62, 86.7), (4.19, 83.3), (10.9, 66.2)),
        *((1.93, 86.7), (2.64, 80.0), (6.94, 70.7)),
        *((2.05, 93.3), (2.10, 90.0), (4.60, 70.7)),
    ]
    assert CELLS[0].mean_tokens == pytest.approx(23_568, abs=1)  # 3.62e8 / (512 x 30)


@pytest.mark.parametrize("seed", [0, 10, 14])
def test_other_seeds_meet_the_same_figures_with_other_traces(seed: int) -> None:
    for cell in CELLS[:2]:
        made = outlines(cell, PAPER, seed)
        assert 100 * np.mean([o.correct.mean() for o in made]) == pytest.approx(
            cell.pass_at_1, abs=0.1
        )
        assert sum(vote_is_right(o) for o in made) == round(0.3 * cell.cons_accuracy)
        assert np.mean([o.tokens.mean() for o in made]) == pytest.approx(cell.mean_tokens, rel=0.01)
        assert made[0].tokens.tolist() != outlines(cell, PAPER, SEED)[0].tokens.tolist()


def test_wrong_traces_are_longer_and_problems_differ_as_measured_ones_do() -> None:
    # SCOUT, 60 problems: log(tokens) of wrong minus right 0.31 and 0.44, accuracy against mean
    # log(tokens) correlates by -0.62 and -0.79.
    made = outlines(QWEN_AIME24, PAPER, SEED) + outlines(QWEN_AIME25, PAPER, SEED)
    logs = [np.log(outline.tokens) for outline in made]
    gaps = [
        log[~o.correct].mean() - log[o.correct].mean()
        for o, log in zip(made, logs, strict=True)
        if 20 <= o.correct.sum() <= 492
    ]
    assert 0.25 < np.mean(gaps) < 0.5
    accuracy = [outline.correct.mean() for outline in made]
    assert -0.9 < np.corrcoef(accuracy, [log.mean() for log in logs])[0, 1] < -0.5


# Signals


@pytest.mark.parametrize("cell", [QWEN_AIME24, OSS_GPQA], ids=lambda cell: cell.name)
def test_lowest_group_confidence_tells_right_from_wrong(cell: Cell) -> None:
    pairs = ranked = 0.0
    for number, outline in enumerate(outlines(cell, PAPER, SEED)):
        right = int(outline.correct.sum())
        if number % (4 if cell.problems == 30 else 30) or not 25 <= right <= 487:
            continue
        rng = np.random.default_rng(number)
        lowest = []
        for series in confidences(rng, outline, PAPER):
            assert series.min() >= 1.0
            assert series.max() <= 40.0
            total = np.concatenate([[0.0], np.cumsum(series)])
            width = min(GROUP_TOKENS, len(series))
            lowest.append((total[width:] - total[:-width]).min() / width)
        pairs += right * (512 - right)
        ranked += right * (512 - right) * auroc(np.array(lowest), outline.correct)
        assert 5 < np.mean(lowest) < 25
    assert ranked / pairs == pytest.approx(LOWEST_GROUP_AUROC, abs=0.05)


def test_confidences_have_three_decimals_and_hang_together(records: list[ProblemRecord]) -> None:
    longest = max((trace for p in records for trace in p.traces), key=lambda t: t.num_tokens)
    series = longest.token_signals["confidence"]
    assert np.array_equal(np.round(series * 1000) / 1000.0, series)
    groups = series[: len(series) // 20 * 20].reshape(-1, 20).mean(axis=1)
    assert np.corrcoef(groups[:-1], groups[1:])[0, 1] > 0.2  # 0 where tokens are independent


def test_entropy_follows_confidence_as_probabilities_that_fall_with_rank_make_it() -> None:
    # Probabilities 1, 1/2, 1/4, ... of 20 tokens: confidence (19/2) ln 2 + ln 2 = 7.278 but for
    # 1e-6, entropy 2 ln 2 = 1.386. All alike: ln 20 = 2.996 both. Noise has a median of 1.
    rng = np.random.default_rng(0)
    for confidence, expected in ((7.278, 1.386), (2.996, 2.996), (1.0, 2.996)):
        made = entropy(rng, np.full(100_001, confidence))
        assert np.array_equal(np.round(made * 1000) / 1000.0, made)
        assert np.median(made) == pytest.approx(expected, rel=0.01)
        assert 0 <= made.min() <= made.max() <= 2.996
    rising = np.linspace(6, 25, 1000)
    assert -1 < np.corrcoef(rising.tolist(), entropy(rng, rising).tolist())[0, 1] < -0.7


def test_signals_are_as_long_as_their_trace(records: list[ProblemRecord]) -> None:
    interval = SMALL.tokens(500)
    for problem in records:
        for trace in problem.traces:
            assert set(trace.token_signals) == set(TOKEN_SIGNALS)
            assert {len(each) for each in trace.token_signals.values()} == {trace.num_tokens}
            assert trace.probe_positions is not None
            assert trace.probe_positions.tolist() == [*range(interval, trace.num_tokens, interval)]
            assert trace.probe_answers is not None
            assert len(trace.probe_answers) == len(trace.probe_positions)
            assert (trace.answer is None) == (trace.finish_reason == "length")


def test_a_token_of_text_is_a_word(records: list[ProblemRecord]) -> None:
    for problem in records:
        for trace in problem.traces:
            assert trace.text is not None
            assert trace.token_ends is not None
            ends = [match.end() for match in re.finditer(r"\S+", trace.text)]
            assert trace.token_ends.tolist() == ends
            assert len(ends) == trace.num_tokens
            assert last_boxed(trace.text) == trace.answer


def test_probe_signals_agree_and_are_higher_once_a_trace_has_settled() -> None:
    told = next(generated_problems(QWEN_AIME24, SMALL, probe_signals=True))
    last, others = [], []
    for trace in told.traces:
        assert trace.probe_positions is not None
        signals = trace.probe_signals
        assert list(signals) == [*PROBE_SIGNALS]
        assert {len(each) for each in signals.values()} == {len(trace.probe_positions)}
        lowest, geometric, mean = (signals[f"probe_{each}"] for each in ("min", "gmean", "mean"))
        assert (lowest <= geometric + 1e-12).all()  # sums of rounded logarithms
        assert (geometric <= mean + 1e-12).all()
        assert ((lowest > 0) & (mean <= 1)).all()
        # The entropy is at most that of 20 equal probabilities.
        assert ((signals["probe_entropy"] >= 0) & (signals["probe_entropy"] <= np.log(20))).all()
        same = np.array([answer == trace.answer for answer in trace.probe_answers or ()])
        if trace.answer is not None and len(same) > 4:
            last += mean[-1:].tolist()
            others += mean[~same].tolist()
    assert np.mean(last) > np.mean(others) + 0.15


def test_text_turns_at_reasoning_words(records: list[ProblemRecord]) -> None:
    words = sum(trace.num_tokens for problem in records for trace in problem.traces)
    turns = sum(
        len(REASONING_WORDS.findall(t.text or "")) for problem in records for t in problem.traces
    )
    assert 1 / 20 < turns / words < 1 / 8


def test_prefixes_say_something_about_the_final_answer() -> None:
    scores, same = [], []
    for problem in generated_problems(QWEN_AIME25, SMALL, text=True, signals=False):
        told = [trace for trace in problem.traces if trace.answer is not None]
        prefixes = [(trace.text or "").split()[:250] for trace in told]
        counts = np.array([[prefix.count(topic) for topic in TOPICS] for prefix in prefixes])
        likeness = np.corrcoef(counts)
        for one, other in combinations(range(len(told)), 2):
            scores.append(likeness[one, other])
            same.append(told[one].answer == told[other].answer)
    assert 0.65 < auroc(np.array(scores), np.array(same)) < 0.95


def test_leaving_out_a_signal_changes_no_other() -> None:
    whole = next(generated_problems(QWEN_AIME24, SMALL, text=True))
    bare = next(generated_problems(QWEN_AIME24, SMALL, signals=False))
    for one, other in zip(whole.traces, bare.traces, strict=True):
        assert (one.num_tokens, one.answer) == (other.num_tokens, other.answer)
        assert one.probe_answers == other.probe_answers
        assert other.text is None
        assert other.token_signals == other.probe_signals == {}
    told = next(generated_problems(QWEN_AIME24, SMALL, signals=False, probe_signals=True))
    for one, other in zip(told.traces, bare.traces, strict=True):
        assert (one.num_tokens, one.answer) == (other.num_tokens, other.answer)
        assert one.probe_answers == other.probe_answers


def test_probe_signals_change_no_other_file(tmp_path: Path) -> None:
    bare = make_pool(tmp_path / "bare", QWEN_AIME25, SMALL)
    told = make_pool(tmp_path / "told", QWEN_AIME25, SMALL, probe_signals=True)
    assert told.sha256.items() > bare.sha256.items()
    assert told.content.keys() - bare.content.keys() == {*PROBE_SIGNALS}
    assert pools.made_as(tmp_path / "told", QWEN_AIME25) == pools.revision(
        SMALL, SEED, text=False, probe_signals=True
    )


# Pools


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for cell in (QWEN_AIME25, OSS_GPQA):
        first = make_pool(tmp_path / "first", cell, SMALL, text=True)
        again = make_pool(tmp_path / "again", cell, SMALL, text=True)
        assert first.fingerprint == again.fingerprint
        for path in pool_folder(tmp_path / "first", cell).iterdir():
            same = pool_folder(tmp_path / "again", cell) / path.name
            assert path.read_bytes() == same.read_bytes()
        other = make_pool(tmp_path / "again", cell, SMALL, text=True, seed=7, replace=True)
        assert other.fingerprint != first.fingerprint


def test_traces_change_only_with_the_version(records: list[ProblemRecord]) -> None:
    # Not a worked-out value: whoever changes a trace must raise the version.
    digest, entropies = hashlib.sha256(), hashlib.sha256()
    for problem in records:
        for trace in problem.traces:
            line = (problem.gold_answer, trace.num_tokens, trace.answer, trace.probe_answers)
            digest.update(repr((*line, trace.text)).encode())
            signals = {
                name: np.rint(values * 1000).astype("<u2").tobytes()
                for name, values in trace.token_signals.items()
            }
            digest.update(signals["confidence"])
            entropies.update(signals["entropy"])
    assert pools.VERSION.split("+")[:2] == ["1", "entropy"]
    assert digest.hexdigest()[:16] == "cbd745803d352e15"
    assert entropies.hexdigest()[:16] == "eaf904e1698a13b6"


@each_cell
def test_a_small_pool_is_sound_and_has_every_signal(tmp_path: Path, cell: Cell) -> None:
    make_pool(tmp_path, cell, SMALL, text=True, probe_signals=True)
    path = pool_folder(tmp_path, cell)
    assert check_pool(path) == []
    pool = Pool(path)
    assert pool.name == f"generated/{cell.model}/{cell.benchmark}"
    assert pool.info.synthetic
    assert pool.info.token_accuracy == "exact"
    assert pool.info.signals == [*SIGNALS]
    assert pool.info.tokens / pool.info.traces == pytest.approx(cell.mean_tokens / 20, rel=0.02)
    choice = cell.benchmark == "gpqa-diamond"
    for problem in pool.problems:
        assert problem.answer_kind == ("choice" if choice else "math")
        allowed = set("ABCD") if choice else {str(number) for number in range(1000)}
        assert {problem.gold_answer, *problem.class_texts} <= allowed
        assert problem.question is not None
        assert "no real question" in problem.question


def test_token_signals_are_stored_as_thousandths(tmp_path: Path) -> None:
    make_pool(tmp_path, OSS_GPQA, SMALL)
    for name in TOKEN_SIGNALS:
        table = Pool(pool_folder(tmp_path, OSS_GPQA)).read_signal(name, 0, [name])
        assert str(table[name].type.value_type) == "uint16"


def test_a_pool_of_another_version_of_the_generator_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pool(tmp_path, OSS_GPQA, SMALL)
    assert pools.made_as(tmp_path, OSS_GPQA) == pools.revision(SMALL, SEED, text=False)
    version = pools.VERSION
    monkeypatch.setattr(pools, "VERSION", "9")
    made = pools.made_as(tmp_path, OSS_GPQA)
    assert made == f"small size, seed {SEED}, by version {version} of the generator"


def test_no_more_than_one_problem_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[int] = []
    add = PoolWriter.add

    def counting(self: PoolWriter, problem: ProblemRecord) -> None:
        gc.collect()
        alive.append(sum(type(each) is ProblemRecord for each in gc.get_objects()) - before)
        add(self, problem)

    monkeypatch.setattr(PoolWriter, "add", counting)
    before = sum(type(each) is ProblemRecord for each in gc.get_objects())
    make_pool(tmp_path, QWEN_AIME24, SMALL)
    assert alive == [1] * 6


# The command


def invoke(cache: Path, *arguments: str) -> Any:
    result = CliRunner().invoke(
        data, ["sample", *arguments, "--cache", str(cache)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result


def test_sample_makes_nine_small_pools_and_leaves_them_as_they_are(tmp_path: Path) -> None:
    made = json.loads(invoke(tmp_path, "--json").stdout)
    assert [pool["name"] for pool in made] == [f"generated/{cell.name}" for cell in CELLS]
    assert all(pool["made"] for pool in made)
    assert sum(pool["bytes"] for pool in made) < 20e6
    assert [pool["problems"] for pool in made] == [6, 6, 12] * 3
    again = invoke(tmp_path, "--json", "--size", "paper")
    assert not any(pool["made"] for pool in json.loads(again.stdout))
    noted = "generated/qwen3-32b/aime24 exists (small size, seed 51008483, with text) and is kept"
    assert noted in again.stderr
    assert len(again.stderr.splitlines()) == 9


def test_sample_replaces_when_told_to(tmp_path: Path) -> None:
    cell = ("--cell", "Qwen3-32B/aime24")
    first = json.loads(invoke(tmp_path, *cell, "--json").stdout)
    shown = invoke(tmp_path, *cell, "--seed", "3", "--replace").stdout
    assert "SYNTHETIC" in shown
    assert "generated/qwen3-32b/aime24" in shown
    second = json.loads(invoke(tmp_path, *cell, "--json").stdout)
    assert second[0]["revision"] == "small size, seed 3, with text"
    assert first[0]["fingerprint"] != second[0]["fingerprint"]
    third = json.loads(invoke(tmp_path, *cell, "--json", "--replace").stdout)
    assert third[0]["fingerprint"] == first[0]["fingerprint"]


def test_cells_are_chosen_by_globs() -> None:
    assert [cell.name for cell in select_cells(["*/aime25", "GPT-OSS-20b/gpqa-diamond"])] == [
        "deepseek-r1-0528-qwen3-8b/aime25",
        "qwen3-32b/aime25",
        "gpt-oss-20b/aime25",
        "gpt-oss-20b/gpqa-diamond",
    ]
    assert select_cells(["generated/qwen3-32b/aime24"]) == [QWEN_AIME24]
    with pytest.raises(UserError, match=r"^no cell 'qwen3-32b/aime'; did you mean qwen3-32b/aime2"):
        select_cells(["qwen3-32b/aime"])


def test_sample_leaves_a_pool_that_was_imported_alone(tmp_path: Path) -> None:
    make_pool(tmp_path, QWEN_AIME24, SMALL)
    path = pool_folder(tmp_path, QWEN_AIME24) / "pool.json"
    path.write_text(path.read_text().replace('"importer": "generated"', '"importer": "jsonl"'))
    with pytest.raises(UserError, match="not generated is in the way"):
        invoke(tmp_path, "--replace")


def test_help_ends_with_an_example() -> None:
    text = CliRunner().invoke(data, ["sample", "-h"]).stdout
    assert "Examples" in text.strip().split("\n\n")[-1]
    assert "says nothing about" in text
