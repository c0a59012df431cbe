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


SECTIONS = ("sort", "sort-published", "sort-apart", "order", "order-apart")


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
    assert [name.rstrip("†‡") for name in methods(app)] == [
        "cons@512",
        "DeepConf-high",
        "DeepConf-low",
        "cons@512",
        "DeepPrune",
    ]
    assert [each.key for each in app.segmented_control] == ["view"]
    assert "Only published figures so far" in app.info[0].value
    assert [each.value.split()[1] for each in app.code if "deepprune-sim" in each.value] == [
        "run",
        "run",
    ]


def test_without_a_replay_the_combined_view_says_what_to_run(
    open_app: Open, empty: Folders
) -> None:
    app = open_app(empty, view="combined")
    assert not app.exception
    assert "No replay to rank yet" in app.info[0].value
    assert app.code[-1].value.startswith("deepprune-sim run")


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
    assert methods(app)[-1] == "cons@8"
    assert len(methods(app)) == 6
    assert [each.value for each in app.subheader] == ["Published", "Not ranked"]
    assert not methods(open_app(small, view="combined"))[1:]


def test_broken_folders_are_listed_below_with_their_reasons(open_app: Open, full: Folders) -> None:
    app = open_app(full)
    assert "3 folders are broken and left out" in [each.label for each in app.expander]
    app.session_state["folded-broken"] = True
    app.run()
    reasons = copied(app, "broken")
    assert "answers.parquet" in reasons
    assert "2026-11-21-broken" in reasons.replace("\\", "")


def test_real_and_synthetic_ones_are_behind_a_switch_in_the_link(
    open_app: Open, full: Folders
) -> None:
    real, made = methods(open_app(full)), methods(open_app(full, data="synthetic"))
    assert "Short three" in real
    assert "DeepPrune‡" in real
    assert {name.split(" ")[0] for name in made} == {
        "asc",
        "cons@32",
        "deepconf-high",
        "deepconf-low",
        "esc",
        "parallel-probe",
        "sac",
        "short-3@32",
    }
    assert set(made).isdisjoint(real)
    sections = [each.value for each in open_app(full).subheader]
    assert sections == ["Verified", "Published", "Not ranked"]
    assert [each.value for each in open_app(full, data="synthetic").subheader] == ["Synthetic"]


def test_duplicates_are_listed_for_the_keeper(open_app: Open, full: Folders) -> None:
    app = open_app(full)
    assert any(each.label.startswith("For the keeper") for each in app.expander)
    app.session_state["folded-notes"] = True
    app.run()
    notes = copied(app, "notes").replace("\\", "")
    assert "has the same policy and parameters as 2026-11-20-checked-cons" in notes


def test_links_hold_view_order_and_filters(open_app: Open, full: Folders) -> None:
    app = open_app(full, view="combined", needs=["probes"], order="-reduction")
    names = methods(app)
    assert len(names) == 2
    assert app.multiselect(key="needs").value == ["probes"]
    assert "Filtered: 2 rows are left." in [each.value for each in app.caption]
    assert {name.split(" ")[0] for name in names} == {"parallel-probe", "sac"}
    app = open_app(full, **{"sort-apart": "-method"}, badge=["local"])
    assert methods(app) == sorted(methods(app), key=str.casefold, reverse=True)


@pytest.mark.parametrize(
    "link",
    [
        {"data": "nonsense"},
        {"view": "nonsense"},
        {"badge": ["nonsense"]},
        {"model": ["nonsense", "model-a"]},
        {"since": "yesterday"},
        {"until": "2026-13-45"},
        {"sort": "nonsense"},
        {"sort": "-"},
        {"hide": ["nonsense"]},
        {"order": "<b>", "view": "combined"},
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
    assert _html(app).count("</tr>") == 2 + 50
    assert len(methods(app)) == 51
    assert _html(open_app(folders, **{"all-apart": "true"})).count("</tr>") == 2 + 51


def _html(app: AppTest) -> str:
    """Return the board as the page shows it."""
    return next(
        str(each.proto) for each in app.main.children.values() if each.type == "bidi_component"
    )


def test_a_filter_that_leaves_nothing_says_so(open_app: Open, full: Folders) -> None:
    app = open_app(full, since="2030-01-01")
    assert not app.exception
    assert "No rows are left" in app.info[-1].value
