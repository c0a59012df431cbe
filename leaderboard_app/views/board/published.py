"""Published figures in the form of a paper's main table: models × benchmarks.

Each model has a block of rows, one for each method of each source, and each benchmark a column of
tokens and one of accuracy. The best figures are marked within a model and a benchmark, among the
published ones alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leaderboard_app.library.library import Library
from leaderboard_app.library.selection import canonical
from leaderboard_app.shown.glossary import FIGURES
from leaderboard_app.shown.table import Cell, Column, Table
from simulator.submissions.published import PublishedFigure, Source

TOKENS, ACCURACY = SHOWN = ("tokens_1e8", "accuracy")
"""Metrics shown for each benchmark."""

MARKS = ("†", "‡", "§", "¶")
"""Footnote signs of sources, doubled when they run out."""

HEADING = "Published figures"
ABOUT = "From publications, not replayed: compared among themselves, never ranked."


def published_table(library: Library) -> Table | None:
    """Build the table of published figures; None if there are none."""
    figures = library.published
    if not figures:
        return None
    signs = _signs(figures)
    benchmarks = {canonical(each.benchmark): each.benchmark for each in reversed(figures)}
    order = list(dict.fromkeys(canonical(each.benchmark) for each in figures))
    columns = [
        Column("model", "Model", numeric=False),
        Column("method", "Method", numeric=False),
    ]
    for name in order:
        for metric in SHOWN:
            figure = FIGURES[metric]
            down = figure.lower_is_better is False
            columns.append(
                Column(
                    f"{name}.{metric}",
                    figure.heading,
                    benchmarks[name],
                    figure.help,
                    descending=down,
                )
            )
    columns += [
        Column("by", "By", numeric=False),
        Column("links", "Links", numeric=False, help="The publication and its code"),
    ]
    rows = []
    for model, lines in _by_model(figures).items():
        best = _best([each for own in lines.values() for each in own.values()])
        rows += [_row(model, order, own, best, signs) for own in lines.values()]
    return Table(
        f"{HEADING}: tokens and accuracy on each benchmark, by model",
        tuple(columns),
        tuple(rows),
        tuple(_notes(figures, signs)),
        first=2,
        stack=True,
    )


def _by_model(
    figures: Sequence[PublishedFigure],
) -> dict[str, dict[tuple[str, str], dict[str, PublishedFigure]]]:
    """Return figures by model, then by source and method, then by benchmark, in listed order."""
    spelt: dict[str, str] = {}
    found: dict[str, dict[tuple[str, str], dict[str, PublishedFigure]]] = {}
    for each in figures:
        model = spelt.setdefault(canonical(each.model), each.model)
        line = found.setdefault(model, {}).setdefault((each.source.name, each.method), {})
        line[canonical(each.benchmark)] = each
    return found


def _best(figures: Sequence[PublishedFigure]) -> dict[tuple[str, str], str]:
    """Return the best texts by benchmark and metric, so that equal ones are ties."""
    shown: dict[tuple[str, str], set[str]] = {}
    for each in figures:
        for metric in SHOWN:
            place = (canonical(each.benchmark), metric)
            shown.setdefault(place, set()).add(_text(each, metric))
    return {
        (name, metric): (min if FIGURES[metric].lower_is_better else max)(
            texts, key=lambda text: float(text.replace(",", ""))
        )
        for (name, metric), texts in shown.items()
    }


def _text(figure: PublishedFigure, metric: str) -> str:
    return FIGURES[metric].text(figure.tokens_1e8 if metric == TOKENS else figure.accuracy)


def _row(
    model: str,
    benchmarks: Sequence[str],
    own: Mapping[str, PublishedFigure],
    best: Mapping[tuple[str, str], str],
    signs: Mapping[str, str],
) -> tuple[Cell, ...]:
    first = next(iter(own.values()))
    source, mark = first.source, signs[first.source.name]
    cells = []
    for name in benchmarks:
        for metric in SHOWN:
            figure = own.get(name)
            if figure is None:
                cells.append(Cell(note=f"Not published in {source.title}."))
                continue
            text = _text(figure, metric)
            is_best = best[name, metric] == text
            cells.append(
                Cell(
                    text,
                    figure.tokens_1e8 if metric == TOKENS else figure.accuracy,
                    bold=is_best and metric == TOKENS,
                    underlined=is_best and metric == ACCURACY,
                )
            )
    links = (("paper", source.paper), ("code", source.code))
    given = tuple((name, address) for name, address in links if address)
    day = source.date.isoformat() if source.date else ""
    return (
        Cell(model, model),
        Cell(first.method, first.method, f"As published in {source.title}.", mark=mark),
        *cells,
        Cell(source.organisation or "", source.organisation, below=day),
        Cell(" · ".join(name for name, _ in given), links=given),
    )


def _signs(figures: Sequence[PublishedFigure]) -> dict[str, str]:
    """Return a footnote sign for each source by its name, the earliest source first."""
    sources = {figure.source.name: figure.source for figure in figures}
    order = sorted(sources.values(), key=lambda each: (str(each.date or "9999"), each.name))
    return {
        source.name: MARKS[index % len(MARKS)] * (1 + index // len(MARKS))
        for index, source in enumerate(order)
    }


def _notes(figures: Sequence[PublishedFigure], signs: Mapping[str, str]) -> list[str]:
    sources = {figure.source.name: figure.source for figure in figures}
    return [
        "Bold: fewest tokens. Underlined: highest accuracy. Both within a model and a benchmark, "
        "ties included.",
        *(f"{sign} {_cited(sources[name])}" for name, sign in signs.items()),
    ]


def _cited(source: Source) -> str:
    parts = (source.organisation, str(source.date or ""), source.paper)
    return f"Published, not replayed: {source.title}. {', '.join(each for each in parts if each)}."
