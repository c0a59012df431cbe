"""Words that the policy's side and the pool's side share, in a module that loads nothing."""

from __future__ import annotations

NO_ANSWER = -1
"""The answer class of a trace (or a probe) that gave no answer."""

SIGNALS = ("text", "confidence", "probes")
"""What a pool can store per trace beside length and answer, one file each."""

NEEDS = (*SIGNALS, "judge")
"""What a policy can need of a replay: signals of the pool, and a judge, whatever it reads."""
