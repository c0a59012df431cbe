"""The picture's frame, lines and labels, against values worked out by hand."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_entries import made_entry, made_library, made_result

from leaderboard_app.library.entry import Entry
from leaderboard_app.tradeoff import chart, curves, marks, points, words
from leaderboard_app.tradeoff import view as tradeoff
from leaderboard_app.tradeoff.frame import Frame, frame
from leaderboard_app.tradeoff.labels import HEIGHT, LAYOUTS, at, labels
from leaderboard_app.tradeoff.placement import FONT_SIZE, text_width
from leaderboard_app.tradeoff.view import View
from simulator.report.plotting.placing import Box

POOL = "d/Model-X/AIME24"


def on(accuracy: Any, tokens: Any, **fields: Any) -> Any:
    return made_result(POOL, accuracy=accuracy, tokens_per_problem=tokens, **fields)


def view_of(*entries: Entry, **chosen: Any) -> View:
    return tradeoff.choose(points.measure(made_library(entries), [POOL], "tokens"), **chosen)


def two(*more: Entry) -> View:
    """80% at 100,000 tokens and 84% at a million, and others."""
    return view_of(made_entry("a", on(0.80, 100_000.0)), made_entry("b", on(0.84, 1e6)), *more)


def test_a_far_oracle_leaves_the_frame_as_it_is_and_is_named_at_its_edge() -> None:
    oracle = made_entry("oracle", on(0.971, 12_000.0), unranked=True)
    with_it, without = two(oracle), two()
    assert frame(with_it, log=True) == frame(without, log=True)
    assert words.outside(with_it, log=True) == (
        "Outside the picture, as arrows at its edge: oracle (97.1% at 12,000)."
    )
    assert words.outside(without, log=True) == ""
    (mark,) = [each for each in marks.marks(with_it) if each.kind == marks.BOUND]
    area = frame(with_it, log=True)
    assert mark.outside(area) == "above"  # 13.1 of 4 points, further than 2.1 of 2.3 in log tokens
    assert area.y.low < at(mark, area)[1] < area.y.high
    texts = [each["text"] for each in drawn_labels(with_it)[0] if each["key"] == "oracle"]
    assert texts == ["#3", "oracle, 97.1% at 12,000", "oracle, 97.1% at 12,000"]


def test_an_oracle_of_near_accuracy_is_a_line_at_it() -> None:
    view = two(made_entry("oracle", on(0.85, 12_000.0), unranked=True))
    area = frame(view, log=True)
    assert area.y.high > 85
    assert area.x == frame(two(), log=True).x
    (level,) = chart._levels(view, marks.marks(view), area)
    assert (level["x"], level["x2"], level["y"]) == (area.x.low, area.x.high, pytest.approx(85.0))
    assert "A dotted line is the accuracy of an entry that uses ground truth" in words.key(
        view, log=True
    )


def test_a_near_run_widens_the_frame_and_a_far_one_does_not() -> None:
    near = made_entry("near", on(0.79, 60_000.0), badge="local", basis="answers")
    far = made_entry("far", on(0.30, 60_000.0), badge="local", basis="answers")
    area = frame(two(near), log=True)
    assert area.outside(60_000.0, 79.0) == ""
    assert area.x.low < 60_000.0 < frame(two(), log=True).x.low * 1.01
    assert frame(two(far), log=True) == frame(two(), log=True)
    assert frame(two(far), log=True).outside(60_000.0, 30.0) == "below"
    assert "far (30.0% at 60,000)" in words.outside(two(far), log=True)


def test_intervals_widen_the_frame_by_a_share_only() -> None:
    wide = view_of(
        made_entry("a", on((0.80, 0.60, 0.95), 100_000.0)), made_entry("b", on(0.90, 1e6))
    )
    area = frame(wide, log=True)
    # 80 to 90 is 10 points; 30% of it to each side as far as the interval reaches, then 7% of 16.
    assert [area.y.low, area.y.high] == pytest.approx([77 - 0.07 * 16, 93 + 0.07 * 16])


def test_a_logarithmic_axis_has_a_margin_of_its_range() -> None:
    area = frame(two(), log=True)
    assert [area.x.low, area.x.high] == pytest.approx([1e5 / 10**0.07, 1e6 * 10**0.07])
    assert frame(two(), log=False).x.low == 0


def test_costs_of_zero_outside_a_logarithmic_frame_are_at_its_left() -> None:
    view = two(made_entry("free", on(0.82, 0.0), badge="local", basis="answers"))
    area = frame(view, log=True)
    assert area.x.log
    assert area.outside(0.0, 82.0) == "left"
    assert area.x.low < area.inside(0.0, 82.0, (0.01, 0.01))[0] < 100_000.0


def test_a_frame_says_beyond_which_edge_a_point_is() -> None:
    area = frame(view_of(made_entry("a", on(0.5, 10.0)), made_entry("b", on(0.6, 90.0))), log=False)
    assert area.outside(50.0, 55.0) == ""
    assert area.outside(1e6, 55.0) == "right"
    assert area.outside(50.0, 99.0) == "above"
    assert area.inside(1e6, 99.0, (0.0, 0.0)) == pytest.approx((area.x.high, area.y.high))


def drawn_labels(view: View, *, log: bool = True) -> tuple[marks.Data, marks.Data]:
    area = frame(view, log=log)
    every = marks.marks(view)
    return labels(view, every, area, marks.steps(view, area), marks.lines(view, area))


def boxes(texts: marks.Data, area: Frame, width: float, height: float) -> list[Box]:
    """Return the boxes of the texts that a picture of a width shows."""
    found = []
    for each in texts:
        if each["least"] <= width < each["most"]:
            left = area.x.share(each["x"]) * width + each["dx"]
            middle = (1 - area.y.share(each["y"])) * height
            size = text_width(each["text"], each["bold"])
            found.append(Box(left, middle - FONT_SIZE / 2, left + size, middle + FONT_SIZE / 2))
    return found


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 99), st.integers(0, 100)), min_size=1, max_size=25),
    st.sampled_from([300, 559, 700, 960, 1222, 1702]),
    st.booleans(),
)
def test_labels_of_the_picture_overlap_at_no_width(
    figures: list[tuple[int, int]], width: int, log: bool
) -> None:
    view = view_of(
        *(
            made_entry(f"method-{place}", on(accuracy / 100, float(tokens)))
            for place, (tokens, accuracy) in enumerate(figures)
        )
    )
    area = frame(view, log=log)
    texts, _ = drawn_labels(view, log=log)
    found = boxes(texts, area, width, HEIGHT + 13)
    assert found
    assert all(one.overlap(other) < 1e-6 for one, other in combinations(found, 2))
    assert all(box.left >= 0 and box.right <= width for box in found)


def test_every_point_of_a_usual_board_has_a_name_and_the_fronts_are_bold() -> None:
    view = view_of(
        *(
            made_entry(f"method {n}", on(0.7 + 0.01 * (n * 7 % 20), 1000.0 * (1 + n * 5 % 23)))
            for n in range(20)
        )
    )
    texts, _ = drawn_labels(view)
    for layout in LAYOUTS[1:]:
        shown = [each for each in texts if each["least"] == layout.width]
        assert sorted(each["key"] for each in shown) == sorted(p.entry.id for p in view.points)
        assert {each["key"] for each in shown if each["bold"]} == view.front
        assert all(each["text"] == each["key"] for each in shown)
    narrow = [each for each in texts if each["least"] == 0]
    numbers = tradeoff.numbers(view)
    assert {each["text"] for each in narrow if not each["bold"]} <= {
        f"#{number}" for number in numbers.values()
    }


def test_of_very_many_points_the_front_and_the_best_of_each_method_are_named() -> None:
    entries = [
        made_entry(f"e{n}", on(0.5 + 0.001 * n, 10_000.0 - 10 * n), method=f"m{n % 5}")
        for n in range(100)
    ]
    view = view_of(*entries)
    texts, _ = drawn_labels(view)
    named = {each["key"] for each in texts}
    assert named == {f"e{n}" for n in range(95, 100)}
    every_on_front = [made_entry(f"f{n}", on(0.5 + n / 1000, 10.0 + n)) for n in range(120)]
    named = {each["key"] for each in drawn_labels(view_of(*every_on_front))[0]}
    assert len(named) <= 40
    assert "f0" in named
    assert any(f"f{n}" in named for n in range(115, 120))


def n_entries(policy: str, budgets: tuple[int, ...], **fields: Any) -> list[Entry]:
    return [
        made_entry(
            f"{policy}-{n}",
            on(0.7 + n / 1000, 100.0 * n, budget=n, baseline=f"cons@{n}"),
            policy=policy,
            method=policy,
            parameters={"window": 5},
            seed=n,
            repeats=n,
            **fields,
        )
        for n in budgets
    ]


def test_entries_of_several_n_are_joined_whatever_their_seeds() -> None:
    view = view_of(*n_entries("esc", (64, 16)))
    (line,) = view.joined
    assert (line.name, line.parameter, line.over_n) == ("esc", "N", True)
    assert [line.value(point) for point in line.points] == ["N=16", "N=64"]
    assert [line.named(point) for point in line.points] == ["esc, N=16", "esc, N=64"]
    drawn = marks.lines(view, frame(view, log=True))
    assert [(each["x"], each["place"]) for each in drawn] == [(1600.0, 0), (6400.0, 1)]


def test_ranked_entries_and_runs_are_on_lines_of_their_own() -> None:
    runs = n_entries("esc", (32, 128), badge="local", basis="answers")
    view = view_of(*n_entries("esc", (16, 64)), *runs)
    found = {tuple(each.entry.id for each in line.points): line.name for line in view.joined}
    assert [*found] == [("esc-16", "esc-64"), ("esc-32", "esc-128")] or len(found) == 2
    assert len({*found.values()}) == 2


def test_of_two_entries_of_one_value_that_with_more_repeats_is_on_the_line() -> None:
    again = made_entry(
        "again", on(0.9, 1.0, budget=16), policy="esc", parameters={"window": 5}, repeats=1
    )
    (line,) = view_of(*n_entries("esc", (16, 64)), again).joined
    assert [point.entry.id for point in line.points] == ["esc-16", "esc-64"]


def test_accuracy_over_n_has_methods_with_several_n_and_cons() -> None:
    base = {"baseline_accuracy": 0.6, "baseline_tokens_per_problem": 50.0}
    entries = [
        *n_entries("esc", (16, 64)),
        made_entry("one", on(0.5, 1.0, budget=8, baseline="cons@8", **base)),
        made_entry("two", on(0.5, 2.0, budget=32, baseline="cons@32", **base)),
        made_entry("eight", on(0.65, 40.0, budget=8, baseline="cons@8", **base), policy="cons@8"),
    ]
    view = view_of(*entries)
    esc, votes = curves.curves_over_n(view)
    assert (esc.name, [n for n, _ in esc.values]) == ("esc", [16, 64])
    assert [metric.value for _, metric in esc.values] == pytest.approx([0.716, 0.764])
    assert votes.vote
    assert [(n, metric.value) for n, metric in votes.values] == [(8, 0.65), (32, 0.6)]
    assert [each.name for each in view.baselines] == ["cons@32"]  # cons@8 is there as an entry
    assert curves.sentence(view) == (
        "Accuracy over N on Model-X · AIME24. esc: 71.6% at 16, 76.4% at 64. "
        "cons@N (baseline): 65.0% at 8, 60.0% at 32."
    )
    drawn = curves.draw(view).to_dict()
    assert [each["mark"]["type"] for each in drawn["layer"]] == ["line", "point", "rule", "text"]


def test_without_several_n_there_is_no_curve() -> None:
    assert curves.curves_over_n(two()) == []
    assert curves.draw(two()) is None


def test_the_only_baseline_is_a_line_across() -> None:
    view = view_of(
        made_entry("a", on(0.8, 10.0, baseline_accuracy=0.82, baseline_tokens_per_problem=40.0))
    )
    area = frame(view, log=True)
    (level,) = chart._levels(view, marks.marks(view), area)
    assert (level["y"], level["x"], level["x2"]) == (pytest.approx(82.0), area.x.low, area.x.high)


def test_titles_and_counts_name_what_is_shown() -> None:
    view = two(made_entry("run", on(0.81, 2e5), badge="local", basis="answers"))
    assert words.title(view.measured) == "Accuracy against tokens: Model-X · AIME24"
    assert words.counts(view) == "2 entries ranked, 1 drawn beside them."
    assert "Hollow entries are not ranked." in words.key(view, log=True)


def test_the_chart_shows_the_labels_that_fit_its_width() -> None:
    drawn = chart.draw(two(), log=True).to_dict()
    texts = [each for each in drawn["layer"] if each["mark"]["type"] == "text"]
    assert [each["transform"] for each in texts] == [
        [{"filter": "datum.least <= width && width < datum.most"}]
    ]
    assert (drawn["width"], drawn["height"]) == (chart.WIDTH, chart.HEIGHT)
    assert chart.AXIS >= 77  # the axis and its title on a page take that much
    assert chart.draw(two(), log=True, height=300).to_dict()["height"] == 300
