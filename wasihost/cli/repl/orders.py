"""Commands at the prompt, which begin with % and are the host's: read here, carried out by `Actions`."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple

from wasihost.cli import values
from wasihost.cli.text import shown_name
from wasihost.errors import ConfigError
from wasihost.limits import UNMETERED, Limits

MAX_PATHS: Final = 200


class Command(NamedTuple):
    """A command.

    Attributes:
        name: What follows the %.
        usage: What follows the name, for %help.
        text: What it does.
    """

    name: str
    usage: str
    text: str


COMMANDS: Final = (
    Command("files", "[PATH]", "list a folder of the program's, by the path that it has inside"),
    Command("fork", "", "keep this session aside as it is, and go on in a copy"),
    Command("switch", "[NUMBER]", "go on in another session; without a number, list them"),
    Command("save", "[--replace] PATH", "write this session into a file of this machine"),
    Command("load", "PATH", "keep this session aside, and go on in a saved one"),
    Command("limits", "[NAME=VALUE]...", "show the limits of a turn, or set them for those that follow"),
    Command("reset", "", "forget this session, and begin a new one in its place"),
    Command("help", "", "show this"),
    Command("quit", "", "leave, as Ctrl-D does"),
)

_NAMES: Final = frozenset(command.name for command in COMMANDS)
_LEAVE: Final = frozenset({"exit", "quit", "exit()", "quit()"})

LIMITS: Final = {
    **dict(values.LIMITS.values()),
    "value_bytes": values.size_bytes,
    "display_bytes": values.size_bytes,
}
"""Field of `Limits` -> what reads its text."""
_FIELDS: Final = {**dict(zip(LIMITS, LIMITS, strict=True)), **{key: field for key, (field, _) in values.LIMITS.items()}}
"""What may be typed -> the field that is meant."""


class Order(NamedTuple):
    """A command as it was typed.

    Attributes:
        name: One of `COMMANDS`.
        rest: What followed it, without space around.
    """

    name: str
    rest: str


def is_order(line: str) -> bool:
    """Whether a statement's first line is a command: no Python begins with %."""
    return line.lstrip().startswith("%")


def leaves(text: str) -> bool:
    """Whether a whole statement is one with which people leave Python."""
    return text.strip() in _LEAVE


def read_order(line: str) -> Order:
    """Take a command apart.

    Raises:
        ConfigError: There is no such command, or it takes nothing and something follows.
    """
    name, _, rest = line.strip().removeprefix("%").lstrip().partition(" ")
    order = Order(name, rest.strip())
    if name not in _NAMES:
        raise ConfigError(f"there is no command %{shown_name(name)}; %help lists those there are")
    if order.rest and not _usage(name):
        raise ConfigError(f"%{name} takes nothing behind it")
    return order


def read_number(order: Order) -> int:
    """Read the number of a session.

    Raises:
        ConfigError: It is none.
    """
    if not (order.rest.isascii() and order.rest.isdigit() and len(order.rest) <= 9):
        raise ConfigError(f"%{order.name}: {shown_name(order.rest)!r} is no number of a session")
    return int(order.rest)


def read_path(order: Order) -> str:
    """Read a path of this machine; ~ is the home folder.

    Raises:
        ConfigError: There is none.
    """
    if not order.rest or "\0" in order.rest:
        raise ConfigError(f"say which file: %{order.name} {_usage(order.name)}")
    return os.path.expanduser(order.rest)  # noqa: PTH111 - never raises


def read_changes(rest: str) -> dict[str, Any]:
    """Read limits, "fuel=5G deadline=20s", by the names of options or of the fields of `Limits`.

    Raises:
        ConfigError: There is no such limit, or its value is none.
    """
    found = {}
    for word in rest.split():
        name, mark, text = word.partition("=")
        field = _FIELDS.get(name.removeprefix("--").replace("-", "_"))
        if field is None:
            raise ConfigError(f"there is no limit {shown_name(name)!r}; there are {', '.join(LIMITS)}")
        if not mark:
            raise ConfigError(f"say what {name} is to be: %limits {name}={typed(field, getattr(Limits(), field))}")
        found[field] = LIMITS[field](text, name)
    return found


def typed(field: str, value: object) -> str:
    """Return a limit's value as it can be typed: "100G", "256M", "10s"."""
    if value is UNMETERED:
        return "unmetered"
    if field == "deadline_seconds":
        return f"{value}s"
    if not isinstance(value, int) or not (field == "fuel" or field.endswith("_bytes")):
        return str(value)
    step = 1000 if field == "fuel" else 1024
    for power, unit in ((3, "G"), (2, "M"), (1, "K")):
        if value and value % step**power == 0:
            return f"{value // step**power}{unit}"
    return str(value)


def limit_lines(limits: Limits) -> list[str]:
    """Return a line for each limit, in the form in which it can be set."""
    return [f"{entry.name}={typed(entry.name, getattr(limits, entry.name))}" for entry in fields(Limits)]


def help_lines() -> list[str]:
    """Return what %help prints."""
    shown = [(f"%{command.name} {command.usage}".rstrip(), command.text) for command in COMMANDS]
    width = max(len(usage) for usage, _ in shown)
    return [f"{usage.ljust(width)}  {text}" for usage, text in shown]


def complete_order(before: str) -> tuple[int, Sequence[str]]:
    """Return where the word before the cursor begins, and what it may become."""
    name, mark, rest = before.lstrip().removeprefix("%").partition(" ")
    if not mark:
        return before.index("%"), tuple(f"%{command.name}" for command in COMMANDS if command.name.startswith(name))
    if name == "limits":
        start = before.rindex(" ") + 1
        return start, tuple(f"{field}=" for field in LIMITS if field.startswith(before[start:]))
    if name in ("save", "load"):
        start = len(before) - len(rest.lstrip())
        return start, _paths(before[start:])
    return len(before), ()


def _paths(typed_path: str) -> tuple[str, ...]:
    expanded = os.path.expanduser(typed_path)  # noqa: PTH111 - never raises
    found = []
    for path in sorted(glob.glob(glob.escape(expanded) + "*"))[:MAX_PATHS]:  # noqa: PTH207 - text, as typed
        shown = typed_path + path[len(expanded) :]
        if shown.isprintable():
            found.append(f"{shown}/" if os.path.isdir(path) else shown)  # noqa: PTH112
    return tuple(found)


def _usage(name: str) -> str:
    return next(command.usage for command in COMMANDS if command.name == name)
