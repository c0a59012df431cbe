"""Folders to look at: with nothing in them, with a little, and with everything there can be."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkout import ROOT
from streamlit.testing.v1 import AppTest
from verified_folders import add_verified

from leaderboard_app.cli import SETTINGS
from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from simulator.generated.cells import SIZES, select_cells
from simulator.generated.pools import make_pool
from simulator.loading import load_policy
from simulator.pools.pool import Pool, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec
from simulator.submissions.packing import pack, write_folder

DATE = date(2026, 11, 20)

REPOSITORY = ROOT
APP = REPOSITORY / "leaderboard_app" / "app.py"

HOSTILE = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) **b** $x$ `c` =1+1"
"""A method's name as nobody would write it who means well."""


def folders_in(root: Path) -> Folders:
    """Return the three folders below `root`, which need not exist."""
    return Folders(root / "pools", root / "runs", root / "submissions")


def write_recorded(
    cache: Path, model: str, benchmark: str, *, problems: int = 6, licence: str | None = "MIT"
) -> Pool:
    """Write a pool `recorded/<model>/<benchmark>` of 8 traces a problem with text and probes.

    Trace i of problem p has 20 (p + 1) + 10 i tokens. It is right (answer 1) unless i mod 4 is less
    than p mod 4, when it answers p; trace 7 of the last problem has no answer. A probe every 10
    tokens gives what the trace will answer from half of its length on, before that nothing.
    """
    info = PoolInfo("recorded", model, benchmark, "test", "1", "exact", licence=licence)
    with PoolWriter(cache, info) as writer:
        for number in range(problems):
            records = []
            for index in range(8):
                tokens = 20 * (number + 1) + 10 * index
                answer: str | None = "1" if index % 4 >= number % 4 else str(100 + number)
                if number == problems - 1 and index == 7:
                    answer = None
                words = [f"w{place}" for place in range(tokens)]
                ends = np.cumsum([len(word) + 1 for word in words])
                places = np.arange(10, tokens + 1, 10)
                confidence = (
                    12.0 + (np.arange(tokens) % 5).astype(np.float64) - 3.0 * (answer != "1")
                )
                records.append(
                    TraceRecord(
                        trace_id=index,
                        num_tokens=tokens,
                        answer=answer,
                        text="".join(f"{word} " for word in words),
                        token_ends=ends.astype(np.int64),
                        token_signals={"confidence": confidence},
                        probe_positions=places,
                        probe_answers=[answer if at >= tokens / 2 else None for at in places],
                    )
                )
            name = f"p{number}"
            question = f"What is {name}? <b>x</b> $x^2$"
            writer.add(ProblemRecord(name, question, "1", "math", records))
    return Pool(writer.path)


def write_local_run(
    folders: Folders,
    name: str,
    policy: str,
    pools: list[Pool],
    settings: dict[str, str] | None = None,
    *,
    repeats: int = 2,
) -> Path:
    """Make a run `runs/<name>` of a built-in method with seed 0 and the budget of the pools."""
    loaded = load_policy(policy, settings or {})
    budget = None if loaded.budget else 8
    folder = folders.runs / name
    make_run(RunSpec(loaded, pools, budget, repeats, 0, Serving()), folder, command=["test"])
    return folder


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Folders that are not there."""
    return folders_in(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """One recorded pool and one run of cons@8 over it, no submission."""
    folders = folders_in(tmp_path_factory.mktemp("small"))
    pool = write_recorded(folders.cache, "model-a", "bench-1")
    write_local_run(folders, "cons", "cons@8", [pool])
    return folders


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Everything at once.

    - Nine generated cells, submissions on them (`submissions/` beside this folder), and the
      repository's published figures.
    - Recorded pools model-a/bench-1, model-a/bench-2 and model-b/bench-1, with runs of cons@8,
      short-3@8, esc, sac and parallel-probe over all three, and of asc with three thresholds.
    - Submissions of short-3@8 (`2026-11-20-short`) and cons@8 (`2026-11-20-cons`) on them, neither
      verified; of cons@8 and asc, both verified (`2026-11-20-checked-…`); one withdrawn; one with
      hostile texts, on whose file nothing is checked.
    - A broken submission, a broken run and a broken pool.
    """
    root = tmp_path_factory.mktemp("full")
    folders = folders_in(root)
    for cell in select_cells(()):
        make_pool(folders.cache, cell, SIZES["small"], text=True)
    shutil.copytree(REPOSITORY / "tests/leaderboard_app/submissions", folders.submissions)
    shutil.copy(REPOSITORY / "submissions/published.toml", folders.submissions)
    pools = [
        write_recorded(folders.cache, model, benchmark)
        for model, benchmark in (
            ("model-a", "bench-1"),
            ("model-a", "bench-2"),
            ("model-b", "bench-1"),
        )
    ]
    for policy in ("cons@8", "short-3@8", "esc", "sac", "parallel-probe"):
        write_local_run(folders, policy.replace("@", "-"), policy, pools)
    for threshold in ("0.7", "0.9", "0.99"):
        write_local_run(folders, f"asc-{threshold}", "asc", pools, {"threshold": threshold})
    for name, run, method in (
        ("short", "short-3-8", "Short three"),
        ("cons", "cons-8", "Majority"),
        ("taken-back", "esc", "Taken back"),
        ("checked-cons", "cons-8", "Checked majority"),
        ("checked-asc", "asc-0.9", "Checked asc"),
    ):
        packed = pack(
            folders.runs / run,
            {
                "method": method,
                "authors": ["Ada Lovelace", "Emmy Noether"],
                "organisation": "Test Institute",
                "date": DATE,
                "paper": "https://arxiv.org/abs/2510.08483",
                "code": "https://github.com/example/code",
                "description": f"{method}, in words.",
            },
        )
        folder = write_folder(packed, folders.submissions)
        target = folders.submissions / f"2026-11-20-{name}"
        folder.rename(target)
        if name == "taken-back":
            with (target / "submission.toml").open("a", encoding="utf-8") as file:
                file.write('withdrawn = "A mistake in the prompt."\n')
    for checked in folders.submissions.glob("*-checked-*"):
        add_verified(checked, run=checked)
    hostile = folders.submissions / "2026-11-21-hostile"
    shutil.copytree(folders.submissions / "2026-11-20-short", hostile)
    quoted = HOSTILE.replace('"', '\\"')
    (hostile / "submission.toml").write_text(
        f'format = 1\nmethod = "{quoted}"\nauthors = ["{quoted}"]\ndate = 2026-11-21\n'
        f'description = "{quoted}"\npaper = "javascript:alert(1)"\n',
        encoding="utf-8",
    )
    broken = folders.submissions / "2026-11-21-broken"
    shutil.copytree(folders.submissions / "2026-11-20-short", broken)
    (broken / "summary.json").write_text("{", encoding="utf-8")
    shutil.copytree(folders.runs / "esc", folders.runs / "broken")
    (folders.runs / "broken" / "answers.parquet").write_bytes(b"PAR1")
    damaged = folders.cache / "recorded" / "model-b" / "damaged"
    shutil.copytree(folders.cache / "recorded" / "model-b" / "bench-1", damaged)
    (damaged / "pool.json").write_text("{}", encoding="utf-8")
    return folders


@pytest.fixture(scope="session")
def full_library(full: Folders) -> Library:
    """Load the library of `full` once."""
    return load(full)


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Return a function that opens a page: `open_app(full, "entry", entry="runs/esc")`."""
    import streamlit as st

    def opened(folders: Folders, page: str = "board", **parameters: Any) -> AppTest:
        for name, value in folders.as_environment().items():
            monkeypatch.setenv(name, value)
        app = AppTest.from_file(str(APP), default_timeout=60)
        if page != "board":
            app.run()
            app.switch_page(f"views/{page}/page.py")
        for name, value in parameters.items():  # before the page's widgets are made, as links do
            app.query_params[name] = value
        return app.run()

    st.cache_resource.clear()
    st.cache_data.clear()
    for name, value in SETTINGS.items():
        if name.startswith("runner."):  # as the command starts the app
            st.config.set_option(name, value == "true")
    return opened
