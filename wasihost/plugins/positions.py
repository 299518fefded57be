"""Where the keys of a TOML text stand, which `tomllib` does not tell, and how much the text asks of a reader.

A scanner, not a parser: it follows valid TOML exactly and builds no values. Where the text is not valid it stops, which
is where `tomllib` stops too, so that what it found and what it bounded holds for all that `tomllib` reads.
"""

from __future__ import annotations

import bisect
import itertools
import re
from typing import Final, TypeAlias

MAX_KEY_PARTS: Final = 32
"""Parts of one dotted key or header. `tomllib` takes time with the square of them."""
MAX_NESTING: Final = 32
"""Arrays and inline tables within each other."""
MAX_DEPTH: Final = 64
"""Tables, arrays and values within each other, however that is written."""
MAX_PLACES: Final = 20_000
"""Keys and elements of arrays together."""

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value: names of keys, and indices from 0 in arrays."""

_SPACE: Final = re.compile(r"[ \t]*")
_FILLER: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR: Final = re.compile(r"[^,\]}#\r\n]+")
_STRINGS: Final = (
    re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}", re.DOTALL),
    re.compile(r'"(?!"")(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'(?!'')[^'\n]*'"),
)


class TooComplexError(ValueError):
    """The text asks more of a reader than a manifest may.

    Attributes:
        line: Where, counted from 1.
    """

    def __init__(self, why: str, line: int) -> None:
        super().__init__(why)
        self.line = line


class Positions:
    """The lines of a TOML text's tables and keys.

    Args:
        text: The text, valid or not.

    Attributes:
        is_whole: Whether all of it could be followed, as all that is valid can.
        last_line: Where the text ends, or the statement or value that is never ended begins.

    Raises:
        TooComplexError: A key of too many parts, values too deep within each other, or too many of them.
    """

    def __init__(self, text: str) -> None:
        self._newlines = [found.start() for found in re.finditer("\n", text)]
        self._offsets: dict[Path, int] = {}
        reached = _Scanner(text, self).scan()
        self.is_whole = reached == len(text)
        self.last_line = self.line_at(min(reached, len(text.rstrip())))

    def line_of(self, path: Path) -> int:
        """Return the line of a value, counted from 1; if it has none, that of what it would stand in."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._offsets:
                return self.line_at(self._offsets[path[:length]])
        return 1

    def line_at(self, offset: int) -> int:
        """Return the line, counted from 1, of a character."""
        return bisect.bisect_left(self._newlines, offset) + 1

    def note(self, path: Path, offset: int, *, is_header: bool = False) -> None:
        """Note where a value begins, and what it stands in if that was not seen yet; a table's own header has the word.

        Raises:
            TooComplexError: It is too deep, or there are too many.
        """
        if len(path) > MAX_DEPTH:
            raise TooComplexError(f"more than {MAX_DEPTH} tables and values within each other", self.line_at(offset))
        for length in range(len(path), 0, -1):
            if path[:length] in self._offsets:
                break
            self._offsets[path[:length]] = offset
        if is_header:
            self._offsets[path] = offset
        if len(self._offsets) > MAX_PLACES:
            raise TooComplexError(f"more than {MAX_PLACES} fields and values", self.line_at(offset))


class _LostError(Exception):
    """The text is not TOML from here on."""


class _Scanner:
    def __init__(self, text: str, positions: Positions) -> None:
        self._text, self._positions = text, positions
        self._at = 0
        self._rows: dict[Path, int] = {}  # arrays of tables, and how many tables each has so far

    def scan(self) -> int:
        """Note every place, and return how far that went."""
        table: Path = ()
        try:
            while self._skip(_FILLER) < len(self._text):
                start = self._at
                if self._take("[["):
                    *parents, last = self._key()
                    rows = (*self._resolve(parents), last)
                    self._expect("]]")
                    self._rows[rows] = self._rows.get(rows, 0) + 1
                    table = (*rows, self._rows[rows] - 1)
                    self._positions.note(table, start, is_header=True)
                elif self._take("["):
                    table = self._resolve(self._key())
                    self._expect("]")
                    self._positions.note(table, start, is_header=True)
                else:
                    self._pair(table, depth=0)
        except _LostError:
            pass
        return self._at

    def _resolve(self, keys: list[str]) -> Path:
        """Return the way to a table of that name: in an array of tables, to the one that came last."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self._rows:
                path = (*path, self._rows[path] - 1)
        return path

    def _pair(self, table: Path, *, depth: int) -> None:
        start = self._at
        path = (*table, *self._key())
        self._positions.note(path, start)
        self._expect("=")
        self._skip(_SPACE)
        self._value(path, depth)

    def _value(self, path: Path, depth: int) -> None:
        start = self._at
        if self._text.startswith(("[", "{"), start):
            if depth == MAX_NESTING:
                raise TooComplexError(f"more than {MAX_NESTING} values within each other", self._line(start))
            (self._array if self._take("[") else self._inline_table)(path, depth + 1)
        elif self._text.startswith(('"', "'"), start):
            self._string()
        else:
            self._skip(_SCALAR)
            if self._at == start:
                raise _LostError

    def _array(self, path: Path, depth: int) -> None:
        for index in itertools.count():
            self._skip(_FILLER)
            if self._take("]"):
                return
            self._positions.note((*path, index), self._at)
            self._value((*path, index), depth)
            self._skip(_FILLER)
            if not self._take(","):
                self._expect("]")
                return

    def _inline_table(self, path: Path, depth: int) -> None:
        self._expect("{")
        while not self._take("}", after=_FILLER):  # TOML 1.1 allows new lines in it
            self._pair(path, depth=depth)
            self._skip(_FILLER)
            if not self._take(","):
                self._expect("}")
                return

    def _key(self) -> list[str]:
        start, parts = self._at, []
        while True:
            self._skip(_SPACE)
            bare = _BARE_KEY.match(self._text, self._at)
            if bare is not None:
                parts.append(bare.group())
                self._at = bare.end()
            else:
                parts.append(_unquoted(self._string()))
            if len(parts) > MAX_KEY_PARTS:
                raise TooComplexError(f"a key of more than {MAX_KEY_PARTS} parts", self._line(start))
            if not self._take(".", after=_SPACE):
                return parts

    def _string(self) -> str:
        """Pass over a string and return it as it is written."""
        for form in _STRINGS:
            found = form.match(self._text, self._at)
            if found is not None:
                self._at = found.end()
                return found.group()
        raise _LostError

    def _skip(self, form: re.Pattern[str]) -> int:
        found = form.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return self._at

    def _take(self, word: str, *, after: re.Pattern[str] | None = None) -> bool:
        if after is not None:
            self._skip(after)
        if not self._text.startswith(word, self._at):
            return False
        self._at += len(word)
        return True

    def _expect(self, word: str) -> None:
        if not self._take(word, after=_SPACE):
            raise _LostError

    def _line(self, offset: int) -> int:
        return self._positions.line_at(offset)


def _unquoted(key: str) -> str:
    """Return a quoted key as `tomllib` reads it."""
    if "\\" not in key or key[0] == "'":
        return key[1:-1]
    import tomllib  # only manifests need it

    try:
        return str(tomllib.loads(f"key = {key}")["key"])
    except tomllib.TOMLDecodeError:
        raise _LostError from None
