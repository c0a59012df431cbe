"""Constants shared by the policy's process and the pool's, in a module without imports."""

from __future__ import annotations

NO_ANSWER = -1
"""Answer class of a trace or probe without an answer."""

SIGNALS = ("text", "confidence", "probes")
"""Signals that a pool can store per trace besides length and answer, one file each."""

NEEDS = (*SIGNALS, "judge")
"""Requirements that a policy can declare: signals of the pool, and a judge."""
