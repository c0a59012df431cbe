"""The wheel, installed in another folder: it runs, and a policy may read its code and no more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest
from checkout import ROOT

PARTS = ("deepprune_sim", "simulator", "judges", "leaderboard_app")

SPY = """
import sys
from pathlib import Path
import deepprune_sim
from deepprune_sim import *

class Spy(Policy):
    def solve(self, problem, sampler):
        import simulator
        for package in (simulator.PACKAGE, deepprune_sim.__path__[0]):
            for file in Path(package).rglob("*"):
                assert not file.is_file() or file.read_bytes() is not None
        refused = []
        for hidden in {hidden!r}:
            try:
                Path(hidden).read_bytes()
            except OSError as error:
                refused.append(type(error).__name__)
        heavy = ("simulator.pools", "simulator.replay", "pyarrow", "pandas")
        loaded = [name for name in sys.modules if name.startswith(heavy)]
        told = (Path(simulator.PACKAGE).parent, sorted({{*refused}}), len(refused), loaded)
        raise RuntimeError(" ".join(map(str, told)))
"""

STRICT = """
import sys
from pathlib import Path
from simulator.isolation.host import layers, load
from simulator.loading import Strict
from simulator.pools.pool import Pool
from simulator.replay.replaying import replay
from simulator.replay.serving import Serving
loaded = load("spy.py", strict=Strict())
print(*layers(loaded), file=sys.stderr)
problem = Pool(Path(sys.argv[1])).problems[0]
replay(loaded, problem, budget=1, repeats=range(1), seed=0, serving=Serving())
"""


PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def built(copy: Path, compiler: str | None = None) -> Path:
    """Copy the project to a folder and build its wheel there, if need be by another compiler."""
    for name in (*PARTS, "datasets_cache", "pyproject.toml", "setup.py", "README.md", "LICENSE"):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy)
    build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", "dist", ".")
    environment = {**os.environ, **({"CC": compiler} if compiler else {})}
    subprocess.run([*PIP, *build], cwd=copy, check=True, env=environment)
    (wheel,) = (copy / "dist").glob("*.whl")
    return wheel


def compiled_in(wheel: Path) -> list[str]:
    """Return the folders of the compiled files in a wheel."""
    with ZipFile(wheel) as archive:
        files = map(Path, archive.namelist())
        return [file.parent.as_posix() for file in files if file.suffix in (".so", ".pyd")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment with the wheel and this one's other packages."""
    there = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", there], check=True)
    interpreter = there / "bin" / "python"
    install = ("--python", interpreter, "install", "--no-deps", "--no-index", "--force-reinstall")
    subprocess.run([*PIP, *install, wheel], check=True)
    folders = [each for each in sys.path if each.endswith("/site-packages")]
    here = there / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    (here / "others.pth").write_text("\n".join(folders))
    return interpreter


def ended(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEEPPRUNE_SIM_CACHE": str(folder / "pools")}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        [str(python), "-P", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_installed_command_runs_a_policy_apart_from_the_machine(
    python: Path, tmp_path: Path
) -> None:
    command = str(python.with_name("deepprune-sim"))
    shutil.copy(ROOT / "docs" / "examples" / "short_m.py", tmp_path)
    run = ended(python, tmp_path, command, "run", "short_m.py", "-n", "16", "--repeats", "2")
    assert run.returncode == 0, run.stderr
    assert run.stderr.startswith("no recorded pool in ")
    (pool,) = (file.parent for file in (tmp_path / "pools").glob("shipped/*/*/pool.json"))
    installed = python.parent.parent.resolve()
    (original,) = installed.glob("share/deepprune-sim/shipped/*/*/traces.parquet")
    hidden = [str(original), str(pool / "traces.parquet")]
    assert original.read_bytes() == (pool / "traces.parquet").read_bytes()
    (tmp_path / "spy.py").write_text(SPY.format(hidden=hidden))
    spied = ended(python, tmp_path, command, "run", "spy.py", "-n", "1", "--repeats", "1")
    assert spied.returncode == 2
    assert str(installed) in spied.stderr
    if "Error'] 2 []" in spied.stderr:  # this kernel has Landlock
        assert "['PermissionError'] 2 []" in spied.stderr
    (tmp_path / "strict.py").write_text(STRICT)
    strict = ended(python, tmp_path, "strict.py", str(pool))
    if "bubblewrap" in strict.stderr:
        assert "['FileNotFoundError'] 2 []" in strict.stderr
    assert str(installed) in strict.stderr or "NoSandbox" in strict.stderr


def test_a_wheel_has_compiled_code_only_if_there_is_a_compiler(
    wheel: Path, python: Path, tmp_path: Path
) -> None:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        pytest.skip("no compiler here")
    loads = "from simulator.rules.compiled import *; print([bool(compiled(m)) for m in MODULES])"
    assert ended(python, tmp_path, "-c", loads).stdout == "[True, True]\n"
    assert compiled_in(wheel) == ["simulator/replay/clusters", "simulator/rules"]
    assert compiled_in(built(tmp_path, compiler=shutil.which("false"))) == []


def test_the_wheel_may_be_uploaded_to_a_package_index(wheel: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "PASSED" in done.stdout
