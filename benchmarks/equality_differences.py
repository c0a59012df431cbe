"""Where grouping by meaning and math-verify alone differ, on the answers of real pools.

    python benchmarks/equality_differences.py POOL_OR_FILE... [--strings 2000] [--list] [--seed 0]

A POOL is a pool's folder; a FILE is one of SCOUT's (a list of problems with `each_branch`), whose
probe answers are taken, too. Problems are taken in a random order, with all their distinct answers
that are no plain numbers, until there are `--strings` of them (0: all problems). A pair is compared
by both programs if either could accept it: if we group it, or if both texts have the same value as
math-verify reads them (of more than a dozen such texts, each with the first and the next); and as
many random pairs.
math-verify is called as its authors intend, once in each direction, and accepts if one does. Counts
are printed by kind of difference (`KINDS`, the first that applies), and with `--list` every pair.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import mpmath
import pyarrow.parquet as pq
from math_verify import LatexExtractionConfig, parse, verify

from simulator.answers.equivalence import equivalent
from simulator.answers.meaning import arithmetic, grouping
from simulator.answers.meaning.math_values import describe
from simulator.answers.meaning.notation import plain

logging.getLogger("math_verify").setLevel(logging.CRITICAL)


Check = Callable[[str, str], bool]


def either(pattern: str) -> Check:
    """Return a check that a pattern is in one of two texts, or in both."""
    found = re.compile(pattern)
    return lambda a, b: bool(found.search(a) or found.search(b))


def differ(pattern: str) -> Check:
    """Return a check that what a pattern finds differs between two texts."""
    found = re.compile(pattern)
    return lambda a, b: found.findall(a) != found.findall(b)


def like(a: str, b: str) -> bool:
    """Check whether two texts are the same but for spaces and capitals."""
    return "".join(plain(a).casefold().split()) == "".join(plain(b).casefold().split())


KINDS: list[tuple[str, str, Check]] = [
    ("we accept", "spaces or capitals", like),
    ("we accept", "repeating decimals", either(r"\\overline\{\d|\\bar\{?\d")),
    ("we accept", "mixed numbers", differ(r"\d \d+/\d")),
    ("we accept", "Unicode signs", differ(r"[^\x00-\x7f]")),
    ("we accept", "thousands inside a formula", either(r"\d,\d{3}(?!\d)")),
    ("we accept", "congruences", differ(r"\\equiv")),
    ("we accept", "expectations in another font", differ(r"\\mathbb")),
    ("we accept", "sums with words", either(r"(?<![\\a-zA-Z])[a-zA-Z]{4,}")),
    ("we accept", "factorials with powers", either(r"!\^|!\s*\^")),
    ("we accept", "complex numbers", either(r"(?<![a-zA-Z\\])i(?![a-zA-Z])")),
    ("we accept", "formulas with letters", either(r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])")),
    ("we accept", "powers, roots, logarithms, factorials", either(r"\^|log|\\ln|sqrt|!")),
    ("we refuse", "dots", either(r"\.\.|dots")),
    ("we refuse", "towers of powers", either(r"\^\{\d+\^")),
    ("we refuse", "values below a millionth", either(r"\^\{?-|\^\{\d{3,}|e-\d")),
    ("we refuse", "congruences", either(r"\\equiv|mod")),
    ("we refuse", "a variable taken for a unit", differ(r"[\d}][a-zA-Z]{1,2}$")),
    ("we refuse", "an index of a variable", differ(r"_(?:\{\w+\}|\w)")),
    ("we refuse", "the argument of a function", differ(r"\\(?:sin|cos|tan)\(?")),
    ("we refuse", "letters in another order", either(r"(?<![\\a-zA-Z])[a-zA-Z]{4,}")),
    ("we refuse", "decimals that differ", differ(r"\.\d")),
]
"""Kinds of differences: who accepts, name, and check of the two texts."""


NUMBER = re.compile(r"-?[0-9.,]+")


def answers_of(path: Path) -> Iterator[list[str]]:
    """Yield the distinct answers of each problem of a pool or one of SCOUT's files."""
    if path.is_dir():
        found: dict[str, set[str]] = defaultdict(set)
        table = pq.read_table(path / "traces.parquet", columns=["problem_id", "answer"])
        for row in table.to_pylist():
            if row["answer"] is not None:
                found[row["problem_id"]].add(row["answer"])
        for texts in found.values():
            yield sorted(text for text in texts if not NUMBER.fullmatch(text))
        return
    for problem in json.loads(path.read_text()):
        branches = problem["each_branch"]
        texts = {branch[2] for branch in branches}.union(*(branch[0] for branch in branches))
        yield sorted(text for text in texts - {"ERR", ""} if not NUMBER.fullmatch(text))


@cache
def parsed(text: str) -> Any:
    """Return what math-verify reads of a text, as one formula."""
    found = parse(f"${text}$", extraction_config=[LatexExtractionConfig()])
    return [each for each in found if not isinstance(each, str)] or found


@cache
def bucket(text: str) -> str:
    """Return a key equal for texts that math-verify may hold to be equal."""
    found = parsed(text)
    if not found or isinstance(found[0], str):
        return f"text {text}"
    meaning = describe(found[0])
    if meaning is None or meaning.values is None:
        return f"kind {type(found[0]).__name__}"
    value = meaning.values[0]
    with mpmath.workdps(arithmetic.DIGITS):
        return str(mpmath.nstr(mpmath.mpmathify(arithmetic.real(value)), 6))


@cache
def accepted(a: str, b: str) -> bool:
    """Return math-verify's verdict on two texts."""
    ours, theirs = parsed(a), parsed(b)
    return any(verify(*pair, timeout_seconds=2) for pair in ((ours, theirs), (theirs, ours)))


def pairs_of(texts: list[str], draw: random.Random) -> set[tuple[str, str]]:
    """Return the pairs of one problem's texts that are worth both programs' time."""
    of_bucket: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        of_bucket[bucket(text)].append(text)
    for text, first in grouping.groups(texts).items():
        of_bucket[f"ours {first}"].append(text)
    pairs: set[tuple[str, str]] = set()
    for members in of_bucket.values():
        if len(members) <= 12:
            pairs |= set(combinations(members, 2))
        else:
            pairs |= {(members[0], other) for other in members[1:]} | set(pairwise(members))
    for _ in range(min(len(pairs), len(texts))):
        a, b = sorted(draw.sample(texts, 2)) if len(texts) > 1 else ("", "")
        pairs.add((a, b))
    return {(a, b) for a, b in pairs if a != b}


def kind_of(ours: bool, a: str, b: str) -> str:
    """Return the name of a difference's kind."""
    who = "we accept" if ours else "we refuse"
    for side, name, applies in KINDS:
        if side == who and applies(a, b):
            return f"{who}: {name}"
    return f"{who}: other"


def main() -> None:
    """Compare the two programs and print the counts."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("paths", nargs="+", type=Path)
    ask.add_argument("--strings", type=int, default=2000)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--list", action="store_true")
    said = ask.parse_args()
    draw = random.Random(said.seed)
    problems = [texts for path in said.paths for texts in answers_of(path)]
    draw.shuffle(problems)
    strings: set[str] = set()
    agreed, counts = Counter[bool](), Counter[str]()
    for part in problems:
        if said.strings and len(strings) >= said.strings:
            break
        strings |= set(part)
        for a, b in sorted(pairs_of(part, draw)):
            ours, theirs = equivalent("math", a, b), accepted(a, b)
            if ours == theirs:
                agreed[ours] += 1
                continue
            kind = kind_of(ours, a, b)
            counts[kind] += 1
            if said.list:
                print(f"{kind}\n    {a}\n    {b}\n    {plain(a)} | {plain(b)}")
    total = agreed.total() + counts.total()
    print(f"{len(strings):,} distinct answers, {total:,} pairs")
    print(f"both accept {agreed[True]:,}, both refuse {agreed[False]:,}")
    for kind, count in sorted(counts.items(), key=lambda item: (item[0][:9], -item[1])):
        print(f"{kind}: {count}")


if __name__ == "__main__":
    main()
