"""Every method on a fresh machine: an empty folder, and none but the core dependencies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
from checkout import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from simulator.loading import method_names
from simulator.pools.shipped import shipped_pools

PROGRAM = """
import os
import sys

class OnlyTheCore:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, OnlyTheCore())
import simulator.commands.run
from simulator.cli import main

for name, arguments in COMMANDS.items():
    if not os.fork():
        os.mkdir(name)
        os.chdir(name)
        os.environ["DEEPPRUNE_SIM_CACHE"] = os.path.abspath("cache")
        for number, stream in enumerate(("stdout", "stderr"), 1):
            os.dup2(os.open(stream, os.O_CREAT | os.O_WRONLY), number)
        main(arguments)
    _, status = os.wait()
    print(name, os.waitstatus_to_exitcode(status))
"""
"""Commands, each in an empty folder of its own, where the modules in ABSENT cannot be imported.

Each runs in a fork, so that the program is loaded once.
"""

SPELLED = {"cons@N": "cons@16", "short-m@k": "short-3@16"}
METHODS = [SPELLED.get(name, name) for name in method_names()]

CUT_TRACES = [
    *(
        "short-3@16",
        "quorum",
        "steadfast",
        "beta-sc",
        "sac",
        "parallel-probe",
        "cmc",
        "certaindex",
        "dynasor",
        "eat",
    ),
    *("deepconf-low", "deepconf-high", "deepconf-optillm", "deepconf-vllm", "deepprune", "slim-sc"),
]
"""Methods that must stop at least a tenth of the traces early."""

FEWER_TRACES = [
    *("pass@1", "asc", "esc", "sprt", "msprt", "doubling", "ppr-1v1", "beta-sc", "bayes-3"),
    *("cmc", "cges", "reasc", "k-stable"),
]
"""Methods that must start fewer traces than they may."""

FEW_TOKENS = ["oracle"]
"""Methods that start all traces and decode few of them."""

WHOLE = [
    *("cons@16", "deepconf-offline", "self-certainty", "best-of-n", "weighted-vote"),
    "tail-entropy",
]
"""Methods that decode every trace to its end."""

REFUSED = {"deer": "probe_gmean", "soft-sc": "probe_mean"}
"""Methods that read a signal which the pool that comes along does not have."""


def with_dependencies(requirements: list[str]) -> set[str]:
    """Return what an installer would install: these distributions and what they need in turn."""
    waiting = [Requirement(each) for each in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras} - {e for other, e in seen if other == name}:
            seen.add((name, extra))
            with suppress(PackageNotFoundError):  # it is for another system
                further = [Requirement(each) for each in requires(name) or ()]
                waiting += [
                    each
                    for each in further
                    if each.marker is None or each.marker.evaluate({"extra": extra})
                ]
    return {name for name, _ in seen}


@cache
def absent_modules() -> frozenset[str]:
    """List the modules of this environment that an install without extras would not have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    present = {project["name"], *with_dependencies(project["dependencies"])}
    return frozenset(
        module
        for module, names in packages_distributions().items()
        if not present & {canonicalize_name(name) for name in names}
    )


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code, its output, and the empty folder it ran in."""

    code: int
    stdout: str
    stderr: str
    folder: Path


def fresh(folder: Path, commands: dict[str, list[str]]) -> dict[str, Done]:
    """Run commands, each in an empty folder of its own, without a cache of pools."""
    program = f"ABSENT = {set(absent_modules())}\nCOMMANDS = {commands}\n{PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    codes = dict(line.split() for line in done.stdout.splitlines())
    assert codes.keys() == commands.keys()
    return {
        name: Done(int(code), *output_of(folder / name), folder / name)
        for name, code in codes.items()
    }


def output_of(folder: Path) -> tuple[str, str]:
    """Read the standard output and standard error of a command that ran in a folder."""
    return (folder / "stdout").read_text(), (folder / "stderr").read_text()


def test_the_extras_are_absent_and_the_core_is_there() -> None:
    extras = {"torch", "transformers", "tokenizers", "sentence_transformers", "peft", "accelerate"}
    assert absent_modules() >= extras | {"inspect_ai", "pytest", "statsmodels"}
    core = {"sklearn", "scipy", "numpy", "pandas", "pyarrow", "math_verify", "streamlit", "click"}
    assert not absent_modules() & (core | {"simulator", "judges", "leaderboard_app"})


def test_every_method_is_expected_to_do_something() -> None:
    assert {*CUT_TRACES, *FEWER_TRACES, *FEW_TOKENS, *WHOLE, *REFUSED} == set(METHODS)


def test_a_method_whose_signal_is_not_there_says_so(tmp_path: Path) -> None:
    done = fresh(tmp_path, {method: ["run", method, "-o", "out"] for method in REFUSED})
    (pool,) = shipped_pools()
    for method, signal in REFUSED.items():
        assert done[method].code == 2
        (error,) = [line for line in done[method].stderr.splitlines() if line.startswith("error: ")]
        assert error == (
            f"error: {method} needs {signal} and probes, which no recorded pool here has ({pool}); "
            "import one that has, or record one with live"
        )
        assert "Traceback" not in done[method].stderr


def test_every_method_runs_in_an_empty_folder(tmp_path: Path) -> None:
    options = ["--repeats", "2", "-o", "out", "--json"]
    methods = [each for each in METHODS if each not in REFUSED]
    done = fresh(tmp_path, {method: ["run", method, *options] for method in methods})
    assert {each: done[each].stderr for each in methods if done[each].code} == {}
    for method in methods:
        it_does_what_is_expected(method, done[method])


def it_does_what_is_expected(method: str, done: Done) -> None:
    (pool,) = shipped_pools()
    assert done.stderr.startswith("no recorded pool in "), method
    assert f"replaying {pool}, which comes with deepprune-sim" in done.stderr.splitlines()[0]
    run: dict[str, Any] = json.loads(done.stdout)
    (entry,) = run["pools"]
    assert entry["pool"] == pool, method
    assert not entry["synthetic"], method
    least = 0.45 if method == "deepconf-optillm" else 0.5  # its vote forgets how many vote
    assert least < entry["metrics"]["accuracy"]["value"] <= 1, method
    assert [rule for rule in run["stop_rules"] if not rule["halts"]] == [], method

    decisions = pq.read_table(done.folder / "out" / "decisions.parquet")
    cut = pc.and_(pc.invert(decisions["finished"]), pc.greater(decisions["num_tokens"], 0))
    share = pc.mean(cut).as_py()
    assert (share >= 0.1) if method in CUT_TRACES else (share == 0), method
    started = entry["metrics"]["traces_started"]["value"]
    assert (started < entry["budget"]) == (method in FEWER_TRACES), method
    saved = entry["metrics"]["reduction"]["value"]
    assert (saved == 0) if method in WHOLE else (saved > 0.02), method
