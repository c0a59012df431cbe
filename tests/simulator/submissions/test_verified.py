"""The verifier's own run beside a submission counts only as it was written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from submitted import FIELDS, edit_json, submit, verified

from simulator.catalogue.views import connect
from simulator.errors import UserError
from simulator.runs.results import read_results
from simulator.storage import replace_folder
from simulator.submissions.badges import badge_of, write_verification
from simulator.submissions.files import read_files
from simulator.submissions.packing import pack, write_bundle
from simulator.submissions.verified import verified_folder
from simulator.submissions.wellformed import check_form


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a submission with its verification, and its pools."""
    submission = submit(tmp_path_factory.mktemp("made"), repeats=64)
    write_verification(submission, verified(submission, run_again=True))
    return submission.parent.parent


@pytest.fixture
def submission(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "made")
    return tmp_path / "made/submissions/2026-01-31-a-method"


def test_it_is_no_part_of_what_is_submitted(submission: Path) -> None:
    files = read_files(submission)
    assert files.findings == ()
    assert not any("verified" in name for name in files.sha256)
    assert check_form(files)[1] == []
    assert badge_of(files) == "verified"
    assert verified_folder(submission) == submission / "verified"
    (result,) = read_results(submission / "verified")
    assert (result.seed, result.repeats) == (7, 64)


def overwrite(folder: Path) -> None:
    file = folder / "verified/answers.parquet"
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def link(folder: Path) -> None:
    (folder / "verified").rename(folder.parent / "elsewhere")
    (folder / "verified").symlink_to(folder.parent / "elsewhere")


def link_file(folder: Path) -> None:
    file = folder / "verified/answers.parquet"
    file.rename(folder.parent / "answers.parquet")
    file.symlink_to(folder.parent / "answers.parquet")


TAMPERED: dict[str, Callable[[Path], object]] = {
    "a byte of it": overwrite,
    "a file of it gone": lambda each: (each / "verified/summary.json").unlink(),
    "a file more": lambda each: (each / "verified/more").touch(),
    "a link to it": link,
    "a link in it": link_file,
    "the submission": lambda each: edit_json(each / "run.json", lambda run: run.update(jobs=9)),
    "the verification gone": lambda each: (each / "verification.json").unlink(),
    "the verification no JSON": lambda each: (each / "verification.json").write_text("{"),
    "hashes of another": lambda each: edit_json(
        each / "verification.json", lambda one: one["verified_sha256"].update({"run.json": "0"})
    ),
    "a hash more": lambda each: edit_json(
        each / "verification.json", lambda one: one["verified_sha256"].update({"more": "0"})
    ),
    "no hashes": lambda each: edit_json(
        each / "verification.json", lambda one: one.update(verified_sha256=[])
    ),
    "an older format": lambda each: edit_json(
        each / "verification.json", lambda one: one.update(format=1)
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_anything_changed_and_it_counts_for_nothing(submission: Path, what: str) -> None:
    TAMPERED[what](submission)
    assert verified_folder(submission) is None


def test_one_that_a_submission_came_with_is_noted_and_replaced(submission: Path) -> None:
    overwrite(submission)
    verification = verified(submission, run_again=True, seed=8)
    assert "came with a folder verified, which was ignored" in verification.steps[0].notes
    write_verification(submission, verification)
    assert verified_folder(submission) == submission / "verified"
    assert json.loads((submission / "verified/run.json").read_text())["seed"] == 8
    assert sorted(each.name for each in submission.parent.iterdir()) == [submission.name]


def test_a_verification_without_a_run_of_its_own_removes_it(submission: Path) -> None:
    write_verification(submission, verified(submission))
    assert not (submission / "verified").exists()
    assert verified_folder(submission) is None


def test_a_verification_written_again_keeps_it(submission: Path) -> None:
    made = verified(submission, run_again=True)
    write_verification(submission, made)
    write_verification(submission, replace(made, verified={}, verified_at="later"))
    assert verified_folder(submission) == submission / "verified"


def test_a_rerun_of_few_repeats_keeps_none(submission: Path) -> None:
    verification = verified(submission, run_again=True, repeats=3)
    assert verification.badge == "recomputed"
    assert "only 3 of 64 repeats were rerun" in verification.steps[2].findings
    assert verification.verified == {}


def test_a_failed_rerun_keeps_none(submission: Path) -> None:
    judge = {"ratio": {"test/model/tiny": 0.0}, "unranked": False}
    edit_json(submission / "run.json", lambda run: run.update(judge=judge))
    verification = verified(submission, run_again=True)
    assert verification.steps[2].findings == [
        "run.json: names a judge, but the policy does not use one"
    ]
    assert (verification.badge, verification.verified) == (None, {})


def test_a_file_or_link_of_its_name_is_no_such_folder(submission: Path) -> None:
    link(submission)
    (finding,) = read_files(submission).findings
    assert finding == "'verified': not a file of a submission; remove it"


def test_it_tells_of_how_many_settings_the_run_is_one(submission: Path) -> None:
    assert [each.sweep_settings for each in read_results(submission)] == [None]
    edit_json(submission / "run.json", lambda run: run.update(sweep={"settings": 12}))
    write_verification(submission, verified(submission, run_again=True))
    for folder in (submission, submission / "verified"):
        assert [each.sweep_settings for each in read_results(folder)] == [12]
    with connect(submission.parent.parent / "pools", None, submission.parent) as catalogue:
        (row,) = catalogue.rows("SELECT badge, sweep_settings FROM submissions")
    assert row == {"badge": "verified", "sweep_settings": 12}


def test_beside_a_bundle(submission: Path, tmp_path: Path) -> None:
    (run,) = submission.parent.parent.glob("run-*")
    (tmp_path / "made/bundles").mkdir()
    bundle = write_bundle(pack(run, FIELDS), tmp_path / "made/bundles")
    write_verification(bundle, verified(bundle, run_again=True))
    beside = sorted(
        each.name.removeprefix("2026-01-31-a-method") for each in bundle.parent.iterdir()
    )
    assert beside == [".verification.json", ".verified", ".zip"]
    assert verified_folder(bundle) == bundle.parent / "2026-01-31-a-method.verified"
    (bundle.parent / "2026-01-31-a-method.verified/run.json").write_text("{}")
    assert verified_folder(bundle) is None


def test_a_disk_that_cannot_be_written_keeps_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    replace_folder(folder, {"a": b"1"}, tmp_path / "staging")
    assert (folder / "a").read_bytes() == b"1"
    with pytest.raises(UserError, match="cannot be written"):
        replace_folder(folder, {"a": b"2"}, tmp_path / "nowhere/staging")
    assert (folder / "a").read_bytes() == b"1"
    replace_folder(folder, {}, tmp_path / "staging")
    assert [*tmp_path.iterdir()] == []
