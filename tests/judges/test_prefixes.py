"""Prefixes that a judge reads: the first tokens, or the text up to a reasoning word."""

from __future__ import annotations

from pathlib import Path

import pytest
from pools import T, start_engine, write_problem

from judges.prefixes import TOKENS_500, WORDS_25, Truncation
from simulator.errors import UserError
from simulator.rules.stop_rules import REASONING_WORDS, ReasoningWords


def test_the_first_tokens_and_the_whole_of_a_shorter_trace(tmp_path: Path) -> None:
    # No token ends are stored, so a token of the first trace is two characters of its text.
    problem = write_problem(tmp_path, [T(5, "1", text="aabbccddee"), T(2, "1", text="xyz!")])
    assert Truncation("tokens", 3).cuts(problem).tolist() == [3, 2]
    assert Truncation("tokens", 3).prefixes(problem) == ["aabbcc", "xyz!"]
    assert Truncation("tokens", 5).prefixes(problem) == ["aabbccddee", "xyz!"]


def test_up_to_a_reasoning_word_and_the_whole_of_a_trace_without(tmp_path: Path) -> None:
    # A token is one character. "so" is complete once the space after it is there: 5 tokens, 10.
    texts = ["a so b so c", "sofa, also", "no"]
    problem = write_problem(tmp_path, [T(len(text), "1", text=text) for text in texts])
    assert Truncation("words", 1).prefixes(problem) == ["a so ", "sofa, also", "no"]
    assert Truncation("words", 2).prefixes(problem) == ["a so b so ", "sofa, also", "no"]
    assert Truncation("words", 3).cuts(problem).tolist() == [11, 10, 2]


def test_prefixes_are_what_a_policy_sees_when_it_halts_there(tmp_path: Path) -> None:
    texts = ["So we wait, but then it ends. Thus", "Let us see", "wait wait wait wait"]
    traces = [T(1 + len(text) // 3, "1", text=text) for text in texts]
    problem = write_problem(tmp_path, traces)
    for count in (1, 2, 3):
        _, sampler = start_engine(problem)
        started = sampler.start(3)
        sampler.decode(started, until=ReasoningWords(count))
        truncation = Truncation("words", count)
        assert [*started.text] == truncation.prefixes(problem)
        assert started.num_tokens.tolist() == truncation.cuts(problem).tolist()


def test_the_words_that_stored_scores_of_words_n_are_of_have_not_changed() -> None:
    # A judge's identity says `words=N` and not which words: another list needs another identity.
    expected = (
        "wait thus since so but however therefore alternatively hence because actually perhaps "
        "maybe suppose assume given then also if let"
    )
    assert " ".join(REASONING_WORDS) == expected


def test_a_pool_without_text_is_refused(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(5, "1")])
    with pytest.raises(UserError, match="test/model/tiny has no text"):
        TOKENS_500.prefixes(problem)


def test_truncations_are_read_as_they_are_written() -> None:
    for truncation in (TOKENS_500, WORDS_25):
        assert Truncation.parse(str(truncation)) == truncation
    assert (str(TOKENS_500), str(WORDS_25)) == ("tokens=500", "words=25")


@pytest.mark.parametrize("text", ["500", "tokens", "tokens=", "tokens=-1", "letters=5", "words=0"])
def test_what_is_no_truncation_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="truncation"):
        Truncation.parse(text)
