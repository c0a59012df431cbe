"""Policies that are run live in tests, and recordings for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.isolation import host
from simulator.live.recording import LiveProblem, Recording, create
from simulator.live.running import LiveSpec
from simulator.live.source import ModelEngine
from simulator.replay.serving import Serving

POLICIES = [
    ("short-2@6", {}),
    ("esc", {"window": "2"}),
    ("deepconf-low", {"warm_up": "3", "window": "8"}),
    ("parallel-probe", {"interval": "8", "warm_up": "2", "patience": "1", "stable_steps": "3"}),
    ("words.py", {}),
    ("certain.py", {}),
]
WORDS = '''
import numpy as np
from deepprune_sim import Policy, TextMatches, majority_vote


class Words(Policy):
    """Stop at a letter, vote, and go on with those that have none."""

    requires = {"text"}

    def solve(self, problem, sampler):
        traces = sampler.start(4)
        sampler.decode(traces, until=TextMatches("[ae]"), first=2)
        sampler.stop(traces[traces.num_tokens < 5])
        more = traces[~traces.stopped]
        sampler.decode(more, tokens=int(sampler.rng.integers(5, 20)))
        sampler.decode(more)
        return majority_vote(more.answer)
'''

CERTAIN = '''
import numpy as np
from deepprune_sim import Policy, majority_vote


class Certain(Policy):
    """Stop each trace whose probe is more certain than the median; tell the numbers."""

    requires = {"probes", "probe_gmean", "probe_entropy"}

    def solve(self, problem, sampler):
        live = sampler.start(sampler.budget)
        told = []
        while len(live):
            sampler.decode(live, tokens=int(sampler.rng.integers(5, 20)))
            sampler.probe(live)
            sure = live.probed("probe_gmean")
            told.append((sure.tolist(), live.probed("probe_entropy").tolist()))
            sampler.stop(live[sure > np.nanmedian(np.append(sure, 0))])
            live = live[~live.finished & ~live.stopped]
        return repr(told)
'''


def write_policies(folder: Path) -> None:
    """Write the policies above that are files."""
    (folder / "words.py").write_text(WORDS, encoding="utf-8")
    (folder / "certain.py").write_text(CERTAIN, encoding="utf-8")


def letters(text: str, kind: str) -> str | None:
    """Find an answer in nonsense: its number of a letter, modulo 3; none in a short text."""
    return str(text.count("a") % 3) if len(text) > 20 else None


def recording_in(folder: Path, engine: ModelEngine, problems: int = 2) -> Recording:
    asked = [LiveProblem(f"{n}", f"What is {n}?", "1", "text") for n in range(problems)]
    about = {
        "dataset": "live",
        "benchmark": "tiny",
        "engine": {**engine.about, "model": "tiny"},
        "sampling": {**engine.sampling.__dict__},
        "probe_interval": 8,
        "probe_cost": {"suffix": engine.suffix_tokens, "answer": engine.sampling.probe_tokens},
        "signals": ["text", "confidence", "entropy", "probes", *engine.probe_signals],
    }
    return create(folder, asked, about)


def spec_of(policy: str, settings: dict[str, str], **changed: Any) -> LiveSpec:
    loaded = host.load(policy, settings)
    return LiveSpec(
        loaded,
        **{
            "budget": 6,
            "seed": 3,
            "serving": Serving(),
            "probe_interval": 8,
            "find_answer": letters,
            **changed,
        },
    )
