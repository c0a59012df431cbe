"""Texts that policies return are graded as the pool has them, corrections by hand included."""

from __future__ import annotations

from pathlib import Path

from pools import T, write_pool

from simulator.answers.corrections import Correction
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
