"""Scores in a replay: out of the store, or computed once by the judge at hand."""

from __future__ import annotations

import pickle
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pools import T, write_pool

from judges.kinds.lexical import LexicalJudge
from judges.kinds.oracle import OracleJudge
from judges.loading import load_judge
from judges.prefixes import Truncation
from judges.protocol import Floats, Identity, Ints, QuestionTokens, Reads, all_pairs
from judges.scores.cached import CachedScores, open_scores
from judges.scores.filling import CHUNK_PAIRS, fill_problem, score_pools
from judges.scores.store import Description, ScoreStore
from simulator.cli import cli
from simulator.errors import SamplerError, UserError
from simulator.pools.pool import Pool

TEXTS = ["so we add two", "so we add three", "let us multiply", "we add two and two"]


@dataclass
class CountingJudge:
    """Scores a pair by the lengths of its prefixes, and remembers what it was asked."""

    parameters: int | None = None
    reads: Reads = "pairs, shared in a call"
    template_tokens: int = 3
    tail_tokens: int = 1
    unranked: bool = False
    identity: Identity = field(
        default_factory=lambda: Identity("counting", truncation=Truncation("tokens", 2))
    )
    asked: list[list[int]] = field(default_factory=list)
    calls: int = 0

    def score(self, prefixes: Sequence[str], pairs: Ints, question: str | None = None) -> Floats:
        self.calls += 1
        self.asked += pairs.tolist()
        length = np.array([len(prefix) for prefix in prefixes])
        scores: Floats = length[pairs].min(axis=1) / length[pairs].max(axis=1)
        return scores

    def prefix_tokens(self, prefixes: Sequence[str]) -> Ints:
        return np.array([len(prefix) for prefix in prefixes])

    def question_tokens(self, question: str | None) -> QuestionTokens:
        return QuestionTokens(shared=len(question or ""), tail=7)


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    # Tokens are two characters of the text, so that prefixes of two tokens have four, or fewer.
    texts = ["abcdefgh", "abcdef", "ab", "xyzw"]
    return write_pool(tmp_path, {"p": [T(len(text) // 2, "1", text=text) for text in texts]})


def with_judge(tmp_path: Path, judge: CountingJudge) -> CachedScores:
    return CachedScores(ScoreStore(tmp_path / ".judges", Description.of(judge)), judge)


def test_a_pair_is_scored_once_whoever_asks_and_in_whichever_order(
    tmp_path: Path, pool: Pool
) -> None:
    problem, judge = pool.problems[0], CountingJudge(parameters=10)
    scores = with_judge(tmp_path, judge)
    assert scores.score(problem, np.array([[2, 0], [0, 1], [0, 2]])).tolist() == [0.5, 1.0, 0.5]
    assert judge.asked == [[0, 1], [0, 2]]
    assert scores.score(problem, np.array([[1, 0], [2, 3]])).tolist() == [1.0, 0.5]
    assert judge.asked == [[0, 1], [0, 2], [2, 3]]
    second = CountingJudge(parameters=10)
    assert with_judge(tmp_path, second).score(problem, np.array([[3, 2]])).tolist() == [0.5]
    assert second.asked == []


def test_what_another_process_stored_meanwhile_is_not_scored_again(
    tmp_path: Path, pool: Pool
) -> None:
    problem = pool.problems[0]
    judge, other = CountingJudge(parameters=10), CountingJudge(parameters=10)
    scores = with_judge(tmp_path, judge)
    scores.score(problem, np.array([[0, 1]]))
    with_judge(tmp_path, other).score(problem, np.array([[0, 2]]))
    scores.score(problem, np.array([[0, 2], [0, 3]]))
    assert judge.asked == [[0, 1], [0, 3]]


def test_a_judge_without_a_model_scores_all_pairs_when_it_is_first_asked(
    tmp_path: Path, pool: Pool
) -> None:
    judge = CountingJudge()
    scores = with_judge(tmp_path, judge)
    for pair in all_pairs(4):
        scores.score(pool.problems[0], pair[None])
    assert judge.calls == 1
    assert len([*tmp_path.rglob("part-*.parquet")]) == 1


def test_scores_are_the_same_before_and_after_they_are_stored(tmp_path: Path) -> None:
    # Prefixes of 2 and 6 characters: a third, which is no float32.
    pool = write_pool(tmp_path, {"p": [T(1, "1", text="ab"), T(1, "1", text="abcdef")]})
    problem = pool.problems[0]
    first = with_judge(tmp_path, CountingJudge()).score(problem, np.array([[0, 1]]))
    then = with_judge(tmp_path, CountingJudge()).score(problem, np.array([[0, 1]]))
    assert first.tolist() == then.tolist() == [float(np.float32(1 / 3))]


def test_a_missing_score_stops_with_the_command_that_computes_it(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(20, "1", text=text) for text in TEXTS]})
    problem = pool.problems[0]
    truncation = Truncation("tokens", 10)
    open_scores(tmp_path, "lexical", truncation).fill(problem, np.array([[0, 1]]))
    folder = LexicalJudge(truncation).identity.folder
    without_judge = open_scores(tmp_path, folder)
    assert without_judge.score(problem, np.array([[0, 1]])) > 0
    with pytest.raises(UserError, match="no score of judge lexical-tokens-10") as error:
        without_judge.score(problem, np.array([[0, 2]]))
    message = str(error.value)
    assert "traces 0 and 2 of problem 'p'" in message
    program, *command = shlex.split(message.partition("compute them with: ")[2])
    assert program == "deepprune-sim"
    CliRunner().invoke(cli, [*command, "--cache", str(tmp_path)], catch_exceptions=False)
    pairs = all_pairs(4)
    assert (
        without_judge.score(problem, pairs).tolist()
        == LexicalJudge(truncation)
        .score(truncation.prefixes(problem), pairs)
        .astype(np.float32)
        .tolist()
    )


def test_a_trace_that_does_not_stand_at_its_cut_is_not_judged(tmp_path: Path, pool: Pool) -> None:
    problem, scores = pool.problems[0], with_judge(tmp_path, CountingJudge())
    pairs = np.array([[0, 2]])  # cut at 2 tokens, and at the end of a trace of 1
    assert scores.score(problem, pairs, np.array([[2, 1]])).tolist() == [0.5]
    with pytest.raises(SamplerError, match="has 3 tokens, but its cut is at 2"):
        scores.score(problem, pairs, np.array([[3, 1]]))
    oracle = open_scores(tmp_path, "oracle")
    assert oracle.score(problem, pairs, np.array([[3, 1]])).tolist() == [1.0]


def test_tokens_read_are_known_without_the_judge(tmp_path: Path, pool: Pool) -> None:
    problem = replace(pool.problems[0], question="Is it?")
    pairs, call = np.array([[1, 0], [0, 2], [0, 3]]), np.array([0, 0, 1])
    # Prefixes of 4, 4, 2 and 4 characters, a template of 3, of which 1 after the second prefix, and
    # 7 for a question there: the first prefix, 2 of the template and the 6 characters of the
    # question are read for each pair, once, or once in each call.
    tails = (4 + 8) + (2 + 8) + (4 + 8)
    expected = (3 * (4 + 2 + 6) + tails, (4 + 2 + 6) + tails, 2 * (4 + 2 + 6) + tails)
    scores = with_judge(tmp_path, CountingJudge())
    assert scores.tokens_read(problem, pairs, call) == expected
    scores.score(problem, pairs)
    stored = open_scores(tmp_path, scores.identity.folder)
    assert stored.judge is None
    assert stored.tokens_read(problem, pairs, call) == expected


def test_scores_of_before_keep_their_counts_without_questions(tmp_path: Path, pool: Pool) -> None:
    problem = replace(pool.problems[0], question="Is it?")
    scores = with_judge(tmp_path, CountingJudge())
    pairs = np.array([[0, 1]])
    # As programs stored them that did not count the question.
    scores.store.write(problem, pairs, [0.5], np.array([4, 4, 2, 4]))
    expected = (4 + 2 + 4 + 1,) * 3
    assert scores.tokens_read(problem, pairs, np.array([0])) == expected
    assert (
        with_judge(tmp_path, CountingJudge()).tokens_read(problem, pairs, np.array([0])) == expected
    )


def test_the_oracle_stores_nothing_while_it_is_at_hand(tmp_path: Path, pool: Pool) -> None:
    scores = open_scores(tmp_path, "oracle:auroc=0.8")
    scores.score(pool.problems[0], all_pairs(4))
    assert not (tmp_path / ".judges").exists()
    assert score_pools(scores, [pool]) == [6]
    stored = open_scores(tmp_path, scores.identity.folder)
    assert (
        stored.score(pool.problems[0], all_pairs(4)).tolist()
        == scores.score(pool.problems[0], all_pairs(4)).tolist()
    )
    assert stored.unranked


def test_scores_can_be_sent_to_another_process(tmp_path: Path, pool: Pool) -> None:
    scores = with_judge(tmp_path, CountingJudge())
    scores.score(pool.problems[0], all_pairs(4))
    sent = pickle.loads(pickle.dumps(scores))
    assert sent.score(pool.problems[0], all_pairs(4)).tolist() == [
        *scores.score(pool.problems[0], all_pairs(4)).tolist()
    ]


def test_a_judge_with_a_model_stores_as_it_goes_on(tmp_path: Path) -> None:
    traces = 50  # 1,225 pairs
    pool = write_pool(tmp_path, {"p": [T(2, "1", text="ab" * (1 + n % 3)) for n in range(traces)]})
    judge = CountingJudge(parameters=10)
    scores = with_judge(tmp_path, judge)
    steps = fill_problem(scores, pool.problems[0])
    assert next(steps) == (0, 0)
    assert next(steps) == (CHUNK_PAIRS, CHUNK_PAIRS)
    steps.close()  # as an interruption does
    again = with_judge(tmp_path, judge)
    assert score_pools(again, [pool]) == [1225 - CHUNK_PAIRS]
    assert sorted(judge.asked) == all_pairs(traces).tolist()


def test_a_trace_and_itself_are_no_pair(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(ValueError, match="itself"):
        with_judge(tmp_path, CountingJudge()).score(pool.problems[0], np.array([[1, 1]]))


def test_settings_reach_the_judge() -> None:
    judge = load_judge("oracle:auroc=0.75,seed=3,trace_share=0")
    assert judge == OracleJudge(auroc=0.75, trace_share=0.0, seed=3)
    assert load_judge("lexical", Truncation("tokens", 7)).identity.truncation == Truncation(
        "tokens", 7
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lexicl", "did you mean lexical"),
        ("", "no judge ''"),
        ("oracle:aurc=0.7", "did you mean auroc"),
        ("oracle:auroc", "NAME=VALUE"),
        ("oracle:auroc=high", "expected float"),
        ("oracle:auroc=nan", "expected float"),
        ("oracle:auroc=0.3", "from 0.5"),
        ("oracle:trace_share=2", "from 0 to 1"),
        ("oracle:same_share=1", "above 0 and below 1"),
        ("oracle:seed=1.5", "expected int"),
        ("lexical:x=1", "it has: none"),
    ],
)
def test_a_wrong_judge_is_answered_with_what_there_is(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_judge(spec)


def test_an_oracle_has_nothing_to_cut() -> None:
    with pytest.raises(UserError, match="nothing to cut"):
        load_judge("oracle", Truncation("tokens", 5))


def test_stored_scores_of_another_truncation_are_refused(tmp_path: Path, pool: Pool) -> None:
    scores = with_judge(tmp_path, CountingJudge())
    scores.score(pool.problems[0], np.array([[0, 1]]))
    with pytest.raises(UserError, match="for tokens=2, not for tokens=3"):
        open_scores(tmp_path, scores.identity.folder, Truncation("tokens", 3))
