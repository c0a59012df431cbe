"""All repeats of SAC at once: what it does with a trace does not depend on the others."""

from __future__ import annotations

import numpy as np

from simulator.methods.sac import SAC
from simulator.replay.batch.played import Played, Repeats, Tally
from simulator.replay.probing import RuleProbes
from simulator.rules.stop_rules import ProbesAgree


def play(policy: SAC, repeats: Repeats, answer_steps: int) -> Played:
    """Decode each trace until its probes agree, probe all, and answer with the majority."""
    problem, order, rule = repeats.problem, repeats.order, ProbesAgree(policy.in_a_row)
    rows, before = np.arange(len(problem.lengths)), np.zeros_like(problem.lengths)
    halts_at = rule.halts_at(problem, rows, before, problem.lengths)
    num_tokens = np.minimum(problem.lengths, halts_at)
    finished = num_tokens == problem.lengths
    probes = RuleProbes(
        problem, rows=rows, before=before, length=problem.lengths, read=before, pause=answer_steps
    )
    asked = probes.passed(num_tokens)
    steps = probes.steps(num_tokens, asked).take(order)
    answers, halted = problem.answer_class.copy(), np.flatnonzero(~finished)
    last_probe = problem.probes.offsets[halted] + asked[halted] - 1  # at which the rule held
    answers[halted] = problem.probes.answers[last_probe]
    unfinished = np.count_nonzero((~finished).take(order), axis=1)
    return Played(
        Tally(answers.take(order)).winners(),
        num_tokens.take(order),
        np.zeros(order.shape),
        steps,
        steps.max(axis=1) + answer_steps * (unfinished > 0),
        halted_by=str(rule),
        probe_calls=unfinished + asked.take(order).sum(axis=1),
        rule_halts={type(rule).__name__: int(unfinished.sum())},
    )
