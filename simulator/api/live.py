"""Live runs: from a policy, a file of problems and a model to a recording and a summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.answers.finding import find_answer
from simulator.api.progress import note
from simulator.api.serving_options import write_profile
from simulator.errors import UserError, install_extra
from simulator.isolation import host
from simulator.live.problems import read_problems
from simulator.live.profiling import measured
from simulator.live.recording import LIVE_FILE, RUNS_FOLDER, Recording, check_folder, create
from simulator.live.running import LiveResult, LiveSpec, run_live
from simulator.live.source import Ledger, ModelEngine, Sampling
from simulator.replay.serving import Serving
from simulator.runs.format import ANSWERS_FILE, DECISIONS_FILE
from simulator.runs.making import installed_versions, new_folder, write_json
from simulator.runs.spec import asked_budget
from simulator.runs.sweep import parse_grid
from simulator.signals import PROBE_SIGNALS, TOKEN_SIGNALS
from simulator.statistics import bootstrap

DEFAULT_BUDGET = 16
"""Traces a problem where neither the user nor the policy gives a number."""

Bar = AbstractContextManager[Callable[[int, int], None]]


@dataclass(frozen=True)
class LivePlan:
    """A live run that can be made."""

    spec: LiveSpec
    recording: Recording
    engine: ModelEngine


def plan_live_run(
    policy: str,
    problems: Path,
    *,
    model: str,
    revision: str | None = None,
    engine: str | None = None,
    base_url: str | None = None,
    tokenizer: str | None = None,
    dtype: str = "bfloat16",
    slots: int = 96,
    settings: Sequence[str] = (),
    budget: int | None = None,
    output: Path | None = None,
    seed: int = 0,
    temperature: float = 0.6,
    top_p: float = 0.95,
    top_k: int = 0,
    max_tokens: int = 4096,
    probe_interval: int = 64,
    in_process: bool = False,
    timeout: float | None = None,
    **_: Any,
) -> LivePlan:
    """Load policy, problems and model, the model last, and open the recording.

    Raises
    ------
    UserError
        Any of them cannot be used; the recording has other settings.
    """
    asked = read_problems(problems)
    grid = parse_grid(settings)
    swept = [name for name, values in grid.items() if len(values) > 1]
    if swept:
        raise UserError(f"-p {swept[0]}: give one value; a live run has no sweep")
    typed = {name: value for name, (value,) in grid.items()}
    loaded = replace(host.load(policy, typed, in_process=in_process), timeout=timeout)
    sampling = Sampling(temperature, top_p, top_k, max_tokens, seed)
    spec = LiveSpec(
        loaded=loaded,
        budget=asked_budget(budget, loaded)
        or min(loaded.policy.budget or DEFAULT_BUDGET, DEFAULT_BUDGET),
        seed=seed,
        serving=Serving(),
        probe_interval=probe_interval,
        find_answer=_found,
    )
    stem = problems.stem
    named = Path(model).resolve() if Path(model).is_dir() else Path(model)
    folder = output or Path("recordings") / f"{named.name}-{stem}"
    about: dict[str, Any] = {
        "dataset": "live",
        "benchmark": stem,
        "sampling": asdict(sampling),
        "probe_interval": probe_interval,
    }
    check_folder(folder, asked, about)
    if engine == "server" or base_url or tokenizer:
        running = connect(engine, model, sampling, base_url, tokenizer, revision, slots)
    else:
        running = load_engine(engine, model, sampling, revision=revision, dtype=dtype, slots=slots)
    wanted = set(loaded.policy.requires) & {*TOKEN_SIGNALS, *PROBE_SIGNALS}
    lacking = sorted(wanted - {*running.signals, *running.probe_signals})
    if lacking:
        raise UserError(
            f"{loaded.name} reads {' and '.join(lacking)}, and {base_url or model} gives none; use "
            "an engine that gives log-probabilities"
        )
    about |= {
        "engine": dict(running.about),
        "probe_cost": {"suffix": running.suffix_tokens, "answer": sampling.probe_tokens},
        "signals": ["text", *running.signals, "probes", *running.probe_signals],
    }
    recording = create(folder, asked, about)
    _check_recorded(recording, wanted, loaded.name)
    return LivePlan(spec, recording, running)


def _check_recorded(recording: Recording, wanted: Set[str], policy: str) -> None:
    """Raise `UserError` if a recording of an earlier version lacks signals that a policy reads."""
    missing = sorted(wanted - {*recording.about["signals"]})
    if missing:
        raise UserError(
            f"{recording.folder}: has no {' and no '.join(missing)}, which {policy} reads; an "
            "earlier version began it: give another -o"
        )


def _found(text: str, answer_kind: str) -> str | None:
    """Return the answer in a text; None without one."""
    found = find_answer(text, answer_kind)
    return None if found is None else found.answer


def load_engine(
    name: str | None,
    model: str,
    sampling: Sampling,
    *,
    revision: str | None,
    dtype: str,
    slots: int,
) -> ModelEngine:
    """Load a model in the engine of this name; None: vLLM where it is installed.

    Raises
    ------
    UserError
        The engine is not installed, or cannot load the model.
    """
    if name is None:
        name = "vllm" if find_spec("vllm") else "transformers"
    if find_spec("torch") is None or find_spec(name) is None:
        raise UserError(f"{name} is not installed; install deepprune-sim with the extra judge")
    if name == "vllm":
        from simulator.live.engines.vllm_engine import VllmEngine

        return VllmEngine(model, sampling, revision=revision, dtype=dtype, slots=slots)
    from simulator.live.engines.hf_engine import HfEngine

    return HfEngine(model, sampling, revision=revision, dtype=dtype, slots=slots)


def connect(
    name: str | None,
    model: str,
    sampling: Sampling,
    base_url: str | None,
    tokenizer: str | None,
    revision: str | None,
    slots: int,
) -> ModelEngine:
    """Connect to a model behind an OpenAI-compatible server.

    Raises
    ------
    UserError
        The options are not those of a server; it does not answer, or lacks what is needed.
    """
    if name not in (None, "server"):
        option = "--base-url" if base_url else "--tokenizer"
        raise UserError(f"{option}: only for --engine server, and this is --engine {name}")
    if base_url is None:
        raise UserError(
            "--engine server: give the server's address, --base-url http://HOST:PORT/v1"
        )
    if find_spec("transformers") is None:
        raise UserError(f"transformers is not installed; {install_extra('judge')}")
    from simulator.live.engines.server_engine import ServerEngine

    engine = ServerEngine(
        model,
        sampling,
        base_url=base_url,
        tokenizer=tokenizer,
        revision=revision,
        slots=slots,
    )
    if not engine.signals:
        note(
            f"{base_url} gives no log-probabilities: the recording has no confidence and entropy, "
            "and no policy that reads them can use it"
        )
    return engine


def make_profile(
    problems: Path,
    file: Path,
    *,
    model: str,
    revision: str | None = None,
    engine: str | None = None,
    dtype: str = "bfloat16",
    slots: int = 96,
    seed: int = 0,
    temperature: float = 0.6,
    top_p: float = 0.95,
    top_k: int = 0,
    max_tokens: int = 4096,
    base_url: str | None = None,
    bar: Bar,
    **_: Any,
) -> dict[str, Any]:
    """Measure an engine on a file of problems, and write what `run --serving` takes.

    Returns
    -------
    The summary that `live --profile` prints.

    Raises
    ------
    UserError
        The problems or the model cannot be used, or the file cannot be written.
    """
    if engine == "server" or base_url:
        raise UserError("--profile measures an engine in this process; leave the server out")
    asked = read_problems(problems)
    if not file.parent.is_dir():
        raise UserError(f"--profile {file}: there is no such folder; make it first")
    sampling = Sampling(temperature, top_p, top_k, max_tokens, seed)
    running = load_engine(engine, model, sampling, revision=revision, dtype=dtype, slots=slots)
    with bar as progress:
        profile = measured(running, [problem.question for problem in asked], slots, progress)
    try:
        write_profile(file, profile, running.about, sampling)
    except OSError as error:
        raise UserError(f"--profile {file}: {error.strerror}") from None
    return {"file": str(file), "model": running.about["model"], **profile.summary()}


def make_live_run(
    plan: LivePlan,
    *,
    complete: bool = False,
    check: bool = False,
    bar: Bar,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Run a policy live on all problems; write its decisions and answers into the recording.

    Interrupted, it keeps what was generated: the same call goes on from there.

    Returns
    -------
    The summary that `live` prints.

    Raises
    ------
    PolicyError, UserError
        As `run_live`.
    """
    spec, recording = plan.spec, plan.recording
    count = len(recording.problems)
    results = []
    with bar as progress:
        progress(0, count)
        for number in range(count):
            results.append(
                run_live(spec, recording, plan.engine, number, complete=complete, check=check)
            )
            progress(number + 1, count)
    summary = summarised(plan, results, check)
    folder = new_folder(recording.folder / RUNS_FOLDER, spec.loaded.name)
    folder.mkdir(parents=True)
    pq.write_table(pa.concat_tables([each.decisions for each in results]), folder / DECISIONS_FILE)
    pq.write_table(pa.concat_tables([each.answers for each in results]), folder / ANSWERS_FILE)
    write_json(
        folder / LIVE_FILE,
        summary
        | {
            "parameters": dict(spec.loaded.parameters),
            "sha256": spec.loaded.sha256,
            "source": spec.loaded.source,
            "seed": spec.seed,
            "command": list(command),
            "versions": installed_versions(),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    return summary


def summarised(plan: LivePlan, results: Sequence[LiveResult], checked: bool) -> dict[str, Any]:
    """Summarise a live run; intervals are over problems."""
    problems = plan.recording.problems
    over = bootstrap(len(problems))
    answers = pa.concat_tables([each.answers for each in results])
    metrics = {
        name: over.mean(answers[name].to_numpy().astype(np.float64)).as_dict()
        for name in ("tokens", "probe_tokens", "clock")
    }
    metrics["seconds"] = over.mean([each.ledger.seconds for each in results]).as_dict()
    ungraded = sum(not problem.answer for problem in problems)
    notes = []
    if ungraded:
        notes.append(f"{ungraded} problems have no answer to grade with: no accuracy.")
    else:
        right = answers["correct"].to_numpy(zero_copy_only=False).astype(np.float64)
        metrics = {"accuracy": over.mean(right).as_dict(), **metrics}
    return {
        "policy": plan.spec.loaded.name,
        "model": plan.engine.about["model"],
        "recording": str(plan.recording.folder),
        "problems": len(problems),
        "budget": plan.spec.budget,
        "metrics": metrics,
        "generated": sum(each.generated for each in results),
        "revealed": sum(each.revealed for each in results),
        "ledger": asdict(sum((each.ledger for each in results), Ledger())),
        "checked": checked,
        "differences": [
            f"problem {problem.problem_id}: {each.difference}"
            for problem, each in zip(problems, results, strict=True)
            if each.difference
        ],
        "notes": notes,
    }
