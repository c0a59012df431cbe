"""Which warnings are errors in the tests: those attributed to our own modules."""

from __future__ import annotations

import re

import pytest
from checkout import ROOT


def test_warnings_of_our_own_modules_are_errors_and_of_others_are_not(
    pytestconfig: pytest.Config,
) -> None:
    fields = [line.split(":") for line in pytestconfig.getini("filterwarnings")]
    patterns = [each[3] for each in fields if each[0] == "error" and len(each) > 3]

    def is_ours(module: str) -> bool:
        return any(re.match(pattern, module) for pattern in patterns)

    names = ["__main__", "deepprune_sim.api"]
    for package in ("simulator", "judges", "leaderboard_app", "benchmarks"):
        files = [file.relative_to(ROOT) for file in (ROOT / package).rglob("*.py")]
        names += [".".join(file.with_suffix("").parts) for file in files]
    for file in (ROOT / "tests").rglob("*.py"):  # helpers are found by their names alone
        path = file.relative_to(ROOT).with_suffix("")
        names.append(path.name if path.parent.name == "helpers" else ".".join(path.parts))
    assert len(names) > 200
    assert [name for name in names if not is_ours(name)] == []
    others = ["transformers.utils", "torch.nn.modules.module", "simulators", "pooling", "x.judges"]
    assert [name for name in others if is_ours(name)] == []
