"""The catalogue: DuckDB views of pools, runs, submissions, what is in them, published figures.

Small things (descriptions, summaries) are read when the catalogue is opened; Parquet files are
read by DuckDB when a query needs them. Nothing can be written through a catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.cache import pool_name
from simulator.errors import UserError
from simulator.pool import SCHEMAS, iter_pool_folders, read_info
from simulator.recording import ADDED, ANSWERS, DECISIONS
from simulator.run_reader import METRICS, RunResult, read_results
from simulator.storage import reading
from simulator.submissions.files import read_files
from simulator.submissions.metadata import read_metadata
from simulator.submissions.published import BADGE, read_published
from simulator.submissions.strict_json import parse_object
from simulator.submissions.verification import badge_of, verified_at

POOLS = pa.schema(
    [
        ("name", pa.string()),
        ("dataset", pa.string()),
        ("model", pa.string()),
        ("benchmark", pa.string()),
        ("problems", pa.int64()),
        ("traces", pa.int64()),
        ("tokens", pa.int64()),
        ("token_accuracy", pa.string()),
        ("signals", pa.list_(pa.string())),
        ("synthetic", pa.bool_()),
        ("licence", pa.string()),
        ("source", pa.string()),
        ("fingerprint", pa.string()),
        ("path", pa.string()),
        ("bytes", pa.int64()),
    ]
)

_INTERVALS = ("accuracy", "accuracy_difference", "reduction", "tokens_per_problem")

RUNS = pa.schema(
    [
        ("run", pa.string()),
        ("policy", pa.string()),
        ("parameters", pa.string()),
        ("unranked", pa.bool_()),
        ("seed", pa.int64()),
        ("repeats", pa.int64()),
        ("pool", pa.string()),
        ("fingerprint", pa.string()),
        ("synthetic", pa.bool_()),
        ("token_accuracy", pa.string()),
        ("problems", pa.int64()),
        ("budget", pa.int64()),
        ("baseline", pa.string()),
        *[
            (name, pa.float64())
            for metric in METRICS
            for name in (
                [metric, f"{metric}_low", f"{metric}_high"] if metric in _INTERVALS else [metric]
            )
        ],
        ("clock_unit", pa.string()),
        ("started_at", pa.string()),
        ("wall_seconds", pa.float64()),
        ("command", pa.string()),
        ("path", pa.string()),
    ]
)

SUBMISSIONS = pa.schema(
    [
        ("submission", pa.string()),
        ("badge", pa.string()),
        ("method", pa.string()),
        ("authors", pa.list_(pa.string())),
        ("organisation", pa.string()),
        ("date", pa.string()),
        ("paper", pa.string()),
        ("code", pa.string()),
        ("description", pa.string()),
        ("verified_at", pa.string()),
        *[field for field in RUNS if field.name != "run"],
    ]
)

PUBLISHED = pa.schema(
    [
        ("method", pa.string()),
        ("model", pa.string()),
        ("benchmark", pa.string()),
        ("tokens_1e8", pa.float64()),
        ("accuracy", pa.float64()),
        ("badge", pa.string()),
        ("source", pa.string()),
        ("organisation", pa.string()),
        ("date", pa.string()),
        ("paper", pa.string()),
        ("code", pa.string()),
    ]
)


Row = dict[str, Any]
"""One row of a view, by column; a column that is not named is null."""


class Broken(NamedTuple):
    """A folder that the catalogue leaves out, and why."""

    path: Path
    reason: str


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
        """All rows of a query that this program wrote, as dictionaries by column."""
        cursor = self.connection.execute(query, list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def connect(cache: Path, runs: Path | None = None, submissions: Path | None = None) -> Catalogue:
    """Open a catalogue of the pools below `cache`, the runs and the submissions.

    Any of the three folders may be missing or None: its views then have no rows. A pool, run or
    submission that cannot be read is left out and listed in `broken`. The connection lives in
    memory, is closed when the catalogue is left, and reads no file outside these three folders.
    """
    broken: list[Broken] = []
    pools, pool_folders = _pools(cache.resolve(), broken)
    run_rows, run_folders = _runs(runs.resolve() if runs else None, broken)
    submission_rows = _submissions(submissions.resolve() if submissions else None, broken)
    published_rows = _published(submissions.resolve() if submissions else None, broken)

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
    _table(connection, "published", PUBLISHED, published_rows)
    for name in ("problems", "traces"):
        files = [folder / f"{name}.parquet" for folder in pool_folders]
        _parquet_view(connection, name, "pool", "[-4:-2]", files, SCHEMAS[name])
    for name, schema in (("decisions", DECISIONS), ("answers", ANSWERS)):
        files = [folder / f"{name}.parquet" for folder in run_folders]
        added = ADDED if name == "answers" else ()
        below = f"[{len(runs.resolve().parts) + 1 if runs else 0}:-2]"
        _parquet_view(connection, name, "run", below, files, schema, added)
    _lock(connection, [folder.resolve() for folder in (cache, runs, submissions) if folder])
    return Catalogue(connection, broken)


def _pools(cache: Path, broken: list[Broken]) -> tuple[list[Row], list[Path]]:
    """Rows of the view `pools`, and the folders that they describe."""
    rows, folders = [], []
    for folder in iter_pool_folders(cache):
        try:
            rows.append(_pool_row(folder))
        except UserError as error:
            broken.append(_broken(folder, error))
        else:
            folders.append(folder)
    return rows, folders


def _pool_row(folder: Path) -> Row:
    info = read_info(folder)
    if info.name != pool_name(folder):
        raise UserError(f"pool.json names it {info.name}; move the folder there")
    for name in sorted({*info.sha256, "problems.parquet", "traces.parquet"}):
        schema = _parquet_schema(folder / name)
        wanted = SCHEMAS.get(name.removesuffix(".parquet"))
        if wanted is not None and not set(wanted.names) <= set(schema.names):
            raise UserError(f"{name}: columns are missing; import the pool again")
    row = {name: getattr(info, name) for name in POOLS.names if hasattr(info, name)}
    row["path"] = str(folder)
    row["bytes"] = sum(file.stat().st_size for file in folder.iterdir())
    return row


def _runs(runs: Path | None, broken: list[Broken]) -> tuple[list[Row], list[Path]]:
    """Rows of the view `runs`, and the folders of the runs in it."""
    rows: list[Row] = []
    folders = []
    if runs is None:
        return [], []
    sweeps = [folder for folder in _folders_with(runs, ("sweep.json",)) if _is_whole(folder)]
    below = [run for sweep in sweeps for run in _folders_with(sweep, ("run.json",))]
    for folder in sorted([*_folders_with(runs, ("run.json", "identity.json")), *below]):
        try:
            results = read_results(folder)
            for name, wanted in (("decisions", DECISIONS), ("answers", ANSWERS)):
                schema = _parquet_schema(folder / f"{name}.parquet")
                if not set(wanted.names) <= {*schema.names, *ADDED}:
                    raise UserError(f"{name}.parquet: columns are missing; make the run again")
        except UserError as error:
            broken.append(_broken(folder, error))
        else:
            name = folder.relative_to(runs).as_posix()
            rows.extend({**_result_row(result), "run": name} for result in results)
            folders.append(folder)
    return rows, folders


def _submissions(submissions: Path | None, broken: list[Broken]) -> list[Row]:
    """Rows of the view `submissions`: one a pool, or one with nothing else where no run is in.

    Strangers wrote them: a file that is not as it should be is not read further.
    """
    rows: list[Row] = []
    for folder in _folders_with(submissions, ("submission.toml", "run.json")):
        files = read_files(folder)
        named: Row = {"submission": folder.name, "path": str(folder), "badge": badge_of(files)}
        named["verified_at"] = verified_at(files)
        metadata, _ = read_metadata(files.content.get("submission.toml", b""))
        if metadata is not None:
            named |= {key: value for key, value in asdict(metadata).items() if key in _SAID}
            named |= {"date": metadata.date.isoformat(), "authors": list(metadata.authors)}
        try:
            for name in ("run.json", "summary.json"):
                if (folder / name).is_symlink() or name in files.content:
                    parse_object(files.content.get(name, b""), name)
            results = read_results(folder) if (folder / "run.json").is_file() else []
        except UserError as error:
            broken.append(_broken(folder, error))
        else:
            rows.extend([{**_result_row(result), **named} for result in results] or [named])
    return rows


_SAID = ("method", "organisation", "paper", "code", "description")


def _published(submissions: Path | None, broken: list[Broken]) -> list[Row]:
    """Rows of the view `published`: figures from publications, which nobody has replayed."""
    if submissions is None:
        return []
    try:
        published = read_published(submissions)
    except UserError as error:
        broken.append(_broken(submissions, error))
        return []
    return [
        {
            **{name: getattr(figure, name) for name in PUBLISHED.names[:5]},
            "badge": BADGE,
            "source": figure.source.title,
            "organisation": figure.source.organisation,
            "date": figure.source.date.isoformat() if figure.source.date else None,
            "paper": figure.source.paper,
            "code": figure.source.code,
        }
        for figure in published.figures
    ]


def _folders_with(parent: Path | None, marks: Sequence[str]) -> list[Path]:
    """Folders in `parent` that hold any of the files `marks`, sorted."""
    if parent is None:
        return []
    return sorted({file.parent for mark in marks for file in parent.glob(f"*/{mark}")})


def _is_whole(folder: Path) -> bool:
    return not folder.name.endswith(".partial")


def _result_row(result: RunResult) -> Row:
    row: Row = {name: getattr(result, name) for name in RUNS.names if hasattr(result, name)}
    row["parameters"] = json.dumps(result.parameters, sort_keys=True)
    row["path"] = str(result.path)
    for name in METRICS:
        metric = result.metrics.get(name)
        if metric is not None:
            row |= {name: metric.value, f"{name}_low": metric.low, f"{name}_high": metric.high}
    return row


def _parquet_schema(file: Path) -> pa.Schema:
    """The schema in a Parquet file's footer, which a file that was cut off does not have."""
    with reading(file):
        return pq.read_schema(file)


def _table(
    connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, rows: Sequence[Row]
) -> None:
    """Put a few rows into a table of DuckDB's own.

    An Arrow table would do as well, but making one of Python objects imports pandas, which takes
    longer than the query.
    """
    columns = ", ".join(f'"{field.name}" {_duckdb_type(field.type)}' for field in schema)
    connection.execute(f"CREATE TABLE {name} ({columns})")
    if rows:
        places = ", ".join("?" * len(schema))
        values = [[row.get(column) for column in schema.names] for row in rows]
        connection.executemany(f"INSERT INTO {name} VALUES ({places})", values)


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
    """A view of many Parquet files with a leading column that names the pool or run of each row.

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
    if added:  # reading them so opens every file, whatever is asked
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
    """Let queries read files below `folders` and nothing else, for good."""
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


def _broken(folder: Path, error: UserError) -> Broken:
    """`folder` with the error's message, which need not name the folder a second time."""
    return Broken(folder, str(error).removeprefix(f"{folder}: ").removeprefix(f"{folder}/"))
