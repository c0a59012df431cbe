"""Scores of a stored problem's pairs: from the store, or computed by the judge and stored."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from judges.loading import load_judge, not_installed, pinned_spec
from judges.prefixes import Truncation
from judges.protocol import (
    NO_QUESTION,
    AnyJudge,
    Floats,
    Identity,
    Ints,
    QuestionTokens,
    StoredJudge,
    all_pairs,
    tokens_read,
)
from judges.scores.store import Description, Matrix, ScoreStore, open_store, scores_folder
from simulator.errors import SamplerError, UserError
from simulator.pools.folders import cache_folder
from simulator.pools.pool import StoredProblem
from simulator.replay.clusters.greedy import ScoreTable
from simulator.replay.judging import TokensRead

MOST_AT_HAND = 4096
"""Number of traces of a problem up to which a replay has stored scores at hand: 64 MiB of them."""

MOST_COMPUTED = 1024
"""The same for a judge that computes them as fast as they are read: 0.1 s for all pairs."""


class CachedScores:
    """Cached scores for a replay (`ReplayJudge`); picklable if the judge is.

    Parameters
    ----------
    store
        The store of the scores.
    judge
        The judge that computes missing scores; None if no judge is available.
    options
        Options of `judge score` for the pairs that will be needed; empty for all pairs.
    as_before
        True to count tokens as runs did that do not record how the judge reads pairs.
    """

    def __init__(
        self,
        store: ScoreStore,
        judge: AnyJudge | None,
        options: Sequence[str] = (),
        *,
        as_before: bool = False,
    ) -> None:
        self.store = store
        self.judge = judge
        self.options = options
        self.as_before = as_before
        self._looks = judge if isinstance(judge, StoredJudge) else None  # isinstance is slow here
        self._held: _Held | None = None

    @property
    def description(self) -> Description:
        """Description of the judge, without its model."""
        return self.store.description

    @property
    def identity(self) -> Identity:
        return self.description.identity

    @property
    def unranked(self) -> bool:
        return self.description.unranked

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints | None = None) -> Floats:
        """Return P(same final answer) of pairs of traces, each cut at the judge's truncation.

        Parameters
        ----------
        problem
            The stored problem.
        pairs
            Indices into its arrays, shape (n, 2), in any order and direction.
        num_tokens
            Tokens generated of each trace, shape (n, 2), to check them; None for no check.

        Returns
        -------
        Shape (n,). Values are rounded to float32, whether they were stored before or not.

        Raises
        ------
        UserError
            A score is not stored, and no judge is available; names the command that computes it.
        SamplerError
            A trace is not at its cut.
        """
        if num_tokens is not None:
            self._check_cuts(problem, np.asarray(pairs), num_tokens)
        pairs = _canonical(np.asarray(pairs, dtype=np.int64).reshape(-1, 2))
        if (pairs[:, 0] == pairs[:, 1]).any():
            raise ValueError("a pair of a trace with itself")
        if self._looks is not None:  # computing is as fast as reading, so nothing is stored
            computed = self._looks.score_stored(problem, pairs)
            return self.store.checked(problem, pairs, computed).astype(np.float64)
        matrix = self._hold(problem).matrix
        scores = matrix[pairs[:, 0], pairs[:, 1]]
        if np.isnan(scores).any():
            # Without a model, all pairs cost about as much as one, and are written to one file.
            scored = self.judge is not None and not self.description.has_model
            self.fill(problem, all_pairs(len(matrix)) if scored else pairs)
            scores = matrix[pairs[:, 0], pairs[:, 1]]
        return scores.astype(np.float64)

    def at_hand(self, problem: StoredProblem, rows: Ints, num_tokens: Ints) -> ScoreTable | None:
        """Return all scores of a problem; see `simulator.replay.judging.HasScores`."""
        most = MOST_AT_HAND if self._looks is None else MOST_COMPUTED
        if len(problem.lengths) > most or not problem.whole:
            return None
        held = self._hold(problem)
        if self.identity.truncation is not None and (held.cuts[rows] != num_tokens).any():
            return None
        return held.table

    def tokens_read(self, problem: StoredProblem, pairs: Ints, call: Ints) -> TokensRead:
        """Count the tokens that the judge reads for pairs; see `judges.protocol.tokens_read`."""
        described = self.description
        return tokens_read(
            self.prefix_tokens(problem),
            described.template_tokens,
            described.tail_tokens,
            None if self.as_before else described.reads,
            _canonical(pairs),
            call,
            NO_QUESTION if self.as_before else self.question_tokens(problem),
        )

    def missing(self, problem: StoredProblem, pairs: Ints) -> Ints:
        """Return those of `pairs` (the lower index first) without a score, sorted, each once."""
        matrix = self._hold(problem).matrix
        asked = np.zeros(matrix.shape, dtype=np.bool_)
        asked[pairs[:, 0], pairs[:, 1]] = True
        return np.argwhere(asked & np.isnan(matrix))

    def fill(self, problem: StoredProblem, pairs: Ints) -> int:
        """Compute those of `pairs` that are not stored yet; return their number."""
        held = self._hold(problem)
        if len(self.missing(problem, pairs)):
            # Other processes fill the store as well.
            held.read_again()
        gaps = self.missing(problem, pairs)
        if not len(gaps):
            return 0
        if self.judge is None:
            raise self._no_score(problem, gaps)
        if isinstance(self.judge, StoredJudge):
            scores = self.judge.score_stored(problem, gaps)
        else:
            scores = self.judge.score(held.prefixes, gaps, problem.question)
        counts = self.prefix_tokens(problem), self.question_tokens(problem)
        self.store.write(problem, gaps, scores, *counts)
        held.put(gaps, np.asarray(scores, dtype=np.float32))
        return len(gaps)

    def prefix_tokens(self, problem: StoredProblem) -> Ints:
        """Count the judge's own tokens of each trace's prefix, shape (traces,)."""
        held = self._hold(problem)
        if held.prefix_tokens is None and isinstance(self.judge, StoredJudge):
            held.prefix_tokens = np.zeros(len(problem.lengths), dtype=np.int64)
        elif held.prefix_tokens is None:
            held.prefix_tokens = self.store.prefix_tokens(problem)
        if held.prefix_tokens is None:
            if self.judge is None or isinstance(self.judge, StoredJudge):
                raise self._no_score(problem, np.array([[0, 1]]))
            held.prefix_tokens = self.judge.prefix_tokens(held.prefixes)
        return held.prefix_tokens

    def question_tokens(self, problem: StoredProblem) -> QuestionTokens:
        """Count the judge's own tokens of the problem's question in each prompt.

        The stored count holds where there is one, so that a run counts the same with and without
        the judge: zeros in stores made by programs that did not count questions.
        """
        held = self._hold(problem)
        if held.question_tokens is None:
            held.question_tokens = self.store.question_tokens(problem)
        if held.question_tokens is None:
            judge = None if isinstance(self.judge, StoredJudge) else self.judge
            held.question_tokens = judge.question_tokens(problem.question) if judge else NO_QUESTION
        return held.question_tokens

    def _check_cuts(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> None:
        truncation = self.identity.truncation
        if truncation is None:
            return
        cuts = self._hold(problem).cuts[pairs]
        wrong = np.argwhere(cuts != num_tokens)
        if len(wrong):
            place = tuple(wrong[0])
            cut = int(cuts[place])
            raise SamplerError(
                f"judge {self.identity.name} reads prefixes cut at {truncation}; a trace in the "
                f"pairs has {int(num_tokens[place])} tokens, but its cut is at {cut}: decode all "
                "traces to their cuts, or use a judge with the policy's truncation"
            )

    def _hold(self, problem: StoredProblem) -> _Held:
        """Return the data of a problem in memory, which holds one problem at a time."""
        if self._held is None or self._held.problem is not problem:
            self._held = _Held(problem, self.store, self._looks)
        return self._held

    def _no_score(self, problem: StoredProblem, gaps: Ints) -> UserError:
        first, second = problem.trace_ids[gaps[0]].tolist()
        cache = self.store.path.parent.parent
        default = cache.resolve() == cache_folder(None).resolve()
        elsewhere = [] if default else ["--cache", str(cache)]
        options = [*self.options, *elsewhere]
        return UserError(
            f"{problem.pool.name}: no score of judge {self.identity.folder} for traces {first} and "
            f"{second} of problem {problem.problem_id!r}, and no judge is available; "
            f"compute them with: {score_command(self.description, problem.pool.name, options)}"
        )

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_held": None}


@dataclass(eq=False)
class _Held:
    """One problem's scores and prefixes in memory."""

    problem: StoredProblem
    store: ScoreStore
    looks: StoredJudge | None
    prefix_tokens: Ints | None = None
    question_tokens: QuestionTokens | None = None

    @cached_property
    def matrix(self) -> Matrix:
        """Stored scores, shape (traces, traces), symmetric; NaN for missing ones."""
        return _symmetric(self.store.read(self.problem))

    @cached_property
    def table(self) -> ScoreTable:
        """All scores for a replay: those stored, or computed by a judge that needs no store."""
        matrix = self.matrix if self.looks is None else self._computed(self.looks)
        return ScoreTable(matrix, float(matrix.min(where=matrix > 0, initial=1)))

    def _computed(self, judge: StoredJudge) -> Matrix:
        traces = len(self.problem.lengths)
        pairs, matrix = all_pairs(traces), np.full((traces, traces), np.nan, dtype=np.float32)
        scores = judge.score_stored(self.problem, pairs)
        matrix[pairs[:, 0], pairs[:, 1]] = self.store.checked(self.problem, pairs, scores)
        return _symmetric(matrix)

    def read_again(self) -> None:
        """Add scores that were stored since."""
        np.fmin(self.matrix, _symmetric(self.store.read(self.problem)), out=self.matrix)
        self.__dict__.pop("table", None)

    def put(self, pairs: Ints, scores: Matrix) -> None:
        """Add scores of pairs, each of which has none."""
        first, second = pairs.T
        self.matrix[first, second] = self.matrix[second, first] = scores
        self.__dict__.pop("table", None)

    @cached_property
    def truncation(self) -> Truncation:
        truncation = self.store.description.identity.truncation
        if truncation is None:
            raise TypeError(f"{self.store.path.name}: a judge that reads text needs a truncation")
        return truncation

    @cached_property
    def cuts(self) -> Ints:
        return self.truncation.cuts(self.problem)

    @cached_property
    def prefixes(self) -> list[str]:
        return self.truncation.prefixes(self.problem)


def _canonical(pairs: Ints) -> Ints:
    """Return pairs with the lower index first, shape (n, 2); faster than sorting them."""
    first, second = pairs.T
    return np.stack([np.minimum(first, second), np.maximum(first, second)], axis=1)


def _symmetric(matrix: Matrix) -> Matrix:
    """Mirror the scores above the diagonal of a matrix, shape (traces, traces)."""
    return np.fmin(matrix, matrix.T)


def score_command(description: Description, pool: str, options: Sequence[str] = ()) -> str:
    """Return the command that stores the scores of a pool: all, unless options select pairs."""
    spec = description.spec or description.identity.name
    truncation = description.identity.truncation
    cut = [] if truncation is None else ["-t", str(truncation)]
    return shlex.join(["deepprune-sim", "judge", "score", spec, *cut, "-d", pool, *options])


def open_scores(cache: Path, spec: str, truncation: Truncation | None = None) -> CachedScores:
    """Open the scores of a judge, stored below a folder of pools.

    Parameters
    ----------
    cache
        The folder of pools.
    spec
        A judge (`lexical`, `oracle:auroc=0.9`), or the name of a folder in `.judges`, whose scores
        are then used without the judge.
    truncation
        The truncation of prefixes; None for the judge's default.

    Raises
    ------
    UserError
        There is no such judge and no such scores, an unknown setting, or a missing library.
    """
    folder = scores_folder(cache)
    if (folder / spec / "judge.json").exists():
        store = open_store(folder / spec)
        cut = store.description.identity.truncation
        if truncation is not None and truncation != cut:
            raise UserError(
                f"{folder / spec}: has scores for {cut}, not for {truncation}; use run -p "
                f"truncation={cut}, or score other prefixes with judge score -t {truncation}"
            )
        return CachedScores(store, None)
    judge = load_judge(spec, truncation)
    try:
        description = Description.of(judge, pinned_spec(spec, judge))
    except ModuleNotFoundError as error:
        raise not_installed(spec, error) from None
    return CachedScores(ScoreStore(folder, description), judge)
