"""The memory of a session at rest: which pages differ from its image, and the unnamed files that hold them.

Nothing here loads Wasmtime: a parent of workers keeps sessions without it.
"""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from wasihost.engine.runs import PAGE_BYTES
from wasihost.errors import EngineError

MAX_LAYERS: Final = 8
"""More than so many files are joined when the next fork comes."""
PLACE_BITS: Final = 32
PLACE_MASK: Final = (1 << PLACE_BITS) - 1
_COPY_PAGES: Final = 256
_keys: Final = itertools.count(1)

Globals = tuple[tuple[str, str, int], ...]


class Extent(NamedTuple):
    """Pages of a guest that lie one after the other in a layer as well.

    Attributes:
        page: Number of the first page in the guest's memory.
        pages: How many.
        layer: Index of the layer.
        place: Number of the first page in the layer.
    """

    page: int
    pages: int
    layer: int
    place: int


class Layer:
    """An unnamed file of pages, of a size that cannot be changed; what was never written takes no room.

    Args:
        pages: How many pages it has room for.

    Raises:
        EngineError: The system gives no such file.
    """

    __slots__ = ("__weakref__", "_finalizer", "descriptor", "pages")

    def __init__(self, pages: int) -> None:
        import fcntl  # not on every system, and sessions are for those that have it

        try:
            self.descriptor = os.memfd_create("wasihost-session", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except (OSError, AttributeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it has no memfd_create"
            raise EngineError(f"the system gives no memory for a session: {why}") from error
        self._finalizer = weakref.finalize(self, os.close, self.descriptor)
        self._finalizer.atexit = False
        self.pages = pages
        try:
            os.ftruncate(self.descriptor, pages * PAGE_BYTES)
            # Whoever maps it relies on its size: a shorter file would be a signal instead of an error.
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)
        except OSError as error:
            self._finalizer()
            raise EngineError(f"the system gives no memory for a session: {error.strerror}") from error

    def read(self, place: int, count: int) -> bytes:
        """Return pages.

        Raises:
            EngineError: They cannot be read.
        """
        data = os.pread(self.descriptor, count * PAGE_BYTES, place * PAGE_BYTES)
        if len(data) != count * PAGE_BYTES:
            raise EngineError("the memory of a session cannot be read")
        return data

    def write(self, place: int, data: bytes | memoryview) -> None:
        """Write whole pages.

        Raises:
            EngineError: The system has no room for them.
        """
        view, at = memoryview(data), place * PAGE_BYTES
        try:
            while view:
                done = os.pwrite(self.descriptor, view, at)
                view, at = view[done:], at + done
        except OSError as error:
            raise EngineError(f"the memory of a session cannot be stored: {error.strerror}") from error

    def stored_bytes(self) -> int:
        """Return how much of the host's memory it takes."""
        return os.fstat(self.descriptor).st_blocks * 512


class RestingMemory(NamedTuple):
    """What is to be put under a guest.

    Attributes:
        memory_bytes: Size of the memory.
        globals: (export, type, value) of every mutable global.
        extents: Pages that differ from the image.
        layers: Descriptors of the files that hold them; they may be closed once they are attached.
        own: Index of the one that checkpoints are written into.
    """

    memory_bytes: int
    globals: Globals
    extents: Sequence[Extent]
    layers: Sequence[int]
    own: int


class Checkpoint(NamedTuple):
    """What a turn changed: pages that were written where no page of the checkpoint before lies.

    Attributes:
        memory_bytes: Size of the memory.
        globals: (export, type, value) of every mutable global.
        written: (page, how many, place in the session's own layer).
        open_files: Files and folders that the guest holds open.
        files: What the harness says of them, when there are any; hostile bytes.
    """

    memory_bytes: int
    globals: Globals
    written: tuple[tuple[int, int, int], ...]
    open_files: int
    files: bytes = b""


class SessionMemory:
    """A guest between two turns. Whoever works on it has it for himself.

    Args:
        memory_bytes: Size of the memory, at first that of the image.
        globals: As they are in the image.
        most_pages: The most that the memory may grow to.

    Attributes:
        key: Tells it from all others of this process.
        version: Changes with every commit, and whenever a guest that has it may not go on with it.
        pages: Page -> layer and place, in one number (see `split`).
        layers: The files. All but the own one are shared with forks, and never written again.
        own: Index of the layer that the next turn writes into, None before it.
    """

    __slots__ = ("globals", "key", "layers", "memory_bytes", "most_pages", "own", "pages", "version")

    def __init__(self, *, memory_bytes: int, globals: Globals, most_pages: int) -> None:  # noqa: A002 - as in `Layout`
        self.key = next(_keys)
        self.version = 0
        self.memory_bytes = memory_bytes
        self.globals = globals
        self.most_pages = most_pages
        self.pages: dict[int, int] = {}
        self.layers: list[Layer] = []
        self.own: int | None = None

    def own_layer(self) -> Layer:
        """Return the layer that the next turn writes into.

        Raises:
            EngineError: The system gives no such file.
        """
        if self.own is None:
            # Two places for each page: a checkpoint never writes where the one before lies.
            self.layers.append(Layer(2 * self.most_pages))
            self.own = len(self.layers) - 1
        return self.layers[self.own]

    def commit(self, checkpoint: Checkpoint, globals: Globals) -> None:  # noqa: A002 - as in `Layout`
        """Take a checkpoint over, which comes from where a hostile guest ran, with the globals after they were checked.

        Raises:
            ValueError: It cannot be one.
        """
        size = checkpoint.memory_bytes
        if self.own is None or not 0 < size <= self.most_pages * PAGE_BYTES:
            raise ValueError("the size of the memory makes no sense")
        limit, half, left = size // PAGE_BYTES, self.layers[self.own].pages // 2, self.most_pages
        found: dict[int, int] = {}
        layer = self.own << PLACE_BITS
        for page, count, place in checkpoint.written:
            left -= count
            if page < 0 or count < 1 or page + count > limit or place not in (page, page + half) or left < 0:
                raise ValueError("the pages that were written make no sense")
            if count == 1:
                found[page] = layer | place
            else:
                found.update(zip(range(page, page + count), itertools.count(layer | place)))
        self.pages.update(found)
        self.memory_bytes = size
        self.globals = globals
        self.version += 1

    def extents(self) -> list[Extent]:
        """Return where its pages lie, in their order."""
        return list(extents_of(self.pages))

    def fork(self) -> SessionMemory:
        """Return an independent copy. What is written is shared from now on, so both go on in layers of their own.

        Raises:
            EngineError: Layers cannot be joined.
        """
        self.renounce()  # a guest that has it writes into what is shared now
        other = SessionMemory(memory_bytes=self.memory_bytes, globals=self.globals, most_pages=self.most_pages)
        other.pages = self.pages.copy()
        other.layers = self.layers.copy()
        return other

    def renounce(self) -> None:
        """Go on in a layer of one's own after a turn that was stopped: what made it may still be writing.

        Raises:
            EngineError: Layers cannot be joined.
        """
        self.own = None
        self.version += 1
        if len(self.layers) >= MAX_LAYERS:
            self._join()

    def _join(self) -> None:
        """Copy what is in use of all layers but the largest into one."""
        used = [0] * len(self.layers)
        for where in self.pages.values():
            used[where >> PLACE_BITS] += 1
        kept = max(range(len(used)), key=used.__getitem__)
        joined = Layer(max(1, sum(used) - used[kept]))
        pages: dict[int, int] = {}
        place = 0
        for extent in self.extents():
            if extent.layer == kept:
                pages.update(zip(range(extent.page, extent.page + extent.pages), itertools.count(extent.place)))
                continue
            for start in range(0, extent.pages, _COPY_PAGES):
                count = min(_COPY_PAGES, extent.pages - start)
                joined.write(place + start, self.layers[extent.layer].read(extent.place + start, count))
            where = 1 << PLACE_BITS | place
            pages.update(zip(range(extent.page, extent.page + extent.pages), itertools.count(where)))
            place += extent.pages
        self.layers = [self.layers[kept], joined]
        self.pages = pages
        self.own = None

    def drop(self) -> None:
        """Forget everything; files that no fork has go."""
        self.pages, self.layers, self.own = {}, [], None

    def stored_bytes(self) -> int:
        """Return how much of the host's memory its files take; what forks share counts for each."""
        return sum(layer.stored_bytes() for layer in self.layers)


def resting_memory(memory: SessionMemory) -> RestingMemory:
    """Return what is put under a new guest of a session.

    Raises:
        EngineError: The system gives no file for what it will write.
    """
    memory.own_layer()
    return RestingMemory(
        memory_bytes=memory.memory_bytes,
        globals=memory.globals,
        extents=memory.extents(),
        layers=[layer.descriptor for layer in memory.layers],
        own=len(memory.layers) - 1 if memory.own is None else memory.own,
    )


def split(where: int) -> tuple[int, int]:
    """Return layer and place of a page."""
    return where >> PLACE_BITS, where & PLACE_MASK


def extents_of(pages: dict[int, int]) -> Iterator[Extent]:
    """Yield where pages lie, in their order."""
    first = count = where = -1
    for page in sorted(pages):
        found = pages[page]
        if page == first + count and found == where + count:
            count += 1
            continue
        if count > 0:
            yield Extent(first, count, *split(where))
        first, count, where = page, 1, found
    if count > 0:
        yield Extent(first, count, *split(where))
