"""An image's memory, put under a guest: copy-on-write, so that guests share what they do not write."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wasihost.errors import EngineError

if TYPE_CHECKING:
    from wasihost.engine.instance import Guest

SLOTS: Final = 16
"""Preopen slots of an image: directories that one run can be granted."""
RANDOM_WORDS: Final = 624
"""Of the Mersenne Twister."""
RANDOM_BYTES: Final = 4 + 4 * RANDOM_WORDS
_READ: Final = 1
_READ_WRITE: Final = 3
_SHARED: Final = 1
_FAILED: Final = 2**64 - 1
_PRIVATE: Final = 0x02
_PRIVATE_FIXED: Final = 0x12
_DONTNEED: Final = 4
_MOVE_ALL: Final = 1 | 2 | 4
"""MREMAP_MAYMOVE, MREMAP_FIXED and MREMAP_DONTUNMAP (Linux 5.13, for what is mapped from a file).

Without the last one, addresses that Wasmtime is going to free could be given to others before it does.
"""
_CAN_MAP: Final = os.name == "posix" and os.uname().sysname == "Linux"


def _libc(name: str, result: Any, *arguments: Any) -> Any:  # noqa: ANN401 - functions of ctypes
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    function.restype, function.argtypes = result, list(arguments)
    return function


_address, _size, _int = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_mmap: Final = _libc("mmap", _address, _address, _size, _int, _int, _int, ctypes.c_int64) if _CAN_MAP else None
_mremap: Final = _libc("mremap", _address, _address, _size, _size, _int, _address) if _CAN_MAP else None
_madvise: Final = _libc("madvise", _int, _address, _size, _int) if _CAN_MAP else None
_memoryview_of: Final[Any] = ctypes.pythonapi.PyMemoryView_FromMemory
_memoryview_of.restype, _memoryview_of.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int]


def map_private(address: int, size: int, descriptor: int, offset: int) -> None:
    """Put a part of a file over memory of this process, copy-on-write.

    Raises:
        EngineError: The system cannot.
    """
    if _mmap is None or _mmap(address, size, _READ_WRITE, _PRIVATE_FIXED, descriptor, offset) != address:
        raise EngineError(f"cannot map memory: {os.strerror(ctypes.get_errno())}")


class MoveError(EngineError):
    """Memory could not be moved; nothing may lie at its target any more."""


def move_private(address: int, size: int, target: int) -> None:
    """Move what `map_private` put somewhere, with the pages that were written or only read, over other memory.

    Raises:
        MoveError: The system cannot, or not now.
    """
    if _mremap is None or _mremap(address, size, size, _MOVE_ALL, target) != target:
        raise MoveError(f"cannot move memory: {os.strerror(ctypes.get_errno())}")


def drop_pages(address: int, size: int) -> None:
    """Forget pages that were written where `map_private` put a file: the file's come back.

    Raises:
        EngineError: The system cannot.
    """
    if _madvise is None or _madvise(address, size, _DONTNEED):
        raise EngineError(f"cannot drop memory: {os.strerror(ctypes.get_errno())}")


def window(address: int, size: int, *, writable: bool = False) -> memoryview:
    """Return memory of this process as bytes; whoever uses the window sees to it that the memory stays."""
    # An array type of ctypes for each size would do too, but such types pile up until the collector runs.
    view: memoryview = _memoryview_of(address, size, 0x200 if writable else 0x100)  # PyBUF_WRITE, PyBUF_READ
    return view


class View:
    """A file mapped as it is, to compare with or to write into; its size must not change.

    Raises:
        EngineError: The system cannot map it.
    """

    __slots__ = ("__weakref__", "_finalizer", "address", "size", "window")

    def __init__(self, descriptor: int, *, writable: bool) -> None:
        self.size = os.fstat(descriptor).st_size
        protection = _READ_WRITE if writable else _READ
        address = None if _mmap is None else _mmap(None, self.size, protection, _SHARED, descriptor, 0)
        if address is None or address == _FAILED:
            raise EngineError(f"cannot map memory: {os.strerror(ctypes.get_errno())}")
        self.address = int(address)
        self.window = window(self.address, self.size, writable=writable)
        self._finalizer = weakref.finalize(self, _unmap, self.address, self.size)
        self._finalizer.atexit = False

    def close(self) -> None:
        """Give the addresses back."""
        self._finalizer()


def _unmap(address: int, size: int) -> None:
    ctypes.CDLL(None).munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))


class OutputBuffer(NamedTuple):
    """Where the harness's buffered standard output keeps what it has not written yet.

    Attributes:
        pointer_at: Address of the pointer to the buffer.
        start_at: Address of the 64-bit position of the first pending byte.
        end_at: Address of the 64-bit position behind the last, or -1 there when nothing is pending.
    """

    pointer_at: int
    start_at: int
    end_at: int


class Layout(NamedTuple):
    """Addresses inside an image, in bytes from the start of its memory.

    Attributes:
        memory_bytes: Size of the memory at rest.
        entry: The harness's entry function object.
        entry_index: Its vectorcall implementation, an index of the function table.
        mailbox: The harness's mailbox.
        slots: Names of the preopen slots, to be overwritten with guest paths.
        slot_bytes: Room for each, with the final NUL.
        globals: Saved globals: (export, type, value).
        output: The output buffer, when it was found.
        random: State of the generator of the module `random`, when it was found: the number of words that have been
            used (u32), and the words (`RANDOM_WORDS` of u32).
    """

    memory_bytes: int
    entry: int
    entry_index: int
    mailbox: int
    slots: tuple[int, ...]
    slot_bytes: int
    globals: tuple[tuple[str, str, int], ...]
    output: OutputBuffer | None
    random: int | None


class MappedImage:
    """An image file, open for mapping.

    Args:
        path: The file, already checked for owner and size.
        layout: What lies where in it.
    """

    __slots__ = ("__weakref__", "_copy", "_descriptor", "_differing", "_finalizer", "_lock", "_view", "layout")

    def __init__(self, path: Path, layout: Layout) -> None:
        self._lock = threading.Lock()
        self.layout = layout
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        self._finalizer = weakref.finalize(self, os.close, self._descriptor)
        self._finalizer.atexit = False
        self._copy: bytes | None = None
        self._differing: tuple[tuple[str, str, int], ...] | None = None
        self._view: View | None = None
        if os.fstat(self._descriptor).st_size != layout.memory_bytes:
            self.close()
            raise EngineError("the image file has not the size that its description says")

    def put_under(self, guest: Guest) -> None:
        """Make the guest's memory and globals those of the image.

        Raises:
            EngineError: The guest's cap is below the image's size, or the system cannot map the file.
        """
        size = self.layout.memory_bytes
        guest.grow_to(size)
        address = guest.memory_address()
        if _mmap is not None:
            if _mmap(address, size, _READ_WRITE, _PRIVATE_FIXED, self._descriptor, 0) != address:
                raise EngineError(f"cannot map the image: {os.strerror(ctypes.get_errno())}")
        else:
            if self._copy is None:
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                with os.fdopen(os.dup(self._descriptor), "rb") as file:
                    self._copy = file.read(size)
            guest.write(0, self._copy)
        self.set_globals(guest)

    def set_globals(self, guest: Guest) -> None:
        """Make the globals of a guest that has not run those of the image."""
        if self._differing is None:
            # Most are what the module starts with, and that is the same in every guest.
            found = [entry for entry in self.layout.globals if guest.get_global(entry[0]) != entry[2]]
            self._differing = tuple(found)
        for name, kind, value in self._differing:
            guest.set_global(name, kind, value)

    def can_be_moved(self) -> bool:
        """Whether the system has `move_private` for this file: tried with a page that nobody else knows of."""
        if _mmap is None:
            return False
        page = os.sysconf("SC_PAGE_SIZE")
        source, target = (_mmap(None, page, _READ_WRITE, _PRIVATE, self._descriptor, 0) for _ in range(2))
        if _FAILED in (source, target):
            return False
        try:
            move_private(source, page, target)
        except MoveError:
            return False
        finally:
            _unmap(source, page)
        _unmap(target, page)  # only now: after a failure it may be somebody else's
        return True

    def view(self) -> View:
        """Return the file mapped as it is, for comparisons.

        Raises:
            EngineError: The system cannot map it.
        """
        view = self._view
        if view is None:
            with self._lock:  # a second view would take the place of the first, whose address is in use
                view = self._view
                if view is None:
                    view = self._view = View(self._descriptor, writable=False)
        return view

    def read(self, address: int, size: int) -> bytes:
        """Return what the image holds.

        Raises:
            EngineError: The system cannot map it.
        """
        if not 0 <= address <= address + size <= self.layout.memory_bytes:
            raise EngineError("the image has no such memory")
        return ctypes.string_at(self.view().address + address, size)

    def close(self) -> None:
        """Close the file; guests that were made from it keep their memory."""
        self._finalizer()
        self._descriptor = -1
