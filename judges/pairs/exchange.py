"""Pairs as JSON lines: out, for other programs for training, and in, with labels of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from judges.kinds.prompting import Template
from judges.pairs.pair_sets import COUNTS, SCHEMAS, Group, PairSet, aside, check_new, write_set
from judges.pairs.splitting import rank
from judges.prefixes import Truncation
from simulator.errors import UserError, one_line
from simulator.storage import file_sha256, parse_json, read_plain_text

SIDES = ("train", "test")

TEXTS = ("problem", "trace_a", "trace_b")
"""Fields that each line of labelled pairs has, texts; and `same`, true or false."""

MORE = ("problem_id", "question", "model", "pool", "split")
"""Further fields, texts."""

SHOWN = 120
"""Most characters of a value in an error message."""


def as_lines(
    pairs: PairSet, sides: Sequence[str], truncation: Truncation, template: Template | None
) -> Iterator[str]:
    """Yield the pairs of some sides as JSON lines, in the order of the set.

    With a template, a line is `{"messages": […]}`: a conversation in which the user asks the prompt
    and the assistant answers with the label, as TRL and LLaMA-Factory read it. Without, it is a
    pair that `read_pairs` reads.

    Raises
    ------
    UserError
        The template has {question}, and a problem has no question.
    """
    for side in sides:
        for group in pairs.groups(side, truncation):
            if template is not None and template.asks_question and not group.question:
                raise UserError(
                    f"{pairs.folder}: problem {group.problem_id} has no question, which the prompt "
                    "asks; make the pairs again of pools with questions"
                )
            for (first, second), same in zip(
                group.pairs.tolist(), group.same.tolist(), strict=True
            ):
                if template is None:
                    line = _labelled(group, side, first, second, same)
                else:
                    line = _conversation(group, first, second, same, template)
                yield json.dumps(line, ensure_ascii=False) + "\n"


def _conversation(
    group: Group, first: int, second: int, same: bool, template: Template
) -> dict[str, Any]:
    asked = template.filled(group.prefixes[first], group.prefixes[second], group.question)
    label = template.same if same else template.different
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": label}]
    if template.system:
        messages.insert(0, {"role": "system", "content": template.system})
    return {"messages": messages}


def _labelled(group: Group, side: str, first: int, second: int, same: bool) -> dict[str, Any]:
    return {
        "split": side,
        "pool": group.pool,
        "model": group.model,
        "problem": group.problem,
        "problem_id": group.problem_id,
        "question": group.question,
        "id_a": first,
        "id_b": second,
        "trace_a": group.prefixes[first],
        "trace_b": group.prefixes[second],
        "whole_a": bool(group.whole[first]),
        "whole_b": bool(group.whole[second]),
        "same": same,
    }


@dataclass
class _Problem:
    """The traces and pairs of one problem of one pool, as they are read."""

    line: dict[str, str]
    texts: dict[int, tuple[str, bool]] = field(default_factory=dict)
    by_text: dict[str, int] = field(default_factory=dict)
    labels: dict[tuple[int, int], bool] = field(default_factory=dict)


def read_pairs(
    file: Path, folder: Path, truncation: Truncation, *, test_share: float, seed: int = 0
) -> PairSet:
    """Make a set of pairs from JSON lines of labelled pairs.

    Parameters
    ----------
    file
        Lines with `problem`, `trace_a` and `trace_b` (the two texts) and `same`. Further fields are
        optional: `id_a` and `id_b`, numbers of the traces, by default one for each text;
        `question`; `model` and `pool`, by default the file's name; `problem_id`, by default
        `problem`; `whole_a` and `whole_b`, true for a trace that is whole; and `split`, `train` or
        `test`, in all lines or none. Pairs of one problem and pool belong together.
    folder
        The folder to write, which must not exist.
    truncation
        The place where the texts were cut. They are stored as they are.
    test_share, seed
        Share of the problems to test on if the lines have no `split`, and the seed to draw them.

    Raises
    ------
    UserError
        A line is not a labelled pair, or contradicts another; or a problem is on both sides.
    """
    check_new(folder)
    problems = _read(file)
    sides = _sides(file, [each.line for each in problems], test_share, seed)
    with aside(folder) as temporary:
        counts = {each.line["pool"]: dict.fromkeys(COUNTS, 0) for each in problems}
        prefixes, pairs = [], []
        for each in problems:
            side = sides[each.line["problem"]]
            where = {"pool": each.line["pool"], "problem_id": each.line["problem_id"]}
            prefixes += [
                {
                    **where,
                    "trace_id": trace,
                    "truncation": str(truncation),
                    "prefix": text,
                    "whole": whole,
                }
                for trace, (text, whole) in sorted(each.texts.items())
            ]
            about = {name: each.line[name] for name in ("model", "problem", "question")}
            pairs += [
                {**where, **about, "split": side, "trace_a": a, "trace_b": b, "same": same}
                for (a, b), same in sorted(each.labels.items())
            ]
            counts[each.line["pool"]][f"{side}_pairs"] += len(each.labels)
            counts[each.line["pool"]][f"{side}_same"] += sum(each.labels.values())
        for name, rows in (("prefixes", prefixes), ("pairs", pairs)):
            pq.write_table(pa.Table.from_pylist(rows, SCHEMAS[name]), temporary / f"{name}.parquet")
        models = {each.line["pool"]: each.line["model"] for each in problems}
        given = any(each.line["split"] for each in problems)
        info = {
            "truncations": [str(truncation)],
            "traces": max(len(each.texts) for each in problems),
            "test_share": None if given else test_share,
            "seed": seed,
            "split": "as in the file" if given else "problem",
            "test_models": [],
            "pools": {
                name: {
                    "model": models[name],
                    "fingerprint": file_sha256(file),
                    "synthetic": False,
                    "licence": None,
                    **found,
                }
                for name, found in counts.items()
            },
        }
        write_set(temporary, folder, info)
    return PairSet(folder)


def _read(file: Path) -> list[_Problem]:
    """Read the problems of a file, in order."""
    problems: dict[tuple[str, str], _Problem] = {}
    try:
        lines = read_plain_text(file).split("\n")
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; give JSON lines of pairs") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read as text ({one_line(error)})") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            _add(problems, _parsed(line, f"{file}: line {number}"), file, number)
    if not problems:
        raise UserError(f"{file}: no pairs; give a line for each, with {', '.join(TEXTS)}, same")
    return list(problems.values())


def _parsed(line: str, where: str) -> dict[str, Any]:
    """Parse a line and check the types of its fields."""
    try:
        found = parse_json(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({error})") from None
    if not isinstance(found, dict):
        raise UserError(f"{where}: not an object with {', '.join(TEXTS)} and same")
    for name in TEXTS:
        if not isinstance(found.get(name), str):
            hint = (
                "; this is a conversation, which has no traces: export with --format pairs"
                if "messages" in found
                else ""
            )
            raise UserError(f"{where}: {name} is missing or no text{hint}")
    if found.get("same") not in (True, False):  # 1 and 0 are equal to them
        raise UserError(f"{where}: same is {_shown(found.get('same'))}; give true or false")
    for name in MORE:
        if not isinstance(found.get(name) or "", str):
            raise UserError(f"{where}: {name} is {_shown(found[name])}; give a text")
    if found.get("split") not in (None, "", *SIDES):
        raise UserError(f"{where}: split is {_shown(found['split'])}; give train or test")
    for name in ("id_a", "id_b"):
        value = found.get(name)
        if value is not None and (type(value) is not int or not 0 <= value < 2**31):
            raise UserError(f"{where}: {name} is {_shown(value)}; give a whole number from 0")
    return found


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:SHOWN]


def _add(
    problems: dict[tuple[str, str], _Problem], line: Mapping[str, Any], file: Path, number: int
) -> None:
    """Add a line's traces and its pair to its problem."""
    where = f"{file}: line {number}"
    about = {name: str(line.get(name) or "") for name in MORE} | {"problem": line["problem"]}
    about["model"] = about["model"] or file.stem
    about["pool"] = about["pool"] or f"{file.stem}/{about['model']}"
    about["problem_id"] = about["problem_id"] or about["problem"]
    problem = problems.setdefault((about["pool"], about["problem_id"]), _Problem(about))
    changed = sorted(name for name in about if problem.line[name] != about[name])
    if changed:
        raise UserError(
            f"{where}: problem {about['problem_id']} of {about['pool']} has another "
            f"{' and '.join(changed)} in an earlier line"
        )
    ids: list[int] = []
    for side in "ab":
        text, trace = line[f"trace_{side}"], line.get(f"id_{side}")
        if trace is None:
            trace = problem.by_text.get(text, -1)
            if trace < 0 or trace in ids:  # two traces may have the same text
                trace = max(problem.texts, default=-1) + 1
        known = problem.texts.setdefault(trace, (text, bool(line.get(f"whole_{side}"))))
        if known[0] != text:
            raise UserError(f"{where}: trace {trace} has another text in an earlier line")
        problem.by_text.setdefault(text, trace)
        ids.append(trace)
    first, second = sorted(ids)
    if first == second:
        raise UserError(f"{where}: id_a and id_b are the same trace")
    if problem.labels.setdefault((first, second), bool(line["same"])) != line["same"]:
        raise UserError(f"{where}: the same pair has the other label in an earlier line")


def _sides(
    file: Path, lines: Sequence[Mapping[str, str]], test_share: float, seed: int
) -> dict[str, str]:
    """Return the side of each problem: that of its lines, or drawn."""
    given = {line["split"] for line in lines}
    names = sorted({line["problem"] for line in lines}, key=lambda name: rank(seed, name))
    if given == {""}:
        tested = set(names[: round(test_share * len(names))])
        return {name: SIDES[name in tested] for name in names}
    if "" in given:
        raise UserError(f"{file}: some lines have a split and others none; give all or none")
    sides: dict[str, str] = {}
    for line in lines:
        if sides.setdefault(line["problem"], line["split"]) != line["split"]:
            raise UserError(
                f"{file}: problem {line['problem']} is on both sides; each belongs to one split"
            )
    return sides
