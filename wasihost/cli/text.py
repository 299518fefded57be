"""Words that may stand on a terminal, whoever wrote them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wasihost.result import RunResult

_SHOWN_CHARACTERS: Final = 200
_MESSAGE_CHARACTERS: Final = 2000


def shown_name(name: str) -> str:
    """Return a name as it may be printed: what is not printable escaped as `repr` does, not long."""
    text = name[:_SHOWN_CHARACTERS]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text if len(name) <= _SHOWN_CHARACTERS else f"{text}..."


def shell_word(name: str) -> str:
    """Return a name as it can be typed into a shell, if it can be; else as `shown_name` does."""
    if not name.isprintable():
        return shown_name(name)
    if all(c.isalnum() or c in "@%+=:,./-_" for c in name):
        return shown_name(name)
    return shown_name("'" + name.replace("'", "'\"'\"'") + "'")


def one_line(message: str) -> str:
    """Return a message as one line without control characters."""
    line = " ".join(message.split())
    if not line.isprintable():
        line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    return line[:_MESSAGE_CHARACTERS]


def say(message: str) -> None:
    """Print one line of wasirun itself on standard error."""
    write_all(2, f"wasirun: {one_line(message)}\n".encode("utf-8", "backslashreplace"))


def say_traceback(result: RunResult | None) -> None:
    """Show on standard error where an exception came from; the text is the guest's."""
    lines = result.error.traceback.splitlines() if result is not None and result.error is not None else []
    if len(lines) > 1:  # a single line says what the message does
        say_lines(lines)


def say_lines(lines: Iterable[str]) -> None:
    """Print lines that a guest wrote on standard error, without control characters."""
    for line in lines:
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
        write_all(2, f"{text}\n".encode("utf-8", "backslashreplace"))


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything to a descriptor, past every buffer.

    Raises:
        OSError: The other end is closed, the disk is full.
    """
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # somebody else made the terminal or pipe non-blocking
            import select

            select.select([], [descriptor], [])
