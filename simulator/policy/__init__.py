"""Everything a policy sees: its base class, sampler, traces, votes, clusters, engine protocol."""

from simulator.policy.base import Answer, Policy, Problem

__all__ = ["Answer", "Policy", "Problem"]
