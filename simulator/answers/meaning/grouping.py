"""Grouping of a problem's mathematical answers by meaning, in any order with the same result.

Answers with the same key (see `reading`) are one group, which takes no comparison. Then groups that
may stand for exactly one other join it (a percentage its number, a decimal the value that it
rounds), and groups that only math-verify may know to be equal are compared pair by pair. Candidates
are taken by length and text, so that no step depends on the order of traces.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from simulator.answers.meaning import math_answers
from simulator.answers.meaning.notation import plain
from simulator.answers.meaning.reading import read
from simulator.answers.meaning.readings import Key, Reading, Standing, same

MAX_COMPARISONS = 1000
"""Maximum calls to math-verify while one problem's answers are grouped; no real pool comes near it.
Beyond it, answers are compared by their key only. Comparisons with the gold answer do not count."""

MAX_SECONDS = 10.0
"""Processor time of math-verify's comparisons for one problem; beyond it, as `MAX_COMPARISONS`."""

_PLAIN = ("value", "text", "percent")


def means(a: str, b: str) -> bool:
    """Check whether two mathematical answers mean the same; the order of the two is no matter."""
    ours, theirs = read(a), read(b)
    return same(ours, theirs) or (_needs_verifying(ours, theirs) and _verified(a, b))


def groups(answers: Iterable[str]) -> dict[str, str]:
    """Group distinct answers by meaning.

    Returns the representative of each answer's group: the shortest, first in the alphabet.
    """
    ordered = sorted(set(answers), key=lambda text: (len(text), text))
    of_key: dict[Key, list[str]] = defaultdict(list)
    for text in ordered:
        of_key[read(text).key].append(text)
    joined = _Union()
    for follower, leader in _followers(of_key).items():
        joined.join(follower, leader)
    _verify_formulas(of_key, joined)
    members: dict[Key, list[str]] = defaultdict(list)
    for key, texts in of_key.items():
        members[joined.root(key)] += texts
    found: dict[str, str] = {}
    for texts in members.values():
        first = min(texts, key=lambda text: (len(text), text))
        found |= dict.fromkeys(texts, first)
    return found


class _Union:
    """Groups of keys that were joined."""

    def __init__(self) -> None:
        self._parent: dict[Key, Key] = {}

    def root(self, key: Key) -> Key:
        while key in self._parent:
            key = self._parent[key]
        return key

    def join(self, key: Key, other: Key) -> None:
        a, b = self.root(key), self.root(other)
        if a != b:
            self._parent[a] = b


def _followers(of_key: dict[Key, list[str]]) -> dict[Key, Key]:
    """Return the group that each group joins: the only one it can stand for, if any.

    A percentage prefers its number (28) to its value (0.28). Of several groups that could join the
    same one as equations, tuples or percentages do, none joins, as they differ from one another.
    """
    readings = {key: [read(text) for text in texts] for key, texts in of_key.items()}
    wanted: dict[Key, tuple[Standing | str, Key]] = {}
    exact = _exact_by_rounding(readings)
    for key, members in readings.items():
        decimal = next((reading for reading in members if reading.is_decimal), None)
        leaders = exact.get(decimal.rounded, []) if decimal else []
        if len(leaders) == 1 and leaders[0] != key:
            wanted[key] = ("decimal", leaders[0])
            continue
        standing = {pair: None for reading in members for pair in reading.stands_for}
        present = [(kind, leader) for kind, leader in standing if leader in readings]
        present = [(kind, leader) for kind, leader in present if kind != "digits"]
        if present and (present[0][0] == "percent" or len({leader for _, leader in present}) == 1):
            wanted[key] = present[0]
    rivals: dict[tuple[Standing | str, Key], int] = defaultdict(int)
    for pair in wanted.values():
        rivals[pair] += 1
    return {
        key: leader
        for key, (kind, leader) in wanted.items()
        if kind == "decimal" or rivals[kind, leader] == 1
    }


def _exact_by_rounding(readings: dict[Key, list[Reading]]) -> dict[Key, list[Key]]:
    """Return the groups of exact values with numbers that a decimal may round, by rounded key."""
    found: dict[Key, list[Key]] = defaultdict(list)
    for key, members in readings.items():
        if not any(reading.is_decimal for reading in members) and members[0].rounded is not None:
            found[members[0].rounded].append(key)
    return found


def _verify_formulas(of_key: dict[Key, list[str]], joined: _Union) -> None:
    """Join the groups that math-verify accepts as equal, within its limits for one problem."""
    firsts = {key: texts[0] for key, texts in of_key.items()}
    formulas = [key for key, text in firsts.items() if read(text).is_formula]
    others = [key for key, text in firsts.items() if not read(text).is_formula]
    pairs = [*combinations(formulas, 2), *((a, b) for a in formulas for b in others)]
    comparisons, started = 0, time.process_time()
    for a, b in pairs:
        if joined.root(a) == joined.root(b) or not _needs_verifying(
            read(firsts[a]), read(firsts[b])
        ):
            continue
        if not math_answers.may_be_same(plain(firsts[a]), plain(firsts[b])):
            continue
        if comparisons == MAX_COMPARISONS or time.process_time() - started > MAX_SECONDS:
            return
        comparisons += 1
        if math_answers.verified(plain(firsts[a]), plain(firsts[b])):
            joined.join(b, a)


def _needs_verifying(a: Reading, b: Reading) -> bool:
    """Check whether only math-verify can tell: one is a formula, the other no plain value."""
    if not (a.is_formula or b.is_formula):
        return False
    return all(
        each.is_formula or each.key[0] not in ("value", "text", "percent") for each in (a, b)
    )


def _verified(a: str, b: str) -> bool:
    ours, theirs = plain(a), plain(b)
    return math_answers.may_be_same(ours, theirs) and math_answers.verified(ours, theirs)
