"""A used guest made new: its pages are the image's again, and all else of it.

Most of a short run is page faults, which a new mapping of the image pays anew. A page that a guest wrote is a copy of
its own, and the kernel names those; with the image copied over them the memory is the image's, byte for byte, and the
next run finds in place what the one before brought in.

What else an instance has is its globals, which are set, and its tables. Where no instruction of the module can change
a table (`runtime.wasm.tables`), the store is kept; where one can, or when the memory has grown, which cannot be taken
back, the memory moves under a new store. Files, clocks and limits are given to each run anew.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from wasihost.engine.faults import mark
from wasihost.engine.instance import Guest
from wasihost.engine.mapping import MoveError, drop_pages, move_private, window
from wasihost.engine.runs import PAGE_BYTES, runs_of
from wasihost.engine.written import Scratch
from wasihost.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasihost.engine.code import Code
    from wasihost.engine.mapping import MappedImage
    from wasihost.engine.written import Spans, WrittenPages

KEPT_PAGES: Final = 512
"""Copies of pages that a guest takes along; the others come back when they are needed."""
SAMPLE_RESETS: Final = 64
"""So often it is looked which pages a run wrote at all: once a copy, a page counts as written for as long as it is one.
Copying a page back costs half a microsecond in each reset, and to need it again three or four."""

MAX_AGE: Final = 4096
"""So many guests have one store after the other, so that nothing can pile up in it for good."""


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

    __slots__ = ("_code", "_count", "_hot", "_image", "_moves", "_written")

    def __init__(self, code: Code, image: MappedImage, written: WrittenPages) -> None:
        self._code = code
        self._image = image
        self._written = written
        self._moves: bool | None = None
        self._count = 0
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
        try:
            if not self._written.knows:
                return None
            size = self._image.layout.memory_bytes
            keeps_store = self._code.table_is_fixed and used.age < MAX_AGE and used.memory_bytes() == size
            if not keeps_store and not self._can_move():
                return None
            spans, faults = self._restore(used)
            fresh = self._with_its_store(used) if keeps_store else self._with_a_new_store(used)
            if fresh is not None:
                fresh.copies, fresh.faults = spans, faults
        except EngineError:
            return None
        else:
            return fresh
        finally:
            used.close()

    def _can_move(self) -> bool:
        if self._moves is None:
            self._moves = self._image.can_be_moved()
        return self._moves

    def _with_its_store(self, used: Guest) -> Guest:
        """Return a guest that goes on with the used one's store.

        Of an instance, code changes its memory, its mutable globals and its tables, and here no code changes a table.
        """
        fresh = used.hand_over()
        try:
            for name, kind, value in self._image.layout.globals:
                fresh.set_global(name, kind, value)
        except BaseException:
            fresh.close()
            raise
        return fresh

    def _with_a_new_store(self, used: Guest) -> Guest | None:
        fresh = Guest(self._code)
        try:
            size = self._image.layout.memory_bytes
            fresh.grow_to(size)
            move_private(used.memory_address(), size, fresh.memory_address())
            self._image.set_globals(fresh)
        except MoveError:
            # Addresses of the new guest may belong to somebody else by now, and freeing it would free those: it stays.
            self._moves = False
            return None
        except BaseException:
            fresh.close()
            raise
        return fresh

    def _restore(self, used: Guest) -> tuple[Spans, int | None]:
        """Make the memory that of the image; return which of its pages are copies, and at how many page faults."""
        base, size = used.memory_address(), self._image.layout.memory_bytes
        memory, image = window(base, size, writable=True), self._image.view().window
        self._count += 1
        is_sample = self._count % SAMPLE_RESETS == 0
        faults = mark()  # before it is looked: what comes in meanwhile is looked for the next time
        if used.copies is not None and used.faults == faults is not None and not is_sample:
            starts, ends = used.copies  # a page that became one since then would have been a page fault
        else:
            starts, ends = self._written.find_spans(base, size, _room.scratch)
        if sum(ends) - sum(starts) > KEPT_PAGES * PAGE_BYTES:
            hot = self._hot  # once: another thread may be the one that decides
            if hot is None:
                hot = self._hot = frozenset(_pages(starts, ends)[:KEPT_PAGES])
            starts, ends = _drop_others(base, _pages(starts, ends), hot)
        elif self._hot is None:
            self._hot = frozenset(_pages(starts, ends))
        elif is_sample:
            pages = _pages(starts, ends)
            starts, ends = _drop_others(base, pages, _changed(pages, memory, image))
        # Whatever is in `starts` here is copied, and whatever was and is not any more has been dropped. Slices of
        # memoryviews are copied in half the time of a foreign call.
        for start, end in zip(starts, ends, strict=True):
            memory[start:end] = image[start:end]
        return (starts, ends), faults


def _drop_others(base: int, pages: Sequence[int], kept: frozenset[int]) -> Spans:
    """Drop the copies of all pages but of those to be kept, and return these."""
    for first, count in runs_of(page for page in pages if page not in kept):
        drop_pages(base + first * PAGE_BYTES, count * PAGE_BYTES)
    runs = list(runs_of(page for page in pages if page in kept))
    return [first * PAGE_BYTES for first, _ in runs], [(first + count) * PAGE_BYTES for first, count in runs]


def _changed(pages: Sequence[int], memory: memoryview, image: memoryview) -> frozenset[int]:
    """Return the pages that differ."""
    found = []
    for page in pages:
        at = slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)  # as bytes: memoryviews compare one item at a time
        if memory[at].tobytes() != image[at].tobytes():
            found.append(page)
    return frozenset(found)


def _pages(starts: Sequence[int], ends: Sequence[int]) -> list[int]:
    firsts, lasts = (start // PAGE_BYTES for start in starts), (end // PAGE_BYTES for end in ends)
    return [page for first, last in zip(firsts, lasts, strict=True) for page in range(first, last)]
