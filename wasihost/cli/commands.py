"""What click answers: help, mistakes, and the commands that are not a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from wasihost.cli import statuses
from wasihost.cli.arguments import OPTIONS, Line
from wasihost.cli.options import click_option
from wasihost.cli.text import say

_HELP = """Run a Python program that may do nothing but what is granted here, in a fresh CPython-WASI interpreter.

\b
  wasirun [OPTIONS] SCRIPT [ARGUMENTS]...
  wasirun [OPTIONS] -c CODE [ARGUMENTS]...
  wasirun [OPTIONS] -m MODULE [ARGUMENTS]...
  wasirun [OPTIONS] - [ARGUMENTS]...          the program comes from standard input

Everything after the program is the program's. GUEST is where the program finds a folder; without it `data` is /data,
`.` is / (the program's current directory), and an absolute path stays the same. A script called like a command below
is run as ./runtime.

\b
Exit status: the program's own; 124 deadline, 125 out of fuel, 126 another limit,
134 the interpreter inside crashed, 130 Ctrl-C, 2 wrong usage, 70 the host failed.
"""


class _Wasirun(click.Group):
    """The group as --help shows it; a run itself never gets here."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage line."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] PROGRAM [ARGUMENTS]...")


def _group() -> click.Group:
    from wasihost import __version__
    from wasihost.cli.doctor import doctor
    from wasihost.cli.images import image
    from wasihost.cli.jupyter import jupyter
    from wasihost.cli.plugins import plugin
    from wasihost.cli.repl.command import repl
    from wasihost.cli.runtimes import runtime

    parameters: list[click.Parameter] = [
        click.Option(["-c"], metavar="CODE", help="Run this code."),
        click.Option(["-m"], metavar="MODULE", help="Run this module, as python -m does."),
        *[click_option(option) for option in OPTIONS],
    ]
    group = _Wasirun(
        "wasirun",
        params=parameters,
        help=_HELP,
        callback=_no_program,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    click.version_option(__version__, message="wasirun %(version)s")(group)
    group.add_command(runtime)
    group.add_command(image)
    group.add_command(plugin)
    group.add_command(jupyter)
    group.add_command(doctor)
    group.add_command(repl)
    return group


def _no_program(**_values: object) -> None:
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        raise click.UsageError("name a script, or give -c CODE, -m MODULE or - ; --help shows the options")


def run_click(words: Sequence[str], line: Line | None) -> int:
    """Let click answer a command line and return the exit status.

    Args:
        words: The whole of it.
        line: How it was read, None when it could not be.
    """
    try:
        if line is not None and line.values:
            option = "--" + next(iter(line.values)).replace("_", "-")
            if line.program == "repl":
                raise click.UsageError(f"{option} stands behind the command: `wasirun repl {option} ...`")
            raise click.UsageError(f"{option} is for running a program, not for `wasirun {line.program}`")
        status: Any = _group().main(list(words), prog_name="wasirun", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except SystemExit:  # click's way to end when nobody reads what it prints
        return statuses.PIPE_CLOSED
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        say(error.format_message())
        return statuses.USAGE
    return status if isinstance(status, int) else 0
