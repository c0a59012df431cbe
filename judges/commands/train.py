"""`deepprune-sim judge train`: train one judge, or one for each combination of a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from judges.commands.eval import FORMATS, check_plots, draw, show
from simulator.commands.progress import note, stages_shown
from simulator.errors import UserError, interrupted


@click.command(
    epilog="\b\nExamples:\n"
    "  deepprune-sim judge train otis embedding -o judges/minilm -t tokens=500\n"
    "  deepprune-sim judge train otis hf --model Qwen/Qwen3-4B-Instruct-2507 --recompute \\\n"
    "      --batch 64 --accumulate 16 --learning-rate 1e-5 -o judges/qwen3-4b\n"
    "  deepprune-sim judge train otis embedding -o judges/grid -t words=10,words=25,tokens=500 \\\n"
    "      --loss cross-entropy,focal --oversample 1,2"
)
@click.argument("pairs", type=click.Path(path_type=Path), metavar="PAIRS")
@click.argument("kind", type=click.Choice(["embedding", "hf"]), metavar="embedding|hf")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Where to save the judge; with commas, one folder each inside.",
)
@click.option("--model", help="What to begin from: a folder or a repository of the hub.")
@click.option("--revision", help="Commit, branch or tag of the repository.")
@click.option(
    "-t", "--truncation", metavar="tokens=N|words=N", help="[default: the first of the pairs']"
)
@click.option("--loss", default="focal", show_default=True, metavar="focal|cross-entropy")
@click.option("--gamma", type=float, default=2.0, show_default=True, help="Of the focal loss.")
@click.option("--alpha", type=float, default=0.25, show_default=True, help="Of the focal loss.")
@click.option(
    "--oversample", default="2", show_default=True, help="Times each pair of the rarer label comes."
)
@click.option("--epochs", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--batch", type=click.IntRange(min=1), default=120, show_default=True, help="Pairs an update."
)
@click.option(
    "--accumulate",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Parts that an update is worked through in, to save memory.",
)
@click.option("--learning-rate", type=float, default=2e-5, show_default=True)
@click.option(
    "--lora", type=click.IntRange(min=0), default=0, help="Rank of adapters. [default: all weights]"
)
@click.option("--bf16/--no-bf16", default=None, help="[default: on a GPU]")
@click.option("--recompute", is_flag=True, help="Save memory: gradient checkpointing.")
@click.option("--prompt", type=click.Path(path_type=Path), help="A prompt template for hf.")
@click.option("--same", default="Yes", show_default=True, help="Label of hf, one token.")
@click.option("--different", default="No", show_default=True, help="Label of hf, one token.")
@click.option("--device", type=click.Choice(["auto", "cpu"]), default="auto", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--save-every",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Updates between checkpoints; 0 for none.",
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted training.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--roc", type=click.Path(path_type=Path), help="Of a grid: ROC curves (.svg, .png).")
def train(
    pairs: Path,
    kind: str,
    output: Path,
    model: str | None,
    revision: str | None,
    truncation: str | None,
    loss: str,
    oversample: str,
    bf16: bool | None,
    recompute: bool,
    prompt: Path | None,
    same: str,
    different: str,
    device: str,
    save_every: int,
    resume: bool,
    form: str,
    roc: Path | None,
    **settings: Any,
) -> None:
    """Train a judge on PAIRS, the folder that `judge pairs` made.

    embedding trains a sentence encoder with a head over pairs, hf a causal language model that
    answers with one of two labels. Commas in -t, --loss and --oversample train a judge for every
    combination and compare all of them on the test side; finished ones are not trained again.
    Several GPUs: accelerate launch -m simulator.cli judge train …
    """
    from judges.embedding import DEFAULT_MODEL as ENCODER
    from judges.hf import DEFAULT_MODEL as CAUSAL
    from judges.hf import choose_device
    from judges.pairs import PairSet
    from judges.prefixes import Truncation
    from judges.prompting import Template
    from judges.training import Recipe, grid, train

    check_plots(roc)
    pair_set = PairSet(pairs)
    cuts = [pair_set.truncations[0]]
    if truncation is not None:
        cuts = [pair_set.choose(Truncation.parse(text)) for text in truncation.split(",")]
    losses = loss.split(",")
    factors = oversample.split(",")
    if not all(each.isdecimal() and 1 <= int(each) <= 1000 for each in factors):
        raise UserError(f"--oversample {oversample}: give whole numbers from 1, with commas")
    if bf16 is None:
        bf16 = device == "auto" and choose_device("auto") != "cpu"
    base = Recipe(cuts[0], bf16=bf16, **settings)
    recipes = grid(base, cuts, losses, [int(each) for each in factors])
    template = Template.read(prompt, same, different)
    folders = [output] if len(recipes) == 1 else [output / _folder(each) for each in recipes]
    for recipe, folder in zip(recipes, folders, strict=True):
        if len(recipes) > 1 and (folder / "judge.json").exists():
            note(f"{folder}: trained already")
            continue
        try:
            with stages_shown() as stage:

                def progress(done: int, total: int, value: float, name: str = recipe.name) -> None:
                    stage(f"{name}, loss {value:.4f}", done / total)

                train(
                    pair_set,
                    kind,
                    model or (ENCODER if kind == "embedding" else CAUSAL),
                    folder,
                    recipe,
                    revision=revision,
                    template=template,
                    device=device,
                    recompute=recompute,
                    save_every=save_every,
                    resume=resume or len(recipes) > 1,
                    progress=progress,
                )
        except KeyboardInterrupt as error:
            raise interrupted(error, "; go on with the same command and --resume") from None
        click.echo(f"judge: {kind}:model={folder}")
    if len(recipes) > 1:
        _compare(pair_set, kind, recipes, folders, form, roc)


def _folder(recipe: Any) -> str:
    return f"{recipe.truncation}-{recipe.loss}-x{recipe.oversample}".replace("=", "-")


def _compare(
    pair_set: Any, kind: str, recipes: list[Any], folders: list[Path], form: str, roc: Path | None
) -> None:
    """The ablation: every judge of a grid on the test side."""
    from judges.evaluation import compare, score_pairs
    from judges.loading import load_judge

    scored = [
        score_pairs(pair_set, load_judge(f"{kind}:model={folder}"), recipe.name)
        for recipe, folder in zip(recipes, folders, strict=True)
    ]
    show(compare(scored), form)
    draw(scored, roc, None)
