"""The options of a run, as click has them: for --help, and for commands that take some of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click

from wasihost.cli.arguments import OPTIONS, Option

Command = TypeVar("Command", bound=Callable[..., Any])

SANDBOX_OPTIONS: Final = tuple(option for option in OPTIONS if option.flag not in {"--json", "--stats"})
"""Those that say what a sandbox is, and not what is to be printed."""


def click_option(option: Option) -> click.Option:
    """Return an option for click."""
    return click.Option(**_parts(option))


def sandbox_options(defaults: Mapping[str, str]) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the options of a sandbox.

    Args:
        defaults: By `Option.key`, what --help tells instead of the defaults of a run.
    """
    return option_decorator(
        [option._replace(default=defaults.get(option.key, option.default)) for option in SANDBOX_OPTIONS]
    )


def option_decorator(options: Sequence[Option]) -> Callable[[Command], Command]:
    """Return a decorator that gives a command these options."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            parts = _parts(option)
            command = click.option(*parts.pop("param_decls"), **parts)(command)
        return command

    return decorate


def _parts(option: Option) -> dict[str, Any]:
    text = f"{option.text}  [default: {option.default}]" if option.default else option.text
    if not option.metavar:
        return {"param_decls": [option.flag], "is_flag": True, "help": text}
    return {"param_decls": [option.flag], "metavar": option.metavar, "multiple": option.repeatable, "help": text}
