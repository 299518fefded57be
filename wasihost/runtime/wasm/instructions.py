"""How long each instruction is, and where functions are named in a body.

Knows the MVP, sign extension, saturating conversions, bulk memory, reference types, multi-value blocks, tail calls,
both exception handling encodings, SIMD (relaxed SIMD included) and threads. It measures and does not validate: that
remains the engine's work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.leb import read_signed, read_unsigned
from wasihost.runtime.wasm.values import skip_value_type

END: Final = 0x0B
CALL: Final = 0x10
RETURN_CALL: Final = 0x12
REF_FUNC: Final = 0xD2
FUNCTION_OPCODES: Final = (CALL, RETURN_CALL, REF_FUNC)
"""The instructions whose one immediate is a function index."""

Skip = Callable[[bytes, int, int], int]
"""From (code, position of an immediate, end) to the position after it."""


class FunctionUse(NamedTuple):
    """An instruction that names a function; `start` and `end` enclose the index, not the opcode."""

    opcode: int
    start: int
    end: int
    function: int


def skip_instruction(code: bytes, pos: int, end: int) -> int:
    """The position after the instruction at `pos`.

    Raises:
        WasmFormatError: The opcode is unknown, or the instruction does not end before `end`.
    """
    if pos >= end:
        raise WasmFormatError("an instruction is cut off", pos)
    opcode = code[pos]
    after = pos + 1
    if opcode in _PREFIXED:
        number, after = read_unsigned(code, after, end)
        skips = _PREFIXED[opcode].get(number)
        shown = f"{opcode:#04x} {number:#04x}"
    else:
        skips = _PLAIN.get(opcode)
        shown = f"{opcode:#04x}"
    if skips is None:
        raise WasmFormatError(f"instruction {shown} is unknown", pos)
    for skip in skips:
        after = skip(code, after, end)
    return after


def skip_locals(code: bytes, pos: int, end: int) -> int:
    """The position after the local declarations that a function body starts with."""
    groups, pos = read_unsigned(code, pos, end)
    for _ in range(groups):  # a count that lies ends in an error as soon as the bytes do
        _, pos = read_unsigned(code, pos, end)
        pos = skip_value_type(code, pos, end)
    return pos


def instructions(code: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the instructions of a function body: opcode, and where what follows it starts and ends.

    Args:
        code: The module.
        start: Where the body starts, with its local declarations.
        end: Where it ends.

    Raises:
        WasmFormatError: An instruction is unknown, or does not end before `end`.
    """
    pos = skip_locals(code, start, end)
    while pos < end:
        after = skip_instruction(code, pos, end)
        yield code[pos], pos + 1, after
        pos = after


def function_uses(code: bytes, start: int, end: int, targets: Collection[int]) -> list[FunctionUse]:
    """Where a function body names one of the target functions.

    Args:
        code: The module.
        start: Where the body starts, with its local declarations.
        end: Where it ends.
        targets: Function indices to look for.

    Raises:
        WasmFormatError: The body has an unknown instruction, or does not end with an `end` exactly at `end`.
    """
    uses: list[FunctionUse] = []
    pos = skip_locals(code, start, end)
    last = end - 1  # of the `end` that closes the body
    while pos < last:
        opcode = code[pos]
        quick = _QUICK[opcode]
        # The three usual lengths are measured here, as a call for each would triple the time.
        if quick == _NO_IMMEDIATE:
            pos += 1
        elif quick == _ONE_NUMBER and code[pos + 1] < 0x80:
            pos += 2
        elif quick == _MEMORY and pos + 2 < last and code[pos + 1] < 0x40 and code[pos + 2] < 0x80:
            pos += 3
        elif opcode in FUNCTION_OPCODES:
            index, after = read_unsigned(code, pos + 1, last)
            if index in targets:
                uses.append(FunctionUse(opcode, pos + 1, after, index))
            pos = after
        else:
            pos = skip_instruction(code, pos, last)
    if pos != last or code[last] != END:
        raise WasmFormatError("a function body does not end where its length says", end)
    return uses


def _unsigned(code: bytes, pos: int, end: int) -> int:
    return read_unsigned(code, pos, end)[1]


def _signed32(code: bytes, pos: int, end: int) -> int:
    return read_signed(code, pos, end)[1]


def _signed33(code: bytes, pos: int, end: int) -> int:
    return read_signed(code, pos, end, 33)[1]


def _signed64(code: bytes, pos: int, end: int) -> int:
    return read_signed(code, pos, end, 64)[1]


def _bytes(size: int) -> Skip:
    def skip(_code: bytes, pos: int, end: int) -> int:
        if pos + size > end:
            raise WasmFormatError("an instruction is cut off", pos)
        return pos + size

    return skip


def _block_type(code: bytes, pos: int, end: int) -> int:
    # A reference type takes a second number; the empty type, the value types and type indices are one signed number.
    if pos < end and code[pos] in (0x63, 0x64):
        return skip_value_type(code, pos, end)
    return _signed33(code, pos, end)


def _memory_argument(code: bytes, pos: int, end: int) -> int:
    alignment, pos = read_unsigned(code, pos, end)
    if alignment & 0x40:  # multi-memory: the index of a memory follows
        pos = _unsigned(code, pos, end)
    return read_unsigned(code, pos, end, 64)[1]


def _labels(code: bytes, pos: int, end: int) -> int:
    count, pos = read_unsigned(code, pos, end)
    for _ in range(count + 1):  # and the default label
        pos = _unsigned(code, pos, end)
    return pos


def _value_types(code: bytes, pos: int, end: int) -> int:
    count, pos = read_unsigned(code, pos, end)
    for _ in range(count):
        pos = skip_value_type(code, pos, end)
    return pos


def _catches(code: bytes, pos: int, end: int) -> int:
    count, pos = read_unsigned(code, pos, end)
    for _ in range(count):
        kind, after = read_unsigned(code, pos, end)
        if kind > 3:
            raise WasmFormatError(f"catch clause {kind} is unknown", pos)
        pos = _unsigned(code, after, end)  # a tag, or the label of a catch_all
        if kind < 2:
            pos = _unsigned(code, pos, end)
    return pos


_BYTE = _bytes(1)


def _plain_table() -> dict[int, tuple[Skip, ...]]:
    table: dict[int, tuple[Skip, ...]] = {}
    for opcode in (0x00, 0x01, 0x05, 0x0A, 0x0B, 0x0F, 0x19, 0x1A, 0x1B, *range(0x45, 0xC5), 0xD1):
        table[opcode] = ()
    for opcode in (0x02, 0x03, 0x04, 0x06):  # block, loop, if, try
        table[opcode] = (_block_type,)
    # catch, throw, rethrow, br, br_if, call, return_call, delegate, local.*, global.*, table.get/set, memory.size/grow
    for opcode in (0x07, 0x08, 0x09, 0x0C, 0x0D, CALL, RETURN_CALL, 0x18, *range(0x20, 0x27), 0x3F, 0x40, REF_FUNC):
        table[opcode] = (_unsigned,)
    table[0x0E] = (_labels,)  # br_table
    table[0x11] = table[0x13] = (_unsigned, _unsigned)  # call_indirect, return_call_indirect
    table[0x1C] = (_value_types,)  # select with types
    table[0x1F] = (_block_type, _catches)  # try_table
    for opcode in range(0x28, 0x3F):  # loads and stores
        table[opcode] = (_memory_argument,)
    table[0x41] = (_signed32,)
    table[0x42] = (_signed64,)
    table[0x43] = (_bytes(4),)
    table[0x44] = (_bytes(8),)
    table[0xD0] = (_signed33,)  # ref.null
    return table


def _bulk_table() -> dict[int, tuple[Skip, ...]]:
    one, two = (_unsigned,), (_unsigned, _unsigned)
    table: dict[int, tuple[Skip, ...]] = dict.fromkeys(range(8), ())  # saturating conversions
    table |= {8: two, 9: one, 10: two, 11: one}  # memory.init, data.drop, memory.copy, memory.fill
    # table.init, elem.drop, table.copy, table.grow, table.size, table.fill
    table |= {12: two, 13: one, 14: two, 15: one, 16: one, 17: one}
    return table


_SIMD_HOLES: Final = frozenset(
    bytes.fromhex("9a a2 a5 a6 af b0 b2 b3 b4 bb c2 c5 c6 cf d0 d2 d3 d4 e2 ee"),
)
"""Numbers between 0x0e and 0x113 that no instruction has."""


def _simd_table() -> dict[int, tuple[Skip, ...]]:
    table: dict[int, tuple[Skip, ...]] = {number: () for number in range(0x0E, 0x114) if number not in _SIMD_HOLES}
    for number in (*range(0x0C), 0x5C, 0x5D):  # loads and stores
        table[number] = (_memory_argument,)
    table[0x0C] = table[0x0D] = (_bytes(16),)  # v128.const, i8x16.shuffle
    for number in range(0x15, 0x23):  # extract and replace a lane
        table[number] = (_BYTE,)
    for number in range(0x54, 0x5C):  # load and store a lane
        table[number] = (_memory_argument, _BYTE)
    return table


def _thread_table() -> dict[int, tuple[Skip, ...]]:
    table: dict[int, tuple[Skip, ...]] = dict.fromkeys((*range(3), *range(0x10, 0x4F)), (_memory_argument,))
    table[3] = (_BYTE,)  # atomic.fence
    return table


_PLAIN: Final = _plain_table()
_PREFIXED: Final = {0xFC: _bulk_table(), 0xFD: _simd_table(), 0xFE: _thread_table()}

_NO_IMMEDIATE, _ONE_NUMBER, _MEMORY = 1, 2, 3


def _quick_table() -> bytes:
    table = bytearray(256)
    kinds: dict[tuple[Skip, ...], int] = {
        (): _NO_IMMEDIATE,
        (_unsigned,): _ONE_NUMBER,
        (_signed32,): _ONE_NUMBER,
        (_signed64,): _ONE_NUMBER,
        (_memory_argument,): _MEMORY,
    }
    for opcode, skips in _PLAIN.items():
        if opcode not in FUNCTION_OPCODES:
            table[opcode] = kinds.get(skips, 0)
    return bytes(table)


_QUICK: Final = _quick_table()
