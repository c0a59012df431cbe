"""Sets of pairs to train and evaluate judges on: made from pools, then independent of them.

A set is one folder. `pairs.json` describes the set, its source pools and the traces left out;
`prefixes.parquet` holds the prefix of each trace for each truncation; `pairs.parquet` names two
traces per row, with a label for the same final answer and the side of the split. The set has no
text after the cut, so no judge can be trained on an answer by mistake.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from judges.pairs.splitting import Split, make_split, problem_keys, rank
from judges.prefixes import Truncation
from judges.protocol import Ints, all_pairs
from simulator.errors import UserError
from simulator.pools.pool import NO_ANSWER, Pool, StoredProblem
from simulator.storage import (
    clear_leftovers,
    disk_error,
    file_sha256,
    locked,
    make_folders,
    parquet_writer,
    parse_json,
    read_plain_text,
    reading,
    temporary_beside,
)

FORMAT = 1
"""Version of the format; a reader refuses a newer one."""

TRACES = 16
"""Traces drawn per problem, which make 120 pairs (arXiv 2510.08483, section 3.2)."""

TEST_SHARE = 0.3
"""Share of the problems to test on; also of the models, unless test models are named."""

LENGTH_REASONS = frozenset({"length", "max_tokens", "model_length", "forced_close"})
"""Finish reasons of a trace that was truncated by the length limit, even if it has an answer."""

COUNTS = (
    *("train_pairs", "train_same", "test_pairs", "test_same"),
    *("traces_without_answer", "traces_cut_by_length", "traces_not_drawn"),
    "traces_on_neither_side",
)
"""Counts of each pool in `pairs.json`: pairs by side, and traces left out by reason."""

FILES = ("pairs.parquet", "prefixes.parquet")

SCHEMAS: dict[str, pa.Schema] = {
    "prefixes": pa.schema(
        [
            pa.field("pool", pa.string(), nullable=False),
            pa.field("problem_id", pa.string(), nullable=False),
            pa.field("trace_id", pa.int32(), nullable=False),
            pa.field("truncation", pa.string(), nullable=False),
            pa.field("prefix", pa.large_string(), nullable=False),
            pa.field("whole", pa.bool_(), nullable=False),
        ]
    ),
    "pairs": pa.schema(
        [
            pa.field("split", pa.string(), nullable=False),
            pa.field("pool", pa.string(), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("problem", pa.string(), nullable=False),
            pa.field("problem_id", pa.string(), nullable=False),
            pa.field("trace_a", pa.int32(), nullable=False),
            pa.field("trace_b", pa.int32(), nullable=False),
            pa.field("same", pa.bool_(), nullable=False),
            pa.field("question", pa.string(), nullable=False),
        ]
    ),
}
"""Columns of each file. `problem` is the key that the split keeps on one side: it is the same for
the same question in all pools. `whole` says that a prefix is the whole trace. Older sets have no
`question`, which is empty where it is not known."""


@dataclass(frozen=True, eq=False)
class Group:
    """The pairs of one problem of one pool, which a judge scores in one call.

    `prefixes` are those of the drawn traces in order of trace id; `pairs`, shape (n, 2), are
    indices of prefixes, the lower first; `same` has shape (n,). `problem` is the key of the split.
    `question` is empty if it is not known.
    """

    pool: str
    model: str
    problem: str
    problem_id: str
    prefixes: list[str]
    whole: npt.NDArray[np.bool_]
    pairs: Ints
    same: npt.NDArray[np.bool_]
    question: str = ""


def make_pairs(
    pools: Sequence[Pool],
    folder: Path,
    truncations: Sequence[Truncation],
    *,
    traces: int = TRACES,
    test_share: float = TEST_SHARE,
    test_models: Sequence[str] = (),
    seed: int = 0,
) -> PairSet:
    """Draw traces of each problem, make all their pairs, split them, and write the set.

    Parameters
    ----------
    pools
        Pools with text. The same problem may be in several; it is on one side in all of them.
    folder
        The folder to write, which must not exist.
    truncations
        The truncations to store; a judge can be trained and evaluated with any of them.
    traces
        Number of traces to draw per problem, from those that finished with an answer.
    test_share
        Share of the problems of each benchmark to test on: 1 for all, 0 for none.
    test_models
        Globs over names of models to test on. If empty, a share of the models is drawn with the
        seed, at least one and not all. With a single model, or if everything is on one side, the
        split is by problem only.
    seed
        Seed of the draws of traces, problems and models. Each draw depends only on the seed and the
        drawn name, not on the other names.

    Raises
    ------
    UserError
        The folder exists, a pool has no text, the globs match no model or all, or there are no
        pairs.
    """
    check_new(folder)
    keys = problem_keys(pools)
    split = make_split(pools, keys, test_share, test_models, seed)

    with aside(folder) as temporary:
        counts = {pool.name: dict.fromkeys(COUNTS, 0) for pool in pools}
        _write_rows(temporary, pools, truncations, traces, seed, keys, split, counts)
        _check_apart(temporary / "pairs.parquet")
        info = {
            "truncations": [str(each) for each in truncations],
            "traces": traces,
            "test_share": test_share,
            "seed": seed,
            "split": "problem and model" if split.by_model else "problem",
            "test_models": sorted(split.test_models),
            "pools": {
                pool.name: {
                    "model": pool.info.model,
                    "fingerprint": pool.info.fingerprint,
                    "synthetic": pool.info.synthetic,
                    "licence": pool.info.licence,
                    **counts[pool.name],
                }
                for pool in pools
            },
        }
        if not any(each["train_pairs"] or each["test_pairs"] for each in counts.values()):
            raise UserError("no problem has two traces with an answer, so there are no pairs")
        write_set(temporary, folder, info)
    return PairSet(folder)


def write_set(temporary: Path, folder: Path, info: Mapping[str, Any]) -> None:
    """Describe the two files in a temporary folder, and move it to its place."""
    hashes = {name: file_sha256(temporary / name) for name in FILES}
    text = json.dumps({"format": FORMAT, **info, "sha256": hashes}, indent=2, ensure_ascii=False)
    (temporary / "pairs.json").write_text(text + "\n", encoding="utf-8")
    temporary.rename(folder)


def check_new(folder: Path) -> None:
    """Raise `UserError` for a folder that exists."""
    if folder.exists():
        raise UserError(f"{folder}: exists already; choose another folder")


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """Lock a folder that is to be made; yield a temporary one beside it, removed at the end."""

    def taken(holder: str) -> UserError:
        return UserError(f"{folder}: being made by another process{holder}; wait until it ends")

    temporary = temporary_beside(folder)
    try:
        make_folders(folder.parent)
        with locked(folder, taken) as held:
            if held:
                clear_leftovers(folder)
            temporary.mkdir()
            yield temporary
    except OSError as error:
        raise disk_error(error, folder) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_rows(
    folder: Path,
    pools: Sequence[Pool],
    truncations: Sequence[Truncation],
    traces: int,
    seed: int,
    keys: Mapping[tuple[str, str], str],
    split: Split,
    counts: Mapping[str, dict[str, int]],
) -> None:
    """Draw traces, pair them, write both Parquet files, and count both in each pool's counts."""
    with (
        parquet_writer(folder / "prefixes.parquet", SCHEMAS["prefixes"]) as prefixes,
        parquet_writer(folder / "pairs.parquet", SCHEMAS["pairs"]) as pairs,
    ):
        for pool in pools:
            truncated = cut_by_length(pool)
            for problem in pool.problems:
                key = keys[pool.name, problem.problem_id]
                side = split.side(key, pool.info.model)
                cut = truncated[problem.problem_id]
                drawn = _draw(problem, cut, traces, seed, side, counts[pool.name])
                if side is None or len(drawn) < 2:
                    continue
                for truncation in truncations:
                    prefixes.write_table(_prefix_rows(problem, drawn, truncation))
                table = _pair_rows(problem, drawn, key, side)
                pairs.write_table(table)
                counts[pool.name][f"{side}_pairs"] += len(table)
                counts[pool.name][f"{side}_same"] += int(np.sum(table["same"].to_numpy()))


class PairSet:
    """A stored set of pairs.

    Raises
    ------
    UserError
        The folder holds no set of pairs or a newer format, or a file does not match its hash.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        file = folder / "pairs.json"
        try:
            self.info: dict[str, Any] = parse_json(read_plain_text(file))
            newer = int(self.info["format"]) > FORMAT
            stored = dict(self.info["sha256"])
            self.truncations = [Truncation.parse(each) for each in self.info["truncations"]]
        except OSError:
            raise UserError(
                f"{folder}: not a set of pairs; make one with: deepprune-sim judge pairs"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UserError(f"{file}: not a description of pairs; make the set again") from None
        if newer:
            raise UserError(f"{file}: a newer format than this program's; upgrade deepprune-sim")
        for name in FILES:
            with reading(folder / name) as path:
                if file_sha256(path) != stored.get(name):
                    raise UserError(
                        f"{path}: not the file that pairs.json describes; make the set again"
                    )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the set's files, equal for equal sets."""
        text = json.dumps(self.info["sha256"], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def choose(self, truncation: Truncation | None) -> Truncation:
        """Return the requested truncation, or the set's first if it is None.

        Raises
        ------
        UserError
            The set was made without this truncation.
        """
        if truncation is None:
            return self.truncations[0]
        if truncation not in self.truncations:
            has = ", ".join(map(str, self.truncations))
            raise UserError(
                f"{self.folder}: has no prefixes for {truncation} (it has: {has}); choose one "
                f"of these, or make the pairs again with --truncation {truncation}"
            )
        return truncation

    @cached_property
    def _pairs(self) -> pd.DataFrame:
        with reading(self.folder / "pairs.parquet") as path:
            rows: pd.DataFrame = pq.read_table(path).to_pandas()
        return rows

    def groups(self, split: str, truncation: Truncation) -> Iterator[Group]:
        """Yield the pairs of one side of the split, a problem of a pool at a time, as stored."""
        with reading(self.folder / "prefixes.parquet") as path:
            table = pq.read_table(path, filters=[("truncation", "=", str(truncation))])
        prefixes: pd.DataFrame = table.to_pandas().sort_values("trace_id")
        names = ["pool", "problem_id"]
        shown = prefixes.groupby(names)
        chosen = self._pairs[self._pairs["split"] == split]
        for key, pairs in chosen.groupby(names, sort=False):
            traces = shown.get_group(key)
            ids = pairs[["trace_a", "trace_b"]].to_numpy()
            yield Group(
                pool=str(pairs["pool"].iat[0]),
                model=str(pairs["model"].iat[0]),
                problem=str(pairs["problem"].iat[0]),
                problem_id=str(pairs["problem_id"].iat[0]),
                prefixes=traces["prefix"].tolist(),
                whole=traces["whole"].to_numpy(),
                pairs=np.searchsorted(traces["trace_id"].to_numpy(), ids),
                same=pairs["same"].to_numpy(),
                question=str(pairs["question"].iat[0]) if "question" in pairs else "",
            )


def cut_by_length(pool: Pool) -> dict[str, npt.NDArray[np.bool_]]:
    """Find the traces that the length limit truncated, by problem id, shape (traces,) each."""
    with reading(pool.path / "traces.parquet") as path:
        table = pq.read_table(path, columns=["problem_id", "finish_reason"])
    rows: pd.DataFrame = table.to_pandas()
    cut = rows["finish_reason"].isin(LENGTH_REASONS).groupby(rows["problem_id"])
    return {str(problem_id): each.to_numpy() for problem_id, each in cut}


def _draw(
    problem: StoredProblem,
    cut: npt.NDArray[np.bool_],
    traces: int,
    seed: int,
    side: str | None,
    counts: dict[str, int],
) -> Ints:
    """Draw traces of a problem; return their indices, ascending, and count those left out.

    `cut`, shape (traces,), marks those that the length limit truncated.
    """
    answered = problem.answer_class != NO_ANSWER
    usable = np.flatnonzero(answered & ~cut)
    counts["traces_without_answer"] += int((~answered).sum())
    counts["traces_cut_by_length"] += int((answered & cut).sum())
    if side is None:
        counts["traces_on_neither_side"] += len(usable)
        return usable[:0]
    name = f"{problem.pool.name}/{problem.problem_id}"
    ranks = [rank(seed, f"{name}/{problem.trace_ids[index]}") for index in usable]
    drawn = np.sort(usable[np.argsort(ranks, kind="stable")[:traces]])
    counts["traces_not_drawn"] += len(usable) - len(drawn)
    return drawn


def _prefix_rows(problem: StoredProblem, drawn: Ints, truncation: Truncation) -> pa.Table:
    texts = truncation.prefixes(problem)
    whole = truncation.cuts(problem) >= problem.lengths
    return pa.table(
        {
            "pool": [problem.pool.name] * len(drawn),
            "problem_id": [problem.problem_id] * len(drawn),
            "trace_id": problem.trace_ids[drawn],
            "truncation": [str(truncation)] * len(drawn),
            "prefix": [texts[index] for index in drawn],
            "whole": whole[drawn],
        },
        schema=SCHEMAS["prefixes"],
    )


def _pair_rows(problem: StoredProblem, drawn: Ints, key: str, side: str) -> pa.Table:
    first, second = drawn[all_pairs(len(drawn))].T
    number = len(first)
    return pa.table(
        {
            "split": [side] * number,
            "pool": [problem.pool.name] * number,
            "model": [problem.pool.info.model] * number,
            "problem": [key] * number,
            "problem_id": [problem.problem_id] * number,
            "trace_a": problem.trace_ids[first],
            "trace_b": problem.trace_ids[second],
            "same": problem.answer_class[first] == problem.answer_class[second],
            "question": [problem.question or ""] * number,
        },
        schema=SCHEMAS["pairs"],
    )


def _check_apart(file: Path) -> None:
    """Check that no problem is on both sides: test problems must not be trained on."""
    sides = pq.read_table(file, columns=["split", "problem"]).to_pandas()
    both = sides.groupby("problem")["split"].nunique() > 1
    if both.any():
        raise AssertionError(f"problems on both sides of the split: {list(both.index[both])[:3]}")
