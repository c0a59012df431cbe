"""Reasons that a replay saved tokens, in words: only what its decisions and the pool tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard_app.views.problem.kinds import shortened
from leaderboard_app.views.problem.replay import (
    CONFIDENCE_BELOW,
    PROBES_AGREE,
    Replay,
    why_text,
)

ANSWERS_NAMED = 2
"""Number of answers that are named of traces which stopped by themselves."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Traces that did not run to their end for one reason.

    `spared` is the number of tokens that they would have gone on for, None if it is not known;
    `first` and `last` are the clocks between which they were cut.
    """

    reason: str
    places: tuple[int, ...]
    spared: int | None
    first: float
    last: float


def cuts(replay: Replay) -> list[Cut]:
    """Return the traces that were cut by reason, the reason that spared the most tokens first.

    Those that the policy stopped when it answered are apart from those that it stopped before.
    """
    clock = float(replay.answer["clock"])
    of: dict[tuple[str, bool], list[int]] = {}
    for place in np.flatnonzero(replay.decoded & ~replay.finished).tolist():
        reason = replay.reason[place]
        at_the_end = reason == "stopped" and replay.ended[place] >= clock
        of.setdefault((reason, at_the_end), []).append(place)
    found = [
        Cut(
            "tokens" if at_the_end else reason,
            tuple(places),
            _spared(replay, places),
            float(replay.ended[places].min()),
            float(replay.ended[places].max()),
        )
        for (reason, at_the_end), places in of.items()
    ]
    return sorted(found, key=lambda each: (-(each.spared or 0), -len(each.places), each.reason))


def _spared(replay: Replay, places: list[int]) -> int | None:
    if replay.stored is None:
        return None
    return int((replay.stored.lengths[places] - replay.num_tokens[places]).sum())


def never_run(replay: Replay) -> tuple[int, int | None]:
    """Return the number of traces of the budget without a token, and the tokens they would have."""
    ran = int(replay.decoded.sum())
    count = replay.result.budget - ran
    if replay.stored is None:
        return count, None
    whole = int(replay.stored.lengths.sum())
    return count, whole - int(replay.stored.lengths[: len(replay.decoded)][replay.decoded].sum())


def saving_text(replay: Replay) -> str:
    """Explain in sentences why the replay needed fewer tokens than cons@N, or that it did not.

    Tokens that were spared are given only if they add up to the difference, as they do unless the
    run counts other tokens than those generated.
    """
    tokens, baseline = int(replay.answer["tokens"]), int(replay.answer["baseline_tokens"])
    budget = replay.result.budget
    if tokens >= baseline:
        return f"It saved no tokens: it generated as many as cons@{budget}, {tokens:,}."
    parts = cuts(replay)
    unused, unused_tokens = never_run(replay)
    known = [each.spared for each in parts if each.spared is not None] + [unused_tokens or 0]
    exact = replay.stored is not None and sum(known) == baseline - tokens
    lead = (
        f"It generated {tokens:,} of the {baseline:,} tokens of cons@{budget}, "
        f"{1 - tokens / baseline:.1%} fewer."
    )
    said = [_cut_text(replay, each, exact=exact) for each in parts]
    if unused:
        spared = f", which spared {unused_tokens:,} tokens" if exact else ""
        verb = "was" if unused == 1 else "were"
        said.append(f"{unused:,} of the {budget} traces {verb} never run{spared}.")
    return " ".join([lead, *said, *_finished_text(replay)])


def _finished_text(replay: Replay) -> list[str]:
    """Say which answers the traces that had finished gave, most common first."""
    if replay.stored is None:
        return []
    answers = replay.stored.answers[: len(replay.finished)][replay.finished].tolist()
    if not answers:
        return ["No trace had finished when it answered."]
    subject = "1 trace" if len(answers) == 1 else f"{len(answers):,} traces"
    said = _most_common(replay, answers, "said")
    return [f"When it answered, {subject} had finished: {said}."]


def _cut_text(replay: Replay, cut: Cut, *, exact: bool) -> str:
    count = len(cut.places)
    spared = f", which spared {cut.spared:,} tokens" if exact and cut.spared is not None else ""
    subject = f"{count:,} of the {int(replay.decoded.sum()):,} traces that ran"
    verb = "was" if count == 1 else "were"
    if cut.reason == "tokens":
        when = f"at clock {float(replay.answer['clock']):,.6g}"
        return f"{subject} {verb} still running when the method answered {when}{spared}."
    when = (
        f"at clock {cut.first:,.6g}"
        if cut.first == cut.last
        else f"between clock {cut.first:,.6g} and {cut.last:,.6g}"
    )
    if found := PROBES_AGREE.fullmatch(cut.reason):
        agreed = _last_probes(replay, cut)
        why = f"ended by a stop rule, each after its last {found[1]} probes agreed"
        why += f" ({agreed})" if agreed else ""
        return f"{subject} {verb} {why}, {when}{spared}."
    if found := CONFIDENCE_BELOW.fullmatch(cut.reason):
        why = (
            "ended by a stop rule, each when the mean confidence of its last "
            f"{int(found[1]):,} tokens fell below the threshold"
        )
        return f"{subject} {verb} {why}, {when}{spared}."
    probes = _last_probes(replay, cut) if "probes" in replay.entry.needs else ""
    why = why_text(cut.reason) + (f" (their last probes: {probes})" if probes else "")
    return f"{subject} {verb} {why}, {when}{spared}."


def _last_probes(replay: Replay, cut: Cut) -> str:
    """Return the answers of the traces' last probes, as `30 on 12, 2 on 10`, if there are any."""
    if replay.stored is None or not replay.has("probes"):
        return ""
    probes, places = replay.stored.problem.probes, list(cut.places)
    rows, tokens = replay.stored.rows[places], replay.num_tokens[places]
    made = probes.columns(rows, tokens)
    return _most_common(replay, probes.table[rows, made].tolist(), "on") if made.any() else ""


def _most_common(replay: Replay, answers: Sequence[int], verb: str) -> str:
    """Return counts of answer classes, as `30 on 12, 2 on others`, most common first.

    They add up to the number of answers: those that are none come last, as `6 gave no answer`.
    """
    assert replay.stored is not None
    texts = replay.stored.texts
    votes = Counter(each for each in answers if each >= 0)
    ranked = sorted(votes.items(), key=lambda each: (-each[1], each[0]))
    named = [f"{count:,} {verb} {shortened(texts[each])}" for each, count in ranked[:ANSWERS_NAMED]]
    if rest := sum(count for _, count in ranked[ANSWERS_NAMED:]):
        named.append(f"{rest:,} {verb} others" if verb == "on" else f"{rest:,} something else")
    if none := len(answers) - votes.total():
        named.append(f"{none:,} gave no answer")
    return ", ".join(named)
