"""Orders of traces, grading, and what becomes of a policy that breaks."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import T, write_pool, write_problem

from simulator.errors import PolicyError, UserError
from simulator.loading import LoadedPolicy, load_policy
from simulator.pools.pool import StoredProblem
from simulator.replay.grading import Grader
from simulator.replay.orders import ORDERS_AT_ONCE, orders
from simulator.replay.recording import GradedAnswer, Replayed
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving

TRACES = [
    T(10, "7", {5: "7"}),
    T(25, "1", {}),
    T(31, "1", {}),
    T(42, None, {}),
    T(53, "7", {}),
    T(64, "3", {}),
    T(75, "1", {}),
]


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> StoredProblem:
    return write_problem(tmp_path_factory.mktemp("cache"), TRACES)


def run(
    policy: str | LoadedPolicy,
    problem: StoredProblem,
    budget: int = 5,
    repeats: range = range(6),
    seed: int = 3,
    serving: Serving | None = None,
) -> Replayed:
    loaded = load_policy(policy) if isinstance(policy, str) else policy
    return replay(
        loaded,
        problem,
        budget=budget,
        repeats=repeats,
        seed=seed,
        serving=serving or Serving(),
    )


def write_policy(folder: Path, solve: str, before: str = "") -> LoadedPolicy:
    """Write a policy file whose `solve` has this body."""
    body = "\n".join("        " + line for line in solve.splitlines())
    file = folder / "policy.py"
    file.write_text(
        f"import numpy as np\nfrom simulator import Policy, majority_vote\n{before}\n\n"
        f"class Mine(Policy):\n    def solve(self, problem, sampler):\n{body}\n"
    )
    return load_policy(str(file))


# Orders


def drawn(
    problem: StoredProblem, budget: int, repeats: range, seed: int = 0, key: int = 9
) -> list[list[int]]:
    return [order.tolist() for order in orders(problem, budget, repeats, seed, key)]


def test_every_order_is_a_permutation(problem: StoredProblem) -> None:
    for order in drawn(problem, 7, range(200)):
        assert sorted(order) == list(range(7))


@settings(max_examples=40)
@given(st.integers(1, 7), st.integers(0, 200), st.integers(0, 90), st.integers(0, 5))
def test_an_order_depends_on_seed_problem_and_repeat_alone(
    problem: StoredProblem, budget: int, first: int, count: int, seed: int
) -> None:
    whole = drawn(problem, 7, range(300), seed)
    some = drawn(problem, budget, range(first, first + count), seed)
    assert some == [order[:budget] for order in whole[first : first + count]]


def test_a_block_of_repeats_can_be_asked_for_alone(problem: StoredProblem) -> None:
    assert 64 < 70 < 2 * ORDERS_AT_ONCE  # it lies in the second block
    assert drawn(problem, 7, range(70, 80)) == drawn(problem, 7, range(80))[70:]


def test_other_seeds_and_problems_have_other_orders(problem: StoredProblem) -> None:
    here = drawn(problem, 7, range(40))
    for other in (drawn(problem, 7, range(40), seed=1), drawn(problem, 7, range(40), key=10)):
        same = sum(a == b for a, b in zip(here, other, strict=True))
        assert same <= 2  # of 40, each by a chance of 1 in 5040
    assert len(set(map(tuple, drawn(problem, 7, range(130))))) > 110


def test_every_trace_comes_first_and_last_about_equally_often(problem: StoredProblem) -> None:
    told = drawn(problem, 7, range(7 * 400))
    for place in (0, 3, 6):
        counts = Counter(order[place] for order in told)
        # The standard deviation of each count is √(2800 · 1/7 · 6/7) = 18.5.
        assert all(abs(counts[trace] - 400) < 5 * 18.5 for trace in range(7))


# Replays


def test_the_orders_decide_what_is_started(problem: StoredProblem) -> None:
    decisions = run("cons@5", problem).decisions.to_pandas()
    by_repeat = decisions.groupby("repeat")["trace_id"].apply(list)
    assert len(by_repeat) == 6
    assert len({tuple(ids) for ids in by_repeat}) > 1
    for ids in by_repeat:
        assert len(set(ids)) == 5


@pytest.mark.parametrize("budget", [1, 4, 7])
def test_the_baseline_is_what_cons_really_does(problem: StoredProblem, budget: int) -> None:
    repeats = range(60, 100)  # across two blocks of orders, and of what is recorded at once
    cons = run(f"cons@{budget}", problem, budget, repeats).answers
    for other in ("cons@9", "pass@1", "asc", "oracle", "sac"):
        answers = run(other, problem, budget, repeats).answers
        assert answers["baseline_correct"].equals(cons["correct"])
        assert answers["baseline_tokens"].equals(cons["tokens"])
    assert 0 < sum(cons["correct"].to_pylist()) < 40 or budget == 7


def test_repeats_asked_for_apart_are_those_asked_for_together(problem: StoredProblem) -> None:
    whole = run("asc", problem, repeats=range(80))
    part = run("asc", problem, repeats=range(70, 80))
    assert part.answers.to_pylist() == whole.answers.to_pylist()[70:]
    rows = [row for row in whole.decisions.to_pylist() if row["repeat"] >= 70]
    assert part.decisions.to_pylist() == rows


def test_a_smaller_budget_starts_the_same_traces_first(problem: StoredProblem) -> None:
    large = run("cons@7", problem, 7).decisions.to_pandas()
    small = run("cons@3", problem, 3).decisions.to_pandas()
    first_three = large[large["order"] < 3].reset_index(drop=True)
    columns = ["repeat", "order", "trace_id", "num_tokens"]
    assert small[columns].equals(first_three[columns])


def test_every_repeat_has_random_numbers_of_its_own(tmp_path: Path, problem: StoredProblem) -> None:
    loaded = write_policy(tmp_path, "return str(sampler.rng.integers(10**9))")
    first = run(loaded, problem).answers["answer"].to_pylist()
    assert len(set(first)) == 6
    assert run(loaded, problem, repeats=range(2, 4)).answers["answer"].to_pylist() == first[2:4]
    assert set(first).isdisjoint(run(loaded, problem, seed=4).answers["answer"].to_pylist())


def test_the_policy_sees_an_opaque_name_of_the_repeat_that_no_problem_changes(
    tmp_path: Path,
) -> None:
    pool = write_pool(tmp_path, {"2024-I-1": TRACES, "2024-I-2": TRACES})
    loaded = write_policy(tmp_path, "return f'{problem.id} {problem.question}'")
    told = [run(loaded, one).answers["answer"].to_pylist() for one in pool.problems]
    first, second = ([each.split(" ", 1)[0] for each in names] for names in told)
    assert first == second
    assert len(set(first)) == len(first) > 1
    assert re.fullmatch(r"[0-9a-f]{16} What is 2024-I-1\?", told[0][0])


def test_a_replay_leaves_what_it_worked_out_for_the_next_with_the_problem_it_was_given(
    problem: StoredProblem,
) -> None:
    own = problem.fresh()
    run("sac", own)
    left = dict(own.prepared)
    assert left
    run("sac", own, repeats=range(6, 9))
    assert [*map(id, own.prepared.values())] == [*map(id, left.values())]
    assert "probes" in vars(own)
    untouched = own.fresh()
    assert untouched.prepared == {}
    assert "probes" not in vars(untouched)


# Policies that break


def broken(tmp_path: Path, problem: StoredProblem, solve: str) -> str:
    loaded = write_policy(tmp_path, solve, before="def deeper(n):\n    return n // 0")
    with pytest.raises(PolicyError) as told:
        run(loaded, problem, repeats=range(2, 4))
    message = str(told.value)
    assert "\n" not in message
    return message.replace(str(tmp_path), "DIR")


@pytest.mark.parametrize(
    ("solve", "expected"),
    [
        ("x = 1\nreturn x / 0", "DIR/policy.py:9: ZeroDivisionError: division by zero"),
        ("return deeper(1)", "DIR/policy.py:4: ZeroDivisionError: integer division or modulo"),
        (
            "return np.array([1, 2]).reshape(3)",
            "DIR/policy.py:8: cannot reshape array of size 2 into shape (3,)",
        ),
        ("raise KeyError('a')", "DIR/policy.py:8: KeyError: 'a'"),
        ("raise RuntimeError", "DIR/policy.py:8: RuntimeError"),
        ("raise RuntimeError('two\\n lines')", "DIR/policy.py:8: RuntimeError: two lines"),
        ("raise SystemExit(0)", "DIR/policy.py:8: SystemExit: 0"),
        (
            "sampler.start(6)",
            "DIR/policy.py:8: start(6) after 0 traces exceeds the budget of 5",
        ),
        ("assert problem.gold_answer", "DIR/policy.py:8: AttributeError: "),
    ],
)
def test_a_policy_that_raises_is_answered_with_its_file_and_line(
    tmp_path: Path, problem: StoredProblem, solve: str, expected: str
) -> None:
    message = broken(tmp_path, problem, solve)
    assert message.startswith(expected)
    assert message.endswith(" (problem p, repeat 2)")


@pytest.mark.parametrize(
    ("solve", "shown"),
    [
        ("return 7", "int 7"),
        ("return 7.0", "float 7.0"),
        ("return True", "bool True"),
        ("return np.int64(1)", "int64 np.int64(1)"),
        ("return sampler.start(2)", "Traces <2 traces, 0 finished, 0 tokens>"),
        ("return sampler.start(2)[0]", "Trace <trace 0, unfinished, 0 tokens>"),
        ("return sampler.start(2).answer", "ndarray array([-1, -1], dtype=int32)"),
        ("return np.eye(2)", "ndarray array([[1., 0.], [0., 1.]])"),
        ("return ['7']", "list ['7']"),
    ],
)
def test_what_is_no_answer_is_refused(
    tmp_path: Path, problem: StoredProblem, solve: str, shown: str
) -> None:
    message = broken(tmp_path, problem, solve)
    assert message.startswith(f"DIR/policy.py: solve returned {shown}; return an answer's text")
    assert message.endswith("(problem p, repeat 2)")


def test_a_class_that_no_answer_has_is_refused(tmp_path: Path, problem: StoredProblem) -> None:
    for kind in (3, 99, -2):
        message = broken(tmp_path, problem, f"return np.int32({kind})")
        assert (
            f"solve returned class {kind}, which no answer of the problem has (problem p, repeat 2)"
            in message
        )


@pytest.mark.parametrize(
    "before",
    [
        "",
        "sampler.start(2)",
        "sampler.decode(sampler.start(2), tokens=9)",  # the probe at 5 has not been asked for
        "sampler.decode(sampler.start(1), tokens=4)\nsampler.probe(sampler.traces)",
    ],
)
def test_a_class_that_no_trace_has_shown_is_refused(tmp_path: Path, before: str) -> None:
    """Classes are numbered as they come in the pool, so the first is often the right one."""
    problem = write_problem(tmp_path, [T(10, "7", {5: "7"})] * 5)
    message = broken(tmp_path, problem, f"{before}\nreturn np.int32(0)")
    assert "solve returned class 0, which it has not seen" in message


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        ("sampler.decode(sampler.start(1))", 0),
        ("sampler.decode(sampler.start(1), tokens=6)\nsampler.probe(sampler.traces)", 1),
        (
            "sampler.decode(sampler.start(1), tokens=4)\nsampler.probe(sampler.traces)\n"
            "sampler.decode(sampler.traces, tokens=5)\nsampler.probe(sampler.traces)",
            2,
        ),
    ],
)
def test_a_class_that_a_trace_or_a_probe_has_shown_is_an_answer(
    tmp_path: Path, shown: str, kind: int
) -> None:
    problem = write_problem(tmp_path, [T(10, "7", {3: "2", 5: "1", 8: "3"})] * 3)
    known = [problem.class_texts.index(text) for text in ("7", "1", "2")]
    loaded = write_policy(tmp_path, f"{shown}\nreturn np.int32({known[kind]})")
    assert run(loaded, problem, 3).answers["answer_class"].to_pylist() == [known[kind]] * 6


def test_a_damaged_pool_is_not_blamed_on_the_policy(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, TRACES)
    (tmp_path / "test/model/tiny/probes.parquet").write_bytes(b"not Parquet")
    with pytest.raises(UserError, match=r"probes\.parquet: cannot be read") as told:
        run("sac", problem)
    assert not isinstance(told.value, PolicyError)


def test_a_policy_that_forgot_what_it_needs_is_told(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(3, "1"), T(4, "1")])
    loaded = write_policy(tmp_path, "return majority_vote(sampler.probe(sampler.start(2)))")
    with pytest.raises(PolicyError, match=r'has no probes.*requires = \{"probes"\}'):
        run(loaded, problem, 2)


# Grades


def grade(problem: StoredProblem, answer: Any) -> GradedAnswer:
    return Grader(problem, "policy.py").grade(answer)


def class_of(problem: StoredProblem, text: str) -> int:
    return problem.class_texts.index(text)


@pytest.mark.parametrize(("text", "right"), [("1", True), ("7", False), ("3", False)])
def test_a_class_has_the_text_and_verdict_of_its_traces(
    problem: StoredProblem, text: str, right: bool
) -> None:
    kind = class_of(problem, text)
    assert grade(problem, np.int32(kind)) == GradedAnswer(text, kind, right)
    assert grade(problem, text) == GradedAnswer(text, kind, right)


@pytest.mark.parametrize("answer", [None, np.int32(-1)])
def test_no_answer_is_wrong(problem: StoredProblem, answer: Any) -> None:
    assert grade(problem, answer) == GradedAnswer(None, -1, False)


def test_a_text_that_means_a_class_is_of_that_class(problem: StoredProblem) -> None:
    one, seven = class_of(problem, "1"), class_of(problem, "7")
    assert grade(problem, "2/2") == GradedAnswer("2/2", one, True)
    assert grade(problem, r"\frac{14}{2}") == GradedAnswer(r"\frac{14}{2}", seven, False)


def test_a_text_that_nobody_gave_is_compared_with_the_gold_answer(tmp_path: Path) -> None:
    problem = write_problem(tmp_path, [T(5, "3"), T(6, None)])  # nobody is right
    assert grade(problem, "1") == GradedAnswer("1", -1, True)
    assert grade(problem, "1.0") == GradedAnswer("1.0", -1, True)
    assert grade(problem, "2") == GradedAnswer("2", -1, False)
    assert grade(problem, "") == GradedAnswer("", -1, False)


def test_texts_of_one_problem_are_graded_one_by_one(problem: StoredProblem) -> None:
    grader = Grader(problem, "policy.py")
    told = [grader.grade(text).correct for text in ("1", "7", "1", "7", "1.0")]
    assert told == [True, False, True, False, True]


ODD_ANSWERS = {
    "async": ("return '1'", "", "async"),
    "unprintable": (
        "return Odd()",
        "class Odd:\n    def __repr__(self): raise ValueError",
        "not printable",
    ),
    "surrogate": ("return '\\ud800'", "", "lone surrogate"),
    "exits": ("raise GeneratorExit", "", "GeneratorExit"),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_odd_answers_and_exits_are_one_line(
    tmp_path: Path, problem: StoredProblem, name: str
) -> None:
    solve, before, said = ODD_ANSWERS[name]
    loaded = write_policy(tmp_path, solve, before)
    if name == "async":
        file = tmp_path / "policy.py"
        file.write_text(file.read_text().replace("def solve", "async def solve"))
        loaded = load_policy(str(file))
    with pytest.raises(PolicyError, match=said) as raised:
        run(loaded, problem)
    assert "\n" not in str(raised.value)


def test_a_text_of_a_kind_of_its_own_is_a_text(tmp_path: Path, problem: StoredProblem) -> None:
    before = "class Own(str):\n    __hash__ = str.__hash__\n    __eq__ = None"
    answers = run(write_policy(tmp_path, "return Own('7')", before), problem).answers
    assert set(answers["answer"].to_pylist()) == {"7"}


@pytest.mark.parametrize(
    "call",
    ["start(1)", "decode(traces)", "stop(traces)", "probe(traces)", "decode(traces, tokens=5)"],
)
def test_a_sampler_that_was_kept_is_closed_once_its_problem_is_answered(
    tmp_path: Path, problem: StoredProblem, call: str
) -> None:
    # Else a later repeat could decode an earlier one's traces, and nobody would count the tokens.
    solve = (
        "traces = sampler.start(1)\nsampler.decode(traces, tokens=5)\n"
        "kept.append((sampler, traces))\n"
        f"if kept[1:]: kept[0][0].{call.replace('traces', 'kept[0][1]')}"
    )
    with pytest.raises(PolicyError, match=r"has been answered.*repeat 1"):
        run(write_policy(tmp_path, solve, before="kept = []"), problem)


def test_what_a_policy_keeps_on_itself_ends_with_the_problem(
    tmp_path: Path, problem: StoredProblem
) -> None:
    solve = "self.seen = getattr(self, 'seen', 0) + 1\nreturn str(self.seen)"
    answers = run(write_policy(tmp_path, solve), problem).answers
    assert answers["answer"].to_pylist() == ["1"] * 6
