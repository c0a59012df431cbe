"""Five figures of each page, recomputed by pandas from the Parquet files behind them.

The pages show the repository's own submissions on the pool that comes along: real traces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from checkout import ROOT
from shown_tables import shown_tables
from streamlit.testing.v1 import AppTest

from leaderboard_app.library.folders import Folders
from simulator.pools.shipped import copy_shipped, shipped_pools

Open = Callable[..., AppTest]

(POOL,) = shipped_pools()
NAME = POOL.rpartition("/")[2]
PROBE, CONS, ASC, SHORT, LOW = (
    f"2026-11-30-{name}"
    for name in ("parallel-probe", "cons-64", "asc", "short-3-16", "deepconf-low")
)
LABELS = {
    "2026-11-30-asc": "asc",
    "2026-11-30-cons-64": "cons@64",
    "2026-11-30-esc": "esc",
    "2026-11-30-short-3-16": "short-3@16",
    "2026-11-30-cons-16": "cons@16",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Return the repository's submissions, and a folder with the pool that comes along."""
    root = tmp_path_factory.mktemp("own")
    copy_shipped(root / "pools", POOL)
    return Folders(root / "pools", root / "runs", ROOT / "submissions")


def answers(entry: str) -> pd.DataFrame:
    return pd.read_parquet(ROOT / "submissions" / entry / "verified" / "answers.parquet")


def traces(folders: Folders) -> pd.DataFrame:
    return pd.read_parquet(folders.cache / POOL / "traces.parquet")


def mean_over_problems(rows: pd.DataFrame, column: str) -> float:
    return float(rows.groupby("problem_id")[column].mean().mean())


def number(text: str) -> float:
    return float(text.replace(",", ""))


def close(text: str, value: float) -> bool:
    """Return True if a text is the value, rounded to as many digits as it has."""
    digits = len(text.partition(".")[2])
    return abs(number(text) - value) <= 0.5 * 10.0**-digits + 1e-9


def test_board(open_app: Open, folders: Folders) -> None:
    shown = shown_tables(open_app(folders))
    rows = next(each for name, each in shown.items() if name.startswith("Verified"))
    by_name = {row["Method"]: row for row in rows}
    for entry, label in LABELS.items():
        own, row = answers(entry), by_name[label]
        accuracy, before = (
            100 * mean_over_problems(own, name) for name in ("correct", "baseline_correct")
        )
        tokens, full = (mean_over_problems(own, name) for name in ("tokens", "baseline_tokens"))
        assert close(row["Accuracy, %"], accuracy), label
        assert close(row["vs cons@N, points"], accuracy - before), label
        assert close(row["Tokens a problem"], tokens), label
        assert close(row["Fewer tokens, %"], 100 * (1 - tokens / full)), label
        assert close(row["Total cost, tokens"], tokens), label  # no probes, no judge


def test_board_counts_probes_in_the_total(open_app: Open, folders: Folders) -> None:
    shown = shown_tables(open_app(folders))
    rows = next(each for name, each in shown.items() if name.startswith("Verified"))
    (row,) = [each for each in rows if each["Method"] == "parallel-probe"]
    own = answers(PROBE)
    total = own["tokens"] + own["probe_tokens"]
    assert own["probe_tokens"].sum() > 0
    assert close(row["Total cost, tokens"], mean_over_problems(own.assign(total=total), "total"))


def test_tradeoff(open_app: Open, folders: Folders) -> None:
    shown = shown_tables(open_app(folders, "tradeoff"))
    rows = next(each for name, each in shown.items() if name.startswith("Accuracy against"))
    by_name = {row["Entry"]: row for row in rows}
    for entry, label in LABELS.items():
        own = answers(entry)
        assert close(by_name[label]["Tokens a problem"], mean_over_problems(own, "tokens")), label
        assert close(by_name[label]["Accuracy, %"], 100 * mean_over_problems(own, "correct")), label


def test_pareto_front(open_app: Open, folders: Folders) -> None:
    shown = shown_tables(open_app(folders, "tradeoff"))
    rows = next(each for name, each in shown.items() if name.startswith("Accuracy against"))
    points = {}
    for folder in sorted((ROOT / "submissions").glob("2026-*")):
        own = answers(folder.name)
        points[folder.name] = mean_over_problems(own, "tokens"), mean_over_problems(own, "correct")
    best = [
        (tokens, accuracy)
        for tokens, accuracy in points.values()
        if not any(
            other[0] <= tokens and other[1] >= accuracy and other != (tokens, accuracy)
            for other in points.values()
        )
    ]
    found = [row for row in rows if row["Pareto front"] == "yes"]
    assert len(found) == len(best)
    for row, (tokens, accuracy) in zip(found, sorted(best), strict=True):
        assert close(row["Tokens a problem"], tokens)
        assert close(row["Accuracy, %"], 100 * accuracy)


def test_entry(open_app: Open, folders: Folders) -> None:
    shown = shown_tables(open_app(folders, "entry", entry=PROBE))
    (row,) = shown["Figures by pool"]
    own = answers(PROBE)
    tokens, full = (mean_over_problems(own, name) for name in ("tokens", "baseline_tokens"))
    accuracy = 100 * mean_over_problems(own, "correct")
    assert close(row["Accuracy, %"], accuracy)
    before = 100 * mean_over_problems(own, "baseline_correct")
    assert close(row["vs cons@N, points"], accuracy - before)
    assert close(row["Fewer tokens, %"], 100 * (1 - tokens / full))
    assert close(row["Tokens, 10⁸"], tokens * own["problem_id"].nunique() / 1e8)
    assert close(row["Clock"], mean_over_problems(own, "clock"))
    problems = shown[f"Problems of {POOL}"]
    assert len(problems) == own["problem_id"].nunique() == 48
    for shown_row in problems[:5]:
        rows = own[own["problem_id"] == shown_row["Problem"]]
        assert close(shown_row["Right, %"], 100 * rows["correct"].mean())
        assert close(shown_row["Tokens"], rows["tokens"].mean())
        saved = rows["baseline_tokens"].mean() - rows["tokens"].mean()
        assert close(shown_row["Saved tokens"], saved)


def test_compare(open_app: Open, folders: Folders) -> None:
    shown = shown_tables(open_app(folders, "compare", entries=f"{CONS},{ASC},{SHORT}"))
    own = {"cons@64": answers(CONS), "asc": answers(ASC), "short-3@16": answers(SHORT)}
    accuracy = {name: 100 * mean_over_problems(rows, "correct") for name, rows in own.items()}
    tokens = {name: mean_over_problems(rows, "tokens") for name, rows in own.items()}
    table = next(rows for name, rows in shown.items() if name.startswith("Accuracy of the row"))
    checked = 0
    for row in table:
        for other in own:
            if other != row["Entry"]:
                assert close(row[other], accuracy[row["Entry"]] - accuracy[other])
                checked += 1
    assert checked == 6
    table = next(rows for name, rows in shown.items() if name.startswith("Share of the column"))
    for row in table:
        for other in own:
            if other != row["Entry"]:
                assert close(row[other], 100 * (1 - tokens[row["Entry"]] / tokens[other]))


def test_problem(open_app: Open, folders: Folders) -> None:
    app = open_app(folders, "problem", entry=LOW, pool=POOL, problem="shares-2", repeat="0")
    texts = (each.value for each in (*app.markdown, *app.text, *app.caption))
    said = " ".join(texts).replace("\\", "")
    own = answers(LOW)
    own = own[(own["problem_id"] == "shares-2") & (own["repeat"] == 0)]
    decisions = pd.read_parquet(ROOT / "submissions" / LOW / "verified" / "decisions.parquet")
    decided = decisions[(decisions["problem_id"] == "shares-2") & (decisions["repeat"] == 0)]
    tokens, full = int(own["tokens"].iloc[0]), int(own["baseline_tokens"].iloc[0])
    assert f"{tokens:,} of the {full:,} tokens" in said
    assert f"{100 * (1 - tokens / full):.1f}% fewer" in said
    started = decided["trace_id"].nunique()
    assert f"{started} of 64 traces were started" in said
    lengths = traces(folders).set_index(["problem_id", "trace_id"])["num_tokens"]
    generated = decided.set_index("trace_id")["num_tokens"]
    finished = sum(generated[each] == lengths["shares-2", each] for each in generated.index)
    assert f"{finished} finished" in said
    assert re.search(rf"which is {'right' if own['correct'].iloc[0] else 'wrong'}", said)


def test_data(open_app: Open, folders: Folders) -> None:
    shown = shown_tables(open_app(folders, "data"))
    own = traces(folders)
    (row,) = shown["Pools on this machine"]
    assert number(row["Traces"]) == len(own)
    assert number(row["Tokens"]) == own["num_tokens"].sum()
    by_problem = own.groupby("problem_id")["correct"]
    for k, right in ((1, 59.0), (2, 77.6), (8, None)):
        (found,) = [each for each in shown["pass@k and cons@k"] if each["k"] == str(k)]
        wrong = [(len(each), int((~each.astype(bool)).sum())) for _, each in by_problem]
        chances = [1 - comb(missed, k) / comb(count, k) for count, missed in wrong]
        assert close(found["pass@k, % [95%]"], 100 * float(np.mean(chances)))
        assert right is None or close(found["pass@k, % [95%]"], right)
    for shown_row in shown["Problems of the pool"][:5]:
        rows = own[own["problem_id"] == shown_row["Problem"]]
        assert close(shown_row["pass@1, %"], 100 * rows["correct"].mean())
        assert close(shown_row["Tokens a trace"], rows["num_tokens"].mean())


def test_the_pool_is_the_one_that_was_replayed(folders: Folders) -> None:
    assert Path(folders.cache / POOL).is_dir()
    assert set(answers(CONS)["pool"]) == {POOL}
    assert NAME == "school-math"
