"""Results of verifying, as Markdown for a comment on a pull request.

Every text of a submission is escaped: it cannot become a link, a mention or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from simulator.submissions.badges import BADGES, Verification

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~-])")
MAX_LINE = 600
MAX_COMMENT = 60_000
"""Most characters of the comment, below GitHub's own limit of 65,536."""


def escape(text: str) -> str:
    """Escape a text so that Markdown shows it literally, on one line."""
    line = " ".join(text[:MAX_LINE].split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _SPECIAL.sub(r"\\\1", line)
    return line.replace("@", "&#64;").replace("://", ":&#47;&#47;").replace("www.", "www&#46;")


class Told(Protocol):
    """Result of verifying a submission, maybe an earlier one, with remarks for the keeper."""

    @property
    def verification(self) -> Verification:
        """Verification that counts."""

    @property
    def remarks(self) -> Sequence[str]:
        """Lines for the keeper of the board."""

    @property
    def kept(self) -> bool:
        """True for an earlier verification that stands."""


def summary(outcomes: Sequence[Told], unchanged: int | None = None) -> str:
    """Write a heading, a table of steps, and the findings of each submission.

    `unchanged` is the number of submissions that were left as they are.
    """
    parts = [_one(outcome) for outcome in outcomes]
    if unchanged is not None:
        parts.append(f"Unchanged since they were verified: {unchanged}.\n")
    text = "\n".join(parts) or "No submission was verified.\n"
    if len(text) > MAX_COMMENT:
        text = text[:MAX_COMMENT].rpartition("\n")[0] + "\n\n… cut; see the log for the rest.\n"
    return text


def _one(outcome: Told) -> str:
    verification = outcome.verification
    badge = verification.badge
    says = f"**{badge}**: {BADGES[badge]}" if badge else "**no badge**: something is wrong with it"
    lines = [f"### {escape(verification.submission)}", "", f"{says}.", ""]
    lines += ["| step | result |", "|---|---|"]
    lines += [f"| {step.step} | {step.status} |" for step in verification.steps]
    for step in verification.steps:
        lines += [""] if step.findings or step.notes else []
        lines += [f"- {step.step}: {escape(text)}" for text in (*step.findings, *step.notes)]
    lines += [""] if outcome.remarks else []
    lines += [f"- **{escape(remark)}**" for remark in outcome.remarks]
    if outcome.kept:
        return "\n".join(lines) + "\n"
    if verification.pools:
        lines += ["", "| submitted | accuracy, % [95%] | tokens a problem | reduction, % |"]
        lines += ["|---|---|---|---|"]
        lines += [_figures(entry) for entry in verification.pools]
    if verification.other_seed:
        lines += [
            "",
            "| with the verifier's seed, as it is ranked | accuracy | tokens | reduction |",
        ]
        lines += ["|---|---|---|---|"]
        lines += [_figures(entry) for entry in verification.other_seed]
    return "\n".join(lines) + "\n"


def _figures(entry: Mapping[str, Any]) -> str:
    cells = (
        _estimate(entry["accuracy"], 100, ".1f"),
        _estimate(entry["tokens_per_problem"], 1, ",.0f"),
        _estimate(entry["reduction"], 100, ".1f"),
    )
    return f"| {escape(entry['pool'])} | {' | '.join(cells)} |"


def _estimate(estimate: Mapping[str, float | None], scale: float, form: str) -> str:
    value, low, high = (
        None if part is None else format(part * scale + 0.0, form) for part in estimate.values()
    )
    return f"{value} [{low}, {high}]" if low is not None else str(value)
