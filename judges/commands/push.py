"""`deepprune-sim judge push`: publish a trained judge on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(epilog="\b\nExample:\n  deepprune-sim judge push minilm me/otis-minilm-judge")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="Make a private repository, if there is none.")
@click.option("--card", is_flag=True, help="Print the model card, and publish nothing.")
def push(folder: Path, repository: str, private: bool, card: bool) -> None:
    """Publish the judge in FOLDER, made by `judge train`, as a model on the Hugging Face Hub.

    Its model card holds recipe, data, figures on the test side with intervals, and the prompt with
    its hash. The token is that of `hf auth login`, or HF_TOKEN.
    """
    from judges.kinds.models import judge_file
    from judges.training.card import model_card
    from judges.training.push import push as publish

    if card:
        click.echo(model_card(folder, repository), nl=False)
        return
    commit = publish(folder, repository, private=private)
    kind = judge_file(folder)["kind"]
    click.echo(f"judge: {kind}:model={repository},revision={commit}")
