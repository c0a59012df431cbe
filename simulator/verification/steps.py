"""The three steps of verifying a submission, one after another, in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from simulator.errors import UserError
from simulator.pools.folders import pool_name
from simulator.pools.pool import Pool, iter_pool_folders
from simulator.pools.shipped import copy_shipped, shipped_pools
from simulator.submissions.badges import Step, Verification, decide_badge
from simulator.submissions.files import (
    VERIFICATION,
    VERIFIED,
    Files,
    read_files,
    verifiers_place,
)
from simulator.submissions.run_record import RecordedRun
from simulator.submissions.verified import verified_folder
from simulator.submissions.wellformed import Submission, check_form
from simulator.verification.options import Options, Progress
from simulator.verification.recompute import UNPROVEN, Recomputed, figures_of, recompute
from simulator.verification.rerun import rerun


def verify_here(path: Path, options: Options, progress: Progress) -> Verification:
    """Verify a submission in this process."""
    files = read_files(path)
    try:
        submission, findings = check_form(files)
    except MemoryError:
        submission, findings = None, ["reading it takes more memory than the limit"]
    packed = path.is_file() and VERIFICATION in files.content  # nobody knows who wrote it
    notes = [f"came with a {VERIFICATION}, which was ignored"] if packed else []
    if verifiers_place(path, VERIFIED).is_dir() and verified_folder(path, files) is None:
        notes.append(f"came with a folder {VERIFIED}, which was ignored")
    if submission is None:
        steps = [Step("well-formed", "failed", findings, notes)]
        steps += [_skipped(step, "the submission is not well-formed") for step in _LATER]
        return Verification(files.name, None, steps, files.sha256)
    steps = [Step("well-formed", "passed", (), notes)]
    found = _verify_figures(submission, files, steps, path, options, progress)
    return replace(found, told=submission.metadata.as_told())


_LATER = ("recomputed", "rerun")


def _skipped(step: str, why: str) -> Step:
    return Step(step, "skipped", [why])


def _verify_figures(
    submission: Submission,
    files: Files,
    steps: list[Step],
    path: Path,
    options: Options,
    progress: Progress,
) -> Verification:
    """Make the second and the third step for a well-formed submission."""
    run = submission.run
    figures: Sequence[dict[str, Any]] = ()
    other_seed: Sequence[dict[str, Any]] = ()
    layers: Sequence[str] = ()
    own: Mapping[str, bytes] = {}
    try:
        pools = find_recorded_pools(run, options.cache)
    except UserError as error:
        steps += [_skipped(step, str(error)) for step in _LATER]
    else:
        try:
            found = recompute(submission, pools, progress)
        except MemoryError:
            found = Recomputed("recomputing it takes more memory than the limit", {})
        if found.difference:
            steps.append(Step("recomputed", "failed", [found.difference]))
            steps.append(_skipped("rerun", "the figures do not follow from the decisions"))
        else:
            figures = [figures_of(entry) for entry in found.summary["pools"]]
            steps.append(Step("recomputed", "passed"))
            if options.run_again:
                again = rerun(submission, pools, found, path, options, progress)
                other_seed, layers, own = again.other_seed, again.layers, again.own
                steps.append(
                    Step("rerun", "failed", again.findings, again.notes)
                    if again.findings
                    else Step("rerun", "skipped", again.uncounted, again.notes)
                    if again.uncounted
                    else Step("rerun", "passed", (), again.notes)
                )
            else:
                steps.append(_skipped("rerun", "was not requested"))
    if steps[-1].status != "passed" and steps[1].status == "passed":
        steps[1] = replace(steps[1], notes=[f"left to rerun: {UNPROVEN}"])
    badge = decide_badge(
        steps, synthetic=run.synthetic, withdrawn=submission.metadata.withdrawn is not None
    )
    if badge not in ("verified", "recomputed", "synthetic"):
        own = {}
    hashes = {name: sha256(content).hexdigest() for name, content in own.items()}
    return Verification(
        submission.name, badge, steps, files.sha256, figures, other_seed, layers, own, hashes
    )


def find_recorded_pools(run: RecordedRun, cache: Path) -> list[Pool]:
    """Find the pools of a run on this machine, in its order.

    Raises
    ------
    UserError
        A pool is not on this machine, or has another fingerprint than the one replayed.
    """
    folders = {pool_name(folder): folder for folder in iter_pool_folders(cache)}
    pools = []
    for recorded in run.pools:
        if recorded.name not in folders and recorded.name in shipped_pools():
            folders[recorded.name] = copy_shipped(cache, recorded.name)
        if recorded.name not in folders:
            raise UserError(
                f"pool {recorded.name} is not in {cache}; get it with deepprune-sim data pull, "
                "data sample or import, and verify again"
            )
        pool = Pool(folders[recorded.name])
        if pool.info.fingerprint != recorded.fingerprint:
            raise UserError(
                f"pool {recorded.name} on this machine (fingerprint "
                f"{pool.info.fingerprint[:12]}) differs from the one replayed "
                f"({recorded.fingerprint[:12]})"
            )
        pool.problems  # noqa: B018  (reads, and refuses files that pool.json does not describe)
        pools.append(pool)
    return pools
