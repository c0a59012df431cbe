"""Chart of the tokens an entry saves: its tokens on each problem beside those of cons@N."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pyarrow as pa

from leaderboard_app.library.entry import Result
from leaderboard_app.shown.palette import BAD, GOOD, SERIES
from leaderboard_app.views.entry.entry import ProblemFigures

NAMED = 40
"""Maximum number of problems whose names are shown below the bars."""

OUTCOMES = ("right more often than cons@N", "as often", "less often")


def outcome(figures: ProblemFigures) -> str:
    """Return one of `OUTCOMES`: the entry is right more, as or less often than cons@N."""
    difference = figures.accuracy - figures.baseline_accuracy
    return OUTCOMES[0] if difference > 0 else OUTCOMES[2] if difference < 0 else OUTCOMES[1]


def rows(problems: Sequence[ProblemFigures]) -> list[dict[str, Any]]:
    """Build a row for each problem, the most expensive for cons@N first."""
    ranked = sorted(problems, key=lambda each: (-each.baseline_tokens, each.problem_id))
    return [
        {
            "problem": each.problem_id,
            "tokens": each.tokens,
            "cons": each.baseline_tokens,
            "saved": each.saved,
            "right": each.accuracy,
            "outcome": outcome(each),
        }
        for each in ranked
    ]


def savings_chart(result: Result, problems: Sequence[ProblemFigures]) -> alt.LayerChart:
    """Draw cons@N as grey bars and the entry as coloured bars within them."""
    found = rows(problems)
    names = [row["problem"] for row in found]
    base = alt.Chart(pa.Table.from_pylist(found))
    x = alt.X(
        "problem:N",
        sort=names,
        title=f"Problems ({len(names)}), by tokens of cons@{result.budget}",
        axis=alt.Axis(labels=len(names) <= NAMED, ticks=False, labelAngle=-60, labelLimit=70),
    )
    hover = [
        alt.Tooltip("problem:N", title="Problem"),
        alt.Tooltip("tokens:Q", title="Tokens", format=",.0f"),
        alt.Tooltip("cons:Q", title=f"cons@{result.budget}", format=",.0f"),
        alt.Tooltip("saved:Q", title="Fewer tokens", format=".1%"),
        alt.Tooltip("right:Q", title="Right", format=".0%"),
    ]
    whole = base.mark_bar(color="#9aa0a6", opacity=0.45).encode(
        x=x, y=alt.Y("cons:Q", title="Tokens", axis=alt.Axis(format="~s")), tooltip=hover
    )
    used = base.mark_bar().encode(
        x=x,
        y="tokens:Q",
        color=alt.Color(
            "outcome:N",
            title="Right",
            scale=alt.Scale(domain=list(OUTCOMES), range=[GOOD, SERIES[0], BAD]),
            legend=alt.Legend(orient="top", labelLimit=260, columns=2),
        ),
        tooltip=hover,
    )
    return alt.layer(whole, used).properties(height=300)


def savings_text(result: Result, problems: Sequence[ProblemFigures]) -> str:
    """Describe the chart in words: tokens saved in total, and the problems with most and least."""
    if not problems:
        return "There are no problems."
    total = sum(each.baseline_tokens for each in problems)
    saved = total - sum(each.tokens for each in problems)
    ranked = sorted(problems, key=lambda each: (-each.saved, each.problem_id))
    more, same, less = (sum(outcome(each) == name for each in problems) for name in OUTCOMES)
    return (
        f"Of the {total:,.0f} tokens of cons@{result.budget} over {len(problems)} problems the "
        f"entry saves {saved / max(total, 1):z.1%}; most on {ranked[0].problem_id} "
        f"({ranked[0].saved:z.1%}), least on {ranked[-1].problem_id} ({ranked[-1].saved:z.1%}). It "
        f"is right more often than cons@{result.budget} on {more}, as often on {same} and less "
        f"often on {less} of them."
    )
