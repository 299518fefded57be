"""LEB128, the variable-length numbers of the WebAssembly format."""

from __future__ import annotations

from wasihost.runtime.wasm.errors import WasmFormatError


def read_unsigned(data: bytes, pos: int, end: int, bits: int = 32) -> tuple[int, int]:
    """Read an unsigned number, minimal or padded.

    Args:
        data: The bytes that hold the number.
        pos: Where it starts.
        end: Where reading must stop, at most `len(data)`.
        bits: The width that the value must fit, at least 7.

    Returns:
        The value and the position after it.

    Raises:
        WasmFormatError: The number is cut off, or wider than `bits`.
    """
    if pos < end and data[pos] < 0x80:  # by far the commonest case, worth its own way out
        return data[pos], pos + 1
    raw, after, _ = _read_raw(data, pos, end, bits)
    if raw >> bits:
        raise WasmFormatError(f"a number does not fit {bits} bits", pos)
    return raw, after


def read_signed(data: bytes, pos: int, end: int, bits: int = 32) -> tuple[int, int]:
    """Read a signed number; arguments, result and errors are those of `read_unsigned`."""
    raw, after, width = _read_raw(data, pos, end, bits)
    value = raw - (1 << width) if raw >> (width - 1) else raw
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise WasmFormatError(f"a signed number does not fit {bits} bits", pos)
    return value, after


def _read_raw(data: bytes, pos: int, end: int, bits: int) -> tuple[int, int, int]:
    """The payload bits of a number, the position after it, and how many payload bits there were."""
    start, raw, shift = pos, 0, 0
    while True:
        if pos >= end:
            raise WasmFormatError("a number is cut off", start)
        byte = data[pos]
        pos += 1
        raw |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return raw, pos, shift
        if shift >= bits:
            raise WasmFormatError(f"a number is longer than {bits} bits allow", start)


def encode_unsigned(value: int, width: int = 1) -> bytes:
    """Encode an unsigned number in as few bytes as possible, but at least `width` (padded with zero groups)."""
    if value < 0:
        raise ValueError(f"{value} is negative")
    out = bytearray()
    while value > 0x7F or len(out) + 1 < width:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_signed(value: int) -> bytes:
    """Encode a signed number in as few bytes as possible."""
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def unsigned_forms(value: int, bits: int = 32) -> tuple[bytes, ...]:
    """Every encoding that a valid module may use for an unsigned number: the minimal one and all padded ones."""
    shortest = len(encode_unsigned(value))
    longest = -(-bits // 7)
    return tuple(encode_unsigned(value, width) for width in range(shortest, longest + 1))
