"""`deepprune-sim judge train`: train one judge, or one for each combination of a grid."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
from simulator.api.progress import note, progress_bar, stages_shown
from simulator.commands.options import FloatRange, chosen_format, json_option, print_json
from simulator.errors import UserError, interrupted

if TYPE_CHECKING:
    from judges.evaluation.evaluate import Row
    from judges.pairs.pair_sets import PairSet
    from judges.training.held_out import Measured
    from judges.training.recipe import Recipe

BASE = "Qwen/Qwen3-4B-Instruct-2507"
"""Base model of DeepPrune's judge."""


@click.command(
    epilog="\b\nExamples:\n"
    "  deepprune-sim judge train otis embedding -o minilm -t tokens=500\n"
    "\b\n  A grid of twelve, compared on the test side:\n"
    "  deepprune-sim judge train otis embedding -o grid --oversample 1,2 \\\n"
    "      -t words=10,words=25,tokens=500 --loss cross-entropy,focal\n"
    "\b\n  Different pairs twice; the best by a tenth of the problems, held out:\n"
    "  deepprune-sim judge train otis embedding -o best --oversample different=2 \\\n"
    "      --held-out 0.1 --patience 3 --epochs 5 --report-to tensorboard\n"
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
    "--alpha",
    default="0.25",
    show_default=True,
    metavar="A|A:B",
    help="Factor of the focal loss; A:B for pairs of different and of same answers.",
)
@click.option(
    "--class-weight",
    metavar="balanced|A:B",
    help="Factors on the loss of pairs of different and of same answers. [default: 1:1]",
)
@click.option(
    "--oversample",
    default="2",
    show_default=True,
    metavar="N|different=N|same=N",
    help="Occurrences of each pair of the rarer label, or of the one named, in an epoch; several "
    "with commas.",
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
@click.option(
    "--held-out",
    type=FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of the training problems to hold out: AUROC on them is shown in training.",
)
@click.option(
    "--evaluate-every",
    type=click.IntRange(min=0),
    default=0,
    help="Updates between AUROCs on held-out problems. [default: ten times in a training]",
)
@click.option(
    "--keep",
    type=click.Choice(["best", "last"]),
    default="best",
    show_default=True,
    help="With --held-out: weights to save, those of the best AUROC within problems or the last.",
)
@number_option(
    "--patience", 0, "With --held-out: AUROCs without a new best to stop after; 0: none.", least=0
)
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
@click.option("--system", type=click.Path(path_type=Path), help="hf: a file with a system message.")
@click.option(
    "--tokenized",
    type=click.Choice(["parts", "whole"]),
    default="parts",
    show_default=True,
    help="hf: tokenize prompts in parts or whole.",
)
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
@click.option(
    "--report-to",
    multiple=True,
    metavar="tensorboard|trackio|wandb",
    help="Send the progress to a tracker that is installed; repeatable.",
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted training.")
@format_option(help="Format of the comparison.  [default: table]")
@json_option
@picture_option("--roc", help="Draw the ROC curves on the test side (.svg, .png).")
def train(
    pairs: Path,
    kind: str,
    output: Path,
    model: str | None,
    revision: str | None,
    truncation: str | None,
    loss: str,
    alpha: str,
    class_weight: str | None,
    oversample: str,
    bf16: bool | None,
    prompt: Path | None,
    system: Path | None,
    tokenized: str,
    same: str,
    different: str,
    device: str,
    resume: bool,
    form: str | None,
    as_json: bool,
    roc: Path | None,
    **settings: Any,
) -> None:
    """Train a judge on PAIRS, a folder made by `judge pairs`.

    embedding trains a sentence encoder with a head over pairs, hf a causal language model that
    answers with one of two labels. Commas in -t, --loss and --oversample make a grid: a judge is
    trained for every combination. The same command goes on with an interrupted grid. All judges
    are compared on the test side of PAIRS, if it has one. A CPU is enough for embedding;
    OMP_NUM_THREADS sets the number of cores.
    """
    from judges.kinds.embedding import DEFAULT_MODEL as ENCODER
    from judges.kinds.hf import choose_device
    from judges.kinds.models import find_model
    from judges.kinds.prompting import Template
    from judges.pairs.pair_sets import PairSet
    from judges.prefixes import Truncation
    from judges.training.recipe import Recipe, grid
    from judges.training.train import is_first_process, is_trained

    form = chosen_format(form, as_json) or "table"
    check_plots(roc)
    how = {name: settings.pop(name) for name in ("recompute", "save_every", "report_to")}
    pair_set = PairSet(pairs)
    typed = [None] if truncation is None else map(Truncation.parse, truncation.split(","))
    cuts = [pair_set.choose(each) for each in typed]
    on_gpu = device == "auto" and choose_device("auto") != "cpu"
    alpha_of_both, weights = _weights(alpha, class_weight)
    base = Recipe(
        cuts[0],
        bf16=on_gpu if bf16 is None else bf16,
        alpha=alpha_of_both,
        class_weights=weights,
        **settings,
    )
    recipes = grid(base, cuts, loss.split(","), _factors(oversample))
    template = Template.read(prompt, same, different, system, tokenized)
    model = model or (ENCODER if kind == "embedding" else BASE)
    if (commit := find_model(model, revision).resolved) is not None:
        note(f"model {model}: no commit was given; using --revision {commit}")
        revision = commit
    is_grid = len(recipes) > 1
    folders = [output / _folder(each) for each in recipes] if is_grid else [output]
    described: dict[str, Any] = {"pairs": pair_set, "kind": kind, "model": model}
    described |= {"revision": revision, "template": template}
    for recipe, folder in zip(recipes, folders, strict=True):
        if is_grid and is_trained(recipe=recipe, folder=folder, **described):
            note(f"{folder}: trained already")
            continue
        _train_shown(recipe, folder, resume=resume or is_grid, device=device, **how, **described)
        if not as_json and is_first_process():
            click.echo(f"judge: {kind}:model={folder}")
    if not is_first_process():
        return
    rows = _compare(pair_set, f"{kind}:device={device}", recipes, folders, roc)
    if as_json:
        _print_json(kind, recipes, folders, rows)
    elif rows:
        show(rows, form)


def _train_shown(recipe: Recipe, folder: Path, **arguments: Any) -> None:
    """Train a judge, as `judges.training.train.train` does, and show how far it is."""
    from judges.training.train import is_first_process, train

    try:
        # Reporters print where they put the progress, which is no result.
        with redirect_stdout(sys.stderr), stages_shown() as stage:
            seen = ""

            def progress(done: int, total: int, value: float) -> None:
                stage(f"{recipe.name}, loss {value:.4f}{seen}", done / total)

            def measured(found: Measured) -> None:
                nonlocal seen
                seen = f", held-out {_aurocs(found)}"
                if is_first_process():
                    note(f"{recipe.name}, update {found['update']}{seen}")

            train(recipe=recipe, folder=folder, progress=progress, measured=measured, **arguments)
    except KeyboardInterrupt as error:
        raise interrupted(error, "; go on with the same command and --resume") from None
    if is_first_process():
        for line in _course(folder):
            note(line)


def _aurocs(found: Measured) -> str:
    within = found["within"]
    return f"AUROC {found['auroc']:.3f}" + (
        "" if within is None else f", within problems {within:.3f}"
    )


def _course(folder: Path) -> list[str]:
    """Tell which pairs a judge was trained on, and which weights were kept."""
    from judges.training.folders import read_summary
    from judges.training.held_out import best_of

    summary = read_summary(folder)
    if summary is None:
        return []
    counts = summary["trained_on"]
    text = ", ".join(f"{number:,} {label}" for label, number in counts.items())
    if summary["repeated"]:
        text += f"; oversampled: {summary['repeated']}"
    lines = [f"{folder}: trained on {sum(counts.values()):,} pairs ({text})"]
    if measured := summary["measured"]:
        best = measured[best_of(measured)]
        lines.append(
            f"{folder}: best at update {best['update']} of {summary['updates']}, held-out "
            f"{_aurocs(best)}; kept are the weights of update {summary['kept_update']}"
        )
    return lines


def _factors(oversample: str) -> list[tuple[str, int]]:
    """Parse labels and factors of oversampling: `2,different=2`."""
    found = []
    for each in oversample.split(","):
        label, equals, number = each.rpartition("=")
        known = label in ("different", "same") if equals else True
        if not known or not number.isdecimal() or not 1 <= int(number) <= 1000:
            raise UserError(
                f"--oversample {oversample}: give whole numbers from 1 or different=N or same=N, "
                "with commas"
            )
        found.append((label or "rarer", int(number)))
    return found


def _weights(
    alpha: str, class_weight: str | None
) -> tuple[float, tuple[float, float] | Literal["balanced"]]:
    """Parse the focal loss's α, and the factors on both labels, which a pair of α stands for."""
    both = _numbers("--alpha", alpha)
    if len(both) == 2:
        if class_weight is not None:
            raise UserError("--alpha A:B and --class-weight are the same factors; give one of them")
        return 1.0, both
    if class_weight == "balanced":
        return both[0], "balanced"
    weights = _numbers("--class-weight", class_weight or "1:1")
    if len(weights) == 1:
        raise UserError(f"--class-weight {class_weight}: give balanced, or A:B such as 3:1")
    return both[0], weights


def _numbers(option: str, text: str) -> tuple[float] | tuple[float, float]:
    try:
        first, *rest = map(float, text.split(":"))
    except ValueError:
        first, rest = float("nan"), []
    if not isfinite(first) or not all(map(isfinite, rest)) or len(rest) > 1:
        raise UserError(f"{option} {text}: give a number, or two as A:B (different, same)")
    return (first, rest[0]) if rest else (first,)


def _folder(recipe: Recipe) -> str:
    label = "" if recipe.oversample_label == "rarer" else f"-{recipe.oversample_label}"
    return f"{recipe.truncation}-{recipe.loss}{label}-x{recipe.oversample}".replace("=", "-")


def _compare(
    pair_set: PairSet, spec: str, recipes: list[Recipe], folders: list[Path], roc: Path | None
) -> list[Row]:
    """Compare every judge on the test side, and store its figures; nothing without a test side."""
    from judges.evaluation.evaluate import compare, score_pairs
    from judges.loading import load_judge
    from judges.training.folders import store_figures

    if not any(each["test_pairs"] for each in pair_set.info["pools"].values()):
        return []
    scored = []
    for recipe, folder in zip(recipes, folders, strict=True):
        with progress_bar(f"{recipe.name}, test") as progress:
            judge = load_judge(f"{spec},model={folder}")
            scored.append(score_pairs(pair_set, judge, recipe.name, progress=progress))
    rows = []
    for each, folder in zip(scored, folders, strict=True):
        found = compare([each])
        store_figures(folder, found)
        rows += found
    draw(scored, rows, roc, None)
    return rows


def _print_json(kind: str, recipes: list[Recipe], folders: list[Path], rows: Sequence[Row]) -> None:
    """Print the judges that were trained and, of a grid, their comparison."""
    from judges.evaluation.evaluate import as_document

    judges = [
        {"name": recipe.name, "judge": f"{kind}:model={folder}", "path": str(folder)}
        for recipe, folder in zip(recipes, folders, strict=True)
    ]
    print_json({"judges": judges, "comparison": as_document(rows) if rows else None})
