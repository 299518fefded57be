"""The way in and the only way out: every ending of `wasirun` is a status and at most one line, never a traceback."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from wasihost.cli import statuses
from wasihost.cli.arguments import read_line
from wasihost.cli.text import say


def main() -> NoReturn:
    """Run the command line of this process and end it, past the interpreter's own shutdown.

    Wasmtime's threads may still be at work then, and they must not wake up in a Python that is half gone.
    """
    _fill_standard_descriptors()
    gc.disable()  # importing makes no garbage; to look for it takes 4 ms
    try:
        status = run_line(sys.argv[1:])
    except BrokenPipeError:
        status = statuses.PIPE_CLOSED
    except KeyboardInterrupt:
        status = statuses.INTERRUPTED
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            status = status or statuses.PIPE_CLOSED
    os._exit(status)


def run_line(words: Sequence[str]) -> int:
    """Do what a command line says and return the exit status.

    Args:
        words: The arguments, without the command's own name.

    Raises:
        BrokenPipeError: Nobody reads standard output any more.
    """
    from wasihost.errors import ConfigError, WasiHostError

    try:
        line = read_line(words)
        if line is None or line.kind == "command":
            from wasihost.cli.commands import run_click  # 30 ms that a plain run does without

            gc.enable()
            return run_click(words, line)
        from wasihost.cli.run import run_program

        return run_program(line)
    except ConfigError as error:
        say(str(error))
        return statuses.USAGE
    except WasiHostError as error:
        say(str(error))
        return statuses.HOST_FAILED
    except KeyboardInterrupt:
        say("stopped by Ctrl-C")
        return statuses.INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        say(f"the host failed: {type(error).__name__}: {error}")
        return statuses.HOST_FAILED


def _fill_standard_descriptors() -> None:
    """Open /dev/null for standard descriptors that are closed.

    Otherwise the next file that is opened would get that number, and the guest would read or the host write into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
