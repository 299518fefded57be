"""One schema within a schema, as it was read; and how places and values are called in messages."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_KEY_CHARACTERS: Final = 100

KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    tuple: "array",
    dict: "object",
    bytes: "binary",
    bytearray: "binary",
    memoryview: "binary",
    datetime.datetime: "date-time",
    datetime.date: "date",
    datetime.time: "time",
    datetime.timedelta: "duration",
    decimal.Decimal: "decimal",
    uuid.UUID: "uuid",
}
"""What values are, by their types."""
WORDS: Final = {
    "null": "null",
    "boolean": "a boolean",
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "array": "an array",
    "object": "an object",
    "binary": "bytes",
    "date-time": "a datetime",
    "date": "a date",
    "time": "a time",
    "duration": "a timedelta",
    "decimal": "a Decimal",
    "uuid": "a UUID",
}
PYTHON_TYPES: Final = {
    "null": "None",
    "boolean": "bool",
    "integer": "int",
    "number": "float",
    "string": "str",
    "array": "list",
    "object": "dict",
    "binary": "bytes",
    "date-time": "datetime",
    "date": "date",
    "time": "time",
    "duration": "timedelta",
    "decimal": "Decimal",
    "uuid": "UUID",
}
"""How their types are called in Python."""


@dataclass(slots=True, eq=False, kw_only=True)
class Node:
    """One schema, as it was read. What is None says nothing."""

    said: Mapping[str, Any]
    kinds: frozenset[str] | None = None
    texts: frozenset[str] = frozenset()
    """Those among the values of an enum or a const."""
    tokens: frozenset[str] | None = None
    """Of the other ones."""
    shown: str = ""
    """The values, as text."""
    items: Node | None = None
    unique: bool = False
    properties: dict[str, Node]
    required: tuple[str, ...] = ()
    additional: Node | bool = True
    bounds: tuple[tuple[str, float], ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    choices: tuple[Node, ...] | None = None
    reference: str | None = None
    accepted: frozenset[str] | None = None
    """Kinds of values that it may be right for, with those of its choices taken into account."""
    by_kind: dict[str, tuple[Node, ...]] | None = None
    """The choices that come into question, for each kind of value."""

    @property
    def has_parts(self) -> bool:
        """Whether it says something of what is in a value."""
        return self.items is not None or bool(self.properties) or isinstance(self.additional, Node)

    @property
    def is_simple(self) -> bool:
        """Whether it asks for kinds of values and nothing else."""
        return not (
            self.tokens is not None
            or self.items is not None
            or self.unique
            or self.properties
            or self.required
            or self.additional is not True
            or self.bounds
            or self.counts
            or self.choices is not None
        )


def quoted(said: object) -> str:
    """Say what somebody wrote, if that is short."""
    if isinstance(said, str):
        return repr(said[:MAX_KEY_CHARACTERS])
    if said is None or isinstance(said, bool | float) or (isinstance(said, int) and abs(said) < 2**64):
        return repr(said)
    return WORDS.get(KINDS.get(type(said), ""), "something else")


def place_within(where: str, name: str) -> str:
    """The place of what has that name, in another place."""
    return f"{where}{step_to(name)}"


def step_to(name: str) -> str:
    """A name as part of a place."""
    if name.isidentifier() and len(name) <= MAX_KEY_CHARACTERS:
        return f".{name}"
    return f"[{name[:MAX_KEY_CHARACTERS]!r}]"
