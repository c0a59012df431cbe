"""A comparison of runs as text: aligned table, GitHub Markdown, LaTeX."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from simulator.report.against import Against
from simulator.report.axes import CLOCK, DEFAULT, shown_axes
from simulator.report.export import as_csv, as_json
from simulator.report.paired import Standing
from simulator.report.prices import Bill
from simulator.report.rows import (
    ALL_POOLS,
    MARKS,
    RESTS_ON_FEW,
    TIED,
    Combined,
    Comparison,
    PoolPairs,
    Row,
    judge_cost,
    judge_share,
    used_costs,
)
from simulator.report.tables import FOLD, aligned
from simulator.runs.results import Metric, RunResult
from simulator.significance import MARGIN, Contrast
from simulator.statistics import Estimate

HEADERS = (
    "pool",
    "method",
    "N",
    "rank",
    "accuracy % [95%]",
    "tokens/problem",
    "tokens 10^8",
    "reduction %",
    "probe tokens",
    "judge cost",
    "judge %",
    "total cost",
    "dollars",
    "FLOPs",
    "to cons@N [95%]",
    "not worse",
    "to best [95%]",
    "clock",
    "Pareto",
)

RIGHT = (False, False, *[True] * 13, False, True, True, False)
"""True for each column that is flush right."""

DISPENSABLE = (
    *("tokens 10^8", "judge cost", "probe tokens", FOLD, "not worse", "to cons@N [95%]"),
    *("to baseline [95%]", "judge %", "one is right %", "answers [95%]", "clock", "rank", "N"),
)
"""Columns to drop on a narrow terminal, in this order, and when to fold intervals."""

TO_BASELINE = "to baseline [95%]"
"""Header of the difference to a baseline that was chosen."""

KEPT_HEADERS = (
    "pool",
    "method",
    "N",
    "one is right %",
    "answers [95%]",
    "of all answers %",
    "right one kept %",
)

PAIR_HEADERS = ("pool", "method", "against", "accuracy [95%]", "fewer tokens % [95%]")


@dataclass(frozen=True, slots=True)
class Block:
    """A table of formatted cells. The first `names` columns are names, the others numbers.

    `right` is True for columns that are flush right. With `grouped`, rows with the same first
    column belong together.
    """

    heading: str
    headers: Sequence[str]
    right: Sequence[bool]
    rows: list[list[str]]
    names: int = 2
    grouped: bool = True


def dispensable(comparison: Comparison) -> tuple[str, ...]:
    """Return the columns to drop on a narrow terminal, as `DISPENSABLE`.

    The difference to a chosen baseline and a chosen clock are kept. The reduction, which is of
    generated tokens alone, goes before the clock where there is a total cost.
    """
    kept = {TO_BASELINE} if comparison.baseline else set()
    kept |= {"clock"} if CLOCK in comparison.axes else set()
    order = [each for each in DISPENSABLE if each not in kept]
    if not any(row.standing for row in comparison.rows) and not comparison.baseline:
        order.remove("to cons@N [95%]")  # the only comparison there is
        order.insert(order.index("rank"), "to cons@N [95%]")
    if used_costs([row.result for row in comparison.rows]):
        order.insert(order.index("answers [95%]") + 1, "reduction %")
    return tuple(order)


def blocks(comparison: Comparison) -> list[Block]:
    """Return the tables of a comparison: pools, averages over pools, and those requested."""
    found = []
    unused = unused_headers(comparison.rows)
    by = "" if comparison.axes == DEFAULT else f": Pareto by {shown_axes(comparison.axes)}"

    def told(block: Block) -> Block:
        block = without(replace(block, heading=f"{block.heading}{by}"), unused)
        if comparison.baseline is None:
            return block
        headers = [TO_BASELINE if each == "to cons@N [95%]" else each for each in block.headers]
        return replace(block, headers=headers)

    for heading, rows in comparison.sections:
        table = Block(heading, HEADERS, RIGHT, [cells(row, comparison.margin) for row in rows])
        found.append(told(table))
        if comparison.combined and not rows[0].result.synthetic:
            found.append(told(combined_block(comparison.combined, comparison.margin)))
    if comparison.diversity:
        right = [False, False, True, True, True, True, True]
        for heading, rows in comparison.sections:
            kept = [kept_cells(row) for row in rows]
            found.append(Block(f"{heading}: what is kept", KEPT_HEADERS, right, kept))
    found += [pairs_block(each) for each in comparison.pairs]
    return found


def unused_headers(rows: Sequence[Row]) -> set[str]:
    """Return the headers of costs that no run has."""
    used = used_costs([row.result for row in rows])
    there = {
        "probe tokens": "probes" in used,
        "judge cost": "judge" in used,
        "judge %": "judge" in used,
        "total cost": bool(used),
        "dollars": any(row.bill and row.bill.dollars is not None for row in rows),
        "FLOPs": any(row.bill and row.bill.flops is not None for row in rows),
    }
    return {header for header, is_there in there.items() if not is_there}


def without(block: Block, headers: Collection[str]) -> Block:
    """Return a table without some of its columns."""
    kept = [index for index, header in enumerate(block.headers) if header not in headers]
    return replace(
        block,
        headers=[block.headers[index] for index in kept],
        right=[block.right[index] for index in kept],
        rows=[[row[index] for index in kept] for row in block.rows],
    )


def panels(comparison: Comparison) -> list[Block]:
    """Return the same tables for printing, one for each pool, to keep rows short."""
    found = []
    for block in blocks(comparison):
        if not block.grouped:
            found.append(block)
            continue
        about = "".join(block.heading.partition(": ")[1:])
        pools: dict[str, list[list[str]]] = {}
        for first, *others in block.rows:
            pools.setdefault(first, []).append(others)
        found += [
            Block(
                pool + about,
                block.headers[1:],
                block.right[1:],
                rows,
                block.names - 1,
                grouped=False,
            )
            for pool, rows in pools.items()
        ]
    return found


def combined_block(combined: Sequence[Combined], margin: float = MARGIN) -> Block:
    """Return a table of methods over all recorded pools: the HEADERS that can be averaged."""
    left_out = {"pool", "tokens 10^8"}
    columns = [index for index, header in enumerate(HEADERS) if header not in left_out]
    return Block(
        ALL_POOLS,
        [HEADERS[index] for index in columns],
        [RIGHT[index] for index in columns],
        [combined_cells(each, margin) for each in combined],
        names=1,
        grouped=False,
    )


def combined_cells(combined: Combined, margin: float = MARGIN) -> list[str]:
    """Format a method over all pools, one text for each header of its block."""
    result, averages = combined.results[0], combined.averages
    budgets = sorted({each.budget for each in combined.results})
    return [
        combined.method + (" (unranked)" if result.unranked else ""),
        str(budgets[0]) if len(budgets) == 1 else f"{budgets[0]}-{budgets[-1]}",
        _rank(combined.standing),
        _percentage(averages.accuracy),
        f"{averages.tokens_per_problem.value:,.0f}{MARKS.get(combined.token_accuracy, '')}",
        _fixed(100 * averages.reduction.value),
        *_cost_cells(combined.results, combined.bills),
        _points(averages.to_baseline, _tied_to(combined.against)),
        _not_worse(averages.to_baseline, margin),
        _standing(combined.standing),
        _clock(combined.mean("clock"), {each.clock_unit for each in combined.results}),
        _front(result.unranked, combined.pareto),
    ]


def kept_cells(row: Row) -> list[str]:
    """Format the answers kept by a method's finished traces, one text for each of KEPT_HEADERS."""
    metrics = row.result.metrics
    return [
        *cells(row)[: KEPT_HEADERS.index("N") + 1],
        _percentage(metrics.get("pass_at_k")),
        interval(metrics.get("distinct_answers"), 1, "", 2),
        _percentage(metrics.get("distinct_answers_share")),
        _percentage(metrics.get("gold_survived")),
    ]


def pairs_block(found: PoolPairs) -> Block:
    """Return a table of all pairs of a pool: difference in accuracy, and tokens saved."""
    rows = [
        [
            found.pool + (" (synthetic)" if found.synthetic else ""),
            found.methods[pair.first],
            found.methods[pair.second],
            _points(pair.contrast, pair.tied),
            _percentage(pair.reduction),
        ]
        for pair in found.pairs
    ]
    right = [False, False, False, True, True]
    return Block(f"{found.pool}: every pair", PAIR_HEADERS, right, rows, names=3)


def _standing(standing: Standing | None) -> str:
    if standing is None:
        return ""
    if standing.best:
        return "best"
    return _points(standing.contrast, standing.tied)


def _points(contrast: Contrast, tied: bool | None = False) -> str:
    """Format a difference in points with its marks, and the smallest one that would be shown."""
    known = contrast.difference.low != contrast.difference.high  # else cons@N with itself
    mark = RESTS_ON_FEW if contrast.few and known else ""
    least = contrast.detectable if known else None
    shows = "" if least is None else f" ({_fixed(100 * least)})"
    return _percentage(contrast.difference, sign="+") + mark + f" {TIED}" * bool(tied) + shows


def _tied_to(found: Against | None) -> bool:
    """Check whether a method is tied with the chosen baseline, and is not that itself."""
    if found is None or not found.tied:
        return False
    return found.contrast.difference != Estimate(0.0, 0.0, 0.0)


def _not_worse(contrast: Contrast | None, margin: float) -> str:
    found = None if contrast is None else contrast.not_worse(margin)
    return "" if found is None else "yes" if found else "no"


def _rank(standing: Standing | None) -> str:
    """Format a rank, as a range where several are possible."""
    if standing is None:
        return ""
    first, last = standing.rank
    return str(first) if first == last else f"{first}–{last}"


def cells(row: Row, margin: float = MARGIN) -> list[str]:
    """Format a row, one text for each of HEADERS.

    Percentages and points have one decimal; tokens per problem are rounded to whole ones.
    """
    result = row.result
    mark = MARKS.get(result.token_accuracy, "")
    total = result.value("tokens_1e8")
    return [
        row.pool + (" (synthetic)" if result.synthetic else ""),
        row.method + (" (unranked)" if result.unranked else ""),
        str(result.budget),
        _rank(row.standing),
        _percentage(row.accuracy),
        f"{row.tokens.value:,.0f}{mark}",
        "" if total is None else _significant(total) + mark,
        "" if row.reduction is None else _fixed(100 * row.reduction.value),
        *_cost_cells([result], [row.bill] if row.bill else []),
        _points(row.to_baseline, _tied_to(row.against))
        if row.to_baseline
        else _percentage(result.metrics.get("accuracy_difference"), sign="+"),
        _not_worse(row.to_baseline, margin),
        _standing(row.standing),
        _clock(result.value("clock"), {result.clock_unit}),
        _front(result.unranked, row.pareto),
    ]


def _front(unranked: bool, pareto: bool | None) -> str:
    return "unranked" if unranked else "unknown" if pareto is None else "yes" if pareto else ""


def _cost_cells(results: Sequence[RunResult], bills: Sequence[Bill]) -> list[str]:
    """Format probe tokens, cost and share of the judge, total cost, dollars and FLOPs.

    They are means over pools.
    """
    costs: list[list[float | None]] = [
        [each.value("probe_tokens") for each in results],
        [judge_cost(each) for each in results],
    ]
    shares = [judge_share(each) for each in results]
    shares = [None if share is None else 100 * share for share in shares]
    dollars, flops = ([getattr(each, name) for each in bills] for name in ("dollars", "flops"))
    return [
        *(_mean(values, ",.0f") for values in costs),
        _mean(shares, ".1f"),
        _mean([each.value("cost") for each in results], ",.0f"),
        _mean(dollars, ".4g"),
        _mean(flops, ".2e"),
    ]


def _mean(values: Sequence[float | None], form: str) -> str:
    """Format the mean of values; empty if one is unknown, or if there are none."""
    known = [value for value in values if value is not None]
    return format(fmean(known), form) if known and len(known) == len(values) else ""


def _percentage(metric: Metric | None, sign: str = "") -> str:
    return interval(metric, 100, sign, 1)


def interval(metric: Metric | Estimate | None, scale: float, sign: str, decimals: int) -> str:
    """Format a metric with its interval, if it has one; None as an empty text."""
    if metric is None:
        return ""
    text = _fixed(scale * metric.value, sign, decimals)
    if metric.low is None or metric.high is None:
        return text
    ends = [_fixed(scale * end, sign, decimals) for end in (metric.low, metric.high)]
    return f"{text} [{', '.join(ends)}]"


def _fixed(number: float, sign: str = "", decimals: int = 1) -> str:
    """Format with a fixed number of decimals, without a minus before zero."""
    rounded = round(number, decimals) + 0.0
    return f"{rounded:{sign if rounded else ''}.{decimals}f}"


def _significant(number: float) -> str:
    """Format with three decimals, or more if needed to show three significant digits."""
    if number == 0:
        return "0"
    return f"{number:.{max(3, 2 - math.floor(math.log10(abs(number))))}f}"


def _clock(clock: float | None, units: Collection[str]) -> str:
    """Format a clock, without a unit if it is steps; empty if unknown, or of several units."""
    if clock is None or len(units) > 1:
        return ""
    return f"{clock:,.1f} s" if "seconds" in units else f"{clock:,.0f}"


def as_table(comparison: Comparison) -> str:
    """Format as plain text with aligned columns, with sections for real and synthetic pools."""
    return table_of(blocks(comparison), comparison.notes)


def table_of(tables: Sequence[Block], notes: Sequence[str]) -> str:
    """Format tables and the notes below them as plain text with aligned columns."""
    parts = [
        f"{block.heading}\n\n{aligned(block.headers, block.rows, block.right)}" for block in tables
    ]
    return "\n".join([*parts, *notes]) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """Format as GitHub tables, with sections for real and synthetic pools."""
    return markdown_of(blocks(comparison), comparison.notes)


def markdown_of(tables: Sequence[Block], notes: Sequence[str]) -> str:
    """Format tables and the notes below them as GitHub tables."""
    lines = []
    for block in tables:
        rule = "|".join(["", *("---:" if flush else "---" for flush in block.right), ""])
        heading = escape_markdown(block.heading)
        lines += [f"### {heading}", "", f"| {' | '.join(block.headers)} |", rule]
        for row in block.rows:
            names = map(escape_markdown, row[: block.names])
            numbers = map(str.strip, row[block.names :])
            lines.append(f"| {' | '.join([*names, *numbers])} |")
        lines.append("")
    lines += [f"- {escape_markdown(note)}" for note in notes]
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    """Escape all GitHub markup in `text`, and put it on one line."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|~$" else c for c in _one_line(text))


SMALL_GREEK = "αβγδεζηθικλμνξπρστυφχψω"
NAMES_OF_GREEK = """
    alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau
    upsilon varphi chi psi omega
""".split()  # noqa: SIM905  (a list a line would be long)
NAMES_OF_CAPITALS = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()  # noqa: SIM905

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "†": r"\textsuperscript{\dag}",
    "‡": r"\textsuperscript{\ddag}",
    **{each: rf"\textsuperscript{{{unicodedata.digit(each)}}}" for each in "⁰¹²³⁴⁵⁶⁷⁸⁹"},
    **{each: rf"\textsubscript{{{unicodedata.digit(each)}}}" for each in "₀₁₂₃₄₅₆₇₈₉"},
    **{each: rf"$\{name}$" for each, name in zip(SMALL_GREEK, NAMES_OF_GREEK, strict=True)},
    **{each: rf"$\{name}$" for each, name in zip("ΓΔΘΛΞΠΣΥΦΨΩ", NAMES_OF_CAPITALS, strict=True)},
    "−": "$-$",
    "⁻": r"\textsuperscript{$-$}",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≠": r"$\ne$",
    "∞": r"$\infty$",
    "∑": r"$\sum$",
    "√": r"$\surd$",
    "∈": r"$\in$",
    "⇒": r"$\Rightarrow$",
    "′": "$'$",
    "§": r"\S{}",
    "×": r"$\times$",
    "≈": r"$\approx$",
    "✓": r"$\surd$",
    "✔": r"$\surd$",
    "✕": r"$\times$",
    "▷": r"$\triangleright$",
    **{character: f"\\{character}" for character in "_%&#${}"},
}
"""LaTeX for special and missing characters, for pdflatex without packages."""


def escape_latex(text: str) -> str:
    """Escape all special characters of LaTeX in `text`, and put it on one line.

    Other symbols, such as that of a badge, are removed, because pdflatex does not have them.
    """
    line = _one_line(text)
    kept = [each for each in line if each in LATEX or unicodedata.category(each) != "So"]
    escaped = "".join(LATEX.get(each, each) for each in kept)
    if len(kept) < len(line):
        escaped = escaped.strip()
    escaped = escaped.replace("--", "-{}-")  # otherwise a dash
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped  # or an option of \\


def as_latex(comparison: Comparison) -> str:
    """Format as booktabs tabulars for real and synthetic pools, with a rule between pools."""
    return latex_of(blocks(comparison), comparison.notes)


def latex_of(tables: Sequence[Block], notes: Sequence[str]) -> str:
    """Format tables and the notes below them as booktabs tabulars."""
    lines = [r"% needs \usepackage{booktabs}"]
    for block in tables:
        columns = "".join("r" if flush else "l" for flush in block.right)
        headers = " & ".join(escape_latex(header) for header in block.headers)
        lines += [
            rf"% {_one_line(block.heading)}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            headers.replace(r"10\textasciicircum{}8", "$10^8$") + r" \\",
        ]
        before = None
        for row in block.rows:
            if before is None or (block.grouped and row[0] != before):
                lines.append(r"\midrule")
            escaped = [escape_latex(text) for text in row[: block.names]]
            escaped += [
                escape_latex(text.strip()).replace("-", "$-$") for text in row[block.names :]
            ]
            lines.append(" & ".join(escaped) + r" \\")
            before = row[0]
        lines += [r"\bottomrule", r"\end{tabular}", ""]
    lines += [rf"\par{{\footnotesize {escape_latex(note)}}}" for note in notes]
    return "\n".join(line for line in lines if line) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "table": as_table,
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
    "json": as_json,
}
