"""Submissions that repeat another, or imitate a name, are named to the keeper."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from checkout import ROOT
from click.testing import CliRunner
from pools import write_pool
from submitted import FIRST_TWO, PROBLEMS, submit, write_policy

from simulator.boards.duplicates import Named, beside, duplicates, in_folder
from simulator.commands.verify import verify

OTHER_LAYOUT = '''
from simulator import Policy, majority_vote


class Mine(Policy):
    """Something new."""

    def solve(self, problem, sampler):
        # decode all
        return majority_vote(
            sampler.decode(sampler.start(sampler.budget), first=2),
        )
'''

CYRILLIC_SAC = "\u0405\u0410\u0421"


def named(name: str, method: str, policy: str | None = None, builtin: str | None = None) -> Named:
    return Named(name, method, policy, builtin)


def test_the_same_policy_is_named_whatever_its_layout_and_class_name(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pools", PROBLEMS)
    sources = {
        "One": FIRST_TWO,
        "Other": OTHER_LAYOUT,
        "Third": FIRST_TWO.replace("first=2", "first=3"),
    }
    one, other, third = (
        submit(
            tmp_path,
            write_policy(tmp_path, source),
            pool=pool,
            seed=seed,
            fields={"method": method},
        )
        for seed, (method, source) in enumerate(sources.items())
    )
    notes = beside(one)
    assert notes == {
        one.name: [f"has the same policy, parameters and N as {other.name}"],
        other.name: [f"has the same policy, parameters and N as {one.name}"],
    }
    assert third.name not in notes


@pytest.mark.parametrize("other", ["my method", "My-Method!", "MY METHOD", "My Meth\u043ed"])
def test_names_that_look_alike_are_named(other: str) -> None:
    notes = duplicates([named("a", "My Method", "x"), named("b", other, "y")])
    assert "looks like that of b" in notes["a"][0]
    assert "looks like that of a" in notes["b"][0]
    assert notes["a"][0].isascii()


@pytest.mark.parametrize(
    ("method", "imitated"),
    [
        ("ASC", "the built-in method asc"),
        (CYRILLIC_SAC, "the built-in method sac"),
        ("Cons@512", "the built-in method cons@N"),
        ("Short 3 @ 16", "the built-in method short-N@N"),
        ("DeepPrune 2000", None),
        ("Deep Conf (low)", "the built-in method deepconf-low"),
        ("DeepC0nf-low", "the built-in method deepconf-low"),
        ("A method", None),
    ],
)
def test_names_of_built_in_methods_are_for_these(method: str, imitated: str | None) -> None:
    notes = duplicates([named("a", method, "x")])
    assert notes == {} if imitated is None else imitated in notes["a"][0]
    assert duplicates([named("a", method, "x", builtin="asc")]) == {}


def test_names_of_publications_are_named_too() -> None:
    notes = duplicates([named("a", "deep-prune*", "x")], ["DeepPrune*", "Other"])
    assert "the published method 'DeepPrune*'" in " ".join(notes["a"])


def test_a_successor_may_have_the_name_and_the_policy() -> None:
    first = named("a", "Method", "x")
    second = Named("b", "Method", "x", None, supersedes="a")
    assert duplicates([first, second]) == {}


def test_verify_tells_the_keeper_whatever_its_form(tmp_path: Path) -> None:
    pool = write_pool(tmp_path / "pools", PROBLEMS)
    one, other = (
        submit(tmp_path, "short-2@4", pool=pool, seed=seed, fields={"method": method})
        for seed, method in enumerate(("One", "Two"))
    )
    given = [str(one), "--no-rerun", "--cache", str(tmp_path / "pools")]
    said = CliRunner().invoke(verify, given).output
    note = f"has the same policy, parameters and N as {other.name}"
    assert note in " ".join(said.split())
    assert other.name not in (one / "verification.json").read_text()  # it is of this one alone
    (found,) = json.loads(CliRunner().invoke(verify, [*given, "--json"]).stdout)
    assert note in found["remarks"]
    comment = CliRunner().invoke(verify, [*given, "--markdown"]).stdout
    assert f"- **{note}**" in comment.replace("\\", "")


@pytest.mark.parametrize("source", ["(" * 5000, "def", "\x00", "x = 1\n" * 3])
def test_a_source_that_is_no_python_stops_nothing(tmp_path: Path, source: str) -> None:
    folder = submit(tmp_path)
    run = json.loads((folder / "run.json").read_text())
    run["policy"]["source"] = source
    (folder / "run.json").write_text(json.dumps(run))
    beside(folder)
    (folder / "run.json").unlink()
    (folder / "run.json").symlink_to("/dev/zero")
    assert beside(folder) == {}


def test_one_policy_at_two_numbers_of_traces_is_two_methods() -> None:
    notes = in_folder(ROOT / "submissions")
    assert all("same policy" not in note for said in notes.values() for note in said)
