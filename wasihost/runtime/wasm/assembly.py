"""The few instructions that added functions are made of, as bytes."""

from __future__ import annotations

from typing import Final

from wasihost.runtime.wasm.leb import encode_signed, encode_unsigned

BLOCK, LOOP, IF, ELSE, END, RETURN = b"\x02\x40", b"\x03\x40", b"\x04\x40", b"\x05", b"\x0b", b"\x0f"
EQZ, LT_U, GT_U, GE_U = b"\x45", b"\x49", b"\x4b", b"\x4f"
ADD, SUB, AND, XOR, SHL, SHR_U = b"\x6a", b"\x6b", b"\x71", b"\x73", b"\x74", b"\x76"
LT_U64, GT_U64, ADD64, SUB64, SHR_U64 = b"\x54", b"\x56", b"\x7c", b"\x7d", b"\x88"
WRAP, EXTEND_U, SELECT = b"\xa7", b"\xad", b"\x1b"

I32_LOAD: Final = 0x28
I64_LOAD: Final = 0x29
I64_STORE: Final = 0x37


def local_types(*runs: tuple[int, str]) -> bytes:
    """The locals of a body, as runs of (how many, type)."""
    codes = {"i32": b"\x7f", "i64": b"\x7e"}
    return encode_unsigned(len(runs)) + b"".join(encode_unsigned(count) + codes[kind] for count, kind in runs)


def const(value: int) -> bytes:
    """`i32.const`."""
    return b"\x41" + encode_signed(value)


def const64(value: int) -> bytes:
    """`i64.const`."""
    return b"\x42" + encode_signed(value)


def local_get(local: int) -> bytes:
    """`local.get`."""
    return b"\x20" + encode_unsigned(local)


def local_set(local: int) -> bytes:
    """`local.set`."""
    return b"\x21" + encode_unsigned(local)


def local_tee(local: int) -> bytes:
    """`local.tee`."""
    return b"\x22" + encode_unsigned(local)


def global_get(index: int) -> bytes:
    """`global.get`."""
    return b"\x23" + encode_unsigned(index)


def global_set(index: int) -> bytes:
    """`global.set`."""
    return b"\x24" + encode_unsigned(index)


def call(function: int) -> bytes:
    """`call`."""
    return b"\x10" + encode_unsigned(function)


def br_if(depth: int) -> bytes:
    """`br_if`: leave as many blocks and one."""
    return b"\x0d" + encode_unsigned(depth)


def br(depth: int) -> bytes:
    """`br`: likewise, always."""
    return b"\x0c" + encode_unsigned(depth)


def memory_access(opcode: int, offset: int) -> bytes:
    """A load or store at the address on the stack plus `offset`; no alignment is promised, as the guest chooses it."""
    return bytes([opcode, 0]) + encode_unsigned(offset)
