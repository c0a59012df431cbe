"""Entries of the leaderboard: submissions and runs, with their results on each pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.catalogue.figures import ANSWERS, RECOMPUTED, VERIFIED
from simulator.counting import GENERATED
from simulator.pools.probe_cost import GIVEN
from simulator.runs.results import Metric

LOCAL = "local"
"""Badge of a run that was not submitted."""

DERIVED = "derived"
"""Badge of a built-in method that was replayed on this machine, on a pool that is here."""

SUPERSEDED = "superseded"
"""Badge of a submission whose place a later one has taken."""

RUN = "runs/"
"""Prefix of the id of an entry that is a run."""

DERIVED_RUN = "derived/"
"""Prefix of the id of an entry that was derived here."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result of an entry on one pool; shares are fractions.

    `metrics` lacks what was not measured. `column` identifies the pool: its name, with part of its
    fingerprint if it has several versions. `probe_cost` is that of a probe, such as `10+20`, and
    `probe_source` its origin (`simulator.pools.probe_cost.SOURCES`); empty without probes.
    `charging` says which tokens are counted (`simulator.counting`).
    """

    pool: str
    column: str
    fingerprint: str | None
    model: str
    benchmark: str
    synthetic: bool
    token_accuracy: str
    problems: int
    budget: int
    baseline: str
    clock_unit: str
    serving: str
    metrics: Mapping[str, Metric]
    probe_cost: str = ""
    probe_source: str = ""
    charging: str = GENERATED

    @property
    def given_cost(self) -> str:
        """Phrase about costs of probes and tokens that the run was given; empty without any."""
        said = []
        if self.probe_source == GIVEN:
            said.append(f"probes cost {tokens_text(self.probe_cost)} by --probe-cost")
        if self.charging != GENERATED:
            said.append(f"tokens are counted by --charging {self.charging}")
        return ", ".join(said)

    @property
    def clock(self) -> str:
        """Unit of the clock and the engine; only results with equal ones can be compared."""
        return f"{self.clock_unit}, {self.serving}" if self.serving else self.clock_unit


@dataclass(frozen=True, slots=True)
class Entry:
    """A submission or a run, with its results by `Result.column`.

    Parameters
    ----------
    id
        Name in links: a submission's folder, or `runs/` and the run's name.
    method
        The submitter's name for it; for a run, the policy's name.
    label
        The method, with settings or the id if other entries have the same name.
    badge
        verified, recomputed, self-reported, synthetic or withdrawn; None for a broken submission;
        `LOCAL` for a run; `SUPERSEDED` if a later submission takes its place.
    basis
        Source of its figures: one of `simulator.catalogue.figures.BASES`.
    figures_path, figures_sha256
        Folder of the decisions and answers that its figures come from; hash of these answers.
    files_sha256, files_stamp
        Hash of all files of a submission (`leaderboard_app.library.citation.entry_hash`), and the
        stamp with which it is valid; None for a run.
    note
        Reason that its figures are not the verifier's though they were verified; empty if none.
    needs
        Signals that the policy reads: text, confidence, probes, judge.
    parameters, settings
        The policy's parameters; names of those that were set for this run.
    unranked
        True if it uses ground truth (the oracle judge): shown, never ranked.
    seed, repeats
        Those of the replays that its figures come from.
    sweep_settings
        Number of settings of the sweep that its run was picked from; None for no sweep.
    supersedes, superseded_by
        Ids of the entry whose place it takes, and of the one that takes its place.
    """

    id: str
    path: Path
    method: str
    label: str
    badge: str | None
    needs: tuple[str, ...]
    policy: str
    policy_sha256: str | None
    parameters: Mapping[str, Any]
    settings: tuple[str, ...]
    unranked: bool
    seed: int
    repeats: int
    results: Mapping[str, Result]
    authors: tuple[str, ...] = ()
    organisation: str | None = None
    date: str | None = None
    paper: str | None = None
    code: str | None = None
    description: str | None = None
    withdrawn: str | None = None
    verified_at: str | None = None
    command: str | None = None
    basis: str = ANSWERS
    figures_path: Path | None = None
    answers_sha256: str | None = None
    figures_sha256: str | None = None
    files_sha256: str | None = None
    files_stamp: str | None = None
    note: str = ""
    sweep_settings: int | None = None
    version: str | None = None
    supersedes: str | None = None
    superseded_by: str | None = None

    @property
    def figures(self) -> Path:
        """Folder of the decisions and answers that its figures come from."""
        return self.figures_path or self.path

    @property
    def picked_from(self) -> str:
        """Phrase about the sweep that its run was picked from; empty for none."""
        if self.sweep_settings is None or self.sweep_settings < 2:
            return ""
        return f"one of {self.sweep_settings} settings tried on these problems"

    @property
    def given_cost(self) -> str:
        """Phrase about a cost of probes that its run was given; empty if it was given none."""
        return ", ".join({each.given_cost: 1 for each in self.results.values() if each.given_cost})

    @property
    def synthetic(self) -> bool:
        """True if any of its pools is generated."""
        return any(result.synthetic for result in self.results.values())

    @property
    def takes_part(self) -> bool:
        """True if it is ranked and may have the best figure of a column.

        Its figures are a verifier's own, or those of a built-in method that was replayed here.
        Those on generated traces are compared among themselves: real and synthetic figures are
        never in one table.
        """
        if self.badge == DERIVED:
            return self.basis == RECOMPUTED and not self.unranked
        return (
            self.basis == VERIFIED and self.badge in ("verified", "synthetic") and not self.unranked
        )


def tokens_text(cost: str) -> str:
    """Return the cost of a probe as `10+20 tokens`, without a suffix of none."""
    return f"{cost.removeprefix('0+')} tokens"
