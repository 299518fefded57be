"""A session's memory under a guest: turns run on it, and what they write goes back to where the session rests.

A guest stays attached from one turn to the next, so that pages need not be brought in again. What it has written is
found by asking the kernel for pages that are copies of its own, and comparing them with the checkpoint before: pages
of one turn are mostly written in the next one too, so a few of them are kept as copies, and compared again.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from wasihost.engine.layers import PLACE_BITS, PLACE_MASK, Checkpoint, extents_of
from wasihost.engine.mapping import View, map_private
from wasihost.engine.runs import PAGE_BYTES, runs_of
from wasihost.engine.snapshot import OPEN_COUNT, OWN_GLOBALS
from wasihost.engine.written import Scratch

if TYPE_CHECKING:
    from wasihost.engine.instance import Guest
    from wasihost.engine.layers import RestingMemory
    from wasihost.engine.mapping import MappedImage
    from wasihost.engine.runs import Run
    from wasihost.engine.written import WrittenPages

HOT_PAGES: Final = 768
"""Written pages that a guest keeps as its own copies; with more, all are dropped, to come back as they are needed."""
COLD_PAGES: Final = 48
"""Of those, so many may be none that every turn writes. To store one costs less than to bring one back."""
MAX_MAPPINGS: Final = 2048
"""Mappings of one guest: a system has room for some 65,000 in a process. Beyond, pages are copied instead."""
_BREATH_PAGES: Final = 2048
"""Pages between two looks at the clock."""
_SMALL_PAGES: Final = 16
"""What is copied without letting other threads of Python run meanwhile, because that costs more."""
_MADV_DONTNEED: Final = 4

_libc: Final[Any] = ctypes.CDLL(None, use_errno=True)
_here: Final[Any] = ctypes.PyDLL(None)
_memcmp: Final[Any] = _here.memcmp
_memcmp.argtypes, _memcmp.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t], ctypes.c_int
_copy: Final[Any] = _here.memcpy
_copy.argtypes, _copy.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t], None
_madvise: Final[Any] = _libc.madvise
_madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_zeros: Final = ctypes.create_string_buffer(PAGE_BYTES)


class Attached:
    """A guest that belongs to a session.

    Args:
        guest: A guest from `prepare`, closed by `close` from now on. It has begun: its directories are the session's.
        image: What lies under it.
        resting: What comes over that.
        written: Finds written pages.

    Raises:
        EngineError: The memory cannot be put under the guest.
    """

    def __init__(self, guest: Guest, image: MappedImage, resting: RestingMemory, written: WrittenPages) -> None:
        self.guest = guest
        self._image = image
        self._written = written
        self._own = resting.own
        self._mappings = 0
        self._least: int | None = None
        """How many pages were found written at the first checkpoint after copies were dropped."""
        self._scratch = Scratch()
        self._pages: dict[int, int] = {}
        self._mapped: dict[int, int] = {}
        """Page -> layer and place that is mapped under the guest; others have the image under them, or nothing."""
        self._views: list[View] = []
        self._descriptors: list[int] = []
        try:
            for number, layer in enumerate(resting.layers):
                self._descriptors.append(os.dup(layer))
                self._views.append(View(layer, writable=number == resting.own))
            self._put_under(resting)
        except BaseException:
            self.close()
            raise
        self._half = self._views[self._own].size // PAGE_BYTES // 2

    def _put_under(self, resting: RestingMemory) -> None:
        guest = self.guest
        guest.grow_to(resting.memory_bytes)
        base = guest.memory_address()
        extents = resting.extents
        for page, count, layer, place in extents:
            where = layer << PLACE_BITS | place
            self._pages.update(zip(range(page, page + count), range(where, where + count), strict=True))
        # Small ones are copied: most of them are written again soon, and a mapping costs more than a page. So is what
        # would take too many mappings.
        sizes = sorted((extent.pages for extent in extents), reverse=True)
        least = max(
            _SMALL_PAGES if len(sizes) <= HOT_PAGES else 1, sizes[MAX_MAPPINGS] + 1 if len(sizes) > MAX_MAPPINGS else 0
        )
        mapped = 0
        for page, count, layer, place in extents:
            if count < least:
                source = self._views[layer].address + place * PAGE_BYTES
                _copy(base + page * PAGE_BYTES, source, count * PAGE_BYTES)
                continue
            map_private(base + page * PAGE_BYTES, count * PAGE_BYTES, self._descriptors[layer], place * PAGE_BYTES)
            self._mapped.update(zip(range(page, page + count), itertools.count(layer << PLACE_BITS | place)))
            mapped += 1
        self._mappings = mapped
        for name, kind, value in resting.globals:
            if name.startswith(OWN_GLOBALS):
                guest.set_global(name, kind, value)

    def checkpoint(self, files: bytes = b"") -> Checkpoint | None:
        """Store what was written since the last one; None when the guest must stop before that is done.

        Nothing of the last one is overwritten, so whoever has it can go back to it until he takes this one over.

        Args:
            files: What the harness said of open files.
        """
        guest = self.guest
        size = guest.memory_bytes()
        found = self._written.find(guest.memory_address(), size, self._scratch)
        total = sum(count for _, count in found)
        # Storing a page costs as much as looking whether it must be; only where it is many, memory counts more.
        changed = found if total <= HOT_PAGES else self._changed(found)
        written = None if changed is None else self._store(changed)
        if written is None:
            return None
        self._keep_few(found, total)
        return Checkpoint(
            memory_bytes=size,
            globals=tuple(
                (name, kind, guest.get_global(name) if name.startswith(OWN_GLOBALS) else value)
                for name, kind, value in self._image.layout.globals
            ),
            written=written,
            open_files=guest.get_global(OPEN_COUNT),
            files=files,
        )

    def _changed(self, found: Sequence[Run]) -> list[Run] | None:
        """Return the pages that are not what they were, of those that were written.

        Many others hold what they held: counts of references that went up and down.
        """
        base, pages, views = self.guest.memory_address(), self._pages, [view.address for view in self._views]
        image, of_image = self._image.view().address, self._image.layout.memory_bytes // PAGE_BYTES
        zeros = ctypes.addressof(_zeros)
        changed: list[int] = []
        seen = 0
        for first, count in found:
            for page in range(first, first + count):
                where = pages.get(page)
                if where is not None:
                    before = views[where >> PLACE_BITS] + (where & PLACE_MASK) * PAGE_BYTES
                else:
                    before = image + page * PAGE_BYTES if page < of_image else zeros
                if _memcmp(base + page * PAGE_BYTES, before, PAGE_BYTES):
                    changed.append(page)
            seen += count
            if seen >= _BREATH_PAGES:
                seen = 0
                if self.guest.must_stop():
                    return None
        return list(runs_of(changed))

    def _keep_few(self, found: Sequence[Run], total: int) -> None:
        """Drop all copies of pages when there are more than a turn or so writes; it is as if it had just begun."""
        if total > HOT_PAGES or (self._least is not None and total > self._least + COLD_PAGES):
            self._drop([page for first, count in found for page in range(first, first + count)])
            self._least = None
        elif self._least is None:
            self._least = total

    def _store(self, changed: Sequence[Run]) -> tuple[tuple[int, int, int], ...] | None:
        """Write pages to the one of their two places that does not hold the last checkpoint."""
        base, view = self.guest.memory_address(), self._views[self._own].address
        own, half, pages = self._own << PLACE_BITS, self._half, self._pages
        written: list[tuple[int, int, int]] = []
        for first, total in changed:
            page, end = first, first + total
            while page < end:
                # Pages side by side mostly are in the same of their places.
                start, is_free = page, pages.get(page) != own | page
                page += 1
                while page < end and page - start < _BREATH_PAGES and (pages.get(page) != own | page) == is_free:
                    page += 1
                written.append((start, page - start, start if is_free else start + half))
        for first, count, place in written:
            if count <= _SMALL_PAGES:
                _copy(view + place * PAGE_BYTES, base + first * PAGE_BYTES, count * PAGE_BYTES)
                continue
            if self.guest.must_stop():
                return None  # the guest is thrown away, and this with it
            ctypes.memmove(view + place * PAGE_BYTES, base + first * PAGE_BYTES, count * PAGE_BYTES)
        for first, count, place in written:
            if count == 1:
                pages[first] = own | place
            else:
                pages.update(zip(range(first, first + count), itertools.count(own | place)))
        return tuple(written)

    def _drop(self, cold: Sequence[int]) -> None:
        """Drop copies that the guest has of pages for itself, which are where the session rests as well.

        What rests in a layer is mapped from there, unless that takes too many mappings.
        """
        base, pages, mapped = self.guest.memory_address(), self._pages, self._mapped
        for first, count in runs_of(page for page in cold if pages.get(page) == mapped.get(page)):
            _madvise(base + first * PAGE_BYTES, count * PAGE_BYTES, _MADV_DONTNEED)
        moved = {page: pages[page] for page in cold if pages.get(page) != mapped.get(page)}
        extents = list(extents_of(moved))
        if self._mappings + len(extents) > MAX_MAPPINGS:
            self._mappings = sum(1 for _ in extents_of(mapped))
            if self._mappings + len(extents) > MAX_MAPPINGS:
                return
        self._mappings += len(extents)
        mapped.update(moved)
        for page, count, layer, place in extents:
            map_private(base + page * PAGE_BYTES, count * PAGE_BYTES, self._descriptors[layer], place * PAGE_BYTES)

    def close(self) -> None:
        """Free the guest and everything under it."""
        self.guest.close()
        for view in self._views:
            view.close()
        self._views = []
        while self._descriptors:
            os.close(self._descriptors.pop())
