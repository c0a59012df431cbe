"""The catalogue: DuckDB views of pools, runs and submissions, their contents, published figures.

Small files (descriptions, summaries) are read when the catalogue is opened; Parquet files are
read by DuckDB when a query needs them. A catalogue is read-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from simulator.catalogue.rows import (
    POOLS,
    PUBLISHED,
    RUNS,
    SUBMISSIONS,
    Broken,
    Row,
    pools_rows,
    published_rows,
    runs_rows,
    submissions_rows,
)
from simulator.pools.pool import SCHEMAS
from simulator.replay.recording import ADDED, ANSWERS, DECISIONS


@dataclass(frozen=True)
class Catalogue:
    """An open catalogue: `connection` has the views, `broken` lists what they leave out."""

    connection: duckdb.DuckDBPyConnection
    broken: list[Broken]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query that this program wrote, as dictionaries by column.

        Each call has a cursor of its own, so that threads can query at the same time.
        """
        with self.connection.cursor() as cursor:
            cursor.execute(query, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def connect(cache: Path, runs: Path | None = None, submissions: Path | None = None) -> Catalogue:
    """Open a catalogue of the pools below `cache`, the runs and the submissions.

    Any of the three folders may be missing or None: its views then have no rows. A pool, run or
    submission that cannot be read is left out and listed in `broken`. The connection lives in
    memory, closes at the end of the `with` block, and reads no file outside these three folders.
    """
    broken: list[Broken] = []
    submissions = submissions.resolve() if submissions else None
    pools, pool_folders = pools_rows(cache.resolve(), broken)
    run_rows, run_folders = runs_rows(runs.resolve() if runs else None, broken)
    submission_rows = submissions_rows(submissions, broken)
    published = published_rows(submissions, broken)

    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": "",
        }
    )
    _table(connection, "pools", POOLS, pools)
    _table(connection, "runs", RUNS, run_rows)
    _table(connection, "submissions", SUBMISSIONS, submission_rows)
    _table(connection, "published", PUBLISHED, published)
    for name in ("problems", "traces"):
        files = [folder / f"{name}.parquet" for folder in pool_folders]
        _parquet_view(connection, name, "pool", "[-4:-2]", files, SCHEMAS[name])
    for name, schema in (("decisions", DECISIONS), ("answers", ANSWERS)):
        files = [folder / f"{name}.parquet" for folder in run_folders]
        below = f"[{len(runs.resolve().parts) + 1 if runs else 0}:-2]"
        _parquet_view(connection, name, "run", below, files, schema, ADDED)
    _lock(connection, [folder.resolve() for folder in (cache, runs, submissions) if folder])
    return Catalogue(connection, broken)


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


def _duckdb_type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return _duckdb_type(kind.value_type)
    if pa.types.is_list(kind):
        return _duckdb_type(kind.value_type) + "[]"
    names = {"string": "VARCHAR", "bool": "BOOLEAN", "double": "DOUBLE"}
    return names.get(str(kind)) or {"int32": "INTEGER", "int64": "BIGINT"}[str(kind)]


def _parquet_view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    owner: str,
    parts: str,
    files: list[Path],
    schema: pa.Schema,
    added: Sequence[str] = (),
) -> None:
    """Create a view of many Parquet files; its first column names the pool or run of each row.

    The name is computed from the file's path, of which it is the `parts`, so that a query for one
    pool opens one pool's file. Columns `added` to the format later are null for files that lack
    them.
    """
    if not files:
        _table(connection, name, pa.schema([(owner, pa.string()), *schema]), [])
        return
    listed = ", ".join(_literal(file.as_posix()) for file in files)
    columns = ", ".join(f'"{column}"' for column in schema.names)
    options = "filename = true, hive_partitioning = false"
    source = f"FROM read_parquet([{listed}], {options})"
    if added:  # union_by_name opens every file, whatever the query
        nulls = [f"NULL::{_duckdb_type(field.type)} AS {field.name}" for field in schema]
        source = (
            f"FROM (SELECT {', '.join(nulls)}, NULL::VARCHAR AS filename WHERE false "
            f"UNION ALL BY NAME FROM read_parquet([{listed}], {options}, union_by_name = true))"
        )
    connection.execute(
        f"CREATE VIEW {name} AS SELECT "
        f"array_to_string(string_split(filename, '/'){parts}, '/') AS {owner}, {columns} {source}"
    )


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
