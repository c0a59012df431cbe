"""A board of many verified submissions on nine pools, for measurements.

    python benchmarks/made_board.py FOLDER --submissions 5000

Pools are the nine generated cells with 30, 30 and 198 problems, passed off as recorded ones. A few
built-in methods are replayed on them; each submission is one of these with other parameters, whose
verified answers are right a little more or less often, at other lengths. What differs is written,
all else is a hard link, so that thousands take minutes and little space.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard_app.library.folders import Folders
from simulator.arrow import numpy_array
from simulator.catalogue.figures import Pools, derive
from simulator.errors import UserError
from simulator.generated.cells import Size, select_cells
from simulator.generated.pools import make_pool, pool_folder
from simulator.loading import load_policy
from simulator.pools.pool import Pool
from simulator.replay.serving import Serving
from simulator.runs.format import ANSWERS_FILE, DECISIONS_FILE, FILES, RUN_FILE, SUMMARY_FILE
from simulator.runs.making import make_run
from simulator.runs.spec import RunSpec
from simulator.storage import file_sha256
from simulator.submissions.badges import STEPS, Step, Verification
from simulator.submissions.files import METADATA, VERIFICATION, VERIFIED, read_files
from simulator.submissions.metadata import read_metadata

PUBLISHED = Path(__file__).parents[1] / "submissions/published.toml"

METHODS = ("asc", "cons@16", "esc", "sac", "parallel-probe", "short-3@16", "deepconf-low")

TRACES, REPEATS = 32, 16

FIRST = date(2025, 1, 1)


def board_in(root: Path) -> Folders:
    """Return the folders of a board below `root`."""
    return Folders(root / "pools", root / "runs", root / "submissions")


def make_board(
    root: Path, count: int, *, problems: tuple[int, int] = (30, 198), repeats: int = REPEATS
) -> Folders:
    """Make folders with nine pools and `count` verified submissions with figures of their own.

    `problems` are those of AIME and of GPQA.
    """
    folders = board_in(root)
    size = Size("board", *problems, traces=TRACES, shrink=20)
    pools = []
    for cell in select_cells(()):
        make_pool(folders.cache, cell, size)
        pools.append(_as_recorded(pool_folder(folders.cache, cell)))
    shutil.rmtree(folders.cache / "generated", ignore_errors=True)
    for method in METHODS:
        loaded = load_policy(method)
        budget = None if loaded.budget else TRACES
        spec = RunSpec(loaded, pools, budget, repeats, 0, Serving())
        make_run(spec, root / "replayed" / method)
    folders.submissions.mkdir()
    shutil.copy(PUBLISHED, folders.submissions)
    answers = {name: pq.read_table(root / "replayed" / name / ANSWERS_FILE) for name in METHODS}
    for number in range(count):
        method = METHODS[number % len(METHODS)]
        _submission(folders.submissions, root / "replayed" / method, answers[method], number)
    return folders


def _as_recorded(folder: Path) -> Pool:
    target = folder.parents[2] / "recorded" / folder.parent.name / folder.name
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
    file = target / "pool.json"
    info = json.loads(file.read_text(encoding="utf-8"))
    info |= {"dataset": "recorded", "synthetic": False}
    file.write_text(json.dumps(info), encoding="utf-8")
    return Pool(target)


def _submission(submissions: Path, run: Path, answers: pa.Table, number: int) -> None:
    """Write the submission with this number, and its verification."""
    day = (FIRST + timedelta(days=number % 600)).isoformat()
    name = f"{day}-{run.name.replace('@', '-')}-{number:04d}"
    folder = submissions / name
    (folder / VERIFIED).mkdir(parents=True)
    record = json.loads((run / RUN_FILE).read_text(encoding="utf-8"))
    record["policy"]["parameters"]["number"] = number
    record["policy"]["settings"]["number"] = str(number)
    summary = json.loads((run / SUMMARY_FILE).read_text(encoding="utf-8"))
    summary["parameters"]["number"] = number
    for seed, place in ((0, folder), (1000 + number, folder / VERIFIED)):
        made = {RUN_FILE: record | {"seed": seed}, SUMMARY_FILE: summary | {"seed": seed}}
        for file, content in made.items():
            (place / file).write_text(json.dumps(content), encoding="utf-8")
        os.link(run / DECISIONS_FILE, place / DECISIONS_FILE)
    os.link(run / ANSWERS_FILE, folder / ANSWERS_FILE)
    source = record["policy"]["source"]
    (folder / "policy.py").write_text(source, encoding="utf-8")
    (folder / METADATA).write_text(
        f'format = 1\nmethod = "{run.name} {number}"\nauthors = ["Author {number % 97}"]\n'
        f'organisation = "Institute {number % 41}"\ndate = {day}\n'
        f'description = "Variant {number} of {run.name}"\n',
        encoding="utf-8",
    )
    pq.write_table(_varied(answers, number), folder / VERIFIED / ANSWERS_FILE)
    _state_derived(folder / VERIFIED)
    _verify(folder)


def _varied(answers: pa.Table, number: int) -> pa.Table:
    """Return answers that are right a little more or less often, at other lengths."""
    generator = np.random.default_rng(number)
    right, tokens = numpy_array(answers["correct"]).copy(), numpy_array(answers["tokens"])
    changed = generator.random(len(right)) < abs(generator.normal(0, 0.06))
    right[changed] = generator.random() < 0.5
    tokens = np.rint(tokens * generator.lognormal(0, 0.3)).astype(np.int64) + 1
    for name, values in (("correct", right), ("tokens", tokens)):
        place = answers.column_names.index(name)
        column = pa.array(values, answers.field(place).type)
        answers = answers.set_column(place, answers.field(place), column)
    return answers


def _state_derived(folder: Path) -> None:
    """Write the summary that follows from the answers, with intervals as wide as before."""
    from simulator.catalogue.figures import _content, _from_answers
    from simulator.submissions.wellformed import open_run

    content = _content(folder)
    opened = open_run(content, bounded=False)
    entries = _from_answers(opened, range(len(opened.run.pools)), intervals=False)
    summary: dict[str, Any] = opened.summary
    for before, entry in zip(summary["pools"], entries, strict=True):
        for name, metric in entry["metrics"].items():
            known = before["metrics"][name]
            value = metric["value"]
            low, high, was = known["low"], known["high"], known["value"]
            if None not in (value, low, high):
                metric |= {"low": value - (was - low), "high": value + (high - was)}
            elif value is not None:
                metric |= {"low": low, "high": high}
            before["metrics"][name] = metric
    (folder / SUMMARY_FILE).write_text(json.dumps(summary), encoding="utf-8")


def _verify(folder: Path) -> None:
    files = read_files(folder)
    metadata, wrong = read_metadata(files.content[METADATA])
    if metadata is None:
        raise ValueError(wrong)
    steps = [Step(step, "passed") for step in STEPS]
    made = Verification(
        folder.name,
        "verified",
        steps,
        files.sha256,
        verified_sha256={name: file_sha256(folder / VERIFIED / name) for name in FILES},
        verified_at="2026-11-29T00:00:00+00:00",
        told=metadata.as_told(),
    )
    (folder / VERIFICATION).write_text(json.dumps(made.as_dict()), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--submissions", type=int, default=200)
    given = parser.parse_args()
    folders = make_board(given.folder, given.submissions)
    for folder in sorted(folders.submissions.iterdir())[:1]:
        try:
            derive(folder / VERIFIED, Pools(), by_verifier=True)
        except UserError as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
