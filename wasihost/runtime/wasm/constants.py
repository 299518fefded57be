"""Constant expressions: the few instructions that give globals, offsets and table entries their first values."""

from __future__ import annotations

from typing import Final, NamedTuple

from wasihost.runtime.wasm.cursor import Cursor
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.instructions import END, REF_FUNC, skip_instruction
from wasihost.runtime.wasm.leb import read_signed, read_unsigned

_I32_CONST: Final = 0x41
# The constants, global.get, ref.null, and the sums and products of the extended-const proposal; 0xfd: v128.const.
_ALLOWED: Final = frozenset(
    (0x41, 0x42, 0x43, 0x44, 0x23, 0xD0, REF_FUNC, 0xFD, *range(0x6A, 0x6D), *range(0x7C, 0x7F))
)


class FunctionReference(NamedTuple):
    """A function index outside of the code; `start` and `end` enclose its encoding in the module."""

    start: int
    end: int
    function: int


class ConstantExpression(NamedTuple):
    """One expression, its closing `end` included.

    Attributes:
        address: The value as an unsigned address, if the expression is a lone `i32.const`; else None.
        references: The functions that it refers to.
    """

    start: int
    end: int
    address: int | None
    references: tuple[FunctionReference, ...]


def read_constant(cursor: Cursor) -> ConstantExpression:
    """Read a constant expression.

    Raises:
        WasmFormatError: It is cut off, or has an instruction that is not constant.
    """
    data, start, limit = cursor.data, cursor.pos, cursor.end
    if limit - start >= 3 and data[start] == REF_FUNC:  # element segments may hold thousands of these
        index, after = read_unsigned(data, start + 1, limit)
        if after < limit and data[after] == END:
            cursor.pos = after + 1
            return ConstantExpression(start, after + 1, None, (FunctionReference(start + 1, after, index),))
    pos, instructions = start, 0
    references: list[FunctionReference] = []
    address: int | None = None
    while True:
        if pos >= limit:
            raise WasmFormatError("a constant expression is cut off", start)
        opcode = data[pos]
        if opcode == END:
            break
        if opcode not in _ALLOWED:
            raise WasmFormatError(f"instruction {opcode:#04x} is not allowed in a constant expression", pos)
        after = skip_instruction(data, pos, limit)
        if opcode == REF_FUNC:
            references.append(FunctionReference(pos + 1, after, read_unsigned(data, pos + 1, limit)[0]))
        elif opcode == _I32_CONST:
            address = read_signed(data, pos + 1, limit)[0] & 0xFFFFFFFF
        pos = after
        instructions += 1
    cursor.pos = pos + 1
    return ConstantExpression(start, pos + 1, address if instructions == 1 else None, tuple(references))
