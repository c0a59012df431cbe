from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from judges.commands.options import pools_option, truncation_option
from simulator.api.progress import note, progress_bar
from simulator.commands.options import cache_option, json_option, print_json, workers_options
from simulator.errors import UserError, interrupted
from simulator.workers.opening import cluster_or_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judges.prefixes import Truncation
    from judges.runs.greedy import GreedyPairs
    from simulator.pools.pool import Pool


@click.command(
    epilog="\b\nExamples:\n  deepprune-sim judge score lexical -d 'epoch/*' -t words=25 -j 2\n"
    "  deepprune-sim judge score oracle:auroc=0.87 -d scout/qwen3-8b/aime24\n"
    "  deepprune-sim judge score hf -d 'epoch/*' --pairs greedy -p tau=.5,.63 -n 64"
)
@click.argument("judge")
@pools_option
@truncation_option(
    help="Truncation of each trace: its first N tokens, or up to its Nth reasoning word. "
    "[default: the judge's own]"
)
@click.option(
    "--pairs",
    type=click.Choice(["all", "greedy"]),
    default="all",
    show_default=True,
    help="greedy: only the pairs that `run deepprune` needs with the same -p, -n, --repeats and "
    "--seed; with other values it needs other pairs.",
)
@click.option(
    "-p",
    "settings",
    multiple=True,
    metavar="NAME=VALUE[,VALUE…]",
    help="A parameter of deepprune, such as tau, K or K1; several values are replayed one by one.",
)
@click.option("-n", "--budget", type=click.IntRange(min=1), help="Traces per problem, as in `run`.")
@click.option("--repeats", type=click.IntRange(min=1), help="Repeats, as in `run`.  [default: 64]")
@click.option("--seed", type=click.IntRange(min=0), help="Seed, as in `run`.  [default: 0]")
@workers_options("Number of processes, each of which loads the model.")
@cache_option
@json_option
def score(
    judge: str,
    patterns: tuple[str, ...],
    truncation: str | None,
    pairs: str,
    settings: tuple[str, ...],
    budget: int | None,
    repeats: int | None,
    seed: int | None,
    jobs: int | None,
    ray: str | None,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Score pairs of traces of the same problem, and store the scores for replays.

    JUDGE is lexical, embedding, hf, vllm or oracle, with settings as NAME:SETTING=VALUE,… Scores
    are stored below the folder of pools, in .judges/, with one folder per judge, which can be
    copied to a machine without the model. Stored pairs are not scored again, so the same command
    goes on after an interruption.
    """
    from judges.loading import commit_note
    from judges.prefixes import Truncation
    from judges.scores.cached import open_scores
    from judges.scores.filling import EveryPair, score_pools
    from simulator.commands.options import file_size
    from simulator.pools.folders import cache_folder, find_pools
    from simulator.pools.pool import Pool
    from simulator.report.tables import print_table

    folder = cache_folder(cache)
    cut = None if truncation is None else Truncation.parse(truncation)
    pools = [Pool(path) for path in find_pools(folder, patterns, remote=True)]
    scores = open_scores(folder, judge, cut)
    if scores.judge is not None and scores.description.spec != judge:
        note(commit_note(judge, scores.description.spec))
    wanted = None
    if pairs == "greedy":
        wanted = _greedy(scores.identity.truncation, settings, pools, budget, repeats, seed)
    elif settings or any(each is not None for each in (budget, repeats, seed)):
        raise UserError("-p, -n, --repeats and --seed need --pairs greedy; add it")
    try:
        with (
            cluster_or_number(jobs, score_pools.__module__, ray) as workers,
            progress_bar(scores.identity.name) as progress,
        ):
            counts = score_pools(scores, pools, workers, progress, wanted)
    except KeyboardInterrupt as error:
        hint = "; scores so far are stored, the same command goes on"
        raise interrupted(error, hint) from None
    rows: list[dict[str, Any]] = [
        {
            "pool": pool.name,
            "judge": scores.identity.folder,
            "pairs": sum(map(EveryPair().steps, pool.problems)),
            "scored_now": scored,
            "bytes": scores.store.size_of(pool.name),
            "path": str(scores.store.pool_folder(pool)),
        }
        for pool, scored in zip(pools, counts, strict=True)
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["pool", "pairs", "scored now", "size"],
        [
            [row["pool"], f"{row['pairs']:,}", f"{row['scored_now']:,}", file_size(row["bytes"])]
            for row in rows
        ],
        [False, True, True, True],
    )
    click.echo(f"scores: {scores.store.path}")


def _greedy(
    cut: Truncation | None,
    settings: tuple[str, ...],
    pools: Sequence[Pool],
    budget: int | None,
    repeats: int | None,
    seed: int | None,
) -> GreedyPairs:
    """Make the request for the pairs that runs of deepprune need; check the pools' sizes."""
    from judges.runs.greedy import GreedyPairs
    from simulator.replay.serving import Serving
    from simulator.runs.spec import RunSpec
    from simulator.runs.sweep import load_settings, parse_grid

    grid = parse_grid(settings)
    if "truncation" in grid:
        raise UserError("-p truncation: it is the judge's truncation; give -t instead")
    if cut is not None:
        grid["truncation"] = [str(cut)]
    policies = [each.loaded for each in load_settings("deepprune", grid)]
    wanted = GreedyPairs(policies, budget, 64 if repeats is None else repeats, seed or 0)
    for policy in policies:
        _ = RunSpec(policy, pools, budget, wanted.repeats, wanted.seed, Serving()).budgets
    return wanted
