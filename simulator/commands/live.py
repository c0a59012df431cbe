from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from simulator import completion
from simulator.api.progress import progress_bar
from simulator.commands.options import FloatRange, json_option, print_json, timeout_option
from simulator.errors import UserError


@click.command(
    epilog="\b\nExample:\n  deepprune-sim live esc problems.jsonl --model Qwen/Qwen3-0.6B -n 16"
)
@click.argument("policy", metavar="POLICY", required=False, shell_complete=completion.policies)
@click.argument(
    "problems", metavar="PROBLEMS", required=False, type=click.Path(path_type=Path, dir_okay=False)
)
@click.option(
    "--model",
    required=True,
    metavar="PATH|HUB_ID|NAME",
    help="Model that generates; for a server, its name of it.",
)
@click.option("--revision", metavar="COMMIT", help="Commit of the model on the Hub.")
@click.option(
    "--engine",
    type=click.Choice(["vllm", "transformers", "server"]),
    help="Program that runs the model. [default: server with --base-url, else vllm where it is "
    "installed, else transformers]",
)
@click.option(
    "--base-url",
    metavar="URL",
    help="Address of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1. Its key is "
    "taken from the environment variable OPENAI_API_KEY.",
)
@click.option(
    "--tokenizer",
    metavar="PATH|HUB_ID",
    help="Tokenizer of a server's model. [default: the model's name]",
)
@click.option(
    "--dtype",
    default="bfloat16",
    show_default=True,
    help="Number format of the model; a server has its own.",
)
@click.option(
    "--slots",
    type=click.IntRange(min=1),
    default=96,
    show_default=True,
    help="Most traces that the model's engine decodes together.",
)
@click.option(
    "-p",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=completion.parameters,
    help="Set a parameter of the policy.",
)
@click.option(
    "-n",
    "--budget",
    type=click.IntRange(min=1),
    help="Traces per problem. [default: the policy's own, else 16]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Recording to use and to add to. [default: recordings/<model>-<problems>]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--temperature", type=FloatRange(min=0), default=0.6, show_default=True)
@click.option(
    "--top-p", type=FloatRange(min=0, max=1, min_open=True), default=0.95, show_default=True
)
@click.option(
    "--top-k", type=click.IntRange(min=0), default=0, help="0 for all.", show_default=True
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    help="Length limit of a trace.",
)
@click.option(
    "--probe-interval",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Tokens between probes: a probe tells the answer at the last multiple.",
)
@click.option("--complete", is_flag=True, help="Finish all traces that have begun afterwards.")
@click.option(
    "--check", is_flag=True, help="Replay the policy on the recording at once, and compare."
)
@click.option(
    "--profile",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Run no policy: measure the engine on PROBLEMS, and write the serving model that "
    "`run --serving FILE` takes.",
)
@click.option(
    "--in-process", is_flag=True, help="Run a policy file in this process, as `run` does."
)
@timeout_option
@json_option
def live(
    policy: str | None,
    problems: Path | None,
    profile: Path | None,
    as_json: bool,
    check: bool,
    **options: Any,
) -> None:
    """Run POLICY on the PROBLEMS with a model that generates, and record what it generates.

    PROBLEMS is a JSONL file with `question` and, for grading, `answer` in each line. What a policy
    is shown is what a replay of the recording shows it, to the token. Later policies use what is
    recorded, and generate only what is missing.
    """
    from simulator.api.live import make_live_run, make_profile, plan_live_run

    if profile is not None:
        if policy is None or problems is not None:
            raise UserError("--profile measures the engine on PROBLEMS alone; leave out the policy")
        with redirect_stdout(sys.stderr):
            found = make_profile(Path(policy), profile, bar=progress_bar("profile"), **options)
        if as_json:
            print_json(found)
        else:
            print_profile(found)
        return
    if policy is None or problems is None:
        raise UserError("give a policy and a file of problems; see deepprune-sim live --help")
    plan = plan_live_run(policy, problems, **options)
    with redirect_stdout(sys.stderr):
        summary = make_live_run(
            plan,
            complete=options["complete"],
            check=check,
            bar=progress_bar(f"{plan.spec.loaded.name}, live"),
            command=["deepprune-sim", *sys.argv[1:]],
        )
    if as_json:
        print_json(summary)
    else:
        print_live(summary)
    if summary["differences"]:
        raise SystemExit(1)


def print_profile(summary: dict[str, Any]) -> None:
    """Print the table of a profile."""
    from simulator.report.tables import print_table, print_wrapped

    serving = summary["serving"]
    step = dict(serving["step_seconds"])
    rows = []
    for each in summary["errors"]:
        size = each["traces"]
        label, cost = {
            "decode": (f"step of {size}", step.get(size)),
            "read": ("reading a token", serving["prefill_seconds"]),
            "probe": ("probes", None),
        }[each["kind"]]
        if each["kind"] != "decode" or cost is not None:
            off = [f"{100 * each[name]:.1f}" for name in ("median_error", "worst_error")]
            rows.append([label, "" if cost is None else f"{1000 * cost:.4g}", *off])
    print_table(["", "ms", "median error, %", "worst, %"], rows, [False, True, True, True])
    click.echo()
    print_wrapped(
        f"A token in the cache adds {1e6 * serving['kv_seconds']:.3g} µs to a step. A prompt "
        f"has {serving['prompt_tokens']:,} tokens, "
        + ("read once a problem. " if serving["prefix_cache"] else "read for each trace anew. ")
        + f"Probes take {serving['probe_steps']} steps."
    )
    click.echo(f"profile: {summary['file']}")


def print_live(summary: dict[str, Any]) -> None:
    """Print the table of a live run."""
    from simulator.commands.run_output import shown
    from simulator.report.tables import print_table, print_wrapped

    metrics = summary["metrics"]
    click.echo(f"{summary['model']} live: {summary['problems']} problems, N={summary['budget']}")
    forms: dict[str, tuple[str, float, str]] = {
        "accuracy": ("accuracy, %", 100, "{:.1f}"),
        "tokens": ("tokens a problem", 1, "{:,.0f}"),
        "probe_tokens": ("tokens of probes", 1, "{:,.0f}"),
        "clock": ("clock a problem, steps", 1, "{:,.0f}"),
        "seconds": ("seconds a problem", 1, "{:,.1f}"),
    }
    rows = [
        shown(label, metrics[name], scale, form)
        for name, (label, scale, form) in forms.items()
        if name in metrics
    ]
    print_table([summary["policy"], "value", "95% interval"], rows, [False, True, True])
    spent = summary["ledger"]
    print_wrapped(
        f"\nThe model generated {summary['generated']:,} tokens in this run; the policy was shown "
        f"{summary['revealed']:,}. Beside them: {spent['prefilled']:,} prefilled, "
        f"{spent['prefix_hits']:,} found computed, {spent['probe_prompts']:,} read and "
        f"{spent['probe_outputs']:,} generated for probes, {spent['seconds']:,.1f} s."
    )
    for note in summary["notes"]:
        print_wrapped(note)
    if summary["checked"]:
        for difference in summary["differences"]:
            click.echo(difference)
        apart = (
            f"{len(summary['differences'])} problems differ"
            if summary["differences"]
            else "0 tokens apart"
        )
        click.echo(f"live and replay: {apart}")
    click.echo(f"recording: {summary['recording']}")
