"""One entry: authors, settings, policy source, commands, and figures by pool and problem."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from leaderboard_app.formulas.finding import answer_parts
from leaderboard_app.library.entry import DERIVED, LOCAL, Entry, Result, tokens_text
from leaderboard_app.library.library import Library
from leaderboard_app.library.pool_answers import readable
from leaderboard_app.shown.glossary import FIGURES, unsigned_zero
from leaderboard_app.shown.navigation import link
from leaderboard_app.shown.table import Cell, Column, Table
from simulator.catalogue.figures import ANSWERS, RECOMPUTED, VERIFIED
from simulator.catalogue.pool_rows import Stamp, stamp
from simulator.counting import GENERATED
from simulator.errors import UserError
from simulator.loading import is_builtin, load_policy
from simulator.pools.probe_cost import GIVEN
from simulator.runs.format import ANSWERS_FILE, METRICS, RUN_FILE
from simulator.runs.results import Metric, RunResult, serving_options

SHOWN = (
    "accuracy",
    "accuracy_difference",
    "reduction",
    "tokens_1e8",
    "tokens_per_problem",
    "clock",
)
"""Metrics that are shown by default."""

COMPARED = ("accuracy", "tokens_per_problem")
"""Metrics that are shown beside the submitted ones."""


@dataclass(frozen=True, slots=True)
class PolicySource:
    """A policy as its run recorded it; `note` compares it with the built-in policies."""

    source: str
    sha256: str
    file: str
    class_name: str
    note: str


def byline(entry: Entry) -> str:
    """Return authors, organisation and date on one line; empty if none is given."""
    said = (", ".join(entry.authors), entry.organisation, entry.date)
    return " · ".join(each for each in said if each)


def about_table(entry: Entry) -> Table:
    """Build the table of authors and details; only https addresses become links."""
    rows = {
        "Method": Cell(entry.method),
        "Authors": Cell(", ".join(entry.authors)),
        "Organisation": Cell(entry.organisation or ""),
        "Date": Cell(entry.date or ""),
        "Paper": _address(entry.paper or ""),
        "Code": _address(entry.code or ""),
        "Version": Cell(entry.version or ""),
        "Superseded by": _entry(entry.superseded_by),
        "Supersedes": _entry(entry.supersedes),
        "Verified": Cell(entry.verified_at or ""),
        "Figures": Cell(SOURCES[entry.basis], note=entry.note),
        "Needs": Cell(", ".join(entry.needs) or "nothing besides lengths and answers"),
        "Policy": Cell(entry.policy),
        "Settings": Cell(entry.picked_from, note="Picking the best of several favours it"),
        "Cost of a probe": Cell(probe_costs(entry), note="Tokens of its suffix and its answer"),
        "Tokens": Cell(_charging(entry), note="Counted for a trace"),
        "Repeats": Cell(f"{entry.repeats:,}", note="Orders of traces, averaged"),
        "Seed": Cell(str(entry.seed)),
    }
    if entry.unranked:
        rows["Rank"] = Cell("none", note="It uses ground truth: shown, not ranked")
    columns = (Column("what", "", numeric=False), Column("said", "", numeric=False))
    stated = tuple((Cell(name), cell) for name, cell in rows.items() if cell.text)
    return Table(f"About {entry.id}", columns, stated)


def probe_costs(entry: Entry) -> str:
    """Return what a probe costs in the entry's run, and its origin; empty if it makes no probes."""
    given = any(each.probe_source == GIVEN for each in entry.results.values())
    if "probes" not in entry.needs and not given:
        return ""
    found = {
        f"{tokens_text(each.probe_cost)}, {PROBE_SOURCES[each.probe_source]}": 1
        for each in entry.results.values()
        if each.probe_source in PROBE_SOURCES
    }
    return "; ".join(found)


def _charging(entry: Entry) -> str:
    """Return the way of counting tokens that the entry's run was given; empty for the usual."""
    found = {each.charging for each in entry.results.values()} - {GENERATED}
    return ", ".join(f"by --charging {each}" for each in sorted(found))


PROBE_SOURCES = {
    "pool": "as the pool records",
    "default": "the default",
    GIVEN: "by --probe-cost",
}
"""Origins of the cost of a probe, in words."""

SOURCES = {
    VERIFIED: "the verifier's own replays",
    RECOMPUTED: "recomputed here from the decisions and the pools",
    ANSWERS: "from the submitted answers: a pool is not on this machine",
}
"""Sources of an entry's figures, in words."""


def _entry(name: str | None) -> Cell:
    return Cell(name, link=link("entry", entry=name)) if name else Cell()


def _address(text: str) -> Cell:
    return Cell(text, link=text if text.startswith("https://") else None)


def parameter_table(entry: Entry) -> Table:
    """Build the table of the policy's parameters, those set for the run first and bold."""
    names = sorted(entry.parameters, key=lambda name: (name not in entry.settings, name))
    rows = []
    for name in names:
        value = entry.parameters[name]
        said = value if isinstance(value, str) else json.dumps(value)
        was_set = name in entry.settings
        rows.append(
            (
                Cell(name, name, bold=was_set),
                Cell(said, said),
                Cell("set" if was_set else "default"),
            )
        )
    columns = (
        Column("parameter", "Parameter", numeric=False),
        Column("value", "Value", numeric=False),
        Column("origin", "", numeric=False, help="Set for this run, or the policy's default"),
    )
    return Table("Parameters", columns, tuple(rows))


@lru_cache(maxsize=256)
def _run_record(path: Path, of: Stamp) -> Mapping[str, Any]:
    """Read `run.json`; empty if it cannot be read."""
    try:
        fields = json.loads((path / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def policy_source(entry: Entry) -> PolicySource | None:
    """Return the policy's recorded source, which is never run; None if there is none."""
    policy = _run_record(entry.path, stamp(entry.path)).get("policy")
    if not isinstance(policy, dict):
        return None
    names = ("source", "sha256", "file", "class")
    source, sha256, file, class_name = (policy.get(name) for name in names)
    if not isinstance(source, str) or not source:
        return None
    name = str(policy.get("name"))
    note = "A policy file of the submitter, not a built-in method."
    if is_builtin(name):
        try:
            same = load_policy(name).sha256 == sha256
        except UserError:
            same = False
        note = (
            f"The built-in method {name} of this version."
            if same
            else f"It has the name of the built-in method {name}, but another source."
        )
    return PolicySource(source, str(sha256), str(file), str(class_name), note)


def commands(entry: Entry, submissions: str = "submissions") -> list[str]:
    """Return the commands that repeat the run, and verify a submission or derive a derived row.

    They are built from the run's record, and every text of a submitter is quoted for the shell.
    `submissions` is the folder of submissions in them.
    """
    record = _run_record(entry.path, stamp(entry.path))
    policy = record.get("policy") if isinstance(record.get("policy"), dict) else {}
    assert isinstance(policy, dict)
    submitted = entry.badge not in (LOCAL, DERIVED)
    folder = f"{submissions}/{entry.id}"
    named = entry.policy
    if not is_builtin(named):
        file = f"{folder}/policy.py" if submitted else str(policy.get("file", named))
        named = f"{file}@{policy.get('class', '')}".removesuffix("@")
    parts = ["deepprune-sim", "run", named]
    for result in entry.results.values():
        parts += ["-d", result.pool]
    settings = policy.get("settings")
    for name, value in settings.items() if isinstance(settings, dict) else ():
        parts += ["-p", f"{name}={str(value).replace(',', chr(92) + ',')}"]
    budget = record.get("budget")
    if isinstance(budget, int):
        parts += ["-n", str(budget)]
    repeats, seed = (record.get(name) for name in ("repeats", "seed"))
    parts += ["--repeats", str(repeats), "--seed", str(seed)]
    parts += [*serving_options(record.get("serving")), *_judge(record)]
    given = {each.probe_cost for each in entry.results.values() if each.probe_source == GIVEN}
    parts += [part for cost in sorted(given)[:1] for part in ("--probe-cost", cost)]
    charging = {each.charging for each in entry.results.values()} - {GENERATED}
    parts += [part for each in sorted(charging) for part in ("--charging", each)]
    found = [shlex.join(parts)]
    if submitted:
        found.append(shlex.join(["deepprune-sim", "verify", folder]))
    if entry.badge == DERIVED:
        pools = [part for each in entry.results.values() for part in ("--derive", each.pool)]
        found.append(shlex.join(["deepprune-sim", "leaderboard", *pools]))
    return found


def _judge(record: Mapping[str, Any]) -> list[str]:
    """Return the judge's options, as given on the command line or else by its name."""
    judge, given = record.get("judge"), record.get("command")
    if not isinstance(judge, dict):
        return []
    if isinstance(given, list) and "--judge" in given[:-1]:
        return ["--judge", str(given[given.index("--judge") + 1])]
    return ["--judge", str(judge.get("name"))]


def results_of(entry: Entry, *, synthetic: bool) -> list[Result]:
    """Return the entry's results on generated traces, or those on real ones, by pool."""
    found = [each for each in entry.results.values() if each.synthetic == synthetic]
    return sorted(found, key=lambda each: each.column)


def pool_table(results: Sequence[Result], *, every: bool = False) -> Table:
    """Build the table of figures by pool, with intervals: those in `SHOWN`, or `every` one."""
    measured = [name for name in METRICS if any(name in each.metrics for each in results)]
    names = [name for name in measured if every or name in SHOWN]
    columns = [
        Column("pool", "Pool", numeric=False),
        Column("problems", "Problems", help="Problems in this pool"),
        Column("budget", "N", help="Maximum number of traces per problem"),
    ]
    columns += [
        Column(
            name,
            FIGURES[name].heading,
            help=FIGURES[name].help,
            descending=FIGURES[name].lower_is_better is False,
        )
        for name in names
    ]
    rows = [
        (
            Cell(result.column, result.column, link=link("data", pool=result.pool)),
            Cell(f"{result.problems:,}", result.problems),
            Cell(str(result.budget), result.budget),
            *(figure_cell(name, result.metrics.get(name), result) for name in names),
        )
        for result in results
    ]
    note = "In brackets: 95% interval, over problems."
    return Table("Figures by pool", tuple(columns), tuple(rows), (note,))


def submitted_table(entry: Entry, submitted: Sequence[RunResult]) -> Table:
    """Build the table of an entry's figures beside those that were submitted."""
    by_pool = {result.pool: result for result in entry.results.values()}
    pairs = [(by_pool[each.pool], each) for each in submitted if each.pool in by_pool]
    columns = [Column("pool", "Pool", numeric=False)]
    columns += [
        Column(f"{name}{suffix}", heading, FIGURES[name].heading, FIGURES[name].help)
        for name in COMPARED
        for suffix, heading in (("", "verifier's"), ("_submitted", "submitted"))
    ]
    rows = [
        (
            Cell(result.column, result.column),
            *(
                figure_cell(name, each.get(name), result)
                for name in COMPARED
                for each in (result.metrics, own.metrics)
            ),
        )
        for result, own in pairs
    ]
    first = submitted[0]
    note = (
        f"Submitted: seed {first.seed}, {first.repeats} repeats. The verifier's: seed "
        f"{entry.seed}, {entry.repeats} repeats. The board shows and ranks by the verifier's, "
        "whose seed nobody could choose. In brackets: 95% interval over problems."
    )
    return Table("As submitted", tuple(columns), tuple(rows), (note,))


def figure_cell(name: str, metric: Metric | None, result: Result) -> Cell:
    """Build the cell of a figure with its interval in brackets."""
    cell = FIGURES[name].cell(metric, missing="Not measured in this run.", brackets=True)
    return replace(cell, note=f"in {result.clock_unit}") if name == "clock" and metric else cell


@dataclass(frozen=True, slots=True)
class ProblemFigures:
    """An entry's results on one problem, averaged over repeats; shares are fractions.

    `answers` are its answers with their counts, most common first.
    """

    problem_id: str
    accuracy: float
    baseline_accuracy: float
    tokens: float
    baseline_tokens: float
    clock: float
    judge_calls: float
    answers: tuple[tuple[str | None, int], ...]

    @property
    def saved(self) -> float:
        """Share of the tokens of cons@N that it did not generate."""
        return 1 - self.tokens / self.baseline_tokens if self.baseline_tokens else 0.0


def problem_figures(library: Library, entry: Entry, result: Result) -> list[ProblemFigures]:
    """Return the entry's results on each problem of a pool, sorted by problem id.

    Raises
    ------
    UserError
        Its answers cannot be read.
    """
    return figures_by_pool(library, entry, [result.pool]).get(result.pool, [])


def figures_by_pool(
    library: Library, entry: Entry, pools: Sequence[str]
) -> dict[str, list[ProblemFigures]]:
    """Return the entry's results on each problem of several pools, as `problem_figures` does.

    Raises
    ------
    UserError
        Its answers cannot be read.
    """
    file = str(entry.figures.resolve() / ANSWERS_FILE)
    with readable(f"{entry.id}: its answers"):
        rows = library.rows(
            "SELECT pool, problem_id, avg(correct::INT) AS accuracy, avg(tokens) AS tokens, "
            "avg(baseline_correct::INT) AS baseline_accuracy, avg(clock) AS clock, "
            "avg(baseline_tokens) AS baseline_tokens, avg(judge_calls) AS judge_calls "
            "FROM read_parquet(?) WHERE list_contains(?, pool) "
            "GROUP BY pool, problem_id ORDER BY pool, problem_id",
            [file, [*pools]],
        )
        said = library.rows(
            "SELECT pool, problem_id, answer, count(*) AS times FROM read_parquet(?) "
            "WHERE list_contains(?, pool) GROUP BY pool, problem_id, answer "
            "ORDER BY pool, problem_id, times DESC, answer",
            [file, [*pools]],
        )
    answers: dict[tuple[str, str], list[tuple[str | None, int]]] = {}
    for row in said:
        answer = (row["answer"], row["times"])
        answers.setdefault((row["pool"], row["problem_id"]), []).append(answer)
    found: dict[str, list[ProblemFigures]] = {}
    for row in rows:
        pool = row.pop("pool")
        own = tuple(answers[pool, row["problem_id"]])
        found.setdefault(pool, []).append(ProblemFigures(**row, answers=own))
    return found


def problem_table(entry: Entry, result: Result, problems: Sequence[ProblemFigures]) -> Table:
    """Build the table of problems, each linked to its replay."""
    judged = asked_a_judge(problems)
    rows = []
    for each in problems:
        to = link("problem", entry=entry.id, pool=result.pool, problem=each.problem_id)
        first = Cell(each.problem_id, each.problem_id, link=to)
        rows.append((first, *problem_cells(each, judged=judged)))
    return Table(f"Problems of {result.pool}", problem_columns(result, judged=judged), tuple(rows))


def asked_a_judge(problems: Sequence[ProblemFigures]) -> bool:
    """Return True if the entry asked a judge on any of the problems."""
    return any(each.judge_calls for each in problems)


def problem_columns(result: Result, *, judged: bool) -> tuple[Column, ...]:
    """Return the columns of the table of problems; that of judge calls if `judged`."""
    columns = [
        Column("problem", "Problem", numeric=False),
        Column("accuracy", "Right, %", help="Share of repeats in which it is right"),
        Column(
            "to_cons",
            f"vs cons@{result.budget}, points",
            help="Right, % minus that of cons@N on the same traces",
        ),
        Column("tokens", "Tokens", help="Total of all traces, mean over repeats", descending=True),
        Column("saved", "Fewer tokens, %", help=FIGURES["reduction"].help, descending=True),
        Column("saved_tokens", "Saved tokens", help="cons@N minus the entry", descending=True),
        Column("answers", "Answers", numeric=False, help="Answers and their counts"),
        Column("clock", f"Clock, {result.clock_unit}", help="Mean over repeats", descending=True),
    ]
    if judged:
        columns.append(Column("judge", "Judge calls", help="Mean over repeats", descending=True))
    return tuple(columns)


def problem_cells(each: ProblemFigures, *, judged: bool) -> list[Cell]:
    """Build the cells of a problem's `problem_columns`, without the first."""
    difference = each.accuracy - each.baseline_accuracy
    saved_tokens = each.baseline_tokens - each.tokens
    cells = [
        Cell(f"{100 * each.accuracy:.0f}", each.accuracy),
        Cell(unsigned_zero(f"{100 * difference:+.0f}"), difference),
        Cell(f"{each.tokens:,.0f}", each.tokens),
        Cell(f"{100 * each.saved:z.1f}", each.saved),
        Cell(f"{saved_tokens:z,.0f}", saved_tokens),
        Cell(
            answers_text(each.answers),
            answers=tuple(_shortened(said) for said, _ in each.answers if said is not None),
        ),
        Cell(f"{each.clock:,.1f}", each.clock),
    ]
    if judged:
        cells.append(Cell(f"{each.judge_calls:,.1f}", each.judge_calls))
    return cells


def answers_text(answers: Sequence[tuple[str | None, int]], most: int = 3) -> str:
    """Return text such as `204 ×3, 203`, most common first; `none` for no answer."""
    parts = [
        ("none" if answer is None else _shortened(answer)) + (f" ×{times}" if times > 1 else "")
        for answer, times in answers[:most]
    ]
    more = [f"{len(answers) - most} more"] if len(answers) > most else []
    return ", ".join([*parts, *more])


def _shortened(answer: str) -> str:
    """Return an answer on one line, cut at 24 characters; the LaTeX of a formula at 80."""
    line = " ".join(answer.split())
    fits = len(line) <= 80 and any(each.formula for each in answer_parts(line))
    return line if fits else line[:24]
