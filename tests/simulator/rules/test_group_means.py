"""Group confidence against sums of whole numbers, one group at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, start_engine, write_problem

from simulator.arrays import Ints
from simulator.errors import SamplerError
from simulator.pools.pool import StoredProblem
from simulator.rules.compiled import group_steps
from simulator.rules.group_means import (
    ABOVE,
    BELOW,
    Scratch,
    Staircase,
    bottom_groups,
    group_sums,
)
from simulator.rules.stop_rules import (
    NEVER,
    GroupConfidenceBelow,
    SignalAbove,
    SignalBelow,
    StopRule,
)

NewFolder = Callable[[], Path]

# A trace by hand. Groups of 3 end at tokens 3, 4, …: means 3, 2, 3, 2, 1, 3
BY_HAND = [4.0, 3.0, 2.0, 1.0, 6.0, -1.0, -2.0, 12.0]


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> NewFolder:
    return lambda: tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=["compiled", "numpy"], autouse=True)
def code(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run each test with compiled code, if there is some, and with numpy."""
    if request.param == "compiled" and group_steps() is None:
        pytest.skip("the compiled code was not built")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "numpy":
            patch.setattr("simulator.rules.group_means.group_steps", lambda: None)
        yield request.param


def halts_at(rule: StopRule, problem: StoredProblem, rows: Ints, tokens: Ints) -> Ints:
    """Return where a rule next holds in traces that may be generated to their ends."""
    return rule.halts_at(problem, rows, tokens, problem.lengths[rows])


thousandths = st.one_of(
    st.lists(st.integers(0, 65535), max_size=700),
    st.lists(st.integers(0, 3), max_size=700),  # many equal groups
    st.integers(1, 600).map(lambda n: list(range(n, 0, -1))),  # falls at every token
)
windows = st.one_of(st.integers(1, 9), st.integers(1, 400), st.just(70_000))


def groups(trace: list[int], window: int) -> list[Fraction]:
    """Compute the mean of every group of a trace in thousandths, in order."""
    ends = range(window, len(trace) + 1)
    return [Fraction(sum(trace[end - window : end]), window * 1000) for end in ends]


@settings(max_examples=150)
@given(thousandths, windows)
def test_sums_and_staircase_are_those_of_a_loop(trace: list[int], window: int) -> None:
    stored = np.array(trace, dtype=np.uint16)
    expected = groups(trace, window)
    assert [Fraction(int(s), window * 1000) for s in group_sums(stored, window)] == expected
    steps = [
        (end, low)
        for end, low in enumerate(expected, window)
        if all(low < earlier for earlier in expected[: end - window])
    ]
    stairs = Staircase(stored, window)
    assert stairs.extreme(len(trace)) == (float(min(expected)) if expected else None)
    assert stairs.tokens.tolist() == [end for end, _ in steps]
    assert [-low for low in stairs.extremes] == [float(low) for _, low in steps]
    rises = Staircase(stored, window, side=ABOVE)
    assert rises.extreme(len(trace)) == (float(max(expected)) if expected else None)
    highs = [
        (end, float(high))
        for end, high in enumerate(expected, window)
        if all(high > earlier for earlier in expected[: end - window])
    ]
    assert list(zip(rises.tokens, rises.extremes, strict=True)) == highs


@settings(max_examples=150)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 3000),
    st.one_of(st.integers(1, 100), st.integers(1, 3100)),
    st.sampled_from([1, 50, 65535]),
    st.integers(0, 5),
    st.sampled_from([BELOW, ABOVE]),
)
def test_both_codes_make_the_same_staircase(
    seed: int, length: int, window: int, spread: int, start: int, side: int
) -> None:
    compiled = group_steps()
    if compiled is None:
        pytest.skip("the compiled code was not built")
    rng = np.random.default_rng(seed)
    drift = rng.integers(-spread, spread + 1, length).cumsum() + rng.integers(0, 65536)
    stored = (drift % 65536).astype(np.uint16)[start:]  # a view, as of a trace in its problem
    tokens, extremes = compiled(stored, window, side)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulator.rules.group_means.group_steps", lambda: None)
        stairs = Staircase(stored, window, side=side)
    assert tokens == stairs.tokens.tobytes()
    assert extremes == stairs.extremes.tobytes()


def test_the_compiled_code_refuses_what_is_no_trace_window_or_side() -> None:
    compiled = group_steps()
    if compiled is None:
        pytest.skip("the compiled code was not built")
    stored = np.full(4, 1500, dtype=np.uint16)
    assert compiled(stored, 5, BELOW) == compiled(stored[:0], 1, ABOVE) == (b"", b"")
    assert compiled(stored, 4, BELOW) == (np.int64(4).tobytes(), np.float64(-1.5).tobytes())
    for wrong in (
        (stored, 0, BELOW),
        (stored, 2, 0),
        (stored.view(np.uint8)[:3], 1, BELOW),
        (stored[::2], 1, BELOW),  # not one after another
        ([1, 2], 1, BELOW),
    ):
        with pytest.raises((ValueError, BufferError, TypeError)):
            compiled(*wrong)


@settings(max_examples=150)
@given(
    st.lists(st.floats(0, 60, width=32), max_size=400),
    st.integers(1, 60),
    st.data(),
)
def test_groups_of_float32_are_those_of_a_prefix_to_the_last_bit(
    trace: list[float], window: int, data: st.DataObject
) -> None:
    stored = np.array(trace, dtype=np.float32)
    cut = data.draw(st.integers(0, len(trace)))
    whole, prefix = group_sums(stored, window), group_sums(stored[:cut], window)
    assert prefix.tolist() == whole[: len(prefix)].tolist()
    means = [np.mean(trace[e - window : e]) for e in range(window, len(trace) + 1)]
    np.testing.assert_allclose(whole / window, means, rtol=1e-9, atol=1e-9)
    lows = [e for e in range(len(whole)) if (whole[e] < whole[:e]).all()]
    stairs = Staircase(stored, window)
    stairs.extreme(len(trace))
    assert stairs.tokens.tolist() == [window + e for e in lows]
    assert [-low * window for low in stairs.extremes] == pytest.approx(whole[lows].tolist())


def test_sums_are_exact_where_running_sums_have_passed_what_uint32_holds() -> None:
    stored = np.full(200_000, 65535, dtype=np.uint16)
    stored[-1] = 65534
    for window in (2048, 65536, 65537):
        sums = group_sums(stored, window)
        assert sums[0] == sums[-2] == 65535 * window
        assert sums[-1] == 65535 * window - 1
    stairs = Staircase(stored, 2048)
    assert stairs.first_past(BELOW * 65.535) == 200_000
    assert stairs.tokens.tolist() == [2048, 200_000]


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
@pytest.mark.parametrize("window", [1, 2048, 20_000])
def test_a_staircase_read_piece_by_piece_is_that_of_the_whole(kind: type, window: int) -> None:
    rng = np.random.default_rng(window)
    stored: npt.NDArray[Any] = (
        (30_000 + np.cumsum(rng.normal(0, 100, 70_000))).clip(0, 60_000).astype(kind)
    )
    scale = 1000 if kind is np.uint16 else 1
    groups = group_sums(stored, window) / (scale * window)
    running = np.minimum.accumulate(groups)
    stairs = Staircase(stored, window)
    asked = [*rng.integers(0, 70_001, 40), 70_000]
    for tokens in sorted(asked):
        expected = running[tokens - window] if tokens >= window else None
        assert stairs.extreme(int(tokens)) == expected
    for threshold in [*groups[:: len(groups) // 40], groups.max() + 1, groups.min()]:
        fresh = Staircase(stored, window)
        below = np.flatnonzero(groups < threshold)
        first = window + int(below[0]) if len(below) else None
        assert stairs.first_past(BELOW * float(threshold)) == first
        assert fresh.first_past(BELOW * float(threshold)) == first


def test_mean_tail_lowest_and_bottom_by_hand(tmp_path: Path) -> None:
    traces = [
        T(8, "1", confidence=BY_HAND),
        T(2, "1", confidence=[1.0, 4.0]),  # shorter than the window: one group
        T(1, "1", confidence=[7.0]),
    ]
    _, sampler = start_engine(write_problem(tmp_path, traces))
    started = sampler.start(3)
    for measured in (
        started.confidence(),
        started.confidence(3),
        started.lowest_confidence(3),
        started.bottom_confidence(0.5, 3),
    ):
        assert np.isnan(measured).all()
    sampler.decode(started[:1], tokens=5)
    sampler.decode(started[1:])
    assert started.confidence().tolist() == [3.2, 2.5, 7]
    assert started.confidence(3).tolist() == [3, 2.5, 7]  # (2 + 1 + 6) / 3
    assert started.lowest_confidence(3).tolist() == [2, 2.5, 7]
    assert started.bottom_confidence(0.5, 3).tolist() == [2, 2.5, 7]  # half of 3 groups: 1
    sampler.decode(started)
    for _ in range(2):  # the second time it is looked up
        assert started.confidence().tolist() == [3.125, 2.5, 7]
        assert started.confidence(3).tolist() == [3, 2.5, 7]  # (-1 - 2 + 12) / 3
        assert started.lowest_confidence(3).tolist() == [1, 2.5, 7]
        assert started.bottom_confidence(0.5, 3).tolist() == [5 / 3, 2.5, 7]  # 1, 2 and 2 of 6
        assert started.bottom_confidence(0.1, 3).tolist() == [1, 2.5, 7]  # at least one group
        assert started.bottom_confidence(1.0, 3).tolist() == [14 / 6, 2.5, 7]


def test_bottom_takes_a_tenth_of_the_groups_rounded_down() -> None:
    stored = np.arange(39, 0, -1).astype(np.uint16) * 1000
    assert bottom_groups(stored, 0.1, 1) == 2  # 3 of 39: 1, 2, 3
    assert bottom_groups(stored[:30], 0.1, 1) == 11  # 3 of 30: 10, 11, 12
    assert bottom_groups(stored[:29], 0.1, 1) == 11.5  # 2 of 29


@pytest.mark.parametrize(("share", "window"), [(0, 5), (1.5, 5), (float("nan"), 5), (0.1, 0)])
def test_no_measure_of_no_group(tmp_path: Path, share: float, window: int) -> None:
    _, sampler = start_engine(write_problem(tmp_path, [T(8, "1", confidence=BY_HAND)]))
    with pytest.raises(SamplerError, match=r"bottom\('confidence'"):
        sampler.start(1).bottom_confidence(share, window)


@pytest.mark.parametrize("window", [0, -1, 1.5])
def test_a_window_holds_a_token_at_least(tmp_path: Path, window: int) -> None:
    _, sampler = start_engine(write_problem(tmp_path, [T(8, "1", confidence=BY_HAND)]))
    traces = sampler.start(1)
    with pytest.raises(SamplerError, match=r"mean\('confidence', window"):
        traces.confidence(window)
    with pytest.raises(SamplerError, match=r"lowest\('confidence', window"):
        traces.lowest_confidence(window)


# The stop rule


def below_at(trace: list[int], tokens: int, threshold: float, window: int) -> bool:
    """Check whether the last `window` of a trace's first `tokens` tokens are below, naively."""
    prefix = trace[:tokens]
    mean = sum(prefix[-window:]) / (window * 1000)
    return len(prefix) >= window and mean < threshold


@settings(max_examples=150)
@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=60), min_size=1, max_size=4),
    st.integers(1, 12),
    st.integers(0, 40).map(lambda n: n / 4000),
    st.data(),
)
def test_groups_are_past_the_threshold_where_a_loop_over_tokens_says_so(
    new_folder: NewFolder,
    traces: list[list[int]],
    window: int,
    threshold: float,
    data: st.DataObject,
) -> None:
    rounding = data.draw(st.sampled_from([1000, 3000]))  # thousandths, else float32
    above = data.draw(st.booleans())
    values = [[c / rounding for c in t] for t in traces]
    stored = [T(len(v), "1", confidence=v, signals={"entropy": v}) for v in values]
    problem = write_problem(new_folder(), stored)
    as_sums = [[round(c * 1000 / rounding * 3) for c in t] for t in traces]
    places = st.integers(0, len(traces) - 1)
    rows = data.draw(st.lists(places, min_size=1, max_size=6))
    for limit in (threshold, threshold / 2, threshold):
        rule: StopRule = GroupConfidenceBelow(limit + 1e-7, window)  # no ties: float32 rounds
        same: StopRule = SignalBelow("entropy", limit + 1e-7, window)
        if above:
            rule = same = SignalAbove("entropy", limit + 1e-7, window)
        tokens = [data.draw(st.integers(0, len(traces[row]))) for row in rows]
        expected = [
            next(
                (
                    now
                    for now in range(start, len(traces[row]) + 1)
                    if now >= window
                    and below_at(as_sums[row], now, 3 * (limit + 1e-7), window) != above
                ),
                NEVER,
            )
            for row, start in zip(rows, tokens, strict=True)
        ]
        for each in (rule, same):
            assert halts_at(each, problem, np.array(rows), np.array(tokens)).tolist() == expected


def test_a_trace_above_again_halts_at_its_next_fall(tmp_path: Path) -> None:
    _, sampler = start_engine(write_problem(tmp_path, [T(8, "1", confidence=BY_HAND)]))
    trace = sampler.start(1)
    below = GroupConfidenceBelow(2.5, window=3)
    halts = []
    for _ in range(3):
        sampler.decode(trace, until=below)
        halts.append(trace.num_tokens.item())
        sampler.decode(trace, until=below)  # it holds already: stands still
        assert trace.num_tokens.item() == halts[-1]
        sampler.decode(trace, tokens=1)
    assert halts == [4, 6, 7]
    assert trace.finished.all()


def test_a_trace_below_again_halts_at_its_next_rise(tmp_path: Path) -> None:
    stored = [T(8, "1", signals={"entropy": BY_HAND})]
    _, sampler = start_engine(write_problem(tmp_path, stored))
    trace = sampler.start(1)
    halts = []
    for _ in range(3):
        sampler.decode(trace, until=SignalAbove("entropy", 2.5, window=3))
        halts.append(trace.num_tokens.item())
        sampler.decode(trace, tokens=1)
    assert halts == [3, 5, 8]  # means 3, 2, 3, 2, 1, 3 at tokens 3 to 8
    assert trace.finished.all()
    assert trace.mean("entropy", 3).tolist() == [3]
    assert trace.lowest("entropy", 3).tolist() == [1]
    assert trace.bottom("entropy", 0.5, 3).tolist() == [5 / 3]  # 1, 2 and 2 of 6 groups


def test_a_rule_on_a_signal_of_no_name_is_refused_at_once() -> None:
    for kind in (SignalAbove, SignalBelow):
        with pytest.raises(ValueError, match=r"no token signal 'surprise'; there are confidence"):
            kind("surprise", 1.0)
        with pytest.raises(ValueError, match="window is 0"):
            kind("entropy", 1.0, 0)


def test_the_reason_that_a_run_records_names_the_signal_and_the_window() -> None:
    assert str(GroupConfidenceBelow(1.5, 7)) == "GroupConfidenceBelow(window=7)"
    assert str(SignalAbove("entropy", 1.5, 7)) == "SignalAbove(entropy, window=7)"
    assert str(SignalBelow("confidence", 1.5)) == "SignalBelow(confidence, window=2048)"


def test_a_group_that_equals_the_threshold_does_not_halt(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(4, "1", confidence=[0.3, 0.1, 0.2, 0.3])])
    row, zero = np.array([0]), np.array([0])
    lowest = float(np.float64(300) / 2000)  # thousandths are summed: 0.1 + 0.2 is 0.3
    assert halts_at(GroupConfidenceBelow(lowest, 2), problem, row, zero).tolist() == [NEVER]
    above: npt.NDArray[np.float64] = np.nextafter(lowest, 1)
    assert halts_at(GroupConfidenceBelow(above, 2), problem, row, zero).tolist() == [3]  # type: ignore[arg-type]


def test_a_trace_shorter_than_the_window_is_not_halted(tmp_path: Path) -> None:
    _, sampler = start_engine(write_problem(tmp_path, [T(2, "1", confidence=[0.0, 0.0])]))
    assert len(sampler.decode(sampler.start(1), until=GroupConfidenceBelow(1.0, window=3))) == 1


@pytest.mark.parametrize("window", [3, 4, 2**40, 10**30])
def test_a_window_takes_no_more_memory_than_the_longest_trace(
    tmp_path: Path, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Watched(Scratch):
        def __init__(self, kind: Any, window: int) -> None:
            super().__init__(kind, window)
            made.append(len(self.sums))

    monkeypatch.setattr("simulator.rules.group_means.Scratch", Watched)
    traces = [T(3, "1", confidence=[1.0, 2.0, 3.0]), T(2, "2", confidence=[0.0, 1.0])]
    problem = write_problem(tmp_path, traces)
    _, sampler = start_engine(problem)
    started = sampler.start(2)
    finished = sampler.decode(started, until=GroupConfidenceBelow(9.0, window))
    assert finished.ids.tolist() == [0, 1]  # a group of 3 is there with the last token only
    assert started.lowest_confidence(window).tolist() == [2.0, 0.5]
    assert made
    assert all(size < 2**17 for size in made)


@pytest.mark.parametrize(
    ("threshold", "window"),
    [(float("nan"), 5), ("12", 5), (None, 5), (np.complex128(1), 5), (1.0, 0), (1.0, 2.5)],
)
def test_a_rule_without_a_number_is_refused_at_once(threshold: float, window: int) -> None:
    with pytest.raises(ValueError, match=r"GroupConfidenceBelow: (threshold|window)"):
        GroupConfidenceBelow(threshold, window)
