"""`deepprune-sim judge`: judges outside a replay. Commands are loaded when called."""

from __future__ import annotations

import click

from simulator.commands.lazy import SETTINGS, LazyGroup

COMMANDS = {
    "score": ("judges.commands.score:score", "Score the pairs of pools and store the scores."),
    "pairs": ("judges.commands.pairs:pairs", "Make the pairs to train and evaluate judges on."),
    "train": ("judges.commands.train:train", "Train a judge, or a grid of them."),
    "redundancy": (
        "judges.commands.redundancy:redundancy",
        "Show how many pairs of traces end in the same answer.",
    ),
    "export": (
        "judges.commands.exchange:export_pairs",
        "Write pairs as JSON lines, for other programs for training.",
    ),
    "import": (
        "judges.commands.exchange:import_pairs",
        "Make pairs of JSON lines, with labels of your own.",
    ),
    "push": ("judges.commands.push:push", "Publish a trained judge on the Hugging Face Hub."),
    "eval": ("judges.commands.eval:evaluate", "Compare judges on pairs: AUROC, TNR@0.2."),
}
"""Command to `module:function` and its line in `--help`, so that help imports no command."""


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings=SETTINGS,
    epilog="\b\nExample:\n  deepprune-sim judge score lexical -d 'epoch/*'",
)
def judge() -> None:
    """Score, train and evaluate judges.

    A judge predicts whether two unfinished traces reach the same answer.
    """
