"""Value types, function types and limits: what the imports, exports and definitions of a module are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wasihost.runtime.wasm.cursor import Cursor
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.leb import read_signed

NUMBER_TYPES: Final = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64"}

_TYPE_NAMES: Final = NUMBER_TYPES | {
    0x7B: "v128",
    0x70: "funcref",
    0x6F: "externref",
    0x69: "exnref",
    0x6E: "anyref",
    0x6D: "eqref",
    0x6C: "i31ref",
    0x6B: "structref",
    0x6A: "arrayref",
    0x71: "nullref",
    0x72: "nullexternref",
    0x73: "nullfuncref",
    0x74: "nullexnref",
}
_NULLABLE_REFERENCE: Final = 0x63
_REFERENCE: Final = 0x64


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionType:
    """Parameters and results, each by the name of its value type."""

    params: tuple[str, ...]
    results: tuple[str, ...]

    def __str__(self) -> str:
        return f"({', '.join(self.params)}) -> ({', '.join(self.results)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizableLimits:
    """The size of a memory (in pages) or of a table (in entries)."""

    minimum: int
    maximum: int | None
    shared: bool = False
    address_bits: int = 32
    page_bytes: int = 65536

    def __str__(self) -> str:
        text = f"{self.minimum}.." if self.maximum is None else f"{self.minimum}..{self.maximum}"
        text += " shared" if self.shared else ""
        text += " 64-bit" if self.address_bits == 64 else ""
        return text + (f" pages of {self.page_bytes} bytes" if self.page_bytes != 65536 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalType:
    """The value type of a global, by its name, and whether the module may change it."""

    value: str
    mutable: bool

    def __str__(self) -> str:
        return f"mut {self.value}" if self.mutable else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class TableType:
    """The reference type of a table's entries, by its name, and the table's size."""

    element: str
    limits: ResizableLimits

    def __str__(self) -> str:
        return f"{self.element} {self.limits}"


def skip_value_type(data: bytes, pos: int, end: int) -> int:
    """The position after the value type at `pos`."""
    if pos >= end:
        raise WasmFormatError("a value type is cut off", pos)
    byte = data[pos]
    if byte in _TYPE_NAMES:
        return pos + 1
    if byte in (_NULLABLE_REFERENCE, _REFERENCE):
        return read_signed(data, pos + 1, end, 33)[1]
    raise WasmFormatError(f"value type {byte:#04x} is unknown", pos)


def read_value_type(cursor: Cursor) -> str:
    """Read a value type and return its name as the text format has it."""
    start = cursor.pos
    cursor.pos = skip_value_type(cursor.data, start, cursor.end)
    byte = cursor.data[start]
    if byte in _TYPE_NAMES:
        return _TYPE_NAMES[byte]
    heap, _ = read_signed(cursor.data, start + 1, cursor.end, 33)
    shown = _TYPE_NAMES.get(heap & 0x7F, str(heap)).removesuffix("ref") if heap < 0 else str(heap)
    return f"(ref {'null ' if byte == _NULLABLE_REFERENCE else ''}{shown})"


def read_function_type(cursor: Cursor) -> FunctionType:
    """Read one entry of the type section."""
    at = cursor.pos
    form = cursor.byte()
    if form != 0x60:
        raise WasmFormatError(f"type form {form:#04x} is not a function type, the only kind that is supported", at)
    params = tuple(read_value_type(cursor) for _ in range(cursor.count("parameters")))
    results = tuple(read_value_type(cursor) for _ in range(cursor.count("results")))
    return FunctionType(params=params, results=results)


def read_limits(cursor: Cursor) -> ResizableLimits:
    """Read the size of a memory or table."""
    at = cursor.pos
    flags = cursor.byte()
    if flags > 0x0F:
        raise WasmFormatError(f"limits with flags {flags:#04x} are unknown", at)
    bits = 64 if flags & 4 else 32
    minimum = cursor.unsigned(bits)
    maximum = cursor.unsigned(bits) if flags & 1 else None
    page_bytes = 65536
    if flags & 8:
        exponent = cursor.unsigned()
        if exponent > 16:
            raise WasmFormatError("a page size above 64 KiB is unknown", at)
        page_bytes = 1 << exponent
    if maximum is not None and maximum < minimum:
        raise WasmFormatError(f"a maximum of {maximum} is below the minimum of {minimum}", at)
    return ResizableLimits(
        minimum=minimum, maximum=maximum, shared=bool(flags & 2), address_bits=bits, page_bytes=page_bytes
    )


def read_table_type(cursor: Cursor) -> TableType:
    """Read the type of a table."""
    at = cursor.pos
    element = read_value_type(cursor)
    if not element.endswith("ref") and not element.startswith("(ref"):
        raise WasmFormatError(f"a table of {element} is not possible", at)
    return TableType(element=element, limits=read_limits(cursor))


def read_global_type(cursor: Cursor) -> GlobalType:
    """Read the type of a global."""
    value = read_value_type(cursor)
    at = cursor.pos
    mutability = cursor.byte()
    if mutability > 1:
        raise WasmFormatError(f"global mutability {mutability} is unknown", at)
    return GlobalType(value=value, mutable=mutability == 1)
