from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.api.progress import stages_shown
from simulator.commands.options import cache_option, json_option, print_json
from simulator.errors import UserError
from simulator.pools.folders import cache_folder, runs_folder

if TYPE_CHECKING:
    from simulator.catalogue.views import Catalogue

SHOWN_ROWS = 1000
"""Maximum number of rows in a printed table; --csv and --json print all."""


@click.command(
    epilog="\b\nExample:\n"
    '  deepprune-sim data sql "select pool, avg(num_tokens) from traces group by 1"\n'
    '  deepprune-sim data sql "describe runs"'
)
@click.argument("query")
@cache_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def sql(query: str, cache: Path | None, as_json: bool, as_csv: bool) -> None:
    r"""Run a SQL query (DuckDB) over pools, runs and submissions.

    The tables are pools, runs, submissions and published (figures from papers), and:

    \b
    problems     pool, problem_id, question, gold_answer, answer_kind
    traces       pool, problem_id, trace_id, num_tokens, prompt_tokens,
                 finish_reason, answer, answer_class, correct
    classes      pool, problem_id, answer_class, answer, correct
    texts        pool, problem_id, trace_id, text, token_ends (a list)
    confidences  pool, problem_id, trace_id, confidence (a list, one value a token)
    entropies    pool, problem_id, trace_id, entropy (likewise)
    probes       pool, problem_id, trace_id, position, answer_class
                 (−1 for no answer, −2 if it was not asked)
    probe_signals
                 pool, problem_id, trace_id, position, probe_mean, probe_gmean,
                 probe_min, probe_entropy, of pools that have any
    decisions    run, pool, problem_id, repeat, trace_id, order, started, ended,
                 num_tokens, finished, stop_reason, cluster
    answers      run, pool, problem_id, repeat, answer, answer_class, correct,
                 tokens, clock, …

    Figures of runs and submissions are derived from their decisions and
    answers; one that states others is skipped.

    "describe traces" lists the columns of a table with their types. Queries are read-only.
    """
    import duckdb

    from simulator.catalogue.views import connect

    if as_json and as_csv:
        raise UserError("--csv and --json exclude each other; give one")
    try:
        query.encode()
    except UnicodeEncodeError:
        raise UserError(
            "SQL: the query is not UTF-8; set a UTF-8 locale (LC_ALL=C.UTF-8)"
        ) from None
    with ExitStack() as stack:
        stage = stack.enter_context(stages_shown())
        runs = runs_folder() if _names(query, "runs", "decisions", "answers") else None
        submissions = Path("submissions") if _names(query, "submissions", "published") else None
        catalogue = stack.enter_context(
            connect(
                cache_folder(cache),
                runs,
                submissions,
                lambda done: stage("recomputing figures", done),
            )
        )
        if catalogue.broken:
            count = len(catalogue.broken)
            click.echo(
                f"note: skipped {count} that cannot be read, such as "
                f"{catalogue.broken[0].path} ({catalogue.broken[0].reason})",
                err=True,
            )
        try:
            _refuse_writing(catalogue, query)
            cursor = catalogue.connection.execute(query)
            names = [column[0] for column in cursor.description or ()]
            rows = _fetch(cursor)
            if as_csv:
                _print_csv(names, rows)
            elif as_json:
                if len(set(names)) < len(names):
                    raise UserError("SQL: two columns have the same name; rename one with AS")
                print_json([dict(zip(names, row, strict=True)) for row in rows])
            else:
                _print_rows(names, rows)
        except duckdb.Error as error:
            message = str(error).partition("\nLINE ")[0]  # without the excerpt of the query
            raise UserError(f"SQL: {' '.join(message.split())}") from None


def _names(query: str, *views: str) -> bool:
    """Return True if a query may read any of these views, whose rows take time to derive."""
    return any(view in query.casefold() for view in views)


def _refuse_writing(catalogue: Catalogue, query: str) -> None:
    """Refuse anything but a single SELECT; DESCRIBE, SHOW and SUMMARIZE count as SELECT."""
    import duckdb

    statements = catalogue.connection.extract_statements(query)
    if len(statements) != 1:
        raise UserError("SQL: give exactly one SELECT statement")
    (statement,) = statements
    if statement.type == duckdb.StatementType.MULTI:
        raise UserError("SQL: only one SELECT is allowed; list the values of a PIVOT with IN (…)")
    if statement.type != duckdb.StatementType.SELECT:
        kind = statement.type.name
        raise UserError(f"SQL: only SELECT is allowed, not {kind}; nothing can be written")
    # A WITH clause can write (WITH a AS (COPY …) SELECT …), but not in a subquery; plan it as one.
    inner = statement.query.strip().rstrip(";")
    try:
        catalogue.connection.execute(f"EXPLAIN SELECT * FROM (\n{inner}\n)")
    except duckdb.BinderException as error:
        if "data-modifying" in str(error):
            raise UserError("SQL: only SELECT is allowed; nothing can be written") from None
        raise


def _fetch(cursor: Any) -> Iterator[tuple[Any, ...]]:
    while batch := cursor.fetchmany(10_000):
        yield from batch


def _print_rows(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    from simulator.report.tables import print_table

    shown = list(islice(rows, SHOWN_ROWS))
    numeric = [
        all(isinstance(row[index], int | float | None) for row in shown)
        and not any(isinstance(row[index], bool) for row in shown)
        for index in range(len(names))
    ]
    cells = [[_cell(value) for value in row] for row in shown]
    print_table(names, cells, numeric, give_up=names[:0:-1])
    if next(rows, None) is not None:
        click.echo(f"Only the first {SHOWN_ROWS} rows; --csv or --json prints all.")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _csv_value(value: Any) -> Any:
    """Write true and false as DuckDB does, and lists and structures as JSON."""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, default=str) if isinstance(value, list | dict) else value


def _print_csv(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_csv_value(value) for value in row] for row in rows)
