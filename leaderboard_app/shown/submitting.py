"""The page Submit: commands from a policy to a verified row, for the pools on this machine."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library
from leaderboard_app.library.pool_answers import count_traces
from simulator.errors import UserError
from simulator.pools.folders import LOCAL_CACHE, runs_folder
from simulator.pools.shipped import DATASET as SHIPPED
from simulator.pools.shipped import shipped_pools
from simulator.submissions.packing import slug_of

FIRST_BUDGET = 16
"""Traces per problem in the first commands."""

MOST = 512
"""Largest suggested budget: the largest in the literature."""

REPEATS = 64
"""Orders of traces to replay: as many as in the built-in rows."""

POLICY_FILE = "first_three.py"

POLICY = '''\
from deepprune_sim import Policy, majority_vote


class FirstThree(Policy):
    """Majority vote over the first three traces to finish."""

    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        return majority_vote(sampler.decode(traces, first=3))
'''
"""Example policy that works on every pool."""

METHOD = "First three"

ABOUT = (
    f'--method "{METHOD}" --authors "A. Author; B. Author" '
    '--description "Majority of the first three traces to finish."'
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: title, purpose, commands in order, and the file it needs (`POLICY_FILE`)."""

    title: str
    text: str
    commands: tuple[str, ...]
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Names of the leaderboard's folders in commands.

    `cache` is the option of commands that read pools; `runs` and `submissions` are paths.
    """

    cache: str
    runs: str
    submissions: str

    @classmethod
    def of(cls, folders: Folders, working: Path) -> Places:
        """Return the shortest names that work in the folder `working`.

        Commands find pools in `datasets_cache/` without an option only if it exists.
        """
        cache = folders.cache.absolute()
        found = cache == working / LOCAL_CACHE and cache.is_dir()
        return cls(
            "" if found else f" --cache {shlex.quote(str(cache))}",
            _short(folders.runs.absolute(), working, runs_folder()),
            _short(folders.submissions.absolute(), working, Path("submissions")),
        )

    @property
    def submit_option(self) -> str:
        """Option of `submit` for its folder; empty for the default one."""
        usual = self.submissions == "submissions"
        return "" if usual else f" -o {shlex.quote(self.submissions)}"

    def run(self, name: str) -> str:
        """Return a run's folder, quoted."""
        return shlex.quote(f"{self.runs}/{name}")

    def submission(self, name: str) -> str:
        """Return a submission's folder, quoted."""
        return shlex.quote(f"{self.submissions}/{name}")


def _short(folder: Path, working: Path, usual: Path) -> str:
    return str(usual) if folder == working / usual else str(folder)


def budget_of(library: Library, pool: str) -> int:
    """Return the largest budget up to `MOST` that every problem of a pool has traces for.

    Raises
    ------
    UserError
        The pool's files cannot be read.
    """
    return min([MOST, *count_traces(library, pool)])


def steps(pool: str, budget: int, today: date, places: Places) -> tuple[Step, ...]:
    """Return the four steps for the pool named `pool`: run, report, submit, verify."""
    given = f"-d {shlex.quote(pool)} -n {budget}{places.cache}"
    run = places.run(Path(POLICY_FILE).stem.replace("_", "-"))
    name = f"{today.isoformat()}-{slug_of(METHOD)}"
    submission = places.submission(name)
    return (
        Step(
            "1. Run your method",
            "Write it as a policy, or use a built-in one (deepprune-sim methods). check finds "
            "what a verifier would reject; run replays the policy. Use at least "
            f"{REPEATS} repeats, and public pools: nobody can recompute a run on private ones.",
            (
                f"deepprune-sim check {POLICY_FILE} {given}",
                f"deepprune-sim run {POLICY_FILE} {given} --repeats {REPEATS} -o {run}",
            ),
            POLICY_FILE,
        ),
        Step(
            "2. Look at the results",
            "Accuracy and tokens with their intervals, against majority voting over the same "
            "traces. The run is now also on this board, as a local run.",
            (f"deepprune-sim report {run}",),
        ),
        Step(
            "3. Pack the run",
            "The folder holds the policy, the run's four files and submission.toml, and nothing "
            "else. All texts are plain text. You may link a paper and code (--paper, --code).",
            (
                f"deepprune-sim submit {run} {ABOUT} --date {today.isoformat()}"
                f"{places.submit_option}",
            ),
        ),
        Step(
            "4. Verify and send the submission",
            "verify makes the same checks as the board. Then open a pull request with "
            "the folder, let submit open one on a dataset repository (--hub OWNER/NAME), or send a "
            "single file (--bundle).",
            (f"deepprune-sim verify {submission}{places.cache}",),
        ),
    )


def first_row(places: Places) -> tuple[str, ...]:
    """Return the two commands that make a first row: run, submit."""
    run, given = places.run("short-3"), f"-d {shlex.quote(first_pool())}{places.cache}"
    return (
        f"deepprune-sim run short-3@{FIRST_BUDGET} {given} -o {run}",
        f'deepprune-sim submit {run} --method "short-3@{FIRST_BUDGET}" --authors "A. Author" '
        f'--description "Majority of the first three traces to finish."{places.submit_option}',
    )


def first_pool() -> str:
    """Return the name of the pool that comes with the package."""
    return next(iter(shipped_pools()), f"{SHIPPED}/*")


def own_first(row: dict[str, Any]) -> tuple[bool, bool, str]:
    """Return a key that sorts pools: recorded ones, the one that comes along, generated ones."""
    return row["synthetic"], row["name"].startswith(f"{SHIPPED}/"), row["name"]


def first_runs(library: Library, places: Places) -> tuple[str, ...]:
    """Return commands that make two runs to compare, on a pool that is here or comes along."""
    pool, budget = first_pool(), FIRST_BUDGET
    if library.pools:
        pool = min(library.pools, key=own_first)["name"]
        with suppress(UserError):  # a damaged pool is reported on the page
            budget = min(budget, budget_of(library, pool))
    given = f"-d {shlex.quote(pool)}{places.cache}"
    return (
        f"deepprune-sim run cons@{budget} {given} -o {places.run('cons')}",
        f"deepprune-sim run asc -n {budget} {given} -o {places.run('asc')}",
    )


CHECKS = (
    (
        "well-formed",
        "The files have the required format and a bounded size.",
        "self-reported",
    ),
    (
        "recomputed",
        "Tokens, accuracy and every figure follow from the decisions and the pool.",
        "recomputed",
    ),
    (
        "rerun",
        "A rerun without access to answers makes the same decisions; another seed agrees.",
        "verified",
    ),
)

"""The three steps of verification: name, what it proves, badge once passed."""

FAQ = (
    (
        "Why does my policy not see the gold answer, or the rest of a trace?",
        "Because neither is known while traces are being generated. A policy sees text, "
        "confidences and probes up to the tokens generated so far, and the answers of finished "
        "traces. It never sees the gold answer. A policy file runs in a separate process that "
        "holds nothing else.",
    ),
    (
        "What does a token cost?",
        "Every token of every started trace counts, used or not, up to the token at which it was "
        "stopped. Judge tokens and probes are counted separately; the board can add the judge's "
        "cost to the tokens.",
    ),
    (
        "How do ranks and ties work?",
        "A rank is a range: from 1 + the number of methods that are significantly better, to the "
        "number of ranked methods minus those that are significantly worse. Significant is decided "
        "by a sign-flip test over problems, with the false discovery rate among all pairs held at "
        "5%. Every ranked method ran on the same pools: the most that half of all methods have "
        "in common. A method that leaves one of them out has no rank. Ranks are computed over all "
        "rows, so filters do not change them. Withdrawn rows and oracles are not ranked.",
    ),
    (
        "Why are synthetic rows shown separately?",
        "Their traces were generated by this program for testing and for measuring speed; no model "
        "wrote them. Results on them say nothing about a method.",
    ),
    (
        "Why does my row say recomputed and not verified?",
        "The third step was skipped or does not count. Reasons: the verifier had no sandbox, fewer "
        "repeats were run again, the judge's scores were missing, or the policy decides by the "
        "question's text and needs a manual review. verification.json gives the reason.",
    ),
    (
        "Why does my row say self-reported?",
        "It has not been verified yet, or the verifier did not have the pool. A run on a private "
        "pool stays self-reported: use pools that deepprune-sim data pull can fetch, or publish "
        "yours.",
    ),
    (
        "Why is my submission broken?",
        "Something is wrong with its files or figures; deepprune-sim verify names the first row "
        "that differs. Make the submission again from its run instead of editing it.",
    ),
    (
        "May I choose the seed?",
        "Yes, but it does not help: the verifier also replays the policy with a seed that nobody "
        "can know in advance. Its figures are in verification.json beside yours.",
    ),
    (
        "How do I submit a method that uses a judge?",
        "Run it with --judge. The judge's scores are read from the folder of pools, so a verifier "
        "needs the scores or the judge. Without them, the row stays recomputed.",
    ),
    (
        "How do I correct or withdraw a submission?",
        'To withdraw it, add withdrawn = "why" to its submission.toml: it is shown for the record '
        "and never ranked. To correct it, withdraw it and submit a new one.",
    ),
    (
        "How are my texts shown?",
        "As plain text, without markup or HTML; only https:// addresses become links. Check "
        "run.json before you send it: it contains the run's command line, including paths.",
    ),
)
"""Questions and answers in plain text, consistent with docs/submitting.md and docs/decisions."""
