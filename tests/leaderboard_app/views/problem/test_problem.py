"""A replay and its pictures, on traces worked out by hand.

In `recorded/…` trace i of problem p has 20 (p + 1) + 10 i tokens and is right unless i mod 4 is
less than p mod 4. So on p3 short-3@8 ends with the third shortest trace, at 100 tokens: traces 0, 1
and 2 finish, all of them wrong, and the five others are cut there.
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pools import T, write_pool
from shown_folders import folders_in, write_local_run

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library, load
from leaderboard_app.shown.palette import GOOD, NONE
from leaderboard_app.shown.table import as_csv
from leaderboard_app.views.problem import picture as pictures
from leaderboard_app.views.problem import problem as problems
from leaderboard_app.views.problem import replay as replays
from leaderboard_app.views.problem import signals
from leaderboard_app.views.problem import votes as voted
from leaderboard_app.views.problem.kinds import OTHER, WRONG, shortened
from leaderboard_app.views.problem.replay import Replay
from simulator.errors import UserError
from simulator.signals import NO_ANSWER

POOL = "recorded/model-a/bench-1"
CUT = "cut when enough others had finished"


def read(library: Library, entry: str, problem: str, repeat: int = 0, pool: str = POOL) -> Replay:
    found = library.by_id[entry]
    result = replays.find_result(found, pool)
    assert result is not None
    return replays.read_replay(library, found, result, problem, repeat)


def by_trace(replay: Replay, values: Any) -> dict[int, Any]:
    return dict(zip(replay.trace_id.tolist(), values, strict=True))


@pytest.fixture(scope="session")
def short(full_library: Library) -> Replay:
    return read(full_library, "runs/short-3-8", "p3")


def test_a_replay_is_its_decisions_joined_with_the_pool(short: Replay) -> None:
    assert by_trace(short, short.num_tokens.tolist()) == {
        **{0: 80, 1: 90, 2: 100},
        **dict.fromkeys([3, 4, 5, 6, 7], 100),
    }
    assert {trace for trace, done in by_trace(short, short.finished).items() if done} == {0, 1, 2}
    assert by_trace(short, short.full.tolist()) == {i: 80 + 10 * i for i in range(8)}
    right = {trace for trace, kind in by_trace(short, short.kinds).items() if kind.right}
    assert right == {3, 7}
    assert short.cluster is None


def test_its_figures_and_sentences(short: Replay) -> None:
    tokens, baseline, clock, started = problems.facts(short)
    assert (tokens.value, tokens.change) == ("770", "-16.3% vs cons@8")  # of 80 + 90 + … + 150
    assert (baseline.value, clock.value, started.value) == ("920", "100", "8")
    assert problems.verdict(short) == (
        "It answered '103', which is wrong; the right answer is '1'. cons@8 is wrong."
    )
    odd = replace(short, answer={**short.answer, "answer": "\\frac{1}{2}\n\0" + "w" * 999})
    said = problems.verdict(odd)
    assert said.startswith("It answered '\\frac{1}{2} \ufffdwww")  # LaTeX as it is written
    assert "www…', which is wrong" in said
    assert len(said) < 300
    assert pictures.picture_text(short) == (
        f"8 of 8 traces were started; 3 finished. Not finished: 5 {CUT}. Answers of the started "
        "traces in full: 103 75%, ✓ 1 25%. The policy answered at 100 decode steps."
    )
    place = short.place(7)
    assert place is not None
    assert problems.trace_sentence(short, place) == (
        f"Trace 7, place {place} in start order: 100 of 150 tokens, {CUT}. In full it says '1', "
        "which is right."
    )
    assert short.place(8) is None


def test_bars_can_be_ordered(short: Replay) -> None:
    assert pictures.orders_for(short) == ("start", "length", "answer")
    assert pictures.lanes(short, "start").tolist() == [*range(8)]
    lengths = short.num_tokens[pictures.lanes(short, "length")].tolist()
    assert lengths == [100] * 6 + [90, 80]
    answers = [short.kinds[place].right for place in pictures.lanes(short, "answer")]
    assert answers == [True] * 2 + [False] * 6  # the right one stands first
    longest = pictures.lanes(short, "length")[:6].tolist()
    assert longest == sorted(longest)  # equal ones in order of start


def test_a_bar_says_what_became_of_its_trace(short: Replay) -> None:
    (row,) = [each for each in pictures.bars(short, "length") if each["trace"] == 7]
    assert (row["start"], row["end"], row["full"]) == (0, 100, 150)
    assert (row["answer"], row["right"], row["ending"]) == ("✓ 1", True, CUT)
    assert (row["tokens"], row["length"], row["finished"]) == (100, 150, False)
    assert row["below"] == row["lane"] + 1


def test_the_picture_has_the_right_answer_in_its_colour_and_what_cut_the_others(
    short: Replay,
) -> None:
    drawn = pictures.picture(short, "answer", ghosts=True).to_dict()
    ghosts, bars, strip, cuts, answered, chosen = drawn["layer"]
    scale = bars["encoding"]["color"]["scale"]
    assert (scale["domain"], scale["range"]) == (["✓ 1", "103"], [GOOD, WRONG[0]])
    assert cuts["encoding"]["shape"]["scale"]["domain"] == [CUT]
    assert ghosts["encoding"]["x"]["field"] == "end"
    assert ghosts["encoding"]["x2"]["field"] == "full"
    assert len(drawn["datasets"][strip["data"]["name"]]) == 2  # traces 3 and 7
    assert chosen["data"] == {"name": pictures.FRAME}
    assert answered["data"]["values"] == [{"answered": 100}]
    # The clock reaches to the longest of the ghosts, with room for the strip before it.
    assert bars["encoding"]["x"]["scale"]["domain"] == [-3.0, 150.0]
    assert len(pictures.picture(short, "answer", ghosts=False).to_dict()["layer"]) == 5


@pytest.mark.parametrize("by", ["start", "length", "answer"])
def test_the_frame_is_around_the_bar_of_the_chosen_trace(short: Replay, by: str) -> None:
    place = short.place(7)
    drawn = pictures.picture(short, by, ghosts=False).to_dict()
    (rows,) = (each for each in drawn["datasets"].values() if "trace" in each[0])
    (bar,) = (row for row in rows if row["trace"] == 7)
    (found,) = pictures.frame(short, by, place).to_pylist()
    assert found == {name: bar[name] for name in ("start", "end", "top", "under")}
    assert found["under"] - found["top"] == pytest.approx(0.86)  # with room between bars
    assert pictures.frame(short, by, None).num_rows == 0


@pytest.mark.parametrize(("bars", "height"), [(1, 120), (8, 144), (50, 900), (512, 900)])
def test_the_picture_grows_with_its_bars_up_to_a_cap(bars: int, height: int) -> None:
    assert pictures.height_of(bars) == height


def test_votes_of_the_finished_stand_beside_those_of_all(short: Replay) -> None:
    assert [(kind.label, *counts) for kind, *counts in voted.votes(short)] == [
        ("✓ 1", 0, 2),
        ("103", 3, 6),
    ]
    assert voted.votes_text(short) == (
        "Finished traces by answer, and how many of all 8 give it: ✓ 1: 0 of 2; 103: 3 of 6."
    )
    assert len(voted.votes_chart(short).to_dict()["datasets"].popitem()[1]) == 4


def test_the_table_of_traces_has_them_all(short: Replay) -> None:
    lines = as_csv(problems.trace_table(short)).splitlines()
    assert lines[0] == "trace,order,tokens,length,started,ended,end,answer"
    place = short.place(7)
    assert lines[1 + (place or 0)] == f"7,{place},100,150,0.0,100.0,first,1"


def test_neighbours() -> None:
    assert problems.neighbours(("a", "b", "c"), "b") == ("a", "c")
    assert problems.neighbours(("a", "b", "c"), "a") == (None, "b")
    assert problems.neighbours(("a", "b", "c"), "c") == ("b", None)
    assert problems.neighbours(("a",), "x") == (None, None)


def test_text_is_cut_where_the_trace_was(short: Replay) -> None:
    text = problems.trace_text(short, short.place(7) or 0)
    assert text is not None
    assert text.generated == "".join(f"w{number} " for number in range(100))
    assert text.rest == "".join(f"w{number} " for number in range(100, 150))
    assert text.exact


def test_long_texts_are_shown_by_their_ends() -> None:
    assert problems.head_and_tail("abcdefgh", 4) == ("abcdefgh", 0, "")
    assert problems.head_and_tail("abcdefghi", 4) == ("abcd", 1, "fghi")
    html = problems.text_html(problems.TraceText("abcdefghi", "", True), 4)
    assert "abcd</span>" in html
    assert "… 1 characters …" in html
    assert "abcdefghi" in problems.text_html(problems.TraceText("abcdefghi", "", True), None)


@given(st.text(), st.text(), st.none() | st.integers(1, 5))
def test_no_text_of_a_trace_becomes_markup(before: str, after: str, most: int | None) -> None:
    html = problems.text_html(problems.TraceText(before, after, True), most)
    known = problems.text_html(problems.TraceText("", "", True), most)
    parts = ("<span>", '<span style="opacity:.5">', "</span>", "<em>", "</em>", "</div>")
    for part in (known.partition(">")[0] + ">", '<hr style="margin:.4rem 0">', *parts):
        html = html.replace(part, "")
    assert "<" not in html
    assert ">" not in html


def test_probes_of_a_trace_are_told_up_to_and_after_the_cut(short: Replay) -> None:
    table = problems.probe_table(short, short.place(7) or 0)
    assert table is not None
    rows = [(row[0].value, row[1].text, row[2].text) for row in table.rows]
    assert len(rows) == 15
    assert rows[6] == (70, "", "yes")  # it knows its answer from half of 150 on
    assert rows[7] == (80, "✓ 1", "yes")
    assert rows[10] == (110, "✓ 1", "after the cut")


def test_probes_are_told_with_how_certain_they_are(tmp_path: Path) -> None:
    folders = folders_in(tmp_path)
    certainty: dict[str, list[float | None]]
    certainty = {"probe_mean": [0.87654, None], "probe_entropy": [0.0, 2.5]}
    pool = write_pool(folders.cache, {"p": [T(25, "1", {10: "1", 20: None}, certainty=certainty)]})
    write_local_run(folders, "cons", "cons@1", [pool], repeats=1)
    table = problems.probe_table(read(load(folders), "runs/cons", "p", 0, pool.name), 0)
    assert table is not None
    names = ["tokens", "answer", "probe_mean", "probe_entropy", "reached"]
    assert [column.key for column in table.columns] == names
    shown = [[(cell.text, cell.value) for cell in row[2:4]] for row in table.rows]
    assert shown == [[("0.877", pytest.approx(0.87654)), ("0", 0.0)], [("", None), ("2.5", 2.5)]]


def test_a_repeat_that_is_not_there_is_an_error_in_one_line(full_library: Library) -> None:
    with pytest.raises(UserError, match="has no repeat 7 of problem p3") as error:
        read(full_library, "runs/short-3-8", "p3", 7)
    assert "\n" not in str(error.value)


def tampered(full: Folders, folder: Path, column: str, value: float) -> Library:
    """Copy the run of ESC, with one column of its decisions set to one value."""
    folders = Folders(full.cache, folder / "runs", folder / "none")
    shutil.copytree(full.runs / "esc", folders.runs / "esc")
    library = load(folders)  # a run that is altered before is broken
    file = folders.runs / "esc" / "decisions.parquet"
    table = pq.read_table(file)
    field = table.schema.field(column)
    changed = pa.array([value] * len(table), type=field.type)
    pq.write_table(table.set_column(table.column_names.index(column), field, changed), file)
    return library


@pytest.mark.parametrize(
    ("column", "value"), [("num_tokens", -5), ("ended", float("nan")), ("started", float("inf"))]
)
def test_decisions_that_cannot_be_are_refused(
    full: Folders, tmp_path: Path, column: str, value: float
) -> None:
    library = tampered(full, tmp_path, column, value)
    with pytest.raises(UserError, match="invalid decisions"):
        read(library, "runs/esc", "p3")


@pytest.mark.parametrize(("column", "value"), [("num_tokens", 10_000), ("trace_id", 4_000)])
def test_decisions_on_other_traces_are_not_mixed_with_the_pool(
    full: Folders, tmp_path: Path, column: str, value: int
) -> None:
    replay = read(tampered(full, tmp_path, column, value), "runs/esc", "p3")
    assert "not those that its seed draws" in replay.why
    assert replay.stored is None
    assert {kind.label for kind in replay.kinds} == {replays.UNKNOWN}
    assert pictures.orders_for(replay) == ("start", "length")
    drawn = pictures.picture(replay, "answer", ghosts=True).to_dict()  # as if by start
    assert drawn["layer"][0]["encoding"]["color"]["scale"]["domain"] == [replays.UNKNOWN]
    assert replay.why in pictures.picture_text(replay)


def test_a_cluster_with_a_huge_number_is_the_first(full: Folders, tmp_path: Path) -> None:
    replay = read(tampered(full, tmp_path, "cluster", 2**31 - 1), "runs/esc", "p3")
    assert replay.cluster is not None
    assert set(replay.cluster.tolist()) == {0}
    assert "1 cluster, the largest of" in pictures.picture_text(replay)


def test_commands_for_a_pool_that_is_not_here(full_library: Library) -> None:
    generated = full_library.by_id["2026-11-22-sac"].results["generated/qwen3-32b/aime25"]
    (command,) = replays.commands_for(full_library, generated)
    assert command == "deepprune-sim data sample --size small --cell qwen3-32b/aime25 --replace"
    result = full_library.by_id["runs/esc"].results[POOL]
    named = replace(result, pool="scout/Qwen3-8B/aime25")
    assert replays.commands_for(full_library, named) == ("deepprune-sim data pull scout",)
    assert replays.commands_for(full_library, replace(result, pool="scout/m/b")) == (
        "deepprune-sim data pull scout",
        "deepprune-sim data pull scout-hub",
    )
    unknown = replays.commands_for(full_library, replace(result, pool="x;rm -rf/m/b"))
    assert all("rm" not in shlex.split(each) for each in unknown)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """Ten wrong classes, one vote each but for the first two; the right one has one vote."""
    folders = folders_in(tmp_path_factory.mktemp("many"))
    answers = ["a", "a", "b", "b", "1", "c", "d", "e", "f", "g", "x" * 60, None]
    pool = write_pool(folders.cache, {"p": [T(10, answer) for answer in answers]})
    write_local_run(folders, "cons", "cons@12", [pool], repeats=1)
    return load(folders)


def test_six_answers_have_colours_and_the_rest_share_one(many: Library) -> None:
    replay = read(many, "runs/cons", "p", pool="test/model/tiny")
    assert replay.stored is not None
    kinds, _ = replay.stored.kinds
    labels = [kind.label for kind in kinds]
    assert labels[0] == "✓ 1"
    assert set(labels[1:3]) == {"a", "b"}
    assert labels[-2:] == ["other answers", "no answer"]
    assert [kind.colour for kind in kinds] == [GOOD, *WRONG, OTHER, NONE]
    assert len({kind.colour for kind in kinds}) == 8


def test_the_entrys_own_answer_is_never_among_the_others(many: Library) -> None:
    replay = read(many, "runs/cons", "p", pool="test/model/tiny")
    assert replay.stored is not None
    texts = replay.stored.problem.class_texts
    for given_answer in range(len(texts)):
        kind = replace(replay.stored, given=given_answer).kind(given_answer)
        assert "other" not in kind.label
        assert kind.label.removeprefix("✓ ") == shortened(texts[given_answer])
    assert replay.stored.kind(NO_ANSWER).label == "no answer"


def test_answers_that_are_formulas_are_named_on_a_line_unless_two_would_have_one_name(
    tmp_path: Path,
) -> None:
    folders = folders_in(tmp_path)
    answers = [r"\frac{\sqrt{3}}{2}", r"\text{Ada}", "(Ada)", r"\begin{pmatrix}1\\2\end{pmatrix}"]
    answers += [r"\text{Bob and Eve}", "Bob and Eve "]
    pool = write_pool(folders.cache, {"p": [T(10, answer) for answer in answers]})
    write_local_run(folders, "cons", "cons@6", [pool], repeats=1)
    stored = read(load(folders), "runs/cons", "p", pool="test/model/tiny").stored
    assert stored is not None
    texts = dict(zip(stored.problem.class_texts, stored.texts, strict=True))
    assert texts[r"\frac{\sqrt{3}}{2}"] == "√3/2"
    assert texts[answers[3]] == answers[3]
    labels = [kind.label for kind in stored.kinds[0]]
    assert "√3/2" in labels
    assert len({*labels}) == len(labels)
    assert len({*stored.texts}) == len(stored.texts)


CONFIDENCES = {
    0: [4, 4, 4, 4],
    1: [6, 6, 2, 2],
    2: [8, 8, 8, 8],
    3: [5, 5, 1, 1],
    4: [9, 3, 3, 9],
    5: [7, 7, 7, 7],
    6: [7, 5, 5, 7],
    7: [2, 8, 8, 8],
}
LOWEST = {0: 4.0, 1: 2.0, 2: 8.0, 3: 1.0, 4: 3.0, 5: 7.0, 6: 5.0, 7: 5.0}
"""Of groups of two tokens."""


@pytest.fixture(scope="module")
def confident(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folders = folders_in(tmp_path_factory.mktemp("confident"))
    traces = [T(4, "1", confidence=list(map(float, each))) for each in CONFIDENCES.values()]
    pool = write_pool(folders.cache, {"p": traces})
    settings = {"window": "2", "warm_up": "2", "keep": "50"}
    write_local_run(folders, "deepconf", "deepconf-low", [pool], settings, repeats=8)
    write_local_run(folders, "other", "cons@8", [pool], repeats=1)
    return load(folders)


@pytest.mark.parametrize("repeat", range(8))
def test_the_threshold_is_that_by_which_traces_were_cut(confident: Library, repeat: int) -> None:
    replay = read(confident, "runs/deepconf", "p", repeat, "test/model/tiny")
    first, second, *later = replay.trace_id.tolist()
    line = signals.threshold(replay)
    assert line is not None
    # Half of the warm-up is kept: the 50th percentile of two numbers is their mean.
    assert line.value == (LOWEST[first] + LOWEST[second]) / 2
    assert (line.window, line.warm_up) == (2, 2)
    for place, trace in enumerate(later, start=2):
        means = [sum(CONFIDENCES[trace][at - 2 : at]) / 2 for at in (2, 3, 4)]
        falls = [at for at, mean in zip((2, 3, 4), means, strict=True) if mean < line.value]
        assert signals.fell_below(replay, place, line) == (falls[0] if falls else None)
        assert replay.num_tokens[place] == (falls[0] if falls else 4)


def test_curves_and_lowest_confidence_are_of_groups_of_the_window(confident: Library) -> None:
    replay = read(confident, "runs/deepconf", "p", 0, "test/model/tiny")
    place = replay.place(4)
    assert place is not None
    tokens, values = signals.curve(replay, place, 2)
    assert tokens.tolist() == [2, 3, 4]
    assert values.tolist() == [6, 3, 6]
    whole = read(confident, "runs/other", "p", 0, "test/model/tiny")
    assert by_trace(whole, signals.lowest_by_place(whole, 2).values()) == LOWEST
    assert signals.threshold(whole) is None  # it is no DeepConf
    line = signals.threshold(replay)
    chart = signals.confidence_chart(replay, 2, line)
    assert chart is not None
    drawn = chart.to_dict()
    assert drawn["layer"][0]["encoding"]["y"]["title"] == "Group confidence, 2 tokens"
    named = {layer["data"].get("name") for layer in drawn["layer"]}
    assert named >= {*signals.chosen_tables(replay, 2, line, place)}
    assert signals.confidence_chart(replay, 5, None) is None  # no trace is as long


def test_of_a_chosen_trace_the_whole_curve_is_drawn_and_where_it_fell(confident: Library) -> None:
    replay = read(confident, "runs/deepconf", "p", 0, "test/model/tiny")
    line = signals.threshold(replay)
    assert line is not None
    for place, trace in enumerate(replay.trace_id.tolist()):
        means = [sum(CONFIDENCES[trace][at - 2 : at]) / 2 for at in (2, 3, 4)]
        tables = signals.chosen_tables(replay, 2, line, place)
        assert tables[signals.CURVE].to_pylist() == [
            {
                "trace": trace,
                "tokens": at,
                "confidence": mean,
                "after": at > replay.num_tokens[place],
            }
            for at, mean in zip((2, 3, 4), means, strict=True)
        ]
        below = [at for at, mean in zip((2, 3, 4), means, strict=True) if mean < line.value]
        falls = [{"trace": trace, "tokens": below[0], "confidence": line.value}] if below else []
        assert tables[signals.FALL].to_pylist() == ([] if place < line.warm_up else falls)
    nothing = signals.chosen_tables(replay, 2, line, None)
    assert {name: table.num_rows for name, table in nothing.items()} == {
        signals.CURVE: 0,
        signals.FALL: 0,
    }
    assert [*signals.chosen_tables(replay, 2, None, 0)] == [signals.CURVE]


@given(st.lists(st.floats(0, 20), min_size=1, max_size=300), st.integers(1, 50))
def test_a_thinned_curve_keeps_its_ends_and_its_lowest_point(
    values: list[float], most: int
) -> None:
    array = np.array(values)
    kept = signals.lowest_of_stretches(array, most)
    assert len(kept) <= most + 2
    assert kept.tolist() == sorted(set(kept.tolist()))
    assert {0, len(values) - 1} <= set(kept.tolist())
    assert array[kept].min() == array.min()


def test_clusters_have_lanes_of_their_own_and_a_representative(full_library: Library) -> None:
    plain = read(full_library, "runs/cons-8", "p0")
    replay = replace(plain, cluster=np.array([1, 0, 1, -1, 0, 1, -1, 0]))
    assert pictures.orders_for(replay)[-1] == "cluster"
    assert pictures.lanes(replay, "cluster").tolist() == [1, 4, 7, 0, 2, 5, 3, 6]
    assert pictures.representatives(replay) == {0, 1}
    axis = pictures.picture(replay, "cluster", ghosts=False).to_dict()["layer"][0]["encoding"]["y"]
    assert axis["axis"]["values"] == [1.5, 4.5, 7]
    assert axis["axis"]["labelExpr"] == (
        '{"1.5": "cluster 0 · 3", "4.5": "cluster 1 · 3", "7": "no cluster · 2"}'
        "[toString(datum.value)]"
    )
    assert "2 clusters, the largest of 3 traces." in pictures.picture_text(replay)


def test_traces_that_were_never_decoded_are_counted_but_have_no_bar(short: Replay) -> None:
    unused = replace(
        short,
        num_tokens=np.array([*short.num_tokens[:-1], 0]),
        finished=np.array([*short.finished[:-1], False]),
        reason=(*short.reason[:-1], "unused"),
    )
    assert len(pictures.bars(unused, "start")) == 7
    assert "1 were never decoded and have no bar." in pictures.picture_text(unused)


def test_shares_are_never_rounded_to_none() -> None:
    assert [pictures.share_text(each) for each in (0, 0.001, 0.126, 1)] == [
        "0%",
        "<1%",
        "13%",
        "100%",
    ]
