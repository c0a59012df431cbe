"""The catalogue: DuckDB views of pools, runs and submissions, their contents, published figures.

Small files (descriptions, summaries) are read when the catalogue is opened; Parquet files are
read by DuckDB when a query needs them. A catalogue is read-only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa

from simulator.boards.derived import FOLDER
from simulator.catalogue.pool_rows import (
    POOLS,
    Broken,
    Progress,
    Row,
    pools_rows,
    stamp,
    stored_column,
)
from simulator.catalogue.rows import (
    PUBLISHED,
    RUNS,
    SUBMISSIONS,
    pools_at_hand,
    published_rows,
    runs_rows,
    submissions_rows,
)
from simulator.pools.pool import SCHEMAS, SIGNALS
from simulator.pools.token_signals.files import LISTS, PACKED, PACKED_TYPES, as_numbers
from simulator.replay.recording import ADDED, ANSWERS, DECISIONS
from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS


@dataclass(frozen=True)
class Catalogue:
    """An open catalogue: `connection` has the views, `broken` lists what they leave out.

    `runs` and `submissions` are the rows of these views, with the columns `INTERNAL`; `derived` are
    those of the runs that the board derives where a pool is (`simulator.boards.derived`).
    """

    connection: duckdb.DuckDBPyConnection
    broken: list[Broken]
    runs: pa.Table
    submissions: pa.Table
    derived: pa.Table

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.close()

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query that this program wrote, as dictionaries by column.

        Each call has a cursor of its own, so that threads can query at the same time.
        """
        with self.connection.cursor() as cursor:
            cursor.execute(query, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def connect(
    cache: Path,
    runs: Path | None = None,
    submissions: Path | None = None,
    progress: Progress = lambda done: None,
) -> Catalogue:
    """Open a catalogue of the pools below `cache`, the runs and the submissions.

    Any of the three folders may be missing or None: its views then have no rows. A pool, run or
    submission that cannot be read is left out and listed in `broken`. The connection lives in
    memory, closes at the end of the `with` block, and reads no file outside these three folders.
    Figures of runs and submissions are derived (`simulator.catalogue.figures`), which can take
    minutes the first time; `progress` is told the share of their folders that is done.
    """
    broken: list[Broken] = []
    submissions = submissions.resolve() if submissions else None
    pools, pool_folders = pools_rows(cache.resolve(), broken)
    named = tuple((row["name"], row["fingerprint"], row["path"]) for row in pools)
    at_hand = pools_at_hand(named, cache.resolve())
    run_rows, run_folders = runs_rows(runs.resolve() if runs else None, at_hand, broken, progress)
    derived_rows, _ = runs_rows(cache.resolve() / FOLDER, at_hand, broken)
    submission_rows = submissions_rows(submissions, at_hand, broken, progress)
    published = published_rows(submissions, broken)

    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": "",
        }
    )
    _table(connection, "pools", POOLS, pools)
    _from_arrow(connection, "runs", run_rows.select(RUNS.names))
    _from_arrow(connection, "submissions", submission_rows.select(SUBMISSIONS.names))
    _table(connection, "published", PUBLISHED, published)
    for column in PACKED_TYPES:
        # By its name: the enumeration has moved between releases.
        connection.create_function(  # type: ignore[call-overload]
            f"numbers_in_{column}", _decoder(column), ["BLOB"], "DOUBLE[]", type="arrow"
        )
    for name, query in pool_views(pool_folders).items():
        connection.execute(f"CREATE VIEW {name} AS {query}")
    for name, schema in (("decisions", DECISIONS), ("answers", ANSWERS)):
        files = [folder / f"{name}.parquet" for folder in run_folders]
        below = f"[{len(runs.resolve().parts) + 1 if runs else 0}:-2]"
        rows = _rows_of_files("run", below, files, schema, ADDED)
        connection.execute(f"CREATE VIEW {name} AS {rows}")
    _lock(connection, [folder.resolve() for folder in (cache, runs, submissions) if folder])
    return Catalogue(connection, broken, run_rows, submission_rows, derived_rows)


def _decoder(column: str) -> Callable[[pa.Array], pa.Array]:
    """Return a function of one parameter, which is all that DuckDB accepts."""
    return lambda cells: as_numbers(cells, column)


def _table(
    connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, rows: Sequence[Row]
) -> None:
    """Insert rows into a new DuckDB table, column by column.

    Inserting one row at a time takes 5 ms. An Arrow table of Python objects would work, too, but
    making one imports pandas, which takes longer than the query.
    """
    columns = ", ".join(f'"{field.name}" {_duckdb_type(field.type)}' for field in schema)
    connection.execute(f"CREATE TABLE {name} ({columns})")
    if rows:
        lists = ", ".join(f"unnest(?::{_duckdb_type(field.type)}[])" for field in schema)
        values = [[row.get(column) for row in rows] for column in schema.names]
        connection.execute(f"INSERT INTO {name} SELECT {lists}", values)


def _from_arrow(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    connection.register("given", table)
    connection.execute(f"CREATE TABLE {name} AS FROM given")
    connection.unregister("given")


def _duckdb_type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return _duckdb_type(kind.value_type)
    if pa.types.is_list(kind):
        return _duckdb_type(kind.value_type) + "[]"
    return {
        "binary": "BLOB",
        "string": "VARCHAR",
        "large_string": "VARCHAR",
        "bool": "BOOLEAN",
        "float": "FLOAT",
        "double": "DOUBLE",
        "uint16": "USMALLINT",
        "int32": "INTEGER",
        "int64": "BIGINT",
    }[str(kind)]


def pool_views(folders: Sequence[Path]) -> dict[str, str]:
    """Return the queries of the views that read the pools' files, by name.

    `texts` and the views of token signals have a row a trace, these with a list of one value a
    token; `probes` has a row a probe, and so has `probe_signals`, of pools with any. A query reads
    its files one row group, which is of one problem, after another, and skips those of problems
    that it does not ask for.
    """

    def rows_of(file: str, among: Sequence[Path], schema: pa.Schema | None = None) -> str:
        files = [folder / f"{file}.parquet" for folder in among]
        return _rows_of_files("pool", "[-4:-2]", files, schema or SCHEMAS[file])

    having = {
        file: [folder for folder in folders if (folder / f"{file}.parquet").is_file()]
        for file in ("classes", *SIGNALS)
    }
    trace = "pool, problem_id, trace_id"

    def values_of(name: str) -> str:
        """Return the query for the values of a token signal, whatever column each pool has."""
        parts = []
        for schema in (*LISTS[name], *PACKED):
            field = schema.field(-1)
            column = (field.name, field.type)
            among = [
                each for each in having[name] if stored_column(each, name, stamp(each)) == column
            ]
            if schema in PACKED:
                values = f"numbers_in_{field.name}({field.name})"
            else:
                scale = 1000 if pa.types.is_integer(field.type.value_type) else 1
                values = f"[value / {scale}::DOUBLE FOR value IN {name}]"
            rows = rows_of(name, among, schema)
            parts.append(f"SELECT {trace}, {values} AS {name} FROM ({rows})")
        return " UNION ALL ".join(parts)

    certain = [each for each in having["probes"] if any(each in having[n] for n in PROBE_SIGNALS)]
    joined = "".join(
        f" LEFT JOIN ({rows_of(name, having[name])}) USING ({trace})" for name in PROBE_SIGNALS
    )
    numbers = ", ".join(f"unnest({name}) AS {name}" for name in PROBE_SIGNALS)
    return {
        **{name: rows_of(name, folders) for name in ("problems", "traces")},
        "classes": rows_of("classes", having["classes"]),
        "texts": rows_of("text", having["text"]),
        **{signal.plural: values_of(name) for name, signal in TOKEN_SIGNALS.items()},
        "probes": f"SELECT {trace}, unnest(position) AS position, unnest(answer_class) AS "
        f"answer_class FROM ({rows_of('probes', having['probes'])})",
        "probe_signals": f"SELECT {trace}, unnest(position) AS position, {numbers} "
        f"FROM ({rows_of('probes', certain)}){joined}",
    }


def _rows_of_files(
    owner: str, parts: str, files: Sequence[Path], schema: pa.Schema, added: Sequence[str] = ()
) -> str:
    """Return a query for the rows of many Parquet files, with the pool or run of each as `owner`.

    The name is computed from the file's path, of which it is the `parts`, so that a query for one
    pool opens one pool's file. Columns `added` to the format later are null for files that lack
    them.
    """
    nulls = ", ".join(f'NULL::{_duckdb_type(field.type)} AS "{field.name}"' for field in schema)
    if not files:
        return f"SELECT NULL::VARCHAR AS {owner}, {nulls} WHERE false"
    listed = ", ".join(_literal(file.as_posix()) for file in files)
    columns = ", ".join(f'"{column}"' for column in schema.names)
    options = "filename = true, hive_partitioning = false"
    source = f"FROM read_parquet([{listed}], {options})"
    if added:  # union_by_name opens every file, whatever the query
        source = (
            f"FROM (SELECT {nulls}, NULL::VARCHAR AS filename WHERE false "
            f"UNION ALL BY NAME FROM read_parquet([{listed}], {options}, union_by_name = true))"
        )
    name = f"array_to_string(string_split(filename, '/'){parts}, '/')"
    return f"SELECT {name} AS {owner}, {columns} {source}"


def _lock(connection: duckdb.DuckDBPyConnection, folders: list[Path]) -> None:
    """Restrict queries to files below `folders`, irrevocably."""
    allowed = ", ".join(_literal(folder.as_posix()) for folder in folders)
    for setting in (
        f"allowed_directories = [{allowed}]",
        "enable_external_access = false",
        "python_enable_replacements = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
