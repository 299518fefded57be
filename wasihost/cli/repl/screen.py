"""Where a loop writes: the guest's output as it comes, values, answers to commands, and lines of wasirun's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from wasihost.cli.repl.harmless import Harmless, harmless
from wasihost.cli.text import say, write_all

_STREAMS: Final = (1, 2)


class Screen:
    """Standard output and standard error, of which each may be a terminal."""

    def __init__(self) -> None:
        self._filters = {stream: Harmless() for stream in _STREAMS if os.isatty(stream)}
        self._in_line = False
        self.error: OSError | None = None
        """Why the guest's output could not be written."""

    def listener(self, stream: int) -> Callable[[bytes], object]:
        """Return what passes the guest's output on to a stream."""

        def write(data: bytes) -> None:
            try:
                self._write(stream, data)
            except OSError as error:
                self.error = error
                raise

        return write

    def end_turn(self) -> None:
        """Write what was held back in case that something followed."""
        for stream, found in self._filters.items():
            write_all(stream, found.end())

    def show(self, text: str) -> None:
        """Print a text of the guest, and end the line."""
        shown = harmless(text) if 1 in self._filters else text
        self.answer(shown)

    def answer(self, text: str) -> None:
        """Print a text of the host, and end the line."""
        write_all(1, f"{text}\n".encode("utf-8", "backslashreplace"))
        self._in_line = False

    def say(self, message: str) -> None:
        """Print a line of wasirun's own on standard error; on a terminal, on a line of its own."""
        if self._in_line and 2 in self._filters:
            write_all(2, b"\n")
        self._in_line = False
        say(message)

    def break_line(self) -> None:
        """What follows does not belong to the line that the cursor is in."""
        self._in_line = True

    def _write(self, stream: int, data: bytes) -> None:
        found = self._filters.get(stream)
        shown = data if found is None else found.feed(data)
        if shown:
            if found is not None:
                self._in_line = not shown.endswith(b"\n")
            write_all(stream, shown)
