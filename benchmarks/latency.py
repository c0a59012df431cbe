"""The simulated clock beside the wall clock: policies live on a model, and replayed with a profile.

Each policy runs on an empty recording. Its live seconds are those in the engine, without loading
the model, grading or the policy; the simulated ones are the clock of the replay of its recording.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from simulator.answers.finding import find_answer
from simulator.api.live import load_engine
from simulator.api.serving_options import chosen_serving
from simulator.isolation import host
from simulator.live.problems import read_problems
from simulator.live.recording import create
from simulator.live.running import LiveSpec, replayed, run_live
from simulator.live.source import ModelEngine, Sampling
from simulator.replay.serving import Serving
from simulator.report.tables import print_table

POLICIES: dict[str, dict[str, str]] = {
    "cons": {},
    "short-m": {"m": "3"},
    "esc": {"window": "5"},
    "deepconf-low": {"warm_up": "6", "window": "32"},
    "parallel-probe": {"interval": "32", "warm_up": "1", "patience": "2", "stable_steps": "3"},
}
"""The policies, with settings for traces of some hundred tokens."""


def found(text: str, kind: str) -> str | None:
    """Return the answer in a text; None without one."""
    answer = find_answer(text, kind)
    return None if answer is None else answer.answer


def seconds_of(
    policy: str, engine: ModelEngine, serving: Serving, problems: Path, traces: int
) -> tuple[list[float], list[float], int, int]:
    """Run a policy live and in replay.

    Returns
    -------
    Live and simulated seconds of each problem; tokens generated, and revealed to the policy.
    """
    name = {"cons": f"cons@{traces}", "short-m": f"short-3@{traces}"}.get(policy, policy)
    settings = {} if name != policy else POLICIES[policy]
    asked = read_problems(problems)
    spec = LiveSpec(host.load(name, settings), traces, 0, serving, 32, found)
    about = {
        "dataset": "live",
        "benchmark": problems.stem,
        "engine": dict(engine.about),
        "sampling": asdict(engine.sampling),
        "probe_interval": spec.probe_interval,
        "probe_cost": {"suffix": engine.suffix_tokens, "answer": engine.sampling.probe_tokens},
        "signals": ["text", *engine.signals, "probes"],
    }
    live, simulated, generated, revealed = [], [], 0, 0
    with TemporaryDirectory() as folder:
        recording = create(Path(folder) / "recording", asked, about)
        for number in range(len(asked)):
            ran = run_live(spec, recording, engine, number)
            live.append(ran.ledger.seconds)
            simulated.append(replayed(spec, recording, number).answers["clock"][0].as_py())
            generated, revealed = generated + ran.generated, revealed + ran.revealed
    return live, simulated, generated, revealed


@click.command()
@click.argument("profile", type=click.Path(exists=True))
@click.argument("problems", type=click.Path(path_type=Path, exists=True))
@click.option("--model", required=True)
@click.option("--engine", "name", type=click.Choice(["vllm", "transformers"]))
@click.option("--dtype", default="bfloat16")
@click.option("-n", "--traces", default=16)
@click.option("--max-tokens", default=256)
@click.option("--policy", "policies", multiple=True, default=[*POLICIES])
def main(
    profile: str,
    problems: Path,
    model: str,
    name: str | None,
    dtype: str,
    traces: int,
    max_tokens: int,
    policies: tuple[str, ...],
) -> None:
    """Compare the clock of a PROFILE with the seconds of an engine on PROBLEMS."""
    serving = chosen_serving([profile])
    sampling = Sampling(temperature=0.8, top_p=1.0, max_tokens=max_tokens, seed=1)
    engine = load_engine(
        name, model, sampling, revision=None, dtype=dtype, slots=serving.concurrency or 96
    )
    for _ in engine.open("warm up", "Hello", [[], []], [False, False]).generate({0: 32, 1: 32}):
        pass
    rows, errors, by_problem = [], [], []
    for policy in policies:
        live, simulated, generated, revealed = seconds_of(policy, engine, serving, problems, traces)
        errors.append(sum(simulated) / sum(live) - 1)
        each = np.array(simulated) / np.array(live) - 1
        by_problem += each.tolist()
        rows.append(
            [
                policy,
                f"{sum(live):.1f}",
                f"{sum(simulated):.1f}",
                f"{100 * errors[-1]:+.1f}",
                f"{100 * np.median(np.abs(each)):.1f}",
                f"{100 * np.abs(each).max():.1f}",
                f"{100 * (generated / revealed - 1):.1f}",
            ]
        )
        print(" ".join(rows[-1]), flush=True)
    headers = ["policy", "live, s", "clock, s", "error, %"]
    headers += ["median problem, %", "worst problem, %", "overrun, % of tokens"]
    print_table(headers, rows, [False] + [True] * (len(headers) - 1))
    for what, all_of in (("policies", errors), ("problems", by_problem)):
        off = 100 * np.abs(all_of)
        print(f"{what}: median error {np.median(off):.1f}%, worst {off.max():.1f}%")


if __name__ == "__main__":
    main()
