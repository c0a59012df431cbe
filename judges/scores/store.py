"""Stored scores: one folder per judge, in it one per pool, and in that one per problem.

    .judges/<judge>/judge.json                                    the judge's identity and cost
    .judges/<judge>/<dataset>/<model>/<benchmark>/scores.json     the pool's fingerprint
    .judges/<judge>/<dataset>/<model>/<benchmark>/<n>/prefixes.parquet   tokens of each prefix
    .judges/<judge>/<dataset>/<model>/<benchmark>/<n>/part-*.parquet     scores of some pairs

`<n>` is the problem's index in the pool. A judge's folder can be copied to another machine. Scores
are float32.

Any number of processes may read and write at the same time, and be killed at any time. A part is
written under a temporary name and renamed, and never changed afterwards. If there are many parts,
one process writes a part with all their rows, and only then removes the parts that it read; a
reader that finds a part missing starts again. A pair that two processes scored, so that it is in
several parts, has the smallest of its scores, independent of their order.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from judges.prefixes import Truncation
from judges.protocol import NO_QUESTION, READS, Described, Identity, Ints, QuestionTokens, Reads
from simulator.errors import UserError, one_line
from simulator.pools.pool import Pool, StoredProblem
from simulator.storage import (
    JsonObject,
    disk_error,
    parquet_writer,
    read_plain,
    read_versioned,
    reading,
    replace_file,
)

FORMAT = 1
"""Version of this format; a reader refuses a newer one."""

FOLDER = ".judges"
"""Folder of scores, below the folder of pools."""

SCORES = pa.schema(
    [
        pa.field("trace_a", pa.int32(), nullable=False),
        pa.field("trace_b", pa.int32(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ]
)
"""Columns of a part: the trace ids of a pair, the lower first, sorted; and the score."""

ENCODINGS = {"trace_b": "DELTA_BINARY_PACKED", "score": "BYTE_STREAM_SPLIT"}

PREFIXES = pa.schema(
    [
        pa.field("trace_id", pa.int32(), nullable=False),
        pa.field("num_tokens", pa.int32(), nullable=False),
    ]
)
"""Columns of `prefixes.parquet`: the number of the judge's own tokens in each prefix."""

QUESTION = b"question_tokens"
"""Key of its metadata: `SHARED,TAIL` as in `QuestionTokens`; absent if the prompt has none."""

MAX_PARTS = 16
"""Most parts of a problem before they are merged."""

MOST_ROWS = 1 << 20
"""Number of scores that are put into a matrix at once; bounds memory."""

STALE_SECONDS = 24 * 3600
"""Age at which a temporary file is taken to be from a killed process, and removed."""

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Description:
    """Content of `judge.json`: a judge without its model, enough if all scores are stored.

    `spec` is the judge as a user names it on the command line; empty if it is unknown.
    """

    identity: Identity
    parameters: int | None
    reads: Reads
    template_tokens: int
    tail_tokens: int
    unranked: bool
    spec: str = ""

    @property
    def has_model(self) -> bool:
        """True if the judge has a model, whose size may be unknown."""
        return self.identity.weights is not None or self.parameters is not None

    @classmethod
    def of(cls, judge: Described, spec: str = "") -> Description:
        """Describe a judge."""
        return cls(
            judge.identity,
            judge.parameters,
            judge.reads,
            judge.template_tokens,
            judge.tail_tokens,
            judge.unranked,
            spec,
        )


def scores_folder(cache: Path) -> Path:
    """Return the folder of the scores of pools in `cache`."""
    return cache / FOLDER


class ScoreStore:
    """The stored scores of one judge.

    Raises
    ------
    UserError
        The folder holds another judge's scores, or scores of a newer format.
    """

    def __init__(self, folder: Path, description: Description) -> None:
        self.path = folder / description.identity.folder
        self.description = description
        self._checked: set[str] = set()  # fingerprints of pools
        if (self.path / "judge.json").exists():
            there = read_description(self.path).identity
            if there != description.identity:
                raise UserError(
                    f"{self.path}: scores of another judge ({_difference(there, description)}); "
                    "move the folder away"
                )

    def read(self, problem: StoredProblem) -> Matrix:
        """Read all stored scores of a problem, shape (traces, traces), NaN for missing ones.

        Only elements above the diagonal are used; indices are those of the problem's arrays.
        """
        traces = len(problem.trace_ids)
        matrix = np.full((traces, traces), np.nan, dtype=np.float32)
        folder = self._problem_folder(problem)
        if folder is None:
            return matrix
        for _, part in _read_parts(folder):
            for rows in part.to_batches(MOST_ROWS):
                first, second, score = _columns(rows, problem, folder)
                matrix[first, second] = np.fmin(matrix[first, second], score)
        return matrix

    def prefix_tokens(self, problem: StoredProblem) -> Ints | None:
        """Read the number of judge tokens of each trace, shape (traces,); None if not stored."""
        folder = self._problem_folder(problem)
        if folder is None or not (folder / "prefixes.parquet").exists():
            return None
        with reading(folder / "prefixes.parquet") as path:
            table = pq.ParquetFile(path).read(use_threads=False)
        if not table.schema.equals(PREFIXES) or pc.min(table["num_tokens"]).as_py() < 0:
            raise UserError(f"{path}: not numbers of tokens; remove {folder.parent}")
        if not np.array_equal(table["trace_id"].to_numpy(), problem.trace_ids):
            raise UserError(f"{path}: has other traces than the problem; remove {folder.parent}")
        tokens: Ints = table["num_tokens"].to_numpy().astype(np.int64)
        return tokens

    def question_tokens(self, problem: StoredProblem) -> QuestionTokens | None:
        """Read the number of judge tokens of the question in each prompt.

        None if no tokens are stored; zeros if only those of prefixes are.
        """
        folder = self._problem_folder(problem)
        if folder is None or not (folder / "prefixes.parquet").exists():
            return None
        with reading(folder / "prefixes.parquet") as path:
            told = (pq.read_schema(path).metadata or {}).get(QUESTION, b"0,0")
        if not re.fullmatch(rb"[0-9]{1,9},[0-9]{1,9}", told):
            raise UserError(f"{path}: not numbers of tokens; remove {folder.parent}")
        return QuestionTokens(*map(int, told.split(b",")))

    def write(
        self,
        problem: StoredProblem,
        pairs: Ints,
        scores: npt.ArrayLike,
        prefix_tokens: Ints,
        question_tokens: QuestionTokens = NO_QUESTION,
    ) -> None:
        """Add scores of a problem's pairs; on return they are on the disk.

        Parameters
        ----------
        problem
            The stored problem.
        pairs
            Shape (n, 2): indices into its arrays, the lower first.
        scores
            Shape (n,): probabilities.
        prefix_tokens
            Shape (traces,): the number of the judge's tokens of each prefix.
        question_tokens
            The number of the judge's tokens of the question in each prompt.

        Raises
        ------
        UserError
            A score is not a probability, or the folder cannot be written to.
        """
        values = self.checked(problem, pairs, scores)
        try:
            folder = self._make_folder(problem)
            prefixes = folder / "prefixes.parquet"
            if not prefixes.exists():
                asked = any(question_tokens)
                told = {QUESTION: ",".join(map(str, question_tokens))} if asked else None
                _write_table(
                    prefixes,
                    {"trace_id": problem.trace_ids, "num_tokens": prefix_tokens},
                    PREFIXES.with_metadata(told),
                )
            if len(pairs):
                ids = problem.trace_ids[pairs]
                _write_scores(folder, ids[:, 0], ids[:, 1], values)
                if len(_parts(folder)) > MAX_PARTS:
                    compact(folder)
        except OSError as error:
            raise disk_error(error, self.path) from None

    def compact(self, problem: StoredProblem) -> None:
        """Merge all parts of a problem into one."""
        folder = self._problem_folder(problem)
        if folder is not None and len(_parts(folder)) > 1:
            try:
                compact(folder)
            except OSError as error:
                raise disk_error(error, self.path) from None

    def checked(self, problem: StoredProblem, pairs: Ints, scores: npt.ArrayLike) -> Matrix:
        """Check scores, and convert them to float32 as they are stored, shape (n,)."""
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != (len(pairs),):
            raise UserError(
                f"judge {self.description.identity.folder}: {values.shape} scores for "
                f"{len(pairs)} pairs of problem {problem.problem_id!r}; the judge has a bug"
            )
        wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
        if len(wrong):
            first, second = problem.trace_ids[pairs[wrong[0]]].tolist()
            raise UserError(
                f"judge {self.description.identity.folder}: score {values[wrong[0]]} for traces "
                f"{first} and {second} of problem {problem.problem_id!r} of "
                f"{problem.pool.name}; a score is a probability, "
                "so the judge is broken (damaged weights?); no score of this call was stored"
            )
        return values.astype(np.float32)

    def pool_folder(self, pool: Pool) -> Path:
        """Return the folder of a pool's scores, even if it does not exist yet.

        Raises
        ------
        UserError
            The folder holds scores of another version of that pool, or of another judge.
        """
        folder = self.path / pool.name
        if pool.info.fingerprint not in self._checked and (folder / "scores.json").exists():
            fields = _read_json(folder / "scores.json").fields
            there, judge = fields.get("fingerprint"), fields.get("judge", self.path.name)
            if judge != self.path.name:
                raise UserError(
                    f"{folder}: scores of another judge, {judge}; move the folder to that "
                    "judge's, and score the pool again"
                )
            if there != pool.info.fingerprint:
                raise UserError(
                    f"{folder}: scores of another version of {pool.name} (fingerprint "
                    f"{str(there)[:12]}, the pool has {pool.info.fingerprint[:12]}); move the "
                    "folder away and score the pool again"
                )
            self._checked.add(pool.info.fingerprint)
        return folder

    def size_of(self, pool: str) -> int:
        """Return the size in bytes of a pool's scores; `pool` is `dataset/model/benchmark`."""
        files = (self.path / pool).rglob("*")
        return sum(file.stat().st_size for file in files if file.is_file())

    def _problem_folder(self, problem: StoredProblem) -> Path | None:
        folder = self.pool_folder(problem.pool) / f"{problem.index:04d}"
        return folder if folder.is_dir() else None

    def _make_folder(self, problem: StoredProblem) -> Path:
        pool = problem.pool
        folder = self.pool_folder(pool) / f"{problem.index:04d}"
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            if not (self.path / "judge.json").exists():
                described = {
                    "format": FORMAT,
                    "spec": self.description.spec,
                    "identity": self.description.identity.as_dict(),
                    "parameters": self.description.parameters,
                    "reads": self.description.reads,
                    "template_tokens": self.description.template_tokens,
                    "tail_tokens": self.description.tail_tokens,
                    "unranked": self.description.unranked,
                }
                _write_json(self.path / "judge.json", described)
            if not (folder.parent / "scores.json").exists():
                fields = {"format": FORMAT, "judge": self.path.name, "pool": pool.name}
                fields["fingerprint"] = pool.info.fingerprint
                _write_json(folder.parent / "scores.json", fields)
            self.pool_folder(pool)
        return folder


def open_store(folder: Path) -> ScoreStore:
    """Open the scores in a judge's folder, `.judges/<judge>`, without the judge.

    Raises
    ------
    UserError
        It is not a judge's folder, or was renamed.
    """
    description = read_description(folder)
    if description.identity.folder != folder.name:
        raise UserError(
            f"{folder}: its judge.json describes {description.identity.folder}; rename the folder "
            "to that"
        )
    return ScoreStore(folder.parent, description)


def read_description(folder: Path) -> Description:
    """Read a judge's `judge.json`."""
    file = folder / "judge.json"
    top = _read_json(file)
    identity = top.object("identity")
    if identity.fields.keys() != Identity.__dataclass_fields__.keys():
        raise top.error("identity", dict, top.fields)
    truncation = identity.optional("truncation", str)
    return Description(
        Identity(
            name=identity.get("name", str),
            weights=identity.optional("weights", str),
            prompt=identity.optional("prompt", str),
            truncation=None if truncation is None else Truncation.parse(truncation),
            settings=tuple(sorted(identity.object("settings").fields.items())),
        ),
        top.optional("parameters", int),
        _reads(top, identity.get("name", str)),
        top.get("template_tokens", int),
        top.optional("tail_tokens", int) or 0,
        top.get("unranked", bool),
        top.get("spec", str),
    )


def _reads(top: JsonObject, name: str) -> Reads:
    """Return the way in which a judge reads pairs; stores of before tell it by the judge's kind."""
    if "reads" not in top.fields:
        kind = name.partition("-")[0]
        return {"hf": READS[2], "vllm": READS[3]}.get(kind, READS[0])
    for known in READS:
        if top.get("reads", str) == known:
            return known
    raise top.error("reads", str, top.fields)


def iter_stores(cache: Path) -> Iterator[Path]:
    """Yield the folders of all judges with scores below a folder of pools, sorted by name."""
    yield from (file.parent for file in sorted(scores_folder(cache).glob("*/judge.json")))


def iter_parts(pool_folder: Path) -> Iterator[Path]:
    """Yield all parts of a pool's scores."""
    yield from sorted(pool_folder.glob("*/part-*.parquet"))


def compact(folder: Path) -> None:
    """Merge all parts of a problem. Safe at any time, in any number of processes."""
    parts, tables = zip(*_read_parts(folder), strict=True)
    rows = pa.concat_tables(tables)
    columns = [rows[name].to_numpy() for name in SCORES.names]
    whole = _write_scores(folder, *columns)
    for part in parts:
        if part != whole:
            part.unlink(missing_ok=True)
    for file in folder.glob("*.tmp"):
        try:
            if time.time() - file.stat().st_mtime > STALE_SECONDS:
                file.unlink()
        except OSError:
            continue  # another process was faster


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def _read_parts(folder: Path) -> list[tuple[Path, pa.Table]]:
    """Read each part with its rows; all parts are of the same moment."""
    while True:
        try:
            return [(part, _read_part(part)) for part in _parts(folder)]
        except FileNotFoundError as error:
            if Path(error.filename).is_symlink():
                raise UserError(f"{error.filename}: a link to nothing; remove it") from None
            continue  # merged meanwhile: the rows are in a part that is not in the list


def _read_part(part: Path) -> pa.Table:
    try:
        content = read_plain(part)
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        table = file.read(use_threads=False)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{part}: cannot be read ({one_line(error)}); remove it, its pairs are then scored "
            "again"
        ) from None
    if not table.schema.equals(SCORES):
        raise UserError(f"{part}: not a file of scores; remove it")
    scores = table["score"].to_numpy()
    if not ((scores >= 0) & (scores <= 1)).all():
        raise UserError(
            f"{part}: a score that is not between 0 and 1; remove it, its pairs are then scored "
            "again"
        )
    return table


def _columns(
    rows: pa.Table | pa.RecordBatch, problem: StoredProblem, folder: Path
) -> tuple[Ints, Ints, Matrix]:
    """Return the indices of pairs and their scores, each of shape (n,)."""
    ids = np.stack([rows["trace_a"].to_numpy(), rows["trace_b"].to_numpy()])
    index = np.searchsorted(problem.trace_ids, ids).clip(0, len(problem.trace_ids) - 1)
    if not np.array_equal(problem.trace_ids[index], ids):
        raise UserError(f"{folder}: scores of traces that {problem.pool.name} lacks; remove it")
    return index[0], index[1], rows["score"].to_numpy()


def _write_scores(
    folder: Path,
    first: npt.NDArray[np.int32],
    second: npt.NDArray[np.int32],
    scores: Matrix,
) -> Path:
    """Write a new part, sorted, with each pair once and the smallest of its scores."""
    place = (first.astype(np.int64) << 32) + second
    if (np.diff(place) <= 0).any():
        order = np.lexsort((scores, place))
        new = np.diff(place[order], prepend=-1) != 0
        first, second, scores = first[order][new], second[order][new], scores[order][new]
    part = folder / f"part-{uuid.uuid4().hex}.parquet"
    columns = {"trace_a": first, "trace_b": second, "score": scores}
    _write_table(part, columns, SCORES, ENCODINGS)
    return part


def _write_table(
    path: Path,
    columns: Mapping[str, npt.NDArray[Any]],
    schema: pa.Schema,
    encodings: Mapping[str, str] | None = None,
) -> None:
    content = BytesIO()
    with parquet_writer(content, schema, encodings) as writer:
        writer.write_table(pa.table(dict(columns)).cast(schema))
    replace_file(path, content.getvalue())


def _write_json(path: Path, fields: Mapping[str, Any]) -> None:
    text = json.dumps(fields, indent=2, ensure_ascii=False)
    replace_file(path, f"{text}\n".encode())


def _read_json(path: Path) -> JsonObject:
    def wrong(key: str, kind: object, fields: object) -> UserError:
        what = "a judge" if path.name == "judge.json" else "stored scores"
        return UserError(f"{path}: not a description of {what}; copy it again")

    what = "a description of stored scores"
    try:
        return JsonObject(read_versioned(path, what, FORMAT, "copy it again").fields, wrong)
    except FileNotFoundError:
        raise UserError(f"{path}: missing; copy the whole folder again") from None


def _difference(there: Identity, description: Description) -> str:
    ours = description.identity.as_dict()
    names = [name for name, value in there.as_dict().items() if value != ours[name]]
    return ", ".join(f"{name} {there.as_dict()[name]!r}, not {ours[name]!r}" for name in names)
