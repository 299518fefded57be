"""Whether running a module can change its function table.

A table that no instruction changes need not be made new between two guests. That is looked up in the code that is
going to be compiled, all of it: a byte search finds the bodies that may have such an instruction, in any of the forms
that its number can be written in, and only those are decoded.
"""

from __future__ import annotations

import re
from typing import Final

from wasihost.runtime.wasm.bodies import iter_bodies
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.instructions import instructions
from wasihost.runtime.wasm.leb import read_unsigned
from wasihost.runtime.wasm.sections import ModuleSections

_TABLE_SET: Final = 0x26
_PREFIX: Final = 0xFC
_CHANGING: Final = frozenset({12, 13, 14, 15, 17})
"""table.init, elem.drop, table.copy, table.grow, table.fill."""
# Table 0 is the only one. Numbers may be written longer than they need to be.
_MAY_CHANGE: Final = re.compile(
    b"\\x26[\\x00\\x80]|\\xfc[" + b"".join(b"\\x%02x\\x%02x" % (n, n | 0x80) for n in sorted(_CHANGING)) + b"]"
)


def table_is_fixed(module: bytes) -> bool:
    """Whether no function of a module with one table can change that table, or drop a segment that could fill it.

    False as well where a body that may do it cannot be understood.

    Args:
        module: A module as `rewrite` makes it.
    """
    return not any(
        _MAY_CHANGE.search(module, start, end) and _changes(module, start, end)
        for _, start, end in iter_bodies(ModuleSections(module))
    )


def _changes(module: bytes, start: int, end: int) -> bool:
    try:
        return any(
            opcode == _TABLE_SET or (opcode == _PREFIX and read_unsigned(module, first, after)[0] in _CHANGING)
            for opcode, first, after in instructions(module, start, end)
        )
    except WasmFormatError:
        return True
