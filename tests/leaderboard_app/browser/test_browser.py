"""The whole way in a browser, as a reader goes it; no error in the console on any page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium.webdriver.common.keys import Keys
from served import Browser, Server, browser, chromium, server

from leaderboard_app.library.folders import Folders
from leaderboard_app.shown.navigation import HOME, PAGES

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium with its driver here"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

ROWS = "table.dps tbody tr"


@pytest.fixture(scope="module")
def running(full: Folders) -> Iterator[Server]:
    with server(full) as found:
        yield found


@pytest.fixture(scope="module")
def seen() -> Iterator[Browser]:
    with browser() as found:
        yield found


def parameters(seen: Browser) -> dict[str, str]:
    """Those of the page's link."""
    query = parse_qs(urlsplit(seen.driver.current_url).query)
    return {name: values[0] for name, values in query.items()}


def wait_for_link(seen: Browser, **wanted: str) -> None:
    """Wait until the page's link has these parameters: it changes after the page does."""
    seen.wait_until(lambda: wanted.items() <= parameters(seen).items(), f"{wanted} in the link")


def page_of(seen: Browser) -> str:
    return urlsplit(seen.driver.current_url).path.strip("/") or HOME


def methods(seen: Browser) -> list[str]:
    return [each.text for each in seen.find(f"{ROWS} > th")]


def shown_rows(seen: Browser) -> list[Any]:
    """Rows in sight: what is broken stands in a table that is folded away."""
    return [row for row in seen.find(ROWS) if row.is_displayed()]


def section_with(seen: Browser, method: str) -> list[list[str]]:
    """Cells' texts of the section that holds a method: each section is sorted by itself."""
    tables = (
        [
            [cell.text for cell in row.find_elements("css selector", "th, td")]
            for row in table.find_elements("css selector", "tbody tr")
        ]
        for table in seen.find("table.dps")
    )
    return next(rows for rows in tables if method in [row[0].split("\n")[0] for row in rows])


def choose(seen: Browser, label: str, option: str) -> None:
    """Choose an option of a box for several."""
    box = seen.wait_for(f"[data-testid='stMultiSelect'] input[aria-label*='{label}']")
    seen.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    box.click()
    box.send_keys(option)
    seen.wait_for("[role='option']", option).click()
    box.send_keys(Keys.ESCAPE)
    seen.settle()


def test_from_the_board_to_a_single_trace_and_to_a_comparison(
    running: Server, seen: Browser, tmp_path: Path
) -> None:
    seen.open(running.url)
    seen.wait_for("h1", "Leaderboard")
    assert len(methods(seen)) > 8

    # the runs of this machine, by a click on the switch
    seen.click(seen.wait_for("[data-testid='stButtonGroup'] button", "Local runs"))
    seen.wait_for("h2", "Local runs")
    wait_for_link(seen, show="local")
    seen.settle()

    # sort them by accuracy, the highest first
    local, published = seen.find("table.dps")[:2]
    before = published.text
    keys = local.find_elements("css selector", "[data-sort]")
    place = [each.text for each in keys].index("Accuracy, %")
    chosen = keys[place].get_attribute("data-sort")
    seen.click(keys[place])
    seen.wait_for("th[aria-sort='descending']")
    wait_for_link(seen, sort=chosen)
    shown = [row[place].split()[0] for row in section_with(seen, "parallel-probe")]
    numbers = [float(text) for text in shown if text != "–"]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) > 3
    assert seen.find("table.dps")[1].text == before

    # filter: only methods that read probes
    seen.click(seen.wait_for("summary", "Filter rows"))
    seen.settle()  # it unfolds
    choose(seen, "Needs any of", "probes")
    seen.wait_until(
        lambda: len(seen.find("table.dps")[0].find_elements("css selector", "tbody tr")) == 2,
        "two rows",
    )
    wait_for_link(seen, **{"show": "local", "needs": "probes", "sort": chosen})
    assert not seen.faults()

    # an entry
    seen.click(seen.wait_for("table.dps a", "parallel-probe"))
    seen.wait_until(lambda: page_of(seen) == "entry", "the page Entry")
    seen.settle()
    seen.wait_for("h2, h3", "Problems")
    wait_for_link(seen, entry="runs/parallel-probe")
    assert not seen.faults()

    # a problem
    seen.click(seen.wait_for("table.dps a", "p3"))
    seen.wait_until(lambda: page_of(seen) == "problem", "the page Problem")
    seen.settle()
    wait_for_link(seen, problem="p3")
    boxes = seen.find("[data-testid='stSelectbox'] input")
    assert "runs/parallel-probe" in [each.get_attribute("value") for each in boxes]
    seen.wait_until(lambda: seen.find("[data-testid='stVegaLiteChart'] svg.marks"), "a picture")
    assert not seen.faults()

    # a trace, by its number
    box = seen.wait_for("[data-testid='stNumberInput'] input[aria-label='Trace']")
    seen.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    box.click()
    box.send_keys("2", Keys.ENTER)
    seen.wait_for("h2", "Trace 2")
    wait_for_link(seen, trace="2")
    seen.wait_until(lambda: "w0 w1 w2" in seen.driver.page_source, "the trace's text")
    assert not seen.faults()
    seen.picture(tmp_path / "trace.png")
    assert (tmp_path / "trace.png").stat().st_size > 20_000

    # back, as the browser has it, one step a page
    here = seen.driver.current_url
    seen.driver.back()
    seen.wait_until(lambda: seen.driver.current_url != here, "the step before")

    # compare two
    seen.open(f"{running.url}/compare")
    choose(seen, "Entries", "parallel-probe")
    choose(seen, "Entries", "short-3@8")
    seen.wait_for("h2, h3", "Problem by problem")
    seen.wait_until(lambda: "runs/parallel-probe" in parameters(seen).get("entries", ""), "a link")
    assert len(seen.find(ROWS)) > 3
    assert not seen.faults()


def test_in_two_clicks_from_the_board_to_why_a_method_saved_tokens(
    running: Server, seen: Browser
) -> None:
    seen.open(running.url)
    seen.click(seen.wait_for("table.dps a", "Checked asc"))
    seen.wait_until(lambda: page_of(seen) == "entry", "the page Entry")
    seen.wait_for("h1", "Checked asc")
    caption = seen.wait_for("p", "saved the most tokens come first")
    problem = seen.wait_for("table.dps a", "p")
    whole = "Checked asc (threshold=0.9) · deepprune-sim leaderboard"
    seen.wait_until(lambda: seen.driver.title == whole, "a title")
    assert caption.location["y"] < problem.location["y"]
    name = problem.text
    seen.click(problem)
    seen.wait_until(lambda: page_of(seen) == "problem", "the page Problem")
    seen.wait_for("h1", f"on problem {name} of")
    text = seen.wait_for("[data-testid='stText']", "It generated").text
    assert "fewer. " in text
    assert "which spared" in text
    seen.wait_until(lambda: f"on problem {name} of" in seen.driver.title, "a title")
    assert not seen.faults()


@pytest.mark.parametrize(("width", "dark"), [(1400, True), (390, False)])
def test_every_page_in_the_dark_and_on_a_telephone(running: Server, width: int, dark: bool) -> None:
    with browser(width=width, dark=dark) as seen:
        for name in PAGES:
            seen.open(f"{running.url}/{'' if name == HOME else name}")
            seen.wait_for("h1")
            assert not seen.faults()
            page = seen.driver.execute_script(
                "return [document.documentElement.scrollWidth, window.innerWidth]"
            )
            assert page[0] <= page[1], name  # what is wider scrolls within the page, not the page
            ground = seen.driver.execute_script(
                "return getComputedStyle(document.querySelector('[data-testid=\"stApp\"]'))"
                ".backgroundColor"
            )
            brightness = sum(map(int, ground.removeprefix("rgb(").rstrip(")").split(","))) / 3
            assert (brightness < 100) == dark, name


def test_hostile_texts_of_a_submission_are_text(running: Server, seen: Browser) -> None:
    for page in ("", "entry?entry=2026-11-21-hostile", "tradeoff", "compare", "submit"):
        seen.open(f"{running.url}/{page}")
        seen.wait_for("h1")
        assert not seen.find("img[src='x']")
        assert not seen.find("a[href^='javascript']")
        assert not seen.faults()


def test_a_link_that_names_nothing_is_answered_by_a_line(running: Server, seen: Browser) -> None:
    for page in (
        "entry?entry=nobody",
        "problem?entry=runs/esc&pool=none&problem=x&repeat=99&trace=-1",
        "compare?entries=nobody,runs/esc",
        "tradeoff?pools=none&x=nonsense",
        "data?pool=../../etc",
        "?sort=nonsense&data=nonsense&show=nonsense&group=nonsense&since=yesterday",
    ):
        seen.open(f"{running.url}/{page}")
        seen.wait_for("h1")
        assert not seen.faults(), page
