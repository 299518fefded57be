"""The command `wasirun repl`, as click calls it: options into a sandbox, and the loop on a session of it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from wasihost.cli import statuses
from wasihost.cli.options import SANDBOX_OPTIONS, click_option

if TYPE_CHECKING:
    from wasihost import Limits, Preopen, Sandbox, Session
    from wasihost.cli.repl.loop import Loop

IDLE: Final = "24h"
LIFETIME: Final = "168h"

_HELP = """Type Python, line by line, in an interpreter that may do nothing but what is granted here.

Names stay from turn to turn, _ is the last value, Tab completes. Ctrl-C stops a turn and Ctrl-D leaves. A turn that is
stopped, by Ctrl-C or by a limit, is undone: what was there before it is there still. Limits are those of one turn.
Standard input is yours, so input() finds nothing. %help lists commands that begin with %, for files, forks, saved
sessions and limits.

When standard input is no terminal, its statements are run one after the other without prompts, as by `python -i`: an
exception does not end it, and the exit status is 0 at the end of the input, or the program's own where it leaves with
another than 0 (sys.exit(3)). A block ends where a line begins that is not indented, so any script can be read.
`wasirun -` runs standard input as one program instead.
"""


def _parameters() -> list[click.Parameter]:
    return [
        *(click_option(option) for option in SANDBOX_OPTIONS),
        click.Option(
            ["--idle"], metavar="DURATION", default=IDLE, show_default=True,
            help="Close the session after so long without a turn.",
        ),
        click.Option(
            ["--lifetime"], metavar="DURATION", default=LIFETIME, show_default=True,
            help="Close the session so long after its start.",
        ),
        click.Option(["--no-history"], is_flag=True, help="Neither read nor keep the lines that were typed."),
    ]  # fmt: skip


def _start(*, idle: str, lifetime: str, no_history: bool, **options: Any) -> int:  # noqa: ANN401 - of a sandbox
    """Run the loop and return the exit status."""
    from wasihost.cli import values
    from wasihost.cli.run import Terminated, hear_termination, made_on_a_thread, read_grants, read_walls
    from wasihost.runtime.default import DEFAULT_RUNTIME
    from wasihost.sandbox import Sandbox

    given = {key: value for key, value in options.items() if value not in (None, ())}
    preopens, env, limits = read_grants(given)
    asked = read_walls(given)
    bounds = {
        "idle_seconds": values.seconds(idle, "--idle"),
        "lifetime_seconds": values.seconds(lifetime, "--lifetime"),
    }
    runtime, image = given.get("runtime", DEFAULT_RUNTIME), given.get("image", "base")
    hear_termination()
    try:
        with made_on_a_thread(
            lambda bars: Sandbox(
                preopens=preopens,
                env=env,
                limits=limits,
                runtime=runtime,
                image=image,
                profile=given.get("profile", "none"),
                workers=1,
                require_walls=asked.require_walls,
                launcher=asked.launcher,
                progress=bars,
            )
        ) as sandbox:
            # What is logged or raised on other threads from here on has a line of its own in a result. wasirun itself
            # writes to the descriptor; `input` would not do without the stream.
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
            loop = _loop(sandbox, bounds, limits=limits, given=given, preopens=preopens, keeps_history=not no_history)
            return loop.run(greeting=f"{runtime}, image {image}")
    except Terminated:
        return statuses.TERMINATED


def _loop(
    sandbox: Sandbox,
    bounds: dict[str, float],
    *,
    limits: Limits,
    given: dict[str, Any],
    preopens: list[Preopen],
    keeps_history: bool,
) -> Loop:
    from wasihost.cli.repl.loop import Loop
    from wasihost.cli.repl.sessions import Sessions
    from wasihost.cli.run import in_options
    from wasihost.errors import InvalidLimitsError

    # Nobody sees a figure here: one format is enough to name it.
    def make() -> Session:
        return sandbox.session(figures=("png",), **bounds)

    def load(path: str) -> Session:
        from wasihost import Session

        return Session.load(path, sandbox=sandbox, figures=("png",), **bounds)

    try:
        sessions = Sessions(make, load)
    except InvalidLimitsError as error:
        raise in_options(error) from None
    return Loop(sessions, limits, given=given, preopens=preopens, is_terminal=os.isatty(0), keeps_history=keeps_history)


repl = click.Command(
    "repl",
    params=_parameters(),
    help=_HELP,
    short_help="Type Python, line by line; what is defined stays.",
    callback=_start,
)
