"""An earlier verification stands, or falls and is told: no badge changes silently."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from submitted import edit_json, submit, verified

from simulator.pools.pool import read_info
from simulator.storage import file_sha256
from simulator.submissions.badges import (
    Step,
    badge_of,
    read_verification,
    verified_at,
    write_verification,
)
from simulator.submissions.files import read_files
from simulator.verification.earlier import (
    change_since,
    outcome_of,
    read_earlier,
    told_again,
)

NAME = "2026-01-31-a-method"
DAY = "2026-02-03"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a submission that was verified on 3 February."""
    folder = submit(tmp_path_factory.mktemp("made"), repeats=64)
    found = verified(folder, run_again=True)
    assert found.badge == "verified"
    write_verification(folder, replace(found, verified_at=f"{DAY}T10:00:00+00:00", seconds=1.5))
    return folder.parent.parent


@pytest.fixture
def folder(tmp_path: Path, made: Path) -> Path:
    """Return a copy of it, with its pools beside it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "submissions" / NAME


def pools(folder: Path) -> Path:
    return folder.parent.parent / "pools"


def outcome(folder: Path, **options: Any) -> Any:
    return outcome_of(folder, replace(verified(folder, **options), verified_at="2027-01-01"))


def edit(folder: Path, *changes: tuple[str, str]) -> None:
    """Replace parts of `submission.toml`; an empty part is its end."""
    file = folder / "submission.toml"
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new) if old else text + new + "\n"
    file.write_text(text)


def test_without_the_pool_or_without_a_rerun_an_earlier_verification_stands(folder: Path) -> None:
    before = (folder / "verification.json").read_bytes()
    for options, why in (
        ({}, "the rerun was not requested"),
        ({"run_again": True, "repeats": 1}, "only 1 of 64 repeats were rerun"),
    ):
        found = outcome(folder, **options)
        assert found.kept
        assert not found.rewrite
        assert found.verification.badge == "verified"
        assert found.remarks == (f"not checked again: {why}; verified on {DAY} stands",)
    shutil.rmtree(pools(folder))
    found = outcome(folder, run_again=True)
    assert (found.kept, found.rewrite, found.verification.badge) == (True, False, "verified")
    assert found.remarks == (
        f"not checked again: pool test/model/tiny is not in {pools(folder)}; verified on {DAY} "
        "stands",
    )
    assert read_verification(before) == found.verification
    assert badge_of(read_files(folder)) == "verified"


def test_with_another_pool_of_that_name_it_stands_and_that_is_told(folder: Path) -> None:
    edit_json(pools(folder) / "test/model/tiny/pool.json", lambda info: info.update(synthetic=True))
    found = outcome(folder)
    assert found.verification.badge == "verified"
    assert (
        "not checked again: pool test/model/tiny on this machine (fingerprint" in found.remarks[0]
    )


def test_a_lower_verification_is_replaced_by_a_higher_one_and_told(folder: Path) -> None:
    write_verification(folder, verified(folder))
    found = outcome(folder, run_again=True)
    assert (found.kept, found.rewrite) == (False, True)
    assert found.remarks == ("badge: recomputed → verified, because all steps passed",)
    assert outcome(folder).remarks == ()  # as much as before


def test_a_step_that_fails_voids_the_earlier_verification(folder: Path) -> None:
    found = verified(folder, run_again=True)
    failed = replace(
        found,
        badge=None,
        steps=[*found.steps[:2], Step("rerun", "failed", ["decisions.parquet row 3: other"])],
    )
    fallen = outcome_of(folder, failed)
    assert (fallen.kept, fallen.verification.badge) == (False, None)
    assert fallen.remarks == (
        "badge: verified → none, because rerun: decisions.parquet row 3: other",
    )


def test_a_rerun_that_a_person_must_judge_voids_it_too(folder: Path) -> None:
    found = verified(folder, run_again=True)
    why = "its numbers and texts have 2,000 characters, which could encode: someone must review it"
    uncounted = Step("rerun", "skipped", [why])
    lower = replace(found, badge="recomputed", steps=[*found.steps[:2], uncounted])
    fallen = outcome_of(folder, lower)
    assert not fallen.kept
    assert fallen.remarks == (f"badge: verified → recomputed, because rerun: {why}",)
    nothing_run = outcome_of(folder, replace(lower, layers=[]))  # as without a sandbox
    assert nothing_run.kept


def test_altered_figures_void_it_and_the_files_are_named(folder: Path) -> None:
    edit_json(folder / "run.json", lambda run: run.update(jobs=99))
    assert badge_of(read_files(folder)) == "self-reported"
    assert change_since(folder, pools(folder)) == "files"
    found = outcome(folder)
    assert (found.kept, found.verification.badge) == (False, "recomputed")
    assert found.remarks == (
        "badge: verified → recomputed, because run.json changed; rerun: was not requested",
    )


@pytest.mark.parametrize(
    "name", ["policy.py", "run.json", "decisions.parquet", "answers.parquet", "summary.json"]
)
def test_every_file_that_figures_depend_on_is_hashed(folder: Path, name: str) -> None:
    assert change_since(folder, pools(folder)) == "none"
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    assert change_since(folder, pools(folder)) == "files"
    assert badge_of(read_files(folder)) in (None, "self-reported")


TOLD = [
    ('"Two words."', '"Three words here."'),
    ('"A. Author"', '"A. Author", "B. Author"'),
    ("", 'organisation = "An institute"'),
    ("", 'paper = "https://example.org/paper"'),
    ("", 'code = "https://example.org/code"'),
]


@pytest.mark.parametrize("change", TOLD, ids=[new for _, new in TOLD])
def test_corrected_descriptions_links_and_authors_need_no_rerun(
    folder: Path, change: tuple[str, str]
) -> None:
    edit(folder, change)
    assert badge_of(read_files(folder)) == "verified"
    assert verified_at(read_files(folder)) == f"{DAY}T10:00:00+00:00"
    assert change_since(folder, pools(folder)) == "told"
    found = told_again(folder)
    assert found.verification.badge == "verified"
    assert found.verification.verified_at == f"{DAY}T10:00:00+00:00"
    (remark,) = found.remarks
    assert " changed" in remark
    assert ("only its own authors may change this" in remark) == ("Author" in change[1])
    write_verification(folder, found.verification)
    assert change_since(folder, pools(folder)) == "none"
    assert outcome(folder).remarks[0].startswith("not checked again")


NAMED = [
    ("method", '"A method"', '"Another method"'),
    ("version", "", 'version = "2"'),
    ("supersedes", "", 'supersedes = "2026-01-01-another"'),
]


@pytest.mark.parametrize(("key", "old", "new"), NAMED)
def test_another_name_or_standing_has_no_badge_until_the_verifier_has_seen_it(
    folder: Path, key: str, old: str, new: str
) -> None:
    edit(folder, (old, new))
    assert badge_of(read_files(folder)) == "self-reported"
    assert change_since(folder, pools(folder)) == "told"
    found = told_again(folder)
    assert any(
        each.startswith(f"{key} changed from ")
        and each.endswith("; only its own authors may change this")
        for each in found.remarks
    )
    assert not found.verification.failed
    write_verification(folder, found.verification)
    assert badge_of(read_files(folder)) == "verified"


def test_a_withdrawal_and_its_end_are_told(folder: Path) -> None:
    edit(folder, ("", 'withdrawn = "A mistake."'))
    assert badge_of(read_files(folder)) == "withdrawn"
    found = told_again(folder)
    assert found.remarks == (
        "withdrawn changed from None to 'A mistake.'; only its own authors may change this",
        "badge: verified → withdrawn, because it is withdrawn",
    )
    write_verification(folder, found.verification)
    edit(folder, ('withdrawn = "A mistake."\n', ""))
    assert badge_of(read_files(folder)) == "self-reported"  # nobody has looked at it yet
    back = told_again(folder)
    assert back.verification.badge == "verified"
    assert back.remarks[1] == "badge: withdrawn → verified, because it is withdrawn no longer"


@pytest.mark.parametrize(
    "line",
    [
        'withdrawn = ""',
        'withdrawn = " "',
        'withdrawn = "..."',
        "withdrawn = true",
        "withdrawn = []",
        'version = ""',
        "version = 2",
        'version = "a\\nb"',
        'supersedes = ""',
        'supersedes = "../2026-01-01-x"',
        'supersedes = "2026-02-01-x"',
        "supersedes = 1",
        f'supersedes = "{NAME}"',
        'paper = "javascript:alert(1)"',
    ],
)
def test_what_is_told_is_checked_again_whenever_it_changes(folder: Path, line: str) -> None:
    edit(folder, ("", line))
    assert change_since(folder, pools(folder)) == "files"  # hence verified, which fails at once
    found = outcome(folder)
    assert (found.kept, found.verification.badge) == (False, None)
    remark = found.remarks[-1]
    key = line.partition(" ")[0]
    assert remark.startswith("badge: verified → none, because well-formed: submission.toml: " + key)
    if NAME not in line:
        assert badge_of(read_files(folder)) is None


def test_a_day_that_is_not_the_names_is_found_though_only_metadata_changed(folder: Path) -> None:
    edit(folder, ("2026-01-31", "2026-01-30"))
    assert change_since(folder, pools(folder)) == "files"


def test_a_pool_stored_otherwise_is_no_change_and_another_pool_is(folder: Path) -> None:
    pool = pools(folder) / "test/model/tiny"
    for file in pool.glob("*.parquet"):
        pq.write_table(pq.read_table(file), file, compression="gzip", use_dictionary=False)
    info = read_info(pool)
    info.sha256 = {file.name: file_sha256(file) for file in pool.glob("*.parquet")}
    (pool / "pool.json").write_text(json.dumps(asdict(info)))
    assert change_since(folder, pools(folder)) == "none"
    assert verified(folder, run_again=True).badge == "verified"
    edit_json(pool / "pool.json", lambda info: info["content"].update(traces="0" * 64))
    assert change_since(folder, pools(folder)) == "files"
    shutil.rmtree(pool)
    assert change_since(folder, pools(folder)) == "none"


def beside(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """Copy a submission as another one, not verified."""
    other = folder.parent / name
    shutil.copytree(folder, other)
    (other / "verification.json").unlink()
    edit(other, *changes)
    return other


THEIRS = ('"A. Author"', '"M. Other"')


def test_the_keeper_is_told_of_a_submission_that_supersedes_another_ones(folder: Path) -> None:
    supersedes = ("", f'supersedes = "{NAME}"')
    thief = beside(folder, "2026-01-31-new", THEIRS, ('"A method"', '"New"'), supersedes)
    assert outcome(thief).remarks == (
        f"supersedes {NAME}, whose authors are others ('A. Author'); only they may supersede it",
        f"supersedes {NAME}, whose method has another name ('A method')",
    )
    joint = ('"A. Author"', '"A. Author", "M. Other"')  # one of them is not all of them
    shared = beside(folder, "2026-01-31-joint", joint, supersedes)
    assert "whose authors are others" in outcome(shared).remarks[0]
    shutil.rmtree(thief)
    shutil.rmtree(shared)
    own = beside(folder, "2026-01-31-own", ('"A. Author"', '"a. AUTHOR"'), supersedes)
    assert outcome(own).remarks == ()
    gone = beside(folder, "2026-01-31-gone", ("", 'supersedes = "2026-01-01-x"'))
    assert outcome(gone).remarks == ("supersedes 2026-01-01-x, which is not beside it",)


def test_the_keeper_is_told_of_the_policy_of_another(folder: Path) -> None:
    theirs = (THEIRS, ('"A method"', '"Mine"'), ("2026-01-31", "2026-02-01"))
    found = outcome(beside(folder, "2026-02-01-copy", *theirs))
    assert found.remarks == (f"policy.py is that of {NAME}, by 'A. Author'",)
    assert outcome(beside(folder, "2026-01-31-again")).remarks == ()  # the copy is younger


@pytest.mark.parametrize(
    "change",
    [
        lambda each: each.update(format=0),
        lambda each: each.update(steps="passed"),
        lambda each: each.update(steps=[{"step": "rerun", "status": "fine"}]),
        lambda each: each["steps"][0].update(findings=[1]),
        lambda each: each.update(sha256=None),
        lambda each: each.update(told=3),
        lambda each: each.update(verified_at=None),
        lambda each: each.pop("submission"),
        lambda each: each.update(badge=["verified"]),
    ],
)
def test_a_verification_with_wrong_fields_counts_as_none(
    folder: Path, change: Callable[[Any], None]
) -> None:
    edit_json(folder / "verification.json", change)
    assert read_earlier(folder) is None
    assert badge_of(read_files(folder)) == "self-reported"
    assert change_since(folder, pools(folder)) == "files"


def test_a_link_in_its_place_is_not_followed(folder: Path) -> None:
    kept = folder.parent / "kept.json"
    (folder / "verification.json").rename(kept)
    (folder / "verification.json").symlink_to(kept)
    assert read_earlier(folder) is None


def test_the_verifiers_folder_is_no_part_of_a_submission(folder: Path) -> None:
    (folder / "verified/run.json").write_text("{}")
    assert read_files(folder).findings == ()
    shutil.rmtree(folder / "verified")
    (folder / "verified").symlink_to("/")
    assert read_files(folder).findings != ()


def test_an_altered_run_of_the_verifier_voids_the_verification(folder: Path) -> None:
    own = folder / "verified/summary.json"
    assert change_since(folder, pools(folder)) == "none"
    assert outcome(folder).kept
    own.write_text('{"a": 1}')
    assert change_since(folder, pools(folder)) == "files"
    assert not outcome(folder).kept
