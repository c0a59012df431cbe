"""CMC against rounds worked out by hand, and against its published figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pools import T
from real_pools import needs_scout, scout
from solved import Outcome, solve

from simulator.errors import UserError
from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.pools.probe_cost import FREE
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec


def probed(length: int, answer: str, probes: str | None = None) -> T:
    """Make a trace with a probe every 10 tokens, all of one answer."""
    return T(length, answer, dict.fromkeys(range(10, length, 10), probes or answer))


def test_it_stops_when_the_smoothed_certainty_is_high(tmp_path: Path) -> None:
    # beta=0: two traces at first, at most 4, warm from round 2 on, weight 0.7, gate 0.85.
    # One answer is certain by 0.75, so the level at the ends of rounds 0, 1, 2 is 0.525, 0.73,
    # 0.748: that last growth is under 0.04, and opens the third trace, which finishes at once. Two
    # answers are certain by 0.875: 0.864 after round 3, which is enough.
    traces = [probed(15, "1"), probed(95, "1"), probed(8, "1"), probed(95, "1")]
    outcome = solve(tmp_path, "cmc", traces, beta=0, interval=10)
    assert outcome == Outcome("1", 15 + 50 + 8, 50 + 8, 3, [15, 50, 8])


def test_it_abandons_who_disagrees_for_long_but_leaves_two(tmp_path: Path) -> None:
    # beta=0: patience 3. The second trace disagrees in rounds 2 and 3, which open the other two,
    # and is left at the third time, at 50 tokens. The other two go on, to 2 against 1.
    traces = [probed(15, "1"), probed(95, "2"), probed(35, "2"), probed(35, "1", "2")]
    outcome = solve(tmp_path, "cmc", traces, beta=0, interval=10)
    assert outcome == Outcome("1", 15 + 50 + 35 + 35, 7 * 10 + 2 * 10 + 5, 4, [15, 50, 35, 35])


def test_traces_that_agree_advance_by_bursts_once_it_is_warm(tmp_path: Path) -> None:
    # beta=0.5: warm from round 6 on, burst 2, 4 finished at least, weight 0.5, gate 0.91. By then
    # 70 tokens each; three agree and finish within 20 more, the last does not and takes 10. The
    # level is 0.859 after round 6 and 0.941 after round 7.
    same = [probed(85, "1") for _ in range(3)]
    traces = [probed(15, "1"), *same, probed(200, "1", "2")]
    outcome = solve(tmp_path, "cmc", traces, beta=0.5, interval=10)
    assert outcome == Outcome("1", 15 + 3 * 85 + 90, 70 + 15 + 10, 5, [15, 85, 85, 85, 90])


def test_where_none_gives_an_answer_the_probes_decide(tmp_path: Path) -> None:
    traces = [T(25, None, {10: "2", 20: "2"}), probed(95, "3")]
    outcome = solve(tmp_path, "cmc", traces, beta=0, interval=10, max_rounds=3)
    assert (outcome.answer, outcome.num_tokens) == ("3", [25, 40])


def test_all_finished_in_the_first_interval_is_the_end(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "cmc", [probed(8, "1"), probed(9, "2"), probed(9, "2")], beta=0)
    assert (outcome.answer, outcome.started) == ("1", 2)


@pytest.mark.parametrize(
    "settings", [{"beta": -0.1}, {"beta": 1.1}, {"interval": 0}, {"max_rounds": 0}]
)
def test_parameters_that_make_no_sense_are_refused(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="needs"):
        solve(tmp_path, "cmc", [probed(8, "1")], **settings)


@needs_scout
def test_the_published_figures_of_qwen3_8b_on_aime24(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Table 1 of arXiv 2605.08083 for beta=0.5: 84.3% and 255,300 tokens, of 100 shuffles."""
    cache, _ = scout("aime24", tmp_path_factory)
    (pool,) = [Pool(file.parent) for file in cache.rglob("pool.json")]
    charged: Any = {"probe_cost": FREE, "charging": "scout"}
    spec = RunSpec(load_policy("cmc"), [pool], 64, 100, 0, Serving(), **charged)
    metrics = make_run(spec, tmp_path / "run")["pools"][0]["metrics"]
    assert 100 * metrics["accuracy"]["value"] == pytest.approx(84.27, abs=1.5)
    assert metrics["tokens_per_problem"]["value"] == pytest.approx(255_294, rel=0.03)
