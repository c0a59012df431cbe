"""SCOUT files become pools of exact lengths, answers and probes; wrong ones are named in a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from simulator.errors import UserError
from simulator.importers.import_pool import ImportReport, check_name, import_pool
from simulator.importers.importer import ImportOptions
from simulator.pools.check import check_pool
from simulator.pools.pool import Pool

PROBLEMS: list[dict[str, Any]] = [
    {
        "question": "3 + 4?",
        "gold_answer": "7",
        "probe_freq": 500,
        "final_answers_trace": ["7.0", "ERR", "8"],
        "each_branch": [
            [["7", "ERR", "8"], 1499, "7.0"],  # the probe at 1500 lies past the end
            [["7"], 500, "ERR"],
            [[], 20, "8"],
        ],
    },
    {
        "question": None,
        "gold_answer": 12,
        "probe_freq": 100,
        "each_branch": [[["\\frac{24}{2}", None, "12"], 350, "11"]],
    },
]


def import_scout(folder: Path, content: object, **options: Any) -> ImportReport:
    path = folder / "aime.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return import_paths(folder, (path,), **options)


def import_paths(folder: Path, paths: tuple[Path, ...], **options: Any) -> ImportReport:
    return import_pool(
        "scout",
        ImportOptions(paths=paths, **options),
        cache=folder / "cache",
        dataset="d",
        model="m",
        benchmark="b",
    )


def with_branch(branch: object) -> list[dict[str, Any]]:
    return [{**PROBLEMS[0], "each_branch": [*PROBLEMS[0]["each_branch"], branch]}]


def test_a_file_by_hand(tmp_path: Path) -> None:
    report = import_scout(tmp_path, PROBLEMS)
    assert (report.problems, report.traces) == (2, 4)
    assert report.tokens == 1499 + 500 + 20 + 350
    assert (report.token_accuracy, report.signals) == ("total", ["probes"])
    assert report.notes == ["1 probes past their trace's last token were left out"]

    first, second = Pool(report.path).problems
    assert (first.problem_id, first.question, first.gold_answer) == ("00", "3 + 4?", "7")
    assert first.trace_ids.tolist() == [0, 1, 2]
    assert first.lengths.tolist() == [1499, 500, 20]
    assert first.class_texts == ["7.0", "8"]  # final answers first; the probes' 7 means the same
    assert first.answer_class.tolist() == [0, -1, 1]
    assert first.correct.tolist() == [True, False, False]
    assert first.probes.offsets.tolist() == [0, 2, 3, 3]
    assert first.probes.positions.tolist() == [500, 1000, 500]
    assert first.probes.answers.tolist() == [0, -1, 0]

    assert (second.problem_id, second.question, second.gold_answer) == ("01", None, "12")
    assert second.class_texts == ["11", "\\frac{24}{2}"]
    assert second.class_correct.tolist() == [False, True]
    assert second.probes.answers.tolist() == [1, -1, 1]


def test_the_raw_form_makes_the_same_pool(tmp_path: Path) -> None:
    raw = []
    for problem in PROBLEMS:
        branches = problem["each_branch"]
        columns = {
            "probe_matrix_mxn": [[*branch[0], None] for branch in branches],
            "branch_tokens": [branch[1] for branch in branches],
            "final_answers_trace": [branch[2] for branch in branches],
        }
        kept = {k: v for k, v in problem.items() if k not in ("each_branch", "final_answers_trace")}
        raw.append(kept | columns)
    published, generated = tmp_path / "published", tmp_path / "generated"
    published.mkdir()
    generated.mkdir()
    one = Pool(import_scout(published, PROBLEMS).path).problems
    two = Pool(import_scout(generated, raw).path).problems
    for a, b in zip(one, two, strict=True):
        assert a.class_texts == b.class_texts
        assert a.lengths.tolist() == b.lengths.tolist()
        assert a.answer_class.tolist() == b.answer_class.tolist()
    assert two[0].probes.positions.tolist() == [500, 1000, 500]
    assert two[1].probes.positions.tolist() == [100, 200, 300]


def test_the_same_file_makes_the_same_pool(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = import_scout(tmp_path / "a", PROBLEMS)
    two = import_scout(tmp_path / "b", PROBLEMS)
    assert one.fingerprint == two.fingerprint
    assert (one.path / "pool.json").read_bytes() == (two.path / "pool.json").read_bytes()


WRONG = [
    ("", "the file is empty; download or export it again"),
    ("[{", "line 1, column 3: the JSON is truncated"),
    (json.dumps(PROBLEMS)[:-40], "the JSON is truncated"),
    ('[\n{"a": nope}]', "line 2, column 7: not JSON"),
    ("[" * 100_000, "nested too deeply"),
    ("[" + "9" * 5000 + "]", "a number of thousands of digits"),
    ({"question": "?"}, "holds a JSON dict, not a list of problems"),
    ([], "holds no problem"),
    ([7], r"problem 0: problem is not an object \(7\)"),
    ([{"question": "?"}], "problem 0: problem without a gold_answer"),
    ([{"gold_answer": "1"}], "problem 0: probe_freq is not a number"),
    ([{"gold_answer": "1", "probe_freq": 500}], "problem without each_branch or probe_m"),
    ([{**PROBLEMS[0], "question": ["?"]}], "question is not a text"),
    (with_branch([["7"], -1, "7"]), r"problem 0, branch 3: token count is below 1 \(-1\)"),
    (with_branch([["7"], 0, "7"]), "branch 3: token count is below 1"),
    (with_branch([["7"], "900", "7"]), r"branch 3: token count is not a number \('900'\)"),
    (with_branch([["7"], True, "7"]), "branch 3: token count is not a number"),
    (with_branch([["7"], 1.5, "7"]), "branch 3: token count is not a whole number"),
    (with_branch([["7"], float("nan"), "7"]), "line 1, column 202: NaN is not JSON"),
    (with_branch([["7"], 10**12, "7"]), "branch 3: token count is too large"),
    (with_branch([["7"], 900]), r"branch 3: branch is not \[probe answers, tokens, final answer"),
    (with_branch(["7", 900, "7"]), "branch 3: probe answers are not a list"),
    (with_branch([[["7"]], 900, "7"]), "branch 3: probe answer is neither text nor number"),
    (with_branch([["7"], 900, {"a": 1}]), "branch 3: final answer is neither text nor number"),
    (
        [{"gold_answer": "1", "probe_freq": 5, "probe_matrix_mxn": [[]], "branch_tokens": [1, 2],
          "final_answers_trace": ["1"]}],
        r"differ in length \('1/2/1'\)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_wrong_files_are_named_in_one_line_and_leave_nothing(
    tmp_path: Path, content: object, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        import_scout(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'aime.json'}: ")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").rglob("*")) == []


def test_bad_branches_can_be_left_out(tmp_path: Path) -> None:
    content = [*with_branch([["7"], -1, "7"]), {"question": "no gold"}]
    report = import_scout(tmp_path, content, drop_bad_rows=True)
    assert (report.problems, report.traces, report.tokens) == (1, 3, 2019)
    assert report.dropped == {"problem without a gold_answer": 1, "token count is below 1": 1}
    assert report.dropped_examples[0].endswith("problem 0, branch 3: token count is below 1 (-1)")
    assert "left out: 1 × token count is below 1" in report.notes


def test_a_file_of_nothing_but_bad_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no usable trace"):
        import_scout(tmp_path, [{"question": "no gold"}], drop_bad_rows=True)
    assert list((tmp_path / "cache").rglob("*")) == []


def test_each_benchmark_is_its_own_pool(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 files given, but each SCOUT file is a benchmark"):
        import_paths(tmp_path, (tmp_path / "a.json", tmp_path / "b.json"))
    (tmp_path / "aime24.json").touch()
    with pytest.raises(UserError, match=r"this is a folder; name one of its files \(aime24.json\)"):
        import_paths(tmp_path, (tmp_path,))


def test_paths_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aime24.json").write_bytes(b'[\n"\xff"]')
    with pytest.raises(UserError, match=r"no such file \(did you mean aime24.json\?\)"):
        import_paths(tmp_path, (tmp_path / "aime25.json",))
    with pytest.raises(UserError, match=r"aime24.json: line 2: not UTF-8; convert the file"):
        import_paths(tmp_path, (tmp_path / "aime24.json",))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("simulator.storage.check_plain", refuse)
    with pytest.raises(UserError, match=r"permission denied; change its permissions"):
        import_paths(tmp_path, (tmp_path / "aime24.json",))


def test_a_taken_name_is_refused_before_the_files_are_read(tmp_path: Path) -> None:
    report = import_scout(tmp_path, PROBLEMS)
    with pytest.raises(UserError, match="a pool named d/m/b exists; give another --benchmark"):
        import_paths(tmp_path, (tmp_path / "missing.json",))
    assert Pool(report.path).info.traces == 4


def test_a_failed_replacement_leaves_the_old_pool(tmp_path: Path) -> None:
    report = import_scout(tmp_path, PROBLEMS)
    before = {path: path.read_bytes() for path in report.path.iterdir()}
    with pytest.raises(UserError, match="the file is empty"):
        import_pool(
            "scout",
            ImportOptions(paths=(_empty(tmp_path),)),
            cache=tmp_path / "cache",
            dataset="d",
            model="m",
            benchmark="b",
            replace=True,
        )
    assert {path: path.read_bytes() for path in report.path.iterdir()} == before
    assert [path.name for path in report.path.parent.iterdir()] == ["b"]


def _empty(folder: Path) -> Path:
    (folder / "empty.json").touch()
    return folder / "empty.json"


def test_a_map_is_for_jsonl_only(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="scout files have fixed fields; remove --map"):
        import_scout(tmp_path, PROBLEMS, field_map={"answer": "a"})


@pytest.mark.parametrize("part", ["Qwen3-8B", "gpt-4o_2024.11", "c++", "_x"])
def test_names_that_are_safe(part: str) -> None:
    check_name("model", part)


@pytest.mark.parametrize(
    ("part", "hint"),
    [
        ("Qwen/Qwen3-8B", "use --model Qwen3-8B"),
        ("..", "starting with a letter"),
        (".hidden", "use --model hidden"),
        ("../../etc", "use --model etc"),
        ("", "letters, digits"),
        ("a b", "use --model a-b"),
        ("a\nb", "use --model a-b"),
        ("-x", "use --model x"),
        ("é", "letters, digits"),
        ("x" * 200, "letters, digits"),
    ],
)
def test_names_that_are_not(part: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint) as caught:
        check_name("model", part)
    assert "\n" not in str(caught.value)


def test_answers_counted_as_the_program_does(tmp_path: Path) -> None:
    spaced = {**PROBLEMS[1], "gold_answer": "1 2", "each_branch": [[[], 5, " 1 2"], [[], 5, "1 2"]]}
    import_scout(tmp_path, [PROBLEMS[0], spaced], equality="exact", unparsed="vote")
    pool = Pool(tmp_path / "cache/d/m/b")
    assert (pool.info.equality, pool.info.unparsed) == ("exact", "vote")
    first, second = pool.problems
    assert first.class_texts == ["7.0", "8", "7", "(no answer)"]
    assert first.answer_class.tolist() == [0, 3, 1]
    assert not first.correct.any()
    assert first.probes.answers.tolist() == [2, 3, 2]
    assert second.class_texts == [" 1 2", "1 2"]
    assert second.correct.tolist() == [False, True]
    assert check_pool(pool.path) == []
    traces = pq.read_table(pool.path / "traces.parquet")
    assert traces["answer"].to_pylist() == ["7.0", None, "8", " 1 2", "1 2"]


def test_the_fingerprint_covers_the_way_of_counting(tmp_path: Path) -> None:
    plain = [{**PROBLEMS[0], "each_branch": [[[], 20, "7"], [[], 30, "8"]]}]  # the same either way
    found = set()
    for number, equality in enumerate(("meaning", "exact")):
        for unparsed in ("abstain", "vote"):
            folder = tmp_path / f"{number}{unparsed}"
            folder.mkdir()
            found.add(import_scout(folder, plain, equality=equality, unparsed=unparsed).fingerprint)
    assert len(found) == 4


@pytest.mark.parametrize(("equality", "right"), [("exact", [False, True]), ("meaning", [True] * 2)])
def test_a_gold_answer_stays_the_string_that_it_is(
    tmp_path: Path, equality: str, right: list[bool]
) -> None:
    boxed = {**PROBLEMS[0], "gold_answer": r"\boxed{7}"}
    boxed["each_branch"] = [[["7"], 600, "7"], [["7"], 600, r"\boxed{7}"]]
    import_scout(tmp_path, [boxed], equality=equality)
    (problem,) = Pool(tmp_path / "cache/d/m/b").problems
    assert problem.correct.tolist() == right
