r"""Corrections of grades and groups by hand, from a small TOML file.

    [[corrections]]
    problem = "27"
    answer = '7:2'
    verdict = "same-as"          # or "right", "wrong", "not-same-as"
    other = '\frac{7}{2}'         # with same-as and not-same-as
    reason = "the ratio that the question asks for"

`right` says that the answer means the gold answer, and with it all answers of its group. `wrong`
takes the answer, as it is spelled there, out of the group of right answers; where it is the gold
answer itself, the whole group is wrong. `same-as` joins the groups of two answers, and
`not-same-as` takes the answer out of the other's group.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from simulator.answers.equivalence import Classes
from simulator.errors import UserError, nearest
from simulator.storage import read_plain_text

VERDICTS = ("right", "wrong", "same-as", "not-same-as")
"""Verdicts of a correction; the last two compare with another answer."""

LITERAL = r"put answers in single quotes, as in answer = '\frac{1}{2}'"
"""Remedy for answers whose backslashes TOML takes as escapes: `\\f`, `\\b`, `\\t`, `\\r`."""

_ESCAPED = re.compile(r"[\x08\t\f\r]")

MOST = 500
"""Longest reason, in characters."""


class UnfitCorrection(UserError):  # noqa: N818  (what it is)
    """A correction that does not fit the answers of a pool, or the other corrections."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A person's verdict on an answer to a problem; `other` is None unless it is compared."""

    problem: str
    answer: str
    verdict: str
    reason: str
    other: str | None = None

    def __str__(self) -> str:
        than = "" if self.other is None else f" {self.other!r}"
        return f"problem {self.problem!r}, {self.answer!r} {self.verdict}{than}"

    @property
    def claim(self) -> tuple[str, str, str, str]:
        """Everything but the reason: two corrections of the same claim are the same."""
        return self.problem, self.answer, self.verdict, self.other or ""

    def as_dict(self) -> dict[str, str]:
        """Convert to the form in `pool.json`, which has `other` only where there is one."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def read_corrections(file: Path) -> list[Correction]:
    """Read a file of corrections.

    Raises
    ------
    UserError
        The file cannot be read or is not TOML, a correction has no reason or another unfit field,
        or two of them contradict each other.
    """
    try:
        fields = tomllib.loads(read_plain_text(file).removeprefix("\ufeff"))
    except OSError as fault:
        raise UserError(f"{file}: cannot be read ({fault.strerror}); check --corrections") from None
    except (ValueError, RecursionError) as fault:
        raise UserError(f"{file}: not TOML ({fault}); {LITERAL}") from None
    rows = fields.get("corrections")
    if {*fields} != {"corrections"} or not isinstance(rows, list) or not rows:
        raise UserError(f"{file}: holds no [[corrections]], or something else beside them")
    return checked_corrections(rows, str(file))


def checked_corrections(rows: Iterable[Any], source: str) -> list[Correction]:
    """Check corrections from a file or from `pool.json`; errors as `read_corrections` has them."""
    found: dict[tuple[str, str, str, str], Correction] = {}
    for number, row in enumerate(rows, start=1):
        correction = _checked(row, f"{source}: correction {number}")
        if correction.claim in found:
            raise UserError(f"{source}: correction {number} ({correction}) is there twice")
        found[correction.claim] = correction
    for each in found.values():
        against = _opposite(each)
        if against in found:
            raise UserError(
                f"{source}: {each} and {found[against]} contradict each other; remove one"
            )
    return list(found.values())


def _checked(row: Any, where: str) -> Correction:
    if not isinstance(row, dict):
        raise UserError(f"{where}: not a table; begin each with [[corrections]]")
    names = Correction.__dataclass_fields__
    for key, value in row.items():
        if key not in names:
            raise UserError(f"{where}: no field {key!r}; {nearest(key, names, 'fields:')}")
        if not isinstance(value, str) or not value.strip():
            raise UserError(f"{where}: {key} is not a text; put it in quotes")
        if key in ("answer", "other") and _ESCAPED.search(value):
            raise UserError(f"{where}: {key} {value!r} has a control character; {LITERAL}")
    for key in ("problem", "answer", "verdict", "reason"):
        if key not in row:
            remedy = "say in a few words why" if key == "reason" else "add it"
            raise UserError(f"{where}: no {key}; {remedy}")
    if row["verdict"] not in VERDICTS:
        hint = nearest(row["verdict"], VERDICTS, "use one of")
        raise UserError(f"{where}: no verdict {row['verdict']!r}; {hint}")
    compares = row["verdict"].endswith("same-as")
    if compares != ("other" in row) or row.get("other") == row["answer"]:
        remedy = "name another answer as other" if compares else "remove other"
        raise UserError(f"{where}: {row['verdict']} of {row['answer']!r}; {remedy}")
    if len(row["reason"]) > MOST:
        raise UserError(f"{where}: the reason has more than {MOST} characters; shorten it")
    return Correction(**row)


def _opposite(correction: Correction) -> tuple[str, str, str, str]:
    problem, answer, verdict, other = correction.claim
    opposite = {"right": "wrong", "wrong": "right", "same-as": "not-same-as"}
    return problem, answer, opposite.get(verdict, "same-as"), other


def by_problem(corrections: Iterable[Correction]) -> dict[str, list[Correction]]:
    """Return the corrections of each problem."""
    found: dict[str, list[Correction]] = {}
    for each in corrections:
        found.setdefault(each.problem, []).append(each)
    return found


def unknown_problem(correction: Correction, problems: Collection[str]) -> UserError:
    """Return the error for a correction of a problem that the pool does not have."""
    hint = nearest(correction.problem, problems, "there are")
    if len(hint) > 200:
        hint = f"{hint[:200]}…"
    return UnfitCorrection(f"correction of {correction}: no problem {correction.problem!r}; {hint}")


def corrected(classes: Classes, gold_answer: str, corrections: Sequence[Correction]) -> Classes:
    """Apply the corrections of one problem to its answers.

    Right answers form one class, as in `classify`, and classes are numbered anew in order of first
    appearance.

    Raises
    ------
    UserError
        No trace or probe gave an answer that is named, or a correction contradicts the others.
    """
    if not corrections:
        return classes
    for each in corrections:
        _check_known(each, classes.of_text, gold_answer)
    corrections = [_plain(each, classes.of_text, gold_answer) for each in corrections]
    group: dict[str, int] = dict(classes.of_text)
    right = {number for number, correct in enumerate(classes.correct) if correct}
    _split(group, right, gold_answer, corrections)
    for each in corrections:
        if each.verdict == "same-as" and each.other is not None:
            _join(group, right, group[each.answer], group[each.other])
    right |= {group[each.answer] for each in corrections if each.verdict == "right"}
    for one in sorted(right)[1:]:
        _join(group, right, one, min(right))
    for each in corrections:
        if not _holds(each, group, right):
            raise UnfitCorrection(
                f"correction of {each}: contradicts the other corrections of this problem; "
                "remove or change one"
            )
    return _numbered(group, right)


def _check_known(correction: Correction, known: Mapping[str, int], gold_answer: str) -> None:
    named = [correction.answer]
    if correction.other is not None and correction.other != gold_answer:
        named.append(correction.other)
    for answer in named:
        if answer not in known:
            hint = nearest(answer, known, "answers:", cutoff=0.4)
            if len(hint) > 200:
                hint = f"{hint[:200]}…"
            raise UnfitCorrection(
                f"correction of {correction}: no trace answers {answer!r}; {hint}"
            )


def _plain(correction: Correction, known: Collection[str], gold_answer: str) -> Correction:
    """Turn a comparison with a gold answer that no one gave into a verdict."""
    if correction.other != gold_answer or gold_answer in known:
        return correction
    verdict = "right" if correction.verdict == "same-as" else "wrong"
    return replace(correction, verdict=verdict, other=None)


def _split(
    group: dict[str, int], right: set[int], gold_answer: str, corrections: Sequence[Correction]
) -> None:
    """Take answers out of groups in which a correction does not leave them."""
    named_right = {each.answer for each in corrections if each.verdict == "right"}
    wrong = {each.answer for each in corrections if each.verdict == "wrong"}
    if gold_answer in wrong:
        right.discard(group[gold_answer])
    right_groups = right | {group[answer] for answer in named_right}
    alone = [answer for answer in wrong if group[answer] in right_groups]
    alone += [
        each.answer
        for each in corrections
        if each.verdict == "not-same-as" and group[each.answer] == group.get(each.other or "")
    ]
    new = max(group.values()) + 1
    for answer in dict.fromkeys(alone):
        group[answer] = new
        new += 1


def _join(group: dict[str, int], right: set[int], one: int, other: int) -> None:
    """Join two groups under the number of the second."""
    if one == other:
        return
    for answer, number in group.items():
        if number == one:
            group[answer] = other
    if one in right:
        right.discard(one)
        right.add(other)


def _holds(correction: Correction, group: Mapping[str, int], right: Collection[int]) -> bool:
    ours = group[correction.answer]
    if correction.verdict in ("right", "wrong"):
        return (ours in right) == (correction.verdict == "right")
    return (ours == group[correction.other or ""]) == (correction.verdict == "same-as")


def _numbered(group: Mapping[str, int], right: Collection[int]) -> Classes:
    numbers = {old: new for new, old in enumerate(dict.fromkeys(group.values()))}
    texts: dict[int, str] = {}
    for text, old in group.items():
        texts.setdefault(numbers[old], text)
    return Classes(
        texts=[texts[number] for number in range(len(numbers))],
        correct=[old in right for old in numbers],
        of_text={text: numbers[old] for text, old in group.items()},
    )
