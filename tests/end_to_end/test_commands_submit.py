"""`deepprune-sim submit` and `verify` as they are typed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from checkout import ROOT
from hub_server import Hub, serving
from submitted import FIRST_TWO, PROBLEMS, edit_json, submit, write_policy

from simulator.catalogue.views import connect
from simulator.cli import main
from simulator.runs.results import read_problem_sums, read_results
from simulator.submissions.badges import Step, badge_of, decide_badge
from simulator.submissions.files import read_files
from simulator.submissions.markdown import escape
from simulator.submissions.packing import internal_imports
from simulator.submissions.verified import verified_folder
from simulator.verification.options import Options
from simulator.verification.verify import verify

SAID = ("--method", "My method", "--authors", "A. Author; B. Author", "--description", "Stops.")
DAY = ("--date", "2026-01-31")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return submit(tmp_path_factory.mktemp("made"), repeats=64).parent.parent


@pytest.fixture
def folder(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working directory with pools, a run (`run-0`) and a submission of it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPPRUNE_SIM_CACHE", str(tmp_path / "pools"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("x\n" * 9))
    return tmp_path


SUBMISSION = "submissions/2026-01-31-a-method"


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a call."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    captured = capsys.readouterr()
    return int(str(ended.value.code)), captured.out, captured.err


def test_submit_packs_a_run_and_says_what_to_do_then(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "submit", "run-0", *SAID, *DAY)
    assert (code, err) == (0, "")
    made = folder / "submissions/2026-01-31-my-method"
    assert sorted(file.name for file in made.iterdir()) == [
        "answers.parquet",
        "decisions.parquet",
        "policy.py",
        "run.json",
        "submission.toml",
        "summary.json",
    ]
    assert f"deepprune-sim verify {made.relative_to(folder)}" in out
    assert "too few" not in out
    assert (made / "submission.toml").read_text() == (
        'format = 1\nmethod = "My method"\nauthors = ["A. Author", "B. Author"]\n'
        'date = 2026-01-31\ndescription = "Stops."\n'
    )
    code, _, err = call(capsys, "submit", "run-0", *SAID, *DAY)
    assert code == 2
    assert "exists already" in err


def test_a_new_version_names_the_submission_that_it_supersedes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "2026-01-31-a-method"
    new = ("--version", "2.1", "--supersedes", name)
    assert call(capsys, "submit", "run-0", *SAID, *DAY, *new)[0] == 0
    text = (folder / "submissions/2026-01-31-my-method/submission.toml").read_text()
    assert text.endswith(f'version = "2.1"\nsupersedes = "{name}"\n')
    with connect(folder / "pools", None, folder / "submissions") as catalogue:
        rows = catalogue.rows("SELECT version, supersedes FROM submissions ORDER BY submission")
    assert rows == [
        {"version": None, "supersedes": None},
        {"version": "2.1", "supersedes": name},
    ]
    code, _, err = call(capsys, "submit", "run-0", *SAID, *DAY, "--supersedes", "My method")
    assert code == 2
    assert "supersedes: 'My method' is not a submission's name" in err


def test_a_policy_that_imports_what_may_change_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = (
        "from simulator.policy import Policy\nfrom simulator.policy.voting import majority_vote\n"
        "from simulator.replay import engine\nimport simulator\n\n\n"
    )
    assert internal_imports(source) == ["simulator.replay"]
    (folder / "inner.py").write_text(
        "from simulator import Policy\nfrom simulator.signals import NO_ANSWER\n\n\n"
        "class Inner(Policy):\n    def solve(self, problem, sampler):\n        return None\n"
    )
    run = ("run", "inner.py", "--repeats", "1", "-o", "inner")
    assert call(capsys, *run)[0] == 0
    code, _, err = call(capsys, "submit", "inner", *SAID, *DAY)
    told = "policy.py imports simulator.signals, which may change; import from deepprune_sim\n"
    assert (code, err) == (0, told)


def test_a_run_with_too_few_repeats_is_told_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "run", "short-2@4", "--repeats", "63", "-o", "few")[0] == 0
    code, out, _ = call(capsys, "submit", "few", *SAID, *DAY)
    assert code == 0
    assert (
        "It has too few repeats (63) for the badge verified, as their seed could be picked; run "
        "again with --repeats 64."
    ) in out.splitlines()
    code, out, _ = call(capsys, "verify", "submissions/2026-01-31-my-method", "--seed", "7")
    assert code == 0
    assert out.startswith("2026-01-31-my-method: recomputed\n")
    assert "run again with --repeats 64" in " ".join(out.split())
    assert verified_folder(folder / "submissions/2026-01-31-my-method") is not None


def test_all_that_is_missing_is_said_at_once_and_nothing_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "run-0/summary.json").unlink()
    code, out, err = call(
        capsys, "submit", "run-0", "--paper", "javascript:alert(1)", "--date", "today"
    )
    assert (code, out) == (2, "")
    for part in (
        "method is missing",
        "authors is missing",
        "description is missing",
        "date: 'today' is not a day",
        "paper: 'javascript:alert(1)' is not a link",
        "run-0/summary.json: No such file or directory",
    ):
        assert part in err
    assert err.count("\n") == 1
    assert len([*(folder / "submissions").iterdir()]) == 1


def test_no_run_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "submit", "nowhere", *SAID)
    assert code == 2
    assert "nowhere/run.json: No such file or directory; name a finished run's folder" in err


def test_on_a_terminal_what_is_missing_is_asked_for(folder: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator.cli", "submit", "run-0", "--method", "Asked", *DAY],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    os.close(theirs)
    os.write(ours, b"A. Author\n\n\n\nStops early.\n")
    out, err = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, err
    assert "Authors, separated by semicolons" in err
    assert "Method, as" not in err  # it was given
    assert (
        'description = "Stops early."'
        in (folder / "submissions/2026-01-31-asked/submission.toml").read_text()
    )
    assert "organisation" not in out


def test_a_bundle_is_one_file_that_verify_takes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "submit", "run-0", *SAID, *DAY, "--bundle")
    assert code == 0
    assert "bundle: 2026-01-31-my-method.zip" in out
    code, out, _ = call(capsys, "verify", "2026-01-31-my-method.zip", "--no-rerun")
    assert code == 0
    assert out.startswith("2026-01-31-my-method: recomputed\n")
    written = json.loads((folder / "2026-01-31-my-method.verification.json").read_text())
    assert written["badge"] == "recomputed"


def in_new_process(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call in a process of its own: the Hub's client reads its environment when loaded."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "HUGGING")) and not name.casefold().endswith("_proxy")
    }
    variables |= {
        "PYTHONPATH": str(ROOT),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HOME": "hf",
    }
    return subprocess.run(
        [sys.executable, "-m", "simulator.cli", *arguments],
        env=kept | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_hub_opens_a_pull_request_with_all_files(folder: Path) -> None:
    with serving(Hub("owner/board", {})) as hub:
        done = in_new_process(
            *("submit", "run-0", *SAID, *DAY, "--hub", "owner/board"),
            HF_ENDPOINT=hub.url,
            HF_TOKEN="hf_abcdefghijkl",
        )
    assert done.returncode == 0, done.stderr
    assert "pull request: " in done.stdout
    assert "/datasets/owner/board/discussions/1" in done.stdout
    (commit,) = hub.commits
    assert commit.create_pr
    assert commit.summary == "Submit My method"
    prefix = "submissions/2026-01-31-my-method/"
    assert set(commit.files) == {
        prefix + name
        for name in (
            "answers.parquet",
            "decisions.parquet",
            "policy.py",
            "run.json",
            "submission.toml",
            "summary.json",
        )
    }
    for name in ("run.json", "decisions.parquet"):
        assert commit.files[prefix + name] == (folder / "run-0" / name).read_bytes()
    assert not (folder / "submissions/2026-01-31-my-method").exists()


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (("--hub", "owner/board"), {}, "no token; log in with `hf auth login`"),
        (("--hub", "owner/none"), {"HF_TOKEN": "hf_abcdefghijkl"}, "no dataset owner/none"),
        (("--hub", "board"), {}, "not OWNER/NAME"),
        (("--hub", "../../x"), {}, "not OWNER/NAME"),
        (("--hub", "owner/board", "--bundle"), {}, "give one"),
        (("--hub", "owner/board"), {"HF_HUB_OFFLINE": "1"}, "forbids network access"),
    ],
)
def test_what_keeps_a_pull_request_from_being_opened_is_told(
    folder: Path, arguments: tuple[str, ...], variables: dict[str, str], said: str
) -> None:
    with serving(Hub("owner/board", {})) as hub:
        done = in_new_process(
            "submit", "run-0", *SAID, *arguments, HF_ENDPOINT=hub.url, **variables
        )
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hf_abcdefghijkl" not in done.stderr
    assert hub.commits == []


def test_a_hub_that_refuses_is_told(folder: Path) -> None:
    with serving(Hub("owner/board", {}, refuse=(403, {}))) as hub:
        done = in_new_process(
            *("submit", "run-0", *SAID, "--hub", "owner/board"),
            HF_ENDPOINT=hub.url,
            HF_TOKEN="hf_abcdefghijkl",
        )
    assert done.returncode == 2
    assert "refuses the token for owner/board" in done.stderr
    assert "nothing was submitted" in done.stderr


# --- verify


def test_verify_leaves_its_outcome_beside_the_submission(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "verify", SUBMISSION, "--seed", "7")
    assert code == 0
    assert out.startswith("2026-01-31-a-method: verified\n")
    written = json.loads((folder / SUBMISSION / "verification.json").read_text())
    assert written["badge"] == "verified"
    assert {"python", "deepprune-sim", "numpy", "pyarrow"} == set(written["versions"])
    assert written["verified_at"]
    assert badge_of(read_files(folder / SUBMISSION)) == "verified"
    code, out, _ = call(capsys, "verify", SUBMISSION, "--json", "--no-rerun", "--dry-run")
    (printed,) = json.loads(out)
    assert (printed["badge"], printed["kept"]) == ("verified", True)
    assert printed["remarks"] == [
        "not checked again: the rerun was not requested; verified on "
        f"{written['verified_at'][:10]} stands"
    ]
    again = json.loads((folder / SUBMISSION / "verification.json").read_text())
    assert again == written


def test_only_what_changed_is_verified_and_the_rest_is_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "submissions/2026-01-31-other"
    shutil.copytree(folder / SUBMISSION, folder / other)
    calls = ("verify", SUBMISSION, other, "--no-rerun", "--changed")
    code, out, _ = call(capsys, *calls)
    assert code == 0
    assert out.count(": recomputed\n") == 2
    assert out.endswith("0 of 2 unchanged since they were verified\n")
    assert call(capsys, *calls)[:2] == (0, "2 of 2 unchanged since they were verified\n")
    toml = folder / other / "submission.toml"
    toml.write_text(toml.read_text().replace("Two words.", "Three words here."))
    code, out, _ = call(capsys, *calls, "--json", "--dry-run")
    printed = json.loads(out)
    assert (code, printed["unchanged"]) == (0, 1)
    (only,) = printed["submissions"]
    assert (only["submission"], only["remarks"]) == (
        "2026-01-31-other",
        [
            "description changed",
            "has the same policy, parameters and N as 2026-01-31-a-method",
            "its method's name, 'A method', looks like that of 2026-01-31-a-method, 'A method'",
        ],
    )
    (folder / other / "policy.py").write_text("")
    code, out, _ = call(capsys, *calls, "--markdown")
    assert code == 1
    assert "badge: recomputed → none, because policy.py changed; well-formed: policy.py: " in (
        out.replace("\\", "")
    )
    assert "### 2026\\-01\\-31\\-a\\-method" not in out
    assert out.endswith("Unchanged since they were verified: 1.\n")


def test_a_verification_inside_a_bundle_counts_for_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "verify", SUBMISSION, "--seed", "7")
    bundle = shutil.make_archive("2026-01-31-a-method", "zip", "submissions", "2026-01-31-a-method")
    with zipfile.ZipFile(bundle) as packed, zipfile.ZipFile("b.zip", "w") as files:
        for name in packed.namelist():
            if not name.endswith("/"):
                files.writestr(name, packed.read(name))
    Path("b.zip").replace(bundle)
    code, out, _ = call(capsys, "verify", bundle, "--no-rerun", "--changed")
    assert code == 0
    assert out.startswith("2026-01-31-a-method: recomputed\n")
    assert "came with a verification.json, which was ignored" in out


def test_verify_keeps_a_run_of_its_own_which_others_read_as_any(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one true rerun with all 64 repeats, by command: it is what `run` makes of the seed."""
    code, out, _ = call(capsys, "verify", SUBMISSION, "--seed", "7")
    assert code == 0
    written = json.loads((folder / SUBMISSION / "verification.json").read_text())
    own = folder / SUBMISSION / "verified"
    assert written["verified_sha256"] == {
        name: hashlib.sha256((own / name).read_bytes()).hexdigest()
        for name in ("answers.parquet", "decisions.parquet", "run.json", "summary.json")
    }
    assert "verified" not in written
    assert verified_folder(folder / SUBMISSION) == own
    run = ("run", "short-2@4", "--seed", "7", "--repeats", "64", "-o", "again")
    assert call(capsys, *run)[0] == 0
    for name in ("answers.parquet", "decisions.parquet"):
        assert (
            pq.read_table(own / name).to_pylist()
            == pq.read_table(folder / "again" / name).to_pylist()
        )
    assert json.loads((own / "summary.json").read_text()) == json.loads(
        (folder / "again/summary.json").read_text()
    )
    (result,), (same,) = read_results(own), read_results(folder / "again")
    assert (result.seed, result.repeats, result.metrics) == (7, 64, same.metrics)
    (sums,) = read_problem_sums(own).values()
    assert sums.repeats == 64
    value = result.value("accuracy")
    assert f"test/model/tiny: accuracy {value:.1%}, " in out.replace("\n" + " " * 15, " ")
    assert "(submitted: " in out.replace("\n" + " " * 15, " ")


def test_a_forged_outcome_counts_for_nothing_once_a_file_changes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "verify", SUBMISSION, "--seed", "7")
    edit_json(folder / SUBMISSION / "run.json", lambda run: run.update(jobs=99))
    assert badge_of(read_files(folder / SUBMISSION)) == "self-reported"
    edit_json(
        folder / SUBMISSION / "summary.json",
        lambda each: each["pools"][0]["metrics"]["accuracy"].update(value=1.0),
    )
    code, out, _ = call(capsys, "verify", SUBMISSION)
    assert code == 1
    assert out.startswith("2026-01-31-a-method: no badge\n")
    assert badge_of(read_files(folder / SUBMISSION)) is None


def test_dry_run_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, _ = call(capsys, "verify", SUBMISSION, "--no-rerun", "--dry-run")
    assert code == 0
    assert not (folder / SUBMISSION / "verification.json").exists()


def test_one_that_crashes_the_reader_leaves_the_others_verified(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = folder / "submissions/2026-01-31-bad"
    shutil.copytree(folder / SUBMISSION, bad)
    (bad / "decisions.parquet").write_bytes(b"PAR1" + b"\xff" * 200 + b"PAR1")
    link = folder / "submissions/2026-01-31-link"
    link.symlink_to("/")
    code, out, err = call(capsys, "verify", str(bad), str(link), SUBMISSION, "--no-rerun")
    assert code == 1
    assert out.splitlines()[0] == "2026-01-31-bad: no badge"
    assert "2026-01-31-link: no badge" in out
    assert "2026-01-31-a-method: recomputed" in out
    assert "Traceback" not in out + err
    assert not Path("/verification.json").exists()


def crash(*arguments: Any) -> None:
    os.abort()


def spin(*arguments: Any) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("work", "seconds", "said"),
    [
        (crash, 60.0, "a file of it crashes the reader (signal 6)"),
        (spin, 2.0, "verifying it took too long and was given up"),
    ],
)
def test_a_crash_or_a_hang_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, work: Any, seconds: float, said: str
) -> None:
    monkeypatch.setattr("simulator.verification.verify._work", work)
    found = verify(folder / SUBMISSION, Options(folder / "pools", timeout=seconds))
    assert found.badge is None
    assert found.steps[0].findings == [said]


def test_markdown_shows_what_a_stranger_wrote_as_text(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / SUBMISSION / "[x](javascript:alert(1))<img src=x>@everyone.py").write_text("")
    code, out, _ = call(capsys, "verify", SUBMISSION, "--markdown", "--no-rerun")
    assert code == 1
    assert "**no badge**" in out
    assert "| well-formed | failed |" in out
    assert "](javascript" not in out
    assert "<img" not in out
    assert "@everyone" not in out
    assert "javascript" in out  # it is told, as text


@pytest.mark.parametrize(
    "text", ["[a](b)", "<b>", "![a](b)", "`x`", "a|b", "@me", "# h", "https://x.org", "\n- x"]
)
def test_escaped_text_has_nothing_that_markdown_acts_on(text: str) -> None:
    escaped = escape(text)
    assert "\n" not in escaped
    for mark in ("<", ">", "@", "://"):
        assert mark not in escaped
    for place, character in enumerate(escaped):
        if character in "[]()`|!" or (character == "#" and escaped[place - 1] != "&"):
            assert escaped[place - 1] == "\\"


def test_markdown_of_a_verified_submission_has_its_figures(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "verify", SUBMISSION, "--markdown", "--seed", "7")
    assert code == 0
    assert "**verified**" in out
    assert "| rerun | passed |" in out
    assert out.count("| test/model/tiny |") == 2


def test_wrong_calls_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (("verify",), "Missing argument"),
        (("verify", "nowhere"), "nowhere: no such submission"),
        (("verify", SUBMISSION, "--json", "--markdown"), "give one"),
    ):
        code, _, err = call(capsys, *arguments)
        assert code == 2
        assert said in err


@pytest.mark.parametrize(
    ("statuses", "synthetic", "withdrawn", "badge"),
    [
        (("passed", "passed", "passed"), False, False, "verified"),
        (("passed", "passed", "skipped"), False, False, "recomputed"),
        (("passed", "skipped", "skipped"), False, False, "self-reported"),
        (("passed", "passed", "passed"), True, False, "synthetic"),
        (("passed", "passed", "passed"), True, True, "withdrawn"),
        (("passed", "passed", "failed"), False, False, None),
        (("passed", "failed", "skipped"), True, False, None),
        (("failed", "skipped", "skipped"), False, False, None),
        (("skipped", "passed", "passed"), False, False, None),
    ],
)
def test_badges_follow_from_the_steps(
    statuses: tuple[Any, ...], synthetic: bool, withdrawn: bool, badge: str | None
) -> None:
    names = ("well-formed", "recomputed", "rerun")
    steps = [Step(name, status) for name, status in zip(names, statuses, strict=True)]
    assert decide_badge(steps, synthetic=synthetic, withdrawn=withdrawn) == badge


def test_withdrawn_is_said_in_the_submission(folder: Path) -> None:
    file = folder / SUBMISSION / "submission.toml"
    file.write_text(file.read_text() + 'withdrawn = "A mistake in the policy."\n')
    assert badge_of(read_files(folder / SUBMISSION)) == "withdrawn"
    found = verify(folder / SUBMISSION, Options(folder / "pools", run_again=False))
    assert found.badge == "withdrawn"


def test_the_view_of_submissions_has_badge_and_metadata(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "verify", SUBMISSION, "--no-rerun")
    hostile = folder / "submissions/2026-01-31-hostile"
    shutil.copytree(folder / SUBMISSION, hostile)
    (hostile / "run.json").write_text('{"a": NaN}')
    with connect(folder / "pools", None, folder / "submissions") as catalogue:
        (row,) = catalogue.rows("SELECT * FROM submissions")
        (broken,) = catalogue.broken
    assert (row["badge"], row["method"], row["authors"]) == (
        "recomputed",
        "A method",
        ["A. Author"],
    )
    assert (row["date"], row["pool"]) == ("2026-01-31", "test/model/tiny")
    assert row["verified_at"]
    assert broken.path.name == "2026-01-31-hostile"
    assert "NaN is not a JSON number" in broken.reason


def test_a_policy_of_ones_own_is_followed_to_its_row(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a policy file to a verified row, with the commands alone."""
    assert PROBLEMS
    policy = write_policy(folder, FIRST_TWO)
    code, _, _ = call(capsys, "run", policy, "-n", "4", "-o", "mine")
    assert code == 0
    code, _, _ = call(capsys, "submit", "mine", *SAID, *DAY)
    assert code == 0
    code, out, _ = call(capsys, "verify", "submissions/2026-01-31-my-method")
    assert code == 0
    assert out.startswith("2026-01-31-my-method: verified\n")
