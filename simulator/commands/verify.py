from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from simulator import completion
from simulator.api.judge_tools import load_tools
from simulator.api.progress import note, stages_shown
from simulator.commands.options import (
    FloatRange,
    FolderOrBoard,
    cache_option,
    json_option,
    print_json,
    workers_options,
)
from simulator.workers.opening import cluster_or_number

if TYPE_CHECKING:
    from simulator.boards.pull_request import PullRequest
    from simulator.submissions.badges import Verification
    from simulator.verification.earlier import Outcome
    from simulator.verification.options import JudgeOf, Options
    from simulator.workers.executor import Workers


@click.command(
    epilog="\b\nExamples:\n"
    "  deepprune-sim verify submissions/2026-11-22-short-3-16\n"
    "  deepprune-sim verify submissions/*/ -j 4\n"
    "  deepprune-sim verify hf://datasets/OWNER/NAME --pr 3\n"
    "  deepprune-sim verify submissions/2026-11-22-asc --markdown > comment.md"
)
@click.argument(
    "submissions",
    metavar="SUBMISSION...",
    nargs=-1,
    required=True,
    type=FolderOrBoard(path_type=Path),
    shell_complete=completion.submissions,
)
@click.option(
    "--changed", is_flag=True, help="Verify only what is new or altered since it was verified."
)
@click.option("--no-rerun", is_flag=True, help="Do not rerun policies.")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    help="Rerun only this many repeats; faster, but does not count. [default: all]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Seed of the verifier's own replays. [default: an unpredictable one]",
)
@click.option(
    "--timeout",
    type=FloatRange(min=1),
    default=6 * 3600,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for each submission.",
)
@workers_options("Number of submissions to verify at the same time.")
@click.option("--dry-run", is_flag=True, help="Do not write verification.json.")
@click.option("--markdown", is_flag=True, help="Print a summary as a pull request comment.")
@click.option(
    "--pr",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="Verify what this pull request of a board on the Hub changes; SUBMISSION is "
    "hf://datasets/OWNER/NAME.",
)
@click.option("--comment", is_flag=True, help="Also post the summary on that pull request.")
@cache_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    submissions: tuple[Path | str, ...],
    changed: bool,
    no_rerun: bool,
    repeats: int | None,
    seed: int | None,
    timeout: float,
    jobs: int | None,
    ray: str | None,
    dry_run: bool,
    markdown: bool,
    pr: int | None,
    comment: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Verify each SUBMISSION, a folder or a bundle, in three steps.

    \b
      well-formed  the files follow the submission format, none missing or added
      recomputed   every metric is recomputed from the decisions and the pool
      rerun        the policy is rerun and compared row by row, replayed 64 times
                   with another seed, and on every problem in disguise: the checks
                   of `deepprune-sim check`, with the run's own budget

    A policy file runs in a process without access to the pools or the disk. The result is written
    to verification.json beside the submission. It sets the badge: verified, recomputed,
    self-reported, synthetic or withdrawn, or none if anything is wrong. The replays with the
    other seed are kept in the folder verified/ beside it; boards show and rank by their figures.

    An earlier verification of the same files stands if a step cannot be made here, as without the
    pool, or is left out. Corrected metadata needs no rerun. A badge that changes is told.

    With --pr, the submissions that a pull request on the Hugging Face Hub adds or alters are
    downloaded and verified, and the summary is printed as a comment; nothing is written.

    The exit code is 1 if anything is wrong.
    """  # noqa: D301  (\b keeps click from wrapping)
    from simulator.errors import UserError
    from simulator.pools.folders import cache_folder
    from simulator.submissions.markdown import summary
    from simulator.verification.options import Options

    if markdown and as_json:
        raise UserError("--markdown and --json exclude each other; give one")
    options = Options(cache_folder(cache), not no_rerun, repeats, seed, timeout, _judge_of)
    with _given(submissions, pr, comment, options.cache) as (paths, request):
        changed, markdown = changed or bool(request), markdown or (bool(request) and not as_json)
        with cluster_or_number(jobs, "simulator.verification.verify", ray) as workers:
            done, unwritten = _verify_each(
                paths,
                _taken(paths, options.cache, changed),
                options,
                workers,
                write=not (dry_run or request),
                show=not (as_json or markdown),
            )
        unchanged = len(set(paths)) - len(done)
        text = summary(done, unchanged if changed else None)
        text = request.heading() + text if request else text
        if as_json:
            found = [each.as_dict() for each in done]
            about = request.as_dict() if request else {}
            print_json({"submissions": found, "unchanged": unchanged} | about if changed else found)
        elif markdown:
            click.echo(text, nl=False)
        elif changed:
            click.echo(f"{unchanged} of {len(set(paths))} unchanged since they were verified")
        if request and comment:
            _post(request, text)
    wrong = unwritten or bool(request and request.findings)
    ctx.exit(1 if wrong or any(each.verification.failed for each in done) else 0)


@contextmanager
def _given(
    submissions: Sequence[Path | str], pr: int | None, comment: bool, cache: Path
) -> Iterator[tuple[Sequence[Path], PullRequest | None]]:
    """Yield the submissions to verify, and the pull request that they are downloaded from."""
    from simulator.errors import UserError

    paths = [each for each in submissions if isinstance(each, Path)]
    if len(paths) == len(submissions):
        if pr is not None or comment:
            option = "--comment" if pr is None else "--pr"
            raise UserError(f"{option} needs a board on the Hub: hf://datasets/OWNER/NAME")
        for path in paths:
            if not path.is_symlink() and not path.exists():
                raise UserError(f"{path}: no such submission; give a folder in submissions/")
        yield paths, None
        return
    if len(submissions) > 1:
        raise UserError(f"{submissions[0]}: a board on the Hub is verified alone; give one address")
    from simulator.boards.address import parse_address
    from simulator.boards.pull_request import fetch_pull_request

    address = parse_address(str(submissions[0]))
    if pr is not None:
        address = replace(address, revision=f"refs/pr/{pr}")
    if address.pull_request is None:
        raise UserError(
            f"{address}: no pull request; name one with --pr NUMBER. A board itself is verified "
            "from a download: hf download OWNER/NAME --repo-type dataset --local-dir board"
        )
    with TemporaryDirectory(prefix="deepprune-sim-") as folder:
        with stages_shown() as stage:
            request = fetch_pull_request(address, cache, Path(folder), notice=note, progress=stage)
        yield request.changed, request


def _post(request: PullRequest, text: str) -> None:
    from simulator.boards.pull_request import comment

    note(f"commented on {comment(request, text)}")


def _verify_each(
    given: Sequence[Path],
    taken: Mapping[Path, bool],
    options: Options,
    workers: int | Workers,
    *,
    write: bool,
    show: bool,
) -> tuple[list[Outcome], bool]:
    """Verify those of the given submissions that are taken, write and show each result.

    Also returns True if a result could not be written.
    """
    from simulator.errors import UserError
    from simulator.submissions.badges import write_verification

    done: list[Outcome] = []
    unwritten = False
    notes = _notes(given)
    with closing(_outcomes(taken, options, workers)) as outcomes:
        for path, made in zip(taken, outcomes, strict=True):
            outcome = replace(made, remarks=(*made.remarks, *notes.get(path, ())))
            done.append(outcome)
            if outcome.rewrite and write and not path.is_symlink():
                try:
                    write_verification(path, outcome.verification)
                except UserError as error:
                    note(f"warning: {error}")
                    unwritten = True
            if show:
                _show(outcome)
    return done, unwritten


def _taken(submissions: Sequence[Path], cache: Path, changed: bool) -> dict[Path, bool]:
    """Choose the submissions to verify; True for those of which only the metadata changed."""
    if not changed:
        return dict.fromkeys(submissions, False)
    from simulator.verification.earlier import change_since

    changes = {path: change_since(path, cache) for path in submissions}
    return {path: change == "told" for path, change in changes.items() if change != "none"}


def _outcomes(
    taken: Mapping[Path, bool], options: Options, jobs: int | Workers
) -> Generator[Outcome, None, None]:
    """Yield the outcome for each submission in order, combined with its earlier verification."""
    from simulator.verification.earlier import outcome_of, told_again

    again = [path for path, only_told in taken.items() if not only_told]
    with closing(_verified(again, options, jobs)) as verified:
        for path, only_told in taken.items():
            yield told_again(path) if only_told else outcome_of(path, next(verified))


def _verified(
    submissions: Sequence[Path], options: Options, jobs: int | Workers
) -> Generator[Verification, None, None]:
    """Yield each submission's verification in order, and show progress until it is done."""
    from simulator.verification.verify import verify_all

    shown: list[Callable[[str, float], None]] = []

    def told(path: Path, what: str, done: float) -> None:
        for stage in shown:
            stage(f"{path.name}: {what}", done)

    with closing(verify_all(submissions, options, jobs, told)) as verified:
        for _ in submissions:
            with stages_shown() as stage:
                shown[:] = [stage]
                found = next(verified)
                shown.clear()
            yield found


def _notes(submissions: Sequence[Path]) -> dict[Path, list[str]]:
    """Return remarks for the keeper about submissions that repeat or imitate others beside them."""
    from simulator.boards.duplicates import beside

    parents: dict[Path, list[Path]] = {}
    for path in submissions:
        parents.setdefault(path.absolute().parent, []).append(path)
    found = {parent: beside(*paths) for parent, paths in parents.items()}
    return {
        path: found[path.absolute().parent].get(path.absolute().name.removesuffix(".zip"), [])
        for path in submissions
    }


def _show(outcome: Outcome) -> None:
    from simulator.report.tables import print_wrapped
    from simulator.submissions.strict_json import shown

    found = outcome.verification
    name = found.submission if found.submission.isascii() else shown(found.submission)
    click.echo(f"{name if name.isprintable() else shown(name)}: {found.badge or 'no badge'}")
    colours = {"passed": "green", "failed": "red", "skipped": "yellow"}
    for step in found.steps:
        click.echo(f"  {step.step:<13}{click.style(step.status, fg=colours[step.status])}")
        for text in (*step.findings, *step.notes):
            print_wrapped(text, " " * 15)
    for remark in outcome.remarks:
        print_wrapped(remark, "  ")
    if outcome.kept:
        return
    for entry in found.other_seed:
        given = next(each for each in found.pools if each["pool"] == entry["pool"])
        (accuracy, tokens), (given_accuracy, given_tokens) = (
            (each["accuracy"]["value"], each["tokens_per_problem"]["value"])
            for each in (entry, given)
        )
        print_wrapped(
            f"{entry['pool']}: accuracy {accuracy:.1%}, {tokens:,.0f} tokens a problem in "
            f"{entry['repeats']} repeats of the verifier's seed {entry['seed']} (submitted: "
            f"{given_accuracy:.1%}, {given_tokens:,.0f})",
            " " * 15,
        )
    if found.layers:
        print_wrapped(f"policy sandboxed by: {', '.join(found.layers)}", " " * 15)


def _judge_of(cache: Path) -> JudgeOf:
    """Return a function that opens the judge that a run's record names."""
    return partial(load_tools().recorded_judge, cache)
