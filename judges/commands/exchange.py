"""`deepprune-sim judge export` and `import`: pairs out and in as JSON lines."""

from __future__ import annotations

from pathlib import Path

import click

from judges.commands.options import number_option, output_option, pairs_argument, truncation_option
from simulator.commands.options import FloatRange, json_option, print_json

FORMATS = ("messages", "pairs")


@click.command(
    name="export",
    epilog="\b\nExamples:\n"
    "  deepprune-sim judge export otis -o train.jsonl -t words=25\n"
    "  deepprune-sim judge export otis -o pairs.jsonl --format pairs --split all",
)
@pairs_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="A file."
)
@truncation_option(help="Truncation of each trace. [default: the first of PAIRS]")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="messages",
    show_default=True,
    help="messages: conversations, as TRL and LLaMA-Factory read; pairs: as judge import reads.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "test", "all"]),
    default="train",
    show_default=True,
    help="Side of PAIRS.",
)
@click.option("--prompt", type=click.Path(path_type=Path), help="messages: a prompt template.")
@click.option(
    "--system", type=click.Path(path_type=Path), help="messages: a file with a system message."
)
@click.option("--same", default="Yes", show_default=True, help="messages: label.")
@click.option("--different", default="No", show_default=True, help="messages: label.")
def export_pairs(
    pairs: Path,
    output: Path,
    truncation: str | None,
    form: str,
    split: str,
    prompt: Path | None,
    system: Path | None,
    same: str,
    different: str,
) -> None:
    """Write PAIRS, a folder made by `judge pairs`, as JSON lines.

    A model that was trained on them elsewhere is asked the same prompt with
    hf:model=FOLDER,tokenized=whole, and the same prompt=, system=, same= and different=.
    """
    from judges.kinds.prompting import Template
    from judges.pairs.exchange import SIDES, as_lines
    from judges.pairs.pair_sets import PairSet
    from judges.prefixes import Truncation
    from simulator.commands.report import write_whole

    pair_set = PairSet(pairs)
    cut = pair_set.choose(None if truncation is None else Truncation.parse(truncation))
    template = Template.read(prompt, same, different, system) if form == "messages" else None
    sides = SIDES if split == "all" else (split,)
    lines = list(as_lines(pair_set, sides, cut, template))
    write_whole(output, "".join(lines).encode())
    click.echo(f"wrote {len(lines):,} pairs to {output}", err=True)


@click.command(
    name="import",
    epilog="\b\nExample:\n"
    "  deepprune-sim judge import own.jsonl -o mine -t tokens=500 --test-share 0.2",
)
@click.argument("file", type=click.Path(path_type=Path))
@output_option(help="A new folder to write the pairs to.")
@truncation_option(required=True, help="The place where the texts were cut.")
@click.option(
    "--test-share",
    type=FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="Share of the problems on the test side, if lines have no split.",
)
@number_option("--seed", 0, "Seed for drawing problems.", least=0)
@json_option
def import_pairs(
    file: Path, output: Path, truncation: str, test_share: float, seed: int, as_json: bool
) -> None:
    """Make pairs of FILE, JSON lines of labelled pairs of traces.

    A line has problem, trace_a, trace_b (the two texts) and same (true or false), and may have
    question, model, pool, problem_id, id_a and id_b (numbers of the traces), whole_a and whole_b
    (true for a whole trace), and split (train or test).
    """
    from judges.pairs.exchange import read_pairs
    from judges.prefixes import Truncation

    cut = Truncation.parse(truncation)
    made = read_pairs(file, output, cut, test_share=test_share, seed=seed)
    if as_json:
        print_json({"pairs": str(output), **made.info})
        return
    for name, counts in made.info["pools"].items():
        sides = [f"{counts[f'{side}_pairs']:,} {side} pairs" for side in ("train", "test")]
        click.echo(f"{name}: {', '.join(sides)}")
    click.echo(f"pairs: {output}")
