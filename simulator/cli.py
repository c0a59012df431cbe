"""The root of the command line. Commands are named as strings and loaded when they are called."""

from __future__ import annotations

import errno
import importlib
import sys

import click

COMMANDS = {
    "run": ("simulator.commands.run:run", "Replay a policy over stored traces and score it."),
    "methods": ("simulator.commands.methods:methods", "List the built-in policies."),
    "report": ("simulator.commands.report:report", "Compare runs as a table or a plot."),
    "import": ("simulator.commands.import_:import_pool", "Make a pool of other people's traces."),
    "data": ("simulator.commands.data:data", "List, show and query the pools on this machine."),
}
"""Command to `module:function` and the line that `--help` shows, so that help loads nothing."""

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, function = COMMANDS[name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {args[0]}; {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings=SETTINGS, epilog="Example: deepprune-sim run cons@64")
@click.version_option(package_name="deepprune-sim")
def cli() -> None:
    """Replay parallel-reasoning methods against stored traces: exactly, without a GPU."""


def main(args: list[str] | None = None) -> None:
    """Run the command line. What a user can cause ends in one line on stderr and exit code 2."""
    from simulator.errors import UserError

    try:
        code = cli.main(args, prog_name="deepprune-sim", standalone_mode=False)
    except (click.ClickException, UserError) as error:
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        fail(text)
    except click.Abort:
        fail("aborted", code=130)
    except KeyboardInterrupt:
        fail("interrupted", code=130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has had enough: `| head`
        sys.exit(141)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        fail(f"{error.filename or 'output'}: {error.strerror}")
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str, code: int = 2) -> None:
    """End with one line on stderr."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
