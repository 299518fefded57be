"""The memory of a guest at rest, written into a file: what an image or a saved state is made of."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from wasihost.errors import EngineError

if TYPE_CHECKING:
    from wasihost.engine.instance import Guest
    from wasihost.engine.mapping import Layout

CHUNK_BYTES: Final = 65536
OWN_GLOBALS: Final = "wasihost:global:"
"""Exports of the build's own globals; the others with that prefix are counters of the host (`runtime.wasm.hooks`)."""
OPEN_COUNT: Final = "wasihost:open_count"
ENTROPY_READS: Final = "wasihost:entropy_reads"
NO_ROOM: Final = "the image cannot be stored: no room is left"


class Snapshot(NamedTuple):
    """What belongs to a guest's memory in a file.

    Attributes:
        memory_bytes: Size of the memory, and of the file.
        globals: (export, type, value) of every mutable global; counters of the host as they were in the image.
        open_files: Files and directories that the guest has open: they do not outlive it.
        entropy_reads: How often it asked for random bytes since its interpreter was started.
    """

    memory_bytes: int
    globals: tuple[tuple[str, str, int], ...]
    open_files: int
    entropy_reads: int


class SnapshotError(EngineError):
    """The memory could not be written; the message says why in words that may be passed on."""


def take_snapshot(guest: Guest, layout: Layout, descriptor: int) -> Snapshot | None:
    """Write the memory of a guest into an empty file, leaving holes where it is zero.

    The clock goes on meanwhile: a guest that was cancelled or reached its deadline leaves half a file, and None.

    Args:
        guest: A guest whose entry function came back.
        layout: Of the image that it was made from.
        descriptor: The file.

    Raises:
        SnapshotError: The file cannot be written.
    """
    size = guest.memory_bytes()
    zeros = bytes(CHUNK_BYTES)
    try:
        os.ftruncate(descriptor, size)
        for start in range(0, size, CHUNK_BYTES):
            if guest.must_stop():
                return None
            chunk = guest.read(start, min(CHUNK_BYTES, size - start))
            if chunk == zeros:
                continue
            written = 0
            while written < len(chunk):
                written += os.pwrite(descriptor, chunk[written:], start + written)
    except OSError as error:
        no_room = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise SnapshotError(NO_ROOM if no_room else "the image cannot be stored: writing failed") from error
    return Snapshot(
        memory_bytes=size,
        globals=tuple(
            (name, kind, guest.get_global(name) if name.startswith(OWN_GLOBALS) else value)
            for name, kind, value in layout.globals
        ),
        open_files=guest.get_global(OPEN_COUNT),
        entropy_reads=guest.get_global(ENTROPY_READS),
    )
