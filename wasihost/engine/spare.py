"""Guests of an image that wait for their runs, so that a run does not wait for its guest."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from wasihost.engine.instance import Guest
from wasihost.engine.reset import Reset

if TYPE_CHECKING:
    from wasihost.engine.code import Code
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
    """Takes used guests and gives new ones, from any thread.

    Args:
        code: What the guests are instances of.
        image: What lies under them.
        written: Finds written pages.
        most: How many may wait.
    """

    def __init__(self, code: Code, image: MappedImage, written: WrittenPages, *, most: int) -> None:
        self._code = code
        self._image = image
        self._reset = Reset(code, image, written)
        self._most = most
        self._waiting: list[Guest] = []
        self._lock = threading.Lock()

    def take(self) -> Guest:
        """Return a new guest: one that waited, or one that is made now.

        Raises:
            EngineError: It could not be made.
        """
        return self.spare() or prepare(self._code, self._image)

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

    def close(self) -> None:
        """Free those that wait, and let no other wait."""
        if not self._code.engine.is_of_this_process():
            return  # they are those of the process that this one was forked from
        with self._lock:
            gone, self._waiting, self._most = self._waiting, [], 0
        for guest in gone:
            guest.close()
