"""Submissions with the verifier's own replays beside them, as `verify` leaves them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.replay.serving import Serving
from simulator.runs.format import FILES
from simulator.runs.making import make_run
from simulator.runs.results import read_results
from simulator.runs.spec import RunSpec
from simulator.storage import file_sha256
from simulator.submissions.badges import STEPS, Step, Verification
from simulator.submissions.files import METADATA, read_files
from simulator.submissions.metadata import read_metadata


def add_verified(
    submission: Path,
    *,
    cache: Path | None = None,
    seed: int = 11,
    repeats: int = 64,
    run: Path | None = None,
    edit: Callable[[Path], None] = lambda folder: None,
) -> Path:
    """Replay a submission's built-in method into `verified/`; write that every step passed.

    `run` is copied instead, if given. `edit` changes the folder before its files are hashed.
    """
    folder = submission / "verified"
    if run is None:
        cache = cache or submission.parent.parent / "pools"
        results = read_results(submission)
        recorded = json.loads((submission / "run.json").read_text(encoding="utf-8"))["policy"]
        loaded = load_policy(recorded["name"], recorded.get("settings") or {})
        pools = [Pool(cache / result.pool) for result in results]
        budget = None if loaded.budget else results[0].budget
        make_run(RunSpec(loaded, pools, budget, repeats, seed, Serving()), folder)
    else:
        folder.mkdir()
        for name in FILES:
            shutil.copy(run / name, folder)
    edit(folder)
    file = submission / "verification.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    files = read_files(submission)
    metadata, wrong = read_metadata(files.content[METADATA])
    assert metadata is not None, wrong
    steps = [Step(step, "passed") for step in STEPS]
    made = Verification(
        submission.name, "verified", steps, {}, verified_at="2026-11-29T00:00:00+00:00"
    )
    verification = {
        **made.as_dict(),
        **known,
        "sha256": files.sha256,
        "verified_sha256": {name: file_sha256(folder / name) for name in FILES},
        "told": metadata.as_told(),
    }
    file.write_text(json.dumps(verification), encoding="utf-8")
    return folder
