"""Policies on a tiny model: live equals replay, recordings are used again, and become pools."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_policies import POLICIES, recording_in, spec_of, write_policies
from tiny_models import make_causal_model

from simulator.errors import UserError
from simulator.live import finishing
from simulator.live.engines.hf_engine import HfEngine
from simulator.live.recording import create, open_recording
from simulator.live.running import replayed, run_live
from simulator.live.source import Sampling
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool
from simulator.replay.recording import OF_ENDS
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
from simulator.signals import PROBE_SIGNALS


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_causal_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def engine(model: Path) -> HfEngine:
    import torch

    torch.set_num_threads(1)  # steps of a tiny model are shorter than threads need to meet
    sampling = Sampling(temperature=1.5, top_p=1.0, max_tokens=60, probe_tokens=5)
    return HfEngine(str(model), sampling, dtype="float32", device="cpu")


@pytest.mark.parametrize(("policy", "settings"), POLICIES, ids=[name for name, _ in POLICIES])
@pytest.mark.parametrize("serving", [Serving(), Serving(2)], ids=["unlimited", "two slots"])
def test_live_equals_replay(
    policy: str,
    settings: dict[str, str],
    serving: Serving,
    engine: HfEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_policies(tmp_path)
    spec = spec_of(policy, settings, serving=serving)
    recording = recording_in(tmp_path / "recording", engine)
    for number in range(2):
        first = run_live(spec, recording, engine, number, check=True)
        assert first.difference is None
        assert first.generated >= first.revealed > 0
        again = run_live(spec, recording, engine, number, check=True)
        assert again.difference is None
        assert again.generated == 0
        assert again.ledger.probe_prompts == 0
        assert again.decisions.equals(first.decisions)
        assert again.answers.equals(first.answers)


def test_hardly_more_is_generated_than_a_policy_is_shown(engine: HfEngine, tmp_path: Path) -> None:
    for policy, settings in POLICIES[:4]:
        recording = recording_in(tmp_path / policy, engine)
        ran = run_live(spec_of(policy, settings), recording, engine, 0)
        most = 8 * 6 if policy == "deepconf-low" else 0  # its rule is read every eight steps
        assert ran.revealed <= ran.generated <= ran.revealed + most


@pytest.mark.parametrize(("policy", "settings"), [POLICIES[3], POLICIES[5]])
def test_a_finished_recording_replays_as_it_ran(
    policy: str,
    settings: dict[str, str],
    engine: HfEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_policies(tmp_path)
    recording = recording_in(tmp_path / "recording", engine)
    with pytest.raises(UserError, match="has no traces"):
        finishing.finish(recording, tmp_path / "cache")
    spec = spec_of(policy, settings)
    live = [run_live(spec, recording, engine, number) for number in range(2)]
    for number in range(2):
        run_live(spec, recording, engine, number, complete=True)
    info = finishing.finish(open_recording(recording.folder), tmp_path / "cache")
    assert (info.problems, info.traces) == (2, 12)
    pool = Pool(tmp_path / "cache" / "live" / "tiny" / "tiny")
    assert pool.info.probe_cost == {"suffix": engine.suffix_tokens, "answer": 5}
    assert check_pool(pool.path) == []
    assert {*PROBE_SIGNALS} < {*pool.info.signals}
    for problem, ran in zip(pool.problems, live, strict=True):
        assert problem.probes.interval == 8
        again = replay(
            spec.loaded,
            problem,
            budget=spec.budget,
            repeats=[0],
            seed=spec.seed,
            serving=spec.serving,
            order="stored",
        )
        assert again.decisions.equals(ran.decisions)
        known = again.answers.drop_columns([*OF_ENDS])
        assert known.equals(ran.answers)


def test_a_replay_does_not_go_past_what_was_generated(engine: HfEngine, tmp_path: Path) -> None:
    recording = recording_in(tmp_path / "recording", engine)
    run_live(spec_of("cons@3", {}, budget=3), recording, engine, 0)
    with pytest.raises(UserError, match="problem 0: trace 3 was generated up to 0 tokens"):
        replayed(spec_of("cons@6", {}), recording, 0)


def test_a_torn_line_is_dropped_and_generated_anew(engine: HfEngine, tmp_path: Path) -> None:
    recording = recording_in(tmp_path / "recording", engine)
    spec = spec_of("cons@6", {})
    whole = run_live(spec, recording, engine, 0)
    journal = recording.folder / "traces" / "000.jsonl"
    lines = journal.read_bytes()
    for kept in (len(lines) - 7, len(lines) // 2, 10, 0):
        journal.write_bytes(lines[:kept])
        again = run_live(spec, recording, engine, 0, check=True)
        assert again.difference is None
        assert again.generated > 0
        assert again.decisions.equals(whole.decisions)  # a seed a trace and place


def test_a_lost_line_is_an_error(engine: HfEngine, tmp_path: Path) -> None:
    recording = recording_in(tmp_path / "recording", engine)
    run_live(spec_of("cons@6", {}), recording, engine, 0)
    journal = recording.folder / "traces" / "000.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:8] + lines[9:]))
    with pytest.raises(UserError, match=r"000\.jsonl: .*tokens of trace \d are missing before"):
        run_live(spec_of("cons@6", {}), recording, engine, 0)


def test_another_model_or_other_problems_do_not_add_to_a_recording(
    engine: HfEngine, tmp_path: Path
) -> None:
    recording = recording_in(tmp_path / "recording", engine)
    with pytest.raises(UserError, match="a recording with other problems"):
        recording_in(tmp_path / "recording", engine, problems=3)
    about = {key: value for key, value in recording.about.items() if key != "format"}
    with pytest.raises(UserError, match="a recording with other probe_interval"):
        create(recording.folder, recording.problems, about | {"probe_interval": 9})
    fewer = [name for name in about["signals"] if not name.startswith("probe_")]
    with pytest.raises(UserError, match="a recording with other signals"):
        create(recording.folder, recording.problems, about | {"signals": fewer})
    with pytest.raises(UserError, match="a recording with other signals"):
        create(recording.folder, recording.problems, about | {"signals": fewer[:-1]})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with pytest.raises(UserError, match="not a recording"):
        recording_in(tmp_path / "other", engine)


def test_a_recording_of_an_earlier_version_goes_on_without_probe_signals(
    engine: HfEngine, tmp_path: Path
) -> None:
    spec = spec_of("parallel-probe", POLICIES[3][1])
    about = {**recording_in(tmp_path / "now", engine).about}
    del about["format"]
    earlier = [name for name in about["signals"] if not name.startswith("probe_")]
    problems = open_recording(tmp_path / "now").problems
    recording = create(tmp_path / "recording", problems, about | {"signals": earlier})
    first = run_live(spec, recording, engine, 0, check=True)
    assert first.difference is None
    recording = create(tmp_path / "recording", problems, about)
    assert recording.about["signals"] == earlier
    assert run_live(spec, recording, engine, 0, check=True, complete=True).difference is None
    run_live(spec, recording, engine, 1, complete=True)
    assert finishing.finish(recording, tmp_path / "cache").signals == earlier


@pytest.mark.parametrize("line", ["{", "[]", '{"trace": 0}', '{"probes": [[0, 8, "", "1", 7]]}'])
def test_a_damaged_journal_is_an_error(line: str, engine: HfEngine, tmp_path: Path) -> None:
    recording = recording_in(tmp_path / "recording", engine)
    (recording.folder / "traces").mkdir()
    (recording.folder / "traces" / "000.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"000\.jsonl"):
        run_live(spec_of("cons@6", {}), recording, engine, 0)
