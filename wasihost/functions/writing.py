"""From what a function returned or raised to the bytes of a reply."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec

from wasihost.functions.mistakes import ReplyError
from wasihost.functions.wire import LENGTH_BYTES, MARK, MAX_DEPTH, PLAIN, SCALARS

MAX_ERROR_CHARACTERS: Final = 16384
"""Of the message of an exception."""

_json: Final = msgspec.json.Encoder().encode
_TEXT: Final = frozenset({str})


def encode_value(value: object) -> bytes:
    """Return the reply to a call that returned.

    The value consists of lists, tuples, dicts with texts for keys, str, int, float, bool, None, and what can be marked:
    bytes, bytearray, memoryview, datetime, date, time, timedelta, Decimal, UUID; `HostFunction.reply` makes it.

    Raises:
        ReplyError: Something else is in it, or a number that is NaN or infinite, an integer of more than 4,300 digits,
            half of a surrogate pair, or more than 100 lists and dicts within each other.
    """
    try:
        if is_plain((value,)):
            return _framed(b"[0,", _json(value), b"]")
        outgoing = _Outgoing()
        said = _json(outgoing.form(value, 1))
    except ReplyError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise ReplyError(f"the value has no form that a guest can be given: {error}") from error
    return _framed(b"[0,", said, b",1]" if outgoing.marked else b"]", outgoing.blobs)


def encode_error(name: str, message: str) -> bytes:
    """Return the reply to a call that failed: the class that is raised inside, and its message (cut at 16,384)."""
    said = [_encodable(name), _encodable(message[:MAX_ERROR_CHARACTERS])]
    return _framed(b"[1,", _json(said)[1:], b"")


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _framed(before: bytes, said: bytes, after: bytes, blobs: Sequence[bytes] = ()) -> bytes:
    length = len(before) + len(said) + len(after)
    if length >= 1 << 8 * LENGTH_BYTES:
        raise ReplyError("the value is longer than any message")
    return b"".join((length.to_bytes(LENGTH_BYTES, "little"), before, said, after, *blobs))


def is_plain(values: Collection[Any], depth: int = 0) -> bool:
    """Whether JSON has a form for all of these and what is in them; looks at types, and at floats for their values.

    Raises:
        ReplyError: A number that is NaN or infinite, or more than 100 lists and dicts within each other.
    """
    kinds = set(map(type, values))
    if float in kinds:
        _check_finite(values)
    if kinds <= SCALARS:
        return True
    if not kinds <= PLAIN:
        return False
    if depth >= MAX_DEPTH:
        raise ReplyError(f"the value has more than {MAX_DEPTH} lists and dicts within each other")
    for value in values:
        kind = type(value)
        if kind is dict:
            if not _TEXT.issuperset(map(type, value)) or not is_plain(value.values(), depth + 1):
                return False
        elif kind not in SCALARS and not is_plain(value, depth + 1):
            return False
    return True


def _check_finite(values: Collection[Any]) -> None:
    if not all(map(math.isfinite, [value for value in values if type(value) is float])):
        raise ReplyError("the value has a number that is NaN or infinite")


class _Outgoing:
    """A value in which something is marked."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []
        self.marked = False
        self._at = 0

    def form(self, value: Any, depth: int) -> object:  # noqa: ANN401 - any value
        kind = type(value)
        if kind in SCALARS:
            if kind is float and not math.isfinite(value):
                raise ReplyError("the value has a number that is NaN or infinite")
            return value
        if isinstance(value, dict | list | tuple):
            if depth > MAX_DEPTH:
                raise ReplyError(f"the value has more than {MAX_DEPTH} lists and dicts within each other")
            if isinstance(value, dict):
                return self._dict(value, depth)
            return [self.form(item, depth + 1) for item in value]
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(value)
        for base, name, say in _NATIVE:
            if isinstance(value, base):
                return self._mark(name, say(value))
        raise ReplyError(f"an object of the type {kind.__qualname__} has no form that a guest can be given")

    def _dict(self, value: dict[Any, Any], depth: int) -> object:
        formed = {}
        for key, item in value.items():
            if type(key) is not str:
                raise ReplyError(f"a dict has a key of the type {type(key).__qualname__}; they must be str")
            formed[key] = self.form(item, depth + 1)
        if MARK in formed:
            return self._mark("dict", [[key, item] for key, item in formed.items()])
        return formed

    def _bytes(self, value: bytes | bytearray | memoryview) -> object:
        held = value if isinstance(value, bytes) else bytes(value)
        at = self._at
        self.blobs.append(held)
        self._at += len(held)
        return self._mark("bytes", at, len(held))

    def _mark(self, *said: object) -> object:
        self.marked = True
        return {MARK: said}


def _decimal(value: decimal.Decimal) -> str:
    if not value.is_finite():
        raise ReplyError("the value has a Decimal that is no number")
    return str(value)


_NATIVE: Final[tuple[tuple[type, str, Callable[[Any], object]], ...]] = (
    # A datetime is a date as well: it comes first.
    (datetime.datetime, "datetime", datetime.datetime.isoformat),
    (datetime.date, "date", datetime.date.isoformat),
    (datetime.time, "time", datetime.time.isoformat),
    (datetime.timedelta, "timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    (decimal.Decimal, "decimal", _decimal),
    (uuid.UUID, "uuid", str),
)
