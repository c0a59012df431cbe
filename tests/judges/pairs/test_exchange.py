"""Pairs as JSON lines: the form that other programs for training read, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from judged_pools import make_pool

from judges.kinds.prompting import Template
from judges.pairs.exchange import as_lines, read_pairs
from judges.pairs.pair_sets import PairSet, make_pairs
from judges.prefixes import Truncation
from simulator.cli import main
from simulator.errors import UserError

CUT = Truncation("tokens", 2)


@pytest.fixture
def pairs(tmp_path: Path) -> PairSet:
    """Make pairs of problems p (to train on) and q, three traces each, the first two agree."""
    traces = [("1", "stop"), ("1", "stop"), ("2", "stop")]
    pool = make_pool(tmp_path, "m", {"p": traces, "q": traces})
    return make_pairs([pool], tmp_path / "set", [CUT], test_share=0.5)


def test_conversations_by_hand(pairs: PairSet) -> None:
    template = Template(
        "About {question} {trace_a} or {trace_b}?", same="Same", different="Other", system="Judge."
    )
    (group,) = pairs.groups("train", CUT)
    name = group.problem_id
    lines = [*as_lines(pairs, ["train"], CUT, template)]
    first = {
        "messages": [
            {"role": "system", "content": "Judge."},
            {
                "role": "user",
                "content": f"About Which {name}? <m.{name}.0><m.{name}.0> or "
                f"<m.{name}.1><m.{name}.1>?",
            },
            {"role": "assistant", "content": "Same"},
        ]
    }
    assert json.loads(lines[0]) == first
    labels = [json.loads(line)["messages"][-1]["content"] for line in lines]
    assert labels == ["Same", "Other", "Other"]
    plain = [*as_lines(pairs, ["train"], CUT, Template("{trace_a}|{trace_b}"))]
    assert [each["role"] for each in json.loads(plain[0])["messages"]] == ["user", "assistant"]


def test_a_trace_that_spells_a_field_stays_as_it_is() -> None:
    template = Template("{question}: {trace_a} | {trace_b}")
    assert template.filled("{trace_b}", "{question}", "{trace_a}") == (
        "{trace_a}: {trace_b} | {question}"
    )


def test_pairs_come_back_as_they_went(pairs: PairSet, tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(as_lines(pairs, ["train", "test"], CUT, None)), encoding="utf-8")
    back = read_pairs(file, tmp_path / "back", CUT, test_share=0.0)
    for side in ("train", "test"):
        (before,), (after,) = pairs.groups(side, CUT), back.groups(side, CUT)
        for name in ("pool", "model", "problem", "problem_id", "prefixes", "question"):
            assert getattr(after, name) == getattr(before, name)
        for name in ("whole", "pairs", "same"):
            assert getattr(after, name).tolist() == getattr(before, name).tolist()
    (counts,) = back.info["pools"].values()
    assert (counts["train_pairs"], counts["train_same"], counts["test_pairs"]) == (3, 1, 3)


def write(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def row(a: str, b: str, same: Any, problem: str = "p", **more: Any) -> dict[str, Any]:
    return {"problem": problem, "trace_a": a, "trace_b": b, "same": same, **more}


def test_pairs_of_ones_own_need_four_fields(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        row("x", "y", True),
        row("z", "x", 0),
        row("x", "x", True),  # another trace with the same text
        row("x\u2028", "y", False, "q"),  # a line separator within a text
    )
    made = read_pairs(file, tmp_path / "set", CUT, test_share=0.0)
    first, second = made.groups("train", CUT)
    assert first.prefixes == ["x", "y", "z", "x"]
    assert first.pairs.tolist() == [[0, 1], [0, 2], [0, 3]]
    assert first.same.tolist() == [True, False, True]
    assert (first.pool, first.model, first.question) == ("mine/mine", "mine", "")
    assert second.prefixes == ["x\u2028", "y"]
    assert made.choose(None) == CUT


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"problem": "p"}], "line 1: trace_a is missing or no text"),
        ([{"messages": []}], "export with --format pairs"),
        ([row("x", "y", "Yes")], 'line 1: same is "Yes"; give true or false'),
        ([row("x", "y", True), row("y", "x", False)], "line 2: the same pair has the other label"),
        ([row("x", "y", True, split="dev")], 'split is "dev"; give train or test'),
        ([row("x", "y", True, split="test"), row("x", "y", True, "q")], "some lines have a split"),
        (
            [
                row("x", "y", True, split="test", problem_id="a"),
                row("x", "y", True, split="train", problem_id="b"),
            ],
            "problem p is on both sides",
        ),
        ([row("x", "y", True, id_a=1, id_b=1)], "trace 1 has another text"),
        ([row("x", "x", True, id_a=1, id_b=1)], "are the same trace"),
        ([row("x", "y", True, id_a=-1)], "id_a is -1; give a whole number from 0"),
        ([], "no pairs; give a line for each"),
    ],
)
def test_lines_that_are_no_pairs_are_told(
    tmp_path: Path, rows: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(UserError) as error:
        read_pairs(write(tmp_path, *rows), tmp_path / "set", CUT, test_share=0.0)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "set").exists()


def test_both_commands(pairs: PairSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.jsonl"
    for arguments in (
        ["export", str(pairs.folder), "-o", str(out), "--format", "pairs", "--split", "all"],
        ["import", str(out), "-o", str(tmp_path / "again"), "-t", "tokens=2"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(["judge", *arguments])
        assert ended.value.code in (0, None)
    said = capsys.readouterr()
    assert f"wrote 6 pairs to {out}" in said.err
    assert "3 train pairs, 3 test pairs" in said.out
    (group,) = PairSet(tmp_path / "again").groups("train", CUT)
    assert group.model == "m"
