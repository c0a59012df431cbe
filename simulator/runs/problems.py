"""Choice of the problems of a run: all of its pools, or a part by id, place, file or hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from simulator.errors import UserError, nearest
from simulator.pools.pool import Pool
from simulator.storage import read_plain_text

FORMS = "ids, range:1-10, hash:0/2 or file:ids.txt"
"""Forms in which problems are chosen, as errors and help texts name them."""

NOT = "not:"
"""Prefix of a choice, for all other problems."""

Names = tuple[str, str]
"""The benchmark and the id of a problem."""


@dataclass(frozen=True)
class Chosen:
    """Problems of a run: as `typed`, and their places in each of its pools, in ascending order."""

    typed: str
    places: Sequence[Sequence[int]]


def choose_problems(typed: str, pools: Sequence[Pool]) -> Chosen | None:
    r"""Choose problems of pools by a list of terms; None if these are all problems.

    Parameters
    ----------
    typed
        Terms with commas between them (`\,` is a comma in an id): an id, also with `*`;
        `range:A-B`, the A-th to the B-th problem of each pool; `hash:K/M`, those whose SHA-256 of
        `benchmark/id` is K modulo M, the same in the pools of all models; `file:NAME`, the ids in
        the lines of a file. A problem is chosen if one of the terms does; after `not:`, which can
        stand in front of the list, if none does.

    Raises
    ------
    UserError
        A term is none of these or chooses nothing, or a pool has none of the problems.
    """
    names = [[(pool.info.benchmark, each.problem_id) for each in pool.problems] for pool in pools]
    terms = typed.removeprefix(NOT)
    wanted = [_term(each.replace("\\,", ",")) for each in re.split(r"(?<!\\),", terms)]
    places: list[list[int]] = [[] for _ in pools]
    for term, chooses in wanted:
        before = sum(map(len, places))
        for here, of_pool in zip(places, names, strict=True):
            here += [place for place, name in enumerate(of_pool) if chooses(place, name)]
        if sum(map(len, places)) == before:
            known = list(dict.fromkeys(each for of_pool in names for _, each in of_pool))
            hint = nearest(term, known, "ids are", 0.5)
            raise UserError(f"--problems {term}: chooses no problem here; {hint:.300}")
    places = [
        [place for place in range(len(of_pool)) if (place in here) != (terms != typed)]
        for here, of_pool in zip(map(set, places), names, strict=True)
    ]
    for pool, here in zip(pools, places, strict=True):
        if not here:
            raise UserError(f"--problems {typed:.100}: no problem of {pool.name}; leave it out")
    if all(len(here) == len(of_pool) for here, of_pool in zip(places, names, strict=True)):
        return None
    return Chosen(typed, places)


def problem_names(pool: Pool) -> list[tuple[Names, str]]:
    """Return benchmark and id of each problem of a pool, with its question squeezed together.

    The benchmark is in lower case; the question without spaces, in lower case, empty if unknown.
    Traces are not read.
    """
    benchmark = pool.info.benchmark.casefold()
    rows = pool.read_problems()
    return [
        ((benchmark, row["problem_id"]), "".join((row["question"] or "").casefold().split()))
        for row in rows
    ]


def hashed(name: Names, shares: int) -> int:
    """Return the share of 0 to `shares` - 1 that a problem falls into, whatever the others are.

    It follows from the SHA-256 of `benchmark/id`, the benchmark in lower case.
    """
    benchmark, problem = name
    digest = hashlib.sha256(f"{benchmark.casefold()}/{problem}".encode()).digest()
    return int.from_bytes(digest[:8]) % shares


def _term(term: str) -> tuple[str, Callable[[int, Names], bool]]:
    """Return a term, and the check whether it chooses the problem at a place."""
    kind, colon, rest = term.partition(":")
    if colon and kind == "hash":
        share, shares = _numbers(term, rest, r"(\d+)/0*([1-9]\d*)", "hash:0/2, one of two halves")
        if not share < shares:
            raise UserError(f"--problems {term}: shares of {shares} are 0 to {shares - 1}")
        return term, lambda place, name: hashed(name, shares) == share
    if colon and kind == "range":
        first, last = _numbers(term, rest, r"(\d+)-(\d+)", "range:1-10, the first ten")
        if not 1 <= first <= last:
            raise UserError(f"--problems {term}: give the lower place first, from 1 on")
        return term, lambda place, name: first <= place + 1 <= last
    if colon and kind == "file":
        ids = _lines(rest)
        return term, lambda place, name: name[1] in ids
    if not term:
        raise UserError(f"--problems: an empty term; give {FORMS}, with commas between")
    return term, lambda place, name: name[1] == term or fnmatchcase(name[1], term)


def _numbers(term: str, text: str, form: str, example: str) -> tuple[int, int]:
    found = re.fullmatch(form, text, re.ASCII)
    if found is None or max(map(len, found.groups())) > 9:
        raise UserError(f"--problems {term:.100}: give it as {example}")
    return int(found[1]), int(found[2])


def _lines(file: str) -> set[str]:
    """Read ids from a file, one a line; empty lines do not count."""
    try:
        found = {line.strip() for line in read_plain_text(Path(file)).splitlines()} - {""}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--problems file:{file}: cannot be read ({reason})") from None
    if not found:
        raise UserError(f"--problems file:{file}: has no ids; give one a line")
    return found
