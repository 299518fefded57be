"""Bounded memory for what a guest writes: the first and the last part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

CALLBACK_BYTES: Final = 1 << 20
"""A streaming callback gets at most this much at a time."""


class Capture:
    """Keeps the first and last half of a byte stream within `limit` bytes, and counts the rest.

    Args:
        limit: Bytes kept at most.
        callback: Called with every piece as it is written, in order, on the thread of the run.
        ends: Whether the stream ends at `limit`: the callback then gets nothing past it.
    """

    __slots__ = ("_callback", "_ends", "_head", "_head_room", "_tail", "_tail_room", "limit", "total")

    def __init__(self, limit: int, callback: Callable[[bytes], object] | None = None, *, ends: bool = False) -> None:
        self.limit = limit
        self._ends = ends
        self.total = 0
        self._head_room = (limit + 1) // 2
        self._tail_room = limit - self._head_room
        self._head = bytearray()
        self._tail = bytearray()
        self._callback = callback

    def feed(self, data: memoryview) -> bool:
        """Take one piece; return whether the stream is still within its limit."""
        size = len(data)
        self.total += size
        if self._callback is not None:
            heard = min(size, max(0, self.limit - self.total + size)) if self._ends else size
            for start in range(0, heard, CALLBACK_BYTES):
                callback = self._callback
                if callback is not None:
                    callback(bytes(data[start : min(start + CALLBACK_BYTES, heard)]))
        room = self._head_room - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if len(data):
            # Only the end of a long piece can survive; the tail is trimmed when it is twice too long, so that
            # a byte is moved once on average however small the pieces are.
            if len(data) > self._tail_room:
                data = data[len(data) - self._tail_room :]
            self._tail += data
            if len(self._tail) > 2 * self._tail_room:
                del self._tail[: len(self._tail) - self._tail_room]
        return self.total <= self.limit

    def silence(self) -> None:
        """Call the callback no more: the run that it listened to is over for its caller."""
        self._callback = None

    def taken(self) -> tuple[bytes, int]:
        """Return (what was kept, how many bytes were left out).

        When something was left out, a line between head and tail says how much, and the cut falls between UTF-8
        characters.
        """
        if self.total <= self.limit:
            return bytes(self._head + self._tail), 0
        head = _without_cut_end(self._head)
        tail = _without_cut_start(self._tail[len(self._tail) - self._tail_room :] if self._tail_room else bytearray())
        omitted = self.total - len(head) - len(tail)
        return bytes(head) + b"\n[... %d bytes omitted ...]\n" % omitted + bytes(tail), omitted


def _without_cut_end(data: bytearray) -> bytearray:
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return data[:-back] if length > back else data
    return data


def _without_cut_start(data: bytearray) -> bytearray:
    start = 0
    while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:
        start += 1
    return data[start:]
