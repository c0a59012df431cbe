"""The next question, sent with a reply to the one before: it changes nothing that is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pools import T, write_pool

from simulator.errors import PolicyError
from simulator.isolation.host import load
from simulator.isolation.process import IsolatedPolicy
from simulator.isolation.wire import Channel
from simulator.loading import Limits, LoadedPolicy
from simulator.pools.pool import Pool
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    traces = [T(12, "7"), T(25, "1"), T(31, "1"), T(42, None)]
    return write_pool(tmp_path_factory.mktemp("cache"), {"p": traces, "q": traces[::-1]})


def write(folder: Path, solve: str) -> str:
    body = "".join(f"        {line}\n" for line in solve.splitlines())
    file = folder / "mine.py"
    file.write_text(
        "import sys\nimport numpy as np\nfrom simulator import Policy\nclass Mine(Policy):\n"
        f"    fails = ''\n    def solve(self, problem, sampler):\n{body}"
    )
    return str(file)


def answers(loaded: LoadedPolicy, pool: Pool, repeats: range, problem: int = 0) -> list[str]:
    done = replay(
        loaded, pool.problems[problem], budget=4, repeats=repeats, seed=3, serving=Serving()
    )
    return [str(each) for each in done.answers["answer"].to_pylist()]


def process_id(loaded: LoadedPolicy) -> int:
    assert isinstance(loaded.policy, IsolatedPolicy)
    return loaded.policy.process._process.pid


TELLS = """
sampler.start(1)
sampler.clock
return problem.id + str(sampler.rng.integers(1000))
"""
FAILS = """
sampler.start(1)
sampler.clock
print('asked', problem.id, file=sys.stderr)
if problem.id.startswith(self.fails):
    {fails}
return problem.id
"""


def solves_sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Note from now on the name of each message to a policy, and what was sent ahead in it."""
    sent = []
    put = Channel.put

    def noted(channel: Channel, *fields: Any) -> None:
        ahead = fields[2] if len(fields) == 3 and fields[0] == "done" else None
        sent.append((fields[0], ahead[0] if ahead else ""))
        put(channel, *fields)

    monkeypatch.setattr(Channel, "put", noted)
    return sent


def test_a_question_is_sent_with_the_first_reply_to_the_one_before(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(write(tmp_path, "sampler.clock\n" + TELLS))
    expected = answers(load(loaded.file, in_process=True), pool, range(2, 5))
    sent = solves_sent(monkeypatch)
    assert answers(loaded, pool, range(2, 5)) == expected
    assert sent == [
        ("solve", ""),
        *[("done", "solve"), ("done", "")] * 2,
        *[("done", ""), ("done", "")],
    ]


def test_without_a_request_each_question_is_sent_by_itself(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(write(tmp_path, "return problem.id"))
    sent = solves_sent(monkeypatch)
    assert len(set(answers(loaded, pool, range(3)))) == 3
    assert sent == [("solve", "")] * 3


def test_with_requests_in_some_repeats_each_is_asked_its_own(tmp_path: Path, pool: Pool) -> None:
    loaded = load(
        write(tmp_path, "if int(problem.id, 16) % 2:\n    sampler.clock\n" + "return problem.id")
    )
    expected = answers(load(loaded.file, in_process=True), pool, range(12))
    assert answers(loaded, pool, range(12)) == expected
    assert answers(loaded, pool, range(12), problem=1) == expected


def test_a_stranger_is_sent_nothing_ahead(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(write(tmp_path, TELLS), limits=Limits())
    sent = solves_sent(monkeypatch)
    assert len(answers(loaded, pool, range(3))) == 3
    assert sent == [("solve", ""), ("done", "")] * 3


def test_after_an_error_the_next_question_is_not_answered(
    tmp_path: Path, pool: Pool, capfd: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, FAILS.format(fails="raise ValueError('no')"))
    ids = answers(load(file, {"fails": "none"}), pool, range(4))
    capfd.readouterr()
    loaded = load(file, {"fails": ids[1]})
    before = process_id(loaded)
    with pytest.raises(PolicyError, match=r"no .*repeat 1"):
        answers(loaded, pool, range(4))
    assert answers(loaded, pool, range(2, 4)) == ids[2:]
    assert process_id(loaded) == before
    asked = [line for line in capfd.readouterr().err.splitlines() if line.startswith("asked")]
    assert asked == [f"asked {each}" for each in (*ids[:2], *ids[2:])]


def test_after_a_refused_answer_the_process_starts_again(tmp_path: Path, pool: Pool) -> None:
    file = write(tmp_path, FAILS.format(fails="return np.int32(1)"))
    ids = answers(load(file, {"fails": "none"}), pool, range(4))
    loaded = load(file, {"fails": ids[1]})
    before = process_id(loaded)
    with pytest.raises(PolicyError, match=r"which it has not seen.*repeat 1"):
        answers(loaded, pool, range(4))
    assert answers(loaded, pool, range(3, 4)) == ids[3:]
    assert process_id(loaded) != before
