"""Which guests of sessions a worker keeps between turns, as its parent decides."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

KEPT_SESSIONS: Final = 4
"""Guests of sessions in one worker: they take addresses and memory, and the walls leave room for so many."""


class KeptSessions:
    """What a parent knows of the guests in one worker.

    Args:
        most_bytes: Memory of all of them together; the walls leave room for as much.
    """

    __slots__ = ("_forget", "_held", "_most_bytes")

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held: OrderedDict[int, tuple[int, int]] = OrderedDict()
        """Key of the session -> version and size of its memory."""
        self._forget: list[int] = []

    def has(self, key: int, version: int) -> bool:
        """Whether the worker can go on with a session as it is."""
        held = self._held.get(key)
        return held is not None and held[0] == version

    def take(self, key: int) -> list[int]:
        """Say that a turn of a session comes; return the sessions that the worker shall forget with it."""
        self._held.pop(key, None)
        forget, self._forget = [other for other in self._forget if other != key], []
        return forget

    def keep(self, key: int, version: int, memory_bytes: int) -> None:
        """Say that the worker has a session as it is after a turn."""
        self._held[key] = version, memory_bytes
        while len(self._held) > KEPT_SESSIONS or (
            len(self._held) > 1 and sum(size for _, size in self._held.values()) > self._most_bytes
        ):
            self._forget.append(self._held.popitem(last=False)[0])

    def forget(self, key: int) -> None:
        """The session is over."""
        if self._held.pop(key, None) is not None:
            self._forget.append(key)
