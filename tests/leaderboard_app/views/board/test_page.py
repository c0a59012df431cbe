"""The page Board in its empty, small and full states, by links that are right and wrong."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from leaderboard_app.library.folders import Folders

Open = Callable[..., AppTest]


SECTIONS = ("sort", "sort-bounds", "sort-record", "sort-self-reported", "sort-local")


def copied(app: AppTest, *names: str) -> str:
    """Return tables as Markdown, from the page's own view of them; all sections by default."""
    assert not app.exception
    for name in names or SECTIONS:
        app.session_state[f"markdown-{name}"] = True
    app.run()
    assert not app.exception
    return "\n\n".join(each.value for each in app.code if each.value.startswith("| "))


def methods(app: AppTest) -> list[str]:
    """First cells of the board's rows, as Markdown."""
    return [line.split(" | ")[0].removeprefix("| ") for line in _rows(app)]


def _number(row: str, place: int) -> float:
    """Return the number in a cell of a Markdown row, without its interval and emphasis."""
    return float(row.split(" | ")[place].split()[0].strip("*").replace(",", ""))


def said(app: AppTest) -> str:
    return "\n".join(each.value.replace("\\", "") for each in app.markdown)


def _rows(app: AppTest) -> list[str]:
    lines = copied(app).splitlines()
    rules = {place for place, line in enumerate(lines) if re.fullmatch(r"[| :-]*-[| :-]*", line)}
    return [
        line
        for place, line in enumerate(lines)
        if line.startswith("|") and place not in rules and place + 1 not in rules
    ]


def test_without_any_file_there_are_the_published_figures(open_app: Open, empty: Folders) -> None:
    app = open_app(empty)
    assert "DeepPrune‡" in copied(app, "sort-published")
    assert [each.value for each in app.header] == ["Published figures"]
    assert "Only published figures so far" in app.info[0].value
    assert [each.value.split()[1] for each in app.code if "deepprune-sim" in each.value] == [
        "run",
        "run",
    ]


def test_with_nothing_at_all_it_says_what_to_run(open_app: Open, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "submissions")
    folders.submissions.mkdir()
    (folders.submissions / "published.toml").write_text("format = 1\n", encoding="utf-8")
    app = open_app(folders)
    assert not app.exception
    assert "Nothing here yet" in app.info[0].value
    assert app.code[0].value.startswith("deepprune-sim run ")
    assert [each.value.split()[1] for each in app.code] == ["run", "run"]


def test_a_local_run_stands_apart_from_the_published_figures(
    open_app: Open, small: Folders
) -> None:
    app = open_app(small)
    assert methods(app) == ["cons@8"]
    assert [each.value for each in app.header] == ["Local runs", "Published figures"]
    assert any("none is verified yet" in each.value for each in app.markdown)


def test_broken_folders_are_listed_below_with_their_reasons(open_app: Open, full: Folders) -> None:
    app = open_app(full)
    assert "3 folders are broken and left out" in [each.label for each in app.expander]
    app.session_state["folded-broken"] = True
    app.run()
    reasons = copied(app, "broken")
    assert "answers.parquet" in reasons
    assert "2026-11-21-broken" in reasons.replace("\\", "")


def test_each_part_is_behind_a_switch_in_the_link(open_app: Open, full: Folders) -> None:
    app = open_app(full)
    assert {each.split(" ")[0] for each in methods(app)} == {"Checked"}
    assert [each.value for each in app.header] == ["Verified", "Published figures"]
    switch = next(each for each in app.segmented_control if each.label == "Entries")
    assert switch.options == [
        "Verified",
        "Self-reported",
        "Local runs",
        "For the record",
        "Synthetic",
    ]
    local = open_app(full, show="local")
    assert {each.split(" ")[0] for each in methods(local)} >= {"sac", "parallel-probe"}
    assert "Taken back" in " ".join(methods(open_app(full, show="record")))


def test_synthetic_ones_are_never_among_real_ones(open_app: Open, full: Folders) -> None:
    app = open_app(full, data="synthetic")
    made = {name.split(" ")[0] for name in methods(app)}
    assert made == {
        "asc",
        "cons@32",
        "deepconf-high",
        "deepconf-low",
        "esc",
        "parallel-probe",
        "sac",
        "short-3@32",
    }
    assert "Published figures" not in [each.value for each in app.header]
    assert "generated" in app.warning[0].value


def test_groups_are_chosen_by_the_link(open_app: Open, full: Folders) -> None:
    app = open_app(full)
    tabs = next(each for each in app.segmented_control if each.label == "Model and benchmark")
    assert tabs.options == [
        "model-a · bench-1",
        "model-a · bench-2",
        "model-b · bench-1",
        "All 3 pools",
    ]
    assert "6 problems of model-a · bench-1" in said(app)
    other = open_app(full, group="all")
    assert "18 problems of All 3 pools" in said(other)
    assert len(methods(other)) == len(methods(app)) == 2


def test_duplicates_are_listed_for_the_keeper(open_app: Open, full: Folders) -> None:
    app = open_app(full)
    assert any(each.label.startswith("For the keeper") for each in app.expander)
    app.session_state["folded-notes"] = True
    app.run()
    notes = copied(app, "notes").replace("\\", "")
    assert "has the same policy, parameters and N as 2026-11-20-checked-cons" in notes


def test_links_hold_part_order_and_filters(open_app: Open, full: Folders) -> None:
    app = open_app(full, show="local", needs=["probes"], sort="-reduction")
    names = methods(app)
    assert app.multiselect(key="needs").value == ["probes"]
    assert "needs: probes" in [each.label.replace("\\", "") for each in app.button]
    assert {name.split(" ")[0] for name in names} == {"parallel-probe", "sac"}
    app = open_app(full, show="local", sort="-method")
    assert methods(app) == sorted(methods(app), key=str.casefold, reverse=True)


def test_the_cost_in_dollars_asks_for_prices_and_uses_them(open_app: Open, full: Folders) -> None:
    app = open_app(full, unit="dollars")
    assert any("prices.toml" in each.value.replace("\\", "") for each in app.caption)
    assert [each.label for each in app.number_input] == [
        "Dollars per million tokens generated",
        "Dollars per million tokens read",
    ]
    priced = open_app(full, unit="dollars", output="2.0", input="1.0")
    row = next(line for line in _rows(priced) if "Checked majority" in line)
    tokens, cost = (_number(row, place) for place in (3, 6))
    assert cost == pytest.approx(2e-6 * tokens, rel=0.01)


def test_sizes_of_models_come_from_the_boards_file(
    open_app: Open, full: Folders, tmp_path: Path
) -> None:
    """A model of 3·10⁹ parameters: 6·10⁹ FLOPs a token."""
    shutil.copytree(full.submissions / "2026-11-20-checked-cons", tmp_path / "checked")
    (tmp_path / "prices.toml").write_text(
        '[models."model-a"]\nactive_parameters = 3e9\n', encoding="utf-8"
    )
    app = open_app(Folders(full.cache, tmp_path / "runs", tmp_path), unit="FLOPs")
    assert not app.number_input
    (row,) = [line for line in _rows(app) if "Checked majority" in line]
    tokens, cost = (_number(row, place) for place in (3, 6))
    assert cost == pytest.approx(6e9 * tokens, rel=0.01)


def test_a_wrong_file_of_prices_stops_only_what_needs_prices(
    open_app: Open, full: Folders, tmp_path: Path
) -> None:
    shutil.copytree(full.submissions / "2026-11-20-checked-cons", tmp_path / "checked")
    (tmp_path / "prices.toml").write_text("x = [", encoding="utf-8")
    folders = Folders(full.cache, tmp_path / "runs", tmp_path)
    assert len(methods(open_app(folders))) == 1
    app = open_app(folders, unit="dollars")
    assert not app.exception
    assert "prices.toml: not TOML" in app.error[0].value


@pytest.mark.parametrize(
    "link",
    [
        {"data": "nonsense"},
        {"show": "nonsense"},
        {"badge": ["nonsense"]},
        {"group": "nonsense"},
        {"unit": "nonsense"},
        {"size": "-1", "unit": "FLOPs"},
        {"since": "yesterday"},
        {"until": "2026-13-45"},
        {"sort": "nonsense"},
        {"sort": "-"},
        {"hide": ["nonsense"]},
    ],
)
def test_what_a_link_has_wrong_is_ignored(
    open_app: Open, full: Folders, link: dict[str, str | list[str]]
) -> None:
    assert methods(open_app(full, **link))


def test_many_rows_are_shown_by_choice(open_app: Open, full: Folders, tmp_path: Path) -> None:
    assert not open_app(full).toggle
    folders = Folders(tmp_path / "pools", tmp_path / "runs", tmp_path / "submissions")
    for number in range(51):
        copy = folders.submissions / f"2026-11-20-{number:02d}"
        shutil.copytree(full.submissions / "2026-11-20-short", copy)
    (folders.submissions / "published.toml").write_text("format = 1\n", encoding="utf-8")
    app = open_app(folders)
    assert [each.label for each in app.toggle] == ["Show all 51 rows"]
    assert _html(app).count("</tr>") == 1 + 50
    assert len(methods(app)) == 51
    assert _html(open_app(folders, **{"all": "true"})).count("</tr>") == 1 + 51


def _html(app: AppTest) -> str:
    """Return the board as the page shows it."""
    return next(
        str(each.proto) for each in app.main.children.values() if each.type == "bidi_component"
    )


def test_a_filter_that_leaves_nothing_says_so(open_app: Open, full: Folders) -> None:
    app = open_app(full, since="2030-01-01")
    assert not app.exception
    assert "No rows are left" in app.info[-1].value
