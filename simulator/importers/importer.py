"""Input and output types of every importer, and the checks that all of them make."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import regex

from simulator.arrays import Floats
from simulator.counting import Equality, Unparsed
from simulator.errors import UserError
from simulator.pools.pool import TokenAccuracy
from simulator.pools.records import ProblemRecord, first_unfit, unfit

T = TypeVar("T")

MAX_TOKENS = 2**31 - 1
"""The longest trace that the pool format can hold, in tokens."""

SHOWN_ROWS = 3
"""Number of dropped rows shown in full for each reason."""

CHARACTERS_PER_TOKEN = 4
"""The rule of thumb for estimating a text's length in tokens."""

DROP_HINT = "or leave such rows out with --drop-bad-rows"

NO_TRACE = "problem without a usable trace"

_SURROGATE = re.compile("[\ud800-\udfff]")
_CORRECT = {"c", "correct", "true", "1", "yes"}
_INCORRECT = {"i", "n", "incorrect", "false", "0", "no"}


class Graders(Protocol):
    """Workers, as `simulator.workers.executor.Workers`."""

    jobs: int

    def submit(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call `work` elsewhere."""


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """Files to import, and settings of the import.

    `field_map` is field to column (not for formats with fixed fields); `include_early_stopped`
    keeps traces that were stopped before their end (`deepconf` only); `tokenizer` is the folder or
    hub name of the model's tokenizer, which places the tokens in the texts; `equality` says how
    answers will be compared, and `unparsed` if traces and probes without one vote; `scratch` is a
    folder on a disk with room for all traces (None for the system's folder of temporary files);
    `progress` is called with the current activity and the fraction of it that is done;
    `answer_patterns` are searched for answers before all other forms. `graders` group answers while
    others are read.
    """

    paths: tuple[Path, ...]
    field_map: Mapping[str, str] = field(default_factory=dict)
    answer_kind: str | None = None
    drop_bad_rows: bool = False
    include_early_stopped: bool = False
    tokenizer: str | None = None
    equality: Equality = "meaning"
    unparsed: Unparsed = "abstain"
    scratch: Path | None = None
    progress: Callable[[str, float], None] = lambda what, fraction: None
    answer_patterns: tuple[regex.Pattern[str], ...] = ()
    graders: Graders | None = None


@dataclass(kw_only=True)
class Reading:
    """An importer's result: problems in ascending order of their ids, and facts about them.

    `problems` can be iterated once, and may read the files during the iteration; `total` is their
    number. `token_accuracy`, `faults` and `notes` are final after the iteration. `mapping` is field
    to column, if the importer proposed it.
    """

    problems: Iterable[ProblemRecord]
    total: int
    token_accuracy: TokenAccuracy
    faults: Faults
    notes: list[str] = field(default_factory=list)
    mapping: Mapping[str, str] = field(default_factory=dict)


class BadRow(Exception):  # noqa: N818  (reads as what it is about)
    """Error for a row that cannot be imported: the reason to count it under, value and remedy."""

    def __init__(self, reason: str, remedy: str, value: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.value = "" if value is None else f" ({_shorten(value)})"


class Faults:
    """Rows left out. The first bad row is an error, unless `drop` says to count them and go on."""

    def __init__(self, *, drop: bool) -> None:
        self.drop = drop
        self.dropped: Counter[str] = Counter()
        self.examples: list[str] = []

    @contextmanager
    def rejecting(self, where: str) -> Iterator[None]:
        """Reject the row at this place if what is done with it raises `BadRow`."""
        try:
            yield
        except BadRow as fault:
            self.reject(where, fault)

    def reject(self, where: str, fault: BadRow) -> None:
        """Count a bad row, or raise `UserError` with its place and remedy."""
        if not self.drop:
            raise UserError(f"{where}: {fault.reason}{fault.value}; {fault.remedy}, {DROP_HINT}")
        self.leave_out(where, fault.reason, fault.value)

    def leave_out(self, where: str, reason: str, detail: str = "") -> None:
        """Count a row that is left out whatever `drop` says."""
        self.dropped[reason] += 1
        if self.dropped[reason] <= SHOWN_ROWS:
            self.examples.append(f"{where}: {reason}{detail}")


def token_count(value: object, what: str, *, least: int = 1) -> int:
    """Check a number of tokens. Raises `BadRow` unless it is a whole number in range."""
    remedy = f"give {what} as a whole number of tokens"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRow(f"{what} is not a number", remedy, value)
    if isinstance(value, float) and not (math.isfinite(value) and value.is_integer()):
        raise BadRow(f"{what} is not a whole number", remedy, value)
    if value < least:
        raise BadRow(f"{what} is below {least}", remedy, value)
    if value > MAX_TOKENS:
        raise BadRow(f"{what} is too large", remedy, value)
    return int(value)


def checked(value: Any, kind: Any, reason: str, remedy: str) -> Any:
    """Return a value if it has this type. Raises `BadRow` otherwise."""
    if not isinstance(value, kind):
        raise BadRow(reason, remedy, value)
    return value


def storable(text: str) -> str:
    """Replace lone surrogates in a text, as UTF-8 cannot encode them."""
    return _SURROGATE.sub("\ufffd", text)


def answer_text(value: object, what: str = "answer") -> str | None:
    """Convert an answer to text; None for null, NaN and blank. Raises `BadRow` for objects."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and math.isinf(value):
        raise BadRow(f"{what} is infinite", f"give a finite {what}, or a text", value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if not isinstance(value, str | int | float):
        remedy = f"give a text or a number as {what}"
        if what in ("answer", "gold_answer"):
            remedy += f" (in jsonl, --map {what}=column.0 takes the first of a list)"
        raise BadRow(f"{what} is neither text nor number", remedy, value)
    return storable(str(value)).strip() or None


def verdict(value: object) -> bool | None:
    """Parse a grade (C/I, correct/incorrect, 1/0, true/false); None for anything else."""
    if isinstance(value, float) and value in (0.0, 1.0):
        value = int(value)
    word = str(value).strip().casefold()
    if word in _CORRECT:
        return True
    return False if word in _INCORRECT else None


def checked_verdict(value: object, remedy: str) -> bool:
    """Parse a grade as `verdict` does. Raises `BadRow` for anything else."""
    graded = verdict(value)
    if graded is None:
        raise BadRow("grade is neither right nor wrong", remedy, value)
    return graded


def refuse_map(options: ImportOptions, name: str) -> None:
    """Raise `UserError` for column names given with a format whose fields are fixed."""
    if options.field_map:
        raise UserError(f"{name} files have fixed fields; remove --map, or import them as jsonl")


def _shorten(value: Any, limit: int = 60) -> str:
    try:
        shown = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        shown = "a number of thousands of digits"
    return shown if len(shown) <= limit else f"{shown[:limit]}…"


def drained(problems: list[T]) -> Iterator[T]:
    """Yield the problems of a list one by one, and remove each from it to free its memory."""
    problems.reverse()
    while problems:
        yield problems.pop()


def files_in(
    paths: Iterable[Path],
    suffixes: Sequence[str],
    *,
    start: str = "",
    key: Callable[[Path], Any] | None = None,
) -> list[Path]:
    """List files: those given, and in folders all named `start`…`suffixes`, sorted by `key`.

    Compressed files (`.gz`, `.zst`) count as those that they hold.

    Raises
    ------
    UserError
        A folder without such a file, or a file given twice.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        below = [file for file in path.rglob(f"{start}*") if suffix_of(file) in suffixes]
        below = [file for file in below if file.is_file()]
        if not below:
            names = ", ".join(f"{start}*{suffix}" if start else suffix for suffix in suffixes)
            raise UserError(f"{path}: no {names} file in this folder; name the files")
        files.extend(sorted(below, key=key))
    seen: set[str] = set()
    for file in files:
        place = os.path.realpath(file)  # unlike Path.resolve, for a link that leads to itself, too
        if place in seen:
            raise UserError(f"{file}: given twice; name each file once")
        seen.add(place)
    return files


def suffix_of(path: Path) -> str:
    """Return the suffix of a file's name, without that of its compression."""
    name = path.name.lower()
    for ending in (".gz", ".zst", ".zstd"):
        name = name.removesuffix(ending)
    return Path(name).suffix


def finite_numbers(given: Sequence[Any] | Floats, what: str, remedy: str) -> Floats:
    """Convert numbers to an array. Raises `BadRow` for one that is none, or not a finite float32.

    That is what pools store.
    """
    if not isinstance(given, np.ndarray) and not all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in given
    ):
        raise BadRow(f"{what} holds something that is not a number", remedy)
    try:
        numbers = np.asarray(given, dtype=np.float64)
    except OverflowError:
        raise BadRow(f"{what} holds a number that is too large", remedy) from None
    at = first_unfit(numbers)
    if at is not None:
        raise BadRow(
            f"{what} holds a number that is {unfit(numbers[at])}",
            remedy,
            f"{numbers[at]} at token {at}",
        )
    return numbers
