"""Texts that policies return are graded as the pool has them, corrections by hand included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pools import T, write_pool

from simulator.answers.corrections import Correction
from simulator.conformance.variants import relabelled
from simulator.importers.regrading import RegradeOptions, regrade
from simulator.pools.pool import Pool
from simulator.replay.grading import Grader


def test_a_text_is_in_the_class_that_a_correction_gave_it(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(1, "7 of 9"), T(1, "7/9"), T(1, "3")]}, gold="7/9")
    grader = Grader(pool.problems[0], "policy.py")
    assert grader.grade("7 of 9").correct is False
    joined = Correction("p", "7 of 9", "same-as", "a share in words", "7/9")
    struck = Correction("p", "3", "right", "read by eye")
    regrade(pool.path, RegradeOptions(corrections=[joined, struck]))
    (problem,) = Pool(pool.path).problems
    grader = Grader(problem, "policy.py")
    for text in ("7 of 9", "7/9", r"\frac{7}{9}", "3"):
        assert (grader.grade(text).answer_class, grader.grade(text).correct) == (0, True)
    assert grader.grade("4").correct is False


def test_a_renumbered_problem_is_graded_alike(tmp_path: Path) -> None:
    pool = write_pool(tmp_path, {"p": [T(1, "7 of 9"), T(1, "7/9"), T(1, "3")]}, gold="7/9")
    joined = Correction("p", "7 of 9", "same-as", "a share in words", "7/9")
    regrade(pool.path, RegradeOptions(corrections=[joined]))
    (problem,) = Pool(pool.path).problems
    other = relabelled(problem, np.array([1, 0], dtype=np.int32))
    for text in ("7 of 9", "7/9", "3", "3.0"):
        known, renumbered = Grader(problem, "p.py").grade(text), Grader(other, "p.py").grade(text)
        assert renumbered.answer_class == 1 - known.answer_class
        assert renumbered.correct == known.correct
