"""What a judge is shown: the first tokens, or the text up to a reasoning word."""

from __future__ import annotations

from pathlib import Path

import pytest
from pools import T, write_problem

from judges.prefixes import FIRST_TOKENS, REASONING_WORDS, Truncation
from simulator.errors import UserError


def test_the_first_tokens_and_the_whole_of_a_shorter_trace(tmp_path: Path) -> None:
    # No token ends are stored, so a token of the first trace is two characters of its text.
    problem = write_problem(tmp_path, [T(5, "1", text="aabbccddee"), T(2, "1", text="xyz!")])
    assert Truncation("tokens", 3).cuts(problem).tolist() == [3, 2]
    assert Truncation("tokens", 3).prefixes(problem) == ["aabbcc", "xyz!"]
    assert Truncation("tokens", 5).prefixes(problem) == ["aabbccddee", "xyz!"]


def test_a_pool_without_text_is_refused(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(5, "1")])
    with pytest.raises(UserError, match="test/model/tiny has no text"):
        FIRST_TOKENS.prefixes(problem)


def test_truncations_are_read_as_they_are_written() -> None:
    for truncation in (FIRST_TOKENS, REASONING_WORDS):
        assert Truncation.parse(str(truncation)) == truncation
    assert (str(FIRST_TOKENS), str(REASONING_WORDS)) == ("tokens=500", "words=25")


@pytest.mark.parametrize("text", ["500", "tokens", "tokens=", "tokens=-1", "letters=5", "words=0"])
def test_what_is_no_truncation_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="truncation"):
        Truncation.parse(text)
