"""Every Eval Ever records: the published schema, and figures recomputed from files."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from interchanged import BOARD, content_of, recomputed
from made_entries import made_entry, made_library, made_result, made_sums

from leaderboard_app.interchange.every_eval_ever import MEASURES, records
from leaderboard_app.interchange.hub_file import HubNames
from leaderboard_app.library.board_file import Board
from leaderboard_app.library.library import Library
from simulator.runs.format import METRICS

SCHEMA = json.loads(
    (Path(__file__).parent / "every_eval_ever_0.3.0/eval.schema.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def made(full_library: Library) -> Mapping[str, Any]:
    found = records(content_of(full_library))
    return {name: json.loads(text) for name, text in found.items()}


def test_records_are_of_the_published_schema(made: Mapping[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft7Validator(SCHEMA)
    assert made
    for record in made.values():
        assert [each.message for each in validator.iter_errors(record)] == []
        assert record["schema_version"] == SCHEMA["version"]


def test_the_schemas_own_validator_accepts_them_without_a_warning(
    full_library: Library, tmp_path: Path
) -> None:
    if importlib.util.find_spec("every_eval_ever") is None:
        pytest.skip("every-eval-ever is not installed; it needs other releases than we do")
    core = importlib.import_module("every_eval_ever.validator.validation_core")
    for name, text in records(content_of(full_library)).items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        report = core.validate_aggregate(file, repo_path=name, run_semantic_checks=True)
        assert (report.valid, report.errors, report.warnings) == (True, [], [])


def test_there_is_one_for_each_verified_entry_on_each_recorded_pool(
    made: Mapping[str, Any],
) -> None:
    pools = []
    for record in made.values():
        link = record["source_metadata"]["additional_details"]["entry"]
        data = [result["source_data"] for result in record["evaluation_results"]]
        pools += [(link, name) for name in {each["additional_details"]["pool"] for each in data}]
    assert sorted(pools) == [
        (f"https://board.example.org/entry?entry=2026-11-20-checked-{method}", f"recorded/{pool}")
        for method in ("asc", "cons")
        for pool in ("model-a/bench-1", "model-a/bench-2", "model-b/bench-1")
    ]
    assert len({record["evaluation_id"] for record in made.values()}) == 6
    for name, record in made.items():
        assert name.startswith(f"data/the-board/{record['model_info']['id']}/")


def test_figures_and_intervals_are_those_of_the_verifiers_replays(
    made: Mapping[str, Any], full_library: Library
) -> None:
    for record in made.values():
        link = record["source_metadata"]["additional_details"]["entry"]
        entry = full_library.by_id[link.partition("entry=")[2]]
        for result in record["evaluation_results"]:
            name = result["evaluation_result_id"].rpartition("/")[2]
            pool = result["source_data"]["additional_details"]["pool"]
            score = result["score_details"]["score"]
            expected = recomputed(entry.path, pool)
            if name in expected:
                assert score == pytest.approx(expected[name], rel=1e-12)
            interval = result["score_details"]["uncertainty"]["confidence_interval"]
            assert interval["lower"] <= score <= interval["upper"]
            assert interval["confidence_level"] == 0.95
            assert result["score_details"]["uncertainty"]["num_samples"] == 6


def test_each_record_says_what_was_replayed(made: Mapping[str, Any]) -> None:
    for record in made.values():
        for result in record["evaluation_results"]:
            told = result["generation_config"]["additional_details"]
            assert told["repeats"] == "2"  # `full` has so few
            assert told["seed"] == "0"
            assert json.loads(told["parameters"]) is not None
            assert told["traces_per_problem"] == "8"


def test_models_without_a_repository_are_left_out_and_named(
    full_library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    names = HubNames(models={"modelb": "maker-b/model-b"})
    found = records(content_of(full_library, names))
    assert {name.split("/")[2] for name in found} == {"maker-b"}
    assert capsys.readouterr().err == (
        "left out, as hub.toml names no repository under [models]: model-a\n"
    )


def test_nothing_is_made_up_for_what_a_board_does_not_state() -> None:
    result = made_result("d/m/b", accuracy=0.5, tokens_per_problem=(10, 8, 12))
    entry = made_entry("e", result, date="2026-01-31")
    library = made_library([entry], {"e": {"d/m/b": made_sums([1, 1], [10, 10])}})
    names = HubNames(models={"m": "o/m"}, benchmarks={"b": "o/b"})
    (text,) = records(content_of(library, names, Board())).values()
    record = json.loads(text)
    assert "source_organization_url" not in record["source_metadata"]
    assert "entry" not in record["source_metadata"].get("additional_details", {})
    assert record["evaluation_timestamp"] == "2026-01-31T00:00:00+00:00"
    assert record["retrieved_timestamp"] == "1769817600"
    accuracy, tokens = record["evaluation_results"]
    assert "confidence_interval" not in accuracy["score_details"]["uncertainty"]
    assert tokens["score_details"]["uncertainty"]["confidence_interval"]["upper"] == 12
    assert accuracy["source_data"]["hf_repo"] == "o/b"
    assert BOARD.title not in text


@pytest.mark.parametrize(
    ("verified", "day", "expected"),
    [
        ("2026-01-31T02:00:00+02:00", "2026-01-01", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T02:00:00", None, "2026-01-31T02:00:00+00:00"),
        ("yesterday", "2026-01-30", "2026-01-30T00:00:00+00:00"),
        (None, None, "1970-01-01T00:00:00+00:00"),
    ],
)
def test_a_time_is_that_of_the_verification_in_utc(
    verified: str | None, day: str | None, expected: str
) -> None:
    entry = made_entry("e", made_result("d/m/b", accuracy=0.5), date=day, verified_at=verified)
    library = made_library([entry], {"e": {"d/m/b": made_sums([1, 1], [10, 10])}})
    (text,) = records(content_of(library, HubNames(models={"m": "o/m"}))).values()
    assert json.loads(text)["evaluation_timestamp"] == expected


def test_measures_are_metrics_of_runs() -> None:
    assert {*MEASURES} <= {*METRICS}
