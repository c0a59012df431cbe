"""Scores of a stored problem's pairs: from the store, or from a judge at hand, which fills it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from judges.loading import load_judge, not_installed, pinned_spec
from judges.prefixes import Truncation
from judges.protocol import AnyJudge, Floats, Identity, Ints, StoredJudge, all_pairs, tokens_read
from judges.scores.store import Description, Matrix, ScoreStore, open_store, scores_folder
from simulator.errors import SamplerError, UserError
from simulator.pools.folders import cache_folder
from simulator.pools.pool import StoredProblem


class CachedScores:
    """What a replay asks (`ReplayJudge`); pickled as far as its judge can be.

    Parameters
    ----------
    store
        Where scores are kept.
    judge
        Computes those that are not there; None where no judge is at hand.
    options
        Of `judge score`, to score what will be asked for; none score all pairs.
    """

    def __init__(
        self, store: ScoreStore, judge: AnyJudge | None, options: Sequence[str] = ()
    ) -> None:
        self.store = store
        self.judge = judge
        self.options = options
        self._looks = judge if isinstance(judge, StoredJudge) else None  # slow to find out
        self._held: _Held | None = None

    @property
    def description(self) -> Description:
        """The judge without its model."""
        return self.store.description

    @property
    def identity(self) -> Identity:
        return self.description.identity

    @property
    def parameters(self) -> int | None:
        return self.description.parameters

    @property
    def template_tokens(self) -> int:
        return self.description.template_tokens

    @property
    def unranked(self) -> bool:
        return self.description.unranked

    def score(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints | None = None) -> Floats:
        """P(same final answer) of pairs of traces, each cut as the judge's truncation says.

        Parameters
        ----------
        problem
            The stored problem.
        pairs
            Indices into its arrays, shape (n, 2), in any order and direction.
        num_tokens
            How many tokens of each have been generated, shape (n, 2), where that is to be checked.

        Returns
        -------
        Shape (n,), each a float32 number, whether it was stored before or not.

        Raises
        ------
        UserError
            A score is not stored and no judge is at hand; names the command that computes it.
        SamplerError
            A trace does not stand at its cut.
        """
        if num_tokens is not None:
            self._check_cuts(problem, np.asarray(pairs), num_tokens)
        pairs = np.sort(np.asarray(pairs, dtype=np.int64).reshape(-1, 2), axis=1)
        if (pairs[:, 0] == pairs[:, 1]).any():
            raise ValueError("a pair of a trace with itself")
        if self._looks is not None:  # as fast as reading, so nothing is stored
            computed = self._looks.score_stored(problem, pairs)
            return self.store.checked(problem, pairs, computed).astype(np.float64)
        matrix = self._hold(problem).matrix
        scores = matrix[pairs[:, 0], pairs[:, 1]]
        if np.isnan(scores).any():
            # Without a model all pairs cost about what one does, and a file for each call more.
            scored = self.judge is not None and self.parameters is None
            self.fill(problem, all_pairs(len(matrix)) if scored else pairs)
            scores = matrix[pairs[:, 0], pairs[:, 1]]
        return scores.astype(np.float64)

    def tokens_read(self, problem: StoredProblem, pairs: Ints) -> tuple[int, int]:
        """Tokens that the judge reads for pairs: each pair in full, and with prefixes reused."""
        canonical = np.sort(np.asarray(pairs, dtype=np.int64).reshape(-1, 2), axis=1)
        return tokens_read(self.prefix_tokens(problem), self.template_tokens, canonical)

    def missing(self, problem: StoredProblem, pairs: Ints) -> Ints:
        """Those of `pairs` (the lower index first) that have no score yet, sorted, each once."""
        matrix = self._hold(problem).matrix
        asked = np.zeros(matrix.shape, dtype=np.bool_)
        asked[pairs[:, 0], pairs[:, 1]] = True
        return np.argwhere(asked & np.isnan(matrix))

    def fill(self, problem: StoredProblem, pairs: Ints) -> int:
        """Compute those of `pairs` that nobody has stored by now; returns how many."""
        held = self._hold(problem)
        if len(self.missing(problem, pairs)):
            held.matrix[:] = np.fmin(held.matrix, self.store.read(problem))  # others fill it, too
        gaps = self.missing(problem, pairs)
        if not len(gaps):
            return 0
        if self.judge is None:
            raise self._no_score(problem, gaps)
        if isinstance(self.judge, StoredJudge):
            scores = self.judge.score_stored(problem, gaps)
        else:
            scores = self.judge.score(held.prefixes(self.judge.identity), gaps)
        self.store.write(problem, gaps, scores, self.prefix_tokens(problem))
        held.matrix[gaps[:, 0], gaps[:, 1]] = np.asarray(scores, dtype=np.float32)
        return len(gaps)

    def prefix_tokens(self, problem: StoredProblem) -> Ints:
        """Tokens that the judge reads of each trace's prefix, in its own tokens, (traces,)."""
        held = self._hold(problem)
        if held.prefix_tokens is None:
            held.prefix_tokens = self.store.prefix_tokens(problem)
        if held.prefix_tokens is None:
            if self.judge is None:
                raise self._no_score(problem, np.array([[0, 1]]))
            if isinstance(self.judge, StoredJudge):
                held.prefix_tokens = np.zeros(len(problem.lengths), dtype=np.int64)
            else:
                held.prefix_tokens = self.judge.prefix_tokens(held.prefixes(self.identity))
        return held.prefix_tokens

    def _check_cuts(self, problem: StoredProblem, pairs: Ints, num_tokens: Ints) -> None:
        truncation = self.identity.truncation
        if truncation is None:
            return
        wrong = np.argwhere(self._hold(problem).cuts(truncation)[pairs] != num_tokens)
        if len(wrong):
            place = tuple(wrong[0])
            cut = int(self._hold(problem).cuts(truncation)[pairs[place]])
            raise SamplerError(
                f"judge {self.identity.name} reads prefixes cut at {truncation}; one that is asked "
                f"about has {int(num_tokens[place])} tokens where its cut is at {cut}: decode all "
                "to their cuts, or open the judge with the truncation of the policy"
            )

    def _hold(self, problem: StoredProblem) -> _Held:
        """What is in memory of a problem: that of one problem at a time."""
        if self._held is None or self._held.problem is not problem:
            self._held = _Held(problem, self.store.read(problem))
        return self._held

    def _no_score(self, problem: StoredProblem, gaps: Ints) -> UserError:
        first, second = problem.trace_ids[gaps[0]].tolist()
        cache = self.store.path.parent.parent
        default = cache.resolve() == cache_folder(None).resolve()
        elsewhere = [] if default else ["--cache", str(cache)]
        options = [*self.options, *elsewhere]
        return UserError(
            f"{problem.pool.name}: no score of judge {self.identity.folder} for traces {first} and "
            f"{second} of problem {problem.problem_id!r}, and no judge at hand; compute them with: "
            f"{score_command(self.description, problem.pool.name, options)}"
        )

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_held": None}


class _Held:
    """One problem's scores and prefixes in memory."""

    def __init__(self, problem: StoredProblem, matrix: Matrix) -> None:
        self.problem = problem
        self.matrix = matrix
        self.prefix_tokens: Ints | None = None
        self._prefixes: list[str] | None = None
        self._cuts: Ints | None = None

    def cuts(self, truncation: Truncation) -> Ints:
        if self._cuts is None:
            self._cuts = truncation.cuts(self.problem)
        return self._cuts

    def prefixes(self, identity: Identity) -> list[str]:
        if self._prefixes is None:
            if identity.truncation is None:
                raise TypeError(f"{identity.name}: a judge that reads text needs a truncation")
            self._prefixes = identity.truncation.prefixes(self.problem)
        return self._prefixes


def score_command(description: Description, pool: str, options: Sequence[str] = ()) -> str:
    """The command that stores the scores of a pool: all, unless options say which."""
    spec = description.spec or description.identity.name
    truncation = description.identity.truncation
    cut = [] if truncation is None else ["-t", str(truncation)]
    return shlex.join(["deepprune-sim", "judge", "score", spec, *cut, "-d", pool, *options])


def open_scores(cache: Path, spec: str, truncation: Truncation | None = None) -> CachedScores:
    """Scores of the judge that a user named, kept below a folder of pools.

    Parameters
    ----------
    cache
        The folder of pools.
    spec
        A judge (`lexical`, `oracle:auroc=0.9`), or the name of a folder in `.judges`, whose scores
        are then used without the judge.
    truncation
        How to cut prefixes; None means the judge's default.

    Raises
    ------
    UserError
        No such judge, or no such scores; settings that it does not have; a library that is missing.
    """
    folder = scores_folder(cache)
    if (folder / spec / "judge.json").exists():
        store = open_store(folder / spec)
        cut = store.description.identity.truncation
        if truncation is not None and truncation != cut:
            raise UserError(
                f"{folder / spec}: scores of prefixes cut at {cut}, not {truncation}; cut there, "
                f"as with run -p truncation={cut}, or score others with judge score -t {truncation}"
            )
        return CachedScores(store, None)
    judge = load_judge(spec, truncation)
    try:
        description = Description.of(judge, pinned_spec(spec, judge))
    except ModuleNotFoundError as error:
        raise not_installed(spec, error) from None
    return CachedScores(ScoreStore(folder, description), judge)
