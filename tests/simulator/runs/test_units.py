"""Units of work: they cover what is missing, and leave no trace in the bytes of a run."""

from __future__ import annotations

import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pickling_workers import Pickling
from pools import T, write_pool
from programs import results

from simulator.isolation import host
from simulator.pools.pool import Pool
from simulator.replay.serving import Serving
from simulator.runs import units
from simulator.runs.making import make_run, partial_folder
from simulator.runs.parts import Block
from simulator.runs.spec import RunSpec
from simulator.runs.sweep import Sweep, load_settings, make_sweep, parse_grid
from simulator.runs.units import divided

MANY_REASONS = """
from simulator import Policy, ProbesAgree, TextMatches, majority_vote

class Reasons(Policy):
    requires = {"probes"}

    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        kind = sampler.rng.integers(4)
        if kind == 0:
            sampler.decode(traces, first=2)
        elif kind == 1:
            sampler.decode(traces, tokens=7)
        elif kind == 2:
            sampler.decode(traces, until=ProbesAgree(2))
        else:
            sampler.decode(traces[:2])
            sampler.stop(traces[2:])
        return majority_vote(traces)
"""


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    rng = random.Random(3)
    return write_pool(
        tmp_path / "cache",
        {
            f"{number}": [
                T(rng.randint(5, 90), str(rng.randint(1, 3)), {3: "1", 4: "1"}) for _ in range(5)
            ]
            for number in range(3)
        },
    )


def spec_of(pool: Pool, policy: str, repeats: int = 64) -> RunSpec:
    return RunSpec(host.load(policy), [pool], None, repeats, 0, Serving())


@st.composite
def gaps(draw: st.DrawFn) -> list[tuple[Block, list[int]]]:
    found = []
    for problem in range(draw(st.integers(1, 8))):
        start = draw(st.integers(0, 100))
        among = draw(st.lists(st.integers(0, 39), min_size=1, unique=True))
        block = Block(0, problem, start, start + draw(st.integers(1, 200)))
        found.append((block, sorted(among)))
    return found


@given(gaps(), st.integers(1, 64), st.sampled_from([1, 64, 512]))
def test_units_cover_the_gaps_once_and_in_order(
    among: list[tuple[Block, list[int]]], jobs: int, budget: int
) -> None:
    runs: Any = [SimpleNamespace(spec=SimpleNamespace(budgets=[budget]))] * 40
    made = list(divided(among, runs, jobs))
    assert sorted(
        (unit.block.problem, repeat, run)
        for unit in made
        for repeat in unit.block.repeats
        for run in unit.runs
    ) == sorted(
        (block.problem, repeat, run)
        for block, those in among
        for repeat in block.repeats
        for run in those
    )
    places = [(unit.block.problem, unit.block.start) for unit in made]
    assert places == sorted(places)
    assert all(len(unit.runs) <= units.RUNS_AT_ONCE for unit in made)


def test_thirty_problems_give_hundreds_of_units_for_many_workers() -> None:
    runs: Any = [SimpleNamespace(spec=SimpleNamespace(budgets=[512]))]
    whole = [(Block(0, problem, 0, 64), [0]) for problem in range(30)]
    assert len(list(divided(whole, runs, 1))) == 30
    for jobs, least in ((2, 38), (16, 200), (64, 500)):
        made = list(divided(whole, runs, jobs))
        assert len(made) >= least
        for unit in made:  # a quarter of each worker's share of what is left, or two repeats
            left = 64 * (30 - unit.block.problem)
            assert len(unit.block) <= max(2, math.ceil(left / (4 * jobs)))


def test_units_are_no_smaller_than_pays_for_the_workers() -> None:
    runs: Any = [SimpleNamespace(spec=SimpleNamespace(budgets=[512]))]
    whole = [(Block(0, problem, 0, 64), [0]) for problem in range(30)]
    for grain, least in ((1, 2), (8, 16), (1000, 64)):
        made = list(divided(whole, runs, 64, grain))
        assert min(len(unit.block) for unit in made) == least  # × 512 decisions = grain × 1024


@pytest.mark.parametrize("jobs", [2, 64])
def test_the_division_leaves_no_trace_in_the_bytes(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    (tmp_path / "reasons.py").write_text(MANY_REASONS)
    spec = spec_of(pool, str(tmp_path / "reasons.py"))
    make_run(spec, tmp_path / "whole")
    monkeypatch.setattr(units, "LEAST_ROWS", 1)
    monkeypatch.setattr(Pickling, "jobs", jobs)
    make_run(spec, tmp_path / "divided", jobs=Pickling())
    assert results(tmp_path / "divided") == results(tmp_path / "whole")


def test_a_run_is_resumed_with_another_division(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(pool, "short-2@5")
    make_run(spec, tmp_path / "whole")
    monkeypatch.setattr(units, "LEAST_ROWS", 1)

    def stop(done: int, total: int) -> None:
        if done >= total - 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_run(spec, tmp_path / "cut", progress=stop, jobs=Pickling())
    parts = partial_folder(tmp_path / "cut") / "parts"
    starts = sorted(file.stem for file in parts.glob("000-000002-*.answers"))
    assert len(starts) > 2
    (parts / f"{starts[1]}.decisions").write_bytes(b"")  # a gap between two parts
    make_run(spec, tmp_path / "cut", resume=True)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")


def test_sweeps_are_divided_as_well(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings("esc", parse_grid(["window=" + ",".join(map(str, range(2, 22)))]))
    specs = [RunSpec(each.loaded, [pool], None, 5, 0, Serving()) for each in settings]
    sweep = Sweep(settings, specs)
    make_sweep(sweep, tmp_path / "whole")
    monkeypatch.setattr(units, "LEAST_ROWS", 1)
    monkeypatch.setattr(units, "MERGED_AT_ONCE", 3)
    make_sweep(sweep, tmp_path / "divided", jobs=Pickling())
    for name in sweep.folders:
        assert results(tmp_path / "divided" / name) == results(tmp_path / "whole" / name)
