"""An image's memory, put under a guest: copy-on-write, so that guests share what they do not write."""

from __future__ import annotations

import ctypes
import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wasihost.errors import EngineError

if TYPE_CHECKING:
    from wasihost.engine.instance import Guest

SLOTS: Final = 16
"""Preopen slots of an image: directories that one run can be granted."""
_READ: Final = 1
_READ_WRITE: Final = 3
_SHARED: Final = 1
_FAILED: Final = 2**64 - 1
_PRIVATE_FIXED: Final = 0x12
_CAN_MAP: Final = os.name == "posix" and os.uname().sysname == "Linux"


def _libc_mmap() -> Any:  # noqa: ANN401 - a foreign function of ctypes
    function = ctypes.CDLL(None, use_errno=True).mmap
    function.restype = ctypes.c_void_p
    function.argtypes = [
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64,
    ]  # fmt: skip
    return function


_mmap: Final = _libc_mmap() if _CAN_MAP else None


def map_private(address: int, size: int, descriptor: int, offset: int) -> None:
    """Put a part of a file over memory of this process, copy-on-write.

    Raises:
        EngineError: The system cannot.
    """
    if _mmap is None or _mmap(address, size, _READ_WRITE, _PRIVATE_FIXED, descriptor, offset) != address:
        raise EngineError(f"cannot map memory: {os.strerror(ctypes.get_errno())}")


class View:
    """A file mapped as it is, to compare with or to write into; its size must not change.

    Raises:
        EngineError: The system cannot map it.
    """

    __slots__ = ("__weakref__", "_finalizer", "address", "size")

    def __init__(self, descriptor: int, *, writable: bool) -> None:
        self.size = os.fstat(descriptor).st_size
        protection = _READ_WRITE if writable else _READ
        address = None if _mmap is None else _mmap(None, self.size, protection, _SHARED, descriptor, 0)
        if address is None or address == _FAILED:
            raise EngineError(f"cannot map memory: {os.strerror(ctypes.get_errno())}")
        self.address = int(address)
        self._finalizer = weakref.finalize(self, _unmap, self.address, self.size)
        self._finalizer.atexit = False

    def close(self) -> None:
        """Give the addresses back."""
        self._finalizer()


def _unmap(address: int, size: int) -> None:
    ctypes.CDLL(None).munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputBuffer:
    """Where the harness's buffered standard output keeps what it has not written yet.

    Attributes:
        pointer_at: Address of the pointer to the buffer.
        start_at: Address of the 64-bit position of the first pending byte.
        end_at: Address of the 64-bit position behind the last, or -1 there when nothing is pending.
    """

    pointer_at: int
    start_at: int
    end_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
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
    """

    memory_bytes: int
    entry: int
    entry_index: int
    mailbox: int
    slots: tuple[int, ...]
    slot_bytes: int
    globals: tuple[tuple[str, str, int], ...]
    output: OutputBuffer | None


class MappedImage:
    """An image file, open for mapping.

    Args:
        path: The file, already checked for owner and size.
        layout: What lies where in it.
    """

    __slots__ = ("__weakref__", "_copy", "_descriptor", "_finalizer", "_view", "layout")

    def __init__(self, path: Path, layout: Layout) -> None:
        self.layout = layout
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        self._finalizer = weakref.finalize(self, os.close, self._descriptor)
        self._finalizer.atexit = False
        self._copy: bytes | None = None
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
        for name, kind, value in self.layout.globals:
            guest.set_global(name, kind, value)

    def view(self) -> View:
        """Return the file mapped as it is, for comparisons.

        Raises:
            EngineError: The system cannot map it.
        """
        if self._view is None:
            self._view = View(self._descriptor, writable=False)
        return self._view

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
