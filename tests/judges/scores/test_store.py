"""Stored scores: nothing lost, nothing half read, and nobody else's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, write_pool, write_problem

from judges.prefixes import Truncation
from judges.protocol import Identity, Ints, QuestionTokens, all_pairs
from judges.scores.store import (
    MAX_PARTS,
    Description,
    ScoreStore,
    compact,
    iter_stores,
    open_store,
    read_description,
)
from simulator.errors import UserError
from simulator.pools.pool import Pool, StoredProblem

JUDGE = Description(
    Identity("test", "w", None, Truncation("tokens", 5), (("seed", 1),)),
    *(1000, "pairs", 7, 2, False, "test:a=1"),
)
TRACES = 12


@pytest.fixture
def problem(tmp_path: Path) -> StoredProblem:
    return write_problem(tmp_path / "pools", [T(4, "1")] * TRACES)


def store_of(tmp_path: Path, description: Description = JUDGE) -> ScoreStore:
    return ScoreStore(tmp_path / "scores", description)


def put(
    store: ScoreStore, problem: StoredProblem, pairs: Ints | list[list[int]], scores: object
) -> None:
    store.write(problem, np.array(pairs), np.asarray(scores), np.arange(TRACES))


def stored(store: ScoreStore, problem: StoredProblem) -> dict[tuple[int, int], float]:
    matrix = store.read(problem)
    return {(a, b): float(matrix[a, b]) for a, b in np.argwhere(~np.isnan(matrix)).tolist()}


def parts(store: ScoreStore) -> list[Path]:
    return sorted(store.path.rglob("part-*.parquet"))


def test_scores_come_back_as_the_nearest_float32(tmp_path: Path, problem: StoredProblem) -> None:
    store = store_of(tmp_path)
    assert stored(store, problem) == {}
    assert store.prefix_tokens(problem) is None
    put(store, problem, [[0, 1], [2, 11]], [0.1, 1.0])
    put(store, problem, [[1, 2]], [0.0])
    again = store_of(tmp_path)
    assert stored(again, problem) == {(0, 1): float(np.float32(0.1)), (2, 11): 1.0, (1, 2): 0.0}
    tokens = again.prefix_tokens(problem)
    assert tokens is not None
    assert tokens.tolist() == list(range(TRACES))


def test_tokens_of_the_question_come_back(tmp_path: Path, problem: StoredProblem) -> None:
    store, counts = store_of(tmp_path), np.arange(TRACES)
    assert store.question_tokens(problem) is None
    store.write(problem, np.array([[0, 1]]), [0.5], counts, QuestionTokens(shared=12, tail=3))
    assert store_of(tmp_path).question_tokens(problem) == (12, 3)
    (file,) = store.path.rglob("prefixes.parquet")
    assert store.prefix_tokens(problem) is not None
    table = pq.read_table(file)
    for told, expected in (({}, (0, 0)), ({"question_tokens": "0,7"}, (0, 7))):
        pq.write_table(table.replace_schema_metadata(told), file)
        assert store.question_tokens(problem) == expected
    pq.write_table(table.replace_schema_metadata({"question_tokens": "12"}), file)
    with pytest.raises(UserError, match="not numbers of tokens"):
        store.question_tokens(problem)


def test_trace_ids_with_gaps_are_what_is_stored(tmp_path: Path, problem: StoredProblem) -> None:
    gaps = replace(problem, trace_ids=np.arange(TRACES, dtype=np.int32) * 10 + 3)
    store = store_of(tmp_path)
    put(store, gaps, [[0, 2]], [0.5])
    (part,) = parts(store)
    assert pq.read_table(part).to_pylist() == [{"trace_a": 3, "trace_b": 23, "score": 0.5}]
    assert stored(store, gaps) == {(0, 2): 0.5}


PAIRS = all_pairs(TRACES)


@settings(max_examples=30)
@given(
    writes=st.lists(
        st.lists(st.tuples(st.integers(0, len(PAIRS) - 1), st.floats(0, 1, width=32)), max_size=5),
        max_size=2 * MAX_PARTS,
    ),
    put_together=st.integers(0, 2 * MAX_PARTS),
)
def test_any_writes_give_each_pair_its_least_score(
    tmp_path_factory: pytest.TempPathFactory,
    writes: list[list[tuple[int, float]]],
    put_together: int,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    problem = write_problem(folder / "pools", [T(4, "1")] * TRACES)
    store = store_of(folder)
    expected: dict[tuple[int, int], float] = {}
    for number, write in enumerate(writes):
        put(store, problem, PAIRS[[at for at, _ in write]], [score for _, score in write])
        for at, score in write:
            pair = (int(PAIRS[at, 0]), int(PAIRS[at, 1]))
            expected[pair] = min(score, expected.get(pair, 1.0))
        if number == put_together:
            store.compact(problem)
        assert len(parts(store)) <= MAX_PARTS
    assert stored(store, problem) == expected


def test_putting_together_leaves_one_part_and_removes_old_unfinished_files(
    tmp_path: Path, problem: StoredProblem
) -> None:
    store = store_of(tmp_path)
    for at in range(3):
        put(store, problem, PAIRS[at : at + 1], [at / 4])
    folder = parts(store)[0].parent
    killed, writing = folder / "killed.tmp", folder / "writing.tmp"
    killed.write_bytes(b"half")
    writing.write_bytes(b"half")
    os.utime(killed, (time.time() - 10 * 86400,) * 2)
    store.compact(problem)
    assert len(parts(store)) == 1
    assert stored(store, problem) == {(0, 1): 0.0, (0, 2): 0.25, (0, 3): 0.5}
    assert not killed.exists()
    assert writing.exists()


def test_a_reader_whose_part_is_put_together_meanwhile_starts_over(
    tmp_path: Path, problem: StoredProblem, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path)
    for at in range(3):
        put(store, problem, PAIRS[at : at + 1], [at / 4])
    read_bytes, folder = Path.read_bytes, parts(store)[0].parent
    meanwhile = [True]

    def slow(path: Path) -> bytes:
        if path.name.startswith("part-") and meanwhile:
            meanwhile.clear()
            compact(folder)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", slow)
    assert stored(store, problem) == {(0, 1): 0.0, (0, 2): 0.25, (0, 3): 0.5}


FILL = """
import sys
from pathlib import Path
import numpy as np
from judges.scores.store import ScoreStore, read_description
from judges.protocol import all_pairs
from simulator.pools.pool import Pool
pool, scores, description, step, offset = sys.argv[1:]
problem = Pool(Path(pool)).problems[0]
store = ScoreStore(Path(scores), read_description(Path(description)))
pairs, tokens = all_pairs(len(problem.lengths)), np.zeros(len(problem.lengths), dtype=np.int64)
for at in range(int(offset), len(pairs), int(step)):
    store.write(problem, pairs[at : at + 1], [at / len(pairs)], tokens)
    print(at, flush=True)
"""


def start_filling(pool: Pool, store: ScoreStore, step: int, offset: int) -> subprocess.Popen[str]:
    """Start a process that stores `i / pairs` for every step-th pair i, and then reports it."""
    command = [str(pool.path), str(store.path.parent), str(store.path), str(step), str(offset)]
    return subprocess.Popen(
        [sys.executable, "-c", FILL, *command], stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return write_pool(tmp_path / "pools", {"p": [T(4, "1")] * 24})


def test_processes_that_fill_the_same_problem_at_once_lose_nothing(
    tmp_path: Path, pool: Pool
) -> None:
    store, problem = store_of(tmp_path), pool.problems[0]
    pairs = all_pairs(24)
    # Pair 0 first, so that the folder and judge.json are there.
    store.write(problem, pairs[:1], [0.0], np.zeros(24, dtype=np.int64))
    fillers = [start_filling(pool, store, 1, 0), start_filling(pool, store, 2, 1)]
    seen = 0
    while any(filler.poll() is None for filler in fillers):
        count = int((~np.isnan(store.read(problem))).sum())
        assert count >= seen  # what was there once is there ever after
        seen = count
    for filler in fillers:
        filler.communicate()
        assert filler.returncode == 0
    matrix = store.read(problem)
    expected = np.arange(len(pairs), dtype=np.float64) / len(pairs)
    assert matrix[pairs[:, 0], pairs[:, 1]].tolist() == expected.astype(np.float32).tolist()


def test_a_killed_process_leaves_all_that_it_had_stored(tmp_path: Path, pool: Pool) -> None:
    store, problem = store_of(tmp_path), pool.problems[0]
    pairs = all_pairs(24)
    store.write(problem, pairs[:1], [0.0], np.zeros(24, dtype=np.int64))
    for stop_after in (1, 17, 40):  # at the 17th write parts are put together
        filler = start_filling(pool, store, 1, 0)
        assert filler.stdout is not None
        said = [int(filler.stdout.readline()) for _ in range(stop_after)]
        filler.send_signal(signal.SIGKILL)
        rest, _ = filler.communicate()
        said += [int(line) for line in rest.split()]
        matrix = store.read(problem)
        for at in said:
            assert matrix[tuple(pairs[at])] == np.float32(at / len(pairs))


@pytest.mark.parametrize("score", [float("nan"), -0.001, 1.001, float("inf")])
def test_what_is_no_probability_is_refused_and_nothing_is_kept(
    tmp_path: Path, problem: StoredProblem, score: float
) -> None:
    store = store_of(tmp_path)
    with pytest.raises(UserError, match=r"traces 1 and 2 of problem 'p' of test/model/tiny"):
        put(store, problem, [[0, 1], [1, 2]], [0.5, score])
    assert stored(store, problem) == {}


def test_as_many_scores_as_pairs(tmp_path: Path, problem: StoredProblem) -> None:
    with pytest.raises(UserError, match="for 2 pairs"):
        put(store_of(tmp_path), problem, [[0, 1], [1, 2]], [0.5])


def test_another_judges_scores_are_refused(tmp_path: Path, problem: StoredProblem) -> None:
    store = store_of(tmp_path)
    put(store, problem, [[0, 1]], [0.5])
    other = replace(JUDGE, identity=replace(JUDGE.identity, weights="other"))
    assert stored(store_of(tmp_path, other), problem) == {}  # a folder of its own
    store.path.rename(store_of(tmp_path, other).path)
    with pytest.raises(UserError, match=r"scores of another judge \(weights 'w', not 'other'\)"):
        store_of(tmp_path, other)
    with pytest.raises(UserError, match="rename the folder to that"):
        open_store(store_of_path(tmp_path, other))


def store_of_path(tmp_path: Path, description: Description) -> Path:
    return tmp_path / "scores" / description.identity.folder


def test_scores_of_another_version_of_a_pool_are_refused(
    tmp_path: Path, problem: StoredProblem
) -> None:
    store = store_of(tmp_path)
    put(store, problem, [[0, 1]], [0.5])
    changed = write_problem(tmp_path / "changed", [T(5, "1")] * TRACES)
    assert changed.pool.name == problem.pool.name
    with pytest.raises(UserError, match="another version of test/model/tiny"):
        store.read(changed)
    with pytest.raises(UserError, match="another version of test/model/tiny"):
        put(store_of(tmp_path), changed, [[0, 1]], [0.5])
    assert stored(store, problem) == {(0, 1): 0.5}


def test_a_pools_folder_from_another_judge_is_refused(
    tmp_path: Path, problem: StoredProblem
) -> None:
    store = store_of(tmp_path)
    other = store_of(tmp_path, replace(JUDGE, identity=replace(JUDGE.identity, weights="other")))
    put(store, problem, [[0, 1]], [0.5])
    put(other, problem, [[0, 1]], [0.6])
    shutil.rmtree(other.path / problem.pool.name)
    shutil.copytree(store.path / problem.pool.name, other.path / problem.pool.name)
    with pytest.raises(UserError, match=f"scores of another judge, {store.path.name}"):
        open_store(other.path).read(problem)


def test_a_folder_that_was_copied_says_whose_scores_it_holds(
    tmp_path: Path, problem: StoredProblem
) -> None:
    store = store_of(tmp_path)
    put(store, problem, [[0, 1]], [0.5])
    target = tmp_path / "laptop" / ".judges" / store.path.name
    target.parent.mkdir(parents=True)
    store.path.rename(target)
    assert [*iter_stores(tmp_path / "laptop")] == [target]
    copied = open_store(target)
    assert copied.description == JUDGE
    assert stored(copied, problem) == {(0, 1): 0.5}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read"),
        ("[]", "not a description"),
        ('{"format": 1}', "not a description of a judge"),
        ('{"format": 99}', "newer than this program's"),
    ],
)
def test_a_damaged_description_is_one_line(
    tmp_path: Path, problem: StoredProblem, content: str, message: str
) -> None:
    store = store_of(tmp_path)
    put(store, problem, [[0, 1]], [0.5])
    (store.path / "judge.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_description(store.path)


@pytest.mark.parametrize("damage", ["cut off", "changed", "emptied"])
def test_a_damaged_part_is_named_and_never_read(
    tmp_path: Path, problem: StoredProblem, damage: str
) -> None:
    store = store_of(tmp_path)
    put(store, problem, PAIRS, np.random.default_rng(0).random(len(PAIRS)))
    (part,) = parts(store)
    content = bytearray(part.read_bytes())
    if damage == "cut off":
        del content[-9:]
    elif damage == "emptied":
        content.clear()
    else:
        column = pq.ParquetFile(part).metadata.row_group(0).column(2)
        content[column.data_page_offset + column.total_compressed_size - 5] ^= 1  # in the scores
    part.write_bytes(content)
    with pytest.raises(UserError, match=f"{part.name}: cannot be read .*; remove it"):
        store.read(problem)


@pytest.mark.parametrize("score", [-0.5, 1.5, float("nan"), float("inf")])
def test_a_stored_score_that_is_no_probability_is_never_read(
    tmp_path: Path, problem: StoredProblem, score: float
) -> None:
    store = store_of(tmp_path)
    put(store, problem, [[0, 1]], [0.5])
    (part,) = parts(store)
    table = pq.read_table(part)
    changed = table.set_column(2, table.schema.field(2), pa.array([score], pa.float32()))
    pq.write_table(changed, part)
    with pytest.raises(UserError, match=f"{part.name}: a score that is not between 0 and 1"):
        store.read(problem)


def test_a_part_that_is_a_link_to_nothing_is_named(tmp_path: Path, problem: StoredProblem) -> None:
    store = store_of(tmp_path)
    put(store, problem, [[0, 1]], [0.5])
    (part,) = parts(store)
    part.unlink()
    part.symlink_to("nowhere")
    with pytest.raises(UserError, match="a link to nothing; remove it"):
        store.read(problem)


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("lexical", "prefixes"),
        ("embedding-minilm", "prefixes"),
        ("hf-judge", "pairs, shared in a call"),
        ("vllm-judge", "pairs, shared"),
        ("oracle-auroc-0.9", "prefixes"),
    ],
)
def test_scores_of_before_tell_by_their_kind_how_their_judge_reads(
    tmp_path: Path, problem: StoredProblem, name: str, reads: str
) -> None:
    store = store_of(tmp_path, replace(JUDGE, identity=Identity(name, "w")))
    put(store, problem, [[0, 1]], [0.5])
    file = store.path / "judge.json"
    fields = json.loads(file.read_text())
    file.write_text(json.dumps({**fields, "reads": "backwards"}))
    with pytest.raises(UserError, match="not a description of a judge"):
        read_description(store.path)
    del fields["reads"], fields["tail_tokens"]
    file.write_text(json.dumps(fields))
    found = read_description(store.path)
    assert (found.reads, found.tail_tokens) == (reads, 0)


def test_judge_json_holds_the_whole_identity(tmp_path: Path, problem: StoredProblem) -> None:
    store = store_of(tmp_path)
    put(store, problem, [[0, 1]], [0.5])
    assert json.loads((store.path / "judge.json").read_text()) == {
        "format": 1,
        "spec": "test:a=1",
        "identity": {
            "name": "test",
            "weights": "w",
            "prompt": None,
            "truncation": "tokens=5",
            "settings": {"seed": 1},
        },
        "parameters": 1000,
        "reads": "pairs",
        "template_tokens": 7,
        "tail_tokens": 2,
        "unranked": False,
    }
