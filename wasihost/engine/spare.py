"""Guests of an image that wait for their runs, so that a run does not wait for its guest."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from wasihost.engine.instance import Guest
from wasihost.engine.reset import Reset
from wasihost.errors import EngineError

if TYPE_CHECKING:
    from wasihost.engine.code import Code
    from wasihost.engine.engine import Engine
    from wasihost.engine.mapping import MappedImage
    from wasihost.engine.written import WrittenPages


def prepare(code: Code, image: MappedImage) -> Guest:
    """Return a guest with the image under it: all of a run that does not depend on the run.

    Raises:
        EngineError: It could not be set up.
    """
    guest = Guest(code)
    try:
        image.put_under(guest)
    except BaseException:
        guest.close()
        raise
    return guest


class SpareGuests:
    """Takes used guests and gives new ones, from any thread. Those that wait are freed with it.

    Args:
        code: What the guests are instances of.
        image: What lies under them.
        written: Finds written pages.
        most: How many may wait.
    """

    __slots__ = ("__weakref__", "_code", "_finalizer", "_image", "_lock", "_most", "_reset", "_waiting")

    def __init__(self, code: Code, image: MappedImage, written: WrittenPages, *, most: int) -> None:
        self._code = code
        self._image = image
        self._reset = Reset(code, image, written)
        self._most = most
        self._waiting: list[Guest] = []
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _free, code.engine, self._waiting)
        self._finalizer.atexit = False

    def take(self) -> Guest:
        """Return a new guest: one that waited, or one that is made now.

        Raises:
            EngineError: It could not be made.
        """
        guest = self.spare()
        if guest is not None:
            return guest
        try:
            return prepare(self._code, self._image)
        except EngineError:
            # Guests that were given back meanwhile may be what takes the room.
            guest = self.spare()
            if guest is None:
                raise
            return guest

    def spare(self) -> Guest | None:
        """Return a new guest that waited, if there is one."""
        with self._lock:
            return self._waiting.pop() if self._waiting else None

    def put_away(self, used: Guest) -> None:
        """Make a used guest a new one that waits, if it is not one too many; the used one is closed in any case."""
        with self._lock:
            wanted = len(self._waiting) < self._most
        if not wanted:
            used.close()
            return
        fresh = self._reset.renew(used)
        if fresh is None:
            return
        with self._lock:
            if len(self._waiting) < self._most:
                self._waiting.append(fresh)
                return
        fresh.close()

    def keep_at_most(self, most: int) -> None:
        """Let fewer wait from now on, and free those beyond."""
        with self._lock:
            self._most = most
            gone = self._waiting[most:]
            del self._waiting[most:]
        for guest in gone:
            guest.close()

    def close(self) -> None:
        """Free those that wait, and let no other wait."""
        if self._code.engine.is_of_this_process():  # else they are those of the process that this one was forked from
            self.keep_at_most(0)


def _free(engine: Engine, waiting: list[Guest]) -> None:
    while waiting and engine.is_of_this_process():
        waiting.pop().close()
