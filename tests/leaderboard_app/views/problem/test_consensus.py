"""Answers of probes over time: their votes, their colours, and the leader that is named."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
import pytest
from checkout import ROOT
from hypothesis import given
from hypothesis import strategies as st
from pools import T, write_pool
from shown_folders import folders_in, write_local_run

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from leaderboard_app.shown.palette import GOOD, NONE
from leaderboard_app.views.problem import consensus as probed
from leaderboard_app.views.problem import picture as pictures
from leaderboard_app.views.problem import replay as replays
from leaderboard_app.views.problem import votes as voted
from leaderboard_app.views.problem.consensus import OUT, UNPROBED
from leaderboard_app.views.problem.kinds import NOT_PROBED, OTHER, OTHERS, WRONG, kinds_of
from leaderboard_app.views.problem.replay import Replay
from simulator.pools.pool import StoredProblem

POOL = "recorded/model-a/bench-1"
TINY = "test/model/tiny"
SCHOOL = "shipped/Qwen2.5-Coder-0.5B-Instruct-Q4_K_M/school-math"


def read(library: Library, entry: str, problem: str, repeat: int = 0, pool: str = TINY) -> Replay:
    found = library.by_id[entry]
    result = replays.find_result(found, pool)
    assert result is not None
    return replays.read_replay(library, found, result, problem, repeat)


def replayed(folder: Path, traces: Sequence[T]) -> Replay:
    """Replay cons over one problem with these traces, whose right answer is 1."""
    folders = folders_in(folder)
    pool = write_pool(folders.cache, {"p": traces})
    write_local_run(folders, "cons", f"cons@{len(traces)}", [pool], repeats=1)
    return read(load(folders), "runs/cons", "p")


def probes(*answers: str | None) -> dict[int, str | None]:
    """Probes after every 10 tokens."""
    return {10 * (number + 1): answer for number, answer in enumerate(answers)}


@pytest.fixture(scope="module")
def probes_only(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Four traces that end in 1, 2, 1, 1, whose probes also say 7, 8 and 9."""
    return replayed(
        tmp_path_factory.mktemp("probes"),
        [
            T(40, "1", probes("7", "7", "1", "1")),
            T(40, "2", probes("7", "8", "2", "2")),
            T(40, "1", probes("7", "7", "9", "1")),
            T(40, "1", probes("8", "7", "7", "1")),
        ],
    )


def test_an_answer_that_only_probes_give_is_not_painted_as_the_right_one(
    probes_only: Replay,
) -> None:
    found = probed.consensus(probes_only)
    labels = [kind.label for kind in found.kinds]
    assert labels == ["✓ 1", "2", "7", "8", "9", "no answer", NOT_PROBED]
    assert [kind.right for kind in found.kinds] == [True] + [False] * 6
    assert [kind.colour for kind in found.kinds] == [GOOD, *WRONG[:4], NONE, UNPROBED]
    # The clock ends at 40: moments 30, 60 and 90 are those after 10, 20 and 30 tokens.
    by_label = {
        moment: dict(zip(labels, found.counts[moment].tolist(), strict=True))
        for moment in (29, 30, 60, 90, 120)
    }
    assert by_label[29] == {**dict.fromkeys(labels, 0), NOT_PROBED: 4}
    assert by_label[30] == {**dict.fromkeys(labels, 0), "7": 3, "8": 1}
    assert by_label[60] == {**dict.fromkeys(labels, 0), "7": 3, "8": 1}
    assert by_label[90] == {**dict.fromkeys(labels, 0), "✓ 1": 1, "2": 1, "7": 1, "9": 1}
    assert by_label[120] == {**dict.fromkeys(labels, 0), "✓ 1": 3, "2": 1}
    assert probed.consensus_text(probes_only, found) == (
        "Answers of the last probe of each trace in play, over time; the most common was at a "
        "quarter of the clock 7 with 75%, at half of the clock 7 with 75%, at the end of the clock "
        "✓ 1 with 75%. The policy answered at 40."
    )


def test_an_answer_has_one_colour_in_all_pictures(probes_only: Replay) -> None:
    def colours(encoding: Any) -> dict[str, str]:
        scale = encoding["color"]["scale"]
        return dict(zip(scale["domain"], scale["range"], strict=True))

    found = probed.consensus(probes_only)
    bars = pictures.picture(probes_only, "answer", ghosts=False).to_dict()["layer"][0]
    votes = voted.votes_chart(probes_only).to_dict()
    area = probed.consensus_chart(probes_only, found).to_dict()["layer"][0]
    assert colours(bars["encoding"]) == {"✓ 1": GOOD, "2": WRONG[0]}
    assert colours(votes["encoding"]) == colours(bars["encoding"])
    assert colours(area["encoding"]) == {
        **colours(bars["encoding"]),
        **{"7": WRONG[1], "8": WRONG[2], "9": WRONG[3], NOT_PROBED: UNPROBED},
    }


def test_a_leader_without_a_colour_of_its_own_is_named(tmp_path: Path) -> None:
    replay = replayed(
        tmp_path,
        [
            T(40, "2", probes("rare", "2", "2", "2")),
            T(40, "3", probes("rare", "3", "3", "3")),
            T(40, "4", probes("rare", "4", "4", "4")),
            T(40, "5", probes("5", "5", "5", "5")),
            T(40, "6", probes("6", "6", "6", "6")),
        ],
    )
    found = probed.consensus(replay)
    labels = [kind.label for kind in found.kinds]
    assert "rare" not in labels
    assert found.counts[30][labels.index(OTHERS)] == 3
    text = probed.consensus_text(replay, found)
    assert "at a quarter of the clock rare with 60%" in text
    assert "at half of the clock none: 5 tied with 20% each" in text


def test_two_that_are_tied_are_both_named_and_nobody_leads_without_an_answer(
    tmp_path: Path,
) -> None:
    traces = [
        T(40, "1", probes(None, "1", "1", "1")),
        T(40, "2", probes(None, "2", "1", None)),
        T(40, None, probes(None, None, None, None)),
    ]
    replay = replayed(tmp_path, traces)
    text = probed.consensus_text(replay, probed.consensus(replay))
    assert "at a quarter of the clock none yet" in text
    assert "at half of the clock ✓ 1 and 2 with 33% each" in text


def problem_of(
    texts: Sequence[str], right: Sequence[bool], traces: Sequence[int], asked: Sequence[int]
) -> StoredProblem:
    """Make as much of a stored problem as kinds of answers depend on."""
    info = SimpleNamespace(signals=("probes",), unasked=0)
    return cast(
        StoredProblem,
        SimpleNamespace(
            class_texts=list(texts),
            class_correct=np.array(right, dtype=np.bool_),
            answer_class=np.array(traces, dtype=np.int32),
            probes=SimpleNamespace(answers=np.array(asked, dtype=np.int32)),
            pool=SimpleNamespace(info=info),
        ),
    )


@given(st.data())
def test_every_class_has_a_kind_of_its_own_or_is_among_the_others(data: st.DataObject) -> None:
    texts = data.draw(
        st.lists(
            st.sampled_from(["a", "b", "no answer", "other answers", "x" * 40 + "y", "x" * 41])
            | st.text(max_size=3),
            min_size=1,
            max_size=12,
        )
    )
    size = len(texts)
    right = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    classes = st.lists(st.integers(-1, size - 1), max_size=30)
    given_class = data.draw(st.integers(-1, size - 1))
    problem = problem_of(texts, right, data.draw(classes), data.draw(classes))
    kinds, kind_of = kinds_of(problem, given_class)
    assert len(kind_of) == size + 1
    assert len({kind.label for kind in kinds}) == len(kinds)
    wrong = [kind.colour for kind in kinds if not kind.right]
    assert len(set(wrong)) == len(wrong)
    own = Counter(kind_of.tolist())
    for each in range(size):
        kind = kinds[kind_of[each]]
        assert kind.right == right[each]
        assert (kind.colour == GOOD) == right[each]
        assert kind.colour == OTHER or own[int(kind_of[each])] == 1
        assert kind.label == OTHERS if kind.colour == OTHER else kind.label != OTHERS
    assert kinds[kind_of[given_class]].colour != OTHER
    assert kinds[kind_of[-1]].label == "no answer"


def test_colours_go_to_common_answers_of_traces_and_then_to_common_ones_of_probes() -> None:
    texts = ["1", *"abcdefgh"]
    traces = [0, *[1] * 5, *[2] * 4, *[3] * 3, *[4] * 2, 5]
    asked = [*[6] * 60, *[7] * 30, *[8] * 5, *[1] * 5]
    kinds, kind_of = kinds_of(problem_of(texts, [True] + [False] * 8, traces, asked), -1)
    # Of 16 traces d has 12.5%, e has 6%; of 100 probes f has 60%, g has 30%, h has 5%.
    assert [kind.label for kind in kinds] == ["✓ 1", *"abcfg", OTHERS, "no answer"]
    assert kind_of.tolist() == [0, 1, 2, 3, 6, 6, 4, 5, 6, 7]


@pytest.fixture(scope="module")
def shipped() -> Library:
    return load(Folders(ROOT / "datasets_cache", ROOT / "none", ROOT / "submissions"))


@pytest.mark.parametrize("number", [0, 13, 30])
def test_the_leader_on_the_shipped_pool_is_that_of_its_files(shipped: Library, number: int) -> None:
    """Counted again from Parquet, trace by trace, each at its mean speed."""
    entry = shipped.by_id["2026-11-30-parallel-probe"]
    names = replays.problems_of(shipped, entry, next(iter(entry.results.values())))
    replay = read(shipped, entry.id, names[number], pool=SCHOOL)
    folder, verified = ROOT / "datasets_cache" / SCHOOL, entry.figures

    def rows(file: Path, keep: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        return [each for each in pq.read_table(file).to_pylist() if keep(each)]

    def here(row: dict[str, Any]) -> bool:
        return bool(row["problem_id"] == names[number] and row.get("repeat", 0) == 0)

    texts = {
        row["answer_class"]: ("✓ " if row["correct"] else "") + row["answer"]
        for row in rows(folder / "classes.parquet", here)
    }
    traces = {row["trace_id"]: row for row in rows(folder / "traces.parquet", here)}
    asked = {row["trace_id"]: row for row in rows(folder / "probes.parquet", here)}
    (answer,) = rows(verified / "answers.parquet", here)
    half = answer["clock"] / 2
    votes, playing = Counter[int](), 0
    for row in rows(verified / "decisions.parquet", here):
        done = row["ended"] <= half
        if row["started"] > half or (done and row["stop_reason"] == "stopped"):
            continue
        playing += 1
        if done and row["finished"]:
            votes[traces[row["trace_id"]]["answer_class"]] += 1
            continue
        speed = row["num_tokens"] / (row["ended"] - row["started"])
        tokens = math.floor((half - row["started"]) * speed + 1e-9)
        before = [
            said
            for at, said in zip(
                asked[row["trace_id"]]["position"],
                asked[row["trace_id"]]["answer_class"],
                strict=True,
            )
            if at <= min(tokens, row["num_tokens"])
        ]
        if before:
            votes[before[-1]] += 1
    del votes[-1]
    (best, count), *others = votes.most_common()
    assert not others or others[0][1] < count  # one leader, else nothing is tested
    text = probed.consensus_text(replay, probed.consensus(replay))
    assert f"at half of the clock {texts[best]} with {count / playing:.0%}" in text
    assert (probed.consensus(replay).said[60] != OUT).sum() == playing


def test_on_the_shipped_pool_no_answer_of_probes_alone_is_painted_as_right(
    shipped: Library,
) -> None:
    pool = shipped.pool(SCHOOL)
    assert pool is not None
    alone = total = 0
    for stored in pool.problems:
        problem = stored.fresh()
        kinds, kind_of = kinds_of(problem, -1)
        ends = set(problem.answer_class.tolist())
        for each in problem.probes.answers.tolist():
            total += 1
            alone += each >= 0 and each not in ends
            right = each >= 0 and bool(problem.class_correct[each])
            assert kinds[int(kind_of[each])].right == right
    assert 0.4 < alone / total < 0.5  # so that it is no small matter


def test_probes_of_traces_in_play_are_counted_over_time(full_library: Library) -> None:
    replay = read(full_library, "runs/cons-8", "p0", pool=POOL)  # 20 to 90 tokens, all right
    found = probed.consensus(replay)
    labels = [kind.label for kind in found.kinds]
    assert labels == ["✓ 1", "no answer", NOT_PROBED]
    assert found.clock[-1] == 90
    assert found.counts[0].tolist() == [0, 0, 8]  # nobody was probed yet
    # At 45 the first three have finished; the last probe of the others was at 40, by which all but
    # the longest, of 90 tokens, know their answer.
    assert found.clock[60] == 45
    assert found.counts[60].tolist() == [7, 1, 0]
    assert found.counts[-1].tolist() == [8, 0, 0]
    assert "at half of the clock ✓ 1 with 88%" in probed.consensus_text(replay, found)


def test_pruned_traces_leave_the_consensus_and_converged_ones_stay(full_library: Library) -> None:
    whole = read(full_library, "runs/cons-8", "p0", pool=POOL)
    place = whole.place(7)
    assert place is not None
    for reason, left in (("stopped", 7), ("ProbesAgree(2)", 8)):
        reasons = [reason if each == place else "finished" for each in range(8)]
        cut = replace(
            whole,
            finished=whole.trace_id != 7,
            num_tokens=np.where(whole.trace_id == 7, 50, whole.num_tokens),
            ended=np.where(whole.trace_id == 7, 50.0, whole.ended),
            reason=tuple(reasons),
        )
        assert probed.consensus(cut).counts[-1].sum() == left
