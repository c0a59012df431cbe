"""The export in a browser: with and without JavaScript, light and dark, served and from a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe import violations
from exported import CLOSED, OPEN, served
from served import Browser, browser, chromium

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium with its driver here"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

KINDS = (
    "index.html",
    "tradeoff.html",
    "problems.html",
    f"pool/{OPEN}.html",
    "entry/2026-11-20-asc-2.html",
    "entry/2026-11-20-esc.html",
    f"problem/{OPEN}/p1.html",
    f"problem/{CLOSED}/p1.html",
)
"""A page of each kind."""


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as url:
        yield url


def go(seen: Browser, url: str) -> None:
    seen.driver.get(url)
    if "tradeoff" in url:
        seen.wait_until(lambda: seen.find(".drawn svg.marks"), "the chart")


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1400, True), (390, False)])
def test_pages_have_no_barriers_and_are_not_wider_than_the_window(
    address: str, width: int, dark: bool
) -> None:
    with browser(width=width, dark=dark) as seen:
        for name in KINDS:
            go(seen, address + name)
            assert violations(seen) == [], name
            assert not seen.faults(), name
            size = seen.driver.execute_script(
                "return [document.documentElement.scrollWidth, window.innerWidth]"
            )
            assert size[0] <= size[1], name
            ground = seen.driver.execute_script(
                "return getComputedStyle(document.documentElement).backgroundColor"
            )
            assert (ground != "rgb(255, 255, 255)") is dark


def test_no_request_leaves_the_folder(address: str) -> None:
    with browser(traffic=True) as seen:
        seen.requests()
        for name in KINDS:
            go(seen, address + name)
        asked = [each for each in seen.requests() if not each.startswith(("data:", "blob:"))]
    assert len(asked) > len(KINDS)
    assert [each for each in asked if not each.startswith(address)] == []


def test_a_folder_on_a_disk_works_as_one_on_a_server(site: Path) -> None:
    with browser() as seen:
        for name in KINDS:
            go(seen, (site / name).as_uri())
            assert not seen.faults(), name
            assert seen.find("table.dps"), name


def test_readers_without_scripts_have_tables_texts_and_pictures(address: str) -> None:
    with browser() as seen:
        seen.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        for name in KINDS:
            seen.driver.get(address + name)
            assert len(seen.find("table.dps tbody tr")) > 1, name
            assert not seen.find("table.dps thead button"), name  # which only scripts would serve
            assert all(each.is_displayed() for each in seen.find("table.dps tbody tr th")), name
            assert not seen.find(".drawn"), name
        for name in ("tradeoff.html", f"problem/{OPEN}/p1.html"):
            seen.driver.get(address + name)
            (picture,) = seen.find(".chart img")
            assert picture.is_displayed()
            assert picture.size["width"] > 200


def test_headings_sort_a_table_and_keep_the_focus(address: str) -> None:
    with browser() as seen:
        go(seen, f"{address}entry/2026-11-20-asc-2.html")
        table = next(each for each in seen.find("table.dps") if "Saved tokens" in each.text)
        headings = table.find_elements("css selector", "thead th")
        place = [each.text.strip("▲▼") for each in headings].index("Tokens")

        def column() -> list[float]:
            rows = table.find_elements("css selector", "tbody tr")
            cells = [row.find_elements("css selector", "th, td")[place].text for row in rows]
            return [float(text.replace(",", "")) for text in cells]

        assert column() != sorted(column(), reverse=True)
        button = headings[place].find_element("css selector", "button")
        for sort, reverse in (("descending", True), ("ascending", False)):
            seen.click(button)
            assert headings[place].get_attribute("aria-sort") == sort
            assert column() == sorted(column(), reverse=reverse)
            assert seen.driver.switch_to.active_element == button


def test_a_click_on_a_point_opens_its_entry(address: str) -> None:
    with browser() as seen:
        go(seen, f"{address}tradeoff.html")
        points = seen.find(".drawn .mark-symbol path")
        for point in points:
            box = point.rect
            if box["width"] > 4 and point.is_displayed():
                seen.driver.execute_script(
                    "const [x, y] = arguments;"
                    "const at = document.elementFromPoint(x, y);"
                    "for (const kind of ['mousedown', 'mouseup', 'click'])"
                    "at.dispatchEvent(new MouseEvent(kind,"
                    " {bubbles: true, clientX: x, clientY: y}));",
                    box["x"] + box["width"] / 2,
                    box["y"] + box["height"] / 2,
                )
            if "entry/" in seen.driver.current_url:
                break
        seen.wait_until(lambda: "entry/2026-11-20-" in seen.driver.current_url, "an entry's page")
