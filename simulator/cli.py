"""The root of the command line. Commands are named as strings and loaded when they are called."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import click

from simulator.commands.lazy import SETTINGS, LazyGroup
from simulator.errors import WRITE_FAULTS, Interrupted, Signalled, UserError

COMMANDS = {
    "run": ("simulator.commands.run:run", "Replay a policy over stored traces and score it."),
    "live": ("simulator.commands.live:live", "Run a policy on a model, and record it."),
    "recording": ("simulator.commands.recording:recording", "Show recordings, make pools of them."),
    "methods": ("simulator.commands.methods:methods", "List the built-in policies."),
    "check": ("simulator.commands.check:check", "Check that a policy cannot see the future."),
    "submit": ("simulator.commands.submit:submit", "Pack a run for the leaderboard."),
    "verify": ("simulator.commands.verify:verify", "Check submissions, recompute and rerun them."),
    "tune": (
        "simulator.commands.studies.tune:tune",
        "Choose settings on some problems, test them.",
    ),
    "power": ("simulator.commands.studies.power:power", "Tell what a comparison can show."),
    "report": ("simulator.commands.report:report", "Compare runs as a table or a plot."),
    "import": ("simulator.commands.import_:import_pool", "Make a pool of other people's traces."),
    "data": (
        "simulator.commands.data.group:data",
        "List, show and query the pools on this machine.",
    ),
    "leaderboard": ("leaderboard_app.cli:leaderboard", "Open the leaderboard in a browser."),
    "judge": ("judges.cli:judge", "Score pairs of unfinished traces; train and evaluate judges."),
}
"""`module:function` and help line of each command, so that `--help` imports none of them."""

COMPLETE = "_DEEPPRUNE_SIM_COMPLETE"
"""The environment variable by which a shell asks for the words that may come next."""


def _print_version(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    """Print the version, and whether compiled code is in use."""
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    from simulator.rules.compiled import MODULES, compiled

    code = "compiled code" if all(map(compiled, MODULES)) else "numpy instead of compiled code"
    click.echo(f"deepprune-sim {version('deepprune-sim')}, with {code}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings=SETTINGS,
    epilog="\b\nExample:\n  deepprune-sim run cons@64",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Replay parallel-reasoning methods against stored traces: exactly, without a GPU."""


def main(args: list[str] | None = None) -> None:
    """Run the command line; a user's error ends in one line on stderr and exit code 2."""
    if os.environ.get(COMPLETE, "").endswith("_complete"):
        with suppress(Exception):  # a shell that waits for words has no use for an error
            cli.main(prog_name="deepprune-sim", standalone_mode=False)
        sys.exit()
    # Work is divided into processes; threads of numpy take longer to start than they save.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        _make_output_safe()
        with _ended_by_signals():
            code = cli.main(args, prog_name="deepprune-sim", standalone_mode=False)
            sys.stdout.flush()  # here, where a full disk can still be reported
    except (click.ClickException, UserError) as error:
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        if isinstance(error, click.MissingParameter) and error.ctx is not None:
            text = f"{text.rstrip('.')}; see {error.ctx.command_path} --help"
        fail(text)
    except Interrupted as error:
        fail(str(error), code=error.code)
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted", code=130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has closed it: `| head`
        sys.exit(141)
    except OSError as error:
        if error.errno not in WRITE_FAULTS:
            raise
        if error.errno == errno.ENOENT and error.filename is None:
            fail("the working directory is gone; change to one that exists")
        fail(f"{error.filename or 'output'}: {error.strerror}; {WRITE_FAULTS[error.errno]}")
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Make SIGTERM and SIGHUP end the program as Ctrl-C does, so that no partial file is left."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Signalled(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):  # a signal ignored already (nohup) stays ignored
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _make_output_safe() -> None:
    """Open closed streams on the null device; escape characters that the encoding lacks."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  (open to the end)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def fail(message: str, code: int = 2) -> None:
    """End the program with one line on stderr."""
    with suppress(OSError):  # stderr may be a file on the full disk, too
        print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
