"""Stop rules, and the measures of confidence and text that they use."""

from simulator.rules.stop_rules import (
    GroupConfidenceBelow,
    ProbesAgree,
    ReasoningWords,
    StopRule,
    TextMatches,
)

__all__ = [
    "GroupConfidenceBelow",
    "ProbesAgree",
    "ReasoningWords",
    "StopRule",
    "TextMatches",
]
