"""Damaged files of a tuning: one line that names the file, never a traceback."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pools import T, write_pool

from simulator.api.tuned import tune
from simulator.errors import UserError
from simulator.studies.record import read_result
from simulator.studies.tuned import tables


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a tuning, whose default is a run of its own, beside its pools."""
    rng = random.Random(3)
    folder = tmp_path_factory.mktemp("record")
    problems = {
        f"{number:02d}": [T(rng.randint(5, 90), str(rng.randint(1, 2))) for _ in range(6)]
        for number in range(14)
    }
    write_pool(folder / "cache", problems, benchmark="one")
    tuned(folder / "made", folder / "cache", resume=False)
    return folder / "made"


def tuned(output: Path, cache: Path, resume: bool = True) -> None:
    on: Any = {"tune_on": "*/one", "tune_problems": "range:1-7", "repeats": 2, "budget": 6}
    tune("esc", window=[2, 3], output=output, cache=cache, resume=resume, **on)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "t"))


OTHERS: tuple[Any, ...] = (None, 7, "x", [], {}, [5], {"x": 1})


def damaged(value: Any) -> Iterator[Any]:
    """Yield copies of a JSON value with one part gone or of another type, however deep."""
    yield from (each for each in OTHERS if type(each) is not type(value) or each != value)
    keys: Sequence[Any] = ()
    if isinstance(value, dict | list):
        keys = [*value] if isinstance(value, dict) else range(len(value))
    for key in keys:
        for part in damaged(value[key]):
            one = copy.copy(value)
            one[key] = part
            yield one
        one = copy.copy(value)
        del one[key]
        yield one


def test_a_result_with_any_damaged_field_is_shown_or_refused_in_one_line(folder: Path) -> None:
    file = folder / "result.json"
    whole = json.loads(file.read_text())
    refused = []
    for each in damaged(whole):
        file.write_text(json.dumps(each))
        try:
            assert tables(read_result(folder))
        except UserError as error:
            refused.append(str(error))
    named = (f"{file}: ", f"{folder / 'choice.json'}: ")
    assert all(each.startswith(named) and "\n" not in each for each in refused)
    assert len(refused) > 500


def test_a_choice_with_any_damaged_field_is_refused_in_one_line(folder: Path, made: Path) -> None:
    (folder / "result.json").unlink()
    file = folder / "choice.json"
    whole = json.loads(file.read_text())
    for key in whole:
        for each in [{name: whole[name] for name in whole if name != key}] + [
            whole | {key: other} for other in OTHERS
        ]:
            file.write_text(json.dumps(each))
            with pytest.raises(UserError) as raised:  # at the latest as its test names another
                tuned(folder, made.parent / "cache")
            assert str(raised.value).startswith(str(folder))
    whole["chosen"]["run"] = "tune/window=9"
    file.write_text(json.dumps(whole))
    with pytest.raises(UserError, match=r"choice.json: 'chosen' is missing or has the wrong type"):
        tuned(folder, made.parent / "cache")


@pytest.mark.parametrize("run", ["tune", "default-tune", "test", "default-test"])
@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "sweep": ['])
def test_a_damaged_run_is_named_with_the_folder_to_remove(
    folder: Path, made: Path, run: str, text: str
) -> None:
    (folder / "result.json").unlink()
    file = folder / run / ("sweep.json" if run == "tune" else "run.json")
    file.write_text(text)
    said = f"{file}: damaged, or not of this tuning; remove {folder / run} to make it again"
    with pytest.raises(UserError) as raised:
        tuned(folder, made.parent / "cache")
    assert str(raised.value) == said
    shutil.rmtree(folder / run)
    tuned(folder, made.parent / "cache")  # what is made again is the same
    assert (folder / "result.json").read_bytes() == (made / "result.json").read_bytes()
