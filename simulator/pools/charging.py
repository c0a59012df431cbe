"""Charging: the number of tokens that a run counts for a trace.

Published programs do not all count what was generated. Those of SCOUT (Parallel-Probe,
arXiv 2602.03845) and AutoTTS (arXiv 2605.08083) read a trace in steps from probe to probe, charge
each step in full, and the last one for what remains of the trace.
"""

from __future__ import annotations

import numpy as np

from simulator.arrays import Ints
from simulator.counting import GENERATED, Charging
from simulator.errors import UserError
from simulator.pools.pool import StoredProblem


def charged(charging: Charging, problem: StoredProblem, rows: Ints, num_tokens: Ints) -> Ints:
    """Return the tokens charged for traces.

    With `scout`, a trace that was cut between two of its probes is charged up to the later one, and
    one that was cut after its last probe is charged its whole length.

    Parameters
    ----------
    charging
        Tokens generated, or steps from probe to probe.
    problem
        The problem of the traces.
    rows, num_tokens
        Rows of the traces in the problem, and the tokens generated on each; of the same shape.

    Raises
    ------
    UserError
        Steps are charged, and the problem's probes are not at the multiples of one number.
    """
    if charging == GENERATED:
        return num_tokens
    probes = problem.probes
    if probes.interval is None and len(probes.positions):
        raise UserError(
            f"pool {problem.pool.name}, problem {problem.problem_id}: its probes are not at the "
            f"multiples of one number of tokens, which --charging {charging} counts in; remove it"
        )
    step = probes.interval or 1
    length, last = problem.lengths[rows], probes.counts[rows] * step
    whole = np.minimum(-(-num_tokens // step) * step, length)
    return np.where(num_tokens > last, length, whole)
