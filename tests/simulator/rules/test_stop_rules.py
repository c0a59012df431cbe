"""Stop rules against loops over tokens."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, start_engine, write_problem

from simulator.arrays import Ints
from simulator.errors import SamplerError
from simulator.pools.pool import StoredProblem
from simulator.rules.stop_rules import (
    NEVER,
    REASONING_WORDS,
    RULES,
    AnyOf,
    GroupConfidenceBelow,
    ProbesAgree,
    ReasoningWords,
    SignalAbove,
    SignalBelow,
    StopRule,
    TextMatches,
    check_rule,
)

NewFolder = Callable[[], Path]


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> NewFolder:
    return lambda: tmp_path_factory.mktemp("cache")


def halts_at(rule: StopRule, problem: StoredProblem, rows: Ints, tokens: Ints) -> Ints:
    """Return where a rule next holds in traces that may be generated to their ends."""
    return rule.halts_at(problem, rows, tokens, problem.lengths[rows])


def agrees(trace: T, tokens: int, in_a_row: int) -> bool:
    """Check whether the last `in_a_row` probes up to `tokens` exist and have the same answer."""
    streak, last = 0, None
    for at, answer in (trace.probes or {}).items():
        if at > tokens:
            break
        streak = streak + 1 if answer == last else 1
        last = answer
    return streak >= in_a_row and last is not None


def next_at(trace: T, tokens: int, conditions: Sequence[int]) -> int:
    """Find the first token count from `tokens` on at which a `ProbesAgree(k)` holds, or NEVER."""
    for now in range(tokens, 60):  # past the last probe nothing changes
        if any(agrees(trace, now, in_a_row) for in_a_row in conditions):
            return now
    return NEVER


answers = st.sampled_from(["1", "1", "2", None])


@st.composite
def probed_traces(draw: st.DrawFn) -> list[T]:
    """Traces probed at regular positions, at irregular ones, or some of them not at all."""
    regular = draw(st.booleans())
    traces = []
    for _ in range(draw(st.integers(1, 4))):
        positions = sorted(draw(st.lists(st.integers(1, 50), max_size=10, unique=True)))
        if regular:
            positions = [5 * n for n in range(1, len(positions) + 1)]
        traces.append(T(60, "1", {at: draw(answers) for at in positions}))
    return traces


@settings(max_examples=120)
@given(probed_traces(), st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_probes_agree_where_a_loop_over_tokens_says_so(
    new_folder: NewFolder, traces: list[T], conditions: list[int], data: st.DataObject
) -> None:
    problem = write_problem(new_folder(), traces)
    rule: StopRule = ProbesAgree(conditions[0])
    for in_a_row in conditions[1:]:
        rule = rule | ProbesAgree(in_a_row)
    places = st.integers(0, len(traces) - 1)
    rows = data.draw(st.lists(places, min_size=1, max_size=6))
    for _ in range(2):  # the second time it is looked up
        tokens = data.draw(st.lists(st.integers(0, 59), min_size=len(rows), max_size=len(rows)))
        halts = halts_at(rule, problem, np.array(rows), np.array(tokens))
        expected = [next_at(traces[r], n, conditions) for r, n in zip(rows, tokens, strict=True)]
        assert halts.tolist() == expected


PROBES: dict[int, str | None] = {3: "1", 7: "2", 11: "2", 20: None, 24: None, 30: "2", 31: "2"}


@pytest.mark.parametrize(
    ("tokens", "in_a_row", "expected"),
    [
        (0, 1, 3),
        (3, 1, 3),
        (19, 1, 19),  # the last probe still stands
        (20, 1, 30),  # the probe at 20 gave no answer
        (0, 2, 11),
        (11, 2, 11),
        (15, 2, 15),
        (20, 2, 31),  # two probes without an answer do not agree
        (31, 2, 31),
        (45, 2, 45),
        (0, 3, NEVER),  # no answer comes between
    ],
)
def test_probes_agree_by_hand(tmp_path: Path, tokens: int, in_a_row: int, expected: int) -> None:
    problem = write_problem(tmp_path, [T(5, "1", {}), T(50, "1", PROBES)])
    halts = halts_at(ProbesAgree(in_a_row), problem, np.array([1, 0]), np.array([tokens, 0]))
    assert halts.tolist() == [expected, NEVER]


def test_no_probe_at_all_never_agrees(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(5, "1", {}), T(50, "1", {})])
    halts = halts_at(ProbesAgree(1), problem, np.array([1, 0]), np.array([7, 0]))
    assert halts.tolist() == [NEVER, NEVER]


def test_a_rule_that_holds_already_lets_the_trace_stand_until_it_breaks(tmp_path: Path) -> None:
    _, sampler = start_engine(write_problem(tmp_path, [T(50, "1", PROBES)]))
    traces = sampler.start(1)
    until = ProbesAgree(2)
    sampler.decode(traces, tokens=15)
    sampler.decode(traces, until=until)
    assert traces.num_tokens.tolist() == [15]
    sampler.decode(traces, tokens=5)  # the probe at 20 breaks the run
    sampler.decode(traces, until=until)
    assert traces.num_tokens.tolist() == [31]


def test_a_rule_that_holds_with_the_last_token_lets_the_trace_finish(tmp_path: Path) -> None:
    traces = [T(11, "1", PROBES), T(12, "1", PROBES), T(10, "1", PROBES)]
    _, sampler = start_engine(write_problem(tmp_path, traces))
    assert sampler.decode(sampler.start(3), until=ProbesAgree(2)).ids.tolist() == [0, 2]
    assert sampler.traces.num_tokens.tolist() == [11, 11, 10]


def test_either_rule_halts(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(50, "1", PROBES)])
    rows, start = np.array([0, 0, 0]), np.array([0, 12, 20])
    three, two = ProbesAgree(3), ProbesAgree(2)
    for rule in (three | two, two | three, three | two | three):
        assert halts_at(rule, problem, rows, start).tolist() == [11, 12, 31]
        assert rule.requires == {"probes"}
    assert str(three | two) == "ProbesAgree(3) | ProbesAgree(2)"


def test_what_one_rule_prepares_another_does_not_use(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(50, "1", PROBES)])
    row, zero = np.array([0]), np.array([0])
    told = [halts_at(ProbesAgree(n), problem, row, zero).item() for n in (2, 1, 3, 2)]
    assert told == [11, 3, NEVER, 11]


@pytest.mark.parametrize("in_a_row", [0, -3, 1.5, "2", None])
def test_no_number_of_probes_cannot_agree(in_a_row: int) -> None:
    with pytest.raises(ValueError, match="ProbesAgree: in_a_row"):
        ProbesAgree(in_a_row)


def test_what_no_trace_can_reach_never_holds(tmp_path: Path) -> None:
    problem = with_texts(tmp_path, [["so ", "so "]])
    row, zero = np.array([0]), np.array([0])
    assert halts_at(ReasoningWords(10**30), problem, row, zero).tolist() == [NEVER]
    given = (ReasoningWords(10**30).k, GroupConfidenceBelow(1, 10**30).window)
    assert (*given, ProbesAgree(10**30).in_a_row) == (NEVER, NEVER, NEVER)  # 64 bits travel


# Rules about text, against what each prefix says by itself


def with_texts(cache: Path, tokens: Sequence[Sequence[str]]) -> StoredProblem:
    """Write a problem whose traces have these tokens."""
    texts = [T(len(trace), "1", text="".join(trace)) for trace in tokens]
    problem = write_problem(cache, texts)
    ends = [np.cumsum([len(token) for token in trace], dtype=np.int64) for trace in tokens]
    problem.__dict__["token_ends"] = ends  # in place of a proportional share
    return problem


def words_in(prefix: str, words: Sequence[str]) -> int:
    """Count these words in a prefix, if a further character ends them."""
    whole = re.findall(r"\w+", re.sub(r"\w+\Z", "", prefix))
    return sum(word.lower() in words for word in whole)


def matches(pattern: str, prefix: str) -> bool:
    """Check whether a pattern matches in a prefix, with no boundary at its very end."""
    for boundary in (r"\b", r"\B"):
        if f"[{boundary}]" not in pattern:  # a backspace
            pattern = pattern.replace(boundary, rf"(?:{boundary}(?!\Z))")
    return re.search(pattern, prefix) is not None


pieces = st.sampled_from(
    [
        "so",
        "So",
        " so",
        "some",
        "al",
        "so ",
        " wait",
        "WAIT",
        ",",
        "\n",
        "'s",
        "a",
        "ab",
        "",
        "é",
        "_",
    ]
)
token_lists = st.lists(st.lists(pieces, min_size=1, max_size=14), min_size=1, max_size=3)
plain = ["so", "a+b", "a.*?w", "(a|ab)so", "^so", "(?<=,)a", "(?<!s)o", "(?m)^a", "", "\n"]
others = [r"\bso\b", r"so\B", "(?i)wait,", "(?s)a.+a", "(?x) s o # $", r"\b", r"[\b]|é", "(?#[)a"]
patterns = st.sampled_from(plain + others)


@settings(max_examples=200)
@given(token_lists, st.one_of(st.integers(1, 4), patterns), st.data())
def test_text_rules_hold_of_a_prefix_where_a_loop_over_tokens_says_so(
    new_folder: NewFolder, tokens: list[list[str]], asked: int | str, data: st.DataObject
) -> None:
    problem = with_texts(new_folder(), tokens)
    rule: StopRule
    if isinstance(asked, int):
        rule = ReasoningWords(asked, words=("so", "wait", "wait_"))
    else:
        rule = TextMatches(asked)

    def holds(prefix: str) -> bool:
        if isinstance(asked, int):
            return words_in(prefix, ("so", "wait", "wait_")) >= asked
        return matches(asked, prefix)

    for _ in range(2):  # the second time it is looked up
        starts = [data.draw(st.integers(0, len(trace))) for trace in tokens]
        expected = [
            next(
                (n for n in range(start, len(trace) + 1) if holds("".join(trace[:n]))),
                NEVER,
            )
            for trace, start in zip(tokens, starts, strict=True)
        ]
        rows = np.arange(len(tokens))
        assert halts_at(rule, problem, rows, np.array(starts)).tolist() == expected


@settings(max_examples=100)
@given(
    st.lists(pieces, max_size=10),
    st.lists(pieces, max_size=6),
    st.lists(pieces, max_size=6),
    patterns,
)
def test_no_rule_about_text_changes_its_mind_with_what_comes_later(
    new_folder: NewFolder, prefix: list[str], one: list[str], other: list[str], pattern: str
) -> None:
    problem = with_texts(new_folder(), [[*prefix, *one], [*prefix, *other]])
    for rule in (ReasoningWords(1), ReasoningWords(2), TextMatches(pattern)):
        halts = halts_at(rule, problem, np.array([0, 1]), np.array([0, 0]))
        early = [at for at in halts.tolist() if at <= len(prefix)]
        assert len(set(early)) < 2
        assert len(early) in (0, 2)


@settings(max_examples=100)
@given(*[st.lists(st.integers(0, 9), max_size=20)] * 3, st.integers(1, 8), st.integers(0, 9000))
def test_group_confidence_does_not_change_its_mind_with_what_comes_later(
    new_folder: NewFolder,
    prefix: list[int],
    one: list[int],
    other: list[int],
    window: int,
    threshold: int,
) -> None:
    stored = [T(len(t), "1", confidence=t) for t in ([*prefix, *one], [*prefix, *other])]
    rule = GroupConfidenceBelow(threshold / 1000, window)
    halts = halts_at(rule, write_problem(new_folder(), stored), np.array([0, 1]), np.array([0, 0]))
    early = [at for at in halts.tolist() if at <= len(prefix)]
    assert len(early) in (0, 2)
    assert len(set(early)) < 2


def test_a_word_counts_when_the_next_character_is_there(tmp_path: Path) -> None:
    problem = with_texts(
        tmp_path, [["So", "me", " so", ",", " al", "so", " wait"], ["Let", "'s", " so", "\n"]]
    )
    rows, start = np.array([0, 1]), np.array([0, 0])
    told = [halts_at(ReasoningWords(k), problem, rows, start).tolist() for k in (1, 2, 3)]
    assert told == [[4, 2], [7, 4], [NEVER, NEVER]]  # "wait" ends with the text
    assert halts_at(ReasoningWords(1, ("some",)), problem, rows, start).tolist() == [3, NEVER]


def test_default_reasoning_words_are_those_documented() -> None:
    documented = (
        "wait thus since so but however therefore alternatively hence because actually perhaps "
        "maybe suppose assume given then also if let"
    )
    assert " ".join(REASONING_WORDS) == documented
    assert ReasoningWords(1).words == REASONING_WORDS


def test_a_text_rule_halts_a_decode_and_stands_still_after(tmp_path: Path) -> None:
    _, sampler = start_engine(with_texts(tmp_path, [["a ", "so", " b", "c", "d"]]))
    traces = sampler.start(1)
    until = TextMatches("b") | ReasoningWords(2)
    sampler.decode(traces, until=until)
    sampler.decode(traces, until=until)
    assert traces.num_tokens.tolist() == [3]
    assert str(until) == "TextMatches('b') | ReasoningWords(2)"
    assert until.requires == {"text"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "not a regular expression: missing"),
        ("a{99999999999}", "not a regular expression: the repetition number"),
        ("done$", "the end of the text"),
        (r"done\Z", "the end of the text"),
        ("a(?=b)", "what follows"),
        ("a(?!b)", "what follows"),
        ("(?>a|ab)c", "atomic"),
        ("a++b", "possessive"),
        ("a{1,2}+b", "possessive"),
        # What spelling hides: a bracket in a comment, a verbose group, a set after an escape.
        (r"\A(?#[)(?!(?s:.)*7\}$)(?#])", "what follows"),
        ("(?x: a $ # b\n)", "the end of the text"),
        ("(?x)a # [\n$", "the end of the text"),
        (r"\\[a]$[b]", "the end of the text"),
        ("(?:(?:a|(b$)))*", "the end of the text"),
        ("(?<=a$)b", "the end of the text"),
        ("(?m)a$", "the end of the text"),
        ("a(?!)", "what follows"),
        ("(?<=a(?=b))b", "a lookaround within"),
        (r"(?<!so\b)x", "within a lookbehind"),
        (r"(a)\1", "a reference to a group"),
        ("(?P<a>.)(?P=a)", "a reference to a group"),
        ("(a)?(?(1)b|w)", "a condition on a group"),
        ("(?:x{1000}){1000}", "too large"),
        ("x" * 10_001, "10001 characters"),
        (7, "not the text"),
    ],
)
def test_patterns_that_more_text_can_undo_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^TextMatches: .*{message}"):
        TextMatches(pattern)


@pytest.mark.parametrize("pattern", [r"\$5", "[$]", "[]$]", r"[^]\]$]", "a}+", "(?<!a)b", "(?:a)+"])
def test_what_only_looks_like_such_a_pattern_is_not_refused(pattern: str) -> None:
    assert TextMatches(pattern).pattern == pattern


@pytest.mark.parametrize(
    ("k", "words", "message"),
    [
        (0, ("so",), "k is 0"),
        (1.5, ("so",), r"k is 1\.5"),
        (True, ("so",), "k is True"),
        (1, "so", "tuple"),
        (1, (), "tuple"),
        (1, ("of course",), "single word"),
        (1, ("a|b",), "single word"),
    ],
)
def test_reasoning_words_that_make_no_sense_are_refused(
    k: int, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^ReasoningWords: .*{message}"):
        ReasoningWords(k, words)


# Which rules are evaluated


@dataclass(frozen=True)
class Peeking(StopRule):
    """Halts where the whole stored text is shortest, which no policy may know."""

    def halts_at(self, problem: StoredProblem, *_: object) -> Any:
        raise AssertionError("was handed the stored problem")


class Derived(ProbesAgree):
    """Of a known rule's kind, but not it."""


@pytest.mark.parametrize(
    "rule",
    [Peeking(), Derived(1), ProbesAgree(1) | Peeking(), AnyOf(Derived(2), ProbesAgree(1)), "a"],
)
def test_a_policys_own_rule_is_refused_unseen(tmp_path: Path, rule: StopRule) -> None:
    _, sampler = start_engine(write_problem(tmp_path, [T(50, "1", PROBES)]))
    with pytest.raises(SamplerError, match="only GroupConfidenceBelow, ProbesAgree"):
        sampler.decode(sampler.start(1), until=rule)
    assert sampler.tokens == 0


def test_every_rule_is_known_by_its_own_name_and_made_anew_from_its_fields() -> None:
    rules: list[Any] = [
        GroupConfidenceBelow(1.5),
        ProbesAgree(2),
        ReasoningWords(25),
        SignalAbove("entropy", 0.5),
        SignalBelow("entropy", 0.5, 7),
        TextMatches("a"),
    ]
    assert [*RULES] == [type(rule).__name__ for rule in rules]
    for rule in rules:
        check_rule(rule)
        fields = {
            each.name: getattr(rule, each.name) for each in dataclasses.fields(rule) if each.init
        }
        assert RULES[type(rule).__name__](**fields) == rule
