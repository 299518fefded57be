"""Which pages of a guest are copies of its own: those that it has written since they were put under it."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

from wasihost.engine.runs import PAGE_BYTES, Run, runs_of

_SCAN: Final = 0xC0606610
"""PAGEMAP_SCAN, from Linux 6.7."""
_ARGUMENTS: Final = struct.Struct("<12Q")
_FILE, _PRESENT, _SWAPPED = 1 << 2, 1 << 3, 1 << 4
_REGIONS: Final = 512
_ENTRY_PRESENT: Final = 1 << 63
_ENTRY_SWAPPED: Final = 1 << 62
_ENTRY_OF_FILE: Final = 1 << 61
_ENTRIES: Final = 8192


Spans = tuple[list[int], list[int]]
"""Where the first, the second, ... starts, and where it ends."""


class Scratch:
    """Room for a question to the kernel and its answer."""

    __slots__ = ("arguments", "numbers", "regions")

    def __init__(self) -> None:
        self.arguments = ctypes.create_string_buffer(_ARGUMENTS.size)
        self.regions = (ctypes.c_uint64 * (3 * _REGIONS))()
        self.numbers = memoryview(self.regions).cast("B").cast("Q")
        """First address, the one behind the last, and what kind it is: of each region that the kernel tells of."""


class WrittenPages:
    """Finds written pages by what the kernel says of them; where it says nothing, every page counts as written.

    To be made before walls put the file that it reads out of reach.
    """

    def __init__(self) -> None:
        self._scans = True
        try:
            self._pagemap = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, AttributeError):
            self._pagemap = -1
        self._ioctl = ctypes.CDLL(None, use_errno=True).ioctl
        self._ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]

    @property
    def knows(self) -> bool:
        """Whether the kernel says anything."""
        return self._pagemap >= 0

    def find(self, address: int, size: int, scratch: Scratch) -> list[Run]:
        """Return the written pages of a memory.

        Args:
            address: Where it starts in this process.
            size: Its bytes.
            scratch: Room that nobody else uses meanwhile.
        """
        starts, ends = self.find_spans(address, size, scratch)
        return [(start // PAGE_BYTES, (end - start) // PAGE_BYTES) for start, end in zip(starts, ends, strict=True)]

    def find_spans(self, address: int, size: int, scratch: Scratch) -> Spans:
        """Return them as bytes: where they start, and where they end, seen from the start of the memory."""
        if self._pagemap < 0:
            return [0], [size]
        if self._scans:
            found = self._scan(address, size, scratch)
            if found is not None:
                return found
            self._scans = False
        runs = self._read(address // PAGE_BYTES, size // PAGE_BYTES)
        return [first * PAGE_BYTES for first, _ in runs], [(first + count) * PAGE_BYTES for first, count in runs]

    def _scan(self, address: int, size: int, scratch: Scratch) -> Spans | None:
        starts: list[int] = []
        ends: list[int] = []
        at, end = address, address + size
        arguments, regions = scratch.arguments, ctypes.addressof(scratch.regions)
        while at < end:
            # Not of a file, and present or swapped out. All regions look alike, so neighbours are one.
            _ARGUMENTS.pack_into(
                arguments, 0, _ARGUMENTS.size, 0, at, end, 0, regions, _REGIONS, 0,
                _FILE, _FILE, _PRESENT | _SWAPPED, 0,
            )  # fmt: skip
            count = self._ioctl(self._pagemap, _SCAN, ctypes.addressof(arguments))
            if count < 0:
                return None
            numbers = scratch.numbers[: 3 * count].tolist()
            starts += [number - address for number in numbers[::3]]
            ends += [number - address for number in numbers[1::3]]
            walked = _ARGUMENTS.unpack_from(arguments)[4]
            if walked <= at:
                return None
            at = walked
        return starts, ends

    def _read(self, first: int, pages: int) -> list[Run]:
        written = []
        for start in range(0, pages, _ENTRIES):
            raw = os.pread(self._pagemap, min(_ENTRIES, pages - start) * 8, (first + start) * 8)
            for number, entry in enumerate(memoryview(raw).cast("Q"), start):
                if entry & _ENTRY_SWAPPED or (entry & _ENTRY_PRESENT and not entry & _ENTRY_OF_FILE):
                    written.append(number)
        return list(runs_of(written))


_shared: tuple[int, WrittenPages] | None = None


def written_pages() -> WrittenPages:
    """Return the one that all of this process share."""
    global _shared  # noqa: PLW0603 - one for the process
    if _shared is None or _shared[0] != os.getpid():  # a forked child's would tell of its parent
        _shared = os.getpid(), WrittenPages()
    return _shared[1]
