"""`deepprune-sim data`: the pools on this machine, and SQL over pools, runs and submissions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cache import cache_folder, find_pools, pool_name
from simulator.commands.data_pull import pull
from simulator.commands.data_sample import sample
from simulator.commands.data_sql import sql
from simulator.commands.data_verify import verify
from simulator.commands.options import cache_option, json_option, print_json
from simulator.errors import UserError

if TYPE_CHECKING:
    from simulator.catalogue_rows import Broken
    from simulator.pool_facts import PoolFacts
    from simulator.statistics import Estimate


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n  deepprune-sim data list",
)
def data() -> None:
    """Pools on this machine, and queries over pools, runs and submissions."""


for command in (pull, sample, sql, verify):
    data.add_command(command)


@data.command("list", epilog="\b\nExample:\n  deepprune-sim data list --cache /data/pools")
@cache_option
@json_option
@click.option("--known", is_flag=True, help="Show known public pools too, which data pull gets.")
def list_pools(cache: Path | None, as_json: bool, known: bool) -> None:
    """List the pools on this machine.

    Lengths are tokens. Token accuracy says how much a pool knows of them: exact (every token's
    place), total (lengths only) or estimated. Pools that cannot be read are listed below.
    """
    from simulator.catalogue import connect

    folder = cache_folder(cache)
    with connect(folder) as catalogue:
        pools = catalogue.rows("FROM pools ORDER BY name")
        broken = catalogue.broken
    if as_json:
        listed = [{"path": str(each.path), "reason": each.reason} for each in broken]
        public = {"known": _known_pools(folder)} if known else {}
        print_json({"cache": str(folder), "pools": pools, "broken": listed, **public})
        return
    if pools:
        _print_pools(pools)
    else:
        click.echo(f"No pools in {folder}. To get some:")
        click.echo("  deepprune-sim run cons@64                replays a small generated sample")
        click.echo("  deepprune-sim import FORMAT PATH …       imports stored traces (import -h)")
        click.echo(
            "  deepprune-sim data pull NAME             downloads public ones (data pull -h)"
        )
    _print_broken(broken)
    if known:
        _print_known(_known_pools(folder), folder)


@data.command(
    epilog="\b\nExample:\n  deepprune-sim data show scout/qwen3-8b/aime24\n"
    "  deepprune-sim data show '*aime24' --json"
)
@click.argument("pool")
@cache_option
@json_option
def show(pool: str, cache: Path | None, as_json: bool) -> None:
    """Show one pool: where it comes from, and what its traces say.

    POOL is a name, or a glob that one pool matches. pass@k is the chance that one of k traces drawn
    at random is right (unbiased estimator), averaged over problems, with a 95% interval over those;
    for k = 1 it is the share of correct traces. cons@all lets every stored trace vote. Redundancy
    is the share of pairs of traces of one problem that have the same answer, traces without an
    answer left out: summed over all problems (pooled), and for each. Judge scores are those stored
    of its pairs.
    """
    from dataclasses import asdict

    from judges.inventory import stored_scores
    from simulator.catalogue import connect
    from simulator.pool import Pool, read_info
    from simulator.pool_facts import pool_facts

    folders = find_pools(cache_folder(cache), [pool])
    if len(folders) > 1:
        names = ", ".join(pool_name(folder) for folder in folders[:3])
        more = ", …" if len(folders) > 3 else ""
        raise UserError(f"{pool!r} matches {len(folders)} pools ({names}{more}); name one")
    (folder,) = folders
    info = read_info(folder)
    with connect(cache_folder(cache)) as catalogue:
        for broken in catalogue.broken:
            if broken.path == folder.resolve():
                raise UserError(f"{folder}: {broken.reason}")
        facts = pool_facts(catalogue, info.name)
        (row,) = catalogue.rows("SELECT path, bytes FROM pools WHERE name = ?", [info.name])
    description = {"name": info.name, **asdict(info), "fingerprint": info.fingerprint, **row}
    scores = stored_scores(cache_folder(cache), Pool(folder))
    if as_json:
        judged = [asdict(each) for each in scores]
        print_json({**description, "judge_scores": judged, "facts": facts.as_dict()})
    else:
        _print_description(description)
        for each in scores:
            click.echo(
                f"{'judge scores':<18}{each.judge}: {each.pairs:,} of {each.all_pairs:,} pairs"
                f"{' (unranked)' if each.unranked else ''}"
            )
        _print_facts(facts)


def _print_pools(pools: list[dict[str, Any]]) -> None:
    from simulator.tables import print_table

    headers = [
        "pool",
        "problems",
        "traces",
        "tokens",
        "mean length",
        "token accuracy",
        "signals",
        "size",
        "",
    ]
    rows = [
        [
            pool["name"],
            f"{pool['problems']:,}",
            f"{pool['traces']:,}",
            large_number(pool["tokens"]),
            f"{pool['tokens'] / max(1, pool['traces']):,.0f}",
            pool["token_accuracy"],
            ", ".join(pool["signals"]) or "-",
            file_size(pool["bytes"]),
            "SYNTHETIC" if pool["synthetic"] else "",
        ]
        for pool in pools
    ]
    print_table(headers, rows, [False, True, True, True, True, False, False, True])


def _print_broken(broken: list[Broken]) -> None:
    if broken:
        click.echo("\nCannot be read, and left out everywhere:")
        for each in broken:
            click.echo(f"  {each.path}: {each.reason}")


def _known_pools(folder: Path) -> list[dict[str, Any]]:
    """Each known public source with its pools, and which of those are in `folder`."""
    from simulator.registry import read_registry

    return [
        {
            "name": entry.name,
            "repository": entry.repository,
            "revision": entry.revision,
            "pinned": entry.pinned,
            "pools": names,
            "here": [name for name in names if (folder / name / "pool.json").exists()],
            "importer": entry.importer,
            "licence": entry.licence,
            "citation": entry.citation,
        }
        for entry in read_registry(folder).values()
        for names in [[entry.pool_name(rule) for rule in entry.pools]]
    ]


def _print_known(known: list[dict[str, Any]], folder: Path) -> None:
    from simulator.registry import FILE_NAME, SHIPPED
    from simulator.tables import print_table

    click.echo("\nKnown public pools, for deepprune-sim data pull NAME:")
    rows = [
        [
            entry["name"],
            f"{len(entry['here'])} of {len(entry['pools'])}",
            entry["repository"],
            entry["revision"][:12] if entry["pinned"] else f"{entry['revision']} (not pinned)",
            entry["licence"],
        ]
        for entry in known
    ]
    print_table(["name", "pools here", "repository", "revision", "licence"], rows)
    click.echo(f"\nYour own go into {folder / FILE_NAME}, in the form of {SHIPPED}")


def _print_description(description: dict[str, Any]) -> None:
    if description["synthetic"]:
        click.echo("SYNTHETIC: generated by this program, not sampled from a model.\n")
    leave_out = {"dataset", "model", "benchmark", "sha256", "format"}
    for key, value in description.items():
        if key in leave_out or value is None or value == []:
            continue
        text = ", ".join(value) if key == "signals" else value
        if key in ("problems", "traces", "tokens"):
            text = f"{value:,}"
        elif key == "bytes":
            text = f"{value:,} ({file_size(value)})"
        elif key == "synthetic":
            text = "yes" if value else "no"
        for line in text if isinstance(text, list) else [text]:
            click.echo(f"{key.replace('_', ' '):<18}{line}")


def _print_facts(facts: PoolFacts) -> None:
    from simulator.pool_facts import QUANTILES
    from simulator.tables import print_table

    def line(label: str, text: str) -> None:
        click.echo(f"{label:<18}{text}")

    reasons = ", ".join(f"{reason} {count:,}" for reason, count in facts.finish_reasons.items())
    lengths = zip(QUANTILES, facts.lengths, strict=True)
    click.echo()
    for k, chance in facts.pass_at_k.items():
        line(f"pass@{k}", with_interval(chance))
    line("cons@all", f"{with_interval(facts.consensus)} (every stored trace votes)")
    line(
        "redundancy",
        f"{share(facts.redundancy)} of all pairs with answers agree; "
        f"mean over problems {share(facts.mean_redundancy)}",
    )
    line("mean length", f"{facts.mean_length:,.1f} tokens")
    line("length quantiles", ", ".join(f"{q:.0%} {length:,.0f}" for q, length in lengths))
    line("no answer", f"{facts.no_answer:,} traces ({percent(facts.no_answer / facts.traces)})")
    line("finish reasons", reasons)
    click.echo()
    headers = ["problem", "gold", "traces", "pass@1", "cons", "answers", "no answer", "redundancy"]
    rows = [
        [
            each.problem_id,
            each.gold_answer,
            str(each.traces),
            percent(each.correct / each.traces),
            "right" if each.consensus_correct else "wrong",
            str(each.distinct_answers),
            str(each.no_answer),
            share(each.redundancy),
            f"{each.tokens / each.traces:,.0f}",
        ]
        for each in facts.problems
    ]
    right = [False, False, True, True, False, True, True, True, True]
    print_table([*headers, "mean length"], rows, right)


def percent(fraction: float) -> str:
    """A fraction as a percentage with two decimals."""
    return f"{100 * fraction:.2f}%"


def with_interval(estimate: Estimate) -> str:
    """A fraction as a percentage with its interval, where it has one."""
    if estimate.low is None or estimate.high is None:
        return percent(estimate.value)
    return f"{percent(estimate.value)} [{100 * estimate.low:.2f}, {100 * estimate.high:.2f}]"


def share(fraction: float | None) -> str:
    """A fraction with four decimals, `-` for None."""
    return "-" if fraction is None else f"{fraction:.4f}"


def large_number(count: int) -> str:
    """A whole number, in units of 10^8 from ten million on, as the literature has it."""
    return f"{count / 1e8:.3f} x10^8" if count >= 10_000_000 else f"{count:,}"


def file_size(size: int) -> str:
    """Bytes in the unit that suits their number, decimal."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"
