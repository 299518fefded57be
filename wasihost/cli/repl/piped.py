"""Whole statements out of a standard input that is no terminal.

A terminal's rule that an empty line ends a block would cut functions of most scripts in two, so here a block goes on
until a line begins that is not indented.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import IO, Final

from wasihost.cli.repl.orders import is_order
from wasihost.cli.repl.statement import so_far, whole
from wasihost.errors import InvalidSourceError

MAX_LINE_BYTES: Final = 64 * 2**20

_BLOCKS: Final = frozenset({"async", "class", "def", "for", "if", "match", "try", "while", "with"})
_GO_ON: Final = frozenset({"elif", "else", "except", "finally"})
_WORD: Final = re.compile(r"\w+|@")


class Piped:
    """Reads statements and commands.

    Args:
        file: Lines of Python.
        status: Tells whether a text is "complete", "incomplete" or "invalid".
    """

    def __init__(self, file: IO[bytes], status: Callable[[str], str]) -> None:
        self._file = file
        self._status = status
        self._ahead: str | None = None
        self._number = 0

    def read(self) -> str:
        """Return the next statement, or command.

        Raises:
            EOFError: There is none.
            InvalidSourceError: A line is no text, or too long.
            WasiHostError: What `status` raised.
        """
        lines: list[str] = []
        in_block = False
        while (line := self._next()) is not None:
            bare = line.strip()
            is_idle = not bare or bare.startswith("#")
            if not lines:
                if is_idle:
                    continue
                if is_order(line):
                    return bare
                in_block = _first_word(line) in _BLOCKS | {"@"}
            elif in_block and not is_idle and not line[0].isspace() and self._is_over(lines, line):
                self._ahead = line
                return whole(lines)
            lines.append(line)
            if not in_block and self._status(so_far(lines)) != "incomplete":
                return whole(lines)
        if not lines:
            raise EOFError
        return whole(lines)

    def _is_over(self, lines: list[str], line: str) -> bool:
        """Whether a block ends before a line that is not indented: it may also stand in brackets or in a string."""
        return _first_word(line) not in _GO_ON and self._status(whole(lines) + "\n") != "incomplete"

    def _next(self) -> str | None:
        if self._ahead is not None:
            line, self._ahead = self._ahead, None
            return line
        raw = self._file.readline(MAX_LINE_BYTES + 1)
        if not raw:
            return None
        self._number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise InvalidSourceError(f"line {self._number} of standard input is longer than {MAX_LINE_BYTES} bytes")
        try:
            line = raw.decode("utf-8-sig" if self._number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise InvalidSourceError(f"line {self._number} of standard input is not UTF-8") from None
        return line.removesuffix("\n").removesuffix("\r")


def _first_word(line: str) -> str:
    found = _WORD.match(line)
    return found.group() if found else ""
