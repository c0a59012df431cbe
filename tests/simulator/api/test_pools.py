"""`open_pool` and `pools`: a pool's rows and signals as frames, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pools import T, write_pool

from deepprune_sim import UserError, open_pool, pools
from simulator.api.pools import OpenPool
from simulator.signals import PROBE_SIGNALS

PROBLEMS = {
    "p": [
        T(3, "1", {1: "2", 3: "1"}, text="a b", confidence=[1.5, 0.25, 2.0]),
        T(1, None, {}, text="c", confidence=[0.001]),
    ],
    "q": [T(2, "2", {2: None}, text="", confidence=[3.0, 4.0])],
}


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenPool:
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path))
    write_pool(tmp_path, PROBLEMS)
    write_pool(tmp_path, {"p": [T(9, "1")]}, benchmark="plain", synthetic=True)
    return open_pool("*tiny")


def test_pools_lists_what_is_on_this_machine(pool: OpenPool, tmp_path: Path) -> None:
    listed = pools().set_index("name")
    assert listed["tokens"].to_dict() == {"test/model/plain": 9, "test/model/tiny": 6}
    assert listed.loc["test/model/tiny", "signals"] == ["text", "confidence", "probes"]
    assert pools(tmp_path / "nothing").empty
    assert list(pools(tmp_path / "nothing")) == list(pools())


def test_problems_and_traces_are_the_stored_rows(pool: OpenPool) -> None:
    assert pool.problems()["problem_id"].tolist() == ["p", "q"]
    assert pool.problems()["gold_answer"].tolist() == ["1", "1"]
    traces = pool.traces()
    assert traces["num_tokens"].tolist() == [3, 1, 2]
    assert traces["correct"].tolist() == [True, False, False]
    assert traces["answer_class"].tolist()[1] == -1


def test_signals_of_one_problem_and_of_all(pool: OpenPool) -> None:
    assert pool.texts()["text"].tolist() == ["a b", "c", ""]
    assert pool.texts("q")["text"].tolist() == [""]
    confidences = pool.confidences("p")["confidence"].tolist()
    np.testing.assert_array_equal(confidences[0], [1.5, 0.25, 2.0])
    np.testing.assert_array_equal(confidences[1], [0.001])
    assert len(pool.confidences()) == 3
    probes = pool.probes()
    assert probes["position"].tolist() == [1, 3, 2]
    assert probes["answer"].tolist() == ["2", "1", None]
    assert probes["correct"].tolist() == [False, True, False]
    assert probes["trace_id"].tolist() == [0, 0, 0]
    assert pool.probes("q")["answer_class"].tolist() == [-1]


def test_probes_have_the_numbers_that_the_pool_has(pool: OpenPool, tmp_path: Path) -> None:
    assert not {*PROBE_SIGNALS} & {*pool.probes().columns}
    told: dict[str, list[float | None]]
    told = {"probe_min": [0.5, None], "probe_entropy": [1.5, 0.25]}
    none: dict[str, list[float | None]] = {name: [] for name in told}
    traces = [T(9, "1", {2: "1", 5: "2"}, certainty=told), T(1, "1", {}, certainty=none)]
    write_pool(tmp_path, {"p": traces, "q": traces[:1]}, benchmark="told")
    probes = open_pool("*told").probes()
    assert [name for name in probes.columns if name in PROBE_SIGNALS] == [*told]
    assert probes["position"].tolist() == [2, 5, 2, 5]
    np.testing.assert_array_equal(probes["probe_min"], [0.5, np.nan] * 2)
    np.testing.assert_array_equal(open_pool("*told").probes("q")["probe_entropy"], [1.5, 0.25])


def test_confidences_kept_in_float32_are_not_scaled(pool: OpenPool, tmp_path: Path) -> None:
    trace = T(2, "1", confidence=[70.25, 0.5])
    write_pool(tmp_path, {"p": [trace]}, benchmark="large")
    large = open_pool("test/model/large").confidences()
    np.testing.assert_array_equal(large["confidence"][0], [70.25, 0.5])


def test_a_pool_prints_its_description(pool: OpenPool) -> None:
    assert repr(pool).splitlines()[:5] == [
        "test/model/tiny",
        "  problems: 2",
        "  traces: 3",
        "  tokens: 6 (total)",
        "  signals: text, confidence, probes",
    ]
    assert "<td style='text-align:left'>6 (total)</td>" in pool._repr_html_()
    assert pool.info.name == pool.name == "test/model/tiny"


def test_wrong_names_are_one_line(pool: OpenPool) -> None:
    with pytest.raises(UserError, match="did you mean test/model/tiny"):
        open_pool("tiny")
    with pytest.raises(UserError, match=r"test/\*: 2 pools"):
        open_pool("test/*")
    with pytest.raises(UserError, match=r"no problem 'pp'; did you mean p\?"):
        pool.texts("pp")
    with pytest.raises(UserError, match="test/model/plain has no probes"):
        open_pool("*plain").probes()
