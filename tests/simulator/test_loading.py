"""From what a user types to a policy: names, files, parameters, and one line for every mistake."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import PolicyError, UserError
from simulator.loading import LoadedPolicy, describe_methods, load_policy, method_names
from simulator.methods import METHODS
from simulator.methods.short_m import ShortM

POLICY = '''
from simulator import Policy, majority_vote

class Mine(Policy):
    """Mine: as told."""
    count = 3
    share = 0.5
    eager = False
    label = "x"
    window = None
    words = ("wait", "so")

    def solve(self, problem, sampler):
        return None
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty working directory, so that messages name files as they were typed."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str, name: str = "mine.py") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def refused(
    spec: str, settings: dict[str, str] | None = None, error: type[UserError] = UserError
) -> str:
    """Return the one line with which a spec is refused."""
    with pytest.raises(error) as told:
        load_policy(spec, settings)
    message = str(told.value)
    assert "\n" not in message
    assert type(told.value) is error
    return message


# Built-in names


@pytest.mark.parametrize(
    ("spec", "class_name", "budget", "parameters"),
    [
        ("cons@64", "Cons", 64, {}),
        ("cons@1", "Cons", 1, {}),
        ("pass@1", "PassAt1", None, {}),
        ("short-3@16", "ShortM", 16, {"m": 3}),
        ("short-12@512", "ShortM", 512, {"m": 12}),
        ("asc", "ASC", None, {"threshold": 0.95}),
        ("doubling", "Doubling", None, {"first_round": 2, "share": 0.75}),
        ("oracle", "Oracle", None, {}),
    ],
)
def test_a_built_in_name_sets_what_its_numbers_say(
    spec: str, class_name: str, budget: int | None, parameters: dict[str, Any]
) -> None:
    loaded = load_policy(spec)
    assert (loaded.name, loaded.class_name, loaded.budget) == (spec, class_name, budget)
    assert loaded.parameters == parameters
    assert loaded.builtin
    assert type(loaded.policy).__name__ == class_name
    assert {name: getattr(loaded.policy, name) for name in parameters} == parameters
    assert f"class {class_name}" in loaded.source
    assert loaded.sha256 == hashlib.sha256(loaded.source.encode()).hexdigest()


def test_setting_a_parameter_leaves_the_class_as_it_is() -> None:
    assert load_policy("short-1@4").policy != load_policy("short-1@4").policy
    assert ShortM.m == 3


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("con@64", "cons@64"),
        ("Cons@64", "cons@64"),
        ("cons64", "cons@64"),
        ("cons", "cons@N (N stands for a number of traces, such as cons@64)"),
        ("short3@16", "short-3@16"),
        ("short-3-16", "short-3@16"),
        ("short@16", "short-m@k (m and k stand for numbers of traces, such as short-3@16)"),
        ("parallel_probe", "parallel-probe"),
        ("ParallelProbe", "parallel-probe"),
        ("pass1", "pass@1"),
        ("pass@2", "pass@1"),
        ("SAC", "sac"),
        ("msprrt", "msprt"),
        ("dubling", "doubling"),
    ],
)
def test_a_near_miss_is_answered_with_the_name_meant(typed: str, meant: str) -> None:
    expected = f"{typed}: neither a built-in method nor a .py file; did you mean {meant}?"
    assert refused(typed) == expected


@pytest.mark.parametrize("typed", ["xylophone", "", "policy.txt", "mine.py@", "mine.pyc"])
def test_a_name_like_no_other_is_answered_with_all(typed: str) -> None:
    message = refused(typed)
    assert message.startswith(f"{typed}: neither a built-in method nor a .py file; built-in: ")
    assert all(name in message for name in method_names())


@pytest.mark.parametrize("typed", ["cons@", "cons@-1", "cons@1.5", "cons@x", "short-@3", "cons@ 4"])
def test_a_number_that_is_none_is_refused(typed: str) -> None:
    assert refused(typed).startswith(f"{typed}: neither a built-in method nor a .py file; did you")


def test_numbers_of_zero_are_refused() -> None:
    assert refused("cons@0") == "cons@0: the budget must be at least 1"
    assert refused("short-0@4", error=PolicyError) == "short-0@4: m must be at least 1 (m=0)"


def test_what_the_name_sets_is_not_set_again() -> None:
    message = refused("short-3@16", {"m": "4"})
    assert message == "-p m=4: the name short-3@16 already sets m=3; change one of them"
    assert refused("sac", {"budget": "8"}) == "-p budget: the budget is set with -n"
    for spec in ("cons@64", "short-3@16"):
        message = refused(spec, {"budget": "8"})
        assert message == f"-p budget: the name {spec} sets the budget; change the name"


def test_every_method_is_described_and_loads() -> None:
    described = {row["name"]: row for row in describe_methods()}
    assert list(described) == method_names()
    assert len(described) == len(METHODS)
    assert described["short-m@k"]["parameters"] == {}
    assert described["short-m@k"]["budget_in_name"]
    assert described["parallel-probe"]["requires"] == ["probes"]
    assert described["oracle"]["unranked"]
    for name, row in described.items():
        loaded = load_policy(name.replace("@N", "@2").replace("-m@k", "-2@4"))
        assert row["summary"]
        assert set(row["parameters"]) <= set(loaded.parameters)


# Files


def test_a_file_gives_its_one_policy(folder: Path) -> None:
    loaded = load_policy(write(POLICY))
    assert (loaded.name, loaded.class_name, loaded.file) == ("mine", "Mine", "mine.py")
    assert (loaded.source, loaded.budget, loaded.builtin) == (POLICY, None, False)
    assert loaded.sha256 == hashlib.sha256(POLICY.encode()).hexdigest()
    assert loaded.parameters == {
        "count": 3,
        "share": 0.5,
        "eager": False,
        "label": "x",
        "window": None,
        "words": ("wait", "so"),
    }


def test_a_path_may_hold_an_at_sign_and_folders(folder: Path) -> None:
    Path("a@b.py").mkdir()
    loaded = load_policy(write(POLICY, "a@b.py/mine.py") + "@Mine")
    assert (loaded.file, loaded.name) == ("a@b.py/mine.py", "mine")


def test_the_source_given_is_the_one_that_loads(folder: Path) -> None:
    loaded = load_policy("gone.py", source=POLICY)
    assert (loaded.file, loaded.class_name, loaded.source) == ("gone.py", "Mine", POLICY)


TWO = """
from simulator import Policy

class First(Policy):
    a = 1
    def solve(self, problem, sampler):
        return "first"

class Second(First):
    b = 2

class Helper:
    def solve(self, problem, sampler):
        return "helper"
"""


def test_of_two_policies_one_is_chosen_by_name(folder: Path) -> None:
    file = write(TWO)
    assert load_policy(f"{file}@First").class_name == "First"
    second = load_policy(f"{file}@Second", {"a": "5"})
    assert second.class_name == "Second"
    assert second.parameters == {"a": 5, "b": 2}
    assert refused(file, error=PolicyError) == (
        "mine.py: 2 policies (First, Second); choose one, as mine.py@First"
    )


@pytest.mark.parametrize("wanted", ["Third", "Helper", "Policy", "first", "__name__"])
def test_a_class_that_is_no_policy_there_is_not_found(folder: Path, wanted: str) -> None:
    assert refused(f"{write(TWO)}@{wanted}", error=PolicyError) == (
        f"mine.py: no policy class {wanted} (policies there: First, Second)"
    )


def test_a_file_without_policies_has_none_to_choose(folder: Path) -> None:
    assert refused(write("") + "@Mine", error=PolicyError) == (
        "mine.py: no policy class Mine (policies there: none)"
    )


def test_two_names_of_one_class_are_one_policy(folder: Path) -> None:
    file = write(POLICY + "\nBest = Mine\n")
    assert load_policy(file).class_name == "Mine"
    assert load_policy(f"{file}@Best").class_name == "Mine"


def test_a_base_class_without_solve_and_imported_ones_are_no_candidates(folder: Path) -> None:
    file = write(
        "from simulator import Policy\n"
        "from simulator.methods.sac import SAC\n"
        "from simulator.methods.cons import Cons\n"
        "class Base(Policy):\n    depth = 4\n"
        "class Mine(Base):\n    def solve(self, problem, sampler):\n        return None\n"
    )
    loaded = load_policy(file)
    assert (loaded.class_name, dict(loaded.parameters)) == ("Mine", {"depth": 4})


def test_a_policy_may_derive_from_a_built_in_one(folder: Path) -> None:
    file = write(
        "from simulator.methods.short_m import ShortM\n"
        "class Mine(ShortM):\n    m = 5\n    extra = 0.5\n"
    )
    loaded = load_policy(file, {"extra": "1"})
    assert dict(loaded.parameters) == {"m": 5, "extra": 1.0}
    assert refused(file, {"m": "0"}, PolicyError) == "mine.py: m must be at least 1 (m=0)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = (\n", "mine.py:1: syntax error: '(' was never closed"),
        ("x = 1\n  y = 2\n", "mine.py:2: syntax error: unexpected indent"),
        ("import simulator.nowhere\n", "mine.py:1: ModuleNotFoundError: No module named"),
        ("\nfrom simulator import Polizei\n", "mine.py:2: ImportError: cannot import name"),
        ("x = 1\n\ny = x / 0\n", "mine.py:3: ZeroDivisionError: division by zero"),
        ("def f():\n    return int('x')\n\nf()\n", "mine.py:2: invalid literal for int()"),
        ("raise ValueError", "mine.py:1: ValueError"),
        ("import sys\nsys.exit('done')\n", "mine.py:2: SystemExit: done"),
        ("exec('x = = 1')\n", "mine.py:1: SyntaxError: invalid syntax (<string>, line 1)"),
        ("raise RuntimeError('two\\nlines')\n", "mine.py:1: RuntimeError: two lines"),
        ("", "mine.py: no class derives from simulator.Policy and defines solve("),
        ("from simulator import Policy\n", "mine.py: no class derives from simulator.Policy"),
        (
            "from simulator import Policy\nclass Mine(Policy):\n    m = 1\n",
            "mine.py: no class derives from simulator.Policy and defines solve(",
        ),
        (
            "class Mine:\n    def solve(self, problem, sampler):\n        return None\n",
            "mine.py: no class derives from simulator.Policy",
        ),
    ],
)
def test_a_file_that_does_not_load_is_answered_with_its_line(
    folder: Path, text: str, expected: str
) -> None:
    assert refused(write(text), error=PolicyError).startswith(expected)


def test_another_files_syntax_error_is_told_at_the_import(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(folder))
    write("\n\n\nx = = 1\n", "helper_of_mine.py")
    message = refused(write("import sys\nimport helper_of_mine\n"), error=PolicyError)
    assert message == ("mine.py:2: SyntaxError: invalid syntax (helper_of_mine.py, line 4)")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"x = '\xff\xfe'\n", "mine.py: cannot be read ('utf-8' codec can't decode byte 0xff"),
        ("x = 'é'\n".encode("utf-16"), "mine.py: cannot be read ("),
    ],
)
def test_bytes_that_are_no_source_are_refused(folder: Path, content: bytes, expected: str) -> None:
    Path("mine.py").write_bytes(content)
    assert refused("mine.py", error=PolicyError).startswith(expected)


def test_null_bytes_are_refused(folder: Path) -> None:
    Path("mine.py").write_bytes(POLICY.encode() + b"x = 1\0\n")
    message = refused("mine.py", error=PolicyError)  # Python 3.11.4 changed how they are reported
    assert message.startswith("mine.py: ")
    assert "source code string cannot contain null bytes" in message


def test_a_byte_order_mark_is_no_error(folder: Path) -> None:
    Path("mine.py").write_bytes(b"\xef\xbb\xbf" + POLICY.encode())
    assert load_policy("mine.py").class_name == "Mine"


def test_files_that_cannot_be_read_are_refused(folder: Path) -> None:
    assert refused("nowhere.py", error=PolicyError) == (
        "nowhere.py: no such file; give a policy file or a built-in name"
    )
    assert refused("nowhere/mine.py@Mine", error=PolicyError).startswith("nowhere/mine.py: no such")
    Path("x.py").mkdir()
    message = refused("x.py", error=PolicyError)
    assert message.startswith("x.py: cannot be read (")
    assert "directory" in message


def test_a_file_is_compiled_as_python_would(folder: Path) -> None:
    # This package's `from __future__ import annotations` is not the file's.
    file = write(POLICY + "\ndef f(n: int): ...\nassert f.__annotations__ == {'n': int}\n")
    assert load_policy(file).class_name == "Mine"


def test_a_file_may_hold_dataclasses_and_a_main_block(folder: Path) -> None:
    file = write(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\nclass State:\n    seen: int = 0\n" + POLICY + "\n"
        "if __name__ == '__main__':\n    raise SystemExit\n"
    )
    assert load_policy(file).class_name == "Mine"


# Parameters


def set_to(key: str, text: str) -> LoadedPolicy:
    return load_policy("mine.py", {key: text})


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("count", "7", 7),
        ("count", "-7", -7),
        ("share", "0.25", 0.25),
        ("share", "2", 2.0),
        ("share", "1e-3", 0.001),
        ("eager", "true", True),
        ("eager", "True", True),
        ("eager", "1", True),
        ("eager", "yes", True),
        ("eager", "no", False),
        ("eager", "FALSE", False),
        ("eager", "0", False),
        ("label", "abc", "abc"),
        ("label", "12", "12"),
        ("label", "", ""),
    ],
)
def test_what_is_typed_becomes_what_the_default_is(
    folder: Path, key: str, text: str, value: object
) -> None:
    write(POLICY)
    loaded = set_to(key, text)
    assert loaded.parameters[key] == value
    assert type(loaded.parameters[key]) is type(value)
    assert getattr(loaded.policy, key) == value
    assert loaded.settings == {key: text}
    assert load_policy("mine.py").parameters[key] != value or value in ("x", False)


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("count", "3.5", "-p count=3.5: expected int, like its default 3"),
        ("count", "many", "-p count=many: expected int, like its default 3"),
        ("count", "", "-p count=: expected int, like its default 3"),
        ("count", f"{2**63}", f"-p count={2**63}: give a whole number from -2^63 to 2^63 - 1"),
        ("count", f"-{10**20}", f"-p count=-{10**20}: give a whole number from -2^63 to 2^63 - 1"),
        ("share", "half", "-p share=half: expected float, like its default 0.5"),
        ("eager", "2", "-p eager=2: expected bool, like its default False"),
        ("eager", "", "-p eager=: expected bool, like its default False"),
        ("window", "3", "-p window: its default None is neither number, text nor true/false"),
        ("words", "so", "-p words: its default ('wait', 'so') is neither number, text nor"),
        ("cuont", "3", "-p cuont: mine.py has no such parameter; did you mean count?"),
        ("Share", "3", "-p Share: mine.py has no such parameter; did you mean share?"),
        ("zzz", "3", "-p zzz: mine.py has no such parameter; it has: count, share, eager, label,"),
        ("", "3", "-p : mine.py has no such parameter; it has: count, "),
        ("budget", "3", "-p budget: the budget is set with -n"),
        ("solve", "3", "-p solve: mine.py has no such parameter; "),
        ("requires", "text", "-p requires: mine.py has no such parameter; "),
        ("validate", "x", "-p validate: mine.py has no such parameter; "),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(
    folder: Path, key: str, text: str, expected: str
) -> None:
    write(POLICY)
    assert refused("mine.py", {key: text}).startswith(expected)


def test_a_policy_without_parameters_says_so() -> None:
    assert refused("cons@4", {"m": "3"}) == "-p m: cons@4 has no parameters; leave it out"


def test_a_built_in_parameter_is_suggested_and_checked() -> None:
    assert refused("asc", {"treshold": "1"}) == (
        "-p treshold: asc has no such parameter; did you mean threshold?"
    )
    assert refused("sac", {"in_a_row": "0"}, PolicyError) == (
        "sac: in_a_row must be at least 1 (in_a_row=0)"
    )
    assert load_policy("sac", {"in_a_row": "3"}).parameters == {"in_a_row": 3}


INHERITING = """
from simulator import Policy

class Base(Policy):
    first = 1
    second = 2.0
    requires = {"probes"}
    budget = 16
    _hidden = 9

    @property
    def shown(self): return 1
    @classmethod
    def made(cls): return cls()
    @staticmethod
    def helper(): return 1

class Mine(Base):
    third: str = "c"
    first = 10

    def validate(self):
        if self.first * self.second > 30:
            raise ValueError(f"first times second\\n is at most 30")
        if self.third == "boom":
            raise RuntimeError("no booms")

    def solve(self, problem, sampler):
        return None
"""


def test_parameters_are_inherited_base_first_and_changed_by_the_nearest(folder: Path) -> None:
    loaded = load_policy(write(INHERITING), {"second": "3"})
    assert list(loaded.parameters.items()) == [("first", 10), ("second", 3.0), ("third", "c")]
    assert (loaded.policy.requires, loaded.policy.budget) == ({"probes"}, 16)


@pytest.mark.parametrize("what", ["requires", "optional"])
def test_signals_that_validate_sets_are_checked_as_well(folder: Path, what: str) -> None:
    file = write(
        INHERITING.replace(
            "def validate(self):", f"def validate(self):\n        self.{what} = {{'probe'}}"
        )
    )
    said = refused(file, {}, PolicyError)
    assert said.startswith(f"{file}: {what} is {{'probe'}}; give a set of 'text', ")


def test_what_validate_says_is_the_message_with_the_settings_it_was_given(folder: Path) -> None:
    file = write(INHERITING)
    assert refused(file, {"second": "3.5"}, PolicyError) == (
        "mine.py: first times second is at most 30 (second=3.5)"
    )
    message = refused(file, {"third": "boom"}, PolicyError)
    assert message == "mine.py: RuntimeError: no booms (third=boom)"


def test_a_class_that_cannot_be_made_is_refused(folder: Path) -> None:
    file = write(POLICY.replace("def solve", "def __init__(self, n): ...\n    def solve"))
    assert "mine.py: TypeError: " in refused(file, error=PolicyError)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_numbers_that_json_cannot_hold_are_refused(value: str) -> None:
    with pytest.raises(UserError, match=f"threshold={value}: expected float"):
        load_policy("asc", {"threshold": value})
