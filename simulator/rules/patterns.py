r"""Regular expressions that read a text once, from its first character on.

Python's `re` goes back and forth in a text and may look anywhere in it. An `Automaton` is the same
pattern as a machine that takes one character after another: it knows of a match with the first
character that completes one, has read nothing after it, and takes the same time for each character
at most. It is made from the pattern as Python has parsed it, so spelling hides nothing; what such a
machine cannot do (look at later text, refer to a group's text) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]  # the parsed pattern
from typing import Any

MAX_STEPS = 10_000
"""Most steps of a program, about one for each character of a pattern whose repeats are written out;
also the longest pattern, in characters."""

MAX_KNOWN = 100_000
"""Most transitions that an automaton remembers, about 20 MB."""

CHARACTER, SPLIT, AT, BEHIND, SEEN, MATCH = range(6)
"""Kinds of steps of a program, each with a detail, to be taken at a place of a text.

`CHARACTER`: read a character that the compiled pattern matches. `SPLIT`: go on at each of these
steps. `AT`: go on if the place is such a place. `BEHIND`: go on if a lookbehind, by its number, has
ended here, or has not. `SEEN`: a lookbehind has ended here. `MATCH`: the pattern has matched.
"""

START, LINE, WORD, ASCII_WORD = 1, 2, 4, 8
"""Properties of a place that the character before it decides: nothing is before it, a line begins
after it, it is a character of a word, it is an ASCII one."""

REFUSED: dict[Any, str] = {
    _constants.AT_END: "the end of the text ($), which depends on later text",
    _constants.AT_END_STRING: r"the end of the text (\Z), which depends on later text",
    _constants.FAILURE: "what follows, (?!), which depends on later text",
    _constants.ATOMIC_GROUP: "an atomic group, (?>...), whose match more text can undo",
    _constants.POSSESSIVE_REPEAT: "possessive repetition, such as a++, "
    "whose match more text can undo",
    _constants.GROUPREF: r"a reference to a group, such as \1 or (?P=name)",
    _constants.GROUPREF_EXISTS: "a condition on a group, (?(1)...)",
}
"""Parts of patterns that are refused, in words; further ones are refused by Python's name."""


@dataclass(eq=False)
class Program:
    """A pattern as steps: those of its lookbehinds, and from `main` on its own.

    `first` finds the next character with which a match or a lookbehind can begin; None if that may
    be many different ones, or none.
    """

    steps: list[tuple[int, Any]] = field(default_factory=list)
    lookbehinds: list[int] = field(default_factory=list)
    main: int = 0
    first: re.Pattern[str] | None = None


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Program:
    """Compile a pattern, all of which depends on earlier text only.

    Raises
    ------
    ValueError
        The pattern is not a regular expression, is too large, or has a part that is refused.
    """
    if len(pattern) > MAX_STEPS:
        raise ValueError(f"a pattern of {len(pattern)} characters; at most {MAX_STEPS}")
    try:
        re.compile(pattern)
        parsed = _parser.parse(pattern)
        return _Writer(pattern, parsed).program
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(
            f"the pattern {pattern!r:.200} is not a regular expression: {error}"
        ) from None


class _Writer:
    """Writer of the program of one parsed pattern."""

    def __init__(self, pattern: str, parsed: Any) -> None:
        self._pattern = pattern
        self._characters: dict[tuple[str, int], re.Pattern[str]] = {}
        self._literals: dict[re.Pattern[str], tuple[list[Any], int]] = {}
        self._numbers: dict[int, int] = {}  # of lookbehinds, by the identity of what they look for
        self.program = program = Program()
        self._lookbehinds(parsed, parsed.state.flags)
        program.main = len(program.steps)
        self._sequence(parsed, parsed.state.flags)
        self._add(MATCH)
        program.first = self._first()

    def _refuse(self, what: str) -> None:
        raise ValueError(
            f"the pattern {self._pattern!r:.200} uses {what}; match existing text instead, such as "
            "a following newline"
        )

    def _first(self) -> re.Pattern[str] | None:
        program, items, flags = self.program, [], set()
        waiting = [program.main, *program.lookbehinds]
        reached: set[int] = set()
        while waiting:
            place = waiting.pop()
            kind, detail = program.steps[place]
            if kind == MATCH:
                return None
            if kind == CHARACTER:
                if detail not in self._literals:
                    return None
                items += self._literals[detail][0]
                flags.add(self._literals[detail][1])
            elif kind != SEEN and place not in reached:
                waiting += detail if kind == SPLIT else [place + 1]
            reached.add(place)
        return _one_character(_constants.IN, items, flags.pop()) if len(flags) == 1 else None

    def _add(self, kind: int, detail: Any = None) -> int:
        steps = self.program.steps
        if len(steps) >= MAX_STEPS:
            raise ValueError(
                f"the pattern {self._pattern!r:.200} is too large: with its repeats written out, "
                f"it has more than {MAX_STEPS} steps"
            )
        steps.append((kind, detail))
        return len(steps) - 1

    def _lookbehinds(self, tree: Iterable[Any], flags: int) -> None:
        """Write what each lookbehind looks for, before the pattern itself."""
        for kind, detail in tree:
            if kind in (_constants.ASSERT, _constants.ASSERT_NOT):
                direction, wanted = detail
                if direction > 0:
                    self._refuse("what follows, (?=...) or (?!...), which depends on later text")
                self._numbers[id(wanted)] = len(self.program.lookbehinds)
                self.program.lookbehinds.append(len(self.program.steps))
                self._sequence(wanted, flags, within=True)
                self._add(SEEN, self._numbers[id(wanted)])
            elif kind is _constants.BRANCH:
                for branch in detail[1]:
                    self._lookbehinds(branch, flags)
            elif kind is _constants.SUBPATTERN:
                self._lookbehinds(detail[3], _with_flags(flags, detail[1], detail[2]))
            elif kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
                self._lookbehinds(detail[2], flags)

    def _sequence(self, tree: Iterable[Any], flags: int, *, within: bool = False) -> None:
        """Write the steps of one part after another; `within` a lookbehind fewer may be used."""
        for kind, detail in tree:
            if kind in (
                _constants.LITERAL,
                _constants.NOT_LITERAL,
                _constants.ANY,
                _constants.IN,
            ):
                self._add(CHARACTER, self._character(kind, detail, flags))
            elif kind is _constants.SUBPATTERN:
                _, added, removed, part = detail
                self._sequence(part, _with_flags(flags, added, removed), within=within)
            elif kind is _constants.BRANCH:
                self._branches(detail[1], flags, within)
            elif kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
                least, most, part = detail
                self._repeat(least, most, part, flags, within)
            elif kind is _constants.AT:
                self._place(detail, flags, within)
            elif kind in (_constants.ASSERT, _constants.ASSERT_NOT) and not within:
                self._add(BEHIND, (self._numbers[id(detail[1])], kind is _constants.ASSERT))
            elif kind in (_constants.ASSERT, _constants.ASSERT_NOT):
                self._refuse("a lookaround within a lookbehind")
            else:
                self._refuse(REFUSED.get(kind, f"{kind}, which stop rules do not know"))

    def _branches(self, branches: Sequence[Any], flags: int, within: bool) -> None:
        ends = []
        for branch in branches[:-1]:
            split = self._add(SPLIT)
            self._sequence(branch, flags, within=within)
            ends.append(self._add(SPLIT))
            self.program.steps[split] = SPLIT, (split + 1, len(self.program.steps))
        self._sequence(branches[-1], flags, within=within)
        for end in ends:
            self.program.steps[end] = SPLIT, (len(self.program.steps),)

    def _repeat(self, least: int, most: int, part: Any, flags: int, within: bool) -> None:
        """Write a repeat out; whether it takes much or little first changes no match's presence."""
        for _ in range(least):
            self._sequence(part, flags, within=within)
        splits = []
        if most is _constants.MAXREPEAT:
            splits.append(self._add(SPLIT))
            self._sequence(part, flags, within=within)
            self._add(SPLIT, (splits[0],))
        else:
            for _ in range(most - least):
                splits.append(self._add(SPLIT))
                self._sequence(part, flags, within=within)
        for split in splits:
            self.program.steps[split] = SPLIT, (split + 1, len(self.program.steps))

    def _place(self, at: Any, flags: int, within: bool) -> None:
        if at in (_constants.AT_BEGINNING, _constants.AT_BEGINNING_STRING):
            line = at is _constants.AT_BEGINNING and flags & re.MULTILINE
            self._add(AT, (LINE if line else START, None))
        elif at in (_constants.AT_BOUNDARY, _constants.AT_NON_BOUNDARY):
            if within:
                self._refuse(r"\b or \B within a lookbehind, which depends on later text")
            word = ASCII_WORD if flags & re.ASCII else WORD
            self._add(AT, (word, at is _constants.AT_BOUNDARY))
        else:
            self._refuse(REFUSED.get(at, f"{at}, which stop rules do not know"))

    def _character(self, kind: Any, detail: Any, flags: int) -> re.Pattern[str]:
        """Return the pattern of a single character, compiled by Python itself."""
        key = repr((kind, detail)), flags
        if key not in self._characters:
            one = self._characters[key] = _one_character(kind, detail, flags)
            items = [(kind, detail)] if kind is _constants.LITERAL else detail
            if kind in (_constants.LITERAL, _constants.IN) and all(
                item[0] is _constants.LITERAL for item in items
            ):
                self._literals[one] = items, flags
        return self._characters[key]


def _one_character(kind: Any, detail: Any, flags: int) -> re.Pattern[str]:
    state = _parser.State()
    state.flags = flags
    compiled: re.Pattern[str] = _compiler.compile(_parser.SubPattern(state, [(kind, detail)]))
    return compiled


def _with_flags(flags: int, added: int, removed: int) -> int:
    if added & _parser.TYPE_FLAGS:
        flags &= ~_parser.TYPE_FLAGS
    return (flags | added) & ~removed


def _properties(character: str) -> int:
    """Return the properties of the place after a character."""
    if character == "\n":
        return LINE
    if not (character.isalnum() or character == "_"):
        return 0
    return WORD | ASCII_WORD if character.isascii() else WORD


class State(dict[str, "State | None"]):
    """A state of an automaton: the next state by character; None is a match.

    `pending` are the steps that wait for the next character, `before` the properties of the place.
    """

    __slots__ = ("_automaton", "before", "pending")

    def __init__(self, automaton: Automaton, pending: frozenset[int], before: int) -> None:
        self._automaton = automaton
        self.pending = pending
        self.before = before

    def __missing__(self, character: str) -> State | None:
        following = self._automaton.after(self, character)
        self[character] = following
        return following


class Automaton:
    """A machine that reads a text and tells the first character with which a pattern matches.

    Its states are found as texts lead to them, as a set of all ways to match so far.

    Attributes
    ----------
    start
        The state before the first character; None if the pattern matches the empty text.
    """

    def __init__(self, program: Program) -> None:
        self._steps = program.steps
        self._lookbehinds = program.lookbehinds
        self._main = program.main
        self._first = program.first
        self._relevant = 0
        for kind, detail in program.steps:
            self._relevant |= detail[0] if kind == AT else 0
        self._states: dict[tuple[frozenset[int], int], State] = {}
        self._known = 0
        self._idle = State(self, frozenset(), 0)  # stands for all without a beginning of a match
        self.start = self._state(frozenset(), START | LINE)

    def read(
        self, state: State | None, text: str, place: int, end: int
    ) -> tuple[State | None, int]:
        """Read a text on from a state and a place, up to `end` or to a match.

        Returns
        -------
        The state and the place then: None, and the end of the character that completed a match.
        """
        idle = self._idle
        while place < end and state is not None:
            if state is idle:
                found = self._first.search(text, place, end) if self._first else None
                if found is None:
                    return idle, end
                place = found.start()
                state = self._entered(_properties(text[place - 1]) if place else START | LINE)
            characters: Any = iter(text)  # copies nothing, so nothing past a match is touched
            characters.__setstate__(place)
            for character in islice(characters, end - place):
                state = state[character]
                place += 1
                if state is None or state is idle:
                    break
        return state, place

    def after(self, state: State, character: str) -> State | None:
        """Return the state after one more character; None if the pattern has matched with it."""
        self._known += 1
        if self._known > MAX_KNOWN:
            self._forget()
        properties = _properties(character)
        reached = self._reached(state.pending, state.before, properties)
        pending = []
        for place in reached:
            kind, detail = self._steps[place]
            if kind == MATCH:
                return None
            if kind == CHARACTER and detail.match(character):
                pending.append(place + 1)
        return self._state(frozenset(pending), properties)

    def _state(self, pending: frozenset[int], before: int) -> State | None:
        if self._first and not pending:
            return self._idle
        reached = self._reached(pending, before, None)
        if any(self._steps[place][0] == MATCH for place in reached):
            return None
        return self._entered(before, pending)

    def _entered(self, before: int, pending: frozenset[int] = frozenset()) -> State:
        key = pending, before & self._relevant
        if key not in self._states:
            self._states[key] = State(self, *key)
        return self._states[key]

    def _forget(self) -> None:
        """Drop all transitions; states that a scan holds stay valid."""
        for state in self._states.values():
            state.clear()
        self._states.clear()
        self._known = 0

    def _reached(self, pending: Iterable[int], before: int, following: int | None) -> set[int]:
        """Return all steps that are reached without reading; a match may begin anywhere.

        `following` are the properties that the next character gives, None at the end of the text so
        far: boundaries of words do not hold there.
        """
        seen: set[int] = set()
        if self._lookbehinds:
            earlier = [place for place in pending if place < self._main]
            behind = self._closure([*self._lookbehinds, *earlier], before, following, seen)
            seen = {self._steps[place][1] for place in behind if self._steps[place][0] == SEEN}
            pending = [place for place in pending if place >= self._main]
            return behind | self._closure([self._main, *pending], before, following, seen)
        return self._closure([self._main, *pending], before, following, seen)

    def _closure(
        self, places: list[int], before: int, following: int | None, seen: set[int]
    ) -> set[int]:
        reached: set[int] = set()
        while places:
            place = places.pop()
            if place in reached:
                continue
            reached.add(place)
            kind, detail = self._steps[place]
            if kind == SPLIT:
                places.extend(detail)
            elif (kind == AT and _holds(detail[0], detail[1], before, following)) or (
                kind == BEHIND and (detail[0] in seen) is detail[1]
            ):
                places.append(place + 1)
        return reached


def _holds(property: int, boundary: bool | None, before: int, following: int | None) -> bool:
    """Check whether a place has a property, or is a boundary of a word (True) or none (False)."""
    if boundary is None:
        return bool(before & property)
    return following is not None and (bool((before ^ following) & property) is boundary)
