from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from judged_pools import make_pool

from judges.evaluation.evaluate import FORMATS, Row, compare, score_pairs
from judges.evaluation.plots import calibration_plot, roc_plot
from judges.kinds.oracle import OracleJudge
from judges.pairs.pair_sets import PairSet, make_pairs
from judges.prefixes import Truncation
from judges.protocol import Floats, Identity, Ints, QuestionTokens, Reads
from simulator.errors import UserError

CUT = Truncation("tokens", 2)


class TableJudge:
    """Gives pairs of traces the scores of a table: (model, problem, trace, trace) to score."""

    parameters = None
    reads: Reads = "prefixes"
    template_tokens = 0
    tail_tokens = 0
    unranked = False

    def __init__(self, scores: dict[tuple[str, str, int, int], float]) -> None:
        self.scores = scores
        self.identity = Identity("table", truncation=CUT)

    def score(self, prefixes: Sequence[str], pairs: Ints, question: str | None = None) -> Floats:
        names = [prefix[1 : prefix.index(">")].split(".") for prefix in prefixes]
        return np.array(
            [
                self.scores[names[a][0], names[a][1], int(names[a][2]), int(names[b][2])]
                for a, b in pairs.tolist()
            ]
        )

    def prefix_tokens(self, prefixes: Sequence[str]) -> Ints:
        return np.zeros(len(prefixes), dtype=np.int64)

    def question_tokens(self, question: str | None) -> QuestionTokens:
        return QuestionTokens()


SCORES = {
    ("a", "p", 0, 1): 0.9,  # same
    ("a", "p", 0, 2): 0.1,
    ("a", "p", 1, 2): 0.2,
    ("a", "q", 0, 1): 0.7,
    ("b", "p", 0, 1): 0.3,
    ("b", "q", 0, 1): 0.6,  # same
}


@pytest.fixture
def pair_set(tmp_path: Path) -> PairSet:
    one, two = ("1", "stop"), ("2", "stop")
    pools = [
        make_pool(tmp_path, "a", {"p": [one, one, two], "q": [one, two]}),
        make_pool(tmp_path, "b", {"p": [one, two], "q": [two, two]}),
    ]
    return make_pairs(pools, tmp_path / "set", [CUT, Truncation("tokens", 4)], test_share=1.0)


def test_figures_by_hand_per_model_and_pooled(pair_set: PairSet) -> None:
    pooled, a, b = compare([score_pairs(pair_set, TableJudge(SCORES), "table")])
    assert [row.model for row in (pooled, a, b)] == ["all models", "a", "b"]
    assert [row.quality.pairs for row in (pooled, a, b)] == [6, 4, 2]
    assert [row.quality.problems for row in (pooled, a, b)] == [2, 2, 2]
    # Pooled: same .9 and .6 against .1, .2, .7, .3: wins 4 and 3 of 4.
    aurocs = [row.quality.auroc.value for row in (pooled, a, b) if row.quality.auroc]
    assert aurocs == pytest.approx([7 / 8, 1.0, 1.0])
    # Only problem p of model a has both labels.
    assert pooled.quality.within is not None
    assert pooled.quality.within.value == 1.0
    assert b.quality.within is None
    assert pooled.unfinished == 1.0
    assert pooled.quality.same == pytest.approx(2 / 6)


def test_whole_traces_can_be_left_out(pair_set: PairSet) -> None:
    judge = TableJudge(SCORES)
    judge.identity = replace(judge.identity, truncation=Truncation("tokens", 4))
    assert not score_pairs(pair_set, judge, "table").unfinished.any()
    with pytest.raises(UserError, match="no such pairs on the test side"):
        score_pairs(pair_set, judge, "table", unfinished_only=True)
    with pytest.raises(UserError, match="no such pairs on the train side"):
        score_pairs(pair_set, judge, "table", split="train")


def test_pairs_without_a_whole_trace_get_a_row_of_their_own(pair_set: PairSet) -> None:
    scored = score_pairs(pair_set, TableJudge(SCORES), "table")
    pairs = list(zip(scored.model.tolist(), scored.problem.tolist(), strict=True))
    unfinished = np.array([pair == (0, 0) for pair in pairs])  # the three pairs of a, p
    rows = compare([replace(scored, unfinished=unfinished)])
    assert [(row.model, row.quality.pairs, row.unfinished) for row in rows] == [
        ("all models", 6, 0.5),
        ("all models, unfinished", 3, 1.0),
        ("a", 4, 0.75),
        ("a, unfinished", 3, 1.0),
        ("b", 2, 0.0),
    ]
    assert rows[1].quality.auroc is not None
    assert rows[1].quality.auroc.value == 1.0  # .9 against .1 and .2


def test_judges_that_read_no_text_are_refused(pair_set: PairSet) -> None:
    with pytest.raises(UserError, match="reads stored answers instead of text"):
        score_pairs(pair_set, OracleJudge(), "oracle")


@pytest.fixture
def rows(pair_set: PairSet) -> list[Row]:
    return compare([score_pairs(pair_set, TableJudge(SCORES), "a_judge|50%")])


def test_every_format_holds_every_row(rows: list[Row]) -> None:
    document = json.loads(FORMATS["json"](rows))
    assert [row["model"] for row in document["rows"]] == ["all models", "a", "b"]
    assert document["rows"][0]["auroc"]["value"] == pytest.approx(7 / 8)
    assert document["rows"][2]["within"] is None
    read = list(csv.DictReader(io.StringIO(FORMATS["csv"](rows))))
    assert [row["model"] for row in read] == ["all models", "a", "b"]
    assert [float(read[0]["auroc"]), read[2]["within"]] == [pytest.approx(7 / 8), ""]
    assert float(read[0]["auroc_low"]) == document["rows"][0]["auroc"]["low"]
    markdown = [line for line in FORMATS["markdown"](rows).splitlines() if line.startswith("|")]
    assert len(markdown) == 5
    assert all(line.replace("\\|", "").count("|") == 12 for line in markdown)
    latex = FORMATS["latex"](rows)
    assert latex.count(r"a\_judge") == latex.count(r"50\% &") == 3
    assert "one label" in latex


def test_plots_are_pictures(pair_set: PairSet) -> None:
    scored = [score_pairs(pair_set, TableJudge(SCORES), "table")]
    for plot in (roc_plot, calibration_plot):
        svg = plot(scored, compare(scored), "svg")
        assert svg.startswith(b"<svg")
        assert b"table, tokens=2" in svg
        assert plot(scored, compare(scored), "png").startswith(b"\x89PNG")
