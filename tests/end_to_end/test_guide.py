"""The guides: every block is run, in order, in one empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import ROOT
from guides import BLOCK, run_console

DOCS = ROOT / "docs"
GUIDES = (
    *("writing-a-policy.md", "your-own-traces.md", "checking-answers.md"),
    *("submitting.md", "keeping-a-board.md", "tuning.md", "hosting.md"),
)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_block_of_a_guide_does_what_it_says(guide: str, tmp_path: Path) -> None:
    blocks = BLOCK.findall((DOCS / guide).read_text(encoding="utf-8"))
    assert {language for language, _ in blocks} <= {"python", "toml", "console"}
    assert any(language == "console" for language, _ in blocks)
    for language, block in blocks:
        if language == "console":
            run_console(block, tmp_path)
            continue
        name = re.match(r"# (\w+\.(?:py|toml))\n", block)
        assert name, "a block that is no command begins with the name of its file"
        (tmp_path / name[1]).write_text(block, encoding="utf-8")
