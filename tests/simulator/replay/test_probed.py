"""Probe signals: a policy sees those of the probes that it has asked, and of no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, start_engine, write_pool, write_problem

from simulator.errors import SamplerError
from simulator.pools.pool import Pool
from simulator.pools.probe_cost import ProbeCost
from simulator.replay.serving import Serving
from simulator.rules.stop_rules import ProbesAgree

NAN = float("nan")

Numbers = dict[str, list[float | None]]


def test_numbers_are_those_of_the_last_probe_asked(tmp_path: Path) -> None:
    numbers: Numbers = {"probe_mean": [0.5, None, 0.75], "probe_entropy": [1.5, 2.5, 0.0]}
    probes = {10: "1", 20: None, 30: "2"}
    none: Numbers = {"probe_mean": [], "probe_entropy": []}
    traces = [T(35, "2", probes, certainty=numbers), T(8, "1", {}, certainty=none)]
    problem = write_problem(tmp_path, traces)
    _, sampler = start_engine(problem, probe_cost=ProbeCost(10, 20))
    both = sampler.start(2)

    def seen() -> list[list[float]]:
        return [both.probed(name).tolist() for name in ("probe_mean", "probe_entropy")]

    nothing = [[NAN, NAN], [NAN, NAN]]
    np.testing.assert_array_equal(seen(), nothing)
    sampler.probe(both)  # before the first stored probe: paid, and nothing told
    np.testing.assert_array_equal(seen(), nothing)
    sampler.decode(both, tokens=15)  # the second finishes
    np.testing.assert_array_equal(seen(), nothing)
    assert sampler.probe(both).tolist() == [1, 1]
    np.testing.assert_array_equal(seen(), [[0.5, NAN], [1.5, NAN]])
    sampler.decode(both, tokens=10)
    np.testing.assert_array_equal(seen(), [[0.5, NAN], [1.5, NAN]])
    assert sampler.probe(both[:1]).tolist() == [-1]
    np.testing.assert_array_equal(seen(), [[NAN, NAN], [2.5, NAN]])
    sampler.decode(both)
    assert sampler.probe(both).tolist() == [0, 1]  # both finished: nothing is asked
    np.testing.assert_array_equal(seen(), [[NAN, NAN], [2.5, NAN]])
    assert both[1:].probed("probe_mean").tolist() == pytest.approx([NAN], nan_ok=True)
    assert (sampler.probe_calls, sampler.probe_tokens) == (4, 120)


def test_probes_that_a_rule_reads_tell_no_numbers(tmp_path: Path) -> None:
    trace = T(35, "2", {10: "1", 20: "1"}, certainty={"probe_min": [0.5, 0.25]})
    _, sampler = start_engine(write_problem(tmp_path, [trace]))
    (traces := sampler.start(1))
    sampler.decode(traces, until=ProbesAgree(2))
    assert traces.num_tokens.tolist() == [20]
    assert np.isnan(traces.probed("probe_min")).all()
    sampler.probe(traces)
    assert traces.probed("probe_min").tolist() == [0.25]


def test_lock_step_tells_the_same(tmp_path: Path) -> None:
    numbers = [0.1, 0.2, 0.3]
    traces = [
        T(length, "1", dict.fromkeys((5, 10, 15), "1"), certainty={"probe_min": numbers})
        for length in (16, 20, 31)
    ]
    _, sampler = start_engine(write_problem(tmp_path, traces))
    live = sampler.start(3)
    told = []
    for _ in range(4):
        sampler.decode(live, tokens=5)
        sampler.probe(live)
        told.append(live.probed("probe_min").round(3).tolist())
    assert told == [[0.1] * 3, [0.2] * 3, [0.3] * 3, [0.3] * 3]


def test_what_the_pool_does_not_store_is_refused_in_words(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(9, "1", {5: "1"}, certainty={"probe_min": [0.5]})])
    _, sampler = start_engine(problem)
    traces = sampler.start(1)
    with pytest.raises(SamplerError, match=r"no probe_mean; .*requires = \{\"probe_mean\"\}"):
        traces.probed("probe_mean")
    with pytest.raises(SamplerError, match="no probe signal 'probes'; there are probe_mean"):
        traces.probed("probes")


BUDGET = 4


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Problems with probes at one interval, at any places, and ones that end early."""
    rng = np.random.default_rng(3)
    problems = {}
    for name, is_regular in (("even", True), ("odd", False)):
        traces = []
        for _ in range(BUDGET):
            length = int(rng.integers(1, 40))
            drawn = np.flatnonzero(rng.random(length) < 0.2) + 1
            places = range(6, length + 1, 6) if is_regular else drawn.tolist()
            places = [*places][: int(rng.integers(0, 9))]
            numbers = [None if rng.random() < 0.2 else round(rng.random(), 2) for _ in places]
            answers = {at: str(rng.integers(3)) for at in places}
            traces.append(T(length, "1", answers, certainty={"probe_gmean": numbers}))
        problems[name] = traces
    return write_pool(tmp_path_factory.mktemp("cache"), problems)


operations = st.tuples(
    st.sampled_from(["decode", "probe", "probe", "start", "stop"]),
    st.integers(0, 2**BUDGET - 1),
    st.integers(1, 30),
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1), st.lists(operations, max_size=15), st.sampled_from([None, 2]))
def test_a_policy_sees_the_numbers_of_exactly_the_probes_that_it_asked(
    pool: Pool, which: int, program: list[tuple[str, int, int]], slots: int | None
) -> None:
    problem = pool.problems[which]
    _, sampler = start_engine(problem, Serving(slots))
    file = pool.read_signal("probes", which, ["position"])["position"].to_pylist()
    stored = pool.read_signal("probe_gmean", which, ["probe_gmean"])["probe_gmean"].to_pylist()
    sampler.start(2)
    expected = [NAN] * BUDGET
    asked = 0
    for name, mask, number in program:
        if name == "start":
            sampler.start(min(number % 3, BUDGET - len(sampler.traces)))
        some = sampler.traces[[n for n in range(len(sampler.traces)) if mask >> n & 1]]
        if name == "decode":
            sampler.decode(some[~some.stopped], tokens=number)
        elif name == "stop":
            sampler.stop(some[:1])
        elif name == "probe":
            sampler.probe(some)
            for trace in some:
                if not trace.finished:
                    asked += 1
                    so_far = [
                        value
                        for at, value in zip(file[trace.id], stored[trace.id], strict=True)
                        if at <= trace.num_tokens
                    ]
                    value = so_far[-1] if so_far else None
                    expected[trace.id] = NAN if value is None else value
        seen = sampler.traces.probed("probe_gmean")
        np.testing.assert_array_equal(seen, expected[: len(seen)])
    assert sampler.probe_calls == asked
