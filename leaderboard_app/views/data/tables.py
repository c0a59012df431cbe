"""The page Data: tables of the pools on this machine and of one pool's problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from judges.evaluation.redundancy import PUBLISHED_SHARES
from leaderboard_app.library.library import Library
from leaderboard_app.library.pool_answers import PoolAnswers
from leaderboard_app.shown.glossary import TOKEN_ACCURACY
from leaderboard_app.shown.table import Cell, Column, Table
from simulator.catalogue.rows import Row
from simulator.hub.registry import Entry
from simulator.pools.pool import PoolInfo
from simulator.statistics import Estimate

SAME_ANSWER = (
    "Redundancy: share of all pairs of traces of one problem that end in the same answer, summed "
    "over problems; traces without an answer are left out. In brackets, the 95% interval of a "
    "bootstrap over problems."
)

FIGURES = {
    "pass@k": (
        "Chance that one of k traces drawn at random is right (unbiased estimator of Chen et al. "
        "2021), averaged over problems."
    ),
    "cons@k": (
        "Accuracy of majority voting over k traces drawn at random, without replacement; ties go "
        "to the answer seen first, which is each of them equally often. Exact for one trace and "
        "for all; between them the mean over 1,000 drawn hands a problem, always the same ones."
    ),
}
"""The curves and what they mean."""


def with_interval(estimate: Estimate | None, why: str = "no two traces have answers") -> Cell:
    """A share in percent with its 95% interval."""
    if estimate is None:
        return Cell(note=why)
    value, low, high = (
        None if each is None else 100 * each
        for each in (estimate.value, estimate.low, estimate.high)
    )
    text = f"{value:.1f}"
    if low is None or high is None:
        return Cell(text, value, "One problem: no interval")
    return Cell(f"{text} [{low:.1f}, {high:.1f}]", value, low=low, high=high)


def pool_link(name: str) -> str:
    """The link of this page with a pool opened."""
    return f"data?{urlencode({'pool': name})}"


def pools_table(pools: Sequence[Row], redundancy: Mapping[str, Estimate | str | None]) -> Table:
    """The pools on this machine.

    Parameters
    ----------
    pools
        Rows of the view `pools`.
    redundancy
        By name of the pool: its redundancy, or why there is none.
    """
    columns = (
        Column("model", "Model", numeric=False, help="Opens the pool."),
        Column("benchmark", "Benchmark", numeric=False),
        Column("dataset", "Dataset", numeric=False),
        Column("problems", "Problems", descending=True),
        Column("traces", "Traces", descending=True),
        Column("traces_per_problem", "Traces a problem", help="On average.", descending=True),
        Column("tokens", "Tokens", help="Of all traces together.", descending=True),
        Column(
            "redundancy",
            "Redundancy, % [95%]",
            help=SAME_ANSWER,
            descending=True,
        ),
        Column(
            "signals",
            "Signals",
            help="What is stored of each trace beside length and answer: methods need them.",
            numeric=False,
        ),
        Column(
            "token_accuracy",
            "Token counts",
            help=" ".join(f"{name}: {text}" for name, text in TOKEN_ACCURACY.items()),
            numeric=False,
        ),
        Column("bytes", "Size, MB", help="On disk, 10⁶ bytes.", descending=True),
        Column("synthetic", "Origin", help="Sampled from a model, or generated.", numeric=False),
        Column("licence", "Licence", numeric=False),
        Column("source", "Source", numeric=False),
        Column(
            "fingerprint",
            "Fingerprint",
            help="SHA-256 over the pool's files: runs and submissions name it. The whole on hover.",
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
        Cell(row["model"], row["model"], row["name"], link=pool_link(row["name"])),
        Cell(row["benchmark"], row["benchmark"]),
        Cell(row["dataset"], row["dataset"]),
        Cell(f"{row['problems']:,}", row["problems"]),
        Cell(f"{row['traces']:,}", row["traces"]),
        Cell(f"{each:,.4g}", each) if each is not None else Cell(note="no problem"),
        Cell(f"{row['tokens']:,}", row["tokens"]),
        with_interval(known, why),
        Cell(signals, signals, "" if signals else "Lengths and answers alone"),
        Cell(row["token_accuracy"], row["token_accuracy"], TOKEN_ACCURACY[row["token_accuracy"]]),
        Cell(f"{row['bytes'] / 1e6:,.1f}", row["bytes"] / 1e6, f"{row['bytes']:,} bytes"),
        Cell("synthetic" if row["synthetic"] else "real", str(row["synthetic"])),
        Cell(row["licence"] or "", row["licence"], "" if row["licence"] else "None stated"),
        Cell(source, source or None, "" if source else "Not recorded", _web_page(source)),
        Cell(row["fingerprint"][:8], row["fingerprint"], row["fingerprint"]),
    )


def _web_page(source: str) -> str | None:
    """The page of a pool's source, where it has one."""
    if source.startswith("hf://datasets/"):
        return "https://huggingface.co/" + source.removeprefix("hf://")
    return source if source.startswith("https://") else None


def known_table(entries: Sequence[Entry], here: set[str], option: str = "") -> Table:
    """Known public sources of which a pool is not here yet, with the command that pulls them.

    `here` are the names of the pools on this machine, `option` is what the command needs to find
    their folder.
    """
    columns = (
        Column("name", "Source", numeric=False),
        Column("missing", "Pools not here", numeric=False),
        Column("command", "Command", numeric=False),
        Column("licence", "Licence", help="As the publisher states it.", numeric=False),
        Column("citation", "To cite", numeric=False),
    )
    rows = []
    for entry in entries:
        names = [entry.pool_name(rule) for rule in entry.pools]
        missing = [name for name in names if name not in here]
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
    """What a pool's `pool.json` says of where it comes from: name and value of what is given."""
    fields = (
        ("Licence", info.licence),
        ("Source", info.source),
        ("Revision", info.revision),
        ("To cite", info.citation),
        ("Importer", f"{info.importer} {info.importer_version}"),
        ("Tokenizer", info.tokenizer),
        ("Token counts", f"{info.token_accuracy}. {TOKEN_ACCURACY[info.token_accuracy]}"),
        ("Signals", ", ".join(info.signals) or "none beside lengths and answers"),
        ("Fingerprint", info.fingerprint),
        *(("Note", note) for note in info.notes),
    )
    return tuple((name, value) for name, value in fields if value)


def problems_table(answers: PoolAnswers) -> Table:
    """A row a problem: how often it is answered right, what a vote of all says, and lengths."""
    columns = (
        Column("problem", "Problem", numeric=False),
        Column("gold", "Gold answer", numeric=False),
        Column("traces", "Traces", descending=True),
        Column("pass_at_1", "pass@1, %", help="Share of its traces that are right."),
        Column(
            "vote",
            "Vote of all",
            help="Whether the commonest answer of all stored traces is right; of equals that of "
            "the trace with the lowest number counts.",
            numeric=False,
        ),
        Column("commonest", "Commonest answer", numeric=False),
        Column("commonest_share", "… of traces, %", descending=True),
        Column("distinct", "Distinct answers", descending=True),
        Column("no_answer", "No answer", help="Traces without one.", descending=True),
        Column("redundancy", "Redundancy, %", help=SAME_ANSWER, descending=True),
        Column("mean_tokens", "Tokens a trace", help="On average.", descending=True),
    )
    rows = []
    for each in answers.facts.problems:
        votes = answers.votes[each.problem_id]
        vote = "right" if each.consensus_correct else "wrong"
        first = votes.answers[0] if votes.answers else None
        rows.append(
            (
                Cell(each.problem_id, each.problem_id),
                Cell(each.gold_answer, each.gold_answer),
                Cell(f"{each.traces:,}", each.traces),
                _percent(each.correct / each.traces),
                Cell(vote, vote),
                Cell(first or "", first, "" if first else "No trace has an answer"),
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
    """The redundancy of a pool with its interval; beside a real one's, the published figures."""
    columns = (
        Column("traces", "Traces of", numeric=False),
        Column("pooled", "All pairs, % [95%]", help=SAME_ANSWER, descending=True),
        Column(
            "mean",
            "Mean over problems, % [95%]",
            help="The same share of each problem, averaged: each problem weighs the same.",
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
        note = "Published figures are of real traces and stand beside real pools only."
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
    """pass@k and cons@k with their intervals, a row a k."""
    columns = (
        Column("k", "k", help="Traces drawn at random."),
        *(
            Column(name.replace("@", "_at_"), f"{name}, % [95%]", help=text)
            for name, text in FIGURES.items()
        ),
    )
    rows = tuple(
        (Cell(str(k), k), with_interval(passed), with_interval(answers.cons_at_k[k]))
        for k, passed in answers.pass_at_k.items()
    )
    notes = tuple(f"{name}: {text}" for name, text in FIGURES.items())
    return Table("pass@k and cons@k", columns, rows, notes)


def known_entries(library: Library) -> Sequence[Entry]:
    """The known public sources. Raises `UserError` where a registry cannot be read."""
    from simulator.hub.registry import read_registry

    return tuple(read_registry(library.folders.cache).values())
