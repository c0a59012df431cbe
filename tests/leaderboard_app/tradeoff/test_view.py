"""The trade-off's points, front, lines and words, against values worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_entries import made_entry, made_library, made_result, made_sums

from leaderboard_app.library.library import Library
from leaderboard_app.shown.table import as_csv
from leaderboard_app.tradeoff import (
    chart as tradeoff_chart,
)
from leaderboard_app.tradeoff import (
    marks,
    words,
)
from leaderboard_app.tradeoff import (
    points as tradeoff_points,
)
from leaderboard_app.tradeoff import view as tradeoff
from leaderboard_app.tradeoff.frame import frame
from leaderboard_app.tradeoff.points import Measured, Point
from simulator.runs.results import Metric
from simulator.submissions.published import PublishedFigure, Source

POOL = "d/Model-X/AIME24"
OTHER = "d/Model-X/AIME25"


def on(pool: str, accuracy: Any, tokens: Any, **fields: Any) -> Any:
    """Make a result with an accuracy and tokens a problem."""
    return made_result(pool, accuracy=accuracy, tokens_per_problem=tokens, **fields)


def ids(points: Iterable[Point]) -> list[str]:
    """Entries' ids, in order."""
    return [point.entry.id for point in points]


@pytest.fixture
def three() -> Library:
    """Cheap and poor, dear and good, and one in the middle that is beaten by the cheap one."""
    base = {"baseline_accuracy": (0.9, 0.8, 1.0), "baseline_tokens_per_problem": 400.0}
    return made_library(
        [
            made_entry("dear", on(POOL, (0.9, 0.8, 1.0), (300.0, 250.0, 350.0), **base)),
            made_entry("cheap", on(POOL, 0.7, 100.0, **base), repeats=5),
            made_entry("beaten", on(POOL, 0.6, 200.0, **base), badge="synthetic"),
            made_entry("oracle", on(POOL, 1.0, 10.0), unranked=True),
            made_entry("back", on(POOL, 1.0, 20.0), badge="withdrawn"),
            made_entry("elsewhere", on(OTHER, 0.1, 5.0)),
        ]
    )


def test_the_front_is_of_entries_that_no_compared_one_beats(three: Library) -> None:
    view = tradeoff.choose(tradeoff_points.measure(three, [POOL], "tokens"))
    assert ids(view.points) == ["oracle", "cheap", "beaten", "dear"]
    assert ids(view.corners) == ["cheap", "dear"]
    assert [view.on_front(point) for point in view.points] == ["not compared", "yes", "no", "yes"]


def test_of_too_many_those_furthest_below_the_front_are_left_out(
    three: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = tradeoff_points.measure(three, [POOL], "tokens")
    whole = tradeoff.choose(measured)
    monkeypatch.setattr(tradeoff, "MOST_DRAWN", 3)
    view = tradeoff.choose(measured)
    assert ids(view.points) == ["oracle", "cheap", "dear"]  # at 200 tokens, 0.6 is 0.1 below 0.7
    assert view.front == whole.front
    left_out = {each.reason: [entry.id for entry in each.entries] for each in view.hidden}
    assert left_out["further below the Pareto front than the 3 drawn"] == ["beaten"]


def test_entries_that_are_not_drawn_are_named_with_the_reason(three: Library) -> None:
    measured = tradeoff_points.measure(three, [POOL], "tokens")
    view = tradeoff.choose(measured, methods=["cheap", "dear", "back"])
    assert {each.reason: [entry.id for entry in each.entries] for each in view.omitted} == {
        "did not run on this pool": ["elsewhere"],
        "hidden by the choice of methods": ["beaten", "oracle"],
        "withdrawn, superseded or broken": ["back"],
    }
    assert words.reasons(view) == (
        "4 entries are not drawn: 1 did not run on this pool; 2 hidden by the choice of methods; "
        "1 withdrawn, superseded or broken"
    )
    drawn = [point.entry.id for point in view.points]
    gone = [entry.id for each in view.omitted for entry in each.entries]
    assert sorted([*drawn, *gone]) == sorted(three.by_id)
    assert words.reasons(tradeoff.choose(measured, ["verified"])).startswith("3 entries")
    assert ids(tradeoff.choose(measured, ["withdrawn"]).points) == ["back"]


def test_where_nothing_is_ranked_everything_but_bounds_is_compared() -> None:
    entries = [
        made_entry("run", on(POOL, 0.7, 100.0), badge="local", basis="answers"),
        made_entry("dear", on(POOL, 0.6, 200.0), badge="self-reported", basis="answers"),
        made_entry("oracle", on(POOL, 1.0, 10.0), badge="local", unranked=True),
    ]
    view = tradeoff.choose(tradeoff_points.measure(made_library(entries), [POOL], "tokens"))
    assert (ids(view.best), ids(view.apart)) == (["run", "dear"], ["oracle"])
    assert view.front == {"run"}
    assert "None of these entries is ranked." in words.key(view, log=True)
    assert words.counts(view) == "2 entries compared, 1 drawn beside them."


def test_badges_choose_entries_and_the_front_is_of_those_shown(three: Library) -> None:
    measured = tradeoff_points.measure(three, [POOL], "tokens")
    view = tradeoff.choose(measured, ["synthetic"])
    assert ids(view.points) == ["beaten"]
    assert view.front == {"beaten"}


def test_the_front_is_drawn_as_steps_to_the_end_of_the_axis(three: Library) -> None:
    view = tradeoff.choose(tradeoff_points.measure(three, [POOL], "tokens"))
    area = frame(view, log=False)
    assert [area.x.low, area.x.high] == pytest.approx([0.0, 1.07 * 400])
    steps = marks.steps(view, area)
    assert [step["x"] for step in steps] == [100.0, 300.0, area.x.high]
    assert [step["y"] for step in steps] == pytest.approx([70.0, 90.0, 90.0])


def test_intervals_are_drawn_where_there_are_some_in_both_directions(three: Library) -> None:
    view = tradeoff.choose(tradeoff_points.measure(three, [POOL], "tokens"))
    ((across,), (upright,)) = marks.bars(view, frame(view, log=True))
    assert (across["x"], across["x2"], across["y"]) == (250.0, 350.0, 90.0)
    assert (upright["x"], upright["y"], upright["y2"]) == (300.0, 80.0, 100.0)


def test_costs_of_zero_leave_the_axis_linear() -> None:
    library = made_library([made_entry("none", on(POOL, 0.0, 0.0))])
    view = tradeoff.choose(tradeoff_points.measure(library, [POOL], "tokens"))
    axis = frame(view, log=True).x
    assert not axis.log
    assert axis.low == 0 < axis.high


def test_the_baseline_is_that_of_the_entry_with_the_most_repeats() -> None:
    few = on(POOL, 0.5, 1.0, baseline_accuracy=0.1, baseline_tokens_per_problem=11.0)
    many = on(POOL, 0.5, 1.0, baseline_accuracy=0.2, baseline_tokens_per_problem=12.0)
    wide = on(POOL, 0.5, 1.0, baseline_accuracy=0.3, baseline="cons@64")
    library = made_library(
        [made_entry("few", few), made_entry("many", many, repeats=9), made_entry("wide", wide)]
    )
    measured = tradeoff_points.measure(library, [POOL], "tokens")
    assert [(each.name, each.accuracy.value) for each in measured.baselines] == [
        ("cons@8", 0.2),
        ("cons@64", 0.3),
    ]
    assert [each.cost for each in measured.baselines] == [Metric(12.0), None]


def test_averages_weigh_pools_equally_and_leave_out_who_did_not_run_on_all(
    three: Library,
) -> None:
    # Accuracy (3/8 + 4/4) / 2, tokens (800/8 + 400/4) / 2; four problems, then two of two repeats.
    sums = {
        "both": {
            POOL: made_sums([2, 1, 0, 0], [200, 200, 200, 200]),
            OTHER: made_sums([2, 2], [100, 300]),
        }
    }
    library = made_library(
        [made_entry("both", on(POOL, 0, 0), on(OTHER, 0, 0)), made_entry("one", on(POOL, 0, 0))],
        sums,
    )
    measured = tradeoff_points.measure(library, [POOL, OTHER], "tokens")
    (point,) = measured.points
    assert (point.accuracy.value, point.cost.value) == (11 / 16, 100.0)
    assert point.cost.low is not None
    assert point.cost.low < 100 < (point.cost.high or 0)
    (baseline,) = measured.baselines
    assert baseline.cost is not None
    assert (baseline.accuracy.value, baseline.cost.value) == (1.0, 1000.0)
    assert omitted(measured) == {"did not run on all of these pools": ["one"]}
    assert measured.heading == "2 pools, each weighted equally"


def write_answers(folder: Path, **columns: Any) -> None:
    """`answers.parquet` of two problems on two pools, twice on each."""
    folder.mkdir()
    keys = {"pool": [POOL] * 4 + [OTHER] * 4, "problem_id": ["b", "a", "a", "b"] * 2}
    pq.write_table(pa.table({**keys, **columns}), folder / "answers.parquet")


@pytest.mark.parametrize(
    ("cost", "charged", "expected"),
    [("clock", True, 4.5), ("judge", False, 107.75), ("judge", True, 107.0)],
)
def test_clock_and_judge_are_averaged_from_the_answers(
    tmp_path: Path, cost: str, charged: bool, expected: float
) -> None:
    # Clock 1 + 2 + 3 + 4 over four answers, then 5 + 6 + 7 + 8: (2.5 + 6.5) / 2.
    # Tokens (100 + 100) / 2, 6 of probes, and half of (3 + 4) / 2 that the judge read: 107.75; or
    # of (1 + 3) / 2 that it computed and was charged for: 107.
    metrics = {"clock": 0.0, "judge_tokens": 8.0, "probe_tokens": 20.0, "cost": 124.0}
    if charged:
        metrics |= {"judge_tokens": 10.0, "judge_tokens_charged": 8.0}
    results = [on(pool, 0.5, 100.0, **metrics) for pool in (POOL, OTHER)]
    write_answers(
        tmp_path / "good",
        clock=[float(each) for each in range(1, 9)],
        tokens=[100] * 8,
        judge_tokens=[3] * 4 + [4] * 4,
        **({"judge_tokens_charged": [1] * 4 + [3] * 4} if charged else {}),
        probe_tokens=[6] * 8,
    )
    write_answers(tmp_path / "bad", repeat=[0] * 8)
    names = ("good", "bad", "gone")
    entries = [made_entry(name, *results, path=tmp_path / name) for name in names]
    sums = {pool: made_sums([1, 2], [200, 200]) for pool in (POOL, OTHER)}
    library = made_library(entries, dict.fromkeys(names, sums))
    measured = tradeoff_points.measure(library, [POOL, OTHER], cost)
    (point,) = measured.points
    assert point.cost.value == pytest.approx(expected)
    assert [*omitted(measured).values()] == [["bad", "gone"]]
    (baseline,) = measured.baselines
    assert (baseline.cost and baseline.cost.value) == (None if cost == "clock" else 1000.0)


def test_an_average_is_the_mean_of_what_summaries_say(full_library: Library) -> None:
    columns = tradeoff_points.columns_of(full_library, synthetic=False)
    for cost, name in tradeoff_points.COSTS.items():
        measured = tradeoff_points.measure(full_library, columns, cost)
        assert len(measured.points) == 11  # the three runs that were submitted stand there once
        assert not {point.entry.id for point in measured.points} & {"runs/cons-8", "runs/short-3-8"}
        for point in measured.points:
            recorded = [point.entry.results[each].metrics[name].value for each in columns]
            assert point.cost.value == pytest.approx(sum(recorded) / 3, rel=1e-6)
            assert point.cost.low is not None
            assert point.cost.low <= point.cost.value


def test_answers_to_other_problems_are_not_averaged() -> None:
    results = (on(POOL, 0, 0), on(OTHER, 0, 0))
    good = {POOL: made_sums([1, 1], [5, 5]), OTHER: made_sums([1, 1], [5, 5])}
    other = {POOL: made_sums([1, 1], [5, 5], names="xy"), OTHER: made_sums([1, 1], [5, 5])}
    too_good = {POOL: made_sums([9, 9], [5, 5]), OTHER: made_sums([1, 1], [5, 5])}
    names = ("a", "b", "other", "wrong", "none")
    library = made_library(
        [made_entry(name, *results) for name in names],
        {"a": good, "b": good, "other": other, "wrong": too_good},
    )
    measured = tradeoff_points.measure(library, [POOL, OTHER], "tokens")
    assert [point.entry.id for point in measured.points] == ["a", "b"]
    assert omitted(measured) == {
        "without valid answers to the same problems as the others": ["other", "wrong", "none"]
    }


def test_an_axis_without_a_figure_leaves_an_entry_out_and_says_so(three: Library) -> None:
    judged = made_entry("judged", on(POOL, 0.5, 100.0, cost=150.0))
    library = made_library([*three.entries, judged])
    measured = tradeoff_points.measure(library, [POOL], "judge")
    assert [(point.entry.id, point.cost.value) for point in measured.points] == [("judged", 150.0)]
    assert omitted(measured)["recorded no cost"] == ["dear", "cheap", "beaten", "oracle", "back"]
    assert tradeoff.omitted_words(measured.omitted[1]) == (
        "Recorded no cost: dear, cheap, beaten and 2 more."
    )


@pytest.mark.parametrize(
    ("unit", "serving", "others", "name"),
    [
        ("steps", "", ("seconds", "--step-seconds 1:0.01"), "steps"),
        ("steps", "", ("steps", "--concurrency 8"), "steps"),
        (
            "seconds",
            "--step-seconds 1:0.01",
            ("seconds", "--step-seconds 1:1e-09"),
            "seconds, --step-seconds 1:0.01",
        ),
    ],
    ids=["unit", "slots", "step times"],
)
def test_clocks_of_other_engines_do_not_stand_on_one_axis(
    unit: str, serving: str, others: tuple[str, str], name: str
) -> None:
    clocks = (("a", 10.0, (unit, serving)), ("b", 20.0, (unit, serving)), ("c", 3.0, others))
    entries = [
        made_entry(each, on(POOL, 0.5, 1.0, clock=clock, clock_unit=engine[0], serving=engine[1]))
        for each, clock, engine in clocks
    ]
    measured = tradeoff_points.measure(made_library(entries), [POOL], "clock")
    assert [point.entry.id for point in measured.points] == ["a", "b"]
    assert measured.cost_name == f"Clock a problem, {name}"
    assert omitted(measured) == {f"recorded another clock than {name}": ["c"]}


def test_settings_of_one_method_are_joined_in_the_order_of_their_values() -> None:
    entries = [
        made_entry(
            f"m{value}",
            on(POOL, 0.5, 100.0 - value),
            policy="p",
            parameters={"m": value, "w": 1},
            settings=("m",),
        )
        for value in (8, 2, 4)
    ]
    entries.append(made_entry("q", on(POOL, 0.5, 1.0), parameters={"m": 3, "w": 1}))
    view = tradeoff.choose(tradeoff_points.measure(made_library(entries), [POOL], "tokens"))
    (line,) = view.joined
    assert line.parameter == "m"
    assert [point.entry.id for point in line.points] == ["m2", "m4", "m8"]
    assert view.series() == {"m2": "p", "m4": "p", "m8": "p", "q": "q"}


def omitted(measured: Measured) -> dict[str, list[str]]:
    """Ids of the entries that are not drawn, by reason."""
    return {each.reason: [entry.id for entry in each.entries] for each in measured.omitted}


def published(model: str, benchmark: str) -> PublishedFigure:
    """DeepPrune at 0.3 · 10^8 tokens for the whole benchmark."""
    source = Source("paper", "A paper", "Somebody", date(2026, 1, 1), "https://x.org", None, None)
    return PublishedFigure("DeepPrune", model, benchmark, 0.3, 0.9, source)


def measured_beside(figure: PublishedFigure, cost: str = "tokens", **fields: Any) -> Measured:
    """Measure one entry together with a published figure."""
    result = on(POOL, 0.5, 1000.0, cost=1.0, **{"problems": 30, **fields})
    library = made_library([made_entry("a", result)], published=[figure])
    return tradeoff_points.measure(library, [POOL], cost)


def test_published_figures_of_the_same_model_and_benchmark_are_a_problem_and_on_no_front() -> None:
    measured = measured_beside(published("MODEL-x", "aime24"))
    (figure,) = measured.published
    assert figure.cost == pytest.approx(1e6)  # 0.3 · 10^8 over 30 problems
    view = tradeoff.choose(measured)
    assert view.front == {"a"}
    (mark,) = [each for each in marks.marks(view) if each.kind == marks.PUBLISHED]
    assert (mark.name, mark.kind) == ("DeepPrune", marks.PUBLISHED)
    assert [mark.x, mark.y] == pytest.approx([1e6, 90.0])
    tables = tradeoff.tables(view)
    assert [row[0].text for row in tables["points"].rows] == ["a"]
    (row,) = tables["published"].rows
    assert (row[0].text, row[2].value, row[0].link) == ("DeepPrune", "reported", "https://x.org")


@pytest.mark.parametrize(
    ("model", "cost", "fields", "note"),
    [
        ("Another", "tokens", {}, ()),
        ("Model-X", "tokens", {"synthetic": True}, ()),
        ("Model-X", "tokens", {"problems": 8}, ("of 30 problems, this pool of 8",)),
        ("Model-X", "judge", {}, ("see the cost Tokens",)),
    ],
)
def test_published_figures_that_are_not_of_the_same_are_not_drawn(
    model: str, cost: str, fields: dict[str, Any], note: tuple[str, ...]
) -> None:
    measured = measured_beside(published(model, "AIME24"), cost, **fields)
    assert measured.published == ()
    assert len(measured.notes) == len(note)
    assert all(part in said for part, said in zip(note, measured.notes, strict=True))


def test_the_text_names_the_front_and_the_extremes(three: Library) -> None:
    said = tradeoff.sentence(tradeoff.choose(tradeoff_points.measure(three, [POOL], "tokens")))
    assert said == (
        "Accuracy against tokens a problem on Model-X · AIME24: 4 entries. "
        "On the Pareto front, by cost: cheap, 70.0% at 100; dear, 90.0% at 300. "
        "Cheapest: cheap, 70.0% at 100. Most expensive: dear, 90.0% at 300. "
        "Most accurate: dear, 90.0% at 300. Least accurate: beaten, 60.0% at 200. "
        "Bound, uses ground truth: oracle, 100.0% at 10. Baseline cons@8: 90.0% at 400. "
        "Not drawn: 2."
    )


def test_the_table_has_every_point_unrounded_with_its_interval(three: Library) -> None:
    view = tradeoff.choose(tradeoff_points.measure(three, [POOL], "tokens"), ["verified"])
    lines = as_csv(tradeoff.tables(view)["points"]).splitlines()
    assert lines[0] == (
        "entry,number,badge,accuracy,accuracy_low,accuracy_high,"
        "tokens_per_problem,tokens_per_problem_low,tokens_per_problem_high,front,budget,repeats"
    )
    assert "dear,2,verified,0.9,0.8,1.0,300.0,250.0,350.0,yes,8,2" in lines


def test_hovering_tells_method_badge_figures_intervals_and_settings() -> None:
    entry = made_entry(
        "a",
        on(POOL, (0.5, 0.25, 0.75), (1000.0, 900.0, 1100.0)),
        parameters={"m": 3},
        settings=("m",),
        badge="verified",
    )
    view = tradeoff.choose(tradeoff_points.measure(made_library([entry]), [POOL], "tokens"))
    (mark,) = [each for each in marks.marks(view) if each.kind == marks.COMPARED]
    assert mark.hover["badge"] == "✔ verified"
    assert mark.hover["accuracy"] == "50.0 (95% interval 25.0 to 75.0)"
    assert mark.hover["cost"] == "1,000 (95% interval 900 to 1,100)"
    assert mark.hover["settings"] == "N=8, m=3"


def test_pools_that_most_entries_ran_on_are_shown_first(three: Library) -> None:
    assert tradeoff_points.columns_of(three, synthetic=False) == [POOL, OTHER]
    assert tradeoff_points.columns_of(three, synthetic=True) == []
    assert tradeoff_points.shared_most(three, [POOL, OTHER]) == [POOL]
    assert tradeoff_points.shared_most(three, []) == []


def test_the_picture_can_be_hovered_picked_from_and_zoomed(three: Library) -> None:
    view = tradeoff.choose(tradeoff_points.measure(three, [POOL], "tokens"))
    drawn = tradeoff_chart.draw(view, log=True).to_dict()
    selections = {each["name"]: each for each in drawn["params"]}
    assert selections[tradeoff_chart.PICKED]["select"]["fields"] == ["id"]
    assert selections["zoom"]["bind"] == "scales"
    scales = [layer["encoding"]["x"]["scale"]["type"] for layer in drawn["layer"]]
    assert set(scales) == {"log"}
