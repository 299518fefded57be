"""Takes the tables of a manifest apart; every refusal names file, line and field."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

from wasihost.capabilities.preopen import is_utf8, shown
from wasihost.errors import InvalidPluginError
from wasihost.plugins.positions import Path, Positions
from wasihost.runtime.manifest import is_digest, is_inner_path

Choice = TypeVar("Choice", bound=str)

MAX_TEXT_CHARACTERS: Final = 1000
MAX_WHY_CHARACTERS: Final = 500
"""Of what others say of a mistake."""
_IDENTIFIER: Final = re.compile(r"(?!_)[A-Za-z0-9_]{1,100}")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The text that is read.

    Attributes:
        file: What messages call it.
        positions: Where its keys stand.
    """

    file: str
    positions: Positions

    def refuse(self, path: Path, why: str) -> NoReturn:
        """Raise what names the place.

        Raises:
            InvalidPluginError: Always.
        """
        raise InvalidPluginError(why, file=self.file, line=self.positions.line_of(path), field=spelled(path))


class Fields:
    """One table; every field that was asked for is ticked off, so that none is left unread."""

    def __init__(self, source: Source, path: Path, table: Mapping[str, Any]) -> None:
        self.source, self.path = source, path
        self.values = table
        self._read: dict[str, None] = {}  # in the order in which they are read, which is that of the documentation

    def __contains__(self, key: str) -> bool:
        """Whether the field is there; it counts as known then."""
        self._read[key] = None
        return key in self.values

    def refuse(self, key: str, why: str) -> NoReturn:
        """Raise what names the field.

        Raises:
            InvalidPluginError: Always.
        """
        self.source.refuse((*self.path, key) if key else self.path, why)

    def done(self) -> None:
        """Refuse what nobody took."""
        for key in self.values:
            if key not in self._read:
                self.refuse(key, f"is not a field that there is; there are {', '.join(self._read)}")

    def value(self, key: str) -> Any:  # noqa: ANN401 - TOML values
        """Return whatever stands there."""
        if key not in self:
            self.refuse(key, "is missing")
        return self.values[key]

    def text(self, key: str, *, most: int = MAX_TEXT_CHARACTERS, lines: bool = False) -> str:
        """Return a text that is not empty and can be shown to a person: what cannot be seen could mislead them.

        Args:
            key: The field.
            most: Characters that it may have.
            lines: Whether it may have several lines.
        """
        value: object = self.value(key)
        if not isinstance(value, str):
            self.refuse(key, f"must be a text, not {shown(value)}")
        if not value.strip():
            self.refuse(key, "is empty")
        if len(value) > most:
            self.refuse(key, f"has {len(value)} characters; {most} is the most")
        if not is_printable(value.replace("\n", "") if lines else value):
            bad = next(c for c in value if not is_printable(c) and not (lines and c == "\n"))
            self.refuse(key, f"has the character {bad!r}, which cannot be seen" if bad != "\n" else "must be one line")
        return value.strip()

    def formed(self, key: str, form: re.Pattern[str], what: str) -> str:
        """Return a text of a form, which `what` tells."""
        value: object = self.value(key)
        if not isinstance(value, str) or not form.fullmatch(value):
            self.refuse(key, f"must be {what}, not {shown(value)}")
        return value

    def identifier(self, key: str, name: object) -> str:
        """Return the name of a function or parameter, which stands in the field or is the field's own."""
        if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name) or not name.isidentifier():
            self.refuse(key, f"{shown(name)} is no name: letters, digits and underscores, beginning with a letter")
        if keyword.iskeyword(name):
            self.refuse(key, f"{name} is a keyword of Python")
        return name

    def choice(self, key: str, allowed: tuple[Choice, ...]) -> Choice:
        """Return one of some texts."""
        value: object = self.value(key)
        if not isinstance(value, str) or value not in allowed:
            self.refuse(key, f"must be {' or '.join(allowed)}, not {shown(value)}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        if key not in self:
            return default
        value: object = self.value(key)
        if not isinstance(value, bool):
            self.refuse(key, f"must be true or false, not {shown(value)}")
        return value

    def number(self, key: str, least: int, most: int) -> int:
        """Return a whole number."""
        value: object = self.value(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.refuse(key, f"must be a whole number from {least} to {most}, not {shown(value)}")
        return value

    def digest(self, key: str) -> str:
        """Return a sha256."""
        value: object = self.value(key)
        if not isinstance(value, str) or not is_digest(value):
            self.refuse(key, f"must be a sha256, 64 lower-case hex digits, not {shown(value)}")
        return value

    def inner_path(self, key: str) -> str:
        """Return a path within the plugin."""
        value: object = self.value(key)
        if not isinstance(value, str) or not is_inner_path(value):
            self.refuse(key, f"must be a path within the plugin, with / and without .., not {shown(value)}")
        return value

    def table(self, key: str) -> Fields:
        """Return a table."""
        value: object = self.value(key)
        if not isinstance(value, dict):
            self.refuse(key, f"must be a table, not {shown(value)}")
        return Fields(self.source, (*self.path, key), value)

    def entries(self, key: str, *, most: int) -> Iterator[tuple[str, object]]:
        """Yield names and values of a table, in the order of the text; nothing when there is none."""
        if key in self:
            table = self.table(key)
            if len(table.values) > most:
                self.refuse(key, f"has {len(table.values)} entries; {most} is the most")
            yield from table.values.items()

    def rows(self, key: str, *, most: int) -> Iterator[Fields]:
        """Yield the tables of an array of tables; none when there is none."""
        if key not in self:
            return
        value: object = self.value(key)
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            self.refuse(key, f"must be tables, written [[{spelled((*self.path, key))}]]")
        if len(value) > most:
            self.refuse(key, f"has {len(value)} entries; {most} is the most")
        for index, row in enumerate(value):
            yield Fields(self.source, (*self.path, key, index), row)


def is_printable(text: str) -> bool:
    """Whether everything in a text can be seen, and stays where it stands: no control characters, no surrogates."""
    return text.isprintable() and is_utf8(text)


def printable(text: str) -> str:
    """Return a text as it may stand in a message: on one line, and nothing in it that cannot be seen."""
    return text if is_printable(text) else repr(text)[1:-1]


def spelled(path: Path) -> str:
    """Return a way to a value as one writes it: `capabilities[0].reason`; what is no plain key, quoted."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _BARE.fullmatch(step) and len(step) <= 100 else shown(step))
    return text
