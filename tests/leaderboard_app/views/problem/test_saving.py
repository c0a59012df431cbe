"""Sentences about why a replay saved tokens, on traces worked out by hand."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from pools import T, write_pool
from shown_folders import folders_in, write_local_run

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from leaderboard_app.views.problem import replay as replays
from leaderboard_app.views.problem.replay import Replay
from leaderboard_app.views.problem.saving import cuts, never_run, saving_text

POOL = "recorded/model-a/bench-1"


def read(library: Library, entry: str, problem: str, repeat: int = 0, pool: str = POOL) -> Replay:
    found = library.by_id[entry]
    result = replays.find_result(found, pool)
    assert result is not None
    return replays.read_replay(library, found, result, problem, repeat)


def replayed(
    folder: Path, traces: Sequence[T], policy: str, settings: Mapping[str, str] | None = None
) -> Replay:
    folders = folders_in(folder)
    pool = write_pool(folders.cache, {"p": traces})
    write_local_run(folders, "run", policy, [pool], dict(settings or {}), repeats=1)
    return read(load(folders), "runs/run", "p", pool=pool.name)


def test_traces_that_were_cut_by_the_end_of_others(full_library: Library) -> None:
    # On p3 trace i has 80 + 10 i tokens; at 100 the third of them is done, all others lose
    # 10 + 20 + 30 + 40 + 50 tokens. Those done answer 103.
    short = read(full_library, "runs/short-3-8", "p3")
    assert saving_text(short) == (
        "It generated 770 of the 920 tokens of cons@8, 16.3% fewer. 5 of the 8 traces that ran "
        "were cut when enough others had finished, at clock 100, which spared 150 tokens. When it "
        "answered, 3 traces had finished: 3 said 103."
    )
    (cut,) = cuts(short)
    assert (len(cut.places), cut.spared, cut.first, cut.last) == (5, 150, 100, 100)


def test_traces_that_never_ran(tmp_path: Path) -> None:
    replay = replayed(tmp_path, [T(10, "1")] * 8, "esc", {"window": "2"})
    assert never_run(replay) == (6, 60)
    assert saving_text(replay) == (
        "It generated 20 of the 80 tokens of cons@8, 75.0% fewer. 6 of the 8 traces were never "
        "run, which spared 60 tokens. When it answered, 2 traces had finished: 2 said 1."
    )


def test_traces_that_stopped_when_their_probes_agreed(tmp_path: Path) -> None:
    probes = dict.fromkeys(range(10, 101, 10), "1")
    late: dict[int, str | None] = {**dict.fromkeys(range(10, 91, 10), None), 100: "2"}
    traces = [*[T(100, "1", probes)] * 7, T(100, "2", late)]
    replay = replayed(tmp_path, traces, "sac", {"in_a_row": "3"})
    assert set(replay.reason) == {"ProbesAgree(3)", "finished"}
    # After 30 tokens and three probes of 20 tokens each.
    text = saving_text(replay)
    assert (
        "7 of the 8 traces that ran were ended by a stop rule, each after its last 3 probes "
        "agreed (7 on 1), at clock 90, which spared 490 tokens." in text
    )
    assert text.endswith("When it answered, 1 trace had finished: 1 said 2.")


def test_a_replay_that_saved_nothing_says_so(full_library: Library) -> None:
    whole = read(full_library, "runs/cons-8", "p0")
    assert saving_text(whole) == (
        "It saved no tokens: it generated as many as cons@8, 440."  # 20 + 30 + … + 90
    )


def test_traces_stopped_at_the_end_are_those_still_running(full_library: Library) -> None:
    whole = read(full_library, "runs/cons-8", "p0")
    longest = whole.place(7)
    assert longest is not None
    tokens, ended = whole.num_tokens.copy(), whole.ended.copy()
    tokens[longest], ended[longest] = 80, 80.0
    cut = replace(
        whole,
        finished=whole.trace_id != 7,
        num_tokens=tokens,
        ended=ended,
        reason=tuple("stopped" if each == 7 else "finished" for each in whole.trace_id),
        answer={**whole.answer, "clock": 80.0, "tokens": 430},
    )
    assert (
        "1 of the 8 traces that ran was still running when the method answered at clock 80, which "
        "spared 10 tokens." in saving_text(cut)
    )
    earlier = replace(cut, answer={**cut.answer, "clock": 90.0})
    assert "was stopped by the policy, at clock 80, which spared 10 tokens." in saving_text(earlier)


def test_figures_that_do_not_add_up_are_left_out(full_library: Library) -> None:
    short = read(full_library, "runs/short-3-8", "p3")
    charged = replace(short, answer={**short.answer, "tokens": 700})
    assert "spared" not in saving_text(charged)
    assert "5 of the 8 traces that ran were cut" in saving_text(charged)


@pytest.mark.parametrize("entry", ["runs/short-3-8", "runs/esc", "runs/sac", "runs/asc-0.9"])
@pytest.mark.parametrize("problem", [f"p{number}" for number in range(6)])
def test_spared_tokens_are_the_difference_to_the_baseline(
    full_library: Library, entry: str, problem: str
) -> None:
    for repeat in (0, 1):
        replay = read(full_library, entry, problem, repeat)
        spared = sum(each.spared or 0 for each in cuts(replay)) + (never_run(replay)[1] or 0)
        assert spared == replay.answer["baseline_tokens"] - replay.answer["tokens"]
        assert sum(len(each.places) for each in cuts(replay)) == int(
            np.sum(replay.decoded & ~replay.finished)
        )


def test_without_the_pool_only_counts_are_told(full_library: Library) -> None:
    short = read(full_library, "runs/short-3-8", "p3")
    assert saving_text(replace(short, stored=None)) == (
        "It generated 770 of the 920 tokens of cons@8, 16.3% fewer. 5 of the 8 traces that ran "
        "were cut when enough others had finished, at clock 100."
    )


def in_words(text: str) -> tuple[int, int]:
    """Return the number of traces that had finished, and the sum of those by answer."""
    if "No trace had finished" in text:
        return 0, 0
    found = re.search(r"When it answered, ([\d,]+) traces? had finished: (.*)\.$", text)
    assert found is not None, text
    counts = re.findall(r"([\d,]+) (?:said|something else|gave no answer)", found[2])
    return int(found[1].replace(",", "")), sum(int(each.replace(",", "")) for each in counts)


@pytest.fixture(scope="module")
def many_answers(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    answers = ["a", "a", "a", "b", "b", "c", "d", None, None, None]
    traces = [T(100 + number, answer) for number, answer in enumerate(answers)]
    whole = replayed(tmp_path_factory.mktemp("many"), traces, "cons@10")
    return replace(whole, answer={**whole.answer, "tokens": whole.answer["tokens"] - 1})


def test_counts_of_answers_add_up(many_answers: Replay) -> None:
    for finished in itertools.product((False, True), repeat=10):
        text = saving_text(replace(many_answers, finished=np.array(finished)))
        assert in_words(text) == (sum(finished), sum(finished))


def test_finished_traces_without_an_answer_are_counted(many_answers: Replay) -> None:
    assert saving_text(many_answers).endswith(
        "10 traces had finished: 3 said a, 2 said b, 2 something else, 3 gave no answer."
    )
    none = np.array([each == -1 for each in many_answers.stored.answers])  # type: ignore[union-attr]
    assert saving_text(replace(many_answers, finished=none)).endswith(
        "3 traces had finished: 3 gave no answer."
    )


def test_counts_of_answers_add_up_on_the_shipped_pool() -> None:
    library = load(Folders(ROOT / "datasets_cache", ROOT / "none", ROOT / "submissions"))
    told = 0
    for name in ("2026-11-30-parallel-probe", "2026-11-30-esc"):
        entry = library.by_id[name]
        result = next(iter(entry.results.values()))
        for problem in replays.problems_of(library, entry, result):
            replay = replays.read_replay(library, entry, result, problem, 0)
            if replay.answer["tokens"] < replay.answer["baseline_tokens"]:
                finished = int(replay.finished.sum())
                assert in_words(saving_text(replay)) == (finished, finished)
                told += finished > 0
    assert told > 10


def test_traces_whose_last_probes_gave_no_answer_are_counted(tmp_path: Path) -> None:
    traces = [
        *[T(100, "1", {10: None, 20: "1", 30: "1", 40: "1"})] * 3,
        *[T(100, "2", {10: None, 20: None, 30: None, 40: None})] * 2,
        *[T(200, "3")] * 3,
    ]
    whole = replayed(tmp_path, traces, "sac", {"in_a_row": "3"})
    count = len(whole.trace_id)

    def stopped(tokens: int) -> str:
        return saving_text(
            replace(
                whole,
                finished=np.zeros(count, bool),
                num_tokens=np.full(count, tokens),
                ended=np.full(count, float(tokens)),
                reason=("stopped",) * count,
                answer={**whole.answer, "clock": 300.0, "tokens": 8 * tokens},
            )
        )

    assert "(their last probes: 3 on 1, 5 gave no answer)" in stopped(40)
    assert "their last probes" not in stopped(5)
