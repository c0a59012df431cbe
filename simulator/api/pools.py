"""Stored pools in Python: `pools` lists them, `open_pool` gives their traces as frames."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import UserError
from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS, unknown_signal

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from simulator.pools.pool import Pool, PoolInfo


def pools(cache: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """List the pools on this machine.

    Parameters
    ----------
    cache
        Folder of pools. None: `$DEEPPRUNE_SIM_CACHE`, else `datasets_cache/`, else the user's
        cache folder.

    Returns
    -------
    A frame with one row per pool, sorted by name, and the columns of the view `pools` of
    `deepprune-sim data sql`.
    """
    import pandas as pd

    from simulator.catalogue.pool_rows import POOLS, pools_rows
    from simulator.pools.folders import cache_folder

    rows, _ = pools_rows(cache_folder(cache).resolve(), [])
    return pd.DataFrame(rows, columns=POOLS.names)


def open_pool(name: str, cache: str | os.PathLike[str] | None = None) -> OpenPool:
    """Open a stored pool.

    Parameters
    ----------
    name
        Its name, `dataset/model/benchmark`, or a glob that fits no other pool.
    cache
        As for `pools`.

    Raises
    ------
    UserError
        No pool has this name, or several fit.
    """
    from simulator.pools.folders import cache_folder, find_pools, pool_name
    from simulator.pools.pool import Pool

    found = find_pools(cache_folder(cache), [name])
    if len(found) > 1:
        names = ", ".join(map(pool_name, found[:3]))
        raise UserError(f"{name}: {len(found)} pools ({names}, …); name one of them")
    return OpenPool(Pool(found[0]))


@dataclass(frozen=True, repr=False)
class OpenPool:
    """A stored pool: every trace of one model on one benchmark, with its answers and signals."""

    _pool: Pool

    @property
    def name(self) -> str:
        """Name, `dataset/model/benchmark`."""
        return self._pool.name

    @property
    def path(self) -> Path:
        """The pool's folder."""
        return self._pool.path

    @property
    def info(self) -> PoolInfo:
        """Description of the pool and its source, as in `pool.json`."""
        return self._pool.info

    def problems(self) -> pd.DataFrame:
        """Return one row per problem: `problem_id, question, gold_answer, answer_kind`."""
        return _frame(self._read("problems"))

    def traces(self) -> pd.DataFrame:
        """Return one row per trace.

        Columns are `problem_id, trace_id, num_tokens, prompt_tokens, finish_reason, answer,
        answer_class` (−1 for none) and `correct`.
        """
        return _frame(self._read("traces"))

    def texts(self, problem: str | None = None) -> pd.DataFrame:
        """Return one row per trace: `problem_id, trace_id, text, token_ends`.

        Parameters
        ----------
        problem
            Id of the only problem to read. None: all, which must fit in memory.

        Returns
        -------
        A frame; `token_ends` is the end of each token in characters, None where it is not known.

        Raises
        ------
        UserError
            The pool has no text, or no such problem.
        """
        return _frame(self._signal("text", problem))

    def token_signal(self, name: str, problem: str | None = None) -> pd.DataFrame:
        """Return one row per trace: `problem_id, trace_id` and an array, one value per token.

        `name` is that of a token signal, `confidence` or `entropy`, and of its column. `problem`
        and errors are as for `texts`.
        """
        import numpy as np
        import pyarrow as pa

        if name not in TOKEN_SIGNALS:
            raise UserError(unknown_signal(name))
        table = self._signal(name, problem)
        scale = 1000.0 if pa.types.is_integer(table.schema.field(name).type.value_type) else 1.0
        frame = _frame(table)
        lists: Any = [np.asarray(each, np.float64) / scale for each in frame[name]]
        return frame.assign(**{name: lists})

    def confidences(self, problem: str | None = None) -> pd.DataFrame:
        """Return the token signal `confidence`, as `token_signal` does."""
        return self.token_signal("confidence", problem)

    def probes(self, problem: str | None = None) -> pd.DataFrame:
        """Return one row per probe: the answer that a trace would have given after `position`.

        Columns are `problem_id, trace_id, position` (tokens generated), `answer_class` (−1 for
        none, −2 if the probe was not asked), `answer` and `correct`, and those of the probe signals
        that the pool has, such as `probe_mean`: numbers, NaN where not known. `problem` and errors
        are as for `texts`.
        """
        frame = _frame(self._signal("probes", problem))
        told = [name for name in PROBE_SIGNALS if name in self.info.signals]
        for name in told:
            frame[name] = _frame(self._signal(name, problem))[name]
        frame = frame.explode(["position", "answer_class", *told], ignore_index=True)
        frame = (
            frame.astype(dict.fromkeys(told, float))
            .dropna(subset=["position"])
            .astype({"position": int, "answer_class": int})
        )
        keys = ["problem_id", "answer_class"]
        joined = frame.merge(_frame(self._read("classes")), on=keys, how="left")
        joined["answer"] = joined["answer"].astype(object).where(joined["answer"].notna(), None)
        joined["correct"] = joined["correct"].eq(True)
        return joined

    def __repr__(self) -> str:
        return "\n".join([self.name, *(f"  {key}: {value}" for key, value in self._about)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(key)}</th>"
            f"<td style='text-align:left'>{escape(value)}</td></tr>"
            for key, value in self._about
        )
        return f"<table><caption>{escape(self.name)}</caption>{rows}</table>"

    @property
    def _about(self) -> list[tuple[str, str]]:
        info = self.info
        return [
            ("problems", f"{info.problems:,}"),
            ("traces", f"{info.traces:,}"),
            ("tokens", f"{info.tokens:,} ({info.token_accuracy})"),
            ("signals", ", ".join(info.signals) or "only lengths and answers"),
            ("source", "generated, no evidence" if info.synthetic else info.source or "not known"),
            ("licence", info.licence or "not known"),
            ("folder", str(self.path)),
        ]

    def _read(self, name: str) -> pa.Table:
        import pyarrow.parquet as pq

        from simulator.pools.token_signals.files import LISTS, as_lists
        from simulator.storage import reading

        with reading(self.path / f"{name}.parquet") as file:
            rows = pq.ParquetFile(file).read()
            return as_lists(rows, name) if name in LISTS else rows

    def _signal(self, name: str, problem: str | None) -> pa.Table:
        """Read a signal file, or its row group of one problem."""
        from difflib import get_close_matches

        self._pool.require(frozenset({name}), "this frame")
        if problem is None:
            return self._read(name)
        places = {each.problem_id: each.index for each in self._pool.problems}
        if problem not in places:
            near = get_close_matches(problem, places)
            hint = f"did you mean {near[0]}?" if near else "pool.problems() lists them"
            raise UserError(f"{self.name}: no problem {problem!r}; {hint}")
        from simulator.pools.pool import SCHEMAS

        return self._pool.read_signal(name, places[problem], SCHEMAS[name].names)


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame
