"""`data answers`."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from simulator import completion
from simulator.api.progress import note, progress_bar
from simulator.commands.options import cache_option, counted, json_option, percent, print_json
from simulator.errors import UserError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from rich.text import Text

    from simulator.catalogue.answer_groups import AnswerGroup, ProblemAnswers
    from simulator.pools.pool import Pool, StoredProblem

GROUP_COLUMNS = (
    *("problem_id", "gold_answer", "verdict", "like", "traces", "probes", "answer", "spellings"),
    *("corrections", "trace_id", "example"),
)
"""Columns of the groups of a problem as CSV."""

SHOWN_GROUPS = 12
"""Number of groups of a problem that are shown; near misses are shown in any case."""

SHOWN_SPELLINGS = 6
"""Number of further spellings of a group that are shown."""


@click.command(
    epilog="\b\nExamples:\n  deepprune-sim data answers scout/qwen3-8b/aime24\n"
    "  deepprune-sim data answers epoch/phi-4/otis '*Problem-02'"
)
@click.argument("pool", shell_complete=completion.pools)
@click.argument("problem", required=False)
@click.option("--all", "everything", is_flag=True, help="Show all groups of a problem.")
@cache_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def answers(
    pool: str,
    problem: str | None,
    everything: bool,
    cache: Path | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show the answers of a pool as they are grouped and graded, to judge them by eye.

    POOL is a name, or a glob that matches one pool. Without PROBLEM, there is one line a problem,
    those with most traces in doubt first: without an answer, spelled otherwise than most of their
    group, or wrong though the answer looks like the gold answer (a near miss).

    With PROBLEM, an id or a glob, every group of answers is shown with its verdict, its traces, all
    spellings that it joins and the text around one of its answers. `data regrade --corrections`
    corrects what is wrong.
    """
    from simulator.catalogue.answer_groups import answer_groups
    from simulator.commands.data.show import one_pool
    from simulator.pools.pool import Pool

    if as_json and as_csv:
        raise UserError("--csv and --json exclude each other; give one")
    opened = Pool(one_pool(cache, pool))
    chosen = _chosen(opened, problem)
    if opened.info.unfinished:
        note(f"{opened.info.about_unfinished}, which do not count here")
    with progress_bar(opened.name) as progress:
        found = []
        for done, each in enumerate(chosen):
            progress(done, len(chosen))
            found.append(answer_groups(opened, each, examples=problem is not None))
    if problem is None:
        found.sort(key=lambda each: (-each.doubtful, each.problem_id))
        _show_overview(opened, found, as_json, as_csv)
    elif as_json:
        print_json({"pool": opened.name, "problems": [_described(each) for each in found]})
    elif as_csv:
        _print_csv([row for each in found for row in _csv_rows(each)])
    else:
        for one in found:
            _print_problem(one, everything=everything)


def _chosen(pool: Pool, pattern: str | None) -> list[StoredProblem]:
    """Return the problems of a pool whose ids are or match `pattern`; all for None."""
    names = [problem.problem_id for problem in pool.problems]
    if pattern is None:
        return pool.problems
    if pattern in names:
        return [pool.problems[names.index(pattern)]]
    chosen = [each for each in pool.problems if fnmatchcase(each.problem_id, pattern)]
    if not chosen:
        hint = nearest(pattern, names, "there are")
        hint = hint if len(hint) <= 200 else f"{hint[:200]}…"
        raise UserError(f"{pool.name}: no problem {pattern!r}; {hint}")
    return chosen


def _show_overview(
    pool: Pool, found: Sequence[ProblemAnswers], as_json: bool, as_csv: bool
) -> None:
    rows = [_overview_row(each) for each in found]
    if as_json:
        print_json({"pool": pool.name, "problems": rows})
    elif as_csv:
        _print_csv(rows)
    else:
        _print_overview(pool, found)


def _overview_row(each: ProblemAnswers) -> dict[str, Any]:
    wrong = next((group for group in each.groups if not group.right and group.traces), None)
    return {
        "problem_id": each.problem_id,
        "gold_answer": each.gold_answer,
        "answer_kind": each.answer_kind,
        "traces": each.traces,
        "right": each.right,
        "no_answer": each.no_answer,
        "groups": sum(group.traces > 0 for group in each.groups),
        "merged": each.merged,
        "near": each.near,
        "wrong_answer": None if wrong is None else wrong.answer,
        "wrong_traces": 0 if wrong is None else wrong.traces,
    }


def _print_overview(pool: Pool, found: Sequence[ProblemAnswers]) -> None:
    from simulator.commands.import_ import shortened
    from simulator.report.tables import print_table, print_wrapped

    headers = ["problem", "gold", "traces", "right", "no answer", "groups", "merged", "near"]
    rows = []
    for each in found:
        row = _overview_row(each)
        wrong = f"{shortened(row['wrong_answer'], 24)} ({row['wrong_traces']})"
        rows.append(
            [
                each.problem_id,
                shortened(each.gold_answer, 24),
                *(str(row[name]) for name in ("traces", "right", *_COUNTS)),
                wrong if row["wrong_traces"] else "",
            ]
        )
    right = [False, False, *[True] * 6, False]
    print_table([*headers, "most frequent wrong"], rows, right, give_up=["traces", "groups"])
    print_wrapped(
        "Traces in doubt first. Merged: spelled otherwise than most of their group. Near: wrong, "
        "but the answer looks like the gold answer. "
        f"deepprune-sim data answers {pool.name} PROBLEM shows the groups."
    )


_COUNTS = ("no_answer", "groups", "merged", "near")


def _described(each: ProblemAnswers) -> dict[str, Any]:
    """Describe a problem's groups for JSON."""
    groups = [
        {key: value for key, value in asdict(group).items() if key != "right"}
        | {"verdict": "right" if group.right else "wrong"}
        for group in each.groups
    ]
    return asdict(each) | {"groups": groups, "right": each.right, "merged": each.merged}


def _csv_rows(each: ProblemAnswers) -> list[dict[str, Any]]:
    """Return a row for each group of a problem, and one for the traces without an answer."""
    about = (each.problem_id, each.gold_answer)
    rows: list[tuple[Any, ...]] = [
        (
            *about,
            "right" if group.right else "wrong",
            group.like,
            group.traces,
            group.probes,
            group.answer,
            json.dumps(group.spellings, ensure_ascii=False),
            "; ".join(group.corrections),
            group.trace_id,
            group.example,
        )
        for group in each.groups
    ]
    if each.no_answer:
        nothing = (None,) * 4
        rows.append(
            (*about, "no answer", None, each.no_answer, *nothing, each.trace_id, each.example)
        )
    return [dict(zip(GROUP_COLUMNS, row, strict=True)) for row in rows]


def _print_csv(rows: Sequence[dict[str, Any]]) -> None:
    writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _print_problem(each: ProblemAnswers, *, everything: bool) -> None:
    """Print a problem's groups as a table: verdict, traces, and the answer with its text."""
    from rich.text import Text

    from simulator.commands.import_ import printable, shortened
    from simulator.report.tables import print_fields, print_rich

    click.secho(each.problem_id, bold=True)
    wrong = each.traces - each.right - each.no_answer
    fields = [
        ("question", shortened(each.question, 400)),
        ("gold answer", f"{' or '.join([each.gold_answer, *each.accepted])} ({each.answer_kind})"),
        ("traces", f"{each.traces}: {each.right} right, {wrong} wrong, {each.no_answer} no answer"),
    ]
    print_fields([field for field in fields if field[1]])
    click.echo()
    rows: list[list[Text]] = []
    hidden: list[AnswerGroup] = []
    for group in each.groups:
        shown = everything or group.like or group.corrections
        if shown or (group.traces and len(rows) < SHOWN_GROUPS):
            rows.append(_group_cells(group, each.traces))
        else:
            hidden.append(group)
    if each.no_answer:
        ending = printable(each.example or "")
        about = Text(f"trace {each.trace_id}: {ending}", "dim") if ending else Text()
        rows.append([Text("no answer", "yellow"), Text(str(each.no_answer)), about])
    print_rich(["verdict", "traces", "answer"], rows, [False, True, False])
    if hidden:
        traces = sum(group.traces for group in hidden)
        click.echo(f"… and {len(hidden)} more, {counted(traces, 'trace')}: --all shows them")
    click.echo()


def _group_cells(group: AnswerGroup, traces: int) -> list[Text]:
    """Return verdict, number of traces, and the answer with spellings, notes and example."""
    from rich.text import Text

    from simulator.commands.import_ import printable, shortened

    verdict = Text("right", "green") if group.right else Text("wrong", "red")
    if group.like:
        verdict = Text("near miss", "bold yellow")
    cell = Text(shortened(group.answer, 300), "bold")
    others = list(group.others.items())
    if others:
        listed = ",  ".join(f"{shortened(text, 80)} ({n})" for text, n in others[:SHOWN_SPELLINGS])
        more = len(others) - SHOWN_SPELLINGS
        cell.append(f"\nalso  {listed}{f',  and {more} more' if more > 0 else ''}", "not bold")
    if group.like:
        cell.append(f"\n{group.like}", "not bold yellow")
    if not group.traces:
        cell.append(f"\nonly probes: {group.probes}", "not bold")
    for line in group.corrections:
        cell.append(f"\nby hand: {printable(line)}", "not bold cyan")
    if group.example is not None:
        cell.append(f"\ntrace {group.trace_id}: ", "not bold dim")
        cell.append(_marked(printable(group.example), printable(group.answer)))
    return [verdict, Text(f"{group.traces} {percent(group.traces / max(1, traces)):>7}"), cell]


def _marked(example: str, answer: str) -> Text:
    """Return an example with its answer underlined."""
    from rich.text import Text

    text = Text(example, "not bold dim")
    written = " ".join(answer.split())
    start = example.rfind(written)
    if start >= 0:
        text.stylize("underline not dim", start, start + len(written))
    return text
