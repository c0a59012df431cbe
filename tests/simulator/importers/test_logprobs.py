"""Log-probabilities become token signals, whatever form they have and whatever is missing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.importers.importer import BadRow, Faults, Reading
from simulator.importers.logprobs import FROM_LOGPROBS, SignalTally, ends_of_tokens
from simulator.pools.records import ProblemRecord, TraceRecord

LOGPROB = st.floats(-100, 0)


@given(st.lists(st.lists(LOGPROB, min_size=1, max_size=24), min_size=1, max_size=12))
def test_confidence_is_minus_the_mean_of_the_k_largest(rows: list[list[float]]) -> None:
    counts = [len(row) for row in rows]
    k = min(20, sorted(counts)[(len(counts) - 1) // 2])
    expected = [-sum(sorted(row)[-k:]) / min(k, len(row)) for row in rows]
    assert np.allclose(SignalTally().signals(rows)["confidence"], expected)
    named = [{str(n): value for n, value in enumerate(row)} for row in rows]
    assert np.allclose(SignalTally().signals(named)["confidence"], expected)


@given(st.lists(st.lists(LOGPROB, min_size=2, max_size=24), min_size=1, max_size=12))
def test_entropy_is_that_of_the_k_largest_probabilities(rows: list[list[float]]) -> None:
    k = min(20, sorted(map(len, rows))[(len(rows) - 1) // 2])
    expected = []
    for row in rows:
        top = sorted(row)[-k:]
        probabilities = [math.exp(value - top[-1]) for value in top]
        shares = [each / sum(probabilities) for each in probabilities]
        expected.append(-sum(share * math.log(share) for share in shares if share))
    assert np.allclose(SignalTally().signals(rows)["entropy"], expected, atol=1e-12)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), st.data())
def test_token_ends_follow_from_tokens_however_bytes_are_cut(text: str, data: Any) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    tokens = [piece.decode(errors="replace") for piece in pieces]
    ends = ends_of_tokens(text, tokens, pieces)
    expected = [len(raw[:cut].decode(errors="ignore")) for cut in [*cuts, len(raw)]]
    if "".join(tokens) == text:  # replacement characters may have been there before
        expected = [len("".join(tokens[: n + 1])) for n in range(len(tokens))]
    assert ends is not None
    assert ends.tolist() == expected


def test_special_tokens_at_the_end_end_where_the_text_does() -> None:
    ends = ends_of_tokens("so 4", ["so ", "4", "<|im_end|>", "", "<|endoftext|>"])
    assert ends is not None
    assert ends.tolist() == [3, 4, 4, 4, 4]
    assert ends_of_tokens("so", ["so", *["x"] * 9]) is None  # that is no end of a text
    assert ends_of_tokens("so", ["so", "", *["x"] * 7]) is not None


def listed(row: list[float]) -> Any:
    return row


def by_token(row: list[float]) -> Any:
    return {f"t{n}": value for n, value in enumerate(row)}


def by_id(row: list[float]) -> Any:
    return {
        str(11 + n): {"logprob": value, "rank": n + 1, "decoded_token": f"t{n}"}
        for n, value in enumerate(row)
    }


def chat(row: list[float]) -> Any:
    tops = [{"token": f"t{n}", "logprob": value, "bytes": None} for n, value in enumerate(row)]
    return {"token": "t0", "logprob": row[0] if row else -9999.0, "top_logprobs": tops}


def triples(row: list[float]) -> Any:
    return [[value, 11 + n, None] for n, value in enumerate(row)]


def pairs_of_a_parquet_map(row: list[float]) -> Any:
    return [(11 + n, {"logprob": value}) for n, value in enumerate(row)]


FORMS = [listed, by_token, by_id, chat, triples, pairs_of_a_parquet_map]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("absent", [-9999.0, -math.inf, -3.4e38])
def test_every_form_gives_the_same_and_absent_ones_do_not_count(
    form: Callable[[list[float]], Any], absent: float
) -> None:
    rows = [[-0.5, -1.5, absent], [-1.0, -2.0, -3.0], [-0.25, absent, absent]]
    tally = SignalTally()
    signals = tally.signals([form(row) for row in rows])
    assert signals["confidence"].tolist() == [1.0, 2.0, 0.25]
    # 1 / (1 + 1 / e) = 0.7311: 0.7311 x 0.3133 + 0.2689 x 1.3133, and nothing of a single one
    assert signals["entropy"][[0, 2]].tolist() == pytest.approx([0.582203, 0.0], abs=1e-6)
    assert "3 log-probabilities of −inf or -9999 were left out as absent" in tally.notes()


@pytest.mark.parametrize("none", [None, [], {}, [-9999.0], {"a": None}])
def test_a_token_without_alternatives_has_its_own_or_that_of_the_token_before(none: Any) -> None:
    tally = SignalTally()
    rows = [none, [-1.0, -3.0], none, none, [-2.0, -4.0]]
    signals = tally.signals(rows, own=[None, -9.0, -0.75, -9999.0, -9.0])
    # the first has none before it; the third has its own; the fourth neither
    assert signals["confidence"].tolist() == [2.0, 2.0, 0.75, 0.75, 3.0]
    assert signals["entropy"].tolist()[2:4] == [0.0, 0.0]
    notes = "\n".join(tally.notes())
    assert "1 of 5 tokens have no alternatives; their own log-probability counts alone" in notes
    assert "2 of 5 tokens have no log-probability; they have the signals of the token be" in notes


def test_own_log_probabilities_in_every_form() -> None:
    own: list[Any] = [-1.0, [-2.0, 11, "so"], {"token": "a", "logprob": -3.0}, [-4.0, 11, None]]
    tally = SignalTally()
    assert tally.signals(own)["confidence"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert tally.single
    assert SignalTally().signals([{"logprob": -1.0, "x": -2.0}])["confidence"].tolist() == [1.5]


def test_the_number_of_alternatives_is_told() -> None:
    rows = [[-1.0] * 20] * 5 + [[-1.0] * 21] * 2 + [[-1.0] * 19]
    tally = SignalTally()
    tally.signals(rows)
    assert tally.notes()[0].startswith("confidence is minus the mean of the top 20 log-prob")
    assert tally.notes()[-1] == (
        "alternatives per token: 20 at 5, 21 at 2, 19 at 1 tokens; the 20 largest count"
    )
    steady = SignalTally()
    steady.signals(rows[:5])
    assert len(steady.notes()) == len(FROM_LOGPROBS)
    more = SignalTally()
    more.signals(rows[5:7])
    assert "alternatives per token: 21 at 2 tokens; the 20 largest count" in more.notes()


@pytest.mark.parametrize(
    ("rows", "message"),
    [([[-1.0, math.nan]], "not the logarithm of a probability"),
     ([[-1.0], [0.9]], "not the logarithm of a probability"),
     ([[-1.0, math.inf]], "not the logarithm of a probability"),
     ([[-1.0, "a"]], "not a number"), ([[-1.0, True]], "not a number"), (["a"], "at token 0"),
     ([], "not a list"), ({"a": 1}, "not a list"), ([[-1.0, [[1]]]], "not a number")],
)  # fmt: skip
def test_what_is_no_log_probability_is_refused(rows: Any, message: str) -> None:
    with pytest.raises(BadRow, match=message):
        SignalTally().signals(rows)
    with pytest.raises(BadRow, match="not the logarithm"):
        SignalTally().signals([7], own=[None])
    with pytest.raises(BadRow, match="differ in number"):
        SignalTally().signals([[-1.0]], own=[-1.0, -2.0])


def settled(tally: SignalTally, *traces: dict[str, Any]) -> list[set[str]]:
    records = [TraceRecord(n, 1, None, token_signals=dict(t)) for n, t in enumerate(traces)]
    problem = ProblemRecord("p", None, "1", "math", records)
    reading = Reading(problems=[problem], total=1, token_accuracy="total", faults=Faults(drop=True))
    return [set(t.token_signals) for p in tally.settle(reading).problems for t in p.traces]


def test_signals_that_nothing_supports_are_taken_off_at_the_end() -> None:
    tally = SignalTally()
    single = tally.signals([[-1.0], [-2.0]])
    assert settled(tally, single) == [{"confidence"}]
    assert tally.notes() == [
        "confidence is minus the mean of the top 1 log-probabilities of a token; its mean is 1.5"
    ]
    both = tally.signals([[-1.0, -2.0]])
    assert settled(tally, single, both) == [set(FROM_LOGPROBS)] * 2
    nothing = SignalTally()
    assert settled(nothing, nothing.signals([None, [-9999.0]])) == [set()]


def test_a_trace_without_any_log_probability_has_zeros_beside_others() -> None:
    tally = SignalTally()
    tally.signals([[-1.0, -2.0]])
    assert tally.signals([None])["confidence"].tolist() == [0.0]
    assert "1 of 2 tokens have no log-probability" in tally.notes()[-1]
