"""The check with axe-core finds what is wrong, and only that."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from axe import violations
from served import Browser, browser, chromium

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium with its driver here"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

CLEAN = """<!doctype html><html lang="en"><title>Page</title><main><h1>Page</h1>
<p style="color: #767676; background: #fff">Just enough contrast</p></main></html>"""

BARRIERS = CLEAN.replace("#767676", "#777").replace(
    "</main>", "<button id='nameless'></button></main>"
)


def violations_in(page: str, seen: Browser, **given: str) -> list[str]:
    seen.driver.get(f"data:text/html;charset=utf-8,{quote(page)}")
    return violations(
        seen, exceptions={name.replace("_", "-"): each for name, each in given.items()}
    )


def test_barriers_are_named_and_a_page_without_any_is_clean() -> None:
    with browser() as seen:
        assert violations_in(CLEAN, seen) == []
        nameless, pale = violations_in(BARRIERS, seen)
        assert nameless.startswith("button-name #nameless: ")
        assert pale.startswith("color-contrast p: ")
        assert "4.47" in pale  # by the formula of WCAG 2: 1.05 / (0.1845 + 0.05)
        assert violations_in(BARRIERS, seen, color_contrast="main") == [nameless]
