"""A policy's process is told neither the run's seed nor anything that names a problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pools import T, write_pool

from simulator.isolation import host
from simulator.isolation.wire import Channel
from simulator.pools.pool import Pool
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving

SEED = 9_007_199_254_740_881

SEARCHES = f"""
import gc
from pathlib import Path
from simulator import Policy

class Searches(Policy):
    def solve(self, problem, sampler):
        seed = int("{SEED}"[:8]) * 10**8 + int("{SEED}"[8:])
        sampler.rng.random()
        found = [
            type(each).__name__
            for each in gc.get_objects()
            if isinstance(each, list | tuple | set) and seed in each
            or isinstance(each, dict) and seed in each.values()
        ]
        for name in ("cmdline", "environ"):
            try:
                text = Path("/proc/self", name).read_bytes()
            except OSError:
                continue
            found += [name] if str(seed).encode() in text else []
        held = [getattr(sampler, name, None) for name in ("_words", "_seed")]
        return repr(found + [each for each in held if each == seed])
"""

TELLS = """
from simulator import Policy

class Tells(Policy):
    def solve(self, problem, sampler):
        return f"{problem.id} {sampler._words} {sampler.rng.integers(2**62)}"
"""


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return write_pool(tmp_path / "pools", {f"p{n}": [T(10, "1"), T(20, "2")] for n in range(3)})


def told(folder: Path, source: str, pool: Pool, seed: int, repeats: int = 2) -> list[list[str]]:
    """Answers of a policy file in a process of its own, a list for each problem."""
    file = folder / "policy.py"
    file.write_text(source)
    loaded = host.load(str(file))
    made = [
        replay(loaded, each, budget=2, repeats=range(repeats), seed=seed, serving=Serving())
        for each in pool.problems
    ]
    return [each.answers["answer"].to_pylist() for each in made]


def test_all_problems_of_a_repeat_have_the_same_numbers_and_id(tmp_path: Path, pool: Pool) -> None:
    first, *others = told(tmp_path, TELLS, pool, 0, repeats=5)
    assert others == [first, first]
    assert len(set(first)) == 5
    (other, *_) = told(tmp_path, TELLS, pool, 1, repeats=5)
    assert set(other).isdisjoint(first)


def test_orders_of_traces_differ_between_problems(tmp_path: Path, pool: Pool) -> None:
    loaded = host.load("cons@2")
    orders = [
        replay(loaded, each, budget=2, repeats=range(64), seed=0, serving=Serving())
        .decisions["trace_id"]
        .to_pylist()
        for each in pool.problems
    ]
    assert len({tuple(each) for each in orders}) == 3


def test_a_process_finds_no_seed_anywhere(tmp_path: Path, pool: Pool) -> None:
    assert told(tmp_path, SEARCHES, pool, SEED) == [["[]", "[]"]] * 3


def test_no_frame_holds_the_seed(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    put = Channel.put

    def noted(channel: Channel, *fields: Any) -> None:
        sent.append(fields)
        put(channel, *fields)

    monkeypatch.setattr(Channel, "put", noted)
    told(tmp_path, TELLS, pool, SEED)
    assert any(fields[0] == "solve" for fields in sent)
    assert not [fields for fields in sent if str(SEED) in repr(fields)]
    assert not [fields for fields in sent if "'p0'" in repr(fields)]  # nor does any name a problem
