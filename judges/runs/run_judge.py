"""The judge of a run: from what a user typed to what a replay asks, and what that costs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from judges.loading import commit_note
from judges.prefixes import Truncation
from judges.protocol import StoredJudge
from judges.scores.cached import CachedScores, open_scores
from simulator.loading import LoadedPolicy
from simulator.pools.pool import Pool
from simulator.runs.spec import RunJudge


class RunJudges:
    """The judge that a user named for a run, or for all runs of a sweep.

    Its prefixes are cut where the policy halts traces to have them judged, which the policy's
    parameter `truncation` says; as the judge has it, for a policy without one.

    Parameters
    ----------
    cache
        The folder of pools.
    spec
        As for `judges.scores.cached.open_scores`.
    ratio
        What a token that the judge reads costs, in tokens of the model; None to work it out.

    Attributes
    ----------
    note
        Which commit of its model the judge is, where the user named none; known once it is opened.

    Raises
    ------
    UserError
        No such judge, or stored scores of prefixes that are cut elsewhere; from the methods.
    """

    def __init__(self, cache: Path, spec: str, ratio: float | None = None) -> None:
        self._cache = cache
        self._spec = spec
        self._ratio = ratio
        self._opened: dict[Truncation | None, CachedScores] = {}
        self.note: str | None = None

    def signals(self, policy: LoadedPolicy) -> frozenset[str]:
        """What a pool must store for this policy to have its traces judged.

        Text, if the judge reads it; stored scores alone and the oracle do without. Cutting at words
        takes text in any case.
        """
        truncation = _truncation(policy)
        judge = self._open(truncation).judge
        reads_text = judge is not None and not isinstance(judge, StoredJudge)
        cuts_at_words = truncation is not None and truncation.unit == "words"
        return frozenset({"text"}) if reads_text or cuts_at_words else frozenset()

    def of(
        self, policy: LoadedPolicy, pools: Sequence[Pool], options: Sequence[str] = ()
    ) -> RunJudge:
        """The judge of a run of this policy over these pools.

        `options` are those of `judge score` that score what the run will ask for, to be told where
        a score is missing; see `judges.runs.greedy.greedy_options`.
        """
        opened = self._open(_truncation(policy))
        scores = CachedScores(opened.store, opened.judge, options)
        usual = [cost_ratio(scores.parameters, pool.info.model) for pool in pools]
        ratios = usual if self._ratio is None else [self._ratio] * len(pools)
        identity = {
            **scores.identity.as_dict(),
            "scores": scores.identity.folder,
            "parameters": scores.parameters,
            "unranked": scores.unranked,
            "ratio": dict(zip([pool.name for pool in pools], ratios, strict=True)),
        }
        by_hand = None if self._ratio is None else usual
        return RunJudge(scores, identity, scores.unranked, ratios, by_hand)

    def _open(self, truncation: Truncation | None) -> CachedScores:
        if truncation not in self._opened:
            scores = open_scores(self._cache, self._spec)
            if scores.judge is not None and scores.description.spec != self._spec:
                self.note = commit_note(self._spec, scores.description.spec)
                self._spec = scores.description.spec  # so that all settings of a sweep have it
            if truncation is not None and scores.identity.truncation not in (None, truncation):
                scores = open_scores(self._cache, self._spec, truncation)
            self._opened[truncation] = scores
        return self._opened[truncation]


def _truncation(policy: LoadedPolicy) -> Truncation | None:
    typed = policy.parameters.get("truncation")
    return Truncation.parse(typed) if isinstance(typed, str) else None


def cost_ratio(parameters: int | None, model: str) -> float:
    """What a token that a judge reads costs, in tokens of the reasoning model.

    The judge's parameters over the model's, which are taken from its name (`qwen3-8b`); 1 if that
    does not say, 0 for a judge without a model.
    """
    if parameters is None:
        return 0.0
    size = re.search(r"(?<![a-z0-9.])([0-9]+(?:\.[0-9]+)?)b(?![a-z0-9])", model.lower())
    return parameters / (float(size[1]) * 1e9) if size and float(size[1]) else 1.0
