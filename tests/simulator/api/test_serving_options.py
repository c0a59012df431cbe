"""Serving models from options and files, and as runs record them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.api.serving_options import chosen_serving
from simulator.errors import UserError
from simulator.replay.serving import Serving
from simulator.runs.results import serving_options

PROFILE = {
    "format": 1,
    "serving": {
        "concurrency": 32,
        "step_seconds": [[1, 0.05], [32, 0.08]],
        "kv_seconds": 1e-6,
        "prefill_seconds": 0.001,
        "prompt_tokens": 100,
        "probe_steps": 12,
    },
}


def profile(folder: Path, **changed: Any) -> str:
    file = folder / "engine.json"
    serving = {**PROFILE["serving"], **changed}  # type: ignore[dict-item]
    file.write_text(json.dumps({"format": 1, "serving": serving}), encoding="utf-8")
    return str(file)


def test_a_profile_and_what_overrides_it(tmp_path: Path) -> None:
    file = profile(tmp_path)
    usual = Serving(
        *(32, ((1, 0.05), (32, 0.08)), 1e-6, 0.001, 100), kv_tokens=None, probe_steps=12
    )
    assert chosen_serving([file]) == usual
    changed = chosen_serving([file, "kv_tokens=5000, prefix_cache=false"], 8, "0.1")
    assert changed == Serving(8, ((1, 0.1),), 1e-6, 0.001, 100, 5000, False, 12)
    assert chosen_serving([]) == Serving()
    assert chosen_serving(["kv_tokens=9"]) == Serving(kv_tokens=9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("none.json", "--serving none.json: no such file; `deepprune-sim live --profile` makes"),
        ("speed=3", "--serving speed: use one of kv_seconds, prefill_seconds, prompt_tokens"),
        ("kv_tokens=many", "--serving kv_tokens=many: give a whole number"),
        ("kv_tokens=0", "--serving kv_tokens=0: give a whole number"),
        ("prefix_cache=1", "--serving prefix_cache=1: give true or false"),
        ("kv_seconds=NaN", "--serving kv_seconds=NaN: give seconds"),
        ("kv_seconds=-0.5", "--serving: seconds below 0"),
        ("kv_seconds=1", "--serving: kv_seconds and prefill_seconds need step_seconds"),
    ],
)
def test_settings_that_make_no_sense_are_refused(text: str, said: str) -> None:
    with pytest.raises(UserError) as told:
        chosen_serving([text])
    assert str(told.value).startswith(said)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "changed",
    [{"step_seconds": [[1]]}, {"step_seconds": None}, {"kv_tokens": "x"}, {"concurrency": 0}],
)
def test_a_damaged_profile_is_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError):
        chosen_serving([profile(tmp_path, **changed)])


def test_a_recorded_model_becomes_the_options_that_make_it() -> None:
    made = Serving(8, ((1, 0.05), (8, 0.06)), 1e-6, 0.002, 90, 4000, False, 7)
    recorded = {"concurrency": 8, "step_seconds": [[1, 0.05], [8, 0.06]], **made.parts}
    words = serving_options(recorded)
    options = dict(zip(words[::2], words[1::2], strict=True))
    again = chosen_serving(
        [options["--serving"]], int(options["--concurrency"]), options["--step-seconds"]
    )
    assert again == made
    assert Serving(8, ((1, 0.5),)).parts == {}
