"""`deepprune-sim import`: make a pool from trace files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator import completion
from simulator.answers.equivalence import ANSWER_KINDS
from simulator.api.progress import stages_shown
from simulator.commands.options import (
    cache_option,
    counted,
    json_option,
    percent,
    print_json,
    workers_options,
)
from simulator.counting import EQUALITY, UNPARSED, Equality, Unparsed
from simulator.errors import UserError, nearest
from simulator.importers import FORMATS
from simulator.workers.opening import open_workers

if TYPE_CHECKING:
    from simulator.importers.import_pool import ImportReport
    from simulator.pools.summary import AnswerSummary
    from simulator.pools.writer import Disagreement
    from simulator.workers.executor import Workers

LEFT_OUT = "left out: "
"""Start of the notes in `pool.json` about rows left out, which have a line of their own here."""

SHOWN_DISAGREEMENTS = 10
"""Maximum number of printed disagreements with the source's grades; --json prints all."""


HELP = """Make a pool from trace files.

\b
FORMAT is one of:
  scout      SCOUT (Parallel-Probe) JSON: lengths, answers, probes; one file
  inspect    inspect_ai logs (.eval, .json), or a folder with header.json and
             summaries.json
  deepprune  DeepPrune data, or any JSON or Parquet of problems with sampled
             traces; finds the columns by itself, and asks for --map where
             they are ambiguous
  deepconf   pickles of DeepConf's released code; nothing in them is executed
  lm-eval    samples_*.jsonl of lm-evaluation-harness (--log_samples)
  openai     responses of OpenAI's APIs (completions, chat, Responses, batch),
             vLLM, SGLang, TGI and llama.cpp, also with logprobs; give
             --map gold_answer= or --map gold_file=
  jsonl      JSON lines, JSON, CSV or Parquet: one trace per row, or one
             problem per row with lists; name the columns with --map
  parquet    the same as jsonl
  csv        the same as jsonl
  feval-ttc  the database of FEval-TTC, with --map dataset= and --map llm=
  zelt       what zelt-ai records: probes with their certainty, as JSON lines
  trackio    traces that trackio has exported; give
             --map gold_answer=metadata.KEY or --map gold_file=

All but Parquet may be compressed by gzip or zstd.

The pool is named dataset/model/benchmark. Answers are grouped by meaning and graded. If the
files have their own grades, disagreements are listed. With --tokenizer, prefixes are exact to
the token where its token count equals that of the files, and lengths missing from the files
are counted instead of estimated.
"""


@click.command(
    "import",
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n"
    "  deepprune-sim import jsonl traces/*.jsonl --map num_tokens=usage.tokens \\\n"
    "      --dataset mine --model Qwen3-8B --benchmark aime24",
)
@click.argument("format_name", metavar="FORMAT", shell_complete=completion.formats)
@click.argument("paths", metavar="PATH...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--dataset", required=True, help="First part of the pool's name: the source.")
@click.option("--model", required=True, help="Second part: the model that wrote the traces.")
@click.option("--benchmark", required=True, help="Third part: the benchmark.")
@click.option(
    "--map",
    "mapped",
    metavar="FIELD=COLUMN",
    multiple=True,
    help="Column to read a field from; repeatable. a.b reads a nested value, FIELD= ignores it.",
)
@click.option(
    "--answer-kind",
    type=click.Choice(ANSWER_KINDS),
    help="Way to compare answers. [default: choice if every gold answer is a letter, else math]",
)
@click.option(
    "--corrections",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file of verdicts on answers by hand (see data regrade -h).",
)
@click.option(
    "--equality",
    type=click.Choice(EQUALITY),
    default="meaning",
    show_default=True,
    help="Whether answers are the same if they mean the same, or only as strings as they stand, "
    "the gold answer too, as other people's programs count.",
)
@click.option(
    "--unparsed",
    type=click.Choice(UNPARSED),
    default="abstain",
    show_default=True,
    help="Whether traces and probes without a readable answer vote, all of a problem for one class "
    "that is wrong, as other people's programs count.",
)
@click.option(
    "--answer-pattern",
    "answer_patterns",
    metavar="REGEX",
    multiple=True,
    help="Regular expression for the answer in a trace's text, before all other forms: the first "
    "group of its last match, or the whole match; repeatable.",
)
@click.option("--source", help="Source of the traces, stored in the pool.")
@click.option("--revision", help="Version of the source, stored in the pool.")
@click.option("--licence", help="Licence of the source, stored in the pool.")
@click.option("--citation", help="Citation of the source, stored in the pool.")
@click.option(
    "--probe-cost",
    metavar="SUFFIX+ANSWER",
    help="Tokens of a probe as the traces were probed: those of the prompt suffix that forces an "
    "answer, and those generated, such as 10+12. Stored in the pool.",
)
@click.option(
    "--model-params",
    metavar="NUMBER",
    help="Parameters of the model that a token passes through (14.7B), to weigh a judge's tokens. "
    "Stored in the pool.",
)
@click.option(
    "--tokenizer",
    metavar="FOLDER|NAME",
    help="The model's tokenizer, to locate tokens in the text: a folder, or a name on the Hub.",
)
@click.option(
    "--include-early-stopped",
    is_flag=True,
    help="Include traces that were stopped early (deepconf only).",
)
@click.option("--drop-bad-rows", is_flag=True, help="Skip rows with errors, and count them.")
@click.option("--replace", is_flag=True, help="Overwrite a pool of the same name.")
@workers_options("Number of processes that grade answers, beside the one that reads and writes.")
@cache_option
@json_option
def import_pool(
    format_name: str,
    paths: tuple[Path, ...],
    dataset: str,
    model: str,
    benchmark: str,
    mapped: tuple[str, ...],
    answer_kind: str | None,
    corrections: Path | None,
    equality: Equality,
    unparsed: Unparsed,
    answer_patterns: tuple[str, ...],
    probe_cost: str | None,
    model_params: str | None,
    tokenizer: str | None,
    include_early_stopped: bool,
    drop_bad_rows: bool,
    replace: bool,
    jobs: int | None,
    ray: str | None,
    cache: Path | None,
    as_json: bool,
    **about: str | None,
) -> None:
    """Make a pool from trace files, and print what it holds."""
    check_format(format_name)
    if not paths:
        raise UserError("nothing to import; give files or folders after the format")
    field_map = parse_map(mapped)

    from simulator.answers.corrections import read_corrections
    from simulator.answers.finding import compiled
    from simulator.importers import import_pool as importing
    from simulator.importers.importer import ImportOptions
    from simulator.pools.folders import cache_folder
    from simulator.pools.model_sizes import parse_parameters

    with _graders(jobs, ray) as graders, stages_shown() as progress:
        report = importing.import_pool(
            format_name,
            ImportOptions(
                paths=paths,
                field_map=field_map,
                answer_kind=answer_kind,
                answer_patterns=tuple(compiled(answer_patterns)),
                drop_bad_rows=drop_bad_rows,
                tokenizer=tokenizer,
                include_early_stopped=include_early_stopped,
                equality=equality,
                unparsed=unparsed,
                progress=progress,
                graders=graders,
            ),
            cache=cache_folder(cache),
            dataset=dataset,
            model=model,
            benchmark=benchmark,
            probe_cost=_cost(probe_cost),
            active_parameters=None if model_params is None else parse_parameters(model_params),
            corrections=[] if corrections is None else read_corrections(corrections),
            replace=replace,
            **about,
        )
    _show(report, as_json=as_json)


@contextmanager
def _graders(jobs: int | None, ray: str | None) -> Iterator[Workers | None]:
    """Open the workers that grade answers; None where this process grades them."""
    if ray is None and jobs in (None, 1):
        yield None
    else:
        with open_workers(jobs, "simulator.pools.writer", joins=False, ray=ray) as workers:
            yield workers


def _show(report: ImportReport, *, as_json: bool) -> None:
    """Print the result of an import, for people or as JSON; warn of many missing answers."""
    warn_unanswered(report.name, report.answers)
    if as_json:
        print_json(asdict(report) | {"disagreements": [*map(verdicts, report.disagreements)]})
    else:
        print_report(report)


def _cost(probe: str | None) -> dict[str, int] | None:
    """Parse `--probe-cost` as the field of `pool.json`."""
    from simulator.pools.probe_cost import parse_probe_cost

    return None if probe is None else asdict(parse_probe_cost(probe))


def check_format(name: str) -> None:
    """Check that an import format exists; raise `UserError` with the nearest name otherwise."""
    if name not in FORMATS:
        hint = nearest(name, FORMATS, "use one of")
        raise UserError(f"no import format {name!r}; {hint}")


def parse_map(mapped: Sequence[str]) -> dict[str, str]:
    """Parse `field=column` options; raise `UserError` for a missing `=` or a repeated field."""
    parsed: dict[str, str] = {}
    for option in mapped:
        name, equals, column = option.partition("=")
        if not name or not equals:
            raise UserError(f"--map {option}: give it as FIELD=COLUMN")
        if name in parsed:
            raise UserError(f"--map {option}: {name} is already mapped to {parsed[name]!r}")
        parsed[name] = column
    return parsed


def print_report(report: ImportReport) -> None:
    """Print a table of the imported pool, then notes, skipped rows and disagreements."""
    from simulator.report.tables import print_fields, print_table

    fields = [
        ("pool", report.name),
        ("path", str(report.path)),
        ("fingerprint", report.fingerprint),
        ("problems", f"{report.problems:,}"),
        ("traces", f"{report.traces:,}"),
        ("tokens", f"{report.tokens:,}"),
        ("token accuracy", report.token_accuracy),
        ("signals", ", ".join(report.signals) or "only lengths and answers"),
        *((name, f"{mean:.4g} on average") for name, mean in report.token_means.items()),
        *about_answers(report.answers),
    ]
    if report.corrections:
        fields.append(("corrections", f"{len(report.corrections):,} by hand"))
    left_out = [f"{count:,} × {reason}" for reason, count in report.dropped.items()]
    fields.append(("left out", "; ".join(left_out) or "nothing"))
    print_fields(fields)
    for note in report.notes:
        if not note.startswith(LEFT_OUT):
            click.echo(f"note: {note}")
    for example in report.dropped_examples:
        click.echo(f"skipped: {example}")
    hidden = sum(report.dropped.values()) - len(report.dropped_examples)
    if hidden > 0:
        click.echo(f"skipped: {hidden:,} more")
    if not report.disagreements:
        return
    shown = report.disagreements[:SHOWN_DISAGREEMENTS]
    count = len(report.disagreements)
    click.echo(f"\n{count:,} of the source's grades disagree with ours (the pool keeps ours):")
    headers = ["problem", "trace", "answer", "gold", "theirs", "ours"]
    rows = [[shortened(value) for value in verdicts(each).values()] for each in shown]
    print_table(headers, rows, give_up=["trace"])
    if count > len(shown):
        click.echo(f"… and {count - len(shown):,} more; --json prints all")


def about_answers(answers: AnswerSummary) -> list[tuple[str, str]]:
    """Return labels and texts about a pool's answers: accuracy, missing ones, forms, classes."""
    least, middle, most = answers.classes
    traces = counted(answers.most_traces, "trace")
    if answers.most_traces > answers.least_traces:
        traces = f"{answers.least_traces:,} to {traces}"
    missing = f"{counted(answers.no_answer, 'trace')} ({percent(answers.no_answer_share)})"
    if answers.unanswered_problems:
        missing += f", all of {counted(answers.unanswered_problems, 'problem')}"
    forms = sorted(answers.forms.items(), key=lambda form: (-form[1], form[0]))
    found = [("answers found", ", ".join(f"{form} {count:,}" for form, count in forms))]
    return [
        ("pass@1", percent(answers.pass_at_1)),
        (answers.cons_name, f"{percent(answers.cons)} ({traces} a problem; ties are shared)"),
        ("no answer", missing),
        *(found if forms else []),
        ("distinct", f"median {middle:g} answers a problem ({least:,} to {most:,})"),
    ]


def warn_unanswered(name: str, answers: AnswerSummary) -> None:
    """Print a warning on standard error if many traces of a pool have no answer."""
    from simulator.pools.summary import MANY

    if answers.no_answer_share > MANY:
        click.echo(
            f"warning: {percent(answers.no_answer_share)} of the traces of {name} have no answer "
            "and vote for nothing; deepprune-sim data answers shows them, and --answer-pattern, "
            "--answer-kind or --map answer=COLUMN say where answers are",
            err=True,
        )


def verdicts(each: Disagreement) -> dict[str, Any]:
    """Return a disagreement as problem, trace, answer, gold, the source's verdict and ours."""
    words = {True: "correct", False: "wrong"}
    return {
        "problem": each.problem_id,
        "trace": each.trace_id,
        "answer": each.answer,
        "gold": each.gold_answer,
        "theirs": words[each.graded],
        "ours": words[not each.graded],
    }


def printable(text: str) -> str:
    """Replace characters that a terminal does not show, or takes as commands, by dots."""
    return "".join(each if each.isprintable() else "·" for each in text)


def shortened(value: object, limit: int = 40) -> str:
    """Format a value on one line of at most `limit` characters; None as an empty text."""
    line = "" if value is None else printable(" ".join(str(value).split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
