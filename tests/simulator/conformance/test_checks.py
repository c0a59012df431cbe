"""Policies that cheat are caught, each by the check that is there for it; fair ones pass."""

from __future__ import annotations

import gc
import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.conformance.checks import (
    CHECKS,
    Finding,
    check_policy,
    choose_cases,
    difference,
    fresh_runners,
    revealed_by,
)
from simulator.conformance.variants import (
    Revealed,
    relabelled,
    scrambled,
    stripped,
    with_question,
)
from simulator.generated.cells import CELLS, Size
from simulator.generated.pools import make_pool, pool_folder
from simulator.isolation import host
from simulator.loading import LoadedPolicy, load_policy
from simulator.methods import METHODS
from simulator.pools.pool import Pool
from simulator.replay.recording import DECISIONS, Replayed
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
from simulator.rules.stop_rules import NEVER, TextMatches
from simulator.signals import PROBE_SIGNALS, SIGNALS, TOKEN_SIGNALS

HEADER = "import numpy as np\nfrom simulator import *\n"
POLICY = HEADER + "class P(Policy):\n    def solve(self, problem, sampler):\n"


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Four generated problems with every signal."""
    cache = tmp_path_factory.mktemp("cache")
    cell = CELLS[1]
    make_pool(cache, cell, Size("check", 4, 4, 24, 40), text=True, probe_signals=True)
    return Pool(pool_folder(cache, cell))


def play(loaded: LoadedPolicy, pool: Pool) -> Replayed:
    """Replay the first problem's first repeat with a budget of 8."""
    return replay(
        loaded,
        pool.problems[0],
        budget=8,
        repeats=range(1),
        seed=0,
        serving=Serving(None, ()),
    )


def findings(
    spec: str, pool: Pool, source: str | None = None, *, in_process: bool = True
) -> dict[str, Finding]:
    loaded = host.load(spec, source=source, in_process=in_process)
    cases = choose_cases(pool.problems, loaded.budget or 16, problem_count=3, repeats=range(2))
    fresh = fresh_runners(loaded, seed=0)
    found = check_policy(fresh, frozenset(loaded.policy.requires), cases)
    return {finding.check: finding for finding in found}


def failed(
    spec: str, pool: Pool, source: str | None = None, *, in_process: bool = True
) -> list[str]:
    found = findings(spec, pool, source, in_process=in_process)
    return [name for name, finding in found.items() if not (finding.passed or finding.skipped)]


NAMES = [template.format(budget=16, m=3) for template in METHODS]
RANKED = [name for name in NAMES if not load_policy(name).policy.unranked]


@pytest.mark.parametrize("method", RANKED)
def test_every_ranked_method_passes(method: str, pool: Pool) -> None:
    found = findings(method, pool)
    assert list(found) == list(CHECKS)
    assert all(finding.passed for finding in found.values()), found


def test_the_oracle_looks_ahead(pool: Pool) -> None:
    assert failed("oracle", pool) == ["look-ahead"]


EVEN = (  # A trace whose text will have an even number of characters halts at once.
    POLICY.replace("):\n    def", "):\n    requires = {'text'}\n    def")
    + "        traces = sampler.start(sampler.budget)\n"
    "        even = TextMatches(r'\\A(?#[)(?=(?:(?s:.){2})*\\Z)(?#])')\n"
    "        sampler.decode(traces, tokens=1, until=even)\n"
    "        return majority_vote(sampler.decode(traces[traces.num_tokens == 0]))\n"
)

VOTE = (
    "        traces = sampler.start(sampler.budget)\n"
    "        return majority_vote(sampler.decode(traces))\n"
)

CANARIES = {
    "raises": ("runs", POLICY + "        raise KeyError('x')\n"),
    "answers with a number": ("runs", POLICY + "        return 204\n"),
    "tosses a coin of its own": (
        "determinism",
        "import random\n" + POLICY + "        n = random.randrange(sampler.budget) + 1\n"
        "        return majority_vote(sampler.decode(sampler.start(n)))\n",
    ),
    "looks at the clock on the wall": (
        "determinism",
        "import time\n"
        + POLICY
        + "        n = time.perf_counter_ns() // 100 % sampler.budget + 1\n"
        "        return majority_vote(sampler.decode(sampler.start(n)))\n",
    ),
    "times how long a pattern takes that never matches": (
        "determinism",
        "import time\n"
        + POLICY.replace("):\n    def", "):\n    requires = {'text'}\n    def")
        + "        traces = sampler.start(sampler.budget)\n"
        "        took = []\n"
        "        for trace in traces:\n"
        "            number = sampler.rng.integers(10**9)\n"
        "            never = TextMatches(rf'\\A(?:(?s:.)*?){{2}}\\x00{number}')\n"
        "            began = time.perf_counter()\n"
        "            sampler.decode(trace, tokens=0, until=never)\n"
        "            took.append(time.perf_counter() - began)\n"
        "        return majority_vote(sampler.decode(traces[[int(np.argmin(took))]]))\n",
    ),
    "halts traces by how they will end": ("runs", EVEN),
    "counts the problems": (
        "memory",
        "count = 0\n" + POLICY + "        global count\n        count += 1\n"
        "        return majority_vote(sampler.decode(sampler.start(min(count, sampler.budget))))\n",
    ),
    "remembers what it answered last time": (
        "memory",
        POLICY.replace("class P", "known = {}\nclass P") + "        if problem.id not in known:\n"
        "            known[problem.id] = majority_vote(sampler.decode(sampler.start(5)))\n"
        "        return known[problem.id]\n",
    ),
    "remembers only after a while": (
        "memory",
        "count = 0\n" + POLICY + "        global count\n        count += 1\n"
        "        n = sampler.budget if count <= 8 else 1\n"
        "        return majority_vote(sampler.decode(sampler.start(n)))\n",
    ),
    "keeps a tally on its class": (
        "memory",
        HEADER + "class P(Policy):\n    _spent = 0\n"
        "    def solve(self, problem, sampler):\n"
        "        n = 8 if P._spent < 5000 else 1\n"
        "        finished = sampler.decode(sampler.start(n))\n"
        "        P._spent += sampler.tokens\n"
        "        return majority_vote(finished)\n",
    ),
    "reads lengths out of the engine": (
        "look-ahead",
        POLICY + "        engine = sampler._engine\n"
        "        best = int(np.argmin(engine.problem.lengths[engine.order]))\n"
        "        traces = sampler.start(sampler.budget)\n"
        "        return majority_vote(sampler.decode(traces[[best]]))\n",
    ),
    "reads the gold answer out of its caller's frame": (
        "look-ahead",
        "import sys\n" + POLICY + "        frame = sys._getframe(1)\n"
        "        while not hasattr(frame.f_locals.get('problem'), 'correct'):\n"
        "            frame = frame.f_back\n"
        "        right = frame.f_locals['problem'].correct\n"
        "        order = sampler._engine.order\n"
        "        traces = sampler.start(sampler.budget)\n"
        "        return majority_vote(sampler.decode(traces[right[order]][:1]))\n",
    ),
    "finds the stored problem among all objects": (
        "look-ahead",
        "import gc\n" + POLICY + "        gc.collect()\n"  # engines that other tests left
        "        engines = [o for o in gc.get_objects() "
        "if type(o).__name__ == 'Engine' and not o.answered]\n"
        "        final = engines[-1].problem.answer_class[engines[-1].order]\n"
        "        traces = sampler.start(sampler.budget)\n"
        "        sampler.decode(traces, tokens=50)\n"
        "        return majority_vote(sampler.decode(traces[final == final[0]]))\n",
    ),
    "reads texts to their end": (
        "look-ahead",
        "requires = {'text'}\n" + POLICY + "        engine = sampler._engine\n"
        "        traces = sampler.start(sampler.budget)\n"
        "        sampler.decode(traces, tokens=20)\n"
        "        longest = max(range(len(traces)), "
        "key=lambda i: len(engine.problem.texts[engine.order[i]]))\n"
        "        return majority_vote(sampler.decode(traces[[longest]]))\n",
    ),
    "always answers with class 0": ("runs", POLICY + "        return np.int32(0)\n"),
    "breaks ties by the number of the class": (
        "labels",
        POLICY + "        finished = sampler.decode(sampler.start(sampler.budget))\n"
        "        counts = np.bincount(finished.answer[finished.answer >= 0], minlength=1)\n"
        "        return np.int32(counts.argmax())\n",
    ),
    "spends more on some classes": (
        "labels",
        POLICY + "        first = sampler.decode(sampler.start(1))\n"
        "        n = 1 + int(first.answer[0]) % 5 if len(first) else 1\n"
        "        sampler.decode(sampler.start(min(n, sampler.budget - 1)))\n"
        "        return majority_vote(sampler.traces)\n",
    ),
    "starts sixteen traces whatever the budget": (
        "budget",
        POLICY + "        return majority_vote(sampler.decode(sampler.start(16)))\n",
    ),
    "starts more than a small budget on some problems only": (
        "budget",
        POLICY + "        n = 3 if problem.question.endswith('001 (no real question)') else 1\n"
        "        return majority_vote(sampler.decode(sampler.start(n)))\n",
    ),
    "probes without saying so": (
        "requires",
        POLICY + "        traces = sampler.start(sampler.budget)\n"
        "        sampler.decode(traces, tokens=100)\n"
        "        return majority_vote(sampler.probe(traces))\n",
    ),
    "asks a judge without saying so": (
        "requires",
        POLICY + "        traces = sampler.start(sampler.budget)\n"
        "        sampler.decode(traces, tokens=100)\n"
        "        sampler.judge([(0, 1)])\n"
        "        return None\n",
    ),
    "looks at the entropy of the next token": (
        "look-ahead",
        POLICY.replace("):\n    def", "):\n    requires = {'entropy'}\n    def")
        + "        traces = sampler.start(sampler.budget)\n"
        "        sampler.decode(traces, tokens=20)\n"
        "        stored, order = sampler._engine.problem, sampler._engine.order\n"
        "        values = stored.token_signal('entropy')\n"
        "        ahead = [values.of(row, 40)[20:].mean() for row in order.tolist()]\n"
        "        best = traces[np.array(ahead) <= np.median(ahead)]\n"
        "        return majority_vote(sampler.decode(best))\n",
    ),
    "reads entropies without saying so": (
        "requires",
        POLICY + "        traces = sampler.start(sampler.budget)\n"
        "        finished = sampler.decode(traces, until=SignalAbove('entropy', 9.0, 5))\n"
        "        return finished.answer[finished.mean('entropy').argmin()]\n",
    ),
    "reads confidences without saying so": (
        "requires",
        POLICY + "        traces = sampler.start(sampler.budget)\n"
        "        finished = sampler.decode(traces)\n"
        "        return finished.answer[finished.confidence().argmax()]\n",
    ),
}


@pytest.mark.parametrize("canary", CANARIES)
def test_canaries_are_caught(canary: str, pool: Pool) -> None:
    check, source = CANARIES[canary]
    if "import gc" in source:  # has fewer objects to search
        gc.collect()
        gc.freeze()
    try:
        assert check in failed("canary.py", pool, source)
    finally:
        gc.unfreeze()


LOOKING = [name for name, (check, _) in CANARIES.items() if check == "look-ahead"]


@pytest.mark.parametrize("canary", [*LOOKING, "keeps a tally on its class"])
def test_canaries_are_caught_in_a_process_of_their_own(canary: str, pool: Pool) -> None:
    """There is nothing to look at there, so those that would look ahead do not even run."""
    check, source = CANARIES[canary]
    caught = failed("canary.py", pool, source, in_process=False)
    assert ("runs" if check == "look-ahead" else check) in caught


class Whole:
    """A reading that decides at once, by all of a stored text."""

    read = NEVER

    def __init__(self, text: str, pattern: str) -> None:
        self.found = 0 if re.search(pattern, text) else NEVER


def test_a_pattern_that_sees_the_future_is_caught_if_it_is_let_through(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TextMatches, "__post_init__", lambda self: None)
    monkeypatch.setattr(
        TextMatches,
        "_begin",
        lambda self, problem, row: Whole(problem.texts[row], self.pattern),
    )
    assert failed("canary.py", pool, EVEN) == ["look-ahead"]


LEAVING = (
    "import os\n"
    + POLICY
    + "        file = os.open(os.path.dirname(os.__file__) + '/pydoc.py', 0)\n"
    "        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)\n"
    "        try:\n"
    "            os.preadv(file, [bytearray(1)], 8192, os.RWF_NOWAIT)\n"
    "            left = False\n"
    "        except BlockingIOError:\n"
    "            left = True\n"
    "        os.pread(file, 1, 8192)  # no page is dropped while it is being read\n"
    "        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)\n"
    "        os.close(file)\n"
    "        traces = sampler.start(2 if left else 1)\n"
    "        return majority_vote(sampler.decode(traces))\n"
)


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="needs Linux")
def test_a_pair_that_meets_in_the_page_cache_is_caught(pool: Pool) -> None:
    """Processes that leave each other bits; in a process of its own, none of its calls is made."""
    file = Path(os.__file__).with_name("pydoc.py")
    if "seccomp" not in host.layers(host.load("canary.py", source=LEAVING)):
        pytest.skip("this system has no seccomp filters")
    try:
        file.read_bytes()
        found = findings("canary.py", pool, LEAVING, in_process=False)["runs"]
        assert not found.passed
        assert "PermissionError" in found.detail
        file.read_bytes()
        with file.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            try:
                os.preadv(stream.fileno(), [bytearray(1)], 8192, os.RWF_NOWAIT)
                pytest.skip("this file system keeps files in memory")
            except BlockingIOError:
                file.read_bytes()
        assert "determinism" in failed("canary.py", pool, LEAVING)
    finally:
        file.read_bytes()


def test_order_by_hash_is_caught_in_processes_of_their_own(pool: Pool) -> None:
    """Hashes of texts are seeded anew in each process."""
    source = POLICY + (
        "        traces = sampler.start(sampler.budget)\n"
        "        heads = [n for n in range(len(traces)) if hash(str(n)) % 2]\n"
        "        sampler.decode(traces[heads])\n"
        "        return majority_vote(traces)\n"
    )
    assert failed("hash.py", pool, source, in_process=False)[0] == "determinism"


def test_reading_the_pool_from_the_disk_does_not_even_run(pool: Pool, tmp_path: Path) -> None:
    source = (
        "import pyarrow.parquet as pq\n"
        + POLICY
        + f"        rows = pq.read_table({str(pool.path / 'traces.parquet')!r})\n"
        "        return None\n"
    )
    assert failed("reader.py", pool, source) == []  # nothing keeps it from it in this process
    loaded = host.load("reader.py", source=source)
    if host.restriction(loaded) is None:
        pytest.skip("this kernel does not restrict what a process may read")
    found = findings("reader.py", pool, source, in_process=False)["runs"]
    assert not found.passed
    assert "may only read what the sampler provides" in found.detail


def test_a_canary_without_its_cheat_passes(pool: Pool) -> None:
    assert failed("fair.py", pool, POLICY + VOTE) == []


def test_what_rests_on_a_failed_check_is_not_judged(pool: Pool) -> None:
    found = findings("p.py", pool, CANARIES["tosses a coin of its own"][1])
    assert not found["determinism"].skipped
    for check in ("memory", "look-ahead", "labels"):
        assert "determinism" in found[check].skipped


def test_another_future_leaves_what_was_revealed(pool: Pool) -> None:
    problem = pool.problems[0]
    rng = np.random.default_rng(5)
    tokens = rng.integers(0, problem.lengths)
    tokens[:3] = 0
    finished = rng.random(len(tokens)) < 0.3
    tokens[finished] = problem.lengths[finished]
    other = scrambled(problem, Revealed(tokens, finished), rng)
    assert (other.lengths[finished] == problem.lengths[finished]).all()
    assert (other.answer_class[finished] == problem.answer_class[finished]).all()
    assert (other.lengths[~finished] > tokens[~finished]).all()
    assert (other.lengths[~finished] != problem.lengths[~finished]).all()
    for row, known in enumerate(tokens.tolist()):
        ends = problem.token_ends[row]
        seen = problem.texts[row][: ends[known - 1]] if known else ""
        assert other.texts[row].startswith(seen)
        assert (other.token_ends[row][:known] == ends[:known]).all()
        assert len(other.token_ends[row]) == other.lengths[row]
        for name in TOKEN_SIGNALS:
            ours, theirs = other.token_signal(name), problem.token_signal(name)
            assert (ours.of(row, known) == theirs.of(row, known)).all()
            assert len(ours.of(row)) == other.lengths[row]
            if known < len(theirs.of(row)):
                assert (ours.of(row)[known:][:5] != theirs.of(row)[known:][:5]).any()
        if not finished[row]:
            assert other.texts[row] != problem.texts[row]
    rows = np.arange(len(tokens))
    columns = problem.probes.columns(rows, tokens)
    assert (columns == other.probes.columns(rows, tokens)).all()
    assert (problem.probes.table[rows, columns] == other.probes.table[rows, columns]).all()
    for name in PROBE_SIGNALS:
        made, stored = (each.probe_signal_table(name) for each in (other, problem))
        for row, column in enumerate(columns.tolist()):
            np.testing.assert_array_equal(made[row, : column + 1], stored[row, : column + 1])
        assert len(other.probe_signal(name)) == len(other.probes.answers)
        later = np.arange(min(made.shape[1], stored.shape[1])) > columns[:, None]
        later &= ~finished[:, None] & (columns < problem.probes.counts)[:, None]
        assert (made[:, : later.shape[1]] != stored[:, : later.shape[1]])[later].all()
    assert (other.class_correct == ~problem.class_correct).all()
    assert (other.correct == np.append(other.class_correct, False)[other.answer_class]).all()


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_relabelling_twice_comes_back(pool: Pool, random: object) -> None:
    problem = pool.problems[0]
    names = np.arange(len(problem.class_texts), dtype=np.int32)
    random.shuffle(names)  # type: ignore[attr-defined]
    other = relabelled(problem, names)
    back = relabelled(other, np.argsort(names).astype(np.int32))
    for one, two in ((problem, back), (problem, other)):
        texts = [np.array([*p.class_texts, None], dtype=object) for p in (one, two)]
        assert (texts[0][one.answer_class] == texts[1][two.answer_class]).all()
        assert (texts[0][one.probes.answers] == texts[1][two.probes.answers]).all()
        assert (one.correct == two.correct).all()
    assert back.class_texts == problem.class_texts


def test_a_stripped_problem_has_no_other_signal(pool: Pool) -> None:
    problem = stripped(pool.problems[0], frozenset({"probes"}))
    assert problem.pool.info.signals == ["probes"]
    assert pool.info.signals == [*SIGNALS]


def test_a_difference_is_told_by_its_first_trace(pool: Pool) -> None:
    short = play(load_policy("short-1@8"), pool)
    whole = play(load_policy("cons@8"), pool)
    assert difference(short, short) == ""
    assert difference(short, whole).startswith("trace ")
    revealed = revealed_by(short, pool.problems[0])
    assert revealed.finished.sum() >= 1
    assert revealed.tokens.sum() == short.answers["tokens"][0].as_py()
    assert (revealed.tokens <= pool.problems[0].lengths).all()


@pytest.mark.parametrize("column", DECISIONS.names)
def test_a_difference_in_any_column_is_told_by_its_trace(pool: Pool, column: str) -> None:
    base = play(load_policy("cons@8"), pool)
    rows = base.decisions.to_pylist()
    value = rows[5][column]
    if isinstance(value, str):
        rows[5][column] = f"{value}."
    else:
        rows[5][column] = (not value) if isinstance(value, bool) else (value or 0) + 1
    other = Replayed(pa.Table.from_pylist(rows, DECISIONS), base.answers)
    for one, two in ((base, other), (other, base)):
        order = one.decisions["order"][5].as_py()
        assert difference(one, two).startswith(f"trace {order} ")


def test_the_order_in_which_labels_came_up_is_no_difference(pool: Pool) -> None:
    base = play(load_policy("short-1@8"), pool)
    rows = base.decisions.to_pylist()
    labels = sorted({row["stop_reason"] for row in rows}, reverse=True)
    codes = pa.array([labels.index(row["stop_reason"]) for row in rows], pa.int32())
    index = DECISIONS.get_field_index("stop_reason")
    reasons = pa.DictionaryArray.from_arrays(codes, pa.array(labels))
    assert len(labels) == 2
    assert reasons.dictionary != base.decisions["stop_reason"].chunk(0).dictionary
    decisions = base.decisions.set_column(index, DECISIONS.field(index), reasons)
    assert difference(base, Replayed(decisions, base.answers)) == ""


@pytest.mark.parametrize("first", ["texts", "probes", *TOKEN_SIGNALS])
def test_another_future_does_not_depend_on_what_is_asked_first(pool: Pool, first: str) -> None:
    problem = pool.problems[0]
    nothing = np.zeros(len(problem.lengths), dtype=np.int64)
    revealed = Revealed(nothing, nothing > 0)
    one, two = (scrambled(problem, revealed, np.random.default_rng(3)) for _ in range(2))
    if first in TOKEN_SIGNALS:
        two.token_signal(first)
    else:
        getattr(two, first)
    assert one.texts == two.texts
    made = [np.concatenate([*one.token_signal(name)]) for name in TOKEN_SIGNALS]
    again = [np.concatenate([*two.token_signal(name)]) for name in TOKEN_SIGNALS]
    assert all(map(np.array_equal, made, again))
    assert not np.array_equal(made[0] / made[0].max(), made[1] / made[1].max())
    assert (one.probes.answers == two.probes.answers).all()
    assert (one.probes.positions == two.probes.positions).all()


def test_signals_are_read_once_for_all_that_is_made_of_a_problem(pool: Pool) -> None:
    problem = pool.problems[0]
    names = np.arange(len(problem.class_texts), dtype=np.int32)
    other = relabelled(stripped(with_question(problem, "?"), frozenset({"text"})), names)
    assert other.question == "?"
    assert other.texts is problem.texts
    assert other.token_ends is problem.token_ends
    assert other.token_signal("confidence") is problem.token_signal("confidence")
