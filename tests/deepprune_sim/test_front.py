"""`deepprune_sim`: the names it exports, what loading it loads, and foreign packages."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from checkout import ROOT

import deepprune_sim
import simulator
from deepprune_sim.cli import PACKAGES
from simulator.rules.compiled import COMPILED_VARIABLE, MODULES, compiled

API = {"UserError", "__version__", "compare", "open_pool", "pools", "read_run", "run", "tune"}
HEAVY = ("simulator.pools", "simulator.replay", "simulator.isolation", "pandas", "pyarrow", "click")


COMMAND = "import sys; sys.argv.append('--version'); from deepprune_sim.cli import main; main()"


def python(code: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run code where the modules of `folder` come first."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_exports_the_names_of_a_policy_and_the_api() -> None:
    assert set(deepprune_sim.__all__) == {*simulator.__all__, *API}
    assert all(
        getattr(deepprune_sim, name) is getattr(simulator, name) for name in simulator.__all__
    )
    assert deepprune_sim.__version__ == version("deepprune-sim")
    with pytest.raises(AttributeError, match="no attribute 'sampler'"):
        _ = deepprune_sim.sampler


def test_importing_it_loads_nothing_and_all_its_names_neither_pools_nor_engine() -> None:
    code = "import sys; from deepprune_sim import *; print(*sys.modules)"
    loaded = python(code).stdout.split()
    assert "simulator.policy.sampler" in loaded
    assert [name for name in loaded if name.startswith(HEAVY)] == []
    loaded = python("import sys; import deepprune_sim; print(*sys.modules)").stdout.split()
    assert [name for name in loaded if name.startswith("simulator")] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_a_foreign_package_of_our_names_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not ours')")
    ended = python(COMMAND, tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: {tmp_path / name}: another package named {name}, ")
    assert ended.stderr.count("\n") == 1
    assert "environment of its own (pipx, uv tool or python -m venv)" in ended.stderr


def test_a_foreign_module_and_a_namespace_are_named_too(tmp_path: Path) -> None:
    (tmp_path / "judges").mkdir()  # without __init__.py, and so after ours on the search path
    assert python(COMMAND, tmp_path).returncode == 0
    (tmp_path / "simulator.py").write_text("")
    ended = python("import deepprune_sim; deepprune_sim.Policy", tmp_path)
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {tmp_path / 'simulator.py'}: another package named")


@pytest.mark.parametrize("start", ["-mdeepprune_sim", "-msimulator.cli"])
def test_the_command_starts_in_either_place(start: str) -> None:
    ended = subprocess.run(
        [sys.executable, start, "--version"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    code = "compiled code" if all(map(compiled, MODULES)) else "numpy instead of compiled code"
    assert ended.stdout == f"deepprune-sim {version('deepprune-sim')}, with {code}\n"


def test_compiled_code_is_left_alone_if_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(COMPILED_VARIABLE, "0")
    ended = python(COMMAND)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith(", with numpy instead of compiled code\n")
