"""The recording of live runs: all that a model generated, kept as it comes.

    recording.json       model, sampling, prompts, versions
    problems.jsonl       id, question, answer and kind of each problem
    traces/000.jsonl     what was generated of the first problem's traces, one line at a time
    runs/                decisions and answers of the policies that used it

A line of `traces` is a piece of a trace (`trace`, `at` how many tokens it begins, `ids`, `text`,
`ends`, a list by signal and, with its last, `finish_reason`, `answer` and `class`) or probes
(`probes`: trace, tokens, text, answer, class; a list by probe signal). Lines are only added. One
that was cut off by the end of a process is dropped; one that is missing is an error.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from simulator.errors import UserError
from simulator.live.growing import GrowingProblem, LivePool
from simulator.live.source import Piece, ProbeReply, Sampling
from simulator.pools.pool import PoolInfo
from simulator.signals import PROBE_SIGNALS
from simulator.storage import locked, open_plain, parse_json, read_plain_text, read_versioned

FORMAT = 1
"""Version of the format of recordings."""

ABOUT_FILE, PROBLEMS_FILE = "recording.json", "problems.jsonl"

RUNS_FOLDER, LIVE_FILE = "runs", "live.json"
"""Folder of the live runs, and the file of each that tells its settings and figures."""


@dataclass(frozen=True)
class LiveProblem:
    """A problem to be solved live; without an answer, what is generated cannot be graded."""

    problem_id: str
    question: str
    answer: str
    answer_kind: str


class Journal:
    """The file of one problem's traces, to which lines are added."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def add_pieces(self, pieces: Sequence[Piece], problem: GrowingProblem) -> None:
        """Add what was generated; the problem has it already."""
        behind: Counter[int] = Counter()  # tokens of each trace that are still to be written
        for piece in pieces:
            behind[piece.row] += len(piece.ends)
        for piece in pieces:
            line: dict[str, Any] = {
                "trace": piece.row,
                "at": int(problem.available[piece.row]) - behind[piece.row],
                "ids": list(piece.token_ids),
                "text": piece.text,
                "ends": list(piece.ends),
                **{name: values.tolist() for name, values in piece.signals.items()},
            }
            if piece.finish_reason is not None:
                line["finish_reason"] = piece.finish_reason
                line["answer"] = problem.answers[piece.row]
                line["class"] = int(problem.answer_class[piece.row])
            self._write(line)
            behind[piece.row] -= len(piece.ends)
        self._file.flush()

    def add_probes(
        self,
        problem: GrowingProblem,
        places: Sequence[tuple[int, int]],
        replies: Sequence[ProbeReply],
        answers: Sequence[str | None],
        kinds: Sequence[int],
    ) -> None:
        """Add probes: what the model said, the answers found in it, and their classes."""
        rows = zip(places, [reply.text for reply in replies], answers, kinds, strict=True)
        line: dict[str, Any] = {"probes": [[*place, *said] for place, *said in rows]}
        for name in problem.probe_signals:
            numbers = [reply.signals.get(name, math.nan) for reply in replies]
            line[name] = [None if math.isnan(number) else number for number in numbers]
        self._write(line)
        self._file.flush()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")


class Recording:
    """A recording in a folder, opened for adding to it.

    Parameters
    ----------
    folder
        The recording's folder.
    about
        Contents of `recording.json`.
    problems
        The problems, in order.
    """

    def __init__(
        self, folder: Path, about: Mapping[str, Any], problems: Sequence[LiveProblem]
    ) -> None:
        self.folder = folder
        self.about = about
        self.problems = problems

    @property
    def sampling(self) -> Sampling:
        """Settings of sampling and prompts."""
        return Sampling(**self.about["sampling"])

    @property
    def settings(self) -> list[tuple[str, Any]]:
        """Names and values of all that the generated traces depend on."""
        return [*self.about["engine"].items(), *self.about["sampling"].items()]

    @property
    def info(self) -> PoolInfo:
        """Description of the pool that the recording makes."""
        about = self.about
        return PoolInfo(
            about["dataset"],
            Path(about["engine"]["model"]).name,
            about["benchmark"],
            "live",
            str(FORMAT),
            "exact",
            signals=about["signals"],
            probe_cost=about["probe_cost"],
        )

    @property
    def budget(self) -> int:
        """Most traces a problem that the live runs of its policies could start; 0 without any."""
        runs = [*(self.folder / RUNS_FOLDER).glob(f"*/{LIVE_FILE}")]
        return max((_budget_of(file) for file in runs), default=0)

    @contextmanager
    def opened(self, number: int, traces: int) -> Iterator[tuple[GrowingProblem, Journal]]:
        """Open the traces of a problem, at least this many, and the journal to add to.

        Raises `UserError` if a line is not as it was written, or another process adds to it.
        """
        path = self._journal(number)
        path.parent.mkdir(exist_ok=True)

        def taken(holder: str) -> UserError:
            return UserError(f"{self.folder}: another process{holder} is recording there")

        with locked(path, taken):
            problem, size = self._read(number, traces)
            if path.exists():
                os.truncate(path, size)
            with path.open("a", encoding="utf-8") as file:
                yield problem, Journal(file)

    def read(self, number: int, traces: int = 0) -> GrowingProblem:
        """Read the traces of a problem, at least this many, without adding to them.

        Raises `UserError` if a line is not as it was written.
        """
        return self._read(number, traces)[0]

    def _read(self, number: int, traces: int) -> tuple[GrowingProblem, int]:
        """Return a problem, and the size of its journal without a line that is not complete."""
        about, path = self.problems[number], self._journal(number)
        lines, size = _lines(path) if path.exists() else ([], 0)
        rows = [line["trace"] for line in lines if "trace" in line]
        problem = GrowingProblem(
            LivePool(self.info),
            about.problem_id,
            about.question,
            about.answer,
            about.answer_kind,
            max([traces, *(row + 1 for row in rows)]),
            self.about["probe_interval"],
        )
        try:
            _restore(problem, lines)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(f"{path}: not a journal of traces ({error}); remove it") from None
        return problem, size

    def _journal(self, number: int) -> Path:
        return self.folder / "traces" / f"{number:03d}.jsonl"


def _budget_of(file: Path) -> int:
    try:
        return int(parse_json(read_plain_text(file))["budget"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{file}: not the figures of a live run ({error}); remove it") from None


def _lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the lines of a journal and their size, without one that is not complete."""
    with open_plain(path) as (file, size):
        content = file.read(size)
    whole = content.rfind(b"\n") + 1
    lines = []
    for number, line in enumerate(content[:whole].split(b"\n")[:-1], 1):
        try:
            fields = parse_json(line.decode())
        except ValueError as error:
            raise UserError(f"{path}:{number}: not JSON ({error}); remove the file") from None
        if not isinstance(fields, dict):
            raise UserError(f"{path}:{number}: not an object; remove the file")
        lines.append(fields)
    return lines, whole


def _restore(problem: GrowingProblem, lines: Sequence[Mapping[str, Any]]) -> None:
    """Bring a problem to where its journal ends."""
    pieces, answers, places, kinds = [], [], [], []
    told: list[dict[str, float]] = []
    tokens_of: Counter[int] = Counter()
    for line in lines:
        if "probes" in line:
            for row, tokens, _, answer, kind in line["probes"]:
                problem.name_class(kind, answer)
                places.append((row, tokens))
                kinds.append(kind)
            told += _told(line, problem.probe_signals)
            continue
        if line["at"] != tokens_of[line["trace"]]:
            raise ValueError(f"tokens of trace {line['trace']} are missing before {line['at']}")
        tokens_of[line["trace"]] += len(line["ends"])
        pieces.append(
            Piece(
                line["trace"],
                line["ids"],
                line["text"],
                line["ends"],
                {name: np.array(line[name], dtype=np.uint16) for name in problem.token_signals},
                line.get("finish_reason"),
            )
        )
        if "finish_reason" in line:
            problem.name_class(line["class"], line["answer"])
            answers.append((line["trace"], line["answer"], line["class"]))
    problem.extend(pieces)
    for row, answer, kind in answers:
        problem.set_answer(row, answer, kind)
    problem.set_probes(places, kinds, told)


def _told(line: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, float]]:
    """Return the probe signals of each probe in a line of a journal, those that are known."""
    told: list[dict[str, float]] = [{} for _ in line["probes"]]
    for name in names:
        for signals, number in zip(told, line[name], strict=True):
            if number is not None:
                signals[name] = float(number)
    return told


def create(
    folder: Path,
    problems: Sequence[LiveProblem],
    about: Mapping[str, Any],
) -> Recording:
    """Make a recording's folder, or open the one that is there for the same model and problems.

    Raises
    ------
    UserError
        As from `check_folder`.
    """
    check_folder(folder, problems, about)
    file = folder / ABOUT_FILE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PROBLEMS_FILE).write_text(_text_of(problems), encoding="utf-8")
        temporary = file.with_suffix(".tmp")
        temporary.write_text(
            json.dumps({"format": FORMAT, **about}, indent=2, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )
        temporary.rename(file)
    return open_recording(folder)


def check_folder(folder: Path, problems: Sequence[LiveProblem], about: Mapping[str, Any]) -> None:
    """Check that a recording of these problems with these settings is in a folder, or can be made.

    A recording of an earlier version has no probe signals, and goes on without.

    Raises
    ------
    UserError
        The folder holds something else, or a recording with other settings.
    """
    if not (folder / ABOUT_FILE).exists():
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise UserError(f"{folder}: there already, and not a recording; give another -o")
        return
    found = open_recording(folder)
    differing = [
        key
        for key, value in about.items()
        if found.about.get(key) != value
        and not (key == "signals" and _lacks_probe_signals(found.about[key], value))
    ]
    if read_plain_text(folder / PROBLEMS_FILE) != _text_of(problems):
        differing.append("problems")
    if differing:
        raise UserError(
            f"{folder}: a recording with other {' and '.join(differing)}; give another -o"
        )


def _lacks_probe_signals(recorded: Sequence[str], given: Sequence[str]) -> bool:
    """Check whether a recording has all signals that are given but probe signals."""
    return list(recorded) == [name for name in given if name not in PROBE_SIGNALS]


def _text_of(problems: Sequence[LiveProblem]) -> str:
    return "".join(json.dumps(asdict(problem), ensure_ascii=False) + "\n" for problem in problems)


def open_recording(folder: Path) -> Recording:
    """Open a recording.

    Raises
    ------
    UserError
        There is none, or it is damaged.
    """
    file = folder / ABOUT_FILE
    try:
        checked = read_versioned(
            file, "a recording", FORMAT, "record again", kind="recording format"
        )
    except FileNotFoundError:
        raise UserError(f"{folder}: no recording here ({ABOUT_FILE} is missing)") from None
    try:
        lines = read_plain_text(folder / PROBLEMS_FILE).removesuffix("\n").split("\n")
        problems = [LiveProblem(**parse_json(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{folder / PROBLEMS_FILE}: {error}; record again") from None
    return Recording(folder, checked.fields, problems)
