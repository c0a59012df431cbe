"""`data regrade`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator import completion
from simulator.answers.equivalence import ANSWER_KINDS
from simulator.api.progress import progress_bar
from simulator.commands.options import cache_option, counted, json_option, print_json
from simulator.counting import EQUALITY, UNPARSED, Equality, Unparsed

if TYPE_CHECKING:
    from simulator.importers.regrading import RegradeReport

SHOWN_CHANGES = 10
"""Maximum number of printed changes of answers and verdicts; --json prints all."""


@click.command(
    epilog="\b\nExamples:\n  deepprune-sim data regrade mine/qwen3-8b/aime24 --dry-run\n"
    "  deepprune-sim data regrade mine/qwen3-8b/aime24 --corrections verdicts.toml"
)
@click.argument("pool", shell_complete=completion.pools)
@click.option(
    "--answer-kind",
    type=click.Choice(ANSWER_KINDS),
    help="Way to compare answers. [default: the pool's]",
)
@click.option(
    "--equality",
    type=click.Choice(EQUALITY),
    help="Way to decide that two answers are the same, as for import. [default: the pool's]",
)
@click.option(
    "--unparsed",
    type=click.Choice(UNPARSED),
    help="Whether traces without a readable answer vote, as for import. [default: the pool's]",
)
@click.option(
    "--answer-pattern",
    "answer_patterns",
    metavar="REGEX",
    multiple=True,
    help="Regular expression for the answer in a text, before all other forms; repeatable, and in "
    "place of those that the pool was imported with. An empty one leaves them out.",
)
@click.option(
    "--corrections",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file of verdicts by hand, which are added to those in the pool.",
)
@click.option(
    "--no-corrections",
    is_flag=True,
    help="Drop the corrections in the pool, before those in a file are added.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@cache_option
@json_option
def regrade(
    pool: str,
    answer_kind: str | None,
    equality: Equality | None,
    unparsed: Unparsed | None,
    answer_patterns: tuple[str, ...],
    corrections: Path | None,
    no_corrections: bool,
    dry_run: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Find and grade the answers of a pool anew, without its source files.

    POOL is a name, or a glob that matches one pool. Where it has texts, answers are found in them
    as in an import; elsewhere the stored answers are grouped and graded again. Corrections in the
    pool are applied again. The pool is replaced when the new one is complete.

    The file of corrections has verdicts on answers, each with a reason:

    \b
      [[corrections]]
      problem = "27"
      answer = '7:2'
      verdict = "same-as"     # or "right", "wrong", "not-same-as"
      other = '3.5'           # with same-as and not-same-as
      reason = "the ratio that the question asks for"
    """  # noqa: D301  (\b keeps click from wrapping)
    from simulator.answers.corrections import read_corrections
    from simulator.commands.data.show import one_pool
    from simulator.commands.import_ import warn_unanswered
    from simulator.importers.regrading import RegradeOptions
    from simulator.importers.regrading import regrade as regrade_pool

    folder = one_pool(cache, pool)
    added = [] if corrections is None else read_corrections(corrections)
    with progress_bar(pool) as progress:
        report = regrade_pool(
            folder,
            RegradeOptions(
                answer_kind=answer_kind,
                equality=equality,
                unparsed=unparsed,
                answer_patterns=[each for each in answer_patterns if each]
                if answer_patterns
                else None,
                corrections=added,
                drop_corrections=no_corrections,
                dry_run=dry_run,
                progress=progress,
            ),
        )
    if report.after is not None:
        warn_unanswered(report.name, report.after)
    if as_json:
        print_json(_described(report))
    else:
        _print_report(report)


def _described(report: RegradeReport) -> dict[str, Any]:
    return asdict(report) | {
        "changed_answers": report.answers,
        "changed_verdicts": report.verdicts,
    }


def _print_report(report: RegradeReport) -> None:
    from simulator.commands.import_ import about_answers
    from simulator.report.tables import print_fields

    before, after = report.before, report.after
    fields = [
        ("pool", report.name),
        ("answers", f"changed on {report.answers:,} of {counted(report.traces, 'trace')}"),
        ("verdicts", f"{report.verdicts:,} changed"),
        (
            "groups",
            f"changed on {counted(len(report.regrouped), 'problem')}{_some(report.regrouped)}",
        ),
    ]
    if report.kinds:
        fields.append(("kind", f"changed on {counted(len(report.kinds), 'problem')}"))
    if report.corrections or report.dropped_corrections:
        dropped = f", {report.dropped_corrections} dropped first" * bool(report.dropped_corrections)
        fields.append(("corrections", f"{len(report.corrections)}{dropped}"))
    print_fields(fields)
    if report.changes:
        click.echo()
        _print_changes(report)
        click.echo()
    if after is None:
        click.echo("Nothing was written (--dry-run).")
        return
    old = dict(about_answers(before))
    fields = [
        (label, text if old.get(label) in (text, None) else f"{text}; was {_short(old[label])}")
        for label, text in about_answers(after)
    ]
    same = report.fingerprint == report.new_fingerprint
    print_fields(
        [
            *fields,
            (
                "fingerprint",
                f"{report.fingerprint} (unchanged)"
                if same
                else f"{report.new_fingerprint}; runs on the former pool are not comparable",
            ),
        ]
    )


def _short(text: str) -> str:
    """Leave out the words on a vote that stand after the new figure already."""
    figure, _, words = text.partition(" (")
    return figure if words.endswith("ties are shared)") else text


def _print_changes(report: RegradeReport) -> None:
    """Print the changes of traces, equal ones on one line, the most frequent first."""
    from simulator.commands.import_ import shortened
    from simulator.report.tables import print_table

    counts = Counter(
        (each.problem_id, each.answer, each.new_answer, each.right, each.new_right)
        for each in report.changes
    )
    verdict = {True: "right", False: "wrong"}
    rows = [
        [
            problem,
            str(count),
            shortened(answer) or "(none)",
            shortened(new_answer) or "(none)",
            verdict[right],
            verdict[new_right],
        ]
        for (problem, answer, new_answer, right, new_right), count in counts.most_common()
    ]
    headers = ["problem", "traces", "answer", "answer now", "was", "is now"]
    print_table(headers, rows[:SHOWN_CHANGES], [False, True])
    if len(rows) > SHOWN_CHANGES:
        click.echo(f"… and {len(rows) - SHOWN_CHANGES:,} more lines; --json has every trace")


def _some(names: list[str], most: int = 5) -> str:
    if not names:
        return ""
    return f": {', '.join(names[:most])}{', …' if len(names) > most else ''}"
