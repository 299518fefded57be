"""More of a folder at a time: libc asks for the names in it in pieces of 4 KiB, and each piece costs the whole folder.

Wasmtime keeps no place in a folder between two calls of `fd_readdir`: for each it reads the folder from its beginning.
With pieces of 128 KiB, that happens once for 3,000 files and not once for a hundred. libc's `fdopendir` takes a buffer
of a constant size, calls `fd_readdir` with that size, and stores it beside the buffer for later calls: three constants
in one function, which are changed together or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from wasihost.runtime.wasm.bodies import iter_bodies
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.instructions import CALL, instructions
from wasihost.runtime.wasm.leb import encode_signed, read_signed, read_unsigned
from wasihost.runtime.wasm.reader import Import
from wasihost.runtime.wasm.sections import ModuleSections

USUAL_BYTES: Final = 4096
PIECE_BYTES: Final = 131072
_I32_CONST, _I64_CONST, _I64_STORE = 0x41, 0x42, 0x37
_STORED: Final = USUAL_BYTES << 32
"""The size and the field before it, which is 0, are stored as one number."""
_MAY_STORE: Final = re.compile(re.escape(bytes([_I64_CONST]) + encode_signed(_STORED)))
_CONSTANTS: Final = ((_I32_CONST, USUAL_BYTES), (_I32_CONST, USUAL_BYTES), (_I64_CONST, _STORED))

Body = tuple[int, int]
"""Where a function's body starts and ends in the module."""
Instruction = tuple[int, int, int]
"""An opcode, and where what follows it starts and ends."""


def larger_listings(sections: ModuleSections, imports: Sequence[Import]) -> dict[int, bytes]:
    """Return the new body of the one function that opens a folder, by the number of the defined function.

    Args:
        sections: The module.
        imports: Its imports, all of them functions.

    Returns:
        Nothing where it cannot be told for sure which function that is.
    """
    listing = [index for index, entry in enumerate(imports) if entry.name == "fd_readdir"]
    if not listing:
        return {}
    module = sections.module
    bodies = [(start, end) for _, start, end in iter_bodies(sections)]
    found = {}
    for number, (start, end) in enumerate(bodies):
        if _MAY_STORE.search(module, start, end):
            changed = _changed(module, (start, end), bodies, len(imports), listing[0])
            if changed is not None:
                found[number] = changed
    return found if len(found) == 1 else {}


def _changed(module: bytes, body: Body, bodies: Sequence[Body], imported: int, listing: int) -> bytes | None:
    try:
        found = list(instructions(module, *body))
        sizes = [
            (opcode, start, end)
            for opcode, start, end in found
            if opcode in (_I32_CONST, _I64_CONST) and (opcode, _number(module, start, end)) in _CONSTANTS
        ]
        if sorted((opcode, _number(module, start, end)) for opcode, start, end in sizes) != list(_CONSTANTS):
            return None
        if not _are_used_as_sizes(module, found):
            return None
        called = _called(module, found)
        if listing not in called and not any(
            listing in _called(module, instructions(module, *bodies[function - imported]))
            for function in called
            if function >= imported
        ):
            return None
    except (WasmFormatError, IndexError):
        return None
    pieces, at = [], body[0]
    for opcode, start, end in sizes:
        pieces += [module[at:start], encode_signed(PIECE_BYTES if opcode == _I32_CONST else PIECE_BYTES << 32)]
        at = end
    return b"".join([*pieces, module[at : body[1]]])


def _are_used_as_sizes(module: bytes, found: Sequence[Instruction]) -> bool:
    """Whether the large number is stored, and one of the small ones stands before a zero: size and place in a call."""
    starts = stored = 0
    for (opcode, start, end), (after, next_start, next_end) in pairwise(found):
        if opcode == _I64_CONST and _number(module, start, end) == _STORED:
            stored += after == _I64_STORE
        elif opcode == _I32_CONST and _number(module, start, end) == USUAL_BYTES:
            starts += after == _I64_CONST and _number(module, next_start, next_end) == 0
    return stored == starts == 1


def _number(module: bytes, start: int, end: int) -> int:
    return read_signed(module, start, end, 64)[0]


def _called(module: bytes, found: Iterable[Instruction]) -> set[int]:
    return {read_unsigned(module, start, end)[0] for opcode, start, end in found if opcode == CALL}
