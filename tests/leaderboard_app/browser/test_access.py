"""Access for everybody: axe-core on every page, keyboard, phones, and pages that do not jump."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from axe import violations
from selenium.webdriver.common.keys import Keys
from served import Browser, Server, browser, chromium, server

from leaderboard_app.library.folders import Folders
from leaderboard_app.shown.navigation import HOME, PAGES, link

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium with its driver here"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

POOL = "recorded/model-a/bench-1"

LINKS = {name: link(name) for name in PAGES} | {
    "compare": link("compare", entries="runs/esc,runs/sac"),
    "entry": link("entry", entry="2026-11-20-checked-asc"),
    "problem": link("problem", entry="runs/parallel-probe", pool=POOL, problem="p3", trace=2),
    "data": link("data", pool=POOL),
}
"""A link to each page that shows as much of it as there is."""

SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput } of list.getEntries())
    if (!hadRecentInput) window.shifts.push(value);
}).observe({ type: 'layout-shift', buffered: true });
"""
"""Collects the layout shifts of a page, of which Cumulative Layout Shift is the sum."""

GOOD = 0.1
"""Largest Cumulative Layout Shift that counts as good (web.dev/articles/cls)."""


@pytest.fixture(scope="module")
def running(full: Folders) -> Iterator[Server]:
    with server(full) as found:
        yield found


@pytest.fixture(scope="module", params=["light", "dark"])
def seen(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Start a browser, in the light and in the dark, whose pages count their layout shifts."""
    with browser(dark=request.param == "dark") as found:
        source = {"source": SHIFTS}
        found.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
        yield found


@pytest.mark.parametrize("width", [1440, 390])
def test_every_page_is_without_barriers_and_does_not_jump(
    running: Server, seen: Browser, width: int
) -> None:
    found = {}
    for name, page in LINKS.items():
        seen.resize(width, 900)
        seen.open(f"{running.url}/{page}")
        seen.wait_for("h1")
        assert not seen.faults()
        found[name] = violations(seen)
        shift = sum(seen.driver.execute_script("return window.shifts"))
        if shift > GOOD:
            found[name].append(f"the page moves while it loads: {shift:.3f}")
    assert found == {name: [] for name in LINKS}


def test_what_opens_is_without_barriers(running: Server, seen: Browser) -> None:
    seen.resize(1440, 900)
    seen.open(f"{running.url}/submit")
    for question in seen.find("[data-testid='stExpander'] summary"):
        seen.click(question)
    seen.settle()
    assert violations(seen) == []
    seen.open(f"{running.url}/{LINKS['entry']}")
    seen.click(seen.wait_for("summary", "About the columns"))
    seen.click(seen.wait_for("[data-testid='stPopover'] button", "LaTeX"))
    seen.wait_for("[data-testid='stPopoverBody'] code", "tabular")
    seen.settle()  # colours of what is pressed fade
    assert violations(seen) == []


def test_sorting_by_the_keyboard_keeps_the_focus_and_is_announced(
    running: Server, seen: Browser
) -> None:
    seen.open(f"{running.url}/{LINKS['entry']}")
    heading = seen.wait_for(
        ".st-key-table-problems [data-sort$=':tokens'], "
        ".st-key-table-problems [data-sort$='tokens']"
    )
    name = heading.text
    seen.driver.execute_script("arguments[0].focus()", heading)
    heading.send_keys(Keys.ENTER)
    seen.wait_for(".st-key-table-problems th[aria-sort]", name)

    def focused_heading() -> Any:
        found = seen.driver.switch_to.active_element
        return found if found.text.startswith(name) and len(found.text) < 40 else None

    focused = seen.wait_until(focused_heading, "the focus on the heading")
    assert focused.value_of_css_property("outline-style") == "solid"

    def announced() -> str:
        (found,) = seen.find(".st-key-table-problems [role='status']")
        return str(found.get_attribute("textContent"))

    said = seen.wait_until(announced, "the announcement")
    assert said.startswith(f"Sorted by {name}, ")
    assert said.endswith("cending")
    focused.send_keys(Keys.ENTER)  # the other way round
    seen.wait_until(
        lambda: announced() not in ("", said),
        "the other order",
    )
    assert seen.wait_until(focused_heading, "the focus on the heading")


def test_a_note_opens_by_the_keyboard_and_closes_again(running: Server, seen: Browser) -> None:
    seen.open(f"{running.url}/{LINKS['entry']}")
    note = seen.wait_for(".dps-why")
    assert not seen.find("[popover]:popover-open")
    seen.driver.execute_script("arguments[0].focus()", note)
    note.send_keys(Keys.ENTER)
    (opened,) = seen.find("[popover]:popover-open")
    assert opened.text == note.get_attribute("title") != ""
    note.send_keys(Keys.ESCAPE)
    assert not seen.find("[popover]:popover-open")


def test_the_menu_of_a_phone_has_a_name_and_leads_to_every_page(
    running: Server, seen: Browser
) -> None:
    seen.resize(390, 844)
    seen.open(f"{running.url}/submit")
    menu = seen.wait_for("[data-testid='stExpandSidebarButton']")
    assert menu.accessible_name == "Menu"
    shown = "return getComputedStyle(arguments[0], '::after').content"
    assert seen.driver.execute_script(shown, menu) == '"Menu"'
    menu.click()
    seen.wait_for("[data-testid='stSidebarNav'] a", "Judges")
    links = seen.find("[data-testid='stSidebarNav'] a")
    names = [each.text.splitlines()[-1] for each in links]  # after the letters of its icon
    assert names == [page.title for page in PAGES.values()]
    assert violations(seen) == []


def test_rows_are_cards_on_a_phone(running: Server, seen: Browser) -> None:
    seen.resize(390, 844)
    seen.open(f"{running.url}/{link('board')}")
    row = seen.wait_for("table.dps-stack tbody tr")
    assert row.value_of_css_property("display") == "block"
    cell = row.find_element("css selector", "td")
    label = "return getComputedStyle(arguments[0], '::before').content"
    heading = cell.get_attribute("data-label")
    assert seen.driver.execute_script(label, cell) == f'"{heading}"' != '""'
    assert row.size["width"] <= 390


@pytest.mark.parametrize("name", [*PAGES])
def test_a_preview_of_a_link_names_the_page(running: Server, name: str) -> None:
    address = f"{running.url}/{'' if name == HOME else name}?{urlencode({'entry': 'x'})}"
    with urllib.request.urlopen(address) as answer:
        text = answer.read().decode()
    board = "deepprune-sim leaderboard"
    title = board if name == HOME else f"{PAGES[name].title} · {board}"
    assert text.count("<title>") == 1
    assert f"<title>{title}</title>" in text
    assert f'<meta property="og:title" content="{title}">' in text
    assert text.count('rel="modulepreload" crossorigin href="./static/js/BidiComponent.') == 1
