"""A used guest made new: its pages are the image's again, under a store that nothing ran in.

Most of a short run is page faults, which a new mapping of the image pays anew. A page that a guest wrote is a copy of
its own, and the kernel names those; with the image copied over them the memory is the image's, byte for byte, and the
next run finds in place what the one before brought in. All else (tables, globals, files, limits) is that of a new
store: only the memory moves there.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from wasihost.engine.instance import Guest
from wasihost.engine.layers import PAGE_BYTES, runs_of
from wasihost.engine.mapping import MoveError, drop_pages, move_private
from wasihost.engine.written import Scratch
from wasihost.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasihost.engine.code import Code
    from wasihost.engine.mapping import MappedImage
    from wasihost.engine.written import Run, WrittenPages

KEPT_PAGES: Final = 512
"""Copies of pages that a guest takes along; the others come back when they are needed."""


def _memcpy() -> Any:  # noqa: ANN401 - a foreign function of ctypes
    # Through PyDLL: to let other threads of Python run meanwhile costs more than to copy a page.
    function = ctypes.PyDLL(None).memcpy
    function.restype, function.argtypes = None, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    return function


_copy: Final[Any] = _memcpy() if os.name == "posix" else None


class _Room(threading.local):
    def __init__(self) -> None:
        self.scratch = Scratch()


_room: Final = _Room()


class Reset:
    """Makes used guests of one image new, from any thread.

    Args:
        code: What the guests are instances of.
        image: What lies under them.
        written: Finds written pages.
    """

    __slots__ = ("_code", "_hot", "_image", "_works", "_written")

    def __init__(self, code: Code, image: MappedImage, written: WrittenPages) -> None:
        self._code = code
        self._image = image
        self._written = written
        self._works: bool | None = None
        self._hot: frozenset[int] | None = None
        """Pages that the first guest wrote: the ones to keep where all would be too many."""

    def renew(self, used: Guest) -> Guest | None:
        """Return a new guest with the memory of a used one, as it is in the image.

        The used guest is closed, whatever comes of it, and with it its files.

        Args:
            used: A guest from `prepare` that is not a session's; how its run ended does not matter.

        Returns:
            None where the system cannot do it.
        """
        if self._works is None:
            self._works = self._written.knows and self._image.can_be_moved()
        fresh: Guest | None = None
        try:
            if not self._works:
                return None
            self._restore(used.memory_address())
            fresh = Guest(self._code)
            size = self._image.layout.memory_bytes
            fresh.grow_to(size)
            move_private(used.memory_address(), size, fresh.memory_address())
            self._image.set_globals(fresh)
            done, fresh = fresh, None
        except MoveError:
            # Addresses of the new guest may belong to somebody else by now, and freeing it would free those: it stays.
            self._works, fresh = False, None
            return None
        except EngineError:
            return None
        else:
            return done
        finally:
            if fresh is not None:
                fresh.close()
            used.close()

    def _restore(self, base: int) -> None:
        image = self._image.view().address
        found: Sequence[Run] = self._written.find(base, self._image.layout.memory_bytes, _room.scratch)
        if sum(count for _, count in found) > KEPT_PAGES:
            found = self._drop_others(base, _pages(found))
        elif self._hot is None:
            self._hot = frozenset(_pages(found))
        # Whatever is in `found` here is copied, and whatever was and is not any more has been dropped.
        for first, count in found:
            at = first * PAGE_BYTES
            _copy(base + at, image + at, count * PAGE_BYTES)

    def _drop_others(self, base: int, pages: Sequence[int]) -> list[Run]:
        """Drop the copies of all pages but of those to be kept, and return these."""
        hot = self._hot  # once: another thread may be the one that decides
        if hot is None:
            hot = self._hot = frozenset(pages[:KEPT_PAGES])
        kept = [page for page in pages if page in hot]
        for first, count in runs_of(page for page in pages if page not in hot):
            drop_pages(base + first * PAGE_BYTES, count * PAGE_BYTES)
        return list(runs_of(kept))


def _pages(found: Sequence[Run]) -> list[int]:
    return [page for first, count in found for page in range(first, first + count)]
