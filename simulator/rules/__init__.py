"""Stop rules, and the measures of token signals and text that they use."""

from simulator.rules.stop_rules import (
    GroupConfidenceBelow,
    ProbesAgree,
    ReasoningWords,
    SignalAbove,
    SignalBelow,
    StopRule,
    TextMatches,
)

__all__ = [
    "GroupConfidenceBelow",
    "ProbesAgree",
    "ReasoningWords",
    "SignalAbove",
    "SignalBelow",
    "StopRule",
    "TextMatches",
]
