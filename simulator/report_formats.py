"""A comparison of runs as text: aligned table, GitHub Markdown, LaTeX, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from typing import Any

from simulator.report import MARKS, Comparison, Row
from simulator.run_reader import METRICS, Metric
from simulator.tables import aligned

HEADERS = (
    "pool",
    "method",
    "N",
    "accuracy % [95%]",
    "tokens/problem",
    "tokens 10^8",
    "reduction %",
    "difference [95%]",
    "clock",
    "Pareto",
)

RIGHT = (False, False, True, True, True, True, True, True, True, False)
"""Which columns are flush right."""


def cells(row: Row) -> list[str]:
    """A row as readers see it, one text for each of HEADERS.

    Percentages and points have one decimal; tokens per problem are rounded to whole ones.
    """
    result = row.result
    mark = MARKS.get(result.token_accuracy, "")
    total = result.value("tokens_1e8")
    reduction = result.value("reduction")
    clock = result.value("clock")
    return [
        row.pool + (" (synthetic)" if result.synthetic else ""),
        row.method + (" (unranked)" if result.unranked else ""),
        str(result.budget),
        _percentage(row.accuracy),
        f"{row.tokens.value:,.0f}{mark}",
        "" if total is None else _significant(total) + mark,
        "" if reduction is None else _fixed(100 * reduction),
        _percentage(result.metrics.get("accuracy_difference"), sign="+"),
        "" if clock is None else _clock(clock, result.clock_unit),
        "unranked" if result.unranked else "yes" if row.pareto else "",
    ]


def _percentage(metric: Metric | None, sign: str = "") -> str:
    if metric is None:
        return ""
    text = _fixed(100 * metric.value, sign)
    if metric.low is None or metric.high is None:
        return text
    return f"{text} [{_fixed(100 * metric.low, sign)}, {_fixed(100 * metric.high, sign)}]"


def _fixed(number: float, sign: str = "") -> str:
    """One decimal, never a minus before zero."""
    rounded = round(number, 1) + 0.0
    return f"{rounded:{sign if rounded else ''}.1f}"


def _significant(number: float) -> str:
    """Three decimals, or as many as show three digits."""
    if number == 0:
        return "0"
    return f"{number:.{max(3, 2 - math.floor(math.log10(abs(number))))}f}"


def _clock(clock: float, unit: str) -> str:
    return f"{clock:,.1f} s" if unit == "seconds" else f"{clock:,.0f} {unit}"


def as_table(comparison: Comparison) -> str:
    """Plain text with aligned columns, a section each for real and synthetic pools."""
    parts = []
    for heading, rows in comparison.sections:
        parts.append(f"{heading}\n\n{aligned(HEADERS, [cells(row) for row in rows], RIGHT)}")
    return "\n".join([*parts, *comparison.notes]) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """GitHub tables, a section each for real and synthetic pools."""
    rule = "|".join(["", *("---:" if flush else "---" for flush in RIGHT), ""])
    lines = []
    for heading, rows in comparison.sections:
        lines += [f"### {heading}", "", f"| {' | '.join(HEADERS)} |", rule]
        for row in rows:
            texts = cells(row)
            lines.append(f"| {' | '.join([*map(escape_markdown, texts[:2]), *texts[2:]])} |")
        lines.append("")
    lines += [f"- {escape_markdown(note)}" for note in comparison.notes]
    return "\n".join(lines) + "\n"


def escape_markdown(text: str) -> str:
    """`text` with everything that GitHub would take for markup escaped, on one line."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|~$" else c for c in _one_line(text))


LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "†": r"\textsuperscript{\dag}",
    "‡": r"\textsuperscript{\ddag}",
    **{character: f"\\{character}" for character in "_%&#${}"},
}


def escape_latex(text: str) -> str:
    """`text` with every character that LaTeX treats specially escaped, on one line."""
    return "".join(LATEX.get(character, character) for character in _one_line(text))


def as_latex(comparison: Comparison) -> str:
    """A booktabs tabular each for real and synthetic pools, pools set apart by a rule."""
    columns = "".join("r" if flush else "l" for flush in RIGHT)
    lines = [r"% needs \usepackage{booktabs}"]
    for heading, rows in comparison.sections:
        headers = " & ".join(escape_latex(header) for header in HEADERS)
        lines += [
            rf"% {heading}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            headers.replace(r"10\textasciicircum{}8", "$10^8$") + r" \\",
        ]
        before = None
        for row in rows:
            lines.append(r"\midrule" if row.pool != before else "")
            texts = cells(row)
            names, numbers = texts[:2], texts[2:]
            escaped = [escape_latex(text) for text in names]
            escaped += [escape_latex(text).replace("-", "$-$") for text in numbers]
            lines.append(" & ".join(escaped) + r" \\")
            before = row.pool
        lines += [r"\bottomrule", r"\end{tabular}", ""]
    lines += [rf"\par{{\footnotesize {escape_latex(note)}}}" for note in comparison.notes]
    return "\n".join(line for line in lines if line) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def raw_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Every row with all of its figures unrounded, fractions as fractions; None where unknown."""
    return [_raw(row) for row in comparison.rows]


def _raw(row: Row) -> dict[str, Any]:
    result = row.result
    raw: dict[str, Any] = {
        "pool": result.pool,
        "fingerprint": result.fingerprint,
        "synthetic": result.synthetic,
        "token_accuracy": result.token_accuracy,
        "problems": result.problems,
        "method": row.method,
        "policy": result.policy,
        "parameters": dict(result.parameters),
        "unranked": result.unranked,
        "pareto": row.pareto,
        "budget": result.budget,
        "seed": result.seed,
        "repeats": result.repeats,
        "baseline": result.baseline,
    }
    for name in METRICS:
        metric = result.metrics.get(name)
        raw[name] = metric.value if metric else None
        raw[f"{name}_low"] = metric.low if metric else None
        raw[f"{name}_high"] = metric.high if metric else None
    return raw | {"clock_unit": result.clock_unit, "run": str(result.path)}


def as_csv(comparison: Comparison) -> str:
    """One line a row with unrounded figures; intervals in columns of their own, no notes."""
    rows = raw_rows(comparison)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        parameters = json.dumps(row["parameters"], ensure_ascii=False)
        flags = {key: str(value).lower() for key, value in row.items() if isinstance(value, bool)}
        writer.writerow({**row, **flags, "parameters": parameters})
    return text.getvalue()


def as_json(comparison: Comparison) -> str:
    """`{"rows": […], "notes": […]}` with unrounded figures."""
    document = {"rows": raw_rows(comparison), "notes": comparison.notes}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "table": as_table,
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
    "json": as_json,
}
