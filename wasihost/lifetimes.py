"""The end of sessions that nobody uses, or that have lived for long enough."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Final, Generic, Protocol, TypeVar

MAX_PAUSE_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 1.0
"""When to look again at what is due but busy."""


class Mortal(Protocol):
    """What ends by itself."""

    def due(self) -> float:
        """Return the `time.monotonic()` before which it does not end."""

    def end_if_due(self) -> None:
        """End, unless it is used just now or not due after all."""


T = TypeVar("T")


class Living(Generic[T]):
    """Things that belong together, for as long as somebody else holds them."""

    __slots__ = ("_lock", "_things")

    def __init__(self) -> None:
        self._things: weakref.WeakSet[T] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, thing: T) -> None:
        """Take one in."""
        with self._lock:
            self._things.add(thing)

    def discard(self, thing: T) -> None:
        """Let one go; harmless when it is not there."""
        with self._lock:
            self._things.discard(thing)

    def all(self) -> list[T]:
        """Return those that there are."""
        with self._lock:
            return list(self._things)


_watched: weakref.WeakSet[Mortal] = weakref.WeakSet()
_lock = threading.Lock()
_wake = threading.Event()
_watcher: threading.Thread | None = None


def watch(mortal: Mortal) -> None:
    """End something when it is due, for as long as somebody else holds it."""
    global _watcher  # noqa: PLW0603 - one for the process
    with _lock:
        _watched.add(mortal)
        if _watcher is None:
            _watcher = threading.Thread(target=_watch, name="wasihost-lifetimes", daemon=True)
            _watcher.start()
    _wake.set()


def forget(mortal: Mortal) -> None:
    """It is over."""
    with _lock:
        _watched.discard(mortal)


def _watch() -> None:
    global _watcher  # noqa: PLW0603 - one for the process
    while True:
        _wake.clear()
        with _lock:
            mortals = list(_watched)
            if not mortals:
                _watcher = None
                return
        now = time.monotonic()
        pause = MAX_PAUSE_SECONDS
        for mortal in mortals:
            if mortal.due() <= now:
                mortal.end_if_due()
                pause = min(pause, RETRY_SECONDS)
            else:
                pause = min(pause, mortal.due() - now)
        del mortals[:], mortal
        _wake.wait(pause)


def _forget_parent() -> None:
    """Start afresh in a forked child: the sessions are its parent's."""
    global _lock, _watcher, _watched
    _lock, _watcher, _watched = threading.Lock(), None, weakref.WeakSet()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
