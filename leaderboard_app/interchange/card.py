"""The card of the board's dataset: its metadata, and a text about its tables.

Texts of submissions are escaped: none becomes a link, a mention or HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

import pyarrow as pa

from leaderboard_app.interchange.content import Content
from leaderboard_app.interchange.tables import ABOUT
from leaderboard_app.library.standings import MEASURED, RANKED, Group, Standing
from leaderboard_app.shown.glossary import FIGURES
from simulator.runs.results import Metric
from simulator.submissions.markdown import escape

SHOWN = ("accuracy", "tokens_per_problem", "reduction")
"""Metrics in the card's own tables."""

ROWS = 20
"""Most rows of a group in the card; the dataset has all."""


def dataset_card(content: Content, tables: Mapping[str, pa.Table]) -> str:
    """Return `README.md` of the dataset."""
    import yaml  # type: ignore[import-untyped]

    board, names = content.board, content.names
    licence = {"license": names.licence} if names.licence else {}
    metadata = {
        **licence,
        "pretty_name": board.title,
        "tags": ["leaderboard", "evaluation", "reasoning", "parallel-scaling", "deepprune-sim"],
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": "test", "path": f"data/{name}.parquet"}],
                **({"default": True} if name == "standings" else {}),
            }
            for name in tables
        ],
    }
    head = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n" + "\n".join(_text(content, tables))


def _text(content: Content, tables: Mapping[str, pa.Table]) -> Iterator[str]:
    board = content.board
    yield f"# {escape(board.title)}\n"
    if board.description:
        yield f"{escape(board.description)}\n"
    yield (
        "Methods that prune, stop or vote over parallel reasoning traces, replayed on recorded "
        "traces, token by token, by deepprune-sim. Figures of verified rows are a verifier's own: "
        "64 replays or more, with a seed that nobody could know.\n"
    )
    facts = {
        "board": board.url,
        "submissions": board.repository or content.source,
        "kept by": board.organisation and escape(board.organisation),
        "contact": board.contact and escape(board.contact),
    }
    yield from (f"- {name}: {value}" for name, value in facts.items() if value)
    yield "\n| table | rows | |\n|---|---|---|"
    for name, table in tables.items():
        yield f"| `{name}` | {table.num_rows:,} | {ABOUT[name]} |"
    yield ""
    for group, found in groupby(content.rows(), key=lambda each: each[0]):
        yield from _group(group, (row for _, row in found))
    yield "## Columns of figures\n"
    yield (
        "`_low` and `_high` are the ends of the 95% interval. `part` tells verified rows from "
        "self-reported ones and from bounds that know the right answer. Shares, accuracies "
        "and their differences are fractions: 0.01 is a point.\n"
    )
    yield from (f"- `{name}`: {FIGURES[name].help}" for name in MEASURED if name in FIGURES)
    yield "\n## Licence\n"
    yield (
        "The tables hold figures and facts about their sources, and no traces, questions or "
        "answers: those have the licences of their pools. "
        + (
            f"The keeper of the board publishes the figures under `{content.names.licence}`."
            if content.names.licence
            else "The keeper of the board states no licence for the figures."
        )
        + " Descriptions of methods are their authors'.\n"
    )


def _group(group: Group, rows: Iterable[Standing]) -> Iterator[str]:
    """Write the ranked rows of a group."""
    ranked = [row for row in rows if row.part == RANKED]
    if not ranked:
        return
    yield f"## {escape(group.heading)}\n"
    headings = [f"{FIGURES[name].heading} [95%]" for name in SHOWN]
    yield f"| rank | method | N | {' | '.join(headings)} |"
    yield "|---|---|---" + "|---" * len(SHOWN) + "|"
    for row in ranked[:ROWS]:
        cells = [_cell(name, row.metrics.get(name)) for name in SHOWN]
        budgets = ", ".join(f"{each:,}" for each in row.budgets)
        yield f"| {row.place.range} | {escape(row.entry.label)} | {budgets} | {' | '.join(cells)} |"
    more = len(ranked) - ROWS
    yield f"\nand {more} more in `standings`\n" if more > 0 else ""


def _cell(name: str, metric: Metric | None) -> str:
    """Return a figure as `90.2 [81.9, 97.0]`; empty if it is not known."""
    if metric is None:
        return ""
    value, low, high = map(FIGURES[name].text, (metric.value, metric.low, metric.high))
    return f"{value} [{low}, {high}]" if low and high else value
