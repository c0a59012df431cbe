"""Accuracy, tokens and clock of quorum at several numbers of starters, beside other methods.

    python benchmarks/quorum_study.py CACHE -d '*/aime24' [--method steadfast] [--runs DIR]
        [--markdown FILE] [--picture FILE]

CACHE is a folder of pools that have probes; all figures are means over the pools that -d names, of
64 traces a problem. The rule that quorum was to beat is in first_finishers.py beside this script.
--probe-cost 0 makes probes free, in tokens and in time.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from method_tables import NOTE, Line, headers, lines, markdown, one_line, show

import deepprune_sim as dp
from simulator.errors import UserError
from simulator.pools.folders import find_pools
from simulator.pools.pool import Pool
from simulator.report.text import interval
from simulator.runs.results import RunResult, read_results

N = 64
BASELINE = "cons@64"
START = str(Path(__file__).with_name("first_finishers.py"))
STARTERS = (8, 10, 12, 14, 15, 16, 20, 24, 28, 30, 32, 36, 40, 44, 48, 52, 56, 60, 64)
STARTS = ((16, 8), (32, 12), (64, 20))


@dataclass(frozen=True)
class Setting:
    """A method with its parameters, and the series of the picture that it belongs to."""

    name: str
    series: str
    policy: str
    parameters: Mapping[str, Any]
    budget: int | None = N


def settings(method: str) -> Iterator[Setting]:
    """Yield what is compared: the method, quorum or steadfast, at each number of starters first."""
    for starters in STARTERS:
        yield Setting(f"{method} {starters}", method, method, {"starters": starters})
    if method != "quorum":
        for starters, _ in STARTS:
            yield Setting(f"quorum {starters}", "quorum", "quorum", {"starters": starters})
    for starters, finishers in STARTS:
        given = {"starters": starters, "finishers": finishers}
        yield Setting(f"start {starters}, {finishers}", "start", START, given)
    for beta in (0.2, 0.35, 0.5, 0.75, 1):
        yield Setting(f"cmc β={beta:g}", "cmc", "cmc", {"beta": beta}, None)
    for slots in (4, 8, 16, 32, 64):
        yield Setting(f"beta-sc {slots}", "beta-sc", "beta-sc", {"in_flight": slots})
    for m, k in ((3, 16), (8, 16), (12, 32), (3, 64), (12, 64), (20, 64)):
        yield Setting(f"short-{m}@{k}", "short-m@k", f"short-{m}@{k}", {}, None)
    yield Setting(BASELINE, "cons@64", BASELINE, {}, None)


def replay(
    compared: Iterable[Setting],
    cache: Path,
    pools: Sequence[str],
    folder: Path,
    repeats: int,
    jobs: int,
    probe_cost: str | None,
) -> dict[str, list[RunResult]]:
    """Replay each setting on the pools; runs that are in the folder already are used."""
    results = {}
    names = {Pool(path).name for path in find_pools(cache, pools)}
    for setting in compared:
        reads_probes = setting.series in ("quorum", "steadfast", "cmc")
        cost = f"-probes-{probe_cost}" if probe_cost and reads_probes else ""
        output = folder / (setting.name.replace(" ", "-").replace(",", "") + cost)
        if not output.exists():
            dp.run(
                setting.policy,
                pools,
                budget=setting.budget,
                repeats=repeats,
                jobs=jobs,
                cache=cache,
                output=output,
                progress=False,
                probe_cost=probe_cost if reads_probes else None,
                **setting.parameters,
            )
        results[setting.name] = found = read_results(output)
        if {each.pool for each in found} != names or found[0].repeats != repeats:
            raise UserError(f"{output}: of other pools or repeats; give another --runs")
    return results


def spent(line: Line) -> float:
    """Return the tokens of a problem, with those of probes."""
    return line.tokens.value + line.probe_tokens


def against(
    results: Mapping[str, Sequence[RunResult]], found: Mapping[str, Line], method: str
) -> list[list[str]]:
    """Compare a method with each setting of the others at no more of its tokens and clock.

    A row names the most accurate setting of it that takes no more of both, with its paired
    difference, and the cheapest of those that are at least as accurate, with its share of both. For
    CMC, the clock is half of its own.
    """
    rows = []
    ours = [line for name, line in found.items() if name.startswith(method)]
    for name, other in found.items():
        if name.startswith(method) or name == BASELINE:
            continue
        most_clock = other.clock / 2 if name.startswith("cmc") else other.clock
        row = [name]
        within = [line for line in ours if spent(line) <= spent(other) and line.clock <= most_clock]
        if within:
            best = max(within, key=lambda line: line.accuracy.value)
            pair = {name: results[name], best.method: results[best.method]}
            difference = lines(pair, name)[1].to_baseline.difference
            row += [best.method, interval(difference, 100, "+", 1)]
        else:
            row += ["none", "–"]
        surer = [line for line in ours if line.accuracy.value >= other.accuracy.value]
        if surer:
            shares = [(spent(line) / spent(other), line.clock / other.clock) for line in surer]
            place = int(np.argmin([max(share) for share in shares]))
            row += [surer[place].method, *(f"{100 * share:.0f}" for share in shares[place])]
        else:
            row += ["none", "–", "–"]
        rows.append(row)
    return rows


AGAINST = ("", "at no more of both", "points [95%]", "as accurate", "tokens, %", "clock, %")


def picture(
    found: Mapping[str, Line], compared: Iterable[Setting], heading: str, file: Path
) -> None:
    """Draw accuracy against tokens and against the clock, with the settings of a method joined."""
    import altair as alt

    series = {setting.name: setting.series for setting in compared}
    rows = [
        {
            "method": series[name],
            "accuracy, %": 100 * line.accuracy.value,
            "thousand tokens a problem": spent(line) / 1e3,
            "thousand decode steps": line.clock / 1e3,
            "order": spent(line),
        }
        for name, line in found.items()
    ]
    colour = alt.Color("method", sort=[*dict.fromkeys(series.values())]).title(None)
    panels = []
    for axis in ("thousand tokens a problem", "thousand decode steps"):
        base = alt.Chart(alt.Data(values=rows)).encode(
            alt.X(axis, type="quantitative").scale(type="log", nice=False),
            alt.Y("accuracy, %", type="quantitative").scale(zero=False),
            colour.type("nominal"),
        )
        line = base.mark_line().encode(alt.Order("order", type="quantitative"))
        points = base.mark_point(filled=True, size=45).encode(alt.Shape("method", type="nominal"))
        panels.append((line + points).properties(width=380, height=320))
    alt.hconcat(*panels, title=heading).save(file)


def tables(
    results: Mapping[str, Sequence[RunResult]], found: Mapping[str, Line], method: str
) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """Return the tables: all settings, and the method beside each setting of the others."""
    every = [[name, *line.cells(BASELINE)] for name, line in found.items()]
    each = (
        f"{method.capitalize()} beside each, at no more tokens and clock (for cmc: half its clock)"
    )
    return [
        ("All settings", ["", *headers(BASELINE)], every),
        (each, AGAINST, against(results, found, method)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cache", type=Path, metavar="CACHE")
    parser.add_argument("-d", "--data", action="append", required=True, metavar="POOL")
    parser.add_argument("--method", choices=["quorum", "steadfast"], default="quorum")
    parser.add_argument("--repeats", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--probe-cost", help="tokens, as of deepprune-sim run [default: 10+20]")
    parser.add_argument("--runs", type=Path, help="folder to keep runs in; those in it are used")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    with TemporaryDirectory() as folder, one_line():
        how: tuple[Any, ...] = (given.repeats, given.jobs, given.probe_cost)
        compared = [*settings(given.method)]
        results = replay(compared, given.cache, given.data, given.runs or Path(folder), *how)
        found = {line.method: line for line in lines(results, BASELINE)}
        pools = ", ".join(result.pool for result in results[BASELINE])
        heading = f"Means over {pools}; N={N}, {given.repeats} repeats, seed 0"
        made = tables(results, found, given.method)
        if given.picture:
            picture(found, compared, heading, given.picture)
        if given.json:
            raw = [line.as_dict() for line in found.values()]
            given.json.write_text(json.dumps(raw, ensure_ascii=False, indent=1) + "\n")
        if given.markdown:
            parts = [f"{title}. {heading}.\n\n{markdown(head, rows)}" for title, head, rows in made]
            given.markdown.write_text("\n\n".join([*parts, NOTE]) + "\n", encoding="utf-8")
        else:
            for title, head, rows in made:
                print(f"\n{title}. {heading}")
                show(head, rows)


if __name__ == "__main__":
    main()
