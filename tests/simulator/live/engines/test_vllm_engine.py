"""Policies on a tiny model in vLLM, which is installed in an environment of its own.

It is tested there, and only there: DEEPPRUNE_SIM_VLLM is set.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from simulator.live.source import Sampling

if not os.environ.get("DEEPPRUNE_SIM_VLLM"):
    pytest.skip("set DEEPPRUNE_SIM_VLLM where vLLM is installed", allow_module_level=True)

from live_policies import POLICIES, recording_in, spec_of, write_policies
from tiny_models import make_causal_model

from simulator.live.engines.vllm_engine import VllmEngine
from simulator.live.running import run_live


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_causal_model(tmp_path_factory.mktemp("model"), context=512)


@pytest.fixture(scope="module")
def engine(model: Path) -> VllmEngine:
    sampling = Sampling(temperature=1.5, top_p=1.0, max_tokens=60, probe_tokens=5)
    return VllmEngine(
        str(model), sampling, dtype="float32", slots=4, enforce_eager=True, max_model_len=256
    )


@pytest.mark.parametrize(("policy", "settings"), POLICIES, ids=[name for name, _ in POLICIES])
def test_live_equals_replay(
    policy: str,
    settings: dict[str, str],
    engine: VllmEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_policies(tmp_path)
    recording = recording_in(tmp_path / "recording", engine)
    spec = spec_of(policy, settings)
    for number in range(2):
        first = run_live(spec, recording, engine, number, complete=True, check=True)
        assert first.difference is None
        assert first.generated >= first.revealed > 0
        again: Any = run_live(spec, recording, engine, number, check=True)
        assert (again.difference, again.generated) == (None, 0)
        assert again.decisions.equals(first.decisions)


def test_signals_and_probes_are_those_of_transformers(engine: VllmEngine, model: Path) -> None:
    """Both engines, greedy in float32, generate and measure the same."""
    import numpy as np

    from simulator.live.engines.hf_engine import HfEngine

    engine.sampling = greedy = Sampling(temperature=0, max_tokens=40, probe_tokens=5)
    other = HfEngine(str(model), greedy, dtype="float32", device="cpu")
    made = []
    for each in (engine, other):
        source = each.open("a", "Two attempts", [[]], [False])
        pieces = [piece for lot in source.generate({0: 40}) for piece in lot]
        ids = [token for piece in pieces for token in piece.token_ids]
        confidence = np.concatenate([piece.signals["confidence"] for piece in pieces])
        entropy = np.concatenate([piece.signals["entropy"] for piece in pieces])
        text = "".join(piece.text for piece in pieces)
        probed = source.probe([(0, 8), (0, 16)])
        certainty = [list(reply.signals.values()) for reply in probed]
        said = [reply.text for reply in probed]
        made.append((ids, text, confidence, entropy, said, certainty))
    ours, theirs = made
    assert ours[:2] == theirs[:2]
    assert ours[4] == theirs[4]
    np.testing.assert_allclose(ours[5], theirs[5], atol=1e-3)  # of float32 logits, other kernels
    np.testing.assert_allclose(ours[2].astype(int), theirs[2].astype(int), atol=1)
    np.testing.assert_allclose(ours[3].astype(int), theirs[3].astype(int), atol=1)
