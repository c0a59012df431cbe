"""`deepprune-sim data`: the pools on this machine, and SQL over pools, runs and submissions."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cache import cache_folder, find_pools, pool_name, runs_folder
from simulator.commands.data_sample import sample
from simulator.commands.data_verify import verify
from simulator.errors import UserError

if TYPE_CHECKING:
    from simulator.catalogue import Broken, Catalogue
    from simulator.pool_facts import PoolFacts

SHOWN_ROWS = 1000
"""Rows of a query's result that are shown as a table; --csv and --json give all."""

cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of pools, instead of $DEEPPRUNE_SIM_CACHE or datasets_cache/.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  deepprune-sim data list",
)
def data() -> None:
    """Pools on this machine, and queries over pools, runs and submissions."""


data.add_command(sample)
data.add_command(verify)


@data.command("list", epilog="\b\nExample:\n  deepprune-sim data list --cache /data/pools")
@cache_option
@json_option
@click.option("--known", is_flag=True, help="Show known public pools too, which data pull gets.")
def list_pools(cache: Path | None, as_json: bool, known: bool) -> None:
    """List the pools on this machine.

    Lengths are tokens. Token accuracy says how much a pool knows of them: exact (every token's
    place), total (lengths only) or estimated. Pools that cannot be read are listed below.
    """
    from simulator.catalogue import connect

    folder = cache_folder(cache)
    with connect(folder) as catalogue:
        pools = catalogue.rows("FROM pools ORDER BY name")
        broken = catalogue.broken
    if as_json:
        listed = [{"path": str(each.path), "reason": each.reason} for each in broken]
        public = {"known": _known_pools(folder)} if known else {}
        _print_json({"cache": str(folder), "pools": pools, "broken": listed, **public})
        return
    if pools:
        _print_pools(pools)
    else:
        click.echo(f"No pools in {folder}. To get some:")
        click.echo("  deepprune-sim run cons@64                replays a small generated sample")
        click.echo("  deepprune-sim import FORMAT PATH …       imports stored traces (import -h)")
        click.echo(
            "  deepprune-sim data pull NAME             downloads public ones (data pull -h)"
        )
    _print_broken(broken)
    if known:
        _print_known(_known_pools(folder), folder)


@data.command(
    epilog="\b\nExample:\n  deepprune-sim data show scout/qwen3-8b/aime24\n"
    "  deepprune-sim data show '*aime24' --json"
)
@click.argument("pool")
@cache_option
@json_option
def show(pool: str, cache: Path | None, as_json: bool) -> None:
    """Show one pool: where it comes from, and what its traces say.

    POOL is a name, or a glob that one pool matches. pass@1 is the mean over problems of the share
    of correct traces; cons@all lets every stored trace vote. Redundancy is the share of pairs of
    traces of one problem that have the same answer, traces without an answer left out: summed over
    all problems (pooled), and for each.
    """
    from dataclasses import asdict

    from simulator.catalogue import connect
    from simulator.pool import read_info
    from simulator.pool_facts import pool_facts

    folders = find_pools(cache_folder(cache), [pool])
    if len(folders) > 1:
        names = ", ".join(pool_name(folder) for folder in folders[:3])
        more = ", …" if len(folders) > 3 else ""
        raise UserError(f"{pool!r} matches {len(folders)} pools ({names}{more}); name one")
    (folder,) = folders
    info = read_info(folder)
    with connect(cache_folder(cache)) as catalogue:
        for broken in catalogue.broken:
            if broken.path == folder.resolve():
                raise UserError(f"{folder}: {broken.reason}")
        facts = pool_facts(catalogue, info.name)
        (row,) = catalogue.rows("SELECT path, bytes FROM pools WHERE name = ?", [info.name])
    description = {"name": info.name, **asdict(info), "fingerprint": info.fingerprint, **row}
    if as_json:
        _print_json({**description, "facts": facts.as_dict()})
    else:
        _print_description(description)
        _print_facts(facts)


@data.command(
    epilog="\b\nExample:\n  deepprune-sim data list --known\n  deepprune-sim data pull scout"
)
@click.argument("name")
@click.option("--revision", help="Commit, branch or tag, instead of the registry's.")
@click.option("--replace", is_flag=True, help="Overwrite pools of the same names.")
@click.option(
    "--keep-files/--no-keep-files",
    default=True,
    help="Keep the downloaded files in huggingface_hub's folder, or remove them after the import.",
)
@cache_option
@json_option
def pull(
    name: str,
    revision: str | None,
    replace: bool,
    keep_files: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Download a known public source from the Hugging Face Hub and import its pools.

    `data list --known` shows the names. Your own sources go into registry.toml in the folder of
    pools; the registry that comes with the program describes the form.

    Run again, it goes on where it stopped: complete files and pools stay. The token is that of
    `hf auth login` or HF_TOKEN. With HF_HUB_OFFLINE=1, only files that are here are used.
    """
    from simulator.commands.import_ import print_report
    from simulator.commands.progress import stages_shown
    from simulator.errors import interrupted
    from simulator.pulling import pull as pull_entry
    from simulator.registry import find_entry

    folder = cache_folder(cache)
    entry = find_entry(folder, name)
    try:
        with stages_shown() as progress:
            report = pull_entry(
                entry,
                cache=folder,
                revision=revision,
                replace=replace,
                keep_files=keep_files,
                progress=progress,
                notice=lambda text: print(f"note: {text}", file=sys.stderr),  # above the bar
            )
    except KeyboardInterrupt as error:
        raise interrupted(error, "; the same command goes on where this stopped") from None
    if as_json:
        _print_json(report.as_dict())
        return
    for made in report.made:
        print_report(made)
        click.echo()
    for here in report.here:
        click.echo(f"{here}: here already, from the same commit")
    click.echo(f"source: {entry.source} at {report.commit}")
    click.echo(f"licence: {entry.licence}; cite: {entry.citation}")


@data.command(
    epilog="\b\nExample:\n"
    '  deepprune-sim data sql "select pool, avg(correct::int) from traces group by pool"\n'
    '  deepprune-sim data sql "describe runs"'
)
@click.argument("query")
@cache_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
def sql(query: str, cache: Path | None, as_json: bool, as_csv: bool) -> None:
    """Answer a question in SQL (DuckDB's dialect) about pools, runs and submissions.

    The tables are pools, problems, traces, runs, decisions, answers and submissions; "describe
    traces" lists a table's columns. Nothing can be written.
    """
    import duckdb

    from simulator.catalogue import connect

    if as_json and as_csv:
        raise UserError("--csv and --json exclude each other; give one")
    try:
        query.encode()
    except UnicodeEncodeError:
        raise UserError("SQL: not UTF-8; set a locale that is (LC_ALL=C.UTF-8)") from None
    with connect(cache_folder(cache), runs_folder(), Path("submissions")) as catalogue:
        if catalogue.broken:
            count = len(catalogue.broken)
            click.echo(
                f"note: left out {count} that cannot be read, such as "
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
                    raise UserError("SQL: two columns share a name; tell them apart with AS")
                _print_json([dict(zip(names, row, strict=True)) for row in rows])
            else:
                _print_rows(names, rows)
        except duckdb.Error as error:
            raise UserError(f"SQL: {_one_line(error)}") from None


def _refuse_writing(catalogue: Catalogue, query: str) -> None:
    """Refuse anything but one SELECT, which is also what DESCRIBE, SHOW and SUMMARIZE become."""
    import duckdb

    statements = catalogue.connection.extract_statements(query)
    if len(statements) != 1:
        raise UserError("SQL: give one SELECT statement, no more and no less")
    (statement,) = statements
    if statement.type == duckdb.StatementType.MULTI:
        raise UserError("SQL: only one SELECT is allowed; list the values of a PIVOT with IN (…)")
    if statement.type != duckdb.StatementType.SELECT:
        kind = statement.type.name
        raise UserError(f"SQL: only SELECT is allowed, not {kind}; nothing can be written")
    # A WITH clause may write (WITH a AS (COPY …) SELECT …) unless it is in a subquery: plan it so.
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


def _one_line(error: Exception) -> str:
    """The first line of DuckDB's message and the suggestions after it, without the excerpt."""
    message, _, _ = str(error).partition("\nLINE ")
    return " ".join(message.split())


def _print_rows(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    from itertools import islice

    from simulator.tables import print_table

    shown = list(islice(rows, SHOWN_ROWS))
    numeric = [
        all(isinstance(row[index], int | float | None) for row in shown)
        and not any(isinstance(row[index], bool) for row in shown)
        for index in range(len(names))
    ]
    print_table(names, [[_cell(value) for value in row] for row in shown], numeric)
    if next(rows, None) is not None:
        click.echo(f"The first {SHOWN_ROWS} rows; --csv or --json gives all.")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _print_csv(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for count, row in enumerate(rows, 1):
        writer.writerow(row)
        if count % 10_000 == 0:
            click.echo(text.getvalue(), nl=False)
            text.seek(0)
            text.truncate()
    click.echo(text.getvalue(), nl=False)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(_jsonable(value), indent=2, ensure_ascii=False, allow_nan=False))


def _jsonable(value: Any) -> Any:
    """`value` with what JSON lacks replaced: NaN and infinities by null, dates and such by text."""
    if isinstance(value, dict):
        return {str(key): _jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(each) for each in value]
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _print_pools(pools: list[dict[str, Any]]) -> None:
    from simulator.tables import print_table

    headers = [
        "pool",
        "problems",
        "traces",
        "tokens",
        "mean length",
        "token accuracy",
        "signals",
        "size",
        "",
    ]
    rows = [
        [
            pool["name"],
            f"{pool['problems']:,}",
            f"{pool['traces']:,}",
            large_number(pool["tokens"]),
            f"{pool['tokens'] / max(1, pool['traces']):,.0f}",
            pool["token_accuracy"],
            ", ".join(pool["signals"]) or "-",
            file_size(pool["bytes"]),
            "SYNTHETIC" if pool["synthetic"] else "",
        ]
        for pool in pools
    ]
    print_table(headers, rows, [False, True, True, True, True, False, False, True])


def _print_broken(broken: list[Broken]) -> None:
    if broken:
        click.echo("\nCannot be read, and left out everywhere:")
        for each in broken:
            click.echo(f"  {each.path}: {each.reason}")


def _known_pools(folder: Path) -> list[dict[str, Any]]:
    """Each known public source with its pools, and which of those are in `folder`."""
    from simulator.registry import read_registry

    return [
        {
            "name": entry.name,
            "repository": entry.repository,
            "revision": entry.revision,
            "pinned": entry.pinned,
            "pools": names,
            "here": [name for name in names if (folder / name / "pool.json").exists()],
            "importer": entry.importer,
            "licence": entry.licence,
            "citation": entry.citation,
        }
        for entry in read_registry(folder).values()
        for names in [[entry.pool_name(rule) for rule in entry.pools]]
    ]


def _print_known(known: list[dict[str, Any]], folder: Path) -> None:
    from simulator.registry import FILE_NAME, SHIPPED
    from simulator.tables import print_table

    click.echo("\nKnown public pools, for deepprune-sim data pull NAME:")
    rows = [
        [
            entry["name"],
            f"{len(entry['here'])} of {len(entry['pools'])}",
            entry["repository"],
            entry["revision"][:12] if entry["pinned"] else f"{entry['revision']} (not pinned)",
            entry["licence"],
        ]
        for entry in known
    ]
    print_table(["name", "pools here", "repository", "revision", "licence"], rows)
    click.echo(f"\nYour own go into {folder / FILE_NAME}, in the form of {SHIPPED}")


def _print_description(description: dict[str, Any]) -> None:
    if description["synthetic"]:
        click.echo("SYNTHETIC: generated by this program, not sampled from a model.\n")
    leave_out = {"dataset", "model", "benchmark", "sha256", "format"}
    for key, value in description.items():
        if key in leave_out or value is None or value == []:
            continue
        text = ", ".join(value) if key == "signals" else value
        if key in ("problems", "traces", "tokens"):
            text = f"{value:,}"
        elif key == "bytes":
            text = f"{value:,} ({file_size(value)})"
        elif key == "synthetic":
            text = "yes" if value else "no"
        for line in text if isinstance(text, list) else [text]:
            click.echo(f"{key.replace('_', ' '):<18}{line}")


def _print_facts(facts: PoolFacts) -> None:
    from simulator.pool_facts import QUANTILES
    from simulator.tables import print_table

    def line(label: str, text: str) -> None:
        click.echo(f"{label:<18}{text}")

    reasons = ", ".join(f"{reason} {count:,}" for reason, count in facts.finish_reasons.items())
    lengths = zip(QUANTILES, facts.lengths, strict=True)
    click.echo()
    line("pass@1", percent(facts.pass_at_1))
    line("cons@all", f"{percent(facts.consensus_accuracy)} (every stored trace votes)")
    line(
        "redundancy",
        f"{share(facts.redundancy)} of all pairs with answers agree; "
        f"mean over problems {share(facts.mean_redundancy)}",
    )
    line("mean length", f"{facts.mean_length:,.1f} tokens")
    line("length quantiles", ", ".join(f"{q:.0%} {length:,.0f}" for q, length in lengths))
    line("no answer", f"{facts.no_answer:,} traces ({percent(facts.no_answer / facts.traces)})")
    line("finish reasons", reasons)
    click.echo()
    headers = ["problem", "gold", "traces", "pass@1", "cons", "answers", "no answer", "redundancy"]
    rows = [
        [
            each.problem_id,
            each.gold_answer,
            str(each.traces),
            percent(each.correct / each.traces),
            "right" if each.consensus_correct else "wrong",
            str(each.distinct_answers),
            str(each.no_answer),
            share(each.redundancy),
            f"{each.tokens / each.traces:,.0f}",
        ]
        for each in facts.problems
    ]
    right = [False, False, True, True, False, True, True, True, True]
    print_table([*headers, "mean length"], rows, right)


def percent(fraction: float) -> str:
    """A fraction as a percentage with two decimals."""
    return f"{100 * fraction:.2f}%"


def share(fraction: float | None) -> str:
    """A fraction with four decimals, `-` for None."""
    return "-" if fraction is None else f"{fraction:.4f}"


def large_number(count: int) -> str:
    """A whole number, in units of 10^8 from ten million on, as the literature has it."""
    return f"{count / 1e8:.3f} x10^8" if count >= 10_000_000 else f"{count:,}"


def file_size(size: int) -> str:
    """Bytes in the unit that suits their number, decimal."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"
