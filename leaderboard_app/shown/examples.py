"""Examples that pages open on if their link names nothing: good ones, the same at every visit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from leaderboard_app.library.entry import Entry, Result
from leaderboard_app.library.library import Library
from leaderboard_app.library.pool_answers import readable
from leaderboard_app.library.standings import groups, standings
from simulator.errors import UserError
from simulator.runs.format import ANSWERS_FILE, DECISIONS_FILE

COMPARED = 3
"""Number of methods in the example of a comparison, besides majority voting."""

VOTING = "cons@"
"""Beginning of the names of majority voting."""

LOOKED_AT = 10
"""Number of entries, the best first, among which an instructive replay is looked for."""


def best_entries(library: Library) -> list[Entry]:
    """Return the entries of the first group of the board, as it has them: the best ranked first.

    Real pools come before synthetic ones; entries without a group come last.
    """
    return library.once("best entries", lambda: _best_entries(library))


def _best_entries(library: Library) -> list[Entry]:
    found: dict[str, Entry] = {}
    for synthetic in (False, True):
        for group in groups(library, synthetic)[:1]:
            found |= {row.entry.id: row.entry for row in standings(library, group)}
    return list((found | {entry.id: entry for entry in library.entries}).values())


def first_result(library: Library, entry: Entry) -> Result | None:
    """Return the entry's result on the pool that most entries use, a pool that is here if any is.

    None if it has no results.
    """
    used = library.once("used pools", lambda: _used(library))
    return min(
        entry.results.values(),
        key=lambda each: (
            each.synthetic,
            library.pool_row(each.pool) is None,
            -used[each.pool],
            each.pool,
        ),
        default=None,
    )


def _used(library: Library) -> Counter[str]:
    return Counter(each.pool for entry in library.entries for each in entry.results.values())


def most_used_pool(library: Library, *, synthetic: bool) -> str | None:
    """Return the name of the generated or recorded pool on this machine that most entries use."""
    used = library.once("used pools", lambda: _used(library))
    names = (row["name"] for row in library.pools if row["synthetic"] is synthetic)
    return min(names, key=lambda name: (-used[name], name), default=None)


def compared_entries(library: Library) -> list[Entry]:
    """Return majority voting over the most traces, if there is such an entry, and the best methods.

    Entries of one method with other settings do not count as different. All have a pool in common.
    """
    entries = best_entries(library)
    first = next((first_result(library, each) for each in entries[:1]), None)
    if first is None:
        return entries[:1]
    there = [each for each in entries if first.column in each.results]
    voting = max(
        (each for each in there if each.policy.startswith(VOTING) and each.badge is not None),
        key=lambda each: each.results[first.column].budget,
        default=None,
    )
    seen: dict[str, Entry] = {}
    for entry in there:
        if not entry.policy.startswith(VOTING) and not entry.unranked and entry.badge is not None:
            seen.setdefault(entry.policy_sha256 or entry.policy, entry)
    return [*([voting] if voting else []), *[*seen.values()][:COMPARED]]


def instructive_replay(library: Library) -> tuple[Entry, Result, str] | None:
    """Return an entry, its result on a pool and a problem whose first replay shows pruning.

    Of the best entries, verified ones first: one that stopped traces on a problem to which traces
    give several answers, and was right; if none did, one that saved tokens at a right answer. None
    without any.
    """
    return library.once("instructive", lambda: _instructive(library))


def _instructive(library: Library) -> tuple[Entry, Result, str] | None:
    found: dict[tuple[bool, bool], tuple[Entry, Result, str]] = {}
    for entry in best_entries(library)[:LOOKED_AT]:
        result = first_result(library, entry)
        if result is None or (True, True) in found:
            continue
        problem, stopped = instructive_problem(library, entry, result)
        if problem is not None:
            found.setdefault((entry.takes_part, stopped), (entry, result, problem))
    return found[max(found)] if found else None


def instructive_problem(library: Library, entry: Entry, result: Result) -> tuple[str | None, bool]:
    """Return the problem on which the entry's first replay saves the largest share of tokens.

    Among those that it answers right and to which the traces give several answers; those on which
    it stopped running traces first, which the second value tells. None if there is no such problem.
    """
    key = ("instructive", entry.id, result.column)
    return library.once(key, lambda: _instructive_problem(library, entry, result))


def _instructive_problem(library: Library, entry: Entry, result: Result) -> tuple[str | None, bool]:
    answers, decisions = (
        str(entry.figures.resolve() / name) for name in (ANSWERS_FILE, DECISIONS_FILE)
    )
    try:
        with readable(f"{entry.id}: its decisions"):
            rows: Sequence[dict[str, object]] = library.rows(
                "SELECT problem_id, coalesce(cut, 0) > 0 AS stopped FROM "
                "(SELECT * FROM read_parquet(?) WHERE pool = ? AND repeat = 0 AND correct "
                "AND tokens < baseline_tokens AND budget_classes > 1) AS answers LEFT JOIN "
                "(SELECT problem_id, count(*) AS cut FROM read_parquet(?) WHERE pool = ? "
                "AND repeat = 0 AND NOT finished AND num_tokens > 0 GROUP BY problem_id) "
                "USING (problem_id) ORDER BY stopped DESC, tokens / baseline_tokens, problem_id "
                "LIMIT 1",
                [answers, result.pool, decisions, result.pool],
            )
    except UserError:
        return None, False
    return (str(rows[0]["problem_id"]), bool(rows[0]["stopped"])) if rows else (None, False)
