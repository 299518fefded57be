"""The genesis memory: what the data segments of a module would have written before its first instruction."""

from __future__ import annotations

from typing import Final

from wasihost.runtime.wasm.constants import read_constant
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.sections import DATA, SECTION_NAMES, ModuleSections

MAX_GENESIS_BYTES: Final = 2**27
"""Five times what the largest known build has; keeps a small file from asking for gigabytes."""


def read_genesis(sections: ModuleSections, memory_bytes: int) -> bytes:
    """Lay out all data segments as they would be in memory 0, without the zeros at the end.

    Args:
        sections: The module.
        memory_bytes: The size that memory 0 starts with.

    Raises:
        WasmFormatError: A segment is passive, for another memory, at an offset that is no constant, or out of bounds.
    """
    cursor = sections.cursor(DATA)
    if cursor is None:
        return b""
    pieces: list[tuple[int, memoryview]] = []
    data = memoryview(cursor.data)
    for _ in range(cursor.count("data segments")):
        at = cursor.pos
        flags = cursor.unsigned()
        if flags == 1:
            raise WasmFormatError("a passive data segment is not supported: the code could copy it at any time", at)
        if flags not in (0, 2):
            raise WasmFormatError(f"a data segment with flags {flags} is unknown", at)
        if flags == 2 and cursor.unsigned() != 0:
            raise WasmFormatError("a data segment is not for memory 0", at)
        address = read_constant(cursor).address
        if address is None:
            raise WasmFormatError("the offset of a data segment is not a plain i32.const", at)
        size = cursor.unsigned()
        cursor.skip(size)
        if address + size > memory_bytes:
            raise WasmFormatError(
                f"a data segment of {size} bytes for address {address} does not fit a memory of {memory_bytes} bytes",
                at,
            )
        if size:
            pieces.append((address, data[cursor.pos - size : cursor.pos]))
    cursor.finish(SECTION_NAMES[DATA])
    return _lay_out(pieces)


def _lay_out(pieces: list[tuple[int, memoryview]]) -> bytes:
    end = max((address + len(piece) for address, piece in pieces), default=0)
    if end > MAX_GENESIS_BYTES:
        raise WasmFormatError(f"the data segments reach address {end}; at most {MAX_GENESIS_BYTES} is supported")
    memory = bytearray(end)
    for address, piece in pieces:  # in the order of the file, as a later segment overwrites an earlier one
        memory[address : address + len(piece)] = piece
    return bytes(memory).rstrip(b"\0")
