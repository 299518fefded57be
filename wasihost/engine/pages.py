"""The pages of an image that a run touches, brought in before the next run needs them.

Most of a short run is page faults. Which pages it touches hardly depends on the program: they are read off one
finished run (`/proc/self/pagemap`), and a guest that waits for its program has them in place already, the written
ones as copies of its own.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wasihost.engine.instance import Guest

_PRESENT: Final = 1 << 63
_OF_FILE: Final = 1 << 61
_POPULATE_READ: Final = 22
_POPULATE_WRITE: Final = 23
_GAP_PAGES: Final = 2
"""Pages between two touched ones that are brought in too: one call more costs about as much."""

Extent = tuple[int, int]
"""Offset and length in bytes."""


class HotPages:
    """What was touched by a run, to be put under later guests of the same image. Does nothing where that is unknown.

    Attributes:
        written: Extents that get copies.
        read: Extents that get mapped.
    """

    def __init__(self) -> None:
        self.written: list[Extent] = []
        self.read: list[Extent] = []
        self._page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
        self._advise = None
        try:
            self._pagemap = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, AttributeError):
            self._pagemap = -1
            return
        self._advise = ctypes.CDLL(None, use_errno=True).madvise
        self._advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

    def record(self, guest: Guest, size: int) -> None:
        """Look which of the first `size` bytes of a finished guest's memory are present, and how."""
        if self._advise is None:
            return
        first = guest.memory_address() // self._page
        raw = os.pread(self._pagemap, size // self._page * 8, first * 8)
        words = memoryview(raw).cast("Q")
        self.written = self._extents([n for n, word in enumerate(words) if word & _PRESENT and not word & _OF_FILE])
        self.read = self._extents([n for n, word in enumerate(words) if word & _PRESENT and word & _OF_FILE])

    def _extents(self, pages: list[int]) -> list[Extent]:
        found: list[list[int]] = []
        for page in pages:
            if found and page <= found[-1][1] + _GAP_PAGES:
                found[-1][1] = page
            else:
                found.append([page, page])
        return [(first * self._page, (last - first + 1) * self._page) for first, last in found]

    def populate(self, guest: Guest) -> None:
        """Bring the pages in; a system that cannot leaves it to page faults."""
        if self._advise is None:
            return
        base = guest.memory_address()
        for extents, how in ((self.written, _POPULATE_WRITE), (self.read, _POPULATE_READ)):
            for offset, length in extents:
                if self._advise(base + offset, length, how):
                    self._advise = None
                    return
