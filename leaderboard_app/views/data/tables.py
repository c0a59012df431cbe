"""Tables of the page Data: the pools on this machine, and the problems of one pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from judges.evaluation.redundancy import PUBLISHED_SHARES
from leaderboard_app.library.library import Library
from leaderboard_app.library.pool_answers import PoolAnswers
from leaderboard_app.shown.glossary import TOKEN_ACCURACY
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.table import Cell, Column, Table, estimate_cell
from simulator.catalogue.pool_rows import Row
from simulator.hub.registry import Entry, read_registry
from simulator.pools.pool import PoolInfo
from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS
from simulator.statistics import Estimate

SAME_ANSWER = (
    "Redundancy: share of pairs of traces of the same problem that end in the same answer, over "
    "all problems; traces without an answer are left out. In brackets: 95% interval, a bootstrap "
    "over problems."
)

FIGURES = {
    "pass@k": (
        "Probability that one of k random traces is right (unbiased estimator of Chen et al. "
        "2021), averaged over problems."
    ),
    "cons@k": (
        "Accuracy of majority voting over k traces drawn at random, without replacement; ties go "
        "to the answer seen first, which is each of them equally often. Exact for one trace and "
        "for all; between them, the mean over 1,000 random subsets of each problem, fixed by a "
        "seed."
    ),
}
"""The curves and their definitions."""


def with_interval(estimate: Estimate | None, why: str = "no two traces have answers") -> Cell:
    """Build the cell of a share in percent with its 95% interval."""
    return estimate_cell(estimate, why, scale=100, digits=1)


def pools_table(pools: Sequence[Row], redundancy: Mapping[str, Estimate | str | None]) -> Table:
    """Build the table of the pools on this machine.

    Parameters
    ----------
    pools
        Rows of the view `pools`.
    redundancy
        Redundancy by pool name, or the reason there is none.
    """
    columns = (
        Column("model", "Model", numeric=False, help="Follow the link to open the pool."),
        Column("benchmark", "Benchmark", numeric=False),
        Column("dataset", "Dataset", numeric=False),
        Column("problems", "Problems", descending=True),
        Column("traces", "Traces", descending=True),
        Column("traces_per_problem", "Traces a problem", help="On average.", descending=True),
        Column("tokens", "Tokens", help="Total of all traces.", descending=True),
        Column(
            "redundancy",
            "Redundancy, % [95%]",
            help=SAME_ANSWER,
            descending=True,
        ),
        Column(
            "signals",
            "Signals",
            help="Stored for each trace besides length and answer; some methods need them.",
            numeric=False,
        ),
        Column(
            "token_accuracy",
            "Token counts",
            help=" ".join(f"{name}: {text}" for name, text in TOKEN_ACCURACY.items()),
            numeric=False,
        ),
        Column("bytes", "Size, MB", help="On disk, in 10⁶ bytes.", descending=True),
        Column("synthetic", "Origin", help="Real: from a model; else synthetic.", numeric=False),
        Column("licence", "Licence", numeric=False),
        Column("source", "Source", numeric=False),
        Column(
            "fingerprint",
            "Fingerprint",
            help="SHA-256 of the pool's files, recorded by runs and submissions; in full on hover.",
            numeric=False,
        ),
    )
    return Table(
        "Pools on this machine",
        columns,
        tuple(_pool_row(row, redundancy.get(row["name"])) for row in pools),
    )


def _pool_row(row: Row, redundancy: Estimate | str | None) -> tuple[Cell, ...]:
    each = row["traces"] / row["problems"] if row["problems"] else None
    signals = ", ".join(row["signals"])
    known = redundancy if isinstance(redundancy, Estimate) else None
    why = redundancy if isinstance(redundancy, str) else "no two traces have answers"
    source = row["source"] or ""
    return (
        Cell(row["model"], row["model"], row["name"], link=link("data", pool=row["name"])),
        Cell(row["benchmark"], row["benchmark"]),
        Cell(row["dataset"], row["dataset"]),
        Cell(f"{row['problems']:,}", row["problems"]),
        Cell(f"{row['traces']:,}", row["traces"]),
        Cell(f"{each:,.4g}", each) if each is not None else Cell(note="no problem"),
        Cell(f"{row['tokens']:,}", row["tokens"]),
        with_interval(known, why),
        Cell(signals, signals, "" if signals else "Only lengths and answers"),
        Cell(row["token_accuracy"], row["token_accuracy"], TOKEN_ACCURACY[row["token_accuracy"]]),
        Cell(f"{row['bytes'] / 1e6:,.1f}", row["bytes"] / 1e6, f"{row['bytes']:,} bytes"),
        Cell("synthetic" if row["synthetic"] else "real", str(row["synthetic"])),
        Cell(row["licence"] or "", row["licence"], "" if row["licence"] else "None stated"),
        Cell(source, source or None, "" if source else "Not recorded", _web_page(source)),
        Cell(row["fingerprint"][:8], row["fingerprint"], row["fingerprint"]),
    )


COUNTED = {
    "exact": "Answers are the same only as strings, as they stand",
    "vote": "Answers that could not be read vote",
}
"""Ways of counting answers that are not the usual, in words."""


def _web_page(source: str) -> str | None:
    """Return the web page of a pool's source, or None."""
    if source.startswith("hf://datasets/"):
        return "https://huggingface.co/" + source.removeprefix("hf://")
    return source if source.startswith("https://") else None


def known_table(entries: Sequence[Entry], here: set[str], option: str = "") -> Table:
    """Build the table of known public sources with missing pools, and the commands to pull them.

    `here` holds the names of the pools on this machine; `option` is the command-line option for
    their folder.
    """
    columns = (
        Column("name", "Source", numeric=False),
        Column("missing", "Pools not here", numeric=False),
        Column("command", "Command", numeric=False),
        Column("licence", "Licence", help="As the publisher states it.", numeric=False),
        Column("citation", "Citation", numeric=False),
    )
    rows = []
    for entry in entries:
        missing = [name for name in map(entry.pool_name, entry.pools) if name not in here]
        if missing:
            short = ", ".join(name.split("/", 1)[1] for name in missing[:3])
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            rows.append(
                (
                    Cell(entry.name, entry.name, link=entry.url),
                    Cell(short + more, len(missing), ", ".join(missing)),
                    Cell(f"deepprune-sim data pull {entry.name}{option}"),
                    Cell(entry.licence, entry.licence),
                    Cell(entry.citation, entry.citation),
                )
            )
    return Table("Known public pools that are not here", columns, tuple(rows))


def description(info: PoolInfo) -> tuple[tuple[str, str], ...]:
    """Return the origin of a pool from its `pool.json`, as pairs of name and value."""
    fields = (
        ("Licence", info.licence),
        ("Source", info.source),
        ("Revision", info.revision),
        ("Citation", info.citation),
        ("Importer", f"{info.importer} {info.importer_version}"),
        ("Tokenizer", info.tokenizer),
        ("Token counts", f"{info.token_accuracy}. {TOKEN_ACCURACY[info.token_accuracy]}"),
        ("Signals", ", ".join(info.signals) or "none besides lengths and answers"),
        *((n.capitalize(), str(each)) for n, each in TOKEN_SIGNALS.items() if n in info.signals),
        *((n, str(each)) for n, each in PROBE_SIGNALS.items() if n in info.signals),
        ("Unfinished traces", f"{info.unfinished:,}" if info.unfinished else ""),
        ("Probes not asked", f"{info.unasked:,}" if info.unasked else ""),
        *((name.capitalize(), COUNTED[each]) for name, each in info.counting.items()),
        ("Fingerprint", info.fingerprint),
        *(("Note", note) for note in info.notes),
    )
    return tuple((name, value) for name, value in fields if value)


def problems_table(answers: PoolAnswers) -> Table:
    """Build the table of problems: accuracy, majority vote, answers and lengths."""
    columns = (
        Column("problem", "Problem", numeric=False),
        Column("gold", "Gold answer", numeric=False),
        Column("traces", "Traces", descending=True),
        Column("pass_at_1", "pass@1, %", help="Share of right traces."),
        Column(
            "vote",
            "Vote of all",
            help="Result of majority voting over all stored traces; of answers that tie, each wins "
            "equally often.",
            numeric=False,
        ),
        Column("commonest", "Most common answer", numeric=False),
        Column("commonest_share", "Share of traces, %", descending=True),
        Column("distinct", "Distinct answers", descending=True),
        Column("no_answer", "No answer", help="Traces without an answer.", descending=True),
        Column("redundancy", "Redundancy, %", help=SAME_ANSWER, descending=True),
        Column("mean_tokens", "Tokens a trace", help="Mean over traces.", descending=True),
    )
    rows = []
    for each in answers.facts.problems:
        votes = answers.votes[each.problem_id]
        first = votes.answers[0] if votes.answers else None
        rows.append(
            (
                Cell(each.problem_id, each.problem_id),
                Cell(each.gold_answer, each.gold_answer, answers=(each.gold_answer,)),
                Cell(f"{each.traces:,}", each.traces),
                _percent(each.correct / each.traces),
                Cell(each.vote, each.vote),
                Cell(
                    first or "",
                    first,
                    "" if first else "No trace has an answer",
                    answers=(first or "",),
                ),
                _percent(votes.votes[0] / each.traces) if votes.votes else Cell(),
                Cell(str(each.distinct_answers), each.distinct_answers),
                Cell(str(each.no_answer), each.no_answer),
                Cell(note="Fewer than two traces have an answer")
                if each.redundancy is None
                else _percent(each.redundancy),
                Cell(f"{each.tokens / each.traces:,.0f}", each.tokens / each.traces),
            )
        )
    return Table("Problems of the pool", columns, tuple(rows))


def _percent(share: float) -> Cell:
    return Cell(f"{100 * share:.1f}", 100 * share)


def redundancy_table(name: str, answers: PoolAnswers, *, synthetic: bool) -> Table:
    """Build the table of a pool's redundancy; a real pool stands beside published figures."""
    columns = (
        Column("traces", "Pool or model", numeric=False),
        Column("pooled", "All pairs, % [95%]", help=SAME_ANSWER, descending=True),
        Column(
            "mean",
            "Mean over problems, % [95%]",
            help="Redundancy of each problem, averaged with equal weights.",
            descending=True,
        ),
        Column("source", "Source", numeric=False),
    )
    own = (
        Cell(name, name, bold=True),
        with_interval(answers.redundancy),
        with_interval(answers.mean_redundancy),
        Cell("this pool, synthetic" if synthetic else "this pool"),
    )
    if synthetic:
        note = "Published figures are from real traces, so they are shown for real pools only."
        return Table("Redundancy", columns, (own,), (note,))
    paper = "https://arxiv.org/abs/2510.08483"
    published = tuple(
        (
            Cell(model, model),
            Cell(f"{share:.1f}", share),
            Cell(note="Not published"),
            Cell("DeepPrune, on other traces", link=paper),
        )
        for model, share in PUBLISHED_SHARES.items()
    )
    return Table("Redundancy", columns, (own, *published))


def curves_table(answers: PoolAnswers) -> Table:
    """Build the table of pass@k and cons@k with their intervals, a row for each k."""
    columns = (
        Column("k", "k", help="Number of random traces."),
        *(
            Column(name.replace("@", "_at_"), f"{name}, % [95%]", help=text)
            for name, text in FIGURES.items()
        ),
    )
    rows = tuple(
        (Cell(str(k), k), with_interval(passed), with_interval(answers.cons_at_k[k]))
        for k, passed in answers.facts.pass_at_k.items()
    )
    notes = tuple(f"{name}: {text}" for name, text in FIGURES.items())
    return Table("pass@k and cons@k", columns, rows, notes)


def known_entries(library: Library) -> Sequence[Entry]:
    """Return the known public sources.

    Raises
    ------
    UserError
        A registry cannot be read.
    """
    return tuple(read_registry(library.folders.cache).values())
