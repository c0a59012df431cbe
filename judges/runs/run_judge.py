"""The judge of a run: from a user's spec to the scores that a replay uses, and their cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from judges.loading import commit_note
from judges.prefixes import Truncation
from judges.protocol import StoredJudge
from judges.scores.cached import CachedScores, open_scores
from judges.scores.store import Description
from simulator.loading import LoadedPolicy
from simulator.pools.model_sizes import Size, parse_sizes, size_of
from simulator.pools.pool import Pool
from simulator.runs.spec import RunJudge


class RunJudges:
    """The judge that a user named for a run, or for all runs of a sweep.

    Its prefixes are cut where the policy halts traces to judge them, at the policy's parameter
    `truncation`; for a policy without this parameter, at the judge's truncation.

    Parameters
    ----------
    cache
        The folder of pools.
    spec
        As for `judges.scores.cached.open_scores`.
    ratio
        Cost of one judge token, in reasoning-model tokens; None for the ratio of model sizes.
    model_params
        Sizes of reasoning models, as for `simulator.pools.model_sizes.parse_sizes`.

    Attributes
    ----------
    note
        A note on the commit of the judge's model, if the user gave none; set when it is opened.

    Raises
    ------
    UserError
        A size is not a number. From the methods: there is no such judge, or it has another
        truncation.
    """

    def __init__(
        self,
        cache: Path,
        spec: str,
        ratio: float | None = None,
        model_params: Sequence[str] = (),
    ) -> None:
        self._cache = cache
        self._spec = spec
        self._ratio = ratio
        self._given = parse_sizes(model_params)
        self._opened: dict[Truncation | None, CachedScores] = {}
        self.note: str | None = None

    @property
    def cut(self) -> str | None:
        """Truncation that the judge was trained or scored with; None if it has none of its own."""
        scores = self._open(None)
        if scores.judge is None:
            truncation = scores.identity.truncation
        else:
            truncation = getattr(scores.judge, "trained_truncation", None)
        return None if truncation is None else str(truncation)

    def signals(self, policy: LoadedPolicy) -> frozenset[str]:
        """Return the signals that a pool must have for this policy to use the judge.

        A judge that reads text needs text; stored scores alone and the oracle do not. Truncation at
        words always needs text.
        """
        truncation = _truncation(policy)
        judge = self._open(truncation).judge
        reads_text = judge is not None and not isinstance(judge, StoredJudge)
        cuts_at_words = truncation is not None and truncation.unit == "words"
        return frozenset({"text"}) if reads_text or cuts_at_words else frozenset()

    def of(
        self, policy: LoadedPolicy, pools: Sequence[Pool], options: Sequence[str] = ()
    ) -> RunJudge:
        """Make the judge of a run of this policy over these pools.

        `options` are the options of `judge score` for the pairs that the run needs; the error for a
        missing score names them. See `judges.runs.greedy.greedy_options`.
        """
        opened = self._open(_truncation(policy))
        scores = CachedScores(opened.store, opened.judge, options)
        described, names = scores.description, [pool.name for pool in pools]
        sizes = [size_of(pool.info, self._given) for pool in pools]
        usual = [cost_ratio(described, size) for size in sizes]
        ratios = usual if self._ratio is None else [self._ratio] * len(pools)
        identity = {
            **scores.identity.as_dict(),
            "scores": scores.identity.folder,
            "parameters": described.parameters,
            "reads": described.reads,
            "unranked": scores.unranked,
            "ratio": dict(zip(names, ratios, strict=True)),
            "model_parameters": dict(
                zip(names, [None if size is None else asdict(size) for size in sizes], strict=True)
            ),
        }
        by_hand = None if self._ratio is None else usual
        return RunJudge(scores, identity, scores.unranked, ratios, by_hand)

    def _open(self, truncation: Truncation | None) -> CachedScores:
        if truncation not in self._opened:
            scores = open_scores(self._cache, self._spec)
            if scores.judge is not None and scores.description.spec != self._spec:
                self.note = commit_note(self._spec, scores.description.spec)
                self._spec = scores.description.spec  # the same for all settings of a sweep
            if truncation is not None and scores.identity.truncation not in (None, truncation):
                scores = open_scores(self._cache, self._spec, truncation)
            self._opened[truncation] = scores
        return self._opened[truncation]


def _truncation(policy: LoadedPolicy) -> Truncation | None:
    typed = policy.parameters.get("truncation")
    return Truncation.parse(typed) if isinstance(typed, str) else None


def cost_ratio(described: Description, size: Size | None) -> float | None:
    """Return the cost of one judge token, in reasoning-model tokens: the ratio of their sizes.

    It is 0 for a judge without a model, and None if a size is unknown.
    """
    if not described.has_model:
        return 0.0
    if described.parameters is None or size is None:
        return None
    return described.parameters / size.parameters
