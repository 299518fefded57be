"""From the bytes of a guest to a call. This is the border: nothing behind it sees a byte that was not checked here."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final, Literal

import msgspec

from wasihost.functions.mistakes import MalformedCallError
from wasihost.functions.wire import LENGTH_BYTES, MARK, MAX_DEPTH, MAX_EXPONENT, MAX_NAME_CHARACTERS, SCALARS

_HEADER_DEPTH: Final = 2
"""The header is a list, and the arguments are in a list or a dict."""
_MARK_DEPTH: Final = 4
"""A dict that has the key "$" is an object, a list, a list of pairs and a pair."""
_DEEPEST: Final = _HEADER_DEPTH + _MARK_DEPTH * MAX_DEPTH + 3
"""With a timedelta in the innermost: an object, a list and a list."""
_DECIMAL_CHARACTERS: Final = 2 * MAX_EXPONENT + 64
"""Digits on both sides of the point, sign and exponent."""
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\2\2\0\0")


class _Call(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    marked: Literal[0, 1] = 0


_decode: Final = msgspec.json.Decoder(_Call).decode


def decode(message: bytes) -> tuple[str, list[Any], dict[str, Any]]:
    """Return name, positional and keyword arguments of a call.

    Its arguments are lists, dicts with texts for keys, str, int, float, bool, None, and what can be marked: bytes,
    datetime, date, time, timedelta, Decimal, UUID. No number is NaN or infinite.

    Raises:
        MalformedCallError: Whatever else it is.
    """
    cut = LENGTH_BYTES + int.from_bytes(message[:LENGTH_BYTES], "little")
    if len(message) < max(cut, LENGTH_BYTES):
        raise MalformedCallError("the message is shorter than it says")
    header = message[LENGTH_BYTES:cut]
    depth = _depth(header)
    if depth > _DEEPEST:
        raise MalformedCallError("the arguments are nested too deeply")
    try:
        call = _decode(header)
        if not call.marked:
            if depth > MAX_DEPTH + _HEADER_DEPTH:
                raise MalformedCallError("the arguments are nested too deeply")
            if len(message) != cut:
                raise MalformedCallError("the message is longer than it says")
            args, kwargs = call.args, call.kwargs
        else:
            incoming = _Incoming(memoryview(message)[cut:])
            args = [incoming.value(said, 1) for said in call.args]
            kwargs = {key: incoming.value(said, 1) for key, said in call.kwargs.items()}
            incoming.check_end()
    except MalformedCallError:
        raise
    except (ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
        # msgspec's errors are ValueErrors in new versions only; those of texts that are not UTF-8 always were.
        raise MalformedCallError(f"the message is no call: {error}") from None
    if len(call.name) > MAX_NAME_CHARACTERS or not call.name.isidentifier():
        raise MalformedCallError("the message calls something that is no name")
    return call.name, args, kwargs


def _depth(header: bytes) -> int:
    """Return how deep brackets are nested, before anything recurses into them; 0 when there are few in all.

    For a header that is not JSON it is right up to where it stops to be JSON, which is as far as it gets read.
    """
    if header.count(b"[") + header.count(b"{") <= MAX_DEPTH:
        return 0
    outside = b"".join(header.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    steps = outside.translate(_STEPS, _NOT_BRACKETS)
    # Two up or none, and one down for every bracket.
    return max((depth - number for number, depth in enumerate(accumulate(steps), 1)), default=0)


class _Incoming:
    """The arguments of a call some of which are marked."""

    def __init__(self, blobs: memoryview) -> None:
        self._blobs = blobs
        self._at = 0

    def check_end(self) -> None:
        if self._at != len(self._blobs):
            raise MalformedCallError("the message has bytes that nothing names")

    def value(self, said: Any, depth: int) -> Any:  # noqa: ANN401 - any argument
        kind = type(said)
        if kind in SCALARS:
            return said
        if kind is dict and MARK in said:
            return self._marked(said, depth)
        if depth > MAX_DEPTH:
            raise MalformedCallError("the arguments are nested too deeply")
        if kind is list:
            return [self.value(item, depth + 1) for item in said]
        return {key: self.value(item, depth + 1) for key, item in said.items()}

    def _marked(self, said: dict[str, Any], depth: int) -> Any:  # noqa: ANN401 - any argument
        mark = said[MARK]
        if len(said) != 1 or type(mark) is not list or not mark or type(mark[0]) is not str:
            raise MalformedCallError("a mark is no mark")
        name = mark[0]
        if name == "bytes" and len(mark) == 3:
            return self._bytes(mark[1], mark[2])
        if name == "dict" and len(mark) == 2:
            return self._dict(mark[1], depth)
        read = _NATIVE.get(name)
        if read is None or len(mark) != 2:
            raise MalformedCallError("a mark of no known kind")
        return read(mark[1])

    def _bytes(self, at: object, length: object) -> bytes:
        # One after the other, so that no blob is named twice: a short message could stand for gigabytes.
        if type(at) is not int or type(length) is not int or at != self._at or length < 0:
            raise MalformedCallError("bytes that do not follow those before")
        self._at += length
        if self._at > len(self._blobs):
            raise MalformedCallError("bytes beyond the end of the message")
        return bytes(self._blobs[at : self._at])

    def _dict(self, pairs: object, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise MalformedCallError("the arguments are nested too deeply")
        if type(pairs) is not list:
            raise MalformedCallError("a dict that is no list of pairs")
        found = {}
        for pair in pairs:
            if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not str:
                raise MalformedCallError("a dict that is no list of pairs")
            found[pair[0]] = self.value(pair[1], depth + 1)
        return found


def _text(said: object) -> str:
    if type(said) is not str:
        raise MalformedCallError("a marked value that is no text")
    return said


def _timedelta(said: object) -> datetime.timedelta:
    if type(said) is not list or len(said) != 3 or any(type(number) is not int for number in said):
        raise MalformedCallError("a timedelta that is not three integers")
    return datetime.timedelta(*said)


def _decimal(said: object) -> decimal.Decimal:
    text = _text(said)
    if len(text) > _DECIMAL_CHARACTERS:
        raise MalformedCallError("a Decimal of too many digits")
    found = decimal.Decimal(text)
    exponent = found.as_tuple().exponent
    if not isinstance(exponent, int) or max(abs(exponent), abs(found.adjusted())) > MAX_EXPONENT:
        raise MalformedCallError("a Decimal that is no number, or of too many digits")
    return found


def _uuid(said: object) -> uuid.UUID:
    text = _text(said)
    found = uuid.UUID(text)
    if str(found) != text:
        raise MalformedCallError("a UUID that is not written as one")
    return found


_NATIVE: Final[dict[str, Callable[[object], object]]] = {
    "datetime": lambda said: datetime.datetime.fromisoformat(_text(said)),
    "date": lambda said: datetime.date.fromisoformat(_text(said)),
    "time": lambda said: datetime.time.fromisoformat(_text(said)),
    "timedelta": _timedelta,
    "decimal": _decimal,
    "uuid": _uuid,
}
