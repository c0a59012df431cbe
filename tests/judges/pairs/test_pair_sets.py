from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_pools import Traces, make_pool

from judges.pairs.pair_sets import PairSet, make_pairs
from judges.pairs.splitting import Split, problem_keys
from judges.prefixes import Truncation
from simulator.errors import UserError
from simulator.pools.pool import Pool, PoolInfo
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter

FIRST = Truncation("tokens", 2)
LONGER = Truncation("tokens", 4)


def test_pairs_counted_by_hand(tmp_path: Path) -> None:
    traces = [("1", "stop"), ("2", "stop"), (None, "stop"), ("1", "length"), ("1.0", "stop")]
    pool = make_pool(tmp_path, "m", {"p": traces, "q": [("1", "stop"), (None, "stop")]})
    pairs = make_pairs([pool], tmp_path / "set", [FIRST, LONGER], test_share=0.0)
    # p: traces 0, 1 and 4 are left, 0 and 4 agree; q: one trace, no pair.
    (group,) = pairs.groups("train", FIRST)
    assert group.prefixes == ["<m.p.0>" * 2, "<m.p.1>" * 2, "<m.p.4>" * 2]
    assert group.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert group.same.tolist() == [False, True, False]
    assert not group.whole.any()
    (longer,) = pairs.groups("train", LONGER)
    assert longer.prefixes[0] == "<m.p.0>" * 4
    assert longer.whole.all()
    assert list(pairs.groups("test", FIRST)) == []
    assert pairs.info["pools"][pool.name] == {
        "model": "m",
        "fingerprint": pool.info.fingerprint,
        "synthetic": False,
        "licence": None,
        "train_pairs": 3,
        "train_same": 1,
        "test_pairs": 0,
        "test_same": 0,
        "traces_without_answer": 2,
        "traces_cut_by_length": 1,
        "traces_not_drawn": 0,
        "traces_on_neither_side": 0,
    }


def test_sixteen_traces_give_120_pairs_and_the_seed_draws_them(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, "m", {"p": [("1", "stop")] * 40})
    drawn: list[list[str]] = []
    for seed in (0, 0, 1):
        folder = tmp_path / f"set{len(drawn)}"
        pairs = make_pairs([pool], folder, [FIRST], test_share=1.0, seed=seed)
        (group,) = pairs.groups("test", FIRST)
        assert len(group.pairs) == 120
        assert pairs.info["pools"][pool.name]["traces_not_drawn"] == 24
        drawn.append(group.prefixes)
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    again = (tmp_path / "set0" / "pairs.parquet").read_bytes()
    assert again == (tmp_path / "set1" / "pairs.parquet").read_bytes()


def many(problems: int) -> dict[str, Traces]:
    return {f"p{index:02}": [("1", "stop"), ("2", "stop")] for index in range(problems)}


def test_split_by_problem_and_model(tmp_path: Path) -> None:
    pools = [make_pool(tmp_path, model, many(10)) for model in ("a", "b", "c")]
    pairs = make_pairs(pools, tmp_path / "set", [FIRST], test_share=0.3, test_models=["c"])
    train, test = (list(pairs.groups(side, FIRST)) for side in ("train", "test"))
    assert {group.model for group in train} == {"a", "b"}
    assert {group.model for group in test} == {"c"}
    assert len({group.problem for group in train}) == 7
    assert len({group.problem for group in test}) == 3
    assert not {group.problem_id for group in train} & {group.problem_id for group in test}
    counts = pairs.info["pools"]
    # 3 test problems of a, and 7 training problems of c, of two traces each.
    assert counts["test/a/tiny"]["traces_on_neither_side"] == 6
    assert counts["test/c/tiny"]["traces_on_neither_side"] == 14


def test_same_questions_are_one_problem_whatever_their_ids(tmp_path: Path) -> None:
    first = make_pool(tmp_path, "a", {"x": [("1", "stop")] * 2, "y": [("1", "stop")] * 2})
    info = PoolInfo("test", "b", "other", "test", "1", "total")
    with PoolWriter(tmp_path, info) as writer:
        records = [TraceRecord(trace_id=0, num_tokens=1, answer="1", text="t")]
        writer.add(ProblemRecord("1", "which  Y?", "1", "math", records))
        writer.add(ProblemRecord("x", "Another question", "1", "math", records))
    keys = problem_keys([first, Pool(writer.path)])
    assert keys["test/b/other", "1"] == keys["test/a/tiny", "y"]
    assert len(set(keys.values())) == 3


@settings(max_examples=10)
@given(
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 10**6),
    models=st.integers(1, 4),
)
def test_no_problem_is_ever_on_both_sides(
    tmp_path_factory: pytest.TempPathFactory, share: float, seed: int, models: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("split")
    pools = [make_pool(tmp_path, f"m{index}", many(6)) for index in range(models)]
    pairs = make_pairs(pools, tmp_path / "set", [FIRST], test_share=share, seed=seed)
    sides: dict[str, list[set[str]]] = {}
    for side in ("train", "test"):
        groups = list(pairs.groups(side, FIRST))
        sides[side] = [{group.problem for group in groups}, {group.model for group in groups}]
    assert not sides["train"][0] & sides["test"][0]
    if models > 1:
        assert not sides["train"][1] & sides["test"][1]


def test_split_by_problem_only_uses_every_pair() -> None:
    split = Split(frozenset({"p"}), frozenset(), by_model=False)
    assert [split.side(problem, "m") for problem in "pq"] == ["test", "train"]


@pytest.mark.parametrize(
    ("patterns", "message"),
    [(["nobody*"], "no such model (models: a, b)"), (["*"], "matches every model")],
)
def test_globs_that_leave_no_split_are_refused(
    tmp_path: Path, patterns: list[str], message: str
) -> None:
    pools = [make_pool(tmp_path, model, many(3)) for model in ("a", "b")]
    with pytest.raises(UserError) as error:
        make_pairs(pools, tmp_path / "set", [FIRST], test_models=patterns)
    assert message in str(error.value)
    assert not (tmp_path / "set").exists()


def test_pools_without_pairs_leave_nothing_behind(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "cache", "m", {"p": [("1", "stop"), (None, "stop")]})
    with pytest.raises(UserError, match="so there are no pairs"):
        make_pairs([pool], tmp_path / "set", [FIRST])
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_damaged_sets_are_refused(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, "m", many(2))
    folder = make_pairs([pool], tmp_path / "set", [FIRST]).folder
    with pytest.raises(UserError, match="exists already"):
        make_pairs([pool], folder, [FIRST])
    with pytest.raises(UserError, match=r"no prefixes for words=25 \(it has: tokens=2\)"):
        PairSet(folder).choose(Truncation("words", 25))
    pq.write_table(pq.read_table(folder / "pairs.parquet").slice(1), folder / "pairs.parquet")
    with pytest.raises(UserError, match=r"not the file that pairs\.json describes"):
        PairSet(folder)
    info = json.loads((folder / "pairs.json").read_text())
    (folder / "pairs.json").write_text(json.dumps(info | {"format": 99}))
    with pytest.raises(UserError, match="newer format"):
        PairSet(folder)
    (folder / "pairs.json").write_text("{}")
    with pytest.raises(UserError, match="not a description of pairs"):
        PairSet(folder)
    with pytest.raises(UserError, match="not a set of pairs"):
        PairSet(tmp_path / "nowhere")


def test_whole_traces_are_marked(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, "m", {"p": [("1", "stop")] * 3})
    pairs = make_pairs([pool], tmp_path / "set", [Truncation("tokens", 4)], test_share=1.0)
    (group,) = pairs.groups("test", Truncation("tokens", 4))
    np.testing.assert_array_equal(group.whole, [True] * 3)
