"""What the commands at the prompt do."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from wasihost.cli.repl.orders import (
    Order,
    help_lines,
    limit_lines,
    read_changes,
    read_number,
    read_order,
    read_path,
)
from wasihost.cli.text import shown_name
from wasihost.cli.values import size_text
from wasihost.errors import ConfigError

if TYPE_CHECKING:
    from wasihost import Limits
    from wasihost.capabilities.granted_files import FileEntry
    from wasihost.cli.repl.screen import Screen
    from wasihost.cli.repl.sessions import Sessions

MAX_ENTRIES: Final = 500

_AT_THE_END: Final = (
    "",
    "Anything else is Python, and runs inside. Ctrl-C stops a turn and undoes it; at the prompt it clears the line.",
    "Ctrl-U clears the indentation that stands in a line. exit() and Ctrl-D leave.",
)


class Leave(Exception):  # noqa: N818 - no error
    """Somebody wants to leave the prompt."""


class Actions:
    """Carries commands out.

    Args:
        sessions: What they are about.
        screen: Where they answer.
        limits: Of the turns.
    """

    def __init__(self, sessions: Sessions, screen: Screen, limits: Limits) -> None:
        self._sessions = sessions
        self._screen = screen
        self.limits = limits
        """What turns are held to from now on."""
        self._known: set[str] = set()
        self._perform = {
            "files": self._files,
            "fork": self._fork,
            "switch": self._switch,
            "save": self._save,
            "load": self._load,
            "limits": self._limits,
            "reset": self._reset,
            "help": self._help,
            "quit": self._quit,
        }

    def perform(self, line: str) -> None:
        """Carry one out.

        Raises:
            Leave: It was %quit.
            WasiHostError, OSError: It cannot be done.
        """
        order = read_order(line)
        self._perform[order.name](order)

    # -- sessions -----------------------------------------------------------------------------------------------------

    def _fork(self, _order: Order) -> None:
        old = self._sessions.number
        new = self._sessions.fork()
        self._screen.answer(f"session {new} goes on; session {old} stays as it is (%switch {old} goes back)")

    def _switch(self, order: Order) -> None:
        if order.rest:
            self._sessions.switch(read_number(order))
            self._screen.answer(f"session {self._sessions.number} goes on")
            return
        for number, session in self._sessions.all():
            mark = "*" if number == self._sessions.number else " "
            turns = "1 turn" if session.turns == 1 else f"{session.turns} turns"
            state = f"{turns}, {size_text(session.stored_bytes)}" if session.is_open else "ended"
            self._screen.answer(f"{mark} {number}  {state}")

    def _reset(self, _order: Order) -> None:
        self._sessions.reset()
        self._screen.answer(f"session {self._sessions.number} is a new one")

    def _save(self, order: Order) -> None:
        flag, _, rest = order.rest.partition(" ")
        replaces = flag == "--replace"
        path = read_path(order._replace(rest=rest.strip()) if replaces else order)
        if not replaces and os.path.lexists(path) and os.path.realpath(path) not in self._known:
            raise ConfigError(f"there is a file {shown_name(path)}: %save --replace {shown_name(path)} writes over it")
        self._sessions.current.save(path)
        self._known.add(os.path.realpath(path))
        self._screen.answer(f"session {self._sessions.number} is in {shown_name(path)}, {size_text(_file_bytes(path))}")

    def _load(self, order: Order) -> None:
        path = read_path(order)
        old = self._sessions.number
        new = self._sessions.load(path)
        self._known.add(os.path.realpath(path))
        self._screen.answer(f"session {new} goes on, from {shown_name(path)}; session {old} stays as it is")

    # -- the rest -----------------------------------------------------------------------------------------------------

    def _files(self, order: Order) -> None:
        # The program's current directory is "/".
        path = order.rest if order.rest.startswith("/") else f"/{order.rest}"
        entries = self._sessions.current.files.list(path)
        for entry in entries[:MAX_ENTRIES]:
            self._screen.answer(_line_of(entry))
        if len(entries) > MAX_ENTRIES:
            self._screen.answer(f"and {len(entries) - MAX_ENTRIES} more")
        if not entries:
            nothing = "no folder was granted (--allow-read, --allow-write and --overlay grant one)"
            self._screen.answer(nothing if path == "/" else f"{shown_name(path)} is empty")

    def _limits(self, order: Order) -> None:
        changes = read_changes(order.rest)
        if not changes:
            for line in limit_lines(self.limits):
                self._screen.answer(line)
            return
        limits = replace(self.limits, **changes)
        # Which limits a session accepts is its own affair, and it says so when it is to make a turn under them.
        self._sessions.current.run("", limits=limits, filename="<limits>")
        self.limits = limits
        for line in limit_lines(limits):
            if line.partition("=")[0] in changes:
                self._screen.answer(line)

    def _help(self, _order: Order) -> None:
        for line in (*help_lines(), *_AT_THE_END):
            self._screen.answer(line)

    def _quit(self, _order: Order) -> None:
        raise Leave


def _line_of(entry: FileEntry) -> str:
    name = shown_name(entry.name)
    if entry.kind == "folder":
        return f"{'':>10}  {name}/"
    if entry.kind == "file":
        return f"{size_text(entry.size_bytes):>10}  {name}"
    return f"{entry.kind:>10}  {name}"


def _file_bytes(path: str) -> int:
    return os.stat(path).st_size  # noqa: PTH116 - text
