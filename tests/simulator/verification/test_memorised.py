"""Policies that carry a public pool's traces in a table are not verified."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pools import T, write_pool
from submitted import statuses, submit, verified, write_policy

from simulator.isolation import host
from simulator.isolation.host import NoSandbox
from simulator.loading import Limits, load_policy
from simulator.methods import METHODS
from simulator.pools.pool import Pool
from simulator.verification.memorised import MOST_CARRIED, carried

BY_HEART = """
from simulator import Policy, majority_vote

RIGHT = {right}

class ByHeart(Policy):
    '''Stops at a trace whose length is that of a right one.'''
    table = ""

    def solve(self, problem, sampler):
        right = RIGHT or {{int(length) for length in self.table.split()}}
        traces = sampler.start(sampler.budget)
        while not traces.finished.all():
            one = sampler.decode(traces[~traces.finished], first=1)
            if int(one.num_tokens[0]) in right:
                return one.answer[0]
        return majority_vote(traces)
"""


@pytest.fixture(autouse=True)
def held(tmp_path: Path) -> None:
    file = write_policy(tmp_path, BY_HEART.format(right="{1}"))
    try:
        host.load(file, limits=Limits())
    except NoSandbox as error:
        pytest.skip(str(error))


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Four problems of twenty traces, every length another; the right answer is 1 in 7."""
    problems = {
        f"p{p:02d}": [T(1000 + 20 * p + i, "12321231231232123132"[i]) for i in range(20)]
        for p in range(4)
    }
    return write_pool(tmp_path / "pools", problems)


def right_lengths(pool: Pool) -> set[int]:
    return {int(n) for each in pool.problems for n in each.lengths[each.correct]}


def tokens(submission: Path) -> int:
    return int(pq.read_table(submission / "answers.parquet")["tokens"].to_numpy().sum())


def test_a_table_of_the_lengths_of_right_traces_is_not_verified(tmp_path: Path, pool: Pool) -> None:
    """All else passes: it looks at nothing that it may not see, and remembers nothing."""
    table = sorted(right_lengths(pool) | {9_000_000 + n for n in range(150)})
    policy = write_policy(tmp_path, BY_HEART.format(right=set(table)))
    submission = submit(tmp_path, policy, pool=pool, repeats=64)
    honest = write_policy(tmp_path, BY_HEART.format(right="{1}"))
    fair = submit(tmp_path / "fair", honest, pool=pool, repeats=64)
    assert tokens(submission) < tokens(fair)  # there is something to gain
    verification = verified(submission, run_again=True)
    assert statuses(verification) == ["passed", "passed", "skipped"]
    (why,) = verification.steps[2].findings
    assert "which could encode the pool's traces: someone must review it" in why
    assert verification.badge == "recomputed"


def test_nor_is_one_in_a_setting(tmp_path: Path, pool: Pool) -> None:
    table = " ".join(map(str, sorted(right_lengths(pool)) * 10))
    policy = write_policy(tmp_path, BY_HEART.format(right="set()"))
    loaded = host.load(policy, {"table": table})
    verification = verified(submit(tmp_path, loaded, pool=pool), run_again=True)
    assert statuses(verification) == ["passed", "passed", "skipped"]


def test_a_policy_without_a_table_is_verified(tmp_path: Path, pool: Pool) -> None:
    policy = write_policy(tmp_path, BY_HEART.format(right="{1}"))
    verification = verified(submit(tmp_path, policy, pool=pool, repeats=64), run_again=True)
    assert statuses(verification) == ["passed", "passed", "passed"]


def test_numbers_and_texts_are_counted_and_docstrings_are_not() -> None:
    source = '''"""What this is."""
class P:
    """Words."""
    a = 17          # 0x11
    b = "four" + f"{a}five"
    c = b"xy", 0.5, True
'''
    assert carried(source, {}) == 4 + 6 + 6 + 5 + 3 + 4
    assert carried(source, {"table": "1 2 3"}) == 4 + 6 + 6 + 5 + 3 + 4 + 5
    assert carried(f"a = {1 << 100_000:#x}", {}) == 2 + 25_001
    assert carried("a = " + "(" * 5000 + ")" * 5000, {}) == 10_004


def test_every_built_in_method_has_less_than_a_third_of_it() -> None:
    names = [template.format(budget=16, m=3) for template in METHODS]
    assert max(carried(load_policy(name).source, {}) for name in names) < 300 < MOST_CARRIED
