"""Text can be read on the background of each theme: a contrast of 4.5:1, as WCAG AA asks for."""

from __future__ import annotations

import re

import pytest

from leaderboard_app.export import site
from leaderboard_app.export.charts import STYLE
from leaderboard_app.shown.palette import TEXT


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def colours_of_export() -> list[dict[str, str]]:
    """Return the variables of the export's style sheet, light and dark."""
    css = (site.HERE / "site.css").read_text(encoding="utf-8")
    found = [dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", each)) for each in css.split("@media")]
    return [each for each in found if each]


STREAMLIT = [
    {"--st-text-color": "#2f2d2b", "--st-background-color": "#ffffff"},
    {"--st-text-color": "#edebe8", "--st-background-color": "#171614"},
]
"""Colours of Streamlit's themes, light and dark."""


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_text_in_charts_can_be_read_in_both_themes_of_the_app_and_of_the_export() -> None:
    light, dark = colours_of_export()
    assert TEXT == "currentColor"
    for theme in (*STREAMLIT, light, dark):
        assert contrast(theme["--st-text-color"], theme["--st-background-color"]) >= 4.5
    (in_dark,) = re.findall(r"svg {color: (#[0-9a-f]{6})}", STYLE)
    assert contrast(in_dark, dark["--st-background-color"]) >= 4.5
    assert contrast("#000000", light["--st-background-color"]) >= 4.5


def test_small_text_of_the_export_can_be_read_in_both_themes() -> None:
    for theme in colours_of_export():
        assert contrast(theme["--quiet"], theme["--st-background-color"]) >= 4.5
        assert contrast(theme["--st-link-color"], theme["--st-background-color"]) >= 4.5


def test_no_one_grey_can_be_read_in_both_themes_of_the_app() -> None:
    """Reason for the page's own colour."""
    greys = ["#" + f"{each:02x}" * 3 for each in range(256)]
    backgrounds = [theme["--st-background-color"] for theme in STREAMLIT]
    assert max(min(contrast(grey, each) for each in backgrounds) for grey in greys) < 4.5
