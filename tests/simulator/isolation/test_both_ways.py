"""A policy file in a process of its own and in this one: the same decisions, answers and words."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from checkout import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pools import T, write_pool

from simulator.errors import PolicyError
from simulator.isolation import host
from simulator.isolation.remote_engine import EngineHost
from simulator.loading import Limits, describe_methods, load_policy
from simulator.pools.pool import Pool, StoredProblem
from simulator.replay.clusters import greedy
from simulator.replay.clusters.greedy import ScoreTable
from simulator.replay.judging import TokensRead
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
from simulator.runs.making import make_run
from simulator.runs.spec import RunJudge, RunSpec
from simulator.signals import PROBE_SIGNALS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

RESULTS = ("decisions.parquet", "answers.parquet", "summary.json")
WORDS = [
    "wait",
    "so",
    "the",
    "first",
    "one",
    "is",
    "two",
    ",",
    "but",
    "then",
    "thus",
    "seven",
    "or",
    "six",
    "since",
    "it",
    "must",
]


def certainty(number: int, probes: int) -> list[float | None]:
    return [None if at % 7 == 6 else (number * 3 + at * 5) % 20 / 20 for at in range(probes)]


def trace(number: int) -> T:
    length = 7 + (number * 37) % 60
    return T(
        length,
        None if number % 9 == 0 else str(number * number % 4),
        {at: str((at + number) % 3) for at in range(5, length, 5)},
        text=" ".join(WORDS[(number + at * at) % len(WORDS)] for at in range(length // 2)),
        confidence=[(number * 7 + at * at * 13) % 17 + 0.125 for at in range(length)],
        signals={"entropy": [(number * 5 + at * at * 11) % 13 / 7 for at in range(length)]},
        certainty={
            name: certainty(number + place, (length - 1) // 5)
            for place, name in enumerate(PROBE_SIGNALS)
        },
    )


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    problems = {
        f"{number}": [trace(12 * number + place) for place in range(12)] for number in range(3)
    }
    return write_pool(tmp_path_factory.mktemp("cache"), problems)


# Whole runs

BUILT_IN = [
    method["name"].replace("@N", "@6").replace("-m@k", "-2@6")
    for method in describe_methods()
    if method["name"] != "oracle"
]


class Judge:
    """Made-up scores that depend on the pair and on how far its traces have come."""

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> Floats:
        ids = np.sort(problem.trace_ids[pairs], axis=1)
        scores: Floats = (ids @ [7, 37] + num_tokens.sum(axis=1)) % 101 / 100
        return scores

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        read = len(pairs)
        return TokensRead(4 * read, 2 * read, 3 * read)


class Table(Judge):
    """The same scores with all of them at hand."""

    def at_hand(self, problem: StoredProblem, rows: Ints, num_tokens: Ints) -> ScoreTable:
        traces = len(problem.trace_ids)
        scores = np.full((traces, traces), np.nan, dtype=np.float32)
        for place, row in enumerate(rows):
            for other_place, other in enumerate(rows):
                if row != other:
                    tokens = num_tokens[[[place, other_place]]]
                    scores[row, other] = self.score(problem, np.array([[row, other]]), tokens)[0]
        return ScoreTable(scores, 0.01)


def as_file(folder: Path, spec: str) -> tuple[str, dict[str, str], int | None]:
    """Write a built-in method as a file, with the settings and budget of its name."""
    loaded = load_policy(spec)
    file = folder / "method.py"
    file.write_text(loaded.source)
    settings = {key: str(value) for key, value in loaded.parameters.items()}
    return f"{file}@{loaded.class_name}", settings, loaded.budget


def same_run_both_ways(
    folder: Path, pool: Pool, file: str, settings: dict[str, str], budget: int | None
) -> None:
    """Make a run in a process of the policy's own and in this one, and compare their bytes."""
    for in_process in (False, True):
        loaded = host.load(file, settings, in_process=in_process)
        judge = RunJudge(Judge(), {"name": "test"}, False, [0.5])
        asks = "judge" in loaded.policy.requires
        run = RunSpec(loaded, [pool], budget or 12, 3, 5, Serving(), judge if asks else None)
        make_run(run, folder / str(in_process))
        assert loaded.in_process is in_process
    for name in RESULTS:
        one, other = ((folder / way / name).read_bytes() for way in ("True", "False"))
        assert one == other, name
    described = [json.loads((folder / way / "run.json").read_text()) for way in ("True", "False")]
    for each in described:
        del each["started_at"], each["wall_seconds"]
    assert described[0] == described[1]


@pytest.mark.parametrize("spec", [*BUILT_IN, "docs/examples/short_m.py"])
def test_both_ways_make_the_same_run(tmp_path: Path, pool: Pool, spec: str) -> None:
    is_file = spec.endswith(".py")
    file, settings, budget = (str(ROOT / spec), {}, None) if is_file else as_file(tmp_path, spec)
    same_run_both_ways(tmp_path, pool, file, settings, budget)


@pytest.mark.parametrize(
    ("spec", "settings"),
    [
        ("deer", {"threshold": "0.7"}),
        ("eat", {"signal": "probe_entropy"}),
        ("soft-sc", {}),
        ("soft-sc", {"adaptive": "true", "score": "probe_gmean"}),
    ],
)
def test_methods_that_read_certain_probes_see_the_same_both_ways(
    tmp_path: Path, pool: Pool, spec: str, settings: dict[str, str]
) -> None:
    file, defaults, _ = as_file(tmp_path, spec)
    same_run_both_ways(tmp_path, pool, file, defaults | {"interval": "5"} | settings, 12)
    answers = pq.read_table(tmp_path / "False" / "answers.parquet")
    assert min(answers["probe_calls"].to_pylist()) > 0


@pytest.mark.parametrize("truncation", ["tokens=10", "words=2"])
@pytest.mark.parametrize("tau", ["0.5", "0.9"])
def test_deepprune_clusters_and_asks_the_same_both_ways(
    tmp_path: Path, pool: Pool, truncation: str, tau: str
) -> None:
    file, settings, _ = as_file(tmp_path, "deepprune")
    settings |= {"truncation": truncation, "tau": tau, "K1": "3", "K2": "2", "K3": "2"}
    same_run_both_ways(tmp_path, pool, file, settings, 12)
    answers = pq.read_table(tmp_path / "False" / "answers.parquet")
    assert min(answers["judge_calls"].to_pylist()) > 0
    assert min(answers["clusters"].to_pylist()) > 1


@pytest.mark.parametrize("limits", [None, Limits()])
@pytest.mark.parametrize("hard", [False, True])
def test_scores_at_hand_are_used_in_one_request(
    tmp_path: Path,
    pool: Pool,
    hard: bool,
    limits: Limits | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, settings, _ = as_file(tmp_path, "deepprune")
    settings |= {"truncation": "tokens=10", "K1": "3", "K2": "2", "K3": "2", "hard": str(hard)}
    requests: list[str] = []
    reply = EngineHost.reply

    def noted(host: EngineHost, name: str, arguments: list[object]) -> object:
        requests.append(name)
        return reply(host, name, arguments)

    made = []
    greedy._kept_draw_of_few.cache_clear()
    for judge in (Table(), Judge()):
        for in_process in (False, True):
            if in_process and limits:
                continue
            loaded = host.load(file, settings, in_process=in_process, limits=limits)
            with monkeypatch.context() as patched:
                patched.setattr(EngineHost, "reply", noted)
                done = replay(
                    loaded,
                    pool.problems[0].fresh(),
                    budget=12,
                    repeats=range(4),
                    seed=5,
                    serving=Serving(),
                    judge=judge,
                )
            made.append((done.decisions.to_pylist(), done.answers.to_pylist()))
        if isinstance(judge, Table):
            assert requests.count("judge") == 0
            assert requests.count("greedy_clusters") == 4
    assert requests.count("judge") > 50
    kept = greedy._kept_draw_of_few.cache_info().currsize
    assert kept == (0 if limits else 4)  # no memory of strangers
    assert all(each == made[0] for each in made)


@pytest.mark.parametrize(
    "call",
    [
        "greedy_clusters(0, sampler.judge, sampler.rng, **rule)",
        "greedy_clusters(6, sampler.judge, sampler.rng, **rule | {'threshold': 2})",
        "greedy_clusters(6, sampler.judge, sampler.rng, **rule | {'threshold': -0.5})",
        "greedy_clusters(6, sampler.judge, sampler.rng, **rule | {'threshold': 0})",
        "greedy_clusters(6, sampler.judge, sampler.rng, **rule | {'threshold': True})",
        "greedy_clusters(6, sampler.judge, sampler.rng, **rule | {'max_members': 10**30})",
        "greedy_clusters(6, sampler.judge, sampler.rng, **rule | {'max_members': np.int64(2)})",
        "greedy_clusters(6, sampler.judge, sampler.rng, **rule | {'hard': 1})",
        "greedy_clusters(6, sampler.judge, np.random.Generator(np.random.MT19937(7)), **rule)",
        "greedy_clusters(6, sampler.judge, even(), **rule)",
        "sampler.rng.integers(9, dtype=np.uint32), "
        "greedy_clusters(6, sampler.judge, sampler.rng, **rule)",
        "[greedy_clusters(6, sampler.judge, sampler.rng, **rule) for _ in range(2)]",
        "greedy_clusters(7, sampler.judge, sampler.rng, **rule)",
    ],
)
def test_any_clustering_ends_the_same(tmp_path: Path, pool: Pool, call: str) -> None:
    file = tmp_path / "clusters.py"
    file.write_text(
        "import numpy as np\nfrom simulator import Policy, greedy_clusters\n"
        "rule = {'threshold': 0.5, 'max_clusters': 3, 'max_members': 2}\n"
        "def even():\n"
        "    bits = np.random.PCG64(7); state = bits.state\n"
        "    state['state']['inc'] -= 1; bits.state = state\n"
        "    return np.random.Generator(bits)\n"
        "class Clusters(Policy):\n    requires = frozenset({'judge'})\n"
        "    def solve(self, problem, sampler):\n        sampler.decode(sampler.start(6), 9)\n"
        f"        found = {call}\n"
        "        left = sampler.rng.integers(2**60), sampler.judge_calls, sampler.judge_tokens\n"
        "        return repr((found, left))\n"
    )
    told: list[object] = []
    for in_process in (False, True):
        loaded = host.load(str(file), in_process=in_process)
        try:
            done = replay(
                loaded,
                pool.problems[1],
                budget=9,
                repeats=range(3),
                seed=1,
                serving=Serving(),
                judge=Table(),
            )
            told.append(done.answers.to_pylist())
        except PolicyError as error:
            told.append(str(error))
    assert told[0] == told[1]


def test_processes_that_replay_have_a_policy_process_each(tmp_path: Path, pool: Pool) -> None:
    file = str(ROOT / "docs/examples/short_m.py")
    for jobs in (1, 2):
        spec = RunSpec(host.load(file), [pool], 6, 3, 5, Serving())
        make_run(spec, tmp_path / f"{jobs}", jobs=jobs)
    for name in RESULTS:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


# Anything that a policy can call

RANDOM = """
import hashlib, json
import numpy as np
from simulator import *

class Random(Policy):
    steps = "[]"
    def solve(self, problem, sampler):
        seen = []
        selections = [sampler.start(0)]
        for call, which, what in json.loads(self.steps):
            traces = selections[which % len(selections)]
            try:
                told = getattr(self, call)(sampler, traces, what)
            except SamplerError as error:
                told = f"{type(error).__name__}: {error}"
            if isinstance(told, Traces):
                selections.append(told)
                told = told.ids
            everyone = sampler.traces
            state = [everyone.ids, everyone.num_tokens, everyone.finished, everyone.stopped]
            seen.append((call, told, *state, everyone.answer))
        seen += [problem, sampler.budget, sampler.tokens, repr(sampler.traces)]
        if len(seen) % 5 == 0 and len(sampler.traces):
            return sampler.traces[0].answer
        return hashlib.sha256(repr(seen).encode()).hexdigest()

    def start(self, sampler, traces, what): return sampler.start(what)
    def all(self, sampler, traces, what): return sampler.traces
    def half(self, sampler, traces, what): return traces[::2]
    def back(self, sampler, traces, what): return traces[::-1]
    def mask(self, sampler, traces, what): return traces[traces.num_tokens > what]
    def decode(self, sampler, traces, what): return sampler.decode(traces, tokens=what)
    def numpy(self, sampler, traces, what): return sampler.decode(traces, tokens=np.int32(what))
    def each(self, sampler, traces, what):
        return sampler.decode(traces, tokens=3 * traces.ids % 8 + what)
    def each_rule(self, sampler, traces, what):
        return sampler.decode(traces, [what] * len(traces), ReasoningWords(2), first=2)
    def minus(self, sampler, traces, what): return sampler.traces - traces[: abs(what)]
    def both_of(self, sampler, traces, what): return sampler.traces[what:] & traces
    def either(self, sampler, traces, what): return traces[: abs(what)] | sampler.traces
    def finished_at(self, sampler, traces, what): return traces.finished_at
    def first(self, sampler, traces, what): return sampler.decode(traces, first=what)
    def both(self, sampler, traces, what): return sampler.decode(traces, tokens=9, first=what)
    def agree(self, sampler, traces, what):
        return sampler.decode(traces, until=ProbesAgree(max(1, what)))
    def below(self, sampler, traces, what):
        return sampler.decode(traces, until=GroupConfidenceBelow(np.float64(what), window=3))
    def above(self, sampler, traces, what):
        return sampler.decode(traces, until=SignalAbove("entropy", np.float64(what / 7), window=3))
    def under(self, sampler, traces, what):
        return sampler.decode(traces, until=SignalBelow("entropy", what / 7, 2), tokens=20)
    def words(self, sampler, traces, what):
        return sampler.decode(traces, until=ReasoningWords(max(1, what)), tokens=40)
    def match(self, sampler, traces, what):
        return sampler.decode(traces, until=TextMatches("se.en") | ProbesAgree(max(1, what)))
    def stop(self, sampler, traces, what): return sampler.stop(traces[:what])
    def probe(self, sampler, traces, what): return sampler.probe(traces)
    def probed(self, sampler, traces, what): return traces.probed("probe_min")
    def certain(self, sampler, traces, what):
        return sampler.probe(traces), traces.probed("probe_mean"), traces.probed("probe_entropy")
    def text(self, sampler, traces, what): return traces.text
    def one_text(self, sampler, traces, what): return [each.text for each in traces][:what]
    def confidence(self, sampler, traces, what): return traces.confidence(what or None)
    def group(self, sampler, traces, what): return traces.lowest_confidence(what)
    def low_groups(self, sampler, traces, what): return traces.bottom_confidence(0.1 * what, 4)
    def mean(self, sampler, traces, what): return traces.mean("entropy", what or None)
    def lowest(self, sampler, traces, what): return traces.lowest("entropy", what)
    def bottom(self, sampler, traces, what): return traces.bottom("entropy", 0.1 * what, 4)
    def signal(self, sampler, traces, what): return [each.signal("entropy") for each in traces]
    def every(self, sampler, traces, what): return [each.confidence for each in traces]
    def clock(self, sampler, traces, what): return sampler.clock
    def probes(self, sampler, traces, what): return sampler.probe_calls, sampler.probe_tokens
    def ledger(self, sampler, traces, what): return sampler.judge_calls, sampler.judge_tokens
    def judge(self, sampler, traces, what): return sampler.judge([[0, what]])
    def cluster(self, sampler, traces, what):
        return sampler.declare_clusters([what] * len(sampler.traces))
    def group_up(self, sampler, traces, what):
        given = {"threshold": 0.5, "max_clusters": 3, "max_members": 2}
        return greedy_clusters(len(sampler.traces), sampler.judge, sampler.rng, **given)
    def random(self, sampler, traces, what): return sampler.rng.integers(1000)
    def vote(self, sampler, traces, what): return majority_vote(traces), top_two(traces)
"""
CALLS = [
    line.split("def ")[1].split("(")[0]
    for line in RANDOM.splitlines()
    if "def " in line and "solve" not in line
]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(CALLS), st.integers(0, 9), st.integers(-1, 12)), max_size=25
    ),
    st.sampled_from([Serving(), Serving(2), Serving(3, ((1, 0.5), (4, 0.75)))]),
)
def test_whatever_a_policy_calls_is_answered_the_same(
    pool: Pool,
    tmp_path_factory: pytest.TempPathFactory,
    steps: Sequence[tuple[str, int, int]],
    serving: Serving,
) -> None:
    file = tmp_path_factory.getbasetemp() / "random_policy.py"
    if not file.exists():
        file.write_text(RANDOM)
    typed = {"steps": json.dumps([("start", 0, 5), *steps])}
    told: list[object] = []
    for in_process in (False, True):
        loaded = host.load(str(file), typed, in_process=in_process)
        try:
            done = replay(
                loaded, pool.problems[1], budget=9, repeats=range(2), seed=1, serving=serving
            )
            told.append((done.decisions.to_pylist(), done.answers.to_pylist()))
        except PolicyError as error:
            told.append(str(error))
    assert told[0] == told[1]


def test_every_call_of_the_api_is_made_above() -> None:
    from simulator.isolation.wire import OPERATIONS
    from simulator.policy.sampler import Sampler, Traces

    for kind in (Sampler, Traces):
        for name, _ in inspect.getmembers(kind, lambda member: not isinstance(member, type)):
            if not name.startswith("_"):
                assert name in RANDOM, name
    assert len(OPERATIONS) <= len(CALLS)


@pytest.mark.parametrize(
    "call",
    [
        "sampler.start(9)",
        "sampler.start(-1)",
        "sampler.start(10**30)",
        "sampler.start(1.5)",
        "sampler.start('2')",
        "sampler.decode(sampler.start(2), tokens=-(10**30))",
        "sampler.decode(sampler.start(2), first=0)",
        "sampler.decode(sampler.start(2), until='now')",
        "sampler.decode([1, 2])",
        "sampler.decode(sampler.start(2), tokens=[1])",
        "sampler.decode(sampler.start(2), tokens=np.array([1.0, 2.0]))",
        "sampler.decode(sampler.start(2), tokens=[True, False])",
        "sampler.decode(sampler.start(2), tokens=np.array([3, -1]))",
        "sampler.decode(sampler.start(2), tokens=[[1, 2]])",
        "sampler.decode(sampler.start(2), tokens=[1, [2]])",
        "sampler.decode(sampler.start(2), tokens=[1, 2, 3])",
        "sampler.decode(sampler.start(2), tokens=[10**30, 1])",
        "sampler.start(2) - 1",
        "sampler.start(2) & [0]",
        "sampler.start(2) | 'ab'",
        "sampler.judge('pairs')",
        "sampler.judge([[0, 1]])",
        "sampler.declare_clusters([1, 2, 3])",
        "traces = sampler.start(2); sampler.stop(traces); sampler.decode(traces)",
        "sampler.start(2).bottom_confidence(float('nan'))",
        "sampler.start(2).confidence(0)",
        "sampler.start(2).mean('surprise')",
        "sampler.start(2).lowest(['entropy'])",
        "sampler.start(2)[0].signal(None)",
        "sampler.decode(sampler.start(2), until=SignalAbove('surprise', 1))",
        "sampler.start(2).probed('probes')",
        "sampler.start(2).probed(['probe_min'])",
        "sampler.start(2)[[0, 0]]",
        "sampler.start(2)[5]",
        "1 / 0",
        "raise KeyError('x')",
        "return 7",
        "return np.int64(1)",
        "return np.int32(99)",
        "return '\\ud800'",
        "return object",
        "raise SystemExit",
        "print(sampler.gold)",
        "self.m = 1; problem.id = 'other'",
    ],
)
def test_what_a_policy_does_wrong_is_told_in_the_same_words(
    tmp_path: Path, pool: Pool, call: str
) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        "import numpy as np\nfrom simulator import Policy, SignalAbove\nclass Wrong(Policy):\n"
        f"    def solve(self, problem, sampler):\n        {call}\n"
    )
    told = []
    for in_process in (False, True):
        loaded = host.load(str(file), in_process=in_process)
        with pytest.raises(PolicyError) as error:
            replay(loaded, pool.problems[0], budget=5, repeats=range(1), seed=0, serving=Serving())
        told.append(str(error.value))
    assert told[0] == told[1]
    assert told[0].startswith(str(file))
    assert told[0].endswith("(problem 0, repeat 0)")
