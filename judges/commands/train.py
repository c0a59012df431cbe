"""`deepprune-sim judge train`: train one judge, or one for each combination of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from judges.commands.eval import draw, show
from judges.commands.options import (
    check_plots,
    format_option,
    number_option,
    output_option,
    pairs_argument,
    picture_option,
    truncation_option,
)
from simulator.api.progress import note, stages_shown
from simulator.commands.options import chosen_format, json_option, print_json
from simulator.errors import UserError, interrupted

if TYPE_CHECKING:
    from judges.evaluation.evaluate import Row

BASE = "Qwen/Qwen3-4B-Instruct-2507"
"""Base model of DeepPrune's judge."""


@click.command(
    epilog="\b\nExamples:\n"
    "  deepprune-sim judge train otis embedding -o minilm -t tokens=500\n"
    "\b\n  A grid of twelve, compared on the test side:\n"
    "  deepprune-sim judge train otis embedding -o grid --oversample 1,2 \\\n"
    "      -t words=10,words=25,tokens=500 --loss cross-entropy,focal\n"
    "\b\n  Qwen3-4B on four GPUs:\n"
    "  accelerate launch --num_processes 4 -m simulator.cli judge train otis hf \\\n"
    "      -o qwen3-4b --recompute --batch 64 --accumulate 4 --learning-rate 1e-5"
)
@pairs_argument
@click.argument("kind", type=click.Choice(["embedding", "hf"]), metavar="embedding|hf")
@output_option(help="Folder to save the judge in; of a grid, with a folder for each judge inside.")
@truncation_option(
    help="Truncation of each trace; several with commas. [default: the first of PAIRS]"
)
@click.option(
    "--loss",
    default="focal",
    show_default=True,
    metavar="focal|cross-entropy",
    help="Loss function, or both with a comma.",
)
@click.option(
    "--gamma", type=float, default=2.0, show_default=True, help="Exponent of the focal loss."
)
@click.option(
    "--alpha", type=float, default=0.25, show_default=True, help="Factor of the focal loss."
)
@click.option(
    "--oversample",
    default="2",
    show_default=True,
    metavar="N",
    help="Occurrences of each pair of the rarer label in an epoch; several with commas.",
)
@click.option(
    "--model",
    metavar="FOLDER|NAME",
    help="Base model, a folder or a repository of the Hugging Face hub. "
    f"[default: all-MiniLM-L6-v2, or {BASE} for hf]",
)
@click.option("--revision", help="Commit, branch or tag of the model on the hub.")
@number_option("--epochs", 1, "Passes over all pairs.")
@number_option("--batch", 120, "Pairs per update.")
@number_option("--accumulate", 1, "Parts that each update is computed in, to save memory.")
@click.option(
    "--learning-rate", type=float, default=2e-5, show_default=True, help="Peak learning rate."
)
@click.option(
    "--lora",
    type=click.IntRange(min=0),
    default=0,
    help="hf: train LoRA adapters of this rank. [default: all weights]",
)
@click.option(
    "--bf16/--no-bf16", default=None, help="Compute in bfloat16. [default: on a GPU, yes]"
)
@click.option("--recompute", is_flag=True, help="hf: gradient checkpointing, to save memory.")
@click.option("--prompt", type=click.Path(path_type=Path), help="hf: a prompt template.")
@click.option("--same", default="Yes", show_default=True, help="hf: label, one token.")
@click.option("--different", default="No", show_default=True, help="hf: label, one token.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu"]),
    default="auto",
    show_default=True,
    help="auto: a GPU if there is one.",
)
@number_option(
    "--seed", 0, "Seed for the order of pairs and everything else that is random.", least=0
)
@number_option("--save-every", 200, "Updates between checkpoints; 0 for none.", least=0)
@click.option("--resume", is_flag=True, help="Go on with an interrupted training.")
@format_option(help="Format of a grid's comparison.  [default: table]")
@json_option
@picture_option("--roc", help="Draw the ROC curves of a grid (.svg, .png).")
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
    form: str | None,
    as_json: bool,
    roc: Path | None,
    **settings: Any,
) -> None:
    """Train a judge on PAIRS, a folder made by `judge pairs`.

    embedding trains a sentence encoder with a head over pairs, hf a causal language model that
    answers with one of two labels. Commas in -t, --loss and --oversample make a grid: a judge is
    trained for every combination, and all of them are compared on the test side. The same command
    goes on with an interrupted grid. A CPU is enough for embedding; OMP_NUM_THREADS sets the number
    of cores.
    """
    from judges.kinds.embedding import DEFAULT_MODEL as ENCODER
    from judges.kinds.hf import choose_device
    from judges.kinds.models import find_model
    from judges.kinds.prompting import Template
    from judges.pairs.pair_sets import PairSet
    from judges.prefixes import Truncation
    from judges.training.train import Recipe, grid

    form = chosen_format(form, as_json) or "table"
    check_plots(roc)
    pair_set = PairSet(pairs)
    typed = [None] if truncation is None else map(Truncation.parse, truncation.split(","))
    cuts = [pair_set.choose(each) for each in typed]
    on_gpu = device == "auto" and choose_device("auto") != "cpu"
    base = Recipe(cuts[0], bf16=on_gpu if bf16 is None else bf16, **settings)
    recipes = grid(base, cuts, loss.split(","), _factors(oversample))
    template = Template.read(prompt, same, different)
    model = model or (ENCODER if kind == "embedding" else BASE)
    if (commit := find_model(model, revision).resolved) is not None:
        note(f"model {model}: no commit was given; using --revision {commit}")
        revision = commit
    is_grid = len(recipes) > 1
    folders = [output / _folder(each) for each in recipes] if is_grid else [output]
    for recipe, folder in zip(recipes, folders, strict=True):
        if is_grid and (folder / "judge.json").exists():
            note(f"{folder}: trained already")
            continue
        _train_shown(
            recipe,
            pairs=pair_set,
            kind=kind,
            model=model,
            folder=folder,
            revision=revision,
            template=template,
            device=device,
            recompute=recompute,
            save_every=save_every,
            resume=resume or is_grid,
        )
        if not as_json:
            click.echo(f"judge: {kind}:model={folder}")
    rows = _compare(pair_set, kind, recipes, folders, roc) if is_grid else []
    if as_json:
        _print_json(kind, recipes, folders, rows)
    elif rows:
        show(rows, form)


def _train_shown(recipe: Any, **arguments: Any) -> None:
    """Train a judge, as `judges.training.train.train` does, and show how far it is."""
    from judges.training.train import train

    try:
        with stages_shown() as stage:

            def progress(done: int, total: int, value: float) -> None:
                stage(f"{recipe.name}, loss {value:.4f}", done / total)

            train(recipe=recipe, progress=progress, **arguments)
    except KeyboardInterrupt as error:
        raise interrupted(error, "; go on with the same command and --resume") from None


def _factors(oversample: str) -> list[int]:
    factors = oversample.split(",")
    if not all(each.isdecimal() and 1 <= int(each) <= 1000 for each in factors):
        raise UserError(f"--oversample {oversample}: give whole numbers from 1, with commas")
    return [int(each) for each in factors]


def _folder(recipe: Any) -> str:
    return f"{recipe.truncation}-{recipe.loss}-x{recipe.oversample}".replace("=", "-")


def _compare(
    pair_set: Any, kind: str, recipes: list[Any], folders: list[Path], roc: Path | None
) -> list[Row]:
    """Compare every judge of a grid on the test side."""
    from judges.evaluation.evaluate import compare, score_pairs
    from judges.loading import load_judge

    scored = [
        score_pairs(pair_set, load_judge(f"{kind}:model={folder}"), recipe.name)
        for recipe, folder in zip(recipes, folders, strict=True)
    ]
    draw(scored, roc, None)
    return compare(scored)


def _print_json(kind: str, recipes: list[Any], folders: list[Path], rows: Sequence[Row]) -> None:
    """Print the judges that were trained and, of a grid, their comparison."""
    from judges.evaluation.evaluate import as_document

    judges = [
        {"name": recipe.name, "judge": f"{kind}:model={folder}", "path": str(folder)}
        for recipe, folder in zip(recipes, folders, strict=True)
    ]
    print_json({"judges": judges, "comparison": as_document(rows) if rows else None})
