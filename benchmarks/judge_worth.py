"""Measures if judges pay for themselves: `deepprune` against votes at equal total cost.

    python benchmarks/judge_worth.py POOL PAIRS lexical minilm=embedding:model=FOLDER -n 16 -n 64

Only the problems of the test side of PAIRS (`deepprune-sim judge pairs`) count: judges trained on
PAIRS have not seen them. `--traces` limits the traces of each problem, for judges that take long.
They are a pool of their own, `parts/MODEL/BENCHMARK-part`, which `--stored` keeps; without judges,
it is all that is made.

`deepprune` runs with each judge, K2 and confidence within clusters, at quantiles of its scores as
τ. The total cost of a run is the tokens generated and those that the judge computed, times the
judge's share of the reasoning model's active parameters. The accuracies of `cons@k` and of
`short-m@k`, m half of k, at the same cost are interpolated between neighbouring k. τ is chosen on
one half of the problems, for the greatest difference to `cons@k`, and measured on the other, both
ways; intervals are 95%, over problems. The last column leaves the judge's tokens out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

import deepprune_sim as dp
from judges.evaluation.metrics import quality
from judges.pairs.pair_sets import PairSet
from judges.scores.store import open_store, scores_folder
from simulator.api.results import Run
from simulator.pools.pool import Pool, PoolInfo, StoredProblem
from simulator.pools.records import ProblemRecord, TraceRecord
from simulator.pools.writer import PoolWriter
from simulator.signals import TOKEN_SIGNALS
from simulator.statistics import Estimate, bootstrap

Floats = npt.NDArray[np.float64]

QUANTILES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Quantiles of a judge's scores that are tried as τ: each judge has a scale of its own."""

VOTES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Values of k; those up to N are used."""


@dataclass(frozen=True)
class Played:
    """A run by problem: accuracies and costs averaged over repeats, shape (problems,)."""

    accuracy: Floats
    tokens: Floats
    judge: Floats

    def cost(self, free: bool = False) -> Floats:
        """Return the total cost in tokens of the reasoning model."""
        return self.tokens if free else self.tokens + self.judge


def part_of(source: Pool, cache: Path, problems: Sequence[str], traces: int) -> str:
    """Write a pool of some problems and the first traces of each, and return its name."""
    about = source.info
    info = PoolInfo(
        "parts",
        about.model,
        f"{about.benchmark}-part",
        "part",
        "1",
        about.token_accuracy,
        signals=[name for name in about.signals if name in ("text", *TOKEN_SIGNALS)],
        accepted={key: value for key, value in about.accepted.items() if key in problems},
        active_parameters=about.active_parameters,
    )
    with PoolWriter(cache, info) as writer:
        for problem in source.problems:
            if problem.problem_id in problems:
                writer.add(_record(source, problem, traces))
    return writer.info.name


def _record(source: Pool, problem: StoredProblem, traces: int) -> ProblemRecord:
    signals = {
        name: problem.token_signal(name) for name in source.info.signals if name in TOKEN_SIGNALS
    }
    rows = source.trace_rows(problem)[:traces]
    records = [
        TraceRecord(
            trace_id=row["trace_id"],
            num_tokens=row["num_tokens"],
            answer=row["answer"],
            prompt_tokens=row["prompt_tokens"],
            finish_reason=row["finish_reason"],
            text=problem.texts[index],
            token_ends=problem.token_ends[index],
            token_signals={name: values.of(index) for name, values in signals.items()},
        )
        for index, row in enumerate(rows)
    ]
    about = (problem.problem_id, problem.question, problem.gold_answer, problem.answer_kind)
    return ProblemRecord(*about, records)


def play(pool: str, cache: Path, spec: str, budget: int, **options: Any) -> Played:
    """Replay a method and return its figures by problem."""
    with tempfile.TemporaryDirectory() as scratch:
        run = dp.run(
            spec,
            pool,
            budget=budget,
            cache=cache,
            output=Path(scratch) / "run",
            progress=False,
            **options,
        )
        assert isinstance(run, Run)
        judge = json.loads((run.path / "run.json").read_text(encoding="utf-8"))["judge"]
        ratio = judge["ratio"][pool] if judge else 0.0
        means = run.answers().groupby("problem_id", sort=True).mean(numeric_only=True)
    return Played(
        means["correct"].to_numpy(dtype=float),
        means["tokens"].to_numpy(dtype=float),
        ratio * means["judge_tokens_charged"].to_numpy(dtype=float),
    )


@dataclass(frozen=True)
class Judge:
    """Stored scores of a judge: their name, values of τ, and AUROC, pooled and within problems."""

    stored: str
    thresholds: tuple[float, ...]
    aurocs: tuple[Estimate, Estimate]


def score(pool: str, cache: Path, judge: str, cut: str) -> Judge:
    """Score all pairs with a judge."""
    command = ["deepprune-sim", "judge", "score", judge, "-d", pool, "--cache", str(cache)]
    at = [] if judge.startswith("oracle") else ["-t", cut]
    done = subprocess.run(
        [*command, *at, "--json"], check=True, stdout=subprocess.PIPE, encoding="utf-8"
    )
    stored = str(json.loads(done.stdout)[0]["judge"])
    store = open_store(scores_folder(cache) / stored)
    labels, scores, numbers = [], [], []
    for number, problem in enumerate(Pool(cache / pool).problems):
        first, second = np.triu_indices(len(problem.lengths), 1)
        answers = problem.answer_class
        known = (answers[first] >= 0) & (answers[second] >= 0)
        labels.append((answers[first] == answers[second])[known])
        scores.append(store.read(problem)[first, second][known].astype(np.float64))
        numbers.append(np.full(int(known.sum()), number))
    of = np.concatenate(numbers)
    found = quality(np.concatenate(labels), np.concatenate(scores), of, of)
    assert found.auroc is not None
    assert found.within is not None
    taus = np.quantile(np.concatenate(scores), QUANTILES)
    thresholds = tuple(dict.fromkeys(round(float(tau), 4) for tau in taus))
    return Judge(stored, thresholds, (found.auroc, found.within))


def at_cost(curve: Sequence[Played], cost: float, chosen: npt.NDArray[np.bool_]) -> Floats:
    """Return the accuracy of chosen problems at a mean cost, between neighbours of a curve.

    Between two settings, it is that of drawing one of both at random. Beyond the last, it is that
    of the last.
    """
    costs = np.array([each.cost()[chosen].mean() for each in curve])
    accuracies = np.stack([each.accuracy[chosen] for each in curve])
    order = np.argsort(costs)
    place = float(np.interp(cost, costs[order], np.arange(len(curve))))
    low = int(place)
    high = min(low + 1, len(curve) - 1)
    share = place - low
    mixed: Floats = (1 - share) * accuracies[order[low]] + share * accuracies[order[high]]
    return mixed


def chosen_on_others(
    runs: Mapping[float, Played], curve: Sequence[Played], free: bool
) -> tuple[dict[bool, float], npt.NDArray[np.bool_]]:
    """Return the τ to use on either half of the problems, chosen on the other; and the halves."""
    half = np.arange(len(curve[0].accuracy)) % 2 == 0

    def gain(tau: float, where: npt.NDArray[np.bool_]) -> float:
        run = runs[tau]
        cost = float(run.cost(free)[where].mean())
        return float((run.accuracy[where] - at_cost(curve, cost, where)).mean())

    return {side: max(runs, key=partial(gain, where=half != side)) for side in (True, False)}, half


def row(
    runs: Mapping[float, Played], curves: Mapping[str, Sequence[Played]], free: bool
) -> list[str]:
    """Return τ of both halves, mean accuracy, tokens, judge's cost, and differences to curves."""
    taus, half = chosen_on_others(runs, curves["cons"], free)
    size = len(half)
    figures = {name: np.empty(size) for name in ("accuracy", "tokens", "judge", *curves)}
    for side, tau in taus.items():
        where, run = half == side, runs[tau]
        cost = float(run.cost(free)[where].mean())
        for name in ("accuracy", "tokens", "judge"):
            figures[name][where] = getattr(run, name)[where]
        for name, curve in curves.items():
            figures[name][where] = run.accuracy[where] - at_cost(curve, cost, where)
    over = bootstrap(size)
    return [
        " / ".join(f"{taus[side]:.3f}" for side in (True, False)),
        shown(over.mean(figures["accuracy"])),
        f"{figures['tokens'].mean():,.0f}",
        f"{figures['judge'].mean():,.0f}",
        *(shown(over.mean(figures[name]), "+.1f") for name in curves),
    ]


def shown(estimate: Estimate, form: str = ".1f", scale: float = 100) -> str:
    """Return an estimate with its interval, in percent unless another scale is given."""
    assert estimate.low is not None
    assert estimate.high is not None
    value, low, high = (scale * each for each in (estimate.value, estimate.low, estimate.high))
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def curves_of(pool: str, cache: Path, budget: int) -> dict[str, list[Played]]:
    """Replay the votes that `deepprune` is compared with."""
    votes = [k for k in VOTES if k <= budget]
    return {
        "cons": [play(pool, cache, f"cons@{k}", k) for k in votes],
        "short-m": [
            play(pool, cache, f"short-{(k + 1) // 2}@{k}" if k > 1 else "cons@1", k) for k in votes
        ],
    }


@click.command()
@click.argument("source")
@click.argument("pairs", type=click.Path(path_type=Path))
@click.argument("judges", nargs=-1, metavar="[NAME=]JUDGE…")
@click.option("-n", "budgets", multiple=True, type=int, default=(16,), show_default=True)
@click.option("--traces", default=64, show_default=True, help="Traces of each problem.")
@click.option("--repeats", default=64, show_default=True)
@click.option("--cut", default="tokens=64", show_default=True, help="Truncation of prefixes.")
@click.option("--stored", type=click.Path(path_type=Path), help="Folder of pool and scores.")
def main(
    source: str,
    pairs: Path,
    judges: tuple[str, ...],
    budgets: tuple[int, ...],
    traces: int,
    repeats: int,
    cut: str,
    stored: Path | None,
) -> None:
    """Print a table for each N."""
    opened = Pool(dp.open_pool(source).path)
    pair_set = PairSet(pairs)
    side = pair_set.groups("test", pair_set.choose(None))
    problems = [each.problem_id for each in side if each.pool == opened.info.name]
    with tempfile.TemporaryDirectory() as scratch:
        cache = stored or Path(scratch)
        name = f"parts/{opened.info.model}/{opened.info.benchmark}-part"
        if not (cache / name).exists():
            part_of(opened, cache, problems, traces)
        for budget in budgets if judges else ():
            print(f"\nN={budget}, {len(problems)} problems, {traces} traces each, {cut}\n")
            table(name, cache, judges, budget, repeats=repeats, cut=cut)


def table(
    pool: str, cache: Path, judges: Sequence[str], budget: int, *, repeats: int, cut: str
) -> None:
    """Print the row of each judge, with and without confidence, and the votes themselves."""
    curves = curves_of(pool, cache, budget)
    for name, curve in curves.items():
        for each in curve:
            accuracy = shown(bootstrap(len(each.accuracy)).mean(each.accuracy))
            print(f"{name}: {accuracy} at {each.cost().mean():,.0f} tokens", file=sys.stderr)
    against = " | ".join(f"against {name}, points" for name in (*curves, "cons, judge free"))
    found = {}
    print("| judge | AUROC | within problems |\n|---|---|---|")
    for given in judges:
        named = "=" in given.split(":")[0]
        name, judge = given.split("=", 1) if named else (given, given)
        found[name] = score(pool, cache, judge, cut)
        print(f"| {name} | {' | '.join(shown(each, '.3f', 1) for each in found[name].aurocs)} |")
    print(f"\n| judge | K2 | τ | accuracy, % | tokens | judge | {against} |")
    print("|---|---|---|---|---|---|" + "---|" * (len(curves) + 1))
    sys.stdout.flush()
    for name, scored in found.items():
        for kept, confident in ((20, False), (5, False), (5, True)):
            how = {"truncation": cut, "K2": kept, "confident": confident, "repeats": repeats}
            runs = {
                tau: play(pool, cache, "deepprune", budget, judge=scored.stored, tau=tau, **how)
                for tau in scored.thresholds
            }
            cells = [*row(runs, curves, free=False), row(runs, curves, free=True)[4]]
            label = name + (", confident" if confident else "")
            print(f"| {label} | {kept} | {' | '.join(cells)} |")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
