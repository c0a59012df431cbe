"""Charts as files whose bytes depend on the chart only: Vega-Lite, SVG and the preview picture."""

from __future__ import annotations

import json
import re
from itertools import count
from typing import Any

from leaderboard_app.shown.charts import unchecked

PREVIEW = (1200, 630)
"""Size of the preview picture in pixels, as link previews show it without cropping."""

_NAMED_BY_ALTAIR = re.compile(r"(?<![A-Za-z0-9_])(view|param|layer|concat)_\d+")
"""Names that Altair counts up over all charts of a process."""

_NAMED_BY_VEGA = re.compile(r"\b(clip|gradient|pattern)\d+\b")


def spec_text(chart: Any) -> str:
    """Return the chart as Vega-Lite with its data, as JSON for a page."""
    import altair as alt

    with alt.theme.enable("none"), alt.data_transformers.enable("default", max_rows=None):
        spec = chart.to_dict(validate=False)
    config = spec.get("config", {})
    config = {**config, "mark": {**config.get("mark", {}), "aria": False}}
    text = json.dumps({**spec, "config": config}, ensure_ascii=False, allow_nan=False)
    return _renumbered(text, _NAMED_BY_ALTAIR, "{}_{}")


STYLE = (
    "<style>@media (prefers-color-scheme: dark) {svg {color: #e6e8ea} "
    'text[fill="#000"] {fill: #e6e8ea} '
    '[stroke="#ddd"] {stroke: #444b52} [stroke="#888"] {stroke: #8a929a}}</style>'
)
"""Style of an SVG whose texts and lines can be read on a dark page, too."""


def svg(chart: Any) -> str:
    """Render the chart as SVG with a transparent ground, for light and dark pages."""
    import vl_convert

    spec = json.loads(spec_text(chart.properties(background="transparent")))
    rendered = _renumbered(vl_convert.vegalite_to_svg(spec), _NAMED_BY_VEGA, "{}{}")
    head, end, rest = rendered.partition(">")
    return f"{head}{end}{STYLE}{rest}"


def preview(chart: Any | None, title: str, subtitle: str) -> bytes:
    """Render the preview picture of `PREVIEW`'s size, without a chart if there is none."""
    import altair as alt
    import vl_convert

    width, height = PREVIEW
    with unchecked():
        drawn = (
            alt.Chart({"values": [{}]}).mark_text(text="") if chart is None else chart
        ).properties(
            width=width,
            height=height,
            padding={"left": 40, "right": 50, "top": 36, "bottom": 24},
            autosize=alt.AutoSizeParams(type="fit", contains="padding"),
            background="white",
            title=alt.TitleParams(
                text=title,
                subtitle=subtitle,
                anchor="start",
                fontSize=44,
                subtitleFontSize=24,
                subtitlePadding=10,
                offset=24,
                color="#1a1a1a",
                subtitleColor="#444444",
                limit=width - 90,
            ),
        )
        spec = json.loads(spec_text(drawn))
    spec["config"]["view"] = {"stroke": None if chart is None else "#dddddd"}
    rendered: bytes = vl_convert.vegalite_to_png(spec, scale=1)
    return rendered


def _renumbered(text: str, names: re.Pattern[str], form: str) -> str:
    """Return the text with the names that a pattern finds numbered by their first place."""
    known: dict[str, str] = {}
    numbers = count(1)

    def renamed(found: re.Match[str]) -> str:
        if found[0] not in known:
            known[found[0]] = form.format(found[1], next(numbers))
        return known[found[0]]

    return names.sub(renamed, text)
