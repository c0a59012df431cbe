"""Running all benchmarks: what counts as a ratio, as a regression, and as recorded."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def everything() -> ModuleType:
    spec = importlib.util.spec_from_file_location("all_benchmarks", BENCHMARKS / "all.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(
    folder: Path, everything: ModuleType, monkeypatch: pytest.MonkeyPatch, **value: str
) -> Path:
    """Make benchmarks that print a ratio or raise an error, all recorded at 0.6."""
    text = ""
    for name, printed in value.items():
        body = f"print('ratio {name} {printed}')" if printed else "raise SystemExit('broken')"
        (folder / f"{name}.py").write_text(body)
        text += f'[[benchmark]]\ncommand = "{name}.py"\nratios = {{ {name} = 0.6 }}\n'
    figures = folder / "figures.toml"
    figures.write_text(text)
    monkeypatch.setattr(everything, "HERE", folder)
    monkeypatch.setattr(everything, "FIGURES", figures)
    monkeypatch.setattr("sys.argv", ["all.py"])
    return figures


def test_ratios_are_whole_lines_of_three_words(everything: ModuleType) -> None:
    output = "times 3\nratio one 0.5\nratio: 1.2\n the ratio two 3\nratio growth-N 2.10\n"
    assert everything.ratios_in(output) == {"one": 0.5, "growth-N": 2.1}


def test_more_than_a_third_above_the_figure_is_a_regression(
    everything: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made(tmp_path, everything, monkeypatch, at="0.79", below="0.1")
    with pytest.raises(SystemExit) as well:
        everything.main()
    assert not well.value.code
    assert "REGRESSION" not in capsys.readouterr().out
    made(tmp_path, everything, monkeypatch, at="0.79", above="0.81")
    with pytest.raises(SystemExit) as worse:
        everything.main()
    assert worse.value.code == 1
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "REGRESSION" in each]
    assert line.startswith("| above | 0.6 | 0.81 |")


def test_a_benchmark_that_fails_is_named_with_its_message(
    everything: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made(tmp_path, everything, monkeypatch, dead="")
    with pytest.raises(SystemExit) as failed:
        everything.main()
    said = capsys.readouterr()
    assert failed.value.code == 1
    assert "missing" in said.out
    assert "dead.py failed:\nbroken" in said.err


def test_write_records_what_was_measured_and_nothing_else(
    everything: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = made(tmp_path, everything, monkeypatch, one="0.25", two="0.9")
    monkeypatch.setattr("sys.argv", ["all.py", "--write", "one"])
    with pytest.raises(SystemExit):
        everything.main()
    recorded = tomllib.loads(figures.read_text())["benchmark"]
    assert [each["ratios"] for each in recorded] == [{"one": 0.25}, {"two": 0.6}]


def test_every_recorded_command_is_a_script_of_ours_that_prints_its_ratios() -> None:
    recorded = tomllib.loads((BENCHMARKS / "figures.toml").read_text())["benchmark"]
    for each in recorded:
        script = (BENCHMARKS / each["command"].split()[0]).read_text()
        for name in each["ratios"]:
            made_up = any(f"ratio {name[:end]}{{" in script for end in range(1, len(name)))
            assert f"ratio {name} " in script or made_up or f'"{name}"' in script
