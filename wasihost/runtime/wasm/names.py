"""The name section: what the linker called each function."""

from __future__ import annotations

from typing import Final

from wasihost.runtime.wasm.cursor import Cursor
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.leb import read_unsigned
from wasihost.runtime.wasm.sections import ModuleSections

_FUNCTION_NAMES: Final = 1


def function_names(module: bytes) -> dict[int, str]:
    """The name of each function, by its index (imported functions counted).

    Names are for people who choose a slice; nothing relies on them. Bytes that are no UTF-8 are replaced.

    Args:
        module: A WebAssembly core module.

    Returns:
        Nothing when the module was stripped of its names.

    Raises:
        WasmFormatError: The module or its name section is malformed.
    """
    sections = ModuleSections(module)
    for section in sections.custom:
        cursor = Cursor(module, section.start, section.end)
        if cursor.name() != "name":
            continue
        while cursor.remaining:
            subsection = cursor.byte()
            size = cursor.unsigned()
            start = cursor.pos
            cursor.skip(size)
            if subsection == _FUNCTION_NAMES:
                return _read_names(module, start, cursor.pos)
    return {}


def _read_names(module: bytes, pos: int, end: int) -> dict[int, str]:
    cursor = Cursor(module, pos, end)
    count = cursor.count("names")
    pos = cursor.pos
    names: dict[int, str] = {}
    for _ in range(count):
        index, pos = read_unsigned(module, pos, end)
        size, pos = read_unsigned(module, pos, end)
        after = pos + size
        if after > end:
            raise WasmFormatError("a name reaches out of the name section", pos)
        names[index] = module[pos:after].decode(errors="replace")
        pos = after
    return names
