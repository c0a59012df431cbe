"""Patterns as automata, against Python's `re` on every prefix."""

from __future__ import annotations

import re
import warnings
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulator.rules import patterns
from simulator.rules.patterns import Automaton, compiled

characters = st.sampled_from([*"abA1_ \né", "ſ", "K"])
atoms = st.sampled_from(
    [
        *("a", "b", ".", "[ab]", "[^a]", "[^\\n]", r"\w", r"\W", r"\d", r"\s", "[a-c1]", "é", ""),
        *(
            "^",
            r"\A",
            r"\b",
            r"\B",
            "(?<=a)",
            "(?<!b)",
            "(?<!a.)",
            "(?<=^a)",
            r"(?<=a|\n)",
            "(?#[)",
        ),
        *(
            "(?i:a)",
            "(?s:.)",
            "(?-s:.)",
            "(?m:^)",
            r"(?a:\w)",
            r"(?a:\b)",
            "(?i:[r-t])",
            "(?i:[^K])",
        ),
        *("$", r"\Z", "(?=a)", "(?!b)", "(?>a|ab)", "a++", "(?!)", r"(?<!a\b)", "(?x: a $ )"),
    ]
)
repeats = st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{2,}", "*?", "+?", "??", "{1,2}?"])
patterns_of_all_kinds = st.builds(
    "{}{}".format,
    st.sampled_from(["", "(?i)", "(?m)", "(?s)", "(?a)"]),
    st.recursive(
        atoms,
        lambda part: st.one_of(
            st.builds("{}{}".format, part, part),
            st.builds("(?:{}|{})".format, part, part),
            st.builds("({}){}".format, part, repeats),
        ),
        max_leaves=6,
    ),
)


def with_later_boundaries(pattern: str) -> re.Pattern[str]:
    r"""Compile a pattern whose `\b` and `\B` do not match at the end of the text."""
    parsed = _parser.parse(pattern)
    end = _parser.SubPattern(parsed.state, [(_constants.AT, _constants.AT_END_STRING)])

    def changed(tree: Any) -> Any:
        parts: list[Any] = []
        for kind, detail in tree:
            if kind is _constants.BRANCH:
                detail = None, [changed(branch) for branch in detail[1]]
            elif kind in (
                _constants.SUBPATTERN,
                _constants.MAX_REPEAT,
                _constants.MIN_REPEAT,
            ):
                detail = *detail[:-1], changed(detail[-1])
            parts.append((kind, detail))
            if detail in (_constants.AT_BOUNDARY, _constants.AT_NON_BOUNDARY):
                parts.append((_constants.ASSERT_NOT, (1, end)))
        return _parser.SubPattern(parsed.state, parts)

    found: re.Pattern[str] = _compiler.compile(changed(parsed))
    return found


def first_match(pattern: str, text: str, stops: list[int]) -> int | None:
    """Return the end of the first character that completes a match; read from stop to stop."""
    automaton = Automaton(compiled(pattern))
    state, place = automaton.start, 0
    for end in [*sorted(stops), len(text)]:
        state, place = automaton.read(state, text, place, min(end, len(text)))
    return place if state is None else None


@settings(max_examples=400)
@given(patterns_of_all_kinds, st.lists(characters, max_size=9), st.lists(st.integers(0, 9)))
def test_a_pattern_is_refused_or_matches_with_the_first_prefix_that_re_says(
    pattern: str, text: list[str], stops: list[int]
) -> None:
    whole = "".join(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            re.compile(pattern)
        except (re.error, OverflowError):
            assume(False)
        try:
            compiled(pattern)
        except ValueError:
            return
        expected = with_later_boundaries(pattern)
    prefixes = [bool(expected.search(whole, 0, end)) for end in range(len(whole) + 1)]
    assert prefixes == sorted(prefixes)  # more text undoes no match
    first = prefixes.index(True) if any(prefixes) else None
    assert first_match(pattern, whole, stops) == first


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "ab", 0),
        ("a*", "ab", 0),
        ("a+b", "caab", 4),
        (r"\bso\b", "also so", None),
        (r"\bso\b", "also so ", 8),
        (r"so\B", "so some", 6),
        ("^b", "a\nb", None),
        ("(?m)^b", "a\nb", 3),
        ("(?m)^", "ab", 0),
        (r"(?<!\\)\$", r"\$ $", 4),
        ("(?<=ab)c", "acabc", 5),
        ("(?i)WAIT", "so wait", 7),
        ("(?i)k", "\u212a", 1),  # the Kelvin sign
        (r"(?a)\w", "é1", 2),
        ("a|abc", "abc", 1),  # the shortest, not the leftmost or the longest
        ("(?s)x.*y|z", "x zy", 3),
        ("[^ab]", "abc", 3),
        ("a{2,3}?c", "aaac", 4),
    ],
)
def test_first_matches_by_hand(pattern: str, text: str, expected: int | None) -> None:
    assert first_match(pattern, text, []) == expected


def test_a_pattern_that_python_searches_for_ever_takes_one_step_for_each_character() -> None:
    for pattern in ("(a|a)*b", "(a*)*b", r"(?:a+)+\Bb", "(?:a?){30}a{30}b", "(.*)(.*)(.*)x"):
        automaton = Automaton(compiled(pattern))
        state, place = automaton.read(automaton.start, "a" * 5000, 0, 5000)
        assert place == 5000
        assert state is not None
        assert len(automaton._states) < 100


def test_transitions_that_are_forgotten_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "abbabaabbbabab" * 20 + "aac"
    expected = first_match("(?:a|b)*a(?:a|b){9}c|aac", text, [])
    assert expected == len(text)
    monkeypatch.setattr(patterns, "MAX_KNOWN", 5)
    assert first_match("(?:a|b)*a(?:a|b){9}c|aac", text, []) == expected
    automaton = Automaton(compiled("(?:a|b)*a(?:a|b){9}c|aac"))
    automaton.read(automaton.start, text, 0, len(text))
    assert sum(map(len, automaton._states.values())) <= 5


@pytest.mark.parametrize("pattern", [r"a(?:[\s\S]*x)?", r"[^b](?:[\s\S]*?){2}"])
def test_what_follows_a_match_is_not_read(pattern: str) -> None:
    class Ending(str):
        """A text that ends the test where its third character is looked at."""

        def __iter__(self) -> Any:
            return Characters(self)

    class Characters:
        def __init__(self, text: str) -> None:
            self._text = text
            self._place = 0

        def __setstate__(self, place: int) -> None:
            self._place = place

        def __iter__(self) -> Characters:
            return self

        def __next__(self) -> str:
            assert self._place < 2
            self._place += 1
            return self._text[self._place - 1]

    automaton = Automaton(compiled(pattern))
    assert automaton.read(automaton.start, Ending("ba" + "c" * 5000), 0, 5002) == (None, 2)
