"""Every built-in method against values worked out by hand on a tiny pool."""

from __future__ import annotations

from pathlib import Path

import mpmath
import pytest
from pools import T
from solved import Outcome, solve

from simulator.methods.sprt import MSPRT, SPRT


def answered(*answers: str | None) -> list[T]:
    """Traces of 10, 20, 30, … tokens."""
    return [T(10 * n, answer) for n, answer in enumerate(answers, start=1)]


def test_cons_decodes_everything_and_takes_the_plurality(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "cons@5", answered("7", None, "1", "1", None))
    assert outcome == Outcome("1", 150, 50, 5, [10, 20, 30, 40, 50])


def test_cons_gives_a_tie_to_the_answer_seen_first(tmp_path: Path) -> None:
    assert solve(tmp_path, "cons@4", answered("2", "1", "1", "2")).answer == "2"


def test_cons_of_a_smaller_budget_reads_only_so_many(tmp_path: Path) -> None:
    assert solve(tmp_path, "cons@2", answered("2", "1", "1", "1")).tokens == 30


def test_cons_without_any_answer_answers_nothing(tmp_path: Path) -> None:
    assert solve(tmp_path, "cons@2", answered(None, None)).answer is None


def test_pass_at_1_reads_one_trace(tmp_path: Path) -> None:
    assert solve(tmp_path, "pass@1", answered("3", "1")) == Outcome("3", 10, 10, 1, [10])
    assert solve(tmp_path / "none", "pass@1", answered(None, "1")).answer is None


def test_asc_stops_after_four_that_agree(tmp_path: Path) -> None:
    # 1 - I_0.5(n + 1, 1) = 1 - 2^-(n+1): 0.9375 for three votes, 0.96875 for four.
    outcome = solve(tmp_path, "asc", answered(*["1"] * 6))
    assert outcome == Outcome("1", 10 + 20 + 30 + 40, 100, 4, [10, 20, 30, 40])


def test_asc_takes_longer_over_a_dissenter(tmp_path: Path) -> None:
    # I_0.5(6, 2) = P(Bin(7, ½) ≥ 6) = 8/128, too much; I_0.5(7, 2) = P(Bin(8, ½) ≥ 7) = 9/256.
    assert solve(tmp_path, "asc", answered("1", "2", *["1"] * 8)).started == 7


def test_asc_counts_a_trace_without_answer_but_not_its_vote(tmp_path: Path) -> None:
    assert solve(tmp_path, "asc", answered(None, *["1"] * 6)).started == 5


def test_asc_needs_two_traces_even_if_the_threshold_is_low(tmp_path: Path) -> None:
    assert solve(tmp_path, "asc", answered("1", "1", "1"), threshold=0.6).started == 2


def test_asc_that_never_is_sure_votes_over_its_budget(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "asc", answered("1", "2", "1", "2", "2"))
    assert (outcome.answer, outcome.started) == ("2", 5)


def test_esc_stops_at_a_unanimous_window(tmp_path: Path) -> None:
    # Windows (1, 2), (2, 2): the second is unanimous and answers, whatever all traces say.
    outcome = solve(tmp_path, "esc", answered("1", "2", "2", "2", "1", "1"), window=2)
    assert outcome == Outcome("2", 100, 20 + 40, 4, [10, 20, 30, 40])


def test_esc_votes_over_all_when_no_window_is_unanimous(tmp_path: Path) -> None:
    # The last window is the one trace that is left of the budget, and always agrees with itself.
    outcome = solve(tmp_path, "esc", answered("1", "2", "2", "1", "1", "2"), window=2)
    assert (outcome.answer, outcome.started) == ("1", 6)


def test_esc_a_last_window_that_is_short_does_not_decide_alone(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "esc", answered("1", "2", "2", "1", "3"), window=2)
    assert (outcome.answer, outcome.started) == ("1", 5)


def test_esc_window_with_a_trace_that_gave_no_answer_is_not_unanimous(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "esc", answered("2", None, "1", "1"), window=2)
    assert (outcome.answer, outcome.started) == ("1", 4)


def test_sprt_stops_at_a_lead_of_three(tmp_path: Path) -> None:
    # A lead of 2 is worth 0.00040, of 3 0.00060; the bound is ln(0.050024 / 0.05) = 0.00048.
    assert solve(tmp_path, "sprt", answered(*["1"] * 6)).started == 3
    dissent = solve(tmp_path / "b", "sprt", answered("2", "1", "1", "1", "1", "1"))
    assert (dissent.answer, dissent.started, dissent.clock) == ("1", 5, 150)


def test_sprt_log_likelihood_ratio_is_the_formula() -> None:
    value = SPRT().log_likelihood_ratio(7, 3)
    assert value == pytest.approx(float(7 * mpmath.log(1.0002) + 3 * mpmath.log(0.9998)))


@pytest.mark.parametrize("votes", [(1, 0), (2, 0), (3, 0), (7, 2), (40, 38), (200, 56)])
def test_msprt_likelihood_ratio_is_the_mixture_integral(votes: tuple[int, int]) -> None:
    first, second = votes
    prior = 10**6

    def density(p: mpmath.mpf) -> mpmath.mpf:  # Beta(prior, prior) at p over that at a half
        return mpmath.exp((prior - 1) * mpmath.log(4 * p * (1 - p)))

    def likelihood(p: mpmath.mpf) -> mpmath.mpf:
        return density(p) * (2 * p) ** first * (2 - 2 * p) ** second

    bounds = [0.5, 0.5005, 0.501, 0.502, 0.51]  # its standard deviation is 0.00035
    with mpmath.workdps(30):
        ratio = mpmath.quad(likelihood, bounds) / mpmath.quad(density, bounds)
        expected = float(mpmath.log(ratio))
    assert MSPRT().log_likelihood_ratio(first, second) == pytest.approx(expected, abs=1e-8)


def test_msprt_stops_at_a_lead_of_three(tmp_path: Path) -> None:
    # E[(2p)^n] with p half-normal above ½: ln is 0.00113 for n=2, 0.00169 for n=3; bound 0.00120.
    assert solve(tmp_path, "msprt", answered(*["1"] * 6)).started == 3


def test_doubling_stops_when_one_answer_has_three_quarters(tmp_path: Path) -> None:
    # ½ of 2, then ¾ of 4.
    outcome = solve(tmp_path, "doubling", answered("1", "2", "1", "1", *["2"] * 4), budget=8)
    assert outcome == Outcome("1", 100, 20 + 40, 4, [10, 20, 30, 40])


def test_doubling_ends_at_its_budget(tmp_path: Path) -> None:
    outcome = solve(tmp_path, "doubling", answered("1", "2", "1", "2", "2", "1"))
    assert (outcome.answer, outcome.started) == ("1", 6)


def test_short_m_halts_the_rest_where_they_are(tmp_path: Path) -> None:
    traces = [T(40, "3"), T(10, "1"), T(30, "2"), T(20, "1")]
    outcome = solve(tmp_path, "short-2@4", traces)
    assert outcome == Outcome("1", 10 + 20 + 2 * 20, 20, 4, [20, 10, 20, 20])


def test_short_m_counts_all_that_finish_in_the_same_step(tmp_path: Path) -> None:
    traces = [T(20, "1"), T(20, "1"), T(20, "2"), T(30, "2")]
    outcome = solve(tmp_path, "short-2@4", traces)
    assert outcome == Outcome("1", 80, 20, 4, [20, 20, 20, 20])


def test_sac_halts_each_trace_where_its_probes_agree(tmp_path: Path) -> None:
    traces = [
        T(60, "1", {10: "2", 20: "3", 30: "3", 40: "1", 50: "1"}),  # halts at 30 with a 3
        T(50, "1", {10: None, 20: None, 30: "1", 40: "1"}),  # no answer agrees with none: 40
        T(35, "1", {10: "1", 20: "2", 30: "1"}),  # never agrees, finishes
    ]
    outcome = solve(tmp_path, "sac", traces, in_a_row=2)
    assert outcome == Outcome("1", 30 + 40 + 35, 40, 3, [30, 40, 35])


def test_parallel_probe_prunes_the_dissenter_and_stops_when_stable(tmp_path: Path) -> None:
    # Probes every 10 tokens; the first, at 10, comes before step 0.
    same = {10 * n: "1" for n in range(1, 20)}
    odd = {10 * n: "2" for n in range(1, 20)}
    traces = [T(200, "1", same), T(200, "2", odd), T(200, "1", same), T(25, "1", {10: "2"})]
    outcome = solve(
        tmp_path, "parallel-probe", traces, interval=10, warm_up=1, patience=2, stable_steps=4
    )
    # Step 0 at 20 tokens: 1,2,1,2: a tie, which 1 wins. Step 1 at 30: the last trace has finished
    # with 1; trace 1 disagrees once. Step 2 at 40: twice, pruned. Stable since step 0: 1 after step
    # 1, 2, 3, 4 after step 4, at 60 tokens.
    assert outcome == Outcome("1", 60 + 40 + 60 + 25, 60, 4, [60, 40, 60, 25])


def test_parallel_probe_resets_a_trace_that_comes_round(tmp_path: Path) -> None:
    same = {10 * n: "1" for n in range(1, 9)}
    wavering = {10 * n: "2" if n % 2 else "1" for n in range(1, 9)}
    traces = [T(90, "1", same), T(90, "1", wavering), T(90, "1", same)]
    outcome = solve(
        tmp_path, "parallel-probe", traces, interval=10, warm_up=0, patience=2, stable_steps=99
    )
    assert outcome.num_tokens == [90, 90, 90]


def test_parallel_probe_waits_while_no_probe_gives_an_answer(tmp_path: Path) -> None:
    silent: dict[int, str | None] = {10 * n: None for n in range(1, 9)}
    outcome = solve(
        tmp_path,
        "parallel-probe",
        [T(90, "1", silent), T(80, "1", silent)],
        interval=10,
        warm_up=0,
        patience=2,
        stable_steps=1,
    )
    assert outcome == Outcome("1", 170, 90, 2, [90, 80])


def test_oracle_decodes_only_the_shortest_correct_trace(tmp_path: Path) -> None:
    traces = [T(10, "2"), T(40, "1"), T(30, "1"), T(5, None)]
    outcome = solve(tmp_path, "oracle", traces)
    assert outcome == Outcome("1", 30, 30, 4, [0, 0, 30, 0])


def test_oracle_spends_nothing_where_nothing_is_right(tmp_path: Path) -> None:
    assert solve(tmp_path, "oracle", answered("2", "3")).tokens == 0
