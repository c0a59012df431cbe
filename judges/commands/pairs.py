"""`deepprune-sim judge pairs`: make the pairs that judges are trained and evaluated on."""

from __future__ import annotations

from pathlib import Path

import click

from judges.commands.options import number_option, output_option, pools_option
from simulator.commands.options import FloatRange, cache_option, json_option, print_json

TRUNCATIONS = ("words=25", "tokens=500")


@click.command(
    epilog="\b\nExamples:\n"
    "  deepprune-sim judge pairs -d 'epoch/*' -o otis --test-model 'gemini*'\n"
    "  deepprune-sim judge pairs -d '*/mmlu-pro' -o mmlu -t words=25 --test-share 1"
)
@pools_option
@output_option(help="A new folder to write the pairs to.")
@click.option(
    "-t",
    "--truncation",
    "truncations",
    multiple=True,
    metavar="tokens=N|words=N",
    help="Truncation of each trace; several with commas. [default: words=25,tokens=500]",
)
@number_option("--traces", 16, "Traces drawn per problem; all of their pairs are made.", least=2)
@click.option(
    "--test-share",
    type=FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="Share of the problems on the test side: 1 for all of them, 0 for none.",
)
@click.option(
    "--test-model",
    "test_models",
    multiple=True,
    metavar="GLOB",
    help="Models on the test side only. [default: a random share of the models]",
)
@number_option("--seed", 0, "Seed for drawing traces, problems and models.", least=0)
@cache_option
@json_option
def pairs(
    patterns: tuple[str, ...],
    output: Path,
    truncations: tuple[str, ...],
    traces: int,
    test_share: float,
    test_models: tuple[str, ...],
    seed: int,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Make pairs of traces of the same problem, labelled by whether their answers are the same.

    Traces without an answer, or truncated by the length limit, are left out and counted. With
    several models, the test side has some problems of some models, and the training side has the
    other problems of the other models. The rest is left out, so that no problem and no model is on
    both sides.
    """
    from judges.pairs.pair_sets import make_pairs
    from judges.prefixes import Truncation
    from simulator.pools.folders import cache_folder, find_pools
    from simulator.pools.pool import Pool
    from simulator.report.tables import print_table, print_wrapped

    texts = ",".join(truncations or TRUNCATIONS).split(",")
    cuts = [Truncation.parse(text) for text in dict.fromkeys(texts)]
    pools = [Pool(folder) for folder in find_pools(cache_folder(cache), patterns)]
    made = make_pairs(
        pools,
        output,
        cuts,
        traces=traces,
        test_share=test_share,
        test_models=test_models,
        seed=seed,
    )
    if as_json:
        print_json({"pairs": str(output), **made.info})
        return
    rows = [
        [
            name,
            *(_with_share(counts[f"{side}_pairs"], counts[f"{side}_same"]) for side in SIDES),
            *(f"{counts[f'traces_{reason}']:,}" for reason in REASONS),
        ]
        for name, counts in made.info["pools"].items()
    ]
    headers = ["pool", "train pairs (same)", "test pairs (same)", *REASONS.values()]
    print_table(headers, rows, [False, *[True] * 6])
    click.echo()
    print_wrapped(f"split by {made.info['split']}; the last columns count traces left out")
    click.echo(f"pairs: {output}")


SIDES = ("train", "test")

REASONS = {
    "without_answer": "no answer",
    "cut_by_length": "cut by length",
    "not_drawn": "not drawn",
    "on_neither_side": "on neither side",
}


def _with_share(number: int, same: int) -> str:
    return f"{number:,} ({same / number:.0%})" if number else "0"
