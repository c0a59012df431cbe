"""The oracle: the true label of a pair, with noise that gives the requested AUROC.

It serves to study the value of a judge of a given quality. It uses ground truth, so its runs are
unranked.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtri

from judges.protocol import Floats, Identity, Ints, Reads
from simulator.errors import UserError
from simulator.pools.pool import NO_ANSWER, StoredProblem

PUBLISHED_AUROC = 0.8701
"""AUROC of the best judge of DeepPrune (arXiv 2510.08483, first version): 25 reasoning words, focal
loss and oversampling, averaged over its test models."""

SAME_SHARE = 0.8
"""Share of same-answer pairs in the training data of the published judge (about 80%,
arXiv 2510.08483, section 4.1.2)."""

VERSION = 2
"""Version of the scores, incremented whenever a score changes."""


@dataclass(frozen=True)
class OracleJudge:
    """A judge that observes x = ±d/2 + noise of a pair, with + if the answers are the same.

    With standard normal noise and d = √2 Φ⁻¹(AUROC), x of a random same-answer pair is above that
    of a random different-answer pair with probability `auroc`. The score is the posterior,
    P(same | x) = sigmoid(d x + logit(same_share)), which orders pairs as x does. A judge trained
    with cross-entropy on pairs of which a share `same_share` is the same learns this score. On
    pairs with that share it is calibrated: of the pairs with score s, a share s is the same. A
    judge without information (AUROC 0.5) gives `same_share` to every pair.

    A share of the noise's variance belongs to the two traces (u_a + u_b, with the same u in all
    pairs of a trace), the rest to the pair: a judge that misreads a trace does so in every pair, so
    an average over many partners does not remove this noise. The share in real judges is not
    published; one half is our assumption.

    A trace without an answer counts as different from every other. At AUROC 1 there is no noise,
    and scores are 0 and 1.

    Parameters
    ----------
    auroc
        The AUROC, from 0.5 (chance) to 1.
    same_share
        Share of same-answer pairs that the judge was trained on, above 0 and below 1.
    trace_share
        Share of the noise's variance that belongs to traces, 0 to 1.
    seed
        Seed of the noise.
    """

    parameters = None  # it has no model
    template_tokens = 0
    tail_tokens = 0
    unranked = True

    auroc: float = 1.0
    same_share: float = SAME_SHARE
    trace_share: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.5 <= self.auroc <= 1:
            raise UserError(f"judge oracle: auroc={self.auroc}; from 0.5 (chance) to 1")
        if not 0 < self.same_share < 1:
            raise UserError(f"judge oracle: same_share={self.same_share}; above 0 and below 1")
        if not 0 <= self.trace_share <= 1:
            raise UserError(f"judge oracle: trace_share={self.trace_share}; from 0 to 1")

    @property
    def reads(self) -> Reads:
        """Way in which it reads pairs: prefixes, of which none has tokens."""
        return "prefixes"

    @property
    def identity(self) -> Identity:
        settings = {
            "auroc": self.auroc,
            "same_share": self.same_share,
            "seed": self.seed,
            "trace_share": self.trace_share,
            "version": VERSION,
        }
        return Identity(f"oracle-auroc-{self.auroc:g}", settings=tuple(settings.items()))

    def score_stored(self, problem: StoredProblem, pairs: Ints) -> Floats:
        """Score pairs; see `judges.protocol.StoredJudge`."""
        same = same_answer(problem, pairs)
        if self.auroc == 1:
            return same.astype(np.float64)
        ids = problem.trace_ids[pairs].astype(np.uint64)
        of_pair = self._normal(problem, "pair", (ids[:, 0] << np.uint64(32)) | ids[:, 1])
        of_trace = self._normal(problem, "trace", problem.trace_ids.astype(np.uint64))[pairs]
        noise = (1 - self.trace_share) ** 0.5 * of_pair
        noise += (self.trace_share / 2) ** 0.5 * of_trace.sum(axis=1)
        distance = 2**0.5 * float(ndtri(self.auroc))
        seen = np.where(same, distance / 2, -distance / 2) + noise
        scores: Floats = expit(distance * seen + logit(self.same_share))
        return scores

    def _normal(self, problem: StoredProblem, what: str, numbers: npt.NDArray[np.uint64]) -> Floats:
        """Draw standard normal numbers that depend only on seed, pool, problem and `numbers`."""
        text = f"{self.seed}\0{problem.pool.name}\0{problem.problem_id}\0{what}"
        key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        bits = mixed(numbers ^ mixed(np.array([key], dtype=np.uint64)))
        uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        normal: Floats = ndtri(uniform)
        return normal


def same_answer(problem: StoredProblem, pairs: Ints) -> npt.NDArray[np.bool_]:
    """Check whether both traces of each pair have the same answer, shape (n,); False for none.

    Raises
    ------
    UserError
        One of them has not come to its end.
    """
    if not problem.ended[pairs].all():
        raise UserError(f"{problem.pool.info.about_unfinished}, whose answers no judge knows")
    answers = problem.answer_class[pairs]
    same: npt.NDArray[np.bool_] = (answers[:, 0] == answers[:, 1]) & (answers[:, 0] != NO_ANSWER)
    return same


def mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Hash 64-bit numbers, one to one: the finaliser of SplitMix64 (Steele et al. 2014)."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
