"""`run` from Python: the bytes of the command line, classes of a notebook, sweeps, errors."""

from __future__ import annotations

import json
import linecache
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pools import T, write_pool
from programs import call, results

from deepprune_sim import Policy, UserError, majority_vote, open_pool, run
from simulator.api.results import Run, Runs

FILE = """\
import math

from deepprune_sim import Policy, majority_vote

SHARE = 0.5


def first(number):
    return max(1, math.ceil(SHARE * number))


class Half(Policy):
    \"\"\"Answer with the majority of the first half of the traces to finish.\"\"\"

    factor = 1.0

    def solve(self, problem, sampler):
        traces = sampler.start(sampler.budget)
        number = min(len(traces), int(self.factor * first(len(traces))))
        return majority_vote(sampler.decode(traces, first=number))
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "cache"))
    lengths = [T(10, "1"), T(30, "1"), T(20, "2"), T(40, "1")]
    write_pool(Path("cache"), {"p": lengths, "q": lengths[::-1], "r": lengths[1:]})


def executed(cell: str, number: int = 1, main: ModuleType | None = None) -> ModuleType:
    """Return the main program after a cell of a notebook, whose text is kept as IPython does."""
    main = main or ModuleType("__main__")
    name = f"/tmp/ipykernel_1/{number}.py"
    linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
    exec(compile(cell, name, "exec", dont_inherit=True), vars(main))
    return main


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    main = executed(FILE)
    monkeypatch.setitem(sys.modules, "__main__", main)
    return main


def test_a_built_in_gives_the_bytes_of_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = ("-p", "window=2", "-n", "3", "--repeats", "5", "--seed", "7", "-o", "typed")
    assert call(capsys, "run", "esc", *typed)[0] == 0
    made = run("esc", window=2, budget=3, repeats=5, seed=7, jobs=2, output="made")
    assert isinstance(made, Run)
    assert results(made.path) == results(Path("typed"))
    command = json.loads(Path("made/run.json").read_text())["command"]
    assert call(capsys, *command[1:], "-o", "again")[0] == 0
    assert results(Path("again")) == results(Path("typed"))


def test_a_file_and_a_class_give_the_bytes_of_the_command_line(
    capsys: pytest.CaptureFixture[str], notebook: ModuleType
) -> None:
    Path("Half.py").write_text(FILE)
    arguments = ("-p", "factor=2.0", "--repeats", "3", "-n", "3", "-o", "typed")
    assert call(capsys, "run", "Half.py", *arguments)[0] == 0
    how: dict[str, Any] = {"factor": 2.0, "repeats": 3, "budget": 3, "progress": False}
    for number, policy in enumerate((Path("Half.py"), notebook.Half)):
        for jobs, in_process in ((1, False), (2, False), (1, True)):
            output = f"{number}-{jobs}-{in_process}"
            run(policy, jobs=jobs, in_process=in_process, output=output, **how)
            assert results(Path(output)) == results(Path("typed"))
    recorded = json.loads(Path("1-1-False/run.json").read_text())["policy"]
    assert (recorded["class"], recorded["file"]) == ("Half", "Half.py")
    (tmp := Path("written")).mkdir()
    (tmp / "Half.py").write_text(recorded["source"])
    assert call(capsys, "run", "written/Half.py", *arguments[:-1], "copy")[0] == 0
    assert results(Path("copy")) == results(Path("typed"))


def test_lists_of_values_make_a_sweep_in_grid_order(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ("-p", "window=2,3", "-p", "budget_=1", "-n", "3")
    assert call(capsys, "run", "esc", *typed)[0] == 2
    assert call(capsys, "run", "esc", "-p", "window=2,3", "-n", "3", "-o", "typed")[0] == 0
    made = run("esc", window=[2, 3], budget=3, output="made")
    assert isinstance(made, Runs)
    assert [each.parameters["window"] for each in made] == [2, 3]
    assert [each.path for each in made] == [Path("made/window=2"), Path("made/window=3")]
    for each in made:
        assert results(each.path) == results(Path("typed") / each.path.name)
    added = run("esc", window=range(2, 5), budget=3, output="made", resume=True)
    assert isinstance(added, Runs)
    assert len(added) == 3


def test_a_list_of_budgets_makes_a_sweep_too(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ("-n", "2,3", "-p", "window=1,2", "-o", "typed")
    assert call(capsys, "run", "esc", *typed)[0] == 0
    made = run("esc", window=[1, 2], budget=range(2, 4), output="made")
    assert isinstance(made, Runs)
    assert [each.path.name for each in made] == [
        f"window={window},n={n}" for window in (1, 2) for n in (2, 3)
    ]
    for each in made:
        assert results(each.path) == results(Path("typed") / each.path.name)
    figures = made.summary()
    assert figures.index.names == ["window", "budget", "pool", "metric"]
    assert figures.index.is_unique
    names = run("cons@{2,3}", output="names")
    assert isinstance(names, Runs)
    assert [each.policy for each in names] == ["cons@2", "cons@3"]
    assert names.summary().index.names == ["budget", "pool", "metric"]


def test_a_rule_that_never_halted_a_trace_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    write_pool(Path("cache"), {"p": [T(20, "1", {10: "1"})] * 3}, benchmark="probed")
    run("sac", "*probed", repeats=1, budget=3)
    said = "ProbesAgree never halted a trace of test/model/probed (mean length 20 tokens)\n"
    assert capsys.readouterr().err == said


def test_pools_are_named_globbed_or_opened() -> None:
    write_pool(Path("cache"), {"p": [T(5, "1")] * 3}, benchmark="other")
    for pools in ("*tiny", ["test/model/tiny"], open_pool("*tiny")):
        made = run("cons@2", pools, repeats=1)
        assert isinstance(made, Run)
        assert [each.pool for each in made.results] == ["test/model/tiny"]
    made = run("cons@2", repeats=1, cache="cache")
    assert isinstance(made, Run)
    assert len(made.results) == 2


@pytest.mark.parametrize(
    ("policy", "arguments", "said"),
    [
        ("con@64", {}, "did you mean cons@64"),
        ("esc", {"windows": 3}, "did you mean window?"),
        ("esc", {"window": 2.5}, "expected int"),
        ("esc", {"window": None}, "window=None: give a number, a text, True or False"),
        ("esc", {"window": []}, "no values"),
        ("esc", {"window": [2, 2]}, "give each value once"),
        ("esc", {"repeats": 0}, "repeats=0: give a whole number of at least 1"),
        ("esc", {"budget": [2, 2]}, "budget=[2, 2]: give at least one, and each value once"),
        ("esc", {"budget": []}, "budget=[]: give at least one"),
        ("esc", {"budget": [2, "3"]}, "budget='3': give a whole number of at least 1"),
        ("esc", {"budget": 2.0}, "budget=2.0: give a whole number"),
        ("esc", {"jobs": True}, "jobs=True"),
        ("esc", {"pools": []}, "give names of pools"),
        ("esc", {"pools": "nothing"}, "no pool 'nothing'"),
        (Policy(), {}, "is no policy; give a built-in name, a file or a class"),
    ],
)
def test_wrong_arguments_are_one_line(policy: Any, arguments: Any, said: str) -> None:
    with pytest.raises(UserError) as error:
        run(policy, **arguments)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value._render_traceback_() == [f"error: {error.value}"]


def test_a_class_within_a_function_brings_what_it_uses() -> None:
    share, votes = 0.5, majority_vote

    class Local(Policy):
        def solve(self, problem: Any, sampler: Any) -> Any:
            number = max(1, int(share * sampler.budget))
            return votes(sampler.decode(sampler.start(number)))

    class Fewer(Local):
        """The same; it has no method of its own."""

        budget = 2

    for policy, tokens in ((Local, 25), (Fewer, 25)):
        made = run(policy, "*tiny", repeats=24, budget=3)
        assert isinstance(made, Run)
        assert made.results[0].value("tokens_per_problem") == pytest.approx(tokens, rel=0.2)


CELLS = (
    "from __future__ import annotations\n"
    "from dataclasses import dataclass\nfrom typing import NamedTuple\n"
    "import numpy as np\nfrom deepprune_sim import Policy as Base, majority_vote\n"
    "PRIOR = {'least': (1, 2.5)}\ntraces = object()\n",
    "@dataclass\nclass State:\n    number: int = 0\n\n\n"
    "class Pair(NamedTuple):\n    first: int\n    second: int = 2\n",
    "def at_least(number: Number) -> int:\n    return max(PRIOR['least'][0], int(number))\n\n\n"
    "class Most(Base):\n    factor = 1.0\n\n"
    "    @staticmethod\n    def shrink(number):\n        return at_least(np.floor(number))\n\n"
    "    def solve(self, problem, sampler):\n"
    "        state = State(self.shrink(self.factor * sampler.budget))\n"
    "        traces = sampler.start(Pair(state.number).first)\n"
    "        return majority_vote(sampler.decode(traces))\n",
    "class Few(Most):\n    factor = 0.5\n",
)


def test_a_class_brings_dataclasses_functions_constants_and_bases_of_other_cells(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local variable named like an object of the notebook is no use of that object."""
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)  # dataclasses look there
    executed(CELLS[0], 10, main)
    for number, cell in enumerate(CELLS[1:], 11):
        future = "from __future__ import annotations\n" if "Number" in cell else ""
        executed(future + cell, number, main)
    made = run(main.Few, budget=3, repeats=2, output="made")
    assert isinstance(made, Run)
    assert made.answers()["tokens"].between(10, 40).all()  # one trace of three
    source = json.loads(Path("made/run.json").read_text())["policy"]["source"]
    assert source.startswith("from __future__ import annotations\n")
    assert "from deepprune_sim import Policy as Base\n" in source
    assert "traces = " not in source.partition("class Few")[0].replace("        traces = ", "")
    (folder := Path("copied")).mkdir()
    (folder / "Few.py").write_text(source)
    typed = ("run", "copied/Few.py@Few", "-n", "3", "--repeats", "2", "-o", "typed")
    assert call(capsys, *typed)[0] == 0
    assert results(Path("typed")) == results(Path("made"))


def test_what_the_source_cannot_hold_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    cell = FILE.replace("SHARE = 0.5", "SHARE = WEIGHTS[0]").replace("SHARE *", "WEIGHTS[0] *")
    main = ModuleType("__main__")
    vars(main)["WEIGHTS"] = np.array([0.5, 1.0])
    executed(cell, 2, main)
    monkeypatch.setitem(sys.modules, "__main__", main)
    with pytest.raises(UserError, match="Half uses WEIGHTS, of type ndarray, which its source"):
        run(main.Half)
    linecache.cache.pop("/tmp/ipykernel_1/2.py")
    with pytest.raises(UserError, match="Half: its source is not known; write the policy to a"):
        run(main.Half)
