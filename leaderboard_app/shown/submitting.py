"""The page Submit: the way from a policy to a verified row, as commands for the pools at hand."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from leaderboard_app.library.folders import Folders
from leaderboard_app.library.library import Library
from leaderboard_app.library.pool_answers import count_traces
from simulator.errors import UserError
from simulator.pools.folders import LOCAL_CACHE, runs_folder
from simulator.submissions.packing import slug_of

SAMPLE = "qwen3-32b/aime25"
"""The cell that is generated where no pool is here."""

SAMPLE_POOL = f"generated/{SAMPLE}"

SAMPLE_BUDGET = 16
"""Traces a problem in the first commands: less than the 32 that a generated problem has."""

MOST = 512
"""The budget of the literature: more traces a problem are not suggested."""

REPEATS = 64
"""Orders of traces to replay: as many as the built-in rows have."""

POLICY_FILE = "first_three.py"

POLICY = '''\
from simulator import Policy, majority_vote


class FirstThree(Policy):
    """Answers with the majority of the first three traces to finish."""

    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        return majority_vote(sampler.decode(traces, first=3))
'''
"""A policy that works on every pool, to begin with."""

METHOD = "First three"

ABOUT = (
    f'--method "{METHOD}" --authors "A. Author; B. Author" '
    '--description "Majority of the first three traces to finish."'
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is for, the file it needs (`POLICY_FILE`), and its commands in order."""

    title: str
    text: str
    commands: tuple[str, ...]
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """How commands name the folders that the leaderboard reads.

    `cache` is the option for those that read pools, `runs` and `submissions` are paths.
    """

    cache: str
    runs: str
    submissions: str

    @classmethod
    def of(cls, folders: Folders, working: Path) -> Places:
        """As short as works in the folder `working`, where readers are taken to type them.

        Commands find pools in `datasets_cache/` by themselves only once it is there.
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
        """The option of `submit` for its folder, where it is not the usual one."""
        usual = self.submissions == "submissions"
        return "" if usual else f" -o {shlex.quote(self.submissions)}"

    def run(self, name: str) -> str:
        """A run's folder, quoted."""
        return shlex.quote(f"{self.runs}/{name}")

    def submission(self, name: str) -> str:
        """A submission's folder, quoted."""
        return shlex.quote(f"{self.submissions}/{name}")


def _short(folder: Path, working: Path, usual: Path) -> str:
    return str(usual) if folder == working / usual else str(folder)


def budget_of(library: Library, pool: str) -> int:
    """The largest budget up to `MOST` that every problem of a pool has traces for.

    Raises
    ------
    UserError
        The pool's files cannot be read.
    """
    return min([MOST, *count_traces(library, pool)])


def steps(pool: str, budget: int, today: date, places: Places) -> tuple[Step, ...]:
    """Run, report, submit, verify: four steps for the pool named `pool`."""
    given = f"-d {shlex.quote(pool)} -n {budget}{places.cache}"
    run = places.run(Path(POLICY_FILE).stem.replace("_", "-"))
    name = f"{today.isoformat()}-{slug_of(METHOD)}"
    submission = places.submission(name)
    return (
        Step(
            "1. Run your method",
            "Write it as a policy, or take a built-in one (deepprune-sim methods). check finds "
            "what a verifier would refuse; run replays it. Use public pools, or nobody else can "
            f"recompute the run, and {REPEATS} repeats or more.",
            (
                f"deepprune-sim check {POLICY_FILE} {given}",
                f"deepprune-sim run {POLICY_FILE} {given} --repeats {REPEATS} -o {run}",
            ),
            POLICY_FILE,
        ),
        Step(
            "2. Look at it",
            "Accuracy and tokens with their intervals, against majority voting over the same "
            "traces. From now on it is on the board here, as a local run.",
            (f"deepprune-sim report {run}",),
        ),
        Step(
            "3. Pack it",
            "The folder holds the policy, the run's four files and submission.toml, and nothing "
            "else. All texts are plain text; a paper and code may be linked (--paper, --code).",
            (
                f"deepprune-sim submit {run} {ABOUT} --date {today.isoformat()}"
                f"{places.submit_option}",
            ),
        ),
        Step(
            "4. Verify and send it",
            "verify does what the board will do. Then open a pull request with the folder, or let "
            "submit do it on a dataset repository (--hub OWNER/NAME), or send one file (--bundle).",
            (f"deepprune-sim verify {submission}{places.cache}",),
        ),
    )


def first_row(places: Places) -> tuple[str, ...]:
    """The three commands that make a first row where nothing is: generate, run, submit."""
    run = places.run("short-3")
    return (
        f"deepprune-sim data sample --cell {SAMPLE}{places.cache}",
        f"deepprune-sim run short-3@{SAMPLE_BUDGET} -d {SAMPLE_POOL}{places.cache} -o {run}",
        f'deepprune-sim submit {run} --method "short-3@{SAMPLE_BUDGET}" --authors "A. Author" '
        f'--description "Majority of the first three traces to finish."{places.submit_option}',
    )


def first_runs(library: Library, places: Places) -> tuple[str, ...]:
    """Commands that make two runs to compare: on a pool that is here, else on a generated one."""
    make = () if library.pools else (f"deepprune-sim data sample --cell {SAMPLE}{places.cache}",)
    pool, budget = SAMPLE_POOL, SAMPLE_BUDGET
    if library.pools:
        pool = min(library.pools, key=lambda row: (row["synthetic"], row["name"]))["name"]
        with suppress(UserError):  # a damaged pool is named where it is shown
            budget = min(budget, budget_of(library, pool))
    given = f"-d {shlex.quote(pool)}{places.cache}"
    return (
        *make,
        f"deepprune-sim run cons@{budget} {given} -o {places.run('cons')}",
        f"deepprune-sim run asc -n {budget} {given} -o {places.run('asc')}",
    )


CHECKS = (
    (
        "well-formed",
        "The files are those of the format, plain and of bounded size.",
        "self-reported",
    ),
    (
        "recomputed",
        "Tokens, accuracy and every figure follow from the decisions and the pool.",
        "recomputed",
    ),
    (
        "rerun",
        "The policy, run again where it reaches no answers, does the same; so does another seed.",
        "verified",
    ),
)

"""The three steps of verification: name, what it proves, badge once it passed."""

FAQ = (
    (
        "Why does my policy not see the gold answer, or what comes later in a trace?",
        "Because it would not when traces are being generated. A policy sees text, confidences and "
        "probes up to the tokens generated so far, a trace's answer once that has finished, and "
        "gold never. A policy file runs in a process of its own, which holds nothing else.",
    ),
    (
        "What does a token cost?",
        "Every token of every trace that was started counts, used or not, up to the token at which "
        "it was stopped. Nothing is free: what a judge reads and how often traces are probed is "
        "counted in ledgers of their own, and the board can add the judge's cost to the tokens.",
    ),
    (
        "How do ranks and ties work?",
        "The rank is 1 + the number of methods that are significantly better: those whose "
        "accuracy is higher by a difference whose 95% interval, paired over problems, lies above "
        "zero. Methods that cannot be told apart share a rank. Ranks are worked out once, over all "
        "rows, so that no filter moves anybody; withdrawn rows and oracles are not ranked.",
    ),
    (
        "Why do synthetic rows stand apart?",
        "Their traces were generated by this program to try things out and to measure speed; no "
        "model wrote them. What a method scores there says nothing about the method.",
    ),
    (
        "Why does my row say recomputed and not verified?",
        "The third step was not made, or does not count: there was no sandbox where it was "
        "verified, fewer repeats were run again, a judge's scores were not there, or the policy "
        "decides by the question's text and has to be read by someone. verification.json says "
        "which.",
    ),
    (
        "Why does my row say self-reported?",
        "Nobody has verified it yet, or whoever did had not the pool. A run on a pool that is not "
        "public stays so: name pools that deepprune-sim data pull gets, or publish yours.",
    ),
    (
        "Why is my submission broken?",
        "Something is wrong with its files or figures; deepprune-sim verify names the first row "
        "that differs. Make the submission again from its run instead of editing it.",
    ),
    (
        "May I choose the seed?",
        "Yes, and it does not help: the verifier also replays the policy with a seed that nobody "
        "can know before, and that one's figures stand in verification.json beside yours.",
    ),
    (
        "How do I submit a method that asks a judge?",
        "Run it with --judge. Its scores are read from the folder of pools, so whoever verifies "
        "needs them or the judge; without them the row stays recomputed.",
    ),
    (
        "How do I correct or withdraw a submission?",
        'To withdraw it, add withdrawn = "why" to its submission.toml: it is shown for the record '
        "and never ranked. To correct it, withdraw it and submit a new one.",
    ),
    (
        "Is what I write shown as it is?",
        "As text, whatever it contains: no markup, no HTML, links only where they are https://. "
        "Look into run.json before you send it: it says how the run was called, paths included.",
    ),
)
"""Questions and answers, as docs/submitting.md and docs/decisions have them; plain text."""
